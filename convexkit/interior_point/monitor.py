"""Relative residuals along the way, on the user's own scale."""

from __future__ import annotations

import numpy as np

from ..duality import ATTAINABLE, KKTResiduals, coefficient_size, kkt_residuals, row_floor, row_largest
from ..problem import QCQP
from ..solution import IterationRecord
from .embedding import Point
from .form import Form, Multipliers


def _share(residual: np.ndarray, size: np.ndarray) -> float:
    """Largest |residual|/size, 0/0 being 0."""
    return float(np.where(residual == 0, 0.0, np.abs(residual) / size).max(initial=0.0))


class Monitor:
    """Relative residuals of x/τ, λ/τ, ν/τ on the user's scale: cheap, and confirmed exactly before success."""

    def __init__(self, problem: QCQP, form: Form):
        self._problem, self._form = problem, form
        self._constant = form.problem.objective.r
        self._absolute_q0 = np.abs(form.q0)
        self._absolute_A = abs(form.A)
        self.unit = min(1.0, coefficient_size(form.problem.objective))
        self._no_slope = not form.q0.any()
        # As in kkt_residuals: a row or bound without a constant is measured against at most 1 unit of itself.
        rows = form.rows.shape[0]
        largest = row_largest(form.rows)
        largest[:form.mq] = np.maximum(largest[:form.mq], row_largest(form.diagonals))
        scales = form.scaling.rows
        row_floors = scales * row_floor(form.constants[:rows] / scales, largest / scales)
        scales = form.scaling.equalities[form.kept]
        self._equality_floor = scales * row_floor(form.b / scales, row_largest(form.A) / scales)
        limits = np.concatenate([form.lb[form.low], form.ub[form.high]])
        bounds = np.concatenate([form.d_low, form.d_high]) * row_floor(limits, 1.0)
        self._floor = np.concatenate([row_floors, bounds])
        # Without an objective every feasible point is optimal with multipliers zero.
        self.feasibility = not form.curved_objective and not form.q0.any()

    def record(self, nit: int, z: Point, step: float, seconds: float) -> IterationRecord:
        """Residuals at (x, λ, ν)/τ: one product with |A|, nothing else that grows faster than the rows."""
        form, tau = self._form, z.tau
        value = (0.5 * z.xPx / tau + z.q0_x) / tau
        sizes = np.maximum(z.sizes, self._floor * tau)
        # By how much x/τ itself violates its rows; the residual z.r_p says that s is not yet their slack.
        excess = z.r_p - z.s
        if form.cones.count:
            part, heads = form.cones.part, form.cones.heads
            sizes[part] = form.cones.spread(np.sqrt(form.cones.inner(sizes[part], sizes[part])))
            excess[part] = form.cones.spread(form.cones.tail_norm(excess[part]) + excess[part][heads])
        primal = _share(np.maximum(excess, 0.0), sizes)
        if form.p:
            size = np.maximum(self._absolute_A @ np.abs(z.x) + np.abs(form.b) * tau, self._equality_floor * tau)
            primal = max(primal, _share(z.r_e, size))
        if self.feasibility:
            return IterationRecord(nit, self._constant, self._constant, primal, 0.0, 0.0, step, tau, z.kappa, z.mu,
                                   seconds)
        slack = (float(z.lam @ (z.r_p - z.s)) + float(z.nu @ z.r_e)) / (form.c * tau * tau)
        slope = max(float(np.abs(v).max(initial=0.0)) for v in (z.slope0, form.c * tau * form.q0, z.pull, z.A_nu))
        if self._no_slope:
            slope = max(slope, form.c * tau * self.unit)
        size_v = abs(0.5 * z.xPx / tau**2) + float(self._absolute_q0 @ np.abs(z.x)) / tau
        size_v = max(size_v, ATTAINABLE * float((z.lam * sizes).max(initial=0.0)) / (form.c * tau * tau))
        return IterationRecord(
            nit, value + self._constant, value + slack + self._constant, primal,
            float(np.abs(z.r_d).max(initial=0.0)) / slope if slope > 0 else 0.0,
            abs(slack) / max(size_v, self.unit), step, tau, z.kappa, z.mu, seconds)

    def unscaled(self, z: Point) -> Multipliers:
        """The point in the user's units; multipliers are zero where there is no objective."""
        lam, nu = (0.0 * z.lam, 0.0 * z.nu) if self.feasibility else (z.lam, z.nu)
        return self._form.unscale(z.x, lam, nu, z.tau)

    def exact(self, z: Point) -> KKTResiduals:
        """The residuals on the data as given."""
        point = self.unscaled(z)
        return kkt_residuals(self._problem, point.x, point.lam, point.nu, point.lam_lb, point.lam_ub, point.lam_cones)
