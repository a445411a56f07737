"""Four Keras layers with the TensorFlow kernels that are fastest on a CPU; they compute the same numbers as Keras' layers.

* Batch normalisation: Keras writes it as a dozen elementwise operations, each of which reads and writes the whole batch;
  TensorFlow has one kernel for all of them, and one for their gradient.
* 1 x 1 convolutions are matrix products, and TensorFlow's matrix product has the faster gradients.
* The gradient of a depthwise convolution by its filter: TensorFlow's oneDNN kernel is up to 14 times slower than the plain
  one, which it takes when the padding is written out.
* Layer normalisation: means over the channels are matrix products too, in half the time of TensorFlow's own means.

Together they train EfficientNet-B0 about twice as fast at 64 pixels (``tests/benchmarks/bench_speed.py``). Other backends,
and TensorFlow on a GPU, get Keras' own operations.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras


def _tensorflow_on_cpu() -> Any:
    """Return the TensorFlow module if it computes on the CPU, otherwise None."""
    if keras.backend.backend() != "tensorflow":
        return None
    tensorflow = importlib.import_module("tensorflow")
    return None if tensorflow.config.list_physical_devices("GPU") else tensorflow


_gradients: set[str] = set()
"""The names under which TensorFlow keeps the gradients of layers that were built or traced here."""

_before: set[str] = set()
"""The names that it kept before the running fits began."""

_fits: set[object] = set()
"""The running fits in all threads."""

_fits_change = threading.Lock()


def _kept_gradients() -> dict[str, Any]:
    """Return TensorFlow's registry of gradients; there is no public way to it. Without it, no memory is released."""
    operations = importlib.import_module("tensorflow.python.framework.ops")
    registry: dict[str, Any] = getattr(getattr(operations, "gradient_registry", None), "_registry", {})
    return registry


@contextmanager
def gradients_forgotten() -> Iterator[None]:
    """Release the graphs of a fit when it ends.

    TensorFlow keeps each custom gradient that a graph was traced with, and with it the graph and its weights, until the
    process ends: over many fits this grew to gigabytes. A gradient is looked up only while a step is traced. If several fits
    run in separate threads, the last one to end releases all graphs, because the others may still be tracing.
    """
    registry = {} if _tensorflow_on_cpu() is None else _kept_gradients()
    this = object()
    with _fits_change:
        _before.update(() if _fits else registry)
        _fits.add(this)
    try:
        yield
    finally:
        with _fits_change:
            _fits.discard(this)
            if not _fits:
                traced = {name for name in list(registry) if name.startswith("CustomGradient-")} - _before
                for name in traced | _gradients:
                    registry.pop(name, None)
                _gradients.clear()
                _before.clear()


@keras.saving.register_keras_serializable(package="zooactive")
class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """``keras.layers.BatchNormalization`` over the last of four axes, with scale and offset, by the fused kernel."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise (batch, y, x, channel); in training by the batch's own moments, which also update the statistics."""
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        fused = importlib.import_module("tensorflow").compat.v1.nn.fused_batch_norm
        if not (training and self.trainable):
            known = {"mean": self.moving_mean, "variance": self.moving_variance}
            return fused(inputs, self.gamma, self.beta, **known, epsilon=self.epsilon, is_training=False)[0]
        outputs, mean, variance = fused(inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True)
        ops = keras.ops
        # The kernel returns the unbiased variance, with n - 1; Keras' statistics hold the biased one.
        number = ops.cast(ops.size(inputs) / ops.shape(inputs)[-1], "float32")
        variance = variance * ((number - 1) / number)
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
        self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable(package="zooactive")
class PointwiseConv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """``keras.layers.Conv2D`` of 1 x 1 with stride 1, as a matrix product."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Multiply each pixel's channels by the kernel: (batch, y, x, channel) -> (batch, y, x, filter)."""
        if _tensorflow_on_cpu() is None:
            return super().convolution_op(inputs, kernel)
        ops = keras.ops
        _, height, width, channels = inputs.shape
        pixels = ops.matmul(ops.reshape(inputs, (-1, channels)), ops.reshape(kernel, (channels, self.filters)))
        return ops.reshape(pixels, (-1, height, width, self.filters))


