"""TFLite models to ONNX: the operators of MobileFaceNet and FaceAntiSpoofing.

Numbers of fields and operators are those of TFLite's schema.fbs.
"""

from .flatbuffer import Table
from .onnx_graph import BATCH, Constant, Graph, Tensor, constant, transpose

FORMS = {0: "f", 1: "e", 2: "i"}
OPERATORS = {
    0: "Add", 1: "AveragePool", 2: "Concatenation", 3: "Conv", 4: "DepthwiseConv", 6: "Dequantize",
    9: "FullyConnected", 17: "MaxPool", 18: "Mul", 19: "Relu", 22: "Reshape", 41: "Sub",
    45: "StridedSlice", 53: "Cast", 58: "Less", 62: "GreaterEqual", 98: "LeakyRelu", 101: "Abs",
}
SAME = 0


def convert(data, rename):
    model = Table.root(data)
    codes = [max(c.scalar(0, "<b"), c.scalar(3, "<i")) for c in model.tables(1)]
    buffers = model.tables(4)
    (subgraph,) = model.tables(2)
    tensors = subgraph.tables(0)
    graph, known = Graph("tflite", rename), {}

    for index, tensor in enumerate(tensors):
        raw = buffers[tensor.scalar(2, "<I")].bytes(0)
        if raw:
            known[index] = constant(tensor.ints(0), raw, FORMS[tensor.scalar(1, "<b")])
    for index in subgraph.ints(1):
        # The batch is freed: every operator here treats the images of a batch apart.
        shape = [BATCH, *tensors[index].ints(0)[1:]]
        known[index] = graph.input(tensors[index].text(3), shape)

    steps = [_Step(op, codes, tensors) for op in subgraph.tables(3)]
    for at, step in enumerate(steps):
        if step.output in known:
            continue
        if not _folded_prelu(graph, known, steps[at : at + 5]):
            known[step.output] = _operator(graph, step, [known.get(i) for i in step.inputs])
    for index in subgraph.ints(2):
        graph.output(tensors[index].text(3), known[index])
    return graph.serialised()


class _Step:
    def __init__(self, operator, codes, tensors):
        code = codes[operator.scalar(0, "<I")]
        if code not in OPERATORS:
            raise ValueError(f"TFLite operator {code} is not supported")
        self.op, self.options = OPERATORS[code], operator.table(4)
        self.inputs = [i for i in operator.ints(1) if i >= 0]
        (self.output,) = operator.ints(2)
        self.output_shape = tensors[self.output].ints(0)

    def option(self, field, form="<b", default=0):
        return default if self.options is None else self.options.scalar(field, form, default)


def _folded_prelu(graph, known, steps):
    """relu(x) + c·(x − |x|), which is how MobileFaceNet spells PReLU with the slope 2c.

    Folding is exact: x − |x| is 0 or 2x, and doubling rounds nothing.
    """
    if [s.op for s in steps] != ["Relu", "Abs", "Sub", "Mul", "Add"]:
        return False
    relu, absolute, sub, mul, add = steps
    x = relu.inputs[0]
    factor = [i for i in mul.inputs if i != sub.output]
    plain = (
        absolute.inputs == [x]
        and sub.inputs == [x, absolute.output]
        and len(factor) == 1
        and isinstance(known.get(factor[0]), Constant)
        and sorted(add.inputs) == sorted([relu.output, mul.output])
        and not any(s.option(0) for s in (sub, mul, add))
    )
    if not plain:
        return False
    shape, values = known[factor[0]]
    slope = Constant(shape, type(values)(values.typecode, (2 * v for v in values)))
    known[add.output] = graph.prelu(known[x], slope)
    # The four steps before it have no other reader: mark them as done.
    for step in (relu, absolute, sub, mul):
        known[step.output] = None
    return True


def _operator(graph, step, inputs):
    x = inputs[0]
    if step.op == "Dequantize":
        return x  # float16 constants were widened when they were read
    if step.op == "Conv":
        weights = transpose(inputs[1], [0, 3, 1, 2])
        stride = step.option(2, "<i"), step.option(1, "<i")
        dilation = step.option(5, "<i", 1), step.option(4, "<i", 1)
        out = graph.conv(x, weights, inputs[2], stride, step.option(0) == SAME, dilation)
        return _activated(graph, step, 3, out)
    if step.op == "DepthwiseConv":
        weights = transpose(inputs[1], [3, 0, 1, 2])
        stride = step.option(2, "<i"), step.option(1, "<i")
        dilation = step.option(6, "<i", 1), step.option(5, "<i", 1)
        out = graph.conv(x, weights, inputs[2], stride, step.option(0) == SAME, dilation, x.shape[1])
        return _activated(graph, step, 4, out)
    if step.op in ("MaxPool", "AveragePool"):
        stride = step.option(2, "<i"), step.option(1, "<i")
        kernel = step.option(4, "<i"), step.option(3, "<i")
        return _activated(graph, step, 5, graph.pool(step.op, x, kernel, stride, step.option(0) == SAME))
    if step.op == "FullyConnected":
        return _activated(graph, step, 0, graph.fully_connected(x, inputs[1], inputs[2]))
    if step.op in ("Add", "Sub", "Mul"):
        return _activated(graph, step, 0, graph.binary(step.op, *inputs))
    if step.op == "Less":
        return graph.binary("Less", *inputs)
    if step.op == "GreaterEqual":
        return graph.binary("GreaterOrEqual", *inputs)
    if step.op == "Cast":
        return graph.unary("Cast", x, to=1)  # truth values to float32
    if step.op in ("Relu", "Abs"):
        return graph.unary(step.op, x)
    if step.op == "LeakyRelu":
        return graph.unary("LeakyRelu", x, alpha=step.option(0, "<f", 0.0))
    if step.op == "Reshape":
        return graph.reshape(x, step.output_shape, x.shape[0])
    if step.op == "Concatenation":
        return _activated(graph, step, 1, graph.concat(inputs, step.option(0, "<i")))
    if step.op == "StridedSlice":
        begin, _, stride = (i.values.tolist() for i in inputs[1:])
        whole = not any(begin) and set(stride) == {1} and step.output_shape[1:] == x.shape[1:]
        if not (whole and isinstance(x, Tensor) and step.option(1, "<i") == 3):
            raise ValueError("only a slice that takes everything is supported")
        return x
    raise ValueError(f"operator {step.op} is not supported")


def _activated(graph, step, field, tensor):
    activation = step.option(field)
    if activation == 0:
        return tensor
    if activation == 1:
        return graph.unary("Relu", tensor)
    raise ValueError(f"fused activation {activation} is not supported")
