"""Gather what a workspace holds so far into one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.selection_files import read_selection
from zooactive.catalogue import Catalogue, Preprocessing
from zooactive.catalogue.bands import colours_told, in_colour
from zooactive.catalogue.many_images import decode_many
from zooactive.foundation.errors import CatalogueError, WorkspaceError
from zooactive.foundation.remote_folders import fetch
from zooactive.foundation.writing import how_of, make_folder
from zooactive.models.saved_form import stored_fingerprint, stored_origin
from zooactive.report import (
    Finding,
    acquired_gallery,
    evaluation_findings,
    failures_finding,
    galaxy_finding,
    number_finding,
    task_finding,
    training_finding,
    tree_finding,
    write_report,
)
from zooactive.report.sky_links import place_of
from zooactive.workspace.finetuned import labels_of
from zooactive.workspace.options import Options, options_of
from zooactive.workspace.origin import credit_of, read_pictured, seen_by
from zooactive.workspace.sections import Survey
from zooactive.workspace.settings import Settings

_SIDE = 128  # pixels of a picture on the page


OPTIONS: Options = options_of("survey", Survey) | {
    "model": "model.folder",
    "predictions": "pool.predictions",
    "selection": "acquire.out",
}


def report(settings: Settings, *, out: str | Path | None = None) -> Path:
    """Write one page about what a workspace holds so far: whatever was trained, predicted, acquired and fine-tuned.

    By default the page is ``report.html`` in the workspace's folder. Raises a WorkspaceError if the workspace holds nothing
    yet.
    """
    target = settings.folder / "report.html" if out is None else Path(out)
    make_folder(target.parent)
    facts: list[tuple[str, str]] = []
    findings: list[Finding] = []
    how: dict[str, Any] = {}
    for gather in (_selection, _test_galaxies, _training, _tasks, _failures):
        gather(settings, facts, findings, how)
    if not findings:
        first = "finetune" if settings.default_task else "train"
        raise WorkspaceError(f"{settings.folder} holds nothing to report yet; run `zooactive {first}` first")
    credit, licence = credit_of(settings)
    if credit:
        facts.append(("images", f"{credit} ({licence})" if licence else credit))
    title = f"Galaxies worth the next hour: {settings.folder.name}"
    learnt = "labels" if settings.default_task else "volunteers' votes"
    lead = (
        f"What the model learnt from {learnt}, which galaxies it asks people to look at next, and how far it can be trusted."
    )
    return write_report(target, title=title, lead=lead, facts=facts, findings=findings, how=how)


def _selection(settings: Settings, facts: list[tuple[str, str]], findings: list[Finding], how: dict[str, Any]) -> None:
    """Show the acquired galaxies, and one of them in full."""
    from zooactive.prediction import open_predictions
    from zooactive.prediction.numbers import holds_numbers

    if not settings.acquire.out.exists():
        return
    selection = read_selection(settings.acquire.out)
    if holds_numbers(settings.pool.predictions):  # numbers have no posterior of a question to draw
        facts.append(("galaxies chosen", f"{len(selection)}, {int((selection['arm'] == 'random').sum())} of them at random"))
        how["acquire"] = how_of(settings.acquire.out)
        return
    stored = open_predictions(settings.pool.predictions)
    strangers = set(selection["id"]) - set(stored.known(selection["id"]))
    if strangers:
        raise WorkspaceError(
            f"{settings.acquire.out} has {len(strangers)} galaxies that {settings.pool.predictions} has not, such as "
            f"'{min(strangers)}'; run `zooactive acquire` again"
        )
    pictured = read_pictured(settings, selection["id"])
    seen = seen_by(settings)
    pixels = {} if pictured is None else _pixels(pictured, seen)
    if pixels and seen.listed is not None:
        facts.append(("colours", colours_told(seen.listed)))
    facts += [
        ("galaxies in the pool", f"{len(stored):,}"),
        ("galaxies chosen", f"{len(selection)}, {int((selection['arm'] == 'random').sum())} of them at random"),
    ]
    how["acquire"] = how_of(settings.acquire.out)
    how["predict"] = how_of(settings.pool.predictions)
    findings.append(acquired_gallery(selection, pixels, links={} if pictured is None else _links(pictured)))
    first = str(selection["id"].iloc[0])
    posterior = next(stored.posteriors({first}))
    findings += [galaxy_finding(posterior, first, pixels), tree_finding(posterior, first)]


def _test_galaxies(settings: Settings, facts: list[tuple[str, str]], findings: list[Finding], how: dict[str, Any]) -> None:
    """Compare the model with the volunteers on galaxies that it never saw."""
    from zooactive.workspace.evaluate import measure

    saved = stored_fingerprint(settings.model.folder) is not None
    if saved and settings.default_task is None:  # in a workspace of labels alone, the task says it
        facts += _started_from(settings.model.folder, "the model")
    if not saved or settings.survey.catalogue is None or not settings.has_tree:
        return
    train_part, _, test = (part.labelled.any() for part in settings.split_survey())
    if not (train_part and test):
        return
    found = measure(settings)
    metrics = found.metrics
    facts += [
        ("galaxies in the training part", f"{found.learnt_from:,}"),
        (
            "test galaxies",
            f"{metrics.galaxies:,}: {metrics.likelihood:.2f} nats a galaxy, "
            f"{metrics.constant_likelihood:.2f} without images",
        ),
    ]
    findings += evaluation_findings(metrics, found.posterior, found.votes, uncalibrated=found.uncalibrated)
    most = int(found.votes.sum(1).argmax())  # the galaxy that was asked most questions
    galaxy, votes = str(found.test.ids[most]), found.votes[most]
    findings.append(galaxy_finding(found.posterior, galaxy, _pixels(found.test.select([galaxy]), seen_by(settings)), votes))
    findings.append(tree_finding(found.posterior, galaxy, votes))


def _training(settings: Settings, facts: list[tuple[str, str]], findings: list[Finding], how: dict[str, Any]) -> None:
    import pandas as pd

    path = settings.model.folder / "history.csv"
    if path.exists():
        findings.append(training_finding(pd.read_csv(path)))
        how["train"] = how_of(settings.model.folder)


def _tasks(settings: Settings, facts: list[tuple[str, str]], findings: list[Finding], how: dict[str, Any]) -> None:
    for file in sorted((settings.folder / "tasks").glob("*/finetuned.json")):
        from zooactive.training.finetuning.finetuned_model import load_finetuned
        from zooactive.training.finetuning.finetuned_numbers import is_number_task, load_numbers

        if is_number_task(file.parent):
            numbers = load_numbers(file.parent)
            findings.append(number_finding(numbers.task.name, numbers.evaluate()))
            how[f"finetune {numbers.task.name}"] = how_of(file.parent)
            continue
        tuned = load_finetuned(file.parent)
        facts += _started_from(file.parent, tuned.task.name)
        made = how_of(file.parent)
        table = tuned.held_out[["id", tuned.answer]].assign(truth=tuned.truth())
        pixels = _task_pixels(file.parent, list(table["id"]), tuned.model.preprocessing)
        findings.append(task_finding(tuned.task.name, tuned.evaluate(), table, pixels, answer=tuned.answer))
        how[f"finetune {tuned.task.name}"] = made


def _started_from(folder: Path, what: str) -> list[tuple[str, str]]:
    """Return whose weights a model started from, with their licence, if this is known."""
    origin = stored_origin(folder)
    return [] if origin is None else [(f"{what} started from", str(origin))]


def _failures(settings: Settings, facts: list[tuple[str, str]], findings: list[Finding], how: dict[str, Any]) -> None:
    """List the images that could not be read, if there are any."""
    import pandas as pd

    tables = [folder / "failures.parquet" for folder in (settings.pool.predictions, settings.survey.shards)]
    for table in tables:
        fetch(table)
    found = [pd.read_parquet(table) for table in tables if table.exists()]
    rows = [table for table in found if len(table)]
    if rows:
        findings.append(failures_finding(pd.concat(rows).drop_duplicates("id")))
        facts.append(("images that cannot be read", f"{len(pd.concat(rows).drop_duplicates('id')):,}"))


def _task_pixels(folder: Path, ids: list[str], seen: Preprocessing) -> dict[str, NDArray[np.uint8]]:
    """Return pictures of a task's galaxies from its table of labels; none if the table has changed since."""
    try:
        return _pixels(labels_of(folder).select(ids), seen)
    except (WorkspaceError, CatalogueError):
        return {}


def _links(catalogue: Catalogue) -> dict[str, dict[str, str]]:
    """Return where each galaxy whose coordinates are known can be looked up."""
    places = {str(galaxy): place_of(catalogue.table.iloc[row]) for row, galaxy in enumerate(catalogue.ids)}
    return {galaxy: place.links for galaxy, place in places.items() if place is not None}


def _pixels(catalogue: Catalogue, seen: Preprocessing) -> dict[str, NDArray[np.uint8]]:
    """Return pictures for the page, by id; a galaxy whose image cannot be read has none."""
    how = (catalogue.prepared or seen).for_people(_SIDE)
    pixels, failures = decode_many(catalogue.images, how, names=list(catalogue.ids))
    pixels = in_colour(pixels, how.listed)
    return {str(galaxy_id): pixels[i] for i, galaxy_id in enumerate(catalogue.ids) if i not in failures}
