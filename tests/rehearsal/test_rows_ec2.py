"""The rows of EC2: each case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from tests.rehearsal.conformance import Case, Conformance, Drift, Site

VPC = "aws:ec2/vpc:Vpc"


def vpc(site: Site) -> Case:
    ec2 = site.client("ec2")
    return Case(
        inputs={"cidrBlock": "10.0.0.0/16", "enableDnsSupport": True},
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


class TestEc2Rows(Conformance):
    cases = {VPC: vpc}
