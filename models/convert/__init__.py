"""Turns models as packages ship them into the ONNX files that the worker runs.

Standard library only, on purpose: nothing to install on the machine that fetches, and the
bytes that come out depend on the bytes that go in and on nothing else (no protobuf, numpy or
onnx release), so the digest in the manifest can be pinned.
"""

from . import tfjs, tflite, trim_charset


def convert(kind, sources, rename):
    """bytes of the ONNX file.

    kind: the manifest's `convert`; sources: the bytes of the manifest's `sources`, in their
    order; rename: {tensor name in the source: name in the ONNX file} for inputs and outputs.
    """
    if kind == "none":
        (only,) = sources
        return only
    if kind == "tflite":
        (model,) = sources
        return tflite.convert(model, rename)
    if kind == "tfjs":
        graph, weights = sources
        return tfjs.convert(graph, weights, rename)
    if kind == "trim_charset":
        return trim_charset.convert(*sources)
    raise ValueError(f"unknown conversion {kind!r}")
