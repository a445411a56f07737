"""An estimate of a training's length, by a clock that the tests turn."""

from __future__ import annotations

import pytest

from zooactive.foundation.telling import ShownBy, no_bar
from zooactive.training.config import TrainingConfig
from zooactive.training.estimate import Estimate


@pytest.mark.parametrize(
    ("epochs", "patience", "first", "sentence"),
    [
        (20, 8, 0, "about 14 min for 20 epochs at 40 galaxies/s; early stopping may end it sooner"),
        (20, 20, 0, "about 14 min for 20 epochs at 40 galaxies/s"),
        (20, 20, 8, "about 8 min for the 12 epochs that are left at 40 galaxies/s"),
        (1, 8, 0, "about 42 s for 1 epoch at 40 galaxies/s"),
    ],
)
def test_the_first_batches_tell_how_long_it_will_last(epochs, patience, first, sentence):
    now, told = [0.0], list[str]()
    config = TrainingConfig(epochs=epochs, patience=patience)
    estimate = Estimate(ShownBy(no_bar, told.append), config, galaxies=1600, judged=240, clock=lambda: now[0])
    done = first * 1600
    estimate.take(done)
    now[0] += 15  # the first batch compiles
    for _ in range(20):
        done += 16
        estimate.take(done)
        assert told == ([] if now[0] < 18 else [sentence])
        now[0] += 0.4


def test_a_training_of_a_moment_needs_no_estimate():
    now, told = [0.0], list[str]()
    estimate = Estimate(ShownBy(no_bar, told.append), TrainingConfig(), galaxies=16, judged=0, clock=lambda: now[0])
    for done in range(0, 320, 16):
        now[0] += 0.1
        estimate.take(done)
    assert told == []
