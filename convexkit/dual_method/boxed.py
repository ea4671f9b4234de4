"""The dual method with bounds, which stay the domain of x: n multipliers fewer."""

from __future__ import annotations

import numpy as np

from ..duality import InfeasibilityCertificate, split_by_sign
from .box import binding, minimise_over_box
from .iteration import FIRST_RTOL, PATIENCE, SMALL, TOGETHER, Found, Iteration
from .model import Model
from .state import State

# Share of the rise that the slope of the dual function promises, for a step to be taken; halvings before giving up.
RISE, HALVINGS = 1e-4, 30
# By how much a step grows while g keeps rising.
LONGER = 4.0
# Where L may fall without end, the box is closed this many times further out than its finite bounds.
FAR = 1e3


class Boxed(Iteration):
    """Bounds on x: g(λ) = min of L over the box, Newton's method on the multipliers, and a line search on g.

    Where no variable changes sides, x(λ) moves with the free variables alone, and the small problem on those
    directions P_FF⁻¹∇fᵢ is the dual function to second order. Its solution is the next λ, if g rises towards it.
    """

    def _run(self, warm: np.ndarray | None) -> Found:
        terms, settings, problem = self.terms, self.settings, self.problem
        weights, on_rows = self.first_weights(), np.zeros(terms.limits.size)
        x = np.clip(np.zeros(terms.n) if warm is None else warm, problem.lb, problem.ub)
        slopes = terms.gradients(x)
        self.lb, self.ub = problem.lb, problem.ub
        if terms.floor(weights) == 0:
            # The Lagrangian may fall out of the box's open end where rows keep x from going there.
            reach = FAR * (1.0 + max(float(np.abs(v[np.isfinite(v)]).max(initial=0.0)) for v in (self.lb, self.ub, x)))
            self.lb, self.ub = np.maximum(problem.lb, -reach), np.minimum(problem.ub, reach)
        state = self._at(weights, on_rows, x, slopes, 1e-2)
        if state is None:
            return self.ended("stalled", "the Lagrangian has no minimum at the first multipliers")
        step, smallest, highest, idle, tried = 1.0, np.inf, -np.inf, 0, 1.0
        earlier: list[np.ndarray] = []
        for self.nit in range(1, settings.maxiter + 1):
            self._check_time()
            state = self.with_estimate(state)
            if self.seen(state, step):
                return Found("converged", state, None, self.nit, self.estimated, self.residuals)
            error = self.error(state)
            # Where multipliers have far to go, the dual function rises long before residuals fall.
            risen = state.lagrangian > highest + 1e-3 * max(state.scale, abs(highest) if np.isfinite(highest) else 0.0)
            idle = 0 if error < 0.9 * smallest or risen else idle + 1
            smallest, highest = min(smallest, error), max(highest, state.lagrangian)
            if idle > PATIENCE:
                return self._last_proof(state) or self.ended("stalled")
            lam, direction = np.concatenate([state.weights[1:], state.on_rows]), None
            model = self._model(state, earlier)
            moved = np.zeros(terms.n)
            if model is not None:
                outcome = model.solve(SMALL)
                if outcome.kind == "infeasible" and outcome.certificate is not None:
                    ray = np.concatenate([outcome.certificate.lam, outcome.certificate.nu])
                    ray /= np.abs(ray).max()
                    if (proof := self._proof(ray, state)) is not None:
                        return Found("infeasible", None, proof, self.nit)
                    direction = ray * max(10.0 * float(np.abs(lam).max(initial=0.0)), 1.0)
                elif outcome.kind != "unbounded":
                    direction = np.concatenate([outcome.point.lam, outcome.point.nu]) - lam
                    moved = model.V @ outcome.point.x
            if direction is None and max(state.primal, state.complementarity) > settings.tol:
                direction = self._steepest(state, lam)
            if direction is None or not direction.any():
                # Nothing to gain from the multipliers: x(λ) itself has to be more exact.
                finer = self._at(state.weights, state.on_rows, state.x, state.slopes, 0.1 * settings.tol)
                if finer is None or np.array_equal(finer.x, state.x):
                    return self.ended("stalled")
                state = finer
                continue
            found = self._search(state, lam, direction, moved, error)
            if found is None and (steepest := self._steepest(state, lam)).any():
                # Bounds that take hold on the way can make the small problem's answer useless; the slope is never.
                found = self._search(state, lam, steepest, np.zeros(terms.n), error)
            if found is None:
                finer = self._at(state.weights, state.on_rows, state.x, state.slopes, 0.1 * settings.tol)
                if finer is None or np.array_equal(finer.x, state.x):
                    return self._last_proof(state) or self.ended("stalled")
                state = finer
                continue
            earlier = [*earlier[-7:], found[0].x - state.x]
            state, step = found
            size = float(np.abs(np.concatenate([state.weights[1:], state.on_rows])).max(initial=0.0))
            if size > 100.0 * tried and state.primal > settings.tol:
                tried = size
                if (proof := self._proof(np.concatenate([state.weights[1:], state.on_rows]) / size, state)) is not None:
                    return Found("infeasible", None, proof, self.nit)
        return self.ended("iteration_limit")

    def _at(self, weights: np.ndarray, on_rows: np.ndarray, x: np.ndarray, slopes: np.ndarray,
            accuracy: float) -> State | None:
        """The state at x(λ), from a start nearby; None where L has no minimum over the box."""
        terms = self.terms
        pull = (weights[1:] * np.abs(slopes[1:]).max(axis=1)).max(initial=0.0)
        size = max(float(np.abs(terms.q[0]).max()), float(pull), float(np.abs(slopes[0]).max()),
                   float(np.abs(terms.rows.T @ on_rows).max()))
        x, slopes, success = minimise_over_box(self.inner, weights, on_rows, self.lb, self.ub, x, slopes,
                                               accuracy * size)
        return self.judge.state(x, weights, on_rows, slopes) if success else None

    def _model(self, state: State, earlier: list[np.ndarray]) -> Model | None:
        """The problem on the directions in which x(λ) moves while the bounds that hold keep holding."""
        terms, problem = self.terms, self.problem
        lam = np.concatenate([state.weights[1:], state.on_rows])
        if not lam.size:
            return None
        slope = terms.slope(state.slopes, state.weights, state.on_rows)
        free = ~binding(state.x, slope, self.lb, self.ub)
        reach = np.where(np.isfinite(state.violations), state.violations, -np.inf)
        reach[problem.m:] = np.abs(reach[problem.m:])
        order = np.argsort(-np.where(lam != 0, np.inf, reach), kind="stable")[:TOGETHER]
        order = order[(lam[order] != 0) | (reach[order] > -np.inf)]
        mq = len(problem.inequalities)
        sides = [state.slopes[1 + i] if i < mq else np.asarray(
            terms.rows[[i - mq]].toarray() if hasattr(terms.rows, "toarray") else terms.rows[i - mq]).reshape(-1)
            for i in order]
        sides = [masked for side in sides if (masked := np.where(free, side, 0.0)).any()]
        model = Model(terms, state.x, state.slopes)
        if sides:
            model.add(self._directions(state.weights, np.stack(sides, axis=1), 1e-2 * FIRST_RTOL, free))
        if earlier:
            model.add(np.stack([np.where(free, v, 0.0) for v in earlier[::-1]], axis=1))
        return model if model.V.shape[1] else None

    def _steepest(self, state: State, lam: np.ndarray) -> np.ndarray:
        """Up the slope of the dual function, scaled as if P(λ) were a multiple of I: where no variable is free."""
        terms, problem = self.terms, self.problem
        rise = np.where(np.isfinite(state.violations), state.violations, 0.0)
        rows = terms.rows
        squares = np.concatenate([np.einsum("ij,ij->i", state.slopes[1:], state.slopes[1:]), np.asarray(
            rows.multiply(rows).sum(axis=1) if hasattr(rows, "multiply") else np.einsum("ij,ij->i", rows, rows)
        ).reshape(-1)])
        direction = rise * float(state.weights @ terms.size) / np.where(squares > 0, squares, 1.0)
        direction[:problem.m] = np.maximum(direction[:problem.m], -lam[:problem.m])
        return direction

    def _search(self, state: State, lam: np.ndarray, direction: np.ndarray, moved: np.ndarray,
                error: float) -> tuple[State, float] | None:
        """Backtracking on the dual function: the first λ + t·direction at which it has risen by its share."""
        terms, problem = self.terms, self.problem
        mq = len(problem.inequalities)
        rise = float(direction @ np.where(np.isfinite(state.violations), state.violations, 0.0))
        accuracy = float(np.clip(0.03 * error, 0.1 * self.settings.tol, 1e-2))
        step = 1.0
        best: tuple[State, float] | None = None
        for _ in range(HALVINGS):
            self._check_time()
            trial = lam + step * direction
            trial[:problem.m] = np.maximum(trial[:problem.m], 0.0)
            weights, on_rows = np.concatenate([[1.0], trial[:mq]]), trial[mq:]
            x = np.clip(state.x + step * moved, self.lb, self.ub)
            slopes = terms.gradients(x) if (x != state.x).any() else state.slopes
            found = self._at(weights, on_rows, x, slopes, accuracy)
            # g(λ) lies between bound and L(x): what x(λ) lacks of its minimum is no reason to step back.
            low = max(state.bound, state.lagrangian - accuracy**2 * max(state.scale, abs(state.lagrangian)))
            slack = 1e-13 * max(state.scale, abs(state.lagrangian))
            if found is not None and found.lagrangian >= low + RISE * step * rise - slack:
                if step < 1.0 or (best is None and not self._rising(found, direction, rise)):
                    return found, step
                # As steep at the end of the step as at its start: g bends far beyond.
                if best is not None and found.lagrangian < best[0].lagrangian:
                    return best
                best = found, step
                if not self._rising(found, direction, rise):
                    return best
                step *= LONGER
                continue
            if best is not None:
                return best
            step *= 0.5
        return best

    @staticmethod
    def _rising(state: State, direction: np.ndarray, rise: float) -> bool:
        """Whether g rises along the direction more than half as fast as where it came from."""
        return float(direction @ np.where(np.isfinite(state.violations), state.violations, 0.0)) > 0.5 * rise

    def _proof(self, ray: np.ndarray, state: State) -> InfeasibilityCertificate | None:
        """Whether Σ rayᵢfᵢ is positive all over the box."""
        terms, problem = self.terms, self.problem
        ray = ray.copy()
        ray[:problem.m] = np.maximum(ray[:problem.m], 0.0)
        mq = len(problem.inequalities)
        weights, on_rows = np.concatenate([[0.0], ray[:mq]]), ray[mq:]
        x, slopes = state.x, state.slopes
        slope = terms.slope(slopes, weights, on_rows)
        if (weights[terms.curved] > 0).any():
            x, slopes, _ = minimise_over_box(self.inner, weights, on_rows, problem.lb, problem.ub, x, slopes,
                                             1e-10 * float(np.abs(slope).max(initial=0.0)))
            slope = terms.slope(slopes, weights, on_rows)
        lower, upper = split_by_sign(slope, problem.lb, problem.ub)
        # Σ rayᵢfᵢ at x, and how much lower its tangent gets within the box.
        finite = np.isfinite(terms.limits)
        rows = np.where(finite, terms.rows @ x - np.where(finite, terms.limits, 0.0), 0.0)
        low = float(weights @ terms.values(x, slopes)) + float(on_rows @ rows)
        low += float(np.where(lower > 0, lower * (np.where(lower > 0, problem.lb, x) - x), 0.0).sum())
        low += float(np.where(upper > 0, upper * (x - np.where(upper > 0, problem.ub, x)), 0.0).sum())
        if not low > 0:
            return None
        proof = InfeasibilityCertificate(ray[:problem.m], ray[problem.m:], lower, upper)
        return proof if proof.verify(problem) else None

    def _last_proof(self, state: State) -> Found | None:
        """A contradiction in the direction that the multipliers went, where no progress was made."""
        lam = np.concatenate([state.weights[1:], state.on_rows])
        size = float(np.abs(lam).max(initial=0.0))
        proof = self._proof(lam / size, state) if size > 0 and state.primal > self.settings.tol else None
        return None if proof is None else Found("infeasible", None, proof, self.nit)
