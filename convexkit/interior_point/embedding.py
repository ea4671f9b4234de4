"""The homogeneous model of a convex QCQP, quadratics kept native: its points and its Newton steps.

With τ, κ ≥ 0 the problem  min f₀(x)  s.t.  fᵢ(x) ≤ 0, Ax = b  is embedded as

    r_d = P₀x + q₀τ + Σ λᵢ(Pᵢx/τ + qᵢ) + Aᵀν            = 0      stationarity
    r_p = ½xᵀPᵢx/τ + qᵢᵀx + rᵢτ + sᵢ                      = 0      τ·fᵢ(x/τ) + sᵢ
    r_e = Ax - bτ                                         = 0
    r_g = κ + xᵀP₀x/τ + q₀ᵀx - λᵀa + bᵀν                  = 0      aᵢ = rᵢ - ½xᵀPᵢx/τ²
    sᵢλᵢ = μ,   τκ = μ

Second-order cones are stretches of linear rows, r_p = rows·x + constants·τ + s, whose s and λ lie in the cone and
whose product is the cone's own (see `cones`).

The embedding always has a solution. τ > 0 at the end gives the optimum (x, λ, ν)/τ; κ > 0 gives a certificate, of
infeasibility if λᵀa - bᵀν > 0, of unboundedness if q₀ᵀx < 0. Andersen & Ye, "On a homogeneous algorithm for
the monotone complementarity problem", Math. Programming 84 (1999).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .cones import NesterovTodd, worst_ratio
from .form import Form
from .kkt_system import KKTSystem

# What share of the mean complementarity an adjusted pair keeps.
CENTRED = 0.1


class Step:
    """A direction (dx, ds, dλ, dν, dτ, dκ) in the embedding."""

    __slots__ = ("kappa", "lam", "nu", "s", "tau", "x")

    def __init__(self, x: np.ndarray, s: np.ndarray, lam: np.ndarray, nu: np.ndarray, tau: float, kappa: float):
        self.x, self.s, self.lam, self.nu, self.tau, self.kappa = x, s, lam, nu, tau, kappa


class Point(Step):
    """A point (x, s, λ, ν, τ, κ) of the embedding with its residuals."""

    __slots__ = ("A_nu", "Px", "a", "bend", "half", "mu", "offer", "pull", "q0_x", "r_d", "r_e", "r_g", "r_p", "rows_x",
                 "sizes", "slope0", "theta", "xPx")

    def evaluate(self, form: Form, target_p: np.ndarray | None = None, target_g: float = 0.0) -> Point:
        """Compute products, rows and residuals: one product with each P, two with the rows.

        With targets for r_p and r_g, the slacks of curved rows and κ are moved, by a factor of two at most, to
        take up what the linearisation missed: residuals then fall as fast as the step promised. No product sᵢλᵢ or τκ
        is pushed below a tenth of their mean, or the next steps would be short.
        """
        x, tau, lam = self.x, self.tau, self.lam
        mq = form.mq
        mu = (float(self.s @ lam) + tau * self.kappa) / (form.degree + 1)
        P0x, self.Px = form.curvature.at(x, form.c, lam[:mq] * form.d / tau)
        self.xPx = float(P0x @ x)
        self.q0_x = float(form.q0 @ x)
        # Jᵢx = dᵢ(xᵀPᵢx/τ + qᵢᵀx) and Jᵀλ without forming J.
        self.rows_x = rows_x = form.times(form.rows, x)
        self.pull = form.transposed(form.rows, lam)
        self.a = form.constants
        # Size of each row's terms, which its residual is relative to.
        self.sizes = np.abs(rows_x) + np.abs(form.constants) * tau
        if mq:
            self.half = half = 0.5 * form.curvature.along(self.Px, x)
            self.sizes[:mq] += form.d * half / tau
            self.a = form.constants.copy()
            self.a[:mq] -= form.d * half / tau**2
            rows_x[:mq] += form.d * half * (2.0 / tau)
            self.bend = form.curvature.combine(lam[:mq] * form.d / tau, self.Px)  # Σ λᵢPᵢx/τ
            self.pull += self.bend
        self.slope0 = form.c * (P0x + form.q0 * tau)
        self.A_nu = form.A.T @ self.nu
        self.r_p = rows_x + self.a * tau + self.s
        if target_p is not None and mq:
            s = self.s[:mq]
            lowest = np.maximum(0.5 * s, np.minimum(s, CENTRED * mu / lam[:mq]))
            slack = np.clip(s + target_p[:mq] - self.r_p[:mq], lowest, 2.0 * s)
            self.r_p[:mq] += slack - s
            self.s[:mq] = slack
        self.r_d = self.slope0 + self.pull + self.A_nu
        self.r_e = form.A @ x - form.b * tau
        # λᵀa - bᵀν: what an infeasibility certificate has to offer.
        self.offer = float(lam @ self.a) - float(form.b @ self.nu)
        rest = form.c * (self.xPx / tau + self.q0_x) - self.offer
        if target_p is not None:
            lowest_kappa = max(0.5 * self.kappa, min(self.kappa, CENTRED * mu / tau))
            self.kappa = min(max(target_g - rest, lowest_kappa), 2.0 * self.kappa)
        self.r_g = self.kappa + rest
        self.mu = (float(self.s @ lam) + tau * self.kappa) / (form.degree + 1)
        self.theta = max(float(np.abs(self.r_p).max(initial=0.0)),
                         float(np.abs(self.r_d * form.scaling.columns).max(initial=0.0)),
                         float(np.abs(self.r_e).max(initial=0.0)), abs(self.r_g))
        return self

    def longest(self, d: Step, form: Form) -> float:
        """The largest step that keeps s and λ in their cones and τ, κ ≥ 0."""
        return min(worst_ratio(self.s, d.s, form.cones), worst_ratio(self.lam, d.lam, form.cones),
                   -self.tau / d.tau if d.tau < 0 else np.inf, -self.kappa / d.kappa if d.kappa < 0 else np.inf)

    def reach(self, d: Step, form: Form) -> tuple[float, float]:
        """How far d may be followed, at most 1, and the share of μ that is left there."""
        length = min(1.0, self.longest(d, form))
        left = (float((self.s + length * d.s) @ (self.lam + length * d.lam))
                + (self.tau + length * d.tau) * (self.kappa + length * d.kappa))
        return length, left / ((form.degree + 1) * self.mu)

    def moved(self, step: float, d: Step) -> Point:
        """The point step·d away, not yet evaluated."""
        return Point(self.x + step * d.x, self.s + step * d.s, self.lam + step * d.lam, self.nu + step * d.nu,
                     self.tau + step * d.tau, self.kappa + step * d.kappa)

    def times(self, factor: float) -> Point:
        """A multiple of the point, not yet evaluated; the embedding is homogeneous."""
        return Point(factor * self.x, factor * self.s, factor * self.lam, factor * self.nu, factor * self.tau,
                     factor * self.kappa)


class Newton:
    """The linearised embedding at one point, factored once and solved for several right-hand sides.

    Eliminating ds, dκ and dλ, with W⁻² = λ/s (in a cone: see `cones`) and J the gradients of all rows, leaves

        [ H + JᵀW⁻²J   Aᵀ ] [ dx ]     H = cP₀ + Σ (λᵢ/τ)Pᵢ
        [ A            0  ] [ dν ]

    bordered by one row and column for dτ. The column's solution is kept.
    """

    def __init__(self, form: Form, system: KKTSystem, z: Point):
        self._form, self._system, self._z = form, system, z
        mq, tau = form.mq, z.tau
        self.scaling = NesterovTodd(form.cones, z.s, z.lam)
        self._cone_rows: Any = form.rows[form.cones.part] if form.cones.count else None
        scaled = z.lam[:mq] * form.d
        if mq:
            form.curvature.gradients(1.0 / tau, form.d, z.Px, system.J)
        self.ok = system.factor(form.c, scaled / tau, self.scaling)
        if not self.ok:
            return
        bend = z.bend / tau if mq else np.zeros(form.n)  # Σ λᵢPᵢx/τ²
        c_q0 = form.c * form.q0
        self._g_x = 2.0 * z.slope0 / tau - c_q0 + bend
        g_tau = -(form.c * z.xPx + (2.0 * float(scaled @ z.half) / tau if mq else 0.0)) / tau**2
        self._x, self._lam, self._nu = system.solve(bend - c_q0, -z.a, form.b)
        self._pivot = (float(self._g_x @ self._x) - float(z.a @ self._lam) + float(form.b @ self._nu) + g_tau
                       - z.kappa / tau)

    def solve(self, r_d: np.ndarray, r_p: np.ndarray, r_e: np.ndarray, r_g: float, t: np.ndarray,
              r_k: float) -> Step:
        """The step that adds (r_d, r_p, r_e, r_g) to the residuals and r_k to τκ to first order, with ds + W²dλ = t."""
        form, z, scaling = self._form, self._z, self.scaling
        px, lam, pnu = self._system.solve(r_d, r_p - t, r_e)
        rest = r_g - r_k / z.tau - float(self._g_x @ px) + float(z.a @ lam) - float(form.b @ pnu)
        d_tau = rest / self._pivot
        d_lam = lam + d_tau * self._lam
        dx, ds = px + d_tau * self._x, t - d_lam / scaling.w
        if form.cones.count:
            # W² magnifies rounding errors of dλ where a cone is at its boundary; its rows are linear and give ds too.
            part = form.cones.part
            ds[part] = r_p[part] - self._cone_rows @ dx - d_tau * z.a[part]
        return Step(dx, ds, d_lam, pnu + d_tau * self._nu, d_tau, (r_k - z.kappa * d_tau) / z.tau)

    def step(self, sigma: float, along: Step | None = None, bends: tuple[Any, Any, float] = (0.0, 0.0, 0.0),
             share: float = 0.0) -> Step:
        """The step that takes 1 - sigma of the residuals and leaves sigma of μ, to first order.

        To second order with the products of a step `along`, and `share` of what the quadratics bend by along it.
        """
        z, rest = self._z, 1.0 - sigma
        bend_d, bend_p, bend_g = bends
        pair = () if along is None else (along.s, along.lam)
        r_k = sigma * z.mu - z.tau * z.kappa - (0.0 if along is None else along.tau * along.kappa)
        return self.solve(-rest * z.r_d - share * bend_d, -rest * z.r_p - share * bend_p, -rest * z.r_e,
                          -rest * z.r_g - share * bend_g, self.scaling.target(sigma * z.mu, *pair), r_k)

    def curvature(self, d: Step) -> tuple[np.ndarray, np.ndarray, float]:
        """Second-order terms of (r_d, r_p, r_g) along d; zero for linear programs.

        With u = dx - (x/τ)dτ: r_p bends by ½uᵀPᵢu/τ, r_d by Σ (dλᵢ - λᵢdτ/τ)Pᵢu/τ, r_g by uᵀP₀u/τ and the rest.
        """
        form, z = self._form, self._z
        mq, tau = form.mq, z.tau
        u = d.x - z.x * (d.tau / tau)
        P0u, Pu = form.curvature.products(u)
        bend_p = np.zeros(form.m)
        bend_d = np.zeros(form.n)
        bend_g = form.c * float(P0u @ u) / tau
        if mq:
            uPu = form.curvature.along(Pu, u)
            change = (d.lam[:mq] - z.lam[:mq] * (d.tau / tau)) * form.d / tau
            bend_p[:mq] = form.d * uPu * (0.5 / tau)
            bend_d = form.curvature.combine(change, Pu)
            bend_g += float(bend_d @ z.x) / tau + float((z.lam[:mq] * form.d) @ uPu) * (0.5 / tau**2)
        return bend_d, bend_p, bend_g
