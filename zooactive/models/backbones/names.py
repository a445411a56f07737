"""The names of the available networks, known without loading Keras."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from zooactive.foundation.errors import ModelError, did_you_mean
from zooactive.foundation.vocabulary import BACKBONES

COLOUR_ALONE = frozenset({"efficientnet_b0_imagenet"})
"""Networks that scale red, green and blue by their own constants, and therefore take no listed bands."""

REGISTERED: set[str] = set(BACKBONES)
"""The backbones that come with zooactive, and those that this process has registered."""


def refuse_bands(name: str, bands: Sequence[str] | None) -> None:
    """Raise a ModelError for listed bands with a network that takes only colour or grey."""
    if bands is not None and name in COLOUR_ALONE:
        raise ModelError(
            f"{name} scales red, green and blue by ImageNet's constants, and takes no bands ({', '.join(bands)} were "
            "listed); use efficientnet_lite0 or another network"
        )


def refuse_unregistered(name: str, known: Collection[str] = REGISTERED) -> None:
    """Raise a ModelError if no backbone has this name."""
    if name not in known:
        there = ", ".join(sorted(known))
        raise ModelError(
            f"there is no backbone '{name}'.{did_you_mean(name, known)} Registered are {there}; register your own with "
            "register_backbone first"
        )
