"""Every test that was written is a test that runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("*.py"))


def _names(file: Path) -> set[str]:
    """Functions and classes, at the top or in a class, that pytest would run."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.name.startswith(("test_", "Test"))
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TESTS)))
def test_files_with_tests_have_a_name_that_pytest_collects(file: Path) -> None:
    if _names(file) and not file.name.startswith("test_"):
        # A base class of tests is collected where it is subclassed.
        bases = {name for name in _names(file) if not name.startswith("Test")}
        importers = [
            other
            for other in FILES
            if other.name.startswith("test_")
            and f"{file.stem} import" in other.read_text()
        ]
        assert importers, f"{file.name} holds {bases}, and pytest never runs it"


def test_no_test_is_defined_twice_in_a_file() -> None:
    twice = {}
    for file in FILES:
        scopes = [ast.parse(file.read_text(encoding="utf-8"))]
        scopes += [n for n in ast.walk(scopes[0]) if isinstance(n, ast.ClassDef)]
        for scope in scopes:
            names = [
                node.name
                for node in scope.body
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            ]
            doubled = {name for name in names if names.count(name) > 1}
            if doubled:
                twice[str(file.relative_to(TESTS))] = doubled
    assert twice == {}, "the first of two functions with one name never runs"
