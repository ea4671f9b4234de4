"""Primal-dual Newton steps with slacks, from any start in the domain."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError

from ..line_search import backtracking
from ..solution import IterationRecord
from .newton import Dense, Iterative, Newton
from .program import Point, Program, Values

# Up to this many variables the Hessian is formed and factored, above it there are products alone.
LARGEST_DENSE = 300
STEP_FRACTION = 0.995
# No product sₖλₖ may fall below this share of their mean: from the boundary no step leads far.
CENTRAL = 1e-4
LAG = 1e-3  # of the residuals: the mean product is not brought below
SHARE = 0.01  # of the predicted fall of the residuals that a step has to bring
LOOK = 20  # every so many iterations: whether f falls without end
SHORT, CRAWL = 0.1, 12  # so many short steps in a row: better to start anew from where they led
STUCK = 15  # iterations without progress towards the feasible set, after which it is asked whether there is one
FAR = 1e7  # from the start, in its own units: look whether the objective falls without end
TIES = 20  # that are tried, each ten times as strong
REACH = 100.0  # no further than this many times the size of x
ROUNDING = 1e-13


@dataclass
class Ending:
    """How the iteration ended: `converged`, `iteration_limit`, `stalled` or `unbounded`, and where."""

    kind: str
    point: Point
    values: Values
    nit: int
    error: float
    decrement: float


@dataclass
class Errors:
    """Relative residuals of a point, in scaled units."""

    stationarity: float
    primal: float
    complementarity: float

    def max(self) -> float:
        """The largest."""
        return max(self.stationarity, self.primal, self.complementarity)


class Iteration:
    """One run; state is the current point with its values and residuals."""

    def __init__(self, program: Program, x0: np.ndarray, method: str):
        self.program = program
        self.dense = method == "dense" or (method == "auto" and program.n <= LARGEST_DENSE)
        values = program.evaluate(x0)
        self.start_sizes = self._row_sizes(x0, values)
        self.f_start = values.f
        s = np.maximum(-values.c, 0.01 * np.maximum(1.0, np.abs(values.c)))
        lam = np.median(s) / s if s.size else s
        self.x0, self.last = x0, np.zeros_like(x0)
        self.point = Point(x0.copy(), s, lam, np.zeros(len(program.A)))
        self.values = values
        if not program.m and len(program.A):
            self._meet_equalities()
        self.products = 0
        self.tie = 0.0  # added to the Hessian's diagonal while Newton's steps are too long

    def _meet_equalities(self) -> None:
        """Begin at the nearest point with Ax = b, if f is defined there: then f itself measures progress."""
        program = self.program
        x = self.x0 + np.linalg.lstsq(program.A, program.b - program.A @ self.x0, rcond=None)[0]
        values = program.evaluate(x)
        if np.isfinite(values.f) and np.isfinite(values.gradient).all():
            self.point, self.values = Point(x, self.point.s, self.point.lam, self.point.nu), values

    def _row_sizes(self, x: np.ndarray, values: Values) -> np.ndarray:
        program, ax = self.program, np.abs(x)
        k, r = program.k, program.k + program.limited.size
        return np.concatenate([np.abs(values.J) @ ax, program.d[k:r] * (abs(program.rows) @ ax), ax[program.low],
                               ax[program.high]]) + np.abs(values.c)

    def residuals(self, point: Point, values: Values, target: float) -> tuple[np.ndarray, ...]:
        """(r_d, r_p, r_e, r_c): stationarity, inequalities with slacks, equalities, sλ less the target."""
        program = self.program
        r_d = values.gradient + program.transposed(point.lam, values.J) + program.A.T @ point.nu
        return r_d, values.c + point.s, program.A @ point.x - program.b, point.s * point.lam - target

    def errors(self) -> Errors:
        """Relative to the terms that are summed."""
        program, point, values = self.program, self.point, self.values
        r_d, _, r_e, _ = self.residuals(point, values, 0.0)
        pulls = program.transposed(point.lam, np.abs(values.J)) if point.lam.size else np.zeros(1)
        slope = max(1.0, np.abs(values.gradient).max(initial=0.0), np.abs(pulls).max(initial=0.0),
                    np.abs(program.A.T @ point.nu).max(initial=0.0))
        sizes = np.maximum(np.maximum(self._row_sizes(point.x, values), self.start_sizes), 1e-300)
        violation = np.maximum(values.c, 0.0) / sizes
        ends = np.abs(program.A) @ np.abs(point.x) + np.abs(program.b)
        uneven = np.abs(r_e) / np.where(ends > 0, ends, 1.0)
        return Errors(float(np.abs(r_d).max(initial=0.0)) / slope,
                      max(float(violation.max(initial=0.0)), float(uneven.max(initial=0.0))),
                      float(np.abs(point.lam * values.c).sum()) / self.value_size())

    def value_size(self) -> float:
        """What gaps are relative to: |f|, at least one unit of the user's or of the slope at the start."""
        return max(abs(self.values.f), min(1.0, 1.0 / self.program.unit))

    def _system(self) -> Newton:
        kind = Dense if self.dense else Iterative
        point = self.point
        return kind(self.program, point.x, self.values, point.lam, point.lam / point.s, self.tie)

    def decrement(self, newton: Newton) -> float:
        """½r_dᵀK⁻¹r_d along Ax = b: how far below L(x) its minimum may lie, to second order."""
        r_d = self.residuals(self.point, self.values, 0.0)[0]
        dx, _ = newton.solve(-r_d, np.zeros(len(self.program.A)), 1e-2)
        return max(0.5 * float(-r_d @ dx), 0.0)

    def _direction(self, newton: Newton, residuals: tuple[np.ndarray, ...], bend: Any, accuracy: float) -> Point:
        """The step on [H Jᵀ Aᵀ; J I; A; Λ S](dx, ds, dlam, dnu) = -residuals, `bend` added to sλ's."""
        r_d, r_p, r_e, r_c = residuals
        program, J, point = self.program, self.values.J, self.point
        held = (point.lam * r_p - r_c - bend) / point.s
        dx, dnu = newton.solve(-r_d - program.transposed(held, J), -r_e, accuracy)
        self.last = dx
        Jdx = program.times(dx, J)
        return Point(dx, -r_p - Jdx, held + point.lam / point.s * Jdx, dnu)

    def advance(self, newton: Newton, accuracy: float) -> float:
        """One step with predictor and corrector; its length, 0 if none was found."""
        point, m = self.point, self.program.m
        mu = float(point.s @ point.lam) / m if m else 0.0
        if not m:
            step = self._descend(newton, accuracy)
            if step > 0:
                return step
            if self.tie:  # near the solution Newton's own step is best
                self.tie = 0.0
                newton = self._system()
        target, bend = 0.0, np.zeros(m)
        if m:
            affine = self._direction(newton, self.residuals(point, self.values, 0.0), 0.0, accuracy)
            step = _longest(point, affine)
            left = float((point.s + step * affine.s) @ (point.lam + step * affine.lam)) / m
            target, bend = mu * min(1.0, max(left / mu, 0.0)) ** 3, affine.s * affine.lam
            # Products that vanish long before the residuals leave a system that is singular to rounding.
            rest = max(float(np.abs(r).max(initial=0.0)) for r in self.residuals(point, self.values, 0.0)[:3])
            target = max(target, min(mu, LAG * rest))
        for _ in range(3):
            residuals = self.residuals(point, self.values, target)
            merit = _norm(residuals)
            slope = -merit - (float(residuals[3] @ bend) / merit if merit > 0 else 0.0)
            if slope <= -0.1 * merit:
                step = self._search(self._direction(newton, residuals, bend, accuracy), target, merit, slope)
                if step > 1e-3 or (step > 0 and target >= 0.5 * mu):
                    return step
            # Without second-order terms, and nearer to the centre.
            bend, target = np.zeros(m), max(0.3 * mu, min(2 * target, 0.9 * mu))
        return step if slope <= -0.1 * merit else 0.0

    def _descend(self, newton: Newton, accuracy: float) -> float:
        """A step along which f falls on Ax = b, without inequalities; 0 where its fall is lost in rounding.

        The residual would do near the solution. Far away it misleads: the slope of a maximum of affine functions, made
        smooth, is no smaller where f is.
        """
        program, point, f = self.program, self.point, self.values.f
        residuals = self.residuals(point, self.values, 0.0)
        ends = np.abs(program.A) @ np.abs(point.x) + np.abs(program.b)
        if (np.abs(residuals[2]) > 1e-12 * ends).any():
            return 0.0
        pull, size = float(np.abs(residuals[0]).max()), 1.0 + float(np.abs(point.x).max())
        for _ in range(TIES):
            d = self._direction(newton, residuals, 0.0, accuracy)
            slope, length = float(self.values.gradient @ d.x), float(np.abs(d.x).max())
            if not slope < -1e3 * ROUNDING * max(abs(f), 1.0):
                return 0.0
            found = backtracking(lambda x: program.values_only(x)[0], point.x, d.x, slope, fx=f, alpha=SHARE, beta=0.5,
                                 step=min(1.0, REACH * size / length), maxiter=10,
                                 in_domain=lambda x: bool(np.isfinite(program.values_only(x)[0])))
            values = program.evaluate(found.x) if found.success else self.values
            if found.success and np.isfinite(values.gradient).all():
                break
            # Levenberg: where f has kinks, nearly, its Hessian is no measure for a step beyond them.
            self.tie = max(10.0 * self.tie, pull / size)
            newton = self._system()
        else:
            return 0.0
        self.point, self.values = Point(found.x, point.s, point.lam, point.nu + d.nu), values
        if found.step < SHORT:
            self.tie = 4.0 * max(self.tie, pull / length)
        elif found.step == 1.0:
            self.tie *= 0.02
        return found.step

    def _search(self, d: Point, target: float, merit: float, slope: float) -> float:
        program, point = self.program, self.point
        n, m = program.n, program.m
        seen: dict[bytes, tuple[Point, Values]] = {}

        def split(z: np.ndarray) -> Point:
            return Point(z[:n], z[n:n + m], z[n + m:n + 2 * m], z[n + 2 * m:])

        def inside(z: np.ndarray) -> bool:
            trial = split(z)
            products = trial.s * trial.lam
            if m and not ((trial.s > 0).all() and (trial.lam > 0).all()
                          and products.min() >= CENTRAL * products.sum() / m):
                return False
            f, c = program.values_only(trial.x)
            return bool(np.isfinite(f) and np.isfinite(c).all())

        def merit_at(z: np.ndarray) -> float:
            trial = split(z)
            values = program.evaluate(trial.x)
            seen.clear()
            seen[z.tobytes()] = (trial, values)
            size = _norm(self.residuals(trial, values, target))
            return size if np.isfinite(size) else np.inf

        first = min(1.0, STEP_FRACTION * _longest(point, d))
        found = backtracking(merit_at, point.stacked(), d.stacked(), slope, fx=merit, alpha=SHARE, beta=0.6, step=first,
                             maxiter=60, in_domain=inside)
        if not found.success:
            return 0.0
        trial, values = seen[found.x.tobytes()]
        # A slack that is smaller than what the inequality leaves takes up the difference: no residual there.
        trial.s = np.maximum(trial.s, -values.c) if m else trial.s
        self.point, self.values = trial, values
        return found.step

    def falls_without_end(self) -> bool:
        """Whether f falls by as much in each further decade along the way from the start, and nothing stops it."""
        d = self.point.x - self.x0
        size = float(np.abs(d).max(initial=0.0))
        far = size >= FAR * (1.0 + float(np.abs(self.x0).max(initial=0.0)))
        return (far or self.values.f <= -1e12 * (1.0 + abs(self.f_start))) and self.falls_along(d)

    def falls_along(self, d: np.ndarray) -> bool:
        """Whether f falls by as much in each further decade along d, and no constraint stops it."""
        program, x = self.program, self.point.x
        if not d.any() or not np.isfinite(d).all():
            return False
        # A short d says nothing about far away: it begins at the size of x.
        d = d * max(1.0, (1.0 + float(np.abs(x).max())) / float(np.abs(d).max()))
        falls, before = [], self.values.f
        for decade in (1, 2, 3, 4):
            y = x + 10.0**decade * d
            f, c = program.values_only(y)
            sizes = np.abs(y).max() * 1e-6 + 1e-6
            if not np.isfinite(f) or (c > sizes).any() or (np.abs(program.A @ y - program.b) > sizes).any():
                return False
            falls.append(before - f)
            before = f
        return min(falls[1:]) > max(0.5 * falls[0], 1e-6 * abs(before))


