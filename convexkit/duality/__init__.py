"""Lagrangian duality: the dual function, optimality residuals, certificates and prices."""

from .certificates import NO_BOUND, InfeasibilityCertificate, UnboundednessCertificate, weighted_infimum, within_reach
from .dual_point import DualPoint
from .dual_problem import DualProblem, dual_problem
from .gap_report import DualityReport, duality_report
from .inequalities import Rows, row_sizes, row_terms_at, row_values
from .kkt import ATTAINABLE, KKTResiduals, kkt_residuals
from .lagrangian import Lagrangian
from .multipliers import PrimalDualPoint, split_by_sign
from .optimality import OptimalityCertificate
from .rows import NOTICEABLE, coefficient_size, row_floor, row_largest, row_terms
from .sensitivity import Sensitivity, sensitivity
from .signs import point_from_linprog, point_from_qpsolvers

__all__ = [
    "ATTAINABLE",
    "NOTICEABLE",
    "NO_BOUND",
    "DualPoint",
    "DualProblem",
    "DualityReport",
    "InfeasibilityCertificate",
    "KKTResiduals",
    "Lagrangian",
    "OptimalityCertificate",
    "PrimalDualPoint",
    "Rows",
    "Sensitivity",
    "UnboundednessCertificate",
    "coefficient_size",
    "dual_problem",
    "duality_report",
    "kkt_residuals",
    "point_from_linprog",
    "point_from_qpsolvers",
    "row_floor",
    "row_largest",
    "row_sizes",
    "row_terms",
    "row_terms_at",
    "row_values",
    "sensitivity",
    "split_by_sign",
    "weighted_infimum",
    "within_reach",
]
