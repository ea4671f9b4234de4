"""Lagrangian duality: the dual function, optimality residuals, certificates and prices."""

from .certificates import InfeasibilityCertificate, UnboundednessCertificate
from .dual_point import DualPoint
from .kkt import ATTAINABLE, KKTResiduals, kkt_residuals
from .lagrangian import Lagrangian
from .multipliers import PrimalDualPoint, split_by_sign
from .rows import NOTICEABLE, coefficient_size, row_floor, row_largest
from .sensitivity import Sensitivity, sensitivity

__all__ = ["ATTAINABLE", "NOTICEABLE", "DualPoint", "InfeasibilityCertificate", "KKTResiduals", "Lagrangian",
           "PrimalDualPoint", "Sensitivity", "UnboundednessCertificate", "coefficient_size", "kkt_residuals",
           "row_floor", "row_largest", "sensitivity", "split_by_sign"]
