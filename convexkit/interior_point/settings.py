"""The numbers that steer the interior-point iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Settings:
    """Tolerance, limits, and constants of the iteration; `solve` fills in the first three."""

    tol: float = 1e-8
    maxiter: int = 100
    time_limit: float = np.inf
    # How far a warm start goes from the usual point to the old solution.
    warm_share: float = 0.99
    # Share of the way to the boundary that a step may go; Mehrotra's 0.99 to 0.9995 all work.
    step_fraction: float = 0.99
    # With curved rows, dense data and no cones, a point within ε of optimal steps 1 - ε of the way, and up to this
    # near: that saves one iteration in seven. Linear rows gain nothing by it, and ill-posed sparse problems lose.
    nearest: float = 1e-4
    # A predictor that leaves less of μ than this may be corrected by itself, unless the residuals to be expected are
    # this share of tol already. With 0.3 or 0.7 it takes 1 or 2 iterations in a hundred more.
    guiding: float = 0.5
    enough: float = 0.01
    # Smallest centring; 0 would aim at the boundary itself.
    smallest_sigma: float = 1e-10
    # A corrected step shorter than this is compared with a plain one, centred by at least safe_sigma.
    poor_step: float = 0.1
    safe_sigma: float = 0.2
    # So is every one beyond `patience` of them, once `lap` have left more than this share of the least complementarity
    # and of the least residual before.
    patience: int = 15
    circling: float = 0.9
    lap: int = 4
    # How many times further than at the start the residuals may lag behind complementarity.
    largest_lag: float = 1000.0
    # Steps below short_step, short_steps running, are no progress; below shortest_step nothing is tried.
    short_step: float = 1e-2
    short_steps: int = 8
    shortest_step: float = 1e-10
    # A sparse problem at tol is iterated further while its value will change by more than this, but not for ever.
    settled: float = 1e-8
    further: int = 8
    # Feasibility and gap this far below tol, without stationarity at tol, show that multipliers do not exist.
    far_below: float = 1e-6
    # Where κ/τ is larger and no proof has come of it, a direction of unboundedness is sought as a problem of its own.
    far_out: float = 1e8
    # It has to fall by 1 within this many units of the variables' scales.
    longest_ray: float = 1e5
    # Accuracy at which a point that cannot be improved still counts as optimal_inaccurate.
    loose_tol: float = 1e-5
    # Equilibration passes; each brings row and column sizes to within a square root of 1.
    scaling_passes: int = 8
    # Relative residual above which a solution of the KKT system is refined, and how often at most.
    refine_above: float = 1e-13
    refinements: int = 3
