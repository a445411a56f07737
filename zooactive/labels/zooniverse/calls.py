"""The calls of one workflow of the Zooniverse: each looks at one thing or changes one thing.

Paths and names follow Panoptes' public code. **They were never tried on the live service.** No call here changes a workflow
or a project, deletes or unretires anything, or unlinks the last subject set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import UploadError
from zooactive.foundation.spelling import from_spreadsheet
from zooactive.labels.zooniverse.session import Refused, Session

PAGE = 100
"""The number of entries per page; the Zooniverse gives at most 200."""

STATUSES_AT_ONCE = 50
"""The number of subject ids in one URL."""

JOINED_AT_ONCE = RETIRED_AT_ONCE = 50

MARK = "#loop"
"""The metadata entry that says which loop made a subject."""


@dataclass(frozen=True)
class Export:
    """A classification export on the Zooniverse: its state, the time of its last change, and the link to its file."""

    state: str
    updated_at: str
    link: str | None

    @property
    def ready(self) -> bool:
        """Whether a file was made since the last request; only its classifications show whether the file is new."""
        return self.state in ("ready", "finished") and self.link is not None


@dataclass(frozen=True)
class Status:
    """The status of a subject in the workflow: the number of its classifications, and whether it is retired."""

    classifications: int
    retired: bool


@dataclass(frozen=True)
class SubjectSet:
    """A subject set: its id, its name, and the project that it belongs to."""

    id: str
    name: str
    project: str


class Zooniverse:
    """One workflow of one project on the Zooniverse.

    Parameters
    ----------
    session : Session
    project, workflow : int
        Their ids on the Zooniverse.
    """

    def __init__(self, session: Session, *, project: int, workflow: int) -> None:
        self._session, self.project, self.workflow = session, str(project), str(workflow)

    # Looking ---------------------------------------------------------------------------------------------------------

    def workflow_now(self) -> Mapping[str, Any]:
        """Return the current state of the workflow."""
        return self._one(f"/workflows/{self.workflow}", "workflows")

    def project_now(self) -> Mapping[str, Any]:
        """Return the current state of the project."""
        return self._one(f"/projects/{self.project}", "projects")

    def me(self) -> Mapping[str, Any]:
        """Return the account that is logged in: ``id``, ``uploaded_subjects_count``, ``max_subjects``."""
        return self._one("/me", "users")

    def roles(self, user: str) -> set[str]:
        """Return a person's roles in the project: "owner", "collaborator", ..."""
        found = set[str]()
        for entry in self._all("/project_roles", "project_roles", {"project_id": self.project}):
            if str(_link(entry, "owner")) == user and str(_link(entry, "project")) == self.project:
                found |= set(entry.get("roles", ()))
        return found

    def linked_sets(self) -> set[str]:
        """Return the subject sets that are linked to the workflow."""
        return {str(number) for number in self.workflow_now().get("links", {}).get("subject_sets", [])}

    def subject_set(self, number: str) -> SubjectSet:
        """Return a subject set."""
        return _set_of(self._one(f"/subject_sets/{number}", "subject_sets"))

    def find_set(self, name: str) -> SubjectSet | None:
        """Return the project's subject set of this name, if it has one."""
        sets = self._all("/subject_sets", "subject_sets", {"project_id": self.project})
        return next((found for found in map(_set_of, sets) if found.name == name and found.project == self.project), None)

    def members(self, number: str) -> set[str]:
        """Return the subjects of a set."""
        entries = self._all("/set_member_subjects", "set_member_subjects", {"subject_set_id": number})
        return {str(_link(entry, "subject")) for entry in entries}

    def made_by(self, mark: str) -> dict[str, str]:
        """Return galaxy -> subject for the project's subjects with this mark; of several, the one made first."""
        found: dict[str, str] = {}
        for entry in self._all("/subjects", "subjects", {"project_id": self.project}):
            said = entry.get("metadata") or {}
            if said.get(MARK) == mark and "#id" in said:
                galaxy, number = from_spreadsheet(str(said["#id"])), str(entry["id"])
                found[galaxy] = min(number, found.get(galaxy, number), key=int)
        return found

    def statuses(self, subjects: Sequence[str]) -> dict[str, Status]:
        """Return the status of subjects in the workflow; subjects that nobody has met are left out."""
        found: dict[str, Status] = {}
        for some in _lots(subjects, STATUSES_AT_ONCE):
            asked = {"workflow_id": self.workflow, "subject_ids": ",".join(some)}
            for entry in self._all("/subject_workflow_statuses", "subject_workflow_statuses", asked):
                if str(_link(entry, "workflow")) == self.workflow:
                    number = int(entry.get("classifications_count") or 0)
                    found[str(_link(entry, "subject"))] = Status(number, entry.get("retired_at") is not None)
        return found

    def export(self, of: str | None = None) -> Export | None:
        """Return the export of the workflow or of a subject set, or None if nobody has ever asked for it."""
        try:
            body = self._session.ask("GET", self._export_path(of)).body
        except Refused as error:
            if error.status == 404:
                return None
            raise
        entries = body.get("media") or []
        if not entries:
            return None
        entry = entries[0]
        return Export(str((entry.get("metadata") or {}).get("state", "")), str(entry.get("updated_at")), entry.get("src"))

    # Changing --------------------------------------------------------------------------------------------------------

    def ask_export(self, of: str | None = None) -> None:
        """Ask for an export; even if the Zooniverse accepts the request, it may not make the export."""
        self._session.ask("POST", self._export_path(of), body={"media": {"content_type": "text/csv"}})

    def fetch_export(self, of: str | None, out: Path) -> str:
        """Fetch an export's file by a fresh link, and return the time of the export's last change."""
        found = self.export(of)
        if found is None or found.link is None:
            raise UploadError("the export has no file yet; ask for it again, or wait")
        self._session.fetch(found.link, out)
        return found.updated_at

    def make_set(self, name: str) -> str:
        """Make a subject set and return its id; if a set of that name exists, return its id instead."""
        body = {"subject_sets": {"display_name": name, "links": {"project": self.project}}}
        try:
            return str(self._session.ask("POST", "/subject_sets", body=body).body["subject_sets"][0]["id"])
        except Refused as error:
            there = self.find_set(name) if error.status in (400, 422) else None
            if there is None:
                raise
            return there.id

    def make_subject(self, kind: str, metadata: Mapping[str, str]) -> tuple[str, str]:
        """Make a subject, and return its id and the link for its image."""
        body = {"subjects": {"locations": [kind], "metadata": dict(metadata), "links": {"project": self.project}}}
        return _made(self._session.ask("POST", "/subjects", body=body))

    def renew_subject(self, number: str, kind: str, metadata: Mapping[str, str]) -> str:
        """Replace the metadata and the image of a subject, and return the link for the new image.

        The metadata are never replaced alone, because some versions of Panoptes then lost the subject's image.
        """
        before = self._session.ask("GET", f"/subjects/{number}")
        if str(_link(before.body["subjects"][0], "project")) != self.project:
            raise UploadError(f"subject {number} belongs to another project; it was not changed")
        body = {"subjects": {"locations": [kind], "metadata": dict(metadata)}}
        return _made(self._session.ask("PUT", f"/subjects/{number}", body=body, etag=before.etag))[1]

    def send_image(self, link: str, content: bytes, kind: str) -> None:
        """Send an image to the link returned for a subject."""
        self._session.send(link, content, kind)

    def join(self, number: str, subjects: Sequence[str]) -> None:
        """Put subjects into a set; subjects that are already there stay there once."""
        for some in _lots(subjects, JOINED_AT_ONCE):
            self._session.ask("POST", f"/subject_sets/{number}/links/subjects", body={"subjects": list(some)})

    def link(self, number: str) -> None:
        """Link a subject set of the project to the workflow."""
        if self.subject_set(number).project != self.project:  # the Zooniverse would make a copy of it
            raise UploadError(f"subject set {number} belongs to another project; it was not linked")
        self._session.ask("POST", f"/workflows/{self.workflow}/links/subject_sets", body={"subject_sets": [number]})

    def unlink(self, number: str) -> None:
        """Unlink a subject set from the workflow, unless it is the last one."""
        if not self.linked_sets() - {number}:  # volunteers would be shown nothing, or finished galaxies
            raise UploadError(f"subject set {number} is the workflow's last one; it stays linked")
        self._session.ask("DELETE", f"/workflows/{self.workflow}/links/subject_sets/{number}")

    def retire(self, subjects: Sequence[str], reason: str) -> None:
        """Ask the Zooniverse to retire subjects; it does so later, and its answer does not confirm it."""
        for some in _lots(subjects, RETIRED_AT_ONCE):
            body = {"subject_ids": [int(subject) for subject in some], "retirement_reason": reason}
            self._session.ask("POST", f"/workflows/{self.workflow}/retired_subjects", body=body)

    # Inside ----------------------------------------------------------------------------------------------------------

    def _export_path(self, of: str | None) -> str:
        place = f"/workflows/{self.workflow}" if of is None else f"/subject_sets/{of}"
        return f"{place}/classifications_export"

    def _one(self, path: str, key: str) -> Mapping[str, Any]:
        found = self._session.ask("GET", path).body.get(key) or []
        if not found:
            raise UploadError(f"the Zooniverse has nothing at {path}; check the ids under [zooniverse]")
        entry: Mapping[str, Any] = found[0]
        return entry

    def _all(self, path: str, key: str, params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        page, last = 1, 1
        while page <= last:
            body = self._session.ask("GET", path, params={**params, "page_size": PAGE, "page": page}).body
            yield from body.get(key) or []
            last = int(((body.get("meta") or {}).get(key) or {}).get("page_count") or 1)
            page += 1


def _lots(numbers: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _link(entry: Mapping[str, Any], name: str) -> object:
    """Return the id that an entry's link leads to, given as a plain id or with its kind."""
    found = (entry.get("links") or {}).get(name)
    return found.get("id") if isinstance(found, Mapping) else found


def _set_of(entry: Mapping[str, Any]) -> SubjectSet:
    return SubjectSet(str(entry["id"]), str(entry.get("display_name")), str(_link(entry, "project")))


def _made(answer: Any) -> tuple[str, str]:
    entry = answer.body["subjects"][0]
    ((_, link),) = entry["locations"][0].items()
    return str(entry["id"]), str(link)
