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
    The inequality is global. Boyd & Vandenberghe, section 5.6.

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0)])
    >>> ck.sensitivity(problem, [2.0], [2.0]).value_wrt_h
    array([-2.])
    """
    residual = kkt_residuals(problem, x, lam, nu, lam_lb, lam_ub, lam_cones).max()
    x = as_vector("x", x, problem.n)
    if lam_lb is None and lam_ub is None:
        # At an optimal point the slope left by the other multipliers is that of the bounds.
        slope = Lagrangian(problem).gradient(x, lam, nu, lam_cones=lam_cones)
        lam_lb, lam_ub = split_by_sign(slope, problem.lb, problem.ub)
    lam, nu, lam_lb, lam_ub, lam_cones = multipliers(problem, lam, nu, lam_lb, lam_ub, lam_cones)
    return Sensitivity(-lam, -nu, lam_lb, -lam_ub, x.copy(), residual, tuple(-z for z in lam_cones))
