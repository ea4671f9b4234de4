"""`explain`: the derivation of the dual of a given problem, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..duality import Lagrangian, dual_problem
from ..errors import ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic
from ..solution import Solution
from ..solver import solve
from .parts import Collected, all_multipliers, polynomial
from .script import Latex, Script
from .slater import is_curved, strictly_feasible

SCRIPTS = {"text": Script, "latex": Latex}
# A problem with more variables or multipliers is described by symbols and sizes, not written out.
MOST_VARIABLES, MOST_MULTIPLIERS = 6, 16


def explain(problem: QCQP, *, format: str = "text", slater: Any = None) -> str:
    """The derivation of the problem's dual, step by step, with its own numbers.

    The problem; its Lagrangian; the infimum over x, and where it is finite; the dual function; the dual problem;
    Slater's condition with a strictly feasible point or the reason why there is none; and what weak and strong duality
    say of the optimal values, which are computed.

    Parameters
    ----------
    problem : QCQP
        One that is not convex is explained too: weak duality holds, strong duality is not guaranteed.
    format : "text" or "latex"
        LaTeX needs amsmath; it is a part of a document, without its head.
    slater : optional; a point that is strictly feasible, or a function of the problem
        The function returns an object with `holds`, `x`, `margin` and `message`. By default the phase-I problem is
        solved.

    Returns
    -------
    str, to print

    Notes
    -----
    A convex problem is solved twice: for a strictly feasible point, and itself. Problems of more than 6 variables
    or 16 multipliers are described by symbols and sizes. Boyd & Vandenberghe, sections 5.1 to 5.2.

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0)])
    >>> print(ck.explain(problem))
    1. The problem
        minimise    x² + 1
        subject to  x² - 6x + 8 ≤ 0    (λ = lam[0])
    All functions are convex: no P has a negative eigenvalue.
    <BLANKLINE>
    2. The Lagrangian
        L = x² + 1 + λ(x² - 6x + 8)
          = ½xᵀP(λ)x + q(λ)ᵀx + r(λ)
        P(λ) = [2 + 2λ]
        q(λ) = (-6λ)
        r(λ) = 1 + 8λ
    Multipliers of inequalities are nonnegative: λ ≥ 0. Then L ≤ f₀(x) at every feasible x.
    <BLANKLINE>
    3. The infimum over x
    L is bounded below in x if P(λ) ⪰ 0 and q has nothing where P(λ) is flat.
    P₀ ≻ 0 and every other P ⪰ 0: P(λ) ≻ 0 for all λ ≥ 0, and the slope of L vanishes at x(λ) = -P(λ)⁻¹q(λ):
        x(λ) = 6λ/(2 + 2λ)
    <BLANKLINE>
    4. The dual function
        g(λ) = 1 + 8λ - ½(-6λ)²/(2 + 2λ)
    It is concave, an infimum of functions affine in the multipliers, whatever the f are.
    <BLANKLINE>
    5. The dual problem
        maximise    g(λ)
        subject to  λ ≥ 0
    As a problem of its own: ck.dual_problem(problem).problem is QCQP(n=3, 0 quadratic + 0 linear inequalities, \
1 equalities, 0 bounds, 1 cones).
    <BLANKLINE>
    6. Slater's condition
    x = 3 is strictly feasible: every inequality has a slack of 1 at least.
    <BLANKLINE>
    7. Weak and strong duality
    Weak duality: g(λ) ≤ p* for all λ ≥ 0. At zero multipliers g = 1.
    The problem is convex and Slater's condition holds: p* = d*, and the dual optimum is attained.
        p* = 5 at x* = 2
        d* = 5 at λ = 2
    Complementary slackness: tight and priced are lam[0] = 2. A unit more of a right-hand side lowers p* by the price, \
