"""Ctrl-C and SIGTERM wait for the end of a step, and say what is kept."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import warm_interpreter

from zooactive.foundation.stopping import (
    Terminated,
    answering_signals,
    kept_when_stopped,
    stop_is_answered,
    stopped_between_steps,
    work_begins,
)
from zooactive.prediction import RayEngine

pytestmark = pytest.mark.usefixtures("pythons_own_answer")


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_of_several_the_innermost_says_what_is_kept():
    def stop() -> None:
        with kept_when_stopped(lambda: "outer"), kept_when_stopped(lambda: "inner"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        stop()
    assert stopped.value.__notes__ == ["inner"]


def test_a_step_is_done_before_ctrl_c_ends_the_work():
    done = []

    def five_steps(between: Callable[[], None]) -> None:
        for step in range(5):
            if step == 2:
                ctrl_c()
            done.append(step)
            between()

    with pytest.raises(KeyboardInterrupt), stopped_between_steps() as between:
        five_steps(between)
    assert done == [0, 1, 2]


def test_a_second_ctrl_c_does_not_wait():
    done = []

    def step() -> None:
        ctrl_c()
        done.append("after the first")
        ctrl_c()
        done.append("after the second")

    with pytest.raises(KeyboardInterrupt), stopped_between_steps():
        step()
    assert done == ["after the first"]


def test_ctrl_c_in_the_last_step_is_not_forgotten():
    with pytest.raises(KeyboardInterrupt), stopped_between_steps():
        ctrl_c()


def test_a_failure_of_the_step_is_told_rather_than_the_ctrl_c():
    def step() -> None:
        ctrl_c()
        raise ValueError("of the step")

    with pytest.raises(ValueError, match="of the step"), stopped_between_steps():
        step()


def test_an_answer_to_ctrl_c_that_somebody_else_gave_stays():
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append("theirs"))
    try:
        with stopped_between_steps() as between:
            ctrl_c()
            between()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert heard == ["theirs"]


def test_in_another_thread_nothing_changes():
    answers = []

    def work() -> None:
        with stopped_between_steps() as between:
            answers.append(signal.getsignal(signal.SIGINT))
            between()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [signal.default_int_handler]


@pytest.fixture
def batch_system() -> Iterator[Callable[[], None]]:
    """Return a function that sends SIGTERM as a batch system does, to a process that ends by it as by Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with answering_signals():
        work_begins()
        answer = signal.getsignal(signal.SIGTERM)
        yield lambda: os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is answer
    assert signal.signal(signal.SIGTERM, before) is signal.SIG_IGN


def test_sigterm_waits_for_the_end_of_a_step_and_is_told_from_ctrl_c(batch_system):
    done = []

    def five_steps(between: Callable[[], None]) -> None:
        for step in range(5):
            if step == 2:
                batch_system()
            done.append(step)
            between()

    with pytest.raises(Terminated), stopped_between_steps() as between:
        five_steps(between)
    assert done == [0, 1, 2]


@pytest.mark.parametrize("first", ["ctrl-c", "sigterm"])
def test_after_one_of_the_two_the_other_does_not_wait(batch_system, first):
    done = []
    sent = [ctrl_c, batch_system] if first == "ctrl-c" else [batch_system, ctrl_c]

    def step() -> None:
        sent[0]()
        done.append("after the first")
        sent[1]()
        done.append("after the second")

    with pytest.raises(KeyboardInterrupt) as stopped, stopped_between_steps():
        step()
    assert done == ["after the first"]
    assert isinstance(stopped.value, Terminated) is (first == "ctrl-c")


def changed(send: Callable[[], None]) -> None:
    """Do as a library that makes an error of its own of whatever breaks into it."""
    try:
        send()
    except KeyboardInterrupt:
        raise AttributeError("_type_spec") from None


def swallowed(send: Callable[[], None]) -> None:
    with suppress(KeyboardInterrupt):
        send()


