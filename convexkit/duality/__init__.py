"""Lagrangian duality: the dual function, optimality residuals, certificates and prices."""

from .certificates import InfeasibilityCertificate, UnboundednessCertificate
from .kkt import ATTAINABLE, NOTICEABLE, KKTResiduals, coefficient_size, kkt_residuals, row_floor
from .lagrangian import Lagrangian, split_by_sign
from .sensitivity import Sensitivity, sensitivity

__all__ = ["ATTAINABLE", "NOTICEABLE", "InfeasibilityCertificate", "KKTResiduals", "Lagrangian", "Sensitivity",
           "UnboundednessCertificate", "coefficient_size", "kkt_residuals", "row_floor", "sensitivity", "split_by_sign"]
