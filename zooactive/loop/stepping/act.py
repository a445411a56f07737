"""The execution of a change: write the intent, make the call, and write the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import UploadError
from zooactive.foundation.spelling import from_spreadsheet, read_csv
from zooactive.labels.retirement import STOP_AT
from zooactive.labels.subjects import IMAGE, manifest_rows, write_subjects
from zooactive.labels.zooniverse.calls import MARK
from zooactive.labels.zooniverse.session import Refused
from zooactive.loop.stepping.changes import (
    AskExport,
    Change,
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
from zooactive.loop.stepping.counting import count_exports, judge, newest_in
from zooactive.loop.stepping.facts import WORKFLOW, Facts
from zooactive.loop.stepping.intents import Intents
from zooactive.loop.stepping.priorities import priorities
from zooactive.loop.stepping.setting import Setting

_KINDS = {".png": "image/png", ".jpg": "image/jpeg"}


def act(setting: Setting, intents: Intents, facts: Facts, change: Change) -> None:
    """Make one change.

    Raises
    ------
    UploadError
        When the Zooniverse refuses a request or does not answer. The next look finds out what was done.
    ZooactiveError
        When a fetched file cannot be read, or there are no galaxies to train on.
    """
    match change:
        case AskExport(of):
            _noted(setting, intents, "ask", partial(setting.there.ask_export, _set(of)), of=of)
        case FetchExport(of):
            _fetch(setting, intents, of)
        case Count():
            _count(setting, intents, facts)
        case Stop(kind, why):
            intents.write(setting.now(), "stop", "done", kind=kind, why=why, budget=setting.config.budget)
        case Retire(_, subjects, reason):
            retire = partial(setting.there.retire, subjects, reason)
            _noted(setting, intents, "retire", retire, subjects=list(subjects), reason=reason)
        case Tell(number):
            setting.loop.tell(read_csv(setting.folder / "votes.csv").pipe(_numbers))
            intents.write(setting.now(), "tell", "done", round=number)
        case Choose(number, most):
            _choose(setting, intents, facts, number, most)
        case _:
            _build(setting, intents, facts, change)


def _build(setting: Setting, intents: Intents, facts: Facts, change: Change) -> None:
    """Make a part of a round's set, or link or unlink the set."""
    sets = intents.book.sets
    match change:
        case MakeSet(number):
            _make_set(setting, intents, number)
        case Upload(number, galaxies):
            _upload(setting, intents, number, galaxies)
        case Join(number, subjects):
            join = partial(setting.there.join, sets[number], subjects)
            _noted(setting, intents, "join", join, round=number, subjects=list(subjects))
        case Link(number):
            _noted(setting, intents, "link", partial(setting.there.link, sets[number]), round=number, set=sets[number])
        case Unlink(number):
            _noted(setting, intents, "unlink", partial(setting.there.unlink, sets[number]), round=number, set=sets[number])


def _noted(setting: Setting, intents: Intents, do: str, call: Callable[[], None], **values: Any) -> None:
    intents.write(setting.now(), do, "intent", **values)
    call()
    intents.write(setting.now(), do, "done", **values)


def _set(of: str) -> str | None:
    return None if of == WORKFLOW else of


# Exports and votes -------------------------------------------------------------------------------------------------------


def _fetch(setting: Setting, intents: Intents, of: str) -> None:
    """Fetch an export next to the file here, and replace that file unless the new one is older or not an export."""
    file = setting.file_of(of)
    new = file.with_suffix(".new")
    touched = setting.there.fetch_export(_set(of), new)
    try:
        newest, held = newest_in(new), intents.book.newest.get(of)
        older = held is not None and (newest is None or newest < held)
        if not older:
            new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    last = held if older else newest
    written = {"of": of, "touched": touched, "newest": None if last is None else last.isoformat()}
    intents.write(setting.now(), "fetch", "done", **written)  # also of an older file, so that it is not fetched again
    if older:
        raise UploadError(f"the new export of {of} ends earlier than the file here; the file here is kept")


