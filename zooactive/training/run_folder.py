"""The folder of a training run: the state of its epochs, and the files of their weights."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.catalogue import Catalogue
from zooactive.catalogue.images import mark_of
from zooactive.foundation.errors import TrainingError, explained
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.parsing import read_object
from zooactive.foundation.writing import aside, remove_leftovers, write_json
from zooactive.training.config import TrainingConfig
from zooactive.training.image_marks import ImageMarks

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models import GalaxyModel

_FORMAT = 2
"""The format of a run's state. Format 2 has marks of the contents of images; before format 1 no number was written."""


def run_fingerprint(model: GalaxyModel, train: Catalogue, validation: Catalogue | None, config: TrainingConfig) -> str:
    """Return a mark of everything that goes into a training, 32 hexadecimal digits.

    The initial weights have a separate mark. Of the images, only names and sizes are included; see `ImageMarks`.
    """
    digest = blake2b(json.dumps([model.to_config(), asdict(config)], sort_keys=True).encode(), digest_size=16)
    for catalogue in (train, validation):
        if catalogue is not None:
            digest.update("\n".join(catalogue.ids).encode() + b"\n" + catalogue.require_votes().votes.tobytes())
            digest.update(b"\n".join(map(mark_of, catalogue.images)))
            if catalogue.field_crops is not None:
                digest.update(catalogue.field_crops.tobytes())
    return digest.hexdigest()


@dataclass
class TrainingRun:
    """The folder of a run: the state of the epochs so far, and the files of their weights."""

    folder: Path
    fingerprint: str
    images: ImageMarks
    planned: int
    with_epochs: Callable[[int], str]
    """Returns the fingerprint of the same run with another number of epochs."""
    kept: int = 0
    """The number of epochs that would not be repeated if the run were stopped now."""

    def open(self, model: GalaxyModel) -> None:
        """Read the state of the run; raise a TrainingError if the folder holds another run."""
        remove_leftovers(self.folder, self.folder / "checkpoint", self.folder / "model")
        begun = {"fingerprint": self.fingerprint, "start": model.fingerprint()}
        self.state: dict[str, Any] = {"format": _FORMAT, **begun, "finished": False, "epochs": [], "writes": 0}
        self.state["planned"] = self.planned
        if not self._state_file.exists():
            self.state["images"] = self.images.to_dict()
            return
        self.state = self._read_state()
        self._raise_epochs()
        other = ""
        if self.state["fingerprint"] != begun["fingerprint"]:
            other = "galaxies, images or settings"
        elif self.state["start"] != begun["start"] and not self._ended_with(begun["start"]):
            other = "weights to start from"
        if other:
            raise TrainingError(f"{self.folder} holds a run with other {other}; choose another run directory or delete it")
        self._refuse_changed_images()
        self.kept = len(self.epochs)

    def _raise_epochs(self) -> None:
        """Resume a finished run if the only difference is a larger number of epochs."""
        before = self.state.get("planned", len(self.epochs))
        more = self.finished and type(before) is int and before < self.planned
        if more and self.state["fingerprint"] == self.with_epochs(before):
            self.state |= {"fingerprint": self.fingerprint, "planned": self.planned, "finished": False}
            self.state.pop("before_head", None)

    def _refuse_changed_images(self) -> None:
        if "images" not in self.state:
            if not self.finished:
                warnings.warn(
                    f"{self.folder} was begun before runs kept marks of the contents of images, so it is not known "
                    "whether they are the same; choose another run directory if they may have changed",
                    stacklevel=4,
                )
            return
        with explained(TrainingError, self._damaged, ValueError):
            others = self.images.others(self.state["images"])
        if others:
            raise TrainingError(
                f"{self.folder} holds a run with other images: {len(others)} of {len(self.images.ids)}, such as that of "
                f"galaxy '{others[0]}', were changed; choose another run directory or delete it"
            )

    @property
    def _damaged(self) -> str:
        return (
            f"{self._state_file} is damaged ({{reason}}), so the state of the run is not known; restore the file from a "
            f"copy, or delete {self.folder} and train again"
        )

    def _read_state(self) -> dict[str, Any]:
        """Read the state of the epochs; raise a TrainingError if it is damaged."""
        with explained(TrainingError, self._damaged, OSError, ValueError):
            state = read_object(self._state_file)
            refuse_future(self._state_file, state.get("format", 0), _FORMAT, TrainingError)
            kinds = {"fingerprint": str, "start": str, "finished": bool, "epochs": list, "writes": int}
            for name, kind in kinds.items():
                if type(state.get(name)) is not kind:
                    raise ValueError(f"{name} is missing or not of type {kind.__name__}")
            marks = state.get("images", {"changed": "", "content": ""} if state.get("format", 0) < 2 else None)
            if not isinstance(marks, dict) or any(type(marks.get(name)) is not str for name in ("changed", "content")):
                raise ValueError("the marks of the images are missing")
            for epoch in state["epochs"]:
                if not isinstance(epoch, dict) or not isinstance(epoch.get("val_loss"), int | float):
                    raise ValueError("an epoch has no val_loss")
            if state["finished"] and not state["epochs"]:
                raise ValueError("it is finished without an epoch")
        return state

    def _ended_with(self, fingerprint: str) -> bool:
        """Return whether a model is the result of this run, given by a caller who asks for the same run again."""
        from zooactive.models import load_model

        return self.finished and load_model(self.folder / "model").fingerprint() == fingerprint

    @property
    def _state_file(self) -> Path:
        return self.folder / "checkpoint" / "state.json"

    @property
    def weights(self) -> Path:
        """The checkpoint that belongs to the state; of two files, one is complete while the other is written."""
        return self.folder / "checkpoint" / f"{self.state['writes'] % 2}.weights.h5"

    @property
    def epochs(self) -> list[dict[str, float]]:
        """The number, losses and learning rate of each epoch so far."""
        epochs: list[dict[str, float]] = self.state["epochs"]
        return epochs

    @property
    def finished(self) -> bool:
        """Return whether the run has ended."""
        return bool(self.state["finished"])

    @property
    def best_epoch(self) -> int:
        """The number of the epoch with the least validation loss, from 0."""
        losses = [epoch["val_loss"] for epoch in self.epochs]
        return int(np.argmin(losses))

    def when_stopped(self, epochs: int) -> str:
        """Return a sentence about what is kept of the run if it is stopped now, and what will be repeated."""
        if self.kept == 0:
            return f"nothing is kept in {self.folder} before the first epoch is done; run it again to start over"
        so_far = "epoch 1 is" if self.kept == 1 else f"epochs 1 to {self.kept} are"
        following = f"resume with epoch {self.kept + 1}" if self.kept < epochs else "do what comes after the last epoch"
        return f"{so_far} kept in {self.folder}; run it again to {following}"

    def out_of_patience(self, patience: int) -> bool:
        """Return whether the loss has not fallen for `patience` epochs."""
        return len(self.epochs) - 1 - self.best_epoch >= patience

    def save_state(self) -> None:
        """Write the state of the epochs."""
        write_json(self._state_file, self.state)
        with aside(self.folder / "history.csv") as temporary:
            self.history().to_csv(temporary, index=False)

    def history(self) -> pd.DataFrame:
        """Return a table of the epochs, one row each."""
        import pandas as pd

        return pd.DataFrame(self.epochs)
