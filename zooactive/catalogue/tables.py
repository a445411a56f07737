"""Read tables of galaxies from CSV, Parquet, FITS and VOTable, with ids that stay text."""

from __future__ import annotations

import io
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.catalogue.csv_dialects import plain_csv
from zooactive.catalogue.id_columns import ID_COLUMNS, find_id_column, ids_of
from zooactive.catalogue.stored_images import stored_column
from zooactive.catalogue.votables import checked_votable
from zooactive.foundation.errors import CatalogueError, explained
from zooactive.foundation.formats import FITS_KEY, RESULTS, SHARDS, VOTABLE_KEY, refuse_future
from zooactive.foundation.metadata import about_of, result_format
from zooactive.foundation.parquet import check_parquet
from zooactive.foundation.parts_folder import parts_in
from zooactive.foundation.reading import Unpacked, check_regular, open_regular
from zooactive.foundation.spelling import texts_from_spreadsheet
from zooactive.foundation.whole_numbers import as_frame, keep_whole_numbers, whole_numbers, without_loss
from zooactive.foundation.writing import how_of

if TYPE_CHECKING:
    import pyarrow as pa

IMAGE_COLUMNS = ("file_loc", "image", "png_loc")

_SHARDS_SAY = {"tree", "preprocessing", "min_votes", "parts"}
_FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".fits": "fits",
    ".fit": "fits",
    ".xml": "votable",
    ".vot": "votable",
}
_BLANK = ["", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL", "None", "<NA>", "--"]
_LARGEST_UNPACKED, _RATIO = 1 << 28, 64  # limits for a gzipped table: bytes, or a multiple of its size
_TAIL = 1 << 16  # bytes at the end of a CSV, in which its last row begins
_NONE = "none"  # a blank cell among numbers and images, but a word among words: "none" may be a kind of bar


@dataclass(frozen=True, eq=False)
class GalaxyTable:
    """A table as it was read: `frame` with every column, `ids` (G,) as text, and the metadata of shards."""

    frame: pd.DataFrame
    ids: NDArray[np.object_]
    id_column: str
    metadata: dict[str, Any] | None = None


def read_table(
    path: Path, *, id_column: str | None = None, image_column: str | None = None, images: Path | None = None
) -> GalaxyTable:
    """Read a table of galaxies; the ids stay text from the start, because a float cannot hold 18 digits.

    Parameters
    ----------
    path : Path
        ``.csv`` (also with semicolons or tabs, in UTF-16 or Latin-1), ``.parquet`` (or a folder of such parts), ``.fits``
        (the first table with an id column) or ``.xml``, ``.vot``.
    id_column : str, optional
        By default the first of id, id_str, iauname, GalaxyID, survey_id.
    image_column : str, optional
        By default the first of file_loc, image, png_loc. If Parquet holds bytes in this column, they stay in the file and
        the cells become `StoredImage`.
    images : Path, optional
        The folder where paths in such a column start; by default the file's own folder.

    Raises
    ------
    CatalogueError
        If the file is missing, empty, damaged or of an unknown kind, or its ids are missing, blank, rounded or repeated.
    """
    kind = "parquet" if path.is_dir() else _FORMATS.get(path.suffix.lower())
    if not path.exists():
        raise CatalogueError(f"{path} does not exist; give a table (.csv, .parquet, .fits, .vot) or a folder")
    if kind is None:
        raise CatalogueError(
            f"{path}: tables of the kind '{path.suffix}' cannot be read; save it as .csv, .parquet, .fits or .vot"
        )
    metadata = None
    if not path.is_dir():
        how_of(path)  # refuses a result of a newer version
        with explained(CatalogueError, f"{path} cannot be read: {{reason}}; give a table as a file", OSError):
            check_regular(path)
    with (
        # There are four readers, and each raises its own exceptions for damaged bytes.
        explained(CatalogueError, f"{path} cannot be read as a table: {{reason}}; save it again"),
        explained(
            CatalogueError, f"{path} is empty; give a table with a header and at least one galaxy", pd.errors.EmptyDataError
        ),
        explained(
            CatalogueError, f"{path} may not be read: permission denied; change the file's permissions", PermissionError
        ),
        explained(
            CatalogueError,
            f"{path} needs more memory than there is; give a smaller table, or save it again if it is small",
            MemoryError,
        ),
    ):
        if kind == "csv":
            with plain_csv(path, keep=id_column) as plain:
                frame, id_column = _read_csv(plain, path, id_column, image_column)
        elif kind == "parquet":
            frame, id_column, metadata = _read_parquet(path, id_column, image_column, images)
        else:
            frame = _read_fits(path, id_column) if kind == "fits" else _read_votable(path)
            id_column = find_id_column(list(frame.columns), id_column, path)
    if frame.empty:
        raise CatalogueError(f"{path} has no rows; give a table with at least one galaxy")
    return GalaxyTable(frame, ids_of(frame[id_column], id_column, path), id_column, metadata)


def parquet_parts(folder: Path) -> list[Path]:
    """Return the Parquet files of a folder in order: its ``part-*.parquet`` if there are any, otherwise all but failures."""
    files = sorted(p for p in folder.glob("*.parquet") if not p.name.startswith((".", "_")) and p.name != "failures.parquet")
    with explained(CatalogueError, f"{folder} cannot be read: {{reason}}; remove it or give another folder", OSError):
        files = parts_in(folder) or files
        for file in files:
            check_regular(file)
    return files


def tree_of_shards(path: Path) -> dict[str, Any] | None:
    """Return the tree of votes that a folder of shards declares, as plain values; None for anything else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = parquet_parts(path) if path.is_dir() else []
    try:
        metadata = _about_shards(pq.read_schema(files[0])) if files else None
    except (OSError, ValueError, pa.ArrowInvalid):
        return None  # the error is reported where the folder is read
    return None if metadata is None else metadata["tree"]


def _read_csv(plain: Path, path: Path, id_column: str | None, image_column: str | None) -> tuple[pd.DataFrame, str]:
    """Read a CSV that was converted to plain form; errors name the original file."""
    header = [str(name) for name in pd.read_csv(plain, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]]
    header[0] = header[0].removeprefix("\ufeff")
    _refuse_twins(header, path)  # pandas would rename the second one to 'name.1'
    id_column = find_id_column(header, id_column, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut off
        blank = {name: _BLANK for name in header if name != id_column}  # an id may be called "NA"
        frame = pd.read_csv(
            plain,
            names=header,  # otherwise pandas would name blank columns itself
            header=0,
            dtype={id_column: str},
            keep_default_na=False,
            na_values=blank,
            index_col=False,  # otherwise a file with one more cell per row than in its header would shift all columns
            low_memory=False,
        )
    _refuse_cut_off(plain, path, len(header))
    frame[id_column] = texts_from_spreadsheet(frame[id_column])
    for name in frame.columns.drop(id_column):
        if pd.api.types.is_string_dtype(frame[name].dtype) and (none := frame[name] == _NONE).any():
            rest = frame[name].mask(none)
            numbers = pd.to_numeric(rest, errors="coerce")
            if numbers.notna().equals(rest.notna()):
                whole = whole_numbers(rest)
                frame[name] = numbers if whole is None else whole
            elif name in (*IMAGE_COLUMNS, image_column):
                frame[name] = rest
    blank = {name: [*words, _NONE] for name, words in blank.items()}
    keep_whole_numbers(frame, plain, but=id_column, blank=blank)
    return frame, id_column


def _refuse_cut_off(plain: Path, path: Path, columns: int) -> None:
    """Raise a CatalogueError for a file that ends within a row: its last cells would be blank, as if nobody had voted."""
    with plain.open("rb") as stream:
        stream.seek(max(plain.stat().st_size - _TAIL, 0))
        _, line, last = stream.read().replace(b"\r", b"\n").rpartition(b"\n")
    cells = last.count(b",") + 1
    if line and last and b'"' not in last and cells < columns:
        raise CatalogueError(
            f"{path} ends within its last row, which has {cells} of {columns} cells; fetch it again, or save it again if "
            "it is complete"
        )


def _refuse_twins(names: Sequence[str], path: Path) -> None:
    for name in names:
        if names.count(name) > 1:
            raise CatalogueError(f"{path} has the column '{name}' twice; rename or remove one of them")


def _read_parquet(
    path: Path, id_column: str | None, image_column: str | None, images: Path | None
) -> tuple[pd.DataFrame, str, dict[str, Any] | None]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = parquet_parts(path) if path.is_dir() else [path]
    names = [pq.read_schema(file).names for file in files]
    for file, columns in zip(files, names, strict=True):
        _refuse_twins(columns, file)
    image_column = image_column or next((known for known in IMAGE_COLUMNS if known in names[0]), None)
    start = images or (path if path.is_dir() else path.parent)
    stored = [None if image_column is None else stored_column(file, image_column, start) for file in files]
    left = [
        [name for name in columns if column is None or name != image_column]
        for columns, column in zip(names, stored, strict=True)
    ]
    for file, columns in zip(files, left, strict=True):
        check_parquet(file, columns)
    tables = [pq.ParquetFile(file).read(columns=columns) for file, columns in zip(files, left, strict=True)]
    table = pa.concat_tables(without_loss(tables), promote_options="permissive")
    table.validate(full=True)  # otherwise damaged texts would only be found one by one, when a cell is first used
    metadata = _about_shards(table.schema)
    refuse_future(path, (metadata or {}).get("format", 0), SHARDS, CatalogueError)
    refuse_future(path, result_format(table.schema), RESULTS, CatalogueError)
    if metadata is not None and path.is_dir() and len(files) < metadata["parts"]:
        raise CatalogueError(
            f"{path} holds {len(files)} of {metadata['parts']} shards; the command that writes them was interrupted: "
            "run it again to finish them"
        )
    if metadata is not None and path.is_dir():
        for file, part in zip(files, tables, strict=True):
            _refuse_other_rows(file, part)
    id_column = find_id_column(table.column_names, id_column, path)
    position = table.column_names.index(id_column)
    if not pa.types.is_floating(table.schema.types[position]):  # whole numbers with gaps would become floats in pandas
        table = table.set_column(position, id_column, table.column(position).cast(pa.string()))
    frame = as_frame(table.replace_schema_metadata(None))
    if any(stored):
        cells = (
            frame[image_column].to_numpy(dtype=object) if image_column in frame else np.full(len(frame), None, dtype=object)
        )
        ends = np.cumsum([len(part) for part in tables])
        for column, part, end in zip(stored, tables, ends, strict=True):
            if column is not None:
                cells[end - len(part) : end] = list(column.images())
        frame[image_column] = cells
    return frame, id_column, metadata


def _refuse_other_rows(file: Path, part: pa.Table) -> None:
    """Raise a CatalogueError for a shard that lacks rows, such as a truncated file that was repaired by hand."""
    about = _about_shards(part.schema) or {}
    number, whole, failed = (about.get(key) for key in ("part", "rows_per_shard", "failures"))
    if not isinstance(number, int) or not isinstance(whole, int) or not isinstance(failed, list):
        return  # older shards do not have these entries
    rows = len(part) + len(failed)
    if rows > whole or (rows < whole and number < about["parts"] - 1) or not rows:
        raise CatalogueError(
            f"{file} is damaged: it has {len(part)} galaxies of {whole - len(failed)}; delete it and run the command that "
            "wrote it again"
        )


def _about_shards(schema: pa.Schema) -> dict[str, Any] | None:
    """Return the metadata of shards; None for other files; raise a ValueError for metadata that zooactive did not write."""
    about = about_of(schema)
    if about is None:
        return None
    if not isinstance(about, dict) or not about.keys() >= _SHARDS_SAY or not isinstance(about["parts"], int):
        raise ValueError("its metadata are not those of shards")
    return about


def _read_fits(path: Path, id_column: str | None) -> pd.DataFrame:
    from astropy.io import fits
    from astropy.table import Table

    from zooactive.foundation.fits import FitsStream, check_table, each_hdu, undefined_logicals

    with _unpacked(path) as stream, _harmless_unless_truncated():
        if not stream.read(6).startswith(b"SIMPLE"):
            raise CatalogueError(f"{path} is not a FITS file, despite its name; rename it to the ending of its real format")
        stream.seek(0)
        with fits.open(FitsStream(stream), memmap=False) as hdus:
            tables = [i for i, hdu in enumerate(each_hdu(hdus)) if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
            if not tables:
                raise CatalogueError(f"{path} holds no table; give a FITS table, or a folder of FITS images")
            number = _table_with_ids(hdus, tables, id_column, path)
            check_table(hdus[number])
            refuse_future(path, hdus[number].header.get(FITS_KEY, 0), RESULTS, CatalogueError)
            table = Table.read(hdus, format="fits", hdu=number)
            table.convert_bytestring_to_unicode()
            frame = _one_value_a_row(table)
            for name, undefined in undefined_logicals(hdus[number]).items():
                if name in frame.columns:
                    frame[name] = frame[name].astype("boolean").mask(undefined)
            return frame


def _table_with_ids(hdus: Any, tables: Sequence[int], id_column: str | None, path: Path) -> int:
    """Return the number of the first table in a FITS file with an id column; warn if the file has several tables."""
    names = ID_COLUMNS if id_column is None else (id_column,)
    with_ids = [number for number in tables if set(names) & set(hdus[number].columns.names)]
    number = with_ids[0] if with_ids else tables[0]
    if len(with_ids) > 1 or number != tables[0]:
        called = f" ('{hdus[number].name}')" if hdus[number].name else ""
        warnings.warn(
            f"{path}: extension {number}{called} of its {len(tables)} tables is read, the first with an id column; to read "
            "another table, save it as a separate file",
            stacklevel=2,
        )
    return number


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a table, gzipped or not; one that unpacks to more than `_RATIO` times its size is refused, to protect memory."""
    with open_regular(path) as stored:
        zipped = stored.read(2) == b"\x1f\x8b"
        stored.seek(0)
        most = max(_LARGEST_UNPACKED, _RATIO * path.stat().st_size)
        yield io.BufferedReader(Unpacked(stored, most)) if zipped else stored


@contextmanager
def _harmless_unless_truncated() -> Iterator[None]:
    """Ignore astropy's warnings about headers that break the standard, but raise an error for a table that ends early."""
    from astropy.utils.exceptions import AstropyWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        warnings.filterwarnings("error", ".*truncated", AstropyWarning)
        yield


def _read_votable(path: Path) -> pd.DataFrame:
    from astropy.io.votable import exceptions, parse_single_table

    with warnings.catch_warnings(), exceptions.conf.set_temp("max_warnings", sys.maxsize):
        warnings.simplefilter("ignore")  # many real VOTables break the standard in harmless ways
        # A word in place of a number would become a blank cell, as if nobody had voted. Words that mean "blank" are allowed.
        warnings.filterwarnings("error", category=exceptions.W30)
        blank = "|".join(map(re.escape, [*_BLANK, _NONE]))
        warnings.filterwarnings("ignore", rf".*'\s*({blank})\s*'", exceptions.W30)
        with _unpacked(path) as stream:
            checked_votable(stream)
            table = parse_single_table(stream, verify="warn")
            declared = next((str(info.value) for info in table.infos if info.name == VOTABLE_KEY), "0")
            refuse_future(path, int(declared) if declared.isdecimal() else declared, RESULTS, CatalogueError)
            _refuse_twins([field.name for field in table.fields], path)  # astropy would rename the second one to 'name2'
            return _one_value_a_row(table.to_table(use_names_over_ids=True))


def _one_value_a_row(table: Any) -> pd.DataFrame:
    """Return an astropy table as a DataFrame, without the columns that hold an array or a complex number in each row."""
    flat = [name for name in table.colnames if table[name].ndim == 1 and table[name].dtype.kind != "c"]
    frame: pd.DataFrame = table[flat].to_pandas(index=False)
    return frame
