"""Reads flatbuffer tables by field number: as much of the format as TFLite files need."""

import struct


class Table:
    def __init__(self, data, at):
        self._data, self._at = data, at
        self._vtable = at - _read("<i", data, at)
        self._vtable_bytes = _read("<H", data, self._vtable)

    @classmethod
    def root(cls, data):
        return cls(data, _read("<I", data, 0))

    def scalar(self, field, form, default=0):
        """form: a struct format such as "<i"; default: what the schema says when absent."""
        at = self._field(field)
        return default if at is None else _read(form, self._data, at)

    def table(self, field):
        at = self._field(field)
        return None if at is None else Table(self._data, self._follow(at))

    def tables(self, field):
        start, count = self._vector(field)
        return [Table(self._data, self._follow(start + 4 * i)) for i in range(count)]

    def ints(self, field):
        start, count = self._vector(field)
        return list(struct.unpack_from(f"<{count}i", self._data, start))

    def bytes(self, field):
        start, count = self._vector(field)
        return self._data[start : start + count]

    def text(self, field):
        return self.bytes(field).decode()

    def _field(self, field):
        slot = 4 + 2 * field
        offset = _read("<H", self._data, self._vtable + slot) if slot < self._vtable_bytes else 0
        return self._at + offset if offset else None

    def _follow(self, at):
        return at + _read("<I", self._data, at)

    def _vector(self, field):
        at = self._field(field)
        if at is None:
            return 0, 0
        start = self._follow(at)
        return start + 4, _read("<I", self._data, start)


def _read(form, data, at):
    return struct.unpack_from(form, data, at)[0]
