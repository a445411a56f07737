from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from zooactive import plots, report
from zooactive.foundation.errors import CatalogueError
from zooactive.tree import DecisionTree, Question

IDS = [f"g{i}" for i in range(30)]


@pytest.mark.parametrize("features", [3, 60], ids=["fewer features than galaxies", "more"])
def test_the_map_has_the_first_two_principal_components(features):
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(30, features)) * np.linspace(5, 0.5, features)
    points, told = report.project(embeddings.astype(np.float16))
    centred = embeddings - embeddings.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    for axis in range(2):
        assert abs(np.corrcoef(points[:, axis], u[:, axis])[0, 1]) > 0.999
        assert np.ptp(points[:, axis]) == pytest.approx(np.ptp(u[:, axis] * s[axis]), rel=0.01)
    assert f"{(s[:2] ** 2).sum() / (s**2).sum():.0%} of the variance" in told


def test_galaxies_that_are_all_alike_have_a_map_too():
    points, _ = report.project(np.ones((12, 5)))
    assert np.isfinite(points).all()


def test_a_map_by_umap_says_what_to_install_and_calls_it_where_it_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(CatalogueError, match=r"pip install 'zooactive\[map\]'"):
        report.project(np.ones((12, 5)), "umap")
    stand_in = ModuleType("umap")

    class Umap:
        def __init__(self, **options: object) -> None:
            assert options["n_neighbors"] == 11  # one fewer than there are galaxies
            assert options["random_state"] == 0

        def fit_transform(self, features: np.ndarray) -> np.ndarray:
            return features[:, :2]

    stand_in.UMAP = Umap  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "umap", stand_in)
    points, told = report.project(np.ones((12, 5)), "umap")
    assert points.shape == (12, 2)
    assert "UMAP" in told


def test_chosen_galaxies_stand_out_by_what_they_were_chosen_for():
    tree = DecisionTree("t", [Question(f"q{i}-x", ["yes", "no"]) for i in range(7)], suffix="-x")
    asked = ["q0-x"] * 4 + [f"q{i}-x" for i in range(1, 7)]
    selection = pd.DataFrame(
        {"id": [*IDS[:11], "elsewhere"], "arm": ["acquired"] * 10 + ["random", "acquired"], "question": [*asked, "q0-x", ""]}
    )
    points = np.random.default_rng(0).normal(size=(30, 2))
    finding = report.map_finding(points, IDS, {}, axes_told="Axes", pool=3000, selection=selection, tree=tree)
    assert finding.title == "Where the chosen galaxies lie"
    assert "30 galaxies of the 3,000 in the pool" in finding.text
    assert "for q0 (4), for q1 (1), for q2 (1), for q3 (1), for q4 (1), for other questions (2) and drawn at random (1)" in (
        finding.text
    )
    bare = report.map_finding(points, IDS, {}, axes_told="Axes", pool=30)
    assert bare.title == "A map of the pool"
    assert "Coloured" not in bare.text


def test_pictures_stand_at_their_galaxies_and_never_cover_one_another():
    points = np.array([[0.0, 0], [0.01, 0.01], [5, 5], [10, 10]])
    ids = IDS[:4]
    pixels = {galaxy: np.full((20, 20, 3), 90, dtype=np.uint8) for galaxy in [*ids, "elsewhere"]}
    figure = Figure(figsize=(6, 6))
    axes = plots.embedding_map(figure.subplots(), points, ids, {"chosen": ids[:1]}, pixels)
    assert len(axes.child_axes) == 3  # the second would cover the first
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["chosen (1)"]
    for inset in axes.child_axes:
        box, frame = inset.get_window_extent(), axes.get_window_extent()
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1 + 1
        assert box.y1 <= frame.y1 + 1
    with pytest.raises(CatalogueError, match="two numbers an id"):
        plots.embedding_map(figure.subplots(), points[:3], ids, {})
