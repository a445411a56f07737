"""Numbers from ids: their definition, and that nothing but id, purpose and seed matters."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import stats

from zooactive.foundation.hashing import gumbel_from_ids, hash_ids, uniform_from_ids

PURPOSES = ("split", "noise", "random-arm", "folds", "trees")


@pytest.mark.parametrize("purpose", PURPOSES)
def test_the_hash_is_blake2b_of_purpose_seed_and_id(purpose):
    ids = ["a", "587722981742084096", "J000000.80+004200.0", "Sérsic"]
    digests = [hashlib.blake2b(f"{purpose}|7|{name}".encode(), digest_size=8).digest() for name in ids]
    expected = [int.from_bytes(digest, "big") for digest in digests]
    assert hash_ids(ids, purpose=purpose, seed=7).tolist() == expected
    uniform = uniform_from_ids(ids, purpose=purpose, seed=7)
    assert uniform == pytest.approx(np.array(expected, dtype=float) / 2.0**64, abs=2.0**-52)


def test_a_number_does_not_depend_on_order_or_neighbours():
    ids = [f"g{i}" for i in range(100)]
    numbers = dict(zip(ids, uniform_from_ids(ids, purpose="split", seed=0), strict=True))
    order = np.random.default_rng(0).permutation(ids)
    assert uniform_from_ids(order, purpose="split", seed=0).tolist() == [numbers[name] for name in order]
    assert uniform_from_ids(["g42"], purpose="split", seed=0)[0] == numbers["g42"]


def test_the_numbers_are_uniform_and_purposes_and_seeds_are_independent():
    ids = [f"g{i}" for i in range(5000)]
    streams = [uniform_from_ids(ids, purpose=purpose, seed=seed) for purpose in PURPOSES for seed in (0, 1)]
    for stream in streams:
        assert stats.kstest(stream, "uniform").pvalue > 1e-4
    correlation = np.corrcoef(streams) - np.eye(len(streams))
    assert np.abs(correlation).max() < 4.5 / np.sqrt(5000)


def test_the_largest_and_smallest_hashes_stay_strictly_between_zero_and_one(monkeypatch):
    class Extreme:
        def __init__(self, data, digest_size):
            self.end = data.decode().split("|")[-1]

        def digest(self):
            return {"least": bytes(8), "most": b"\xff" * 8}[self.end]

    monkeypatch.setattr("zooactive.foundation.hashing.blake2b", Extreme)
    least, most = uniform_from_ids(["least", "most"], purpose="noise", seed=0)
    assert 0 < least < 1e-15
    assert 1 - 1e-15 < most < 1
    assert np.isfinite(gumbel_from_ids(["least", "most"], seed=0)).all()


def test_the_noise_is_standard_gumbel():
    noise = gumbel_from_ids([f"g{i}" for i in range(5000)], seed=3)
    assert stats.kstest(noise, "gumbel_r").pvalue > 1e-4


def test_no_ids_give_no_numbers():
    assert uniform_from_ids([], purpose="folds", seed=0).shape == (0,)
    assert gumbel_from_ids([], seed=0).shape == (0,)
