"""Heads learnt under a Gaussian prior, against general optimisers, finite differences and posteriors that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special, stats

from zooactive.foundation.errors import ModelError
from zooactive.models import find_axes, fit_bayesian_head
from zooactive.models.head.activation import activate
from zooactive.models.head.bayesian import _Problem, most_probable_weights
from zooactive.posterior import Posterior
from zooactive.posterior.loss import negative_log_likelihood
from zooactive.tree import DecisionTree, Question
from zooactive.tree.likelihood import dirichlet_multinomial_log_prob, log_ways

LABELS = DecisionTree("labels", [Question("ring", ["yes", "no"])], votes="class", min_votes=1)


def known_world(tree, galaxies, features=6, seed=0, volunteers=40):
    """Features, weights, and votes that a head with these weights makes probable."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(galaxies, features)) * [3, 1, 1, 0.5, 0.2, 0.1][:features] + 2).astype(np.float16)
    weights = np.random.default_rng(99).normal(size=(features, len(tree.columns))) * 0.6
    alpha = activate(((x.astype(float) - 2) @ weights + 2).astype(np.float32), "softplus", tree).astype(float)
    votes = np.zeros((galaxies, len(tree.columns)))
    for g in range(galaxies):
        for q in tree.order:
            n = volunteers if tree.parents[q] < 0 else int(votes[g, tree.leads_to[q]].sum())
            where = tree.slices[q]
            votes[g, where] = rng.multinomial(n, rng.dirichlet(alpha[g, where]))
    return x, votes


def test_axes_are_uncorrelated_and_do_not_depend_on_the_chunks():
    x, _ = known_world(LABELS, 500)
    axes = find_axes([x[:100], x[100:]], components=4)
    components = axes.of(x)
    assert components.shape == (500, 4)
    assert np.allclose(components.mean(0), 0, atol=1e-3)
    covariance = np.cov(components.T)
    assert np.allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-3)
    assert (np.diff(np.diag(covariance)) < 1e-6).all()
    scaled = (x - x.astype(float).mean(0)) / x.astype(float).std(0)
    assert np.diag(covariance).sum() <= np.cov(scaled.T).trace() + 1e-3
    assert np.allclose(find_axes([x]).axes[:, :4], axes.axes, atol=1e-4)
    assert np.allclose(find_axes([x]).of(x) @ find_axes([x]).of(x).T, scaled @ scaled.T, atol=0.05)


def test_a_feature_that_never_changes_counts_for_nothing():
    x, _ = known_world(LABELS, 50)
    still = np.column_stack([x, np.full(len(x), 7, dtype=np.float16)])
    axes = find_axes([still])
    assert np.allclose(axes.axes[-1], 0)
    assert np.isfinite(axes.of(still)).all()
    with pytest.raises(ModelError, match="no features to find axes of"):
        find_axes([])


def test_the_weights_are_the_most_probable_ones_by_another_optimiser(tree):
    x, votes = known_world(tree, 60, features=3)
    axes = find_axes([x])
    fitted = fit_bayesian_head((x[:40], votes[:40]), (x[40:], votes[40:]), tree, axes, precisions=(20.0,))
    z = axes.of(x).astype(float)

    def loss(flat):
        weights = flat.reshape(4, -1)
        alpha = np.logaddexp(0, z @ weights[:-1] + weights[-1]) + 1e-3
        likelihood = dirichlet_multinomial_log_prob(votes, alpha, tree).sum()
        return 10.0 * (weights[:-1] ** 2).sum() - likelihood

    mine = np.linalg.lstsq(axes.back(), np.vstack([fitted.head.kernel, fitted.head.bias]), rcond=None)[0]
    best = optimize.minimize(loss, mine.ravel(), method="BFGS", options={"maxiter": 400}).fun
    assert loss(mine.ravel()) == pytest.approx(best, abs=0.02)  # nats, of all 60 galaxies
    assert loss(np.zeros_like(mine).ravel()) > best + 10


def test_the_head_gives_features_as_they_are_what_their_components_say(tree):
    x, votes = known_world(tree, 80)
    axes = find_axes([x], components=5)
    head = fit_bayesian_head((x[:60], votes[:60]), (x[60:], votes[60:]), tree, axes).head
    back = axes.back()
    weights = np.random.default_rng(0).normal(size=(6, len(tree.columns)))
    ones = np.ones((80, 1))
    assert np.allclose(np.hstack([x, ones]) @ (back @ weights), np.hstack([axes.of(x), ones]) @ weights, atol=1e-3)
    assert head.feature_axes.shape == (7, 6)
    assert head.posterior_concentrations(x, draws=3, seed=0).shape == (3, 80, len(tree.columns))


