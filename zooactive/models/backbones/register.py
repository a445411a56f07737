"""The register of backbones: networks from pixels to features.

A backbone takes float32 pixels in [0, 1], shape (batch, size, size, channels), adapts them inside to what its first layers
expect, and gives float32 features of shape (batch, feature), also where the layers between compute in half precision.
Whatever is random in it (dropout, stochastic depth) acts in training only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

from zooactive.catalogue.bands import MOST_BANDS
from zooactive.foundation.errors import ModelError
from zooactive.models.backbones.convnext import SIZES, convnext
from zooactive.models.backbones.efficientnet_b0 import efficientnet_b0, efficientnet_b0_imagenet, efficientnet_b0_timm
from zooactive.models.backbones.efficientnet_lite0 import efficientnet_lite0
from zooactive.models.backbones.efficientnetv2_s import efficientnetv2_s
from zooactive.models.backbones.names import REGISTERED, refuse_unregistered
from zooactive.models.backbones.resnet import UNITS, resnet
from zooactive.models.backbones.resnet26 import resnet26
from zooactive.models.backbones.small_cnn import small_cnn

Builder: TypeAlias = Callable[[int, int], Any]
"""From image size and number of channels to a ``keras.Model``."""

_BUILDERS: dict[str, Builder] = {
    "efficientnet_b0": efficientnet_b0,
    "efficientnet_b0_imagenet": efficientnet_b0_imagenet,
    "efficientnet_b0_timm": efficientnet_b0_timm,
    "efficientnet_lite0": efficientnet_lite0,
    "efficientnetv2_s": efficientnetv2_s,
    "resnet26": resnet26,
    "small_cnn": small_cnn,
    **{f"convnext_{size}": partial(convnext, size=size) for size in SIZES},
    **{f"resnet{depth}": partial(resnet, depth=depth) for depth in UNITS},
}


def list_backbones() -> tuple[str, ...]:
    """Return the names of the registered backbones, sorted."""
    return tuple(sorted(_BUILDERS))


def register_backbone(name: str, builder: Builder) -> None:
    """Register a backbone of one's own, for the models of this process.

    A saved model names its backbone only: register it again under the same name before loading the model elsewhere.

    Parameters
    ----------
    name : str
        Not taken yet.
    builder : callable
        ``builder(image_size, channels)`` returns a new ``keras.Model`` from pixels to features (see the module's text).

    Raises
    ------
    ModelError
        When the name stands for another builder.

    Examples
    --------
    >>> from functools import partial
    >>> from zooactive.models.backbones.resnet26 import resnet26
    >>> register_backbone("resnet26_narrow", partial(resnet26, width=1.375))
    """
    if _BUILDERS.get(name, builder) is not builder:
        raise ModelError(f"the backbone '{name}' is registered already; choose another name")
    _BUILDERS[name] = builder
    REGISTERED.add(name)


def build_encoder(name: str, image_size: int, channels: int = 3) -> Any:
    """Build a backbone with fresh weights.

    Parameters
    ----------
    name : str
        One of `list_backbones`.
    image_size : int
        Pixels a side.
    channels : int
        1 to 6: grey, colour, or bands.

    Returns
    -------
    keras.Model
        Pixels float32 in [0, 1] (batch, size, size, channels) to features float32 (batch, feature).

    Raises
    ------
    ModelError
        For an unknown name, an image too small for the backbone, or a builder that gives something else than features.
    """
    import keras

    refuse_unregistered(name, _BUILDERS)
    if isinstance(channels, bool) or channels not in range(1, MOST_BANDS + 1):
        raise ModelError(f"backbone '{name}': {channels} channels were asked for; use 1 to {MOST_BANDS}")
    if keras.config.image_data_format() != "channels_last":
        raise ModelError("Keras is set to channels first; call keras.config.set_image_data_format('channels_last')")
    encoder = _BUILDERS[name](image_size, channels)
    shape, dtype = tuple(encoder.output.shape), keras.backend.standardize_dtype(encoder.output.dtype)
    if len(shape) != 2 or shape[1] is None or dtype != "float32":
        raise ModelError(f"backbone '{name}' gives {dtype} of shape {shape}; end it with float32 features (batch, feature)")
    return encoder


def nested_layers(network: Any) -> Iterator[Any]:
    """Yield the layers of a network and those of the networks inside it, which are no layers of their own."""
    import keras

    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from nested_layers(layer)
        else:
            yield layer
