"""Fit a head in seconds to few galaxies: maximum a posteriori weights under a Gaussian prior, and draws around them.

The prior is on the weights of the features' principal components, so that correlated features are not counted twice. The
validation galaxies choose the width of the prior.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from zooactive.foundation.errors import ModelError
from zooactive.foundation.telling import Progress
from zooactive.models.head.activation import activate, bias_for, check_concentrations, slope_of_outputs
from zooactive.models.head.laplace import LaplaceHead, curvature_of
from zooactive.posterior.loss import constant_concentrations
from zooactive.tree import DecisionTree
from zooactive.tree.likelihood import GivenVotes, checked_votes, log_likelihood_slope, log_rising

PRECISIONS = (3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0)
"""The prior precisions of a weight that are tried, the narrowest prior first."""

JUDGED_DRAWS = 32
"""The number of draws around the weights by which validation galaxies judge a prior."""

_STEPS, _AT_ONCE = 200, 1024
"""The largest number of steps of a fit, and the number of validation galaxies judged at a time."""

_TURNS, _ENOUGH = 5, 500
"""The parts in which galaxies take turns to judge, and the number of them after which the others need not."""


class _Rows(NamedTuple):
    """Components, votes and weights, one row per galaxy."""

    x: NDArray[np.float32]
    votes: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FeatureAxes:
    """Principal axes of features that are scaled to a spread of 1: (x - centre) @ axes.

    Parameters
    ----------
    centre : ndarray of float32, shape (feature,)
    axes : ndarray of float32, shape (feature, component)
    """

    centre: NDArray[np.float32]
    axes: NDArray[np.float32]

    def of(self, features: ArrayLike) -> NDArray[np.float32]:
        """Return the components of features, (galaxy, feature) -> (galaxy, component)."""
        return np.asarray((np.asarray(features, dtype=np.float32) - self.centre) @ self.axes)

    def back(self) -> NDArray[np.float64]:
        """Return the matrix that turns weights of components, with the bias last, into those of features: (F + 1, K + 1)."""
        out = np.zeros((len(self.centre) + 1, self.axes.shape[1] + 1))
        out[:-1, :-1] = self.axes
        out[-1, :-1] = -self.centre.astype(np.float64) @ self.axes
        out[-1, -1] = 1
        return out


def find_axes(chunks: Iterable[ArrayLike], *, components: int = 128, floor: float = 0.0) -> FeatureAxes:
    """Find the principal axes of a catalogue's features, chunk by chunk, without votes.

    Parameters
    ----------
    chunks : iterable of array_like, shape (galaxy, feature)
    components : int
        The largest number of components. A feature that is the same for all galaxies is ignored.
    floor : float
        A share of the median spread that is added in quadrature to the spread of each feature. It keeps features that hardly
        vary from being scaled up to the spread of the others.

    Raises
    ------
    ModelError
        If there are no galaxies.
    """
    number, total, products = 0, None, None
    for chunk in chunks:
        x = np.asarray(chunk, dtype=np.float64)
        number += len(x)
        total = x.sum(0) if total is None else total + x.sum(0)
        products = x.T @ x if products is None else products + x.T @ x
    if number == 0 or total is None or products is None:
        raise ModelError("there are no features to find axes of; give those of at least one galaxy")
    centre = total / number
    covariance = products / number - np.outer(centre, centre)
    spread = np.sqrt(np.maximum(np.diag(covariance), 0))
    least = floor * float(np.median(spread))
    scale = np.where(spread > 1e-3 * max(float(spread.max()), 1e-12), 1 / np.maximum(np.hypot(spread, least), 1e-12), 0)
    values, vectors = np.linalg.eigh(covariance * np.outer(scale, scale))
    kept = np.argsort(-values)[: min(components, len(centre))]
    return FeatureAxes(centre.astype(np.float32), (scale[:, None] * vectors[:, kept]).astype(np.float32))


class BayesianFit(NamedTuple):
    """A head, the prior precision that was chosen for it, and the mean validation loss at each precision that was judged."""

    head: LaplaceHead
    precision: float
    losses: dict[float, float]


def fit_bayesian_head(
    train: tuple[ArrayLike, ArrayLike] | None,
    validation: tuple[ArrayLike, ArrayLike],
    tree: DecisionTree,
    axes: FeatureAxes,
    *,
    concentrations: str = "softplus",
    precisions: Sequence[float] = PRECISIONS,
    in_turn: bool = False,
) -> BayesianFit:
    """Fit a head to the votes of galaxies with known features, and a Laplace approximation around it.

    Parameters
    ----------
    train, validation : tuple of features (galaxy, feature) and votes (galaxy, answer)
        Training galaxies may be None where all galaxies validate in turn. The validation galaxies choose the prior's
        precision, by the likelihood of their votes under draws around the weights. Then the head is fitted to all galaxies.
    tree : DecisionTree
    axes : FeatureAxes
        The result of `find_axes`.
    concentrations : {"sigmoid", "softplus", "fraction"}
        See `zooactive.models.head.activation.CONCENTRATIONS`.
    precisions : sequence of float
        The precisions to try, the narrowest prior first. A single one is taken without a judgement.
    in_turn : bool
        Whether the validation galaxies take turns: a fifth of them judges heads that were fitted to the others and to the
        training galaxies, then another fifth, until 500 galaxies have judged. With few labels a single fifth often chooses a
        poor prior.

    Returns
    -------
    BayesianFit

    Raises
    ------
    ModelError, PosteriorError
        If shapes do not fit, votes are negative or not finite, or there are too few galaxies to learn from and to judge.

    Notes
    -----
    The weights are the maximum of log likelihood - precision / 2 * sum of squared weights (the bias is free), found by
    L-BFGS. The draws around them have the same prior (`LaplaceHead`), so that they contract as votes come in. What is used
    later are the draws, and so they are judged, not the weights alone: weights alone are more certain than what the labels
    decide, and a prior that suits them is too narrow for the draws (docs/measured.md, "Who chooses the prior").
    """
    check_concentrations(concentrations)
    if not precisions or min(precisions) <= 0:
        raise ModelError(f"prior precisions {list(precisions)} were given; give at least one number above 0")
    others = train or (np.asarray(validation[0])[:0], np.asarray(validation[1])[:0])
    learning, judging = _rows(others, validation, None, tree, axes, in_turn=in_turn)
    problem, whole = _Problem(tree, concentrations), _joined(learning, judging)
    best, start, losses = precisions[0], problem.constant(whole.votes, whole.x.shape[1]), dict[float, float]()
    if len(precisions) > 1:
        if len(whole.x) < 2:
            raise ModelError("1 galaxy cannot both be learnt from and judge what was learnt; give the votes of two or more")
        fits, judged = [], 0
        for turn in _turns(learning, judging) if in_turn else [(learning, judging)]:
            fits.append((len(turn[1].x), *problem.judged(*turn, precisions, draws=JUDGED_DRAWS)))
            judged += fits[-1][0]
            if judged >= _ENOUGH:
                break
        losses = {each: sum(number * told[each] for number, _, told in fits) / judged for each in precisions}
        best = min(losses, key=losses.__getitem__)
        start = fits[0][1][best]
    found = problem.fit(whole, best, start)
    return BayesianFit(problem.laplace(whole.x, whole.votes, found, best, axes), best, losses)


def _turns(learning: _Rows, judging: _Rows) -> Iterator[tuple[_Rows, _Rows]]:
    """Yield what is learnt from and what judges, in each turn."""
    number = len(judging.x)
    turn = np.random.default_rng(0).permutation(number) % min(_TURNS, number)
    for now in range(min(_TURNS, number)):
        others, judges = (_Rows(*(values[rows] for values in judging)) for rows in (turn != now, turn == now))
        yield _joined(learning, others), judges


def _joined(one: _Rows, other: _Rows) -> _Rows:
    """Return the rows of both."""
    return _Rows(*(np.concatenate([mine, theirs]) for mine, theirs in zip(one, other, strict=True)))


class ProbableWeights(NamedTuple):
    """A head's maximum a posteriori weights, the precision of its prior, and the losses by which it was chosen.

    The kernel is (feature, answer) and the bias (answer,), float64. ``loss`` is the mean negative log-likelihood of the
    training galaxies, without the multinomial coefficient (the number of ways to give the votes). ``losses`` is that of the
    validation galaxies, at each precision that was tried.
    """

    kernel: NDArray[np.float64]
    bias: NDArray[np.float64]
    precision: float
    loss: float
    losses: dict[float, float]


def most_probable_weights(
    train: tuple[ArrayLike, ArrayLike],
    validation: tuple[ArrayLike, ArrayLike],
    tree: DecisionTree,
    axes: FeatureAxes,
    *,
    weights: tuple[ArrayLike, ArrayLike] | None = None,
    concentrations: str = "softplus",
    precisions: Sequence[float] = PRECISIONS,
    progress: Progress | None = None,
) -> ProbableWeights:
    """Fit as `fit_bayesian_head` does, but never to the validation galaxies, which can then serve for other measurements.

    Two arrays of weights, (galaxy,) each, say how much the log-likelihood of each training and each validation galaxy
    counts. The weights alone are judged. `progress` is called with the number of priors done. Raise the same errors as
    `fit_bayesian_head`.
    """
    check_concentrations(concentrations)
    parts, problem = _rows(train, validation, weights, tree, axes), _Problem(tree, concentrations)
    found, losses = problem.judged(*parts, precisions, progress)
    best = min(losses, key=losses.__getitem__)
    whole = axes.back() @ found[best]
    return ProbableWeights(whole[:-1], whole[-1], best, problem.loss(parts[0], found[best]), losses)


def _rows(
    train: tuple[ArrayLike, ArrayLike],
    validation: tuple[ArrayLike, ArrayLike],
    weights: tuple[ArrayLike, ArrayLike] | None,
    tree: DecisionTree,
    axes: FeatureAxes,
    *,
    in_turn: bool = False,
) -> tuple[_Rows, _Rows]:
    """Return the training rows and the validation rows, checked; those that take turns need no training rows."""
    rows: list[_Rows] = []
    for i, (features, votes) in enumerate((train, validation)):
        x, counted = axes.of(features), checked_votes(votes, tree)
        if len(x) != len(counted) or not (len(counted) or (in_turn and i == 0)):
            purpose = ("training", "validation")[i]
            raise ModelError(f"{len(x)} features and {len(counted)} votes of {purpose} galaxies; give one row for each")
        rows.append(_Rows(x, counted, np.ones(len(x)) if weights is None else np.asarray(weights[i], dtype=np.float64)))
    return rows[0], rows[1]


def _same(components: int) -> FeatureAxes:
    """Return axes that leave components as they are."""
    return FeatureAxes(np.zeros(components, dtype=np.float32), np.eye(components, dtype=np.float32))


@dataclass(frozen=True)
class _Problem:
    """The fit of weights (component + 1, answer), the bias last, to votes."""

    tree: DecisionTree
    concentrations: str

    def constant(self, votes: NDArray[np.float64], components: int) -> NDArray[np.float64]:
        """Return weights that predict the same for every galaxy."""
        bias = bias_for(constant_concentrations(votes, self.tree), self.concentrations, self.tree)
        return np.vstack([np.zeros((components, len(bias))), bias])

    def judged(
        self,
        train: _Rows,
        validation: _Rows,
        precisions: Sequence[float],
        progress: Progress | None = None,
        *,
        draws: int = 0,
    ) -> tuple[dict[float, NDArray[np.float64]], dict[float, float]]:
        """Return the fitted weights under each prior, each found from the one before, and the mean validation losses.

        The losses are those of the weights alone, or those of so many draws around them.
        """
        start = self.constant(train[1], train[0].shape[1])
        losses: dict[float, float] = {}
        weights: dict[float, NDArray[np.float64]] = {}
        for precision in precisions:
            start = weights[precision] = self.fit(train, precision, start)
            if draws:
                head = self.laplace(*train[:2], start, precision, _same(train[0].shape[1]))
                losses[precision] = self.loss_of_draws(validation, head, draws)
            else:
                losses[precision] = self.loss(validation, start)
            if progress is not None:
                progress(len(losses))
        return weights, losses

    def loss(self, rows: _Rows, weights: NDArray[np.float64]) -> float:
        """Return the mean negative log likelihood, without the multinomial coefficient."""
        x, votes, counts = rows
        each = log_rising(votes, self._alpha(self._outputs(x, weights)), self.tree).sum(-1)
        return float(-(counts * each).sum() / counts.sum())

    def loss_of_draws(self, rows: _Rows, head: LaplaceHead, draws: int) -> float:
        """Return the same for the mean of the likelihood over draws of a head for components."""
        x, votes, counts = rows
        kernels, biases = head.draw_weights(0, draws, seed=0)
        told = 0.0
        for start in range(0, len(x), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            alpha = self._alpha(np.matmul(x[some], kernels) + biases[:, None])
            each = special.logsumexp(log_rising(votes[some], alpha, self.tree).sum(-1), axis=0) - np.log(draws)
            told += float(counts[some] @ each)
        return -told / float(counts.sum())

    def fit(self, rows: _Rows, precision: float, start: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the maximum a posteriori weights."""
        x, votes, counts = rows
        given = GivenVotes(votes, self.tree)

        def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            weights = flat.reshape(start.shape)
            z = self._outputs(x, weights)
            rising, by_alpha = given.log_rising_and_slope(self._alpha(z))
            penalty = 0.5 * precision * float((weights[:-1] ** 2).sum())
            value = (penalty - float(counts @ rising.sum(-1))) / len(x)
            slope = self._carried(z, by_alpha) * counts[:, None].astype(np.float32)
            gradient = np.vstack([precision * weights[:-1] - x.T @ slope, -slope.sum(0, dtype=np.float64)])
            return value, gradient.ravel() / len(x)

        found = optimize.minimize(
            loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS, "ftol": 1e-8, "gtol": 1e-6}
        )
        return np.asarray(found.x).reshape(start.shape)

    def laplace(
        self,
        x: NDArray[np.float32],
        votes: NDArray[np.float64],
        weights: NDArray[np.float64],
        precision: float,
        axes: FeatureAxes,
    ) -> LaplaceHead:
        """Return the head with its draws, for unscaled features."""
        phi = np.column_stack([x, np.ones(len(x))])
        z = self._outputs(x, weights)
        slope = self._slope(z, votes, self._alpha(z)).astype(np.float64)
        curvature, feature_axes, answer_axes = curvature_of(phi, slope)
        back = axes.back()
        whole = back @ weights
        return LaplaceHead(
            whole[:-1].astype(np.float32),
            whole[-1].astype(np.float32),
            (back @ feature_axes).astype(np.float32),
            answer_axes.astype(np.float32),
            (curvature + precision).astype(np.float32),
            self.concentrations,
            self.tree,
        )

    def _outputs(self, x: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.asarray(x @ weights[:-1].astype(np.float32) + weights[-1].astype(np.float32))

    def _alpha(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        return activate(z, self.concentrations, self.tree).astype(np.float64)

    def _slope(self, z: NDArray[np.float32], votes: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the slope of each galaxy's log likelihood with respect to the outputs."""
        return self._carried(z, log_likelihood_slope(votes, alpha, self.tree))

    def _carried(self, z: NDArray[np.float32], by_alpha: NDArray[np.float64]) -> NDArray[np.float32]:
        return slope_of_outputs(z, by_alpha, self.concentrations, self.tree).astype(np.float32)
