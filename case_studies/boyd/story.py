"""A case as text: for the terminal with all digits, for the pages with as many as every machine agrees on."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np

from .case import Answer, Case, Check

MOST = 12  # entries of a vector that are shown


def shown(value: Any, digits: int = 6) -> str:
    """A number or vector, rounded to so many digits of its largest entry (of 1 if that is smaller)."""
    if value is None:
        return "none"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    array = np.asarray(value, dtype=float)
    finite = abs(array[np.isfinite(array)])
    size = max(1.0, float(finite.max(initial=0.0)))
    places = max(digits - 1 - int(np.floor(np.log10(size))), 0)
    if array.ndim == 0:
        return _number(float(array), places)
    if array.ndim == 1 and array.size > MOST:
        return ("(" + ", ".join(_number(float(v), places) for v in array[:MOST - 2]) + ", …, "
                + _number(float(array[-1]), places) + f"), {array.size} in all")
    if array.ndim == 1:
        return "(" + ", ".join(_number(float(v), places) for v in array) + ")"
    return "[" + ", ".join(shown(row, digits) for row in array) + "]"


def _number(value: float, places: int) -> str:
    if np.isinf(value):
        return "∞" if value > 0 else "-∞"
    if np.isnan(value):
        return "not a number"
    text = f"{value:.{places}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def source(case: Case) -> str:
    """The body of the run, what a user would type, up to where it puts the answer together."""
    lines = textwrap.dedent(inspect.getsource(case.run)).split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("def "))
    stop = next((i for i, line in enumerate(lines) if line.startswith("    return Answer(")), len(lines))
    return textwrap.dedent("\n".join(lines[start + 1:stop])).strip()


def theme(case: Case) -> str:
    """What the module of a case is about: the first line of its docstring."""
    module = inspect.getmodule(case.run)
    return (inspect.getdoc(module) or "").split("\n")[0].rstrip(".")


def words(check: Check) -> str:
    """What the check compares, without its name."""
    relation = {"equal": "", "at most": "at most ", "at least": "at least "}[check.kind]
    return f"{relation}{shown(check.reference)}"


def answer_lines(answer: Answer) -> list[str]:
    """Value, dual value, point and multipliers."""
    lines = []
    if answer.value is not None:
        lines.append(f"p* = {shown(answer.value)}")
    if answer.dual_value is not None:
        lines.append(f"d* = {shown(answer.dual_value)}")
    if answer.x is not None:
        lines.append(f"x = {shown(answer.x)}")
    lines += [f"{name} = {shown(value)}" for name, value in answer.multipliers.items()]
    return lines


def told(case: Case, checks: Iterable[Check]) -> str:
    """The whole case for the terminal, with its checks."""
    answer = case.answer
    parts = [f"{case.where}: {case.title}", "", textwrap.fill(case.statement, 100), "", "primal", indented(case.primal),
             "dual", indented(case.dual), "", *answer_lines(answer), ""]
    for check in checks:
        verdict = "agrees" if check.passed else "DISAGREES"
        digits = f" to {max(check.error, 0.0):.1e}" if check.kind == "equal" else ""
        parts.append(f"{verdict}{digits}: {check.name} = {shown(check.ours)}; {check.source}: {words(check)}")
    parts += ["", *(textwrap.fill(note, 100) for note in answer.notes)]
    return "\n".join(parts).rstrip()


def indented(text: str) -> str:
    """By four blanks."""
    return textwrap.indent(textwrap.dedent(text).strip(), "    ")
