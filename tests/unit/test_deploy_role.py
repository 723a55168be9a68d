"""Who deploys: all that the stack takes, nothing of others, and never more rights.

The policies are evaluated the way IAM does it, request by request. What a request
looks like is told here independently of the policies: which ARN a thing has, and
which tags it is given or has already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pulumi
import pulumi_aws as aws
import pytest
import yaml

from components.backup_plan import (
    BACKUP_LIMIT,
    BackupCopy,
    BackupPlan,
    BackupPlanArgs,
)
from components.deploy_calls import BOUND, TABLE, Calls
from components.deploy_permissions import MANAGED_POLICIES, SERVICE_ROLES, beginning
from components.deploy_role import (
    GITHUB,
    DeployRole,
    DeployRoleArgs,
    ReviewRoleArgs,
    bounded_roles,
)
from components.review_permissions import REVIEW_TABLE
from components.state_backend import StateBackendFacts
from names import CACHE_LIMIT, LOAD_BALANCER_LIMIT, bounded
from tests.graph import Graph, Recorded
from tests.stacks import deploy, review

ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
POLICY = "aws:iam/policy:Policy"
PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"

ACCOUNT = "123456789012"
REGION = "eu-central-1"
NAME = "stromhaltig-production"
LONGEST_NAME = "stromhaltig-a-stack-with-a-long-name"
TAGS = {"Project": "stromhaltig", "Environment": "production"}
ZONE = "Z0123456789ABCDEFGHIJ"
STATE = "arn:aws:s3:::stromhaltig-state-0a1b2c3"
STATE_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/5747a7e"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/deploy/{NAME}-boundary"

GLOBAL = ("budgets", "cloudfront", "iam", "route53")

# Service -> resources in ARNs of a stack's things, as AWS writes them.
NAMED = {
    "backup": ["backup-vault:{backup}", "restore-testing-plan:{backup_}-1a2b"],
    "budgets": ["budget/{name}"],
    "cloudwatch": ["alarm:{name}", "dashboard/{name}"],
    "ec2": ["network-interface/eni-0a1b"],
    "ecr": ["repository/{name}"],
    "ecs": ["cluster/{name}", "service/{name}/{name}", "task-definition/{name}:7"],
    "elasticache": [
        "replicationgroup:{cache}",
        "subnetgroup:{name}",
        "parametergroup:{name}",
    ],
    "events": ["rule/{name}"],
    "iam": ["role/{name}"],
    "kms": ["alias/{name}"],
    "lambda": ["function:{name}"],
    "logs": [
        "log-group:{name}",
        "log-group:/ecs/{name}:*",
        "log-group:/aws/rds/instance/{name}/postgresql:*",
        "log-group:/aws/vendedlogs/elasticache/{cache}/slow-log",
        "log-group:aws-waf-logs-{name}",
        "delivery-source:{name}",
        "delivery-destination:{name}",
    ],
    "rds": ["db:{name}", "subgrp:{name}", "pg:{name}", "es:{name}", "snapshot:{name}"],
    "scheduler": ["schedule/{name}/{name}", "schedule-group/{name}"],
    "secretsmanager": ["secret:{secrets}/JWT_SECRET-AbCdEf"],
    "sns": ["{name}"],
    "sqs": ["{name}"],
    "wafv2": ["regional/webacl/{name}/0a1b", "global/webacl/{name}/0a1b"],
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call as IAM sees it."""

    action: str
    resource: str
    region: str = REGION
    context: Mapping[str, str] = field(default_factory=dict)

    def key(self, name: str) -> str | None:
        if name == "aws:RequestedRegion":
            return "us-east-1" if self.action.split(":")[0] in GLOBAL else self.region
        return self.context.get(name)


