"""Every emulated type is put through the conformance harness, and stays so."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from rehearsal.provider import schema
from rehearsal.provider.aws import ROWS
from tests.rehearsal.conformance import Conformance

MODULES = sorted(Path(__file__).parent.glob("test_rows_*.py"))


def conformance_classes() -> list[type[Conformance]]:
    """What pytest collects from the modules with cases."""
    modules = (importlib.import_module(f"tests.rehearsal.{p.stem}") for p in MODULES)
    return [
        thing
        for module in modules
        for name, thing in vars(module).items()
        if name.startswith("Test")
        and isinstance(thing, type)
        and issubclass(thing, Conformance)
    ]


def test_every_row_has_a_case() -> None:
    tried = {token for one in conformance_classes() for token in one.cases}
    assert tried == set(ROWS)


@pytest.mark.parametrize("token", sorted(ROWS))
def test_a_row_names_only_what_the_sdk_knows(token: str) -> None:
    known = schema.resource(token)
    row = ROWS[token]
    assert row.carried() - {"tagsAll"} <= set(known.inputs)
    assert set(row.defaults) <= row.carried()
    assert row.tagged == ("tagsAll" in known.outputs)
