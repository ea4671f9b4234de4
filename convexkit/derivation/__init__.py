"""The derivation of a problem's dual, step by step, with the problem's own numbers: `explain`."""

from .explain import explain
from .slater import Slater, strictly_feasible

__all__ = ["Slater", "explain", "strictly_feasible"]
