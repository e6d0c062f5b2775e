#!/usr/bin/env python3
"""Writes models/golden.json: what each model answers to a made-up input.

The worker feeds every model its golden input before it takes work, and refuses to start if an
answer is off: the digest proves that the file is right, this proves that the runtime on this
machine computes with it as it should.

For developers, after a model or the runtime changed (needs `pip install onnxruntime==1.32.0`):

    python3 models/golden.py ~/.cache/txid/models

Rules for the input, both in f64 and rounded to f32:
  ramp     element i, in memory order, is low + (high - low) * (i mod 1021) / 1020; 1021 is
           prime, so rows and channels do not line up with it
  strokes  (NCHW, all channels alike) low where top <= y < bottom and left <= x < right and
           x mod period < width, else high: upright strokes that the text models react to
An answer is right if every listed value and root_mean_square are within `tolerance`.
"""

import json
import os
import sys

import numpy
import onnxruntime

# Both networks that read Latin print take the same crops.
LATIN_LINE = {
    "rule": "strokes", "shape": [1, 3, 48, 96], "low": -1.0, "high": 1.0,
    "top": 10, "bottom": 38, "left": 12, "right": 84, "period": 24, "width": 5,
}
INPUTS = {
    "text-detection": {
        "rule": "strokes", "shape": [1, 3, 64, 96], "low": -2.0, "high": 2.0,
        "top": 21, "bottom": 42, "left": 16, "right": 80, "period": 6, "width": 2,
    },
    "quick-recognition": LATIN_LINE,
    "text-recognition": LATIN_LINE,
    "arabic-recognition": {
        "rule": "strokes", "shape": [1, 1, 40, 96], "low": -1.5, "high": 0.8,
        "top": 8, "bottom": 30, "left": 12, "right": 84, "period": 24, "width": 5,
    },
    "text-direction": {"rule": "ramp", "shape": [1, 3, 48, 192], "low": -1.0, "high": 1.0},
    "face-detection": {"rule": "ramp", "shape": [1, 256, 256, 3], "low": -1.0, "high": 1.0},
    "face-mesh": {"rule": "ramp", "shape": [1, 192, 192, 3], "low": 0.0, "high": 1.0},
    "face-embedding": {"rule": "ramp", "shape": [1, 112, 112, 3], "low": -1.0, "high": 1.0},
    "anti-spoof": {"rule": "ramp", "shape": [1, 256, 256, 3], "low": 0.0, "high": 1.0},
}
SPREAD, LARGEST = 4, 4
# Processors differ in the order of their sums. The tolerance is far above what was seen between
# ONNX Runtime with all of its optimisations and with none (at most 4e-4 for face-detection, 4e-5 else)
# and far below what a wrong kernel or a wrong file would do.
RELATIVE_TOLERANCE, LEAST_TOLERANCE = 2e-3, 5e-4


def made_up(rule, shape, low, high, **stroke):
    if rule == "ramp":
        index = numpy.arange(numpy.prod(shape), dtype=numpy.float64)
        values = low + (high - low) * (index % 1021) / 1020
    else:
        y, x = numpy.mgrid[: shape[2], : shape[3]]
        inside = (stroke["top"] <= y) & (y < stroke["bottom"]) & (stroke["left"] <= x) & (x < stroke["right"])
        dark = inside & (x % stroke["period"] < stroke["width"])
        values = numpy.broadcast_to(numpy.where(dark, low, high), shape)
    return values.astype(numpy.float32).reshape(shape)


def session(path, optimised):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def summary(name, array):
    flat = array.astype(numpy.float64).ravel()
    spread = {int(i) for i in numpy.linspace(0, flat.size - 1, SPREAD)}
    at = sorted(spread | {int(i) for i in numpy.argsort(-abs(flat), kind="stable")[:LARGEST]})
    root_mean_square = numpy.sqrt((flat**2).mean())
    return {
        "name": name,
        "shape": list(array.shape),
        "at": at,
        "values": [float(f"{flat[i]:.7g}") for i in at],
        "root_mean_square": float(f"{root_mean_square:.7g}"),
        "tolerance": float(f"{max(RELATIVE_TOLERANCE * root_mean_square, LEAST_TOLERANCE):.2g}"),
    }


def main(folder):
    models = {}
    for model, recipe in INPUTS.items():
        path = os.path.join(folder, model + ".onnx")
        best, plain = session(path, True), session(path, False)
        (tensor,) = best.get_inputs()
        fed = {tensor.name: made_up(**recipe)}
        names = [o.name for o in best.get_outputs()]
        outputs, checks = best.run(names, fed), plain.run(names, fed)
        models[model] = {
            "input": {"name": tensor.name, **recipe},
            "outputs": [summary(n, o) for n, o in zip(names, outputs)],
        }
        for name, one, other in zip(names, outputs, checks):
            print(f"{model} {name}: range {one.min():.4g}..{one.max():.4g}, "
                  f"largest difference without optimisation {abs(one - other).max():.2g}", file=sys.stderr)
    target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden.json")
    with open(target, "w") as file:
        file.write(one_output_a_line(models))


def one_output_a_line(models):
    text = []
    for model, golden in models.items():
        outputs = ",\n".join(f"      {json.dumps(o)}" for o in golden["outputs"])
        text.append(f'  "{model}": {{\n    "input": {json.dumps(golden["input"])},\n'
                    f'    "outputs": [\n{outputs}\n    ]\n  }}')
    return "{\n" + ",\n".join(text) + "\n}\n"


if __name__ == "__main__":
    main(sys.argv[1])
