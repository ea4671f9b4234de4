"""The interior-point iteration: the homogeneous model of a convex QCQP, quadratics kept native.

With τ, κ ≥ 0 the problem  min f₀(x)  s.t.  fᵢ(x) ≤ 0, Ax = b  is embedded as

    r_d = P₀x + q₀τ + Σ λᵢ(Pᵢx/τ + qᵢ) + Aᵀν            = 0      stationarity
    r_p = ½xᵀPᵢx/τ + qᵢᵀx + rᵢτ + sᵢ                      = 0      τ·fᵢ(x/τ) + sᵢ
    r_e = Ax - bτ                                         = 0
    r_g = κ + xᵀP₀x/τ + q₀ᵀx - λᵀa + bᵀν                  = 0      aᵢ = rᵢ - ½xᵀPᵢx/τ²
    sᵢλᵢ = μ,   τκ = μ

It always has a solution. τ > 0 at the end gives the optimum (x, λ, ν)/τ; κ > 0 gives a certificate, of
infeasibility if λᵀa - bᵀν > 0, of unboundedness if q₀ᵀx < 0. Andersen & Ye, "On a homogeneous algorithm for
the monotone complementarity problem", Math. Programming 84 (1999), with Mehrotra's predictor-corrector.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import lstsq

from ..duality import (
    ATTAINABLE,
    InfeasibilityCertificate,
    UnboundednessCertificate,
    coefficient_size,
    kkt_residuals,
    row_floor,
)
from ..problem import QCQP
from ..quadratic import Quadratic
from ..solution import IterationRecord
from .equalities import minimise_on_subspace
from .form import Form, Multipliers
from .kkt_system import DenseCholesky, KKTSystem
from .settings import Settings


@dataclass(frozen=True)
class Outcome:
    """How the iteration ended; `solver` turns it into a `Solution` after its own check.

    `kind` is `converged`, `infeasible`, `unbounded`, `iteration_limit`, `time_limit` or `stalled`. `point` has the
    smallest residuals; `bounded` the smallest ones apart from stationarity, which no point can bring to zero where
    multipliers do not exist.
    """

    kind: str
    point: Multipliers
    bounded: Multipliers
    certificate: InfeasibilityCertificate | None
    direction: np.ndarray | None
    nit: int
    backend: str


class Step:
    """A direction (dx, ds, dλ, dν, dτ, dκ) in the embedding."""

    __slots__ = ("kappa", "lam", "nu", "s", "tau", "x")

    def __init__(self, x: np.ndarray, s: np.ndarray, lam: np.ndarray, nu: np.ndarray, tau: float, kappa: float):
        self.x, self.s, self.lam, self.nu, self.tau, self.kappa = x, s, lam, nu, tau, kappa


class Point(Step):
    """A point (x, s, λ, ν, τ, κ) of the embedding with its residuals."""

    __slots__ = ("A_nu", "Px", "a", "half", "mu", "offer", "pull", "q0_x", "r_d", "r_e", "r_g", "r_p", "rows_x",
                 "sizes", "slope0", "theta", "xPx")

    def evaluate(self, form: Form, system: KKTSystem, target_p: np.ndarray | None = None,
                 target_g: float = 0.0) -> Point:
        """Compute products, rows and residuals: one product with each P, two with the rows.

        With targets for r_p and r_g, the slacks of curved rows and κ are moved, by a factor of two at most, to
        take up what the linearisation missed: residuals then fall as fast as the step promised.
        """
        x, tau, lam = self.x, self.tau, self.lam
        products = system.products(x)
        P0x = products[0] if form.curved_objective else np.zeros(form.n)
        self.Px = Px = products[int(form.curved_objective):]
        self.half = half = 0.5 * (Px @ x)
        self.xPx = float(P0x @ x)
        self.q0_x = float(form.q0 @ x)
        mq = form.mq
        # Jᵢx = dᵢ(xᵀPᵢx/τ + qᵢᵀx) and Jᵀλ without forming J.
        self.rows_x = rows_x = form.times(form.rows, x)
        self.pull = form.transposed(form.rows, lam)
        self.a = form.constants
        # Size of each row's terms, which its residual is relative to.
        self.sizes = np.abs(rows_x) + np.abs(form.constants) * tau
        if mq:
            self.sizes[:mq] += form.d * half / tau
            self.a = form.constants.copy()
            self.a[:mq] -= form.d * half / tau**2
            rows_x[:mq] += form.d * half * (2.0 / tau)
            self.pull += (lam[:mq] * form.d / tau) @ Px
        self.slope0 = form.c * (P0x + form.q0 * tau)
        self.A_nu = form.A.T @ self.nu
        self.r_p = rows_x + self.a * tau + self.s
        if target_p is not None and mq:
            slack = np.clip(self.s[:mq] + target_p[:mq] - self.r_p[:mq], 0.5 * self.s[:mq], 2.0 * self.s[:mq])
            self.r_p[:mq] += slack - self.s[:mq]
            self.s[:mq] = slack
        self.r_d = self.slope0 + self.pull + self.A_nu
        self.r_e = form.A @ x - form.b * tau
        # λᵀa - bᵀν: what an infeasibility certificate has to offer.
        self.offer = float(lam @ self.a) - float(form.b @ self.nu)
        rest = form.c * (self.xPx / tau + self.q0_x) - self.offer
        if target_p is not None:
            self.kappa = min(max(target_g - rest, 0.5 * self.kappa), 2.0 * self.kappa)
        self.r_g = self.kappa + rest
        self.mu = (float(self.s @ lam) + tau * self.kappa) / (form.m + 1)
        self.theta = max(float(np.abs(self.r_p).max(initial=0.0)),
                         float(np.abs(self.r_d * form.scaling.columns).max(initial=0.0)),
                         float(np.abs(self.r_e).max(initial=0.0)), abs(self.r_g))
        return self

    def longest(self, d: Step) -> float:
        """The largest step that keeps s, λ, τ, κ ≥ 0."""
        return min(_longest(self.s, d.s), _longest(self.lam, d.lam),
                   -self.tau / d.tau if d.tau < 0 else np.inf, -self.kappa / d.kappa if d.kappa < 0 else np.inf)

    def moved(self, step: float, d: Step) -> Point:
        """The point step·d away, not yet evaluated."""
        return Point(self.x + step * d.x, self.s + step * d.s, self.lam + step * d.lam, self.nu + step * d.nu,
                     self.tau + step * d.tau, self.kappa + step * d.kappa)


def _longest(z: np.ndarray, dz: np.ndarray) -> float:
    worst = float((-dz / z).max(initial=0.0))
    return 1.0 / worst if worst > 0 else np.inf


class _Newton:
    """The linearised embedding at one point, factored once and solved for several right-hand sides.

    Eliminating ds, dκ and dλ, with w = λ/s and J the gradients of all rows, leaves

        [ H + Jᵀ diag(w) J   Aᵀ ] [ dx ]     H = cP₀ + Σ (λᵢ/τ)Pᵢ
        [ A                  0  ] [ dν ]

    bordered by one row and column for dτ. The column's solution is kept.
    """

    def __init__(self, form: Form, system: KKTSystem, z: Point, J: np.ndarray):
        self._form, self._system, self._z, self._J = form, system, z, J
        mq, tau = form.mq, z.tau
        self._w = z.lam / z.s
        scaled = z.lam[:mq] * form.d
        if mq:
            np.multiply(z.Px, (form.d / tau)[:, None], out=J[:mq])
            J[:mq] += form.q
        weights = np.concatenate(([form.c], scaled / tau)) if form.curved_objective else scaled / tau
        self.ok = system.factor(weights, J, self._w)
        if not self.ok:
            return
        bend = (scaled @ z.Px) / tau**2 if mq else np.zeros(form.n)  # Σ λᵢPᵢx/τ²
        c_q0 = form.c * form.q0
        self._g_x = 2.0 * z.slope0 / tau - c_q0 + bend
        g_tau = -(form.c * z.xPx + 2.0 * float(scaled @ z.half) / tau) / tau**2
        column_x = bend - c_q0 - form.transposed(J, self._w * z.a)
        dx, dnu = system.solve(column_x[:, None], form.b[:, None])
        self._x, self._nu = dx[:, 0], dnu[:, 0]
        self._rows = form.times(J, self._x)
        lam = self._w * (self._rows + z.a)
        self._pivot = (float(self._g_x @ self._x) - float(z.a @ lam) + float(form.b @ self._nu) + g_tau
                       - z.kappa / tau)

    def solve(self, r_d: np.ndarray, r_p: np.ndarray, r_e: np.ndarray, r_g: float, r_c: np.ndarray,
              r_k: float) -> Step:
        """The step that adds (r_d, r_p, r_e, r_g) to the residuals, r_c to s∘λ and r_k to τκ, to first order."""
        form, z, w = self._form, self._z, self._w
        shift = r_c / z.lam - r_p
        dx, dnu = self._system.solve((r_d - form.transposed(self._J, w * shift))[:, None], r_e[:, None])
        px, pnu = dx[:, 0], dnu[:, 0]
        rows = form.times(self._J, px)
        lam = w * (rows + shift)
        rest = r_g - r_k / z.tau - float(self._g_x @ px) + float(z.a @ lam) - float(form.b @ pnu)
        d_tau = rest / self._pivot
        d_lam = lam + d_tau * (w * (self._rows + z.a))
        return Step(px + d_tau * self._x, (r_c - z.s * d_lam) / z.lam, d_lam, pnu + d_tau * self._nu, d_tau,
                    (r_k - z.kappa * d_tau) / z.tau)

    def curvature(self, d: Step) -> tuple[np.ndarray, np.ndarray, float]:
        """Second-order terms of (r_d, r_p, r_g) along d; zero for linear programs.

        With u = dx - (x/τ)dτ: r_p bends by ½uᵀPᵢu/τ, r_d by Σ (dλᵢ - λᵢdτ/τ)Pᵢu/τ, r_g by uᵀP₀u/τ and the rest.
        """
        form, z = self._form, self._z
        mq, tau = form.mq, z.tau
        u = d.x - z.x * (d.tau / tau)
        products = self._system.products(u)
        bend_p = np.zeros(form.m)
        bend_d = np.zeros(form.n)
        bend_g = form.c * float(products[0] @ u) / tau if form.curved_objective else 0.0
        if mq:
            Pu = products[int(form.curved_objective):]
            uPu = Pu @ u
            change = (d.lam[:mq] - z.lam[:mq] * (d.tau / tau)) * form.d / tau
            bend_p[:mq] = form.d * uPu * (0.5 / tau)
            bend_d = change @ Pu
            bend_g += float(change @ (Pu @ z.x)) / tau + float((z.lam[:mq] * form.d) @ uPu) * (0.5 / tau**2)
        return bend_d, bend_p, bend_g


class _Monitor:
    """Relative residuals of x/τ, λ/τ, ν/τ on the user's scale: cheap, and confirmed exactly before success."""

    def __init__(self, problem: QCQP, form: Form):
        self._problem, self._form = problem, form
        self._constant = problem.objective.r
        self._absolute_q0 = np.abs(form.q0)
        self._absolute_A = np.abs(form.A)
        self._unit = min(1.0, coefficient_size(problem.objective))
        # As in kkt_residuals: a row without a constant is measured against at most 1 unit of itself, a bound
        # against at most the size of x.
        rows = form.mq + form.ml
        largest = np.abs(form.rows).max(axis=1, initial=0.0)
        largest[:form.mq] = np.maximum(largest[:form.mq], form.diagonals.max(axis=1, initial=0.0))
        scales = form.scaling.rows
        self._row_floor = scales * row_floor(form.constants[:rows] / scales, largest / scales)
        scales = form.scaling.equalities
        self._equality_floor = scales * row_floor(form.b / scales, self._absolute_A.max(axis=1, initial=0.0) / scales)
        self._bound_floor = np.concatenate([form.d_low, form.d_high])
        ends = np.abs(np.concatenate([problem.lb, problem.ub]))
        self._largest_bound = float(ends[np.isfinite(ends)].max(initial=0.0))
        # Without an objective every feasible point is optimal with multipliers zero.
        self.feasibility = not form.curved_objective and not form.q0.any()

    def record(self, nit: int, z: Point, step: float, seconds: float) -> IterationRecord:
        form, tau = self._form, z.tau
        value = (0.5 * z.xPx / tau + z.q0_x) / tau
        sizes = z.sizes.copy()
        rows = self._row_floor.size
        np.maximum(sizes[:rows], self._row_floor * tau, out=sizes[:rows])
        x_size = min(max(float(np.abs(z.x).max(initial=0.0)), tau * self._largest_bound), tau)
        np.maximum(sizes[rows:], self._bound_floor * x_size, out=sizes[rows:])
        sizes += 1e-300  # 0/0 = 0
        primal = float((np.abs(z.r_p) / sizes).max(initial=0.0))
        if form.p:
            size = np.maximum(self._absolute_A @ np.abs(z.x) + np.abs(form.b) * tau, self._equality_floor * tau)
            primal = max(primal, float((np.abs(z.r_e) / (size + 1e-300)).max()))
        if self.feasibility:
            return IterationRecord(nit, self._constant, self._constant, primal, 0.0, 0.0, step, tau, z.kappa, z.mu,
                                   seconds)
        slack = (float(z.lam @ (z.r_p - z.s)) + float(z.nu @ z.r_e)) / (form.c * tau * tau)
        slope = max(float(np.abs(v).max(initial=0.0)) for v in (z.slope0, form.c * tau * form.q0, z.pull, z.A_nu))
        size_v = abs(0.5 * z.xPx / tau**2) + float(self._absolute_q0 @ np.abs(z.x)) / tau
        size_v = max(size_v, ATTAINABLE * float((z.lam * sizes).max(initial=0.0)) / (form.c * tau * tau))
        return IterationRecord(
            nit, value + self._constant, value + slack + self._constant, primal,
            float(np.abs(z.r_d).max(initial=0.0)) / slope if slope > 0 else 0.0,
            abs(slack) / max(size_v, self._unit), step, tau, z.kappa, z.mu, seconds)

    def unscaled(self, z: Point) -> Multipliers:
        lam, nu = (0.0 * z.lam, 0.0 * z.nu) if self.feasibility else (z.lam, z.nu)
        return self._form.unscale(z.x, lam, nu, z.tau)

    def confirmed(self, point: Multipliers, tol: float) -> bool:
        return kkt_residuals(self._problem, point.x, point.lam, point.nu, point.lam_lb, point.lam_ub).max() <= tol


