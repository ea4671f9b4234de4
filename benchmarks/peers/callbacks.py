"""Solvers that keep quadratics native where the user writes the callbacks: cvxopt's cp, SLSQP, Ipopt."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse as sp

import convexkit as ck

from .base import Answer, Options
from .cone_form import cone_form, stacked
from .conic import cvxopt_matrix, cvxopt_options


class DenseStack:
    """f₀, …, f_m with dense P's, stacked once: values and gradients by one product, ΣzᵢPᵢ by another."""

    def __init__(self, quadratics: Sequence[ck.Quadratic]):
        self.n = quadratics[0].n
        self.P = np.empty((len(quadratics), self.n, self.n))
        for i, f in enumerate(quadratics):
            self.P[i] = f.hessian() if f.P is not None else 0.0
        self.q = np.array([f.q for f in quadratics])
        self.r = np.array([f.r for f in quadratics])
        self.x: np.ndarray | None = None

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (m+1,) and gradients (m+1, n); remembered for the last x, which callers ask for again."""
        if self.x is None or not (x == self.x).all():
            self.x = x.copy()
            Px = (self.P.reshape(-1, self.n) @ x).reshape(-1, self.n)
            self.values, self.gradients = 0.5 * (Px @ x) + self.q @ x + self.r, Px + self.q
        return self.values, self.gradients

    def hessian(self, z: np.ndarray) -> np.ndarray:
        return (z @ self.P.reshape(z.size, -1)).reshape(self.n, self.n)


class FactorStack:
    """The same with a dense or affine f₀ and factors F₁, …, F_m (and diagonals) for the others, each of rank k."""

    def __init__(self, quadratics: Sequence[ck.Quadratic]):
        f0, *others = quadratics
        self.n, self.f0 = f0.n, f0
        self.F = np.concatenate([f.P.factor for f in others])
        self.count = len(others)
        self.diagonals = np.array([f.P.diag for f in others])
        self.q = np.array([f.q for f in quadratics])
        self.r = np.array([f.r for f in quadratics])
        self.x: np.ndarray | None = None

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.x is None or not (x == self.x).all():
            self.x = x.copy()
            rank = self.F.shape[0] // self.count
            Fx = self.F @ x
            Px = np.empty((self.count + 1, self.n))
            Px[0] = self.f0.hessp(x)
            scaled = self.F.reshape(self.count, rank, self.n) * Fx.reshape(self.count, rank, 1)
            np.sum(scaled, axis=1, out=Px[1:])
            Px[1:] += self.diagonals * x
            self.values, self.gradients = 0.5 * (Px @ x) + self.q @ x + self.r, Px + self.q
        return self.values, self.gradients

    def hessian(self, z: np.ndarray) -> np.ndarray:
        weights = np.repeat(z[1:], self.F.shape[0] // self.count)
        H = (self.F * weights[:, None]).T @ self.F
        H[np.diag_indices(self.n)] += z[1:] @ self.diagonals
        if self.f0.P is not None:
            H += z[0] * self.f0.hessian()
        return H


def stack(quadratics: Sequence[ck.Quadratic]) -> Any:
    """The stack that suits the structure of the constraints."""
    factored = all(f.structure == "factored" for f in quadratics[1:]) and len(quadratics) > 1
    equal = factored and len({f.P.factor.shape for f in quadratics[1:]}) == 1
    return FactorStack(quadratics) if equal and isinstance(quadratics[1].P.factor, np.ndarray) else \
        DenseStack(quadratics)


def with_cp(problem: ck.QCQP, options: Options) -> Answer:
    """cvxopt's solver for smooth convex problems, on the quadratics as they are."""
    cvxopt = importlib.import_module("cvxopt")
    solvers = importlib.import_module("cvxopt.solvers")
    matrix = cvxopt.matrix
    n, m = problem.n, len(problem.inequalities)
    quadratics = stack((problem.objective, *problem.inequalities))

    def callback(x: Any = None, z: Any = None) -> Any:
        if x is None:
            return m, matrix(0.0, (n, 1))
        f, Df = quadratics.at(np.array(x).ravel())
        if z is None:
            return matrix(f), matrix(Df)
        return matrix(f), matrix(Df), matrix(quadratics.hessian(np.array(z).ravel()).ravel(), (n, n))

    form = cone_form(ck.QCQP(problem.objective, G=problem.G, h=problem.h, lb=problem.lb, ub=problem.ub))
    linear: tuple[Any, ...] = (None, None)
    if form.nonnegative:
        G, h = stacked(form.nonnegative, n)
        linear = cvxopt_matrix(G), matrix(h)
    equal = (cvxopt_matrix(problem.A), matrix(problem.b)) if problem.p else (None, None)
    solution = solvers.cp(callback, *linear, {"l": form.linear, "q": [], "s": []}, *equal,
                          options=cvxopt_options(options))
    return Answer(np.array(solution["x"]).ravel(), solution["status"])


