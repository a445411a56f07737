"""A prediction run: a folder of parts and a journal; if the run is interrupted, the same call finishes it."""

from __future__ import annotations

import json
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from zooactive.catalogue import Catalogue
from zooactive.catalogue.column_names import names_apart
from zooactive.catalogue.patience import PERMANENT
from zooactive.foundation.addresses import RemoteImage
from zooactive.foundation.errors import ImageError, PosteriorError
from zooactive.foundation.locking import held
from zooactive.foundation.logs import log
from zooactive.foundation.parts_folder import JOURNAL_FORMAT, Failed, PartsFolder, Tally, failed_of, read_journal
from zooactive.foundation.remote_folders import folder_here
from zooactive.foundation.stopping import kept_when_stopped
from zooactive.foundation.telling import Progress
from zooactive.foundation.writing import write_how
from zooactive.models import LinearDraws
from zooactive.prediction.embeddings import SeenEmbeddings
from zooactive.prediction.marks import LENGTH, marks_of, what_is_other
from zooactive.prediction.part_files import about_part, check_rows
from zooactive.prediction.parts import PartWriter, PredictionConfig, kinds_of, own_columns
from zooactive.prediction.stored import Predictions, open_predictions

if TYPE_CHECKING:
    from zooactive.models.loading import AnyModel

_HOPELESS = (
    "{failed} of the first {done} images cannot be read, more than the {allowed} allowed, such as: {first}; "
    "correct them or allow more, and run the same command again"
)

Engine: TypeAlias = Callable[[PartWriter, Sequence[int]], Iterable[int]]
"""Writes parts, anywhere, and yields the number of each part that has been written."""


