"""Read many cutouts in threads; an unreadable image is reported and does not stop the others."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.images import ImageSource, decode, place_of
from zooactive.catalogue.patience import Reason, read_patiently
from zooactive.catalogue.preprocessing import Preprocessing
from zooactive.catalogue.stored_images import StoredImage
from zooactive.foundation.addresses import RemoteImage
from zooactive.foundation.allowance import usable_cpus
from zooactive.foundation.errors import ImageError

_ASKED_AT_ONCE = 32  # for images at URLs: waiting for each takes longer than decoding it


def decode_many(
    sources: Sequence[ImageSource],
    preprocessing: Preprocessing,
    *,
    names: Sequence[str],
    crops: Sequence[float] | None = None,
    workers: int | None = None,
) -> tuple[NDArray[np.uint8], dict[int, Reason]]:
    """Read many cutouts in threads; an unreadable one is reported and does not stop the others.

    If the reason may pass, such as a server that does not answer, the image is read again after growing pauses.

    Parameters
    ----------
    sources : sequence of Path, bytes, StoredImage, RemoteImage or None, length G
    preprocessing : Preprocessing
    names : sequence of str, length G
        The galaxies' ids.
    crops : sequence of float, length G, optional
        The central fraction of each image that is treated as the whole image.
    workers : int, optional
        Number of threads. By default one for each CPU that this process may use, or 32 for images at URLs.

    Returns
    -------
    pixels : ndarray of uint8, shape (G, size, size, channels)
        Zeros for an image that could not be read.
    failures : dict of int to Reason
        Maps each row that failed to the reason, a text that also has a kind, in the order of rows.

    Examples
    --------
    >>> pixels, failures = decode_many([None], Preprocessing(size=8), names=["J0"])
    >>> failures[0].partition(";")[0]
    "galaxy 'J0' has no image"
    """
    size, channels = preprocessing.size, preprocessing.channels
    pixels = np.zeros((len(sources), size, size, channels), dtype=np.uint8)

    def read(rows: Collection[int]) -> dict[int, Reason]:
        reasons: dict[int, Reason] = {}
        order = iter(sorted(rows, key=lambda row: place_of(sources[row])))
        taking = threading.Lock()  # row groups are opened in order, so that no slow thread causes one to be read again

        def read_on() -> None:
            while True:
                with taking:
                    if (row := next(order, None)) is None:
                        return
                    source = sources[row]
                    if isinstance(source, StoredImage):
                        source = source.with_group()
                wanted = preprocessing if crops is None else replace(preprocessing, crop=preprocessing.crop * crops[row])
                try:
                    pixels[row] = decode(source, wanted, name=names[row])
                except ImageError as error:
                    reasons[row] = Reason.of(error)

        far = any(isinstance(sources[row], RemoteImage) for row in rows)
        threads = min(len(rows), workers or (_ASKED_AT_ONCE if far else usable_cpus()))
        with ThreadPoolExecutor(max(threads, 1)) as pool:
            try:
                for reading in as_completed([pool.submit(read_on) for _ in range(threads)]):
                    reading.result()
            except BaseException:
                order = iter(())  # the other threads end with the image that they hold
                raise
        return reasons

    return pixels, read_patiently(read, range(len(sources)))
