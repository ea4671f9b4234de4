"""A homogeneous interior-point method for convex QCQPs with native quadratics."""

from .batch import run_batch
from .form import Multipliers
from .iteration import Outcome, run
from .settings import Settings
from .stack import shape_key

__all__ = ["Multipliers", "Outcome", "Settings", "run", "run_batch", "shape_key"]
