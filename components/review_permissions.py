"""Policies for those who deploy stacks of pull requests, beside a base.

What they make is theirs by name and tag, as with any stack, but for all of them at
once: `pr-*`. Of the base they use the listener, the function that makes databases, the
key and the outputs in its state; nothing of it can be changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.deploy_calls import TABLE, Calls
from components.deploy_permissions import (
    Stack,
    Statement,
    allow,
    beginning,
    named,
    own_roles,
    reads_of,
    role_arns,
    secrets_manager,
    statements,
)
from names import LOAD_BALANCER_LIMIT

REVIEW_TABLE: Mapping[str, Sequence[Calls]] = {
    **{
        type_: TABLE[type_]
        for type_ in (
            "aws:cloudwatch/logGroup:LogGroup",
            "aws:ecs/cluster:Cluster",
            "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders",
            "aws:ecs/service:Service",
            "aws:ecs/taskDefinition:TaskDefinition",
            "aws:iam/role:Role",
            "aws:iam/rolePolicy:RolePolicy",
            "aws:lb/targetGroup:TargetGroup",
            "aws:secretsmanager/secret:Secret",
            "aws:secretsmanager/secretPolicy:SecretPolicy",
            "aws:secretsmanager/secretVersion:SecretVersion",
        )
    },
    # What makes a rule is asked of the listener, which is the base's.
    "aws:lb/listenerRule:ListenerRule": (
        Calls(
            "elasticloadbalancing",
            tags="AddTags",
            changes="AddTags DeleteRule ModifyRule RemoveTags SetRulePriorities",
        ),
    ),
    # Its function is the base's.
    "aws:lambda/invocation:Invocation": (),
}
"""Type to its calls, for each type that a review is made of."""

_SERVICES = ("ecs", "elasticloadbalancing", "logs", "secretsmanager")

_ROLES_GO_TO = ("ecs-tasks.amazonaws.com",)
"""To whom a role of a review may be handed."""


def review_statements(
    reviews: Stack, base: Stack, boundary_arn: str, function_name: str
) -> list[Statement]:
    """What may be done with reviews, and with the base for them.

    boundary_arn: what every role of a review must have.
    function_name: function of the base that makes their databases.
    """
    return [
        *statements(reviews, _SERVICES, REVIEW_TABLE),
        *own_roles(reviews, boundary_arn, _ROLES_GO_TO),
        *_of_the_base(reviews, base, function_name),
    ]


def review_reads(reviews: Stack) -> list[Statement]:
    """What an update of a review looks at: how things are set up.

    Of clusters, load balancers and logs AWS lists all, or none.
    """
    return [
        allow(
            reads_of(("ecs", "elasticloadbalancing", "logs")),
            "*",
            {"StringEquals": reviews.regional},
        ),
        allow(
            [call for call in reads_of(("iam",)) if "Role" in call],
            role_arns(reviews),
            {},
        ),
        allow(reads_of(("secretsmanager",)), named(reviews, "secretsmanager"), {}),
    ]


def review_boundary(
    reviews: Stack, base: Stack, boundary_arn: str, function_name: str
) -> list[Statement]:
    """The most that the role, and every role of a review, can ever do.

    A pull request says itself what its tasks may do. So there is no more in it than in
    the role, but for what is done inside a review's own cluster, logs and secrets, and
    the pulling of its image.
    """
    inside = {"StringEquals": reviews.regional}
    own = ("ecs", "logs", "secretsmanager")
    return [
        allow(
            [f"{service}:*" for service in own],
            [
                reviews.arn("ecs", f"*/{reviews.name}*"),
                reviews.arn("logs", f"log-group:/ecs/{reviews.name}*"),
                *named(reviews, "secretsmanager"),
            ],
            inside,
        ),
        *statements(reviews, ["elasticloadbalancing"], REVIEW_TABLE),
        *own_roles(reviews, boundary_arn, _ROLES_GO_TO),
        *_of_the_base(reviews, base, function_name),
        allow(
            [
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetAuthorizationToken",
                "ecr:GetDownloadUrlForLayer",
                "ecs:DeregisterTaskDefinition",
                "ecs:Describe*",
                "ecs:List*",
                "elasticloadbalancing:Describe*",
                "logs:Describe*",
            ],
            "*",
            inside,
        ),
        allow(["iam:Get*", "iam:List*"], role_arns(reviews), {}),
    ]


def _of_the_base(reviews: Stack, base: Stack, function_name: str) -> list[Statement]:
    """A rule of its listener, its function, and its key for secrets of reviews.

    Secrets Manager tells the key whose secret it is; when it only tries whether the
    key may be used, it can say that instead.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    """
    function = base.arn("lambda", f"function:{function_name}")
    balancer = beginning(base.name, LOAD_BALANCER_LIMIT)
    whose = [*named(reviews, "secretsmanager"), "RequestToValidateKeyAccess"]
    return [
        allow(
            ["elasticloadbalancing:CreateRule"],
            base.arn("elasticloadbalancing", f"listener/app/{balancer}*"),
            {"StringEquals": base.tagged, reviews.alike: reviews.tagging},
        ),
        # Called by its name, and by its name with a version.
        allow(["lambda:InvokeFunction"], [function, f"{function}:*"], {}),
        allow(
            ["kms:Decrypt", "kms:GenerateDataKey"],
            base.arn("kms", "key/*"),
            {
                "StringEquals": base.tagged,
                "StringLike": {
                    "kms:ViaService": secrets_manager(base),
                    "kms:EncryptionContext:SecretARN": whose,
                },
            },
        ),
    ]


def review_state(
    bucket_arn: str, key_arn: str, *, project: str, base: str, reviews: str
) -> list[Statement]:
    """What Pulumi does with the state of reviews, and reads of their base's.

    With the key, what is read can be decrypted too: a reference to a stack opens its
    whole state, secrets included, although its outputs hold none.

    project: of Pulumi. base, reviews: names of stacks in it; those of reviews as a
        pattern.
    """
    folder = f"{bucket_arn}/.pulumi"
    kept = ("backups", "history", "stacks", "locks/organization")
    return [
        allow(["s3:GetBucketLocation", "s3:ListBucket"], bucket_arn, {}),
        allow(
            ["s3:GetObject"],
            [f"{folder}/meta.yaml", f"{folder}/stacks/{project}/{base}.*"],
            {},
        ),
        allow(
            ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            [f"{folder}/{kind}/{project}/{reviews}" for kind in kept],
            {},
        ),
        allow(
            [
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey",
            ],
            key_arn,
            {},
        ),
    ]
