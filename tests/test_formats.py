"""Archives (.npz): what is written comes back, and a damaged or hostile file is refused in one sentence."""

import contextlib
import os
import re
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import convexkit as ck
from convexkit.formats import FORMATS, KEYS, SPARSE

from .gallery import CASES


def equal(A, B):
    np.testing.assert_array_equal(A.toarray() if sp.issparse(A) else A, B.toarray() if sp.issparse(B) else B)


def same_matrix(A, B):
    assert sp.issparse(A) == sp.issparse(B)
    equal(A, B)


def same(f, g):
    assert f.structure == g.structure
    if f.structure == "factored":
        equal(f.P.factor, g.P.factor)
        equal(f.P.diag, g.P.diag)
    else:
        equal(f.hessian(), g.hessian())
    np.testing.assert_array_equal(f.q, g.q)
    assert f.r == g.r


def written_and_read(path, problem):
    """The problem that comes back from a file, after a look at every part of it."""
    ck.write_problem(path, problem)
    again = ck.read_problem(str(path))
    assert repr(again) == repr(problem)
    for f, g in zip((again.objective, *again.inequalities), (problem.objective, *problem.inequalities), strict=True):
        same(f, g)
    for cone, other in zip(again.cones, problem.cones, strict=True):
        for key in ("A", "b", "c", "d"):
            equal(getattr(cone, key), getattr(other, key))
    for key in ("G", "A"):
        if getattr(problem, key).shape[0]:
            same_matrix(getattr(again, key), getattr(problem, key))
    for key in ("h", "b", "lb", "ub"):
        np.testing.assert_array_equal(getattr(again, key), getattr(problem, key))
    return again


@pytest.mark.parametrize("name", CASES)
def test_a_problem_comes_back_as_it_was_written(tmp_path, name):
    problem = CASES[name]().problem
    path = tmp_path / "problem.npz"
    if any(f.structure == "operator" for f in (problem.objective, *problem.inequalities)):
        with pytest.raises(ck.ProblemError, match="is an operator, which no file can hold"):
            ck.write_problem(path, problem)
        assert not list(tmp_path.iterdir())
        return
    written_and_read(path, problem)
    assert [p.name for p in tmp_path.iterdir()] == ["problem.npz"]


rng = np.random.default_rng(7)
N = 6
SYMMETRIC = sp.random(N, N, 0.3, random_state=1)
SYMMETRIC = sp.csr_matrix(SYMMETRIC + SYMMETRIC.T)
QUADRATICS = {
    "affine": ck.Quadratic(None, np.arange(1.0, N + 1), 3.0),
    "dense": ck.Quadratic(np.eye(N), np.ones(N), -2.0),
    "sparse": ck.Quadratic(SYMMETRIC, np.zeros(N), 0.5),
    "sparse without entries": ck.Quadratic(sp.csr_matrix((N, N)), np.ones(N)),
    "dense factor": ck.Quadratic.from_factor(rng.normal(size=(2, N)), diag=rng.uniform(size=N), q=np.ones(N)),
    "sparse factor": ck.Quadratic.from_factor(sp.random(3, N, 0.4, format="csr", random_state=2)),
    "factor without rows": ck.Quadratic.from_factor(np.zeros((0, N)), diag=2.0),
    "factor with a row of zeros": ck.Quadratic.from_factor(sp.csr_matrix((2, N)), diag=1.0),
}
ALL_CONES = [
    ck.SecondOrderCone(np.eye(N)[:2], b=[1.0, -1.0], c=np.ones(N), d=4.0),
    ck.SecondOrderCone(sp.identity(N, format="csr"), d=2.0),
    ck.SecondOrderCone(np.ones((1, N))),
]


