"""Weights that others published: each form of file, damaged anywhere, and sound archives around damaged pickles."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hostile import damaged, fuzzed, read_or_refused
from hypothesis import given
from hypothesis import strategies as st
from torch_writer import archive, call, legacy, mapping, pickled, state, storage, tensor

from zooactive.models.published.state import read_state
from zooactive.models.published.unpickling import unpickle

FOUR = np.arange(4, dtype=np.float32)
PICKLE = pickled(
    mapping(
        {
            "epoch": 3,
            "hyper_parameters": call("argparse", "Namespace")
            + mapping({"lr": 0.1, "of": [None, True, (1, "a", 2**70)]})
            + b"b",
            "state_dict": mapping(
                {
                    "w": tensor(storage("FloatStorage"), (2, 2), (1, 2)),
                    "v": tensor(storage("HalfStorage", "1", 8), (2, 3), (4, 1), 1),
                },
                call("collections", "OrderedDict"),
            ),
        }
    )
)
STORAGES = {"0": FOUR, "1": np.arange(8, dtype=np.float16)}
LISTED = {key: array.tobytes() for key, array in STORAGES.items()}
FILES = Path(__file__).parents[1] / "models" / "published" / "files"
SOUND = {
    "state": state({"a": FOUR, "b": FOUR.reshape(2, 2)}),
    "checkpoint": archive(PICKLE, LISTED),
    "old form": legacy(PICKLE, STORAGES),
    **{file: (FILES / file).read_bytes() for file in ("views.pth", "before_zip.pt", "lightning.ckpt")},
}


def use(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    arrays = read_state(path)
    assert arrays
    for array in arrays.values():
        assert array.dtype.kind in "fiub"
        assert array.nbytes == math.prod(array.shape) * array.itemsize <= 4 * len(content)
        array.copy()


@pytest.mark.parametrize("form", SOUND)
def test_a_damaged_file_of_weights_is_read_or_refused(form: str, tmp_path: Path):
    use(tmp_path / "weights.bin", SOUND[form])

    @fuzzed(25)
    @given(content=damaged(SOUND[form]))
    def check(content: bytes) -> None:
        with read_or_refused():
            use(tmp_path / "weights.bin", content)

    check()


@fuzzed(60)
@given(content=damaged(PICKLE), order=st.sampled_from(("little", "big", "")))
def test_a_sound_archive_of_a_damaged_pickle_is_read_or_refused(tmp_path: Path, content: bytes, order: str):
    with read_or_refused():
        use(tmp_path / "weights.bin", archive(content, LISTED, order=order))


@fuzzed(60)
@given(content=damaged(PICKLE) | st.binary(max_size=64).map(lambda content: pickled(content, 4)))
def test_a_damaged_pickle_is_read_or_is_a_value_error(content: bytes):
    with suppress(ValueError):
        unpickle(content)
