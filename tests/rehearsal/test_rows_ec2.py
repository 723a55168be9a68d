"""The rows of EC2: each case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.rehearsal.conformance import (
    REGION,
    Case,
    Conformance,
    Drift,
    Resource,
    Site,
    To,
)

VPC = "aws:ec2/vpc:Vpc"
INTERNET_GATEWAY = "aws:ec2/internetGateway:InternetGateway"
SUBNET = "aws:ec2/subnet:Subnet"
ROUTE_TABLE = "aws:ec2/routeTable:RouteTable"
ROUTE = "aws:ec2/route:Route"
ROUTE_TABLE_ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
EIP = "aws:ec2/eip:Eip"
NAT_GATEWAY = "aws:ec2/natGateway:NatGateway"
SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_SECURITY_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
VPC_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
INSTANCE = "aws:ec2/instance:Instance"

AMI = "ami-0540ba4e636bf2faf"
OTHER_AMI = "ami-0fc2b4786eaf34856"


def make_vpc(site: Site, cidr: str = "10.0.0.0/16") -> str:
    return str(site.make(VPC, cidrBlock=cidr)["id"])


def make_subnet(site: Site, vpc: str, cidr: str = "10.0.1.0/24") -> str:
    return str(site.make(SUBNET, vpcId=vpc, cidrBlock=cidr)["id"])


def make_security_group(site: Site, vpc: str) -> str:
    return str(site.make(SECURITY_GROUP, vpcId=vpc, description="for a test")["id"])


def make_instance(site: Site, subnet: str) -> str:
    made = site.make(INSTANCE, ami=AMI, instanceType="t4g.nano", subnetId=subnet)
    return str(made["id"])


def interfaces(site: Site, vpc: str) -> list[str]:
    """The network interfaces of a VPC."""
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    found = site.client("ec2").describe_network_interfaces(Filters=of_vpc)
    return [one["NetworkInterfaceId"] for one in found["NetworkInterfaces"]]


def vpc(site: Site) -> Case:
    ec2 = site.client("ec2")
    return Case(
        inputs={"cidrBlock": "10.0.0.0/16"},
        listing=lambda: [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]],
        updates={"enableDnsHostnames": True, "enableDnsSupport": False},
        replaces={"cidrBlock": "10.1.0.0/16", "instanceTenancy": "dedicated"},
        drift=[
            Drift(
                act=lambda id: ec2.modify_vpc_attribute(
                    VpcId=id, EnableDnsSupport={"Value": False}
                ),
                seen="enableDnsSupport",
            )
        ],
        refused=[
            ({"cidrBlock": "10.0.0.0/8"}, "between /16 and /28"),
            ({"cidrBlock": "10.0.0.1/16"}, "host bits"),
        ],
    )


def internet_gateway(site: Site) -> Case:
    ec2 = site.client("ec2")
    vpc = make_vpc(site)
    return Case(
        inputs={"vpcId": vpc},
        listing=lambda: [
            one["InternetGatewayId"]
            for one in ec2.describe_internet_gateways()["InternetGateways"]
        ],
        updates={"vpcId": make_vpc(site)},
        drift=[
            Drift(
                act=lambda id: ec2.detach_internet_gateway(
                    InternetGatewayId=id, VpcId=vpc
                ),
                seen="vpcId",
            )
        ],
    )


def subnet(site: Site) -> Case:
    ec2 = site.client("ec2")
    return Case(
        inputs={"vpcId": make_vpc(site), "cidrBlock": "10.0.1.0/24"},
        listing=lambda: [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]],
        updates={"mapPublicIpOnLaunch": True},
        replaces={
            "vpcId": make_vpc(site),
            "cidrBlock": "10.0.2.0/24",
            "availabilityZone": To(f"{REGION}c", cidrBlock="10.0.3.0/24"),
        },
        drift=[
            Drift(
                act=lambda id: ec2.modify_subnet_attribute(
                    SubnetId=id, MapPublicIpOnLaunch={"Value": True}
                ),
                seen="mapPublicIpOnLaunch",
            )
        ],
        refused=[({"cidrBlock": "10.0.1.0/30"}, "between /16 and /28")],
    )


def route_table(site: Site) -> Case:
    ec2 = site.client("ec2")
    return Case(
        inputs={"vpcId": make_vpc(site)},
        listing=lambda: [
            one["RouteTableId"] for one in ec2.describe_route_tables()["RouteTables"]
        ],
        replaces={"vpcId": make_vpc(site)},
    )


def route(site: Site) -> Case:
    ec2 = site.client("ec2")
    vpc = make_vpc(site)
    subnet = make_subnet(site, vpc)
    gateway = site.make(INTERNET_GATEWAY, vpcId=vpc)["id"]
    nat = site.make(NAT_GATEWAY, subnetId=subnet, connectivityType="private")["id"]
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    tables = [site.make(ROUTE_TABLE, vpcId=vpc)["id"] for _ in range(2)]
    other = site.make(INTERNET_GATEWAY)["id"]
    return Case(
        inputs={
            "routeTableId": tables[0],
            "destinationCidrBlock": "0.0.0.0/0",
            "gatewayId": gateway,
        },
        listing=lambda: [
            (table["RouteTableId"], route["DestinationCidrBlock"])
            for table in ec2.describe_route_tables(RouteTableIds=tables)["RouteTables"]
            for route in table["Routes"]
        ],
        updates={
            "gatewayId": other,
            "natGatewayId": To(nat, gatewayId=None),
            "networkInterfaceId": To(interface["NetworkInterfaceId"], gatewayId=None),
        },
        replaces={
            "routeTableId": tables[1],
            "destinationCidrBlock": "192.168.0.0/16",
        },
        drift=[
            Drift(
                act=lambda id: ec2.replace_route(
                    RouteTableId=tables[0],
                    DestinationCidrBlock="0.0.0.0/0",
                    GatewayId=other,
                ),
                seen="gatewayId",
            )
        ],
        refused=[
            ({"destinationCidrBlock": "everywhere"}, "destinationCidrBlock"),
            ({"natGatewayId": nat}, "exactly one target"),
            ({"gatewayId": None}, "exactly one target"),
        ],
        import_id=lambda state: f"{tables[0]}_0.0.0.0/0",
    )


def route_table_association(site: Site) -> Case:
    ec2 = site.client("ec2")
    vpc = make_vpc(site)
    subnets = [make_subnet(site, vpc, f"10.0.{n}.0/24") for n in (1, 2)]
    tables = [site.make(ROUTE_TABLE, vpcId=vpc)["id"] for _ in range(2)]

    def associations() -> list[dict[str, Any]]:
        described = ec2.describe_route_tables(RouteTableIds=tables)["RouteTables"]
        return [one for table in described for one in table["Associations"]]

    def move(id: str) -> None:
        [current] = associations()
        ec2.replace_route_table_association(
            AssociationId=current["RouteTableAssociationId"], RouteTableId=tables[1]
        )

    return Case(
        inputs={"subnetId": subnets[0], "routeTableId": tables[0]},
        listing=associations,
        updates={"routeTableId": tables[1]},
        replaces={"subnetId": subnets[1]},
        drift=[Drift(act=move, seen="routeTableId")],
        import_id=lambda state: f"{state['subnetId']}/{state['routeTableId']}",
    )


def eip(site: Site) -> Case:
    ec2 = site.client("ec2")
    subnet = make_subnet(site, make_vpc(site))
    instances = [make_instance(site, subnet) for _ in range(2)]
    return Case(
        inputs={"domain": "vpc", "instance": instances[0]},
        listing=lambda: [
            one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]
        ],
        updates={"instance": instances[1]},
        unverified={"domain": "vpc"},
        drift=[
            Drift(
                act=lambda id: ec2.associate_address(
                    AllocationId=id, InstanceId=instances[1], AllowReassociation=True
                ),
                seen="instance",
            )
        ],
    )


def nat_gateway(site: Site) -> Case:
    ec2 = site.client("ec2")
    vpc = make_vpc(site)
    subnets = [make_subnet(site, vpc, f"10.0.{n}.0/24") for n in (1, 2)]
    addresses = [site.make(EIP, domain="vpc")["id"] for _ in range(2)]
    return Case(
        inputs={"subnetId": subnets[0], "allocationId": addresses[0]},
        listing=lambda: [
            one["NatGatewayId"]
            for one in ec2.describe_nat_gateways()["NatGateways"]
            if one["State"] != "deleted"
        ],
        traces=lambda: interfaces(site, vpc),
        replaces={
            # Old and new gateway cannot share an address.
            "subnetId": To(subnets[1], allocationId=addresses[1]),
            "allocationId": addresses[1],
            "connectivityType": To("private", allocationId=None),
        },
        refused=[
            ({"allocationId": None}, "a public NAT gateway needs"),
            ({"connectivityType": "private"}, "a private NAT gateway has no"),
        ],
    )


def security_group(site: Site) -> Case:
    ec2 = site.client("ec2")
    return Case(
        inputs={"vpcId": make_vpc(site), "description": "Load balancer"},
        listing=lambda: [
            one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]
        ],
        replaces={
            "vpcId": make_vpc(site),
            "description": "Something else",
            "name": site.name(),
        },
        unverified={"revokeRulesOnDelete": True},
        refused=[
            ({"name": "n" * 256}, "255"),
            ({"name": "sg-mine"}, "sg-"),
            ({"description": ""}, "description"),
            ({"description": "d" * 256}, "255"),
            ({"description": "schön"}, "description"),
        ],
    )


def default_security_group(site: Site) -> Case:
    ec2 = site.client("ec2")
    web = {
        "protocol": "tcp",
        "fromPort": 80,
        "toPort": 80,
        "cidrBlocks": ["10.0.0.0/8"],
    }
    return Case(
        inputs={"vpcId": make_vpc(site)},
        listing=lambda: [
            one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]
        ],
        updates={"ingress": [web], "egress": [web]},
        replaces={"vpcId": make_vpc(site)},
        drift=[
            Drift(
                act=lambda id: ec2.authorize_security_group_ingress(
                    GroupId=id,
                    IpPermissions=[
                        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
                    ],
                ),
                seen="ingress",
            )
        ],
        refused=[({"ingress": [{**web, "self": True}]}, "ingress[0].self")],
        adopted=True,
    )


def rule(site: Site, *, egress: bool) -> Case:
    ec2 = site.client("ec2")
    vpc = make_vpc(site)
    groups = [make_security_group(site, vpc) for _ in range(3)]

    prefixes = ec2.describe_managed_prefix_lists()["PrefixLists"][0]["PrefixListId"]

    def listing() -> list[str]:
        rules = ec2.describe_security_group_rules(
            Filters=[{"Name": "group-id", "Values": groups}]
        )["SecurityGroupRules"]
        return [one["SecurityGroupRuleId"] for one in rules]

    return Case(
        inputs={
            "securityGroupId": groups[0],
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "cidrIpv4": "10.0.0.0/16",
            "description": "HTTPS inside the network",
        },
        listing=listing,
        updates={
            "cidrIpv4": "10.1.0.0/16",
            "description": "HTTPS from the neighbour",
            "fromPort": 80,
            "toPort": 8443,
            "ipProtocol": "udp",
        },
        replaces={
            "securityGroupId": groups[1],
            "referencedSecurityGroupId": To(groups[2], cidrIpv4=None),
            "prefixListId": To(prefixes, cidrIpv4=None),
        },
        drift=[
            Drift(
                act=lambda id: ec2.modify_security_group_rules(
                    GroupId=groups[0],
                    SecurityGroupRules=[
                        {
                            "SecurityGroupRuleId": id,
                            "SecurityGroupRule": {
                                "IpProtocol": "tcp",
                                "FromPort": 443,
                                "ToPort": 443,
                                "CidrIpv4": "0.0.0.0/0",
                                "Description": "Wide open",
                            },
                        }
                    ],
                ),
                seen="cidrIpv4",
            )
        ],
        refused=[
            ({"cidrIpv4": "10.0.0.0/33"}, "cidrIpv4"),
            ({"cidrIpv4": "2001:db8::/32"}, "Expected 4 octets"),
            ({"cidrIpv4": "203.0.113.5"}, "must be written as 203.0.113.5/32"),
            ({"cidrIpv4": "10.0.0.1/8"}, "host bits"),
            ({"cidrIpv4": "10.0.0.0/255.0.0.0"}, "must be written as 10.0.0.0/8"),
            ({"cidrIpv4": None}, "exactly one"),
            ({"referencedSecurityGroupId": groups[1]}, "exactly one"),
            ({"fromPort": 70000}, "fromPort"),
            ({"fromPort": 444}, "fromPort"),
            ({"ipProtocol": "-1"}, "all ports"),
            ({"toPort": None}, "toPort"),
        ],
    )


def ingress(site: Site) -> Case:
    return rule(site, egress=False)


def egress(site: Site) -> Case:
    return rule(site, egress=True)


def vpc_endpoint(site: Site) -> Case:
    ec2 = site.client("ec2")
    vpc = make_vpc(site)
    subnets = [make_subnet(site, vpc, f"10.0.{n}.0/24") for n in (1, 2)]
    groups = [make_security_group(site, vpc) for _ in range(2)]
    tables = [site.make(ROUTE_TABLE, vpcId=vpc)["id"] for _ in range(2)]
    ecr = f"com.amazonaws.{REGION}.ecr.api"
    gateway = {
        "subnetIds": None,
        "securityGroupIds": None,
        "privateDnsEnabled": None,
        "serviceName": f"com.amazonaws.{REGION}.s3",
    }
    return Case(
        inputs={
            "vpcId": vpc,
            "serviceName": ecr,
            "vpcEndpointType": "Interface",
            "subnetIds": [subnets[0]],
            "securityGroupIds": [groups[0]],
            "privateDnsEnabled": True,
        },
        listing=lambda: [
            one["VpcEndpointId"]
            for one in ec2.describe_vpc_endpoints()["VpcEndpoints"]
            if one["State"] != "deleted"
        ],
        traces=lambda: interfaces(site, vpc),
        updates={
            "policy": json.dumps({"Version": "2012-10-17", "Statement": []}),
            "privateDnsEnabled": False,
            "securityGroupIds": groups,
            "subnetIds": subnets,
            "routeTableIds": tables,
        },
        replaces={
            "serviceName": f"com.amazonaws.{REGION}.ecr.dkr",
            "vpcEndpointType": To("Gateway", **gateway, routeTableIds=tables),
            "vpcId": To(make_vpc(site), subnetIds=None, securityGroupIds=None),
        },
        drift=[
            Drift(
                act=lambda id: ec2.modify_vpc_endpoint(
                    VpcEndpointId=id, AddSubnetIds=[subnets[1]]
                ),
                seen="subnetIds",
            )
        ],
        refused=[({"policy": "{"}, "policy")],
    )


def flow_log(site: Site) -> Case:
    ec2 = site.client("ec2")
    logs = site.client("logs")
    groups = [site.name("/vpc/flow-logs") for _ in range(2)]
    for group in groups:
        logs.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:{REGION}:{site.aws.account_id}:log-group:"
    role = f"arn:aws:iam::{site.aws.account_id}:role/"
    bucket = site.name("flow-logs")
    site.client("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return Case(
        inputs={
            "vpcId": make_vpc(site),
            "trafficType": "REJECT",
            "iamRoleArn": f"{role}deliver",
            "logDestination": f"{arn}{groups[0]}",
            "maxAggregationInterval": 600,
        },
        listing=lambda: [
            one["FlowLogId"] for one in ec2.describe_flow_logs()["FlowLogs"]
        ],
        replaces={
            "vpcId": make_vpc(site),
            "trafficType": "ALL",
            "iamRoleArn": f"{role}another",
            "logDestination": f"{arn}{groups[1]}",
            "logDestinationType": To(
                "s3", iamRoleArn=None, logDestination=f"arn:aws:s3:::{bucket}"
            ),
            "logFormat": "${srcaddr} ${dstaddr} ${action}",
            "maxAggregationInterval": 60,
        },
        refused=[
            ({"iamRoleArn": "deliver"}, "iamRoleArn"),
            ({"logDestination": groups[0]}, "logDestination"),
            ({"trafficType": "SOME"}, "trafficType"),
            ({"maxAggregationInterval": 300}, "maxAggregationInterval"),
        ],
    )


def instance(site: Site) -> Case:
    ec2, iam = site.client("ec2"), site.client("iam")
    vpc = make_vpc(site)
    subnets = [make_subnet(site, vpc, f"10.0.{n}.0/24") for n in (1, 2)]
    groups = [make_security_group(site, vpc) for _ in range(2)]
    profile = site.name("profile")
    iam.create_instance_profile(InstanceProfileName=profile)

    def listing() -> list[str]:
        found = ec2.describe_instances(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
        return [
            one["InstanceId"]
            for reservation in found["Reservations"]
            for one in reservation["Instances"]
            if one["State"]["Name"] != "terminated"
        ]

    return Case(
        inputs={
            "ami": AMI,
            "instanceType": "t4g.nano",
            "subnetId": subnets[0],
            "vpcSecurityGroupIds": [groups[0]],
            "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required"},
            "rootBlockDevice": {"encrypted": True, "volumeType": "gp3"},
        },
        listing=listing,
        traces=lambda: interfaces(site, vpc),
        updates={
            "iamInstanceProfile": profile,
            "instanceType": "t4g.small",
            "metadataOptions": {
                "httpEndpoint": "enabled",
                "httpTokens": "required",
                "httpPutResponseHopLimit": 2,
                "instanceMetadataTags": "enabled",
            },
            "rootBlockDevice": {"encrypted": True, "volumeType": "gp2"},
            "sourceDestCheck": False,
            "userData": "#!/bin/sh\nset -e\n",
            "vpcSecurityGroupIds": groups,
        },
        replaces={
            "ami": OTHER_AMI,
            "subnetId": subnets[1],
        },
        unverified={"monitoring": True, "userDataReplaceOnChange": True},
        drift=[
            Drift(
                act=lambda id: ec2.modify_instance_attribute(
                    InstanceId=id, SourceDestCheck={"Value": False}
                ),
                seen="sourceDestCheck",
            ),
            Drift(
                act=lambda id: ec2.modify_instance_metadata_options(
                    InstanceId=id,
                    HttpEndpoint="enabled",
                    HttpProtocolIpv6="disabled",
                    HttpPutResponseHopLimit=1,
                    HttpTokens="optional",
                    InstanceMetadataTags="disabled",
                ),
                seen="metadataOptions",
            ),
        ],
        refused=[
            ({"metadataOptions": {"httpTokens": "always"}}, "httpTokens"),
            ({"rootBlockDevice": {"volumeType": "gp4"}}, 'mean "gp3"'),
            ({"rootBlockDevice": {"kmsKeyId": "my-key"}}, "kmsKeyId"),
        ],
    )


CASES: Mapping[str, Callable[[Site], Case]] = {
    VPC: vpc,
    INTERNET_GATEWAY: internet_gateway,
    SUBNET: subnet,
    ROUTE_TABLE: route_table,
    ROUTE: route,
    ROUTE_TABLE_ASSOCIATION: route_table_association,
    EIP: eip,
    NAT_GATEWAY: nat_gateway,
    SECURITY_GROUP: security_group,
    DEFAULT_SECURITY_GROUP: default_security_group,
    INGRESS: ingress,
    EGRESS: egress,
    VPC_ENDPOINT: vpc_endpoint,
    FLOW_LOG: flow_log,
    INSTANCE: instance,
}


class TestEc2Rows(Conformance):
    cases = CASES


def test_the_longest_group_name_and_description_are_taken(site: Site) -> None:
    longest = {"name": site.name("n").ljust(255, "n"), "description": "d" * 255}
    made = site.make(SECURITY_GROUP, vpcId=make_vpc(site), **longest)
    assert longest.items() <= made.items()


def test_a_rule_that_refers_to_a_group_keeps_its_description(site: Site) -> None:
    vpc = make_vpc(site)
    source, target = (make_security_group(site, vpc) for _ in range(2))
    program = {
        "securityGroupId": target,
        "referencedSecurityGroupId": source,
        "ipProtocol": "tcp",
        "fromPort": 5432,
        "toPort": 5432,
        "description": "PostgreSQL from the app",
    }
    resource = Resource(INGRESS, site.aws)
    resource.up(program)
    assert resource.live("description") == program["description"]
    other = {**program, "description": "The app", "fromPort": 5433, "toPort": 5433}
    assert not resource.up(other).replaces
    assert resource.live("description") == "The app"
    assert resource.live("fromPort") == 5433
    assert resource.live("referencedSecurityGroupId") == source


def test_a_rule_for_everything_moves_to_another_range(site: Site) -> None:
    group = make_security_group(site, make_vpc(site))
    program = {
        "securityGroupId": group,
        "ipProtocol": "-1",
        "cidrIpv4": "10.0.0.0/16",
        "description": "Anything",
    }
    resource = Resource(EGRESS, site.aws)
    resource.up(program)
    assert not resource.up({**program, "cidrIpv4": "0.0.0.0/0"}).replaces
    assert resource.live("cidrIpv4") == "0.0.0.0/0"
    assert resource.refresh()
    assert "fromPort" not in resource.outputs


def test_a_changed_script_replaces_the_instance_only_where_told_to(site: Site) -> None:
    subnet = make_subnet(site, make_vpc(site))
    program = {"ami": AMI, "instanceType": "t4g.nano", "subnetId": subnet}
    program["userData"] = "#!/bin/sh\ntrue\n"
    resource = Resource(INSTANCE, site.aws)
    resource.up(program)
    changed = {**program, "userData": "#!/bin/sh\nfalse\n"}
    assert not resource.preview(changed).replaces
    changed["userDataReplaceOnChange"] = True
    assert resource.preview(changed).replaces == {"userData"}
    resource.destroy()


def test_a_gateways_address_is_free_again_without_it(site: Site) -> None:
    subnet = make_subnet(site, make_vpc(site))
    address = Resource(EIP, site.aws)
    address.up({"domain": "vpc"})
    gateway = Resource(NAT_GATEWAY, site.aws)
    gateway.up({"subnetId": subnet, "allocationId": address.id})
    assert gateway.outputs["publicIp"] == address.outputs["publicIp"]
    gateway.destroy()
    address.destroy()
    assert not address.refresh()
