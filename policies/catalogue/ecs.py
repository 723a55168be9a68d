"""Amazon ECS: tasks without power over their host, that log and keep secrets apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.model import Severity, Source, policy
from policies.parts import containers, parts
from resource_graph import Resource, ResourceGraph, names
from resource_types import (
    CLUSTER,
    ECS_ACCOUNT_SETTING,
    SERVICE,
    TASK_DEFINITION,
    TASK_SET,
)


@policy(
    "ECS.1",
    TASK_DEFINITION,
    title="Containers on the host's network have a user of their own",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy='Set network_mode="awsvpc", or user to a non-root user in '
    "container_definitions.",
)
def unprivileged_on_host_network(task: Resource) -> Iterator[str]:
    """Root on the host's network is one step from root on the host.

    Privileged containers are left to ECS.4, as Security Hub leaves them.
    """
    if task.get("networkMode") != "host":
        return
    for container in containers(task):
        if not _true(container.get("privileged")) and _root(container):
            yield f"networkMode is host and {container.name} runs as root"


@policy(
    "ECS.2",
    SERVICE,
    title="Services do not give their tasks public IP addresses",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set assign_public_ip=False in network_configuration, and give the "
    "subnets another way out.",
)
def service_assigns_no_public_ip(service: Resource) -> Iterator[str]:
    """What has no public address cannot be reached past the load balancer."""
    if _true(service.get("networkConfiguration.assignPublicIp")):
        yield "networkConfiguration.assignPublicIp is true"


@policy(
    "ECS.16",
    TASK_SET,
    title="Task sets do not give their tasks public IP addresses",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set assign_public_ip=False in network_configuration, and give the "
    "subnets another way out.",
)
def task_set_assigns_no_public_ip(task_set: Resource) -> Iterator[str]:
    """A task set decides for itself, whatever its service says."""
    if _true(task_set.get("networkConfiguration.assignPublicIp")):
        yield "networkConfiguration.assignPublicIp is true"


@policy(
    "ECS.3",
    TASK_DEFINITION,
    title="Tasks do not see the processes of their host",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy='Leave pid_mode out, or set it to "task".',
)
def own_process_namespace(task: Resource) -> Iterator[str]:
    """Who sees the host's processes can read their memory and end them."""
    if task.get("pidMode") == "host":
        yield "pidMode is host"


@policy(
    "ECS.4",
    TASK_DEFINITION,
    title="Containers are not privileged",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Leave privileged out of container_definitions.",
)
def not_privileged(task: Resource) -> Iterator[str]:
    """A privileged container is root on its host."""
    for container in containers(task):
        if _true(container.get("privileged")):
            yield f"privileged is true in {container.name}"


@policy(
    "ECS.5",
    TASK_DEFINITION,
    title="Containers cannot write to their root file system",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set readonlyRootFilesystem to true in container_definitions, and mount "
    "volumes where the app writes.",
)
def read_only_root(task: Resource) -> Iterator[str]:
    """An intruder can leave nothing behind."""
    if _windows(task):
        return
    for container in containers(task):
        if not _true(container.get("readonlyRootFilesystem")):
            yield f"readonlyRootFilesystem is not true in {container.name}"


@policy(
    "ECS.8",
    TASK_DEFINITION,
    title="Secrets are not in plain environment variables",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Move the variable from environment to secrets in container_definitions, "
    "with the ARN of a secret in valueFrom.",
)
def no_plain_secrets(task: Resource) -> Iterator[str]:
    """Everybody who may describe tasks can read the environment.

    Security Hub knows three variables; other names and values that give a secret away
    count, too.
    """
    for container in containers(task):
        for variable in parts(container, "environment"):
            if _holds_secret(variable):
                yield f"environment of {container.name} has {variable.name} in plain"


@policy(
    "ECS.9",
    TASK_DEFINITION,
    title="Containers have a log configuration",
    severity=Severity.HIGH,
    source=Source.FSBP,
    remedy="Set logConfiguration with a logDriver in container_definitions.",
)
def logs_somewhere(task: Resource) -> Iterator[str]:
    """What a task said is gone with it."""
    for container in containers(task):
        if not container.has("logConfiguration.logDriver"):
            yield f"logConfiguration has no logDriver in {container.name}"


@policy(
    "ecs_task_definitions_logging_block_mode",
    TASK_DEFINITION,
    title="Logging does not block containers",
    severity=Severity.LOW,
    source=Source.PROWLER,
    remedy='Set the log option mode to "non-blocking", with a max-buffer-size, in '
    "container_definitions.",
)
def logging_never_blocks(task: Resource, graph: ResourceGraph) -> Iterator[str]:
    """An app that waits for its log to be taken does not answer.

    AWS does not block by default since June 2025, unless the account says otherwise.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html
    """
    for container in containers(task):
        if not container.has("logConfiguration.logDriver"):
            continue
        mode = container.get("logConfiguration.options.mode")
        if mode == "blocking":
            yield f"the log option mode is blocking in {container.name}"
        elif not mode and _account(graph, "defaultLogDriverMode") == "blocking":
            yield (
                f"the log option mode is not set in {container.name}, and "
                "defaultLogDriverMode of the account is blocking"
            )


