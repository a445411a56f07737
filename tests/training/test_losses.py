from __future__ import annotations

import sys

import keras
import numpy as np
import pytest
from scipy.special import gammaln

from zooactive.foundation.errors import TrainingError
from zooactive.training.losses import DirichletMultinomialLoss
from zooactive.tree import DecisionTree, Question


def one_question(answers: int) -> DecisionTree:
    return DecisionTree("one", [Question("q", [f"a{i}" for i in range(answers)])])


def values_of(loss: DirichletMultinomialLoss, votes, alpha) -> np.ndarray:
    result = loss.call(keras.ops.convert_to_tensor(votes, "float64"), keras.ops.convert_to_tensor(alpha, "float64"))
    return keras.ops.convert_to_numpy(result)


def gradient_of(loss: DirichletMultinomialLoss, votes, alpha) -> np.ndarray:
    tensorflow = pytest.importorskip("tensorflow")
    variable = tensorflow.Variable(np.asarray(alpha, np.float64))
    with tensorflow.GradientTape() as tape:
        total = tensorflow.reduce_sum(loss.call(tensorflow.constant(votes, tensorflow.float64), variable))
    return tape.gradient(total, variable).numpy()


def brute_force(tree: DecisionTree, votes: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Minus the sum over questions of ln n!/prod k! + ln B(alpha + k) - ln B(alpha)."""
    total = np.zeros(len(votes))
    for where in tree.slices:
        k, a = votes[:, where], alpha[:, where]
        total += gammaln(k.sum(1) + 1) - gammaln(k + 1).sum(1)
        total += gammaln(a.sum(1)) - gammaln(a.sum(1) + k.sum(1)) + (gammaln(a + k) - gammaln(a)).sum(1)
    return -total


TABLE = [
    ((5, 0, 0), (1, 1, 1), 3.044522),
    ((10, 0), (1, 1), 2.397895),
    ((1, 1), (2, 3), 0.916291),
    ((3, 2, 0), (10, 5, 1), 1.547176),
    ((12, 28, 0), (30, 60, 5), 4.043949),
    ((40, 0), (101, 1), 0.333639),
    ((0, 40), (101, 1), 81.493918),
]


@pytest.mark.parametrize(("votes", "alpha", "expected"), TABLE)
def test_the_loss_is_that_of_the_published_table(votes, alpha, expected):
    loss = DirichletMultinomialLoss(one_question(len(votes)))
    assert values_of(loss, [votes], [alpha])[0] == pytest.approx(expected, abs=1e-6)


def test_float32_concentrations_lose_nothing_in_the_log_gammas():
    loss = DirichletMultinomialLoss(one_question(2))
    value = loss(np.float32([[0, 40]]), np.float32([[101, 1]]))
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == pytest.approx(81.493918, rel=1e-7)


def test_no_votes_cost_exactly_nothing_and_teach_nothing():
    loss = DirichletMultinomialLoss(one_question(3))
    assert values_of(loss, [[0, 0, 0]], [[7, 3, 1]])[0] == 0
    np.testing.assert_array_equal(gradient_of(loss, [[0, 0, 0]], [[7, 3, 1]]), 0)


def test_an_unasked_question_of_an_asked_galaxy_teaches_nothing(tree):
    votes = np.zeros((1, len(tree.columns)))
    votes[0, :3] = [20, 15, 5]
    gradient = gradient_of(DirichletMultinomialLoss(tree), votes, np.linspace(2, 90, votes.size)[None])
    assert (gradient[:, :3] != 0).all()
    np.testing.assert_array_equal(gradient[:, 3:], 0)


@pytest.mark.parametrize("seed", range(5))
def test_random_trees_agree_with_the_formula(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 7, rng.integers(1, 6))
    tree = DecisionTree("r", [Question(f"q{i}", [f"a{j}" for j in range(n)]) for i, n in enumerate(sizes)])
    votes = rng.integers(0, 60, (20, sizes.sum())) * (rng.random((20, len(sizes))) < 0.7)[:, tree.question_index]
    alpha = np.exp(rng.uniform(-4, 6, votes.shape))
    found = values_of(DirichletMultinomialLoss(tree), votes, alpha)
    assert found.shape == (20,)
    np.testing.assert_allclose(found, brute_force(tree, votes, alpha), rtol=1e-9, atol=1e-8)


def test_pseudo_counts_may_be_fractional(tree):
    votes = np.random.default_rng(0).gamma(2.0, 3.0, (6, len(tree.columns)))
    alpha = np.random.default_rng(1).gamma(2.0, 10.0, votes.shape)
    np.testing.assert_allclose(
        values_of(DirichletMultinomialLoss(tree), votes, alpha), brute_force(tree, votes, alpha), rtol=1e-10
    )


def test_gradients_are_the_differences_of_the_formula(tree, draw_votes):
    votes = draw_votes(4)
    alpha = np.random.default_rng(3).gamma(2.0, 5.0, votes.shape) + 0.5
    expected, step = np.empty_like(alpha), 1e-5
    for a in range(alpha.shape[1]):
        up, down = alpha.copy(), alpha.copy()
        up[:, a] += step
        down[:, a] -= step
        expected[:, a] = (brute_force(tree, votes, up) - brute_force(tree, votes, down)) / (2 * step)
    np.testing.assert_allclose(gradient_of(DirichletMultinomialLoss(tree), votes, alpha), expected, rtol=1e-5, atol=1e-6)


def test_keras_averages_one_number_a_galaxy(tree, draw_votes):
    votes = draw_votes(8)
    alpha = np.random.default_rng(0).gamma(2.0, 5.0, votes.shape)
    value = float(DirichletMultinomialLoss(tree)(votes, alpha))
    assert value == pytest.approx(brute_force(tree, votes, alpha).mean(), rel=1e-6)


def test_a_loss_comes_back_from_its_configuration(tree, draw_votes):
    loss = DirichletMultinomialLoss(tree, reduction="sum")
    back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    votes = draw_votes(3)
    assert (back.tree, back.reduction) == (tree, "sum")
    assert float(back(votes, votes + 1)) == float(loss(votes, votes + 1))


def test_fitting_lowers_the_loss_and_reports_the_mean_over_galaxies(tree, draw_votes):
    votes = draw_votes(64).astype(np.float32)
    inputs = keras.Input((1,))
    outputs = keras.layers.Dense(len(tree.columns), activation="softplus", bias_initializer=keras.initializers.Constant(8))(
        inputs
    )
    network = keras.Model(inputs, outputs + 1e-3)
    network.compile(keras.optimizers.Adam(0.2), loss=DirichletMultinomialLoss(tree))
    history = network.fit(np.ones((64, 1), np.float32), votes, batch_size=64, epochs=12, verbose=0).history["loss"]
    assert history[-1] < 0.9 * history[0]
    alpha = keras.ops.convert_to_numpy(network(np.ones((64, 1), np.float32)))
    assert network.evaluate(np.ones((64, 1), np.float32), votes, verbose=0) == pytest.approx(
        brute_force(tree, votes.astype(float), alpha.astype(float)).mean(), rel=1e-5
    )


def test_a_jax_that_tensorflow_probability_cannot_use_is_explained(tree, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setitem(sys.modules, "tensorflow_probability.substrates.jax", None)
    with pytest.raises(TrainingError, match=r"jax 0\.6\.2 is known to work"):
        DirichletMultinomialLoss(tree).call(np.zeros((1, 10)), np.ones((1, 10)))
