"""What of the galaxies that predictions were made of is other now."""

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
    """Say what is other in a table of galaxies than when a folder of predictions was made of it.

    Each is a few words: galaxies that are new or gone, columns with other values, images that were changed. The list is
    empty where nothing is that the predictions depend on: votes may have come in. Without `images` these are not looked at,
    for where the predictions were made of packed ones.

    Raises
    ------
    PosteriorError
        When the folder cannot be read, or is too old to say what it was made of.
    """
    journal = read_journal(folder) or {}
    marks = journal.get("marks")
    if not isinstance(marks, dict) or not isinstance(marks.get("columns"), dict):
        return ["it was made before predictions kept marks of their galaxies"]
    head = folder / "head.npz"
    taken = own_columns(load_draws(head).tree) if head.exists() else frozenset({"id", "embedding"})
    galaxies = replace(galaxies, table=names_apart(galaxies.table, taken, galaxies.source))
    then: dict[str, str] = {}  # galaxy -> the mark that its image had
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
