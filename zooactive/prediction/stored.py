"""Predictions on disk: a Parquet dataset with one row per galaxy, from which draws can be made without images."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.pool import PosteriorPool, Screening, artifact_columns
from zooactive.acquisition.scores.one_vote import one_vote_information
from zooactive.acquisition.scorings import SCORINGS
from zooactive.catalogue import Catalogue
from zooactive.catalogue.patience import PERMANENT, Reason
from zooactive.foundation.errors import PosteriorError
from zooactive.foundation.parts_folder import (
    Failed,
    failed_of,
    numbered_parts,
    parts_in,
    read_journal,
    refuse_strays,
)
from zooactive.foundation.remote_folders import bring, fetch, folder_here
from zooactive.foundation.vocabulary import Score
from zooactive.foundation.whole_numbers import as_frame, under_each_other, with_gaps
from zooactive.models import LinearDraws, load_draws
from zooactive.models.features import Batch
from zooactive.models.holds import Holds, network_of
from zooactive.posterior import Posterior
from zooactive.prediction.marks import LENGTH, short_mark
from zooactive.prediction.part_files import (
    NUMBERS,
    about_part,
    check_rows,
    columns_of,
    embeddings_in,
    explained_part,
    read_rows,
    rows_in,
)

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models.loading import AnyModel
    from zooactive.tree import DecisionTree

SCREEN = "one_vote_information"
"""The column with the scores that are used for screening most pools."""


@dataclass(frozen=True, eq=False, repr=False)
class Predictions:
    """A folder of stored predictions; iterating yields `Posterior` chunks and can be repeated.

    Draws are computed from the float16 embeddings, so they equal the draws of `predict` in memory.

    Parameters
    ----------
    folder : Path
    head : LinearDraws
    draws, seed : int
    redrawn : bool
        Whether the draws differ from those of the stored columns.
    """

    folder: Path
    head: LinearDraws
    draws: int
    seed: int
    redrawn: bool = False

    def __repr__(self) -> str:
        return f"Predictions('{self.folder}': {len(self)} galaxies, tree '{self.tree.name}', {self.draws} draws)"

    def redraw(
        self, head: LinearDraws | AnyModel | Holds, *, draws: int | None = None, seed: int | None = None
    ) -> Predictions:
        """Return the predictions of another head for the same embeddings, with other draws or a new task, without images.

        Parameters
        ----------
        head : LinearDraws, GalaxyModel, EmbeddingModel or FinetunedModel
            A model must have exactly the encoder of these predictions, such as one fine-tuned with the policy ``head``.
        draws, seed : int, optional
            By default the draws and seed of these predictions.

        Raises
        ------
        PosteriorError
            If the encoder is another one, or no embeddings are stored.
        """
        if not isinstance(head, LinearDraws):
            network = network_of(head)
            self.refuse_another_encoder(network)
            head = network.scaled(network.linear_head())
        return Predictions(
            self.folder, head, self.draws if draws is None else draws, self.seed if seed is None else seed, redrawn=True
        )

    def refuse_another_encoder(self, network: AnyModel) -> None:
        """Raise a PosteriorError unless the embeddings are of this model's encoder."""
        if network.encoder_fingerprint() != self.encoder:
            raise PosteriorError(
                f"{self.folder} holds embeddings of another encoder than this model's; predict the galaxies with this model"
            )

    @cached_property
    def encoder(self) -> str:
        """The fingerprint of the encoder and the preprocessing of the embeddings."""
        return str((read_journal(self.folder) or {}).get("encoder"))

    @cached_property
    def rows_per_part(self) -> int:
        """The number of galaxies in a part, including those whose image failed; the last part may have fewer."""
        return int((read_journal(self.folder) or {})["rows_per_part"])

    @property
    def tree(self) -> DecisionTree:
        """The tree whose questions are predicted."""
        return self.head.tree

    @cached_property
    def parts(self) -> tuple[Path, ...]:
        """The Parquet files, in the order of the catalogue.

        Raises
        ------
        PosteriorError
            If a file does not belong to the run, or one is missing.
        """
        journal = read_journal(self.folder) or {}
        for number in range(journal.get("parts", 0)):  # a store may list a part late
            fetch(self.folder / f"part-{number:05d}.parquet")
        numbers = [number for number, _ in numbered_parts(self.folder)]
        count = journal.get("parts", len(numbers))  # folders without a format do not have this entry
        refuse_strays(self.folder, count, str(journal.get("fingerprint")), about_part, PosteriorError)
        if missing := set(range(count)).difference(numbers):
            raise PosteriorError(
                f"{self.folder} lacks part-{min(missing):05d}.parquet; run the same predict command again to make it"
            )
        found = tuple(parts_in(self.folder))
        for part in found:
            check_rows(part)
        return found

    @cached_property
    def image_marks(self) -> tuple[str, ...]:
        """A mark of each galaxy's image, in the order of `catalogue`; a part without marks has one for the part."""
        marks: list[str] = []
        for part in self.parts:
            about, rows, file = about_part(part), rows_in(part), part.stat()
            said = about.get("images", short_mark(f"{part.name}|{file.st_size}|{file.st_mtime_ns}") * rows)
            marks += [said[row * LENGTH : (row + 1) * LENGTH] for row in range(rows)]
            marks += [""] * len(about["failures"])
        return tuple(marks)

    def __iter__(self) -> Iterator[Posterior]:
        for ids, features in self.embeddings():
            yield self._posterior(ids, features)

    @cached_property
    def has_embeddings(self) -> bool:
        """Return whether embeddings are stored."""
        return bool(self.parts) and "embedding" in columns_of(self.parts[0])

    def _refuse_without_embeddings(self) -> None:
        if not self.has_embeddings:
            raise PosteriorError(
                f"{self.folder} holds no embeddings, so no draw can be made again; predict into another folder with --keep "
                "embeddings"
            )

    def embeddings(self) -> Iterator[tuple[list[str], NDArray[np.float16]]]:
        """Yield ids and embeddings (galaxy, feature), part by part."""
        for part in self.parts:
            self._refuse_without_embeddings()
            rows = read_rows(part, ["id", "embedding"])
            if rows.num_rows:
                yield rows["id"].to_pylist(), embeddings_in(part, rows)

    def embeddings_of(self, ids: Collection[str]) -> tuple[list[str], NDArray[np.float16]]:
        """Return ids and embeddings (galaxy, feature) of those ids that are here, in the order of the catalogue."""
        wanted, names, found = frozenset(ids), list[str](), list[NDArray[np.float16]]()
        for here, features in self.embeddings():
            rows = [row for row, galaxy_id in enumerate(here) if galaxy_id in wanted]
            names += [here[row] for row in rows]
            found.append(features[rows])
        return names, np.concatenate(found) if found else np.empty((0, 0), dtype=np.float16)

    def embeddings_spread(
        self, n: int, *, with_ids: Collection[str] = (), most_parts: int = 24
    ) -> tuple[list[str], NDArray[np.float16]]:
        """Return ids and embeddings (galaxy, feature) of about `n` galaxies spread evenly over the catalogue.

        Those of `with_ids` are added where they lie in one of the parts that are read: at most `most_parts`, evenly spread.
        """
        self._refuse_without_embeddings()
        number = min(len(self.parts), most_parts)
        parts = [self.parts[i] for i in sorted({round(i) for i in np.linspace(0, len(self.parts) - 1, number)})]
        step = max(1, math.ceil(sum(map(rows_in, parts)) / n))
        wanted, names, found = frozenset(with_ids), list[str](), list[NDArray[np.float16]]()
        for part in parts:
            rows = read_rows(part, ["id", "embedding"])
            here = rows["id"].to_pylist()
            kept = [row for row, galaxy_id in enumerate(here) if row % step == 0 or galaxy_id in wanted]
            if kept:
                names += [here[row] for row in kept]
                found.append(embeddings_in(part, rows)[kept])
        return names, np.concatenate(found) if found else np.empty((0, 0), dtype=np.float16)

    def means_of(self, ids: Collection[str]) -> pd.DataFrame:
        """Return id, the expected fractions, and how likely each question is asked, of those of the ids that are here."""
        wanted = frozenset(ids)
        names = ["id", *self.tree.columns, *(f"asked_{question.name}" for question in self.tree.questions)]
        tables = (_frame(part, names) for part in self.parts)
        return under_each_other([table[table["id"].isin(wanted)] for table in tables])

    def most_told(self, n: int) -> pd.DataFrame:
        """Return ``id`` and the stored screening score, ``score``, of the galaxies with the highest, in its order."""
        import pandas as pd

        tables = (_frame(part, ["id", SCREEN]).nlargest(n, SCREEN) for part in self.parts)
        return pd.concat(tables).nlargest(n, SCREEN).rename(columns={SCREEN: "score"}).reset_index(drop=True)

    def part(self, number: int) -> Posterior | None:
        """Return the posterior of the galaxies of one part; None if all of its images failed."""
        self._refuse_without_embeddings()
        rows = read_rows(self.parts[number], ["id", "embedding"])
        if not rows.num_rows:
            return None
        return self._posterior(rows["id"].to_pylist(), embeddings_in(self.parts[number], rows))

    def catalogue(self) -> Catalogue:
        """Return the galaxies of the run, with the passed columns; the galaxies that failed come last in each part.

        They have no images, but a failed image is named by its path.
        """
        ids: list[str] = []
        images: list[Path | None] = []
        tables = []
        for part in self.parts:
            about = about_part(part)
            rows = _frame(part, ["id", *about["passed"]])
            failed = about["failures"]
            ids += [*rows["id"], *(failure["id"] for failure in failed)]
            images += [*([None] * len(rows)), *(Path(failure["path"]) if failure["path"] else None for failure in failed)]
            passed = rows[about["passed"]]
            tables.append(with_gaps(passed).reindex(range(len(rows) + len(failed))) if failed else passed)
        table = under_each_other(tables)
        return Catalogue(np.array(ids, dtype=object), tuple(images), None, None, table, str(self.folder))

    def stream_features(self, batches: Iterable[range]) -> Iterator[Batch]:
        """Yield the stored features of batches of rows of `catalogue`, each within one part, in order."""
        ends = np.cumsum([rows_in(part) + len(about_part(part)["failures"]) for part in self.parts])
        open_part = -1
        for rows in batches:
            part = int(np.searchsorted(ends, rows.start, side="right"))
            if part != open_part:
                self._refuse_without_embeddings()
                open_part, begin = part, int(ends[part - 1]) if part else 0
                known = embeddings_in(self.parts[part], read_rows(self.parts[part], ["embedding"]))
                said = about_part(self.parts[part])["failures"]
                reasons = [Reason(failure["reason"], failure.get("kind", PERMANENT)) for failure in said]
                features = np.concatenate([known, np.zeros((len(reasons), known.shape[1]), dtype=np.float16)])
                failures = {begin + len(known) + row: reason for row, reason in enumerate(reasons)}
            here = {row: reason for row, reason in failures.items() if row in rows}
            yield Batch(rows, features[rows.start - begin : rows.stop - begin], here)

    def __len__(self) -> int:
        return sum(rows_in(part) for part in self.parts)

    def known(self, ids: Collection[str]) -> list[str]:
        """Return which of the ids are in these predictions, in the order of the catalogue, without making draws."""
        import pyarrow as pa
        import pyarrow.compute as pc

        asked = pa.array(sorted(set(ids)), pa.string())
        columns = (read_rows(part, ["id"])["id"].cast(pa.string()) for part in self.parts)
        return [name for column in columns for name in column.filter(pc.is_in(column, asked)).to_pylist()]

    def screenings(self, score: Score, *, artifacts: bool) -> Iterator[Screening]:
        """Screen the pool for `zooactive.acquire`: by the stored scores, or otherwise by new draws."""
        if SCORINGS[score].screen is not one_vote_information or self.redrawn:
            yield from PosteriorPool(self).screenings(score, artifacts=artifacts)
            return
        columns = list(artifact_columns(self.tree)) if artifacts else []
        for part in self.parts:
            rows = read_rows(part, ["id", SCREEN, *columns])
            share = sum((rows[column].to_numpy().astype(float) for column in columns), np.zeros(len(rows)))
            yield Screening(rows["id"].combine_chunks(), rows[SCREEN].to_numpy(), share if artifacts else None)

    def posteriors(self, ids: Collection[str]) -> Iterator[Posterior]:
        """Yield the posteriors of some galaxies, part by part; embeddings are read only from parts with such galaxies."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = pa.array(sorted(ids), pa.string())
        for part in self.parts:
            here = pc.is_in(read_rows(part, ["id"])["id"].cast(pa.string()), wanted)
            if pc.any(here).as_py():
                self._refuse_without_embeddings()
                rows = read_rows(part, ["id", "embedding"]).filter(here)
                yield self._posterior(rows["id"].to_pylist(), embeddings_in(part, rows))

    def _posterior(self, ids: list[str], features: NDArray[np.float16]) -> Posterior:
        concentrations = self.head.posterior_concentrations(features, draws=self.draws, seed=self.seed)
        return Posterior(concentrations, ids, self.tree)

    def posterior(self) -> Posterior:
        """Return the posterior of all galaxies, in memory.

        Raises
        ------
        PosteriorError
            If the folder holds no galaxy.
        """
        chunks = list(self)
        if not chunks:
            raise PosteriorError(f"{self.folder} holds no predicted galaxy; see failures.parquet in this folder")
        concentrations = np.concatenate([chunk.concentrations for chunk in chunks], axis=1)
        return Posterior(concentrations, [galaxy_id for chunk in chunks for galaxy_id in chunk.ids], self.head.tree)

    def table(self) -> pd.DataFrame:
        """Return every stored column except the embeddings and the draws, one row per galaxy."""
        names = [name for name in columns_of(self.parts[0]) if name not in ("embedding", "concentrations")]
        return under_each_other([_frame(part, names) for part in self.parts])

    def failures(self) -> pd.DataFrame:
        """Return the galaxies that could not be predicted: id, path, reason and kind.

        A ``transient`` failure may pass, such as that of a server that does not answer; a ``permanent`` one is due to the
        image. Older folders have no kinds.
        """
        return failures_in(self.folder)

    def failed(self) -> Failed:
        """Summarise how many galaxies could not be predicted, and why."""
        failures = self.failures()
        return failed_of(failures, len(self) + len(failures), self.folder)


def failures_in(folder: Path) -> pd.DataFrame:
    """Return the galaxies of a run that have no features: id, path, reason and kind; see `Predictions.failures`."""
    listed = folder / "failures.parquet"
    columns = ["id", "path", "reason", "kind"]
    return _frame(listed, [name for name in columns if name != "kind" or name in columns_of(listed)])


def model_of(folder: Path) -> str | None:
    """Return the fingerprint of the model of some predictions, finished or not; None if there are no predictions."""
    found = (read_journal(folder) or {}).get("model")
    return None if found is None else str(found)


def open_predictions(folder: str | Path) -> Predictions:
    """Open a folder that `predict` finished, on this machine or at a URL, from which it is fetched into the cache.

    Raises
    ------
    PosteriorError
        If the folder holds no finished predictions.
    """
    folder = folder_here(folder)
    bring(folder, again=True)
    journal = read_journal(folder)
    if journal is None or not journal.get("finished"):
        state = "unfinished predictions; run the same predict command again"
        if journal is None:
            state = "no predictions; run `zooactive predict`, or give the folder that it wrote"
        raise PosteriorError(f"{folder} holds {state}")
    if (folder / NUMBERS).exists():
        raise PosteriorError(
            f"{folder} holds predictions of a number, but predictions of votes are needed; use it with predict, top and "
            "acquire, in Python with zooactive.prediction.numbers.open_numbers"
        )
    if not (folder / "head.npz").exists() and journal.get("head", "") is None:
        raise PosteriorError(
            f"{folder} holds only embeddings, without predictions of a head; give them with --embeddings, in "
            "Python as zooactive.read_embeddings(...)"
        )
    for entry, least in (("draws", 1), ("seed", 0), ("rows_per_part", 1), ("parts", 0)):
        value = journal.get(entry, 0 if entry == "parts" else None)
        if type(value) is not int or value < least:
            raise PosteriorError(
                f"{folder / 'journal.json'}: {entry} = {value!r}; the file is damaged: delete the folder and predict again"
            )
    return Predictions(folder, load_draws(folder / "head.npz"), journal["draws"], journal["seed"])


def _frame(part: Path, columns: list[str]) -> pd.DataFrame:
    rows = read_rows(part, columns)
    with explained_part(part):
        return as_frame(rows)
