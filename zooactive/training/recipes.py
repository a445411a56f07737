"""Training recipes as small TOML files: what a paper did, or what worked best for us.

A recipe has a table ``[model]`` with the settings of `Network`, and a table ``[training]`` with those of `TrainingConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zooactive.foundation.catalogs import NamedFiles
from zooactive.foundation.errors import TrainingError, did_you_mean
from zooactive.foundation.settings import read_section
from zooactive.models.config import Network
from zooactive.training.config import TrainingConfig

_TEXTS = ("name", "title", "citation", "notes")
_RECIPES = NamedFiles(
    "recipes", "recipe", TrainingError, "Known recipes are {known}; give your own recipe as a path that ends in .toml"
)


@dataclass(frozen=True)
class Recipe:
    """A named recipe for training: a network and the settings of its fit.

    Parameters
    ----------
    name, title, citation, notes : str
        `notes` says where the recipe differs from the paper.
    network : Network
    training : TrainingConfig
    tables : mapping
        The contents of the file, which the entries of a workspace can override.
    """

    name: str
    title: str
    citation: str
    notes: str
    network: Network
    training: TrainingConfig
    tables: Mapping[str, Any] = field(repr=False, default_factory=dict)


def list_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that come with zooactive, sorted."""
    return _RECIPES.names()


def load_recipe(name: str | Path) -> Recipe:
    """Load a recipe by its name, or your own recipe from a TOML file.

    Raises
    ------
    TrainingError
        If there is no such recipe, or its file is not a recipe.
    WorkspaceError
        If it has unknown entries, or entries of the wrong type.

    Examples
    --------
    >>> load_recipe("zhu2019").network.backbone
    'resnet26'
    """
    path, values = _RECIPES.read(name)
    known = [*_TEXTS, "model", "training"]
    for key in values:
        if key not in known:
            raise TrainingError(f"{path}: the entry '{key}' is unknown.{did_you_mean(key, known)}")
    texts = {key: values.get(key, "") for key in _TEXTS}
    if not texts["name"] or not all(isinstance(text, str) for text in texts.values()):
        raise TrainingError(f"{path}: a recipe needs a name; name, title, citation and notes must be texts")
    tables = {table: values.get(table, {}) for table in ("model", "training")}
    network = read_section(Network, tables["model"], file=path, table="model")
    training = read_section(TrainingConfig, tables["training"], file=path, table="training")
    return Recipe(**texts, network=network, training=training, tables=tables)
