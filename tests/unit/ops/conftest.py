"""What the tests of the commands share."""

from __future__ import annotations

import os
from functools import cache

import pytest
import typer

_command_of = cache(typer.main.get_command)


@pytest.fixture(autouse=True)
def _command_line_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the tree of commands once: it took longer than what most commands do."""
    monkeypatch.setattr("typer.testing._get_command", _command_of)


@pytest.fixture(autouse=True)
def _no_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads these records after a loss of power."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
