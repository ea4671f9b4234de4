"""A homogeneous interior-point method for convex QCQPs with native quadratics."""

from .form import Multipliers
from .iteration import Outcome, run
from .settings import Settings

__all__ = ["Multipliers", "Outcome", "Settings", "run"]
