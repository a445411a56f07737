"""Retirement of finished subjects: lists for Panoptes, a rule for Caesar, and settings for the project's owner.

This module only writes files and sends nothing. **It was never tried on the live services**: calls and names follow the
public code of Panoptes and Caesar.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.foundation.errors import CatalogueError, explained
from zooactive.foundation.parsing import from_json, read_object
from zooactive.foundation.spelling import write_csv
from zooactive.foundation.writing import aside, make_folder, write_json
from zooactive.labels.classifications import Unusable, galaxy_in
from zooactive.labels.rows import places_of, rows_of

if TYPE_CHECKING:
    import pandas as pd

_WHAT = "a subject export of the Zooniverse (Data exports)"

REASONS = ("classification_count", "flagged", "nothing_here", "consensus", "other", "human")
"""The reasons for a retirement that Panoptes accepts."""

STOP_AT = "#stop_at"
"""The metadata entry with the number of volunteers after which a subject is done. The leading ``#`` hides it."""


def caesar_config(task: str, *, ceiling: int) -> dict[str, Any]:
    """Return Caesar's extractor, reducers and two rules that retire a subject after its number of volunteers.

    Parameters
    ----------
    task : str
        The key of the workflow's first task, such as "T0", which everybody answers.
    ceiling : int
        The number of volunteers after which a subject without its own number is done.

    Returns
    -------
    dict
        ``extractors`` and ``reducers``, as Caesar's API takes them, and ``rules``. Post only *one* rule: "metadata" if the
        subjects were uploaded with `STOP_AT`, or "reduction" if the numbers change and are posted as reductions.

    Notes
    -----
    Metadata are text, and Caesar cannot compare text with a number. The rule therefore converts them with ``float``, which
    turns any other text into 0. The guard ``> 0`` keeps such a subject from being retired by its first vote. If the number
    is missing, the ceiling is used.
    """
    most = str(ceiling)
    stop = ["float", ["lookup", f"subject.{STOP_AT}", most]]
    count = ["lookup", "count.classifications", 0]
    by_metadata = ["and", ["gt", stop, ["const", 0]], ["gte", count, stop]]
    put = ["lookup", "stop_at.stop_at", ceiling]
    by_reduction = ["and", ["gt", put, ["const", 0]], ["gte", count, put]]
    effect = {"action": "retire_subject", "config": {"reason": "other"}}
    once = {"extractor_keys": [task], "repeated_classifications": "keep_first", "empty_extracts": "ignore_empty"}
    return {
        "extractors": [{"extractor": {"type": "question", "key": task, "task_key": task, "if_missing": "reject"}}],
        "reducers": [
            {"reducer": {"type": "count", "key": "count", "filters": once}},
            {"reducer": {"type": "placeholder", "key": "stop_at"}},
        ],
        "rules": {
            "metadata": {"subject_rule": {"condition_string": json.dumps(by_metadata)}, "subject_rule_effect": effect},
            "reduction": {"subject_rule": {"condition_string": json.dumps(by_reduction)}, "subject_rule_effect": effect},
        },
    }


def check_workflow(workflow: Mapping[str, Any], *, ceiling: int) -> list[str]:
    """Return what the owner of a workflow should set by hand before galaxies are retired one by one.

    Parameters
    ----------
    workflow : mapping
        The workflow as Panoptes' API returns it, or the API's answer with a list of one workflow.
    ceiling : int
        The largest number of volunteers who will be shown a subject.

    Returns
    -------
    list of str
        One sentence per setting, or an empty list if no change is needed. This function changes nothing.

    Raises
    ------
    CatalogueError
        When the mapping is not a workflow.
    """
    listed = workflow.get("workflows")
    found = listed[0] if isinstance(listed, list) and len(listed) == 1 else workflow
    if not isinstance(found, Mapping) or "retirement" not in found:
        raise CatalogueError("this is not a Panoptes workflow: it has no entry 'retirement'; save GET /api/workflows/ID")
    retirement = found["retirement"] or {}
    options = (retirement.get("options") or {}) if isinstance(retirement, Mapping) else None
    if not isinstance(options, Mapping):
        raise CatalogueError(f"retirement = {retirement!r} is not in Panoptes' form; save GET /api/workflows/ID")
    criteria = retirement.get("criteria", "classification_count")
    wanted = f"set its retirement by hand in the project builder, to 'never retire' or to at least {ceiling}"
    if criteria == "never_retire":
        return []
    if criteria != "classification_count":
        return [f"the workflow retires by the unknown criterion '{criteria}'; {wanted}"]
    count = options.get("count", 15)  # Panoptes' default
    if isinstance(count, bool) or not isinstance(count, int) or count < ceiling:
        return [f"the workflow retires subjects after {count} people, but the plan shows some to {ceiling}; {wanted}"]
    return []


