"""Policy documents: one shape for all of theirs, and who is everybody."""

from __future__ import annotations

from typing import Any

import pytest

from policies.documents import (
    Statement,
    as_list,
    denies_plain_transport,
    is_public,
    statements,
    statements_of,
)
from resource_graph import UNKNOWN, UndecidedError
from resource_types import QUEUE_POLICY
from tests.unit.policies.casework import resource

PLAIN = {"Bool": {"aws:SecureTransport": "false"}}


def allow(principal: Any = "*", **more: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "sqs:SendMessage",
        "Resource": "*",
        **more,
    }


def deny(**more: Any) -> dict[str, Any]:
    return {**allow(), "Effect": "Deny", "Action": "*", "Condition": PLAIN, **more}


def only(statement: Any) -> Statement:
    [found] = statements({"Statement": [statement]})
    return found


def test_a_statement_alone_and_values_alone_are_lists_of_one() -> None:
    [found] = statements({"Statement": allow({"AWS": "arn:aws:iam::1:root"})})
    assert found == Statement(
        effect="Allow",
        actions=("sqs:SendMessage",),
        resources=("*",),
        principals=("AWS:arn:aws:iam::1:root",),
    )


def test_principals_of_all_kinds_are_texts() -> None:
    found = only(allow({"AWS": ["1", "2"], "Service": "ecs-tasks.amazonaws.com"}))
    assert found.principals == ("AWS:1", "AWS:2", "Service:ecs-tasks.amazonaws.com")


def test_operators_and_keys_of_conditions_do_not_depend_on_case() -> None:
    found = only(allow(Condition={"Bool": {"AWS:SecureTransport": False}}))
    assert found.conditions == {"bool": {"aws:securetransport": ("false",)}}


@pytest.mark.parametrize(
    "document", [None, "", [], {}, {"Statement": None}, {"Statement": ["odd", 1]}]
)
def test_what_is_no_document_has_no_statements(document: Any) -> None:
    assert statements(document) == []


def test_odd_parts_of_a_statement_are_none_at_all() -> None:
    assert only({"Condition": "odd", "Principal": None}) == Statement()


def test_text_that_is_no_json_has_no_statements() -> None:
    assert statements_of(resource(QUEUE_POLICY, policy="{"), "policy") == []


def test_a_document_may_be_text_or_an_object() -> None:
    as_text = resource(QUEUE_POLICY, policy='{"Statement": {"Effect": "Deny"}}')
    as_object = resource(QUEUE_POLICY, policy={"Statement": {"Effect": "Deny"}})
    assert statements_of(as_text, "policy") == statements_of(as_object, "policy")


@pytest.mark.parametrize(
    "document",
    [
        UNKNOWN,
        {"Statement": UNKNOWN},
        {"Statement": [UNKNOWN]},
        {"Statement": [allow(UNKNOWN)]},
        {"Statement": [allow({"AWS": [UNKNOWN]})]},
        {"Statement": [allow(Condition={"Bool": UNKNOWN})]},
    ],
)
def test_what_is_not_known_is_not_decided(document: Any) -> None:
    with pytest.raises(UndecidedError):
        statements(document)


def test_a_list_is_what_stands_alone_or_in_one() -> None:
    assert as_list(None) == []
    assert as_list("a") == ["a"]
    assert as_list(["a", "b"]) == ["a", "b"]
    assert as_list({"a": 1}) == [{"a": 1}]


@pytest.mark.parametrize(
    ("action", "covered"),
    [("kms:Decrypt", True), ("KMS:decrypt", True), ("kms:Encrypt", False)],
)
def test_an_action_is_covered_by_name_or_wildcard(action: str, covered: bool) -> None:
    assert Statement(actions=("kms:De*",)).covers_action(action) is covered
    assert Statement(not_actions=("kms:De*",)).covers_action(action) is not covered


@pytest.mark.parametrize(
    "statement",
    [
        allow("*"),
        allow({"AWS": "*"}),
        allow({"AWS": ["arn:aws:iam::1:root", "*"]}),
        {"Effect": "Allow", "NotPrincipal": {"AWS": "1"}, "Action": "*"},
        allow(Condition={"StringNotEquals": {"aws:SourceAccount": "1"}}),
        allow(Condition={"StringEqualsIfExists": {"aws:SourceAccount": "1"}}),
        allow(Condition={"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o"}}),
        allow(Condition={"StringLike": {"aws:SourceAccount": "*"}}),
        allow(Condition={"StringEquals": {"aws:SourceAccount": []}}),
        allow(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:*"}}),
        allow(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}}),
        allow(Condition={"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}),
        allow(Condition={"IpAddress": {"aws:SourceIp": "::/0"}}),
        allow(Condition={"IpAddress": {"aws:SourceIp": "odd"}}),
        allow(Condition={"Bool": {"aws:SecureTransport": "true"}}),
        allow(
            Condition={"Bool": {"elasticfilesystem:AccessedViaMountTarget": "false"}}
        ),
    ],
)
def test_everybody_without_a_condition_that_says_who_is_public(statement: Any) -> None:
    assert is_public(only(statement))


@pytest.mark.parametrize(
    "statement",
    [
        allow({"AWS": "arn:aws:iam::1:root"}),
        allow({"Service": "sns.amazonaws.com"}),
        allow("*", Effect="Deny"),
        allow(Condition={"StringEquals": {"AWS:SourceOwner": "1"}}),
        allow(Condition={"StringEquals": {"kms:CallerAccount": "1"}}),
        allow(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:s3:::bucket"}}),
        allow(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:1:*"}}),
        allow(Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
        allow(Condition={"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o/*"}}),
        allow(Condition={"Bool": {"elasticfilesystem:AccessedViaMountTarget": True}}),
    ],
)
def test_who_is_named_or_narrowed_down_is_not_everybody(statement: Any) -> None:
    assert not is_public(only(statement))


@pytest.mark.parametrize(
    "statement",
    [
        deny(),
        deny(Principal={"AWS": ["*"]}),
        deny(Action=["s3:*"]),
        deny(Condition={"BoolIfExists": {"aws:securetransport": False}}),
    ],
)
def test_plain_transport_is_denied_to_everybody(statement: Any) -> None:
    assert denies_plain_transport(only(statement))


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow"},
        {"Principal": {"AWS": "arn:aws:iam::1:root"}},
        {"Action": "s3:GetObject"},
        {"Condition": {}},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Condition": {**PLAIN, "StringEquals": {"aws:SourceAccount": "1"}}},
    ],
)
def test_plain_transport_is_denied_only_in_part(statement: Any) -> None:
    assert not denies_plain_transport(only({**deny(), **statement}))
