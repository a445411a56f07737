"""Write a selection as a subject set for the Zooniverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.provenance import Making
from zooactive.foundation.telling import Tell, silent
from zooactive.workspace.options import Options
from zooactive.workspace.origin import credit_of, read_predicted, seen_by
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import folders_of_images, pictured_from

if TYPE_CHECKING:
    from zooactive.labels.subjects import SubjectSet

OPTIONS: Options = {name: f"pool.{name}" for name in ("catalogue", "images")} | {
    "id_column": "survey.id_column",
    "image_column": "survey.image_column",
    "selection": "acquire.out",
}


def export(
    settings: Settings,
    *,
    out: str | Path | None = None,
    size: int | None = None,
    credit: str = "",
    licence: str = "",
    column: Sequence[str] = (),
    plan: str | Path | None = None,
    tell: Tell = silent,
) -> SubjectSet:
    """Write images and a manifest of the selected galaxies into a folder, by default ``subjects``.

    `size` is in pixels per side; by default images stay as they are. `credit` and `licence` are shown to volunteers; the
    defaults are those of the survey from which `zooactive cutouts` fetched the images. The columns `column` of the table
    are included, but hidden from volunteers. With a `plan` of `allocate`, the galaxies that the plan gives more votes are
    exported, and each has ``#stop_at``: after how many volunteers it is done.
    """
    from zooactive.acquisition.selection_files import read_plan, read_selection
    from zooactive.foundation.writing import file_hash, write_how
    from zooactive.labels.subjects import write_subjects

    known = credit_of(settings)
    credit, licence = credit or known[0], licence or known[1]
    chosen = settings.acquire.out if plan is None else Path(plan)
    if plan is None:
        selection = read_selection(chosen)
    else:
        shown = read_plan(chosen).query("more > 0")
        selection = shown[["id"]].assign(stop_at=shown["more"]).reset_index(drop=True)  # a new subject starts without votes
    given = pictured_from(settings)
    made = Making("export", {"selection" if plan is None else "plan": chosen} | given, unmarked=folders_of_images(given))
    folder = settings.folder / "subjects" if out is None else Path(out)
    options = {"side": size, "credit": credit, "licence": licence, "columns": tuple(column)}
    written = write_subjects(
        selection,
        read_predicted(settings),
        folder,
        side=size,
        credit=credit,
        licence=licence,
        columns=tuple(column),
        seen=seen_by(settings),
    )
    write_how(folder, command="export", options=options | asdict(written), inputs={str(chosen): file_hash(chosen)})
    counts = {
        "galaxies": len(selection),
        "exported": len(selection) - len(written.failures),
        "failed": len(written.failures),
    }
    failures = {"images": len(written.failures)} if written.failures else {}
    made.done(folder, outputs=[folder], counts=counts, failures=failures, worked=len(selection))
    for galaxy_id, reason in written.failures.items():
        tell(f"warning: galaxy '{galaxy_id}' is left out: {reason}")
    if not credit:
        tell("no --credit is given; most surveys' image licences require one")
    return written
