"""A strictly feasible point with its margin, or why there is none: the phase-I problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..problem import QCQP, SecondOrderCone
from ..quadratic import FactoredMatrix, Quadratic, is_zero
from ..solution import Status
from ..solver import solve
from ..validation import as_vector, dense

# A margin below this is what a solve to 1e-8 cannot tell from none.
NONE = 1e-6


@dataclass(frozen=True, eq=False)
class Slater:
    """Whether Slater's condition holds: a feasible point that satisfies every curved row and cone strictly.

    Attributes
    ----------
    holds : bool or None, None where it could not be decided
    interior : bool, at x all rows of G and bounds are strict too
    x : (n,) array or None
    margin : float, the least slack at x, in units of the rows; of all rows, or of the curved ones and cones
    message : str, in words, with the rows that exclude each other if it does not hold
    """

    holds: bool | None
    interior: bool
    x: np.ndarray | None
    margin: float
    message: str


def margin_at(problem: QCQP, x: np.ndarray, *, curved_only: bool = False) -> float:
    """The least slack at x of the inequalities, bounds and cones; +inf if there are none."""
    values = problem.inequality_values(x)
    curved = np.array([is_curved(f) for f in problem.inequalities] + [False] * problem.h.size, dtype=bool)
    if curved_only:
        values = values[curved]
    slacks = [-values, -problem.cone_values(x)]
    if not curved_only:
        slacks += [x - problem.lb, problem.ub - x]
    return float(min(part.min(initial=np.inf) for part in slacks))


def is_curved(f: Quadratic) -> bool:
    """Whether f has a quadratic term."""
    return f.P is not None and (f.structure == "operator" or not is_zero(f.P))


def strictly_feasible(problem: QCQP, known: Any = None) -> Slater:
    """Slater's condition for a convex problem, by maximising the least slack t ≤ 1.

        maximise t   subject to   fᵢ(x) + t ≤ 0,   Gx + t1 ≤ h,   Ax = b,   lb + t ≤ x ≤ ub - t,
                                  ‖Aₖx + bₖ‖ + t ≤ cₖᵀx + dₖ,   t ≤ 1

    Affine rows are tried with slack first, and then without, which is enough (Boyd & Vandenberghe, section 5.2.3).
    `known`, a point that is said to be strictly feasible, is checked instead, if it is given and is.
    """
    if known is not None:
        x = as_vector("slater", known, problem.n)
        off = float(np.abs(problem.equality_values(x)).max(initial=0.0))
        margin = margin_at(problem, x)
        if margin > 0 and off <= 1e-9 * (1.0 + float(np.abs(problem.b).max(initial=0.0))):
            return Slater(True, True, x, margin, "the point that was given is inside every row")
    message = ""
    for curved_only in (False, True):
        found = solve(_phase_one(problem, curved_only=curved_only))
        if found.status is Status.INFEASIBLE:
            # t may fall as it likes: only equalities, and rows without it, can contradict each other.
            return Slater(False, False, None, np.nan, "the affine constraints contradict each other")
        if not np.isfinite(found.x).all():
            return Slater(None, False, None, np.nan, f"the phase-I problem ended with status {found.status}")
        x, t = found.x[:-1], float(found.x[-1])
        margin = margin_at(problem, x, curved_only=curved_only)
        if t > NONE and margin > 0:
            message = ("a point that is inside every row" if not curved_only else
                       f"{message}, but they are affine; a feasible point is inside all others")
            return Slater(True, not curved_only, x, margin, message)
        message = _reason(problem, found, t)
        if t < -NONE:
            break
    return Slater(False, False, None, np.nan, message)


def _reason(problem: QCQP, found: Any, t: float) -> str:
    """Which rows exclude each other: those with weight in the phase-I problem's multipliers."""
    quadratics = len(problem.inequalities)
    lam, z = found.lam, [float(v[0]) for v in found.lam_cones]
    largest = max(float(lam.max(initial=0.0)), max(z, default=0.0), 1e-300)
    names = [f"inequalities[{i}]" for i in np.flatnonzero(lam[:quadratics] > 1e-3 * largest)]
    names += [f"cones[{k}]" for k, weight in enumerate(z) if weight > 1e-3 * largest]
    rows = found.lam[quadratics:]
    affine = [f"G row {i}" for i in np.flatnonzero(rows[:problem.h.size] > 1e-3 * largest)]
    if rows[problem.h.size:].max(initial=0.0) > 1e-3 * largest:
        affine.append("the bounds")
    if found.nu.size and float(np.abs(found.nu).max()) > 1e-3 * largest:
        affine.append("the equalities")
    every = names + affine
    together = ", ".join(every[:6]) + (", ..." if len(every) > 6 else "")
    if t < -NONE:
        return f"no point is feasible: at every point some row is violated, by {-t:.3g} at least, among {together}"
    return f"{together} leave no point with slack in all of them"


def _phase_one(problem: QCQP, *, curved_only: bool) -> QCQP:
    """In (x, t), minimising -t."""
    n = problem.n
    slack = np.zeros(n + 1)
    slack[n] = 1.0
    inequalities = [Quadratic(_wider(f), np.append(f.q, 1.0 if is_curved(f) or not curved_only else 0.0), f.r)
                    for f in problem.inequalities]
    give = 0.0 if curved_only else 1.0
    unit = sp.eye_array(n, format="csr")
    below, above = np.isfinite(problem.lb), np.isfinite(problem.ub)
    finite = np.isfinite(problem.h)
    stack = sp.vstack([sp.csr_array(problem.G)[finite], -unit[below], unit[above]], format="csr")
    G = sp.hstack([stack, np.full((stack.shape[0], 1), give)], format="csr")
    h = np.concatenate([problem.h[finite], -problem.lb[below], problem.ub[above]])
    A = sp.hstack([sp.csr_array(problem.A), np.zeros((problem.p, 1))], format="csr")
    cones = [SecondOrderCone(sp.hstack([sp.csr_array(cone.A), np.zeros((cone.size - 1, 1))], format="csr"), cone.b,
                             np.append(cone.c, -1.0), cone.d) for cone in problem.cones]
    if G.shape[0] * n <= 10_000:
        G, A = dense(G), dense(A)
    ub = np.full(n + 1, np.inf)
    ub[n] = 1.0
    return QCQP(Quadratic(None, -slack), inequalities, G=G, h=h, A=A, b=problem.b, ub=ub, cones=cones)


def _wider(f: Quadratic) -> Any:
    """P with a row and a column of zeros for t."""
    n = f.n
    if f.P is None:
        return None
    if isinstance(f.P, FactoredMatrix):
        return FactoredMatrix(sp.hstack([sp.csr_array(f.P.factor), np.zeros((f.P.factor.shape[0], 1))], format="csr"),
                              np.append(f.P.diag, 0.0))
    if sp.issparse(f.P):
        return sp.block_diag([f.P, sp.csr_array((1, 1))], format="csr")
    P = np.zeros((n + 1, n + 1))
    P[:n, :n] = f.hessian()
    return P
