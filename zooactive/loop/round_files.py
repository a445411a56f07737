"""The files of each round: where they are, and what they contain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.foundation.errors import TrainingError, explained
from zooactive.foundation.parsing import read_object

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Round:
    """The paths of one round's files; a step is done once its file exists."""

    number: int
    folder: Path

    @property
    def model(self) -> Path:
        """The folder of the model trained on the votes so far."""
        return self.folder / "model"

    @property
    def metrics(self) -> Path:
        """The file with the metrics of the round's model."""
        return self.folder / "metrics.json"

    @property
    def selection(self) -> Path:
        """The table of galaxies to ask volunteers about."""
        return self.folder / "selection.csv"

    @property
    def decision(self) -> Path:
        """The file that says which strategy "auto" chose, and why."""
        return self.folder / "strategy.json"

    @property
    def votes(self) -> Path:
        """The file of the volunteers' votes."""
        return self.folder / "votes.csv"

    @property
    def told(self) -> Path:
        """The file that says how much information those votes gave."""
        return self.folder / "told.json"


def rounds_in(folder: Path) -> list[Round]:
    """Return all rounds begun in a folder; the last one is the current round."""
    rounds = [round_of(folder, 0)]
    while rounds[-1].told.exists():
        rounds.append(round_of(folder, len(rounds)))
    return rounds


def history_of(folder: Path) -> pd.DataFrame:
    """Return one row per round of a folder: its metrics, and the information that its votes then gave."""
    import pandas as pd

    rows = [(read_record(entry.metrics) or {}) | (read_record(entry.told) or {}) for entry in rounds_in(folder)]
    return pd.DataFrame([row for row in rows if row])


def why_of(entry: Round) -> str | None:
    """Return in one line which strategy "auto" chose in a round and why, or None if you named a strategy."""
    known = read_record(entry.decision)
    return None if known is None else f"strategy {known['strategy']}: {known['why']}"


def round_of(folder: Path, number: int) -> Round:
    """Return the paths of a round's files, whether they exist or not."""
    return Round(number, folder / f"round-{number:03d}")


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the content of a round's JSON file, or None if there is no such file."""
    said = f"{path} is damaged ({{reason}}); restore it from a copy, or delete it and run the same command again"
    with explained(TrainingError, said, OSError, ValueError):
        try:
            return read_object(path)
        except FileNotFoundError:
            return None
