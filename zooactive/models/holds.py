"""What holds a model, such as a fine-tuned one, stands wherever a model is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    from zooactive.models.embedding_model import EmbeddingModel
    from zooactive.models.galaxy_model import GalaxyModel


@runtime_checkable
class Holds(Protocol):
    """Anything with a model as its attribute `model`."""

    @property
    def model(self) -> GalaxyModel | EmbeddingModel:
        """The model itself."""
        ...


def network_of(model: GalaxyModel | EmbeddingModel | Holds) -> GalaxyModel | EmbeddingModel:
    """Return the model itself: the one given, or the one that is held."""
    return model.model if isinstance(model, Holds) else model


def network_with_images(model: GalaxyModel | EmbeddingModel) -> GalaxyModel:
    """Return a model that looks at images; one that takes embeddings is a ModelError."""
    _ = model.encoder  # which raises where there is none
    return cast("GalaxyModel", model)
