"""The last, linear layer with dropout: the trained head in NumPy.

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
    """The weights of the linear layer, its dropout, and the function that turns its outputs into concentrations.

    Parameters
    ----------
    kernel : array_like, shape (feature, answer)
        Stored as float32.
    bias : array_like, shape (answer,)
        Stored as float32.
    dropout : float
        The share of the features that a draw leaves out, 0 <= dropout < 1. With 0 all draws are identical.
    concentrations : {"sigmoid", "softplus", "fraction"}
        See `zooactive.models.head.activation.CONCENTRATIONS`.
    tree : DecisionTree
        The tree whose columns are the answers.

    Raises
    ------
    ModelError
        If shapes disagree, a weight is not finite, or a setting is unknown.

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
        with np.errstate(over="ignore"):  # values that are not finite are refused below
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
            The number of draws T, at least 1.
        seed : int
            A seed that is not negative.

        Returns
        -------
        ndarray of float32, shape (draw, feature)
            0 if a feature is left out and 1 / (1 - dropout) if it is kept.

        Raises
        ------
        ModelError
            If there is fewer than one draw or the seed is negative.
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
            If the file is missing, damaged or something different.
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
        """Make a head from its saved arrays and settings."""
        return cls(arrays["kernel"], arrays["bias"], about["dropout"], about["concentrations"], tree)


def check_settings(dropout: float, concentrations: str) -> None:
    """Raise a ModelError if a head's settings are out of range."""
    if not 0 <= dropout < 1:
        raise ModelError(f"dropout = {dropout}; give a share of the features from 0 up to, but not including, 1")
    check_concentrations(concentrations)
