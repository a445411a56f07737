"""Find out what has changed in the galaxies since predictions were made from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from zooactive.catalogue import Catalogue
from zooactive.catalogue.column_names import names_apart
from zooactive.foundation.parts_folder import numbered_parts, read_journal
from zooactive.models import load_draws
from zooactive.prediction.marks import LENGTH, image_mark, marks_of
from zooactive.prediction.part_files import about_part, read_rows
from zooactive.prediction.parts import own_columns


def changed_since(folder: Path, galaxies: Catalogue, *, images: bool = True) -> list[str]:
    """Return what has changed in a table of galaxies since a folder of predictions was made from it.

    Each change is described in a few words: galaxies that are new or gone, columns with other values, images that were
    changed. The list is empty if nothing has changed that the predictions depend on; new votes do not count. Without
    `images`, images are not checked, for predictions that were made from packed images.

    Raises
    ------
    PosteriorError
        If the folder cannot be read, or is too old to have a record of its inputs.
    """
    journal = read_journal(folder) or {}
    marks = journal.get("marks")
    if not isinstance(marks, dict) or not isinstance(marks.get("columns"), dict):
        return ["it was made before predictions kept marks of their galaxies"]
    head = folder / "head.npz"
    taken = own_columns(load_draws(head).tree) if head.exists() else frozenset({"id", "embedding"})
    galaxies = replace(galaxies, table=names_apart(galaxies.table, taken, galaxies.source))
    then: dict[str, str] = {}  # maps each galaxy to the mark of its image at that time
    failed = set[str]()
    for _, part in numbered_parts(folder):
        about = about_part(part)
        failed |= {failure["id"] for failure in about["failures"]}
        ids, known = read_rows(part, ["id"])["id"].to_pylist(), about.get("images") or ""
        then |= {name: known[i * LENGTH : (i + 1) * LENGTH] for i, name in enumerate(ids)}
    names = [str(name) for name in galaxies.ids]
    kinds = {"new": set(names) - {*then, *failed}, "gone": {*then, *failed} - set(names)}
    found = [f"{len(some)} galaxies are {what}, such as '{min(some)}'" for what, some in kinds.items() if some]
    columns = [name for name in marks["columns"] if name in galaxies.table.columns]
    found += [f"column '{name}' is gone" for name in marks["columns"] if name not in columns]
    now = marks_of(galaxies, columns)
    if now["galaxies"] == marks.get("galaxies"):
        found += [f"column '{name}' has other values" for name in columns if now["columns"][name] != marks["columns"][name]]
    elif not found:
        found.append("the galaxies have another order")
    other = (
        []
        if not images
        else [
            name
            for name, image in zip(names, galaxies.images, strict=True)
            if then.get(name) and image is not None and image_mark(image) != then[name]
        ]
    )
    if other:
        found.append(f"{len(other)} images were changed, such as that of galaxy '{other[0]}'")
    return found
