"""Shards: a catalogue packed into Parquet files of ids, encoded images and votes.

A million small files are slow to open one by one; some hundreds of Parquet files are not, and pandas, DuckDB, Ray and Spark
read them. `zooactive.catalogue.read_catalogue` reads the folder back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zooactive.catalogue.catalogue import Catalogue
from zooactive.catalogue.column_names import names_apart
from zooactive.catalogue.images import LARGEST_BYTES, ImageSource, Preprocessing, decode, encode_png, mark_of
from zooactive.catalogue.stored_images import StoredImage
from zooactive.foundation.addresses import RemoteImage
from zooactive.foundation.allowance import usable_cpus
from zooactive.foundation.errors import CatalogueError, ImageError, explained
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.locking import held
from zooactive.foundation.metadata import about_of
from zooactive.foundation.parts_folder import PartsFolder, Tally
from zooactive.foundation.reading import check_regular
from zooactive.foundation.telling import Progress

_FORMAT = 1
"""Of shards; before it no number was written."""

_CHECK = Preprocessing(size=64)  # original bytes are only decoded to see that they can be, and show something


@dataclass(frozen=True, eq=False)
class ShardsResult:
    """Where the shards are, how many, of how many galaxies, and the images that could not be read (id, path, reason)."""

    folder: Path
    shards: int
    galaxies: int
    failures: pd.DataFrame


@dataclass(frozen=True, eq=False)
class _Plan:
    """What every part of one run shares."""

    catalogue: Catalogue
    preprocessing: Preprocessing | None  # what is still to be done to the images; None: keep their bytes
    columns: Any  # an Arrow table of id, votes and the rest
    metadata: dict[str, Any]
    folder: PartsFolder

    def preprocessing_of(self, row: int) -> Preprocessing | None:
        fields = self.catalogue.field_crops
        if self.preprocessing is None or fields is None:
            return self.preprocessing
        return replace(self.preprocessing, crop=self.preprocessing.crop * float(fields[row]))


def write_shards(
    catalogue: Catalogue,
    out: str | Path,
    preprocessing: Preprocessing | None = None,
    *,
    rows_per_shard: int = 2048,
    max_failures: int | None = None,
    progress: Progress | None = None,
) -> ShardsResult:
    """Write a catalogue as shards ``part-00000.parquet``, ...; a second run finishes what an interrupted one left.

    Parameters
    ----------
    catalogue : Catalogue
    out : path
        A folder. Parts of the same catalogue and settings that are there already are kept.
    preprocessing : Preprocessing, optional
        Decode, crop and resize now, and store the pixels as lossless PNG. Without it each image's own bytes are kept, once
        they have been seen to decode.
    rows_per_shard : int
        Galaxies a file.
    max_failures : int, optional
        Stop when more images than this cannot be read; by default never.
    progress : callable, optional
        Called after each part with the number of galaxies done.

    Returns
    -------
    ShardsResult
        Galaxies with unreadable images are left out and listed, here and in ``failures.parquet``.

    Raises
    ------
    CatalogueError
        When the folder holds shards of another catalogue or other settings, the table has a column that Parquet cannot
        hold, or the catalogue was itself read from shards of other pixels.
    ImageError
        When no image, or more than `max_failures` images, cannot be read.
    OutputError
        When the disk is full, the folder cannot be written, or another process is at work in it.
    """
    out = Path(out)
    if rows_per_shard < 1:
        raise CatalogueError(f"rows_per_shard = {rows_per_shard}; give at least 1 galaxy a file")
    if not len(catalogue):
        raise CatalogueError(f"{catalogue.source}: no galaxies to write; leave fewer out")
    if catalogue.field_crops is not None and preprocessing is None:
        raise CatalogueError(
            f"{catalogue.source}: its surveys' images show different fields; give preprocessing to pack them"
        )
    folder = PartsFolder(out, len(catalogue), rows_per_shard, _about_part)
    plan = _plan(catalogue, preprocessing, folder)
    with held(out):
        return _write(plan, max_failures, progress)


def _write(plan: _Plan, max_failures: int | None, progress: Progress | None) -> ShardsResult:
    """Write the parts that are missing into a folder that nobody else is at work in."""
    catalogue, folder, out = plan.catalogue, plan.folder, plan.folder.folder
    folder.enter(
        plan.metadata["fingerprint"],
        CatalogueError(
            f"{out} holds shards of another catalogue, or made with other settings; choose another folder, or remove "
            "this one to write it again"
        ),
    )
    tally = Tally(
        folder, max_failures, progress, "{failed} images cannot be read, more than the {allowed} allowed, such as: {first}"
    )
    for part in tally.missing():
        tally.count(len(folder.rows_of(part)), _write_part(plan, part))
    if tally.failed == len(catalogue):
        raise ImageError(f"none of the {len(catalogue)} images can be read, such as: {tally.first}")
    return ShardsResult(out, folder.parts, len(catalogue) - tally.failed, folder.write_failures())


def _plan(catalogue: Catalogue, preprocessing: Preprocessing | None, folder: PartsFolder) -> _Plan:
    import pyarrow as pa

    columns: dict[str, Any] = {"id": pa.array(catalogue.ids, type=pa.string())}
    if catalogue.voted is not None:
        tree, votes = catalogue.voted
        columns |= {name: pa.array(values) for name, values in zip(tree.columns, votes.T, strict=True)}
    # A class label read as votes may leave columns beside it that are called as the tree's.
    rest = names_apart(catalogue.table, {"image", *columns}, catalogue.source)
    said = f"{catalogue.source}: Parquet cannot hold a column of the table: {{reason}}; mend or drop it"
    with explained(CatalogueError, said, pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        passed = pa.Table.from_pandas(rest, preserve_index=False)
    columns |= {name: passed.column(name) for name in passed.column_names}
    stored = preprocessing or catalogue.prepared
    metadata: dict[str, Any] = {
        "tree": None if catalogue.tree is None else catalogue.tree.to_dict(),
        "preprocessing": None if stored is None else stored.to_dict(),
        "min_votes": catalogue.min_votes,
        "rows_per_shard": folder.rows_per_part,
        "parts": folder.parts,
    }
    metadata["fingerprint"] = _fingerprint(catalogue, rest, metadata)
    metadata["format"] = _FORMAT  # after the fingerprint: shards of before are still finished
    remaining = None if preprocessing is None else catalogue.decoding_for(preprocessing)
    return _Plan(catalogue, remaining, pa.table(columns), metadata, folder)


def _fingerprint(catalogue: Catalogue, rest: pd.DataFrame, metadata: dict[str, Any]) -> str:
    """BLAKE2b over ids, votes, the rest of the table, settings, and each image's name and size (or bytes, or address)."""
    digest = hashlib.blake2b(json.dumps(metadata, sort_keys=True).encode(), digest_size=16)
    for galaxy_id, source in zip(catalogue.ids, catalogue.images, strict=True):
        digest.update(f"{galaxy_id}|".encode())
        digest.update(mark_of(source.read() if isinstance(source, StoredImage) else source))
    if catalogue.voted is not None:
        digest.update(np.ascontiguousarray(catalogue.voted.votes, dtype="<f8").tobytes())
    if catalogue.field_crops is not None:
        digest.update(np.ascontiguousarray(catalogue.field_crops, dtype="<f8").tobytes())
    digest.update(rest.to_csv(index=False).encode())
    return digest.hexdigest()


