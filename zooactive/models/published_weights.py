"""Models that start from weights which others published: see `zooactive.models.published.encoders`."""

from __future__ import annotations

from pathlib import Path

from zooactive.foundation.errors import ModelError
from zooactive.models.backbones.stems import spread_told
from zooactive.models.galaxy_model import GalaxyModel
from zooactive.models.places import local_start
from zooactive.models.published.architectures import refuse_other_backbone
from zooactive.models.published.encoders import read_published, take_published
from zooactive.models.published.origin import origin_of_weights
from zooactive.tree import DecisionTree


def load_published(
    weights: str | Path,
    tree: DecisionTree | str | Path,
    *,
    image_size: int = 224,
    channels: int | None = None,
    seed: int = 0,
) -> GalaxyModel:
    """Build a model whose encoder has published weights, and whose head is fresh.

    Parameters
    ----------
    weights : str or Path
        A safetensors file of a network of timm or Zoobot, or a folder with ``config.json`` and ``model.safetensors``;
        `zooactive.models.published.architectures` lists the networks. Or "imagenet", for Keras' own EfficientNet-B0,
        downloaded when first used; or "hf://USER/NAME", a repository with such a file on the Hugging Face hub.
    tree : DecisionTree, str or Path
        Or the name or file of one.
    image_size : int
        Pixels a side, at least 32; Zoobot and ImageNet were trained at 224.
    channels : {3, 1}, optional
        By default what the file holds, and 3 for ImageNet, whose network sees a grey image in all three channels.
    seed : int
        Of the head's weights and of the dropout in training.

    Returns
    -------
    GalaxyModel
        With the backbone that the weights belong to. For other settings build a `GalaxyModel` with that backbone and call
        `start_from_published`.

    Raises
    ------
    ModelError
        When the file cannot be read, holds another network or another number of channels, or the download fails.
    """
    weights = local_start(str(weights))
    published = read_published(weights)
    channels = published.channels if channels is None else channels
    model = GalaxyModel(tree, backbone=published.backbone, image_size=image_size, channels=channels, seed=seed)
    take_published(model.encoder, published)
    model.origin = origin_of_weights(weights)
    return model


def start_from_published(model: GalaxyModel, weights: str | Path) -> None:
    """Give the encoder of a model published weights; the head stays as it is.

    Parameters
    ----------
    model : GalaxyModel
        With the backbone that the weights were trained in, and images that are not standardised. Of listed bands the first
        layer is made of the published one's: see `zooactive.models.backbones.stems`.
    weights : str or Path
        A file, a folder, "imagenet" or "hf://USER/NAME"; see `load_published`.

    Raises
    ------
    ModelError
        When the model's backbone or pixels are others, the file cannot be read or holds another network, or the download
        fails. The model is then as it was.
    """
    weights = local_start(str(weights))
    if model.preprocessing.standardise:
        raise ModelError(f"{weights} was trained on pixels that are not standardised; set standardise = false")
    published = read_published(weights)
    refuse_other_backbone(model.backbone, published.backbone, weights)
    bands = model.preprocessing.listed
    take_published(model.encoder, published if bands is None else published.over(bands))
    model.origin = origin_of_weights(weights)
    model.stem = None if bands is None else spread_told(published.channel_names, bands)
