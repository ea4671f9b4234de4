"""The problem as the iteration sees it: curved rows, linear rows, bounds, equalities, in one scaled order."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from ..errors import ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic
from ..validation import dense
from .equalities import independent_rows
from .scaling import Scaling, equilibrate


@dataclass(frozen=True)
class Multipliers:
    """A primal-dual point in the user's units and order."""

    x: np.ndarray
    lam: np.ndarray
    nu: np.ndarray
    lam_lb: np.ndarray
    lam_ub: np.ndarray


class Form:
    """Dense data of a QCQP in the order: curved inequalities, linear inequalities, lower bounds, upper bounds.

    Affine members of `problem.inequalities` join the linear rows, rows of G that say nothing are left out, and a
    variable with lb = ub becomes an equality. The P's are stacked once, unscaled: Newton steps do not depend
    on the units of x, so scaling enters through the rows only (see `scaling`).

    Attributes
    ----------
    P : (k, n, n) array, the nonzero P's, the objective's first if it has one (`curved_objective`)
    q0, c : the objective's linear term and scale
    rows : (mq + ml, n) array, scaled; the first mq are overwritten by the iteration
    q, r : the curved rows' linear and constant terms, scaled; r covers the linear rows too
    d : (mq,) array, scales of the curved rows
    diagonals : (mq, n) array, their scaled diagonals of P
    low, high : indices of the bounded variables, d_low, d_high their scales
    A, b : scaled equalities, dependent rows left out; kept : indices of the others
    contradiction : multipliers that prove the equalities inconsistent, or None
    """

    def __init__(self, problem: QCQP, passes: int):
        n = problem.n
        self.n = n
        objective = problem.objective
        _refuse_what_does_not_fit(problem)
        curved: list[int] = []
        linear: list[int] = []
        for i, f in enumerate(problem.inequalities):
            if not _is_flat(f):
                curved.append(i)
            elif f.q.any() or f.r > 0:
                linear.append(i)
        self._curved, self._affine = np.array(curved, dtype=int), np.array(linear, dtype=int)
        G = dense(problem.G)
        # A row 0ᵀx ≤ h with h ≥ 0 says nothing; with h < 0 it is the whole proof of infeasibility, and stays.
        says_nothing = (problem.h == np.inf) | (~G.any(axis=1) & (problem.h >= 0))
        self._rows_of_G = np.flatnonzero(~says_nothing)
        self._quadratics, self._m = len(problem.inequalities), problem.m
        self.curved_objective = not _is_flat(objective)
        matrices = [objective.hessian()] if self.curved_objective else []
        matrices += [problem.inequalities[i].hessian() for i in curved]
        self.P = np.empty((len(matrices), n, n))
        for k, matrix in enumerate(matrices):
            self.P[k] = matrix
        self.q0 = np.asarray(objective.q, dtype=np.float64)
        affine = [problem.inequalities[i] for i in linear]
        q = np.array([problem.inequalities[i].q for i in curved]).reshape(-1, n)
        linear_rows = np.concatenate([np.array([f.q for f in affine]).reshape(-1, n), G[self._rows_of_G]
                                      if says_nothing.any() else G])
        r = np.concatenate([np.array([problem.inequalities[i].r for i in curved + linear]),
                            -problem.h[self._rows_of_G]])
        fixed = problem.lb == problem.ub
        self._fixed = np.flatnonzero(fixed)
        self.low = np.flatnonzero(np.isfinite(problem.lb) & ~fixed)
        self.high = np.flatnonzero(np.isfinite(problem.ub) & ~fixed)
        A, b = dense(problem.A), problem.b
        if self._fixed.size:
            A = np.concatenate([A, np.eye(n)[self._fixed]])
            b = np.concatenate([b, problem.lb[self._fixed]])

        self.mq, self.ml = len(curved), linear_rows.shape[0]
        self.scaling: Scaling = equilibrate(
            self.P.diagonal(axis1=1, axis2=2), self.curved_objective, self.q0, np.concatenate([q, linear_rows]), r,
            A, b, problem.lb[self.low], self.low, problem.ub[self.high], self.high, passes)
        scale = self.scaling
        self.c = scale.objective
        self.d = scale.rows[:self.mq]
        self.q = q * self.d[:, None]
        self.diagonals = self.P.diagonal(axis1=1, axis2=2)[int(self.curved_objective):] * self.d[:, None]
        self.r = r * scale.rows
        self.rows = np.concatenate([self.q, linear_rows * scale.rows[self.mq:, None]])
        self.d_low, self.d_high = 1.0 / scale.columns[self.low], 1.0 / scale.columns[self.high]
        # Constant terms of all rows: τ·constants + rows·x + s = 0 for the rows that are not curved.
        self.constants = np.concatenate([self.r, problem.lb[self.low] * self.d_low,
                                         -problem.ub[self.high] * self.d_high])
        A, b = A * scale.equalities[:, None], b * scale.equalities
        self._equalities = b.size
        split = independent_rows(A, b)
        self.m = self.constants.size
        self.contradiction: Multipliers | None = None
        if split.contradiction is not None:
            self.kept = np.arange(b.size)
            self.contradiction = self.unscale(np.zeros(n), np.zeros(self.m), split.contradiction, 1.0 / self.c)
        self.kept = split.kept
        self.A, self.b = (A, b) if split.kept.size == b.size else (A[split.kept], b[split.kept])
        self.p = self.b.size

    def origin(self) -> Multipliers:
        """Zero everywhere, in the user's shapes: the point of an outcome that has none."""
        return self.unscale(np.zeros(self.n), np.zeros(self.m), np.zeros(self.p), 1.0)

    def times(self, J: np.ndarray, v: np.ndarray) -> np.ndarray:
        """All m rows times v: [J v; -d_low·v; d_high·v]. v may have several columns."""
        low, high = v[self.low], v[self.high]
        if v.ndim == 1:
            return np.concatenate([J @ v, -self.d_low * low, self.d_high * high])
        return np.concatenate([J @ v, -self.d_low[:, None] * low, self.d_high[:, None] * high])

    def transposed(self, J: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Σ yᵢ·rowᵢ over all m rows."""
        split = J.shape[0]
        out = J.T @ y[:split]
        middle = split + self.low.size
        if self.low.size:
            out[self.low] -= self.d_low * y[split:middle]
        if self.high.size:
            out[self.high] += self.d_high * y[middle:]
        return out

    def unscale(self, x: np.ndarray, lam: np.ndarray, nu: np.ndarray, divisor: float) -> Multipliers:
        """The point (x, lam, nu)/divisor in the user's units and order."""
        rows = self.mq + self.ml
        out = np.zeros(self._m)
        scaled = lam[:rows] * self.scaling.rows / (self.c * divisor)
        affine = self.mq + self._affine.size
        out[self._curved] = scaled[:self.mq]
        out[self._affine] = scaled[self.mq:affine]
        out[self._quadratics + self._rows_of_G] = scaled[affine:]
        lam_lb, lam_ub = np.zeros(self.n), np.zeros(self.n)
        middle = rows + self.low.size
        lam_lb[self.low] = lam[rows:middle] * self.d_low / (self.c * divisor)
        lam_ub[self.high] = lam[middle:] * self.d_high / (self.c * divisor)
        every = np.zeros(self._equalities)
        every[self.kept] = nu
        every *= self.scaling.equalities / (self.c * divisor)
        own = self._equalities - self._fixed.size
        # The multiplier of x_j = lb_j = ub_j goes to the bound that it pushes against.
        lam_lb[self._fixed] = np.maximum(-every[own:], 0.0)
        lam_ub[self._fixed] = np.maximum(every[own:], 0.0)
        return Multipliers(x / divisor, out, every[:own], lam_lb, lam_ub)


def _refuse_what_does_not_fit(problem: QCQP) -> None:
    """Dense storage of every P, twice n×n for the system, and the rows: refuse before memory runs out."""
    n = problem.n
    curved = sum(f.P is not None for f in (problem.objective, *problem.inequalities))
    needed = 8.0 * n * ((curved + 3.0) * n + 3.0 * (problem.m + problem.p))
    try:
        available = float(os.sysconf("SC_PAGE_SIZE")) * float(os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not on every system
        return
    if needed > available:
        raise ProblemError(
            f"the problem needs {needed / 2**30:.1f} GiB stored densely (n = {n}, {curved} matrices, "
            f"{problem.m + problem.p} rows), and this machine has {available / 2**30:.1f} GiB. The "
            "interior-point method works on dense matrices; reduce n, or eliminate variables.")


def _is_flat(f: Quadratic) -> bool:
    """Whether f has no quadratic term, or one that is zero."""
    if f.P is None:
        return True
    if isinstance(f.P, np.ndarray):
        return not f.P.any()
    return f.structure == "sparse" and f.P.count_nonzero() == 0
