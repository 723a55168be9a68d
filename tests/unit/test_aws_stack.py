"""Both committed stack files, deployed: questions to the whole graph."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pulumi
import pytest

import stacks
from components.origin import ORIGIN_HEADER
from components.registry import BUILD_TAG_PREFIX
from contract import APP, VARIABLES
from settings import AwsSettings, Settings
from stacks.aws import AwsOutputs
from tests import fakes
from tests.graph import UNKNOWN, Graph, Recorded
from tests.stacks import (
    ALERTED,
    EVERYTHING,
    IMAGE,
    OPERATORS,
    ROTATED,
    STACKS,
    WEBHOOK,
    deploy,
    deploy_again,
    everything,
)

ROOT = Path(__file__).parents[2]
BUILT = "docker-build:index:Image"
BUCKET = "aws:s3/bucket:Bucket"
DATABASE = "aws:rds/instance:Instance"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
FILE_SYSTEM = "aws:efs/fileSystem:FileSystem"
KEY = "aws:kms/key:Key"
LISTENER = "aws:lb/listener:Listener"
LISTENER_RULE = "aws:lb/listenerRule:ListenerRule"
LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LOGGING = "aws:s3/bucketLogging:BucketLogging"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
PASSWORD = "random:index/randomPassword:RandomPassword"
PROVIDER = "pulumi:providers:aws"
RECORD = "aws:route53/record:Record"
REPOSITORY = "aws:ecr/repository:Repository"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
SECRET = "aws:secretsmanager/secret:Secret"
SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup"
SERVICE = "aws:ecs/service:Service"
SUBNET = "aws:ec2/subnet:Subnet"
SUBNET_GROUP = "aws:rds/subnetGroup:SubnetGroup"
TARGET_GROUP = "aws:lb/targetGroup:TargetGroup"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
VAULT = "aws:backup/vault:Vault"
COMPONENT = "stromhaltig:aws:"

HOLDS_DATA = (BUCKET, DATABASE, FILE_SYSTEM, KEY, REPOSITORY, SECRET, VAULT)
# Made again from what the stack file says, and gone with the option that needs them.
PASSING = ("-redis-url", "-slack-webhook-url")

EXEC_PATHS = {"/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm"}
ORIGIN_PASSWORD = "stromhaltig-production-origin"

ALL_REVIEWS = (
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"
    "stromhaltig/pr-*/DATABASE_URL-??????"
)

# Calls that name no resource; every other statement of a role names its own.
UNBOUND = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
    "ecr:GetAuthorizationToken",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "logs:DescribeLogGroups",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}


@dataclass(frozen=True, kw_only=True)
class Option:
    """What a key of the stack file stands for.

    components: without their namespace; made by it and by nothing else.
    types: prefixes of the types that only it needs.
    with_it: what else must go, or change, when it goes.
    """

    components: frozenset[str]
    types: tuple[str, ...]
    with_it: Mapping[str, Any] = field(default_factory=dict)


OPTIONS = {
    "autoscaling": Option(
        components=frozenset({"Autoscaling"}), types=("aws:appautoscaling/",)
    ),
    "backups": Option(components=frozenset({"BackupPlan"}), types=("aws:backup/",)),
    "budget": Option(components=frozenset({"Budget"}), types=("aws:budgets/",)),
    "cache": Option(
        components=frozenset({"Cache", "CacheAlarms"}), types=("aws:elasticache/",)
    ),
    "cdn": Option(
        components=frozenset({"Cdn"}),
        types=("aws:cloudfront/", "aws:cloudwatch/logDelivery"),
    ),
    "firewall": Option(
        components=frozenset({"Firewall", "FirewallAlarms"}), types=("aws:wafv2/",)
    ),
    "jobs": Option(
        components=frozenset({"BackupBucket", "JobTask", "ScheduledTask"}),
        types=("aws:scheduler/", "aws:s3/bucketLogging"),
    ),
    "monitoring": Option(
        components=frozenset(
            {
                *("CacheAlarms", "Dashboard", "DatabaseAlarms", "EventNotifications"),
                *("FirewallAlarms", "HealthCheck", "LoadBalancerAlarms", "LogAlarms"),
                *("LogMetrics", "Notifications", "QueueAlarm", "ServiceAlarms"),
                "SlackNotifier",
            }
        ),
        types=(
            *("aws:cloudwatch/dashboard", "aws:cloudwatch/logMetric", "aws:lambda/"),
            *("aws:cloudwatch/metricAlarm", "aws:rds/eventSub", "aws:sns/"),
            "aws:route53/healthCheck",
        ),
        with_it={"deployment": None, "budget": {"monthly_usd": 450, **ALERTED}},
    ),
    "uploads": Option(components=frozenset({"Uploads"}), types=("aws:efs/",)),
}


@pytest.fixture(params=(*STACKS, "everything"))
def stack(request: pytest.FixtureRequest) -> Graph:
    name = request.param
    return everything() if name == "everything" else deploy(name)


@pytest.fixture
def production() -> Graph:
    return deploy("production")


@pytest.fixture
def staging() -> Graph:
    return deploy("staging")


def app_task(graph: Graph) -> Recorded:
    """The service's task definition; the others are of jobs."""
    return graph.one(TASK, graph.one(SERVICE).name)


def containers(graph: Graph, task: Recorded | None = None) -> dict[str, Any]:
    definitions = json.loads((task or app_task(graph))["containerDefinitions"])
    return {definition["name"]: definition for definition in definitions}


def all_containers(graph: Graph) -> list[Any]:
    """Containers of the service and of every job."""
    return [c for task in graph.all(TASK) for c in containers(graph, task).values()]


def role_name(task: Recorded, key: str) -> str:
    return str(task[key].rpartition("/")[2])


