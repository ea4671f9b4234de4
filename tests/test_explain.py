"""The derivation in words: each step has the problem's own numbers, whatever the problem is."""

import re

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from convexkit import SlaterResult

from .gallery import CASES, disc, random_qcqp

STEPS = ["The problem", "The Lagrangian", "The infimum over x", "The dual function", "The dual problem",
         "Slater's condition", "Weak and strong duality"]


@pytest.mark.parametrize("name", CASES)
def test_every_problem_of_the_gallery_is_explained_in_seven_steps(name):
    problem = CASES[name]().problem
    text, latex = ck.explain(problem), ck.explain(problem, format="latex")
    assert [line for line in text.splitlines() if re.match(r"\d\. ", line)] == [
        f"{k}. {title}" for k, title in enumerate(STEPS, start=1)]
    assert re.findall(r"\\paragraph\{\d\. (.*)\.\}", latex) == STEPS
    assert "nan" not in text
    # Ours is LaTeX: braces and environments close, and a sentence has whole formulas.
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\begin{align*}") == latex.count(r"\end{align*}")
    assert latex.count("$") % 2 == 0
    assert not re.search(r"[λνα-ω₀-₉ᵀ≤≥⪰‖∞²]", latex)


def test_the_numbers_of_exercise_5_1_are_those_of_the_book():
    text = ck.explain(CASES["single_variable"]().problem)
    for line in ("x(λ) = 6λ/(2 + 2λ)", "g(λ) = 1 + 8λ - ½(-6λ)²/(2 + 2λ)", "p* = 5 at x* = 2", "d* = 5 at λ = 2"):
        assert line in text


def test_an_lp_has_its_dual_written_out():
    text = ck.explain(CASES["lp_two_rows"]().problem)
    for line in ("    maximise    -10λ₁ - 15λ₂", "    subject to  -4 + λ₁ + 2λ₂ - α₁ = 0",
                 "                -3 + λ₁ + λ₂ - α₂ = 0", "    d* = -35 at λ = (2, 1), α = (0, 0)"):
        assert line in text.splitlines()


def test_an_equality_constrained_qp_shows_the_inverse_and_the_sign_of_nu():
    text = ck.explain(CASES["equality_qp"]().problem)
    assert "P₀⁻¹ = [0.5714  0  -0.1429;  0  0.3333  0;  -0.1429  0  0.2857]" in text
    assert "Multipliers of equalities have either sign." in text


def test_a_flat_direction_makes_an_equation_of_the_dual():
    text = ck.explain(ck.qp(np.diag([1.0, 0.0]), [1.0, 1.0], lb=[-np.inf, -1.0]))
    assert "P₀ is flat in 1 of 2 directions. There the slope has to vanish:\n    1 - α₂ = 0" in text
    # Along (2, -1), where 1/2·(x₁ + 2x₂)² is flat.
    slanted = ck.explain(ck.qp(np.outer([1.0, 2.0], [1.0, 2.0]), [1.0, 2.0], A=[[1.0, 0.0]], b=[1.0]))
    assert re.search(r"There the slope has to vanish:\n    -?0.8944ν = 0", slanted)


@pytest.mark.parametrize(("problem", "words"), [
    (CASES["touching_discs"]().problem, ["every feasible point has equality in inequalities[0], inequalities[1]",
                                         "strong duality is not guaranteed", "on their way to infinity"]),
    (CASES["disjoint_discs"]().problem, ["It does not hold: no point is feasible.",
                                         "p* is plus infinity"]),
    (CASES["contradictory_equalities"]().problem, ["It does not hold: no point is feasible."]),
    (CASES["unbounded_lp"]().problem, ["p* is minus infinity, and so is g everywhere"]),
    (CASES["no_constraints"]().problem, ["There are no constraints, and no multipliers.", "p* = 2 at x* = (1, -0.5)"]),
    (CASES["ball_qp_with_interior_minimum"]().problem, ["no inequality has a price"]),
    (ck.QCQP(ck.Quadratic(None, [1.0, 1.0]), [disc([0.0, 0.0])], G=[[1.0, 0.0], [-1.0, 0.0]], h=[0.0, 0.0]),
     ["every curved row and cone has a slack of",
      "Affine rows need none (every feasible point has equality in G[0], G[1]"]),
    (CASES["unbounded_without_a_ray"]().problem, ["7. Weak and strong duality"]),
])
def test_slater_and_strong_duality_are_said_as_they_are(problem, words):
    text = ck.explain(problem)
    for word in words:
        assert word in text


def test_a_problem_that_is_not_convex_is_explained_without_an_error():
    one = ck.explain(ck.QCQP(ck.Quadratic([[-1.0]]), [ck.Quadratic([[2.0]], [0.0], -1.0)]))
    for words in ("The problem is not convex: objective.P has the eigenvalue -1.", "falls to -1: there is one",
                  "p* = d* = -0.5 at λ = 0.5", "[P(λ)  q(λ);  q(λ)ᵀ  2(r(λ) - γ)] ⪰ 0"):
        assert words in one
    box = ck.explain(ck.qp(np.diag([1.0, -1.0]), [1.0, 0.0], lb=-1.0, ub=1.0))
    for words in ("g(α, β) = -∞", "It has no feasible point. State what curves", "strong duality is not guaranteed"):
        assert words in box
    two = ck.explain(ck.QCQP(ck.Quadratic([[-1.0]]), [disc([0.0], 1.0), disc([0.5], 1.0)]))
    assert "The best of equal multipliers for all curved rows" in two
    assert "proves p* ≥ " in two
    # No multipliers make up for a curvature that no row has.
    hopeless = ck.explain(ck.QCQP(ck.Quadratic(np.diag([-1.0, 0.0])), [ck.Quadratic(np.diag([0.0, 2.0]), None, -1.0)]))
    assert "Equal multipliers of the curved rows, of any size, give no bound" in hopeless
    empty = ck.explain(ck.QCQP(ck.Quadratic([[-1.0]]), [ck.Quadratic([[2.0]], [0.0], 1.0)]))
    assert "falls to 1 only: there is none" in empty
    many = ck.explain(ck.QCQP(ck.Quadratic([[-1.0]]), [ck.Quadratic([[-2.0]], [0.0], 1.0)] * 2))
    assert "(and so on: 3 of them have negative ones)" in many


