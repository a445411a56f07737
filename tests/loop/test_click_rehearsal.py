"""Days of volunteers: the queue, the curves and what they say, on galaxies drawn from the model itself."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.acquisition import AllocationConfig
from zooactive.foundation.errors import AcquisitionError
from zooactive.loop.clicks import (
    ALLOCATED,
    RAW,
    RELEARNT,
    RELEARNT_UNIFORM,
    SHRUNK,
    UNIFORM,
    WAYS,
    ClickCurves,
    queue_volunteers,
    rehearse_clicks,
)
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

TREE = DecisionTree("t", [Question("shape", ["smooth", "disk"]), Question("bar", ["yes", "no"], ["shape_disk"])])
SURVEY = np.array([1.5, 1.5, 1.0, 2.0])


def sky(galaxies: int = 150, seed: int = 0) -> tuple[Posterior, np.ndarray]:
    """A model that is right, of galaxies of which some are known well already, and their true fractions."""
    rng = np.random.default_rng(seed)
    sure = np.exp(rng.normal(1.5, 1.2, (galaxies, 2)))
    centre = np.stack([rng.beta(1.5, 1.5, galaxies), rng.beta(1, 2, galaxies)], 1).clip(0.02, 0.98)
    alpha = np.concatenate([np.stack([sure[:, q] * centre[:, q], sure[:, q] * (1 - centre[:, q])], 1) for q in (0, 1)], 1)
    first = rng.beta(alpha[:, [0, 2]], alpha[:, [1, 3]])
    truth = np.stack([first[:, 0], 1 - first[:, 0], first[:, 1], 1 - first[:, 1]], 1)
    return Posterior(alpha[None], [f"J{i}" for i in range(galaxies)], TREE), truth


def test_volunteers_stand_in_a_queue_that_grows_by_one_person_down_the_tree():
    _, truth = sky(400)
    queue = queue_volunteers(truth, TREE, [str(i) for i in range(400)], volunteers=30, seed=1)
    assert queue.shape == (400, 31, 4)
    steps = np.diff(queue.astype(int), axis=1)
    assert set(np.unique(steps)) == {0, 1}
    assert (steps[:, :, :2].sum(-1) == 1).all()
    np.testing.assert_array_equal(steps[:, :, 2:].sum(-1), steps[:, :, 1])  # who says disk is asked about the bar
    share = queue[:, -1, 0].sum() / (400 * 30)
    assert abs(share - truth[:, 0].mean()) < 4 * np.sqrt(0.25 / (400 * 30))
    longer = queue_volunteers(truth[3:4], TREE, ["3"], volunteers=30, seed=1)
    np.testing.assert_array_equal(longer[0], queue[3])
    assert not np.array_equal(queue_volunteers(truth[3:4], TREE, ["3"], volunteers=30, seed=2)[0], queue[3])


def test_a_question_without_fractions_is_never_answered():
    queue = queue_volunteers([[0.5, 0.5, 0, 0]], TREE, ["a"], volunteers=20)
    assert queue[0, -1].sum() == 20


@pytest.fixture(scope="module")
def curves():
    model, truth = sky()
    queue = queue_volunteers(truth, TREE, list(model.ids), volunteers=40, seed=3)
    return rehearse_clicks(model, queue, truth, survey=SURVEY, days=(1, 1, 2, 4, 8), config=AllocationConfig(trees=8))


def test_errors_are_those_of_the_fractions_and_clicks_are_answers(curves):
    model, truth = sky()
    queue = queue_volunteers(truth, TREE, list(model.ids), volunteers=40, seed=3)
    at = list(curves.shown[RAW][:, 0]).index(10)
    votes = queue[:, 10].astype(float)
    np.testing.assert_allclose(curves.clicks[RAW][at], votes.sum(1))
    asked = np.where(votes[:, 2:].sum(1) > 0, votes[:, 2] / np.maximum(votes[:, 2:].sum(1), 1), 1 / 3)
    by_hand = 2 * (votes[:, 0] / 10 - truth[:, 0]) ** 2 + truth[:, 1] * 2 * (asked - truth[:, 2]) ** 2
    np.testing.assert_allclose(curves.errors[RAW][at], by_hand, atol=1e-12)
    expected = model.given_votes(votes).mean()
    by_model = 2 * (expected[:, 0] - truth[:, 0]) ** 2 + truth[:, 1] * 2 * (expected[:, 2] - truth[:, 2]) ** 2
    np.testing.assert_allclose(curves.errors[UNIFORM][at], by_model, atol=1e-6)


def test_a_model_saves_clicks_and_allocation_saves_more(curves):
    raw, shrunk, uniform, allocated = (curves.needed(way, 10)[0] for way in WAYS)
    assert curves.needed(RAW, 10)[0] == pytest.approx(curves.needed(RAW, 10)[1])
    assert allocated < uniform < shrunk < raw


def test_allocated_clicks_stay_within_each_days_budget_in_expectation_and_are_never_taken_back(curves):
    assert (np.diff(curves.shown[ALLOCATED], axis=0) >= 0).all()
    assert curves.shown[ALLOCATED].max() <= 40
    spent, paid = curves.clicks[ALLOCATED].sum(1), np.cumsum([0, 1, 1, 2, 4, 8]) * sky()[0].asked().sum()
    assert (np.abs(spent - paid) < 0.15 * paid + 20).all()
    table = curves.table()
    assert set(table.way) == set(WAYS)
    assert table.groupby("way").error.last().lt(table.groupby("way").error.first()).all()


def test_what_never_gets_there_needs_nobody_knows_how_many(curves):
    assert np.isnan(curves.needed(ALLOCATED, 40)[0]) or curves.needed(ALLOCATED, 40)[0] > curves.needed(ALLOCATED, 10)[0]
    shorter = rehearse_clicks(
        *(lambda model, truth: (model, queue_volunteers(truth, TREE, list(model.ids), volunteers=20), truth))(*sky()),
        survey=SURVEY,
        days=(),
    )
    assert np.isnan(shorter.needed(ALLOCATED, 20)[0])


def test_questions_that_are_counted_alone_cost_their_own_answers():
    model, truth = sky(40)
    queue = queue_volunteers(truth, TREE, list(model.ids), volunteers=12)
    config = AllocationConfig(weights={"bar": 1}, trees=4)
    only = rehearse_clicks(model, queue, truth, survey=SURVEY, days=(2,), counted=["bar"], config=config)
    at = list(only.shown[RAW][:, 0]).index(12)
    np.testing.assert_allclose(only.clicks[RAW][at], queue[:, 12, 2:].sum(1))


def test_shapes_that_do_not_fit_are_refused():
    model, truth = sky(5)
    with pytest.raises(AcquisitionError, match="do not match the model's 5 galaxies"):
        rehearse_clicks(model, np.zeros((4, 10, 4), int), truth, survey=SURVEY)
    with pytest.raises(AcquisitionError, match="do not match"):
        rehearse_clicks(model, np.zeros((5, 10, 4), int), truth[:, :2], survey=SURVEY)
    assert SHRUNK in WAYS


def test_a_model_is_learnt_anew_from_the_votes_so_far_and_never_counts_them_twice():
    model, truth = sky(40)
    queue = queue_volunteers(truth, TREE, list(model.ids), volunteers=12, seed=3)
    told: list[np.ndarray] = []

    def relearn(votes):
        told.append(votes)
        return model

    options = {"survey": SURVEY, "days": (1, 2), "config": AllocationConfig(trees=8)}
    found = rehearse_clicks(model, queue, truth, **options, relearn=relearn)
    assert list(found.clicks) == [*WAYS[:3], RELEARNT_UNIFORM, ALLOCATED, RELEARNT]
    alike = [int(votes[0, :2].sum()) for votes in told[:-2]]
    assert alike == [1, 2, 3, 4, 5, 6, 8, 10, 12]  # nothing is learnt from no votes
    np.testing.assert_array_equal(told[-1].sum(1), found.clicks[RELEARNT][-1])
    for relearnt, fixed in ((RELEARNT, ALLOCATED), (RELEARNT_UNIFORM, UNIFORM)):  # it says the same as before
        np.testing.assert_array_equal(found.errors[relearnt], found.errors[fixed])
    without = rehearse_clicks(model, queue, truth, **options)
    assert list(without.clicks) == [*WAYS[:3], ALLOCATED]
    np.testing.assert_array_equal(without.errors[ALLOCATED], found.errors[ALLOCATED])
    with pytest.raises(
        AcquisitionError, match="relearn returned 40 galaxies in another order or selection; return the same 40, in order"
    ):
        rehearse_clicks(model, queue, truth, **options, relearn=lambda votes: model.take(range(39, -1, -1)))


def test_learning_saves_clicks_where_nothing_was_known():
    model, truth = sky(200)
    queue = queue_volunteers(truth, TREE, list(model.ids), volunteers=20, seed=5)
    nothing = Posterior(np.broadcast_to(SURVEY, (1, 200, 4)), model.ids, TREE)
    options = {"survey": SURVEY, "days": (1, 2, 4), "config": AllocationConfig(trees=8)}
    found = rehearse_clicks(nothing, queue, truth, **options, relearn=lambda votes: model)
    assert found.errors[RELEARNT][1:].mean() < 0.9 * found.errors[ALLOCATED][1:].mean()
    assert found.needed(RELEARNT, 5)[0] < found.needed(ALLOCATED, 5)[0]


def test_a_way_that_ends_without_any_error_needs_the_clicks_of_that_step():
    steps = {"clicks": [[1.0], [2.0], [4.0]], "errors": [[0.4], [0.1], [0.0]], "shown": [[1.0], [2.0], [4.0]]}
    mine = {name: {RAW: np.array(values), ALLOCATED: np.array(values)} for name, values in steps.items()}
    curves = ClickCurves(**mine)
    assert curves.needed(ALLOCATED, 4) == (4.0, 4.0)
    mine["errors"][ALLOCATED] = np.array([[0.4], [0.2], [0.05]])
    assert np.isnan(curves.needed(ALLOCATED, 4)[0])
    halfway = 1 + np.log(0.4 / 0.2) / np.log(0.4 / 0.05)
    mine["errors"][RAW] = np.array([[0.4], [0.2], [0.0]])
    mine["errors"][ALLOCATED] = np.array([[0.4], [0.05], [0.0]])
    assert curves.needed(ALLOCATED, 2)[0] == pytest.approx(halfway)
