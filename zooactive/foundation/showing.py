"""Progress of long work: a bar in a terminal, a line in a notebook, and elsewhere a line every half minute on stderr."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from zooactive.foundation.spelling import for_terminal
from zooactive.foundation.telling import (
    NOTHING,
    Auto,
    Bar,
    Progress,
    Report,
    Show,
    ShownBy,
    Tell,
    Watch,
    no_bar,
    silent,
)

PROGRESSES = ("none", "plain", "bar")
"""How progress can be shown: not at all, in lines, or as a bar."""

EVERY = 30.0
"""The seconds between lines if there is neither a terminal nor a notebook."""
_REDRAWN = 0.5
"""The least number of seconds between two drawings in a notebook."""
_FLEETING = 2.0
"""A notebook keeps no line for work that took fewer seconds than this."""
_BAR, _LEAST_BAR = 24, 8
"""The number of columns of a bar, and the number below which it is omitted."""
_WARMING = 2
"""The number of reports before the pace is measured: the first step compiles, and earlier work is counted at once."""

Clock = Callable[[], float]
_Told = TypeVar("_Told", bound=Callable[..., None])


def in_words(seconds: float) -> str:
    """Return a duration in words.

    >>> [in_words(seconds) for seconds in (3.4, 48, 840, 9000, 400_000)]
    ['3 s', '48 s', '14 min', '2 h 30 min', '4.6 days']
    """
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{seconds / 86400:.1f} days"


def rate_in_words(rate: float, unit: str) -> str:
    """Return a pace in words.

    >>> [rate_in_words(rate, "galaxies") for rate in (41.3, 2.26, 12345, 0.05)]
    ['41 galaxies/s', '2.3 galaxies/s', '12,345 galaxies/s', '3.0 galaxies/min']
    """
    per = "s" if rate >= 0.1 else "min"
    rate *= 1 if per == "s" else 60
    return f"{rate:,.{0 if rate >= 9.95 else 1}f} {unit}/{per}"


@dataclass
class Work:
    """One piece of work: its progress, its pace, and the estimated time left; a total of 0 means unknown."""

    label: str
    total: int
    unit: str
    clock: Clock = time.monotonic
    done: int = 0
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.at = self.clock()
        self._base, self._reports = (self.began, 0), 0

    def report(self, done: int, doing: str = "") -> None:
        """Record how much is done; steps that several threads report may come in any order."""
        self.label = doing or self.label
        if done <= self.done and self._reports:
            return
        self.done, self.at = done, self.clock()
        self._reports += 1
        if self._reports <= _WARMING:
            self._base = self.at, done

    @property
    def rate(self) -> float | None:
        """The pace in units per second, without the first steps; None until it is known."""
        (at, done), enough = self._base, self._reports > _WARMING
        return (self.done - done) / (self.at - at) if enough and self.at > at and self.done > done else None

    @property
    def measured_from(self) -> float:
        """The time when the measurement of the pace began."""
        return self._base[0]

    @property
    def left(self) -> float | None:
        """The seconds until the end; None until they are known."""
        rate = self.rate
        if rate is None:
            return None
        return max(0.0, (self.total - self.done) / rate - (self.clock() - self.at))

    @property
    def share(self) -> float:
        """The share of the work that is done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    def pace(self) -> list[str]:
        """Return the parts of the text next to a bar, the most important first."""
        rate, left = self.rate, self.left
        if rate is not None and self.done >= self.total:
            return [f"{self.share:4.0%}", f"{in_words(self.clock() - self.began)} in all", rate_in_words(rate, self.unit)]
        if rate is None or left is None:
            so_far = f"{in_words(self.clock() - self.began)} so far"
            return [f"{self.share:4.0%}", so_far if self.done else f"getting ready, {so_far}"]
        return [f"{self.share:4.0%}", f"about {in_words(left)} left", rate_in_words(rate, self.unit)]

    def told(self) -> str:
        """Return the progress as a separate line."""
        if not self.total:
            return self._without_end()
        share, *pace = self.pace()
        return ", ".join([f"{self.label}: {share.strip()} of {self.total:,} {self.unit}", *reversed(pace)])

    def _without_end(self) -> str:
        took = self.clock() - self.began
        return f"{self.label}, {in_words(took)} so far" if took >= _FLEETING else self.label

    def drawn(self, width: int, *, full: str = "━", empty: str = "─") -> tuple[str, str, str, str]:
        """Return label, both parts of the bar, and pace, so that they fit into a width; some parts may be omitted."""
        if not self.total:
            return self._without_end()[:width], "", "", ""
        share, *pace = self.pace()
        while True:
            beside = f"{share}  {', '.join(reversed(pace))}" if pace else share
            room = width - len(self.label) - len(beside) - 4
            if room >= 0 or not pace:
                break
            pace.pop()
        label = self.label[: max(1, width - len(beside) - 1)]
        size = min(_BAR, room) if room >= _LEAST_BAR else 0
        at = round(size * self.share)
        return f"{label} ", full * at, empty * (size - at), f" {beside}" if size else beside


