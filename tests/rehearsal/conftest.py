"""Fixtures of the rehearsal's tests: one embedded AWS for the whole session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.rehearsal.conformance")

from rehearsal.cloud import EmbeddedCloud  # noqa: E402
from rehearsal.provider.row import Aws  # noqa: E402
from tests.rehearsal.conformance import (  # noqa: E402
    DEFAULT_TAGS,
    REGION,
    Case,
    Conformance,
    Resource,
    Site,
)


@pytest.fixture(scope="session", autouse=True)
def _hermetic_environment() -> Iterator[None]:
    """Take the machine's AWS settings out of sight: nothing may leave the loopback."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in list(os.environ):
            if variable.startswith(("AWS_", "PULUMI_")):
                patch.delenv(variable)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session")
def endpoint(
    _hermetic_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of an embedded AWS, started as the rehearsal starts it."""
    with EmbeddedCloud(0, tmp_path_factory.mktemp("cloud") / "log") as cloud:
        yield cloud.addresses.aws


@pytest.fixture(scope="session")
def aws(endpoint: str) -> Aws:
    """The embedded AWS, as a provider with default tags sees it."""
    return Aws(endpoint, REGION, DEFAULT_TAGS)


@pytest.fixture
def site(aws: Aws) -> Site:
    """A place to build one test's resources in, with names that nothing else has."""
    return Site(aws)


@pytest.fixture(scope="session")
def _cases() -> dict[str, Case]:
    return {}


@pytest.fixture
def case(
    request: pytest.FixtureRequest, token: str, site: Site, _cases: dict[str, Case]
) -> Case:
    """The case of a row; what it needs is built once."""
    if token not in _cases:
        _cases[token] = request.cls.cases[token](site)
    return _cases[token]


@pytest.fixture
def resource(token: str, case: Case, aws: Aws) -> Iterator[Resource]:
    """A resource of the row's type that does not exist yet, and is gone in the end."""
    resource = Resource(token, aws)
    yield resource
    resource.end(case)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per row and question."""
    if metafunc.cls is not None and issubclass(metafunc.cls, Conformance):
        metafunc.parametrize("token", sorted(metafunc.cls.cases))