def test_the_bound_of_equal_multipliers_is_the_best_of_them():
    # -½x² on two discs: with lam = t for both, g(t) = r - ½q²/P is largest where a fine grid says.
    problem = ck.QCQP(ck.Quadratic([[-1.0]]), [disc([0.0], 1.0), disc([0.5], 1.0)])
    L = ck.Lagrangian(problem)
    best = max(L.dual_function([t, t]) for t in np.linspace(0.25, 2.0, 2_001))
    said = float(re.search(r"proves p\* ≥ (-?\d+\.\d+)", ck.explain(problem)).group(1))
    assert said == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("make", [
    lambda rng: random_qcqp(30, 3, rng, linear=20, equalities=4, bounds=True),
    lambda rng: ck.qp(sp.eye_array(50, format="csr"), rng.standard_normal(50), A=np.ones((1, 50)), b=[1.0], lb=0.0),
    lambda rng: ck.lp(rng.random(40), G=-np.eye(40), h=np.zeros(40)),
    lambda rng: ck.QCQP(ck.Quadratic.from_factor(rng.standard_normal((2, 30)), diag=1.0),
                        cones=[ck.SecondOrderCone(np.eye(30), d=1.0)]),
])
def test_large_problems_are_described_by_symbols_and_sizes(make):
    text = ck.explain(make(np.random.default_rng(1)))
    assert "These are too many numbers to write out" in text
    assert max(len(line) for line in text.splitlines()) < 400
    assert "p* = " in text


def test_cones_are_written_with_their_multipliers():
    text = ck.explain(ck.socp([3.0, 4.0], [ck.SecondOrderCone(np.eye(2), d=1.0)]))
    for words in ("‖(x₁, x₂)‖ ≤ 1    ((z₀, z₁, z₂) = lam_cones[0])", "satisfy ‖z‖ ≤ z₀", "d* = -5 at z = (5, 3, 4)"):
        assert words in text
    two = ck.explain(ck.socp([1.0], [ck.SecondOrderCone([[1.0]], d=1.0), ck.SecondOrderCone([[1.0]], c=[1.0], d=3.0)]))
    assert "‖x‖ ≤ x + 3" in two
    assert "(z₂₀, z₂₁) = lam_cones[1]" in two


def test_a_strictly_feasible_point_or_a_search_of_one_s_own_can_be_given():
    problem = CASES["single_variable"]().problem
    assert "at x = 2.5 every inequality has a slack of 0.75 at least" in ck.explain(problem, slater=[2.5])
    # A point on the edge is no such point: the search is made.
    assert "at x = 3 every inequality" in ck.explain(problem, slater=[2.0])
    own = SlaterResult(None, False, None, np.nan, (), (), "nobody looked.")
    assert "It could not be decided: nobody looked." in ck.explain(problem, slater=lambda p: own)
    with pytest.raises(ck.ProblemError, match="slater has length 2; expected 1"):
        ck.explain(problem, slater=[1.0, 2.0])


def test_the_margin_of_phase_one_is_that_of_the_point():
    rng = np.random.default_rng(2)
    problem = random_qcqp(4, 2, rng, linear=3, equalities=1, bounds=True)
    found = ck.slater(problem)
    assert found.holds
    assert found.interior
    assert found.margin > 0
    slacks = np.concatenate([-problem.inequality_values(found.x), found.x - problem.lb, problem.ub - found.x])
    assert slacks.min() == pytest.approx(found.margin)
    np.testing.assert_allclose(problem.equality_values(found.x), 0.0, atol=1e-8)
    # Each structure of P goes through phase I.
    for P in (np.eye(3), sp.eye_array(3, format="csr"), lambda v: v, None):
        f = ck.Quadratic(P, np.zeros(3), -1.0)
        assert ck.slater(ck.QCQP(ck.Quadratic(None, np.ones(3)), [f])).margin == pytest.approx(1.0, rel=1e-6)
    factored = ck.Quadratic.from_factor(np.eye(3)[:1], r=-1.0)
    assert ck.slater(ck.QCQP(factored, [factored])).margin == pytest.approx(1.0, rel=1e-6)


def test_what_cannot_be_explained_is_refused_by_name():
    with pytest.raises(ck.ProblemError, match=r"problem must be a QCQP; got str\. A cvxpy problem goes through"):
        ck.explain("minimise x")
    with pytest.raises(ck.ProblemError, match="format = 'html' is not known; choose one of 'text', 'latex'"):
        ck.explain(CASES["lp_two_rows"]().problem, format="html")
