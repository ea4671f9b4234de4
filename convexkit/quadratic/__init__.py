"""Quadratic functions in every structure of P: values, convexity, sums and minima."""

from .definite import CONVEXITY_TOLERANCE, PROBES, doubtful, frobenius
from .factors import factor_of
from .falling import falling_direction
from .matrices import CHUNK, FactoredMatrix, add_up, entry_size, is_zero, restricted, runs, stacked
from .minimise import Minimum, factored_minimum, minimum
from .quadratic import Quadratic, formed, is_flat
from .sums import weighted_sum

__all__ = ["CHUNK", "CONVEXITY_TOLERANCE", "PROBES", "FactoredMatrix", "Minimum", "Quadratic", "add_up", "doubtful",
           "entry_size", "factor_of", "factored_minimum", "falling_direction", "formed", "frobenius", "is_flat",
           "is_zero", "minimum", "restricted", "runs", "stacked", "weighted_sum"]
