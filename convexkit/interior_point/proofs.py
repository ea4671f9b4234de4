"""From a point of the embedding to a proof: of infeasibility, or of unboundedness."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lstsq

from ..duality import InfeasibilityCertificate, UnboundednessCertificate
from ..problem import QCQP
from .embedding import Point
from .form import Form, Multipliers


def proofs(problem: QCQP, form: Form, z: Point) -> tuple[InfeasibilityCertificate | None, np.ndarray | None]:
    """A certificate of infeasibility, or else a direction of unboundedness, if the point holds one."""
    proof = _infeasibility(problem, form, z)
    return proof, None if proof is not None else _ray(problem, z)


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
