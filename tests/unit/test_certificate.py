from __future__ import annotations

from typing import Any

import pytest

from components.certificate import Certificate, CertificateArgs
from tests import fakes
from tests.graph import UNKNOWN, Graph

CERTIFICATE = "aws:acm/certificate:Certificate"
VALIDATION = "aws:acm/certificateValidation:CertificateValidation"
RECORD = "aws:route53/record:Record"


def build(graph: Graph, domain: str, *others: str, preview: bool = False) -> Any:
    return graph.build(
        lambda: Certificate(
            "app",
            CertificateArgs(domain=domain, alternative_names=others, zone_id="Z1"),
        ),
        preview=preview,
    )


def test_names_are_proved_by_dns(graph):
    build(graph, "example.org", "www.example.org")
    certificate = graph.one(CERTIFICATE)
    assert certificate["domainName"] == "example.org"
    assert certificate["subjectAlternativeNames"] == ["www.example.org"]
    assert certificate["validationMethod"] == "DNS"
    assert certificate["keyAlgorithm"] == "RSA_2048"


def test_each_name_gets_its_own_record(graph):
    build(graph, "example.org", "www.example.org")
    options = {
        option["domainName"]: option
        for option in graph.one(CERTIFICATE).outputs["domainValidationOptions"]
    }
    for domain, option in options.items():
        record = graph.one(RECORD, f"app-certificate-{domain}")
        assert record["zoneId"] == "Z1"
        assert record["name"] == option["resourceRecordName"]
        assert record["type"] == "CNAME"
        assert record["records"] == [option["resourceRecordValue"]]


@pytest.mark.parametrize(
    ("names", "proved"),
    [
        (["a.org"], ["a.org"]),
        (["a.org", "a.org", "www.a.org", "www.a.org"], ["a.org", "www.a.org"]),
        (["a.org", "*.a.org"], ["a.org"]),
        (["*.a.org"], ["a.org"]),
    ],
)
def test_names_that_share_a_proof_share_the_record(graph, names, proved):
    build(graph, *names)
    assert [r.name for r in graph.all(RECORD)] == [
        f"app-certificate-{domain}" for domain in proved
    ]


def test_answers_in_another_order_reach_the_right_record(graph, monkeypatch):
    answer = fakes._COMPUTED[CERTIFICATE]

    def reversed_answer(*args: Any) -> dict[str, Any]:
        options = answer(*args)["domainValidationOptions"]
        return {"domainValidationOptions": options[::-1]}

    monkeypatch.setitem(fakes._COMPUTED, CERTIFICATE, reversed_answer)
    build(graph, "example.org", "www.example.org")
    for record in graph.all(RECORD):
        domain = record.name.removeprefix("app-certificate-")
        assert record["name"].partition(".")[2] == f"{domain}."


def test_arn_is_handed_out_once_the_certificate_is_issued(graph):
    outputs = build(graph, "example.org", "www.example.org")
    validation = graph.one(VALIDATION)
    assert outputs["arn"] == graph.one(CERTIFICATE).outputs["arn"]
    assert {r.urn for r in graph.all(RECORD)} <= validation.dependencies


def test_a_preview_shows_every_record(graph):
    outputs = build(graph, "example.org", "www.example.org", preview=True)
    assert len(graph.all(RECORD)) == 2
    assert outputs["arn"] == UNKNOWN
