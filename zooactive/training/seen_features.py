"""Compute the input of a model's head for labelled galaxies, from their images or from embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import ImageError
from zooactive.foundation.telling import Progress
from zooactive.models.features import embed
from zooactive.models.holds import network_with_images

if TYPE_CHECKING:
    from zooactive.models.loading import AnyModel
    from zooactive.prediction.embeddings import Embeddings


def seen_features(
    model: AnyModel, galaxies: Catalogue, embeddings: Embeddings | None, *, batch_size: int, progress: Progress
) -> tuple[Catalogue, NDArray[np.float16]]:
    """Return the galaxies with known features, and these features, (galaxy, feature).

    An image that cannot be read raises an ImageError. Galaxies without an embedding are left out, with a warning.
    """
    if embeddings is not None:
        known = embeddings.of_galaxies(galaxies)
        return galaxies.select(known.ids), known.seen_by(model).features
    features, failures = embed(network_with_images(model), galaxies, batch_size=batch_size, progress=progress)
    if failures:
        raise ImageError(
            f"{len(failures)} of {len(galaxies)} images cannot be read, the first: {next(iter(failures.values()))} "
            "(`zooactive prepare` leaves such galaxies out)"
        )
    return galaxies, features