@pytest.mark.parametrize("kind", QUADRATICS)
def test_every_structure_of_a_quadratic_comes_back(tmp_path, kind):
    f = QUADRATICS[kind]
    path = tmp_path / "problem.npz"
    again = written_and_read(path, ck.QCQP(f))
    if f.structure == "factored":
        same_matrix(again.objective.P.factor, f.P.factor)
    written_and_read(path, ck.QCQP(QUADRATICS["affine"], [f]))
    written_and_read(path, ck.QCQP(QUADRATICS["affine"], [QUADRATICS["dense"], f, QUADRATICS["affine"]]))


def test_inequalities_of_every_structure_come_back_in_their_order(tmp_path):
    written_and_read(tmp_path / "problem.npz", ck.QCQP(QUADRATICS["sparse factor"], [
        *QUADRATICS.values(), *reversed(QUADRATICS.values())], G=SYMMETRIC, h=np.ones(N), A=np.ones((1, N)), b=[1.0],
        lb=-1.0, cones=ALL_CONES))


@pytest.mark.parametrize("cones", [ALL_CONES[::2], ALL_CONES[1:2], ALL_CONES])
def test_cones_come_back_dense_if_all_are_and_else_sparse(tmp_path, cones):
    again = written_and_read(tmp_path / "problem.npz", ck.socp(np.ones(N), cones, G=SYMMETRIC, h=np.ones(N)))
    any_sparse = any(sp.issparse(cone.A) for cone in cones)
    assert all(sp.issparse(cone.A) == any_sparse for cone in again.cones)


def test_sparse_data_take_little_room(tmp_path):
    n = 20_000
    P = sp.diags(np.arange(1.0, n + 1), format="csr")
    problem = ck.QCQP(ck.Quadratic(P, np.zeros(n)), [ck.Quadratic(P, np.ones(n), -1.0)], G=sp.identity(n, format="csr"),
                      h=np.ones(n), cones=[ck.SecondOrderCone(sp.identity(n, format="csr"), d=5.0)])
    path = tmp_path / "large.npz"
    ck.write_problem(path, problem)
    assert path.stat().st_size < 500_000
    assert repr(ck.read_problem(path)) == repr(problem)


def test_repeated_entries_are_added(tmp_path):
    path = tmp_path / "twice.npz"
    np.savez(path, q0=np.zeros(2), P0_i=[0, 0, 1], P0_j=[0, 0, 1], P0_v=[1.0, 2.0, 5.0], G_i=[0, 0], G_j=[1, 1],
             G_v=[1.0, -3.0], h=[1.0])
    problem = ck.read_problem(path)
    np.testing.assert_array_equal(problem.objective.hessian(), np.diag([3.0, 5.0]))
    np.testing.assert_array_equal(problem.G.toarray(), [[0.0, -2.0]])


def test_n_says_how_many_variables_there_are_where_no_array_does(tmp_path):
    path = tmp_path / "n.npz"
    np.savez(path, n=4, P0_i=[0], P0_j=[0], P0_v=[1.0])
    assert ck.read_problem(path).n == 4
    np.savez(path, P0_i=[0], P0_j=[0], P0_v=[1.0])
    refused(path, "n is missing")
    np.savez(path, n=5, q0=np.ones(4))
    refused(path, "n is 5, but another array has 4 variables")
    for n in (-1, 1.5, [3, 3], 10**9):
        np.savez(path, n=n, P0_i=[0], P0_j=[0], P0_v=[1.0])
        refused(path, "n ")


def test_a_linear_objective_stays_linear_and_takes_no_matrix(tmp_path):
    path = tmp_path / "lp"
    ck.write_problem(path, ck.lp(np.ones(3000), lb=0.0))
    assert path.stat().st_size < 10_000
    assert ck.read_problem(path).objective.is_affine


ONE_SIDED = {
    "P0": np.eye(2), "q0": np.ones(2), "r0": 3, "P": np.ones((1, 2, 2)), "P_k": [0], "q": np.ones((3, 2)),
    "r": [-9.0] * 3, "Q_k": [1], "Q_i": [0], "Q_j": [0], "Q_v": [2.0], "d_k": [2], "d": np.ones((1, 2)), "F_k": [2],
    "F": np.ones((1, 2)), "G": np.eye(2), "h": [1.0, np.inf], "A": np.ones((1, 2)), "b": [1.0], "lb": -np.inf,
    "ub": [1.0, np.inf], "n": 2, "cones": [3], "C": np.ones((3, 2)), "e": [9.0, 0.0, 0.0], "x0": np.zeros(2)}
