"""How work tells what it does while it lasts: a line of text, how far it is, or a bar."""

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
"""Takes the number of an epoch that is done, from 1, and its losses."""

StageProgress: TypeAlias = Callable[[str, int, dict[str, float]], None]
"""Takes a stage of a fit ("head" or "encoder"), the number of its epoch that is done, from 1, and the losses."""

RehearsalProgress: TypeAlias = Callable[[str, int, int], None]
"""Takes a strategy of a rehearsal, a seed, and how many of their rounds are done."""

Bar: TypeAlias = Callable[[str, int], AbstractContextManager[Progress]]
"""Takes what is done and how much of it there is; its context gives what takes the progress."""

Auto: TypeAlias = Literal["auto", False] | None
"""Whether work shows itself: where people look on ("auto"), or not at all."""


class Report(Protocol):
    """Takes how many are done so far, and what is being done now."""

    def __call__(self, done: int, doing: str = "") -> None:
        """Report it."""
        ...


class Show(Protocol):
    """Shows long work: a `Bar` whose unit can be named, and that takes lines for people beside it."""

    def __call__(self, label: str, total: int, unit: str = "galaxies") -> AbstractContextManager[Report]:
        """Open a bar for so many units of work; of 0 it is not known how many they are."""
        ...

    def line(self, text: str) -> None:
        """Tell a line."""
        ...


def silent(text: str) -> None:
    """Tell nobody anything."""


def no_bar(label: str, total: int) -> AbstractContextManager[Progress]:
    """Show no progress."""
    return nullcontext(lambda done: None)


@dataclass(frozen=True)
class ShownBy:
    """A `Show` made of functions of a user: a bar, and what takes lines."""

    bar: Bar
    line: Tell = silent

    @contextmanager
    def __call__(self, label: str, total: int, unit: str = "galaxies") -> Iterator[Report]:
        """Open the user's bar, for work of which it is known how much there is."""
        with (self.bar if total else no_bar)(label, total) as done:
            yield lambda so_far, doing="": done(so_far)


NOTHING = ShownBy(no_bar)
"""Shows no work."""


@dataclass(frozen=True)
class Within:
    """Shows work as a part of something larger, which stands before each label."""

    show: Show
    whole: str

    @contextmanager
    def __call__(self, label: str, total: int, unit: str = "galaxies") -> Iterator[Report]:
        """Open a bar."""
        with self.show(f"{self.whole}, {label}", total, unit) as report:
            yield lambda done, doing="": report(done, doing and f"{self.whole}, {doing}")

    def line(self, text: str) -> None:
        """Tell a line."""
        self.show.line(text)


_Told = TypeVar("_Told", bound=Callable[..., None])


@dataclass(frozen=True)
class Watch(Generic[_Told]):
    """Who looks on while a job lasts: what shows it, and a function that is told of each part that is done, if any."""

    show: Show
    told: _Told | None = None

    def tell(self, *given: Any) -> None:
        """Tell the function, where there is one."""
        if self.told is not None:
            self.told(*given)
