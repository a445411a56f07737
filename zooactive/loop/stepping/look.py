"""The facts of a step, from the journal and from the Zooniverse now. Looking changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from zooactive.labels.zooniverse.owner import Checked, check_owner
from zooactive.loop.stepping.counting import read_counted
from zooactive.loop.stepping.facts import DAY, WORKFLOW, ExportFacts, Facts, RoundFacts
from zooactive.loop.stepping.intents import Book, Intents
from zooactive.loop.stepping.plan import when
from zooactive.loop.stepping.setting import NAMED, Setting
from zooactive.loop.stopping import stops_at

_CLOCKS = timedelta(minutes=10)
"""The largest difference allowed between this machine's clock and the Zooniverse's."""


def check(setting: Setting, book: Book) -> Checked:
    """Check whether the loop may change anything on the Zooniverse; raise a WorkspaceError if the ids are wrong."""
    there, config = setting.there, setting.config
    found = check_owner(there, live=config.live, prioritized=config.prioritized, ceiling=setting.allocation.ceiling)
    others = []
    for number in sorted(found.linked_sets - set(book.sets.values())):
        name = there.subject_set(number).name
        if name.startswith(NAMED) and not name.startswith(f"{NAMED}{book.mark},"):
            others.append(
                f"'{name}', a set that another loop made, is linked to the workflow; unlink it, or run one loop per workflow"
            )
    return replace(found, wishes=(*found.wishes, *others))


def look(setting: Setting, intents: Intents, checked: Checked) -> Facts:
    """Return all facts known now.

    Parameters
    ----------
    setting : Setting
    intents : Intents
        The journal, which is only read.
    checked : Checked
        The result of `check`. Its sets are the sets that are linked now.
    """
    book, loop, now = intents.book, setting.loop, setting.now()
    linked = checked.linked_sets
    open_sets = {number: made for number, made in book.sets.items() if made in linked}
    asked = [
        subject for number in open_sets for subject in book.ready.get(number, {}).values() if subject not in book.retired
    ]
    found = setting.there.statuses(list(dict.fromkeys(asked))) if asked else {}
    retired = frozenset(book.retired) | {subject for subject, status in found.items() if status.retired}
    met = frozenset(book.met) | {subject for subject, status in found.items() if status.retired or status.classifications}
    rounds = tuple(_round(setting, book, entry.number, linked, met, now) for entry in loop.rounds)
    older = [entry.subject_set for entry in rounds if entry.linked and entry.told and entry.subject_set]
    of = [*([WORKFLOW] if book.linked_at else []), *older]
    never = {galaxy for galaxy, subject in book.subjects.items() if subject in retired}
    here = rounds[-1]
    left, enough = 0 if here.asked else len(loop.left(never)), _enough(setting)
    stop = book.stopped
    holds = {"budget": stop is not None and stop.budget == setting.config.budget, "rule": bool(enough), "pool": not left}
    stop = stop if stop is not None and holds[stop.kind] else None
    return Facts(
        now,
        rounds,
        exports={export: _export(setting, book, export) for export in of},
        counted=read_counted(setting.folder / "counted.json"),
        retired=retired,
        retiring=book.retiring,
        linked_sets=linked,
        wishes=checked.wishes,
        room=checked.room,
        left=left,
        stopped=None if stop is None else stop.why,
        stopped_at=None if stop is None else stop.at,
        enough=enough,
        learnt=loop.rounds[-1].metrics.exists(),
        quiet=book.quiet,
        n=loop.config.n,
    )


def seen(facts: Facts, book: Book) -> dict[str, Sequence[str]]:
    """Return the retired subjects and the subjects that volunteers have met, as far as the journal does not contain them."""
    met = frozenset[str]().union(*(entry.met for entry in facts.rounds))
    return {"retired": sorted(facts.retired - book.retired), "met": sorted(met - book.met)}


def _round(
    setting: Setting, book: Book, number: int, linked: frozenset[str], met: frozenset[str], now: datetime
) -> RoundFacts:
    made, ready = book.sets.get(number), book.ready.get(number, {})
    is_linked = made is not None and made in linked
    began = book.linked_at.get(number, now if is_linked else None)
    begun = made is not None and began is None
    before = {subject for other, known in book.ready.items() if other < number for subject in known.values()}
    if began is not None and now - began < DAY:
        met = met - before  # they were met in an earlier set; after a day, this set has also been seen
    return RoundFacts(
        number,
        asked=book.chosen.get(number, ()),
        told=setting.loop.rounds[-1].number > number,
        subject_set=made,
        ready=ready,
        members=frozenset(setting.there.members(made)) if begun and made is not None else frozenset(),
        linked=is_linked,
        linked_at=began,
        unlinked=began is not None and not is_linked,
        met=met & frozenset(ready.values()),
    )


def _export(setting: Setting, book: Book, of: str) -> ExportFacts:
    """Return what is known of an export; a request without a known answer counts if the export has changed since."""
    there = setting.there.export(None if of == WORKFLOW else of)
    asked, fetched = book.asked.get(of), book.fetched.get(of)
    if there is None:
        heard = asked if book.heard.get(of) else None
        return ExportFacts(heard, fetched=fetched)
    touched = when(there.updated_at)
    if asked is not None and not book.heard.get(of) and (touched is None or touched < asked - _CLOCKS):
        asked = None
    return ExportFacts(asked, there.state, there.ready, there.updated_at, fetched)


def _enough(setting: Setting) -> str | None:
    config = setting.loop.config
    found = stops_at(setting.loop.history(), share=config.stop_share, rounds=config.stop_rounds)
    if found is None:
        return None
    return f"since round {found}, a click brings less than {config.stop_share:.0%} of its information in the best round"
