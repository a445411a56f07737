"""What objects show of themselves, in a terminal and in a notebook, and what stands in their brackets."""

from __future__ import annotations

import os
import subprocess
import sys

import effort
import numpy as np
import pandas as pd
import pytest

import zooactive as za
from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import CatalogueError, PosteriorError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

BAD = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def hostile() -> DecisionTree:
    return DecisionTree("t", [Question(f"{BAD}q", [f"{BAD}a", "b"]), Question("r", ["c", "d"], [f"{BAD}q_b"])], title=BAD)


def posterior_of(tree: DecisionTree, galaxies: int, draws: int = 4) -> Posterior:
    alpha = np.random.default_rng(0).gamma(2, 3, (draws, galaxies, len(tree.columns))).astype(np.float32) + 0.1
    return Posterior(alpha, [f"g{i}" for i in range(galaxies)], tree)


def catalogue_of(tree: DecisionTree, galaxies: int, name: str = "g") -> Catalogue:
    ids = np.array([f"{name}{i}" for i in range(galaxies)], dtype=object)
    votes = np.full((galaxies, len(tree.columns)), 20.0)
    return Catalogue(ids, (None,) * galaxies, votes, tree, pd.DataFrame({"mag": np.arange(galaxies) / 7}), "survey.csv")


def test_a_tree_is_short_in_a_list_and_drawn_when_printed(tree):
    assert repr(tree) == "DecisionTree('small': 4 questions, 10 answers)"
    lines = str(tree).splitlines()
    assert lines[0] == "small"
    assert "|   edge-on?" in lines
    assert "merging? (after smooth or featured)" in str(tree)
    assert all(answer in str(tree) for question in tree.questions for answer in question.answers)
    assert str(tree).isascii()
    assert tree._repr_html_().count("<li>") == 10


def test_a_posterior_shows_fractions_with_intervals_of_its_first_and_last_galaxies(tree):
    posterior = posterior_of(tree, 300)
    said = repr(posterior)
    assert len(said) < 1500
    assert max(map(len, said.splitlines())) <= 100
    assert [line.split()[0] for line in said.splitlines()[2:13]] == [
        *("g0", "g1", "g2", "g3", "g4", "..."),
        *("g295", "g296", "g297", "g298", "g299"),
    ]
    mean, (low, high) = posterior.mean()[0, 0], posterior.interval()[0, 0]
    assert f"{mean:.2f} ({low:.2f}-{high:.2f})" in said
    assert f"{mean:.2f} ({low:.2f}-{high:.2f})" in posterior._repr_html_()
    assert "..." not in repr(posterior[:4])
    assert "0 galaxies" in repr(posterior[:0])


def test_galaxies_of_a_posterior_are_taken_by_slices_numbers_masks_and_ids(tree):
    posterior = posterior_of(tree, 20)
    assert posterior[10:12].ids.tolist() == ["g10", "g11"]
    assert posterior[-1].ids.tolist() == posterior["g19"].ids.tolist() == ["g19"]
    assert posterior[["g3", "g1"]].ids.tolist() == posterior[[3, 1]].ids.tolist() == ["g3", "g1"]
    assert posterior[posterior.mean()[:, 0] > 2].ids.tolist() == []
    assert posterior.head().ids.tolist() == ["g0", "g1", "g2", "g3", "g4"]
    assert np.array_equal(posterior[5:7].concentrations, posterior.concentrations[:, 5:7])
    with pytest.raises(IndexError):
        posterior[20]
    with pytest.raises(PosteriorError, match="g99"):
        posterior["g99"]
    pd.testing.assert_frame_equal(posterior.to_pandas(), posterior.to_table())


