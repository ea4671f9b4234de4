"""Chapter 4, convex optimization problems: the modules fill `chapter` in the order of their import."""

from . import corners, linear, applications, quadratic, quadratic_constraints, cones, smooth  # noqa: F401, I001
from .chapter import chapter

__all__ = ["chapter"]