def statements(graph: Graph) -> Iterator[tuple[Recorded, dict[str, Any]]]:
    """Each statement of a policy that belongs to a role."""
    for resource, key, document in graph.policies():
        if resource.type == ROLE_POLICY and key == "policy":
            for statement in document["Statement"]:
                yield resource, statement


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def group(graph: Graph, role: str) -> str:
    """ID of the security group whose logical name ends like this."""
    (found,) = [g for g in graph.all(SECURITY_GROUP) if g.name.endswith(f"-{role}")]
    return found.id


def topics(graph: Graph) -> list[Recorded]:
    """Topics of the stack's region; one of another has a key of AWS there."""
    every = graph.all("aws:sns/topic:Topic")
    return [topic for topic in every if not topic.name.endswith("-global")]


def subnets(graph: Graph, tier: str) -> set[str]:
    return {s.id for s in graph.all(SUBNET) if f"-{tier}-" in s.name}


def generated(graph: Graph) -> set[str]:
    return {password.outputs["result"] for password in graph.all(PASSWORD)}


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each text in an input and the path of the whole value that holds it."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, f"{path}.{index}")
    elif isinstance(value, str):
        yield path, value


def test_production_is_more_than_sixty_resources(production):
    assert len(production.resources) >= 60


def test_everything_belongs_to_a_component(stack):
    orphans = [r for r in stack.resources if stack.parent(r) is None]
    # A provider is of a region; the secret of an origin, of two components.
    left = [r for r in orphans if r.type != PROVIDER and r.name != ORIGIN_PASSWORD]
    assert [str(r) for r in left] == []


def test_the_program_has_nothing_to_complain_about(stack):
    assert stack.messages == []


def components(graph: Graph) -> set[str]:
    return {r.type.removeprefix(COMPONENT) for r in graph if not r.custom}


def test_stacks_differ_by_what_their_files_name_and_nothing_else(production, staging):
    optional = {type_ for option in OPTIONS.values() for type_ in option.components}
    optional.add("ReviewHost")  # which production refuses
    assert components(production) - optional == components(staging) - optional
    assert components(production) - components(staging) == {
        *("Autoscaling", "BackupPlan", "Cache", "CacheAlarms"),
        *("Dashboard", "Firewall", "FirewallAlarms", "HealthCheck"),
    }
    assert components(staging) - components(production) == {"ReviewHost"}


@pytest.mark.sweep
def test_the_environment_decides_on_protection_and_nothing_else(production):
    renamed = deploy("production", environment="staging")

    def shape(graph: Graph) -> dict[str, Any]:
        return {
            r.urn: {
                key: value
                for key, value in r.inputs.items()
                if key not in ("forceDelete", "forceDestroy")
            }
            for r in graph
        }

    assert shape(renamed) == shape(production)


@pytest.mark.sweep
def test_an_unchanged_program_makes_no_new_revision():
    first, second = (deploy_again("production") for _ in "12")
    assert (
        app_task(first)["containerDefinitions"]
        == app_task(second)["containerDefinitions"]
    )


@pytest.mark.parametrize("name", STACKS)
def test_a_preview_registers_what_an_update_does(name):
    preview = deploy(name, preview=True)
    assert {r.urn for r in preview} == {r.urn for r in deploy(name)}
    assert preview.exports["database"] == UNKNOWN
    assert preview.exports["cluster"] == f"stromhaltig-{name}"


def test_every_rule_of_a_security_group_says_what_it_is_for(stack):
    rules = stack.all(INGRESS) + stack.all(EGRESS)
    assert len(rules) >= 8
    assert [rule.name for rule in rules if not rule.get("description")] == []


def test_only_the_web_ports_of_the_load_balancer_are_open_to_the_world(stack):
    world = {
        (rule["securityGroupId"], rule["fromPort"], rule["toPort"])
        for rule in stack.all(INGRESS)
        if rule.get("cidrIpv4") == "0.0.0.0/0" or rule.get("cidrIpv6") == "::/0"
    }
    balancer = group(stack, "load-balancer")
    # With a CDN, none: see what the load balancer admits behind it.
    ports = () if stack.exports["distribution"] else (80, 443)
    assert world == {(balancer, port, port) for port in ports}


def test_the_database_answers_to_the_tasks_only(stack):
    database = group(stack, "database")
    rules = [r for r in stack.all(INGRESS) if r["securityGroupId"] == database]
    lent = {group(stack, "reviews")} if stack.exports["reviews"] else set()
    tasks = {group(stack, "service")} | lent
    assert {rule["referencedSecurityGroupId"] for rule in rules} == tasks
    assert {(rule["fromPort"], rule["toPort"]) for rule in rules} == {(5432, 5432)}
    assert not [r for r in stack.all(EGRESS) if r["securityGroupId"] == database]


def test_the_tasks_answer_to_the_load_balancer_only(stack):
    service = group(stack, "service")
    (rule,) = [r for r in stack.all(INGRESS) if r["securityGroupId"] == service]
    assert rule["referencedSecurityGroupId"] == group(stack, "load-balancer")
    assert rule["fromPort"] == rule["toPort"] == APP.port


def test_each_part_is_in_its_tier(stack):
    assert set(stack.one(LOAD_BALANCER)["subnets"]) == subnets(stack, "public")
    network = stack.one(SERVICE)["networkConfiguration"]
    assert set(network["subnets"]) == subnets(stack, "private")
    assert network["assignPublicIp"] is False
    assert set(stack.one(SUBNET_GROUP)["subnetIds"]) == subnets(stack, "isolated")
    assert stack.one(DATABASE)["publiclyAccessible"] is False


def test_each_part_has_its_security_group(stack):
    assert stack.one(LOAD_BALANCER)["securityGroups"] == [group(stack, "load-balancer")]
    network = stack.one(SERVICE)["networkConfiguration"]
    assert network["securityGroups"] == [group(stack, "service")]
    assert stack.one(DATABASE)["vpcSecurityGroupIds"] == [group(stack, "database")]