def write_retirement(
    plan: pd.DataFrame,
    folder: str | Path,
    *,
    task: str = "T0",
    ceiling: int,
    subjects: str | Path | None = None,
    workflow: str | Path | None = None,
) -> list[str]:
    """Write the files that retire subjects by a plan, and return what the project's owner should set by hand.

    ``retire.csv`` lists the galaxies that need no more votes, with one of Panoptes' reasons. ``stop_at.csv`` lists the
    galaxies that get more votes: the total number of people each should be shown to, which includes earlier people if this
    subject has their votes, and the body of the reduction that tells Caesar. ``caesar.json`` holds the rule.

    Parameters
    ----------
    plan : DataFrame
        The result of `zooactive.allocate`.
    folder : path
    task : str
        The key of the workflow's first task.
    ceiling : int
        The ceiling of the plan.
    subjects : path, optional
        A subject export of the Zooniverse. The lists then have a column ``subject_id`` and leave out galaxies that were
        never uploaded. Galaxies are found by the entry ``#id`` of the metadata.
    workflow : path, optional
        The workflow as Panoptes' API returns it, saved as JSON. It is checked by `check_workflow`.

    Raises
    ------
    CatalogueError
        When the plan has a reason that Panoptes does not have, the file holds no workflow, or no galaxy of the plan is a
        subject.
    OutputError
        When a file cannot be written.
    """
    unknown = set(plan["reason"]) - {"", *REASONS}
    if unknown:
        raise CatalogueError(f"Panoptes has no reason '{min(unknown)}'; reasons are {', '.join(REASONS)}")
    wishes = []
    if workflow is not None:
        said = f"{workflow} is not a Panoptes workflow ({{reason}}); save GET /api/workflows/ID"
        with explained(CatalogueError, said, OSError, ValueError):
            found = read_object(Path(workflow))
        wishes = check_workflow(found, ceiling=ceiling)
    folder = Path(folder)
    if subjects is not None:
        known = subjects_of(subjects)
        matched = plan.assign(subject_id=plan["id"].map(known)).dropna(subset="subject_id")
        if len(plan) and matched.empty:
            there = f"'{min(known)}'" if known else "no galaxy with the entry '#id'"
            raise CatalogueError(
                f"none of the {len(plan)} galaxies of the plan is a subject in {subjects}, which has {there}; give the "
                "subject export of the project with these galaxies"
            )
        plan = matched.astype({"subject_id": "int64"})
    make_folder(folder)
    retired = plan["retire"].to_numpy(dtype=bool)
    numbers = ["subject_id"] if subjects is not None else []
    with aside(folder / "retire.csv") as temporary:
        write_csv(plan.loc[retired, ["id", *numbers, "reason", "why"]], temporary)
    others = plan.loc[plan["more"].to_numpy() > 0, ["id", *numbers, "received", "stop_at"]]
    bodies = [_reduction(row) for row in others.to_dict("records")]
    with aside(folder / "stop_at.csv") as temporary:
        write_csv(others.assign(reduction=bodies), temporary)
    write_json(folder / "caesar.json", caesar_config(task, ceiling=ceiling))
    return wishes


def _reduction(row: Mapping[Any, Any]) -> str:
    """Return the body that tells Caesar after how many people a subject is done."""
    subject = {"subject_id": int(row["subject_id"])} if "subject_id" in row else {}
    return json.dumps({"reduction": subject | {"data": {"stop_at": max(int(row["stop_at"]), 1)}}})


def subjects_of(export: str | Path) -> dict[str, int]:
    """Return the subject of each galaxy in a subject export of the Zooniverse, by the metadata entry ``#id``.

    If a galaxy was uploaded several times, the subject with the largest id counts. Rows that cannot be read are ignored.
    """
    found: dict[str, int] = {}
    rows = rows_of(export, _WHAT, lambda reason, where: None)
    _, header = next(rows)
    where = places_of(("subject_id", "metadata"), header, export, _WHAT)
    for _, cells in rows:
        try:
            subject, galaxy = int(cells[where["subject_id"]]), galaxy_in(from_json(cells[where["metadata"]]), ("#id",))
        except (ValueError, Unusable):
            continue
        found[galaxy] = max(subject, found.get(galaxy, 0))
    return found