def write_predictions(
    model: AnyModel,
    catalogue: Catalogue,
    out: str | Path,
    *,
    config: PredictionConfig,
    head: LinearDraws | None = None,
    stored: Predictions | SeenEmbeddings | None = None,
    max_failures: int | None = None,
    retry_failures: bool = False,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Predictions:
    """Stream the predictions of a catalogue into a folder of Parquet files, on this machine or at a URL.

    With `stored` embeddings of these galaxies no image is read. Images that cannot be read are listed in
    ``failures.parquet`` with id, path, reason and kind, and the run continues. Images that failed for a reason that may pass
    are first read again, after growing pauses.

    Existing parts are kept: the same call finishes an interrupted run, and tries images again that could not be read. Of the
    images at URLs it tries only those that failed for a reason that may pass, and with `retry_failures` all of them. A part
    with an image that can be read now is written again as a whole, and its other galaxies keep their numbers.

    The table's other columns are passed on. A column with the name of one of the predictions' columns becomes
    ``original_NAME``.

    Raise a CatalogueError if a column of the table cannot be passed on. Raise a PosteriorError if the folder holds other
    predictions; the message names the difference: model, settings, galaxies, columns or images. Raise an ImageError if
    more than `max_failures` images, or all of them, cannot be read. Raise an OutputError if the disk is full, the folder
    cannot be written or another process is working in it; finished parts are kept. Warn if the folder was begun before
    predictions kept marks of images and columns, because these then cannot be compared.
    """
    head = model.scaled(model.linear_head()) if head is None else head
    catalogue = replace(catalogue, table=names_apart(catalogue.table, own_columns(head.tree), catalogue.source))
    _write(
        model,
        catalogue,
        folder_here(out),
        config=config,
        head=head,
        stored=stored,
        max_failures=max_failures,
        retry_failures=retry_failures,
        engine=engine,
        progress=progress,
    )
    return open_predictions(out)


def write_embeddings(
    model: AnyModel,
    catalogue: Catalogue,
    out: str | Path,
    *,
    config: PredictionConfig,
    stored: Predictions | SeenEmbeddings | None = None,
    max_failures: int | None = None,
    retry_failures: bool = False,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Failed:
    """Stream the embeddings of a catalogue into a folder as `write_predictions` does, without using the model's head.

    `stored` embeddings of the same galaxies are copied.

    Return how many galaxies have no embedding, because their image cannot be read.
    """
    catalogue = replace(catalogue, table=names_apart(catalogue.table, frozenset({"id", "embedding"}), catalogue.source))
    return _write(
        model,
        catalogue,
        folder_here(out),
        config=config,
        head=None,
        stored=stored,
        max_failures=max_failures,
        retry_failures=retry_failures,
        engine=engine,
        progress=progress,
    )


def _write(
    model: AnyModel,
    catalogue: Catalogue,
    out: Path,
    *,
    config: PredictionConfig,
    head: LinearDraws | None,
    stored: Predictions | SeenEmbeddings | None,
    max_failures: int | None,
    retry_failures: bool,
    engine: Engine | None,
    progress: Progress | None,
) -> Failed:
    """Write a run into a folder, and return a summary of the galaxies that failed."""
    passed = kinds_of(catalogue)
    with held(out):
        folder = PartsFolder(out, len(catalogue), config.rows_per_part, about_part)
        wanted = _journal(model, head, catalogue, config) | {"format": JOURNAL_FORMAT, "parts": folder.parts}
        found = read_journal(out)
        before = None if head is None else _fingerprint_before(model, head, catalogue, config)
        journal = wanted if found is None else _same_run(out, found, wanted, before)
        folder.enter(
            journal["fingerprint"],
            PosteriorError(f"{out} holds other predictions, without a journal; choose another folder or delete this one"),
        )
        if found is None:
            if head is not None:
                head.save(out / "head.npz")
            folder.write_journal(journal)
        about = {key: value for key, value in journal.items() if key not in ("marks", "finished")}
        writer = PartWriter(model, head, catalogue, folder, config, about, passed, stored)
        writer = replace(writer, again=frozenset(_compare_images(writer, retry_failures)))
        tally = Tally(folder, max_failures, progress, _HOPELESS)
        missing = tally.missing(writer.again)
        if missing and journal.pop("finished", False):
            folder.write_journal(journal)
        with kept_when_stopped(folder.when_stopped):
            if engine is None:
                for part in writer.write(
                    missing, seen=lambda seen: tally.count(len(seen.rows), list(seen.failures.values()))
                ):
                    _log_part(folder, part)
            else:
                for part in engine(writer, missing):
                    tally.find(part)
                    _log_part(folder, part)
        failed = failed_of(folder.write_failures(), len(catalogue), out)
        if failed.number == len(catalogue):
            raise ImageError(f"none of the {len(catalogue)} images can be read: {failed}")
        folder.write_journal(journal | {"finished": True})
        write_how(
            out,
            command="embed" if head is None else "predict",
            options=asdict(config) | ({} if head is None else {"draws_from": head.kind}),
            inputs={"model": journal["model"], "run": journal["fingerprint"]},
        )
    return failed


def _log_part(folder: PartsFolder, part: int) -> None:
    """Log a part that has been written, and its images that failed."""
    about = {"folder": str(folder.folder), "part": part}
    log(__name__, logging.INFO, "part written", **about, galaxies=len(folder.rows_of(part)), of=folder.rows)
    failures = folder.about(folder.path(part))["failures"]
    if failures:
        kinds = Counter(failure.get("kind", "") for failure in failures)
        log(__name__, logging.WARNING, "images failed", **about, failures=dict(kinds), first=failures[0])


def _journal(model: AnyModel, head: LinearDraws | None, catalogue: Catalogue, config: PredictionConfig) -> dict[str, Any]:
    """Return the journal of a run before it begins: marks of all its inputs except images, whose marks are in the parts."""
    own = frozenset[str]() if head is None else own_columns(head.tree)  # votes on these questions may come in meanwhile
    columns = [name for name in catalogue.table.columns if name.removeprefix("original_") not in own]
    made = {
        "model": model.fingerprint() if head is not None else model.encoder_fingerprint(),
        "encoder": model.encoder_fingerprint(),
        "head": None if head is None else head.fingerprint(),
        "draws_from": None if head is None else head.kind,
        "marks": marks_of(catalogue, columns),
        **asdict(config),
    }
    if model.preprocessing.listed is not None:
        made["bands"] = list(model.preprocessing.listed)
    identity = blake2b(json.dumps([made, JOURNAL_FORMAT], sort_keys=True).encode(), digest_size=16)
    return {"fingerprint": identity.hexdigest(), **made}


def _fingerprint_before(model: AnyModel, head: LinearDraws, catalogue: Catalogue, config: PredictionConfig) -> str:
    """Return the mark that distinguished runs before there were separate marks."""
    identity = blake2b(digest_size=16)
    identity.update(json.dumps([model.fingerprint(), head.fingerprint(), asdict(config), 2], sort_keys=True).encode())
    identity.update("\n".join(catalogue.ids).encode())
    return identity.hexdigest()


def _same_run(out: Path, found: dict[str, Any], wanted: dict[str, Any], before: str | None) -> dict[str, Any]:
    """Return the journal for resuming; a PosteriorError that names the differences if the folder holds another run."""
    marked = "marks" in found
    if found["fingerprint"] != (wanted["fingerprint"] if marked else before):
        settings = ("draws_from", *(field.name for field in fields(PredictionConfig)))
        try:
            other = what_is_other(found, wanted, settings)
        except (KeyError, TypeError, AttributeError):
            other = ["marks that are damaged"]
        raise PosteriorError(
            f"{out} holds predictions made with {', '.join(other) or 'other galaxies or draws'}; choose another folder or "
            "delete this one"
        )
    if marked:
        return wanted | ({"finished": True} if found.get("finished") else {})
    warnings.warn(
        f"{out} was begun before predictions kept marks of images and of the table's columns, so it is not known whether "
        "they are the same, and existing parts are kept; choose another folder if they may have changed",
        stacklevel=6,
    )
    return found


def _compare_images(writer: PartWriter, retry_all: bool) -> set[int]:
    """Return the parts with failed images that can be read now.

    Images at URLs that failed for a permanent reason, such as a 404, are requested again only with `retry_all`.

    Raises
    ------
    PosteriorError
        If an image is not the one from which a part was made.
    """
    folder, ids, again, other = writer.folder, writer.catalogue.ids, set[int](), list[str]()
    for part in range(folder.parts):
        about = about_part(folder.path(part)) if folder.path(part).exists() else {}
        then = about.get("images")
        if then is None:  # made before there were marks
            continue
        named = {failure["id"]: failure.get("kind") != PERMANENT for failure in about["failures"]}
        failed = [row for row in folder.rows_of(part) if ids[row] in named]
        good = [row for row in folder.rows_of(part) if ids[row] not in named]
        check_rows(folder.path(part))
        if len(then) != LENGTH * len(good):
            raise PosteriorError(f"{folder.path(part)} is damaged; delete it and run the same predict command again")
        now = writer.marks_of(good)
        if now != then:
            places = range(0, len(then), LENGTH)
            other += [ids[row] for row, i in zip(good, places, strict=True) if now[i : i + LENGTH] != then[i : i + LENGTH]]
        elif writer.stored is None:
            images = writer.catalogue.images
            tried = [row for row in failed if retry_all or named[ids[row]] or not isinstance(images[row], RemoteImage)]
            _, failures = writer.catalogue.decode(writer.model.preprocessing, np.array(tried, dtype=np.int64))
            if len(failures) < len(tried):
                again.add(part)
    if other:
        raise PosteriorError(
            f"{folder.folder} holds predictions of other images: {len(other)} of {len(ids)}, such as that of galaxy "
            f"'{other[0]}', have another size or time of change, or are missing; choose another folder or delete this one"
        )
    return again
