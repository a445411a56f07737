"""Read embeddings from arrays: NumPy's ``.npy`` with a separate table of ids, and HDF5 in Zoobot's layout."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.catalogue.id_columns import ids_of
from zooactive.catalogue.tables import read_table
from zooactive.foundation.allowance import usable_memory
from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.npz import read_array_header
from zooactive.foundation.reading import open_regular, read_text
from zooactive.prediction.embeddings import Embeddings

if TYPE_CHECKING:
    import h5py

KNOWN_NAMES = ("embedding", "embeddings", "features", "feature", "representation", "representations")
"""Names of columns or datasets that are taken for embeddings if several are possible."""

_HDF5_FEATURES = ("predictions", *KNOWN_NAMES)  # Zoobot also calls features predictions
_HDF5_IDS = ("id_str", "id", "ids", "image_paths")
_ROWS = 4096
"""The number of galaxies that are read together."""
_COLUMNS = 32
"""The number of features that are read together from an array in Fortran order."""


def narrow(values: NDArray[Any]) -> NDArray[np.floating]:
    """Return numbers as float16 if they are float16, otherwise as float32; too large values become infinite."""
    if values.dtype.kind not in "fiu":
        raise ValueError(f"features of the kind {values.dtype}")
    with np.errstate(over="ignore"):
        return values if values.dtype in (np.float16, np.float32) else values.astype(np.float32)


def room(rows: int, width: int, dtype: np.dtype[Any]) -> NDArray[np.floating]:
    """Return an empty array for features; raise a MemoryError if it needs more memory than there is."""
    if rows * width * dtype.itemsize > usable_memory():
        raise MemoryError(f"{rows} galaxies of {width} features")
    return np.empty((rows, width), dtype=dtype)


def read_npy(path: Path, ids: str | Path | Sequence[str] | None, id_column: str | None, column: str | None) -> Embeddings:
    """Read an array (galaxy, feature) with ids that are given or are in a file next to it."""
    with open_regular(path) as stream:
        shape, fortran, dtype = read_array_header(stream)
        narrow(np.empty(0, dtype=dtype))  # raises an error if these are not numbers
        if len(shape) != 2:
            raise CatalogueError(f"{path} holds an array of shape {shape}; give (galaxy, feature)")
        left = os.fstat(stream.fileno()).st_size - stream.tell()
        if math.prod(shape) * dtype.itemsize > left:
            raise ValueError(f"it claims {shape[0]} rows of {shape[1]} features, but is too short for that")
        names, table = _named(_beside(path) if ids is None else ids, id_column)
        if len(names) != shape[0]:
            raise CatalogueError(f"{path} has {shape[0]} rows, but {len(names)} ids were given; give one id for each row")
        features = room(*shape, narrow(np.empty(0, dtype=dtype)).dtype)
        _read_into(features, stream, dtype, fortran=fortran)
    return Embeddings(names, features, table=table, source=str(path))


def _beside(path: Path) -> Path:
    beside = [path.with_suffix(ending) for ending in (".csv", ".parquet", ".fits", ".txt")]
    found = next((file for file in beside if file.exists()), None)
    if found is None:
        raise CatalogueError(
            f"{path} has no ids of the galaxies; give the table that has the galaxies in the same order "
            "(`ids`; --embedding-ids on the command line)"
        )
    return found


def _read_into(features: NDArray[np.floating], stream: BinaryIO, dtype: np.dtype[Any], *, fortran: bool) -> None:
    """Read the numbers of an array from a stream: directly if they need no conversion, otherwise part by part."""
    rows, width = features.shape
    if not fortran and dtype == features.dtype:
        stream.readinto(features.data.cast("B"))  # type: ignore[attr-defined]
        return
    long, together = (width, _COLUMNS) if fortran else (rows, _ROWS)
    for start in range(0, long, together):
        number = min(together, long - start)
        part = np.frombuffer(stream.read(number * (rows if fortran else width) * dtype.itemsize), dtype=dtype)
        if fortran:
            features[:, start : start + number] = narrow(part).reshape(number, rows).T
        else:
            features[start : start + number] = narrow(part).reshape(number, width)


def _named(ids: str | Path | Sequence[str], id_column: str | None) -> tuple[NDArray[np.object_], pd.DataFrame]:
    """Return ids, and the other columns of their table."""
    if isinstance(ids, str | Path):
        path = Path(ids)
        if path.suffix == ".txt":
            lines = read_text(path).splitlines()
            return ids_of(pd.Series(lines, dtype=object), "line", path), pd.DataFrame()
        table = read_table(path, id_column=id_column)
        return table.ids, table.frame.drop(columns=table.id_column).reset_index(drop=True)
    return ids_of(pd.Series(list(ids), dtype=object), "ids", Path("ids")), pd.DataFrame()


# HDF5 -----------------------------------------------------------------------------------------------------------------


def read_hdf5(path: Path, ids: str | Path | Sequence[str] | None, id_column: str | None, column: str | None) -> Embeddings:
    """Read the features and the ids among a file's datasets."""
    import h5py

    with h5py.File(path, "r") as file:
        held, elsewhere = _held(file)
        numbers = [name for name, item in held.items() if item.ndim in (2, 3) and item.dtype.kind in "fiu"]
        known = [name for name in _HDF5_FEATURES if name in numbers]
        wanted = column or (known or numbers or [""])[0]
        if wanted not in numbers or (column is None and not known and len(numbers) > 1):
            links = f"; {', '.join(elsewhere[:5])} are links, which may lead to other files" if elsewhere else ""
            raise CatalogueError(
                f"{path} has the datasets {', '.join(held) or 'none'}{links}; name the dataset that holds the features"
            )
        values = held[wanted]
        if values.ndim == 3 and values.shape[2] != 1:
            raise CatalogueError(
                f"{path}: '{wanted}' has {values.shape[2]} samples of each galaxy; take their mean, since a head needs one"
            )
        _check_stored(path, wanted, values)
        names, table = (_hdf5_ids(path, held, id_column), pd.DataFrame()) if ids is None else _named(ids, id_column)
        if len(names) != len(values):
            raise CatalogueError(f"{path} has {len(values)} rows, but {len(names)} ids; give one id for each row")
        features = room(values.shape[0], values.shape[1], narrow(np.empty(0, dtype=values.dtype)).dtype)
        for start in range(0, len(features), step := _rows_of_chunks(values)):
            part = values[start : start + step]
            features[start : start + step] = narrow(part[..., 0] if values.ndim == 3 else part)
    return Embeddings(names, features, table=table, source=str(path))