def _about_part(part: Path) -> Mapping[str, Any]:
    """Return what a shard says about itself; nothing where another program wrote it."""
    import pyarrow.parquet as pq

    said = f"{part} is no Parquet file that can be read ({{reason}}); remove it and run again"
    with explained(CatalogueError, said, OSError, ValueError):  # an ArrowInvalid is a ValueError
        check_regular(part)
        about = about_of(pq.read_schema(part))
    if not isinstance(about, dict):
        return {}
    refuse_future(part, about.get("format", 0), _FORMAT, CatalogueError)
    return about


def _write_part(plan: _Plan, part: int) -> list[str]:
    """Write one part and return the reasons of its failures."""
    import pyarrow as pa

    def pack(row: int) -> bytes | str:
        try:
            return _packed(plan.catalogue.images[row], plan.preprocessing_of(row), str(plan.catalogue.ids[row]))
        except ImageError as error:
            return str(error)

    rows = plan.folder.rows_of(part)
    with ThreadPoolExecutor(usable_cpus()) as pool:
        packed = list(pool.map(pack, rows))
    good = [row for row, content in zip(rows, packed, strict=True) if isinstance(content, bytes)]
    failures = [
        {"id": str(plan.catalogue.ids[row]), "path": _path(plan.catalogue.images[row]), "reason": content}
        for row, content in zip(rows, packed, strict=True)
        if isinstance(content, str)
    ]
    images = [{"bytes": packed[row - rows.start], "path": _stored_name(plan, row)} for row in good]
    table = plan.columns.take(pa.array(good, type=pa.int64()))
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = table.add_column(1, "image", pa.array(images, type=kind))
    plan.folder.write(part, table, plan.metadata | {"part": part, "failures": failures})
    return [failure["reason"] for failure in failures]


def _packed(source: ImageSource, preprocessing: Preprocessing | None, name: str) -> bytes:
    pixels = decode(source, preprocessing or _CHECK, name=name)
    if preprocessing is not None:
        return encode_png(pixels)
    source = source.read() if isinstance(source, StoredImage) else source
    if isinstance(source, RemoteImage):
        return source.read(LARGEST_BYTES)
    if isinstance(source, Path):
        return source.read_bytes()
    return source if isinstance(source, bytes) else b""


def _path(source: ImageSource) -> str:
    return str(source) if isinstance(source, Path | StoredImage | RemoteImage) else ""


def _stored_name(plan: _Plan, row: int) -> str | None:
    if plan.preprocessing is not None:
        return f"{plan.catalogue.ids[row]}.png"
    source = plan.catalogue.images[row]
    return source.name if isinstance(source, Path) else None
