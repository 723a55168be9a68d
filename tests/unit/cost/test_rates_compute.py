"""What tasks, jobs, functions, images and servers cost, worked by hand."""

from __future__ import annotations

import pytest

from resource_graph import UNKNOWN
from tests.unit.cost.pricing import MONTH, costs, priced, service, task, unknowns
from tests.unit.policies.casework import resource

SCHEDULE = "aws:scheduler/schedule:Schedule"
REPOSITORY = "aws:ecr/repository:Repository"
FUNCTION = "aws:lambda/function:Function"
INSTANCE = "aws:ec2/instance:Instance"
RATE = "rate(1 day)"

PRICES = {
    "fargate.x86_64.vcpu": 0.04656,
    "fargate.x86_64.gb": 0.00511,
    "fargate.arm64.vcpu": 0.03725,
    "fargate.arm64.gb": 0.00409,
    "fargate.spot.arm64.vcpu": 0.01139,
    "fargate.spot.arm64.gb": 0.00125,
    "fargate.ephemeral": 0.000127,
    "ipv4.hour": 0.005,
}

SHARES = (("FARGATE", 1), ("FARGATE_SPOT", 3))
ARM = {"runtimePlatform": {"cpuArchitecture": "ARM64"}}


def strategy(provider: str, weight: int = 0, base: int = 0) -> dict[str, object]:
    return {"capacityProvider": provider, "weight": weight, "base": base}


def tasks_on_spot(count: int, *strategies: dict[str, object]) -> float:
    """Of a service's tasks: their share of what runs, by what is paid for."""
    paid = costs(
        service(
            task(cpu="1024", memory="0"),
            desiredCount=count,
            capacityProviderStrategies=list(strategies),
        ),
        {
            "fargate.x86_64.vcpu": 1,
            "fargate.x86_64.gb": 0,
            "fargate.spot.x86_64.vcpu": 1,
            "fargate.spot.x86_64.gb": 0,
        },
    )
    together = sum(paid.values())
    assert together == pytest.approx(count * MONTH)
    return paid.get("processors on Spot", 0) / MONTH


def test_a_service_of_the_smallest_tasks_pays_by_processor_and_memory():
    # A quarter of a vCPU, half a GB, one task: what Fargate and ECS begin with.
    assert costs(service(task()), PRICES) == pytest.approx(
        {
            "processors on demand": 0.25 * 730 * 0.04656,  # 8.50
            "memory on demand": 0.5 * 730 * 0.00511,  # 1.87
        }
    )


def test_arm_is_priced_as_arm():
    definition = task(cpu="1024", memory="2048", **ARM)
    assert costs(service(definition, desiredCount=2), PRICES) == pytest.approx(
        {
            "processors on demand": 2 * 1 * 730 * 0.03725,  # 54.39
            "memory on demand": 2 * 2 * 730 * 0.00409,  # 11.94
        }
    )


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [("512", "1024"), ("0.5 vCPU", "1 GB"), (".5 vcpu", "1gb"), (512, 1024)],
)
def test_the_size_of_a_task_may_be_written_as_aws_lets_one(cpu, memory):
    assert costs(service(task(cpu=cpu, memory=memory)), PRICES) == pytest.approx(
        {
            "processors on demand": 0.5 * 730 * 0.04656,
            "memory on demand": 1 * 730 * 0.00511,
        }
    )


def test_tasks_on_spot_pay_its_price_from_their_base_and_weight_on():
    # Of five, two are on demand by the base; the three others are on Spot by 3 : 1,
    # so 2.25 there and 0.75 on demand, on average.
    strategies = [strategy("FARGATE", 1, base=2), strategy("FARGATE_SPOT", 3)]
    definition = task(cpu="1024", memory="2048", **ARM)
    found = service(definition, desiredCount=5, capacityProviderStrategies=strategies)
    assert costs(found, PRICES) == pytest.approx(
        {
            "processors on demand": 2.75 * 1 * 730 * 0.03725,  # 74.78
            "memory on demand": 2.75 * 2 * 730 * 0.00409,  # 16.42
            "processors on Spot": 2.25 * 1 * 730 * 0.01139,  # 18.71
            "memory on Spot": 2.25 * 2 * 730 * 0.00125,  # 4.11
        }
    )


@pytest.mark.parametrize(
    ("count", "strategies", "on_spot"),
    [
        (4, [strategy("FARGATE", 1)], 0),
        (4, [strategy("FARGATE_SPOT", 1)], 4),
        (4, [strategy("FARGATE", 1), strategy("FARGATE_SPOT", 1)], 2),
        (4, [strategy("FARGATE_SPOT", 0, base=4)], 4),
        (1, [strategy("FARGATE_SPOT", 1, base=2), strategy("FARGATE", 1)], 1),
        (6, [strategy("FARGATE_SPOT", 1, base=2), strategy("FARGATE", 3)], 3),
        (4, [strategy("FARGATE", 1, base=4), strategy("FARGATE_SPOT", 1)], 0),
    ],
)
def test_so_many_tasks_are_on_spot(count, strategies, on_spot):
    assert tasks_on_spot(count, *strategies) == pytest.approx(on_spot)


