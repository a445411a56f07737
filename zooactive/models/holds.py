"""Objects that hold a model, such as a fine-tuned one; you can use them wherever a model is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    from zooactive.models.embedding_model import EmbeddingModel
    from zooactive.models.galaxy_model import GalaxyModel


@runtime_checkable
class Holds(Protocol):
    """Any object with a model as its attribute `model`."""

    @property
    def model(self) -> GalaxyModel | EmbeddingModel:
        """The model itself."""
        ...


def network_of(model: GalaxyModel | EmbeddingModel | Holds) -> GalaxyModel | EmbeddingModel:
    """Return the model itself: the given one, or the one that the object holds."""
    return model.model if isinstance(model, Holds) else model


def network_with_images(model: GalaxyModel | EmbeddingModel) -> GalaxyModel:
    """Return a model that looks at images; raise a ModelError for one that takes embeddings."""
    _ = model.encoder  # raises the error if there is no encoder
    return cast("GalaxyModel", model)