def test_draws_of_a_label_are_spread_like_the_posterior_of_logistic_regression():
    # One feature and single labels: alpha_yes / alpha_0 is a sigmoid of the outputs' difference. The draws are set against
    # its posterior on a grid.
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 1)).astype(np.float16)
    yes = rng.random(300) < special.expit(1.2 * x[:, 0].astype(float))
    votes = np.column_stack([yes, ~yes]).astype(float)
    axes = find_axes([x])
    head = fit_bayesian_head(
        (x[:150], votes[:150]), (x[150:], votes[150:]), LABELS, axes, concentrations="fraction", precisions=(4.0,)
    ).head
    alpha = head.posterior_concentrations(np.array([[-1.0], [0.0], [1.0]]), draws=4000, seed=0)
    logits = np.log(alpha[..., 0] / alpha[..., 1])
    slope, offset = np.meshgrid(np.linspace(-1, 4, 101), np.linspace(-1.5, 1.5, 101), indexing="ij")
    z = axes.of(x)[:, 0].astype(float)
    logit = slope[..., None] * z + offset[..., None]
    # Both answers have a weight with prior precision 4: their difference has 2. The bias is free.
    log_p = (np.where(yes, 0, -logit) - np.logaddexp(0, -logit)).sum(-1) - slope**2
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    for i, at in enumerate(axes.of(np.array([[-1.0], [0.0], [1.0]]))[:, 0]):
        values = slope * at + offset
        mean = (p * values).sum()
        sd = np.sqrt((p * (values - mean) ** 2).sum())
        assert logits[:, i].mean() == pytest.approx(mean, abs=0.15 * sd + 0.02)
        assert logits[:, i].std() == pytest.approx(sd, rel=0.25)


def test_draws_come_together_as_votes_come_in(tree):
    spreads = []
    for galaxies in (50, 800):
        x, votes = known_world(tree, galaxies)
        half = galaxies // 2
        head = fit_bayesian_head((x[:half], votes[:half]), (x[half:], votes[half:]), tree, find_axes([x])).head
        fresh, _ = known_world(tree, 100, seed=5)
        posterior = Posterior(head.posterior_concentrations(fresh, draws=50, seed=0), map(str, range(100)), tree)
        spreads.append(tree.fractions(posterior.concentrations.astype(float)).std(0).mean())
    assert spreads[1] < 0.5 * spreads[0]


def test_the_judges_choose_the_prior_and_are_then_learnt_from(tree):
    x, votes = known_world(tree, 400)
    noise = np.random.default_rng(1).permutation(200)
    axes = find_axes([x])
    true = fit_bayesian_head((x[:200], votes[:200]), (x[200:], votes[200:]), tree, axes)
    assert true.losses[true.precision] == min(true.losses.values())
    # Judges with votes of other galaxies refute whatever was learnt: the narrowest prior is the best.
    lied = fit_bayesian_head((x[:200], votes[:200]), (x[200:], votes[200:][noise]), tree, axes)
    assert lied.precision == max(lied.losses) >= true.precision
    fewer = fit_bayesian_head((x[:200], votes[:200]), (x[200:210], votes[200:210]), tree, axes, precisions=(30.0,))
    all_of_them = fit_bayesian_head((x[:200], votes[:200]), (x[200:], votes[200:]), tree, axes, precisions=(30.0,))
    fresh, known = known_world(tree, 400, seed=7)

    def loss(fit):
        draws = fit.head.posterior_concentrations(fresh, draws=20, seed=0)
        return negative_log_likelihood(Posterior(draws, map(str, range(400)), tree), known).mean()

    assert loss(all_of_them) < loss(fewer)
    assert stats.spearmanr(*(fit.head.kernel.ravel() for fit in (fewer, all_of_them))).statistic > 0.8


def test_the_judges_judge_the_draws_that_are_used_later(tree):
    x, votes = known_world(tree, 260)
    learning, judging, axes = (x[:60], votes[:60]), (x[60:], votes[60:]), find_axes([x])
    priors = (1000.0, 10.0, 0.1)
    found = fit_bayesian_head(learning, judging, tree, axes, precisions=priors)
    alone = most_probable_weights(learning, judging, tree, axes, precisions=priors)
    nobody = (x[:1], np.zeros((1, votes.shape[1])))
    ways = log_ways(judging[1], tree).sum(-1)
    for prior in priors:
        # A head that has learnt from the learning galaxies alone, drawn from and judged by hand.
        head = fit_bayesian_head(learning, nobody, tree, axes, precisions=(prior,)).head
        posterior = Posterior(head.posterior_concentrations(judging[0], draws=32, seed=0), map(str, range(200)), tree)
        loss = (negative_log_likelihood(posterior, judging[1]) + ways).mean()
        assert found.losses[prior] == pytest.approx(loss, rel=2e-3)
        # The mean over draws is not that of the weights alone: their spread is larger under a wide prior.
        assert abs(found.losses[prior] - alone.losses[prior]) > (0.003 if prior < 100 else 0)