def run(problem: QCQP, settings: Settings, callback: Callable[[IterationRecord], Any] | None = None) -> Outcome:
    """Iterate to a solution, a certificate, or a limit. Cost of one iteration: see the backend."""
    with np.errstate(all="ignore"):  # a division by an underflowed number ends in a non-finite step, which is tested
        return _run(problem, settings, callback)


def _run(problem: QCQP, settings: Settings, callback: Callable[[IterationRecord], Any] | None) -> Outcome:
    start = time.perf_counter()
    form = Form(problem, settings.scaling_passes)
    nothing = form.unscale(np.zeros(form.n), np.zeros(form.m), np.zeros(form.p), 1.0)
    if form.contradiction is not None:
        found = form.contradiction
        contradiction = InfeasibilityCertificate(found.lam, found.nu, found.lam_lb, found.lam_ub)
        if contradiction.verify(problem):
            return Outcome("infeasible", nothing, nothing, contradiction, None, 0, "linear algebra")
    if form.m == 0:
        return _without_inequalities(problem, form, nothing, callback, start)
    system: KKTSystem = DenseCholesky(form, settings)
    monitor = _Monitor(problem, form)
    J = form.rows.copy()
    z = Point(np.zeros(form.n), np.ones(form.m), np.ones(form.m), np.zeros(form.p), 1.0, 1.0).evaluate(form, system)
    # Residuals may lag behind complementarity by this much: θ ≤ lag·μ.
    lag = settings.largest_lag * max(z.theta, 1e-3) / z.mu
    best, best_error = monitor.unscaled(z), np.inf
    bounded, bounded_error = best, np.inf
    step, short, kind, next_try = 0.0, 0, "iteration_limit", 1.0
    nit = 0
    proof: InfeasibilityCertificate | None = None
    direction: np.ndarray | None = None
    for nit in range(settings.maxiter + 1):
        record = monitor.record(nit, z, step, time.perf_counter() - start)
        if callback is not None:
            callback(record)
        error = max(record.primal, record.dual, record.gap)
        if not np.isfinite(error):
            kind = "stalled"
            break
        if error < best_error:
            best, best_error = monitor.unscaled(z), error
        if max(record.primal, record.gap) < bounded_error:
            bounded, bounded_error = monitor.unscaled(z), max(record.primal, record.gap)
        if error <= settings.tol and monitor.confirmed(best, settings.tol):
            kind = "converged"
            break
        # Linear rows always have multipliers; quadratic ones need a strictly feasible point.
        if form.mq and nit and bounded_error <= settings.far_below * settings.tol:
            kind = "stalled"  # value and feasibility are exact, and stationarity does not follow
            break
        # A proof costs about an iteration to check; try each time that κ/τ has grown tenfold.
        if z.kappa > next_try * z.tau:
            next_try = 10.0 * z.kappa / z.tau
            proof, direction = _proofs(problem, form, z)
            if proof is not None or direction is not None:
                break
        if nit == settings.maxiter:
            break
        if record.seconds > settings.time_limit:
            kind = "time_limit"
            break

        newton = _Newton(form, system, z, J)
        if not newton.ok:
            kind = "stalled"
            break
        product = z.s * z.lam
        affine = newton.solve(-z.r_d, -z.r_p, -z.r_e, -z.r_g, -product, -z.tau * z.kappa)
        length = min(1.0, z.longest(affine))
        # Mehrotra's centring: the share of μ that would be left after the predictor, cubed. Unlike (1 - length)³ it
        # sees pairs that are both on their way to zero, which halve where others vanish.
        left = (float((z.s + length * affine.s) @ (z.lam + length * affine.lam))
                + (z.tau + length * affine.tau) * (z.kappa + length * affine.kappa)) / ((form.m + 1) * z.mu)
        sigma = min(1.0, max(left**3, settings.smallest_sigma))
        eta = 1.0 - sigma
        # Mehrotra's corrector: the second-order terms, of the products and of the quadratics, as the predictor
        # saw them; those of the quadratics shrunk to the length that the predictor could go.
        bend_d, bend_p, bend_g = newton.curvature(affine)
        share = length * length
        corrected = newton.solve(-eta * z.r_d - share * bend_d, -eta * z.r_p - share * bend_p, -eta * z.r_e,
                                 -eta * z.r_g - share * bend_g,
                                 sigma * z.mu - product - affine.s * affine.lam,
                                 sigma * z.mu - z.tau * z.kappa - affine.tau * affine.kappa)
        following, step = _search(form, system, settings, z, corrected, eta, lag)
        if step < settings.poor_step:
            # The correction was made for a long step, and need not lead downhill over a short one. Newton's own
            # direction, well centred, does.
            sigma = max(sigma, settings.safe_sigma)
            eta = 1.0 - sigma
            plain = newton.solve(-eta * z.r_d, -eta * z.r_p, -eta * z.r_e, -eta * z.r_g, sigma * z.mu - product,
                                 sigma * z.mu - z.tau * z.kappa)
            second, other_step = _search(form, system, settings, z, plain, eta, lag)
            if other_step > step:
                following, step = second, other_step
        if following is None:
            kind = "stalled"
            break
        short = short + 1 if step < settings.short_step else 0
        if short >= settings.short_steps:
            kind = "stalled"
            break
        z = following
        size = max(z.tau, z.kappa)
        if not 1e-3 < size < 1e3:
            # The embedding is homogeneous: any multiple of a point is as good. Keep the numbers near 1.
            z = Point(z.x / size, z.s / size, z.lam / size, z.nu / size, z.tau / size,
                      z.kappa / size).evaluate(form, system)
            lag *= size
    if kind in ("stalled", "iteration_limit") and proof is None and direction is None:
        proof, direction = _proofs(problem, form, z)
    kind = "infeasible" if proof is not None else "unbounded" if direction is not None else kind
    return Outcome(kind, best, bounded, proof, direction, nit, system.name)


