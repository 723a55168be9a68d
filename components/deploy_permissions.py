"""Policies for those who deploy a stack: who may do what, with its own things only.

Made of the calls in `components.deploy_calls`, bound to the stack by the names and tags
of what they touch. Nothing here is a resource; `components.deploy_role` is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.backup_plan import BACKUP_LIMIT
from components.deploy_calls import BOUND, TABLE, Calls
from names import CACHE_LIMIT, LOAD_BALANCER_LIMIT

Statement = dict[str, object]

DEPLOY_PATH = "/deploy/"
"""IAM path of deploy roles and their policies: outside of what they may touch."""

_GLOBAL = frozenset({"budgets", "cloudfront", "iam", "route53"})
"""Services with one endpoint for all regions."""

_CREATE_ACTION = frozenset({"ec2", "elasticfilesystem", "elasticloadbalancing"})
"""Services that say which call a tag comes with, so that only new things get one."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Whose resources they are.

    name: what names of the stack's resources begin with.
    secrets: first part of the names in Secrets Manager, without a slash at the end.
    tags: what every resource of the stack is tagged with. Patterns, as in `pr-*`, and
        there are many stacks.
    zone_ids: Route 53 zones that the stack writes records in.
    regions: where it has resources.
    """

    partition: str
    account_id: str
    name: str
    secrets: str
    tags: Mapping[str, str]
    zone_ids: Sequence[str]
    regions: Sequence[str]

    def arn(self, service: str, resource: str, *, region: str = "*") -> str:
        """ARN, or a pattern of ARNs, in the stack's account."""
        return f"arn:{self.partition}:{service}:{region}:{self.account_id}:{resource}"

    @property
    def regional(self) -> dict[str, Sequence[str]]:
        """Condition: in the stack's regions."""
        return {"aws:RequestedRegion": list(self.regions)}

    @property
    def tagging(self) -> dict[str, str]:
        """Condition: the call gives the stack's tags."""
        return {f"aws:RequestTag/{key}": value for key, value in self.tags.items()}

    @property
    def tagged(self) -> dict[str, str]:
        """Condition: the thing has the stack's tags."""
        return {f"aws:ResourceTag/{key}": value for key, value in self.tags.items()}

    @property
    def alike(self) -> str:
        """Operator of conditions on the tags."""
        many = any("*" in value for value in self.tags.values())
        return "StringLike" if many else "StringEquals"

    @property
    def ownerless(self) -> dict[str, str]:
        """Condition: the thing has none of the stack's tags, and so no owner."""
        return {f"aws:ResourceTag/{key}": "true" for key in self.tags}


POLICIES: Mapping[str, Sequence[str]] = {
    "network": ("ec2", "elasticloadbalancing"),
    "data": ("backup", "backup-storage", "elasticache", "elasticfilesystem", "rds"),
    "storage": ("kms", "s3", "secretsmanager"),
    "service": (
        "application-autoscaling",
        "ecr",
        "ecs",
        "lambda",
        "scheduler",
        "sqs",
    ),
    "edge": ("acm", "cloudfront", "route53", "wafv2"),
    "watch": ("budgets", "cloudwatch", "events", "logs", "sns"),
}
"""Policy of the apply role to the services in it: all in one would be too long."""

SERVICES = sorted({service for services in POLICIES.values() for service in services})
"""Every service that the table calls."""


def statements(
    stack: Stack,
    services: Iterable[str],
    table: Mapping[str, Sequence[Calls]] = TABLE,
) -> list[Statement]:
    """What may be done in these services by whoever deploys what is in the table."""
    return [one for service in services for one in _of_service(stack, service, table)]


