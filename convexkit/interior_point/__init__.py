"""A homogeneous interior-point method for convex QCQPs with native quadratics."""

from .batch import run_batch
from .closed_form import over_one_ellipsoid
from .form import Multipliers
from .iteration import Outcome, run
from .settings import Settings
from .stack import shape_key
from .threads import limited_threads

__all__ = ["Multipliers", "Outcome", "Settings", "limited_threads", "over_one_ellipsoid", "run", "run_batch",
           "shape_key"]
