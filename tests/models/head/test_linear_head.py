from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zooactive.foundation.errors import ModelError
from zooactive.models import LinearHead
from zooactive.models.head.activation import CONCENTRATIONS, bias_for
from zooactive.tree import DecisionTree


def make_head(tree: DecisionTree, concentrations: str = "sigmoid", dropout: float = 0.5, features: int = 96) -> LinearHead:
    rng = np.random.default_rng(1)
    answers = len(tree.columns)
    return LinearHead(rng.normal(0, 0.3, (features, answers)), rng.normal(0, 1, answers), dropout, concentrations, tree)


def some_features(galaxies: int, features: int = 96) -> np.ndarray:
    return np.random.default_rng(2).gamma(1.0, 1.0, (galaxies, features)).astype(np.float32)


def brute_force(head: LinearHead, features: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """The definition, one number at a time in float64, with masks made afresh."""
    keep = 1 - head.dropout
    out = np.empty((draws, len(features), len(head.bias)))
    for t in range(draws):
        kept = np.random.Generator(np.random.Philox(key=[seed, t])).random(features.shape[1]) < keep
        for g, row in enumerate(features.astype(np.float16).astype(np.float64)):
            z = (row * kept / keep) @ head.kernel.astype(np.float64) + head.bias
            if head.concentrations == "sigmoid":
                out[t, g] = 1 + 100 / (1 + np.exp(-z))
            elif head.concentrations == "softplus":
                out[t, g] = np.log1p(np.exp(z)) + 1e-3
            else:
                for where in head.tree.slices:
                    softmax = np.exp(z[where]) / np.exp(z[where]).sum()
                    out[t, g, where] = 100 * (1e-6 + (1 - 1e-6 * len(softmax)) * softmax)
    return out


@pytest.mark.parametrize("concentrations", CONCENTRATIONS)
def test_drawn_concentrations_are_those_of_the_definition(tree, concentrations):
    head, features = make_head(tree, concentrations), some_features(5)
    drawn = head.posterior_concentrations(features, draws=3, seed=11)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn, brute_force(head, features, 3, 11), rtol=2e-5)


@pytest.mark.parametrize("concentrations", CONCENTRATIONS)
def test_concentrations_stay_finite_and_positive_for_the_wildest_features(tree, concentrations):
    head = make_head(tree, concentrations)
    drawn = head.posterior_concentrations(np.array([[6e4] * 96, [-6e4] * 96]), draws=4, seed=0)
    assert np.isfinite(drawn).all()
    assert (drawn > 0).all()


def test_fraction_concentrations_sum_to_100_over_each_question(tree):
    drawn = make_head(tree, "fraction").posterior_concentrations(some_features(4), draws=2, seed=0)
    np.testing.assert_allclose(tree.question_sums(drawn), 100, rtol=1e-6)


def test_a_mask_keeps_the_announced_share_of_features_and_their_mean(tree):
    masks = make_head(tree, dropout=0.2, features=2000).masks(50, seed=3)
    assert set(np.unique(masks)) == {np.float32(0), np.float32(1.25)}
    assert masks.mean() == pytest.approx(1, abs=0.01)


def test_a_draw_has_the_same_mask_however_many_draws_are_taken(tree):
    head = make_head(tree)
    np.testing.assert_array_equal(head.masks(64, seed=5)[:7], head.masks(7, seed=5))
    assert not np.array_equal(head.masks(7, seed=5), head.masks(7, seed=6))
    assert not np.array_equal(head.masks(2, seed=5)[0], head.masks(2, seed=5)[1])


def test_a_galaxys_draws_depend_neither_on_its_neighbours_nor_on_the_number_of_draws(tree):
    head, features = make_head(tree), some_features(600)
    whole = head.posterior_concentrations(features, draws=20, seed=0)
    shuffled = np.random.default_rng(0).permutation(600)
    np.testing.assert_array_equal(head.posterior_concentrations(features[shuffled], draws=20, seed=0), whole[:, shuffled])
    np.testing.assert_array_equal(head.posterior_concentrations(features[599:], draws=20, seed=0), whole[:, 599:])
    np.testing.assert_array_equal(head.posterior_concentrations(features, draws=3, seed=0), whole[:3])


