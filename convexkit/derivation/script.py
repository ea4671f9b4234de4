"""Formulas as plain text and as LaTeX: numbers, sums, matrices, and the symbols of a derivation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

SUBSCRIPTS = str.maketrans("0123456789,", "₀₁₂₃₄₅₆₇₈₉,")
# Terms of a sum, and entries of a vector, that are written out before "…".
LONGEST = 10


class Script:
    """Plain text in unicode. `Latex` overrides what differs."""

    le, ge, psd, pd, transpose, half, inverse, pinv = "≤", "≥", "⪰ 0", "≻ 0", "ᵀ", "½", "⁻¹", "⁺"
    sum, inf, star, dots, equiv, square_of, maps = "Σ ", "inf", "*", "…", "≡", "²", "→"
    infinity, dot = "∞", "·"
    letters = {"x": "x", "lam": "λ", "nu": "ν", "lb": "α", "ub": "β", "z": "z", "P": "P", "q": "q", "r": "r"}

    def sub(self, letter: str, index: object) -> str:
        """A letter with an index."""
        return letter + str(index).replace(",", "").translate(SUBSCRIPTS)

    def math(self, formula: str) -> str:
        """A formula within a sentence."""
        return formula

    def norm(self, inside: str) -> str:
        return f"‖{inside}‖"

    def matrix(self, rows: Sequence[Sequence[str]]) -> str:
        return "[" + ";  ".join("  ".join(row) for row in rows) + "]"

    def fraction(self, top: str, bottom: str) -> str:
        return f"{top}/{self.grouped(bottom)}"

    def grouped(self, inside: str) -> str:
        """In parentheses, unless it is one term."""
        return inside if not any(mark in inside for mark in (" + ", " - ")) and not inside.startswith("-") \
            else f"({inside})"

    def word(self, word: str) -> str:
        """An operator such as minimise, set upright."""
        return word

    def title(self, number: int, text: str) -> str:
        return f"{number}. {text}\n"

    def display(self, lines: Sequence[str]) -> str:
        return "\n".join("    " + line for line in lines)

    def prose(self, text: str) -> str:
        return text

    # Shared by both.

    def number(self, value: float) -> str:
        text = f"{value + 0.0:.4g}"
        if "e" not in text:
            return text
        mantissa, exponent = text.split("e")
        return self.power_of_ten(mantissa, int(exponent))

    def power_of_ten(self, mantissa: str, exponent: int) -> str:
        return f"{mantissa}e{exponent}"

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
                return f"{out} + {self.dots} ({len(kept) - k} more terms)"
            size = "" if body and abs(c) == 1 else self.number(abs(c))
            sign = ("-" if c < 0 else "") if not out else (" - " if c < 0 else " + ")
            out += sign + size + body
        return out or "0"

    def vector(self, values: Iterable[float]) -> str:
        values = list(values)
        shown = [self.number(v) for v in values[:LONGEST]]
        more = [f"{self.dots}"] if len(values) > LONGEST else []
        return shown[0] if len(values) == 1 else f"({', '.join(shown + more)})"

    def numbers(self, matrix: np.ndarray) -> str:
        return self.matrix([[self.number(v) for v in row] for row in np.atleast_2d(matrix)])


class Latex(Script):
    """LaTeX, for a document with amsmath."""

    le, ge, psd, pd, transpose = r"\le", r"\ge", r"\succeq 0", r"\succ 0", "^T"
    half, inverse, pinv, sum, inf = r"\tfrac12 ", "^{-1}", "^{+}", r"\sum ", r"\inf"
    star, dots, equiv, square_of, maps = r"^\star", r"\dots", r"\equiv", "^2", r"\to"
    infinity, dot = r"\infty", r"\cdot "
    letters = {"x": "x", "lam": r"\lambda", "nu": r"\nu", "lb": r"\alpha", "ub": r"\beta", "z": "z", "P": "P", "q": "q",
               "r": "r"}

    def sub(self, letter: str, index: object) -> str:
        return f"{letter}_{{{index}}}"

    def math(self, formula: str) -> str:
        return f"${formula}$"

    def norm(self, inside: str) -> str:
        return rf"\lVert {inside}\rVert"

    def matrix(self, rows: Sequence[Sequence[str]]) -> str:
        return r"\begin{bmatrix}" + r"\\".join(" & ".join(row) for row in rows) + r"\end{bmatrix}"

    def fraction(self, top: str, bottom: str) -> str:
        return rf"\frac{{{top}}}{{{bottom}}}"

    def word(self, word: str) -> str:
        return rf"\text{{{word}}}\quad "

    def title(self, number: int, text: str) -> str:
        return rf"\paragraph{{{number}. {text}.}}"

    def display(self, lines: Sequence[str]) -> str:
        return "\\begin{align*}\n" + " \\\\\n".join("& " + line for line in lines) + "\n\\end{align*}"

    def prose(self, text: str) -> str:
        return text.replace("%", r"\%").replace("p*", r"$p^\star$").replace("d*", r"$d^\star$").replace("_", r"\_")

    def power_of_ten(self, mantissa: str, exponent: int) -> str:
        return rf"{mantissa}\cdot10^{{{exponent}}}"