def with_slsqp(problem: ck.QCQP, options: Options) -> Answer:
    """scipy's sequential quadratic programming, with all gradients at once."""
    quadratics = stack((problem.objective, *problem.inequalities))
    constraints: list[dict[str, Any]] = []
    if problem.inequalities:
        constraints.append({"type": "ineq", "fun": lambda x: -quadratics.at(x)[0][1:],
                            "jac": lambda x: -quadratics.at(x)[1][1:]})
    if problem.h.size:
        constraints.append({"type": "ineq", "fun": lambda x: problem.h - problem.G @ x, "jac": lambda x: -problem.G})
    if problem.p:
        constraints.append({"type": "eq", "fun": lambda x: problem.A @ x - problem.b, "jac": lambda x: problem.A})
    bounds = scipy.optimize.Bounds(problem.lb, problem.ub) if np.isfinite([problem.lb, problem.ub]).any() else None
    result = scipy.optimize.minimize(lambda x: quadratics.at(x)[0][0], np.zeros(problem.n), method="SLSQP",
                                     jac=lambda x: quadratics.at(x)[1][0], bounds=bounds, constraints=constraints,
                                     options={"ftol": options.tol, "maxiter": 1000})
    return Answer(result.x, result.message, result.nit)


class IpoptProblem:
    """The callbacks that Ipopt asks for. Sparse P's keep the union of their patterns, others are dense."""

    def __init__(self, problem: ck.QCQP):
        self.problem = problem
        quadratics = (problem.objective, *problem.inequalities)
        self.m = len(problem.inequalities)
        n = problem.n
        self.linear = sp.vstack([sp.csr_matrix(problem.G), sp.csr_matrix(problem.A)], format="csr").tocoo()
        if all(f.structure in ("sparse", "affine") for f in quadratics):
            # Values on the union of the patterns, one row for each quadratic.
            lower = [sp.tril(f.P, format="coo") if f.P is not None else sp.coo_matrix((n, n)) for f in quadratics]
            places = [M.row.astype(np.int64) * n + M.col for M in lower]
            union = np.unique(np.concatenate(places))
            self.values = np.zeros((len(quadratics), union.size))
            for i, (M, place) in enumerate(zip(lower, places, strict=True)):
                self.values[i, np.searchsorted(union, place)] = M.data
            self.pattern = union // n, union % n
            self.joint = sp.vstack([sp.csr_matrix(f.P) if f.P is not None else sp.csr_matrix((n, n))
                                    for f in quadratics], format="csr")
            self.q = np.array([f.q for f in quadratics])
            self.r = np.array([f.r for f in quadratics])
            self.stacked = None
        else:
            self.stacked = stack(quadratics)
            self.pattern = np.tril_indices(n)
            if isinstance(self.stacked, DenseStack):
                self.values = self.stacked.P[:, self.pattern[0], self.pattern[1]]
        self.x: np.ndarray | None = None

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.stacked is not None:
            return self.stacked.at(x)
        if self.x is None or not (x == self.x).all():
            self.x = x.copy()
            Px = (self.joint @ x).reshape(self.m + 1, -1)
            self.f, self.J = 0.5 * (Px @ x) + self.q @ x + self.r, Px + self.q
        return self.f, self.J

    def objective(self, x: np.ndarray) -> float:
        return self.at(x)[0][0]

    def gradient(self, x: np.ndarray) -> np.ndarray:
        return self.at(x)[1][0]

    def constraints(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate((self.at(x)[0][1:], self.linear @ x))

    def jacobianstructure(self) -> tuple[np.ndarray, np.ndarray]:
        n = self.problem.n
        rows, columns = np.repeat(np.arange(self.m), n), np.tile(np.arange(n), self.m)
        return np.concatenate((rows, self.linear.row + self.m)), np.concatenate((columns, self.linear.col))

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate((self.at(x)[1][1:].ravel(), self.linear.data))

    def hessianstructure(self) -> tuple[np.ndarray, np.ndarray]:
        return self.pattern

    def hessian(self, x: np.ndarray, lagrange: np.ndarray, objective_factor: float) -> np.ndarray:
        weights = np.concatenate(([objective_factor], lagrange[:self.m]))
        if isinstance(self.stacked, FactorStack):
            return self.stacked.hessian(weights)[self.pattern]
        return weights @ self.values


def with_ipopt(problem: ck.QCQP, options: Options) -> Answer:
    cyipopt = importlib.import_module("cyipopt")
    lower = np.concatenate((np.full(problem.m, -np.inf), problem.b))
    upper = np.concatenate((np.zeros(len(problem.inequalities)), problem.h, problem.b))
    steps: list[int] = []
    callbacks = IpoptProblem(problem)
    callbacks.intermediate = lambda mode, iteration, *figures: steps.append(iteration)  # type: ignore[attr-defined]
    solver = cyipopt.Problem(n=problem.n, m=lower.size, problem_obj=callbacks, lb=problem.lb, ub=problem.ub,
                             cl=lower, cu=upper)
    # Ipopt widens all limits by 1e-8 unless told not to, which is too much for limits of that size.
    for name, value in {"tol": options.tol, "bound_relax_factor": 0.0, "print_level": 0, "sb": "yes",
                        "max_cpu_time": options.time_limit}.items():
        solver.add_option(name, value)
    start = np.clip(np.zeros(problem.n), problem.lb, problem.ub)
    x, info = solver.solve(start)
    message = info["status_msg"]
    return Answer(x, message.decode() if isinstance(message, bytes) else str(message), max(steps, default=0))
