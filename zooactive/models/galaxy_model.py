"""A model of volunteers' answers: preprocessing, backbone, head and decision tree in one object."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Preprocessing
from zooactive.catalogue.image_statistics import ImageStatistics
from zooactive.foundation.errors import ModelError, ZooactiveError, did_you_mean, explained
from zooactive.foundation.forking import networks_compute
from zooactive.foundation.html import html_pairs
from zooactive.foundation.vocabulary import PRECISIONS
from zooactive.foundation.writing import aside, write_json
from zooactive.models.backbones.names import refuse_bands
from zooactive.models.backbones.register import build_encoder, nested_layers
from zooactive.models.backbones.standardise import standardised
from zooactive.models.backbones.stems import spread_told, take_weights
from zooactive.models.head.activation import bias_for
from zooactive.models.head.draws import LinearDraws
from zooactive.models.head.dropout import LinearHead
from zooactive.models.head.layer import ConcentrationHead
from zooactive.models.head.scaled import ScaledDraws
from zooactive.models.published.origin import Origin
from zooactive.models.saved_form import (
    ABOUT,
    ENCODER,
    FORMAT,
    HEAD,
    array_of,
    arrays_of,
    fingerprint_of,
    halved,
    model_folder,
    origin_of,
    read_about,
    read_arrays,
    refuse_other_network,
    widened,
)
from zooactive.models.seeds import seeded
from zooactive.posterior.corrections import checked_factors
from zooactive.tree import DecisionTree, load_tree


class GalaxyModel:
    """A network that turns cutouts into the Dirichlet concentrations of every answer of a decision tree.

    The initial weights depend only on `seed`, in any thread. The random state of Keras and of Python does not change.

    Parameters
    ----------
    tree : DecisionTree, str or Path
        The tree, or its name or file.
    backbone : str
        One of `zooactive.models.list_backbones`.
    image_size : int
        The number of pixels on a side.
    channels : {3, 1}
        Colour or grey. To list bands, use `preprocessing`.
    crop : float
        The central fraction of a cutout's shorter side that is kept.
    dropout : float
        The share of the features that a posterior draw leaves out.
    concentrations : {"sigmoid", "softplus", "fraction"}
        See `zooactive.models.head.activation.CONCENTRATIONS`; "fraction" for questions learnt from single labels.
    seed : int
        The seed for the initial weights and for dropout in training.
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        The precision in which the encoder computes. Weights, features, head and loss are always float32.
    preprocessing : Preprocessing, optional
        Given instead of `image_size`, `channels` and `crop`.

    Attributes
    ----------
    tree : DecisionTree
    preprocessing : Preprocessing
    backbone : str
    encoder : keras.Model
        Maps pixels float32 in [0, 1] (batch, size, size, channels) to features float32 (batch, feature).
    head : ConcentrationHead
        Maps features to concentrations.
    network : keras.Model
        Encoder and head: maps pixels to concentrations float32 (batch, answer).
    images : ImageStatistics or None
        Statistics of the images that the model was trained on.
    origin : Origin or None
        The weights that it started from, and the licence under which they were published.
    stem : str or None
        What was done to the first layer of the weights that it started from, if they were trained on other channels.
    factors : ndarray of float64, shape (question,), or None
        The factor on the concentrations of each question in predictions: see `zooactive.calibrate`.

    Raises
    ------
    ModelError
        For unknown or contradictory settings.

    Examples
    --------
    >>> model = GalaxyModel("rings", backbone="small_cnn", image_size=32)
    >>> model.network(np.zeros((2, 32, 32, 3), np.float32)).shape
    TensorShape([2, 2])
    """

    def __init__(
        self,
        tree: DecisionTree | str | Path,
        *,
        backbone: str = "efficientnet_b0",
        image_size: int = 224,
        channels: int = 3,
        crop: float = 1.0,
        dropout: float = 0.2,
        concentrations: str = "softplus",
        seed: int = 0,
        precision: str = "float32",
        preprocessing: Preprocessing | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise ModelError(
                f"precision = '{precision}' is unknown.{did_you_mean(precision, PRECISIONS)} "
                f"Use one of {', '.join(PRECISIONS)}"
            )
        if preprocessing is None:
            preprocessing = Preprocessing(size=image_size, channels=channels, crop=crop)
        elif (image_size, channels, crop) != (224, 3, 1.0):
            raise ModelError("both preprocessing and one of image_size, channels, crop were given; give only one of them")
        refuse_bands(backbone, preprocessing.listed)
        self.tree = load_tree(tree)
        self.preprocessing = preprocessing
        self.backbone = backbone
        self.seed = seed
        self.precision = precision
        networks_compute()
        with seeded(seed), _computing_in(precision):
            self.encoder = build_encoder(backbone, preprocessing.size, preprocessing.channels)
            if preprocessing.standardise:
                self.encoder = standardised(self.encoder)
        self.head = ConcentrationHead(self.tree, dropout=dropout, concentrations=concentrations, seed=seed)
        pixels = keras.Input(self.encoder.input.shape[1:], name="pixels")
        self.network = keras.Model(pixels, self.head(self.encoder(pixels)), name="galaxy_model")
        self.images: ImageStatistics | None = None
        self.origin: Origin | None = None
        self.stem: str | None = None
        self.factors: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        size, channels = self.preprocessing.size, self.preprocessing.channels
        return f"GalaxyModel('{self.tree.name}', backbone='{self.backbone}', image_size={size}, channels={channels})"

    def _repr_html_(self) -> str:
        size, channels = self.preprocessing.size, self.preprocessing.channel_names
        number = "all of the image" if self.preprocessing.crop == 1 else f"the central {self.preprocessing.crop:g}"
        pairs = {
            "questions": f"{len(self.tree.questions)}, with {len(self.tree.columns)} answers",
            "backbone": f"{self.backbone}, {self.network.count_params():,} weights",
            "input": f"{size} x {size} pixels, {len(channels)} channel{'s' * (len(channels) > 1)} "
            f"({', '.join(channels)}), {number}",
            "features": self.encoder.output.shape[-1],
            "concentrations": self.head.concentrations,
            "precision": self.precision,
            "calibrated": "no" if self.factors is None else "yes",
            **({} if self.origin is None else {"started from": str(self.origin)}),
            **({} if self.stem is None else {"first layer": self.stem}),
        }
        return html_pairs(f"GalaxyModel of tree '{self.tree.name}'", pairs.items())

    def with_tree(
        self,
        tree: DecisionTree | str | Path,
        *,
        concentrations: str | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> GalaxyModel:
        """Return a model for other questions: a copy of this encoder with a fresh head.

        Parameters
        ----------
        tree : DecisionTree, str or Path
        concentrations, preprocessing : optional
            By default those of this model, except that "softplus" replaces "fraction" for votes; other images may need
            another crop. For listed bands, the first layer is made from this model's first layer: see
            `zooactive.models.backbones.stems`.
        """
        tree = load_tree(tree)
        if concentrations is None:
            fractions_of_votes = self.head.concentrations == "fraction" and tree.votes != "class"
            concentrations = "softplus" if fractions_of_votes else self.head.concentrations
        other = GalaxyModel(
            tree,
            backbone=self.backbone,
            dropout=self.head.dropout,
            concentrations=concentrations,
            seed=self.seed,
            precision=self.precision,
            preprocessing=preprocessing or self.preprocessing,
        )
        other._take_encoder(self)
        other.images = self.images if other.preprocessing.listed == self.preprocessing.listed else None
        return other

    def start_from(self, other: GalaxyModel) -> None:
        """Copy another model's weights: those of the encoder, and those of the head if the questions are the same.

        Parameters
        ----------
        other : GalaxyModel
            A model with the same backbone. Its image size may differ, and so may its channels if one of the two lists bands.

        Raises
        ------
        ModelError
            If the backbones differ, or one model sees colour and the other grey.
        """
        self._take_encoder(other)
        if self.tree.columns == other.tree.columns and self.head.concentrations == other.head.concentrations:
            self.head.kernel.assign(other.head.kernel)
            self.head.bias.assign(other.head.bias)

    def _take_encoder(self, other: GalaxyModel) -> None:
        mine, theirs = self.preprocessing, other.preprocessing
        refuse_other_network((self.backbone, mine), (other.backbone, theirs))
        take_weights(self.encoder, other.encoder, theirs.channel_names, mine.channel_names)
        self.origin = other.origin
        self.stem = spread_told(theirs.channel_names, mine.channel_names) or other.stem

    def start_at(self, alpha: NDArray[np.float64]) -> None:
        """Set the head's bias so that an untrained model predicts about these concentrations for every galaxy.

        Parameters
        ----------
        alpha : ndarray, shape (answer,)
            For example the best constant concentrations. The network then only learns how galaxies differ.
        """
        self.head.bias.assign(bias_for(alpha, self.head.concentrations, self.tree))

    def put_head(self, kernel: NDArray[np.floating], bias: NDArray[np.floating]) -> None:
        """Replace the head's weights (feature, answer) and bias (answer,)."""
        self.head.kernel.assign(kernel)
        self.head.bias.assign(bias)

    @property
    def concentrations(self) -> str:
        """The function that turns outputs into concentrations."""
        return str(self.head.concentrations)

    def to_config(self) -> dict[str, Any]:
        """Return all settings of the model as plain values, without its weights."""
        return {
            "tree": self.tree.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "backbone": self.backbone,
            "dropout": self.head.dropout,
            "concentrations": self.head.concentrations,
            "seed": self.seed,
            "precision": self.precision,
        }

    def linear_head(self) -> LinearHead:
        """Return the current head, in NumPy."""
        kernel, bias = array_of(self.head.kernel), array_of(self.head.bias)
        return LinearHead(kernel, bias, self.head.dropout, self.head.concentrations, self.tree)

    def scaled(self, draws: LinearDraws) -> LinearDraws:
        """Return draws of this model's head as used for predictions: scaled by the model's factors, if it has any."""
        if self.factors is None or isinstance(draws, ScaledDraws):
            return draws
        return ScaledDraws(draws, self.factors)

    def fingerprint(self) -> str:
        """Return a hash (BLAKE2b) of the settings and all weights, 32 hexadecimal digits; equal models have equal hashes."""
        head = self.linear_head()
        return fingerprint_of(self.to_config(), [*arrays_of(self.encoder), head.kernel, head.bias, *self._factors()])

    def _factors(self) -> list[NDArray[Any]]:
        return [] if self.factors is None else [self.factors]

    def encoder_fingerprint(self) -> str:
        """Return a hash (BLAKE2b) of the encoder's weights and the preprocessing; equal hashes mean equal embeddings."""
        config = self.to_config()
        own = {name: config[name] for name in ("preprocessing", "backbone", "precision")}
        return fingerprint_of(own, arrays_of(self.encoder))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as settings and weights, for worker processes."""
        head = self.linear_head()
        beside = (self.images, self.factors, self.origin, self.stem)
        return _rebuilt, (self.to_config(), arrays_of(self.encoder), head.kernel, head.bias, *beside)

    def save(self, folder: str | Path, *, half: bool = False) -> None:
        """Write the complete model: ``model.json``, ``encoder.npz``, ``head.npz``.

        Each file is written aside and renamed, ``model.json`` last. It contains the fingerprint of all weights, so an
        interrupted save is never taken for a complete one.

        Parameters
        ----------
        folder : path
        half : bool
            Store the encoder's kernels in float16, at half the size. The loaded model then differs from this one by
            rounding. Biases and the statistics of batch norms stay in float32.

        Raises
        ------
        OutputError
            If the folder cannot be written or the disk is full.
        """
        folder = Path(folder)
        stored = [halved(array) if half else array for array in arrays_of(self.encoder)]
        with aside(folder / ENCODER) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **{f"{i:04d}": array for i, array in enumerate(stored)})  # type: ignore[arg-type]
        head = self.linear_head()
        head.save(folder / HEAD)
        about = {
            "format": FORMAT,
            "model": self.to_config(),
            "columns": self.tree.columns,
            "pixels": "float32 in [0, 1], (batch, size, size, channels)",
            "fingerprint": fingerprint_of(
                self.to_config(), [*map(widened, stored), head.kernel, head.bias, *self._factors()]
            ),
            "factors": None if self.factors is None else self.factors.tolist(),
            "images": None if self.images is None else self.images.to_dict(),
            "origin": None if self.origin is None else self.origin.to_dict(),
            **({} if self.stem is None else {"first layer": self.stem}),
            "versions": {"zooactive": metadata.version("zooactive"), "keras": keras.__version__},
        }
        write_json(folder / ABOUT, about)

    def load_weights(self, folder: str | Path) -> None:
        """Load the weights of a saved model with the same settings.

        Raises
        ------
        ModelError
            If the folder holds no complete model, or one with other settings.
        """
        folder = model_folder(Path(folder))
        about = read_about(folder)
        mine = json.loads(json.dumps(self.to_config()))
        if about["model"] != mine:
            different = [key for key, value in mine.items() if about["model"].get(key) != value]
            raise ModelError(f"{folder} holds a model with another {', '.join(different)}; load_model builds it as it was")
        self._assign(folder, about)

    def _assign(self, folder: Path, about: dict[str, Any]) -> None:
        weights = self.encoder.weights

        def check(shapes: list[tuple[int, ...]]) -> None:
            if shapes != [tuple(weight.shape) for weight in weights]:
                raise ModelError(
                    f"{folder / ENCODER} does not fit the backbone '{self.backbone}' ({len(shapes)} arrays for "
                    f"{len(weights)} weights, or other shapes); was another builder registered under this name?"
                )

        arrays = read_arrays(folder / ENCODER, check)
        head = LinearHead.load(folder / HEAD)
        if head.kernel.shape != tuple(self.head.kernel.shape):
            raise ModelError(
                f"{folder / HEAD} has a kernel of shape {head.kernel.shape} instead of {tuple(self.head.kernel.shape)}; "
                "save the model again"
            )
        # The settings as written are hashed, so that a setting added later does not invalidate an older model.
        factors = about.get("factors")
        scales = [] if factors is None else [checked_factors(factors, self.tree, ModelError)]
        if fingerprint_of(about["model"], [*arrays, head.kernel, head.bias, *scales]) != about["fingerprint"]:
            raise ModelError(f"the weights in {folder} do not match its {ABOUT}: a save was interrupted; save again")
        origin = origin_of(folder, about)
        self._set_arrays(arrays, head.kernel, head.bias)
        self.origin = origin
        self.stem = None if (said := about.get("first layer")) is None else str(said)
        self.factors = scales[0] if scales else None
        looks = about.get("images")
        self.images = None if looks is None else ImageStatistics.from_dict(looks, where=str(folder / ABOUT))

    def _set_arrays(self, arrays: Sequence[NDArray[Any]], kernel: NDArray[Any], bias: NDArray[Any]) -> None:
        for weight, array in zip(self.encoder.weights, arrays, strict=True):
            weight.assign(array)
        for layer in nested_layers(self.encoder):
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()  # it computes with constants made from its weights
        self.put_head(kernel, bias)


def load_galaxy_model(folder: Path) -> GalaxyModel:
    """Load a model that `GalaxyModel.save` wrote; a ModelError if it is incomplete or its backbone is not registered."""
    about = read_about(folder)
    file = folder / ABOUT
    damaged = explained(ModelError, f"{file} is damaged ({{reason}}); save the model again")
    with damaged, explained(ModelError, f"{file}: {{reason}}", ZooactiveError):
        model = _built(about["model"], str(file))
    model._assign(folder, about)
    return model


def _built(config: Mapping[str, Any], where: str) -> GalaxyModel:
    tree = DecisionTree.from_dict(config["tree"], where=where)
    return GalaxyModel(**{**config, "tree": tree, "preprocessing": Preprocessing.from_dict(config["preprocessing"])})


def _rebuilt(
    config: dict[str, Any],
    arrays: Sequence[NDArray[Any]],
    kernel: NDArray[Any],
    bias: NDArray[Any],
    images: ImageStatistics | None,
    factors: NDArray[np.float64] | None,
    origin: Origin | None = None,
    stem: str | None = None,
) -> GalaxyModel:
    """Make a model from its pickled settings and weights."""
    model = _built(config, "a pickled model")
    model._set_arrays(arrays, kernel, bias)
    model.images, model.factors, model.origin, model.stem = images, factors, origin, stem
    return model


@contextlib.contextmanager
def _computing_in(precision: str) -> Iterator[None]:
    """Make all layers that are built in the block compute in a precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
