"""What one volunteer's answers would tell: in closed form, and fast enough for a whole survey."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from zooactive.posterior import Posterior

_BLOCK = 4096
"""Galaxies worked on at a time, so that float64 copies of the concentrations stay small."""

_ROUNDING = 1e-13
"""Information below this, in nats, is rounding of a difference of entropies."""


class OneVote(NamedTuple):
    """Entropies of one vote at each question, each of shape (galaxy, question).

    With weights w_t proportional to P_t(asked): ``asked`` is the mean of P_t(asked), ``entropy`` is H(sum_t w_t mu_t), and
    ``conditional`` is sum_t w_t H(mu_t).
    """

    asked: NDArray[np.float64]
    entropy: NDArray[np.float64]
    conditional: NDArray[np.float64]


def one_vote(posterior: Posterior) -> OneVote:
    """Return the entropies of one vote at each question, before and after the draw is known."""
    starts = range(0, max(len(posterior), 1), _BLOCK)
    blocks = [_one_vote_of(posterior, slice(i, i + _BLOCK)) for i in starts]
    return OneVote(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _one_vote_of(posterior: Posterior, galaxies: slice) -> OneVote:
    tree = posterior.tree
    concentrations = posterior.concentrations[:, galaxies]
    asked = np.zeros((concentrations.shape[1], len(tree.questions)))
    given = np.zeros(concentrations.shape[1:])
    conditional = np.zeros_like(asked)
    for alpha in concentrations:
        fractions = tree.fractions(alpha.astype(np.float64))
        reached = tree.asked(fractions)
        asked += reached
        given += reached[:, tree.question_index] * fractions
        conditional += reached * tree.question_sums(special.entr(fractions))
    some = np.maximum(asked, np.finfo(float).tiny)  # a question that nobody reaches carries no weight: any mean will do
    entropy = tree.question_sums(special.entr(given / some[:, tree.question_index]))
    return OneVote(asked / posterior.draws, entropy, conditional / some)


def one_vote_information(posterior: Posterior) -> NDArray[np.float64]:
    """Bound how much one volunteer's answers to each galaxy would tell about the network.

    The sum over questions of P(asked q) [ H(sum_t w_t mu_t) - sum_t w_t H(mu_t) ] with w_t proportional to P_t(asked q): an
    upper bound on the mutual information at one vote, in closed form.

    Parameters
    ----------
    posterior : Posterior

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        In nats.

    Notes
    -----
    BALD (Houlsby et al. 2011, arXiv:1112.5745, eq. 2) at each question, with the draws weighted by how likely they are to
    reach it. **Advantage**: a pass over the mean fractions, fit for screening a survey. **Limitation**: draws that disagree
    about the *spread* of the votes but not about their mean score 0 here, whatever many votes would tell.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> one_vote_information(Posterior([[[9.0, 1.0]], [[1.0, 9.0]]], ["g1"], tree)).round(6).tolist()
    [0.368064]
    """
    vote = one_vote(posterior)
    information = (vote.asked * np.maximum(vote.entropy - vote.conditional, 0)).sum(-1)
    return np.where(information < _ROUNDING, 0.0, information)
