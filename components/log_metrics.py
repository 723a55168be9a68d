"""Metrics of an app's log: how many errors, how many slow requests."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

ERRORS = "Errors"
"""Metric of the lines that tell of an error."""

SLOW_REQUESTS = "SlowRequests"
"""Metric of the requests that took too long."""

_WARNED_ABOVE = 5000
"""Milliseconds above which the app warns of a request."""


@dataclass(frozen=True, kw_only=True)
class LogMetricsArgs:
    """What log metrics need to know.

    log_group_name: where the app writes JSON lines, with `level` as a word.
    namespace: of the metrics; `Stromhaltig/` and the component's name by default.
    slow_milliseconds: above which a request is slow (1 or more); the deployment guide
        has 5000 ("Application Metrics").
    """

    log_group_name: pulumi.Input[str]
    namespace: str | None = None
    slow_milliseconds: int = 5000

    def __post_init__(self) -> None:
        """Refuse what CloudWatch would refuse late, or take and find everything.

        Raises:
            ValueError: for a limit that is none, and for a reserved namespace.
        """
        if self.slow_milliseconds < 1:
            raise ValueError(
                f"slow_milliseconds: {self.slow_milliseconds} is not 1 or more"
            )
        if (self.namespace or "").startswith("AWS/"):
            raise ValueError(
                f'namespace: "{self.namespace}" begins with AWS/, which is AWS\'s own'
            )


class LogMetrics(pulumi.ComponentResource):
    """Metric filters on a log group: counts, and 0 for a minute without a match.

    CloudWatch reports the 0 for each minute in which the app writes anything, and only
    where a filter has no dimensions, as these. A filter counts from its creation on.
    Ten custom metrics are free, each further one costs 0.30 USD a month.

    The app logs each request when it is completed, and above 5000 ms once more as a
    warning. One of the two counts: the warning, which is there whichever LOG_LEVEL is
    set down to `warn`, or with a lower limit the other, which needs `info`.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """

    namespace: str
    """Namespace of the metrics `Errors` and `SlowRequests`, for alarms and graphs."""

    def __init__(
        self,
        name: str,
        args: LogMetricsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:LogMetrics", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        self.namespace = args.namespace or f"Stromhaltig/{name}"
        warned = args.slow_milliseconds >= _WARNED_ABOVE
        message = "Slow request detected" if warned else "Request completed"
        slow = f'{{ ($.msg = "{message}") && ($.duration > {args.slow_milliseconds}) }}'
        for suffix, metric, pattern in (
            ("errors", ERRORS, '{ ($.level = "error") || ($.level = "fatal") }'),
            ("slow-requests", SLOW_REQUESTS, slow),
        ):
            aws.cloudwatch.LogMetricFilter(
                f"{name}-{suffix}",
                log_group_name=args.log_group_name,
                pattern=pattern,
                metric_transformation=aws.cloudwatch.LogMetricFilterMetricTransformationArgs(
                    namespace=self.namespace,
                    name=metric,
                    value="1",
                    default_value="0",
                    unit="Count",
                ),
                opts=child,
            )

        self.register_outputs({"namespace": self.namespace})
