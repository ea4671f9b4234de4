"""Answers so small that the tolerance does not see them: solved again, in units in which they are of size one.

Gaps are relative to the terms of the objective, and to one unit of its coefficients where the terms are less, or an
optimum at the origin could never be told. A gap of 1e-8 says nothing of a value of 1e-9. With x = size·x̂ and every
function divided by `size` the problem is

    size·P, q, r/size,    Gx̂ ≤ h/size,    Ax̂ = b/size,    lb/size ≤ x̂ ≤ ub/size,    ‖Ax̂ + b/size‖ ≤ cᵀx̂ + d/size

and has the same multipliers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..duality import row_largest
from ..interior_point import Multipliers, Settings
from ..problem import QCQP, SecondOrderCone
from ..quadratic import Quadratic, weighted_sum
from ..solution import IterationRecord, Solution, Status
from .verdict import residuals_at

# Larger units than this change little.
SMALL = 0.1
# A value counts as known if its gap is at most this many times `tol` of itself: a second solve is for what is wrong by
# more than 5e-7 at the usual 1e-8, and spares one problem in ten of the public sets that are not.
SHARE = 50.0
# How often units are made smaller: an x that is all noise is nearer to its true size each time.
ROUNDS = 3


Tell = Callable[[IterationRecord], Any] | None


def sharpened(problem: QCQP, solution: Solution, settings: Settings, callback: Tell, start: float,
              solve_again: Callable[[QCQP, Settings, Tell], Solution]) -> Solution:
    """The solution, or a better one from smaller units where the gap that is left is too large a share of the value.

    The callback is told of every iteration, as if they were one run.
    """
    last = 1.0
    for _ in range(ROUNDS):
        size = None if is_sharp(problem, solution, settings.tol) else _size(problem, solution)
        if size is None or not size < SMALL * last:
            break
        last = size
        left = settings.time_limit - (time.perf_counter() - start)
        tell = None if callback is None else _translated(callback, solution.nit, size)
        again = solve_again(in_units(problem, size), replace(settings, time_limit=max(left, 0.0)), tell)
        solution = replace(solution, nit=solution.nit + again.nit, seconds=time.perf_counter() - start)
        point = Multipliers(size * again.x, again.lam, again.nu, again.lam_lb, again.lam_ub, again.lam_cones)
        if not again.success:
            break
        residuals = residuals_at(problem, point)
        if not (residuals.max() <= settings.tol
                and abs(residuals.value - residuals.dual_value) < abs(solution.value - solution.dual_value)):
            break
        solution = replace(solution, x=point.x, lam=point.lam, nu=point.nu, lam_lb=point.lam_lb, lam_ub=point.lam_ub,
                           lam_cones=point.lam_cones, value=residuals.value, dual_value=residuals.dual_value,
                           residuals=residuals, message=f"{again.message[:-1]}, in units of {size:.0e}.")
    return solution


def _translated(callback: Callable[[IterationRecord], Any], before: int, size: float) -> Tell:
    """Iterations counted on from `before`, without the start; values in the problem's own units."""
    def tell(record: IterationRecord) -> None:
        if record.iteration:
            callback(replace(record, iteration=before + record.iteration, value=size * record.value,
                             dual_value=size * record.dual_value))

    return tell


def is_sharp(problem: QCQP, solution: Solution, tol: float) -> bool:
    """Whether the value, constant apart, is known to a share of itself; of most solutions two numbers tell."""
    if solution.status is not Status.OPTIMAL:
        return True
    return abs(solution.value - solution.dual_value) <= SHARE * tol * abs(solution.value - problem.objective.r)


def _size(problem: QCQP, solution: Solution) -> float | None:
    """The size of x, or of what limits it if the value is all noise; None if that is not at hand."""
    quadratics = (problem.objective, *problem.inequalities)
    if any(f.structure == "operator" for f in quadratics):
        return None
    x, f0 = solution.x, problem.objective
    gap = abs(solution.value - solution.dual_value)
    terms = 0.5 * float(x @ f0.hessp(x)) + float(np.abs(f0.q) @ np.abs(x))
    size = float(np.abs(x).max())
    if terms <= 10.0 * gap:
        size = _reach(problem)
    return size if 0 < size < SMALL else None


def _reach(problem: QCQP) -> float:
    """The largest distance at which the terms of a limit reach its constant: how far out a solution may be; or 0.

    Where an optimum at the origin is not told from one near it, this says which sizes count.
    """
    def distances(constants: np.ndarray, slopes: np.ndarray, bends: np.ndarray | float = 0.0) -> float:
        # The positive root of ½bend·t² + slope·t = |constant|, without cancellation.
        constants = np.where(np.isfinite(constants), np.abs(constants), 0.0)
        root = slopes + np.sqrt(slopes * slopes + 2.0 * bends * constants)
        return float((2.0 * constants[root > 0] / root[root > 0]).max(initial=0.0))

    rows = problem.inequalities
    slopes = np.array([np.abs(f.q).max() for f in rows])
    bends = np.array([0.0 if f.P is None else _steepest(f) for f in rows])
    return max(distances(np.array([f.r for f in rows]), slopes, bends),
               distances(problem.h, row_largest(problem.G)), distances(problem.b, row_largest(problem.A)),
               distances(problem.lb, np.ones(problem.n)), distances(problem.ub, np.ones(problem.n)),
               *(distances(np.append(cone.b, cone.d), np.append(row_largest(cone.A), np.abs(cone.c).max()))
                 for cone in problem.cones))


def _steepest(f: Quadratic) -> float:
    """Largest diagonal entry of P."""
    if f.structure == "factored":
        squares = f.P.factor.multiply(f.P.factor) if hasattr(f.P.factor, "multiply") else f.P.factor**2
        return float((np.asarray(squares.sum(axis=0)).reshape(-1) + f.P.diag).max())
    return float(f.P.diagonal().max())


def in_units(problem: QCQP, size: float) -> QCQP:
    """The problem in x/size, all functions divided by `size`."""
    def scaled(f: Quadratic) -> Quadratic:
        return Quadratic._of(None if f.P is None else weighted_sum([size], [f]).P, f.q, f.r / size)

    cones = [SecondOrderCone(cone.A, cone.b / size, cone.c, cone.d / size) for cone in problem.cones]
    return QCQP(scaled(problem.objective), [scaled(f) for f in problem.inequalities], G=problem.G, h=problem.h / size,
                A=problem.A, b=problem.b / size, lb=problem.lb / size, ub=problem.ub / size, cones=cones)
