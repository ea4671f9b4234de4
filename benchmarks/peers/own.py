"""convexkit itself, from the arrays on; and the closed form of one ellipsoid, to be held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

import convexkit as ck

from .base import Answer, Options


def rebuilt(problem: ck.QCQP) -> ck.QCQP:
    """The problem made once more from its arrays, so that convexkit's checks of its input are timed."""
    def again(f: ck.Quadratic) -> ck.Quadratic:
        if f.structure == "factored":
            return ck.Quadratic.from_factor(f.P.factor, diag=f.P.diag, q=f.q, r=f.r)
        return ck.Quadratic(f.P, f.q, f.r)

    extra = {"cones": problem.cones} if getattr(problem, "cones", ()) else {}
    return ck.QCQP(again(problem.objective), [again(f) for f in problem.inequalities], G=problem.G, h=problem.h,
                   A=problem.A, b=problem.b, lb=problem.lb, ub=problem.ub, **extra)


def _of(solution: Any) -> Answer:
    return Answer(solution.x, str(solution.status), solution.nit, solution)


def with_convexkit(problem: ck.QCQP, options: Options) -> Answer:
    return _of(ck.solve(rebuilt(problem), tol=options.tol, time_limit=options.time_limit))


def many_with_convexkit(problems: Sequence[ck.QCQP], options: Options) -> list[Answer]:
    return [_of(s) for s in ck.solve_many([rebuilt(p) for p in problems], tol=options.tol)]


def warm_with_convexkit(problems: Sequence[ck.QCQP], options: Options) -> list[Answer]:
    """Each problem started from the solution of the one before."""
    answers: list[Answer] = []
    for problem in problems:
        start = {"warm_start": answers[-1].solution} if answers else {}
        answers.append(_of(ck.solve(rebuilt(problem), tol=options.tol, **start)))
    return answers


def closed_form(problem: ck.QCQP, options: Options) -> Answer:
    """min cᵀx over ½xᵀPx + qᵀx + r ≤ 0, P ≻ 0:  x = -P⁻¹(q + c/λ)  with  λ² = cᵀP⁻¹c / (qᵀP⁻¹q - 2r)."""
    (f,) = problem.inequalities
    c = problem.objective.q
    Pinv = cho_solve(cho_factor(f.P, lower=True, check_finite=False), np.column_stack([c, f.q]), check_finite=False)
    lam = np.sqrt((c @ Pinv[:, 0]) / (f.q @ Pinv[:, 1] - 2.0 * f.r))
    return Answer(-Pinv[:, 1] - Pinv[:, 0] / lam, "closed form")
