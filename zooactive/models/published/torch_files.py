"""Read named arrays from a file that ``torch.save`` wrote, without PyTorch.

There are two formats. Since PyTorch 1.6 it is a zip archive: a pickle, and the numbers of each tensor as an entry. Before,
it was a sequence of pickles followed by the numbers. A checkpoint of PyTorch Lightning has its weights under ``state_dict``;
its other contents are ignored.

The pickle only describes tensors (`zooactive.models.published.unpickling`). Before any numbers are read, each description is
compared with the bytes in the file: the size of its storage, and its offset, shape and strides. The file's size
limits all arrays together. PyTorch does not compress the entries of its archive, so compressed entries are refused and
nothing is unpacked.
"""

from __future__ import annotations

import itertools
import math
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from zooactive.models.published.unpickling import Inert, Named, Storage, Tensor, unpickle

ZIP = b"PK\x03\x04"
PICKLE = b"\x80"

_MAGIC, _LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_LARGEST_PICKLE = 1 << 26
_FEW_STEPS = 1000
"""The number of pickles before that of the tensors, in the old format."""
_LARGEST_DIRECTORY = 1 << 22
"""The largest number of bytes of an archive's list of entries, each of which takes about a hundred."""
_LEAST_TOTAL, _RATIO = 1 << 27, 4
"""The limit for all arrays, as float32 at least: the larger of this number of bytes and this multiple of the file."""
_LARGEST_EMPTY = 1 << 40
_MOST_AXES, _LARGEST = 32, 1 << 63
_MOST_TENSORS = 1 << 16
_ENCRYPTED = 1

_NUMBERS = {
    **{"double": "f8", "float64": "f8", "float": "f4", "float32": "f4", "half": "f2", "float16": "f2", "bfloat16": "bf16"},
    **{"long": "i8", "int64": "i8", "int": "i4", "int32": "i4", "short": "i2", "int16": "i2", "char": "i1", "int8": "i1"},
    **{"byte": "u1", "uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8", "bool": "?"},
}
"""The kinds of numbers by the names of PyTorch's dtypes and, in lower case, of its storages."""
_UNTYPED = ("torch.storage.UntypedStorage", "torch.UntypedStorage")


class _Source(NamedTuple):
    """The source of the numbers: bytes by the key of a storage, a function that reads them, and the byte order."""

    sizes: dict[str, int]
    read: Callable[[str], bytes]
    little: bool


class _Layout(NamedTuple):
    """A tensor inside its storage, in elements; everything has been checked."""

    key: str
    numbers: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_zip(stream: BinaryIO, size: int) -> dict[str, NDArray[Any]]:
    """Read the arrays in the zip format; raise a ValueError if it is damaged, inconsistent, or holds something different."""
    try:
        bounded = _Bounded(stream)
        with zipfile.ZipFile(cast(BinaryIO, bounded)) as packed:
            bounded.most = size
            entries = _entries(packed, size)
            content = packed.read(entries["data.pkl"])
            order = packed.read(entries["byteorder"]).strip() if "byteorder" in entries else b"little"
            if order not in (b"little", b"big"):
                raise ValueError(f"its numbers are in the order {order[:20]!r}")
            sizes = {
                name.removeprefix("data/"): entry.file_size for name, entry in entries.items() if name.startswith("data/")
            }
            source = _Source(sizes, lambda key: packed.read(entries[f"data/{key}"]), order == b"little")
            return _arrays(unpickle(content).value, source, size)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OverflowError) as error:
        raise ValueError(f"its archive is damaged or cut off: {error}") from error


def read_legacy(stream: BinaryIO, size: int) -> dict[str, NDArray[Any]]:
    """Read the arrays in the old format; raise a ValueError if it is damaged, inconsistent, or another kind of pickle."""
    content = stream.read(_LARGEST_PICKLE)
    magic = unpickle(content, 0, _FEW_STEPS)
    if type(magic.value) is not int or magic.value != _MAGIC:
        raise ValueError("it is a pickle, and not one that PyTorch wrote")
    version = unpickle(content, magic.end, _FEW_STEPS)
    if version.value != _LEGACY_PROTOCOL:
        raise ValueError("it is of an unknown version of PyTorch's old format")
    # The byte order of the machine that wrote the file, although the numbers were stored as little-endian on every machine.
    system = unpickle(content, version.end, _FEW_STEPS)
    told = unpickle(content, system.end)
    keys = unpickle(content, told.end)
    if type(keys.value) is not list or not all(type(key) is str and key in told.storages for key in keys.value):
        raise ValueError("its list of storages is not that of its tensors")
    sizes = {key: told.storages[key].numel * _width(told.storages[key]) for key in keys.value}
    starts: dict[str, int] = {}
    at = keys.end
    for key in keys.value:
        stream.seek(at)
        if int.from_bytes(stream.read(8), "little") != told.storages[key].numel or not 0 <= sizes[key] <= size - at - 8:
            raise ValueError(f"the storage '{key}' is not as large as its pickle says, or cut off")
        starts[key] = at + 8
        at += 8 + sizes[key]

    def read(key: str) -> bytes:
        stream.seek(starts[key])
        return stream.read(sizes[key])

    return _arrays(told.value, _Source(sizes, read, True), size)


