"""The last, linear layer in NumPy: posterior draws of concentrations from stored features, without pixels or Keras.

One draw is one dropout mask of the features, the same for every galaxy. Masks come from NumPy's counter-based Philox with
the key (seed, draw), so that draw t is the same however many draws are taken, on every backend, in every shard.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from zooactive.errors import ModelError, ZooactiveError, did_you_mean
from zooactive.tree import DecisionTree
from zooactive.writing import aside

CONCENTRATIONS = ("sigmoid", "softplus", "fraction")
"""How the linear layer's output z becomes concentrations alpha.

``sigmoid``: alpha = 1 + 100 sigmoid(z), between 1 and 101 (Walmsley et al. 2022). ``softplus``: alpha = ln(1 + e^z) + 0.001,
unbounded above, and below 1 where votes are all or nothing. ``fraction``: alpha = 100 mu with mu the softmax over each
question's answers, for questions learnt from single labels, which never identify the sum of alpha."""

SCALE = 100.0
"""Range of the sigmoid's concentrations, and the sum over a question of the fractions' concentrations."""

SOFTPLUS_FLOOR = 1e-3
"""Keeps alpha above 0: float32's softplus is 0 below z = -104, and where it is tiny its gradient is too."""

FRACTION_FLOOR = 1e-6
"""The least softmax fraction, taken evenly from all answers so that they still sum to 1: float32's softmax reaches 0."""

GALAXIES_AT_ONCE = 256
DRAWS_AT_ONCE = 16
# Every matrix product has this one size, the last one padded: how a product of another size is summed up may differ in the
# last bit, and a galaxy's numbers must not depend on its neighbours, its shard or the number of draws.


