"""What Schemathesis cannot guess: a picture. Every base64 field is now and then a JPEG or PNG that is
accepted, so that the calls behind it are reached, too."""

import base64
import struct
import zlib

import schemathesis
from hypothesis import strategies as st


def png(width, height):
    """Grey, valid, and small: what counts is its header."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


PICTURES = [base64.b64encode(png(*size)).decode() for size in [(1280, 720), (1280, 721), (640, 640), (300, 200)]]
ANYTHING = st.binary(max_size=64).map(lambda raw: base64.b64encode(raw).decode())

schemathesis.openapi.format("byte", st.one_of(st.sampled_from(PICTURES), st.sampled_from(PICTURES), ANYTHING))
schemathesis.openapi.format("binary", st.sampled_from([png(1280, 720), png(1280, 721)]))
