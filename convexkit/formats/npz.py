"""From the arrays of a .npz file to a QCQP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..errors import ProblemError
from ..problem import QCQP, SecondOrderCone
from ..quadratic import FactoredMatrix, Quadratic
from .archive import Arrays, read_arrays
from .keys import ENTRIES, KEYS, SPARSE, TWO_SIDED, TWO_SIDED_ONLY
from .rows import NO_TERMS, Terms, assemble, check_total, split, symmetric
from .text import FREE_COUNT


def read(path: Path) -> QCQP:
    """The problem in a .npz file."""
    expected = (f"known keys are {', '.join(KEYS)}, and NAME_i, NAME_j, NAME_v for the entries of a sparse "
                f"{', '.join(SPARSE)}.")
    data = read_arrays(path, lambda key: key in KEYS or key in ENTRIES, expected)
    return _two_sided(data) if any(key in data for key in TWO_SIDED) else _problem(data)


# ---------------------------------------------------------------- checked pieces


def _indices(data: Arrays, key: str, limit: int, low: int = 0) -> np.ndarray:
    """The integers of a key, each from low to limit - 1."""
    values = data[key]
    if values.ndim != 1 or (values.dtype.kind not in "iu" and values.size):
        raise ProblemError(f"{key} has shape {values.shape} and holds {values.dtype}; expected a vector of integers.")
    if values.size and (values.min() < low or values.max() >= limit):
        where = int(np.argmax((values < low) | (values >= limit)))
        raise ProblemError(f"{key}[{where}] = {values[where]} is out of range; expected {low} to {limit - 1}.")
    return values.astype(np.int64)


def _vector(data: Arrays, key: str, size: int) -> np.ndarray:
    """The finite numbers of a key; zeros if it is missing."""
    values = data.get(key, np.zeros(size))
    if values.shape != (size,):
        raise ProblemError(f"{key} has shape {values.shape}; expected ({size},).")
    return _finite(key, values)


def _finite(key: str, values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        where = int(np.argmin(np.isfinite(values)))
        raise ProblemError(f"{key}[{where}] = {values[where]}; expected finite numbers.")
    return values.astype(np.float64, copy=False)


def _together(data: Arrays, keys: Sequence[str]) -> bool:
    """Whether keys that only make sense together are there; raises if some are."""
    given = [key for key in keys if key in data]
    if given and len(given) < len(keys):
        missing = [key for key in keys if key not in data]
        raise ProblemError(f"{' and '.join(given)} {'was' if len(given) == 1 else 'were'} given without "
                           f"{' and '.join(missing)}; {', '.join(keys)} go together.")
    lengths = {data[key].shape for key in given}
    if len(lengths) > 1:
        shapes = ", ".join(str(data[key].shape) for key in keys)
        raise ProblemError(f"{', '.join(keys)} have shapes {shapes}; expected one length.")
    return bool(given)


def _entries(data: Arrays, name: str, rows: int | None, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The entries (i, j, value) of a matrix that is given by them, or None."""
    keys = tuple(f"{name}_{part}" for part in "ijv")
    if not _together(data, keys):
        return None
    if name in data:
        raise ProblemError(f"{name} and {keys[2]} are both there; give the array or the entries.")
    if rows is None:
        raise ProblemError(f"{keys[2]} was given without the vector that goes with {name}.")
    return _indices(data, keys[0], rows), _indices(data, keys[1], n), _finite(keys[2], data[keys[2]])


def _matrix(data: Arrays, name: str, rows: int | None, n: int) -> Any:
    """A matrix as an array or sparse, as it is given; None if it is not."""
    entries = _entries(data, name, rows, n)
    if entries is None:
        return data.get(name)
    i, j, value = entries
    return sp.csr_matrix((value, (i, j)), (rows, n))


def _shaped(data: Arrays, name: str, rows: int, n: int) -> Any:
    """A matrix that must be there, with the given shape."""
    matrix = _matrix(data, name, rows, n)
    if matrix is None or matrix.shape != (rows, n):
        found = "is missing" if matrix is None else f"has shape {matrix.shape}"
        raise ProblemError(f"{name} {found}; expected shape {(rows, n)}.")
    return matrix


def _dimension(data: Arrays) -> int:
    """The number of variables, from the first array that has it as a dimension."""
    candidates: list[tuple[str, Callable[[tuple[int, ...]], int]]] = [
        ("q0", lambda shape: int(np.prod(shape))), ("P0", lambda shape: shape[0]),
        *((key, lambda shape: shape[-1]) for key in ("F", "q", "G", "A", "C", "P"))]
    backed = next((size(data[key].shape) for key, size in candidates if key in data and data[key].ndim), None)
    if "n" not in data:
        if backed is None:
            raise ProblemError("n is missing, and no array says how many variables there are.")
        return backed
    given = data["n"]
    if given.ndim or given.dtype.kind not in "iu" or given < 0:
        raise ProblemError(f"n has shape {given.shape} and holds {given.dtype}; expected one integer of at least 0.")
    n = int(given)
    if backed is not None and backed != n:
        raise ProblemError(f"n is {n}, but another array has {backed} variables.")
    if backed is None and n > max(FREE_COUNT, data.size):
        raise ProblemError(f"n is {n}, far more than the arrays account for; store q0, with all its zeros.")
    return n