def _of_service(
    stack: Stack, service: str, table: Mapping[str, Sequence[Calls]]
) -> list[Statement]:
    bound: dict[str, set[str]] = defaultdict(set)
    for calls in table.values():
        for call in calls:
            if call.service == service:
                for how in BOUND:
                    bound[how] |= set(call.actions(how))
    inside = {} if service in _GLOBAL else stack.regional
    tagging = {**inside, **stack.tagging}
    new = (
        {f"{service}:CreateAction": "false"}
        if service in _CREATE_ACTION
        else stack.ownerless
    )
    alike = stack.alike
    made: list[tuple[str, object, Mapping[str, object]]] = [
        ("named", named(stack, service), {"StringEquals": inside}),
        ("creates", "*", {alike: tagging}),
        ("tags", "*", {alike: tagging, "Null": new}),
        (
            "claims",
            stack.arn(service, "security-group/*"),
            {alike: tagging, "Null": stack.ownerless},
        ),
        (
            "changes",
            stack.arn(service, "*"),
            {alike: {**inside, **stack.tagged}},
        ),
        ("unbound", "*", {"StringEquals": inside}),
    ]
    return [
        allow(sorted(bound[how]), resources, conditions)
        for how, resources, conditions in made
        # A stack without a zone has no records: IAM takes no statement about nothing.
        if bound[how] and resources
    ]


def allow(
    actions: Sequence[str], resources: object, conditions: Mapping[str, object]
) -> Statement:
    """A statement; conditions on nothing are left out."""
    given = {operator: keys for operator, keys in conditions.items() if keys}
    return {
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": resources,
        **({"Condition": given} if given else {}),
    }


def named(stack: Stack, service: str) -> list[str]:
    """ARNs of what is the stack's by its name.

    Where names have to be short, only their beginning can be relied on.
    """
    name = stack.name
    patterns: Mapping[str, Sequence[str]] = {
        "backup": (
            f"backup-vault:{beginning(name, BACKUP_LIMIT)}*",
            f"restore-testing-plan:{beginning(name, BACKUP_LIMIT).replace('-', '_')}*",
        ),
        "budgets": (f"budget/{name}*",),
        "cloudwatch": (
            f"alarm:{name}*",
            f"alarm:TargetTracking-service/{name}*",
            f"dashboard/{name}*",
        ),
        "ec2": ("network-interface/*", "volume/*"),
        "ecr": (f"repository/{name}*",),
        "ecs": tuple(
            f"{kind}/{name}*" for kind in ("cluster", "service", "task-definition")
        ),
        "elasticache": (f"*:{beginning(name, CACHE_LIMIT)}*",),
        "events": (f"rule/{name}*",),
        # The key of copied backups has the name of their vault.
        "kms": (f"alias/{beginning(name, BACKUP_LIMIT)}*",),
        "lambda": (f"function:{name}*",),
        "logs": (
            *(f"log-group:{group}{name}*" for group in ("", "/ecs/", "/aws/lambda/")),
            f"log-group:/aws/rds/instance/{name}*",
            f"log-group:/aws/vendedlogs/elasticache/{beginning(name, CACHE_LIMIT)}*",
            f"log-group:aws-waf-logs-{name}*",
            *(
                f"{kind}:{name}*"
                for kind in ("delivery-source", "delivery-destination")
            ),
        ),
        "rds": (f"*:{name}*", "og:default:*"),
        "scheduler": (f"schedule/*/{name}*", f"schedule-group/{name}*"),
        "secretsmanager": (f"secret:{stack.secrets}/*",),
        "sns": (f"{name}*",),
        "sqs": (f"{name}*",),
        "wafv2": (f"*/webacl/{name}*/*", "*/managedruleset/*"),
    }
    without_account = {
        "route53": [f"hostedzone/{zone}" for zone in stack.zone_ids],
        "s3": [f"{name}*"],
    }
    if service in without_account:
        return [
            f"arn:{stack.partition}:{service}:::{resource}"
            for resource in without_account[service]
        ]
    named = [stack.arn(service, resource) for resource in patterns.get(service, ())]
    if service == "wafv2":  # what it is put in front of
        balancers = f"loadbalancer/app/{beginning(name, LOAD_BALANCER_LIMIT)}*"
        named.append(stack.arn("elasticloadbalancing", balancers))
    if service == "ec2":
        named.append(f"arn:{stack.partition}:ec2:*::image/*")
    return named


def beginning(name: str, limit: int) -> str:
    """What `names.bounded` leaves of a name whatever is appended to it."""
    return name[: limit - 9]


SERVICE_ROLES = (
    "backup.amazonaws.com",
    "ecs.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "events.amazonaws.com",
    "lambda.amazonaws.com",
    "monitoring.rds.amazonaws.com",
    "rds.amazonaws.com",
    "scheduler.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
)
"""To whom a role of the stack may be handed."""

