"""One step of a loop that runs by itself: do what can be done now, say what the loop waits for, and end."""

from __future__ import annotations

from dataclasses import dataclass, replace

from zooactive.foundation.errors import ZooactiveError
from zooactive.foundation.locking import held
from zooactive.foundation.telling import Tell, silent
from zooactive.loop.stepping.act import act
from zooactive.loop.stepping.changes import Change, Link, Unlink
from zooactive.loop.stepping.facts import Facts
from zooactive.loop.stepping.intents import Intents
from zooactive.loop.stepping.look import check, look, seen
from zooactive.loop.stepping.plan import changes_ahead, next_change, waits_of
from zooactive.loop.stepping.setting import Setting

_MOST = 10_000
"""A limit to the changes in one step, which no step reaches."""


@dataclass(frozen=True)
class Step:
    """The result of one step, in lines.

    Parameters
    ----------
    done : tuple of str
        The changes made, or in a dry run the changes that the step would make.
    failed : tuple of str
        The changes that failed, and why. The next step tries them again.
    waits : tuple of str
        What the loop waits for.
    """

    done: tuple[str, ...]
    failed: tuple[str, ...]
    waits: tuple[str, ...]


def take_step(setting: Setting, *, dry_run: bool = False, tell: Tell = silent) -> Step:
    """Make every change that can be made now, and end.

    If a step is killed, the next one finds out what was done and resumes there. Two steps on one workflow never run at the
    same time.

    Parameters
    ----------
    setting : Setting
    dry_run : bool
        Return every change without making it.
    tell : callable
        Receives each change when it is made.

    Raises
    ------
    OutputError
        When another step is running.
    WorkspaceError
        When the workflow does not belong to the project, or the account has no role in the project.
    UploadError
        When the Zooniverse does not answer a request.
    """
    with held(setting.folder), held(setting.lock or setting.folder):
        intents = Intents(setting.folder)
        try:
            return _looked(setting, intents) if dry_run else _taken(setting, intents, tell)
        finally:
            intents.close()


def _looked(setting: Setting, intents: Intents) -> Step:
    facts = look(setting, intents, check(setting, intents.book))
    ahead = changes_ahead(facts, setting.config)
    return Step(tuple(change.said() for change in ahead), (), tuple(waits_of(facts, setting.config)))


def _taken(setting: Setting, intents: Intents, tell: Tell) -> Step:
    tell(f"step of {setting.now():%d %B %Y, %H:%M} UTC")
    intents.begin(setting.now())
    checked = check(setting, intents.book)
    tried: list[Change] = []
    halted, done, failed = set[type](), list[str](), list[str]()
    while len(tried) < _MOST:
        facts = _noticed(setting, intents, look(setting, intents, checked))
        change = next_change(facts, setting.config, tried=tried, halted=halted)
        if change is None:
            return Step(tuple(done), tuple(failed), tuple(waits_of(facts, setting.config)))
        tried.append(change)
        try:
            act(setting, intents, facts, change)
        except ZooactiveError as error:
            halted.add(type(change))
            failed.append(f"{change.said()}: {error}")
            tell(f"failed: {failed[-1]}")
        else:
            done.append(change.said())
            tell(done[-1])
        if isinstance(change, Link | Unlink):
            checked = replace(checked, linked_sets=frozenset(setting.there.linked_sets()))
    raise AssertionError("the step does not end")


def _noticed(setting: Setting, intents: Intents, facts: Facts) -> Facts:
    """Write down what the look found that the journal does not contain."""
    book = intents.book
    for entry in facts.rounds:
        if entry.linked and entry.number not in book.linked_at:
            intents.write(setting.now(), "link", "done", round=entry.number, set=entry.subject_set)
    found = seen(facts, book)
    if any(found.values()):
        intents.write(setting.now(), "seen", "done", **found)
    return facts
