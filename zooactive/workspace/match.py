"""A table with the columns of another one, of the galaxies that are at the same place on the sky."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.provenance import Making


class Matched(NamedTuple):
    """What was written: where, how many galaxies, how many have a counterpart, and how many share theirs with another."""

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
    """Write a table with the columns of another one, of the nearest galaxy there within so many arcsec.

    Each column of the other table is called ``other_NAME``, its id among them; ``other_arcsec`` is the distance. Without a
    counterpart they are blank, or with `matched_only` the row is left out. `out` ends in ``.csv``, ``.parquet``, ``.fits``
    or ``.xml`` (VOTable). Raises a CatalogueError when a table has no ids or places, and a PosteriorError for another
    ending.
    """
    from zooactive.catalogue.cutouts.coordinates import degrees_of, find_coordinates
    from zooactive.catalogue.sky_match import match_sky
    from zooactive.catalogue.tables import read_table
    from zooactive.foundation.writing import file_hash, make_folder, write_how
    from zooactive.prediction.combined_files import Column, check_ending, write_table

    target, sources = Path(out), (Path(table), Path(other))
    check_ending(target)
    if any(source.resolve() == target.resolve() for source in sources):
        raise CatalogueError(f"the result would be written over {target}, a table that it is made from; give another --out")
    made = Making("match", {"table": sources[0], "other": sources[1]})
    one, two = read_table(sources[0], id_column=id_column), read_table(sources[1], id_column=other_id)
    places = degrees_of(one.frame, *find_coordinates(one.frame.columns, ra, dec, table), table)
    others = degrees_of(two.frame, *find_coordinates(two.frame.columns, None, None, other), other)
    found = match_sky(places, others, arcsec=arcsec)
    mine = one.frame.drop(columns=one.id_column).reset_index(drop=True)
    mine.insert(0, "id", one.ids)
    theirs = two.frame.assign(**{two.id_column: two.ids}).take(found.row.clip(0)).reset_index(drop=True)
    whole = [name for name in theirs.columns if theirs[name].dtype.kind in "iu"]
    theirs = theirs.astype(dict.fromkeys(whole, "Int64"))  # a blank would make floats of them, which lose digits
    theirs = theirs.where(pd.Series(found.matched)).add_prefix("other_")
    theirs["other_arcsec"] = found.arcsec
    if taken := [name for name in theirs.columns if name in mine.columns]:
        raise CatalogueError(f"{table} has a column '{taken[0]}' already, as the match writes; rename it")
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
