"""Formulas as plain text and as LaTeX: numbers, sums, matrices, and the symbols of a derivation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np

SUBSCRIPTS = str.maketrans("0123456789ijk", "₀₁₂₃₄₅₆₇₈₉ᵢⱼₖ")
# Terms of a sum, and entries of a vector, that are written out before "…".
LONGEST = 10


class Script:
    """Plain text in unicode. `Latex` overrides what differs."""

    le, ge, psd, pd, transpose, half, inverse, pinv = "≤", "≥", "⪰ 0", "≻ 0", "ᵀ", "½", "⁻¹", "⁺"
    sum, star, dots, square_of, infinity, dot = "Σ ", "*", "…", "²", "∞", "·"
    value_p, value_d = "p*", "d*"
    letters: ClassVar[dict[str, str]] = {"x": "x", "lam": "λ", "nu": "ν", "lb": "α", "ub": "β", "z": "z", "gamma": "γ"}

    def sub(self, letter: str, index: object) -> str:
        """A letter with an index."""
        text = str(index).replace(",", "")
        return letter + (text.translate(SUBSCRIPTS) if set(text) <= set("0123456789ijk") else f"_{text}")

    def math(self, formula: str) -> str:
        """A formula within a sentence."""
        return formula

    def text(self, words: str) -> str:
        """Words within a formula."""
        return words

    def head(self, word: str) -> str:
        """What a line of a problem begins with: minimise, subject to, or nothing."""
        return word.ljust(12)

    def norm(self, inside: str) -> str:
        """‖inside‖."""
        return f"‖{inside}‖"

    def matrix(self, rows: Sequence[Sequence[str]]) -> str:
        """A matrix of entries."""
        return "[" + ";  ".join("  ".join(row) for row in rows) + "]"

    def fraction(self, top: str, bottom: str) -> str:
        """A fraction."""
        if bottom == "1":
            return top
        return f"{self._grouped(top)}/{self._grouped(bottom)}"

    def _grouped(self, inside: str) -> str:
        closed = inside.startswith("(") and (inside.endswith(")²") and inside.count("(") == 1)
        return inside if closed or not (" + " in inside or " - " in inside or inside.startswith("-")) else f"({inside})"

    def table(self, rows: Sequence[tuple[str, str, str]]) -> list[str]:
        """Constraints, each with the symbol of its multiplier and its place in the arrays."""
        width = max((len(left) for left, _, _ in rows), default=0)
        return [f"{self.head('subject to' if k == 0 else '')}{left.ljust(width)}    ({symbol} = {place})"
                for k, (left, symbol, place) in enumerate(rows)]

    def title(self, number: int, text: str) -> str:
        """The head of a step."""
        return f"{number}. {text}"

    def display(self, lines: Sequence[str]) -> str:
        """Formulas on lines of their own."""
        return "\n".join("    " + line for line in lines)

    def prose(self, text: str) -> str:
        """A sentence."""
        return text

    def power_of_ten(self, mantissa: str, exponent: int) -> str:
        """A number in scientific notation."""
        return f"{mantissa}e{exponent}"

    # Shared by both.

    def number(self, value: float, digits: int = 4) -> str:
        """A number with a few digits."""
        text = f"{value + 0.0:.{digits}g}"
        if "e" not in text:
            return text
        mantissa, exponent = text.split("e")
        return self.power_of_ten(mantissa, int(exponent))

    def symbol(self, kind: str, index: int | tuple[int, ...], count: int) -> str:
        """x₁, or x if there is one only; a tuple's members are counted as they are."""
        if isinstance(index, tuple):
            return self.sub(self.letters[kind], ",".join(map(str, index)))
        return self.letters[kind] if count == 1 else self.sub(self.letters[kind], index + 1)

    def terms(self, parts: Iterable[tuple[float, str]], *, longest: int = LONGEST) -> str:
        """Σ coefficient·body with signs, zeros left out; "" as a body is the constant."""
        kept = [(float(c), body) for c, body in parts if c != 0]
        out = ""
        for k, (c, body) in enumerate(kept):
            if k == longest and len(kept) > longest + 1:
                return out + " + " + self.text(f"{len(kept) - k} more terms")
            size = "" if body and abs(c) == 1 else self.number(abs(c))
            sign = ("-" if c < 0 else "") if not out else (" - " if c < 0 else " + ")
            out += sign + size + body
        return out or "0"

    def vector(self, values: Iterable[float]) -> str:
        """(a, b, …), or a number if there is one only."""
        values = list(values)
        shown = [self.number(v) for v in values[:LONGEST]]
        more = [f"{self.dots}"] if len(values) > LONGEST else []
        return shown[0] if len(values) == 1 else f"({', '.join(shown + more)})"

    def numbers(self, matrix: np.ndarray) -> str:
        """A matrix of numbers."""
        return self.matrix([[self.number(v) for v in row] for row in np.atleast_2d(matrix)])


