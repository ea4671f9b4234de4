"""The problem as the iteration sees it: curved rows, linear rows, cones, bounds, equalities, in one scaled order."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..errors import ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic, is_flat
from ..validation import dense
from .cones import Cones
from .curvature import Curvature, DenseList, DenseStack, FactorStack, SparseStack, factored
from .equalities import independent_rows
from .multipliers import Multipliers
from .presolve import bounds_from_rows
from .reduction import Reduction
from .scaling import Scaling, equilibrate
from .sparse_rank import independent_sparse_rows

# Below this many variables and rows together, dense linear algebra wins whatever the structure.
SMALL = 80
# Share of nonzeros of the (n + rows)-sized system above which sparse factors fill up.
FULL = 0.1
# From this size on dense matrices are not copied.
LARGE = 200


class Form:
    """Data of a QCQP in the order: curved inequalities, linear ones, second-order cones, lower bounds, upper bounds.

    `problem` is what `Reduction` leaves of the one that was given; x and everything else here is of that. Affine
    members of its inequalities join the linear rows, rows of G that say nothing are left out, those with one entry
    become bounds, and a variable whose bounds coincide becomes an equality. The P's are stacked, unscaled: Newton
    steps do not depend on the units of x, so scaling enters through the rows only (see `scaling`).

    Attributes
    ----------
    layout : "dense", "factored" or "sparse"; rows and A are CSR in the last
    curvature : the P's of objective and curved inequalities
    q0, c : the objective's linear term and scale
    rows : (mq + ml + cones.total, n), scaled; the first mq are overwritten by the iteration
    d : (mq,) array, scales of the curved rows; diagonals : their scaled diagonals of P, (mq, n)
    cones : where the cones' entries lie
    lb, ub : the bounds, rows of G with one entry included
    low, high : indices of the bounded variables, d_low, d_high their scales
    A, b : scaled equalities, dependent rows left out; kept : indices of the others
    constants : (m,) array; τ·constants + rows·x + s = 0 for the rows that are not curved
    m, degree : number of slack entries, and of complementary pairs (a cone counts as one)
    contradiction : multipliers that prove the equalities, or two bounds, inconsistent; or None
    """

    def __init__(self, problem: QCQP, passes: int):
        self.reduction = Reduction(problem)
        self.problem = problem = self.reduction.problem
        n = problem.n
        self.n = n
        objective = problem.objective
        curved: list[int] = []
        linear: list[int] = []
        for i, f in enumerate(problem.inequalities):
            if not is_flat(f):
                curved.append(i)
            elif f.q.any() or f.r > 0:
                linear.append(i)
        self._curved, self._affine = np.array(curved, dtype=int), np.array(linear, dtype=int)
        self._quadratics, self._m = len(problem.inequalities), problem.m
        inequalities = [problem.inequalities[i] for i in curved]
        self.layout = choose_layout(problem, inequalities)
        self.q0 = np.asarray(objective.q, dtype=np.float64)
        stack = {"dense": DenseStack if n < LARGE else DenseList, "factored": FactorStack, "sparse": SparseStack}
        self.curvature: Curvature = stack[self.layout](objective, inequalities, n)
        self.curved_objective = self.curvature.objective

        bounds, remaining = bounds_from_rows(problem)
        self._bounds, self._rows_of_G = bounds, remaining
        self.lb, self.ub = bounds.lb, bounds.ub
        affine = [problem.inequalities[i] for i in linear]
        G = problem.G if remaining.size == problem.h.size else problem.G[remaining]
        fixed = bounds.lb == bounds.ub
        self._fixed = np.flatnonzero(fixed)
        self.low = np.flatnonzero(np.isfinite(bounds.lb) & ~fixed)
        self.high = np.flatnonzero(np.isfinite(bounds.ub) & ~fixed)
        A, b = problem.A, problem.b
        if self.layout == "sparse":
            parts = [sp.csr_array(np.array([f.q for f in affine]).reshape(-1, n)), sp.csr_array(G)]
            parts += [sp.vstack([-cone.c[None, :], -sp.csr_array(cone.A)]) for cone in problem.cones]
            linear_rows: Any = sp.csr_array(sp.vstack(parts))
            A = sp.csr_array(A, copy=True)
            for matrix in (linear_rows, A):  # entries that occur twice are added
                matrix.sum_duplicates()
            if self._fixed.size:
                A = sp.csr_array(sp.vstack([A, sp.eye_array(n, format="csr")[self._fixed]]))
                b = np.concatenate([b, bounds.lb[self._fixed]])
            rows: Any = sp.csr_array(sp.vstack([self.curvature.rows(), linear_rows]))
        else:
            parts = [np.array([f.q for f in affine]).reshape(-1, n), dense(G)]
            parts += [np.concatenate([-cone.c[None, :], -dense(cone.A)]) for cone in problem.cones]
            linear_rows = np.concatenate(parts)
            A = dense(A)
            if self._fixed.size:
                A = np.concatenate([A, np.eye(n)[self._fixed]])
                b = np.concatenate([b, bounds.lb[self._fixed]])
            rows = np.concatenate([self.curvature.rows(), linear_rows])

        self.mq, self.ml = len(curved), len(linear) + remaining.size
        self.cones = Cones(self.mq + self.ml, [cone.size for cone in problem.cones])
        r = np.concatenate([[f.r for f in inequalities], [f.r for f in affine], -problem.h[remaining],
                            *(np.concatenate([[-cone.d], -cone.b]) for cone in problem.cones)])
        diagonal0, diagonals = self.curvature.diagonals()
        self.scaling: Scaling = equilibrate(
            diagonal0, diagonals, self.q0, rows, r, self.cones, A, b, bounds.lb[self.low], self.low,
            bounds.ub[self.high], self.high, passes)
        scale = self.scaling
        self.c = scale.objective
        self.d = scale.rows[:self.mq]
        self.diagonals = scaled_rows(diagonals, self.d)
        self.rows = scaled_rows(rows, scale.rows)
        self.q = self.rows[:self.mq]
        low_size, high_size = scale.columns[self.low], scale.columns[self.high]
        if self.mq:  # as for the other rows, constants count where there are curved ones
            low_size = np.maximum(low_size, np.abs(bounds.lb[self.low]))
            high_size = np.maximum(high_size, np.abs(bounds.ub[self.high]))
        self.d_low, self.d_high = 1.0 / low_size, 1.0 / high_size
        self.constants = np.concatenate([r * scale.rows, bounds.lb[self.low] * self.d_low,
                                         -bounds.ub[self.high] * self.d_high])
        A, b = scaled_rows(A, scale.equalities), b * scale.equalities
        self._equalities = b.size
        self.m = self.constants.size
        self.degree = self.m - self.cones.total + self.cones.count
        self.contradiction: Multipliers | None = None
        self.kept = np.arange(b.size)
        if b.size:
            split = independent_sparse_rows(A, b) if self.layout == "sparse" else independent_rows(A, b)
            if split.contradiction is not None:
                self.contradiction = self.proof(np.zeros(n), np.zeros(self.m), split.contradiction, 1.0 / self.c)
            self.kept = split.kept
        crossed = bounds.lb - bounds.ub
        if (crossed > 0).any() and self.contradiction is None:
            # lb ≤ x ≤ ub with lb > ub is a proof by itself; whether it exceeds rounding, its verification says.
            j = int(np.argmax(np.where(np.isfinite(crossed), crossed, -np.inf)))
            lam = np.zeros(self.m)
            at = rows.shape[0] + int(np.searchsorted(self.low, j))
            lam[at] = 1.0 / self.d_low[at - rows.shape[0]]
            at = rows.shape[0] + self.low.size + int(np.searchsorted(self.high, j))
            lam[at] = 1.0 / self.d_high[at - rows.shape[0] - self.low.size]
            self.contradiction = self.proof(np.zeros(n), lam, np.zeros(self.kept.size), crossed[j] / self.c)
        positive = self.mq + np.flatnonzero(self.constants[self.mq:self.mq + self.ml] > 0)
        if positive.size and self.contradiction is None:
            # 0ᵀx + r ≤ 0 with r > 0 is another.
            chosen = self.rows[positive]
            entries = np.diff(chosen.indptr) if self.layout == "sparse" else chosen.any(axis=1)
            if not entries.all():
                lam = np.zeros(self.m)
                lam[positive[int(np.argmin(entries))]] = 1.0
                worth = float(lam @ self.constants)
                self.contradiction = self.proof(np.zeros(n), lam, np.zeros(self.kept.size), worth / self.c)
        self.A, self.b = (A, b) if self.kept.size == b.size else (A[self.kept], b[self.kept])
        self.p = self.b.size

    def origin(self) -> Multipliers:
        """Zero everywhere, in the user's shapes: the point of an outcome that has none."""
        return self.proof(np.zeros(self.n), np.zeros(self.m), np.zeros(self.p), 1.0)

    def times(self, J: Any, v: np.ndarray) -> np.ndarray:
        """All m rows times v: [J v; -d_low·v; d_high·v]."""
        return np.concatenate([J @ v, -self.d_low * v[self.low], self.d_high * v[self.high]])

    def transposed(self, J: Any, y: np.ndarray) -> np.ndarray:
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
        """The point (x, lam, nu)/divisor of the user's problem."""
        return self.reduction.restore(self.in_units(x, lam, nu, divisor), objective=True)

    def proof(self, x: np.ndarray, lam: np.ndarray, nu: np.ndarray, divisor: float) -> Multipliers:
        """The same without the objective: multipliers that are to contradict each other."""
        return self.reduction.restore(self.in_units(x, lam, nu, divisor), objective=False)

    def in_units(self, x: np.ndarray, lam: np.ndarray, nu: np.ndarray, divisor: float) -> Multipliers:
        """The point (x, lam, nu)/divisor of `problem`, in the user's units and order."""
        rows = self.mq + self.ml
        every_row = rows + self.cones.total
        out = np.zeros(self._m)
        scaled = lam[:every_row] * self.scaling.rows / (self.c * divisor)
        affine = self.mq + self._affine.size
        out[self._curved] = scaled[:self.mq]
        out[self._affine] = scaled[self.mq:affine]
        out[self._quadratics + self._rows_of_G] = scaled[affine:rows]
        cones = tuple(np.split(scaled[rows:], self.cones.heads[1:])) if self.cones.count else ()
        lam_lb, lam_ub = np.zeros(self.n), np.zeros(self.n)
        middle = every_row + self.low.size
        lam_lb[self.low] = lam[every_row:middle] * self.d_low / (self.c * divisor)
        lam_ub[self.high] = lam[middle:] * self.d_high / (self.c * divisor)
        every = np.zeros(self._equalities)
        every[self.kept] = nu
        every *= self.scaling.equalities / (self.c * divisor)
        own = self._equalities - self._fixed.size
        # The multiplier of x_j = lb_j = ub_j goes to the bound that it pushes against.
        lam_lb[self._fixed] = np.maximum(-every[own:], 0.0)
        lam_ub[self._fixed] = np.maximum(every[own:], 0.0)
        self._bounds.give_back(lam_lb, lam_ub, out[self._quadratics:])
        return Multipliers(x / divisor, out, every[:own], lam_lb, lam_ub, cones)

    def scaled(self, point: Multipliers) -> tuple[np.ndarray, np.ndarray]:
        """(lam, nu) of a point of `problem` in its units and order: what `in_units` with divisor 1 undoes."""
        lam_lb, lam_ub = point.lam_lb.copy(), point.lam_ub.copy()
        self._bounds.take_over(lam_lb, lam_ub, point.lam[self._quadratics:])
        rows = np.concatenate([point.lam[self._curved], point.lam[self._affine],
                               point.lam[self._quadratics + self._rows_of_G], *point.lam_cones])
        lam = np.concatenate([rows / self.scaling.rows, lam_lb[self.low] / self.d_low, lam_ub[self.high] / self.d_high])
        nu = np.concatenate([point.nu, (lam_ub - lam_lb)[self._fixed]]) / self.scaling.equalities
        return self.c * lam, self.c * nu[self.kept]


