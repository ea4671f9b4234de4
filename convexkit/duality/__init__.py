"""Lagrangian duality: the dual function, optimality residuals, certificates and prices."""

from .certificates import InfeasibilityCertificate, UnboundednessCertificate
from .dual_point import DualPoint
from .dual_problem import DualProblem, dual_problem
from .gap_report import DualityReport, duality_report
from .kkt import ATTAINABLE, KKTResiduals, kkt_residuals
from .lagrangian import Lagrangian
from .multipliers import PrimalDualPoint, split_by_sign
from .rows import NOTICEABLE, coefficient_size, row_floor, row_largest
from .sensitivity import Sensitivity, sensitivity
from .signs import point_from_linprog, point_from_qpsolvers

__all__ = ["ATTAINABLE", "NOTICEABLE", "DualPoint", "DualProblem", "DualityReport", "InfeasibilityCertificate",
           "KKTResiduals", "Lagrangian", "PrimalDualPoint", "Sensitivity", "UnboundednessCertificate",
           "coefficient_size", "dual_problem", "duality_report", "kkt_residuals", "point_from_linprog",
           "point_from_qpsolvers", "row_floor", "row_largest", "sensitivity", "split_by_sign"]
