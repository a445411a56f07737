"""The last-layer Laplace approximation, against curvature by finite differences and exact inverses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize

from zooactive.foundation.errors import ModelError
from zooactive.models import LaplaceHead, LinearHead, fit_laplace, load_draws
from zooactive.models.head.activation import CONCENTRATIONS, activate, slope_of_outputs
from zooactive.models.head.laplace import losses_of, widest_of
from zooactive.tree import DecisionTree, Question
from zooactive.tree.likelihood import dirichlet_multinomial_log_prob, log_likelihood_slope

BINARY = DecisionTree("binary", [Question("smooth", ["yes", "no"])])


def world(galaxies, features=4, seed=0, volunteers=20):
    """Features, a true head, and votes of which its concentrations are right."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(galaxies, features)).astype(np.float16)
    head = LinearHead(np.random.default_rng(7).normal(size=(features, 2)), [1.0, 1.0], 0.0, "softplus", BINARY)
    alpha = head.posterior_concentrations(x, draws=1, seed=0)[0].astype(float)
    yes = rng.binomial(volunteers, rng.beta(alpha[:, 0], alpha[:, 1]))
    return x, np.column_stack([yes, volunteers - yes]), head


def loss(weights, x, votes):
    """Negative log likelihood of all votes, by the weights (feature + 1) x answer."""
    z = np.column_stack([x.astype(float), np.ones(len(x))]) @ weights.reshape(-1, 2)
    return of_outputs(z, votes).sum()


def slope(weights, x, votes):
    """First derivatives of the loss, by finite differences in each galaxy's outputs, times its features."""
    phi = np.column_stack([x.astype(float), np.ones(len(x))])
    z = phi @ weights.reshape(-1, 2)
    by_outputs = [(of_outputs(z + step, votes) - of_outputs(z - step, votes)) / 2e-5 for step in 1e-5 * np.eye(2)]
    return (phi.T @ np.column_stack(by_outputs)).ravel()


def curvature(weights, x, votes):
    """Second derivatives of the loss, in the same way."""
    phi, step = np.column_stack([x.astype(float), np.ones(len(x))]), 1e-3 * np.eye(2)
    z = phi @ weights
    by_outputs = np.empty((len(x), 2, 2))
    for i, j in np.ndindex(2, 2):
        ends = [of_outputs(z + a * step[i] + b * step[j], votes) * a * b for a in (1, -1) for b in (1, -1)]
        by_outputs[:, i, j] = sum(ends) / 4e-6
    return np.einsum("gi,gab,gj->iajb", phi, by_outputs, phi, optimize=True).reshape(weights.size, weights.size)


def of_outputs(z, votes):
    """Negative log likelihood of each galaxy's votes, by the outputs of the head."""
    return -dirichlet_multinomial_log_prob(votes, np.logaddexp(0, z) + 1e-3, BINARY).sum(-1)


def fitted(x, votes, head):
    """The head with the weights of the maximum likelihood."""
    start = np.vstack([head.kernel, head.bias]).ravel()
    best = optimize.minimize(loss, start, args=(x, votes), jac=slope, method="BFGS").x.reshape(-1, 2)
    return LinearHead(best[:-1], best[-1], 0.0, "softplus", BINARY), best


@pytest.mark.parametrize("concentrations", CONCENTRATIONS)
def test_slopes_are_those_of_finite_differences(tree, draw_votes, concentrations):
    rng, votes = np.random.default_rng(0), draw_votes(3)
    z = rng.normal(size=(3, len(tree.columns)))

    def log_p(outputs):
        alpha = activate(outputs.astype(np.float32), concentrations, tree).astype(float)
        return dirichlet_multinomial_log_prob(votes, alpha, tree).sum()

    alpha = activate(z.astype(np.float32), concentrations, tree).astype(float)
    found = slope_of_outputs(z, log_likelihood_slope(votes, alpha, tree), concentrations, tree)
    for g, a in [(0, 0), (1, 4), (2, 7), (2, 9)]:
        step = np.zeros_like(z)
        step[g, a] = 1e-2
        expected = (log_p(z + step) - log_p(z - step)) / 2e-2
        assert found[g, a] == pytest.approx(expected, rel=2e-2, abs=2e-2)


