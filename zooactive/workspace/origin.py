"""The origin of a folder of predictions, if the workspace's file does not say it: the model and the galaxies.

Commands that show galaxies of these predictions use it to find their images.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.catalogue import Preprocessing
from zooactive.foundation.addresses import from_folder
from zooactive.foundation.reading import read_text
from zooactive.foundation.remote_folders import bring, delete_file
from zooactive.foundation.writing import how_of, write_json
from zooactive.models.saved_form import BUNDLED, pixels_of, stored_fingerprint
from zooactive.workspace.labels_alone import with_pool_of_labels
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue

_FILE = "galaxies.json"
_PATHS = ("model", "catalogue", "images", "embeddings")
_NAMES = (*_PATHS, "id_column", "image_column", "where")


def record_origin(settings: Settings, stored: Path | None = None) -> None:
    """Record next to predictions which model and galaxies they belong to, unless the workspace's file says the same.

    If they were made from `stored` predictions, they have the galaxies of the stored predictions.
    """
    own, found, path = _said(_own(settings)), _said(settings), settings.pool.predictions / _FILE
    if stored is not None:
        found = (_recorded(stored) or own) | {"model": found["model"]}
    if found == own:
        delete_file(path)
    else:
        write_json(path, found)


def origin_of(settings: Settings) -> dict[str, Any]:
    """Return which model and galaxies the predictions belong to, by the names of the commands' options.

    The result is empty if the workspace's file says it, or if it is not known. Galaxies that an option names come first.
    """
    found, said = _recorded(settings.pool.predictions), _said(settings)
    own = _said(_own(settings))
    if _galaxies(said) != _galaxies(own):
        return said | {"model": found.get("model") or said["model"]}
    return found or ({} if said["model"] == own["model"] else {"model": said["model"]})


def read_predicted(settings: Settings) -> Catalogue:
    """Read the galaxies of the predictions, with their images."""
    found = origin_of(settings)
    return (settings if found.get("catalogue") is None else _at(settings, found)).read_pool()


def read_pictured(settings: Settings, ids: Iterable[str]) -> Catalogue | None:
    """Read some galaxies of the predictions, with their images.

    If embeddings replace images, only the galaxies with an image in a named table are read: a table of labels may have fewer
    galaxies than there are embeddings. Return None if the table has no image of them, or no table is named.
    """
    found, names = origin_of(settings), list(ids)
    if found.get("embeddings") is None and settings.pool.embeddings is None:
        return read_predicted(settings).select(names)
    if found.get("catalogue") is None:
        settings = _with_labels(settings)
        if settings.pool.catalogue is None and settings.survey.catalogue is None:
            return None
    galaxies = read_predicted(settings)
    image_of = dict(zip(galaxies.ids, galaxies.images, strict=True))
    seen = [name for name in names if image_of.get(name) is not None]
    return galaxies.select(seen) if seen else None


def seen_by(settings: Settings) -> Preprocessing:
    """Return the preprocessing of the network that predicted, so that people see the same bands."""
    folder = Path(origin_of(settings).get("model") or settings.model.folder)
    return pixels_of(folder) or settings.model.preprocessing()


def credit_of(settings: Settings) -> tuple[str, str]:
    """Return the credit and the licence of images that `zooactive cutouts` fetched; otherwise both are blank."""
    table = origin_of(settings).get("catalogue") or settings.pool.catalogue or settings.survey.catalogue
    how = {} if table is None else how_of(Path(table))
    said = how.get("options") if how.get("command") == "cutouts" else None
    if not isinstance(said, dict):
        return "", ""
    return str(said.get("credit") or ""), str(said.get("licence") or "")


def folder_for(settings: Settings) -> Path:
    """Return the folder for predictions of these galaxies by this model: the named folder, or the first one that fits.

    A folder fits if it does not exist, or if it holds predictions of the same galaxies by the same model.
    """
    from zooactive.prediction.stored import model_of

    usual = settings.pool.predictions
    mine, said, own = stored_fingerprint(settings.model.folder), _said(settings), _said(_own(settings))
    folder, number = usual, 1
    while folder.exists() and (model_of(folder), _recorded(folder) or own) != (mine, said):
        number += 1
        folder = usual.with_name(f"{usual.name}-{number}")
    return folder


def _with_labels(settings: Settings) -> Settings:
    """Return a workspace of labels alone with the table of labels as its pool, even if embeddings are named."""
    own = settings.default_task
    if own is None:
        return settings
    return with_pool_of_labels(replace(settings, pool=replace(settings.pool, embeddings=None)), settings.tasks[own])


def _recorded(folder: Path) -> dict[str, str | None]:
    bring(folder)
    try:
        found = json.loads(read_text(folder / _FILE))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict) or not all(value is None or isinstance(value, str) for value in found.values()):
        return {}
    return {name: found.get(name) for name in _NAMES}


def _at(settings: Settings, found: dict[str, Any]) -> Settings:
    """Return a workspace whose pool holds the galaxies of the predictions."""
    pool, survey = settings.pool, settings.survey
    places = {name: None if found.get(name) is None else Path(found[name]) for name in ("catalogue", "images")}
    return replace(
        settings,
        pool=replace(pool, catalogue=places["catalogue"], images=places["images"], where=found.get("where")),
        survey=replace(survey, id_column=found.get("id_column"), image_column=found.get("image_column")),
    )


def _own(settings: Settings) -> Settings:
    """Return what the workspace's file says, without any option."""
    from zooactive.workspace.file import own_settings

    return own_settings(settings.folder)


def _said(settings: Settings) -> dict[str, str | None]:
    bundled = Path(BUNDLED)
    named: dict[str, Path | str | None] = {
        "model": settings.model.folder,
        "catalogue": settings.pool.catalogue or settings.survey.catalogue,
        "images": settings.pool.images if settings.pool.catalogue is not None else settings.survey.images,
        "id_column": settings.survey.id_column,
        "image_column": settings.survey.image_column,
        "where": settings.pool.where,
        "embeddings": settings.pool.embeddings,
    }
    here, places = Path.cwd(), {name: value for name, value in named.items() if name in _PATHS and value != bundled}
    named |= {name: None if value is None else from_folder(here, Path(value)) for name, value in places.items()}
    return {name: None if value is None else str(value) for name, value in named.items()}


def _galaxies(said: dict[str, str | None]) -> dict[str, str | None]:
    return {name: value for name, value in said.items() if name != "model"}
