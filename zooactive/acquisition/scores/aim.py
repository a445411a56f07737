"""The aim for which clicks are spent: a goal, and the questions or rules that count."""

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
    """The aim for which clicks are spent.

    Parameters
    ----------
    goal : {"error", "decision", "count", "model"}
        "error": fractions close to the truth, by `catalogue_error`. "decision": few wrong decisions whether a fraction is
        above x, by sum_q omega_q P(asked q) min(P, 1 - P) with P = P(fraction > x). "count": enough votes on a question, by
        sum_q omega_q P(votes >= `wanted`). "model": information about the network, by `mutual_information`. Values of
        different goals have different units and cannot be added.
    weights : mapping of str to float
        Question -> its weight. Questions that are not named have the weight 0. If empty, each question has the weight 1. Not
        for "model".
    rules : mapping of str to float
        Answer -> the x of "decision", with the weight of its question. If empty, the rule for each question is whether each
        galaxy's most common answer is above one half.
    wanted : int
        The number of votes on a question for "count".

    Raises
    ------
    AcquisitionError
        For an unknown goal, a number out of range, or entries that the goal does not use.
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
            raise AcquisitionError("the goal 'model' is about the whole network; leave out the questions' weights")
        if self.goal != "decision" and self.rules:
            raise AcquisitionError(f"rules belong to the goal 'decision', but the goal is '{self.goal}'; leave out rules")
        for column, x in self.rules.items():
            if isinstance(x, bool) or not isinstance(x, Real) or not 0 < x < 1:
                raise AcquisitionError(f"the rule on '{column}' has the limit {x!r}; give a fraction between 0 and 1")

    def question_weights(self, tree: DecisionTree) -> NDArray[np.float64]:
        """Return the weight of each question, shape (question,); raise an AcquisitionError or TreeError if invalid."""
        from zooactive.acquisition.scores.catalogue_error import question_weights

        return question_weights(tree, self.weights or None)

    def counting(self, posterior: Posterior) -> NDArray[np.float64]:
        """Return each question's weight times P(asked), shape (galaxy, question)."""
        from zooactive.acquisition.scores.catalogue_error import counting

        return counting(posterior, self.weights or None)

    def rule_columns(self, tree: DecisionTree) -> dict[int, float]:
        """Return the rules by the number of the answer; raise a TreeError for an answer that the tree does not have."""
        return {tree.columns.index(tree.resolve(column)): float(x) for column, x in self.rules.items()}
