from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from zooactive.models.backbones import fast_layers
from zooactive.models.backbones.fast_layers import (
    FastDepthwiseConv2D,
    FastLayerNormalization,
    FusedBatchNormalization,
    PointwiseConv2D,
    gradients_forgotten,
    with_fast_layers,
)


def trained(layer: keras.layers.Layer, batches: list[np.ndarray]) -> list[np.ndarray]:
    """Outputs, and weights after steps of gradient descent on the sum of the cubed outputs, by its input too."""
    network = keras.Sequential([keras.Input(batches[0].shape[1:]), keras.layers.Conv2D(7, 2, name="before"), layer])
    network.set_weights([np.random.default_rng(1).normal(0, 0.3, weight.shape) for weight in network.weights])
    network.compile(keras.optimizers.SGD(1e-3), loss=lambda truth, out: keras.ops.mean(out**3))
    outputs = []
    for batch in batches:
        network.train_on_batch(batch, batch)
        outputs += [np.asarray(network(batch, training=False))]
    return outputs + [np.asarray(keras.ops.convert_to_numpy(weight)) for weight in network.weights]


@pytest.mark.parametrize(
    ("mine", "theirs", "settings"),
    [
        (FusedBatchNormalization, keras.layers.BatchNormalization, {"momentum": 0.8}),
        (PointwiseConv2D, keras.layers.Conv2D, {"filters": 3, "kernel_size": 1, "activation": "silu"}),
        (FastDepthwiseConv2D, keras.layers.DepthwiseConv2D, {"kernel_size": 3, "padding": "same", "use_bias": False}),
        (
            FastDepthwiseConv2D,
            keras.layers.DepthwiseConv2D,
            {"kernel_size": 5, "padding": "same", "strides": 2, "use_bias": False},
        ),
        (FastDepthwiseConv2D, keras.layers.DepthwiseConv2D, {"kernel_size": 3, "strides": 2, "use_bias": False}),
        (FastDepthwiseConv2D, keras.layers.DepthwiseConv2D, {"kernel_size": 7, "padding": "same"}),
        (FastLayerNormalization, keras.layers.LayerNormalization, {"epsilon": 1e-6}),
    ],
)
def test_the_fast_kernel_gives_kerass_outputs_gradients_and_statistics(mine, theirs, settings):
    batches = [np.random.default_rng(seed).normal(2, 3, (4, 11, 9, 7)).astype(np.float32) for seed in range(3)]
    for one, other in zip(trained(mine(**settings), batches), trained(theirs(**settings), batches), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-4)


def test_a_frozen_batch_norm_uses_its_statistics_and_leaves_them():
    layer = FusedBatchNormalization()
    layer.trainable = False
    images = np.random.default_rng(0).normal(5, 1, (4, 3, 3, 2)).astype(np.float32)
    shown = np.asarray(layer(images, training=True))
    np.testing.assert_allclose(shown, images / np.sqrt(1 + layer.epsilon), rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(keras.ops.convert_to_numpy(layer.moving_mean)), 0)


@pytest.mark.parametrize("momentum", [None, 0.5])
def test_a_network_is_copied_with_fast_layers_where_they_can_stand_and_the_rest_as_it_was(momentum):
    layers = keras.layers
    pixels = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="wide")(pixels)
    x = layers.BatchNormalization(epsilon=1e-5, name="norm")(x)
    x = layers.Conv2D(4, 1, name="point")(x)
    x = layers.Conv2D(4, 1, strides=2, name="strided")(x)
    x = layers.DepthwiseConv2D(2, use_bias=False, name="depthwise")(x)
    network = keras.Model(pixels, layers.DepthwiseConv2D(2, name="biased")(x))
    fast = with_fast_layers(network, momentum=momentum)
    kinds = {layer.name: type(layer).__name__ for layer in fast.layers[1:]}
    assert kinds == {
        "wide": "Conv2D",
        "norm": "FusedBatchNormalization",
        "point": "PointwiseConv2D",
        "strided": "Conv2D",
        "depthwise": "FastDepthwiseConv2D",
        "biased": "DepthwiseConv2D",
    }
    norm = fast.get_layer("norm")
    assert (norm.epsilon, norm.momentum) == (1e-5, momentum or 0.99)
    fast.set_weights(network.get_weights())
    images = np.random.default_rng(0).random((2, 8, 8, 3), dtype=np.float32)
    np.testing.assert_allclose(np.asarray(fast(images)), np.asarray(network(images)), atol=1e-6)


def test_fit_after_fit_leaves_no_graph_behind():
    def fit() -> None:
        network = keras.Sequential(
            [keras.Input((8, 8, 3)), FastDepthwiseConv2D(3, padding="same", use_bias=False), keras.layers.Flatten()]
        )
        network.compile("sgd", loss="mse")
        with gradients_forgotten():
            network.fit(np.zeros((2, 8, 8, 3)), np.zeros((2, 192)), verbose=0)

    def graphs() -> int:
        gc.collect()
        return sum(type(kept).__name__ == "FuncGraph" for kept in gc.get_objects())

    fit()
    before = graphs()
    fit()
    assert graphs() <= before


def test_a_fit_that_ends_lets_go_of_no_gradient_that_another_thread_still_needs():
    kept, begun, ended = fast_layers._kept_gradients(), threading.Event(), threading.Event()

    def fit() -> None:
        with gradients_forgotten():
            kept["CustomGradient-traced"] = {}
            begun.set()
            assert ended.wait(60)

    kept["CustomGradient-before"] = {}
    with ThreadPoolExecutor(1) as thread:
        with gradients_forgotten():
            under_way = thread.submit(fit)
            assert begun.wait(60)
        assert "CustomGradient-traced" in kept
        ended.set()
        under_way.result()
    assert "CustomGradient-traced" not in kept
    del kept["CustomGradient-before"]  # which was there before any of the fits, and stays
