"""How far a price holds: the range of a right-hand side over which the active set stays what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg.lapack import dgecon, dgetrf, dgetrs

from ..errors import ProblemError
from ..problem import QCQP
from ..solution import Solution
from ..solver import solve
from ..validation import dense
from .active import ActiveSet, active_set, hessian_and_rows
from .multiplier_set import program
from .rhs import direction, one_sided_derivatives, perturbed

# Steps into a direction are tried from this share of the data's size on; a range shorter than CLOSEST of it is none.
FIRST, CLOSEST, FARTHEST = 1e-2, 1e-9, 1e6
# Active systems of up to so many unknowns are solved as dense ones.
LARGEST = 3000


@dataclass(frozen=True, eq=False)
class PriceRange:
    """Over which t the problem with right-hand sides moved by t·direction keeps its active set.

    Attributes
    ----------
    low, high : float, low ≤ 0 ≤ high: ends of the piece left of 0 and of the piece right of 0; ±inf where there is none
    slope_left, slope_right : float, slopes of p* at 0; equal where the price is unique
    same : bool, the pieces are one: the active set does not change at 0 either, and the price holds over [low, high]
    active_left, active_right : tuple of str, the rows that hold with equality on each piece
    exact : bool, from the optimality conditions, which are linear for LP and QP; else by following the active set
    message : str, which, and what the slopes mean

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 15.0], lb=0.0)
    >>> found = ck.price_range(problem, ck.solve(problem), u=[1.0, 0.0])
    >>> round(found.low, 6), round(found.high, 6), round(found.slope_right, 6), found.exact
    (-2.5, 5.0, -2.0, True)
    """

    low: float
    high: float
    slope_left: float
    slope_right: float
    same: bool
    active_left: tuple[str, ...]
    active_right: tuple[str, ...]
    exact: bool
    message: str


def price_range(problem: QCQP, solution: Solution, *, u: Any = None, v: Any = None, lb: Any = None,
                ub: Any = None) -> PriceRange:
    """The range of t around 0 in which the active set of p*(t·direction), and with it its price, holds.

    For LP and QP the optimality conditions with a given active set are linear in (x, lam, nu, t), and the ends come
    from a ratio test or, where x or the multipliers are not unique, from two linear programs: exact. On the range p* is
    linear for an LP, quadratic for a QP. With quadratic constraints the solution with that active set is followed by
    Newton's method to where a multiplier or a slack becomes zero; each point on the way satisfies the optimality
    conditions.

    Parameters
    ----------
    problem : convex QCQP without cones
    solution : Solution of it, `optimal`
    u, v, lb, ub : the direction, as in `perturbed`

    Returns
    -------
    PriceRange
        If the price is not unique there are two pieces that meet at 0, each with its slope.

    Raises
    ------
    NotSolvedError, ProblemError
        If the solution is not optimal, or of another problem; for cones; for a direction that is zero.

    Notes
    -----
    Some solves close to 0 find the active set of each side. Boyd & Vandenberghe, section 5.6; exercise 5.33.

    Examples
    --------
    x² + 1 where (x - 2)(x - 4) ≤ t, exercise 5.1: the row stays active until t = 8, and is infeasible below t = -1.

    >>> import convexkit as ck
    >>> problem = ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0)])
    >>> found = ck.price_range(problem, ck.solve(problem), u=[1.0])
    >>> round(found.low, 6), round(found.high, 6), found.exact
    (-1.0, 8.0, False)
    """
    moves = direction(problem, u, v, lb, ub)
    active_set(problem, solution.require_optimal())  # for its errors
    largest = max(float(np.abs(d).max(initial=0.0)) for d in moves)
    if largest == 0:
        raise ProblemError("the direction is zero; give u, v, lb or ub.")
    unit = _size(problem) / largest
    slopes = one_sided_derivatives(problem, solution, **dict(zip(("u", "v", "lb", "ub"), moves, strict=True)))
    linear = not problem.inequalities
    sides = []
    for sign in (-1.0, 1.0):
        signed = tuple(sign * d for d in moves)
        sides.append(_side(problem, signed, unit, linear))
    (left, left_set), (right, right_set) = sides
    names = tuple(found.names(problem) if found is not None else () for found in (left_set, right_set))
    same = left > 0 and right > 0 and names[0] == names[1] and _close(slopes.left, slopes.right)
    how = "exactly, from the optimality conditions" if linear else "by following the active set"
    what = f"the active set holds for t from {-left:.6g} to {right:.6g}" if same else \
        f"0 is a breakpoint: one active set from {-left:.6g} to 0, another from 0 to {right:.6g}"
    return PriceRange(-left, right, slopes.left, slopes.right, same, names[0], names[1], linear, f"{what}, {how}.")


def _close(a: float, b: float) -> bool:
    return bool(np.isfinite(a) and np.isfinite(b) and abs(a - b) <= 1e-6 * (1.0 + abs(a)))


def _size(problem: QCQP) -> float:
    limits = np.concatenate([problem.h, problem.b, problem.lb, problem.ub, [f.r for f in problem.inequalities]])
    return max(1.0, float(np.abs(limits[np.isfinite(limits)]).max(initial=0.0)))


def _moved(problem: QCQP, moves: tuple, t: float) -> QCQP | None:
    """The problem at t; None if its bounds cross."""
    lb, ub = problem.lb + t * moves[2], problem.ub + t * moves[3]
    if (lb > ub).any():
        return None
    return perturbed(problem, **{name: t * d for name, d in zip(("u", "v", "lb", "ub"), moves, strict=True)})


def _side(problem: QCQP, moves: tuple, unit: float, linear: bool) -> tuple[float, ActiveSet | None]:
    """How far the active set next to t = 0+ holds, and which it is; 0 and None if no t > 0 is feasible."""
    t = FIRST * unit
    while t > CLOSEST * unit:
        current = _moved(problem, moves, t)
        solution = solve(current, tol=1e-10) if current is not None else None
        if current is None or solution is None or not np.isfinite(solution.x).all() \
                or solution.residuals is None or solution.residuals.max() > 1e-7:
            t *= 0.1
            continue
        active = active_set(current, solution)
        if linear:
            ends = _interval(problem, moves, active)
            if ends is None:
                t *= 0.1
            elif ends[0] <= CLOSEST * unit:
                return ends[1], active
            else:
                t = 0.5 * ends[0]
            continue
        path = _Path(problem, moves, active, solution, t)
        if not path.holds(t) or not path.holds(1e-3 * t):
            t *= 0.1
            continue
        return path.end(t, FARTHEST * unit), active
    return 0.0, None


def _interval(problem: QCQP, moves: tuple, active: ActiveSet) -> tuple[float, float] | None:
    """The t ≥ 0 at which a point and multipliers with this active set satisfy the optimality conditions of a QP.

        Px + G_Bᵀlam + Aᵀnu - lam_lb + lam_ub = -q,   lam ≥ 0
        G_Bx = h_B + tu_B,  Ax = b + tv,  x = lb + t·dlb or ub + t·dub at active bounds,  the others ≤
    """
    u, v, dlb, dub = moves
    n = problem.n
    P = problem.objective.P
    P = sp.csr_array((n, n)) if P is None else sp.csr_array(P if sp.issparse(P) else problem.objective.hessian())
    G, A, eye = sp.csr_array(problem.G), sp.csr_array(problem.A), sp.eye_array(n, format="csr")
    on = np.zeros(problem.m, dtype=bool)
    on[active.lam] = True
    off = ~on & np.isfinite(problem.h)
    low, high = (np.isfinite(b) for b in (problem.lb, problem.ub))
    low[active.lb] = high[active.ub] = False
    k = active.lam.size + problem.p + active.lb.size + active.ub.size
    rows = sp.vstack([G[on], A, -eye[active.lb], eye[active.ub]], format="csr")
    shift = np.concatenate([u[on], v, -dlb[active.lb], dub[active.ub]])
    limit = np.concatenate([problem.h[on], problem.b, -problem.lb[active.lb], problem.ub[active.ub]])
    A_eq = sp.block_array([[P, rows.T, sp.csr_array((n, 1))],
                           [rows, sp.csr_array((k, k)), sp.csr_array(-shift[:, None])]], format="csr")
    b_eq = np.concatenate([-problem.objective.q, limit])
    others = sp.vstack([G[off], -eye[low], eye[high]], format="csr")
    b_ub = np.concatenate([problem.h[off], -problem.lb[low], problem.ub[high]])
    drift = np.concatenate([u[off], -dlb[low], dub[high]])
    signed = np.ones(k, dtype=bool)
    signed[active.lam.size:active.lam.size + problem.p] = False
    if n + k <= LARGEST:
        found = _by_ratios(P, rows, problem.objective.q, limit, shift, signed, others, b_ub, drift)
        if found is not None:
            return found
    A_ub = sp.hstack([others, sp.csr_array((others.shape[0], k)),
                      sp.csr_array(-drift[:, None])], format="csr")
    free, positive = [(None, None)], [(0, None)]
    bounds = free * n + positive * active.lam.size + free * problem.p + positive * (active.lb.size + active.ub.size + 1)
    cost = np.zeros(n + k + 1)
    ends = []
    for sign in (1.0, -1.0):
        cost[-1] = sign
        found = program(cost, A_ub=A_ub, b_ub=b_ub, A_eq=A_eq, b_eq=b_eq, bounds=bounds)
        if found.status not in (0, 3):
            return None
        ends.append(np.inf if found.status == 3 else float(found.x[-1]))
    return ends[0], ends[1]


def _by_ratios(P: Any, rows: Any, q: np.ndarray, limit: np.ndarray, shift: np.ndarray, signed: np.ndarray, others: Any,
               most: np.ndarray, drift: np.ndarray) -> tuple[float, float] | None:
    """The same interval where the active set determines x and multipliers: they are linear in t, and a ratio test
    tells how far they stay ≥ 0. None if the system is singular, or nothing satisfies the conditions.

        [ P    rowsᵀ ] [ x ]   [ -q            ]
        [ rows 0     ] [ y ] = [ limit + t·shift ]
    """
    n, k = P.shape[0], rows.shape[0]
    K = np.zeros((n + k, n + k))
    K[:n, :n], K[n:, :n] = P.toarray(), rows.toarray()
    K[:n, n:] = K[n:, :n].T
    factors, pivots, info = dgetrf(K)
    if info != 0 or dgecon(factors, np.abs(K).sum(axis=0).max())[0] < 1e-12:
        return None
    right = np.stack([np.concatenate([-q, limit]), np.concatenate([np.zeros(n), shift])], axis=1)
    at, slope = dgetrs(factors, pivots, right)[0].T
    start = np.concatenate([at[n:][signed], most - others @ at[:n]])
    rise = np.concatenate([slope[n:][signed], drift - others @ slope[:n]])
    sizes = np.concatenate([np.full(int(signed.sum()), np.abs(at[n:]).max(initial=1e-300)),
                            np.abs(most) + abs(others) @ np.abs(at[:n]) + 1e-300])
    start[np.abs(start) <= 1e-13 * sizes] = 0.0
    flat = np.abs(rise) <= 1e-13 * np.abs(rise).max(initial=1e-300)
    if (start[flat] < 0).any():
        return None
    ratios = -start[~flat] / rise[~flat]
    low, high = ratios[rise[~flat] > 0].max(initial=0.0), ratios[rise[~flat] < 0].min(initial=np.inf)
    return (float(low), float(high)) if low <= high else None


class _Path:
    """Solutions with a given active set along t, by Newton's method on the optimality conditions as equations."""

    def __init__(self, problem: QCQP, moves: tuple, active: ActiveSet, solution: Solution, t: float):
        self.problem, self.moves, self.active = problem, moves, active
        y = np.concatenate([solution.lam[active.lam], solution.nu, solution.lam_lb[active.lb],
                            solution.lam_ub[active.ub]])
        self.known = [(t, solution.x, y)]

    def holds(self, t: float) -> bool:
        """Whether the equations have a solution at t with multipliers ≥ 0 and every other row satisfied."""
        problem, active = _moved(self.problem, self.moves, t), self.active
        if problem is None:
            return False
        _, x, y = min(self.known, key=lambda entry: abs(entry[0] - t))
        eye = np.eye(problem.n)
        bounds = np.concatenate([-eye[active.lb], eye[active.ub]])
        limits = np.concatenate([-problem.lb[active.lb], problem.ub[active.ub]])
        k = active.lam.size
        with np.errstate(over="ignore", invalid="ignore"):
            previous = np.inf
            for _ in range(30):
                lam = np.zeros(problem.m)
                lam[active.lam] = y[:k]
                H, J, values = hessian_and_rows(problem, x, lam, active.lam)
                rows = np.concatenate([dense(J), dense(problem.A), bounds])
                residual = np.concatenate([problem.objective.gradient(x) + rows.T @ y, values,
                                           problem.A @ x - problem.b, bounds @ x - limits])
                K = np.block([[dense(H), rows.T], [rows, np.zeros((len(rows), len(rows)))]])
                try:
                    step = np.linalg.solve(K, -residual)
                except np.linalg.LinAlgError:
                    return False
                x, y = x + step[:problem.n], y + step[problem.n:]
                if not np.isfinite(step).all():
                    return False
                length = np.abs(step).max() / (1.0 + np.abs(x).max() + np.abs(y).max(initial=0.0))
                # Near a multiplier that grows without end rounding keeps steps from becoming shorter than that.
                if length <= 1e-12 or 0.5 * previous < length <= 1e-5:
                    break
                previous = length
            else:
                return False
        free = slice(k, k + problem.p)
        signed = np.delete(y, np.arange(k + problem.p)[free])
        others = np.ones(problem.m, dtype=bool)
        others[active.lam] = False
        room = 1e-12 * (1.0 + np.abs(x))
        inside = (problem.inequality_values(x)[others] <= 1e-12 * _size(problem)).all() \
            and (x >= problem.lb - room).all() and (x <= problem.ub + room).all()
        fine = bool(inside and (signed >= -1e-12 * (1.0 + np.abs(y).max(initial=0.0))).all())
        if fine:
            self.known.append((t, x, y))
        return fine

    def end(self, t: float, farthest: float) -> float:
        """The largest t up to which `holds`, by doubling and bisection; inf beyond `farthest`."""
        good, bad = t, 2.0 * t
        while self.holds(bad):
            good, bad = bad, 2.0 * bad
            if good > farthest:
                return float(np.inf)
        for _ in range(60):
            middle = 0.5 * (good + bad)
            if self.holds(middle):
                good = middle
            else:
                bad = middle
            if bad - good <= 1e-13 * bad:
                break
        return good
