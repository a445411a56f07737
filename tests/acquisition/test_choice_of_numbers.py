"""The choice of galaxies whose numbers tell most, against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from zooactive.acquisition.numbers import acquire_numbers, greedy_information
from zooactive.acquisition.pool import Screening
from zooactive.foundation.errors import AcquisitionError


class Pool:
    """Galaxies with directions and noise, given in any order."""

    def __init__(self, galaxies: int = 40, seed: int = 0, order=None):
        rng = np.random.default_rng(seed)
        self.z, self.v = rng.normal(size=(galaxies, 3)), rng.uniform(0.2, 2, galaxies)
        self.ids = [f"g{i}" for i in range(galaxies)]
        self.order = np.arange(galaxies) if order is None else order

    def screenings(self, score, *, artifacts):
        gains = 0.5 * np.log1p((self.z**2).sum(1) / self.v)
        yield Screening(pa.array([self.ids[i] for i in self.order]), gains[self.order])

    def directions(self, ids):
        rows = [i for i in self.order if self.ids[i] in ids]
        return [self.ids[i] for i in rows], self.z[rows], self.v[rows]


def joint(z, v):
    """The information of all labels together, by the determinant."""
    return 0.5 * np.linalg.slogdet(np.eye(len(z)) + z @ z.T / np.sqrt(np.outer(v, v)))[1]


def test_gains_add_up_to_the_information_of_all_labels_together():
    pool = Pool()
    chosen = greedy_information(pool.z, pool.v, 7)
    for k in range(1, 8):
        rows = chosen.rows[:k]
        assert chosen.gains[:k].sum() == pytest.approx(joint(pool.z[rows], pool.v[rows]))


def test_each_choice_is_the_best_next_one_and_the_batch_is_near_the_best():
    pool = Pool(12)
    chosen = greedy_information(pool.z, pool.v, 4)
    for k in range(4):
        before = list(chosen.rows[:k])
        each = [joint(pool.z[[*before, i]], pool.v[[*before, i]]) if i not in before else -1 for i in range(12)]
        assert int(np.argmax(each)) == chosen.rows[k]
    best = max(joint(pool.z[list(rows)], pool.v[list(rows)]) for rows in itertools.combinations(range(12), 4))
    assert (1 - 1 / np.e) * best <= chosen.gains.sum() <= best + 1e-12


def test_a_hundred_alike_are_not_chosen_together():
    z = np.vstack([np.tile([3.0, 0, 0], (100, 1)), np.eye(3)])
    assert set(greedy_information(z, np.full(103, 0.05), 3).rows) >= {101, 102}


def test_labelled_galaxies_are_left_out_and_the_random_arm_is_set_aside():
    pool = Pool(200)
    never = pool.ids[:150]
    table = acquire_numbers(pool, 20, exclude=never, random_share=0.2)
    assert not set(table["id"]) & set(never)
    assert table["id"].is_unique
    assert table["rank"].tolist() == list(range(1, 21))
    assert (table["arm"] == "random").sum() == 4
    assert table.attrs["excluded"] == 150
    assert (table.loc[table["arm"] == "acquired", "inclusion_probability"] == 1).all()
    assert set(table.loc[table["arm"] == "random", "inclusion_probability"]) <= {4 / 50, 1.0}
    drawn = acquire_numbers(pool, 20, exclude=never, random_share=0.2, score="random")
    assert drawn.tail(4)["id"].tolist() == table.tail(4)["id"].tolist()
    assert (drawn["inclusion_probability"] == 20 / 50).all()


def test_the_order_of_the_pool_does_not_matter():
    table = acquire_numbers(Pool(60), 12)
    mixed = acquire_numbers(Pool(60, order=np.random.default_rng(1).permutation(60)), 12)
    pd.testing.assert_frame_equal(table, mixed)


def test_impossible_choices_are_refused():
    with pytest.raises(AcquisitionError, match="41 galaxies were asked for, but 40"):
        acquire_numbers(Pool(), 41)
    with pytest.raises(AcquisitionError, match="for numbers, give the score mutual_information or random"):
        acquire_numbers(Pool(), 2, score="entropy")
