"""The stack of a pull request, and what staging has for it: whole graphs."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pulumi
import pytest

from contract import APP, VARIABLES
from stacks.aws import ReviewOutputs
from tests.graph import Graph
from tests.stacks import IMAGE, OPERATORS, ROOT, deploy, review

FUNCTION = "aws:lambda/function:Function"
INVOCATION = "aws:lambda/invocation:Invocation"
LISTENER = "aws:lb/listener:Listener"
PASSWORD = "random:index/randomPassword:RandomPassword"
POLICY = "aws:iam/policy:Policy"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
RULE = "aws:lb/listenerRule:ListenerRule"
SECRET = "aws:secretsmanager/secret:Secret"
SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup"
SERVICE = "aws:ecs/service:Service"
TARGET_GROUP = "aws:lb/targetGroup:TargetGroup"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"

SHARED = (
    "aws:acm/",
    "aws:cloudwatch/metricAlarm",
    "aws:ec2/",
    "aws:ecr/",
    "aws:efs/",
    "aws:kms/",
    "aws:lambda/function",
    "aws:lb/loadBalancer",
    "aws:rds/",
    "aws:route53/",
    "aws:s3/",
    "aws:vpc/",
)
"""Beginnings of types of what a review has of its base, or does without."""


@pytest.fixture
def graph() -> Graph:
    return review()


@pytest.fixture
def staging() -> Graph:
    return deploy("staging")


def containers(graph: Graph) -> dict[str, Any]:
    definitions = json.loads(graph.one(TASK)["containerDefinitions"])
    return {definition["name"]: definition for definition in definitions}


def statements(graph: Graph, name: str) -> dict[str, Any]:
    found = graph.policy(ROLE_POLICY, name)["Statement"]
    return {statement["Sid"]: statement for statement in found}


def test_a_review_makes_nothing_that_its_base_has(graph):
    own = [str(r) for r in graph.resources if r.type.startswith(SHARED)]
    assert own == []
    # Four of them for each secret.
    assert len(graph.resources) - 4 * len(graph.all(SECRET)) < 10


def test_all_of_a_review_is_called_after_it(graph):
    names = [r.name for r in graph.resources]
    assert [n for n in names if not n.startswith("stromhaltig-pr-7")] == []


def test_all_of_a_review_may_go_at_once(graph):
    assert [str(r) for r in graph if r.protect] == []
    assert {s["recoveryWindowInDays"] for s in graph.all(SECRET)} == {0}
    assert graph.one(TASK)["skipDestroy"] is False
    assert graph.exports["protected"] is False


GITHUB = {
    "repository": "stromdao/stromhaltig",
    "state_bucket": "stromhaltig-state",
    "state_key_arn": "arn:aws:kms:eu-central-1:123456789012:key/"
    "0a1b2c3d-0000-0000-0000-000000000000",
}


@pytest.mark.sweep
def test_a_base_that_github_deploys_has_a_role_for_reviews():
    base = deploy("staging", github=GITHUB)
    made = base.exports["deploy_roles"]
    assert made.keys() == {"preview", "apply", "review"}
    trust = next(r for r in base.all(ROLE) if r.outputs["arn"] == made["review"])
    assert ":environment:review" in trust["assumeRolePolicy"]
    alone = deploy("staging", github=GITHUB, reviews=None)
    assert alone.exports["deploy_roles"].keys() == {"preview", "apply"}


@pytest.mark.sweep
def test_roles_of_a_review_have_the_boundary_that_its_base_lends():
    base = deploy("staging", github=GITHUB)
    boundary = base.one(POLICY, "stromhaltig-staging-review-boundary").outputs["arn"]
    bound = review(base=base.exports).all(ROLE)
    assert [role["permissionsBoundary"] for role in bound] == 2 * [boundary]
    free = review(base=deploy("staging").exports).all(ROLE)
    assert [role.get("permissionsBoundary") for role in free] == 2 * [None]


def test_its_host_name_leads_to_its_tasks(graph, staging):
    rule, targets = graph.one(RULE), graph.one(TARGET_GROUP)
    assert rule["listenerArn"] == staging.exports["reviews"]["listener"]
    assert rule["conditions"] == [
        {"hostHeader": {"values": ["pr-7.staging.stromhaltig.de"]}}
    ]
    (action,) = rule["actions"]
    assert action["targetGroupArn"] == targets.outputs["arn"]
    (balanced,) = graph.one(SERVICE)["loadBalancers"]
    assert balanced["targetGroupArn"] == targets.outputs["arn"]
    assert targets["vpcId"] == staging.exports["vpc"]
    assert graph.exports["url"] == "https://pr-7.staging.stromhaltig.de"


def test_rules_of_reviews_are_before_that_which_answers_for_none(staging):
    (none,) = staging.all(RULE)
    assert none["conditions"] == [
        {"hostHeader": {"values": ["pr-*.staging.stromhaltig.de"]}}
    ]
    assert none["actions"][0]["fixedResponse"]["statusCode"] == "404"
    priorities = [review(n).one(RULE)["priority"] for n in (1, 7, 49_800)]
    assert priorities == [101, 107, 49_900]
    assert max(priorities) < none["priority"] == 50_000


def test_its_tasks_are_in_the_private_subnets_of_the_base(graph, staging):
    network = graph.one(SERVICE)["networkConfiguration"]
    lent = staging.exports["reviews"]
    assert network["subnets"] == staging.exports["task_subnets"]
    assert network["securityGroups"] == [lent["security_group"]]
    assert network["assignPublicIp"] is False
    assert lent["security_group"] != staging.exports["task_security_group"]


def test_reviews_reach_the_database_and_https_and_are_reached_by_requests(staging):
    groups = {g.id: g.name for g in staging.all(SECURITY_GROUP)}
    own = staging.exports["reviews"]["security_group"]

    def other(rule: Any) -> str:
        target = rule.get("referencedSecurityGroupId")
        return str(groups.get(target) or rule.get("cidrIpv4"))

    def rules(type_: str) -> set[tuple[str, int]]:
        found = [r for r in staging.all(type_) if r["securityGroupId"] == own]
        return {(other(rule), rule["toPort"]) for rule in found}

    prefix = "stromhaltig-staging"
    assert rules(INGRESS) == {(f"{prefix}-load-balancer", APP.port)}
    assert rules(EGRESS) == {(f"{prefix}-database", 5432), ("0.0.0.0/0", 443)}


def test_its_database_is_made_before_a_task_migrates_it(graph, staging):
    call, version = graph.one(INVOCATION), graph.one(VERSION, f"{NAME}-database-url")
    assert call["functionName"] == staging.exports["reviews"]["database_function"]
    assert call["lifecycleScope"] == "CRUD"
    assert json.loads(call["input"]) == {
        "stack": "pr-7",
        "version": version.outputs["versionId"],
    }
    assert call.urn in graph.one(SERVICE).dependencies
    assert containers(graph)["migrate"]["command"] == list(APP.migrate_command)


NAME = "stromhaltig-pr-7"


def test_its_connection_is_its_own_role_in_the_server_of_the_base(graph, staging):
    password = graph.one(PASSWORD, f"{NAME}-database").outputs["result"]
    version = graph.one(VERSION, f"{NAME}-database-url")
    endpoint = staging.exports["database_endpoint"]
    assert version["secretString"] == (
        f"postgresql://pr_7:{password}@{endpoint}/pr_7?sslmode=require"
    )
    assert graph.exports["database_name"] == "pr_7"


def test_its_roles_read_its_own_secrets_only(graph):
    own = {secret.outputs["arn"] for secret in graph.all(SECRET)}
    reading = statements(graph, f"{NAME}-execution")["ReadSecrets"]
    assert set(reading["Resource"]) == own
    assert {arn.split(":secret:")[1].split("/")[1] for arn in own} == {"pr-7"}
    # The app itself has no rights in the account at all.
    assert [p.name for p in graph.all(ROLE_POLICY)] == [f"{NAME}-execution"]


def test_the_app_gets_every_variable_that_it_needs_but_mail(graph):
    for container in containers(graph).values():
        given = {e["name"] for e in container["environment"] + container["secrets"]}
        needed = {variable.name for variable in VARIABLES if not variable.optional}
        assert needed - given == {"SMTP_HOST"}
        assert container["image"] == IMAGE


def test_no_secret_stands_in_an_output_an_environment_or_a_call(graph):
    made = {password.outputs["result"] for password in graph.all(PASSWORD)}
    text = json.dumps([graph.exports, graph.one(TASK)["containerDefinitions"]]) + str(
        graph.one(INVOCATION).inputs
    )
    assert not [v for v in made | set(OPERATORS.values()) if v in text]


def test_it_is_small_and_on_spare_capacity(graph):
    service, task = graph.one(SERVICE), graph.one(TASK)
    assert (task["cpu"], task["memory"]) == ("256", "512")
    assert service["desiredCount"] == 1
    (capacity,) = service["capacityProviderStrategies"]
    assert capacity["capacityProvider"] == "FARGATE_SPOT"
    regular = review(service={"on_demand": True}).one(SERVICE)
    (capacity,) = regular["capacityProviderStrategies"]
    assert capacity["capacityProvider"] == "FARGATE"


def test_two_reviews_share_no_name(graph):
    other = review(8)
    assert not {r.name for r in graph.resources} & {r.name for r in other.resources}
    assert graph.exports["url"] != other.exports["url"]


def test_a_preview_registers_what_an_update_does(graph):
    assert {r.urn for r in review(preview=True)} == {r.urn for r in graph}


def test_every_output_is_exported_and_documented(graph):
    text = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    section = text.partition("## AWS, a pull request")[2].partition("\n## ")[0]
    names = {field.name for field in fields(ReviewOutputs)}
    assert graph.exports.keys() == names
    assert [name for name in names if f"| `{name}` |" not in section] == []


@pytest.mark.parametrize("lent", [{"reviews": None}, {}])
def test_a_base_that_is_not_up_with_reviews_is_told(staging, lent):
    outputs = {k: v for k, v in staging.exports.items() if k != "reviews"} | lent
    with pytest.raises(pulumi.RunError, match="staging is not up with room") as refused:
        review(base=outputs)
    assert "pulumi up --stack staging" in str(refused.value)


def test_production_has_nothing_for_reviews():
    production = deploy("production")
    assert production.exports["reviews"] is None
    assert not [r for r in production if "review" in r.name.lower()]


@pytest.mark.sweep
def test_staging_without_reviews_is_what_it_was(staging):
    without = deploy("staging", reviews=None)
    gone = {r.urn for r in staging} - {r.urn for r in without}
    assert {r.urn for r in without} < {r.urn for r in staging}
    assert [urn for urn in gone if ":ReviewHost" not in urn] == []

    def inputs(graph: Graph) -> dict[str, Any]:
        return {r.urn: r.inputs for r in graph if r.urn not in gone}

    assert inputs(staging) == inputs(without)


def test_the_function_may_read_connections_and_nothing_else(staging):
    may = statements(staging, "stromhaltig-staging-reviews")
    secret = staging.exports["secret_arns"]["DATABASE_URL"]
    everybodys = secret.partition(":secret:")[0] + ":secret:stromhaltig/pr-*/"
    connections = [secret, f"{everybodys}DATABASE_URL-??????"]
    assert may["ReadConnections"]["Resource"] == connections
    assert may["DecryptConnections"]["Condition"]["StringLike"] == {
        "kms:EncryptionContext:SecretARN": connections
    }
    # What Lambda needs to put it into the network, its code is denied.
    assert may["TheCodeDoesNot"]["Effect"] == "Deny"
    assert may["TheCodeDoesNot"]["Action"] == may["JoinTheNetwork"]["Action"]
    named = may["TheCodeDoesNot"]["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]
    assert named.endswith(f":function:{staging.one(FUNCTION)['name']}")


@pytest.mark.sweep
def test_the_function_asks_as_the_administrator_once_the_app_is_somebody_else():
    secrets = {**OPERATORS, "DATABASE_LOGIN": "stromhaltig_1:a-rotated-p4ssw0rd"}
    rotated = deploy("staging", secrets=secrets)
    administrator = rotated.exports["secret_arns"]["DATABASE_ADMIN_URL"]
    may = statements(rotated, "stromhaltig-staging-reviews")
    assert may["ReadConnections"]["Resource"][0] == administrator
    variables = rotated.one(FUNCTION)["environment"]["variables"]
    assert variables["ADMINISTRATOR_SECRET_ARN"] == administrator


def test_the_function_is_in_the_network_and_packed_with_what_it_imports(staging):
    function = staging.one(FUNCTION)
    place = function["vpcConfig"]
    assert place["subnetIds"] == staging.exports["task_subnets"]
    group = staging.exports["reviews"]["security_group"]
    assert place["securityGroupIds"] == [group]
    assert function["handler"] == "database_maker.handler.handle"
    folder = ROOT / "components" / "database_maker"
    packed = {path.name for path in folder.glob("*.py")}
    files = [f"database_maker/{name}" for name in sorted(packed)]
    assert sorted(function["code"]["assets"]) == files
