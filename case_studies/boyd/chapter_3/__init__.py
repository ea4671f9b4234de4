"""Chapter 3, convex functions: the modules fill `chapter` in the order of the book."""

from . import minimisation, conjugates, exercises  # noqa: F401, I001
from .chapter import chapter

__all__ = ["chapter"]
