"""How long work shows itself, by a clock that the tests turn."""

from __future__ import annotations

import io
import sys
import types
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from zooactive.foundation.showing import Lines, Notebook, Terminal, Work, counted, show_of, usual, watch_of
from zooactive.foundation.telling import NOTHING, ShownBy, Watch, Within


@dataclass
class Clock:
    """A clock that stands still until it is turned."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Stream(io.StringIO):
    """What stderr is: a terminal or none."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.isatty = lambda: terminal  # type: ignore[method-assign]


# Pace ----------------------------------------------------------------------------------------------------------------


def test_the_pace_leaves_out_what_was_there_and_the_first_step_which_compiles(clock):
    work = Work("predicting", 10_000, "galaxies", clock)
    work.report(4000)  # found in the folder
    clock.now += 20
    work.report(4100)  # compiled
    assert work.rate is None
    assert work.told() == "predicting: 41% of 10,000 galaxies, 20 s so far"
    for _ in range(10):
        clock.now += 2
        work.report(work.done + 100)
    assert work.rate == pytest.approx(50)
    assert work.left == pytest.approx(4900 / 50)
    clock.now += 8  # nothing is reported meanwhile
    assert work.left == pytest.approx(4900 / 50 - 8)
    assert work.told() == "predicting: 51% of 10,000 galaxies, 50 galaxies/s, about 2 min left"


def test_reports_in_any_order_never_go_back(clock):
    work = Work("training", 100, "galaxies", clock)
    for done in (10, 30, 20, 30):
        clock.now += 1
        work.report(done)
    assert work.done == 30


def test_a_bar_fits_its_terminal_and_leaves_away_the_bar_before_the_words(clock):
    work = Work("training, epoch 12 of 20", 24_000, "galaxies", clock)
    for done in (0, 16, 32, 12_000):
        clock.now += 10
        work.report(done)
    drawn = {width: "".join(work.drawn(width)) for width in range(12, 130)}
    assert all(len(line) <= width and "50%" in line for width, line in drawn.items())
    assert drawn[100] == "training, epoch 12 of 20 ━━━━━━━━━━━━────────────  50%  599 galaxies/s, about 20 s left"
    assert drawn[79] == "training, epoch 12 of 20 ━━━━━━━───────  50%  599 galaxies/s, about 20 s left"
    assert drawn[70] == "training, epoch 12 of 20  50%  599 galaxies/s, about 20 s left"
    assert drawn[50] == "training, epoch 12 of 20  50%  about 20 s left"
    assert drawn[35] == "training, epoch 12 of 20  50%"
    assert drawn[20] == "training, epoch  50%"


def test_of_work_without_a_known_end_the_time_is_told(clock):
    work = Work("getting ready", 0, "galaxies", clock)
    assert work.told() == "".join(work.drawn(79)) == "getting ready"
    clock.now += 8
    assert work.told() == "".join(work.drawn(79)) == "getting ready, 8 s so far"


def test_before_the_first_step_is_done_it_is_said_that_nothing_hangs(clock):
    work = Work("training, epoch 1 of 3", 480, "galaxies", clock)
    work.report(0)
    clock.now += 40
    assert work.told() == "training, epoch 1 of 3: 0% of 480 galaxies, getting ready, 40 s so far"


# Where there is no terminal ------------------------------------------------------------------------------------------


def test_lines_for_people_are_written_whole(monkeypatch):
    written = []
    stream = Stream(terminal=False)
    stream.write = written.append  # type: ignore[method-assign,assignment]
    monkeypatch.setattr(sys, "stderr", stream)
    Lines().line("two\nlines")
    assert "two\nlines\n" in written, "what another program writes would come between a line and its end"


def test_lines_come_every_half_minute_on_stderr_and_none_on_stdout(clock, capsys):
    with Lines(clock)("predicting", 1000) as report:
        for done in range(0, 1000, 100):
            clock.now += 10
            report(done)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "predicting: 20% of 1,000 galaxies, 10 galaxies/s, about 1 min left",
        "predicting: 50% of 1,000 galaxies, 10 galaxies/s, about 50 s left",
        "predicting: 80% of 1,000 galaxies, 10 galaxies/s, about 20 s left",
    ]


def test_work_within_work_is_told_together(clock, capsys):
    lines = Lines(clock)
    with lines("rehearsing", 75, "rounds") as outer, Within(lines, "fold 2 of 5")("encoder", 100) as inner:
        outer(3, "rehearsing, random, seed 0")
        clock.now += 31
        inner(50, "encoder, epoch 2 of 3")
    assert capsys.readouterr().err == (
        "rehearsing, random, seed 0: 4% of 75 rounds, 31 s so far; "
        "fold 2 of 5, encoder, epoch 2 of 3: 50% of 100 galaxies, 31 s so far\n"
    )
    assert lines.under_way == []


