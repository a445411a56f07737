"""A sky: probabilities that are some, galaxies that do not know of each other, and files that say the same."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import zooactive as za
from zooactive.foundation.errors import CatalogueError, ImageError
from zooactive.labels.simulate import Crowd, simulate_sky, sky, write_sky


def same(one, other):
    return (
        list(one.ids) == list(other.ids)
        and np.array_equal(one.images, other.images)
        and np.array_equal(one.probabilities, other.probabilities)
        and one.parameters.equals(other.parameters)
    )


def part(whole, rows):
    table = whole.parameters.iloc[rows].reset_index(drop=True)
    return sky.Sky(whole.ids[rows], whole.images[rows], whole.probabilities[rows], table, whole.tree)


def test_probabilities_are_between_0_and_1_and_each_questions_sum_to_1():
    made = simulate_sky(500, size=8)
    assert ((made.probabilities > 0) & (made.probabilities < 1)).all()
    assert np.allclose(made.tree.question_sums(made.probabilities), 1, rtol=0, atol=1e-12)


def test_a_galaxy_does_not_depend_on_how_many_there_are(monkeypatch):
    few = simulate_sky(7, size=16, seed=3)
    many = simulate_sky(300, size=16, seed=3)
    assert same(few, part(many, slice(7)))
    monkeypatch.setattr(sky, "_AT_ONCE", 5)
    assert same(few, simulate_sky(7, size=16, seed=3))
    assert list(few.ids[:2]) == ["sim-000000", "sim-000001"]


def test_another_seed_is_another_sky():
    one, other = (simulate_sky(20, size=16, seed=seed) for seed in (0, 1))
    assert same(one, simulate_sky(20, size=16, seed=0))
    assert not (one.images == other.images).all(axis=(1, 2, 3)).any()
    assert not np.isin(one.parameters["signal"], other.parameters["signal"]).any()


def test_more_pixels_show_the_same_galaxies():
    small, large = (simulate_sky(60, size=size) for size in (32, 64))
    assert np.array_equal(small.probabilities, large.probabilities)
    bright = np.flatnonzero(small.parameters["signal"] > 150)
    assert len(bright) > 10
    halved = large.images[bright].reshape(-1, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    alike = np.corrcoef(halved.reshape(len(bright), -1), small.images[bright].reshape(len(bright), -1))
    alike = alike[: len(bright), len(bright) :]
    assert (alike.argmax(axis=1) == np.arange(len(bright))).mean() > 0.9, "each looks most like itself"
    assert np.median(np.diag(alike)) > 0.8


def test_every_kind_of_galaxy_is_there():
    parameters = simulate_sky(1000, size=8).parameters
    assert set(parameters["kind"]) == {"elliptical", "disc", "star", "trail", "saturated"}
    discs = parameters[parameters["kind"] == "disc"]
    for feature in ("bar", "arms", "ring", "companion", "disturbance"):
        assert 0.1 < (discs[feature] > 0).mean() < 0.9
        assert discs[feature].between(0, 1).all()
    assert (discs["axis_ratio"] < 0.25).sum() > 50
    assert parameters.loc[parameters["kind"] != "disc", ["bar", "arms", "ring"]].eq(0).all(axis=None)
    assert parameters["inclination"].isna().eq(parameters["kind"] != "disc").all()


def test_a_catalogue_has_the_images_and_the_votes_of_the_crowd():
    made = simulate_sky(12, size=16)
    catalogue = made.catalogue(volunteers=30, seed=1)
    pixels, failures = catalogue.decode(za.Preprocessing(size=16))
    assert failures == {}
    assert np.array_equal(pixels, made.images)
    assert (catalogue.votes[:, :3].sum(axis=1) == 30).all()
    assert catalogue.labelled.all()
    assert np.array_equal(catalogue.votes, made.votes(30, seed=1))
    assert not np.array_equal(catalogue.votes, made.catalogue(volunteers=30, seed=2).votes)
    blind = made.catalogue(volunteers=30, seed=1, crowd=Crowd(skill=0.0))
    assert not np.array_equal(catalogue.votes, blind.votes)


def test_votes_without_a_crowd_follow_the_true_probabilities():
    made = simulate_sky(400, size=8)
    n = made.votes(50)[:, :3]
    chances = made.probabilities[:, :3]
    pearson = ((n - 50 * chances) ** 2 / (50 * chances * (1 - chances))).mean()
    assert pearson == pytest.approx(1, abs=0.15)


def test_files_say_what_the_sky_in_memory_says_and_are_the_same_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sky, "_AT_ONCE", 4)
    table = write_sky(tmp_path / "a", 10, size=16, seed=5, volunteers=35, labelled=6)
    made = simulate_sky(10, size=16, seed=5)
    catalogue = za.read_catalogue(table, tree="simulated")
    assert list(catalogue.ids) == list(made.ids)
    assert np.array_equal(catalogue.votes[:6], made.votes(35, seed=5)[:6])
    assert catalogue.labelled.tolist() == [True] * 6 + [False] * 4
    assert np.isnan(pd.read_csv(table)["bar_no"][6:]).all()
    truth = pd.read_csv(tmp_path / "a" / "truth.csv")
    assert np.array_equal(truth[list(made.tree.columns)], made.probabilities)
    assert np.allclose(truth["signal"], made.parameters["signal"])
    with Image.open(tmp_path / "a" / "images" / "sim-000009.png") as image:
        assert np.array_equal(np.asarray(image), made.images[9])
    made.write(tmp_path / "b", volunteers=35, labelled=6, seed=5)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 13
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(("n", "size", "error"), [(0, 64, CatalogueError), (3, 7, ImageError), (3, 5000, ImageError)])
def test_what_cannot_be_drawn_is_told(n, size, error):
    with pytest.raises(error, match="was asked for; give"):
        simulate_sky(n, size=size)


def test_simulate_is_reached_from_the_front_door():
    assert za.simulate.simulate_sky is simulate_sky
    assert json.dumps(list(za.load_tree("simulated").artifacts)) == '["smooth-or-featured_artifact"]'
