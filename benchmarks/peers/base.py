"""What the methods share: what they are asked, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Options:
    """What is asked of every method: one tolerance, one limit of time, one number of threads."""

    tol: float = 1e-8
    time_limit: float = 30.0
    threads: int = 1


@dataclass(frozen=True)
class Answer:
    """A point, the solver's own word for it, its iterations, and convexkit's multipliers where it was convexkit."""

    x: np.ndarray
    status: str
    iterations: int = 0
    solution: Any = None


@dataclass(frozen=True)
class Rows:
    """Linear rows with both sides, l ≤ Ax ≤ u, for solvers that take them so."""

    A: Any
    lower: np.ndarray
    upper: np.ndarray


class CannotState(ValueError):
    """The solver has no form for this problem."""


def claim(status: str) -> str:
    """A solver's own word as `solved`, `almost`, `infeasible` or `nothing`."""
    word = status.lower()
    if "infeasible" in word:
        return "nothing" if "dual" in word or "almost" in word else "infeasible"
    if "almost" in word or "inaccurate" in word:
        return "almost"
    return "solved" if ("optimal" in word or "solved" in word) and "unsolved" not in word else "nothing"
