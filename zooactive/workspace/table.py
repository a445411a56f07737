"""Write a list of galaxies, or predictions, as one table with coordinates for TOPCAT and other programs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zooactive.foundation.errors import CatalogueError, WorkspaceError, ZooactiveError
from zooactive.foundation.provenance import Making
from zooactive.foundation.telling import Tell, silent
from zooactive.workspace.options import Options, options_of
from zooactive.workspace.origin import read_predicted
from zooactive.workspace.sections import Pool
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import folders_of_images, pictured_from

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue

OPTIONS: Options = options_of("pool", Pool) | {name: f"survey.{name}" for name in ("id_column", "image_column")}

_ID = ("Id of the galaxy", "meta.id;meta.main")
_OF_LISTS = {
    "rank": ("Place in the list, the first is 1", "meta.number"),
    "score": ("Score of the choice", "stat.value"),
    "arm": ("Chosen by its score, or at random", "meta.code"),
    "inclusion_probability": ("Probability that the galaxy was chosen", "stat.probability"),
    "question": ("Question whose votes would be most informative", "meta.code"),
    "question_share": ("Share of that question in the score", "stat.weight"),
    "clicks": ("Expected number of answers from a volunteer", "meta.number"),
    "share": ("Expected share of all volunteers who give the answer", "stat.probability;stat.mean"),
    "fraction": ("Expected fraction of volunteers who give the answer", "stat.probability;stat.mean"),
    "low": ("Lower end of the credible interval of the fraction", "stat.probability;stat.min"),
    "high": ("Upper end of the credible interval of the fraction", "stat.probability;stat.max"),
    "information": ("Expected information of the next votes, nats", "stat.value"),
    "received": ("Volunteers who have seen the galaxy", "meta.number"),
    "more": ("Additional volunteers who should see the galaxy", "meta.number"),
    "stop_at": ("Number of volunteers after which the galaxy is done", "meta.number"),
    "similarity": ("Cosine similarity of the embeddings", "stat.value"),
}


class Written(NamedTuple):
    """A written table: its file, its galaxies, and how many of them have the other columns of the pool's table."""

    file: Path
    galaxies: int
    known: int


def table(settings: Settings, source: str | Path | None = None, *, out: str | Path, tell: Tell = silent) -> Written:
    """Write a list of galaxies, or all predictions, with the other columns of the pool's table.

    Parameters
    ----------
    settings : Settings
    source : path, optional
        A table with ids, such as ``selection.csv``, a plan or a list of `top`; or a folder of predictions. For predictions,
        every answer's expected fraction is written with its 90% credible interval. The default is the workspace's
        predictions.
    out : path
        ``.fits``, ``.xml`` (VOTable), ``.parquet`` or ``.csv``.
    tell : callable, optional

    Raises
    ------
    WorkspaceError, CatalogueError, PosteriorError
        If `source` does not exist, or `out` is a table that it is made from or has another ending.
    """
    from zooactive.foundation.remote_folders import bring, folder_here
    from zooactive.foundation.writing import file_hash, make_folder, write_how
    from zooactive.prediction.combined_files import check_ending

    given = settings.pool.predictions if source is None else folder_here(source)
    bring(given)
    target = Path(out)
    check_ending(target)
    for other in (given, settings.survey.catalogue, settings.pool.catalogue):
        if other is not None and other.resolve() == target.resolve():
            raise CatalogueError(f"the table would overwrite {other}, which it is made from; give another --out")
    if not given.exists():
        raise WorkspaceError(f"{given} does not exist; give a table with ids, or a folder of predictions")
    own = {"predictions": given} if given.is_dir() else {"list": given} | pictured_from(settings) | {"images": None}
    made = Making("table", own, unmarked=folders_of_images(own))
    make_folder(target.parent)
    written = _of_predictions(given, target) if given.is_dir() else _of_list(settings, given, target, tell)
    made_of = given / "journal.json" if given.is_dir() else given
    write_how(target, command="table", options={"source": str(given)}, inputs={str(given): file_hash(made_of)})
    counts = {"galaxies": written.galaxies, "with other columns": written.known}
    made.done(target, outputs=[target], counts=counts, worked=written.galaxies)
    return written


def _of_predictions(folder: Path, target: Path) -> Written:
    from zooactive.catalogue.column_names import names_apart
    from zooactive.prediction import combine, open_predictions

    stored = open_predictions(folder)
    combined = combine(stored)
    galaxies = stored.catalogue()
    passed = names_apart(galaxies.table, combined.columns, str(folder))
    written = combined.write(target, passed=passed.assign(id=galaxies.ids))
    return Written(target, written, written if len(passed.columns) else 0)


def _of_list(settings: Settings, given: Path, target: Path, tell: Tell) -> Written:
    from zooactive.catalogue.column_names import names_apart
    from zooactive.catalogue.tables import read_table
    from zooactive.prediction.combined_files import Column, write_table

    read = read_table(given)
    mine = read.frame.drop(columns=read.id_column).reset_index(drop=True)
    mine.insert(0, "id", read.ids)
    galaxies = _pool(settings, read.ids, tell)
    about = {"id": Column(*_ID)} | {name: Column(*said) for name, said in _OF_LISTS.items() if name in mine}
    said = f"Galaxies of {given.name}"
    if galaxies is None:
        return Written(target, write_table(iter([mine]), about, said, target, None, kind="table"), 0)
    passed = names_apart(galaxies.table, [*mine.columns], galaxies.source)
    known = int(mine["id"].isin(set(galaxies.ids)).sum())
    if known < len(mine):
        tell(
            f"{len(mine) - known} of the {len(mine)} galaxies are not in {galaxies.source}, so their other columns are blank"
        )
    passed = passed.assign(id=galaxies.ids)
    return Written(target, write_table(iter([mine]), about, said, target, passed, kind="table"), known)


def _pool(settings: Settings, ids: Collection[str], tell: Tell) -> Catalogue | None:
    """Return the galaxies' own table: the one that is named, or the copy in the workspace's predictions."""
    from zooactive.prediction import open_predictions

    if settings.pool.catalogue is not None:
        return settings.read_pool()
    for folder in sorted({settings.pool.predictions, *settings.folder.glob(f"{settings.pool.predictions.name}*")}):
        if (folder / "journal.json").is_file() and (stored := open_predictions(folder)).known(ids):
            return stored.catalogue()
    try:
        return read_predicted(settings)
    except ZooactiveError as error:
        tell(f"the table has no coordinates, because the galaxies' own table is not known ({error})")
        return None
