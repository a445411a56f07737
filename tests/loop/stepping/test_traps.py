"""What each trap of the Zooniverse does to a step: it fails in a line, and the next step goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import warnings
from collections import Counter
from datetime import timedelta

import pandas as pd
import pytest
from small_project import CEILING, ROUND
from zooniverse_stand_in import DAY, WORKFLOW, Fault, Medium

from zooactive.acquisition.selection_files import read_selection
from zooactive.foundation.errors import OutputError, UploadError, WorkspaceError
from zooactive.foundation.locking import held
from zooactive.loop.stepping.intents import Intents
from zooactive.loop.stepping.step import take_step

HOUR = timedelta(hours=1)


def posts(to: str):
    return lambda method, path: method == "POST" and path.endswith(to)


def members_of_the_loop(world) -> list[str]:
    """Galaxies in the set that the loop made, as often as they are there."""
    return sorted(
        world.subjects[subject]["metadata"]["#id"]
        for number, members in world.member.items()
        if number != "900"
        for subject in members
    )


@pytest.fixture
def shown(world, step):
    """Return a function that shows the first round, and lets so many classifications come in."""

    def show(number: int = 60) -> None:
        assert not step().failed
        world.classify(number)

    return show


# Making and linking subjects --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [503, "lost before", "lost after"])
@pytest.mark.parametrize("where", ["/api/subjects", "/api/subject_sets", "/links/subjects", "/links/subject_sets"])
def test_what_fails_or_is_not_heard_is_looked_for_and_done_once(kind, where, world, step):
    world.faults.append(Fault(kind, posts(where)))
    first = step()
    assert len(first.failed) == 1
    world.pass_to(world.now + HOUR)
    second = step()
    assert second.failed == ()
    assert members_of_the_loop(world) == sorted(set(members_of_the_loop(world)))
    assert len(members_of_the_loop(world)) == world.uploaded == ROUND
    assert len(world.sets) == 2
    assert len(world.linked) == 1
    assert set(world.images) == set(world.subjects)
    assert world.never == Counter()


def test_a_subject_that_was_made_and_not_heard_of_gets_its_image_when_it_is_found(world, step):
    world.faults.append(Fault("lost after", posts("/api/subjects")))
    step()
    assert (world.uploaded, world.images) == (1, {})
    step()
    assert world.calls["PUT /api/subjects/N"] == 1
    assert set(world.images) == set(world.subjects)
    assert world.uploaded == ROUND


def test_a_stale_set_or_workflow_is_tried_again_by_the_next_step(world, step):
    for where in ("/links/subjects", "/links/subject_sets"):
        world.faults.append(Fault(409, posts(where), said="Attempted to update a stale object: SubjectSet."))
        assert "409: Attempted to update a stale object" in step().failed[0]
    assert step().failed == ()
    assert len(world.linked) == 1


def test_an_account_that_is_full_says_so_and_goes_on_when_its_limit_is_raised(world, step):
    world.limit = ROUND
    world.faults.append(
        Fault(403, lambda method, path: posts("/api/subjects")(method, path) and world.uploaded >= 5, said="full")
    )
    failed = step().failed
    assert "403: full" in failed[0]
    assert (world.uploaded, world.linked) == (5, [])
    assert step().failed == ()
    assert (world.uploaded, len(world.linked)) == (ROUND, 1)


def test_no_more_galaxies_are_chosen_than_the_account_may_upload(world, step, begin):
    world.limit = 5
    assert step().failed == ()
    assert world.uploaded == 5
    assert len(read_selection(begin().loop.rounds[0].selection)) == 5
    world.limit = 0


def test_an_account_without_room_waits(world, step):
    world.limit = 0
    done = step()
    assert done.done == ()
    assert "has reached its upload limit (deleted subjects count)" in done.waits[0]


def test_a_set_whose_name_is_taken_is_the_one_that_was_made(world, step):
    world.faults.append(Fault("lost after", posts("/api/subject_sets")))
    assert "the request may have been carried out" in step().failed[0]
    taken = list(world.sets)
    world.faults.append(Fault(422, posts("/api/subject_sets"), said="Display name has already been taken"))
    assert step().failed == ()
    assert list(world.sets) == taken


def test_a_name_that_is_taken_between_the_look_and_the_request_is_found(world, begin):
    setting = begin()
    made = setting.there.make_set("zooactive x, round 0")
    assert setting.there.make_set("zooactive x, round 0") == made
    world.faults.append(Fault(422, posts("/api/subject_sets"), said="too long"))
    with pytest.raises(UploadError, match="422: too long"):
        setting.there.make_set("zooactive x, round 1")


def test_a_subject_is_renewed_with_the_mark_of_its_version_and_never_without_its_image(world, begin):
    there = begin().there
    number, _ = there.make_subject("image/jpeg", {"#id": "g1"})
    link = there.renew_subject(number, "image/jpeg", {"#id": "g1", "#priority": "3"})
    there.send_image(link, b"jpeg", "image/jpeg")
    assert world.images[number] == b"jpeg"
    assert world.subjects[number]["metadata"]["#priority"] == "3"
    world.faults.append(Fault(428, lambda method, path: method == "PUT", said="Request requires If-Match header"))
    with pytest.raises(UploadError, match="428"):
        there.renew_subject(number, "image/jpeg", {})
    world.subjects[number]["links"]["project"] = "8"
    with pytest.raises(UploadError, match="another project; it was not changed"):
        there.renew_subject(number, "image/jpeg", {})


def test_a_set_of_another_project_is_not_linked_and_the_last_one_not_unlinked(world, step, begin):
    step()
    there = begin().there
    world.sets["800"] = {"id": "800", "display_name": "foreign", "project": "8"}
    with pytest.raises(UploadError, match="another project; it was not linked"):
        there.link("800")
    with pytest.raises(UploadError, match="the workflow's last one"):
        there.unlink(world.linked[0])
    assert world.never == Counter()


def test_a_step_that_is_killed_while_it_uploads_is_gone_on_with(world, step, begin):
    world.faults.append(Fault(503, posts("/api/subjects")))
    assert step().failed  # all that is left to do is to upload
    setting = begin()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, from Python 3.12
        child = os.fork()
    if not child:
        take_step(setting)
        os._exit(0)
    world.on_subject = lambda number: os.kill(child, signal.SIGKILL) if number == 7 else None
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with world.lock:
        assert world.uploaded == 7
    assert step().failed == ()
    assert len(members_of_the_loop(world)) == world.uploaded == ROUND
    assert world.never == Counter()


@pytest.mark.parametrize("prioritized", [False, True])
def test_a_galaxy_that_is_asked_for_again_keeps_its_subject(prioritized, world, step, begin):
    world.workflow["prioritized"] = prioritized
    entries = {"only": 20 + ROUND, "round_days": 2.0, "prioritized": prioritized}  # as many as one round shows
    assert step(**entries).failed == ()
    world.classify(30)
    for _ in range(4):
        step(**entries)
        world.pass_to(world.now + DAY / 2)
    assert step(**entries).failed == ()
    again = set(begin(**entries).loop.ask()["id"])
    assert len(again) > 6, "with few votes they stay in the pool"
    assert world.uploaded == ROUND
    old, new = (number for number, _ in world.links_made)
    assert set(world.member[new]) <= set(world.member[old])
    assert {world.subjects[subject]["metadata"]["#id"] for subject in world.member[new]} == again
    assert set(world.images) == set(world.subjects)
    if prioritized:
        assert sorted(world.member[new].values()) == list(range(1, len(again) + 1)), "numbers of the new round"
    assert world.calls["PUT /api/subjects/N"] == (len(again) if prioritized else 0)
    asked = "POST /api/subject_sets/N/classifications_export"
    assert world.calls[asked] == 0, "that its subjects were classified says nothing of the new set"
    world.pass_to(world.now + DAY)
    step(**entries)
    world.pass_to(world.now + DAY)
    step(**entries)
    assert [number for number, _ in world.unlinks_made] == [old]
    assert world.never == Counter()


# Exports ----------------------------------------------------------------------------------------------------------------


def test_an_export_that_is_dropped_after_a_yes_is_waited_for_and_asked_for_again_after_a_day(world, step, shown):
    shown()
    # Somebody's job was accepted half a day ago and died, and nothing of it is to be seen.
    medium = Medium("failed", updated_at=world.now - 2 * DAY, accepted_at=world.now - DAY / 2)
    world.media["workflows", WORKFLOW] = medium
    assert any("ask for the export" in line for line in step().done)
    for _ in range(20):
        world.pass_to(world.now + HOUR)
        done = step()
        assert not any("export" in line for line in done.done)
    assert any("or was dropped; its state 'creating' can mean either" in line for line in done.waits)
    world.pass_to(world.now + 5 * HOUR)
    assert any("ask for the export" in line for line in step().done)
    world.pass_to(world.now + 6 * HOUR)
    assert any(line.startswith("count the votes") for line in step().done)
    assert len(medium.asked) == 2
    assert world.never == Counter()


def test_the_export_that_somebody_else_asked_for_is_taken_and_none_is_asked_for(world, step, shown):
    shown()
    world.others_ask_export()
    world.pass_to(world.now + 2 * HOUR)
    done = step().done
    assert [line.split(" ")[0] for line in done[:2]] == ["fetch", "count"]
    assert world.media["workflows", WORKFLOW].asked == []


def test_a_link_that_has_expired_leaves_the_old_file_and_the_next_step_takes_a_new_one(world, step, shown, begin):
    shown()
    step()
    world.pass_to(world.now + 6 * HOUR)
    world.dead_links = 2  # of the look, and of the fetch
    failed = step().failed
    assert "403: the link has expired" in failed[0]
    assert not (begin().folder / "exports" / "workflow.csv").exists()
    assert step().failed == ()
    assert (begin().folder / "votes.csv").exists()


def test_half_a_file_is_no_file(world, step, shown, begin):
    shown()
    step()
    world.pass_to(world.now + 6 * HOUR)
    world.cut_files = 1
    assert "ends in the middle of a row" in step().failed[0]
    assert step().failed == ()
    assert (begin().folder / "exports" / "workflow.csv").exists()


def test_rows_with_signs_at_which_lines_are_cut_are_whole(world, step, shown, begin):
    shown()
    step()
    world.pass_to(world.now + 6 * HOUR)
    step()
    content = (begin().folder / "exports" / "workflow.csv").read_bytes()
    assert content == world.media["workflows", WORKFLOW].file
    assert "\u2028" in content.decode()
    assert "\x85" in content.decode()
    votes = pd.read_csv(begin().folder / "votes.csv", dtype={"id": str}).set_index("id")
    assert {galaxy: row.tolist() for galaxy, row in world.votes().items()} == {
        galaxy: row.tolist() for galaxy, row in votes[list(world.tree.columns)].iterrows()
    }


def test_an_export_that_ends_before_the_one_that_is_here_does_not_take_its_place(world, step, shown, begin):
    shown()
    step()
    world.pass_to(world.now + 6 * HOUR)
    step()
    before = (begin().folder / "exports" / "workflow.csv").read_bytes()
    world.lag = timedelta(days=3)  # the replica that it is made from hangs behind
    failed = []
    for _ in range(32):
        world.classify(1)
        failed += step().failed
    assert [line.partition(": ")[2] for line in failed] == [
        "the new export of workflow ends earlier than the file here; the file here is kept"
    ], "it is fetched once"
    assert (begin().folder / "exports" / "workflow.csv").read_bytes() == before
    world.lag = timedelta(0)
    for _ in range(40):
        world.classify(1)
        step()
    assert len((begin().folder / "exports" / "workflow.csv").read_bytes()) > len(before)
    assert world.never == Counter()


def test_an_export_whose_job_died_is_asked_for_again_after_a_day(world, step, shown):
    shown()
    world.jobs_fail = 1.0
    for _ in range(24):
        step()
        world.pass_to(world.now + HOUR)
    assert len(world.media["workflows", WORKFLOW].asked) == 1
    world.jobs_fail = 0.0
    for _ in range(10):
        step()
        world.pass_to(world.now + HOUR)
    assert len(world.media["workflows", WORKFLOW].asked) == 2
    assert world.media["workflows", WORKFLOW].state == "ready"


@pytest.mark.parametrize("kind", [503, "lost before", "lost after"])
def test_a_request_for_an_export_that_fails_is_made_once_a_day_at_most(kind, world, step, shown):
    shown()
    asked_at = world.now
    world.faults.append(Fault(kind, posts("/classifications_export")))
    assert len(step().failed) == 1
    for _ in range(20):
        world.pass_to(world.now + HOUR)
        assert step().failed == ()
    heard = kind == "lost after"
    assert world.media["workflows", WORKFLOW].asked == [asked_at if heard else asked_at + HOUR]
    assert world.never == Counter()


def test_a_request_that_never_arrived_is_made_again_although_an_older_export_is_there(world, step, shown):
    shown()
    step()
    world.pass_to(world.now + 6 * HOUR)
    step()
    world.pass_to(world.now + 26 * HOUR)
    world.faults.append(Fault("lost before", posts("/classifications_export")))
    assert len(step().failed) == 1
    world.pass_to(world.now + HOUR)
    assert any("ask for the export of the workflow" in line for line in step().done)
    assert len(world.media["workflows", WORKFLOW].asked) == 2


def test_what_is_no_export_is_refused_and_the_old_votes_stay(world, step, shown, begin):
    shown()
    step()
    world.pass_to(world.now + 6 * HOUR)
    world.media["workflows", WORKFLOW].file = b"<?xml version='1.0'?><Error/>\n"
    assert "no column classification_id" in step().failed[0]
    assert not (begin().folder / "exports" / "workflow.csv").exists()


# Retiring ---------------------------------------------------------------------------------------------------------------


def _counted(world, step) -> None:
    """Ask for an export and wait for it."""
    step()
    world.pass_to(world.now + 6 * HOUR)


def test_subjects_at_the_ceiling_are_retired_and_confirmed_by_their_status(world, step, shown, begin):
    shown(400)
    _counted(world, step)
    done = step().done
    assert any(line.startswith("retire") for line in done)
    retired = lambda: {number for number, entry in world.status.items() if entry["retired_at"]}  # noqa: E731
    assert retired() == set()  # it is queued there
    assert any("0 of 12 subjects are done" in line for line in step().waits)
    assert world.calls["POST /api/workflows/N/retired_subjects"] == 1
    world.pass_to(world.now + HOUR)
    step()
    root = {galaxy: row[:3].sum() for galaxy, row in world.votes().items()}
    full = {n for n, entry in world.subjects.items() if root.get(entry["metadata"]["#id"], 0) >= CEILING}
    assert retired() == full
    assert full <= Intents(begin().folder).book.retired


@pytest.mark.parametrize("kind", [503, "lost before", "lost after"])
def test_an_order_to_retire_that_is_not_heard_is_given_again(kind, world, step, shown):
    shown(400)
    _counted(world, step)
    world.faults.append(Fault(kind, posts("/retired_subjects")))
    assert len(step().failed) == 1
    for _ in range(3):
        world.pass_to(world.now + HOUR)
        assert step().failed == ()
    assert all(entry["retired_at"] for entry in world.status.values())


def test_more_than_the_stated_share_of_a_set_waits_for_a_persons_word(world, step, shown):
    world.stated_share = 0.5
    shown(400)
    step(retire_share=0.5)
    world.pass_to(world.now + 6 * HOUR)
    waiting = step(retire_share=0.5)
    assert not any(line.startswith("retire") for line in waiting.done)
    assert "are due to retire, more than 50% at once; a person must confirm" in waiting.waits[0]
    assert "--retire-share 1" in waiting.waits[0]
    assert world.calls["POST /api/workflows/N/retired_subjects"] == 0
    assert any(line.startswith("retire") for line in step(retire_share=1.0).done)
    assert world.never == {"more than the stated share of a set was retired in one step": 1}  # the stand-in heard no word


# Before anything is changed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda w: w.workflow.update(retirement={"criteria": "classification_count", "options": {"count": 5}}), "after 5"),
        (lambda w: w.workflow.update(prioritized=True), "the workflow is prioritized"),
        (lambda w: w.workflow.update(active=False), "not active, so nobody is shown anything"),
        (lambda w: w.project.update(live=False), "the project is not live"),
        (lambda w: _link_anothers(w), "'zooactive 0000, round 3', a set that another loop made"),
    ],
    ids=["a count below the ceiling", "prioritized", "inactive", "not live", "another loop"],
)
def test_what_the_owner_must_set_is_said_and_nothing_is_changed(spoil, said, world, step):
    spoil(world)
    done = step()
    assert done.done == ()
    assert said in done.waits[0]
    assert {call.split(" ")[0] for call in world.calls} == {"GET"}


def _link_anothers(world) -> None:
    world.sets["950"] = {"id": "950", "display_name": "zooactive 0000, round 3", "project": "7"}
    world.member["950"], world.linked = {}, ["950"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda w: setattr(w, "belongs", "8"), "belongs to project 8, not to 7"),
        (lambda w: setattr(w, "roles", ["translator"]), "neither owner nor collaborator"),
    ],
)
def test_a_wrong_project_or_person_ends_the_step(spoil, said, world, step):
    spoil(world)
    with pytest.raises(WorkspaceError, match=said):
        step()
    assert {call.split(" ")[0] for call in world.calls} == {"GET"}


def test_two_steps_do_not_run_side_by_side(step, begin):
    import threading

    with held(begin().folder):
        found: list[BaseException] = []

        def other() -> None:
            try:
                step()
            except OutputError as error:
                found.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "is in use by process" in str(found[0])


def test_a_dry_run_says_every_change_and_makes_none(world, begin, step):
    ahead = take_step(begin(), dry_run=True)
    assert {call.split(" ")[0] for call in world.calls} == {"GET"}
    assert [line.split(" ")[0] for line in ahead.done] == ["train", "make", "upload", "put", "link"]
    assert not (begin().loop.folder / "round-000").exists()
    done = step()
    assert [line.split(":")[0] for line in done.done] == [line.split(":")[0] for line in ahead.done]


def test_neither_names_nor_links_nor_secrets_stand_in_what_a_loop_writes(world, step, shown, begin):
    shown(300)
    lines = []
    for _ in range(8):
        done = step()
        lines += [*done.done, *done.failed, *done.waits]
        world.classify(2)
    folder = begin().loop.folder
    texts = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.parent.name != "exports"} | {
        None: "\n".join(lines).encode()
    }
    for word in (b"s3cret", b"t0ken", b"sig=", b"volunteer-", b"not-logged-in"):
        assert [file for file, content in texts.items() if word in content] == []


# Priorities -------------------------------------------------------------------------------------------------------------


def test_subjects_of_a_prioritized_workflow_come_in_the_order_of_the_selection_with_the_random_arm_between(
    world, step, begin
):
    world.workflow["prioritized"] = True
    assert step(prioritized=True).failed == ()
    selection = read_selection(begin().loop.rounds[0].selection)
    arm = dict(zip(selection["id"], selection["arm"], strict=True))
    rank = dict(zip(selection["id"], selection["rank"].astype(int), strict=True))
    (number,) = world.linked
    priority = {world.subjects[s]["metadata"]["#id"]: p for s, p in world.member[number].items()}
    assert sorted(priority.values()) == list(range(1, ROUND + 1))
    order = sorted(priority, key=priority.__getitem__)
    acquired = [rank[galaxy] for galaxy in order if arm[galaxy] == "acquired"]
    assert acquired == sorted(acquired)
    places = [place for place, galaxy in enumerate(order) if arm[galaxy] == "random"]
    assert places == [1, 5, 9] or places == [2, 6, 10] or places == [1, 6, 10]
    world.classify(1)
    assert world.classifications[0]["galaxy"] == order[0]


def test_the_journal_says_what_was_meant_before_and_what_came_of_it(step, begin):
    step()
    lines = [json.loads(line) for line in (begin().folder / "journal.jsonl").read_text().splitlines()]
    sets = [line["state"] for line in lines if line["do"] == "set"]
    assert sets == ["intent", "done"]
    subjects = [(line["galaxy"], line["state"]) for line in lines if line["do"] == "subject"]
    assert len(subjects) == 2 * ROUND
    assert all(subjects[i][0] == subjects[i + 1][0] for i in range(0, len(subjects), 2))
    assert {state for _, state in subjects[::2]} == {"intent"}
