"""Does a choice pay here? Tried on galaxies that were drawn at random, before the next ones are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.pool import as_pool
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.foundation.vocabulary import Strategy
from zooactive.loop.config import LoopConfig
from zooactive.loop.strategies import choose
from zooactive.models import FeatureAxes, LaplaceHead, fit_bayesian_head
from zooactive.models.head.laplace import losses_of
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree

LEAST = 150
"""Galaxies drawn at random with votes, below which nothing is tried."""

MOST = 1500
"""Of those that are tried on, by their hashed ids: a trial of so many takes two minutes, and of more it takes longer."""

WORSE = 0.05
"""Of the clicks: a choice that may need so many more than random choice is not taken where random choice is the usual."""

_SEEDS = 8
_TEST, _START, _ROUND, _ROUNDS = 1 / 3, 1 / 4, 1 / 8, 3
"""Shares of the galaxies that judge, and of the others that are labelled at the start and in each round."""

_Curve: TypeAlias = tuple[list[float], list[float]]
"""Clicks and mean losses, nats a galaxy."""


class Known(NamedTuple):
    """Galaxies that were drawn at random, with features of an encoder that has not learnt from them, and their votes."""

    ids: NDArray[np.object_]
    features: NDArray[np.float16]
    votes: NDArray[np.float64]
    tree: DecisionTree
    concentrations: str
    """How outputs of the head become concentrations."""

    axes: FeatureAxes
    draws: int

    def at_most(self, number: int) -> Known:
        """Return so many of the galaxies, the first by their hashed ids."""
        if len(self.ids) <= number:
            return self
        kept = np.sort(np.argsort(uniform_from_ids(self.ids, purpose="trial", seed=-1))[:number])
        return self._replace(ids=self.ids[kept], features=self.features[kept], votes=self.votes[kept])


@dataclass(frozen=True)
class Trial:
    """What a strategy gained over random choice at as many clicks, when both were played on the same galaxies.

    Parameters
    ----------
    strategy : str
    gain, low, high : float
        Log likelihood of galaxies that neither was shown, nats a galaxy, and the ends of its 95% interval.
    worth : float
        What 5% more clicks bring random choice, nats a galaxy.
    galaxies : int
        Drawn at random, with votes.
    """

    strategy: Strategy
    gain: float
    low: float
    high: float
    worth: float
    galaxies: int

    def told(self) -> str:
        """Say it in a line."""
        return (
            f"tried on {self.galaxies} galaxies drawn at random, {self.strategy} gains {self.gain:.3f} nats a galaxy over "
            f"random choice ({self.low:.3f} to {self.high:.3f}; 5% more clicks are worth {self.worth:.3f})"
        )


class Decision(NamedTuple):
    """What "auto" stands for in a round, why, and the trial behind it if there was one."""

    strategy: Strategy
    why: str
    trial: Trial | None


def decide(known: Known | None, config: LoopConfig, tree: DecisionTree) -> Decision:
    """Say what "auto" stands for.

    Random choice is the usual where people vote and a head is learnt on a frozen encoder, for no strategy was measured to
    beat it there (docs/loop.md); `config.candidate` takes its place where it is not worse: where the whole interval of its
    gain is above -1 times what 5% of the clicks are worth. The candidate is the usual for single labels, and for networks
    that are trained whole; random choice takes its place where the whole interval of its gain is below 0.

    Parameters
    ----------
    known : Known, optional
        None for a network that is trained whole, with which nothing can be tried in passing.
    config : LoopConfig
    tree : DecisionTree
    """
    candidate = config.candidate
    if candidate == "random":
        return Decision("random", "the score is 'random'", None)
    if known is None:
        return Decision(candidate, "nothing is tried with a network that is trained whole", None)
    at_random = tree.votes != "class"
    usual: Strategy = "random" if at_random else candidate
    because = (
        "no strategy was measured to beat random choice where people vote and the encoder is frozen"
        if at_random
        else "with single labels it was measured to save a third to a half of them"
    )
    if len(known.ids) < LEAST:
        return Decision(usual, f"{because}; {len(known.ids)} galaxies drawn at random are too few to try it ({LEAST})", None)
    trial = try_out(known.at_most(MOST), config)
    if at_random:
        return Decision(candidate if trial.low > -trial.worth else "random", trial.told(), trial)
    return Decision("random" if trial.high < 0 else candidate, trial.told(), trial)


def try_out(known: Known, config: LoopConfig) -> Trial:
    """Play the candidate and random choice on the same galaxies, from the same starts, and compare them at equal clicks.

    Each of eight seeds parts the galaxies anew: a third judges, a sixth is the start, and three rounds ask for a twelfth
    each. Losses between rounds lie on a straight line over clicks. The seeds share their galaxies, so that the variance of
    the mean gain is (1/J + n_test / n_train) s^2, with s^2 that of single seeds (Nadeau & Bengio 2003, Machine Learning 52,
    239, equation 9), and the interval is Student's with J - 1 degrees of freedom.
    """
    from scipy import stats

    gains, worths = [], []
    for seed in range(_SEEDS):
        chosen, blind = _played(known, config, seed)
        clicks = min(chosen[0][-1], blind[0][-1])
        theirs, mine, before = (
            float(np.interp(at, *curve)) for at, curve in ((clicks, blind), (clicks, chosen), (clicks / (1 + WORSE), blind))
        )
        gains.append(theirs - mine)
        worths.append(before - theirs)
    gain = float(np.mean(gains))
    error = float(np.std(gains, ddof=1)) * np.sqrt(1 / _SEEDS + _TEST / (1 - _TEST))
    half = float(stats.t.ppf(0.975, _SEEDS - 1)) * error
    worth = max(float(np.mean(worths)), 0.0)
    return Trial(config.candidate, gain, gain - half, gain + half, worth, len(known.ids))


def _played(known: Known, config: LoopConfig, seed: int) -> tuple[_Curve, _Curve]:
    """Return the curves of the candidate and of random choice."""
    order = np.argsort(uniform_from_ids(known.ids, purpose="trial", seed=seed))
    judges = round(_TEST * len(order))
    test, others = order[:judges], order[judges:]
    start, n = round(_START * len(others)), round(_ROUND * len(others))
    begun = _fitted(known, others[:start], seed)
    curves = []
    for strategy in (config.candidate, "random"):
        rows, head, clicks, losses = others[:start], begun, list[float](), list[float]()
        for number in range(_ROUNDS + 1):
            if number:
                rows = np.concatenate([rows, _chosen(known, others, rows, head, config, strategy, n, number)])
                head = _fitted(known, rows, seed)
            clicks.append(float(known.votes[rows].sum()))
            losses.append(float(losses_of(head, known.features[test], known.votes[test], draws=known.draws).mean()))
        curves.append((clicks, losses))
    return curves[0], curves[1]


def _fitted(known: Known, rows: NDArray[np.intp], seed: int) -> LaplaceHead:
    """Learn from some galaxies, a fifth of which choose the prior first."""
    judges = np.zeros(len(rows), dtype=bool)
    judges[np.argsort(uniform_from_ids(known.ids[rows], purpose="judges", seed=seed))[: max(len(rows) // 5, 1)]] = True
    parts = [(known.features[some], known.votes[some]) for some in (rows[~judges], rows[judges])]
    fit = fit_bayesian_head(parts[0], parts[1], known.tree, known.axes, concentrations=known.concentrations)
    return fit.head


def _chosen(
    known: Known,
    others: NDArray[np.intp],
    rows: NDArray[np.intp],
    head: LaplaceHead,
    config: LoopConfig,
    strategy: Strategy,
    n: int,
    number: int,
) -> NDArray[np.intp]:
    """Return the galaxies of the next round; they are in the order of hashes, of which random choice takes the next."""
    left = others[~np.isin(others, rows)]
    if strategy == "random":
        return left[:n]
    concentrations = head.posterior_concentrations(known.features[left], draws=known.draws, seed=0)
    posterior = Posterior(concentrations, known.ids[left], known.tree)
    row_of = dict(zip(known.ids[left], left, strict=True))
    selection = choose(
        as_pool(posterior),
        replace(config, strategy=strategy, n=n, random_share=0.0),
        eligible=len(left),
        exclude=(),
        embeddings=lambda ids: (sorted(ids), known.features[[row_of[name] for name in sorted(ids)]]),
        number=number,
    )
    return np.array([row_of[name] for name in selection["id"]])