@dataclass(frozen=True, eq=False)
class LinearHead:
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
        See `CONCENTRATIONS`.
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

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    dropout: float
    concentrations: str
    tree: DecisionTree

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", np.ascontiguousarray(self.kernel, dtype=np.float32))
        object.__setattr__(self, "bias", np.ascontiguousarray(self.bias, dtype=np.float32))
        check_settings(self.dropout, self.concentrations)
        answers = len(self.tree.columns)
        if self.kernel.ndim != 2 or self.kernel.shape[1] != answers or self.bias.shape != (answers,):
            raise ModelError(
                f"the head has a kernel of shape {self.kernel.shape} and a bias of shape {self.bias.shape}; "
                f"tree '{self.tree.name}' needs (feature, {answers}) and ({answers},)"
            )
        if not (np.isfinite(self.kernel).all() and np.isfinite(self.bias).all()):
            raise ModelError("the head holds weights that are not finite; train again with a lower learning rate")

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
        if draws < 1 or not 0 <= seed < 2**64:
            raise ModelError(f"{draws} draws with seed {seed} were asked for; give at least one draw and a seed from 0 up")
        keep = 1 - self.dropout
        masks = np.empty((draws, len(self.kernel)), dtype=np.float32)
        for draw, mask in enumerate(masks):
            key = np.array([seed, draw], dtype=np.uint64)
            kept = np.random.Generator(np.random.Philox(key=key)).random(len(mask)) < keep
            mask[:] = kept / keep
        return masks

    def posterior_concentrations(self, features: ArrayLike, *, draws: int, seed: int) -> NDArray[np.float32]:
        """Draw concentrations for galaxies whose features are known.

        The features are rounded to float16 first, as they are stored, so that live and stored predictions agree.

        Parameters
        ----------
        features : array_like, shape (galaxy, feature)
            What the encoder gives.
        draws : int
            T, at least 1.
        seed : int
            Of the masks.

        Returns
        -------
        ndarray of float32, shape (draw, galaxy, answer)

        Raises
        ------
        ModelError
            When the features have another shape or are not finite in float16 (beyond 65504).
        """
        embedding = self._to_float16(features)
        masks = self.masks(draws, seed)
        answers = self.kernel.shape[1]
        out = np.empty((draws, len(embedding), answers), dtype=np.float32)
        chunk = np.empty((GALAXIES_AT_ONCE, len(self.kernel)), dtype=np.float32)
        for first_draw in range(0, draws, DRAWS_AT_ONCE):
            some = masks[first_draw : first_draw + DRAWS_AT_ONCE]
            kernels = np.zeros((len(self.kernel), DRAWS_AT_ONCE, answers), dtype=np.float32)
            kernels[:, : len(some)] = some.T[:, :, None] * self.kernel[:, None, :]
            flat = kernels.reshape(len(self.kernel), -1)
            for first in range(0, len(embedding), GALAXIES_AT_ONCE):
                rows = embedding[first : first + GALAXIES_AT_ONCE]
                chunk[: len(rows)] = rows
                chunk[len(rows) :] = 0
                z = (chunk @ flat).reshape(GALAXIES_AT_ONCE, DRAWS_AT_ONCE, answers)[: len(rows), : len(some)]
                alpha = self._activate(z + self.bias)
                out[first_draw : first_draw + len(some), first : first + len(rows)] = np.moveaxis(alpha, 1, 0)
        return out

    def save(self, path: str | Path) -> None:
        """Write the head to one ``.npz`` file, aside and renamed."""
        about = {"dropout": self.dropout, "concentrations": self.concentrations, "tree": self.tree.to_dict()}
        with aside(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, kernel=self.kernel, bias=self.bias, about=np.array(json.dumps(about)))

    @classmethod
    def load(cls, path: str | Path) -> LinearHead:
        """Read a head that `save` wrote.

        Raises
        ------
        ModelError
            When the file is missing, damaged or something else.
        """
        try:
            with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                about: dict[str, Any] = json.loads(str(file["about"]))
                tree = DecisionTree.from_dict(about["tree"], where=str(path))
                return cls(file["kernel"], file["bias"], about["dropout"], about["concentrations"], tree)
        except FileNotFoundError as error:
            raise ModelError(f"{path} is missing; give the head.npz of a saved model") from error
        except ZooactiveError:
            raise
        except Exception as error:  # a damaged zip, array or JSON fails in many ways
            raise ModelError(f"{path} is damaged, or no head of a model; save the model again") from error

    def _to_float16(self, features: ArrayLike) -> NDArray[np.float16]:
        values = np.asarray(features)
        if values.ndim != 2 or values.shape[1] != len(self.kernel):
            raise ModelError(
                f"the features have the shape {values.shape}; this head needs (galaxy, {len(self.kernel)}): "
                "were they made by another model?"
            )
        with np.errstate(over="ignore"):
            embedding = values.astype(np.float16)
        bad = ~np.isfinite(embedding).all(1)
        if bad.any():
            raise ModelError(
                f"the features of row {int(np.argmax(bad))} are not finite in float16 (its limit is 65504); "
                "the encoder is damaged or did not converge: train it again with a lower learning rate"
            )
        return embedding

    def _activate(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.concentrations == "sigmoid":
            return np.asarray(1 + np.float32(SCALE) * special.expit(z), dtype=np.float32)
        if self.concentrations == "softplus":
            return np.asarray(np.logaddexp(np.float32(0), z) + np.float32(SOFTPLUS_FLOOR), dtype=np.float32)
        index = self.tree.question_index
        exponential = np.exp(z - np.maximum.reduceat(z, self.tree.starts, axis=-1)[..., index])
        floor = np.float32(FRACTION_FLOOR)
        room = 1 - floor * np.bincount(index).astype(np.float32)[index]
        return np.asarray(np.float32(SCALE) * (floor + room * self.tree.fractions(exponential)), dtype=np.float32)


def bias_for(alpha: ArrayLike, concentrations: str, tree: DecisionTree) -> NDArray[np.float32]:
    """Return the bias with which the head, its kernel at zero, gives every galaxy the same concentrations.

    Parameters
    ----------
    alpha : array_like, shape (answer,)
        What the head cannot express is brought to the nearest that it can (and "fraction" keeps the ratios alone).
    concentrations : {"sigmoid", "softplus", "fraction"}
    tree : DecisionTree
    """
    alpha = np.asarray(alpha, dtype=np.float64)
    if concentrations == "sigmoid":
        # Not nearer to the ends than this: a sigmoid that starts there hardly learns.
        return np.asarray(special.logit(np.clip((alpha - 1) / SCALE, 0.005, 0.9)), dtype=np.float32)
    if concentrations == "softplus":
        return np.asarray(np.log(np.expm1(np.clip(alpha - SOFTPLUS_FLOOR, 0.01, 500))), dtype=np.float32)
    return np.asarray(np.log(np.clip(tree.fractions(alpha), 1e-3, None)), dtype=np.float32)


def check_settings(dropout: float, concentrations: str) -> None:
    """Refuse a head's settings that are out of range, with a ModelError."""
    if not 0 <= dropout < 1:
        raise ModelError(f"dropout = {dropout}; give a share of the features from 0 up to, but not including, 1")
    if concentrations not in CONCENTRATIONS:
        raise ModelError(
            f"concentrations = '{concentrations}' is unknown.{did_you_mean(concentrations, CONCENTRATIONS)} "
            f"Use one of {', '.join(CONCENTRATIONS)}"
        )
