"""Long work shows itself: a bar in a terminal, a line in a notebook, and elsewhere a line every half a minute on stderr."""

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
"""How work can be shown: not at all, in lines, or as a bar."""

EVERY = 30.0
"""Seconds between lines where there is neither a terminal nor a notebook."""
_REDRAWN = 0.5
"""Seconds between two drawings in a notebook, at least."""
_FLEETING = 2.0
"""Seconds of work of which a notebook keeps no line."""
_BAR, _LEAST_BAR = 24, 8
"""Columns of a bar, and those below which it is left away."""
_WARMING = 2
"""Reports before the pace is taken: the first step compiles, and what an earlier run left is counted at once."""

Clock = Callable[[], float]
_Told = TypeVar("_Told", bound=Callable[..., None])


def in_words(seconds: float) -> str:
    """Return a time as people say it.

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
    """Return a pace as people say it.

    >>> [rate_in_words(rate, "galaxies") for rate in (41.3, 2.26, 12345, 0.05)]
    ['41 galaxies/s', '2.3 galaxies/s', '12,345 galaxies/s', '3.0 galaxies/min']
    """
    per = "s" if rate >= 0.1 else "min"
    rate *= 1 if per == "s" else 60
    return f"{rate:,.{0 if rate >= 9.95 else 1}f} {unit}/{per}"


@dataclass
class Work:
    """One piece of work: how far it is, at what pace, and how long it will last; a total of 0 is unknown."""

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
        """Take how much is done; steps that are reported by several threads may come in any order."""
        self.label = doing or self.label
        if done <= self.done and self._reports:
            return
        self.done, self.at = done, self.clock()
        self._reports += 1
        if self._reports <= _WARMING:
            self._base = self.at, done

    @property
    def rate(self) -> float | None:
        """Units a second, without the first steps; None until it is known."""
        (at, done), enough = self._base, self._reports > _WARMING
        return (self.done - done) / (self.at - at) if enough and self.at > at and self.done > done else None

    @property
    def measured_from(self) -> float:
        """When the measurement of the pace began."""
        return self._base[0]

    @property
    def left(self) -> float | None:
        """Seconds until the end; None until they are known."""
        rate = self.rate
        if rate is None:
            return None
        return max(0.0, (self.total - self.done) / rate - (self.clock() - self.at))

    @property
    def share(self) -> float:
        """What is done of the whole, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    def pace(self) -> list[str]:
        """Return the parts of the text beside a bar, the most important first."""
        rate, left = self.rate, self.left
        if rate is not None and self.done >= self.total:
            return [f"{self.share:4.0%}", f"{in_words(self.clock() - self.began)} in all", rate_in_words(rate, self.unit)]
        if rate is None or left is None:
            so_far = f"{in_words(self.clock() - self.began)} so far"
            return [f"{self.share:4.0%}", so_far if self.done else f"getting ready, {so_far}"]
        return [f"{self.share:4.0%}", f"about {in_words(left)} left", rate_in_words(rate, self.unit)]

    def told(self) -> str:
        """Return a line by itself."""
        if not self.total:
            return self._without_end()
        share, *pace = self.pace()
        return ", ".join([f"{self.label}: {share.strip()} of {self.total:,} {self.unit}", *reversed(pace)])

    def _without_end(self) -> str:
        took = self.clock() - self.began
        return f"{self.label}, {in_words(took)} so far" if took >= _FLEETING else self.label

    def drawn(self, width: int, *, full: str = "━", empty: str = "─") -> tuple[str, str, str, str]:
        """Return label, both parts of the bar, and pace, which fit into so many columns; what does not is left away."""
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
    """All work that is under way, and where it is shown; subclasses draw it.

    Work within work (a training in a round of a rehearsal) is shown with what it is part of.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self.under_way: list[Work] = []
        self._lock = threading.RLock()

    @contextmanager
    def __call__(self, label: str, total: int, unit: str = "galaxies") -> Iterator[Report]:
        """Show some work while the context lasts."""
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
        """Tell a line for people."""
        # In one write with its end: another program's line in the same terminal could come between.
        print(f"{for_terminal(text)}\n", end="", file=sys.stderr, flush=True)

    def open(self) -> None:
        """Begin to show work."""

    def changed(self, work: Work) -> None:
        """Show that some work is further."""

    def close(self, last: Work) -> None:
        """Show no work any more."""


class Lines(Screen):
    """Tells a line every half a minute on stderr."""

    def open(self) -> None:
        """Wait before the first line."""
        self._next = self.clock() + EVERY

    def changed(self, work: Work) -> None:
        """Tell a line when it is time."""
        now = self.clock()
        if now < self._next:
            return
        with self._lock:
            if now < self._next:
                return
            self._next = now + EVERY
            self.line("; ".join(work.told() for work in self.under_way))


class Terminal(Screen):
    """Draws a bar on stderr, four times a second, and takes it away at the end."""

    _live: Any = None

    def line(self, text: str) -> None:
        """Tell a line, above the bar while there is one."""
        with self._lock:
            if self._live is None:
                super().line(text)
            else:
                from rich.text import Text

                self._console.print(Text(for_terminal(text)), soft_wrap=True)

    def open(self) -> None:
        """Draw the bar; lines on stderr stand above it from now on."""
        from rich.console import Console
        from rich.errors import LiveError
        from rich.live import Live

        self._console = Console(stderr=True)
        live = Live(
            console=self._console,
            get_renderable=self._drawn,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=sys.stdout.isatty(),  # a pipe has data alone
        )
        with suppress(LiveError):  # the caller draws something of its own there
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
        """Take the bar away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class Notebook(Screen):
    """Draws lines below a notebook's cell, and leaves the last one there where the work took long."""

    def open(self) -> None:
        """Draw the first line."""
        self._handle: Any = None
        self._drawn_at = self.clock()
        self._draw("\n".join(work.told() for work in self.under_way))

    def changed(self, work: Work) -> None:
        """Draw the lines anew, not too often."""
        now = self.clock()
        if now - self._drawn_at < _REDRAWN:
            return
        with self._lock:
            self._drawn_at = now
            self._draw("\n".join(one.told() for one in self.under_way))

    def close(self, last: Work) -> None:
        """Leave how much was done in what time."""
        took = self.clock() - last.began
        kept = took >= _FLEETING and last.total
        self._draw(f"{last.label}: {last.done:,} {last.unit} in {in_words(took)}" if kept else "")

    def line(self, text: str) -> None:
        """Show a line of its own."""
        _display()(_text(for_terminal(text)), raw=True)

    def _draw(self, text: str) -> None:
        if self._handle is None:
            self._handle = _display()(_text(text), raw=True, display_id=True)
        else:
            self._handle.update(_text(text), raw=True)