# ---------------------------------------------------------------- two-sided rows


def _two_sided(data: Arrays) -> QCQP:
    for key in data:
        if key not in TWO_SIDED_ONLY:
            raise ProblemError(f"{key} does not go with {next(key for key in TWO_SIDED if key in data)}; rows with two "
                               "sides have A_lo, A_up, Q_lo and Q_up only.")
    n = _dimension(data)
    P0 = data.get("P0")
    objective_entries = _entries(data, "P0", n, n)
    if objective_entries is not None and objective_entries[2].size:
        P0 = symmetric("P0", *objective_entries, n)
    objective = Quadratic(P0, data.get("q0", np.zeros(n)), data.get("r0", 0.0))
    low_A, high_A = _sides(data, "A")
    low_Q, high_Q = _sides(data, "Q")
    p, k = low_A.size, low_Q.size
    A = _shaped(data, "A", p, n) if p or "A" in data or "A_v" in data else sp.csr_matrix((0, n))
    linear = sp.csr_matrix((k, n))
    if _together(data, ("G_k", "G_j", "G_v")):
        linear = sp.csr_matrix((_finite("G_v", data["G_v"]), (_indices(data, "G_k", k), _indices(data, "G_j", n))),
                               (k, n))
    terms = NO_TERMS
    if _together(data, ("Q_k", "Q_i", "Q_j", "Q_v")):
        terms = _terms(data, k, n)
        terms = terms._replace(k=terms.k + p)
    return assemble(objective, sp.vstack([sp.csr_matrix(A), linear], format="csr"), np.concatenate([low_A, low_Q]),
                    np.concatenate([high_A, high_Q]), terms, lb=data.get("lb"), ub=data.get("ub"),
                    name=lambda row: f"row {row} of A" if row < p else f"quadratic row {row - p}", size=data.size)


