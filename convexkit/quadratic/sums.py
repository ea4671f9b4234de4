"""Sums of quadratics, in the cheapest structure that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..errors import ProblemError
from ..operators import SymmetricOperator
from ..validation import check_finite
from .definite import LARGE
from .matrices import FactoredMatrix, SummedMatrix, add_up, entries, runs, stacked
from .quadratic import Quadratic


def weighted_sum(weights: Sequence[float] | np.ndarray, quadratics: Sequence[Quadratic]) -> Quadratic:
    """Σ weights[i]·quadratics[i] as one Quadratic: what a Lagrangian is for fixed multipliers.

    Dense if any term is dense, sparse if all terms are, an operator if any is. A factored term stays factored by
    itself, and so do several, with sparse ones beside them, where n exceeds 1000. O(total data).

    Examples
    --------
    >>> import convexkit as ck
    >>> f = ck.weighted_sum([1.0, 2.0], [ck.Quadratic([[2.0]]), ck.Quadratic(None, [3.0], 1.0)])
    >>> f([1.0])
    9.0
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (len(quadratics),) or not quadratics:
        raise ProblemError(f"weights has shape {weights.shape}; expected one weight for each of "
                           f"{len(quadratics)} quadratics, at least one.")
    n = quadratics[0].n
    used = [(float(weights[i]), quadratics[i]) for i in np.flatnonzero(weights).tolist()]
    q = np.zeros(n)
    for part in runs([n] * len(used)):
        q += np.array([w for w, _ in used[part]]) @ stacked([f.q for _, f in used[part]])
    r = float(sum(w * f.r for w, f in used))
    curved = [(w, f) for w, f in used if f.P is not None]
    P = _curvature(n, curved)
    for array in entries(P):
        check_finite("P", array)
    check_finite("q", q)
    return Quadratic._of(P, q, r)


def _curvature(n: int, terms: list[tuple[float, Quadratic]]) -> Any:
    """Σ w·P."""
    kinds: dict[str, list[tuple[float, Any]]] = {}
    for w, f in terms:
        kinds.setdefault(f.structure, []).append((w, f.P))
    if not terms:
        return None
    if "operator" in kinds:
        return _operator_sum(n, terms)
    factored = kinds.get("factored", [])
    positive = all(w > 0 for w, _ in factored)
    if len(terms) == 1 and factored and positive:
        weight, P = factored[0]
        return FactoredMatrix(np.sqrt(weight) * P.factor, weight * P.diag)
    if set(kinds) == {"sparse"}:
        return _sparse_sum(n, kinds["sparse"])
    # A stack of more rows than there are variables takes more memory than the matrix.
    rows = sum(P.factor.shape[0] for _, P in factored if not sp.issparse(P.factor))
    if "dense" in kinds or n <= LARGE or rows > n:
        return _dense_sum(n, kinds)
    if not positive:
        return _operator_sum(n, terms)
    diagonal = _diagonal_sum(n, factored)
    dense = [np.sqrt(w) * P.factor for w, P in factored if not sp.issparse(P.factor)]
    thin = [np.sqrt(w) * P.factor for w, P in factored if sp.issparse(P.factor)]
    if "sparse" not in kinds and not (dense and thin):
        return FactoredMatrix(sp.vstack(thin, format="csr") if thin else np.concatenate(dense), diagonal)
    base = sp.diags_array(diagonal, format="csr")
    if "sparse" in kinds:
        base = base + _sparse_sum(n, kinds["sparse"])
    if thin:
        stack = sp.vstack(thin, format="csr")
        base = base + stack.T @ stack
    return SummedMatrix(sp.csr_array(base), np.concatenate(dense)) if dense else sp.csr_array(base)


def _operator_sum(n: int, terms: list[tuple[float, Quadratic]]) -> SymmetricOperator:
    """v -> Σ w·Pv, with the least eigenvalue that follows where each P says its own."""
    least: list[Any] = [getattr(f.P, "min_eigenvalue", None) for _, f in terms]
    known = all(value is not None for value in least) and all(w >= 0 for w, _ in terms)
    return SymmetricOperator(n, lambda v: sum(w * f.hessp(v) for w, f in terms),
                             matmat=lambda V: sum(w * (f.P @ V) for w, f in terms),
                             min_eigenvalue=float(sum(w * value for (w, _), value in zip(terms, least, strict=True)))
                             if known else None)


def _sparse_sum(n: int, terms: list[tuple[float, Any]]) -> Any:
    """Σ w·P of CSR matrices, their entries put together once."""
    if len(terms) == 1:
        return terms[0][0] * terms[0][1]
    first = terms[0][1]
    if all(np.array_equal(P.indptr, first.indptr) and np.array_equal(P.indices, first.indices) for _, P in terms[1:]):
        data = np.multiply(first.data, terms[0][0], dtype=np.float64)
        for w, P in terms[1:]:
            data += w * P.data
        return sp.csr_array((data, first.indices.copy(), first.indptr.copy()), shape=(n, n))
    rows = np.concatenate([np.repeat(np.arange(n), np.diff(P.indptr)) for _, P in terms])
    columns = np.concatenate([P.indices for _, P in terms])
    return sp.csr_array((np.concatenate([w * P.data for w, P in terms]), (rows, columns)), shape=(n, n))


def _dense_sum(n: int, kinds: dict[str, list[tuple[float, Any]]]) -> np.ndarray:
    """Σ w·P as an array: dense terms one by one, sparse ones summed first, factored ones as stacks."""
    total = np.empty((n, n))
    full = kinds.get("dense", [])
    # A symmetric P in Fortran's order is its own transpose.
    add_up(np.array([w for w, _ in full]), [np.ascontiguousarray(P.T if P.flags.f_contiguous else P, dtype=np.float64)
                                            for _, P in full], total)
    if "sparse" in kinds:
        total += _sparse_sum(n, kinds["sparse"]).toarray()
    for sign in (1.0, -1.0):
        chosen = [(w, P.factor) for w, P in kinds.get("factored", []) if sign * w > 0]
        plain = [(w, F) for w, F in chosen if not sp.issparse(F)]
        for part in runs([F.size for _, F in plain], limit=max(n * n, 2**16)):
            scales = np.repeat([np.sqrt(abs(w)) for w, _ in plain[part]], [len(F) for _, F in plain[part]])
            stack = scales[:, None] * np.concatenate([F for _, F in plain[part]])
            total += sign * (stack.T @ stack)
        for w, F in chosen:
            if sp.issparse(F):
                total += w * (F.T @ F).toarray()
    total.reshape(-1)[::n + 1] += _diagonal_sum(n, kinds.get("factored", []))
    return total


def _diagonal_sum(n: int, terms: list[tuple[float, FactoredMatrix]]) -> np.ndarray:
    """Σ w·diag of factored terms."""
    total = np.zeros(n)
    for part in runs([n] * len(terms)):
        total += np.array([w for w, _ in terms[part]]) @ stacked([P.diag for _, P in terms[part]])
    return total
