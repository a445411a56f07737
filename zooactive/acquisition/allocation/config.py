"""The settings of `zooactive.allocate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.scores.aim import Aim
from zooactive.foundation.errors import AcquisitionError, did_you_mean
from zooactive.foundation.vocabulary import GOALS, Goal
from zooactive.tree import DecisionTree


@dataclass(frozen=True)
class AllocationConfig(Aim):
    """Settings for the allocation of clicks.

    Parameters
    ----------
    goal, weights, rules, wanted
        What clicks are spent for, as in `Aim`.
    floor, ceiling : int
        The smallest and the largest number of volunteers for every galaxy, including earlier ones.
    done : float, optional
        A galaxy needs no more votes once no more than this is missing from the goal (for "error", the galaxy's
        `catalogue_error`). By default no galaxy is done before its ceiling.
    max_artifact : float, optional
        A galaxy gets no more votes if a larger share of volunteers is expected to call it an artifact.
    counted : sequence of str
        The questions whose answers count as clicks. By default all count: a volunteer costs every answer given down the
        tree. In a study of one question, name that question, and only its answers count.
    least : mapping of str to float
        Goal -> the share of the clicks spent for this goal first. The rest is then spent for `goal`.
    trees : int
        The number of vote trees sampled for each galaxy. The sampling loss of a plan depends on this number, and hardly on
        the number of draws: with 64 trees it is about 0.7% of the best plan's value at 20 clicks per galaxy, with 32 about
        1%.
    seed : int

    Raises
    ------
    AcquisitionError
        For an unknown goal or a number out of range.
    """

    floor: int = 0
    ceiling: int = 40
    done: float | None = None
    max_artifact: float | None = None
    counted: tuple[str, ...] = ()
    least: Mapping[Goal, float] = field(default_factory=dict)
    trees: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "counted", (self.counted,) if isinstance(self.counted, str) else tuple(self.counted))
        if self.wanted != Aim.wanted and self.goal != "count" and "count" not in self.least:
            raise AcquisitionError(
                f"wanted = {self.wanted} belongs to the goal 'count', but the goal is '{self.goal}'; leave out wanted"
            )
        for name, number in (("floor", self.floor), ("ceiling", self.ceiling)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                raise AcquisitionError(f"{name} = {number!r}: give a whole number of volunteers, 0 or more")
        if self.floor > self.ceiling:
            raise AcquisitionError(
                f"floor = {self.floor} is above ceiling = {self.ceiling}; lower the floor or raise the ceiling"
            )
        if self.done is not None and not (isfinite(self.done) and self.done >= 0):
            raise AcquisitionError(f"done = {self.done}: give a finite number, 0 or more")
        if self.max_artifact is not None and not 0 <= self.max_artifact <= 1:
            raise AcquisitionError(f"max_artifact = {self.max_artifact}: give a number between 0 and 1")
        for goal, share in self.least.items():
            if goal not in GOALS:
                hint = did_you_mean(str(goal), GOALS)
                raise AcquisitionError(f"least: there is no goal '{goal}'.{hint} Goals are {', '.join(GOALS)}")
            if goal == self.goal or not 0 <= share <= 1:
                raise AcquisitionError(
                    f"least: {goal} = {share}; give shares between 0 and 1 for other goals than '{self.goal}', which gets "
                    "the rest"
                )
        if sum(self.least.values()) > 1:
            raise AcquisitionError(f"least: the shares sum to {sum(self.least.values())}; give shares that sum to at most 1")

    def aims(self) -> list[tuple[AllocationConfig, float]]:
        """Return the aims in the order of spending, each with the share of all clicks that may be spent once it is done."""
        found, gone = [], 0.0
        for goal in GOALS:
            if goal in self.least:
                gone += self.least[goal]
                weights = {} if goal == "model" else self.weights
                wanted = self.wanted if goal == "count" else Aim.wanted
                aim = replace(self, goal=goal, weights=weights, rules={}, wanted=wanted, least={}, done=None)
                found.append((aim, gone))
        wanted = self.wanted if self.goal == "count" else Aim.wanted
        return [*found, (replace(self, wanted=wanted, least={}), 1.0)]

    def counted_questions(self, tree: DecisionTree) -> NDArray[np.int64]:
        """Return the numbers of the questions whose answers are clicks; raise a TreeError for an unknown question."""
        if not self.counted:
            return np.arange(len(tree.questions))
        return np.array([tree.questions.index(tree.question(name)) for name in self.counted], dtype=np.int64)

    def allocation(self, **changed: Any) -> AllocationConfig:
        """Return only these options, without those that a workspace adds, and with some of them changed."""
        return AllocationConfig(**{entry.name: getattr(self, entry.name) for entry in fields(AllocationConfig)} | changed)


class AllocationOptions(TypedDict, total=False):
    """The options of `AllocationConfig` as keywords; a test checks that both are the same."""

    goal: Goal
    weights: Mapping[str, float]
    rules: Mapping[str, float]
    wanted: int
    floor: int
    ceiling: int
    done: float | None
    max_artifact: float | None
    counted: tuple[str, ...]
    least: Mapping[Goal, float]
    trees: int
    seed: int
