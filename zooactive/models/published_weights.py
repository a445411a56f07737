"""Models that start from weights published by others: see `zooactive.models.published.encoders`."""

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
    """Build a model with published weights in its encoder, and a fresh head.

    Parameters
    ----------
    weights : str or Path
        A safetensors file of a network of timm or Zoobot, or a folder with ``config.json`` and ``model.safetensors``;
        `zooactive.models.published.architectures` lists the networks. Or "imagenet", for Keras' own EfficientNet-B0,
        which is downloaded on first use; or "hf://USER/NAME", a repository with such a file on the Hugging Face hub.
    tree : DecisionTree, str or Path
        The tree, or its name or file.
    image_size : int
        The number of pixels on a side, at least 32; Zoobot and ImageNet networks were trained at 224.
    channels : {3, 1}, optional
        By default the number in the file, and 3 for ImageNet, whose network sees a grey image in all three channels.
    seed : int
        The seed for the head's weights and for dropout in training.

    Returns
    -------
    GalaxyModel
        A model with the backbone of the weights. For other settings, build a `GalaxyModel` with this backbone and call
        `start_from_published`.

    Raises
    ------
    ModelError
        If the file cannot be read, holds another network or another number of channels, or the download fails.
    """
    weights = local_start(str(weights))
    published = read_published(weights)
    channels = published.channels if channels is None else channels
    model = GalaxyModel(tree, backbone=published.backbone, image_size=image_size, channels=channels, seed=seed)
    take_published(model.encoder, published)
    model.origin = origin_of_weights(weights)
    return model


def start_from_published(model: GalaxyModel, weights: str | Path) -> None:
    """Replace the weights of a model's encoder by published ones; the head does not change.

    Parameters
    ----------
    model : GalaxyModel
        A model with the backbone of the weights, and images that are not standardised. For listed bands, the first layer is
        made from the published first layer: see `zooactive.models.backbones.stems`.
    weights : str or Path
        A file, a folder, "imagenet" or "hf://USER/NAME"; see `load_published`.

    Raises
    ------
    ModelError
        If the model has another backbone or other pixels, the file cannot be read or holds another network, or the download
        fails. The model is then unchanged.
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
