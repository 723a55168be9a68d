"""Amazon EC2 and VPC: networks that are closed, watched and private."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from policies.documents import as_list
from policies.model import Severity, Source, policy
from resource_graph import Resource, ResourceGraph, names
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

_HOLDS_RULES = (
    DEFAULT_SECURITY_GROUP,
    INGRESS_RULE,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
)

_SSH = 22
_RDP = 3389
_ADMINISTRATION = (_SSH, _RDP)

_WEB = frozenset({80, 443})
"""The ports that Security Hub lets everybody reach, over TCP."""

# Those of Security Hub, for EC2.19.
_HIGH_RISK = (
    *(20, 21, 22, 23, 25, 110, 135, 143, 445, 1433, 1434, 3000, 3306, 3389, 4333),
    *(5000, 5432, 5500, 5601, 8080, 8088, 8888, 9200, 9300),
)

_PROTOCOLS = {"-1": "all", "6": "tcp", "17": "udp"}
"""Protocols by number, as far as they have ports."""

_LAST_PORT = 65535

_IPV4 = "0.0.0.0/0"
_IPV6 = "::/0"

_CLOSE = (
    "Name a narrower source: a security group (referenced_security_group_id), a prefix "
    "list, or a network of your own. Session Manager needs no open port."
)


@dataclass(frozen=True)
class _Rule:
    """A rule that lets traffic in; path: where it is in its resource's inputs."""

    resource: Resource
    path: str = ""

    @property
    def protocol(self) -> str:
        """`tcp`, `udp`, `all`, or one that has no ports."""
        key = "ipProtocol" if self.resource.type == INGRESS_RULE else "protocol"
        found = str(self.resource.get(self.path + key, "-1")).lower()
        return _PROTOCOLS.get(found, found)

    @property
    def ports(self) -> range:
        """The ports it opens; none where the protocol has none."""
        if self.protocol == "all":
            return range(_LAST_PORT + 1)
        if self.protocol not in ("tcp", "udp"):
            return range(0)
        first = self._port("fromPort", 0)
        return range(first, self._port("toPort", _LAST_PORT) + 1)

    @property
    def everywhere(self) -> list[str]:
        """The networks it lets in that are the whole internet."""
        return [cidr for cidr in self._sources() if cidr.endswith("/0")]

    @property
    def text(self) -> str:
        """What it opens, and to whom."""
        ports = self.ports
        span = f"{ports[0]}-{ports[-1]}" if len(ports) > 1 else f"{ports[0]}"
        where = f"{self.path.rstrip('.')} opens" if self.path else "opens"
        whom = " and ".join(self.everywhere)
        return f"{where} port {span} ({self.protocol}) to {whom}"

    def _port(self, key: str, end: int) -> int:
        # None at all, and -1, are how some write every port.
        given = str(self.resource.get(self.path + key))
        return int(given) if given.isdecimal() else end

    def _sources(self) -> Iterator[str]:
        for key in ("cidrIpv4", "cidrIpv6", "cidrBlock", "ipv6CidrBlock"):
            yield str(self.resource.get(self.path + key, ""))
        for key in ("cidrBlocks", "ipv6CidrBlocks"):
            for index in range(len(as_list(self.resource.get(self.path + key)))):
                yield str(self.resource.get(f"{self.path}{key}.{index}", ""))


@policy(
    "EC2.2",
    VPC,
    DEFAULT_SECURITY_GROUP,
    title="The default security group of a VPC lets nothing in or out",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Adopt it with aws.ec2.DefaultSecurityGroup, ingress=[] and egress=[], and "
    "use groups of your own.",
)
def default_group_closed(resource: Resource, graph: ResourceGraph) -> Iterator[str]:
    """What is put into it by oversight must not be reachable."""
    if resource.type == VPC:
        groups = graph.referring(resource, DEFAULT_SECURITY_GROUP, "vpcId")
        if not groups:
            yield "its default security group is as AWS makes it, with rules"
    else:
        for key in ("ingress", "egress"):
            rules = len(as_list(resource.get(key)))
            if rules:
                yield f"{key} has {rules} rule{'s' if rules > 1 else ''}, not none"
    for type_ in (INGRESS_RULE, EGRESS_RULE, SECURITY_GROUP_RULE):
        for rule in graph.referring(resource, type_, "securityGroupId"):
            yield f"{rule.name} adds a rule to the default security group"


