"""The dual method without bounds: conjugate gradient for x(λ), a model on what it found for the next λ."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..conjugate_gradient import CGResult, CGStatus
from ..duality import InfeasibilityCertificate, KKTResiduals, UnboundednessCertificate, kkt_residuals
from ..interior_point import Settings
from ..solution import IterationRecord
from .inner import Inner, OutOfTime
from .model import Model
from .state import Judge, State
from .terms import Terms

# The first directions need not be exact: they span a space, and are corrected in it. A correction is not worth more
# digits than the multipliers have.
FIRST_RTOL, ROUGHEST = 0.1, 0.2
# Entries that the subspace may take, and how many columns it has at least and at most.
SPACE_ENTRIES, FEWEST, MOST = 32_000_000, 24, 300
# Rows for which directions are computed together.
TOGETHER = 64
# Rounds without a residual smaller by a tenth after which there is no progress.
PATIENCE = 8
# What the small problems are solved to.
SMALL = Settings(tol=1e-12, maxiter=100)


@dataclass(frozen=True)
class Found:
    """How the iteration ended: `kind` as in `interior_point.Outcome`, and the best state or a proof."""

    kind: str
    state: State | None
    certificate: InfeasibilityCertificate | UnboundednessCertificate | None
    nit: int
    estimated: bool = False
    residuals: KKTResiduals | None = None
    words: str = ""


class Iteration(ABC):
    """One run of the method: the problem's terms, limits, and the best point so far."""

    def __init__(self, terms: Terms, settings: Settings, callback: Callable[[IterationRecord], Any] | None,
                 start: float):
        self.terms, self.settings, self.callback, self.start = terms, settings, callback, start
        self.problem = terms.problem
        self.judge = Judge(terms)
        self.inner = Inner(terms, start + settings.time_limit)
        self.best: State | None = None
        self.residuals: KKTResiduals | None = None
        self.nit = 0
        self.estimated = False
        self.flat: list[np.ndarray] = []  # directions along which P(λ) was found to be zero, or nearly

    def first_weights(self) -> np.ndarray:
        """Multipliers with which every P counts about as much as the objective's; zero where that has curvature."""
        terms = self.terms
        weights = np.zeros(len(terms.quadratics))
        weights[0] = 1.0
        if terms.least[0] > 0 or len(terms.curved) == 0:
            return weights
        reference = terms.size[0] if terms.size[0] > 0 else 1.0
        for i in terms.curved:
            if i and terms.size[i] > 0:
                weights[i] = reference / terms.size[i]
        return weights

    def error(self, state: State) -> float:
        """The largest relative residual, and the gap where a bound is known."""
        gap = state.gap if np.isfinite(state.bound) else 0.0
        return max(state.stationarity, state.primal, state.complementarity, gap)

    def seen(self, state: State, step: float) -> bool:
        """Tell the callback, keep the best; whether the point is optimal to tol, on the data."""
        lam = state.lam(self.problem)
        if self.callback is not None:
            self.callback(IterationRecord(
                self.nit, state.value, state.bound, state.primal, state.stationarity, state.gap, step, 1.0, 0.0,
                float(np.abs(np.where(lam == 0, 0.0, lam * state.violations[:lam.size])).sum()) / max(lam.size, 1),
                time.perf_counter() - self.start))
        if self.best is None or self.error(state) < self.error(self.best):
            self.best = state
        if self.error(state) > self.settings.tol:
            return False
        self.residuals = kkt_residuals(self.problem, state.x, lam, state.nu(self.problem), state.lam_lb, state.lam_ub)
        self.terms.products += len(self.terms.curved)
        return self.residuals.max() <= self.settings.tol

    def with_estimate(self, state: State) -> State:
        """Where no curvature is known, the bound with the smallest Ritz value in its place: an estimate."""
        self.estimated = False
        if np.isfinite(state.bound) or not np.isfinite(self.inner.ritz) or self.inner.ritz <= 0:
            return state
        self.estimated = True
        return self.judge.state(state.x, state.weights, state.on_rows, state.slopes, self.inner.ritz)

    def run(self, warm: np.ndarray | None = None) -> Found:
        """Iterate to a solution, a certificate, or a limit."""
        try:
            found = self._run(warm)
        except KeyboardInterrupt:
            found = self.ended("interrupted")
        except OutOfTime:
            found = self.ended("time_limit")
        return found

    def ended(self, kind: str, words: str = "") -> Found:
        """The best point, with the reason for stopping."""
        return Found(kind, self.best, None, self.nit, self.estimated, None, words)

    def _check_time(self) -> None:
        if time.perf_counter() > self.inner.deadline:
            raise OutOfTime

    def _directions(self, weights: np.ndarray, B: np.ndarray, rtol: float,
                    free: np.ndarray | None = None) -> np.ndarray:
        """Columns of P(λ)⁻¹B, and what is left of those that have none."""
        if B.shape[1] == 1:
            result = self.inner.solve(weights, B[:, 0], rtol, free)
            parts = [result]
        else:
            parts = list(self.inner.solve(weights, B, rtol, free).columns)
        self.flat += [v / size for part in parts if part.status is CGStatus.NONPOSITIVE_CURVATURE
                      for v in (part.residual_vector, part.direction)
                      if v is not None and 0 < (size := float(np.abs(v).max())) < np.inf]
        return np.stack([v for part in parts for v in self._vectors(part)], axis=1)

    @staticmethod
    def _vectors(result: CGResult) -> list[np.ndarray]:
        """What a run found. Where P(λ) is singular, what it left of the residual is flat: P(λ)r = 0, or nearly."""
        found = [result.x] if result.success else [result.x, result.residual_vector, result.direction]
        return [v for v in found if v is not None and np.isfinite(v).all()]

    @abstractmethod
    def _run(self, warm: np.ndarray | None) -> Found: ...


