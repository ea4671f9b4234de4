"""The interior-point iteration: Mehrotra's predictor-corrector on the homogeneous model (see `embedding`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..duality import InfeasibilityCertificate, KKTResiduals, UnboundednessCertificate, kkt_residuals
from ..problem import QCQP
from ..quadratic import Quadratic
from ..solution import IterationRecord
from .backends import choose_backend
from .cones import NesterovTodd
from .curvature import DenseList
from .dense_cholesky import DenseCholesky
from .embedding import Newton, Point, Step
from .equalities import minimise_on_subspace
from .form import Form, Multipliers
from .kkt_system import KKTSystem
from .monitor import Monitor
from .proofs import certificate_of, cleaned_ray, inconsistent, proofs
from .recession import recession_problem
from .settings import Settings

# Points are multiples of one whose larger of τ and κ is about 1; a smaller τ has no square.
SMALLEST_TAU = 1e-100


@dataclass(frozen=True)
class Outcome:
    """How the iteration ended; `solver` turns it into a `Solution` after its own check.

    `kind` is `converged`, `infeasible`, `unbounded`, `iteration_limit`, `time_limit`, `interrupted` or `stalled`.
    `point` has the smallest residuals; `bounded` the smallest ones apart from stationarity, which no point can bring to
    zero where multipliers do not exist. `residuals` are those of `point`, where they have been computed. `convex` says
    that P₀ + Σ lamᵢPᵢ ⪰ 0 was proved there, which is done where the sum is at hand.
    """

    kind: str
    point: Multipliers
    bounded: Multipliers
    certificate: InfeasibilityCertificate | None
    direction: np.ndarray | None
    nit: int
    backend: str
    residuals: KKTResiduals | None = None
    convex: bool = False


def run(problem: QCQP, settings: Settings, callback: Callable[[IterationRecord], Any] | None = None,
        warm: Multipliers | None = None) -> Outcome:
    """Iterate to a solution, a certificate, or a limit. Cost of one iteration: see the backend."""
    with np.errstate(all="ignore"):  # a division by an underflowed number ends in a non-finite step, which is tested
        return _run(problem, settings, callback, warm)


def _run(problem: QCQP, settings: Settings, callback: Callable[[IterationRecord], Any] | None,
         warm: Multipliers | None) -> Outcome:
    start = time.perf_counter()
    form = Form(problem, settings.scaling_passes)
    if form.contradiction is not None:
        found = form.contradiction
        contradiction = certificate_of(found)
        if contradiction.verify(problem):
            return Outcome("infeasible", form.origin(), form.origin(), contradiction, None, 0, "linear algebra")
    system = choose_backend(form, settings)
    if form.m == 0:
        return _without_inequalities(problem, form, system, callback, start)
    monitor = Monitor(problem, form)
    z = _start(form, system)
    if warm is not None:
        z = _towards(form, z, warm, settings.warm_share)
    z.evaluate(form)
    # Residuals may lag behind complementarity by this much: θ ≤ lag·μ.
    lag = settings.largest_lag * max(z.theta, 1e-3) / z.mu if form.mq else np.inf
    daring = form.mq > 0 and not form.cones.count and form.layout != "sparse"
    start_mu, solved = z.mu, z
    best, best_error = z, np.inf
    bounded, bounded_error = z, np.inf
    step, short, kind, next_try = 0.0, 0, "iteration_limit", 1.0
    nit = further = 0
    value = drift = slope = np.inf
    levels: list[tuple[float, float]] = []
    residuals: KKTResiduals | None = None
    proof: InfeasibilityCertificate | None = None
    direction: np.ndarray | None = None
    sought = False
    try:
        for nit in range(settings.maxiter + 1):
            record = monitor.record(nit, z, step, time.perf_counter() - start)
            if callback is not None:
                callback(record)
            error = max(record.primal, record.dual, record.gap)
            if not np.isfinite(error):
                kind = "stalled"
                break
            if error < best_error:
                best, best_error = z, error
            if nit and max(record.primal, record.gap) < bounded_error:
                bounded, bounded_error = z, max(record.primal, record.gap)
            last_slope, slope = slope, record.dual
            last_drift, drift = drift, abs(record.value - value) / max(abs(record.value), monitor.unit, 1e-300)
            value = record.value
            if error <= settings.tol:
                exact = monitor.exact(z)
                if exact.max() <= settings.tol:
                    further += residuals is not None
                    if residuals is None or exact.max() < residuals.max():
                        residuals, solved = exact, z
                    # Sparse problems may be so ill-posed that residuals of 1e-8 leave 1e-5 in the value: iterate on
                    # until it settles, by what the last two changes promise.
                    if form.layout != "sparse" or further >= settings.further \
                            or drift * min(drift, last_drift) <= settings.settled * last_drift:
                        break
            elif residuals is not None:
                break
            # Linear rows always have multipliers; quadratic ones need a strictly feasible point.
            if form.mq and z.mu <= settings.far_below * start_mu and slope > 0.5 * last_slope \
                    and bounded_error <= settings.far_below * settings.tol:
                kind = "stalled"  # value and feasibility are exact, and stationarity does not follow
                break
            # A proof costs about an iteration to check; try each time that κ/τ has grown tenfold.
            if z.kappa > next_try * z.tau:
                next_try = 10.0 * z.kappa / z.tau
                proof, direction = proofs(problem, form, z)
                if proof is None and direction is None and z.q0_x < 0 and not sought \
                        and z.kappa > settings.far_out * z.tau:
                    sought, direction = True, _falling(form, settings, start)
                if proof is not None or direction is not None:
                    break
            if nit == settings.maxiter:
                break
            if record.seconds > settings.time_limit:
                kind = "time_limit"
                break

            if z.tau < SMALLEST_TAU:  # so far out that no point is left, and no proof came of it
                kind = "stalled"
                break
            newton = Newton(form, system, z)
            if not newton.ok:
                kind = "stalled"
                break
            sigma, corrected = _corrected(form, settings, system, newton, z, error)
            fraction = max(settings.step_fraction, 1.0 - max(error, settings.nearest)) if daring \
                else settings.step_fraction
            following, step = _search(form, settings, z, corrected, 1.0 - sigma, lag, fraction)
            # Corrections may also send a pair to and fro for ever, each undoing what the one before has done.
            size = max(z.tau, z.kappa)
            levels.append((z.mu / size**2, z.theta / size))
            circling = nit > settings.patience and _circling(levels, settings)
            if step < settings.poor_step or circling:
                # The correction was made for a long step, and need not lead downhill over a short one. Newton's own
                # direction, well centred, does.
                sigma = max(sigma, settings.safe_sigma)
                second, other_step = _search(form, settings, z, newton.step(sigma), 1.0 - sigma, lag, fraction)
                if other_step > step or (circling and second is not None):
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
                z = z.times(1.0 / size).evaluate(form)
                lag *= size
    except KeyboardInterrupt:
        kind = "interrupted"  # what there is by now is returned, with its status
    if kind in ("stalled", "iteration_limit") and residuals is None and proof is None and direction is None:
        proof, direction = proofs(problem, form, z)
        if proof is None and direction is None and not sought:
            direction = _falling(form, settings, start)
    if residuals is not None:
        kind, best, proof, direction = "converged", solved, None, None
    kind = "infeasible" if proof is not None else "unbounded" if direction is not None else kind
    point = monitor.unscaled(best)
    other = point if bounded is best else monitor.unscaled(bounded)
    convex = kind == "converged" and form.mq > 1 and isinstance(form.curvature, DenseList) \
        and isinstance(system, DenseCholesky) and system.curves_up(form.c, best.lam[:form.mq] * form.d / best.tau)
    return Outcome(kind, point, other, proof, direction, nit, system.name, residuals, convex)


def _falling(form: Form, settings: Settings, start: float) -> np.ndarray | None:
    """The shortest direction of recession along which f₀ falls, in the user's variables, if there is one."""
    shortest = recession_problem(form.problem, form.scaling.columns)
    if shortest is None:
        return None
    left = max(settings.time_limit - (time.perf_counter() - start), 0.0)
    raw = _run(shortest, replace(settings, time_limit=left), None, None).point.x
    # One that is longer falls by less than its constraints, met to a tolerance, may have let it.
    short = bool((np.abs(raw) <= settings.longest_ray * form.scaling.columns).all())
    ray = cleaned_ray(form.problem, form, raw) if short else None
    return None if ray is None else form.reduction.expand(ray / float(np.abs(ray).max()))


