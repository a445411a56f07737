"""A prediction run: a folder of parts and a journal, which the same call finishes wherever it was interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import ImageError, PosteriorError
from zooactive.foundation.locking import held
from zooactive.foundation.parts_folder import JOURNAL_FORMAT, PartsFolder, Tally, read_journal
from zooactive.foundation.telling import Progress
from zooactive.foundation.writing import write_how
from zooactive.models import LinearDraws
from zooactive.prediction.part_files import about_part
from zooactive.prediction.parts import PartWriter, PredictionConfig
from zooactive.prediction.stored import Predictions, open_predictions

if TYPE_CHECKING:
    from zooactive.models import GalaxyModel

_FORMAT = 2
_HOPELESS = (
    "{failed} of the first {done} images cannot be read, more than the {allowed} allowed, such as: {first}; "
    "mend them or allow more, and run the same command again"
)

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
        When the disk is full, the folder cannot be written or another process is at work in it; what was finished is kept.
    """
    with held(out):
        return _write(
            model,
            catalogue,
            Path(out),
            config=config,
            head=head,
            stored=stored,
            max_failures=max_failures,
            engine=engine,
            progress=progress,
        )


def _write(
    model: GalaxyModel,
    catalogue: Catalogue,
    out: Path,
    *,
    config: PredictionConfig,
    head: LinearDraws | None,
    stored: Predictions | None,
    max_failures: int | None,
    engine: Engine | None,
    progress: Progress | None,
) -> Predictions:
    """Write the predictions into a folder that nobody else is at work in."""
    head = model.scaled(model.linear_head()) if head is None else head
    folder = PartsFolder(out, len(catalogue), config.rows_per_part, about_part)
    journal = _journal(model, head, catalogue, config) | {"format": JOURNAL_FORMAT, "parts": folder.parts}
    folder.enter(
        journal["fingerprint"],
        PosteriorError(
            f"{out} holds predictions of another model, catalogue, seed or kind of draws, or with other settings; choose "
            "another folder or delete this one"
        ),
    )
    if read_journal(out) is None:
        head.save(out / "head.npz")
        folder.write_journal(journal)
    writer = PartWriter(model, head, catalogue, folder, config, journal, stored)
    tally = Tally(folder, max_failures, progress, _HOPELESS)
    missing = tally.missing()
    if engine is None:
        for _ in writer.write(missing, seen=lambda batch: tally.count(len(batch.rows), list(batch.failures.values()))):
            pass
    else:
        for part in engine(writer, missing):
            tally.find(part)
    if len(folder.write_failures()) == len(catalogue):
        raise ImageError(
            f"none of the {len(catalogue)} images can be read; {out / 'failures.parquet'} names each with the reason"
        )
    folder.write_journal(journal | {"finished": True})
    write_how(
        out,
        command="predict",
        options={**asdict(config), "draws_from": head.kind},
        inputs={"model": journal["model"], "run": journal["fingerprint"]},
    )
    return open_predictions(out)


def _journal(model: GalaxyModel, head: LinearDraws, catalogue: Catalogue, config: PredictionConfig) -> dict[str, Any]:
    identity = blake2b(digest_size=16)
    identity.update(json.dumps([model.fingerprint(), head.fingerprint(), asdict(config), _FORMAT], sort_keys=True).encode())
    identity.update("\n".join(catalogue.ids).encode())
    made = {"model": model.fingerprint(), "encoder": model.encoder_fingerprint(), "draws_from": head.kind}
    return {"fingerprint": identity.hexdigest(), **made, **asdict(config)}
