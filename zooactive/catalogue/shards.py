"""Shards: a catalogue packed into Parquet files of ids, encoded images and votes.

A million small files are slow to open one by one. A few hundred Parquet files are not, and pandas, DuckDB, Ray and Spark
can read them. `zooactive.catalogue.read_catalogue` reads the folder back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zooactive.catalogue.band_files import BandFiles
from zooactive.catalogue.catalogue import Catalogue
from zooactive.catalogue.column_names import names_apart
from zooactive.catalogue.images import UNSEEN, ImageSource, decode, encode_png, mark_of, original_bytes
from zooactive.catalogue.patience import PERMANENT, Reason, kind_of, read_patiently
from zooactive.catalogue.preprocessing import Preprocessing
from zooactive.catalogue.stored_images import StoredImage
from zooactive.foundation.addresses import RemoteImage
from zooactive.foundation.allowance import usable_cpus
from zooactive.foundation.errors import CatalogueError, ImageError, explained
from zooactive.foundation.formats import SHARDS, refuse_future
from zooactive.foundation.locking import held
from zooactive.foundation.metadata import about_of
from zooactive.foundation.parts_folder import Failed, PartsFolder, Tally, failed_of, parts_in
from zooactive.foundation.reading import check_regular
from zooactive.foundation.remote_folders import folder_here
from zooactive.foundation.showing import counted
from zooactive.foundation.stopping import kept_when_stopped
from zooactive.foundation.telling import Auto, Progress

_FORMAT = SHARDS

_CHECK = Preprocessing(size=64)  # original bytes are decoded only to check that they can be, and that they show something


@dataclass(frozen=True, eq=False)
class ShardsResult:
    """The result of packing shards: their folder and number, the number of galaxies, and the images that could not be read.

    The failures have id, path, reason and kind. A ``transient`` failure may pass; a ``permanent`` one is due to the image.
    """

    folder: Path
    shards: int
    galaxies: int
    failures: pd.DataFrame

    def failed(self) -> Failed:
        """Summarise how many galaxies could not be packed, and why."""
        return failed_of(self.failures, self.galaxies + len(self.failures), self.folder)


@dataclass(frozen=True, eq=False)
class _Plan:
    """The values that all parts of one run share."""

    catalogue: Catalogue
    preprocessing: Preprocessing | None  # the remaining steps for the images; None: keep their bytes
    columns: Any  # an Arrow table of id, votes and the other columns
    metadata: dict[str, Any]
    folder: PartsFolder
    before: Callable[[], str]  # the fingerprint as it was when it still included the images

    @property
    def marked(self) -> bool:
        """Return whether the parts have marks of their images."""
        return int(self.metadata["format"]) >= 2

    def mark_of_images(self, rows: Iterable[int], marks: Mapping[int, bytes]) -> str:
        """Return a mark of the images of some rows, made from the marks of each."""
        digest = hashlib.blake2b(digest_size=16)
        for row in rows:
            digest.update(f"{self.catalogue.ids[row]}|".encode())
            digest.update(marks[row])
        return digest.hexdigest()

    def marks_of(self, rows: Iterable[int]) -> dict[int, bytes]:
        """Return marks of the images as they are now."""
        return {row: _mark(self.catalogue.images[row]) for row in rows}

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
    retry_failures: bool = False,
    progress: Auto | Progress = "auto",
) -> ShardsResult:
    """Write a catalogue as shards ``part-00000.parquet``, ...; a second run finishes what an interrupted run left.

    Parameters
    ----------
    catalogue : Catalogue
    out : path
        A folder, which may be a URL such as ``s3://survey/shards``. Parts of the same catalogue and settings that are
        already there are kept.
    preprocessing : Preprocessing, optional
        Decode, crop and resize the images now, and store the pixels as lossless PNG. Without it the original bytes of each
        image are kept, after a check that they can be decoded.
    rows_per_shard : int
        The number of galaxies per file.
    max_failures : int, optional
        Stop if more images than this cannot be read. By default there is no limit.
    retry_failures : bool
        Read all images again that failed before, including images at URLs that failed for a permanent reason, such as a 404.
        All other failed images are read again in any case. A part with an image that can be read now is written again.
    progress : callable, "auto" or None
        Called after each part with the number of galaxies done; "auto" and None as in `zooactive.train`.

    Returns
    -------
    ShardsResult
        Galaxies with unreadable images are left out and listed, here and in ``failures.parquet``.

    Raises
    ------
    CatalogueError
        If the folder holds shards of another catalogue, other images or other settings, the table has a column that
        Parquet cannot hold, or the catalogue was itself read from shards with other pixels.
    ImageError
        If none of the images can be read, or more than `max_failures` of them cannot.
    OutputError
        If the disk is full, the folder cannot be written, or another process is working in it.
    """
    out = folder_here(out)
    if rows_per_shard < 1:
        raise CatalogueError(f"rows_per_shard = {rows_per_shard}; give at least 1 galaxy per file")
    if not len(catalogue):
        raise CatalogueError(f"{catalogue.source}: there are no galaxies to write; exclude fewer of them")
    if catalogue.field_crops is not None and preprocessing is None:
        raise CatalogueError(
            f"{catalogue.source}: the images of its surveys show fields of different sizes; give preprocessing to pack them"
        )
    folder = PartsFolder(out, len(catalogue), rows_per_shard, _about_part)
    plan = _plan(catalogue, preprocessing, folder)
    with held(out), counted(progress, "packing", len(catalogue)) as done, kept_when_stopped(folder.when_stopped):
        return _write(plan, max_failures, retry_failures, done)


def _write(plan: _Plan, max_failures: int | None, retry_failures: bool, progress: Progress) -> ShardsResult:
    """Write the missing parts into a folder that no other process is working in."""
    plan = _as_begun(plan)
    catalogue, folder, out = plan.catalogue, plan.folder, plan.folder.folder
    folder.enter(
        plan.metadata["fingerprint"],
        CatalogueError(
            f"{out} holds shards of another catalogue, or shards made with other settings; choose another folder, or remove "
            "this one to write it again"
        ),
    )
    readable = _compare_images(plan, retry_failures)
    tally = Tally(
        folder, max_failures, progress, "{failed} images cannot be read, more than the {allowed} allowed, such as: {first}"
    )
    for part in tally.missing(readable):
        tally.count(len(folder.rows_of(part)), _write_part(plan, part))
    result = ShardsResult(out, folder.parts, len(catalogue) - tally.failed, folder.write_failures())
    if tally.failed == len(catalogue):
        raise ImageError(f"none of the {len(catalogue)} images can be read: {result.failed()}")
    return result


def _as_begun(plan: _Plan) -> _Plan:
    """Return the plan with the fingerprint and format of existing parts, which may be of an older format."""
    parts = parts_in(plan.folder.folder)
    said = plan.folder.about(parts[0]) if parts else {}
    if said.get("format", 0) >= _FORMAT or "fingerprint" not in said or said["fingerprint"] != plan.before():
        return plan
    return replace(plan, metadata=plan.metadata | {"fingerprint": said["fingerprint"], "format": 1})


def _compare_images(plan: _Plan, retry_all: bool) -> set[int]:
    """Return the parts with failed images that can be read now; raise a CatalogueError if other images changed."""
    folder, ids, images, again = plan.folder, plan.catalogue.ids, plan.catalogue.images, set[int]()
    for part in range(folder.parts):
        if not folder.path(part).exists():
            continue
        about = folder.about(folder.path(part))
        named = {failure["id"]: failure.get("kind") != PERMANENT for failure in about["failures"]}
        rows = folder.rows_of(part)
        good = [row for row in rows if ids[row] not in named]
        if plan.marked and about.get("images") != plan.mark_of_images(good, plan.marks_of(good)):
            raise CatalogueError(
                f"{folder.folder} holds shards of other images: some images of {folder.path(part).name} now have another "
                "size, or are missing; choose another folder, or remove this one to write it again"
            )
        failed = [row for row in rows if ids[row] in named]
        tried = [row for row in failed if retry_all or named[ids[row]] or not isinstance(images[row], RemoteImage)]
        if len(_pack(plan, tried)[1]) < len(tried):
            again.add(part)
    return again


def _plan(catalogue: Catalogue, preprocessing: Preprocessing | None, folder: PartsFolder) -> _Plan:
    import pyarrow as pa

    columns: dict[str, Any] = {"id": pa.array(catalogue.ids, type=pa.string())}
    if catalogue.voted is not None:
        tree, votes = catalogue.voted
        columns |= {name: pa.array(values) for name, values in zip(tree.columns, votes.T, strict=True)}
    # A table with a class label read as votes may also have columns with the names of the tree's columns.
    rest = names_apart(catalogue.table, {"image", *columns}, catalogue.source)
    said = f"{catalogue.source}: Parquet cannot hold a column of the table: {{reason}}; change or drop the column"
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
    before = partial(_fingerprint, catalogue, rest, dict(metadata), with_images=True)
    metadata["fingerprint"] = _fingerprint(catalogue, rest, metadata | {"format": _FORMAT}, with_images=False)
    metadata["format"] = _FORMAT
    remaining = None if preprocessing is None else catalogue.decoding_for(preprocessing)
    return _Plan(catalogue, remaining, pa.table(columns), metadata, folder, before)


def _fingerprint(catalogue: Catalogue, rest: pd.DataFrame, metadata: dict[str, Any], *, with_images: bool) -> str:
    """Hash the ids, votes, other columns and settings; before format 2 also the marks of the images."""
    digest = hashlib.blake2b(json.dumps(metadata, sort_keys=True).encode(), digest_size=16)
    for galaxy_id, source in zip(catalogue.ids, catalogue.images, strict=True):
        digest.update(f"{galaxy_id}|".encode())
        if with_images:
            digest.update(_mark(source))
    if catalogue.voted is not None:
        digest.update(np.ascontiguousarray(catalogue.voted.votes, dtype="<f8").tobytes())
    if catalogue.field_crops is not None:
        digest.update(np.ascontiguousarray(catalogue.field_crops, dtype="<f8").tobytes())
    digest.update(rest.to_csv(index=False).encode())
    return digest.hexdigest()


def _mark(source: ImageSource) -> bytes:
    """Return a mark of an image, from its name and size, its bytes, or its URL."""
    return mark_of(source.read() if isinstance(source, StoredImage) else source)


def _about_part(part: Path) -> Mapping[str, Any]:
    """Return the metadata of a shard; empty if another program wrote the file."""
    import pyarrow.parquet as pq

    said = f"{part} is not a Parquet file that can be read ({{reason}}); remove it and run again"
    with explained(CatalogueError, said, OSError, ValueError):  # an ArrowInvalid is a ValueError
        check_regular(part)
        about = about_of(pq.read_schema(part))
    if not isinstance(about, dict):
        return {}
    refuse_future(part, about.get("format", 0), _FORMAT, CatalogueError)
    return about


def _pack(plan: _Plan, rows: Sequence[int]) -> tuple[dict[int, bytes], dict[int, Reason]]:
    """Return the bytes to store for some rows' images, and the reasons why others cannot be read."""
    packed: dict[int, bytes] = {}

    def pack(row: int) -> Reason | None:
        try:
            packed[row] = _packed(plan.catalogue.images[row], plan.preprocessing_of(row), str(plan.catalogue.ids[row]))
        except ImageError as error:
            return Reason.of(error)
        return None

    def read(rows: Collection[int]) -> dict[int, Reason]:
        return {row: reason for row, reason in zip(rows, pool.map(pack, rows), strict=True) if reason is not None}

    with ThreadPoolExecutor(usable_cpus()) as pool:
        failures = read_patiently(read, rows)
    return packed, failures


