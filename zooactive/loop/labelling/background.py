"""The thread that fits the head while people label, and its predictions for the galaxies that nobody has labelled."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from zooactive.loop.labelling.answers import Said
from zooactive.loop.labelling.learning import Learnt, axes_of, first_answers, learn, learnable
from zooactive.loop.labelling.measures import Measures, measures_of
from zooactive.loop.labelling.queues import Likeness, Orders, different, orders_of
from zooactive.tree import DecisionTree

_EVERY = 5
"""The number of answers between two fits."""


@dataclass
class Learning:
    """The thread that fits while people label: at low priority, and never more than one fit at a time.

    `labels` returns the training data: rows of the pool, votes (label, answer), and the answers that count.
    """

    ids: NDArray[np.object_]
    tree: DecisionTree
    labels: Callable[[], tuple[NDArray[np.int64], NDArray[np.float64], list[Said]]]
    features: NDArray[np.float16] | None = None
    learnt: Learnt | None = None
    orders: Orders | None = None
    different: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    similar: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    """Before the first fit, for each answer that has a label: galaxies that look like its examples and unlike the others."""
    likeness: Likeness | None = None
    measures: Measures = field(default_factory=Measures)
    failure: Exception | None = None

    def __post_init__(self) -> None:
        self._heard, self._fitted, self._wanted, self._stopped = 0, -1, -1, False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="zooactive-labelling", daemon=True)
        self._thread.start()

    def embedded(self, features: NDArray[np.float16]) -> None:
        """Receive the features of the pool, and fit."""
        with self._change:
            self.features = features
            self._fitted = -1
            self._change.notify_all()

    def hear(self) -> None:
        """Note that a new answer has arrived."""
        with self._change:
            self._heard += 1
            self._change.notify_all()

    def stop(self) -> None:
        """Stop the thread."""
        with self._change:
            self._stopped = True
            self._change.notify_all()
        self._thread.join()

    def wait(self) -> None:
        """Wait until the fit includes all answers so far, and raise the error of a fit that failed."""
        with self._change:
            self._wanted = wanted = self._heard
            self._change.notify_all()
            self._change.wait_for(lambda: self._fitted >= wanted or self.features is None or self._stopped)
        if self.failure is not None:
            raise self.failure

    def _work(self) -> None:
        _lower_priority()
        while True:
            with self._change:
                self._change.wait_for(lambda: self._stopped or self._due())
                if self._stopped:
                    return
                heard, features = self._heard, self.features
            assert features is not None
            try:
                with threadpool_limits(1):  # more threads would slow the page down and gain nothing on so few labels
                    self._fit(features)
            except Exception as error:  # shown on request; labelling continues without the model
                self.failure = error
            with self._change:
                if self.features is features:
                    self._fitted = heard
                self._change.notify_all()

    def _due(self) -> bool:
        every = 1 if self.orders is None else _EVERY  # similar galaxies are searched again after each answer
        wanted = self._fitted < self._wanted  # a caller waits for this fit
        return self.features is not None and (self._fitted < 0 or wanted or self._heard >= self._fitted + every)

    def _fit(self, features: NDArray[np.float16]) -> None:
        if self.likeness is None or self.likeness.features is not features:
            self.likeness = Likeness(features, axes_of(features))
            self.different = different(features, self.ids, self.likeness.axes, 0)
        rows, votes, said = self.labels()
        labels = first_answers(votes, self.tree)
        if not learnable(labels):
            self.similar = {
                place: self.likeness.order(rows[labels == place], rows[labels != place])
                for place in map(int, np.unique(labels))
            }
            return
        learnt = learn(features[rows], votes, [one.last.galaxy for one in said], self.tree, self.likeness.axes)
        orders = orders_of(learnt, features, rows, turn=len(said))
        self.measures = measures_of(learnt, orders, said, before=self.measures)
        self.learnt, self.orders, self.failure = learnt, orders, None


def _lower_priority() -> None:
    """Give this thread a lower priority than those that wait for a key, on systems where a thread can do so."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)
