"""Prediction: from a model and a catalogue to a posterior, in memory, in chunks, or as resumable Parquet files."""

from __future__ import annotations

from zooactive.prediction.combined import CombinedCatalogue, combine
from zooactive.prediction.embed import embed
from zooactive.prediction.embedding_files import read_embeddings
from zooactive.prediction.embeddings import Embeddings
from zooactive.prediction.ensemble import EnsemblePredictions, open_ensemble
from zooactive.prediction.parts import PredictionConfig
from zooactive.prediction.predict import predict, predict_chunks
from zooactive.prediction.ray_engine import RayEngine
from zooactive.prediction.similar import find_similar
from zooactive.prediction.stored import Predictions, open_predictions

__all__ = [
    "CombinedCatalogue",
    "Embeddings",
    "EnsemblePredictions",
    "PredictionConfig",
    "Predictions",
    "RayEngine",
    "combine",
    "embed",
    "find_similar",
    "open_ensemble",
    "open_predictions",
    "predict",
    "predict_chunks",
    "read_embeddings",
]
