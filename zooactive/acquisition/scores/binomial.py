"""The score of Walmsley et al. 2020: one yes-or-no answer, whose probability each draw knows exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from zooactive.acquisition.scores.enumeration import checked_votes
from zooactive.posterior import Posterior


def binomial_information(posterior: Posterior, column: str, votes: int = 40) -> NDArray[np.float64]:
    """Return the mutual information between an answer's count and the draw, with binomial votes: the baseline of 2020.

    rho_t is the answer's mean fraction mu_t, and k of `votes` volunteers give the answer, binomially. The score ignores the
    spread that the concentrations describe, and all other questions.

    Parameters
    ----------
    posterior : Posterior
    column : str
        An answer, with or without the survey's suffix.
    votes : int
        The number of volunteers who answer its question.

    Returns
    -------
    ndarray of float64, shape (galaxy,)
        The information in nats.

    Raises
    ------
    AcquisitionError
        When `votes` is not a whole number >= 0.

    Notes
    -----
    Walmsley et al. 2020 (MNRAS 491, 1554), section 3, without its rounding of rho.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> posterior = Posterior([[[9.0, 1.0]], [[1.0, 9.0]]], ["g1"], tree)
    >>> binomial_information(posterior, "smooth_yes", votes=1).round(6).tolist()
    [0.368064]
    """
    n = checked_votes(votes)
    tree, index = posterior.tree, posterior.tree.columns.index(posterior.tree.resolve(column))
    question = tree.slices[int(tree.question_index[index])]
    alpha = posterior.concentrations[..., question].astype(np.float64)
    yes = alpha[..., index - question.start]
    no = alpha.sum(-1) - yes
    k = np.arange(n + 1)
    log_ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    mixture = np.zeros((len(posterior), n + 1))
    conditional = np.zeros(len(posterior))
    for t, weight in enumerate(posterior.weights):
        rho = (yes[t] / (yes[t] + no[t]))[:, None]
        chance = np.exp(log_ways + special.xlogy(k, rho) + special.xlog1py(n - k, -rho))
        mixture += weight[:, None] * chance
        conditional += weight * special.entr(chance).sum(1)
    return np.asarray(np.maximum(special.entr(mixture).sum(1) - conditional, 0))