def test_mail_leaves_by_its_port_only_where_a_server_is_set(production, staging):
    def ports(graph: Graph) -> set[int]:
        service = group(graph, "service")
        return {
            rule["fromPort"]
            for rule in graph.all(EGRESS)
            if rule["securityGroupId"] == service and rule.get("cidrIpv4")
        }

    assert ports(production) == {443, 587}
    assert ports(staging) == {443}


def test_the_first_task_starts_when_network_and_rules_are_complete(stack):
    needs = stack.one(SERVICE).dependencies
    for type_ in (INGRESS, EGRESS, "aws:ec2/route:Route"):
        own = {r.urn for r in stack.all(type_) if ":ReviewHost$" not in r.urn}
        assert own <= needs


def test_the_load_balancer_is_made_when_the_internet_reaches_it(stack):
    needs = {(r.type, r.name) for r in stack.dependencies(stack.one(LOAD_BALANCER))}
    network = stack.one("aws:ec2/vpc:Vpc").name
    assert ("aws:ec2/internetGateway:InternetGateway", network) in needs
    assert ("aws:ec2/route:Route", f"{network}-public") in needs


def test_a_zone_in_trouble_keeps_its_subnets():
    states = {"a": "impaired", "b": "available", "c": "available"}

    def zones(arguments: Mapping[str, Any]) -> dict[str, Any]:
        wanted = arguments.get("state")
        names = [
            f"eu-central-1{zone}"
            for zone, state in states.items()
            if wanted in (None, state)
        ]
        return {"id": "eu-central-1", "names": names}

    graph = Graph()
    graph.answers["aws:index/getAvailabilityZones:getAvailabilityZones"] = zones
    graph.build(lambda: stacks.deploy(_settings("production"), APP))
    used = {s["availabilityZone"] for s in graph.all(SUBNET)}
    assert used == {"eu-central-1a", "eu-central-1b"}
    (lookup,) = [a for t, a in graph.invokes if t.endswith(":getAvailabilityZones")]
    assert lookup["filters"] == [
        {"name": "opt-in-status", "values": ["opt-in-not-required"]}
    ]


@pytest.mark.sweep
def test_behind_a_cdn_the_firewall_is_another_one():
    def parts(stack: Graph) -> set[str]:
        return {r.urn for r in stack if ":Firewall" in r.urn and r.custom}

    regional = parts(deploy("production"))
    of_the_world = parts(deploy("production", cdn={}))
    assert {urn.split("::")[2].rpartition("$")[2] for urn in regional} >= {
        "aws:wafv2/webAcl:WebAcl",
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:cloudwatch/metricAlarm:MetricAlarm",
    }
    # A provider of another region finds none of these where it looks.
    assert of_the_world
    assert not regional & of_the_world


def test_more_zones_than_the_region_has_are_refused():
    with pytest.raises(pulumi.RunError, match=r"has 3 .* asks for 4") as refusal:
        _few_zones()
    assert "network.availability_zones' 3" in str(refusal.value)


def _few_zones() -> None:
    """Three zones offered, four wanted: past what the settings let through."""
    settings = _settings("production")
    network = settings.network.model_copy(update={"availability_zones": 4})
    wanting = settings.model_copy(update={"network": network})
    Graph().build(lambda: stacks.deploy(wanting, APP))


def test_every_secret_of_a_task_exists_and_its_execution_role_may_read_it(stack):
    existing = {secret.outputs["arn"]: secret for secret in stack.all(SECRET)}
    readable: dict[str, set[str]] = {}
    for policy, statement in statements(stack):
        if "secretsmanager:GetSecretValue" in listed(statement["Action"]):
            readable.setdefault(policy["role"], set()).update(
                listed(statement["Resource"])
            )

    for task in stack.all(TASK):
        named = {
            entry["name"]: ":".join(entry["valueFrom"].split(":")[:7])
            for container in containers(stack, task).values()
            for entry in container.get("secrets", [])
        }
        for variable, arn in named.items():
            assert existing[arn]["name"].endswith(f"/{variable}")
        may = readable.pop(role_name(task, "executionRoleArn"), set())
        assert may == set(named.values()), task
    # The notifier reads its webhook, the maker of databases where they are; nobody
    # else reads anything.
    functions = ("/SLACK_WEBHOOK_URL-", "/DATABASE_URL-")
    reading = {arn for arns in readable.values() for arn in arns} - {ALL_REVIEWS}
    assert len(readable) <= len(stack.all("aws:lambda/function:Function"))
    assert reading <= {arn for arn in existing if any(f in arn for f in functions)}


def test_every_secret_of_a_task_is_pinned_to_the_version_that_was_written(stack):
    written = {
        f"{version['secretId']}:::{version.outputs['versionId']}"
        for version in stack.all("aws:secretsmanager/secretVersion:SecretVersion")
    }
    for container in all_containers(stack):
        pinned = {entry["valueFrom"] for entry in container.get("secrets", [])}
        assert pinned <= written, container["name"]


def test_the_app_gets_every_variable_that_it_needs(production):
    for container in containers(production).values():
        given = {e["name"] for e in container["environment"] + container["secrets"]}
        needed = {variable.name for variable in VARIABLES if not variable.optional}
        assert needed <= given


def test_no_secret_stands_in_an_environment(stack):
    confidential = {*OPERATORS.values(), *generated(stack)}
    names = {variable.name for variable in VARIABLES if variable.secret}
    for container in all_containers(stack):
        for entry in container["environment"]:
            assert entry["name"] not in names
            assert not any(value in entry["value"] for value in confidential)


def test_wherever_a_secret_goes_the_engine_knows_that_it_is_one(stack):
    confidential = {*OPERATORS.values(), *generated(stack)}
    found = 0
    for resource in stack:
        for path, text in texts(resource.inputs):
            if any(value in text for value in confidential):
                found += 1
                assert any(
                    path == secret or path.startswith(f"{secret}.")
                    for secret in resource.secrets
                ), f"{resource} {path}"
    assert found > len(confidential)


