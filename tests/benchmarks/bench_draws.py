"""What do 64 posterior draws cost over one? EfficientNet-B0, 1,000 galaxies at 128 px, images decoded and all.

Bound: 1.15 times the time of one draw (median of five pairs in turn); by whole passes it would be 64 times.
"""

from __future__ import annotations

import io
import statistics
import time

import numpy as np
import pandas as pd
from PIL import Image

import zooactive as za
from zooactive.catalogue import Catalogue

GALAXIES, SIZE, PAIRS = 1000, 128, 5


def noise_catalogue() -> Catalogue:
    """JPEGs of noise: the time does not depend on what they show."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(GALAXIES):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 60, (SIZE, SIZE, 3), dtype=np.uint8)).save(buffer, "JPEG")
        images.append(buffer.getvalue())
    ids = np.array([f"g{i}" for i in range(GALAXIES)], dtype=object)
    return Catalogue(ids, tuple(images), None, None, pd.DataFrame(index=range(GALAXIES)), "noise")


def main() -> None:
    """Time pairs of predictions in turn."""
    model = za.GalaxyModel("gz2", backbone="efficientnet_b0", image_size=SIZE)
    catalogue = noise_catalogue()
    za.predict(model, catalogue.take(np.arange(128)), draws=1)  # builds the graph
    times: dict[int, list[float]] = {1: [], 64: []}
    for _ in range(PAIRS):
        for draws in times:
            began = time.perf_counter()
            posterior = za.predict(model, catalogue, draws=draws)
            times[draws].append(time.perf_counter() - began)
            assert posterior.concentrations.shape[:2] == (draws, GALAXIES)
    ratios = [many / one for one, many in zip(times[1], times[64], strict=True)]
    one, many = statistics.median(times[1]), statistics.median(times[64])
    print(f"1 draw:   median {GALAXIES / one:.0f} galaxies/s")
    print(f"64 draws: median {GALAXIES / many:.0f} galaxies/s")
    print(f"64 draws take {many / one:.3f} times as long (medians of {PAIRS})")
    print("pair by pair: " + ", ".join(f"{ratio:.3f}" for ratio in ratios))


if __name__ == "__main__":
    main()
