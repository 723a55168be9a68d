"""IAM documents: one shape, stable text, and who may assume what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple


class Place(NamedTuple):
    """Where a resource lives, as its ARN tells it."""

    partition: str
    region: str
    account_id: str


def place_of(arn: str) -> Place:
    """Return the partition, region and account of an ARN.

    Components take their surroundings from a resource they have instead of asking
    for them: the two cannot contradict each other.

    Raises:
        ValueError: when the text is no ARN.
    """
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        raise ValueError(f'"{arn}" is no ARN')
    _, partition, _, region, account_id, _ = parts
    return Place(partition, region, account_id)


def document(*statements: Mapping[str, object]) -> str:
    """Return a policy document of these statements; equal input, equal text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def service_trust(service: str, account_id: str) -> str:
    """Return the trust policy that lets an AWS service use a role for one account.

    service: its principal, such as `ecs-tasks.amazonaws.com`.

    Without the condition the service could be made to use the role on behalf of
    another account (AWS IAM guide, "The confused deputy problem").
    """
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
        }
    )


def lambda_trust() -> str:
    """Return the trust policy of a function's role.

    Lambda takes a role of the function's own account only, from whoever may pass it; a
    condition on the source is not documented for it.
    """
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )
