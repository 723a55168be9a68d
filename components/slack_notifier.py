"""Slack: a small Lambda function that posts what SNS topics deliver to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components import iam
from components.function import make_function
from names import FUNCTION_LIMIT, bounded

_HANDLER = Path(__file__).parent / "notifier" / "handler.py"


@dataclass(frozen=True, kw_only=True)
class SlackNotifierArgs:
    """What the notifier needs to know.

    webhook_secret_arn: secret whose value is the URL of an incoming webhook.
    kms_key_arn: customer key of that secret and of the log group.
    dead_letter_queue_arn: SQS queue that keeps what Slack did not take; encrypted
        with SQS's own keys, or its key would have to let the function in.
    log_retention_days: a value that CloudWatch Logs offers.
    """

    webhook_secret_arn: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    dead_letter_queue_arn: pulumi.Input[str]
    log_retention_days: int = 30


class SlackNotifier(pulumi.ComponentResource):
    """Posts alarms, events and budget warnings to one Slack channel.

    Delivery is asynchronous: what fails is tried three times in all, a minute and two
    apart, and then put into the queue, with the reason. Slack takes about a message a
    second and says how long to wait; the function waits when it has the time.

    No concurrency is reserved (a new account's ten executions allow no reservation)
    and none is needed: a burst of alarms is limited by Slack, and waits as above.
    It is in no VPC: it needs the internet and nothing that is ours.
    """

    function_arn: pulumi.Output[str]
    """ARN of the function, for a topic's subscription."""

    log_group_name: pulumi.Output[str]
    """Where it writes what it could not deliver."""

    def __init__(
        self,
        name: str,
        args: SlackNotifierArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:SlackNotifier", name, None, opts)
        name = bounded(f"{name}-slack", FUNCTION_LIMIT)

        made = make_function(
            name,
            description="Posts notifications to Slack",
            handler="handler.handle",
            code={"handler.py": pulumi.FileAsset(str(_HANDLER))},
            environment={"WEBHOOK_SECRET_ARN": args.webhook_secret_arn},
            policy=lambda log_group_arn: pulumi.Output.all(
                log_group_arn,
                args.webhook_secret_arn,
                args.kms_key_arn,
                args.dead_letter_queue_arn,
            ).apply(lambda arns: _policy(*arns)),
            memory_size=128,
            timeout=10,
            log_retention_days=args.log_retention_days,
            kms_key_arn=args.kms_key_arn,
            parent=self,
        )
        function, logs = made.function, made.logs
        aws.lambda_.FunctionEventInvokeConfig(
            name,
            function_name=function.name,
            maximum_retry_attempts=2,
            maximum_event_age_in_seconds=6 * 60 * 60,
            destination_config=aws.lambda_.FunctionEventInvokeConfigDestinationConfigArgs(
                on_failure=aws.lambda_.FunctionEventInvokeConfigDestinationConfigOnFailureArgs(
                    destination=args.dead_letter_queue_arn
                )
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

        self.function_arn = function.arn
        self.log_group_name = logs.name
        self.register_outputs(
            {"function_arn": self.function_arn, "log_group_name": self.log_group_name}
        )


def _policy(log_group_arn: str, secret_arn: str, key_arn: str, queue_arn: str) -> str:
    region = iam.place_of(secret_arn).region
    return iam.document(
        {
            "Sid": "WriteLog",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{log_group_arn}:*",
        },
        {
            "Sid": "ReadWebhook",
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": secret_arn,
        },
        {
            "Sid": "DecryptWebhook",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key_arn,
            "Condition": {
                "StringEquals": {
                    "kms:ViaService": f"secretsmanager.{region}.amazonaws.com",
                    "kms:EncryptionContext:SecretARN": secret_arn,
                }
            },
        },
        {
            "Sid": "KeepUndelivered",
            "Effect": "Allow",
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
        },
    )