SERVICE_LINKED_ROLES = (
    "backup.amazonaws.com",
    "ecs.amazonaws.com",
    "ecs.application-autoscaling.amazonaws.com",
    "elasticache.amazonaws.com",
    "elasticfilesystem.amazonaws.com",
    "elasticloadbalancing.amazonaws.com",
    "rds.amazonaws.com",
    "wafv2.amazonaws.com",
)
"""Whose own roles AWS makes on first use in an account, in the caller's name."""

MANAGED_POLICIES = (
    "service-role/AWSBackupServiceRolePolicyForBackup",
    "service-role/AWSBackupServiceRolePolicyForRestores",
)
"""Policies of AWS that a role of the stack may have."""


def identity(stack: Stack, boundary_arn: str) -> list[Statement]:
    """What may be done with roles: those of the stack, as long as they are bounded.

    Whoever can make roles can make one that may more than they do. So every role has
    the boundary when it is made, keeps it, and gets rights only while it has it.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """
    iam = f"arn:{stack.partition}:iam::"
    managed = [f"{iam}aws:policy/{policy}" for policy in MANAGED_POLICIES]
    return [
        *own_roles(stack, boundary_arn, SERVICE_ROLES),
        allow(
            ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
            role_arns(stack),
            {
                "StringEquals": {"iam:PermissionsBoundary": boundary_arn},
                "ArnEquals": {"iam:PolicyARN": managed},
            },
        ),
        allow(
            ["iam:CreateServiceLinkedRole"],
            f"{iam}{stack.account_id}:role/aws-service-role/*",
            {"StringEquals": {"iam:AWSServiceName": list(SERVICE_LINKED_ROLES)}},
        ),
    ]


def own_roles(
    stack: Stack, boundary_arn: str, services: Sequence[str]
) -> list[Statement]:
    """Making, changing and deleting roles that have the boundary, with own policies.

    services: to whom such a role may be handed.
    """
    roles = role_arns(stack)
    return [
        allow(
            [
                "iam:CreateRole",
                "iam:DeleteRolePolicy",
                "iam:PutRolePermissionsBoundary",
                "iam:PutRolePolicy",
            ],
            roles,
            {"StringEquals": {"iam:PermissionsBoundary": boundary_arn}},
        ),
        allow(
            [
                "iam:DeleteRole",
                "iam:TagRole",
                "iam:UntagRole",
                "iam:UpdateAssumeRolePolicy",
                "iam:UpdateRole",
                "iam:UpdateRoleDescription",
            ],
            roles,
            {},
        ),
        allow(
            ["iam:PassRole"],
            roles,
            {"StringEquals": {"iam:PassedToService": list(services)}},
        ),
    ]


def role_arns(stack: Stack) -> str:
    """ARNs of the stack's roles: that of a backup plan has the plan's short name."""
    name = beginning(stack.name, BACKUP_LIMIT)
    return f"arn:{stack.partition}:iam::{stack.account_id}:role/{name}*"


def boundary(stack: Stack, boundary_arn: str) -> list[Statement]:
    """The most that the apply role, and every role that it makes, can ever do.

    A boundary grants nothing. What it does not name is out of reach whatever a policy
    says: users and their keys, organisations, accounts, billing but for budgets, any
    other region, any role of others, and the deploy roles with this policy.
    """
    regional = [
        *(f"{service}:*" for service in (*SERVICES, *_USED_BY_ROLES)),
        *_USED_BY_COMMANDS,
    ]
    everywhere = [f"{service}:*" for service in sorted(_GLOBAL - {"iam"})]
    return [
        allow(
            sorted({*regional} - {*everywhere}), "*", {"StringEquals": stack.regional}
        ),
        # One endpoint for all regions: the region says nothing about them.
        allow([*everywhere, "iam:Get*", "iam:List*"], "*", {}),
        *identity(stack, boundary_arn),
        {
            "Sid": "NeitherThemselvesNorTheirLimits",
            "Effect": "Deny",
            "NotAction": ["iam:Get*", "iam:List*"],
            "Resource": [
                f"arn:{stack.partition}:iam::{stack.account_id}:{kind}{DEPLOY_PATH}*"
                for kind in ("role", "policy")
            ],
        },
    ]