class Latex(Script):
    """LaTeX, for a document with amsmath."""

    le, ge, psd, pd, transpose = r"\le", r"\ge", r"\succeq 0", r"\succ 0", "^T"
    half, inverse, pinv, sum, star, dots = r"\tfrac12 ", "^{-1}", "^{+}", r"\sum ", r"^\star", r"\dots"
    square_of, infinity, dot, value_p, value_d = "^2", r"\infty", r"\cdot ", r"p^\star", r"d^\star"
    letters: ClassVar[dict[str, str]] = {"x": "x", "lam": r"\lambda", "nu": r"\nu", "lb": r"\alpha", "ub": r"\beta",
                                         "z": "z", "gamma": r"\gamma"}

    def sub(self, letter: str, index: object) -> str:  # noqa: D102 - as in Script, and so below
        return f"{letter}_{{{index}}}"

    def math(self, formula: str) -> str:  # noqa: D102
        return f"${formula}$"

    def text(self, words: str) -> str:  # noqa: D102
        return rf"\text{{{self._escaped(words)}}}"

    def head(self, word: str) -> str:  # noqa: D102
        return rf"\text{{{word}}}\quad & " if word else "& "

    def norm(self, inside: str) -> str:  # noqa: D102
        return rf"\lVert {inside}\rVert"

    def matrix(self, rows: Sequence[Sequence[str]]) -> str:  # noqa: D102
        return r"\begin{bmatrix}" + r"\\".join(" & ".join(row) for row in rows) + r"\end{bmatrix}"

    def fraction(self, top: str, bottom: str) -> str:  # noqa: D102
        return top if bottom == "1" else rf"\frac{{{top}}}{{{bottom}}}"

    def table(self, rows: Sequence[tuple[str, str, str]]) -> list[str]:  # noqa: D102
        return [rf"{self.head('subject to' if k == 0 else '')}{left} \qquad ({symbol} = "
                rf"\texttt{{{self._escaped(place)}}})" for k, (left, symbol, place) in enumerate(rows)]

    def title(self, number: int, text: str) -> str:  # noqa: D102
        return rf"\paragraph{{{number}. {text}.}}"

    def display(self, lines: Sequence[str]) -> str:  # noqa: D102
        # The lines of a problem are aligned behind "subject to"; those of an equation at its sign.
        aligned = [line if r"\quad & " in line or line.startswith("& ") else self._at_sign(line) for line in lines]
        return "\\begin{align*}\n" + " \\\\\n".join(aligned) + "\n\\end{align*}"

    @staticmethod
    def _at_sign(line: str) -> str:
        return line.replace(" = ", " &= ", 1) if " = " in line else line

    def prose(self, text: str) -> str:  # noqa: D102
        parts = text.split("$")
        return "$".join(part if k % 2 else self._escaped(part) for k, part in enumerate(parts))

    @staticmethod
    def _escaped(text: str) -> str:
        words = re.sub(r"([%&_#])", r"\\\1", text)
        for letter, name in (("‖", r"\Vert "), ("λ", r"\lambda "), ("≤", r"\le "), ("ᵀ", "^T"), ("₀", "_0"),
                             ("₁", "_1"), ("−", "-"), ("⪰", r"\succeq "), ("<=", r"\le "), ("≥", r"\ge ")):
            words = words.replace(letter, f"${name}$")
        return words

    def power_of_ten(self, mantissa: str, exponent: int) -> str:  # noqa: D102
        return rf"{mantissa}\cdot 10^{{{exponent}}}"