def scaled_rows(matrix: Any, factors: np.ndarray) -> Any:
    """diag(factors)·matrix, dense or CSR."""
    if sp.issparse(matrix):
        out = matrix.copy()
        out.data *= np.repeat(factors, np.diff(out.indptr))
        return out
    return matrix * factors[:, None]


def choose_layout(problem: QCQP, curved: list[Quadratic]) -> str:
    """How the data are kept: as full matrices, as factors, or sparse. Raises ProblemError if nothing fits in memory."""
    n = problem.n
    quadratics = [f for f in (problem.objective, *curved) if f.P is not None]
    rows = problem.h.size + problem.p + len(problem.inequalities) + sum(cone.size for cone in problem.cones)
    if factored(problem.objective, curved):
        return "factored"
    if all(f.structure in ("sparse", "factored") for f in quadratics) and n + rows > SMALL:
        entries = sum(f.P.nnz if f.structure == "sparse" else f.P.factor.shape[0] * n + n for f in quadratics)
        entries += sum(np.count_nonzero(f.q) for f in curved)
        entries += sum(np.count_nonzero(dense(M)) if not sp.issparse(M) else M.nnz
                       for M in (problem.G, problem.A, *(cone.A for cone in problem.cones)))
        if entries <= FULL * n * (n + rows) or _dense_bytes(problem, curved) > 0.5 * _memory():
            return "sparse"
    needed = _dense_bytes(problem, curved)
    if needed > _memory():
        raise ProblemError(
            f"the problem needs {needed / 2**30:.1f} GiB stored densely (n = {n}, {len(quadratics)} matrices, "
            f"{rows} rows), and this machine has {_memory() / 2**30:.1f} GiB. Give sparse matrices, or factors "
            "through Quadratic.from_factor.")
    return "dense"


def _dense_bytes(problem: QCQP, curved: list[Quadratic]) -> float:
    """Every P that has to be formed or stacked, four more n×n for the system and its factor, and the rows."""
    n = problem.n
    formed = sum(n < LARGE or f.structure != "dense" for f in (problem.objective, *curved) if f.P is not None)
    return 8.0 * n * ((formed + 4.0) * n + 3.0 * (problem.m + problem.p + sum(c.size for c in problem.cones)))


def _memory() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE")) * float(os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not on every system
        return np.inf
