"""Which policy the default takes."""

from __future__ import annotations

import pytest

from zooactive.training.finetuning.checks import JUDGES, MANY, decided
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.tasks import load_task


@pytest.mark.parametrize(
    ("task", "labelled", "folds", "policy"),
    [
        ("rings", 377, 5, "head"),
        ("zhu5", 25_913, 0, "head"),
        ("hubble", 203, 0, "staged"),
        ("hubble", 203, 5, "staged"),
        ("hubble", 5 * JUDGES - 1, 5, "head"),
        ("hubble", MANY + 1, 0, "head"),
        ("candels", 45, 0, "head"),
    ],
)
def test_the_encoder_learns_too_where_shares_of_votes_can_tell_what_that_brings(task, labelled, folds, policy):
    config, why = decided(FinetuneConfig(folds=folds), load_task(task).load_tree(), labelled)
    assert config == FinetuneConfig(folds=folds, policy=policy)
    assert why.startswith(f"policy {policy}: ")


def test_a_policy_that_is_asked_for_is_taken():
    config = FinetuneConfig(policy="last")
    assert decided(config, load_task("rings").load_tree(), 377) == (config, "policy last, as you asked")
