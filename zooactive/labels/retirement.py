"""Which subjects of the Zooniverse are done: lists for Panoptes, a rule for Caesar, and what the project's owner sets.

Nothing is sent anywhere: these are files. **Never tried on the live services**: calls and names are those of the public code
of Panoptes and Caesar.
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
"""Why Panoptes may be told that a subject is retired."""

STOP_AT = "#stop_at"
"""Metadata of a subject: volunteers after whom it is done. Hidden, because of its first sign."""


def caesar_config(task: str, *, ceiling: int) -> dict[str, Any]:
    """Return the extractor, the reducers and the two rules that retire a subject after the number of people it should have.

    Parameters
    ----------
    task : str
        Key of the workflow's first task, such as "T0"; everybody answers it.
    ceiling : int
        Volunteers after whom a subject without a number of its own is done.

    Returns
    -------
    dict
        ``extractors`` and ``reducers``, as Caesar's API takes them, and ``rules``, of which *one* is put: "metadata" where
        subjects were uploaded with `STOP_AT`, "reduction" where numbers change and are put as reductions.

    Notes
    -----
    Metadata are texts, and Caesar cannot compare a text with a number: they are converted with ``float``, which makes 0 of
    what is no number. The guard ``> 0`` keeps such a subject from being retired by its first vote. Where the number is
    missing, the ceiling stands in its place.
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
        The workflow as Panoptes' API gives it; the answer's list of one workflow will do too.
    ceiling : int
        The most volunteers that a subject is to be shown to.

    Returns
    -------
    list of str
        Sentences; empty where nothing has to be changed. Nothing is changed here.

    Raises
    ------
    CatalogueError
        When this is no workflow.
    """
    listed = workflow.get("workflows")
    found = listed[0] if isinstance(listed, list) and len(listed) == 1 else workflow
    if not isinstance(found, Mapping) or "retirement" not in found:
        raise CatalogueError("this is no workflow of Panoptes: it has no entry 'retirement'; save GET /api/workflows/ID")
    retirement = found["retirement"] or {}
    options = (retirement.get("options") or {}) if isinstance(retirement, Mapping) else None
    if not isinstance(options, Mapping):
        raise CatalogueError(f"retirement = {retirement!r} is none of Panoptes'; save GET /api/workflows/ID")
    criteria = retirement.get("criteria", "classification_count")
    wanted = "set its retirement to 'never retire', or to at least that many, by hand in the project builder"
    if criteria == "never_retire":
        return []
    if criteria != "classification_count":
        return [f"the workflow retires by '{criteria}', which is unknown here; {wanted}"]
    count = options.get("count", 15)  # what Panoptes takes where nothing is set
    if isinstance(count, bool) or not isinstance(count, int) or count < ceiling:
        return [f"the workflow retires subjects after {count} people, and the plan shows some to {ceiling}; {wanted}"]
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
    """Write what retires subjects by a plan, and return what the project's owner should set by hand.

    ``retire.csv``: ids of the galaxies that need no vote, with one of Panoptes' reasons. ``stop_at.csv``: how many people
    each galaxy that gets more votes should be shown to in all, those of the past included if this subject has them, and the
    body of the reduction that says so. ``caesar.json``: the rule.

    Parameters
    ----------
    plan : DataFrame
        Of `zooactive.allocate`.
    folder : path
    task : str
        Key of the workflow's first task.
    ceiling : int
        The plan's.
    subjects : path, optional
        A subject export of the Zooniverse; the lists then have ``subject_id``, without galaxies that were never uploaded.
        Galaxies are found by the entry ``#id`` of the metadata.
    workflow : path, optional
        The workflow as Panoptes' API gives it, saved as JSON, to be checked.

    Raises
    ------
    CatalogueError
        When the plan has another reason than Panoptes', the file holds no workflow, or no galaxy of the plan is a subject.
    OutputError
        When a file cannot be written.
    """
    unknown = set(plan["reason"]) - {"", *REASONS}
    if unknown:
        raise CatalogueError(f"Panoptes has no reason '{min(unknown)}'; reasons are {', '.join(REASONS)}")
    wishes = []
    if workflow is not None:
        said = f"{workflow} is no workflow of Panoptes ({{reason}}); save GET /api/workflows/ID"
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
                "export of the project that they were uploaded to"
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
    """Return the subject of each galaxy by a subject export of the Zooniverse, whose metadata have the entry ``#id``.

    Of a galaxy that was uploaded several times the subject with the largest number counts. Rows that cannot be read are left
    out.
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
