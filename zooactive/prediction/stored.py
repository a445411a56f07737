"""Predictions on disk: a Parquet dataset, one row a galaxy, that can be resumed and from which draws need no pixels."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.one_vote import one_vote_information
from zooactive.acquisition.pool import PosteriorPool, Screening, artifact_columns
from zooactive.catalogue import Catalogue
from zooactive.errors import PosteriorError
from zooactive.models.draws_files import load_draws
from zooactive.models.linear_draws import LinearDraws
from zooactive.posterior import Posterior
from zooactive.prediction.features import Progress, embed
from zooactive.writing import aside, explained, write_how, write_json

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from zooactive.models import GalaxyModel
    from zooactive.tree import DecisionTree

_FORMAT = 1

_SCREEN = "one_vote_information"
_STORED_SCREENS = ("mutual_information", "one_vote")
"""The scores that screen by the stored column."""


@dataclass(frozen=True)
class PredictionConfig:
    """What is drawn and how it is laid out on disk.

    Parameters
    ----------
    draws, seed : int
        Number of paired draws T, and the seed of their masks.
    batch_size : int
        Galaxies a step of the network.
    rows_per_part : int
        Galaxies a Parquet file: what an interruption can cost.
    probability : float
        Of the stored credible intervals.
    """

    draws: int = 64
    seed: int = 0
    batch_size: int = 128
    rows_per_part: int = 2048
    probability: float = 0.9


@dataclass(frozen=True, eq=False)
class Predictions:
    """A folder of stored predictions; iterating yields `Posterior` chunks, as often as one likes.

    Draws are computed from the float16 embeddings, so that they equal those of `predict` in memory.
    """

    folder: Path
    head: LinearDraws
    draws: int
    seed: int

    @property
    def tree(self) -> DecisionTree:
        """Whose questions are predicted."""
        return self.head.tree

    @cached_property
    def parts(self) -> tuple[Path, ...]:
        """The Parquet files, in the order of the catalogue."""
        return tuple(sorted(self.folder.glob("part-*.parquet")))

    def __iter__(self) -> Iterator[Posterior]:
        import pyarrow.parquet as pq

        for part in self.parts:
            rows = pq.read_table(part, columns=["id", "embedding"])
            if rows.num_rows:
                yield self._posterior(rows["id"].to_pylist(), rows["embedding"])

    def __len__(self) -> int:
        import pyarrow.parquet as pq

        return sum(pq.read_metadata(part).num_rows for part in self.parts)

    def known(self, ids: Collection[str]) -> list[str]:
        """Return those of the ids that are here, in the order of the catalogue; no draw is made for them."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        asked = pa.array(sorted(set(ids)), pa.string())
        columns = (pq.read_table(part, columns=["id"])["id"].cast(pa.string()) for part in self.parts)
        return [name for column in columns for name in column.filter(pc.is_in(column, asked)).to_pylist()]

    def screenings(self, score: str, *, artifacts: bool) -> Iterator[Screening]:
        """Screen the pool for `zooactive.acquire`: by the stored scores, or where there are none by new draws."""
        import pyarrow.parquet as pq

        if score not in _STORED_SCREENS:
            yield from PosteriorPool(self).screenings(score, artifacts=artifacts)
            return
        columns = list(artifact_columns(self.tree)) if artifacts else []
        for part in self.parts:
            rows = pq.read_table(part, columns=["id", _SCREEN, *columns])
            share = sum((rows[column].to_numpy().astype(float) for column in columns), np.zeros(len(rows)))
            yield Screening(rows["id"].combine_chunks(), rows[_SCREEN].to_numpy(), share if artifacts else None)

    def posteriors(self, ids: Collection[str]) -> Iterator[Posterior]:
        """Yield the posteriors of some galaxies, part by part; embeddings are read where one of them is."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        wanted = pa.array(sorted(ids), pa.string())
        for part in self.parts:
            here = pc.is_in(pq.read_table(part, columns=["id"])["id"].cast(pa.string()), wanted)
            if pc.any(here).as_py():
                rows = pq.read_table(part, columns=["id", "embedding"]).filter(here)
                yield self._posterior(rows["id"].to_pylist(), rows["embedding"])

    def _posterior(self, ids: list[str], embedding: pa.ChunkedArray) -> Posterior:
        flat = embedding.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        features = flat.reshape(len(ids), -1)
        concentrations = self.head.posterior_concentrations(features, draws=self.draws, seed=self.seed)
        return Posterior(concentrations, ids, self.tree)

    def posterior(self) -> Posterior:
        """All galaxies in memory.

        Raises
        ------
        PosteriorError
            When the folder holds no galaxy.
        """
        chunks = list(self)
        if not chunks:
            raise PosteriorError(f"{self.folder} holds no predicted galaxy; look at failures.parquet there")
        concentrations = np.concatenate([chunk.concentrations for chunk in chunks], axis=1)
        return Posterior(concentrations, [galaxy_id for chunk in chunks for galaxy_id in chunk.ids], self.head.tree)

    def table(self) -> pd.DataFrame:
        """Return every stored column but the embeddings, one row a galaxy."""
        import pandas as pd
        import pyarrow.parquet as pq

        names = [name for name in pq.read_schema(self.parts[0]).names if name != "embedding"]
        table: pd.DataFrame = pd.concat(
            [pq.read_table(part, columns=names).to_pandas() for part in self.parts], ignore_index=True
        )
        return table

    def failures(self) -> pd.DataFrame:
        """Return the galaxies that could not be predicted: id, path, reason."""
        import pandas as pd

        return pd.read_parquet(self.folder / "failures.parquet")


def open_predictions(folder: str | Path) -> Predictions:
    """Open a folder that `predict` finished.

    Raises
    ------
    PosteriorError
        When the folder holds no finished predictions.
    """
    folder = Path(folder)
    journal = _read_journal(folder)
    if journal is None or not journal.get("finished"):
        state = "unfinished predictions; run the same predict command again"
        if journal is None:
            state = "no predictions; run `zooactive predict`, or give the folder that it wrote"
        raise PosteriorError(f"{folder} holds {state}")
    return Predictions(folder, load_draws(folder / "head.npz"), journal["draws"], journal["seed"])


def _read_journal(folder: Path) -> dict[str, Any] | None:
    try:
        journal: dict[str, Any] = json.loads((folder / "journal.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return journal


def write_predictions(
    model: GalaxyModel,
    catalogue: Catalogue,
    out: str | Path,
    *,
    config: PredictionConfig,
    head: LinearDraws | None = None,
    progress: Progress | None = None,
) -> Predictions:
    """Stream the predictions of a catalogue into a folder of Parquet files.

    Images that cannot be read go to ``failures.parquet`` with id, path and reason, and the run goes on. Parts that are
    there are kept: the same call finishes what an interrupted one left.

    Raises
    ------
    PosteriorError
        When the folder holds other predictions.
    """
    from zooactive.models.folding import folded

    out = Path(out)
    head = model.linear_head() if head is None else head
    identity = blake2b(digest_size=16)
    identity.update(json.dumps([model.fingerprint(), head.fingerprint(), asdict(config), _FORMAT], sort_keys=True).encode())
    identity.update("\n".join(catalogue.ids).encode())
    journal = {"fingerprint": identity.hexdigest(), "model": model.fingerprint(), "draws_from": head.kind, **asdict(config)}
    before = _read_journal(out)
    if before is not None and before["fingerprint"] != journal["fingerprint"]:
        raise PosteriorError(
            f"{out} holds predictions of another model, catalogue, seed or kind of draws; choose another folder or delete "
            "this one"
        )
    if before is None:
        with explained(out):
            out.mkdir(parents=True, exist_ok=True)
        head.save(out / "head.npz")
        write_json(out / "journal.json", journal)
    encoder = None
    for number, start in enumerate(range(0, len(catalogue), config.rows_per_part)):
        rows = np.arange(start, min(start + config.rows_per_part, len(catalogue)))
        part = out / f"part-{number:05d}.parquet"
        if not part.exists():
            shift = None if progress is None else (lambda done, start=start: progress(start + done))
            encoder = folded(model.encoder) if encoder is None else encoder
            _write_part(model, encoder, head, catalogue.take(rows), part, config=config, journal=journal, progress=shift)
        if progress is not None:
            progress(int(rows[-1]) + 1)
    _collect_failures(out)
    write_json(out / "journal.json", journal | {"finished": True})
    write_how(
        out,
        command="predict",
        options={**asdict(config), "draws_from": head.kind},
        inputs={"model": journal["model"], "run": journal["fingerprint"]},
    )
    return open_predictions(out)


def _write_part(
    model: GalaxyModel,
    encoder: Any,
    head: LinearDraws,
    catalogue: Catalogue,
    part: Path,
    *,
    config: PredictionConfig,
    journal: dict[str, Any],
    progress: Progress | None,
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    features, failures = embed(model, catalogue, batch_size=config.batch_size, progress=progress, encoder=encoder)
    good = np.array([row for row in range(len(catalogue)) if row not in failures], dtype=np.int64)
    concentrations = head.posterior_concentrations(features[good], draws=config.draws, seed=config.seed)
    posterior = Posterior(concentrations, catalogue.ids[good], head.tree)
    table = pa.Table.from_pandas(_part_table(posterior, catalogue.take(good), config), preserve_index=False)
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(features[good].ravel()), features.shape[1])
    failed = [
        {"id": str(catalogue.ids[row]), "path": _path_of(catalogue.images[row]), "reason": reason}
        for row, reason in sorted(failures.items())
    ]
    about = {"tree": head.tree.to_dict(), "failures": failed, **journal}
    table = table.append_column("embedding", embedding).replace_schema_metadata({"zooactive": json.dumps(about)})
    worded = [name for name in table.column_names if name != "embedding"]
    with aside(part) as temporary:  # a dictionary of the embeddings' numbers would make them four times as slow to read
        pq.write_table(table, temporary, compression="zstd", use_dictionary=worded)


def _part_table(posterior: Posterior, catalogue: Catalogue, config: PredictionConfig) -> pd.DataFrame:
    """One row a galaxy: the posterior's table, the screening score, and the catalogue's other columns."""
    import pandas as pd

    table = posterior.to_table(probability=config.probability)
    numbers = table.columns[1:]
    table[numbers] = table[numbers].astype(np.float32)
    scores: NDArray[np.float64] = one_vote_information(posterior)
    others = catalogue.table.reset_index(drop=True)
    others = others[[name for name in others.columns if name not in {*table.columns, _SCREEN}]]
    return pd.concat([table, pd.DataFrame({_SCREEN: scores}), others], axis=1)


def _path_of(image: object) -> str:
    return "bytes in the table" if isinstance(image, bytes) else str(image)


def _collect_failures(out: Path) -> None:
    import pandas as pd
    import pyarrow.parquet as pq

    parts = sorted(out.glob("part-*.parquet"))
    rows = [row for part in parts for row in json.loads(pq.read_schema(part).metadata[b"zooactive"])["failures"]]
    with aside(out / "failures.parquet") as temporary:
        pd.DataFrame(rows, columns=["id", "path", "reason"]).astype("str").to_parquet(temporary, index=False)
