"""The embeddings of a workspace's galaxies, used instead of images and a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.catalogue.id_columns import MissingIdColumn
from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.writing import how_of
from zooactive.models.saved_form import stored_fingerprint, takes_embeddings
from zooactive.workspace.sections import FILE
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    from zooactive.prediction import Embeddings

OPTIONS = {name: f"pool.{name}" for name in ("embeddings", "embedding_ids", "embedding_column", "encoder")}
"""Options that say where embeddings are, by the entries that they replace."""


def on_embeddings(settings: Settings, folder: Path) -> bool:
    """Return whether a model takes embeddings, or the settings name embeddings for it."""
    return settings.pool.embeddings is not None or (stored_fingerprint(folder) is not None and takes_embeddings(folder))


def embeddings_record(settings: Settings) -> dict[str, str | None]:
    """Return where the workspace's embeddings are, as plain values, to record with the model that is trained on them."""
    values = {name: getattr(settings.pool, name) for name in OPTIONS}
    places = {name: value.absolute() for name, value in values.items() if isinstance(value, Path)}
    return {name: None if value is None else str(value) for name, value in (values | places).items()}


def with_recorded(settings: Settings, folder: Path) -> Settings:
    """Return the settings with the embeddings that a task was trained on, unless the settings name others."""
    pool, recorded = settings.pool, _recorded(folder)
    if names_others(settings, folder):
        return settings
    said = {name: getattr(pool, name) for name in OPTIONS if getattr(pool, name) is not None}
    return replace(settings, pool=replace(pool, **{**recorded, **said}))


def names_others(settings: Settings, folder: Path) -> bool:
    """Return whether the settings name other embeddings than those that a task was trained on."""
    named, recorded = settings.pool.embeddings, _recorded(folder).get("embeddings")
    return None not in (named, recorded) and Path(str(named)).resolve() != Path(str(recorded)).resolve()


def read_given(settings: Settings) -> Embeddings:
    """Read the embeddings that options or the workspace's file name.

    Raises a WorkspaceError if no embeddings are named, and a CatalogueError if they cannot be read.
    """
    from zooactive.prediction import read_embeddings

    pool = settings.pool
    if pool.embeddings is None:
        raise WorkspaceError(
            f"the model in {settings.model.folder} takes embeddings instead of images, and none are named; give "
            f"--embeddings FILE, or set embeddings under [pool] in {settings.folder / FILE}"
        )
    read = partial(
        read_embeddings,
        pool.embeddings,
        ids=pool.embedding_ids,
        column=pool.embedding_column,
        encoder=pool.encoder,
    )
    if settings.survey.id_column is None:
        return read()
    try:
        return read(id_column=settings.survey.id_column)
    except MissingIdColumn:  # the galaxies' table has this column, but another program wrote the embeddings
        return read()


def pool_of_embeddings(settings: Settings) -> Embeddings:
    """Read the embeddings of the pool: of the galaxies that ``[pool]`` names, or of all galaxies that have embeddings."""
    found, pool = read_given(settings), settings.pool
    own = settings.default_task
    labels = None if own is None else settings.tasks[own].labels  # they are the pool if nothing else is named
    if pool.catalogue is None or pool.catalogue == labels:
        return found if pool.where is None else found.where(pool.where)
    return found.of_galaxies(settings.read_pool())


def _recorded(folder: Path) -> Mapping[str, Any]:
    """Return what a task's record says about its embeddings."""
    options = how_of(folder).get("options")
    found = options.get("embeddings") if isinstance(options, dict) else None
    if not isinstance(found, dict):
        return {}
    texts = {name: found[name] for name in OPTIONS if isinstance(found.get(name), str)}
    return {name: Path(text) if name in ("embeddings", "embedding_ids") else text for name, text in texts.items()}
