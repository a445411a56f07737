"""The last, linear layer with dropout: the head as it was trained, in NumPy.

One draw is one dropout mask of the features, the same for every galaxy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import ModelError
from zooactive.models.head.activation import check_concentrations
from zooactive.models.head.draws import LinearDraws, check_draws, check_linear, damaged, noise, read_saved
from zooactive.tree import DecisionTree


@dataclass(frozen=True, eq=False)
class LinearHead(LinearDraws):
    """Weights of the linear layer, its dropout, and what its outputs mean.

    Parameters
    ----------
    kernel : array_like, shape (feature, answer)
        Kept as float32.
    bias : array_like, shape (answer,)
        Kept as float32.
    dropout : float
        Share of the features that a draw leaves out, 0 <= dropout < 1. With 0 all draws are identical.
    concentrations : {"sigmoid", "softplus", "fraction"}
        See `zooactive.models.head.activation.CONCENTRATIONS`.
    tree : DecisionTree
        Whose columns the answers are.

    Raises
    ------
    ModelError
        When shapes disagree, a weight is not finite, or a setting is unknown.

    Examples
    --------
    >>> from zooactive.tree import Question
    >>> tree = DecisionTree("t", [Question("ring", ["yes", "no"])])
    >>> head = LinearHead(np.ones((3, 2)), np.zeros(2), 0.5, "sigmoid", tree)
    >>> head.posterior_concentrations(np.zeros((4, 3)), draws=8, seed=0).shape
    (8, 4, 2)
    """

    kind: ClassVar[str] = "dropout"

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    dropout: float
    concentrations: str
    tree: DecisionTree

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):  # what is not finite is refused below
            object.__setattr__(self, "kernel", np.ascontiguousarray(self.kernel, dtype=np.float32))
            object.__setattr__(self, "bias", np.ascontiguousarray(self.bias, dtype=np.float32))
        check_settings(self.dropout, self.concentrations)
        check_linear(self.kernel, self.bias, self.tree)
        if self.kernel.ndim != 2:
            raise ModelError(f"the head has a kernel of shape {self.kernel.shape}; give (feature, answer)")

    def masks(self, draws: int, seed: int) -> NDArray[np.float32]:
        """Return the dropout masks of the draws 0 to ``draws - 1``.

        Parameters
        ----------
        draws : int
            T, at least 1.
        seed : int
            Not negative.

        Returns
        -------
        ndarray of float32, shape (draw, feature)
            0 where a feature is left out and 1 / (1 - dropout) where it is kept.

        Raises
        ------
        ModelError
            For fewer than one draw or a negative seed.
        """
        check_draws(draws, seed)
        return self._masks(range(draws), seed)

    def _masks(self, draws: range, seed: int) -> NDArray[np.float32]:
        keep = 1 - self.dropout
        masks = np.empty((len(draws), self.features), dtype=np.float32)
        for draw, mask in zip(draws, masks, strict=True):
            mask[:] = (noise(seed, draw).random(len(mask)) < keep) / keep
        return masks

    def draw_weights(self, first: int, last: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return masked kernels; the bias is never left out."""
        kernels = self._masks(range(first, last), seed)[:, :, None] * self.kernel
        return kernels, np.broadcast_to(self.bias, (last - first, len(self.bias)))

    @classmethod
    def load(cls, path: str | Path) -> LinearHead:
        """Read a head that `save` wrote.

        Raises
        ------
        ModelError
            When the file is missing, damaged or something else.
        """
        arrays, about, tree = read_saved(path)
        if about.get("kind", cls.kind) != cls.kind:
            raise ModelError(f"{path} holds draws of the kind '{about['kind']}'; give the head.npz of a saved model")
        with damaged(path):
            return cls.restored(arrays, about, tree)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"kernel": self.kernel, "bias": self.bias}

    def _settings(self) -> dict[str, Any]:
        return {"dropout": self.dropout}

    @classmethod
    def restored(cls, arrays: dict[str, NDArray[Any]], about: dict[str, Any], tree: DecisionTree) -> LinearHead:
        """Make it from what was saved."""
        return cls(arrays["kernel"], arrays["bias"], about["dropout"], about["concentrations"], tree)


def check_settings(dropout: float, concentrations: str) -> None:
    """Refuse a head's settings that are out of range, with a ModelError."""
    if not 0 <= dropout < 1:
        raise ModelError(f"dropout = {dropout}; give a share of the features from 0 up to, but not including, 1")
    check_concentrations(concentrations)