def test_stored_float16_features_give_the_very_numbers_of_live_ones(tree):
    head, features = make_head(tree), some_features(9)
    live = head.posterior_concentrations(features, draws=5, seed=0)
    np.testing.assert_array_equal(head.posterior_concentrations(features.astype(np.float16), draws=5, seed=0), live)


def test_without_dropout_all_draws_are_identical(tree):
    drawn = make_head(tree, dropout=0.0).posterior_concentrations(some_features(3), draws=4, seed=0)
    np.testing.assert_array_equal(drawn, np.broadcast_to(drawn[:1], drawn.shape))


def test_no_galaxies_give_no_rows(tree):
    assert make_head(tree).posterior_concentrations(np.empty((0, 96)), draws=2, seed=0).shape == (2, 0, len(tree.columns))


def test_a_saved_head_comes_back_whole(tree, tmp_path: Path):
    head, features = make_head(tree, "softplus", 0.3), some_features(3)
    head.save(tmp_path / "head.npz")
    back = LinearHead.load(tmp_path / "head.npz")
    assert (back.dropout, back.concentrations, back.tree) == (0.3, "softplus", tree)
    np.testing.assert_array_equal(
        back.posterior_concentrations(features, draws=3, seed=1), head.posterior_concentrations(features, draws=3, seed=1)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["head.npz"]


@pytest.mark.parametrize("content", [b"", b"not a head at all", None])
def test_a_missing_or_damaged_head_is_explained(content, tmp_path: Path):
    path = tmp_path / "head.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"head\.npz"):
        LinearHead.load(path)


def test_a_truncated_head_is_explained(tree, tmp_path: Path):
    path = tmp_path / "head.npz"
    make_head(tree).save(path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ModelError, match="save the model again"):
        LinearHead.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": np.zeros((96, 3))}, "needs \\(feature, 10\\)"),
        ({"bias": np.zeros(3)}, "bias of shape \\(3,\\)"),
        ({"bias": np.full(10, np.nan)}, "not finite"),
        ({"dropout": 1.0}, "dropout = 1.0"),
        ({"concentrations": "sigmoit"}, "Did you mean 'sigmoid'"),
    ],
)
def test_a_head_that_contradicts_itself_is_refused(tree, change, message):
    right = {"kernel": np.zeros((96, 10)), "bias": np.zeros(10), "dropout": 0.5, "concentrations": "sigmoid", "tree": tree}
    with pytest.raises(ModelError, match=message):
        LinearHead(**right | change)


def test_features_of_another_model_are_refused(tree):
    with pytest.raises(ModelError, match=r"needs \(galaxy, 96\)"):
        make_head(tree).posterior_concentrations(some_features(2, 95), draws=2, seed=0)


def test_features_beyond_float16_are_refused_with_their_row(tree):
    features = some_features(3)
    features[2, 5] = 7e4
    with pytest.raises(ModelError, match="row 2"):
        make_head(tree).posterior_concentrations(features, draws=2, seed=0)


@pytest.mark.parametrize(("draws", "seed"), [(0, 0), (3, -1)])
def test_no_draws_or_a_negative_seed_are_refused(tree, draws, seed):
    with pytest.raises(ModelError, match=f"{draws} draws with seed {seed}"):
        make_head(tree).masks(draws, seed)


def test_the_linear_head_needs_no_keras():
    code = "import sys, zooactive.models.head.dropout; sys.exit(bool({'keras', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("concentrations", CONCENTRATIONS)
def test_the_bias_for_given_concentrations_gives_them_back(tree, concentrations):
    alpha = np.array([4.0, 9.0, 2.0, 20.0, 5.0, 3.0, 3.0, 6.0, 1.7, 30.0])
    bias = bias_for(alpha, concentrations, tree)
    head = LinearHead(np.zeros((2, 10)), bias, 0, concentrations, tree)
    got = head.posterior_concentrations(np.zeros((1, 2)), draws=1, seed=0)[0, 0]
    wanted = 100 * tree.fractions(alpha) if concentrations == "fraction" else alpha
    assert np.allclose(got, wanted, rtol=1e-4)


def test_concentrations_out_of_a_heads_reach_are_brought_to_its_edge(tree):
    bias = bias_for(np.full(10, 0.2), "sigmoid", tree)
    assert np.allclose(1 + 100 / (1 + np.exp(-bias)), 1.5)
