"""The closed lists of words, held to the code that does what they say."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

import pytest

from zooactive.acquisition.config import AcquisitionConfig, AcquisitionOptions
from zooactive.acquisition.scores.vote_value import VALUES
from zooactive.acquisition.scorings import SCORINGS
from zooactive.foundation import vocabulary
from zooactive.foundation.errors import AcquisitionError, TrainingError
from zooactive.loop import LoopConfig
from zooactive.models import list_backbones
from zooactive.models.convert import ENDINGS
from zooactive.models.head.files import KINDS
from zooactive.prediction import parts
from zooactive.prediction.engines import ENGINES
from zooactive.training.config import TrainingConfig
from zooactive.training.finetuning.config import FinetuneConfig


def test_each_list_has_the_words_of_its_type():
    lists = {name: words for name, words in vars(vocabulary).items() if isinstance(words, tuple)}
    types = [kind for name, kind in vars(vocabulary).items() if not name.startswith("_") and len(get_args(kind)) > 1]
    assert len(lists) == len(types) == 20
    written = [tuple(sorted(words)) for words in lists.values()]
    spelt = [tuple(sorted(word for part in get_args(kind) for word in get_args(part) or (part,))) for kind in types]
    assert sorted(written) == sorted(spelt)


def test_forms_are_those_with_an_ending():
    assert tuple(ENDINGS) == vocabulary.FORMS


def test_scores_and_strategies_are_those_that_choose():
    assert tuple(SCORINGS) == vocabulary.SCORES
    assert tuple(VALUES) == vocabulary.GOALS
    for strategy in vocabulary.STRATEGIES:
        assert LoopConfig(strategy=strategy).score in SCORINGS
    with pytest.raises(AcquisitionError, match="mutual_information"):
        AcquisitionConfig(score="mutual_informaton")  # type: ignore[arg-type]


def test_keywords_of_acquire_are_the_options_of_its_config():
    hints = get_type_hints(AcquisitionConfig)
    assert get_type_hints(AcquisitionOptions) == {entry.name: hints[entry.name] for entry in fields(AcquisitionConfig)}


def test_networks_draws_and_what_is_kept_are_there():
    assert set(vocabulary.BACKBONES) <= set(list_backbones())
    assert set(vocabulary.DRAWS) == set(KINDS)
    assert vocabulary.KEEPS == parts.KEEPS
    assert set(vocabulary.ENGINES) == set(ENGINES)


@pytest.mark.parametrize(
    ("config", "name", "known"),
    [
        (TrainingConfig, "loss", vocabulary.LOSSES),
        (TrainingConfig, "optimizer", vocabulary.OPTIMIZERS),
        (FinetuneConfig, "policy", vocabulary.POLICIES),
    ],
)
def test_settings_take_each_word_and_no_other(config, name, known):
    assert is_dataclass(config)
    for word in known:
        assert getattr(config(**{name: word}), name) == word
    with pytest.raises(TrainingError, match="|".join(known)):
        config(**{name: "another"})
