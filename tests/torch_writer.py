"""Files as ``torch.save`` writes them, made opcode by opcode, so that a test can also write what PyTorch never would."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any

import numpy as np

KINDS = {"f4": "FloatStorage", "f2": "HalfStorage", "f8": "DoubleStorage", "i8": "LongStorage", "u1": "ByteStorage"}
LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
SYSTEM = b"\x80\x02}q\x00X\x0d\x00\x00\x00little_endianq\x01\x88s."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def plain(value: Any) -> bytes:
    """A value of numbers, texts, tuples and lists; bytes are opcodes already."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, tuple):
        return b"(" + b"".join(map(plain, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(plain, value)) + b"e"
    if isinstance(value, dict):
        return mapping(value)
    return b"N" if value is None else number(value)


def name(module: str, function: str) -> bytes:
    return f"c{module}\n{function}\n".encode()


def call(module: str, function: str, *given: Any) -> bytes:
    return name(module, function) + plain(given) + b"R"


def mapping(entries: dict[str, Any], start: bytes = b"}") -> bytes:
    return start + b"(" + b"".join(text(key) + plain(value) for key, value in entries.items()) + b"u"


def storage(kind: Any, key: Any = "0", numel: Any = 4, *more: Any) -> bytes:
    of = name("torch", kind) if isinstance(kind, str) else kind
    return plain(("storage", of, key, "cpu", numel, *more)) + b"Q"


def tensor(held: bytes, shape: Any = (4,), strides: Any = (1,), offset: Any = 0) -> bytes:
    hooks = call("collections", "OrderedDict")
    return call("torch._utils", "_rebuild_tensor_v2", held, offset, shape, strides, False, hooks)


def weights(shape: Any = (4,), strides: Any = (1,), offset: Any = 0, **others: Any) -> bytes:
    """The pickle of one tensor 'w' in the storage '0' of four numbers, and other entries."""
    entries = {"w": tensor(storage("FloatStorage"), shape, strides, offset), **others}
    return pickled(mapping(entries, call("collections", "OrderedDict")))


def pickled(content: bytes, protocol: int = 2) -> bytes:
    return b"\x80" + bytes([protocol]) + content + b"."


def archive(pickle: bytes, storages: dict[str, bytes], *, root: str = "archive", order: str = "little") -> bytes:
    entries = {"data.pkl": pickle, "byteorder": order.encode(), **{f"data/{key}": held for key, held in storages.items()}}
    return zipped({f"{root}/{entry}": content for entry, content in {**entries, "version": b"3\n"}.items()})


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as packed:
        for entry, content in entries.items():
            packed.writestr(entry, content)
    return buffer.getvalue()


def legacy(pickle: bytes, storages: dict[str, np.ndarray], *, system: bytes = SYSTEM) -> bytes:
    keys = pickled(plain(list(storages)))
    held = b"".join(struct.pack("<q", array.size) + array.tobytes() for array in storages.values())
    return LEGACY_START + system + pickle + keys + held


def state(arrays: dict[str, np.ndarray]) -> bytes:
    """A file of arrays as they are."""
    entries = {}
    for key, (entry, array) in enumerate(arrays.items()):
        strides = tuple(n // array.itemsize for n in array.strides)
        held = storage(KINDS[array.dtype.str[1:]], str(key), array.size)
        entries[entry] = tensor(held, array.shape, strides)
    content = pickled(mapping(entries, call("collections", "OrderedDict")))
    return archive(content, {str(key): array.tobytes() for key, array in enumerate(arrays.values())})
