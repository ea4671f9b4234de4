"""The keys of .npz files."""

from __future__ import annotations

# key -> what it holds; the table of docs/files.md is checked against this one.
KEYS = {
    "P0": "(n, n) array, objective ½xᵀP0 x + q0ᵀx + r0; omit for a linear objective",
    "q0": "(n,) array; omit for zeros (then P0 is needed)",
    "r0": "number; omit for 0",
    "P": "(k, n, n) array, quadratic inequalities ½xᵀP[i]x + q[i]ᵀx + r[i] ≤ 0",
    "q": "(k, n) array; omit for zeros",
    "r": "(k,) array; omit for zeros",
    "G": "(l, n) array, linear inequalities Gx ≤ h",
    "h": "(l,) array; +inf switches a row off",
    "A": "(p, n) array, equalities Ax = b",
    "b": "(p,) array",
    "lb": "(n,) array or number, lower bounds; -inf or omitted for none",
    "ub": "(n,) array or number, upper bounds; +inf or omitted for none",
    "n": "number of variables; needed where no array has it as a dimension",
    "P_k": "(c,) integers, where only some inequalities have a matrix in P: which ones, P is then (c, n, n)",
    "Q_k": "integers, sparse matrices of inequalities: entry Q_v at (Q_i, Q_j) of the matrix of inequality Q_k; "
           "both triangles",
    "Q_i": "integers; see Q_k",
    "Q_j": "integers; see Q_k",
    "Q_v": "array; see Q_k",
    "d_k": "(c,) integers, quadratics whose matrix is FᵀF + diag(d): -1 the objective, 0 the first inequality",
    "d": "(c, n) array, one diagonal for each of d_k; omit for zeros",
    "F_k": "(f,) integers, the quadratic, numbered as in d_k, that each row of F belongs to",
    "F": "(f, n) array, the rows of all factors",
    "cones": "(t,) integers, number of rows of each second-order cone",
    "C": "(sum of cones, n) array: Cx + e holds cᵀx + d and then Ax + b of each cone ‖Ax + b‖ ≤ cᵀx + d",
    "e": "(sum of cones,) array; omit for zeros",
    "A_lo": "(p,) array; with it or A_up, the rows of A are A_lo ≤ Ax ≤ A_up, and there is no b",
    "A_up": "(p,) array; ±inf, or omitted, for no side",
    "Q_lo": "(k,) array; with it or Q_up, quadratic rows are Q_lo ≤ ½xᵀQx + gᵀx ≤ Q_up, and there is no P, q, r",
    "Q_up": "(k,) array; ±inf, or omitted, for no side",
    "G_k": "integers, linear parts of these rows: entry G_v of variable G_j in row G_k",
    "G_j": "integers; see G_k, or the columns of a sparse G",
    "G_v": "array; see G_k, or the entries of a sparse G",
    "x0": "(n,) array, a starting point; not used",
}

# Matrices that may also be given by their entries: NAME_v at (NAME_i, NAME_j) instead of NAME.
SPARSE = ("P0", "q", "G", "A", "F", "d", "C")
ENTRIES = {f"{name}_{part}": name for name in SPARSE for part in "ijv"}

# Keys of rows with two sides, and those that go with them: the layout of the QPLIB and CUTEst collections.
TWO_SIDED = ("A_lo", "A_up", "Q_lo", "Q_up", "G_k")
TWO_SIDED_ONLY = {*TWO_SIDED, "n", "P0", "P0_i", "P0_j", "P0_v", "q0", "r0", "A", "A_i", "A_j", "A_v",
                  "Q_k", "Q_i", "Q_j", "Q_v", "G_j", "G_v", "lb", "ub", "x0"}
