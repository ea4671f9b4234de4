"""A quadratic over a box: the point, and the multipliers of the bounds that prove it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import Bounds
from scipy.optimize import minimize as scipy_minimize

from ..errors import ProblemError
from ..quadratic import Minimum, Quadratic, entry_size, formed
from .infimum import by_products, infimum, part, seems_flat
from .multipliers import SLOPE_TOLERANCE, split_by_sign


class OverBox(NamedTuple):
    """The infimum of a convex quadratic over lb ≤ x ≤ ub, as in `Minimum`, with the multipliers of the bounds.

        f(y) + lam_lbᵀ(lb - y) + lam_ubᵀ(y - ub) ≥ value + leftoverᵀy   for every y
    """

    lam_lb: np.ndarray
    lam_ub: np.ndarray
    minimum: Minimum


def minimum_over_box(f: Quadratic, lb: np.ndarray, ub: np.ndarray) -> OverBox:
    """A box-constrained quadratic, minimised approximately; what is claimed of its infimum is a true bound still.

    One factorization where the unconstrained minimiser lies in the box; else a few hundred products with P, and one
    factorization for the variables strictly inside. An affine f takes neither.
    """
    none = np.zeros(f.n)
    if seems_flat(f):
        return _balanced(f, _corner(f.q, lb, ub), lb, ub)
    free = infimum(f)
    if free.x is None or (not _matters(f, free.leftover) and (free.x >= lb).all() and (free.x <= ub).all()):
        return OverBox(none, none, free)  # bounds add no curvature: without it the infimum of L is -inf
    x = _box_minimizer(f, lb, ub)
    slope = f.gradient(x)
    # Variables strictly inside have slope zero; solve for that exactly, and keep it if it stays inside.
    inside = (x > lb) & (x < ub)
    if inside.any():
        reduced = infimum(Quadratic(part(f, inside), slope[inside]))
        if reduced.x is not None and not _matters(f, reduced.leftover):
            moved = x.copy()
            moved[inside] += reduced.x
            if (moved >= lb).all() and (moved <= ub).all():
                x = moved
    return _balanced(f, x, lb, ub)


def _matters(f: Quadratic, leftover: np.ndarray) -> bool:
    """Whether a slope that is left is more than what conjugate gradient leaves; a factorization leaves none."""
    small = SLOPE_TOLERANCE * float(np.abs(f.q).max(initial=0.0)) if by_products(f) else 0.0
    return bool((np.abs(leftover) > small).any())


def _balanced(f: Quadratic, x: np.ndarray, lb: np.ndarray, ub: np.ndarray) -> OverBox:
    """The slope at x, split by sign, makes x a stationary point of L but for what no bound can balance."""
    slope = f.gradient(x)
    lam_lb, lam_ub = split_by_sign(slope, lb, ub)
    constant = float(lam_lb[lam_lb > 0] @ lb[lam_lb > 0]) - float(lam_ub[lam_ub > 0] @ ub[lam_ub > 0])
    leftover = slope - lam_lb + lam_ub
    value = f.r + constant - 0.5 * float(x @ f.hessp(x))
    if leftover.any() and f.P is not None:
        # Without a bound on that side, a slope is zero up to what the minimisation left of it.
        return OverBox(lam_lb, lam_ub, infimum(Quadratic._of(f.P, f.q - lam_lb + lam_ub, f.r + constant)))
    return OverBox(lam_lb, lam_ub, Minimum(value, x, leftover, None))


def _corner(slope: np.ndarray, lb: np.ndarray, ub: np.ndarray) -> np.ndarray:
    """Where an affine function is least over a box; near zero where it is flat, or falls without end."""
    x = np.clip(np.zeros(slope.size), lb, ub)
    x = np.where((slope > 0) & np.isfinite(lb), lb, x)
    return np.where((slope < 0) & np.isfinite(ub), ub, x)


def _box_minimizer(f: Quadratic, lb: np.ndarray, ub: np.ndarray) -> np.ndarray:
    """A point in the box with f nearly as low as it gets; the start, if f falls out of the floats' range."""
    start = np.clip(np.zeros(f.n), lb, ub)
    # Powers of two are exact, so that a scale does not change the answer, only keeps its squares finite.
    scale = 2.0 ** -np.ceil(np.log2(max(float(np.abs(f.q).max()), 1.0 if by_products(f) else entry_size(formed(f)))))
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            found = scipy_minimize(lambda x: scale * f.value(x), start, jac=lambda x: scale * f.gradient(x),
                                   bounds=Bounds(lb, ub), method="L-BFGS-B",
                                   options={"maxiter": 500, "ftol": 1e-15, "gtol": 1e-12})
        except ProblemError:  # it stepped to inf, or to inf - inf
            return start
        return found.x if np.isfinite(f.gradient(found.x)).all() else start
