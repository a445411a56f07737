"""The facts from which a step decides: plain values, gathered by `zooactive.loop.stepping.look`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

DAY = timedelta(days=1)
"""The Zooniverse drops a request for an export within a day of the last request for it."""

SOON = timedelta(minutes=50)
"""How long the Zooniverse may take to retire a subject before the loop asks again."""

LATE_DAYS = 2
"""The days after a stop in which classifications still arrive that volunteers began before it."""

LAST_LOOKS = 7 * DAY
"""How long the loop still asks for exports after it has stopped, while they contain new classifications."""

WORKFLOW = "workflow"
"""The name of the workflow's export. The exports of subject sets are named by the sets' ids."""


class Done(NamedTuple):
    """Why a galaxy needs no more votes: Panoptes' word, and an explanation."""

    reason: str
    why: str


@dataclass(frozen=True)
class ExportFacts:
    """One export: when this loop last asked for it, its state now, and which file of it was fetched last.

    `touched` and `fetched` are the Zooniverse's times, as it writes them.
    """

    asked_at: datetime | None = None
    state: str | None = None
    ready: bool = False
    touched: str | None = None
    fetched: str | None = None

    @property
    def waiting(self) -> bool:
        """Whether there is a file that was not fetched yet."""
        return self.ready and self.touched != self.fetched


@dataclass(frozen=True)
class Counted:
    """The counts from the exports.

    Parameters
    ----------
    of : mapping of str to str
        Export -> the Zooniverse's time of the file that was counted.
    clicks, pace : float
        The number of answers since the first step, and the number per day in the last two days.
    done : mapping of str to Done
        Galaxies that need no more votes, and why.
    volunteers : mapping of str to int
        Galaxy -> the number of volunteers counted.
    """

    of: Mapping[str, str] = field(default_factory=dict)
    clicks: float = 0.0
    pace: float = 0.0
    done: Mapping[str, Done] = field(default_factory=dict)
    volunteers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RoundFacts:
    """One round: its progress here and on the Zooniverse.

    Parameters
    ----------
    number : int
    asked : tuple of str
        Galaxies to be shown, in the order of the selection. Empty before they are chosen.
    told : bool
        Whether the round is closed.
    subject_set : str, optional
    ready : mapping of str to str
        Galaxy -> subject that has its image and this round's metadata.
    members : frozenset of str
        Subjects in the set. They are read only until the set is linked.
    linked : bool
    linked_at : datetime, optional
    unlinked : bool
        Whether the set was linked before and is not linked now.
    met : frozenset of str
        Subjects that somebody has classified, or that are retired.
    """

    number: int
    asked: tuple[str, ...] = ()
    told: bool = False
    subject_set: str | None = None
    ready: Mapping[str, str] = field(default_factory=dict)
    members: frozenset[str] = frozenset()
    linked: bool = False
    linked_at: datetime | None = None
    unlinked: bool = False
    met: frozenset[str] = frozenset()

    @property
    def subjects(self) -> frozenset[str]:
        """The subjects of the round that have their image and metadata."""
        return frozenset(self.ready.values())

    @property
    def whole(self) -> bool:
        """Whether every galaxy asked for is a subject in the set."""
        return bool(self.asked) and set(self.asked) <= set(self.ready) and self.subjects <= self.members


@dataclass(frozen=True)
class Facts:
    """All facts that a step looks at before it decides.

    Parameters
    ----------
    now : datetime
    rounds : tuple of RoundFacts
        The last one is the current round.
    exports : mapping of str to ExportFacts
    counted : Counted
    retired : frozenset of str
        Subjects that are retired.
    retiring : mapping of str to datetime
        Subject -> when the loop last asked the Zooniverse to retire it.
    linked_sets : frozenset of str
        All sets linked to the workflow, including those that this loop did not make.
    wishes : tuple of str
        What the project's owner must set before the loop changes anything.
    room : int
        The number of subjects that the account may still upload.
    left : int
        The number of galaxies that may be asked for.
    stopped, stopped_at : str and datetime, optional
        Why the loop asks for no more galaxies, and when that was decided.
    enough : str, optional
        Why the stopping rule says to stop.
    learnt : bool
        Whether the last model was trained on all recorded votes.
    quiet : bool
        Whether the last file of the workflow's export had no new classification.
    n : int
        The number of galaxies in each round.
    """

    now: datetime
    rounds: tuple[RoundFacts, ...]
    exports: Mapping[str, ExportFacts] = field(default_factory=dict)
    counted: Counted = field(default_factory=Counted)
    retired: frozenset[str] = frozenset()
    retiring: Mapping[str, datetime] = field(default_factory=dict)
    linked_sets: frozenset[str] = frozenset()
    wishes: tuple[str, ...] = ()
    room: int = 0
    left: int = 0
    stopped: str | None = None
    stopped_at: datetime | None = None
    enough: str | None = None
    learnt: bool = True
    quiet: bool = False
    n: int = 500

    @property
    def here(self) -> RoundFacts:
        """The current round."""
        return self.rounds[-1]

    @property
    def newest(self) -> RoundFacts | None:
        """The newest round whose set is linked."""
        return next((entry for entry in reversed(self.rounds) if entry.linked), None)

    @property
    def shown(self) -> list[RoundFacts]:
        """The rounds whose sets are linked."""
        return [entry for entry in self.rounds if entry.linked]

    def export(self, of: str) -> ExportFacts:
        """Return what is known of an export."""
        return self.exports.get(of, ExportFacts())
