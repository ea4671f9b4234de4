"""The iteration of `interior_point.iteration` on one dense problem without cones, compiled.

The formulas are those of `embedding`, `monitor`, `kkt_system` and `dense_cholesky`, which explain them. Vectors of one
length lie in the rows of few arrays, and loops are written out: both keep the compiler's time down.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...duality import ATTAINABLE
from ..embedding import CENTRED
from ..settings import Settings
from .closed_form import over_one_ellipsoid
from .linear import (
    add_gram,
    add_transposed,
    allocating,
    backward,
    cholesky,
    compiled,
    dot,
    forward,
    largest,
    product,
    shifted_cholesky,
    sum_and_products,
    symmetric_product,
    times,
    weighted_sum,
)
from .problem import VALUE, Data, equilibrate, residuals

S = Settings()
STEP_FRACTION, SMALLEST_SIGMA, POOR_STEP, SAFE_SIGMA = S.step_fraction, S.smallest_sigma, S.poor_step, S.safe_sigma
LARGEST_LAG, SHORT_STEP, SHORT_STEPS, SHORTEST = S.largest_lag, S.short_step, S.short_steps, S.shortest_step
NEAREST, FAR_BELOW, PASSES = S.nearest, S.far_below, S.scaling_passes
REFINE_ABOVE, REFINEMENTS = S.refine_above, S.refinements
GUIDING, ENOUGH = S.guiding, S.enough
# After EARLY iterations κ this much larger than τ makes a problem suspect of having no solution.
SUSPICIOUS, EARLY = 1e3, 8

# Rows of a point's arrays: of length n, of length m, of length p; and its scalars. Names as in `embedding.Point`.
X, P0X, BEND, SLOPE0, PULL, A_NU, R_D = range(7)
S_, LAM, A_, SIZES, R_P = range(5)
NU, R_E = range(2)
TAU, KAPPA, XPX, Q0X, R_G, MU, THETA = range(7)


class Point(NamedTuple):
    """A point of the embedding with its residuals."""

    n: np.ndarray
    m: np.ndarray
    p: np.ndarray
    v: np.ndarray
    Px: np.ndarray
    half: np.ndarray


class Step(NamedTuple):
    """A direction (dx, dλ, ds, dν) of the embedding, and v = (dτ, dκ)."""

    x: np.ndarray
    lam: np.ndarray
    s: np.ndarray
    nu: np.ndarray
    v: np.ndarray


class System(NamedTuple):
    """The Newton system: scaled lines and constants, matrices, factors, and the solution of its τ column."""

    J: np.ndarray  # (r + p, n), the first mq overwritten by gradients
    q: np.ndarray  # (mq, n), what they are at x = 0
    ends: np.ndarray  # (m + p,), constants of inequalities, bounds, equalities
    H: np.ndarray  # Σ weightsᵢPᵢ at the point that was evaluated last
    K: np.ndarray
    L: np.ndarray
    Y: np.ndarray
    schur: np.ndarray
    n: np.ndarray  # rows: Jacobi scale, g_x, goal, error
    m: np.ndarray  # rows: w, weighted
    p: np.ndarray  # rows: Jacobi scale of the Schur complement, error
    column: Step
    v: np.ndarray  # the pivot, and the weight of AᵀA
    weights: np.ndarray  # (1 + mq,), of the P's in H


@allocating
def _point(n, m, p, mq):
    z = Point(np.zeros((7, n)), np.ones((5, m)), np.zeros((2, p)), np.ones(7), np.zeros((mq, n)), np.zeros(mq))
    return z


@allocating
def _empty_step(n, m, p):
    return Step(np.zeros(n), np.zeros(m), np.zeros(m), np.zeros(p), np.zeros(2))


@compiled
def _all_rows(J, scales, r, v, out):
    """[J v; edges·v]."""
    times(J, v, out[:r])
    for k in range(scales.at.size):
        out[r + k] = scales.edge[k] * v[scales.at[k]]


@compiled
def _add_all_transposed(J, scales, r, y, out):
    """out += Σ yᵢ·rowᵢ over all m rows."""
    add_transposed(J, y[:r], 1.0, out)
    for k in range(scales.at.size):
        out[scales.at[k]] += scales.edge[k] * y[r + k]


@compiled
def _weigh(scales, z, weights):
    """Weights of the P's in H."""
    weights[0] = scales.c
    for i in range(z.half.size):
        weights[1 + i] = z.m[LAM, i] * scales.lines[i] / z.v[TAU]