def test_the_database_address_is_a_secret_like_any_other(stack):
    database = stack.one(DATABASE)
    (version,) = [
        v
        for v in stack.all("aws:secretsmanager/secretVersion:SecretVersion")
        if v.name.endswith("-database-url")
    ]
    assert version["secretString"] == (
        f"postgresql://stromhaltig:{database['password']}@"
        f"{database.outputs['address']}:5432/stromhaltig?sslmode=require"
    )


@pytest.mark.sweep
def test_what_the_operator_brings_is_not_generated(production):
    own = {**OPERATORS, "JWT_SECRET": "an-operators-own-key-of-32-characters"}
    graph = deploy("production", secrets=own)
    made = {password.name for password in graph.all(PASSWORD)}
    before = {password.name for password in production.all(PASSWORD)}
    (dropped,) = before - made
    assert dropped == "stromhaltig-production-jwt-secret"
    # The engine refuses the whole update when what is dropped is protected.
    assert not production.one(PASSWORD, dropped).protect
    assert graph.exports["secrets"] == production.exports["secrets"]


def test_roles_name_the_resources_of_what_they_may_do(stack):
    for policy, statement in statements(stack):
        actions = set(listed(statement["Action"]))
        assert not [action for action in actions if "*" in action], policy
        if "*" in listed(statement["Resource"]):
            assert actions <= UNBOUND, policy


def test_services_may_use_a_role_for_this_account_only(stack):
    for role in stack.all(ROLE):
        (statement,) = json.loads(role["assumeRolePolicy"])["Statement"]
        service = statement["Principal"]["Service"]
        # Lambda names no account when it assumes a role.
        if service == "lambda.amazonaws.com":
            assert "Condition" not in statement
            continue
        # Backup and ECS do not name it in each of their calls.
        some = service in ("backup.amazonaws.com", "ecs.amazonaws.com")
        (operator,) = statement["Condition"]
        assert operator == ("StringEqualsIfExists" if some else "StringEquals"), role
        condition = dict(statement["Condition"][operator])
        source = condition.pop("aws:SourceArn", ":123456789012:")
        assert ":123456789012:" in source, role
        assert condition == {"aws:SourceAccount": "123456789012"}, role


@pytest.mark.parametrize("name", STACKS)
def test_the_app_may_use_its_own_directory_and_nothing_else(name):
    graph = deploy(name)
    role = role_name(app_task(graph), "taskRoleArn")
    (statement,) = [s for policy, s in statements(graph) if policy["role"] == role]
    assert set(statement["Action"]) == {
        "elasticfilesystem:ClientMount",
        "elasticfilesystem:ClientWrite",
    }
    file_system = graph.one(FILE_SYSTEM).outputs["arn"]
    assert statement["Resource"] == file_system
    access_point = graph.one("aws:efs/accessPoint:AccessPoint").outputs["arn"]
    assert statement["Condition"] == {
        "StringEquals": {"elasticfilesystem:AccessPointArn": access_point}
    }


@pytest.mark.sweep
def test_without_uploads_the_app_has_no_rights_in_the_account():
    graph = deploy("staging", uploads=None)
    role = role_name(app_task(graph), "taskRoleArn")
    assert role not in {policy["role"] for policy, _ in statements(graph)}


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("account", "repository"),
    [("123456789012", "stromhaltig-staging"), ("210987654321", "releases/app")],
)
def test_tasks_pull_from_the_repository_of_their_image(account, repository):
    host = f"{account}.dkr.ecr.eu-central-1.amazonaws.com"
    graph = deploy("staging", image={"ref": f"{host}/{repository}@sha256:{'1' * 64}"})
    pulls = [s for _, s in statements(graph) if s.get("Sid") == "PullImage"]
    assert len(pulls) == len(graph.all(TASK))
    assert {pull["Resource"] for pull in pulls} == {
        f"arn:aws:ecr:eu-central-1:{account}:repository/{repository}"
    }


def test_tasks_pull_nothing_from_ecr_when_their_image_is_elsewhere(stack):
    actions = {a for _, s in statements(stack) for a in listed(s["Action"])}
    assert not [action for action in actions if action.startswith("ecr:")]


@pytest.mark.parametrize("type_", HOLDS_DATA)
def test_what_holds_data_is_protected_in_production(production, type_):
    assert production.all(type_)
    unprotected = [r.name for r in production.all(type_) if not r.protect]
    assert [name for name in unprotected if not name.endswith(PASSING)] == []


def test_the_databases_password_is_protected_in_production(production):
    assert production.one(PASSWORD, "stromhaltig-production-database").protect


def test_the_number_of_images_to_keep_can_be_changed_in_production(production):
    policy = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
    # Its text replaces it, and the engine replaces nothing that is protected.
    assert not production.one(policy).protect


def test_the_key_stays_where_a_final_snapshot_does(production, staging):
    assert production.one(KEY).retain_on_delete
    assert not staging.one(KEY).retain_on_delete


def test_logs_are_protected_in_production_but_for_those_of_traffic_and_cache(
    production,
):
    kept = {group.name: group.protect for group in production.all(LOG_GROUP)}
    assert kept["stromhaltig-production"]
    unprotected = {name for name, protect in kept.items() if not protect}
    # An option can be taken out of the file, its logs too.
    assert unprotected == {
        f"stromhaltig-production-{name}"
        for name in ("flow-logs", "firewall", "cache-slow-log", "cache-engine-log")
    }


def test_what_every_release_replaces_is_not_protected(production):
    for type_ in (TASK, SERVICE, "aws:secretsmanager/secretVersion:SecretVersion"):
        assert not any(r.protect for r in production.all(type_))


def test_aws_protects_production_too(production):
    assert production.one(DATABASE)["deletionProtection"] is True
    assert production.one(LOAD_BALANCER)["enableDeletionProtection"] is True
    assert {b["forceDestroy"] for b in production.all(BUCKET)} == {False}
    assert production.one(REPOSITORY)["forceDelete"] is False


