"""The names of the networks that there are, known without loading Keras."""

from __future__ import annotations

from collections.abc import Collection

from zooactive.foundation.errors import ModelError, did_you_mean
from zooactive.foundation.vocabulary import BACKBONES

REGISTERED: set[str] = set(BACKBONES)
"""Those that come with zooactive, and those that this process has registered."""


def refuse_unregistered(name: str, known: Collection[str] = REGISTERED) -> None:
    """Raise a ModelError for a name that no backbone has."""
    if name not in known:
        there = ", ".join(sorted(known))
        raise ModelError(
            f"there is no backbone '{name}'.{did_you_mean(name, known)} Registered are {there}; one of your own needs "
            "register_backbone first"
        )