to first order.
    """
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
    if format not in SCRIPTS:
        raise ProblemError(f"format = {format!r} is not known; choose one of {', '.join(map(repr, SCRIPTS))}.")
    derivation = _Derivation(problem, SCRIPTS[format](), slater)
    return "\n\n".join(derivation.steps())


@dataclass(eq=False)
class _Derivation:
    """One problem in one script; each step is a method that returns its text."""

    problem: QCQP
    s: Script
    slater: Any
    lines: list[str] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        pr = self.problem
        count = (pr.m + pr.p + int(np.isfinite(pr.lb).sum() + np.isfinite(pr.ub).sum())
                 + sum(cone.size for cone in pr.cones))
        self.small = pr.n <= MOST_VARIABLES and count <= MOST_MULTIPLIERS
        self.multipliers = all_multipliers(pr, self.s) if self.small else []
        self.collected = Collected(pr, self.multipliers, self.s)
        functions = (pr.objective, *pr.inequalities)
        self.bent = [k for k, f in enumerate(functions) if not f.is_convex()]
        self.convex = not self.bent
        self.curved_rows = [i for i, f in enumerate(pr.inequalities) if is_curved(f)]
        s = self.s
        names = []
        if pr.m:
            names.append(s.letters["lam"])
        if pr.p:
            names.append(s.letters["nu"])
        for kind, limits in (("lb", pr.lb), ("ub", pr.ub)):
            if np.isfinite(limits).any():
                names.append(s.letters[kind])
        if pr.cones:
            names.append(s.letters["z"])
        self.all_names = ", ".join(names)
        self.of = f"({self.all_names})" if names else ""
        self.P = f"P({s.letters['lam']})" if self.curved_rows else s.sub("P", 0)

    # --- Writing ---

    def say(self, text: str) -> None:
        self.lines.append(self.s.prose(text))

    def show(self, *formulas: str) -> None:
        self.lines.append(self.s.display(formulas))

    def m(self, formula: str) -> str:
        return self.s.math(formula)

    def steps(self) -> list[str]:
        out = []
        for number, (title, step) in enumerate([
                ("The problem", self.statement), ("The Lagrangian", self.lagrangian),
                ("The infimum over x", self.infimum), ("The dual function", self.dual_function),
                ("The dual problem", self.dual), ("Slater's condition", self.slater_condition),
                ("Weak and strong duality", self.strong_duality)], start=1):
            self.lines = []
            step()
            out.append("\n".join([self.s.title(number, title).rstrip("\n"), *self.lines]))
        return out

    # --- 1 ---

    def statement(self) -> None:
        s, pr = self.s, self.problem
        if self.small:
            rows = [s.word("minimise    ") + polynomial(pr.objective, s)]
            rows += self._rows()
            self.show(*(row if k != 1 else row for k, row in enumerate(rows)))
        else:
            x, T = "x", s.transpose
            shown = [f"{s.word('minimise    ')}{s.half}x{T}{s.sub('P', 0)}x + {s.sub('q', 0)}{T}x + {s.sub('r', 0)}"]
            if pr.inequalities:
                i = s.sub("f", "i")
                shown.append(f"{s.word('subject to  ')}{i}({x}) {s.le} 0,  i = 1, {s.dots}, {len(pr.inequalities)}")
            if pr.h.size:
                shown.append(f"{s.word('subject to  ')}Gx {s.le} h   ({pr.h.size} rows)")
            if pr.p:
                shown.append(f"{s.word('subject to  ')}Ax = b   ({pr.p} rows)")
            bounds = int(np.isfinite(pr.lb).sum()), int(np.isfinite(pr.ub).sum())
            if any(bounds):
                shown.append(f"{s.word('subject to  ')}l {s.le} x {s.le} u   ({bounds[0]} and {bounds[1]} finite)")
            if pr.cones:
                shown.append(f"{s.word('subject to  ')}{s.norm('A_k x + b_k')} {s.le} c_k{T}x + d_k   "
                             f"({len(pr.cones)} cones)")
            self.show(*shown)
            kinds = sorted({f.structure for f in (pr.objective, *pr.inequalities)})
            self.say(f"There are {pr.n} variables; the quadratics are {', '.join(kinds)}. Too many numbers to write out: "
                     "what follows is in symbols, with the values that were computed.")
        if self.convex:
            curved = is_curved(pr.objective) or self.curved_rows
            self.say("All functions are convex: no P has a negative eigenvalue." if curved else
                     "All functions are affine, and so convex." if not pr.cones else "The problem is convex.")
            return
        names = ["the objective" if k == 0 else f"inequalities[{k - 1}]" for k in self.bent]
        first = (pr.objective, *pr.inequalities)[self.bent[0]]
        self.say(f"The problem is not convex: of {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}, the first has "
                 f"the eigenvalue {self.s.number(first.smallest_eigenvalue())}. Everything up to weak duality holds all "
                 "the same.")

    def _rows(self) -> list[str]:
        s, pr = self.s, self.problem
        texts: list[tuple[str, str]] = []
        cone_starts = {f"lam_cones[{k}][0]": cone for k, cone in enumerate(pr.cones)}
        for mult in self.multipliers:
            row = mult.row
            if mult.kind == "lam" and mult.row.P is None and mult.row not in pr.inequalities:
                left = polynomial(Quadratic(None, row.q), s)
                texts.append((f"{left} {s.le} {s.number(-row.r)}", f"{mult.symbol} = {mult.place}"))
            elif mult.kind == "lam":
                texts.append((f"{polynomial(row, s)} {s.le} 0", f"{mult.symbol} = {mult.place}"))
            elif mult.kind == "nu":
                texts.append((f"{polynomial(Quadratic(None, row.q), s)} = {s.number(-row.r)}",
                              f"{mult.symbol} = {mult.place}"))
            elif mult.kind in ("lb", "ub"):
                j = int(np.flatnonzero(row.q)[0])
                relation, limit = (s.ge, row.r) if mult.kind == "lb" else (s.le, -row.r)
                texts.append((f"{s.symbol('x', j, pr.n)} {relation} {s.number(limit)}", f"{mult.symbol} = {mult.place}"))
            elif mult.place in cone_starts:
                cone = cone_starts[mult.place]
                inside = ", ".join(polynomial(Quadratic(None, row, constant), s) for row, constant in
                                   zip(np.atleast_2d(cone.A.toarray() if hasattr(cone.A, "toarray") else cone.A), cone.b,
                                       strict=True))
                top = polynomial(Quadratic(None, cone.c, cone.d), s)
                place = mult.place.rsplit("[", 1)[0]
                texts.append((f"{s.norm(f'({inside})' if cone.size > 2 else inside)} {s.le} {top}",
                              f"({mult.symbol}, {s.dots}) = {place}"))
        width = max((len(left) for left, _ in texts), default=0) if type(s) is Script else 0
        head, rest = s.word("subject to  "), s.word("            ") if type(s) is Script else r"\quad "
        gap = r"\qquad " if type(s) is not Script else "    "

        def named(right: str) -> str:
            if type(s) is Script:
                return f"({right})"
            symbol, place = right.split(" = ")
            return rf"({symbol} = \texttt{{{place}}})".replace("_cones", r"\_cones").replace("lam_", r"lam\_")

        return [f"{head if k == 0 else rest}{left.ljust(width)}{gap}{named(right)}"
                for k, (left, right) in enumerate(texts)]

    # --- 2 ---

    def lagrangian(self) -> None:
        s, T = self.s, self.s.transpose
        if self.small:
            parts = [polynomial(self.problem.objective, s)]
            parts += [f"{mult.symbol}({polynomial(mult.row, s)})" for mult in self.multipliers]
            whole = f"{s.half}x{T}{self.P}x + q{self.of}{T}x + r{self.of}"
            collected = [f"P({s.letters['lam']}) = {s.matrix(self.collected.P())}"] if self.curved_rows else \
                [f"{s.sub('P', 0)} = {s.numbers(self.problem.objective.hessian())}"] \
                if is_curved(self.problem.objective) else []
            if not is_curved(self.problem.objective) and not self.curved_rows:
                whole = f"q{self.of}{T}x + r{self.of}"
            self.show(f"L = {' + '.join(parts)}", f"  = {whole}", *collected,
                      f"q{self.of} = ({', '.join(self.collected.q())})", f"r{self.of} = {self.collected.r()}")
        else:
            lam, nu, pr = s.letters["lam"], s.letters["nu"], self.problem
            i = s.sub(lam, "i")
            P = s.sub("P", 0) + (f" + {s.sum}{i}{s.sub('P', 'i')}" if self.curved_rows else "")
            q, r = s.sub("q", 0), s.sub("r", 0)
            if pr.inequalities:
                q, r = q + f" + {s.sum}{i}{s.sub('q', 'i')}", r + f" + {s.sum}{i}{s.sub('r', 'i')}"
            if pr.h.size:
                q, r = q + f" + G{T}{s.sub(lam, 'G')}", r + f" - h{T}{s.sub(lam, 'G')}"
            if pr.p:
                q, r = q + f" + A{T}{nu}", r + f" - b{T}{nu}"
            if np.isfinite(pr.lb).any():
                q, r = q + f" - {s.letters['lb']}", r + f" + l{T}{s.letters['lb']}"
            if np.isfinite(pr.ub).any():
                q, r = q + f" + {s.letters['ub']}", r + f" - u{T}{s.letters['ub']}"
            if pr.cones:
                z0, z = s.sub("z", "0k") if type(s) is not Script else "z₀", "z"
                q, r = q + f" - {s.sum}({z0}c + A{T}{z})", r + f" - {s.sum}({z0}d + b{T}{z})"
            self.show(f"L = {s.half}x{T}{self.P}x + q{self.of}{T}x + r{self.of}", f"{self.P} = {P}" if self.curved_rows
                      else f"q{self.of} = {q}", *([f"q{self.of} = {q}"] if self.curved_rows else []),
                      f"r{self.of} = {r}")
        signs = self._signs()
        if signs:
            self.say(f"Multipliers of inequalities are nonnegative: {self.m(signs)}. Then "
                     f"{self.m(f'L {s.le} ' + s.sub('f', 0) + '(x)')} at every feasible x.")
        elif self.problem.p:
            self.say("Multipliers of equalities have either sign. L equals the objective at every feasible x.")
        else:
            self.say("There are no constraints, and no multipliers.")

    def _signs(self) -> str:
        s, pr = self.s, self.problem
        named = [s.letters[kind] for kind, there in (("lam", pr.m > 0), ("lb", np.isfinite(pr.lb).any()),
                                                     ("ub", np.isfinite(pr.ub).any())) if there]
        parts = [f"{', '.join(named)} {s.ge} 0"] if named else []
        if pr.cones:
            parts.append(f"{s.norm('z')} {s.le} {s.sub('z', 0)}")
        return ", ".join(parts)

    # --- 3 ---

    def infimum(self) -> None:
        s, pr = self.s, self.problem
        curved0 = is_curved(pr.objective)
        if not curved0 and not self.curved_rows:
            self.say(f"L is affine in x: its infimum is {self.m('r' + self.of)} where its slope "
                     f"{self.m('q' + self.of)} is zero, and minus infinity everywhere else:")
            self._zero_slope(np.eye(pr.n))
            return
        self.say(f"L is bounded below in x if {self.m(f'{self.P} {s.psd}')} and q has nothing where "
                 f"{self.m(self.P)} is flat.")
        P0 = pr.objective
        x_of = f"x{self.of} = -{self.P}{s.inverse}q{self.of}"
        if not self.curved_rows:
            if not self.convex:
                self.say(f"{self.m(s.sub('P', 0))} has a negative eigenvalue, and no constraint has curvature to make up "
                         "for it: L has no lower bound, whatever the multipliers are.")
                return
            flat = self._flat(P0)
            if flat is None:
                self.say(f"{self.m(self.P)} is large; where it is singular, q has to be in its range.")
            elif flat.shape[1] == 0:
                self.say(f"{self.m(f'{self.P} {s.pd}')}: the slope of L vanishes at {self.m(x_of)}, for all multipliers:")
                self._minimizer()
            else:
                self.say(f"{self.m(self.P)} is flat in {flat.shape[1]} of {pr.n} directions. There the slope has to "
                         f"vanish:")
                self._zero_slope(flat)
                self.say(f"Then {self.m(x_of.replace(s.inverse, s.pinv))} is a minimiser.")
            return
        if self.convex:
            flat = self._flat(P0)
            if flat is not None and flat.shape[1] == 0:
                lam = s.letters["lam"]
                self.say(f"{self.m(s.sub('P', 0) + ' ' + s.pd)} and every other P {self.m(s.psd)}: "
                         f"{self.m(f'{self.P} {s.pd}')} for all {self.m(f'{lam} {s.ge} 0')}, and the slope of L vanishes "
                         f"at {self.m(x_of)}:")
                self._minimizer()
            else:
                self.say(f"Every P {self.m(s.psd)}, so {self.m(f'{self.P} {s.psd}')} for all multipliers; where it is "
                         f"singular, q has to be in its range. Then {self.m(x_of.replace(s.inverse, s.pinv))}:")
                self._minimizer()
            return
        self.say(f"The problem is not convex, so this is a condition on {self.m(s.letters['lam'])}. Where it holds, "
                 f"{self.m(x_of.replace(s.inverse, s.pinv))} is a minimiser:")
        self._minimizer()

    def _flat(self, f: Quadratic) -> np.ndarray | None:
        """(n, k) basis of P's null space; None if P is large."""
        if not self.small:
            return None
        values, vectors = np.linalg.eigh(f.hessian())
        flat = vectors[:, values <= 1e-9 * max(float(np.abs(values).max()), 1e-300)]
        # A basis along the axes reads better, where there is one.
        own = np.abs(flat @ flat.T - np.diag(np.diag(flat @ flat.T))).max(initial=0.0) < 1e-12
        return np.eye(f.n)[:, np.diag(flat @ flat.T) > 0.5] if own else flat

    def _zero_slope(self, basis: np.ndarray) -> None:
        s = self.s
        if not self.small:
            self.show(f"q{self.of} = 0   ({self.problem.n} equations)")
            return
        f0, rows = self.problem.objective, [mult.row for mult in self.multipliers]
        equations = [s.terms([(float(d @ f0.q), ""), *((float(d @ row.q), mult.symbol) for row, mult in
                                                       zip(rows, self.multipliers, strict=True))]) + " = 0"
                     for d in basis.T]
        self.show(*equations)

    def _diagonal(self) -> bool:
        """Whether every P is diagonal, so that x and g are sums."""
        if not self.small:
            return False
        every = [self.problem.objective, *(m.row for m in self.collected.curved)]
        return all(np.count_nonzero(f.hessian() - np.diag(np.diag(f.hessian()))) == 0 for f in every)

    def _minimizer(self) -> None:
        s, n = self.s, self.problem.n
        if not self.small:
            self.show(f"{self.P}x{self.of} = -q{self.of}")
        elif self._diagonal():
            P, q = self.collected.P(), self._negated_slope()
            self.show(*(f"{s.symbol('x', j, n)}{self.of} = {s.fraction(q[j] if type(s) is Latex else s.grouped(q[j]), P[j][j])}"
                        for j in range(n) if P[j][j] != "0"))
        elif not self.curved_rows and not np.linalg.cond(self.problem.objective.hessian()) > 1e9:
            inverse = np.linalg.inv(self.problem.objective.hessian())
            self.show(f"{s.sub('P', 0)}{s.inverse} = {s.numbers(inverse)}")
        else:
            self.show(f"{s.matrix(self.collected.P())}x{self.of} = ({', '.join(self._negated_slope())})")

    def _negated_slope(self) -> list[str]:
        f0 = self.problem.objective
        return [self.collected.entry(-f0.q[j], [-mult.row.q[j] for mult in self.multipliers]) for j in range(f0.n)]

    # --- 4 ---

    def dual_function(self) -> None:
        s, T, pr = self.s, self.s.transpose, self.problem
        g = f"g{self.of}"
        if not self.curved_rows and not self.convex:
            self.show(f"{g} = -{s.infinity}")
            self.say("The dual function says nothing about this problem: a bound that it gives is minus infinity.")
            return
        affine = not is_curved(pr.objective) and not self.curved_rows
        if affine:
            r = self.collected.r() if self.small else f"r{self.of}"
            self.show(f"{g} = {r}")
            self.say("where the slope vanishes, and minus infinity elsewhere.")
        elif self._diagonal():
            P, q = self.collected.P(), self.collected.q()
            squares = [f"{s.half}{s.fraction(f'({q[j]}){s.square_of}', P[j][j])}" for j in range(pr.n)
                       if P[j][j] != "0" and q[j] != "0"]
            self.show(" - ".join([f"{g} = {self.collected.r()}", *squares]))
        else:
            inverse = s.inverse if self.small and not self.curved_rows and \
                np.linalg.cond(pr.objective.hessian()) < 1e9 else s.pinv
            self.show(f"{g} = r{self.of} - {s.half}q{self.of}{T}{self.P}{inverse}q{self.of}")
        self.say("It is concave, an infimum of functions affine in the multipliers, whatever the f are.")

    # --- 5 ---

    def dual(self) -> None:
        s, T = self.s, self.s.transpose
        conditions = [self._signs()] if self._signs() else []
        if self.convex:
            affine = not is_curved(self.problem.objective) and not self.curved_rows
            objective = f"g{self.of}"
            if affine and self.small:
                objective = self.collected.r()
                f0 = self.problem.objective
                conditions = [self.collected.entry(f0.q[j], [mult.row.q[j] for mult in self.multipliers]) + " = 0"
                              for j in range(f0.n)] + conditions
            elif affine:
                objective, conditions = f"r{self.of}", [f"q{self.of} = 0", *conditions]
            self._program(objective, conditions)
            self.say(f"As a problem of its own: ck.dual_problem(problem).problem is {dual_problem(self.problem).problem!r}.")
            return
        self._program(f"g{self.of}", [f"{self.P} {s.psd}", *conditions])
        gamma = r"\gamma" if type(s) is Latex else "γ"
        block = s.matrix([[self.P, f"q{self.of}"], [f"q{self.of}{T}", f"2(r{self.of} - {gamma})"]])
        self.say("Or, with a number below L for every x, as a semidefinite program (convexkit.cvxpy_bridge.schur_dual):")
        self._program(gamma, [f"{block} {s.psd}", *([self._signs()] if self._signs() else [])])

    def _program(self, objective: str, conditions: list[str]) -> None:
        s = self.s
        rest = "            " if type(s) is Script else r"\quad "
        self.show(f"{s.word('maximise    ')}{objective}",
                  *(f"{s.word('subject to  ') if k == 0 else rest}{c}" for k, c in enumerate(conditions)))

    # --- 6 ---

    def slater_condition(self) -> None:
        if not self.convex:
            self.say("It asks for a convex problem. For one quadratic inequality and nothing else a strictly feasible point "
                     "is enough without convexity (Boyd & Vandenberghe, appendix B)." + self._one_quadratic())
            return
        find: Callable[[QCQP], Any] = self.slater if callable(self.slater) else \
            lambda problem: strictly_feasible(problem, self.slater)
        found = self.found = find(self.problem)
        if found.holds and found.x is not None:
            at = self._point("x", found.x)
            if not np.isfinite(found.margin):
                self.say(f"Affine constraints need no slack, and there are no others: a feasible point is enough, such as "
                         f"{at}.")
            else:
                whole = getattr(found, "interior", True)
                self.say(f"{at} is strictly feasible: {'every inequality' if whole else 'every curved row and cone'} has "
                         f"a slack of {self.s.number(found.margin)} at least." + ("" if whole else f" ({found.message}.)"))
        else:
            self.say(f"There is no strictly feasible point: {found.message}." if found.holds is False else
                     f"It could not be decided: {found.message}.")

    def _one_quadratic(self) -> str:
        pr = self.problem
        self.found = None
        alone = len(self.curved_rows) == 1 and pr.m == 1 and not pr.p and not pr.cones \
            and not (np.isfinite(pr.lb).any() or np.isfinite(pr.ub).any())
        self.s_procedure = alone
        return " This is such a problem." if alone else ""

    def _point(self, name: str, x: np.ndarray) -> str:
        return self.m(f"{name} = {self.s.vector(x)}")

    # --- 7 ---

    def strong_duality(self) -> None:
        s, pr = self.s, self.problem
        L = Lagrangian(pr)
        zero = L.dual_point(lam_lb=np.zeros(pr.n), lam_ub=np.zeros(pr.n))
        signs = self._signs()
        bound = f"g{self.of} {s.le} p{s.star if type(s) is Latex else '*'}"
        at_zero = f" At zero multipliers g = {s.number(zero.value)}." if zero.in_domain else \
            f" At zero multipliers g is minus infinity: {zero.reason}." if type(s) is Script else ""
        self.say(f"Weak duality: {self.m(bound)}" + (f" for all {self.m(signs)}." if signs else ".") + at_zero)
        if not self.convex:
            self._without_convexity(L)
            return
        solution = solve(pr)
        affine_only = not self.curved_rows and not pr.cones
        if solution.certificate is not None or not np.isfinite(solution.value):
            self._no_optimum(solution)
            return
        if self.found is not None and self.found.holds:
            self.say("The problem is convex and Slater's condition holds: p* = d*, and the dual optimum is attained."
                     if not affine_only else
                     "The problem is convex, its constraints are affine, and it is feasible: p* = d*, and the dual optimum "
                     "is attained.")
        else:
            self.say("The problem is convex, but without a strictly feasible point strong duality is not guaranteed, and "
                     "multipliers may not exist or not be unique. The numbers tell:")
        star = s.star if type(s) is Latex else "*"
        values = [f"{s.letters[kind]} = {s.vector(v)}" for kind, v in (
            ("lam", solution.lam), ("nu", solution.nu), ("lb", solution.lam_lb), ("ub", solution.lam_ub))
            if v.size and (kind in ("lam", "nu") or np.isfinite(pr.lb if kind == "lb" else pr.ub).any())]
        values += [f"{s.sub('z', k + 1) if len(pr.cones) > 1 else 'z'} = {s.vector(z)}"
                   for k, z in enumerate(solution.lam_cones[:4])]
        self.show(f"p{star} = {s.number(solution.value)}" + f" at x{star} = {s.vector(_clean(solution.x))}",
                  f"d{star} = {s.number(solution.dual_value)}" + (f" at {', '.join(values)}" if values else ""))
        if not solution.success:
            self.say(f"The solver says {solution.status}: {solution.message}")
        self._slackness(solution)

    def _slackness(self, solution: Solution) -> None:
        pr = self.problem
        every = [(f"lam[{i}]", v) for i, v in enumerate(solution.lam)]
        every += [(f"lam_lb[{j}]", v) for j, v in enumerate(solution.lam_lb)]
        every += [(f"lam_ub[{j}]", v) for j, v in enumerate(solution.lam_ub)]
        every += [(f"lam_cones[{k}]", float(z[0])) for k, z in enumerate(solution.lam_cones)]
        largest = max((abs(v) for _, v in every), default=0.0)
        priced = [(name, v) for name, v in every if v > 1e-6 * largest]
        if not every or not (pr.m or pr.cones or np.isfinite(pr.lb).any() or np.isfinite(pr.ub).any()):
            return
        if not priced or largest <= 1e-7 * max(1.0, abs(solution.value)):
            self.say("Complementary slackness: no inequality has a price; the minimum lies inside of them all, or on their "
                     "edge for nothing.")
            return
        names = ", ".join(f"{name} = {self.s.number(v)}" for name, v in priced[:6]) + (", ..." if len(priced) > 6 else "")
        self.say(f"Complementary slackness: tight and priced are {names}. A unit more of a right-hand side lowers p* by the "
                 "price, to first order.")

    def _no_optimum(self, solution: Solution) -> None:
        if solution.status == "infeasible":
            self.say("No point is feasible, p* = +inf, and multipliers prove it: solution.certificate has them. Along "
                     "them, if they are added to any that are in the domain of g, g rises without end.")
        elif solution.status == "unbounded":
            self.say("The objective falls without end over feasible points, p* = -inf; so g is minus infinity for all "
                     "multipliers, d* = -inf, and solution.certificate has the direction.")
        else:
            self.say(f"The solver found no optimum: {solution.status}, {solution.message}")

    def _without_convexity(self, L: Lagrangian) -> None:
        pr = self.problem
        if getattr(self, "s_procedure", False):
            self.say("The problem is not convex, but it has one quadratic inequality only: if that is strictly feasible, "
                     "p* = d* all the same, and P + lam times the constraint's is what the domain asks for.")
        else:
            self.say("The problem is not convex: strong duality is not guaranteed. d* is a lower bound of p*, and a gap may "
                     "remain at the best multipliers.")
        # Multipliers of the curved rows that are large enough together may make P(lam) semidefinite.
        best: tuple[float, float] | None = None
        for t in (0.0, *(2.0 ** np.arange(-6, 24))):
            lam = np.zeros(pr.m)
            lam[self.curved_rows] = t
            value = L.dual_function(lam)
            if np.isfinite(value) and (best is None or value > best[0]):
                best = (value, t)
        if best is None:
            self.say("Equal multipliers of the curved rows, of any size, give no bound: "
                     "look for others with Lagrangian(problem).dual_point, or state the semidefinite program.")
        else:
            self.say(f"A first bound: equal multipliers {self.s.number(best[1])} of the curved rows, with the bounds as the "
                     f"domain of x, prove p* >= {self.s.number(best[0])}.")


def _clean(x: np.ndarray) -> np.ndarray:
    """Entries of rounding size as zeros."""
    return np.where(np.abs(x) <= 1e-8 * float(np.abs(x).max(initial=0.0)), 0.0, x)
