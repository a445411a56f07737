"""What a step knows when it decides: values alone, gathered by `zooactive.loop.stepping.look`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

DAY = timedelta(days=1)
"""A request for the same export is dropped within a day of the last one."""

SOON = timedelta(minutes=50)
"""How long a subject has to be retired after it was asked for, before it is asked for again."""

LATE_DAYS = 2
"""Days in which classifications arrive that were begun before an order to stop."""

LAST_LOOKS = 7 * DAY
"""How long exports are still asked for after the loop has stopped, while they bring something new."""

WORKFLOW = "workflow"
"""The workflow's export, beside those of subject sets, which are called by their numbers."""


class Done(NamedTuple):
    """Why a galaxy needs no more votes: Panoptes' word, and ours."""

    reason: str
    why: str


@dataclass(frozen=True)
class ExportFacts:
    """One export: when this loop last asked for it, what is said of it now, and which file of it was fetched last.

    `touched` and `fetched` are the times of the Zooniverse's own, as it writes them.
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
    """What the exports that were counted say.

    Parameters
    ----------
    of : mapping of str to str
        Export -> which file of it was counted.
    clicks, pace : float
        Answers since the first step, and answers a day in the last two days.
    done : mapping of str to Done
        Galaxies that need no more votes.
    volunteers : mapping of str to int
        People who were counted, a galaxy.
    """

    of: Mapping[str, str] = field(default_factory=dict)
    clicks: float = 0.0
    pace: float = 0.0
    done: Mapping[str, Done] = field(default_factory=dict)
    volunteers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RoundFacts:
    """One round: how far it is here, and on the Zooniverse.

    Parameters
    ----------
    number : int
    asked : tuple of str
        Galaxies to be shown, in the order of the selection; none before they were chosen.
    told : bool
        Whether the round is closed.
    subject_set : str, optional
    ready : mapping of str to str
        Galaxy -> subject, with its image and this round's metadata.
    members : frozenset of str
        Subjects in the set, looked at until it is linked.
    linked : bool
    linked_at : datetime, optional
    unlinked : bool
        Whether it was linked and is no more.
    met : frozenset of str
        Subjects that somebody has classified, or that were retired.
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
        """The round's subjects that are ready."""
        return frozenset(self.ready.values())

    @property
    def whole(self) -> bool:
        """Whether every galaxy asked for is a subject in the set."""
        return bool(self.asked) and set(self.asked) <= set(self.ready) and self.subjects <= self.members


@dataclass(frozen=True)
class Facts:
    """All that a step looks at before it decides.

    Parameters
    ----------
    now : datetime
    rounds : tuple of RoundFacts
        The last one is the one to go on with.
    exports : mapping of str to ExportFacts
    counted : Counted
    retired : frozenset of str
        Subjects that are retired.
    retiring : mapping of str to datetime
        Subjects -> when the Zooniverse was last asked to retire them.
    linked_sets : frozenset of str
        All that are linked to the workflow, whosever they are.
    wishes : tuple of str
        What the owner has to set before anything is changed.
    room : int
        Subjects that the account may still upload.
    left : int
        Galaxies that may be asked for.
    stopped, stopped_at : str and datetime, optional
        Why nothing more is asked for, once that was decided, and when it was.
    enough : str, optional
        What the stopping rule says.
    learnt : bool
        Whether the last model has learnt from all votes that were told.
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
        """The round to go on with."""
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