def _start(form: Form, system: KKTSystem) -> Point:
    """The point to start from: x = 0 and s = λ = e with curved rows, else the least-squares one of Mehrotra (1992).

        minimise f₀(x) + ½‖s‖²  s.t.  rows·x + constants + s = 0,  Ax = b      (f₀ = 0 for x and s if P₀ = 0)

    s and λ are moved along e until they are inside their cones.
    """
    e = form.cones.identity(form.m)
    z = Point(np.zeros(form.n), e, e.copy(), np.zeros(form.p), 1.0, 1.0)
    if form.mq or not system.factor(form.c, np.zeros(0), NesterovTodd(form.cones, e, e)):
        return z
    system.rough = True
    slope = -form.c * form.q0
    x, lam, nu = system.solve(slope if form.curved_objective else np.zeros(form.n), -form.constants, form.b)
    s = -lam
    if not form.curved_objective:
        _, lam, nu = system.solve(slope, np.zeros(form.m), np.zeros(form.p))
    system.rough = False
    if not all(np.isfinite(v).all() for v in (x, s, lam, nu)):
        return z
    return Point(x, _inside(form, s, e), _inside(form, lam, e), nu, 1.0, 1.0)


def _towards(form: Form, z: Point, warm: Multipliers, share: float) -> Point:
    """Between the usual start and an old solution, most of the way to the latter (Skajaa, Andersen and Ye 2013).

    The old solution itself lies on the boundary, from where no step leads far.
    """
    warm = form.reduction.restrict(warm)
    lam, nu = form.scaled(warm)
    old = Point(warm.x, np.zeros(form.m), lam, nu, 1.0, 0.0).evaluate(form)
    cones, slack = form.cones, -old.r_p
    near = np.maximum(slack, 0.0)
    if cones.count:
        tail = slack[cones.part].copy()
        tail[cones.heads] = np.maximum(tail[cones.heads], cones.tail_norm(tail))
        near[cones.part] = tail
    rest = 1.0 - share
    return Point(share * warm.x + rest * z.x, share * near + rest * z.s, share * lam + rest * z.lam,
                 share * nu + rest * z.nu, 1.0, rest * z.kappa)


