"""Weights published by others, for the same networks in zooactive: files of Zoobot and timm, and Keras' ImageNet weights.

Published weights give correct features only in the convention in which they were trained, which is a separate backbone:

======================================  ==============================  =================================================
weights                                 backbone                        pixels that the first layer sees
======================================  ==============================  =================================================
timm's ``convnext_nano`` and others     ``convnext_nano`` and others    in [0, 1] as they are: what Zoobot 2 trains on
timm's ``resnet50`` and others          ``resnet50`` and others         the same
timm's ``tf_efficientnetv2_s``          ``efficientnetv2_s``            the same
timm's ``efficientnet_b0``              ``efficientnet_b0_timm``        the same
timm's ``tf_efficientnet_lite0``        ``efficientnet_lite0``          from -1 to 1: what its weights of ImageNet saw
"imagenet", which Keras downloads       ``efficientnet_b0_imagenet``    less ImageNet's mean, by its standard deviation
======================================  ==============================  =================================================

`zooactive.models.published.architectures` lists all of them. A file does not say what its network was trained on. timm's own
ImageNet weights (``convnext_nano.in12k_ft_in1k``, ``efficientnet_b0.ra_in1k``) have the same names but were trained on
normalised pixels, and ``tf_efficientnet_b0`` pads as Keras does: these files could be read here, but would give wrong
features. For ImageNet use "imagenet" or Lite0. The ``config.json`` next to a file reveals other conventions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.bands import COLOURS, GREY
from zooactive.foundation.errors import ModelError, explained
from zooactive.models.backbones.efficientnet_b0 import IMAGENET_MEAN, IMAGENET_SPREAD, SMALLEST
from zooactive.models.backbones.register import nested_layers
from zooactive.models.backbones.stems import spread
from zooactive.models.published.architectures import ARCHITECTURES, CHANNELS, Architecture, Family, described
from zooactive.models.published.layouts import ANCHORS, STEMS, recognised, timm_name
from zooactive.models.published.names import IMAGENET, is_published, published_file
from zooactive.models.published.state import read_state

_CLASSIFIERS = ("classifier.", "fc.", "head.")
_LAST_NORM = "head.norm."
_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class PublishedEncoder:
    """The weights of an encoder by timm's names, in PyTorch's shapes; without an architecture, Keras downloads them."""

    source: Path
    architecture: Architecture | None = None
    arrays: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def backbone(self) -> str:
        """The backbone in which the weights were trained."""
        return "efficientnet_b0_imagenet" if self.architecture is None else self.architecture.backbone

    @property
    def channels(self) -> int:
        """The number of channels of the weights; Keras' ImageNet network sees a grey image in all three."""
        return 3 if self.architecture is None else int(self.arrays[STEMS[self.architecture.family]].shape[1])

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The names of the channels: colours, or grey."""
        return COLOURS if self.channels == len(COLOURS) else GREY

    def over(self, bands: tuple[str, ...]) -> PublishedEncoder:
        """Return the same weights with a first layer for other channels: see `zooactive.models.backbones.stems`."""
        assert self.architecture is not None  # Keras' ImageNet network takes no bands
        stem = STEMS[self.architecture.family]
        kernel = spread(self.arrays[stem].transpose(2, 3, 1, 0), self.channel_names, bands)
        return replace(self, arrays={**self.arrays, stem: kernel.transpose(3, 2, 0, 1)})


def read_published(weights: str | Path) -> PublishedEncoder:
    """Read published weights: a file, a folder that has one, or "imagenet", for which nothing is downloaded yet.

    Raise a ModelError if the name means no published weights, and in the cases of `read_timm`.
    """
    if not is_published(weights):
        raise ModelError(
            f"'{weights}' does not name published weights; give a path that ends in .safetensors, .bin or "
            f'.ckpt, a folder with config.json and such a file, or "{IMAGENET}"'
        )
    return PublishedEncoder(Path(IMAGENET)) if str(weights) == IMAGENET else read_timm(weights)


def take_published(encoder: Any, published: PublishedEncoder) -> None:
    """Give the weights to an encoder of the right backbone; a ModelError if they do not fit leaves the encoder unchanged."""
    if published.architecture is None:
        _take_imagenet(encoder)
    else:
        _take_timm(encoder, published, published.architecture)


def read_timm(path: str | Path) -> PublishedEncoder:
    """Read an encoder's weights from a file with timm's names, as float32.

    Shapes are those of PyTorch: kernels (filter, channel, y, x). The names in the file may share a prefix, as in
    ``encoder.conv_stem.weight``. Weights with another prefix are left out, and so are the classifier and batch norm's
    counters. Raise a ModelError if the file is missing, is damaged or holds no network that can be read, its ``config.json``
    names another network, or a package that reads it is not installed.
    """
    path = published_file(path)
    told = described(path)
    arrays = read_state(path)
    family, prefix = _found(path, arrays, told)
    named = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
    kept = {key: array for key, array in named.items() if not _is_left_out(key)}
    stem = STEMS[family]
    if stem not in kept:
        raise ModelError(f"{path} has no '{stem}' beside '{prefix}{ANCHORS[family]}'; save the whole encoder again")
    shape = kept[stem].shape
    if len(shape) != 4 or shape[1] not in CHANNELS:
        raise ModelError(f"{path}: '{stem}' has shape {shape}; the second of four numbers is 3 in colour, 1 in grey")
    architecture = told or recognised(family, kept, str(path))
    return PublishedEncoder(path, architecture, {key: _float32(path, key, array) for key, array in kept.items()})


def _found(path: Path, arrays: Mapping[str, Any], told: Architecture | None) -> tuple[Family, str]:
    """Return the family of the network in a file, and the prefix of its names."""
    anchors = ANCHORS if told is None else {told.family: ANCHORS[told.family]}
    found = [
        (family, key.removesuffix(anchor))
        for family, anchor in anchors.items()
        for key in arrays
        if key == anchor or key.endswith(f".{anchor}")
    ]
    if len(found) != 1:
        held = ", ".join([prefix + anchors[family] for family, prefix in found] or sorted(arrays)[:3]) or "nothing"
        needed = " or ".join(f"'{anchor}'" for anchor in anchors.values())
        names = ", ".join(ARCHITECTURES) if told is None else told.timm
        raise ModelError(f"{path} needs one {needed}, of timm's {names}, and holds {held}; give an encoder's file")
    return found[0]


def _float32(path: Path, key: str, array: NDArray[Any]) -> NDArray[np.float32]:
    """Return a weight in float32; a ModelError for whole numbers (quantised networks) and values that are not finite."""
    if array.dtype.kind != "f":
        raise ModelError(f"{path}: '{key}' holds {array.dtype} instead of floating-point numbers; save it in float32")
    with np.errstate(over="ignore"):
        numbers = np.asarray(array, np.float32)
    if not np.isfinite(numbers).all():
        raise ModelError(f"{path}: '{key}' has values that are not finite in float32; download the file again")
    return numbers


def _is_left_out(key: str) -> bool:
    """Return whether a weight belongs to a classifier or counts batches; ConvNeXt names its last norm like a classifier."""
    return key.endswith(_COUNTER) or (key.startswith(_CLASSIFIERS) and not key.startswith(_LAST_NORM))


def _own_weights(encoder: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each layer and weight that a checkpoint must contain: all except the mean and spread of the pixels."""
    for layer in nested_layers(encoder):
        if not isinstance(layer, keras.layers.Normalization):
            yield from ((layer, weight) for weight in layer.weights)


