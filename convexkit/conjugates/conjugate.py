"""The conjugate of a convex function, with its maximiser or a direction of no return, and Fenchel's inequality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh

from ..convex_sets import ConvexSet, SupportValue, support_function, tightly, upper_bound
from ..duality import kkt_residuals
from ..errors import ProblemError
from ..problem import QCQP, lp
from ..quadratic import Quadratic, minimum
from ..smooth import minimize
from ..solution import Status
from ..solver import solve
from ..validation import as_vector, in_range
from .functions import LogSumExp, MaxAffine, NegativeEntropy, Norm

KINDS = (Quadratic, QCQP, ConvexSet, MaxAffine, Norm, LogSumExp, NegativeEntropy)
Function = Quadratic | QCQP | ConvexSet | MaxAffine | Norm | LogSumExp | NegativeEntropy | Callable[[np.ndarray], Any]


@dataclass(frozen=True, eq=False)
class ConjugateValue(SupportValue):
    """f*(y) = sup of yᵀx - f(x) over x; for the indicator of a set, its support function.

    Attributes
    ----------
    value : float; +inf outside the domain of f*. Without success, what yᵀx - f(x) was seen to reach
    x : (n,) array that attains it, a subgradient of f* at y; NaN where none does or none was found
    bound : float, f*(y) is proved not to exceed it; +inf where nothing is proved
    attained : bool or None, whether an x attains the value; None where that is not known, as for a callable f
    direction : (n,) array or None. Outside the domain: a direction along which yᵀx - f(x) rises without end, where one
        is known
    status : Status. `optimal` for a finite value, `unbounded` outside the domain, `infeasible` for a function that is
        +inf everywhere (f* is -inf then); `optimal_inaccurate` and others from the solver
    success : bool, the value is known, +inf among them
    message : str, for y outside the domain the reason
    nit : int, iterations of the solver

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> found = ck.conjugate(ck.Quadratic(np.diag([2.0, 0.0])), [3.0, 1e-3])
    >>> found.value, found.direction, found.message
    (inf, array([0., 1.]), 'y - q is not in the range of P: a part of length 1.0e-03 is in its null space.')
    """


def conjugate(f: Function, y: Any, *, x0: Any = None, rtol: float = 1e-9, tol: float = 1e-8) -> ConjugateValue:
    """The conjugate function f*(y) = sup of yᵀx - f(x) over x.

    Parameters
    ----------
    f : Quadratic, MaxAffine, Norm, LogSumExp, NegativeEntropy;
        QCQP, its objective on its feasible set and +inf elsewhere;
        ConvexSet, zero on the set and +inf elsewhere: its conjugate is the support function;
        or a smooth convex function for `minimize`, which needs x0
    y : (n,) array
    x0 : (n,) array in the domain of a callable f
    rtol : float, by how much y may miss the domain of a conjugate in closed form, relative to its length: a y that was
        computed seldom sums to one exactly
    tol : float, as for `solve`

    Returns
    -------
    ConjugateValue

    Raises
    ------
    ProblemError
        For an f that is none of these, a y of another dimension, a callable without x0.

    Notes
    -----
    Closed forms but for MaxAffine (a linear program), QCQP (one `solve`) and callables (one `minimize`). For a
    quadratic

        f*(y) = ½(y - q)ᵀP⁺(y - q) - r   if P ⪰ 0 and y - q is in the range of P,   else +inf

    Boyd & Vandenberghe, section 3.3.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> found = ck.conjugate(ck.Quadratic([[2.0, 1.0], [1.0, 2.0]]), [3.0, -1.0])
    >>> round(found.value, 6), found.x.round(6)                                     # 13/3 at P⁻¹y
    (4.333333, array([ 2.333333, -1.666667]))
    >>> outside = ck.conjugate(ck.MaxAffine(np.eye(3)), [0.5, 0.6, -0.1])           # of max xᵢ: y is not in the simplex
    >>> outside.value, bool(outside.direction @ [0.5, 0.6, -0.1] > max(outside.direction))
    (inf, True)
    >>> cube = ck.conjugate(lambda x: (x[0] ** 2) ** 1.5, [2.0], x0=[1.0])
    >>> round(cube.value, 6)                                                        # 2(y/3)^1.5
    1.088662
    """
    rtol = in_range("rtol", rtol, 0.0, 1e-2, low_open=False)
    tol = in_range("tol", tol, 1e-12, 1e-2, low_open=False, high_open=False)
    n = getattr(f, "n", None) if isinstance(f, KINDS) else None
    y = as_vector("y", y, n)
    if isinstance(f, Quadratic):
        return _of_quadratic(f, y, rtol)
    if isinstance(f, MaxAffine):
        return _of_max_affine(f, y, tol)
    if isinstance(f, Norm):
        return _of_norm(f, y, rtol)
    if isinstance(f, LogSumExp):
        return _of_log_sum_exp(y, rtol)
    if isinstance(f, NegativeEntropy):
        x = np.exp(y - 1.0)
        return _finite(float(x.sum()), x)
    if isinstance(f, ConvexSet):
        return _of_indicator(support_function(f, y, tol=tol))
    if isinstance(f, QCQP):
        return _of_problem(f, y, tol)
    if not callable(f):
        raise ProblemError(f"f must be a Quadratic, QCQP, ConvexSet, MaxAffine, Norm, LogSumExp, NegativeEntropy or a "
                           f"function; got {type(f).__name__}.")
    if x0 is None:
        raise ProblemError("x0 is missing: for a function give a point of its domain, where the search starts.")
    return _of_callable(f, y, as_vector("x0", x0, y.size), tol)


def fenchel_gap(f: Function, x: Any, y: Any, *, x0: Any = None, rtol: float = 1e-9, tol: float = 1e-8) -> float:
    """f(x) + f*(y) - xᵀy: never negative, zero where y is a subgradient of f at x.

    Parameters
    ----------
    f, y, x0, rtol, tol : as for `conjugate`; x0 is x if omitted
    x : (n,) array

    Returns
    -------
    float
        +inf where x is outside the domain of f or y outside that of f*. NaN where the conjugate was not found.

    Raises
    ------
    ProblemError
        As `conjugate`.

    Notes
    -----
    For a quadratic it is ½gᵀP⁺g with g = ∇f(x) - y, computed so, without cancellation; else the sum as it stands,
    which rounding may leave slightly negative. Boyd & Vandenberghe, section 3.3.2.

    Examples
    --------
    >>> import convexkit as ck
    >>> f = ck.Quadratic([[3.0, 1.0], [1.0, 2.0]], [1.0, -1.0])
    >>> x = [1.0, 2.0]
    >>> round(ck.fenchel_gap(f, x, [0.0, 0.0]), 6), ck.fenchel_gap(f, x, f.gradient(x))
    (7.2, 0.0)
    """
    x = as_vector("x", x)
    y = as_vector("y", y, x.size)
    if isinstance(f, Quadratic):
        as_vector("x", x, f.n)
        return conjugate(Quadratic(f.P, f.gradient(x)), y, rtol=rtol).value
    value = _value(f, x, tol)
    if value == np.inf:
        return value
    found = conjugate(f, y, x0=x if x0 is None else x0, rtol=rtol, tol=tol)
    if not (found.success or found.status is Status.OPTIMAL_INACCURATE):
        return float("nan")
    return value + found.value - float(x @ y)


def _value(f: Any, x: np.ndarray, tol: float) -> float:
    """f(x), with indicators for constraints."""
    if isinstance(f, ConvexSet):
        return 0.0 if f.contains(x, tol) else np.inf
    if isinstance(f, QCQP):
        return f.objective(x) if kkt_residuals(f, x).primal <= tol else np.inf
    return float(f(x))


def _finite(value: float, x: np.ndarray, message: str = "closed form.", *, attained: bool = True) -> ConjugateValue:
    return ConjugateValue(Status.OPTIMAL, message, value, x + 0.0, value, attained)  # no -0.0


def _outside(direction: np.ndarray | None, message: str, n: int, nit: int = 0) -> ConjugateValue:
    if direction is not None:
        direction = direction / np.linalg.norm(direction) + 0.0  # no -0.0
    return ConjugateValue(Status.UNBOUNDED, message, np.inf, np.full(n, np.nan), np.inf, False, direction, nit)


def _of_quadratic(f: Quadratic, y: np.ndarray, rtol: float) -> ConjugateValue:
    # f*(y) = -min of f(x) - yᵀx
    q = np.asarray(f.q, dtype=np.float64)
    low, x, leftover = minimum(Quadratic(f.P, q - y, f.r))
    if x is None:
        w, V = eigh(f.hessian(), subset_by_index=[0, 0])
        d = V[:, 0]
        return _outside(d if d @ (y - q) >= 0 else -d, f"P is not positive semidefinite (eigenvalue {w[0]:.1e}): "
                        "f falls without end along the direction.", f.n)
    left = float(np.linalg.norm(leftover))
    if left > rtol * (float(np.linalg.norm(q)) + float(np.linalg.norm(y))):
        what = "y differs from q, the only slope of an affine function, by a vector" if f.is_affine else \
            "y - q is not in the range of P: a part"
        where = "" if f.is_affine else " is in its null space"
        return _outside(-leftover, f"{what} of length {left:.1e}{where}.", f.n)
    return _finite(-low + 0.0, x)


def _of_max_affine(f: MaxAffine, y: np.ndarray, tol: float) -> ConjugateValue:
    # maximise yᵀx - t subject to aᵢᵀx + bᵢ ≤ t; the multipliers are the weights θ of the slopes.
    program = lp(np.append(-y, 1.0), np.hstack([f.A, -np.ones((len(f.b), 1))]), -f.b)
    solution = solve(program, tol=max(1e-2 * tol, 1e-12))
    if solution.status is Status.UNBOUNDED:
        return _outside(solution.certificate.direction[:-1], "y is not in the convex hull of the slopes.",  # type: ignore[union-attr]
                        f.n, solution.nit)
    x = solution.x[:-1]
    return ConjugateValue(solution.status, solution.message, float(y @ x) - f(x), x, float(-f.b @ solution.lam),
                          solution.success or None, None, solution.nit)


def _of_norm(f: Norm, y: np.ndarray, rtol: float) -> ConjugateValue:
    size = f.dual(y)
    if size <= 1.0 + rtol:
        return _finite(0.0, np.zeros(y.size))
    return _outside(f.maximizer(y), f"y has dual norm {size:.6g}, which exceeds 1.", y.size)


def _of_log_sum_exp(y: np.ndarray, rtol: float) -> ConjugateValue:
    total = float(y.sum())
    if abs(total - 1.0) > rtol * max(1.0, float(abs(y).sum())):
        return _outside(np.full(y.size, np.sign(total - 1.0)), f"y sums to {total:.6g}, not to 1.", y.size)
    if y.min() < -rtol:
        i = int(np.argmin(y))
        return _outside(-np.eye(y.size)[i], f"y[{i}] = {y[i]:.6g} is negative.", y.size)
    kept = np.where(y > 0, y, 1.0)
    value = float(np.maximum(y, 0.0) @ np.log(kept))
    if (y > 0).all():
        return _finite(value, np.log(y))
    return _finite(value, np.full(y.size, np.nan), "closed form; approached as xᵢ falls to -inf where yᵢ = 0.",
                   attained=False)


def _of_indicator(found: SupportValue) -> ConjugateValue:
    return ConjugateValue(found.status, found.message, found.value, found.x, found.bound, found.attained,
                          found.direction, found.nit)


def _of_problem(f: QCQP, y: np.ndarray, tol: float) -> ConjugateValue:
    if f.objective.is_affine:
        # An affine objective moves y and the value: f* = S(y - q) - r.
        found = _of_indicator(support_function(f, y - f.objective.q, tol=tol))
        return ConjugateValue(found.status, found.message, found.value - f.objective.r, found.x,
                              found.bound - f.objective.r, found.attained, found.direction, found.nit)
    f0 = f.objective
    tilted = QCQP(Quadratic(f0.P, np.asarray(f0.q, dtype=np.float64) - y, f0.r), f.inequalities, G=f.G, h=f.h, A=f.A,
                  b=f.b, lb=f.lb, ub=f.ub, cones=f.cones)
    solution = tightly(tilted, tol)
    if solution.status is Status.INFEASIBLE:
        return ConjugateValue(solution.status, f"f is +inf everywhere: {solution.message}", -np.inf, solution.x,
                              -np.inf, False, None, solution.nit)
    if solution.status is Status.UNBOUNDED:
        return _outside(solution.certificate.direction, "yᵀx - f(x) rises without end on the feasible set.",  # type: ignore[union-attr]
                        f.n, solution.nit)
    bound = upper_bound(tilted, solution)
    attained = solution.success or None if not f.cones else None
    return ConjugateValue(solution.status, solution.message, -solution.value, solution.x, bound, attained, None,
                          solution.nit)


def _of_callable(f: Callable[[np.ndarray], Any], y: np.ndarray, x0: np.ndarray, tol: float) -> ConjugateValue:
    solution = minimize(lambda x: f(x) - (x * y).sum(), x0, tol=tol)
    if solution.status is Status.UNBOUNDED:
        way = solution.x - x0
        return _outside(way if way.any() else None, f"yᵀx - f(x) was seen to rise without end: {solution.message}",
                        y.size, solution.nit)
    # Where the supremum is only approached, Newton's method stops as well, far out and flat: x is no proof.
    return ConjugateValue(solution.status, solution.message, -solution.value, solution.x, -solution.dual_value, None,
                          None, solution.nit)
