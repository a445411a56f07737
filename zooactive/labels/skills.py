"""Volunteers' skills: how closely each one's answers follow the galaxies, and votes weighted by skill.

For a galaxy g with fractions pi, volunteer v answers by::

p(a | v, g) = s_v pi_ga + (1 - s_v) b_a

Here s_v is the volunteer's skill, and b is what the crowd answers without looking. This is the model of Dawid & Skene (1979,
Applied Statistics 28, 20) with one parameter per volunteer, except that the truth is not a class but a galaxy's fractions,
because people who look do not agree about every galaxy. The model is hierarchical (as in Paun et al. 2018, TACL 6, 571): the
skills of the crowd have a distribution of any shape on a grid (Laird 1978, JASA 73, 805), which is estimated together with
the skills. Volunteers with few answers therefore count as the crowd does on average.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import CatalogueError
from zooactive.labels.classifications import Classification
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    import pandas as pd

_GRID = np.linspace(0, 1, 21)
_AT_ONCE = 1 << 18  # answers whose likelihoods are in memory together
_PRIOR = 3.0
"""The prior of a galaxy's fractions during the fit, as a number of votes at the survey's mean. The result has no such
votes."""

_ENOUGH = 1e-4
_MOST = 100


@dataclass(frozen=True, eq=False)
class Skills:
    """The estimated skills of volunteers.

    Parameters
    ----------
    skill : mapping of str to float
        Volunteer -> expected skill, from 0 (answers without looking) to 1 (answers by the galaxies). Only people who were
        logged in are listed, because the others have a different name in each export.
    crowd : ndarray of float64, shape (grid,)
        The distribution of skills in the crowd, at 0, 0.05, ..., 1.
    leanings : ndarray of float64, shape (answer,)
        The probability of each answer by a volunteer who does not look.
    """

    skill: dict[str, float]
    crowd: NDArray[np.float64]
    leanings: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """The mean skill of the crowd, used for unknown people, such as all who were not logged in."""
        return float(self.crowd @ _GRID)

    def weight(self, volunteer: str) -> float:
        """Return the weight of a volunteer's vote."""
        return self.skill.get(volunteer, self.mean)


class _Answers(NamedTuple):
    """Answers in rows: the galaxy, the column, and the volunteer (-1 for people without a login)."""

    galaxy: NDArray[np.int64]
    column: NDArray[np.int64]
    volunteer: NDArray[np.int64]
    galaxies: list[str]
    volunteers: list[str]
    people: NDArray[np.int64]


def weigh_votes(classifications: Iterable[Classification], tree: DecisionTree) -> tuple[pd.DataFrame, Skills]:
    """Fit the skills of volunteers, and count votes weighted by skill.

    Parameters
    ----------
    classifications : iterable of Classification
        The classifications of *one* export, as `read_export` yields them. Two exports would give people who were not logged
        in two names.
    tree : DecisionTree

    Returns
    -------
    votes : DataFrame
        ``id``, one column per answer of the tree with the sum of the weights, and ``volunteers``, the number of people
        counted. A vote's weight is its volunteer's skill, so that the sum of a galaxy's weights is the equivalent number of
        perfect volunteers. Of several classifications of one galaxy by one person, the first counts.
    skills : Skills

    Raises
    ------
    CatalogueError
        When there are no answers.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("ring", ["yes", "no"])])
    >>> said = [Classification(i, f"g{i % 9}", f"v{i // 9}", i, (i % 9 % 2,)) for i in range(90)]  # all agree
    >>> votes, skills = weigh_votes(said, tree)
    >>> bool(skills.mean > 0.9), len(votes)
    (True, 9)
    """
    import pandas as pd

    answers = _in_rows(classifications, tree)
    if not len(answers.galaxy):
        raise CatalogueError("skills cannot be fitted, because there are no answers; give an export with classifications")
    posterior, crowd, leanings = _fitted(answers, tree)
    skill = dict(zip(answers.volunteers, (posterior @ _GRID).tolist(), strict=True))
    known = np.append(posterior @ _GRID, crowd @ _GRID)  # the last one is for -1
    shape = (len(answers.galaxies), len(tree.columns))
    votes = pd.DataFrame(_summed(answers, known[answers.volunteer], shape), columns=list(tree.columns))
    votes.insert(0, "id", answers.galaxies)
    return votes.assign(volunteers=answers.people), Skills(skill, crowd, leanings)


