"""From a QCQP to the arrays of a .npz file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..errors import ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic
from .archive import write_arrays


def write(path: Path, problem: QCQP) -> None:
    """Store a problem as a .npz file."""
    write_arrays(path, arrays(problem))


def arrays(problem: QCQP) -> dict[str, Any]:
    """What is stored of a problem, by key: dense as arrays, sparse by entries, a factor as a factor."""
    objective, curved = problem.objective, problem.inequalities
    for name, f in [("objective", objective), *((f"inequalities[{k}]", f) for k, f in enumerate(curved))]:
        if f.structure == "operator":
            raise ProblemError(f"{name}.P is an operator, which no file can hold; store Quadratic({name}.hessian(), "
                               "q, r), or one from a factor.")
    out: dict[str, Any] = {"q0": objective.q, "r0": objective.r}
    if objective.structure == "dense":
        out["P0"] = objective.P
    elif objective.structure == "sparse":
        out |= _stored(objective.P, "P0")
    if curved:
        out["r"] = np.array([f.r for f in curved])
        out["q"] = np.stack([f.q for f in curved])
        out |= _matrices_of(curved)
    factored = [(k, f.P) for k, f in enumerate((objective, *curved), -1) if f.structure == "factored"]
    if factored:
        out["d_k"] = np.array([k for k, _ in factored])
        out["d"] = np.stack([P.diag for _, P in factored])
        out["F_k"] = np.concatenate([np.full(P.factor.shape[0], k) for k, P in factored])
        out |= _stored(_stack([P.factor for _, P in factored]), "F")
    for matrix, name, vector, key in ((problem.G, "G", problem.h, "h"), (problem.A, "A", problem.b, "b")):
        if vector.size:
            out |= {key: vector, **_stored(matrix, name)}
    if problem.cones:
        out["cones"] = np.array([cone.size for cone in problem.cones])
        out["e"] = np.concatenate([np.append(cone.d, cone.b) for cone in problem.cones])
        out |= _stored(_stack([part for cone in problem.cones for part in (
            sp.csr_matrix(cone.c) if sp.issparse(cone.A) else cone.c[None, :], cone.A)]), "C")
    if np.isfinite(problem.lb).any():
        out["lb"] = problem.lb
    if np.isfinite(problem.ub).any():
        out["ub"] = problem.ub
    return out


def _matrices_of(curved: Sequence[Quadratic]) -> dict[str, Any]:
    """P, with P_k if some inequalities have no dense matrix, and the sparse ones by entries."""
    out: dict[str, Any] = {}
    full = [k for k, f in enumerate(curved) if f.structure == "dense"]
    if full:
        out["P"] = np.stack([curved[k].P for k in full])
        if len(full) < len(curved):
            out["P_k"] = np.array(full)
    parts = []
    for k, f in enumerate(curved):
        if f.structure == "sparse":
            P = f.P.tocoo()
            # One explicit zero says that there is a matrix.
            i, j, value = (P.row, P.col, P.data) if P.nnz else (np.zeros(1, np.int32),) * 2 + (np.zeros(1),)
            parts.append((np.full(i.size, k, np.int32), i, j, value))
    if parts:
        out |= dict(zip(("Q_k", "Q_i", "Q_j", "Q_v"), map(np.concatenate, zip(*parts, strict=True)), strict=True))
    return out


def _stack(matrices: Sequence[Any]) -> Any:
    """Matrices on top of each other: sparse if any of them is."""
    return sp.vstack(matrices, format="csr") if any(sp.issparse(m) for m in matrices) else np.vstack(matrices)


def _stored(matrix: Any, name: str) -> dict[str, Any]:
    """A matrix under its name, or by its entries if it is sparse."""
    if not sp.issparse(matrix):
        return {name: matrix}
    matrix = matrix.tocoo()
    return {f"{name}_i": matrix.row, f"{name}_j": matrix.col, f"{name}_v": matrix.data}
