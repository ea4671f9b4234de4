"""Smooth convex programs by primal-dual Newton steps."""

from .minimize import minimize

__all__ = ["minimize"]
