"""Models and weights by name: on the Hugging Face hub, as a zip, or in a folder of this machine."""

from __future__ import annotations

from pathlib import Path

from zooactive.foundation.addresses import address_of
from zooactive.foundation.errors import ModelError
from zooactive.models.published.archives import ABOUT, fetch_archive, is_archive, unpack
from zooactive.models.published.hub import fetch, on_the_hub, weights_in


def local_model(name: str | Path) -> Path:
    """Return the folder of a model on this machine, fetched or unpacked where it has to be.

    Parameters
    ----------
    name : str or Path
        A folder; "hf://USER/NAME" with or without "@REVISION"; a zip; or the address of a zip with its checksum,
        "https://.../model.zip#sha256=...". An address may have lost a slash as a `Path`.

    Raises
    ------
    ModelError
        When it cannot be fetched or unpacked. That a folder is there, and holds a model, is not looked at.
    """
    if on_the_hub(name):
        return fetch(name)
    address = address_of(name)
    if address is not None:
        if address.split(":", 1)[0].lower() not in ("http", "https"):
            raise ModelError(f"{address} cannot be loaded from there; give a folder, a zip, https://... or hf://USER/NAME")
        return fetch_archive(address)
    path = Path(name)
    return unpack(path) if is_archive(path) else path


def local_start(start: str) -> str:
    """Return weights to start from as they lie on this machine: what is on the hub or packed is fetched first."""
    if not is_elsewhere(start):
        return start
    folder = local_model(start)
    weights = None if (folder / ABOUT).is_file() else weights_in(folder)
    return str(folder if weights is None else weights)


def is_elsewhere(place: str | Path) -> bool:
    """Return whether a model or weights are named by an address or as a zip, and no folder or file to write beside."""
    return address_of(place) is not None or is_archive(Path(place))
