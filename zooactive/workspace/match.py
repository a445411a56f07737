"""Add the columns of another table, from the galaxies at the same coordinates."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.provenance import Making


class Matched(NamedTuple):
    """A matched table: its file, its galaxies, those with a counterpart, and those that share a counterpart."""

    table: Path
    galaxies: int
    matched: int
    shared: int


def match(
    table: str | Path,
    other: str | Path,
    out: str | Path,
    *,
    arcsec: float = 1.0,
    id_column: str | None = None,
    other_id: str | None = None,
    ra: str | None = None,
    dec: str | None = None,
    matched_only: bool = False,
) -> Matched:
    """Write a table with the columns of another table, taken from the nearest galaxy within `arcsec`.

    Each column of the other table, including its id, is called ``other_NAME``; ``other_arcsec`` is the distance. Without a
    counterpart these columns are blank, or the row is left out with `matched_only`. `out` ends in ``.csv``, ``.parquet``,
    ``.fits`` or ``.xml`` (VOTable). Raises a CatalogueError if a table has no ids or coordinates, and a PosteriorError for
    another ending.
    """
    from zooactive.catalogue.cutouts.coordinates import degrees_of, find_coordinates
    from zooactive.catalogue.sky_match import match_sky
    from zooactive.catalogue.tables import read_table
    from zooactive.foundation.writing import file_hash, make_folder, write_how
    from zooactive.prediction.combined_files import Column, check_ending, write_table

    target, sources = Path(out), (Path(table), Path(other))
    check_ending(target)
    if any(source.resolve() == target.resolve() for source in sources):
        raise CatalogueError(f"the result would overwrite {target}, a table that it is made from; give another --out")
    made = Making("match", {"table": sources[0], "other": sources[1]})
    one, two = read_table(sources[0], id_column=id_column), read_table(sources[1], id_column=other_id)
    places = degrees_of(one.frame, *find_coordinates(one.frame.columns, ra, dec, table), table)
    others = degrees_of(two.frame, *find_coordinates(two.frame.columns, None, None, other), other)
    found = match_sky(places, others, arcsec=arcsec)
    mine = one.frame.drop(columns=one.id_column).reset_index(drop=True)
    mine.insert(0, "id", one.ids)
    theirs = two.frame.assign(**{two.id_column: two.ids}).take(found.row.clip(0)).reset_index(drop=True)
    whole = [name for name in theirs.columns if theirs[name].dtype.kind in "iu"]
    theirs = theirs.astype(dict.fromkeys(whole, "Int64"))  # a blank would turn them into floats, which lose digits
    theirs = theirs.where(pd.Series(found.matched)).add_prefix("other_")
    theirs["other_arcsec"] = found.arcsec
    if taken := [name for name in theirs.columns if name in mine.columns]:
        raise CatalogueError(f"{table} already has a column '{taken[0]}', which the match would write; rename it")
    joined = pd.concat([mine, theirs], axis=1)
    rows = joined[found.matched] if matched_only else joined
    about = {
        "id": Column("Id of the galaxy", "meta.id;meta.main"),
        "other_arcsec": Column(f"Distance to the counterpart in {Path(other).name}, arcsec", "pos.angDistance"),
    }
    make_folder(target.parent)
    said = f"{Path(table).name} matched with {Path(other).name} within {arcsec:g} arcsec"
    write_table(iter([rows.reset_index(drop=True)]), about, said, target, None, kind="match")
    options = {"arcsec": arcsec, "matched_only": matched_only}
    write_how(target, command="match", options=options, inputs={str(source): file_hash(source) for source in sources})
    done = Matched(target, len(rows), int(found.matched.sum()), found.shared())
    counts = {"galaxies": done.galaxies, "matched": done.matched, "shared": done.shared}
    made.done(target, outputs=[target], counts=counts, worked=len(one.ids))
    return done
