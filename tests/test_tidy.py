"""The tree keeps the house rules: sizes, names, docstrings, layers, and one order of the steps."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "broker").rglob("*.py"))
MOST_LINES_OF_A_MODULE = 400
MOST_LINES_OF_A_FUNCTION = 70
BANNED = {"utils", "helpers", "common", "manager", "misc"}
GSS_CODE = re.compile(r"\b[EWSN]\d{8}\b")
GENERATED = "Generated from schemas/"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions_of(node: ast.AST) -> Iterator[Function]:
    return (child for child in ast.walk(node) if isinstance(child, Function))


def public(node: ast.Module | ast.ClassDef) -> Iterator[Function | ast.ClassDef]:
    """Public functions and classes of a module, and public methods of those classes."""
    for child in node.body:
        if isinstance(child, Function | ast.ClassDef) and not child.name.startswith("_"):
            yield child
            if isinstance(child, ast.ClassDef):
                yield from public(child)


def is_overload(node: Function | ast.ClassDef) -> bool:
    return any(ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list)


def steps() -> list[str]:
    """The names of the flow's steps, in order: the first string of each entry of `flow.STEPS`."""
    for node in tree_of(ROOT / "broker" / "flow.py").body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "STEPS" for target in targets):
            entries = node.value.elts  # type: ignore[attr-defined]
            return [first_string(entry) for entry in entries]
    raise AssertionError("broker/flow.py has no tuple called STEPS")


def first_string(entry: ast.expr) -> str:
    for part in ast.walk(entry):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            return part.value
    raise AssertionError(f"no name in the entry {ast.unparse(entry)!r} of STEPS")


def tracked_files() -> list[Path]:
    """What is, or is about to be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_a_module_says_what_it_is_and_is_no_longer_than_400_lines(path: Path) -> None:
    """Every module has a docstring and a size that can be read in one sitting."""
    text = path.read_text(encoding="utf-8")
    doc = ast.get_docstring(tree_of(path))
    assert doc, "no module docstring"
    if GENERATED not in doc:
        assert len(text.splitlines()) <= MOST_LINES_OF_A_MODULE


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_every_public_name_has_a_docstring_and_no_function_passes_70_lines(path: Path) -> None:
    """Public functions, classes and methods say what they promise; none is longer than 70 lines."""
    tree = tree_of(path)
    silent = [n.name for n in public(tree) if not ast.get_docstring(n) and not is_overload(n)]
    assert not silent, f"no docstring: {silent}"
    lengths = {f.name: (f.end_lineno or f.lineno) - f.lineno + 1 for f in functions_of(tree)}
    long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES_OF_A_FUNCTION}
    assert not long, f"too long: {long}"


def test_no_file_has_a_name_that_says_nothing() -> None:
    """What belongs nowhere has a better name than utils, helpers, common, manager or misc."""
    parts = {path: set(path.relative_to(ROOT).with_suffix("").parts) for path in tracked_files()}
    assert not [shown(path) for path, names in parts.items() if names & BANNED]


def values_of(tree: ast.Module) -> Iterator[str]:
    """Every string value of a module; docstrings, which only explain, left out."""
    explaining = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in explaining:
            yield str(node.value)


def test_no_place_is_written_into_the_code() -> None:
    """GSS codes are data: no value in broker/ holds one, so the code treats every place alike."""
    found = {shown(p): GSS_CODE.findall(" ".join(values_of(tree_of(p)))) for p in MODULES}
    assert not {name: codes for name, codes in found.items() if codes}


def test_no_lock_says_where_a_package_comes_from() -> None:
    """Locks name what and which bytes; where from is each machine's own setting."""
    locks = [path for path in tracked_files() if path.suffix == ".lock"]
    assert len(locks) == 7
    assert not [shown(path) for path in locks if "://" in path.read_text(encoding="utf-8")]


def test_the_steps_of_the_flow_are_in_one_order_everywhere() -> None:
    """flow.py, the numbered steps of ARCHITECTURE.md and a line of README.md agree."""
    names = steps()
    assert len(names) == len(set(names)) > 0
    architecture = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    numbered = re.findall(r"(?m)^#*[ \t]*(\d+)[.)][ \t]+\W*(\w+)", architecture)
    assert [(int(n), w.lower()) for n, w in numbered if w.lower() in names] == [
        (number, name) for number, name in enumerate(names, start=1)
    ]
    in_one_line = re.compile(r"\b" + r"\b[^\w\n]+\b".join(names) + r"\b")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert in_one_line.search(readme), f"no line of README.md reads {' → '.join(names)}"


def test_the_layer_contracts_cover_the_whole_package() -> None:
    """import-linter guards every package of broker/, and every pure one as pure."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {c["type"]: c for c in config["tool"]["importlinter"]["contracts"]}
    layered = set(re.findall(r"\w+", " ".join(contracts["layers"]["layers"])))
    present = {p.stem for p in (ROOT / "broker").iterdir() if not p.name.startswith("_")}
    assert present <= layered
    outside = {
        *("cli", "commands", "desk", "shell", "client", "auditor"),
        *("examples", "policies", "reference", "ledger"),
    }
    assert set(steps()) <= present
    assert set(contracts["forbidden"]["source_modules"]) == {
        f"broker.{name}" for name in present - outside
    }
