"""Steps 3 to 5 of a derivation: the infimum over x, the dual function, and the dual problem."""

from __future__ import annotations

import numpy as np

from ..duality import dual_problem
from .context import Derivation


def infimum(d: Derivation) -> None:
    """Where L is bounded below in x, and the minimiser."""
    s = d.s
    if d.affine:
        d.say(f"L is affine in x: its infimum is {d.m('r' + d.of)} where its slope {d.m('q' + d.of)} is zero, and "
              "minus infinity everywhere else:")
        _zero_slope(d, np.eye(d.problem.n))
        return
    d.say(f"L is bounded below in x if {d.m(f'{d.P} {s.psd}')} and q has nothing where {d.m(d.P)} is flat.")
    at = f"x{d.of} = -{d.P}{s.inverse}q{d.of}"
    anyhow = f"x{d.of} = -{d.P}{s.pinv}q{d.of}"
    if not d.convex and not d.curved_rows:
        d.say(f"{d.m(d.P)} has a negative eigenvalue, and no constraint has curvature to make up for it: L has no "
              "lower bound, whatever the multipliers are.")
        return
    if not d.convex:
        d.say(f"As the problem is not convex, this is a condition on {d.m(s.letters['lam'])}. Where it holds, a "
              f"minimiser is {d.m(anyhow)}:")
        _minimizer(d)
        return
    flat = _flat(d)
    if flat is not None and flat.shape[1] == 0 and d.curved_rows:
        d.say(f"{d.m(s.sub('P', 0) + ' ' + s.pd)} and every other {d.m('P ' + s.psd)}: {d.m(f'{d.P} {s.pd}')} for all "
              f"{d.m(s.letters['lam'] + ' ' + s.ge + ' 0')}, and the slope of L vanishes at {d.m(at)}:")
        _minimizer(d)
    elif d.curved_rows:
        d.say(f"Every {d.m('P ' + s.psd)}, so {d.m(f'{d.P} {s.psd}')} for all multipliers; where it is singular, q has "
              f"to be in its range. Then a minimiser is {d.m(anyhow)}:")
        _minimizer(d)
    elif flat is None:
        d.say(f"{d.m(f'{d.P} {s.psd}')}; where it is singular, q has to be in its range. A minimiser is {d.m(anyhow)}.")
    elif flat.shape[1] == 0:
        d.say(f"{d.m(f'{d.P} {s.pd}')}: the slope of L vanishes, for all multipliers, at {d.m(at)}:")
        _minimizer(d)
    else:
        d.say(f"{d.m(d.P)} is flat in {flat.shape[1]} of {d.problem.n} directions. There the slope has to vanish:")
        _zero_slope(d, flat)
        d.say(f"Then a minimiser is {d.m(anyhow)}.")


def _flat(d: Derivation) -> np.ndarray | None:
    """(n, k) basis of the null space of P₀; None if P₀ is large."""
    if not d.small:
        return None
    values, vectors = np.linalg.eigh(d.problem.objective.hessian())
    flat = vectors[:, values <= 1e-9 * max(float(np.abs(values).max()), 1e-300)]
    # A basis along the axes reads better, where there is one.
    projector = flat @ flat.T
    along = np.abs(projector - np.diag(np.diag(projector))).max(initial=0.0) < 1e-12
    return np.eye(len(values))[:, np.diag(projector) > 0.5] if along else flat


def _zero_slope(d: Derivation, basis: np.ndarray) -> None:
    if not d.small:
        d.show(f"q{d.of} = 0{d.s.text(f'   ({d.problem.n} equations)')}")
        return
    d.show(*(d.collected.entry(float(e @ d.problem.objective.q), [float(e @ mult.row.q) for mult in d.multipliers])
             + " = 0" for e in basis.T))


def _diagonal(d: Derivation) -> bool:
    """Whether every P is diagonal, so that x and g are written entry by entry."""
    if not d.small:
        return False
    every = [d.problem.objective.hessian(), *(mult.row.hessian() for mult in d.collected.curved)]
    return not any((P - np.diag(np.diag(P))).any() for P in every)


