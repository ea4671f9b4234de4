"""Convex sets: projections, distances, support functions, and hyperplanes that separate or support."""

from .cones import ConeMembership, DualConeMembership, cone_membership, dual_cone_membership
from .distance import NearestPoints, nearest_points
from .hyperplanes import Hyperplane, HyperplaneStatus
from .projection import Projection, project, tightly
from .semidefinite import SemidefiniteProjection, project_semidefinite
from .separation import separating_hyperplane
from .sets import ConvexSet
from .support import SupportValue, support_function, upper_bound
from .supporting import supporting_hyperplane

__all__ = ["ConeMembership", "ConvexSet", "DualConeMembership", "Hyperplane", "HyperplaneStatus", "NearestPoints",
           "Projection", "SemidefiniteProjection", "SupportValue", "cone_membership", "dual_cone_membership",
           "nearest_points", "project", "project_semidefinite", "separating_hyperplane", "support_function",
           "supporting_hyperplane", "tightly", "upper_bound"]
