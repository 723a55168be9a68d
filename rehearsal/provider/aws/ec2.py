"""Rows for networks: VPC, subnets, routes, gateways, security groups, instances."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

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
        return {
            "arn": self.arn(aws, id),
            "ownerId": live.get("OwnerId", aws.account_id),
            "tagsAll": tag_map(live.get("Tags")),
        }


class Vpc(Ec2Row):
    """aws.ec2.Vpc."""

    token = "aws:ec2/vpc:Vpc"
    kind = "vpc"
    describe = ("describe_vpcs", "VpcIds", "Vpcs")
    replaces = frozenset({"cidrBlock", "instanceTenancy"})
    updates = frozenset({"enableDnsHostnames", "enableDnsSupport"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return cidr_problems(inputs, "cidrBlock", smallest=28, largest=16)

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").create_vpc(
            CidrBlock=inputs["cidrBlock"],
            InstanceTenancy=inputs.get("instanceTenancy", "default"),
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
        support = inputs.get("enableDnsSupport", True)
        hostnames = inputs.get("enableDnsHostnames", False)
        ec2.modify_vpc_attribute(VpcId=id, EnableDnsSupport={"Value": support})
        ec2.modify_vpc_attribute(VpcId=id, EnableDnsHostnames={"Value": hostnames})

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
            MapPublicIpOnLaunch={"Value": bool(inputs.get("mapPublicIpOnLaunch"))},
        )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        return {
            **self.common(aws, id, live),
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
        return {**self.common(aws, id, live), "vpcId": live["VpcId"]}

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
        table, destination = id.split("/", 1)
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
        table, destination = id.split("/", 1)
        deleted(
            aws.client("ec2").delete_route,
            RouteTableId=table,
            DestinationCidrBlock=destination,
        )

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
        one = self._live(aws, known["subnetId"])
        if one is None:
            return None
        return {"subnetId": one["SubnetId"], "routeTableId": one["RouteTableId"]}

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        current = self._live(aws, old["subnetId"]) or {}
        aws.client("ec2").replace_route_table_association(
            AssociationId=current.get("RouteTableAssociationId", id),
            RouteTableId=new["routeTableId"],
        )

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        # A change of table gives the association a new id, so look it up.
        current = self._live(aws, state["subnetId"])
        if current is not None:
            deleted(
                aws.client("ec2").disassociate_route_table,
                AssociationId=current["RouteTableAssociationId"],
            )

    def _live(self, aws: Aws, subnet: str) -> dict[str, Any] | None:
        of_subnet = [{"Name": "association.subnet-id", "Values": [subnet]}]
        tables = aws.client("ec2").describe_route_tables(Filters=of_subnet)
        for table in tables["RouteTables"]:
            for one in table["Associations"]:
                if one.get("SubnetId") == subnet:
                    return dict(one)
        return None


class Eip(Ec2Row):
    """aws.ec2.Eip, attached to an instance or free for a NAT gateway."""

    token = "aws:ec2/eip:Eip"
    kind = "elastic-ip"
    describe = ("describe_addresses", "AllocationIds", "Addresses")
    replaces = frozenset({"domain"})
    updates = frozenset({"instance"})

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").allocate_address(
            Domain=inputs.get("domain", "vpc"),
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
        if live is None or live["State"] == "deleted":
            return None
        address = (live.get("NatGatewayAddresses") or [{}])[0]
        return {
            **self.common(aws, id, live),
            "subnetId": live["SubnetId"],
            "allocationId": address.get("AllocationId"),
            "connectivityType": live.get("ConnectivityType", "public"),
            "publicIp": address.get("PublicIp"),
            "privateIp": address.get("PrivateIp"),
            "networkInterfaceId": address.get("NetworkInterfaceId"),
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("ec2").delete_nat_gateway, NatGatewayId=id)


class SecurityGroup(Ec2Row):
    """aws.ec2.SecurityGroup; its rules are resources of their own."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    kind = "security-group"
    describe = ("describe_security_groups", "GroupIds", "SecurityGroups")
    autoname: ClassVar[str | None] = "name"
    replaces = frozenset({"description", "vpcId"})
    unverified = frozenset({"revokeRulesOnDelete"})

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").create_security_group(
            GroupName=inputs["name"],
            Description=inputs.get("description", "Managed by Pulumi"),
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
    unverified = frozenset()

    def create(self, aws: Aws, inputs: Properties) -> str:
        found = aws.client("ec2").describe_security_groups(
            Filters=[
                {"Name": "vpc-id", "Values": [inputs["vpcId"]]},
                {"Name": "group-name", "Values": ["default"]},
            ]
        )
        return str(found["SecurityGroups"][0]["GroupId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        clear_rules(aws, id)
        self.retag(aws, id, {}, inputs)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        """AWS removes it with its VPC."""


class SecurityGroupRule(Ec2Row):
    """What ingress and egress rules share."""

    kind = "security-group-rule"
    describe = (
        "describe_security_group_rules",
        "SecurityGroupRuleIds",
        "SecurityGroupRules",
    )
    replaces = frozenset({"securityGroupId"})
    updates = frozenset(
        {
            "cidrIpv4",
            "description",
            "fromPort",
            "ipProtocol",
            "referencedSecurityGroupId",
            "toPort",
        }
    )
    egress: ClassVar[bool]

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return cidr_problems(inputs, "cidrIpv4")

    def create(self, aws: Aws, inputs: Properties) -> str:
        ec2 = aws.client("ec2")
        call = (
            ec2.authorize_security_group_egress
            if self.egress
            else ec2.authorize_security_group_ingress
        )
        created = call(
            GroupId=inputs["securityGroupId"], IpPermissions=[self._permission(inputs)]
        )
        return str(created["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        self.retag(aws, id, {}, inputs)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        return {
            "arn": self.arn(aws, id),
            "securityGroupRuleId": id,
            "securityGroupId": live["GroupId"],
            "ipProtocol": live["IpProtocol"],
            "fromPort": live.get("FromPort"),
            "toPort": live.get("ToPort"),
            "cidrIpv4": live.get("CidrIpv4"),
            "description": live.get("Description"),
            "referencedSecurityGroupId": live.get("ReferencedGroupInfo", {}).get(
                "GroupId"
            ),
            "tagsAll": known.get("tagsAll", {}),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        rule = {
            "IpProtocol": new["ipProtocol"],
            **given(
                new,
                fromPort="FromPort",
                toPort="ToPort",
                cidrIpv4="CidrIpv4",
                description="Description",
                referencedSecurityGroupId="ReferencedGroupId",
            ),
        }
        aws.client("ec2").modify_security_group_rules(
            GroupId=new["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": id, "SecurityGroupRule": rule}],
        )

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        ec2 = aws.client("ec2")
        call = (
            ec2.revoke_security_group_egress
            if self.egress
            else ec2.revoke_security_group_ingress
        )
        deleted(call, GroupId=state["securityGroupId"], SecurityGroupRuleIds=[id])

    def _permission(self, inputs: Properties) -> dict[str, Any]:
        described = given(inputs, description="Description")
        permission = {
            "IpProtocol": inputs["ipProtocol"],
            **given(inputs, fromPort="FromPort", toPort="ToPort"),
        }
        if inputs.get("cidrIpv4"):
            permission["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **described}]
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
        if live is None:
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
    """aws.ec2.FlowLog of a VPC into CloudWatch Logs."""

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


class Instance(Ec2Row):
    """aws.ec2.Instance, as far as a NAT instance needs it."""

    token = "aws:ec2/instance:Instance"
    kind = "instance"
    describe = ("describe_instances", "InstanceIds", "Reservations")
    replaces = frozenset({"ami", "iamInstanceProfile", "subnetId", "userData"})
    updates = frozenset({"instanceType", "sourceDestCheck", "vpcSecurityGroupIds"})
    # moto keeps neither metadata options nor the root volume's encryption.
    unverified = frozenset(
        {
            "associatePublicIpAddress",
            "creditSpecification",
            "metadataOptions",
            "monitoring",
            "rootBlockDevice",
            "userDataReplaceOnChange",
        }
    )

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("ec2").run_instances(
            MinCount=1,
            MaxCount=1,
            TagSpecifications=self.tag_specification(inputs),
            **given(
                inputs,
                ami="ImageId",
                instanceType="InstanceType",
                subnetId="SubnetId",
                userData="UserData",
                vpcSecurityGroupIds="SecurityGroupIds",
            ),
            **(
                {"IamInstanceProfile": {"Name": inputs["iamInstanceProfile"]}}
                if inputs.get("iamInstanceProfile")
                else {}
            ),
        )
        return str(created["Instances"][0]["InstanceId"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        aws.client("ec2").modify_instance_attribute(
            InstanceId=id,
            SourceDestCheck={"Value": inputs.get("sourceDestCheck", True)},
        )

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
            "iamInstanceProfile": known.get("iamInstanceProfile"),
            "userData": known.get("userData"),
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
        if "instanceType" in changed:
            ec2.stop_instances(InstanceIds=[id])
            ec2.modify_instance_attribute(
                InstanceId=id, InstanceType={"Value": new["instanceType"]}
            )
            ec2.start_instances(InstanceIds=[id])
        if "vpcSecurityGroupIds" in changed:
            ec2.modify_instance_attribute(
                InstanceId=id, Groups=new["vpcSecurityGroupIds"]
            )
        self.finish(aws, id, new)
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("ec2").terminate_instances, InstanceIds=[id])


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
    """AWS refuses malformed ranges and sizes outside its limits."""
    value = inputs.get(key)
    if value is None or is_unknown(value):
        return []
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        return [f"{key}: {error}"]
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
INVOKES = {"aws:index/getAvailabilityZones:getAvailabilityZones": availability_zones}
