"""Rows for certificates: a public one from ACM, and its validation by DNS."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws import route53
from rehearsal.provider.aws.checks import arn, matching, one_of
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    given,
    is_gone,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.schema import is_unknown
from rehearsal.provider.wire import Properties

_KEYS = (
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "EC_prime256v1",
    "EC_secp384r1",
    "EC_secp521r1",
)
_DOMAIN = r"(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"


class Certificate(Row):
    """aws.acm.Certificate, requested from Amazon and proved by DNS."""

    token = "aws:acm/certificate:Certificate"
    service = "acm"
    tagged = True
    replaces = frozenset(
        {"domainName", "keyAlgorithm", "subjectAlternativeNames", "validationMethod"}
    )
    # moto makes RSA keys of 2048 bits only, and cannot change options.
    unverified = frozenset({"keyAlgorithm", "options"})
    defaults: ClassVar[Mapping[str, Any]] = {"keyAlgorithm": "RSA_2048"}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            f"{key}: missing, and a certificate by Amazon needs it"
            for key in ("domainName", "validationMethod")
            if inputs.get(key) is None
        ]
        names = inputs.get("subjectAlternativeNames")
        for index, name in enumerate(names if isinstance(names, list) else []):
            at = f"subjectAlternativeNames[{index}]"
            problems += matching({at: name}, at, _DOMAIN, "a domain name")
        return [
            *problems,
            *matching(inputs, "domainName", _DOMAIN, "a domain name"),
            *one_of(inputs, "validationMethod", ("DNS",)),
            *one_of(inputs, "keyAlgorithm", _KEYS),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        options = inputs.get("options") or {}
        made = aws.client("acm").request_certificate(
            Tags=tag_list(inputs.get("tagsAll")),
            Options=given(
                options,
                certificateTransparencyLoggingPreference=(
                    "CertificateTransparencyLoggingPreference"
                ),
                export="Export",
            ),
            **given(
                inputs,
                domainName="DomainName",
                keyAlgorithm="KeyAlgorithm",
                subjectAlternativeNames="SubjectAlternativeNames",
                validationMethod="ValidationMethod",
            ),
        )
        return str(made["CertificateArn"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = described(aws, id)
        if live is None:
            return None
        tags = aws.client("acm").list_tags_for_certificate(CertificateArn=id)["Tags"]
        methods = {one["ValidationMethod"] for one in live["DomainValidationOptions"]}
        options = live.get("Options", {})
        return {
            "arn": id,
            "domainName": live["DomainName"],
            "domainValidationOptions": [
                {
                    "domainName": name,
                    "resourceRecordName": record["Name"],
                    "resourceRecordType": record["Type"],
                    "resourceRecordValue": record["Value"],
                }
                for name, record in proofs(live)
            ],
            "keyAlgorithm": known.get("keyAlgorithm", live["KeyAlgorithm"]),
            "notAfter": live["NotAfter"].isoformat(),
            "notBefore": live["NotBefore"].isoformat(),
            "options": known.get("options")
            or {
                "certificateTransparencyLoggingPreference": options.get(
                    "CertificateTransparencyLoggingPreference"
                ),
                "export": options.get("Export"),
            },
            "renewalEligibility": live["RenewalEligibility"],
            "subjectAlternativeNames": _alternatives(live, known),
            "tagsAll": tag_map(tags),
            "type": live["Type"],
            "validationMethod": methods.pop(),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        wanted, unwanted = tag_changes(old, new)
        acm = aws.client("acm")
        if wanted:
            acm.add_tags_to_certificate(CertificateArn=id, Tags=tag_list(wanted))
        if unwanted:
            acm.remove_tags_from_certificate(
                CertificateArn=id, Tags=[{"Key": key} for key in unwanted]
            )

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("acm").delete_certificate, CertificateArn=id)


def _alternatives(live: Mapping[str, Any], known: Properties) -> list[str]:
    """ACM counts the main name among the others; programs mostly do not."""
    said = known.get("subjectAlternativeNames") or []
    return sorted(
        name
        for name in live["SubjectAlternativeNames"]
        if name != live["DomainName"] or name in said
    )


class CertificateValidation(Row):
    """aws.acm.CertificateValidation: waits until a certificate is issued.

    moto issues on a timer, proof or not. So the proof is looked for here: a missing
    or wrong record, which would make ACM wait for three days, is a failure at once.
    """

    token = "aws:acm/certificateValidation:CertificateValidation"
    service = "acm"
    replaces = frozenset({"certificateArn", "validationRecordFqdns"})
    unverified = frozenset({"validationRecordFqdns"})
    patience: ClassVar[float] = 90
    """Seconds to wait; moto's own timer is set by MOTO_ACM_VALIDATION_WAIT."""

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return arn(inputs, "certificateArn")

    def create(self, aws: Aws, inputs: Properties) -> str:
        id = str(inputs["certificateArn"])
        certificate = described(aws, id)
        if certificate is None:
            raise LookupError(f"{id}: there is no such certificate")
        missing = [
            *_not_named(certificate, inputs.get("validationRecordFqdns")),
            *_not_answered(aws, certificate),
        ]
        if missing:
            raise LookupError(
                f"{id} would never be issued, for want of "
                f"{', '.join(dict.fromkeys(missing))}"
            )
        end = time.monotonic() + self.patience
        while _status(aws, id) != "ISSUED":
            if time.monotonic() > end:
                raise LookupError(
                    f"{id}: not issued within {self.patience:.0f} seconds"
                )
            time.sleep(0.2)
        return id

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        if _status(aws, id) != "ISSUED":
            return None
        return {
            "certificateArn": id,
            "validationRecordFqdns": known.get("validationRecordFqdns"),
        }

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        """Nothing to remove: it only ever waited."""


def described(aws: Aws, certificate: str) -> dict[str, Any] | None:
    """The description of a certificate, or None when there is none."""
    try:
        found = aws.client("acm").describe_certificate(CertificateArn=certificate)
    except ClientError as error:
        if is_gone(error):
            return None
        raise
    return dict(found["Certificate"])


def _status(aws: Aws, certificate: str) -> str | None:
    live = described(aws, certificate)
    return str(live["Status"]) if live else None


def proofs(certificate: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Each name of a certificate with the record that proves it, in order."""
    options = certificate["DomainValidationOptions"]
    for option in sorted(options, key=lambda one: str(one["DomainName"])):
        yield option["DomainName"], option["ResourceRecord"]


def _not_named(
    certificate: Mapping[str, Any], fqdns: list[str] | None
) -> Iterator[str]:
    """Proofs that the program does not name, if it names any."""
    if fqdns is None or any(is_unknown(name) for name in fqdns):
        return
    named = {route53.plain(name) for name in fqdns}
    for _, record in proofs(certificate):
        if route53.plain(record["Name"]) not in named:
            yield f"{record['Name']} among validationRecordFqdns"


def _not_answered(aws: Aws, certificate: Mapping[str, Any]) -> Iterator[str]:
    """Proofs that the hosted zone lacks; a zone elsewhere cannot be asked."""
    for _, record in proofs(certificate):
        zones = route53.zones_for(aws, record["Name"])
        answers = [
            value["Value"]
            for zone in zones
            for found in route53.record_sets(aws, zone, record["Name"])
            if found["Type"] == record["Type"]
            for value in found.get("ResourceRecords", [])
        ]
        if zones and route53.plain(record["Value"]) not in map(route53.plain, answers):
            yield f"{record['Type']} {record['Name']} {record['Value']}"


ROWS: tuple[type[Row], ...] = (Certificate, CertificateValidation)
INVOKES: Mapping[str, Any] = {}
