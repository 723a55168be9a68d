"""The rows of ACM: each case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from tests.rehearsal.conformance import (
    Case,
    Conformance,
    Resource,
    Site,
    Uncarried,
)
from tests.rehearsal.surroundings import issued_certificate, zone

CERTIFICATE = "aws:acm/certificate:Certificate"
VALIDATION = "aws:acm/certificateValidation:CertificateValidation"
RECORD = "aws:route53/record:Record"


def certificates(site: Site) -> list[str]:
    found = site.client("acm").list_certificates()["CertificateSummaryList"]
    return [one["CertificateArn"] for one in found]


def certificate(site: Site) -> Case:
    return Case(
        inputs={
            "domainName": "example.org",
            "subjectAlternativeNames": ["*.example.org", "example.net"],
            "validationMethod": "DNS",
            "keyAlgorithm": "RSA_2048",
        },
        listing=lambda: certificates(site),
        replaces={
            "domainName": "example.com",
            "keyAlgorithm": "EC_prime256v1",
            "subjectAlternativeNames": ["www.example.org"],
            "validationMethod": Uncarried("EMAIL"),
        },
        unverified={
            "options": {"certificateTransparencyLoggingPreference": "DISABLED"}
        },
        refused=[
            ({"domainName": None}, "domainName: missing"),
            ({"domainName": "example.org."}, "a domain name"),
            ({"subjectAlternativeNames": ["a_b.org"]}, "[0]"),
            ({"validationMethod": None}, "validationMethod: missing"),
            ({"validationMethod": "EMAIL"}, "not one of DNS"),
            ({"keyAlgorithm": "RSA_1024"}, "RSA_2048"),
        ],
    )


def certificate_validation(site: Site) -> Case:
    return Case(
        inputs={"certificateArn": issued_certificate(site.aws)},
        listing=lambda: certificates(site),
        replaces={
            "certificateArn": issued_certificate(site.aws, 1),
            "validationRecordFqdns": [
                record["Name"].rstrip(".")
                for record in proofs_of(site, issued_certificate(site.aws))
            ],
        },
        refused=[({"certificateArn": "example.org"}, "an ARN")],
        adopted=True,
    )


def proofs_of(site: Site, arn: str) -> list[dict[str, str]]:
    found = site.client("acm").describe_certificate(CertificateArn=arn)
    options = found["Certificate"]["DomainValidationOptions"]
    return [option["ResourceRecord"] for option in options]


class TestAcmRows(Conformance):
    cases: ClassVar[Mapping[str, Callable[[Site], Case]]] = {
        CERTIFICATE: certificate,
        VALIDATION: certificate_validation,
    }


def requested(site: Site, domain: str) -> dict[str, Any]:
    return site.make(
        CERTIFICATE,
        domainName=domain,
        subjectAlternativeNames=[f"*.{domain}"],
        validationMethod="DNS",
    )


def proved(site: Site, domain: str, made: Mapping[str, Any], **changes: Any) -> str:
    """The name of the record that proves a certificate, or nearly."""
    option = made["domainValidationOptions"][0]
    record = {
        "zoneId": zone(site.aws, domain),
        "name": option["resourceRecordName"],
        "type": option["resourceRecordType"],
        "ttl": 300,
        "records": [option["resourceRecordValue"]],
        "allowOverwrite": True,
        **changes,
    }
    return str(site.make(RECORD, **record)["fqdn"])


def test_a_certificate_says_how_each_of_its_names_is_proved(site: Site):
    made = requested(site, f"{site.name()}.example.org")
    names = [option["domainName"] for option in made["domainValidationOptions"]]
    assert names == [f"*.{made['domainName']}", made["domainName"]]
    for option in made["domainValidationOptions"]:
        assert option["resourceRecordName"].endswith(f".{made['domainName']}.")
        assert option["resourceRecordType"] == "CNAME"
        assert option["resourceRecordValue"].endswith(".acm-validations.aws.")


def test_a_certificate_is_valid_once_its_records_answer(site: Site):
    domain = f"{site.name()}.example.org"
    made = requested(site, domain)
    fqdn = proved(site, domain, made)
    validation = Resource(VALIDATION, site.aws)
    validation.up({"certificateArn": made["arn"], "validationRecordFqdns": [fqdn]})
    found = site.client("acm").describe_certificate(CertificateArn=made["arn"])
    assert found["Certificate"]["Status"] == "ISSUED"
    site.client("acm").delete_certificate(CertificateArn=made["arn"])
    assert not validation.refresh()


def test_a_certificate_without_its_records_is_never_issued(site: Site):
    domain = f"{site.name()}.example.org"
    made = requested(site, domain)
    program = {"certificateArn": made["arn"]}
    zone(site.aws, domain)
    with pytest.raises(LookupError, match=f"for want of CNAME _.*{domain}"):
        Resource(VALIDATION, site.aws).up(program)
    proved(site, domain, made, records=["wrong.example.org"])
    with pytest.raises(LookupError, match="for want of CNAME"):
        Resource(VALIDATION, site.aws).up(program)
    fqdn = proved(site, domain, made, name="elsewhere")
    with pytest.raises(LookupError, match="among validationRecordFqdns"):
        Resource(VALIDATION, site.aws).up({**program, "validationRecordFqdns": [fqdn]})
    proved(site, domain, made)
    Resource(VALIDATION, site.aws).up(program)


def test_a_certificate_that_takes_too_long_is_given_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    resource = Resource(VALIDATION, site.aws)
    monkeypatch.setattr(type(resource.row), "patience", 0.0)
    made = requested(site, f"{site.name()}.example.com")
    with pytest.raises(LookupError, match="not issued within 0 seconds"):
        resource.up({"certificateArn": made["arn"]})
