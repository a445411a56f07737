"""timm's names for the weights of our backbones, and how to recognise an architecture by a file's names and shapes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from zooactive.foundation.errors import ModelError
from zooactive.models.backbones.convnext import SIZES
from zooactive.models.backbones.resnet import NARROW, UNITS
from zooactive.models.published.architectures import ARCHITECTURES, Architecture, Family

STEMS: dict[Family, str] = {
    "convnext": "stem.0.weight",
    "efficientnet": "conv_stem.weight",
    "resnet": "conv1.weight",
}
"""The kernel that sees the pixels, which shows the number of channels."""

ANCHORS: dict[Family, str] = {**STEMS, "resnet": "layer1.0.conv1.weight"}
"""A name that a network's file contains once, whatever its prefix; ``conv1.weight`` is also the end of other names."""

_WEIGHTS = {
    **{"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"},
    **{"moving_mean": "running_mean", "moving_variance": "running_var"},
}

# EfficientNet: Keras' layers by timm's names. B0's first block has no expansion, and timm numbers only existing layers.
_ENDS = {"stem_conv": "conv_stem", "stem_bn": "bn1", "top_conv": "conv_head", "top_bn": "bn2"}
_EXCITATION = {"se_reduce": "se.conv_reduce", "se_expand": "se.conv_expand"}
_SEPARABLE = {"dwconv": "conv_dw", "bn": "bn1", **_EXCITATION, "project_conv": "conv_pw", "project_bn": "bn2"}
_INVERTED = {
    **{"expand_conv": "conv_pw", "expand_bn": "bn1", "dwconv": "conv_dw", "dwconv2": "conv_dw", "bn": "bn2"},
    **{**_EXCITATION, "project_conv": "conv_pwl", "project_bn": "bn3"},
}
_PLAIN = {"project_conv": "conv", "project_bn": "bn1"}
_FUSED = {"expand_conv": "conv_exp", "expand_bn": "bn1", "project_conv": "conv_pwl", "project_bn": "bn2"}
_STAGES = {
    "efficientnet_b0": (_SEPARABLE, *[_INVERTED] * 6),
    "tf_efficientnet_lite0": (_SEPARABLE, *[_INVERTED] * 6),
    "tf_efficientnetv2_s": (_PLAIN, _FUSED, _FUSED, *[_INVERTED] * 3),
}

_CONVNEXT_ENDS = {"stem_conv": "stem.0", "stem_norm": "stem.1", "last_norm": "head.norm"}
_CONVNEXT_DOWN = {"down_norm": "downsample.0", "down_conv": "downsample.1"}
_CONVNEXT_BLOCK = {"dwconv": "conv_dw.", "norm": "norm.", "fc1": "mlp.fc1.", "fc2": "mlp.fc2.", "scale": ""}

_RESNET_ENDS = {"stem_conv": "conv1", "stem_bn": "bn1"}
_RESNET_SHORTCUT = {"downsample_conv": "downsample.0", "downsample_bn": "downsample.1"}


def timm_name(architecture: Architecture, layer: str, weight: str) -> str:
    """Return timm's name for a weight of our network.

    For instance, "moving_mean" of EfficientNet's "block2b_project_bn" is "blocks.1.1.bn3.running_mean".
    """
    if architecture.family == "convnext":
        return _of_convnext(layer, weight)
    if architecture.family == "resnet":
        return _of_resnet(layer, weight)
    return _of_efficientnet(architecture.timm, layer, weight)


def _of_efficientnet(name: str, layer: str, weight: str) -> str:
    place = re.fullmatch(r"block(\d)([a-z])_(\w+)", layer)
    if place is None:
        return f"{_ENDS[layer]}.{_WEIGHTS[weight]}"
    stage, unit = int(place[1]) - 1, ord(place[2]) - ord("a")
    return f"blocks.{stage}.{unit}.{_STAGES[name][stage][place[3]]}.{_WEIGHTS[weight]}"


def _of_convnext(layer: str, weight: str) -> str:
    block = re.fullmatch(r"stage(\d)_(\d+)_(\w+)", layer)
    if block is not None:
        # The factors of the channels are a weight of the block itself.
        named = weight if block[3] == "scale" else _WEIGHTS[weight]
        return f"stages.{int(block[1]) - 1}.blocks.{int(block[2]) - 1}.{_CONVNEXT_BLOCK[block[3]]}{named}"
    down = re.fullmatch(r"stage(\d)_(down_\w+)", layer)
    if down is not None:
        return f"stages.{int(down[1]) - 1}.{_CONVNEXT_DOWN[down[2]]}.{_WEIGHTS[weight]}"
    return f"{_CONVNEXT_ENDS[re.sub(r'^stage[0-9]_', '', layer)]}.{_WEIGHTS[weight]}"


def _of_resnet(layer: str, weight: str) -> str:
    unit = re.fullmatch(r"layer(\d)_(\d+)_(\w+)", layer)
    if unit is None:
        return f"{_RESNET_ENDS[layer]}.{_WEIGHTS[weight]}"
    return f"layer{unit[1]}.{int(unit[2]) - 1}.{_RESNET_SHORTCUT.get(unit[3], unit[3])}.{_WEIGHTS[weight]}"


def recognised(family: Family, arrays: Mapping[str, NDArray[Any]], source: str) -> Architecture:
    """Return the architecture of a file without a description, recognised by its names and shapes.

    Weights of other conventions with the same names (``tf_efficientnet_b0``, ``efficientnetv2_s``) cannot be told apart
    here. Raise a ModelError for a depth or width that no backbone has.
    """
    if family == "efficientnet":
        if "blocks.0.0.conv.weight" in arrays:
            return ARCHITECTURES["tf_efficientnetv2_s"]
        # Only Lite0 has no excitation.
        return ARCHITECTURES["efficientnet_b0" if any(".se." in key for key in arrays) else "tf_efficientnet_lite0"]
    if family == "convnext":
        blocks = _numbers(arrays, r"stages\.([0-3])\.blocks\.(\d+)\.conv_dw\.weight")
        stem = arrays[STEMS[family]].shape[0]
        for size, (depths, features) in SIZES.items():
            if blocks == depths and stem == features[0]:
                return ARCHITECTURES[f"convnext_{size}"]
        found = f"a ConvNeXt of {_listed(blocks)} blocks with {stem} features in the first stage"
    else:
        units = _numbers(arrays, r"layer([1-4])\.(\d+)\.conv1\.weight")
        narrow = "layer1.0.conv3.weight" not in arrays
        for depth, known in UNITS.items():
            if units == known and narrow == (depth == NARROW):
                return ARCHITECTURES[f"resnet{depth}"]
        found = f"a ResNet of {_listed(units)} units of {2 if narrow else 3} convolutions"
    readable = ", ".join(name for name, known in ARCHITECTURES.items() if known.family == family)
    raise ModelError(f"{source} holds {found}; of this kind only {readable} can be read")


def _numbers(keys: Iterable[str], pattern: str) -> tuple[int, ...]:
    """Count the blocks of each of four stages, by names that contain the stage and the block's number."""
    found = [place for key in keys if (place := re.fullmatch(pattern, key))]
    stages = sorted({place[1] for place in found})
    return tuple(len({place[2] for place in found if place[1] == stage}) for stage in stages)


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers)) or "no"
