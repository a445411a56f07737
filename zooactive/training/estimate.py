"""How long a training will last, told once its first batches are done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from zooactive.foundation.showing import Work, in_words, rate_in_words
from zooactive.foundation.telling import Show
from zooactive.training.config import TrainingConfig

_MEASURED = 3.0
"""Seconds of batches that are measured, after the first ones."""
_JUDGED = 1 / 3
"""Work of looking at a galaxy of the validation part, as a share of that of learning from one."""


@dataclass
class Estimate:
    """Measures the first batches of a training and tells, once, how long it will last.

    `galaxies` are learnt from in an epoch, and `judged` are those that choose the best epoch. A training that ends sooner
    than the measurement needs no estimate.
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
        """Take how many galaxies were learnt from so far, those of an earlier run too."""
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
        """Return what is told, of galaxies learnt from in a second."""
        epochs = self.config.epochs - self._first // self.galaxies
        seconds = epochs * (self.galaxies + self.judged * _JUDGED) / rate
        number = "1 epoch" if epochs == 1 else f"{epochs} epochs"
        which = number if epochs == self.config.epochs else f"the {number} that are left"
        sooner = "; early stopping may end it sooner" if self.config.patience < self.config.epochs else ""
        return f"about {in_words(seconds)} for {which} at {rate_in_words(rate, 'galaxies')}{sooner}"