def test_the_draws_are_spread_as_the_inverse_curvature_says():
    """Where the model is right and data are many, the factored Fisher information is the curvature of the loss."""
    x, votes, head = world(4000)
    trained, best = fitted(x, votes, head)
    # Features and slopes are nearly independent of each other here, as the factorisation takes for granted.
    laplace = fit_laplace(trained, x, votes, validation=(x[:50], votes[:50]), priors=[1e-3])
    kernels, biases = laplace.draw_weights(0, 4000, 0)
    drawn = np.concatenate([kernels, biases[:, None]], axis=1)
    spread = drawn.reshape(4000, -1).std(0)
    expected = np.sqrt(np.diag(np.linalg.inv(curvature(best, x, votes))))
    assert np.median(spread / expected) == pytest.approx(1, abs=0.25)
    assert (spread / expected).max() < 2
    assert drawn.mean(0) == pytest.approx(best, abs=5 * spread.max() / np.sqrt(4000))


@pytest.mark.parametrize("prior", [0.5, 300.0])
def test_the_spread_is_the_inverse_of_the_kronecker_product_and_the_prior(prior):
    x, votes, head = world(30, features=3)
    laplace = fit_laplace(head, x, votes, validation=(x, votes), priors=[prior], draws=2)
    a, g = np.zeros((4, 4)), np.zeros((2, 2))
    for features, k in zip(x, votes, strict=True):
        phi = np.append(features.astype(float), 1)
        z = phi @ np.vstack([head.kernel, head.bias]).astype(float)
        ends = [
            [dirichlet_multinomial_log_prob(k, np.logaddexp(0, z + s * e) + 1e-3, BINARY).sum() for s in (1, -1)]
            for e in 1e-5 * np.eye(2)
        ]
        slope = np.array([(up - down) / 2e-5 for up, down in ends])
        a += np.outer(phi, phi) / 30
        g += np.outer(slope, slope) / 30
    axes = np.kron(laplace.feature_axes, laplace.answer_axes).astype(float)
    found = axes @ np.diag(1 / laplace.precision.astype(float).ravel()) @ axes.T
    np.testing.assert_allclose(found, np.linalg.inv(30 * np.kron(a, g) + prior * np.eye(8)), rtol=1e-3, atol=1e-5)


def test_where_only_the_bias_matters_the_spread_is_the_exact_inverse_hessian():
    """Features of 0 leave one product in every galaxy, so that its mean is exactly the factors' product."""
    rng = np.random.default_rng(3)
    yes = rng.binomial(20, rng.beta(3.0, 2.0, 20000))
    x, votes = np.zeros((20000, 1), np.float16), np.column_stack([yes, 20 - yes])
    kinds, times = np.unique(votes, axis=0, return_counts=True)

    def of_bias(bias):
        return -times @ dirichlet_multinomial_log_prob(kinds, np.logaddexp(0, bias) + 1e-3, BINARY).sum(-1)

    best = optimize.minimize(of_bias, [1.0, 1.0], method="BFGS", options={"gtol": 1e-2}).x
    step = 1e-3 * np.eye(2)
    hessian = np.array(
        [[sum(of_bias(best + a * i + b * j) * a * b for a in (1, -1) for b in (1, -1)) / 4e-6 for j in step] for i in step]
    )
    trained = LinearHead(np.zeros((1, 2)), best, 0.0, "softplus", BINARY)
    laplace = fit_laplace(trained, x, votes, validation=(x[:9], votes[:9]), priors=[1e-3], draws=2)
    _, biases = laplace.draw_weights(0, 8000, 0)
    expected = np.linalg.inv(hessian)
    assert np.cov(biases.T) == pytest.approx(expected, rel=0.1)  # two random errors: 2% of the draws, 2% of the galaxies


