"""The next change, decided from facts alone: this module sends no request and changes nothing.

The order loses no votes. Votes are fetched and counted before a subject is retired. A round is closed before the next one is
chosen. A new set is complete before it is linked, and volunteers have met it before an older set is unlinked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from zooactive.loop.stepping.changes import (
    UNCHOSEN,
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
from zooactive.loop.stepping.config import StepConfig
from zooactive.loop.stepping.facts import DAY, LAST_LOOKS, LATE_DAYS, SOON, WORKFLOW, ExportFacts, Facts, RoundFacts

UPLOADED_AT_ONCE = 25
"""The number of subjects uploaded between two looks at the Zooniverse."""


def next_change(
    facts: Facts,
    config: StepConfig,
    *,
    tried: Collection[Change] = (),
    halted: Collection[type] = (),
) -> Change | None:
    """Return the first possible change that was not tried yet, or None if the loop can only wait.

    Parameters
    ----------
    facts : Facts
    config : StepConfig
    tried : collection of Change
        The changes that this step has tried.
    halted : collection of type
        The kinds of changes that have failed in this step.
    """
    if facts.wishes:
        return None
    return next((change for change in _changes(facts, config) if change not in tried and type(change) not in halted), None)


def _changes(facts: Facts, config: StepConfig) -> Iterator[Change]:
    """Yield all changes that could be made now, the most urgent first."""
    if facts.export(WORKFLOW).waiting:
        yield FetchExport(WORKFLOW)
    if new := [of for of, export in facts.exports.items() if export.fetched and facts.counted.of.get(of) != export.fetched]:
        yield Count(tuple(new))
    if facts.stopped is None and (stop := _stop(facts, config)):
        yield stop
    for entry in facts.shown:
        if not _held_back(entry, facts, config):
            yield from _retirements(entry, facts)
    if _wants_export(facts) and may_ask(facts.export(WORKFLOW), facts.now):
        yield AskExport(WORKFLOW)
    if _is_over(facts.here, facts, config):
        yield Tell(facts.here.number)
    yield from _next_round(facts)
    yield from _older_sets(facts)


def waits_of(facts: Facts, config: StepConfig) -> list[str]:
    """Return what the loop waits for, one sentence each; the requests to the project's owner come first."""
    if facts.wishes:
        return [f"the loop changes nothing until the project's owner does this: {wish}" for wish in facts.wishes]
    waits = [said for entry in facts.shown if (said := _held_back(entry, facts, config))]
    export = facts.export(WORKFLOW)
    if export.asked_at is not None and not export.ready:
        waits.append(
            f"the workflow's export of {export.asked_at:%d %B %H:%M} is being made or was dropped; its state "
            f"'{export.state}' can mean either; the loop asks for it again after a day"
        )
    here = facts.here
    if facts.stopped:
        waits.append(f"the loop asks for no more galaxies: {facts.stopped}")
        if has_ended(facts):
            waits.append("every subject is retired, and new votes have almost ceased: the loop has ended")
    elif here.linked and not here.told:
        waits.append(
            f"round {here.number}: {len(here.subjects & facts.retired)} of {len(here.subjects)} subjects are done, "
            f"{len(here.met)} were classified"
        )
    elif here.unlinked and not here.told:
        waits.append(
            f"somebody unlinked the set of round {here.number} by hand; the round is closed after {config.round_days:g} days"
        )
    elif not here.asked and not facts.room:
        waits.append(
            "the account has reached its upload limit (deleted subjects count); contact@zooniverse.org can raise the limit"
        )
    for entry in facts.shown:
        if facts.newest is not None and entry.number < facts.newest.number:
            met = _is_followed(entry, facts)
            until = "its own export is here" if met else f"volunteers have met round {facts.newest.number}"
            waits.append(f"the set of round {entry.number} stays linked until {until}")
    if config.budget is not None:
        counted = facts.counted
        waits.append(f"{counted.clicks:,.0f} of {config.budget:,.0f} clicks were given, {counted.pace:,.0f} a day")
    return waits


