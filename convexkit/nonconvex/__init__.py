"""Global answers without convexity: one quadratic constraint, the S-procedure, and two-valued variables."""

from .binary import BinaryResult, minimize_binary
from .one_quadratic import GlobalMinimum, minimize_quadratic
from .s_procedure import SLemma, s_lemma
from .stationary import StationaryPoint, stationary_points

__all__ = ["BinaryResult", "GlobalMinimum", "SLemma", "StationaryPoint", "minimize_binary", "minimize_quadratic",
           "s_lemma", "stationary_points"]
