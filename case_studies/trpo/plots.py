"""Pictures of runs, from their progress.csv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import convexkit as ck

from .config import TrpoConfig
from .run_folder import read_config, read_progress


def plot(runs: Sequence[str | Path], out: str | Path) -> Path:
    """Draw one or more runs: return, KL against its bound, predicted and true gain, and the two searches.

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

    loaded = [(Path(run), read_config(Path(run)), read_progress(Path(run))) for run in runs]
    for run, _, progress in loaded:
        if not progress["iteration"].size:
            raise ck.FormatError(f"{run}: no iteration has been finished, there is nothing to plot.")
    # A figure of its own canvas: no window system, and no state shared with the caller's plots.
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2)
    for number, (run, config, progress) in enumerate(loaded):
        _draw(panels, f"C{number % 10}", f"{run.name} ({config.env}, seed {config.seed})", config, progress)
    for panel in panels.flat:
        panel.set_xlabel("environment steps")
        panel.grid(alpha=0.3)
    panels[0, 0].legend(fontsize="small")
    if len(loaded) == 1:
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


def _draw(panels: Any, colour: str, label: str, config: TrpoConfig, progress: dict[str, np.ndarray]) -> None:
    steps = progress["env_steps"]
    returns, divergence, gain, searches = panels.flat

    returns.plot(steps, progress["mean_return_100"], color=colour, label=label)
    returns.set_title("Return, mean of the last 100 training episodes")

    divergence.plot(steps, progress["kl"], color=colour, label="mean KL of the update")
    divergence.axhline(config.max_kl, color=colour, linestyle="--", label="max_kl")
    divergence.set_title("KL divergence against its bound")
    divergence.set_ylim(bottom=0)

    gain.plot(steps, progress["predicted_gain"], color=colour, linestyle="--", label="predicted by the linear model")
    gain.plot(steps, progress["surrogate_gain"], color=colour, label="true")
    gain.set_title("Gain in surrogate advantage")

    searches.plot(steps, progress["cg_iterations"], color=colour, label="CG iterations")
    searches.plot(steps, progress["line_search_trials"], color=colour, linestyle=":", label="line search trials")
    searches.set_title("Work of one update")
    searches.set_ylim(bottom=0)
