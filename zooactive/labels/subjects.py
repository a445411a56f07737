"""A selection written as a subject set of the Zooniverse: images that its uploader accepts, and a manifest.

Metadata whose name begins with ``#`` is hidden from volunteers, but the classification export contains it. By it, votes are
matched with their galaxies (`zooactive.labels.wording`), and volunteers never see what the network expects.
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
"""The column of a manifest that names the image. The uploader takes any cell with an image's ending as an image; the ``#``
keeps the name from being shown as text."""

SIDE = 424  # pixels, as in Galaxy Zoo's own cutouts
LARGEST = 1_000_000  # bytes, the Zooniverse's limit for an image
SUBJECTS_AT_ONCE = 1000  # per manifest, because its uploader is a web page
_SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png"}
_QUALITIES = (95, 90, 80, 70)


@dataclass(frozen=True)
class SubjectSet:
    """The files written: the manifests, the number of subjects, and the id and reason of galaxies without an image."""

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
    """Write the images of a selection, and one manifest for every thousand of them.

    Parameters
    ----------
    selection : DataFrame
        The result of `zooactive.acquire`. All its columns except id become hidden metadata.
    catalogue : Catalogue
        The catalogue with the images.
    out : path
        The folder that receives ``manifest.csv`` (``manifest-2.csv``, ...) and ``images/``.
    side : int, optional
        The side of every image in pixels. By default, JPEG and PNG files of at most a megabyte are copied, and other images
        are drawn at 424 pixels.
    credit, licence : str
        Texts shown to volunteers, if given.
    columns : sequence of str
        Columns of the catalogue's table that become hidden metadata.
    seen : Preprocessing, optional
        How the network sees the images. For FITS its stretch and bands are used, and listed bands are shown in colour.

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
                f"the selection has its own column '{name}', which that of {catalogue.source} would overwrite; leave the "
                "column out, or rename it there"
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
    """Write a manifest for every thousand rows, and remove the manifests of an older, larger set."""
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
    """Return the rows of all manifests in a folder as text, without blank cells.

    Raises
    ------
    CatalogueError
        When there is no manifest, a file cannot be read or is not a manifest, or an image's name is not a file in images/.
    """
    import pandas as pd

    manifests = sorted(folder.glob("manifest*.csv"), key=lambda path: (len(path.name), path.name))
    if not manifests:
        raise CatalogueError(f"{folder} holds no manifest.csv; write one with `zooactive export`")
    for path in manifests:
        with explained(CatalogueError, f"{path} cannot be read: {{reason}}; write it with `zooactive export`", OSError):
            check_regular(path)
    table = pd.concat([pd.read_csv(path, dtype=str, keep_default_na=False) for path in manifests]).fillna("")
    table = table.rename(columns={"image": IMAGE})  # older manifests did not hide this column
    if not {IMAGE, "#id"} <= set(table.columns):
        raise CatalogueError(f"{manifests[0]} has no columns {IMAGE} and #id; write it with `zooactive export`")
    elsewhere = next((name for name in table[IMAGE] if name in ("", ".", "..") or set(name) & {*"/\\\0"}), None)
    if elsewhere is not None:  # a file elsewhere would be published
        raise CatalogueError(
            f"{manifests[0].parent}: a manifest names the image '{elsewhere}', which is not a file in images/; write the "
            "manifest with `zooactive export`"
        )
    return [{str(key): value for key, value in row.items() if value} for row in table.to_dict("records")]


def shown(source: ImageSource, name: str, side: int | None = None, seen: Preprocessing | None = None) -> tuple[bytes, str]:
    """Return an image as volunteers will see it, and the ending of its file's name.

    Raises an ImageError if the image cannot be read, or is larger than a megabyte at that size in every format.
    """
    how = (seen or Preprocessing()).for_people(side or SIDE)
    pixels = in_colour(decode(source, how, name=name), how.listed)  # a copied file must also be readable
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