def _search(form: Form, system: KKTSystem, settings: Settings, z: Point, d: Step, eta: float,
            lag: float) -> tuple[Point | None, float]:
    """The first point along d whose residuals θ are low enough, and its step; None and 0 if there is none.

    Residuals are low enough if they have fallen by a tenth of what the step promised, or do not lag behind μ.
    """
    step = min(1.0, settings.step_fraction * z.longest(d))
    while step > settings.shortest_step:  # False for NaN too
        fall = 1.0 - step * eta
        trial = z.moved(step, d).evaluate(form, system, fall * z.r_p, fall * z.r_g)
        if trial.theta <= max(lag * trial.mu, (1.0 - 0.1 * step * eta) * z.theta):
            return trial, step
        step *= 0.7
    return None, 0.0


def _proofs(problem: QCQP, form: Form, z: Point) -> tuple[InfeasibilityCertificate | None, np.ndarray | None]:
    """A certificate of infeasibility, or else a direction of unboundedness, if the point holds one."""
    proof = _infeasibility(problem, form, z)
    return proof, None if proof is not None else _ray(problem, z)


def _without_inequalities(problem: QCQP, form: Form, nothing: Multipliers,
                          callback: Callable[[IterationRecord], Any] | None, start: float) -> Outcome:
    """A quadratic on a subspace: one linear system instead of an iteration."""
    objective = Quadratic(problem.objective.P, form.q0, 0.0)
    x, nu, direction = minimise_on_subspace(objective, form.A, form.b)
    if direction is not None and UnboundednessCertificate(x, direction).falls(problem):
        return Outcome("unbounded", nothing, nothing, None, direction, 0, "linear algebra")
    point = form.unscale(x, np.zeros(0), nu * form.c, 1.0)
    if callback is not None:
        r = kkt_residuals(problem, point.x, point.lam, point.nu, point.lam_lb, point.lam_ub)
        callback(IterationRecord(0, r.value, r.dual_value, r.primal, r.stationarity, r.gap, 1.0, 1.0, 0.0, 0.0,
                                 time.perf_counter() - start))
    return Outcome("converged", point, point, None, None, 0, "linear algebra")


