"""Builds an ONNX graph out of TensorFlow's operators.

TensorFlow keeps images as NHWC, ONNX as NCHW. Here every tensor with four dimensions is NCHW
inside the graph; inputs are turned round once, right at the entrance, so that the file keeps
the NHWC input its documentation speaks of. Tensors with fewer dimensions are left as they are.
"""

import struct
import sys
from array import array
from collections import namedtuple
from math import prod

from . import protobuf as pb

OPSET, IR_VERSION = 13, 8
FLOAT, INT64 = 1, 7
BATCH = "N"

# A tensor in the graph. shape: in the graph's own layout; the batch may be the word BATCH.
Tensor = namedtuple("Tensor", "name shape")
# A constant as the source stores it (NHWC if it has four dimensions). values: array of float/int.
Constant = namedtuple("Constant", "shape values")


def constant(shape, raw, form):
    """form: "f" float32, "e" float16 (widened to float32, which is exact), "i" int32."""
    count = prod(shape)
    values = array("f" if form in "fe" else "i")
    if form == "e":
        values.extend(struct.unpack(f"<{count}e", raw))
    else:
        values.frombytes(raw)
        if sys.byteorder == "big":
            values.byteswap()
    if len(values) != count:
        raise ValueError(f"a constant of shape {shape} has {len(values)} values")
    return Constant(list(shape), values)


def transpose(const, permutation):
    # Axes of length one move nothing: without them most 1x1 kernels need no work at all.
    shape, values = const
    order = [axis for axis in permutation if shape[axis] != 1]
    new_shape = [shape[axis] for axis in permutation]
    if order == sorted(order):
        return Constant(new_shape, values)
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    starts = [0]
    for axis in order[:-1]:
        starts = [s + i * strides[axis] for s in starts for i in range(shape[axis])]
    step, length = strides[order[-1]], shape[order[-1]]
    moved = array(values.typecode)
    for start in starts:
        moved.extend(values[start : start + (length - 1) * step + 1 : step])
    return Constant(new_shape, moved)


