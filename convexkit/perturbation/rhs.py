"""Changes of right-hand sides, and the slopes of the optimal value to both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import NotDifferentiableError, ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic
from ..solution import Solution
from ..validation import as_vector
from .multiplier_set import analysed, multiplier_set, spread


def direction(problem: QCQP, u: Any, v: Any, lb: Any, ub: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A change of all right-hand sides, zero where omitted, checked."""
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
    found = []
    for name, value, size in (("u", u, problem.m), ("v", v, problem.p), ("lb", lb, problem.n), ("ub", ub, problem.n)):
        vector = np.zeros(size) if value is None else as_vector(name, value)
        if vector.size != size:
            rows = f": {len(problem.inequalities)} quadratic inequalities, then {problem.h.size} rows of G" \
                if name == "u" else ""
            raise ProblemError(f"{name} has length {vector.size}; expected {size}{rows}.")
        found.append(vector)
    return found[0], found[1], found[2], found[3]


def perturbed(problem: QCQP, *, u: Any = None, v: Any = None, lb: Any = None, ub: Any = None) -> QCQP:
    """The problem with other right-hand sides: fᵢ(x) ≤ uᵢ, Gx - h ≤ u, Ax - b = v, and bounds moved by lb and ub.

    Parameters
    ----------
    u : (m,) array, quadratic inequalities first, then rows of G; positive loosens
    v : (p,) array
    lb, ub : (n,) arrays, added to the bounds

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.lp([-1.0], G=[[1.0]], h=[2.0])
    >>> round(ck.solve(ck.perturbed(problem, u=[0.5])).value, 6)
    -2.5
    """
    du, dv, dlb, dub = direction(problem, u, v, lb, ub)
    quadratics = len(problem.inequalities)
    curved = [Quadratic(f.P, f.q, f.r - float(s)) if s != 0 else f
              for f, s in zip(problem.inequalities, du[:quadratics], strict=True)]
    return QCQP(problem.objective, curved, G=problem.G, h=problem.h + du[quadratics:], A=problem.A, b=problem.b + dv,
                lb=problem.lb + dlb, ub=problem.ub + dub, cones=problem.cones)


@dataclass(frozen=True, eq=False)
class OneSidedDerivatives:
    """The slopes of t ↦ p*(t·direction) at 0, to the left and to the right.

    Attributes
    ----------
    left, right : float, left ≤ right, equal where the price is unique; ±inf where p* ends at 0
    lam_left, nu_left, lam_lb_left, lam_ub_left : arrays, the multipliers whose price is `left`; None if it is infinite
    lam_right, nu_right, lam_lb_right, lam_ub_right : the same for `right`

    Examples
    --------
    >>> import convexkit as ck
    >>> twice = ck.lp([-1.0], G=[[1.0], [1.0]], h=[2.0, 2.0])                # one row, written twice
    >>> slopes = ck.one_sided_derivatives(twice, ck.solve(twice), u=[1.0, 0.0])
    >>> round(slopes.left, 9), abs(slopes.right) < 1e-9                      # tighter: dearer; looser: no gain
    (-1.0, True)
    """

    left: float
    right: float
    lam_left: np.ndarray | None
    nu_left: np.ndarray | None
    lam_lb_left: np.ndarray | None
    lam_ub_left: np.ndarray | None
    lam_right: np.ndarray | None
    nu_right: np.ndarray | None
    lam_lb_right: np.ndarray | None
    lam_ub_right: np.ndarray | None


def one_sided_derivatives(problem: QCQP, solution: Solution | Any, *, u: Any = None, v: Any = None, lb: Any = None,
                          ub: Any = None) -> OneSidedDerivatives:
    """The derivatives of p* at 0 to both sides of a direction in the right-hand sides, where prices are not unique too.

        p*'(0+) = max -lamᵀu - nuᵀv + lam_lbᵀlb - lam_ubᵀub   over all optimal multipliers,   p*'(0-) = min

    Parameters
    ----------
    problem : convex QCQP; its cones, if any, stay as they are
    solution : Solution, or an (n,) array x, optimal for the problem
    u, v, lb, ub : the direction, as in `perturbed`

    Returns
    -------
    OneSidedDerivatives

    Raises
    ------
    NotDifferentiableError
        If no multipliers exist: p* has no finite slope then in some direction.

    Notes
    -----
    Two linear programs over the polyhedron of `multiplier_set`. An infinite slope to the right says that every step is
    infeasible. Boyd & Vandenberghe, section 5.6.2; Rockafellar, *Convex Analysis*, theorem 23.4.

    Examples
    --------
    Additional exercise 5.1: what is a looser first row worth, what does a tighter one cost?

    >>> import convexkit as ck
    >>> problem = ck.qp([[2.0, -1.0], [-1.0, 4.0]], [-1.0, 0.0], G=[[1.0, 2.0], [1.0, -4.0], [5.0, 76.0]],
    ...                 h=[-2.0, -3.0, 1.0])
    >>> slopes = ck.one_sided_derivatives(problem, ck.solve(problem), u=[1.0, 0.0, 0.0])
    >>> round(slopes.left, 5), abs(slopes.right) < 1e-9
    (-3.38889, True)
    """
    du, dv, dlb, dub = direction(problem, u, v, lb, ub)
    found = analysed(problem, solution)
    if found.lowest is None:
        raise NotDifferentiableError(f"multipliers: {multiplier_set(problem, solution).message}")
    cones = np.zeros(len(problem.cones))
    cost = np.concatenate([np.concatenate([-du, dlb, -dub, cones])[found.rows.flat()], -dv])
    if found.independent:
        ends: list[tuple[float, np.ndarray | None]] = [(float(cost @ found.lowest), found.lowest)] * 2
    else:
        low, high = found.polytope.extreme(cost), found.polytope.extreme(-cost)
        ends = [low, (-high[0], high[1])]
    sides: list[Any] = []
    for _, y in ends:
        if y is None:
            sides += [None] * 4
        else:
            rows, nu = spread(found.rows, found.polytope.k, y)
            sides += [rows.lam, nu, rows.lb, rows.ub]
    return OneSidedDerivatives(ends[0][0] + 0.0, ends[1][0] + 0.0, *sides)
