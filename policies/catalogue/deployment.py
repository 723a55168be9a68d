"""Deployments: what is rolled out is what was meant, and nobody notices it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.documents import as_list
from policies.model import Severity, Source, policy
from policies.parts import containers, parts
from resource_graph import Resource, ResourceGraph, names
from resource_types import (
    AWS_PROVIDER,
    CLUSTER,
    CODE_DEPLOY_GROUP,
    LISTENER,
    LISTENER_RULE,
    NAT_GATEWAY,
    SCALABLE_TARGET,
    SECRET,
    SECRET_ROTATION,
    SECRET_VERSION,
    SERVICE,
    TARGET_GROUP,
    TASK_DEFINITION,
)


@policy(
    "app-image-by-digest",
    TASK_DEFINITION,
    title="Containers run an image by its digest",
    severity=Severity.MEDIUM,
    source=Source.OWN,
    remedy="Set image in container_definitions to REPOSITORY@sha256:DIGEST.",
)
def image_by_digest(task: Resource) -> Iterator[str]:
    """A tag may be another image for the next task, and for a rollback."""
    for container in containers(task):
        image = str(container.get("image", ""))
        if "@sha256:" not in image:
            yield f"image of {container.name} is {image or 'not set'}, without digest"


@policy(
    "one-image-a-task",
    TASK_DEFINITION,
    title="Containers of one task run the same version of an image",
    severity=Severity.MEDIUM,
    source=Source.OWN,
    remedy="Give the same image to each container of the repository in "
    "container_definitions.",
)
def same_image(task: Resource) -> Iterator[str]:
    """A migration of another version leaves a database that the app does not know.

    An init container of another repository, such as a tool for migrations, has
    versions of its own.
    """
    users: dict[str, dict[str, str]] = defaultdict(dict)
    for container in containers(task):
        repository, version = _image(str(container.get("image", "")))
        users[repository].setdefault(version, container.name)
    for repository, versions in users.items():
        if repository and len(versions) > 1:
            who = " and ".join(versions.values())
            yield f"image of {who} is not the same version of {repository}"


@policy(
    "secret-version-pinned",
    TASK_DEFINITION,
    title="A new value of a secret makes a new task definition",
    severity=Severity.MEDIUM,
    source=Source.OWN,
    remedy="End valueFrom in container_definitions with the version, as in "
    "ARN:::VERSION_ID, or put a hash of the value into an environment variable such "
    "as SECRETS_HASH.",
)
def secret_pinned(task: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Otherwise an update changes the secret, and the tasks keep the old one.

    Only what the stack itself sets: a value that is rotated, or set by hand, changes
    without an update.
    """
    ours = _secrets_with_value(graph)
    for container in containers(task):
        hashes = [
            variable.name
            for variable in parts(container, "environment")
            if variable.has("value")
        ]
        for secret in parts(container, "secrets"):
            if any(_is_hash(name, secret.name) for name in hashes):
                continue
            arn, version = _secret(str(secret.get("valueFrom", "")))
            if arn in ours and not version:
                yield (
                    f"valueFrom of {secret.name} in {container.name} names no version "
                    "of the secret"
                )


@policy(
    "container-definitions-canonical",
    TASK_DEFINITION,
    title="Container definitions are canonical JSON",
    severity=Severity.LOW,
    source=Source.OWN,
    remedy="Make container_definitions with json.dumps(…, sort_keys=True), environment "
    "and secrets sorted by name.",
)
def canonical(task: Resource) -> Iterator[str]:
    """ECS rolls out a new revision for every other order of the same words."""
    text = task.get("containerDefinitions")
    if isinstance(text, str):
        try:
            if not _has_sorted_keys(text):
                yield "containerDefinitions has keys that are not sorted"
        except ValueError:
            yield "containerDefinitions is no JSON"
    for container in containers(task):
        for path in ("environment", "secrets"):
            found = [
                str(variable.get("name", "")) for variable in parts(container, path)
            ]
            if found != sorted(found):
                yield f"{path} of {container.name} is not sorted by name"


@policy(
    "desired-count-left-to-autoscaling",
    SERVICE,
    title="Updates leave the number of tasks to autoscaling",
    severity=Severity.MEDIUM,
    source=Source.OWN,
    remedy='Set ignore_changes=["desired_count"] in the options of the service.',
)
def desired_count_ignored(service: Resource, graph: ResourceGraph) -> Iterator[str]:
    """An update in the busiest hour would take away what autoscaling had added."""
    if _ignores(service, "desiredCount"):
        return
    if any(_scales(target, service) for target in graph.of(SCALABLE_TARGET)):
        yield "desiredCount is scaled automatically, and its changes are not ignored"