def test_staging_can_be_torn_down(staging):
    assert [str(r) for r in staging if r.protect] == []
    assert staging.one(DATABASE)["deletionProtection"] is False
    assert {b["forceDestroy"] for b in staging.all(BUCKET)} == {True}
    assert staging.exports["final_snapshot"] is None


@pytest.mark.sweep
def test_decommissioning_lifts_protection_and_keeps_the_final_snapshot():
    graph = deploy("production", decommission=True)
    database = graph.one(DATABASE)
    assert [str(r) for r in graph if r.protect] == []
    assert database["deletionProtection"] is False
    assert graph.one(LOAD_BALANCER)["enableDeletionProtection"] is False
    assert database["skipFinalSnapshot"] is False
    assert graph.exports["final_snapshot"] == database["finalSnapshotIdentifier"]
    assert graph.exports["protected"] is False


def test_logs_are_encrypted_with_the_stacks_key_and_finite(stack):
    key = stack.one(KEY, stack.one(SERVICE).name).outputs["arn"]
    for log_group in stack.all(LOG_GROUP):
        # CloudFront's firewall logs in us-east-1, where the key is not.
        abroad = stack.exports["distribution"] and log_group.name.endswith("-firewall")
        assert log_group.get("kmsKeyId") == (None if abroad else key), log_group
        assert log_group["retentionInDays"] > 0, log_group


def test_the_stacks_key_encrypts_whatever_it_can(stack):
    key = stack.one(KEY, stack.one(SERVICE).name).outputs["arn"]
    assert stack.one(DATABASE)["kmsKeyId"] == key
    assert stack.one(FILE_SYSTEM)["kmsKeyId"] == key
    assert {t["kmsMasterKeyId"] for t in topics(stack)} == {key}
    assert {secret["kmsKeyId"] for secret in stack.all(SECRET)} == {key}
    (encryption,) = stack.one(REPOSITORY)["encryptionConfigurations"]
    assert encryption["kmsKey"] == key


def test_production_has_the_guides_capacity(production):
    database, task = production.one(DATABASE), app_task(production)
    assert (task["cpu"], task["memory"]) == ("1024", "2048")
    assert production.one(SERVICE)["desiredCount"] == 2
    assert database["allocatedStorage"] == 100
    assert database["multiAz"] is True
    assert database["backupRetentionPeriod"] == 7


@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        ("production", {"stromhaltig.de", "www.stromhaltig.de"}),
        ("staging", {"staging.stromhaltig.de", "*.staging.stromhaltig.de"}),
    ],
)
def test_https_under_every_name(name, hosts):
    graph = deploy(name)
    assert {r["name"] for r in graph.all(RECORD) if r["type"] == "A"} == hosts
    covered = {
        host
        for certificate in graph.all("aws:acm/certificate:Certificate")
        for host in (
            certificate["domainName"],
            *certificate["subjectAlternativeNames"],
        )
    }
    assert covered == hosts
    assert {r["protocol"] for r in graph.all(LISTENER)} == {"HTTP", "HTTPS"}
    assert graph.exports["transport"] == "https"


@pytest.mark.sweep
def test_without_a_domain_staging_is_plain_http_and_says_so():
    graph = deploy("staging", domain=None, reviews=None)
    outputs = graph.exports
    assert outputs["url"] == f"http://{outputs['load_balancer']}"
    assert outputs["transport"] == "http only: the stack has no domain"
    assert graph.all("aws:acm/certificate:Certificate") == graph.all(RECORD) == []
    assert {
        rule["fromPort"]
        for rule in graph.all(INGRESS)
        if rule.get("cidrIpv4") == "0.0.0.0/0"
    } == {80}


def test_a_database_outage_does_not_replace_the_tasks(stack):
    for target in stack.all(TARGET_GROUP):
        assert target["healthCheck"]["path"] == APP.liveness_path
    assert stack.exports["health_url"] == f"{stack.exports['url']}{APP.health_path}"


def test_migration_and_app_run_the_release(stack):
    assert {c["image"] for c in all_containers(stack)} == {IMAGE}
    assert containers(stack)["migrate"]["command"] == list(APP.migrate_command)
    assert stack.exports["release"] == IMAGE


def test_a_release_that_exists_is_not_built(stack):
    assert stack.all(BUILT) == []
    assert "aws:ecr/getAuthorizationToken:getAuthorizationToken" not in dict(
        stack.invokes
    )


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder that an image can be built from."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    return str(folder)


@pytest.fixture
def built(context: str) -> Graph:
    """Staging, with an image that is built."""
    return deploy("staging", image={"context": context})


@pytest.mark.sweep
def test_a_folder_is_built_for_the_processors_of_the_service(built, context):
    assert built.one(BUILT)["context"] == {"location": context}
    assert built.one(BUILT)["platforms"] == ["linux/arm64"]
    service = {"architecture": "x86_64"}
    other = deploy("staging", image={"context": context}, service=service)
    assert other.one(BUILT)["platforms"] == ["linux/amd64"]
    assert app_task(other)["runtimePlatform"]["cpuArchitecture"] == "X86_64"


@pytest.mark.sweep
def test_what_is_built_is_pushed_to_the_stacks_own_repository(built):
    image, repository = built.one(BUILT), built.one(REPOSITORY)
    url = repository.outputs["repositoryUrl"]
    (tag,) = image["tags"]
    assert tag.startswith(f"{url}:{BUILD_TAG_PREFIX}")
    assert image["push"] is True
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository in built.dependencies(image)


@pytest.mark.sweep
def test_the_service_runs_the_digest_that_was_pushed(built):
    digest = built.one(BUILT).outputs["digest"]
    url = built.one(REPOSITORY).outputs["repositoryUrl"]
    assert built.exports["release"] == f"{url}@{digest}"
    assert {c["image"] for c in all_containers(built)} == {f"{url}@{digest}"}


