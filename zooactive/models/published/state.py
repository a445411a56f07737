"""Read the arrays in a file of published weights, by their names in the file: safetensors and PyTorch formats."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from zooactive.foundation.errors import ModelError, explained
from zooactive.foundation.reading import open_regular
from zooactive.models.published.names import IN_FOLDER
from zooactive.models.published.torch_files import PICKLE, ZIP, decoded, read_legacy, read_zip

_START = 512
"""The number of bytes that show the format of a file."""

_OTHERS = (
    (b"version https://git-lfs", "it is Git LFS's pointer to the file, which git lfs pull replaces"),
    (b"<!doctype", "it is a web page"),
    (b"<html", "it is a web page"),
    (b"\x89hdf", "it is HDF5"),
    (b"", "it is neither of them"),
)

_NUMBERS = {
    **{"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "bf16", "I64": "i8", "U64": "u8", "I32": "i4", "U32": "u4"},
    **{"I16": "i2", "U16": "u2", "I8": "i1", "U8": "u1", "BOOL": "?"},
}
"""The kinds of numbers by their names in safetensors."""


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of a file by name, as they are stored; bfloat16, which NumPy lacks, becomes float32.

    The content of the file shows its format: safetensors, or the format of ``torch.save`` (``.bin``, ``.pth``, ``.pt``,
    ``.ckpt``). No code in the file is run. In a folder, ``model.safetensors`` or ``pytorch_model.bin`` is read. Arrays may
    share memory, and may be read-only.

    Raises
    ------
    ModelError
        If there is no file, it is damaged or holds something different, or safetensors is needed and not installed.
    """
    if path.is_dir():
        path = _in_folder(path)
    missing = f"there is no file {path}; give the path of a file of weights (safetensors, .bin, .pth, .pt or .ckpt)"
    mend = "download it again, or save the network's state_dict() as safetensors"
    damaged = f"{path} is not a readable safetensors file or PyTorch checkpoint ({{reason}}); {mend}"
    with explained(ModelError, damaged), explained(ModelError, missing, FileNotFoundError), open_regular(path) as stream:
        return _read(path, stream)


def _read(path: Path, stream: BinaryIO) -> dict[str, NDArray[Any]]:
    size = os.fstat(stream.fileno()).st_size
    start = stream.read(_START)
    stream.seek(0)
    if start[8:9] == b"{":  # checked first: the eight bytes before it are a length, and may look like anything
        return _safetensors(path, stream, size)
    if start.startswith(ZIP):
        return read_zip(stream, size)
    if start.startswith(PICKLE):
        return read_legacy(stream, size)
    if not start:
        raise ValueError("it is empty")
    raise ValueError(next(said for first, said in _OTHERS if start.lower().lstrip().startswith(first)))


def _safetensors(path: Path, stream: BinaryIO, size: int) -> dict[str, NDArray[Any]]:
    needed = f"reading {path} needs the package safetensors: pip install 'zooactive[weights]'"
    with explained(ModelError, needed, ImportError):
        package = importlib.import_module("safetensors")
    if int.from_bytes(stream.read(8), "little") > size - 8:
        raise ValueError("its header claims more bytes than there are")
    stream.seek(0)
    arrays = {}
    for name, held in sorted(package.deserialize(stream.read()), key=lambda entry: str(entry[0])):  # it has no order
        if held["dtype"] not in _NUMBERS:
            raise ValueError(f"'{name}' has numbers of the kind '{held['dtype']}', which are not read")
        arrays[name] = decoded(held["data"], _NUMBERS[held["dtype"]]).reshape(held["shape"])
    return arrays


def _in_folder(folder: Path) -> Path:
    for name in IN_FOLDER:
        if (folder / name).is_file():
            return folder / name
    raise ModelError(f"there is no file of weights in {folder}: it needs {' or '.join(IN_FOLDER)}; download it again")