@compiled
def _evaluate(data, scales, system, z, targets, fall, old):
    """Products, rows and residuals; with `targets`, s and κ take up what the linearisation missed."""
    n, m, mq, r, v = z.n.shape[1], z.m.shape[1], z.half.size, data.r, z.v
    x, lam, s, a, r_p, nu, r_e = z.n[X], z.m[LAM], z.m[S_], z.m[A_], z.m[R_P], z.p[NU], z.p[R_E]
    pull, bend, A_nu = z.n[PULL], z.n[BEND], z.n[A_NU]
    tau, c = v[TAU], scales.c
    mu = (dot(s, lam) + tau * v[KAPPA]) / (m + 1)
    _weigh(scales, z, system.weights)
    sum_and_products(system.weights, data.P, x, z.n[P0X], z.Px, system.H)
    v[XPX], v[Q0X] = dot(z.n[P0X], x), dot(data.q0, x)
    # Curved rows without their P's, which `half` brings in.
    for j in range(n):
        pull[j] = bend[j] = A_nu[j] = 0.0
    times(system.q, x, r_p[:mq])
    add_transposed(system.q, lam[:mq], 1.0, pull)
    times(system.J[mq:], x, r_p[mq:r])
    add_transposed(system.J[mq:], lam[mq:r], 1.0, pull)
    for k in range(scales.at.size):
        r_p[r + k] = scales.edge[k] * x[scales.at[k]]
        pull[scales.at[k]] += scales.edge[k] * lam[r + k]
    for i in range(m):
        a[i] = system.ends[i]
        z.m[SIZES, i] = abs(r_p[i]) + abs(a[i]) * tau
    for i in range(mq):
        z.half[i] = 0.5 * dot(z.Px[i], x)
        half = scales.lines[i] * z.half[i]
        z.m[SIZES, i] += half / tau
        a[i] -= half / (tau * tau)
        r_p[i] += half * (2.0 / tau)
        weight = system.weights[1 + i]
        for j in range(n):
            bend[j] += weight * z.Px[i, j]
    add_transposed(system.J[r:], nu, 1.0, A_nu)
    for i in range(m):
        r_p[i] += a[i] * tau + s[i]
    if targets:
        for i in range(mq):
            lowest = max(0.5 * s[i], min(s[i], CENTRED * mu / lam[i]))
            slack = min(max(s[i] + fall * old.m[R_P, i] - r_p[i], lowest), 2.0 * s[i])
            r_p[i] += slack - s[i]
            s[i] = slack
    theta = 0.0
    for j in range(n):
        pull[j] += bend[j]
        z.n[SLOPE0, j] = c * (z.n[P0X, j] + data.q0[j] * tau)
        z.n[R_D, j] = z.n[SLOPE0, j] + pull[j] + A_nu[j]
        theta = max(theta, abs(z.n[R_D, j]) * scales.columns[j])
    times(system.J[r:], x, r_e)
    offer = dot(lam, a)
    for k in range(nu.size):
        r_e[k] += system.ends[m + k] * tau
        offer += system.ends[m + k] * nu[k]
    rest = c * (v[XPX] / tau + v[Q0X]) - offer
    if targets:
        lowest = max(0.5 * v[KAPPA], min(v[KAPPA], CENTRED * mu / tau))
        v[KAPPA] = min(max(fall * old.v[R_G] - rest, lowest), 2.0 * v[KAPPA])
    v[R_G] = v[KAPPA] + rest
    v[MU] = (dot(s, lam) + tau * v[KAPPA]) / (m + 1)
    v[THETA] = max(theta, largest(r_p), largest(r_e), abs(v[R_G]))


