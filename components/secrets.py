"""Secrets: one Secrets Manager entry per variable, read by the app's tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from components import iam
from components.generated_secrets import made_up
from contract import Generated


@dataclass(frozen=True, kw_only=True)
class SecretsArgs:
    """What the secrets need to know.

    prefix: first part of each secret's name, such as `stromhaltig/production`.
    kms_key_arn: customer key that encrypts the values.
    account_id: only account whose principals may touch the secrets.
    recovery_window_days: time to restore a deleted secret (7-30); 0 deletes at
        once, and frees the name for the next deployment.
    generated: variable -> what is made up for it.
    provided: variable -> value that is known from elsewhere.
    passing: those that go with what they lead to and can be made again: not
        protected, and deleted at once, so that the name is free to come back.

    Raises ValueError when a variable is both generated and provided, and when one
    that is passing is neither.
    """

    prefix: str
    kms_key_arn: pulumi.Input[str]
    account_id: pulumi.Input[str]
    recovery_window_days: int = 30
    generated: Mapping[str, Generated] = field(default_factory=dict)
    provided: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    passing: Collection[str] = ()

    def __post_init__(self) -> None:
        both = sorted(self.generated.keys() & self.provided.keys())
        if both:
            raise ValueError(
                f"{', '.join(both)}: generated and provided. Choose one of the two"
            )
        unknown = sorted(
            set(self.passing) - self.provided.keys() - self.generated.keys()
        )
        if unknown:
            raise ValueError(f"passing: {', '.join(unknown)} is not there")


@dataclass(frozen=True, kw_only=True)
class SecretEntry:
    """Where a variable's value is kept; the value itself is nowhere in it.

    name: of the secret, as `aws secretsmanager` takes it.
    arn: with the six characters that AWS appends, for policies.
    version_id: of the value that this deployment wrote.
    reference: `valueFrom` of an ECS container, pinned to that version. A new value
        makes a new task definition, so that it is rolled out; the old definition
        keeps the old value, so that a rollback brings it back.
    """

    name: str
    arn: pulumi.Output[str]
    version_id: pulumi.Output[str]
    reference: pulumi.Output[str]


class Secrets(pulumi.ComponentResource):
    """Secrets Manager entries, encrypted with a customer key, closed to the outside.

    Each has a resource policy that denies other accounts and unencrypted calls,
    whatever an IAM policy elsewhere may allow. Reading is left to IAM: the roles
    that may are given the ARNs of the entries they need.

    Values are Pulumi secrets throughout: encrypted in the state, never displayed.
    """

    entries: Mapping[str, SecretEntry]
    """Variable -> where its value is kept."""

    def __init__(
        self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:Secrets", name, None, opts)

        values: dict[str, pulumi.Input[str]] = {
            variable: made_up(name, wanted, parent=self)
            for variable, wanted in args.generated.items()
        }
        values |= args.provided
        self.entries = {
            variable: _entry(
                _child_name(name, variable), variable, value, args, parent=self
            )
            for variable, value in values.items()
        }
        self.register_outputs(
            {
                "entries": {
                    variable: {"name": entry.name, "reference": entry.reference}
                    for variable, entry in self.entries.items()
                }
            }
        )


def _child_name(name: str, variable: str) -> str:
    return f"{name}-{variable.lower().replace('_', '-')}"


def _entry(
    name: str,
    variable: str,
    value: pulumi.Input[str],
    args: SecretsArgs,
    *,
    parent: pulumi.Resource,
) -> SecretEntry:
    passing = variable in args.passing
    child = pulumi.ResourceOptions(parent=parent, protect=False if passing else None)
    # The variable as it is: AWS warns of names that end in a hyphen and six
    # characters, which `jwt-secret` would, because its own ARNs do.
    secret_name = f"{args.prefix}/{variable}"
    secret = aws.secretsmanager.Secret(
        name,
        name=secret_name,
        description=f"Value of {variable}, written by Pulumi",
        kms_key_id=args.kms_key_arn,
        recovery_window_in_days=0 if passing else args.recovery_window_days,
        opts=child,
    )
    aws.secretsmanager.SecretPolicy(
        name,
        secret_arn=secret.arn,
        policy=pulumi.Output.all(secret.arn, args.account_id).apply(
            lambda known: _policy(*known)
        ),
        block_public_policy=True,
        opts=child,
    )
    version = aws.secretsmanager.SecretVersion(
        name,
        secret_id=secret.id,
        secret_string=pulumi.Output.secret(value),
        opts=pulumi.ResourceOptions(
            parent=parent,
            # A new value replaces the version. The old one stays readable for a
            # rollback, and protecting the secret must not forbid to rotate it.
            retain_on_delete=True,
            protect=False,
        ),
    )
    return SecretEntry(
        name=secret_name,
        arn=secret.arn,
        version_id=version.version_id,
        # ARN:json-key:version-stage:version-id, the first two left empty.
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
        reference=pulumi.Output.format("{0}:::{1}", secret.arn, version.version_id),
    )


def _policy(secret_arn: str, account_id: str) -> str:
    return iam.document(
        _deny(
            "OtherAccounts",
            secret_arn,
            {"StringNotEquals": {"aws:PrincipalAccount": account_id}},
        ),
        _deny(
            "UnencryptedCalls", secret_arn, {"Bool": {"aws:SecureTransport": "false"}}
        ),
    )


def _deny(
    whom: str, secret_arn: str, condition: Mapping[str, object]
) -> dict[str, object]:
    return {
        "Sid": f"Deny{whom}",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "secretsmanager:*",
        "Resource": secret_arn,
        "Condition": condition,
    }
