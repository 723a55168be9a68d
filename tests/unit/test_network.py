"""The network: three tiers, one way out for the middle one, none for the last."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from ipaddress import IPv4Network

import pulumi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.network import Network, NetworkArgs
from tests.graph import UNKNOWN, Graph

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
INTERNET_GATEWAY = "aws:ec2/internetGateway:InternetGateway"
ROUTE_TABLE = "aws:ec2/routeTable:RouteTable"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
ROUTE = "aws:ec2/route:Route"
NAT_GATEWAY = "aws:ec2/natGateway:NatGateway"
EIP = "aws:ec2/eip:Eip"
INSTANCE = "aws:ec2/instance:Instance"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"

KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
ZONES = ("eu-central-1a", "eu-central-1b", "eu-central-1c")
STRATEGIES = ("none", "instance", "single", "per-az")


def network(**args):
    defaults = {
        "cidr": "10.0.0.0/16",
        "availability_zones": ZONES[:2],
        "region": "eu-central-1",
        "kms_key_arn": KEY,
    }
    return Network("app", NetworkArgs(**(defaults | args)))


@cache
def built(*, preview=False, **args):
    """The graph of a network; most tests ask the same few."""
    graph = Graph()
    graph.build(lambda: network(**args), preview=preview)
    return graph


def subnets(graph, tier):
    return [s for s in graph.all(SUBNET) if s.name.startswith(f"app-{tier}-")]


def default_routes(graph, tier):
    """Where each subnet of a tier sends what is for the internet; None: nowhere."""
    tables = {a["subnetId"]: a["routeTableId"] for a in graph.all(ASSOCIATION)}
    routes = {
        r["routeTableId"]: r.get("gatewayId")
        or r.get("natGatewayId")
        or r["networkInterfaceId"]
        for r in graph.all(ROUTE)
        if r["destinationCidrBlock"] == "0.0.0.0/0"
    }
    return [routes.get(tables[subnet.id]) for subnet in subnets(graph, tier)]


def test_each_zone_has_a_subnet_of_each_tier():
    graph = built(availability_zones=ZONES)
    for tier in ("public", "private", "isolated"):
        found = subnets(graph, tier)
        assert [s["availabilityZone"] for s in found] == list(ZONES)
        assert [s.id for s in found] == graph.outputs[f"{tier}_subnet_ids"]
        assert {s["vpcId"] for s in found} == {graph.outputs["vpc_id"]}


@settings(max_examples=10, deadline=None)
@given(
    prefix=st.integers(16, 23),
    block=st.integers(0, 255),
    zones=st.integers(2, 3),
)
def test_subnets_lie_within_the_vpc_and_never_overlap(prefix, block, zones):
    vpc = IPv4Network((f"10.{block}.0.0", prefix))
    graph = Graph()
    graph.build(lambda: network(cidr=str(vpc), availability_zones=ZONES[:zones]))
    ranges = [IPv4Network(s["cidrBlock"]) for s in graph.all(SUBNET)]
    assert len(ranges) == 3 * zones
    assert all(r.subnet_of(vpc) for r in ranges)
    assert not any(a.overlaps(b) for i, a in enumerate(ranges) for b in ranges[i + 1 :])


def test_a_third_zone_changes_nothing_about_the_first_two():
    graph = built(nat="per-az")
    before = {r.urn: r.inputs for r in graph.resources if r.type != ENDPOINT}
    graph = built(nat="per-az", availability_zones=ZONES)
    after = {r.urn: r.inputs for r in graph.resources}
    assert {urn: after[urn] for urn in before} == before


def test_nothing_started_in_a_public_subnet_gets_a_public_address():
    graph = built()
    assert {s["mapPublicIpOnLaunch"] for s in graph.all(SUBNET)} == {False}


def test_too_many_zones_and_ranges_that_do_not_fit_are_refused(graph):
    with pytest.raises(ValueError, match="4 zones: choose 2 to 3"):
        graph.build(lambda: network(availability_zones=(*ZONES, "eu-central-1d")))
    with pytest.raises(ValueError, match=r'"10\.0\.0\.0/24" is too small'):
        graph.build(lambda: network(cidr="10.0.0.0/24"))
    assert graph.resources == []


@pytest.mark.parametrize("nat", STRATEGIES)
def test_public_subnets_use_the_internet_gateway_and_isolated_ones_nothing(nat):
    graph = built(nat=nat)
    gateway = graph.one(INTERNET_GATEWAY).id
    assert default_routes(graph, "public") == [gateway, gateway]
    assert default_routes(graph, "isolated") == [None, None]


@pytest.mark.parametrize(
    ("nat", "gateways", "instances", "addresses"),
    [
        ("none", 0, 0, 0),
        ("instance", 0, 1, 1),
        ("single", 1, 0, 1),
        ("per-az", 3, 0, 3),
    ],
)
def test_each_strategy_pays_for_as_much_as_it_says(nat, gateways, instances, addresses):
    graph = built(nat=nat, availability_zones=ZONES)
    assert len(graph.all(NAT_GATEWAY)) == gateways
    assert len(graph.all(INSTANCE)) == instances
    assert len(graph.all(EIP)) == addresses
    assert graph.outputs["nat_public_ips"] == [
        e.outputs["publicIp"] for e in graph.all(EIP)
    ]


def test_without_nat_private_subnets_reach_nothing_outside():
    graph = built(nat="none")
    assert default_routes(graph, "private") == [None, None]


def test_a_single_gateway_serves_all_zones():
    graph = built(nat="single")
    gateway = graph.one(NAT_GATEWAY)
    assert gateway["subnetId"] == subnets(graph, "public")[0].id
    assert default_routes(graph, "private") == [gateway.id, gateway.id]


def test_with_a_gateway_in_each_zone_no_zone_depends_on_another():
    graph = built(nat="per-az")
    gateways = graph.all(NAT_GATEWAY)
    public = subnets(graph, "public")
    assert [g["subnetId"] for g in gateways] == [s.id for s in public]
    assert default_routes(graph, "private") == [g.id for g in gateways]


def test_changing_the_strategy_moves_routes_instead_of_replacing_them():
    urns = []
    for nat in ("instance", "single", "per-az"):
        graph = built(nat=nat)
        urns.append({route.urn for route in graph.all(ROUTE)})
    assert urns[0] == urns[1] == urns[2]


@pytest.mark.parametrize("nat", ["instance", "single", "per-az"])
def test_what_has_a_public_address_waits_for_the_way_to_the_internet(nat):
    graph = built(nat=nat)
    gateway = graph.one(INTERNET_GATEWAY)
    for resource in graph.all(EIP) + graph.all(NAT_GATEWAY) + graph.all(INSTANCE):
        assert gateway in graph.dependencies(resource)


@pytest.mark.parametrize("nat", STRATEGIES)
def test_who_uses_a_subnet_waits_for_its_way_to_the_internet(nat):
    def program():
        found = network(nat=nat)
        for tier in ("public", "private"):
            ids = getattr(found, f"{tier}_subnet_ids")
            group = {"subnetIds": ids[1:]}
            pulumi.CustomResource("aws:rds/subnetGroup:SubnetGroup", tier, group)

    graph = Graph()
    graph.build(program)

    def waits_for(tier):
        needs = graph.dependencies(graph.named(tier))
        return {r.name for r in needs if r.type in (ROUTE, INTERNET_GATEWAY)}

    assert waits_for("public") == {"app-public", "app"}
    private = {"app-private-a", "app-private-b"} if nat != "none" else set()
    assert waits_for("private") == private


@pytest.fixture
def behind_instance():
    return built(nat="instance")


@pytest.fixture
def instance(behind_instance):
    return behind_instance.one(INSTANCE)


def test_the_instance_routes_for_others_behind_one_fixed_address(
    behind_instance, instance
):
    card = instance.outputs["primaryNetworkInterfaceId"]
    assert default_routes(behind_instance, "private") == [card, card]
    assert instance["sourceDestCheck"] is False
    assert behind_instance.one(EIP)["instance"] == instance.id
    assert instance["subnetId"] == subnets(behind_instance, "public")[0].id


def test_the_instance_is_hardened(instance):
    assert instance["metadataOptions"]["httpTokens"] == "required"
    assert instance["rootBlockDevice"]["encrypted"] is True
    assert "keyName" not in instance.inputs
    assert "iamInstanceProfile" not in instance.inputs


def test_the_instance_listens_to_the_vpc_only(behind_instance, instance):
    group = behind_instance.one(GROUP)
    assert instance["vpcSecurityGroupIds"] == [group.id]
    assert [
        (r["securityGroupId"], r["cidrIpv4"]) for r in behind_instance.all(INGRESS)
    ] == [(group.id, "10.0.0.0/16")]


def test_a_new_image_does_not_replace_the_instance_but_a_new_script_does(
    behind_instance, instance
):
    assert instance["ami"] == "ami-0123456789abcdef0"
    assert not instance.secrets
    assert instance.ignore_changes == ("ami",)
    assert instance["userDataReplaceOnChange"] is True
    (invoke,) = behind_instance.invokes
    assert invoke[1]["name"].endswith("/al2023-ami-kernel-default-arm64")


def test_the_script_forwards_what_leaves_the_vpc(instance):
    script = instance["userData"]
    assert "net.ipv4.ip_forward = 1" in script
    assert "ip saddr 10.0.0.0/16 ip daddr != 10.0.0.0/16 masquerade" in script
    checked = subprocess.run(
        [shutil.which("bash") or "/bin/bash", "-n"],
        input=script,
        text=True,
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    assert script.startswith("#!/bin/bash\n")


def booted(script, folder, *, failures, swap=""):
    """Run the script on a machine of stubs, where `dnf` fails so many times first.

    Returns how it ended, the commands that it gave and what the console shows.
    """
    commands, console = folder / "commands", folder / "console"
    (folder / "bin").mkdir()
    stub = f'#!/bin/bash\necho "${{0##*/}} $*" >> {commands}\n'
    for name in ["dd", "install", "logger", "mkswap", "sleep", "sysctl", "systemctl"]:
        (folder / "bin" / name).write_text(stub)
    (folder / "bin" / "swapon").write_text(
        f'{stub}[[ $1 != --show* ]] || echo "{swap}"\n'
    )
    (folder / "bin" / "dnf").write_text(
        f"{stub}[[ $(grep --count ^dnf {commands}) -gt {failures} ]]\n"
    )
    for program in (folder / "bin").iterdir():
        program.chmod(0o755)
    for path in ("etc/sysctl.d", "etc/sysconfig"):
        (folder / path).mkdir(parents=True)
    console.touch()
    script = script.replace("/dev/console", str(console))
    ended = subprocess.run(
        [shutil.which("bash") or "/bin/bash"],
        input=script.replace(" /etc/", f" {folder}/etc/"),
        env={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
        text=True,
        capture_output=True,
        check=False,
    )
    return ended.returncode, commands.read_text().splitlines(), console.read_text()


def test_the_instance_swaps_before_it_installs_anything(instance, tmp_path):
    code, commands, console = booted(instance["userData"], tmp_path, failures=0)
    assert (code, console) == (0, "")
    assert instance["instanceType"] == "t4g.nano"
    dd = "dd if=/dev/zero of=/swapfile bs=1M count=1024 status=none"
    steps = [dd, "mkswap /swapfile", "swapon /swapfile"]
    places = [commands.index(step) for step in steps]
    assert places == sorted(places)
    assert places[-1] < commands.index("dnf install --assumeyes nftables")
    assert commands[-1] == "systemctl enable --now nftables"


def test_a_swap_file_in_use_is_left_alone(instance, tmp_path):
    code, commands, _ = booted(
        instance["userData"], tmp_path, failures=0, swap="/swapfile"
    )
    assert code == 0
    assert not [c for c in commands if c.startswith(("dd", "mkswap", "swapon /"))]


def test_the_instance_tries_again_and_says_so_on_its_console(instance, tmp_path):
    code, commands, console = booted(instance["userData"], tmp_path, failures=2)
    assert code == 0
    assert commands.count("sleep 10") == 2
    assert console.splitlines()[-1].startswith("nat: attempt 2 of 60")
    assert commands[-1] == "systemctl enable --now nftables"


def test_the_instance_gives_up_in_the_end_and_says_what_helps(instance, tmp_path):
    code, commands, console = booted(instance["userData"], tmp_path, failures=1000)
    assert code == 1
    assert commands.count("dnf install --assumeyes nftables") == 60
    assert console.endswith("no way out; replace the instance\n")
    assert commands[-1].startswith("logger --tag nat given up")


def test_s3_is_reached_without_nat_from_private_and_isolated_subnets():
    graph = built()
    endpoint = graph.one(ENDPOINT)
    assert endpoint["serviceName"] == "com.amazonaws.eu-central-1.s3"
    assert endpoint["vpcEndpointType"] == "Gateway"
    tables = [t.id for t in graph.all(ROUTE_TABLE) if t.name != "app-public"]
    assert sorted(endpoint["routeTableIds"]) == sorted(tables)


def test_through_the_endpoint_only_own_buckets_and_image_layers_are_reached():
    graph = built()
    layers, own = graph.policy(ENDPOINT)["Statement"]
    assert layers["Resource"] == (
        "arn:aws:s3:::prod-eu-central-1-starport-layer-bucket/*"
    )
    assert layers["Action"] == "s3:GetObject"
    assert own["Condition"] == {
        "StringEquals": {
            "aws:PrincipalAccount": "123456789012",
            "aws:ResourceAccount": "123456789012",
        }
    }
    assert not any("*" in action for action in own["Action"])


def test_interface_endpoints_answer_the_vpc_on_443_and_nobody_else():
    graph = built(nat="none", interface_endpoints=("ecr.api", "logs"))
    endpoints = [e for e in graph.all(ENDPOINT) if e["vpcEndpointType"] == "Interface"]
    assert [e["serviceName"] for e in endpoints] == [
        "com.amazonaws.eu-central-1.ecr.api",
        "com.amazonaws.eu-central-1.logs",
    ]
    group = graph.one(GROUP)
    for endpoint in endpoints:
        assert endpoint["privateDnsEnabled"] is True
        assert endpoint["securityGroupIds"] == [group.id]
        assert endpoint["subnetIds"] == [s.id for s in subnets(graph, "private")]
    rule = graph.one(INGRESS)
    assert (rule["fromPort"], rule["toPort"]) == (443, 443)
    assert rule["cidrIpv4"] == "10.0.0.0/16"
    assert graph.all(EGRESS) == []


def test_private_names_of_endpoints_resolve():
    graph = built()
    assert graph.one(VPC)["enableDnsHostnames"] is True
    assert graph.one(VPC)["enableDnsSupport"] is True


def test_without_interface_endpoints_there_is_no_group_for_them():
    graph = built()
    assert graph.all(GROUP) == []


def test_the_default_security_group_admits_nothing():
    graph = built()
    group = graph.one(DEFAULT_GROUP)
    assert group["vpcId"] == graph.outputs["vpc_id"]
    assert (group["ingress"], group["egress"]) == ([], [])


def test_all_traffic_is_recorded_encrypted_and_for_as_long_as_wanted():
    graph = built(flow_log_days=90)
    flow_log, records = graph.one(FLOW_LOG), graph.one(LOG_GROUP)
    assert flow_log["vpcId"] == graph.outputs["vpc_id"]
    assert flow_log["trafficType"] == "ALL"
    assert flow_log["logDestination"] == records.outputs["arn"]
    assert records["kmsKeyId"] == KEY
    assert records["retentionInDays"] == 90


def test_the_recorder_may_write_to_its_log_group_and_nothing_else():
    graph = built()
    role = graph.one(ROLE)
    assert graph.one(FLOW_LOG)["iamRoleArn"] == role.outputs["arn"]
    (trust,) = graph.policy(ROLE, key="assumeRolePolicy")["Statement"]
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    (right,) = graph.policy(ROLE_POLICY)["Statement"]
    assert right["Resource"] == graph.one(LOG_GROUP).outputs["arn"] + ":*"
    assert not any("*" in action for action in right["Action"])


def test_recording_begins_when_the_recorder_may_write():
    graph = built()
    assert graph.one(ROLE_POLICY) in graph.dependencies(graph.one(FLOW_LOG))


@pytest.mark.parametrize("nat", STRATEGIES)
def test_no_policy_names_every_resource(nat):
    graph = built(nat=nat, interface_endpoints=("logs",))
    documents = graph.policies()
    assert len(documents) == 3
    assert not [d for _, _, d in documents if '"Resource": "*"' in json.dumps(d)]


@pytest.mark.parametrize("nat", STRATEGIES)
def test_nothing_admits_the_world(nat):
    graph = built(nat=nat, interface_endpoints=("logs",))
    assert "0.0.0.0/0" not in {rule["cidrIpv4"] for rule in graph.all(INGRESS)}


@pytest.mark.parametrize("nat", STRATEGIES)
def test_a_preview_knows_as_much_as_can_be_known(nat):
    graph = built(nat=nat, interface_endpoints=("logs",), preview=True)
    assert graph.outputs["vpc_id"] is UNKNOWN
    assert graph.outputs["cidr_block"] == "10.0.0.0/16"
    assert json.loads(graph.one(ENDPOINT, "app-s3")["policy"])
