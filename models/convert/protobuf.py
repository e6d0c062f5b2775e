"""The protobuf wire format: as much of it as ONNX files need.

A message is read as a list of (field number, value) in file order, where value is an int
(varint), or bytes (nested messages, strings, raw tensors, and the 4 or 8 bytes of a fixed
field wrapped in `Fixed`). Writing such a list back gives the same bytes, so a file can be
patched in one place without understanding the rest of it.
"""

import struct


class Fixed(bytes):
    """The 4 or 8 little-endian bytes of a fixed32 or fixed64 field."""


def fixed_float(value):
    return Fixed(struct.pack("<f", value))


def decode(data):
    fields, at = [], 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _read_varint(data, at)
        elif wire == 2:
            length, at = _read_varint(data, at)
            value, at = bytes(data[at : at + length]), at + length
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
            value, at = Fixed(data[at : at + length]), at + length
        else:
            raise ValueError(f"protobuf wire type {wire} is not used by ONNX")
        if at > len(data):
            raise ValueError("the file ends inside a field")
        fields.append((number, value))
    return fields


def encode(fields):
    out = bytearray()
    for number, value in fields:
        if isinstance(value, Fixed):
            out += _varint(number << 3 | (5 if len(value) == 4 else 1)) + value
        elif isinstance(value, int):
            out += _varint(number << 3) + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | 2) + _varint(len(raw)) + raw
    return bytes(out)


def _varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data):
            raise ValueError("the file ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