@compiled
def _errors(data, scales, system, z, no_objective):
    """The largest relative residual or gap at z/τ, and the largest without stationarity: `monitor.Monitor.record`."""
    v, m, primal, weighted, slack = z.v, z.m.shape[1], 0.0, 0.0, 0.0
    tau = v[TAU]
    for i in range(m):
        size = max(z.m[SIZES, i], scales.floor[i] * tau)
        excess = z.m[R_P, i] - z.m[S_, i]
        if excess > 0.0:
            primal = max(primal, excess / size)
        weighted = max(weighted, z.m[LAM, i] * size)
        slack += z.m[LAM, i] * excess
    for k in range(z.p.shape[1]):
        size, row = abs(system.ends[m + k]) * tau, system.J[data.r + k]
        for j in range(row.size):
            size += abs(row[j] * z.n[X, j])
        if z.p[R_E, k] != 0.0:
            primal = max(primal, abs(z.p[R_E, k]) / max(size, scales.floor[m + k] * tau))
        slack += z.p[NU, k] * z.p[R_E, k]
    if no_objective:
        return primal, primal
    q0_size = largest(data.q0)
    unit = min(1.0, max(q0_size, largest(data.D[0])))
    slack /= scales.c * tau * tau
    slope = max(largest(z.n[SLOPE0]), scales.c * tau * q0_size, largest(z.n[PULL]), largest(z.n[A_NU]))
    if q0_size == 0.0:
        slope = max(slope, scales.c * tau * unit)
    size = abs(0.5 * v[XPX] / (tau * tau))
    for j in range(data.q0.size):
        size += abs(data.q0[j] * z.n[X, j]) / tau
    size = max(size, ATTAINABLE * weighted / (scales.c * tau * tau), unit)
    bounded = max(primal, abs(slack) / size)
    dual = largest(z.n[R_D]) / slope if slope > 0.0 else 0.0
    return max(bounded, dual), bounded


@compiled
def _factor(data, scales, system):
    """K = H + JᵀW⁻²J, its factor, and the equalities' Schur complement: `dense_cholesky`."""
    n, p, r, K, L, w, jacobi = data.q0.size, system.Y.shape[0], data.r, system.K, system.L, system.m[0], system.n[0]
    A = system.J[r:]
    for i in range(n):
        row, first = K[i], system.H[i]
        for j in range(i + 1):
            row[j] = first[j]
    add_gram(w[:r], system.J[:r], K)
    for k in range(scales.at.size):
        j = scales.at[k]
        K[j, j] += w[r + k] * scales.edge[k] ** 2
    trace = gram = 0.0
    for j in range(n):
        trace += K[j, j]
    for k in range(p):
        gram += dot(A[k], A[k])
    augment = (trace if trace > 0.0 else 1.0) / gram if gram > 0.0 else 0.0
    system.v[1] = augment
    for k in range(p):
        system.p[0, k] = augment
    regularization = 1e-14
    while regularization < 1e-5:
        for i in range(n):
            row, unit = K[i], L[i]
            for j in range(i + 1):
                unit[j] = row[j]
        if augment > 0.0:
            add_gram(system.p[0], A, L)
        top = 0.0
        for j in range(n):
            top = max(top, L[j, j])
        if not top < np.inf:
            return False
        for j in range(n):
            jacobi[j] = 1.0 / np.sqrt(L[j, j] if L[j, j] > 1e-300 else max(top, 1.0))
        for i in range(n):
            unit, scale = L[i], jacobi[i]
            for j in range(i + 1):
                unit[j] *= scale * jacobi[j]
            unit[i] += regularization * max(1.0, n / 100)
        if cholesky(L):
            break
        regularization *= 100.0
    else:
        return False
    Y, E, schur = system.Y, system.p[0], system.schur
    for k in range(p):
        for j in range(n):
            Y[k, j] = A[k, j] * jacobi[j]
        forward(L, Y[k])
        for i in range(k + 1):
            schur[k, i] = dot(Y[k], Y[i])
    for k in range(p):
        E[k] = 1.0 / np.sqrt(schur[k, k] if schur[k, k] > 1e-300 else 1.0)
        for i in range(k + 1):
            schur[k, i] *= E[k] * E[i]
        schur[k, k] += 1e-12
    return cholesky(schur)


@compiled
def _once(system, A, dx, dnu):
    """Overwrite (dx, dnu), the right-hand side, with a solution as good as the factors give it."""
    jacobi, E, n, p = system.n[0], system.p[0], dx.size, dnu.size
    # S·dν = A K⁻¹rhs_x - rhs_y and dx = K⁻¹(rhs_x - Aᵀdν), with A K⁻¹ = Yᵀ L⁻¹D.
    add_transposed(A, dnu, system.v[1], dx)
    for j in range(n):
        dx[j] *= jacobi[j]
    forward(system.L, dx)
    if p:
        for k in range(p):
            dnu[k] = E[k] * (dot(system.Y[k], dx) - dnu[k])
        forward(system.schur, dnu)
        backward(system.schur, dnu)
        for k in range(p):
            dnu[k] *= E[k]
        add_transposed(system.Y, dnu, -1.0, dx)
    backward(system.L, dx)
    for j in range(n):
        dx[j] *= jacobi[j]