def test_galaxies_of_a_catalogue_are_taken_alike_and_become_a_table(tree):
    catalogue = catalogue_of(tree, 20)
    assert catalogue[10:12].ids.tolist() == ["g10", "g11"]
    assert catalogue["g3"].ids.tolist() == catalogue[3].ids.tolist() == ["g3"]
    assert len(catalogue[catalogue.labelled]) == 20
    with pytest.raises(CatalogueError, match="g99"):
        catalogue["g99"]
    table = catalogue.head(3).to_pandas()
    assert list(table.columns) == ["id", "image", *tree.columns, "mag"]
    assert table["mag"].tolist() == [0, 1 / 7, 2 / 7]
    shown = catalogue._repr_html_()
    assert shown.count("<tr>") == 1 + 11
    assert "and 5 more columns" in shown


def test_a_combined_catalogue_has_a_length_and_a_head(tree):
    posterior = posterior_of(tree, 30)
    votes = np.zeros((30, len(tree.columns)))
    votes[1, 0] = 7
    for given in (votes, {"g1": votes[1]}, None):
        combined = za.combine(posterior, given)
        assert len(combined) == 30
        pd.testing.assert_frame_equal(combined.head(3), combined.to_pandas().head(3))
        assert "30 galaxies" in repr(combined)
        assert "g1" in combined._repr_html_()
    parts = za.combine([posterior[:20], posterior[20:]], {"g1": votes[1]})
    assert len(parts) == 30
    assert parts.head(2)["id"].tolist() == ["g0", "g1"]
    assert "30 galaxies" in parts._repr_html_()


def test_ids_answers_and_names_of_files_are_no_html(hostile):
    posterior = posterior_of(hostile, 3)
    named = Posterior(posterior.concentrations, [f"{BAD}{i}" for i in range(3)], hostile)
    catalogue = catalogue_of(hostile, 3, BAD)
    catalogue = Catalogue(
        catalogue.ids, catalogue.images, catalogue.votes, hostile, catalogue.table.rename(columns={"mag": BAD}), BAD
    )
    for shown in (named, catalogue, hostile, za.combine(named)):
        said = shown._repr_html_()
        assert "<script" not in said
        assert "&lt;script&gt;" in said


def test_a_large_posterior_and_a_large_catalogue_are_shown_at_once(tree):
    galaxies = 200_000
    posterior, catalogue = posterior_of(tree, galaxies, draws=2), catalogue_of(tree, galaxies)
    repr(posterior_of(tree, 20))  # what is loaded when first used
    for shown in (posterior, catalogue):
        with effort.at_most(100):
            said, page = repr(shown), shown._repr_html_()
        assert str(galaxies) in said.replace(",", "")
        assert str(galaxies) in page.replace(",", "")


def test_a_model_says_what_it_is():
    model = za.GalaxyModel("rings", backbone="small_cnn", image_size=32)
    assert "32 x 32 pixels" in model._repr_html_()
    assert "small_cnn" in model._repr_html_()


def test_a_fine_tuned_model_says_how_good_it_is_without_a_bootstrap():
    from zooactive.training.finetuning.finetuned_model import FinetunedModel
    from zooactive.training.finetuning.tasks import load_task

    model = za.GalaxyModel("rings", backbone="small_cnn", image_size=32)
    yes = np.arange(10) < 4
    held_out = pd.DataFrame({"id": [f"g{i}" for i in range(10)], "ring_yes": np.where(yes, 0.9, 0.2)})
    held_out = held_out.assign(ring_no=1 - held_out["ring_yes"], ring_yes_votes=1.0 * yes, ring_no_votes=1.0 * ~yes)
    tuned = FinetunedModel(model, load_task("rings"), held_out, pd.DataFrame())
    assert repr(tuned) == "FinetunedModel('rings', small_cnn: 10 galaxies held out, accuracy 1.000 (0.722-1.000))"
    assert "accuracy 1.000" in tuned._repr_html_()
    assert repr(FinetunedModel(model, load_task("rings"), held_out[:1], pd.DataFrame())).endswith("1 galaxy held out)")


@pytest.mark.parametrize(("setting", "silent"), [({}, True), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, False)])
def test_tensorflow_greets_only_those_who_asked_for_it(setting, silent):
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"} | setting
    code = "import zooactive as za; za.GalaxyModel('rings', backbone='small_cnn', image_size=32)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (done.stderr == "") is silent
