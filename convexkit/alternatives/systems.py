"""The theorem of alternatives for the constraints of a problem, strict or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..duality import InfeasibilityCertificate, Rows, kkt_residuals, row_sizes, weighted_infimum
from ..errors import ProblemError
from ..problem import QCQP
from ..solver import require_convex, solve
from .margin import Deepest, deepest, strictly_inside

# What an infimum that should be zero may be below it, relative to the constants that are summed to it.
ROUNDING = 1e-7


@dataclass(frozen=True, eq=False)
class NoInteriorCertificate:
    """Weights that prove that no point satisfies all inequalities strictly.

        lam, lam_lb, lam_ub ≥ 0, not all zero, and   inf over x of
        Σ lamᵢfᵢ(x) + nuᵀ(Ax - b) + lam_lbᵀ(lb - x) + lam_ubᵀ(x - ub) - Σ (z₀(cᵀx + d) + zᵀ(Ax + b))ₖ ≥ 0

    At a feasible x every term is ≤ 0, so that each row with a positive weight holds with equality: an implied equality.

    Attributes
    ----------
    lam, nu, lam_lb, lam_ub : arrays, ordered as in `QCQP`
    lam_cones : tuple of arrays (z₀, z), one for each cone; empty if all are zero

    Notes
    -----
    Boyd & Vandenberghe, section 5.8.2, strong alternatives.

    Examples
    --------
    Two discs that touch have a common point, but no common interior:

    >>> import numpy as np, convexkit as ck
    >>> discs = [ck.Quadratic(2 * np.eye(2), [-2.0, -2 * s], 1.0) for s in (1.0, -1.0)]
    >>> problem = ck.QCQP(ck.Quadratic(2 * np.eye(2)), discs)
    >>> proof = ck.alternative(problem, strict=True).certificate
    >>> proof.lam.round(6), proof.verify(problem), proof.rows(problem)
    (array([0.25, 0.25]), True, ('inequalities[0]', 'inequalities[1]'))
    """

    lam: np.ndarray
    nu: np.ndarray
    lam_lb: np.ndarray
    lam_ub: np.ndarray
    lam_cones: tuple[np.ndarray, ...] = ()

    def weights(self, problem: QCQP) -> Rows:
        """The weight of each row times its largest coefficient; of a cone, z₀'s. Zero for fixed variables."""
        heads = np.array([z[0] for z in self.lam_cones]) if self.lam_cones else np.zeros(len(problem.cones))
        rows = Rows(self.lam, self.lam_lb, self.lam_ub, heads)
        return rows.like(np.where(Rows.of(problem).flat(), rows.flat() * row_sizes(problem), 0.0))

    def rows(self, problem: QCQP, *, share: float = 1e-6) -> tuple[str, ...]:
        """Names of the rows that carry more than `share` of the largest weight: implied equalities."""
        weights = self.weights(problem)
        flat = weights.flat()
        return weights.like(flat > share * flat.max(initial=0.0)).names(problem)

    def infimum(self, problem: QCQP) -> float:
        """The infimum above over |xⱼ| ≤ 1e8, in units in which the weights add up to 1; zero up to rounding."""
        total = float(self.weights(problem).flat().sum())
        return weighted_infimum(problem, self)[0] / total if total > 0 else -np.inf

    def verify(self, problem: QCQP) -> bool:
        """Whether the weights prove it: the infimum is no less than -1e-7 of the terms. One factorization."""
        total = float(self.weights(problem).flat().sum())
        low, constants = weighted_infimum(problem, self)
        return total > 0 and low >= -ROUNDING * (constants + total)


@dataclass(frozen=True, eq=False)
class Alternative:
    """Whether a system of inequalities has a solution, with one or with the proof that there is none.

    Attributes
    ----------
    holds : bool or None; None where neither could be shown to the tolerance
    strict : bool, whether the inequalities are meant strictly
    x : (n,) array or None, a solution
    certificate : InfeasibilityCertificate, NoInteriorCertificate or None, the proof that there is none
    message : str

    Examples
    --------
    >>> import convexkit as ck
    >>> system = ck.lp([0.0, 0.0], G=[[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], h=[-1.0, 0.0, 0.0])
    >>> answer = ck.alternative(system)
    >>> answer.holds, (answer.certificate.lam / answer.certificate.lam[0]).round(6)
    (False, array([1., 1., 1.]))
    """

    holds: bool | None
    strict: bool
    x: np.ndarray | None
    certificate: InfeasibilityCertificate | NoInteriorCertificate | None
    message: str

    def verify(self, problem: QCQP) -> bool:
        """Whether the point solves the system, or the certificate excludes a solution, on these data."""
        if self.holds and self.x is not None:
            met = kkt_residuals(problem, self.x).primal <= 1e-7
            return met and (not self.strict or strictly_inside(problem, self.x, Rows.of(problem)))
        return self.certificate is not None and self.certificate.verify(problem)


