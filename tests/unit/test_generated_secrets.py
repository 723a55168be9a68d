"""Secrets that are made up: one resource each, as long as was asked for, secret."""

from __future__ import annotations

from components.generated_secrets import (
    GeneratedSecrets,
    GeneratedSecretsArgs,
    keepers,
)
from contract import Generated
from tests.graph import Graph

PASSWORD = "random:index/randomPassword:RandomPassword"


def build(graph: Graph, **lengths: int) -> None:
    build_wanted(
        graph,
        **{
            name: Generated(variable=name, length=length)
            for name, length in lengths.items()
        },
    )


def build_wanted(graph: Graph, **wanted: Generated) -> None:
    args = GeneratedSecretsArgs(wanted=wanted)
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


def test_two_generations_of_a_secret_are_there_at_once(graph):
    key = "JWT_SECRET"
    build_wanted(graph, JWT_SECRET=Generated(variable=key, generation=1))
    first = graph.one(PASSWORD)
    build_wanted(
        graph,
        JWT_SECRET=Generated(variable=key, generation=2),
        JWT_SECRET_PREVIOUS=Generated(variable=key, generation=1),
    )
    values = graph.outputs["values"]

    assert {made.name for made in graph.all(PASSWORD)} == {
        "app-jwt-secret-1",
        "app-jwt-secret-2",
    }
    assert graph.one(PASSWORD, first.name).inputs == first.inputs
    assert values["JWT_SECRET_PREVIOUS"] == first.outputs["result"]
    assert values["JWT_SECRET"] != values["JWT_SECRET_PREVIOUS"]


def test_the_first_generation_has_no_keepers_so_that_old_stacks_stay():
    assert keepers(0) is None
    assert keepers(1) != keepers(2)