def allowed(statements: Sequence[Mapping[str, Any]], request: Request) -> bool:
    """IAM's verdict on one policy, or several of one kind."""
    effects = {s["Effect"] for s in statements if _applies(s, request)}
    return effects == {"Allow"}


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    if "NotAction" in statement:
        called = not _any(statement["NotAction"], request.action)
    else:
        called = _any(statement["Action"], request.action)
    return (
        called
        and _any(statement["Resource"], request.resource)
        and all(
            _met(operator, request.key(key), _listed(wanted))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _met(operator: str, value: str | None, wanted: Sequence[str]) -> bool:
    if operator == "Null":
        return wanted == [str(value is None).lower()]
    if value is None:
        return False
    if operator == "StringEquals":
        return value in wanted
    assert operator in ("StringLike", "ArnEquals")
    return _any(wanted, value)


def _any(patterns: str | Sequence[str], text: str) -> bool:
    return _matcher(tuple(_listed(patterns))).fullmatch(text) is not None


@cache
def _matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    escaped = "|".join(re.escape(pattern) for pattern in patterns)
    return re.compile(escaped.replace(r"\*", ".*").replace(r"\?", "."))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def arguments(**args):
    wanted = {
        "repository": "stromdao/stromhaltig",
        "environment": "production",
        "preview_environment": "production-preview",
        "account_id": ACCOUNT,
        "stack_name": NAME,
        "secrets": "stromhaltig/production",
        "tags": TAGS,
        "regions": [REGION],
        "zone_ids": [ZONE],
        "state": StateBackendFacts(bucket_arn=STATE, key_arn=STATE_KEY),
    }
    return DeployRoleArgs(**{**wanted, **args})


BASE_TAGS = {**TAGS, "Environment": "staging"}
REVIEW_TAGS = {"Project": "stromhaltig", "Environment": "pr-7", "PullRequest": "7"}
REVIEW_BOUNDARY = (
    f"arn:aws:iam::{ACCOUNT}:policy/deploy/stromhaltig-staging-review-boundary"
)


def of_reviews(**args):
    wanted = {
        "environment": "review",
        "stack_name": "stromhaltig-pr-",
        "secrets": "stromhaltig/pr-*",
        "tags": {"Project": "stromhaltig", "Environment": "pr-*"},
        "region": REGION,
        "function_name": "stromhaltig-staging-reviews",
        "project": "stromhaltig",
        "base": "staging",
        "stacks": "pr-*",
    }
    return ReviewRoleArgs(**{**wanted, **args})


def roles(**args):
    wanted = arguments(**args)
    return DeployRole(wanted.stack_name, wanted)


@cache
def built() -> Graph:
    graph = Graph()
    graph.build(roles)
    return graph


@cache
def beside_staging() -> Graph:
    """Roles of staging, with that of reviews."""
    graph = Graph()
    graph.build(
        lambda: roles(
            stack_name="stromhaltig-staging",
            secrets="stromhaltig/staging",
            tags=BASE_TAGS,
            environment="staging",
            preview_environment="staging-preview",
            review=of_reviews(),
        )
    )
    return graph


def role(graph: Graph, kind: str) -> Recorded:
    (found,) = [r for r in graph.all(ROLE) if r.name.endswith(f"-{kind}")]
    return found


def granted(graph: Graph, kind: str) -> list[dict[str, Any]]:
    """Statements of all policies that a role has, attached or written into it."""
    name = role(graph, kind).outputs["name"]
    attached = {a["policyArn"] for a in graph.all(ATTACHMENT) if a["role"] == name}
    documents = [
        json.loads(policy["policy"])
        for policy in (*graph.all(POLICY), *graph.all(ROLE_POLICY))
        if policy.outputs["arn"] in attached or policy.get("role") == name
    ]
    return [statement for document in documents for statement in document["Statement"]]


def limit(graph: Graph, name: str = f"{NAME}-boundary") -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] = graph.policy(POLICY, name)["Statement"]
    return statements


def review_limit() -> list[dict[str, Any]]:
    return limit(beside_staging(), "stromhaltig-staging-review-boundary")


def tagged(how: str, tags: Mapping[str, str] = TAGS) -> dict[str, str]:
    return {f"aws:{how}Tag/{key}": value for key, value in tags.items()}


def arns(service: str, name: str) -> list[str]:
    """ARNs of things of the stack with this name."""
    if service == "s3":
        return [f"arn:aws:s3:::{name}-logs-0a1b2c3"]
    if service == "route53":
        return [f"arn:aws:route53:::hostedzone/{ZONE if name == NAME else 'ZOTHER'}"]
    region = "" if service in GLOBAL else REGION
    backup = f"{bounded(f'{name}-backup', BACKUP_LIMIT)}-0a1b2c3"
    return [
        f"arn:aws:{service}:{region}:{ACCOUNT}:"
        + resource.format(
            name=f"{name}-thing-0a1b2c3",
            backup=backup,
            backup_=backup.replace("-", "_"),
            cache=f"{bounded(f'{name}-cache', CACHE_LIMIT)}-0a1b2c3",
            secrets=name.replace("-", "/", 1),
        )
        for resource in NAMED[service]
    ]


def requests(
    calls: Calls,
    how: str,
    name: str,
    tags: Mapping[str, str],
    boundary: str = BOUNDARY,
):
    """One request for each call that is bound in this way."""
    service = calls.service
    kind = "security-group" if how == "claims" else "thing"
    by_id = f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}/0a1b2c3d"
    context = {
        "creates": tagged("Request", tags),
        "tags": {**tagged("Request", tags), f"{service}:CreateAction": "Create"},
        "claims": tagged("Request", tags),
        "changes": tagged("Resource", tags),
    }.get(how, {})
    if service == "iam":
        context = {
            "iam:PermissionsBoundary": boundary,
            "iam:PolicyARN": f"arn:aws:iam::aws:policy/{MANAGED_POLICIES[0]}",
            "iam:PassedToService": "ecs-tasks.amazonaws.com",
        }
    for action in calls.actions(how):
        for resource in arns(service, name) if how == "named" else [by_id]:
            yield Request(action=action, resource=resource, context=context)


def everything(name: str = NAME, tags: Mapping[str, str] = TAGS, bound=BOUND):
    """Type and request, for each call in the table."""
    for type_, entries in TABLE.items():
        for calls in entries:
            for how in bound:
                for request in requests(calls, how, name, tags):
                    yield type_, request


def components() -> Iterator[tuple[str, str]]:
    """File and type of each AWS resource that a component makes."""
    folder = Path(__file__).parents[2] / "components"
    for file in sorted(folder.rglob("*.py")):
        for module, kind in re.findall(
            r"\baws\.([a-z0-9]+)\.([A-Z]\w+)\(", file.read_text(encoding="utf-8")
        ):
            if not kind.endswith(("Args", "ArgsDict")):
                token = f"aws:{module}/{kind[0].lower()}{kind[1:]}:{kind}"
                yield file.name, token


def test_every_type_that_a_stack_can_have_is_in_the_table():
    made = {token for file, token in components() if file != "deploy_role.py"}
    assert made - TABLE.keys() == set()


def test_every_call_in_the_table_is_allowed_for_the_stacks_own_things():
    statements = granted(built(), "apply")
    refused = [
        f"{type_} {request.action} {request.resource}"
        for type_, request in everything()
        if not allowed(statements, request)
    ]
    assert refused == []


# Types of which `tests.fakes` makes up the ARN as AWS would.
WITH_ARN = {
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:ecr/repository:Repository",
    "aws:ecs/cluster:Cluster",
    "aws:ecs/service:Service",
    "aws:ecs/taskDefinition:TaskDefinition",
    "aws:iam/role:Role",
    "aws:kms/alias:Alias",
    "aws:rds/instance:Instance",
    "aws:s3/bucket:Bucket",
    "aws:secretsmanager/secret:Secret",
}


@pytest.mark.parametrize("stack", ["production", "staging"])
def test_what_a_stack_is_made_of_can_be_deployed_by_its_role(stack):
    name = f"stromhaltig-{stack}"
    policies, program = Graph(), deploy(stack)
    policies.build(lambda: roles(stack_name=name, secrets=f"stromhaltig/{stack}"))
    limit_arn = f"arn:aws:iam::{ACCOUNT}:policy/deploy/{name}-boundary"
    statements = granted(policies, "apply")
    made = [r for r in program.resources if r.type.startswith("aws:")]
    assert {resource.type for resource in made} <= TABLE.keys()
    checked = 0
    for resource in made:
        own = [c for c in TABLE[resource.type] if c.service == service_of(resource)]
        for action in own[0].actions("named") if resource.type in WITH_ARN else ():
            context = {
                "iam:PermissionsBoundary": limit_arn,
                "iam:PassedToService": SERVICE_ROLES[0],
            }
            arn = resource.outputs["arn"]
            request = Request(action=action, resource=arn, context=context)
            assert allowed(statements, request), request
            checked += 1
    assert checked > 50


def service_of(resource: Recorded) -> str:
    return str(resource.outputs["arn"]).split(":")[2]


@pytest.mark.parametrize("stack", ["production", "staging"])
def test_a_stack_gives_its_things_the_tags_that_bind_its_role(stack):
    file = Path(__file__).parents[2] / f"Pulumi.{stack}.yaml"
    config = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]
    given = config["aws:defaultTags"]["tags"]
    assert {**TAGS, "Environment": stack}.items() <= given.items()