def test_draws_are_the_same_however_many_are_taken_and_with_whatever_neighbours():
    x, votes, head = world(300)
    laplace = fit_laplace(head, x, votes, validation=(x[:50], votes[:50]))
    whole = laplace.posterior_concentrations(x, draws=20, seed=3)
    assert laplace.posterior_concentrations(x[7:9], draws=5, seed=3).tobytes() == whole[:5, 7:9].tobytes()
    assert laplace.posterior_concentrations(x, draws=20, seed=4).tobytes() != whole.tobytes()


def test_a_sure_prior_leaves_the_trained_head():
    x, votes, head = world(100)
    laplace = fit_laplace(head, x, votes, validation=(x[:50], votes[:50]))
    sure = replace(laplace, precision=np.full_like(laplace.precision, 1e12))
    found = sure.posterior_concentrations(x, draws=3, seed=0)
    assert found == pytest.approx(np.repeat(head.posterior_concentrations(x, draws=1, seed=0), 3, axis=0), rel=1e-3)


def test_more_galaxies_make_the_draws_more_alike():
    spreads = []
    for galaxies in (100, 3000):
        x, votes, head = world(galaxies)
        laplace = fit_laplace(head, x, votes, validation=(x[:50], votes[:50]), priors=[1e-3])
        kernels, _ = laplace.draw_weights(0, 200, 0)
        spreads.append(kernels.std(0).mean())
    assert spreads[1] < spreads[0] / 2


def test_saved_draws_come_back_whole(tmp_path):
    x, votes, head = world(100)
    laplace = fit_laplace(head, x, votes, validation=(x[:50], votes[:50]))
    laplace.save(tmp_path / "draws.npz")
    back = load_draws(tmp_path / "draws.npz")
    assert isinstance(back, LaplaceHead)
    assert back.fingerprint() == laplace.fingerprint() != head.fingerprint()
    drawn = [draws.posterior_concentrations(x, draws=3, seed=1).tobytes() for draws in (back, laplace)]
    assert drawn[0] == drawn[1]
    with pytest.raises(ModelError, match="draws of the kind 'laplace'"):
        LinearHead.load(tmp_path / "draws.npz")


def test_the_widest_draws_are_chosen_that_votes_do_not_speak_against():
    x, votes, head = world(600)
    off = LinearHead(head.kernel + 3, head.bias, 0.0, "softplus", BINARY)
    like = LinearHead(head.kernel, head.bias + 1e-4, 0.0, "softplus", BINARY)
    assert widest_of([off, like, head], x, votes, draws=1) is like
    excess = losses_of(off, x, votes, draws=1) - losses_of(head, x, votes, draws=1)
    assert excess.mean() > excess.std() / np.sqrt(600)


@pytest.mark.parametrize(("training", "validation", "purpose"), [(0, 50, "training"), (50, 0, "validation")])
def test_without_galaxies_to_learn_from_or_to_judge_by_nothing_is_fitted(training, validation, purpose):
    x, votes, head = world(50)
    with pytest.raises(ModelError, match=f"no {purpose} galaxies"):
        fit_laplace(head, x[:training], votes[:training], validation=(x[:validation], votes[:validation]))


def test_without_priors_to_choose_from_nothing_is_fitted():
    x, votes, head = world(50)
    with pytest.raises(ModelError, match="at least one prior"):
        fit_laplace(head, x, votes, validation=(x, votes), priors=[])


def test_factors_that_do_not_fit_are_refused():
    x, votes, head = world(100)
    laplace = fit_laplace(head, x, votes, validation=(x[:50], votes[:50]))
    with pytest.raises(ModelError, match="axes and precisions have the shapes"):
        replace(laplace, answer_axes=np.eye(3))
    with pytest.raises(ModelError, match="not finite and positive"):
        replace(laplace, precision=laplace.precision * -1)
