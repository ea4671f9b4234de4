"""Lagrangian duality: the dual function, optimality residuals, certificates and prices."""

from .certificates import InfeasibilityCertificate, UnboundednessCertificate, weighted_infimum
from .inequalities import Rows, row_sizes, row_terms_at, row_values
from .kkt import ATTAINABLE, KKTResiduals, kkt_residuals
from .lagrangian import Lagrangian, split_by_sign
from .optimality import OptimalityCertificate
from .rows import NOTICEABLE, coefficient_size, row_floor, row_largest
from .sensitivity import Sensitivity, sensitivity

__all__ = ["ATTAINABLE", "NOTICEABLE", "InfeasibilityCertificate", "KKTResiduals", "Lagrangian",
           "OptimalityCertificate", "Rows", "Sensitivity", "UnboundednessCertificate", "coefficient_size",
           "kkt_residuals", "row_floor", "row_largest", "row_sizes", "row_terms_at", "row_values", "sensitivity",
           "split_by_sign", "weighted_infimum"]
