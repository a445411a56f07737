"""Diversity among embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.acquisition import k_centre
from zooactive.foundation.errors import AcquisitionError


def test_each_centre_is_the_farthest_from_those_before():
    points = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float16)
    ids = [f"g{i}" for i in range(60)]
    chosen = [ids.index(galaxy) for galaxy in k_centre(points, ids, 12, first="g7")]
    wide = points.astype(float)
    assert chosen[0] == 7
    for i in range(1, 12):
        nearest = np.linalg.norm(wide[:, None] - wide[chosen[:i]], axis=2).min(1)
        assert nearest[chosen[i]] == pytest.approx(nearest.max(), rel=1e-6)


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(1)
    points, ids = rng.integers(0, 3, (40, 2)), [f"g{i}" for i in range(40)]  # many ties
    order = rng.permutation(40)
    assert k_centre(points[order], [ids[i] for i in order], 20) == k_centre(points, ids, 20)
    assert len(set(k_centre(points, ids, 40))) == 40


def test_mistakes_are_refused():
    with pytest.raises(AcquisitionError, match="one row for each"):
        k_centre(np.zeros((3, 2)), ["a", "b"], 1)
    with pytest.raises(AcquisitionError, match="4 centres were asked for among 3"):
        k_centre(np.zeros((3, 2)), ["a", "b", "c"], 4)
    with pytest.raises(AcquisitionError, match="'z' is not among the ids"):
        k_centre(np.zeros((3, 2)), ["a", "b", "c"], 2, first="z")
