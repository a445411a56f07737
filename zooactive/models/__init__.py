"""Models: backbones that turn cutouts into features, heads that turn features into concentrations, and saved models.

The names load their modules on first use. ``zooactive.models.head`` works on stored features without Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zooactive.foundation.faces import names_on_demand
from zooactive.models.start import start_networks

_HOMES = {
    "GalaxyModel": "galaxy_model",
    "EmbeddingModel": "embedding_model",
    "load_model": "loading",
    "load_network": "loading",
    "ConcentrationHead": "head.layer",
    "LaplaceHead": "head.laplace",
    "LinearDraws": "head.draws",
    "LinearHead": "head.dropout",
    "FeatureAxes": "head.bayesian",
    "find_axes": "head.bayesian",
    "fit_bayesian_head": "head.bayesian",
    "fit_laplace": "head.laplace",
    "load_draws": "head.files",
    "folded": "backbones.folding",
    "feature_maps": "layer_maps",
    "first_filters": "layer_maps",
    "load_published": "published_weights",
    "start_from_published": "published_weights",
    "build_encoder": "backbones.register",
    "list_backbones": "backbones.register",
    "register_backbone": "backbones.register",
}

__all__ = [
    "ConcentrationHead",
    "EmbeddingModel",
    "FeatureAxes",
    "GalaxyModel",
    "LaplaceHead",
    "LinearDraws",
    "LinearHead",
    "build_encoder",
    "feature_maps",
    "find_axes",
    "first_filters",
    "fit_bayesian_head",
    "fit_laplace",
    "folded",
    "list_backbones",
    "load_draws",
    "load_model",
    "load_network",
    "load_published",
    "register_backbone",
    "start_from_published",
]

if TYPE_CHECKING:
    from zooactive.models.backbones.folding import folded
    from zooactive.models.backbones.register import build_encoder, list_backbones, register_backbone
    from zooactive.models.embedding_model import EmbeddingModel
    from zooactive.models.galaxy_model import GalaxyModel
    from zooactive.models.head.bayesian import FeatureAxes, find_axes, fit_bayesian_head
    from zooactive.models.head.draws import LinearDraws
    from zooactive.models.head.dropout import LinearHead
    from zooactive.models.head.files import load_draws
    from zooactive.models.head.laplace import LaplaceHead, fit_laplace
    from zooactive.models.head.layer import ConcentrationHead
    from zooactive.models.layer_maps import feature_maps, first_filters
    from zooactive.models.loading import load_model, load_network
    from zooactive.models.published_weights import load_published, start_from_published

_GONE = {"HeadEnsemble": "use LaplaceHead", "fit_head_ensemble": "use fit_laplace"}

_WITHOUT_KERAS = ("embedding_model", "loading", "head.bayesian", "head.draws", "head.dropout", "head.files", "head.laplace")

_loaded = names_on_demand(__name__, _HOMES, _GONE)


def __getattr__(name: str) -> Any:
    if _HOMES.get(name, _WITHOUT_KERAS[0]) not in _WITHOUT_KERAS:
        start_networks()
    return _loaded(name)


def __dir__() -> list[str]:
    return sorted(__all__)
