"""The search for a direction of recession along which f₀ falls, as a problem of its own.

    minimise  ½Σ (dⱼ/Eⱼ)²   s.t.  q₀ᵀd ≤ -1,  Pᵢd = 0,  qᵢᵀd ≤ 0,  Gd ≤ 0,  Ad = 0,  dⱼ ≥ 0 at a lower bound, ≤ 0 at an
                                 upper one,  ‖Aₖd‖ ≤ cₖᵀd      (E: the scales of the variables)

The point of the embedding tends to such a d, but where many of them differ it may wander among them for as long as it
likes, and what it has is mixed with what will vanish. The shortest direction is one point, with multipliers, and found
to all digits in a few iterations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..duality import NO_BOUND
from ..problem import QCQP, SecondOrderCone
from ..quadratic import Quadratic, entry_size, is_flat, weighted_sum

# Above this many variables a matrix Σ Pᵢ that is not sparse would cost more than it is worth.
LARGEST = 1000


def recession_problem(problem: QCQP, columns: np.ndarray) -> QCQP | None:
    """The problem above in units in which q₀ has size one; None without a slope, or where Σ Pᵢ is not at hand."""
    n = problem.n
    q0 = problem.objective.q
    steepest = float(np.abs(q0 * columns).max(initial=0.0))
    if steepest == 0:
        return None
    flat = _flat_along(problem)
    if flat is None:
        return None
    slopes = np.array([q0 / steepest, *(f.q for f in problem.inequalities)])
    limits = np.zeros(slopes.shape[0])
    limits[0] = -1.0
    G = problem.G[problem.h < NO_BOUND]
    size = sp.diags_array(1.0 / columns**2, format="csr")
    sparse = sp.issparse(problem.G) or sp.issparse(problem.A) or sp.issparse(flat)
    if sparse:
        rows: Any = sp.csr_array(sp.vstack([sp.csr_array(slopes), sp.csr_array(G)]))
        equalities: Any = sp.csr_array(sp.vstack([sp.csr_array(problem.A), sp.csr_array(flat)]))
    else:
        rows, equalities, size = np.concatenate([slopes, G]), np.concatenate([problem.A, flat]), size.toarray()
    cones = [SecondOrderCone(cone.A, np.zeros(cone.size - 1), cone.c, 0.0) for cone in problem.cones]
    return QCQP(Quadratic(size, np.zeros(n)), G=rows, h=np.concatenate([limits, np.zeros(G.shape[0])]),
                A=equalities, b=np.zeros(equalities.shape[0]), lb=np.where(problem.lb > -NO_BOUND, 0.0, -np.inf),
                ub=np.where(problem.ub < NO_BOUND, 0.0, np.inf), cones=cones)


def _flat_along(problem: QCQP) -> Any:
    """A matrix M with Md = 0 where no P curves along d; None if that would take a large dense matrix, or products."""
    curved = [f for f in (problem.objective, *problem.inequalities) if not is_flat(f)]
    if not curved:
        return np.zeros((0, problem.n))
    if any(f.structure == "operator" for f in curved):
        return None
    sizes = np.array([entry_size(f.P) for f in curved])
    total = weighted_sum(1.0 / np.where(sizes > 0, sizes, 1.0), curved)
    if total.structure == "sparse":
        return total.P
    return total.hessian() if problem.n <= LARGEST else None
