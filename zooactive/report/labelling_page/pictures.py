"""The images of a pool as the page shows them."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict

from zooactive.catalogue import Catalogue, Preprocessing
from zooactive.catalogue.bands import as_picture, in_colour
from zooactive.foundation.errors import ImageError

_LARGE, _SMALL = 512, 160
"""Pixels a side of one galaxy at a time, and of one in a grid."""

_KEPT = 256
"""Encoded images that are kept."""


class Pictures:
    """JPEG of a galaxy by its row in the pool; encoded anew, so that nothing reaches the browser that is no picture.

    Where the encoder has been `seen` to take listed bands, these are shown in colour.
    """

    def __init__(self, pool: Catalogue, seen: Preprocessing | None = None) -> None:
        self._pool = pool
        self._seen = seen or Preprocessing()
        self._kept: OrderedDict[tuple[int, bool], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def jpeg(self, row: int, *, small: bool = False) -> bytes:
        """Return a picture; an ImageError where the file cannot be read."""
        with self._lock:
            if (row, small) in self._kept:
                self._kept.move_to_end((row, small))
                return self._kept[row, small]
        found = self._encode(row, _SMALL if small else _LARGE)
        with self._lock:
            self._kept[row, small] = found
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def _encode(self, row: int, size: int) -> bytes:
        how = self._pool.prepared or self._seen.for_people(size)
        pixels, failures = self._pool.decode(how, range(row, row + 1))
        if failures:
            raise ImageError(str(failures[0]))
        stream = io.BytesIO()
        as_picture(in_colour(pixels[0], how.listed), None).save(stream, "JPEG", quality=92)
        return stream.getvalue()