@policy(
    "EC2.6",
    VPC,
    title="The traffic of every VPC is logged",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Add aws.ec2.FlowLog with the VPC's vpc_id and traffic_type='ALL'.",
)
def flow_logged(vpc: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Without a log nobody can say afterwards who talked to whom."""
    logs = graph.referring(vpc, FLOW_LOG, "vpcId")
    if not logs:
        yield "no flow log names it"
    elif all(log.get("trafficType") == "ACCEPT" for log in logs):
        yield "trafficType of its flow log is ACCEPT, so nothing rejected is logged"


@policy(
    "EC2.8",
    EC2_INSTANCE,
    title="Instances answer only to version 2 of the metadata service",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set metadata_options={'http_tokens': 'required'}.",
)
def metadata_by_token(instance: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Version 1 hands a role's credentials to whoever makes the host fetch a URL."""
    if instance.get("metadataOptions.httpEndpoint") == "disabled":
        return
    tokens = instance.get("metadataOptions.httpTokens")
    if tokens is None and instance.has("launchTemplate"):
        templates = [
            template
            for template in graph.of(LAUNCH_TEMPLATE)
            if names(instance, "launchTemplate", template)
        ]
        if not templates:
            # It is of another stack, and so is the answer.
            return
        tokens = templates[0].get("metadataOptions.httpTokens")
    if tokens != "required":
        yield f"httpTokens is {tokens or 'left to the image'}, not required"


@policy(
    "EC2.10",
    VPC,
    title="The API of EC2 is reached by a VPC endpoint",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Add aws.ec2.VpcEndpoint with vpc_endpoint_type='Interface' and the service "
    "com.amazonaws.REGION.ec2. It costs about 8 USD a month and zone.",
)
def ec2_by_endpoint(vpc: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Calls to AWS then need no way to the internet."""
    yield from _lacks_interface(vpc, "ec2", graph)


@policy(
    "EC2.13",
    *_HOLDS_RULES,
    title="No security group lets the internet reach port 22",
    severity=Severity.HIGH,
    source=Source.SECURITY_HUB,
    remedy=_CLOSE,
)
def ssh_closed(resource: Resource) -> Iterator[str]:
    """Every open SSH port is tried within minutes."""
    yield from _opens(_ingress(resource), [_SSH], protocols=("tcp", "all"))


@policy(
    "EC2.14",
    *_HOLDS_RULES,
    title="No security group lets the internet reach port 3389",
    severity=Severity.HIGH,
    source=Source.SECURITY_HUB,
    remedy=_CLOSE,
)
def remote_desktop_closed(resource: Resource) -> Iterator[str]:
    """Remote desktops are a favourite way in for ransomware."""
    yield from _opens(_ingress(resource), [_RDP], protocols=("tcp", "all"))


@policy(
    "EC2.15",
    SUBNET,
    title="Subnets give no public address to what starts in them",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Set map_public_ip_on_launch=False, and ask for a public address where one "
    "is meant.",
)
def subnet_gives_no_address(subnet: Resource) -> Iterator[str]:
    """A public address is a decision, not a default."""
    if subnet.get("mapPublicIpOnLaunch") is True:
        yield "mapPublicIpOnLaunch is true"


@policy(
    "EC2.18",
    *_HOLDS_RULES,
    title="Only ports 80 and 443 are open to the internet",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Open nothing but TCP 80 and 443 to 0.0.0.0/0 and ::/0. " + _CLOSE,
)
def only_web_open(resource: Resource) -> Iterator[str]:
    """What is no public website needs no public port."""
    for rule in _ingress(resource):
        ports = rule.ports
        authorised = rule.protocol == "tcp" and _WEB.issuperset(ports)
        if ports and not authorised and rule.everywhere:
            yield f"{rule.text}, which is not only TCP 80 or 443"


@policy(
    "EC2.19",
    *_HOLDS_RULES,
    title="No security group lets the internet reach a port of high risk",
    severity=Severity.CRITICAL,
    source=Source.FSBP,
    remedy=_CLOSE,
)
def high_risk_closed(resource: Resource) -> Iterator[str]:
    """Databases and consoles are found and emptied by machines, not by people."""
    yield from _opens(_ingress(resource), _HIGH_RISK)


@policy(
    "EC2.21",
    NETWORK_ACL,
    NETWORK_ACL_RULE,
    title="No network ACL lets the internet reach port 22 or 3389",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Narrow cidr_block (ipv6_cidr_block) of the rule, or make it a deny.",
)
def acl_closes_administration(resource: Resource) -> Iterator[str]:
    """It is the second fence, for the day when a security group is wrong."""
    yield from _opens(_acl_ingress(resource), _ADMINISTRATION)


@policy(
    "EC2.53",
    *_HOLDS_RULES,
    title="No IPv4 address of the internet reaches ports of administration",
    severity=Severity.HIGH,
    source=Source.SECURITY_HUB,
    remedy=_CLOSE,
)
def administration_closed_to_ipv4(resource: Resource) -> Iterator[str]:
    """Servers are administered from somewhere, not from everywhere."""
    yield from _opens(_ingress(resource), _ADMINISTRATION, cidr=_IPV4)


@policy(
    "EC2.54",
    *_HOLDS_RULES,
    title="No IPv6 address of the internet reaches ports of administration",
    severity=Severity.HIGH,
    source=Source.SECURITY_HUB,
    remedy=_CLOSE,
)
def administration_closed_to_ipv6(resource: Resource) -> Iterator[str]:
    """A door that is shut to IPv4 only is open."""
    yield from _opens(_ingress(resource), _ADMINISTRATION, cidr=_IPV6)


@policy(
    "EC2.55",
    VPC,
    title="The API of ECR is reached by a VPC endpoint",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Add aws.ec2.VpcEndpoint with vpc_endpoint_type='Interface' and the service "
    "com.amazonaws.REGION.ecr.api. It costs about 8 USD a month and zone.",
)
def registry_api_by_endpoint(vpc: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Images then need no way over the internet."""
    yield from _lacks_interface(vpc, "ecr.api", graph)


@policy(
    "EC2.56",
    VPC,
    title="The Docker registry of ECR is reached by a VPC endpoint",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Add aws.ec2.VpcEndpoint with vpc_endpoint_type='Interface' and the service "
    "com.amazonaws.REGION.ecr.dkr. It costs about 8 USD a month and zone.",
)
def docker_registry_by_endpoint(vpc: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Images then need no way over the internet."""
    yield from _lacks_interface(vpc, "ecr.dkr", graph)


@policy(
    "EC2.57",
    VPC,
    title="Systems Manager is reached by a VPC endpoint",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy="Add aws.ec2.VpcEndpoint with vpc_endpoint_type='Interface' and the service "
    "com.amazonaws.REGION.ssm. It costs about 8 USD a month and zone.",
)
def systems_manager_by_endpoint(vpc: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Shells into tasks and hosts then need no way over the internet."""
    yield from _lacks_interface(vpc, "ssm", graph)


def _lacks_interface(
    vpc: Resource, service: str, graph: ResourceGraph
) -> Iterator[str]:
    for endpoint in graph.referring(vpc, VPC_ENDPOINT, "vpcId"):
        # The provider makes gateways by default, and those are for S3 and DynamoDB.
        if endpoint.get("vpcEndpointType", "Gateway") != "Interface":
            continue
        name = str(endpoint.get("serviceName", "")).removesuffix("-fips")
        if name.endswith(f".{service}"):
            return
    yield f"it has no interface endpoint with a serviceName of {service}"


def _opens(
    rules: Iterable[_Rule],
    ports: Iterable[int],
    *,
    cidr: str = "",
    protocols: Iterable[str] = ("tcp", "udp", "all"),
) -> Iterator[str]:
    """What opens any of these ports to everywhere, or to just this everywhere."""
    wanted = tuple(ports)
    for rule in rules:
        reached = [port for port in wanted if port in rule.ports]
        if not reached or rule.protocol not in protocols:
            continue
        everywhere = rule.everywhere
        if cidr in everywhere or (everywhere and not cidr):
            shown = ", ".join(map(str, reached[:3]))
            more = f" and {len(reached) - 3} more" if len(reached) > 3 else ""
            yield f"{rule.text}, so {shown}{more} can be reached"


def _ingress(resource: Resource) -> Iterator[_Rule]:
    if resource.type in (SECURITY_GROUP, DEFAULT_SECURITY_GROUP):
        for index in range(len(as_list(resource.get("ingress")))):
            yield _Rule(resource, f"ingress.{index}.")
    elif resource.type == INGRESS_RULE or resource.get("type") == "ingress":
        yield _Rule(resource)


def _acl_ingress(resource: Resource) -> Iterator[_Rule]:
    if resource.type == NETWORK_ACL:
        for index in range(len(as_list(resource.get("ingress")))):
            path = f"ingress.{index}."
            if _allows(resource, path + "action"):
                yield _Rule(resource, path)
    elif resource.get("egress") is not True and _allows(resource, "ruleAction"):
        yield _Rule(resource)


def _allows(resource: Resource, path: str) -> bool:
    return str(resource.get(path)).lower() == "allow"
