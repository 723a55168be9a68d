"""Published examples: what AWS and others worked out, worked out by our rates.

Those of Frankfurt are priced by the committed book; when a refresh changes one of its
prices, the example that had the old one has to go. Those of the United States have
AWS's own figures, and a book with the prices that these were made of.
"""

from __future__ import annotations

import pytest

from tests.unit.cost.pricing import MONTH, book_of, costs, database, priced, service
from tests.unit.cost.pricing import task as task_definition
from tests.unit.policies.casework import resource

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
CENT = 0.005

VIRGINIA = book_of(
    {
        "fargate.x86_64.vcpu": 0.04048,
        "fargate.x86_64.gb": 0.004445,
        "fargate.arm64.vcpu": 0.03238,
        "fargate.arm64.gb": 0.00356,
        # A vCPU for 0.0000254167 a second, its licence for 0.0000127778.
        "fargate.windows.vcpu": (0.0000254167 + 0.0000127778) * 3600,
        "fargate.windows.gb": 0.0000027778 * 3600,
        "fargate.ephemeral": 0.000111,
        "cloudwatch.alarm": 0.10,
        "waf.acl": 5,
        "waf.rule": 1,
        "waf.requests": 0.60,
    },
    region="us-east-1",
)

ARM = {"cpuArchitecture": "ARM64"}
WINDOWS = {"operatingSystemFamily": "WINDOWS_SERVER_2019_CORE"}


def tasks(cpu, memory, hours, book=None, **inputs):
    """What so many hours of a task cost, by what is paid for."""
    found = service(task_definition(cpu=str(cpu), memory=str(memory), **inputs))
    given = [found] if book is None else [found, book]
    return costs(*given, tasks=hours / MONTH)


def rounded(paid):
    return {what: round(usd, 2) for what, usd in paid.items()}


# AWS's own: aws.amazon.com/fargate/pricing, examples 1 to 4, US East (N. Virginia).


def test_five_tasks_for_ten_minutes_a_day():
    # 5 tasks x 600 s x 30 days = 25 h of 1 vCPU, 2 GB, and 10 GB of disk over 20.
    hours = 5 * 600 * 30 / 3600
    disk = {"sizeInGib": 30}
    paid = rounded(tasks(1024, 2048, hours, VIRGINIA, ephemeralStorage=disk))
    assert paid == {
        "processors on demand": 1.01,
        "memory on demand": 0.22,
        "disk on demand": 0.03,
    }
    assert round(sum(paid.values()), 2) == 1.26


def test_the_same_on_arm():
    hours = 5 * 600 * 30 / 3600
    disk = {"sizeInGib": 30}
    paid = rounded(
        tasks(1024, 2048, hours, VIRGINIA, ephemeralStorage=disk, runtimePlatform=ARM)
    )
    assert paid == {
        "processors on demand": 0.81,
        "memory on demand": 0.18,
        "disk on demand": 0.03,
    }
    assert round(sum(paid.values()), 2) == 1.02


def test_ten_small_pods_for_an_hour_a_day():
    # 10 pods x 3600 s x 30 days = 300 h of 0.25 vCPU and 1 GB.
    paid = rounded(tasks(256, 1024, 10 * 30, VIRGINIA))
    assert paid == {"processors on demand": 3.04, "memory on demand": 1.33}
    assert round(sum(paid.values()), 2) == 4.37


def test_ten_windows_tasks_for_an_hour_a_day():
    # 300 h of 1 vCPU and 2 GB: 27.45 for processors, 13.80 for Windows, 6.00 for GB.
    paid = rounded(tasks(1024, 2048, 10 * 30, VIRGINIA, runtimePlatform=WINDOWS))
    assert paid == {"processors on demand": 27.45 + 13.80, "memory on demand": 6.00}
    assert round(sum(paid.values()), 2) == 47.25


# aws.amazon.com/cloudwatch/pricing and aws.amazon.com/waf/pricing.


def test_four_standard_alarms():
    found = [
        resource("aws:cloudwatch/metricAlarm:MetricAlarm", str(number), metricName="x")
        for number in range(4)
    ]
    assert rounded(costs(found, VIRGINIA)) == {"alarm": 0.40}


def test_a_web_acl_with_ten_million_requests():
    found = resource("aws:wafv2/webAcl:WebAcl")
    assert rounded(costs([found], VIRGINIA, requests=10_000_000)) == {
        "web ACL": 5.00,
        "requests": 6.00,
    }


# Frankfurt, from other people's cost documents, by our book.


def test_the_smallest_database_in_one_zone():
    # 730 h x 0.019 + 20 GB x 0.137 = 13.87 + 2.74 (three documents agree).
    found = database(instanceClass="db.t4g.micro", allocatedStorage=20)
    paid = rounded(costs([found]))
    assert paid == {"hours, db.t4g.micro": 13.87, "disk, gp3": 2.74}
    assert round(sum(paid.values()), 2) == 16.61


