from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components.container_definitions import HealthCheck
from components.deployment import BlueGreen, Canary, Linear, Rolling
from components.service import Service, ServiceArgs
from components.shared_directory import SharedDirectory
from components.task_definition import repository_arn
from components.traffic import TrafficArgs
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


def capacity(graph: Graph) -> list[Any]:
    return graph.one(SERVICE)["capacityProviderStrategies"]


def test_capacity_is_regular_by_default(graph):
    build(graph)
    assert capacity(graph) == [{"capacityProvider": "FARGATE", "weight": 1}]
    build(graph, on_demand_base=2)
    assert capacity(graph) == [{"capacityProvider": "FARGATE", "weight": 1}]


def test_spare_capacity_alone_has_no_second_provider(graph):
    build(graph, spot_percent=100)
    assert capacity(graph) == [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]


def test_a_share_of_the_tasks_runs_on_spare_capacity_beyond_a_base(graph):
    build(graph, spot_percent=70, on_demand_base=2)
    assert capacity(graph) == [
        {"capacityProvider": "FARGATE", "base": 2, "weight": 30},
        {"capacityProvider": "FARGATE_SPOT", "weight": 70},
    ]


def test_a_base_has_a_weight_or_ecs_would_place_no_task_of_it(graph):
    build(graph, spot_percent=100, on_demand_base=1)
    regular, spot = capacity(graph)
    assert (regular["capacityProvider"], regular["base"]) == ("FARGATE", 1)
    assert regular["weight"] == 1
    assert spot["weight"] == 100


@pytest.mark.parametrize("changes", [{}, {"spot_percent": 50}, {"spot_percent": 100}])
def test_capacity_changes_in_place(graph, changes):
    build(graph, **changes)
    service = graph.one(SERVICE)
    assert service["forceNewDeployment"] is True
    assert "launchType" not in service.inputs


def test_the_count_is_the_programs_until_something_scales(graph):
    build(graph)
    assert graph.one(SERVICE).ignore_changes == ()
    build(graph, autoscaled=True)
    service = graph.one(SERVICE)
    assert service.ignore_changes == ("desiredCount",)
    assert service["desiredCount"] == 2


RULES = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener-rule/app/app"
GROUPS = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup"
MOVED: dict[str, Any] = {
    "target_group_arn": f"{GROUPS}/app/1",
    "traffic": TrafficArgs(
        alternate_target_group_arn=f"{GROUPS}/alternate/2",
        production_rule_arn=f"{RULES}/balancer/443/rule",
        test_rule_arn=f"{RULES}/balancer/8443/rule",
    ),
    "alarm_names": ["app-5xx", "app-latency"],
}


def test_rolling_is_the_usual_strategy_and_says_so(graph):
    build(graph)
    service = graph.one(SERVICE)
    assert service["deploymentConfiguration"] == {"strategy": "ROLLING"}
    assert "alarms" not in service.inputs
    assert "advancedConfiguration" not in service["loadBalancers"][0]
    assert [role.name for role in graph.all(ROLE)] == ["app-execution", "app-task"]


