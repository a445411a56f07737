"""What must hold before anything of a live project is changed, and what its owner has to set by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zooactive.foundation.errors import WorkspaceError
from zooactive.labels.retirement import check_workflow
from zooactive.labels.zooniverse.calls import Zooniverse

_PLENTY = 1_000_000
"""Subjects, where the Zooniverse does not say how many an account may upload."""


@dataclass(frozen=True)
class Checked:
    """A workflow that was looked at before anything is changed.

    Parameters
    ----------
    wishes : tuple of str
        What the owner has to set by hand.
    room : int
        Subjects that the account may still upload; those ever uploaded count, deleted ones too.
    linked_sets : frozenset of str
        Subject sets that are linked to the workflow.
    """

    wishes: tuple[str, ...]
    room: int
    linked_sets: frozenset[str]


def check_owner(there: Zooniverse, *, live: bool, prioritized: bool, ceiling: int) -> Checked:
    """Look whether rounds may run by themselves here; nothing is set.

    Parameters
    ----------
    there : Zooniverse
    live, prioritized : bool
        How project and workflow are expected to be.
    ceiling : int
        The most volunteers that a subject is to be shown to.

    Raises
    ------
    WorkspaceError
        When the workflow belongs to another project, or the one who asks has no part in it.
    """
    workflow, project, me = there.workflow_now(), there.project_now(), there.me()
    links = workflow.get("links") or {}
    if str(links.get("project")) != there.project:
        raise WorkspaceError(
            f"workflow {there.workflow} belongs to project {links.get('project')} and not to {there.project}; mend both"
            " under [zooniverse]"
        )
    if not there.roles(str(me["id"])) & {"owner", "collaborator"}:
        raise WorkspaceError(
            f"whoever asks is neither owner nor collaborator of project {there.project}; ask its owner, or log in as another"
        )
    wishes = [
        *_as_expected(project, workflow, live=live, prioritized=prioritized),
        *check_workflow(workflow, ceiling=ceiling),
    ]
    most, made = me.get("max_subjects"), me.get("uploaded_subjects_count")
    room = _PLENTY if most is None or made is None else max(int(most) - int(made), 0)
    return Checked(tuple(wishes), room, frozenset(map(str, links.get("subject_sets", ()))))


def _as_expected(project: Mapping[str, Any], workflow: Mapping[str, Any], *, live: bool, prioritized: bool) -> list[str]:
    wishes = []
    if bool(project.get("live")) != live:
        wishes.append(
            f"the project is {'' if project.get('live') else 'not '}live, and [zooniverse] says live = {str(live).lower()}; "
            "set what is right"
        )
    if not workflow.get("active"):
        wishes.append("the workflow is not active, so nobody is shown anything; activate it by hand in the project builder")
    if bool(workflow.get("prioritized")) != prioritized:
        wishes.append(
            f"the workflow is {'' if workflow.get('prioritized') else 'not '}prioritized, and prioritized = "
            f"{str(prioritized).lower()} under [zooniverse]; set what is right, or the workflow by hand"
        )
    return wishes
