"""Rows for DNS records and health checks; zones are there before any program."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import (
    matching,
    one_of,
    refusal,
    value_at,
    within,
)
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

_TYPES = (
    "A",
    "AAAA",
    "CAA",
    "CNAME",
    "DS",
    "HTTPS",
    "MX",
    "NAPTR",
    "NS",
    "PTR",
    "SOA",
    "SPF",
    "SRV",
    "SSHFP",
    "SVCB",
    "TLSA",
    "TXT",
)
_QUOTED = ("TXT", "SPF")

_CHECKED = ("HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH", "TCP")
"""What is asked of an endpoint; other health checks look at alarms or at each other."""

CHECKER_REGIONS = (
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "eu-west-1",
    "sa-east-1",
    "us-east-1",
    "us-west-1",
    "us-west-2",
)

_CHANGED: Mapping[str, str] = {
    "disabled": "Disabled",
    "enableSni": "EnableSNI",
    "failureThreshold": "FailureThreshold",
    "fqdn": "FullyQualifiedDomainName",
    "invertHealthcheck": "Inverted",
    "ipAddress": "IPAddress",
    "port": "Port",
    "regions": "Regions",
    "resourcePath": "ResourcePath",
    "searchString": "SearchString",
}
"""Inputs of a health check that can change, under the names of the API."""


class Record(Row):
    """aws.route53.Record, simple or alias; its id is ZONE_NAME_TYPE."""

    token = "aws:route53/record:Record"
    service = "route53"
    replaces = frozenset({"name", "zoneId"})
    updates = frozenset({"aliases", "records", "ttl", "type"})
    unverified = frozenset({"allowOverwrite"})

    def canonical(self, key: str, value: Any) -> Any:
        if key == "name":
            return plain(value)
        if key == "aliases":
            return [{**alias, "name": plain(alias["name"])} for alias in value]
        return value

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *one_of(inputs, "type", _TYPES),
            *within(inputs, "ttl", 0, 2147483647),
        ]
        aliases, records = inputs.get("aliases"), inputs.get("records")
        if (not aliases) == (not records):
            problems.append("records: exactly one of records and aliases is needed")
        if isinstance(aliases, list) and len(aliases) > 1:
            problems.append(f"aliases: at most one, got {len(aliases)}")
        if aliases and inputs.get("ttl") is not None:
            problems.append("ttl: an alias takes that of its target")
        if records and inputs.get("ttl") is None:
            problems.append("ttl: missing, and records need it")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        zone = _zone(aws, inputs["zoneId"])
        record = _record_set(zone, inputs)
        name, kind = plain(record["Name"]), record["Type"]
        # moto overwrites in silence, and lets CNAME stand anywhere.
        if kind == "CNAME" and name == plain(zone["Name"]):
            raise _invalid(
                f"RRSet of type CNAME with DNS name {name}. is not permitted at apex "
                f"in zone {zone['Name']}"
            )
        exists = record_sets(aws, inputs["zoneId"], name)
        if kind in [one["Type"] for one in exists] and not inputs.get("allowOverwrite"):
            raise _invalid(
                f"Tried to create resource record set [name='{name}.', type='{kind}'] "
                f"but it already exists"
            )
        _change(aws, inputs["zoneId"], ("UPSERT", record))
        return f"{inputs['zoneId']}_{plain(inputs['name'])}_{kind}"

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        zone_id, name, kind = _key(id, known)
        try:
            zone = _zone(aws, zone_id)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        found = record_sets(aws, zone_id, _full(zone, name))
        # A change of type leaves the old one in the id; the state knows better.
        fitting = [one for one in found if one["Type"] == kind] or (
            [] if "type" in known else found
        )
        if not fitting:
            return None
        live = fitting[0]
        alias = live.get("AliasTarget")
        return {
            "zoneId": zone_id,
            "name": name,
            "fqdn": plain(live["Name"]),
            "type": live["Type"],
            "ttl": live.get("TTL"),
            "records": None
            if alias
            else [
                _unquoted(one["Value"], live["Type"]) for one in live["ResourceRecords"]
            ],
            "aliases": [_live_alias(alias)] if alias else None,
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        zone_id = new["zoneId"]
        zone = _zone(aws, zone_id)
        changes = [("UPSERT", _record_set(zone, new))]
        if "type" in changed:
            found = record_sets(aws, zone_id, _full(zone, old["name"]))
            gone = [("DELETE", one) for one in found if one["Type"] == old["type"]]
            changes = [*gone, *changes]
        _change(aws, zone_id, *changes)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        zone_id, name, kind = _key(id, state)
        try:
            zone = _zone(aws, zone_id)
        except ClientError as error:
            if is_gone(error):
                return
            raise
        for record in record_sets(aws, zone_id, _full(zone, name)):
            if record["Type"] == kind:
                _change(aws, zone_id, ("DELETE", record))


class HealthCheck(Row):
    """aws.route53.HealthCheck of an endpoint; its id is chosen by Route 53."""

    token = "aws:route53/healthCheck:HealthCheck"
    service = "route53"
    tagged = True
    replaces = frozenset({"measureLatency", "requestInterval", "type"})
    updates = frozenset(
        {
            "disabled",
            "enableSni",
            "failureThreshold",
            "fqdn",
            "invertHealthcheck",
            "ipAddress",
            "port",
            "regions",
            "resourcePath",
            "searchString",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "disabled": False,
        "invertHealthcheck": False,
        "measureLatency": False,
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *one_of(inputs, "type", _CHECKED),
            *one_of(inputs, "requestInterval", (10, 30)),
            *within(inputs, "failureThreshold", 1, 10),
            *within(inputs, "port", 1, 65535),
            *matching(
                inputs,
                "resourcePath",
                r"/?[!-~]{0,255}",
                "at most 255 characters without spaces",
            ),
            *matching(inputs, "fqdn", r".{1,255}", "1 to 255 characters"),
            *matching(inputs, "searchString", r".{1,255}", "1 to 255 characters"),
        ]
        if inputs.get("fqdn") is None and inputs.get("ipAddress") is None:
            problems.append("fqdn: missing; a check needs it or ipAddress")
        kind = str(value_at(inputs, "type") or "")
        if kind.endswith("_STR_MATCH") and inputs.get("searchString") is None:
            problems.append(f"searchString: missing, and {kind} needs it")
        return [*problems, *_region_problems(inputs.get("regions"))]

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("route53").create_health_check(
            CallerReference=str(uuid.uuid4()),
            HealthCheckConfig=given(
                inputs,
                **_CHANGED,
                measureLatency="MeasureLatency",
                requestInterval="RequestInterval",
                type="Type",
            ),
        )
        return str(created["HealthCheck"]["Id"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        self._tag(aws, id, {}, inputs)

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        route53 = aws.client("route53")
        try:
            live = route53.get_health_check(HealthCheckId=id)["HealthCheck"]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        config = live["HealthCheckConfig"]
        tags = route53.list_tags_for_resource(ResourceType="healthcheck", ResourceId=id)
        return {
            "arn": f"arn:aws:route53:::healthcheck/{id}",
            "measureLatency": config["MeasureLatency"],
            "requestInterval": config["RequestInterval"],
            "tagsAll": tag_map(tags["ResourceTagSet"]["Tags"]),
            "type": config["Type"],
            **{key: config.get(field) for key, field in _CHANGED.items()},
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if changed & self.updates:
            # All of it: moto forgets regions that are not said again.
            aws.client("route53").update_health_check(
                HealthCheckId=id, **given(new, **_CHANGED)
            )
        self._tag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("route53").delete_health_check, HealthCheckId=id)

    def _tag(self, aws: Aws, id: str, old: Properties, new: Properties) -> None:
        wanted, unwanted = tag_changes(old, new)
        if wanted or unwanted:
            aws.client("route53").change_tags_for_resource(
                ResourceType="healthcheck",
                ResourceId=id,
                **({"AddTags": tag_list(wanted)} if wanted else {}),
                **({"RemoveTagKeys": unwanted} if unwanted else {}),
            )


def _region_problems(regions: Any) -> list[str]:
    if not isinstance(regions, list):
        return []
    problems = [
        problem
        for region in regions
        if not is_unknown(region)
        for problem in one_of({"regions": region}, "regions", CHECKER_REGIONS)
    ]
    if len(regions) < 3:
        problems.append(f"regions: {len(regions)} are fewer than 3")
    return problems


def plain(name: str) -> str:
    """A name as it is compared: small letters, no dot at the end, a real asterisk."""
    return name.lower().removesuffix(".").replace(r"\052", "*")


def zones_for(aws: Aws, name: str) -> list[str]:
    """Ids of the hosted zones that answer for a name, the nearest ones."""
    zones = aws.client("route53").list_hosted_zones()["HostedZones"]
    fitting = [zone for zone in zones if _lies_in(name, zone["Name"])]
    depth = max((len(zone["Name"]) for zone in fitting), default=0)
    return [
        zone["Id"].rsplit("/", 1)[-1] for zone in fitting if len(zone["Name"]) == depth
    ]


def record_sets(aws: Aws, zone: str, name: str) -> list[dict[str, Any]]:
    """The record sets of a name, one for each of its types."""
    found = aws.client("route53").list_resource_record_sets(
        HostedZoneId=zone, StartRecordName=name
    )
    sets = found["ResourceRecordSets"]
    return [dict(one) for one in sets if plain(one["Name"]) == plain(name)]


def _invalid(message: str) -> ClientError:
    return refusal("ChangeResourceRecordSets", "InvalidChangeBatch", message)


def _lies_in(name: str, zone: str) -> bool:
    return f".{plain(name)}".endswith(f".{plain(zone)}")


def _zone(aws: Aws, zone_id: str) -> dict[str, Any]:
    return dict(aws.client("route53").get_hosted_zone(Id=zone_id)["HostedZone"])


def _full(zone: Mapping[str, Any], name: str) -> str:
    """The whole name; within a zone, programs may leave the zone's away."""
    short = plain(name)
    inside = not short or _lies_in(short, zone["Name"])
    return short if inside and short else f"{short}.{plain(zone['Name'])}".lstrip(".")


