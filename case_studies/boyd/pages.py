"""The gallery: one page a chapter, made by running its cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .case import Answer, Case, Chapter
from .story import answer_lines, indented, shown, source, words


def page(chapter: Chapter) -> str:
    """The text of a chapter's page."""
    parts = [f"# Chapter {chapter.number}: {chapter.title}", "",
             f"{len(chapter.cases)} problems from Boyd & Vandenberghe, *Convex Optimization*, chapter {chapter.number}. "
             "This page is made by running them: `python -m case_studies.boyd --write-docs docs/boyd`. The code is what "
             "ran, after `import numpy as np`, `import autograd.numpy as anp`, `import convexkit as ck` and "
             "`from case_studies.boyd.case import Answer, Check, solved`; `solved` is `ck.solve` that insists on an "
             "optimal answer.", ""]
    for case in chapter.cases:
        parts += [*_section(case, case.run()), ""]
    return "\n".join(parts).rstrip() + "\n"


def _section(case: Case, answer: Answer) -> list[str]:
    lines = [f"## {case.id} {case.title}", "", f"*{case.where}.* {case.statement}", "", "Primal:", "",
             indented(case.primal), "", "Dual:", "", indented(case.dual), "", "```python", source(case), "```", ""]
    answers = answer_lines(answer)
    if answers:
        lines += [", ".join(f"`{line}`" for line in answers) + ".", ""]
    if answer.checks:
        lines += ["| checked | convexkit | reference | from |", "|---|---|---|---|"]
        lines += [f"| {check.name} | {shown(check.ours)} | {words(check)} | {check.source} |".replace("‖", "‖")
                  for check in answer.checks]
        lines.append("")
    for note in answer.notes:
        lines += [note, ""]
    if case.draw is not None:
        lines += [f"![{case.title}]({picture_name(case)})", "", f"*{case.caption}*", ""]
    return lines


def picture_name(case: Case) -> str:
    """The file of a case's picture."""
    return f"{case.id.replace('.', '_').replace(' ', '_')}.png"


def write_picture(case: Case, path: Path) -> None:
    """Draw a case into a PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    if case.draw is None:
        raise ValueError(f"{case.id} has no picture")
    figure, axes = plt.subplots(figsize=(5.2, 3.9), layout="constrained")
    case.draw(axes)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def write(chapters: list[Chapter], folder: Path) -> list[Path]:
    """Write all pages and pictures; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for chapter in chapters:
        path = folder / f"chapter_{chapter.number}.md"
        path.write_text(page(chapter))
        written.append(path)
        for case in chapter.cases:
            if case.draw is not None:
                write_picture(case, folder / picture_name(case))
                written.append(folder / picture_name(case))
    return written


def contours(axes: Any, f: Any, x: tuple[float, float], y: tuple[float, float], **style: Any) -> None:
    """Level curves of a function of two variables."""
    import numpy as np

    u, v = np.meshgrid(np.linspace(*x, 160), np.linspace(*y, 160))
    values = np.array([[f(np.array([a, b])) for a, b in zip(row_u, row_v, strict=True)]
                       for row_u, row_v in zip(u, v, strict=True)])
    axes.contour(u, v, values, **{"colors": "0.6", "linewidths": 0.8, "levels": 12, **style})


def region(axes: Any, inside: Any, x: tuple[float, float], y: tuple[float, float], color: str = "tab:blue") -> None:
    """Shade where inside(point) ≤ 0."""
    import numpy as np

    u, v = np.meshgrid(np.linspace(*x, 200), np.linspace(*y, 200))
    values = np.array([[inside(np.array([a, b])) for a, b in zip(row_u, row_v, strict=True)]
                       for row_u, row_v in zip(u, v, strict=True)])
    axes.contourf(u, v, values, levels=[-np.inf, 0.0], colors=[color], alpha=0.25)
    axes.contour(u, v, values, levels=[0.0], colors=[color], linewidths=1.2)
