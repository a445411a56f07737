"""Posterior draws of the last, linear layer: concentrations from stored features, without pixels or Keras.

A draw is one set of weights, the same for every galaxy: a dropout mask (`LinearHead`) or a sample of a Laplace approximation
(`LaplaceHead`). Draw t is the same however many draws are taken, on every backend and in every shard.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import ModelError, explained
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.npz import read_npz
from zooactive.foundation.parsing import from_json
from zooactive.foundation.writing import aside
from zooactive.models.head.activation import activate
from zooactive.tree import DecisionTree

FORMAT = 1
"""The version of a file of draws; before version 1 no number was written."""

GALAXIES_AT_ONCE = 256
DRAWS_AT_ONCE = 16
MOST_DRAWS = 65536
# Every matrix product has this one size, the last one padded, and is summed in float64 before it is rounded. A product of
# another size, and on some processors another row of the same product, is summed in another order. But a galaxy's numbers
# must not depend on its neighbours, its shard or the number of draws.


class LinearDraws(ABC):
    """Random weights of the linear layer, and the function that turns its outputs into concentrations."""

    kind: ClassVar[str]
    kernel: NDArray[np.float32]
    """(..., feature, answer)"""
    concentrations: str
    tree: DecisionTree

    @abstractmethod
    def draw_weights(self, first: int, last: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the kernels (draw, feature, answer) and biases (draw, answer) of the draws `first` to ``last - 1``."""

    @abstractmethod
    def _arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that are saved in addition to the settings."""

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """Return the settings of this kind, as plain values."""

    @property
    def features(self) -> int:
        """The number of features F."""
        return int(self.kernel.shape[-2])

    def posterior_concentrations(self, features: ArrayLike, *, draws: int, seed: int) -> NDArray[np.float32]:
        """Draw concentrations for galaxies with known features.

        The features are rounded to float16 first, as they are stored, so that live and stored predictions agree.

        Parameters
        ----------
        features : array_like, shape (galaxy, feature)
            The output of the encoder.
        draws : int
            The number of draws T, at least 1.
        seed : int
            The seed for the draws.

        Returns
        -------
        ndarray of float32, shape (draw, galaxy, answer)

        Raises
        ------
        ModelError
            If the features have another shape or are not finite in float16 (beyond 65504), there is fewer than one draw, or
            the seed is negative.
        """
        embedding = self._to_float16(features)
        check_draws(draws, seed)
        answers = len(self.tree.columns)
        out = np.empty((draws, len(embedding), answers), dtype=np.float32)
        chunk = np.empty((GALAXIES_AT_ONCE, self.features))
        for first_draw in range(0, draws, DRAWS_AT_ONCE):
            last_draw = min(first_draw + DRAWS_AT_ONCE, draws)
            some, bias = self.draw_weights(first_draw, last_draw, seed)
            kernels = np.zeros((self.features, DRAWS_AT_ONCE, answers))
            kernels[:, : len(some)] = np.moveaxis(some, 0, 1)
            flat = kernels.reshape(self.features, -1)
            for first in range(0, len(embedding), GALAXIES_AT_ONCE):
                rows = embedding[first : first + GALAXIES_AT_ONCE]
                chunk[: len(rows)] = rows
                chunk[len(rows) :] = 0
                product = (chunk @ flat).astype(np.float32)
                z = product.reshape(GALAXIES_AT_ONCE, DRAWS_AT_ONCE, answers)[: len(rows), : len(some)]
                alpha = activate(z + bias, self.concentrations, self.tree)
                out[first_draw:last_draw, first : first + len(rows)] = np.moveaxis(alpha, 1, 0)
        return out

    def save(self, path: str | Path) -> None:
        """Write the draws to one ``.npz`` file, aside and renamed."""
        about = {
            "format": FORMAT,
            "kind": self.kind,
            "concentrations": self.concentrations,
            "tree": self.tree.to_dict(),
            **self._settings(),
        }
        with aside(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, about=np.array(json.dumps(about)), **self._arrays())  # type: ignore[arg-type]

    def fingerprint(self) -> str:
        """Return a hash (BLAKE2b) of the settings and all numbers, 32 hexadecimal digits; equal draws have equal hashes."""
        digest = blake2b(json.dumps([self.kind, self.concentrations, self._settings()]).encode(), digest_size=16)
        for name, array in sorted(self._arrays().items()):
            digest.update(f"{name}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def with_one(self, features: ArrayLike) -> NDArray[np.float32]:
        """Return features as they are stored, and a 1 for the bias: float32 (galaxy, feature + 1)."""
        embedding = self._to_float16(features).astype(np.float32)
        return np.column_stack([embedding, np.ones(len(embedding), dtype=np.float32)])

    def _to_float16(self, features: ArrayLike) -> NDArray[np.float16]:
        values = np.asarray(features)
        if values.ndim != 2 or values.shape[1] != self.features:
            raise ModelError(
                f"the features have the shape {values.shape}, but this head needs (galaxy, {self.features}): "
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


def read_saved(path: str | Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any], DecisionTree]:
    """Read the arrays, settings and tree that `LinearDraws.save` wrote.

    Raise a ModelError if the file is missing, damaged or something different.
    """
    missing = explained(ModelError, f"{path} is missing; give the head.npz of a saved model", FileNotFoundError)
    unreadable = explained(ModelError, f"{path} cannot be read: {{reason}}; give the head.npz of a saved model", OSError)
    with damaged(path), unreadable, missing:
        arrays = read_npz(Path(path))
        about: dict[str, Any] = from_json(str(arrays.pop("about")))
        refuse_future(Path(path), about.get("format", 0), FORMAT, ModelError)
        tree = DecisionTree.from_dict(about["tree"], where=str(path))
        if any(array.dtype.kind not in "fiu" for array in arrays.values()):
            raise ValueError("arrays that are not numbers")
        return arrays, about, tree


def damaged(path: str | Path) -> AbstractContextManager[None]:
    """Turn any error about a file that holds no head into one sentence."""
    return explained(ModelError, f"{path} is damaged, or not the head of a model; save the model again")


def check_draws(draws: int, seed: int) -> None:
    """Raise a ModelError for impossible numbers of draws or seeds."""
    if not 1 <= draws <= MOST_DRAWS or not 0 <= seed < 2**64:
        raise ModelError(f"you asked for {draws} draws with seed {seed}; give 1 to {MOST_DRAWS} draws and a seed from 0 up")


def check_galaxies(galaxies: int, purpose: str) -> None:
    """Raise a ModelError if there are no galaxies to fit draws to, because then nothing limits how far they may differ."""
    if galaxies < 1:
        raise ModelError(f"there are no {purpose} galaxies to fit draws to; give features and votes of at least one")


def check_linear(kernel: NDArray[Any], bias: NDArray[Any], tree: DecisionTree) -> None:
    """Raise a ModelError if a kernel (..., feature, answer) and a bias (..., answer) do not fit each other or the tree."""
    answers = len(tree.columns)
    if kernel.ndim < 2 or kernel.shape[-1] != answers or bias.shape != (*kernel.shape[:-2], answers):
        raise ModelError(
            f"the head has a kernel of shape {kernel.shape} and a bias of shape {bias.shape}; "
            f"tree '{tree.name}' needs (feature, {answers}) and ({answers},)"
        )
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        raise ModelError("the head holds weights that are not finite; train again with a lower learning rate")


def noise(seed: int, draw: int) -> np.random.Generator:
    """Return the random numbers of one draw: NumPy's counter-based Philox with the key (seed, draw)."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, draw], dtype=np.uint64)))
