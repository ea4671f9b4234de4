"""One suite for every KKT backend: each solves the linear system that the protocol states."""

import gc
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import splu

import convexkit as ck
from convexkit.interior_point import Settings, libraries
from convexkit.interior_point.backends import choose_backend
from convexkit.interior_point.cones import NesterovTodd
from convexkit.interior_point.dense_cholesky import DenseCholesky
from convexkit.interior_point.form import Form
from convexkit.interior_point.low_rank import Banded, Woodbury
from convexkit.interior_point.sparse_ldl import SparseLDL

N = 40


def dense_problem(rng, extras):
    def quadratic():
        F = rng.standard_normal((N, N))
        return ck.Quadratic(F.T @ F / N, rng.standard_normal(N), -1.0)
    return ck.QCQP(quadratic(), [quadratic() for _ in range(3)], **extras)


def factored_problem(rng, extras):
    def quadratic():
        return ck.Quadratic.from_factor(rng.standard_normal((2, N)), rng.random(N) + 0.1, rng.standard_normal(N), -1.0)
    return ck.QCQP(quadratic(), [quadratic() for _ in range(3)], **extras)


def band(rng, width):
    diagonals = [rng.standard_normal(N - k) for k in range(1, width + 1)]
    P = sp.diags_array(diagonals, offsets=list(range(1, width + 1)), shape=(N, N))
    return (P + P.T + 4 * width * sp.eye_array(N)).tocsr()


def sparse_problem(rng, extras):
    rows = {key: sp.csr_array(value) if key in ("G", "A") else value for key, value in extras.items()}
    return ck.QCQP(ck.Quadratic(band(rng, 2), rng.standard_normal(N)),
                   [ck.Quadratic(band(rng, 1), rng.standard_normal(N), -1.0) for _ in range(3)], **rows)


def extras(rng, *, linear=0, equalities=0, bounds=False, cones=()):
    found = {}
    if linear:
        found |= {"G": rng.standard_normal((linear, N)), "h": rng.random(linear) + 0.5}
    if equalities:
        found |= {"A": rng.standard_normal((equalities, N)), "b": np.zeros(equalities)}
    if bounds:
        found |= {"lb": -rng.random(N) - 0.1, "ub": rng.random(N) + 0.1}
    if cones:
        found["cones"] = [ck.SecondOrderCone(rng.standard_normal((k, N)), rng.standard_normal(k), None, 5.0)
                          for k in cones]
    return found


@pytest.fixture
def dense_layout_only(monkeypatch):
    """Small problems are kept dense; the sparse backends are to be tried on small ones all the same."""
    monkeypatch.setattr("convexkit.interior_point.form.SMALL", 0)
    monkeypatch.setattr("convexkit.interior_point.form.FULL", 1.0)


MAKERS = {DenseCholesky: dense_problem, Woodbury: factored_problem, Banded: sparse_problem, SparseLDL: sparse_problem}
SHAPES = {
    "plain": {}, "bounds": {"bounds": True}, "rows": {"linear": 5}, "equalities": {"equalities": 3},
    "all rows": {"linear": 4, "equalities": 2, "bounds": True}, "small cones": {"cones": (1, 3, 2), "linear": 2},
    "a large cone": {"cones": (12,), "equalities": 2, "bounds": True}, "many cones": {"cones": (9, 1, 4, 15)},
}


def interior(rng, form, spread):
    """A vector inside its cones, entries from 10**-spread to 10**spread."""
    v = 10.0 ** rng.uniform(-spread, spread, form.m)
    part = form.cones.part
    if form.cones.count:
        v[part] = rng.standard_normal(form.cones.total)
        tails = form.cones.tail_norm(v[part])
        v[part.start + form.cones.heads] = tails * (1.0 + 10.0 ** rng.uniform(-spread, 0, form.cones.count)) + 1e-3
    return v


def dense_of(matrix):
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)


def stated_system(problem, form, J, c, weights, scaling):
    """The matrix of the protocol, assembled entry by entry."""
    curved = [f for f in problem.inequalities if f.P is not None]
    H = c * problem.objective.hessian() + sum(w * f.hessian() for w, f in zip(weights, curved, strict=True))
    low, high = np.zeros((form.low.size, form.n)), np.zeros((form.high.size, form.n))
    low[np.arange(form.low.size), form.low] = -form.d_low
    high[np.arange(form.high.size), form.high] = form.d_high
    rows = np.concatenate([dense_of(J), low, high])
    square = np.linalg.inv(np.stack([scaling.inverse_square(e) for e in np.eye(form.m)], axis=1))
    A = dense_of(form.A)
    zero = np.zeros
    return np.block([[H, rows.T, A.T], [rows, -square, zero((form.m, form.p))],
                     [A, zero((form.p, form.m)), zero((form.p, form.p))]])


