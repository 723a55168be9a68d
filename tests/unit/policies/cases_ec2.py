"""What breaks the policies about EC2 and VPC."""

from __future__ import annotations

from typing import Any

from resource_graph import Resource
from resource_types import (
    DEFAULT_SECURITY_GROUP,
    EC2_INSTANCE,
    EGRESS_RULE,
    FLOW_LOG,
    INGRESS_RULE,
    LAUNCH_TEMPLATE,
    NETWORK_ACL,
    NETWORK_ACL_RULE,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    SUBNET,
    VPC,
    VPC_ENDPOINT,
)
from tests.unit.policies.casework import Case, resource

NETWORK = resource(VPC, "network")
DEFAULT_GROUP = resource(
    DEFAULT_SECURITY_GROUP, "default", comes_from={"vpcId": [NETWORK]}
)
ANYWHERE = "0.0.0.0/0"
ANYWHERE_6 = "::/0"
TEMPLATE = resource(
    LAUNCH_TEMPLATE, "template", metadataOptions={"httpTokens": "required"}
)
LAX_TEMPLATE = resource(LAUNCH_TEMPLATE, "template")


def ingress(first: int, last: int | None = None, **more: Any) -> Resource:
    """A rule that opens ports to everywhere, unless told to whom."""
    inputs: dict[str, Any] = {
        "ipProtocol": "tcp",
        "fromPort": first,
        "toPort": first if last is None else last,
    }
    if "cidrIpv6" not in more:
        inputs["cidrIpv4"] = ANYWHERE
    return resource(INGRESS_RULE, **{**inputs, **more})


def inline(first: int, last: int | None = None, **more: Any) -> Resource:
    """A group with a rule in it that opens ports to everywhere."""
    rule = {
        "protocol": "tcp",
        "fromPort": first,
        "toPort": first if last is None else last,
        "cidrBlocks": ["10.0.0.0/8", ANYWHERE],
    }
    return resource(SECURITY_GROUP, ingress=[{**rule, **more}])


def older(first: int, **more: Any) -> Resource:
    """A rule of the older kind."""
    rule = {
        "type": "ingress",
        "protocol": "6",
        "fromPort": first,
        "toPort": first,
        "cidrBlocks": [ANYWHERE],
    }
    return resource(SECURITY_GROUP_RULE, **{**rule, **more})


EVERYTHING = resource(INGRESS_RULE, ipProtocol="-1", cidrIpv4=ANYWHERE)
HARMLESS = (
    ingress(443),
    inline(80, ipv6CidrBlocks=[ANYWHERE_6]),
    ingress(22, cidrIpv4="10.0.0.0/8"),
    ingress(3389, cidrIpv4=None, prefixListId="pl-1"),
    inline(22, cidrBlocks=None, self=True),
    older(22, type="egress"),
    resource(INGRESS_RULE, "ping", ipProtocol="icmp", cidrIpv4=ANYWHERE),
    resource(SECURITY_GROUP, "without-rules"),
    DEFAULT_GROUP,
)


def endpoint(service: str, type_: str | None = "Interface") -> list[Resource]:
    """A network with an endpoint."""
    return [
        NETWORK,
        resource(
            VPC_ENDPOINT,
            comes_from={"vpcId": [NETWORK]},
            serviceName=f"com.amazonaws.eu-central-1.{service}",
            vpcEndpointType=type_,
        ),
    ]


def interface(id_: str, service: str, other: str) -> Case:
    """A policy that asks for an interface endpoint."""
    return Case(
        id=id_,
        good=endpoint(service),
        bad={
            "no endpoint at all": ([NETWORK], service),
            "one for something else": (endpoint(other), service),
            "of another network": (
                [*endpoint(service)[1:], resource(VPC, "other")],
                service,
            ),
            "a gateway, as by default": (endpoint(service, None), service),
        },
    )


def acl(**rule: Any) -> Resource:
    """A network ACL with a rule that allows SSH from everywhere."""
    base = {"protocol": "tcp", "action": "allow", "fromPort": 22, "toPort": 22}
    return resource(NETWORK_ACL, ingress=[{**base, "cidrBlock": ANYWHERE, **rule}])


