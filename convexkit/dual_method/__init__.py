"""The dual method: QCQPs whose P's are known by their products, from a few multipliers and conjugate gradient."""

from .method import solve_by_products

__all__ = ["solve_by_products"]
