"""Pictures, places and expectations of the galaxies that a report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue, Preprocessing
from zooactive.catalogue.bands import in_colour
from zooactive.catalogue.images import shorter_side
from zooactive.catalogue.many_images import decode_many
from zooactive.foundation.addresses import RemoteImage
from zooactive.foundation.errors import CatalogueError, ImageError, WorkspaceError, ZooactiveError
from zooactive.report.expected import Expectation, expectations, stored_expectations
from zooactive.report.galaxies import SIDE
from zooactive.report.sky_links import SkyPlace, place_of
from zooactive.training.finetuning.finetuned_numbers import is_number_task
from zooactive.workspace.finetuned import labels_of
from zooactive.workspace.numbers import measured_of
from zooactive.workspace.origin import read_pictured, seen_by
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    from zooactive.prediction import Predictions
    from zooactive.prediction.numbers import NumberPredictions


_LOOKED_AT = 8
"""Images whose size is looked at, so that none is blown up."""


@dataclass(frozen=True)
class Shown:
    """Pictures by id, places on the sky by id, and the bands of the images where the network sees bands."""

    pixels: Mapping[str, NDArray[np.uint8]]
    places: Mapping[str, SkyPlace]
    bands: tuple[str, ...] | None = None


def look_at(settings: Settings, ids: Sequence[str]) -> Shown:
    """Read pictures and places of some galaxies of the pool: from the original images where they are still there."""
    try:
        pictured = read_pictured(settings, ids)
    except ZooactiveError:  # predictions alone, the galaxies of which nobody can find any more
        return Shown({}, {})
    if pictured is None:
        return Shown({}, {})
    seen = seen_by(settings)
    pixels = pictures_of(settings, pictured, seen)
    in_order = {galaxy: pixels[galaxy] for galaxy in ids if galaxy in pixels}
    return Shown(in_order, _places(pictured), seen.listed)


def pictures_of(settings: Settings, galaxies: Catalogue, seen: Preprocessing) -> dict[str, NDArray[np.uint8]]:
    """Return pictures for the page, by id; a galaxy whose image cannot be read has none.

    Packed shards hold images as small as the network sees them, so the originals are read in their place where they can be.
    """
    found = {} if galaxies.prepared is None else decoded(_originals(settings, galaxies), seen)
    rest = galaxies.take(~np.isin(galaxies.ids, list(found)))
    return found | decoded(rest, seen)


def task_pictures(folder: Path, ids: list[str], seen: Preprocessing) -> dict[str, NDArray[np.uint8]]:
    """Return pictures of a task's galaxies from the table they were learnt from; none when that has changed since."""
    try:
        labelled = measured_of(folder).catalogue if is_number_task(folder) else labels_of(folder)
        return decoded(labelled.select(ids), seen)
    except (WorkspaceError, CatalogueError):
        return {}


def expected_of(stored: Predictions, ids: Sequence[str]) -> dict[str, tuple[Expectation, ...]]:
    """Return what the model expects of some galaxies; without embeddings the means alone."""
    if not stored.has_embeddings:
        return stored_expectations(stored.tree, stored.means_of(ids))
    return {galaxy: told for part in stored.posteriors(set(ids)) for galaxy, told in expectations(part).items()}


def expected_numbers(stored: NumberPredictions, ids: Sequence[str]) -> dict[str, tuple[Expectation, ...]]:
    """Return the number that the model expects of some galaxies, with its standard deviation."""
    table, name = stored.table().set_index("id"), stored.column
    rows = table.loc[[galaxy for galaxy in ids if galaxy in table.index], ["mean", "deviation"]]
    return {
        str(galaxy): (Expectation(name, name, float(mean), float(deviation), (name, float(mean))),)
        for galaxy, mean, deviation in rows.itertuples()
    }


def _originals(settings: Settings, packed: Catalogue) -> Catalogue:
    """Return those of some packed galaxies whose original images are where the survey says; none where it is gone."""
    try:
        originals = settings.read_originals()
    except ZooactiveError:
        return packed.take(np.zeros(len(packed), dtype=bool))
    return originals.take(np.isin(originals.ids, packed.ids))


def _places(catalogue: Catalogue) -> dict[str, SkyPlace]:
    """Return where each galaxy whose coordinates are known can be looked up."""
    places = {str(galaxy): place_of(catalogue.table.iloc[row]) for row, galaxy in enumerate(catalogue.ids)}
    return {galaxy: place for galaxy, place in places.items() if place is not None}


def decoded(catalogue: Catalogue, seen: Preprocessing) -> dict[str, NDArray[np.uint8]]:
    """Return pictures of galaxies for people, by id; none of those whose image cannot be read."""
    if not len(catalogue):
        return {}
    how = catalogue.prepared or seen.for_people(_side(catalogue, seen))
    pixels, failures = decode_many(catalogue.images, how, names=list(catalogue.ids))
    pixels = in_colour(pixels, how.listed)
    return {str(galaxy_id): pixels[i] for i, galaxy_id in enumerate(catalogue.ids) if i not in failures}


def _side(catalogue: Catalogue, seen: Preprocessing) -> int:
    """Return how many pixels wide the galaxies are shown: as wide as the widest of the first few images, up to `SIDE`."""
    widest = 0
    for image in catalogue.images[:_LOOKED_AT]:
        if isinstance(image, RemoteImage):  # to look at its size would be to fetch it twice
            return SIDE
        with suppress(ImageError):
            widest = max(widest, shorter_side(image, seen))
    return min(widest, SIDE) or SIDE
