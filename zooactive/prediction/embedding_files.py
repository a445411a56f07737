"""Embeddings as other programs write them: Parquet, Arrow and Hugging Face's folders, NumPy, HDF5 as Zoobot's, CSV.

Every reader gives ids as text and features as float32, or float16 where the file has that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.catalogue.id_columns import find_id_column, ids_of
from zooactive.catalogue.tables import parquet_parts, read_table
from zooactive.foundation.allowance import usable_memory
from zooactive.foundation.errors import CatalogueError, did_you_mean, explained
from zooactive.foundation.metadata import about_of
from zooactive.foundation.parquet import check_parquet
from zooactive.foundation.parsing import read_object
from zooactive.foundation.parts_folder import parts_in, read_journal
from zooactive.foundation.reading import check_regular
from zooactive.foundation.whole_numbers import as_frame
from zooactive.prediction.embeddings import Embeddings
from zooactive.prediction.part_files import about_part

if TYPE_CHECKING:
    import pyarrow as pa

KNOWN_COLUMNS = ("embedding", "embeddings", "features", "feature", "representation", "representations")
"""Names of columns that are taken for embeddings where several could be."""

_NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>\d+)")
_FEWEST = 2  # columns of one prefix that are taken for features
_ARROW = (".arrow", ".feather", ".ipc")
_HDF5 = (".hdf5", ".h5", ".hdf")
_HDF5_FEATURES = ("predictions", *KNOWN_COLUMNS)  # Zoobot calls features predictions too
_HDF5_IDS = ("id_str", "id", "ids", "image_paths")
_KINDS = ".parquet, .arrow, .npy, .hdf5, .csv, or a folder of such parts"


def read_embeddings(
    source: str | Path,
    *,
    ids: str | Path | Sequence[str] | None = None,
    id_column: str | None = None,
    column: str | None = None,
    encoder: str | None = None,
) -> Embeddings:
    """Read the embeddings of galaxies that any program made.

    Parameters
    ----------
    source : path
        ``.parquet`` or ``.arrow`` (or a folder of them, such as a saved Hugging Face dataset) with a column of lists, or one
        column a feature whose names differ in their number (``feat_0``, ``feat_1``, ...); ``.csv`` of the second kind;
        ``.npy`` with `ids`; ``.hdf5`` as Zoobot writes its representations, with datasets ``predictions`` and ``id_str``; or
        a folder that ``zooactive embed`` or ``zooactive predict`` wrote.
    ids : path or sequence of str, optional
        Of an ``.npy``: the table, or the ``.txt`` with an id a line, that has the galaxies in the same order; by default a
        table beside it of the same name.
    id_column : str, optional
        By default the first of id, id_str, iauname, GalaxyID, survey_id.
    column : str, optional
        The column of lists, or what the names of the features' columns begin with, where several could be meant; of HDF5 the
        dataset.
    encoder : str, optional
        A name for what made them, for files that do not say it.

    Returns
    -------
    Embeddings

    Raises
    ------
    CatalogueError
        When the file is missing, damaged or of an unknown kind; when ids are blank, rounded or repeated; when no column
        holds features, or rows differ in width; when a feature is missing or not finite.

    Examples
    --------
    >>> known = read_embeddings("zoobot.parquet", encoder="convnext_nano")  # doctest: +SKIP
    """
    path = Path(source)
    if not path.exists():
        raise CatalogueError(f"{path} does not exist; give a file of embeddings ({_KINDS})")
    with (
        explained(CatalogueError, f"{path} cannot be read as embeddings: {{reason}}; save them again"),
        explained(CatalogueError, f"{path} asks for more memory than there is; give fewer galaxies at once", MemoryError),
    ):
        if path.is_dir():
            found = _read_folder(path, id_column, column)
        else:
            check_regular(path)
            reader = _READERS.get(path.suffix.lower())
            if reader is None:
                raise CatalogueError(f"{path}: embeddings of the kind '{path.suffix}' are unknown; give {_KINDS}")
            found = reader(path, ids, id_column, column)
    if encoder is not None and found.as_stored and encoder != found.encoder:
        raise CatalogueError(
            f"{path} says that the encoder {found.encoder} made it, and not '{encoder}'; leave the name away"
        )
    named = found.encoder if encoder is None else encoder
    return Embeddings(found.ids, found.features, named, found.as_stored, found.table, found.source)


# Tables of Arrow ------------------------------------------------------------------------------------------------------


def _read_folder(folder: Path, id_column: str | None, column: str | None) -> Embeddings:
    journal = read_journal(folder)
    if journal is not None:
        if not journal.get("finished"):
            raise CatalogueError(f"{folder} is unfinished; run the command that wrote it again, and it will go on")
        parts = parts_in(folder)
        passed = list(about_part(parts[0])["passed"]) if parts else []
        return _from_parquet(folder, parts, "id", "embedding", encoder=str(journal.get("encoder")), others=passed)
    arrow = _arrow_files(folder)
    if arrow:
        return _from_arrow(folder, arrow, id_column, column)
    files = parquet_parts(folder) or sorted(folder.rglob("*.parquet"))
    if not files:
        raise CatalogueError(f"{folder} holds no embeddings; give a file, or a folder, of {_KINDS}")
    return _from_parquet(folder, files, id_column, column)


def _arrow_files(folder: Path) -> list[Path]:
    """Return the Arrow files of a folder; of a saved Hugging Face dataset those that it names, and not its caches."""
    state = folder / "state.json"
    if state.is_file():
        named = read_object(state).get("_data_files", [])
        return [folder / Path(str(entry["filename"])).name for entry in named]
    found = (file for ending in _ARROW for file in folder.rglob(f"*{ending}"))
    return sorted(file for file in found if not file.name.startswith((".", "_", "cache-")))


def _from_parquet(
    source: Path,
    files: Sequence[Path],
    id_column: str | None,
    column: str | None,
    *,
    encoder: str | None = None,
    others: Sequence[str] | None = None,
) -> Embeddings:
    """Read Parquet files of one layout; of the columns besides ids and features those named, or all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(files[0])
    about = about_of(schema)
    if encoder is None and isinstance(about, dict) and isinstance(about.get("encoder"), str):
        encoder = about["encoder"]
    layout = _Layout(schema, id_column, column, source)
    if others is not None:
        layout.others = list(others)
    rows = 0
    for file in files:
        check_regular(file)
        check_parquet(file, [*layout.features, layout.id_column, *layout.others])
        rows += pq.read_metadata(file).num_rows

    def batches() -> Iterator[pa.RecordBatch]:
        for file in files:
            with pq.ParquetFile(file) as opened:
                yield from opened.iter_batches(columns=[layout.id_column, *layout.features])

    rest = [pq.read_table(file, columns=[layout.id_column, *layout.others]) for file in files]
    return layout.read(batches(), rows, pa.concat_tables(rest, promote_options="permissive"), encoder)