def test_what_a_terminal_would_obey_is_told_in_letters(clock, capsys):
    with Lines(clock)("a\x1b[2J", 10) as report:
        clock.now += 31
        report(1, "b\x07")
    assert "\x1b" not in (said := capsys.readouterr().err)
    assert "\x07" not in said


# Terminals -----------------------------------------------------------------------------------------------------------


def test_a_terminal_shows_a_bar_and_notes_stand_above_it(clock, monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stderr", Stream(terminal=True))
    screen = usual()
    assert isinstance(screen, Terminal)
    with screen("training, epoch 1 of 2", 100) as report:
        report(50)
        with screen("within", 10):
            usual().line("[red]a note")
        print("a print", file=sys.stderr)
    usual().line("the end")
    said = sys.stderr.getvalue()
    assert "training, epoch 1 of 2" in said
    assert said.index("[red]a note\n") < said.index("a print\n") < said.rindex("training")
    assert said.endswith("the end\n")
    assert capsys.readouterr().out == ""


def test_a_bar_beside_somebody_elses_is_not_drawn(clock, monkeypatch):
    from rich.errors import LiveError
    from rich.live import Live

    def refuse(*_: object, **__: object) -> None:
        raise LiveError("only one")

    monkeypatch.setattr(Live, "start", refuse)
    done = []
    with Terminal(clock)("training", 10) as report:
        report(5)
        done.append(5)
    assert done == [5], "the work goes on without a bar"


def test_a_dumb_terminal_and_a_file_get_lines(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(terminal=False))
    assert isinstance(usual(), Lines)
    monkeypatch.setattr(sys, "stderr", Stream(terminal=True))
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(usual(), Lines)


# Notebooks -----------------------------------------------------------------------------------------------------------


@dataclass
class Cell:
    """A notebook's cell: what it shows now."""

    shown: list[str] = field(default_factory=list)
    drawn: int = 0

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool = False) -> Cell.Handle:
        assert raw
        self.shown.append(data["text/plain"])
        return self.Handle(self, len(self.shown) - 1)

    @dataclass
    class Handle:
        cell: Cell
        at: int

        def update(self, data: dict[str, str], *, raw: bool) -> None:
            assert raw
            self.cell.drawn += 1
            self.cell.shown[self.at] = data["text/plain"]


@pytest.fixture
def cell(monkeypatch) -> Cell:
    cell = Cell()
    ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    display.display = cell.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return cell


def test_a_notebook_shows_work_without_widgets_and_keeps_what_took_long(clock, cell, capsys):
    assert isinstance(usual(), Notebook)
    screen = Notebook(clock)
    with screen("training", 1000) as report:
        for done in range(0, 1000, 10):
            clock.now += 0.125
            report(done, "training, epoch 1 of 2")
            if done == 500:
                assert cell.shown == ["training, epoch 1 of 2: 47% of 1,000 galaxies, 80 galaxies/s, about 7 s left"]
                screen.line("about 12 s for 2 epochs")
    assert cell.shown == ["training, epoch 1 of 2: 990 galaxies in 12 s", "about 12 s for 2 epochs"]
    assert cell.drawn == 26, "twice a second"
    assert capsys.readouterr() == ("", "")


def test_a_notebook_keeps_nothing_of_a_moment(clock, cell):
    with Notebook(clock)("predicting", 1) as report:
        report(1)
    assert cell.shown == [""]


# What callers give ---------------------------------------------------------------------------------------------------


def test_nothing_and_functions_are_taken_as_before():
    told: list[object] = []
    assert watch_of(None).show is watch_of(False).show is NOTHING
    watch_of(lambda epoch, losses: told.append((epoch, losses))).tell(1, {"loss": 2.0})
    assert told == [(1, {"loss": 2.0})]
    watch = Watch(NOTHING)
    assert watch_of(watch) is watch
    with counted(told.append, "predicting", 3) as done:
        done(3)
    assert told[1:] == [3]

    @contextmanager
    def bar(label: str, total: int):
        told.append((label, total))
        yield told.append

    show = show_of(bar, told.append)
    with show("packing", 7) as report:
        report(4, "packing still")
    show.line("a line")
    assert told[2:] == [("packing", 7), 4, "a line"]
    assert isinstance(show_of(None), ShownBy)
    assert show_of(show) is show
