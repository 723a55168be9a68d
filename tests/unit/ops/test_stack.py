"""A stack's configuration, as Pulumi's command-line tool answers for it."""

from __future__ import annotations

import pytest
from pulumi.automation import CommandError, CommandResult

from ops.errors import OpsError
from ops.stack import Stack


class Answering:
    """A stack of the Automation API that knows no value, and why."""

    def __init__(self, said: str) -> None:
        self._said = said

    def get_config(self, key: str, *, path: bool) -> object:
        raise CommandError(CommandResult("", self._said, 255))


def stack(monkeypatch: pytest.MonkeyPatch, said: str) -> Stack:
    monkeypatch.setattr(Stack, "_select", lambda _: Answering(said))
    return Stack("staging")


def test_a_value_that_is_not_set_has_its_default(monkeypatch):
    said = "error: configuration key 'image.ref' not found for stack 'staging'"
    assert stack(monkeypatch, said).get("image.ref") is None
    assert stack(monkeypatch, said).get("image.ref", "none") == "none"


def test_a_value_that_cannot_be_read_is_no_unset_one(monkeypatch):
    said = "error: unable to open bucket s3://state: AccessDenied"
    with pytest.raises(OpsError, match=r"stack staging: .*AccessDenied"):
        stack(monkeypatch, said).get("image.ref", "none")