def test_nothing_in_the_table_is_beyond_the_boundary():
    statements = limit(built())
    refused = [
        f"{type_} {request.action} {request.resource}"
        for type_, request in everything()
        if not allowed(statements, request)
    ]
    assert refused == []


def command_requests(
    name: str = NAME, tags: Mapping[str, str] = TAGS
) -> Iterator[tuple[str, Request]]:
    """Command and request: what commands call beside `pulumi up`, as AWS sees it."""
    live, scratch = f"db:{name}-0a1b2c3", f"db:{name}-0a1b2c3-scratch-261129120000"
    log = f"log-group:/ecs/{name}"
    task, definition = f"task/{name}/0a1b2c", f"task-definition/{name}"
    cluster = {"ecs:cluster": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{name}"}
    made = tagged("Request", tags)
    new_task = {**made, "ecs:CreateAction": "RunTask"}
    rule = {**made, "elasticloadbalancing:CreateAction": "CreateRule"}
    listener = {**made, **tagged("Resource", tags)}
    aws_backups = {**made, **tagged("Resource", tags)}
    restored = (
        f"subgrp:{name}-0a1b2c3",
        f"pg:{name}-0a1b2c3",
        "og:default:postgres-17",
    )
    calls: Sequence[tuple[str, str, Sequence[str], Mapping[str, str]]] = [
        ("deploy", "logs:GetLogEvents", [f"{log}:log-stream:ecs/app/0a1b"], {}),
        ("deploy", "ecs:RunTask", [f"{definition}-oneoff:3"], cluster),
        ("deploy", "ecs:RunTask", [f"{definition}-job-dump:3"], cluster),
        ("deploy", "ecs:TagResource", [task], new_task),
        ("deploy", "ecs:StopTask", [task], cluster),
        ("deploy", "ecs:RegisterTaskDefinition", [f"{definition}-oneoff:*"], {}),
        ("deploy", "ecs:DescribeTasks", [task], {}),
        ("deploy", "rds:CreateDBSnapshot", [live, f"snapshot:{name}-0a1b2c3-x"], made),
        ("deploy", "rds:AddTagsToResource", [f"snapshot:{name}-0a1b2c3-x"], made),
        (
            "deploy",
            "rds:DeleteDBSnapshot",
            [f"snapshot:{name}-0a1b2c3-before-deploy-20261029-120000"],
            {},
        ),
        ("rollback", "ecs:UpdateService", [f"service/{name}/{name}"], cluster),
        ("rollback", "ecs:ListServiceDeployments", [f"service/{name}/{name}"], {}),
        (
            "db drill",
            "rds:RestoreDBInstanceFromDBSnapshot",
            [scratch, f"snapshot:rds:{name}-0a1b2c3-2026-11-29", *restored],
            made,
        ),
        (
            "db drill",
            "rds:RestoreDBInstanceFromDBSnapshot",
            [f"snapshot:{name}-0a1b2c3-x"],
            made,
        ),
        (
            "db drill",
            "rds:RestoreDBInstanceFromDBSnapshot",
            ["snapshot:awsbackup:job-0a1b"],
            aws_backups,
        ),
        (
            "db drill",
            "rds:RestoreDBInstanceToPointInTime",
            [live, scratch, *restored],
            made,
        ),
        ("db drill", "rds:AddTagsToResource", [scratch], made),
        ("db drill", "rds:ModifyDBInstance", [scratch], {}),
        ("db drill", "rds:DeleteDBInstance", [scratch], {}),
        ("doctor", "cloudwatch:GetMetricData", ["*"], {}),
        ("doctor", "servicequotas:GetServiceQuota", ["*"], {}),
        ("doctor", "ecr:DescribeImages", [f"repository/{name}"], {}),
        ("doctor", "sqs:GetQueueAttributes", [f"{name}-jobs-0a1b2c3"], {}),
        ("watch", "logs:FilterLogEvents", [f"{log}:*"], {}),
        (
            "maintenance",
            "elasticloadbalancing:CreateRule",
            ["listener/app/a/b/c"],
            listener,
        ),
        ("maintenance", "elasticloadbalancing:AddTags", ["listener-rule/app/a"], rule),
        *(
            (
                "maintenance",
                f"elasticloadbalancing:{call}",
                ["listener-rule/app/a/b/c/d"],
                tagged("Resource", tags),
            )
            for call in ("ModifyRule", "DeleteRule")
        ),
    ]
    for command, action, resources, context in calls:
        for resource in resources:
            service = action.split(":")[0]
            arn = f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"
            yield command, Request(action=action, resource=arn, context=context)
    bucket = f"arn:aws:s3:::{name}-backups-0a1b2c3"
    for action, resource in (
        ("s3:ListBucket", bucket),
        ("s3:GetObject", f"{bucket}/dumps/2026-11-29.dump"),
    ):
        yield "db drill", Request(action=action, resource=resource)
    for kind in ("execution", "task"):
        role_arn = f"arn:aws:iam::{ACCOUNT}:role/{name}-{kind}-0a1b2c3"
        to_tasks = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
        request = Request(action="iam:PassRole", resource=role_arn, context=to_tasks)
        yield "deploy", request


def test_commands_may_call_what_they_need_of_the_stack():
    refused = [
        f"{command}: {request.action} {request.resource}"
        for command, request in command_requests()
        for statements in (granted(built(), "apply"), limit(built()))
        if not allowed(statements, request)
    ]
    assert refused == []


# Which figures and quotas: AWS knows no resource for them.
UNBOUND_IN_COMMANDS = {"cloudwatch:GetMetricData", "servicequotas:GetServiceQuota"}


def test_commands_may_call_nothing_of_another_stack():
    others = command_requests("stromhaltig-staging", {**TAGS, "Environment": "staging"})
    reached = [
        f"{command}: {request.action} {request.resource}"
        for command, request in others
        if allowed(granted(built(), "apply"), request)
        # All option groups are AWS's, and how things are set up may be seen.
        and ":og:default:" not in request.resource
        and not re.match(r"(ecs:(Describe|List)|sqs:Get)", request.action)
        and request.action not in UNBOUND_IN_COMMANDS
    ]
    assert reached == []


def test_a_task_is_started_in_the_stacks_cluster_only():
    definition = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{NAME}:7"
    other = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/stromhaltig-staging"
    request = Request(
        action="ecs:RunTask", resource=definition, context={"ecs:cluster": other}
    )
    assert not allowed(granted(built(), "apply"), request)


def test_a_snapshot_is_restored_beside_the_live_server_only():
    live = f"arn:aws:rds:{REGION}:{ACCOUNT}:db:{NAME}-0a1b2c3"
    request = Request(action="rds:RestoreDBInstanceFromDBSnapshot", resource=live)
    assert not allowed(granted(built(), "apply"), request)


@pytest.mark.parametrize("kept", ["final", "by-hand", "before"])
def test_no_snapshot_is_deleted_but_those_of_deployments(kept):
    snapshot = f"arn:aws:rds:{REGION}:{ACCOUNT}:snapshot:{NAME}-0a1b2c3-{kept}"
    request = Request(action="rds:DeleteDBSnapshot", resource=snapshot)
    assert not allowed(granted(built(), "apply"), request)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        (
            "ecs:ExecuteCommand",
            f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{NAME}/0a1b",
        ),
        ("ssm:StartSession", f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{NAME}/0a1b"),
        (
            "s3:GetObject",
            f"arn:aws:s3:::{NAME}-logs-0a1b2c3/alb/2026",
        ),
        (
            "logs:GetLogEvents",
            f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:aws-waf-logs-{NAME}:log-stream:a",
        ),
        ("sqs:ReceiveMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{NAME}-jobs-0a1b2c3"),
    ],
)
def test_what_is_for_people_is_not_for_pipelines(action, resource):
    request = Request(action=action, resource=resource, context=tagged("Resource"))
    assert not allowed(granted(built(), "apply"), request)


