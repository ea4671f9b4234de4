"""What the pictures of this chapter share."""

from __future__ import annotations

from typing import Any

import numpy as np


def segment(axes: Any, start: np.ndarray, end: np.ndarray, **style: Any) -> None:
    """A straight line between two points."""
    axes.plot([start[0], end[0]], [start[1], end[1]], **style)


def line(axes: Any, a: np.ndarray, b: float, reach: float = 20.0, **style: Any) -> None:
    """{x : aᵀx = b} in the plane."""
    foot = b * a / (a @ a)
    along = reach * np.array([-a[1], a[0]]) / np.linalg.norm(a)
    segment(axes, foot - along, foot + along, **style)


def hyperbola(axes: Any, end: float = 8.0) -> None:
    """Shade {x₁x₂ ≥ 1, x ≥ 0}."""
    t = np.geomspace(1 / end, end, 200)
    axes.fill(np.append(t, end), np.append(1 / t, end), alpha=0.25)
    axes.plot(t, 1 / t, color="tab:blue", linewidth=1.2)
