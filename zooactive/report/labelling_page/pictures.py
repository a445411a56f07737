"""The images of a pool as the page shows them."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict

from zooactive.catalogue import Catalogue, Preprocessing
from zooactive.foundation.errors import ImageError

_LARGE, _SMALL = 512, 160
"""Pixels a side of one galaxy at a time, and of one in a grid."""

_KEPT = 256
"""Encoded images that are kept."""


class Pictures:
    """JPEG of a galaxy by its row in the pool; encoded anew, so that nothing reaches the browser that is no picture."""

    def __init__(self, pool: Catalogue) -> None:
        self._pool = pool
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
        from PIL import Image

        pixels, failures = self._pool.decode(self._pool.prepared or Preprocessing(size=size), range(row, row + 1))
        if failures:
            raise ImageError(str(failures[0]))
        image = pixels[0]
        stream = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(stream, "JPEG", quality=92)
        return stream.getvalue()
