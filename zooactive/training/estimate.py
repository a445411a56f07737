"""Estimate how long a training will take, once its first batches are done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from zooactive.foundation.showing import Work, in_words, rate_in_words
from zooactive.foundation.telling import Show
from zooactive.training.config import TrainingConfig

_MEASURED = 3.0
"""The number of seconds of batches that are measured, after the first ones."""
_JUDGED = 1 / 3
"""The work for a validation galaxy, as a share of the work for a training galaxy."""


@dataclass
class Estimate:
    """A measurement of the first batches of a training, which tells once how long the training will take.

    `galaxies` is the number of training galaxies per epoch, and `judged` the number of validation galaxies. A training that
    ends before the measurement needs no estimate.
    """

    show: Show
    config: TrainingConfig
    galaxies: int
    judged: int
    clock: Callable[[], float] = time.monotonic
    _work: Work | None = field(default=None, init=False)
    _told: bool = field(default=False, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def take(self, done: int) -> None:
        """Record how many galaxies were trained on so far, including those of an earlier run."""
        if self._told:
            return
        with self._lock:  # the backend may report from several threads
            if self._work is None:
                self._work = Work("training", self.config.epochs * self.galaxies, "galaxies", self.clock)
                self._first = done
            self._work.report(done)
            rate = self._work.rate
            if rate is None or self._told or self.clock() - self._work.measured_from < _MEASURED:
                return
            self._told = True
        self.show.line(self.sentence(rate))

    def sentence(self, rate: float) -> str:
        """Return the sentence with the estimate, for a number of training galaxies per second."""
        epochs = self.config.epochs - self._first // self.galaxies
        seconds = epochs * (self.galaxies + self.judged * _JUDGED) / rate
        number = "1 epoch" if epochs == 1 else f"{epochs} epochs"
        which = number if epochs == self.config.epochs else f"the {number} that are left"
        sooner = "; early stopping may end it sooner" if self.config.patience < self.config.epochs else ""
        return f"about {in_words(seconds)} for {which} at {rate_in_words(rate, 'galaxies')}{sooner}"