# Where it is shown ---------------------------------------------------------------------------------------------------


class Screen:
    """All running work, and the place where it is shown; subclasses draw it.

    Work within work (a training in a round of a rehearsal) is shown together with the larger work.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self.under_way: list[Work] = []
        self._lock = threading.RLock()

    @contextmanager
    def __call__(self, label: str, total: int, unit: str = "galaxies") -> Iterator[Report]:
        """Show some work in the block."""
        work = Work(for_terminal(label), total, unit, self.clock)
        with self._lock:
            self.under_way.append(work)
            if len(self.under_way) == 1:
                self.open()

        def report(done: int, doing: str = "") -> None:
            work.report(done, for_terminal(doing) if doing else "")
            self.changed(work)

        try:
            yield report
        finally:
            with self._lock:
                self.under_way.remove(work)
                if not self.under_way:
                    self.close(work)

    def line(self, text: str) -> None:
        """Print a line for people."""
        # In one write with its line end, otherwise another program's line in the same terminal could come between.
        print(f"{for_terminal(text)}\n", end="", file=sys.stderr, flush=True)

    def open(self) -> None:
        """Start to show work."""

    def changed(self, work: Work) -> None:
        """Show the progress of some work."""

    def close(self, last: Work) -> None:
        """Stop showing work."""


class Lines(Screen):
    """A screen that prints a line every half minute on stderr."""

    def open(self) -> None:
        """Wait before the first line."""
        self._next = self.clock() + EVERY

    def changed(self, work: Work) -> None:
        """Print a line when it is due."""
        now = self.clock()
        if now < self._next:
            return
        with self._lock:
            if now < self._next:
                return
            self._next = now + EVERY
            self.line("; ".join(work.told() for work in self.under_way))


class Terminal(Screen):
    """A screen that draws a bar on stderr, four times a second, and removes it at the end."""

    _live: Any = None

    def line(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        with self._lock:
            if self._live is None:
                super().line(text)
            else:
                from rich.text import Text

                self._console.print(Text(for_terminal(text)), soft_wrap=True)

    def open(self) -> None:
        """Draw the bar; from now on, lines on stderr appear above it."""
        from rich.console import Console
        from rich.errors import LiveError
        from rich.live import Live

        self._console = Console(stderr=True)
        live = Live(
            console=self._console,
            get_renderable=self._drawn,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=sys.stdout.isatty(),  # a pipe contains only data
        )
        with suppress(LiveError):  # the caller draws something there already
            live.start(refresh=True)
            self._live = live

    def _drawn(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        signs = {"full": "#", "empty": "-"} if self._console.options.ascii_only else {}
        rows = []
        for work in list(self.under_way):
            label, full, empty, pace = work.drawn(self._console.width - 1, **signs)
            row = Text.assemble(label, (full, "green"), (empty, "dim"), pace)
            row.no_wrap = True
            rows.append(row)
        return Group(*rows)

    def close(self, last: Work) -> None:
        """Remove the bar."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class Notebook(Screen):
    """A screen that draws lines below a notebook's cell, and keeps the last line if the work took long."""

    def open(self) -> None:
        """Draw the first line."""
        self._handle: Any = None
        self._drawn_at = self.clock()
        self._draw("\n".join(work.told() for work in self.under_way))

    def changed(self, work: Work) -> None:
        """Redraw the lines, not too often."""
        now = self.clock()
        if now - self._drawn_at < _REDRAWN:
            return
        with self._lock:
            self._drawn_at = now
            self._draw("\n".join(one.told() for one in self.under_way))

    def close(self, last: Work) -> None:
        """Leave a line with the amount of work and the time."""
        took = self.clock() - last.began
        kept = took >= _FLEETING and last.total
        self._draw(f"{last.label}: {last.done:,} {last.unit} in {in_words(took)}" if kept else "")

    def line(self, text: str) -> None:
        """Show a separate line."""
        _display()(_text(for_terminal(text)), raw=True)

    def _draw(self, text: str) -> None:
        if self._handle is None:
            self._handle = _display()(_text(text), raw=True, display_id=True)
        else:
            self._handle.update(_text(text), raw=True)


