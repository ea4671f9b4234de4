"""Many small dense problems of one shape, iterated side by side: the method of `iteration` on stacked arrays.

The problems lie along the first axis of every array, so that one NumPy call serves all of them and LAPACK is
called on stacks of matrices. A problem that has been solved leaves the batch; one that does not behave (suspected
infeasible or unbounded, stalled, slow) leaves it unfinished, for `run` to solve alone with all its care.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..duality import ATTAINABLE, KKTResiduals, row_floor
from ..problem import QCQP
from .form import Multipliers
from .iteration import Outcome
from .scaling import LARGEST, SMALLEST
from .settings import Settings
from .stack import Arrays, Residuals, Stack, convex_mask, dot, ratio, row_max, safe, sums, times

# A problem whose κ has outgrown τ by this much after this many iterations seeks a certificate. Earlier, one whose
# solution is far from the start may look the same.
SUSPICIOUS = 1e3
EARLY = 8
# Iterations after which, and shortenings of one step after which, a problem is better off alone.
PATIENCE = 40
TRIALS = 12


class _Form(Arrays):
    """What `Form` is for one problem: rows in the iteration's order, scaled, and the floors of their residuals."""

    def __init__(self, stack: Stack, passes: int):
        self.stack = stack
        count, n = stack.lb.shape
        self.curved_objective = 0 in stack.curved
        first = int(self.curved_objective)
        curved = [i for i in stack.curved if i > 0]
        affine = [i for i in range(1, stack.quadratics + 1) if i not in stack.curved]
        finite = np.flatnonzero(np.isfinite(stack.h[0]))
        self.mq = len(curved)
        # Where each scaled row's multiplier goes in the user's lam, and which variables are bounded.
        self.places = tuple([i - 1 for i in curved + affine] + [stack.quadratics + int(i) for i in finite])
        self.low = tuple(np.flatnonzero(np.isfinite(stack.lb[0])).tolist())
        self.high = tuple(np.flatnonzero(np.isfinite(stack.ub[0])).tolist())
        lb, ub = stack.lb[:, self.low], stack.ub[:, self.high]
        lines = np.concatenate([stack.q[:, curved + affine], stack.G[:, finite]], axis=1)
        ends = np.concatenate([stack.r[:, curved + affine], -stack.h[:, finite]], axis=1)
        diagonals = stack.P.diagonal(axis1=2, axis2=3)
        D0 = diagonals[:, 0] if first else np.zeros((count, n))
        self.q0 = stack.q[:, 0]
        self.rows = lines.shape[1]
        every = np.concatenate([lines, stack.A], axis=1)
        scales, self.columns, self.c = _equilibrate(
            D0, diagonals[:, first:], self.q0, every, np.concatenate([ends, stack.b], axis=1),
            lb, self.low, ub, self.high, passes)
        self.scales, self.scales_A = scales[:, :self.rows], scales[:, self.rows:]
        self.d = scales[:, :self.mq]
        every *= scales[:, :, None]
        self.J, self.A = every[:, :self.rows], every[:, self.rows:]
        self.b = stack.b * self.scales_A
        self.d_low, self.d_high = 1.0 / self.columns[:, self.low], 1.0 / self.columns[:, self.high]
        self.constants = np.concatenate([ends * self.scales, lb * self.d_low, -ub * self.d_high], axis=1)
        self.gram_A = self.A.transpose(0, 2, 1) @ self.A if self.A.shape[1] else np.zeros((count, 0))

        largest = row_max(lines, 2)
        largest[:, :self.mq] = np.maximum(largest[:, :self.mq], row_max(diagonals[:, first:], 2))
        limits = np.concatenate([lb, ub], axis=1)
        self.floor = np.concatenate([
            self.scales * row_floor(ends, largest),
            np.concatenate([self.d_low, self.d_high], axis=1) * row_floor(limits, 1.0)], axis=1)
        self.equality_floor = self.scales_A * row_floor(stack.b, row_max(stack.A, 2))
        self.unit = np.minimum(1.0, stack.sizes[:, 0])
        # Without an objective every feasible point is optimal with multipliers zero.
        self.feasibility = ~self.q0.any(axis=1) & (not self.curved_objective)

    def times(self, J: np.ndarray, v: np.ndarray) -> np.ndarray:
        """All m rows times v: [J v; -d_low·v; d_high·v]."""
        return np.concatenate([times(J, v), -self.d_low * v[:, self.low], self.d_high * v[:, self.high]], axis=1)

    def transposed(self, J: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Σ yᵢ·rowᵢ over all m rows."""
        out = sums(y[:, :self.rows], J)
        middle = self.rows + len(self.low)
        out[:, self.low] -= self.d_low * y[:, self.rows:middle]
        out[:, self.high] += self.d_high * y[:, middle:]
        return out

    def unscaled(self, z: _Point) -> tuple[np.ndarray, ...]:
        """(x, lam, nu, lam_lb, lam_ub), stacked, in the user's units and order."""
        divisor = z.tau[:, None]
        share = np.where(self.feasibility, 0.0, 1.0 / (self.c * z.tau))[:, None]
        lam = np.zeros((z.x.shape[0], self.stack.quadratics + self.stack.h.shape[1]))
        lam_lb, lam_ub = np.zeros_like(z.x), np.zeros_like(z.x)
        middle = self.rows + len(self.low)
        lam[:, self.places] = z.lam[:, :self.rows] * self.scales * share
        lam_lb[:, self.low] = z.lam[:, self.rows:middle] * self.d_low * share
        lam_ub[:, self.high] = z.lam[:, middle:] * self.d_high * share
        return z.x / divisor, lam, z.nu * self.scales_A * share, lam_lb, lam_ub


def _equilibrate(D0: np.ndarray, D: np.ndarray, q0: np.ndarray, lines: np.ndarray, ends: np.ndarray, lb: np.ndarray,
                 low: tuple[int, ...], ub: np.ndarray, high: tuple[int, ...], passes: int) -> tuple[np.ndarray, ...]:
    """`scaling.equilibrate` for each problem; `lines` holds the inequalities' q, then the rows of A.

    Returns the scales of the lines, (B, rows + p), of the columns, (B, n), and of the objective, (B,). Inside, the
    problems lie along the last axis, where maxima over few rows or variables are fast.
    """
    D0, D, q0, lines, ends, lb, ub = (np.abs(np.moveaxis(array, 0, -1), order="C")
                                      for array in (D0, D, q0, lines, ends, lb, ub))
    mq = D.shape[0]

    def linear(E: np.ndarray) -> np.ndarray:
        return (lines * E).max(axis=1, initial=0.0)

    def sizes(E: np.ndarray) -> np.ndarray:
        row = np.maximum(linear(E), ends)
        row[:mq] = np.maximum(row[:mq], (D * (E * E)).max(axis=1))
        return row

    def objective(E: np.ndarray) -> np.ndarray:
        return 1.0 / safe(np.maximum(q0 * E, D0 * E * E).max(axis=0))

    E = np.ones_like(q0)
    d, c = 1.0 / safe(sizes(E)), objective(E)
    for _ in range(passes):
        column = E * (lines * d[:, None]).max(axis=0, initial=0.0)
        column = np.maximum(column, E * E * np.maximum((D * d[:mq, None]).max(axis=0, initial=0.0), c * D0))
        d = d / np.sqrt(safe(d * sizes(E)))
        E = E / np.sqrt(safe(column))
        c = objective(E)
    # One factor for all variables, so that solutions have size one.
    size, quadratic = linear(E), np.zeros_like(ends)
    quadratic[:mq] = (D * (E * E)).max(axis=1)
    root = size + np.sqrt(size * size + 4.0 * quadratic * ends)
    distances = np.concatenate([2.0 * ends / safe(root), lb / E[list(low)], ub / E[list(high)]])
    positive = distances > 0
    logarithms = np.log(np.where(positive, distances, 1.0)).sum(axis=0)
    E = E * np.exp(logarithms / np.maximum(positive.sum(axis=0), 1))
    return ((1.0 / safe(sizes(E))).T.copy(), np.clip(E, SMALLEST, LARGEST).T.copy(),
            np.clip(objective(E), SMALLEST, LARGEST))


class _Step(Arrays):
    """Directions, or points, (x, s, λ, ν, τ, κ) of the embedding."""

    def __init__(self, x: np.ndarray, s: np.ndarray, lam: np.ndarray, nu: np.ndarray, tau: np.ndarray,
                 kappa: np.ndarray):
        self.x, self.s, self.lam, self.nu, self.tau, self.kappa = x, s, lam, nu, tau, kappa


class _Point(_Step):
    """Points with their residuals; `embedding.Point` has the formulas."""

    def evaluate(self, form: _Form, target_p: np.ndarray | None = None, target_g: np.ndarray | None = None) -> _Point:
        """Compute products and residuals; with targets, let s and κ take up what the linearisation missed."""
        x, lam, mq = self.x, self.lam, form.mq
        tau = self.tau[:, None]
        products = form.stack.products(x)
        self.Px = Px = products[:, int(form.curved_objective):]
        P0x = products[:, 0] if form.curved_objective else np.zeros_like(x)
        self.xPx, self.q0_x = dot(x, P0x), dot(form.q0, x)
        self.d_half = d_half = 0.5 * form.d * times(Px, x)
        rows_x = form.times(form.J, x)
        self.pull = form.transposed(form.J, lam) + sums(lam[:, :mq] * form.d / tau, Px)
        self.sizes = np.abs(rows_x) + np.abs(form.constants) * tau
        self.sizes[:, :mq] += d_half / tau
        self.a = form.constants.copy()
        self.a[:, :mq] -= d_half / tau**2
        rows_x[:, :mq] += d_half * (2.0 / tau)
        self.slope0 = form.c[:, None] * (P0x + form.q0 * tau)
        self.A_nu = sums(self.nu, form.A)
        self.r_p = rows_x + self.a * tau + self.s
        if target_p is not None:
            s = self.s[:, :mq]
            slack = np.clip(s + target_p[:, :mq] - self.r_p[:, :mq], 0.5 * s, 2.0 * s)
            self.r_p[:, :mq] += slack - s
            self.s[:, :mq] = slack
        self.r_d = self.slope0 + self.pull + self.A_nu
        self.r_e = times(form.A, x) - form.b * tau
        rest = form.c * (self.xPx / self.tau + self.q0_x) - dot(lam, self.a) + dot(form.b, self.nu)
        if target_g is not None:
            self.kappa = np.minimum(np.maximum(target_g - rest, 0.5 * self.kappa), 2.0 * self.kappa)
        self.r_g = self.kappa + rest
        self.mu = (dot(self.s, lam) + self.tau * self.kappa) / (lam.shape[1] + 1)
        self.theta = row_max(np.concatenate([self.r_p, self.r_d * form.columns, self.r_e, self.r_g[:, None]], axis=1))
        return self

    def longest(self, d: _Step) -> np.ndarray:
        """The largest steps that keep s, λ, τ, κ ≥ 0."""
        shares = np.concatenate([(d.s / self.s).T, (d.lam / self.lam).T, (d.tau / self.tau)[None],
                                 (d.kappa / self.kappa)[None]])
        return 1.0 / np.maximum(-shares.min(axis=0), 0.0)  # inf where nothing falls

    def moved(self, step: np.ndarray, d: _Step) -> _Point:
        """The points step·d away, not yet evaluated."""
        t = step[:, None]
        return _Point(self.x + t * d.x, self.s + t * d.s, self.lam + t * d.lam, self.nu + t * d.nu,
                      self.tau + step * d.tau, self.kappa + step * d.kappa)

    def errors(self, form: _Form) -> tuple[np.ndarray, np.ndarray]:
        """Relative residuals and gap of x/τ, the largest with stationarity and the largest without."""
        tau = self.tau
        sizes = np.maximum(self.sizes, form.floor * tau[:, None])
        size_A = np.maximum(times(np.abs(form.A), np.abs(self.x)) + np.abs(form.b) * tau[:, None],
                            form.equality_floor * tau[:, None])
        primal = np.maximum(row_max(ratio(self.r_p, sizes)), row_max(ratio(self.r_e, size_A)))
        slack = (dot(self.lam, self.r_p - self.s) + dot(self.nu, self.r_e)) / (form.c * tau * tau)
        slope = row_max(np.concatenate([self.slope0, (form.c * tau)[:, None] * form.q0, self.pull, self.A_nu], axis=1))
        size = np.abs(0.5 * self.xPx / tau**2) + dot(np.abs(form.q0), np.abs(self.x)) / tau
        size = np.maximum(size, ATTAINABLE * row_max(self.lam * sizes) / (form.c * tau * tau))
        gap = np.where(form.feasibility, 0.0, np.abs(slack) / np.maximum(size, form.unit))
        dual = np.where(form.feasibility, 0.0, ratio(row_max(self.r_d), slope))
        primal = np.maximum(primal, gap)
        return np.maximum(primal, dual), primal


def _inverses(matrices: np.ndarray) -> np.ndarray:
    """Inverses of a stack, NaN where a matrix is exactly singular: LAPACK gives up the whole stack for one."""
    try:
        return np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(matrices, np.nan)
        return np.concatenate([_inverses(matrices[i:i + 1]) for i in range(len(matrices))])


class _Newton:
    """The linearised embedding at each point, its matrix inverted once; `embedding.Newton` has the derivation.

    Explicit inverses cost three times a Cholesky factor, but are applied by stacked products, where NumPy has no
    stacked triangular solve; refinement gives back the accuracy.
    """

    def __init__(self, form: _Form, z: _Point, settings: Settings):
        self._form, self._z, self._settings = form, z, settings
        mq, tau, tau_ = form.mq, z.tau, z.tau[:, None]
        self._w = z.lam / z.s
        scaled = z.lam[:, :mq] * form.d
        self._J = J = form.J.copy()
        J[:, :mq] += z.Px * (form.d / tau_)[:, :, None]
        self._invert(np.concatenate([form.c[:, None], scaled / tau_], axis=1) if form.curved_objective
                     else scaled / tau_)
        bend = sums(scaled, z.Px) / tau_**2
        c_q0 = form.c[:, None] * form.q0
        self._g_x = 2.0 * z.slope0 / tau_ - c_q0 + bend
        self._g_tau = -(form.c * z.xPx + 2.0 * dot(z.lam[:, :mq], z.d_half) / tau) / tau**2
        self._column = bend - c_q0 - form.transposed(J, self._w * z.a)
        self._x: np.ndarray | None = None

    def _invert(self, weights: np.ndarray) -> None:
        """K = H + Jᵀ diag(w) J and, with equalities, the Schur complement of K + ρAᵀA."""
        form, w, J = self._form, self._w, self._J
        P = form.stack.P
        count, k, n, _ = P.shape
        K = self._K = sums(weights, P.reshape(count, k, n * n)).reshape(count, n, n)
        R = J * np.sqrt(w[:, :form.rows])[:, :, None]
        K += np.ascontiguousarray(R.transpose(0, 2, 1)) @ R  # a third faster than with the view
        diagonal = np.einsum("bii->bi", K)
        middle = form.rows + len(form.low)
        diagonal[:, form.low] += w[:, form.rows:middle] * form.d_low**2
        diagonal[:, form.high] += w[:, middle:] * form.d_high**2
        p = form.A.shape[1]
        matrix = K
        if p:
            trace, size = np.einsum("bii->b", form.gram_A), diagonal.sum(axis=1)
            self._augment = np.where(trace > 0, safe(size) / trace, 0.0)[:, None]
            matrix = K + self._augment[:, :, None] * form.gram_A
            diagonal = np.einsum("bii->bi", matrix)
        # Jacobi scaling; an inverse of a positive definite matrix with unit diagonal has diagonal entries ≥ 1.
        jacobi = 1.0 / np.sqrt(np.where(diagonal > 1e-300, diagonal, np.maximum(diagonal.max(axis=1), 1.0)[:, None]))
        scale = jacobi[:, :, None] * jacobi[:, None, :]
        unit = matrix * scale
        np.einsum("bii->bi", unit)[:] += 1e-14
        inverse = _inverses(unit)
        for regularization in (1e-12, 1e-10, 1e-8, 1e-6):
            bad = np.flatnonzero(~(np.einsum("bii->ib", inverse).copy().min(axis=0) > 0.5))
            if not bad.size:
                break
            inverse[bad] = _inverses(unit[bad] + regularization * np.eye(n))
        inverse *= scale
        self._inverse = inverse
        if p:
            self._Y = self._inverse @ form.A.transpose(0, 2, 1)
            S = form.A @ self._Y
            size = np.einsum("bii->bi", S)
            jacobi = 1.0 / np.sqrt(np.where(size > 1e-300, size, 1.0))
            S *= jacobi[:, :, None] * jacobi[:, None, :]
            np.einsum("bii->bi", S)[:] += 1e-12
            self._schur = _inverses(S) * jacobi[:, :, None] * jacobi[:, None, :]

    def _once(self, rhs_x: np.ndarray, rhs_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        A = self._form.A
        if not A.shape[1]:
            return self._inverse @ rhs_x, rhs_y
        u = self._inverse @ (rhs_x + self._augment[:, :, None] * (A.transpose(0, 2, 1) @ rhs_y))
        dnu = self._schur @ (A @ u - rhs_y)
        return u - self._Y @ dnu, dnu

    def _refined(self, rhs_x: np.ndarray, rhs_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solutions for (B, n, j) and (B, p, j) right-hand sides."""
        A = self._form.A
        p = A.shape[1]
        dx, dnu = self._once(rhs_x, rhs_y)
        size = row_max(rhs_x) + row_max(rhs_y)  # (B, j): each right-hand side by itself
        above = self._settings.refine_above
        wanted, previous = np.ones(size.shape, dtype=bool), np.full(size.shape, np.inf)
        for _ in range(self._settings.refinements):
            error_x = rhs_x - self._K @ dx
            error_y = rhs_y
            if p:
                error_x -= A.transpose(0, 2, 1) @ dnu
                error_y = rhs_y - A @ dx
            error = np.maximum(row_max(error_x), row_max(error_y))
            wanted &= (error > above * size) & (error < 0.5 * previous)
            if not wanted.any():
                break
            previous = error
            more_x, more_nu = self._once(error_x, error_y)
            dx = np.where(wanted[:, None], dx + more_x, dx)
            dnu = np.where(wanted[:, None], dnu + more_nu, dnu)
            # A pass multiplies the residual by about error/size again: do not measure what is known to be small.
            wanted &= error * error > above * size * size
            if not wanted.any():
                break
        return dx, dnu

    def solve(self, r_d: np.ndarray, r_p: np.ndarray, r_e: np.ndarray, r_g: np.ndarray, r_c: np.ndarray,
              r_k: np.ndarray) -> _Step:
        """The steps that add (r_d, r_p, r_e, r_g) to the residuals, r_c to s∘λ and r_k to τκ, to first order."""
        form, z, w = self._form, self._z, self._w
        shift = r_c / z.lam - r_p
        rhs_x = r_d - form.transposed(self._J, w * shift)
        if self._x is None:  # the first time, with the column of τ beside it
            both, both_nu = self._refined(np.stack([rhs_x, self._column], axis=2), np.stack([r_e, form.b], axis=2))
            px, pnu, self._x, self._nu = both[:, :, 0], both_nu[:, :, 0], both[:, :, 1], both_nu[:, :, 1]
            self._rows = form.times(self._J, self._x) + z.a
            self._pivot = (dot(self._g_x, self._x) - dot(z.a, w * self._rows) + dot(form.b, self._nu)
                           + self._g_tau - z.kappa / z.tau)
        else:
            dx, dnu = self._refined(rhs_x[:, :, None], r_e[:, :, None])
            px, pnu = dx[:, :, 0], dnu[:, :, 0]
        lam = w * (form.times(self._J, px) + shift)
        rest = r_g - r_k / z.tau - dot(self._g_x, px) + dot(z.a, lam) - dot(form.b, pnu)
        d_tau = rest / self._pivot
        t = d_tau[:, None]
        d_lam = lam + t * (w * self._rows)
        return _Step(px + t * self._x, (r_c - z.s * d_lam) / z.lam, d_lam, pnu + t * self._nu, d_tau,
                     (r_k - z.kappa * d_tau) / z.tau)

    def curvature(self, d: _Step) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Second-order terms of (r_d, r_p, r_g) along d."""
        form, z, mq = self._form, self._z, self._form.mq
        tau = z.tau[:, None]
        share = (d.tau / z.tau)[:, None]
        u = d.x - z.x * share
        products = form.stack.products(u)
        bend_g = form.c * dot(products[:, 0], u) / z.tau if form.curved_objective else np.zeros_like(z.tau)
        Pu = products[:, int(form.curved_objective):]
        d_uPu = form.d * times(Pu, u)
        change = (d.lam[:, :mq] - z.lam[:, :mq] * share) * form.d / tau
        bend_p = np.zeros_like(z.s)
        bend_p[:, :mq] = d_uPu * (0.5 / tau)
        bend_d = sums(change, Pu)
        bend_g += dot(bend_d, z.x) / z.tau + dot(z.lam[:, :mq], d_uPu) * (0.5 / z.tau**2)
        return bend_d, bend_p, bend_g


def _advance(form: _Form, z: _Point, lag: np.ndarray, settings: Settings) -> tuple[_Point, np.ndarray]:
    """One iteration: the next points, and the steps taken, 0 where there was none to take."""
    newton = _Newton(form, z, settings)
    product = z.s * z.lam
    affine = newton.solve(-z.r_d, -z.r_p, -z.r_e, -z.r_g, -product, -z.tau * z.kappa)
    length = np.minimum(1.0, z.longest(affine))
    ahead = z.moved(length, affine)
    left = (dot(ahead.s, ahead.lam) + ahead.tau * ahead.kappa) / ((z.s.shape[1] + 1) * z.mu)
    sigma = np.minimum(1.0, np.maximum(left**3, settings.smallest_sigma))
    eta = 1.0 - sigma
    eta_, centre = eta[:, None], sigma * z.mu
    bend_d, bend_p, bend_g = newton.curvature(affine)
    share = length * length
    d = newton.solve(-eta_ * z.r_d - share[:, None] * bend_d, -eta_ * z.r_p - share[:, None] * bend_p, -eta_ * z.r_e,
                     -eta * z.r_g - share * bend_g, centre[:, None] - product - affine.s * affine.lam,
                     centre - z.tau * z.kappa - affine.tau * affine.kappa)
    step = np.minimum(1.0, settings.step_fraction * z.longest(d))

    # Shorten the steps that let the residuals lag behind, and only those.
    following, old, part, pending = z, z, form, np.arange(step.size)
    for trial in range(TRIALS + 1):
        length, slope = step[pending], eta[pending]
        fall = 1.0 - length * slope
        moved = old.moved(length, d).evaluate(part, fall[:, None] * old.r_p, fall * old.r_g)
        good = moved.theta <= np.maximum(lag[pending] * moved.mu, (1.0 - 0.1 * length * slope) * old.theta)
        if trial == 0:
            following = moved
        else:
            following.put(pending[good], moved.take(good))
        if good.all():
            break
        pending, old, part, d = pending[~good], old.take(~good), part.take(~good), d.take(~good)
        step[pending] *= 0.7
    else:
        step[pending] = 0.0
    # Any multiple of a point of the embedding is as good: keep the numbers near 1.
    size = np.maximum(following.tau, following.kappa)
    far = np.flatnonzero((size <= 1e-3) | (size >= 1e3))
    if far.size:
        some, t = following.take(far), 1.0 / size[far][:, None]
        following.put(far, _Point(some.x * t, some.s * t, some.lam * t, some.nu * t, some.tau / size[far],
                                  some.kappa / size[far]).evaluate(form.take(far)))
        lag[far] *= size[far]
    return following, step


def run_batch(problems: Sequence[QCQP], settings: Settings) -> list[tuple[Outcome, KKTResiduals | None]]:
    """Iterate on problems of one `shape_key` together; their order is kept.

    Returns
    -------
    list of (Outcome, KKTResiduals or None)
        `kind` is `converged`, and the residuals on the user's data are at most `settings.tol`; or `unfinished`, with
        no residuals: nonconvex, suspected infeasible or unbounded, stalled, slow, or out of time. Solve it alone.

    Notes
    -----
    An iteration costs what `run`'s does in LAPACK, but Python's share, which is nearly all of it for n = 8, once.
    Memory: about three copies of the data. An outcome does not depend on the other problems in the batch.
    """
    if not problems:
        return []
    with np.errstate(all="ignore"):  # a division by an underflowed number ends in a non-finite step, which is tested
        return _run_batch(problems, settings)


def _run_batch(problems: Sequence[QCQP], settings: Settings) -> list[tuple[Outcome, KKTResiduals | None]]:
    start = time.perf_counter()
    form = _Form(Stack(problems), settings.scaling_passes)
    count, n = form.q0.shape
    m = form.constants.shape[1]
    z = _Point(np.zeros((count, n)), np.ones((count, m)), np.ones((count, m)), np.zeros((count, form.A.shape[1])),
               np.ones(count), np.ones(count)).evaluate(form)
    lag = settings.largest_lag * np.maximum(z.theta, 1e-3) / z.mu
    results: list[Any] = [None] * count
    active = np.arange(count)
    short: np.ndarray = np.zeros(count)
    lost = ~convex_mask(form.stack.P)

    def leave(which: np.ndarray, nit: int, points: tuple[np.ndarray, ...], residuals: Sequence[Any]) -> None:
        for i, rows, record in zip(active[which].tolist(), zip(*points, strict=True), residuals, strict=True):
            point = Multipliers(*rows)
            kind = "unfinished" if record is None else "converged"
            results[i] = Outcome(kind, point, point, None, None, nit, "batched dense"), record

    for nit in range(min(settings.maxiter, PATIENCE) + 1):
        error, bounded = z.errors(form)
        done = (error <= settings.tol) & ~lost
        if done.any():
            near = np.flatnonzero(done)
            points = form.take(near).unscaled(z.take(near))
            residuals = Residuals(form.stack.take(near), *points)
            confirmed = residuals.max() <= settings.tol
            done[near] = confirmed
            leave(near[confirmed], nit, tuple(array[confirmed] for array in points),
                  residuals.take(confirmed).records())
        lost |= ~np.isfinite(error) | ((nit > EARLY) & (z.kappa > SUSPICIOUS * z.tau)) | (short >= settings.short_steps)
        if form.mq and nit:
            lost |= bounded <= settings.far_below * settings.tol
        if nit == min(settings.maxiter, PATIENCE) or time.perf_counter() - start > settings.time_limit:
            lost[:] = True
        lost &= ~done
        if lost.any():
            leave(lost, nit, form.take(lost).unscaled(z.take(lost)), [None] * int(lost.sum()))
        going = ~(done | lost)
        if not going.any():
            break
        if not going.all():
            form, z, active, lag, short = form.take(going), z.take(going), active[going], lag[going], short[going]
        z, step = _advance(form, z, lag, settings)
        short = np.where(step < settings.short_step, short + 1, 0)
        lost = ~(step > 0)
    return results
