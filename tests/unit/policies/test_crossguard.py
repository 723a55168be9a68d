"""The policies in Pulumi's engine, which asks the servicer of the policy SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime import proto
from pulumi.runtime.proto import analyzer_pb2_grpc

from policies.catalogue import POLICIES, find
from policies.evaluate import judge
from policies.exceptions import Accepted, ExceptionsError
from policies.model import Policy, Severity, Source, policy
from resource_graph import SECRET, UNKNOWN, Resource, ResourceGraph
from tests.unit.policies.casework import Case, resource
from tests.unit.policies.pack import HIDDEN, Pack, sent
from tests.unit.policies.test_catalogue import CASES

ROOT = Path(__file__).parents[3]
BUCKET = "aws:s3/bucket:Bucket"
KEY = "aws:kms/key:Key"


def made(check: Any, id_: str = "S3.99", severity: Severity = Severity.HIGH) -> Policy:
    return policy(
        id_,
        BUCKET,
        title="Buckets are as they should be",
        severity=severity,
        source=Source.FSBP,
        remedy="Mend it.",
    )(check)


@made
def private(bucket: Resource) -> Iterator[str]:
    """Two things can be wrong."""
    if bucket.get("acl") == "public":
        yield "acl is public"
    if not bucket.get("versioned"):
        yield "versioned is not true"


@made
def encrypted(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
    """A key names its bucket."""
    if not graph.referring(bucket, KEY, "bucket"):
        yield f"no key of {len(graph)} resources is for it"


def messages(diagnostics: Iterable[Any]) -> list[str]:
    return [said.message for said in diagnostics]


class TestDescription:
    """What Pulumi shows of a policy."""

    @pytest.mark.parametrize(
        ("severity", "level", "shown"),
        [
            (Severity.LOW, proto.ADVISORY, proto.POLICY_SEVERITY_LOW),
            (Severity.MEDIUM, proto.MANDATORY, proto.POLICY_SEVERITY_MEDIUM),
            (Severity.HIGH, proto.MANDATORY, proto.POLICY_SEVERITY_HIGH),
            (Severity.CRITICAL, proto.MANDATORY, proto.POLICY_SEVERITY_CRITICAL),
        ],
    )
    def test_all_but_what_is_low_stops_an_update(self, severity, level, shown):
        for check in (private.check, encrypted.check):
            pack = Pack(made(check, severity=severity))
            (info,) = pack.info()
            assert (info.enforcementLevel, info.severity) == (level, shown)
            said = pack.of_all(resource(BUCKET, versioned=True, acl="public"))
            assert [(v.enforcementLevel, v.severity) for v in said] == [(level, shown)]

    def test_it_says_what_it_is_who_asks_for_it_and_what_helps(self):
        (info,) = Pack(private).info()
        assert info.name == "S3.99"
        assert info.description == "Buckets are as they should be"
        assert info.framework.name == "AWS Foundational Security Best Practices"
        assert info.remediation_steps == "Mend it."
        assert info.url.endswith("s3-controls.html#s3-99")
        assert dict(info.configSchema.properties) == {
            "exceptions": {"type": "array", "items": {"type": "object"}}
        }

    def test_only_what_needs_relations_waits_for_the_whole_stack(self):
        kinds = [info.policy_type for info in Pack(private, encrypted).info()]
        assert kinds == [proto.POLICY_TYPE_RESOURCE, proto.POLICY_TYPE_STACK]


class TestViolations:
    """What stops an update, or would."""

    def test_each_finding_is_one_with_title_remedy_and_resource(self):
        bucket = resource(BUCKET, "files", acl="public")
        first, second = Pack(private).of_one(bucket)
        assert first.policyName == "S3.99"
        assert first.message == (
            "Buckets are as they should be\nacl is public\nMend it."
        )
        assert second.message == (
            "Buckets are as they should be\nversioned is not true\nMend it."
        )
        assert first.urn == second.urn == bucket.urn

    def test_what_is_right_is_not_mentioned(self):
        assert Pack(private).of_one(resource(BUCKET, versioned=True)) == []

    def test_a_policy_is_not_asked_about_other_types(self):
        pack = Pack(private, encrypted)
        assert pack.of_all(resource(KEY, acl="public")) == []

    def test_older_type_names_are_judged_too(self):
        old = resource("aws:s3/bucketV2:BucketV2", "files", versioned=True)
        (violation,) = Pack(private, encrypted).of_all(old)
        assert "no key of 1 resources is for it" in violation.message
        assert violation.urn == old.urn

    def test_a_policy_for_stacks_knows_who_refers_to_whom(self):
        one, other = resource(BUCKET, "one"), resource(BUCKET, "other")
        key = resource(KEY, comes_from={"bucket": [one]})
        (violation,) = Pack(encrypted).of_stack(one, other, key)
        assert violation.urn == other.urn
        assert "no key of 3 resources is for it" in violation.message

    def test_a_policy_for_stacks_knows_what_the_engine_knows(self):
        shown = []

        def look(bucket: Resource) -> Iterator[str]:
            shown.append(bucket)
            yield from ()

        parent = resource("app:index:Storage", "app")
        key = resource(KEY)
        bucket = replace(
            resource(
                BUCKET,
                "files",
                comes_from={"key": [key]},
                protect=True,
                ignore_changes=["tags"],
                size=5,
                share=0.5,
                rules=[{"name": "a"}, {}],
            ),
            parent=parent.urn,
            outputs={"id": "files-1", "arn": "arn:aws:s3:::files-1"},
        )

        def check(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
            return look(bucket)

        Pack(made(check)).of_stack(parent, key, bucket)
        (found,) = shown
        assert found.urn == bucket.urn
        assert (found.name, found.id) == ("files", "files-1")
        assert found.parent == parent.urn
        assert found.dependencies == {key.urn}
        assert found.comes_from("key") == {key.urn}
        assert found.protect
        assert found.ignore_changes == ("tags",)
        assert found.inputs == found.outputs
        assert found.inputs == {
            "key": UNKNOWN,
            "size": 5,
            "share": 0.5,
            "rules": [{"name": "a"}, {}],
            "id": "files-1",
            "arn": "arn:aws:s3:::files-1",
        }
        assert isinstance(found.inputs["size"], int)


class TestUnknown:
    """A preview cannot know everything; the update is asked again."""

    @pytest.mark.parametrize("acl", [UNKNOWN, {"deep": UNKNOWN}, [UNKNOWN]])
    def test_nothing_is_said_of_what_is_not_known(self, acl):
        @made
        def look(bucket: Resource) -> Iterator[str]:
            """Looks as deep as there is something."""
            for path in ("acl", "acl.deep", "acl.0"):
                if bucket.get(path) == "public":
                    yield "acl is public"

        @made
        def whole(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
            """The same, of a stack."""
            return look.check(bucket)

        assert Pack(look, whole).of_all(resource(BUCKET, acl=acl)) == []

    def test_what_was_found_before_is_said(self):
        bucket = resource(BUCKET, acl="public", versioned=UNKNOWN)
        assert messages(Pack(private).of_one(bucket)) == [
            "Buckets are as they should be\nacl is public\nMend it."
        ]

    def test_whether_something_is_given_is_known(self):
        @made
        def named(bucket: Resource) -> Iterator[str]:
            """A name is a name."""
            if not bucket.has("name"):
                yield "name is not set"

        assert Pack(named).of_one(resource(BUCKET, name=UNKNOWN)) == []
        assert len(Pack(named).of_one(resource(BUCKET))) == 1


def crash(bucket: Resource) -> Iterator[str]:
    raise ValueError(f"cannot read {bucket.get('password')}")
    yield


class TestFailures:
    """A policy that fails is told, and the others go on."""

    def test_it_is_a_violation_of_its_own(self):
        bucket = resource(BUCKET, "files", acl="public", versioned=True)
        failing = made(crash, "S3.100")
        failed, after = Pack(failing, private).of_one(bucket)
        line = crash.__code__.co_firstlineno + 1
        assert failed.message == (
            "Buckets are as they should be\n"
            f"the policy failed on {BUCKET} files: ValueError in "
            f"test_crossguard.py:{line}"
        )
        assert (failed.policyName, failed.urn) == ("S3.100", bucket.urn)
        assert after.policyName == "S3.99"

    def test_of_a_stack_too(self):
        @made
        def failing(bucket: Resource, graph: ResourceGraph) -> Iterator[str]:
            """Fails on the first of two."""
            if bucket.name == "1":
                raise KeyError("odd")
            yield "it is even"

        said = messages(Pack(failing).of_stack(*(resource(BUCKET, n) for n in "12")))
        assert "the policy failed on" in said[0]
        assert "KeyError in test_crossguard.py" in said[0]
        assert "it is even" in said[1]


class TestSecrets:
    """The engine hands secrets over in clear."""

    def test_an_error_does_not_tell_what_it_was_about(self):
        (failed,) = Pack(made(crash)).of_one(resource(BUCKET, password=SECRET))
        assert "ValueError" in failed.message
        assert HIDDEN not in failed.message

    def test_no_policy_tells_a_password(self):
        variable = {"name": "AWS_SECRET_ACCESS_KEY", "value": HIDDEN}
        container = {
            "name": "app",
            "image": "app:latest",
            "environment": [variable],
            "repositoryCredentials": {"credentialsParameter": HIDDEN},
            "secrets": [{"name": "KEY", "valueFrom": HIDDEN}],
        }
        resources = [
            resource(
                "aws:rds/instance:Instance",
                "database",
                password=SECRET,
                username="postgres",
                engine="postgres",
                passwordWo=SECRET,
            ),
            resource(
                "aws:secretsmanager/secretVersion:SecretVersion", secretString=SECRET
            ),
            resource(
                "aws:elasticache/replicationGroup:ReplicationGroup",
                authToken=SECRET,
                engineVersion="5.0",
            ),
            resource(
                "aws:lambda/function:Function",
                runtime="python3.7",
                environment={"variables": {"TOKEN": SECRET}},
            ),
            resource(
                "aws:ecs/taskDefinition:TaskDefinition",
                containerDefinitions=json.dumps([container]),
            ),
        ]
        said = messages(Pack(*POLICIES).of_all(*resources))
        assert any("has AWS_SECRET_ACCESS_KEY in plain" in text for text in said)
        assert any("username is postgres" in text for text in said)
        assert [text for text in said if HIDDEN in text] == []


# Not tomorrow: a run of all tests may go on past midnight.
NEXT_WEEK = date.today() + timedelta(days=7)


def exception(**given: Any) -> dict[str, Any]:
    return {
        "reason": "It is as it has to be.",
        "expires": NEXT_WEEK.isoformat(),
        **given,
    }


PUBLIC = resource(BUCKET, "files", acl="public", versioned=True)
THEIRS = replace(PUBLIC, urn=f"urn:pulumi:live::shop::{BUCKET}::files")


class TestExceptions:
    """Findings that somebody has accepted."""

    def test_what_this_repository_accepts_is_no_violation_of_its_stacks(self):
        ours = Accepted(**exception(control="S3.99"))
        pack = Pack(private, encrypted, accepted=[ours])
        assert pack.of_all(PUBLIC) == []
        assert len(pack.of_all(THEIRS)) == 2

    def test_one_that_has_expired_is_a_violation_and_says_so(self):
        over = date.today().isoformat()
        ours = Accepted(**exception(control="S3.99", expires=over))
        assert messages(Pack(private, accepted=[ours]).of_one(PUBLIC)) == [
            "Buckets are as they should be\n"
            f"acl is public (it was accepted until {over}: It is as it has to be. "
            "Mend it or decide anew)\n"
            "Mend it."
        ]

    @pytest.mark.parametrize(
        ("given", "left"),
        [
            ({}, 0),
            ({"resource": "fi*"}, 0),
            ({"stacks": ["live"]}, 0),
            ({"project": "shop"}, 0),
            ({"resource": "logs"}, 1),
            ({"stacks": ["test"]}, 1),
            ({"project": "stromhaltig"}, 1),
            ({"expires": "2020-01-01"}, 1),
        ],
        ids=str,
    )
    def test_others_accept_by_the_configuration_of_a_policy(self, given, left):
        pack = Pack(private)
        pack.configure("S3.99", exceptions=[exception(**given)])
        assert len(pack.of_one(THEIRS)) == left

    def test_policies_for_stacks_are_configured_alike(self):
        pack = Pack(encrypted)
        assert len(pack.of_stack(THEIRS)) == 1
        pack.configure("S3.99", exceptions=[exception()])
        assert pack.of_stack(THEIRS) == []

    def test_a_configuration_is_for_its_own_policy(self):
        pack = Pack(private, replace(private, id="S3.100"))
        pack.configure("S3.99", exceptions=[exception(control="S3.100")])
        assert [v.policyName for v in pack.of_one(THEIRS)] == ["S3.100"]

    def test_a_configuration_that_cannot_be_is_refused_with_its_place(self):
        pack = Pack(private)
        pack.configure("S3.99", exceptions=[{"reason": "short"}])
        with pytest.raises(ExceptionsError) as refusal:
            pack.of_one(THEIRS)
        assert str(refusal.value) == (
            "exceptions in the configuration of S3.99:\n"
            "  entry 1 (S3.99), reason: String should have at least 15 characters\n"
            "  entry 1 (S3.99), expires: Field required"
        )


GRAPHS = [
    (case, what, resources)
    for case in CASES
    for what, resources in [
        ("good", case.good),
        *((what, resources) for what, (resources, _) in case.bad.items()),
    ]
]


@pytest.mark.parametrize(
    ("case", "resources"),
    [(case, resources) for case, _, resources in GRAPHS],
    ids=[f"{case.id}-{what}" for case, what, _ in GRAPHS],
)
def test_the_engine_hears_what_a_judgement_says(
    case: Case, resources: Iterable[Resource]
):
    asked = find(case.id)
    there = as_the_engine_has_them(resources)
    (outcome,) = judge(ResourceGraph(there), [asked]).outcomes
    pack = Pack(asked)
    heard = pack.of_stack(*there) if asked.needs_graph else pack.of_all(*there)
    assert sorted((said.urn, said.message) for said in heard) == sorted(
        (found.resource.urn, f"{asked.title}\n{found.message}\n{asked.remedy}")
        for found in outcome.findings
    )


def as_the_engine_has_them(resources: Iterable[Resource]) -> list[Resource]:
    """After an update: the id is in the outputs, and what is referred to is there."""
    there = {found.urn: found for found in resources}
    meant = {urn for found in there.values() for urn in found.dependencies}
    for urn in sorted(meant - there.keys()):
        *_, type_, name = urn.split("::")
        there[urn] = resource(type_, name)
    return [
        replace(found, outputs={"id": found.id, **found.outputs})
        for found in there.values()
    ]


@contextmanager
def running(folder: Path) -> Iterator[grpc.Channel]:
    """The pack's own process, as a language host starts it, from any folder."""
    pack = subprocess.Popen(
        [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", ROOT / "policies"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert pack.stdout is not None
        port = pack.stdout.readline().strip()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        pack.terminate()
        pack.communicate(timeout=10)


@pytest.mark.slow
def test_the_pack_runs_and_answers(tmp_path: Path):
    database = resource(
        "aws:rds/instance:Instance", "app-database", storageEncrypted=False
    )
    with running(tmp_path) as channel:
        analyzer = analyzer_pb2_grpc.AnalyzerStub(channel)
        info = analyzer.GetAnalyzerInfo(empty_pb2.Empty())
        said = analyzer.Analyze(proto.AnalyzeRequest(**sent(database))).diagnostics
    assert (info.name, info.displayName) == (
        "stromhaltig",
        "Guard rails of Stromhaltig",
    )
    assert [told.name for told in info.policies] == [p.id for p in POLICIES]
    encrypted = find("RDS.3")
    (violation,) = [v for v in said if v.policyName == "RDS.3"]
    assert violation.message.startswith(f"{encrypted.title}\n")
    assert violation.message.endswith(f"\n{encrypted.remedy}")
    assert violation.enforcementLevel == proto.MANDATORY
    # It is ours, and what the committed file accepts of ours is accepted.
    assert "RDS.23" not in {v.policyName for v in said}


@pytest.mark.slow
def test_a_pack_with_exceptions_that_cannot_be_says_why_and_ends(tmp_path: Path):
    broken = "- {control: RDS.3, reason: It is as it has to be., expires: soon}"
    (tmp_path / "broken.yaml").write_text(broken)
    program = (
        "import runpy, sys\n"
        "from pathlib import Path\n"
        "from policies import exceptions\n"
        f"broken = Path({str(tmp_path / 'broken.yaml')!r})\n"
        "exceptions.load.__defaults__ = (broken, ())\n"
        f"runpy.run_path({str(ROOT / 'policies')!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "broken.yaml:\n  entry 1 (RDS.3), expires: Input should be" in done.stderr
    assert "Traceback" not in done.stderr
