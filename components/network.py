"""Network: one VPC in three tiers, and how the middle one reaches the internet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from textwrap import dedent
from typing import Literal

import pulumi
import pulumi_aws as aws

import cidr
from components import iam

NatStrategy = Literal["none", "instance", "single", "per-az"]

ANYWHERE = "0.0.0.0/0"

_NAT_IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
"""Public SSM parameter with the current Amazon Linux 2023 for ARM.

https://docs.aws.amazon.com/linux/al2023/ug/ec2.html
"""

_NAT_ATTEMPTS = 60
"""How often the NAT instance tries to install its firewall, ten seconds apart."""


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What a network needs to know.

    cidr: IPv4 range, /16 to /23, as `cidr.layout` divides it.
    availability_zones: names of 2 or 3 zones. Append only: a zone keeps its ranges
        as long as its place in the list stays the same.
    region: region of the zones.
    nat: how private subnets reach the internet. `none`: not at all; `instance`: one
        small server; `single`: one gateway; `per-az`: a gateway in each zone.
    interface_endpoints: AWS services reached without NAT: `ecr.api`, `logs` …
    flow_log_days: days that traffic records are kept, one of CloudWatch's values.
    kms_key_arn: customer key that encrypts the traffic records, of this account.
    """

    cidr: str
    availability_zones: Sequence[str]
    region: str
    nat: NatStrategy = "single"
    interface_endpoints: Sequence[str] = ()
    flow_log_days: int = 30
    kms_key_arn: pulumi.Input[str]


class Network(pulumi.ComponentResource):
    """A VPC whose subnets are public, private or isolated, one of each in each zone.

    Public subnets hold the load balancer and NAT, and give no public address to
    what is started in them (EC2.15). Private subnets have a route table each, so
    that a zone can have its own way out. Isolated subnets have no way out at all
    (RDS.46). S3 is reached without NAT, and only this account's buckets and the
    layers of ECR images. All traffic is recorded (EC2.6), and the default security
    group admits nothing (EC2.2).

    Raises ValueError when the range or the number of zones does not fit.
    """

    vpc_id: pulumi.Output[str]
    """ID of the VPC."""

    cidr_block: pulumi.Output[str]
    """IPv4 range of the VPC."""

    public_subnet_ids: Sequence[pulumi.Output[str]]
    """Subnets for the load balancer, in the order of the zones.

    Known when they reach the internet.
    """

    private_subnet_ids: Sequence[pulumi.Output[str]]
    """Subnets for the app's tasks, in the order of the zones.

    Known when they have their way out, if there is one.
    """

    isolated_subnet_ids: Sequence[pulumi.Output[str]]
    """Subnets for databases, in the order of the zones."""

    nat_public_ips: Sequence[pulumi.Output[str]]
    """Addresses that outgoing traffic comes from: for the allow lists of others."""

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        plan = cidr.layout(args.cidr, len(args.availability_zones))

        vpc = aws.ec2.Vpc(
            name,
            cidr_block=args.cidr,
            # Private names of interface endpoints need both.
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": name},
            opts=child,
        )
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default", vpc_id=vpc.id, ingress=[], egress=[], opts=child
        )
        internet = aws.ec2.InternetGateway(
            name, vpc_id=vpc.id, tags={"Name": name}, opts=child
        )

        zones = [zone.removeprefix(args.region) for zone in args.availability_zones]

        def tier(kind: str, ranges: Sequence[str]) -> dict[str, aws.ec2.Subnet]:
            return {
                f"{name}-{kind}-{zone}": _subnet(
                    f"{name}-{kind}-{zone}", vpc.id, full_zone, range_, child
                )
                for zone, full_zone, range_ in zip(
                    zones, args.availability_zones, ranges, strict=True
                )
            }

        public = tier("public", plan.public)
        private = tier("private", plan.private)
        isolated = tier("isolated", plan.isolated)

        public_table = _route_table(f"{name}-public", vpc.id, public, child)
        private_tables = {
            label: _route_table(label, vpc.id, {label: subnet}, child)
            for label, subnet in private.items()
        }
        isolated_table = _route_table(f"{name}-isolated", vpc.id, isolated, child)

        public_route = aws.ec2.Route(
            f"{name}-public",
            route_table_id=public_table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=internet.id,
            opts=child,
        )
        # An elastic address can only be used once the VPC reaches the internet.
        connected = pulumi.ResourceOptions(parent=self, depends_on=[internet])
        exits = _exits(name, args, vpc.id, public, connected)
        private_routes = [
            aws.ec2.Route(
                label,
                route_table_id=table.id,
                destination_cidr_block=ANYWHERE,
                nat_gateway_id=way_out.nat_gateway_id,
                network_interface_id=way_out.network_interface_id,
                opts=child,
            )
            for (label, table), way_out in zip(
                private_tables.items(), cycle(exits), strict=False
            )
        ]

        place = pulumi.Output.from_input(args.kms_key_arn).apply(iam.place_of)
        aws.ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{args.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[
                table.id for table in (*private_tables.values(), isolated_table)
            ],
            policy=place.apply(_s3_policy),
            tags={"Name": f"{name}-s3"},
            opts=child,
        )
        if args.interface_endpoints:
            _interface_endpoints(name, args, vpc.id, private.values(), child)
        _flow_logs(name, args, vpc.id, place, child)

        self.vpc_id = vpc.id
        self.cidr_block = vpc.cidr_block
        self.public_subnet_ids = [
            _once(subnet.id, internet, public_route) for subnet in public.values()
        ]
        self.private_subnet_ids = [
            _once(subnet.id, *private_routes) for subnet in private.values()
        ]
        self.isolated_subnet_ids = [subnet.id for subnet in isolated.values()]
        self.nat_public_ips = [way_out.public_ip for way_out in exits]
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "cidr_block": self.cidr_block,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
                "isolated_subnet_ids": self.isolated_subnet_ids,
                "nat_public_ips": self.nat_public_ips,
            }
        )


