"""What all of Railway's providers have in common."""

from __future__ import annotations

import base64
import pickle

import pytest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime import rpc

from components.railway.client import RailwayError
from components.railway.provider import base
from components.railway.provider.deployment import DeploymentProvider
from components.railway.provider.domain import DomainProvider
from components.railway.provider.project import ProjectProvider
from components.railway.provider.service import ServiceProvider
from components.railway.provider.variables import VariablesProvider
from components.railway.provider.volume import VolumeProvider
from tests.unit.railway.conftest import TOKEN, Driven

PROVIDERS = (
    DeploymentProvider,
    DomainProvider,
    ProjectProvider,
    ServiceProvider,
    VariablesProvider,
    VolumeProvider,
)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_is_kept_as_a_name_and_not_as_code(provider):
    kept = base64.b64decode(serialize_provider(provider()))

    assert len(kept) < 200
    assert type(pickle.loads(kept)) is provider  # noqa: S301 - our own


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_replaces_is_an_input(provider):
    assert provider.replacing <= provider.inputs
    assert provider.created_with <= provider.inputs


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_preview_does_not_know_is_a_change(access, provider):
    itself = provider()
    for key in itself.inputs - itself.created_with:
        diff = itself.diff("id", {}, {key: rpc.UNKNOWN})
        assert diff.changes
        assert diff.replaces == ([key] if key in itself.replacing else [])


@pytest.mark.parametrize("variable", base.TOKEN_VARIABLES)
def test_a_token_may_come_from_the_environment(project, monkeypatch, variable):
    del project.inputs["token"]
    monkeypatch.setenv(variable, f"{TOKEN}\n")

    assert project.up() == "create"
    assert "token" not in project.outs


def test_the_token_of_the_program_comes_first(project, monkeypatch):
    monkeypatch.setenv("RAILWAY_TOKEN", "somebody else's")

    assert project.up() == "create"


def test_without_a_token_everything_is_refused_before_it_is_made(project, server):
    del project.inputs["token"]
    [failure] = project.provider.check({}, project.inputs).failures

    assert failure.property == "token"
    assert "pulumi config set --path --secret stromhaltig:secrets.RAILWAY_TOKEN" in (
        failure.reason
    )
    with pytest.raises(RailwayError, match="there is no token"):
        project.provider.create(project.inputs)
    assert server.requests == []


def test_another_token_is_kept_without_a_request(project, server):
    project.up()
    server.token = "another"
    before = len(server.requests)

    assert project.up(token="another") == "update"
    assert len(server.requests) == before
    assert project.up() == "same"
    project.down()
    assert server.model.projects == []


@pytest.mark.parametrize(
    ("provider", "form"),
    [
        (ProjectProvider, "PROJECT/ENVIRONMENT"),
        (ServiceProvider, "PROJECT/ENVIRONMENT/SERVICE"),
        (VolumeProvider, "PROJECT/ENVIRONMENT/VOLUME"),
        (DomainProvider, "PROJECT/ENVIRONMENT/SERVICE/DOMAIN"),
    ],
)
@pytest.mark.parametrize("wrong", ["", "one", "a/b/c/d/e", "a//b/c"])
def test_an_id_of_another_form_is_refused_with_the_right_one(
    access, provider, form, wrong
):
    with pytest.raises(RailwayError, match=f"is no id of the form {form}$"):
        Driven(provider(), access).take(wrong)