def run(program: Program, x0: np.ndarray, tol: float, maxiter: int, method: str, time_limit: float,
        callback: Callable[[IterationRecord], Any] | None, patient: bool = True) -> Ending:
    """Iterate until all residuals and the Newton decrement are below tol, or no step is left; unless `patient`, until
    steps are short for long."""
    start = time.perf_counter()
    state = Iteration(program, x0, method)
    best = Ending("stalled", state.point, state.values, 0, np.inf, np.inf)
    step, lowest, since, crawled = 0.0, np.inf, 0, 0
    for nit in range(maxiter + 1):
        errors = state.errors()
        error = errors.max()
        if callback is not None:
            unit, f = program.unit, state.values.f
            gap = float(state.point.lam @ state.values.c)
            callback(IterationRecord(nit, f * unit, (f + gap) * unit, errors.primal, errors.stationarity,
                                     errors.complementarity, step, 1.0, 0.0,
                                     float(state.point.s @ state.point.lam) / max(program.m, 1) * unit,
                                     time.perf_counter() - start))
        ending = Ending("stalled", state.point, state.values, nit, error, np.inf)
        if error < best.error:
            best = ending
        if errors.primal < 0.9 * lowest:
            lowest, since = errors.primal, nit
        elif errors.primal > tol and nit - since >= STUCK:
            best.kind = "stalled"
            break
        try:
            state.tie = 0.0 if error <= tol else state.tie
            newton = state._system()
            if error <= tol:
                ending.decrement = state.decrement(newton)
                if ending.decrement <= tol * state.value_size():
                    ending.kind = "converged"
                    return ending
            patience = nit % LOOK == LOOK - 1 or nit == maxiter
            if state.falls_without_end() or (patience and state.falls_along(state.point.x - state.x0)):
                ending.kind = "unbounded"
                return ending
            late = time.perf_counter() - start >= time_limit
            if nit == maxiter or late:
                best.kind = "time_limit" if late else "iteration_limit"
                break
            step = state.advance(newton, min(1e-2, max(1e-12, 1e-2 * error)))
        except (LinAlgError, FloatingPointError):
            step = 0.0
        crawled = crawled + 1 if step < SHORT else 0
        if crawled >= CRAWL and not patient:
            break
        if step == 0.0:
            if state.falls_along(state.last):
                ending.kind = "unbounded"
                return ending
            break
    best.nit = nit
    return best


def _norm(residuals: tuple[np.ndarray, ...]) -> float:
    return float(np.sqrt(sum(float(r @ r) for r in residuals)))


def _longest(point: Point, d: Point) -> float:
    """The longest step ≤ 1/STEP_FRACTION that keeps s and λ nonnegative."""
    worst = max(float((-d.s / point.s).max(initial=0.0)), float((-d.lam / point.lam).max(initial=0.0)))
    return min(1.0 / worst if worst > 0 else np.inf, 1.0 / STEP_FRACTION)
