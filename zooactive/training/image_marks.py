"""Marks of the training images, by which a resumed run checks that they are still the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from zooactive.catalogue import Catalogue
from zooactive.catalogue.band_files import BandFiles
from zooactive.catalogue.images import ImageSource, place_of
from zooactive.catalogue.stored_images import StoredImage
from zooactive.foundation.allowance import usable_cpus
from zooactive.foundation.errors import ZooactiveError
from zooactive.foundation.writing import file_hash
from zooactive.prediction.marks import LENGTH, image_mark, short_mark


@dataclass(frozen=True)
class ImageMarks:
    """Marks that identify the images of galaxies by the contents of their files.

    A file may be changed in place and keep its name and size, as FITS cutouts do. A check of the time of change alone would
    refuse a folder that was copied. So both are kept: if all times are the same, the images are taken to be the same. If one
    is not, the contents of all files are read and compared. Images at URLs are identified by the URLs alone.

    Parameters
    ----------
    ids : sequence of str
    sources : sequence of ImageSource
    """

    ids: Sequence[str]
    sources: Sequence[ImageSource]

    @classmethod
    def of(cls, *catalogues: Catalogue | None) -> ImageMarks:
        """Return the marks of the images of catalogues, one after another."""
        given = [catalogue for catalogue in catalogues if catalogue is not None]
        return cls(
            [str(galaxy_id) for catalogue in given for galaxy_id in catalogue.ids],
            [source for catalogue in given for source in catalogue.images],
        )

    def to_dict(self) -> dict[str, str]:
        """Return the marks that a run keeps: one of all times of change, and one of the contents of each image."""
        content = "".join(mark for mark, _ in self._content)
        # If a Parquet file only names the image files, its own time of change says nothing about them.
        return {"changed": "" if any(named for _, named in self._content) else self._changed, "content": content}

    def others(self, then: Mapping[str, Any]) -> list[str]:
        """Return the galaxies whose images have changed since `then` was stored; a ValueError if `then` is damaged."""
        if then["changed"] and then["changed"] == self._changed:
            return []
        marks = then["content"]
        if len(marks) != LENGTH * len(self.ids):
            raise ValueError("the marks of the images belong to another number of galaxies")
        before = [marks[i : i + LENGTH] for i in range(0, len(marks), LENGTH)]
        now = [mark for mark, _ in self._content]
        return [galaxy_id for galaxy_id, old, new in zip(self.ids, before, now, strict=True) if old != new]

    @cached_property
    def _changed(self) -> str:
        """Return a mark of all names, sizes and times of change."""
        return blake2b("".join(map(image_mark, self.sources)).encode(), digest_size=16).hexdigest()

    @cached_property
    def _content(self) -> list[tuple[str, bool]]:
        """Return for each image a mark of its contents, and whether a Parquet file names its file."""
        order = sorted(range(len(self.sources)), key=lambda row: place_of(self.sources[row]))
        with ThreadPoolExecutor(usable_cpus()) as pool:
            marks = dict(zip(order, pool.map(_content_mark, (self.sources[row] for row in order)), strict=True))
        return [marks[row] for row in range(len(self.sources))]


def _content_mark(source: ImageSource) -> tuple[str, bool]:
    stored = isinstance(source, StoredImage)
    if isinstance(source, BandFiles):
        marks = [_content_mark(file) for file in source.paths]
        return short_mark("".join(mark for mark, _ in marks)), False
    try:
        held = source.read() if isinstance(source, StoredImage) else source
        return (short_mark(file_hash(held)), stored) if isinstance(held, Path) else (image_mark(held), False)
    except (OSError, ValueError, ZooactiveError):  # decoding the image will report the reason
        return short_mark(""), stored
