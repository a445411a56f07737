"""The register of backbones: networks from pixels to features.

A backbone takes float32 pixels in [0, 1], shape (batch, size, size, channels), and adapts them to what its first layers
expect. It returns float32 features of shape (batch, feature), even if the layers between compute in half precision. Its
random parts (dropout, stochastic depth) are active only in training.
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
"""Builds a ``keras.Model`` from the image size and the number of channels."""

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
    """Register your own backbone, for the models of this process.

    A saved model contains only the name of its backbone: register it again under the same name before you load the model.

    Parameters
    ----------
    name : str
        A name that is not used yet.
    builder : callable
        ``builder(image_size, channels)`` returns a new ``keras.Model`` from pixels to features (see the module's text).

    Raises
    ------
    ModelError
        If the name belongs to another builder.

    Examples
    --------
    >>> from functools import partial
    >>> from zooactive.models.backbones.resnet26 import resnet26
    >>> register_backbone("resnet26_narrow", partial(resnet26, width=1.375))
    """
    if _BUILDERS.get(name, builder) is not builder:
        raise ModelError(f"the backbone '{name}' is already registered; choose another name")
    _BUILDERS[name] = builder
    REGISTERED.add(name)


def build_encoder(name: str, image_size: int, channels: int = 3) -> Any:
    """Build a backbone with fresh weights.

    Parameters
    ----------
    name : str
        One of `list_backbones`.
    image_size : int
        The number of pixels on a side.
    channels : int
        1 to 6: grey, colour, or bands.

    Returns
    -------
    keras.Model
        Maps pixels float32 in [0, 1] (batch, size, size, channels) to features float32 (batch, feature).

    Raises
    ------
    ModelError
        If the name is unknown, the images are too small for the backbone, or a builder returns anything but features.
    """
    import keras

    refuse_unregistered(name, _BUILDERS)
    if isinstance(channels, bool) or channels not in range(1, MOST_BANDS + 1):
        raise ModelError(f"backbone '{name}': you asked for {channels} channels; use 1 to {MOST_BANDS}")
    if keras.config.image_data_format() != "channels_last":
        raise ModelError("Keras is set to channels first; call keras.config.set_image_data_format('channels_last')")
    encoder = _BUILDERS[name](image_size, channels)
    shape, dtype = tuple(encoder.output.shape), keras.backend.standardize_dtype(encoder.output.dtype)
    if len(shape) != 2 or shape[1] is None or dtype != "float32":
        raise ModelError(f"backbone '{name}' gives {dtype} of shape {shape}; end it with float32 features (batch, feature)")
    return encoder


def nested_layers(network: Any) -> Iterator[Any]:
    """Yield the layers of a network, including the layers inside nested networks, but not the nested networks themselves."""
    import keras

    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from nested_layers(layer)
        else:
            yield layer
