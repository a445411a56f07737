from __future__ import annotations

import pytest

from zooactive.foundation.errors import CatalogueError, ModelError, OutputError, explained


def test_what_a_library_says_is_one_line_of_an_error_of_ours():
    reading = explained(CatalogueError, "t.csv: {reason}; save it again")
    with pytest.raises(CatalogueError, match=r"^t\.csv: no number x+; save it again$") as told, reading:
        raise ValueError("no\n  number " + 1000 * "x")
    assert isinstance(told.value.__cause__, ValueError)
    assert len(str(told.value)) < 250


def test_an_operating_system_does_not_name_the_path_twice(tmp_path):
    path = tmp_path / "nowhere"
    reading = explained(CatalogueError, f"{path}: {{reason}}", OSError)
    with pytest.raises(CatalogueError, match=r"nowhere: No such file or directory$"), reading:
        path.read_text()


@pytest.mark.parametrize("met", [(), (ValueError, KeyError)])
def test_errors_of_ours_and_others_that_are_not_named_pass(met):
    with pytest.raises(OutputError, match="the disk is full"), explained(CatalogueError, "damaged", *met):
        raise OutputError("the disk is full")
    with pytest.raises(TypeError), explained(CatalogueError, "damaged", ValueError):
        raise TypeError


def test_an_error_of_ours_that_is_named_is_said_in_full():
    long = "a tree " + 300 * "x"
    with (
        pytest.raises(ModelError, match=f"^model.json: {long}$"),
        explained(ModelError, "model.json: {reason}", CatalogueError),
    ):
        raise CatalogueError(long)