@pytest.mark.parametrize(
    ("deployment", "configuration"),
    [
        (
            BlueGreen(bake_minutes=7),
            {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": "7"},
        ),
        (
            Canary(percent=12.5, minutes=4, bake_minutes=7),
            {
                "strategy": "CANARY",
                "bakeTimeInMinutes": "7",
                "canaryConfiguration": {
                    "canaryPercent": 12.5,
                    "canaryBakeTimeInMinutes": "4",
                },
            },
        ),
        (
            Linear(step_percent=25.0, step_minutes=3, bake_minutes=0),
            {
                "strategy": "LINEAR",
                "bakeTimeInMinutes": "0",
                "linearConfiguration": {
                    "stepPercent": 25.0,
                    "stepBakeTimeInMinutes": "3",
                },
            },
        ),
    ],
)
def test_the_strategy_moves_the_traffic_between_two_groups(
    graph, deployment, configuration
):
    build(graph, deployment=deployment, **MOVED)
    service = graph.one(SERVICE)
    assert service["deploymentConfiguration"] == configuration
    # The circuit breaker is for rolling deployments only.
    assert service["deploymentCircuitBreaker"] == {"enable": False, "rollback": False}
    (balancer,) = service["loadBalancers"]
    assert balancer["targetGroupArn"] == f"{GROUPS}/app/1"
    assert balancer["advancedConfiguration"] == {
        "alternateTargetGroupArn": f"{GROUPS}/alternate/2",
        "productionListenerRule": f"{RULES}/balancer/443/rule",
        "testListenerRule": f"{RULES}/balancer/8443/rule",
        "roleArn": graph.one(ROLE, "app-infrastructure").outputs["arn"],
    }


def test_a_service_can_be_set_up_for_it_while_it_still_rolls(graph):
    build(graph, deployment=Rolling(), **MOVED)
    service = graph.one(SERVICE)
    assert service["deploymentConfiguration"] == {"strategy": "ROLLING"}
    assert service["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert "advancedConfiguration" in service["loadBalancers"][0]


def test_a_change_of_the_strategy_changes_the_service_and_nothing_else(graph):
    build(graph, deployment=Rolling(), **MOVED)
    before = {resource.urn: resource for resource in graph.resources}
    build(graph, deployment=Canary(), **MOVED)
    after = {resource.urn: resource for resource in graph.resources}
    assert before.keys() == after.keys()
    changed = [urn for urn in after if before[urn].inputs != after[urn].inputs]
    assert changed == [graph.one(SERVICE).urn]


def test_alarms_undo_a_deployment(graph):
    build(graph, alarm_names=["app-5xx"])
    assert graph.one(SERVICE)["alarms"] == {
        "alarmNames": ["app-5xx"],
        "enable": True,
        "rollback": True,
    }


def test_alarms_that_are_not_heeded_are_turned_off_by_name(graph):
    build(graph, alarm_names=["app-5xx"], heed_alarms=False)
    assert graph.one(SERVICE)["alarms"] == {
        "alarmNames": ["app-5xx"],
        "enable": False,
        "rollback": False,
    }


def test_ecs_moves_this_traffic_and_no_other(graph):
    build(graph, deployment=BlueGreen(), **MOVED)
    found = statements(graph, "app-infrastructure")
    assert found["MoveTasks"]["Resource"] == [
        f"{GROUPS}/alternate/2",
        f"{GROUPS}/app/1",
    ]
    listeners = RULES.replace("listener-rule", "listener")
    assert found["MoveTraffic"]["Resource"] == [
        f"{RULES}/balancer/443/rule",
        f"{RULES}/balancer/8443/rule",
        f"{listeners}/balancer/443",
        f"{listeners}/balancer/8443",
    ]
    looks = found.pop("LookAtLoadBalancers")
    assert all(":Describe" in action for action in looks["Action"])
    assert all("*" not in one["Resource"] for one in found.values())


def test_ecs_itself_uses_the_role_that_moves_traffic_before_it_is_needed(graph):
    build(graph, deployment=BlueGreen(), **MOVED)
    role = graph.one(ROLE, "app-infrastructure")
    (statement,) = graph.policy(ROLE, "app-infrastructure", "assumeRolePolicy")[
        "Statement"
    ]
    assert statement["Principal"] == {"Service": "ecs.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}
    }
    rights = graph.one(ROLE_POLICY, "app-infrastructure")
    assert rights["role"] == role.outputs["name"]
    assert rights in graph.dependencies(graph.one(SERVICE))


def test_a_test_rule_can_be_missing(graph):
    traffic = TrafficArgs(
        alternate_target_group_arn=f"{GROUPS}/alternate/2",
        production_rule_arn=f"{RULES}/balancer/443/rule",
    )
    build(graph, deployment=BlueGreen(), **{**MOVED, "traffic": traffic})
    (balancer,) = graph.one(SERVICE)["loadBalancers"]
    assert "testListenerRule" not in balancer["advancedConfiguration"]
    moved = statements(graph, "app-infrastructure")["MoveTraffic"]["Resource"]
    assert len(moved) == 2


@pytest.mark.parametrize(
    ("deployment", "patience"),
    [
        (Rolling(), None),
        (BlueGreen(bake_minutes=0), None),
        (BlueGreen(bake_minutes=30), "50m"),
        (Canary(minutes=10, bake_minutes=5), "35m"),
        (Linear(step_percent=10.0, step_minutes=6, bake_minutes=5), "79m"),
    ],
)
def test_an_update_waits_longer_than_the_deployment_does(graph, deployment, patience):
    seen: list[Any] = []

    def look(one: pulumi.ResourceTransformationArgs) -> None:
        if one.type_ == SERVICE:
            seen.append(one.opts.custom_timeouts)

    opts = pulumi.ResourceOptions(transformations=[look])
    graph.build(lambda: Service("app", args(deployment=deployment, **MOVED), opts=opts))
    (timeouts,) = seen
    assert (timeouts and (timeouts.create, timeouts.update)) == (
        (patience, patience) if patience else None
    )


def test_directories_that_outlive_tasks_are_mounted_in_both_containers(graph):
    efs = f"arn:aws:elasticfilesystem:eu-central-1:{ACCOUNT}"
    uploads = SharedDirectory(
        path="/app/uploads",
        file_system_id="fs-1",
        file_system_arn=f"{efs}:file-system/fs-1",
        access_point_id="fsap-1",
        access_point_arn=f"{efs}:access-point/fsap-1",
    )
    build(graph, shared=[uploads], writable_paths=["/app/logs"])
    (volume,) = [v for v in graph.one(TASK)["volumes"] if v["name"] == "app-uploads"]
    assert volume["efsVolumeConfiguration"] == {
        "fileSystemId": "fs-1",
        "transitEncryption": "ENABLED",
        "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"},
    }
    for container in containers(graph).values():
        mounts = {m["sourceVolume"]: m for m in container["mountPoints"]}
        assert mounts["app-uploads"]["containerPath"] == "/app/uploads"
        assert mounts["app-uploads"]["readOnly"] is False
    (mount,) = graph.policy(ROLE_POLICY, "app-shared")["Statement"]
    assert mount["Resource"] == f"{efs}:file-system/fs-1"
    assert mount["Condition"] == {
        "StringEquals": {
            "elasticfilesystem:AccessPointArn": f"{efs}:access-point/fsap-1"
        }
    }
    rights = graph.one(ROLE_POLICY, "app-shared")
    assert rights in graph.dependencies(graph.one(SERVICE))


def test_the_metrics_of_containers_can_be_saved(graph):
    build(graph, container_insights=False)
    assert graph.one(CLUSTER)["settings"] == [
        {"name": "containerInsights", "value": "disabled"}
    ]


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
        ({"spot_percent": 101}, "spot_percent: 101 must be between 0 and 100"),
        ({"spot_percent": -1}, "spot_percent: -1 must be between"),
        ({"on_demand_base": -1}, "on_demand_base: -1 must be between"),
        ({"deployment": BlueGreen()}, "between two target groups; give traffic"),
        (
            {**MOVED, "deployment": Canary(), "alarm_names": []},
            "a version that nothing watches",
        ),
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


def test_a_preview_with_rules_that_are_not_made_yet_is_complete(graph):
    def program() -> Service:
        rule = pulumi.CustomResource("aws:sns/topic:Topic", "rule", {"arn": None})
        traffic = TrafficArgs(
            alternate_target_group_arn=rule.id, production_rule_arn=rule.id
        )
        return Service(
            "app", args(**{**MOVED, "traffic": traffic, "deployment": Linear()})
        )

    graph.build(program, preview=True)
    assert graph.one(ROLE, "app-infrastructure")["assumeRolePolicy"] == UNKNOWN
    assert graph.one(SERVICE)["deploymentConfiguration"]["strategy"] == "LINEAR"
