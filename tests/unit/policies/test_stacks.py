"""Our own stacks, judged as a whole: in full, and as a first preview sees them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import parliament
import pytest
import yaml

from policies import exceptions
from policies.catalogue import POLICIES
from policies.evaluate import Judgement, judge
from policies.exceptions import Accepted
from policies.model import Source
from tests.graph import Graph, Recorded
from tests.stacks import ROOT, deploy, everything, review
from tests.unit.policies.pack import Pack

pytestmark = pytest.mark.sweep

TODAY = date(2026, 11, 29)
"""Exceptions run out, and tests do not: `make policies` says when one is over."""

ACCEPTED = exceptions.load(controls=[policy.id for policy in POLICIES])

GITHUB = {
    "repository": "stromdao/stromhaltig",
    "state_bucket": "stromhaltig-state",
    "state_key_arn": "arn:aws:kms:eu-central-1:123456789012:key/"
    "0a1b2c3d-0000-0000-0000-000000000000",
}

BUILDS: Mapping[str, Callable[..., Graph]] = {
    "production": lambda **given: deploy("production", **given),
    "staging": lambda **given: deploy("staging", github=GITHUB, **given),
    "review": review,
    "everything": lambda **given: everything(github=GITHUB, **given),
}

READING_DOCUMENTS = {
    "CIS-7.0.2.21",
    "ECS.20",
    "ECS.4",
    "ECS.5",
    "ECS.8",
    "ECS.9",
    "IAM.1",
    "IAM.21",
    "KMS.2",
    "KMS.5",
    "S3.5",
    "SNS.4",
    "SQS.3",
    "app-image-by-digest",
    "container-definitions-canonical",
    "ecs_task_definitions_logging_block_mode",
    "one-image-a-task",
    "requests-finish-before-a-task-is-killed",
    "secret-version-pinned",
    "secretsmanager_has_restrictive_resource_policy",
}
"""Policies that a first preview leaves open: the documents are made of outputs."""

DOCUMENTS = {"assumeRolePolicy", "containerDefinitions", "policy", "policyDocument"}

FOR_NOTHING_OF_OURS = {
    "EC2.21": "no network ACL but the default one",
    "ECS.16": "no task sets: ECS moves the traffic itself",
    "SecretsManager.4": "no secret is rotated by a function",
}
"""Policies that no stack of ours has anything for; other people's have."""


@cache
def judged(name: str, preview: bool = False) -> Judgement:
    graph = BUILDS[name](preview=preview).as_resources()
    return judge(graph, POLICIES, ACCEPTED, today=TODAY)


