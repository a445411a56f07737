"""Find models and weights by name: on the Hugging Face hub, in a zip, or in a folder on this machine."""

from __future__ import annotations

from pathlib import Path

from zooactive.foundation.addresses import address_of
from zooactive.foundation.errors import ModelError
from zooactive.models.published.archives import ABOUT, fetch_archive, is_archive, unpack
from zooactive.models.published.hub import fetch, on_the_hub, weights_in


def local_model(name: str | Path) -> Path:
    """Return the folder of a model on this machine; the model is fetched or unpacked if necessary.

    Parameters
    ----------
    name : str or Path
        A folder; "hf://USER/NAME" with or without "@REVISION"; a zip; or the URL of a zip with its checksum,
        "https://.../model.zip#sha256=...". A URL may have lost a slash as a `Path`.

    Raises
    ------
    ModelError
        If it cannot be fetched or unpacked. It is not checked whether a folder exists and holds a model.
    """
    if on_the_hub(name):
        return fetch(name)
    address = address_of(name)
    if address is not None:
        if address.split(":", 1)[0].lower() not in ("http", "https"):
            raise ModelError(f"{address} cannot be loaded; give a folder, a zip, https://... or hf://USER/NAME")
        return fetch_archive(address)
    path = Path(name)
    return unpack(path) if is_archive(path) else path


def local_start(start: str) -> str:
    """Return the path on this machine of weights to start from; weights on the hub or in a zip are fetched first."""
    if not is_elsewhere(start):
        return start
    folder = local_model(start)
    weights = None if (folder / ABOUT).is_file() else weights_in(folder)
    return str(folder if weights is None else weights)


def is_elsewhere(place: str | Path) -> bool:
    """Return whether a model or weights are named by a URL or a zip, next to which nothing can be written."""
    return address_of(place) is not None or is_archive(Path(place))
