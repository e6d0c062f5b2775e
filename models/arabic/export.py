"""Writes the trained network as ONNX and holds it against the original: `python export.py net.pt arabic.onnx`.

Weights are kept in 16 bits and widened by Cast nodes, which ONNX Runtime folds away when it loads: half
the file, all sums in 32 bits.
"""

import sys

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper

from charset import CHARACTERS
from net import Net, Probabilities
from render import HEIGHT

OPSET = 17


def halved(model):
    casts = []
    for weight in list(model.graph.initializer):
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < 1000:
            continue
        name = weight.name + "_16"
        model.graph.initializer.remove(weight)
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), name))
        casts.append(helper.make_node("Cast", [name], [weight.name], to=onnx.TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def main(weights, target):
    net = Net()
    net.load_state_dict(torch.load(weights, map_location="cpu"))
    whole = Probabilities(net).eval()
    axes = {"x": {0: "N", 3: "W"}, "y": {0: "N", 1: "T"}}
    torch.onnx.export(
        whole,
        torch.zeros(2, 1, HEIGHT, 64),
        target,
        input_names=["x"],
        output_names=["y"],
        opset_version=OPSET,
        dynamic_axes=axes,
        dynamo=False,
    )
    model = halved(onnx.load(target))
    # As the recogniser of print lists them: neither the blank, class 0, nor the space, the last one.
    model.metadata_props.add(key="character", value="\n".join(CHARACTERS[:-1]))
    model.producer_name, model.producer_version = "", ""
    onnx.checker.check_model(model)
    onnx.save(model, target)
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    for shape in ((1, 1, HEIGHT, 24), (3, 1, HEIGHT, 320), (1, 1, HEIGHT, 1000)):
        x = rng.normal(0, 1, shape).astype(np.float32)
        with torch.no_grad():
            expected = whole(torch.from_numpy(x)).numpy()
        (got,) = session.run(None, {"x": x})
        print(shape, got.shape, f"largest difference of a probability {abs(got - expected).max():.2g}")


if __name__ == "__main__":
    main(*sys.argv[1:])
