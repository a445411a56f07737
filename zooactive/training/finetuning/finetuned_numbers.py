"""The result of fine-tuning to a number: a model that predicts it, and its metrics on held-out galaxies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zooactive.evaluation.numbers import number_metrics
from zooactive.foundation.errors import ModelError, explained
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.html import html_pairs
from zooactive.foundation.locking import held
from zooactive.foundation.parsing import read_object
from zooactive.foundation.reading import check_regular
from zooactive.foundation.spelling import texts_from_spreadsheet, write_csv
from zooactive.foundation.writing import aside, output_explained, write_json
from zooactive.models.number_model import NumberModel, load_number_model
from zooactive.posterior.numbers import NumberPosterior
from zooactive.training.finetuning.number_tasks import Measured, NumberTask

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.catalogue import Catalogue
    from zooactive.prediction import Embeddings, Predictions
    from zooactive.prediction.numbers import NumberPredictions

_ABOUT = "finetuned.json"
_FORMAT = 2
"""The format of saved tasks that are numbers; tasks that are questions have format 1."""

_EXPECTED = ("mean", "weight", "noise", "share", "wide")


@dataclass(frozen=True, eq=False, repr=False)
class FinetunedNumbers:
    """A model that predicts a number, with its predictions for the held-out galaxies.

    Parameters
    ----------
    model : NumberModel
    task : NumberTask
    held_out : DataFrame
        The columns id and label; ``error`` if labels have errors; ``limit`` if some are limits (< if the number lies below
        the label, > if it lies above); and the prediction: mean, deviation, the ends of intervals, and the parameters of the
        distribution (weight, noise, share, wide: see `zooactive.posterior.numbers.NumberPosterior`). After a
        cross-validation also ``fold``.
    history : DataFrame
        The columns stage, noise (constant or of the features), loss and val_loss: negative mean log densities, in the
        column's unit.
    left_out : mapping of str to int
        The number of rows without a label, by the reason.
    """

    model: NumberModel
    task: NumberTask
    held_out: pd.DataFrame
    history: pd.DataFrame
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"FinetunedNumbers('{self.task.name}', {self.model.network.backbone}: {self._how_good()})"

    def _repr_html_(self) -> str:
        head = self.model.head
        pairs = {
            "column": self.task.column,
            "held out": self._how_good(),
            "noise": "the same of all galaxies" if head.constant else "depends on the features",
            "outliers": f"{head.share:.1%} of the labels",
        }
        return html_pairs(f"FinetunedNumbers of task '{self.task.name}'", pairs.items())

    def _how_good(self) -> str:
        """Return a quick summary of the error; `evaluate` returns all metrics."""
        if not len(self.held_out):
            return "no held-out galaxies"
        known = self.held_out[self._known()]
        off = known["mean"] - known["label"]
        return f"{len(off)} galaxies held out, off by {float(np.sqrt((off**2).mean())):.4g} (RMSE)"

    def evaluate(self) -> dict[str, float]:
        """Evaluate the model on the held-out galaxies, by `zooactive.evaluation.numbers.number_metrics`.

        If some labels are limits, ``limits`` is their number, and ``limits_kept`` the share of them for which the expected
        number lies on the right side. All other metrics are for the other labels.
        """
        table, known = self.held_out, self._known()
        if not known.any():
            return {"galaxies": 0.0}
        errors = table["error"].to_numpy(dtype=float)[known] if "error" in table else None
        label = table["label"].to_numpy(dtype=float)
        expected = self.expected()
        found = number_metrics(expected.take(known), label[known], errors=errors, redshift=self.task.redshift)
        if known.all():
            return found
        above = (table["limit"] == ">").to_numpy()
        kept = (expected.mean > label) == above
        return found | {"limits": float((~known).sum()), "limits_kept": float(kept[~known].mean())}

    def _known(self) -> NDArray[np.bool_]:
        """Return which labels of the held-out galaxies are not limits."""
        here = "limit" in self.held_out
        return (self.held_out["limit"] == "").to_numpy() if here else np.ones(len(self.held_out), dtype=bool)

    def predict(self, galaxies: Catalogue | Embeddings | Predictions, out: str | Path, **options: Any) -> NumberPredictions:
        """Predict galaxies into a folder, with the options of `zooactive.prediction.numbers.predict_numbers`."""
        from zooactive.prediction.numbers import predict_numbers

        return predict_numbers(self.model, galaxies, out, **options)

    def expected(self) -> NumberPosterior:
        """Return the posterior of the held-out galaxies."""
        return NumberPosterior(*(self.held_out[name].to_numpy(dtype=float) for name in _EXPECTED))

    def save(self, folder: str | Path) -> None:
        """Write the model, the task, the held-out table and the history.

        Files of another task or an older save are deleted first, so that an interrupted save is never read as a complete
        one.
        """
        folder = Path(folder)
        with held(folder):
            with output_explained(folder):
                for older in (folder / _ABOUT, folder / "how.json"):
                    older.unlink(missing_ok=True)
            self.model.save(folder / "model")
            for name, table in (("held_out", self.held_out), ("history", self.history)):
                with aside(folder / f"{name}.csv") as temporary:
                    write_csv(table, temporary)
            about = {"format": _FORMAT, "kind": "number", "task": self.task.to_dict(), "left_out": dict(self.left_out)}
            write_json(folder / _ABOUT, about)


def beside_labels(measured: Measured, expected: NumberPosterior) -> pd.DataFrame:
    """Return a table of labels and predictions in the form of `FinetunedNumbers.held_out`."""
    import pandas as pd

    given = {} if measured.errors is None else {"error": measured.errors}
    if measured.limits is not None:
        given["limit"] = np.array(["", ">", "<"])[measured.limits]  # -1 is the last entry
    told = {"mean": expected.mean, "deviation": expected.deviation(), **expected.intervals()}
    parts = {name: getattr(expected, name) for name in ("weight", "noise", "share", "wide")}
    return pd.DataFrame({"id": measured.catalogue.ids, "label": measured.values, **given, **told, **parts})


def is_number_task(folder: Path) -> bool:
    """Return whether a folder holds a fine-tuned task whose labels are numbers."""
    try:
        return bool(read_object(folder / _ABOUT).get("kind") == "number")
    except (OSError, ValueError):
        return False


def load_numbers(folder: str | Path) -> FinetunedNumbers:
    """Load a model that `FinetunedNumbers.save` wrote.

    Raises
    ------
    ModelError
        If the folder holds no model fine-tuned to a number.
    """
    import pandas as pd

    folder = Path(folder)
    said = f"{folder} holds no model fine-tuned to a number; make one with `zooactive finetune`"
    with explained(ModelError, said, Exception):
        about = read_object(folder / _ABOUT)
        if about.get("kind") != "number":
            raise ValueError("its labels are not numbers")
    refuse_future(folder / _ABOUT, about.get("format", 0), _FORMAT, ModelError)
    with explained(ModelError, f"the task in {folder} is damaged ({{reason}}); fine-tune it again", Exception):
        task = NumberTask.from_dict(about["task"], where=str(folder / _ABOUT))
        left_out = {str(reason): int(number) for reason, number in about["left_out"].items()}
        tables: dict[str, pd.DataFrame] = {}
        for name in ("held_out", "history"):
            check_regular(folder / f"{name}.csv")
            tables[name] = pd.read_csv(
                folder / f"{name}.csv", dtype={"id": str}, keep_default_na=False
            )  # "NA" is an id, too
        held_out = tables["held_out"]
        held_out["id"] = texts_from_spreadsheet(held_out["id"])
        numbers = held_out[["label", "deviation", *_EXPECTED]].to_numpy(dtype=float)
        if not np.isfinite(numbers).all() or (held_out["id"] == "").any():
            raise ValueError("the held-out table has blank cells")
        found = FinetunedNumbers(load_number_model(folder / "model"), task, held_out, tables["history"], left_out)
        found.expected()
    return found
