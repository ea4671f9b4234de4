"""The published efficient frontier of 31 assets (OR-Library, port1), met point by point."""

import importlib.util

import numpy as np
import pytest

import convexkit as ck

from .gallery import PORTFOLIO, frontier_problem, load_port1

# The last points ask for less variance than any portfolio has, up to the digits that were published.
GOOD = 1990
AGREEMENT = 2e-7


@pytest.fixture(scope="module")
def data():
    return load_port1()


def check(data, k):
    mean, covariance, frontier = data
    published, variance = frontier[k]
    problem = frontier_problem(mean, covariance, variance)
    solution = ck.solve(problem).require_optimal()
    assert solution.residuals.max() <= 1e-8
    assert -solution.value == pytest.approx(published, abs=AGREEMENT)
    assert solution.x @ covariance @ solution.x <= variance * (1 + 1e-7)
    assert solution.x.min() >= -1e-8
    assert solution.x.sum() == pytest.approx(1.0, abs=1e-8)


def test_the_data_are_those_of_31_assets_and_2000_portfolios(data):
    mean, covariance, frontier = data
    assert mean.shape == (31,)
    assert frontier.shape == (2000, 2)
    np.testing.assert_array_equal(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance)[0] > 0
    assert (np.diff(frontier, axis=0) <= 0).all()
    # The portfolio of most return is the asset of most return.
    assert frontier[0, 0] == mean.max()


@pytest.mark.parametrize("k", range(0, GOOD, 25))
def test_the_return_is_the_published_one(data, k):
    check(data, k)


@pytest.mark.slow
def test_the_return_is_the_published_one_at_every_point(data):
    for k in range(GOOD):
        check(data, k)


@pytest.mark.parametrize("k", range(GOOD, 2000))
def test_at_the_end_of_the_frontier_the_status_is_true(data, k):
    mean, covariance, frontier = data
    problem = frontier_problem(mean, covariance, frontier[k, 1])
    solution = ck.solve(problem)
    assert str(solution.status) in ("optimal", "optimal_inaccurate", "infeasible")
    if solution.status == "infeasible":
        assert solution.certificate.verify(problem)
        least = ck.solve(ck.qp(2.0 * covariance, np.zeros(31), A=np.ones((1, 31)), b=[1.0], lb=0.0), tol=1e-11)
        assert least.require_optimal().value > frontier[k, 1]
    elif solution.status == "optimal":
        assert solution.residuals.max() <= 1e-8
        assert -solution.value == pytest.approx(frontier[k, 0], abs=1e-5)
    else:
        assert solution.residuals.primal <= 1e-5
        if solution.residuals.max() > 1e-5:
            # Multipliers that do not exist: then the dual function has to prove the value.
            bound = ck.Lagrangian(problem).dual_function(solution.lam, solution.nu, solution.lam_lb, solution.lam_ub)
            assert abs(solution.value - bound) <= 2e-5 * abs(solution.value)


def test_prices_of_risk_are_the_slope_of_the_frontier(data):
    mean, covariance, frontier = data
    solution = ck.solve(frontier_problem(mean, covariance, frontier[1000, 1]), tol=1e-10).require_optimal()
    (above, v_above), (below, v_below) = frontier[995], frontier[1005]
    assert solution.lam[0] == pytest.approx((above - below) / (v_above - v_below), rel=2e-2)


def test_the_example_states_the_same_problem(data):
    path = PORTFOLIO / "portfolio.py"
    if not path.exists():
        pytest.skip("the example is not there")
    spec = importlib.util.spec_from_file_location("portfolio_example", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    mean, covariance, frontier = example.load_port1(PORTFOLIO)
    np.testing.assert_array_equal(mean, data[0])
    np.testing.assert_allclose(covariance, data[1], rtol=1e-15)
    np.testing.assert_array_equal(frontier, data[2])
    problem = example.capped_variance(mean, covariance, frontier[500, 1])
    assert ck.solve(problem).require_optimal().value == pytest.approx(-frontier[500, 0], abs=AGREEMENT)
