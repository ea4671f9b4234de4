"""Preconditioned conjugate gradient: one method for linear systems and for truncated trust-region steps."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg.blas import daxpy, saxpy

from ..errors import ProblemError
from ..validation import as_count, as_matrix, as_real_array, in_range
from .products import LONG, best_combination, closest, norm, product_with
from .results import CGRecord, CGResult, CGStatus
from .together import many_columns


def _to_boundary(xx: float, xd: float, dd: float, radius: float) -> float:
    """The positive root of ‖x + step·d‖ = radius from the products xᵀx, xᵀd, dᵀd, without cancellation."""
    # dd·step² + 2·xd·step + (xx - radius²) = 0; the last term is ≤ 0, so the roots have opposite signs.
    root = sqrt(max(xd * xd + dd * (radius * radius - xx), 0.0))
    return (radius * radius - xx) / (xd + root) if xd > 0 else (root - xd) / dd


# How exactly a singular system without a solution is brought to Ar = 0.
FLATNESS = 1e-11


class Kept:
    """Up to `count` pairs (d, Ad), spread over the whole run: when full, every other one is dropped."""

    def __init__(self, count: int):
        self.count, self.stride, self.seen = count, 1, 0
        self.found: list[tuple[np.ndarray, np.ndarray]] = []

    def offer(self, d: np.ndarray, Ad: np.ndarray) -> None:
        """Copy the pair if its turn has come."""
        if not self.count:
            return
        if self.seen % self.stride == 0:
            if len(self.found) == self.count:
                self.found = self.found[::2] if self.count > 1 else []
                self.stride *= 2
            if self.seen % self.stride == 0:
                self.found.append((d.copy(), Ad.copy()))
        self.seen += 1

    def pairs(self) -> tuple[np.ndarray, np.ndarray] | None:
        """(D, AD) with one column a pair."""
        if not self.found:
            return None
        return np.stack([d for d, _ in self.found], axis=1), np.stack([Ad for _, Ad in self.found], axis=1)


# What is beyond the range of the type ends the run with a status; numpy need not warn of it too.
@np.errstate(over="ignore", invalid="ignore")
def conjugate_gradient(A: Any, b: Any, x0: Any = None, *, rtol: float = 1e-6, atol: float = 0.0,
                       maxiter: int | None = None, M: Any = None, radius: float | None = None, keep: int = 0,
                       callback: Callable[[CGRecord], Any] | None = None) -> CGResult:
    """Solve Ax = b for symmetric positive definite A, from products with A alone.

        minimise  ½xᵀAx - bᵀx     until   ‖b - Ax‖ ≤ max(rtol·‖b‖, atol)

    Parameters
    ----------
    A : (n, n) array, sparse matrix, LinearOperator, or callable v -> Av
    b : (n,) array, or (n, k) for k right-hand sides that share products with A; float32 stays float32
    x0 : of b's shape, optional, start; zero if omitted
        An (n, k) array for a vector b stands for the combination of its columns that is nearest to the solution in
        the norm of A, at the cost of k products: solutions of the last few of a sequence of systems.
    rtol, atol : float, tolerance on the residual, relative to ‖b‖ and absolute
    maxiter : int, optional, 10·n if omitted
    M : as A, optional, an approximation of A⁻¹ (see `jacobi`), symmetric positive definite
    radius : float, optional
        Truncate at ‖x‖ = radius (Steihaug 1983), measured in the norm of M⁻¹ (by recurrence, to some six
        digits where conjugacy is lost). Needs x0 = 0. The run then also ends with success on the boundary,
        or by following a direction of nonpositive curvature to it.
    keep : int
        How many directions and their products the result holds, for `limited_memory`.
    callback : callable(CGRecord), optional
        Told the largest residual of all columns if there are several.

    Returns
    -------
    CGResult
        Status `converged`, `boundary`, `iteration_limit`, `nonpositive_curvature` (with the direction) or
        `numerical_error` (a product that is not finite, or a true residual that has stopped following the
        recurred one; try float64 or a preconditioner).

    Raises
    ------
    ProblemError
        For shapes that do not fit, NaN, tolerances out of range, or a nonzero x0 with radius.

    Notes
    -----
    One product with A and one with M an iteration, four vectors of memory. The residual is recomputed
    before success is claimed; where rounding has made the recurred one too small, the run continues from
    the true one. Several right-hand sides run side by side, each with its own steps, with one product of A and
    a matrix an iteration; columns that have ended are left out of it. A singular A is no obstacle if b is in its
    range; if not, a direction of zero curvature ends the run, `singular` says so, and for a single right-hand side
    without radius x = A⁺b, which comes closest, is had from two more runs. Hestenes & Stiefel 1952; Nocedal & Wright,
    Algorithms 5.3 and 7.2.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> result = ck.conjugate_gradient(np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0]))
    >>> result.x.round(6), result.nit
    (array([0.090909, 0.636364]), 2)
    """
    b = as_real_array("b", b)
    if b.ndim == 2 and b.shape[1] == 1:
        b = b.reshape(-1)
    keep = as_count("keep", keep)
    if b.ndim == 2:
        if radius is not None or keep:
            name, value = ("radius", radius) if radius is not None else ("keep", keep)
            raise ProblemError(f"{name} = {value} is for one right-hand side; b has {b.shape[1]} columns.")
        return many_columns(A, b, x0, rtol=rtol, atol=atol, maxiter=maxiter, M=M, callback=callback)
    if b.ndim != 1:
        raise ProblemError(f"b must be a vector or a matrix of columns; it has shape {b.shape}.")
    n = b.size
    matvec = product_with("A", A, n, b.dtype)
    precondition = None if M is None else product_with("M", M, n, b.dtype)
    rtol = in_range("rtol", rtol, 0.0, 1.0, low_open=False)
    atol = in_range("atol", atol, 0.0, np.inf, low_open=False)
    limit = 10 * n if maxiter is None else as_count("maxiter", maxiter)
    if radius is not None:
        radius = in_range("radius", radius, 0.0, np.inf)
    if x0 is None:
        x = np.zeros_like(b)
        r = b.copy()
        products = 0
    else:
        x = as_real_array("x0", x0).astype(b.dtype, copy=True)
        if x.shape != b.shape and (x.ndim != 2 or len(x) != n):
            raise ProblemError(f"x0 has shape {x.shape}; expected {b.shape}, or ({n}, k) for the best combination of "
                               "k columns.")
        if radius is not None and x.any():
            raise ProblemError("x0 must be zero (or omitted) when radius is given: the truncated path starts at 0.")
        if x.ndim == 2:
            x, r, products = best_combination(A, b, x)
        else:
            r = b - matvec(x)
            products = 1

    b_norm = norm(b)
    if b_norm == 0.0:
        # x = 0 is exact; from elsewhere a relative tolerance could never be met.
        x, r = np.zeros_like(b), np.zeros_like(b)
    tolerance = max(rtol * b_norm, atol)
    direction: np.ndarray | None = None
    curvature = float("nan")
    status = CGStatus.ITERATION_LIMIT
    trouble = ""
    r_norm = norm(r)
    r_is_true = True
    best_true = r_norm
    d: np.ndarray | None = None
    rz = 0.0
    steps: list[float] = []
    ratios: list[float] = []
    kept = Kept(keep)
    xx = xd = dd = 0.0  # xᵀM⁻¹x, xᵀM⁻¹d, dᵀM⁻¹d for the radius: by recurrence, since M⁻¹ is not at hand
    nit = 0
    shortest, flat = float("inf"), False  # 1/step is at most the largest eigenvalue
    # axpy(d, x, a=step) is x += step·d, in place and without a temporary.
    axpy = saxpy if b.dtype == np.float32 else daxpy
    while True:
        if r_norm <= tolerance or not np.isfinite(r_norm):
            if not r_is_true:
                r = b - matvec(x)
                products += 1
                r_norm, r_is_true, d = norm(r), True, None
            if r_norm <= tolerance:
                status = CGStatus.CONVERGED
                break
            # The recurred residual was too optimistic. Restart from the true one while that still helps.
            if not np.isfinite(r_norm) or (nit > 0 and r_norm > 0.5 * best_true):
                status = CGStatus.NUMERICAL_ERROR
                trouble = f"it cannot be reduced in {b.dtype}: try a preconditioner M or a larger rtol."
                break
            best_true = r_norm
        if nit >= limit:
            break
        z = r if precondition is None else precondition(r)
        rz_next = r_norm * r_norm if precondition is None else float(r @ z)
        if not 0 < rz_next < float("inf"):
            status = CGStatus.NUMERICAL_ERROR
            trouble = (f"rᵀMr = {rz_next:.1e} should be positive: M must be symmetric positive definite."
                       if precondition is not None else
                       f"‖r‖² = {rz_next:.1e} is beyond the range of {b.dtype}: scale b.")
            break
        if d is None:
            d = z.copy()
            xd, dd = 0.0, rz_next
            steps, ratios = [], []
            if radius is not None and x.any():
                # After a restart the path no longer is Steihaug's; x stays inside, its products are renewed.
                xd = float(x @ r)
        else:
            beta = rz_next / rz
            ratios.append(beta)
            d *= beta
            d += z
            # M⁻¹-products of the new direction d = z + beta·d_old: zᵀM⁻¹d_old = 0 and zᵀM⁻¹z = rᵀz.
            xd, dd = beta * xd, rz_next + beta * beta * dd
        if radius is not None and precondition is None:
            # Without M they are at hand, and free of the recurrence's loss of conjugacy.
            xx, xd, dd = float(x.dot(x)), float(x.dot(d)), float(d.dot(d))
        rz = rz_next
        Ad = matvec(d)
        products += 1
        dAd = float(d.dot(Ad))
        if not np.isfinite(dAd):
            status = CGStatus.NUMERICAL_ERROR
            trouble = (f"dᵀAd is beyond the range of {b.dtype}: scale b, or use float64." if np.isfinite(Ad).all() else
                       "the next product with A is not finite.")
            break
        if dAd <= 0 and norm(d) * norm(Ad) < np.finfo(b.dtype).tiny and Ad.any():
            status = CGStatus.NUMERICAL_ERROR  # dᵀAd has underflowed, so its sign says nothing
            trouble = f"dᵀAd underflows in {b.dtype}: scale b up, or use float64."
            break
        step = rz / dAd if dAd > 0 else float("inf")
        if precondition is None and (step > LONG * shortest or r_norm > LONG * b_norm):
            # The curvature along d is tiny, or zero with rounding in its place.
            flat = abs(dAd) <= float(np.finfo(b.dtype).eps) * (float(d.dot(d)) / shortest)
        shortest = min(shortest, step)
        if dAd <= 0 or flat:
            status = CGStatus.NONPOSITIVE_CURVATURE
            direction, curvature = d.copy(), dAd / float(d @ d)
            if radius is None:
                break
            step = _to_boundary(xx, xd, dd, radius)
        else:
            if radius is not None and xx + step * (2 * xd + step * dd) >= radius * radius:
                status = CGStatus.BOUNDARY
                step = _to_boundary(xx, xd, dd, radius)
            else:
                steps.append(step)
                kept.offer(d, Ad)
        x, r = axpy(d, x, a=step), axpy(Ad, r, a=-step)
        r_is_true = False
        xx, xd = xx + step * (2 * xd + step * dd), xd + step * dd
        r_norm = sqrt(r.dot(r))
        nit += 1
        if callback is not None:
            callback(CGRecord(nit, x, r_norm))
        if status is not CGStatus.ITERATION_LIMIT:
            break

    if flat and radius is None:
        x, more = closest(matvec, b, max(FLATNESS, 10.0 * float(np.finfo(b.dtype).eps)), 4 * nit + 20)
        products += more
        r_is_true = False
    if not r_is_true:
        r = b - matvec(x)
        products += 1
        r_norm = norm(r)
    if status is CGStatus.NUMERICAL_ERROR:
        # Rounding, or NaN in what was handed over?
        for name, matrix in (("A", A), ("M", M)):
            if isinstance(matrix, np.ndarray) or sp.issparse(matrix):
                as_matrix(name, matrix)
    relative = r_norm / b_norm if b_norm > 0 else 0.0
    square = r_norm * r_norm if precondition is None or r_norm == 0 else float(r @ precondition(r))
    # As many ratios as steps: the last belongs to the residual that the run ended with.
    if len(ratios) < len(steps):
        ratios.append(square / rz)
    del ratios[len(steps):]
    known = getattr(A, "min_eigenvalue", None) if M is None else None
    at_boundary = radius is not None and status in (CGStatus.BOUNDARY, CGStatus.NONPOSITIVE_CURVATURE)
    message = f"relative residual {relative:.1e} after {nit} iterations"
    if status is CGStatus.CONVERGED:
        message += "."
    elif status is CGStatus.BOUNDARY:
        message = f"reached ‖x‖ = {radius} after {nit} iterations."
    elif status is CGStatus.ITERATION_LIMIT:
        message += f", the limit; asked for {tolerance / b_norm:.1e}."
    elif status is CGStatus.NUMERICAL_ERROR:
        message += f"; {trouble}"
    elif flat:
        message = (f"A is singular and b is not in its range, as far as can be told: a direction of curvature "
                   f"{curvature:.1e}, rounding of zero, was met in iteration {nit + (radius is None)}"
                   f"{'' if radius is None else ' and followed to the boundary'}; relative residual {relative:.1e}. "
                   "No x solves Ax = b; this one comes closest.")
    else:
        message = (f"A is not positive definite: a direction of curvature {curvature:.1e} was met in iteration "
                   f"{nit + (radius is None)}{'' if radius is None else ' and followed to the boundary'}.")
    return CGResult(x, status, status is CGStatus.CONVERGED or at_boundary, message, nit, products, r_norm,
                    relative, r, direction, curvature, (), np.array(steps), np.array(ratios), kept.pairs(), square,
                    float("nan") if known is None else float(known), bool(flat))
