from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components.container_definitions import HealthCheck
from components.service import Service, ServiceArgs
from components.task_definition import repository_arn
from tests.graph import UNKNOWN, Graph

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234"
REPOSITORY = f"arn:aws:ecr:eu-central-1:{ACCOUNT}:repository/app"
SECRET = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:app/"
LOGS = f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/ecs/app"
VERSION = "1234abcd-0000-4000-8000-000000000000"

CLUSTER = "aws:ecs/cluster:Cluster"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
SERVICE = "aws:ecs/service:Service"
TASK = "aws:ecs/taskDefinition:TaskDefinition"


def args(**changes: Any) -> ServiceArgs:
    return ServiceArgs(
        **{
            "image": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:1",
            "repository_arn": REPOSITORY,
            "port": 3001,
            "environment": {"NODE_ENV": "production"},
            "secrets": {
                "JWT_SECRET": f"{SECRET}JWT_SECRET-AbCdEf:::{VERSION}",
                "DATABASE_URL": f"{SECRET}DATABASE_URL-GhIjKl:::{VERSION}",
            },
            "health_check": HealthCheck(command=["CMD", "node", "-e", "0"]),
            "migrate_command": ["npm", "run", "migrate"],
            "writable_paths": ["/app/uploads", "/app/logs", "/scratch"],
            "cpu": 1024,
            "memory": 2048,
            "desired_count": 2,
            "subnet_ids": ["subnet-1", "subnet-2"],
            "security_group_ids": ["sg-1"],
            "target_group_arn": "arn:aws:elasticloadbalancing:::targetgroup/app/1",
            "kms_key_arn": KEY,
        }
        | changes
    )


def build(graph: Graph, **changes: Any) -> Any:
    return graph.build(lambda: Service("app", args(**changes)))


def containers(graph: Graph) -> dict[str, Any]:
    definitions = json.loads(graph.one(TASK)["containerDefinitions"])
    return {definition["name"]: definition for definition in definitions}


def statements(graph: Graph, name: str) -> dict[str, Any]:
    found = graph.policy(ROLE_POLICY, name)["Statement"]
    return {statement["Sid"]: statement for statement in found}


def test_task_has_the_size_and_processor_that_were_asked_for(graph):
    build(graph, architecture="X86_64")
    task = graph.one(TASK)
    assert (task["cpu"], task["memory"]) == ("1024", "2048")
    assert task["requiresCompatibilities"] == ["FARGATE"]
    assert task["networkMode"] == "awsvpc"
    assert task["runtimePlatform"] == {
        "operatingSystemFamily": "LINUX",
        "cpuArchitecture": "X86_64",
    }


def test_arm_is_the_default(graph):
    build(graph)
    assert graph.one(TASK)["runtimePlatform"]["cpuArchitecture"] == "ARM64"


def test_the_app_starts_when_the_migration_has_succeeded(graph):
    build(graph)
    app, migrate = containers(graph)["app"], containers(graph)["migrate"]
    assert app["dependsOn"] == [{"containerName": "migrate", "condition": "SUCCESS"}]
    assert (app["essential"], migrate["essential"]) == (True, False)
    assert migrate["command"] == ["npm", "run", "migrate"]
    assert "command" not in app


def test_the_migration_runs_from_the_same_image_with_the_same_variables(graph):
    build(graph)
    app, migrate = containers(graph)["app"], containers(graph)["migrate"]
    for key in ("image", "environment", "secrets", "user", "mountPoints"):
        assert app[key] == migrate[key]
    assert migrate["portMappings"] == []
    assert "healthCheck" not in migrate


def test_without_a_migration_there_is_one_container(graph):
    build(graph, migrate_command=[])
    assert containers(graph).keys() == {"app"}
    assert containers(graph)["app"]["dependsOn"] == []


def test_containers_are_not_root_and_write_to_volumes_only(graph):
    build(graph, uid=1500, gid=1600)
    assert {v["name"] for v in graph.one(TASK)["volumes"]} == {
        "app-uploads",
        "app-logs",
        "scratch",
    }
    for container in containers(graph).values():
        assert container["user"] == "1500:1600"
        assert container["readonlyRootFilesystem"] is True
        assert {
            m["sourceVolume"]: m["containerPath"] for m in container["mountPoints"]
        } == {
            "app-uploads": "/app/uploads",
            "app-logs": "/app/logs",
            "scratch": "/scratch",
        }


def test_secrets_are_pinned_to_a_version(graph):
    build(graph)
    references = [s["valueFrom"] for s in containers(graph)["app"]["secrets"]]
    assert all(reference.endswith(f":::{VERSION}") for reference in references)


def test_the_definition_can_be_compared_in_a_diff(graph):
    build(graph)
    assert graph.one(TASK).secrets == set()


def test_an_unchanged_program_makes_no_new_revision(graph):
    build(graph)
    first = graph.one(TASK)["containerDefinitions"]
    given = args()
    build(
        graph,
        environment=dict(reversed(given.environment.items())),
        secrets=dict(reversed(given.secrets.items())),
        writable_paths=list(reversed(given.writable_paths)),
    )
    assert graph.one(TASK)["containerDefinitions"] == first


