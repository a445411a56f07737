"""The folder of a saved model: what its files hold, and how they are read and checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.preprocessing import Preprocessing
from zooactive.foundation.catalogs import catalogs_folder
from zooactive.foundation.errors import ModelError, explained
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.npz import read_npz
from zooactive.foundation.parsing import read_object
from zooactive.models.places import local_model
from zooactive.models.published.origin import Origin, origin_in

FORMAT = 1
"""The version of the format; it is raised when an older zooactive could not read a newer model."""

EMBEDDINGS_FORMAT = 2
"""The format of models that take embeddings and have no network; older versions cannot read it."""

NUMBERS_FORMAT = 3
"""The format of models that predict a number and answer no questions; see `zooactive.models.number_model`."""

NUMBERS_ENCODER = "encoder"
"""The folder of the network inside the folder of a model for a number."""

ABOUT, ENCODER, HEAD = "model.json", "encoder.npz", "head.npz"


def model_folder(path: Path) -> Path:
    """Return the folder that holds the model: this one, or ``model/`` in it; raise a ModelError if neither does.

    A model on the hub or in a zip is fetched first.
    """
    path = catalogs_folder() / "encoder" if path == Path(BUNDLED) else local_model(path)
    for folder in (path, path / "model"):
        if (folder / ABOUT).is_file():
            return folder
    mend = "the save was interrupted: save or train again" if (path / ENCODER).exists() else "give a saved model's folder"
    if not path.exists():
        mend = "there is no such folder: run `zooactive train`, or give a saved model's folder"
    raise ModelError(f"{path} holds no complete model ({ABOUT} is missing); {mend}")


def read_about(folder: Path) -> dict[str, Any]:
    """Read ``model.json``; raise a ModelError if it describes no model that this version can read."""
    path = folder / ABOUT
    with explained(ModelError, f"{path} cannot be read ({{reason}}); save the model again", OSError, ValueError):
        about = read_object(path)
    if not {"format", "model", "fingerprint"} <= set(about):
        raise ModelError(f"{path} does not describe a model of zooactive; give the folder that GalaxyModel.save wrote")
    if about["format"] == NUMBERS_FORMAT:
        raise ModelError(
            f"the model in {folder} predicts numbers and answers no questions; use it with finetune, predict, evaluate, "
            "top and acquire (`zooactive predict --model`), in Python with zooactive.load_numbers"
        )
    refuse_future(path, about["format"], NUMBERS_FORMAT, ModelError)
    if about["format"] not in (FORMAT, EMBEDDINGS_FORMAT):
        raise ModelError(f"{path} has format {about['format']}, which no version of zooactive wrote; save the model again")
    return about


def tells_numbers(path: Path) -> bool:
    """Return whether a folder holds a model that predicts numbers, complete or not."""
    for folder in (path, path / "model"):
        try:
            return bool(read_object(folder / ABOUT).get("format") == NUMBERS_FORMAT)
        except (OSError, ValueError):
            continue
    return False


def network_folder(path: Path) -> Path:
    """Return the folder of the model that looks at galaxies: for a model that predicts numbers, the one inside it."""
    if not tells_numbers(path):
        return path
    return next(folder for folder in (path, path / "model") if (folder / ABOUT).is_file()) / NUMBERS_ENCODER


def config_of(path: str | Path) -> dict[str, Any]:
    """Return the settings of a saved model without loading Keras; raise a ModelError if there is no complete model."""
    folder = model_folder(Path(path))
    config = read_about(folder)["model"]
    if not isinstance(config, dict):
        raise ModelError(f"{folder / ABOUT} is damaged (model is not an object); save the model again")
    return config


def origin_of(folder: Path, about: dict[str, Any]) -> Origin | None:
    """Return the origin of the model in a folder: the published model itself, or the origin that ``model.json`` names."""
    noted = about.get("origin")
    with explained(
        ModelError, f"{folder / ABOUT} is damaged ({{reason}}); save the model again", ValueError, AttributeError
    ):
        stored = None if noted is None else Origin.from_dict(noted)
    found = origin_in(folder)
    if found is None or stored is None:
        return found or stored
    return replace(found, licence=found.licence or stored.licence)


def stored_origin(path: str | Path) -> Origin | None:
    """Return the origin of a saved model without loading it; raise a ModelError if there is no complete model."""
    folder = model_folder(Path(path))
    return origin_of(folder, read_about(folder))


def takes_embeddings(path: str | Path) -> bool:
    """Return whether a saved model takes embeddings and has no network; a ModelError if there is no complete model."""
    return bool(read_about(model_folder(Path(path)))["format"] == EMBEDDINGS_FORMAT)


def stored_fingerprint(path: Path) -> str | None:
    """Return the fingerprint that a saved model declares, without loading it; None if there is no complete model."""
    try:
        return str(read_about(model_folder(path))["fingerprint"])
    except ModelError:
        return None


def pixels_of(path: Path) -> Preprocessing | None:
    """Return the preprocessing of a saved model without loading it; None if it is incomplete or takes embeddings."""
    for folder in (path, path / NUMBERS_ENCODER, path / "model" / NUMBERS_ENCODER):
        if stored_fingerprint(folder) is not None:
            found = config_of(folder).get("preprocessing")
            return None if found is None else Preprocessing.from_dict(found)
    return None


def read_arrays(path: Path, check: Callable[[list[tuple[int, ...]]], None]) -> list[NDArray[Any]]:
    """Read an encoder's weights as float32, in order; raise a ModelError if they are missing or damaged.

    `check` receives their shapes before anything is read.
    """
    damaged = explained(ModelError, f"{path} is damaged ({{reason}}); save the model again")
    missing = explained(ModelError, f"{path} is missing; the model is incomplete: save it again", FileNotFoundError)
    with damaged, missing:
        arrays = read_npz(path, lambda held: check([held[name].shape for name in sorted(held)]))
        return [widened(arrays[name]) for name in sorted(arrays)]


def arrays_of(encoder: Any) -> list[NDArray[Any]]:
    """Copy all weights out of a Keras model, in order."""
    return [array_of(weight) for weight in encoder.weights]


def halved(array: NDArray[Any]) -> NDArray[Any]:
    """Return a kernel in float16; vectors (biases, batch norm statistics) stay, as they are few and may be large."""
    return array.astype(np.float16) if array.ndim > 1 and array.dtype == np.float32 else array


def widened(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array that was halved in float32 again."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def array_of(weight: Any) -> NDArray[Any]:
    """Copy a weight out of Keras; asking the variable itself for a copy makes NumPy 2 warn."""
    return np.asarray(weight).copy()


def fingerprint_of(config: dict[str, Any], arrays: Sequence[NDArray[Any]]) -> str:
    """Return a hash (BLAKE2b) of settings and arrays, 32 hexadecimal digits."""
    digest = blake2b(json.dumps(config, sort_keys=True).encode(), digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


BUNDLED = "bundled"
"""The name of the encoder that comes with zooactive; it can be given instead of the folder of a model."""


def refuse_other_network(mine: tuple[str, Preprocessing], theirs: tuple[str, Preprocessing]) -> None:
    """Raise a ModelError if the model to start from has another backbone, or one is for colour and the other for grey.

    For listed bands, the first layer is made from one with any channels: see `zooactive.models.backbones.stems`.
    """
    bands = mine[1].listed or theirs[1].listed
    if mine[0] != theirs[0] or (bands is None and mine[1].channels != theirs[1].channels):
        channels = "" if bands is not None else f" and channels = {theirs[1].channels}"
        raise ModelError(
            f"a model of {mine[0]} with {mine[1].channels} channels cannot start from {theirs[0]} with "
            f"{theirs[1].channels}; set backbone = '{theirs[0]}'{channels}, or leave out start"
        )
