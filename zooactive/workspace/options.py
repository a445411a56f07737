"""Options of a job that override ``zooactive.toml``, with the table and the entry that each overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

from zooactive.foundation.remote_folders import folder_here
from zooactive.models.places import is_elsewhere, local_model
from zooactive.workspace.settings import Settings

Options: TypeAlias = Mapping[str, str]
"""A mapping from an option to ``table.entry``."""


_FOLDERS = ("predictions", "stored")
"""Options of jobs themselves that name folders of predictions."""


def as_path(path: str | Path | None) -> Path | None:
    """Return a path that may be given as text, which happens in Python but not on the command line."""
    return None if path is None else Path(path)


def options_of(table: str, section: type) -> dict[str, str]:
    """Return every entry of a table as an option of the same name."""
    return {entry.name: f"{table}.{entry.name}" for entry in fields(section)}


def settings_for(settings: Settings, options: Options, given: Mapping[str, Any]) -> tuple[Settings, dict[str, Any]]:
    """Put the given options that are not None into the settings; return the settings and the options of the job itself.

    A model that is named by a URL is fetched. Predictions and shards at URLs are replaced by local folders with copies.
    """
    tables: dict[str, dict[str, Any]] = {}
    own = {}
    for name, value in given.items():
        if name not in options:
            own[name] = value
            continue
        table, _, entry = options[name].partition(".")
        tables.setdefault(table, {})[entry] = value
    settings = settings.with_options(**tables)
    if is_elsewhere(settings.model.folder):
        settings = settings.with_options(model={"folder": local_model(settings.model.folder)})
    own |= {name: folder_here(own[name]) for name in _FOLDERS if own.get(name) is not None}
    return settings.with_folders_here(), own