def test_things_of_another_stack_are_out_of_reach():
    statements = granted(built(), "apply")
    others = everything(
        "stromhaltig-staging",
        {**TAGS, "Environment": "staging"},
        [how for how in BOUND if how != "unbound"],
    )
    reached = [
        f"{type_} {request.action} {request.resource}"
        for type_, request in others
        # Whatever may be seen of it, nothing of it may be changed.
        if allowed(statements, request)
        and not _is_read(request.action)
        and request.action not in ON_UNTAGGED
    ]
    assert reached == []


# Network interfaces and volumes are nobody's; subnets and groups are the stack's.
ON_UNTAGGED = {
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:RunInstances",
}


@pytest.mark.parametrize("action", ["ec2:RunInstances", "ec2:CreateNetworkInterface"])
@pytest.mark.parametrize("kind", ["subnet", "security-group"])
def test_interfaces_are_made_in_the_stacks_own_network(action, kind):
    inside = Request(
        action=action,
        resource=f"arn:aws:ec2:{REGION}:{ACCOUNT}:{kind}/0a1b",
        context=tagged("Resource"),
    )
    # EC2 tells the tags of a request with what gets them, and not with a subnet.
    outside = Request(action=action, resource=inside.resource)
    assert allowed(granted(built(), "apply"), inside)
    assert not allowed(granted(built(), "apply"), outside)


def test_an_instance_needs_the_tags_and_its_parts_do_not():
    statements = granted(built(), "apply")
    own = f"arn:aws:ec2:{REGION}:{ACCOUNT}"

    def runs(resource: str, **context: str) -> bool:
        request = Request(action="ec2:RunInstances", resource=resource, context=context)
        return allowed(statements, request)

    assert runs(f"{own}:instance/*", **tagged("Request"))
    assert not runs(f"{own}:instance/*")
    for part in (
        f"{own}:volume/*",
        f"{own}:network-interface/*",
        f"arn:aws:ec2:{REGION}::image/ami-0a1b",
    ):
        assert runs(part)


def _is_read(action: str) -> bool:
    return bool(re.match(r"[\w-]+:(Describe|Get|List)", action))


@pytest.mark.parametrize("kind", ["instance", "volume", "vpc"])
def test_of_what_ec2_has_already_only_groups_can_be_claimed(kind):
    def claims(resource: str) -> bool:
        request = Request(
            action="ec2:CreateTags",
            resource=f"arn:aws:ec2:{REGION}:{ACCOUNT}:{resource}/0a1b",
            context=tagged("Request"),
        )
        return allowed(granted(built(), "apply"), request)

    assert claims("security-group")
    assert not claims(kind)


@pytest.mark.parametrize(
    "resource",
    [
        f"arn:aws:backup:{REGION}:{ACCOUNT}:recovery-point:0a1b",
        f"arn:aws:rds:{REGION}:{ACCOUNT}:snapshot:awsbackup:job-0a1b",
    ],
)
def test_no_backup_is_deleted_by_deploying(resource):
    for context in ({}, tagged("Resource")):
        request = Request(
            action="backup:DeleteRecoveryPoint", resource=resource, context=context
        )
        assert not allowed(granted(built(), "apply"), request)


def test_what_has_an_owner_cannot_be_claimed_by_tagging_it():
    statements = granted(built(), "apply")
    owned = {**tagged("Request"), **tagged("Resource", {"Environment": "staging"})}
    for type_, request in everything(bound=("tags", "claims")):
        claim = Request(action=request.action, resource=request.resource, context=owned)
        assert not allowed(statements, claim), type_


@pytest.mark.parametrize("kind", ["apply", "preview"])
def test_nothing_regional_is_done_in_another_region(kind):
    statements = granted(built(), kind)
    for type_, request in everything():
        service = request.action.split(":")[0]
        if service not in GLOBAL and not _is_read(request.action):
            abroad = Request(
                action=request.action,
                resource=request.resource.replace(REGION, "us-west-2"),
                region="us-west-2",
                context=request.context,
            )
            assert not allowed(statements, abroad), (type_, request.action)


def test_a_second_region_is_one_that_was_named():
    graph = Graph()
    graph.build(lambda: roles(regions=[REGION, "eu-west-1"]))
    backup = Request(
        action="backup:CreateBackupVault",
        resource=f"arn:aws:backup:eu-west-1:{ACCOUNT}:backup-vault:{NAME}-backup-copy",
        region="eu-west-1",
    )
    assert allowed(granted(graph, "apply"), backup)
    assert allowed(limit(graph), backup)
    assert not allowed(granted(built(), "apply"), backup)


OWN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/{NAME}-task-0a1b2c3"
WITHOUT_LIMIT = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}

