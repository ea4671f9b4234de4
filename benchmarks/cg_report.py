"""What the rows of the benchmark of conjugate gradient say: tables, crossovers, and pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = ["problem", "n", "condition", "accuracy", "method", "status", "median_s", "quartile1_s", "quartile3_s",
           "repeats", "iterations", "residual", "threads", "seed", "convexkit", "numpy", "scipy", "python", "machine"]
HEADS = {"cg": "CG", "cg-jacobi": "CG + Jacobi", "scipy-cg": "scipy cg", "minres": "scipy minres"}
DIRECT = {"cholesky": "Cholesky", "superlu": "SuperLU"}

Row = dict[str, Any]


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        # An empty cell, and not nan, where there is no time.
        writer.writerows({name: x if not isinstance(x, float) else "" if np.isnan(x) else f"{x:.4g}"
                          for name, x in row.items()} for row in rows)


def read_csv(path: Path) -> list[Row]:
    """The rows with their numbers as numbers; the time of a run that missed its tolerance is nan."""
    rows: list[Row] = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    for row in rows:
        row.update({name: int(row[name]) for name in ("n", "repeats", "iterations")})
        row.update({name: float(row[name] or "nan") for name in COLUMNS if name.endswith("_s")})
        row.update({name: float(row[name]) for name in ("condition", "accuracy", "residual")})
    return rows


def curve(rows: list[Row], problem: str, condition: float, method: str, accuracy: float | None = None) -> list[Row]:
    """The rows of one line of the picture, by size. Direct solvers and the product are measured once for all."""
    line = (row for row in rows if (row["problem"], row["condition"], row["method"]) == (problem, condition, method))
    return sorted((row for row in line if accuracy in (None, row["accuracy"])), key=lambda row: row["n"])


def direct_curve(rows: list[Row], problem: str, condition: float, accuracy: float = np.inf) -> list[Row]:
    """The rows of the problem's direct solver, if it has one, without a time where they miss the accuracy."""
    return [row if row["accuracy"] <= accuracy else {**row, "median_s": np.nan, "status": "inaccurate"}
            for method in DIRECT for row in curve(rows, problem, condition, method)]


def crossing(dense: list[Row], iterative: list[Row]) -> tuple[float, list[int], np.ndarray]:
    """From which n on CG is faster at every larger size that both have; the sizes, and CG's time over the direct one's.

    Interpolated in log time against log n; 0 if it is faster throughout, inf if it is not at the largest size, nan if
    the direct solver misses the tolerance somewhere. A run of CG that missed it counts as infinitely slow.
    """
    direct, ours = ({row["n"]: row["median_s"] for row in line} for line in (dense, iterative))
    sizes = sorted(direct.keys() & ours.keys())
    ratio = np.array([ours[n] / direct[n] for n in sizes])
    if any(np.isnan(direct[n]) for n in sizes):
        return np.nan, sizes, ratio
    log_ratio = np.log(np.where(np.isnan(ratio), np.inf, ratio))
    if log_ratio[-1] >= 0:
        return np.inf, sizes, ratio
    if (log_ratio < 0).all():
        return 0.0, sizes, ratio
    last = int(np.flatnonzero(log_ratio >= 0)[-1])
    if np.isinf(log_ratio[last]):
        return sizes[last + 1], sizes, ratio
    share = log_ratio[last] / (log_ratio[last] - log_ratio[last + 1])
    return sizes[last] * (sizes[last + 1] / sizes[last]) ** share, sizes, ratio


