"""The verdict on a case: its own checks, the evidence on the data as given, and cvxpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec

import convexkit as ck

from .case import Case, Chapter, Check
from .oracle import checks as beside_cvxpy

KINDS = ("closed form, theory, enumeration", "cvxpy, now", "figures found elsewhere")


def evidence(case: Case) -> tuple[Check, ...]:
    """What each status claims, judged again on the data: KKT residuals or a certificate; and weak duality."""
    answer = case.answer
    found = []
    for problem, solution in answer.solved:
        if solution.certificate is not None:
            found.append(Check(f"certificate that the problem is {solution.status} verifies",
                               solution.certificate.verify(problem), True, "evidence"))
        else:
            residuals = ck.kkt_residuals(problem, solution.x, solution.lam, solution.nu, solution.lam_lb,
                                         solution.lam_ub, solution.lam_cones)
            found.append(Check("largest KKT residual", residuals.max(), 0.0, "evidence", 1e-8))
    if answer.value is not None and answer.dual_value is not None:
        found.append(Check("d* ≤ p*", answer.dual_value, answer.value, "weak duality", 1e-7, "at most"))
    return tuple(found)


def by_cvxpy(case: Case) -> tuple[Check, ...]:
    """Each problem that was solved, said again in cvxpy, and what the case compares itself."""
    found = [check for problem, solution in case.answer.solved for check in beside_cvxpy(problem, solution)]
    return (*found, *(case.by_cvxpy() if case.by_cvxpy is not None else ()))


def cvxpy_is_here() -> bool:
    """Whether cvxpy is installed."""
    return find_spec("cvxpy") is not None


def all_checks(case: Case) -> tuple[Check, ...]:
    """Everything; without cvxpy, everything else."""
    return (*case.answer.checks, *evidence(case), *(by_cvxpy(case) if cvxpy_is_here() else ()))


def kind(check: Check) -> str:
    """Which of KINDS a check compares with."""
    if check.source.startswith("cvxpy"):
        return KINDS[1]
    return KINDS[2] if check.source.startswith(("other solver", "book, ", "printed")) else KINDS[0]


def table(chapters: Iterable[Chapter], seen: Callable[[Case], None] = lambda case: None) -> tuple[str, bool]:
    """The rows passed per chapter and the worst disagreement of each kind, as text; and whether all passed."""
    lines, failed = ["chapter  rows  passed  checks"], []
    worst: dict[str, tuple[float, str]] = {}
    for chapter in chapters:
        passed = count = 0
        for case in chapter.cases:
            found = all_checks(case)
            count += len(found)
            bad = [check for check in found if not check.passed]
            passed += not bad
            failed += [f"FAILED {case.id}: {c.name} is {c.ours}, {c.source}: {c.reference}" for c in bad]
            for check in found:
                of_kind = kind(check)
                if check.kind == "equal" and check.error > worst.get(of_kind, (0.0, ""))[0]:
                    where = f"{case.id}, {check.name} ({check.source}; {check.rtol:.0e} is allowed)"
                    worst[of_kind] = (check.error, where)
            seen(case)
        lines.append(f"{chapter.number:7d} {len(chapter.cases):5d} {passed:7d} {count:7d}")
    lines += ["", "worst disagreement with"]
    lines += [f"  {name}: {worst[name][0]:.1e} at {worst[name][1]}" for name in KINDS if name in worst]
    if not cvxpy_is_here():
        lines.append("  cvxpy is not installed: pip install 'convexkit[cvxpy]' compares with it too")
    return "\n".join([*lines, *failed]), not failed
