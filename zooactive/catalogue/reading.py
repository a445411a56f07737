"""Read catalogues from tables, shards or folders of images, or from a catalogue that is already in memory."""

from __future__ import annotations

import sys
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zooactive.catalogue.band_files import FILLED_IN, BandFiles, by_galaxy, names_of
from zooactive.catalogue.catalogue import RESERVED, Catalogue
from zooactive.catalogue.column_names import names_apart
from zooactive.catalogue.find_images import find_images
from zooactive.catalogue.image_files import IMAGE_SUFFIXES, files_below
from zooactive.catalogue.preprocessing import Preprocessing
from zooactive.catalogue.set_aside import MAX_SET_ASIDE
from zooactive.catalogue.tables import IMAGE_COLUMNS, parquet_parts, read_table
from zooactive.catalogue.votes import read_votes
from zooactive.catalogue.where import rows_where
from zooactive.foundation.addresses import address_of, local_copy
from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.spelling import control_in
from zooactive.tree import DecisionTree, load_tree


def read_catalogue(
    path: str | Path | Catalogue,
    *,
    tree: str | Path | DecisionTree | None = None,
    images: str | Path | None = None,
    id_column: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    volunteers: float | str | None = None,
    min_votes: float | None = None,
    where: str | None = None,
    max_set_aside: float = MAX_SET_ASIDE,
) -> Catalogue:
    """Read a table of galaxies, shards, or a folder of images.

    Parameters
    ----------
    path : str, Path or Catalogue
        CSV, Parquet (a file, a folder of parts, or shards), FITS table, VOTable, or a folder of images (with subfolders).
        For images, the file names are the ids. A catalogue is returned unchanged, except for the rows that `where` excludes.
        Tables and shards may be at a URL such as ``s3://survey/shards`` (see `zooactive.foundation.addresses`).
    tree : str, Path or DecisionTree, optional
        Names the vote columns and says what they hold (see `zooactive.catalogue.votes`). Without a tree no votes are read.
    images : str or Path, optional
        The folder where relative image paths start, by default the table's own folder. If the table has no image column: the
        folder that holds ID.jpg, ID.jpeg, ID.png or ID.fits, itself or in subfolders, or one FITS file per band, named
        ID_g.fits or g/ID.fits. It may be a URL.
    id_column : str, optional
        By default the first of id, id_str, iauname, GalaxyID, survey_id.
    image_column : str, optional
        By default the first of file_loc, image, png_loc. It holds paths or URLs; in Parquet also bytes or {bytes, path}. A
        name with ``{band}`` in it stands for one column of FITS files per band: ``"path_{band}"`` for path_g, path_r and so
        on.
    label_column : str, optional
        A column of class labels, one vote each, for a tree of one question. For a tree of fractions, the column with the
        fraction of the first of its two answers.
    volunteers : float or str, optional
        How many volunteers gave the fractions, or the column with that number. By default the tree's own number.
    min_votes : float, optional
        The number of votes on a root question from which a galaxy is labelled. By default the tree's number, and 1 for
        labels.
    where : str, optional
        Keep only the rows for which this comparison of the file's own columns is true, e.g. ``"mag_r < 17.7"``.
    max_set_aside : float
        The largest share of rows that may be left out because their votes contradict themselves (more votes on a question
        than people who reached it, or a cell that is not a number of votes). They are left out with a warning, and the
        catalogue's `set_aside` lists them. If there are more, the table is refused.

    Returns
    -------
    Catalogue
        The galaxies. Other columns of the table that are called ``id`` or ``image`` become ``original_id`` and
        ``original_image``.

    Raises
    ------
    CatalogueError
        If something cannot be used. The message names the file, row, id and column, and says what to do.
    """
    if isinstance(path, Catalogue):
        if any(option is not None for option in (images, id_column, image_column, label_column, volunteers)):
            raise CatalogueError(f"{path.source} has already been read; give its path to read it with other options")
        return _read_already(path, tree, min_votes, where)
    address = address_of(path)
    path = Path(path) if address is None else local_copy(address)
    tree = None if tree is None else load_tree(tree)
    if tree is None and (label_column is not None or volunteers is not None):
        raise CatalogueError(f"{path}: a label column or a number of volunteers needs a decision tree; give tree=")
    if is_folder_of_images(path):
        if tree is not None or id_column or image_column or where:
            raise CatalogueError(
                f"{path} is a folder of images without a table, so it has no columns; give the table's path"
            )
        return _read_folder(path, min_votes)
    start = None if images is None else address_of(images) or Path(images)
    here = start if isinstance(start, Path) else None
    table = read_table(path, id_column=id_column, image_column=image_column, images=here)
    if address is not None and start is None and _names_images(table.frame, image_column):
        start = address.rpartition("/")[0]  # the original folder, not that of the local copy
    prepared = None
    if table.metadata is not None:
        tree, prepared, stored_votes = _from_shards(table.metadata, tree, path)
        min_votes = stored_votes if min_votes is None else min_votes
    if where is not None:
        kept = rows_where(table.frame, where, str(path))
        if not kept.any():
            raise CatalogueError(f"where '{where}' is true of none of the {len(kept)} rows of {path}; widen it")
        # The frame keeps its index, so that errors still name the file's own rows.
        table = replace(table, frame=table.frame[kept], ids=table.ids[kept])
    cutouts, used = find_images(table, path, image_column, start)
    votes, single, set_aside = None, False, None
    if tree is not None:
        counted = table.metadata is not None and table.metadata["tree"] is not None
        published = replace(tree, votes="counts") if counted else tree  # shards hold counts, whatever the survey published
        with warnings.catch_warnings():
            if counted:  # the warnings about these votes were given when they were packed
                warnings.simplefilter("ignore", UserWarning)
            reading = read_votes(
                table,
                published,
                source=str(path),
                label_column=label_column,
                volunteers=volunteers,
                max_set_aside=0 if counted else max_set_aside,
            )
        votes, single, set_aside = reading.votes, reading.single_label, reading.set_aside
        used = (*used, *reading.columns)
    rest = table.frame.drop(columns=list({table.id_column, *used})).reset_index(drop=True)
    rest = names_apart(rest, RESERVED, str(path))
    if min_votes is None:
        min_votes = 1 if single else tree.min_votes if tree is not None else 30
    found = Catalogue(table.ids, cutouts, votes, tree, rest, str(path), float(min_votes), prepared)
    return found if not set_aside else replace(found.take(set_aside.kept), set_aside=set_aside.rows())