def _in_rows(classifications: Iterable[Classification], tree: DecisionTree) -> _Answers:
    """Put answers into rows; of several classifications by one person of one galaxy, the first counts."""
    galaxies: dict[str, int] = {}
    volunteers: dict[str, int] = {}
    first: dict[tuple[str, int], Classification] = {}
    unknown = list[Classification]()
    for said in classifications:
        galaxy = galaxies.setdefault(said.galaxy, len(galaxies))
        if not said.volunteer:
            unknown.append(said)
            continue
        before = first.get((said.volunteer, galaxy))
        if before is None or (said.at, said.id) < (before.at, before.id):
            first[said.volunteer, galaxy] = said
    counted = [*first.values(), *unknown]
    person = [-1 if said.anonymous else volunteers.setdefault(said.volunteer, len(volunteers)) for said in counted]
    numbers = np.array([len(said.columns) for said in counted], dtype=np.int64)
    place = np.array([galaxies[said.galaxy] for said in counted], dtype=np.int64)
    names = list(galaxies)
    order = np.argsort(np.array(names, dtype=object).astype(str), kind="stable")
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    place = rank[place] if len(place) else place
    column = np.array([column for said in counted for column in said.columns], dtype=np.int64)
    return _Answers(
        np.repeat(place, numbers),
        column,
        np.repeat(np.array(person, dtype=np.int64), numbers),
        [names[row] for row in order],
        list(volunteers),
        np.bincount(place, minlength=len(names)),
    )


def _fitted(answers: _Answers, tree: DecisionTree) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the posterior of each volunteer's skill (volunteer, grid), the crowd's skills, and the leanings.

    The fit is by expectation maximisation. Given the galaxies' fractions, each skill of the grid has a likelihood. Given the
    skills, each answer was made by looking with some probability, and the fractions are estimated from answers made by
    looking. An answer is never compared with fractions that include it, because with few votes it would agree with itself.
    """
    question = tree.question_index
    shape = (len(answers.galaxies), len(tree.columns))
    crowd = np.full(len(_GRID), 1 / len(_GRID))
    posterior = np.tile(crowd, (len(answers.volunteers), 1))
    looked = np.full(len(answers.galaxy), 0.8)
    leanings = _shares(np.bincount(answers.column, minlength=shape[1]).astype(float), tree)
    mean, last = leanings.copy(), np.inf
    for _ in range(_MOST):
        held = _summed(answers, looked, shape)
        asked = tree.question_sums(held)[answers.galaxy, question[answers.column]]
        others = held[answers.galaxy, answers.column] - looked + _PRIOR * mean[answers.column]
        fractions = others / (asked - looked + _PRIOR)
        likelihood = np.zeros_like(posterior)
        for rows in _blocks(len(answers.galaxy)):
            named = answers.volunteer[rows] >= 0
            chances = np.log(_chances(fractions[rows][named], leanings[answers.column[rows]][named]))
            np.add.at(likelihood, answers.volunteer[rows][named], chances)
        weights = np.log(np.maximum(crowd, 1e-12)) + likelihood
        posterior = np.exp(weights - weights.max(axis=1, keepdims=True)) if len(weights) else weights
        posterior /= posterior.sum(axis=1, keepdims=True)
        crowd = posterior.mean(axis=0) if len(posterior) else crowd
        known = np.vstack([posterior, crowd])
        for rows in _blocks(len(answers.galaxy)):
            chances = _chances(fractions[rows], leanings[answers.column[rows]])
            by_looking = _GRID * fractions[rows][:, None] / chances
            looked[rows] = (known[answers.volunteer[rows]] * by_looking).sum(axis=1)
        leanings = _shares(_of_columns(answers, 1 - looked, shape[1]), tree)
        mean = _shares(_of_columns(answers, looked, shape[1]), tree)
        now = float(crowd @ _GRID)
        if abs(now - last) < _ENOUGH:
            break
        last = now
    return posterior, crowd, leanings


def _chances(fractions: NDArray[np.float64], leanings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of answers at each skill of the grid, (row, grid)."""
    return np.asarray(_GRID * fractions[:, None] + (1 - _GRID) * leanings[:, None])


def _summed(answers: _Answers, weights: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the sums of weights, (galaxy, answer)."""
    places = answers.galaxy * shape[1] + answers.column
    return np.asarray(np.bincount(places, weights, minlength=shape[0] * shape[1]), dtype=np.float64).reshape(shape)


def _of_columns(answers: _Answers, weights: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Return the sums of weights, (answer,)."""
    return np.asarray(np.bincount(answers.column, weights, minlength=number), dtype=np.float64)


def _shares(counts: NDArray[np.float64], tree: DecisionTree) -> NDArray[np.float64]:
    """Return the shares of each question's answers, none of which is 0."""
    counts = counts + 1.0
    return np.asarray(counts / tree.question_sums(counts[None])[0, tree.question_index])


def _blocks(number: int) -> list[slice]:
    return [slice(start, start + _AT_ONCE) for start in range(0, number, _AT_ONCE)]