def acl_rule(**rule: Any) -> Resource:
    """The same as a resource of its own."""
    base = {"protocol": "6", "ruleAction": "allow", "fromPort": 22, "toPort": 22}
    return resource(NETWORK_ACL_RULE, **{**base, "cidrBlock": ANYWHERE, **rule})


CASES = (
    Case(
        id="EC2.2",
        good=[
            NETWORK,
            DEFAULT_GROUP,
            resource(
                DEFAULT_SECURITY_GROUP,
                "emptied",
                comes_from={"vpcId": [NETWORK]},
                ingress=[],
                egress=[],
            ),
        ],
        bad={
            "left as it is": ([NETWORK], "as AWS makes it"),
            "rules in": (
                [resource(DEFAULT_SECURITY_GROUP, ingress=[{"self": True}])],
                "ingress has 1 rule,",
            ),
            "rules out": (
                [resource(DEFAULT_SECURITY_GROUP, egress=[{}, {}])],
                "egress has 2 rules",
            ),
            "a rule added to it": (
                [
                    NETWORK,
                    DEFAULT_GROUP,
                    resource(
                        EGRESS_RULE,
                        "out",
                        comes_from={"securityGroupId": [DEFAULT_GROUP]},
                    ),
                ],
                "out adds a rule",
            ),
            "a rule added by way of the network": (
                [
                    NETWORK,
                    DEFAULT_GROUP,
                    resource(
                        SECURITY_GROUP_RULE,
                        "in",
                        comes_from={"securityGroupId": [NETWORK]},
                    ),
                ],
                "in adds a rule",
            ),
        },
    ),
    Case(
        id="EC2.6",
        good=[
            NETWORK,
            resource(FLOW_LOG, comes_from={"vpcId": [NETWORK]}, trafficType="ALL"),
        ],
        bad={
            "no log": ([NETWORK], "no flow log"),
            "of a subnet only": (
                [NETWORK, resource(FLOW_LOG, subnetId="subnet-1", trafficType="ALL")],
                "no flow log",
            ),
            "only what was accepted": (
                [
                    NETWORK,
                    resource(
                        FLOW_LOG, comes_from={"vpcId": [NETWORK]}, trafficType="ACCEPT"
                    ),
                ],
                "trafficType of its flow log is ACCEPT",
            ),
        },
    ),
    Case(
        id="EC2.8",
        good=[
            resource(EC2_INSTANCE, metadataOptions={"httpTokens": "required"}),
            resource(EC2_INSTANCE, metadataOptions={"httpEndpoint": "disabled"}),
            TEMPLATE,
            resource(
                EC2_INSTANCE, "of-template", comes_from={"launchTemplate": [TEMPLATE]}
            ),
            resource(EC2_INSTANCE, "of-elsewhere", launchTemplate={"id": "lt-1"}),
        ],
        bad={
            "optional": (
                [resource(EC2_INSTANCE, metadataOptions={"httpTokens": "optional"})],
                "httpTokens is optional",
            ),
            "left to its default": ([resource(EC2_INSTANCE)], "left to the image"),
            "left to a template that leaves it": (
                [
                    LAX_TEMPLATE,
                    resource(
                        EC2_INSTANCE, comes_from={"launchTemplate": [LAX_TEMPLATE]}
                    ),
                ],
                "left to the image",
            ),
        },
    ),
    interface("EC2.10", "ec2", "ec2messages"),
    Case(
        id="EC2.13",
        good=HARMLESS,
        bad={
            "a rule": ([ingress(22)], "opens port 22 (tcp) to 0.0.0.0/0"),
            "a rule of the older kind": ([older(22)], "opens port 22"),
            "inline": ([inline(22)], "ingress.0 opens port 22"),
            "within a range": ([ingress(20, 25)], "opens port 20-25"),
            "by IPv6": ([ingress(22, cidrIpv6=ANYWHERE_6)], "to ::/0"),
            "by both": ([ingress(22, cidrIpv4=ANYWHERE, cidrIpv6=ANYWHERE_6)], "and"),
            "everything": ([EVERYTHING], "opens port 0-65535 (all)"),
            "every port, written as -1": ([older(-1)], "opens port 0-65535"),
            "without ports": (
                [resource(INGRESS_RULE, ipProtocol="tcp", cidrIpv4=ANYWHERE)],
                "opens port 0-65535",
            ),
            "the default group": (
                [
                    resource(
                        DEFAULT_SECURITY_GROUP,
                        ingress=[
                            {
                                "protocol": "tcp",
                                "fromPort": 22,
                                "toPort": 22,
                                "cidrBlocks": [ANYWHERE],
                            }
                        ],
                    )
                ],
                "port 22",
            ),
        },
    ),
    Case(
        id="EC2.14",
        good=HARMLESS,
        bad={
            "a rule": ([ingress(3389)], "opens port 3389"),
            "inline": ([inline(3000, 4000)], "so 3389 can be reached"),
            "everything": ([EVERYTHING], "3389"),
        },
    ),
    Case(
        id="EC2.15",
        good=[
            resource(SUBNET, mapPublicIpOnLaunch=False),
            resource(SUBNET, "left-to-default"),
        ],
        bad={
            "public addresses": (
                [resource(SUBNET, mapPublicIpOnLaunch=True)],
                "mapPublicIpOnLaunch is true",
            )
        },
    ),
    Case(
        id="EC2.18",
        good=HARMLESS,
        bad={
            "another port": ([ingress(8443)], "port 8443 (tcp)"),
            "more than the web's": ([inline(80, 443)], "port 80-443"),
            "a port of UDP": ([ingress(443, ipProtocol="udp")], "(udp)"),
            "everything": ([EVERYTHING], "0-65535"),
        },
    ),
    Case(
        id="EC2.19",
        good=HARMLESS,
        bad={
            "a database": ([ingress(5432)], "5432 can be reached"),
            "by UDP": ([inline(445, protocol="17")], "445"),
            "several": ([ingress(20, 25)], "20, 21, 22 and 2 more can be reached"),
            "everything": ([EVERYTHING], "20, 21, 22 and 21 more"),
        },
    ),
    Case(
        id="EC2.21",
        good=[
            acl(fromPort=443, toPort=443),
            acl(action="deny"),
            acl(cidrBlock="10.0.0.0/8"),
            acl(protocol="1"),
            acl_rule(egress=True),
            acl_rule(ruleAction="deny"),
            resource(NETWORK_ACL, "without-rules"),
        ],
        bad={
            "inline": ([acl()], "ingress.0 opens port 22"),
            "inline, by IPv6": (
                [acl(cidrBlock=None, ipv6CidrBlock=ANYWHERE_6)],
                "to ::/0",
            ),
            "by UDP": ([acl(protocol="17")], "port 22 (udp)"),
            "a rule": ([acl_rule()], "opens port 22"),
            "everything": (
                [acl_rule(protocol="-1", fromPort=0, toPort=0, egress=False)],
                "22, 3389 can be reached",
            ),
        },
    ),
    Case(
        id="EC2.53",
        good=[*HARMLESS, ingress(22, cidrIpv6=ANYWHERE_6)],
        bad={
            "SSH": ([ingress(22)], "22 can be reached"),
            "remote desktop by UDP": ([ingress(3389, ipProtocol="udp")], "(udp)"),
            "inline": ([inline(22)], "ingress.0"),
            "everything": ([EVERYTHING], "22, 3389 can be reached"),
        },
    ),
    Case(
        id="EC2.54",
        good=[*HARMLESS, ingress(22)],
        bad={
            "SSH": ([ingress(22, cidrIpv6=ANYWHERE_6)], "to ::/0"),
            "inline": ([inline(22, ipv6CidrBlocks=[ANYWHERE_6])], "ingress.0"),
            "the older kind": (
                [older(3389, cidrBlocks=None, ipv6CidrBlocks=[ANYWHERE_6])],
                "3389",
            ),
        },
    ),
    interface("EC2.55", "ecr.api", "ecr.dkr"),
    interface("EC2.56", "ecr.dkr", "ecr.api"),
    interface("EC2.57", "ssm", "ssmmessages"),
)
