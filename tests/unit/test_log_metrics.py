"""The counts of the app's log, taken from lines that the app itself has written.

The emulator's filters match every line, so a small reading of CloudWatch's syntax for
JSON lines stands in for them.
"""

from __future__ import annotations

import json
import operator
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.log_metrics import ERRORS, SLOW_REQUESTS, LogMetrics, LogMetricsArgs
from tests.graph import Graph

FILTER = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
APP = Path(__file__).parents[2] / "app"

RECORDED = r"""
{"level":"info","url":"/","status":200,"duration":4,"msg":"Request completed"}
{"level":"info","url":"/slow","status":200,"duration":5301,"msg":"Request completed"}
{"level":"warn","url":"/slow","duration":5301,"msg":"Slow request detected"}
{"level":"error","err":{"type":"Error","message":"boom"},"msg":"Request failed"}
{"level":"info","url":"/broken","status":500,"duration":4,"msg":"Request completed"}
{"level":"debug","url":"/api/health","duration":1,"msg":"Request completed"}
{"level":"fatal","err":{"message":"x is undefined"},"msg":"uncaughtException"}
{"level":"warn","signal":"SIGTERM","msg":"Asked twice to stop; leaving at once"}
001_users  applied 2026-11-23T00:18:01.000Z
"""
"""What the script below made the app write, shortened, and a line of a migration."""

SCRIPT = """
import { once } from 'node:events';
import { createServer } from 'node:http';
import express from 'express';
import { errorHandler } from './src/errors.ts';
import { createLogger } from './src/logger.ts';
import { requestLog } from './src/request-log.ts';

const logger = createLogger({ LOG_LEVEL: 'debug' });
const now = performance.now.bind(performance);
let skipped = 0;
performance.now = () => now() + skipped;
const app = express();
app.use(requestLog(logger));
app.get('/slow', (_request, response) => { skipped += 5300; response.send('late'); });
app.get('/broken', () => { throw new Error('boom'); });
app.get(/.*/, (_request, response) => { response.send('ok'); });
app.use(errorHandler({ logger }));
const server = createServer(app).listen(0, '127.0.0.1');
await once(server, 'listening');
for (const path of ['/', '/slow', '/broken', '/api/health']) {
  await (await fetch(`http://127.0.0.1:${server.address().port}${path}`)).text();
}
logger.fatal({ err: new TypeError('x is undefined') }, 'uncaughtException');
logger.warn({ signal: 'SIGTERM' }, 'Asked twice to stop; leaving at once');
server.close();
server.closeAllConnections();
"""

_COMPARISON = re.compile(r'\(\$\.(\w+) (=|>) (?:"([^"]*)"|(\d+))\)')


def build(graph: Graph, **args: Any) -> Any:
    return graph.build(
        lambda: LogMetrics("app", LogMetricsArgs(log_group_name="/ecs/app", **args))
    )


def written_by_the_app() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    if not (APP / "node_modules" / "tsx").is_dir():
        pytest.skip("the app's packages are not installed: run `npm ci` in app/")
    done = subprocess.run(
        [node, "--import", "tsx", "--input-type=module", "--eval", SCRIPT],
        cwd=APP,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def matches(pattern: str, line: str) -> bool:
    """Comparisons in parentheses, all joined by && or all by ||; a line that is no
    JSON matches none, as a field that is missing does not.
    """
    assert pattern.startswith("{ ")
    assert pattern.endswith(" }")
    found = _COMPARISON.findall(pattern)
    joined = _COMPARISON.sub("", pattern[2:-2]).split()
    assert len(set(joined)) == 1, pattern
    assert len(found) == len(joined) + 1, pattern
    try:
        record = json.loads(line)
    except ValueError:
        return False
    results = [_holds(record, *comparison) for comparison in found]
    return all(results) if joined[0] == "&&" else any(results)


def _holds(record: dict[str, Any], key: str, sign: str, text: str, number: str) -> bool:
    if key not in record:
        return False
    compare = {"=": operator.eq, ">": operator.gt}[sign]
    return bool(compare(record[key], float(number) if number else text))


def counted(graph: Graph, metric: str, lines: str) -> list[str]:
    """Messages of the lines that count."""
    [pattern] = [
        one["pattern"]
        for one in graph.all(FILTER)
        if one["metricTransformation"]["name"] == metric
    ]
    return [
        json.loads(line)["msg"]
        for line in lines.strip().splitlines()
        if matches(pattern, line)
    ]


@pytest.fixture(params=["recorded", "written now"])
def lines(request) -> str:
    return RECORDED if request.param == "recorded" else written_by_the_app()


def test_errors_and_crashes_count_and_slow_requests_count_once(graph, lines):
    build(graph)
    assert counted(graph, ERRORS, lines) == ["Request failed", "uncaughtException"]
    assert counted(graph, SLOW_REQUESTS, lines) == ["Slow request detected"]


@pytest.mark.parametrize(
    ("limit", "messages"),
    [
        (5301, []),
        (5300, ["Slow request detected"]),
        (4999, ["Request completed"]),
        (3, ["Request completed"] * 3),
    ],
)
def test_a_request_counts_once_whatever_the_limit(graph, limit, messages):
    build(graph, slow_milliseconds=limit)
    assert counted(graph, SLOW_REQUESTS, RECORDED) == messages


def test_a_quiet_minute_is_a_zero(graph):
    outputs = build(graph)
    assert outputs["namespace"] == "Stromhaltig/app"
    for one in graph.all(FILTER):
        assert one["logGroupName"] == "/ecs/app"
        assert one["metricTransformation"] | {"name": ""} == {
            "namespace": "Stromhaltig/app",
            "name": "",
            "value": "1",
            "defaultValue": "0",
            "unit": "Count",
        }


def test_a_namespace_can_be_given(graph):
    assert build(graph, namespace="Elsewhere")["namespace"] == "Elsewhere"
    assert {one["metricTransformation"]["namespace"] for one in graph.all(FILTER)} == {
        "Elsewhere"
    }


@pytest.mark.parametrize(
    ("args", "words"),
    [({"slow_milliseconds": 0}, "1 or more"), ({"namespace": "AWS/ECS"}, "AWS/ECS")],
)
def test_what_would_find_nothing_or_be_refused_is_said_at_once(args, words):
    with pytest.raises(ValueError, match=words):
        LogMetricsArgs(log_group_name="/ecs/app", **args)


def test_a_preview_has_both_filters(graph):
    graph.build(
        lambda: LogMetrics("app", LogMetricsArgs(log_group_name="/ecs/app")),
        preview=True,
    )
    assert len(graph.all(FILTER)) == 2
