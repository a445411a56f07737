"""Fit a linear model of a number to labels; noise, width of the prior and outliers are estimated from the labels.

The model for the label y of a galaxy with components x, in units in which labels have the centre 0 and the spread 1:

    w ~ N(0, 1 / alpha), except for the bias, which is free
    y | w, usual ~ N(w . x, v(x) + s^2),  log v(x) = a + b . u(x)
    y | w, outlier ~ N(w . x, T^2 + s^2),  an outlier with probability pi

s is the label's own error, if the table has one. u(x) is empty if the noise is constant. Otherwise it holds the first
components, divided by the largest spread among them, and the expected label, divided by its own spread; b ~ N(0, 1 / beta).
This is the mixture of Hogg, Bovy & Lang 2010 (arXiv:1008.4686, section 3), with outliers about the line.

Variational expectation maximisation (Bishop 2006, chapter 10): q(w) is normal and q(outlier) is a probability r for each
galaxy. With v1 = v + s^2, v2 = T^2 + s^2 and d = E (y - w . x)^2 = (y - m . x)^2 + x' S x, in turn:

    S^-1 = alpha I + sum rho x x',  m = S sum rho x y,  rho = (1 - r) / v1 + r / v2
    logit r = logit pi + 1/2 (log v1 - log v2) + d / 2 (1 / v1 - 1 / v2)
    pi = sum r / (n + 9), the mode under a Beta(1, 10) prior
    T^2 = sum r (d - s^2) / sum r, and at least 9 times the mean of v
    a, b: a step of Fisher scoring on sum (1 - r) (-log v1 - d / v1) / 2, the log prior of b with it
    alpha = gamma / (m . m),  gamma = K - alpha tr S, the evidence's fixed point (MacKay 1992, Neural Computation 4, 415)
    beta in the same way, with the inverse of the step's matrix for S

For some galaxies only a limit of the label is known. The expectations of `zooactive.models.head.limits.beyond`, under either
variance, then replace y and d. The precisions rho and the vector on the right-hand side are

    rho = (1 - r) k1 / v1 + r k2 / v2,  (1 - r) (k1 m . x + o1) / v1 + r (k2 m . x + o2) / v2

with o the expected label minus the mean and k the number of labels that the limit is worth: a step of Newton's method. Its
fixed point is that of the expectations. Its matrix is the curvature, because a limit holds less information than the label.

With r = 0 and constant noise these fixed points are those of the evidence: v = sum (y - m . x)^2 / (n - gamma).

Noise that depends on the features is fitted after the weights, which then stay fixed: with 200 galaxies it led the weights
astray. In its steps, d and v1 come from a prediction of each galaxy from all others (`left_out`), because otherwise the
noise falls wherever the weights fit one galaxy well. Finally, one factor on v and S, pi and T^2 are also fitted to such
predictions.

Several views of one galaxy count as one galaxy together: the share of each view in the sums is 1 / V, and log r is the mean
over the views.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, special

from zooactive.foundation.errors import ModelError
from zooactive.models.head.bayesian import FeatureAxes
from zooactive.models.head.left_out import LeftOut, Variances, fit_variances, leave_each_out
from zooactive.models.head.limits import Beyond, beyond
from zooactive.models.head.number_head import NumberHead

Noise: TypeAlias = Literal["constant", "features"]
"""Whether all galaxies have the same noise, or the noise depends on the features."""

_ROUNDS = 200
_NEAR = 1e-4
"""The change of the logarithms of noise and prior at which the rounds end."""

_NOISE_AXES = 64
"""The largest number of components that the noise may depend on."""

_FLAT = 1e-8
"""The precision of the bias, which makes the matrix regular."""

_LEAST_NOISE = 1e-8
"""The least variance relative to that of the labels, in case labels are predicted exactly."""

_PRECISIONS = (1e-6, 1e8)
_OUTLIERS_ABOVE = 9.0
"""The least variance of outliers relative to the noise: three standard deviations."""

_USUAL = 9.0
"""The number of galaxies that the prior adds to those that are not outliers."""

_SQUARES = (1e-120, 1e120)
"""The range of label spreads whose squares are still numbers."""

_STEP = 2.0
"""The largest change of a log variance in one step."""


@dataclass(frozen=True, eq=False)
class NumberFit:
    """A head, the precision of its prior by the evidence, and the probability of each galaxy to be an outlier, (galaxy,)."""

    head: NumberHead
    precision: float
    outliers: NDArray[np.float64]


class Judges(NamedTuple):
    """Validation galaxies: their features as `seen`, labels, and errors and limits if there are any."""

    seen: ArrayLike
    values: ArrayLike
    errors: ArrayLike | None = None
    limits: ArrayLike | None = None


def fit_number_head(
    features: ArrayLike,
    values: ArrayLike,
    axes: FeatureAxes,
    *,
    errors: ArrayLike | None = None,
    limits: ArrayLike | None = None,
    noise: Noise = "constant",
    judges: Judges | None = None,
) -> NumberFit:
    """Fit a head to the labels of galaxies with known features.

    Parameters
    ----------
    features : array_like, shape (galaxy, feature) or (view, galaxy, feature)
    values : array_like, shape (galaxy,)
        Labels in any unit.
    axes : FeatureAxes
        The result of `zooactive.models.head.bayesian.find_axes`.
    errors : array_like, shape (galaxy,), optional
        The standard deviation of each label, in its unit. It is added to the noise.
    limits : array_like, shape (galaxy,), optional
        1 if the label lies above the given value, -1 if it lies below, 0 if it is that value.
    noise : {"constant", "features"}
    judges : Judges, optional
        Validation galaxies for the final fit of all variances, needed if the encoder was trained on the other galaxies.
        Their features depend on their labels, so leaving a galaxy out of the head alone is not enough. By default each
        galaxy is left out in turn.

    Returns
    -------
    NumberFit

    Raises
    ------
    ModelError
        If shapes do not fit, a number is not finite, all labels are equal, or fewer than two labels are not limits.

    Examples
    --------
    >>> from zooactive.models.head.bayesian import find_axes
    >>> x = np.random.default_rng(0).normal(size=(400, 3))
    >>> y = 10 + 2 * x[:, 0] + 0.5 * np.random.default_rng(1).normal(size=400)
    >>> fit = fit_number_head(x, y, find_axes([x]))
    >>> bool(abs(fit.head.predict(x).noise[0] ** 0.5 - 0.5) < 0.05)
    True
    """
    views = np.asarray(features)
    views = views[None] if views.ndim == 2 else views
    y, s, side = _checked(views, values, errors, limits)
    centre, scale = centre_and_scale(y[side == 0])
    phi = np.stack([np.column_stack([axes.of(view).astype(np.float64), np.ones(len(y))]) for view in views])
    problem = _Problem(phi, (y - centre) / scale, (s / scale) ** 2, side)
    state = problem.settle(problem.start())
    if noise == "features":
        state = problem.settle(problem.with_noise_of_features(state), weights=False)
    right = problem.variances(state) if judges is None else problem.variances_by(judges, state, axes, centre, scale)
    more, logs = float(np.log(right.factor)), problem.range_of_noise(state)
    log_noise = state.noise_map @ state.noise
    log_noise[-1] += more
    head = NumberHead(
        axes,
        state.weights,
        np.sqrt(right.factor) * linalg.solve_triangular(state.cholesky, np.eye(len(state.weights)), lower=True),
        log_noise,
        (logs[0] + more, logs[1] + more),
        right.share,
        right.wide,
        centre,
        scale,
    )
    return NumberFit(head, state.precision, state.outliers)


def centre_and_scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the median of labels and their spread.

    The spread is the median absolute deviation times 1.4826, or the standard deviation if that is 0. Raise a ModelError if
    all labels are equal, or so large or small that their squares are not numbers.
    """
    centre = float(np.median(values))
    scale = 1.4826 * float(np.median(np.abs(values - centre))) or float(values.std())
    if not scale > 1e-12 * abs(centre):
        raise ModelError(f"all {len(values)} labels are {centre:g}, so there is nothing to tell apart; give others")
    if not _SQUARES[0] < scale < _SQUARES[1] or not abs(centre) < _SQUARES[1]:
        raise ModelError(
            f"the labels spread by {scale:g} about {centre:g}, which cannot be squared; give them in another unit"
        )
    return centre, scale


