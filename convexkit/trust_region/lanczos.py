"""Models known by products: generalized Lanczos, with a look at the directions that the gradient does not reach."""

from __future__ import annotations

from math import inf, log, sqrt

import numpy as np

from ..quadratic import Quadratic
from .krylov import Krylov, Product, ProductError
from .results import TrustRegionResult, TrustRegionStatus, zero_step
from .secular import Secular, solve_secular

# A random start finds the least eigenvalue to a share of the spectrum's width but with this probability.
DOUBT = 1e-6
# A residual below this many units of rounding of ‖P‖·‖p‖ is rounding.
ROUNDING = 50
# The probe is given up after so many products, or twice those of the gradient's own space.
PROBES = 500


class LanczosModel:
    """One model and what has been learnt about it; steps for several radii share the products.

    `least` products are spent even where fewer settle a step: the second tells whether P is symmetric.
    """

    def __init__(self, P: Product, g: np.ndarray, H: Product | None = None, solve_H: Product | None = None,
                 least: int = 1):
        self.g, self.least = g, least
        self.space = Krylov(g.size, P, g.dtype, H, solve_H)
        self.solve_H = solve_H
        # A fixed vector that nothing in the data knows of: components are normal deviates.
        self.probe = np.random.default_rng(20260101).standard_normal(g.size).astype(g.dtype)
        self.probe_at = -1  # where in the basis the probe's own vectors begin
        self.probe_steps = 0
        self.seen_all = False
        if g.any():
            self.space.add(g if solve_H is None else solve_H(g))

    def solve(self, radius: float, inner: float, rtol: float, limit: int, sigma: float | None,
              check: bool = True) -> Found:
        """The minimiser over all steps seen, once its residual says that others would add nothing.

        First the Krylov space of the gradient. If `check`, then that of the probe, until either says that P + lam·H
        has no negative eigenvalue: P ≥ sigma·H is known; all n directions were seen; or the probe's least Ritz value
        has settled, or lies above -lam by what Kuczyński & Woźniakowski's bound for random starts leaves open.
        """
        space, spent = self.space, 0
        rtol = max(rtol, ROUNDING * float(np.finfo(self.g.dtype).eps))
        norm_g = self._norm(self.g)
        if not space.R and not space.k:
            self._add_probe()
        while True:
            while space.k < self.least and space.R:
                space.expand()
                spent += 1
                self.probe_steps += self.probe_at >= 0
            w, Q = np.linalg.eigh(space.T)
            c = space.inner(self.g)
            found = solve_secular(w, Q.T @ c, radius, inner)
            y = Q @ found.y
            length = float(np.linalg.norm(y))
            pending = space.C @ y
            residual = float(np.linalg.norm(pending))
            sigma_seen = self._sigma(w, sigma)
            bent, straight = float(0.5 * y @ space.T @ y), float(c @ y)
            # What the step gains; with an inner radius it may have to climb.
            scale = abs(bent) + abs(straight) if inner > 0 else max(-bent - straight, 0.0)
            reference = norm_g + abs(found.lam) * length
            noise = ROUNDING * float(np.finfo(self.g.dtype).eps) * max(abs(w[0]), abs(w[-1])) * length
            missed = dual_loss(residual, length, found.lam, float(w[0]), radius, inner)
            settled = residual <= noise or not space.R or (
                residual <= rtol * reference and missed <= rtol * scale)
            tolerated = max(rtol * scale, noise * length)
            known = (sigma_seen is not None and found.lam + sigma_seen >= 0) or space.k == self.g.size
            done = settled and (known or not check or self._psd(w, Q, found, radius, tolerated))
            if self.probe_at >= 0 and settled and self.probe_steps >= max(PROBES, 2 * self.probe_at):
                limit = spent
            if done or spent >= limit:
                return Found(found, y, w, Q, residual, settled, done and (known or check), spent)
            if not settled:
                direction, steps = pending, max(1, space.k // 8)
            elif self.probe_at < 0 or not space.R:
                start = self._add_probe()
                if start is None and not space.R:
                    self.seen_all = True
                    continue
                direction, steps = np.ones(len(space.R)) if start is None else start, 1
            else:
                direction, steps = self._towards_lowest(w, Q), max(1, self.probe_steps // 4)
            for i in range(min(steps, limit - spent)):
                if not space.R or space.k == self.g.size or (space.k == space.capacity and i > 0):
                    break
                if space.k == space.capacity:
                    self._restart(y)
                    break
                space.expand(direction if i == 0 else None)
                spent += 1
                self.probe_steps += self.probe_at >= 0

    def _norm(self, v: np.ndarray) -> float:
        return sqrt(max(float(v @ (v if self.solve_H is None else self.solve_H(v))), 0.0))

    def _sigma(self, w: np.ndarray, sigma: float | None) -> float | None:
        """A lower bound on the eigenvalues: what the caller knows, or the least of all if all were seen."""
        if self.space.k == self.g.size:
            return float(w[0])
        return sigma

    def _add_probe(self) -> np.ndarray | None:
        """Start from the probe, once: its combination of the pending vectors, or None if it adds no direction.

        Those of the gradient's space are among them. They may hold, unseen, just the eigenvector that is looked for.
        """
        if self.probe_at >= 0:
            return None
        self.probe_at = self.space.k
        return self.space.add(self.probe)

    def _psd(self, w: np.ndarray, Q: np.ndarray, found: Secular, radius: float, tolerated: float) -> bool:
        """Whether the probe has shown, short of proof, that P + lam·H is positive semidefinite."""
        if self.seen_all:
            return True
        left = self.g.size - self.probe_at
        if self.probe_at < 0 or self.space.k - self.probe_at < min(2, left):
            return False
        # The spectrum reaches beyond the Ritz values, by about as much as the pending vectors are coupled.
        width = float(w[-1] - w[0]) + 2 * float(np.linalg.norm(self.space.C))
        # Probability of an error above share·width after `steps` steps: 1.648·√n·exp(-√share·(2·steps - 1)).
        share = (log(1.648 * sqrt(self.g.size) / DOUBT) / max(2 * self.probe_steps - 1, 1)) ** 2
        theta, z = self._probes_lowest()
        if theta[0] + found.lam > share * width and w[0] + found.lam > share * width:
            return True
        # A Ritz value has settled if its error is small: at most the residual, or residual²/distance to the next. The
        # lowest of all has to, and so has that of the probe's own space, which the gradient's cannot mislead.
        # Half the error times radius² is what it lets the step miss; ten times that is asked for, as it is an estimate.
        settled = all(5.0 * _ritz_error(values, float(np.linalg.norm(self.space.C @ vector))) * radius**2 <= tolerated
                      for values, vector in ((theta, z), (w, Q[:, 0])))
        return settled and self.space.k - self.probe_at >= min(8, left)

    def _probes_lowest(self) -> tuple[np.ndarray, np.ndarray]:
        """Ritz values of the probe's own space, and the lowest one's vector."""
        block = self.space.T[self.probe_at:, self.probe_at:]
        theta, Z = np.linalg.eigh(block)
        z = np.zeros(self.space.k)
        z[self.probe_at:] = Z[:, 0]
        return theta, z

    def _towards_lowest(self, w: np.ndarray, Q: np.ndarray) -> np.ndarray:
        """The combination of the pending vectors that continues the search for the least eigenvalue."""
        directions = [self.space.C @ Q[:, 0]]
        errors = [_ritz_error(w, float(np.linalg.norm(directions[0])))]
        if self.space.k > self.probe_at:
            theta, z = self._probes_lowest()
            directions.append(self.space.C @ z)
            errors.append(_ritz_error(theta, float(np.linalg.norm(directions[1]))))
        direction: np.ndarray = directions[int(np.argmax(errors))]
        return direction if direction.any() else np.ones(len(self.space.R))

    def _restart(self, y: np.ndarray) -> None:
        """Keep the gradient, the step, and the lowest Ritz vectors, of the gradient's and of the probe's space each."""
        space = self.space
        c = space.inner(self.g)
        parts = [slice(0, space.k)] if self.probe_at < 0 else [slice(0, self.probe_at), slice(self.probe_at, space.k)]
        blocks, counts = [], []
        for part in parts:
            Q = np.linalg.eigh(space.T[part, part])[1]
            known = np.column_stack([c[part], y[part], Q[:, :max(space.capacity // (3 * len(parts)), 1)]])
            known = known / np.maximum(np.linalg.norm(known, axis=0), np.finfo(np.float64).tiny)
            U, sizes, _ = np.linalg.svd(known, full_matrices=False)
            U = U[:, sizes > 1e-12]
            block = np.zeros((space.k, U.shape[1]))
            block[part] = U
            blocks.append(block)
            counts.append(U.shape[1])
        space.restart(np.hstack(blocks))
        if self.probe_at >= 0:
            self.probe_at = counts[0]


class Found:
    """A solution of the projected problem and what is known about the rest."""

    def __init__(self, secular: Secular, y: np.ndarray, w: np.ndarray, Q: np.ndarray, residual: float, settled: bool,
                 checked: bool, spent: int):
        self.secular, self.y, self.w, self.Q = secular, y, w, Q
        self.residual, self.settled, self.checked, self.spent = residual, settled, checked, spent


def _ritz_error(values: np.ndarray, residual: float) -> float:
    """About how far the first of the ascending Ritz values lies from an eigenvalue, given its residual."""
    apart = values[values > values[0] + residual]
    return min(residual, residual**2 / float(apart[0] - values[0])) if apart.size else residual


def dual_loss(residual: float, length: float, lam: float, sigma: float, radius: float, inner: float,
              along: float = 0.0) -> float:
    """What a step may miss, given P ≥ sigma·H: L(p, lam') less the minimum of L(·, lam'), for the best lam' = lam + s.

        value - dual value(lam')  ≤  ½lam'·(t² - ‖p‖²) + ½‖rho + s·p‖² / (sigma + lam'),      t = radius, or inner

    `residual` = ‖rho‖, rho = (P + lam·H)p + g in the norm of H⁻¹; `along` = rhoᵀp, zero for a Galerkin solution.
    """
    best = inf
    a = sigma + lam
    beyond = sqrt(max(residual**2 - 2 * a * along + a * a * length**2, 0.0))  # ‖rho - a·p‖
    # With u = sigma + lam' the bound is ½(‖rho - a·p‖²/u + t²·u) + ..., least where u = ‖rho - a·p‖/t.
    for t in {radius, inner}:
        if t > 0:
            if a > 0 and along == 0.0:  # the same root without cancellation
                u_minus_a = (residual**2 + a * a * (length**2 - t * t)) / (t * t) / (beyond / t + a)
            else:
                u_minus_a = beyond / t - a
            for s in (u_minus_a, 0.0, -lam):
                moved = lam + s
                square = max(residual**2 + 2 * s * along + s * s * length**2, 0.0)
                if (moved < 0 and inner == 0.0) or a + s < 0 or (a + s == 0 and square > 0):
                    continue
                end = radius if moved >= 0 else inner
                missed = 0.5 * square / (a + s) if square > 0 else 0.0
                best = min(best, 0.5 * moved * (end * end - length**2) + missed)
    return max(best, 0.0)


def lanczos_step(model: Quadratic, P: Product, radius: float, inner: float, rtol: float, limit: int,
                 sigma: float | None, H: Product | None = None, solve_H: Product | None = None, *,
                 learnt: LanczosModel | None = None, check: bool = True) -> TrustRegionResult:
    """The step for a model whose P is known by products, with a bound from sigma (P ≥ sigma·H) or from all n products.

    `learnt` continues from an earlier step of the same model with another radius; `check=False` is content with a
    point that no direction of the gradient's Krylov space improves.
    """
    krylov, before = learnt, 0
    try:
        if krylov is None:
            krylov = LanczosModel(P, model.q, H, solve_H)
        before = krylov.space.products
        found = krylov.solve(radius, inner, rtol, limit, sigma, check)
        return _judged(model, krylov, found, P, radius, inner, rtol, sigma, H, solve_H, check, before)
    except ProductError as error:
        products = krylov.space.products - before if krylov is not None else 0
        return zero_step(model, TrustRegionStatus.NUMERICAL_ERROR, f"no step: {error}", products, products=products)


def _judged(model: Quadratic, krylov: LanczosModel, found: Found, P: Product, radius: float, inner: float,
            rtol: float, sigma: float | None, H: Product | None, solve_H: Product | None, check: bool,
            before: int) -> TrustRegionResult:
    """Step, value and bound from one more product, whatever rounding has done to the basis."""
    g, secular, space = model.q, found.secular, krylov.space
    p = space.combine(found.y)
    if not check:
        # The projected problem's own figures, exact but for rounding, at no further product.
        value = model.r + float(space.inner(g) @ found.y) + 0.5 * float(found.y @ space.T @ found.y)
        return TrustRegionResult(p, secular.lam, value, -inf, secular.status if found.settled else
                                 TrustRegionStatus.TRUNCATED, found.settled, f"{secular.status}; multiplier "
                                 f"{secular.lam:.3g}.", found.spent, products=space.products - before)
    Hp = p if H is None else H(p)
    length = sqrt(max(float(p @ Hp), 0.0))
    if length > radius or (secular.lam > 0 and length > 0):
        p, Hp, length = p * (radius / length), Hp * (radius / length), radius
    elif 0 < length < inner:
        p, Hp, length = p * (inner / length), Hp * (inner / length), inner
    Pp = P(p)
    space.products += 1
    value = model.r + float(g @ p) + 0.5 * float(p @ Pp)
    if not np.isfinite(value):
        raise ProductError("a product with P is not finite.")
    lam = secular.lam
    rho = Pp + lam * Hp + g
    residual, along = krylov._norm(rho), float(rho @ p)

    def bound(least: float | None) -> float:
        return -inf if least is None else value - dual_loss(residual, length, lam, least, radius, inner, along)

    exact = krylov._sigma(found.w, sigma)
    if exact is not None and found.w.size and space.k == g.size:
        # The least of all eigenvalues, up to rounding of the projected matrix.
        exact -= 10 * float(np.finfo(g.dtype).eps) * space.size
    dual_value = bound(exact)
    estimate = max(bound(float(found.w[0])), dual_value)
    products = space.products - before
    finished = found.settled and (found.checked or not check)
    status = secular.status
    if not finished:
        status = TrustRegionStatus.TRUNCATED
    message = (f"{secular.status}; multiplier {lam:.3g}, {products} products, least Ritz value {found.w[0]:.3g}, "
               f"relative residual {residual / max(krylov._norm(g), np.finfo(np.float64).tiny):.1e}"
               if g.any() else f"{secular.status}; multiplier {lam:.3g}, {products} products, least Ritz value "
               f"{found.w[0]:.3g}")
    if not finished:
        message += (f"; stopped at the limit of products; asked for rtol = {rtol:.0e}." if not found.settled else
                    f"; after {krylov.probe_steps} products in search of a negative eigenvalue of P + lam·H it is open "
                    "whether there is one; give min_eigenvalue if you know that P has none.")
    else:
        message += "."
    return TrustRegionResult(p, lam, value, dual_value, status, finished, message, found.spent, None, estimate,
                             products)
