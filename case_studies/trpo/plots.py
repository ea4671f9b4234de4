"""Pictures of runs, from their progress.csv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import convexkit as ck

from .comparison import Group, bootstrap_interval, groups, interquartile_mean


def plot(runs: Sequence[str | Path], out: str | Path) -> Path:
    """Draw one or more runs: return, KL against its bound, predicted and true gain, and the two searches.

    Runs that differ in their seed only become one line, the interquartile mean, with a band for its 95 % interval;
    the mean is dashed, and each run a thin line.

    Parameters
    ----------
    runs : run folders
    out : file to write; its ending chooses the format

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    FormatError, ProblemError
        If a run cannot be read, has no iteration yet, or `out` cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ck.MissingDependencyError(
            "plots need matplotlib, which is not installed: pip install 'convexkit[plot]'.") from None

    together = groups(runs)
    # A figure of its own canvas: no window system, and no state shared with the caller's plots.
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2)
    for number, group in enumerate(together):
        _draw(panels, f"C{number % 10}", group)
    for panel in panels.flat:
        panel.set_xlabel("environment steps")
        panel.grid(alpha=0.3)
    panels[0, 0].legend(fontsize="small")
    if len(together) == 1:
        for panel in panels.flat[1:]:
            panel.legend(fontsize="small")
    out = Path(out)
    try:
        figure.savefig(out, dpi=120)
    except OSError as error:
        raise ck.ProblemError(f"out = {str(out)!r} cannot be written: {error.strerror or error}.") from None
    except ValueError as error:  # an ending that matplotlib does not know
        raise ck.ProblemError(f"out = {str(out)!r}: {error}") from None
    return out


def _draw(panels: Any, colour: str, group: Group) -> None:
    steps, curves = group.curves()
    returns, divergence, gain, searches = panels.flat

    name = f"{group.label} (seed {group.config.seed})" if group.seeds == 1 else \
        f"{group.label} ({group.seeds} seeds: IQM, its 95 % interval, mean dashed)"
    # No band and no mean before every run has finished an episode.
    known = np.isfinite(curves).all(axis=0)
    returns.plot(steps[known], interquartile_mean(curves[:, known]), color=colour, label=name)
    if group.seeds > 1:
        returns.fill_between(steps[known], *bootstrap_interval(curves[:, known]), color=colour, alpha=0.2, linewidth=0)
        returns.plot(steps[known], curves[:, known].mean(axis=0), color=colour, linestyle="--", linewidth=1)
        returns.plot(steps, curves.T, color=colour, alpha=0.3, linewidth=0.6)
    returns.set_title("Return, mean of the last 100 training episodes")

    def median(column: str) -> np.ndarray:
        middle: np.ndarray = np.median([progress[column][:len(steps)] for progress in group.progress], axis=0)
        return middle

    divergence.plot(steps, median("kl"), color=colour, label="mean KL of the update")
    divergence.plot(steps, median("predicted_kl"), color=colour, linestyle=":", label="predicted by the Fisher matrix")
    if group.config.algorithm != "vpg":
        divergence.axhline(group.config.max_kl, color=colour, linestyle="--", label="max_kl")
    divergence.set_title("KL divergence against its bound")
    divergence.set_ylim(bottom=0)

    gain.plot(steps, median("predicted_gain"), color=colour, linestyle="--", label="predicted by the linear model")
    gain.plot(steps, median("surrogate_gain"), color=colour, label="true")
    gain.set_title("Gain in surrogate advantage")

    searches.plot(steps, median("cg_iterations"), color=colour, label="CG iterations")
    searches.plot(steps, median("line_search_trials"), color=colour, linestyle=":", label="line search trials")
    searches.set_title("Work of one update")
    searches.set_ylim(bottom=0)
