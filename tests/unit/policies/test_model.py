"""What a policy knows of itself, and what it is run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from policies.model import Policy, Severity, Source, policy
from resource_graph import Resource, ResourceGraph
from tests.unit.policies.casework import resource

BUCKET = "aws:s3/bucket:Bucket"
KEY = "aws:kms/key:Key"


def made(id_: str = "S3.99", source: Source = Source.FSBP) -> Policy:
    @policy(
        id_,
        BUCKET,
        KEY,
        title="Everything has a name",
        severity=Severity.LOW,
        source=source,
        remedy="Set name.",
    )
    def named(found: Resource) -> Iterator[str]:
        """What has no name cannot be found."""
        if not found.has("name"):
            yield "name is not set"

    return named


def test_the_decorated_function_is_the_policy():
    found = made()
    assert (found.id, found.title, found.remedy) == (
        "S3.99",
        "Everything has a name",
        "Set name.",
    )
    assert found.types == (BUCKET, KEY)
    assert (found.severity, found.source) == (Severity.LOW, Source.FSBP)


def test_a_policy_for_one_resource_is_shown_no_other():
    found, alone = made(), resource(BUCKET)
    assert not found.needs_graph
    assert list(found.findings(alone, ResourceGraph([]))) == ["name is not set"]


def test_a_policy_with_two_parameters_sees_all_resources():
    @policy(
        "other",
        BUCKET,
        title="Nobody is alone",
        severity=Severity.HIGH,
        source=Source.OWN,
        remedy="Make another.",
    )
    def accompanied(found: Resource, graph: ResourceGraph) -> Iterator[str]:
        """Two are more than one."""
        if len(graph) < 2:
            yield "it is alone"

    one, other = resource(BUCKET, "one"), resource(BUCKET, "other")
    assert accompanied.needs_graph
    assert list(accompanied.findings(one, ResourceGraph([one]))) == ["it is alone"]
    assert list(accompanied.findings(one, ResourceGraph([one, other]))) == []


GUIDE = "https://docs.aws.amazon.com/securityhub/latest/userguide"


@pytest.mark.parametrize(
    ("id_", "source", "url"),
    [
        ("RDS.3", Source.FSBP, f"{GUIDE}/rds-controls.html#rds-3"),
        (
            "SecretsManager.1",
            Source.SECURITY_HUB,
            f"{GUIDE}/secretsmanager-controls.html#secretsmanager-1",
        ),
        ("CIS-7.0.2.21", Source.CIS, ""),
        ("rds_instance_extended_support", Source.PROWLER, ""),
        ("app-image-by-digest", Source.OWN, ""),
    ],
)
def test_only_what_aws_explains_has_an_address(id_: str, source: Source, url: str):
    assert made(id_, source).url == url


def test_severities_rise():
    assert list(Severity) == ["low", "medium", "high", "critical"]
