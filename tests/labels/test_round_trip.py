"""From a selection to a subject set, through a simulated crowd, and back to the votes that it gave."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from crowd import annotated, one_answer_each, row, tree_toml, wording, write
from PIL import Image
from typer.testing import CliRunner, Result

from zooactive.catalogue import read_catalogue
from zooactive.cli import app
from zooactive.foundation.errors import CatalogueError, ImageError
from zooactive.foundation.writing import write_how
from zooactive.labels import subjects
from zooactive.labels.subjects import shown, write_subjects


def selection_of(ids) -> pd.DataFrame:
    rank = np.arange(1, len(ids) + 1)
    return pd.DataFrame(
        {
            "id": ids,
            "score": 1 / rank,
            "rank": rank,
            "arm": "acquired",
            "inclusion_probability": 0.5,
            "question": "bar",
            "clicks": 9.0,
        }
    )


@pytest.fixture
def survey(tree, galaxies, tmp_path) -> Path:
    """A folder with a pool of twelve galaxies and their images, a tree, its wording and a selection of five."""
    catalogue = galaxies(12)
    table = pd.DataFrame(
        {"id": catalogue.ids, "file_loc": [str(path) for path in catalogue.images], "mag_r": np.arange(12) / 2}
    )
    table.to_csv(tmp_path / "pool.csv", index=False)
    (tmp_path / "tree.toml").write_text(tree_toml(tree))
    (tmp_path / "wording.toml").write_text(wording("tree.toml", tree))
    selection_of(["g007", "g002", "g011", "g000", "g004"]).to_csv(tmp_path / "selection.csv", index=False)
    return tmp_path


def typed(folder: Path, *words: object, code: int = 0) -> Result:
    """Run a command in a folder."""
    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def test_votes_come_back_to_the_galaxies_that_were_sent_out(tree, survey):
    told = typed(survey, "export", "--catalogue", "pool.csv", "--credit", "SDSS", "--column", "mag_r")
    assert "5 subjects in" in told.stderr
    manifest = pd.read_csv(survey / "subjects" / "manifest.csv", dtype=str)
    assert list(manifest["#id"]) == ["g007", "g002", "g011", "g000", "g004"]
    assert list(manifest.columns[:4]) == ["#image", "#id", "credit", "#score"]
    assert manifest["#mag_r"].astype(float).tolist() == [3.5, 1.0, 5.5, 0.0, 2.0]
    for name, galaxy_id in zip(manifest["#image"], manifest["#id"], strict=True):
        assert (survey / "subjects" / "images" / name).read_bytes() == (survey / "images" / f"{galaxy_id}.jpg").read_bytes()
    rng = np.random.default_rng(1)
    chances = np.concatenate([rng.dirichlet(np.ones(len(question.answers))) for question in tree.questions])
    given, rows = np.zeros((5, len(tree.columns))), []
    for identity in range(200):
        subject, columns = identity % 5, one_answer_each(tree, chances, rng)
        given[subject, columns] += 1
        metadata = {"retired": None, **manifest.iloc[subject].to_dict()}  # what the Zooniverse keeps of a manifest's row
        marks = annotated(tree, columns, nested=identity % 3 == 0)
        rows.append(row(identity, "", f"v{identity // 5}", marks, subject_data=json.dumps({str(subject): metadata})))
    write(survey / "export.csv", rows)
    typed(survey, "votes", "export.csv", "--wording", "wording.toml", "--catalogue", "pool.csv", "--out", "labelled.csv")
    catalogue = read_catalogue(survey / "labelled.csv", tree=survey / "tree.toml").select(manifest["#id"])
    assert np.array_equal(catalogue.votes, given)
    assert catalogue.labelled.all()
    words = ("--tree", "tree.toml", "--catalogue", "labelled.csv", "--backbone", "small_cnn", "--image-size", 16)
    typed(survey, "train", *words, "--epochs", 1, "--batch-size", 4)
    assert (survey / "runs" / "first" / "model" / "model.json").exists()


def test_images_are_sized_and_stay_below_the_limit(survey, monkeypatch):
    catalogue = read_catalogue(survey / "pool.csv")
    written = write_subjects(selection_of(["g003", "g001"]), catalogue, survey / "sized", side=30)
    for name in pd.read_csv(written.manifests[0])["#image"]:
        with Image.open(survey / "sized" / "images" / name) as image:
            assert image.size == (30, 30)
    png, suffix = shown(catalogue.images[3], "g003", 64)
    assert suffix == ".png"
    monkeypatch.setattr(subjects, "LARGEST", len(png) - 1)
    jpeg, suffix = shown(catalogue.images[3], "g003", 64)
    assert suffix == ".jpg"
    assert len(jpeg) < len(png)
    monkeypatch.setattr(subjects, "LARGEST", 100)
    with pytest.raises(ImageError, match="'g003' takes more than 100 bytes at 424 pixels; give a smaller --size"):
        shown(catalogue.images[3], "g003")


def test_fits_and_stored_images_become_pictures(survey, tmp_path):
    from astropy.io import fits

    from zooactive.catalogue import Preprocessing
    from zooactive.catalogue.shards import write_shards

    fits.writeto(tmp_path / "J1.fits", np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32))
    content, suffix = shown(tmp_path / "J1.fits", "J1")
    assert (suffix, content[:4]) == (".png", b"\x89PNG")
    write_shards(read_catalogue(survey / "pool.csv"), tmp_path / "shards", Preprocessing(size=32))
    shards = read_catalogue(tmp_path / "shards")
    content, suffix = shown(shards.images[0], "g000")
    assert (suffix, content) == (".png", shards.images[0].read())


def test_many_subjects_are_cut_into_manifests_and_names_do_not_collide(survey, monkeypatch):
    monkeypatch.setattr(subjects, "SUBJECTS_AT_ONCE", 4)
    catalogue = read_catalogue(survey / "pool.csv")
    ids = np.array(["J 1", "J/1", "j_1", *catalogue.ids[3:]], dtype=object)
    written = write_subjects(selection_of(ids), replace(catalogue, ids=ids), survey / "many")
    assert [path.name for path in written.manifests] == ["manifest.csv", "manifest-2.csv", "manifest-3.csv"]
    names = pd.concat([pd.read_csv(path) for path in written.manifests])["#image"]
    assert names.str.casefold().is_unique
    assert all((survey / "many" / "images" / name).exists() for name in names)
    write_subjects(selection_of(ids[:2]), replace(catalogue, ids=ids), survey / "many")
    assert [path.name for path in (survey / "many").glob("*.csv")] == ["manifest.csv"]


def test_an_image_that_cannot_be_shown_is_left_out_and_told(survey):
    (survey / "images" / "g002.jpg").write_bytes(b"no image")
    told = typed(survey, "export", "--catalogue", "pool.csv", "--out", "few")
    assert "warning: galaxy 'g002' is left out" in told.stderr
    assert "no --credit" in told.stderr
    assert "g002" not in set(pd.read_csv(survey / "few" / "manifest.csv")["#id"])
    how = json.loads((survey / "few" / "how.json").read_text())
    assert list(how["options"]["failures"]) == ["g002"]


def test_the_credit_of_fetched_cutouts_is_shown_unless_another_is_given(survey):
    options = {"survey": "sky", "credit": "A survey / its people", "licence": "CC BY 4.0"}
    write_how(survey / "pool.csv", command="cutouts", options=options, inputs={})
    told = typed(survey, "export", "--catalogue", "pool.csv", "--out", "credited")
    assert "no --credit" not in told.stderr
    manifest = pd.read_csv(survey / "credited" / "manifest.csv")
    assert set(manifest["credit"]) == {"A survey / its people"}
    assert set(manifest["licence"]) == {"CC BY 4.0"}
    typed(survey, "export", "--catalogue", "pool.csv", "--credit", "us", "--out", "ours")
    assert set(pd.read_csv(survey / "ours" / "manifest.csv")["credit"]) == {"us"}
    (survey / "pool.csv.how.json").unlink()


def test_what_cannot_be_exported_is_told(survey):
    catalogue = read_catalogue(survey / "pool.csv")
    with pytest.raises(CatalogueError, match=r"no column 'mag'\. Did you mean 'mag_r'"):
        write_subjects(selection_of(["g001"]), catalogue, survey / "out", columns=["mag"])
    with pytest.raises(CatalogueError, match="has no galaxy 'x'"):
        write_subjects(selection_of(["x"]), catalogue, survey / "out")
    for image in (survey / "images").iterdir():
        image.write_bytes(b"")
    with pytest.raises(CatalogueError, match=r"no image of the selection can be shown; the first: .*is empty"):
        write_subjects(selection_of(["g001"]), catalogue, survey / "out")
    assert (
        "holds no selection"
        in typed(survey, "export", "--selection", "nothing.csv", "--catalogue", "pool.csv", code=1).stderr
    )
