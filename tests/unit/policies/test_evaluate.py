"""What a judgement makes of findings, unknown values, failures and exceptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from policies.evaluate import Judgement, Outcome, judge
from policies.exceptions import Accepted
from policies.model import Policy, Severity, Source, policy
from resource_graph import SECRET, UNKNOWN, Resource, ResourceGraph
from tests.unit.policies.casework import resource

BUCKET = "aws:s3/bucket:Bucket"
KEY = "aws:kms/key:Key"
TODAY = date(2027, 5, 1)
NEXT_DAY = date(2027, 5, 2)


def made(check: Callable[..., Iterator[str]], id_: str = "S3.99") -> Policy:
    return policy(
        id_,
        BUCKET,
        title="Buckets are as they should be",
        severity=Severity.MEDIUM,
        source=Source.FSBP,
        remedy="Mend it.",
    )(check)


@made
def plain(bucket: Resource) -> Iterator[str]:
    """Two things can be wrong."""
    if bucket.get("acl") == "public":
        yield "acl is public"
    if not bucket.get("versioned"):
        yield "versioned is not true"


GOOD = {"acl": "private", "versioned": True}


def judged(
    *resources: Resource,
    policies: tuple[Policy, ...] = (plain,),
    exceptions: tuple[Accepted, ...] = (),
    today: date = TODAY,
) -> Judgement:
    return judge(ResourceGraph(resources), policies, exceptions, today=today)


def outcome(*resources: Resource, **given: Any) -> Outcome:
    return judged(*resources, **given).outcomes[0]


def accepted(**given: Any) -> Accepted:
    return Accepted(
        **{
            "control": "S3.99",
            "reason": "It is as it has to be.",
            "expires": NEXT_DAY,
            **given,
        }
    )


class TestFindings:
    """Without exceptions."""

    def test_what_is_right_passes(self):
        found = outcome(resource(BUCKET, **GOOD), resource(BUCKET, "two", **GOOD))
        assert found.passed
        assert found.looked_at == 2
        assert judged(resource(BUCKET, **GOOD)).passed

    def test_each_thing_that_is_wrong_is_a_finding_of_its_resource(self):
        good, bad = resource(BUCKET, "good", **GOOD), resource(BUCKET, acl="public")
        found = outcome(good, bad)
        assert [(f.resource, f.message) for f in found.findings] == [
            (bad, "acl is public"),
            (bad, "versioned is not true"),
        ]
        assert found.open == found.findings
        assert not found.passed
        assert not judged(good, bad).passed

    def test_what_is_for_nothing_in_the_graph_neither_applies_nor_passes(self):
        found = outcome(resource(KEY))
        assert not found.applies
        assert not found.passed
        assert judged(resource(KEY)).passed

    def test_types_are_judged_under_their_older_names_too(self):
        old = resource("aws:s3/bucketV2:BucketV2", acl="public", versioned=True)
        (finding,) = outcome(old).findings
        assert finding.message == "acl is public"
        assert finding.resource.urn == old.urn
        assert finding.resource.type == BUCKET

    def test_relations_hold_between_older_and_newer_names(self):
        def has_key(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
            if not graph.referring(bucket, "aws:lb/listener:Listener", "bucket"):
                yield "no listener names it"

        old = resource("aws:s3/bucketV2:BucketV2")
        listener = resource("aws:alb/listener:Listener", comes_from={"bucket": [old]})
        assert outcome(old, listener, policies=(made(has_key),)).passed
        assert len(outcome(old, policies=(made(has_key),)).findings) == 1


class TestUnknown:
    """What a preview does not know, and what is nobody's business."""

    @pytest.mark.parametrize("mark", [UNKNOWN, SECRET])
    def test_a_policy_that_would_have_to_know_is_undecided(self, mark):
        bucket = resource(BUCKET, acl=mark, versioned=True)
        found = outcome(bucket)
        assert found.undecided == [(bucket, "acl")]
        assert found.findings == []
        assert not found.passed
        judgement = judged(bucket)
        assert judgement.undecided == [judgement.outcomes[0]]
        assert judgement.passed, "an open question is no finding"

    def test_what_was_found_before_stays_found(self):
        bucket = resource(BUCKET, acl="public", versioned=UNKNOWN)
        found = outcome(bucket)
        assert [finding.message for finding in found.findings] == ["acl is public"]
        assert found.undecided == [(bucket, "versioned")]
        assert not judged(bucket).passed

    def test_other_resources_are_looked_at_all_the_same(self):
        first, last = resource(BUCKET, "1", acl=UNKNOWN), resource(BUCKET, "2")
        found = outcome(first, last)
        assert found.looked_at == 2
        assert [finding.resource for finding in found.findings] == [last]


@made
def crashing(bucket: Resource) -> Iterator[str]:
    """Fails where a bucket is odd."""
    if bucket.get("odd"):
        raise KeyError("odd")
    yield "it is even"