def may_ask(export: ExportFacts, now: datetime) -> bool:
    """Return whether the Zooniverse would accept a request for an export: it takes one within a day."""
    if export.asked_at is not None and now - export.asked_at < DAY:
        return False
    touched = when(export.touched)
    return touched is None or now - touched >= DAY


def has_ended(facts: Facts) -> bool:
    """Return whether nothing is left to do: all subjects are retired, and the last export was quiet or a week has passed."""
    if facts.stopped_at is None or not all(entry.subjects <= facts.retired for entry in facts.shown):
        return False
    return facts.quiet or facts.now - facts.stopped_at > LAST_LOOKS


def when(text: str | None) -> datetime | None:
    """Return a time written by the Zooniverse, or None if the text is not a time."""
    try:
        found = datetime.fromisoformat((text or "").replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


# Parts of the order ------------------------------------------------------------------------------------------------------


def _stop(facts: Facts, config: StepConfig) -> Stop | None:
    counted = facts.counted
    if config.budget is not None:
        late = LATE_DAYS * counted.pace
        if counted.clicks + late >= config.budget and counted.of:
            given = f"{counted.clicks:,.0f} clicks were given and {late:,.0f} will still arrive"
            return Stop("budget", f"{given}, of a budget of {config.budget:,.0f}")
    if facts.enough:
        return Stop("rule", facts.enough)
    return Stop("pool", "every galaxy has its votes") if not facts.left and not facts.here.asked else None


def _due(entry: RoundFacts, facts: Facts) -> dict[str, str]:
    """Return subject -> reason for those of a round that should be retired and are not."""
    due = {}
    for galaxy, subject in entry.ready.items():
        known = facts.counted.done.get(galaxy)
        if subject not in facts.retired and (known or facts.stopped):
            due[subject] = known.reason if known else "other"
    return due


def _held_back(entry: RoundFacts, facts: Facts, config: StepConfig) -> str | None:
    """Return why a round's subjects are not retired, if too many are due at once."""
    due, size = len(_due(entry, facts)), len(entry.subjects)
    if due <= config.retire_share * size:
        return None
    return (
        f"{due} of {size} subjects of round {entry.number} are due to retire, more than {config.retire_share:.0%} at once; "
        "a person must confirm: look at them, then run `zooactive loop step --retire-share 1`"
    )


def _retirements(entry: RoundFacts, facts: Facts) -> Iterator[Change]:
    reasons: dict[str, list[str]] = {}
    for subject, reason in _due(entry, facts).items():
        asked = facts.retiring.get(subject)
        if asked is None or facts.now - asked >= SOON:
            reasons.setdefault(reason, []).append(subject)
    for reason, subjects in sorted(reasons.items()):
        yield Retire(str(entry.subject_set), tuple(subjects), reason)


def _wants_export(facts: Facts) -> bool:
    return not has_ended(facts) and any(entry.met for entry in facts.shown) and not facts.export(WORKFLOW).waiting


def _is_over(entry: RoundFacts, facts: Facts, config: StepConfig) -> bool:
    """Return whether a round has its votes, or has lasted long enough."""
    if entry.told or entry.linked_at is None:
        return False
    if not any(facts.counted.volunteers.get(galaxy) for galaxy in entry.ready):
        return False
    return entry.subjects <= facts.retired or facts.now - entry.linked_at >= timedelta(days=config.round_days)


def _next_round(facts: Facts) -> Iterator[Change]:
    here = facts.here
    if not here.asked:
        if facts.stopped is None and facts.left and facts.room:
            yield Choose(here.number, min(facts.n, facts.left, facts.room))
        elif facts.stopped is not None and not facts.learnt:
            yield Choose(here.number, 0)
        return
    if here.linked or here.told or here.unlinked or facts.stopped is not None:
        return
    if here.subject_set is None:
        yield MakeSet(here.number)
        return
    missing = [galaxy for galaxy in here.asked if galaxy not in here.ready]
    outside = sorted(here.subjects - here.members, key=int)
    if missing:
        yield Upload(here.number, tuple(missing[:UPLOADED_AT_ONCE]))
    elif outside:
        yield Join(here.number, tuple(outside))
    else:
        yield Link(here.number)


def _is_followed(entry: RoundFacts, facts: Facts) -> bool:
    """Return whether volunteers have met a newer round, so that nobody is left without subjects if this set goes."""
    return any(newer.met for newer in facts.shown if newer.number > entry.number)


def _older_sets(facts: Facts) -> Iterator[Change]:
    for entry in facts.shown:
        if not entry.told or not _is_followed(entry, facts):
            continue
        of = str(entry.subject_set)
        export = facts.export(of)
        if export.asked_at is not None and export.waiting:
            yield FetchExport(of)
        elif export.fetched is None:
            if may_ask(export, facts.now):
                yield AskExport(of)
        elif facts.counted.of.get(of) == export.fetched and facts.linked_sets - {of}:
            yield Unlink(entry.number)


# A dry run ---------------------------------------------------------------------------------------------------------------


def changes_ahead(facts: Facts, config: StepConfig) -> list[Change]:
    """Return the changes that a step would make if each succeeds; changes that depend on future votes are unknown."""
    ahead: list[Change] = []
    while (change := next_change(facts, config, tried=ahead)) is not None:
        ahead.append(change)
        facts = assumed(facts, change)
    return ahead


def assumed(facts: Facts, change: Change) -> Facts:
    """Return the facts as they will be after a change has succeeded."""
    match change:
        case AskExport(of):
            known = replace(facts.export(of), asked_at=facts.now, state="creating", ready=False)
            return replace(facts, exports={**facts.exports, of: known})
        case FetchExport(of):
            known = replace(facts.export(of), fetched=facts.export(of).touched)
            return replace(facts, exports={**facts.exports, of: known})
        case Count():
            fetched = {of: export.fetched for of, export in facts.exports.items() if export.fetched}
            return replace(facts, counted=replace(facts.counted, of={**facts.counted.of, **fetched}))
        case Stop(_, why):
            return replace(facts, stopped=why, stopped_at=facts.now)
        case Retire(_, subjects, _):
            return replace(facts, retiring={**facts.retiring, **dict.fromkeys(subjects, facts.now)})
        case Tell(number):
            ended = replace(facts.here, told=True)
            return replace(facts, rounds=(*facts.rounds[:-1], ended, RoundFacts(number + 1)), learnt=False)
        case Choose(_, most):
            asked = tuple(f"{UNCHOSEN}{number}" for number in range(1, most + 1))
            return _with_round(replace(facts, learnt=True), replace(facts.here, asked=asked))
        case Unlink(number):
            entry = next(found for found in facts.rounds if found.number == number)
            left = facts.linked_sets - {str(entry.subject_set)}
            return _with_round(replace(facts, linked_sets=left), replace(entry, linked=False, unlinked=True))
    return _with_round(facts, _built(facts, change))


def _built(facts: Facts, change: Change) -> RoundFacts:
    """Return the current round after a part of its set has been made."""
    here = facts.here
    match change:
        case MakeSet():
            return replace(here, subject_set="new")
        case Upload(_, galaxies):
            made = {galaxy: str(len(here.ready) + number) for number, galaxy in enumerate(galaxies)}
            return replace(here, ready={**here.ready, **made})
        case Join(_, subjects):
            return replace(here, members=here.members | set(subjects))
    return replace(here, linked=True, linked_at=facts.now)


def _with_round(facts: Facts, entry: RoundFacts) -> Facts:
    return replace(facts, rounds=tuple(entry if found.number == entry.number else found for found in facts.rounds))
