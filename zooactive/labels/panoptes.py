"""Uploads of subject sets to the Zooniverse through its own client (`zooactive[zooniverse]`).

Before uploading, the code asks the Zooniverse which subjects already exist. An upload that broke off therefore resumes, and
no galaxy is in the set twice. Subjects are added to the set a few at a time. If the process is killed in between, a subject
may exist outside the set, where nobody sees it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import UploadError, explained
from zooactive.foundation.telling import Progress
from zooactive.labels.subjects import IMAGE, manifest_rows

_JOINED_AT_ONCE = 10
_CREDENTIALS = (("PANOPTES_USERNAME", "PANOPTES_PASSWORD"), ("PANOPTES_CLIENT_ID", "PANOPTES_CLIENT_SECRET"))


@dataclass(frozen=True)
class Uploaded:
    """The result of one upload: the number of new subjects, of subjects already there, and the id of the set."""

    new: int
    known: int
    subject_set: str


def upload_subjects(folder: str | Path, *, project: int, subject_set: str, progress: Progress | None = None) -> Uploaded:
    """Upload what `write_subjects` wrote to a subject set of a project; the same call again uploads what is missing.

    Parameters
    ----------
    folder : path
        The folder with manifests and images.
    project : int
        The project's id on the Zooniverse.
    subject_set : str
        The set's name. If the project has no set of this name, it is made.
    progress : callable, optional
        Called with the number of subjects uploaded so far.

    Raises
    ------
    UploadError
        When panoptes-client is not installed, the environment holds no name and password, or the Zooniverse refuses.
    CatalogueError
        When the folder holds no manifest.

    Notes
    -----
    The client reads PANOPTES_USERNAME and PANOPTES_PASSWORD, or PANOPTES_CLIENT_ID and PANOPTES_CLIENT_SECRET, and
    PANOPTES_ENDPOINT, from the environment. None of them is stored.
    """
    rows = manifest_rows(Path(folder))
    if not any(all(os.environ.get(name) for name in pair) for pair in _CREDENTIALS):
        names = " or ".join(" and ".join(pair) for pair in _CREDENTIALS)
        raise UploadError(f"an upload needs your login to the Zooniverse; set {names} in the environment")
    needed = "an upload needs the Zooniverse's client; install it: pip install 'zooactive[zooniverse]'"
    with explained(UploadError, needed, ImportError):
        client = import_module("panoptes_client")
        panoptes, requests = import_module("panoptes_client.panoptes"), import_module("requests")
    mend = "run the same command again to upload the missing ones"
    refused = f"the Zooniverse did not take the subjects: {{reason}}; {mend}"
    with explained(UploadError, refused, panoptes.PanoptesAPIException, requests.RequestException), client.Panoptes():
        return _send(client, rows, Path(folder) / "images", project, subject_set, progress)


def _send(
    client: Any, rows: list[dict[str, str]], images: Path, project: int, name: str, progress: Progress | None
) -> Uploaded:
    into = next((found for found in client.SubjectSet.where(project_id=project) if found.display_name == name), None)
    if into is None:
        into = client.SubjectSet()
        into.links.project = project
        into.display_name = name
        into.save()
    there = {str(subject.metadata.get("#id")) for subject in client.Subject.where(subject_set_id=into.id, page_size=100)}
    missing = [row for row in rows if row["#id"] not in there]
    known = len(rows) - len(missing)
    for start in range(0, len(missing), _JOINED_AT_ONCE):
        made = []
        for row in missing[start : start + _JOINED_AT_ONCE]:
            subject = client.Subject()
            subject.links.project = project
            subject.add_location(str(images / row[IMAGE]))
            subject.metadata.update(row)
            subject.save()
            made.append(subject)
        into.add(made)
        if progress is not None:
            progress(known + start + len(made))
    return Uploaded(len(missing), known, str(into.id))
