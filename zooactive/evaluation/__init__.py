"""How good a posterior is on galaxies that were not learnt from: merits of classes, of fractions, of densities."""

from __future__ import annotations

from typing import Any

from zooactive.evaluation.classes import really_asked
from zooactive.evaluation.evaluate import Evaluation, evaluate, question_table
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

_GONE = {"binary_metrics": "use zooactive.evaluation.classes.question_merits, or scikit-learn"}


def __getattr__(name: str) -> Any:
    mend = f" any more; {_GONE[name]}" if name in _GONE else ""
    raise AttributeError(f"module 'zooactive.evaluation' has no attribute '{name}'{mend}")
