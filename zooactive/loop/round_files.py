"""Where the files of each round lie, and what they say."""

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
    """Where the files of one round lie; a step whose file is there has been done."""

    number: int
    folder: Path

    @property
    def model(self) -> Path:
        """Where the model lies that was learnt from the votes so far."""
        return self.folder / "model"

    @property
    def metrics(self) -> Path:
        """Where the metrics of the round's model lie."""
        return self.folder / "metrics.json"

    @property
    def selection(self) -> Path:
        """Where the table of galaxies to ask volunteers about lies."""
        return self.folder / "selection.csv"

    @property
    def decision(self) -> Path:
        """Where it is written what "auto" stood for, and why."""
        return self.folder / "strategy.json"

    @property
    def votes(self) -> Path:
        """Where the volunteers' votes lie."""
        return self.folder / "votes.csv"

    @property
    def told(self) -> Path:
        """Where the amount that those votes told is written."""
        return self.folder / "told.json"


def rounds_in(folder: Path) -> list[Round]:
    """Return all rounds of a folder that were begun; the last one is the one to go on with."""
    rounds = [round_of(folder, 0)]
    while rounds[-1].told.exists():
        rounds.append(round_of(folder, len(rounds)))
    return rounds


def history_of(folder: Path) -> pd.DataFrame:
    """Return one row for each round of a folder: its metrics, and what its votes then told."""
    import pandas as pd

    rows = [(read_record(entry.metrics) or {}) | (read_record(entry.told) or {}) for entry in rounds_in(folder)]
    return pd.DataFrame([row for row in rows if row])


def why_of(entry: Round) -> str | None:
    """Return what "auto" stood for in a round and why, in a line, or None where a strategy was named."""
    known = read_record(entry.decision)
    return None if known is None else f"strategy {known['strategy']}: {known['why']}"


def round_of(folder: Path, number: int) -> Round:
    """Return where a round's files lie, or will."""
    return Round(number, folder / f"round-{number:03d}")


def read_record(path: Path) -> dict[str, Any] | None:
    """Return what a file of a round says, or None where it is not there."""
    said = f"{path} is damaged ({{reason}}); restore it from a copy, or delete it and run the same command again"
    with explained(TrainingError, said, OSError, ValueError):
        try:
            return read_object(path)
        except FileNotFoundError:
            return None
