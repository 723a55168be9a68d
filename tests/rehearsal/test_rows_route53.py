"""The rows of Route 53: cases are put through `tests.rehearsal.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site, To
from tests.rehearsal.surroundings import zone

RECORD = "aws:route53/record:Record"
HEALTH_CHECK = "aws:route53/healthCheck:HealthCheck"

ALIAS = {
    "name": "app-1.eu-central-1.elb.amazonaws.com",
    "zoneId": "Z215JYRZR1TBD5",
    "evaluateTargetHealth": True,
}


def upsert(site: Site, zone_id: str, record: Mapping[str, Any]) -> None:
    site.client("route53").change_resource_record_sets(
        HostedZoneId=zone_id,
        ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]},
    )


def record(site: Site) -> Case:
    route53 = site.client("route53")
    domain = f"{site.name()}.example.org"
    home, other = (zone(site.aws, domain, number) for number in range(2))
    return Case(
        inputs={
            "zoneId": home,
            "name": f"www.{domain}",
            "type": "A",
            "ttl": 300,
            "records": ["192.0.2.1"],
        },
        listing=lambda: [
            (one["Name"], one["Type"])
            for each in (home, other)
            for one in route53.list_resource_record_sets(HostedZoneId=each)[
                "ResourceRecordSets"
            ]
        ],
        updates={
            "aliases": To([ALIAS], records=None, ttl=None),
            "records": ["192.0.2.2", "192.0.2.3"],
            "ttl": 60,
            "type": To("AAAA", records=["2001:db8::1"]),
        },
        replaces={"name": f"www2.{domain}", "zoneId": other},
        unverified={"allowOverwrite": True},
        drift=[
            Drift(
                act=lambda id: upsert(
                    site,
                    home,
                    {
                        "Name": f"www.{domain}",
                        "Type": "A",
                        "TTL": 300,
                        "ResourceRecords": [{"Value": "198.51.100.1"}],
                    },
                ),
                seen="records",
            )
        ],
        refused=[
            ({"type": "AAA"}, 'Did you mean "AAAA"?'),
            ({"records": None}, "exactly one of records and aliases"),
            ({"aliases": [ALIAS]}, "exactly one of records and aliases"),
            ({"aliases": [ALIAS, ALIAS], "records": None}, "at most one"),
            ({"aliases": [ALIAS], "records": None}, "an alias takes that"),
            ({"ttl": None}, "records need it"),
        ],
    )


def health_check(site: Site) -> Case:
    route53 = site.client("route53")
    return Case(
        inputs={
            "type": "HTTPS",
            "fqdn": "app.example.org",
            "port": 443,
            "resourcePath": "/api/health",
            "enableSni": True,
            "regions": ["eu-west-1", "us-east-1", "ap-southeast-1"],
            "requestInterval": 30,
            "failureThreshold": 3,
        },
        listing=lambda: [
            one["Id"] for one in route53.list_health_checks()["HealthChecks"]
        ],
        updates={
            "disabled": True,
            "enableSni": False,
            "failureThreshold": 5,
            "fqdn": "www.example.org",
            "invertHealthcheck": True,
            "port": 8443,
            "regions": ["eu-west-1", "us-west-1", "us-west-2", "sa-east-1"],
            "resourcePath": "/",
            "ipAddress": To("192.0.2.1", back=False),
            "searchString": To("ok", back=False),
        },
        replaces={
            "measureLatency": True,
            "requestInterval": 10,
            "type": To("HTTPS_STR_MATCH", searchString="ok"),
        },
        drift=[
            Drift(
                act=lambda id: route53.update_health_check(
                    HealthCheckId=id, ResourcePath="/elsewhere"
                ),
                seen="resourcePath",
            ),
            Drift(
                act=lambda id: route53.update_health_check(
                    HealthCheckId=id, Disabled=True
                ),
                seen="disabled",
            ),
        ],
        refused=[
            ({"type": "HTPS"}, 'Did you mean "HTTPS"?'),
            ({"type": "HTTPS_STR_MATCH"}, "searchString: missing"),
            ({"requestInterval": 20}, "10, 30"),
            ({"failureThreshold": 11}, "between 1 and 10"),
            ({"port": 65536}, "65535"),
            ({"resourcePath": "/a b"}, "without spaces"),
            ({"fqdn": "a" * 256}, "255"),
            ({"fqdn": None}, "fqdn: missing"),
            ({"searchString": "a" * 256}, "255"),
            ({"regions": ["eu-west-1", "us-east-1"]}, "fewer than 3"),
            ({"regions": ["eu-west-1", "us-east-1", "eu-central-1"]}, "eu-central-1"),
        ],
    )


class TestRoute53Rows(Conformance):
    cases: ClassVar[Mapping[str, Callable[[Site], Case]]] = {
        RECORD: record,
        HEALTH_CHECK: health_check,
    }


def test_a_record_is_known_by_its_whole_name(site: Site):
    domain = f"{site.name()}.example.org"
    home = zone(site.aws, domain)
    program = {"zoneId": home, "type": "TXT", "ttl": 60, "records": ["v=spf1 -all"]}
    for name, fqdn in (
        (domain, domain),
        ("", domain),
        ("mail", f"mail.{domain}"),
        (f"UPPER.{domain}.", f"upper.{domain}"),
        (f"*.{domain}", f"*.{domain}"),
    ):
        resource = Resource(RECORD, site.aws)
        resource.up({**program, "name": name})
        assert resource.outputs["fqdn"] == fqdn
        assert resource.refresh()
        assert not resource.preview({**program, "name": name}).changed
        other = f"{name.lower().removesuffix('.')}."
        assert not resource.preview({**program, "name": other}).changed, name
        resource.destroy()


def test_a_record_that_exists_is_overwritten_only_when_asked(site: Site):
    domain = f"{site.name()}.example.org"
    home = zone(site.aws, domain)
    program = {"zoneId": home, "name": "www", "type": "CNAME", "ttl": 60}
    upsert(
        site,
        home,
        {
            "Name": f"www.{domain}",
            "Type": "CNAME",
            "TTL": 1,
            "ResourceRecords": [{"Value": "elsewhere.example.com"}],
        },
    )
    program["records"] = ["here.example.com"]
    resource = Resource(RECORD, site.aws)
    with pytest.raises(ClientError, match="already exists"):
        resource.up(program)
    resource.up({**program, "allowOverwrite": True})
    assert resource.live("records") == ["here.example.com"]


def test_the_apex_of_a_zone_is_no_alias_of_another_name(site: Site):
    domain = f"{site.name()}.example.org"
    with pytest.raises(ClientError, match="not permitted at apex"):
        Resource(RECORD, site.aws).up(
            {
                "zoneId": zone(site.aws, domain),
                "name": domain,
                "type": "CNAME",
                "ttl": 60,
                "records": ["example.com"],
            }
        )