def _infeasibility(problem: QCQP, form: Form, z: Point) -> InfeasibilityCertificate | None:
    """The multipliers as a certificate of margin about 1, if it verifies on the user's data."""
    if z.offer <= 0:
        return None
    point = form.unscale(z.x, z.lam, z.nu, z.offer / form.c)
    for candidate in (point, _cleaned(problem, form, z, point)):
        proof = InfeasibilityCertificate(candidate.lam, candidate.nu, candidate.lam_lb, candidate.lam_ub)
        if proof.verify(problem):
            return proof
    return None


def _cleaned(problem: QCQP, form: Form, z: Point, point: Multipliers) -> Multipliers:
    """The multipliers with the slope that is left over moved into bounds of the right sign, and into nu."""
    left = (z.pull + z.A_nu) / z.offer
    lam_lb = point.lam_lb + np.where(np.isfinite(problem.lb), np.maximum(left, 0.0), 0.0)
    lam_ub = point.lam_ub + np.where(np.isfinite(problem.ub), np.maximum(-left, 0.0), 0.0)
    left = left - (lam_lb - point.lam_lb) + (lam_ub - point.lam_ub)
    nu = point.nu
    if problem.p:
        A = problem.A.toarray() if hasattr(problem.A, "toarray") else problem.A
        nu = nu - lstsq(A.T, left, check_finite=False)[0]
    return Multipliers(point.x, point.lam, nu, lam_lb, lam_ub)


def _ray(problem: QCQP, z: Point) -> np.ndarray | None:
    """x without its length and rounding, if it is a direction of recession along which f₀ falls."""
    size = float(np.abs(z.x).max(initial=0.0))
    if size == 0 or z.q0_x >= 0:
        return None
    d = z.x / size
    d[np.isfinite(problem.lb) & (d < 0)] = 0.0
    d[np.isfinite(problem.ub) & (d > 0)] = 0.0
    # Entries on their way to zero, where P has curvature, never quite arrive: leave out the smallest.
    for share in (0.0, 1e-8, 1e-5, 1e-3):
        candidate = np.where(np.abs(d) <= share, 0.0, d)
        if UnboundednessCertificate(np.zeros(problem.n), candidate).falls(problem):
            return candidate
    return None
