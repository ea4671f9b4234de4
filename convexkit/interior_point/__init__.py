"""A homogeneous interior-point method for convex QCQPs with native quadratics."""

from .batch import run_batch
from .closed_form import over_one_ellipsoid
from .compiled import compile_kernel, run_compiled
from .form import Multipliers
from .iteration import Outcome, run
from .settings import Settings
from .stack import shape_key
from .threads import all_threads, limited_threads

__all__ = ["Multipliers", "Outcome", "Settings", "all_threads", "compile_kernel", "limited_threads",
           "over_one_ellipsoid", "run", "run_batch", "run_compiled", "shape_key"]