@compiled
def _solve(data, scales, system, d):
    """Overwrite (d.x, d.lam, d.nu), the right-hand side, with the solution, refined: `kkt_system.NormalEquations`."""
    n, m, p, r = d.x.size, d.lam.size, d.nu.size, data.r
    A, goal, error, w, weighted, error_y = (system.J[r:], system.n[2], system.n[3], system.m[0], system.m[1],
                                            system.p[1])
    goal_y = system.p[2]
    for i in range(m):
        weighted[i] = w[i] * d.lam[i]
    _add_all_transposed(system.J, scales, r, weighted, d.x)
    size = largest(d.x) + largest(d.nu)
    for j in range(n):
        goal[j] = d.x[j]
    for k in range(p):
        goal_y[k] = d.nu[k]
    _once(system, A, d.x, d.nu)
    previous = np.inf
    for _ in range(REFINEMENTS):
        symmetric_product(system.K, d.x, error)
        add_transposed(A, d.nu, 1.0, error)
        for j in range(n):
            error[j] = goal[j] - error[j]
        times(A, d.x, error_y)
        for k in range(p):
            error_y[k] = goal_y[k] - error_y[k]
        worst = max(largest(error), largest(error_y))
        if worst <= REFINE_ABOVE * size or not worst < 0.5 * previous:
            break
        previous = worst
        _once(system, A, error, error_y)
        for j in range(n):
            d.x[j] += error[j]
        for k in range(p):
            d.nu[k] += error_y[k]
    _all_rows(system.J, scales, r, d.x, d.lam)
    for i in range(m):
        d.lam[i] = w[i] * d.lam[i] - weighted[i]


@compiled
def _newton(data, scales, system, z):
    """Factor the linearised embedding and solve for its τ column: `embedding.Newton`."""
    n, m, mq, v, column = data.q0.size, z.m.shape[1], z.half.size, z.v, system.column
    tau, c = v[TAU], scales.c
    g_tau = c * v[XPX]
    for i in range(mq):
        d = scales.lines[i]
        g_tau += 2.0 * d * z.m[LAM, i] / tau * z.half[i]
        for j in range(n):
            system.J[i, j] = system.q[i, j] + (d / tau) * z.Px[i, j]
    for i in range(m):
        system.m[0, i] = z.m[LAM, i] / z.m[S_, i]
        column.lam[i] = -z.m[A_, i]
    if not _factor(data, scales, system):
        return False
    for j in range(n):
        bend, c_q0 = z.n[BEND, j] / tau, c * data.q0[j]
        system.n[1, j] = 2.0 * z.n[SLOPE0, j] / tau - c_q0 + bend
        column.x[j] = bend - c_q0
    for k in range(column.nu.size):
        column.nu[k] = -system.ends[m + k]
    _solve(data, scales, system, column)
    pivot = dot(system.n[1], column.x) - dot(z.m[A_], column.lam) - g_tau / (tau * tau) - v[KAPPA] / tau
    for k in range(column.nu.size):
        pivot -= system.ends[m + k] * column.nu[k]
    system.v[0] = pivot
    return True


@compiled
def _step(data, scales, system, z, eta, bends, bend_g, sigma, along, second, d):
    """The step that removes η of the residuals and the bends, for sλ and τκ equal to σμ, less `along`'s products."""
    n, m, v, column = data.q0.size, z.m.shape[1], z.v, system.column
    for j in range(n):
        d.x[j] = -eta * z.n[R_D, j] - second * bends[j]
    for i in range(m):
        t = sigma * v[MU]
        if second > 0.0:
            t -= along.s[i] * along.lam[i]
        # ds + W²dλ = t, kept in d.s
        d.s[i] = t / z.m[LAM, i] - z.m[S_, i]
        d.lam[i] = -eta * z.m[R_P, i] - second * bends[n + i] - d.s[i]
    for k in range(d.nu.size):
        d.nu[k] = -eta * z.p[R_E, k]
    _solve(data, scales, system, d)
    r_k = sigma * v[MU] - v[TAU] * v[KAPPA]
    if second > 0.0:
        r_k -= along.v[0] * along.v[1]
    rest = -eta * v[R_G] - second * bend_g - r_k / v[TAU] - dot(system.n[1], d.x) + dot(z.m[A_], d.lam)
    for k in range(d.nu.size):
        rest += system.ends[m + k] * d.nu[k]
    d_tau = rest / system.v[0]
    for j in range(n):
        d.x[j] += d_tau * column.x[j]
    for i in range(m):
        d.lam[i] += d_tau * column.lam[i]
        d.s[i] -= d.lam[i] / system.m[0, i]
    for k in range(d.nu.size):
        d.nu[k] += d_tau * column.nu[k]
    d.v[0] = d_tau
    d.v[1] = (r_k - v[KAPPA] * d_tau) / v[TAU]


