"""Activations of the last layer: they turn linear outputs z into Dirichlet concentrations alpha, and slopes back again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from zooactive.foundation.errors import ModelError, did_you_mean
from zooactive.tree import DecisionTree

CONCENTRATIONS = ("sigmoid", "softplus", "fraction")
"""The functions that turn the linear layer's output z into concentrations alpha.

``sigmoid``: alpha = 1 + 100 sigmoid(z), between 1 and 101 (Walmsley et al. 2022). ``softplus``: alpha = ln(1 + e^z) + 0.001,
unbounded above, and below 1 if votes are all or nothing. ``fraction``: alpha = 100 mu with mu the softmax over each
question's answers, for questions learnt from single labels, which never identify the sum of alpha. A question that its
tree marks as `single_label` is always a fraction, whatever the other questions are."""

SCALE = 100.0
"""The range of the sigmoid's concentrations, and the sum over a question of the fractions' concentrations."""

SOFTPLUS_FLOOR = 1e-3
"""Keeps alpha above 0: float32's softplus is 0 below z = -104, and if it is tiny, its gradient is tiny as well."""

FRACTION_FLOOR = 1e-6
"""The smallest softmax fraction. It is taken evenly from all answers, so that they still sum to 1; softmax can reach 0."""


def activate(z: NDArray[np.float32], concentrations: str, tree: DecisionTree) -> NDArray[np.float32]:
    """Return concentrations for linear outputs, both float32 of shape (..., answer)."""
    alpha = _activate(z, concentrations, tree)
    return _labels_as_fractions(alpha, lambda: _activate(z, "fraction", tree), tree)


def _labels_as_fractions(values: NDArray[Any], fractions: Callable[[], NDArray[Any]], tree: DecisionTree) -> NDArray[Any]:
    """Replace the values of questions learnt from single labels by those for fractions; both (..., answer)."""
    return np.where(tree.single_labels, fractions(), values) if tree.single_labels.any() else values


def _activate(z: NDArray[np.float32], concentrations: str, tree: DecisionTree) -> NDArray[np.float32]:
    if concentrations == "sigmoid":
        return np.asarray(1 + np.float32(SCALE) * special.expit(z), dtype=np.float32)
    if concentrations == "softplus":
        return np.asarray(np.logaddexp(np.float32(0), z) + np.float32(SOFTPLUS_FLOOR), dtype=np.float32)
    floor = np.float32(FRACTION_FLOOR)
    return np.asarray(np.float32(SCALE) * (floor + _room(tree) * _softmax(z, tree)), dtype=np.float32)


def slope_of_outputs(
    z: NDArray[np.floating], slope: NDArray[np.floating], concentrations: str, tree: DecisionTree
) -> NDArray[np.floating]:
    """Return the slope by the linear outputs for a slope by the concentrations (chain rule), both (..., answer)."""
    carried = _slope_of_outputs(z, slope, concentrations, tree)
    return _labels_as_fractions(carried, lambda: _slope_of_outputs(z, slope, "fraction", tree), tree)


def _slope_of_outputs(
    z: NDArray[np.floating], slope: NDArray[np.floating], concentrations: str, tree: DecisionTree
) -> NDArray[np.floating]:
    if concentrations == "sigmoid":
        share = special.expit(z)
        return np.asarray(slope * SCALE * share * (1 - share))
    if concentrations == "softplus":
        return np.asarray(slope * special.expit(z))
    mu = _softmax(z, tree)
    inward = slope * _room(tree)
    mean = tree.question_sums(inward * mu)[..., tree.question_index]
    return np.asarray(SCALE * mu * (inward - mean))


def _softmax(z: NDArray[np.floating], tree: DecisionTree) -> NDArray[np.floating]:
    """Return the fractions of each question, (..., answer)."""
    exponential = np.exp(z - np.maximum.reduceat(z, tree.starts, axis=-1)[..., tree.question_index])
    return np.asarray(tree.fractions(exponential))


def _room(tree: DecisionTree) -> NDArray[np.float32]:
    """Return how much of 1 the floors of a question's fractions leave, (answer,)."""
    index = tree.question_index
    return np.asarray(1 - np.float32(FRACTION_FLOOR) * np.bincount(index).astype(np.float32)[index])


def bias_for(alpha: ArrayLike, concentrations: str, tree: DecisionTree) -> NDArray[np.float32]:
    """Return the bias with which a head with a zero kernel gives every galaxy the same concentrations (answer,).

    Concentrations that the head cannot express become the nearest that it can. "fraction" keeps only their ratios.
    """
    alpha = np.asarray(alpha, dtype=np.float64)
    return _labels_as_fractions(_bias_for(alpha, concentrations, tree), lambda: _bias_for(alpha, "fraction", tree), tree)


def _bias_for(alpha: NDArray[np.float64], concentrations: str, tree: DecisionTree) -> NDArray[np.float32]:
    if concentrations == "sigmoid":
        # Not closer to the ends than this, because a sigmoid that starts there hardly learns.
        return np.asarray(special.logit(np.clip((alpha - 1) / SCALE, 0.005, 0.9)), dtype=np.float32)
    if concentrations == "softplus":
        return np.asarray(np.log(np.expm1(np.clip(alpha - SOFTPLUS_FLOOR, 0.01, 500))), dtype=np.float32)
    return np.asarray(np.log(np.clip(tree.fractions(alpha), 1e-3, None)), dtype=np.float32)


def check_concentrations(concentrations: str) -> None:
    """Raise a ModelError if `concentrations` is not among `CONCENTRATIONS`."""
    if concentrations not in CONCENTRATIONS:
        raise ModelError(
            f"concentrations = '{concentrations}' is unknown.{did_you_mean(concentrations, CONCENTRATIONS)} "
            f"Use one of {', '.join(CONCENTRATIONS)}"
        )
