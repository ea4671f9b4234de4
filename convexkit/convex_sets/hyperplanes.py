"""What a hyperplane says of two sets, or of one, and how that is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..words import Word
from .support import support_function

# A margin below this share of the sizes involved is zero, as far as two support functions can tell.
CONTACT = 1e-7
# Depths to which interiors overlap, relative, below which sets only touch.
DEPTH = 1e-6


class HyperplaneStatus(Word):
    """What a hyperplane does, or why there is none.

    >>> import convexkit as ck
    >>> [str(status) for status in ck.HyperplaneStatus][:3]
    ['strict', 'not_strict', 'supporting']
    """

    STRICT = "strict"
    NOT_STRICT = "not_strict"
    SUPPORTING = "supporting"
    OVERLAPPING = "overlapping"
    INTERIOR = "interior"
    OUTSIDE = "outside"
    EMPTY = "empty"
    UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class Hyperplane:
    """{x : aᵀx = b}, with the first set in aᵀx ≤ b and the second, if there is one, in aᵀx ≥ b.

    Attributes
    ----------
    a : (n,) array, a unit vector; NaN where there is no hyperplane
    b : float
    margin : float, inf of aᵀy over the second set less sup of aᵀx over the first: the width of the slab between them.
        Strictly separated sets have a positive one
    verified : bool, whether both sides were proved by multipliers: aᵀx ≤ b on the first set, aᵀy ≥ b on the second
    x : (n,) array; of the supporting hyperplane the point of contact, else the point of the first set that is nearest
        to the second, or a common point; NaN where there is none
    status : HyperplaneStatus. `strict`: a slab of positive width separates the sets. `not_strict`: the sets lie on
        either side, but no slab was found. `overlapping`: relative interiors meet at x, so that no hyperplane has
        them on two sides.
        `supporting`; or `interior` and `outside`, for a point that is not on the boundary. `empty`: a set is empty
    success : bool, there is a hyperplane
    message : str
    nit : int, iterations of the solver

    Examples
    --------
    >>> import convexkit as ck
    >>> disc, other = ck.ConvexSet.ball([0.0, 0.0], 1.0), ck.ConvexSet.ball([4.0, 3.0], 2.0)
    >>> plane = ck.separating_hyperplane(disc, other)
    >>> plane.a.round(6), round(plane.b, 6), round(plane.margin, 6), plane.verify(disc, other)
    (array([0.8, 0.6]), 2.0, 2.0, True)
    """

    status: HyperplaneStatus
    message: str
    a: np.ndarray
    b: float
    margin: float
    verified: bool
    x: np.ndarray
    nit: int = 0
    success: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "success", self.status in (HyperplaneStatus.STRICT, HyperplaneStatus.NOT_STRICT,
                                                            HyperplaneStatus.SUPPORTING))

    def verify(self, C: Any, D: Any = None) -> bool:
        """Whether multipliers prove C to lie in aᵀx ≤ b, and D in aᵀx ≥ b. Two support functions; 1e-7 is rounding."""
        if not self.success:
            return False
        size = CONTACT * max(1.0, abs(self.b))
        return support_function(C, self.a).bound <= self.b + size and (
            D is None or -support_function(D, -self.a).bound >= self.b - size)