@pytest.mark.sweep
def test_tasks_may_pull_what_was_built(built):
    pulls = [s for _, s in statements(built) if s.get("Sid") == "PullImage"]
    assert len(pulls) == len(built.all(TASK))
    assert {p["Resource"] for p in pulls} == {built.one(REPOSITORY).outputs["arn"]}


@pytest.mark.sweep
def test_the_password_of_the_registry_is_nowhere_in_the_clear(built):
    clear = [
        f"{resource} {path}"
        for resource in built.resources
        for path, text in texts(resource.inputs)
        if fakes.REGISTRY_PASSWORD in text and path not in resource.secrets
    ]
    assert built.one(BUILT).secrets == {"registries.0.password"}
    assert clear == []
    assert fakes.REGISTRY_PASSWORD not in json.dumps(built.exports)


@pytest.mark.sweep
def test_what_is_built_is_known_after_the_preview(context):
    graph = deploy("staging", preview=True, image={"context": context})
    assert graph.exports["release"] == UNKNOWN
    assert graph.one(BUILT)["buildOnPreview"] is False


@pytest.mark.sweep
def test_an_image_beside_a_folder_is_deployed_and_nothing_is_built(context):
    graph = deploy("staging", image={"context": context, "ref": IMAGE})
    assert graph.all(BUILT) == []
    assert graph.exports["release"] == IMAGE
    (message,) = [text for severity, text in graph.messages if severity == "WARNING"]
    assert f'"{context}" is not built' in message
    assert "config rm --path 'stromhaltig:image.ref' --stack staging" in message


def test_the_app_writes_where_the_contract_says(stack):
    app = containers(stack)["app"]
    mounted = {m["containerPath"] for m in app["mountPoints"]}
    # ECS Exec brings an agent, which writes too.
    assert mounted - EXEC_PATHS == set(APP.writable_dirs)
    assert bool(mounted & EXEC_PATHS) is stack.one(SERVICE)["enableExecuteCommand"]
    assert app["user"] == f"{APP.uid}:{APP.gid}"
    assert app["healthCheck"]["command"] == APP.health_command()


def test_tasks_get_time_to_finish_their_requests(stack):
    draining = max(t["deregistrationDelay"] for t in stack.all(TARGET_GROUP))
    assert containers(stack)["app"]["stopTimeout"] >= draining


def test_every_output_is_exported(stack):
    assert stack.exports.keys() == {field.name for field in fields(AwsOutputs)}


def test_no_output_holds_a_secret(stack):
    text = json.dumps(stack.exports)
    confidential = {*OPERATORS.values(), *generated(stack), WEBHOOK}
    assert not [value for value in confidential if value in text]


@pytest.mark.parametrize("name", [field.name for field in fields(AwsOutputs)])
def test_every_output_is_documented(name):
    text = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    assert f"| `{name}` |" in text


def test_outputs_name_what_was_made(stack):
    outputs = stack.exports
    assert outputs["cluster"] == outputs["service"] == stack.one(SERVICE)["name"]
    assert outputs["task_definition"] == app_task(stack).outputs["arn"]
    assert outputs["log_group"] == f"/ecs/{outputs['cluster']}"
    assert outputs["database"] == stack.one(DATABASE)["identifier"]
    assert set(outputs["secrets"].values()) == {s["name"] for s in stack.all(SECRET)}
    assert set(outputs["task_subnets"]) == subnets(stack, "private")
    assert outputs["task_security_group"] == group(stack, "service")
    buckets = {b.name: b.outputs["bucket"] for b in stack.all(BUCKET)}
    assert outputs["access_logs"] == buckets[f"{outputs['cluster']}-logs"]
    assert outputs["backups"] == buckets[f"{outputs['cluster']}-backups"]


def test_access_to_every_bucket_but_that_of_the_logs_is_logged_in_it(stack):
    logs = stack.exports["access_logs"]
    logged = {log["bucket"]: log["targetBucket"] for log in stack.all(LOGGING)}
    names = {bucket.outputs["bucket"] for bucket in stack.all(BUCKET)}
    assert logged == dict.fromkeys(names - {logs}, logs)


def delivering(graph: Graph) -> set[str]:
    """Services that the policy of the log bucket lets in."""
    name = f"{graph.one(SERVICE).name}-logs"
    policy = graph.policy("aws:s3/bucketPolicy:BucketPolicy", name)
    allowing = [s for s in policy["Statement"] if s["Effect"] == "Allow"]
    return {statement["Principal"]["Service"] for statement in allowing}


@pytest.mark.sweep
def test_logs_are_taken_from_what_the_stack_has(production):
    balancer = "logdelivery.elasticloadbalancing.amazonaws.com"
    backups, cdn = "logging.s3.amazonaws.com", "delivery.logs.amazonaws.com"
    assert delivering(production) == {balancer, backups}
    assert delivering(everything()) == {balancer, backups, cdn}
    assert delivering(deploy("production", jobs=None)) == {balancer}


def test_a_stack_without_an_image_is_refused():
    settings = _settings("production")
    without = settings.model_copy(
        update={"image": settings.image.model_copy(update={"ref": None})}
    )
    with pytest.raises(ValueError, match="either ref or build"):
        Graph().build(lambda: stacks.deploy(without, APP))


def test_settings_of_another_platform_are_refused_by_name():
    with pytest.raises(TypeError, match="Settings has no stack"):
        stacks.deploy(Settings.model_validate({"pulumi:stack": "x"}), APP)


def _settings(stack: str) -> AwsSettings:
    """Settings of no file: the defaults, an image and a region."""
    return AwsSettings.model_validate(
        {
            "pulumi:stack": stack,
            "aws:region": "eu-central-1",
            "stromhaltig:image": {"ref": IMAGE},
        }
    )


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_is_named_has_its_components(name):
    graph, option = everything(), OPTIONS[name]
    assert option.components <= components(graph)
    for prefix in option.types:
        assert [r for r in graph.resources if r.type.startswith(prefix)], prefix


