"""Secrets on the Docker host: files for one user, generated where not given."""

from __future__ import annotations

import pytest

from components.docker.secrets import Secrets, SecretsArgs
from contract import Generated

CARRIER = "docker:index/container:Container"
PASSWORD = "random:index/randomPassword:RandomPassword"


def secrets(**args):
    defaults = {
        "given": {"SMTP_PASS": "swordfish"},
        "generated": {"JWT_SECRET": Generated(variable="JWT_SECRET")},
        "image": "sha256:1",
        "owner": 1001,
    }
    return Secrets("app", SecretsArgs(**(defaults | args)))


def test_each_variable_is_a_file_for_the_app_alone(graph):
    graph.build(secrets)
    uploads = graph.one(CARRIER)["uploads"]

    assert {u["file"] for u in uploads} == {"/files/JWT_SECRET", "/files/SMTP_PASS"}
    assert {(u["owner"], u["permissions"]) for u in uploads} == {("1001", "0400")}


def test_every_value_is_secret_however_it_came(graph):
    graph.build(secrets)

    assert graph.one(CARRIER).secrets == {"uploads.0.content", "uploads.1.content"}


def test_a_generated_value_has_its_length_and_needs_no_escaping(graph):
    outputs = graph.build(secrets)

    assert graph.one(PASSWORD)["length"] == 48
    assert graph.one(PASSWORD)["special"] is False
    assert outputs["names"] == ["JWT_SECRET", "SMTP_PASS"]


def test_a_secret_cannot_be_both_given_and_generated(graph):
    with pytest.raises(ValueError, match="given and generated: SMTP_PASS"):
        graph.build(
            lambda: secrets(generated={"SMTP_PASS": Generated(variable="SMTP_PASS")})
        )
