"""A prediction run: a folder of parts and a journal, which the same call finishes wherever it was interrupted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import ImageError, PosteriorError
from zooactive.foundation.writing import aside, explained, write_how, write_json
from zooactive.models import LinearDraws
from zooactive.models.features import Batch, Progress
from zooactive.prediction.part_files import about_part
from zooactive.prediction.parts import PartWriter, PredictionConfig
from zooactive.prediction.stored import Predictions, open_predictions, read_journal

if TYPE_CHECKING:
    from zooactive.models import GalaxyModel

_FORMAT = 2

Engine: TypeAlias = Callable[[PartWriter, Sequence[int]], Iterable[int]]
"""Has parts written, wherever it is, and yields the number of each one that is."""


def write_predictions(
    model: GalaxyModel,
    catalogue: Catalogue,
    out: str | Path,
    *,
    config: PredictionConfig,
    head: LinearDraws | None = None,
    stored: Predictions | None = None,
    max_failures: int | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Predictions:
    """Stream the predictions of a catalogue into a folder of Parquet files.

    With `stored` embeddings of these galaxies no image is looked at. Images that cannot be read go to
    ``failures.parquet`` with id, path and reason, and the run goes on. Parts that are
    there are kept: the same call finishes what an interrupted one left.

    Raises
    ------
    PosteriorError
        When the folder holds other predictions.
    ImageError
        When more than `max_failures` images, or all of them, cannot be read; what was finished is kept.
    OutputError
        When the disk is full or the folder cannot be written; what was finished is kept.
    """
    out = Path(out)
    head = model.scaled(model.linear_head()) if head is None else head
    journal = _journal(model, head, catalogue, config)
    before = read_journal(out)
    if before is not None and before.get("fingerprint") != journal["fingerprint"]:
        raise PosteriorError(
            f"{out} holds predictions of another model, catalogue, seed or kind of draws, or with other settings; choose "
            "another folder or delete this one"
        )
    if before is None:
        with explained(out):
            out.mkdir(parents=True, exist_ok=True)
        head.save(out / "head.npz")
        write_json(out / "journal.json", journal)
    _clear_leftovers(out)
    writer = PartWriter(model, head, catalogue, out, config, journal, stored)
    watch = _Watch(writer, max_failures, progress)
    missing = watch.missing()
    if engine is None:
        for _ in writer.write(missing, seen=watch.look):
            pass
    else:
        for part in engine(writer, missing):
            watch.find(part)
    failures = _collect_failures(out)
    if failures == len(catalogue):
        raise ImageError(f"none of the {failures} images can be read; {out / 'failures.parquet'} names each with the reason")
    write_json(out / "journal.json", journal | {"finished": True})
    write_how(
        out,
        command="predict",
        options={**asdict(config), "draws_from": head.kind},
        inputs={"model": journal["model"], "run": journal["fingerprint"]},
    )
    return open_predictions(out)


class _Watch:
    """Counts what is done and what failed, and stops a run that is hopeless."""

    def __init__(self, writer: PartWriter, max_failures: int | None, progress: Progress | None) -> None:
        self._writer, self._allowed, self._progress = writer, max_failures, progress
        self._done, self._failed, self._first = 0, 0, ""

    def missing(self) -> list[int]:
        """Parts that are not there yet; those that are, are counted."""
        parts = []
        for part in range(self._writer.parts):
            if self._writer.path(part).exists():
                self.find(part)
            else:
                parts.append(part)
        return parts

    def find(self, part: int) -> None:
        """Count a part that is there, whoever wrote it."""
        reasons = [failure["reason"] for failure in about_part(self._writer.path(part))["failures"]]
        self._count(len(self._writer.rows(part)), reasons)

    def look(self, batch: Batch) -> None:
        """Count a batch that the network has seen."""
        self._count(len(batch.rows), list(batch.failures.values()))

    def _count(self, done: int, reasons: Sequence[str]) -> None:
        self._done += done
        self._failed += len(reasons)
        self._first = self._first or next(iter(reasons), "")
        if self._allowed is not None and self._failed > self._allowed:
            raise ImageError(
                f"{self._failed} of the first {self._done} images cannot be read, more than the {self._allowed} allowed, "
                f"such as: {self._first}; mend them or allow more, and run the same command again"
            )
        if self._progress is not None:
            self._progress(self._done)


def _journal(model: GalaxyModel, head: LinearDraws, catalogue: Catalogue, config: PredictionConfig) -> dict[str, Any]:
    identity = blake2b(digest_size=16)
    identity.update(json.dumps([model.fingerprint(), head.fingerprint(), asdict(config), _FORMAT], sort_keys=True).encode())
    identity.update("\n".join(catalogue.ids).encode())
    made = {"model": model.fingerprint(), "encoder": model.encoder_fingerprint(), "draws_from": head.kind}
    return {"fingerprint": identity.hexdigest(), **made, **asdict(config)}


def _clear_leftovers(out: Path) -> None:
    """Remove what killed runs left half-written aside; a process that lives may be writing the same run."""
    for leftover in out.glob(".part-*"):
        process = leftover.name.split("-")[1]
        if process.isdigit() and not _lives(int(process)):
            leftover.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    if os.name != "posix":  # elsewhere asking ends the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _collect_failures(out: Path) -> int:
    import pandas as pd

    rows = [row for part in sorted(out.glob("part-*.parquet")) for row in about_part(part)["failures"]]
    with aside(out / "failures.parquet") as temporary:
        pd.DataFrame(rows, columns=["id", "path", "reason"]).astype("str").to_parquet(temporary, index=False)
    return len(rows)
