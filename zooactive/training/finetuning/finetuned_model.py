"""The result of fine-tuning: a model for the task's own tree, and its metrics on held-out galaxies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.catalogue import Catalogue
from zooactive.evaluation.classes import wilson_interval
from zooactive.evaluation.tasks import purity, question_accuracies, task_metrics
from zooactive.foundation.errors import ModelError, ZooactiveError, explained
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.html import html_pairs
from zooactive.foundation.locking import held
from zooactive.foundation.parsing import read_object
from zooactive.foundation.reading import check_regular
from zooactive.foundation.spelling import texts_from_spreadsheet, write_csv
from zooactive.foundation.writing import aside, output_explained, write_json
from zooactive.training.finetuning.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models.loading import AnyModel

_ABOUT = "finetuned.json"
_FORMAT = 1
"""The format of saved tasks; before it no number was written."""
_NONE = "{folder} holds no fine-tuned model; make one with `zooactive finetune`"
_DAMAGES = (OSError, ValueError, TypeError, KeyError, OverflowError, ZooactiveError)


@dataclass(frozen=True, eq=False, repr=False)
class FinetunedModel:
    """A model for the task's own tree, with its predictions for the held-out galaxies.

    Parameters
    ----------
    model : GalaxyModel or EmbeddingModel
    task : Task
    held_out : DataFrame
        The column id; for each answer its expected fraction and, as ``ANSWER_votes``, its votes (1 for a label); after a
        cross-validation also ``fold``. The fractions are for galaxies whose labels are as common as in the table.
    history : DataFrame
        The columns stage, epoch, loss and val_loss of the fit that was kept.
    prior : tuple of float, optional
        Shares of the labels in the table among the training galaxies, to which the held-out fractions refer.
    prevalence : float, optional
        Share of the first label to which the model's probabilities refer, if it is not that of `prior`.
    """

    model: AnyModel
    task: Task
    held_out: pd.DataFrame
    history: pd.DataFrame
    prior: tuple[float, ...] | None = None
    prevalence: float | None = None

    def __repr__(self) -> str:
        return f"FinetunedModel('{self.task.name}', {self.model.backbone}: {self._how_good()})"

    def _repr_html_(self) -> str:
        tree = self.model.tree
        pairs = {
            "questions": ", ".join(question.name for question in tree.questions),
            "answers": ", ".join(tree.questions[0].answers) if len(tree.questions) == 1 else len(tree.columns),
            "backbone": self.model.backbone,
            "held out": self._how_good(),
            "prevalence": "as in the table of labels" if self.prevalence is None else f"{self.prevalence:g}",
        }
        return html_pairs(f"FinetunedModel of task '{self.task.name}'", pairs.items())

    def _how_good(self) -> str:
        """Return a quick summary of the first question's metrics; `evaluate` returns all metrics."""
        where, galaxies = self.model.tree.slices[0], len(self.held_out)
        means, votes = self._means()[:, where], self._votes()[:, where]
        counted = votes.sum(1) > 0
        means, votes = means[counted], votes[counted]
        said = f"{galaxies} galax{'y' if galaxies == 1 else 'ies'} held out"
        if len(votes) < 2:
            return said
        if self.model.tree.votes == "fractions":
            off = np.abs(means - votes / votes.sum(1, keepdims=True)).mean()
            return f"{said}, mean error of fractions {off:.3f}"
        right = int((means.argmax(1) == votes.argmax(1)).sum())
        low, high = wilson_interval(right, len(votes))
        return f"{said}, accuracy {right / len(votes):.3f} ({low:.3f}-{high:.3f})"

    @property
    def answer(self) -> str:
        """The column of a binary task: the tree's first answer."""
        return self.model.tree.columns[0]

    def predict(self, catalogue: Catalogue | str | Path, **options: Any) -> Any:
        """Predict the task's answers, with the options of `zooactive.predict`."""
        from zooactive.prediction import predict

        return predict(self.model, catalogue, **options)

    def evaluate(self) -> dict[str, float]:
        """Evaluate the model on the held-out galaxies, by `zooactive.evaluation.tasks.task_metrics`.

        With a prevalence, also return ``purity`` and ``completeness`` of the galaxies that the model assigns to the first
        label.
        """
        means, votes = self._means(), self._votes()
        metrics = task_metrics(means, votes, self.model.tree)
        if self.prevalence is not None and self.prior is not None:
            metrics |= purity(means[:, 0], votes[:, 0] > 0, prior=self.prior[0], prevalence=self.prevalence)
        return metrics

    def questions(self) -> pd.DataFrame:
        """Return a table of the accuracy of every question of the task's tree on the held-out galaxies."""
        return question_accuracies(self._means(), self._votes(), self.model.tree)

    def truth(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the share of each held-out galaxy's labels or votes for the first answer, shape (galaxy,)."""
        votes = self._votes()[:, self.model.tree.slices[0]]
        return np.asarray(votes[:, 0] / np.maximum(votes.sum(1), 1e-12))

    def _means(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        return self.held_out[list(self.model.tree.columns)].to_numpy(dtype=float)

    def _votes(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        return self.held_out[[f"{column}_votes" for column in self.model.tree.columns]].to_numpy(dtype=float)

    def save(self, folder: str | Path) -> None:
        """Write the model, the task, the held-out table and the history.

        Files of another task or an older save are deleted first, so that an interrupted save is never read as a complete one
        with old parts.
        """
        folder = Path(folder)
        with held(folder):
            with output_explained(folder):
                for older in (folder / _ABOUT, folder / "how.json", *(folder / "model").glob("draws-*.npz")):
                    older.unlink(missing_ok=True)
            self.model.save(folder / "model")
            for name, table in (("held_out", self.held_out), ("history", self.history)):
                with aside(folder / f"{name}.csv") as temporary:
                    write_csv(table, temporary)
            about = {"format": _FORMAT, "task": self.task.to_dict(), "prior": self.prior, "prevalence": self.prevalence}
            write_json(folder / _ABOUT, about)


def saved_task(folder: str | Path) -> Task:
    """Return the task of a fine-tuned model, without loading the model.

    Raises
    ------
    ModelError
        If the folder holds no fine-tuned model.
    """
    folder = Path(folder)
    about = _about(folder)
    with explained(ModelError, _NONE.format(folder=folder), *_DAMAGES):
        return Task.from_dict(about["task"], where=str(folder / _ABOUT))


def load_finetuned(folder: str | Path) -> FinetunedModel:
    """Load a model that `FinetunedModel.save` wrote.

    Raises
    ------
    ModelError
        If the folder holds no fine-tuned model.
    """
    import pandas as pd

    from zooactive.models import load_model

    folder = Path(folder)
    said = _NONE.format(folder=folder)
    about, task = _about(folder), saved_task(folder)
    with explained(ModelError, said, *_DAMAGES):
        prior = None if about.get("prior") is None else tuple(map(float, about["prior"]))
        prevalence = None if about.get("prevalence") is None else float(about["prevalence"])
        for name in ("held_out", "history"):
            check_regular(folder / f"{name}.csv")
        held_out, history = (
            pd.read_csv(folder / f"{name}.csv", dtype={"id": str}, keep_default_na=False)  # "NA" is an id, too
            for name in ("held_out", "history")
        )
        held_out["id"] = texts_from_spreadsheet(held_out["id"])
        measured = [name for column in task.load_tree().columns for name in (column, f"{column}_votes")]
        if not np.isfinite(held_out[measured].to_numpy(dtype=float)).all() or (held_out["id"] == "").any():
            raise ValueError("the held-out table has blank cells")
        shares = (*(() if prior is None else prior), *(() if prevalence is None else (prevalence,)))
        if prior == () or not all(0 <= share <= 1 for share in shares):
            raise ValueError("prior and prevalence are not shares")
    return FinetunedModel(load_model(folder / "model"), task, held_out, history, prior, prevalence)


def _about(folder: Path) -> dict[str, Any]:
    with explained(ModelError, _NONE.format(folder=folder), *_DAMAGES):
        about = read_object(folder / _ABOUT)
    if about.get("kind") == "number":
        raise ModelError(f"the task in {folder} is a number, not a question; load it with zooactive.load_numbers")
    refuse_future(folder / _ABOUT, about.get("format", 0), _FORMAT, ModelError)
    return about
