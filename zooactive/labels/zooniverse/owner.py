"""Checks before anything in a live project is changed, and settings that its owner must make by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zooactive.foundation.errors import WorkspaceError
from zooactive.labels.retirement import check_workflow
from zooactive.labels.zooniverse.calls import Zooniverse

_PLENTY = 1_000_000
"""The number of subjects assumed if the Zooniverse does not say how many an account may upload."""


@dataclass(frozen=True)
class Checked:
    """The state of a workflow, checked before anything is changed.

    Parameters
    ----------
    wishes : tuple of str
        What the owner must set by hand.
    room : int
        The number of subjects that the account may still upload. All earlier uploads count, including deleted ones.
    linked_sets : frozenset of str
        The subject sets linked to the workflow.
    """

    wishes: tuple[str, ...]
    room: int
    linked_sets: frozenset[str]


def check_owner(there: Zooniverse, *, live: bool, prioritized: bool, ceiling: int) -> Checked:
    """Check whether rounds may run by themselves on this workflow; nothing is changed.

    Parameters
    ----------
    there : Zooniverse
    live, prioritized : bool
        The expected state: whether the project is live, and whether the workflow is prioritized.
    ceiling : int
        The largest number of volunteers who will be shown a subject.

    Raises
    ------
    WorkspaceError
        When the workflow belongs to another project, or the account is neither owner nor collaborator of the project.
    """
    workflow, project, me = there.workflow_now(), there.project_now(), there.me()
    links = workflow.get("links") or {}
    if str(links.get("project")) != there.project:
        raise WorkspaceError(
            f"workflow {there.workflow} belongs to project {links.get('project')}, not to {there.project}; correct the ids "
            "under [zooniverse]"
        )
    if not there.roles(str(me["id"])) & {"owner", "collaborator"}:
        raise WorkspaceError(
            f"your account is neither owner nor collaborator of project {there.project}; ask its owner to add you, or use "
            "another account"
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
            f"the project is {'' if project.get('live') else 'not '}live, but [zooniverse] says live = {str(live).lower()}; "
            "correct one of them"
        )
    if not workflow.get("active"):
        wishes.append("the workflow is not active, so nobody is shown anything; activate it by hand in the project builder")
    if bool(workflow.get("prioritized")) != prioritized:
        wishes.append(
            f"the workflow is {'' if workflow.get('prioritized') else 'not '}prioritized, but [zooniverse] says "
            f"prioritized = {str(prioritized).lower()}; correct the entry, or change the workflow by hand"
        )
    return wishes