RISES = [
    ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/{NAME}", {}),
    ("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/{NAME}", {}),
    ("iam:CreateLoginProfile", f"arn:aws:iam::{ACCOUNT}:user/{NAME}", {}),
    ("iam:CreateRole", OWN_ROLE, {}),
    ("iam:CreateRole", OWN_ROLE, {"iam:PermissionsBoundary": "arn:aws:iam::aws:x"}),
    ("iam:PutRolePermissionsBoundary", OWN_ROLE, {}),
    (
        "iam:DeleteRolePermissionsBoundary",
        OWN_ROLE,
        {"iam:PermissionsBoundary": BOUNDARY},
    ),
    ("iam:PutRolePolicy", OWN_ROLE, {}),
    (
        "iam:AttachRolePolicy",
        OWN_ROLE,
        {**WITHOUT_LIMIT, "iam:PermissionsBoundary": BOUNDARY},
    ),
    ("iam:PassRole", OWN_ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
    ("iam:CreatePolicyVersion", BOUNDARY, {}),
    ("iam:DeletePolicy", BOUNDARY, {}),
    ("iam:SetDefaultPolicyVersion", BOUNDARY, {}),
    *(
        (action, f"arn:aws:iam::{ACCOUNT}:role/deploy/{NAME}-apply-0a1b2c3", context)
        for action, context in (
            ("iam:UpdateAssumeRolePolicy", {}),
            ("iam:DeleteRole", {}),
            ("iam:PutRolePolicy", {"iam:PermissionsBoundary": BOUNDARY}),
        )
    ),
    (
        "iam:DeleteOpenIDConnectProvider",
        f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}",
        {},
    ),
    ("organizations:LeaveOrganization", "*", {}),
    ("account:PutContactInformation", "*", {}),
    ("billing:UpdateBillingPreferences", "*", {}),
    ("aws-portal:ModifyBilling", "*", {}),
    ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/Administrator", {}),
    ("cloudtrail:StopLogging", "*", {}),
]


@pytest.mark.parametrize(("action", "resource", "context"), RISES)
def test_nobody_rises_by_deploying(action, resource, context):
    request = Request(action=action, resource=resource, context=context)
    assert not allowed(granted(built(), "apply"), request)
    assert not allowed(limit(built()), request)


def test_each_role_has_its_boundary_and_stands_beyond_its_own_reach():
    graph = beside_staging()
    boundaries = {
        made.name.rpartition("-")[2]: made["permissionsBoundary"]
        for made in graph.all(ROLE)
    }
    own, of_reviews = (
        graph.one(POLICY, f"stromhaltig-staging-{name}").outputs["arn"]
        for name in ("boundary", "review-boundary")
    )
    assert boundaries == {"preview": own, "apply": own, "review": of_reviews}
    for made in (*graph.all(ROLE), *graph.all(POLICY)):
        assert made["path"] == "/deploy/"


def claims(**other: str) -> dict[str, str]:
    told = {
        "aud": "sts.amazonaws.com",
        "sub": "repo:stromdao/stromhaltig:environment:production",
        "ref": "refs/heads/main",
        "repository": "stromdao/stromhaltig",
        "repository_id": "4711",
    }
    return {f"{GITHUB}:{claim}": value for claim, value in {**told, **other}.items()}


def admits(graph: Graph, kind: str, **other: str) -> bool:
    (statement,) = json.loads(role(graph, kind)["assumeRolePolicy"])["Statement"]
    request = Request(
        action="sts:AssumeRoleWithWebIdentity", resource="*", context=claims(**other)
    )
    return allowed([{**statement, "Resource": "*"}], request)


PREVIEW = "repo:stromdao/stromhaltig:environment:production-preview"
PULL_REQUEST = "repo:stromdao/stromhaltig:pull_request"


def test_deployed_is_from_one_environment_and_one_branch():
    assert admits(built(), "apply")
    assert not admits(built(), "apply", ref="refs/heads/feature")
    assert not admits(built(), "apply", ref="refs/pull/7/merge")
    for subject in (
        PREVIEW,
        PULL_REQUEST,
        "repo:stromdao/stromhaltig:ref:refs/heads/main",
        "repo:stromdao/other:environment:production",
    ):
        assert not admits(built(), "apply", sub=subject)
    assert not admits(built(), "apply", aud="https://github.com/stromdao")


def test_previewed_is_from_its_environment_whatever_the_branch():
    assert admits(built(), "preview", sub=PREVIEW, ref="refs/pull/7/merge")
    assert not admits(built(), "preview")
    assert not admits(built(), "preview", sub=PULL_REQUEST)


def test_a_repository_can_be_told_by_what_never_changes():
    graph = Graph()
    immutable = "repo:stromdao@1/stromhaltig@4711"
    graph.build(lambda: roles(subject=immutable, repository_id=4711))
    subject = f"{immutable}:environment:production"
    assert admits(graph, "apply", sub=subject)
    assert not admits(graph, "apply", sub=subject, repository_id="4712")
    assert not admits(graph, "apply")


def test_an_account_has_one_provider_for_github():
    assert built().one(PROVIDER)["url"] == f"https://{GITHUB}"
    assert built().one(PROVIDER)["clientIdLists"] == ["sts.amazonaws.com"]
    there = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"
    graph = Graph()
    outputs = graph.build(lambda: roles(github_provider_arn=there))
    assert graph.all(PROVIDER) == []
    assert outputs["github_provider_arn"] == there
    for made in graph.all(ROLE):
        (statement,) = json.loads(made["assumeRolePolicy"])["Statement"]
        assert statement["Principal"] == {"Federated": there}


def test_a_preview_changes_nothing():
    statements = granted(built(), "preview")
    changed = {
        request.action
        for _, request in everything()
        if allowed(statements, request) and not _is_read(request.action)
    }
    assert changed == set()
    assert not allowed(
        statements, Request(action="s3:PutObject", resource=f"{STATE}/x")
    )


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:GetObject", f"arn:aws:s3:::{NAME}-logs-0a1b2c3/a"),
        (
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:stromhaltig/production/X",
        ),
        ("ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/mine"),
        ("logs:GetLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/ecs/{NAME}"),
        ("logs:FilterLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/ecs/a"),
        ("ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{NAME}"),
        ("sqs:ReceiveMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{NAME}"),
        ("lambda:GetFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:other"),
        ("kms:Decrypt", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/other"),
    ],
)
def test_a_preview_sees_how_things_are_and_not_what_is_in_them(action, resource):
    request = Request(action=action, resource=resource, context=tagged("Resource"))
    assert not allowed(granted(built(), "preview"), request)