@pytest.mark.parametrize("sent", ["ctrl-c", "sigterm"])
def test_an_error_that_a_library_made_of_a_stop_is_the_stop(batch_system, sent):
    with pytest.raises(KeyboardInterrupt) as stopped, kept_when_stopped(lambda: "outer"), kept_when_stopped(lambda: "inner"):
        changed(ctrl_c if sent == "ctrl-c" else batch_system)
    assert isinstance(stopped.value, Terminated) is (sent == "sigterm")
    assert stopped.value.__notes__ == ["inner"]
    assert isinstance(stopped.value.__cause__, AttributeError)


def test_a_stop_that_a_library_swallowed_comes_between_the_next_steps(batch_system):
    swallowed(batch_system)
    with pytest.raises(Terminated), stopped_between_steps() as between:
        between()


def test_a_failure_after_a_stop_was_answered_stays_a_failure(batch_system):
    swallowed(batch_system)
    stop_is_answered()
    with pytest.raises(ValueError, match="of the work"), kept_when_stopped(lambda: "kept"), stopped_between_steps():
        raise ValueError("of the work")


def test_a_failure_after_ctrl_c_stays_a_failure_where_the_library_is_not_a_program():
    with pytest.raises(AttributeError, match="_type_spec"), kept_when_stopped(lambda: "kept"):
        changed(ctrl_c)
    with pytest.raises(KeyboardInterrupt), stopped_between_steps():
        ctrl_c()
    with pytest.raises(ValueError, match="of the work"), kept_when_stopped(lambda: "kept"), stopped_between_steps():
        raise ValueError("of the work")


def test_sigterm_that_somebody_else_answers_stays_theirs():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("theirs"))
    try:
        with answering_signals(), stopped_between_steps():
            work_begins()
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == ["theirs"]


def test_an_engine_that_sets_signals_when_it_starts_leaves_them_as_they_were():
    class Ray:
        @staticmethod
        def init(**_: object) -> None:
            signal.signal(signal.SIGTERM, lambda *_: None)  # as Ray does

    before = signal.getsignal(signal.SIGTERM)
    try:
        RayEngine()._start(Ray)
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGTERM, before)


def test_importing_the_library_leaves_sigterm_alone(tmp_path: Path):
    said = "import signal, zooactive as za; za.load_tree('rings'); print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    assert warm_interpreter.run(said, folder=tmp_path).stdout == "True\n"


AT_ONCE = """
import os, signal
from zooactive.foundation.stopping import answering_signals
with answering_signals():
    os.kill(os.getpid(), signal.SIGTERM)
"""


def test_sigterm_before_any_work_is_a_sentence_too(tmp_path: Path):
    done = warm_interpreter.run(AT_ONCE, folder=tmp_path)
    assert (done.returncode, done.stderr) == (143, "zooactive: ended by SIGTERM; nothing was begun\n")


FINISHED = """
import atexit, os, signal
from zooactive.cli import main
atexit.register(lambda: os.kill(os.getpid(), signal.SIGTERM))
main()
"""


def test_a_command_that_is_done_ends_well_all_the_same(tmp_path: Path):
    done = warm_interpreter.run(FINISHED, "trees", "rings", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "SIGTERM" not in done.stderr


BROKEN_INTO = """
import os, signal
import keras, numpy as np
from zooactive.training import short_fits
from zooactive.foundation.telling import NOTHING

steps = []
class Struck(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 1:
            os.kill(os.getpid(), signal.SIGINT)
    def on_train_batch_end(self, batch, logs=None):
        steps.append(batch)

network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
network.compile("sgd", loss="mse", run_eagerly=True)
try:
    with short_fits.stopped_between_steps() as between, NOTHING("fit", 4) as report:
        after = short_fits.after_steps(between, report, "fit", 1, steps=4, batch_size=2)
        network.fit(np.zeros((8, 3)), np.zeros((8, 1)), batch_size=2, verbose=0, callbacks=[Struck(), after])
except KeyboardInterrupt:
    print("stopped after", steps)
"""


def test_a_fit_ends_its_batch_before_it_stops(tmp_path: Path):
    done = warm_interpreter.run(BROKEN_INTO, folder=tmp_path)
    assert done.stdout == "stopped after [0, 1]\n", done.stderr
