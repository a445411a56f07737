"""The first filters of a network, and the feature maps of one galaxy by layer: what convolutions look for and find.

As in Zhu et al. 2019, Ap&SS 364, 55, section 5.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import ModelError, did_you_mean
from zooactive.models.backbones.register import nested_layers
from zooactive.models.galaxy_model import GalaxyModel

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def first_filters(model: GalaxyModel) -> NDArray[np.float32]:
    """Return the filters of a model's first convolution.

    Parameters
    ----------
    model : GalaxyModel

    Returns
    -------
    ndarray of float32, shape (filter, y, x, channel)

    Raises
    ------
    ModelError
        If the backbone has no convolution.

    Examples
    --------
    >>> first_filters(GalaxyModel("rings", backbone="small_cnn", image_size=32)).shape
    (16, 5, 5, 3)
    """
    first = next((layer for layer in nested_layers(model.encoder) if isinstance(layer, keras.layers.Conv2D)), None)
    if first is None:
        raise ModelError(f"backbone '{model.backbone}' has no convolution; there are no filters to look at")
    return np.moveaxis(_float32(first.kernel), -1, 0)


def feature_maps(
    model: GalaxyModel, pixels: NDArray[np.uint8], layers: str | Sequence[str] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Return the feature maps of one galaxy in layers of a model's encoder.

    Parameters
    ----------
    model : GalaxyModel
    pixels : uint8 array, shape (size, size, channel)
        As the model's preprocessing returns them, e.g. a row of `Catalogue.decode`.
    layers : str or sequence of str, optional
        Names of layers whose output has the shape of an image. By default the first convolution, and the last one at each
        smaller size of the maps.

    Returns
    -------
    dict of str to ndarray of float32, shape (feature, y, x)
        The maps by the layer's name, in the requested order, or in the order of the network. The output of a convolution is
        taken before the batch norm and activation that may follow it.

    Raises
    ------
    ModelError
        If a layer is unknown or returns no maps, or the pixels are not what the model takes.

    Examples
    --------
    >>> model = GalaxyModel("rings", backbone="small_cnn", image_size=32)
    >>> maps = feature_maps(model, np.zeros((32, 32, 3), np.uint8))
    >>> [(name, found.shape) for name, found in maps.items()][:2]
    [('stage1_conv', (16, 16, 16)), ('stage2_conv', (32, 8, 8))]
    """
    shape = tuple(model.encoder.input.shape[1:])
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.shape != shape:
        raise ModelError(f"pixels of shape {pixels.shape} and type {pixels.dtype}; the model takes uint8 of shape {shape}")
    chosen = _layers(model, [layers] if isinstance(layers, str) else layers)
    with _watched(chosen) as seen:
        model.encoder(pixels[None].astype(np.float32) / 255, training=False)
    return {layer.name: np.moveaxis(_float32(seen[layer.name])[0], -1, 0) for layer in chosen}


def _layers(model: GalaxyModel, names: Sequence[str] | None) -> list[Any]:
    """Return the layers with these names, or the first convolution and the last one at each smaller size."""
    known: dict[str, Any] = {}
    for layer in nested_layers(model.encoder):
        if _side(layer) is not None and not isinstance(layer, keras.layers.InputLayer):
            known.setdefault(layer.name, layer)
    if names is not None:
        for name in names:
            if name not in known:
                mend = did_you_mean(name, known) or f" It has {', '.join(known)}"
                raise ModelError(f"backbone '{model.backbone}' has no layer '{name}' that gives maps.{mend}")
        return [known[name] for name in names]
    # A map of a single pixel does not count: squeeze-and-excitation layers use such maps to weigh whole features.
    convolutions = [layer for layer in known.values() if isinstance(layer, _CONVOLUTIONS) and _side(layer) != 1]
    if not convolutions:
        raise ModelError(f"backbone '{model.backbone}' has no convolution; name the layers to look at")
    last_at = {_side(layer): layer for layer in convolutions}
    last_at[_side(convolutions[0])] = convolutions[0]
    return sorted(last_at.values(), key=convolutions.index)


def _side(layer: Any) -> int | None:
    """Return the number of pixels on a side of a layer's maps; None if its output is not a map."""
    shape: Any = getattr(getattr(layer, "output", None), "shape", ())
    return int(shape[1]) if len(shape) == 4 and shape[1] is not None else None


@contextmanager
def _watched(layers: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Record the outputs of layers while the network runs, however deeply the layers are nested in it."""
    seen: dict[str, Any] = {}

    def watched(layer: Any) -> Callable[..., Any]:
        call = layer.call

        def noted(*inputs: Any, **options: Any) -> Any:
            seen[layer.name] = call(*inputs, **options)
            return seen[layer.name]

        return noted

    for layer in layers:
        layer.call = watched(layer)
    try:
        yield seen
    finally:
        for layer in layers:
            del layer.call


def _float32(tensor: Any) -> NDArray[np.float32]:
    return np.array(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")))
