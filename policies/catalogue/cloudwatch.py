"""Amazon CloudWatch: alarms that reach somebody, logs that are kept for long enough."""

from __future__ import annotations

from collections.abc import Iterator

from policies.model import Severity, Source, policy
from resource_graph import Resource
from resource_types import ALARM, LOG_GROUP

_YEAR = 365


@policy(
    "CloudWatch.15",
    ALARM,
    title="Alarms have an action for the state ALARM",
    severity=Severity.HIGH,
    source=Source.SECURITY_HUB,
    remedy="Set alarm_actions=[topic.arn].",
)
def alarm_acts(alarm: Resource) -> Iterator[str]:
    """An alarm that nobody hears is a chart."""
    if not alarm.has("alarmActions"):
        yield "alarmActions is empty"


@policy(
    "CloudWatch.16",
    LOG_GROUP,
    title="Logs are kept for a year at least",
    severity=Severity.MEDIUM,
    source=Source.SECURITY_HUB,
    remedy="Set retention_in_days=365 or more.",
)
def kept_for_a_year(group: Resource) -> Iterator[str]:
    """An intrusion is often found months after it began."""
    days = _retention(group)
    if 0 < days < _YEAR:
        yield f"retentionInDays is {days}, less than {_YEAR}"


@policy(
    "CloudWatch.17",
    ALARM,
    title="The actions of alarms are enabled",
    severity=Severity.HIGH,
    source=Source.SECURITY_HUB,
    remedy="Leave actions_enabled out, or set it to True.",
)
def actions_enabled(alarm: Resource) -> Iterator[str]:
    """Alarms are silenced for an evening and forgotten for a year."""
    if alarm.get("actionsEnabled", True) is not True:
        yield "actionsEnabled is false"


@policy(
    "log-retention-finite",
    LOG_GROUP,
    title="Logs are deleted at some time",
    severity=Severity.LOW,
    source=Source.OWN,
    remedy="Set retention_in_days to how long you need the logs.",
)
def deleted_some_day(group: Resource) -> Iterator[str]:
    """Logs hold personal data and cost money for as long as they are there."""
    if _retention(group) <= 0:
        yield "retentionInDays is 0, which is for ever"


def _retention(group: Resource) -> int:
    """Days; 0 is for ever, and what AWS does by itself."""
    if group.get("logGroupClass") == "DELIVERY":
        # It lasts two days whatever it is set to: what is in it is on its way.
        return 2
    days = str(group.get("retentionInDays"))
    return int(days) if days.isdecimal() else 0
