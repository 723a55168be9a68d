"""Every test that was written is a test that runs."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("*.py"))


@cache
def _names(file: Path) -> tuple[set[str], set[str]]:
    """Functions and classes that pytest would run, and which of them hide another.

    Those at the top, and those in a class.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    names = {
        node.name
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.name.startswith(("test_", "Test"))
    }
    twice = set()
    for scope in (tree, *(node for node in nodes if isinstance(node, ast.ClassDef))):
        tests = [
            node.name
            for node in scope.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        ]
        twice |= {name for name in tests if tests.count(name) > 1}
    return names, twice


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TESTS)))
def test_files_with_tests_have_a_name_that_pytest_collects(file: Path) -> None:
    names, _ = _names(file)
    if names and not file.name.startswith("test_"):
        # A base class of tests is collected where it is subclassed.
        bases = {name for name in names if not name.startswith("Test")}
        importers = [
            other
            for other in FILES
            if other.name.startswith("test_")
            and f"{file.stem} import" in other.read_text()
        ]
        assert importers, f"{file.name} holds {bases}, and pytest never runs it"


def test_no_test_is_defined_twice_in_a_file() -> None:
    twice = {str(file.relative_to(TESTS)): _names(file)[1] for file in FILES}
    assert {file: names for file, names in twice.items() if names} == {}, (
        "the first of two functions with one name never runs"
    )