def _once(
    subnet_id: pulumi.Output[str], *ready: pulumi.CustomResource
) -> pulumi.Output[str]:
    """The ID of a subnet; who uses it waits for what makes the subnet work.

    A load balancer that faces the internet is refused while the VPC has no way in.
    """
    ids = pulumi.Output.all(subnet_id, *[resource.id for resource in ready])
    return ids.apply(lambda known: str(known[0]))


def _subnet(
    name: str,
    vpc_id: pulumi.Input[str],
    zone: str,
    range_: str,
    opts: pulumi.ResourceOptions,
) -> aws.ec2.Subnet:
    return aws.ec2.Subnet(
        name,
        vpc_id=vpc_id,
        availability_zone=zone,
        cidr_block=range_,
        map_public_ip_on_launch=False,
        tags={"Name": name},
        opts=opts,
    )


def _route_table(
    name: str,
    vpc_id: pulumi.Input[str],
    subnets: Mapping[str, aws.ec2.Subnet],
    opts: pulumi.ResourceOptions,
) -> aws.ec2.RouteTable:
    """A table without routes, used by these subnets (by their logical names)."""
    table = aws.ec2.RouteTable(name, vpc_id=vpc_id, tags={"Name": name}, opts=opts)
    for label, subnet in subnets.items():
        aws.ec2.RouteTableAssociation(
            label, route_table_id=table.id, subnet_id=subnet.id, opts=opts
        )
    return table


@dataclass(frozen=True, kw_only=True)
class _Exit:
    """A way to the internet: the target of a route, and the address it shows."""

    public_ip: pulumi.Output[str]
    nat_gateway_id: pulumi.Output[str] | None = None
    network_interface_id: pulumi.Output[str] | None = None


def _exits(
    name: str,
    args: NetworkArgs,
    vpc_id: pulumi.Input[str],
    public: Mapping[str, aws.ec2.Subnet],
    opts: pulumi.ResourceOptions,
) -> list[_Exit]:
    """No way out, one that all zones share, or one for each zone."""
    gateways = ((f"{label}-nat", subnet) for label, subnet in public.items())
    match args.nat:
        case "none":
            return []
        case "instance":
            first_subnet = next(iter(public.values()))
            return [_nat_instance(f"{name}-nat", args.cidr, vpc_id, first_subnet, opts)]
        case "single":
            return [_nat_gateway(*next(gateways), opts)]
        case "per-az":
            return [_nat_gateway(label, subnet, opts) for label, subnet in gateways]