def test_a_preview_reads_the_state_and_its_secrets():
    statements = granted(built(), "preview")
    for action, resource in (
        ("s3:ListBucket", STATE),
        ("s3:GetObject", f"{STATE}/.pulumi/stacks/stromhaltig/production.json"),
        ("kms:Decrypt", STATE_KEY),
    ):
        assert allowed(statements, Request(action=action, resource=resource))


def test_a_preview_that_refreshes_reads_the_stacks_secrets_and_no_others():
    graph = Graph()
    graph.build(lambda: roles(preview_reads_secrets=True))
    statements = granted(graph, "preview")

    def reads(secret: str) -> bool:
        arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{secret}"
        return allowed(
            statements, Request(action="secretsmanager:GetSecretValue", resource=arn)
        )

    def decrypts(service: str, tags: Mapping[str, str]) -> bool:
        context = {**tagged("Resource", tags), "kms:ViaService": service}
        arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b"
        request = Request(action="kms:Decrypt", resource=arn, context=context)
        return allowed(statements, request)

    via = f"secretsmanager.{REGION}.amazonaws.com"
    assert reads("stromhaltig/production/JWT_SECRET-AbCdEf")
    assert not reads("stromhaltig/staging/JWT_SECRET-AbCdEf")
    assert decrypts(via, TAGS)
    assert not decrypts(f"rds.{REGION}.amazonaws.com", TAGS)
    assert not decrypts(via, {**TAGS, "Environment": "staging"})


def test_deploying_writes_the_state_wherever_it_is():
    elsewhere = "arn:aws:kms:eu-north-1:123456789012:key/5747a7e"
    graph = Graph()
    state = StateBackendFacts(bucket_arn=STATE, key_arn=elsewhere)
    graph.build(lambda: roles(state=state))
    for action, resource in (
        ("s3:PutObject", f"{STATE}/.pulumi/locks/x.json"),
        ("s3:DeleteObject", f"{STATE}/.pulumi/locks/x.json"),
        ("kms:Encrypt", elsewhere),
        ("kms:GenerateDataKey", elsewhere),
    ):
        request = Request(action=action, resource=resource, region="eu-north-1")
        assert allowed(granted(graph, "apply"), request)
        assert allowed(limit(graph), request)


def test_policies_fit_however_long_the_names_are():
    graph = Graph()
    graph.build(
        lambda: roles(
            stack_name=LONGEST_NAME,
            secrets=LONGEST_NAME.replace("-", "/", 1),
            regions=[REGION, "eu-west-1", "us-east-1"],
            zone_ids=[ZONE, ZONE[::-1]],
            preview_reads_secrets=True,
            tags={**TAGS, "ManagedBy": "pulumi"},
            review=of_reviews(
                function_name=f"{LONGEST_NAME}-reviews",
                base=LONGEST_NAME.removeprefix("stromhaltig-"),
            ),
        )
    )
    for policy in graph.all(POLICY):
        # AWS counts no white space.
        assert len(re.sub(r"\s", "", policy["policy"])) <= 6144, policy.name
    for policy in graph.all(ROLE_POLICY):
        assert len(re.sub(r"\s", "", policy["policy"])) <= 10_240, policy.name
    for made in graph.all(ROLE):
        attached = [
            a for a in graph.all(ATTACHMENT) if a["role"] == made.outputs["name"]
        ]
        assert len(attached) <= 10
        assert len(made.outputs["name"]) <= 64
        assert len(made["assumeRolePolicy"]) <= 2048


def test_a_stack_without_a_zone_writes_no_records(graph):
    graph.build(lambda: roles(zone_ids=[]))
    statements = granted(graph, "apply")
    assert all(statement["Resource"] for statement in statements)
    zone = f"arn:aws:route53:::hostedzone/{ZONE}"
    record = Request(action="route53:ChangeResourceRecordSets", resource=zone)
    assert not allowed(statements, record)


@pytest.mark.parametrize("limit", [BACKUP_LIMIT, CACHE_LIMIT, LOAD_BALANCER_LIMIT])
def test_of_a_shortened_name_the_beginning_is_known(limit):
    for suffix in ("", "-alternate", "-database"):
        whole = f"{LONGEST_NAME}{suffix}"
        assert bounded(whole, limit).startswith(beginning(LONGEST_NAME, limit))


def test_a_backup_plan_is_deployed_however_long_the_stacks_name_is(graph):
    policies = Graph()
    policies.build(lambda: roles(stack_name=LONGEST_NAME))
    statements = granted(policies, "apply")
    boundary_arn = f"arn:aws:iam::{ACCOUNT}:policy/deploy/{LONGEST_NAME}-boundary"

    def program() -> None:
        there = aws.Provider("there", region="eu-west-1")
        BackupPlan(
            LONGEST_NAME,
            BackupPlanArgs(
                databases=[f"arn:aws:rds:{REGION}:{ACCOUNT}:db:app"],
                file_systems=[],
                kms_key_arn=STATE_KEY,
                copy=BackupCopy(region="eu-west-1", provider=there),
                keep=True,
            ),
        )

    graph.build(program)
    for type_, action in (
        (ROLE, "iam:CreateRole"),
        (ROLE, "iam:PassRole"),
        ("aws:kms/alias:Alias", "kms:CreateAlias"),
    ):
        for made in graph.all(type_):
            arn = made.outputs["arn"]
            context = {
                "iam:PermissionsBoundary": boundary_arn,
                "iam:PassedToService": "backup.amazonaws.com",
            }
            request = Request(action=action, resource=arn, context=context)
            assert allowed(statements, request), request


# IAM's name of an action is that of the API's operation, but for these.
NOT_OPERATIONS = {
    "backup-storage:MountCapsule",
    "budgets:ModifyBudget",
    "cloudfront:AllowVendedLogDeliveryForResource",
    "elasticloadbalancing:SetWebACL",
    "iam:PassRole",
    "lambda:InvokeFunction",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:UpdateLogDelivery",
    "s3:DeleteObjectVersion",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
}
API = {
    "elasticfilesystem": "efs",
    "elasticloadbalancing": "elbv2",
    "servicequotas": "service-quotas",
}


def test_every_call_that_is_allowed_exists():
    session = botocore.session.get_session()
    called = {request.action for _, request in (*everything(), *command_requests())}
    actions = called - NOT_OPERATIONS
    for service in sorted({action.split(":")[0] for action in actions}):
        model = session.get_service_model(API.get(service, service))
        named = {f"{service}:{operation}" for operation in model.operation_names}
        ours = {action for action in actions if action.startswith(f"{service}:")}
        assert ours - named == set()


