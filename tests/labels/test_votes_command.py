"""`zooactive votes` at the command line: counts, a table with them, and what is said of what was left out."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from crowd import annotated, row, tree_toml, wording, write
from typer.testing import CliRunner, Result

from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.catalogue.shards import write_shards
from zooactive.cli import app


@pytest.fixture
def place(tree, tmp_path) -> Path:
    """A folder with a tree, a wording, a table of three galaxies, and an export with one broken row of seven."""
    (tmp_path / "tree.toml").write_text(tree_toml(tree))
    (tmp_path / "wording.toml").write_text(wording("tree.toml", tree))
    galaxies = ["587732578312454276", "587732578312454277", "587732578312454278"]
    table = pd.DataFrame({"objid": galaxies, "mag_r": [15.5, 16.5, 17.5]})
    for column in tree.columns:
        table[column] = 30 if column == tree.columns[0] else 0
    table.to_csv(tmp_path / "survey.csv", index=False)
    rows = [row(i, galaxies[i % 2], f"v{i}", annotated(tree, [0])) for i in range(6)]
    write(tmp_path / "export.csv", [*rows, row(6, galaxies[0], "v9", "[{")])
    return tmp_path


def votes(place: Path, *words: object, code: int = 0) -> Result:
    """Run the command in a folder."""
    with contextlib.chdir(place):
        result = CliRunner().invoke(app, ["votes", *map(str, words)])
    assert result.exit_code == code, result.output
    return result


def test_counts_are_written_and_what_was_dropped_is_told(tree, place):
    told = votes(place, "export.csv", "--wording", "wording.toml")
    counts = pd.read_csv(place / "votes.csv", dtype={"id": str})
    assert counts["id"].tolist() == ["587732578312454276", "587732578312454277"]
    assert counts[tree.columns[0]].tolist() == [3, 3]
    assert "annotations that are not JSON" in told.stdout
    assert "6 new classifications, 0 known before; 6 in all count" in told.stderr
    how = json.loads((place / "votes.csv.how.json").read_text())
    assert how["options"]["dropped"] == [
        {"dropped": "classification", "reason": "annotations that are not JSON", "number": 1, "first": "6"}
    ]
    again = votes(place, "export.csv", "--wording", "wording.toml", "--json")
    assert "0 new classifications, 6 known before; 6 in all count" in again.stderr
    summary = json.loads(again.stdout)
    assert summary["table"][0]["number"] == 1
    assert summary["failures"] == {"annotations that are not JSON": 1}


@pytest.mark.parametrize("name", ["grown.csv", "grown.parquet"])
def test_votes_are_added_to_a_table_and_only_once(tree, place, name):
    words = ("export.csv", "--wording", "wording.toml", "--catalogue", "survey.csv", "--id", "objid", "--out", name)
    for _ in range(2):
        votes(place, *words)
        catalogue = read_catalogue(place / name, tree=place / "tree.toml", id_column="objid")
        assert catalogue.votes is not None
        assert catalogue.votes[:, 0].tolist() == [33, 33, 30]
        assert not catalogue.votes[:, 1:].any()
        assert np.allclose(catalogue.table["mag_r"], [15.5, 16.5, 17.5])


def test_galaxies_that_the_table_lacks_are_told(place):
    survey = pd.read_csv(place / "survey.csv", dtype={"objid": str})
    survey.iloc[1:].to_csv(place / "few.csv", index=False)
    words = ("export.csv", "--wording", "wording.toml", "--catalogue", "few.csv", "--id", "objid", "--out", "grown.csv")
    assert "warning: 1 galaxies with votes are not in few.csv" in votes(place, *words).stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("export.csv", "--wording", "nowhere.toml"), 1, "nowhere.toml cannot be read"),
        (("nowhere.csv", "--wording", "wording.toml"), 1, "nowhere.csv cannot be read"),
        (("survey.csv", "--wording", "wording.toml"), 1, "has no column classification_id"),
        (("export.csv", "--wording", "wording.toml", "--out", "votes.txt"), 2, "votes.txt cannot be written as a table"),
        (
            ("export.csv", "--wording", "wording.toml", "--catalogue", "survey.csv", "--id", "objid", "--out", "survey.csv"),
            1,
            "would overwrite the catalogue, and votes would count twice",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(place, words, code, said):
    result = votes(place, *words, code=code)
    assert said in result.stderr.replace("\n│ ", "").replace("│", "")
    assert "Traceback" not in result.output


@pytest.fixture
def packed(place, write_pictures):
    """Return a function (kind) -> the three galaxies as Parquet that holds their images."""
    frame = pd.read_csv(place / "survey.csv", dtype={"objid": str})
    folder = write_pictures(list(frame["objid"]))
    images = [(folder / f"{name}.jpg").read_bytes() for name in frame["objid"]]

    def pack(kind: str) -> Path:
        if kind == "shards":
            frame.assign(file_loc=[f"images/{name}.jpg" for name in frame["objid"]]).to_csv(place / "paths.csv", index=False)
            catalogue = read_catalogue(place / "paths.csv", tree=place / "tree.toml", id_column="objid")
            write_shards(catalogue, place / "shards", Preprocessing(size=16, crop=0.5))
            return place / "shards"
        cells = images if kind == "bytes" else [{"bytes": content, "path": None} for content in images]
        table = pa.Table.from_pandas(frame, preserve_index=False).add_column(1, "image", pa.array(cells))
        pq.write_table(table.rename_columns(["id", *table.column_names[1:]]), place / "packed.parquet", row_group_size=2)
        return place / "packed.parquet"

    return pack


@pytest.mark.parametrize("kind", ["bytes", "structs", "shards"])
def test_votes_are_added_to_a_table_that_holds_its_images_and_the_images_stay(tree, place, packed, kind):
    path = packed(kind)
    votes(place, "export.csv", "--wording", "wording.toml", "--catalogue", path.name, "--out", "out.parquet")
    before, after = (read_catalogue(file, tree=place / "tree.toml") for file in (path, place / "out.parquet"))
    shown = Preprocessing(size=16, crop=0.5)
    (pixels, none), (again, failed) = before.decode(shown), after.decode(shown)
    assert (none, failed) == ({}, {})
    assert np.array_equal(pixels, again)
    assert after.prepared == before.prepared
    assert after.votes[:, 0].tolist() == [33, 33, 30]


@pytest.mark.parametrize("kind", ["bytes", "structs", "shards"])
def test_images_are_not_written_as_csv(place, packed, kind):
    path = packed(kind)
    words = ("--wording", "wording.toml", "--catalogue", path.name, "--out", "out.csv")
    done = votes(place, "export.csv", *words, code=1)
    said = " ".join(done.output.split())
    assert f"column 'image' of {path.name} holds images or lists" in said
    assert "end --out with .parquet" in said
    assert not (place / "out.csv").exists()
