"""Weights that others published, for EfficientNet-B0 and -Lite0: Zoobot's and timm's files, and Keras' of ImageNet.

Published weights give their features only in the convention that they were trained in, which is a backbone of its own:

======================================  ==============================  =================================================
weights                                 backbone                        pixels that the first layer sees
======================================  ==============================  =================================================
timm's ``efficientnet_b0``, a file      ``efficientnet_b0_timm``        in [0, 1] as they are: what Zoobot 2 trains on
timm's ``tf_efficientnet_lite0``        ``efficientnet_lite0``          from -1 to 1: what its weights of ImageNet saw
"imagenet", which Keras downloads       ``efficientnet_b0_imagenet``    less ImageNet's mean, by its standard deviation
======================================  ==============================  =================================================

A file, in safetensors, does not say what its network was trained on. timm's own weights of ImageNet for B0
(``efficientnet_b0.ra_in1k``) have the same names but saw normalised pixels, and ``tf_efficientnet_b0`` pads as Keras does:
both could be read here, and neither would give its features. For ImageNet take "imagenet" or Lite0; of the other, the
``config.json`` beside the file warns us.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import ModelError, explained
from zooactive.foundation.parsing import read_object
from zooactive.models.backbones.efficientnet_b0 import IMAGENET_MEAN, IMAGENET_SPREAD, SMALLEST
from zooactive.models.backbones.register import nested_layers
from zooactive.models.published.names import IMAGENET, is_published
from zooactive.models.published.state import read_state

_READABLE = ("efficientnet_b0", "tf_efficientnet_lite0")
_STEM = "conv_stem.weight"
_HEADS = ("classifier.", "head.", "fc.")
_COUNTER = ".num_batches_tracked"

# Keras' layers by timm's names; the first block has no expansion, and timm counts on from what there is.
_ENDS = {"stem_conv": "conv_stem", "stem_bn": "bn1", "top_conv": "conv_head", "top_bn": "bn2"}
_EXCITATION = {"se_reduce": "se.conv_reduce", "se_expand": "se.conv_expand"}
_FIRST_BLOCK = {"dwconv": "conv_dw", "bn": "bn1", **_EXCITATION, "project_conv": "conv_pw", "project_bn": "bn2"}
_BLOCK = {
    **{"expand_conv": "conv_pw", "expand_bn": "bn1", "dwconv": "conv_dw", "bn": "bn2"},
    **{**_EXCITATION, "project_conv": "conv_pwl", "project_bn": "bn3"},
}
_WEIGHTS = {
    **{"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"},
    **{"moving_mean": "running_mean", "moving_variance": "running_var"},
}


def published_arrays(weights: str | Path) -> dict[str, NDArray[np.float32]] | None:
    """Read the arrays of a file; None for ImageNet's, which Keras holds.

    Raises a ModelError for what names no published weights, and as `read_timm`.
    """
    if not is_published(weights):
        raise ModelError(f"'{weights}' names no published weights; give a path that ends in .safetensors, or \"{IMAGENET}\"")
    return None if str(weights) == IMAGENET else read_timm(weights)


def backbone_of(arrays: dict[str, NDArray[np.float32]] | None) -> str:
    """Return the backbone that weights were trained in: only Lite0 has no excitation."""
    if arrays is None:
        return "efficientnet_b0_imagenet"
    return "efficientnet_b0_timm" if any(".se." in key for key in arrays) else "efficientnet_lite0"


def channels_of(arrays: dict[str, NDArray[np.float32]] | None) -> int:
    """Return how many channels the weights look at: ImageNet's network sees a grey image in all three."""
    return 3 if arrays is None else int(arrays[_STEM].shape[1])


def take_published(encoder: Any, arrays: dict[str, NDArray[np.float32]] | None, source: str | Path) -> None:
    """Give an encoder of `backbone_of` the weights; a ModelError where they do not fit, and it is then as it was."""
    if arrays is None:
        _take_imagenet(encoder)
    else:
        _take_timm(encoder, arrays, Path(source))


