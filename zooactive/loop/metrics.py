"""The metrics by which rounds are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooactive.evaluation import question_table
from zooactive.posterior import Posterior
from zooactive.posterior.loss import negative_log_likelihood


def metrics_of(posterior: Posterior, votes: NDArray[np.float64]) -> dict[str, float]:
    """Measure a posterior on galaxies with votes (galaxy, answer), whose rows match those of the posterior.

    Returns ``galaxies``, their number; ``likelihood``, the mean negative log-likelihood in nats per galaxy; ``accuracy``,
    the share of pairs of a galaxy and a question that enough volunteers answered in which the predicted answer is the
    volunteers'; ``first_accuracy``, the same share for the first question alone.
    """
    table = question_table(posterior, votes)
    counted = table[table["galaxies"] > 0]
    return {
        "galaxies": len(posterior),
        "likelihood": float(negative_log_likelihood(posterior, votes).mean()),
        "accuracy": float((counted["accuracy"] * counted["galaxies"]).sum() / counted["galaxies"].sum()),
        "first_accuracy": float(table["accuracy"].iloc[0]),
    }