_USED_BY_ROLES = ("ec2messages", "ssm", "ssmmessages", "tag")
"""What roles of a stack use beside the services that it is made of."""

_USED_BY_COMMANDS = ("servicequotas:GetServiceQuota",)
"""What `operations` calls beside them."""


def operations(stack: Stack) -> list[Statement]:
    """What commands do beside `pulumi up`, with what they name in `ops.platforms.aws`.

    - `deploy` and `rollback` read why tasks failed, run one-off tasks (the state of
      the migrations, a dump), and delete the snapshots of deployments long ago.
    - `db drill` reads dumps, and restores into a server beside the stack's.
    - `doctor`, `status` and `watch` read figures, quotas, logs, and whether the image
      is there.

    What `maintenance` makes is a rule like any of the stack's. Nobody gets into a
    container or through one: `ecs:ExecuteCommand` and `ssm:StartSession` are for
    people, whose names are in AWS's records then.
    """
    name = stack.name

    def own(service: str, *resources: str) -> list[str]:
        return [stack.arn(service, resource) for resource in resources]

    snapshots = (f"snapshot:{name}*", f"snapshot:rds:{name}*")
    # What a restored server has of the live one.
    beside = (f"subgrp:{name}*", f"pg:{name}*", "og:default:*")
    inside = {"StringEquals": stack.regional}
    cluster = {"ArnEquals": {"ecs:cluster": stack.arn("ecs", f"cluster/{name}")}}
    return [
        allow(
            ["logs:FilterLogEvents", "logs:GetLogEvents"],
            own("logs", f"log-group:/ecs/{name}:*"),
            inside,
        ),
        allow(
            ["ecs:RunTask"],
            own("ecs", f"task-definition/{name}*"),
            {**inside, **cluster},
        ),
        allow(["ecs:StopTask"], own("ecs", f"task/{name}/*"), inside),
        # Of a task that is started: it has the tags of its definition.
        allow(
            ["ecs:TagResource"],
            own("ecs", f"task/{name}/*"),
            {"StringEquals": {**stack.regional, "ecs:CreateAction": "RunTask"}},
        ),
        allow(
            ["s3:GetObject"], f"arn:{stack.partition}:s3:::{name}-backups-*/*", inside
        ),
        allow(["ecr:DescribeImages"], own("ecr", f"repository/{name}*"), inside),
        allow(
            ["rds:RestoreDBInstanceFromDBSnapshot"],
            own("rds", f"db:{name}*-scratch-*", *snapshots, *beside),
            inside,
        ),
        # Those of AWS Backup have names of their own, and the stack's tags.
        allow(
            ["rds:RestoreDBInstanceFromDBSnapshot"],
            own("rds", "snapshot:awsbackup:*"),
            {"StringEquals": {**stack.regional, **stack.tagged}},
        ),
        # What earlier deployments could have been undone with, and nobody else's.
        allow(
            ["rds:DeleteDBSnapshot"], own("rds", f"snapshot:{name}*-before-*"), inside
        ),
        # Of the server whose past it is, and of the new one.
        allow(
            ["rds:RestoreDBInstanceToPointInTime"],
            own("rds", f"db:{name}*", *beside),
            inside,
        ),
        # AWS knows no resource for these.
        allow(
            ["cloudwatch:GetMetricData", "servicequotas:GetServiceQuota"], "*", inside
        ),
    ]


def reads(stack: Stack) -> list[Statement]:
    """What a preview and a refresh look at: how things are set up, not what is in them.

    AWS's `ReadOnlyAccess` also reads objects, queues, parameters, logs and images;
    `ViewOnlyAccess` and `SecurityAudit` lack calls that the provider makes.
    """
    regional = sorted(call for call in _READS if call.split(":")[0] not in _GLOBAL)
    everywhere = reads_of(_GLOBAL)
    return [
        allow(regional, "*", {"StringEquals": stack.regional}),
        allow(everywhere, "*", {}),
        allow(
            ["lambda:Get*", "lambda:List*"],
            [stack.arn("lambda", f"function:{stack.name}*")],
            {},
        ),
        allow(
            [
                "s3:GetAccelerateConfiguration",
                "s3:GetBucket*",
                "s3:GetEncryptionConfiguration",
                "s3:GetLifecycleConfiguration",
                "s3:GetReplicationConfiguration",
                "s3:ListBucket",
            ],
            f"arn:{stack.partition}:s3:::{stack.name}*",
            {},
        ),
        # Public: which image a NAT instance starts from.
        allow(
            ["ssm:GetParameter", "ssm:GetParameters"],
            f"arn:{stack.partition}:ssm:*::parameter/aws/service/*",
            {},
        ),
    ]


