"""The house stands: imports point down, public names are documented, commands exist, examples run."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import convexkit as ck

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "convexkit"

# Each module may import those of earlier lines only; modules of one line do not know each other.
RANKS = [
    ["errors", "words"],
    ["validation"],
    ["operators", "autodiff", "line_search"],
    ["conjugate_gradient", "quadratic"],
    ["taylor", "problem"],
    ["duality"],
    ["solution"],
    ["interior_point", "trust_region", "smooth"],
    ["dual_method"],
    ["solver"],
    ["alternatives", "convex_sets", "formats", "nonconvex", "perturbation", "quadratic_program", "report"],
    ["conjugates", "cvxpy_bridge", "derivation"],
    ["__init__", "__main__"],
]
RANK = {name: i for i, names in enumerate(RANKS) for name in names}


def room(path: Path) -> str:
    """The module or subpackage of convexkit that a file belongs to."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def internal_imports(path: Path) -> set[str]:
    """Rooms of convexkit that a file imports, at module level or inside functions."""
    depth = len(path.relative_to(PACKAGE).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("convexkit.")}
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0 and (node.module or "").split(".")[0] == "convexkit":
                rest = (node.module or "").split(".")[1:]
                found |= {rest[0]} if rest else {alias.name for alias in node.names}
            elif node.level == depth:
                found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    return found


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    own = room(path)
    assert own in RANK, f"{own} has no rank; add it to RANKS and to CONTRIBUTING.md"
    for other in internal_imports(path):
        if own == "__main__" and other == "__version__":
            continue
        assert other == own or RANK[other] < RANK[own], f"{own} imports {other}, which is not below it"


def test_the_layer_test_sees_imports() -> None:
    assert internal_imports(PACKAGE / "solver" / "one.py") >= {"problem", "interior_point", "dual_method", "solution"}
    assert internal_imports(PACKAGE / "duality" / "kkt.py") >= {"problem", "validation"}


def test_only_the_bridge_knows_cvxpy_only_autodiff_autograd_and_only_the_kernel_numba() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else \
                [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            for name in names:
                top = name.split(".")[0]
                assert top != "cvxpy" or room(path) == "cvxpy_bridge", path
                assert top != "autograd" or path.name == "autodiff.py", path
                assert top != "numba" or path.parent.name == "compiled", path
                assert top != "gymnasium", path
                assert top != "matplotlib" or path.name == "report.py", path


def test_case_studies_say_only_import_convexkit_as_ck() -> None:
    files = sorted((ROOT / "case_studies").rglob("*.py"))
    assert files
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == "convexkit":
                        assert (alias.name, alias.asname) == ("convexkit", "ck"), path
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").split(".")[0] != "convexkit", path


def test_import_pulls_in_no_optional_package() -> None:
    code = ("import sys, convexkit; optional = ('cvxpy', 'matplotlib', 'gymnasium', 'autograd', 'numba', 'torch'); "
            "print([m for m in optional if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "[]"


def test_import_is_quick_beyond_numpy_and_scipy() -> None:
    # Imported once for what it needs from others, then again alone; processor time, for a busy machine's sake.
    code = ("import sys, time, convexkit\nfor name in [m for m in sys.modules if m.split('.')[0] == 'convexkit']:\n"
            "    del sys.modules[name]\nstart = time.process_time()\nimport convexkit\n"
            "print(time.process_time() - start)")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert 0.0 < float(out.stdout) < 0.3


def test_all_lists_the_public_names() -> None:
    public = {name for name, value in vars(ck).items() if not name.startswith("_")
              and not (inspect.ismodule(value) and name != "report") and name != "annotations"}
    assert set(ck.__all__) == public
    assert len(ck.__all__) == len(set(ck.__all__))


def test_documented_names_are_the_public_names() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "api.md").read_text(), flags=re.MULTILINE)
    assert sorted(documented) == sorted(ck.__all__)


def public_objects() -> list[tuple[str, object]]:
    """Every public name, the public functions of report and cvxpy_bridge among them."""
    objects = [(name, getattr(ck, name)) for name in ck.__all__ if name != "report"]
    modules = [ck.report]
    try:
        from convexkit import cvxpy_bridge
        modules.append(cvxpy_bridge)
    except ck.MissingDependencyError:
        pass
    for module in modules:
        objects += [(f"{module.__name__}.{name}", value) for name, value in vars(module).items()
                    if not name.startswith("_") and getattr(value, "__module__", "").startswith(module.__name__)]
    return objects


@pytest.mark.parametrize(("name", "value"), public_objects(), ids=lambda v: v if isinstance(v, str) else "")
def test_every_public_docstring_has_a_runnable_example(name: str, value: object) -> None:
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(value) or "")
    assert examples, f"{name} has no example"


def test_public_methods_have_docstrings() -> None:
    for name in ck.__all__:
        value = getattr(ck, name)
        if inspect.isclass(value) and value.__module__.startswith("convexkit"):
            for method, function in vars(value).items():
                if not method.startswith("_") and callable(function):
                    assert inspect.getdoc(function), f"{name}.{method}"


def test_readme_commands_are_the_makefile_targets() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE))
    commands = set(re.findall(r"(?:^    |`)make ([a-z-]+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
    assert commands == targets
    listed = subprocess.run(["make", "--no-print-directory", "help"], capture_output=True, text=True, check=True,
                            cwd=ROOT).stdout
    assert {line.split()[1] for line in listed.splitlines()} == targets


def test_readme_names_files_that_exist() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text()
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
        for script in re.findall(r"python ((?:benchmarks|examples)/\S+\.py)", text):
            assert (ROOT / script).exists(), f"{page.name} runs {script}"


def test_continuous_integration_runs_the_readme_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"^exec make test$", script, flags=re.MULTILINE)
    assert "\n    make test\n" in (ROOT / "README.md").read_text()


def test_ranks_are_those_of_the_contributing_page() -> None:
    rows = re.findall(r"^\| \d+ \| (.*) \|$", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    listed = [{name.rstrip("/") for name in re.findall(r"`([\w/]+)`", row)} for row in rows]
    existing = {room(path) for path in MODULES}
    assert listed == [set(names) & existing for names in RANKS]


def test_file_keys_of_the_docs_are_those_of_the_reader() -> None:
    from convexkit.formats import KEYS

    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs" / "files.md").read_text(), flags=re.MULTILINE)
    assert dict(rows) == KEYS


def test_exit_codes_of_the_docs_are_those_of_the_command_line() -> None:
    from convexkit.__main__ import BAD_INPUT, EXIT_CODES

    rows = dict(re.findall(r"^\| (\d+) \| `?(\w+)", (ROOT / "docs" / "files.md").read_text(), flags=re.MULTILINE))
    assert {int(code): word for code, word in rows.items()} == {
        **{code: str(status) for status, code in EXIT_CODES.items()}, BAD_INPUT: "bad", 130: "interrupted"}


def test_no_file_names_a_machine() -> None:
    words = "|".join(["/" + "work/", "/" + "root/", "/" + "home/"])
    out = subprocess.run(["git", "grep", "-nIE", words], capture_output=True, text=True, cwd=ROOT)
    if out.returncode not in (0, 1):
        pytest.skip("not a git checkout")
    assert out.stdout == ""