def crossover(dense: list[Row], iterative: list[Row], name: str = "Cholesky") -> str:
    """`crossing` in words."""
    where, sizes, ratio = crossing(dense, iterative)
    if np.isnan(where):
        return f"{name} itself misses the tolerance ({', '.join(sorted({row['status'] for row in dense}))})"
    if np.isinf(where):
        status = {row["n"]: row["status"] for row in iterative}[sizes[-1]]
        return (f"{name} wins throughout, up to n = {sizes[-1]} "
                f"({f'CG: {status}' if np.isnan(ratio[-1]) else f'by {ratio[-1]:.3g}×'})")
    gain = f"{1 / ratio[-1]:.3g}× faster at n = {sizes[-1]}"
    if where == 0.0:
        return f"CG wins throughout, from n = {sizes[0]} ({gain})"
    sign = "≤" if where in sizes and np.isnan(ratio[sizes.index(int(where)) - 1]) else "≈"
    return f"CG wins from n {sign} {where:.0f} ({gain})"


def answer(rows: list[Row]) -> str:
    """From which n on to use CG, as a table in Markdown: a row for each matrix, a column for each condition number.

    Three accuracies in a cell: the loosest, the middle and the tightest. `> n`: the direct solver won at the largest
    size. A dash: the direct solver itself misses the tolerance, or there was no run.
    """
    every = sorted({row["accuracy"] for row in rows}, reverse=True)
    accuracies = list(dict.fromkeys([every[0], every[len(every) // 2], every[-1]]))
    conditions = sorted({row["condition"] for row in rows})
    lines = [f"From which n on, for relative residuals of {' / '.join(f'{a:.0e}' for a in accuracies)}:", "",
             "| matrix | " + " | ".join(f"κ = {condition:g}" for condition in conditions) + " |",
             "|---" * (1 + len(conditions)) + "|"]
    for problem in dict.fromkeys(row["problem"] for row in rows):
        if not direct_curve(rows, problem, conditions[0]):
            continue
        for method in ("cg", "cg-jacobi") if problem == "scaled" else ("cg",):
            cells = []
            for condition in conditions:
                words = []
                for accuracy in accuracies:
                    line = curve(rows, problem, condition, method, accuracy)
                    where, sizes, _ = crossing(direct_curve(rows, problem, condition, accuracy), line) if line \
                        else (np.nan, [], None)
                    words.append("–" if np.isnan(where) else f"> {sizes[-1]}" if np.isinf(where) else
                                 str(sizes[0]) if where == 0.0 else f"{float(f'{where:.2g}'):.0f}")
                cells.append(" / ".join(words))
            lines.append(f"| {problem}{', Jacobi' if method != 'cg' else ''} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(rows: list[Row]) -> str:
    """The table, where the crossovers are, and what an iteration costs."""
    lines, verdicts, costs = [], [], []
    for problem, condition in dict.fromkeys((row["problem"], row["condition"]) for row in rows):
        direct = direct_curve(rows, problem, condition)
        name = DIRECT[direct[0]["method"]] if direct else "none"
        shown = [method for method in HEADS if curve(rows, problem, condition, method)]
        lines += [f"\n{problem}, condition {condition:g}: milliseconds (iterations)",
                  f"accuracy       n {name:>10} {' '.join(f'{HEADS[method]:>23}' for method in shown)}  CG/direct"]
        for accuracy in sorted({row["accuracy"] for row in rows}, reverse=True):
            direct = direct_curve(rows, problem, condition, accuracy)
            times = {row["n"]: row["median_s"] for row in direct}
            curves = {method: {row["n"]: row for row in curve(rows, problem, condition, method, accuracy)}
                      for method in shown}
            for n, first in curves["cg"].items():
                time = times.get(n, np.nan)
                lines.append(f"{accuracy:>8.0e} {n:>7} {1e3 * time:>10.2f} "
                             f"{' '.join(_cell(line.get(n)) for line in curves.values())} "
                             f"{first['median_s'] / time:>8.2f}")
            for method in ("cg", "cg-jacobi") if problem == "scaled" else ("cg",):
                line = list(curves.get(method, {}).values())
                if any(row["n"] in times for row in line):
                    verdicts.append(f"  {problem:<11} κ = {condition:<6g}, accuracy {accuracy:.0e}, "
                                    f"{HEADS[method]:<11}: {crossover(direct, line, name)}")
    for n in sorted({row["n"] for row in rows}):
        ratios: dict[str, list[float]] = {method: [] for method in ("cg", "scipy-cg")}
        for problem, condition in dict.fromkeys((row["problem"], row["condition"]) for row in rows if row["n"] == n):
            product = [row["median_s"] for row in curve(rows, problem, condition, "product") if row["n"] == n]
            for method, values in ratios.items():
                values += [row["median_s"] / row["iterations"] / product[0] for row in
                           curve(rows, problem, condition, method) if row["n"] == n and row["repeats"] > 0]
        ours, theirs = (np.median(values or [np.nan]) for values in ratios.values())
        costs.append(f"{ours:.2f} ({theirs:.2f}) at n = {n}")
    return "\n".join([*lines, "\nWhere conjugate gradient overtakes the direct solve:", *verdicts, "\nOne CG iteration "
                      f"costs, in bare matrix-vector products (scipy's cg in parentheses): {', '.join(costs)}."])


def _cell(row: Row | None) -> str:
    """Milliseconds and iterations of one run, its status if it has no time, a dash if it was not asked for."""
    if row is None:
        return f"{'–':>23}"
    time = row["status"] if np.isnan(row["median_s"]) else format(1e3 * row["median_s"], ".2f")
    return f"{time:>15} ({row['iterations']:>5})"


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def plot(rows: list[Row], png_path: Path) -> None:
    """Time against n, one panel for each spectrum and condition number."""
    plt = _pyplot()
    accuracies = sorted({row["accuracy"] for row in rows}, reverse=True)
    shown = list(dict.fromkeys((row["problem"], row["condition"]) for row in rows))
    width, height = min(4, len(shown)), -(-len(shown) // 4)
    figure, axes = plt.subplots(height, width, figsize=(4.0 * width, 3.3 * height + 0.9), sharey=True, squeeze=False,
                                layout="constrained")
    colours = plt.get_cmap("viridis")(np.linspace(0.85, 0.15, len(accuracies)))

    def draw(axis: Any, line: list[Row], **style: Any) -> None:
        n, low, middle, high = ([r[key] for r in line] for key in ("n", "quartile1_s", "median_s", "quartile3_s"))
        axis.fill_between(n, low, high, color=style["color"], alpha=0.2, linewidth=0)
        axis.plot(n, middle, **style)

    for axis, (problem, condition) in zip(axes.flat, shown, strict=False):
        draw(axis, curve(rows, problem, condition, "product"), color="0.6", linewidth=1, label="one product Av")
        if direct := direct_curve(rows, problem, condition):
            draw(axis, direct, color="black", linewidth=2, marker="s", markersize=4,
                 label="direct (Cholesky, SuperLU)")
        for accuracy, colour in zip(accuracies, colours, strict=True):
            draw(axis, curve(rows, problem, condition, "cg", accuracy), color=colour, marker="o", markersize=4,
                 label=f"CG, accuracy {accuracy:.0e}")
            if problem == "scaled":
                draw(axis, curve(rows, problem, condition, "cg-jacobi", accuracy), color=colour, linestyle="--",
                     marker="o", markersize=4, markerfacecolor="white", label=f"CG + Jacobi, accuracy {accuracy:.0e}")
        axis.set(xscale="log", yscale="log", xlabel="n", title=f"{problem}, condition {condition:g}")
        sizes = sorted({row["n"] for row in curve(rows, problem, condition, "product")})
        axis.set_xticks(sizes, [f"{n:.0e}".replace("e+0", "e") if n >= 10_000 else str(n) for n in sizes], fontsize=8)
        axis.xaxis.set_minor_locator(plt.NullLocator())
        axis.grid(alpha=0.3)
    figure.supylabel("seconds (median; band: quartiles)")
    figure.suptitle(f"Conjugate gradient against direct solvers, BLAS threads: {rows[0]['threads']}; "
                    "lines of CG end where it was given up")
    handles = {h.get_label(): h for axis in axes.flat for h in axis.get_legend_handles_labels()[0]}
    for axis in axes.flat[len(shown):]:
        axis.axis("off")
    if len(shown) < axes.size:
        axes.flat[-1].legend(handles.values(), handles.keys(), loc="center", frameon=False, fontsize=9)
    else:
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(png_path, dpi=110)
    plt.close(figure)


def surface(rows: list[Row], problem: str, accuracy: float,
            method: str = "cg") -> tuple[list[int], list[float], np.ndarray]:
    """Sizes, condition numbers, and log₁₀ of CG's time over the direct solver's; +inf where CG was given up."""
    ours = [row for row in rows if row["problem"] == problem and row["method"] == method
            and row["accuracy"] == accuracy]
    direct = {(row["n"], row["condition"]): row["median_s"] for row in rows if row["problem"] == problem
              and row["method"] in DIRECT and row["accuracy"] <= accuracy}
    ours = [row for row in ours if (row["n"], row["condition"]) in direct]
    sizes = sorted({row["n"] for row in ours})
    conditions = sorted({row["condition"] for row in ours})
    ratio = np.full((len(conditions), len(sizes)), np.nan)
    for row in ours:
        value = np.log10(row["median_s"] / direct[row["n"], row["condition"]])
        ratio[conditions.index(row["condition"]), sizes.index(row["n"])] = np.inf if np.isnan(value) else value
    return sizes, conditions, ratio


def _short(ratio: float) -> str:
    """Two digits at most, to fit into a cell."""
    return f"{ratio:.2f}".lstrip("0") if ratio < 0.1 else f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}"


def plot_surfaces(rows: list[Row], png_path: Path) -> bool:
    """CG's time over the direct solver's, over size and condition number; whether there was anything to draw."""
    accuracies = sorted({row["accuracy"] for row in rows}, reverse=True)
    several = [(problem, method) for problem in dict.fromkeys(row["problem"] for row in rows)
               for method in (("cg", "cg-jacobi") if problem == "scaled" else ("cg",))
               if min(surface(rows, problem, accuracies[0], method)[2].shape) > 1]
    if not several:
        return False
    plt = _pyplot()
    figure, axes = plt.subplots(len(several), len(accuracies), squeeze=False, layout="constrained", sharex="row",
                                figsize=(3.2 * len(accuracies) + 1.2, 2.3 * len(several) + 0.9))
    image = None
    for row_axes, (problem, method) in zip(axes, several, strict=True):
        for axis, accuracy in zip(row_axes, accuracies, strict=True):
            sizes, conditions, ratio = surface(rows, problem, accuracy, method)
            if not ratio.size:
                axis.axis("off")
                continue
            image = axis.imshow(np.clip(ratio, -1.5, 1.5), origin="lower", aspect="auto", cmap="RdBu_r", vmin=-1.5,
                                vmax=1.5)
            for (i, j), value in np.ndenumerate(ratio):
                words = "" if np.isnan(value) else "–" if np.isinf(value) else _short(10**value)
                axis.text(j, i, words, ha="center", va="center", fontsize=6.5,
                          color="white" if abs(value) > 0.9 else "black")
            axis.set_xticks(range(len(sizes)), [str(n) for n in sizes], fontsize=7, rotation=45)
            axis.set_yticks(range(len(conditions)), [f"{c:.0e}".replace("e+0", "e") for c in conditions], fontsize=7)
            axis.set_title(f"{problem}{' + Jacobi' if method != 'cg' else ''}, accuracy {accuracy:.0e}", fontsize=8)
        row_axes[0].set_ylabel("condition number", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("n", fontsize=8)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["CG 10× faster", "equal", "direct 10× faster"], fontsize=7)
    figure.suptitle("Time of conjugate gradient over time of the direct solve (–: CG was given up)", fontsize=10)
    figure.savefig(png_path, dpi=120)
    plt.close(figure)
    return True