def test_every_role_of_a_program_can_be_given_the_boundary(graph):
    own = f"arn:aws:iam::{ACCOUNT}:policy/own"

    def program() -> None:
        bound = pulumi.ResourceOptions(transformations=[bounded_roles(BOUNDARY)])
        parent = pulumi.ComponentResource("a:b:Parent", "parent", None, bound)
        inside = pulumi.ResourceOptions(parent=parent)
        aws.iam.Role("bare", assume_role_policy="{}", opts=inside)
        aws.iam.Role(
            "bounded", assume_role_policy="{}", permissions_boundary=own, opts=inside
        )
        aws.sns.Topic("topic", opts=inside)

    graph.build(program)
    assert graph.one(ROLE, "bare")["permissionsBoundary"] == BOUNDARY
    assert graph.one(ROLE, "bounded")["permissionsBoundary"] == own


def review_requests(name: str, tags: Mapping[str, str]) -> Iterator[Request]:
    """Each call that a stack like a review needs for what it is made of."""
    for calls in (calls for entries in REVIEW_TABLE.values() for calls in entries):
        # The key is the base's.
        for how in BOUND if calls.service != "kms" else ():
            for request in requests(calls, how, name, tags, REVIEW_BOUNDARY):
                # Groups of logs, and nothing else that has logs.
                if calls.service != "logs" or ":/ecs/" in request.resource:
                    yield request


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def uses_of_the_base(stack: str = "staging") -> Iterator[Request]:
    """What a review does with the stack beside which it is."""
    name, tags = f"stromhaltig-{stack}", {**TAGS, "Environment": stack}
    rule = {**tagged("Resource", tags), **tagged("Request", REVIEW_TAGS)}
    yield Request(
        action="elasticloadbalancing:CreateRule",
        resource=_arn("elasticloadbalancing", f"listener/app/{name}-0a1b2c3/d/e"),
        context=rule,
    )
    function = _arn("lambda", f"function:{name}-reviews")
    for resource in (function, f"{function}:$LATEST"):
        yield Request(action="lambda:InvokeFunction", resource=resource)
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        yield Request(
            action=action,
            resource=_arn("kms", "key/0a1b"),
            context=of_secret("stromhaltig/pr-7/JWT_SECRET-AbCdEf", tags),
        )


def of_secret(secret: str, tags: Mapping[str, str] = BASE_TAGS) -> dict[str, str]:
    """What Secrets Manager tells a key with these tags."""
    return {
        **tagged("Resource", tags),
        "kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com",
        "kms:EncryptionContext:SecretARN": _arn("secretsmanager", f"secret:{secret}"),
    }


def refused_to_reviews(asked: Iterable[Request]) -> list[Request]:
    """What either the role or its boundary refuses."""
    both = (granted(beside_staging(), "review"), review_limit())
    return [r for r in asked if not all(allowed(statements, r) for statements in both)]


def test_a_role_of_reviews_may_make_change_and_delete_any_of_them():
    asked = list(review_requests("stromhaltig-pr-7", REVIEW_TAGS))
    assert len(asked) > 50
    assert refused_to_reviews(asked) == []


def test_a_review_is_made_of_nothing_that_its_role_does_not_know():
    made = review().resources
    assert {r.type for r in made if r.type.startswith("aws:")} == REVIEW_TABLE.keys()


def test_what_a_review_is_made_of_can_be_deployed_by_its_role():
    made = [r for r in review().resources if r.type in WITH_ARN]
    asked = [
        Request(
            action=action,
            resource=resource.outputs["arn"],
            context={
                "iam:PermissionsBoundary": REVIEW_BOUNDARY,
                "iam:PassedToService": "ecs-tasks.amazonaws.com",
            },
        )
        for resource in made
        for calls in REVIEW_TABLE[resource.type]
        if calls.service == service_of(resource)
        for action in calls.actions("named")
    ]
    assert len(asked) > 50
    assert refused_to_reviews(asked) == []


def test_a_role_of_reviews_uses_of_its_base_what_a_review_needs():
    assert refused_to_reviews(uses_of_the_base()) == []


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/stromhaltig-pr-7-task-0a1b"),
        (
            "iam:ListInstanceProfilesForRole",
            f"arn:aws:iam::{ACCOUNT}:role/stromhaltig-pr-7-task-0a1b",
        ),
        (
            "secretsmanager:DescribeSecret",
            _arn("secretsmanager", "secret:stromhaltig/pr-7/JWT_SECRET-AbCdEf"),
        ),
        ("ecs:DescribeServices", _arn("ecs", "service/stromhaltig-pr-7/x")),
        ("elasticloadbalancing:DescribeRules", "*"),
        ("logs:DescribeLogGroups", _arn("logs", "log-group:*")),
    ],
)
def test_a_role_of_reviews_sees_how_they_are_set_up(action, resource):
    assert refused_to_reviews([Request(action=action, resource=resource)]) == []


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_a_role_of_reviews_changes_nothing_of_other_stacks(stack):
    tags = {**TAGS, "Environment": stack}
    name = f"stromhaltig-{stack}"
    others = [
        *(request for _, request in everything(name, tags)),
        *(request for _, request in command_requests(name, tags)),
    ]
    statements = granted(beside_staging(), "review")
    reached = {
        request.action
        for request in others
        if allowed(statements, request)
        and not re.match(r"[\w-]+:(Describe|List)", request.action)
    }
    # AWS knows no resource for it.
    assert reached == {"ecs:DeregisterTaskDefinition"}


def test_a_role_of_reviews_uses_nothing_of_production():
    refused = refused_to_reviews(uses_of_the_base("production"))
    assert refused == list(uses_of_the_base("production"))


DATA_OF_THE_BASE = [
    (
        "secretsmanager:GetSecretValue",
        _arn("secretsmanager", "secret:stromhaltig/staging/JWT_SECRET-AbCdEf"),
        {},
    ),
    ("kms:Decrypt", _arn("kms", "key/0a1b"), of_secret("stromhaltig/staging/X-AbCdEf")),
    ("kms:Decrypt", _arn("kms", "key/0a1b"), tagged("Resource", BASE_TAGS)),
    ("rds:DeleteDBInstance", _arn("rds", "db:stromhaltig-staging-0a1b2c3"), {}),
    ("rds:ModifyDBInstance", _arn("rds", "db:stromhaltig-pr-7"), {}),
    ("s3:GetObject", "arn:aws:s3:::stromhaltig-staging-backups-0a1b/dumps/a", {}),
    (
        "logs:GetLogEvents",
        _arn("logs", "log-group:/ecs/stromhaltig-staging:log-stream:ecs/app/0a"),
        {},
    ),
    (
        "elasticloadbalancing:ModifyListener",
        _arn("elasticloadbalancing", "listener/app/stromhaltig-staging-0a/b/c"),
        tagged("Resource", BASE_TAGS),
    ),
    (
        "elasticloadbalancing:DeleteRule",
        _arn("elasticloadbalancing", "listener-rule/app/stromhaltig-staging-0a/b/c/d"),
        tagged("Resource", BASE_TAGS),
    ),
    (
        "lambda:UpdateFunctionCode",
        _arn("lambda", "function:stromhaltig-staging-reviews"),
        {},
    ),
    (
        "elasticloadbalancing:CreateRule",
        _arn("elasticloadbalancing", "listener/app/stromhaltig-staging-0a/b/c"),
        {**tagged("Resource", BASE_TAGS), **tagged("Request", BASE_TAGS)},
    ),
]


