"""How deep inside its constraints a problem's points can be: one more variable, and one convex problem."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..duality import Rows, row_sizes, row_terms_at, row_values
from ..problem import QCQP, SecondOrderCone
from ..quadratic import FactoredMatrix, Quadratic
from ..solution import Solution
from ..solver import solve
from ..validation import dense


@dataclass(frozen=True, eq=False)
class Deepest:
    """The point that is deepest inside some rows, and the weights that show that none is deeper.

    Attributes
    ----------
    x : (n,) array
    depth : float, the largest value over these rows, in units of `row_sizes`; negative inside
    solution : Solution of the problem with one variable more
    lam, nu, lam_lb, lam_ub, lam_cones : arrays, weights of the rows of the problem itself
    """

    x: np.ndarray
    depth: float
    solution: Solution
    lam: np.ndarray
    nu: np.ndarray
    lam_lb: np.ndarray
    lam_ub: np.ndarray
    lam_cones: tuple[np.ndarray, ...]


def deepest(problem: QCQP, rows: Rows, *, tol: float = 1e-10) -> Deepest:
    """Minimise t where the masked rows are ≤ t·size and the others hold, t ≥ -1.

        minimise t   subject to   fᵢ(x) ≤ sᵢt,  Gx - h ≤ st,  …,  Ax = b,  t ≥ -1

    It has a strictly feasible point wherever the rows that are not masked have one.
    """
    n, quadratics = problem.n, len(problem.inequalities)
    unit = rows.like(row_sizes(problem))
    slack = rows.like(np.where(rows.flat(), -unit.flat(), 0.0))
    curved = [_lifted(f, s) for f, s in zip(problem.inequalities, slack.lam[:quadratics], strict=True)]
    lower, upper = np.flatnonzero(rows.lb), np.flatnonzero(rows.ub)
    G = _columns([problem.G, -sp.eye_array(n, format="csr")[lower], sp.eye_array(n, format="csr")[upper]],
                 np.concatenate([slack.lam[quadratics:], slack.lb[lower], slack.ub[upper]]))
    h = np.concatenate([problem.h, -problem.lb[lower], problem.ub[upper]])
    cones = [SecondOrderCone(_columns([c.A], np.zeros(c.size - 1)), c.b, np.append(c.c, -s), c.d)
             for c, s in zip(problem.cones, slack.cones, strict=True)]
    lifted = QCQP(Quadratic(None, np.append(np.zeros(n), 1.0)), curved, G=G, h=h,
                  A=_columns([problem.A], np.zeros(problem.p)), b=problem.b,
                  lb=np.append(np.where(rows.lb, -np.inf, problem.lb), -1.0),
                  ub=np.append(np.where(rows.ub, np.inf, problem.ub), np.inf), cones=cones)
    solution = solve(lifted, tol=tol)
    x = solution.x[:n]
    lam = np.maximum(solution.lam, 0.0)
    own, of_lower, of_upper = np.split(lam, np.cumsum([problem.m, lower.size]))
    lam_lb, lam_ub = (np.maximum(v[:n], 0.0) for v in (solution.lam_lb, solution.lam_ub))
    lam_lb[lower], lam_ub[upper] = of_lower, of_upper
    depth = float(np.max((row_values(problem, x).flat() / unit.flat())[rows.flat()], initial=-np.inf)) \
        if np.isfinite(x).all() else np.inf
    return Deepest(x, depth, replace(solution, x=x), own, solution.nu, lam_lb, lam_ub,
                   tuple(solution.lam_cones) if problem.cones else ())


def strictly_inside(problem: QCQP, x: np.ndarray, rows: Rows) -> bool:
    """Whether the masked rows are negative at x beyond the rounding of their terms."""
    if not np.isfinite(x).all():
        return False
    below = row_values(problem, x).flat() < -1e-12 * row_terms_at(problem, x)
    return bool(below[rows.flat()].all())


def _lifted(f: Quadratic, slope: float) -> Quadratic:
    """f(x) + slope·t in the variables (x, t), in f's structure."""
    q = np.append(f.q, slope)
    if f.P is None:
        return Quadratic(None, q, f.r)
    if isinstance(f.P, FactoredMatrix):
        return Quadratic.from_factor(_columns([f.P.factor], np.zeros(f.P.factor.shape[0])), np.append(f.P.diag, 0.0), q,
                                     f.r)
    if sp.issparse(f.P):
        return Quadratic(sp.block_diag([f.P, sp.csr_array((1, 1))], format="csr"), q, f.r)
    P = np.zeros((f.n + 1, f.n + 1))
    P[:-1, :-1] = f.hessian()
    return Quadratic(P, q, f.r)


def _columns(blocks: list[Any], last: np.ndarray) -> Any:
    """Blocks above each other, with one more column on the right; sparse only if the first block is."""
    if sp.issparse(blocks[0]):
        return sp.csr_array(sp.hstack([sp.vstack([sp.csr_array(b) for b in blocks]), sp.csr_array(last[:, None])]))
    return np.column_stack([np.concatenate([dense(b) for b in blocks]), last])
