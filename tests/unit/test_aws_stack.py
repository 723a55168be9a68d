"""Both committed stack files, deployed: questions to the whole graph."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

import stacks
from components.registry import BUILD_TAG_PREFIX
from contract import APP, VARIABLES, Kind
from settings import AwsSettings, Settings
from stacks.aws import AwsOutputs
from tests import fakes
from tests.graph import UNKNOWN, Graph, Recorded

ROOT = Path(__file__).parents[2]
STACKS = ("production", "staging")
IMAGE = f"ghcr.io/stromdao/stromhaltig@sha256:{'1' * 64}"
ZONE = "Z0123456789ABCDEFGHIJ"
ALERTED = {"emails": ["ops@stromhaltig.example"]}
OPERATORS = {
    variable.name: f"https://operators-{variable.name.lower()}@sentry.example/1"
    for variable in VARIABLES
    if variable.kind is Kind.OPERATOR
}

BUILT = "docker-build:index:Image"
BUCKET = "aws:s3/bucket:Bucket"
DATABASE = "aws:rds/instance:Instance"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
KEY = "aws:kms/key:Key"
LISTENER = "aws:lb/listener:Listener"
LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
PASSWORD = "random:index/randomPassword:RandomPassword"
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

HOLDS_DATA = (BUCKET, DATABASE, KEY, REPOSITORY, SECRET)

# Calls that name no resource; every other statement of a role names its own.
UNBOUND = {
    "ecr:GetAuthorizationToken",
    "logs:DescribeLogGroups",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}


def deploy(stack: str, *, preview: bool = False, **changes: Any) -> Graph:
    """Graph of a committed stack file with what only its operator knows.

    changes: top-level keys to replace; None removes one.
    """
    return _deploy(stack, preview, json.dumps(changes))


@cache
def _deploy(stack: str, preview: bool, changes: str) -> Graph:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    domain = config["stromhaltig:domain"]
    config |= {
        "stromhaltig:domain": {**domain, "zone_id": ZONE},
        "stromhaltig:image": {"ref": IMAGE},
        "stromhaltig:monitoring": {**config["stromhaltig:monitoring"], **ALERTED},
        "stromhaltig:secrets": OPERATORS,
    }
    config |= {f"stromhaltig:{k}": v for k, v in json.loads(changes).items()}
    graph = Graph()
    graph.build(
        _program,
        preview=preview,
        stack=stack,
        config={
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in config.items()
            if value is not None
        },
        secret_config=["stromhaltig:secrets"],
    )
    return graph


def _program() -> None:
    runpy.run_path(str(ROOT / "__main__.py"))


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> Graph:
    return deploy(request.param)


@pytest.fixture
def production() -> Graph:
    return deploy("production")


@pytest.fixture
def staging() -> Graph:
    return deploy("staging")


def containers(graph: Graph) -> dict[str, Any]:
    definitions = json.loads(graph.one(TASK)["containerDefinitions"])
    return {definition["name"]: definition for definition in definitions}


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
    owners = {r.name: stack.parent(r) for r in stack.resources}
    assert [name for name, owner in owners.items() if owner is None] == []


def test_the_program_has_nothing_to_complain_about(stack):
    assert stack.messages == []


def test_both_stacks_are_made_of_the_same_components(production, staging):
    def components(graph: Graph) -> set[str]:
        return {r.type for r in graph if not r.custom}

    assert components(production) == components(staging)


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


def test_an_unchanged_program_makes_no_new_revision():
    first, second = (_deploy.__wrapped__("production", False, "{}") for _ in "12")
    assert (
        first.one(TASK)["containerDefinitions"]
        == second.one(TASK)["containerDefinitions"]
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
    assert world == {(balancer, 80, 80), (balancer, 443, 443)}


def test_the_database_answers_to_the_tasks_only(stack):
    database = group(stack, "database")
    (rule,) = [r for r in stack.all(INGRESS) if r["securityGroupId"] == database]
    assert rule["referencedSecurityGroupId"] == group(stack, "service")
    assert rule["fromPort"] == rule["toPort"] == 5432
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
        assert {r.urn for r in stack.all(type_)} <= needs


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
    readers: dict[str, set[str]] = {}
    for policy, statement in statements(stack):
        if "secretsmanager:GetSecretValue" in listed(statement["Action"]):
            for arn in listed(statement["Resource"]):
                readers.setdefault(arn, set()).add(policy["role"])
    execution = stack.one(TASK)["executionRoleArn"].rpartition("/")[2]

    for container in containers(stack).values():
        named = {
            entry["name"]: ":".join(entry["valueFrom"].split(":")[:7])
            for entry in container["secrets"]
        }
        for variable, arn in named.items():
            assert existing[arn]["name"].endswith(f"/{variable}")
            assert readers[arn] == {execution}
        assert readers.keys() == set(named.values())


def test_the_webhook_for_alarms_is_a_secret_that_no_task_gets():
    webhook = "https://hooks.slack.com/services/T0/B0/token"
    stack = deploy(
        "production",
        monitoring={**ALERTED, "slack": True},
        secrets={**OPERATORS, "SLACK_WEBHOOK_URL": webhook},
    )
    (notifier,) = stack.all("aws:lambda/function:Function")
    (secret,) = [s for s in stack.all(SECRET) if "SLACK_WEBHOOK_URL" in s.id]
    assert secret.id in json.dumps(notifier.inputs["environment"])
    assert all("SLACK" not in task["containerDefinitions"] for task in stack.all(TASK))


def test_every_secret_of_a_task_is_pinned_to_the_version_that_was_written(stack):
    written = {
        f"{version['secretId']}:::{version.outputs['versionId']}"
        for version in stack.all("aws:secretsmanager/secretVersion:SecretVersion")
    }
    for container in containers(stack).values():
        assert {entry["valueFrom"] for entry in container["secrets"]} <= written


def test_the_app_gets_every_variable_that_it_needs(production):
    for container in containers(production).values():
        given = {e["name"] for e in container["environment"] + container["secrets"]}
        needed = {variable.name for variable in VARIABLES if not variable.optional}
        assert needed <= given


def test_no_secret_stands_in_an_environment(stack):
    confidential = {*OPERATORS.values(), *generated(stack)}
    names = {variable.name for variable in VARIABLES if variable.secret}
    for container in containers(stack).values():
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
        assert statement["Condition"]["StringEquals"] == {
            "aws:SourceAccount": "123456789012"
        }, role


def test_the_app_has_no_rights_in_the_account(stack):
    task_role = stack.one(TASK)["taskRoleArn"].rpartition("/")[2]
    assert task_role not in {policy["role"] for policy, _ in statements(stack)}


@pytest.mark.parametrize(
    ("account", "repository"),
    [("123456789012", "stromhaltig-staging"), ("210987654321", "releases/app")],
)
def test_tasks_pull_from_the_repository_of_their_image(account, repository):
    host = f"{account}.dkr.ecr.eu-central-1.amazonaws.com"
    graph = deploy("staging", image={"ref": f"{host}/{repository}@sha256:{'1' * 64}"})
    (pull,) = [s for _, s in statements(graph) if s.get("Sid") == "PullImage"]
    assert pull["Resource"] == (
        f"arn:aws:ecr:eu-central-1:{account}:repository/{repository}"
    )


def test_tasks_pull_nothing_from_ecr_when_their_image_is_elsewhere(stack):
    actions = {a for _, s in statements(stack) for a in listed(s["Action"])}
    assert not [action for action in actions if action.startswith("ecr:")]


@pytest.mark.parametrize("type_", HOLDS_DATA)
def test_what_holds_data_is_protected_in_production(production, type_):
    assert production.all(type_)
    assert [str(r) for r in production.all(type_) if not r.protect] == []


def test_the_databases_password_is_protected_in_production(production):
    assert production.one(PASSWORD, "stromhaltig-production-database").protect


def test_the_number_of_images_to_keep_can_be_changed_in_production(production):
    policy = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
    # Its text replaces it, and the engine replaces nothing that is protected.
    assert not production.one(policy).protect


def test_the_key_stays_where_a_final_snapshot_does(production, staging):
    assert production.one(KEY).retain_on_delete
    assert not staging.one(KEY).retain_on_delete


def test_logs_are_protected_in_production_but_for_traffic_records(production):
    groups = {group.name: group.protect for group in production.all(LOG_GROUP)}
    assert [name for name, kept in groups.items() if not kept] == [
        "stromhaltig-production-flow-logs"
    ]


def test_what_every_release_replaces_is_not_protected(production):
    for type_ in (TASK, SERVICE, "aws:secretsmanager/secretVersion:SecretVersion"):
        assert not any(r.protect for r in production.all(type_))


def test_aws_protects_production_too(production):
    assert production.one(DATABASE)["deletionProtection"] is True
    assert production.one(LOAD_BALANCER)["enableDeletionProtection"] is True
    assert production.one(BUCKET)["forceDestroy"] is False
    assert production.one(REPOSITORY)["forceDelete"] is False


def test_staging_can_be_torn_down(staging):
    assert [str(r) for r in staging if r.protect] == []
    assert staging.one(DATABASE)["deletionProtection"] is False
    assert staging.one(BUCKET)["forceDestroy"] is True
    assert staging.exports["final_snapshot"] is None


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
    key = stack.one(KEY).outputs["arn"]
    for log_group in stack.all(LOG_GROUP):
        assert log_group["kmsKeyId"] == key, log_group
        assert log_group["retentionInDays"] > 0, log_group


def test_the_stacks_key_encrypts_whatever_it_can(stack):
    key = stack.one(KEY).outputs["arn"]
    assert stack.one(DATABASE)["kmsKeyId"] == key
    assert {secret["kmsKeyId"] for secret in stack.all(SECRET)} == {key}
    (encryption,) = stack.one(REPOSITORY)["encryptionConfigurations"]
    assert encryption["kmsKey"] == key


def test_production_has_the_guides_capacity(production):
    database, task = production.one(DATABASE), production.one(TASK)
    assert (task["cpu"], task["memory"]) == ("1024", "2048")
    assert production.one(SERVICE)["desiredCount"] == 2
    assert database["allocatedStorage"] == 100
    assert database["multiAz"] is True
    assert database["backupRetentionPeriod"] == 7


@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        ("production", {"stromhaltig.de", "www.stromhaltig.de"}),
        ("staging", {"staging.stromhaltig.de"}),
    ],
)
def test_https_under_every_name(name, hosts):
    graph = deploy(name)
    assert {r["name"] for r in graph.all(RECORD) if r["type"] == "A"} == hosts
    certificate = graph.one("aws:acm/certificate:Certificate")
    covered = {certificate["domainName"], *certificate["subjectAlternativeNames"]}
    assert covered == hosts
    assert {r["protocol"] for r in graph.all(LISTENER)} == {"HTTP", "HTTPS"}
    assert graph.exports["transport"] == "https"


def test_without_a_domain_staging_is_plain_http_and_says_so():
    graph = deploy("staging", domain=None)
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
    assert stack.one(TARGET_GROUP)["healthCheck"]["path"] == APP.liveness_path
    assert stack.exports["health_url"] == f"{stack.exports['url']}{APP.health_path}"


def test_migration_and_app_run_the_release(stack):
    assert {c["image"] for c in containers(stack).values()} == {IMAGE}
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


def test_a_folder_is_built_for_the_processors_of_the_service(built, context):
    assert built.one(BUILT)["context"] == {"location": context}
    assert built.one(BUILT)["platforms"] == ["linux/arm64"]
    service = {"architecture": "x86_64"}
    other = deploy("staging", image={"context": context}, service=service)
    assert other.one(BUILT)["platforms"] == ["linux/amd64"]
    assert other.one(TASK)["runtimePlatform"]["cpuArchitecture"] == "X86_64"


def test_what_is_built_is_pushed_to_the_stacks_own_repository(built):
    image, repository = built.one(BUILT), built.one(REPOSITORY)
    url = repository.outputs["repositoryUrl"]
    (tag,) = image["tags"]
    assert tag.startswith(f"{url}:{BUILD_TAG_PREFIX}")
    assert image["push"] is True
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository in built.dependencies(image)


def test_the_service_runs_the_digest_that_was_pushed(built):
    digest = built.one(BUILT).outputs["digest"]
    url = built.one(REPOSITORY).outputs["repositoryUrl"]
    assert built.exports["release"] == f"{url}@{digest}"
    assert {c["image"] for c in containers(built).values()} == {f"{url}@{digest}"}


def test_tasks_may_pull_what_was_built(built):
    (pull,) = [s for _, s in statements(built) if s.get("Sid") == "PullImage"]
    assert pull["Resource"] == built.one(REPOSITORY).outputs["arn"]


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


def test_what_is_built_is_known_after_the_preview(context):
    graph = deploy("staging", preview=True, image={"context": context})
    assert graph.exports["release"] == UNKNOWN
    assert graph.one(BUILT)["buildOnPreview"] is False


def test_the_app_writes_where_the_contract_says(stack):
    app = containers(stack)["app"]
    assert {m["containerPath"] for m in app["mountPoints"]} == set(APP.writable_dirs)
    assert app["user"] == f"{APP.uid}:{APP.gid}"
    assert app["healthCheck"]["command"] == APP.health_command()


def test_tasks_get_time_to_finish_their_requests(stack):
    draining = stack.one(TARGET_GROUP)["deregistrationDelay"]
    assert containers(stack)["app"]["stopTimeout"] >= draining


def test_every_output_is_exported(stack):
    assert stack.exports.keys() == {field.name for field in fields(AwsOutputs)}


def test_no_output_holds_a_secret(stack):
    text = json.dumps(stack.exports)
    confidential = {*OPERATORS.values(), *generated(stack)}
    assert not [value for value in confidential if value in text]


@pytest.mark.parametrize("name", [field.name for field in fields(AwsOutputs)])
def test_every_output_is_documented(name):
    text = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    assert f"| `{name}` |" in text


def test_outputs_name_what_was_made(stack):
    outputs = stack.exports
    assert outputs["cluster"] == outputs["service"] == stack.one(SERVICE)["name"]
    assert outputs["task_definition"] == stack.one(TASK).outputs["arn"]
    assert outputs["log_group"] == f"/ecs/{outputs['cluster']}"
    assert outputs["database"] == stack.one(DATABASE)["identifier"]
    assert set(outputs["secrets"].values()) == {s["name"] for s in stack.all(SECRET)}
    assert set(outputs["task_subnets"]) == subnets(stack, "private")
    assert outputs["task_security_group"] == group(stack, "service")
    assert outputs["access_logs"] == stack.one(BUCKET).outputs["bucket"]


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
