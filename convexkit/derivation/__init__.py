"""The derivation of a problem's dual, step by step, with the problem's own numbers: `explain`."""

from .explain import explain

__all__ = ["explain"]
