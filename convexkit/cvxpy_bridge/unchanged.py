"""Whether a cvxpy problem, its native form and the point that a solver left in it still belong together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np

from ..errors import ProblemError
from ..quadratic import Quadratic
from ..validation import dense

# The objective at a solver's point agrees with the value that cvxpy stored up to the solver's own accuracy.
VALUE_TOLERANCE = 1e-4


def parameter_values(source: Any) -> dict:
    """A copy of every parameter's value, by id."""
    return {parameter.id: np.array(dense(parameter.value), copy=True) for parameter in source.parameters()}


def require_unchanged(bridge: Any, rebuild: Callable[[Any], Any]) -> None:
    """Raise ProblemError if `bridge.source` has no point, or was changed since `bridge` was built or it was solved."""
    source = bridge.source
    again = "Build the bridge anew: from_cvxpy(problem)."
    for parameter in source.parameters():
        before = bridge._parameters.get(parameter.id)
        if parameter.value is None or before is None or not np.array_equal(dense(parameter.value), before):
            raise ProblemError(f"parameter {parameter.name()} was changed since the bridge was built. Solve the cvxpy "
                               f"problem again. {again}")
    if difference := _difference(bridge.problem, rebuild(source).problem):
        raise ProblemError(f"the cvxpy problem was changed since the bridge was built: {difference}. {again}")
    status = source.status
    if status is None:
        raise ProblemError("the cvxpy problem has not been solved: its status is None. Call its solve() first.")
    missing = [variable.name() for variable in source.variables() if variable.value is None]
    if missing:
        raise ProblemError(f"the cvxpy problem has no point to read: its status is {status}, and variable {missing[0]} "
                           "has no value.")
    now, then = float(source.objective.value), float(source.value)
    if status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE) and abs(now - then) > VALUE_TOLERANCE * max(1.0, abs(then)):
        raise ProblemError(f"the cvxpy problem was changed since it was solved: its value was {then:.8g}, and its "
                           f"objective is {now:.8g} at the variables as they are. Solve it again.")


def _difference(old: Any, new: Any) -> str:
    """What differs between two QCQPs, in words; empty if nothing does."""
    if repr(old) != repr(new):
        return f"it was {old!r} and is {new!r}"
    for name in ("G", "h", "A", "b", "lb", "ub"):
        if not _same(getattr(old, name), getattr(new, name)):
            return f"{name} is another"
    for k, (f, g) in enumerate(zip((old.objective, *old.inequalities), (new.objective, *new.inequalities),
                                   strict=True)):
        if not _same_quadratic(f, g):
            return "the objective is another" if k == 0 else f"inequalities[{k - 1}] is another"
    for k, (c, d) in enumerate(zip(old.cones, new.cones, strict=True)):
        if not (_same(c.A, d.A) and _same(c.b, d.b) and _same(c.c, d.c) and c.d == d.d):
            return f"cones[{k}] is another"
    return ""


def _same_quadratic(f: Quadratic, g: Quadratic) -> bool:
    if f.structure != g.structure or f.r != g.r or not _same(f.q, g.q):
        return False
    if f.structure == "factored":
        return _same(f.P.factor, g.P.factor) and _same(f.P.diag, g.P.diag)
    return f.P is None or _same(f.P, g.P)


def _same(a: Any, b: Any) -> bool:
    if hasattr(a, "nnz") and hasattr(b, "nnz"):
        return a.shape == b.shape and (abs(a - b)).nnz == 0
    return np.array_equal(dense(a), dense(b))