@compiled
def _longest(z, d):
    """The largest step that keeps s, λ, τ, κ ≥ 0."""
    worst = max(-d.v[0] / z.v[TAU], -d.v[1] / z.v[KAPPA], 0.0)
    for i in range(d.s.size):
        worst = max(worst, -d.s[i] / z.m[S_, i], -d.lam[i] / z.m[LAM, i])
    return 1.0 / worst if worst > 0.0 else np.inf


@compiled
def _reach(z, d):
    """How far d may be followed, at most 1, and the share of μ that is left there."""
    v, length = z.v, min(1.0, _longest(z, d))
    left = (v[TAU] + length * d.v[0]) * (v[KAPPA] + length * d.v[1])
    for i in range(d.s.size):
        left += (z.m[S_, i] + length * d.s[i]) * (z.m[LAM, i] + length * d.lam[i])
    return length, left / ((d.s.size + 1) * v[MU])


@compiled
def _search(data, scales, system, z, d, eta, lag, fraction, trial):
    """Move `trial` to the first point along d whose residuals are low enough; the step, or 0."""
    step = min(1.0, fraction * _longest(z, d))
    while step > SHORTEST:
        for j in range(d.x.size):
            trial.n[X, j] = z.n[X, j] + step * d.x[j]
        for i in range(d.s.size):
            trial.m[S_, i] = z.m[S_, i] + step * d.s[i]
            trial.m[LAM, i] = z.m[LAM, i] + step * d.lam[i]
        for k in range(d.nu.size):
            trial.p[NU, k] = z.p[NU, k] + step * d.nu[k]
        trial.v[TAU], trial.v[KAPPA] = z.v[TAU] + step * d.v[0], z.v[KAPPA] + step * d.v[1]
        _evaluate(data, scales, system, trial, True, 1.0 - step * eta, z)
        if trial.v[THETA] <= max(lag * trial.v[MU], (1.0 - 0.1 * step * eta) * z.v[THETA]):
            return step
        step *= 0.7
    return 0.0


@compiled
def _start(data, scales, system, z):
    """Mehrotra's least-squares point, for problems without curved rows: `iteration._start`."""
    n, m, p, d = data.q0.size, z.m.shape[1], system.Y.shape[0], system.column
    curved = largest(data.D[0]) > 0.0
    system.weights[0] = scales.c
    weighted_sum(system.weights, data.P, system.H)
    for i in range(m):
        system.m[0, i] = 1.0
    if not _factor(data, scales, system):
        return
    for turn in range(1 if curved else 2):
        # x and s from the constants, λ and ν from the slope: together if the objective is curved.
        for j in range(n):
            d.x[j] = -scales.c * data.q0[j] if curved or turn == 1 else 0.0
        for i in range(m):
            d.lam[i] = -system.ends[i] if turn == 0 else 0.0
        for k in range(p):
            d.nu[k] = -system.ends[m + k] if turn == 0 else 0.0
        _solve(data, scales, system, d)
        lowest_s = lowest_lam = 1.0
        for i in range(m):
            lowest_s, lowest_lam = min(lowest_s, -d.lam[i]), min(lowest_lam, d.lam[i])
        if not largest(d.x) + largest(d.lam) + largest(d.nu) < np.inf:
            return
        if turn == 0:
            for j in range(n):
                z.n[X, j] = d.x[j]
            for i in range(m):
                z.m[S_, i] = -d.lam[i] + (1.0 - lowest_s)
        for i in range(m):
            z.m[LAM, i] = d.lam[i] + (1.0 - lowest_lam)
        for k in range(p):
            z.p[NU, k] = d.nu[k]


