"""What clicks are spent for: a goal, and which questions or rules count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING

from zooactive.foundation.errors import AcquisitionError, did_you_mean
from zooactive.foundation.vocabulary import GOALS, Goal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zooactive.posterior import Posterior
    from zooactive.tree import DecisionTree


@dataclass(frozen=True)
class Aim:
    """What clicks are spent for.

    Parameters
    ----------
    goal : {"error", "decision", "count", "model"}
        "error": fractions close to the truth, `catalogue_error`. "decision": few wrong answers to whether a fraction is
        above x, sum_q omega_q P(asked q) min(P, 1 - P) with P = P(fraction > x). "count": as many votes on a question as
        a recipe wants, sum_q omega_q P(votes >= `wanted`). "model": information about the network, `mutual_information`.
        There is no rate of exchange between them; values of different goals cannot be added.
    weights : mapping of str to float
        Question -> how much it counts; questions that are not named do not count. Empty: each counts 1. Not for "model".
    rules : mapping of str to float
        Answer -> x of "decision"; the weight of its question applies. Empty: each galaxy's commonest answer to each
        question, above one half.
    wanted : int
        Votes on a question that "count" asks for.

    Raises
    ------
    AcquisitionError
        For an unknown goal, a number out of range, or entries that the goal has no use for.
    """

    goal: Goal = "error"
    weights: Mapping[str, float] = field(default_factory=dict)
    rules: Mapping[str, float] = field(default_factory=dict)
    wanted: int = 20

    def __post_init__(self) -> None:
        if self.goal not in GOALS:
            hint = did_you_mean(str(self.goal), GOALS)
            raise AcquisitionError(f"there is no goal '{self.goal}'.{hint} Goals are {', '.join(GOALS)}")
        if isinstance(self.wanted, bool) or not isinstance(self.wanted, int) or self.wanted < 1:
            raise AcquisitionError(f"wanted = {self.wanted!r}: give a whole number of votes, 1 or more")
        if self.goal == "model" and self.weights:
            raise AcquisitionError("the goal 'model' is about the whole network; leave the questions' weights away")
        if self.goal != "decision" and self.rules:
            raise AcquisitionError(f"rules belong to the goal 'decision', and the goal is '{self.goal}'; leave them away")
        for column, x in self.rules.items():
            if isinstance(x, bool) or not isinstance(x, Real) or not 0 < x < 1:
                raise AcquisitionError(f"the rule on '{column}' is above {x!r}; give a fraction between 0 and 1")

    def question_weights(self, tree: DecisionTree) -> NDArray[np.float64]:
        """Return how much each question counts, shape (question,); raises AcquisitionError or TreeError for wrong ones."""
        from zooactive.acquisition.scores.catalogue_error import question_weights

        return question_weights(tree, self.weights or None)

    def counting(self, posterior: Posterior) -> NDArray[np.float64]:
        """Return how much each question counts times P(asked), shape (galaxy, question)."""
        from zooactive.acquisition.scores.catalogue_error import counting

        return counting(posterior, self.weights or None)

    def rule_columns(self, tree: DecisionTree) -> dict[int, float]:
        """Return the rules by the number of the answer; raises TreeError for an answer that the tree has not."""
        return {tree.columns.index(tree.resolve(column)): float(x) for column, x in self.rules.items()}
