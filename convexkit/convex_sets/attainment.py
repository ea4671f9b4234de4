"""Whether an infimum over a set with cones is attained, or only approached by points that run away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem import QCQP, SecondOrderCone
from ..quadratic import Quadratic
from ..solution import Solution
from ..solver import solve

# A direction in which no cone opens by more than this, with entries up to 1, is no direction of escape.
OPENING = 1e-6
# Weights of ‖x‖², relative to the objective, with which points are held back; well above what the solver leaves of the
# objective, or its error would move them. A minimiser that exists stays where it is, one that does not moves out by a
# power of the weight: by 100^¼ = 3.2 from one to the next in the example of a hyperbola.
WEIGHTS = (1e-2, 1e-4, 1e-6)
GROWTH, STILL = 1.5, 1.05


@dataclass(frozen=True)
class Escape:
    """Whether near-minimisers run away: True, False, or None where that could not be told; how far they were seen."""

    escapes: bool | None
    message: str
    direction: np.ndarray
    reach: float = 0.0


def escape(problem: QCQP, solution: Solution) -> Escape | None:
    """Look for a direction of recession in which the objective does not rise and a cone opens; then hold points back.

        d:  P₀d = 0,  q₀ᵀd ≤ 0,  Pᵢd = 0,  qᵢᵀd ≤ 0,  Gd ≤ 0,  Ad = 0,  bounds,  ‖Aₖd‖ ≤ cₖᵀd,  not all with cₖᵀd = 0

    If there is none, the infimum is attained, and None is returned: what is left is rows and quadratics, for which a
    finite infimum always is. If there is one, minimise f₀(x) + ½w‖x‖² for smaller and smaller w: the minimisers tend to
    the shortest solution if there is one, and go off to infinity if there is none.
    """
    d = _opening(problem)
    if d is None:
        return None
    sizes, last = [], d
    scale = max(abs(solution.value), float(abs(problem.objective.q).max(initial=0.0)),
                float(abs(problem.objective.hessian()).max(initial=0.0)))
    for weight in WEIGHTS:
        f = problem.objective
        held = Quadratic(f.hessian() + weight * scale * np.eye(f.n), f.q, f.r)
        found = solve(_like(problem, held), tol=1e-12)
        if found.certificate is not None or found.residuals is None or found.residuals.max() > 1e-9:
            return Escape(None, "whether it is attained could not be told: " + found.message, d)
        sizes.append(float(np.linalg.norm(found.x)))
        last = found.x
    if sizes[2] > GROWTH * sizes[1] and sizes[1] > GROWTH * sizes[0]:
        return Escape(True, "points that come nearer and nearer to it run away, to ‖x‖ = "
                            + ", ".join(f"{size:.3g}" for size in sizes) + " for the same falling weight on ‖x‖².",
                      last / np.linalg.norm(last), sizes[2])
    if sizes[2] <= STILL * sizes[1]:
        return Escape(False, "points held back by less and less stay where they are.", d, sizes[2])
    return Escape(None, "whether it is attained could not be told.", d, sizes[2])


def _opening(problem: QCQP) -> np.ndarray | None:
    """The direction of recession with entries up to 1 in which cones open most; None if none opens."""
    f = problem.objective
    flat = [g.hessian() for g in (f, *problem.inequalities) if not g.is_affine]
    slopes = [g.q / max(float(abs(g.q).max(initial=0.0)), np.finfo(float).tiny) for g in (f, *problem.inequalities)]
    finite = np.isfinite(problem.h)
    rows = np.asarray(problem.G.toarray() if hasattr(problem.G, "toarray") else problem.G)[finite]
    A = np.asarray(problem.A.toarray() if hasattr(problem.A, "toarray") else problem.A)
    G = np.vstack([*slopes, rows])
    E = np.vstack([A, *(P / max(float(abs(P).max(initial=0.0)), np.finfo(float).tiny) for P in flat)])
    cones = [SecondOrderCone(k.A, None, k.c, 0.0) for k in problem.cones]
    c = -np.sum([k.c for k in problem.cones], axis=0)
    found = solve(QCQP(Quadratic(None, c), G=G, h=np.zeros(len(G)), A=E, b=np.zeros(len(E)), cones=cones,
                       lb=np.where(np.isfinite(problem.lb), 0.0, -1.0), ub=np.where(np.isfinite(problem.ub), 0.0, 1.0)))
    if not np.isfinite(found.x).all() or -found.value <= OPENING * float(np.abs(c).sum()):
        return None
    return found.x


def _like(problem: QCQP, objective: Quadratic) -> QCQP:
    return QCQP(objective, problem.inequalities, G=problem.G, h=problem.h, A=problem.A, b=problem.b, lb=problem.lb,
                ub=problem.ub, cones=problem.cones)
