"""The head that tells numbers, against brute force: its weights, its intervals, and what outliers and errors do to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from zooactive.foundation.errors import ModelError, PosteriorError
from zooactive.models.head.bayesian import find_axes
from zooactive.models.head.left_out import Variances, fit_variances, leave_each_out
from zooactive.models.head.limits import beyond
from zooactive.models.head.number_fit import Judges, _Problem, centre_and_scale, fit_number_head
from zooactive.models.head.number_head import NumberHead
from zooactive.posterior.numbers import NumberPosterior

WIDTH = 6


def galaxies(n: int, seed: int = 0, noise: float = 0.4):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, WIDTH)).astype(np.float32)
    return x, 3 + x @ np.array([1, -0.5, 0.3, 0, 0, 0]) + noise * rng.normal(size=n), rng


def fitted(x, y, **options):
    return fit_number_head(x, y, find_axes([x]), **options)


def test_weights_and_their_covariance_are_those_of_the_normal_equations():
    """Without outliers: the posterior of Bishop 2006, equations 3.53 and 3.54, at the noise and the prior found."""
    x, y, _ = galaxies(200)
    fit = fitted(x, y)
    head = fit.head
    assert head.share < 1e-3
    assert fit.outliers.max() < 0.05
    phi = np.column_stack([head.axes.of(x), np.ones(200)]).astype(float)
    told, factor = (y - head.centre) / head.scale, 1.0
    for _ in range(2):  # the factor that is set at last leaves the weights as they are
        v = np.exp(head.noise[-1]) / factor
        outlying = np.full(200, 1 / v)
        covariance = np.linalg.inv((phi * outlying[:, None]).T @ phi + np.diag([fit.precision] * WIDTH + [1e-8]))
        factor = float(np.trace(head.factor.T @ head.factor) / np.trace(covariance))
    np.testing.assert_allclose(head.weights, covariance @ phi.T @ (outlying * told), atol=2e-3)
    np.testing.assert_allclose(head.factor.T @ head.factor, factor * covariance, atol=2e-4)


def test_the_noise_and_the_prior_are_at_the_top_of_the_evidence():
    """The log evidence of the labels as one normal distribution, at half and double the noise and the prior."""
    x, y, _ = galaxies(150)
    fit = fitted(x, y)
    phi = fit.head.axes.of(x).astype(float)
    told = (y - fit.head.centre) / fit.head.scale
    v = (told - phi @ fit.head.weights[:-1] - fit.head.weights[-1]).var()
    v *= 150 / (150 - WIDTH)

    def evidence(noise, precision):
        covariance = phi @ phi.T / precision + 1e4 + noise * np.eye(150)
        return stats.multivariate_normal(np.zeros(150), covariance).logpdf(told)

    best = evidence(v, fit.precision)
    for noise, precision in ((0.7, 1), (1.4, 1), (1, 0.3), (1, 3.0)):
        assert evidence(v * noise, fit.precision * precision) < best


def test_a_density_integrates_to_the_probability_of_each_interval():
    told = NumberPosterior(np.array([2.0]), np.array([0.3]), np.array([0.5]), 0.1, 40.0)
    ends = told.interval(0.8)[0]
    assert integrate.quad(lambda y: np.exp(told.log_density([y]))[0], *ends)[0] == pytest.approx(0.8, abs=1e-8)
    whole = integrate.quad(lambda y: np.exp(told.log_density([y]))[0] * (y - 2) ** 2, -60, 64, points=[2], limit=200)[0]
    assert told.deviation()[0] ** 2 == pytest.approx(whole, rel=1e-6)
    assert told.information()[0] == pytest.approx(0.5 * np.log(0.8 / 0.5))


def test_impossible_distributions_and_levels_are_refused():
    one = np.ones(1)
    for values in (
        (one, one, np.ones(2)),
        (one * np.nan, one, one),
        (one, -one, one),
        (one, one, one, 1.0),
        (one, one, one, 0, 0),
    ):
        with pytest.raises(PosteriorError):
            NumberPosterior(*values)
    with pytest.raises(PosteriorError, match="between 0 and 1"):
        NumberPosterior(one, one, one).interval(1)


def test_each_galaxy_left_out_is_told_what_a_fit_without_it_tells():
    rng = np.random.default_rng(1)
    phi, rho, y = rng.normal(size=(3, 20, 5)), rng.uniform(0.1, 2, (3, 20)), rng.normal(size=20)
    matrix = np.einsum("vgk,vg,vgl->kl", phi, rho, phi) + 0.7 * np.eye(5)
    residual = y - phi @ np.linalg.solve(matrix, np.einsum("vgk,vg,g->k", phi, rho, y))
    found = leave_each_out(phi, rho, np.linalg.cholesky(matrix), residual)
    for g in range(20):
        others = np.delete(np.arange(20), g)
        some = np.einsum("vgk,vg,vgl->kl", phi[:, others], rho[:, others], phi[:, others]) + 0.7 * np.eye(5)
        weights = np.linalg.solve(some, np.einsum("vgk,vg,g->k", phi[:, others], rho[:, others], y[others]))
        assert found.residual[g] == pytest.approx(y[g] - phi[0, g] @ weights)
        assert found.weight[g] == pytest.approx(phi[0, g] @ np.linalg.solve(some, phi[0, g]))


def test_variances_that_are_too_small_are_made_as_large_as_the_residuals():
    rng = np.random.default_rng(2)
    off = leave_each_out(np.ones((1, 4000, 1)), np.full((1, 4000), 1e-9), np.eye(1), rng.normal(size=(1, 4000)))
    found = fit_variances(
        off._replace(weight=np.zeros(4000)), np.full(4000, 0.25), np.zeros(4000), Variances(1, 0.05, 9), least=9
    )
    assert found.factor == pytest.approx(4, rel=0.1)
    assert found.share < 0.01


def test_several_views_of_a_galaxy_count_as_one():
    x, y, _ = galaxies(80)
    one, four = (fit_number_head(np.stack([x] * times), y, find_axes([x])).head for times in (1, 4))
    np.testing.assert_allclose(one.weights, four.weights, atol=1e-6)
    np.testing.assert_allclose(one.predict(x).deviation(), four.predict(x).deviation(), rtol=1e-4)


@pytest.mark.parametrize("noise", ["constant", "features"])
def test_another_unit_changes_nothing_but_the_unit(noise):
    x, y, rng = galaxies(100)
    errors = rng.uniform(0.01, 0.3, 100)
    as_it_is = fitted(x, y, errors=errors, noise=noise).head.predict(x)
    other = fitted(x, 1000 * y - 5e4, errors=1000 * errors, noise=noise).head.predict(x)
    np.testing.assert_allclose(other.mean, 1000 * as_it_is.mean - 5e4, rtol=1e-7)
    np.testing.assert_allclose(other.deviation(), 1000 * as_it_is.deviation(), rtol=1e-5)
    np.testing.assert_allclose(other.interval(0.8), 1000 * as_it_is.interval(0.8) - 5e4, rtol=1e-6)
    np.testing.assert_allclose(other.information(), as_it_is.information(), rtol=1e-5)


def test_outliers_are_found_and_do_not_move_the_fit():
    x, y, rng = galaxies(300)
    bad = rng.choice(300, 15, replace=False)
    spoilt = y.copy()
    spoilt[bad] += 40 * rng.choice([-1, 1], 15)
    clean, fit = fitted(x, y).head.predict(x), fitted(x, spoilt)
    np.testing.assert_allclose(fit.head.predict(x).mean, clean.mean, atol=0.05)
    assert set(np.flatnonzero(fit.outliers > 0.5)) == set(bad)
    assert fit.head.share == pytest.approx(0.05, abs=0.01)
    assert np.sqrt(fit.head.predict(x).noise).mean() == pytest.approx(0.4, rel=0.12)


def test_errors_of_labels_weigh_them_and_are_not_taken_for_noise():
    x, y, rng = galaxies(600, noise=0.3)
    errors = np.where(np.arange(600) % 2, 3.0, 0.0)
    measured = y + errors * rng.normal(size=600)
    weighed, plain = fitted(x, measured, errors=errors).head, fitted(x, measured).head
    assert np.sqrt(weighed.predict(x).noise).mean() == pytest.approx(0.3, rel=0.15)
    true = 3 + x @ np.array([1, -0.5, 0.3, 0, 0, 0])
    assert ((weighed.predict(x).mean - true) ** 2).mean() < ((plain.predict(x).mean - true) ** 2).mean()


def hidden(y, below: float):
    """Return labels of which those below a value are known by that alone, and their limits."""
    return np.maximum(y, below), np.where(y < below, -1, 0)


def test_limits_are_weighed_as_the_likelihood_has_it():
    """Without outliers: the mode and the curvature of the posterior at the noise and the prior found, by brute force."""
    x, y, _ = galaxies(300)
    seen, side = hidden(y, 2.8)
    assert 0.3 < (side != 0).mean() < 0.5
    fit = fitted(x, seen, limits=side)
    head = fit.head
    phi = np.column_stack([head.axes.of(x), np.ones(300)]).astype(float)
    told = (seen - head.centre) / head.scale
    settled = fit_number_head(x, seen, head.axes, limits=side)
    np.testing.assert_array_equal(settled.head.weights, head.weights)

    def loss(w, v):
        limits = stats.norm.logcdf((told - phi @ w) / np.sqrt(v))[side != 0].sum()
        measured = stats.norm.logpdf(told, phi @ w, np.sqrt(v))[side == 0].sum()
        return 0.5 * fit.precision * w[:-1] @ w[:-1] - limits - measured

    scale = optimize.minimize_scalar(
        lambda log_v: abs(optimize.minimize(loss, head.weights, args=(np.exp(log_v),)).x - head.weights).max(),
        bounds=(head.noise[-1] - 1, head.noise[-1] + 1),
        method="bounded",
    )
    v = float(np.exp(scale.x))  # the noise that the weights were fitted with, before one factor set it right
    best = optimize.minimize(loss, head.weights, args=(v,)).x
    np.testing.assert_allclose(head.weights, best, atol=3e-3)
    step, size = 1e-4, len(best)
    gradients = [optimize.approx_fprime(best + step * np.eye(size)[k], loss, 1e-6, v) for k in range(size)]
    hessian = (np.array(gradients) - optimize.approx_fprime(best, loss, 1e-6, v)) / step
    covariance, found = np.linalg.inv((hessian + hessian.T) / 2), head.factor.T @ head.factor
    ratio = found / covariance
    np.testing.assert_allclose(np.diag(ratio), np.diag(ratio).mean(), rtol=0.03)  # one factor on all of it


def test_limits_are_no_labels_and_not_nothing():
    """Noise and weights of labels that are partly hidden are the true ones; taken for labels or left out they are not."""
    x, y, _ = galaxies(2000, noise=0.6)
    seen, side = hidden(y, 2.8)
    slope = {
        name: np.linalg.lstsq(np.column_stack([x, np.ones(2000)]), head.predict(x).mean, rcond=None)[0][0]
        for name, head in {
            "limits": fitted(x, seen, limits=side).head,
            "labels": fitted(x, seen).head,
            "nothing": fitted(x[side == 0], seen[side == 0]).head,
        }.items()
    }
    assert slope["limits"] == pytest.approx(1, abs=0.05)
    assert slope["labels"] < 0.8
    assert slope["nothing"] < 0.8
    head = fitted(x, seen, limits=side).head
    assert np.sqrt(head.predict(x).noise).mean() == pytest.approx(0.6, rel=0.05)
    new, truth, _ = galaxies(4000, seed=9, noise=0.6)
    ends = head.predict(new).interval(0.8)
    assert ((ends[:, 0] < truth) & (truth < ends[:, 1])).mean() == pytest.approx(0.8, abs=0.02)


def test_limits_on_either_side_and_of_several_views_mirror_each_other():
    x, y, _ = galaxies(200)
    seen, side = hidden(y, 2.8)
    views = np.stack([x, x])
    for noise in ("constant", "features"):
        low = fit_number_head(views, seen, find_axes([x]), limits=side, noise=noise).head.predict(x)
        high = fit_number_head(views, -seen, find_axes([x]), limits=-side, noise=noise).head.predict(x)
        np.testing.assert_allclose(low.mean, -high.mean, atol=1e-6)
        np.testing.assert_allclose(low.deviation(), high.deviation(), rtol=1e-5)
        one = fit_number_head(x, seen, find_axes([x]), limits=side, noise=noise).head.predict(x)
        np.testing.assert_allclose(low.mean, one.mean, atol=1e-5)


def test_a_galaxy_with_a_limit_left_out_is_told_what_a_fit_without_it_tells():
    """By its first Newton step, as of any generalised linear model: near what a whole new fit tells."""
    x, y, _ = galaxies(120)
    seen, side = hidden(y, 2.8)
    axes = find_axes([x])
    phi = np.column_stack([axes.of(x), np.ones(120)])[None].astype(float)
    centre, scale = centre_and_scale(seen[side == 0])
    problem = _Problem(phi, (seen - centre) / scale, np.zeros(120), side.astype(np.int8))
    state = problem.settle(problem.start())
    found = problem._left_out(state)
    for g in np.flatnonzero(side)[:6]:
        others = np.delete(np.arange(120), g)
        less = _Problem(phi[:, others], problem.y[others], np.zeros(119), problem.side[others])
        again = less.settle(replace(state, outliers=state.outliers[others]))
        assert found.residual[g] == pytest.approx(problem.y[g] - float(phi[0, g] @ again.weights), abs=0.02)


@pytest.mark.parametrize("side", [-1, 0, 1])
@pytest.mark.parametrize("residual", [-9.0, -1.0, 0.3, 12.0])
def test_what_a_limit_tells_is_the_integral(residual, side):
    found = beyond(residual, 1.7, side)
    if side == 0:
        assert (found.offset, found.squared, found.known) == (residual, residual**2, 1)
        return
    log = stats.norm.logsf(side * residual / np.sqrt(1.7))
    assert found.log == pytest.approx(log, rel=1e-9)
    low, high = (residual, max(residual, 0) + 12) if side > 0 else (min(residual, 0) - 12, residual)

    def moment(power):
        def at(y):
            return y**power * np.exp(stats.norm.logpdf(y, 0, np.sqrt(1.7)) - log)

        return integrate.quad(at, low, high, points=[np.clip(0, low, high), residual], limit=400)[0]

    assert found.offset == pytest.approx(moment(1), rel=1e-6, abs=1e-8)
    assert found.squared == pytest.approx(moment(2), rel=1e-6)
    step = 1e-3
    logs = [stats.norm.logsf(side * (residual - moved) / np.sqrt(1.7)) for moved in (-step, 0, step)]
    assert found.known == pytest.approx(-1.7 * (logs[0] - 2 * logs[1] + logs[2]) / step**2, abs=1e-4)


def test_the_probability_beyond_a_limit_is_that_of_the_density():
    told = NumberPosterior(np.array([2.0]), np.array([0.3]), np.array([0.5]), 0.1, 40.0)
    above = integrate.quad(lambda y: np.exp(told.log_density([y]))[0], 2.7, 90, points=[3, 10], limit=200)[0]
    assert np.exp(told.log_beyond([2.7], [True]))[0] == pytest.approx(above, rel=1e-6)
    assert np.exp(told.log_beyond([2.7], [False]))[0] == pytest.approx(1 - above, rel=1e-6)


def test_noise_that_depends_on_a_feature_is_found():
    x, _, rng = galaxies(1500)
    noise = np.exp(-1 + 0.6 * x[:, 1])
    y = x[:, 0] + noise * rng.normal(size=1500)
    head = fitted(x, y, noise="features").head
    found = 0.5 * np.log(head.predict(x).noise)
    assert not head.constant
    assert np.corrcoef(found, np.log(noise))[0, 1] > 0.95
    assert np.polyfit(np.log(noise), found, 1)[0] == pytest.approx(1, abs=0.15)
    far = head.predict(np.full((1, WIDTH), 1e4)).noise
    assert far[0] <= head.predict(x).noise.max() * (1 + 1e-9)  # never beyond what was learnt from


@pytest.mark.parametrize("noise", ["constant", "features"])
def test_galaxies_that_the_encoder_did_not_see_say_how_sure_the_head_may_be(noise):
    """An encoder that knows its training labels by heart: left out in turn or not, they look as if they were told well."""

    def seen(n: int, seed: int, by_heart: float):
        x, y, rng = galaxies(n, seed)
        return np.column_stack([x, by_heart * (y - 3) + rng.normal(size=n) * (0.3 if by_heart else 1)]).astype(np.float32), y

    (x, y), (judged, theirs), (test, truth) = seen(300, 0, 1.0), seen(300, 1, 0.0), seen(3000, 2, 0.0)

    def covered(**options) -> float:
        low, high = fitted(x, y, noise=noise, **options).head.predict(test).interval(0.9).T
        return float(((truth > low) & (truth < high)).mean())

    assert covered() < 0.5
    assert abs(covered(judges=Judges(judged, theirs)) - 0.9) < 0.04
    # Their errors count: what they explain is not the head's fault.
    told = fitted(x, y, noise=noise, judges=Judges(judged, theirs, errors=np.full(300, 0.3))).head
    usual = fitted(x, y, noise=noise, judges=Judges(judged, theirs)).head
    assert told.predict(test).noise.mean() < usual.predict(test).noise.mean()
    with pytest.raises(ModelError, match="one row of features for each label"):
        fitted(x, y, judges=Judges(judged[:9], theirs))


def test_labels_that_are_told_exactly_and_two_values_are_fitted():
    x, _, _ = galaxies(60)
    exact = fitted(x, x[:, 0].astype(float)).head.predict(x)
    np.testing.assert_allclose(exact.mean, x[:, 0], atol=0.02)
    two = fitted(x, np.where(x[:, 0] > 0.5, 7.0, 5.0), noise="features").head.predict(x)
    assert np.isfinite(two.deviation()).all()
    assert 3 < two.mean.min() < two.mean.max() < 9


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([1.0], "one row"),
        ([2.0] * 5, "nothing to tell apart"),
        ([1, 2, np.inf, 3, 4], "finite"),
        ([1e200, 2e200, 3e200, 4e200, -1e200], "another unit"),
        ([1e-200, 2e-200, 3e-200, 4e-200, 0], "another unit"),
    ],
)
def test_labels_that_nothing_can_be_learnt_from_are_refused(labels, said):
    x = np.random.default_rng(0).normal(size=(5, WIDTH))
    with pytest.raises(ModelError, match=said):
        fitted(x, labels)


def test_a_saved_head_tells_the_same_and_a_damaged_one_is_refused(tmp_path):
    x, y, _ = galaxies(50)
    head = fitted(x, y, noise="features").head
    head.save(tmp_path / "number.npz")
    again = NumberHead.load(tmp_path / "number.npz")
    np.testing.assert_array_equal(again.predict(x).interval(0.95), head.predict(x).interval(0.95))
    with pytest.raises(ModelError, match="6 of them"):
        head.predict(x[:, :3])
    for spoilt in (
        {"weights": np.zeros(3)},
        {"factor": head.factor * np.nan},
        {"numbers": np.array([0, -1, 0.1, 1, 0, 1.0])},
    ):
        np.savez(tmp_path / "bad.npz", **(head.arrays() | spoilt))
        with pytest.raises(ModelError, match="fit it again"):
            NumberHead.load(tmp_path / "bad.npz")
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(ModelError, match="damaged"):
        NumberHead.load(tmp_path / "bad.npz")
    with pytest.raises(ModelError, match="missing"):
        NumberHead.load(tmp_path / "away.npz")


def test_directions_give_the_variance_and_the_noise_of_each_mean():
    x, y, _ = galaxies(40)
    head = fitted(x, y).head
    z, v = head.directions(x)
    told = head.predict(x)
    np.testing.assert_allclose(head.scale**2 * (z**2).sum(1), told.weight, rtol=1e-6)
    np.testing.assert_allclose(head.scale**2 * v, told.noise)


def test_features_that_hardly_ever_differ_are_not_blown_up():
    x = np.random.default_rng(0).normal(size=(200, 4)) * [1, 1, 1, 0.01]
    plain, floored = (find_axes([x], floor=floor) for floor in (0.0, 1.0))
    step = np.array([[0, 0, 0, 1.0]])
    moved = [np.abs(axes.of(x[:1] + step) - axes.of(x[:1])).max() for axes in (plain, floored)]
    assert moved[0] > 50
    assert moved[1] < 2
