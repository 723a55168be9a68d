"""Rows for networks: VPC, subnets, routes, gateways, security groups, instances."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import arn, matching, one_of, value_at, within
from rehearsal.provider.aws.documents import document
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    given,
    is_gone,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.schema import is_unknown
from rehearsal.provider.wire import Properties


class Ec2Row(Row):
    """What EC2's resources share: one describe call, tags by resource id."""

    service: ClassVar[str] = "ec2"
    tagged: ClassVar[bool] = True
    kind: ClassVar[str]
    """EC2's name of the resource type, as in a tag specification."""
    describe: ClassVar[tuple[str, str, str]]
    """The describe call, its parameter for ids, and the list in its answer."""

    def tag_specification(self, inputs: Properties) -> list[dict[str, Any]]:
        """Tags for a create call."""
        tags = tag_list(inputs.get("tagsAll"))
        return [{"ResourceType": self.kind, "Tags": tags}] if tags else []

    def arn(self, aws: Aws, id: str) -> str:
        """EC2 does not answer with ARNs; they follow from the id."""
        return f"arn:aws:ec2:{aws.region}:{aws.account_id}:{self.kind}/{id}"

    def live(self, aws: Aws, id: str) -> dict[str, Any] | None:
        """The description of one resource, or None when there is none."""
        call, parameter, answer = self.describe
        try:
            found = getattr(aws.client("ec2"), call)(**{parameter: [id]})[answer]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return found[0] if found else None

    def retag(self, aws: Aws, id: str, old: Properties, new: Properties) -> None:
        """Bring the tags in line."""
        wanted, unwanted = tag_changes(old, new)
        ec2 = aws.client("ec2")
        if wanted:
            ec2.create_tags(Resources=[id], Tags=tag_list(wanted))
        if unwanted:
            ec2.delete_tags(Resources=[id], Tags=[{"Key": key} for key in unwanted])

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self.retag(aws, id, old, new)

    def common(self, aws: Aws, id: str, live: Mapping[str, Any]) -> Properties:
        """What every one of them shows."""
        return {"arn": self.arn(aws, id), "tagsAll": tag_map(live.get("Tags"))}


