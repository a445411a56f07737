"""Votes, clicks and finished galaxies, counted from exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.acquisition import AllocationConfig, allocate
from zooactive.acquisition.pool import gather
from zooactive.foundation.parsing import from_json, read_object
from zooactive.foundation.spelling import write_csv
from zooactive.foundation.writing import aside, write_json
from zooactive.labels import Dropped, Ledger, Wording, read_export
from zooactive.labels.classifications import EXPORT
from zooactive.labels.rows import places_of, rows_of
from zooactive.loop.rounds import Loop
from zooactive.loop.stepping.facts import LATE_DAYS, WORKFLOW, Counted, Done
from zooactive.loop.stepping.plan import when

if TYPE_CHECKING:
    import pandas as pd

_ALL = 1e12
"""More clicks than there are. A galaxy that gets no vote from so many clicks is done."""


def read_counted(file: Path) -> Counted:
    """Return the last counts, or empty ones if nothing was counted yet."""
    try:
        said = read_object(file)
    except FileNotFoundError:
        return Counted()
    done = {galaxy: Done(*why) for galaxy, why in said["done"].items()}
    return Counted(said["of"], said["clicks"], said["pace"], done, said["volunteers"])


def count_exports(
    folder: Path,
    files: Mapping[str, Path],
    of: Mapping[str, str],
    wording: Wording,
    *,
    since: datetime,
    judged: Any,
) -> Counted:
    """Merge exports into the ledger, write ``votes.csv`` and ``counted.json`` into a folder, and return the counts.

    Parameters
    ----------
    folder : Path
    files : mapping of str to Path
        Export -> its file here.
    of : mapping of str to str
        Export -> the Zooniverse's time of that file.
    wording : Wording
    since : datetime
        When this loop began. Earlier clicks do not count.
    judged : callable
        Takes the table of votes, and returns galaxy -> `Done` for the galaxies that need no more votes.
    """
    ledger, dropped = Ledger(folder / "classifications", wording.tree), Dropped()
    for file in files.values():
        ledger.merge(read_export(file, wording, dropped), wording)
    votes, _ = ledger.count(dropped)
    with aside(folder / "votes.csv") as temporary:
        write_csv(votes, temporary, only="id")
    clicks, pace = clicks_in(files[WORKFLOW], since) if WORKFLOW in files else (0.0, 0.0)
    volunteers = dict(zip(votes["id"], map(int, votes["volunteers"]), strict=True))
    counted = Counted(dict(of), clicks, pace, judged(votes), volunteers)
    write_json(
        folder / "counted.json",
        {
            "of": counted.of,
            "clicks": clicks,
            "pace": pace,
            "done": {galaxy: list(why) for galaxy, why in counted.done.items()},
            "volunteers": volunteers,
            "dropped": dropped.rows(),
        },
    )
    return counted


def clicks_in(file: Path, since: datetime) -> tuple[float, float]:
    """Return the number of answers given since a time, and the number per day in the last two days.

    Each classification counts once. Late answers, answers to retired subjects and unusable ones also count, because they
    took a volunteer's time.
    """
    answers: dict[str, tuple[datetime, int]] = {}
    rows = rows_of(file, EXPORT, lambda reason, where: None)
    _, header = next(rows)
    where = places_of(("classification_id", "created_at", "annotations"), header, file, EXPORT)
    for _, cells in rows:
        at = when(cells[where["created_at"]])
        if at is not None and at >= since:
            answers[cells[where["classification_id"]]] = at, _answers(cells[where["annotations"]])
    if not answers:
        return 0.0, 0.0
    last = max(at for at, _ in answers.values())
    days = LATE_DAYS * timedelta(days=1)
    recent = sum(number for at, number in answers.values() if at > last - days)
    spread = max(min((last - since) / timedelta(days=1), float(LATE_DAYS)), 1.0)
    return float(sum(number for _, number in answers.values())), recent / spread


def newest_in(file: Path) -> datetime | None:
    """Return the time of the last classification in an export; raise a CatalogueError if the file is not an export."""
    rows = rows_of(file, EXPORT, lambda reason, where: None)
    _, header = next(rows)
    where = places_of(("classification_id", "created_at"), header, file, EXPORT)
    return max(filter(None, (when(cells[where["created_at"]]) for _, cells in rows)), default=None)


def _answers(text: str) -> int:
    """Count the answers of a classification; if they cannot be read, count one."""
    try:
        found = _in(from_json(text))
    except (ValueError, RecursionError):
        found = 0
    return max(found, 1)


def _in(annotations: Any) -> int:
    if not isinstance(annotations, list):
        return 0
    number = 0
    for entry in annotations:
        value = entry.get("value") if isinstance(entry, dict) else None
        nested = isinstance(value, list) and any(isinstance(part, dict) and "task" in part for part in value)
        number += _in(value) if nested else value not in (None, [], "")
    return number


def judge(
    loop: Loop, number: int, ids: Sequence[str], votes: pd.DataFrame, config: AllocationConfig, price: float | None
) -> dict[str, Done]:
    """Return why galaxies need no more votes.

    Galaxies that the round's model has predicted are judged by `allocate`; the others by their number of votes alone. The
    model is that of the round in which the galaxies are shown: it was not trained on their votes, which would otherwise
    count twice.

    Parameters
    ----------
    loop : Loop
    number : int
        The number of the round.
    ids : sequence of str
        The galaxies of the round.
    votes : DataFrame
        All votes so far.
    config : AllocationConfig
        The ceiling and the other settings of `zooactive allocate`.
    price : float, optional
        What a click must be worth, as in `zooactive.allocate`. Without a price, there is no limit to the clicks.
    """
    columns = list(loop.tree.columns)
    given = dict(zip(votes["id"], votes[columns].to_numpy(dtype=float), strict=True))
    volunteers = dict(zip(votes["id"], votes["volunteers"], strict=True))
    predictions = loop.predictions(number)
    known = [] if predictions is None else predictions.known(list(ids))
    done = {
        name: Done("classification_count", "at the ceiling") for name in ids if volunteers.get(name, 0) >= config.ceiling
    }
    if known and predictions is not None:
        posterior = gather(predictions, known)
        received = {name: np.asarray(given.get(name, np.zeros(len(columns)))) for name in known}
        budget: dict[str, float] = {"clicks": _ALL} if price is None else {"price": price}
        plan = allocate(posterior, received=received, config=config, **budget)  # type: ignore[arg-type]
        retire = plan.loc[plan["retire"].astype(bool), ["id", "reason", "why"]].astype(str)
        done |= {name: Done(reason, why) for name, reason, why in retire.to_numpy().tolist()}
    return done
