"""The quality of a posterior on test galaxies: metrics of classes, of fractions, and of densities."""

from __future__ import annotations

from zooactive.evaluation.asked import really_asked
from zooactive.evaluation.evaluate import Evaluation, evaluate, question_table
from zooactive.foundation.faces import names_on_demand
from zooactive.posterior.loss import constant_concentrations, constant_negative_log_likelihood, negative_log_likelihood

__all__ = [
    "Evaluation",
    "constant_concentrations",
    "constant_negative_log_likelihood",
    "evaluate",
    "negative_log_likelihood",
    "question_table",
    "really_asked",
]

_GONE = {"binary_metrics": "use zooactive.evaluation.classes.question_metrics, or scikit-learn"}

__getattr__ = names_on_demand(__name__, {}, _GONE)
