"""BLAS takes one thread in a solve, all for a large factorization, and afterwards what it took before."""

import threading

import numpy as np
import pytest

import convexkit as ck
from convexkit.interior_point import all_threads, limited_threads

threadpoolctl = pytest.importorskip("threadpoolctl")


def counts():
    return [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def two_threads():
    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        if set(counts()) != {2}:
            pytest.skip("BLAS cannot take two threads here")
        yield


def test_a_solve_takes_one_thread_and_puts_the_number_back():
    seen = []
    ck.solve(ck.qp(np.eye(3), [1.0, 2.0, 3.0], lb=0.0), callback=lambda record: seen.append(counts()))
    assert seen
    assert all(set(numbers) == {1} for numbers in seen)
    assert set(counts()) == {2}


def test_the_number_is_put_back_after_an_error():
    def fail(record):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ck.solve(ck.qp(np.eye(3), [1.0, 2.0, 3.0], lb=0.0), callback=fail)
    assert set(counts()) == {2}


def test_large_factorizations_take_all_threads_and_small_ones_one():
    with limited_threads():
        with all_threads(5000):
            assert set(counts()) == {2}
        assert set(counts()) == {1}
        with all_threads(50):
            assert set(counts()) == {1}


def test_a_solve_in_another_thread_leaves_the_number_as_it_was():
    answers = []
    problem = ck.qp(np.eye(3), [1.0, 2.0, 3.0], lb=-5.0)
    worker = threading.Thread(target=lambda: answers.append(ck.solve(problem).success))
    worker.start()
    ck.solve(problem)
    worker.join()
    assert answers == [True]
    assert set(counts()) == {2}


def test_one_context_within_another_changes_nothing_on_leaving():
    with limited_threads():
        with limited_threads():
            assert set(counts()) == {1}
        assert set(counts()) == {1}
        with all_threads(5000):
            assert set(counts()) == {2}
    assert set(counts()) == {2}


def test_outside_of_a_solve_nothing_is_changed():
    with all_threads(5000):
        assert set(counts()) == {2}
    assert set(counts()) == {2}
