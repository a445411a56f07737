"""Votes into weights: train a network, fit its draws and its factors; `finetuning/` carries it to a new question."""

from __future__ import annotations

from zooactive.training.augmentation import Augmentation
from zooactive.training.calibrate import calibrate
from zooactive.training.config import TrainingConfig
from zooactive.training.draws import fit_draws
from zooactive.training.recipes import Recipe, list_recipes, load_recipe
from zooactive.training.train import train

__all__ = ["Augmentation", "Recipe", "TrainingConfig", "calibrate", "fit_draws", "list_recipes", "load_recipe", "train"]
