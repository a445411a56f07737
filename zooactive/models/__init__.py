"""Networks: cutouts to features (backbones), features to concentrations (head), and both with their tree (GalaxyModel).

The names load what they need when first used: ``zooactive.models.linear_head`` works on stored features without Keras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "GalaxyModel": "galaxy_model",
    "load_model": "galaxy_model",
    "ConcentrationHead": "head",
    "HeadEnsemble": "head_ensemble",
    "LaplaceHead": "laplace_head",
    "LinearDraws": "linear_draws",
    "LinearHead": "linear_head",
    "FeatureAxes": "bayesian_head",
    "find_axes": "bayesian_head",
    "fit_bayesian_head": "bayesian_head",
    "fit_head_ensemble": "head_ensemble",
    "fit_laplace": "laplace_head",
    "load_draws": "draws_files",
    "folded": "folding",
    "feature_maps": "layer_maps",
    "first_filters": "layer_maps",
    "load_published": "published_weights",
    "start_from_published": "published_weights",
    "build_encoder": "backbones",
    "list_backbones": "backbones",
    "register_backbone": "backbones",
}

__all__ = [
    "ConcentrationHead",
    "FeatureAxes",
    "GalaxyModel",
    "HeadEnsemble",
    "LaplaceHead",
    "LinearDraws",
    "LinearHead",
    "build_encoder",
    "feature_maps",
    "find_axes",
    "first_filters",
    "fit_bayesian_head",
    "fit_head_ensemble",
    "fit_laplace",
    "folded",
    "list_backbones",
    "load_draws",
    "load_model",
    "load_published",
    "register_backbone",
    "start_from_published",
]

if TYPE_CHECKING:
    from zooactive.models.backbones import build_encoder, list_backbones, register_backbone
    from zooactive.models.bayesian_head import FeatureAxes, find_axes, fit_bayesian_head
    from zooactive.models.draws_files import load_draws
    from zooactive.models.folding import folded
    from zooactive.models.galaxy_model import GalaxyModel, load_model
    from zooactive.models.head import ConcentrationHead
    from zooactive.models.head_ensemble import HeadEnsemble, fit_head_ensemble
    from zooactive.models.laplace_head import LaplaceHead, fit_laplace
    from zooactive.models.layer_maps import feature_maps, first_filters
    from zooactive.models.linear_draws import LinearDraws
    from zooactive.models.linear_head import LinearHead
    from zooactive.models.published_weights import load_published, start_from_published


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"zooactive.models.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'zooactive.models' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
