"""Calibration: concentrations and probabilities are corrected by galaxies that the model was not trained on.

There are seven corrections. z are the head's linear outputs, alpha the concentrations, q a question.

``factors.py``: the uncertainty of vote fractions. alpha -> f_q alpha.
    Fitted to the votes of validation galaxies by maximum likelihood, and kept if it improves the likelihood of the half of
    the galaxies to which it was not fitted. Stored as `GalaxyModel.factors` in ``model.json``;
    `zooactive.models.head.scaled` predicts with them, and `scale_concentrations` applies them to a posterior.
``pooled.py``: the same, for few galaxies, whose votes decide how far to trust the model. alpha -> f_q alpha.
    Fitted to votes of randomly drawn galaxies; ln f_q lies around a common value with a standard deviation of 0.25, and all
    factors are kept. Not stored with a model: `zooactive.combine` takes them.
``answers.py``: the same, and how often volunteers of another survey give an answer. alpha -> f_a alpha.
    If the likelihood of the half of the galaxies to which they were not fitted improves, each answer gets its own factor
    near that of its question. Not stored with a model: `zooactive.combine` takes them, and `--trust` fits them.
``temperature.py``: the uncertainty of a fine-tuned head about single labels. z -> z / T.
    Fitted to the validation galaxies, each weighed as in the fit. Stored in the head's weights. Guo et al.
    2017, section 4.2, with a prior on ln T.
``shares.py``: correction for labels that were weighed in the fit. z -> z + ln(share in the table / weighed share).
    Counted from the training labels. Stored in the head's bias; the table's shares are `FinetunedModel.prior`.
    Saerens et al. 2002, equation 2.4 (`prior_shift`).
``shares.py``: correction for labels rarer on the sky than in the table. z -> z + ln(share on the sky / share in the table).
    Not fitted: you give the prevalence. Stored in the head's bias, and as `FinetunedModel.prevalence` in
    ``finetuned.json``. The same equation; `zooactive.evaluation.tasks.purity` says what a sample is then like.
``models/head/laplace.py``: the spread of Laplace draws. The covariance of the weights is 1 / (N a g' + prior precision).
    The validation votes choose the precision: `widest_of`, the one-standard-error rule of Breiman et al.
    1984. Stored as `LaplaceHead.precision` with the draws; `zooactive.fit_draws` fits them.

Formulas that need no fit are in `zooactive.posterior.corrections`, which models and evaluation can import.
"""

from __future__ import annotations

from zooactive.posterior.corrections import prior_shift, scale_concentrations
from zooactive.training.calibrate.answers import AnswerFactors, fit_answer_factors
from zooactive.training.calibrate.factors import ConcentrationFactors, calibrate, fit_concentration_factors
from zooactive.training.calibrate.pooled import fit_pooled_factors
from zooactive.training.calibrate.shares import shares_of, with_shares
from zooactive.training.calibrate.temperature import fit_temperature, with_temperature

__all__ = [
    "AnswerFactors",
    "ConcentrationFactors",
    "calibrate",
    "fit_answer_factors",
    "fit_concentration_factors",
    "fit_pooled_factors",
    "fit_temperature",
    "prior_shift",
    "scale_concentrations",
    "shares_of",
    "with_shares",
    "with_temperature",
]
