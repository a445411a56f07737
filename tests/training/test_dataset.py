from __future__ import annotations

import keras
import numpy as np
import pytest

import zooactive.training.batches
from zooactive.catalogue import Preprocessing
from zooactive.foundation.errors import ImageError, TrainingError
from zooactive.training.batches import ArrayRows, Cutouts, TrainingBatches
from zooactive.training.devices import deterministic_operations


def batches(rows: int, batch_size: int, seed: int = 0) -> TrainingBatches:
    values = np.arange(rows, dtype=np.float32)[:, None]
    return TrainingBatches(ArrayRows(values), values, batch_size, seed=seed)


def test_an_epoch_shows_each_row_at_most_once_and_the_next_epoch_another_order():
    order = [np.concatenate(batches(50, 8).rows(epoch)) for epoch in range(2)]
    assert all(len(np.unique(rows)) == 48 for rows in order)
    assert not np.array_equal(*order)


def test_the_order_follows_from_seed_and_epoch_so_that_a_resumed_stream_goes_on_as_the_first_would():
    first = batches(20, 5).stream()
    seen = [next(first)[1] for _ in range(batches(20, 5).steps * 3)]
    resumed = batches(20, 5).stream(first_epoch=2)
    assert np.array_equal(np.concatenate(seen[8:]), np.concatenate([next(resumed)[1] for _ in range(4)]))
    other = next(batches(20, 5, seed=1).stream())[1]
    assert not np.array_equal(seen[0], other)


def test_rows_and_votes_stay_together_through_tensorflow():
    for (pixels, votes), _ in zip(batches(20, 5).dataset(), range(8), strict=False):
        assert np.array_equal(pixels, votes)


def test_cutouts_decoded_one_batch_at_a_time_equal_those_kept_in_memory(galaxies, monkeypatch):
    catalogue, rows = galaxies(6), np.array([4, 0, 5])
    kept = Cutouts(catalogue, Preprocessing(size=16)).rows(rows)
    monkeypatch.setattr(zooactive.training.batches, "_IN_MEMORY", 0)
    assert np.array_equal(Cutouts(catalogue, Preprocessing(size=16)).rows(rows), kept)


def test_an_unreadable_image_stops_the_training_by_name(galaxies):
    catalogue = galaxies(4)
    catalogue.images[2].write_bytes(b"")
    with pytest.raises(ImageError, match="g002"):
        Cutouts(catalogue, Preprocessing(size=16))


def test_jax_on_a_gpu_must_have_been_told_to_be_deterministic_before_it_started(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: ["gpu:0"])
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    with pytest.raises(TrainingError, match="set XLA_FLAGS=--xla_gpu_deterministic_ops=true"):
        deterministic_operations()
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=1 --xla_gpu_deterministic_ops=true")
    deterministic_operations()


def test_an_iterator_does_not_wait_for_a_tuner():
    votes = np.zeros((8, 2), np.float32)
    flow = TrainingBatches(ArrayRows(votes), votes, 4, seed=0).dataset()
    assert flow.options().autotune.enabled is False
