"""What happens to an optimal value and a solution when the data change."""

from .derivatives import ProblemGradient, SolutionChange, SolutionDerivatives, solution_derivatives
from .differentiable import DifferentiableSolution, differentiable_solve
from .multiplier_set import MultiplierSet, multiplier_set
from .price_range import PriceRange, price_range
from .rhs import OneSidedDerivatives, one_sided_derivatives, perturbed

__all__ = ["DifferentiableSolution", "MultiplierSet", "OneSidedDerivatives", "PriceRange", "ProblemGradient",
           "SolutionChange", "SolutionDerivatives", "differentiable_solve", "multiplier_set", "one_sided_derivatives",
           "perturbed", "price_range", "solution_derivatives"]