@pytest.fixture(params=BUILDS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def found(judgement: Judgement) -> list[str]:
    return [f"{f.policy.id} {f.resource.name}: {f.text}" for f in judgement.open]


def undecided(judgement: Judgement) -> set[tuple[str, str]]:
    """Ids of policies with the inputs that they would have to know."""
    return {
        (outcome.policy.id, path)
        for outcome in judgement.undecided
        for _, path in outcome.undecided
    }


@pytest.mark.parametrize("preview", [False, True], ids=["full", "preview"])
def test_nothing_is_open_and_no_policy_fails(name: str, preview: bool):
    judgement = judged(name, preview)
    assert found(judgement) == []
    assert {o.policy.id: o.crashed for o in judgement.crashed} == {}


@pytest.mark.slow
def test_the_pack_lets_the_first_preview_of_production_pass():
    pack = Pack(*POLICIES, accepted=ACCEPTED)
    said = pack.of_all(*BUILDS["production"](preview=True).as_resources())
    assert [f"{v.policyName} {v.urn}: {v.message}" for v in said] == []


def test_what_is_there_can_be_judged_in_full(name: str):
    assert undecided(judged(name)) == set()


def test_a_preview_leaves_open_what_reads_documents_made_of_outputs():
    left = {entry for name in BUILDS for entry in undecided(judged(name, True))}
    assert {id_ for id_, _ in left} == READING_DOCUMENTS
    assert {path for _, path in left} == DOCUMENTS


def test_every_control_of_the_best_practices_holds_or_is_accepted_in_production():
    outcomes = judged("production").outcomes
    asked = [o for o in outcomes if o.policy.source is Source.FSBP and o.applies]
    assert len(asked) > 70
    assert [o.policy.id for o in asked if not o.passed] == []


def test_every_policy_has_something_to_look_at_but_for_those_that_are_named():
    applying = {
        outcome.policy.id
        for name in BUILDS
        for outcome in judged(name).outcomes
        if outcome.applies
    }
    assert {p.id for p in POLICIES} - applying == set(FOR_NOTHING_OF_OURS)


def test_no_exception_is_left_from_before(name: str):
    assert [(e.control, e.resource) for e in judged(name).unused] == []


@pytest.mark.parametrize("ours", ACCEPTED, ids=lambda e: f"{e.control}-{e.stacks}")
def test_every_exception_is_needed_by_a_stack(ours: Accepted):
    used = [f.accepted for name in BUILDS for f in judged(name).accepted]
    assert ours in used


@pytest.mark.parametrize("stack", ["production", "staging"])
def test_what_an_exception_names_instead_would_meet_its_control(stack: str):
    met = [f for f in judged(stack).accepted if f.accepted and f.accepted.instead]
    instead = {f.accepted: f.accepted.instead for f in met if f.accepted}
    changes = with_settings(
        stack, [path for paths in instead.values() for path in paths]
    )
    graph = deploy(stack, **changes).as_resources()
    left = {(f.policy.id, f.resource.urn) for f in judge(graph, POLICIES).open}
    assert len(instead) > 5
    assert [str(f.accepted) for f in met if (f.policy.id, f.resource.urn) in left] == []


def with_settings(stack: str, settings: Iterable[str]) -> dict[str, Any]:
    """Keys of a stack file with other values, lists that are named twice joined."""
    file = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))
    changed: dict[str, Any] = {}
    for setting in settings:
        path, _, text = setting.partition("=")
        key, _, inner = path.partition(".")
        value = yaml.safe_load(text)
        if inner:
            group = changed.get(key) or file["config"].get(f"stromhaltig:{key}") or {}
            before = group.get(inner)
            joined = isinstance(value, list) and key in changed and before
            value = {**group, inner: [*before, *value] if joined else value}
        changed[key] = value
    return changed


@dataclass(frozen=True)
class Known:
    """Something that parliament says of a document, and why it stays as it is.

    type: of the resource whose document it is. words: of what parliament says.
    """

    issue: str
    type: str
    words: str
    reason: str

    def fits(self, issue: str, detail: str, resource: Recorded) -> bool:
        return (
            self.issue == issue and self.type == resource.type and self.words in detail
        )


KEY = "aws:kms/key:Key"
MANAGED = "aws:iam/policy:Policy"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
AS_TEXT = "AWS's own guides compare the ARNs as text; parliament says that it works"

