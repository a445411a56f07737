"""Model and catalogue to posterior: in memory, in chunks, or as resumable Parquet, on one machine or an engine."""

from __future__ import annotations

from zooactive.prediction.combined import CombinedCatalogue, combine
from zooactive.prediction.ensemble import EnsemblePredictions, open_ensemble
from zooactive.prediction.parts import PredictionConfig
from zooactive.prediction.predict import predict, predict_chunks
from zooactive.prediction.ray_engine import RayEngine
from zooactive.prediction.similar import find_similar
from zooactive.prediction.stored import Predictions, open_predictions

__all__ = [
    "CombinedCatalogue",
    "EnsemblePredictions",
    "PredictionConfig",
    "Predictions",
    "RayEngine",
    "combine",
    "find_similar",
    "open_ensemble",
    "open_predictions",
    "predict",
    "predict_chunks",
]