def reads_of(services: Collection[str]) -> list[str]:
    """Calls that tell how things of these services are set up."""
    return sorted(call for call in _READS if call.split(":")[0] in services)


_READS = (
    "acm:DescribeCertificate",
    "acm:ListTagsForCertificate",
    "application-autoscaling:Describe*",
    "application-autoscaling:ListTagsForResource",
    "backup:Describe*",
    "backup:GetBackup*",
    "backup:GetRestoreTesting*",
    "backup:List*",
    "budgets:ListTagsForResource",
    "budgets:ViewBudget",
    "cloudfront:Get*",
    "cloudfront:List*",
    "cloudwatch:Describe*",
    "cloudwatch:GetDashboard",
    "cloudwatch:ListTagsForResource",
    "ec2:Describe*",
    "ec2:GetManagedPrefixListEntries",
    "ec2:GetSecurityGroupsForVpc",
    "ecr:DescribeRepositories",
    "ecr:GetAuthorizationToken",
    "ecr:GetLifecyclePolicy",
    "ecr:GetRepositoryPolicy",
    "ecr:ListTagsForResource",
    "ecs:Describe*",
    "ecs:List*",
    "elasticache:Describe*",
    "elasticache:ListTagsForResource",
    "elasticfilesystem:Describe*",
    "elasticfilesystem:ListTagsForResource",
    "elasticloadbalancing:Describe*",
    "events:Describe*",
    "events:List*",
    "iam:GetInstanceProfile",
    "iam:GetOpenIDConnectProvider",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListInstanceProfilesForRole",
    "iam:ListPolicyVersions",
    "iam:ListRolePolicies",
    "iam:ListRoleTags",
    "kms:DescribeKey",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListAliases",
    "kms:ListResourceTags",
    "logs:Describe*",
    "logs:GetDelivery",
    "logs:GetDeliveryDestination",
    "logs:GetDeliverySource",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:ListTagsForResource",
    "rds:Describe*",
    "rds:ListTagsForResource",
    "route53:Get*",
    "route53:List*",
    "scheduler:Get*",
    "scheduler:List*",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListSecretVersionIds",
    "sns:Get*",
    "sns:List*",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ListQueueTags",
    "wafv2:Get*",
    "wafv2:List*",
)


def secret_values(stack: Stack) -> list[Statement]:
    """What a refresh needs besides: it compares the values of secrets, too."""
    return [
        allow(["secretsmanager:GetSecretValue"], named(stack, "secretsmanager"), {}),
        allow(
            ["kms:Decrypt"],
            stack.arn("kms", "key/*"),
            {
                "StringEquals": stack.tagged,
                "StringLike": {"kms:ViaService": secrets_manager(stack)},
            },
        ),
    ]


def secrets_manager(stack: Stack) -> str:
    """Secrets Manager of any region, as a key is told who uses it."""
    suffix = "amazonaws.com.cn" if stack.partition == "aws-cn" else "amazonaws.com"
    return f"secretsmanager.*.{suffix}"


def state(bucket_arn: str, key_arn: str, *, writes: bool) -> list[Statement]:
    """What Pulumi does with its state: a preview reads it, and takes no lock.

    With the key it decrypts the secrets in the state: whoever may preview can read
    them.
    """
    objects = ["s3:GetObject"] + (["s3:DeleteObject", "s3:PutObject"] if writes else [])
    uses = ["kms:Decrypt"] + (["kms:Encrypt", "kms:GenerateDataKey"] if writes else [])
    return [
        allow(["s3:GetBucketLocation", "s3:ListBucket"], bucket_arn, {}),
        allow(objects, f"{bucket_arn}/*", {}),
        allow(["kms:DescribeKey", *uses], key_arn, {}),
    ]
