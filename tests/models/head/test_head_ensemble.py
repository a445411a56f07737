"""An ensemble of heads: trained at once, spread by the bootstrap's weights."""

from __future__ import annotations

import numpy as np
import pytest
from test_laplace_head import BINARY, curvature, fitted, loss, world

from zooactive.foundation.errors import ModelError
from zooactive.models import HeadEnsemble, LinearHead, fit_head_ensemble, load_draws
from zooactive.models.head.ensemble import _slope


def test_slopes_are_those_of_finite_differences_for_each_member():
    x, votes, head = world(30)
    phi = head.with_one(x)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(2, 5, 2)).astype(np.float32)
    share = np.stack([np.ones(30), np.arange(30) / 10]).astype(np.float32)
    found = _slope(weights, phi, votes.astype(float), share, head)
    for member, feature, answer in [(0, 0, 0), (0, 4, 1), (1, 2, 0)]:
        step = np.zeros((5, 2))
        step[feature, answer] = 1e-4
        ends = []
        for sign in (1, -1):
            each = [
                loss(weights[member] + sign * step, x[i : i + 1], votes[i : i + 1]) * share[member, i] for i in range(30)
            ]
            ends.append(sum(each) / 30)
        assert found[member, feature, answer] == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-2, abs=1e-3)


def test_members_part_and_keep_near_the_maximum_of_the_likelihood():
    x, votes, head = world(800)
    trained, best = fitted(x, votes, head)
    other = world(400, seed=1)[:2]
    ensemble = fit_head_ensemble(trained, x, votes, validation=other, members=12, epochs=30, learning_rate=1e-2)
    spread = ensemble.kernel.std(0)
    assert (spread > 1e-3).all()
    assert ensemble.kernel.mean(0) == pytest.approx(best[:-1], abs=6 * float(spread.max()))


def test_members_are_spread_as_the_inverse_curvature_says_and_less_with_more_galaxies():
    spreads = {}
    for galaxies, epochs in ((120, 200), (1920, 30)):  # about as many steps of Adam, enough for both to settle
        x, votes, head = world(galaxies)
        trained, best = fitted(x, votes, head)
        # Few judges have little to say against members that part: here the last epoch is wanted.
        judges = world(20, seed=1)[:2]
        stages = fit_head_ensemble(trained, x, votes, validation=judges, members=40, epochs=epochs, learning_rate=1e-2)
        drawn = np.concatenate([stages.kernel, stages.bias[:, None]], axis=1).reshape(40, -1)
        exact = np.sqrt(np.diag(np.linalg.inv(curvature(best, x, votes))))
        assert np.median(drawn.std(0) / exact) == pytest.approx(1, abs=0.35)
        spreads[galaxies] = drawn.std(0).mean()
    assert spreads[1920] < spreads[120] / 2  # four times less, if the square root of the number rules alone


@pytest.mark.parametrize(("training", "validation", "purpose"), [(0, 50, "training"), (50, 0, "validation")])
def test_without_galaxies_to_learn_from_or_to_judge_by_nothing_is_trained(training, validation, purpose):
    x, votes, head = world(50)
    with pytest.raises(ModelError, match=f"no {purpose} galaxies"):
        fit_head_ensemble(head, x[:training], votes[:training], validation=(x[:validation], votes[:validation]), members=2)


def test_the_same_seed_gives_the_same_ensemble():
    x, votes, head = world(200)
    other = world(100, seed=1)[:2]
    one, same = (fit_head_ensemble(head, x, votes, validation=other, members=3, epochs=2, seed=5) for _ in range(2))
    assert one.fingerprint() == same.fingerprint()
    assert (
        fit_head_ensemble(head, x, votes, validation=other, members=3, epochs=2, seed=6).fingerprint() != one.fingerprint()
    )


def test_draw_t_is_head_t_and_there_are_no_more():
    rng = np.random.default_rng(0)
    ensemble = HeadEnsemble(rng.normal(size=(20, 4, 2)), rng.normal(size=(20, 2)), "softplus", BINARY)
    x = rng.normal(size=(9, 4)).astype(np.float16)
    found = ensemble.posterior_concentrations(x, draws=20, seed=0)
    for t in (0, 15, 16, 19):
        alone = LinearHead(ensemble.kernel[t], ensemble.bias[t], 0.0, "softplus", BINARY)
        assert found[t] == pytest.approx(alone.posterior_concentrations(x, draws=1, seed=0)[0], rel=1e-5)
    with pytest.raises(ModelError, match="21 draws were asked for and the ensemble has 20 heads"):
        ensemble.posterior_concentrations(x, draws=21, seed=0)


def test_a_saved_ensemble_comes_back_whole(tmp_path):
    rng = np.random.default_rng(0)
    ensemble = HeadEnsemble(rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 2)), "softplus", BINARY)
    ensemble.save(tmp_path / "draws.npz")
    assert load_draws(tmp_path / "draws.npz").fingerprint() == ensemble.fingerprint()


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match=r"give \(member, feature, answer\)"):
        HeadEnsemble(np.zeros((4, 2)), np.zeros(2), "softplus", BINARY)
    with pytest.raises(ModelError, match="not finite"):
        HeadEnsemble(np.full((2, 4, 2), np.nan), np.zeros((2, 2)), "softplus", BINARY)
