"""The text format of QPLIB: the library's own, sections one after the other with a count before each.

Furini et al. 2019, "QPLIB: a library of quadratic programming instances", appendix, and qplib.zib.de/doc.html.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from ..problem import QCQP
from ..quadratic import Quadratic
from .rows import NO_TERMS, Terms, assemble, both_triangles, symmetric
from .text import Text, shown

VARIABLES = {"C": "continuous", "B": "binary", "M": "continuous and binary", "I": "integer",
             "G": "continuous, binary and integer"}


def read(path: Path) -> QCQP:
    """The problem in a .qplib file."""
    text = Text(path, b"#!%", first=1)
    text.next("the name of the problem", None)
    kind = text.next("the type of the problem, three letters")[0].decode("ascii").upper()
    if len(kind) != 3 or kind[0] not in "LDCQ" or kind[1] not in VARIABLES or kind[2] not in "NBLDCQ":
        raise text.error(f"the type of the problem is {shown(kind.encode())}; expected three letters, of LDCQ for the "
                         "objective, of CBMIG for the variables, of NBLDCQ for the constraints.")
    if kind[1] != "C":
        raise text.error(f"problem type {kind}: variables are {VARIABLES[kind[1]]}; only continuous variables (C as "
                         "the second letter) are supported.")
    word = text.next("minimize or maximize")[0]
    if word.lower() not in (b"minimize", b"maximize"):
        raise text.error(f"expected minimize or maximize; got {shown(word)}.")
    sign = -1.0 if word.lower() == b"maximize" else 1.0

    n = text.dimension(text.next("the number of variables")[0], "the number of variables")
    m = 0
    if kind[2] not in "NB":
        m = text.dimension(text.next("the number of constraints")[0], "the number of constraints")

    objective = NO_TERMS
    if kind[0] != "L":
        objective = _terms(text, [("i", n), ("j", n), ("value", None)], "quadratic terms of the objective", n)
    q = _vector(text, n, "linear coefficients of the objective")
    what = "the constant of the objective"
    r = text.number(text.next(what)[0], what)

    terms = NO_TERMS
    A = sp.csr_matrix((m, n))
    if kind[2] in "DCQ":
        terms = _terms(text, [("constraint", m), ("i", n), ("j", n), ("value", None)],
                       "quadratic terms of the constraints", n)
    if kind[2] not in "NB":
        what = "linear terms of the constraints"
        count = text.entries(text.next(f"the number of {what}")[0], what, 3)
        (k, j, value), lines = text.table(count, [("constraint", m), ("variable", n), ("value", None)], what)
        text.unique(k * n + j, lines, "this entry")
        A = sp.csr_matrix((value, (k, j)), (m, n))
    what = "the value for infinity"
    infinity = text.number(text.next(what)[0], what, infinite=True)
    if infinity <= 0:
        raise text.error(f"{what} is {infinity:g}; expected a positive number.")

    low = high = np.zeros(0)
    if kind[2] not in "NB":
        low, high = (_bounded(_vector(text, m, f"{side}-hand sides"), infinity) for side in ("left", "right"))
    lb, ub = (_bounded(_vector(text, n, f"{side} bounds"), infinity) for side in ("lower", "upper"))

    # Starting values and names: of no use here, but they tell whether the file is whole.
    _vector(text, n, "starting values")
    if kind[2] not in "NB":
        _vector(text, m, "starting multipliers of the constraints")
    _vector(text, n, "starting multipliers of the bounds")
    _names(text, n, "names of variables")
    _names(text, m, "names of constraints")
    for _ in text:
        raise text.error("expected the end of the file after the names.")

    P = None
    if objective.value.size:
        P = symmetric("the objective", objective.i, objective.j, sign * objective.value, n)
    return assemble(Quadratic(P, sign * q, sign * r), A, low, high, terms, lb=lb, ub=ub,
                    name=lambda row: f"constraint {row + 1}", size=text.size)


def _terms(text: Text, columns: list[tuple[str, int | None]], what: str, n: int) -> Terms:
    """Quadratic terms. Each is the whole coefficient v of xᵢxⱼ inside ½(...): Qᵢⱼ = Qⱼᵢ = v/2 off the diagonal."""
    count = text.entries(text.next(f"the number of {what}")[0], what, len(columns))
    values, lines = text.table(count, columns, what)
    i, j, value = values[-3:]
    k = values[0] if len(columns) == 4 else np.zeros(i.size, np.int64)
    low, high = np.minimum(i, j), np.maximum(i, j)
    # Two keys, since k·n·n may not fit into one integer.
    _, pair = np.unique(low * n + high, return_inverse=True)
    text.unique(k * (pair.max(initial=0) + 1) + pair, lines, "this term")
    return both_triangles(k, i, j, np.where(i == j, value, value / 2))


def _vector(text: Text, size: int, what: str) -> np.ndarray:
    """A default, a number of exceptions, and these with their indices."""
    default = text.number(text.next(f"the default of {what}")[0], f"the default of {what}", infinite=True)
    count = text.entries(text.next(f"the number of {what} that are not the default")[0], what, 2)
    (index, value), lines = text.table(count, [("index", size), ("value", None)], what)
    text.unique(index, lines, "this index")
    vector = np.full(size, default)
    vector[index] = value
    return vector


def _bounded(vector: np.ndarray, infinity: float) -> np.ndarray:
    return np.where(vector >= infinity, np.inf, np.where(vector <= -infinity, -np.inf, vector))


def _names(text: Text, size: int, what: str) -> None:
    count = text.entries(text.next(f"the number of {what}")[0], what, 2)
    for _ in range(count):
        tokens = text.next(what, 2)
        text.index(tokens[0], size, "index")
