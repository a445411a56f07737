"""A selection as a subject set of the Zooniverse: images that its uploader takes, and a manifest that names them.

Metadata whose name begins with ``#`` is not shown to volunteers; the classification export gives it back. That is how votes
find their galaxy again (`zooactive.labels.wording`), and why nobody is told what the network expects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.catalogue import Catalogue, Preprocessing
from zooactive.catalogue.bands import as_picture, in_colour
from zooactive.catalogue.images import ImageSource, decode, encode_png, original_bytes
from zooactive.foundation.errors import CatalogueError, ImageError, did_you_mean, explained
from zooactive.foundation.reading import check_regular
from zooactive.foundation.spelling import file_name, write_csv
from zooactive.foundation.writing import aside, make_folder, many_aside

if TYPE_CHECKING:
    import pandas as pd

IMAGE = "#image"
"""Column of a manifest that names the image: any cell that ends like one is a frame, and this one is not shown as text."""

SIDE = 424  # of the Galaxy Zoo's own cutouts
LARGEST = 1_000_000  # bytes of an image that the Zooniverse takes
SUBJECTS_AT_ONCE = 1000  # of one manifest: its uploader is a web page
_SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png"}
_QUALITIES = (95, 90, 80, 70)


@dataclass(frozen=True)
class SubjectSet:
    """What was written: manifests, the number of subjects, and id and reason of galaxies whose image cannot be shown."""

    manifests: tuple[Path, ...]
    subjects: int
    failures: dict[str, str]


def write_subjects(
    selection: pd.DataFrame,
    catalogue: Catalogue,
    out: str | Path,
    *,
    side: int | None = None,
    credit: str = "",
    licence: str = "",
    columns: Sequence[str] = (),
    seen: Preprocessing | None = None,
) -> SubjectSet:
    """Write the images of a selection and one manifest for every thousand of them.

    Parameters
    ----------
    selection : DataFrame
        Of `zooactive.acquire`: id, and what else it holds, which goes along hidden.
    catalogue : Catalogue
        With the images.
    out : path
        A folder: ``manifest.csv`` (``manifest-2.csv``, ...) and ``images/``.
    side : int, optional
        Pixels a side of every image; by default JPEG and PNG of at most a megabyte stay as they are, and others are drawn
        at 424.
    credit, licence : str
        Shown to volunteers, where given.
    columns : sequence of str
        Of the catalogue's table, to go along hidden.
    seen : Preprocessing, optional
        How the network sees the images: of FITS its stretch and bands are used, and listed bands are shown in colour.

    Raises
    ------
    CatalogueError
        When a galaxy or a column is unknown, or no image can be shown.
    """
    out = Path(out)
    galaxies = catalogue.select(list(selection["id"]))
    for name in columns:
        if name not in galaxies.table:
            known = [str(column) for column in galaxies.table.columns]
            mend = did_you_mean(name, known) or f" It has {', '.join(known)}"
            raise CatalogueError(f"{catalogue.source} has no column '{name}'.{mend}")
        if name in selection.columns:
            raise CatalogueError(
                f"the selection has a column '{name}' of its own, which would be overwritten by that of {catalogue.source}; "
                "leave it away, or rename it there"
            )
    make_folder(out / "images")
    how = galaxies.prepared or seen
    rows, failures, names = list[dict[str, object]](), dict[str, str](), set[str]()
    extra = {f"#{name}": galaxies.table[name].tolist() for name in columns}
    told = {f"#{name}": selection[name].tolist() for name in selection.columns if name != "id"}
    shares = {key: text for key, text in (("credit", credit), ("licence", licence)) if text}
    with many_aside() as write:
        for row, (galaxy_id, source) in enumerate(zip(galaxies.ids, galaxies.images, strict=True)):
            try:
                content, suffix = shown(source, str(galaxy_id), side, how)
            except ImageError as error:
                failures[str(galaxy_id)] = str(error)
                continue
            name = file_name(str(galaxy_id), names) + suffix
            write(out / "images" / name, content)
            hidden = {key: values[row] for key, values in (told | extra).items()}
            rows.append({IMAGE: name, "#id": galaxy_id, **shares, **hidden})
    if not rows:
        raise CatalogueError(
            f"no image of the selection can be shown; the first: {next(iter(failures.values()), 'it is empty')}"
        )
    return SubjectSet(_write_manifests(rows, out), len(rows), failures)


def _write_manifests(rows: list[dict[str, object]], out: Path) -> tuple[Path, ...]:
    """Write a manifest for every thousand rows, and remove those of an older, larger set."""
    import pandas as pd

    manifests = []
    for part, start in enumerate(range(0, len(rows), SUBJECTS_AT_ONCE)):
        manifests.append(out / ("manifest.csv" if part == 0 else f"manifest-{part + 1}.csv"))
        with aside(manifests[-1]) as temporary:
            write_csv(pd.DataFrame(rows[start : start + SUBJECTS_AT_ONCE]), temporary)
    for older in set(out.glob("manifest*.csv")) - set(manifests):
        older.unlink()
    return tuple(manifests)


def manifest_rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of all manifests of a folder as text, without what is blank.

    Raises
    ------
    CatalogueError
        When there is no manifest, it cannot be read or is none, or an image's name leads elsewhere.
    """
    import pandas as pd

    manifests = sorted(folder.glob("manifest*.csv"), key=lambda path: (len(path.name), path.name))
    if not manifests:
        raise CatalogueError(f"{folder} holds no manifest.csv; write one with `zooactive export`")
    for path in manifests:
        with explained(CatalogueError, f"{path} cannot be read: {{reason}}; write it with `zooactive export`", OSError):
            check_regular(path)
    table = pd.concat([pd.read_csv(path, dtype=str, keep_default_na=False) for path in manifests]).fillna("")
    table = table.rename(columns={"image": IMAGE})  # of manifests that were written before the name was hidden
    if not {IMAGE, "#id"} <= set(table.columns):
        raise CatalogueError(f"{manifests[0]} has no columns {IMAGE} and #id; write it with `zooactive export`")
    elsewhere = next((name for name in table[IMAGE] if name in ("", ".", "..") or set(name) & {*"/\\\0"}), None)
    if elsewhere is not None:  # whatever lies there would be published
        raise CatalogueError(
            f"{manifests[0].parent}: a manifest names the image '{elsewhere}', which is no file in images/; write it with "
            "`zooactive export`"
        )
    return [{str(key): value for key, value in row.items() if value} for row in table.to_dict("records")]


def shown(source: ImageSource, name: str, side: int | None = None, seen: Preprocessing | None = None) -> tuple[bytes, str]:
    """Return an image as volunteers will see it, and the ending of its file's name.

    Raises an ImageError when it cannot be read, or is larger than a megabyte at that size however it is stored.
    """
    how = (seen or Preprocessing()).for_people(side or SIDE)
    pixels = in_colour(decode(source, how, name=name), how.listed)  # also what stays as it is must be whole
    if side is None and how.listed is None:
        content = original_bytes(source, name=name)
        suffix = next((suffix for head, suffix in _SUFFIXES.items() if content.startswith(head)), None)
        if suffix is not None and len(content) <= LARGEST:
            return content, suffix
    content = encode_png(pixels)
    if len(content) <= LARGEST:
        return content, ".png"
    for quality in _QUALITIES:
        buffer = BytesIO()
        as_picture(pixels, None).save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= LARGEST:
            return buffer.getvalue(), ".jpg"
    raise ImageError(
        f"the image of galaxy '{name}' takes more than {LARGEST} bytes at {side or SIDE} pixels; give a smaller --size"
    )
