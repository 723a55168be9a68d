"""The row of dashboards: its case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site

DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"


def body(*widgets: Mapping[str, Any]) -> str:
    return json.dumps({"widgets": list(widgets)})


def text(markdown: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "properties": {"markdown": markdown}, **more}


def dashboard(site: Site) -> Case:
    cloudwatch = site.client("cloudwatch")
    return Case(
        inputs={"dashboardName": site.name(), "dashboardBody": body(text("one"))},
        listing=lambda: [
            one["DashboardName"]
            for one in cloudwatch.list_dashboards()["DashboardEntries"]
        ],
        updates={"dashboardBody": body(text("one"), text("two", x=6, y=0))},
        replaces={"dashboardName": site.name()},
        drift=[
            Drift(
                act=lambda id: cloudwatch.put_dashboard(
                    DashboardName=id, DashboardBody=body()
                ),
                seen="dashboardBody",
            )
        ],
        refused=[
            ({"dashboardName": "a.b"}, "255"),
            ({"dashboardBody": "widgets"}, "not JSON"),
            ({"dashboardBody": "[]"}, "a JSON object"),
            ({"dashboardBody": "{}"}, "widgets is missing"),
            ({"dashboardBody": body(*[text("a")] * 501)}, "500"),
            ({"dashboardBody": body({"type": "graph"})}, '"graph"'),
            ({"dashboardBody": body({"type": "text"})}, "no properties"),
            (
                {"dashboardBody": body({"type": "metric", "properties": {"a": 1}})},
                "no region",
            ),
            ({"dashboardBody": body(text("a", x=20, width=5))}, "column 24"),
        ],
    )


CASES: Mapping[str, Callable[[Site], Case]] = {DASHBOARD: dashboard}


class TestDashboardRows(Conformance):
    cases = CASES


def test_how_a_body_is_written_is_no_difference(site: Site) -> None:
    made = Resource(DASHBOARD, site.aws)
    name = site.name()
    made.up(
        {"dashboardName": name, "dashboardBody": '{"widgets": [], "start": "-PT3H"}'}
    )
    same = {"dashboardName": name, "dashboardBody": '{"start":"-PT3H","widgets":[]}'}
    assert not made.preview(same).changed
    made.destroy()
