"""Thirty simulated days without hands: a step every hour, killed at random, on a Zooniverse that fails at random."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_project import CEILING, ROUND
from zooniverse_stand_in import DAY

from zooactive.acquisition.selection_files import read_selection
from zooactive.foundation.errors import ZooactiveError
from zooactive.loop.stepping.intents import Intents
from zooactive.loop.stepping.setting import Setting
from zooactive.loop.stepping.step import take_step

BUDGET, A_DAY = 2_000.0, 40
"""Clicks, and classifications a day."""


class Killed(BaseException):
    """The process is gone: nothing in the package catches this."""


class Reaper:
    """Ends a step at one of the moments when something becomes lasting: before or after a request, a sync, a renaming."""

    FAR = (("ask", 300), ("a sync", 300), ("a renaming", 60), ("send", 20), ("fetch", 4))
    """How many moments of each kind may pass before the next one strikes."""

    def __init__(self) -> None:
        self.left: dict[str, int] = {}
        self.where: Counter[str] = Counter()

    def comes(self, rng: np.random.Generator) -> None:
        """Wait for one of the next moments of a kind."""
        kind, far = self.FAR[rng.integers(len(self.FAR))]
        self.left.setdefault(kind, int(np.exp(rng.uniform(0, np.log(far)))))

    def passes(self, kind: str, where: str) -> None:
        if kind in self.left:
            self.left[kind] -= 1
            if self.left[kind] <= 0:
                del self.left[kind]
                self.where[where] += 1
                raise Killed(where)

    def watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*given: Any, **options: Any) -> Any:
            self.passes(name, f"before {name}")
            found = call(*given, **options)
            self.passes(name, f"after {name}")
            return found

        return watched


@pytest.fixture
def reaper(monkeypatch) -> Reaper:
    """Watch what the package makes lasting; the stand-in writes no file."""
    from zooactive.labels.zooniverse import session

    death = Reaper()
    monkeypatch.setattr(os, "fsync", death.watched("a sync", os.fsync))
    monkeypatch.setattr(Path, "replace", death.watched("a renaming", Path.replace))
    for name in ("ask", "send", "fetch"):
        monkeypatch.setattr(session._Session, name, death.watched(name, getattr(session._Session, name)))
    return death


@pytest.mark.parametrize("seed", [31])
def test_thirty_days_by_the_hour_killed_at_random_end_as_they_should(seed, world, begin, reaper):
    rng = np.random.default_rng(seed)
    world.rng = np.random.default_rng(seed + 1000)
    world.chance_of_fault, world.jobs_fail = 0.02, 0.05
    setting, kills, unanswered = begin(budget=BUDGET), 0, 0
    for hour in range(30 * 24):
        world.begin_step()
        if rng.random() < 0.01:
            world.others_ask_export()
        if rng.random() < 0.4:
            reaper.comes(rng)
        try:
            take_step(setting)
        except Killed:
            kills += 1
            setting = begin(budget=BUDGET)  # all that a new process knows lies on the disk
        except ZooactiveError:
            unanswered += 1
        world.classify(int(rng.poisson(A_DAY / 24 * (1 + np.sin(hour / 24 * 2 * np.pi)))))
    assert kills >= 60
    assert len(reaper.where) == 10, "killed before and after each kind of moment"
    assert world.never == Counter()
    _votes_are_the_crowds(world, setting)
    _no_subject_twice(world)
    _rounds_are_as_they_should_be(world, setting)
    _the_budget_holds(world, setting)


def _votes_are_the_crowds(world, setting: Setting) -> None:
    book = Intents(setting.folder).book
    last = book.newest["workflow"]
    told = pd.read_csv(setting.folder / "votes.csv", dtype={"id": str}).set_index("id")
    crowd = world.votes(until=last)
    assert world.now - last < 9 * DAY
    assert len(crowd) > 4 * ROUND
    assert set(told.index) == set(crowd)
    for galaxy, votes in crowd.items():
        assert told.loc[galaxy, list(world.tree.columns)].tolist() == votes.tolist(), galaxy
    assert len(world.classifications) > sum(told["volunteers"]), "somebody saw a galaxy twice, which counts once"


def _no_subject_twice(world) -> None:
    galaxies = Counter(entry["metadata"]["#id"] for entry in world.subjects.values())
    assert set(galaxies.values()) == {1}
    for number, entry in world.subjects.items():
        joined = [found for found, members in world.member.items() if number in members]
        assert len(joined) == 1, "each galaxy was retired with its round, and is asked for once"
        assert world.images[number][:3] == b"\xff\xd8\xff"
        assert "#image" in entry["metadata"]
        assert "image" not in entry["metadata"]
    assert world.uploaded == len(world.subjects)


def _rounds_are_as_they_should_be(world, setting: Setting) -> None:
    rounds = [entry for entry in setting.loop.rounds if entry.selection.exists()]
    assert len(rounds) >= 5
    met: set[str] = set()
    for entry in rounds:
        selection = read_selection(entry.selection)
        assert len(selection) == ROUND
        assert (selection["arm"] == "random").sum() == ROUND // 4
        assert met.isdisjoint(selection["id"])
        met |= set(selection["id"])
        assert entry.told.exists()
    names = [world.sets[number]["display_name"] for number, _ in world.links_made]
    assert [name.rpartition(" ")[2] for name in names] == [str(entry.number) for entry in rounds]
    assert [number for number, _ in world.unlinks_made] == [number for number, _ in world.links_made][:-1]
    linked_at = dict(world.links_made)
    following = dict(zip([n for n, _ in world.links_made], [n for n, _ in world.links_made][1:], strict=False))
    for number, when in world.unlinks_made:
        successor = following[number]
        assert when > linked_at[successor]
        first = min(entry["at"] for entry in world.classifications if entry["subject"] in world.member[successor])
        assert first < when, "somebody was shown the new set before the old one was unlinked"
        assert world.media["subject_sets", number].file is not None
    assert setting.loop.rounds[-1].metrics.exists(), "the last votes were learnt from"
    told = setting.loop.votes()
    assert set(told["id"]) <= met
    name_of = {number: entry["metadata"]["#id"] for number, entry in world.subjects.items()}
    retired = {name_of[number]: datetime.fromisoformat(status["retired_at"]) for number, status in world.status.items()}
    in_time = {entry["galaxy"] for entry in world.classifications if entry["at"] <= retired[entry["galaxy"]]}
    # Where the budget ended the last round, late votes of galaxies that nobody had seen are counted, and no longer learnt.
    assert met & in_time <= set(told["id"]) <= met
    assert met - set(told["id"]) <= set(read_selection(rounds[-1].selection)["id"]) - in_time
    assert len(in_time) > 4 * ROUND
    assert all(status["retired_at"] for status in world.status.values())
    assert {status["retirement_reason"] for status in world.status.values()} <= {"classification_count", "other"}
    full = [status["classifications_count"] for status in world.status.values() if status["retirement_reason"] != "other"]
    assert min(full) >= CEILING


def _the_budget_holds(world, setting: Setting) -> None:
    stopped = Intents(setting.folder).book.stopped
    assert stopped is not None
    days = (stopped.at - world.links_made[0][1]) / DAY
    before = sum(len(entry["columns"]) for entry in world.classifications if entry["at"] <= stopped.at)
    pace = before / days
    assert abs(world.clicks() - BUDGET) < 2 * pace
