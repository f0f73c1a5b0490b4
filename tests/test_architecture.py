"""Imports point up the listing, files and functions stay small, and every module says what it is for."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1] / "digest"
# An Article's way to an inbox, and back; then the doors, and what runs it all. Rows flow down, imports point up.
STAGES = ("articles", "audience", "editions", "outbox", "returns", "archive", "webhooks", "web", "run")
# The operator's verbs may import all of it, and nothing imports them.
VERBS = ("cli", "commands", "demo", "__main__")
MODULES = {path: ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py")) if "versions" not in path.parts}
LONGEST_FILE, LONGEST_FUNCTION = 300, 50


def part(path: Path) -> str:
    """The folder directly below `digest`, or the module's own name."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(tree: ast.Module) -> Iterator[str]:
    """Parts of `digest` this module imports: digest.articles.models and `from digest import clock` alike."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("digest."))


def may_import(own: str, other: str) -> bool:
    if own in VERBS or other == own:
        return True
    if other in VERBS:
        return False
    if other not in STAGES:
        return True
    return own in STAGES and STAGES.index(other) < STAGES.index(own)


def faults(check: Callable[[Path, ast.Module], Iterator[str]]) -> list[str]:
    return [f"{path.relative_to(ROOT)}: {fault}" for path, tree in MODULES.items() for fault in check(path, tree)]


def test_imports_point_up_the_listing() -> None:
    def check(path: Path, tree: ast.Module) -> Iterator[str]:
        yield from sorted({other for other in imported(tree) if not may_import(part(path), other)})

    assert faults(check) == []


def test_only_run_catches_whatever_comes() -> None:
    def check(path: Path, tree: ast.Module) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and part(path) != "run":
                caught = ast.unparse(node.type) if node.type else "BaseException"
                # To clean up and raise it again is no catching.
                is_raised = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                if "Exception" in caught.strip("()").split(", ") or (caught == "BaseException" and not is_raised):
                    yield f"line {node.lineno} catches {caught}"

    assert faults(check) == []


def test_every_module_opens_by_saying_what_it_is_for() -> None:
    def check(path: Path, tree: ast.Module) -> Iterator[str]:
        if not ast.get_docstring(tree):
            yield "no docstring"
        if path.name == "__init__.py":
            yield from (text for node in tree.body[1:] if not (text := ast.unparse(node)).startswith("__version__ ="))

    assert faults(check) == []


def test_files_and_functions_are_short() -> None:
    def check(path: Path, tree: ast.Module) -> Iterator[str]:
        length = len(path.read_text().splitlines())
        if length > LONGEST_FILE:
            yield f"{length} lines"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    yield f"{node.name} has {lines} lines"

    assert faults(check) == []
