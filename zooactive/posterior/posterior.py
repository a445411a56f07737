"""The network's expectation of volunteers' answers: T draws of Dirichlet concentrations for every galaxy.

No code that uses a `Posterior` knows which network made it. The density of a vote fraction is the mixture over draws of
Beta(alpha_a, alpha0_q - alpha_a). Means, intervals and probabilities come from that mixture, never from averages of each
draw's quantiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from zooactive.foundation.errors import PosteriorError, did_you_mean
from zooactive.foundation.html import ends_of, html_table
from zooactive.foundation.rows import ids_in, rows_in
from zooactive.foundation.spelling import for_terminal
from zooactive.posterior import mixtures
from zooactive.tree import DecisionTree, Question
from zooactive.tree.likelihood import checked_votes, log_rising, log_ways

if TYPE_CHECKING:
    import pandas as pd

_BLOCK = 2048
"""The number of galaxies whose float64 Beta parameters are held at a time."""
_SHOWN_ANSWERS = 6
_SHOWN_WIDTH = 100


class VoteEntropy(NamedTuple):
    """The parts of the entropy of one vote on each question, in nats, each of shape (galaxy, question).

    ``epistemic``: the draws disagree about the mean fractions; more labels reduce this part. ``distributional``: given the
    draw, the galaxy's own fractions are unknown; its own votes would reveal them. ``data``: volunteers would disagree even
    if the fractions were known; nothing reduces this part.
    """

    epistemic: NDArray[np.float64]
    distributional: NDArray[np.float64]
    data: NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Posterior:
    """Paired posterior draws of the concentrations of every answer.

    Parameters
    ----------
    concentrations : array_like, shape (draw, galaxy, answer)
        Dirichlet concentrations, all finite and positive, stored as float32. One draw is one sample of the network, and the
        same sample for every galaxy.
    ids : sequence of str, length galaxy
        The galaxies' ids, without duplicates.
    tree : DecisionTree
        The tree whose columns are the answers.
    weights : array_like, shape (draw,) or (draw, galaxy), optional
        The probability of each draw. By default all are equal. They are scaled to sum to 1 for each galaxy, and stored as
        float64 (draw, galaxy).

    Raises
    ------
    PosteriorError
        When shapes disagree, an id occurs twice, a concentration is not finite and positive, or weights are negative or all
        0.

    Notes
    -----
    Walmsley et al. 2020 (MNRAS 491, 1554) and 2022 (MNRAS 509, 3966) define the vote fractions.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> posterior = Posterior([[[9.0, 1.0]], [[1.0, 9.0]]], ["g1"], tree)
    >>> posterior.mean().round(2).tolist()
    [[0.5, 0.5]]
    >>> posterior.given_votes([[3, 0]]).mean().round(2).tolist()
    [[0.92, 0.08]]
    """

    concentrations: NDArray[np.float32]
    ids: NDArray[np.object_]
    tree: DecisionTree
    weights: NDArray[np.float64]

    def __init__(
        self, concentrations: ArrayLike, ids: Iterable[str], tree: DecisionTree, *, weights: ArrayLike | None = None
    ) -> None:
        with np.errstate(over="ignore"):  # values that are not finite raise an error below
            alpha = np.ascontiguousarray(concentrations, dtype=np.float32)
        names = np.array([str(galaxy_id) for galaxy_id in ids], dtype=object)
        if alpha.ndim != 3 or alpha.shape[1:] != (len(names), len(tree.columns)):
            raise PosteriorError(
                f"concentrations have the shape {alpha.shape}; {len(names)} ids and tree '{tree.name}' need "
                f"(draw, {len(names)}, {len(tree.columns)})"
            )
        if alpha.shape[0] == 0:
            raise PosteriorError("concentrations hold no draws; give at least one")
        if len(set(names)) < len(names):
            seen: set[str] = set()
            twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise PosteriorError(f"the id '{twice}' occurs twice; give each galaxy once")
        bad = ~(np.isfinite(alpha) & (alpha > 0))
        if bad.any():
            draw, galaxy, answer = np.argwhere(bad)[0]
            raise PosteriorError(
                f"the concentration of '{tree.columns[answer]}' for galaxy '{names[galaxy]}' in draw {draw} is "
                f"{alpha[draw, galaxy, answer]}; concentrations must be finite and positive"
            )
        object.__setattr__(self, "concentrations", alpha)
        object.__setattr__(self, "ids", names)
        object.__setattr__(self, "tree", tree)
        object.__setattr__(self, "weights", _normalised(weights, names, alpha.shape[0]))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, key: Any) -> Posterior:
        """Return some galaxies, by a slice, by row numbers or a mask, or by one or several ids."""
        ids = ids_in(key)
        return self.take(rows_in(key, len(self))) if ids is None else self.select(ids)

    def head(self, n: int = 5) -> Posterior:
        """Return the first galaxies."""
        return self[:n]

    def __repr__(self) -> str:
        columns, rows, _ = self._shown()
        columns = ["id", *columns]
        widths = [max(len(row[place]) for row in (columns, *rows)) for place in range(len(columns))]
        while len(columns) > 2 and sum(widths) + 2 * len(widths) > _SHOWN_WIDTH:
            widths.pop()
            columns.pop()
        _, left_out = ends_of(len(self))
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (columns, *rows)]
        lines[1 + left_out : 1 + left_out] = ["..."] * bool(left_out)
        return for_terminal("\n".join([self._said(), *lines, *self._rest(len(columns) - 1)]))

    def _repr_html_(self) -> str:
        columns, rows, left_out = self._shown()
        body = [*rows[:left_out], None, *rows[left_out:]] if left_out else rows
        return html_table(["id", *columns], body, caption=self._said(), below=" ".join(self._rest(len(columns))))

    def _said(self) -> str:
        return f"Posterior of {len(self)} galaxies, tree '{self.tree.name}', {self.draws} draws: fraction (90% interval)"

    def _rest(self, shown: int) -> list[str]:
        missing = len(self.tree.columns) - shown
        return [f"and {missing} more answers: to_pandas() has all"] if missing else []

    def _shown(self) -> tuple[list[str], list[list[str]], int]:
        """Return names and cells of the first answers for the first and last galaxies, and where galaxies are left out."""
        rows, left_out = ends_of(len(self))
        some, answers = self.take(rows), self.tree.columns[:_SHOWN_ANSWERS]
        mean = some.mean()
        ends = [some._of_mixtures(lambda a, b, w: mixtures.quantiles(a, b, w, (0.05, 0.95)), name) for name in answers]
        names = [name.replace(f"{self.tree.suffix}_", "_", 1) if self.tree.suffix else name for name in answers]
        cells = [
            [str(galaxy), *(f"{mean[g, a]:.2f} ({ends[a][g, 0]:.2f}-{ends[a][g, 1]:.2f})" for a in range(len(answers)))]
            for g, galaxy in enumerate(some.ids)
        ]
        return names, cells, left_out

    @property
    def draws(self) -> int:
        """The number of draws T."""
        return int(self.concentrations.shape[0])

    # Fractions ------------------------------------------------------------------------------------------------------

    def mean(self) -> NDArray[np.float64]:
        """Return the expected vote fractions E_t[mu], shape (galaxy, answer); each question's answers sum to 1."""
        return self._mean_over_draws(lambda mu: mu)

    def variance(self) -> NDArray[np.float64]:
        """Return the variance of each vote fraction's mixture density, shape (galaxy, answer): within plus between draws."""
        first = np.zeros(self.concentrations.shape[1:])
        second = np.zeros_like(first)
        for alpha, weight in zip(self.concentrations, self.weights, strict=True):
            fraction, total = self._beta_parameters(alpha)
            first += weight[:, None] * fraction
            second += weight[:, None] * fraction * (fraction * total + 1) / (total + 1)
        return np.maximum(second - first**2, 0)

    def interval(self, probability: float = 0.9) -> NDArray[np.float64]:
        """Return the equal-tailed credible interval of each vote fraction, shape (galaxy, answer, 2).

        The ends are quantiles of the mixture over draws of Beta(alpha_a, alpha0_q - alpha_a), to an absolute 1e-6.

        Parameters
        ----------
        probability : float
            The probability of the interval, between 0 and 1.

        Raises
        ------
        PosteriorError
            When `probability` is not between 0 and 1.
        """
        if not 0 < probability < 1:
            raise PosteriorError(f"an interval of probability {probability} was asked for; give a number between 0 and 1")
        tail = (1 - probability) / 2
        return self.quantiles((tail, 1 - tail))

    def quantiles(self, levels: Sequence[float]) -> NDArray[np.float64]:
        """Return quantiles of each vote fraction's mixture density, shape (galaxy, answer, level)."""
        return self._of_mixtures(lambda a, b, w: mixtures.quantiles(a, b, w, levels))

    def probability_above(self, fraction: float) -> NDArray[np.float64]:
        """Return P(vote fraction > `fraction`) of each answer, shape (galaxy, answer).

        Raises
        ------
        PosteriorError
            When `fraction` is not between 0 and 1.
        """
        if not 0 <= fraction <= 1:
            raise PosteriorError(f"the probability above a fraction of {fraction} was asked for; give a fraction, 0 to 1")
        return self._of_mixtures(lambda a, b, w: mixtures.above(a, b, w, fraction))

    def density(self, column: str, x: ArrayLike) -> NDArray[np.float64]:
        """Return the density of one answer's vote fraction at `x`, shape (galaxy, x).

        Parameters
        ----------
        column : str
            An answer, with or without the survey's suffix.
        x : array_like, shape (x,)
            Fractions strictly between 0 and 1.
        """
        points = np.asarray(x, dtype=float)
        return self._of_mixtures(lambda a, b, w: mixtures.density(a, b, w, points), column)

    def vote_probabilities(self, column: str, votes: int) -> NDArray[np.float64]:
        """Return the predictive distribution of one answer's count among `votes` votes on its question.

        It is the mixture over draws of beta-binomials: P(k) for k = 0 ... votes, shape (galaxy, votes + 1).

        Parameters
        ----------
        column : str
            An answer, with or without the survey's suffix.
        votes : int
            The number of volunteers who answer the question, 0 or more.

        Raises
        ------
        PosteriorError
            When `votes` is not a whole number >= 0.
        """
        if isinstance(votes, bool) or not isinstance(votes, (int, np.integer)) or votes < 0:
            raise PosteriorError(f"votes = {votes!r}: the number of volunteers must be a whole number, 0 or more")
        return self._of_mixtures(lambda a, b, w: mixtures.count_probabilities(a, b, w, int(votes)), column)

    # Along the tree -------------------------------------------------------------------------------------------------

    def asked(self) -> NDArray[np.float64]:
        """Return the probability that a volunteer reaches each question, shape (galaxy, question).

        It is the mean over draws of the product along the path, not the product of means.
        """
        return self._mean_over_draws(self.tree.asked)

    def joint_mean(self) -> NDArray[np.float64]:
        """Return the expected share of all volunteers who give each answer, E_t[P_t(asked) mu_t], shape (galaxy, answer)."""
        return self._mean_over_draws(self.tree.joint)

    def vote_entropy(self) -> VoteEntropy:
        """Split the entropy of one vote on each question, given that it is asked; H(mean mu) is the sum of the three parts.

        The parts are epistemic = H(mean mu) - mean_t H(mu), data = mean_t [ psi(alpha0 + 1) - sum mu psi(alpha + 1) ], and
        distributional = mean_t H(mu) - data.
        """
        given = np.zeros((len(self), len(self.tree.questions)))
        data = np.zeros_like(given)
        for alpha, weight in zip(self.concentrations, self.weights, strict=True):
            fraction, total = self._beta_parameters(alpha)
            given += weight[:, None] * self.tree.question_sums(special.entr(fraction))
            psi = special.digamma(total + 1) - special.digamma(fraction * total + 1)
            data += weight[:, None] * self.tree.question_sums(fraction * psi)
        whole = self.tree.question_sums(special.entr(self.mean()))
        return VoteEntropy(np.maximum(whole - given, 0), np.maximum(given - data, 0), data)

    # Votes ----------------------------------------------------------------------------------------------------------

    def log_likelihood(self, votes: ArrayLike) -> NDArray[np.float64]:
        """Return the log probability of each galaxy's tree of votes under each draw, ln p(k | t), shape (draw, galaxy).

        Parameters
        ----------
        votes : array_like, shape (galaxy, answer)
            Votes, with rows in the order of the posterior's galaxies. Pseudo-counts give a pseudo-likelihood.

        Raises
        ------
        PosteriorError
            When the shape does not match, or votes are negative or not finite.
        """
        k = checked_votes(votes, self.tree, len(self))
        ways = log_ways(k, self.tree).sum(-1)
        return np.stack([ways + log_rising(k, alpha.astype(np.float64), self.tree).sum(-1) for alpha in self.concentrations])

    def given_votes(self, votes: ArrayLike) -> Posterior:
        """Return the posterior conditioned on these votes.

        Both parts change: the draws' weights, in proportion to the probability that each draw gave the votes, and the
        concentrations, which become alpha + k. The result predicts further votes on the same galaxies.

        Parameters
        ----------
        votes : array_like, shape (galaxy, answer)
            Votes, with rows in the order of the posterior's galaxies. A galaxy without votes is unchanged.

        Raises
        ------
        PosteriorError
            As in `log_likelihood`.
        """
        log_p = self.log_likelihood(votes)
        weights = self.weights * np.exp(log_p - log_p.max(0))
        return Posterior(self.concentrations + np.asarray(votes, dtype=np.float32), self.ids, self.tree, weights=weights)

    # Parts and tables -----------------------------------------------------------------------------------------------

    def select(self, ids: Iterable[str]) -> Posterior:
        """Return the posterior of some galaxies, in the order of the given ids.

        Raises
        ------
        PosteriorError
            When an id is not in the posterior.
        """
        where = {galaxy_id: i for i, galaxy_id in enumerate(self.ids)}
        wanted = [str(galaxy_id) for galaxy_id in ids]
        for galaxy_id in wanted:
            if galaxy_id not in where:
                raise PosteriorError(
                    f"galaxy '{galaxy_id}' is not among the {len(self)} predicted ones.{did_you_mean(galaxy_id, where)}"
                )
        return self.take([where[galaxy_id] for galaxy_id in wanted])

    def take(self, rows: ArrayLike | slice) -> Posterior:
        """Return the galaxies of some rows, given as numbers, a slice, or a mask."""
        index = rows if isinstance(rows, slice) else np.asarray(rows)
        if not isinstance(index, slice) and index.size == 0:
            index = index.astype(np.intp)
        return Posterior(self.concentrations[:, index], self.ids[index], self.tree, weights=self.weights[:, index])

    def question(self, name: str) -> Posterior:
        """Return the posterior of one question alone, as if everybody were asked it.

        Parameters
        ----------
        name : str
            The name of the question, with or without the survey's suffix.
        """
        question = self.tree.question(name)
        where = self.tree.slices[self.tree.questions.index(question)]
        alone = DecisionTree(self.tree.name, (Question(question.name, question.answers),), suffix=self.tree.suffix)
        return Posterior(self.concentrations[..., where], self.ids, alone, weights=self.weights)

    def to_table(self, *, probability: float | None = 0.9) -> pd.DataFrame:
        """Return one row per galaxy: id, mean fractions, interval ends, P(asked).

        The columns are ``id``; one mean fraction ``QUESTION_ANSWER`` per answer in tree order; then ``QUESTION_ANSWER_low``
        and ``_high`` (equal-tailed with the given probability; left out for None); then ``asked_QUESTION``.
        """
        import pandas as pd

        columns: dict[str, NDArray[np.generic]] = {"id": self.ids}
        mean = self.mean()
        columns |= {name: mean[:, i] for i, name in enumerate(self.tree.columns)}
        if probability is not None:
            interval = self.interval(probability)
            for i, name in enumerate(self.tree.columns):
                columns |= {f"{name}_low": interval[:, i, 0], f"{name}_high": interval[:, i, 1]}
        asked = self.asked()
        columns |= {f"asked_{question.name}": asked[:, i] for i, question in enumerate(self.tree.questions)}
        return pd.DataFrame(columns)

    def to_pandas(self, *, probability: float | None = 0.9) -> pd.DataFrame:
        """Return one row per galaxy, by `to_table`."""
        return self.to_table(probability=probability)

    # Inside ---------------------------------------------------------------------------------------------------------

    def _beta_parameters(self, alpha: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean fraction and the total concentration of each answer's question, shape (..., answer)."""
        wide = alpha.astype(np.float64)
        total = self.tree.question_sums(wide)[..., self.tree.question_index]
        return wide / total, total

    def _of_mixtures(
        self,
        of_rows: Callable[[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
        column: str | None = None,
    ) -> NDArray[np.float64]:
        """Apply a function of `mixtures` to one answer (galaxy, ...), or to all answers (galaxy, answer, ...)."""
        answers = slice(None)
        if column is not None:
            index = self.tree.columns.index(self.tree.resolve(column))
            answers = slice(index, index + 1)
        starts = range(0, max(len(self), 1), _BLOCK)
        found = np.concatenate([of_rows(*self._rows_of(slice(i, i + _BLOCK), answers)) for i in starts])
        return found if column is not None else found.reshape(len(self), len(self.tree.columns), *found.shape[1:])

    def _rows_of(self, block: slice, answers: slice) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return Beta parameters and weights of some galaxies' answers, each of shape (galaxy x answer, draw)."""
        fraction, total = (x[..., answers] for x in self._beta_parameters(self.concentrations[:, block]))
        weights = np.broadcast_to(self.weights[:, block, None], fraction.shape)
        rows = (fraction * total, (1 - fraction) * total, weights)
        a, b, w = (np.moveaxis(x, 0, -1).reshape(-1, self.draws) for x in rows)
        return a, b, w

    def _mean_over_draws(self, of_fractions: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
        total = np.zeros(())
        for alpha, weight in zip(self.concentrations, self.weights, strict=True):
            total = total + weight[:, None] * of_fractions(self.tree.fractions(alpha.astype(np.float64)))
        return total


def _normalised(weights: ArrayLike | None, names: NDArray[np.object_], draws: int) -> NDArray[np.float64]:
    """Return weights of shape (draw, galaxy) that sum to 1 for each galaxy; equal weights take no memory."""
    shape = (draws, len(names))
    if weights is None:
        return np.broadcast_to(1 / draws, shape)
    given = np.asarray(weights, dtype=np.float64)
    given = given[:, None] if given.ndim == 1 else given
    if given.ndim != 2 or given.shape[0] != draws or given.shape[1] not in (1, len(names)):
        raise PosteriorError(f"weights have the shape {np.shape(weights)}; give ({draws},) or {shape}")
    total = np.broadcast_to(given.sum(0), len(names))
    bad = ~(np.isfinite(total) & (total > 0)) | np.broadcast_to((given < 0).any(0), len(names))
    if bad.any():
        raise PosteriorError(
            f"the weights of galaxy '{names[np.argmax(bad)]}' are negative, not finite, or all 0; give the probability of "
            "each draw"
        )
    if (given == given[:1]).all():
        return np.broadcast_to(1 / draws, shape)  # exactly equal, as if no weights had been given
    scale = np.where(
        np.abs(given.sum(0) - 1) < 1e-12, 1, given.sum(0)
    )  # do not rescale rounding errors, so that files keep their bits
    return np.ascontiguousarray(np.broadcast_to(given / scale, shape))
