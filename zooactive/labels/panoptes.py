"""Subject sets sent to the Zooniverse through its own client (`zooactive[zooniverse]`).

What is there already is asked of the Zooniverse itself, so that an upload that broke off, wherever it was, goes on without
a galaxy twice in the set. Subjects are joined to it a few at a time: one that was made and not joined, when a process is
killed in between, is seen by nobody.
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
    """What one upload did: subjects that are new, those that were there, and the number of the set."""

    new: int
    known: int
    subject_set: str


def upload_subjects(folder: str | Path, *, project: int, subject_set: str, progress: Progress | None = None) -> Uploaded:
    """Send what `write_subjects` wrote to a subject set of a project; the same call again sends what is missing.

    Parameters
    ----------
    folder : path
        With manifests and images.
    project : int
        Its number on the Zooniverse.
    subject_set : str
        The set's name; it is made where the project has none so called.
    progress : callable, optional
        Called with the number of subjects that are there.

    Raises
    ------
    UploadError
        When panoptes-client is not installed, the environment holds no name and password, or the Zooniverse says no.
    CatalogueError
        When the folder holds no manifest.

    Notes
    -----
    The client reads PANOPTES_USERNAME and PANOPTES_PASSWORD, or PANOPTES_CLIENT_ID and PANOPTES_CLIENT_SECRET, and
    PANOPTES_ENDPOINT, from the environment. Nothing of them is stored.
    """
    rows = manifest_rows(Path(folder))
    if not any(all(os.environ.get(name) for name in pair) for pair in _CREDENTIALS):
        names = " or ".join(" and ".join(pair) for pair in _CREDENTIALS)
        raise UploadError(f"the Zooniverse wants to know who uploads; set {names} in the environment")
    needed = "to upload install the Zooniverse's client: pip install 'zooactive[zooniverse]'"
    with explained(UploadError, needed, ImportError):
        client = import_module("panoptes_client")
        panoptes, requests = import_module("panoptes_client.panoptes"), import_module("requests")
    mend = "run the same command again, and it goes on with those that are missing"
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
