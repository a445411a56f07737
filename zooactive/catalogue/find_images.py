"""Find the cutouts of a table's galaxies: in a column of paths or bytes, or in a folder of files named by the ids."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zooactive.catalogue.band_files import FILLED_IN, BandFiles, band_columns, by_galaxy, names_of
from zooactive.catalogue.image_files import IMAGE_SUFFIXES, files_below
from zooactive.catalogue.image_places import places_of
from zooactive.catalogue.images import ImageSource, NoImage
from zooactive.catalogue.stored_images import StoredImage
from zooactive.catalogue.tables import IMAGE_COLUMNS, GalaxyTable
from zooactive.foundation.addresses import RemoteImage, address_of, remote_images
from zooactive.foundation.errors import CatalogueError, did_you_mean


def find_images(
    table: GalaxyTable, path: Path, image_column: str | None, folder: Path | str | None
) -> tuple[tuple[ImageSource, ...], tuple[str, ...]]:
    """Find each galaxy's image by the table's image column, or by its id in a folder; also return the column, if any.

    Without `image_column`, the first of file_loc, image, png_loc is used. Relative paths in it start from the folder of the
    table's file `path`, or from `folder`. That folder may instead hold ID.jpg, ID.jpeg, ID.png or ID.fits, or one FITS file
    per band: ID_g.fits, or g/ID.fits. A URL is a str. A column name that contains ``{band}`` stands for one column per band,
    and all of these columns are returned. Raise a CatalogueError if the folder or the column does not exist, or the folder
    has no image of any galaxy.
    """
    columns = list(table.frame.columns)
    if isinstance(folder, Path) and not folder.is_dir():
        raise CatalogueError(f"the image folder {folder} does not exist; give the folder where image paths start")
    start = folder or (path if path.is_dir() else path.parent)
    if image_column is not None and FILLED_IN in image_column and image_column not in columns:
        return _from_columns(table.frame, path, image_column, start)
    if image_column is not None and image_column not in columns:
        raise CatalogueError(
            f"the image column '{image_column}' is missing from {path}.{did_you_mean(image_column, columns)} "
            f"It has {', '.join(map(str, columns[:8]))}; without --image (in Python image_column) images are looked for in "
            f"{', '.join(IMAGE_COLUMNS)}"
        )
    blank: tuple[tuple[ImageSource, ...], tuple[str, ...]] | None = None
    for column in (image_column,) if image_column is not None else [known for known in IMAGE_COLUMNS if known in columns]:
        cells = _from_column(table.frame[column], start, column)
        if any(cells):
            return cells, (column,)
        odd = next((cell for cell in cells if isinstance(cell, NoImage)), None)
        if image_column is not None and odd is not None:
            raise CatalogueError(f"{path}: {odd.reason}")
        blank = blank or (cells, (column,))
    if blank is not None and (image_column is not None or not isinstance(folder, Path)):
        return blank
    if folder is None:
        return (None,) * len(table.ids), ()
    named = _by_id(table, folder)  # even if a column of that name holds something different, such as an exposure's number
    if any(named):
        return named, ()
    if blank is not None:
        return blank
    raise CatalogueError(
        f"{folder} has no image of any galaxy in {path}; name the files by the id, e.g. '{table.ids[0]}.jpg', or, with one "
        f"per band, '{table.ids[0]}_g.fits'; or give their paths in an image column: {', '.join(IMAGE_COLUMNS)}, or one "
        "named with --image"
    )


def _by_id(table: GalaxyTable, folder: Path | str) -> tuple[ImageSource, ...]:
    """Return the images of a folder whose files are named by the ids, or by an id and a band."""
    found: dict[str, Path] | dict[str, RemoteImage]
    found = remote_images(folder) if isinstance(folder, str) else _files_by_name(folder, table)
    named = {_as_ids_are(name): name for name in sorted(found, reverse=True)} | {name: name for name in found}
    images = [
        next((found[named[name]] for suffix in IMAGE_SUFFIXES if (name := f"{galaxy_id}{suffix}") in named), None)
        for galaxy_id in table.ids
    ]
    without = [galaxy_id for galaxy_id, image in zip(table.ids, images, strict=True) if image is None]
    bands = by_galaxy({name: found[original] for name, original in named.items()}, without) if without else {}
    return tuple(
        BandFiles.of(bands[galaxy_id]) if image is None and galaxy_id in bands else image
        for galaxy_id, image in zip(table.ids, images, strict=True)
    )


def _files_by_name(folder: Path, table: GalaxyTable) -> dict[str, Path]:
    """Return the files of a folder and its subfolders by name; of several, the one nearest to the folder itself.

    Raise a CatalogueError if an image of a galaxy is in two subfolders, because it is not known which is meant. If several
    bands have a subfolder each, g/ID.fits is called ID_g.fits.
    """
    found: dict[str, Path] = {}
    twice: dict[str, Path] = {}
    files = files_below(folder)
    for name, file in zip(names_of(files, folder), files, strict=True):
        first = found.setdefault(name, file)
        if first is not file and len(file.parts) < len(first.parts):
            found[name] = file
            twice.pop(name, None)
        elif first is not file and len(file.parts) == len(first.parts):
            twice.setdefault(name, file)
    if twice:
        ids = set(table.ids)
        for name, second in twice.items():
            own = _as_ids_are(name)
            of_band = bool(by_galaxy({own: second}, ids))
            if of_band or (own.rpartition(".")[0] in ids and second.suffix.lower() in IMAGE_SUFFIXES):
                raise CatalogueError(
                    f"{folder} has {name} in {found[name].parent} and in {second.parent}; give one of these folders, or an "
                    "image column with paths"
                )
    return found


def _as_ids_are(name: str) -> str:
    """Return a file's name as it is looked for: cameras write .JPG, and some systems split a letter and its accent."""
    stem, dot, suffix = unicodedata.normalize("NFC", name).rpartition(".")
    return f"{stem}{dot}{suffix.lower()}"