def decoded(raw: bytes, numbers: str, little: bool = True) -> NDArray[Any]:
    """Return bytes as one row of numbers in this machine's order; "bf16", which NumPy lacks, becomes float32."""
    order = "<" if little else ">"
    unit = _bytes(numbers)
    if len(raw) % unit:
        raise ValueError(f"a storage of {len(raw)} bytes holds no whole numbers of {unit} bytes")
    if numbers == "bf16":
        wide = np.frombuffer(raw, f"{order}u2").astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    if numbers == "?":
        return np.not_equal(np.frombuffer(raw, np.uint8), 0)
    row: NDArray[Any] = np.frombuffer(raw, f"{order}{numbers}").astype(numbers, copy=False)
    return row


class _Bounded:
    """A stream that never reads more than some bytes at once, because zipfile reads an archive's whole list in one go."""

    def __init__(self, stream: BinaryIO) -> None:
        self.most = _LARGEST_DIRECTORY
        self.seek, self.tell, self.seekable, self._read = stream.seek, stream.tell, stream.seekable, stream.read

    def read(self, length: int = -1) -> bytes:
        content = self._read(min(length, self.most + 1) if length >= 0 else self.most + 1)
        if len(content) > self.most:
            raise ValueError(f"its archive has a part of more than {self.most} bytes")
        return content


def _entries(packed: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the entries by their names after the archive's own name, which depends on the name of the original file."""
    found = packed.infolist()
    if len({entry.filename for entry in found}) < len(found):
        raise ValueError("two entries of its archive have the same name")
    for entry in found:
        if entry.filename.startswith("/") or "\\" in entry.filename or ".." in entry.filename.split("/"):
            raise ValueError(f"an entry of its archive is named '{entry.filename}'")
        if entry.flag_bits & _ENCRYPTED:
            raise ValueError(f"'{entry.filename}' in its archive is encrypted")
    pickles = [entry.filename for entry in found if entry.filename.endswith("/data.pkl") and entry.filename.count("/") == 1]
    if len(pickles) != 1:
        raise ValueError("it is an archive without the one 'data.pkl' that PyTorch writes")
    root = pickles[0].removesuffix("data.pkl")
    entries = {entry.filename.removeprefix(root): entry for entry in found if entry.filename.startswith(root)}
    used = {name: entry for name, entry in entries.items() if name in ("data.pkl", "byteorder") or name.startswith("data/")}
    for entry in used.values():
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"'{entry.filename}' in its archive is compressed, which PyTorch does not do")
    if (total := sum(entry.file_size for entry in used.values())) > size:
        raise ValueError(f"{size} bytes whose archive claims {total}")
    if used["data.pkl"].file_size > _LARGEST_PICKLE:
        raise ValueError(f"its pickle has more than {_LARGEST_PICKLE} bytes")
    return used


# The pickle's descriptions, compared with the file --------------------------------------------------------------------


def _arrays(value: Any, source: _Source, size: int) -> dict[str, NDArray[Any]]:
    layouts = {name: _checked(name, tensor, source) for name, tensor in _tensors(value).items()}
    total = sum(math.prod(layout.shape) * max(_bytes(layout.numbers), 4) for layout in layouts.values())
    if total > max(_LEAST_TOTAL, _RATIO * size):
        raise ValueError(f"{size} bytes whose tensors would take {total}")
    # Tensors that share a storage also share its memory here; the storage is read once.
    wanted = sorted({(layout.key, layout.numbers) for layout in layouts.values()})
    stored: dict[tuple[str, str], NDArray[Any]] = {}
    for key, pairs in itertools.groupby(wanted, lambda pair: pair[0]):
        raw = source.read(key)
        if len(raw) != source.sizes[key]:
            raise ValueError(f"the storage '{key}' is cut off")
        stored |= {pair: decoded(raw, pair[1], source.little) for pair in pairs}
    return {name: _view(stored[layout.key, layout.numbers], layout) for name, layout in layouts.items()}


