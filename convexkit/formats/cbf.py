"""The Conic Benchmark Format, versions 1 to 3, of CBLIB: linear rows and second-order cones.

Friberg 2016, "CBLIB 2014: a benchmark library for conic mixed-integer and continuous optimization".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..problem import QCQP, SecondOrderCone
from ..quadratic import Quadratic
from .rows import assemble, check_total, rows_of
from .text import Text, shown

SUPPORTED = ("F", "L=", "L+", "L-", "Q", "QR")
CONES = {"EXP": "an exponential cone", "EXP*": "a dual exponential cone", "POW": "a power cone",
         "POW*": "a dual power cone", "SVECPSD": "a cone of semidefinite matrices",
         "GMEANABS": "a cone of geometric means", "GMEANABS*": "a dual cone of geometric means"}
SECTIONS = {"PSDVAR": "semidefinite variables", "PSDCON": "semidefinite constraints", "INT": "integer variables",
            "OBJFCOORD": "semidefinite variables", "FCOORD": "semidefinite variables",
            "HCOORD": "semidefinite constraints", "DCOORD": "semidefinite constraints",
            "POWCONES": "power cones", "POW*CONES": "dual power cones", "CHANGE": "a sequence of problems"}

NEEDS = {"CON": ("VAR",), "OBJACOORD": ("VAR",), "ACOORD": ("VAR", "CON"), "BCOORD": ("CON",)}

# One block of a domain: the cone's name, its first row and the number of its rows.
Block = tuple[str, int, int]


def read(path: Path) -> QCQP:
    """The problem in a .cbf file."""
    text = Text(path, b"#")
    seen: dict[str, int] = {}
    sign = 1.0
    variables: list[Block] = []
    constraints: list[Block] = []
    n = m = 0
    q, r = np.zeros(0), 0.0
    A, b = sp.csr_matrix((0, 0)), np.zeros(0)
    for tokens in text:
        word = tokens[0].decode("ascii")
        if len(tokens) > 1 or not word[0].isalpha():
            raise text.error(f"expected the name of a section, such as VAR or ACOORD; got "
                             f"{shown(b' '.join(tokens))}.")
        if word in seen:
            raise text.error(f"section {word} is there twice; first in line {seen[word]}.")
        seen[word] = text.line
        if "VER" not in seen:
            raise text.error(f"section {shown(word.encode())} comes before VER, which says what the file is.")
        for first in NEEDS.get(word, ()):
            if first not in seen:
                raise text.error(f"section {word} comes before {first}.")
        if word == "VER":
            version = text.integer(text.next("the version")[0], "the version")
            if version not in (1, 2, 3):
                raise text.error(f"the version is {version}; supported are 1, 2 and 3.")
        elif word == "OBJSENSE":
            sense = text.next("MIN or MAX")[0]
            if sense not in (b"MIN", b"MAX"):
                raise text.error(f"expected MIN or MAX; got {shown(sense)}.")
            sign = -1.0 if sense == b"MAX" else 1.0
        elif word == "VAR":
            n, variables = _domain(text, "variables")
            q = np.zeros(n)
        elif word == "CON":
            m, constraints = _domain(text, "rows")
            A, b = sp.csr_matrix((m, n)), np.zeros(m)
        elif word == "OBJACOORD":
            (j, value), lines = _table(text, [("variable", n), ("value", None)], "entries of OBJACOORD")
            text.unique(j, lines, "this entry")
            q[j] = value
        elif word == "OBJBCOORD":
            r = text.number(text.next("the constant of the objective")[0], "the constant of the objective")
        elif word == "ACOORD":
            (i, j, value), lines = _table(text, [("row", m), ("variable", n), ("value", None)], "entries of ACOORD")
            text.unique(i * n + j, lines, "this entry")
            A = sp.csr_matrix((value, (i, j)), (m, n))
        elif word == "BCOORD":
            (i, value), lines = _table(text, [("row", m), ("value", None)], "entries of BCOORD")
            text.unique(i, lines, "this entry")
            b[i] = value
        elif word in SECTIONS:
            count = text.next(f"the number of entries of {word}")
            if word == "CHANGE" or text.count(count[0], f"the number of entries of {word}"):
                raise text.error(f"section {word} is for {SECTIONS[word]}, which are not supported; supported are "
                                 f"continuous variables and rows in the cones {', '.join(SUPPORTED)}.", seen[word])
        else:
            raise text.error(f"unknown section {shown(word.encode())}; supported are VER, OBJSENSE, VAR, CON, "
                             "OBJACOORD, OBJBCOORD, ACOORD and BCOORD.")
    for word in ("VER", "OBJSENSE", "VAR"):
        if word not in seen:
            raise text.error(f"the file ends without section {word}; it is empty or truncated.")
    return _problem(Quadratic(None, sign * q, sign * r), variables, A, b, constraints, text.size)


def _domain(text: Text, what: str) -> tuple[int, list[Block]]:
    """A number of variables or rows, and the cones that they are in, one after the other."""
    tokens = text.next(f"the number of {what} and of cones", 2)
    size = text.dimension(tokens[0], f"the number of {what}")
    count = text.entries(tokens[1], "cones", 2)
    blocks = []
    total = 0
    for k in range(count):
        name, dimension = text.next(f"cone {k + 1} of {count} and its size", 2)
        cone = name.decode("ascii")
        if cone not in SUPPORTED:
            reason = CONES.get(cone) or (CONES["POW*" if "*" in cone else "POW"] if cone.startswith("@") else None)
            known = f"cone {cone} is {reason}, which is not supported" if reason else f"unknown cone {shown(name)}"
            raise text.error(f"{known}; supported are {', '.join(SUPPORTED)}.")
        rows = text.count(dimension, f"the size of cone {cone}")
        smallest = 2 if cone == "QR" else 1
        if rows < smallest or rows > size - total:
            raise text.error(f"the size of cone {cone} is {rows}; expected {smallest} to {size - total}, as "
                             f"{total} of {size} {what} are in cones already.")
        blocks.append((cone, total, rows))
        total += rows
    if total != size:
        raise text.error(f"the cones hold {total} {what}, but {size} are announced.")
    return size, blocks


def _table(text: Text, columns: list[tuple[str, int | None]], what: str) -> tuple[list[np.ndarray], np.ndarray]:
    count = text.entries(text.next(f"the number of {what}")[0], what, len(columns))
    return text.table(count, columns, what)


def _problem(objective: Quadratic, variables: list[Block], A: Any, b: np.ndarray, constraints: list[Block],
             size: int) -> QCQP:
    n = objective.n
    check_total(sum(cone in ("Q", "QR") and rows > 1 for cone, _, rows in variables + constraints), n, size)
    cones: list[SecondOrderCone] = []

    # x itself in its cones: bounds, or rows of the identity.
    lb, ub = np.full(n, -np.inf), np.full(n, np.inf)
    _place(variables, lb, ub, sp.identity(n, format="csr"), np.zeros(n), cones)
    # Ax + b in its cones; the rest as low ≤ Ax ≤ high.
    low, high = np.full(b.size, -np.inf), np.full(b.size, np.inf)
    _place(constraints, low, high, A, b, cones)
    return assemble(objective, A, low, high, lb=lb, ub=ub, cones=cones, size=size)


def _place(blocks: list[Block], low: np.ndarray, high: np.ndarray, A: Any, b: np.ndarray,
           cones: list[SecondOrderCone]) -> None:
    """Write the sides of the linear blocks of Ax + b into low and high, and append the second-order cones."""
    turn = _rotations([(start, size) for cone, start, size in blocks if cone == "QR" and size > 2], b.size)
    turned, offset = sp.csr_matrix(turn @ A), turn @ b
    n = A.shape[1]
    for cone, start, size in blocks:
        rows = slice(start, start + size)
        linear = cone in ("L=", "L+") or (cone == "Q" and size == 1) or (cone == "QR" and size == 2)
        if linear:
            low[rows] = 0.0 - b[rows]  # and not -0.0
        if cone in ("L=", "L-"):
            high[rows] = 0.0 - b[rows]
        if cone in ("Q", "QR") and not linear:
            c = np.zeros(n)
            first = slice(turned.indptr[start], turned.indptr[start + 1])
            c[turned.indices[first]] = turned.data[first]
            cones.append(SecondOrderCone(rows_of(turned, start + 1, start + size), offset[start + 1:start + size], c,
                                         offset[start]))


def _rotations(blocks: list[tuple[int, int]], m: int) -> Any:
    """The matrix that makes second-order cones of rotated ones, and leaves all other rows alone.

    2uv ≥ ‖w‖², u, v ≥ 0   <=>   ‖(√2·w, u - v)‖ ≤ u + v, since (u + v)² - (u - v)² = 4uv:

        [ u + v ]   [ 1  1      ] [ u ]
        [ u - v ] = [ 1 -1      ] [ v ]
        [ √2·w  ]   [      √2·I ] [ w ]
    """
    diagonal = np.ones(m)
    for start, size in blocks:
        diagonal[start + 1] = -1.0
        diagonal[start + 2:start + size] = np.sqrt(2.0)
    first = np.array([start for start, _ in blocks], np.int64)
    rows = np.concatenate([np.arange(m), first, first + 1])
    columns = np.concatenate([np.arange(m), first + 1, first])
    return sp.csr_matrix((np.concatenate([diagonal, np.ones(2 * first.size)]), (rows, columns)), (m, m))