def _sides(data: Arrays, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Both sides of the rows of a name; infinite where they are not given."""
    given = {key: data[key] for key in (f"{name}_lo", f"{name}_up") if key in data}
    for key, side in given.items():
        if side.ndim != 1:
            raise ProblemError(f"{key} has shape {side.shape}; expected a vector.")
    sizes = {side.size for side in given.values()} or {0}
    if len(sizes) > 1:
        raise ProblemError(f"{name}_lo and {name}_up have lengths {given[f'{name}_lo'].size} and "
                           f"{given[f'{name}_up'].size}; expected one.")
    size = sizes.pop()
    return (np.asarray(given.get(f"{name}_lo", np.full(size, -np.inf)), np.float64),
            np.asarray(given.get(f"{name}_up", np.full(size, np.inf)), np.float64))


def _terms(data: Arrays, k: int, n: int) -> Terms:
    return Terms(_indices(data, "Q_k", k), _indices(data, "Q_i", n), _indices(data, "Q_j", n),
                 _finite("Q_v", data["Q_v"]))


# ---------------------------------------------------------------- the rows of a QCQP


def _problem(data: Arrays) -> QCQP:
    if "d_k" not in data:
        extra = next((key for key in ("F", "F_v", "F_k", "d", "d_v") if key in data), None)
        if extra:
            raise ProblemError(f"{extra} was given without d_k, which says which quadratics have factors.")
    factored = _indices(data, "d_k", 2**62, -1) if "d_k" in data else np.zeros(0, np.int64)
    if not ({"P0", "q0", "P0_v"} & data.keys() or -1 in factored):
        raise ProblemError("neither P0 nor q0 is there; one of them says what is minimised.")
    factors: dict[int, FactoredMatrix] = {}
    P0 = data.get("P0")
    try:
        if {"P0_v", "d_k"} & data.keys():
            n = _dimension(data)
            entries = _entries(data, "P0", n, n)
            if entries is not None:
                P0 = symmetric("P0", *entries, n)
            factors = _factors(data, factored, n)
            if -1 in factors:
                if P0 is not None:
                    raise ProblemError("P0 and a factor (-1 in d_k) are both there; give one of them.")
                P0 = factors[-1]
            objective = Quadratic(P0, data.get("q0", np.zeros(n)), data.get("r0", 0.0))
        else:
            objective = Quadratic(P0, data.get("q0"), data.get("r0", 0.0))
    except ProblemError as error:
        raise ProblemError(f"objective (P0, q0, r0): {error}") from None
    n = objective.n
    if n == 0:
        raise ProblemError("the objective has no variables; a problem needs at least one.")
    if "n" in data:
        _dimension(data)
    rows: dict[str, int | None] = {
        name: data[vector].size if vector in data else None for name, vector in (("G", "h"), ("A", "b"))}
    return QCQP(objective, _inequalities(data, factors, n), G=_matrix(data, "G", rows["G"], n), h=data.get("h"),
                A=_matrix(data, "A", rows["A"], n), b=data.get("b"), lb=data.get("lb"), ub=data.get("ub"),
                cones=_cones(data, n))


def _factors(data: Arrays, which: np.ndarray, n: int) -> dict[int, FactoredMatrix]:
    """FᵀF + diag(d) by quadratic: -1 the objective, 0 the first inequality."""
    if np.unique(which).size < which.size:
        raise ProblemError("d_k names a quadratic twice.")
    check_total(which.size, n, data.size)
    diagonals = np.zeros((which.size, n))
    if "d" in data or "d_v" in data:
        diagonals = _shaped(data, "d", which.size, n)
        diagonals = diagonals.toarray() if sp.issparse(diagonals) else diagonals
    if "F_k" in data:
        belongs = _indices(data, "F_k", 2**62, -1)
        F = _shaped(data, "F", belongs.size, n)
        stray = ~np.isin(belongs, which)
        if stray.any():
            raise ProblemError(f"F_k[{int(np.argmax(stray))}] = {belongs[np.argmax(stray)]} is not one of d_k.")
    elif "F" in data or "F_v" in data:
        raise ProblemError("F was given without F_k, which says whose rows they are.")
    else:
        belongs, F = np.zeros(0, np.int64), np.zeros((0, n))
    factors = {}
    for quadratic, diagonal in zip(which, diagonals, strict=True):
        built = Quadratic.from_factor(F[np.flatnonzero(belongs == quadratic)], diag=diagonal)
        factors[int(quadratic)] = built.P
    return factors


def _inequalities(data: Arrays, factors: dict[int, FactoredMatrix], n: int) -> list[Quadratic]:
    sparse = _together(data, ("Q_k", "Q_i", "Q_j", "Q_v"))
    some = "P_k" in data or sparse or any(k >= 0 for k in factors)
    if some and "r" not in data:
        raise ProblemError("r is missing; it says how many inequalities there are.")
    order = ("r",) if some else ("P", "q", "r")
    given = next((data[key] for key in order if key in data), None)
    if given is None:
        if "q_v" in data:
            raise ProblemError("q_v was given without r, which says how many inequalities there are.")
        return []
    count = given.shape[0] if given.ndim else 1
    check_total(count, n, data.size)
    if sparse and "P" in data and "P_k" not in data:
        raise ProblemError("P and Q_v are both there; P_k has to say which inequalities the matrices of P belong to.")
    which = _indices(data, "P_k", count) if "P_k" in data else np.arange(count)
    shapes = {"P": (which.size, n, n), "q": (count, n), "r": (count,)}
    for key, shape in shapes.items():
        if key in data and data[key].shape != shape:
            raise ProblemError(f"{key} has shape {data[key].shape}; expected {shape}.")
    matrices: dict[int, Any] = {}
    if "P" in data:
        matrices.update(zip(which.tolist(), data["P"], strict=True))
    groups: list[dict[int, Any]] = [{k: P for k, P in factors.items() if k >= 0}]
    if sparse:
        groups.append(split(_terms(data, count, n), "inequality {}".format, n))
    for group in groups:
        for k, P in group.items():
            if k in matrices or k >= count:
                raise ProblemError(f"inequality {k} has two matrices." if k in matrices else
                                   f"d_k names inequality {k} of {count}.")
            matrices[k] = P
    q = _matrix(data, "q", count, n)
    zeros = np.zeros(n)
    r = data.get("r", np.zeros(count))
    inequalities = []
    for i in range(count):
        linear = zeros if q is None else q[[i]].toarray().reshape(-1) if sp.issparse(q) else q[i]
        try:
            inequalities.append(Quadratic(matrices.get(i), linear, r[i]))
        except ProblemError as error:
            raise ProblemError(f"inequality {i}: {error}") from None
    return inequalities


def _cones(data: Arrays, n: int) -> list[SecondOrderCone]:
    if "cones" not in data:
        extra = next((key for key in ("C", "C_v", "e") if key in data), None)
        if extra:
            raise ProblemError(f"{extra} was given without cones, which says how many rows each cone has.")
        return []
    backed = max((data[key].shape[0] for key in ("C", "e") if key in data and data[key].ndim), default=0)
    sizes = _indices(data, "cones", max(FREE_COUNT, backed) + 1, 2)
    check_total(sizes.size, n, data.size)
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if ends.size else 0
    if total > max(FREE_COUNT, backed):
        raise ProblemError(f"cones has {total} rows in all, far more than C and e account for; store e, with all its "
                           "zeros.")
    C: Any = _shaped(data, "C", total, n) if total else np.zeros((0, n))
    e = _vector(data, "e", total)
    cones = []
    for k, (start, end) in enumerate(zip(ends - sizes, ends, strict=True)):
        c = C[[start]].toarray().reshape(-1) if sp.issparse(C) else C[start]
        try:
            cones.append(SecondOrderCone(C[start + 1:end], e[start + 1:end], c, e[start]))
        except ProblemError as error:
            raise ProblemError(f"cone {k}: {error}") from None
    return cones
