"""The public collections as they are: every file loads or is refused by name, and holds the problem that it should."""

import csv
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

import convexkit as ck

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not (DATA / "qplib").is_dir(), reason="the public problem sets are not here")]


def files(*folders, ext="npz"):
    found = [path for folder in folders for path in sorted((DATA / folder).glob(f"*.{ext}"))]
    return pytest.mark.parametrize("path", found, ids=lambda path: path.name)


def column(folder, name, key):
    with open(DATA / folder / "optimal_values.csv", newline="") as stream:
        return {row["name"]: float(row[key]) for row in csv.DictReader(stream)}[name]


@files("qplib", "qplib/nonconvex", "qplib/relaxed", "cutest", "cutest/nonconvex")
def test_every_problem_of_qplib_and_cutest_is_the_one_of_its_arrays(path):
    problem = ck.read_problem(path)
    with np.load(path) as archive:
        data = dict(archive)
    n = int(data["n"])
    assert problem.n == n
    x = np.random.default_rng(0).normal(size=n)
    quadratic = np.bincount(data["Q_k"], data["Q_v"] * x[data["Q_i"]] * x[data["Q_j"]], data["Q_up"].size) / 2
    objective = (data["P0_v"] * x[data["P0_i"]]) @ x[data["P0_j"]] / 2 + data["q0"] @ x + data["r0"]
    assert problem.objective(x) == pytest.approx(objective, rel=1e-9, abs=1e-9)
    curved = quadratic + np.bincount(data["G_k"], data["G_v"] * x[data["G_j"]], data["Q_up"].size)
    linear = np.bincount(data["A_i"], data["A_v"] * x[data["A_j"]], data["A_up"].size)
    # Sums of violations do not depend on the order of rows.
    equal = data["A_lo"] == data["A_up"]
    over = sum(np.maximum(value - high, 0.0).sum() for value, high in (
        (linear[~equal], data["A_up"][~equal]), (curved, data["Q_up"])))
    under = sum(np.maximum(low - value, 0.0).sum() for value, low in (
        (linear[~equal], data["A_lo"][~equal]), (curved, data["Q_lo"])))
    assert np.maximum(problem.inequality_values(x), 0.0).sum() == pytest.approx(over + under, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(problem.equality_values(x), (linear - data["A_up"])[equal], rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(problem.lb, data["lb"])
    np.testing.assert_array_equal(problem.ub, data["ub"])
    assert all(f.structure in ("sparse", "affine") for f in (problem.objective, *problem.inequalities))
    assert sp.issparse(problem.G) or not problem.h.size


@files("cutest/nonconvex")
def test_problems_that_are_not_convex_are_refused_by_solve_by_name(path):
    with pytest.raises(ck.NotConvexError, match=r"(inequalities\[\d+\]|objective)\.P is not positive semidefinite"):
        ck.solve(ck.read_problem(path))


@files("cblib", ext="cbf.gz")
def test_problems_of_cblib_load_or_are_refused_for_their_cone(path):
    with open(DATA / "cblib" / "optimal_values.csv", newline="") as stream:
        group = {row["name"]: row["group"] for row in csv.DictReader(stream)}[path.name.removesuffix(".cbf.gz")]
    if group == "exp":
        with pytest.raises(ck.FormatError, match="line 10: cone EXP is an exponential cone, which is not supported"):
            ck.read_problem(path)
    else:
        assert ck.read_problem(path).cones


@pytest.mark.parametrize(("folder", "name", "key", "rtol"), [
    ("cblib", "sambal", "obj_clarabel", 1e-6), ("cblib", "sched_50_50_scaled", "obj_clarabel", 1e-6),
    ("cutest", "HS22", "obj_ours", 1e-6), ("cutest", "DUALC5", "obj_ours", 1e-6)])
def test_cvxpy_finds_the_published_optimum_of_what_was_read(folder, name, key, rtol):
    cp = pytest.importorskip("cvxpy")
    problem = ck.read_problem(DATA / folder / (name + (".cbf.gz" if folder == "cblib" else ".npz")))
    x = cp.Variable(problem.n)

    def value(f):
        quadratic = 0.0 if f.is_affine else 0.5 * cp.quad_form(x, f.hessian())
        return quadratic + f.q @ x + f.r

    rows = [value(f) <= 0 for f in problem.inequalities]
    rows += [cp.SOC(sp.csr_matrix(cone.c) @ x + cone.d, cone.A @ x + cone.b) for cone in problem.cones]
    rows += [problem.G @ x <= problem.h] * bool(problem.h.size) + [problem.A @ x == problem.b] * bool(problem.p)
    for bound, sign in ((problem.lb, -1.0), (problem.ub, 1.0)):
        kept = np.flatnonzero(np.isfinite(bound))
        rows += [sign * x[kept] <= sign * bound[kept]] * bool(kept.size)
    model = cp.Problem(cp.Minimize(value(problem.objective)), rows)
    model.solve(solver=cp.CLARABEL)
    assert model.value == pytest.approx(column(folder, name, key), rel=rtol)


@pytest.mark.parametrize("name", [
    "HS118", "QAFIRO", "DUALC5", "QADLITTL", "QSHARE1B", "CVXQP1_M", "LISWET1", "QPILOTNO"])
def test_problems_of_maros_and_meszaros_come_back_through_qps(tmp_path, name):
    from .test_formats_mps import write_mps

    data = scipy.io.loadmat(DATA / "maros_meszaros" / f"{name}.mat")
    P, A = (sp.csr_matrix(data[key]).astype(float) for key in ("P", "A"))
    q, low, high = (data[key].ravel().astype(float) for key in "qlu")
    low, high = np.where(low < -9e19, -np.inf, low), np.where(high > 9e19, np.inf, high)
    equal = low == high
    upper, lower = ~equal & np.isfinite(high), ~equal & np.isfinite(low)
    problem = ck.qp(P, q, sp.vstack([A[upper], -A[lower]]), np.concatenate([high[upper], -low[lower]]), A[equal],
                    low[equal], r=float(data["r"].ravel()[0]))
    write_mps(tmp_path / "problem.qps", problem, "QMATRIX")
    again = ck.read_problem(tmp_path / "problem.qps")
    assert abs(again.objective.P - problem.objective.P).max() == 0.0
    np.testing.assert_array_equal(again.objective.q, q)
    assert again.objective.r == problem.objective.r
    assert abs(again.G - problem.G).max() == 0.0 if problem.h.size else not again.h.size
    assert abs(again.A - problem.A).max() == 0.0 if problem.p else not again.p
    np.testing.assert_array_equal(again.h, problem.h)
    np.testing.assert_array_equal(again.b, problem.b)


@files("qplib", "cutest")
def test_what_was_read_is_written_and_read_again(tmp_path, path):
    problem = ck.read_problem(path)
    ck.write_problem(tmp_path / "again.npz", problem)
    again = ck.read_problem(tmp_path / "again.npz")
    assert repr(again) == repr(problem)
    assert (tmp_path / "again.npz").stat().st_size < 3 * path.stat().st_size + 10_000
    x = np.random.default_rng(0).normal(size=problem.n)
    assert again.objective(x) == problem.objective(x)
    np.testing.assert_array_equal(again.inequality_values(x), problem.inequality_values(x))
    np.testing.assert_array_equal(again.equality_values(x), problem.equality_values(x))
