"""Compute float16 features of images: images are decoded ahead of the network, in padded batches of one size."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import ModelError
from zooactive.foundation.forking import networks_compute
from zooactive.foundation.stopping import stopped_between_steps
from zooactive.foundation.telling import Progress

if TYPE_CHECKING:
    from zooactive.models.galaxy_model import GalaxyModel

_Decoded: TypeAlias = tuple[range, list[NDArray[np.uint8]], Mapping[int, str]]
"""Rows, their cutouts at each scale, and the reasons for the failed ones."""

_AHEAD = 2  # batches that are decoded or being decoded while the network works


@dataclass(frozen=True, eq=False)
class Batch:
    """The features of some rows: float16 (row, F), zero for a failed image, and the reason for each failure."""

    rows: range
    features: NDArray[np.float16]
    failures: Mapping[int, str]


def embed(
    model: GalaxyModel, catalogue: Catalogue, *, batch_size: int = 128, progress: Progress | None = None
) -> tuple[NDArray[np.float16], dict[int, str]]:
    """Compute the encoder's features of a catalogue's images, float16 (galaxy, feature).

    Every batch has `batch_size` rows. The last one is padded with zeros, so that a galaxy's features do not depend on its
    neighbours. The features of a failed image are zero. The second return value maps each failed row to the reason.

    Raise a CatalogueError for shards that were prepared for other pixels than the model takes. Raise a ModelError if the
    network returns a value that is not finite.
    """
    features = np.zeros((len(catalogue), int(model.encoder.output_shape[-1])), dtype=np.float16)
    failures: dict[int, str] = {}
    for batch in stream_features(model, catalogue, batches_of(range(len(catalogue)), batch_size), batch_size=batch_size):
        features[batch.rows.start : batch.rows.stop] = batch.features
        failures |= batch.failures
        if progress is not None:
            progress(batch.rows.stop)
    return features, failures


def batches_of(rows: range, batch_size: int) -> list[range]:
    """Split rows into batches."""
    return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]


def stream_features(
    model: GalaxyModel, catalogue: Catalogue, batches: Iterable[range], *, batch_size: int
) -> Iterator[Batch]:
    """Yield the features of one batch after another, each of at most `batch_size` rows; the next batches are decoded
    meanwhile.

    Raise the same errors as `embed`.
    """
    compute = computation(prediction_network(model.encoder))
    preprocessing = model.preprocessing

    def read(rows: range) -> _Decoded:
        seen = [catalogue.decode(preprocessing, rows, scale=scale) for scale in preprocessing.scales]
        failures = {rows.start + row: reason for _, met in reversed(seen) for row, reason in met.items()}
        return rows, [_padded(pixels, batch_size) for pixels, _ in seen], failures

    def decoded() -> Iterator[_Decoded]:
        with ThreadPoolExecutor(max_workers=1) as ahead:
            coming: deque[Future[_Decoded]] = deque()
            for rows in batches:
                coming.append(ahead.submit(read, rows))
                if len(coming) > _AHEAD:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()

    begun: deque[tuple[range, list[Any], Mapping[int, str]]] = deque()
    for rows, views, failures in decoded():
        begun.append((rows, [compute(view) for view in views], failures))
        if len(begun) > 1:
            yield _batch(catalogue, *begun.popleft())
    while begun:
        yield _batch(catalogue, *begun.popleft())


def prediction_network(encoder: Any) -> Any:
    """Return a Keras model that maps uint8 cutouts to an encoder's output, with batch norms folded into other layers."""
    import keras

    from zooactive.models.backbones.folding import folded

    networks_compute()
    inputs = keras.Input(encoder.input_shape[1:], dtype="uint8")
    # The pixels are sent to the accelerator as bytes: a quarter of the traffic.
    return keras.Model(inputs, folded(encoder)(keras.layers.Rescaling(1 / 255, dtype="float32")(inputs)))


def computation(network: Any) -> Callable[[NDArray[np.uint8]], Any]:
    """Return a function that starts to compute a batch; under JAX it returns at once, so the next batch can be sent.

    Ctrl-C and SIGTERM wait for it: the first batch is traced or compiled, where an exception has no place.
    """
    begin = _beginning(network)

    def compute(pixels: NDArray[np.uint8]) -> Any:
        with stopped_between_steps():
            return begin(pixels)

    return compute


def _beginning(network: Any) -> Callable[[NDArray[np.uint8]], Any]:
    import keras

    if keras.backend.backend() != "jax":
        return cast(Callable[[NDArray[np.uint8]], Any], network.predict_on_batch)
    jax = importlib.import_module("jax")
    weights = [
        [variable.value for variable in part] for part in (network.trainable_variables, network.non_trainable_variables)
    ]
    call = jax.jit(lambda weights, pixels: network.stateless_call(*weights, pixels, training=False)[0])
    return lambda pixels: call(weights, pixels)


def forward(network: Any, pixels: NDArray[np.uint8], batch_size: int) -> NDArray[Any]:
    """Run a `prediction_network` on at most `batch_size` cutouts: uint8 (G, side, side, channel) -> (G, F)."""
    with stopped_between_steps():
        return np.asarray(network.predict_on_batch(_padded(pixels, batch_size)))[: len(pixels)]


def _padded(pixels: NDArray[np.uint8], batch_size: int) -> NDArray[np.uint8]:
    """Pad a batch with black cutouts: one shape, one compilation, and no galaxy's features depend on its batch."""
    if len(pixels) == batch_size:
        return pixels
    padded = np.zeros((batch_size, *pixels.shape[1:]), dtype=np.uint8)
    padded[: len(pixels)] = pixels
    return padded


def _batch(catalogue: Catalogue, rows: range, views: list[Any], failures: Mapping[int, str]) -> Batch:
    values = np.mean([np.asarray(view)[: len(rows)] for view in views], axis=0)
    if not np.isfinite(values).all():
        bad = catalogue.ids[rows[int(np.argwhere(~np.isfinite(values))[0, 0])]]
        raise ModelError(f"the features of galaxy '{bad}' are not finite; the model's weights are damaged")
    features = np.clip(values, -65504, 65504).astype(np.float16)  # the largest float16
    features[[row - rows.start for row in failures]] = 0
    return Batch(rows, features, failures)
