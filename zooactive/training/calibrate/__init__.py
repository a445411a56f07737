"""Concentrations and probabilities set right by galaxies that were not learnt from.

Seven corrections, side by side. z are the head's linear outputs, alpha the concentrations, q a question.

``factors.py``: how sure the posterior is of vote fractions. alpha -> f_q alpha.
    Fitted to the votes of validation galaxies by maximum likelihood, and kept where the half of the galaxies that the factor
    was not fitted to gains. Stored as `GalaxyModel.factors` in ``model.json``; `zooactive.models.head.scaled` predicts with
    them, and `scale_concentrations` applies them to a posterior.
``pooled.py``: the same, where votes of few galaxies say how far the model is trusted beside votes. alpha -> f_q alpha.
    Fitted to votes of galaxies drawn at random; ln f_q lies around a common value with a standard deviation of 0.25, and all
    are kept. Not stored with a model: `zooactive.combine` takes them.
``answers.py``: the same, and how often volunteers give an answer in another survey. alpha -> f_a alpha.
    Where the half of the galaxies that they were not fitted to gains, each answer gets a factor of its own round that of its
    question. Not stored with a model: `zooactive.combine` takes them, and `--trust` fits them.
``temperature.py``: how sure a fine-tuned head is of single labels. z -> z / T.
    Fitted to the galaxies that chose the best epoch, each weighed as in the fit. Stored in the head's weights. Guo et al.
    2017, section 4.2, with a prior on ln T.
``shares.py``: labels that were weighed in the fit. z -> z + ln(share in the table / weighed share).
    Counted from the labels that were learnt from. Stored in the head's bias; the table's shares are `FinetunedModel.prior`.
    Saerens et al. 2002, equation 2.4 (`prior_shift`).
``shares.py``: labels that are rarer on the sky than in the table. z -> z + ln(share on the sky / share in the table).
    Not fitted: the user gives the prevalence. Stored in the head's bias, and as `FinetunedModel.prevalence` in
    ``finetuned.json``. The same equation; `zooactive.evaluation.tasks.purity` says what a sample is then like.
``models/head/laplace.py``: how far Laplace draws differ. The covariance of the weights is 1 / (N a g' + prior precision).
    The precision is chosen by the votes of validation galaxies: `widest_of`, the one-standard-error rule of Breiman et al.
    1984. Stored as `LaplaceHead.precision` with the draws; `zooactive.fit_draws` fits them.

Formulas that need no fit lie in `zooactive.posterior.corrections`, where models and evaluation reach them.
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
