"""The compiled hashes are those of hashlib."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from zooactive.acquisition.compiled.id_hashes import hash_arrow_ids
from zooactive.foundation.hashing import hash_ids


@pytest.mark.parametrize(("purpose", "seed"), [("random-arm", 0), ("noise", 3), ("target", 2**63)])
def test_compiled_hashes_are_those_of_hashlib(purpose, seed):
    rng = np.random.default_rng(0)
    ids = ["", "a", "é", "587722981741363294", *("".join(map(chr, rng.integers(33, 1000, n))) for n in range(50))]
    for kind in (pa.string(), pa.large_string()):
        found = hash_arrow_ids(pa.array(ids, kind), purpose=purpose, seed=seed)
        assert found.tolist() == hash_ids(ids, purpose=purpose, seed=seed).tolist()


def test_slices_and_long_ids_have_the_hashes_of_hashlib_too():
    ids = [f"g{i}" for i in range(100)]
    expected = hash_ids(ids, purpose="noise", seed=0)
    assert hash_arrow_ids(pa.array(ids)[7:55], purpose="noise", seed=0).tolist() == expected[7:55].tolist()
    long = ["x" * n for n in range(100, 200)]
    assert (hash_arrow_ids(pa.array(long), purpose="noise", seed=0) == hash_ids(long, purpose="noise", seed=0)).all()
    assert hash_arrow_ids(pa.array([], pa.string()), purpose="noise", seed=0).shape == (0,)
