"""How many volunteers will reach each question: exact, down the tree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from zooactive.posterior import Posterior
from zooactive.tree.likelihood import log_rising_table


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
