"""What holds a model, such as a fine-tuned one, stands wherever a model is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from zooactive.models.galaxy_model import GalaxyModel


@runtime_checkable
class Holds(Protocol):
    """Anything with a `GalaxyModel` as its attribute `model`."""

    @property
    def model(self) -> GalaxyModel:
        """The network."""
        ...


def network_of(model: GalaxyModel | Holds) -> GalaxyModel:
    """Return the network itself: the model given, or the one that is held."""
    return model.model if isinstance(model, Holds) else model
