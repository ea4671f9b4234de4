"""Between problems and the compiled kernel: what it takes, and how its answer is read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np

from ...duality import KKTResiduals, within_reach
from ...problem import QCQP, qp
from ...quadratic import CONVEXITY_TOLERANCE, PROBES
from ...validation import probe
from ..form import Multipliers
from ..iteration import Outcome
from ..presolve import NO_BOUND, bounds_from_rows
from ..settings import Settings
from .cache import available

# Above this many variables LAPACK's blocked factorization beats the kernel's.
LARGEST_COMPILED = 256
# The kernel gives up after so many iterations; what it has not solved by then needs more care than it takes.
PATIENCE = 40
# It looks at no clock, and takes less than this.
SHORTEST_LIMIT = 1.0
BACKEND, CLOSED_FORM = "compiled dense Cholesky", "compiled closed form"
NOTHING = np.zeros(0, dtype=np.int64)


@lru_cache(maxsize=1)
def _kernels() -> tuple[Any, Any]:
    """(take, iterate). The first call imports numba."""
    from .kernel import iterate
    from .linear import take

    return take, iterate


def warm_up() -> None:
    """Compile, by solving a problem and adding up a matrix."""
    _solved(qp(np.eye(2), [1.0, -1.0], lb=0.0), Settings())
    passes = PassesOver([np.eye(2)])
    passes.add_up(np.ones(1), np.ones(2), np.empty((1, 2)), np.empty((2, 2)))
    passes.multiply(np.ones(2), np.empty((1, 2)))


class PassesOver:
    """What an iteration asks of C-ordered float64 arrays: compiled, one triangle of each read once."""

    def __init__(self, matrices: Sequence[np.ndarray]):
        from . import passes

        self._passes = passes
        self._kept = tuple(matrices)  # of which only the addresses are passed on
        self._where = passes.addresses(self._kept)

    def add_up(self, weights: np.ndarray, x: np.ndarray, products: np.ndarray, total: np.ndarray) -> None:
        """`quadratic.add_up`; of the total only the upper triangle is written."""
        self._passes.sum_and_products(self._where, weights, x, products, total)

    def multiply(self, x: np.ndarray, products: np.ndarray) -> None:
        """products[k] = matrices[k]·x."""
        self._passes.all_products(self._where, x, products)


def run_compiled(problem: QCQP, settings: Settings, warm: Multipliers | None = None, late: bool = False
                 ) -> Outcome | None:
    """The solution of a dense problem with up to 256 variables, or None: then it is `iteration.run`'s.

    If `late`, a glance at each P and a proof for the answer's Lagrangian stand for the check of every P.

    None for cones, sparse, factored or operator data, fixed variables, empty rows, problems without inequalities, and
    whatever is not plainly convex and plainly solved: infeasible, unbounded, ill-posed.
    """
    if (problem.n > LARGEST_COMPILED or problem.cones or settings.time_limit < SHORTEST_LIMIT or not available()
            or not (isinstance(problem.G, np.ndarray) and isinstance(problem.A, np.ndarray))):
        return None
    return _solved(problem, settings, warm, late)


def _solved(problem: QCQP, settings: Settings, warm: Multipliers | None = None, late: bool = False
            ) -> Outcome | None:
    n, lb, ub, G, A = problem.n, problem.lb, problem.ub, problem.G, problem.A
    objective, inequalities = problem.objective, problem.inequalities
    curved: list[int] = []
    affine: list[int] = []
    for i, f in enumerate(inequalities):
        if f.P is not None and not isinstance(f.P, np.ndarray):
            return None
        (affine if _is_zero(f.P) else curved).append(i)
    if objective.P is not None and not isinstance(objective.P, np.ndarray):
        return None
    # Rows with one entry are bounds; most problems have none.
    bounds, limited = None, NOTHING
    if problem.h.size:
        limited = np.flatnonzero(problem.h < NO_BOUND)
        if (np.count_nonzero(G, axis=1) < 2).any():
            bounds, limited = bounds_from_rows(problem)
            lb, ub = bounds.lb, bounds.ub
    at = np.concatenate([np.flatnonzero(lb > -NO_BOUND), np.flatnonzero(ub < NO_BOUND)])
    if at.size and (lb >= ub).any():
        return None
    quadratics, mq, p = len(inequalities), len(curved), problem.p
    places = [*curved, *affine]
    r = quadratics + limited.size
    if r + at.size == 0:
        return None  # linear algebra
    # A factorization of its own proves the ellipsoid's P definite.
    ellipsoid = r == mq == 1 and at.size == p == 0 and _is_zero(objective.P) and objective.q.any()
    lines, ends = np.empty((r + p, n)), np.empty(r + p)
    for k, i in enumerate(places):
        f = inequalities[i]
        lines[k], ends[k] = f.q, f.r
    lines[quadratics:r], ends[quadratics:r] = G[limited], -problem.h[limited]
    lines[r:], ends[r:] = A, -problem.b
    if not lines[mq:].any(axis=1).all():
        return None
    take, iterate = _kernels()
    steps = 0 if n <= PROBES else 1 if ellipsoid else PROBES if late else 0
    scratch, first = np.empty((n, n)), probe(n)
    packed = np.empty((1 + mq, n * (n + 1) // 2))
    if _is_zero(objective.P):
        packed[0] = 0.0
    elif not take(_plain(cast(np.ndarray, objective.P)), packed[0], scratch, CONVEXITY_TOLERANCE, first, steps):
        return None
    for k in range(mq):
        if not take(_plain(cast(np.ndarray, inequalities[curved[k]].P)), packed[1 + k], scratch, CONVEXITY_TOLERANCE,
                    first, steps):
            return None
    edge = np.ones(at.size)
    edge[:at.size - np.count_nonzero(ub < NO_BOUND)] = -1.0
    x, y, lam_bounds, evidence = np.empty(n), np.empty(r + p), np.zeros((2, n)), np.empty(9)
    if warm is not None:
        lam, lam_bounds[0], lam_bounds[1] = warm.lam.copy(), warm.lam_lb, warm.lam_ub
        if bounds is not None:
            bounds.take_over(lam_bounds[0], lam_bounds[1], lam[quadratics:])
        x[:], y[:quadratics], y[quadratics:r], y[r:] = warm.x, lam[places], lam[quadratics + limited], warm.nu
    # Every array in C's order: another one would be another signature, compiled within the first solve.
    nit = iterate(packed, packed.take(_diagonal(n), axis=1), np.array(objective.q, dtype=np.float64), objective.r,
                  lines, ends, quadratics, r, np.array([lb, ub]), at, edge, settings.tol,
                  min(settings.maxiter, PATIENCE), 0.0 if warm is None else settings.warm_share,
                  CONVEXITY_TOLERANCE if late else 0.0, x, y, lam_bounds, evidence)
    if nit < 0:
        return None
    if not within_reach(problem, x):
        return None
    if r == problem.m and mq in (0, quadratics):
        lam = y[:r]
    else:
        lam = np.zeros(problem.m)
        lam[places] = y[:quadratics]
        lam[quadratics + limited] = y[quadratics:r]
    point = Multipliers(x, lam, y[r:], lam_bounds[0], lam_bounds[1])
    backend = CLOSED_FORM if ellipsoid else BACKEND
    if bounds is not None:
        # The evidence is of bounds that the user wrote as rows: let it be judged again as given.
        bounds.give_back(point.lam_lb, point.lam_ub, lam[quadratics:])
        return Outcome("converged", point, point, None, None, nit, backend)
    stationarity, primal, dual, complementarity, gap, value, dual_value, worst, amount = evidence.tolist()
    places += (quadratics + limited).tolist()
    residuals = KKTResiduals(stationarity, primal, dual, complementarity, gap, value, dual_value,
                             _words(problem, places, int(worst), amount))
    return Outcome("converged", point, point, None, None, nit, backend, residuals)


def _is_zero(P: np.ndarray | None) -> bool:
    return P is None or (P.item(-1) == 0 and not P.any())


@lru_cache(maxsize=16)
def _diagonal(n: int) -> np.ndarray:
    """Where a packed matrix has its diagonal."""
    i = np.arange(n)
    return i * (i + 3) // 2


def _plain(P: np.ndarray) -> np.ndarray:
    """P as the kernel takes it: float64, in one order, writeable."""
    if P.dtype != np.float64:
        return P.astype(np.float64)
    if not P.flags.c_contiguous:
        P = P.T if P.flags.f_contiguous else np.ascontiguousarray(P)
    return P if P.flags.writeable and P.flags.aligned else P.copy()


def _words(problem: QCQP, places: list[int], worst: int, amount: float) -> str:
    """`KKTResiduals.where`."""
    if worst < 0:
        return ""
    n, quadratics = problem.n, len(problem.inequalities)
    if worst < len(places):
        i = places[worst]
        if i < quadratics:
            return f"inequalities[{i}] is positive by {amount:.1e}"
        return f"G row {i - quadratics} exceeds its limit by {amount:.1e}"
    worst -= len(places)
    if worst < problem.p:
        return f"A row {worst} is off by {amount:.1e}"
    side, j = divmod(worst - problem.p, n)
    return f"x[{j}] is {'above' if side else 'below'} its bound by {amount:.1e}"
