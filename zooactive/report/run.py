"""What a workspace holds so far, gathered into one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.selection_files import read_selection
from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.errors import CatalogueError, WorkspaceError
from zooactive.images import Preprocessing, decode_many
from zooactive.posterior import Posterior
from zooactive.report.findings import (
    acquired_gallery,
    fractions_finding,
    galaxy_finding,
    questions_finding,
    task_finding,
    training_finding,
)
from zooactive.report.page import Finding, write_report
from zooactive.workspace import Workspace

_PICTURE = Preprocessing(size=128)


def report_workspace(place: Workspace, out: str | Path) -> Path:
    """Write one page about what a workspace holds so far: whatever has been trained, predicted, acquired and fine-tuned.

    Raises
    ------
    WorkspaceError
        When the workspace holds nothing yet.
    """
    facts: list[tuple[str, str]] = []
    findings: list[Finding] = []
    how: dict[str, Any] = {}
    for gather in (_selection, _test_galaxies, _training, _tasks):
        gather(place, facts, findings, how)
    if not findings:
        raise WorkspaceError(f"{place.folder} holds nothing to report yet; run `zooactive train` first")
    title = f"Galaxies worth the next hour: {place.folder.name}"
    lead = (
        "What the model learnt from volunteers' votes, which galaxies it asks them to look at next, and how far it can be "
        "trusted."
    )
    return write_report(Path(out), title=title, lead=lead, facts=facts, findings=findings, how=how)


def _selection(place: Workspace, facts: list[tuple[str, str]], findings: list[Finding], how: dict[str, Any]) -> None:
    """The acquired galaxies, and one of them in full."""
    from zooactive.prediction.stored import open_predictions

    if not place.acquire.out.exists():
        return
    selection = read_selection(place.acquire.out)
    stored = open_predictions(place.pool.predictions)
    strangers = set(selection["id"]) - set(stored.known(selection["id"]))
    if strangers:
        raise WorkspaceError(
            f"{place.acquire.out} has {len(strangers)} galaxies that {place.pool.predictions} has not, such as "
            f"'{min(strangers)}'; run `zooactive acquire` again"
        )
    pixels = _pixels(place.read_pool().select(selection["id"]))
    facts += [
        ("galaxies in the pool", f"{len(stored):,}"),
        ("galaxies chosen", f"{len(selection)}, {int((selection['arm'] == 'random').sum())} of them at random"),
    ]
    how["acquire"] = _how(place.acquire.out.with_name(place.acquire.out.name + ".how.json"))
    how["predict"] = _how(place.pool.predictions / "how.json")
    findings.append(acquired_gallery(selection, pixels))
    first = str(selection["id"].iloc[0])
    findings.append(galaxy_finding(next(stored.posteriors({first})), first, pixels))


def _test_galaxies(place: Workspace, facts: list[tuple[str, str]], findings: list[Finding], how: dict[str, Any]) -> None:
    """What the model says of galaxies that it never saw, against the volunteers."""
    from zooactive.evaluation import evaluate
    from zooactive.models import load_model
    from zooactive.prediction import predict

    if not (place.model.folder / "model").is_dir() or place.survey.catalogue is None:
        return
    network = load_model(place.model.folder)
    learning, _, test = (part.take(part.labelled) for part in place.split_survey())
    if len(test) == 0 or len(learning) == 0 or test.votes is None or learning.votes is None or test.tree is None:
        return
    if network.tree.columns != test.tree.columns:
        raise WorkspaceError(
            f"the model in {place.model.folder} answers tree '{network.tree.name}', the votes in {test.source} are of "
            f"'{test.tree.name}'; give --model of that tree"
        )
    posterior: Posterior = predict(network, test, draws=place.pool.draws, seed=place.pool.seed)
    merits = evaluate(posterior, test.votes, seen=learning.votes)
    facts += [
        ("galaxies learnt from", f"{len(learning):,}"),
        (
            "test galaxies",
            f"{merits.galaxies:,}: {merits.likelihood:.2f} nats a galaxy, {merits.constant_likelihood:.2f} without images",
        ),
    ]
    findings += [fractions_finding(posterior, test.votes), questions_finding(merits.questions)]


def _training(place: Workspace, facts: list[tuple[str, str]], findings: list[Finding], how: dict[str, Any]) -> None:
    import pandas as pd

    path = place.model.folder / "history.csv"
    if path.exists():
        findings.append(training_finding(pd.read_csv(path)))
        how["train"] = _how(place.model.folder / "how.json")


def _tasks(place: Workspace, facts: list[tuple[str, str]], findings: list[Finding], how: dict[str, Any]) -> None:
    from zooactive.finetuning import load_finetuned

    for file in sorted((place.folder / "tasks").glob("*/finetuned.json")):
        tuned = load_finetuned(file.parent)
        made = _how(file.parent / "how.json")
        table = tuned.held_out[["id", tuned.answer]].assign(truth=tuned.truth())
        pixels = _task_pixels(made.get("options", {}), list(table["id"]))
        findings.append(task_finding(tuned.task.name, tuned.evaluate(), table, pixels, answer=tuned.answer))
        how[f"finetune {tuned.task.name}"] = made


def _task_pixels(options: dict[str, Any], ids: list[str]) -> dict[str, NDArray[np.uint8]]:
    """Pictures of a task's galaxies from the table they were learnt from; none when that has gone or changed since."""
    try:
        return _pixels(read_catalogue(options["labels"], images=options.get("images")).select(ids))
    except (KeyError, CatalogueError):
        return {}


def _pixels(catalogue: Catalogue) -> dict[str, NDArray[np.uint8]]:
    """Pictures for the page, by id; a galaxy whose image cannot be read has none."""
    pixels, failures = decode_many(catalogue.images, _PICTURE, names=list(catalogue.ids))
    return {str(galaxy_id): pixels[i] for i, galaxy_id in enumerate(catalogue.ids) if i not in failures}


def _how(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values
