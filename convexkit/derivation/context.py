"""What the steps of a derivation share: the problem, its multipliers by name, and the lines written so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..problem import QCQP
from ..quadratic import is_flat
from .parts import Collected, all_multipliers
from .script import Script

# A problem with more variables or multipliers is described by symbols and sizes, not written out.
MOST_VARIABLES, MOST_MULTIPLIERS = 6, 16


class Derivation:
    """One problem in one script. A step is a function that says and shows things here."""

    def __init__(self, problem: QCQP, script: Script, slater: Any):
        self.problem, self.s, self.slater = problem, script, slater
        self.lines: list[str] = []
        self.found: Any = None  # what is known of Slater's condition
        below, above = np.isfinite(problem.lb), np.isfinite(problem.ub)
        count = problem.m + problem.p + int(below.sum() + above.sum()) + sum(cone.size for cone in problem.cones)
        self.small = problem.n <= MOST_VARIABLES and count <= MOST_MULTIPLIERS
        self.multipliers = all_multipliers(problem, script) if self.small else []
        self.collected = Collected(problem, self.multipliers, script)
        self.functions = (problem.objective, *problem.inequalities)
        self.bent = [k for k, f in enumerate(self.functions) if not f.is_convex()]
        self.convex = not self.bent
        self.curved_objective = not is_flat(problem.objective)
        self.curved_rows = [i for i, f in enumerate(problem.inequalities) if not is_flat(f)]
        self.affine = not self.curved_objective and not self.curved_rows
        self.bounded = bool(below.any()), bool(above.any())
        letters = script.letters
        there = {"lam": problem.m > 0, "nu": problem.p > 0, "lb": self.bounded[0], "ub": self.bounded[1],
                 "z": bool(problem.cones)}
        names = [letters[kind] for kind, is_there in there.items() if is_there]
        self.of = f"({', '.join(names)})" if names else ""
        self.P = f"P({letters['lam']})" if self.curved_rows else script.sub("P", 0)
        # λ, α, β ≥ 0, ‖z‖ ≤ z₀
        signed = [letters[kind] for kind in ("lam", "lb", "ub") if there[kind]]
        parts = [f"{', '.join(signed)} {script.ge} 0"] if signed else []
        if problem.cones:
            parts.append(f"{script.norm('z')} {script.le} {script.sub('z', 0)}")
        self.signs = ", ".join(parts)

    def say(self, text: str) -> None:
        """A sentence; formulas in it have been through `m`."""
        self.lines.append(self.s.prose(text))

    def show(self, *formulas: str) -> None:
        """Formulas, each on a line of its own."""
        self.lines.append(self.s.display(formulas))

    def m(self, formula: str) -> str:
        """A formula within a sentence."""
        return self.s.math(formula)

    def program(self, objective: str, conditions: Sequence[str]) -> None:
        """Maximise the objective subject to the conditions."""
        s = self.s
        self.show(s.head("maximise") + objective,
                  *(s.head("subject to" if k == 0 else "") + c for k, c in enumerate(conditions)))