@keras.saving.register_keras_serializable(package="zooactive")
class FastDepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """``keras.layers.DepthwiseConv2D`` without activation or dilation, with one filter per channel and equal strides."""

    def call(self, inputs: Any) -> Any:
        """Convolve each channel with its own filter."""
        tensorflow = _tensorflow_on_cpu()
        if tensorflow is None:
            return super().call(inputs)
        filtered = self._filtered(tensorflow, inputs)
        return filtered + self.bias if self.use_bias else filtered

    def _filtered(self, tensorflow: Any, inputs: Any) -> Any:
        """Return the convolution without its bias."""
        operations, padding = tensorflow.raw_ops, self.padding.upper()
        how = {"strides": [1, *self.strides, 1]}

        @tensorflow.custom_gradient  # type: ignore[untyped-decorator]
        def convolve(images: Any, kernel: Any) -> Any:
            def gradient(slope: Any) -> tuple[Any, Any]:
                by_images = operations.DepthwiseConv2dNativeBackpropInput(
                    input_sizes=tensorflow.shape(images), filter=kernel, out_backprop=slope, padding=padding, **how
                )
                by_kernel = operations.DepthwiseConv2dNativeBackpropFilter(
                    input=images,
                    filter_sizes=tensorflow.shape(kernel),
                    out_backprop=slope,
                    padding="EXPLICIT",
                    explicit_paddings=[0, 0, *self._border(images.shape[1], 0), *self._border(images.shape[2], 1), 0, 0],
                    **how,
                )
                return by_images, by_kernel

            return operations.DepthwiseConv2dNative(input=images, filter=kernel, padding=padding, **how), gradient

        kept = _kept_gradients()
        before = len(kept)
        outputs = convolve(inputs, tensorflow.convert_to_tensor(self.kernel))
        if len(kept) > before:
            _gradients.add(list(kept)[-1])  # immediately, because other threads may add to it
        return outputs

    def _border(self, side: int, axis: int) -> tuple[int, int]:
        """Return the pixels of padding before and after one axis of an image."""
        if self.padding == "valid":
            return 0, 0
        steps = -(-side // self.strides[axis])
        border = max((steps - 1) * self.strides[axis] + self.kernel_size[axis] - side, 0)
        return border // 2, border - border // 2


@keras.saving.register_keras_serializable(package="zooactive")
class FastLayerNormalization(keras.layers.LayerNormalization):  # type: ignore[misc]
    """``keras.layers.LayerNormalization`` over the last of four axes, with scale and offset."""

    def call(self, inputs: Any) -> Any:
        """Normalise the channels at each position, (batch, y, x, channel), in float32."""
        # A GPU multiplies matrices with fewer bits than a mean needs.
        if _tensorflow_on_cpu() is None:
            return super().call(inputs)
        ops = keras.ops
        _, height, width, channels = inputs.shape
        places = ops.cast(ops.reshape(inputs, (-1, channels)), "float32")
        share = ops.full((channels, 1), 1 / channels, "float32")
        mean = ops.matmul(places, share)
        variance = ops.matmul(ops.square(places - mean), share)
        normal = (places - mean) * ops.rsqrt(variance + self.epsilon) * ops.cast(self.gamma, "float32")
        outputs = ops.reshape(normal + ops.cast(self.beta, "float32"), (-1, height, width, channels))
        return ops.cast(outputs, self.compute_dtype)


def with_fast_layers(network: Any, *, momentum: float | None = None) -> Any:
    """Return a copy of a functional model, with fresh weights, that uses these fast layers wherever possible.

    Batch norms' statistics keep their momentum unless `momentum` is given.
    """

    def quicken(layer: Any) -> Any:
        settings = layer.get_config()
        kind = type(layer)
        if kind is keras.layers.BatchNormalization:
            kind = FusedBatchNormalization
            settings["momentum"] = settings["momentum"] if momentum is None else momentum
        elif kind is keras.layers.Conv2D and (layer.kernel_size, layer.strides) == ((1, 1), (1, 1)):
            kind = PointwiseConv2D
        elif kind is keras.layers.DepthwiseConv2D and not layer.use_bias and layer.dilation_rate == (1, 1):
            kind = FastDepthwiseConv2D
        return kind.from_config(settings)

    return keras.models.clone_model(network, clone_function=quicken)
