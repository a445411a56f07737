"""Read arrays from a ``.npz`` file; the claims of its headers are checked before any array takes memory."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.reading import open_regular

_LARGEST_PACKED = 1 << 27
_RATIO = 4  # weights hardly compress; zooactive stores them uncompressed
_LARGEST_HEADER = 10_000


class Held(NamedTuple):
    """The header of an array in an .npz file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def read_npz(path: Path, check: Callable[[dict[str, Held]], None] | None = None) -> dict[str, NDArray[Any]]:
    """Read all arrays of a file by name, after `check` has received their headers.

    Raises
    ------
    OSError
        If the file cannot be read, or is not a regular file.
    ValueError
        If it is not an .npz file, holds Python objects, an array is not as large as its header says, or all arrays
        together are far larger than the file.
    """
    with open_regular(path) as stream:
        size = path.stat().st_size
        with zipfile.ZipFile(stream) as packed:
            entries = packed.infolist()
            if len({entry.filename for entry in entries}) < len(entries):
                raise ValueError("two of its arrays have the same name")
            total = sum(entry.file_size for entry in entries)
            if total > max(_LARGEST_PACKED, _RATIO * size):
                raise ValueError(f"{size} bytes that unpack to {total}")
            held = {entry.filename.removesuffix(".npy"): _held(packed, entry) for entry in entries}
        if check is not None:
            check(held)
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


def _held(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Held:
    with packed.open(entry) as stream:
        shape, _, dtype = read_array_header(stream)
        if math.prod(shape) * dtype.itemsize != entry.file_size - stream.tell():
            raise ValueError(f"'{entry.filename}' is not as large as its header says")
    return Held(shape, dtype)


def read_array_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an array in NumPy's format: shape, whether it is in Fortran order, and dtype.

    Raises
    ------
    ValueError
        If it is not such a header, or one of Python objects.
    """
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"an array of format {version}")
    shape, fortran, dtype = readers[version](stream, max_header_size=_LARGEST_HEADER)
    if dtype.hasobject:
        raise ValueError("Python objects instead of numbers")
    if min(shape, default=0) < 0:
        raise ValueError(f"an array of shape {shape}")
    return shape, fortran, dtype
