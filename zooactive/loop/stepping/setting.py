"""The inputs of a step: the loop, the Zooniverse, the journal, and what the step may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from zooactive.acquisition import AllocationConfig
from zooactive.catalogue import Catalogue, Preprocessing
from zooactive.labels import Wording
from zooactive.labels.zooniverse.calls import Zooniverse
from zooactive.loop.rounds import Loop
from zooactive.loop.stepping.config import StepConfig
from zooactive.loop.stepping.facts import WORKFLOW
from zooactive.loop.stepping.intents import Intents

NAMED = "zooactive "
"""The start of the names of subject sets that a loop made."""


@dataclass(frozen=True)
class Shown:
    """Settings of how galaxies are shown to volunteers; see `zooactive.labels.subjects.write_subjects`."""

    side: int | None = None
    credit: str = ""
    licence: str = ""
    columns: tuple[str, ...] = ()
    seen: Preprocessing | None = None


def clock() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Setting:
    """The inputs of a step.

    Parameters
    ----------
    folder : Path
        The folder with what the loop knows of the Zooniverse: ``journal.jsonl``, ``exports/``, ``votes.csv``,
        ``counted.json``.
    loop : Loop
    there : Zooniverse
    wording : Wording
    config : StepConfig
    allocation : AllocationConfig
        Decides when a galaxy is done. Its ceiling is the largest number of volunteers who are shown a galaxy.
    shown : Shown
    pictures : callable, optional
        Returns the galaxies with the images that volunteers are shown. The default is the loop's galaxies.
    lock : Path, optional
        A folder that every loop on the workflow locks during a step, whatever its own folder is.
    now : callable
        Returns the current time.
    """

    folder: Path
    loop: Loop
    there: Zooniverse
    wording: Wording
    config: StepConfig
    allocation: AllocationConfig
    shown: Shown = Shown()
    pictures: Callable[[], Catalogue] | None = None
    lock: Path | None = None
    now: Callable[[], datetime] = clock

    def file_of(self, export: str) -> Path:
        """Return the path of an export's file."""
        return self.folder / "exports" / (f"{export}.csv" if export == WORKFLOW else f"set-{export}.csv")

    def subjects_of(self, number: int) -> Path:
        """Return the folder of a round's manifest and images."""
        return self.loop.folder / f"round-{number:03d}" / "subjects"

    def set_name(self, intents: Intents, number: int) -> str:
        """Return the name of a round's subject set."""
        return f"{NAMED}{intents.book.mark}, round {number}"
