"""Steps 6 and 7 of a derivation: Slater's condition, weak and strong duality, and the optimal values."""

from __future__ import annotations

import numpy as np

from ..duality import Lagrangian
from ..problem import QCQP
from ..solution import Solution
from ..solver import solve
from .context import Derivation
from .slater import strictly_feasible

# Multipliers this many times the objective's size, without a strictly feasible point, are on their way to infinity.
HUGE = 1e4


def slater_condition(d: Derivation) -> None:
    """A strictly feasible point with its margin, or why there is none."""
    if not d.convex:
        _one_quadratic(d)
        return
    d.found = found = d.slater(d.problem) if callable(d.slater) else strictly_feasible(d.problem, d.slater)
    if found.holds and found.x is not None:
        at = d.m(f"x = {d.s.vector(_clean(found.x))}")
        if not np.isfinite(found.margin):
            d.say("Affine constraints need no slack, and there are no others: a feasible point is enough, such as "
                  f"{at}.")
        elif found.interior:
            d.say(f"It holds: at {at} every inequality has a slack of {d.s.number(found.margin)} at least.")
        else:
            d.say(f"It holds: at {at} every curved row and cone has a slack of {d.s.number(found.margin)} at least. "
                  f"Affine rows need none ({found.message.rstrip('.')}).")
    elif found.holds is False:
        d.say(f"It does not hold: {found.message.rstrip('.')}.")
    else:
        d.say(f"It could not be decided: {found.message.rstrip('.')}.")


def _one_quadratic(d: Derivation) -> None:
    pr = d.problem
    d.found = False
    if len(pr.inequalities) != 1 or pr.m != 1 or pr.p or pr.cones or any(d.bounded):
        d.say("It asks for a convex problem.")
        return
    lowest = Lagrangian(QCQP(pr.inequalities[0])).dual_function()
    d.found = bool(lowest < 0)
    said = f"falls to {d.s.number(lowest)}" if np.isfinite(lowest) else "falls without end"
    d.say("It asks for a convex problem. But with one quadratic inequality and nothing else a strictly feasible point "
          "is enough without convexity (the S-procedure; Boyd & Vandenberghe, appendix B), and here the constraint's "
          + (f"function {said}: there is one." if d.found else f"function {said} only: there is none."))


def strong_duality(d: Derivation) -> None:
    """Weak duality, whether strong duality is guaranteed, and the optimal values."""
    s = d.s
    zero = Lagrangian(d.problem).dual_point(lam_lb=np.zeros(d.problem.n), lam_ub=np.zeros(d.problem.n))
    bound = d.m(f"g{d.of} {s.le} {s.value_p}")
    at_zero = s.number(zero.value) if zero.in_domain else f"minus infinity: {zero.reason}"
    d.say(f"Weak duality: {bound}{f' for all {d.m(d.signs)}' if d.signs else ''}. At zero multipliers g is {at_zero}.")
    if d.convex:
        _convex(d)
    else:
        _without_convexity(d)


def _convex(d: Derivation) -> None:
    s, pr = d.s, d.problem
    p, e = d.m(s.value_p), d.m(s.value_d)
    solution = solve(pr)
    if solution.status == "infeasible":
        d.say(f"No point is feasible, {p} is plus infinity, and multipliers prove it: solution.certificate has them. "
              "Added, in ever larger multiples, to any in the domain of g, they make g as large as one likes.")
        return
    if solution.status == "unbounded":
        d.say(f"The objective falls without end over feasible points: {p} is minus infinity, and so is g everywhere. "
              "solution.certificate has the direction.")
        return
    holds = d.found is not None and bool(d.found.holds)
    if holds and not d.curved_rows and not pr.cones:
        d.say(f"The problem is convex, its constraints are affine, and it is feasible: {p} = {e}, and the dual optimum "
              "is attained if it is finite.")
    elif holds:
        d.say(f"The problem is convex and Slater's condition holds: {p} = {e}, and the dual optimum is attained.")
    else:
        d.say("The problem is convex, but without a strictly feasible point strong duality is not guaranteed, and the "
              "dual optimum need not be attained. The numbers that the solver ends with:")
    largest = max((float(np.abs(v).max(initial=0.0)) for v in
                   (solution.lam, solution.nu, solution.lam_lb, solution.lam_ub, *solution.lam_cones)), default=0.0)
    shown = [("lam", solution.lam, pr.m), ("nu", solution.nu, pr.p), ("lb", solution.lam_lb, d.bounded[0]),
             ("ub", solution.lam_ub, d.bounded[1])]
    values = [f"{s.letters[kind]} = {s.vector(_clean(v, largest))}" for kind, v, there in shown if there]
    values += [f"{s.sub('z', k + 1) if len(pr.cones) > 1 else 'z'} = {s.vector(_clean(z, largest))}"
               for k, z in enumerate(solution.lam_cones[:4])]
    d.show(f"{s.value_p} = {s.number(solution.value, 7)}{s.text(' at ')}{s.letters['x']}{s.star} = "
           f"{s.vector(_clean(solution.x))}",
           f"{s.value_d} = {s.number(solution.dual_value, 7)}" + (s.text(" at ") + ", ".join(values) if values else ""))
    if not solution.success:
        d.say(f"The solver says {solution.status}: {solution.message}")
    if not holds and largest > HUGE * max(1.0, abs(solution.value)):
        d.say("Multipliers this large are on their way to infinity: the dual optimum is approached, and not attained.")
        return
    _slackness(d, solution, largest)


