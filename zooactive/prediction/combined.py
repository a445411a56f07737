"""The published catalogue: the combined predictions of the model and the volunteers' votes for every galaxy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.foundation.errors import PosteriorError, did_you_mean
from zooactive.foundation.html import html_table
from zooactive.posterior import Posterior
from zooactive.posterior.corrections import named_factors, scale_concentrations
from zooactive.prediction.combined_files import Column, columns_of, percent, shortened, write_table
from zooactive.tree import DecisionTree
from zooactive.tree.likelihood import by_id, checked_votes, refuse_fractions

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_ANSWERS = 4

Votes = Catalogue | str | Path | Mapping[str, ArrayLike] | ArrayLike | None


def combine(
    posterior: Posterior | Iterable[Posterior],
    votes: Votes = None,
    *,
    factors: Mapping[str, float] | None = None,
    seen: Collection[str] = (),
    above: Sequence[float] = (0.5,),
    probability: float = 0.9,
) -> CombinedCatalogue:
    """Combine a model's predictions with the votes that came in.

    A galaxy's votes change the weights of the draws, in proportion to how probable each draw made the votes. They also
    change the concentrations, alpha + k (`Posterior.given_votes`). Without votes the prediction is the model's; with many
    votes the model hardly counts.

    Parameters
    ----------
    posterior : Posterior, iterable of Posterior, or stored predictions
        The model's predictions *without* these votes. For galaxies whose votes the model was trained on, use a model that
        has not seen them, or list them in `seen`.
    votes : Catalogue, path, mapping or array_like, optional
        All votes so far, as counts or as pseudo-counts of a stated number of volunteers: a table, which is read with the
        posterior's tree; a mapping of id to votes (answer,); or an array (galaxy, answer), if `posterior` is one Posterior.
    factors : mapping of str to float, optional
        Maps a question, or an answer's column, to the factor on its concentrations before the votes are added; with factors
        below 1 the model is trusted less. `zooactive.training.calibrate.fit_answer_factors` fits them, to votes of randomly
        drawn galaxies that the model was not trained on.
    seen : collection of str
        Ids of galaxies whose votes the model was trained on. They are marked ``prior_saw_votes``, since their votes count
        twice.
    above : sequence of float
        Fractions x for which P(fraction > x) is computed.
    probability : float
        The probability of the credible intervals.

    Returns
    -------
    CombinedCatalogue

    Raises
    ------
    PosteriorError
        If votes are negative, not finite or of another tree, look like fractions, or no galaxy with votes is predicted; or
        if a factor, a fraction or a probability is impossible.
    CatalogueError
        If the table of votes cannot be read.

    Notes
    -----
    Early stopping of well-known galaxies does no harm, as long as it was decided by their images and by votes that are all
    in `votes`. Votes are not debiased for redshift: debiasing is defined only for votes, whose counts are in the table. To
    count galaxies with a fraction above x, sum P(fraction > x). Counting mean fractions above x is biased by shrinkage.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> model = Posterior([[[6, 4], [6, 4]]], ["g1", "g2"], tree)
    >>> table = combine(model, {"g2": [1, 9]}).to_table()
    >>> table[["id", "smooth_yes", "smooth_votes", "model_smooth"]].round(3).to_dict("list")
    {'id': ['g1', 'g2'], 'smooth_yes': [0.6, 0.35], 'smooth_votes': [0, 10], 'model_smooth': [1.0, 0.5]}
    """
    if isinstance(posterior, Iterator):
        raise PosteriorError(
            f"the galaxies are a {type(posterior).__name__}, which can be read only once; give a list of Posteriors"
        )
    if not isinstance(above, Sequence):
        raise PosteriorError(f"above = {above!r}: give a list of fractions, such as [0.5]")
    if not 0 < probability < 1:
        raise PosteriorError(f"probability = {probability} for the intervals; give a number between 0 and 1")
    for x in above:
        if not 0 < x < 1:
            raise PosteriorError(f"above has the fraction {x}; give fractions between 0 and 1")
    return CombinedCatalogue(posterior, votes, dict(factors or {}), frozenset(map(str, seen)), tuple(above), probability)


@dataclass(frozen=True, eq=False, repr=False)
class CombinedCatalogue:
    """The combined catalogue of a model and the volunteers' votes, as `combine` returns it.

    Iterating yields `Posterior` chunks that are conditioned on the votes. Everything is computed on demand.
    """

    model: Posterior | Iterable[Posterior]
    votes: Votes
    factors: Mapping[str, float]
    seen: frozenset[str]
    above: tuple[float, ...]
    probability: float

    def __iter__(self) -> Iterator[Posterior]:
        for prior, votes in self._believed():
            yield prior.given_votes(votes)

    def __len__(self) -> int:
        if isinstance(self.model, Posterior) or hasattr(self.model, "tree"):
            return len(self.model)  # type: ignore[arg-type]
        return sum(len(chunk) for chunk in self.model)

    def __repr__(self) -> str:
        return f"CombinedCatalogue of {len(self)} galaxies, tree '{self.tree.name}'; head() and to_pandas() show them"

    def _repr_html_(self) -> str:
        if not isinstance(self.model, Posterior) or isinstance(self.votes, str | Path):
            return html_table([], [], caption=repr(self))  # rows would have to be read
        shown = self.head()
        names = self.tree.columns[:_SHOWN_ANSWERS]
        cells = [
            [row["id"], f"{row['volunteers']:g}"]
            + [f"{row[name]:.2f} ({row[f'{name}_low']:.2f}-{row[f'{name}_high']:.2f})" for name in names]
            for row in shown.to_dict("records")
        ]
        below = f"first galaxies, first of {len(self.tree.columns)} answers: fraction ({self.probability:.0%} interval)"
        return html_table(["id", "volunteers", *names], cells, caption=repr(self), below=below)

    def head(self, n: int = 5) -> pd.DataFrame:
        """Return the first rows of the table."""
        first = self.model if isinstance(self.model, Posterior) else next(iter(self.model))
        votes = self.votes
        if isinstance(self.model, Posterior) and _is_row_by_row(votes):
            votes = _row_by_row(votes, self.model, whole=True)[:n]
        rows_of = _votes_by_id(votes, self.tree)
        some = first.take(slice(n))
        if rows_of is not None:
            votes = np.array([rows_of.get(name, np.zeros(len(self.tree.columns))) for name in some.ids])
        return replace(self, model=some, votes=votes).to_table()

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row per galaxy, by `to_table`."""
        return self.to_table()

    @property
    def posterior(self) -> Posterior:
        """The posterior of all galaxies in memory, conditioned on the votes."""
        chunks = list(self)
        return Posterior(
            np.concatenate([chunk.concentrations for chunk in chunks], axis=1),
            [galaxy_id for chunk in chunks for galaxy_id in chunk.ids],
            chunks[0].tree,
            weights=np.concatenate([chunk.weights for chunk in chunks], axis=1),
        )

    def to_table(self) -> pd.DataFrame:
        """Return a table with one row per galaxy; `columns` describes each column.

        The table has ``id``. For each answer, in tree order, it has the expected fraction ``QUESTION_ANSWER``, the ends
        ``_low`` and ``_high`` of its credible interval, ``_above_50`` (percent) for P(fraction > 0.5), and ``_votes``. For
        each question it has ``asked_QUESTION``, the probability that a volunteer is asked it; ``QUESTION_votes``, the number
        of volunteers who were; and ``model_QUESTION``, the share of the expected fractions that comes from the model. It
        also has ``volunteers`` and ``prior_saw_votes``.
        """
        import pandas as pd

        return pd.concat(list(self.tables()), ignore_index=True)

    def tables(self) -> Iterator[pd.DataFrame]:
        """Yield the table in pieces, chunk by chunk."""
        for prior, votes in self._believed():
            yield self._table(prior, prior.given_votes(votes), votes)

    def write(self, path: str | Path, *, passed: pd.DataFrame | None = None) -> int:
        """Write the table, and return how many galaxies it has.

        Parameters
        ----------
        path : path
            ``.csv`` or ``.parquet``, written chunk by chunk; ``.fits`` or ``.xml`` (VOTable), with units, UCDs and
            descriptions, for which the whole table is held in memory.
        passed : DataFrame, optional
            Other columns to include, with a column ``id``.

        Raises
        ------
        OutputError, PosteriorError
            If the file cannot be written, or has another ending.
        """
        said = f"Vote fractions of tree '{self.tree.name}' by a model and by volunteers' votes together"
        return write_table(shortened(self.tables(), Path(path)), self.columns, said, Path(path), passed)

    @property
    def columns(self) -> dict[str, Column]:
        """The description and the UCD of each column of the table; no column has a unit."""
        return columns_of(self.tree, above=self.above, probability=self.probability)

    @property
    def tree(self) -> DecisionTree:
        """The tree whose questions are answered."""
        if isinstance(self.model, Posterior):
            return self.model.tree
        tree = getattr(self.model, "tree", None)
        return tree if isinstance(tree, DecisionTree) else next(iter(self.model)).tree

    def _believed(self) -> Iterator[tuple[Posterior, NDArray[np.float64]]]:
        """Yield the model's predictions for each chunk, and the votes of its galaxies (galaxy, answer)."""
        rows_of = _votes_by_id(self.votes, self.tree)
        scales = named_factors(self.factors, self.tree) if self.factors else None
        met = 0
        for chunk in [self.model] if isinstance(self.model, Posterior) else self.model:
            prior = chunk if scales is None else scale_concentrations(chunk, scales)
            if rows_of is None:
                yield prior, _row_by_row(self.votes, prior, whole=isinstance(self.model, Posterior))
                continue
            votes = np.zeros((len(prior), len(prior.tree.columns)))
            for row, name in enumerate(prior.ids):
                found = rows_of.get(name)
                if found is not None:
                    votes[row] = found
                    met += 1
            yield prior, votes
        if rows_of and not met:
            raise PosteriorError(
                f"none of the {len(rows_of)} galaxies with votes is predicted, such as '{next(iter(rows_of))}'; give the "
                "votes of the predicted galaxies, with the same ids"
            )

    def _table(self, prior: Posterior, posterior: Posterior, votes: NDArray[np.float64]) -> pd.DataFrame:
        import pandas as pd

        tree = posterior.tree
        counts = votes.astype(np.int64) if (votes % 1 == 0).all() else votes
        mean, interval, asked = posterior.mean(), posterior.interval(self.probability), posterior.asked()
        chances = [posterior.probability_above(x) for x in self.above]
        names = [percent(x) for x in self.above]
        columns: dict[str, NDArray[np.generic]] = {"id": posterior.ids}
        for i, name in enumerate(tree.columns):
            columns |= {name: mean[:, i], f"{name}_low": interval[:, i, 0], f"{name}_high": interval[:, i, 1]}
            columns |= {f"{name}_above_{x}": chance[:, i] for x, chance in zip(names, chances, strict=True)}
            columns[f"{name}_votes"] = counts[:, i]
        whole, share = tree.question_sums(counts), model_share(prior, posterior)
        for q, question in enumerate(tree.questions):
            columns |= {f"asked_{question.name}": asked[:, q], f"{question.name}_votes": whole[:, q]}
            columns[f"model_{question.name}"] = share[:, q]
        columns["volunteers"] = whole[:, list(tree.roots)].max(1)
        columns["prior_saw_votes"] = np.array([name in self.seen for name in posterior.ids], dtype=bool)
        return pd.DataFrame(columns)


