"""The front door: check convexity, choose a method, and certify what comes back."""

from .convexity import require_convex
from .many import solve_many
from .one import METHODS, solve

__all__ = ["METHODS", "require_convex", "solve", "solve_many"]