class Vpc(Ec2Row):
    """aws.ec2.Vpc."""

    token = "aws:ec2/vpc:Vpc"
    kind = "vpc"
    describe = ("describe_vpcs", "VpcIds", "Vpcs")
    replaces = frozenset({"cidrBlock", "instanceTenancy"})
    updates = frozenset({"enableDnsHostnames", "enableDnsSupport"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "enableDnsHostnames": False,
        "enableDnsSupport": True,
        "instanceTenancy": "default",
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return cidr_problems(inputs, "cidrBlock", smallest=28, largest=16)

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").create_vpc(
            CidrBlock=inputs["cidrBlock"],
            InstanceTenancy=inputs["instanceTenancy"],
            TagSpecifications=self.tag_specification(inputs),
        )
        return str(created["Vpc"]["VpcId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        self._set_dns(aws, id, inputs)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        ec2 = aws.client("ec2")
        of_vpc = [{"Name": "vpc-id", "Values": [id]}]
        groups = ec2.describe_security_groups(
            Filters=[*of_vpc, {"Name": "group-name", "Values": ["default"]}]
        )
        tables = ec2.describe_route_tables(
            Filters=[*of_vpc, {"Name": "association.main", "Values": ["true"]}]
        )
        main = tables["RouteTables"][0]["RouteTableId"]
        return {
            **self.common(aws, id, live),
            "ownerId": live["OwnerId"],
            "cidrBlock": live["CidrBlock"],
            "instanceTenancy": live["InstanceTenancy"],
            "enableDnsHostnames": self._dns(aws, id, "Hostnames"),
            "enableDnsSupport": self._dns(aws, id, "Support"),
            "defaultSecurityGroupId": groups["SecurityGroups"][0]["GroupId"],
            "defaultRouteTableId": main,
            "mainRouteTableId": main,
            "dhcpOptionsId": live["DhcpOptionsId"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._set_dns(aws, id, new)
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("ec2").delete_vpc, VpcId=id)

    def _set_dns(self, aws: Aws, id: str, inputs: Properties) -> None:
        ec2 = aws.client("ec2")
        for key in ("enableDnsSupport", "enableDnsHostnames"):
            attribute = key[0].upper() + key[1:]
            ec2.modify_vpc_attribute(VpcId=id, **{attribute: {"Value": inputs[key]}})

    def _dns(self, aws: Aws, id: str, what: str) -> bool:
        answer = aws.client("ec2").describe_vpc_attribute(
            VpcId=id, Attribute=f"enableDns{what}"
        )
        return bool(answer[f"EnableDns{what}"]["Value"])


class InternetGateway(Ec2Row):
    """aws.ec2.InternetGateway."""

    token = "aws:ec2/internetGateway:InternetGateway"
    kind = "internet-gateway"
    describe = (
        "describe_internet_gateways",
        "InternetGatewayIds",
        "InternetGateways",
    )
    updates = frozenset({"vpcId"})

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").create_internet_gateway(
            TagSpecifications=self.tag_specification(inputs)
        )
        return str(created["InternetGateway"]["InternetGatewayId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        if inputs.get("vpcId"):
            aws.client("ec2").attach_internet_gateway(
                InternetGatewayId=id, VpcId=inputs["vpcId"]
            )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        attached = [one["VpcId"] for one in live.get("Attachments", [])]
        return {
            **self.common(aws, id, live),
            "ownerId": live.get("OwnerId", aws.account_id),
            "vpcId": attached[0] if attached else None,
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if "vpcId" in changed:
            self._detach(aws, id, old)
            self.finish(aws, id, new)
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        self._detach(aws, id, state)
        deleted(aws.client("ec2").delete_internet_gateway, InternetGatewayId=id)

    def _detach(self, aws: Aws, id: str, state: Properties) -> None:
        if state.get("vpcId"):
            deleted(
                aws.client("ec2").detach_internet_gateway,
                also={"Gateway.NotAttached"},
                InternetGatewayId=id,
                VpcId=state["vpcId"],
            )


class Subnet(Ec2Row):
    """aws.ec2.Subnet."""

    token = "aws:ec2/subnet:Subnet"
    kind = "subnet"
    describe = ("describe_subnets", "SubnetIds", "Subnets")
    replaces = frozenset({"vpcId", "cidrBlock", "availabilityZone"})
    updates = frozenset({"mapPublicIpOnLaunch"})
    defaults: ClassVar[Mapping[str, Any]] = {"mapPublicIpOnLaunch": False}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return cidr_problems(inputs, "cidrBlock", smallest=28, largest=16)

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").create_subnet(
            VpcId=inputs["vpcId"],
            CidrBlock=inputs["cidrBlock"],
            TagSpecifications=self.tag_specification(inputs),
            **given(inputs, availabilityZone="AvailabilityZone"),
        )
        return str(created["Subnet"]["SubnetId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        aws.client("ec2").modify_subnet_attribute(
            SubnetId=id,
            MapPublicIpOnLaunch={"Value": inputs["mapPublicIpOnLaunch"]},
        )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        return {
            **self.common(aws, id, live),
            "ownerId": live["OwnerId"],
            "vpcId": live["VpcId"],
            "cidrBlock": live["CidrBlock"],
            "availabilityZone": live["AvailabilityZone"],
            "availabilityZoneId": live["AvailabilityZoneId"],
            "mapPublicIpOnLaunch": live["MapPublicIpOnLaunch"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self.finish(aws, id, new)
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("ec2").delete_subnet, SubnetId=id)


class RouteTable(Ec2Row):
    """aws.ec2.RouteTable; its routes are resources of their own."""

    token = "aws:ec2/routeTable:RouteTable"
    kind = "route-table"
    describe = ("describe_route_tables", "RouteTableIds", "RouteTables")
    replaces = frozenset({"vpcId"})

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").create_route_table(
            VpcId=inputs["vpcId"], TagSpecifications=self.tag_specification(inputs)
        )
        return str(created["RouteTable"]["RouteTableId"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        return {
            **self.common(aws, id, live),
            "ownerId": live["OwnerId"],
            "vpcId": live["VpcId"],
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("ec2").delete_route_table, RouteTableId=id)


ROUTE_TARGETS = {
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
}


class Route(Ec2Row):
    """aws.ec2.Route: one IPv4 destination of a route table."""

    token = "aws:ec2/route:Route"
    tagged = False
    replaces = frozenset({"routeTableId", "destinationCidrBlock"})
    updates = frozenset(ROUTE_TARGETS)

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        targets = [key for key in ROUTE_TARGETS if inputs.get(key) is not None]
        problems = cidr_problems(inputs, "destinationCidrBlock")
        if len(targets) != 1:
            problems.append(f"gatewayId: exactly one target is needed, got {targets}")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("ec2").create_route(**self._call(inputs))
        return f"{inputs['routeTableId']}/{inputs['destinationCidrBlock']}"

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        table, destination = self._place(id)
        try:
            found = aws.client("ec2").describe_route_tables(RouteTableIds=[table])
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        for route in found["RouteTables"][0]["Routes"]:
            if route.get("DestinationCidrBlock") == destination:
                targets = {ours: route.get(f) for ours, f in ROUTE_TARGETS.items()}
                return {
                    "id": f"{table}/{destination}",
                    "routeTableId": table,
                    "destinationCidrBlock": destination,
                    "state": route["State"],
                    **targets,
                }
        return None

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        aws.client("ec2").replace_route(**self._call(new))

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        table, destination = self._place(id)
        deleted(
            aws.client("ec2").delete_route,
            RouteTableId=table,
            DestinationCidrBlock=destination,
        )

    def _place(self, id: str) -> tuple[str, str]:
        """Table and destination; `pulumi import` takes them with an underscore."""
        table, _, destination = id.replace("_", "/", 1).partition("/")
        return table, destination

    def _call(self, inputs: Properties) -> dict[str, Any]:
        return {
            "RouteTableId": inputs["routeTableId"],
            "DestinationCidrBlock": inputs["destinationCidrBlock"],
            **given(inputs, **ROUTE_TARGETS),
        }


class RouteTableAssociation(Ec2Row):
    """aws.ec2.RouteTableAssociation."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    tagged = False
    replaces = frozenset({"subnetId"})
    updates = frozenset({"routeTableId"})

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").associate_route_table(
            SubnetId=inputs["subnetId"], RouteTableId=inputs["routeTableId"]
        )
        return str(created["AssociationId"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        # A change of table gives the association another id: it is known by its
        # subnet, with which `pulumi import` begins too (SUBNET/TABLE).
        subnet, _, table = id.partition("/")
        one = self._live(aws, known.get("subnetId", subnet), id)
        if one is None:
            return None
        return {
            "id": one["RouteTableAssociationId"] if table else id,
            "subnetId": one["SubnetId"],
            "routeTableId": one["RouteTableId"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        current = self._live(aws, new["subnetId"], id) or {}
        aws.client("ec2").replace_route_table_association(
            AssociationId=current.get("RouteTableAssociationId", id),
            RouteTableId=new["routeTableId"],
        )

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        current = self._live(aws, state["subnetId"], id)
        if current is not None:
            deleted(
                aws.client("ec2").disassociate_route_table,
                AssociationId=current["RouteTableAssociationId"],
            )

    def _live(self, aws: Aws, subnet: str, id: str) -> dict[str, Any] | None:
        for table in aws.client("ec2").describe_route_tables()["RouteTables"]:
            for one in table["Associations"]:
                if (
                    subnet == one.get("SubnetId")
                    or id == one["RouteTableAssociationId"]
                ):
                    return dict(one)
        return None


class Eip(Ec2Row):
    """aws.ec2.Eip, attached to an instance or free for a NAT gateway."""

    token = "aws:ec2/eip:Eip"
    kind = "elastic-ip"
    describe = ("describe_addresses", "AllocationIds", "Addresses")
    updates = frozenset({"instance"})
    unverified = frozenset({"domain"})  # there is but one left
    defaults: ClassVar[Mapping[str, Any]] = {"domain": "vpc"}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return one_of(inputs, "domain", ("vpc",))

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").allocate_address(
            Domain=inputs["domain"],
            TagSpecifications=self.tag_specification(inputs),
        )
        return str(created["AllocationId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        if inputs.get("instance"):
            aws.client("ec2").associate_address(
                AllocationId=id, InstanceId=inputs["instance"], AllowReassociation=True
            )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        return {
            **self.common(aws, id, live),
            "domain": live["Domain"],
            "instance": live.get("InstanceId"),
            "allocationId": id,
            "associationId": live.get("AssociationId"),
            "publicIp": live["PublicIp"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if "instance" in changed:
            self._release(aws, id)
            self.finish(aws, id, new)
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        self._release(aws, id)
        deleted(aws.client("ec2").release_address, AllocationId=id)

    def _release(self, aws: Aws, id: str) -> None:
        live = self.live(aws, id) or {}
        if live.get("AssociationId") and live.get("InstanceId"):
            aws.client("ec2").disassociate_address(AssociationId=live["AssociationId"])


class NatGateway(Ec2Row):
    """aws.ec2.NatGateway, public or private."""

    token = "aws:ec2/natGateway:NatGateway"
    kind = "natgateway"
    describe = ("describe_nat_gateways", "NatGatewayIds", "NatGateways")
    replaces = frozenset({"subnetId", "allocationId", "connectivityType"})
    defaults: ClassVar[Mapping[str, Any]] = {"connectivityType": "public"}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = one_of(inputs, "connectivityType", ("public", "private"))
        private = inputs.get("connectivityType") == "private"
        if private and inputs.get("allocationId"):
            problems.append("allocationId: a private NAT gateway has no public address")
        if not private and not inputs.get("allocationId"):
            problems.append("allocationId: a public NAT gateway needs an address")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").create_nat_gateway(
            SubnetId=inputs["subnetId"],
            TagSpecifications=self.tag_specification(inputs),
            **given(
                inputs, allocationId="AllocationId", connectivityType="ConnectivityType"
            ),
        )
        return str(created["NatGateway"]["NatGatewayId"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None or live["State"] in ("deleted", "deleting"):
            return None
        address = (live.get("NatGatewayAddresses") or [{}])[0]
        return {
            "tagsAll": tag_map(live.get("Tags")),
            "subnetId": live["SubnetId"],
            "allocationId": address.get("AllocationId"),
            "connectivityType": live.get("ConnectivityType", "public"),
            "publicIp": address.get("PublicIp"),
            "privateIp": address.get("PrivateIp"),
            "networkInterfaceId": address.get("NetworkInterfaceId"),
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        ec2 = aws.client("ec2")
        live = self.live(aws, id)
        if live is None or live["State"] == "deleted":
            return
        ec2.delete_nat_gateway(NatGatewayId=id)
        # AWS frees address and network interface by itself; moto keeps both.
        for address in live["NatGatewayAddresses"]:
            if address.get("AssociationId"):
                ec2.disassociate_address(AssociationId=address["AssociationId"])
            deleted(
                ec2.delete_network_interface,
                NetworkInterfaceId=address["NetworkInterfaceId"],
            )


_DESCRIPTION = r"[0-9A-Za-z_ .:/()#,@\[\]+=&;{}!$*-]{0,255}"
_DESCRIPTION_SAYS = "at most 255 characters of a-z A-Z 0-9 . _-:/()#,@[]+=&;{}!$*"


class SecurityGroup(Ec2Row):
    """aws.ec2.SecurityGroup; its rules are resources of their own."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    kind = "security-group"
    describe = ("describe_security_groups", "GroupIds", "SecurityGroups")
    autoname: ClassVar[str | None] = "name"
    replaces = frozenset({"description", "vpcId"})
    unverified = frozenset({"revokeRulesOnDelete"})  # a step of the provider's own
    defaults: ClassVar[Mapping[str, Any]] = {"description": "Managed by Pulumi"}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = matching(inputs, "description", _DESCRIPTION, _DESCRIPTION_SAYS)
        if inputs.get("description") == "":
            problems.append("description: must not be empty")
        return problems + matching(
            inputs, "name", r"(?!sg-).{1,255}", "1 to 255 characters, not sg-..."
        )

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").create_security_group(
            GroupName=inputs["name"],
            Description=inputs["description"],
            TagSpecifications=self.tag_specification(inputs),
            **given(inputs, vpcId="VpcId"),
        )
        return str(created["GroupId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        # As the real provider does: a new group allows nothing, not even all egress.
        clear_rules(aws, id)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        return {
            **self.common(aws, id, live),
            "ownerId": live["OwnerId"],
            "name": live["GroupName"],
            "description": live["Description"],
            "vpcId": live.get("VpcId"),
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("ec2").delete_security_group, GroupId=id)


class DefaultSecurityGroup(SecurityGroup):
    """aws.ec2.DefaultSecurityGroup: adopted and emptied, never deleted."""

    token = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    autoname = None
    replaces = frozenset({"vpcId"})
    updates = frozenset({"ingress", "egress"})
    unverified = frozenset()
    defaults: ClassVar[Mapping[str, Any]] = {"ingress": [], "egress": []}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        rules = [
            (f"{key}[{i}]", rule)
            for key in ("ingress", "egress")
            for i, rule in enumerate(inputs.get(key) or [])
            if not is_unknown(inputs[key])
        ]
        return [
            f"{at}.{field}: the rehearsal does not carry this of a default group's rule"
            for at, rule in rules
            for field in sorted(set(rule) - set(_INLINE_RULE) - {"cidrBlocks"})
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        found = aws.client("ec2").describe_security_groups(
            Filters=[
                {"Name": "vpc-id", "Values": [inputs["vpcId"]]},
                {"Name": "group-name", "Values": ["default"]},
            ]
        )
        return str(found["SecurityGroups"][0]["GroupId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        self._set_rules(aws, id, inputs)
        self.retag(aws, id, {}, inputs)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        return {
            **self.common(aws, id, live),
            "ownerId": live["OwnerId"],
            "name": live["GroupName"],
            "description": live["Description"],
            "vpcId": live["VpcId"],
            "ingress": [_inline_rule(one) for one in live["IpPermissions"]],
            "egress": [_inline_rule(one) for one in live["IpPermissionsEgress"]],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._set_rules(aws, id, new)
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        """AWS removes it with its VPC."""

    def _set_rules(self, aws: Aws, id: str, inputs: Properties) -> None:
        ec2 = aws.client("ec2")
        clear_rules(aws, id)
        if inputs.get("ingress"):
            ec2.authorize_security_group_ingress(
                GroupId=id, IpPermissions=_permissions(inputs["ingress"])
            )
        if inputs.get("egress"):
            ec2.authorize_security_group_egress(
                GroupId=id, IpPermissions=_permissions(inputs["egress"])
            )


_INLINE_RULE = {"protocol": "IpProtocol", "fromPort": "FromPort", "toPort": "ToPort"}


def _permissions(rules: list[Properties]) -> list[dict[str, Any]]:
    return [
        {
            **given(rule, **_INLINE_RULE),
            "IpRanges": [{"CidrIp": one} for one in rule.get("cidrBlocks", [])],
        }
        for rule in rules
    ]


def _inline_rule(permission: Mapping[str, Any]) -> Properties:
    return {
        "cidrBlocks": [one["CidrIp"] for one in permission.get("IpRanges", [])],
        **{ours: permission.get(theirs, 0) for ours, theirs in _INLINE_RULE.items()},
    }


class SecurityGroupRule(Ec2Row):
    """What ingress and egress rules share.

    The real provider changes a reference to a group or to a prefix list in place; moto
    cannot, so here it is a replacement.
    """

    kind = "security-group-rule"
    describe = (
        "describe_security_group_rules",
        "SecurityGroupRuleIds",
        "SecurityGroupRules",
    )
    replaces = frozenset(
        {"prefixListId", "referencedSecurityGroupId", "securityGroupId"}
    )
    updates = frozenset({"cidrIpv4", "description", "fromPort", "ipProtocol", "toPort"})
    delete_first = True  # AWS refuses a rule that is there already
    egress: ClassVar[bool]

    def replacing(
        self, changed: frozenset[str], old: Properties, new: Properties
    ) -> frozenset[str]:
        """The kind of source cannot change in place either."""
        replaces = super().replacing(changed, old, new)
        if "cidrIpv4" in changed and not (old.get("cidrIpv4") and new.get("cidrIpv4")):
            return replaces | {"cidrIpv4"}
        return replaces

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *cidr_problems(inputs, "cidrIpv4"),
            *matching(inputs, "description", _DESCRIPTION, _DESCRIPTION_SAYS),
            *within(inputs, "fromPort", -1, 65535),
            *within(inputs, "toPort", -1, 65535),
        ]
        sources = ("cidrIpv4", "prefixListId", "referencedSecurityGroupId")
        if sum(inputs.get(key) is not None for key in sources) != 1:
            problems.append(f"cidrIpv4: exactly one of {', '.join(sources)} is due")
        return problems + self._port_problems(inputs)

    def _port_problems(self, inputs: Mapping[str, Any]) -> list[str]:
        ports = [key for key in ("fromPort", "toPort") if inputs.get(key) is not None]
        protocol = value_at(inputs, "ipProtocol")
        if protocol == "-1":
            return [
                f"{key}: protocol -1 means all ports; leave it out" for key in ports
            ]
        if protocol is not None and len(ports) < 2:
            return ["toPort: protocols other than -1 need fromPort and toPort"]
        first, last = value_at(inputs, "fromPort"), value_at(inputs, "toPort")
        if protocol in ("tcp", "udp") and None not in (first, last) and first > last:
            return [f"fromPort: {first} comes after toPort {last}"]
        return []

    def create(self, aws: Aws, inputs: Properties) -> str:
        ec2 = aws.client("ec2")
        call = (
            ec2.authorize_security_group_egress
            if self.egress
            else ec2.authorize_security_group_ingress
        )
        created = call(
            GroupId=inputs["securityGroupId"],
            IpPermissions=[self._permission(inputs)],
            TagSpecifications=self.tag_specification(inputs),
        )
        return str(created["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        # moto keeps the description of a rule without a range only from here.
        if inputs.get("description") and not inputs.get("cidrIpv4"):
            self._modify(aws, id, inputs)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        all_ports = live["IpProtocol"] == "-1"
        return {
            **self.common(aws, id, live),
            "securityGroupRuleId": id,
            "securityGroupId": live["GroupId"],
            "ipProtocol": live["IpProtocol"],
            "fromPort": None if all_ports else live["FromPort"],
            "toPort": None if all_ports else live["ToPort"],
            "cidrIpv4": live.get("CidrIpv4"),
            "description": live.get("Description"),
            "prefixListId": live.get("PrefixListId"),
            "referencedSecurityGroupId": live.get("ReferencedGroupInfo", {}).get(
                "GroupId"
            ),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._modify(aws, id, new)
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        ec2 = aws.client("ec2")
        call = (
            ec2.revoke_security_group_egress
            if self.egress
            else ec2.revoke_security_group_ingress
        )
        deleted(call, GroupId=state["securityGroupId"], SecurityGroupRuleIds=[id])

    def _modify(self, aws: Aws, id: str, inputs: Properties) -> None:
        rule = {
            "IpProtocol": inputs["ipProtocol"],
            "FromPort": inputs.get("fromPort", -1),
            "ToPort": inputs.get("toPort", -1),
            "Description": inputs.get("description", ""),
            **given(
                inputs,
                cidrIpv4="CidrIpv4",
                prefixListId="PrefixListId",
                referencedSecurityGroupId="ReferencedGroupId",
            ),
        }
        aws.client("ec2").modify_security_group_rules(
            GroupId=inputs["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": id, "SecurityGroupRule": rule}],
        )

    def _permission(self, inputs: Properties) -> dict[str, Any]:
        described = given(inputs, description="Description")
        permission = {
            "IpProtocol": inputs["ipProtocol"],
            **given(inputs, fromPort="FromPort", toPort="ToPort"),
        }
        if inputs.get("cidrIpv4"):
            permission["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **described}]
        if inputs.get("prefixListId"):
            prefixes = {"PrefixListId": inputs["prefixListId"], **described}
            permission["PrefixListIds"] = [prefixes]
        if inputs.get("referencedSecurityGroupId"):
            group = {"GroupId": inputs["referencedSecurityGroupId"], **described}
            permission["UserIdGroupPairs"] = [group]
        return permission


class SecurityGroupIngressRule(SecurityGroupRule):
    """aws.vpc.SecurityGroupIngressRule."""

    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    egress = False


class SecurityGroupEgressRule(SecurityGroupRule):
    """aws.vpc.SecurityGroupEgressRule."""

    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    egress = True


class VpcEndpoint(Ec2Row):
    """aws.ec2.VpcEndpoint, gateway or interface."""

    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    kind = "vpc-endpoint"
    describe = ("describe_vpc_endpoints", "VpcEndpointIds", "VpcEndpoints")
    replaces = frozenset({"serviceName", "vpcEndpointType", "vpcId"})
    updates = frozenset(
        {
            "policy",
            "privateDnsEnabled",
            "routeTableIds",
            "securityGroupIds",
            "subnetIds",
        }
    )
    # moto takes privateDnsEnabled at creation and ignores a change.
    unverified = frozenset({"privateDnsEnabled"})
    defaults: ClassVar[Mapping[str, Any]] = {"vpcEndpointType": "Gateway"}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *document(inputs, "policy"),
            *one_of(inputs, "vpcEndpointType", ("Gateway", "Interface")),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").create_vpc_endpoint(
            VpcId=inputs["vpcId"],
            TagSpecifications=self.tag_specification(inputs),
            **given(
                inputs,
                serviceName="ServiceName",
                vpcEndpointType="VpcEndpointType",
                policy="PolicyDocument",
                privateDnsEnabled="PrivateDnsEnabled",
                routeTableIds="RouteTableIds",
                securityGroupIds="SecurityGroupIds",
                subnetIds="SubnetIds",
            ),
        )
        return str(created["VpcEndpoint"]["VpcEndpointId"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None or live["State"] in ("deleted", "deleting"):
            return None
        return {
            **self.common(aws, id, live),
            "vpcId": live["VpcId"],
            "serviceName": live["ServiceName"],
            "vpcEndpointType": live["VpcEndpointType"],
            "policy": live.get("PolicyDocument"),
            "privateDnsEnabled": live.get("PrivateDnsEnabled", False),
            "routeTableIds": live.get("RouteTableIds", []),
            "subnetIds": live.get("SubnetIds", []),
            "securityGroupIds": [g["GroupId"] for g in live.get("Groups", [])],
            "state": live.get("State", "available").lower(),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        call = given(new, policy="PolicyDocument")
        for key, field in (
            ("routeTableIds", "RouteTableIds"),
            ("subnetIds", "SubnetIds"),
            ("securityGroupIds", "SecurityGroupIds"),
        ):
            before, after = set(old.get(key) or []), set(new.get(key) or [])
            if after - before:
                call[f"Add{field}"] = sorted(after - before)
            if before - after:
                call[f"Remove{field}"] = sorted(before - after)
        if "privateDnsEnabled" in changed:
            call["PrivateDnsEnabled"] = bool(new.get("privateDnsEnabled"))
        aws.client("ec2").modify_vpc_endpoint(VpcEndpointId=id, **call)
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("ec2").delete_vpc_endpoints, VpcEndpointIds=[id])


class FlowLog(Ec2Row):
    """aws.ec2.FlowLog of a VPC."""

    token = "aws:ec2/flowLog:FlowLog"
    kind = "vpc-flow-log"
    describe = ("describe_flow_logs", "FlowLogIds", "FlowLogs")
    replaces = frozenset(
        {
            "iamRoleArn",
            "logDestination",
            "logDestinationType",
            "logFormat",
            "maxAggregationInterval",
            "trafficType",
            "vpcId",
        }
    )
    # moto refuses a second one to the same destination, AWS only the very same one.
    delete_first = True
    defaults: ClassVar[Mapping[str, Any]] = {
        "logDestinationType": "cloud-watch-logs",
        "logFormat": (
            "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} "
            "${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} "
            "${log-status}"
        ),
        "maxAggregationInterval": 600,
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *arn(inputs, "iamRoleArn"),
            *arn(inputs, "logDestination"),
            *one_of(inputs, "trafficType", ("ACCEPT", "REJECT", "ALL")),
            *one_of(inputs, "logDestinationType", ("cloud-watch-logs", "s3")),
            *one_of(inputs, "maxAggregationInterval", (60, 600)),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").create_flow_logs(
            ResourceIds=[inputs["vpcId"]],
            ResourceType="VPC",
            TagSpecifications=self.tag_specification(inputs),
            **given(
                inputs,
                trafficType="TrafficType",
                iamRoleArn="DeliverLogsPermissionArn",
                logDestination="LogDestination",
                logDestinationType="LogDestinationType",
                logFormat="LogFormat",
                maxAggregationInterval="MaxAggregationInterval",
            ),
        )
        if created.get("Unsuccessful"):
            raise LookupError(created["Unsuccessful"][0]["Error"]["Message"])
        return str(created["FlowLogIds"][0])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        return {
            **self.common(aws, id, live),
            "vpcId": live["ResourceId"],
            "trafficType": live.get("TrafficType"),
            "iamRoleArn": live.get("DeliverLogsPermissionArn"),
            "logDestination": live.get("LogDestination"),
            "logDestinationType": live.get("LogDestinationType"),
            "logFormat": live.get("LogFormat"),
            "maxAggregationInterval": live.get("MaxAggregationInterval"),
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("ec2").delete_flow_logs, FlowLogIds=[id])


_METADATA = {
    "httpEndpoint": "HttpEndpoint",
    "httpProtocolIpv6": "HttpProtocolIpv6",
    "httpPutResponseHopLimit": "HttpPutResponseHopLimit",
    "httpTokens": "HttpTokens",
    "instanceMetadataTags": "InstanceMetadataTags",
}
_VOLUME = {
    "encrypted": "Encrypted",
    "kmsKeyId": "KmsKeyId",
    "volumeSize": "VolumeSize",
    "volumeType": "VolumeType",
}


class Instance(Ec2Row):
    """aws.ec2.Instance, as far as a NAT instance needs it."""

    token = "aws:ec2/instance:Instance"
    kind = "instance"
    describe = ("describe_instances", "InstanceIds", "Reservations")
    replaces = frozenset({"ami", "subnetId"})
    updates = frozenset(
        {
            "iamInstanceProfile",
            "instanceType",
            "metadataOptions",
            "rootBlockDevice",
            "sourceDestCheck",
            "userData",
            "vpcSecurityGroupIds",
        }
    )
    # moto lacks the calls that change monitoring; how to replace is up to the provider.
    unverified = frozenset({"monitoring", "userDataReplaceOnChange"})
    defaults: ClassVar[Mapping[str, Any]] = {"sourceDestCheck": True}

    def replacing(
        self, changed: frozenset[str], old: Properties, new: Properties
    ) -> frozenset[str]:
        """Another script or another key for the disk may mean another machine."""
        replaces = set(super().replacing(changed, old, new))
        if "userData" in changed and new.get("userDataReplaceOnChange"):
            replaces.add("userData")
        before = old.get("rootBlockDevice") or {}
        after = new.get("rootBlockDevice") or before
        if any(
            key in after and before.get(key) != after[key]
            for key in ("encrypted", "kmsKeyId")
        ):
            replaces.add("rootBlockDevice")
        return frozenset(replaces)

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        metadata, types = "metadataOptions", ("gp3", "gp2", "io1", "io2", "standard")
        return [
            *one_of(inputs, f"{metadata}.httpEndpoint", ("enabled", "disabled")),
            *one_of(inputs, f"{metadata}.httpTokens", ("required", "optional")),
            *within(inputs, f"{metadata}.httpPutResponseHopLimit", 1, 64),
            *one_of(inputs, "rootBlockDevice.volumeType", types),
            *arn(inputs, "rootBlockDevice.kmsKeyId"),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        call = given(
            inputs,
            ami="ImageId",
            instanceType="InstanceType",
            subnetId="SubnetId",
            userData="UserData",
            vpcSecurityGroupIds="SecurityGroupIds",
        )
        if inputs.get("iamInstanceProfile"):
            call["IamInstanceProfile"] = {"Name": inputs["iamInstanceProfile"]}
        if inputs.get("metadataOptions"):
            call["MetadataOptions"] = given(inputs["metadataOptions"], **_METADATA)
        if inputs.get("rootBlockDevice"):
            disk = {"VolumeSize": 8, **given(inputs["rootBlockDevice"], **_VOLUME)}
            mapping = {"DeviceName": self._root_device(aws, inputs["ami"]), "Ebs": disk}
            call["BlockDeviceMappings"] = [mapping]
        created = aws.client("ec2").run_instances(
            MinCount=1,
            MaxCount=1,
            Monitoring={"Enabled": bool(inputs.get("monitoring"))},
            TagSpecifications=self.tag_specification(inputs),
            **call,
        )
        return str(created["Instances"][0]["InstanceId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        self._set_source_check(aws, id, inputs)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        reservation = self.live(aws, id)
        if reservation is None:
            return None
        live = reservation["Instances"][0]
        if live["State"]["Name"] in ("terminated", "shutting-down"):
            return None
        interface = (live.get("NetworkInterfaces") or [{}])[0]
        return {
            **self.common(aws, id, live),
            "ami": live["ImageId"],
            "instanceType": live["InstanceType"],
            "subnetId": live.get("SubnetId"),
            "sourceDestCheck": live.get("SourceDestCheck", True),
            "vpcSecurityGroupIds": [g["GroupId"] for g in live["SecurityGroups"]],
            "iamInstanceProfile": self._profile(aws, id),
            "userData": self._user_data(aws, id),
            "metadataOptions": _metadata(live),
            "rootBlockDevice": self._disk(aws, live),
            "availabilityZone": live["Placement"]["AvailabilityZone"],
            "primaryNetworkInterfaceId": interface.get("NetworkInterfaceId"),
            "privateIp": live.get("PrivateIpAddress"),
            "publicIp": live.get("PublicIpAddress"),
            "instanceState": live["State"]["Name"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        ec2 = aws.client("ec2")
        if changed & {"instanceType", "userData"}:
            ec2.stop_instances(InstanceIds=[id])
            if "instanceType" in changed:
                ec2.modify_instance_attribute(
                    InstanceId=id, InstanceType={"Value": new["instanceType"]}
                )
            if "userData" in changed:
                self._set_user_data(aws, id, new.get("userData"))
            ec2.start_instances(InstanceIds=[id])
        if "vpcSecurityGroupIds" in changed:
            ec2.modify_instance_attribute(
                InstanceId=id, Groups=new["vpcSecurityGroupIds"]
            )
        if "metadataOptions" in changed:
            self._set_metadata(aws, id, new.get("metadataOptions") or {})
        if "rootBlockDevice" in changed and new.get("rootBlockDevice"):
            self._resize(aws, id, new["rootBlockDevice"])
        if "iamInstanceProfile" in changed:
            self._set_profile(aws, id, new.get("iamInstanceProfile"))
        self._set_source_check(aws, id, new)
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        ec2 = aws.client("ec2")
        reservation = self.live(aws, id)
        if reservation is None:
            return
        ec2.terminate_instances(InstanceIds=[id])
        # AWS removes its network interface with it; moto leaves that behind.
        for interface in reservation["Instances"][0].get("NetworkInterfaces", []):
            deleted(
                ec2.delete_network_interface,
                NetworkInterfaceId=interface["NetworkInterfaceId"],
            )

    def _set_source_check(self, aws: Aws, id: str, inputs: Properties) -> None:
        aws.client("ec2").modify_instance_attribute(
            InstanceId=id, SourceDestCheck={"Value": inputs["sourceDestCheck"]}
        )

    def _set_metadata(self, aws: Aws, id: str, wanted: Properties) -> None:
        # Unlike AWS, moto resets what a call leaves out.
        reservation = self.live(aws, id) or {}
        options = {**_metadata(reservation["Instances"][0]), **wanted}
        aws.client("ec2").modify_instance_metadata_options(
            InstanceId=id, **given(options, **_METADATA)
        )

    def _set_user_data(self, aws: Aws, id: str, script: str | None) -> None:
        # moto takes the text encoded once more than AWS, and none only in this way.
        encoded = base64.b64encode((script or "").encode())
        aws.client("ec2").modify_instance_attribute(
            InstanceId=id,
            **(
                {"UserData": {"Value": encoded}}
                if script
                else {"Attribute": "userData", "Value": ""}
            ),
        )

    def _user_data(self, aws: Aws, id: str) -> str | None:
        answer = aws.client("ec2").describe_instance_attribute(
            InstanceId=id, Attribute="userData"
        )
        encoded = answer.get("UserData", {}).get("Value")
        return base64.b64decode(encoded).decode() if encoded else None

    def _root_device(self, aws: Aws, ami: str) -> str:
        images = aws.client("ec2").describe_images(ImageIds=[ami])["Images"]
        return str(images[0]["RootDeviceName"])

    def _root_volume(self, aws: Aws, live: Mapping[str, Any]) -> dict[str, Any]:
        mapped = live["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        return dict(
            aws.client("ec2").describe_volumes(VolumeIds=[mapped])["Volumes"][0]
        )

    def _disk(self, aws: Aws, live: Mapping[str, Any]) -> Properties:
        volume = self._root_volume(aws, live)
        return {
            "encrypted": volume["Encrypted"],
            "kmsKeyId": volume.get("KmsKeyId"),
            "volumeId": volume["VolumeId"],
            "volumeSize": volume["Size"],
            "volumeType": volume["VolumeType"],
        }

    def _resize(self, aws: Aws, id: str, wanted: Properties) -> None:
        reservation = self.live(aws, id) or {}
        volume = self._root_volume(aws, reservation["Instances"][0])
        aws.client("ec2").modify_volume(
            VolumeId=volume["VolumeId"],
            **given(wanted, volumeSize="Size", volumeType="VolumeType"),
        )

    def _association(self, aws: Aws, id: str) -> dict[str, Any] | None:
        found = aws.client("ec2").describe_iam_instance_profile_associations(
            Filters=[{"Name": "instance-id", "Values": [id]}]
        )["IamInstanceProfileAssociations"]
        return dict(found[0]) if found else None

    def _profile(self, aws: Aws, id: str) -> str | None:
        association = self._association(aws, id)
        arn = association["IamInstanceProfile"]["Arn"] if association else ""
        return str(arn).split("/")[-1] or None

    def _set_profile(self, aws: Aws, id: str, name: str | None) -> None:
        ec2 = aws.client("ec2")
        association = self._association(aws, id)
        if association:
            ec2.disassociate_iam_instance_profile(
                AssociationId=association["AssociationId"]
            )
        if name:
            ec2.associate_iam_instance_profile(
                InstanceId=id, IamInstanceProfile={"Name": name}
            )


def _metadata(live: Mapping[str, Any]) -> Properties:
    options = live["MetadataOptions"]
    return {ours: options.get(theirs) for ours, theirs in _METADATA.items()}


def availability_zones(aws: Aws, arguments: Properties) -> Properties:
    """aws.get_availability_zones."""
    found = aws.client("ec2").describe_availability_zones()["AvailabilityZones"]
    state = arguments.get("state")
    zones = [z for z in found if state in (None, z["State"])]
    return {
        "id": aws.region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones],
        "groupNames": [],
        "region": aws.region,
    }


def managed_prefix_list(aws: Aws, arguments: Properties) -> Properties:
    """aws.ec2.get_managed_prefix_list, by its name."""
    named = [{"Name": "prefix-list-name", "Values": [arguments["name"]]}]
    found = aws.client("ec2").describe_managed_prefix_lists(Filters=named)
    lists = [
        one
        for one in found["PrefixLists"]
        if one["PrefixListName"] == arguments["name"]
    ]
    if not lists:
        raise LookupError(f"no managed prefix list is called {arguments['name']}")
    return {
        "id": lists[0]["PrefixListId"],
        "arn": lists[0]["PrefixListArn"],
        "name": lists[0]["PrefixListName"],
        "addressFamily": lists[0].get("AddressFamily"),
        "maxEntries": lists[0].get("MaxEntries"),
        "region": aws.region,
    }


def clear_rules(aws: Aws, group: str) -> None:
    """Take every rule out of a security group."""
    ec2 = aws.client("ec2")
    found = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    if found["IpPermissions"]:
        ec2.revoke_security_group_ingress(
            GroupId=group, IpPermissions=found["IpPermissions"]
        )
    if found["IpPermissionsEgress"]:
        ec2.revoke_security_group_egress(
            GroupId=group, IpPermissions=found["IpPermissionsEgress"]
        )


def cidr_problems(
    inputs: Mapping[str, Any], key: str, smallest: int = 32, largest: int = 0
) -> list[str]:
    """AWS takes IPv4 ranges in one spelling only, and of sizes within its limits."""
    value = inputs.get(key)
    if value is None or is_unknown(value):
        return []
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        return [f"{key}: {error}"]
    if str(network) != value:
        return [f'{key}: "{value}" must be written as {network}']
    if not largest <= network.prefixlen <= smallest:
        return [f"{key}: {value} must be between /{largest} and /{smallest}"]
    return []


ROWS: tuple[type[Row], ...] = (
    Vpc,
    InternetGateway,
    Subnet,
    RouteTable,
    Route,
    RouteTableAssociation,
    Eip,
    NatGateway,
    SecurityGroup,
    DefaultSecurityGroup,
    SecurityGroupIngressRule,
    SecurityGroupEgressRule,
    VpcEndpoint,
    FlowLog,
    Instance,
)
INVOKES = {
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": managed_prefix_list,
    "aws:index/getAvailabilityZones:getAvailabilityZones": availability_zones,
}