def _inside(form: Form, v: np.ndarray, e: np.ndarray) -> np.ndarray:
    """v + α·e with the smallest α ≥ 0 for which it is at least 1 from the boundary."""
    smallest = v.copy()
    cones = form.cones
    if cones.count:
        smallest[cones.part] = cones.spread(v[cones.part][cones.heads] - cones.tail_norm(v[cones.part]))
    return v + max(1.0 - float(smallest.min(initial=1.0)), 0.0) * e


def _corrected(form: Form, settings: Settings, system: KKTSystem, newton: Newton, z: Point, error: float
               ) -> tuple[float, Step]:
    """How far to centre, and the step that does: Mehrotra's corrector, of a predictor that may have been corrected too.

    The second-order terms are those of the products and of the quadratics, as the predictor saw them; the latter shrunk
    to the length that the predictor could go. Where a solution costs little beside the factorization, the terms that a
    corrected predictor sees are better still (Carpenter, Lustig, Mulvey and Shanno 1993), if it leaves less of μ: with
    curved rows one iteration in ten is saved. Without them it is fewer, and degenerate problems lose digits. A
    predictor that leaves most of μ is no guide.
    """
    system.rough = not (form.mq or form.cones.count)
    ahead = newton.step(0.0)
    system.rough = False
    length, left = z.reach(ahead, form)
    bends, share = newton.curvature(ahead), length * length
    for turn in range(system.turns if form.mq else 0):
        if left > settings.guiding or error * left**3 <= settings.enough * settings.tol:
            break
        other = newton.step(0.0, ahead, bends, share)
        further, less = z.reach(other, form)
        if further < length or less >= left:
            break
        ahead, length, left = other, further, less
        if turn > 0:  # a product with each P, which the first turn does without
            bends, share = newton.curvature(ahead), length * length
    # Mehrotra's centring: the share of μ that would be left after the predictor, cubed. Unlike (1 - length)³ it sees
    # pairs that are both on their way to zero, which halve where others vanish.
    sigma = min(1.0, max(left**3, settings.smallest_sigma))
    return sigma, newton.step(sigma, ahead, bends, share)