@pytest.mark.parametrize("spread", [0.5, 2.0])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("backend", MAKERS)
@pytest.mark.usefixtures("dense_layout_only")
def test_a_backend_solves_the_linear_system_that_its_protocol_states(backend, shape, spread):
    rng = np.random.default_rng(7)
    problem = MAKERS[backend](rng, extras(rng, **SHAPES[shape]))
    form = Form(problem, Settings().scaling_passes)
    if backend in (Woodbury, Banded):
        assert backend.suits(form) or form.rows.shape[0] + form.p + 8 > N // 2
    system = backend(form, Settings())
    x = rng.standard_normal(N)
    form.curvature.gradients(1.0, form.d, form.curvature.products(x)[1], system.J)
    scaling = NesterovTodd(form.cones, interior(rng, form, spread), interior(rng, form, spread))
    c, weights = 0.7, 10.0 ** rng.uniform(-2, 2, form.mq)
    assert system.factor(c, weights, scaling)
    matrix = stated_system(problem, form, system.J, c, weights, scaling)
    rhs = rng.standard_normal(matrix.shape[0])
    solution = np.concatenate(system.solve(rhs[:N], rhs[N:N + form.m], rhs[N + form.m:]))
    expected = np.linalg.solve(matrix, rhs)
    np.testing.assert_allclose(solution, expected, rtol=1e-6, atol=1e-8 * abs(expected).max())


@pytest.mark.parametrize("backend", [DenseCholesky, SparseLDL])
@pytest.mark.usefixtures("dense_layout_only")
def test_a_singular_hessian_is_made_definite_by_the_equalities(backend):
    P, A = np.diag([1.0, 0.0, 0.0]), np.array([[0.0, 1.0, -1.0], [0.0, 1.0, 1.0]])
    sparse = backend is SparseLDL
    problem = ck.qp(sp.csr_array(P) if sparse else P, np.zeros(3), A=sp.csr_array(A) if sparse else A, b=[1.0, 2.0])
    form = Form(problem, Settings().scaling_passes)
    nothing = np.zeros(0)
    system = backend(form, Settings())
    assert system.factor(1.0, nothing, NesterovTodd(form.cones, nothing, nothing))
    rhs_x, rhs_y = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0])
    dx, _, dnu = system.solve(rhs_x, nothing, rhs_y)
    A = dense_of(form.A)
    np.testing.assert_allclose(P @ dx + A.T @ dnu, rhs_x, atol=1e-9)
    np.testing.assert_allclose(A @ dx, rhs_y, atol=1e-9)


@pytest.mark.parametrize("backend", [DenseCholesky, SparseLDL])
@pytest.mark.usefixtures("dense_layout_only")
def test_dependent_equalities_still_give_one_of_the_solutions(backend):
    rng = np.random.default_rng(3)
    A = rng.standard_normal((2, 5))
    A = np.vstack([A, A[0] + A[1], 2 * A[1], np.zeros(5)])
    sparse = backend is SparseLDL
    problem = ck.qp(sp.eye_array(5).tocsr() if sparse else np.eye(5), np.ones(5), A=sp.csr_array(A) if sparse else A,
                    b=A @ np.ones(5))
    form = Form(problem, Settings().scaling_passes)
    nothing = np.zeros(0)
    system = backend(form, Settings())
    assert system.factor(1.0, nothing, NesterovTodd(form.cones, nothing, nothing))
    A = dense_of(form.A)
    rhs_x, rhs_y = rng.standard_normal(5), A @ rng.standard_normal(5)
    dx, _, dnu = system.solve(rhs_x, nothing, rhs_y)
    np.testing.assert_allclose(dx + A.T @ dnu, rhs_x, atol=1e-8)
    np.testing.assert_allclose(A @ dx, rhs_y, atol=1e-8)


@pytest.mark.parametrize("backend", MAKERS)
@pytest.mark.usefixtures("dense_layout_only")
def test_a_matrix_that_is_not_finite_cannot_be_factored(backend):
    rng = np.random.default_rng(0)
    form = Form(MAKERS[backend](rng, extras(rng, bounds=True)), Settings().scaling_passes)
    system = backend(form, Settings())
    good = np.ones(form.m)
    with np.errstate(all="ignore"):
        assert not system.factor(np.nan, np.ones(form.mq), NesterovTodd(form.cones, good, good))
        assert not system.factor(1.0, np.ones(form.mq), NesterovTodd(form.cones, np.zeros(form.m), good))


@pytest.mark.parametrize("library", ["qdldl", "SuperLU", "MKL Pardiso"])
def test_every_library_solves_a_sparse_problem_alike(monkeypatch, library):
    module = {"qdldl": "qdldl", "MKL Pardiso": "pypardiso"}.get(library)
    if module:
        pytest.importorskip(module)
    if library != "qdldl":
        monkeypatch.setitem(sys.modules, "qdldl", None)
        monkeypatch.setattr(libraries, "LARGE", 0)
    if library == "SuperLU":
        monkeypatch.setitem(sys.modules, "pypardiso", None)
    n = 300
    D = sp.diags_array([np.ones(n), -np.ones(n - 1)], offsets=[0, 1]).tocsr()
    problem = ck.qp(sp.eye_array(n).tocsr(), np.sin(np.arange(n)), G=D, h=np.full(n, 0.1),
                    A=sp.csr_array(np.ones((1, n))), b=[1.0])
    solution = ck.solve(problem)
    assert solution.success
    assert solution.message.endswith(f"sparse LDL ({library}).")
    dense = ck.solve(ck.qp(np.eye(n), problem.objective.q, G=D.toarray(), h=problem.h, A=np.ones((1, n)), b=[1.0]))
    assert dense.message.endswith("dense Cholesky.")
    assert solution.value == pytest.approx(dense.value, rel=1e-7)


