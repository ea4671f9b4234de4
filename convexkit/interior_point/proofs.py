"""From a point of the embedding to a proof: of infeasibility, or of unboundedness."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh, lstsq
from scipy.sparse.linalg import splu

from ..duality import NO_BOUND, InfeasibilityCertificate, UnboundednessCertificate, row_largest, split_by_sign
from ..problem import QCQP
from .embedding import Point
from .form import Form, Multipliers

# Up to this many variables a full eigendecomposition is worth its while in the search for a direction.
SMALL = 200


def proofs(problem: QCQP, form: Form, z: Point) -> tuple[InfeasibilityCertificate | None, np.ndarray | None]:
    """A certificate of infeasibility, or else a direction of unboundedness, if the point holds one."""
    proof = _infeasibility(problem, form, z)
    if proof is not None:
        return proof, None
    ray = _ray(form.problem, form, z)
    return None, None if ray is None else form.reduction.expand(ray)


def certificate_of(point: Multipliers) -> InfeasibilityCertificate:
    """The multipliers of a point as a certificate, not yet verified."""
    return InfeasibilityCertificate(point.lam, point.nu, point.lam_lb, point.lam_ub, point.lam_cones)


def _infeasibility(problem: QCQP, form: Form, z: Point) -> InfeasibilityCertificate | None:
    """The multipliers as a certificate of margin about 1, if it verifies on the user's data."""
    if z.offer <= 0:
        return None
    point = form.in_units(z.x, z.lam, z.nu, z.offer / form.c)
    for candidate in (point, _cleaned(form.problem, form, z, point)):
        proof = certificate_of(form.reduction.restore(candidate, objective=False))
        if proof.verify(problem):
            return proof
    return None


def _cleaned(problem: QCQP, form: Form, z: Point, point: Multipliers) -> Multipliers:
    """The multipliers with the slope that is left over moved into bounds of the right sign, and into nu."""
    left = (z.pull + z.A_nu) / z.offer
    more_lb, more_ub = split_by_sign(left, problem.lb, problem.ub)
    left = left - more_lb + more_ub
    nu = point.nu
    if problem.p:
        nu = nu - least_squares_nu(problem.A, left)
    return Multipliers(point.x, point.lam, nu, point.lam_lb + more_lb, point.lam_ub + more_ub, point.lam_cones)


def inconsistent(problem: QCQP, form: Form, x: np.ndarray) -> InfeasibilityCertificate | None:
    """A proof that Ax = b cannot be met, from an x that nearly minimises ‖Ax - b‖: then Aᵀ(Ax - b) = 0."""
    nu = form.A @ x - form.b
    offer = -float(form.b @ nu)
    if not (offer > 0 and np.isfinite(nu).all()):
        return None
    nothing = np.zeros(form.n)
    point = form.in_units(nothing, np.zeros(0), nu, offer / form.c)
    A = form.problem.A
    cleaned = replace(point, nu=point.nu - least_squares_nu(A, A.T @ point.nu))
    for candidate in (cleaned, point):
        proof = certificate_of(form.reduction.restore(candidate, objective=False))
        if proof.verify(problem):
            return proof
    return None


def least_squares_nu(A: Any, slope: np.ndarray) -> np.ndarray:
    """The ν that minimises ‖Aᵀν - slope‖. For sparse A from the system [I Aᵀ; A -δI], factored once."""
    if not sp.issparse(A):
        return lstsq(A.T, slope, check_finite=False)[0]
    p, n = A.shape
    sizes = row_largest(A)
    scaled = sp.diags_array(1.0 / np.where(sizes > 0, sizes, 1.0)) @ A
    matrix = sp.block_array([[sp.eye_array(n), scaled.T], [scaled, -1e-12 * sp.eye_array(p)]], format="csc")
    try:
        solution = splu(matrix).solve(np.concatenate([slope, np.zeros(p)]))
    except RuntimeError:
        return np.zeros(p)
    return solution[n:] / np.where(sizes > 0, sizes, 1.0)


def _ray(problem: QCQP, form: Form, z: Point) -> np.ndarray | None:
    """x without its length and rounding, if it is a direction of recession along which f₀ falls."""
    size = float(np.abs(z.x).max(initial=0.0))
    if not (np.isfinite(size) and size > 0 and z.q0_x < 0):
        return None
    ray = cleaned_ray(problem, form, z.x / size)
    if ray is None and (flat := _flattened(form, z.x / size)) is not None:
        ray = cleaned_ray(problem, form, flat)
    return ray


def cleaned_ray(problem: QCQP, form: Form, raw: np.ndarray) -> np.ndarray | None:
    """`raw` without what rounding and unfinished iterations left in it, if that is a direction of unboundedness."""
    candidate = raw.copy()
    candidate[(problem.lb > -NO_BOUND) & (candidate < 0)] = 0.0
    candidate[(problem.ub < NO_BOUND) & (candidate > 0)] = 0.0
    # Entries on their way to zero, where P has curvature or rows fix a variable, never quite arrive: leave out the
    # smallest, in units in which variables are comparable.
    comparable = np.abs(candidate) / form.scaling.columns
    for share in (0.0, 1e-14, 1e-8, 1e-5, 1e-3):
        trial = np.where(comparable <= share * comparable.max(initial=0.0), 0.0, candidate)
        if UnboundednessCertificate(np.zeros(problem.n), trial).falls(problem):
            return trial
    return None


def _flattened(form: Form, d: np.ndarray) -> np.ndarray | None:
    """d without its components along which a P curves, or an equality or a row that d nearly keeps changes.

    One eigendecomposition, of Σ Pᵢ/tr(Pᵢ) + the Gram matrix of those rows.
    """
    n = form.n
    if form.layout == "sparse" or n > SMALL:
        return None  # it would cost more than the whole solve
    total = np.zeros((n, n))
    diagonal0, diagonals = form.curvature.diagonals()
    traces = np.concatenate(([diagonal0.sum()], diagonals.sum(axis=1)))
    weights = np.where(traces > 0, 1.0 / np.where(traces > 0, traces, 1.0), 0.0)
    form.curvature.weighted(weights[0], weights[1:], total)  # type: ignore[attr-defined]
    near = 1e-3
    linear = form.rows[form.mq:]
    kept = linear[np.abs(linear @ d) <= near * (np.abs(linear) @ np.abs(d))]
    curved = form.q[np.abs(form.q @ d) <= near * (np.abs(form.q) @ np.abs(d))]
    still = np.zeros((0, n))
    bounded = np.union1d(form.low, form.high).astype(int)
    if bounded.size:
        still = np.eye(n)[bounded[np.abs(d[bounded]) <= near]]
    for rows in (form.A, kept, curved, still):
        norms = np.linalg.norm(rows, axis=1)
        unit = rows[norms > 0] / norms[norms > 0][:, None]
        total += unit.T @ unit
    eigenvalues, vectors = eigh(total)
    null = vectors[:, eigenvalues <= 1e-10 * max(eigenvalues[-1], 1e-300)]
    flat = null @ (null.T @ d)
    size = float(np.abs(flat).max(initial=0.0))
    return flat / size if size > 1e-6 else None
