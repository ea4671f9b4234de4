"""Multipliers of a problem: their lengths, their signs, and what they weigh on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ProblemError
from ..problem import QCQP
from ..quadratic import runs, stacked
from ..validation import as_vector
from .cones import Parts, pull_terms

# A multiplier down to -SIGN_TOLERANCE·max|lam| is rounding of zero and is read as zero.
SIGN_TOLERANCE = 1e-9
# A component of the slope is rounding if it is below this share of the terms that were summed to it.
SLOPE_TOLERANCE = 1e-7


class PrimalDualPoint(NamedTuple):
    """A point with its multipliers, in the order in which every function here takes them.

    `ck.kkt_residuals(problem, *point)` and `ck.duality_report(problem, *point)` judge it. Fields: `x`, `lam`, `nu`,
    `lam_lb`, `lam_ub`, `lam_cones`, as in `Solution`.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> problem = ck.lp([1.0], G=[[-1.0]], h=[-2.0])                  # minimise x, x ≥ 2
    >>> point = ck.PrimalDualPoint(np.array([2.0]), np.array([1.0]), np.zeros(0), np.zeros(1), np.zeros(1), ())
    >>> ck.kkt_residuals(problem, *point).max()
    0.0
    """

    x: np.ndarray
    lam: np.ndarray
    nu: np.ndarray
    lam_lb: np.ndarray
    lam_ub: np.ndarray
    lam_cones: tuple[np.ndarray, ...]


def multipliers(problem: QCQP, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
                lam_cones: Any = None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
    """All multipliers as vectors of the right lengths; None stands for zeros. Raises ProblemError."""
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")

    def vector(name: str, value: Any, size: int, rows: str) -> np.ndarray:
        if value is None:
            return np.zeros(size)
        array = as_vector(name, value)
        if array.size != size:
            raise ProblemError(f"{name} has length {array.size}; expected {size}: {rows}.")
        return array

    quadratics, linear = len(problem.inequalities), problem.h.size
    return (vector("lam", lam, problem.m, f"{quadratics} quadratic inequalities, then {linear} rows of G"),
            vector("nu", nu, problem.p, "one for each row of A"),
            vector("lam_lb", lam_lb, problem.n, "one for each variable"),
            vector("lam_ub", lam_ub, problem.n, "one for each variable"),
            _cone_multipliers(problem, lam_cones))


def _cone_multipliers(problem: QCQP, lam_cones: Any) -> tuple[np.ndarray, ...]:
    sizes = [cone.size for cone in problem.cones]
    if lam_cones is None:
        return tuple(np.zeros(size) for size in sizes)
    if not isinstance(lam_cones, Iterable):
        raise ProblemError(f"lam_cones must be a sequence, one array for each cone; got {type(lam_cones).__name__}.")
    given = tuple(lam_cones)
    if len(given) != len(sizes):
        raise ProblemError(f"lam_cones has {len(given)} entries; the problem has {len(sizes)} cones.")
    # A thousand vectors that are what they should be are looked at once, together.
    if given and all(type(v) is np.ndarray and v.dtype == np.float64 and v.shape == (size,)
                     for v, size in zip(given, sizes, strict=True)) and np.isfinite(np.concatenate(given)).all():
        return given
    vectors = tuple(as_vector(f"lam_cones[{k}]", v) for k, v in enumerate(given))
    for k, (v, size) in enumerate(zip(vectors, sizes, strict=True)):
        if v.size != size:
            raise ProblemError(f"lam_cones[{k}] has length {v.size}; expected {size}: one for cᵀx + d, then one for "
                               "each row of A.")
    return vectors


def slope_terms(problem: QCQP, lam: np.ndarray, nu: np.ndarray, lam_lb: np.ndarray, lam_ub: np.ndarray,
                lam_cones: Sequence[np.ndarray]) -> np.ndarray:
    """(n,) array Σ |term| of the slope of L at x = 0: what its rounding errors are proportional to."""
    quadratics = len(problem.inequalities)
    total = np.abs(problem.objective.q) + lam_lb + lam_ub
    used = np.flatnonzero(lam[:quadratics])
    for part in runs([problem.n] * used.size):
        total = total + lam[used[part]] @ np.abs(stacked([problem.inequalities[i].q for i in used[part]]))
    for matrix, weights in ((problem.G, lam[quadratics:]), (problem.A, np.abs(nu))):
        if weights.any():
            total = total + abs(matrix).T @ weights
    return total + pull_terms(problem.cones, Parts.of(lam_cones), problem.n) if problem.cones else total


def split_by_sign(slope: np.ndarray, lb: np.ndarray, ub: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(lam_lb, lam_ub) that balance a slope, each zero where there is no bound: lam_lb - lam_ub = slope elsewhere."""
    return (np.where(np.isfinite(lb), np.maximum(slope, 0.0), 0.0),
            np.where(np.isfinite(ub), np.maximum(-slope, 0.0), 0.0))


def wrong_sign(problem: QCQP, lam: np.ndarray, lam_lb: np.ndarray, lam_ub: np.ndarray, z: Parts,
               largest: float) -> str:
    """In words, the first multiplier that has the wrong sign beyond rounding of the largest; empty if none has."""
    for name, vector in (("lam", lam), ("lam_lb", lam_lb), ("lam_ub", lam_ub)):
        bad = np.flatnonzero(vector < -SIGN_TOLERANCE * largest)
        if bad.size:
            more = f", and {bad.size - 1} more entries are" if bad.size > 1 else ""
            return f"{name}[{bad[0]}] = {vector[bad[0]]:.4g} is negative{more}"
    norms = z.norms
    bad = np.flatnonzero(z.heads - norms < -SIGN_TOLERANCE * largest)
    if bad.size:
        k = bad[0]
        return f"lam_cones[{k}] is outside its cone: ‖z‖ = {norms[k]:.4g} exceeds z₀ = {z.heads[k]:.4g}"
    return ""


def absent_limit(problem: QCQP, lam: np.ndarray, lam_lb: np.ndarray, lam_ub: np.ndarray) -> str:
    """In words, the first positive multiplier of a limit that is infinite; empty if there is none."""
    quadratics = len(problem.inequalities)
    for name, vector, limit, shift, what in (
            ("lam", lam[quadratics:], problem.h, quadratics, "h[{}], which is inf"),
            ("lam_lb", lam_lb, problem.lb, 0, "lb[{}], which is -inf"),
            ("lam_ub", lam_ub, problem.ub, 0, "ub[{}], which is inf")):
        bad = np.flatnonzero((vector > 0) & ~np.isfinite(limit))
        if bad.size:
            return f"{name}[{bad[0] + shift}] = {vector[bad[0]]:.4g} weighs on " + what.format(bad[0])
    return ""