def _from_arrow(source: Path, files: Sequence[Path], id_column: str | None, column: str | None) -> Embeddings:
    import pyarrow as pa

    with ExitStack() as opened:
        tables = [opened.enter_context(_arrow_table(file)) for file in files]
        table = pa.concat_tables(tables, promote_options="permissive")
        table.validate(full=True)
        layout = _Layout(table.schema, id_column, column, source)
        wanted = table.select([layout.id_column, *layout.features])
        others = table.select([layout.id_column, *layout.others])
        return layout.read(iter(wanted.to_batches()), len(table), others, None)


@contextmanager
def _arrow_table(file: Path) -> Iterator[pa.Table]:
    """Map a file of Arrow's, of either form: Hugging Face writes streams."""
    import pyarrow as pa

    check_regular(file)
    with pa.memory_map(str(file)) as stream:
        try:
            yield pa.ipc.open_file(stream).read_all()
        except pa.ArrowInvalid:
            stream.seek(0)
            yield pa.ipc.open_stream(stream).read_all()


class _Layout:
    """Which columns of a table are the ids, the features and the rest."""

    def __init__(self, schema: pa.Schema, id_column: str | None, column: str | None, source: Path) -> None:
        names = list(schema.names)
        self.source, self.schema = source, schema
        self.id_column = find_id_column(names, id_column, source)
        self.features = self._found([name for name in names if name != self.id_column], column)
        self.others = [name for name in names if name not in (*self.features, self.id_column) and not self._lists(name)]

    def _lists(self, name: str) -> bool:
        return _value_type(self.schema.field(name).type) is not None

    def _number(self, name: str) -> bool:
        import pyarrow as pa

        kind = self.schema.field(name).type
        return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))

    def _found(self, names: Sequence[str], column: str | None) -> list[str]:
        """Return the column of lists, or those of single features in the order of their numbers."""
        lists = [name for name in names if self._lists(name)]
        groups = _groups([name for name in names if self._number(name)])
        if column is not None:
            if column in lists:
                return [column]
            if column in groups:
                return groups[column]
            hint = did_you_mean(column, [*lists, *groups])
            raise CatalogueError(f"{self.source} has no column of lists '{column}', and no columns '{column}0', ....{hint}")
        known = [name for name in KNOWN_COLUMNS if name in lists]
        if known or len(lists) == 1:
            return known[:1] or lists
        if len(lists) > 1:
            raise CatalogueError(f"{self.source} has several columns of lists ({', '.join(lists[:5])}); name one")
        if len(groups) > 1:
            said = ", ".join(f"'{prefix}' ({len(group)})" for prefix, group in list(groups.items())[:5])
            raise CatalogueError(f"{self.source} has several kinds of numbered columns, {said}; name the features' prefix")
        if not groups:
            raise CatalogueError(
                f"{self.source} has neither a column of lists of numbers nor numbered columns of features (it has "
                f"{', '.join(names[:8])}); give embeddings"
            )
        return next(iter(groups.values()))

    def read(self, batches: Iterator[pa.RecordBatch], rows: int, others: pa.Table, encoder: str | None) -> Embeddings:
        """Read the features of all rows, batch by batch, and the rest at once."""
        ids = _text_ids(others[self.id_column], self.id_column, self.source)
        features: NDArray[np.floating] | None = None
        done = 0
        for batch in batches:
            if not batch.num_rows:
                continue
            values = self._values(batch, ids[done : done + batch.num_rows])
            if features is None:
                features = _room(rows, values.shape[1], values.dtype)
            if values.shape[1] != features.shape[1]:
                raise CatalogueError(
                    f"{self.source}: galaxy '{ids[done]}' has {values.shape[1]} features, and others have "
                    f"{features.shape[1]}; give those of one encoder"
                )
            features[done : done + len(values)] = values
            done += len(values)
        if features is None:
            raise CatalogueError(f"{self.source} has no rows; give embeddings of at least one galaxy")
        table = as_frame(others.select(self.others).replace_schema_metadata(None))
        stored = encoder is not None
        return Embeddings(ids, features, encoder, stored, table, str(self.source))

    def _values(self, batch: pa.RecordBatch, ids: NDArray[np.object_]) -> NDArray[np.floating]:
        if len(self.features) > 1 or not self._lists(self.features[0]):
            columns = [_numbers(batch.column(name), self._refusal(batch.column(name), ids)) for name in self.features]
            return np.column_stack(columns)
        column = batch.column(self.features[0])
        import pyarrow as pa
        import pyarrow.compute as pc

        while isinstance(column, pa.ExtensionArray):
            column = column.storage
        if column.null_count:
            raise self._refusal(column, ids)
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        if (lengths != lengths[0]).any():
            other = int(np.argmax(lengths != lengths[0]))
            raise CatalogueError(
                f"{self.source}: galaxy '{ids[other]}' has {lengths[other]} features, and '{ids[0]}' has {lengths[0]}; give "
                "those of one encoder"
            )
        flat = column.flatten()
        if flat.null_count:
            row = int(np.flatnonzero(flat.is_null().to_numpy(zero_copy_only=False))[0]) // int(lengths[0])
            raise CatalogueError(f"{self.source}: a feature of galaxy '{ids[row]}' is missing; leave that galaxy out")
        return _numbers(flat, None).reshape(len(column), int(lengths[0]))

    def _refusal(self, column: pa.Array, ids: NDArray[np.object_]) -> CatalogueError:
        missing = column.is_null().to_numpy(zero_copy_only=False)
        galaxy = ids[int(np.argmax(missing))] if len(ids) else ""
        return CatalogueError(f"{self.source}: features of galaxy '{galaxy}' are missing; leave that galaxy out")