def _nat_gateway(
    name: str, subnet: aws.ec2.Subnet, opts: pulumi.ResourceOptions
) -> _Exit:
    address = aws.ec2.Eip(name, domain="vpc", tags={"Name": name}, opts=opts)
    gateway = aws.ec2.NatGateway(
        name,
        subnet_id=subnet.id,
        allocation_id=address.allocation_id,
        tags={"Name": name},
        opts=opts,
    )
    return _Exit(public_ip=address.public_ip, nat_gateway_id=gateway.id)


def _nat_instance(
    name: str,
    vpc_cidr: str,
    vpc_id: pulumi.Input[str],
    subnet: aws.ec2.Subnet,
    opts: pulumi.ResourceOptions,
) -> _Exit:
    """The smallest ARM server, with nothing on it but a firewall that translates.

    It has no role, no key and no open port: a broken one is replaced, not repaired.
    """
    group = aws.ec2.SecurityGroup(
        name,
        description="NAT instance: forwards what the VPC sends",
        vpc_id=vpc_id,
        tags={"Name": name},
        opts=opts,
    )
    aws.vpc.SecurityGroupIngressRule(
        name,
        security_group_id=group.id,
        description="Anything from the VPC, to be forwarded",
        ip_protocol="-1",
        cidr_ipv4=vpc_cidr,
        opts=opts,
    )
    aws.vpc.SecurityGroupEgressRule(
        name,
        security_group_id=group.id,
        description="Anything to the internet, forwarded",
        ip_protocol="-1",
        cidr_ipv4=ANYWHERE,
        opts=opts,
    )
    image = aws.ssm.get_parameter_output(
        name=_NAT_IMAGE, opts=pulumi.InvokeOutputOptions(parent=opts.parent)
    )
    instance = aws.ec2.Instance(
        name,
        # Parameters come as secrets. An image ID is none, and should show in a diff.
        ami=pulumi.Output.unsecret(image.value),
        instance_type="t4g.nano",
        subnet_id=subnet.id,
        vpc_security_group_ids=[group.id],
        # It forwards packets that are neither from nor for itself.
        source_dest_check=False,
        user_data=_nat_user_data(vpc_cidr),
        user_data_replace_on_change=True,
        metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
            http_endpoint="enabled", http_tokens="required"
        ),
        root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(
            encrypted=True, volume_type="gp3"
        ),
        tags={"Name": name},
        opts=pulumi.ResourceOptions.merge(
            opts,
            # AWS publishes an image every other week: following it would cut the
            # private subnets off on any deployment. `pulumi up --target-replace`
            # takes the current one when that suits.
            pulumi.ResourceOptions(ignore_changes=["ami"]),
        ),
    )
    address = aws.ec2.Eip(
        name, domain="vpc", instance=instance.id, tags={"Name": name}, opts=opts
    )
    return _Exit(
        public_ip=address.public_ip,
        network_interface_id=instance.primary_network_interface_id,
    )


def _nat_user_data(vpc_cidr: str) -> str:
    return dedent(
        f"""\
        #!/bin/bash
        set -euo pipefail

        echo 'net.ipv4.ip_forward = 1' > /etc/sysctl.d/90-nat.conf
        sysctl --load /etc/sysctl.d/90-nat.conf

        # In 512 MiB the kernel kills dnf (amazonlinux/amazon-linux-2023#404).
        if [[ $(swapon --show=NAME --noheadings) != */swapfile* ]]; then
            install --mode=600 /dev/null /swapfile
            dd if=/dev/zero of=/swapfile bs=1M count=1024 status=none
            mkswap /swapfile
            swapon /swapfile
        fi

        tell() {{
            logger --tag nat "$1"
            echo "nat: $1" > /dev/console
        }}

        # The elastic address arrives after the boot; before, nothing is reachable.
        attempt=1
        until dnf install --assumeyes nftables; do
            tell "attempt $attempt of {_NAT_ATTEMPTS} to install nftables failed"
            if [[ $attempt -eq {_NAT_ATTEMPTS} ]]; then
                tell "given up: private subnets have no way out; replace the instance"
                exit 1
            fi
            attempt=$((attempt + 1))
            sleep 10
        done

        cat > /etc/sysconfig/nftables.conf <<'RULES'
        table ip nat {{
            chain postrouting {{
                type nat hook postrouting priority srcnat;
                ip saddr {vpc_cidr} ip daddr != {vpc_cidr} masquerade
            }}
        }}
        RULES
        systemctl enable --now nftables
        """
    )


