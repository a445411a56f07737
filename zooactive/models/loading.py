"""A saved model of either kind: with a network, or on embeddings alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from zooactive.models.embedding_model import EmbeddingModel
from zooactive.models.holds import network_with_images
from zooactive.models.saved_form import model_folder, takes_embeddings
from zooactive.models.start import start_networks

if TYPE_CHECKING:
    from zooactive.models.galaxy_model import GalaxyModel

AnyModel: TypeAlias = Union["GalaxyModel", EmbeddingModel]
"""What predicts: from images, or from embeddings."""


def load_network(folder: str | Path) -> GalaxyModel:
    """Load a saved model that looks at images; a ModelError for one that takes embeddings."""
    return network_with_images(load_model(folder))


def load_model(folder: str | Path) -> GalaxyModel | EmbeddingModel:
    """Load a saved model; Keras is only loaded for one that has a network.

    Parameters
    ----------
    folder : path or str
        Of `GalaxyModel.save` or `EmbeddingModel.save`, or a run directory that holds it as ``model/``; "bundled" is the
        encoder that comes with zooactive. "hf://USER/NAME", or with "@REVISION", is a model on the Hugging Face hub. A zip
        of a model's folder may lie here, or at an address that says its checksum: "https://.../model.zip#sha256=...".

    Raises
    ------
    ModelError
        When there is no model, it cannot be fetched, is incomplete, of another version of the format, or its backbone is not
        registered.
    """
    folder = model_folder(Path(folder))
    if takes_embeddings(folder):
        return EmbeddingModel.load(folder)
    start_networks()
    from zooactive.models.galaxy_model import load_galaxy_model

    return load_galaxy_model(folder)