@pytest.mark.parametrize(("action", "resource", "context"), DATA_OF_THE_BASE)
def test_neither_role_nor_tasks_of_a_review_reach_what_is_the_bases(
    action, resource, context
):
    request = Request(action=action, resource=resource, context=context)
    assert not allowed(granted(beside_staging(), "review"), request)
    # A pull request may give its tasks a role that may all that the boundary allows.
    assert not allowed(review_limit(), request)


@pytest.mark.parametrize(("action", "resource", "context"), RISES)
def test_nobody_rises_by_deploying_a_review(action, resource, context):
    named = resource.replace(NAME, "stromhaltig-pr-7")
    request = Request(action=action, resource=named, context=context)
    assert not allowed(granted(beside_staging(), "review"), request)


def test_roles_of_a_review_have_the_boundary_of_reviews_or_are_not_made():
    def makes(boundary: str) -> bool:
        request = Request(
            action="iam:CreateRole",
            resource=f"arn:aws:iam::{ACCOUNT}:role/stromhaltig-pr-7-task-0a1b2c3",
            context={"iam:PermissionsBoundary": boundary},
        )
        return allowed(granted(beside_staging(), "review"), request)

    assert makes(REVIEW_BOUNDARY)
    assert not makes(
        f"arn:aws:iam::{ACCOUNT}:policy/deploy/stromhaltig-staging-boundary"
    )


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        (
            "logs:PutLogEvents",
            _arn("logs", "log-group:/ecs/stromhaltig-pr-7:log-stream:ecs/app/0a"),
            {},
        ),
        (
            "secretsmanager:GetSecretValue",
            _arn("secretsmanager", "secret:stromhaltig/pr-7/JWT_SECRET-AbCdEf"),
            {},
        ),
        (
            "kms:Decrypt",
            _arn("kms", "key/0a1b"),
            of_secret("stromhaltig/pr-7/JWT_SECRET-AbCdEf"),
        ),
        ("ecr:BatchGetImage", _arn("ecr", "repository/stromhaltig-staging"), {}),
        ("ecr:GetAuthorizationToken", "*", {}),
    ],
)
def test_the_boundary_lets_tasks_of_a_review_start(action, resource, context):
    request = Request(action=action, resource=resource, context=context)
    assert allowed(review_limit(), request)


@pytest.mark.parametrize("kind", ["stacks", "history", "backups", "locks/organization"])
def test_the_state_of_reviews_is_written_and_no_other(kind):
    def writes(stack: str) -> list[Request]:
        file = f"{STATE}/.pulumi/{kind}/stromhaltig/{stack}"
        calls = ("GetObject", "PutObject", "DeleteObject")
        return [Request(action=f"s3:{call}", resource=file) for call in calls]

    assert refused_to_reviews(writes("pr-7.json")) == []
    assert refused_to_reviews(writes("pr-7/0a1b.json")) == []
    other = writes("production.json")
    assert refused_to_reviews(other) == other
    assert refused_to_reviews(writes("staging.json"))[-2:] == writes("staging.json")[1:]


def test_of_the_bases_state_reviews_read_the_outputs():
    folder = f"{STATE}/.pulumi"
    read = [
        Request(action="s3:ListBucket", resource=STATE),
        Request(action="s3:GetObject", resource=f"{folder}/meta.yaml"),
        Request(
            action="s3:GetObject", resource=f"{folder}/stacks/stromhaltig/staging.json"
        ),
        Request(action="kms:Decrypt", resource=STATE_KEY),
    ]
    assert refused_to_reviews(read) == []
    history = f"{folder}/history/stromhaltig/staging/staging-1.history.json"
    hidden = [Request(action="s3:GetObject", resource=history)]
    assert refused_to_reviews(hidden) == hidden


def test_reviews_are_deployed_from_their_environment_whatever_the_branch():
    own = "repo:stromdao/stromhaltig:environment:review"
    assert admits(beside_staging(), "review", sub=own, ref="refs/pull/7/merge")
    assert not admits(beside_staging(), "review", sub=PULL_REQUEST)
    assert not admits(
        beside_staging(), "review", sub="repo:stromdao/stromhaltig:environment:staging"
    )
    for kind in ("apply", "preview"):
        assert not admits(beside_staging(), kind, sub=own)


def test_a_stack_without_reviews_has_no_role_for_them(graph):
    outputs = graph.build(roles)
    assert outputs["review_role_arn"] is None
    assert [r.name for r in graph.all(ROLE)] == [f"{NAME}-preview", f"{NAME}-apply"]


def test_a_preview_knows_every_policy(graph):
    graph.build(roles, preview=True)
    assert len(graph.all(POLICY)) == len(built().all(POLICY))
    assert json.loads(graph.one(POLICY, f"{NAME}-boundary")["policy"])["Statement"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"repository": "stromhaltig"}, "OWNER/NAME"),
        ({"repository": "stromdao/*"}, "OWNER/NAME"),
        ({"preview_environment": "production"}, "rights to deploy"),
        ({"environment": "prod*"}, "no single name"),
        ({"review": of_reviews(environment="pr-*")}, "no single name"),
        ({"review": of_reviews(environment="production")}, "that of another role"),
        ({"environment": ""}, "no single name"),
        ({"branch": "*"}, "no single name"),
        ({"tags": {}}, "tags, regions"),
        ({"regions": []}, "tags, regions"),
        ({"stack_name": "n" * 37}, "36 characters"),
        ({"stack_name": ""}, "36 characters"),
    ],
)
def test_what_would_open_the_roles_is_refused(args, words):
    with pytest.raises(ValueError, match=words):
        arguments(**args)
