"""Cuts a text recogniser's last layer down to the characters that identity documents use.

PP-OCRv6 knows 18,710 classes (its smallest network 6,906), most of them Chinese. The last layer is
a plain matrix product and a softmax, so leaving out columns changes nothing about the remaining
logits: a character that was kept keeps its logit, and the softmax shares the probability among
those that are left.

Order of the classes, in the source and in the result alike:
  class 0            the CTC blank
  class i            line i (counted from 1) of the metadata key `character`
  the last class     the space, which `character` does not list

Where a package ships the list of characters as a file beside the network, the result has it in its
metadata all the same.
"""

from array import array
import sys

from . import protobuf as pb

PUNCTUATION = "¡¿£€§©®°ªº«»‹›·±×–—‘’‚“”„•…′″№₺₼"
# Letters with marks as Latin-script languages write them. Not the phonetic alphabet, the long s,
# ligatures and digraphs: they would only offer wrong readings of common letters.
LATIN_1 = (0x00C0, 0x00FF)
LATIN_EXTENDED_A = (0x0100, 0x017F)
NOT_LETTERS = "×÷ĲĳĸĿŀŉſ"
MORE_LETTERS = "ƏəƁɓƊɗƐɛƆɔƘƙƠơƯưƳƴǦǧǍǎǐȘșȚțẞ"


def kept(character):
    code = ord(character)
    if 0x21 <= code <= 0x7E or character in PUNCTUATION or character in MORE_LETTERS:
        return True
    in_ranges = any(low <= code <= high for low, high in (LATIN_1, LATIN_EXTENDED_A))
    return in_ranges and character not in NOT_LETTERS


def convert(data, listing=None):
    model = pb.decode(data)
    if listing is None:
        characters = _metadata(model)["character"].split("\n")
    else:
        characters = listing.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
        model.append((14, pb.encode([(1, "character"), (2, "")])))
    classes = [0]
    classes += [i for i, c in enumerate(characters, 1) if len(c) == 1 and kept(c)]
    classes += [len(characters) + 1]
    listing = "\n".join(characters[i - 1] for i in classes[1:-1])

    old = len(characters) + 2
    patched = []
    for number, value in model:
        if number == 7:
            value = _graph(value, old, classes)
        elif number == 14 and dict(pb.decode(value))[1] == b"character":
            value = pb.encode([(1, "character"), (2, listing)])
        patched.append((number, value))
    return pb.encode(patched)


def _metadata(model):
    pairs = (dict(pb.decode(value)) for number, value in model if number == 14)
    return {pair[1].decode(): pair[2].decode() for pair in pairs}


def _graph(data, old, classes):
    trimmed, fields = 0, []
    for number, value in pb.decode(data):
        if number == 5:
            shape = [v for n, v in pb.decode(value) if n == 1]
            if shape and shape[-1] == old:
                value, trimmed = _columns(value, shape, classes), trimmed + 1
        elif number in (12, 13):
            value = _described(value, old, len(classes))
        fields.append((number, value))
    if trimmed != 2:
        raise ValueError(f"expected one weight and one bias with {old} columns, found {trimmed}")
    return pb.encode(fields)


def _columns(data, shape, classes):
    """A float tensor with only the wanted entries of its last axis."""
    columns, fields = shape[-1], []
    for number, value in pb.decode(data):
        if number == 9:
            values = array("f")
            values.frombytes(value)
            kept_values = array("f")
            for start in range(0, len(values), columns):
                row = values[start : start + columns]
                kept_values.extend(row[i] for i in classes)
            value = kept_values.tobytes()
        fields.append((number, value))
    # dims (field 1) keep their order; only the last one changes.
    last = max(i for i, (number, _) in enumerate(fields) if number == 1)
    fields[last] = (1, len(classes))
    if not any(number == 9 for number, _ in fields) or sys.byteorder == "big":
        raise ValueError("only little-endian raw tensors are supported")
    return pb.encode(fields)


def _described(data, old, new):
    """A value's description (name and shape) with its last axis renamed from `old` to `new`."""

    def walk(message, path):
        out = []
        for number, value in pb.decode(message):
            if path and number == path[0]:
                if len(path) == 1:
                    value = new if value == old else value
                else:
                    value = walk(value, path[1:])
            out.append((number, value))
        return pb.encode(out)

    # ValueInfo.type → TypeProto.tensor_type → Tensor.shape → Shape.dim → Dim.dim_value
    return walk(data, [2, 1, 2, 1, 1])
