"""What a pull request's stack uses of the one that it shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from settings import ReviewSettings
from settings.model import set_command


class Base:
    """The outputs of the base, checked: it has to be up, with reviews.

    Nothing is a secret. Fields have the names that `AwsOutputs` has, and those of its
    `reviews`.
    """

    account: pulumi.Output[str]
    """AWS account of everything."""

    vpc: pulumi.Output[str]
    """Network."""

    task_subnets: pulumi.Output[Sequence[str]]
    """Private subnets."""

    key: pulumi.Output[str]
    """ARN of the key that encrypts secrets and logs."""

    database_endpoint: pulumi.Output[str]
    """`HOST:PORT` of the database server."""

    domain: pulumi.Output[str]
    """What reviews are at `pr-N.` of."""

    listener: pulumi.Output[str]
    """ARN of the HTTPS listener that takes a rule for each review."""

    security_group: pulumi.Output[str]
    """Group of the reviews' tasks."""

    database_function: pulumi.Output[str]
    """Name of the function that makes their databases."""

    ssl_mode: pulumi.Output[str]
    """`sslmode` of connections to the server."""

    boundary: pulumi.Output[str | None]
    """ARN of the policy that roles must have as their boundary; None where whoever
    deploys is not bound to it."""

    def __init__(self, settings: ReviewSettings) -> None:
        where = (pulumi.get_organization(), pulumi.get_project(), settings.base)
        told = pulumi.StackReference("/".join(where)).outputs.apply(
            lambda outputs: _with_reviews(settings.base, outputs)
        )
        self.account = told["account"]
        self.vpc = told["vpc"]
        self.task_subnets = told["task_subnets"]
        self.key = told["key"]
        self.database_endpoint = told["database_endpoint"]
        self.domain = told["domain"]
        self.listener = told["listener"]
        self.security_group = told["security_group"]
        self.database_function = told["database_function"]
        self.ssl_mode = told["ssl_mode"]
        self.boundary = told.apply(lambda outputs: outputs.get("boundary"))


def _with_reviews(base: str, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs with those of reviews among them.

    Raises:
        RunError: for a base that was never deployed with reviews.
    """
    lent = outputs.get("reviews")
    if not lent:
        raise pulumi.RunError(
            f"{base} is not up with room for reviews. If its file has no "
            f"stromhaltig:reviews, set them: "
            f"{set_command(base, 'reviews.connections', '10')}. Then deploy it: "
            f"pulumi up --stack {base}"
        )
    return {**outputs, **lent}
