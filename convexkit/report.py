"""Solutions as text, as JSON-ready data, and as a picture of the iterations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import MissingDependencyError, ProblemError
from .problem import QCQP
from .solution import IterationRecord, Solution

ITERATION_HEADER = (f"{'iter':>4} {'value':>13} {'dual value':>12} {'primal':>8} {'dual':>8} {'gap':>8} {'step':>7} "
                    f"{'tau':>8} {'kappa':>8} {'seconds':>9}")


def iteration_line(record: IterationRecord) -> str:
    """One iteration as a line under `ITERATION_HEADER`.

    Examples
    --------
    >>> import convexkit as ck
    >>> record = ck.IterationRecord(3, 0.5, 0.25, 1e-3, 1e-4, 0.25, 0.9, 1.0, 0.1, 0.01, 0.002)
    >>> print(ck.report.iteration_line(record)[:18])
       3  5.000000e-01
    """
    r = record
    return (f"{r.iteration:4d} {r.value:13.6e} {r.dual_value:12.5e} {r.primal:8.1e} {r.dual:8.1e} {r.gap:8.1e} "
            f"{r.step:7.4f} {r.tau:8.1e} {r.kappa:8.1e} {r.seconds:9.4f}")


def summary(problem: QCQP, solution: Solution) -> str:
    """Status, value, evidence and time as a few lines of text.

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.lp([1.0], lb=2.0, ub=3.0)
    >>> print(ck.report.summary(problem, ck.solve(problem)).splitlines()[0])
    status          optimal
    """
    if not isinstance(problem, QCQP) or not isinstance(solution, Solution):
        raise ProblemError("summary takes the problem, then its solution.")
    lines = [f"status          {solution.status}", f"problem         {problem!r}"]
    residuals = solution.residuals
    if residuals is not None:
        lines += [
            f"value           {solution.value:.10g}",
            f"dual value      {solution.dual_value:.10g}",
            f"gap             {residuals.gap:.1e} (relative)",
            f"stationarity    {residuals.stationarity:.1e}",
            f"primal          {residuals.primal:.1e}" + (f"   ({residuals.where})" if residuals.where else ""),
            f"dual            {residuals.dual:.1e}",
            f"complementarity {residuals.complementarity:.1e}",
        ]
        if solution.lam_cones:
            heads = [float(z[0]) for z in solution.lam_cones]
            k = int(np.argmax(heads))
            lines.append(f"lam_cones       up to {heads[k]:.1e} (cones[{k}])")
    elif solution.certificate is not None:
        verified = "verifies" if solution.certificate.verify(problem) else "does NOT verify"
        lines += [f"value           {solution.value:g}", f"certificate     {verified} on the data as given"]
    return "\n".join([*lines, f"iterations      {solution.nit}", f"seconds         {solution.seconds:.4f}",
                      f"message         {solution.message}"])


def _plain(value: Any) -> Any:
    """Arrays and tuples as lists, and numbers that JSON does not have (NaN, inf) as None."""
    if isinstance(value, np.ndarray):
        return [_plain(float(v)) for v in value]
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value


def as_dict(problem: QCQP, solution: Solution) -> dict[str, Any]:
    """A solution as data for JSON: what `python -m convexkit solve --json` prints.

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.lp([1.0], lb=2.0, ub=3.0)
    >>> sorted(ck.report.as_dict(problem, ck.solve(problem)))[:4]
    ['certificate', 'dual_value', 'lam', 'lam_cones']
    """
    out: dict[str, Any] = {"status": str(solution.status), "success": solution.success, "message": solution.message}
    for name in ("value", "dual_value", "x", "lam", "nu", "lam_lb", "lam_ub", "lam_cones", "nit", "seconds"):
        out[name] = _plain(getattr(solution, name))
    residuals = solution.residuals
    out["residuals"] = None if residuals is None else {
        name: _plain(getattr(residuals, name))
        for name in ("stationarity", "primal", "dual", "complementarity", "gap", "where")}
    certificate = solution.certificate
    out["certificate"] = None if certificate is None else {
        "kind": type(certificate).__name__, "verified": bool(certificate.verify(problem)),
        **{name: _plain(value) for name, value in vars(certificate).items()}}
    return out


def plot_iterations(records: Sequence[IterationRecord], path: str | os.PathLike) -> None:
    """Draw residuals and gap against iterations, on a logarithmic scale, into a picture file.

    Raises
    ------
    ProblemError
        If there are no records.
    MissingDependencyError
        If matplotlib is not installed.

    Examples
    --------
    >>> import os, tempfile, convexkit as ck
    >>> records = []
    >>> _ = ck.solve(ck.example_problem(), callback=records.append)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ck.report.plot_iterations(records, os.path.join(folder, "iterations.png"))
    ...     os.listdir(folder)
    ['iterations.png']
    """
    if not records:
        raise ProblemError("records is empty; collect them with solve(..., callback=records.append).")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError(
            "matplotlib is not installed; install it with: pip install 'convexkit[plot]'") from None
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name in ("primal", "dual", "gap"):
        # An exact zero has no logarithm, and a start at x = 0 may be wrong by 1e300 relative to nothing.
        axes.semilogy([r.iteration for r in records], np.clip([getattr(r, name) for r in records], 1e-17, 10.0),
                      marker="o", markersize=3, label=f"{name} residual" if name != "gap" else "duality gap")
    axes.set_xlabel("iteration")
    axes.set_ylabel("relative to the data")
    axes.set_title("Interior-point iterations")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
