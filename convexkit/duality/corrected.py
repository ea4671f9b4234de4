"""A point and its multipliers, brought closer to optimal by Newton's method on the rows that are active."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from ..problem import QCQP
from .kkt import kkt_residuals
from .lagrangian import Lagrangian
from .multipliers import PrimalDualPoint

# Multipliers below this share of the largest are taken for zero and stay as they are.
ACTIVE = 1e-6
# Variables and active rows together, beyond which nothing is tried: the system is dense.
LARGEST = 500
# A point this good is left alone.
GOOD = 1e-9


def corrected(problem: QCQP, point: PrimalDualPoint) -> PrimalDualPoint:
    """The point after two steps, or one, or none, of Newton's method, as long as the largest KKT residual falls
    and x stays feasible.

        [ P(lam)  Jᵀ ] [ dx ]     [ ∇ₓL    ]
        [ J       0  ] [ dμ ] = - [ values ]      of the rows with a multiplier, equalities included

    The cones' multipliers stay. The least-squares solution, O((n + k)³), as active rows may depend on each other.
    """
    last = kkt_residuals(problem, *point)
    for _ in range(2 if last.max() > GOOD else 0):
        moved = _step(problem, point)
        if moved is None:
            break
        now = kkt_residuals(problem, *moved)
        if not (now.max() < last.max() and now.primal <= max(last.primal, GOOD)):
            break
        point, last = moved, now
    return point


def _step(problem: QCQP, point: PrimalDualPoint) -> PrimalDualPoint | None:
    x, lam, nu, lam_lb, lam_ub, _ = point
    n, quadratics = problem.n, len(problem.inequalities)
    largest = max((float(np.abs(v).max(initial=0.0)) for v in (lam, nu, lam_lb, lam_ub)), default=0.0)
    active = [np.flatnonzero(v > ACTIVE * largest) for v in (lam, lam_lb, lam_ub)]
    count = sum(a.size for a in active) + nu.size
    if not count or n + count > LARGEST:
        return None
    curved, linear = active[0][active[0] < quadratics], active[0][active[0] >= quadratics] - quadratics
    unit = sp.eye_array(n, format="csr")
    slopes = np.array([problem.inequalities[i].gradient(x) for i in curved]).reshape(-1, n)
    J = sp.vstack([sp.csr_array(slopes), sp.csr_array(problem.G)[linear], sp.csr_array(problem.A), -unit[active[1]],
                   unit[active[2]]]).toarray()
    values = np.concatenate([problem.inequality_values(x)[active[0]], problem.equality_values(x),
                             (problem.lb - x)[active[1]], (x - problem.ub)[active[2]]])
    function = Lagrangian(problem).at(*point[1:])
    # Rows of the size of P, so that the least-squares solution weighs both alike.
    P = function.hessian()
    size = float(np.abs(P).max(initial=0.0)) or 1.0
    scale = size / np.where((norms := np.linalg.norm(J, axis=1)) > 0, norms, size)
    J, values = J * scale[:, None], values * scale
    system = np.block([[P, J.T], [J, np.zeros((count, count))]])
    step = np.linalg.lstsq(system, -np.concatenate([function.gradient(x), values]), rcond=1e-11)[0]
    parts = np.split(step[n:] * scale, np.cumsum([active[0].size, nu.size, active[1].size]))
    new = [v.copy() for v in (lam, lam_lb, lam_ub)]
    for vector, where, part in zip(new, active, (parts[0], parts[2], parts[3]), strict=True):
        vector[where] = np.maximum(vector[where] + part, 0.0)
    return point._replace(x=x + step[:n], lam=new[0], nu=nu + parts[1], lam_lb=new[1], lam_ub=new[2])
