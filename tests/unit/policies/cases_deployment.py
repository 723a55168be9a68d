"""What breaks our own policies about deployments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from resource_graph import SECRET as HIDDEN
from resource_graph import UNKNOWN, Resource
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
from tests.unit.policies.casework import Case, resource

DIGEST = f"sha256:{'1' * 64}"
OTHER_DIGEST = f"sha256:{'2' * 64}"
ARN = "arn:aws:secretsmanager:eu-central-1:1:secret:jwt-AbCdEf"

ROUTE = [{"type": "forward"}]
SCALED = "service/main/app"


def of_stack(stack: str, *resources: Resource) -> list[Resource]:
    """The same resources in another stack."""
    return [
        replace(found, urn=found.urn.replace("pulumi:test::", f"pulumi:{stack}::"))
        for found in resources
    ]


def task(*containers: Mapping[str, Any], **inputs: Any) -> Resource:
    definitions = json.dumps(containers, sort_keys=True)
    return resource(TASK_DEFINITION, containerDefinitions=definitions, **inputs)


def container(image: str = f"app@{DIGEST}", name: str = "app") -> dict[str, Any]:
    return {"name": name, "image": image}


def variables(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "value": "x"} for name in names]


def with_secret(version: str = "", *environment: str) -> Resource:
    secret = {"name": "JWT_SECRET", "valueFrom": f"{ARN}{version}"}
    return task(
        {"name": "app", "secrets": [secret], "environment": variables(*environment)}
    )


def value(*, ignore_changes: Sequence[str] = (), **inputs: Any) -> Resource:
    return resource(
        SECRET_VERSION,
        ignore_changes=ignore_changes,
        **{"secretId": ARN, "secretString": HIDDEN, **inputs},
    )


def service(strategy: str | None = None, *routers: Resource) -> Resource:
    configuration = {} if strategy is None else {"strategy": strategy}
    return resource(
        SERVICE,
        comes_from={"loadBalancers": routers},
        deploymentConfiguration=configuration,
    )


def scaled_service(*ignored: str, name: str = "app") -> Resource:
    found = resource(SERVICE, name, desiredCount=2, ignore_changes=ignored)
    return replace(found, inputs={**found.inputs, "name": name})


def rule(*ignored: str) -> Resource:
    return resource(LISTENER_RULE, actions=ROUTE, ignore_changes=ignored)


def listener(*ignored: str) -> Resource:
    return resource(LISTENER, defaultActions=ROUTE, ignore_changes=ignored)


def drained(
    delay: int | None, stop: int | None, *, fargate: bool = True
) -> list[Resource]:
    """A target group in front of the container `app`, which has a helper."""
    group = resource(TARGET_GROUP)
    if delay is not None:
        group = resource(TARGET_GROUP, deregistrationDelay=delay)
    app = {"name": "app", **({} if stop is None else {"stopTimeout": stop})}
    definition = task(
        app,
        {"name": "helper", "stopTimeout": 2},
        requiresCompatibilities=["FARGATE" if fargate else "EC2"],
    )
    return [
        group,
        definition,
        resource(
            SERVICE,
            comes_from={"loadBalancers": [group], "taskDefinition": [definition]},
            loadBalancers=[
                {"containerName": "app", "targetGroupArn": UNKNOWN},
                {"containerName": "helper", "targetGroupArn": "arn:of-another"},
            ],
        ),
    ]


def health(**inputs: Any) -> Resource:
    return resource(TARGET_GROUP, **{"targetType": "ip", "protocol": "HTTP", **inputs})


CLUSTER_ALONE = resource(CLUSTER)
CLUSTER_THAT_ENDS = resource(CLUSTER, tags={"stromhaltig:ttl": UNKNOWN})

CASES = (
    Case(
        id="app-image-by-digest",
        good=[task(container(), container(f"app:1.2@{DIGEST}"))],
        bad={
            "tag": ([task(container("app:1.2"))], "image of app is app:1.2"),
            "neither": ([task(container("app"))], "without digest"),
            "left out": ([task({"name": "app"})], "not set"),
            "one of two": (
                [task(container(), container("log-router:stable", "router"))],
                "image of router is log-router:stable",
            ),
        },
    ),
    Case(
        id="one-image-a-task",
        good=[
            task(container(), container(name="migrate")),
            task(container(), container(f"app:1.2@{DIGEST}", "migrate")),
            task(container("app"), container("app:latest", "migrate")),
            task(container(), container(f"migrator@{OTHER_DIGEST}", "migrate")),
            task({"name": "app"}, container(name="migrate")),
        ],
        bad={
            "another digest": (
                [task(container(), container(f"app@{OTHER_DIGEST}", "migrate"))],
                "image of app and migrate is not the same version of app",
            ),
            "another tag, in a registry with a port": (
                [
                    task(
                        container("registry:5000/app:1"),
                        container("registry:5000/app:2", "migrate"),
                    )
                ],
                "registry:5000/app",
            ),
            "digest and tag": (
                [task(container(), container("app:1.2", "migrate"))],
                "not the same version",
            ),
        },
    ),
    Case(
        id="secret-version-pinned",
        good=[
            with_secret(":::5f1b"),
            with_secret("", "JWT_SECRET_SHA256"),
            with_secret("", "SECRETS_HASH"),
            task({"name": "app"}),
            value(),
        ],
        bad={
            "not pinned": (
                [with_secret(), value()],
                "valueFrom of JWT_SECRET in app names no version",
            ),
            "only a key of it": ([with_secret(":password::"), value()], "no version"),
            "a stage is not a version": (
                [with_secret("::AWSCURRENT:"), value()],
                "no version",
            ),
            "the hash of something else": (
                [with_secret("", "DATABASE_URL_HASH"), value()],
                "no version",
            ),
            "another secret is rotated": (
                [
                    with_secret(),
                    value(),
                    resource(SECRET_ROTATION, secretId=f"{ARN}-other"),
                ],
                "no version",
            ),
            "by the secret's id": (
                [
                    with_secret(),
                    secret := replace(resource(SECRET), id=ARN),
                    resource(
                        SECRET_VERSION,
                        comes_from={"secretId": [secret]},
                        secretString="x",
                    ),
                ],
                "no version",
            ),
        },
    ),
    Case(
        id="container-definitions-canonical",
        good=[
            task({**container(), "environment": variables("A", "B")}),
            resource(TASK_DEFINITION, containerDefinitions=[container()]),
        ],
        bad={
            "keys": (
                [
                    resource(
                        TASK_DEFINITION,
                        containerDefinitions='[{"name": "app", "image": "app"}]',
                    )
                ],
                "keys that are not sorted",
            ),
            "environment": (
                [task({"name": "app", "environment": variables("B", "A")})],
                "environment of app is not sorted",
            ),
            "secrets": (
                [task({"name": "app", "secrets": variables("B", "A")})],
                "secrets of app is not sorted",
            ),
            "no JSON": (
                [resource(TASK_DEFINITION, containerDefinitions="[{")],
                "is no JSON",
            ),
        },
    ),
    Case(
        id="desired-count-left-to-autoscaling",
        good=[
            scaled_service("desiredCount"),
            resource(SCALABLE_TARGET, resourceId=SCALED),
            scaled_service(name="other"),
        ],
        bad={
            "not ignored": (
                [scaled_service(), resource(SCALABLE_TARGET, resourceId=SCALED)],
                "desiredCount is scaled automatically",
            ),
            "something else is ignored": (
                [
                    scaled_service("taskDefinition"),
                    resource(SCALABLE_TARGET, resourceId=SCALED),
                ],
                "not ignored",
            ),
            "before it has a name": (
                [
                    unnamed := resource(SERVICE),
                    resource(SCALABLE_TARGET, comes_from={"resourceId": [unnamed]}),
                ],
                "not ignored",
            ),
        },
    ),
    Case(
        id="traffic-left-to-deployments",
        good=[
            rule("actions"),
            # The rule is what the service moves; the listener carries it.
            listener(),
            service("CANARY", rule(), listener()),
        ],
        bad={
            "canary": (
                [rule(), service("CANARY", rule())],
                "actions is rewritten by deployments",
            ),
            "blue/green": ([rule(), service("BLUE_GREEN", rule())], "not ignored"),
            "something else is ignored": (
                [rule("priority"), service("LINEAR", rule())],
                "not ignored",
            ),
            "by the listener itself": (
                [listener(), service("BLUE_GREEN", listener())],
                "defaultActions is rewritten",
            ),
            "by CodeDeploy": (
                [
                    listener(),
                    resource(
                        CODE_DEPLOY_GROUP, comes_from={"loadBalancerInfo": [listener()]}
                    ),
                ],
                "defaultActions is rewritten",
            ),
        },
    ),
    Case(
        id="requests-finish-before-a-task-is-killed",
        good=[*drained(30, 60), resource(TARGET_GROUP, "of-nobody")],
        bad={
            "killed before": (
                drained(60, 30),
                "deregistrationDelay is 60, more than stopTimeout of app, 30",
            ),
            "stopTimeout left to its default": (drained(31, None), "of app, 30"),
            "both left to their default": (drained(None, None), "is 300, more than"),
            "not to be had on Fargate": (
                drained(121, 120),
                "any stopTimeout on Fargate (120)",
            ),
            "too long for EC2": (
                drained(600, 300, fargate=False),
                "deregistrationDelay is 600",
            ),
        },
    ),
    Case(
        id="health-path-of-its-own",
        good=[
            health(healthCheck={"path": "/health"}),
            health(protocolVersion="GRPC"),
            health(protocol="TCP"),
            health(healthCheck={"protocol": "TCP"}),
            resource(TARGET_GROUP, targetType="lambda"),
        ],
        bad={
            "home page": ([health(healthCheck={"path": "/"})], "healthCheck.path is /"),
            "left to its default": ([health()], "healthCheck.path is /"),
            "by HTTP behind TCP": (
                [health(protocol="TCP", healthCheck={"protocol": "HTTP"})],
                "healthCheck.path is /",
            ),
            "of a function": (
                [
                    resource(
                        TARGET_GROUP, targetType="lambda", healthCheck={"enabled": True}
                    )
                ],
                "healthCheck.path is /",
            ),
        },
    ),
    Case(
        id="review-stack-expires",
        good=of_stack("pr-12", CLUSTER_THAT_ENDS, resource(SERVICE)),
        bad={
            "none": (of_stack("pr-12", CLUSTER_ALONE, resource(SERVICE)), "pr-12"),
            "in a cluster of others": (of_stack("pr-12", resource(SERVICE)), "pr-12"),
            "other tags": (
                of_stack(
                    "pr-12",
                    resource(CLUSTER, tags={"throttle": "1"}, tagsAll={"Project": "x"}),
                    resource(AWS_PROVIDER, defaultTags='{"tags": {"Settings": "x"}}'),
                ),
                "no tag",
            ),
        },
    ),
    Case(
        id="nat-gateway-only-in-production",
        good=of_stack("production", resource(NAT_GATEWAY)),
        bad={
            "in another stack": ([resource(NAT_GATEWAY)], "the stack is test"),
        },
    ),
    # More that passes than fits into one graph.
    Case(
        id="secret-version-pinned",
        good=[with_secret(), value(ignore_changes=["secretString"])],
    ),
    Case(id="secret-version-pinned", good=[with_secret(), value(secretString=None)]),
    Case(id="secret-version-pinned", good=[with_secret()]),
    Case(
        id="secret-version-pinned",
        good=[with_secret(), value(), resource(SECRET_ROTATION, secretId=ARN)],
    ),
    Case(
        id="desired-count-left-to-autoscaling",
        good=[
            scaled_service("desired_count"),
            resource(SCALABLE_TARGET, resourceId=SCALED),
        ],
    ),
    Case(
        id="desired-count-left-to-autoscaling",
        good=[scaled_service("*"), resource(SCALABLE_TARGET, resourceId=SCALED)],
    ),
    Case(
        id="traffic-left-to-deployments",
        good=[rule(), service("ROLLING", rule())],
    ),
    Case(id="traffic-left-to-deployments", good=[rule(), service(None, rule())]),
    Case(
        id="traffic-left-to-deployments",
        good=[rule("actions[0].forward"), service("CANARY", rule())],
    ),
    Case(
        id="review-stack-expires",
        good=of_stack(
            "pr-12",
            CLUSTER_ALONE,
            resource(SERVICE, tagsAll={"ExpiresAt": "2030-01-31"}),
        ),
    ),
    Case(
        id="review-stack-expires",
        good=of_stack(
            "pr-12",
            CLUSTER_ALONE,
            resource(AWS_PROVIDER, defaultTags='{"tags": {"TTL": "72h"}}'),
        ),
    ),
    Case(id="review-stack-expires", good=[CLUSTER_ALONE]),
)
