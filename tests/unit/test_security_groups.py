"""Who may talk to whom, and that nobody else may."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from components.security_groups import SecurityGroups, SecurityGroupsArgs

GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ANYWHERE = "0.0.0.0/0"


class Allowed(NamedTuple):
    """One rule: whose it is, in which direction, who is at the other end."""

    group: str
    direction: str
    port: int
    peer: str


def groups(**args):
    defaults = {"vpc_id": "vpc-0a1b", "app_port": 3001, "https": True}
    return SecurityGroups("app", SecurityGroupsArgs(**(defaults | args)))


def rules(graph) -> set[Allowed]:
    roles = {g.id: g.name.removeprefix("app-") for g in graph.all(GROUP)}
    found = set()
    for type_, direction in ((INGRESS, "in"), (EGRESS, "out")):
        for rule in graph.all(type_):
            assert rule["ipProtocol"] == "tcp"
            assert rule["fromPort"] == rule["toPort"]
            peer = rule.get("referencedSecurityGroupId")
            found.add(
                Allowed(
                    roles[rule["securityGroupId"]],
                    direction,
                    rule["fromPort"],
                    roles[peer]
                    if peer
                    else rule.get("cidrIpv4") or rule["prefixListId"],
                )
            )
    return found


INSIDE = {
    Allowed("load-balancer", "out", 3001, "service"),
    Allowed("service", "in", 3001, "load-balancer"),
    Allowed("service", "out", 5432, "database"),
    Allowed("database", "in", 5432, "service"),
    Allowed("service", "out", 443, ANYWHERE),
}
WEB = {
    Allowed("load-balancer", "in", 80, ANYWHERE),
    Allowed("load-balancer", "in", 443, ANYWHERE),
}


def test_every_connection_that_is_allowed_with_https(graph):
    graph.build(groups)
    assert rules(graph) == INSIDE | WEB


def test_without_https_only_port_80_is_open(graph):
    graph.build(lambda: groups(https=False))
    assert rules(graph) == INSIDE | {Allowed("load-balancer", "in", 80, ANYWHERE)}


def test_the_load_balancer_can_be_closed_to_most_of_the_world(graph):
    office = ["198.51.100.0/24", "203.0.113.7/32"]
    graph.build(lambda: groups(https=False, allowed_cidrs=office))
    assert rules(graph) - INSIDE == {
        Allowed("load-balancer", "in", 80, cidr) for cidr in office
    }


def test_mail_leaves_through_its_own_port(graph):
    graph.build(lambda: groups(smtp_port=587))
    assert Allowed("service", "out", 587, ANYWHERE) in rules(graph)


def test_mail_through_the_port_of_https_makes_no_second_rule(graph):
    graph.build(lambda: groups(smtp_port=443))
    assert len(graph.all(EGRESS)) == 3


def test_other_ports_move_both_ends_of_a_connection(graph):
    graph.build(lambda: groups(app_port=8080, database_port=6432))
    assert {rule.port for rule in rules(graph)} == {80, 443, 8080, 6432}


@pytest.mark.parametrize("https", [True, False])
def test_nothing_but_the_load_balancer_is_open_to_the_world(graph, https):
    graph.build(lambda: groups(https=https, smtp_port=587))
    open_groups = {
        rule.group
        for rule in rules(graph)
        if rule.direction == "in" and rule.peer == ANYWHERE
    }
    assert open_groups == {"load-balancer"}


def test_the_database_opens_no_connection(graph):
    graph.build(groups)
    assert not [r for r in rules(graph) if r.group == "database" and r[1] == "out"]


def test_rules_are_resources_of_their_own_and_say_what_they_are_for(graph):
    graph.build(groups)
    for group in graph.all(GROUP):
        assert "ingress" not in group.inputs
        assert "egress" not in group.inputs
    for resource in graph.resources:
        # What EC2 accepts in a description.
        assert re.fullmatch(
            r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}", resource["description"]
        )


def test_the_groups_of_the_outputs_are_those_of_the_rules(graph):
    outputs = graph.build(groups)
    ids = {g.name.removeprefix("app-"): g.id for g in graph.all(GROUP)}
    assert outputs == {
        "cache_id": None,
        "uploads_id": None,
        "load_balancer_id": ids["load-balancer"],
        "service_id": ids["service"],
        "database_id": ids["database"],
    }
    assert {g["vpcId"] for g in graph.all(GROUP)} == {"vpc-0a1b"}


def test_cache_and_uploads_are_reached_by_the_tasks_only(graph):
    graph.build(lambda: groups(cache_port=6379, uploads=True))

    assert rules(graph) - INSIDE - WEB == {
        Allowed("service", "out", 6379, "cache"),
        Allowed("cache", "in", 6379, "service"),
        Allowed("service", "out", 2049, "uploads"),
        Allowed("uploads", "in", 2049, "service"),
    }
    assert graph.outputs["cache_id"] == graph.one(GROUP, "app-cache").id
    assert graph.outputs["uploads_id"] == graph.one(GROUP, "app-uploads").id


def test_behind_a_cdn_nobody_else_reaches_the_load_balancer(graph):
    graph.build(lambda: groups(allowed_prefix_list_id="pl-a3a144ca"))

    assert rules(graph) - INSIDE == {
        Allowed("load-balancer", "in", 443, "pl-a3a144ca"),
    }


def test_a_new_version_is_shown_to_those_who_test_it(graph):
    graph.build(lambda: groups(test_port=8443, test_cidrs=["203.0.113.0/24"]))

    assert rules(graph) - INSIDE - WEB == {
        Allowed("load-balancer", "in", 8443, "203.0.113.0/24"),
    }


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"https": False, "allowed_prefix_list_id": "pl-1"}, "turn on https"),
        ({"test_cidrs": ["203.0.113.0/24"]}, "without a test_port"),
    ],
)
def test_what_leads_nowhere_is_refused(args, says):
    with pytest.raises(ValueError, match=says):
        SecurityGroupsArgs(**({"vpc_id": "v", "app_port": 1, "https": True} | args))