def _count(setting: Setting, intents: Intents, facts: Facts) -> None:
    book = intents.book
    files = {of: setting.file_of(of) for of in book.fetched if setting.file_of(of).exists()}
    assert book.began is not None

    def judged(votes: Any) -> dict[str, Any]:
        done: dict[str, Any] = {}
        for entry in facts.shown:
            done |= judge(setting.loop, entry.number, list(entry.ready), votes, setting.allocation, setting.config.price)
        return done

    of = {export: book.fetched[export] for export in files}
    count_exports(setting.folder, files, of, setting.wording, since=book.began, judged=judged)


def _numbers(votes: Any) -> Any:
    return votes.assign(**{name: votes[name].astype(float) for name in votes.columns if name != "id"})


# A round's set -----------------------------------------------------------------------------------------------------------


def _choose(setting: Setting, intents: Intents, facts: Facts, number: int, most: int) -> None:
    loop = setting.loop
    if not most:
        loop.learn()
        return
    never = {galaxy for galaxy, subject in intents.book.subjects.items() if subject in facts.retired}
    usual = loop.config
    try:
        loop.config = replace(usual, n=most)
        selection = loop.ask(exclude=never)
    finally:
        loop.config = usual
    hidden: dict[str, Any] = {STOP_AT[1:]: setting.allocation.ceiling, MARK[1:]: intents.book.mark}
    if setting.config.prioritized:
        hidden["priority"] = priorities(selection)
    how = setting.shown
    write_subjects(
        selection.assign(**hidden),
        loop.galaxies if setting.pictures is None else setting.pictures(),
        setting.subjects_of(number),
        side=how.side,
        credit=how.credit,
        licence=how.licence,
        columns=how.columns,
        seen=how.seen,
    )
    galaxies = list(_rows(setting, number))
    intents.write(setting.now(), "choose", "done", round=number, galaxies=galaxies)


def _make_set(setting: Setting, intents: Intents, number: int) -> None:
    name = setting.set_name(intents, number)
    intents.write(setting.now(), "set", "intent", round=number, name=name)
    found = setting.there.find_set(name)
    made = setting.there.make_set(name) if found is None else found.id
    intents.write(setting.now(), "set", "done", round=number, set=made)


def _upload(setting: Setting, intents: Intents, number: int, galaxies: tuple[str, ...]) -> None:
    """Make subjects one by one; if a subject may already exist, search the project for it first."""
    book, folder = intents.book, setting.subjects_of(number)
    rows = _rows(setting, number)
    found = setting.there.made_by(book.mark) if book.unsure.intersection(galaxies) else {}
    pictured = {galaxy for known in book.ready.values() for galaxy in known}
    for galaxy in galaxies:
        image = folder / "images" / rows[galaxy][IMAGE]
        if galaxy not in book.subjects and galaxy in found:
            intents.write(setting.now(), "subject", "done", galaxy=galaxy, subject=found[galaxy])
        if galaxy not in book.subjects:
            link = _made(setting, intents, galaxy, image, rows[galaxy])
        elif galaxy not in pictured or setting.config.prioritized:
            link = setting.there.renew_subject(book.subjects[galaxy], _KINDS[image.suffix], rows[galaxy])
        else:
            link = None
        if link is not None:
            setting.there.send_image(link, image.read_bytes(), _KINDS[image.suffix])
        intents.write(setting.now(), "image", "done", round=number, galaxy=galaxy, subject=book.subjects[galaxy])


def _rows(setting: Setting, number: int) -> dict[str, dict[str, str]]:
    """Return galaxy -> its row in the manifest of a round."""
    return {from_spreadsheet(row["#id"]): row for row in manifest_rows(setting.subjects_of(number))}


def _made(setting: Setting, intents: Intents, galaxy: str, image: Path, metadata: dict[str, str]) -> str:
    intents.write(setting.now(), "subject", "intent", galaxy=galaxy)
    try:
        subject, link = setting.there.make_subject(_KINDS[image.suffix], metadata)
    except Refused as error:
        if error.status < 500:  # with a status of 500 or more, the subject may exist
            intents.write(setting.now(), "subject", "failed", galaxy=galaxy)
        raise
    intents.write(setting.now(), "subject", "done", galaxy=galaxy, subject=subject)
    return link
