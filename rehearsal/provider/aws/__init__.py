"""The AWS types and functions that the embedded AWS carries out."""

from __future__ import annotations

from collections.abc import Mapping

from rehearsal.provider.aws import acm, ec2, elbv2, route53, sts
from rehearsal.provider.row import Row
from rehearsal.provider.server import Invoke

_SERVICES = (ec2, elbv2, acm, route53, sts)

ROWS: Mapping[str, Row] = {
    row.token: row() for service in _SERVICES for row in service.ROWS
}
INVOKES: Mapping[str, Invoke] = {
    token: invoke for service in _SERVICES for token, invoke in service.INVOKES.items()
}
