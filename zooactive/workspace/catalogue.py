"""The catalogue to publish: model and volunteers combined, one row per galaxy of the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.provenance import Making
from zooactive.foundation.telling import Bar, Tell, no_bar, silent
from zooactive.foundation.writing import file_hash, make_folder, write_how
from zooactive.workspace.embeddings import OPTIONS as EMBEDDING_OPTIONS
from zooactive.workspace.finetuned import seen_by, task_meant
from zooactive.workspace.options import Options, as_path
from zooactive.workspace.received import fit_trust, learnt_from, refuse_overwriting, survey_votes
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import start_of

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.catalogue import Catalogue

OPTIONS: Options = {name: f"survey.{name}" for name in ("tree", "id_column", "image_column")} | EMBEDDING_OPTIONS


@dataclass(frozen=True, eq=False)
class PublishedCatalogue:
    """A written catalogue: its file, its galaxies, those with votes, and those whose votes the model was trained on.

    ``factors`` holds the factor on each question's concentrations and its gain; it is None if no factors were fitted.
    """

    file: Path
    galaxies: int
    voted: int
    seen: int
    factors: pd.DataFrame | None


def catalogue(
    settings: Settings,
    *,
    votes: str | Path | None = None,
    task: str | None = None,
    predictions: str | Path | None = None,
    folds: int | None = None,
    trust: str | Path | None = None,
    above: Sequence[float] = (0.5,),
    probability: float = 0.9,
    out: str | Path | None = None,
    progress: Bar = no_bar,
    tell: Tell = silent,
) -> PublishedCatalogue:
    """Write the posterior of every galaxy of the pool given the model and all votes so far.

    Parameters
    ----------
    settings : Settings
    votes : path, optional
        A table of all votes so far; by default the votes of the survey, or a task's labels.
    task : str, optional
        The fine-tuned task whose model is used.
    predictions : path, optional
    folds : int, optional
        Refit the head to the stored embeddings and the votes in this many folds, so that each galaxy's prediction does not
        depend on its own votes. By default the predictions are taken as they are.
    trust : path, optional
        Votes on galaxies drawn at random; they calibrate the model's uncertainty.
    above : sequence of float
        The fractions x for which P(fraction > x) is written.
    probability : float
        Probability of the intervals.
    out : path, optional
        The file: ``.csv``, ``.parquet``, ``.fits`` or ``.xml`` (VOTable); by default ``catalogue.parquet`` in the workspace.
    progress, tell : callable, optional
    """
    from zooactive.catalogue import read_catalogue
    from zooactive.catalogue.column_names import names_apart
    from zooactive.prediction import combine, open_predictions
    from zooactive.prediction.combined_files import check_ending
    from zooactive.training.out_of_fold import OutOfFold

    given = as_path(votes)
    task = task_meant(settings, task, as_path(predictions))
    settings = seen_by(settings, task, predictions=as_path(predictions), progress=progress, tell=tell)
    stored = open_predictions(settings.pool.predictions)
    known = survey_votes(settings, task, stored)
    if given is not None:
        known = read_catalogue(given, tree=stored.tree, id_column=settings.survey.id_column)
    if known is None:
        raise WorkspaceError(
            f"no table of votes for tree '{stored.tree.name}' is named; give --votes, or set catalogue and tree under "
            "[survey]"
        )
    target = settings.folder / "catalogue.parquet" if out is None else Path(out)
    check_ending(target)
    refuse_overwriting(target, settings, stored, given, trust)
    seen = learnt_from(settings, task, stored)
    factors: dict[str, float] = {}
    table = None
    if trust is not None:
        factors, table = fit_trust(settings, stored, Path(trust), seen, tell)
    made = Making("catalogue", {"predictions": stored.folder, "votes": _votes_from(known, given), "trust": as_path(trust)})
    model = stored if folds is None else OutOfFold.fit(stored, known, folds=folds, tell=tell)
    combined = combine(model, known, factors=factors, seen=seen, above=above, probability=probability)
    make_folder(target.parent)
    galaxies = stored.catalogue()
    passed = names_apart(galaxies.table, combined.columns, str(stored.folder))
    written = combined.write(target, passed=passed.assign(id=galaxies.ids))
    voted = set(stored.known(known.ids[known.require_votes().some]))
    write_how(
        target,
        command="catalogue",
        options={
            "votes": known.source,
            "folds": folds,
            "factors": factors,
            "above": list(above),
            "probability": probability,
        },
        inputs={f"predictions {stored.folder}": file_hash(stored.folder / "journal.json")}
        | {f"{name} {file}": file_hash(file) for name, file in (("votes", given), ("trust", trust)) if file is not None},
    )
    counts = {"galaxies": written, "with votes": len(voted), "learnt from": len(voted & seen)}
    made.done(target, outputs=[target], counts=counts, worked=written)
    return PublishedCatalogue(target, written, len(voted), len(voted & seen), table)


def _votes_from(known: Catalogue, given: Path | None) -> Path | None:
    """Return the table that the votes are from: the one that is named, or the survey's or a task's."""
    return given or start_of(known.source)