def test_the_former_revision_stays_for_a_rollback(graph):
    build(graph)
    assert graph.one(TASK)["skipDestroy"] is True


def test_the_app_stops_within_its_time(graph):
    build(graph, stop_timeout=90)
    assert containers(graph)["app"]["stopTimeout"] == 90


def test_the_execution_role_reads_the_named_secrets_and_no_other(graph):
    build(graph)
    read = statements(graph, "app-execution")["ReadSecrets"]
    assert read["Action"] == "secretsmanager:GetSecretValue"
    assert read["Resource"] == [
        f"{SECRET}DATABASE_URL-GhIjKl",
        f"{SECRET}JWT_SECRET-AbCdEf",
    ]


def test_the_key_decrypts_by_way_of_secrets_manager_only(graph):
    build(graph)
    decrypt = statements(graph, "app-execution")["DecryptSecrets"]
    assert decrypt["Action"] == "kms:Decrypt"
    assert decrypt["Resource"] == KEY
    assert decrypt["Condition"] == {
        "StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}
    }


def test_without_secrets_there_is_nothing_to_decrypt(graph):
    build(graph, secrets={})
    assert statements(graph, "app-execution").keys() == {
        "WriteLogs",
        "PullImage",
        "LogInToRegistry",
    }


def test_the_execution_role_pulls_from_one_repository(graph):
    build(graph)
    found = statements(graph, "app-execution")
    assert found["PullImage"]["Resource"] == REPOSITORY
    assert found["LogInToRegistry"]["Action"] == "ecr:GetAuthorizationToken"
    assert found["LogInToRegistry"]["Resource"] == "*"


def test_a_public_image_needs_no_registry(graph):
    build(graph, repository_arn=None)
    found = statements(graph, "app-execution")
    assert found.keys() == {"WriteLogs", "ReadSecrets", "DecryptSecrets"}


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        (f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:1", REPOSITORY),
        (f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/app:v1@sha256:1", REPOSITORY),
        (
            "210987654321.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1",
            "arn:aws:ecr:eu-west-1:210987654321:repository/team/app",
        ),
        ("ghcr.io/stromdao/stromhaltig@sha256:1", None),
        ("public.ecr.aws/stromdao/stromhaltig@sha256:1", None),
        (f"ghcr.io/{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:1", None),
    ],
)
def test_an_image_tells_its_repository(image, repository):
    assert repository_arn(image) == repository