def model_share(prior: Posterior, posterior: Posterior) -> NDArray[np.float64]:
    """Return the share of the expected fractions that comes from the model, E[alpha0 / (alpha0 + n)], (galaxy, question)."""
    tree = prior.tree
    before = tree.question_sums(prior.concentrations.astype(np.float64))
    after = tree.question_sums(posterior.concentrations.astype(np.float64))
    return np.asarray((posterior.weights[..., None] * (before / after)).sum(0))


def _votes_by_id(votes: Votes, tree: DecisionTree) -> Mapping[str, NDArray[np.float64]] | None:
    """Return votes by id, in the order of the tree's columns; None if they are given row by row, or there are none."""
    votes = by_id(votes, tree)
    if votes is None or _is_row_by_row(votes):
        return None
    assert isinstance(votes, Catalogue | str | Path | Mapping)
    if isinstance(votes, Mapping):
        names = list(votes)
        stacked = np.stack([np.asarray(votes[name], dtype=float) for name in names]) if names else None
        found = np.zeros((0, len(tree.columns))) if stacked is None else _counted(stacked, tree, len(names))
        return dict(zip(map(str, names), found, strict=True))
    catalogue = votes if isinstance(votes, Catalogue) else read_catalogue(votes, tree=tree)
    voted = catalogue.require_votes()
    unknown = [column for column in voted.tree.columns if column not in tree.columns]
    if unknown:
        raise PosteriorError(
            f"{catalogue.source} has votes for '{unknown[0]}', but the model answers tree '{tree.name}'."
            f"{did_you_mean(unknown[0], tree.columns)}"
        )
    refuse_fractions(voted.votes, voted.tree)
    wide = np.zeros((len(catalogue), len(tree.columns)))
    wide[:, [tree.columns.index(column) for column in voted.tree.columns]] = voted.votes
    some = voted.some
    return dict(zip(catalogue.ids[some], wide[some], strict=True))


def _is_row_by_row(votes: Votes) -> bool:
    return votes is not None and not isinstance(votes, Catalogue | str | Path | Mapping)


def _row_by_row(votes: Votes, prior: Posterior, *, whole: bool) -> NDArray[np.float64]:
    if votes is None:
        return np.zeros((len(prior), len(prior.tree.columns)))
    if not whole:
        raise PosteriorError("votes row by row need one Posterior; give the votes of chunks by id")
    assert not isinstance(votes, Catalogue | str | Path | Mapping)
    return _counted(votes, prior.tree, len(prior))


def _counted(votes: ArrayLike, tree: DecisionTree, galaxies: int) -> NDArray[np.float64]:
    """Return votes as counts; raise a PosteriorError for fractions, because their number of volunteers is not known."""
    found = checked_votes(votes, tree, galaxies)
    refuse_fractions(found, tree)
    return found
