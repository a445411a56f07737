"""A simulated crowd: volunteers of different skill, bias and diligence, who answer down a decision tree.

For a galaxy with true vote probabilities rho, volunteer v answers by::

    p_v = s_v rho + (1 - s_v) b_v
    b_v = (1 - bias) uniform + bias ((1 - personal) common + personal own_v)

Here s_v is the volunteer's skill, and b_v is the probability of each answer without looking. It mixes a leaning that the
whole crowd shares and one of the volunteer's own; both are Dirichlet draws for each question. Some volunteers answer far
more often than others. A volunteer sees a galaxy only once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.hashing import hash_ids
from zooactive.tree import DecisionTree

_AT_ONCE = 1 << 22  # probabilities held in memory at a time


@dataclass(frozen=True)
class Crowd:
    """A simulated crowd, described by the distribution of its volunteers.

    Parameters
    ----------
    volunteers : int
        The number of volunteers.
    skill : float
        The mean skill, from 0 (answers without looking) to 1 (answers by the galaxy's true probabilities).
    skill_spread : float
        The variance of the skill divided by the largest possible variance, in [0, 1). Skills follow a beta distribution.
    bias : float
        How volunteers answer without looking: 0 means every answer alike, 1 means by leanings alone.
    personal : float
        The share of the leanings that is each volunteer's own, 0 to 1. The rest is shared by the whole crowd.
    activity : float
        The inequality of the numbers of classifications: the standard deviation of their logarithm, 0 for equal numbers.
    seed : int
        The same seed gives the same volunteers.

    Raises
    ------
    CatalogueError
        When a value is out of range.

    Examples
    --------
    >>> from zooactive.tree.files import load_tree
    >>> sure = np.array([[0.9, 0.1]])
    >>> Crowd(skill=0.5, bias=0).probabilities(sure, load_tree("rings")).round(3)
    array([[0.7, 0.3]])
    """

    volunteers: int = 2000
    skill: float = 0.9
    skill_spread: float = 0.1
    bias: float = 0.5
    personal: float = 0.5
    activity: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.volunteers < 1:
            raise CatalogueError(f"a crowd of {self.volunteers} volunteers was asked for; give a number above 0")
        for name in ("skill", "bias", "personal"):
            if not 0 <= getattr(self, name) <= 1:
                raise CatalogueError(f"a crowd's {name} = {getattr(self, name)!r}; give a number from 0 to 1")
        if not 0 <= self.skill_spread < 1:
            raise CatalogueError(f"a crowd's skill_spread = {self.skill_spread!r}; give a number from 0 to below 1")
        if not 0 <= self.activity < np.inf:
            raise CatalogueError(f"a crowd's activity = {self.activity!r}; give a number of at least 0")

    def probabilities(self, rho: ArrayLike, tree: DecisionTree) -> NDArray[np.float64]:
        """Return the crowd's expected answers, exactly.

        The result is the mean over volunteers, weighted by activity. For a child question it is the mean over those who
        reach the question. They are not a fair sample of all: a volunteer who tends to say "featured" is asked more often
        about a bar.

        Parameters
        ----------
        rho : array, shape (G, answer)
            True probabilities, each question's summing to 1.
        tree : DecisionTree

        Returns
        -------
        ndarray of float64, shape (G, answer)
            Each question's answers sum to 1.
        """
        people, rho = members(self, tree), np.asarray(rho, dtype=np.float64)
        out = np.empty_like(rho)
        rows = max(1, _AT_ONCE // (self.volunteers * len(tree.columns)))
        for start in range(0, len(rho), rows):
            block = slice(start, start + rows)
            chances = people.chances(np.arange(self.volunteers), rho[block, None, :])
            given = np.einsum("v,gva->ga", people.shares, tree.joint(chances))
            asked = tree.question_sums(given)[:, tree.question_index]
            everybody = np.einsum("v,gva->ga", people.shares, chances)  # for questions that nobody reaches
            out[block] = np.where(asked > 0, given / np.where(asked > 0, asked, 1), everybody)
        return out

    def walk(
        self, rho: ArrayLike, tree: DecisionTree, *, ids: Iterable[str], volunteers: int = 40, seed: int = 0
    ) -> NDArray[np.int64]:
        """Return the votes of this many volunteers on each galaxy, shape (G, answer); parameters as in `classify`."""
        rho, ids = np.asarray(rho, dtype=np.float64), list(ids)
        counts = [part.counts(tree) for part in self.classify(rho, tree, ids=ids, volunteers=volunteers, seed=seed)]
        return np.concatenate(counts) if counts else np.zeros((0, len(tree.columns)), dtype=np.int64)

    def classify(
        self, rho: ArrayLike, tree: DecisionTree, *, ids: Iterable[str], volunteers: int = 40, seed: int = 0
    ) -> Iterator[Answers]:
        """Yield who sees each galaxy and what they answer, a few thousand galaxies at a time.

        Parameters
        ----------
        rho : array, shape (G, answer)
            True probabilities, each question's summing to 1.
        tree : DecisionTree
        ids : iterable of str, length G
        volunteers : int
            The number of different volunteers who see each galaxy.
        seed : int
            Decides who sees a galaxy and what they answer. A galaxy's votes depend on the seed and the galaxy's id alone.

        Raises
        ------
        CatalogueError
            When the crowd is too small for this number, or its most active volunteer would see a galaxy twice.
        """
        people, rho, ids = members(self, tree), np.asarray(rho, dtype=np.float64), list(ids)
        if volunteers < 1 or volunteers * people.shares.max() > 1 - 1e-9:
            most = int((1 - 1e-9) / people.shares.max())
            raise CatalogueError(
                f"{volunteers} volunteers were asked for on each galaxy; a crowd of {self.volunteers} with activity "
                f"{self.activity:g} allows 1 to {most}, so that nobody sees a galaxy twice; give a larger crowd"
            )
        rows = max(1, _AT_ONCE // (8 * volunteers * len(tree.columns)))
        for start in range(0, len(ids), rows):
            part = ids[start : start + rows]
            dice = [np.random.default_rng(int(key)) for key in hash_ids(part, purpose="crowd", seed=seed)]
            who = np.stack([_sampled(people.shares, volunteers, rng) for rng in dice])
            uniforms = np.stack([rng.random((volunteers, len(tree.questions))) for rng in dice])
            chances = people.chances(who, rho[start : start + rows, None, :])
            yield Answers(who, _down_the_tree(tree, chances, uniforms))


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of a crowd: who saw which galaxies, and what they answered.

    Parameters
    ----------
    who : ndarray of int64, shape (G, volunteer)
        The numbers of the volunteers, in order of arrival.
    chosen : ndarray of int64, shape (G, volunteer, question)
        The column of each answer, or -1 if the question was not asked.
    """

    who: NDArray[np.int64]
    chosen: NDArray[np.int64]

    def counts(self, tree: DecisionTree) -> NDArray[np.int64]:
        """Return the votes, shape (G, answer)."""
        galaxy, _, _ = np.nonzero(self.chosen >= 0)
        places = galaxy * len(tree.columns) + self.chosen[self.chosen >= 0]
        votes = np.bincount(places, minlength=len(self.chosen) * len(tree.columns))
        return votes.reshape(len(self.chosen), len(tree.columns)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Members:
    """The V volunteers of a crowd for one decision tree.

    `skills` has shape (V,). `leanings`, of shape (V, answer), is what each answers without looking. `shares`, of shape (V,),
    is each one's share of all classifications; they sum to 1.
    """

    skills: NDArray[np.float64]
    leanings: NDArray[np.float64]
    shares: NDArray[np.float64]

    def chances(self, who: NDArray[np.int64], rho: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities of volunteers' answers: numbers (..., v), truths (..., 1, answer) -> (..., v, answer)."""
        skills = self.skills[who][..., None]
        return np.asarray(skills * rho + (1 - skills) * self.leanings[who])


@lru_cache(maxsize=8)
def members(crowd: Crowd, tree: DecisionTree) -> Members:
    """Draw the volunteers of a crowd."""
    rng = np.random.default_rng((crowd.seed, 0))
    shares = np.exp(crowd.activity * rng.standard_normal(crowd.volunteers))
    if crowd.skill_spread > 0 and 0 < crowd.skill < 1:
        strength = 1 / crowd.skill_spread - 1
        skills = rng.beta(crowd.skill * strength, (1 - crowd.skill) * strength, crowd.volunteers)
    else:
        skills = np.full(crowd.volunteers, float(crowd.skill))
    leanings = np.empty((crowd.volunteers, len(tree.columns)))
    for question, where in zip(tree.questions, tree.slices, strict=True):
        ones = np.ones(len(question.answers))
        common, own = rng.dirichlet(ones), rng.dirichlet(ones, crowd.volunteers)
        leaning = (1 - crowd.personal) * common + crowd.personal * own
        leanings[:, where] = (1 - crowd.bias) / len(ones) + crowd.bias * leaning
    return Members(skills, leanings, shares / shares.sum())


def perfect_crowd(volunteers: int) -> Crowd:
    """Return a crowd that answers by the true probabilities, large enough for this many volunteers per galaxy."""
    return Crowd(volunteers=max(1, 2 * volunteers), skill=1, activity=0)


def _sampled(shares: NDArray[np.float64], volunteers: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Sample different volunteers, each with a probability of `volunteers` times their share (systematic sampling)."""
    order = rng.permutation(len(shares))
    ends = np.cumsum(shares[order])
    places = (rng.random() + np.arange(volunteers)) / volunteers * ends[-1]
    found = order[np.minimum(np.searchsorted(ends, places, side="right"), len(shares) - 1)]
    return np.asarray(rng.permutation(found), dtype=np.int64)


def _down_the_tree(tree: DecisionTree, chances: NDArray[np.float64], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose answers down the tree: chances (..., answer), uniforms (..., question) -> columns, or -1 if not asked."""
    chosen = np.full(uniforms.shape, -1, dtype=np.int64)
    for question in tree.order:
        where, parent = tree.slices[question], tree.parents[question]
        ends = np.cumsum(chances[..., where], axis=-1)[..., :-1]
        answer = where.start + (uniforms[..., question, None] >= ends).sum(axis=-1)
        before = chosen[..., parent]
        asked = True if parent < 0 else (before >= 0) & tree.leads_to[question][before]
        chosen[..., question] = np.where(asked, answer, -1)
    return chosen
