"""`solve` as a function of the data that autograd can differentiate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..autodiff import with_pullback
from ..errors import ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic
from ..solver import solve
from .derivatives import NAMES, solution_derivatives


@dataclass(frozen=True, eq=False)
class DifferentiableSolution:
    """A solution as a function of data: arrays, or what autograd traces.

    Attributes
    ----------
    x, lam, nu, lam_lb, lam_ub : as in `Solution`
    value : the optimal value

    Examples
    --------
    >>> import convexkit as ck
    >>> ck.differentiable_solve(ck.qp([[1.0]], [0.0], lb=1.0), q0=[-3.0]).x.round(6)
    array([3.])
    """

    x: Any
    lam: Any
    nu: Any
    lam_lb: Any
    lam_ub: Any
    value: Any


def differentiable_solve(problem: QCQP, *, tol: float = 1e-10, **data: Any) -> DifferentiableSolution:
    """Solve a problem with some of its data replaced; autograd differentiates the result in these data.

    Parameters
    ----------
    problem : QCQP without cones; what `data` does not replace is taken from it
    tol : float, as for `solve`
    data : P0, q0, r0 (objective), P, q, r (stacked for all quadratic inequalities: (mq, n, n), (mq, n), (mq,)), G, h,
        A, b, lb, ub; arrays in the shapes of the problem's own data, P's symmetric

    Returns
    -------
    DifferentiableSolution

    Raises
    ------
    NotSolvedError
        If the problem has no optimal solution; the message says why.
    NotDifferentiableError
        In the backward pass, where x or a multiplier has no derivative. That of `value` alone needs unique multipliers
        only.
    ProblemError
        For a name that is no data, or a shape that differs from the problem's.

    Notes
    -----
    The backward pass factors the KKT matrix once and solves with it once, whatever the number of data: see
    `solution_derivatives`. First derivatives only. Derivatives in P are those for symmetric changes.

    Examples
    --------
    How far does the projection on a half-space move with the half-space?

    >>> import autograd.numpy as np, convexkit as ck
    >>> problem = ck.qp(np.eye(2), [-3.0, -4.0], G=[[0.6, 0.8]], h=[1.0])
    >>> def first(h):
    ...     return ck.differentiable_solve(problem, h=h).x[0]
    >>> ck.gradient(first, np.array([1.0])).round(6)
    array([0.6])
    """
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
    names = [name for name in NAMES if name in data]
    unknown = sorted(set(data) - set(NAMES))
    if unknown:
        raise ProblemError(f"{unknown[0]} is no data of a problem; choose from {', '.join(NAMES)}.")
    if problem.cones:
        raise ProblemError(f"the problem has {len(problem.cones)} cones; derivatives are there for quadratic and "
                           "linear rows and bounds.")
    n, m, p = problem.n, problem.m, problem.p

    def forward(*arrays: Any) -> tuple[np.ndarray, Any]:
        current = _replaced(problem, dict(zip(names, arrays, strict=True)))
        solution = solve(current, tol=tol)
        if not solution.success and tol < 1e-8:
            solution = solve(current)
        solution.require_optimal()
        every = np.concatenate([solution.x, solution.lam, solution.nu, solution.lam_lb, solution.lam_ub,
                                [solution.value]])

        def pullback(weights: np.ndarray) -> list[np.ndarray]:
            x, lam, nu, lam_lb, lam_ub, value = np.split(np.asarray(weights), np.cumsum([n, m, p, n, n]))
            gradient = solution_derivatives(current, solution).vjp(x=x, lam=lam, nu=nu, lam_lb=lam_lb, lam_ub=lam_ub,
                                                                   value=float(value[0]))
            return [_as_given(getattr(gradient, name), array) for name, array in zip(names, arrays, strict=True)]

        return every, pullback

    every = with_pullback(forward, *(data[name] for name in names))
    x, lam, nu, lam_lb, lam_ub = (every[stop - size:stop] for size, stop in zip(
        (n, m, p, n, n), np.cumsum([n, m, p, n, n]).tolist(), strict=True))
    return DifferentiableSolution(x, lam, nu, lam_lb, lam_ub, every[-1])


def _as_given(gradient: Any, array: Any) -> np.ndarray:
    """A gradient as one array of the shape of the data."""
    if isinstance(gradient, tuple):
        gradient = np.array(gradient)
    if sp.issparse(gradient):
        gradient = gradient.toarray()
    return np.asarray(gradient, dtype=np.float64).reshape(np.shape(array))


def _replaced(problem: QCQP, data: dict[str, Any]) -> QCQP:
    """The problem with data replaced, shapes checked."""
    n, quadratics = problem.n, len(problem.inequalities)
    shapes = {"P0": (n, n), "q0": (n,), "r0": (), "P": (quadratics, n, n), "q": (quadratics, n), "r": (quadratics,),
              "G": problem.G.shape, "h": problem.h.shape, "A": problem.A.shape, "b": problem.b.shape, "lb": (n,),
              "ub": (n,)}
    for name, value in data.items():
        if np.shape(value) != shapes[name]:
            raise ProblemError(f"{name} has shape {np.shape(value)}; expected {shapes[name]}.")
    f0 = problem.objective
    objective = Quadratic(data.get("P0", f0.P), data.get("q0", f0.q), data.get("r0", f0.r))
    inequalities = [Quadratic(data["P"][i] if "P" in data else f.P, data["q"][i] if "q" in data else f.q,
                              data["r"][i] if "r" in data else f.r) for i, f in enumerate(problem.inequalities)]
    rest = {name: data.get(name, getattr(problem, name)) for name in ("G", "h", "A", "b", "lb", "ub")}
    return QCQP(objective, inequalities, **rest)
