"""Every query that is sent is one that Railway's schema knows, and none is unused."""

from __future__ import annotations

import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate

from components.railway import operations
from components.railway.client import Operation
from rehearsal.railway_model import Model
from rehearsal.railway_server import SCHEMA

SENT = {
    name: value
    for name, value in vars(operations).items()
    if isinstance(value, Operation)
}


@pytest.fixture(scope="module")
def schema():
    return build_schema(SCHEMA.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SENT)
def test_a_query_is_of_the_schema(name, schema):
    assert validate(schema, parse(SENT[name].text)) == []


@pytest.mark.parametrize("name", SENT)
def test_a_query_has_the_name_of_its_only_field(name):
    [definition] = parse(SENT[name].text).definitions

    assert isinstance(definition, OperationDefinitionNode)
    assert definition.name.value == SENT[name].name
    [field] = definition.selection_set.selections
    assert field.name.value == SENT[name].name


@pytest.mark.parametrize("name", SENT)
def test_queries_can_be_repeated_and_creations_cannot(name):
    [definition] = parse(SENT[name].text).definitions
    creates = SENT[name].name.endswith(("Create", "DeployV2", "Rollback"))

    assert SENT[name].repeatable == (not creates)
    if definition.operation.value == "query":
        assert SENT[name].repeatable


def test_the_schema_holds_nothing_that_is_not_asked_for(schema):
    fields = schema.query_type.fields.keys() | schema.mutation_type.fields.keys()

    assert fields == {operation.name for operation in SENT.values()}


def test_the_loopback_server_answers_all_of_it(schema):
    assert Model().resolvers.keys() == {operation.name for operation in SENT.values()}