def _from_column(cells: pd.Series[Any], start: Path | str, column: str) -> tuple[ImageSource, ...]:
    """Return an image for each cell: a path from `start`, a URL, bytes, None, or a `NoImage` for anything else."""
    contents = [_content(cell) for cell in cells]
    if isinstance(start, str):
        return tuple(_source(cell, start, column) for cell in contents)
    paths = {cell for cell in contents if isinstance(cell, str) and cell.strip() and address_of(cell.strip()) is None}
    places = places_of(paths, start)
    return tuple(
        places[cell] if isinstance(cell, str) and cell in paths else _source(cell, start, column) for cell in contents
    )


def _from_columns(
    frame: pd.DataFrame, path: Path, template: str, start: Path | str
) -> tuple[tuple[ImageSource, ...], tuple[str, ...]]:
    """Return the files of each row, from the columns that a template stands for; a blank cell is a missing band."""
    columns = band_columns(template, map(str, frame.columns))
    if not columns:
        raise CatalogueError(
            f"the image column '{template}' stands for one column per band, but {path} has none of them, such as "
            f"'{template.replace(FILLED_IN, 'g')}'. It has {', '.join(map(str, list(frame.columns)[:8]))}"
        )
    by_row: list[dict[str, Path | RemoteImage]] = [{} for _ in range(len(frame))]
    for band, name in columns.items():
        for row, cell in enumerate(_from_column(frame[name], start, name)):
            if isinstance(cell, Path | RemoteImage):
                by_row[row][band] = cell
            elif cell is not None:
                raise CatalogueError(
                    f"{path}: column '{name}' does not hold paths or addresses of FITS files with one band; if the bands "
                    "of a galaxy are in one file, name the column with that file"
                )
    return tuple(BandFiles.of(files) if files else None for files in by_row), tuple(columns.values())


def _content(cell: object) -> object:
    """Return the bytes or path of an image in a struct, or the cell itself."""
    if isinstance(cell, dict) and cell.keys() & {"bytes", "path"}:
        return cell.get("bytes") or cell.get("path")
    return cell


def _source(cell: object, start: Path | str, column: str) -> ImageSource:
    if isinstance(cell, bytes | StoredImage):
        return cell
    if not isinstance(cell, str):
        what = _in_words(cell)
        return (
            None
            if what is None
            else NoImage(
                f"column '{column}' holds {what}, not a path, address or bytes of an image; images are looked for in "
                f"{', '.join(IMAGE_COLUMNS)}, or in the column that image_column names"
            )
        )
    if not cell.strip():
        return None
    return RemoteImage(address_of(cell.strip()) or f"{str(start).rstrip('/')}/{cell.strip().lstrip('/')}")


def _in_words(cell: object) -> str | None:
    """Describe what a cell holds, or return None for a blank one."""
    if isinstance(cell, dict):
        return f"a struct of {', '.join(map(str, cell))}"
    if isinstance(cell, list | tuple | np.ndarray):
        return "a list"
    if cell is None or pd.isna(cell):  # type: ignore[call-overload]
        return None
    return f"the number {cell}" if isinstance(cell, int | float | np.number) else f"'{str(cell)[:40]}'"
