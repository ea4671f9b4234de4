"""Whether a problem is convex: of every P beforehand, or of the answer's Lagrangian afterwards."""

from __future__ import annotations

import numpy as np

from ..errors import NotConvexError
from ..interior_point import Multipliers, all_threads
from ..problem import QCQP
from ..quadratic import doubtful, weighted_sum

# Above this many variables it takes a third of a solution's time and more to factor every dense P.
LATE = 128


def proved_late(problem: QCQP) -> bool:
    """Whether convexity is proved of the answer, not of every P beforehand.

    If L(·, lam, nu) is convex and x minimises it, x is optimal whatever the single P's are: one factorization in place
    of one for each P, which together would cost as much as the whole iteration.
    """
    every = (problem.objective, *problem.inequalities)
    return problem.n > LATE and sum(f.structure == "dense" for f in every) > 2


def convex_lagrangian(problem: QCQP, point: Multipliers) -> bool:
    """Whether P₀ + Σ lamᵢPᵢ ⪰ 0 at the point's multipliers."""
    quadratics = len(problem.inequalities)
    combined = weighted_sum(np.concatenate([[1.0], point.lam[:quadratics]]), (problem.objective, *problem.inequalities))
    with all_threads(problem.n):
        return combined.is_convex()


def require_convex(problem: QCQP, late: bool = False) -> None:
    """Raise NotConvexError with the name of the row if a P is not positive semidefinite.

    If `late`, only what is easily seen of dense P's counts.
    """
    every = (problem.objective, *problem.inequalities)
    diagonals = [f.P.diag for f in every if f.structure == "factored"]
    factored = bool(diagonals) and np.concatenate(diagonals).min(initial=0.0) >= 0  # ten thousand at a glance
    with all_threads(problem.n):
        for i, f in enumerate(every):
            if (factored and f.structure == "factored") or (late and f.structure == "dense" and not doubtful(f.P)) \
                    or f.is_convex():
                continue
            name = "objective.P" if i == 0 else f"inequalities[{i - 1}].P"
            raise NotConvexError(
                f"{name} is not positive semidefinite: smallest eigenvalue {f.smallest_eigenvalue():.1e}. "
                "A convex solver needs P ⪰ 0; for one quadratic constraint see trust_region_step.")
