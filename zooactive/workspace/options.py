"""Options of a job that take the place of what ``zooactive.toml`` says, by the table and the entry that they replace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

from zooactive.foundation.remote_folders import folder_here
from zooactive.models.places import is_elsewhere, local_model
from zooactive.workspace.settings import Settings

Options: TypeAlias = Mapping[str, str]
"""From an option to ``table.entry``."""


_FOLDERS = ("predictions", "stored")
"""Options of jobs themselves that name folders of predictions."""


def as_path(path: str | Path | None) -> Path | None:
    """Return as a path what was given as text, as the command line never does."""
    return None if path is None else Path(path)


def options_of(table: str, section: type) -> dict[str, str]:
    """Return every entry of a table as an option of the same name."""
    return {entry.name: f"{table}.{entry.name}" for entry in fields(section)}


def settings_for(settings: Settings, options: Options, given: Mapping[str, Any]) -> tuple[Settings, dict[str, Any]]:
    """Put the given options that are not None into the settings, and return these with the options of the job itself.

    A model that is named by its address is fetched. Folders of this machine, which hold copies, stand for predictions and
    shards at addresses.
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