TWO_SIDED = {
    "n": 2, "P0_i": [0], "P0_j": [0], "P0_v": [2.0], "q0": np.ones(2), "r0": 1.0, "A_i": [0, 1, 2, 3],
    "A_j": [0, 1, 0, 1], "A_v": [1.0, 2.0, 3.0, 4.0], "A_lo": [1.0, 0.0, -np.inf, -np.inf],
    "A_up": [1.0, 5.0, 7.0, np.inf],
    "Q_k": [0, 1, 1], "Q_i": [0, 0, 1], "Q_j": [0, 1, 0], "Q_v": [2.0, 1.0, 1.0], "Q_lo": [-np.inf, -1.0, -5.0],
    "Q_up": [4.0, 1.0, np.inf], "G_k": [0, 2], "G_j": [1, 0], "G_v": [1.0, 2.0], "lb": [0.0, -np.inf], "ub": 9.0,
    "x0": np.zeros(2)}


def test_the_keys_of_the_table_are_the_keys_that_are_read(tmp_path):
    path = tmp_path / "all.npz"
    np.savez(path, **ONE_SIDED)
    problem = ck.read_problem(path)
    assert repr(problem) == "QCQP(n=2, 3 quadratic + 2 linear inequalities, 1 equalities, 1 bounds, 1 cones)"
    assert problem.objective(np.ones(2)) == 6.0
    assert [f.structure for f in problem.inequalities] == ["dense", "sparse", "factored"]
    np.savez(path, **TWO_SIDED)
    ck.read_problem(path)
    entries = {f"{name}_{part}" for name in SPARSE for part in "ijv"} - KEYS.keys()
    assert {*ONE_SIDED, *TWO_SIDED} - entries == set(KEYS)


