"""Fold batch norms into the convolutions before them: the same features from fewer operations, for prediction only.

Outside training a batch norm is y = a x + b for each channel, with a = gamma / sqrt(variance + epsilon) and
b = beta - a mean. After a convolution the factor goes into its kernel and the rest into its bias. The features differ from
those of the network itself by the rounding of float32.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from zooactive.models.backbones.fast_layers import FastDepthwiseConv2D, PointwiseConv2D


class _FoldedNorm(keras.layers.Layer):  # type: ignore[misc]
    """A layer that replaces a batch norm and is called in the same way."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the inputs."""
        return inputs


def folded(encoder: Any) -> Any:
    """Return a copy of an encoder for prediction, without the batch norms that directly follow a convolution.

    Parameters
    ----------
    encoder : keras.Model
        A model that `zooactive.models.build_encoder` made. Networks inside it are folded as well.

    Returns
    -------
    keras.Model
        A copy with the current weights of the encoder. Do not train it: that would not have the same effect.
    """
    pairs = _pairs(encoder)
    norms = {norm.name: convolution for convolution, norm in pairs}
    biased = {convolution.name for convolution, _ in pairs}

    def simplify(layer: Any) -> Any:
        if layer.name in norms:
            return _FoldedNorm(name=layer.name, dtype=layer.dtype_policy)
        if isinstance(layer, keras.Model):
            return folded(layer)
        settings = layer.get_config()
        kind = type(layer)
        if layer.name in biased:
            settings["use_bias"] = True
            kind = {FastDepthwiseConv2D: keras.layers.DepthwiseConv2D, PointwiseConv2D: keras.layers.Conv2D}.get(kind, kind)
        return kind.from_config(settings)

    copy = keras.models.clone_model(encoder, clone_function=simplify)
    for layer in encoder.layers:
        if layer.weights and layer.name not in norms and layer.name not in biased and not isinstance(layer, keras.Model):
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    for convolution, norm in pairs:
        copy.get_layer(convolution.name).set_weights(_fold(convolution, norm))
    return copy


def _pairs(encoder: Any) -> list[tuple[Any, Any]]:
    """Return pairs of a convolution and the batch norm that is the only layer to use its output."""
    pairs = []
    for layer in encoder.layers:
        plain = isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D | PointwiseConv2D)
        followers = [node.operation for node in layer._outbound_nodes if node.operation in encoder.layers]
        alone = len(followers) == 1 and isinstance(followers[0], keras.layers.BatchNormalization)
        if plain and alone and layer.activation is keras.activations.linear:
            pairs.append((layer, followers[0]))
    return pairs


def _fold(convolution: Any, norm: Any) -> list[NDArray[np.float32]]:
    """Return the kernel and the bias of a convolution that does the work of itself and its batch norm."""
    kernel, *bias = (np.asarray(weight, dtype=np.float64) for weight in convolution.get_weights())
    gamma, beta, mean, variance = (np.asarray(weight, dtype=np.float64) for weight in norm.get_weights())
    factor = gamma / np.sqrt(variance + norm.epsilon)
    depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
    scaled = kernel * (factor[:, None] if depthwise else factor)
    shift = beta + factor * ((bias[0] if bias else 0) - mean)
    return [scaled.astype(np.float32), shift.astype(np.float32)]
