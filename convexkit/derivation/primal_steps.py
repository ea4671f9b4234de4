"""Steps 1 and 2 of a derivation: the problem and its Lagrangian."""

from __future__ import annotations

import numpy as np

from ..problem import SecondOrderCone
from ..quadratic import Quadratic
from ..validation import dense
from .context import Derivation
from .parts import Multiplier, polynomial


def statement(d: Derivation) -> None:
    """The problem, each row with its multiplier, and whether it is convex."""
    s, pr, T = d.s, d.problem, d.s.transpose
    if d.small:
        d.show(s.head("minimise") + polynomial(pr.objective, s), *_rows(d))
    else:
        objective = f"{s.half}x{T}{s.sub('P', 0)}x + {s.sub('q', 0)}{T}x + {s.sub('r', 0)}"
        bounds = int(np.isfinite(pr.lb).sum()), int(np.isfinite(pr.ub).sum())
        rows = []
        if pr.inequalities:
            rows.append(f"{s.sub('f', 'i')}(x) {s.le} 0,  i = 1, {s.dots}, {len(pr.inequalities)}")
        if pr.h.size:
            rows.append(f"Gx {s.le} h{s.text(f'   ({pr.h.size} rows)')}")
        if pr.p:
            rows.append(f"Ax = b{s.text(f'   ({pr.p} rows)')}")
        if any(bounds):
            rows.append(f"l {s.le} x {s.le} u{s.text(f'   ({bounds[0]} and {bounds[1]} are finite)')}")
        if pr.cones:
            A, b, c, e = (s.sub(letter, "k") for letter in "Abcd")
            cone = f"{s.norm(f'{A}x + {b}')} {s.le} {c}{T}x + {e}"
            rows.append(f"{cone},  k = 1, {s.dots}, {len(pr.cones)}")
        d.show(s.head("minimise") + objective,
               *(s.head("subject to" if k == 0 else "") + row for k, row in enumerate(rows)))
        kinds = sorted({f.structure for f in d.functions})
        d.say(f"There are {pr.n} variables; the quadratics are {', '.join(kinds)}. These are too many numbers to write "
              "out: what follows is in symbols, with the values that were computed.")
    if d.convex:
        d.say("All functions are convex: no P has a negative eigenvalue." if not d.affine else
              "The objective is affine, and cones are convex." if pr.cones else
              "All functions are affine, and so convex.")
        return
    first = d.functions[d.bent[0]]
    names = ["objective.P" if k == 0 else f"inequalities[{k - 1}].P" for k in d.bent]
    others = f" (and so on: {len(names)} of them have negative ones)" if len(names) > 1 else ""
    d.say(f"The problem is not convex: {names[0]} has the eigenvalue {s.number(first.smallest_eigenvalue())}{others}. "
          "Everything up to weak duality holds all the same.")


def _rows(d: Derivation) -> list[str]:
    """The constraints, each with the name of its multiplier."""
    s, pr = d.s, d.problem
    tops = {f"lam_cones[{k}][0]": cone for k, cone in enumerate(pr.cones)}
    texts: list[tuple[str, str, str]] = []
    for mult in d.multipliers:
        if mult.kind == "z":
            if mult.place in tops:
                symbols = ", ".join(m.symbol for m in d.multipliers if m.place.startswith(mult.place[:-3] + "["))
                texts.append((_cone(d, tops[mult.place]), f"({symbols})", mult.place.rsplit("[", 1)[0]))
        else:
            texts.append((_row(d, mult), mult.symbol, mult.place))
    return s.table(texts)


def _row(d: Derivation, mult: Multiplier) -> str:
    s, row = d.s, mult.row
    if any(row is f for f in d.problem.inequalities):
        return f"{polynomial(row, s)} {s.le} 0"
    if mult.kind == "lb":
        return f"{polynomial(Quadratic(None, -row.q), s)} {s.ge} {s.number(row.r)}"
    return f"{polynomial(Quadratic(None, row.q), s)} {'=' if mult.kind == 'nu' else s.le} {s.number(-row.r)}"


def _cone(d: Derivation, cone: SecondOrderCone) -> str:
    s = d.s
    inside = [polynomial(Quadratic(None, row, constant), s) for row, constant in
              zip(dense(cone.A), cone.b, strict=True)]
    vector = f"({', '.join(inside)})" if len(inside) > 1 else inside[0]
    return f"{s.norm(vector)} {s.le} {polynomial(Quadratic(None, cone.c, cone.d), s)}"


def lagrangian(d: Derivation) -> None:
    """L as it is defined, and as one quadratic in x."""
    s, T = d.s, d.s.transpose
    q, r = f"q{d.of}", f"r{d.of}"
    whole = f"{q}{T}x + {r}" if d.affine else f"{s.half}x{T}{d.P}x + {q}{T}x + {r}"
    if d.small:
        parts = [polynomial(d.problem.objective, s)]
        parts += [f"{mult.symbol}({polynomial(mult.row, s)})" for mult in d.multipliers]
        matrix = [] if d.affine else [f"{d.P} = {s.matrix(d.collected.P())}"]
        slope = d.collected.q()
        d.show(f"L = {' + '.join(parts)}", f"  = {whole}", *matrix,
               f"{q} = {slope[0] if len(slope) == 1 else '(' + ', '.join(slope) + ')'}", f"{r} = {d.collected.r()}")
    else:
        d.show(f"L = {whole}", *_in_symbols(d, q, r))
    if d.signs:
        d.say(f"Multipliers of inequalities satisfy {d.m(d.signs)}. Then {d.m(f'L {s.le} ' + s.sub('f', 0) + '(x)')} "
              "at every feasible x.")
    elif d.problem.p:
        d.say("Multipliers of equalities have either sign. L equals the objective at every feasible x.")
    else:
        d.say("There are no constraints, and no multipliers.")


def _in_symbols(d: Derivation, q: str, r: str) -> list[str]:
    """P(λ), q and r as sums over the data."""
    s, pr, T, lam = d.s, d.problem, d.s.transpose, d.s.letters["lam"]
    i = s.sub(lam, "i")
    matrix, slope, constant = s.sub("P", 0), s.sub("q", 0), s.sub("r", 0)
    if d.curved_rows:
        matrix += f" + {s.sum}{i}{s.sub('P', 'i')}"
    if pr.inequalities:
        slope, constant = slope + f" + {s.sum}{i}{s.sub('q', 'i')}", constant + f" + {s.sum}{i}{s.sub('r', 'i')}"
    for there, on_slope, on_constant in (
            (pr.h.size > 0, f" + G{T}{s.sub(lam, 'G')}", f" - h{T}{s.sub(lam, 'G')}"),
            (pr.p > 0, f" + A{T}{s.letters['nu']}", f" - b{T}{s.letters['nu']}"),
            (d.bounded[0], f" - {s.letters['lb']}", f" + l{T}{s.letters['lb']}"),
            (d.bounded[1], f" + {s.letters['ub']}", f" - u{T}{s.letters['ub']}"),
            (bool(pr.cones), f" - {s.sum}({s.sub('z', 0)}c + A{T}z)", f" - {s.sum}({s.sub('z', 0)}d + b{T}z)")):
        if there:
            slope, constant = slope + on_slope, constant + on_constant
    return [*([] if d.affine else [f"{d.P} = {matrix}"] if d.curved_rows else []), f"{q} = {slope}",
            f"{r} = {constant}"]
