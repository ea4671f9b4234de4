"""Lagrangian duality: the dual function, optimality residuals, certificates and prices."""

from .certificates import NO_BOUND, InfeasibilityCertificate, UnboundednessCertificate
from .kkt import ATTAINABLE, KKTResiduals, kkt_residuals
from .lagrangian import Lagrangian, split_by_sign
from .rows import NOTICEABLE, coefficient_size, row_floor, row_largest, row_terms
from .sensitivity import Sensitivity, sensitivity

__all__ = ["ATTAINABLE", "NOTICEABLE", "NO_BOUND", "InfeasibilityCertificate", "KKTResiduals", "Lagrangian",
           "Sensitivity", "UnboundednessCertificate", "coefficient_size", "kkt_residuals", "row_floor", "row_largest",
           "row_terms", "sensitivity", "split_by_sign"]
