"""What every kind of draws promises: paired draws, numbers that depend on nothing else, and files that come back whole."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from zooactive.foundation.errors import ModelError
from zooactive.models import LaplaceHead, LinearDraws, LinearHead, load_draws
from zooactive.models.head.activation import CONCENTRATIONS
from zooactive.models.head.draws import DRAWS_AT_ONCE, GALAXIES_AT_ONCE
from zooactive.tree import DecisionTree

FEATURES = 12
MANY = 2 * DRAWS_AT_ONCE + 3
KINDS = ("dropout", "laplace")


def make_draws(kind: str, tree: DecisionTree, concentrations: str = "softplus") -> LinearDraws:
    rng, answers = np.random.default_rng(1), len(tree.columns)
    kernel, bias = rng.normal(0, 0.3, (FEATURES, answers)), rng.normal(1, 1, answers)
    if kind == "dropout":
        return LinearHead(kernel, bias, 0.4, concentrations, tree)
    feature_axes, _ = np.linalg.qr(rng.normal(size=(FEATURES + 1, FEATURES + 1)))
    answer_axes, _ = np.linalg.qr(rng.normal(size=(answers, answers)))
    precision = rng.uniform(5, 500, (FEATURES + 1, answers))
    return LaplaceHead(kernel, bias, feature_axes, answer_axes, precision, concentrations, tree)


def some_features(galaxies: int) -> np.ndarray:
    return np.random.default_rng(2).gamma(1.0, 1.0, (galaxies, FEATURES)).astype(np.float16)


def weights_by_definition(draws: LinearDraws, t: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of draw t in float64, with noise made afresh."""
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, t], dtype=np.uint64)))
    if isinstance(draws, LinearHead):
        kept = rng.random(FEATURES) < 1 - draws.dropout
        return (kept / (1 - draws.dropout))[:, None] * draws.kernel.astype(float), draws.bias.astype(float)
    assert isinstance(draws, LaplaceHead)
    e = rng.standard_normal((FEATURES + 1, len(draws.bias)), dtype=np.float32).astype(float)
    away = (
        draws.feature_axes.astype(float) @ (e / np.sqrt(draws.precision.astype(float))) @ draws.answer_axes.T.astype(float)
    )
    return draws.kernel + away[:-1], draws.bias + away[-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("concentrations", CONCENTRATIONS)
def test_concentrations_are_those_of_one_set_of_weights_a_draw_for_every_galaxy(tree, kind, concentrations):
    draws, x = make_draws(kind, tree, concentrations), some_features(4)
    found = draws.posterior_concentrations(x, draws=DRAWS_AT_ONCE + 2, seed=9)
    assert found.dtype == np.float32
    for t in (0, 1, DRAWS_AT_ONCE, DRAWS_AT_ONCE + 1):
        kernel, bias = weights_by_definition(draws, t, 9)
        z = x.astype(float) @ kernel + bias
        if concentrations == "sigmoid":
            expected = 1 + 100 / (1 + np.exp(-z))
        elif concentrations == "softplus":
            expected = np.log1p(np.exp(z)) + 1e-3
        else:
            shares = [np.exp(z[:, where]) / np.exp(z[:, where]).sum(1, keepdims=True) for where in tree.slices]
            expected = np.concatenate([100 * (1e-6 + (1 - 1e-6 * s.shape[1]) * s) for s in shares], axis=1)
        np.testing.assert_allclose(found[t], expected, rtol=5e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_galaxys_draws_depend_neither_on_its_neighbours_nor_on_the_number_of_draws(tree, kind):
    draws, x = make_draws(kind, tree), some_features(GALAXIES_AT_ONCE + 40)
    whole = draws.posterior_concentrations(x, draws=MANY, seed=3)
    for rows, count in ((slice(0, 1), MANY), (slice(250, 260), 1), (slice(5, None), DRAWS_AT_ONCE), (slice(None), 19)):
        part = draws.posterior_concentrations(x[rows], draws=count, seed=3)
        assert part.tobytes() == np.ascontiguousarray(whole[:count, rows]).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_a_draw_are_the_same_in_whatever_range_they_are_asked_for(tree, kind):
    draws = make_draws(kind, tree)
    kernels, biases = draws.draw_weights(0, 20, 4)
    assert (kernels.dtype, biases.dtype) == (np.float32, np.float32)
    assert (kernels.shape, biases.shape) == ((20, FEATURES, 10), (20, 10))
    some, their_biases = draws.draw_weights(13, 17, 4)
    assert some.tobytes() == np.ascontiguousarray(kernels[13:17]).tobytes()
    assert their_biases.tobytes() == np.ascontiguousarray(biases[13:17]).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_makes_other_draws(tree, kind):
    draws, x = make_draws(kind, tree), some_features(3)
    one, other = (draws.posterior_concentrations(x, draws=5, seed=seed) for seed in (0, 1))
    assert one.tobytes() != other.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_saved_draws_come_back_whole_and_name_their_kind(tree, tmp_path, kind):
    draws, x = make_draws(kind, tree), some_features(3)
    draws.save(tmp_path / "draws.npz")
    back = load_draws(tmp_path / "draws.npz")
    assert type(back) is type(draws)
    assert (back.fingerprint(), back.tree, back.concentrations) == (draws.fingerprint(), tree, "softplus")
    both = [which.posterior_concentrations(x, draws=4, seed=6).tobytes() for which in (back, draws)]
    assert both[0] == both[1]
    with np.load(tmp_path / "draws.npz") as file:
        assert json.loads(str(file["about"]))["kind"] == kind
        assert {file[name].dtype for name in file.files if name != "about"} == {np.dtype(np.float32)}


def rewrite_about(path, change) -> None:
    with np.load(path) as file:
        held = dict(file)
    about = json.loads(str(held["about"]))
    change(about)
    held["about"] = np.array(json.dumps(about))
    np.savez(path, **held)


def test_a_file_of_before_there_were_kinds_holds_dropout(tree, tmp_path):
    head = make_draws("dropout", tree)
    head.save(tmp_path / "head.npz")
    rewrite_about(tmp_path / "head.npz", lambda about: about.pop("kind"))
    back = load_draws(tmp_path / "head.npz")
    assert isinstance(back, LinearHead)
    assert back.fingerprint() == head.fingerprint()


def test_a_file_of_an_unknown_kind_or_none_at_all_is_refused_by_its_name(tree, tmp_path):
    with pytest.raises(ModelError, match=r"head\.npz is missing"):
        load_draws(tmp_path / "head.npz")
    make_draws("dropout", tree).save(tmp_path / "head.npz")
    rewrite_about(tmp_path / "head.npz", lambda about: about.update(kind="bagging"))
    with pytest.raises(ModelError, match=r"head\.npz is damaged, or not the head"):
        load_draws(tmp_path / "head.npz")


@pytest.mark.parametrize("kinds", [{"kind": "ensemble"}, {"kind": "scaled", "scaled": "ensemble"}])
def test_a_saved_ensemble_of_heads_is_refused_by_its_name(tree, tmp_path, kinds):
    make_draws("dropout", tree).save(tmp_path / "head.npz")
    rewrite_about(tmp_path / "head.npz", lambda about: about.update(kinds))
    with pytest.raises(ModelError, match=r"head\.npz: draws by an ensemble of heads were removed.* use 'laplace'"):
        load_draws(tmp_path / "head.npz")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "seed"), [(0, 0), (2, -1)])
def test_no_draws_or_a_negative_seed_are_refused_by_every_kind(tree, kind, count, seed):
    with pytest.raises(ModelError, match=f"{count} draws with seed {seed}"):
        make_draws(kind, tree).posterior_concentrations(some_features(2), draws=count, seed=seed)


@pytest.mark.parametrize("module", ["draws", "laplace"])
def test_draws_need_no_keras(module):
    code = f"import sys, zooactive.models.head.{module}; sys.exit(bool({{'keras', 'tensorflow', 'jax'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
