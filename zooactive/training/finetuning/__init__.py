"""A trained encoder carried to a new question by a few hundred labels."""

from __future__ import annotations

from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.finetune import finetune
from zooactive.training.finetuning.finetuned_model import FinetunedModel, load_finetuned

__all__ = ["FinetuneConfig", "FinetunedModel", "finetune", "load_finetuned"]
