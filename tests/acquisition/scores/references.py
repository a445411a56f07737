"""Other routes to the entropies of a galaxy's votes: exact, without enumerating whole trees of votes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from zooactive.acquisition.scores.enumeration import compositions
from zooactive.posterior import Posterior
from zooactive.tree.likelihood import log_rising_table


class InformationBounds(NamedTuple):
    """Between what the mutual information lies, nats, each of shape (galaxy,)."""

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


def information_bounds(posterior: Posterior, votes: int = 2) -> InformationBounds:
    """Bound the mutual information between a galaxy's votes and the network, from one question at a time.

    max_q I((n_q, k_q); t) <= I <= sum_q I(k_q; t | n_q), where I(k_q; t | n_q) has weights in proportion to P_t(n_q = n).
    The lower bound is the data-processing inequality. The upper bound holds because a child's votes depend on earlier ones
    only through how many were asked; what two questions tell alike is counted twice.
    """
    tree = posterior.tree
    asked = votes_asked(posterior, votes)
    both = np.empty((len(posterior), len(tree.questions)))  # I((n_q, k_q); t)
    of_asked = np.empty_like(both)  # I(n_q; t)
    for q, where in enumerate(tree.slices):
        counts = np.concatenate([compositions(n, where.stop - where.start) for n in range(votes + 1)])
        for g, weights in enumerate(posterior.weights.T):
            alpha = posterior.concentrations[:, g, where].astype(np.float64)
            of_asked[g, q] = _information(asked[:, g, q], weights)
            both[g, q] = _information(asked[:, g, q, counts.sum(1)] * _chances(alpha, counts), weights)
    return InformationBounds(both.max(1), (both - of_asked).sum(1))


def _chances(alpha: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability of each outcome (outcome, answer) given how many were asked, under each draw: (draw, outcome)."""
    asked = counts.sum(1)
    ways = special.gammaln(asked + 1) - special.gammaln(counts + 1).sum(1)
    most = int(asked.max(initial=0))
    by_answer = log_rising_table(alpha, most)[:, np.arange(alpha.shape[1]), counts].sum(-1)
    return np.asarray(np.exp(ways + by_answer - log_rising_table(alpha.sum(1), most)[:, asked]))


def _information(chances: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Mutual information of outcomes and draws, for probabilities (draw, outcome)."""
    mixture = weights @ chances
    return float(max((weights @ special.rel_entr(chances, mixture)).sum(), 0.0))


def conditional_entropy(posterior: Posterior, votes: int = 40) -> NDArray[np.float64]:
    """Mean over draws of the entropy of the whole tree of votes, sum_t pi_t H[ p(k | t) ], in nats, shape (galaxy,).

    Given how many volunteers n are asked a question, the entropy of its Dirichlet-multinomial votes is

        -ln n! + lnG(alpha0 + n) - lnG(alpha0) + sum_a E[ ln k_a! - lnG(alpha_a + k_a) + lnG(alpha_a) ],

    with k_a beta-binomial; the n of a child is averaged over P_t(n).
    """
    tree = posterior.tree
    alpha = posterior.concentrations.astype(np.float64)
    total = tree.question_sums(alpha)
    asked = votes_asked(posterior, votes)
    answer, rest, whole = (
        log_rising_table(np.maximum(x, np.finfo(float).tiny), votes)
        for x in (alpha, total[..., tree.question_index] - alpha, total)
    )
    entropy = np.zeros(alpha.shape[:2])
    for n in range(1, votes + 1):
        k = np.arange(n + 1)
        ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
        chance = np.exp(ways + answer[..., k] + rest[..., n - k] - whole[..., tree.question_index, n, None])
        expected = (chance * (special.gammaln(k + 1) - answer[..., k])).sum(-1)
        of_question = whole[..., n] - special.gammaln(n + 1) + tree.question_sums(expected)
        entropy += (asked[..., n] * of_question).sum(-1)
    return np.asarray((posterior.weights * entropy).sum(0))


def votes_asked(posterior: Posterior, votes: int) -> NDArray[np.float64]:
    """Return P_t(n_q = n), shape (draw, galaxy, question, votes + 1).

    Of m volunteers who are asked the parent, those who give one of the answers that lead on have a beta-binomial
    distribution (the answers of a Dirichlet-multinomial may be lumped together), so that the probability of each n is a sum
    over m.
    """
    tree, concentrations = posterior.tree, posterior.concentrations
    found = np.zeros((*concentrations.shape[:2], len(tree.questions), votes + 1))
    for q in tree.order:
        parent = tree.parents[q]
        if parent < 0:
            found[:, :, q, votes] = 1
            continue
        siblings = np.zeros(len(tree.columns), dtype=bool)
        siblings[tree.slices[parent]] = True
        leading = concentrations[..., tree.leads_to[q]].sum(-1, dtype=np.float64)
        others = concentrations[..., siblings & ~tree.leads_to[q]].sum(-1, dtype=np.float64)
        passing = np.exp(_log_beta_binomial(leading, others, votes))
        found[:, :, q] = np.einsum("tgm,tgmn->tgn", found[:, :, parent], passing)
    return found


def _log_beta_binomial(leading: NDArray[np.float64], others: NDArray[np.float64], votes: int) -> NDArray[np.float64]:
    """Ln P(n of m volunteers go on) for m, n = 0 ... votes, shape (draw, galaxy, m, n); -inf where n > m."""
    m, n = np.arange(votes + 1)[:, None], np.arange(votes + 1)[None, :]
    stay = np.maximum(m - n, 0)
    ways = special.gammaln(m + 1) - special.gammaln(n + 1) - special.gammaln(stay + 1)
    rising = [log_rising_table(np.maximum(alpha, np.finfo(float).tiny), votes) for alpha in (leading, others)]
    whole = log_rising_table(leading + others, votes)
    log_p = ways + rising[0][..., n] + rising[1][..., stay] - whole[..., m]
    return np.where(n <= m, log_p, -np.inf)