def _display() -> Any:
    return importlib.import_module("IPython.display").display


def _text(text: str) -> dict[str, str]:
    """Return what a notebook shows, which needs no widgets."""
    return {"text/plain": text}


def in_notebook() -> bool:
    """Whether the code runs in a notebook's cell."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


_asked: str | None = None
"""How a program wants work to be shown, see `show_as`."""


def show_as(progress: str | None) -> None:
    """Show work as one of `PROGRESSES` from now on, or with None as the place suggests; for programs to call."""
    global _asked
    _asked = progress


def usual() -> Show:
    """Return where work is shown here: in the notebook, on the terminal, or in lines on stderr."""
    if _asked is None and in_notebook():
        return _notebook()
    return on_stderr()


def on_stderr() -> Screen:
    """Return the terminal, or what tells lines where stderr is none; or what `show_as` asked for."""
    if _asked is not None:
        return {"none": _nothing, "plain": _lines, "bar": _terminal}[_asked]()
    at_terminal = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return _terminal() if at_terminal else _lines()


# One of each: work within work is drawn together.
_notebook = functools.cache(Notebook)
_terminal = functools.cache(Terminal)
_lines = functools.cache(Lines)
_nothing = functools.cache(Screen)


# What callers give as ``progress=`` ---------------------------------------------------------------------------------


def watch_of(progress: Auto | Watch[_Told] | _Told) -> Watch[_Told]:
    """Return who looks on, of what a caller gave as ``progress=``."""
    if progress is None or progress is False:
        return Watch(NOTHING)
    if progress == "auto":
        return Watch(show_of("auto"))
    if isinstance(progress, Watch):
        return progress
    return Watch(NOTHING, progress)


def show_of(progress: Auto | Bar | Show, tell: Tell = silent) -> Show:
    """Return what shows work, of what a caller gave as ``progress=`` where it opens bars; `tell` takes their lines."""
    if progress is None or progress is False:
        return ShownBy(no_bar, tell)
    if progress == "auto":
        return usual()
    return progress if hasattr(progress, "line") else ShownBy(progress, tell)  # type: ignore[return-value]


@contextmanager
def counted(progress: Auto | Progress, label: str, total: int, unit: str = "galaxies") -> Iterator[Progress]:
    """Give what takes the number done, of what a caller gave as ``progress=``: the function, a bar, or nothing."""
    if callable(progress):
        yield progress
    else:
        with show_of(progress)(label, total, unit) as done:
            yield done
