"""A proof that a point is optimal: its multipliers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..problem import QCQP
from .kkt import KKTResiduals, kkt_residuals
from .lagrangian import Lagrangian
from .multipliers import split_by_sign


@dataclass(frozen=True, eq=False)
class OptimalityCertificate:
    """A feasible point and multipliers that prove that no feasible point is lower, whatever P is.

        f₀(y) ≥ L(y, lam, nu) ≥ L(x, lam, nu) = f₀(x)   for every feasible y:
        the first from lam ≥ 0, the second from P₀ + Σ lamᵢPᵢ ⪰ 0 and ∇ₓL = 0, the third from complementarity

    Attributes
    ----------
    x, lam, nu, lam_lb, lam_ub : arrays, ordered as in `QCQP`
    lam_cones : tuple of arrays (z₀, z), one for each cone; empty if all are zero

    Notes
    -----
    The problem need not be convex; then the certificate asks for more than a local solver's point has.
    Boyd & Vandenberghe, section 5.5.3.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> problem = ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 15.0], lb=0.0)
    >>> proof = ck.OptimalityCertificate.of(ck.solve(problem))
    >>> proof.verify(problem), abs(proof.gap(problem)) < 1e-5
    (True, True)
    >>> ck.OptimalityCertificate(np.array([5.0, 5.0]), np.array([2.0, 1.0])).verify(problem)
    True
    """

    x: np.ndarray
    lam: np.ndarray | None = None
    nu: np.ndarray | None = None
    lam_lb: np.ndarray | None = None
    lam_ub: np.ndarray | None = None
    lam_cones: tuple[np.ndarray, ...] = ()

    @classmethod
    def of(cls, solution: Any) -> OptimalityCertificate:
        """The certificate that a `Solution` holds, or anything with the same attributes."""
        return cls(solution.x, solution.lam, solution.nu, solution.lam_lb, solution.lam_ub, tuple(solution.lam_cones))

    def _multipliers(self) -> tuple:
        return self.lam, self.nu, self.lam_lb, self.lam_ub, self.lam_cones or None

    def residuals(self, problem: QCQP) -> KKTResiduals:
        """The KKT residuals of the point on `problem`."""
        return kkt_residuals(problem, self.x, *self._multipliers())

    def gap(self, problem: QCQP) -> float:
        """f₀(x) - g(lam, nu), in units of the objective: how far at most x is from optimal, if it is feasible."""
        lam, nu, lam_lb, lam_ub, z = self._multipliers()
        if lam_lb is None and lam_ub is None:
            slope = Lagrangian(problem).gradient(self.x, lam, nu, lam_cones=z)
            lam_lb, lam_ub = split_by_sign(slope, problem.lb, problem.ub)
        return problem.objective(self.x) - Lagrangian(problem).dual_function(lam, nu, lam_lb, lam_ub, z)

    def verify(self, problem: QCQP, *, tol: float = 1e-6) -> bool:
        """Whether the multipliers prove x optimal for `problem` to a relative `tol`. One factorization."""
        if not np.isfinite(self.x).all() or self.residuals(problem).max() > tol:
            return False
        lam, nu, _, _, z = self._multipliers()
        L = Lagrangian(problem).at(None if lam is None else np.maximum(lam, 0.0), nu, lam_cones=z)
        # Residuals bound what L falls by next to x; that it curves upwards everywhere bounds the rest.
        return L.P is None or L.smallest_eigenvalue() >= -1e-9 * _size(problem, lam)


def _size(problem: QCQP, lam: np.ndarray | None) -> float:
    """The size of the terms of P₀ + Σ lamᵢPᵢ: rounding of a sum that cancels is relative to it."""
    weights = [1.0, *(np.abs(lam[:len(problem.inequalities)]) if lam is not None else [])]
    curved = [(w, f) for w, f in zip(weights, (problem.objective, *problem.inequalities), strict=False)
              if f.P is not None and w > 0]
    probe = np.ones(problem.n) / np.sqrt(problem.n)
    return sum(w * max(float(np.linalg.norm(f.hessp(probe))), _diagonal(f)) for w, f in curved)


def _diagonal(f: Any) -> float:
    P = f.P
    return float(np.abs(P.diagonal()).max(initial=0.0)) if hasattr(P, "diagonal") else 0.0
