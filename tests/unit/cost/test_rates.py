"""Which types are priced, which are free, and which are neither."""

from __future__ import annotations

import pytest

from cost import rates
from cost.rates import RATES, free
from resource_graph import Resource
from resource_types import current
from settings.aws.groups import Database, Service
from tests.unit.cost.pricing import FRANKFURT, database, priced, service, task
from tests.unit.policies.casework import resource


def test_types_are_priced_under_the_names_that_they_have_today():
    assert {type_: current(type_) for type_ in RATES} == {t: t for t in RATES}


def test_rates_of_all_parts_are_there():
    assert len(RATES) == sum(
        len(part.RATES)
        for part in (
            *(rates.compute, rates.data, rates.network, rates.operations),
            *(rates.digitalocean, rates.railway),
        )
    )


@pytest.mark.parametrize(
    ("type_", "why"),
    [
        ("aws:iam/role:Role", "identities and policies are free"),
        ("aws:ec2/vpc:Vpc", "a network itself is free"),
        ("aws:lb/listener:Listener", "comes with the load balancer"),
        ("aws:ecs/taskDefinition:TaskDefinition", "tasks are paid for"),
        ("aws:budgets/budget:Budget", "budgets without actions are free"),
        ("aws:efs/mountTarget:MountTarget", "paid for with the file system"),
        ("aws:s3/bucketPolicy:BucketPolicy", "comes with the bucket"),
        ("aws:wafv2/webAclAssociation:WebAclAssociation", "comes with the web ACL"),
        ("docker-build:index:Image", "runs on the host, whose price is not in"),
        ("docker:index/container:Container", "runs on the host"),
        ("pulumi:providers:aws", "Pulumi's own"),
        ("random:index/randomPassword:RandomPassword", "Pulumi's own"),
    ],
)
def test_what_costs_nothing_says_why(type_, why):
    assert free(type_).startswith(why)


@pytest.mark.parametrize(
    "type_",
    [
        # Paid for, and called like something that is free.
        "aws:budgets/budgetAction:BudgetAction",
        "aws:cloudfront/monitoringSubscription:MonitoringSubscription",
        "aws:cloudfront/realtimeLogConfig:RealtimeLogConfig",
        "aws:ec2/vpcIpam:VpcIpam",
        "aws:efs/replicationConfiguration:ReplicationConfiguration",
        "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig",
        "aws:lb/trustStore:TrustStore",
        "aws:s3/bucketMetric:BucketMetric",
        "aws:wafv2/ruleGroup:RuleGroup",
        # Whatever else there is.
        "aws:acmpca/certificateAuthority:CertificateAuthority",
        "aws:ec2/volume:Volume",
        "aws:ec2transitgateway/transitGateway:TransitGateway",
        "aws:elasticache/cluster:Cluster",
        "aws:rds/cluster:Cluster",
        "aws:rds/proxy:Proxy",
        "aws:route53/zone:Zone",
        "gcp:sql/databaseInstance:DatabaseInstance",
    ],
)
def test_what_is_paid_for_is_never_taken_for_free(type_):
    assert free(type_) == ""
    made = priced([resource(type_)])
    assert [(u.type, u.why) for u in made.unknown] == [
        (type_, "no price is known for this type")
    ]


def test_no_beginning_hides_another():
    starts = list(rates._FREE)
    assert [
        (start, other)
        for start in starts
        for other in starts
        if start != other and other.startswith(start)
    ] == []


def test_free_types_are_listed_once_with_the_reason():
    made = priced([resource("aws:iam/role:Role", name) for name in ("one", "two")])
    assert made.free == {"aws:iam/role:Role": "identities and policies are free"}
    assert (made.items, made.unknown, made.usd) == ([], [], 0)


# Whatever the settings can ask for without being changed has to have its price.


def default(group: type[Database | Service], name: str) -> object:
    return group.model_fields[name].default


CACHES = [
    (engine, node) for engine in ("valkey", "redis") for node in ("micro", "small")
]
SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]


@pytest.mark.parametrize("zones", [True, False])
@pytest.mark.parametrize(
    "class_",
    [default(Database, "instance_class"), "db.t4g.small", "db.t4g.medium"],
)
def test_default_classes_of_databases_are_in_the_book(class_, zones):
    for disk in ("gp3", "gp2"):
        found = database(
            instanceClass=class_, multiAz=zones, storageType=disk, allocatedStorage=20
        )
        made = priced([found])
        assert made.unknown == []
        assert made.usd > 12


@pytest.mark.parametrize(("engine", "node"), CACHES)
def test_default_nodes_of_caches_are_in_the_book(engine, node):
    found = resource(
        "aws:elasticache/replicationGroup:ReplicationGroup",
        engine=engine,
        nodeType=f"cache.t4g.{node}",
        snapshotRetentionLimit=7,
    )
    assert priced([found], cache_backup_gb=1).unknown == []


@pytest.mark.parametrize("processor", ["ARM64", "X86_64"])
@pytest.mark.parametrize("strategies", [SPOT, []])
def test_tasks_of_each_kind_are_in_the_book(processor, strategies):
    definition = task(
        cpu=str(default(Service, "cpu")),
        memory=str(default(Service, "memory")),
        runtimePlatform={"cpuArchitecture": processor},
        ephemeralStorage={"sizeInGib": 30},
    )
    found = service(
        definition,
        capacityProviderStrategies=strategies,
        networkConfiguration={"assignPublicIp": True},
    )
    made = priced(found)
    assert made.unknown == []
    assert len(made.items) == 4


OTHERS = (
    resource("aws:ec2/instance:Instance", instanceType="t4g.nano"),
    resource(
        "aws:ec2/instance:Instance",
        instanceType="t4g.small",
        rootBlockDevice={"volumeType": "gp3", "volumeSize": 8},
    ),
    resource("aws:lambda/function:Function"),
    resource("aws:lambda/function:Function", architectures=["arm64"]),
    resource("aws:cloudwatch/metricAlarm:MetricAlarm", period=10),
    resource("aws:ec2/vpcEndpoint:VpcEndpoint", vpcEndpointType="Interface"),
    resource(
        "aws:efs/fileSystem:FileSystem",
        throughputMode="elastic",
        lifecyclePolicies=[{"transitionToIa": "AFTER_7_DAYS"}],
    ),
    resource(
        "aws:backup/plan:Plan",
        "backup-files",
        rules=[{"copyActions": [{}]}],
    ),
    resource("aws:backup/plan:Plan", rules=[{"copyActions": [{}]}]),
    resource("aws:route53/healthCheck:HealthCheck", type="HTTPS"),
)


@pytest.mark.parametrize("found", OTHERS, ids=str)
def test_what_else_there_is_a_rate_for_is_in_the_book(found: Resource):
    made = priced([found], events=1e6, uploads_gb=1, uploads_ia_percent=50)
    assert made.unknown == []
    assert {item.price for item in made.items} <= set(FRANKFURT.prices)
