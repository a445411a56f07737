"""What is decided from facts alone, without anybody being asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from zooactive.foundation.errors import WorkspaceError
from zooactive.loop.stepping.changes import (
    AskExport,
    Choose,
    Count,
    FetchExport,
    Join,
    Link,
    MakeSet,
    Retire,
    Stop,
    Tell,
    Unlink,
    Upload,
)
from zooactive.loop.stepping.config import StepConfig
from zooactive.loop.stepping.facts import DAY, WORKFLOW, Counted, Done, ExportFacts, Facts, RoundFacts
from zooactive.loop.stepping.plan import UPLOADED_AT_ONCE, changes_ahead, has_ended, may_ask, next_change, waits_of, when
from zooactive.loop.stepping.priorities import priorities

NOW, HOUR = datetime(2026, 3, 1, tzinfo=UTC), timedelta(hours=1)
CONFIG = StepConfig(project=1, workflow=2, retire_share=0.5)
FULL = Done("classification_count", "at the ceiling")


def shown(number: int, galaxies: str, **other) -> RoundFacts:
    """A round whose set is linked, with one subject for each letter."""
    ready = {galaxy: str(1000 * (number + 1) + i) for i, galaxy in enumerate(galaxies)}
    known = {
        "asked": tuple(galaxies), "subject_set": f"{50 + number}", "ready": ready, "members": frozenset(ready.values()),
        "linked": True, "linked_at": NOW - 2 * DAY, "met": frozenset(ready.values()),
    }  # fmt: skip
    return RoundFacts(number, **(known | other))


def facts(*rounds: RoundFacts, **other) -> Facts:
    sets = frozenset(str(entry.subject_set) for entry in rounds if entry.linked)
    known = {"linked_sets": sets, "room": 100, "left": 40, "n": 30, "exports": {WORKFLOW: fresh()}}
    return Facts(NOW, rounds, **(known | other))


def fresh(hours: float = 1.0, **other) -> ExportFacts:
    """An export that was asked for, made and fetched so many hours ago."""
    touched = (NOW - timedelta(hours=hours)).isoformat()
    known = {"asked_at": NOW - timedelta(hours=hours), "state": "ready", "ready": True, "touched": touched}
    return ExportFacts(**(known | {"fetched": touched} | other))


def counted(export: ExportFacts, **other) -> Counted:
    return Counted(of={WORKFLOW: str(export.fetched)}, **other)


def test_a_first_step_makes_everything_in_order():
    ahead = changes_ahead(facts(RoundFacts(0), exports={}), CONFIG)
    assert [type(change) for change in ahead] == [Choose, MakeSet, Upload, Upload, Join, Link]
    assert ahead[0] == Choose(0, 30)
    assert [len(change.galaxies) for change in ahead[2:4]] == [UPLOADED_AT_ONCE, 30 - UPLOADED_AT_ONCE]


def test_a_dry_run_tells_all_that_follows_from_an_export_that_waits():
    """What is in a file nobody knows before it is counted, so nothing is assumed of it."""
    waiting = facts(shown(0, "ab"), exports={WORKFLOW: fresh(30, touched=(NOW - 3 * HOUR).isoformat())})
    known = replace(waiting, counted=counted(fresh(30)))
    assert changes_ahead(known, CONFIG) == [FetchExport(WORKFLOW), Count((WORKFLOW,))]
    assert changes_ahead(facts(shown(0, "ab"), exports={}), CONFIG) == [AskExport(WORKFLOW)]


def test_a_dry_run_follows_an_older_set_until_it_is_unlinked():
    old, new = shown(0, "ab", told=True), shown(1, "cd")
    exports = {WORKFLOW: fresh(), "50": fresh(30, touched=(NOW - 3 * HOUR).isoformat(), fetched=None)}
    here = facts(old, new, counted=counted(fresh()), exports=exports, retired=old.subjects)
    assert changes_ahead(here, CONFIG) == [FetchExport("50"), Count(("50",)), Unlink(0)]


def test_a_dry_run_goes_from_a_full_round_to_the_next_ones_link():
    entry = shown(0, "ab")
    full = facts(entry, counted=counted(fresh(), volunteers={"a": 3}), retired=entry.subjects, n=2)
    kinds = [type(change) for change in changes_ahead(full, CONFIG)]
    assert kinds == [Tell, Choose, MakeSet, Upload, Join, Link]


def test_a_dry_run_of_a_reached_budget_stops_and_retires_each_subject_once():
    entry = shown(0, "abcd")
    votes = counted(fresh(), clicks=990.0, pace=10.0, volunteers={"a": 1}, done={"a": FULL})
    ahead = changes_ahead(facts(entry, counted=votes), replace(CONFIG, budget=1000.0, retire_share=1.0))
    assert [type(change) for change in ahead] == [Stop, Retire, Retire]
    assert sorted(subject for change in ahead[1:] for subject in change.subjects) == sorted(entry.subjects)


def test_a_round_is_no_larger_than_the_pool_and_the_account():
    for room, left, most in ((7, 40, 7), (100, 5, 5)):
        assert next_change(facts(RoundFacts(0), exports={}, room=room, left=left), CONFIG) == Choose(0, most)
    assert next_change(facts(RoundFacts(0), exports={}, room=0), CONFIG) is None


def test_nothing_is_changed_while_the_owner_has_something_to_set():
    waiting = facts(RoundFacts(0), wishes=("set this",))
    assert next_change(waiting, CONFIG) is None
    assert changes_ahead(waiting, CONFIG) == []
    assert waits_of(waiting, CONFIG) == ["the loop changes nothing until the project's owner does this: set this"]


@pytest.mark.parametrize(
    ("export", "change"),
    [
        (ExportFacts(), AskExport(WORKFLOW)),
        (fresh(23.9), None),
        (fresh(24.1), AskExport(WORKFLOW)),
        (fresh(24.1, state="creating", ready=False, touched=(NOW - 25 * HOUR).isoformat()), AskExport(WORKFLOW)),
        (fresh(2, state="creating", ready=False), None),
        (fresh(30, touched=(NOW - 3 * HOUR).isoformat()), FetchExport(WORKFLOW)),
        (fresh(30, state="creating", ready=False, touched=(NOW - 3 * HOUR).isoformat()), None),
        (ExportFacts(state="creating", touched=(NOW - 3 * HOUR).isoformat()), None),
        (fresh(25, state="failed", ready=False), AskExport(WORKFLOW)),
    ],
    ids=["never", "yesterday, nearly", "yesterday", "dropped", "in the making", "new file", "another's, now", "another's",
         "failed"],
)  # fmt: skip
def test_an_export_is_asked_for_once_a_day_at_most_and_fetched_when_it_is_new(export, change):
    here = facts(shown(0, "ab"), exports={WORKFLOW: export})
    found = replace(here, counted=counted(export)) if export.fetched else here
    assert next_change(found, CONFIG) == change


def test_no_export_is_asked_for_before_anybody_has_classified():
    assert next_change(facts(shown(0, "ab", met=frozenset()), exports={}), CONFIG) is None


def test_a_file_that_was_not_counted_is_counted_before_anything_else():
    assert next_change(facts(shown(0, "ab"), exports={WORKFLOW: fresh(30)}), CONFIG) == Count((WORKFLOW,))


def test_what_is_done_is_retired_for_its_reason_and_asked_for_again_after_a_while():
    entry = shown(0, "abcdef")
    done = {"a": FULL, "b": Done("consensus", "known well enough"), "c": FULL}
    here = facts(entry, counted=counted(fresh(), done=done), exports={WORKFLOW: fresh()})
    ready = entry.ready
    by_ceiling = Retire("50", (ready["a"], ready["c"]), "classification_count")
    assert next_change(here, CONFIG) == by_ceiling
    assert next_change(here, CONFIG, tried=[by_ceiling]) == Retire("50", (ready["b"],), "consensus")
    asked = replace(here, retiring=dict.fromkeys(ready.values(), NOW - timedelta(minutes=20)))
    assert next_change(asked, CONFIG) is None
    later = replace(here, retiring=dict.fromkeys(ready.values(), NOW - timedelta(minutes=59)))
    assert next_change(later, CONFIG) == by_ceiling
    confirmed = replace(here, retired=frozenset(ready[galaxy] for galaxy in "abc"))
    assert next_change(confirmed, CONFIG) is None


def test_more_than_the_stated_share_is_held_back_whatever_the_reasons():
    done = {"a": FULL, "b": FULL, "c": Done("consensus", "")}
    here = facts(shown(0, "abcde"), counted=counted(fresh(), done=done))
    assert next_change(here, CONFIG) is None
    assert "3 of 5 subjects of round 0 are due to retire, more than 50% at once" in waits_of(here, CONFIG)[0]
    assert isinstance(next_change(here, replace(CONFIG, retire_share=0.6)), Retire)


def test_a_round_is_closed_when_all_are_retired_or_its_time_is_over_and_never_without_votes():
    entry = shown(0, "ab")
    votes = counted(fresh(), volunteers={"a": 3}, done={})
    open_one = facts(entry, counted=votes)
    assert next_change(open_one, CONFIG) is None
    assert next_change(replace(open_one, retired=entry.subjects), CONFIG) == Tell(0)
    long_ago = replace(entry, linked_at=NOW - 15 * DAY)
    assert next_change(facts(long_ago, counted=votes), CONFIG) == Tell(0)
    assert next_change(facts(long_ago, counted=counted(fresh())), CONFIG) is None


def test_a_set_that_somebody_unlinks_by_hand_is_said_and_its_round_is_closed_in_time():
    gone = shown(0, "ab", linked=False, unlinked=True)
    votes = counted(fresh(), volunteers={"a": 3})
    assert next_change(facts(gone, counted=votes), CONFIG) is None
    assert "somebody unlinked the set of round 0 by hand" in waits_of(facts(gone, counted=votes), CONFIG)[0]
    assert next_change(facts(replace(gone, linked_at=NOW - 15 * DAY), counted=votes), CONFIG) == Tell(0)


def test_after_a_round_the_next_one_is_chosen_and_the_older_set_stays_until_the_new_one_is_met():
    old = shown(0, "ab", told=True)
    retired = old.subjects
    between = facts(old, RoundFacts(1), counted=counted(fresh()), retired=retired)
    assert next_change(between, CONFIG) == Choose(1, 30)
    new = shown(1, "cd", met=frozenset())
    unmet = facts(old, new, counted=counted(fresh()), retired=retired)
    assert next_change(unmet, CONFIG) is None
    assert "the set of round 0 stays linked until volunteers have met round 1" in waits_of(unmet, CONFIG)
    met = facts(old, shown(1, "cd"), counted=counted(fresh()), retired=retired)
    assert next_change(met, CONFIG) == AskExport("50")
    own = fresh(2)
    exports = {WORKFLOW: fresh(), "50": replace(own, fetched=None)}
    assert next_change(replace(met, exports=exports), CONFIG) == FetchExport("50")
    exports["50"] = own
    fetched = replace(met, exports=exports)
    assert next_change(fetched, CONFIG, tried=[Count((WORKFLOW,))]) == Count(("50",))
    both = replace(fetched.counted, of={**fetched.counted.of, "50": str(own.fetched)})
    assert next_change(replace(fetched, counted=both), CONFIG) == Unlink(0)
    alone = replace(fetched, counted=both, linked_sets=frozenset({"50"}))
    assert next_change(alone, CONFIG) is None


def test_rounds_that_follow_fast_do_not_keep_an_old_set_linked():
    rounds = shown(0, "ab", told=True), shown(1, "cd", told=True), shown(2, "ef", met=frozenset())
    here = facts(*rounds, counted=counted(fresh()), retired=rounds[0].subjects | rounds[1].subjects)
    assert next_change(here, CONFIG) == AskExport("50")
    assert next_change(here, CONFIG, tried=[AskExport("50")]) is None, "nobody has met what follows round 1"


def test_an_old_sets_export_from_before_this_loop_asked_is_not_its_last_word():
    old, new = shown(0, "ab", told=True), shown(1, "cd")
    before = fresh(100, asked_at=None, fetched=None)
    here = facts(old, new, counted=counted(fresh()), exports={WORKFLOW: fresh(), "50": before}, retired=old.subjects)
    assert next_change(here, CONFIG) == AskExport("50")


def test_the_budget_stops_the_loop_when_late_votes_would_reach_it_and_all_is_retired():
    entry = shown(0, "abcd")
    config = replace(CONFIG, budget=1000.0, retire_share=1.0)
    votes = counted(fresh(), clicks=800.0, pace=99.0, volunteers={"a": 1})
    assert next_change(facts(entry, counted=votes), config) is None
    reached = facts(entry, counted=replace(votes, pace=100.0))
    stop = next_change(reached, config)
    assert isinstance(stop, Stop)
    assert (stop.kind, stop.why[:4]) == ("budget", "800 ")
    assert stop.why == "800 clicks were given and 200 will still arrive, of a budget of 1,000"
    stopped = replace(reached, stopped=stop.why, stopped_at=NOW)
    assert next_change(stopped, config) == Retire("50", tuple(entry.ready.values()), "other")
    retired = replace(stopped, retired=entry.subjects)
    assert next_change(retired, config) == Tell(0)
    closed = replace(retired, rounds=(replace(entry, told=True), RoundFacts(1)), learnt=False)
    assert next_change(closed, config) == Choose(1, 0)
    assert next_change(replace(closed, learnt=True), config) is None


def test_a_stopped_loop_uploads_and_links_nothing_more():
    begun = RoundFacts(0, asked=("a", "b"), subject_set="50")
    assert isinstance(next_change(facts(begun, exports={}), CONFIG), Upload)
    assert next_change(facts(begun, exports={}, stopped="enough", stopped_at=NOW), CONFIG) is None


@pytest.mark.parametrize(
    ("other", "why"), [({"enough": "clicks tell little"}, "clicks tell little"), ({"left": 0}, "every")]
)
def test_the_stopping_rule_and_an_empty_pool_stop_the_loop(other, why):
    stop = next_change(facts(RoundFacts(0), exports={}, **other), CONFIG)
    assert isinstance(stop, Stop)
    assert stop.why.startswith(why)


def test_a_stopped_loop_looks_for_late_votes_for_a_week_or_until_none_come():
    entry = shown(0, "ab", told=True)
    export = fresh(25)
    here = facts(
        entry, RoundFacts(1), counted=counted(export), exports={WORKFLOW: export}, retired=entry.subjects,
        stopped="enough", stopped_at=NOW - DAY,
    )  # fmt: skip
    assert next_change(here, CONFIG) == AskExport(WORKFLOW)
    for ended in (replace(here, quiet=True), replace(here, stopped_at=NOW - 8 * DAY)):
        assert has_ended(ended)
        assert next_change(ended, CONFIG) is None
        assert "the loop has ended" in " ".join(waits_of(ended, CONFIG))
    assert not has_ended(replace(here, quiet=True, retired=frozenset()))


def test_what_failed_is_not_tried_again_in_the_same_step_and_does_not_keep_the_rest_from_being_done():
    here = facts(shown(0, "abcdef"), counted=counted(fresh(30), done={"a": FULL}), exports={WORKFLOW: fresh(30)})
    assert isinstance(next_change(here, CONFIG), Retire)
    assert next_change(here, CONFIG, halted=[Retire]) == AskExport(WORKFLOW)


@pytest.mark.parametrize(
    ("text", "time"),
    [("2026-03-01T10:00:00.000Z", 10), ("2026-03-01 10:00:00 UTC", 10), ("2026-03-01T10:00:00+00:00", 10), ("soon", None),
     (None, None)],
)  # fmt: skip
def test_the_zooniverses_times_are_read(text, time):
    assert when(text) == (None if time is None else datetime(2026, 3, 1, time, tzinfo=UTC))


def test_a_request_of_a_day_ago_may_be_followed_by_another():
    assert may_ask(ExportFacts(), NOW)
    assert not may_ask(ExportFacts(asked_at=NOW - DAY + timedelta(seconds=1)), NOW)
    assert may_ask(ExportFacts(asked_at=NOW - DAY), NOW)


@pytest.mark.parametrize("arms", ["aaaaaarr", "aaaa", "rr", "arrr", "ararararaaaaaaaaaaaa"])
def test_the_random_arm_is_spread_between_those_that_were_acquired(arms):
    table = pd.DataFrame({"rank": range(1, len(arms) + 1), "arm": ["acquired" if a == "a" else "random" for a in arms]})
    numbers = priorities(table)
    assert sorted(numbers) == list(range(1, len(arms) + 1))
    by_number = [arm for _, arm in sorted(zip(numbers, arms, strict=True))]
    gaps = [place for place, arm in enumerate(by_number) if arm == "r"]
    share = len(gaps) / len(arms)
    for seen in range(1, len(arms) + 1):
        assert abs(by_number[:seen].count("r") - share * seen) < 1, "at every place the share of the arm is its own"


@pytest.mark.parametrize(
    "wrong", [{"retire_share": 1.5}, {"round_days": 0.0}, {"budget": -1.0}, {"price": -0.1}], ids=lambda entry: min(entry)
)
def test_an_impossible_number_is_refused(wrong):
    with pytest.raises(WorkspaceError, match=min(wrong)):
        StepConfig(**wrong)
