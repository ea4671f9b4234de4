"""What a solution is worth at the margin: derivatives of the optimal value in the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..problem import QCQP
from ..validation import as_vector
from .kkt import kkt_residuals
from .lagrangian import Lagrangian
from .multipliers import multipliers, split_by_sign


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Derivatives of the optimal value p* where the multipliers are unique; else subgradients of it.

    Attributes
    ----------
    value_wrt_h : (m,) array, -lam: p* for constraints fᵢ(x) ≤ uᵢ, and for the rows of G in their h
    value_wrt_b : (p,) array, -nu
    value_wrt_lb, value_wrt_ub : (n,) arrays, lam_lb and -lam_ub
    value_wrt_q : (n,) array, x, for the objective's linear term
    value_wrt_cones : tuple of arrays, -(z₀, z) for each cone: p* for the cone's (d, b)
    residual : float, the largest KKT residual of the point; prices of a point that is not optimal mean little
    dual_value : float, g(lam, nu), which no feasible point is below

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 15.0], lb=0.0)
    >>> ck.sensitivity(problem, [5.0, 5.0], [2.0, 1.0]).value_wrt_h
    array([-2., -1.])
    """

    value_wrt_h: np.ndarray
    value_wrt_b: np.ndarray
    value_wrt_lb: np.ndarray
    value_wrt_ub: np.ndarray
    value_wrt_q: np.ndarray
    residual: float
    value_wrt_cones: tuple[np.ndarray, ...] = ()
    dual_value: float = -np.inf

    def lower_bound(self, *, u: Any = None, v: Any = None, lb: Any = None, ub: Any = None, cones: Any = None) -> float:
        """g(lam, nu) - lamᵀu - nuᵀv + lam_lbᵀlb - lam_ubᵀub - Σ (z₀, z)ₖᵀwₖ: no larger than p*(u, v, …), however large
        the change is.

        Parameters
        ----------
        u, v, lb, ub : changes of the right-hand sides as in `perturbed`: fᵢ(x) ≤ uᵢ, Ax - b = v, bounds moved by lb, ub
        cones : sequence of arrays w, (cᵀx + d, Ax + b) + w in its cone
        """
        total = self.dual_value
        for name, change, slope in (("u", u, self.value_wrt_h), ("v", v, self.value_wrt_b),
                                    ("lb", lb, self.value_wrt_lb), ("ub", ub, self.value_wrt_ub)):
            if change is not None:
                total += float(slope @ as_vector(name, change, slope.size))
        for k, change in enumerate(() if cones is None else cones):
            total += float(self.value_wrt_cones[k] @ as_vector(f"cones[{k}]", change, self.value_wrt_cones[k].size))
        return total


def sensitivity(problem: QCQP, x: Any, lam: Any = None, nu: Any = None, lam_lb: Any = None,
                lam_ub: Any = None, lam_cones: Any = None) -> Sensitivity:
    """Shadow prices: how the optimal value answers to the data, read off an optimal (x, lam, nu).

        p*(u, v, w) ≥ p*(0, 0, 0) - lamᵀu - nuᵀv - Σ (z₀, z)ₖᵀwₖ
        for   fᵢ(x) ≤ uᵢ,  Ax - b = v,  (cₖᵀx + dₖ, Aₖx + bₖ) + wₖ in its cone

    Parameters
    ----------
    problem : QCQP
    x, lam, nu, lam_lb, lam_ub, lam_cones : an optimal point with its multipliers, as in `kkt_residuals`

    Notes
    -----
    The inequality is global; `Sensitivity.lower_bound` evaluates its right side, with g(lam, nu), a bound also where
    the point is not quite optimal. One factorization. How far a price holds: `price_range`. Where multipliers are not
    unique: `one_sided_derivatives`. Boyd & Vandenberghe, section 5.6.

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0)])
    >>> prices = ck.sensitivity(problem, [2.0], [2.0])
    >>> prices.value_wrt_h, round(prices.lower_bound(u=[3.0]), 6)                # p*(3) = 2
    (array([-2.]), -1.0)
    """
    residual = kkt_residuals(problem, x, lam, nu, lam_lb, lam_ub, lam_cones).max()
    x = as_vector("x", x, problem.n)
    if lam_lb is None and lam_ub is None:
        # At an optimal point the slope left by the other multipliers is that of the bounds.
        slope = Lagrangian(problem).gradient(x, lam, nu, lam_cones=lam_cones)
        lam_lb, lam_ub = split_by_sign(slope, problem.lb, problem.ub)
    lam, nu, lam_lb, lam_ub, lam_cones = multipliers(problem, lam, nu, lam_lb, lam_ub, lam_cones)
    bound = Lagrangian(problem).dual_function(lam, nu, lam_lb, lam_ub, lam_cones)
    return Sensitivity(-lam, -nu, lam_lb, -lam_ub, x.copy(), residual, tuple(-z for z in lam_cones), bound)
