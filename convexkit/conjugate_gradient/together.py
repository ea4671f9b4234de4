"""Conjugate gradient for several right-hand sides: each has its own steps, products with A are shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ProblemError
from ..validation import as_count, as_real_array, in_range
from .products import LONG, block_product, norm
from .results import CGRecord, CGResult, CGStatus

# The status of several columns is the first of these that one of them has.
WORST_FIRST = (CGStatus.NUMERICAL_ERROR, CGStatus.NONPOSITIVE_CURVATURE, CGStatus.ITERATION_LIMIT, CGStatus.CONVERGED)


class _Columns:
    """The columns that are still running, as rows of arrays, so that each lies together in memory."""

    def __init__(self, index: np.ndarray, x: np.ndarray, r: np.ndarray, tolerance: np.ndarray):
        count = len(index)
        self.index, self.x, self.r, self.tolerance = index, x, r, tolerance
        self.r_norm = np.array([norm(row) for row in r])
        self.best_true = self.r_norm.copy()
        self.is_true = np.ones(count, dtype=bool)
        self.fresh = np.ones(count, dtype=bool)  # without a direction to be conjugate to
        self.d = np.zeros_like(r)
        self.rz = np.ones(count)
        self.shortest = np.full(count, np.inf)  # 1/step is at most the largest eigenvalue

    def keep(self, which: np.ndarray) -> None:
        """Drop all columns but these."""
        for name, value in vars(self).items():
            setattr(self, name, value[which])


def _dots(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", u, v).astype(np.float64)


def many_columns(A: Any, b: np.ndarray, x0: Any, *, rtol: float, atol: float, maxiter: int | None, M: Any,
                 callback: Callable[[CGRecord], Any] | None) -> CGResult:
    """`conjugate_gradient` for a matrix b of right-hand sides."""
    n, k = b.shape
    if k == 0:
        raise ProblemError(f"b has shape {b.shape}: no column to solve for.")
    product = block_product("A", A, n, b.dtype)
    precondition = None if M is None else block_product("M", M, n, b.dtype)
    rtol = in_range("rtol", rtol, 0.0, 1.0, low_open=False)
    atol = in_range("atol", atol, 0.0, np.inf, low_open=False)
    limit = 10 * n if maxiter is None else as_count("maxiter", maxiter)
    sides = np.ascontiguousarray(b.T)
    b_norm = np.array([norm(row) for row in sides])
    if x0 is None:
        x, r, products = np.zeros_like(sides), sides.copy(), 0
    else:
        x = as_real_array("x0", x0)
        if x.shape != b.shape:
            raise ProblemError(f"x0 has shape {x.shape}; expected {b.shape}.")
        x = x.T.astype(b.dtype, order="C", copy=True)
        x[b_norm == 0] = 0.0
        r, products = sides - product(x), k
    run = _Columns(np.arange(k), x, r, np.maximum(rtol * b_norm, atol))
    found: list[CGResult | None] = [None] * k
    each = np.zeros(k, dtype=int)  # products of each column
    nit = 0
    eps = float(np.finfo(b.dtype).eps)

    def end(which: np.ndarray, status: CGStatus, trouble: str = "", directions: Any = None,
            curvatures: Any = None) -> None:
        """Write down the columns marked in `which` and go on without them."""
        nonlocal products
        unsure = which & ~run.is_true
        if unsure.any():
            _renew(unsure)
        for row in np.flatnonzero(which):
            j = int(run.index[row])
            relative = run.r_norm[row] / b_norm[j] if b_norm[j] > 0 else 0.0
            singular = bool(curvatures is not None and np.isfinite(run.shortest[row])
                            and abs(curvatures[row]) <= eps / run.shortest[row])
            words = f"relative residual {relative:.1e} after {nit} iterations"
            if status is CGStatus.ITERATION_LIMIT:
                words += f", the limit; asked for {run.tolerance[row] / b_norm[j]:.1e}."
            elif status is CGStatus.NONPOSITIVE_CURVATURE and singular:
                words = (f"A is singular and b is not in its range, as far as can be told: a direction of curvature "
                         f"{curvatures[row]:.1e}, rounding of zero, was met in iteration {nit + 1}.")
            elif status is CGStatus.NONPOSITIVE_CURVATURE:
                words = (f"A is not positive definite: a direction of curvature {curvatures[row]:.1e} was met in "
                         f"iteration {nit + 1}.")
            else:
                words += f"; {trouble}" if trouble else "."
            found[j] = CGResult(
                run.x[row], status, status is CGStatus.CONVERGED, words, nit, int(each[j]), float(run.r_norm[row]),
                float(relative), run.r[row], None if directions is None else directions[row].copy(),
                float("nan") if curvatures is None else float(curvatures[row]), singular=singular)
        run.keep(~which)

    def _renew(which: np.ndarray) -> None:
        """The true residuals of some columns."""
        nonlocal products
        run.r[which] = sides[run.index[which]] - product(run.x[which])
        products += int(which.sum())
        each[run.index[which]] += 1
        run.r_norm[which] = [norm(row) for row in run.r[which]]
        run.is_true |= which
        run.fresh |= which

    while True:
        due = (run.r_norm <= run.tolerance) | ~np.isfinite(run.r_norm)
        if (due & ~run.is_true).any():
            _renew(due & ~run.is_true)
        met = due & (run.r_norm <= run.tolerance)
        if nit:
            # Restarted from the true residual, a column goes on while that still helps.
            stuck = due & ~met & (~np.isfinite(run.r_norm) | (run.r_norm > 0.5 * run.best_true))
        else:
            stuck = due & ~met & ~np.isfinite(run.r_norm)
        run.best_true = np.where(due, run.r_norm, run.best_true)
        if stuck.any():
            met = met[~stuck]
            end(stuck, CGStatus.NUMERICAL_ERROR,
                f"it cannot be reduced in {b.dtype}: try a preconditioner M or a larger rtol.")
        if met.any():
            end(met, CGStatus.CONVERGED)
        if not run.index.size:
            break
        if nit >= limit:
            end(np.ones(run.index.size, dtype=bool), CGStatus.ITERATION_LIMIT)
            break
        z = run.r if precondition is None else precondition(run.r)
        rz_next = run.r_norm**2 if precondition is None else _dots(run.r, z)
        wrong = ~((rz_next > 0) & np.isfinite(rz_next))
        if wrong.any():
            z, rz_next = z[~wrong], rz_next[~wrong]
            end(wrong, CGStatus.NUMERICAL_ERROR,
                "rᵀMr should be positive: M must be symmetric positive definite." if precondition is not None else
                f"‖r‖² is beyond the range of {b.dtype}: scale b.")
            if not run.index.size:
                break
        beta = np.where(run.fresh, 0.0, rz_next / run.rz).astype(b.dtype)
        run.d *= beta[:, None]
        run.d += z
        run.rz = rz_next
        run.fresh[:] = False
        Ad = product(run.d)
        products += run.index.size
        each[run.index] += 1
        dAd = _dots(run.d, Ad)
        lost = ~np.isfinite(dAd)
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.where(dAd > 0, run.rz / dAd, np.inf)
        flat = ~lost & (dAd <= 0)
        if precondition is None:
            # As for one column: is the curvature rounding of zero?
            seen = ~lost & ((steps > LONG * run.shortest) | (run.r_norm > LONG * b_norm[run.index]))
            if seen.any():
                zero = np.finfo(b.dtype).eps * _dots(run.d[seen], run.d[seen]) / run.shortest[seen]
                flat[seen] |= np.abs(dAd[seen]) <= zero
        run.shortest = np.minimum(run.shortest, steps)
        if (lost | flat).any():
            going = ~(lost | flat)
            squares = np.where(flat, _dots(run.d, run.d), 1.0)
            Ad, dAd, curvatures = Ad[going], dAd[going], dAd / squares
            flat_left, directions = flat[~lost], run.d[~lost]
            end(lost, CGStatus.NUMERICAL_ERROR, "the next product with A is not finite.")
            end(flat_left, CGStatus.NONPOSITIVE_CURVATURE, directions=directions, curvatures=curvatures[~lost])
            if not run.index.size:
                break
        step = (run.rz / dAd).astype(b.dtype)[:, None]
        run.x += step * run.d
        run.r -= step * Ad
        run.is_true[:] = False
        run.r_norm = np.sqrt(_dots(run.r, run.r))
        nit += 1
        if callback is not None:
            now = np.empty_like(x)
            for j, result in enumerate(found):
                if result is not None:
                    now[j] = result.x
            now[run.index] = run.x
            callback(CGRecord(nit, now.T, float(run.r_norm.max())))
    return _gathered([result for result in found if result is not None], products)


def _gathered(columns: list[CGResult], products: int) -> CGResult:
    """One result of all columns, with the status of the worst."""
    which = min(range(len(columns)), key=lambda j: WORST_FIRST.index(columns[j].status))
    worst = columns[which]
    success = worst.status is CGStatus.CONVERGED
    done = sum(column.success for column in columns)
    message = (f"relative residuals up to {max(column.relative_residual for column in columns):.1e} after "
               f"{max(column.nit for column in columns)} iterations." if success else
               f"{done} of {len(columns)} columns converged; column {which}: {worst.message}")
    return CGResult(np.stack([column.x for column in columns], axis=1), worst.status, success, message,
                    max(column.nit for column in columns), products, max(column.residual for column in columns),
                    max(column.relative_residual for column in columns),
                    np.stack([column.residual_vector for column in columns], axis=1), worst.direction,
                    worst.curvature, tuple(columns))
