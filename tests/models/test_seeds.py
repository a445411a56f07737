"""First weights depend on a seed alone, in any thread, and leave nobody else's random numbers changed."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import keras
import pytest
from tiny_network import tiny_model

from zooactive.models import seeds
from zooactive.models.seeds import seeded


def drawn() -> list[int]:
    """The seeds that Keras gives three initialisers that have none of their own."""
    return [keras.initializers.GlorotUniform().seed for _ in range(3)]


def pythons(seed: int) -> list[int]:
    """The same by Python's random numbers, from which Keras draws: models of earlier versions began with these."""
    dice = random.Random(seed)
    return [dice.randint(1, 10**9) for _ in range(3)]


def test_a_seed_gives_the_weights_that_it_always_gave():
    with seeded(5):
        assert drawn() == pythons(5)


def test_threads_at_once_draw_each_from_its_own_seed():
    def draw(seed: int) -> list[list[int]]:
        found = []
        for _ in range(50):
            with seeded(seed):
                found.append(drawn())
        return found

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(draw, range(4))) == [[pythons(seed)] * 50 for seed in range(4)]


def test_a_network_in_a_network_leaves_the_seeds_of_the_outer_one():
    with seeded(1):
        first = drawn()
        with seeded(2):
            assert drawn() == pythons(2)
        then = drawn()
    dice = random.Random(1)
    assert first + then == [dice.randint(1, 10**9) for _ in range(6)]


def test_pythons_random_numbers_go_on_as_if_no_model_had_been_built(tree):
    random.seed(3)
    tiny_model(tree, seed=9)
    assert random.random() == random.Random(3).random()


def test_networks_without_a_seed_follow_python_as_keras_has_it():
    with seeded(1):
        pass
    random.seed(11)
    assert drawn() == pythons(11)


def test_a_keras_that_draws_in_another_way_is_seeded_by_python(monkeypatch):
    monkeypatch.setattr(seeds, "_keras_asks", lambda: False)
    random.seed(3)
    with seeded(5):
        assert drawn() == pythons(5)
    assert random.random() == random.Random(3).random()


@pytest.mark.parametrize("seed", [0, 1])
def test_a_model_built_in_a_thread_is_the_one_built_here(tree, seed):
    with ThreadPoolExecutor(1) as thread:
        built = thread.submit(tiny_model, tree, seed=seed).result()
    assert built.fingerprint() == tiny_model(tree, seed=seed).fingerprint()
