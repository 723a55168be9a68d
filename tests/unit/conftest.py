"""Fixtures of the unit suite: no cloud, no credentials, no state between tests."""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import settings

from tests.graph import Graph

# How long one example takes says more about the machine's other work than about ours.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# Half of the time of building a graph went into looking for garbage among the SDK's
# hundred thousand objects.
gc.set_threshold(1_000_000, 50, 50)


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, and not among what they imported."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _hermetic_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the machine's AWS and Pulumi settings out of sight."""
    for variable in os.environ:
        if variable.startswith(("AWS_", "PULUMI_")):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def graph() -> Graph:
    """A recorder of one program's resources; see `tests.graph`."""
    return Graph()