@policy(
    "ECS.10",
    SERVICE,
    title="Fargate services run on the latest platform version",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy='Set platform_version="LATEST", or leave it out.',
)
def latest_platform(service: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Older platforms lack patches."""
    version = service.get("platformVersion", "LATEST")
    if version in ("LATEST", _LATEST_LINUX):
        return
    if version == _LATEST_WINDOWS and _runs_windows(service, graph):
        return
    yield f"platformVersion is {version}, not LATEST"


@policy(
    "ECS.12",
    CLUSTER,
    title="Clusters have Container Insights",
    severity=Severity.MEDIUM,
    source=Source.FSBP,
    remedy='Set settings=[{"name": "containerInsights", "value": "enabled"}].',
)
def container_insights(cluster: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Restarts and failures show in the metrics before users show them."""
    values = [
        str(setting.get("value"))
        for setting in parts(cluster, "settings")
        if setting.get("name") == "containerInsights"
    ]
    value = values[0] if values else _account(graph, "containerInsights")
    if value not in ("enabled", "enhanced"):
        yield f"the setting containerInsights is {value or 'not set'}"


@policy(
    "ECS.17",
    TASK_DEFINITION,
    title="Tasks have a network of their own",
    severity=Severity.MEDIUM,
    source=Source.SECURITY_HUB,
    remedy='Set network_mode="awsvpc".',
)
def own_network(task: Resource) -> Iterator[str]:
    """On the host's network a container reaches what listens on its loopback only."""
    if task.get("networkMode") == "host":
        yield "networkMode is host"


@policy(
    "ECS.18",
    TASK_DEFINITION,
    title="EFS volumes of tasks are encrypted in transit",
    severity=Severity.MEDIUM,
    source=Source.SECURITY_HUB,
    remedy='Set transit_encryption="ENABLED" in efs_volume_configuration.',
)
def efs_encrypted_in_transit(task: Resource) -> Iterator[str]:
    """NFS itself hides nothing from who listens."""
    for volume in parts(task, "volumes"):
        for mount in parts(volume, "efsVolumeConfiguration"):
            encryption = mount.get("transitEncryption", "DISABLED")
            if encryption != "ENABLED":
                yield f"transitEncryption of volume {volume.name} is {encryption}"


@policy(
    "ECS.20",
    TASK_DEFINITION,
    title="Containers have a user that is not root",
    severity=Severity.MEDIUM,
    source=Source.SECURITY_HUB,
    remedy='Set user in container_definitions, such as "1001:1001".',
)
def not_root(task: Resource) -> Iterator[str]:
    """A flaw in the app is then not at once one in the host's kernel."""
    if _windows(task):
        return
    for container in containers(task):
        if _root(container):
            yield f"user is {container.get('user') or 'not set'} in {container.name}"


_LATEST_LINUX = "1.4.0"
_LATEST_WINDOWS = "1.0.0"

_KNOWN_SECRETS = frozenset(
    {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "ECS_ENGINE_AUTH_DATA"}
)
"""What Security Hub looks for."""

_SECRET_NAME = re.compile(
    r"(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS"
    r"|(API|SECRET|PRIVATE|ACCESS|ENCRYPTION|SIGNING)_?KEY)$",
    re.IGNORECASE,
)

_SECRET_VALUE = re.compile(
    r"^[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@"  # user and password in a URL
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(AKIA|ASIA)[A-Z0-9]{16}\b",
    re.IGNORECASE,
)

_HARMLESS_VALUE = re.compile(
    r"|true|false|yes|no|on|off|\d+"
    # Where the secret is, not what it is.
    r"|arn:[^:]+:(secretsmanager|ssm|kms):.*|/[\w./-]+",
    re.IGNORECASE,
)


def _holds_secret(variable: Resource) -> bool:
    value = str(variable.get("value", ""))
    if variable.name in _KNOWN_SECRETS or _SECRET_VALUE.search(value):
        return True
    named = _SECRET_NAME.search(variable.name) is not None
    return named and _HARMLESS_VALUE.fullmatch(value) is None


def _true(value: object) -> bool:
    return value is True or str(value).lower() == "true"


def _root(container: Resource) -> bool:
    user = str(container.get("user", "")).partition(":")[0]
    return user in ("", "0", "root")


def _windows(task: Resource) -> bool:
    family = str(task.get("runtimePlatform.operatingSystemFamily", "LINUX"))
    return family.upper().startswith("WINDOWS")


def _runs_windows(service: Resource, graph: ResourceGraph) -> bool:
    return any(
        names(service, "taskDefinition", task) and _windows(task)
        for task in graph.of(TASK_DEFINITION)
    )


def _account(graph: ResourceGraph, setting: str) -> str:
    """What the stack sets for the whole account; empty where it does not."""
    for found in graph.of(ECS_ACCOUNT_SETTING):
        if found.get("name") == setting:
            return str(found.get("value", ""))
    return ""
