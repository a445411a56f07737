"""Leave-one-out predictions of a linear model, and variances that agree with them.

The evidence chooses noise and prior as if the model were true. With few galaxies per component it is not, and the variances
come out wrong. Predictions of each galaxy from all others show by how much.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, special

from zooactive.models.head.limits import beyond

_MOST = 5.0
"""The largest change of a log variance."""


class LeftOut(NamedTuple):
    """The residual and the variance of the mean of each galaxy's first view, by the weights of all others; (galaxy,)."""

    residual: NDArray[np.float64]
    weight: NDArray[np.float64]


def leave_each_out(
    phi: NDArray[np.float64], rho: NDArray[np.float64], cholesky: NDArray[np.float64], residual: NDArray[np.float64]
) -> LeftOut:
    """Return the prediction of each galaxy by weights that are fitted to all other galaxies.

    Parameters
    ----------
    phi : ndarray of float64, shape (view, galaxy, component)
    rho : ndarray of float64, shape (view, galaxy)
        The weight of each row: the matrix was ``A = sum rho x x' + prior``.
    cholesky : ndarray of float64, shape (component, component)
        The lower Cholesky factor of A.
    residual : ndarray of float64, shape (view, galaxy)
        The residuals with the weights fitted to all galaxies.

    Notes
    -----
    Let X be the views of a galaxy, R = diag(rho) and H = X A^-1 X'. Then the residuals without it are (1 - H R)^-1 r, and
    the covariance of its means is (1 - H R)^-1 H (Woodbury). For one view these are r / (1 - rho h) and h / (1 - rho h).
    """
    views, galaxies, size = phi.shape
    z = linalg.solve_triangular(cholesky, phi.reshape(-1, size).T, lower=True).T.reshape(views, galaxies, size)
    h = np.einsum("vgk,wgk->gvw", z, z)
    matrix = np.eye(views) - h * rho.T[:, None, :]
    right = np.concatenate([residual.T[:, :, None], h[:, :, :1]], axis=2)
    solved = np.linalg.solve(matrix, right)[:, 0]
    return LeftOut(solved[:, 0], np.maximum(solved[:, 1], 0.0))


class Variances(NamedTuple):
    """The factor on the noise and on the weights' covariance, and the share and variance of outliers."""

    factor: float
    share: float
    wide: float


def fit_variances(
    left_out: LeftOut,
    noise: NDArray[np.float64],
    squared_errors: NDArray[np.float64],
    start: Variances,
    *,
    least: float,
    side: NDArray[np.int8] | None = None,
) -> Variances:
    """Return the variances that maximise the likelihood of the labels in leave-one-out predictions.

    The noise (galaxy,) and the variances of the means are multiplied by one factor. Its logarithm has the prior N(0, 1); the
    share of outliers has a Beta(1, 10) prior. The variance of outliers is at least `least` times the mean noise. `side` says
    for which galaxies only a limit is known, as in `zooactive.models.head.limits.beyond`; the residual is then that of the
    limit.
    """
    side = np.zeros(len(noise), dtype=np.int8) if side is None else side

    def variances(at: NDArray[np.float64]) -> Variances:
        factor = float(np.exp(at[0]))
        return Variances(factor, float(special.expit(at[1])), factor * float(noise.mean()) * least * float(np.exp(at[2])))

    def loss(at: NDArray[np.float64]) -> float:
        factor, share, wide = variances(at)
        usual = factor * (left_out.weight + noise) + squared_errors
        outlying = factor * left_out.weight + wide + squared_errors
        each = np.logaddexp(
            np.log1p(-share) + beyond(left_out.residual, usual, side).log,
            np.log(share) + beyond(left_out.residual, outlying, side).log,
        )
        return float(0.5 * at[0] ** 2 - 9 * np.log1p(-share) - each.sum())

    ratio = max(float(np.log(start.wide / (least * noise.mean()))), 0.0)
    first = np.array([0.0, special.logit(np.clip(start.share, 1e-3, 0.5)), min(ratio, 2 * _MOST)])
    bounds = [(-_MOST, _MOST), (-14.0, 0.0), (0.0, 2 * _MOST)]
    found = optimize.minimize(loss, first, method="L-BFGS-B", bounds=bounds)
    return variances(np.asarray(found.x))