def test_rows_with_two_sides_become_rows_with_one(tmp_path):
    path = tmp_path / "rows.npz"
    np.savez(path, **TWO_SIDED)
    problem = ck.read_problem(path)
    # Upper sides first, then lower ones negated, the quadratic row without terms last among each.
    np.testing.assert_array_equal(problem.A.toarray(), [[1.0, 0.0]])
    np.testing.assert_array_equal(problem.b, [1.0])
    np.testing.assert_array_equal(problem.G.toarray(), [[0.0, 2.0], [3.0, 0.0], [0.0, -2.0], [-2.0, 0.0]])
    np.testing.assert_array_equal(problem.h, [5.0, 7.0, 0.0, 5.0])
    disc, upper, lower = problem.inequalities
    np.testing.assert_array_equal(disc.hessian(), np.diag([2.0, 0.0]))
    assert (disc.q.tolist(), disc.r) == ([0.0, 1.0], -4.0)
    np.testing.assert_array_equal(upper.hessian(), [[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_array_equal(lower.hessian(), -upper.hessian())
    assert (upper.r, lower.r) == (-1.0, -1.0)
    assert {f.structure for f in (problem.objective, *problem.inequalities)} == {"sparse"}
    np.testing.assert_array_equal(problem.ub, [9.0, 9.0])


def test_a_lower_side_of_a_convex_quadratic_is_refused_by_solve_and_named(tmp_path):
    path = tmp_path / "rows.npz"
    np.savez(path, n=2, q0=np.ones(2), Q_k=[0, 0], Q_i=[0, 1], Q_j=[0, 1], Q_v=[2.0, 2.0], Q_lo=[1.0], Q_up=[1.0])
    with pytest.raises(ck.NotConvexError, match=r"inequalities\[1\].P is not positive semidefinite"):
        ck.solve(ck.read_problem(path))


def test_missing_parts_of_inequalities_are_zeros(tmp_path):
    path = tmp_path / "few.npz"
    np.savez(path, q0=np.ones(2, dtype=np.int8), P=np.ones((2, 2, 2), dtype=np.float32))
    problem = ck.read_problem(path)
    assert [f.r for f in problem.inequalities] == [0.0, 0.0]
    np.savez(path, P0=np.eye(2), q=[[1.0, 2.0]])
    assert ck.read_problem(path).inequalities[0].is_affine


def refused(path, words=""):
    """The FormatError of a file: one line that starts with its name."""
    with pytest.raises(ck.FormatError) as caught:
        ck.read_problem(path)
    message = str(caught.value)
    assert words in message
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_a_missing_file_a_folder_and_text_are_refused(tmp_path):
    refused(tmp_path / "nothing.npz", "no such file")
    refused(tmp_path / ("x" * 300), "File name too long")
    refused(tmp_path / "a\0b", "no such file")
    refused(tmp_path, "is a folder")
    text = tmp_path / "text.npz"
    text.write_text("P0 = 1")
    assert "--write-example" in refused(text, "not a readable .npz archive")
    text.write_bytes(b"")
    refused(text, "not a readable .npz archive")
    single = tmp_path / "single.npz"
    with open(single, "wb") as stream:
        np.save(stream, np.ones(3))
    refused(single, "not a readable .npz archive")


def test_an_unreadable_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "locked.npz"
    ck.write_problem(path, ck.lp([1.0]))

    def denied(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(zipfile, "ZipFile", denied)
    refused(path, "cannot be read: Permission denied")


def test_every_truncation_is_refused(tmp_path):
    path, cut = tmp_path / "whole.npz", tmp_path / "cut.npz"
    ck.write_problem(path, ck.example_problem())
    raw = path.read_bytes()
    for length in range(0, len(raw) - 1, 97):
        cut.write_bytes(raw[:length])
        refused(cut)


def test_objects_are_refused_and_never_unpickled(tmp_path):
    touched = []

    class Bomb:
        def __reduce__(self):
            return touched.append, (1,)

    path = tmp_path / "objects.npz"
    np.savez(path, q0=np.array([Bomb()], dtype=object))
    refused(path, "q0 holds object, not numbers")
    assert not touched


@pytest.mark.parametrize(("arrays", "words"), [
    ({"q0": np.ones(2), "c": np.ones(2)}, "unknown key 'c'; known keys are P0, q0"),
    ({"q0": np.array(["a"])}, "q0 holds <U1, not numbers"),
    ({"q0": np.ones(2, dtype=complex)}, "q0 holds complex128, not numbers"),
    ({"q0": np.zeros(1, dtype=[("a", float)])}, "not numbers"),
    ({"q0": np.zeros(1, dtype="datetime64[s]")}, "not numbers"),
    ({"h": np.ones(2)}, "neither P0 nor q0 is there"),
    ({}, "neither P0 nor q0 is there"),
    ({"q0": np.array([1.0, np.nan])}, "q[1] = nan"),
    ({"q0": np.zeros(0)}, "no variables"),
    ({"q0": np.zeros(0), "P": np.zeros((10**15, 0, 0))}, "no variables"),
    ({"q0": np.ones(2), "P0": np.ones((2, 3))}, "P must be a square matrix; it has shape (2, 3)"),
    ({"q0": np.ones(3), "P0": np.eye(2)}, "P has shape (2, 2) but q has length 3"),
    ({"P0": np.array([[1.0, 2.0], [0.0, 1.0]])}, "P is not symmetric"),
    ({"q0": np.ones(2), "r0": np.ones(2)}, "r must be a number"),
    ({"q0": np.ones(2), "P": np.eye(2)}, "P has shape (2, 2); expected (2, 2, 2)"),
    ({"q0": np.ones(2), "P": np.ones((1, 2, 2)), "q": np.ones((2, 2))}, "q has shape (2, 2); expected (1, 2)"),
    ({"q0": np.ones(2), "P": np.ones((1, 2, 2)), "r": np.ones(2)}, "r has shape (2,); expected (1,)"),
    ({"q0": np.ones(2), "r": 1.0}, "r has shape (); expected (1,)"),
    ({"q0": np.ones(2), "q": np.array([[1.0, 2.0], [np.inf, 0.0]])}, "inequality 1: q has 1 entries"),
    ({"q0": np.ones(2), "G": np.eye(2)}, "G was given without h"),
    ({"q0": np.ones(2), "G": np.eye(3), "h": np.ones(3)}, "G has shape (3, 3); expected 2 columns"),
    ({"q0": np.ones(2), "A": np.eye(2), "b": np.ones(1)}, "b has length 1; expected 2"),
    ({"q0": np.ones(2), "lb": 1.0, "ub": 0.0}, "bounds are crossed at 2 of 2"),
    ({"q0": np.ones(2), "P0_i": [0], "P0_j": [1], "P0_v": [1.0]}, "P0 is not symmetric: its entry (0, 1) is 1"),
    ({"q0": np.ones(2), "P0_i": [0], "P0_j": [2], "P0_v": [1.0]}, "P0_j[0] = 2 is out of range; expected 0 to 1"),
    ({"q0": np.ones(2), "P0_i": [-1], "P0_j": [0], "P0_v": [1.0]}, "P0_i[0] = -1 is out of range"),
    ({"q0": np.ones(2), "P0_i": [0.0], "P0_j": [0], "P0_v": [1.0]}, "expected a vector of integers"),
    ({"q0": np.ones(2), "P0_i": [0], "P0_v": [1.0]}, "P0_i and P0_v were given without P0_j"),
    ({"q0": np.ones(2), "P0_i": [0], "P0_j": [0, 1], "P0_v": [1.0]}, "expected one length"),
    ({"q0": np.ones(2), "P0_i": [0], "P0_j": [0], "P0_v": [np.nan]}, "P0_v[0] = nan"),
    ({"q0": np.ones(2), "P0": np.eye(2), "P0_i": [0], "P0_j": [0], "P0_v": [1.0]}, "give the array or the entries"),
    ({"q0": np.ones(2), "P0": np.eye(2), "d_k": [-1]}, "P0 and a factor (-1 in d_k) are both there"),
    ({"q0": np.ones(2), "G_i": [0], "G_j": [0], "G_v": [1.0]}, "without the vector that goes with G"),
    ({"q0": np.ones(2), "Q_k": [0], "Q_i": [0], "Q_j": [0], "Q_v": [1.0]}, "r is missing"),
    ({"q0": np.ones(2), "q_i": [0], "q_j": [0], "q_v": [1.0]}, "without r, which says how many"),
    ({"q0": np.ones(2), "Q_k": [1], "Q_i": [0], "Q_j": [0], "Q_v": [1.0], "r": [1.0]}, "Q_k[0] = 1 is out of range"),
    ({"q0": np.ones(2), "Q_k": [0], "Q_i": [0], "Q_j": [0], "Q_v": [1.0], "r": [1.0], "P": np.ones((1, 2, 2))},
     "P_k has to say which"),
    ({"q0": np.ones(2), "Q_k": [0], "Q_i": [0], "Q_j": [0], "Q_v": [1.0], "r": [1.0], "P": np.ones((1, 2, 2)),
      "P_k": [0]}, "inequality 0 has two matrices"),
    ({"q0": np.ones(2), "r": [1.0], "Q_k": [0], "Q_i": [0], "Q_j": [1], "Q_v": [1.0]}, "inequality 0 is not symmetric"),
    ({"q0": np.ones(2), "r": [1.0], "d_k": [1]}, "d_k names inequality 1 of 1"),
    ({"q0": np.ones(2), "r": [1.0], "d_k": [0, 0]}, "d_k names a quadratic twice"),
    ({"q0": np.ones(2), "r": [1.0], "d_k": [0], "F": np.ones((1, 2))}, "F was given without F_k"),
    ({"q0": np.ones(2), "r": [1.0], "d_k": [0], "F": np.ones((1, 2)), "F_k": [-1]}, "F_k[0] = -1 is not one of d_k"),
    ({"q0": np.ones(2), "r": [1.0], "d_k": [0], "F": np.ones((1, 3)), "F_k": [0]}, "F has shape (1, 3)"),
    ({"q0": np.ones(2), "r": [1.0], "F": np.ones((1, 2)), "F_k": [0], "d": np.ones((1, 2))}, "without d_k"),
    ({"q0": np.ones(2), "C": np.ones((2, 2))}, "C was given without cones"),
    ({"q0": np.ones(2), "cones": [2]}, "C is missing"),
    ({"q0": np.ones(2), "cones": [1], "C": np.ones((1, 2))}, "cones[0] = 1 is out of range; expected 2"),
    ({"q0": np.ones(2), "cones": [3], "C": np.ones((2, 2))}, "C has shape (2, 2); expected shape (3, 2)"),
    ({"q0": np.ones(2), "cones": [2], "C": np.full((2, 2), np.nan)}, "cone 0: "),
    ({"q0": np.ones(2), "cones": [2], "C": np.ones((2, 2)), "e": [np.inf, 0]}, "e[0] = inf"),
    ({"q0": np.ones(2), "cones": [2], "C": np.ones((2, 2)), "e": [0]}, "e has shape (1,)"),
    ({"q0": np.ones(2), "cones": [10**6]}, "cones[0] = 1000000 is out of range"),
    ({"q0": np.ones(2), "cones": [90_000] * 2}, "far more than C and e account for"),
    ({"q0": np.ones(2), "A": np.eye(2), "A_lo": np.ones(3)}, "A has shape (2, 2); expected shape (3, 2)"),
    ({"q0": np.ones(2), "A": np.eye(2), "A_lo": np.ones(2), "b": np.ones(2)}, "b does not go with A_lo"),
    ({"q0": np.ones(2), "A": np.eye(2), "A_lo": np.ones(2), "A_up": np.ones(3)}, "A_lo and A_up have lengths 2 and 3"),
    ({"q0": np.ones(2), "A": np.eye(2), "A_lo": np.ones((2, 1))}, "A_lo has shape (2, 1); expected a vector"),
    ({"q0": np.ones(2), "A_lo": np.ones(2)}, "A is missing"),
    ({"q0": np.ones(2), "A": np.eye(2), "A_lo": [0.0, 2.0], "A_up": [1.0, 1.0]}, "row 1 of A has sides 2 and 1"),
    ({"q0": np.ones(2), "A": np.eye(2), "A_lo": [0.0, np.nan]}, "row 1 of A has sides nan"),
    ({"q0": np.ones(2), "A": np.eye(2), "A_up": [-np.inf, 0.0]}, "row 0 of A has sides -inf and -inf"),
    ({"q0": np.ones(2), "Q_k": [0], "Q_i": [0], "Q_j": [1], "Q_v": [1.0], "Q_up": [1.0]},
     "quadratic row 0 is not symmetric"),
    ({"q0": np.ones(2), "G_k": [0], "G_j": [0], "G_v": [1.0], "Q_up": []}, "G_k[0] = 0 is out of range"),
])
def test_arrays_that_state_no_problem_are_refused_by_key(tmp_path, arrays, words):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    refused(path, words)


def store(path, header, data=b"", version=1, name="q0.npy", times=1):
    """An archive with one array whose header is whatever is given."""
    raw = header.encode("latin1")
    length = struct.pack("<H" if version == 1 else "<I", len(raw))
    with zipfile.ZipFile(path, "w") as archive:
        for _ in range(times):
            archive.writestr(name, b"\x93NUMPY" + bytes([version, 0]) + length + raw + data)


def header(shape, descr="'<f8'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


def test_every_version_of_numpys_header_is_read(tmp_path):
    path = tmp_path / "versions.npz"
    for version in (1, 2, 3):
        store(path, header("(2,)"), np.array([1.0, 2.0]).tobytes(), version)
        np.testing.assert_array_equal(ck.read_problem(path).objective.q, [1.0, 2.0])


@pytest.mark.parametrize("shape", ["(10**12,)".replace("10**12", "1000000000000"), "(1000000, 1000000)", "(4,)"])
def test_a_header_that_claims_more_than_the_file_holds_is_refused_at_once(tmp_path, shape):
    path = tmp_path / "huge.npz"
    store(path, header(shape), b"\0" * 8)
    start = time.perf_counter()
    refused(path, f"claims shape {shape}")
    assert time.perf_counter() - start < 1.0


def test_an_archive_that_lies_about_its_own_size_is_refused_at_once(tmp_path):
    path = tmp_path / "liar.npz"
    store(path, header("(100000000, 5)"), b"\0" * 8)
    raw = bytearray(path.read_bytes())
    raw[22:26] = struct.pack("<I", 4_000_000_100)            # local header: size once unpacked
    directory = raw.rfind(b"PK\x01\x02")
    raw[directory + 24:directory + 28] = struct.pack("<I", 4_000_000_100)
    path.write_bytes(raw)
    refused(path, "claims shape (100000000, 5), 4000000000 bytes, but the file holds")


@pytest.mark.parametrize("text", [
    "", "{", "{'descr': (", "'''", "{}", "[]", "0", "-" * 9000 + "1", "(" * 5000, header("(-1,)"), header("(1.5,)"),
    header((1,) * 100), header("(1,)", "'zz'"), header("(1,)", "'|O'"), header("(1,)", "('<f8', (3,))"),
    header("(1,)").replace("False", "7"), header("(1L,)"), "\x00\xff",
])
def test_a_header_that_is_no_header_is_refused(tmp_path, text):
    path = tmp_path / "header.npz"
    store(path, text, b"\0" * 8)
    refused(path, "q0")


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "twice.npz"
    with pytest.warns(UserWarning, match="Duplicate name"):
        store(path, header("(1,)"), b"\0" * 8, times=2)
    refused(path, "q0 is there twice")


def test_zip_bombs_and_counts_that_the_file_cannot_justify_are_refused_at_once(tmp_path):
    path = tmp_path / "bomb.npz"
    with (zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
          archive.open("q0.npy", "w") as stream):
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (68_157_440,)})
        for _ in range(520):
            stream.write(bytes(2**20))
    start = time.perf_counter()
    refused(path, "unpacks to far more than its size, 545259520 bytes for q0 alone")
    np.savez_compressed(path, q0=np.zeros(100), r=np.zeros(10**6))
    refused(path, "1000000 quadratic inequalities and cones of 100 variables")
    np.savez_compressed(path, q0=np.zeros(10**5), cones=np.full(1000, 2), C_i=[0], C_j=[0], C_v=[1.0], e=np.zeros(2000))
    refused(path, "1000 quadratic inequalities and cones of 100000 variables")
    np.savez_compressed(path, n=10**5, P0_i=[0], P0_j=[1], P0_v=[1.0])
    refused(path, "P0 is not symmetric")
    assert time.perf_counter() - start < 5.0


def test_numbers_too_large_for_float64_are_refused(tmp_path):
    path = tmp_path / "long.npz"
    value = np.array([np.finfo(np.longdouble).max])
    if np.finfo(np.longdouble).maxexp == np.finfo(np.float64).maxexp:
        pytest.skip("long doubles are doubles here")
    np.savez(path, q0=value)
    refused(path, "q[0] = inf")


@pytest.mark.parametrize(("offsets", "value", "words"), [
    ((6, 8), 1, "encrypted"), ((8, 10), 77, "compression method is not supported")])
def test_archives_that_zipfile_cannot_unpack_are_refused(tmp_path, offsets, value, words):
    path = tmp_path / "odd.npz"
    ck.write_problem(path, ck.lp([1.0]))
    raw = bytearray(path.read_bytes())
    local, directory = offsets[0], raw.find(b"PK\x01\x02") + offsets[1]
    raw[local] = raw[directory] = value
    path.write_bytes(raw)
    refused(path, words)


def test_damaged_compressed_data_are_refused(tmp_path):
    path = tmp_path / "damaged.npz"
    np.savez_compressed(path, q0=np.arange(1000.0))
    raw = bytearray(path.read_bytes())
    raw[60:90] = b"\xff" * 30
    path.write_bytes(raw)
    refused(path, "q0 is not a readable array")


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.data())
def test_any_damage_is_a_format_error_or_a_problem(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "fuzz.npz"
    if data.draw(st.booleans()):
        np.savez(path, q0=np.array([1.0, 2.0]), lb=np.zeros(2))
        raw = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 8))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    else:
        raw = data.draw(st.binary(max_size=200))
    path.write_bytes(raw)
    with contextlib.suppress(ck.FormatError):
        assert isinstance(ck.read_problem(path), ck.QCQP)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.text(alphabet="{}()[]'\",:<f8 descrshapefortran_orderFalse0123456789-L", max_size=80))
