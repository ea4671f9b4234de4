"""Solvers to race: convexkit, and others where they are installed, each called as its own users would call it.

    METHODS["clarabel"].available()          # False where the package is missing
    METHODS["clarabel"].solve(problem, Options(tol=1e-8))

Every method starts from the arrays of a `QCQP` and ends with a point, so that all conversions that a user has to make
(Cholesky factors for cones, stacking for callbacks, or convexkit's own checks of its input) are part of its time.
Nothing is imported before it is used.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import convexkit as ck

from .base import Answer, CannotState, Options, Rows, claim
from .callbacks import DenseStack, with_cp, with_ipopt, with_slsqp
from .conic import batch_with_moreau, with_clarabel, with_coneqp, with_ecos, with_moreau, with_qoco, with_scs
from .own import closed_form, many_with_convexkit, warm_with_convexkit, with_convexkit
from .quadratic_programs import with_daqp, with_highs, with_osqp, with_piqp, with_proxqp, with_quadprog

__all__ = ["METHODS", "Answer", "CannotState", "DenseStack", "Method", "Options", "Rows", "claim"]

Solve = Callable[..., Answer]


@dataclass(frozen=True)
class Method:
    """A way to solve a problem. `package` is what is imported, `many` a way of its own to solve a batch."""

    name: str
    package: str
    solve: Solve
    many: Callable[[Sequence[ck.QCQP], Options], list[Answer]] | None = None
    conic: bool = False  # knows factors of P's that occur in several problems
    two_sided: bool = False  # takes linear rows with both sides

    def available(self) -> bool:
        return importlib.util.find_spec(self.package) is not None

    def version(self) -> str:
        if self.package == "convexkit":
            return ck.__version__
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:  # distributed under another name
            return str(getattr(importlib.import_module(self.package), "__version__", "unknown"))

    def run(self, problems: Sequence[ck.QCQP], options: Options) -> list[Answer]:
        """One after the other, unless the method has a way of its own."""
        if self.many is not None and len(problems) > 1:
            return self.many(problems, options)
        if len(problems) == 1 or not self.conic or len({id(f.P) for p in problems for f in p.inequalities}) > 1:
            return [self.solve(problem, options) for problem in problems]
        factors: dict[int, Any] = {}  # one P in all problems is factored once
        return [self.solve(problem, options, factors=factors) for problem in problems]


class ConvexkitWarm(Method):
    """Available where `solve` knows the option."""

    def available(self) -> bool:
        return "warm_start" in inspect.signature(ck.solve).parameters


METHODS: dict[str, Method] = {method.name: method for method in [
    Method("convexkit", "convexkit", with_convexkit, many_with_convexkit),
    ConvexkitWarm("convexkit warm", "convexkit", with_convexkit, warm_with_convexkit),
    Method("clarabel", "clarabel", with_clarabel, conic=True),
    Method("moreau", "moreau", with_moreau, conic=True),
    Method("moreau batch", "moreau", with_moreau, batch_with_moreau),
    Method("ecos", "ecos", with_ecos, conic=True),
    Method("scs", "scs", with_scs, conic=True),
    Method("qoco", "qoco", with_qoco, conic=True),
    Method("cvxopt cp", "cvxopt", with_cp),
    Method("cvxopt coneqp", "cvxopt", with_coneqp, conic=True),
    Method("ipopt", "cyipopt", with_ipopt),
    Method("slsqp", "scipy", with_slsqp),
    Method("piqp", "piqp", with_piqp, two_sided=True),
    Method("osqp", "osqp", with_osqp, two_sided=True),
    Method("proxqp", "proxsuite", with_proxqp, two_sided=True),
    Method("daqp", "daqp", with_daqp, two_sided=True),
    Method("quadprog", "quadprog", with_quadprog),
    Method("highs", "highspy", with_highs, two_sided=True),
    Method("closed form", "scipy", closed_form),
]}