def _held(file: h5py.File) -> tuple[dict[str, h5py.Dataset], list[str]]:
    """Return the datasets of a file, and the names that are links, which are not followed: they may open any file."""
    import h5py

    own = [name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)]
    items = {name: file[name] for name in own}
    held = {name: item for name, item in items.items() if isinstance(item, h5py.Dataset)}
    return held, [name for name in file if name not in items]


def _check_stored(path: Path, name: str, values: h5py.Dataset) -> None:
    """Raise an error for numbers that are in another file, or that the file only claims to hold.

    A few hundred bytes can claim any number of values, which then are all the same.
    """
    if values.is_virtual or values.external:
        raise CatalogueError(f"{path}: the numbers of '{name}' are in another file; save the numbers themselves")
    if math.prod(values.chunks or values.shape) * values.dtype.itemsize > usable_memory():
        raise MemoryError(name)
    if values.chunks is None:
        whole = values.id.get_storage_size() >= values.nbytes
    else:
        chunks = (math.ceil(length / chunk) for length, chunk in zip(values.shape, values.chunks, strict=True))
        whole = values.id.get_num_chunks() >= math.prod(chunks)
    if not whole:
        raise CatalogueError(f"{path}: '{name}' claims {values.shape} numbers, but not all are there; save them again")


def _rows_of_chunks(values: h5py.Dataset) -> int:
    """Return how many rows are read together: whole chunks, so that no chunk is unpacked twice."""
    rows = 1 if values.chunks is None else int(values.chunks[0])
    return rows * max(_ROWS // rows, 1)


def _hdf5_ids(path: Path, held: Mapping[str, h5py.Dataset], id_column: str | None) -> NDArray[np.object_]:
    known = [name for name in _HDF5_IDS if name in held] if id_column is None else [id_column]
    if not known or known[0] not in held:
        raise CatalogueError(f"{path} has no ids among its datasets {', '.join(held)}; give a table of them (ids)")
    name, cells = known[0], held[known[0]]
    if cells.ndim != 1 or cells.dtype.kind not in "OSUiu":
        rounded = "floats, which lose digits of long ids" if cells.dtype.kind == "f" else "no column of texts"
        raise CatalogueError(f"{path}: the ids in '{name}' are {rounded}; save them as text")
    _check_stored(path, name, cells)
    texts = list(_texts(path, cells))
    if name == "image_paths":  # the galaxies' names in older versions of Zoobot
        texts = [Path(text).stem for text in texts]
    return ids_of(pd.Series(texts, dtype=object), name, path)


def _texts(path: Path, cells: h5py.Dataset) -> Iterator[str]:
    """Yield the texts of a dataset, which may all be the same long text."""
    together = max(min(usable_memory() // max(path.stat().st_size, 1), _ROWS), 1)
    for start in range(0, len(cells), together):
        for cell in cells[start : start + together].tolist():
            yield cell.decode() if isinstance(cell, bytes) else str(cell)
