"""The Lagrangian of a QCQP and its dual function, as objects to evaluate."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic, weighted_sum
from ..validation import check_finite
from .cones import Parts, pull
from .dual_point import DualPoint, evaluate
from .multipliers import SIGN_TOLERANCE, multipliers, slope_terms, split_by_sign

__all__ = ["SIGN_TOLERANCE", "Lagrangian", "multipliers", "slope_terms", "split_by_sign"]


class Lagrangian:
    """L(x, lam, nu) = f₀(x) + Σ lamᵢfᵢ(x) + nuᵀ(Ax - b) + lam_lbᵀ(lb - x) + lam_ubᵀ(x - ub).

    `lam` holds the quadratic inequalities first, then the rows of G. The bounds may have multipliers of
    their own or, in `dual_function`, be kept as the domain of x. A cone ‖Aₖx + bₖ‖ ≤ cₖᵀx + dₖ has a vector
    (z₀, z) with ‖z‖ ≤ z₀ in `lam_cones`, and L gains -z₀(cₖᵀx + dₖ) - zᵀ(Aₖx + bₖ).

    Parameters
    ----------
    problem : QCQP, convex or not

    Notes
    -----
    Boyd & Vandenberghe, sections 5.1.1 and 5.1.2; cones in section 5.9.1.

    Examples
    --------
    Minimise x² + 1 subject to (x - 2)(x - 4) ≤ 0 (Boyd & Vandenberghe, exercise 5.1):

    >>> import convexkit as ck
    >>> problem = ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0)])
    >>> L = ck.Lagrangian(problem)
    >>> L.value([2.0], [2.0]), L.gradient([2.0], [2.0])
    (5.0, array([0.]))
    >>> round(L.dual_function([2.0]), 9), L.dual_function([0.0])
    (5.0, 1.0)
    """

    __slots__ = ("problem",)

    def __init__(self, problem: QCQP):
        if not isinstance(problem, QCQP):
            raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
        self.problem = problem

    def at(self, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
           lam_cones: Any = None) -> Quadratic:
        """L(·, lam, nu) as a `Quadratic` in x. Cost: one weighted sum of the data.

        Its constant is -inf where a positive multiplier meets an infinite right-hand side.
        """
        return self._sum(*multipliers(self.problem, lam, nu, lam_lb, lam_ub, lam_cones))

    def _sum(self, lam: np.ndarray, nu: np.ndarray, lam_lb: np.ndarray, lam_ub: np.ndarray,
             lam_cones: tuple[np.ndarray, ...]) -> Quadratic:
        """`at`, of vectors that are known to fit."""
        pr = self.problem
        quadratics = len(pr.inequalities)
        total = weighted_sum(np.concatenate(([1.0], lam[:quadratics])), (pr.objective, *pr.inequalities))
        rows = lam[quadratics:]
        q = total.q - lam_lb + lam_ub
        if rows.size:
            q += pr.G.T @ rows
        if nu.size:
            q += pr.A.T @ nu
        constant = total.r - float(nu @ pr.b) + _constants((-rows, pr.h), (lam_lb, pr.lb), (-lam_ub, pr.ub))
        if pr.cones:
            z = Parts.of(lam_cones)
            on_heads, on_tails = pull(pr.cones, z, pr.n)
            q -= on_heads + on_tails
            constant -= z @ Parts.offsets(pr.cones)
        check_finite("q", q)
        total.q, total.r = q, constant  # fresh from the sum; r may be -inf, which the constructor refuses in data
        return total

    def value(self, x: Any, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
              lam_cones: Any = None) -> float:
        """L(x, lam, nu), at any point and for multipliers of any sign."""
        return self.at(lam, nu, lam_lb, lam_ub, lam_cones).value(x)

    __call__ = value

    def gradient(self, x: Any, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
                 lam_cones: Any = None) -> np.ndarray:
        """∇ₓL(x, lam, nu), zero at a minimiser."""
        return self.at(lam, nu, lam_lb, lam_ub, lam_cones).gradient(x)

    def dual_function(self, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
                      lam_cones: Any = None) -> float:
        """g(lam, nu) = inf over x of L(x, lam, nu): never above the optimal value.

        Parameters
        ----------
        lam, nu : (m,) and (p,) arrays
        lam_lb, lam_ub : (n,) arrays, optional
            If both are omitted, the bounds are the domain over which the infimum is taken, which is the best
            that any bound multipliers could do.
        lam_cones : sequence of arrays (z₀, z), one for each cone; zeros if omitted

        Returns
        -------
        float
            -inf outside the domain of g: a negative multiplier, ‖z‖ > z₀, a P(lam) that is not positive
            semidefinite, a slope in a direction in which P(lam) is flat, or weight on an infinite right-hand side.

        Notes
        -----
        One factorization of P(lam) = P₀ + Σ lamᵢPᵢ. With bounds as the domain, a box-constrained quadratic
        is minimised approximately and the bound multipliers read off it: the result is a true bound still.
        """
        return evaluate(self, lam, nu, lam_lb, lam_ub, lam_cones).value

    def minimizer(self, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
                  lam_cones: Any = None) -> np.ndarray | None:
        """The x that attains `dual_function`, one of them if there are several, None if there is none."""
        return evaluate(self, lam, nu, lam_lb, lam_ub, lam_cones).x

    def dual_point(self, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
                   lam_cones: Any = None) -> DualPoint:
        """`dual_function` with its minimiser, supergradient and Hessian, or the reason why it is -inf.

        Arguments are those of `dual_function`; all answers come from one factorization of P(lam).

        Examples
        --------
        >>> import convexkit as ck
        >>> problem = ck.QCQP(ck.Quadratic([[-1.0]]), [ck.Quadratic([[2.0]], [0.0], -1.0)])      # -½x², x² ≤ 1
        >>> L = ck.Lagrangian(problem)
        >>> L.dual_point([1.0]).value, L.dual_point([1.0]).value_wrt_lam
        (-1.0, array([-1.]))
        >>> L.dual_point([0.35]).reason
        'P(lam) has eigenvalue -0.3 along x = (1)'
        """
        return evaluate(self, lam, nu, lam_lb, lam_ub, lam_cones)


def _constants(*pairs: tuple[np.ndarray, np.ndarray]) -> float:
    """Σ weights·limits over all pairs, with 0·inf = 0, and -inf where a term is, whatever the others are."""
    terms = np.concatenate([weights[weights != 0] * limits[weights != 0] for weights, limits in pairs])
    return -np.inf if (terms == -np.inf).any() else float(terms.sum())
