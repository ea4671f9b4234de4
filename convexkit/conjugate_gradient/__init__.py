"""Conjugate gradient: linear systems from products alone, and the truncated steps of trust regions."""

from .preconditioners import block_jacobi, jacobi, limited_memory
from .results import CGRecord, CGResult, CGStatus
from .single import conjugate_gradient

__all__ = ["CGRecord", "CGResult", "CGStatus", "block_jacobi", "conjugate_gradient", "jacobi", "limited_memory"]
