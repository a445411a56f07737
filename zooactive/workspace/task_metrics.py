"""What `zooactive evaluate` does for every task: which labels judge it, and the files with its measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.provenance import Making
from zooactive.foundation.writing import aside, how_of, make_folder, write_how, write_json
from zooactive.workspace.file import own_settings
from zooactive.workspace.sources import evaluated, model_from

if TYPE_CHECKING:
    from zooactive.report import Finding
    from zooactive.training.finetuning.number_tasks import NumberTask
    from zooactive.training.finetuning.tasks import Task
    from zooactive.workspace.settings import Settings


@dataclass(frozen=True, eq=False)
class TaskMetrics:
    """The metrics of a fine-tuned task.

    Parameters
    ----------
    task : Task or NumberTask
    metrics : mapping of str to float
    source : Path
        The table with the labels.
    folds : int
        Number of folds of the cross-validation; 0 if the galaxies were held out once, or come from another table.
    file : Path, optional
        The table of metrics, once it is written; the other files are next to it.
    """

    task: Task | NumberTask
    metrics: Mapping[str, float]
    source: Path
    folds: int = 0
    file: Path | None = None


@dataclass(frozen=True)
class Judges:
    """The labels that judge a task: those that were held out from it, or those of another table.

    Parameters
    ----------
    source : Path
        The table with the labels.
    folds : int
        Number of folds of the cross-validation; 0 if the galaxies were held out once, or come from another table.
    others : bool
        Whether it is another table than the one that was learnt from.
    column : str or None
        The column of the other table's labels, if it has another name than that of the table learnt from.
    making : Making
        The record of how the measures are made.
    """

    source: Path
    folds: int
    others: bool
    column: str | None
    making: Making

    @classmethod
    def of(cls, settings: Settings, column: str | None) -> Judges:
        """Return the judges of the model of some settings: those of the table that is named as the catalogue, if one is."""
        folder, given = settings.model.folder, settings.survey.catalogue
        named = {"model": model_from(folder), "catalogue": given, "images": settings.survey.images}
        making = Making("evaluate", named | {"embeddings": settings.pool.embeddings}, unmarked=("images",))
        if given is not None and given != own_settings(settings.folder).survey.catalogue:
            return cls(given, 0, True, column, making)
        if column is not None:
            raise WorkspaceError(f"'{column}' is to be a column of other labels; name their table with --catalogue")
        options = how_of(folder).get("options") or {}
        folds = int((options.get("config") or {}).get("folds") or 0)
        return cls(Path(str(options.get("labels"))), folds, False, None, making)

    def refuse_none(self, galaxies: int, model: Path) -> None:
        """Raise a WorkspaceError if there are no galaxies to judge by."""
        if not galaxies and self.others:
            raise WorkspaceError(
                f"the model in {model} was trained on all galaxies with a label in {self.source}; leave out --catalogue to "
                "measure on the held-out galaxies"
            )
        if not galaxies:
            raise WorkspaceError(
                f"no galaxy of {self.source} was held out from {model}; give a --catalogue of other galaxies"
            )


def at_task(settings: Settings) -> Settings:
    """Return settings whose model is the folder of a task, where only the ``model`` folder inside it was named."""
    folder = settings.model.folder
    inside = folder.name == "model" and (folder.parent / "finetuned.json").is_file()
    return settings.with_options(model={"folder": folder.parent}) if inside else settings


def write_measures(
    folder: Path,
    metrics: Mapping[str, float],
    finding: Finding,
    judges: Judges,
    *,
    model: tuple[Path, str],
    about: tuple[str, str],
) -> Path:
    """Write ``evaluation.csv``, ``.json`` and ``.html`` into a folder, with a record of how they were made.

    `model` has the folder and the fingerprint, and `about` says what was learnt, such as ("column", "mass"). Metrics are
    followed by their 95% intervals, ``_low`` and ``_high``. The table's path is returned.
    """
    import pandas as pd

    from zooactive.report import write_report

    make_folder(folder)
    target, (place, fingerprint), galaxies = folder / "evaluation.csv", model, int(metrics["galaxies"])
    names = [name for name in metrics if not name.endswith(("_low", "_high"))]
    ends = {end: [metrics.get(f"{name}_{end}") for name in names] for end in ("low", "high")}
    with aside(target) as temporary:
        pd.DataFrame({"measure": names, "value": [metrics[name] for name in names], **ends}).to_csv(temporary, index=False)
    write_json(target.with_suffix(".json"), {about[0]: about[1], **metrics})
    options = {"labels": str(judges.source), "folds": judges.folds}
    write_how(target, command="evaluate", options=options, inputs={"model": fingerprint})
    write_report(
        target.with_suffix(".html"),
        title=f"How good is {place.name}?",
        lead=f"Measured on {galaxies:,} galaxies of {judges.source.name} that it was not trained on.",
        facts=[("galaxies", f"{galaxies:,}"), about],
        findings=[finding],
        how={"evaluate": how_of(target)},
    )
    evaluated(judges.making, folder, galaxies)
    return target