def _names_images(frame: pd.DataFrame, image_column: str | None) -> bool:
    return FILLED_IN in (image_column or "") or bool({image_column, *IMAGE_COLUMNS} & {*frame.columns})


def is_folder_of_images(path: Path) -> bool:
    """Return whether a path is a folder without Parquet files, which is read as a folder of images."""
    return path.is_dir() and not parquet_parts(path)


def single_image(path: str | Path) -> Catalogue:
    """Return a catalogue of one galaxy, named after its image file."""
    path = Path(path)
    return Catalogue(np.array([path.stem], dtype=object), (path,), None, None, pd.DataFrame(index=range(1)), str(path))


def _read_already(
    catalogue: Catalogue, tree: str | Path | DecisionTree | None, min_votes: float | None, where: str | None
) -> Catalogue:
    if tree is not None and (catalogue.tree is None or load_tree(tree).questions != catalogue.tree.questions):
        have = f"tree '{catalogue.tree.name}'" if catalogue.tree else "no tree"
        raise CatalogueError(f"{catalogue.source} was read with {have}, not '{load_tree(tree).name}'; read its file again")
    if min_votes is not None:
        catalogue = replace(catalogue, min_votes=float(min_votes))
    return catalogue if where is None else catalogue.where(where)


def _from_shards(
    metadata: dict[str, Any], tree: DecisionTree | None, path: Path
) -> tuple[DecisionTree | None, Preprocessing | None, float | None]:
    """Return the tree, preprocessing and min_votes that shards declare."""
    least, prepared = metadata["min_votes"], None
    if metadata["preprocessing"] is not None:
        prepared = Preprocessing.from_dict(metadata["preprocessing"])
    if isinstance(least, bool) or not isinstance(least, int | float) or not 0 <= least <= sys.float_info.max:
        raise CatalogueError(f"{path}: min_votes = {least!r} in the shards is not valid; prepare them again")
    if metadata["tree"] is None:
        return tree, prepared, None if tree is not None else least
    stored = DecisionTree.from_dict(metadata["tree"], where=str(path))
    if tree is not None and tree.questions != stored.questions:
        raise CatalogueError(
            f"the shards in {path} hold votes of tree '{stored.name}', not of '{tree.name}'; leave the tree out, or "
            "prepare the catalogue again"
        )
    return stored, prepared, least


def _read_folder(path: Path, min_votes: float | None) -> Catalogue:
    files = [file for file in files_below(path) if file.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise CatalogueError(
            f"{path} holds neither Parquet files nor images ({', '.join(IMAGE_SUFFIXES)}); give another folder"
        )
    for file in files:
        if (control := control_in(file.stem)) is not None:
            raise CatalogueError(f"{path}: the name of {file.name} holds the control character {control}; rename the file")
    found = _galaxies_of(files, path)
    ids = np.array(list(found), dtype=object)
    table = pd.DataFrame(index=pd.RangeIndex(len(ids)))
    least = 30 if min_votes is None else float(min_votes)
    return Catalogue(ids, tuple(found.values()), None, None, table, str(path), least)


def _galaxies_of(files: Sequence[Path], folder: Path) -> dict[str, Path | BandFiles]:
    """Return the galaxies of images without a table, by the ids in their files' names."""
    names = dict(zip(files, names_of(files, folder), strict=True))
    bands = by_galaxy({names[file]: file for file in reversed(files)})
    galaxies = {file: galaxy for galaxy, by_band in bands.items() for file in by_band.values()}
    shared = {names[file]: file for file in galaxies}
    found: dict[str, Path | BandFiles] = {}
    for file in files:
        galaxy = galaxies.get(file)
        image: Path | BandFiles = file if galaxy is None else BandFiles.of(bands[galaxy])
        galaxy_id = unicodedata.normalize("NFC", file.stem if galaxy is None else galaxy)
        twin = shared.get(names[file]) if galaxy is None else None  # the same file of a band in another subfolder
        first = twin or found.setdefault(galaxy_id, image)
        if first != image:
            one = first if isinstance(first, Path) else Path(str(first.paths[0]))
            raise CatalogueError(
                f"{folder}: {one.relative_to(folder)} and {file.relative_to(folder)} are both named '{galaxy_id}', but the "
                "name is the galaxy's id; rename one of them, give one subfolder, or give a table with ids and paths"
            )
    return found
