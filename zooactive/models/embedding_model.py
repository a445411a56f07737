"""A model without a network: a head on embeddings that another program's encoder computed."""

from __future__ import annotations

import json
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.preprocessing import Preprocessing
from zooactive.foundation.errors import ModelError, explained
from zooactive.foundation.html import html_pairs
from zooactive.foundation.npz import read_npz
from zooactive.foundation.writing import aside, write_json
from zooactive.models.head.activation import bias_for
from zooactive.models.head.draws import LinearDraws
from zooactive.models.head.dropout import LinearHead
from zooactive.models.head.feature_scale import FeatureScale
from zooactive.models.head.scaled import ScaledDraws
from zooactive.models.published.origin import Origin
from zooactive.models.saved_form import (
    ABOUT,
    EMBEDDINGS_FORMAT,
    HEAD,
    fingerprint_of,
    origin_of,
    read_about,
)
from zooactive.posterior.corrections import checked_factors
from zooactive.tree import DecisionTree, load_tree

_SCALE = "scale.npz"


class EmbeddingModel:
    """A head that turns embeddings into the Dirichlet concentrations of every answer of a decision tree.

    Use it instead of a `GalaxyModel` for predictions, choices and tasks. It needs neither Keras nor images, and refuses
    both.

    Parameters
    ----------
    tree : DecisionTree, str or Path
        The tree, or its name or file.
    features : int
        The width of the embeddings.
    encoder : str, optional
        The encoder of the embeddings. Embeddings that name another encoder are refused.
    scale : FeatureScale, optional
        Scales embeddings to numbers about 0 and 1. With None they are used unchanged, which the embeddings of zooactive's
        own encoders need.
    concentrations : {"sigmoid", "softplus", "fraction"}
        See `zooactive.models.head.activation.CONCENTRATIONS`.
    dropout : float
        The share of the features that a posterior draw leaves out.

    Attributes
    ----------
    factors : ndarray of float64, shape (question,), or None
    origin : Origin or None
        As in `GalaxyModel`.

    Raises
    ------
    ModelError
        For unknown or contradictory settings.

    Examples
    --------
    >>> model = EmbeddingModel("rings", features=640, encoder="convnext_nano")
    >>> model.linear_head().posterior_concentrations(np.zeros((5, 640)), draws=2, seed=0).shape
    (2, 5, 2)
    """

    backbone: ClassVar[str] = "embeddings"
    images: ClassVar[None] = None
    """It is not known what the images looked like."""
    preprocessing: ClassVar[Preprocessing] = Preprocessing()
    """The preprocessing for galleries; the model itself sees no image."""

    def __init__(
        self,
        tree: DecisionTree | str | Path,
        *,
        features: int,
        encoder: str | None = None,
        scale: FeatureScale | None = None,
        concentrations: str = "softplus",
        dropout: float = 0.2,
    ) -> None:
        self.tree = load_tree(tree)
        if scale is not None and len(scale.centre) != features:
            raise ModelError(
                f"the scale has {len(scale.centre)} features, but the embeddings have {features}; give a scale for them"
            )
        self.features, self.encoder_name, self.scale = features, encoder, scale
        answers = len(self.tree.columns)
        kernel, bias = np.zeros((features, answers), dtype=np.float32), np.zeros(answers, dtype=np.float32)
        self._head = LinearHead(kernel, bias, dropout, concentrations, self.tree)
        self.factors: NDArray[np.float64] | None = None
        self.origin: Origin | None = None

    def __repr__(self) -> str:
        return f"EmbeddingModel('{self.tree.name}', features={self.features}, encoder={self.encoder_name!r})"

    def _repr_html_(self) -> str:
        pairs = {
            "questions": f"{len(self.tree.questions)}, with {len(self.tree.columns)} answers",
            "embeddings": f"{self.features} features of {self.encoder_name or 'an encoder that has no name'}",
            "concentrations": self._head.concentrations,
            "calibrated": "no" if self.factors is None else "yes",
            **({} if self.origin is None else {"started from": str(self.origin)}),
        }
        return html_pairs(f"EmbeddingModel of tree '{self.tree.name}'", pairs.items())

    @property
    def encoder(self) -> NoReturn:
        """Raise a ModelError, because there is no network that could look at an image."""
        raise ModelError(
            f"the model of tree '{self.tree.name}' takes embeddings ({self.features} features), not images; give "
            "embeddings with --embeddings, in Python as zooactive.read_embeddings(...)"
        )

    @property
    def concentrations(self) -> str:
        """The function that turns outputs into concentrations."""
        return self._head.concentrations

    def with_tree(
        self, tree: DecisionTree | str | Path, *, concentrations: str | None = None, preprocessing: object = None
    ) -> EmbeddingModel:
        """Return a model of the same embeddings for other questions, with a fresh head; `preprocessing` is ignored."""
        del preprocessing
        tree = load_tree(tree)
        if concentrations is None:
            fractions_of_votes = self.concentrations == "fraction" and tree.votes != "class"
            concentrations = "softplus" if fractions_of_votes else self.concentrations
        other = EmbeddingModel(
            tree,
            features=self.features,
            encoder=self.encoder_name,
            scale=self.scale,
            concentrations=concentrations,
            dropout=self._head.dropout,
        )
        other.origin = self.origin
        return other

    def start_at(self, alpha: NDArray[np.float64]) -> None:
        """Set the head so that it predicts about the same concentrations (answer,) for every galaxy."""
        self.put_head(self._head.kernel, bias_for(alpha, self.concentrations, self.tree))

    def put_head(self, kernel: NDArray[np.floating], bias: NDArray[np.floating]) -> None:
        """Replace the head's weights (feature, answer) and bias (answer,)."""
        kernel, bias = np.asarray(kernel, dtype=np.float32), np.asarray(bias, dtype=np.float32)
        self._head = LinearHead(kernel, bias, self._head.dropout, self.concentrations, self.tree)

    def linear_head(self) -> LinearHead:
        """Return the current head."""
        return self._head

    def scaled(self, draws: LinearDraws) -> LinearDraws:
        """Return draws of this model's head as used for predictions: scaled by the model's factors, if it has any."""
        if self.factors is None or isinstance(draws, ScaledDraws):
            return draws
        return ScaledDraws(draws, self.factors)

    def of(self, features: NDArray[np.floating]) -> NDArray[np.float16]:
        """Return embeddings as the head sees them, (galaxy, feature)."""
        if features.shape[1] != self.features:
            raise ModelError(
                f"the embeddings have {features.shape[1]} features, but this model was trained on {self.features}; "
                "give embeddings of the same encoder"
                """Return all settings of the model as plain values, without its weights."""
            )
        return features.astype(np.float16) if self.scale is None else self.scale.of(features)

    def to_config(self) -> dict[str, Any]:
        """Return everything that the model is besides its numbers, as plain values."""
        return {
            "tree": self.tree.to_dict(),
            "features": self.features,
            "encoder": self.encoder_name,
            "concentrations": self.concentrations,
            "dropout": self._head.dropout,
        }

    def fingerprint(self) -> str:
        """Return a hash (BLAKE2b) of the settings and all numbers, 32 hexadecimal digits."""
        return fingerprint_of(self.to_config(), [self._head.kernel, self._head.bias, *self._scales(), *self._factors()])

    def encoder_fingerprint(self) -> str:
        """Return a mark of the encoder's name and scaling, which tells whether stored embeddings belong to this model."""
        if self.scale is None and self.encoder_name is not None:
            return self.encoder_name
        digest = blake2b(json.dumps([self.encoder_name, self.features]).encode(), digest_size=16)
        for array in self._scales():
            digest.update(array.tobytes())
        return digest.hexdigest()

    def _scales(self) -> list[NDArray[np.float32]]:
        return [] if self.scale is None else [self.scale.centre, self.scale.spread]

    def _factors(self) -> list[NDArray[np.float64]]:
        return [] if self.factors is None else [self.factors]

    def save(self, folder: str | Path) -> None:
        """Write ``model.json``, ``head.npz`` and, if embeddings are scaled, ``scale.npz``; ``model.json`` comes last.

        Raises
        ------
        OutputError
            If the folder cannot be written or the disk is full.
        """
        folder = Path(folder)
        self._head.save(folder / HEAD)
        if self.scale is not None:
            with aside(folder / _SCALE) as temporary, temporary.open("wb") as stream:
                np.savez(stream, centre=self.scale.centre, spread=self.scale.spread)
        about = {
            "format": EMBEDDINGS_FORMAT,
            "model": self.to_config(),
            "columns": self.tree.columns,
            "scaled": self.scale is not None,
            "fingerprint": self.fingerprint(),
            "factors": None if self.factors is None else self.factors.tolist(),
            "origin": None if self.origin is None else self.origin.to_dict(),
            "versions": {"zooactive": metadata.version("zooactive")},
        }
        write_json(folder / ABOUT, about)

    @classmethod
    def load(cls, folder: Path) -> EmbeddingModel:
        """Read a model that `save` wrote; raise a ModelError if it is incomplete or damaged."""
        about = read_about(folder)
        with explained(ModelError, f"{folder / ABOUT} is damaged ({{reason}}); save the model again"):
            config = dict(about["model"])
            tree = DecisionTree.from_dict(config.pop("tree"), where=str(folder / ABOUT))
            scale = None
            if about["scaled"]:
                arrays = read_npz(folder / _SCALE)
                scale = FeatureScale(arrays["centre"].astype(np.float32), arrays["spread"].astype(np.float32))
            model = cls(tree, scale=scale, **config)
        head = LinearHead.load(folder / HEAD)
        if head.kernel.shape != model.linear_head().kernel.shape:
            raise ModelError(f"{folder / HEAD} has a kernel of another shape than {ABOUT} says; save the model again")
        model.put_head(head.kernel, head.bias)
        model.origin = origin_of(folder, about)
        factors = about.get("factors")
        model.factors = None if factors is None else checked_factors(factors, tree, ModelError)
        if model.fingerprint() != about["fingerprint"]:
            raise ModelError(f"the numbers in {folder} do not match its {ABOUT}: a save was interrupted; save again")
        return model
