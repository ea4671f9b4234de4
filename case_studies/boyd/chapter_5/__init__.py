"""Chapter 5, duality: the modules fill `chapter` in the order of the book."""

from . import dual_function, linear, quadratic, smooth, nonconvex, sensitivity, failures  # noqa: F401, I001
from .chapter import chapter

__all__ = ["chapter"]