@policy(
    "traffic-left-to-deployments",
    LISTENER,
    LISTENER_RULE,
    title="Updates leave to the deployment where traffic goes",
    severity=Severity.HIGH,
    source=Source.OWN,
    remedy='Set ignore_changes=["actions"] in the options of the rule (a listener: '
    '["default_actions"]).',
)
def actions_ignored(router: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Putting back what the program says sends users to tasks that are gone.

    A deployment that is not rolling moves the traffic by rewriting these actions.
    """
    path = "actions" if router.type == LISTENER_RULE else "defaultActions"
    if not _ignores(router, path) and _moved_by_deployment(router, graph):
        yield f"{path} is rewritten by deployments, and its changes are not ignored"


@policy(
    "requests-finish-before-a-task-is-killed",
    TARGET_GROUP,
    title="Tasks live on as long as their requests may take",
    severity=Severity.MEDIUM,
    source=Source.OWN,
    remedy="Lower deregistration_delay, or raise stopTimeout (at most 120 on Fargate) "
    "in container_definitions.",
)
def drained_in_time(group: Resource, graph: ResourceGraph) -> Iterator[str]:
    """No request is cut off by SIGKILL.

    In a deployment ECS lets the deregistration delay pass and sends SIGTERM after it,
    so there any stopTimeout does. But when Fargate Spot takes a task back, SIGTERM and
    deregistration begin together: only stopTimeout is then left for the requests that
    the load balancer lets go on for the whole deregistration delay. Capacity changes
    more often than anybody thinks of this, so it holds for every service.
    """
    delay = _seconds(group.get("deregistrationDelay"), _DEFAULT_DRAIN)
    for service in graph.referring(group, SERVICE, "loadBalancers"):
        serving = {
            str(balancer.get("containerName", ""))
            for balancer in parts(service, "loadBalancers")
            if _sends_to(balancer, group)
        }
        for task in graph.of(TASK_DEFINITION):
            if not names(service, "taskDefinition", task):
                continue
            if _is_fargate(task) and delay > _LONGEST_STOP:
                yield (
                    f"deregistrationDelay is {delay}, more than any stopTimeout on "
                    f"Fargate ({_LONGEST_STOP})"
                )
                return
            for container in containers(task):
                stop = _seconds(container.get("stopTimeout"), _DEFAULT_STOP)
                if container.name in serving and delay > stop:
                    yield (
                        f"deregistrationDelay is {delay}, more than stopTimeout of "
                        f"{container.name}, {stop}"
                    )


@policy(
    "health-path-of-its-own",
    TARGET_GROUP,
    title="Health checks ask a path that is made for them",
    severity=Severity.LOW,
    source=Source.OWN,
    remedy="Set path in health_check to one that tells whether the app can serve, such "
    'as "/health".',
)
def health_path(group: Resource) -> Iterator[str]:
    """A home page answers while the app behind it is broken, and costs more."""
    if not _asks_by_http(group):
        return
    default = "/"
    if group.get("protocolVersion") == "GRPC":
        default = "/AWS.ALB/healthcheck"
    if group.get("healthCheck.path", default) == "/":
        yield "healthCheck.path is /"


@policy(
    "review-stack-expires",
    CLUSTER,
    SERVICE,
    title="Stacks for a review say when they end",
    severity=Severity.LOW,
    source=Source.OWN,
    remedy='Set a tag such as {"Expires": "2030-01-31"} or {"TTL": "72h"} on the '
    "service or the cluster, or in the provider's default_tags.",
)
def review_stack_expires(resource: Resource, graph: ResourceGraph) -> Iterator[str]:
    """Nobody remembers the stack of a pull request that was closed."""
    if not graph.stack.startswith("pr-"):
        return
    members = graph.of(CLUSTER, SERVICE)
    # Said once a stack.
    if resource.urn != members[0].urn:
        return
    if any(_expires(member) for member in members):
        return
    if any(_tags_expiry(provider) for provider in graph.of(AWS_PROVIDER)):
        return
    yield f"no tag of the stack {graph.stack} says when it ends"


@policy(
    "nat-gateway-only-in-production",
    NAT_GATEWAY,
    title="Only production pays for NAT gateways",
    severity=Severity.LOW,
    source=Source.OWN,
    remedy="Use a NAT instance, VPC endpoints, or public subnets with closed security "
    "groups.",
)
def no_idle_nat_gateway(gateway: Resource, graph: ResourceGraph) -> Iterator[str]:
    """It costs the same whether anybody works with the stack or not."""
    del gateway
    if not graph.stack.startswith("prod"):
        yield f"a NAT gateway costs 38 USD a month, and the stack is {graph.stack}"


_DEFAULT_DRAIN = 300
_DEFAULT_STOP = 30
_LONGEST_STOP = 120
"""Seconds that Fargate waits between SIGTERM and SIGKILL at most."""

_VALUE = ("secretString", "secretStringWo", "secretBinary")

_MOVING_STRATEGIES = ("BLUE_GREEN", "CANARY", "LINEAR")

_HASH_NAME = re.compile(r"(HASH|SHA\d*|DIGEST|CHECKSUM|FINGERPRINT|VERSION)$")

_EXPIRY_TAG = re.compile(r"ttl(?![ei])|expir", re.IGNORECASE)
"""Not in `throttle`, nor in `settings`."""


def _image(reference: str) -> tuple[str, str]:
    """Repository and version of an image: the digest, else the tag."""
    named, _, digest = reference.partition("@")
    path, slash, last = named.rpartition("/")
    base, _, tag = last.partition(":")
    return f"{path}{slash}{base}", digest or tag or "latest"


def _secret(reference: str) -> tuple[str, str]:
    """ARN and version of a secret: ARN:JSON_KEY:STAGE:VERSION, the rest optional."""
    fields = reference.split(":")
    return ":".join(fields[:7]), fields[9] if len(fields) > 9 else ""


def _is_hash(variable: str, secret: str) -> bool:
    """Whether a variable's name says that it is a hash of the secret, or of all."""
    upper = variable.upper()
    of_it = upper.startswith((secret.upper(), "SECRET", "CONFIG"))
    return of_it and _HASH_NAME.search(upper) is not None


def _secrets_with_value(graph: ResourceGraph) -> frozenset[str]:
    """ARNs of the secrets whose value is the stack's, and changes with it only."""
    ours = {
        arn
        for version in graph.of(SECRET_VERSION)
        if any(version.has(key) and not _ignores(version, key) for key in _VALUE)
        for arn in _secret_arns(version, graph)
    }
    rotated = {
        arn
        for rotation in graph.of(SECRET_ROTATION)
        for arn in _secret_arns(rotation, graph)
    }
    return frozenset(ours - rotated)


def _secret_arns(resource: Resource, graph: ResourceGraph) -> Iterator[str]:
    """The ARN of the secret that a version or a rotation is of, where it is known."""
    yield str(resource.inputs.get("secretId"))
    for secret in graph.of(SECRET):
        if secret.id and names(resource, "secretId", secret):
            yield secret.id


def _has_sorted_keys(text: str) -> bool:
    """Whether every object has its keys sorted.

    Raises ValueError when it is no JSON.
    """
    ordered = True

    def look(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal ordered
        keys = [key for key, _ in pairs]
        ordered = ordered and keys == sorted(keys)
        return dict(pairs)

    json.loads(text, object_pairs_hook=look)
    return ordered


def _ignores(resource: Resource, key: str) -> bool:
    """Whether the program leaves changes of an input, or of all of them, alone."""
    ignored = {re.split(r"[.\[]", path)[0] for path in resource.ignore_changes}
    return not ignored.isdisjoint({key, _snake(key), "*"})


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", key)


def _scales(target: Resource, service: Resource) -> bool:
    """Whether a scalable target is the number of a service's tasks."""
    if service.urn in target.comes_from("resourceId"):
        return True
    # service/CLUSTER/NAME
    last = str(target.inputs.get("resourceId")).rpartition("/")[2]
    return last in (service.inputs.get("name"), service.outputs.get("name"))


def _moved_by_deployment(router: Resource, graph: ResourceGraph) -> bool:
    if graph.referring(router, CODE_DEPLOY_GROUP, "loadBalancerInfo"):
        return True
    for service in graph.referring(router, SERVICE, "loadBalancers"):
        if service.get("deploymentConfiguration.strategy") not in _MOVING_STRATEGIES:
            continue
        # Where a service has rules, a listener is only there for their sake.
        if router.type == LISTENER_RULE or not any(
            names(service, "loadBalancers", rule) for rule in graph.of(LISTENER_RULE)
        ):
            return True
    return False


def _sends_to(balancer: Resource, group: Resource) -> bool:
    """Whether a load balancer of a service is that of a group, or not yet known."""
    known = isinstance(balancer.inputs.get("targetGroupArn"), str)
    return not known or any(
        names(balancer, key, group)
        for key in ("targetGroupArn", "advancedConfiguration")
    )


def _seconds(value: object, default: int) -> int:
    try:
        return int(str(value))
    except ValueError:
        return default


def _is_fargate(task: Resource) -> bool:
    return "FARGATE" in as_list(task.get("requiresCompatibilities"))


def _asks_by_http(group: Resource) -> bool:
    if group.get("targetType") == "lambda":
        # Asked only on demand, and by an event that the function has to know.
        return group.get("healthCheck.enabled") is True
    own = "HTTP" if group.get("protocol") in ("HTTP", "HTTPS") else "TCP"
    return str(group.get("healthCheck.protocol", own)).upper() in ("HTTP", "HTTPS")


def _expires(member: Resource) -> bool:
    return any(_names_expiry(member.get(path)) for path in ("tags", "tagsAll"))


def _tags_expiry(provider: Resource) -> bool:
    """Whether the provider tags everything with an end."""
    try:
        tags = provider.document("defaultTags")
    except ValueError:
        return False
    return isinstance(tags, Mapping) and _names_expiry(tags.get("tags"))


def _names_expiry(tags: object) -> bool:
    return isinstance(tags, Mapping) and any(_EXPIRY_TAG.search(key) for key in tags)