def _value_type(kind: pa.DataType) -> pa.DataType | None:
    """Return what lists hold, where a kind of column is lists of numbers."""
    import pyarrow as pa

    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return None
    held = kind.value_type
    return held if pa.types.is_floating(held) or pa.types.is_integer(held) else None


def _groups(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the columns whose names are a prefix and a number, by prefix, in the order of their numbers without a gap."""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match is not None:
            found.setdefault(match["prefix"], {})[int(match["number"])] = name
    groups = {}
    for prefix, numbered in found.items():
        numbers = sorted(numbered)
        if len(numbers) >= _FEWEST and numbers[-1] - numbers[0] == len(numbers) - 1:
            groups[prefix] = [numbered[number] for number in numbers]
    return groups


def _numbers(column: pa.Array, refusal: CatalogueError | None) -> NDArray[np.floating]:
    if refusal is not None and column.null_count:
        raise refusal
    return _narrow(column.to_numpy(zero_copy_only=False))


def _narrow(values: NDArray[Any]) -> NDArray[np.floating]:
    """Return numbers as float16 where they are, else as float32; what does not fit is infinite, and refused later."""
    if values.dtype.kind not in "fiu":
        raise ValueError(f"features of the kind {values.dtype}")
    with np.errstate(over="ignore"):
        return values if values.dtype in (np.float16, np.float32) else values.astype(np.float32)


def _room(rows: int, width: int, dtype: np.dtype[Any]) -> NDArray[np.floating]:
    """Make an array for features; a MemoryError where they take more memory than there is."""
    if rows * width * dtype.itemsize > usable_memory():
        raise MemoryError(f"{rows} galaxies of {width} features")
    return np.empty((rows, width), dtype=dtype)


def _text_ids(column: pa.ChunkedArray, name: str, source: Path) -> NDArray[np.object_]:
    import pyarrow as pa

    if not pa.types.is_floating(column.type):
        column = column.cast(pa.string())
    return ids_of(column.to_pandas(), name, source)


# Files of their own kind ----------------------------------------------------------------------------------------------


def _read_parquet(path: Path, ids: object, id_column: str | None, column: str | None) -> Embeddings:
    return _from_parquet(path, [path], id_column, column)


def _read_arrow(path: Path, ids: object, id_column: str | None, column: str | None) -> Embeddings:
    return _from_arrow(path, [path], id_column, column)


def _read_csv(path: Path, ids: object, id_column: str | None, column: str | None) -> Embeddings:
    import pyarrow as pa

    table = read_table(path, id_column=id_column)
    frame = table.frame
    numbers = frame.select_dtypes("number").columns
    layout = _Layout(
        pa.schema([(name, pa.float64() if name in numbers else pa.string()) for name in frame.columns]),
        table.id_column,
        column,
        path,
    )
    with np.errstate(over="ignore"):
        features = frame[layout.features].to_numpy(dtype=np.float32, na_value=np.nan)
    return Embeddings(table.ids, features, table=frame[layout.others].reset_index(drop=True), source=str(path))


def _read_npy(path: Path, ids: str | Path | Sequence[str] | None, id_column: str | None, column: str | None) -> Embeddings:
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    if values.ndim != 2:
        raise CatalogueError(f"{path} holds an array of shape {values.shape}; give (galaxy, feature)")
    if ids is None:
        beside = [path.with_suffix(ending) for ending in (".csv", ".parquet", ".fits", ".txt")]
        ids = next((file for file in beside if file.exists()), None)
        if ids is None:
            raise CatalogueError(
                f"{path} does not say whose features they are; give the table that has the galaxies in the same order (ids)"
            )
    names, table = _named(ids, id_column)
    if len(names) != len(values):
        raise CatalogueError(f"{path} has {len(values)} rows, and {len(names)} ids were given; give one id for each row")
    features = _room(len(values), values.shape[1], _narrow(values[:1]).dtype)
    for start in range(0, len(values), 4096):
        features[start : start + 4096] = _narrow(values[start : start + 4096])
    return Embeddings(names, features, table=table, source=str(path))


def _named(ids: str | Path | Sequence[str], id_column: str | None) -> tuple[NDArray[np.object_], pd.DataFrame]:
    """Return ids, and what else their table says."""
    if isinstance(ids, str | Path):
        path = Path(ids)
        if path.suffix == ".txt":
            lines = path.read_text(encoding="utf-8").splitlines()
            return ids_of(pd.Series(lines, dtype=object), "line", path), pd.DataFrame()
        table = read_table(path, id_column=id_column)
        return table.ids, table.frame.drop(columns=table.id_column).reset_index(drop=True)
    return ids_of(pd.Series(list(ids), dtype=object), "ids", Path("ids")), pd.DataFrame()


def _read_hdf5(path: Path, ids: str | Path | Sequence[str] | None, id_column: str | None, column: str | None) -> Embeddings:
    import h5py

    with h5py.File(path, "r") as file:
        held = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
        numbers = [name for name, item in held.items() if item.ndim in (2, 3) and item.dtype.kind in "fiu"]
        known = [name for name in _HDF5_FEATURES if name in numbers]
        wanted = column or (known or numbers or [""])[0]
        if wanted not in numbers or (column is None and not known and len(numbers) > 1):
            raise CatalogueError(
                f"{path} has the datasets {', '.join(held) or 'none'}; name the one that holds the features"
            )
        values = held[wanted]
        if values.ndim == 3 and values.shape[2] != 1:
            raise CatalogueError(
                f"{path}: '{wanted}' has {values.shape[2]} samples of each galaxy; take their mean, since a head needs one"
            )
        features = _room(values.shape[0], values.shape[1], _narrow(np.empty(0, dtype=values.dtype)).dtype)
        for start in range(0, len(features), 4096):
            part = values[start : start + 4096]
            features[start : start + 4096] = _narrow(part[..., 0] if values.ndim == 3 else part)
        if ids is not None:
            names, table = _named(ids, id_column)
        else:
            names, table = _hdf5_ids(path, held, id_column), pd.DataFrame()
    return Embeddings(names, features, table=table, source=str(path))


def _hdf5_ids(path: Path, held: dict[str, Any], id_column: str | None) -> NDArray[np.object_]:
    known = [name for name in _HDF5_IDS if name in held] if id_column is None else [id_column]
    if not known or known[0] not in held:
        raise CatalogueError(f"{path} has no ids among its datasets {', '.join(held)}; give a table of them (ids)")
    cells = held[known[0]][:]
    texts = [cell.decode() if isinstance(cell, bytes) else str(cell) for cell in cells.tolist()]
    if known[0] == "image_paths":  # as older versions of Zoobot name galaxies
        texts = [Path(text).stem for text in texts]
    if cells.dtype.kind == "f":
        raise CatalogueError(f"{path}: the ids in '{known[0]}' are floats, which lose digits of long ids; save them as text")
    return ids_of(pd.Series(texts, dtype=object), known[0], path)


_READERS: dict[str, Callable[[Path, Any, str | None, str | None], Embeddings]] = {
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".npy": _read_npy,
    **dict.fromkeys(_ARROW, _read_arrow),
    **dict.fromkeys(_HDF5, _read_hdf5),
}
