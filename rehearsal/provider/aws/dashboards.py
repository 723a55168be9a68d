"""The row for CloudWatch dashboards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import matching, value_at
from rehearsal.provider.aws.documents import document
from rehearsal.provider.row import Aws, Row, deleted, is_gone
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

_COLUMNS = 24
_MOST_WIDGETS = 500


class Dashboard(Row):
    """aws.cloudwatch.Dashboard; its id is its name."""

    token = "aws:cloudwatch/dashboard:Dashboard"
    service = "cloudwatch"
    replaces = frozenset({"dashboardName"})
    updates = frozenset({"dashboardBody"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *matching(
                inputs,
                "dashboardName",
                r"[A-Za-z0-9_-]{1,255}",
                "1 to 255 characters of a-z A-Z 0-9 _ -",
            ),
            *document(inputs, "dashboardBody"),
        ]
        return problems or _body_problems(value_at(inputs, "dashboardBody"))

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs)
        return str(inputs["dashboardName"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        try:
            live = aws.client("cloudwatch").get_dashboard(DashboardName=id)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return {
            "dashboardArn": live["DashboardArn"],
            "dashboardBody": live["DashboardBody"],
            "dashboardName": live["DashboardName"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if changed:
            self._put(aws, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("cloudwatch").delete_dashboards, DashboardNames=[id])

    def _put(self, aws: Aws, inputs: Properties) -> None:
        aws.client("cloudwatch").put_dashboard(
            DashboardName=inputs["dashboardName"],
            DashboardBody=inputs["dashboardBody"],
        )


def _body_problems(body: str | None) -> list[str]:
    """What CloudWatch refuses in a body that is JSON; moto takes it."""
    if body is None:
        return []
    widgets = json.loads(body).get("widgets")
    if not isinstance(widgets, list):
        return ["dashboardBody: widgets is missing"]
    if len(widgets) > _MOST_WIDGETS:
        return [f"dashboardBody: {len(widgets)} widgets are more than {_MOST_WIDGETS}"]
    return [
        f"dashboardBody: widgets[{index}] {problem}"
        for index, widget in enumerate(widgets)
        if (problem := _widget_problem(widget))
    ]


def _widget_problem(widget: Mapping[str, Any]) -> str | None:
    kind, properties = widget.get("type"), widget.get("properties")
    if kind not in ("alarm", "explorer", "log", "metric", "text"):
        return f'has the type "{kind}", which CloudWatch does not know'
    if not isinstance(properties, dict):
        return "has no properties"
    if kind in ("log", "metric") and not properties.get("region"):
        return "has no region"
    if widget.get("x", 0) + widget.get("width", 6) > _COLUMNS:
        return f"ends beyond column {_COLUMNS}"
    return None


ROWS: tuple[type[Row], ...] = (Dashboard,)
INVOKES: Mapping[str, Invoke] = {}