def test_any_header_is_a_format_error_or_a_problem(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "header.npz"
    store(path, text, b"\0" * 16)
    with pytest.raises(ck.FormatError):
        ck.read_problem(path)


# ---------------------------------------------------------------- writing


def test_the_suffix_tells_the_format_and_an_archive_is_known_without_one(tmp_path):
    for name in ("problem", "problem.data", "problem.NPZ", "two.dots.npz"):
        ck.write_problem(tmp_path / name, ck.lp([1.0]))
        assert ck.read_problem(tmp_path / name).n == 1
    (tmp_path / "problem.lp").write_text("minimize x")
    message = refused(tmp_path / "problem.lp", "its name does not tell the format; supported are ")
    for suffix in FORMATS:
        assert f" {suffix}" in message
    for name in ("problem.mps", "problem.QPS", "problem.cbf.gz", "problem.qplib"):
        with pytest.raises(ck.FormatError, match=r"problems are written as .npz only"):
            ck.write_problem(tmp_path / name, ck.lp([1.0]))
        assert not (tmp_path / name).exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_not_a_regular_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    refused(tmp_path / "pipe.npz", "is not a regular file")


def test_the_formats_of_the_docs_are_those_that_are_read():
    page = (Path(__file__).parent.parent / "docs" / "files.md").read_text()
    assert dict(re.findall(r"^\| `(\.\w+)` \| (.*) \|$", page, flags=re.MULTILINE)) == FORMATS


def test_a_target_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    problem = ck.lp([1.0])
    folder = tmp_path / "folder.npz"
    folder.mkdir()
    file = tmp_path / "file"
    file.write_text("not a folder")
    for target in (folder, tmp_path / "missing" / "x.npz", file / "x.npz", tmp_path / ("x" * 300)):
        with pytest.raises(ck.FormatError, match="cannot be written") as caught:
            ck.write_problem(target, problem)
        assert str(caught.value).startswith(f"{target}: ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.npz"]
    assert not list(folder.iterdir())


def test_a_failed_write_leaves_the_old_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "old.npz"
    ck.write_problem(path, ck.lp([1.0]))
    before = path.read_bytes()

    def full(stream, **arrays):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(ck.FormatError, match="No space left on device"):
        ck.write_problem(path, ck.lp([2.0]))

    def interrupted(stream, **arrays):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ck.write_problem(path, ck.lp([2.0]))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["old.npz"]


def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    ck.write_problem(tmp_path / "problem.npz", ck.lp([1.0]))
    assert (tmp_path / "problem.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_long_file_name_is_no_obstacle(tmp_path):
    path = tmp_path / ("n" * 250)
    ck.write_problem(path, ck.lp([1.0]))
    assert ck.read_problem(path).n == 1