@compiled
def _unscale(data, scales, z, no_objective, x, y, lam_bounds):
    """The point in the user's units, lines in the order of `data`."""
    tau, r, m = z.v[TAU], data.r, z.m.shape[1]
    share = 0.0 if no_objective else 1.0 / (scales.c * tau)
    for j in range(x.size):
        x[j] = z.n[X, j] / tau
    for i in range(r):
        y[i] = z.m[LAM, i] * scales.lines[i] * share
    for k in range(m - r):
        lam_bounds[1 if scales.edge[k] > 0.0 else 0, scales.at[k]] = z.m[LAM, r + k] * abs(scales.edge[k]) * share
    for k in range(y.size - r):
        y[r + k] = z.p[NU, k] * scales.lines[r + k] * share


@compiled
def _bends(data, scales, z, affine, Pu, bends):
    """Second-order terms of (r_d, r_p, r_g) along a step, the first two in `bends`: `embedding.Newton.curvature`."""
    n, mq, tau = data.q0.size, z.half.size, z.v[TAU]
    u, ratio = Pu[mq + 1], affine.v[0] / tau
    for j in range(n):
        u[j] = affine.x[j] - z.n[X, j] * ratio
        bends[j] = 0.0
    bend_g = scales.c * product(data.P[0], u, Pu[0]) / tau
    for i in range(mq):
        d = scales.lines[i]
        uPu = product(data.P[1 + i], u, Pu[1 + i])
        bends[n + i] = d * uPu * (0.5 / tau)
        bend_g += z.m[LAM, i] * d * uPu * (0.5 / (tau * tau))
        change = (affine.lam[i] - z.m[LAM, i] * ratio) * d / tau
        for j in range(n):
            bends[j] += change * Pu[1 + i, j]
    return bend_g + dot(bends[:n], z.n[X]) / tau


@compiled
def _towards(data, scales, system, z, old, x, y, lam_bounds, share):
    """Move z most of the way to an old solution, given in the user's units: `iteration._towards`."""
    r, m, c, rest = data.r, z.m.shape[1], scales.c, 1.0 - share
    for j in range(x.size):
        old.n[X, j] = x[j]
    for i in range(m):
        old.m[S_, i] = 0.0
        if i < r:
            old.m[LAM, i] = c * y[i] / scales.lines[i]
        else:
            side = 1 if scales.edge[i - r] > 0.0 else 0
            old.m[LAM, i] = c * lam_bounds[side, scales.at[i - r]] / abs(scales.edge[i - r])
    for k in range(y.size - r):
        old.p[NU, k] = c * y[r + k] / scales.lines[r + k]
    old.v[TAU], old.v[KAPPA] = 1.0, 0.0
    _evaluate(data, scales, system, old, False, 1.0, old)
    for j in range(x.size):
        z.n[X, j] = share * old.n[X, j] + rest * z.n[X, j]
    for i in range(m):
        z.m[S_, i] = share * max(-old.m[R_P, i], 0.0) + rest * z.m[S_, i]
        z.m[LAM, i] = share * old.m[LAM, i] + rest * z.m[LAM, i]
    for k in range(y.size - r):
        z.p[NU, k] = share * old.p[NU, k] + rest * z.p[NU, k]
    z.v[KAPPA] *= rest


@compiled
def _worst(evidence):
    """The largest residual; NaN if one is."""
    return largest(evidence[:VALUE])


