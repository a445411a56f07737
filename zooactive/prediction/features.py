"""Images to float16 features: decoding runs ahead of the network, batches are padded to one size."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.errors import ModelError

if TYPE_CHECKING:
    from zooactive.models import GalaxyModel

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of galaxies done so far."""


def embed(
    model: GalaxyModel,
    catalogue: Catalogue,
    *,
    batch_size: int = 128,
    progress: Progress | None = None,
    encoder: Any = None,
) -> tuple[NDArray[np.float16], dict[int, str]]:
    """Compute the encoder's features of a catalogue's images.

    Parameters
    ----------
    model : GalaxyModel
    catalogue : Catalogue
        Of G galaxies.
    batch_size : int
        Every batch has this size, the last one padded with zeros: a galaxy's features do not depend on its neighbours.
    progress : callable, optional
    encoder : keras.Model, optional
        The model's, `zooactive.models.folded`, where it is at hand: for several calls it is then compiled once.

    Returns
    -------
    features : ndarray of float16, shape (G, F)
        Zero where the image failed.
    failures : dict of int to str
        Row number and reason of each image that could not be read.

    Raises
    ------
    CatalogueError
        When the catalogue's shards were prepared for other pixels than the model takes.
    ModelError
        When the network gives a value that is not finite.
    """
    from zooactive.models.folding import folded

    features = np.zeros((len(catalogue), int(model.encoder.output_shape[-1])), dtype=np.float16)
    failures: dict[int, str] = {}
    preprocessing = model.preprocessing
    encoder = folded(model.encoder) if encoder is None else encoder

    def decode(start: int) -> tuple[list[NDArray[np.uint8]], dict[int, str]]:
        rows = range(start, min(start + batch_size, len(catalogue)))
        read = [catalogue.decode(preprocessing, rows, scale=scale) for scale in preprocessing.scales]
        return [pixels for pixels, _ in read], read[0][1]

    with ThreadPoolExecutor(max_workers=1) as ahead:
        coming = ahead.submit(decode, 0)
        for start in range(0, len(catalogue), batch_size):
            pixels, failed = coming.result()
            coming = ahead.submit(decode, start + batch_size)
            values = np.mean([forward(encoder, view, batch_size) for view in pixels], axis=0)
            if not np.isfinite(values).all():
                bad = catalogue.ids[start + int(np.argwhere(~np.isfinite(values))[0, 0])]
                raise ModelError(f"the features of galaxy '{bad}' are not finite; the model's weights are damaged")
            features[start : start + len(values)] = np.clip(values, -65504, 65504)  # the largest float16
            for row, reason in failed.items():
                features[start + row] = 0
                failures[start + row] = reason
            if progress is not None:
                progress(start + len(values))
    return features, failures


def forward(encoder: Any, pixels: NDArray[np.uint8], batch_size: int) -> NDArray[Any]:
    """Run an encoder on at most `batch_size` cutouts, padded to that size: uint8 (G, side, side, channel) -> (G, F)."""
    padded = np.zeros((batch_size, *pixels.shape[1:]), dtype=np.float32)
    np.divide(pixels, np.float32(255), out=padded[: len(pixels)])
    return np.asarray(encoder.predict_on_batch(padded))[: len(pixels)]