class Graph:
    def __init__(self, name, rename):
        self.name, self.rename = name, rename
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []

    # -- what goes in and out ---------------------------------------------------------------

    def input(self, name, shape_nhwc):
        name = self.rename.get(name, name)
        self.inputs.append(_value_info(name, shape_nhwc))
        n, h, w, c = shape_nhwc
        return self._node("Transpose", [name], [n, c, h, w], perm=[0, 3, 1, 2])

    def output(self, name, tensor):
        name = self.rename.get(name, name)
        self.nodes.append(_node("Identity", [tensor.name], name, {}))
        self.outputs.append(_value_info(name, tensor.shape))

    def serialised(self):
        graph = [(1, n) for n in self.nodes] + [(2, self.name)]
        graph += [(5, i) for i in self.initializers]
        graph += [(11, i) for i in self.inputs] + [(12, o) for o in self.outputs]
        opset = pb.encode([(1, ""), (2, OPSET)])
        return pb.encode(
            [(1, IR_VERSION), (2, "txid models"), (7, pb.encode(graph)), (8, opset)]
        )

    # -- operators --------------------------------------------------------------------------

    def conv(self, x, weights_oihw, bias, stride, same, dilation=(1, 1), groups=1):
        out_channels, _, kh, kw = weights_oihw.shape
        size, pads = _window(x.shape[2:], (kh, kw), stride, same, dilation)
        inputs = [x.name, self.initializer(weights_oihw)]
        if bias is not None:
            inputs.append(self.initializer(bias))
        return self._node(
            "Conv",
            inputs,
            [x.shape[0], out_channels, *size],
            kernel_shape=[kh, kw],
            strides=list(stride),
            dilations=list(dilation),
            group=groups,
            pads=pads,
        )

    def pool(self, op, x, kernel, stride, same):
        size, pads = _window(x.shape[2:], kernel, stride, same, (1, 1))
        # Padding counts for nothing in TensorFlow's average, which is ONNX's default too.
        return self._node(
            op, [x.name], [*x.shape[:2], *size], kernel_shape=list(kernel), strides=list(stride), pads=pads
        )

    def unary(self, op, x, **attributes):
        return self._node(op, [x.name], x.shape, **attributes)

    def prelu(self, x, slope):
        """relu(x) - slope * relu(-x), with the products as depthwise 1x1 convolutions.

        ONNX's own PRelu gives the same values to the last bit, but ONNX Runtime computes it
        slowly and outside of the blocked layout that it keeps convolutions in: the face embedding
        took 27 ms with it and takes 14 ms so, the face mesh 5.3 and 2.5.
        """
        channels = x.shape[1]
        if prod(slope.shape) != channels:
            raise ValueError("only one slope a channel is supported")
        negated = self._scaled(x, (-1.0 for _ in range(channels)))
        below = self._scaled(self.unary("Relu", negated), (-v for v in slope.values))
        return self.binary("Add", below, self.unary("Relu", x))

    def _scaled(self, x, factors):
        weights = Constant([x.shape[1], 1, 1, 1], array("f", factors))
        return self.conv(x, weights, None, (1, 1), False, groups=x.shape[1])

    def binary(self, op, a, b):
        rank = max(len(a.shape), len(b.shape))
        a, b = self._operand(a, rank), self._operand(b, rank)
        shape = [x if y == 1 else y for x, y in zip(_left_filled(a, rank), _left_filled(b, rank))]
        return self._node(op, [a.name, b.name], shape)

    def pad(self, x, pads_nhwc):
        pairs = [pads_nhwc[i : i + 2] for i in range(0, 8, 2)]
        pairs = [pairs[axis] for axis in (0, 3, 1, 2)]
        shape = [d if not sum(p) else d + sum(p) for d, p in zip(x.shape, pairs)]
        amounts = Constant([8], [p[0] for p in pairs] + [p[1] for p in pairs])
        return self._node("Pad", [x.name, self.int64(amounts)], shape)

    def reshape(self, x, wanted, batch):
        """wanted: the source's target shape. batch: what stands for the batch where dynamic."""
        wanted = list(wanted)
        if batch == BATCH:
            wanted[0] = -1
        shape = self._reshaped(x, wanted)
        x = self.as_source_layout(x)
        return self._node("Reshape", [x.name, self.int64(Constant([len(wanted)], wanted))], shape)

    def fully_connected(self, x, weights_oi, bias):
        if len(x.shape) != 2:
            x = self.reshape(x, [-1, weights_oi.shape[1]], x.shape[0])
        inputs = [x.name, self.initializer(weights_oi)]
        if bias is not None:
            inputs.append(self.initializer(bias))
        return self._node("Gemm", inputs, [x.shape[0], weights_oi.shape[0]], transB=1)

    def concat(self, parts, axis):
        if any(len(p.shape) != 2 for p in parts) or axis % 2 != 1:
            raise ValueError("only vectors are concatenated")
        shape = [parts[0].shape[0], sum(p.shape[1] for p in parts)]
        return self._node("Concat", [p.name for p in parts], shape, axis=1)

    # -- parts ------------------------------------------------------------------------------

    def as_source_layout(self, x):
        if len(x.shape) != 4:
            return x
        n, c, h, w = x.shape
        return self._node("Transpose", [x.name], [n, h, w, c], perm=[0, 2, 3, 1])

    def initializer(self, const):
        values = const.values
        if sys.byteorder == "big":
            values = array(values.typecode, values)
            values.byteswap()
        return self._initializer(const.shape, FLOAT, values.tobytes())

    def int64(self, const):
        return self._initializer(const.shape, INT64, struct.pack(f"<{len(const.values)}q", *const.values))

    def _initializer(self, shape, kind, raw):
        name = f"w{len(self.initializers)}"
        dims = [(1, d) for d in shape]
        self.initializers.append(pb.encode(dims + [(2, kind), (8, name), (9, raw)]))
        return name

    def _operand(self, value, rank):
        if isinstance(value, Tensor):
            return value
        const = value
        if rank == 4 and len(const.shape) > 0:
            const = transpose(Constant([1] * (4 - len(const.shape)) + const.shape, const.values), [0, 3, 1, 2])
        return Tensor(self.initializer(const), const.shape)

    def _reshaped(self, x, wanted):
        if -1 not in wanted:
            return wanted
        if isinstance(x.shape[0], str) or wanted.index(-1) == 0 and prod(wanted[1:]) == prod(x.shape[1:]):
            return [x.shape[0], *wanted[1:]]
        known = prod(d for d in wanted if d != -1)
        return [prod(x.shape) // known if d == -1 else d for d in wanted]

    def _node(self, op, inputs, shape, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(_node(op, inputs, name, attributes))
        return Tensor(name, list(shape))


def _left_filled(tensor, rank):
    return [1] * (rank - len(tensor.shape)) + list(tensor.shape)


def _window(size, kernel, stride, same, dilation):
    """Output size and ONNX pads of a sliding window, by TensorFlow's SAME and VALID rules."""
    out, before, after = [], [], []
    for length, k, s, d in zip(size, kernel, stride, dilation):
        reach = (k - 1) * d + 1
        if same:
            steps = -(-length // s)
            padding = max((steps - 1) * s + reach - length, 0)
        else:
            steps, padding = (length - reach) // s + 1, 0
        out.append(steps)
        before.append(padding // 2)
        after.append(padding - padding // 2)
    return out, before + after


def _node(op, inputs, output, attributes):
    fields = [(1, i) for i in inputs] + [(2, output), (3, output), (4, op)]
    return pb.encode(fields + [(5, _attribute(k, attributes[k])) for k in sorted(attributes)])


def _attribute(name, value):
    if isinstance(value, float):
        return pb.encode([(1, name), (2, pb.fixed_float(value)), (20, 1)])
    if isinstance(value, int):
        return pb.encode([(1, name), (3, value), (20, 2)])
    return pb.encode([(1, name)] + [(8, v) for v in value] + [(20, 7)])


def _value_info(name, shape):
    dims = [(1, pb.encode([(2, d) if isinstance(d, str) else (1, d)])) for d in shape]
    tensor = pb.encode([(1, FLOAT), (2, pb.encode(dims))])
    return pb.encode([(1, name), (2, pb.encode([(1, tensor)]))])
