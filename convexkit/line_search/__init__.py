"""Line searches with a domain: backtracking, strong Wolfe conditions, and the exact step of a quadratic."""

from .backtracking import backtracking
from .exact import exact_step
from .results import LineSearchResult, LineSearchStatus
from .wolfe import strong_wolfe

__all__ = ["LineSearchResult", "LineSearchStatus", "backtracking", "exact_step", "strong_wolfe"]
