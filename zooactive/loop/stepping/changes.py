"""The changes that a step can make, each with a line that people read before and after it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from zooactive.loop.stepping.facts import WORKFLOW

UNCHOSEN = "not chosen yet, "
"""The start of the placeholder names of galaxies that are not chosen yet."""


@dataclass(frozen=True)
class AskExport:
    """Ask the Zooniverse to make an export."""

    of: str

    def said(self) -> str:
        """Return the change in one line."""
        return f"ask for the export of {_export(self.of)} (one per day for the whole team; the Zooniverse mails the team)"


@dataclass(frozen=True)
class FetchExport:
    """Fetch the file of an export."""

    of: str

    def said(self) -> str:
        """Return the change in one line."""
        return f"fetch the export of {_export(self.of)}"


@dataclass(frozen=True)
class Count:
    """Count the votes in fetched exports, and find the galaxies that are done."""

    of: tuple[str, ...]

    def said(self) -> str:
        """Return the change in one line."""
        return "count the votes, and find the galaxies that are done"


@dataclass(frozen=True)
class Stop:
    """Ask for no more galaxies, because of the budget, the stopping rule, or an empty pool."""

    kind: Literal["budget", "rule", "pool"]
    why: str

    def said(self) -> str:
        """Return the change in one line."""
        return f"stop asking: {self.why}"


@dataclass(frozen=True)
class Retire:
    """Retire subjects of one set for one reason."""

    subject_set: str
    subjects: tuple[str, ...]
    reason: str

    def said(self) -> str:
        """Return the change in one line."""
        return f"retire {_subjects(len(self.subjects))} of set {self.subject_set} ({self.reason})"


@dataclass(frozen=True)
class Tell:
    """Close a round with the votes that came in."""

    number: int

    def said(self) -> str:
        """Return the change in one line."""
        return f"close round {self.number} with its votes"


@dataclass(frozen=True)
class Choose:
    """Train on all votes so far and choose galaxies, or only train once the loop asks for no more galaxies."""

    number: int
    most: int

    def said(self) -> str:
        """Return the change in one line."""
        chosen = f", choose up to {self.most} galaxies and write their images" if self.most else ""
        return f"train on the votes so far{chosen} for round {self.number}"


@dataclass(frozen=True)
class MakeSet:
    """Make the subject set of a round."""

    number: int

    def said(self) -> str:
        """Return the change in one line."""
        return f"make a subject set for round {self.number}"


@dataclass(frozen=True)
class Upload:
    """Make subjects of galaxies, or put a new round's metadata and image on subjects that already exist."""

    number: int
    galaxies: tuple[str, ...]

    def said(self) -> str:
        """Return the change in one line."""
        named = ", ".join(self.galaxies[:3]) + (", ..." if len(self.galaxies) > 3 else "")
        which = "" if named.startswith(UNCHOSEN) else f": {named}"
        return f"upload {_subjects(len(self.galaxies))} of round {self.number}{which}"


@dataclass(frozen=True)
class Join:
    """Put a round's subjects into its set."""

    number: int
    subjects: tuple[str, ...]

    def said(self) -> str:
        """Return the change in one line."""
        return f"put {_subjects(len(self.subjects))} into the set of round {self.number}"


@dataclass(frozen=True)
class Link:
    """Link a round's set to the workflow."""

    number: int

    def said(self) -> str:
        """Return the change in one line."""
        return f"link the set of round {self.number} to the workflow, so that volunteers see it from now on"


@dataclass(frozen=True)
class Unlink:
    """Unlink an older round's set."""

    number: int

    def said(self) -> str:
        """Return the change in one line."""
        return f"unlink the set of round {self.number}"


Change: TypeAlias = AskExport | FetchExport | Count | Stop | Retire | Tell | Choose | MakeSet | Upload | Join | Link | Unlink


def _subjects(number: int) -> str:
    return "1 subject" if number == 1 else f"{number} subjects"


def _export(of: str) -> str:
    return "the workflow" if of == WORKFLOW else f"set {of}"
