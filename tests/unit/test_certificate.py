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


def build_pair(graph: Graph, *, preview: bool = False) -> Any:
    """A certificate, and one for the same names that another region needs."""

    def program() -> Any:
        names = {"domain": "example.org", "alternative_names": ["www.example.org"]}
        here = Certificate("app", CertificateArgs(**names, zone_id="Z1"))
        there = Certificate(
            "app-edge", CertificateArgs(**names, validated_by=here.validation_fqdns)
        )
        return {"here": here, "there": there}

    return graph.build(program, preview=preview)


def test_the_records_of_one_certificate_prove_another_for_the_same_names(graph):
    outputs = build_pair(graph)
    records = graph.all(RECORD)
    assert {r.name for r in records} == {
        "app-certificate-example.org",
        "app-certificate-www.example.org",
    }
    second = graph.one(VALIDATION, "app-edge-certificate")
    first = graph.one(VALIDATION, "app-certificate")
    assert second["validationRecordFqdns"] == first["validationRecordFqdns"]
    assert {r.urn for r in records} <= second.dependencies
    assert (
        outputs["there"]["arn"]
        == graph.one(CERTIFICATE, "app-edge-certificate").outputs["arn"]
    )


def test_the_names_of_the_records_are_handed_out(graph):
    outputs = build_pair(graph)
    fqdns = [record.outputs["fqdn"] for record in graph.all(RECORD)]
    assert outputs["here"]["validation_fqdns"] == fqdns
    assert outputs["there"]["validation_fqdns"] == fqdns


def test_a_preview_shows_a_second_certificate_without_records(graph):
    outputs = build_pair(graph, preview=True)
    assert len(graph.all(RECORD)) == 2
    assert len(graph.all(CERTIFICATE)) == 2
    assert outputs["there"]["arn"] == UNKNOWN


@pytest.mark.parametrize(
    "proof", [{}, {"zone_id": "Z1", "validated_by": ["_x.example.org"]}]
)
def test_a_certificate_is_proved_in_one_way(proof):
    with pytest.raises(ValueError, match="exactly one of zone_id and validated_by"):
        CertificateArgs(domain="example.org", **proof)