def test_the_execution_role_writes_to_one_log_group(graph):
    build(graph)
    write = statements(graph, "app-execution")["WriteLogs"]
    assert write["Resource"] == f"{LOGS}:*"
    assert write["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]


def test_the_app_itself_may_do_nothing(graph):
    build(graph)
    assert [policy.name for policy in graph.all(ROLE_POLICY)] == ["app-execution"]
    task = graph.one(TASK)
    assert task["taskRoleArn"] == graph.one(ROLE, "app-task").outputs["arn"]
    assert task["executionRoleArn"] == graph.one(ROLE, "app-execution").outputs["arn"]


@pytest.mark.parametrize("role", ["app-execution", "app-task"])
def test_roles_are_for_tasks_of_the_account(graph, role):
    build(graph)
    (statement,) = graph.policy(ROLE, role, "assumeRolePolicy")["Statement"]
    assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_a_release_replaces_tasks_without_a_gap_and_is_undone_when_bad(graph):
    build(graph)
    service = graph.one(SERVICE)
    assert service["deploymentMinimumHealthyPercent"] == 100
    assert service["deploymentMaximumPercent"] == 200
    assert service["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert service["waitForSteadyState"] is True
    assert service["availabilityZoneRebalancing"] == "ENABLED"


def test_tasks_are_private_and_behind_the_load_balancer(graph):
    build(graph)
    service = graph.one(SERVICE)
    assert service["networkConfiguration"] == {
        "subnets": ["subnet-1", "subnet-2"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": False,
    }
    assert service["loadBalancers"] == [
        {
            "targetGroupArn": "arn:aws:elasticloadbalancing:::targetgroup/app/1",
            "containerName": "app",
            "containerPort": 3001,
        }
    ]


@pytest.mark.parametrize(
    ("spot", "provider"), [(False, "FARGATE"), (True, "FARGATE_SPOT")]
)
def test_capacity_changes_in_place(graph, spot, provider):
    build(graph, spot=spot)
    service = graph.one(SERVICE)
    (strategy,) = service["capacityProviderStrategies"]
    assert strategy["capacityProvider"] == provider
    assert service["forceNewDeployment"] is True
    assert "launchType" not in service.inputs


def test_the_service_waits_for_its_role_and_its_capacity(graph):
    build(graph)
    needs = {resource.type for resource in graph.dependencies(graph.one(SERVICE))}
    assert needs >= {
        ROLE_POLICY,
        "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders",
        TASK,
        CLUSTER,
    }


def test_the_first_task_starts_when_its_surroundings_are_complete(graph):
    def program() -> None:
        route = pulumi.CustomResource("aws:sns/topic:Topic", "route", {})
        Service("app", args(starts_after=[route]))

    graph.build(program)
    assert graph.named("route").urn in graph.one(SERVICE).dependencies


def test_the_platform_version_is_the_latest(graph):
    build(graph)
    assert graph.one(SERVICE)["platformVersion"] == "LATEST"


def test_tasks_carry_the_tags_of_the_service(graph):
    build(graph)
    service = graph.one(SERVICE)
    assert service["propagateTags"] == "SERVICE"
    assert service["enableEcsManagedTags"] is True


def test_the_cluster_measures_itself(graph):
    build(graph)
    cluster = graph.one(CLUSTER)
    assert cluster["settings"] == [{"name": "containerInsights", "value": "enabled"}]
    assert "configuration" not in cluster.inputs


def test_logs_are_encrypted_and_finite(graph):
    build(graph, log_retention_days=14, keep_logs=True)
    group = graph.one(LOG_GROUP)
    assert group["name"] == "/ecs/app"
    assert (group["retentionInDays"], group["kmsKeyId"]) == (14, KEY)
    assert group.protect
    assert not graph.one(TASK).protect


def test_the_log_group_can_have_another_name(graph):
    outputs = build(graph, log_group_name="/ecs/other")
    assert graph.one(LOG_GROUP)["name"] == outputs["log_group_name"] == "/ecs/other"
    log = containers(graph)["app"]["logConfiguration"]["options"]
    assert log["awslogs-group"] == "/ecs/other"
    assert log["awslogs-region"] == "eu-central-1"


def test_shells_are_closed_by_default(graph):
    build(graph)
    assert graph.one(SERVICE)["enableExecuteCommand"] is False


def test_shells_are_encrypted_and_recorded(graph):
    build(graph, execute_command=True)
    assert graph.one(SERVICE)["enableExecuteCommand"] is True
    assert graph.one(CLUSTER)["configuration"]["executeCommandConfiguration"] == {
        "kmsKeyId": KEY,
        "logging": "OVERRIDE",
        "logConfiguration": {
            "cloudWatchEncryptionEnabled": True,
            "cloudWatchLogGroupName": "/ecs/app",
        },
    }


def test_shells_let_the_app_do_no_more_than_they_need(graph):
    build(graph, execute_command=True)
    found = statements(graph, "app-exec")
    assert (
        graph.one(ROLE_POLICY, "app-exec")["role"]
        == (graph.one(ROLE, "app-task").outputs["name"])
    )
    assert found["RecordSession"]["Resource"] == f"{LOGS}:*"
    assert found["EncryptSession"] == {
        "Sid": "EncryptSession",
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": KEY,
    }
    assert found["OpenShell"]["Resource"] == "*"
    assert {action.split(":")[0] for action in found["OpenShell"]["Action"]} == {
        "ssmmessages",
        "logs",
    }


def test_the_shells_agent_writes_to_volumes_of_its_own(graph):
    build(graph, execute_command=True)
    paths = {m["containerPath"] for m in containers(graph)["app"]["mountPoints"]}
    assert paths >= {"/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm"}
    assert containers(graph)["app"]["readonlyRootFilesystem"] is True
    volumes = {volume["name"] for volume in graph.one(TASK)["volumes"]}
    mounts = containers(graph)["app"]["mountPoints"]
    assert volumes == {mount["sourceVolume"] for mount in mounts}


def test_nobody_opens_a_shell_in_the_migration(graph):
    build(graph, execute_command=True)
    mounts = containers(graph)["migrate"]["mountPoints"]
    assert {m["containerPath"] for m in mounts} == set(args().writable_paths)


def test_tasks_start_when_the_shells_agent_may_open_its_channels(graph):
    build(graph, execute_command=True)
    rights = graph.one(ROLE_POLICY, "app-exec")
    assert rights in graph.dependencies(graph.one(SERVICE))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uid": 0}, "0 is root"),
        ({"writable_paths": ["logs"]}, '"logs" is no absolute directory'),
        ({"writable_paths": ["/"]}, '"/" is no absolute directory'),
        ({"writable_paths": ["/a/b", "/a-b"]}, "/a/b, /a-b give one volume name"),
        ({"environment": {"JWT_SECRET": "x"}}, "JWT_SECRET: in environment and in"),
        ({"deployment_maximum_percent": 100}, "100 leaves no room"),
    ],
)
def test_what_ecs_would_refuse_late_is_refused_at_once(changes, message):
    with pytest.raises(ValueError, match=message):
        args(**changes)


def test_a_preview_without_known_references_is_complete(graph):
    def program() -> Service:
        key = pulumi.CustomResource("aws:sns/topic:Topic", "key", {"arn": None})
        unknown = key.id
        return Service(
            "app",
            args(kms_key_arn=unknown, secrets={"KEY": unknown}, image=unknown),
        )

    outputs = graph.build(program, preview=True)
    assert graph.one(TASK)["containerDefinitions"] == UNKNOWN
    assert graph.one(SERVICE)["name"] == "app"
    assert outputs["cluster_name"] == "app"
    assert outputs["task_definition_arn"] == UNKNOWN
