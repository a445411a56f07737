"""What a step works with: the loop, the Zooniverse, the book of intents, and what it may do."""

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
"""How the names of subject sets begin that a loop made."""


@dataclass(frozen=True)
class Shown:
    """How volunteers are shown galaxies: see `zooactive.labels.subjects.write_subjects`."""

    side: int | None = None
    credit: str = ""
    licence: str = ""
    columns: tuple[str, ...] = ()
    seen: Preprocessing | None = None


def clock() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Setting:
    """What a step works with.

    Parameters
    ----------
    folder : Path
        Of what the loop knows of the Zooniverse: ``journal.jsonl``, ``exports/``, ``votes.csv``, ``counted.json``.
    loop : Loop
    there : Zooniverse
    wording : Wording
    config : StepConfig
    allocation : AllocationConfig
        When a galaxy is done; its ceiling is the most volunteers that one is shown to.
    shown : Shown
    pictures : callable, optional
        Returns the galaxies with the images that volunteers are shown; by default those of the loop.
    lock : Path, optional
        A folder that every loop on the workflow holds while it takes a step, whatever its own folder is.
    now : callable
        Tells the time.
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
        """Return where the file of an export lies."""
        return self.folder / "exports" / (f"{export}.csv" if export == WORKFLOW else f"set-{export}.csv")

    def subjects_of(self, number: int) -> Path:
        """Return where the manifest and the images of a round lie."""
        return self.loop.folder / f"round-{number:03d}" / "subjects"

    def set_name(self, intents: Intents, number: int) -> str:
        """Return what the subject set of a round is called."""
        return f"{NAMED}{intents.book.mark}, round {number}"