def _circling(levels: list[tuple[float, float]], settings: Settings) -> bool:
    """Whether neither complementarity nor residual has fallen in the last lap, from the least that they had been."""
    least, lately = np.min(levels[:-settings.lap], axis=0), np.min(levels[-settings.lap:], axis=0)
    return bool((lately > settings.circling * least).all())


def _search(form: Form, settings: Settings, z: Point, d: Step, eta: float, lag: float, fraction: float)\
        -> tuple[Point | None, float]:
    """The first point along d whose residuals θ are low enough, and its step; None and 0 if there is none.

    Residuals are low enough if they have fallen by a tenth of what the step promised, or do not lag behind μ.
    """
    step = min(1.0, fraction * z.longest(d, form))
    while step > settings.shortest_step:  # False for NaN too
        fall = 1.0 - step * eta
        trial = z.moved(step, d).evaluate(form, fall * z.r_p, fall * z.r_g)
        if trial.theta <= max(lag * trial.mu, (1.0 - 0.1 * step * eta) * z.theta):
            return trial, step
        step *= 0.7
    return None, 0.0


def _without_inequalities(problem: QCQP, form: Form, system: KKTSystem,
                          callback: Callable[[IterationRecord], Any] | None, start: float) -> Outcome:
    """A quadratic on a subspace: one linear system instead of an iteration."""
    name = "linear algebra"
    if form.layout == "sparse":
        name = system.name
        nothing = np.zeros(0)
        if not system.factor(form.c, nothing, NesterovTodd(form.cones, nothing, nothing)):
            return Outcome("stalled", form.origin(), form.origin(), None, None, 0, name)
        x, _, nu = system.solve(-form.c * form.q0, nothing, form.b)
        if (proof := inconsistent(problem, form, x)) is not None:
            return Outcome("infeasible", form.origin(), form.origin(), proof, None, 0, name)
        size = float(np.abs(x).max(initial=0.0))
        # Regularized, a flat direction along which f falls takes x far out.
        direction = x / size if size > 0 else None
    else:
        objective = Quadratic(form.problem.objective.P, form.q0, 0.0)
        x, nu, direction = minimise_on_subspace(objective, form.A, form.b)
        nu = nu * form.c
    if direction is not None and UnboundednessCertificate(x, direction).falls(form.problem):
        return Outcome("unbounded", form.origin(), form.origin(), None, form.reduction.expand(direction), 0, name)
    point = form.unscale(x, np.zeros(0), nu, 1.0)
    if callback is not None:
        r = kkt_residuals(problem, point.x, point.lam, point.nu, point.lam_lb, point.lam_ub)
        callback(IterationRecord(0, r.value, r.dual_value, r.primal, r.stationarity, r.gap, 1.0, 1.0, 0.0, 0.0,
                                 time.perf_counter() - start))
    return Outcome("converged", point, point, None, None, 0, name)