def alternative(problem: QCQP, *, strict: bool = False) -> Alternative:
    """A point that satisfies a problem's constraints, or multipliers that prove that there is none: exactly one.

        fᵢ(x) ≤ 0, Ax = b                  or   lam ≥ 0:           inf Σ lamᵢfᵢ(x) + nuᵀ(Ax - b) > 0
        fᵢ(x) < 0, Ax = b (strict)         or   lam ≥ 0, lam ≠ 0:  inf Σ lamᵢfᵢ(x) + nuᵀ(Ax - b) ≥ 0

    Parameters
    ----------
    problem : QCQP, convex; its objective plays no part. Rows of G, bounds and cones are inequalities like the others
    strict : bool

    Returns
    -------
    Alternative

    Raises
    ------
    NotConvexError
        If a P is not positive semidefinite. For two quadratics without convexity see `s_lemma`.

    Notes
    -----
    Both are strong alternatives for convex quadratics: the infimum in the first is attained by Frank and Wolfe's
    theorem (Luo & Zhang 1999). With cones the first pair is a weak one, and both may fail. The strict system is
    answered by minimising the largest fᵢ, as in the first phase of a barrier method. Boyd & Vandenberghe, section 5.8.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> disc = ck.Quadratic(2 * np.eye(2), None, -1.0)                                 # x₁² + x₂² ≤ 1
    >>> beside = ck.QCQP(ck.Quadratic(None, [0.0, 0.0]), [disc], G=[[-1.0, 0.0]], h=[-1.0])     # x₁ ≥ 1
    >>> ck.alternative(beside).x.round(3), ck.alternative(beside, strict=True).holds
    (array([1., 0.]), False)
    """
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
    require_convex(problem)
    rows = Rows.of(problem)
    if strict and rows.flat().any():
        return _strict(problem, deepest(problem, rows), rows)
    solution = solve(problem.feasibility_problem())
    if solution.certificate is not None:
        return Alternative(False, strict, None, solution.certificate, solution.message)  # type: ignore[arg-type]
    if np.isfinite(solution.x).all() and kkt_residuals(problem, solution.x).primal <= 1e-7:
        return Alternative(True, strict, solution.x, None, f"a point that satisfies the system: {solution.message}")
    return Alternative(None, strict, None, None, f"neither could be shown: {solution.message}")


def infeasible(problem: QCQP, found: Deepest) -> InfeasibilityCertificate | None:
    """The weights of the deepest point as a proof that no point is feasible, or another one, or None."""
    own = found.solution.certificate
    if own is None:
        proof = InfeasibilityCertificate(found.lam, found.nu, found.lam_lb, found.lam_ub, found.lam_cones)
        if found.depth > 0 and proof.verify(problem):
            return proof
        if found.depth <= 1e-6:
            return None
    again = solve(problem.feasibility_problem()).certificate
    return again if isinstance(again, InfeasibilityCertificate) else None


def no_interior(problem: QCQP, found: Deepest) -> NoInteriorCertificate | None:
    """The weights of the deepest point as a proof that no point is strictly inside; None if they prove nothing.

    Weights on their way to zero never quite arrive; what they add to the slope counts far out. Leave out the smallest.
    """
    proof = NoInteriorCertificate(found.lam, found.nu, found.lam_lb, found.lam_ub, found.lam_cones)
    weights = proof.weights(problem)
    for share in (0.0, 1e-9, 1e-6, 1e-4):
        kept = weights.like(weights.flat() > share * weights.flat().max(initial=0.0))
        cleaned = NoInteriorCertificate(np.where(kept.lam, found.lam, 0.0), found.nu,
                                        np.where(kept.lb | (problem.lb == problem.ub), found.lam_lb, 0.0),
                                        np.where(kept.ub | (problem.lb == problem.ub), found.lam_ub, 0.0),
                                        tuple(np.where(keep & (np.abs(z) > share * np.abs(z[0])), z, 0.0)
                                              for z, keep in zip(found.lam_cones, kept.cones, strict=True)))
        if cleaned.verify(problem):
            return cleaned
    return None


def _strict(problem: QCQP, found: Deepest, rows: Rows) -> Alternative:
    if strictly_inside(problem, found.x, rows) and kkt_residuals(problem, found.x).primal <= 1e-7:
        return Alternative(True, True, found.x, None, f"a point inside by {-found.depth:.3g} of each row's size.")
    proof = infeasible(problem, found)
    if proof is not None:
        return Alternative(False, True, None, proof, "no point satisfies the system, not even with equality.")
    weights = no_interior(problem, found)
    if weights is not None:
        return Alternative(False, True, None, weights, "no point satisfies all inequalities strictly: equality is "
                           f"implied in {', '.join(weights.rows(problem))}.")
    return Alternative(None, True, None, None, f"neither could be shown: {found.solution.message}")
