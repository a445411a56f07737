"""Types for the progress of running work: a line of text, a number, or a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

Tell: TypeAlias = Callable[[str], None]
"""Takes a line for people."""

Progress: TypeAlias = Callable[[int], None]
"""Takes how many are done so far, such as galaxies."""

EpochProgress: TypeAlias = Callable[[int, dict[str, float]], None]
"""Takes the number of a finished epoch, from 1, and its losses."""

StageProgress: TypeAlias = Callable[[str, int, dict[str, float]], None]
"""Takes a stage of a fit ("head" or "encoder"), the number of its finished epoch, from 1, and the losses."""

RehearsalProgress: TypeAlias = Callable[[str, int, int], None]
"""Takes a strategy of a rehearsal, a seed, and how many of their rounds are done."""

Bar: TypeAlias = Callable[[str, int], AbstractContextManager[Progress]]
"""Takes a label and a total; its context yields a function that takes the progress."""

Auto: TypeAlias = Literal["auto", False] | None
"""Whether progress is shown: if people are watching ("auto"), or not at all."""


class Report(Protocol):
    """A function that takes how many are done so far, and what is being done now."""

    def __call__(self, done: int, doing: str = "") -> None:
        """Report the progress."""
        ...


class Show(Protocol):
    """A display for long work: a `Bar` whose unit can be named, and that prints lines next to it."""

    def __call__(self, label: str, total: int, unit: str = "galaxies") -> AbstractContextManager[Report]:
        """Open a bar for a number of units of work; 0 means that the number is not known."""
        ...

    def line(self, text: str) -> None:
        """Print a line."""
        ...


def silent(text: str) -> None:
    """Print nothing."""


def no_bar(label: str, total: int) -> AbstractContextManager[Progress]:
    """Show no progress."""
    return nullcontext(lambda done: None)


@dataclass(frozen=True)
class ShownBy:
    """A `Show` made from a user's functions: a bar, and a function that takes lines."""

    bar: Bar
    line: Tell = silent

    @contextmanager
    def __call__(self, label: str, total: int, unit: str = "galaxies") -> Iterator[Report]:
        """Open the user's bar, if the amount of work is known."""
        with (self.bar if total else no_bar)(label, total) as done:
            yield lambda so_far, doing="": done(so_far)


NOTHING = ShownBy(no_bar)
"""A `Show` that shows nothing."""


@dataclass(frozen=True)
class Within:
    """A `Show` for parts of a larger piece of work, whose name is put before each label."""

    show: Show
    whole: str

    @contextmanager
    def __call__(self, label: str, total: int, unit: str = "galaxies") -> Iterator[Report]:
        """Open a bar."""
        with self.show(f"{self.whole}, {label}", total, unit) as report:
            yield lambda done, doing="": report(done, doing and f"{self.whole}, {doing}")

    def line(self, text: str) -> None:
        """Print a line."""
        self.show.line(text)


_Told = TypeVar("_Told", bound=Callable[..., None])


@dataclass(frozen=True)
class Watch(Generic[_Told]):
    """The observers of a job: a display, and a function, if any, that is called for each finished part."""

    show: Show
    told: _Told | None = None

    def tell(self, *given: Any) -> None:
        """Call the function, if there is one."""
        if self.told is not None:
            self.told(*given)