def test_in_turn_everybody_judges_a_head_that_has_not_learnt_from_them(tree):
    x, votes = known_world(tree, 92)
    axes, priors = find_axes([x]), (300.0, 30.0)
    chosen, drawn = (x[:20], votes[:20]), (x[20:], votes[20:])
    found = fit_bayesian_head(chosen, drawn, tree, axes, precisions=priors, in_turn=True)
    turn = np.random.default_rng(0).permutation(72) % 5
    told = dict.fromkeys(priors, 0.0)
    for now in range(5):
        learnt = np.concatenate([x[:20], x[20:][turn != now]]), np.concatenate([votes[:20], votes[20:][turn != now]])
        judging = x[20:][turn == now], votes[20:][turn == now]
        alone = fit_bayesian_head(learnt, judging, tree, axes, precisions=priors)
        told = {prior: told[prior] + alone.losses[prior] * len(judging[0]) for prior in priors}
    assert found.losses == pytest.approx({prior: total / 72 for prior, total in told.items()}, rel=1e-6)
    whole = fit_bayesian_head(None, (x, votes), tree, axes, precisions=(found.precision,), in_turn=True)
    outputs = [x @ fit.head.kernel + fit.head.bias for fit in (found, whole)]
    assert np.allclose(*outputs, atol=0.02), "all of them are learnt from in the end"
    assert whole.losses == {}


def test_five_hundred_judges_are_enough_and_the_rest_need_not_take_their_turn(tree, monkeypatch):
    turns: list[tuple[int, int]] = []
    judged = _Problem.judged

    def watched(self, train, validation, precisions, progress=None, *, draws=0):
        turns.append((len(train[0]), len(validation[0])))
        return judged(self, train, validation, precisions, progress, draws=draws)

    monkeypatch.setattr(_Problem, "judged", watched)
    x, votes = known_world(tree, 2600, features=2)
    for number, expected in ((2600, [(2080, 520)]), (1200, [(960, 240)] * 3), (3, [(2, 1)] * 3), (2, [(1, 1)] * 2)):
        turns.clear()
        fit_bayesian_head(None, (x[:number], votes[:number]), tree, find_axes([x]), precisions=(100.0, 10.0), in_turn=True)
        assert turns == expected


def test_what_cannot_be_fitted_is_explained(tree):
    x, votes = known_world(tree, 20)
    axes = find_axes([x])
    with pytest.raises(ModelError, match="0 features and 0 votes of validation galaxies"):
        fit_bayesian_head((x, votes), (x[:0], votes[:0]), tree, axes)
    with pytest.raises(ModelError, match="0 features and 0 votes of training galaxies"):
        fit_bayesian_head((x[:0], votes[:0]), (x, votes), tree, axes)
    with pytest.raises(ModelError, match="0 features and 0 votes of training galaxies"):
        fit_bayesian_head(None, (x, votes), tree, axes)
    with pytest.raises(ModelError, match="0 features and 0 votes of validation galaxies"):
        fit_bayesian_head((x, votes), (x[:0], votes[:0]), tree, axes, in_turn=True)
    with pytest.raises(ModelError, match="1 galaxy cannot both be learnt from and judge"):
        fit_bayesian_head(None, (x[:1], votes[:1]), tree, axes, in_turn=True)
    alone = fit_bayesian_head(None, (x[:1], votes[:1]), tree, axes, precisions=(30.0,), in_turn=True)
    assert np.isfinite(alone.head.kernel).all(), "nobody has to judge a single prior"
    with pytest.raises(ModelError, match="20 features and 19 votes of training galaxies"):
        fit_bayesian_head((x, votes[1:]), (x, votes), tree, axes)
    with pytest.raises(ModelError, match=r"prior precisions \[0\] were given"):
        fit_bayesian_head((x, votes), (x, votes), tree, axes, precisions=(0,))
    with pytest.raises(ModelError, match="concentrations = 'soft' is unknown"):
        fit_bayesian_head((x, votes), (x, votes), tree, axes, concentrations="soft")


def test_a_galaxy_of_weight_two_counts_as_two_and_one_of_none_as_none(tree):
    x, votes = known_world(tree, 60)
    axes, judging = find_axes([x], components=4), (x[40:], votes[40:])
    times = np.arange(40) % 3
    weighed = most_probable_weights((x[:40], votes[:40]), judging, tree, axes, weights=(times, np.ones(20)))
    copies = np.repeat(x[:40], times, axis=0), np.repeat(votes[:40], times, axis=0)
    copied = most_probable_weights(copies, judging, tree, axes)
    assert weighed.precision == copied.precision
    assert weighed.loss == pytest.approx(copied.loss, rel=1e-4)
    assert np.allclose(x @ weighed.kernel + weighed.bias, x @ copied.kernel + copied.bias, atol=0.02)


def test_judges_that_count_nothing_have_no_say(tree):
    x, votes = known_world(tree, 80)
    axes, learning = find_axes([x], components=4), (x[:40], votes[:40])
    others = known_world(tree, 20, seed=5)[1]
    judging = np.concatenate([x[60:], x[60:]]), np.concatenate([votes[60:], others])
    weights = np.ones(40), np.repeat([1.0, 0.0], 20)
    with_others = most_probable_weights(learning, judging, tree, axes, weights=weights)
    alone = most_probable_weights(learning, (x[60:], votes[60:]), tree, axes)
    assert with_others.losses == pytest.approx(alone.losses)
    assert with_others.precision == alone.precision