def _display() -> Any:
    return importlib.import_module("IPython.display").display


def _text(text: str) -> dict[str, str]:
    """Return the content for a notebook, which needs no widgets."""
    return {"text/plain": text}


def in_notebook() -> bool:
    """Return whether the code runs in a notebook's cell."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


_asked: str | None = None
"""How the program wants progress to be shown, see `show_as`."""


def show_as(progress: str | None) -> None:
    """Show progress as one of `PROGRESSES` from now on, or with None as the environment suggests; for programs to call."""
    global _asked
    _asked = progress


def usual() -> Show:
    """Return the screen for this environment: the notebook, the terminal, or lines on stderr."""
    if _asked is None and in_notebook():
        return _notebook()
    return on_stderr()


def on_stderr() -> Screen:
    """Return the terminal, or lines if stderr is not a terminal; or the screen that `show_as` requested."""
    if _asked is not None:
        return {"none": _nothing, "plain": _lines, "bar": _terminal}[_asked]()
    at_terminal = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return _terminal() if at_terminal else _lines()


# One of each, because work within work is drawn together.
_notebook = functools.cache(Notebook)
_terminal = functools.cache(Terminal)
_lines = functools.cache(Lines)
_nothing = functools.cache(Screen)


# The values that callers give as ``progress=`` ------------------------------------------------------------------------


def watch_of(progress: Auto | Watch[_Told] | _Told) -> Watch[_Told]:
    """Return the watch for a value that a caller gave as ``progress=``."""
    if progress is None or progress is False:
        return Watch(NOTHING)
    if progress == "auto":
        return Watch(show_of("auto"))
    if isinstance(progress, Watch):
        return progress
    return Watch(NOTHING, progress)


def show_of(progress: Auto | Bar | Show, tell: Tell = silent) -> Show:
    """Return the display for a value that a caller gave as ``progress=`` for bars; `tell` takes their lines."""
    if progress is None or progress is False:
        return ShownBy(no_bar, tell)
    if progress == "auto":
        return usual()
    return progress if hasattr(progress, "line") else ShownBy(progress, tell)  # type: ignore[return-value]


@contextmanager
def counted(progress: Auto | Progress, label: str, total: int, unit: str = "galaxies") -> Iterator[Progress]:
    """Yield the function that takes the number done, for a value of ``progress=``: the caller's, a bar's, or neither."""
    if callable(progress):
        yield progress
    else:
        with show_of(progress)(label, total, unit) as done:
            yield done