def _tensors(value: Any) -> dict[str, Tensor]:
    """Return the named tensors of a state dictionary, or of the one in a checkpoint; a ValueError for anything else."""
    held = value.get("state_dict", value) if type(value) is dict else value
    if type(held) is not dict:
        raise ValueError(f"it holds {_in_words(held)} instead of named tensors")
    tensors = {name: entry for name, entry in held.items() if type(entry) is Tensor}
    for name, entry in held.items():
        if type(entry) is Inert and entry.name.startswith("torch._"):
            raise ValueError(f"'{name}' is no plain tensor: {entry.name}, with what it was given, is not read")
    if len(tensors) > _MOST_TENSORS:
        raise ValueError(f"it names {len(tensors)} tensors; networks have thousands")
    if not tensors:
        named = ", ".join(f"'{name}' ({_in_words(entry)})" for name, entry in itertools.islice(held.items(), 3))
        raise ValueError(f"it holds no tensors, but {named or 'nothing'}")
    return tensors


def _in_words(value: Any) -> str:
    if type(value) in (Inert, Named):
        return f"what '{value.name[:80]}' would make" if type(value) is Inert else f"'{value.name[:80]}'"
    return {Tensor: "one tensor", Storage: "a storage", dict: "a mapping"}.get(type(value), f"a {type(value).__name__}")


def _kind(storage: Storage, dtype: str | None = None) -> str:
    """Return the kind of numbers in a storage, or "" for an unreadable kind; for an untyped storage, the tensor decides."""
    if storage.kind in _UNTYPED:
        return "u1" if dtype is None else _NUMBERS.get(dtype.removeprefix("torch."), "")
    if dtype is not None or not (storage.kind.startswith("torch.") and storage.kind.endswith("Storage")):
        return ""
    return _NUMBERS.get(storage.kind.removeprefix("torch.").removesuffix("Storage").lower(), "")


def _width(storage: Storage) -> int:
    """Return the number of bytes of one element of a storage."""
    if not (numbers := _kind(storage)):
        raise ValueError(f"numbers of the kind '{storage.kind[:80]}' are not read")
    return _bytes(numbers)


def _bytes(numbers: str) -> int:
    return 2 if numbers == "bf16" else np.dtype(numbers).itemsize


def _checked(name: str, tensor: Tensor, source: _Source) -> _Layout:
    """Compare a description with its storage in the file."""
    key, numbers = tensor.storage.key, _kind(tensor.storage, tensor.dtype)
    if not numbers:
        raise ValueError(
            f"'{name}' has numbers of the kind '{(tensor.dtype or tensor.storage.kind)[:80]}', which are not read"
        )
    held = source.sizes.get(key)
    if held is None:
        raise ValueError(f"the numbers of '{name}' are missing")
    if tensor.storage.numel * _width(tensor.storage) != held:
        raise ValueError(f"'{name}' claims a storage of {tensor.storage.numel} numbers, and {held} bytes are there")
    shape, strides = _whole_numbers(tensor.shape), _whole_numbers(tensor.strides)
    offsets = _whole_numbers((tensor.offset,))
    if shape is None or strides is None or offsets is None or len(shape) != len(strides):
        raise ValueError(f"'{name}' has a shape, strides or an offset that no tensor has")
    elements, there = math.prod(shape), held // _bytes(numbers)
    last = offsets[0] + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if elements > there or (elements and last >= there) or math.prod(max(n, 1) for n in shape) > max(there, _LARGEST_EMPTY):
        raise ValueError(f"'{name}' of shape {shape} reaches outside its storage of {there} numbers")
    return _Layout(key, numbers, offsets[0], shape, strides)


def _whole_numbers(found: Any) -> tuple[int, ...] | None:
    if type(found) is not tuple or len(found) > _MOST_AXES or not all(type(n) is int and 0 <= n < _LARGEST for n in found):
        return None
    return found


def _view(stored: NDArray[Any], layout: _Layout) -> NDArray[Any]:
    if not math.prod(layout.shape):
        return np.empty(layout.shape, stored.dtype)
    unit = stored.itemsize
    strides = tuple(stride * unit for stride in layout.strides)
    return np.ndarray(layout.shape, stored.dtype, stored, layout.offset * unit, strides)