@pytest.mark.sweep
@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_is_removed_leaves_nothing(name):
    option = OPTIONS[name]
    graph = everything(**{name: None, **option.with_it})
    assert option.components & components(graph) == set()
    left = [str(r) for r in graph.resources if r.type.startswith(option.types)]
    assert left == []
    if name != "cdn":  # Without it the load balancer is open, by rules of its own.
        with_it = everything(**option.with_it)
        assert {r.urn for r in graph} < {r.urn for r in with_it}


@pytest.mark.sweep
def test_without_a_cache_nothing_speaks_of_one():
    graph = everything(cache=None)
    assert [r.name for r in graph.all(SECRET) if "redis" in r.name] == []
    assert [g.name for g in graph.all(SECURITY_GROUP) if "cache" in g.name] == []
    assert "REDIS_URL" not in graph.exports["secrets"]


def test_a_preview_of_everything_registers_what_an_update_does():
    assert {r.urn for r in everything(preview=True)} == {r.urn for r in everything()}


@pytest.mark.sweep
def test_copies_of_backups_may_go_where_the_global_things_are():
    graph = everything(backups={"copy_region": "us-east-1"})
    assert [r.name for r in graph.all(PROVIDER)] == ["stromhaltig-production-us-east-1"]
    assert len(graph.all(VAULT)) == 2


def test_every_alarm_tells_somebody_and_says_what_it_means(stack):
    topics = {topic.outputs["arn"] for topic in stack.all("aws:sns/topic:Topic")}
    alarms = stack.all("aws:cloudwatch/metricAlarm:MetricAlarm")
    assert len(alarms) >= 12
    for alarm in alarms:
        assert alarm.get("alarmDescription"), alarm
        assert alarm["alarmActions"], alarm
        assert set(alarm["alarmActions"]) <= topics, alarm


def test_no_two_alarms_have_the_same_name(stack):
    names = [a.name for a in stack.all("aws:cloudwatch/metricAlarm:MetricAlarm")]
    assert len(set(names)) == len(names)


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("strategy", "heeded"), [("rolling", False), ("canary", True), ("linear", True)]
)
def test_alarms_turn_a_deployment_back_while_it_moves_traffic(strategy, heeded):
    alarms = everything(deployment={"strategy": strategy}).one(SERVICE)["alarms"]
    assert len(alarms["alarmNames"]) == 4
    assert (alarms["enable"], alarms["rollback"]) == (heeded, heeded)


def test_no_policy_of_a_resource_lets_everybody_in(stack):
    asked = 0
    for resource, _, document in stack.policies():
        if not resource.type.endswith(("TopicPolicy", "QueuePolicy", "BucketPolicy")):
            continue
        asked += 1
        for statement in document["Statement"]:
            if statement["Effect"] == "Allow":
                assert "*" not in texts_of(statement["Principal"]), resource
    assert asked >= 3


def texts_of(value: Any) -> set[str]:
    return {text for _, text in texts(value)}


def test_every_job_has_an_image_of_the_service_and_its_own_roles(stack):
    jobs = [task for task in stack.all(TASK) if task is not app_task(stack)]
    assert {task.name.rpartition("-")[2] for task in jobs} == {
        job.name for job in APP.jobs
    }
    for key in ("taskRoleArn", "executionRoleArn"):
        assert len({task[key] for task in stack.all(TASK)}) == len(jobs) + 1


@pytest.mark.parametrize(
    ("job", "allowed"),
    [
        (
            "archive",
            {
                *("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"),
                *("kms:Decrypt", "kms:GenerateDataKey"),
                "elasticfilesystem:ClientMount",
            },
        ),
        (
            "unpack",
            {
                *("s3:GetObject", "kms:Decrypt"),
                *("elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"),
            },
        ),
    ],
)
def test_one_job_archives_uploads_and_changes_none_and_another_the_reverse(
    production, job, allowed
):
    task = production.one(TASK, f"stromhaltig-production-{job}")
    role = role_name(task, "taskRoleArn")
    mine = [s for policy, s in statements(production) if policy["role"] == role]
    assert {action for s in mine for action in listed(s["Action"])} == allowed
    (bucket,) = [s for s in mine if "s3:GetObject" in listed(s["Action"])]
    arn = production.one(BUCKET, "stromhaltig-production-backups").outputs["arn"]
    assert bucket["Resource"] == f"{arn}/uploads/*"


def test_the_job_that_restores_is_started_by_operators_only(production):
    task = production.one(TASK, "stromhaltig-production-unpack")
    assert production.exports["jobs"]["unpack"] == task.outputs["arn"]
    assert "unpack" not in production.exports["schedules"]
    assert "unpack" not in "".join(
        json.dumps(schedule["target"])
        for schedule in production.all("aws:scheduler/schedule:Schedule")
    )


@pytest.mark.sweep
def test_without_uploads_there_is_nothing_to_restore_into():
    graph = deploy("staging", uploads=None, jobs={})
    assert not [task for task in graph.all(TASK) if task.name.endswith("-unpack")]


def test_behind_the_cdn_the_load_balancer_admits_cloudfront_only():
    graph = everything()
    balancer = group(graph, "load-balancer")
    rules = [r for r in graph.all(INGRESS) if r["securityGroupId"] == balancer]
    assert rules
    assert {bool(r.get("prefixListId")) for r in rules} == {True}
    assert not [r for r in rules if r.get("cidrIpv4") or r.get("cidrIpv6")]
    for rule in graph.all(LISTENER_RULE):
        ((condition),) = rule["conditions"]
        header = condition["httpHeader"]
        assert header["httpHeaderName"] == ORIGIN_HEADER
        assert set(header["values"]) <= generated(graph)
    for listener in graph.all(LISTENER):
        (action,) = listener["defaultActions"]
        assert action["type"] in ("redirect", "fixed-response"), listener


