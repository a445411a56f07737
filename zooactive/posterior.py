"""What the network believes that volunteers would say: T draws of Dirichlet concentrations for every galaxy.

Nothing downstream of a `Posterior` knows which network made it. The density of a vote fraction is the mixture over draws of
Beta(alpha_a, alpha0_q - alpha_a); means, intervals and probabilities come from that mixture, never from averages of each
draw's quantiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from zooactive.errors import PosteriorError, did_you_mean
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 1 << 18
"""Elements (galaxy x answer x draw) that one call of an incomplete beta function works on: fits a core's cache."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Paired posterior draws of the concentrations of every answer.

    Parameters
    ----------
    concentrations : array_like, shape (draw, galaxy, answer)
        Dirichlet concentrations, all finite and positive; kept as float32. One draw is one sample of the network, the same
        sample for every galaxy.
    ids : sequence of str, length galaxy
        Each id once.
    tree : DecisionTree
        Whose columns the answers are.

    Raises
    ------
    PosteriorError
        When shapes disagree, an id occurs twice, or a concentration is not finite and positive.

    Notes
    -----
    Definitions: science of the vote fractions in Walmsley et al. 2020 (MNRAS 491, 1554) and 2022 (MNRAS 509, 3966).

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> posterior = Posterior([[[9.0, 1.0]], [[1.0, 9.0]]], ["g1"], tree)
    >>> posterior.mean().round(2).tolist()
    [[0.5, 0.5]]
    """

    concentrations: NDArray[np.float32]
    ids: NDArray[np.object_]
    tree: DecisionTree

    def __init__(self, concentrations: ArrayLike, ids: Iterable[str], tree: DecisionTree) -> None:
        alpha = np.ascontiguousarray(concentrations, dtype=np.float32)
        names = np.array([str(galaxy_id) for galaxy_id in ids], dtype=object)
        if alpha.ndim != 3 or alpha.shape[1:] != (len(names), len(tree.columns)):
            raise PosteriorError(
                f"concentrations have the shape {alpha.shape}; {len(names)} ids and tree '{tree.name}' need "
                f"(draw, {len(names)}, {len(tree.columns)})"
            )
        if alpha.shape[0] == 0:
            raise PosteriorError("concentrations hold no draw; give at least one")
        if len(set(names)) < len(names):
            seen: set[str] = set()
            twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise PosteriorError(f"the id '{twice}' occurs twice; give each galaxy once")
        bad = ~(np.isfinite(alpha) & (alpha > 0))
        if bad.any():
            draw, galaxy, answer = np.argwhere(bad)[0]
            raise PosteriorError(
                f"the concentration of '{tree.columns[answer]}' for galaxy '{names[galaxy]}' in draw {draw} is "
                f"{alpha[draw, galaxy, answer]}; concentrations are finite and positive"
            )
        object.__setattr__(self, "concentrations", alpha)
        object.__setattr__(self, "ids", names)
        object.__setattr__(self, "tree", tree)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def draws(self) -> int:
        """Number of draws T."""
        return int(self.concentrations.shape[0])

    # Fractions ------------------------------------------------------------------------------------------------------

    def mean(self) -> NDArray[np.float64]:
        """Expected vote fractions E_t[mu], shape (galaxy, answer); each question's answers sum to 1."""
        total = np.zeros(self.concentrations.shape[1:])
        for alpha in self.concentrations:
            total += self.tree.fractions(alpha.astype(np.float64))
        return total / self.draws

    def variance(self) -> NDArray[np.float64]:
        """Variance of the vote fraction's density, shape (galaxy, answer): of the mixture, within plus between draws."""
        first = np.zeros(self.concentrations.shape[1:])
        second = np.zeros_like(first)
        for alpha in self.concentrations:
            fraction, total = self._beta_parameters(alpha)
            first += fraction
            second += fraction * (fraction * total + 1) / (total + 1)
        return np.maximum(second / self.draws - (first / self.draws) ** 2, 0)

    def interval(self, probability: float = 0.9) -> NDArray[np.float64]:
        """Equal-tailed credible interval of each vote fraction, shape (galaxy, answer, 2).

        Quantiles of the mixture over draws of Beta(alpha_a, alpha0_q - alpha_a), to an absolute 1e-6.

        Parameters
        ----------
        probability : float
            Between 0 and 1.

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
        """Quantiles of each vote fraction's mixture density, shape (galaxy, answer, level)."""
        fraction, total = self._beta_parameters(np.moveaxis(self.concentrations, 0, -1), axis=-2)
        a = (fraction * total).reshape(-1, self.draws)
        b = ((1 - fraction) * total).reshape(-1, self.draws)
        step = max(1, _CHUNK // self.draws)
        pieces = [(a[i : i + step], b[i : i + step], level) for level in levels for i in range(0, len(a), step)]
        with ThreadPoolExecutor() as pool:  # the beta functions release the interpreter lock
            found = list(pool.map(lambda piece: _mixture_quantile(*piece), pieces))
        by_level = np.concatenate(found).reshape(len(levels), len(self), len(self.tree.columns))
        return np.moveaxis(by_level, 0, -1)

    def density(self, column: str, x: ArrayLike) -> NDArray[np.float64]:
        """Density of one answer's vote fraction at `x`, shape (galaxy, x).

        Parameters
        ----------
        column : str
            An answer; the survey's suffix may be left away.
        x : array_like, shape (x,)
            Fractions strictly between 0 and 1.
        """
        index = self.tree.columns.index(self.tree.resolve(column))
        fraction, total = self._beta_parameters(self.concentrations)
        a = (fraction * total)[:, :, index, None]
        b = ((1 - fraction) * total)[:, :, index, None]
        points = np.asarray(x, dtype=float)
        log_density = special.xlogy(a - 1, points) + special.xlog1py(b - 1, -points) - special.betaln(a, b)
        return np.asarray(np.exp(log_density).mean(0))

    # Along the tree -------------------------------------------------------------------------------------------------

    def asked(self) -> NDArray[np.float64]:
        """Probability that a volunteer reaches each question, shape (galaxy, question).

        The mean over draws of the product along the path, not the product of means.
        """
        return self._mean_over_draws(self.tree.asked)

    def joint_mean(self) -> NDArray[np.float64]:
        """Expected share of all volunteers who give each answer, E_t[P_t(asked) mu_t], shape (galaxy, answer)."""
        return self._mean_over_draws(lambda mu: self.tree.asked(mu)[..., self.tree.question_index] * mu)

    # Rows and tables ------------------------------------------------------------------------------------------------

    def select(self, ids: Iterable[str]) -> Posterior:
        """Return the posterior of some galaxies, in the order asked for.

        Raises
        ------
        PosteriorError
            When an id is not here.
        """
        where = {galaxy_id: i for i, galaxy_id in enumerate(self.ids)}
        wanted = [str(galaxy_id) for galaxy_id in ids]
        for galaxy_id in wanted:
            if galaxy_id not in where:
                raise PosteriorError(
                    f"galaxy '{galaxy_id}' is not among the {len(self)} predicted ones.{did_you_mean(galaxy_id, where)}"
                )
        rows = [where[galaxy_id] for galaxy_id in wanted]
        return Posterior(self.concentrations[:, rows], wanted, self.tree)

    def to_table(self, *, probability: float = 0.9) -> pd.DataFrame:
        """Return one row a galaxy: id, mean fractions, interval ends, P(asked).

        Columns: ``id``; one ``QUESTION_ANSWER`` mean fraction per answer in tree order; then ``QUESTION_ANSWER_low`` and
        ``_high`` (equal-tailed, of the given probability); then ``asked_QUESTION``.
        """
        import pandas as pd

        interval = self.interval(probability)
        columns: dict[str, NDArray[np.generic]] = {"id": self.ids}
        mean = self.mean()
        columns |= {name: mean[:, i] for i, name in enumerate(self.tree.columns)}
        for i, name in enumerate(self.tree.columns):
            columns |= {f"{name}_low": interval[:, i, 0], f"{name}_high": interval[:, i, 1]}
        asked = self.asked()
        columns |= {f"asked_{question.name}": asked[:, i] for i, question in enumerate(self.tree.questions)}
        return pd.DataFrame(columns)

    # Inside ---------------------------------------------------------------------------------------------------------

    def _beta_parameters(
        self, alpha: NDArray[np.float32], axis: int = -1
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean fraction and total concentration of each answer's question, with the answers along `axis`."""
        wide = np.moveaxis(alpha.astype(np.float64), axis, -1)
        total = self.tree.question_sums(wide)[..., self.tree.question_index]
        return np.moveaxis(wide / total, -1, axis), np.moveaxis(total, -1, axis)

    def _mean_over_draws(self, of_fractions: object) -> NDArray[np.float64]:
        assert callable(of_fractions)
        total = sum(of_fractions(self.tree.fractions(alpha.astype(np.float64))) for alpha in self.concentrations)
        return np.asarray(total / self.draws)


def _mixture_quantile(a: NDArray[np.float64], b: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Solve mean_t I_x(a_t, b_t) = level for x by Newton's method inside a shrinking bracket; (row, draw) -> (row,).

    It starts from the Beta distribution with the mixture's mean and variance, which is the answer itself where draws agree.
    """
    total = a + b
    mean_t = a / total
    mean = mean_t.mean(1)
    variance = np.maximum((mean_t * (a + 1) / (total + 1)).mean(1) - mean**2, 1e-300)
    spread = np.maximum(mean * (1 - mean) / variance - 1, 1e-3)
    x = special.betaincinv(np.maximum(mean * spread, 1e-6), np.maximum((1 - mean) * spread, 1e-6), level)
    low, high = np.zeros_like(x), np.ones_like(x)
    x = np.clip(np.where(np.isfinite(x), x, mean), 1e-300, 1 - 1e-16)
    log_norm = special.betaln(a, b)
    left = np.arange(len(x))
    for _ in range(200):
        points = x[left, None]
        excess = special.betainc(a[left], b[left], points).mean(1) - level
        high[left] = np.where(excess >= 0, x[left], high[left])
        low[left] = np.where(excess <= 0, x[left], low[left])
        log_density = (a[left] - 1) * np.log(points) + (b[left] - 1) * np.log1p(-points) - log_norm[left]
        slope = np.exp(np.minimum(log_density, 700.0)).mean(1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = excess / slope
            moved = x[left] - step
        # Where the density diverges (alpha < 1, x near 0 or 1) a Newton step is tiny far from the answer: halve there.
        small = np.abs(step) < 1e-7
        near = np.abs(excess) < 1e-6
        newton = (moved > low[left]) & (moved < high[left]) & (near | ~small)
        moved = np.where(newton, moved, (low[left] + high[left]) / 2)
        done = (newton & small) | (high[left] - low[left] < 1e-7)
        x[left] = moved
        left = left[~done]
        if len(left) == 0:
            break
    return np.asarray(x)
