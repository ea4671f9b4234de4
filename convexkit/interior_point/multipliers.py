"""A primal-dual point, as users see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Multipliers:
    """A primal-dual point in the user's units and order."""

    x: np.ndarray
    lam: np.ndarray
    nu: np.ndarray
    lam_lb: np.ndarray
    lam_ub: np.ndarray
    lam_cones: tuple[np.ndarray, ...] = ()
