"""Write the published catalogue as CSV, Parquet, FITS or VOTable, with a description of each column."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zooactive.foundation.errors import CatalogueError, PosteriorError, explained
from zooactive.foundation.formats import FITS_KEY, RESULTS, VOTABLE_KEY
from zooactive.foundation.metadata import result_about
from zooactive.foundation.spelling import for_people, write_csv
from zooactive.foundation.writing import aside
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    import pandas as pd
    from astropy.table import Table

ENDINGS = (".csv", ".parquet", ".fits", ".xml")
_LONGEST_NAME = 68  # the limit for the name of a FITS column


class Column(NamedTuple):
    """The description of a column, and its Unified Content Descriptor (IVOA, UCD1+)."""

    description: str
    ucd: str


def percent(x: float) -> str:
    """Return a fraction in percent, as used in names of columns."""
    return f"{100 * x:.6g}"


def columns_of(tree: DecisionTree, *, above: Sequence[float], probability: float) -> dict[str, Column]:
    """Return a description of each column of the catalogue's table, in the table's order; no column has a unit."""
    share = f"{100 * probability:g}%"
    found = {"id": Column("Id of the galaxy", "meta.id;meta.main")}
    for i, name in enumerate(tree.columns):
        question = tree.questions[int(tree.question_index[i])]
        answer = question.answers[i - tree.slices[int(tree.question_index[i])].start]
        of = f"of those asked '{question.name}' who answer '{answer}'"
        found[name] = Column(f"Expected fraction {of}", "stat.probability;stat.mean")
        found[f"{name}_low"] = Column(f"Lower end of the {share} credible interval of {name}", "stat.probability;stat.min")
        found[f"{name}_high"] = Column(f"Upper end of the {share} credible interval of {name}", "stat.probability;stat.max")
        for x in above:
            found[f"{name}_above_{percent(x)}"] = Column(f"P({name} > {x:g})", "stat.probability")
        found[f"{name}_votes"] = Column(f"Volunteers {of}", "meta.number")
    for question in tree.questions:
        asked = f"Probability that a volunteer is asked '{question.name}'"
        found[f"asked_{question.name}"] = Column(asked, "stat.probability")
        found[f"{question.name}_votes"] = Column(f"Volunteers who answered '{question.name}'", "meta.number")
        rests = f"Share of the expected fractions of '{question.name}' that rests on the model"
        found[f"model_{question.name}"] = Column(rests, "stat.weight")
    found["volunteers"] = Column("Volunteers who were shown the galaxy", "meta.number")
    saw = "Whether the model had learnt from the galaxy's votes, which then count twice"
    return found | {"prior_saw_votes": Column(saw, "meta.code")}


def check_ending(path: Path) -> None:
    """Raise a PosteriorError for a file name whose ending no catalogue can be written to."""
    if path.suffix not in ENDINGS:
        raise PosteriorError(f"the catalogue cannot be written to {path}; give a name that ends in {', '.join(ENDINGS)}")


def shortened(tables: Iterator[pd.DataFrame], path: Path) -> Iterator[pd.DataFrame]:
    """Yield tables of probabilities and fractions, two hundred of them per galaxy, without digits that tell nothing.

    They have six decimals in CSV and four bytes elsewhere. Not for columns of one's own: a coordinate in four bytes is off
    by some hundredths of an arcsecond.
    """
    for table in tables:
        floats = [name for name in table.columns if table[name].dtype.kind == "f"]
        if path.suffix == ".csv":
            yield table.round(dict.fromkeys(floats, 6))
        else:
            yield table.astype(dict.fromkeys(floats, "float32"))


def write_table(
    pieces: Iterator[pd.DataFrame],
    about: dict[str, Column],
    said: str,
    path: Path,
    passed: pd.DataFrame | None,
    *,
    kind: str = "catalogue",
) -> int:
    """Write a table that comes in pieces, with other columns that go along, and return how many rows it has.

    Every column keeps every digit that it comes with.

    `kind` is what Parquet says it is; FITS and VOTable declare the format alone, and CSV has how.json beside it for that.
    """
    check_ending(path)
    tables = _with_columns(pieces, passed)
    with aside(path) as temporary:
        if path.suffix == ".csv":
            return _write_csv(tables, temporary)
        if path.suffix == ".parquet":
            return _write_parquet(tables, temporary, kind)
        return _write_astropy(tables, about, said, temporary, "fits" if path.suffix == ".fits" else "votable")


def _places(columns: Iterable[str]) -> dict[str, Column]:
    """Return descriptions of the columns with coordinates, so that other programs find them."""
    from zooactive.catalogue.cutouts.coordinates import find_coordinates

    try:
        ra, dec = find_coordinates(columns, None, None, "")
    except CatalogueError:
        return {}
    return {ra: Column("Right ascension", "pos.eq.ra;meta.main"), dec: Column("Declination", "pos.eq.dec;meta.main")}


def _with_columns(tables: Iterator[pd.DataFrame], passed: pd.DataFrame | None) -> Iterator[pd.DataFrame]:
    for table in tables:
        if passed is None or len(passed.columns) < 2:
            yield table
            continue
        others = passed.drop_duplicates("id").set_index("id")
        taken = [name for name in others.columns if name in table.columns]
        if taken:
            raise PosteriorError(f"the passed column '{taken[0]}' has the name of one of the catalogue's columns; rename it")
        yield table.join(others, on="id")


def _write_csv(tables: Iterator[pd.DataFrame], path: Path) -> int:
    rows = 0
    for table in tables:
        if rows == 0:
            write_csv(table, path, only="id")
        else:
            for_people(table, only="id").to_csv(path, index=False, header=False, mode="a")
        rows += len(table)
    return rows


def _write_parquet(tables: Iterator[pd.DataFrame], path: Path, kind: str) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, writer = 0, None
    try:
        for table in tables:
            said = "Parquet cannot hold a column of the catalogue: {reason}"
            with explained(PosteriorError, said, pa.ArrowInvalid, pa.ArrowTypeError, ValueError):
                arrow = pa.Table.from_pandas(table, preserve_index=False)
                if writer is None:
                    about = {**(arrow.schema.metadata or {}), **result_about(kind)}
                    writer = pq.ParquetWriter(path, arrow.schema.with_metadata(about))
                writer.write_table(arrow.cast(writer.schema))
            rows += len(table)
    finally:
        if writer is not None:
            writer.close()
    return rows


def _write_astropy(tables: Iterator[pd.DataFrame], about: dict[str, Column], said: str, path: Path, kind: str) -> int:
    import pandas as pd
    from astropy.table import MaskedColumn, Table

    whole = pd.concat(list(tables), ignore_index=True)
    about = _places(whole.columns) | about
    table = Table()
    for name in whole.columns:
        cells = whole[name]
        missing = cells.isna().to_numpy()
        if cells.dtype.kind in "bifu" and not missing.any():
            values = cells.to_numpy()
        elif pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
            plain = cells.to_numpy(dtype="float64" if cells.dtype.kind == "f" else "int64", na_value=0)
            values = MaskedColumn(plain, mask=missing)
        else:
            values = cells.astype(object).where(~missing, "").astype(str).to_numpy(dtype=str)
        table[name] = values
        if name in about:
            table[name].description = about[name].description
    if kind == "votable":
        _write_votable(table, about, said, path)
    else:
        _write_fits(table, about, said, path)
    return len(whole)


def _write_votable(table: Table, about: dict[str, Column], said: str, path: Path) -> None:
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import Info

    votable = from_table(table)
    votable.description = said
    first = votable.get_first_table()
    first.infos.append(Info(name=VOTABLE_KEY, value=str(RESULTS)))
    for field in first.fields:
        if field.name in about:
            field.ucd = about[field.name].ucd
        if field.datatype in ("char", "unicodeChar"):
            field.arraysize = "*"  # any length, including zero: with a fixed length of 1 it would not be a string
    # By Python: astropy's writer in C writes beyond its buffer now and then (github.com/astropy/astropy/issues/20419), and
    # the process dies later, anywhere.
    votable.to_xml(str(path), _debug_python_based_parser=True)


def _write_fits(table: Table, about: dict[str, Column], said: str, path: Path) -> None:
    from astropy.io import fits

    for name in table.colnames:
        if not name.isascii() or len(name) > _LONGEST_NAME:
            raise PosteriorError(
                f"FITS cannot hold the name of the column '{name}' (ASCII, at most {_LONGEST_NAME} characters); rename it "
                "in the table, or write .xml, .csv or .parquet"
            )
        column = table[name]
        if column.dtype.kind == "U" and not all(text.isascii() for text in column):
            warnings.warn(
                f"FITS can only hold ASCII, so other letters in the column '{name}' are written as \\xe9 stands for é; "
                "write .xml, .csv or .parquet to keep them",
                stacklevel=4,
            )
            table[name] = [_ascii(text) for text in column]
    hdu = fits.table_to_hdu(table)
    hdu.name = "CATALOGUE"
    hdu.header[FITS_KEY] = (RESULTS, "format of zooactive's tables")
    hdu.header["COMMENT"] = _ascii(said)
    for number, name in enumerate(table.colnames, start=1):
        if name in about:
            hdu.header[f"TUCD{number}"] = about[name].ucd
            hdu.header[f"TCOMM{number}"] = _ascii(about[name].description)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()
