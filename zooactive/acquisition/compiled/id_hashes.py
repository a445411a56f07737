"""Compiled: the hashes of `zooactive.foundation.hashing` for millions of ids, straight from Arrow's buffers.

A screening of three million galaxies needs a hash of every id. Hashlib takes a microsecond per call, longer than all other
steps together. The hashes are the same as hashlib's, which a test checks.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.allowance import usable_cpus
from zooactive.foundation.compiled import compiled
from zooactive.foundation.hashing import Purpose, hash_ids

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 128
"""The block size of BLAKE2b in bytes. Hashlib hashes longer messages."""

_START = tuple(
    np.array([
        0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
        0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
    ], dtype=np.uint64)
)  # fmt: skip
_ORDER = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ],
    dtype=np.uint64,
)  # fmt: skip


def hash_arrow_ids(ids: pa.Array, *, purpose: Purpose, seed: int) -> NDArray[np.uint64]:
    """Hash each id of a pyarrow array of strings to 64 bits, uint64 of shape (id,), like `hash_ids` for a list."""
    import pyarrow as pa

    if len(ids) == 0:
        return np.empty(0, dtype=np.uint64)
    ids = ids.cast(pa.large_string())
    prefix = f"{purpose}|{seed}|".encode()
    _, ends, text = ids.buffers()
    bounds = np.frombuffer(ends, dtype=np.int64)[ids.offset : ids.offset + len(ids) + 1].copy()
    if len(prefix) + int(np.diff(bounds).max()) > _BLOCK:
        return hash_ids(ids.to_pylist(), purpose=purpose, seed=seed)
    letters = np.frombuffer(text, dtype=np.uint8) if text is not None else np.empty(0, dtype=np.uint8)
    out = np.empty(len(ids), dtype=np.uint64)
    cuts = np.linspace(0, len(ids), usable_cpus() + 1).astype(int)
    with ThreadPoolExecutor(usable_cpus()) as pool:
        work = (
            pool.submit(_hash, letters, bounds[i : j + 1], np.frombuffer(prefix, dtype=np.uint8), out[i:j])
            for i, j in pairwise(cuts)
        )
        for done in list(work):
            done.result()
    return out


@compiled
def _hash(letters: NDArray[np.uint8], bounds: NDArray[np.int64], prefix: NDArray[np.uint8], out: NDArray[np.uint64]) -> None:
    """Hash prefix + id, a message of one block, by BLAKE2b with 8 bytes (RFC 7693), read as a big-endian number."""
    block = np.zeros(_BLOCK, np.uint8)
    m = block.view(np.uint64)
    block[: len(prefix)] = prefix
    s0, s1, s2, s3, s4, s5, s6, s7 = _START
    changed = s0 ^ np.uint64(0x01010008)  # no key, a digest of 8 bytes
    end = len(prefix)
    for i in range(len(out)):
        length = len(prefix) + bounds[i + 1] - bounds[i]
        for byte in range(len(prefix), length):
            block[byte] = letters[bounds[i] + byte - len(prefix)]
        for byte in range(length, end):
            block[byte] = 0  # clear the bytes of a longer id
        end = length
        a0, a1, a2, a3, b0, b1, b2, b3 = changed, s1, s2, s3, s4, s5, s6, s7
        c0, c1, c2, c3, d0, d1, d2, d3 = s0, s1, s2, s3, s4 ^ np.uint64(length), s5, ~s6, s7  # ~: the last block
        for turn in range(12):
            o = _ORDER[turn % 10]
            a0, b0, c0, d0 = _mix(a0, b0, c0, d0, m[o[0]], m[o[1]])
            a1, b1, c1, d1 = _mix(a1, b1, c1, d1, m[o[2]], m[o[3]])
            a2, b2, c2, d2 = _mix(a2, b2, c2, d2, m[o[4]], m[o[5]])
            a3, b3, c3, d3 = _mix(a3, b3, c3, d3, m[o[6]], m[o[7]])
            a0, b1, c2, d3 = _mix(a0, b1, c2, d3, m[o[8]], m[o[9]])
            a1, b2, c3, d0 = _mix(a1, b2, c3, d0, m[o[10]], m[o[11]])
            a2, b3, c0, d1 = _mix(a2, b3, c0, d1, m[o[12]], m[o[13]])
            a3, b0, c1, d2 = _mix(a3, b0, c1, d2, m[o[14]], m[o[15]])
        digest, number = changed ^ a0 ^ c0, np.uint64(0)
        for _ in range(8):
            number = (number << np.uint64(8)) | (digest & np.uint64(0xFF))
            digest >>= np.uint64(8)
        out[i] = number


_Word: TypeAlias = np.uint64


@compiled
def _mix(a: _Word, b: _Word, c: _Word, d: _Word, x: _Word, y: _Word) -> tuple[_Word, _Word, _Word, _Word]:
    """Mix two words of the message into four words of the state."""
    a = a + b + x
    d = _turned(d ^ a, np.uint64(32))
    c = c + d
    b = _turned(b ^ c, np.uint64(24))
    a = a + b + y
    d = _turned(d ^ a, np.uint64(16))
    c = c + d
    b = _turned(b ^ c, np.uint64(63))
    return a, b, c, d


@compiled
def _turned(word: _Word, bits: _Word) -> _Word:
    """Rotate a word to the right."""
    return (word >> bits) | (word << (np.uint64(64) - bits))