def test_a_strategy_begins_with_neither_base_nor_weight():
    weights = [{"capacityProvider": name, "weight": weight} for name, weight in SHARES]
    assert tasks_on_spot(4, *weights) == pytest.approx(3)
    on_demand, base = strategy("FARGATE", 1), {"capacityProvider": "FARGATE_SPOT"}
    assert tasks_on_spot(3, on_demand, {**base, "base": 1}) == pytest.approx(1)


def test_a_service_without_strategy_has_none_on_spot():
    assert tasks_on_spot(3) == 0


@pytest.mark.parametrize(("size", "paid_for"), [(21, 1), (50, 30)])
def test_more_disk_than_the_free_20_gb_is_paid_for(size, paid_for):
    paid = costs(service(task(ephemeralStorage={"sizeInGib": size})), PRICES)
    assert paid["disk on demand"] == pytest.approx(paid_for * 730 * 0.000127)
    assert "disk on demand" not in costs(
        service(task(ephemeralStorage={"sizeInGib": 20})), PRICES
    )


def test_tasks_with_public_addresses_pay_for_them():
    network = {"assignPublicIp": True, "subnets": ["a"]}
    found = service(task(), desiredCount=3, networkConfiguration=network)
    assert costs(found, PRICES)["public addresses"] == pytest.approx(3 * 730 * 0.005)
    network["assignPublicIp"] = False
    assert "public addresses" not in costs(
        service(task(), networkConfiguration=network), PRICES
    )


def test_a_number_of_tasks_that_is_assumed_counts_instead_of_the_desired_one():
    found = service(task(), desiredCount=2)
    assert costs(found, PRICES, tasks=3.5) == pytest.approx(
        {
            "processors on demand": 3.5 * 0.25 * 730 * 0.04656,
            "memory on demand": 3.5 * 0.5 * 730 * 0.00511,
        }
    )


def test_a_service_without_tasks_costs_nothing():
    assert costs(service(task(), desiredCount=0), PRICES) == {}


def test_tasks_of_windows_are_not_taken_for_those_of_linux():
    windows = {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}
    made = priced(service(task(runtimePlatform=windows)))
    assert made.usd == 0
    vcpu, gb = unknowns(made)
    assert vcpu.startswith("service: the price book has no fargate.windows.vcpu")
    assert gb.startswith("service: the price book has no fargate.windows.gb")


def test_a_service_whose_tasks_another_stack_defines_is_unknown():
    _, alone = service(task())
    made = priced([alone], PRICES)
    assert made.items == []
    assert unknowns(made) == [
        "service: its task definition is not in this stack (taskDefinition)"
    ]


def job(expression: str, definition=None, **parameters: object) -> list[object]:
    definition = definition or task(cpu="1024", memory="0")
    return [
        definition,
        resource(
            SCHEDULE,
            "job",
            scheduleExpression=expression,
            target={
                "arn": "arn:aws:ecs:eu-central-1:123456789012:cluster/app",
                "ecsParameters": {"taskDefinitionArn": definition.id, **parameters},
            },
        ),
    ]


def runs(expression: str, **parameters: object) -> float:
    """How often a month: by what 1 vCPU costs that is needed for an hour each time."""
    prices = {"fargate.x86_64.vcpu": 1, "fargate.x86_64.gb": 1}
    paid = costs(job(expression, **parameters), prices, job_minutes=60)
    return paid.get("processors of runs", 0)


