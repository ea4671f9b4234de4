"""Quadratic functions in every structure of P: values, convexity, sums and minima."""

from .definite import CONVEXITY_TOLERANCE, doubtful
from .matrices import CHUNK, FactoredMatrix, add_up, entry_size, is_zero, restricted, runs, stacked
from .minimise import minimum
from .quadratic import Quadratic, formed
from .sums import weighted_sum

__all__ = ["CHUNK", "CONVEXITY_TOLERANCE", "FactoredMatrix", "Quadratic", "add_up", "doubtful", "entry_size", "formed",
           "is_zero", "minimum", "restricted", "runs", "stacked", "weighted_sum"]
