"""What a case is: a statement, a run that solves it with convexkit, and checks against something that is not ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import convexkit as ck


@dataclass(frozen=True)
class Check:
    """One number or vector of ours beside a reference.

    name : what it is; ours, reference : float, bool or array; source : "closed form", "book", "enumeration", ...
    rtol : allowed disagreement relative to max(1, largest |reference|); kind : "equal", "at most" or "at least"
    """

    name: str
    ours: Any
    reference: Any
    source: str = "closed form"
    rtol: float = 1e-6
    kind: str = "equal"

    @property
    def error(self) -> float:
        """The disagreement, relative to max(1, largest |reference|)."""
        ours, reference = np.asarray(self.ours, dtype=float), np.asarray(self.reference, dtype=float)
        if ours.shape != reference.shape:
            return float("inf")
        same = ours == reference  # infinities among them
        with np.errstate(invalid="ignore"):
            difference = np.where(same, 0.0, {"equal": abs(ours - reference), "at most": ours - reference,
                                              "at least": reference - ours}[self.kind])
        worst = float(difference.max(initial=-np.inf if self.kind != "equal" else 0.0))
        finite = abs(reference[np.isfinite(reference)])
        return worst / max(1.0, float(finite.max(initial=0.0)))

    @property
    def passed(self) -> bool:
        """Whether the disagreement is within rtol."""
        return self.error <= self.rtol


@dataclass(frozen=True)
class Answer:
    """What a run found.

    value, dual_value : p* and d*, None where there is none; x, multipliers : by name
    solved : pairs (problem, solution), each of which the tests judge by its KKT residuals and solve with cvxpy as well
    notes : what is to be seen
    """

    value: Any = None
    dual_value: Any = None
    x: Any = None
    multipliers: dict[str, Any] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    solved: tuple[tuple[ck.QCQP, ck.Solution], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(eq=False)
class Case:
    """A problem of the book. `oracle` returns further checks, by cvxpy; `picture` draws on matplotlib axes.

    id : 5.1 is an exercise, 5.2.4 a section, E5.2 an example, A5.4 an additional exercise
    """

    id: str
    row: str
    where: str
    title: str
    statement: str
    primal: str
    dual: str
    run: Callable[[], Answer]
    by_cvxpy: Callable[[], tuple[Check, ...]] | None = None
    draw: Callable[[Any], None] | None = None
    caption: str = ""

    @cached_property
    def answer(self) -> Answer:
        """What the run finds; it is run once, as it finds the same each time."""
        return self.run()

    def oracle(self, function: Callable[[], tuple[Check, ...]]) -> Callable[[], tuple[Check, ...]]:
        """Decorator: checks that need cvxpy."""
        self.by_cvxpy = function
        return function

    def picture(self, caption: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
        """Decorator: a picture, with what is to be seen on it."""
        def register(function: Callable[[Any], None]) -> Callable[[Any], None]:
            self.draw, self.caption = function, caption
            return function

        return register


class Chapter:
    """The cases of one chapter, in the order in which its modules state them."""

    def __init__(self, number: int, title: str):
        self.number, self.title = number, title
        self.cases: list[Case] = []

    def case(self, id: str, row: str, where: str, title: str, *, statement: str, primal: str, dual: str
             ) -> Callable[[Callable[[], Answer]], Case]:
        """Decorator: the run of a new case."""
        def register(run: Callable[[], Answer]) -> Case:
            case = Case(id, row, where, title, statement, primal, dual, run)
            self.cases.append(case)
            return case

        return register


def solved(problem: ck.QCQP, **options: Any) -> ck.Solution:
    """`ck.solve`, with an error in place of an answer that is not optimal."""
    return ck.solve(problem, **options).require_optimal()


def load(name: str) -> Any:
    """Arrays that ship with the cases, by name of the file."""
    return np.load(Path(__file__).parent / "data" / name, allow_pickle=False)
