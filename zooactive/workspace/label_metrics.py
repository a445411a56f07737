"""How good a fine-tuned task is: on the galaxies that were held out, or on those of another table of labels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.foundation.errors import WorkspaceError, ZooactiveError
from zooactive.foundation.telling import Bar, Tell, no_bar, silent
from zooactive.training.finetuning.checks import readable
from zooactive.training.finetuning.finetuned_model import FinetunedModel, load_finetuned, saved_task
from zooactive.training.finetuning.tasks import Task
from zooactive.training.weights import votes_of
from zooactive.workspace.embeddings import read_given, with_recorded
from zooactive.workspace.finetuned import learnt_from
from zooactive.workspace.report_galaxies import decoded, task_pictures
from zooactive.workspace.task_metrics import Judges, TaskMetrics, write_measures

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from zooactive.catalogue import Catalogue
    from zooactive.prediction import Embeddings
    from zooactive.workspace.settings import Settings


@dataclass(frozen=True, eq=False)
class LabelMetrics(TaskMetrics):
    """The metrics of a fine-tuned task: those of `FinetunedModel.evaluate`.

    `questions` has the accuracy of every question: `FinetunedModel.questions`.
    """

    task: Task
    questions: pd.DataFrame = field(kw_only=True)


def is_about_labels(settings: Settings) -> bool:
    """Whether the model is a task's that the survey's votes cannot judge, as they are of other questions."""
    folder = settings.model.folder
    if not (folder / "finetuned.json").is_file():
        return False
    answered = saved_task(folder).load_tree().columns
    return not (settings.has_tree and set(settings.survey_tree().columns) <= set(answered))


def evaluate_labels(
    settings: Settings,
    *,
    column: str | None = None,
    out: str | Path | None = None,
    progress: Bar = no_bar,
    tell: Tell = silent,
) -> LabelMetrics:
    """Measure a fine-tuned task, and write ``evaluation.csv``, ``.json`` and ``.html`` as `evaluate` does for votes.

    If a table is named as the catalogue, the model is measured on the table's galaxies that it was not trained on, by its
    `column`. Otherwise it is measured on the held-out galaxies of its own labels. Raises a WorkspaceError if no galaxy is
    left.
    """
    from zooactive.report import task_finding

    folder, judges = settings.model.folder, Judges.of(settings, column)
    tuned, others = load_finetuned(folder), None
    if judges.others:
        tuned, others = _on_others(settings, tuned, judges, progress, tell)
    judges.refuse_none(len(tuned.held_out), folder)
    found = LabelMetrics(tuned.task, tuned.evaluate(), judges.source, judges.folds, questions=tuned.questions())
    table = tuned.held_out[["id", tuned.answer]].assign(truth=tuned.truth())
    pixels = _pictures(tuned, folder, others)
    file = write_measures(
        folder if out is None else Path(out),
        found.metrics,
        task_finding(tuned.task.name, found.metrics, table, pixels, answer=tuned.answer),
        judges,
        model=(folder, tuned.model.fingerprint()),
        about=("task", tuned.task.name),
    )
    return replace(found, file=file)


def _on_others(
    settings: Settings, tuned: FinetunedModel, judges: Judges, progress: Bar, tell: Tell
) -> tuple[FinetunedModel, Catalogue]:
    """Return the model with the labels of those galaxies in a table that it was not trained on, and these galaxies."""
    import pandas as pd

    from zooactive.models import EmbeddingModel
    from zooactive.prediction import predict

    survey, folder, model = settings.survey, settings.model.folder, tuned.model
    id_column, image_column = survey.id_column or tuned.task.id_column, survey.image_column or tuned.task.image_column
    column = judges.column or tuned.task.label_column
    task = replace(tuned.task, label_column=column, id_column=id_column, image_column=image_column)
    galaxies = task.read(judges.source, images=survey.images)
    if not galaxies.labelled.any():
        raise WorkspaceError(f"{judges.source}: none of {len(galaxies)} galaxies has a label of task '{task.name}'")
    galaxies = galaxies.take(np.flatnonzero(galaxies.labelled))
    try:
        learnt = learnt_from(folder)
    except ZooactiveError:  # such as a table that is gone
        learnt = set()
        tell(
            "warning: the labels that the model was trained on cannot be read, so galaxies that it knows may be among these"
        )
    galaxies = galaxies.take(np.flatnonzero(~np.isin(galaxies.ids, list(learnt))))
    judges.refuse_none(len(galaxies), folder)
    seen: Catalogue | Embeddings
    if isinstance(model, EmbeddingModel):
        seen = read_given(with_recorded(settings, folder)).of_galaxies(galaxies)
        galaxies = galaxies.select(seen.ids)
    else:
        seen = galaxies = readable(galaxies, model.preprocessing)
    with progress("predicting the labelled galaxies", len(galaxies)) as done:
        means, votes = predict(model, seen, progress=done).mean(), votes_of(galaxies)
    columns: dict[str, Any] = {"id": galaxies.ids}
    for i, column in enumerate(model.tree.columns):
        columns |= {column: means[:, i], f"{column}_votes": votes[:, i]}
    return replace(tuned, held_out=pd.DataFrame(columns), prevalence=None), galaxies


def _pictures(tuned: FinetunedModel, folder: Path, others: Catalogue | None) -> dict[str, NDArray[np.uint8]]:
    """Return pictures of the surest and the least sure galaxies, where the model looks at images."""
    seen = getattr(tuned.model, "preprocessing", None)  # a model of embeddings has none
    if seen is None:
        return {}
    table = tuned.held_out.sort_values(tuned.answer)
    doubtful = table.iloc[(table[tuned.answer] - 0.5).abs().argsort(kind="stable")]
    ids = list(dict.fromkeys(str(name) for part in (table.head(6), table.tail(6), doubtful.head(6)) for name in part["id"]))
    return task_pictures(folder, ids, seen) if others is None else decoded(others.select(ids), seen)
