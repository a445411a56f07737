"""Active learning on galaxy images: use volunteers' votes to choose the next galaxies worth showing.

The names below load what they need on first use: ``import zooactive`` imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "ZooactiveError": "foundation",
    "Question": "tree",
    "DecisionTree": "tree",
    "load_tree": "tree",
    "list_trees": "tree",
    "combine_trees": "tree",
    "Posterior": "posterior",
    "combine_draws": "posterior",
    "read_posterior": "posterior",
    "write_posterior": "posterior",
    "Catalogue": "catalogue",
    "read_catalogue": "catalogue",
    "combine_catalogues": "catalogue",
    "Preprocessing": "catalogue",
    "fetch_cutouts": "catalogue.cutouts.fetch",
    "ClassRule": "catalogue",
    "load_rule": "catalogue",
    "list_rules": "catalogue",
    "GalaxyModel": "models",
    "load_model": "models",
    "convert": "models.convert",
    "Augmentation": "training.augmentation",
    "TrainingConfig": "training.config",
    "train": "training.train",
    "Recipe": "training.recipes",
    "load_recipe": "training.recipes",
    "list_recipes": "training.recipes",
    "fit_draws": "training.draws",
    "calibrate": "training.calibrate",
    "predict": "prediction",
    "embed": "prediction",
    "read_embeddings": "prediction",
    "Embeddings": "prediction",
    "combine": "prediction",
    "CombinedCatalogue": "prediction",
    "acquire": "acquisition",
    "AcquisitionConfig": "acquisition",
    "allocate": "acquisition",
    "AllocationConfig": "acquisition",
    "finetune": "training.finetuning.finetune",
    "FinetunedModel": "training.finetuning.finetuned_model",
    "load_finetuned": "training.finetuning.finetuned_model",
    "FinetunedNumbers": "training.finetuning.finetuned_numbers",
    "load_numbers": "training.finetuning.finetuned_numbers",
    "Loop": "loop",
    "LoopConfig": "loop",
    "Labelling": "workspace.label",
    "migrate": "workspace.migrate",
    "trace": "workspace.trace",
    "Workspace": "workspace",
    "load_workspace": "workspace",
}
_MODULES = {
    "acquisition": "acquisition",
    "calibration": "evaluation.calibration",
    "evaluation": "evaluation",
    "loop": "loop",
    "losses": "training.losses",
    "plots": "report.plots",
    "shards": "catalogue.shards",
    "simulate": "labels.simulate",
    "tasks": "training.finetuning.tasks",
}

__all__ = ["__version__", *_HOMES, *_MODULES]

if TYPE_CHECKING:  # "as", because otherwise type checkers take an imported name for one that is not public
    from zooactive import acquisition as acquisition, evaluation as evaluation, loop as loop
    from zooactive.acquisition import (
        AcquisitionConfig as AcquisitionConfig,
        AllocationConfig as AllocationConfig,
        acquire as acquire,
        allocate as allocate,
    )
    from zooactive.catalogue import (
        Catalogue as Catalogue,
        ClassRule as ClassRule,
        Preprocessing as Preprocessing,
        combine_catalogues as combine_catalogues,
        list_rules as list_rules,
        load_rule as load_rule,
        read_catalogue as read_catalogue,
        shards as shards,
    )
    from zooactive.catalogue.cutouts.fetch import fetch_cutouts as fetch_cutouts
    from zooactive.evaluation import calibration as calibration
    from zooactive.foundation import ZooactiveError as ZooactiveError
    from zooactive.labels import simulate as simulate
    from zooactive.loop import Loop as Loop, LoopConfig as LoopConfig
    from zooactive.models import GalaxyModel as GalaxyModel, load_model as load_model
    from zooactive.models.convert import convert as convert
    from zooactive.posterior import (
        Posterior as Posterior,
        combine_draws as combine_draws,
        read_posterior as read_posterior,
        write_posterior as write_posterior,
    )
    from zooactive.prediction import (
        CombinedCatalogue as CombinedCatalogue,
        Embeddings as Embeddings,
        combine as combine,
        embed as embed,
        predict as predict,
        read_embeddings as read_embeddings,
    )
    from zooactive.report import plots as plots
    from zooactive.training import losses as losses
    from zooactive.training.augmentation import Augmentation as Augmentation
    from zooactive.training.calibrate import calibrate as calibrate
    from zooactive.training.config import TrainingConfig as TrainingConfig
    from zooactive.training.draws import fit_draws as fit_draws
    from zooactive.training.finetuning import tasks as tasks
    from zooactive.training.finetuning.finetune import finetune as finetune
    from zooactive.training.finetuning.finetuned_model import (
        FinetunedModel as FinetunedModel,
        load_finetuned as load_finetuned,
    )
    from zooactive.training.finetuning.finetuned_numbers import (
        FinetunedNumbers as FinetunedNumbers,
        load_numbers as load_numbers,
    )
    from zooactive.training.recipes import Recipe as Recipe, list_recipes as list_recipes, load_recipe as load_recipe
    from zooactive.training.train import train as train
    from zooactive.tree import (
        DecisionTree as DecisionTree,
        Question as Question,
        combine_trees as combine_trees,
        list_trees as list_trees,
        load_tree as load_tree,
    )
    from zooactive.workspace import Workspace as Workspace, load_workspace as load_workspace
    from zooactive.workspace.label import Labelling as Labelling
    from zooactive.workspace.migrate import migrate as migrate
    from zooactive.workspace.trace import trace as trace


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"zooactive.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"zooactive.{_MODULES[name]}")
    raise AttributeError(f"module 'zooactive' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