def _write_part(plan: _Plan, part: int) -> list[str]:
    """Write one part and return the reasons for its failures."""
    import pyarrow as pa

    rows = plan.folder.rows_of(part)
    marks = plan.marks_of(rows if plan.marked else ())  # before the images are read: they may be gone later
    packed, reasons = _pack(plan, rows)
    good = sorted(packed)
    marks |= plan.marks_of(row for row in good if marks.get(row, b"").endswith(UNSEEN))
    failures = [
        {
            "id": str(plan.catalogue.ids[row]),
            "path": _path(plan.catalogue.images[row]),
            "reason": str(reason),
            "kind": kind_of(reason),
        }
        for row, reason in reasons.items()
    ]
    images = [{"bytes": packed[row], "path": _stored_name(plan, row)} for row in good]
    table = plan.columns.take(pa.array(good, type=pa.int64()))
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = table.add_column(1, "image", pa.array(images, type=kind))
    about = plan.metadata | {"part": part, "failures": failures}
    if plan.marked:
        about["images"] = plan.mark_of_images(good, marks)
    plan.folder.write(part, table, about)
    return [failure["reason"] for failure in failures]


def _packed(source: ImageSource, preprocessing: Preprocessing | None, name: str) -> bytes:
    pixels = decode(source, preprocessing or _CHECK, name=name)
    return original_bytes(source, name=name) if preprocessing is None else encode_png(pixels, preprocessing.listed)


def _path(source: ImageSource) -> str:
    return str(source) if isinstance(source, Path | StoredImage | RemoteImage | BandFiles) else ""


def _stored_name(plan: _Plan, row: int) -> str | None:
    if plan.preprocessing is not None:
        return f"{plan.catalogue.ids[row]}.png"
    source = plan.catalogue.images[row]
    if isinstance(source, BandFiles):
        return f"{plan.catalogue.ids[row]}.fits"  # a cube, as `original_bytes` makes it
    return source.name if isinstance(source, Path) else None