class Unbounded(Iteration):
    """No bounds on x: a subspace holds x(λ) for all λ so far, and the small problem on it says which λ is next.

    On the subspace the problem is a small QCQP. Its points are points of the problem; its dual function is never below
    g, and equal to it to second order where x(λ) was computed. So its solution is at once a feasible point, the next
    λ, and a start for x(λ) whose residual is already of second order.
    """

    def _run(self, warm: np.ndarray | None) -> Found:
        terms, settings, problem = self.terms, self.settings, self.problem
        columns = int(np.clip(SPACE_ENTRIES // terms.n, FEWEST, MOST))
        model = Model(terms)
        base = self.first_weights()
        # With one curved function P(λ) only changes its size: directions that are exact stay so.
        fixed = len(terms.curved) == 1
        model.add(self._first(base, settings.tol * 1e-2 if fixed else FIRST_RTOL, columns))
        for flat in (sign * v for v in self.flat for sign in (1.0, -1.0)):
            if UnboundednessCertificate(flat, flat).falls(problem):
                return self._falls(flat)
        if not model.V.shape[1]:
            model.add(np.ones((terms.n, 1)))
        if warm is not None:
            model.add(warm[:, None])
        before: np.ndarray | None = None
        smallest, idle = np.inf, 0
        for self.nit in range(1, settings.maxiter + 1):
            self._check_time()
            outcome = model.solve(SMALL)
            if outcome.kind == "infeasible" and outcome.certificate is not None:
                proof, block = self._contradicted(model, outcome.certificate, base)
                if proof is not None:
                    return Found("infeasible", None, proof, self.nit)
                if not model.add(block):
                    return self.ended("stalled", "the constraints seem to contradict each other, without a proof")
                continue
            if outcome.kind == "unbounded" and outcome.direction is not None:
                flat = model.V @ outcome.direction
                return self._falls(flat / float(np.abs(flat).max()))
            y = outcome.point.x
            weights = np.concatenate([[1.0], outcome.point.lam[:len(problem.inequalities)]])
            on_rows = np.concatenate([outcome.point.lam[len(problem.inequalities):], outcome.point.nu])
            x = model.point(y)
            state = self.with_estimate(self.judge.state(x, weights, on_rows, terms.gradients(x)))
            if self.seen(state, 1.0):
                return Found("converged", state, None, self.nit, self.estimated, self.residuals)
            error = self.error(state)
            idle = 0 if error < 0.9 * smallest else idle + 1
            smallest = min(smallest, error)
            if idle > PATIENCE:
                return self.ended("stalled")
            weighted = weights * terms.size
            change = 1.0 if before is None else float(np.abs(weighted - before).sum() / max(weighted.sum(), 1e-300))
            before = weighted
            if model.V.shape[1] + 2 > columns:
                model.shrink(columns // 2, y)
            rtol = self._rtol(state, fixed, change)
            result = self.inner.solve(weights, -state.residual, rtol)
            if result.status is CGStatus.NONPOSITIVE_CURVATURE and (left := np.abs(result.residual_vector).max()) > 0:
                flat = result.residual_vector / float(left)
                if UnboundednessCertificate(x, flat).falls(problem):
                    return self._falls(flat)
            if not model.add(np.stack(self._vectors(result), axis=1)):
                return self.ended("stalled")
        return self.ended("iteration_limit")

    def _first(self, weights: np.ndarray, rtol: float, columns: int) -> np.ndarray:
        """P(λ)⁻¹ of the slopes of all functions and rows: what x(λ) and its derivative at the first λ are made of."""
        terms = self.terms
        count = min(terms.rows.shape[0], TOGETHER, columns // 2)
        sides = [q for q in terms.q[:columns // 2] if q.any()]
        if count:
            rows = terms.rows[:count]
            sides += list(rows.toarray() if hasattr(rows, "toarray") else rows)
        sides = [side for side in sides if side.any()]
        if not sides:
            return np.zeros((terms.n, 0))
        return self._directions(weights, np.stack(sides, axis=1), rtol)

    def _rtol(self, state: State, fixed: bool, change: float) -> float:
        """How far the residual should fall: no further than tol needs, nor than λ is known."""
        settings, terms = self.settings, self.terms
        size = float(np.linalg.norm(state.residual))
        if size == 0.0:
            return ROUGHEST
        rtol = 0.3 * settings.tol / state.stationarity
        least = terms.floor(state.weights) or (self.inner.ritz if np.isfinite(self.inner.ritz) else 0.0)
        if least > 0:
            # ‖r‖²/(2·least) is what the bound loses.
            rtol = min(rtol, float(np.sqrt(0.6 * least * settings.tol * state.scale)) / size)
        return min(rtol, ROUGHEST) if fixed else float(np.clip(rtol, min(change, ROUGHEST), ROUGHEST))

    def _contradicted(self, model: Model, certificate: InfeasibilityCertificate, base: np.ndarray)\
            -> tuple[InfeasibilityCertificate | None, np.ndarray]:
        """Is what contradicts on the subspace a contradiction? If not, directions that the subspace lacks."""
        terms, problem = self.terms, self.problem
        size = max(float(certificate.lam.max(initial=0.0)), float(np.abs(certificate.nu).max(initial=0.0)))
        lam, nu = certificate.lam / size, certificate.nu / size
        mq = len(problem.inequalities)
        weights = np.concatenate([[0.0], lam[:mq]])
        on_rows = np.concatenate([lam[mq:], nu])
        # Where Σ λᵢfᵢ is lowest on the subspace, and then everywhere.
        P = np.tensordot(weights, model.P, axes=1)
        q = weights @ model.q + model.rows.T @ on_rows
        x = model.point(-np.linalg.lstsq(P, q, rcond=1e-12)[0])
        slopes = terms.gradients(x)
        r = terms.slope(slopes, weights, on_rows)
        new = []
        if (weights[terms.curved] > 0).any() and r.any():
            result = self.inner.solve(weights, -r, 1e-8)
            new += self._vectors(result)
            x = x + result.x
            slopes = terms.gradients(x)
            r = terms.slope(slopes, weights, on_rows)
        finite = np.isfinite(terms.limits)
        rows = np.where(finite, terms.rows @ x - np.where(finite, terms.limits, 0.0), 0.0)
        lowest = float(weights @ terms.values(x, slopes)) + float(on_rows @ rows)
        if lowest > 0:
            nothing = np.zeros(terms.n)
            proof = InfeasibilityCertificate(lam, nu, nothing, nothing)
            if proof.verify(problem):
                return proof, np.zeros((terms.n, 0))
        # The slopes of the functions that contradict each other most, as directions.
        chosen = np.argsort(-np.abs(on_rows), kind="stable")[:TOGETHER]
        chosen = chosen[on_rows[chosen] != 0]
        picked = terms.rows[chosen]
        sides = [r, *(slopes[1:][weights[1:] > 0]), *(picked.toarray() if hasattr(picked, "toarray") else picked)]
        sides = [side for side in sides if side.any()]
        if sides:
            new.append(self._directions(base, np.stack(sides, axis=1), FIRST_RTOL))
        return None, np.column_stack(new) if new else np.zeros((terms.n, 0))

    def _falls(self, direction: np.ndarray) -> Found:
        """A direction of recession, of the subspace or of all, is a proof from a feasible point: look for one."""
        feasible = Unbounded(Terms(self.problem.feasibility_problem()), replace(self.settings), None, self.start)
        found = feasible.run()
        self.terms.products += feasible.terms.products
        if found.kind == "infeasible":
            return replace(found, nit=self.nit + found.nit)
        if found.state is not None:
            certificate = UnboundednessCertificate(found.state.x, direction)
            if certificate.verify(self.problem):
                return Found("unbounded", found.state, certificate, self.nit + found.nit)
        return Found("stalled", found.state, None, self.nit, words="the objective falls along a direction, but no "
                     "feasible point was found to start from")
