"""Measure how good a workspace's model is on galaxies of its survey that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.catalogue import Catalogue
from zooactive.catalogue.catalogue import Voted
from zooactive.catalogue.surveys import join_catalogues
from zooactive.evaluation import Evaluation
from zooactive.evaluation import evaluate as evaluate_posterior
from zooactive.evaluation.calibration import coverage
from zooactive.foundation.errors import CatalogueError, ModelError, WorkspaceError, did_you_mean
from zooactive.foundation.provenance import Making
from zooactive.foundation.telling import Bar, no_bar
from zooactive.foundation.writing import aside, how_of, make_folder, write_how, write_json
from zooactive.models.published.origin import was_fetched
from zooactive.models.saved_form import config_of, model_folder, read_about
from zooactive.posterior import Posterior
from zooactive.posterior.corrections import scale_concentrations
from zooactive.tree import DecisionTree
from zooactive.workspace.embeddings import OPTIONS as EMBEDDING_OPTIONS
from zooactive.workspace.embeddings import read_given, with_recorded
from zooactive.workspace.finetuned import learnt_from
from zooactive.workspace.options import Options, options_of
from zooactive.workspace.sections import Survey
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import evaluated, model_from, survey_from

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models.loading import AnyModel
    from zooactive.prediction import Embeddings

USUAL = ("redshift", "z", "photo_z", "mag_r", "petromag_r", "mag")
"""Columns in whose bins metrics are reported by default; upper and lower case do not matter."""


@dataclass(frozen=True, eq=False)
class WorkspaceMetrics:
    """The metrics of a workspace's model, and what they were measured on.

    Parameters
    ----------
    metrics : Evaluation
    posterior : Posterior
        The posterior of the test galaxies, for the survey's own questions.
    test : Catalogue
        Labelled galaxies that the model was not trained on, in the order of the posterior's galaxies.
    votes : ndarray of float64, shape (galaxy, answer)
        The votes of the test galaxies.
    learnt_from : int
        Number of labelled galaxies in the training part of the survey's split.
    clicks : float
        Number of votes on these galaxies, over all questions.
    uncalibrated : DataFrame or None
        Coverage without the model's calibration factors; None if the model has none.
    fingerprint : str
        The fingerprint of the model.
    file : Path, optional
        The first table, once it is written; the other files are next to it.
    """

    metrics: Evaluation
    posterior: Posterior
    test: Catalogue
    votes: NDArray[np.float64]
    learnt_from: int
    clicks: float
    uncalibrated: pd.DataFrame | None
    fingerprint: str
    file: Path | None = None


OPTIONS: Options = options_of("survey", Survey) | EMBEDDING_OPTIONS | {"model": "model.folder"}


def evaluate(
    settings: Settings,
    *,
    by: Sequence[str] | None = None,
    out: str | Path | None = None,
    progress: Bar = no_bar,
) -> WorkspaceMetrics:
    """Measure the model on the test galaxies, compare it with a model that has seen no image, and write the metrics.

    The files ``evaluation.csv``, ``.json`` and ``.html`` go into the folder `out`. By default this is the model's folder, or
    ``evaluation`` in the workspace if the model is in a cache.
    """
    model = settings.model.folder
    own = model if model.exists() and not was_fetched(model) else settings.folder / "evaluation"
    given = {"model": model_from(model), "embeddings": settings.pool.embeddings}
    made = Making("evaluate", survey_from(settings) | given, unmarked=("images",))
    found = measure(settings, by=by, progress=progress)
    folder = own if out is None else Path(out)
    write_metrics(found, settings, folder)
    evaluated(made, folder, int(found.metrics.galaxies))
    return replace(found, file=folder / "evaluation.csv")


def measure(settings: Settings, *, by: Sequence[str] | None = None, progress: Bar = no_bar) -> WorkspaceMetrics:
    """Predict the test galaxies and measure the posterior.

    The metrics are also reported in bins of the columns `by`, by default the columns of `USUAL` that exist. Raises a
    WorkspaceError if no catalogue or tree is named or a part of the split has no labelled galaxy, a ModelError if the model
    does not answer all questions of the votes, and a CatalogueError if a column of `by` is missing or holds no numbers.
    """
    train, test = _galaxies(settings)
    tree, votes = test.require_votes()
    columns = numbers_of(test, by)
    answered = DecisionTree.from_dict(config_of(settings.model.folder)["tree"], where=str(settings.model.folder))
    if not set(tree.columns) <= set(answered.columns):
        raise ModelError(
            f"the model in {settings.model.folder} answers tree '{answered.name}', but the votes in {test.source} are of "
            f"tree '{tree.name}'; give a --model of that tree"
        )
    from zooactive.models import EmbeddingModel, load_model
    from zooactive.prediction import predict

    network = load_model(settings.model.folder)
    seen: Catalogue | Embeddings = test
    if isinstance(network, EmbeddingModel):
        seen = read_given(with_recorded(settings, settings.model.folder)).of_galaxies(test)
        test = test.select(seen.ids)
        tree, votes = test.require_votes()
        columns = numbers_of(test, by)
    with progress("predicting the test galaxies", len(test)) as done:
        everything = predict(network, seen, draws=settings.pool.draws, seed=settings.pool.seed, progress=done)
    posterior = for_questions(everything, tree)
    return WorkspaceMetrics(
        metrics=evaluate_posterior(posterior, votes, seen=train.require_votes().votes, columns=columns),
        posterior=posterior,
        test=test,
        votes=votes,
        learnt_from=len(train),
        clicks=float(train.require_votes().votes.sum()),
        uncalibrated=_uncalibrated(network, everything, test.require_votes()),
        fingerprint=network.fingerprint(),
    )


def write_metrics(found: WorkspaceMetrics, settings: Settings, folder: Path) -> None:
    """Write ``evaluation.csv``, ``.json`` and ``.html`` into a folder, with a record of how they were made."""
    from zooactive.report import evaluation_findings, write_report
    from zooactive.report.verdict import how_good, what_clicks_bought

    metrics, tree, learnt = found.metrics, found.posterior.tree, found.learnt_from
    make_folder(folder)
    target = folder / "evaluation.csv"
    with aside(target) as temporary:
        metrics.questions.to_csv(temporary, index=False)
    write_json(target.with_suffix(".json"), metrics.to_dict())
    numbers = {key: value for key, value in metrics.to_dict().items() if not isinstance(value, list)}
    write_how(target, command="evaluate", options=numbers, inputs={"model": found.fingerprint})
    write_report(
        target.with_suffix(".html"),
        title=f"How good is {settings.model.folder.name}?",
        lead=f"Measured on {metrics.galaxies:,} galaxies of {Path(found.test.source).name} that it was not trained on.",
        verdict=[
            ("How good is the model?", how_good(metrics, tree)),
            ("What have the clicks bought?", what_clicks_bought(metrics, tree, galaxies=learnt, clicks=found.clicks)),
        ],
        facts=[("training galaxies", f"{found.learnt_from:,}"), ("test galaxies", f"{metrics.galaxies:,}")],
        findings=evaluation_findings(metrics, found.posterior, found.votes, uncalibrated=found.uncalibrated),
        how={"evaluate": how_of(target)},
    )


def for_questions(posterior: Posterior, tree: DecisionTree) -> Posterior:
    """Return a posterior for the questions of another tree, whose columns it must all have.

    Raises a ModelError if a column is missing.
    """
    if posterior.tree.columns == tree.columns:
        return posterior
    missing = [column for column in tree.columns if column not in posterior.tree.columns]
    if missing:
        raise ModelError(f"tree '{posterior.tree.name}' has no column '{missing[0]}' of tree '{tree.name}'")
    places = [posterior.tree.columns.index(column) for column in tree.columns]
    return Posterior(posterior.concentrations[..., places], posterior.ids, tree, weights=posterior.weights)


def numbers_of(catalogue: Catalogue, by: Sequence[str] | None = None) -> dict[str, ArrayLike]:
    """Return columns of numbers, those named or those of `USUAL`, as float64 (galaxy,) with NaN where blank.

    Raises a CatalogueError if a named column is missing or holds no numbers.
    """
    import pandas as pd

    names = [str(name) for name in catalogue.table.columns]
    found: dict[str, ArrayLike] = {}
    for name in by if by is not None else [name for name in names if name.lower() in USUAL]:
        if name not in names:
            raise CatalogueError(f"{catalogue.source} has no column '{name}'.{did_you_mean(name, names)}")
        values = pd.to_numeric(catalogue.table[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        if by is not None and not np.isfinite(values).any():
            raise CatalogueError(f"{catalogue.source}: column '{name}' holds no numbers; name another with --by")
        found[name] = values
    return found


def _uncalibrated(network: AnyModel, everything: Posterior, test: Voted) -> pd.DataFrame | None:
    if network.factors is None or test.tree.votes == "class":
        return None
    return coverage(for_questions(scale_concentrations(everything, 1 / network.factors), test.tree), test.votes)


def _galaxies(settings: Settings) -> tuple[Catalogue, Catalogue]:
    """Return the labelled galaxies that the model was trained on, and those that it never saw.

    For a task, its own labels say which these are. Other models were trained on the training part of the survey.
    """
    train, validation, test = settings.split_survey()
    learnt = learnt_from(settings.model.folder)
    if learnt & {*train.ids, *validation.ids, *test.ids}:
        calibrated = read_about(model_folder(settings.model.folder)).get("factors") is not None
        everything = join_catalogues(train, test) if calibrated else join_catalogues(train, validation, test)
        known = np.isin(everything.ids, list(learnt))
        train, test = everything.take(known), everything.take(~known)
        if train.labelled.any() and not test.labelled.any():
            raise WorkspaceError(
                f"the model in {settings.model.folder} was trained on all labelled galaxies of {train.source}; give a "
                "--catalogue of other galaxies, or look at held_out.csv in the model's folder"
            )
    for part, purpose in ((train, "training"), (test, "test")):
        if not part.labelled.any():
            raise WorkspaceError(
                f"{part.source} has no labelled galaxy in its {purpose} part ({len(part)} galaxies, split "
                f"{', '.join(f'{share:g}' for share in settings.survey.split)}); add more votes, or change the split"
            )
    return train.take(train.labelled), test.take(test.labelled)