class TestFailures:
    """Policies that fail themselves."""

    def test_the_others_go_on(self):
        other = replace(plain, id="S3.100")
        odd, bad = resource(BUCKET, "1", odd=True), resource(BUCKET, "2", **GOOD)
        judgement = judged(odd, bad, policies=(crashing, other))
        failed, after = judgement.outcomes
        assert failed.crashed == f"the policy failed on {BUCKET} 1: KeyError: 'odd'"
        assert [finding.resource.name for finding in failed.findings] == ["2"]
        assert [finding.resource.name for finding in after.findings] == ["1"]
        assert judgement.crashed == [failed]

    def test_a_judgement_with_a_failure_has_not_passed(self):
        failed = outcome(resource(BUCKET, odd=True), policies=(crashing,))
        assert failed.findings == []
        assert not failed.passed
        assert not judged(resource(BUCKET, odd=True), policies=(crashing,)).passed


BAD = resource(BUCKET, "app-logs", acl="public", versioned=True)
"""One finding, of the stack `test` of the project `stromhaltig`."""


class TestExceptions:
    """Findings that somebody has accepted."""

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"control": "S3.99"},
            {"stacks": ("production", "test")},
            {"stacks": ("te*",)},
            {"resource": "app-logs"},
            {"resource": "*-logs"},
            {"project": "*"},
        ],
        ids=str,
    )
    def test_what_is_covered_is_not_open(self, given):
        exception = accepted(**given)
        judgement = judged(BAD, exceptions=(exception,))
        (finding,) = judgement.accepted
        assert finding.accepted is exception
        assert finding.text == "acl is public"
        assert judgement.open == []
        assert judgement.passed
        assert judgement.outcomes[0].passed
        assert judgement.unused == []

    @pytest.mark.parametrize(
        "given",
        [
            {"control": "S3.9"},
            {"stacks": ("production",)},
            {"stacks": ("pr-*",)},
            {"stacks": ()},
            {"resource": "app"},
            {"resource": "*-Logs"},
            {"project": "other"},
        ],
        ids=str,
    )
    def test_what_is_not_meant_stays_open(self, given):
        judgement = judged(BAD, exceptions=(accepted(**given),))
        assert [finding.accepted for finding in judgement.open] == [None]
        assert judgement.accepted == []
        assert not judgement.passed

    def test_findings_of_other_projects_are_not_accepted_by_ours(self):
        urn = BAD.urn.replace("::stromhaltig::", "::somebody-else::")
        judgement = judged(replace(BAD, urn=urn), exceptions=(accepted(),))
        assert len(judgement.open) == 1
        assert judgement.unused == [], "it is not for this stack at all"

    def test_one_covers_every_finding_of_its_control(self):
        judgement = judged(
            resource(BUCKET, acl="public"), BAD, exceptions=(accepted(),)
        )
        assert len(judgement.accepted) == 3
        assert judgement.passed

    def test_one_that_has_expired_makes_a_finding_again_and_says_so(self):
        exception = accepted(expires=TODAY)
        judgement = judged(BAD, exceptions=(exception,))
        (finding,) = judgement.open
        assert finding.expired is exception
        assert finding.text == (
            "acl is public (it was accepted until 2027-05-01: "
            "It is as it has to be. Mend it or decide anew)"
        )
        assert judgement.unused == []
        assert not judgement.passed

    def test_it_holds_on_the_day_before(self):
        exception = accepted(expires=TODAY)
        assert judged(BAD, exceptions=(exception,), today=date(2027, 4, 30)).passed

    def test_the_day_is_today_unless_another_is_given(self):
        def open_with(expires: date) -> int:
            return len(
                judge(ResourceGraph([BAD]), [plain], [accepted(expires=expires)]).open
            )

        assert open_with(date.max) == 0
        assert open_with(date.min) == 1

    def test_of_an_expired_and_a_valid_one_the_valid_one_counts(self):
        old, new = accepted(expires=TODAY), accepted(resource="*-logs")
        judgement = judged(BAD, exceptions=(old, new))
        (finding,) = judgement.accepted
        assert finding.accepted is new
        assert finding.expired is None
        assert judgement.unused == [old]

    def test_one_that_nothing_needs_any_more_is_told(self):
        exception = accepted(resource="app-*")
        fixed = resource(BUCKET, "app-logs", **GOOD)
        assert judged(fixed, exceptions=(exception,)).unused == [exception]

    @pytest.mark.parametrize(
        "given", [{"stacks": ("production",)}, {"resource": "*-uploads"}], ids=str
    )
    def test_one_that_is_not_for_this_stack_is_not(self, given):
        fixed = resource(BUCKET, "app-logs", **GOOD)
        assert judged(fixed, exceptions=(accepted(**given),)).unused == []

    def test_while_its_control_is_undecided_it_may_be_needed(self):
        unknown = resource(BUCKET, "other", acl=UNKNOWN)
        fixed = resource(BUCKET, "app-logs", **GOOD)
        assert judged(fixed, unknown, exceptions=(accepted(),)).unused == []

    def test_one_of_a_control_that_looks_at_nothing_here_is_not_told(self):
        elsewhere = resource("digitalocean:index/app:App", "app-logs")
        assert judged(elsewhere, exceptions=(accepted(),)).unused == []

    def test_while_its_control_fails_it_may_be_needed(self):
        odd = resource(BUCKET, odd=True)
        judgement = judged(odd, policies=(crashing,), exceptions=(accepted(),))
        assert judgement.unused == []
