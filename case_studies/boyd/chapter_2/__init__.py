"""Chapter 2, convex sets: the modules fill `chapter` in the order of the book."""

from . import projections, polyhedra, hyperbola, cones  # noqa: F401, I001
from .chapter import chapter

__all__ = ["chapter"]