def _minimizer(d: Derivation) -> None:
    s, n, f0 = d.s, d.problem.n, d.problem.objective
    if not d.small:
        d.show(f"{d.P}x{d.of} = -q{d.of}")
    elif _diagonal(d):
        x = [f"{s.symbol('x', j, n)}{d.of}" for j in range(n)]
        if d.curved_rows:
            P, q = d.collected.P(), d.collected.q(sign=-1.0)
            d.show(*(f"{x[j]} = {s.fraction(q[j], P[j][j]) if q[j] != '0' else '0'}" for j in range(n)
                     if P[j][j] != "0"))
        else:
            scale = -1.0 / f0.hessian().diagonal()
            d.show(*(f"{x[j]} = {d.collected.q(sign=scale[j])[j]}" for j in range(n)))
    elif not d.curved_rows:
        d.show(f"{d.P}{s.inverse} = {s.numbers(np.linalg.inv(f0.hessian()))}")
    else:
        d.show(f"{s.matrix(d.collected.P())}{s.dot}x{d.of} = ({', '.join(d.collected.q(sign=-1.0))})")


def dual_function(d: Derivation) -> None:
    """g, as explicit as it gets."""
    s, T, g = d.s, d.s.transpose, f"g{d.of}"
    if not d.convex and not d.curved_rows:
        d.show(f"{g} = -{s.infinity}")
        d.say("The dual function says nothing about this problem.")
        return
    if d.affine:
        d.show(f"{g} = {d.collected.r() if d.small else 'r' + d.of}")
        d.say("where the slope vanishes, and minus infinity elsewhere.")
    else:
        flat = _flat(d)
        if _diagonal(d):
            P, q = d.collected.P(), d.collected.q()
            squares = [f"{s.half}{s.fraction(f'({q[j]}){s.square_of}', P[j][j])}" for j in range(d.problem.n)
                       if P[j][j] != "0" and q[j] != "0"]
            d.show(" - ".join([f"{g} = {d.collected.r()}", *squares]))
        else:
            inverse = s.inverse if flat is not None and flat.shape[1] == 0 and d.convex else s.pinv
            d.show(f"{g} = r{d.of} - {s.half}q{d.of}{T}{d.P}{inverse}q{d.of}")
        if not d.convex or flat is None or flat.shape[1]:
            d.say("where L is bounded below, and minus infinity elsewhere.")
    d.say("It is concave, as the infimum of functions that are affine in the multipliers.")


def dual(d: Derivation) -> None:
    """The dual problem, and where the package states it."""
    s, T = d.s, d.s.transpose
    signs = [d.signs] if d.signs else []
    if d.convex:
        flat = _flat(d)
        objective, conditions = f"g{d.of}", signs
        if d.affine and d.small:
            objective = d.collected.r()
            conditions = [f"{entry} = 0" for entry in d.collected.q()] + signs
        elif d.affine:
            objective, conditions = f"r{d.of}", [f"q{d.of} = 0", *signs]
        elif flat is None or flat.shape[1]:
            conditions = [f"q{d.of}" + s.text(" in the range of ") + d.P, *signs]
        d.program(objective, conditions)
        d.say(f"As a problem of its own: ck.dual_problem(problem).problem is {dual_problem(d.problem).problem!r}."
              if d.small else "As a problem of its own: ck.dual_problem(problem).problem.")
        return
    if not d.curved_rows:
        d.say("It has no feasible point. State what curves a bounded set as a quadratic, such as (x - lb)(x - ub) <= 0 "
              "for the bounds of a variable: its multiplier can make up for the negative eigenvalue.")
        return
    d.program(f"g{d.of}", [f"{d.P} {s.psd}", *signs])
    gamma = s.letters["gamma"]
    block = s.matrix([[d.P, f"q{d.of}"], [f"q{d.of}{T}", f"2(r{d.of} - {gamma})"]])
    d.say(f"Or, with a number {d.m(gamma)} that L does not fall below, as a semidefinite program "
          "(convexkit.cvxpy_bridge.schur_dual):")
    d.program(gamma, [f"{block} {s.psd}", *signs])
