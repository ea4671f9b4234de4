"""L(x, λ, ν) = ½xᵀP(λ)x + q(λ, ν)ᵀx + r(λ, ν) with entries that are sums over the multipliers, by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem import QCQP
from ..quadratic import Quadratic, is_flat
from ..validation import dense
from .script import Script


@dataclass(frozen=True, eq=False)
class Multiplier:
    """One multiplier: its symbol, where it stands in the arrays, and L's derivative in it."""

    symbol: str
    place: str
    kind: str
    row: Quadratic


def polynomial(f: Quadratic, script: Script) -> str:
    """½xᵀPx + qᵀx + r with its terms written out."""
    n, P = f.n, f.hessian()
    x = [script.symbol("x", j, n) for j in range(n)]
    parts = [(0.5 * P[i, i] if i == j else P[i, j], x[i] + (script.square_of if i == j else x[j]))
             for i in range(n) for j in range(i, n)]
    return script.terms([*parts, *zip(f.q, x, strict=True), (f.r, "")])


def all_multipliers(problem: QCQP, script: Script) -> list[Multiplier]:
    """Of every row, bound and cone with a finite limit, in the order of lam, nu, lam_lb, lam_ub, lam_cones."""
    pr, n = problem, problem.n
    unit = np.eye(n)
    found = [Multiplier(script.symbol("lam", i, pr.m), f"lam[{i}]", "lam", f) for i, f in enumerate(pr.inequalities)]
    first = len(pr.inequalities)
    found += [Multiplier(script.symbol("lam", first + i, pr.m), f"lam[{first + i}]", "lam",
                         Quadratic._of(None, row, -float(limit)))
              for i, (row, limit) in enumerate(zip(dense(pr.G), pr.h, strict=True)) if np.isfinite(limit)]
    found += [Multiplier(script.symbol("nu", i, pr.p), f"nu[{i}]", "nu", Quadratic._of(None, row, -float(limit)))
              for i, (row, limit) in enumerate(zip(dense(pr.A), pr.b, strict=True))]
    for kind, limits, sign in (("lb", pr.lb, -1.0), ("ub", pr.ub, 1.0)):
        found += [Multiplier(script.symbol(kind, j, n), f"lam_{kind}[{j}]", kind,
                             Quadratic._of(None, sign * unit[j], -sign * float(limits[j])))
                  for j in range(n) if np.isfinite(limits[j])]
    for k, cone in enumerate(pr.cones):
        rows, constants = np.vstack([cone.c, dense(cone.A)]), np.concatenate(([cone.d], cone.b))
        found += [Multiplier(script.symbol("z", (i,) if len(pr.cones) == 1 else (k + 1, i), 2), f"lam_cones[{k}][{i}]",
                             "z", Quadratic._of(None, -row, -float(constant)))
                  for i, (row, constant) in enumerate(zip(rows, constants, strict=True))]
    return found


@dataclass(frozen=True, eq=False)
class Collected:
    """P(λ), q(λ, ν) and r(λ, ν), each entry a constant and a coefficient for every multiplier."""

    problem: QCQP
    multipliers: list[Multiplier]
    script: Script

    def entry(self, constant: float, coefficients: list[float]) -> str:
        """A constant and a coefficient for every multiplier, as a sum."""
        return self.script.terms([(constant, ""), *((c, m.symbol) for c, m in
                                                    zip(coefficients, self.multipliers, strict=True))])

    def P(self) -> list[list[str]]:
        """P(λ) = P₀ + Σ λᵢPᵢ."""
        f0, rows = self.problem.objective, [m.row for m in self.multipliers]
        P0, Ps = f0.hessian(), [f.hessian() for f in rows]
        return [[self.entry(P0[i, j], [P[i, j] for P in Ps]) for j in range(f0.n)] for i in range(f0.n)]

    def q(self, sign: float = 1.0) -> list[str]:
        """q₀ + Σ λᵢqᵢ + Gᵀλ + Aᵀν - α + β - …, times `sign`."""
        f0 = self.problem.objective
        return [self.entry(sign * f0.q[j], [sign * m.row.q[j] for m in self.multipliers]) for j in range(f0.n)]

    def r(self) -> str:
        """r₀ + Σ λᵢrᵢ - hᵀλ - bᵀν + …"""
        return self.entry(self.problem.objective.r, [m.row.r for m in self.multipliers])

    @property
    def curved(self) -> list[Multiplier]:
        """The multipliers that P(λ) depends on."""
        return [m for m in self.multipliers if not is_flat(m.row)]
