"""Read embeddings that other programs wrote: Parquet, Arrow and Hugging Face's folders, NumPy, Zoobot's HDF5, CSV.

Every reader returns ids as text and features as float32, or float16 if the file has float16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from zooactive.catalogue.tables import parquet_parts
from zooactive.foundation.errors import CatalogueError, explained
from zooactive.foundation.parsing import read_object
from zooactive.foundation.parts_folder import parts_in, read_journal
from zooactive.foundation.reading import check_regular
from zooactive.foundation.remote_folders import bring, folder_here
from zooactive.prediction.embedding_arrays import read_hdf5, read_npy
from zooactive.prediction.embedding_tables import from_arrow, from_parquet, read_csv
from zooactive.prediction.embeddings import Embeddings
from zooactive.prediction.part_files import about_part

_ARROW = (".arrow", ".feather", ".ipc")
_HDF5 = (".hdf5", ".h5", ".hdf")
_KINDS = ".parquet, .arrow, .npy, .hdf5, .csv, or a folder of such parts"


def read_embeddings(
    source: str | Path,
    *,
    ids: str | Path | Sequence[str] | None = None,
    id_column: str | None = None,
    column: str | None = None,
    encoder: str | None = None,
) -> Embeddings:
    """Read the embeddings of galaxies that any program computed.

    Parameters
    ----------
    source : path
        ``.parquet`` or ``.arrow`` (or a folder of them, such as a saved Hugging Face dataset) with a column of lists, or
        with one column per feature whose names differ in their number (``feat_0``, ``feat_1``, ...); ``.csv`` of the second
        kind; ``.npy`` with `ids`; ``.hdf5`` in the layout of Zoobot's representations, with datasets ``predictions`` and
        ``id_str``; or a folder that ``zooactive embed`` or ``zooactive predict`` wrote.
    ids : path or sequence of str, optional
        For an ``.npy`` file: the table, or the ``.txt`` with one id per line, that has the galaxies in the same order. By
        default a table of the same name next to it.
    id_column : str, optional
        By default the first of id, id_str, iauname, GalaxyID, survey_id.
    column : str, optional
        The column of lists, or the common prefix of the features' columns, if several are possible. For HDF5 the name of the
        dataset.
    encoder : str, optional
        A name for the encoder, for files that do not name it.

    Returns
    -------
    Embeddings

    Raises
    ------
    CatalogueError
        If the file is missing, damaged or of an unknown kind; if ids are blank, rounded or repeated; if no column holds
        features, or rows differ in width; if a feature is missing or not finite.

    Examples
    --------
    >>> known = read_embeddings("zoobot.parquet", encoder="convnext_nano")  # doctest: +SKIP
    """
    path = folder_here(source)
    bring(path, again=True)
    if not path.exists():
        raise CatalogueError(f"{path} does not exist; give a file of embeddings ({_KINDS})")
    with (
        explained(CatalogueError, f"{path} cannot be read as embeddings: {{reason}}; save them again"),
        explained(CatalogueError, f"{path} needs more memory than there is; give fewer galaxies at once", MemoryError),
    ):
        if path.is_dir():
            found = _read_folder(path, id_column, column)
        else:
            check_regular(path)
            reader = _READERS.get(path.suffix.lower())
            if reader is None:
                raise CatalogueError(f"{path}: embeddings of the kind '{path.suffix}' cannot be read; give {_KINDS}")
            found = reader(path, ids, id_column, column)
    if encoder is not None and found.as_stored and encoder != found.encoder:
        raise CatalogueError(f"{path} names its encoder as {found.encoder}, not '{encoder}'; leave out the name")
    named = found.encoder if encoder is None else encoder
    return Embeddings(found.ids, found.features, named, found.as_stored, found.table, found.source)


def _read_folder(folder: Path, id_column: str | None, column: str | None) -> Embeddings:
    journal = read_journal(folder)
    if journal is not None:
        if not journal.get("finished"):
            raise CatalogueError(f"{folder} is unfinished; run the command that wrote it again to finish it")
        parts = parts_in(folder)
        passed = list(about_part(parts[0])["passed"]) if parts else []
        return from_parquet(folder, parts, "id", "embedding", encoder=str(journal.get("encoder")), others=passed)
    arrow = _arrow_files(folder)
    if arrow:
        return from_arrow(folder, arrow, id_column, column)
    files = parquet_parts(folder) or sorted(folder.rglob("*.parquet"))
    if not files:
        raise CatalogueError(f"{folder} holds no embeddings; give a file, or a folder, of {_KINDS}")
    return from_parquet(folder, files, id_column, column)


def _arrow_files(folder: Path) -> list[Path]:
    """Return the Arrow files of a folder; for a saved Hugging Face dataset only the files that it names, not its caches."""
    state = folder / "state.json"
    if state.is_file():
        named = read_object(state).get("_data_files", [])
        files = [folder / Path(str(entry["filename"])).name for entry in named]
        missing = [file for file in files if not file.is_file()]
        if missing:
            raise CatalogueError(f"{state} names {missing[0].name}, which is not next to it; copy the whole folder")
        return files
    found = (file for ending in _ARROW for file in folder.rglob(f"*{ending}"))
    return sorted(file for file in found if not file.name.startswith((".", "_", "cache-")))


def _read_parquet(path: Path, ids: object, id_column: str | None, column: str | None) -> Embeddings:
    return from_parquet(path, [path], id_column, column)


def _read_arrow(path: Path, ids: object, id_column: str | None, column: str | None) -> Embeddings:
    return from_arrow(path, [path], id_column, column)


_READERS: dict[str, Callable[[Path, Any, str | None, str | None], Embeddings]] = {
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".npy": read_npy,
    **dict.fromkeys(_ARROW, _read_arrow),
    **dict.fromkeys(_HDF5, read_hdf5),
}
