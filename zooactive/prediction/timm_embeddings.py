"""Embeddings by any network of timm: for encoders that zooactive lacks, such as Zoobot's MaxViTs (extra ``timm``)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue, Preprocessing, read_catalogue
from zooactive.foundation.errors import ImageError, ModelError, explained
from zooactive.foundation.showing import counted
from zooactive.foundation.telling import Auto, Progress
from zooactive.foundation.writing import aside
from zooactive.prediction.embedding_files import read_embeddings
from zooactive.prediction.embeddings import Embeddings


def embed_with_timm(
    network: str,
    catalogue: Catalogue | str | Path,
    out: str | Path,
    *,
    image_size: int = 224,
    crop: float = 1.0,
    normalise: bool = False,
    pretrained: bool = True,
    batch_size: int = 32,
    progress: Auto | Progress = "auto",
) -> Embeddings:
    """Compute the pooled features of every galaxy with a network of timm, and write them as one Parquet file.

    Parameters
    ----------
    network : str
        A timm name, such as ``maxvit_tiny_rw_224``, or ``hf_hub:USER/NAME``.
    catalogue : Catalogue or path
    out : path
        A path that ends in ``.parquet``; it is written aside and renamed. An interrupted run starts over.
    image_size : int
        The number of pixels on a side.
    crop : float
        The central fraction of a cutout's shorter side that is kept.
    normalise : bool
        Subtract the mean and divide by the standard deviation that timm gives for the network. Zoobot's encoders were
        trained on pixels from 0 to 1 without this, which is the default.
    pretrained : bool
        Load the pretrained weights of this name.
    batch_size : int
    progress : callable, "auto" or None
        As in `zooactive.predict`.

    Returns
    -------
    Embeddings
        The embeddings of the galaxies whose image can be read; their encoder is named `network`.

    Raises
    ------
    ModelError
        If timm or PyTorch is not installed, TensorFlow was loaded before PyTorch, or timm has no such network.
    ImageError
        If no image can be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    target, galaxies = Path(out), read_catalogue(catalogue)
    if target.suffix != ".parquet":
        raise ModelError(f"embeddings by timm cannot be written to {target}; give a name that ends in .parquet")
    model, torch = _network(network, pretrained)
    preprocessing = Preprocessing(size=image_size, crop=crop)
    mean, spread = (_pixels(model, name) if normalise else float(name == "std") for name in ("mean", "std"))
    names: list[str] = []
    features: list[NDArray[np.float32]] = []
    with counted(progress, "features of the images", len(galaxies)) as done, torch.inference_mode():
        for rows in _batches(len(galaxies), batch_size):
            pixels, failures = galaxies.decode(preprocessing, rows)
            good = [row for row in range(len(rows)) if row not in failures]
            if good:
                scaled = (pixels[good].astype(np.float32) / 255 - mean) / spread
                batch = torch.from_numpy(np.ascontiguousarray(np.moveaxis(scaled, 3, 1), dtype=np.float32))
                features.append(model(batch).numpy())
                names += [str(galaxies.ids[rows[row]]) for row in good]
            done(int(rows[-1]) + 1)
    if not names:
        raise ImageError(f"none of the {len(galaxies)} images of {galaxies.source} can be read; check the images")
    values = np.concatenate(features)
    column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    with aside(target) as temporary:
        pq.write_table(pa.table({"id": pa.array(names, pa.string()), "embedding": column}), temporary, compression="zstd")
    return read_embeddings(target, encoder=network)


def _network(name: str, pretrained: bool) -> tuple[Any, Any]:
    """Build a network without its classifier, and return it with PyTorch."""
    if "tensorflow" in sys.modules and "torch" not in sys.modules:
        raise ModelError("PyTorch must be loaded before TensorFlow, but TensorFlow is loaded; do this in a separate process")
    needed = "networks of timm need PyTorch and timm: pip install 'zooactive[timm]'"
    with explained(ModelError, needed, ImportError):
        torch, timm = importlib.import_module("torch"), importlib.import_module("timm")
    with explained(ModelError, f"timm has no network '{name}' with weights that can be loaded ({{reason}}); check its name"):
        return timm.create_model(name, pretrained=pretrained, num_classes=0).eval(), torch


def _pixels(model: Any, name: str) -> NDArray[np.float32]:
    """Return the mean or the standard deviation of pixels, (channel,), that timm gives for a network."""
    return np.asarray(model.pretrained_cfg[name], dtype=np.float32)


def _batches(galaxies: int, size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, galaxies, size):
        yield np.arange(start, min(start + size, galaxies))