def _key(id: str, known: Properties) -> tuple[str, str, str]:
    """Zone, name and type: from the state, or when imported from the id."""
    zone, _, rest = id.partition("_")
    name, _, kind = rest.rpartition("_")
    return (
        known.get("zoneId", zone),
        known.get("name", name),
        known.get("type", kind),
    )


def _record_set(zone: Mapping[str, Any], inputs: Properties) -> dict[str, Any]:
    record: dict[str, Any] = {
        "Name": _full(zone, inputs["name"]),
        "Type": inputs["type"],
    }
    if inputs.get("records"):
        record["ResourceRecords"] = [
            {"Value": _quoted(value, inputs["type"])} for value in inputs["records"]
        ]
        record["TTL"] = inputs["ttl"]
    for alias in inputs.get("aliases") or []:
        record["AliasTarget"] = {
            "EvaluateTargetHealth": bool(alias["evaluateTargetHealth"]),
            **given(alias, name="DNSName", zoneId="HostedZoneId"),
        }
    return record


def _live_alias(alias: Mapping[str, Any]) -> Properties:
    return {
        "name": plain(alias["DNSName"]),
        "zoneId": alias["HostedZoneId"],
        "evaluateTargetHealth": alias["EvaluateTargetHealth"],
    }


def _quoted(value: str, kind: str) -> str:
    """Route 53 wants texts in quotes; the real provider puts them there."""
    return f'"{value}"' if kind in _QUOTED else value


def _unquoted(value: str, kind: str) -> str:
    return value[1:-1] if kind in _QUOTED and value.startswith('"') else value


def _change(aws: Aws, zone: str, *changes: tuple[str, Mapping[str, Any]]) -> None:
    aws.client("route53").change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={
            "Changes": [
                {"Action": action, "ResourceRecordSet": dict(record)}
                for action, record in changes
            ]
        },
    )


ROWS: tuple[type[Row], ...] = (Record, HealthCheck)
INVOKES: Mapping[str, Any] = {}
