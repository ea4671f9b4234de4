"""Values and multipliers of what cvxpy's own rewriting of abs, max and norms adds to a problem, from those it keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..duality import Lagrangian, PrimalDualPoint
from ..errors import ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic
from ..solution import Solution
from ..solver import solve


@dataclass(frozen=True, eq=False)
class Known:
    """Which parts of a point come from the cvxpy problem itself, as masks over x, lam, nu and the bounds.

    `cones` holds 2 for a cone all of whose multiplier is known, 1 if its first entry is, 0 if nothing.
    """

    own: int  # columns of x
    lam: np.ndarray
    nu: np.ndarray
    lam_lb: np.ndarray
    lam_ub: np.ndarray
    cones: np.ndarray

    @property
    def everything(self) -> bool:
        """Whether there is nothing to complete; bounds that no row states are no rows of an epigraph."""
        return bool(self.lam.all() and self.nu.all() and (self.cones == 2).all())


def completed(problem: QCQP, point: PrimalDualPoint, known: Known) -> PrimalDualPoint:
    """The point with the values and multipliers of epigraph variables and rows that belong to it.

    With multipliers of the user's rows as given, the others are those of

        minimise  L(x, t) with the given multipliers   subject to  the epigraphs' rows,  x near the given one,

    and t is the least that the epigraphs' rows allow at x, which is what the atoms are worth there.
    """
    n, own = problem.n, known.own
    # Bounds that are rows of the user have their multipliers in L; attributes and epigraphs keep theirs as bounds.
    near = np.where(known.lam_lb, -np.inf, problem.lb)
    free = np.where(known.lam_ub, np.inf, problem.ub)
    reach = np.maximum(1.0, np.abs(point.x[:own]))
    near[:own] = np.maximum(point.x[:own] - reach, np.minimum(near[:own], point.x[:own]))
    free[:own] = np.minimum(point.x[:own] + reach, np.maximum(free[:own], point.x[:own]))
    lam = np.maximum(point.lam, 0.0) * known.lam
    cones = [z if k == 2 else 0.0 * z for z, k in zip(point.lam_cones, known.cones, strict=True)]
    function = Lagrangian(problem).at(lam, point.nu * known.nu, np.maximum(point.lam_lb, 0.0) * known.lam_lb,
                                      np.maximum(point.lam_ub, 0.0) * known.lam_ub, cones)
    rest = solve(_only(problem, known, function, near, free))
    # Any positive weights on the user's rows make every t as small as it gets.
    switched_on = np.isfinite(np.concatenate([np.zeros(len(problem.inequalities)), problem.h]))
    heavier = Lagrangian(problem).at(lam + known.lam * switched_on, None, 1.0 * known.lam_lb, 1.0 * known.lam_ub,
                                     _pulled(problem, known))
    near[:own] = free[:own] = point.x[:own]
    values = solve(_only(problem, known, heavier, near, free), tol=1e-10)
    if not (np.isfinite(rest.x).all() and np.isfinite(values.x).all()):
        raise ProblemError(f"the values and multipliers of {n - own} epigraph variables could not be found: "
                           f"{values.message if not np.isfinite(values.x).all() else rest.message}")
    return _together(problem, point, known, rest, values)


def _only(problem: QCQP, known: Known, objective: Quadratic, lb: np.ndarray, ub: np.ndarray) -> QCQP:
    """The rows whose multipliers are not known."""
    quadratics = len(problem.inequalities)
    rows, equalities = ~known.lam[quadratics:], ~known.nu
    return QCQP(objective, [f for f, is_known in zip(problem.inequalities, known.lam, strict=False) if not is_known],
                G=problem.G[rows], h=problem.h[rows], A=problem.A[equalities], b=problem.b[equalities], lb=lb, ub=ub,
                cones=[cone for cone, k in zip(problem.cones, known.cones, strict=True) if k < 2])


def _pulled(problem: QCQP, known: Known) -> list[np.ndarray]:
    """(1, 0, …) for the user's cones, whose tops hold epigraph variables at most with a plus sign; else zeros."""
    return [np.concatenate(([float(k == 2)], np.zeros(cone.size - 1)))
            for cone, k in zip(problem.cones, known.cones, strict=True)]


def _together(problem: QCQP, point: PrimalDualPoint, known: Known, rest: Solution, values: Solution) -> PrimalDualPoint:
    own = known.own
    x = np.concatenate([point.x[:own], values.x[own:]])
    lam, nu = point.lam.copy(), point.nu.copy()
    lam[~known.lam] = rest.lam
    nu[~known.nu] = rest.nu
    lam_lb, lam_ub = point.lam_lb.copy(), point.lam_ub.copy()
    for mine, theirs, is_known in ((lam_lb, rest.lam_lb, known.lam_lb),
                                   (lam_ub, rest.lam_ub, known.lam_ub)):
        mine[own:] = np.where(is_known[own:], mine[own:], theirs[own:])
    cones, found = [], iter(rest.lam_cones)
    for z, k in zip(point.lam_cones, known.cones, strict=True):
        if k < 2:
            other = next(found)
            # The first entry is the user's: the direction is what was missing.
            z = other * (z[0] / other[0]) if k == 1 and other[0] > 0 else other
        cones.append(z)
    return PrimalDualPoint(x, lam, nu, lam_lb, lam_ub, tuple(cones))
