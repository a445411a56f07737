"""Gather what a workspace holds so far into one page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.acquisition.selection_files import read_selection
from zooactive.catalogue.bands import colours_told
from zooactive.foundation.errors import PosteriorError, WorkspaceError
from zooactive.foundation.remote_folders import fetch
from zooactive.foundation.vocabulary import MapKind
from zooactive.foundation.writing import how_of, make_folder
from zooactive.models.saved_form import stored_fingerprint, stored_origin
from zooactive.report import (
    Finding,
    acquired_gallery,
    evaluation_findings,
    failures_finding,
    galaxy_finding,
    map_finding,
    number_finding,
    project,
    task_finding,
    training_finding,
    tree_finding,
    write_report,
)
from zooactive.report import verdict as verdicts
from zooactive.workspace.finetuned import labels_record, task_folder
from zooactive.workspace.labels_alone import of_task, with_pool_of_labels
from zooactive.workspace.next_step import next_step
from zooactive.workspace.options import Options, as_path, options_of
from zooactive.workspace.origin import credit_of, seen_by
from zooactive.workspace.report_galaxies import (
    Shown,
    expected_numbers,
    expected_of,
    look_at,
    pictures_of,
    task_pictures,
)
from zooactive.workspace.sections import Survey
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.prediction import Predictions
    from zooactive.tree import DecisionTree

SHOWN = 48
"""Galaxies on the page at most."""

_ON_MAP, _FEWEST_ON_MAP = 4000, 10

_GOOD, _CHOSEN, _BOUGHT, _NEXT = (
    "How good is the model?",
    "What are the chosen galaxies about?",
    "What have the clicks bought?",
    "What next?",
)

OPTIONS: Options = options_of("survey", Survey) | {"model": "model.folder"}


@dataclass
class _Page:
    """A page in the making."""

    settings: Settings
    map: MapKind
    task: str | None = None
    """The folder's name of the task that the page is about; without one it is about all that the workspace holds."""

    named: bool = False
    """Whether the predictions were named, and must be there."""

    facts: list[tuple[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    how: dict[str, Any] = field(default_factory=dict)
    good: list[str] = field(default_factory=list)
    chosen: str = ""
    bought: str = ""
    numbers: bool = False
    """Whether the galaxies of the pool were predicted a number, and not answers."""

    guessing: bool = False
    """Whether no question is answered better than by guessing."""

    @property
    def labels(self) -> bool:
        """Whether the page is about labels, and not about volunteers' votes."""
        return self.task is not None or self.settings.default_task is not None

    @property
    def verdict(self) -> list[tuple[str, str]]:
        """The questions that can be answered, with their answers."""
        bought = "What have the labels bought?" if self.labels else _BOUGHT
        then = next_step(self.settings, self.task, labels=self.labels, numbers=self.numbers, guessing=self.guessing)
        known = ((_GOOD, " ".join(self.good)), (_CHOSEN, self.chosen), (bought, self.bought), (_NEXT, then))
        return [(question, answer) for question, answer in known if answer]


def report(
    settings: Settings,
    *,
    task: str | None = None,
    predictions: str | Path | None = None,
    selection: str | Path | None = None,
    out: str | Path | None = None,
    map: MapKind = "pca",
) -> Path:
    """Write one page about what a workspace holds so far: whatever has been trained, predicted, acquired and fine-tuned.

    With a `task`, the page is about this fine-tuned task, its predictions of the pool, and its selection. `predictions` and
    `selection` replace those of the workspace or of the task. By default the page is ``report.html`` in the workspace's
    folder, or ``report-TASK.html``. `map` is "pca" or "umap", for the map of the embeddings. A workspace that holds nothing
    yet is a WorkspaceError.
    """
    page, name = _Page(settings, map, named=predictions is not None), "report.html"
    gathered: tuple[Callable[[_Page], None], ...] = (_pool, _test_galaxies, _rounds, _training, _tasks, _failures)
    if task is not None and task != settings.default_task:
        folder = task_folder(settings, task)
        page.task, name, gathered = folder.name, f"report-{folder.name}.html", (_pool, _tasks, _failures)
        page.settings = with_pool_of_labels(of_task(settings, task), settings.tasks.get(task) or labels_record(folder))
    if selection is not None and not Path(selection).exists():
        raise WorkspaceError(f"there is no selection {selection}; choose one with `zooactive acquire`")
    page.settings = page.settings.with_options(
        pool={"predictions": as_path(predictions)}, acquire={"out": as_path(selection)}
    )
    target = settings.folder / name if out is None else Path(out)
    make_folder(target.parent)
    for gather in gathered:
        gather(page)
    if not page.findings:
        first = "finetune" if settings.default_task else "train"
        raise WorkspaceError(f"{settings.folder} holds nothing to report yet; run `zooactive {first}` first")
    credit, licence = credit_of(settings)
    if credit:
        page.facts.append(("images", f"{credit} ({licence})" if licence else credit))
    return write_report(
        target,
        title=f"Report on {settings.folder.resolve().name}" + (f", task {page.task}" if page.task else ""),
        lead="",
        verdict=page.verdict,
        facts=page.facts,
        findings=page.findings,
        how=page.how,
    )


# The pool ------------------------------------------------------------------------------------------------------------


def _pool(page: _Page) -> None:
    """Show the galaxies that were chosen, or else those that could be, and the best of them in full."""
    from zooactive.prediction import open_predictions
    from zooactive.prediction.numbers import holds_numbers

    settings = page.settings
    folder, out = settings.pool.predictions, settings.acquire.out
    selection = read_selection(out) if out.exists() else None
    if selection is not None:
        page.facts.append(("galaxies chosen", f"{len(selection)}, {(selection['arm'] == 'random').sum()} at random"))
        page.how["acquire"] = how_of(out)
    if holds_numbers(folder):
        _numbers(page, selection)
        return
    try:
        stored = open_predictions(folder)
    except PosteriorError:
        if selection is not None or page.named:
            raise
        return  # none yet, or not whole
    page.facts.insert(0, ("galaxies in the pool", f"{len(stored):,}"))
    page.how["predict"] = how_of(folder)
    if not len(stored):
        return
    labels = page.labels or stored.tree.votes == "class"
    if selection is not None:
        page.chosen = verdicts.what_was_chosen(selection, stored.tree, labels=labels)
    _galaxies(page, stored, selection, labels=labels)


def _galaxies(page: _Page, stored: Predictions, selection: pd.DataFrame | None, *, labels: bool) -> None:
    table = _not_chosen_yet(stored) if selection is None else selection
    ids = table["id"].astype(str).tolist()
    if strangers := set(ids) - set(stored.known(ids)):
        raise WorkspaceError(
            f"{page.settings.acquire.out} has {len(strangers)} galaxies that {page.settings.pool.predictions} has not, such "
            f"as '{min(strangers)}'; run `zooactive acquire` again"
        )
    ordered = table.sort_values(["score", "rank"], ascending=[False, True], kind="stable")
    shown = [*ordered["id"].astype(str).head(SHOWN), *ordered.loc[ordered["arm"] == "random", "id"].astype(str).head(SHOWN)]
    shown = list(dict.fromkeys(shown))
    seen = look_at(page.settings, shown)
    if seen.bands is not None and seen.pixels:
        page.facts.append(("colours", colours_told(seen.bands)))
    gallery = acquired_gallery(
        table,
        seen.pixels,
        tree=stored.tree,
        expected=expected_of(stored, shown),
        places=seen.places,
        labels=labels,
        limit=SHOWN,
    )
    page.findings.append(gallery if selection is not None else _as_not_chosen(gallery, len(table)))
    _map(page, stored, selection, seen)
    if not stored.has_embeddings or _one_label(stored.tree):
        return
    posterior = next(stored.posteriors({shown[0]}))
    page.findings.append(galaxy_finding(posterior, shown[0], seen.pixels, labels=labels))
    if len(stored.tree.questions) > 1:
        page.findings.append(tree_finding(posterior, shown[0], labels=labels))


def _one_label(tree: DecisionTree) -> bool:
    """Whether a galaxy has one label alone, so that its line in the gallery says all."""
    return tree.votes == "class" and len(tree.questions) == 1


def _not_chosen_yet(stored: Predictions) -> pd.DataFrame:
    """Return the galaxies that the stored screening score prefers, in the form of a selection."""
    table = stored.most_told(SHOWN)
    ranks = range(1, len(table) + 1)
    return table.assign(rank=ranks, arm="acquired", inclusion_probability=float("nan"))


def _as_not_chosen(gallery: Finding, shown: int) -> Finding:
    """Return a gallery that says that nothing has been chosen yet, with what it says about what stands below a picture."""
    _, _, below = gallery.text.partition("\n\n")
    return replace(
        gallery,
        title="Galaxies that the model could learn most from",
        text=f"Nothing has been chosen yet. These are the {shown} galaxies of the pool with the highest screening score: "
        "what one vote on them should teach the model. Some of them may have votes already. `zooactive acquire` leaves "
        f"those out, looks more closely, and draws some galaxies at random as well.\n\n{below}",
        galleries=tuple(replace(part, heading="") for part in gallery.galleries),
    )


def _map(page: _Page, stored: Predictions, selection: pd.DataFrame | None, seen: Shown) -> None:
    """Draw the embeddings of the pool, or of a part of it, where there are any."""
    if not stored.has_embeddings or len(stored) < _FEWEST_ON_MAP:
        return
    chosen = [] if selection is None else selection["id"].astype(str).tolist()
    ids, embeddings = stored.embeddings_spread(_ON_MAP, with_ids=chosen)
    points, told = project(embeddings, page.map)
    page.findings.append(
        map_finding(points, ids, seen.pixels, axes_told=told, pool=len(stored), selection=selection, tree=stored.tree)
    )


def _numbers(page: _Page, selection: pd.DataFrame | None) -> None:
    """Show galaxies that were chosen for a number such as a mass, with what the model expects of it."""
    from zooactive.prediction.numbers import open_numbers

    if selection is None:
        return
    page.numbers = True
    stored = open_numbers(page.settings.pool.predictions)
    page.chosen = verdicts.what_was_chosen(selection, None, labels=True)
    ids = selection.sort_values("score", ascending=False)["id"].astype(str).tolist()
    seen = look_at(page.settings, ids[:SHOWN])
    expected = expected_numbers(stored, ids)
    gallery = acquired_gallery(selection, seen.pixels, expected=expected, places=seen.places, labels=True, limit=SHOWN)
    page.findings.append(gallery)


# The model -----------------------------------------------------------------------------------------------------------


def _test_galaxies(page: _Page) -> None:
    """Compare what the model says of galaxies that it never saw with the volunteers."""
    from zooactive.workspace.evaluate import measure

    settings = page.settings
    saved = stored_fingerprint(settings.model.folder) is not None
    if saved and settings.default_task is None:  # of labels alone the model is the task's, which says it
        page.facts += _started_from(settings.model.folder, "the model")
    if not saved or settings.survey.catalogue is None or not settings.has_tree:
        return
    train_part, _, test = (part.labelled.any() for part in settings.split_survey())
    if not (train_part and test):
        return
    found = measure(settings)
    metrics, tree = found.metrics, found.posterior.tree
    page.facts += [("training galaxies", f"{found.learnt_from:,}"), ("test galaxies", f"{metrics.galaxies:,}")]
    page.good.append(verdicts.how_good(metrics, tree))
    page.bought = verdicts.what_clicks_bought(metrics, tree, galaxies=found.learnt_from, clicks=found.clicks)
    judged = verdicts.judge(metrics.questions)
    page.guessing = not (judged.clearly or judged.better)
    page.findings += evaluation_findings(metrics, found.posterior, found.votes, uncalibrated=found.uncalibrated)
    if _one_label(tree):
        return
    most = int(found.votes.sum(1).argmax())  # the galaxy that was asked most questions
    galaxy, votes = str(found.test.ids[most]), found.votes[most]
    pixels = pictures_of(settings, found.test.select([galaxy]), seen_by(settings))
    labels = tree.votes == "class"
    whole = galaxy_finding(found.posterior, galaxy, pixels, votes, labels=labels)
    page.findings.append(replace(whole, title=f"A test galaxy: {galaxy}"))
    if len(tree.questions) > 1:
        page.findings.append(tree_finding(found.posterior, galaxy, votes, labels=labels))


def _rounds(page: _Page) -> None:
    """Say what the clicks of the rounds bought, where rounds were played."""
    from zooactive.loop.round_files import history_of

    history = history_of(page.settings.loop.folder)
    if not history.empty:
        page.bought = " ".join(part for part in (verdicts.what_rounds_bought(history), page.bought) if part)


def _training(page: _Page) -> None:
    import pandas as pd

    path = page.settings.model.folder / "history.csv"
    if path.exists():
        page.findings.append(training_finding(pd.read_csv(path)))
        page.how["train"] = how_of(page.settings.model.folder)


def _tasks(page: _Page) -> None:
    for file in sorted((page.settings.folder / "tasks").glob(f"{page.task or '*'}/finetuned.json")):
        from zooactive.training.finetuning.finetuned_model import load_finetuned
        from zooactive.training.finetuning.finetuned_numbers import is_number_task, load_numbers

        if is_number_task(file.parent):
            numbers = load_numbers(file.parent)
            measured = numbers.evaluate()
            table = numbers.held_out
            seen = getattr(numbers.model.network, "preprocessing", None)  # a model of embeddings has none
            pixels = {} if seen is None else task_pictures(file.parent, list(table["id"]), seen)
            page.findings.append(number_finding(numbers.task.name, measured, table, pixels, redshift=numbers.task.redshift))
            page.good.append(verdicts.how_good_task(f"Task {numbers.task.name}", measured))
            page.how[f"finetune {numbers.task.name}"] = how_of(file.parent)
            continue
        tuned = load_finetuned(file.parent)
        page.facts += _started_from(file.parent, tuned.task.name)
        table = tuned.held_out[["id", tuned.answer]].assign(truth=tuned.truth())
        pixels = task_pictures(file.parent, list(table["id"]), tuned.model.preprocessing)
        measured = tuned.evaluate()
        page.findings.append(task_finding(tuned.task.name, measured, table, pixels, answer=tuned.answer))
        page.good.append(verdicts.how_good_task(f"Task {tuned.task.name}", measured))
        made = page.how[f"finetune {tuned.task.name}"] = how_of(file.parent)
        if page.labels:
            page.bought = verdicts.what_labels_bought(int((made.get("counts") or {}).get("galaxies", 0)), measured)


def _started_from(folder: Path, what: str) -> list[tuple[str, str]]:
    """Return whose weights a model started from, with their licence, if this is known."""
    origin = stored_origin(folder)
    return [] if origin is None else [(f"{what} started from", str(origin))]


def _failures(page: _Page) -> None:
    """List the images that could not be read, where there are any."""
    import pandas as pd

    tables = [folder / "failures.parquet" for folder in (page.settings.pool.predictions, page.settings.survey.shards)]
    for table in tables:
        fetch(table)
    found = [pd.read_parquet(table) for table in tables if table.exists()]
    rows = [table for table in found if len(table)]
    if rows:
        page.findings.append(failures_finding(pd.concat(rows).drop_duplicates("id")))
        page.facts.append(("images that cannot be read", f"{len(pd.concat(rows).drop_duplicates('id')):,}"))
