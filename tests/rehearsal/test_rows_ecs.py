"""The rows of ECS: each case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider.aws.containers import canonical
from rehearsal.provider.wire import Properties
from tests.rehearsal.conformance import (
    Case,
    Conformance,
    Drift,
    Resource,
    Site,
    To,
    Uncarried,
)
from tests.rehearsal.surroundings import (
    balanced_target_group,
    forwarding_to,
    key,
    load_balancer,
    network,
)

CLUSTER = "aws:ecs/cluster:Cluster"
CAPACITY = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
SERVICE = "aws:ecs/service:Service"

ROLE = "arn:aws:iam::123456789012:role/task"
S3_FILES = {"fileSystemArn": "arn:aws:s3files:eu-central-1:123456789012:fs/x"}
INSIGHTS = [{"name": "containerInsights", "value": "enabled"}]

_ports = itertools.count(9200)


def cluster(site: Site) -> Case:
    ecs = site.client("ecs")
    execute = {
        "executeCommandConfiguration": {
            "kmsKeyId": key(site.aws),
            "logging": "OVERRIDE",
            "logConfiguration": {
                "cloudWatchEncryptionEnabled": True,
                "cloudWatchLogGroupName": "/ecs/exec",
                "s3BucketEncryptionEnabled": True,
                "s3BucketName": "sessions",
            },
        }
    }
    at = "configuration.executeCommandConfiguration"
    return Case(
        inputs={"settings": INSIGHTS},
        listing=lambda: [
            one["clusterArn"]
            for one in ecs.describe_clusters(
                clusters=ecs.list_clusters()["clusterArns"] or ["none"]
            )["clusters"]
            if one["status"] == "ACTIVE"
        ],
        updates={
            "configuration": execute,
            "settings": [{"name": "containerInsights", "value": "enhanced"}],
        },
        drift=[
            Drift(
                act=lambda id: ecs.update_cluster(
                    cluster=id,
                    settings=[{"name": "containerInsights", "value": "disabled"}],
                ),
                seen="settings",
            )
        ],
        refused=[
            ({"name": "has spaces"}, "letters, digits, hyphens"),
            ({"settings": [{"name": "containerInsight", "value": "enabled"}]}, "[0]"),
            ({"settings": [{"name": "containerInsights", "value": "on"}]}, "[0].value"),
            (
                {"configuration": {"executeCommandConfiguration": {"logging": "ON"}}},
                f"{at}.logging",
            ),
            (
                {
                    "configuration": {
                        "executeCommandConfiguration": {"logging": "OVERRIDE"}
                    }
                },
                f"{at}.logConfiguration: missing",
            ),
        ],
        import_id=lambda state: str(state["name"]),
    )


def capacity_providers(site: Site) -> Case:
    ecs = site.client("ecs")
    home, other = (site.make(CLUSTER, name=site.name())["name"] for _ in range(2))
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 2, "base": 1}]
    return Case(
        inputs={"clusterName": home, "capacityProviders": ["FARGATE", "FARGATE_SPOT"]},
        listing=lambda: [
            one["clusterName"]
            for one in ecs.describe_clusters(clusters=[home, other])["clusters"]
            if one.get("capacityProviders")
        ],
        updates={
            "capacityProviders": ["FARGATE"],
            "defaultCapacityProviderStrategies": spot,
        },
        replaces={"clusterName": other},
        drift=[
            Drift(
                act=lambda id: ecs.put_cluster_capacity_providers(
                    cluster=id,
                    capacityProviders=["FARGATE"],
                    defaultCapacityProviderStrategy=[],
                ),
                seen="capacityProviders",
            )
        ],
        refused=[
            ({"capacityProviders": []}, "name one or more"),
            (
                {
                    "capacityProviders": ["FARGATE"],
                    "defaultCapacityProviderStrategies": spot,
                },
                "[0].capacityProvider",
            ),
        ],
    )


def container(**changes: Any) -> Properties:
    """A container as programs write it, with much that AWS would fill in."""
    return {
        "name": "app",
        "image": "registry.example.org/app@sha256:0",
        "essential": True,
        "cpu": 0,
        "portMappings": [{"containerPort": 3001, "hostPort": 3001, "protocol": "tcp"}],
        "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
        "mountPoints": [{"sourceVolume": "tmp", "containerPath": "/app/tmp"}],
        **changes,
    }


def containers(*changed: Mapping[str, Any]) -> str:
    return json.dumps([container(**changes) for changes in changed])


def fargate(site: Site, **changes: Any) -> Properties:
    """A task definition of a family of its own."""
    program = {
        "family": site.name(),
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "volumes": [{"name": "tmp"}],
        "containerDefinitions": containers({}),
        **changes,
    }
    return {name: value for name, value in program.items() if value is not None}


def active_tasks(site: Site) -> list[str]:
    found = site.client("ecs").list_task_definitions(status="ACTIVE")
    return list(found["taskDefinitionArns"])


def task_definition(site: Site) -> Case:
    bad_check = {"command": ["CMD", "true"], "interval": 4}
    ec2 = {"requiresCompatibilities": ["EC2"]}
    return Case(
        inputs=fargate(site),
        listing=lambda: active_tasks(site),
        replaces={
            "containerDefinitions": containers({"image": "registry.example.org/app:2"}),
            "cpu": To("512", memory="1024"),
            "enableFaultInjection": True,
            "ephemeralStorage": {"sizeInGib": 30},
            "executionRoleArn": ROLE,
            "family": site.name(),
            "ipcMode": To("task", **ec2),
            "memory": "1024",
            "networkMode": To("bridge", **ec2),
            "pidMode": "task",
            "placementConstraints": To(
                [{"type": "memberOf", "expression": "attribute:x == y"}], **ec2
            ),
            "requiresCompatibilities": ["EC2", "FARGATE"],
            "runtimePlatform": {
                "cpuArchitecture": "ARM64",
                "operatingSystemFamily": "LINUX",
            },
            "taskRoleArn": ROLE,
            "volumes": [
                {"name": "tmp"},
                {"name": "host", "hostPath": "/var/lib"},
                {
                    "name": "files",
                    "efsVolumeConfiguration": {
                        "fileSystemId": "fs-1",
                        "transitEncryption": "ENABLED",
                        "authorizationConfig": {"accessPointId": "fsap-1"},
                    },
                },
            ],
        },
        unverified={"skipDestroy": False, "trackLatest": True},
        refused=[
            ({"family": "with.dots"}, "letters, digits, hyphens"),
            ({"containerDefinitions": "{}"}, "a JSON list"),
            ({"containerDefinitions": "[]"}, "a JSON list"),
            ({"containerDefinitions": "[1]"}, "a JSON list"),
            ({"containerDefinitions": "not JSON"}, "a JSON list"),
            ({"containerDefinitions": containers({"imag": "x"})}, '"imag"'),
            ({"containerDefinitions": containers({"cpu": "0"})}, "cpu"),
            ({"containerDefinitions": containers({"image": ""})}, "app.image: missing"),
            ({"containerDefinitions": containers({"essential": False})}, "essential"),
            ({"containerDefinitions": containers({}, {})}, 'two are named "app"'),
            (
                {
                    "containerDefinitions": containers(
                        {"dependsOn": [{"containerName": "x", "condition": "START"}]}
                    )
                },
                'no container "x"',
            ),
            ({"volumes": [{"name": "other"}]}, 'no volume "tmp"'),
            (
                {"volumes": [{"name": "tmp", "s3filesVolumeConfiguration": S3_FILES}]},
                "this kind of volume",
            ),
            (
                {"containerDefinitions": containers({"healthCheck": bad_check})},
                "app.healthCheck.interval",
            ),
            ({"containerDefinitions": containers({"stopTimeout": 121})}, "stopTimeout"),
            ({"containerDefinitions": containers({"privileged": True})}, "privileged"),
            (
                {
                    "containerDefinitions": containers(
                        {"secrets": [{"name": "A", "valueFrom": "arn"}]}
                    )
                },
                "executionRoleArn: missing",
            ),
            ({"cpu": "300"}, "does not offer 300 units"),
            ({"memory": "4096"}, "with 256 CPU units; it offers 512, 1024, 2048"),
            ({"cpu": None}, "cpu: missing"),
            ({"networkMode": "bridge"}, "awsvpc"),
            ({"ephemeralStorage": {"sizeInGib": 20}}, "between 21 and 200"),
            ({"executionRoleArn": "task"}, "an ARN"),
            ({"runtimePlatform": {"cpuArchitecture": "ARM"}}, "ARM64"),
        ],
        import_id=lambda state: str(state["arn"]),
    )


def serving(site: Site, **changes: Any) -> Properties:
    """A service on a cluster of its own."""
    home = site.make(CLUSTER, name=site.name())["arn"]
    site.make(
        CAPACITY,
        clusterName=home.split("/")[1],
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
    )
    around = network(site.aws)
    program = {
        "cluster": home,
        "taskDefinition": site.make(TASK, **fargate(site))["arn"],
        "desiredCount": 2,
        "capacityProviderStrategies": [{"capacityProvider": "FARGATE", "weight": 1}],
        "networkConfiguration": {
            "subnets": around.subnets[:2],
            "securityGroups": around.groups[:1],
            "assignPublicIp": False,
        },
        "loadBalancers": [
            {
                "targetGroupArn": balanced_target_group(site.aws),
                "containerName": "app",
                "containerPort": 3001,
            }
        ],
        **changes,
    }
    return {name: value for name, value in program.items() if value is not None}


def traffic(site: Site) -> Properties:
    """A second target group, and rules by which ECS moves traffic to it."""
    alternate = balanced_target_group(site.aws, 1)
    listener = site.make(
        "aws:lb/listener:Listener",
        loadBalancerArn=load_balancer(site.aws),
        port=next(_ports),
        defaultActions=forwarding_to(alternate),
    )["arn"]
    production, test = (
        site.make(
            "aws:lb/listenerRule:ListenerRule",
            listenerArn=listener,
            priority=priority,
            conditions=[{"pathPattern": {"values": ["/*"]}}],
            actions=forwarding_to(alternate),
        )["arn"]
        for priority in (1, 2)
    )
    return {
        "alternateTargetGroupArn": alternate,
        "productionListenerRule": production,
        "testListenerRule": test,
        "roleArn": ROLE,
    }


def services(site: Site) -> list[str]:
    ecs = site.client("ecs")
    return [
        one["serviceArn"]
        for each in ecs.list_clusters()["clusterArns"]
        for name in ecs.list_services(cluster=each)["serviceArns"]
        for one in ecs.describe_services(cluster=each, services=[name])["services"]
        if one["status"] == "ACTIVE"
    ]


def service(site: Site) -> Case:
    ecs, around = site.client("ecs"), network(site.aws)
    inputs = serving(site, forceNewDeployment=True)
    other = serving(site)
    balancer = inputs["loadBalancers"][0]
    place = {"cluster": inputs["cluster"]}
    moved = {**balancer, "advancedConfiguration": traffic(site)}
    nobody = {**moved["advancedConfiguration"], "roleArn": "ecs"}
    strategy = "deploymentConfiguration"
    return Case(
        inputs=inputs,
        listing=lambda: services(site),
        updates={
            "alarms": {"alarmNames": ["5xx"], "enable": True, "rollback": True},
            "availabilityZoneRebalancing": "ENABLED",
            "capacityProviderStrategies": [
                {"capacityProvider": "FARGATE_SPOT", "weight": 1}
            ],
            "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            "deploymentConfiguration": To(
                {
                    "strategy": "CANARY",
                    "bakeTimeInMinutes": "5",
                    "canaryConfiguration": {
                        "canaryPercent": 12.5,
                        "canaryBakeTimeInMinutes": "3",
                    },
                },
                loadBalancers=[moved],
            ),
            "deploymentMaximumPercent": 150,
            "deploymentMinimumHealthyPercent": 50,
            "desiredCount": 3,
            "enableEcsManagedTags": True,
            "enableExecuteCommand": True,
            "healthCheckGracePeriodSeconds": 60,
            "loadBalancers": [
                {**moved, "targetGroupArn": balanced_target_group(site.aws, 1)}
            ],
            "networkConfiguration": {
                "subnets": around.subnets,
                "securityGroups": around.groups,
                "assignPublicIp": True,
            },
            "platformVersion": "1.4.0",
            "propagateTags": "SERVICE",
            "taskDefinition": site.make(TASK, **fargate(site))["arn"],
        },
        replaces={
            "cluster": other["cluster"],
            "deploymentController": Uncarried({"type": "CODE_DEPLOY"}),
            "launchType": To("FARGATE", capacityProviderStrategies=None),
            "schedulingStrategy": Uncarried("DAEMON"),
        },
        unverified={
            "forceDelete": True,
            "sigintRollback": True,
            "triggers": {"redeploy": "now"},
            "waitForSteadyState": True,
        },
        drift=[
            Drift(
                act=lambda id: ecs.update_service(service=id, desiredCount=7, **place),
                seen="desiredCount",
            ),
            Drift(
                act=lambda id: ecs.update_service(
                    service=id, taskDefinition=other["taskDefinition"], **place
                ),
                seen="taskDefinition",
            ),
            Drift(
                act=lambda id: ecs.update_service(
                    service=id, enableExecuteCommand=True, **place
                ),
                seen="enableExecuteCommand",
            ),
        ],
        refused=[
            ({"name": "has spaces"}, "letters, digits, hyphens"),
            ({"launchType": "FARGATE"}, "conflicts with"),
            ({"launchType": "fargate"}, "is not one of EC2, FARGATE"),
            ({"schedulingStrategy": "DAEMON"}, "not one of REPLICA"),
            ({"deploymentController": {"type": "EXTERNAL"}}, "not one of ECS"),
            ({strategy: {"strategy": "BLUEGREEN"}}, 'Did you mean "BLUE_GREEN"?'),
            ({strategy: {"bakeTimeInMinutes": "1441"}}, "between 0 and 1440"),
            (
                {strategy: {"canaryConfiguration": {"canaryPercent": 0.0}}},
                "between 0.1 and 100",
            ),
            (
                {strategy: {"linearConfiguration": {"stepPercent": 2.5}}},
                "between 3 and 100",
            ),
            (
                {strategy: {"lifecycleHooks": [{"lifecycleStages": []}]}},
                "lifecycleHooks: the rehearsal does not carry",
            ),
            (
                {"loadBalancers": [{**balancer, "advancedConfiguration": nobody}]},
                "loadBalancers[0].advancedConfiguration.roleArn",
            ),
            ({"deploymentMaximumPercent": 99}, "between 100 and 200"),
            (
                {
                    "availabilityZoneRebalancing": "ENABLED",
                    "deploymentMaximumPercent": 100,
                },
                "over 100",
            ),
            ({"desiredCount": -1}, "between 0"),
            ({"taskDefinition": None}, "taskDefinition: missing"),
            (
                {"healthCheckGracePeriodSeconds": 60, "loadBalancers": None},
                "only for services with loadBalancers",
            ),
            ({"loadBalancers": [{**balancer, "containerPort": 0}]}, "containerPort"),
            ({"loadBalancers": [{**balancer, "elbName": "old"}]}, "elbName"),
            ({"propagateTags": "TASK"}, "TASK_DEFINITION"),
        ],
        import_id=lambda state: "/".join(state["arn"].rsplit("/", 2)[-2:]),
    )


class TestEcsRows(Conformance):
    cases: ClassVar[Mapping[str, Callable[[Site], Case]]] = {
        CLUSTER: cluster,
        CAPACITY: capacity_providers,
        TASK: task_definition,
        SERVICE: service,
    }


def test_a_cluster_with_services_stays(site: Site):
    home = Resource(CLUSTER, site.aws)
    home.up({"settings": INSIGHTS})
    resource = Resource(SERVICE, site.aws)
    resource.up(
        serving(
            site,
            cluster=home.id,
            capacityProviderStrategies=None,
            launchType="FARGATE",
        )
    )
    with pytest.raises(ClientError, match="while Services are active"):
        home.destroy()
    resource.destroy()
    home.destroy()
    assert not home.refresh()


@pytest.mark.parametrize(
    "same",
    [
        containers({"cpu": 0, "environment": [{"name": "A", "value": "1"}]}),
        containers({"environment": [{"value": "1", "name": "A"}], "secrets": []}),
        containers(
            {
                "environment": [{"name": "A", "value": "1"}],
                "portMappings": [{"containerPort": 3001}],
                "volumesFrom": [],
                "privileged": False,
            }
        ),
    ],
)
def test_what_aws_fills_in_is_no_difference(same: str):
    bare = {
        "name": "app",
        "image": "registry.example.org/app@sha256:0",
        "portMappings": [{"containerPort": 3001}],
        "environment": [{"name": "A", "value": "1"}],
        "mountPoints": [{"sourceVolume": "tmp", "containerPath": "/app/tmp"}],
    }
    assert canonical(same) == canonical(json.dumps([bare]))


@pytest.mark.parametrize(
    "other",
    [
        {"essential": False},
        {"command": ["b", "a"]},
        {"environment": [{"name": "A", "value": "2"}]},
        {"portMappings": [{"containerPort": 3001, "hostPort": 80}]},
        {"portMappings": [{"containerPort": 3001, "protocol": "udp"}]},
        {"healthCheck": {"command": ["CMD", "true"], "interval": 10}},
        {"readonlyRootFilesystem": True},
    ],
)
def test_what_a_program_changes_is_a_difference(other: Mapping[str, Any]):
    usual = {
        "command": ["a", "b"],
        "healthCheck": {"command": ["CMD", "true"], "interval": 30},
    }
    changed = containers({**usual, **other})
    assert canonical(changed) != canonical(containers(usual))


def test_equal_containers_make_no_new_revision(site: Site):
    program = fargate(site)
    resource = Resource(TASK, site.aws)
    resource.up(program)
    turned = json.loads(program["containerDefinitions"])
    turned[0]["environment"].reverse()
    program["containerDefinitions"] = json.dumps(turned, indent=1)
    assert not resource.preview(program).changed
    assert resource.outputs["revision"] == 1


def test_every_change_is_a_revision_of_the_family(site: Site):
    program = fargate(site)
    resource = Resource(TASK, site.aws)
    resource.up(program)
    first = resource.outputs["arn"]
    resource.up({**program, "memory": "1024"})
    assert resource.id == program["family"]
    assert resource.outputs["revision"] == 2
    assert resource.outputs["arn"] == f"{resource.outputs['arnWithoutRevision']}:2"
    assert first not in active_tasks(site)
    assert resource.outputs["arn"] in active_tasks(site)
    resource.up({**program, "memory": "1024", "tags": {"Name": "app"}})
    assert resource.outputs["revision"] == 2


def test_a_revision_stays_when_asked(site: Site):
    program = fargate(site, skipDestroy=True)
    resource = Resource(TASK, site.aws)
    resource.up(program)
    first = resource.outputs["arn"]
    resource.up({**program, "memory": "1024"})
    resource.destroy()
    assert {first, resource.outputs["arn"]} <= set(active_tasks(site))


@pytest.mark.parametrize(
    ("tracking", "seen"), [(False, set()), (True, {"containerDefinitions"})]
)
def test_somebody_elses_revision_is_seen_only_when_asked(
    site: Site, tracking: bool, seen: set[str]
):
    program = fargate(site, trackLatest=tracking)
    resource = Resource(TASK, site.aws)
    resource.up(program)
    kept = ("family", "requiresCompatibilities", "networkMode", "cpu", "memory")
    site.client("ecs").register_task_definition(
        **{key: program[key] for key in (*kept, "volumes")},
        containerDefinitions=[container(image="registry.example.org/other")],
    )
    assert resource.refresh()
    assert resource.preview(program).replaces == seen


def test_other_capacity_is_a_new_service_unless_a_deployment_is_forced(site: Site):
    program = serving(site)
    resource = Resource(SERVICE, site.aws)
    resource.up(program)
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    changed = {**program, "capacityProviderStrategies": spot}
    assert resource.preview(changed).replaces == {"capacityProviderStrategies"}
    forced = {**changed, "forceNewDeployment": True}
    assert not resource.preview(forced).replaces
    launched = {**forced, "capacityProviderStrategies": []}
    assert resource.preview(launched).replaces == {"capacityProviderStrategies"}


@pytest.mark.parametrize(
    "strategy",
    [
        {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": "0"},
        {
            "strategy": "LINEAR",
            "bakeTimeInMinutes": "5",
            "linearConfiguration": {
                "stepPercent": 20.0,
                "stepBakeTimeInMinutes": "3",
            },
        },
    ],
)
def test_the_strategy_changes_in_place_and_back(site: Site, strategy: Properties):
    rolling = serving(site, deploymentConfiguration={"strategy": "ROLLING"})
    resource = Resource(SERVICE, site.aws)
    resource.up(rolling)
    (balancer,) = rolling["loadBalancers"]
    moved = {
        **rolling,
        "deploymentConfiguration": strategy,
        "loadBalancers": [{**balancer, "advancedConfiguration": traffic(site)}],
    }
    for program in (moved, rolling):
        difference = resource.up(program)
        assert difference.changed >= {"deploymentConfiguration", "loadBalancers"}
        assert not difference.replaces
        assert resource.refresh()
        assert not resource.preview(program).changed
    resource.destroy()


def test_the_rules_by_which_traffic_moves_are_two_and_there(site: Site):
    program = serving(site)
    (balancer,) = program["loadBalancers"]
    rules = traffic(site)
    production = rules["productionListenerRule"]
    for wrong, words in {
        production: "cannot be used as both production and test",
        production.rpartition("/")[0] + "/0": "testListenerRule .* does not exist",
        production.replace("listener-rule", "listener"): "Must be RuleArn for ALB",
    }.items():
        moved = {
            **balancer,
            "advancedConfiguration": {**rules, "testListenerRule": wrong},
        }
        with pytest.raises(ClientError, match=words):
            Resource(SERVICE, site.aws).up({**program, "loadBalancers": [moved]})


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ({"strategy": "BLUE_GREEN"}, "BLUE_GREEN needs an advancedConfiguration"),
        (
            {"strategy": "ROLLING", "canaryConfiguration": {"canaryPercent": 5}},
            "canaryConfiguration is only valid with the deployment strategy CANARY",
        ),
    ],
)
def test_a_strategy_that_does_not_fit_is_refused(
    site: Site, strategy: Properties, words: str
):
    with pytest.raises(ClientError, match=words):
        Resource(SERVICE, site.aws).up(serving(site, deploymentConfiguration=strategy))


def test_cluster_and_task_may_be_named_in_any_way(site: Site):
    program = serving(site)
    resource = Resource(SERVICE, site.aws)
    resource.up(program)
    short = {
        **program,
        "cluster": program["cluster"].split("/")[1],
        "taskDefinition": program["taskDefinition"].split("/")[1],
    }
    assert not resource.preview(short).changed
    other = Resource(SERVICE, site.aws)
    other.up(short)
    assert other.refresh()
    assert not other.preview(short).changed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"loadBalancers": [{"containerName": "web", "containerPort": 3001}]},
            "container web does not exist",
        ),
        (
            {"loadBalancers": [{"containerName": "app", "containerPort": 80}]},
            "did not have a container port 80",
        ),
        ({"networkConfiguration": None}, "Network Configuration must be provided"),
        ({"taskDefinition": "nothing:1"}, "not found or inactive"),
        (
            {
                "capacityProviderStrategies": [
                    {"capacityProvider": "OTHER", "weight": 1}
                ]
            },
            "OTHER is not associated with the cluster",
        ),
    ],
)
def test_a_service_must_fit_its_task(site: Site, changes: Properties, words: str):
    for balancer in changes.get("loadBalancers") or []:
        balancer["targetGroupArn"] = balanced_target_group(site.aws)
    program = serving(site)
    wrong = {k: v for k, v in {**program, **changes}.items() if v is not None}
    with pytest.raises(ClientError, match=words):
        Resource(SERVICE, site.aws).up(wrong)
    resource = Resource(SERVICE, site.aws)
    resource.up(program)
    with pytest.raises(ClientError, match=words):
        resource.up(wrong)


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ({"targetType": "ip"}, "does not have an associated load balancer"),
        ({"targetType": "instance"}, "incompatible with the awsvpc network mode"),
    ],
)
def test_a_service_needs_a_target_group_in_use(
    site: Site, group: Properties, words: str
):
    made = site.make(
        "aws:lb/targetGroup:TargetGroup",
        vpcId=network(site.aws).vpc,
        port=80,
        protocol="HTTP",
        **group,
    )
    program = serving(site)
    program["loadBalancers"][0]["targetGroupArn"] = made["arn"]
    with pytest.raises(ClientError, match=words):
        Resource(SERVICE, site.aws).up(program)


def test_fargate_runs_only_tasks_made_for_it(site: Site):
    ec2 = fargate(site, requiresCompatibilities=["EC2"])
    program = serving(site, taskDefinition=site.make(TASK, **ec2)["arn"])
    with pytest.raises(ClientError, match="does not support launch_type FARGATE"):
        Resource(SERVICE, site.aws).up(program)


def test_a_service_has_a_name_of_its_own(site: Site):
    program = serving(site, name=site.name())
    resource = Resource(SERVICE, site.aws)
    resource.up(program)
    with pytest.raises(ClientError, match="not idempotent"):
        Resource(SERVICE, site.aws).up(program)
    resource.destroy()
    Resource(SERVICE, site.aws).up(program)


def test_a_service_that_cannot_be_completed_is_taken_away(site: Site):
    resource, program = Resource(SERVICE, site.aws), serving(site)
    events = site.client("ecs").meta.events

    def fail(**_: object) -> None:
        raise ClientError({"Error": {"Code": "Throttling"}}, "UpdateService")

    before = services(site)
    events.register("before-call.ecs.UpdateService", fail)
    try:
        with pytest.raises(ClientError, match="Throttling"):
            resource.up(program)
    finally:
        events.unregister("before-call.ecs.UpdateService", fail)
    assert services(site) == before


def test_a_service_is_scaled_down_before_it_goes(site: Site):
    resource = Resource(SERVICE, site.aws)
    program = serving(site)
    resource.up(program)
    resource.destroy()
    [left] = site.client("ecs").describe_services(
        cluster=program["cluster"], services=[resource.id]
    )["services"]
    assert (left["status"], left["desiredCount"]) == ("INACTIVE", 0)