def _take_timm(encoder: Any, published: PublishedEncoder, architecture: Architecture) -> None:
    """Assign timm's arrays to the encoder, after a check that all of them fit."""
    path, arrays = published.source, published.arrays
    named = {timm_name(architecture, layer.name, weight.name): (layer, weight) for layer, weight in _own_weights(encoder)}
    only = f"it was read as timm's {architecture.timm}: give a whole encoder, with its config.json"
    for key in arrays:
        if key not in named:
            raise ModelError(f"{path} holds '{key}', which {architecture.timm} does not have; {only}")
    fitting = []
    for key, (layer, weight) in named.items():
        if key not in arrays:
            raise ModelError(f"'{key}' is missing from {path}, which holds {len(arrays)} of {len(named)} weights; {only}")
        axes = _axes(layer, weight)
        expected = tuple(weight.shape[axes.index(axis)] for axis in range(len(axes)))
        array = arrays[key]
        if array.ndim == 2 and expected[2:] == (1, 1):
            array = array[:, :, None, None]  # a linear layer is a convolution of 1 x 1
        if array.shape != expected:
            grey = key == STEMS[architecture.family] and array.shape == (expected[0], array.shape[1], *expected[2:])
            mend = f"set channels = {array.shape[1]}" if grey else only
            raise ModelError(f"{path}: '{key}' has shape {array.shape} instead of {expected}; {mend}")
        fitting.append((weight, array.transpose(axes)))
    for weight, array in fitting:
        weight.assign(array)


def _axes(layer: Any, weight: Any) -> tuple[int, ...]:
    """Return the axes of PyTorch's array in the order of Keras' weight."""
    if len(weight.shape) == 1:
        return (0,)
    # (filter, channel, y, x) to (y, x, channel, filter); depthwise (channel, 1, y, x) to (y, x, channel, 1)
    return (2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (2, 3, 1, 0)


def _take_imagenet(encoder: Any) -> None:
    """Assign the weights of Keras' own network, which Keras downloads, layer by layer."""
    mend = "connect to the network, or put efficientnetb0_notop.h5 into ~/.keras/models"
    with explained(ModelError, f"Keras could not get ImageNet's weights ({{reason}}); {mend}"):
        published = keras.applications.EfficientNetB0(
            include_top=False, weights=IMAGENET, input_shape=(SMALLEST, SMALLEST, 3)
        )
    _refuse_other_pixels(published)
    found = {(layer.name, weight.name): weight for layer, weight in _own_weights(published)}
    for layer, weight in _own_weights(encoder):
        weight.assign(found[layer.name, weight.name])


def _refuse_other_pixels(published: Any) -> None:
    """Check that Keras' network, with the statistics of its file, shows its first layer the same pixels as ours."""
    grey = np.linspace(0, 255, SMALLEST, dtype=np.float32).reshape(1, SMALLEST, 1, 1)
    pixels = np.broadcast_to(grey, (1, SMALLEST, SMALLEST, 3))
    shown = keras.Model(published.inputs[0], published.get_layer("stem_conv_pad").input)(pixels)
    if not np.allclose(np.asarray(shown), (pixels / 255 - IMAGENET_MEAN) / IMAGENET_SPREAD, atol=1e-3):
        raise ModelError(
            f"Keras {keras.__version__} does not scale pixels for its ImageNet weights by ImageNet's mean and "
            "standard deviation; use Keras 3.15"
        )
