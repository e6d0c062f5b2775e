"""TensorFlow.js graph models to ONNX: the operators of BlazeFace and the face mesh."""

import base64
import json
from math import prod

from .onnx_graph import BATCH, Graph, constant, transpose


def convert(graph_json, weights, rename):
    model = json.loads(graph_json)
    known = _constants(model["weightsManifest"], weights)
    graph = Graph("tfjs", rename)
    for node in _sorted(model["modelTopology"]["node"]):
        if node["op"] == "Const":
            continue
        inputs = [known[_plain(name)] for name in node.get("input", [])]
        known[node["name"]] = _operator(graph, node, inputs)
    return graph.serialised()


def _constants(manifest, weights):
    found, at = {}, 0
    for group in manifest:
        for entry in group["weights"]:
            packing = entry.get("quantization")
            if packing is not None and packing["dtype"] != "float16":
                raise ValueError(f"weights packed as {packing['dtype']} are not supported")
            form = "e" if packing else {"float32": "f", "int32": "i"}[entry["dtype"]]
            length = prod(entry["shape"]) * (2 if form == "e" else 4)
            found[entry["name"]] = constant(entry["shape"], weights[at : at + length], form)
            at += length
    if at != len(weights):
        raise ValueError(f"{len(weights) - at} bytes of weights belong to no tensor")
    return found


def _operator(graph, node, inputs):
    op, attr = node["op"], node.get("attr", {})
    if op == "Placeholder":
        shape = [int(d["size"]) for d in attr["shape"]["shape"]["dim"]]
        return graph.input(node["name"], [BATCH if d < 0 else d for d in shape])
    if op == "_FusedConv2D":
        return _fused_conv(graph, attr, inputs)
    if op == "DepthwiseConv2dNative":
        x, kernel = inputs
        kh, kw, channels, multiplier = kernel.shape
        moved = transpose(kernel, [2, 3, 0, 1])
        moved = moved._replace(shape=[channels * multiplier, 1, kh, kw])
        return graph.conv(x, moved, None, _hw(attr, "strides"), _same(attr), _hw(attr, "dilations"), channels)
    if op == "MaxPool":
        return graph.pool("MaxPool", inputs[0], _hw(attr, "ksize"), _hw(attr, "strides"), _same(attr))
    if op == "AddV2":
        return graph.binary("Add", *inputs)
    if op in ("Relu", "Sigmoid"):
        return graph.unary(op, inputs[0])
    if op == "Prelu":
        return graph.prelu(*inputs)
    if op == "Pad":
        return graph.pad(inputs[0], inputs[1].values.tolist())
    if op == "Reshape":
        return graph.reshape(inputs[0], inputs[1].values, inputs[0].shape[0])
    if op == "Identity":
        graph.output(node["name"], inputs[0])
        return inputs[0]
    raise ValueError(f"operator {op} is not supported")


def _fused_conv(graph, attr, inputs):
    x, kernel, *rest = inputs
    fused = [_text(s) for s in attr["fused_ops"]["list"]["s"]]
    if fused[:1] != ["BiasAdd"] or len(fused) > 2:
        raise ValueError(f"convolution fused with {fused} is not supported")
    weights = transpose(kernel, [3, 2, 0, 1])
    out = graph.conv(x, weights, rest[0], _hw(attr, "strides"), _same(attr), _hw(attr, "dilations"))
    if fused[1:] == ["Relu"]:
        return graph.unary("Relu", out)
    if fused[1:] == ["Prelu"]:
        return graph.prelu(out, rest[1])
    if fused[1:]:
        raise ValueError(f"activation {fused[1]} is not supported")
    return out


def _sorted(nodes):
    """Every node after its inputs; among those that could come next, the file's order."""
    by_name, done, ordered = {n["name"]: n for n in nodes}, set(), []

    def visit(name):
        if name not in done:
            done.add(name)
            for source in by_name[name].get("input", []):
                visit(_plain(source))
            ordered.append(by_name[name])

    for node in nodes:
        visit(node["name"])
    return ordered


def _plain(name):
    return name.split(":")[0].lstrip("^")


def _text(encoded):
    return base64.b64decode(encoded).decode()


def _same(attr):
    return {"SAME": True, "VALID": False}[_text(attr["padding"]["s"])]


def _hw(attr, name):
    _, h, w, _ = (int(i) for i in attr[name]["list"]["i"])
    return h, w
