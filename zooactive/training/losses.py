"""Losses: how surprising a galaxy's votes are under the predicted concentrations (Walmsley et al. 2022, eq. 5).

The votes of a child question are conditional on how many volunteers reached it, so the sum over questions of the
Dirichlet-multinomial log-probabilities is the likelihood of the whole tree of votes. A question without votes adds exactly
0 and no gradient, so several surveys, each with its own columns, can be trained on together.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import keras

from zooactive.foundation.errors import TrainingError, explained
from zooactive.tree import DecisionTree


@keras.saving.register_keras_serializable(package="zooactive")
class DirichletMultinomialLoss(keras.losses.Loss):  # type: ignore[misc]
    """The negative log-probability of a galaxy's votes, in nats, summed over the questions of a tree.

    TensorFlow Probability's Dirichlet-multinomial does the arithmetic. Under TensorFlow it works in float64, because in
    float32 its log-gammas are off by 1e-3 at concentrations near 100. Under JAX it works in JAX's own precision, which is
    float64 if ``jax_enable_x64`` is set.

    Parameters
    ----------
    tree : DecisionTree
        The tree whose columns are those of votes and concentrations.
    reduction : str
        As in every Keras loss; by default the mean over the batch's galaxies.
    name : str

    Examples
    --------
    >>> import numpy as np
    >>> from zooactive.tree import Question
    >>> loss = DirichletMultinomialLoss(DecisionTree("t", [Question("bar", ["yes", "no"])]))
    >>> round(float(loss(np.array([[10.0, 0.0]]), np.array([[1.0, 1.0]]))), 4)  # ln 11
    2.3979
    """

    def __init__(
        self,
        tree: DecisionTree,
        *,
        reduction: str = "sum_over_batch_size",
        name: str = "dirichlet_multinomial",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.tree = tree

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one number per galaxy.

        Parameters
        ----------
        y_true : tensor, shape (batch, answer)
            Vote counts or pseudo-counts, 0 if a question was not asked.
        y_pred : tensor, shape (batch, answer)
            Positive concentrations.

        Returns
        -------
        tensor, shape (batch,)
            The loss in the dtype of `y_pred`. (It is not one number per question, because Keras would average these as
            well.)
        """
        distributions, dtype = _probability()
        votes, concentrations = keras.ops.cast(y_true, dtype), keras.ops.cast(y_pred, dtype)
        log_prob = 0.0
        for where in self.tree.slices:
            counts = votes[:, where]
            asked = distributions.DirichletMultinomial(
                total_count=keras.ops.sum(counts, axis=-1), concentration=concentrations[:, where], validate_args=False
            )
            log_prob += asked.log_prob(counts)
        return keras.ops.cast(-log_prob, keras.backend.standardize_dtype(y_pred.dtype))

    def get_config(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return dict(super().get_config(), tree=self.tree.to_dict())

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DirichletMultinomialLoss:
        """Make a loss from `get_config`."""
        return cls(**config | {"tree": DecisionTree.from_dict(config["tree"])})


@keras.saving.register_keras_serializable(package="zooactive")
class BinomialLoss(keras.losses.Loss):  # type: ignore[misc]
    """The negative log-likelihood of a galaxy's votes given only the expected fractions, in nats: -sum k ln mu.

    For a question with two answers this is the binomial likelihood of Walmsley et al. 2020, -(k ln rho + (N - k) ln(1 -
    rho)); for more answers it is the multinomial one. Both lack their coefficient, which does not depend on the network. The
    loss assumes that volunteers are independent, so it never learns how much galaxies of one kind differ.

    Parameters
    ----------
    tree : DecisionTree
        The tree whose columns are those of votes and concentrations.
    reduction, name : str
        As in every Keras loss.

    Examples
    --------
    >>> import numpy as np
    >>> from zooactive.tree import Question
    >>> loss = BinomialLoss(DecisionTree("t", [Question("bar", ["yes", "no"])]))
    >>> round(float(loss(np.array([[3.0, 1.0]]), np.array([[50.0, 50.0]]))), 4)  # 4 ln 2
    2.7726
    """

    def __init__(
        self, tree: DecisionTree, *, reduction: str = "sum_over_batch_size", name: str = "binomial", **kwargs: Any
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.tree = tree

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one number per galaxy from votes and concentrations, both (batch, answer)."""
        ops = keras.ops
        logs = []
        for where in self.tree.slices:
            alpha = y_pred[:, where]
            logs.append(ops.log(alpha / ops.sum(alpha, axis=-1, keepdims=True)))
        return -ops.sum(ops.cast(y_true, y_pred.dtype) * ops.concatenate(logs, axis=-1), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return dict(super().get_config(), tree=self.tree.to_dict())

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BinomialLoss:
        """Make a loss from `get_config`."""
        return cls(**config | {"tree": DecisionTree.from_dict(config["tree"])})


@keras.saving.register_keras_serializable(package="zooactive")
class NumberLoss(keras.losses.Loss):  # type: ignore[misc]
    """The negative log density of a label that is a number, under the mixture of `zooactive.models.head.number_fit`, in
    nats.

    The variances are not learnt; they come from a head that was fitted before. For a limit, the loss is the negative log
    probability of a number beyond it.

    Parameters
    ----------
    share : float
        The share of labels that are outliers.
    reduction, name : str
        As in every Keras loss.

    Examples
    --------
    >>> import numpy as np
    >>> loss = NumberLoss(0.0)
    >>> round(float(loss(np.array([[1.0, 1.0, 9.0, 0.0]]), np.array([[1.0]]))), 4)  # 1/2 ln 2 pi
    0.9189
    """

    def __init__(self, share: float, *, reduction: str = "sum_over_batch_size", name: str = "number", **kwargs: Any) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.share = share

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one number per galaxy.

        Parameters
        ----------
        y_true : tensor, shape (batch, 4)
            The label, the variance of usual labels and that of outliers, and 1, -1 or 0 as in
            `zooactive.models.head.limits.beyond`.
        y_pred : tensor, shape (batch, 1)
            The expected label.

        Returns
        -------
        tensor, shape (batch,)
        """
        ops = keras.ops
        label, usual, outlying, side = (ops.cast(y_true, y_pred.dtype)[:, column] for column in range(4))
        logs = [self._log(label - y_pred[:, 0], variance, side) for variance in (usual, outlying)]
        share = min(max(self.share, 1e-9), 1 - 1e-9)
        return -ops.logaddexp(logs[0] + math.log1p(-share), logs[1] + math.log(share))

    def get_config(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return dict(super().get_config(), share=self.share)

    @staticmethod
    def _log(residual: Any, variance: Any, side: Any) -> Any:
        ops = keras.ops
        density = -0.5 * (ops.log(2 * math.pi * variance) + residual**2 / variance)
        x = -side * residual / ops.sqrt(variance)
        # Here a difference of two nearly equal normal probabilities would lose all digits in float32; a series gives the
        # tail.
        near = ops.log(0.5 * (1 + ops.erf(ops.maximum(x, _TAIL) / math.sqrt(2))))
        far = ops.minimum(x, _TAIL)
        tail = -0.5 * far**2 - ops.log(-far) - 0.5 * math.log(2 * math.pi) + ops.log(1 - 1 / far**2 + 3 / far**4)
        return ops.where(side == 0, density, ops.where(x > _TAIL, near, tail))


_TAIL = -3.5


def _probability() -> tuple[Any, str]:
    """Return TensorFlow Probability's distributions for Keras' backend, and the widest float type that works there."""
    if keras.backend.backend() != "jax":
        import tensorflow_probability as probability

        return probability.distributions, "float64"
    said = (
        "TensorFlow Probability does not load with this JAX ({reason}); jax 0.6.2 is known to work, and newer ones with "
        "tfp-nightly instead, or train with KERAS_BACKEND=tensorflow"
    )
    with explained(TrainingError, said, ImportError, AttributeError):  # it uses internals that newer JAX has removed
        substrate = importlib.import_module("tensorflow_probability.substrates.jax")
        wide = importlib.import_module("jax").config.jax_enable_x64
    return substrate.distributions, "float64" if wide else "float32"
