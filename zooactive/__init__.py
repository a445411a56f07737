"""Active learning on galaxy images: from volunteers' votes to the next galaxies worth showing.

The names below load what they need when first used: ``import zooactive`` loads neither Keras nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "ZooactiveError": "errors",
    "Question": "tree",
    "DecisionTree": "tree",
    "load_tree": "tree_files",
    "list_trees": "tree_files",
    "combine_trees": "tree_files",
    "Posterior": "posterior",
    "combine_draws": "posterior",
    "read_posterior": "posterior_files",
    "write_posterior": "posterior_files",
    "Catalogue": "catalogue",
    "read_catalogue": "catalogue",
    "combine_catalogues": "surveys",
    "Preprocessing": "images",
    "GalaxyModel": "models",
    "load_model": "models",
    "Augmentation": "augmentation",
    "TrainingConfig": "training_config",
    "train": "training",
    "Recipe": "recipes",
    "load_recipe": "recipes",
    "ClassRule": "class_rules",
    "load_rule": "class_rules",
    "list_rules": "class_rules",
    "list_recipes": "recipes",
    "predict": "prediction",
    "fit_draws": "prediction",
    "calibrate": "prediction",
    "acquire": "acquisition",
    "finetune": "finetuning",
    "FinetunedModel": "finetuning",
    "load_finetuned": "finetuning",
    "Loop": "loop",
    "LoopConfig": "loop",
}
_MODULES = ("acquisition", "calibration", "evaluation", "loop", "losses", "plots", "shards", "simulate", "tasks")

__all__ = ["__version__", *_HOMES, *_MODULES]

if TYPE_CHECKING:
    from zooactive import acquisition, calibration, evaluation, loop, losses, plots, shards, simulate, tasks
    from zooactive.acquisition import acquire
    from zooactive.augmentation import Augmentation
    from zooactive.catalogue import Catalogue, read_catalogue
    from zooactive.class_rules import ClassRule, list_rules, load_rule
    from zooactive.errors import ZooactiveError
    from zooactive.finetuning import FinetunedModel, finetune, load_finetuned
    from zooactive.images import Preprocessing
    from zooactive.loop import Loop, LoopConfig
    from zooactive.models import GalaxyModel, load_model
    from zooactive.posterior import Posterior, combine_draws
    from zooactive.posterior_files import read_posterior, write_posterior
    from zooactive.prediction import calibrate, fit_draws, predict
    from zooactive.recipes import Recipe, list_recipes, load_recipe
    from zooactive.surveys import combine_catalogues
    from zooactive.training import train
    from zooactive.training_config import TrainingConfig
    from zooactive.tree import DecisionTree, Question
    from zooactive.tree_files import combine_trees, list_trees, load_tree


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"zooactive.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"zooactive.{name}")
    raise AttributeError(f"module 'zooactive' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