def read_timm(path: str | Path) -> dict[str, NDArray[np.float32]]:
    """Read the encoder's weights out of a safetensors file in timm's naming, float32 by timm's own names.

    Shapes are those of PyTorch: kernels (filter, channel, y, x). The names in the file may share a prefix, as in
    ``encoder.conv_stem.weight``. What has another one is left out, and so are the classifier and batch norm's counters.
    Raises a ModelError when safetensors is not installed, or when the file is missing, is damaged or holds no network of
    this family.
    """
    path = Path(path)
    _refuse_other_architectures(path)
    arrays = read_state(path)
    stems = [key for key in arrays if key == _STEM or key.endswith(f".{_STEM}")]
    if len(stems) != 1:
        found = ", ".join(stems or sorted(arrays)[:3]) or "nothing"
        raise ModelError(
            f"{path} needs one '{_STEM}', of timm's {' or '.join(_READABLE)}, and holds {found}; give an encoder's file"
        )
    prefix = stems[0].removesuffix(_STEM)
    named = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
    kept = {key: array for key, array in named.items() if not key.startswith(_HEADS) and not key.endswith(_COUNTER)}
    if kept[_STEM].ndim != 4 or kept[_STEM].shape[1] not in (1, 3):
        raise ModelError(f"{path}: '{_STEM}' has shape {kept[_STEM].shape}; (32, 3, 3, 3) is colour, (32, 1, 3, 3) is grey")
    return {key: np.asarray(array, np.float32) for key, array in kept.items()}


def timm_name(layer: str, weight: str) -> str:
    """Return timm's name of a weight of Keras' EfficientNet.

    "moving_mean" of "block2b_project_bn", for instance, is "blocks.1.1.bn3.running_mean".
    """
    place = re.fullmatch(r"block(\d)([a-z])_(\w+)", layer)
    if place is None:
        return f"{_ENDS[layer]}.{_WEIGHTS[weight]}"
    stage, unit = int(place[1]) - 1, ord(place[2]) - ord("a")
    names = _FIRST_BLOCK if stage == 0 else _BLOCK
    return f"blocks.{stage}.{unit}.{names[place[3]]}.{_WEIGHTS[weight]}"


def _refuse_other_architectures(path: Path) -> None:
    """Look at the description that the Hugging Face hub puts beside a file, where there is one."""
    try:
        about = read_object(path.with_name("config.json"))
    except (OSError, ValueError):
        return
    architecture = about.get("architecture", _READABLE[0])
    if architecture not in _READABLE:
        raise ModelError(
            f"{path} holds '{architecture}', as its config.json says; only {' and '.join(_READABLE)} can be read"
        )


def _own_weights(encoder: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each layer and weight that a checkpoint must give: all but the mean and spread of the pixels."""
    for layer in nested_layers(encoder):
        if not isinstance(layer, keras.layers.Normalization):
            yield from ((layer, weight) for weight in layer.weights)


def _take_timm(encoder: Any, arrays: dict[str, NDArray[np.float32]], path: Path) -> None:
    """Assign timm's arrays to the encoder, once all of them are known to fit."""
    named = {timm_name(layer.name, weight.name): (layer, weight) for layer, weight in _own_weights(encoder)}
    only = f"only timm's {' and '.join(_READABLE)} can be read: save the whole encoder again"
    for key in arrays:
        if key not in named:
            raise ModelError(f"{path} holds '{key}', which no network that can be read has; {only}")
    fitting = []
    for key, (layer, weight) in named.items():
        if key not in arrays:
            raise ModelError(f"'{key}' is missing from {path}, which holds {len(arrays)} of {len(named)} weights; {only}")
        axes = _axes(layer, weight)
        expected = tuple(weight.shape[axes.index(axis)] for axis in range(len(axes)))
        if arrays[key].shape != expected:
            mend = f"set channels = {arrays[key].shape[1]}" if key == _STEM and arrays[key].ndim == 4 else only
            raise ModelError(f"{path}: '{key}' has shape {arrays[key].shape} in place of {expected}; {mend}")
        fitting.append((weight, arrays[key].transpose(axes)))
    for weight, array in fitting:
        weight.assign(array)


def _axes(layer: Any, weight: Any) -> tuple[int, ...]:
    """Return which axes of PyTorch's array are those of Keras' weight, one by one."""
    if len(weight.shape) == 1:
        return (0,)
    # (filter, channel, y, x) to (y, x, channel, filter); depthwise (channel, 1, y, x) to (y, x, channel, 1)
    return (2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (2, 3, 1, 0)


def _take_imagenet(encoder: Any) -> None:
    """Assign the weights of Keras' own network, which downloads them, layer by layer."""
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
    """Check that Keras' network, with the statistics of its file, shows its first layer what ours does."""
    grey = np.linspace(0, 255, SMALLEST, dtype=np.float32).reshape(1, SMALLEST, 1, 1)
    pixels = np.broadcast_to(grey, (1, SMALLEST, SMALLEST, 3))
    shown = keras.Model(published.inputs[0], published.get_layer("stem_conv_pad").input)(pixels)
    if not np.allclose(np.asarray(shown), (pixels / 255 - IMAGENET_MEAN) / IMAGENET_SPREAD, atol=1e-3):
        raise ModelError(
            f"Keras {keras.__version__} scales pixels for its ImageNet weights in another way than ImageNet's mean and "
            "standard deviation; use Keras 3.15"
        )