def _iterate(P, D, q0, r0, lines, ends, quadratics, r, bounds, at, edge, tol, maxiter, share, late, x, y,
             lam_bounds, evidence):
    """Fill in the solution and its residuals on the data as given; iterations taken, or -1 if it was not found.

    If `late` is positive, it is the tolerance to which P₀ + Σ yᵢPᵢ has to be positive semidefinite at the solution.
    With share > 0 the arrays come with an old solution, towards which the iteration starts by that share of the way.
    """
    data = Data(P, D, q0, r0, lines, ends, quadratics, r, bounds)
    n, mq, p = q0.size, P.shape[0] - 1, ends.size - r
    m = r + at.size
    if mq == m == 1 and p == 0 and largest(D[0]) == 0.0 and largest(q0) > 0.0:  # `entry` knows it as `ellipsoid`
        if over_one_ellipsoid(P[1], lines[0], ends[0], q0, x, y):
            residuals(data, x, y, lam_bounds, evidence)
            if _worst(evidence) <= tol:
                return 0
        return -1
    scales = equilibrate(data, PASSES, at, edge)
    no_objective = largest(q0) == 0.0 and largest(D[0]) == 0.0
    system = System(np.empty((r + p, n)), np.empty((mq, n)), np.empty(m + p), np.zeros((n, n)), np.zeros((n, n)),
                    np.zeros((n, n)), np.zeros((p, n)), np.zeros((p, p)), np.zeros((4, n)), np.ones((2, m)),
                    np.zeros((3, p)), _empty_step(n, m, p), np.zeros(2), np.zeros(1 + mq))
    for i in range(r + p):
        for j in range(n):
            system.J[i, j] = lines[i, j] * scales.lines[i]
            if i < mq:
                system.q[i, j] = system.J[i, j]
        system.ends[i if i < r else at.size + i] = ends[i] * scales.lines[i]
    for k in range(at.size):
        # r + edge·x + constant = -s with x ≥ lb as edge < 0
        system.ends[r + k] = -edge[k] * bounds[1 if edge[k] > 0.0 else 0, at[k]]
    z, trial, spare = _point(n, m, p, mq), _point(n, m, p, mq), _point(n, m, p, mq)
    ahead, other = _empty_step(n, m, p), _empty_step(n, m, p)
    bends, Pu = np.zeros(n + m), np.zeros((mq + 2, n))
    if mq == 0:
        _start(data, scales, system, z)
    if share > 0.0:
        _towards(data, scales, system, z, trial, x, y, lam_bounds, share)
        lam_bounds[:] = 0.0
    _evaluate(data, scales, system, z, False, 1.0, z)
    lag = LARGEST_LAG * max(z.v[THETA], 1e-3) / z.v[MU]
    short = 0
    for nit in range(maxiter + 1):
        v = z.v
        error, bounded = _errors(data, scales, system, z, no_objective)
        if not error < np.inf:
            return -1
        if error <= tol:
            _unscale(data, scales, z, no_objective, x, y, lam_bounds)
            residuals(data, x, y, lam_bounds, evidence)
            if _worst(evidence) <= tol:
                return nit if late == 0.0 or shifted_cholesky(system.H, late) else -1
        if ((nit > EARLY and v[KAPPA] > SUSPICIOUS * v[TAU]) or nit == maxiter
                or (mq > 0 and nit > 0 and bounded <= FAR_BELOW * tol)):
            return -1
        if not _newton(data, scales, system, z):
            return -1
        # Predictor, the same corrected by itself, and the step: `iteration._corrected`.
        _step(data, scales, system, z, 1.0, bends, 0.0, 0.0, ahead, 0.0, ahead)
        length, left = _reach(z, ahead)
        bend_g, second = _bends(data, scales, z, ahead, Pu, bends), length * length
        if mq > 0 and left <= GUIDING and error * left**3 > ENOUGH * tol:
            _step(data, scales, system, z, 1.0, bends, bend_g, 0.0, ahead, second, other)
            further, less = _reach(z, other)
            if further >= length and less < left:
                ahead, other, left = other, ahead, less
        sigma = min(1.0, max(left**3, SMALLEST_SIGMA))
        _step(data, scales, system, z, 1.0 - sigma, bends, bend_g, sigma, ahead, second, other)
        fraction = max(STEP_FRACTION, 1.0 - max(error, NEAREST)) if mq else STEP_FRACTION
        step = _search(data, scales, system, z, other, 1.0 - sigma, lag, fraction, trial)
        if step < POOR_STEP:
            sigma = max(sigma, SAFE_SIGMA)
            _step(data, scales, system, z, 1.0 - sigma, bends, 0.0, sigma, ahead, 0.0, other)
            length = _search(data, scales, system, z, other, 1.0 - sigma, lag, fraction, spare)
            if length > step:
                step, trial, spare = length, spare, trial
            elif step > 0.0:  # H is that of the other one
                _weigh(scales, trial, system.weights)
                weighted_sum(system.weights, data.P, system.H)
        if step == 0.0:
            return -1
        short = short + 1 if step < SHORT_STEP else 0
        if short >= SHORT_STEPS:
            return -1
        z, trial = trial, z
        size = max(z.v[TAU], z.v[KAPPA])
        if not 1e-3 < size < 1e3:
            for j in range(n):
                z.n[X, j] /= size
            for i in range(m):
                z.m[S_, i] /= size
                z.m[LAM, i] /= size
            for k in range(p):
                z.p[NU, k] /= size
            z.v[TAU] /= size
            z.v[KAPPA] /= size
            _evaluate(data, scales, system, z, False, 1.0, z)
            lag *= size
    return -1


iterate = allocating(_iterate, nogil=True)
