"""How deep two sets overlap, and the normals that multipliers know of where they touch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..problem import QCQP
from ..quadratic import Quadratic
from ..solution import Solution
from ..validation import dense
from .distance import lifted, stacked_rows, together, widened
from .sets import ConvexSet


def relaxed(C: ConvexSet, D: ConvexSet) -> QCQP:
    """minimise t over (z₁, z₂, t): inequalities ≤ t·(their size), x = y, t ≥ -1; equalities stay."""
    both, F, off = together(C, D)
    n = both.n
    last = np.eye(n + 1)[-1]
    curved = [lifted(f, 0, 1, [-max(float(abs(f.q).max(initial=0.0)), float(abs(f.hessian()).max(initial=0.0)))])
              for f in both.inequalities]
    eye, (low, high) = np.eye(n), _loose(C.constraints, D.constraints)
    rows = np.vstack([dense(both.G), -eye[low], eye[high]])
    rows = np.hstack([rows, -np.maximum(np.linalg.norm(rows, axis=1), np.finfo(float).tiny)[:, None]])
    A = dense(stacked_rows(both.A, F))
    cones = [widened(k, 0, 1, [max(float(np.linalg.norm(k.c)), float(abs(dense(k.A)).max()))]) for k in both.cones]
    return QCQP(Quadratic(None, last), curved, G=rows, h=np.concatenate([both.h, -both.lb[low], both.ub[high]]),
                A=np.hstack([A, np.zeros((len(A), 1))]), b=np.append(both.b, -off),
                lb=np.append(np.where(low, -np.inf, both.lb), -1.0),
                ub=np.append(np.where(high, np.inf, both.ub), np.inf), cones=cones)


def normals(C: ConvexSet, D: ConvexSet, found: Solution, apart: np.ndarray) -> Iterator[np.ndarray]:
    """Unit normals to try: the multipliers of C, those of D, and the difference of the nearest points.

    For a set stated by its constraints Σ lamᵢ∇fᵢ + Gᵀlam + Aᵀnu - lam_lb + lam_ub lies in the cone of normals up to
    rounding, where a difference of points has the solver's error: of an unbounded set that is no normal at all.
    """
    k = C.constraints.n
    from_C, from_D = _pull(C.constraints, D.constraints, found, k)
    for v, known in ((from_C, C.matrix is None), (-from_D, D.matrix is None), (apart, True)):
        size = float(np.linalg.norm(v))
        if known and size > 0:
            yield v / size


def _pull(first: QCQP, second: QCQP, found: Solution, k: int) -> tuple[np.ndarray, np.ndarray]:
    """What the multipliers of either set's own constraints add to the slope of the Lagrangian."""
    sides = []
    quadratics = (len(first.inequalities), len(second.inequalities))
    rows, equalities, cones = (first.h.size, second.h.size), (first.p, second.p), (len(first.cones), len(second.cones))
    for i, (problem, z) in enumerate(((first, found.x[:k]), (second, found.x[k:k + second.n]))):
        lam = found.lam[i * quadratics[0]:][:quadratics[i]]
        lam_G = found.lam[sum(quadratics) + i * rows[0]:][:rows[i]]
        nu = found.nu[i * equalities[0]:][:equalities[i]]
        span = slice(i * k, i * k + problem.n)
        low, high = found.lam_lb[span].copy(), found.lam_ub[span].copy()
        if sum(rows) < found.lam.size - sum(quadratics):  # some bounds were relaxed, and are rows
            more = _bounds_as_rows(first, second, found, i)
            low, high = low + more[0], high + more[1]
        v = problem.G.T @ lam_G + problem.A.T @ nu - low + high
        for weight, f in zip(lam, problem.inequalities, strict=True):
            v = v + weight * f.gradient(z)
        for vector, cone in zip(found.lam_cones[i * cones[0]:][:cones[i]], problem.cones, strict=True):
            v = v - vector[0] * cone.c - cone.A.T @ vector[1:]
        sides.append(v)
    return sides[0], sides[1]


def _bounds_as_rows(first: QCQP, second: QCQP, found: Solution, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers of the bounds of the i-th set in `relaxed`, where they follow the rows of both sets."""
    at = len(first.inequalities) + len(second.inequalities) + first.h.size + second.h.size
    span = slice(i * first.n, i * first.n + (first.n, second.n)[i])
    sides = []
    for limited in _loose(first, second):
        multipliers = np.zeros(limited.size)
        multipliers[limited] = found.lam[at:][:int(limited.sum())]
        at += int(limited.sum())
        sides.append(multipliers[span])
    return sides[0], sides[1]


def _loose(first: QCQP, second: QCQP) -> tuple[np.ndarray, np.ndarray]:
    """Which variables of (z₁, z₂) have a lower, and an upper bound that leaves them room."""
    lb, ub = np.append(first.lb, second.lb), np.append(first.ub, second.ub)
    return np.isfinite(lb) & (lb < ub), np.isfinite(ub) & (lb < ub)
