"""Load a saved model of either kind: with a network, or on embeddings alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from zooactive.models.embedding_model import EmbeddingModel
from zooactive.models.holds import network_with_images
from zooactive.models.saved_form import model_folder, network_folder, takes_embeddings
from zooactive.models.start import start_networks

if TYPE_CHECKING:
    from zooactive.models.galaxy_model import GalaxyModel

AnyModel: TypeAlias = Union["GalaxyModel", EmbeddingModel]
"""A model that predicts from images, or one that predicts from embeddings."""


def load_network(folder: str | Path) -> GalaxyModel:
    """Load a saved model that looks at images, or the one inside a model that predicts numbers.

    Raise a ModelError for one that takes embeddings.
    """
    return network_with_images(load_model(network_folder(Path(folder))))


def load_model(folder: str | Path) -> GalaxyModel | EmbeddingModel:
    """Load a saved model; Keras is loaded only if the model has a network.

    Parameters
    ----------
    folder : path or str
        A folder that `GalaxyModel.save` or `EmbeddingModel.save` wrote, or a run directory with a ``model/`` folder.
        "bundled" is the encoder that comes with zooactive. "hf://USER/NAME", or with "@REVISION", is a model on the Hugging
        Face hub. A zip of a model's folder may be on this machine, or at a URL with its checksum:
        "https://.../model.zip#sha256=...".

    Raises
    ------
    ModelError
        If there is no model, or it cannot be fetched, is incomplete, has another version of the format, or its backbone is
        not registered.
    """
    folder = model_folder(Path(folder))
    if takes_embeddings(folder):
        return EmbeddingModel.load(folder)
    start_networks()
    from zooactive.models.galaxy_model import load_galaxy_model

    return load_galaxy_model(folder)
