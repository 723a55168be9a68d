"""Budget: a monthly limit for one environment, and who hears when it is near."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

ENVIRONMENT_TAG = "Environment"
"""Tag that tells whose costs they are."""

_MAIL_ADDRESSES = 10
"""Per notification (AWS Budgets API, NotificationWithSubscribers)."""


@dataclass(frozen=True, kw_only=True)
class BudgetArgs:
    """What a budget needs to know.

    environment: value of the tag `Environment` on everything that is counted.
    monthly_usd: limit in US dollars a calendar month, more than 0.
    emails: who is told, at most 10; AWS asks nobody to confirm.
    topic_arn: SNS topic that is told; its policy must let `budgets.amazonaws.com`
        publish, and so must the policy of its key.

    Raises ValueError when nobody would be told, or the limit is none.
    """

    environment: str
    monthly_usd: float
    emails: Sequence[str] = ()
    topic_arn: pulumi.Input[str] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.monthly_usd) and self.monthly_usd > 0):
            raise ValueError(
                f"monthly_usd: {self.monthly_usd} is no limit; give more than 0"
            )
        if not self.emails and self.topic_arn is None:
            raise ValueError(
                "emails, topic_arn: nobody would be told; give one of them"
            )
        if len(self.emails) > _MAIL_ADDRESSES:
            raise ValueError(
                f"emails: {len(self.emails)} addresses, and AWS takes "
                f"{_MAIL_ADDRESSES}; send to a list, or to a topic"
            )


class Budget(pulumi.ComponentResource):
    """A monthly cost budget of everything that is tagged with one environment.

    Told at 80 % and at 100 % of the limit, and when the forecast passes 100 %, which
    is when something can still be done. AWS computes forecasts after about five weeks
    of usage, and updates costs up to three times a day: a budget is no brake.
    https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-managing-costs.html

    It counts nothing until `Environment` is a cost allocation tag. Whoever manages
    billing activates it once per organisation, a day after the tag was first used:
    `aws ce update-cost-allocation-tags-status
    --cost-allocation-tags-status TagKey=Environment,Status=Active`.
    """

    budget_name: pulumi.Output[str]
    """Name of the budget, as `aws budgets` takes it."""

    def __init__(
        self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:Budget", name, None, opts)

        budget = aws.budgets.Budget(
            name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{args.monthly_usd:.2f}",
            limit_unit="USD",
            cost_filters=[
                aws.budgets.BudgetCostFilterArgs(
                    name="TagKeyValue",
                    # How Budgets writes a tag that users, not AWS, have set.
                    values=[f"user:{ENVIRONMENT_TAG}${args.environment}"],
                )
            ],
            notifications=[
                _notification(args, of, percent)
                for of, percent in (
                    ("ACTUAL", 80),
                    ("ACTUAL", 100),
                    ("FORECASTED", 100),
                )
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )

        self.budget_name = budget.name
        self.register_outputs({"budget_name": self.budget_name})


def _notification(
    args: BudgetArgs, of: str, percent: int
) -> aws.budgets.BudgetNotificationArgs:
    return aws.budgets.BudgetNotificationArgs(
        notification_type=of,
        comparison_operator="GREATER_THAN",
        threshold=percent,
        threshold_type="PERCENTAGE",
        subscriber_email_addresses=list(args.emails) or None,
        subscriber_sns_topic_arns=(
            [args.topic_arn] if args.topic_arn is not None else None
        ),
    )
