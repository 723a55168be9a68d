"""Secrets that are made up: one resource each, as long as was asked for, secret."""

from __future__ import annotations

from components.generated_secrets import GeneratedSecrets, GeneratedSecretsArgs
from tests.graph import Graph

PASSWORD = "random:index/randomPassword:RandomPassword"


def build(graph: Graph, **lengths: int) -> None:
    args = GeneratedSecretsArgs(lengths=lengths)
    graph.build(lambda: GeneratedSecrets("app", args))


def test_each_secret_is_a_password_of_its_own(graph):
    build(graph, JWT_SECRET=48, HEALTH_CHECK_TOKEN=20)
    made = {password.name: password for password in graph.all(PASSWORD)}

    assert made.keys() == {"app-jwt-secret", "app-health-check-token"}
    assert made["app-jwt-secret"]["length"] == 48
    assert made["app-jwt-secret"]["special"] is False
    assert graph.outputs["values"] == {
        "JWT_SECRET": made["app-jwt-secret"].outputs["result"],
        "HEALTH_CHECK_TOKEN": made["app-health-check-token"].outputs["result"],
    }


def test_another_one_leaves_the_others_alone(graph):
    build(graph, JWT_SECRET=48)
    (first,) = graph.all(PASSWORD)
    build(graph, JWT_SECRET=48, OTHER=20)

    assert graph.one(PASSWORD, first.name).inputs == first.inputs


def test_nothing_is_made_where_the_operator_brought_all(graph):
    build(graph)
    assert graph.all(PASSWORD) == []
