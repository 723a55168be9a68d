"""A judgement, told to people and to programs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from rich.console import Console

from policies.evaluate import Judgement, judge
from policies.exceptions import Accepted
from policies.model import Policy, Severity, Source, policy
from policies.report import as_data, show, summary
from resource_graph import UNKNOWN, Resource, ResourceGraph
from tests.unit.policies.casework import resource

BUCKET = "aws:s3/bucket:Bucket"
KEY = "aws:kms/key:Key"


def asking(
    id_: str, severity: Severity, key: str, source: Source = Source.FSBP
) -> Policy:
    """A policy that finds something wrong for each word in an input."""

    @policy(
        id_,
        BUCKET,
        title=f"Buckets have no {key}",
        severity=severity,
        source=source,
        remedy=f"Leave {key} out.",
    )
    def check(bucket: Resource) -> Iterator[str]:
        for word in bucket.get(key, "").split():
            if word == "crash":
                raise ValueError("no such word")
            yield f"{key} is {word}"

    return check


LOW = asking("S3.1", Severity.LOW, "low")
MEDIUM = asking("S3.2", Severity.MEDIUM, "medium")
CRITICAL = asking("S3.3", Severity.CRITICAL, "critical")
OWN = asking("our-own", Severity.CRITICAL, "own", Source.OWN)
POLICIES = (LOW, MEDIUM, CRITICAL, OWN)

ACCEPTED = Accepted(
    control="S3.2",
    resource="b*",
    reason="It is as it has to be.",
    expires=date(2027, 11, 30),
)


def judged(
    *resources: Resource, exceptions: tuple[Accepted, ...] = (ACCEPTED,)
) -> tuple[ResourceGraph, Judgement]:
    graph = ResourceGraph(resources)
    return graph, judge(graph, POLICIES, exceptions, today=date(2027, 5, 1))


def shown(
    *resources: Resource, exceptions: tuple[Accepted, ...] = (ACCEPTED,)
) -> list[str]:
    """The lines that are printed, in a narrow window."""
    written = io.StringIO()
    show(*judged(*resources, exceptions=exceptions), Console(file=written, width=30))
    return written.getvalue().splitlines()


def test_what_is_open_comes_first_the_worst_before_the_rest():
    lines = shown(
        resource(BUCKET, "files", low="x", own="y"),
        resource(BUCKET, "more", low="z", critical="[red]"),
    )
    assert lines == [
        "✗ S3.3 critical: Buckets have no critical",
        f"    {BUCKET} more: critical is [red]",
        "    → Leave critical out.",
        "✗ our-own critical: Buckets have no own",
        f"    {BUCKET} files: own is y",
        "    → Leave own out.",
        "✗ S3.1 low: Buckets have no low",
        f"    {BUCKET} files: low is x",
        f"    {BUCKET} more: low is z",
        "    → Leave low out.",
        "4 of 4 policies apply: 1 hold, 3 broken",
    ]


def test_what_is_accepted_is_told_with_day_and_reason():
    lines = shown(resource(BUCKET, "b1", medium="x"))
    assert lines == [
        "- S3.2 on b1: accepted until 2027-11-30. It is as it has to be.",
        "4 of 4 policies apply: 3 hold, 1 hold with exceptions",
    ]


def test_resources_are_counted_and_not_their_findings():
    twice = resource(BUCKET, "b1", medium="x y")
    (line, _) = shown(twice)
    assert line.startswith("- S3.2 on b1: accepted until")
    (line, _) = shown(twice, resource(BUCKET, "b2", medium="z"))
    assert line.startswith("- S3.2 on 2 resources: accepted until")


def test_what_was_accepted_for_too_long_is_open_and_says_so():
    old = ACCEPTED.model_copy(update={"expires": date(2027, 5, 1)})
    lines = shown(resource(BUCKET, "b1", medium="x"), exceptions=(old,))
    assert lines[:3] == [
        "✗ S3.2 medium: Buckets have no medium",
        f"    {BUCKET} b1: medium is x (it was accepted until 2027-05-01: It is as it "
        "has to be. Mend it or decide anew)",
        "    → Leave medium out.",
    ]


def test_what_is_not_known_yet_is_told_with_its_input():
    lines = shown(
        resource(BUCKET, "1", low=UNKNOWN, medium=UNKNOWN),
        resource(BUCKET, "2", low=UNKNOWN),
        resource(BUCKET, "3", low=UNKNOWN),
    )
    assert lines == [
        "? S3.1: 1 low is not known yet, and 2 more",
        "? S3.2: 1 medium is not known yet",
        "4 of 4 policies apply: 2 hold, 2 undecided",
    ]


def test_a_policy_that_failed_itself_is_named_with_its_error():
    lines = shown(resource(BUCKET, "1", low="crash"))
    assert lines == [
        f"✗ S3.1: the policy failed on {BUCKET} 1: ValueError: no such word",
        "4 of 4 policies apply: 3 hold, 1 failed themselves",
    ]


def test_an_exception_that_nothing_needs_is_named():
    lines = shown(resource(BUCKET, "b1"))
    assert lines == [
        "! S3.2: the exception is needed no more",
        "4 of 4 policies apply: 4 hold",
    ]


def test_somebody_else_is_told_that_our_exceptions_are_not_for_them():
    bucket = resource(BUCKET, "b1", medium="x")
    theirs = replace(bucket, urn=bucket.urn.replace("::stromhaltig::", "::shop::"))
    first, second, *_ = shown(theirs)
    assert first == ("This is shop/test: exceptions for stromhaltig do not cover it.")
    assert second == "✗ S3.2 medium: Buckets have no medium"


def test_that_no_policy_is_for_anything_is_told():
    assert shown(resource(KEY)) == [
        "No policy is for anything in stromhaltig/test.",
        "0 of 4 policies apply: none",
    ]


def test_each_policy_counts_once_by_the_worst_that_it_says():
    _, judgement = judged(
        # S3.1 finds something, and would have to know more of the other.
        resource(BUCKET, "1", low="x", medium="y crash", own="z"),
        resource(BUCKET, "b2", low=UNKNOWN, medium="y"),
    )
    assert summary(judgement) == (
        "4 of 4 policies apply: 1 hold, 2 broken, 1 failed themselves"
    )


def test_programs_are_told_everything():
    graph, judgement = judged(
        resource(BUCKET, "b1", low="x", medium="y", critical=UNKNOWN, own="crash"),
    )
    told = json.loads(json.dumps(as_data(graph, judgement)))
    urn = f"urn:pulumi:test::stromhaltig::{BUCKET}::b1"
    service = (
        "https://docs.aws.amazon.com/securityhub/latest/userguide/s3-controls.html"
    )
    source = "AWS Foundational Security Best Practices"
    assert told == {
        "project": "stromhaltig",
        "stack": "test",
        "passed": False,
        "summary": "4 of 4 policies apply: 1 hold with exceptions, 1 undecided, "
        "1 broken, 1 failed themselves",
        "open": [
            {
                "control": "S3.1",
                "title": "Buckets have no low",
                "severity": "low",
                "source": source,
                "urn": urn,
                "message": "low is x",
                "remedy": "Leave low out.",
                "url": f"{service}#s3-1",
                "accepted": None,
            }
        ],
        "accepted": [
            {
                "control": "S3.2",
                "title": "Buckets have no medium",
                "severity": "medium",
                "source": source,
                "urn": urn,
                "message": "medium is y",
                "remedy": "Leave medium out.",
                "url": f"{service}#s3-2",
                "accepted": {
                    "control": "S3.2",
                    "project": "stromhaltig",
                    "stacks": ["*"],
                    "resource": "b*",
                    "reason": "It is as it has to be.",
                    "expires": "2027-11-30",
                    "instead": [],
                },
            }
        ],
        "failed": {
            "our-own": f"the policy failed on {BUCKET} b1: ValueError: no such word"
        },
        "undecided": {"S3.3": ["b1: critical"]},
        "unused_exceptions": [],
    }


def test_programs_are_told_of_exceptions_that_nothing_needs():
    told = as_data(*judged(resource(BUCKET, "b1")))
    assert told["passed"] is True
    assert [unused["control"] for unused in told["unused_exceptions"]] == ["S3.2"]
