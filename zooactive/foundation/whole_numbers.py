"""Keep whole numbers whole even if cells are blank: a float keeps 16 digits, but the ids of surveys have up to 20."""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 1 << 53  # up to this number a float holds every whole number
_NULLABLE = {f"{sign}nt{bits}": getattr(pd, f"{sign}nt{bits}Dtype") for sign in ("I", "UI") for bits in (8, 16, 32, 64)}
_WHOLE, _LONG, _PADDED = r"^[+-]?[0-9]+$", r"^[+-]?[0-9]{16,}$", r"^[+-]?0[0-9]"
# The pattern begins with its one certain character, which makes it fast.
_PADDED_CELL = re.compile(rb'0(?:(?<=[,"\s]0)|(?<=[,"\s][+-]0))[0-9]+\s*(?:[,"\r\n]|\Z)')


def whole_numbers(cells: pd.Series[str]) -> pd.Series[int] | pd.Series[str] | None:
    """Return cells that were read as text as whole numbers, or as text if numbers would lose something.

    Parameters
    ----------
    cells : Series of str
        Cells as text; blank ones are missing.

    Returns
    -------
    Series or None
        Int64 if all cells are whole numbers. Text if one has more digits than 64 bits hold or a leading zero, as for
        plates and tiles, or if one among decimals has more digits than a float holds. None for other cells.

    Examples
    --------
    >>> whole_numbers(pd.Series(["1237651752387182713", None])).tolist()
    [1237651752387182713, <NA>]
    >>> whole_numbers(pd.Series(["0266", None, "0267"])).tolist()
    ['0266', nan, '0267']
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(pa.array(cells, pa.string(), from_pandas=True))
    if not pc.all(pc.match_substring_regex(texts, _WHOLE)).as_py():
        long = texts.filter(pc.match_substring_regex(texts, _LONG)).to_pylist()
        return cells.str.strip() if any(abs(int(number)) > _EXACT for number in long) else None
    if pc.any(pc.match_substring_regex(texts, _PADDED)).as_py():
        return cells.str.strip()
    try:
        numbers = pc.replace_substring(texts, "+", "").cast(pa.int64())
    except pa.ArrowInvalid:  # more than 64 bits
        return cells.str.strip()
    out: pd.Series[int] = numbers.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return out.set_axis(cells.index)


def keep_whole_numbers(
    frame: pd.DataFrame, path: Path, *, but: str, blank: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Correct, in place, columns of a CSV in which pandas turned whole numbers into floats or removed leading zeros.

    These columns are read again, as text.

    Parameters
    ----------
    frame : DataFrame
        The table that `pandas.read_csv` returned.
    path : Path
    but : str
        A column that is already text.
    blank : mapping of str to sequence of str, optional
        For each other column, the words of blank cells; by default those of pandas.
    """
    columns = [name for name in frame.columns if name != but]
    doubtful = [name for name in columns if _maybe_whole(frame[name])]
    if _has_padded_cells(path):
        doubtful += [name for name in columns if frame[name].dtype.kind in "iu"]
    if not doubtful:
        return
    texts = pd.read_csv(
        path,
        names=list(frame.columns),
        header=0,
        usecols=doubtful,
        dtype=str,
        keep_default_na=blank is None,
        na_values=None if blank is None else {name: list(blank[name]) for name in doubtful},
        index_col=False,
    )
    for name in doubtful:
        whole = whole_numbers(texts[name])
        if whole is not None:
            frame[name] = whole


def _maybe_whole(column: pd.Series[Any]) -> bool:
    """Return whether a column may contain only whole numbers: as floats, or as numbers of more than 64 bits."""
    if column.dtype.kind == "f":
        return not (column.dropna() % 1).any() and bool(column.notna().any())
    if pd.api.types.is_string_dtype(column.dtype) and (column == "").any():
        return True  # pandas leaves blank cells unchanged next to numbers that need all 64 bits
    return column.dtype == object and any(isinstance(cell, int) and not isinstance(cell, bool) for cell in column)


def _has_padded_cells(path: Path) -> bool:
    """Return whether a file may contain a whole number with a leading zero."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _PADDED_CELL.search(content) is not None


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as a DataFrame, with whole numbers with gaps as Int64 (or similar) instead of floats."""
    import pyarrow as pa

    frame: pd.DataFrame = table.to_pandas()
    kinds = {getattr(pa, name.lower())(): dtype() for name, dtype in _NULLABLE.items()}
    for place, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if column.null_count and column.type in kinds:
            frame.isetitem(place, column.to_pandas(types_mapper=kinds.get).rename(name))
    return frame


def without_loss(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Return Arrow tables that can be appended to each other; long columns of several kinds become text."""
    import pyarrow as pa

    out = list(tables)
    for name in dict.fromkeys(name for table in tables for name in table.column_names):
        kinds = {table.schema.field(name).type for table in out if name in table.column_names}
        if len(kinds) < 2 or not any(map(pa.types.is_integer, kinds)):
            continue
        lossy = any(map(pa.types.is_floating, kinds)) and any(_has_long(table, name) for table in out)
        if lossy or (pa.uint64() in kinds and any(map(pa.types.is_signed_integer, kinds))):
            out = [_as_text(table, name) for table in out]
    return out


def _has_long(table: pa.Table, name: str) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in table.column_names or not pa.types.is_integer(table.schema.field(name).type):
        return False
    ends = pc.min_max(table[name])
    return any(end is not None and abs(end) > _EXACT for end in ends.as_py().values())


def _as_text(table: pa.Table, name: str) -> pa.Table:
    import pyarrow as pa

    if name not in table.column_names:
        return table
    return table.set_column(table.column_names.index(name), name, table[name].cast(pa.string()))


def with_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame to which rows without values can be added without turning its whole numbers into floats."""
    return frame.astype(
        {name: str(dtype).replace("u", "U").replace("i", "I") for name, dtype in frame.dtypes.items() if dtype.kind in "iu"}
    )


def under_each_other(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Append frames to each other, matching columns by name; no whole number becomes a float that cannot hold it."""
    names = list(dict.fromkeys(name for frame in frames for name in frame.columns))
    parts = [frame if len(frame.columns) == len(names) else with_gaps(frame) for frame in frames]
    for name in names:
        kinds = {frame[name].dtype.kind for frame in parts if name in frame}
        if "f" in kinds and kinds & {*"iu"} and any(_is_long(frame[name]) for frame in parts if name in frame):
            parts = [frame.assign(**{name: frame[name].astype("string")}) if name in frame else frame for frame in parts]
    return pd.concat(parts, ignore_index=True)


def _is_long(column: pd.Series[Any]) -> bool:
    return column.dtype.kind in "iu" and bool((column.dropna().abs() > _EXACT).any())