def test_behind_the_cdn_the_names_lead_to_cloudfront():
    graph = everything()
    distribution = graph.one("aws:cloudfront/distribution:Distribution")
    names = {
        (record["name"], record["type"]): record["aliases"][0]["name"]
        for record in graph.all(RECORD)
        if record.get("aliases")
    }
    assert names.keys() == {
        (host, type_)
        for host in ("stromhaltig.de", "www.stromhaltig.de")
        for type_ in ("A", "AAAA")
    }
    assert set(names.values()) == {distribution.outputs["domainName"]}


@pytest.mark.sweep
def test_a_canary_has_a_second_target_group_that_ecs_moves_traffic_to():
    graph = everything()
    groups = {target.outputs["arn"] for target in graph.all(TARGET_GROUP)}
    assert len(groups) == 2
    rules = graph.all(LISTENER_RULE)
    assert len(rules) == 2
    for rule in rules:
        assert "actions" in rule.ignore_changes, rule
        (action,) = rule["actions"]
        assert {t["arn"] for t in action["forward"]["targetGroups"]} == groups
    assert everything(deployment=None).one(TARGET_GROUP)


def test_the_count_of_tasks_is_left_to_what_scales_them(production, staging):
    assert "desiredCount" in production.one(SERVICE).ignore_changes
    assert "desiredCount" not in staging.one(SERVICE).ignore_changes


def test_header_webhook_and_token_are_in_no_plain_input():
    graph = everything()
    confidential = {
        WEBHOOK,
        graph.one(PASSWORD, ORIGIN_PASSWORD).outputs["result"],
        graph.one(PASSWORD, "stromhaltig-production-cache").outputs["result"],
    }
    found: set[str] = set()
    for resource in graph:
        for path, text in texts(resource.inputs):
            hits = {value for value in confidential if value in text}
            found |= hits
            assert not hits or any(
                path == secret or path.startswith(f"{secret}.")
                for secret in resource.secrets
            ), f"{resource} {path}"
    assert found == confidential


@pytest.mark.sweep
def test_the_number_of_resources_grows_by_as_much_for_each_address():
    sizes = [
        len(
            everything(
                monitoring={
                    "emails": [f"ops{n}@stromhaltig.example" for n in range(count)],
                    "slack": True,
                }
            ).resources
        )
        for count in (1, 2, 3)
    ]
    # One subscription in the stack's region, one in us-east-1.
    assert [after - before for before, after in pairwise(sizes)] == [2, 2]


@pytest.mark.sweep
def test_everything_is_described_in_seconds():
    begin = time.process_time()
    deploy_again("production", **EVERYTHING)
    assert time.process_time() - begin < 6


ROTATED_DATABASE = {
    "rotations": {"DATABASE_URL": 1, "REDIS_URL": 1},
    "secrets": {**OPERATORS, "DATABASE_LOGIN": "stromhaltig_a:the-new-password"},
}


def secret_values(graph: Graph) -> dict[str, Any]:
    """Variable to what Secrets Manager holds for it."""
    names = {s.outputs["arn"]: s["name"].rpartition("/")[2] for s in graph.all(SECRET)}
    versions = graph.all("aws:secretsmanager/secretVersion:SecretVersion")
    return {names[v["secretId"]]: v["secretString"] for v in versions}


def app_variables(graph: Graph) -> set[str]:
    """Secret variables that the app's containers get."""
    definitions = json.loads(app_task(graph)["containerDefinitions"])
    return {s["name"] for c in definitions for s in c.get("secrets", ())}


@pytest.mark.sweep
def test_a_rotation_adds_and_replaces_nothing_but_what_it_rotates():
    before, after = deploy("staging"), deploy("staging", **ROTATED)
    names = [{(r.type, r.name) for r in graph} for graph in (before, after)]
    name = "stromhaltig-staging"

    assert names[0] - names[1] == {
        (PASSWORD, f"{name}-jwt-secret"),
        (PASSWORD, f"{name}-health-check-token"),
    }
    assert names[1] - names[0] == {
        (PASSWORD, f"{name}-jwt-secret-1"),
        (PASSWORD, f"{name}-jwt-secret-2"),
        (PASSWORD, f"{name}-health-check-token-1"),
        *(
            (type_, f"{name}-jwt-secret-previous")
            for type_ in (
                SECRET,
                "aws:secretsmanager/secretPolicy:SecretPolicy",
                "aws:secretsmanager/secretVersion:SecretVersion",
            )
        ),
    }


@pytest.mark.sweep
def test_the_app_gets_both_keys_while_both_are_valid():
    graph = deploy("staging", **ROTATED)
    values = secret_values(graph)

    assert {"JWT_SECRET", "JWT_SECRET_PREVIOUS"} <= app_variables(graph)
    assert values["JWT_SECRET"] != values["JWT_SECRET_PREVIOUS"]
    # Its name is free to come back with the next rotation.
    previous = graph.one(SECRET, "stromhaltig-staging-jwt-secret-previous")
    assert previous["recoveryWindowInDays"] == 0
    assert graph.exports["rotations"] == ROTATED["rotations"]


@pytest.mark.sweep
def test_a_rotated_login_is_the_apps_and_the_owners_is_kept_beside():
    graph = deploy("production", **ROTATED_DATABASE)
    values = secret_values(graph)
    password = graph.one(DATABASE)["password"]

    assert "//stromhaltig_a:the-new-password@" in values["DATABASE_URL"]
    assert f"//stromhaltig:{password}@" in values["DATABASE_ADMIN_URL"]
    assert "DATABASE_ADMIN_URL" not in app_variables(graph)
    assert graph.exports["database_user"] == "stromhaltig_a"
    assert deploy("production").exports["database_user"] == "stromhaltig"


@pytest.mark.sweep
def test_what_is_rotated_is_replaced_although_production_protects_it():
    graph = deploy("production", **ROTATED_DATABASE)

    for name in ("stromhaltig-production-database", "stromhaltig-production-cache"):
        password = graph.one(PASSWORD, name)
        assert password["keepers"] == {"generation": "1"}
        assert not password.protect
    # Nothing else notices.
    assert graph.one(DATABASE).protect
