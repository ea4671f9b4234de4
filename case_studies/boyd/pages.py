"""The gallery: an index and one page a chapter, made by running the cases."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from .case import Case, Chapter
from .story import answer_lines, indented, shown, source, theme, words

INDEX = """\
# Problems of the book

Computational problems of S. Boyd and L. Vandenberghe, *Convex Optimization* (Cambridge University Press, 2004), and of
the additional exercises to it (edition of June 2025; numbers change between editions). Each is stated with its primal
and its dual, solved with convexkit, and compared with something that is not convexkit: a closed form, figures found by
other solvers, an enumeration, and in the tests cvxpy with Clarabel, points and multipliers included where they are
unique.

| chapter | problems | pictures |
|---|---|---|
{rows}

Numbers are those of the book: 5.1 is an exercise, 5.2.4 a section, E5.2 an example, A5.4 an additional exercise. In a
checkout:

    python -m case_studies.boyd                              # the list
    python -m case_studies.boyd 5.1                          # one problem, its answer beside the references
    python -m case_studies.boyd 5.1 --picture parabola.png
    python -m case_studies.boyd --check                      # all: rows passed, worst disagreement and where

Exit code 0 means that every check passed, 1 that one did not, 2 that the request could not be understood. The pages
are written by `python -m case_studies.boyd --write-docs docs/boyd`; a test runs the cases and compares. The problems
live in `case_studies/boyd`, one function each; `tests/boyd` judges them.
"""

HEAD = """\
# Chapter {number}: {title}

{count} problems of *Convex Optimization*, chapter {number}; [what this is and how to run it](README.md). The code is
what ran, after `import numpy as np`, `import autograd.numpy as anp` and `import convexkit as ck`; `solved(problem)` is
`ck.solve(problem).require_optimal()`, and `load` reads arrays from `case_studies/boyd/data`.
"""


def index(chapters: list[Chapter]) -> str:
    """The text of the first page."""
    rows = [f"| [{c.number} {c.title}](chapter_{c.number}.md) | {len(c.cases)} | "
            f"{sum(case.draw is not None for case in c.cases)} |" for c in chapters]
    return INDEX.format(rows="\n".join(rows))


def page(chapter: Chapter) -> str:
    """The text of a chapter's page."""
    parts = [HEAD.format(number=chapter.number, title=chapter.title, count=len(chapter.cases)), "| | where | what |",
             "|---|---|---|"]
    parts += [f"| {case.id} | {case.where} | {_prose(case.title)} |" for case in chapter.cases]
    for words_of_module, cases in groupby(chapter.cases, key=theme):
        parts += ["", f"## {_prose(words_of_module)}"]
        for case in cases:
            parts += ["", *_section(case)]
    return "\n".join(parts).rstrip() + "\n"


def _prose(text: str) -> str:
    """Text in which p* and |x| mean themselves."""
    return text.replace("*", "\\*").replace("|", "\\|")


def _section(case: Case) -> list[str]:
    answer = case.answer
    lines = [f"### {case.id} {_prose(case.title)}", "", f"*{case.where}.* {_prose(case.statement)}", "", "Primal:", "",
             indented(case.primal), "", "Dual:", "", indented(case.dual), "", "```python", source(case), "```", ""]
    answers = answer_lines(answer)
    if answers:
        lines += [", ".join(f"`{line}`" for line in answers) + ".", ""]
    if answer.checks:
        lines += ["| checked | convexkit | reference | from |", "|---|---|---|---|"]
        lines += [f"| {_prose(check.name)} | {shown(check.ours)} | {words(check)} | {_prose(check.source)} |"
                  for check in answer.checks]
        lines.append("")
    for note in answer.notes:
        lines += [_prose(note), ""]
    if case.draw is not None:
        lines += [f"![{_prose(case.title)}]({picture_name(case)})", "", f"*{_prose(case.caption)}*", ""]
    return lines[:-1]


def picture_name(case: Case) -> str:
    """The file of a case's picture, beside its page."""
    return f"pictures/{case.id.replace('.', '_').replace(' ', '_')}.png"


def write_picture(case: Case, path: Path) -> None:
    """Draw a case into a PNG file: without white margins, and in 64 colours, with which it is a third as large."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    if case.draw is None:
        raise ValueError(f"{case.id} has no picture")
    figure, axes = plt.subplots(figsize=(5.6, 4.2), dpi=110, layout="constrained")
    try:
        case.draw(axes)
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]
        rows, columns = (np.flatnonzero((pixels < 255).any(axis=(k, 2))) for k in (1, 0))
        inked = pixels[max(rows[0] - 6, 0):rows[-1] + 7, max(columns[0] - 6, 0):columns[-1] + 7]
        Image.fromarray(np.ascontiguousarray(inked)).quantize(64).save(path, format="png", optimize=True)
    finally:
        plt.close(figure)


def texts(chapters: list[Chapter]) -> dict[str, str]:
    """All pages by their file names."""
    return {"README.md": index(chapters), **{f"chapter_{c.number}.md": page(c) for c in chapters}}


def write(chapters: list[Chapter], folder: Path) -> list[Path]:
    """Write all pages and pictures; returns the files."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in texts(chapters).items():
        (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / name)
    for chapter in chapters:
        for case in chapter.cases:
            if case.draw is not None:
                write_picture(case, folder / picture_name(case))
                written.append(folder / picture_name(case))
    return written


def contours(axes: Any, f: Any, x: tuple[float, float], y: tuple[float, float], labels: bool = False, **style: Any
             ) -> None:
    """Level curves of a function of two variables, with their values if `labels`."""
    lines = axes.contour(*_sampled(f, x, y), **{"colors": "0.6", "linewidths": 0.8, "linestyles": "solid", "levels": 12,
                                                **style})
    if labels:
        axes.clabel(lines, fontsize=8, fmt=lambda value: f"{value:.3g}")


def region(axes: Any, inside: Any, x: tuple[float, float], y: tuple[float, float], color: str = "tab:blue") -> None:
    """Shade where inside(point) ≤ 0."""
    grid = _sampled(inside, x, y)
    axes.contourf(*grid, levels=[-np.inf, 0.0], colors=[color], alpha=0.25)
    axes.contour(*grid, levels=[0.0], colors=[color], linewidths=1.2)


def _sampled(f: Any, x: tuple[float, float], y: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    u, v = np.meshgrid(np.linspace(*x, 160), np.linspace(*y, 160))
    values = [f(point) for point in np.stack([u, v], axis=-1).reshape(-1, 2)]
    return u, v, np.array(values, dtype=float).reshape(u.shape)
