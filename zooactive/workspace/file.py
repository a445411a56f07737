"""Read ``zooactive.toml``: find it, check it, and complete it with its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zooactive.foundation.addresses import address_of, own_path
from zooactive.foundation.errors import WorkspaceError, did_you_mean
from zooactive.foundation.parsing import from_toml
from zooactive.foundation.reading import read_text
from zooactive.foundation.settings import read_section
from zooactive.models.config import Network
from zooactive.models.published.names import IMAGENET
from zooactive.models.saved_form import BUNDLED
from zooactive.training.config import TrainingConfig
from zooactive.training.recipes import Recipe, load_recipe
from zooactive.workspace.labels_alone import for_its_task
from zooactive.workspace.sections import FILE, Acquire, Allocate, Pool, Rounds, Survey, TaskLabels, Zooniverse
from zooactive.workspace.settings import Settings


def find_settings(start: str | Path | None = None) -> Settings:
    """Load the nearest ``zooactive.toml`` in or above a folder; without one, return a workspace of defaults.

    Raises a WorkspaceError if the file is not TOML, or has unknown entries or entries of the wrong type.
    """
    folder = Path(start or ".").resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / FILE).is_file():
            return load_settings(candidate / FILE)
    if start is not None and not folder.is_dir():
        raise WorkspaceError(f"there is no folder {folder}; `zooactive init` makes a workspace")
    return _settings({}, folder / FILE)


def own_settings(folder: Path) -> Settings:
    """Load the workspace of a folder; if the folder has no file, return a workspace of defaults."""
    return load_settings(folder / FILE) if (folder / FILE).is_file() else _settings({}, folder / FILE)


def load_settings(path: str | Path) -> Settings:
    """Load a workspace file; relative paths in it start from its folder.

    Raises a WorkspaceError if the file is not TOML, or has unknown entries or entries of the wrong type.
    """
    path = Path(path).resolve()
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{path} cannot be read: {error}; `zooactive init` writes another") from error
    return parse_settings(text, path)


def parse_settings(text: str, path: Path) -> Settings:
    """Make a workspace from the text of its file, which is or will be at `path`.

    Raises a WorkspaceError if the text is not TOML, or has unknown entries or entries of the wrong type.
    """
    try:
        values = from_toml(text)
    except ValueError as error:
        raise WorkspaceError(f"{path} is not valid TOML: {error}; correct that line") from error
    return _settings(values, path)


def _settings(values: Mapping[str, Any], path: Path) -> Settings:
    sections = {"survey": Survey, "model": Network, "training": TrainingConfig, "pool": Pool} | {
        "acquire": Acquire,
        "allocate": Allocate,
        "loop": Rounds,
        "zooniverse": Zooniverse,
    }
    for key, value in values.items():
        if key not in {*sections, "tasks", "recipe"}:
            raise WorkspaceError(f"{path}: the table [{key}] is unknown.{did_you_mean(key, [*sections, 'tasks'])}")
        if key != "recipe" and not isinstance(value, dict):
            raise WorkspaceError(f"{path}: {key} must be a table; write [{key}]")
    recipe = _named_recipe(values, path)
    values = values if recipe is None else _over_recipe(values, recipe)
    loaded: dict[str, Any] = {
        name: read_section(cls, values.get(name, {}), file=path, table=name) for name, cls in sections.items()
    }
    tasks = {
        name: read_section(TaskLabels, entry, file=path, table=f"tasks.{name}")
        for name, entry in values.get("tasks", {}).items()
    }
    tasks = {name: replace(task, task=_own_file(task.task, path.parent)) for name, task in tasks.items()}
    if loaded["model"].start not in (None, BUNDLED, IMAGENET) and address_of(loaded["model"].start) is None:
        loaded["model"] = replace(loaded["model"], start=str(path.parent / own_path(loaded["model"].start)))
    files = {entry: _own_file(getattr(loaded["survey"], entry), path.parent) for entry in ("tree", "rule")}
    loaded["survey"] = replace(loaded["survey"], **files)
    return for_its_task(Settings(path.parent, tasks=tasks, recipe=recipe, **loaded)).with_folders_here()


def _named_recipe(values: Mapping[str, Any], path: Path) -> Recipe | None:
    name = values.get("recipe")
    if name is None:
        return None
    if not isinstance(name, str):
        raise WorkspaceError(f"{path}: recipe = {name!r}; give the name of a recipe, or a path that ends in .toml")
    return load_recipe(_own_file(name, path.parent) or name)


def _over_recipe(values: Mapping[str, Any], recipe: Recipe) -> Mapping[str, Any]:
    """Return what the file says, completed by what its recipe says about the model and the training."""
    both = {table: _merged(recipe.tables.get(table, {}), values.get(table, {})) for table in ("model", "training")}
    return {**values, **both}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two tables, and the tables inside them; if both have an entry, the one from `above` counts."""
    both = [key for key, value in above.items() if isinstance(value, Mapping) and isinstance(below.get(key), Mapping)]
    tables = {key: _merged(below[key], above[key]) for key in both}
    return {**below, **above, **tables}


def _own_file(name: str | None, folder: Path) -> str | None:
    """Return the name of a tree, rule or task unchanged, or the path of a user's own .toml file in the workspace."""
    return str(folder / own_path(name)) if name is not None and name.endswith(".toml") else name