def _slackness(d: Derivation, solution: Solution, largest: float) -> None:
    every = [(f"lam[{i}]", float(v)) for i, v in enumerate(solution.lam)]
    every += [(f"lam_lb[{j}]", float(v)) for j, v in enumerate(solution.lam_lb)]
    every += [(f"lam_ub[{j}]", float(v)) for j, v in enumerate(solution.lam_ub)]
    every += [(f"lam_cones[{k}][0]", float(z[0])) for k, z in enumerate(solution.lam_cones)]
    if not d.signs:
        return
    priced = [(name, v) for name, v in every if v > 1e-6 * largest and v > 1e-7 * min(1.0, abs(solution.value) or 1.0)]
    if not priced:
        d.say("Complementary slackness: no inequality has a price; dropping them all would change nothing.")
        return
    names = ", ".join(f"{name} = {d.s.number(v)}" for name, v in priced[:6]) + (", ..." if len(priced) > 6 else "")
    d.say(f"Complementary slackness: tight and priced are {names}. Loosening such a row by a unit lowers "
          f"{d.m(d.s.value_p)} by its price, to first order.")


def _without_convexity(d: Derivation) -> None:
    s = d.s
    p, e = d.m(s.value_p), d.m(s.value_d)
    if d.found:
        d.say(f"The problem is not convex: strong duality is not guaranteed in general, but with one strictly feasible "
              f"quadratic inequality {p} = {e} all the same.")
    else:
        d.say(f"The problem is not convex: strong duality is not guaranteed. {e} is a lower bound of {p}, and a gap "
              "may remain at the best multipliers.")
    if not d.curved_rows:
        return
    value, t = _best_equal_multipliers(d)
    if not np.isfinite(value):
        d.say("Equal multipliers of the curved rows, of any size, give no bound: look for others with "
              "Lagrangian(problem).dual_point, or state the semidefinite program.")
    elif d.found:
        d.show(f"{s.value_p} = {s.value_d} = {s.number(value, 7)}{s.text(' at ')}{s.letters['lam']} = {s.number(t)}")
    else:
        d.say(f"The best of equal multipliers for all curved rows, {s.number(t)}, with the bounds as the domain of x, "
              f"proves {d.m(f'{s.value_p} {s.ge} {s.number(value, 7)}')}.")


def _best_equal_multipliers(d: Derivation) -> tuple[float, float]:
    """The largest g(t·1) over the curved rows and its t: g is concave, so doubling and then golden sections find it."""
    L = Lagrangian(d.problem)

    def g(t: float) -> float:
        lam = np.zeros(d.problem.m)
        lam[d.curved_rows] = t
        return L.dual_function(lam)

    scale = max(abs(d.functions[k].smallest_eigenvalue()) for k in d.bent)
    grid = scale * np.concatenate([[0.0], 2.0 ** np.arange(-12, 25)])
    values = np.array([g(t) for t in grid])
    k = int(np.argmax(values))
    if not np.isfinite(values[k]):
        return -np.inf, 0.0
    low, high = grid[max(k - 1, 0)], grid[min(k + 1, grid.size - 1)]
    best = (float(values[k]), float(grid[k]))
    ratio = (np.sqrt(5.0) - 1.0) / 2.0
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        at_left, at_right = g(left), g(right)
        best = max(best, (at_left, left), (at_right, right))
        # Off the domain on the left, where more curvature is needed, both are -inf.
        if at_left > at_right:
            high = right
        else:
            low = left
    return best[0], best[1]


def _clean(v: np.ndarray, size: float | None = None) -> np.ndarray:
    """Entries of rounding size as zeros."""
    largest = float(np.abs(v).max(initial=0.0)) if size is None else size
    return np.where(np.abs(v) <= 1e-6 * max(largest, 1e-6), 0.0, v)
