"""Rounds of asking and telling."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tiny_network import tiny_model, tiny_network

from zooactive.evaluation.calibration import realised_information
from zooactive.foundation.errors import AcquisitionError, CatalogueError, ModelError, TrainingError
from zooactive.foundation.vocabulary import STRATEGIES
from zooactive.loop import HeadLearner, Loop, LoopConfig, NetworkLearner, stops_at
from zooactive.models import GalaxyModel
from zooactive.models.config import Network
from zooactive.prediction import open_predictions, predict
from zooactive.training.config import TrainingConfig


@pytest.fixture
def loop(learner, begun, held_out, config, tmp_path) -> Loop:
    return Loop(tmp_path / "loop", learner, begun, test=held_out, config=config)


def test_what_is_asked_stays_the_same_until_votes_are_told(loop, said):
    first = loop.ask()
    assert len(first) == 6
    pd.testing.assert_frame_equal(loop.ask(), first)
    loop.tell(said(first["id"]))
    second = loop.ask()
    assert set(second["id"]).isdisjoint(first["id"])
    assert len(loop.rounds) == 2


def test_labelled_and_test_galaxies_are_never_asked_for(loop, said, begun):
    pool = set(begun.ids[12:])
    for _ in range(4):
        asked = loop.ask()
        assert set(asked["id"]) <= pool
        pool -= set(asked["id"])
        loop.tell(said(asked["id"]))
    assert len(pool) == 28 - 4 * 6
    assert len(loop.ask()) == 4  # what is left
    loop.tell(said(loop.ask()["id"]))
    with pytest.raises(AcquisitionError, match="all 40 galaxies have votes"):
        loop.ask()


def test_the_random_arm_is_measured_on_and_never_learnt_from(loop, said, learner, monkeypatch):
    fitted: list[set[str]] = []
    fit = learner.fit

    def watched(folder, learning, judging, **options):
        fitted.append(set(learning.ids) | set(judging.ids))
        assert set(learning.ids).isdisjoint(judging.ids)
        fit(folder, learning, judging, **options)

    monkeypatch.setattr(learner, "fit", watched)
    selection = loop.ask()
    arm = set(selection.loc[selection["arm"] == "random", "id"])
    assert len(arm) == 2
    loop.tell(said(selection["id"]))
    metrics = loop.learn()
    assert fitted[1] - fitted[0] == set(selection["id"]) - arm
    assert metrics["random_galaxies"] == 2
    assert metrics["test_galaxies"] == 10
    assert (metrics["labelled"], metrics["learning"] + metrics["judging"]) == (18, 16)


@pytest.mark.parametrize("in_turn", [False, True])
@pytest.mark.parametrize(("strategy", "chosen"), [("mutual_information", True), ("random", False)])
def test_galaxies_chosen_by_a_score_learn_and_do_not_validate(
    strategy, chosen, in_turn, learner, begun, held_out, config, said, tmp_path, monkeypatch
):
    parts: list[tuple[set[str], set[str]]] = []
    fit = learner.fit

    def watched(folder, learning, judging, **options):
        parts.append((set(learning.ids), set(judging.ids)))
        fit(folder, learning, judging, **options)

    monkeypatch.setattr(learner, "fit", watched)
    monkeypatch.setattr(learner, "judged_in_turn", in_turn)
    half = replace(config, strategy=strategy, judge_share=0.5, random_share=0.0)
    loop = Loop(tmp_path / "loop", learner, begun, test=held_out, config=half)
    asked: set[str] = set()
    for _ in range(3):
        selection = loop.ask()
        asked |= set(selection["id"])
        loop.tell(said(selection["id"]))
    loop.learn()
    learning, judging = parts[-1]
    assert learning | judging == asked | set(begun.ids[:12])
    validating = asked & judging
    if in_turn:
        assert judging == set(begun.ids[:12]) | (set() if chosen else asked)
    else:
        assert len(validating) < 1 if chosen else len(validating) > 4
        assert learning & set(begun.ids[:12])
    assert parts[0][1] <= judging, "who validated goes on validating"


def test_too_few_votes_to_learn_from_and_to_validate_with_are_told(learner, begun, held_out, config, tmp_path, monkeypatch):
    votes = begun.votes.copy()
    votes[np.flatnonzero(begun.labelled)[1:]] = 0
    one = replace(begun, votes=votes)
    with pytest.raises(TrainingError, match="1 galaxy cannot both train a head and validate it"):
        Loop(tmp_path / "in turn", learner, one, test=held_out, config=config).learn()
    monkeypatch.setattr(learner, "judged_in_turn", False)
    with pytest.raises(TrainingError, match=r"(0 training and 1|1 training and 0) validation galaxies, and each needs"):
        Loop(tmp_path / "a fifth", learner, one, test=held_out, config=config).learn()


def test_where_every_galaxy_was_chosen_chosen_ones_validate(learner, begun, held_out, config, said, tmp_path):
    nobody = replace(begun, votes=np.zeros_like(begun.votes))
    loop = Loop(tmp_path / "loop", learner, nobody, test=held_out, config=config)
    loop.ask()
    others = [name for name in begun.ids if name not in set(loop.ask()["id"])]
    loop.tell(said(others[:10]))  # which nobody asked for
    metrics = loop.learn()
    assert metrics["learning"] + metrics["judging"] == 10
    assert metrics["judging"] >= 1


def test_a_loop_that_was_interrupted_anywhere_goes_on_to_the_same_end(learner, begun, held_out, config, said, tmp_path):
    def play(folder, *, harm) -> pd.DataFrame:
        for number in range(3):
            loop = Loop(folder, learner, begun, test=held_out, config=config)  # opened anew: all it knows lies on disk
            loop.tell(said(loop.ask()["id"]))
            harm(folder, number)
        return Loop(folder, learner, begun, test=held_out, config=config).history()

    def broken(folder, number) -> None:
        here = folder / f"round-{number:03d}"
        if number == 0:  # killed before the votes' own record was written: told again
            (here / "told.json").unlink()
            loop = Loop(folder, learner, begun, test=held_out, config=config)
            loop.tell(said(loop.ask()["id"]))
        if number == 1:  # killed in the next round, after the training
            loop = Loop(folder, learner, begun, test=held_out, config=config)
            loop.learn()
            (folder / "round-002" / "metrics.json").unlink()

    undisturbed = play(tmp_path / "a", harm=lambda folder, number: None)
    pd.testing.assert_frame_equal(play(tmp_path / "b", harm=broken), undisturbed)


def test_what_votes_told_is_the_realised_information_of_each_arm_a_click(loop, said, learner):
    selection = loop.ask()
    told = loop.tell(said(selection["id"]))
    for arm in ("acquired", "random"):
        ids = selection.loc[selection["arm"] == arm, "id"]
        votes = said(ids)[list(loop.tree.columns)].to_numpy()
        before = next(learner.predictions(loop.rounds[0].model, loop.galaxies, "pool").posteriors(set(loop.galaxies.ids)))
        realised = realised_information(before.select(ids), votes)
        assert told[f"told_{arm}"] == pytest.approx(realised.sum() / votes.sum())
    assert told["told_clicks"] == said(selection["id"])[list(loop.tree.columns)].to_numpy().sum()


def test_few_votes_leave_a_galaxy_in_the_pool_and_are_counted_in(loop, said):
    asked = loop.ask()["id"].tolist()
    some = said(asked)
    columns = list(loop.tree.columns)
    some.loc[0, columns] = 0
    some.loc[0, columns[0]] = 5  # five of forty: not labelled
    loop.tell(some)
    metrics = loop.learn()
    assert metrics["labelled"] == 12 + 5
    pool = loop._pool(loop.rounds[-1])
    posterior = next(pool.posteriors({asked[0]}))
    plain = next(pool.pool.posteriors({asked[0]}))
    assert np.allclose(posterior.concentrations[:, 0] - plain.concentrations[:, 0], [5, *[0] * 9])
    assert asked[0] not in set(np.array(loop.galaxies.ids)[loop._with_votes(1).labelled])


def test_galaxies_that_are_not_here_are_counted_and_left_out(loop, said):
    asked = said(loop.ask()["id"])
    told = loop.tell(pd.concat([asked, asked[:2].assign(id=["stranger-1", "stranger-2"])]))
    assert (told["told"], told["strangers"]) == (6, 2)
    assert len(loop.votes()) == 6


def test_a_small_pool_leaves_diversity_less_to_choose_from(learner, begun, config, said, tmp_path):
    config = replace(config, strategy="diversity", n=12)
    loop = Loop(tmp_path / "loop", learner, begun, config=config)
    numbers = []
    for _ in range(3):
        asked = loop.ask()["id"]
        numbers.append(len(asked))
        loop.tell(said(asked))
    assert numbers == [12, 12, 4]


def test_votes_are_totals_and_the_last_word_counts(loop, said):
    first = loop.ask()["id"].tolist()
    loop.tell(said(first[:3]))
    loop.ask()
    again = said(first)
    loop.tell(again)
    assert len(loop.votes()) == 6
    assert loop.learn()["clicks"] == loop.galaxies.votes.sum() + again[list(loop.tree.columns)].to_numpy().sum()


def test_without_any_votes_the_first_round_is_drawn_blindly(learner, begun, held_out, config, said, tmp_path):
    nothing = replace(begun, votes=np.zeros_like(begun.votes))
    loop = Loop(tmp_path / "cold", learner, nothing, test=held_out, config=config)
    selection = loop.ask()
    assert selection["score"].isna().all()
    assert (selection["arm"] == "random").sum() == 2
    assert not loop.rounds[0].model.exists()
    with pytest.raises(TrainingError, match="no model has been trained yet"):
        loop.model()
    loop.tell(said(selection["id"]))
    shuffled = nothing.take(np.random.default_rng(0).permutation(40))
    other = Loop(tmp_path / "shuffled", learner, shuffled, test=held_out, config=config)
    assert other.ask()["id"].tolist() == selection["id"].tolist()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_asks_for_different_galaxies_of_the_pool(strategy, learner, begun, config, tmp_path):
    loop = Loop(tmp_path / "loop", learner, begun, config=replace(config, strategy=strategy))
    selection = loop.ask()
    assert selection["id"].is_unique
    assert set(selection["id"]) <= set(begun.ids[12:])
    assert selection["arm"].tolist() == ["acquired"] * 4 + ["random"] * 2
    assert selection["rank"].tolist() == [1, 2, 3, 4, 5, 6]


def test_the_random_arm_is_the_same_for_every_strategy(learner, begun, config, tmp_path):
    arms = set()
    for strategy in ("mutual_information", "diversity", "random"):
        loop = Loop(tmp_path / strategy, learner, begun, config=replace(config, strategy=strategy))
        selection = loop.ask()
        arms.add(tuple(selection.loc[selection["arm"] == "random", "id"]))
    assert len(arms) == 1


def test_a_warm_start_is_told_where_the_round_before_lies(learner, begun, config, said, tmp_path, monkeypatch):
    starts = []
    fit = learner.fit
    monkeypatch.setattr(
        learner, "fit", lambda *words, before, **options: (starts.append(before), fit(*words, before=before, **options))
    )
    for warm in (True, False):
        loop = Loop(tmp_path / str(warm), learner, begun, config=replace(config, warm=warm))
        loop.tell(said(loop.ask()["id"]))
        loop.learn()
    assert [None if start is None else start.parent.name for start in starts] == [None, "round-000", None, None]


def test_a_network_learns_on_from_the_weights_it_is_given(tree, begun, tmp_path):
    still = TrainingConfig(epochs=1, batch_size=8, learning_rate=1e-9)
    learning, judging = begun.take(range(8)), begun.take(range(8, 12))

    def kernel(name: str, training: TrainingConfig, before) -> np.ndarray:
        learner = NetworkLearner(tree, Network(backbone=tiny_network(), image_size=16), training, draws=4)
        learner.fit(tmp_path / name, learning, judging, seed=0, before=before)
        return learner.model(tmp_path / name).encoder.get_weights()[0]

    moved = kernel("first", replace(still, learning_rate=0.05, warmup_epochs=0), None)
    fresh = kernel("fresh", still, None)
    assert np.abs(kernel("warm", still, tmp_path / "first") - moved).max() < 1e-5
    assert np.abs(fresh - moved).max() > 1e-2


def test_the_model_of_the_last_round_says_what_the_round_measured(loop, learner, said):
    loop.tell(said(loop.ask()["id"]))
    loop.learn()
    head = loop.model().linear_head()
    stored = learner.predictions(loop.rounds[-1].model, loop.galaxies, "pool").head
    assert stored.kind == "laplace"
    assert np.array_equal(head.kernel, stored.kernel)
    assert np.array_equal(head.bias, stored.bias)
    prior = json.loads((loop.rounds[-1].model / "prior.json").read_text())
    assert prior["precision"] == float(min(prior["losses"], key=prior["losses"].get))


def test_a_whole_network_plays_rounds_too(tree, begun, held_out, said, tmp_path):
    network = Network(backbone=tiny_network(), image_size=16)
    training = TrainingConfig(epochs=1, batch_size=8)
    loop = Loop(
        tmp_path / "loop",
        NetworkLearner(tree, network, training, draws=8),
        begun,
        test=held_out,
        config=LoopConfig(n=5, seed=3, strategy="diversity", warm=True),
    )
    for _ in range(2):
        loop.tell(said(loop.ask()["id"]))
    assert loop.learn()["labelled"] == 22
    assert isinstance(loop.model(), GalaxyModel)
    assert loop.history()["labelled"].tolist() == [12, 17, 22]


def test_draws_that_are_fitted_to_a_network_are_those_of_its_rounds(tree, begun, tmp_path):
    network, training = Network(backbone=tiny_network(), image_size=16), TrainingConfig(epochs=1, batch_size=8)
    heads = {}
    for kind in ("dropout", "laplace"):
        learner = NetworkLearner(tree, network, training, draws=8, draws_from=kind)
        loop = Loop(tmp_path / kind, learner, begun, config=LoopConfig(n=4))
        loop.ask()
        heads[kind] = learner.predictions(loop.rounds[0].model, begun.take(range(12, 40)), "pool").head
    with pytest.raises(ModelError, match=r"there are no draws 'laplase'\. Did you mean 'laplace'"):
        NetworkLearner(tree, network, training, draws_from="laplase")
    with pytest.raises(ModelError, match="ensemble of heads were removed"):
        NetworkLearner(tree, network, training, draws_from="ensemble")
    assert (heads["dropout"].kind, heads["laplace"].kind) == ("dropout", "laplace")
    assert np.array_equal(heads["dropout"].kernel, heads["laplace"].kernel)


def test_what_cannot_be_told_is_explained(loop, said):
    with pytest.raises(AcquisitionError, match=r"round 0 has not asked for galaxies yet; ask first"):
        loop.tell(said(["g020"]))
    asked = loop.ask()["id"]
    with pytest.raises(CatalogueError, match="have no column 'edge-on_yes'"):
        loop.tell(said(asked).drop(columns="edge-on_yes"))
    with pytest.raises(CatalogueError, match="has votes twice"):
        loop.tell(pd.concat([said(asked), said(asked)]))
    with pytest.raises(CatalogueError, match="none of the 1 galaxies with votes is in"):
        loop.tell(said(asked[:1]).assign(id="elsewhere"))
    negative = said(asked)
    negative.loc[1, "bar_no"] = -1.0
    with pytest.raises(Exception, match=r"votes for 'bar_no' in row 1 are -1\.0"):
        loop.tell(negative)
    assert not loop.rounds[0].told.exists()


def test_a_folder_with_another_loop_is_refused(loop, learner, begun, tree, held_out, config, tmp_path):
    with pytest.raises(TrainingError, match="holds a loop with seed = 1, but 2 was given"):
        Loop(tmp_path / "loop", learner, begun, config=replace(config, seed=2))
    assert len(Loop(tmp_path / "loop", learner, begun, config=replace(config, strategy="random", n=3)).ask()) == 3
    record = json.loads((tmp_path / "loop" / "loop.json").read_text())
    (tmp_path / "loop" / "loop.json").write_text(json.dumps(record | {"tree": ["ring_yes", "ring_no"]}))
    with pytest.raises(TrainingError, match="holds a loop with another tree"):
        Loop(tmp_path / "loop", learner, begun, config=config)
    with pytest.raises(CatalogueError, match="has no votes of tree 'small'"):
        Loop(tmp_path / "b", learner, begun.without_votes(), config=config)


def test_a_folder_with_a_loop_over_other_galaxies_is_refused(loop, learner, begun, config, said, tmp_path):
    asked = loop.ask()["id"].tolist()
    other = begun.take(~np.isin(begun.ids.astype(str), asked))
    refused = rf"holds a loop with other galaxies: 6 of the 6 that it asked for, such as '{asked[0]}', are not in"
    with pytest.raises(TrainingError, match=refused):
        Loop(tmp_path / "loop", learner, other, config=config)
    loop.tell(said(asked))
    with pytest.raises(TrainingError, match=refused):
        Loop(tmp_path / "loop", learner, other, config=config)
    assert Loop(tmp_path / "loop", learner, begun.take(range(len(begun))[::-1]), config=config).rounds[-1].number == 1


def test_a_head_of_another_encoder_is_not_served_though_its_embeddings_are_as_wide(loop, begun, answers, config, tmp_path):
    loop.learn()
    other = tiny_model(answers.tree, seed=77)
    embeddings = predict(other, answers.without_votes(), out=tmp_path / "other", draws=1)
    second = Loop(tmp_path / "loop", HeadLearner(other, other.tree, embeddings, draws=8), begun, config=config)
    for act in (second.ask, second.model):
        with pytest.raises(TrainingError, match="holds a head for the embeddings of another encoder"):
            act()
    assert not second.rounds[-1].selection.exists()
    (loop.rounds[-1].folder / "metrics.json").unlink()
    with pytest.raises(TrainingError, match="holds a head for the embeddings of another encoder"):
        second.learn()
    assert len(loop.ask()) == 6


def test_embeddings_that_lack_a_galaxy_are_named(embeddings, begun, config, tmp_path):
    model, stored = embeddings
    copied = open_predictions(shutil.copytree(stored.folder, tmp_path / "embeddings"))
    copied.__dict__["parts"] = copied.parts[1:]
    learner = HeadLearner(model, model.tree, copied, draws=8)
    loop = Loop(tmp_path / "loop", learner, begun, config=config)
    with pytest.raises(TrainingError, match=r"such as 'g00\d', have no embedding in .* delete the folder"):
        loop.ask()


def test_settings_out_of_range_are_explained():
    with pytest.raises(AcquisitionError, match=r"no strategy 'epigg'\. Did you mean 'epig'\?"):
        LoopConfig(strategy="epigg")
    with pytest.raises(AcquisitionError, match="n = 0; give a whole number"):
        LoopConfig(n=0)
    with pytest.raises(AcquisitionError, match="random_share = 1; give a share"):
        LoopConfig(random_share=1)
    with pytest.raises(AcquisitionError, match="the strategy is 'entropy'; with a target take 'epig'"):
        LoopConfig(strategy="entropy", target="bar_strong")


def test_the_rule_stops_when_clicks_have_told_little_for_some_rounds(rates):
    assert stops_at(rates([1.0, 0.9, 0.3, 0.3]), share=0.2) is None
    assert stops_at(rates([1.0, 0.1, 0.3, 0.1, 0.15]), share=0.2) == 4
    assert stops_at(rates([1.0, 0.1, 0.1], error=0.15), share=0.2) is None  # it may as well be 0.25
    assert stops_at(rates([0.1, 1.0, 0.15, 0.15]), share=0.2, rounds=1) == 2
    assert stops_at(rates([]).drop(columns="told_acquired")) is None
