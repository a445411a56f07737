"""The parts of a prediction run; a part's bytes depend only on its galaxies, not on the process that predicts them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from zooactive.acquisition import one_vote_information
from zooactive.catalogue import Catalogue
from zooactive.catalogue.patience import kind_of
from zooactive.foundation.errors import CatalogueError, PosteriorError, did_you_mean, explained
from zooactive.foundation.parts_folder import PartsFolder
from zooactive.foundation.vocabulary import KEEPS
from zooactive.models import LinearDraws
from zooactive.models.features import Batch, batches_of, stream_features
from zooactive.models.holds import network_with_images
from zooactive.posterior import Posterior
from zooactive.prediction.embeddings import SeenEmbeddings
from zooactive.prediction.marks import image_mark, unseen_mark
from zooactive.prediction.stored import SCREEN, Predictions

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models.loading import AnyModel
    from zooactive.tree import DecisionTree

_SUMMED_UP = 512
"""Galaxies whose draws are summed up at a time: few enough that memory is used again, not asked for anew."""

_limiting = threading.Lock()  # a second run would take the limit of the first one for what the process had before
_libraries = functools.cache(ThreadpoolController)  # looking for them among all that is loaded takes longer than a product


@dataclass(frozen=True)
class PredictionConfig:
    """The settings of a prediction run: what is drawn for each galaxy, and what is stored on disk.

    Parameters
    ----------
    draws, seed : int
        The number of paired draws T, and the seed of their masks.
    batch_size : int
        The number of galaxies per step of the network.
    rows_per_part : int
        The number of galaxies per Parquet file, which is what an interruption can cost.
    probability : float
        The probability of the stored credible intervals.
    keep : {"embeddings", "means", "summaries", "draws"}
        What is stored, each with everything that comes before it in this order: ``means`` (expected fractions, P(asked), the
        screening score), ``summaries`` (with the intervals), ``embeddings`` (from which draws, scores and tasks can be
        computed without images), ``draws`` (the concentrations themselves, float32).
    """

    draws: int = 64
    seed: int = 0
    batch_size: int = 128
    rows_per_part: int = 2048
    probability: float = 0.9
    keep: str = "embeddings"

    def __post_init__(self) -> None:
        if self.keep not in KEEPS:
            raise PosteriorError(
                f"keep = '{self.keep}' is unknown.{did_you_mean(self.keep, KEEPS)} Use one of {', '.join(KEEPS)}"
            )

    def keeps(self, what: str) -> bool:
        """Return whether something is stored."""
        return KEEPS.index(self.keep) >= KEEPS.index(what)


@dataclass(frozen=True, eq=False)
class PartWriter:
    """A writer that predicts and writes parts of one run, here or in an engine's workers; it can be pickled.

    Without a `head` only the embeddings are written. `catalogue` has all galaxies of the run, and `folder` its parts.
    `about` is the metadata of every part. `passed` has the types of the passed columns, the same in every part. With
    `stored` predictions or embeddings, their features of the same galaxies replace the images; the catalogue is then that of
    their `catalogue`. The parts in `again` exist and are written again.
    """

    model: AnyModel
    head: LinearDraws | None
    catalogue: Catalogue
    folder: PartsFolder
    config: PredictionConfig
    about: dict[str, Any]
    passed: Any
    stored: Predictions | SeenEmbeddings | None = None
    again: frozenset[int] = frozenset()

    def write(self, parts: Sequence[int], *, seen: Callable[[Batch], None] | None = None) -> Iterator[int]:
        """Predict parts and yield the number of each part that has been written.

        The network works on a part while the draws of the previous one are summarised and written. `seen` is called with
        every batch that the network has processed. An exception from it ends the run; the finished parts stay.
        """
        size = self.config.batch_size
        batches = [rows for part in parts for rows in batches_of(self.folder.rows_of(part), size)]
        marks: dict[int, str] = {}  # made before an image is read: it may have changed, or be gone, when the part is written

        def marked() -> Iterator[range]:
            for rows in batches:
                marks.update((row, image_mark(self.catalogue.images[row])) for row in rows)
                yield rows

        if self.stored is None:
            stream = stream_features(network_with_images(self.model), self.catalogue, marked(), batch_size=size)
        else:
            stream = self.stored.stream_features(batches)
        with ThreadPoolExecutor(max_workers=1) as finishing:
            before: Future[int] | None = None
            for part in parts:
                found = []
                for _ in batches_of(self.folder.rows_of(part), size):
                    found.append(next(stream))
                    if seen is not None:
                        seen(found[-1])
                if before is not None:
                    yield before.result()
                known = {row: marks.pop(row) for row in self.folder.rows_of(part) if row in marks}
                before = finishing.submit(self._finish, part, found, known)
            if before is not None:
                yield before.result()

    def _finish(self, part: int, found: Sequence[Batch], marks: Mapping[int, str]) -> int:
        """Write a part with known features, and with the marks that its images had before they were read."""
        import pyarrow as pa

        config, rows = self.config, self.folder.rows_of(part)
        failures = {row: reason for batch in found for row, reason in batch.failures.items()}
        good = np.array([row for row in rows if row not in failures], dtype=np.int64)
        features = np.concatenate([batch.features for batch in found])[good - rows.start]
        galaxies = self.catalogue.take(good)
        table = pa.table({"id": pa.array(galaxies.ids, pa.string())})
        if self.head is not None:
            # Threads of a matrix product wait for each other at full speed, on cores that the network needs.
            with _limiting, _libraries().limit(limits=1, user_api="blas"):
                concentrations = self.head.posterior_concentrations(features, draws=config.draws, seed=config.seed)
            summary = self._summary(Posterior(concentrations, galaxies.ids, self.head.tree))
            table = pa.Table.from_pandas(summary, preserve_index=False)
        passed = pa.Table.from_pandas(galaxies.table, schema=self.passed, preserve_index=False)
        for name, column in zip(passed.column_names, passed.columns, strict=True):
            table = table.append_column(name, column)
        worded = table.column_names
        if config.keeps("embeddings"):
            table = table.append_column("embedding", _lists(features))
        if self.head is not None and config.keeps("draws"):
            by_galaxy = np.moveaxis(concentrations, 1, 0).reshape(len(good), config.draws * len(self.head.tree.columns))
            table = table.append_column("concentrations", _lists(by_galaxy))
        failed = [
            {
                "id": str(self.catalogue.ids[row]),
                "path": _path_of(self.catalogue.images[row]),
                "reason": str(reason),
                "kind": kind_of(reason),
            }
            for row, reason in sorted(failures.items())
        ]
        about = {
            "tree": None if self.head is None else self.head.tree.to_dict(),
            "passed": passed.column_names,
            "failures": failed,
            **self.about,
            "part": part,
            "images": "".join(self._mark(row, marks) for row in good.tolist()),
        }
        # Dictionary encoding of the numbers in an array would make it four times as slow to read.
        self.folder.write(part, table, about, compression="zstd", use_dictionary=worded)
        return part

    def _mark(self, row: int, marks: Mapping[int, str]) -> str:
        """Return the mark that an image had before it was read, or its mark now if it only appeared while waiting for it."""
        if row not in marks or marks[row] == unseen_mark(self.catalogue.images[row]):
            return self.marks_of([row])
        return marks[row]

    def marks_of(self, rows: Sequence[int]) -> str:
        """Return marks of the images of some rows, or of the origin of their stored embeddings."""
        if self.stored is not None:
            return "".join(self.stored.image_marks[row] for row in rows)
        return "".join(image_mark(self.catalogue.images[row]) for row in rows)

    def _summary(self, posterior: Posterior) -> pd.DataFrame:
        """Return one row per galaxy with the summary of the posterior, and the screening score."""
        import pandas as pd

        probability = self.config.probability if self.config.keeps("summaries") else None
        blocks = (posterior[start : start + _SUMMED_UP] for start in range(0, max(len(posterior), 1), _SUMMED_UP))
        table = pd.concat([block.to_table(probability=probability) for block in blocks], ignore_index=True)
        numbers = table.columns[1:]
        table[numbers] = table[numbers].astype(np.float32)
        scores: NDArray[np.float64] = one_vote_information(posterior)
        return pd.concat([table, pd.DataFrame({SCREEN: scores})], axis=1)


def own_columns(tree: DecisionTree) -> frozenset[str]:
    """Return the names of all columns that predictions may add, whatever is kept."""
    asked = (f"asked_{question.name}" for question in tree.questions)
    ends = (f"{column}_{end}" for column in tree.columns for end in ("low", "high"))
    return frozenset({"id", *tree.columns, *ends, *asked, SCREEN, "embedding", "concentrations"})


def kinds_of(catalogue: Catalogue) -> Any:
    """Return the types of a table's columns as a `pyarrow.Schema`; a CatalogueError if Parquet cannot hold one of them."""
    import pyarrow as pa

    said = f"{catalogue.source}: Parquet cannot hold a column of the table: {{reason}}; change or drop the column"
    with explained(CatalogueError, said, pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.Table.from_pandas(catalogue.table, preserve_index=False).schema


def _lists(values: NDArray[Any]) -> Any:
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _path_of(image: object) -> str:
    return "bytes in the table" if isinstance(image, bytes) else str(image or "")