KNOWN = (
    Known("RESOURCE_STAR", KEY, "kms:", "in the policy of a key, * is the key"),
    Known(
        "MISMATCHED_TYPE",
        KEY,
        "ArnLike requires a value of type Arn but given String",
        "what the context of an encryption holds is text; this one is an ARN, and "
        "compared as the guide of CloudWatch Logs does it",
    ),
    Known(
        "UNKNOWN_CONDITION_FOR_ACTION",
        KEY,
        "kms:EncryptionContext:aws:logs:arn for action kms:DescribeKey",
        "the guide of CloudWatch Logs has it in the one statement for all actions",
    ),
    Known("MISMATCHED_TYPE_BUT_USABLE", ROLE_POLICY, "StringEquals", AS_TEXT),
    Known(
        "MISMATCHED_TYPE_BUT_USABLE",
        "aws:efs/fileSystemPolicy:FileSystemPolicy",
        "StringNotEquals",
        AS_TEXT,
    ),
    Known(
        "MISMATCHED_TYPE_BUT_USABLE",
        "aws:s3/bucketPolicy:BucketPolicy",
        "StringNotEquals",
        AS_TEXT,
    ),
    Known(
        "RESOURCE_MISMATCH",
        ROLE_POLICY,
        "elasticloadbalancing:*:*:listener/net/",
        "parliament asks for listeners of every kind of load balancer at once",
    ),
    Known(
        "RESOURCE_MISMATCH",
        ROLE_POLICY,
        "logs:DescribeLogGroups",
        "the guide of flow logs names it; on one log group it allows nothing",
    ),
    Known(
        "RESOURCE_STAR",
        ROLE_POLICY,
        "ec2:CreateNetworkInterface",
        "Lambda makes the interfaces of a function by its role, and asks for this",
    ),
    Known(
        "UNKNOWN_CONDITION_FOR_ACTION",
        ROLE_POLICY,
        "lambda:SourceFunctionArn",
        "the guide of Lambda denies by it to the code what Lambda itself needs",
    ),
    Known(
        "RESOURCE_STAR",
        MANAGED,
        "",
        "deploy roles: who makes something cannot name it yet; tags and regions bind "
        "it, which tests/unit/test_deploy_role.py asks of each statement",
    ),
    Known(
        "RESOURCE_MISMATCH",
        MANAGED,
        "required_format",
        "deploy roles: one pattern for what is named after the stack, whatever kind it "
        "is of; parliament asks for each kind by itself",
    ),
    Known("MISMATCHED_TYPE_BUT_USABLE", MANAGED, "StringEquals", AS_TEXT),
    Known(
        "RESOURCE_POLICY_PRIVILEGE_ESCALATION",
        MANAGED,
        "s3:PutBucketPolicy",
        "who deploys buckets says who may read them",
    ),
    Known(
        "UNKNOWN_FEDERATION_SOURCE",
        "aws:iam/role:Role",
        "arn:aws:iam:eu-central-1",
        "an ARN that the mocks made up",
    ),
    Known(
        "UNKNOWN_CONDITION_FOR_ACTION",
        "aws:iam/role:Role",
        "token.actions.githubusercontent.com:",
        "what GitHub says of a workflow; parliament knows AWS's own words only",
    ),
)


def told() -> Iterator[tuple[str, str, Recorded]]:
    """Everything that parliament says of the documents of all stacks."""
    for name in BUILDS:
        for resource, key, document in BUILDS[name]().policies():
            text = json.dumps(_complete(document, key))
            for finding in parliament.analyze_policy_string(text).findings:
                yield finding.issue, str(finding.detail), resource


def _complete(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Who may assume a role is said without the role; parliament wants a resource."""
    if key != "assumeRolePolicy":
        return document
    role = {"Resource": "arn:aws:iam::123456789012:role/this"}
    return {**document, "Statement": [role | said for said in document["Statement"]]}


def test_parliament_has_nothing_to_say_of_our_documents_but_what_is_known():
    said = list(told())
    new = {
        f"{issue} {resource}: {detail}"
        for issue, detail, resource in said
        if not any(known.fits(issue, detail, resource) for known in KNOWN)
    }
    assert new == set()
    unused = [known for known in KNOWN if not any(known.fits(*one) for one in said)]
    assert unused == []


def test_parliament_is_shown_every_kind_of_document():
    shown = {
        (resource.type, key)
        for name in BUILDS
        for resource, key, _ in BUILDS[name]().policies()
    }
    assert shown >= {
        ("aws:iam/role:Role", "assumeRolePolicy"),
        (ROLE_POLICY, "policy"),
        (KEY, "policy"),
        ("aws:s3/bucketPolicy:BucketPolicy", "policy"),
        ("aws:secretsmanager/secretPolicy:SecretPolicy", "policy"),
        ("aws:sns/topicPolicy:TopicPolicy", "policy"),
        ("aws:sqs/queuePolicy:QueuePolicy", "policy"),
        ("aws:efs/fileSystemPolicy:FileSystemPolicy", "policy"),
    }


@pytest.mark.parametrize(
    ("statement", "issue"),
    [
        ({"Action": "s3:GetObjekt", "Resource": "arn:aws:s3:::b/*"}, "UNKNOWN_ACTION"),
        ({"Action": "s3:GetObject", "Resource": "b"}, "INVALID_ARN"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b"}, "RESOURCE_MISMATCH"),
    ],
)
def test_parliament_would_say_so(statement: dict[str, str], issue: str):
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", **statement}],
    }
    said = parliament.analyze_policy_string(json.dumps(document))
    assert [finding.issue for finding in said.findings] == [issue]