def _checked(
    views: NDArray[np.floating], values: ArrayLike, errors: ArrayLike | None, limits: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    y = np.asarray(values, dtype=np.float64)
    s = np.zeros(len(y)) if errors is None else np.asarray(errors, dtype=np.float64)
    side = np.zeros(len(y), dtype=np.int8) if limits is None else np.asarray(limits)
    if views.ndim != 3 or y.ndim != 1 or views.shape[1] != len(y) or not s.shape == side.shape == y.shape:
        raise ModelError(f"features of shape {views.shape} for {y.shape} labels; give one row of features for each label")
    if not np.isin(side, (-1, 0, 1)).all():
        raise ModelError(
            "limits must be 1 or -1, for the side of the limit where the label lies, or 0 for a label that is not a limit"
        )
    if (side == 0).sum() < 2 or not (np.isfinite(y).all() and np.isfinite(s).all() and (s >= 0).all()):
        raise ModelError("labels must be two or more finite numbers, and their errors 0 or more; leave out the other rows")
    return y, s, side.astype(np.int8)


@dataclass(frozen=True, eq=False)
class _State:
    """The state after a round; `noise` are the coefficients of the log variance along the axes in `noise_map`."""

    weights: NDArray[np.float64]
    cholesky: NDArray[np.float64]
    precision: float
    outliers: NDArray[np.float64]
    share: float
    wide: float
    noise: NDArray[np.float64]
    noise_map: NDArray[np.float64]
    counts: NDArray[np.float64]
    labels: NDArray[np.float64]
    noise_precision: float = 1.0


@dataclass(frozen=True, eq=False)
class _Problem:
    """Components with a final 1, (view, galaxy, component + 1); labels, squared errors, and limits, (galaxy,)."""

    phi: NDArray[np.float64]
    y: NDArray[np.float64]
    s2: NDArray[np.float64]
    side: NDArray[np.int8]

    def start(self) -> _State:
        """Return a state that predicts the same for every galaxy, with as much noise as the labels spread."""
        size = self.phi.shape[2]
        noise_map = np.zeros((size, 1))
        noise_map[-1] = 1
        wide = max(_OUTLIERS_ABOVE, float((self.y**2).mean()))
        nobody, rows = np.zeros(len(self.y)), np.ones(self.phi.shape[:2])
        labels = np.broadcast_to(self.y, self.phi.shape[:2])
        start = _State(np.zeros(size), np.eye(size), 1.0, nobody, 0.05, wide, np.zeros(1), noise_map, rows, labels)
        return replace(start, outliers=self._outliers(start, self._labels(start), np.zeros(self.phi.shape[:2])))

    def settle(self, state: _State, *, weights: bool = True) -> _State:
        """Repeat rounds until nothing changes; if the weights are already settled, they stay fixed."""
        spread, left_out = self._spread(state), None if weights else self._left_out(state)
        for _ in range(_ROUNDS):
            before = self._settled(state)
            if weights:
                state = self._weights(state)
                spread = self._spread(state)
            state = self._rest(state, spread, left_out)
            if np.abs(self._settled(state) - before).max() < _NEAR:
                break
        return self._weights(state) if weights else state

    def with_noise_of_features(self, state: _State) -> _State:
        """Let the log variance depend on the first components and on the expected label."""
        flat, size = self.phi.reshape(-1, self.phi.shape[2]), self.phi.shape[2]
        axes = np.vstack([np.eye(min(_NOISE_AXES, size - 1), size), np.append(state.weights[:-1], 0.0)])
        along = flat @ axes.T
        axes[:, -1] = -along.mean(0)
        scale = np.append(np.full(len(axes) - 1, max(float(along[:, :-1].std(0).max(initial=0.0)), 1e-9)), 1.0)
        scale[-1] = max(float(along[:, -1].std()), 1e-9)
        noise_map = np.column_stack([state.noise_map[:, 0], (axes / scale[:, None]).T])
        return replace(state, noise=np.append(state.noise[:1], np.zeros(len(axes))), noise_map=noise_map)

    def range_of_noise(self, state: _State) -> tuple[float, float]:
        """Return the smallest and the largest log variance of the training galaxies."""
        logs = self.phi @ (state.noise_map @ state.noise)
        return float(logs.min()), float(logs.max())

    def variances(self, state: _State) -> Variances:
        """Return the factor on all variances and the outliers that agree with leave-one-out predictions."""
        start = Variances(1.0, state.share, state.wide)
        noise = self._variances(state)[0][0]
        return fit_variances(self._left_out(state), noise, self.s2, start, least=_OUTLIERS_ABOVE, side=self.side)

    def variances_by(self, judges: Judges, state: _State, axes: FeatureAxes, centre: float, scale: float) -> Variances:
        """Return the factor on all variances and the outliers that agree with predictions of validation galaxies."""
        y, s, side = _checked(np.asarray(judges.seen)[None], judges.values, judges.errors, judges.limits)
        phi = np.column_stack([axes.of(judges.seen).astype(np.float64), np.ones(len(y))])[None]
        theirs = _Problem(phi, (y - centre) / scale, (s / scale) ** 2, side)
        told = LeftOut((theirs.y - phi @ state.weights)[0], theirs._spread(state)[0])
        low, high = self.range_of_noise(state)
        noise = np.clip(theirs._variances(state)[0][0], np.exp(low), np.exp(high))
        start = Variances(1.0, state.share, state.wide)
        return fit_variances(told, noise, theirs.s2, start, least=_OUTLIERS_ABOVE, side=side)

    # One round -------------------------------------------------------------------------------------------------------

    def _settled(self, state: _State) -> NDArray[np.float64]:
        return np.array([*state.noise, np.log(state.precision), np.log(state.wide), state.share])

    def _variances(self, state: _State) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the noise without and with the labels' own errors, (view, galaxy), and the variance of outliers."""
        v = np.maximum(np.exp(np.minimum(self.phi @ (state.noise_map @ state.noise), 50.0)), _LEAST_NOISE)
        return v, v + self.s2, state.wide + self.s2

    def _labels(self, state: _State) -> tuple[Beyond, Beyond]:
        """Return what is known of labels and limits for usual galaxies and for outliers, (view, galaxy)."""
        _, usual, outlying = self._variances(state)
        residual = self.y - self.phi @ state.weights
        return beyond(residual, usual, self.side), beyond(residual, outlying, self.side)

    def _weights(self, state: _State) -> _State:
        """Return the state with the normal distribution of the weights, and the precision of their prior by the evidence."""
        rho, labels = self._counts(state)
        flat, size = self.phi.reshape(-1, self.phi.shape[2]), self.phi.shape[2]
        matrix = (flat * rho.reshape(-1, 1)).T @ flat
        prior = np.full(size, state.precision)
        prior[-1] = _FLAT
        lower = linalg.cholesky(matrix + np.diag(prior), lower=True)
        weights = linalg.cho_solve((lower, True), ((rho * labels)[:, :, None] * self.phi).sum((0, 1)))
        inverse = linalg.solve_triangular(lower, np.eye(size), lower=True)
        precision = _precision(weights[:-1], state.precision, (inverse**2).sum(0)[:-1])
        return replace(state, weights=weights, cholesky=lower, precision=precision, counts=rho, labels=labels)

    def _counts(self, state: _State) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the precision of each row, and the label that represents what is known of it, (view, galaxy)."""
        (_, usual, outlying), (one, other) = self._variances(state), self._labels(state)
        ones, others = (1 - state.outliers) / usual, state.outliers / outlying
        rho = ones * one.known + others * other.known
        means = self.phi @ state.weights
        limits = means + (ones * one.offset + others * other.offset) / rho
        return rho / len(self.phi), np.where(self.side == 0, self.y, limits)

    def _left_out(self, state: _State) -> LeftOut:
        """Return the leave-one-out prediction of each galaxy, with the precisions that the weights were fitted with."""
        found = leave_each_out(self.phi, state.counts, state.cholesky, state.labels - self.phi @ state.weights)
        return found._replace(residual=found.residual + self.y - state.labels[0])

    def _spread(self, state: _State) -> NDArray[np.float64]:
        """Return the variance of the mean of each view, (view, galaxy)."""
        z = linalg.solve_triangular(state.cholesky, self.phi.reshape(-1, self.phi.shape[2]).T, lower=True)
        return np.asarray((z**2).sum(0).reshape(self.phi.shape[:2]))

    def _outliers(self, state: _State, labels: tuple[Beyond, Beyond], spread: NDArray[np.float64]) -> NDArray[np.float64]:
        _, usual, outlying = self._variances(state)
        one, other = labels
        gain = (other.log - one.log + 0.5 * spread * (1 / usual - 1 / outlying)).mean(0)
        return np.asarray(special.expit(special.logit(state.share) + gain))

    def _rest(self, state: _State, spread: NDArray[np.float64], left_out: LeftOut | None) -> _State:
        """Return the state with new outliers, their share and variance, and the noise."""
        one, other = self._labels(state)
        r = self._outliers(state, (one, other), spread)
        share = max(float(r.sum()) / (len(r) + _USUAL), 1e-9)
        state = self._noise(replace(state, outliers=r, share=share), (one.squared + spread).mean(0), left_out)
        v = self._variances(state)[0]
        mean = float(((1 - r) * v.mean(0)).sum() / max((1 - r).sum(), 1e-9))
        found = float((r * ((other.squared + spread).mean(0) - self.s2)).sum() / max(r.sum(), 1e-9))
        return replace(state, wide=max(found, _OUTLIERS_ABOVE * mean))

    def _noise(self, state: _State, d: NDArray[np.float64], left_out: LeftOut | None) -> _State:
        """Make one step for the log variance's coefficients; the exact mode if it is constant and labels have no errors."""
        counts = 1 - state.outliers
        if len(state.noise) == 1 and not self.s2.any():
            value = float((counts * d).sum() / max(counts.sum(), 1e-9))
            return replace(state, noise=np.log([max(value, _LEAST_NOISE)]))
        v, basis = self._variances(state)[0][0], self.phi[0] @ state.noise_map
        usual = v + self.s2
        if left_out is not None:
            usual = usual + left_out.weight
            d = beyond(left_out.residual, usual, self.side).squared
        slope, curvature = counts * 0.5 * (d - usual) / usual**2 * v, counts * 0.5 * (v / usual) ** 2
        prior = np.full(len(state.noise), state.noise_precision)
        prior[0] = _FLAT
        lower = linalg.cholesky((basis * curvature[:, None]).T @ basis + np.diag(prior), lower=True)
        inverse = linalg.cho_solve((lower, True), np.eye(len(prior)))
        step = inverse @ (basis.T @ slope - prior * state.noise)
        largest = float(np.abs(basis @ step).max())
        noise = state.noise + step * min(1.0, _STEP / max(largest, 1e-12))
        noise[0] = max(noise[0], np.log(_LEAST_NOISE))
        precision = _precision(noise[1:], state.noise_precision, np.diag(inverse)[1:])
        return replace(state, noise=noise, noise_precision=precision)


def _precision(weights: NDArray[np.float64], before: float, variances: NDArray[np.float64]) -> float:
    """Return a prior's precision by the evidence's fixed point: the number of well-determined weights over their squares."""
    known = max(len(weights) - before * float(variances.sum()), 1e-12)
    return float(np.clip(known / max(float(weights @ weights), 1e-300), *_PRECISIONS))
