"""The networks of timm that are available here, and what ``config.json`` says about a file; known without Keras.

The architecture is the one that ``config.json`` next to a file names; the name of a repository or of a file does not count.
The mean and standard deviation of pixels in ``config.json`` are those of timm's ImageNet weights. Zoobot keeps the entry but
trains on unchanged pixels in [0, 1], so these numbers are not read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from zooactive.foundation.errors import ModelError, did_you_mean
from zooactive.foundation.parsing import read_object
from zooactive.foundation.vocabulary import Backbone
from zooactive.models.published.names import DESCRIPTION

Family: TypeAlias = Literal["convnext", "efficientnet", "resnet"]
"""Groups of networks whose weights have the same names."""


@dataclass(frozen=True)
class Architecture:
    """A network of timm, and the backbone that is the same network here."""

    timm: str
    backbone: Backbone
    features: int
    family: Family


ARCHITECTURES: dict[str, Architecture] = {
    architecture.timm: architecture
    for architecture in (
        Architecture("convnext_pico", "convnext_pico", 512, "convnext"),
        Architecture("convnext_nano", "convnext_nano", 640, "convnext"),
        Architecture("convnext_tiny", "convnext_tiny", 768, "convnext"),
        Architecture("convnext_small", "convnext_small", 768, "convnext"),
        Architecture("convnext_base", "convnext_base", 1024, "convnext"),
        Architecture("resnet18", "resnet18", 512, "resnet"),
        Architecture("resnet50", "resnet50", 2048, "resnet"),
        Architecture("resnet101", "resnet101", 2048, "resnet"),
        Architecture("efficientnet_b0", "efficientnet_b0_timm", 1280, "efficientnet"),
        Architecture("tf_efficientnet_lite0", "efficientnet_lite0", 1280, "efficientnet"),
        Architecture("tf_efficientnetv2_s", "efficientnetv2_s", 1280, "efficientnet"),
    )
}
"""The architectures by timm's name."""

CHANNELS = (3, 1)
"""Colour and grey: the first layer of every network exists for either, and the other layers are the same."""


def described(path: Path) -> Architecture | None:
    """Return the architecture that the description next to a file names, or None if there is no readable description.

    Raise a ModelError for an architecture that no backbone here has.
    """
    try:
        about = read_object(path.with_name(DESCRIPTION))
    except (OSError, ValueError):
        return None
    named = about.get("architecture")
    if named is None:
        return None
    # timm writes only the name; people add the tag of the weights, as in "convnext_nano.in12k_ft_in1k".
    name = str(named).partition(".")[0]
    if name not in ARCHITECTURES:
        raise ModelError(
            f"{path} holds '{named}', according to its {DESCRIPTION}.{did_you_mean(name, ARCHITECTURES)} Only "
            f"{', '.join(ARCHITECTURES)} can be read; for another network, compute the features with timm and give them "
            "as embeddings"
        )
    return ARCHITECTURES[name]


def refuse_other_backbone(mine: str, theirs: str, weights: str | Path) -> None:
    """Raise a ModelError if a model's backbone is not the one of the weights."""
    if mine != theirs:
        raise ModelError(f"backbone = '{mine}' cannot start from {weights}; set backbone = '{theirs}'")
