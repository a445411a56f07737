"""The strategy "auto": test on randomly drawn galaxies whether a strategy beats random choice, before each round."""

from __future__ import annotations

from collections.abc import Sequence
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
from zooactive.models.head.bayesian import PRECISIONS, BayesianFit
from zooactive.models.head.laplace import losses_of
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree

LEAST = 150
"""The smallest number of randomly drawn galaxies with votes on which a strategy is tried."""

MOST = 1500
"""The largest number of galaxies used in a trial, which takes a minute. They are chosen by hashed id."""

WORSE = 0.05
"""A share of the clicks. Where random choice is the default, a strategy that may need this many more clicks is not taken."""

_SEEDS = 8
_TEST, _START, _ROUND, _ROUNDS = 1 / 3, 1 / 4, 1 / 8, 3
"""The share of test galaxies; then, of the remaining galaxies, the shares labelled at the start and in each round."""

_Curve: TypeAlias = tuple[list[float], list[float]]
"""Clicks and mean losses (nats per galaxy)."""


class Known(NamedTuple):
    """Randomly drawn galaxies with votes, and their features from an encoder that was not trained on them."""

    ids: NDArray[np.object_]
    features: NDArray[np.float16]
    votes: NDArray[np.float64]
    tree: DecisionTree
    concentrations: str
    """How the head's outputs become concentrations."""

    axes: FeatureAxes
    draws: int

    def at_most(self, number: int) -> Known:
        """Return at most this many of the galaxies: the first by hashed id."""
        if len(self.ids) <= number:
            return self
        kept = np.sort(np.argsort(uniform_from_ids(self.ids, purpose="trial", seed=-1))[:number])
        return self._replace(ids=self.ids[kept], features=self.features[kept], votes=self.votes[kept])


@dataclass(frozen=True)
class Trial:
    """The gain of a strategy over random choice at the same number of clicks, played on the same galaxies.

    Parameters
    ----------
    strategy : str
    gain, low, high : float
        The gain in log likelihood on galaxies that neither strategy was shown, in nats per galaxy, and the ends of its 95%
        interval.
    worth : float
        What 5% more clicks add to the log likelihood of random choice, in nats per galaxy.
    galaxies : int
        The number of randomly drawn galaxies with votes.
    """

    strategy: Strategy
    gain: float
    low: float
    high: float
    worth: float
    galaxies: int

    def told(self) -> str:
        """Return the result of the trial in one line."""
        return (
            f"tried on {self.galaxies} randomly drawn galaxies, {self.strategy} gains {self.gain:.3f} nats per galaxy over "
            f"random choice ({self.low:.3f} to {self.high:.3f}; 5% more clicks are worth {self.worth:.3f})"
        )


class Decision(NamedTuple):
    """The strategy that "auto" chose for a round, the reason, and the trial behind it if there was one."""

    strategy: Strategy
    why: str
    trial: Trial | None


def decide(known: Known | None, config: LoopConfig, tree: DecisionTree) -> Decision:
    """Choose the strategy that "auto" uses in this round.

    Random choice is the default if people vote and a head is trained on a frozen encoder, because no strategy was measured
    to beat random choice there (docs/loop.md). `config.candidate` replaces it if a trial finds the candidate no worse: the
    whole interval of its gain lies above -1 times what 5% of the clicks are worth. For single labels, and for networks
    trained as a whole, the candidate is the default: there mutual information was measured to be ahead of random choice, or
    level with it. Random choice replaces it if the whole interval of its gain lies below 0.

    Parameters
    ----------
    known : Known, optional
        None for a network that is trained as a whole, because a trial would take too long.
    config : LoopConfig
    tree : DecisionTree
    """
    candidate = config.candidate
    if candidate == "random":
        return Decision("random", "the score is 'random'", None)
    if known is None:
        return Decision(
            candidate,
            "no trial is made for a network that is trained as a whole; there, mutual information was measured to be level "
            "with random choice, or ahead of it",
            None,
        )
    at_random = tree.votes != "class"
    usual: Strategy = "random" if at_random else candidate
    because = (
        "with people's votes and a frozen encoder, no strategy was measured to beat random choice"
        if at_random
        else "with single labels, mutual information was measured to need fewer labels than random choice"
    )
    if len(known.ids) < LEAST:
        return Decision(usual, f"{because}; a trial needs {LEAST} randomly drawn galaxies, not {len(known.ids)}", None)
    trial = try_out(known.at_most(MOST), config)
    if at_random:
        return Decision(candidate if trial.low > -trial.worth else "random", trial.told(), trial)
    return Decision("random" if trial.high < 0 else candidate, trial.told(), trial)


def try_out(known: Known, config: LoopConfig) -> Trial:
    """Play the candidate and random choice on the same galaxies from the same starts, and compare them at equal clicks.

    Each of eight seeds splits the galaxies anew: a third are test galaxies, a sixth are labelled at the start, and each of
    three rounds asks for a twelfth. All heads have the prior that all galaxies together choose, in turn, so that the choice
    of priors adds nothing to the difference. Losses between rounds are interpolated linearly in clicks. The seeds share
    their galaxies. The variance of the mean gain over J seeds is therefore (1/J + n_test / n_train) s^2, where s^2 is the
    variance over single seeds (Nadeau & Bengio 2003, Machine Learning 52, 239, equation 9). The interval is Student's with
    J - 1 degrees of freedom.
    """
    from scipy import stats

    gains, worths = [], []
    everybody = np.argsort(uniform_from_ids(known.ids, purpose="trial", seed=-1))
    prior = _fitted(known, everybody, PRECISIONS).precision
    for seed in range(_SEEDS):
        chosen, blind = _played(known, config, seed, prior)
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


def _played(known: Known, config: LoopConfig, seed: int, precision: float) -> tuple[_Curve, _Curve]:
    """Return the curves of the candidate and of random choice."""
    order = np.argsort(uniform_from_ids(known.ids, purpose="trial", seed=seed))
    judges = round(_TEST * len(order))
    test, others = order[:judges], order[judges:]
    start, n = round(_START * len(others)), round(_ROUND * len(others))
    begun = _fitted(known, others[:start], (precision,)).head
    curves = []
    for strategy in (config.candidate, "random"):
        rows, head, clicks, losses = others[:start], begun, list[float](), list[float]()
        for number in range(_ROUNDS + 1):
            if number:
                rows = np.concatenate([rows, _chosen(known, others, rows, head, config, strategy, n, number)])
                head = _fitted(known, rows, (precision,)).head
            clicks.append(float(known.votes[rows].sum()))
            losses.append(float(losses_of(head, known.features[test], known.votes[test], draws=known.draws).mean()))
        curves.append((clicks, losses))
    return curves[0], curves[1]


def _fitted(known: Known, rows: NDArray[np.intp], precisions: Sequence[float]) -> BayesianFit:
    """Fit a head to some galaxies, which choose among priors in turn."""
    return fit_bayesian_head(
        None,
        (known.features[rows], known.votes[rows]),
        known.tree,
        known.axes,
        concentrations=known.concentrations,
        precisions=precisions,
        in_turn=True,
    )


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
    """Return the galaxies of the next round; `others` is in hash order, and random choice takes the next ones."""
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
