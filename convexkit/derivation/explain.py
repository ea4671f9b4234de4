"""`explain`: the derivation of the dual of a given problem, step by step."""

from __future__ import annotations

from typing import Any

from ..errors import ProblemError
from ..problem import QCQP
from .context import Derivation
from .dual_steps import dual, dual_function, infimum
from .evidence_steps import slater_condition, strong_duality
from .primal_steps import lagrangian, statement
from .script import Latex, Script

SCRIPTS = {"text": Script, "latex": Latex}
STEPS = (("The problem", statement), ("The Lagrangian", lagrangian), ("The infimum over x", infimum),
         ("The dual function", dual_function), ("The dual problem", dual), ("Slater's condition", slater_condition),
         ("Weak and strong duality", strong_duality))


def explain(problem: QCQP, *, format: str = "text", slater: Any = None) -> str:
    """The derivation of the problem's dual, step by step, with its own numbers.

    The problem; its Lagrangian; the infimum over x, and where it is finite; the dual function; the dual problem;
    Slater's condition with a strictly feasible point or the reason why there is none; and what weak and strong duality
    say of the optimal values, which are computed.

    Parameters
    ----------
    problem : QCQP
        One that is not convex is explained too: weak duality holds, strong duality is not guaranteed.
    format : "text" or "latex"
        LaTeX needs amsmath; it is a part of a document, without its head.
    slater : optional; a point that is strictly feasible, or a function of the problem
        The function returns an object with `holds`, `interior`, `x`, `margin` and `message`. By default the phase-I
        problem is solved.

    Returns
    -------
    str, to print

    Raises
    ------
    ProblemError
        If `problem` is no QCQP, or for another format.

    Notes
    -----
    A convex problem is solved twice: for a strictly feasible point, and itself. Problems of more than 6 variables
    or 16 multipliers are described by symbols and sizes. Boyd & Vandenberghe, sections 5.1 to 5.2.

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0)])
    >>> print(ck.explain(problem))
    1. The problem
        minimise    x² + 1
        subject to  x² - 6x + 8 ≤ 0    (λ = lam[0])
    All functions are convex: no P has a negative eigenvalue.
    <BLANKLINE>
    2. The Lagrangian
        L = x² + 1 + λ(x² - 6x + 8)
          = ½xᵀP(λ)x + q(λ)ᵀx + r(λ)
        P(λ) = [2 + 2λ]
        q(λ) = -6λ
        r(λ) = 1 + 8λ
    Multipliers of inequalities satisfy λ ≥ 0. Then L ≤ f₀(x) at every feasible x.
    <BLANKLINE>
    3. The infimum over x
    L is bounded below in x if P(λ) ⪰ 0 and q has nothing where P(λ) is flat.
    P₀ ≻ 0 and every other P ⪰ 0: P(λ) ≻ 0 for all λ ≥ 0, and the slope of L vanishes at x(λ) = -P(λ)⁻¹q(λ):
        x(λ) = 6λ/(2 + 2λ)
    <BLANKLINE>
    4. The dual function
        g(λ) = 1 + 8λ - ½(-6λ)²/(2 + 2λ)
    It is concave, as the infimum of functions that are affine in the multipliers.
    <BLANKLINE>
    5. The dual problem
        maximise    g(λ)
        subject to  λ ≥ 0
    As a problem of its own: ck.dual_problem(problem).problem is QCQP(n=4, 0 quadratic + 0 linear inequalities, \
1 equalities, 0 bounds, 1 cones).
    <BLANKLINE>
    6. Slater's condition
    It holds: at x = 3 every inequality has a slack of 1 at least.
    <BLANKLINE>
    7. Weak and strong duality
    Weak duality: g(λ) ≤ p* for all λ ≥ 0. At zero multipliers g is 1.
    The problem is convex and Slater's condition holds: p* = d*, and the dual optimum is attained.
        p* = 5 at x* = 2
        d* = 5 at λ = 2
    Complementary slackness: tight and priced are lam[0] = 2. Loosening such a row by a unit lowers p* by its price, \
to first order.
    """
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}. A cvxpy problem goes through "
                           "convexkit.cvxpy_bridge.from_cvxpy.")
    if format not in SCRIPTS:
        raise ProblemError(f"format = {format!r} is not known; choose one of {', '.join(map(repr, SCRIPTS))}.")
    derivation = Derivation(problem, SCRIPTS[format](), slater)
    parts = []
    for number, (title, step) in enumerate(STEPS, start=1):
        derivation.lines = [derivation.s.title(number, title)]
        step(derivation)
        parts.append("\n".join(derivation.lines))
    return "\n\n".join(parts)
