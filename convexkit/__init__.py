"""Convex optimization with native quadratic constraints, and TRPO as its case study.

>>> import convexkit as ck
>>> ck.__version__
'0.1.0'
"""

from __future__ import annotations

from .autodiff import gauss_newton_operator, gradient, hessian_operator, value_and_gradient
from .conjugate_gradient import CGRecord, CGResult, CGStatus, conjugate_gradient, jacobi
from .errors import (
    ConvexkitError,
    FormatError,
    MissingDependencyError,
    NotConvexError,
    NotSolvedError,
    ProblemError,
)
from .line_search import LineSearchResult, LineSearchStatus, backtracking
from .operators import as_operator, damped, symmetry_error
from .problem import QCQP, lp, qp
from .quadratic import Quadratic, weighted_sum
from .taylor import error_slope, linear_model, quadratic_model
from .trust_region import TrustRegionResult, TrustRegionStatus, trust_region_step

__version__ = "0.1.0"