@pytest.mark.parametrize(
    ("class_", "usd"),
    [
        ("db.t4g.small", 67.72),  # 730 h x 0.074 + 50 GB x 0.274 = 54.02 + 13.70
        ("db.t4g.medium", 122.47),  # 730 h x 0.149 + 50 GB x 0.274 = 108.77 + 13.70
    ],
)
def test_a_database_in_two_zones(class_, usd):
    found = database(instanceClass=class_, multiAz=True, allocatedStorage=50)
    assert priced([found]).usd == pytest.approx(usd, abs=CENT)


def test_a_database_and_a_way_out():
    # The smallest database, 16.61, and 730 h x 0.052 = 37.96.
    found = [database(allocatedStorage=20), resource("aws:ec2/natGateway:NatGateway")]
    assert priced(found).usd == pytest.approx(54.57, abs=CENT)


def test_a_nat_gateway_that_ten_terabytes_pass():
    # 730 h x 0.052 + 10,240 GB x 0.052 = 37.96 + 532.48.
    found = resource("aws:ec2/natGateway:NatGateway")
    assert priced([found], nat_gb=10_240).usd == pytest.approx(570.44, abs=CENT)


@pytest.mark.parametrize(
    ("cpu", "memory", "usd"),
    [
        (512, 1024, 16.58),  # 730 h x (0.5 x 0.03725 + 1 x 0.00409)
        (1024, 2048, 33.16),  # twice that
    ],
)
def test_one_task_on_arm(cpu, memory, usd):
    paid = tasks(cpu, memory, MONTH, runtimePlatform=ARM)
    assert sum(paid.values()) == pytest.approx(usd, abs=CENT)


@pytest.mark.parametrize(
    ("count", "usd"),
    [
        (13, 269.42),  # 6.5 vCPU, 13 GB: 730 h x (6.5 x 0.04656 + 13 x 0.00511)
        (3, 62.17),  # 1.5 vCPU, 3 GB
    ],
)
def test_several_tasks_on_x86(count, usd):
    paid = tasks(512, 1024, count * MONTH)
    assert sum(paid.values()) == pytest.approx(usd, abs=CENT)


def test_capacity_of_a_load_balancer_by_its_connections():
    # 26.6 new connections a second, 0.9 GB an hour: max(26.6 / 25, 0.9) = 1.064 units,
    # 0.0085 an hour; with the load balancer's own 0.027 that is 0.0355.
    paid = costs(
        [resource(BALANCER, internal=True)],
        requests=26.6 * 3600 * MONTH,
        egress_gb=0.9 * MONTH,
    )
    assert round(paid["capacity"] / MONTH, 4) == 0.0085
    assert round(sum(paid.values()) / MONTH, 4) == 0.0355


@pytest.mark.parametrize(
    ("gb", "usd"),
    [
        (50_000, 4_051.20),  # 10,240 x 0.085 + 39,760 x 0.080
        (100_000, 7_075.20),  # 10,240 x 0.085 + 40,960 x 0.080 + 48,800 x 0.060
        # 10,240 x 0.085 + 40,960 x 0.080 + 102,400 x 0.060 + 346,400 x 0.040
        (500_000, 24_147.20),
    ],
)
def test_what_a_cdn_sends_to_europe(gb, usd):
    found = resource("aws:cloudfront/distribution:Distribution")
    paid = costs([found], egress_gb=gb)
    assert paid["to Europe"] == pytest.approx(usd, abs=CENT)


def test_a_bill_of_june():
    # June has 720 hours, a month here 730. What is paid for by the month is as it is.
    june = 720 / MONTH
    balancer = resource(BALANCER, internal=True)
    logs = resource(
        "aws:ecs/cluster:Cluster",
        settings=[{"name": "containerInsights", "value": "enabled"}],
    )
    keys = [resource("aws:kms/key:Key", str(number)) for number in range(3)]
    secrets = [
        resource("aws:secretsmanager/secret:Secret", str(number)) for number in range(4)
    ]
    app = service(task_definition(cpu="256", memory="512", runtimePlatform=ARM))
    paid = costs(
        [balancer, logs, *keys, *secrets, *app, database(allocatedStorage=20)],
        container_insights_metrics=28,
    )
    by_the_hour = (
        *("hours", "hours, db.t4g.micro"),
        *("processors on demand", "memory on demand"),
    )
    # 6.705 for the processors, which the bill has rounded up.
    assert {what: paid.pop(what) * june for what in by_the_hour} == pytest.approx(
        {
            "hours": 19.44,
            "hours, db.t4g.micro": 13.68,
            "processors on demand": 6.71,
            "memory on demand": 1.47,
        },
        abs=CENT + 1e-9,
    )
    assert rounded(paid) == {
        "Container Insights": 8.40,
        "key": 3.00,
        "secret": 1.60,
        "disk, gp3": 2.74,
    }


def test_fifty_secrets_and_a_hundred_thousand_calls():
    # 50 x 0.40 + 10 x 0.05.
    found = [
        resource("aws:secretsmanager/secret:Secret", str(number))
        for number in range(50)
    ]
    assert priced(found, secret_calls=100_000).usd == pytest.approx(20.50, abs=CENT)
