"""Convex optimization with native quadratic constraints, and TRPO as its case study.

>>> import numpy as np, convexkit as ck
>>> disc = ck.Quadratic(2 * np.eye(2), np.zeros(2), -1.0)                # x₁² + x₂² ≤ 1
>>> ck.solve(ck.QCQP(ck.Quadratic(None, [3.0, 4.0]), [disc])).x.round(6)
array([-0.6, -0.8])
"""

from __future__ import annotations

from . import report
from .autodiff import gauss_newton_operator, gradient, hessian_operator, value_and_gradient
from .conjugate_gradient import (
    CGRecord,
    CGResult,
    CGStatus,
    block_jacobi,
    conjugate_gradient,
    jacobi,
    limited_memory,
)
from .derivation import explain
from .duality import (
    DualityReport,
    DualPoint,
    DualProblem,
    InfeasibilityCertificate,
    KKTResiduals,
    Lagrangian,
    PrimalDualPoint,
    Sensitivity,
    UnboundednessCertificate,
    dual_problem,
    duality_report,
    kkt_residuals,
    point_from_linprog,
    point_from_qpsolvers,
    sensitivity,
)
from .errors import (
    ConvexkitError,
    FormatError,
    MissingDependencyError,
    NotConvexError,
    NotSolvedError,
    ProblemError,
)
from .formats import example_problem, read_problem, write_problem
from .line_search import LineSearchResult, LineSearchStatus, backtracking
from .operators import as_operator, damped, symmetry_error
from .problem import QCQP, SecondOrderCone, lp, qp, socp
from .quadratic import Quadratic, weighted_sum
from .quadratic_program import solve_qp
from .smooth import minimize
from .solution import IterationRecord, Solution, Status
from .solver import solve, solve_many
from .taylor import error_slope, linear_model, quadratic_model
from .trust_region import TrustRegionResult, TrustRegionStatus, trust_region_step

__version__ = "0.1.0"

__all__ = [
    "QCQP",
    "CGRecord",
    "CGResult",
    "CGStatus",
    "ConvexkitError",
    "DualPoint",
    "DualProblem",
    "DualityReport",
    "FormatError",
    "InfeasibilityCertificate",
    "IterationRecord",
    "KKTResiduals",
    "Lagrangian",
    "LineSearchResult",
    "LineSearchStatus",
    "MissingDependencyError",
    "NotConvexError",
    "NotSolvedError",
    "PrimalDualPoint",
    "ProblemError",
    "Quadratic",
    "SecondOrderCone",
    "Sensitivity",
    "Solution",
    "Status",
    "TrustRegionResult",
    "TrustRegionStatus",
    "UnboundednessCertificate",
    "as_operator",
    "backtracking",
    "block_jacobi",
    "conjugate_gradient",
    "damped",
    "dual_problem",
    "duality_report",
    "error_slope",
    "example_problem",
    "explain",
    "gauss_newton_operator",
    "gradient",
    "hessian_operator",
    "jacobi",
    "kkt_residuals",
    "limited_memory",
    "linear_model",
    "lp",
    "minimize",
    "point_from_linprog",
    "point_from_qpsolvers",
    "qp",
    "quadratic_model",
    "read_problem",
    "report",
    "sensitivity",
    "socp",
    "solve",
    "solve_many",
    "solve_qp",
    "symmetry_error",
    "trust_region_step",
    "value_and_gradient",
    "weighted_sum",
    "write_problem",
]
