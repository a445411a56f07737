"""Read structures in Thrift's compact protocol, which is the format of the footers of Parquet files.

A footer has thousands of fields, but few are wanted: the others are skipped without making anything from them.
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

_DEEPEST = 32  # the limit for nested structures; a footer has seven levels
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_NUMBERS = (4, 5, 6)


class Struct:
    """The wanted fields of a structure, by their numbers, and the position of each.

    Parameters
    ----------
    content : bytes
    at : int
        The position where the structure begins.
    wanted : collection of int

    Raises
    ------
    ValueError
        If there is no structure at this position; the methods raise it as well.
    """

    def __init__(self, content: bytes, at: int, wanted: Collection[int]) -> None:
        self._content, self._found = content, dict[int, tuple[int, int]]()
        try:
            self.end = _fields(content, at, wanted, self._found, 0)
        except IndexError as error:
            raise ValueError("it ends too early") from error

    def number(self, field: int) -> int:
        """Return a whole number."""
        kind, at = self._found.get(field, (0, 0))
        if kind not in _NUMBERS:
            raise ValueError(f"field {field} is not a whole number")
        number = _varint(self._content, at)[0]
        return number >> 1 ^ -(number & 1)

    def structs(self, field: int, wanted: Collection[int]) -> Iterator[Struct]:
        """Yield the structures of a list, or the single one of the field, each with its wanted fields."""
        kind, at = self._found.get(field, (_LIST, -1))
        if at < 0:
            return
        if kind == _STRUCT:
            yield Struct(self._content, at, wanted)
            return
        for _, at in self._list(field, _STRUCT):
            yield Struct(self._content, at, wanted)

    def texts(self, field: int) -> list[str]:
        """Return the texts of a list."""
        found = []
        for _, at in self._list(field, _BINARY):
            length, begin = _varint(self._content, at)
            if begin + length > len(self._content):
                raise ValueError("it ends too early")
            found.append(self._content[begin : begin + length].decode())
        return found

    def _list(self, field: int, wanted: int) -> Iterator[tuple[int, int]]:
        """Yield the number and position of each item."""
        kind, at = self._found.get(field, (0, 0))
        if kind not in (_LIST, _SET):
            raise ValueError(f"field {field} is not a list")
        length, item, at = _items(self._content, at)
        if item != wanted and length:
            raise ValueError(f"field {field} has another type than expected")
        for number in range(length):
            yield number, at
            at = _after(self._content, at, item, 1)


def _fields(content: bytes, at: int, wanted: Collection[int], found: dict[int, tuple[int, int]], depth: int) -> int:
    """Record the kind and position of the wanted fields, and return the end of the structure."""
    if depth > _DEEPEST:
        raise ValueError("structures are nested too deeply")
    field = 0
    while head := content[at]:
        at += 1
        if head >> 4:
            field += head >> 4
        else:
            number, at = _varint(content, at)
            field = number >> 1 ^ -(number & 1)
        kind = head & 15
        if field in wanted:
            found[field] = kind, at
        if kind in _NUMBERS:
            while content[at] & 128:
                at += 1
            at += 1
        elif kind not in (_TRUE, _FALSE):
            at = _after(content, at, kind, depth)
    return at + 1


def _after(content: bytes, at: int, kind: int, depth: int) -> int:
    """Return the end of a value that begins at a position."""
    if kind in _NUMBERS:
        while content[at] & 128:
            at += 1
        return at + 1
    if kind == _BINARY:
        length, at = _varint(content, at)
        return _within(content, at + length)
    if kind == _STRUCT:
        return _fields(content, at, (), {}, depth + 1)
    if kind in (_LIST, _SET):
        if depth > _DEEPEST:
            raise ValueError("lists are nested too deeply")
        length, item, at = _items(content, at)
        for _ in range(length):
            at = _after(content, at, item, depth + 1)
        return at
    if kind in (_TRUE, _FALSE, _BYTE):
        return _within(content, at + 1)
    if kind == _DOUBLE:
        return _within(content, at + 8)
    if kind == _MAP:
        if depth > _DEEPEST:
            raise ValueError("maps are nested too deeply")
        length, at = _varint(content, at)
        kinds = content[at] if length else 0
        at += 1 if length else 0
        for _ in range(_fitting(content, at, length)):
            at = _after(content, _after(content, at, kinds >> 4, depth + 1), kinds & 15, depth + 1)
        return at
    raise ValueError(f"there is no type {kind}")


def _items(content: bytes, at: int) -> tuple[int, int, int]:
    """Return the number of items in a list, their kind, and the position of the first."""
    head = content[at]
    at += 1
    length = head >> 4
    if length == 15:
        length, at = _varint(content, at)
    return _fitting(content, at, length), head & 15, at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = content[at]
        at += 1
        found |= (byte & 127) << shift
        if byte < 128:
            return found, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _fitting(content: bytes, at: int, length: int) -> int:
    """Return a number of items, each of at least one byte; raise a ValueError if fewer bytes are left."""
    if length > len(content) - at:
        raise ValueError("it ends too early")
    return length


def _within(content: bytes, at: int) -> int:
    if at > len(content):
        raise ValueError("it ends too early")
    return at
