"""Predict numbers, such as masses, for a survey: resumable parts with embeddings, and one table of predictions."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.pool import Screening
from zooactive.catalogue import Catalogue
from zooactive.catalogue.column_names import names_apart
from zooactive.foundation.errors import PosteriorError, explained
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.metadata import about_of, with_about
from zooactive.foundation.parts_folder import Failed, failed_of, parts_in, read_journal
from zooactive.foundation.reading import check_regular
from zooactive.foundation.remote_folders import bring, delete_file, folder_here
from zooactive.foundation.telling import Progress
from zooactive.foundation.vocabulary import Score
from zooactive.foundation.whole_numbers import as_frame
from zooactive.foundation.writing import aside, write_how
from zooactive.models.head.number_head import NumberHead
from zooactive.models.number_model import NumberModel
from zooactive.posterior.numbers import LEVELS
from zooactive.prediction.embeddings import Embeddings, SeenEmbeddings
from zooactive.prediction.part_files import NUMBERS, about_part, embeddings_in, read_rows
from zooactive.prediction.parts import PredictionConfig
from zooactive.prediction.runs import Engine, write_embeddings
from zooactive.prediction.stored import Predictions, failures_in

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

TABLE, _HEAD = NUMBERS, "number.npz"
_FORMAT = 1
_ENDS = tuple(f"{end}_{100 * level:.0f}" for level in LEVELS for end in ("low", "high"))
_OWN = ("id", "mean", "deviation", *_ENDS, "information")


@dataclass(frozen=True, eq=False)
class NumberPredictions:
    """Stored predictions of a number, which `zooactive.acquisition.numbers.acquire_numbers` takes as its pool.

    Parameters
    ----------
    folder : Path
    head : NumberHead
        The head that made the predictions.
    column : str
        The name of the number, as in the table of labels.
    model : str
        The fingerprint of the model that made the predictions.
    """

    folder: Path
    head: NumberHead
    column: str
    model: str

    def __len__(self) -> int:
        return len(self._ids)

    def table(self) -> pd.DataFrame:
        """Return one row per galaxy: id, mean, deviation, ``low_50`` to ``high_95``, information, and the passed columns.

        `deviation` is the standard deviation of a label. `information` is the information in a label, in nats.
        """
        return as_frame(self._read(None))

    @cached_property
    def _ids(self) -> list[str]:
        return list(self._read(["id"])["id"].to_pylist())

    def known(self, ids: Collection[str]) -> list[str]:
        """Return which of the ids are in these predictions, in their order."""
        asked = frozenset(ids)
        return [name for name in self._ids if name in asked]

    def screenings(self, score: Score, *, artifacts: bool) -> Iterator[Screening]:
        """Yield the information in a label of each galaxy, taken separately."""
        del score, artifacts
        rows = self._read(["id", "information"])
        yield Screening(rows["id"].combine_chunks(), rows["information"].to_numpy())

    def directions(self, ids: Collection[str]) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
        """Return ids, directions among the weights, and noise, for those of the ids that are in these predictions."""
        wanted, names = frozenset(ids), list[str]()
        found, noise = [np.empty((0, len(self.head.weights)))], [np.empty(0)]
        for part in parts_in(self.folder):
            rows = read_rows(part, ["id", "embedding"])
            here = [name in wanted for name in rows["id"].to_pylist()]
            if any(here):
                some = rows.filter(here)
                names += some["id"].to_pylist()
                z, v = self.head.directions(embeddings_in(part, some))
                found.append(z)
                noise.append(v)
        return names, np.concatenate(found), np.concatenate(noise)

    def failures(self) -> pd.DataFrame:
        """Return the galaxies that could not be predicted: id, path, reason and kind."""
        return failures_in(self.folder)

    def failed(self) -> Failed:
        """Summarise how many galaxies could not be predicted, and why."""
        failures = self.failures()
        return failed_of(failures, len(self) + len(failures), self.folder)

    def _read(self, columns: list[str] | None) -> pa.Table:
        return read_rows(self.folder / TABLE, columns)


def predict_numbers(
    model: NumberModel,
    galaxies: Catalogue | Embeddings | Predictions,
    out: str | Path,
    *,
    batch_size: int = 128,
    max_failures: int | None = None,
    retry_failures: bool = False,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> NumberPredictions:
    """Predict a number for every galaxy into a folder, or resume an interrupted run.

    The embeddings are written part by part, as in `zooactive.embed`, and then one table, ``numbers.parquet``. If the
    embeddings of galaxies are given, their images are not read. A folder with the same embeddings gets a new table if the
    model was trained again.

    Parameters
    ----------
    model : NumberModel
    galaxies : Catalogue, Embeddings or Predictions
    out : path
    batch_size, max_failures, retry_failures, engine, progress
        As in `zooactive.predict`.

    Returns
    -------
    NumberPredictions

    Raises
    ------
    PosteriorError
        If the folder holds other predictions, or the embeddings come from another encoder.
    ImageError, OutputError
        As in `zooactive.predict`.
    """
    out, network = folder_here(out), model.network
    stored: SeenEmbeddings | Predictions | None = galaxies.seen_by(network) if isinstance(galaxies, Embeddings) else None
    if isinstance(galaxies, Predictions):
        galaxies.refuse_another_encoder(network)
        stored = galaxies
    catalogue = galaxies if isinstance(galaxies, Catalogue) else galaxies.catalogue()
    catalogue = replace(catalogue, table=names_apart(catalogue.table, frozenset(_OWN), catalogue.source))
    if network.images is not None and stored is None and read_journal(out) is None:  # once per run
        network.images.warn_of_unlike(catalogue, network.preprocessing, stacklevel=2)
    config = PredictionConfig(batch_size=batch_size)
    write_embeddings(
        network,
        catalogue,
        out,
        config=config if stored is None else replace(config, rows_per_part=stored.rows_per_part),
        stored=stored,
        max_failures=max_failures,
        retry_failures=retry_failures,
        engine=engine,
        progress=progress,
    )
    run = str((read_journal(out) or {}).get("fingerprint"))
    made = {"format": _FORMAT, "column": model.column, "model": model.fingerprint(), "run": run}
    if _said(out) != made or _parts_newer(out):
        _write_table(model, out, made)
    return open_numbers(out)


def open_numbers(folder: str | Path) -> NumberPredictions:
    """Open a folder that `predict_numbers` wrote.

    Raises
    ------
    PosteriorError
        If the folder holds no predictions of a number, or they are damaged or unfinished.
    """
    folder = folder_here(folder)
    bring(folder, again=True)
    made = _said(folder)
    if made is None:
        raise PosteriorError(f"{folder} holds no predictions of a number; run `zooactive predict` with a model for numbers")
    refuse_future(folder / TABLE, made.get("format", -1), _FORMAT, PosteriorError)
    journal = read_journal(folder) or {}
    if not journal.get("finished") or journal.get("fingerprint") != made.get("run"):
        raise PosteriorError(f"{folder} holds unfinished predictions of a number; run the same predict command again")
    return NumberPredictions(folder, NumberHead.load(folder / _HEAD), str(made["column"]), str(made["model"]))


def holds_numbers(folder: Path) -> bool:
    """Return whether a folder holds predictions of a number, finished or not."""
    bring(folder)
    return (folder / TABLE).is_file()


def _said(folder: Path) -> dict[str, Any] | None:
    """Return the metadata of the table of numbers, or None if there is no table."""
    import pyarrow.parquet as pq

    path = folder / TABLE
    if not path.exists():
        return None
    with explained(PosteriorError, f"{path} is damaged ({{reason}}); delete it and run the same predict command again"):
        check_regular(path)
        found = about_of(pq.read_schema(path))
        if not isinstance(found, dict) or not {"column", "model", "run"} <= set(found):
            raise ValueError("it was not written by zooactive")
        return found


def _parts_newer(folder: Path) -> bool:
    """Return whether a part was written after the table, because an image could be read at last."""
    table = (folder / TABLE).stat().st_mtime_ns
    return any(part.stat().st_mtime_ns > table for part in parts_in(folder))


def _write_table(model: NumberModel, folder: Path, made: dict[str, Any]) -> None:
    """Write a model's predictions for all embeddings in a folder, part by part, and the head next to them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    delete_file(folder / TABLE)
    model.head.save(folder / _HEAD)
    with aside(folder / TABLE) as temporary:
        writer = None
        try:
            for part in parts_in(folder):
                passed = about_part(part)["passed"]
                rows = read_rows(part, ["id", "embedding", *passed])
                told = model.head.predict(embeddings_in(part, rows))
                numbers = {"mean": told.mean, "deviation": told.deviation(), **told.intervals()}
                numbers["information"] = told.information()
                table = pa.table({"id": rows["id"], **numbers, **{name: rows[name] for name in passed}})
                table = with_about(table, made)
                writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd")
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
    inputs = {name: made[name] for name in ("model", "run")}
    write_how(folder, command="predict", options={"column": model.column}, inputs=inputs)