def test_the_backend_follows_from_the_data():
    rng = np.random.default_rng(1)
    n = 400
    chain = sp.diags_array([np.full(n - 1, -1.0), np.full(n, 2.5), np.full(n - 1, -1.0)], offsets=[-1, 0, 1]).tocsr()
    full = chain.toarray()
    F = rng.standard_normal((3, n))
    many = [ck.Quadratic.from_factor(rng.standard_normal((2, 6)), r=-1.0) for _ in range(50)]
    cases = {
        DenseCholesky: [ck.QCQP(ck.Quadratic(full), [ck.Quadratic(full, None, -1.0)]),
                        ck.QCQP(ck.Quadratic(np.eye(6)), many)],
        Woodbury: [ck.QCQP(ck.Quadratic(None, np.ones(n)), [ck.Quadratic.from_factor(F, 1.0, r=-1.0)], lb=0.0)],
        Banded: [ck.QCQP(ck.Quadratic(chain, np.ones(n)), [ck.Quadratic(chain, None, -1.0)])],
        SparseLDL: [ck.qp(chain, np.ones(n), G=chain, h=np.ones(n))],
    }
    for backend, problems in cases.items():
        for problem in problems:
            assert type(choose_backend(Form(problem, 8), Settings())) is backend


def test_one_problem_in_three_structures_has_one_answer():
    rng = np.random.default_rng(5)
    n = 120
    F = sp.random_array((4, n), density=0.3, rng=rng).tocsr()
    d = rng.random(n) + 0.5
    q = rng.standard_normal(n)
    P = (F.T @ F + sp.diags_array(d)).tocsr()
    answers = {}
    for name, f in {"dense": ck.Quadratic(P.toarray(), None, -1.0), "sparse": ck.Quadratic(P, None, -1.0),
                    "factored": ck.Quadratic.from_factor(F.toarray(), d, None, -1.0)}.items():
        answers[name] = ck.solve(ck.QCQP(ck.Quadratic(None, q), [f], lb=-0.2, A=np.ones((1, n)), b=[0.5]))
        assert answers[name].success, answers[name].message
    values = [solution.value for solution in answers.values()]
    assert max(values) - min(values) <= 1e-6 * abs(values[0])
    assert answers["factored"].message.endswith("diagonal plus low rank.")


class SmallPardiso:
    """What `Pardiso` uses of pypardiso, done by SuperLU: phases 11, 22, 33 on the upper triangle by rows."""

    class PyPardisoSolver:
        def __init__(self, mtype):
            assert mtype == -2
            self.phases, self.settings, self.freed = [], {}, []

        def set_iparm(self, number, value):
            self.settings[number] = value

        def set_phase(self, phase):
            self.phases.append(phase)

        def free_memory(self, everything=False):
            self.freed.append(everything)

        def _call_pardiso(self, matrix, rhs):
            if not np.isfinite(matrix.data).all():
                raise ArithmeticError("error -4: zero pivot")
            assert (sp.tril(matrix, -1)).nnz == 0
            if self.phases[-1] == 22:
                self.factors = splu((matrix + sp.triu(matrix, 1).T).tocsc())
            return self.factors.solve(rhs) if self.phases[-1] == 33 else rhs


def test_pardiso_is_given_the_upper_triangle_and_freed():
    rng = np.random.default_rng(2)
    half = sp.random_array((30, 30), density=0.1, rng=rng)
    matrix = (half + half.T + sp.diags_array(np.where(np.arange(30) < 20, 5.0, -5.0))).tocsc()
    pardiso = libraries.Pardiso(matrix, SmallPardiso)
    solver = pardiso._solver
    rhs = rng.standard_normal(30)
    np.testing.assert_allclose(matrix @ pardiso.factor(matrix)(rhs), rhs, atol=1e-10)
    assert solver.phases == [11, 22, 33]
    matrix.data[0] = np.nan
    with pytest.raises(RuntimeError, match="zero pivot"):
        pardiso.factor(matrix)
    del pardiso
    gc.collect()
    assert solver.freed == [True]


def test_a_large_system_whose_factors_fill_up_goes_to_pardiso_where_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypardiso", SmallPardiso)
    monkeypatch.setattr(libraries, "SPARSE_FACTOR", 1)
    pattern = sp.eye_array(50, format="csc") + sp.csc_array(np.ones((50, 50)))
    assert libraries.choose_library(pattern, curved=False).name == "SuperLU"
    monkeypatch.setattr(libraries, "LARGE", 50)
    assert libraries.choose_library(pattern, curved=False).name == "MKL Pardiso"
    assert libraries.choose_library(pattern, curved=True).name == "SuperLU"