def _s3_policy(place: iam.Place) -> str:
    """The layers of ECR images, and the objects in this account's own buckets.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
    """
    layers = f"prod-{place.region}-starport-layer-bucket"
    return iam.document(
        {
            "Sid": "ImageLayers",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:{place.partition}:s3:::{layers}/*",
        },
        {
            "Sid": "OwnBuckets",
            "Effect": "Allow",
            "Principal": "*",
            "Action": [
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetBucketLocation",
                "s3:GetObject",
                "s3:ListBucket",
                "s3:PutObject",
            ],
            "Resource": f"arn:{place.partition}:s3:::*",
            "Condition": {
                "StringEquals": {
                    "aws:PrincipalAccount": place.account_id,
                    "aws:ResourceAccount": place.account_id,
                }
            },
        },
    )


def _interface_endpoints(
    name: str,
    args: NetworkArgs,
    vpc_id: pulumi.Input[str],
    subnets: Iterable[aws.ec2.Subnet],
    opts: pulumi.ResourceOptions,
) -> None:
    group = aws.ec2.SecurityGroup(
        f"{name}-endpoints",
        description="Interface endpoints: AWS services, reached from the VPC",
        vpc_id=vpc_id,
        tags={"Name": f"{name}-endpoints"},
        opts=opts,
    )
    aws.vpc.SecurityGroupIngressRule(
        f"{name}-endpoints",
        security_group_id=group.id,
        description="Calls to AWS services from the VPC",
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        cidr_ipv4=args.cidr,
        opts=opts,
    )
    subnet_ids = [subnet.id for subnet in subnets]
    for service in args.interface_endpoints:
        endpoint_name = f"{name}-{service.replace('.', '-')}"
        aws.ec2.VpcEndpoint(
            endpoint_name,
            vpc_id=vpc_id,
            service_name=f"com.amazonaws.{args.region}.{service}",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=subnet_ids,
            security_group_ids=[group.id],
            tags={"Name": endpoint_name},
            opts=opts,
        )


def _flow_logs(
    name: str,
    args: NetworkArgs,
    vpc_id: pulumi.Input[str],
    place: pulumi.Output[iam.Place],
    opts: pulumi.ResourceOptions,
) -> None:
    name = f"{name}-flow-logs"
    records = aws.cloudwatch.LogGroup(
        name,
        kms_key_id=args.kms_key_arn,
        retention_in_days=args.flow_log_days,
        opts=opts,
    )
    role = aws.iam.Role(
        name,
        description="VPC flow logs write traffic records to their log group",
        assume_role_policy=place.apply(
            lambda place: iam.service_trust(
                "vpc-flow-logs.amazonaws.com", place.account_id
            )
        ),
        opts=opts,
    )
    right = aws.iam.RolePolicy(
        name,
        role=role.name,
        policy=records.arn.apply(_flow_log_policy),
        opts=opts,
    )
    aws.ec2.FlowLog(
        name,
        vpc_id=vpc_id,
        traffic_type="ALL",
        log_destination_type="cloud-watch-logs",
        log_destination=records.arn,
        iam_role_arn=role.arn,
        tags={"Name": name},
        # What it records before the role may write is lost.
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(depends_on=[right])
        ),
    )


def _flow_log_policy(log_group_arn: str) -> str:
    return iam.document(
        {
            "Effect": "Allow",
            "Action": [
                "logs:CreateLogStream",
                "logs:DescribeLogGroups",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            "Resource": f"{log_group_arn}:*",
        }
    )
