"""Names that follow their target, and that outlive a move from one to another."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from components.alias_records import AliasRecords, AliasRecordsArgs
from tests.graph import UNKNOWN, Graph

RECORD = "aws:route53/record:Record"


class Former(pulumi.ComponentResource):
    """What the records belonged to before."""

    def __init__(self, name: str) -> None:
        super().__init__("stromhaltig:aws:LoadBalancer", name)


def args(**changes: Any) -> AliasRecordsArgs:
    return AliasRecordsArgs(
        **{
            "hosts": ["example.org", "www.example.org"],
            "zone_id": "Z1",
            "target_dns_name": "app-1.eu-central-1.elb.amazonaws.com",
            "target_zone_id": "Z215JYRZR1TBD5",
            "evaluate_target_health": True,
        }
        | changes
    )


def build(graph: Graph, **changes: Any) -> Any:
    return graph.build(lambda: AliasRecords("app", args(**changes)))


def test_every_name_leads_to_the_target(graph):
    build(graph)
    records = {record["name"]: record for record in graph.all(RECORD)}
    assert records.keys() == {"example.org", "www.example.org"}
    for record in records.values():
        assert (record["zoneId"], record["type"]) == ("Z1", "A")
        assert record["aliases"] == [
            {
                "name": "app-1.eu-central-1.elb.amazonaws.com",
                "zoneId": "Z215JYRZR1TBD5",
                "evaluateTargetHealth": True,
            }
        ]


def test_a_name_that_is_given_twice_gets_one_record(graph):
    outputs = build(graph, hosts=["a.org", "a.org"])
    assert graph.one(RECORD)["name"] == "a.org"
    assert outputs["hosts"] == ["a.org"]


def test_names_answer_by_ipv6_where_the_target_does(graph):
    build(graph, ipv6=True)
    types = {(record["name"], record["type"]) for record in graph.all(RECORD)}
    assert types == {
        (host, type_)
        for host in ("example.org", "www.example.org")
        for type_ in ("A", "AAAA")
    }


def test_records_keep_the_names_that_they_had_in_the_former_component(graph):
    def program() -> None:
        AliasRecords("app", args(moved_from=Former("app")))

    graph.build(program)
    for record in graph.all(RECORD):
        assert record.name == f"app-{record['name']}"
        (former,) = record.aliases
        assert former.endswith("::stromhaltig:aws:LoadBalancer::app")


def test_records_that_were_never_elsewhere_have_no_alias(graph):
    build(graph)
    assert [record.aliases for record in graph.all(RECORD)] == [(), ()]


def test_without_names_there_is_nothing_to_make(graph):
    with pytest.raises(ValueError, match="hosts"):
        args(hosts=[])


def test_a_preview_shows_every_record_before_the_target_exists(graph):
    def program() -> None:
        target = aws.lb.LoadBalancer("app")
        AliasRecords(
            "app",
            args(target_dns_name=target.dns_name, target_zone_id=target.zone_id),
        )

    graph.build(program, preview=True)
    records = {record["name"]: record for record in graph.all(RECORD)}
    assert records.keys() == {"example.org", "www.example.org"}
    for record in records.values():
        (target,) = record["aliases"]
        assert (target["name"], target["zoneId"]) == (UNKNOWN, UNKNOWN)