DAYS = 365 / 12


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("rate(1 day)", DAYS),
        ("rate(7 days)", DAYS / 7),
        ("rate(1 hour)", 24 * DAYS),
        ("rate(6 hours)", 4 * DAYS),
        ("rate(5 minutes)", 12 * 24 * DAYS),
        ("cron(30 3 * * ? *)", DAYS),
        ("cron(0 6,18 * * ? *)", 2 * DAYS),
        ("cron(0 * * * ? *)", 24 * DAYS),
        ("cron(* 3 * * ? *)", 60 * DAYS),
        ("cron(0/15 * * * ? *)", 4 * 24 * DAYS),
        ("cron(10/25 * * * ? *)", 2 * 24 * DAYS),
        ("cron(*/20 8-17 * * ? *)", 3 * 10 * DAYS),
        ("cron(0 0/6 * * ? *)", 4 * DAYS),
        ("cron(0 3 ? * SUN *)", DAYS / 7),
        ("cron(0 3 ? * MON-FRI *)", 5 * DAYS / 7),
        ("cron(0 3 ? * 2-6 *)", 5 * DAYS / 7),
        ("cron(0 3 ? * FRI-MON *)", 4 * DAYS / 7),
        ("cron(0 3 ? * MON,THU *)", 2 * DAYS / 7),
        ("cron(0 6,18 ? * MON *)", 2 * DAYS / 7),
        ("cron(0 3 ? * 2#1 *)", 1),
        ("cron(0 3 ? * 6L *)", 1),
        ("cron(0 3 1 * ? *)", 1),
        ("cron(0 3 1,15 * ? *)", 2),
        ("cron(0 3 1-7 * ? *)", 7),
        ("cron(0 3 */2 * ? *)", 16),
        ("cron(0 3 1/10 * ? *)", 4),
        ("cron(0 3 1/31 * ? *)", 1),
        ("cron(0 3 L * ? *)", 1),
        ("cron(0 3 1 1,7 ? *)", 2 / 12),
        ("cron(0 3 1 JAN-MAR ? *)", 3 / 12),
        ("cron(0 3 1 */3 ? *)", 4 / 12),
        ("at(2027-01-01T00:00:00)", 0),
    ],
)
def test_a_job_runs_as_often_as_its_schedule_says(expression, times):
    assert runs(expression) == pytest.approx(times)


def test_a_job_pays_for_the_minutes_of_its_runs():
    # 10 minutes a day of 0.5 vCPU and 1 GB on ARM: 365 / 12 / 6 = 5.07 hours.
    found = job("cron(0 3 * * ? *)", task(cpu="512", memory="1024", **ARM))
    assert costs(found, PRICES, job_minutes=10) == pytest.approx(
        {
            "processors of runs": 365 / 12 / 6 * 0.5 * 0.03725,  # 0.09
            "memory of runs": 365 / 12 / 6 * 1 * 0.00409,  # 0.02
        }
    )


def test_a_job_of_several_tasks_pays_for_each():
    assert runs("rate(1 day)", taskCount=3) == pytest.approx(3 * DAYS)


@pytest.mark.parametrize("expression", ["every day", "rate(1 week)", "cron(0 3 * * ?)"])
def test_a_schedule_that_nobody_understands_is_unknown(expression):
    made = priced(job(expression), PRICES, job_minutes=60)
    assert made.usd == 0
    assert unknowns(made) == [f"job: it is not known how often {expression} is"]


def test_a_schedule_that_starts_no_task_costs_nothing():
    target = {"arn": "arn:aws:lambda:eu-central-1:123456789012:function:x"}
    made = priced([resource(SCHEDULE, scheduleExpression=RATE, target=target)])
    assert (made.items, made.unknown) == ([], [])


def test_a_schedule_whose_target_nobody_knows_is_unknown():
    made = priced([resource(SCHEDULE, scheduleExpression=RATE, target=UNKNOWN)])
    assert unknowns(made) == ["it: target is unknown"]


def test_images_are_shared_by_the_repositories():
    found = [resource(REPOSITORY, "app"), resource(REPOSITORY, "jobs")]
    made = priced(found, {"ecr.gb": 0.1}, image_gb=3)
    assert [item.usd for item in made.items] == pytest.approx([0.15, 0.15])


@pytest.mark.parametrize(
    ("inputs", "gb", "price"),
    [
        ({}, 0.125, 1.66667e-5),
        ({"architectures": ["arm64"], "memorySize": 256}, 0.25, 1.33334e-5),
    ],
)
def test_a_function_pays_for_each_event_a_second_of_its_memory(inputs, gb, price):
    assert costs(
        [resource(FUNCTION, **inputs)],
        {
            "lambda.requests": 0.2,
            "lambda.x86_64.gb_second": 1.66667e-5,
            "lambda.arm64.gb_second": 1.33334e-5,
        },
        events=3_000_000,
    ) == pytest.approx({"requests": 3 * 0.2, "memory": 3_000_000 * gb * price})


def test_a_server_pays_for_its_hours_its_disk_and_its_address():
    disk = {"volumeType": "gp3", "volumeSize": 30}
    server = resource(
        INSTANCE,
        instanceType="t4g.nano",
        rootBlockDevice=disk,
        associatePublicIpAddress=True,
    )
    prices = {"ec2.t4g.nano": 0.0048, "ebs.gp3": 0.0952, "ipv4.hour": 0.005}
    assert costs([server], prices) == pytest.approx(
        {
            "hours, t4g.nano": 730 * 0.0048,  # 3.50
            "disk": 30 * 0.0952,  # 2.86
            "public address": 730 * 0.005,  # 3.65
        }
    )


def test_a_server_has_the_disk_of_its_image_unless_it_asks_for_another():
    server = resource(INSTANCE, instanceType="t3.micro")
    assert costs([server], {"ec2.t3.micro": 0.012, "ebs.gp2": 0.119}) == pytest.approx(
        {"hours, t3.micro": 730 * 0.012, "disk": 8 * 0.119}
    )
