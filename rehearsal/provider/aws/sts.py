"""Functions that tell who and where the program is."""

from __future__ import annotations

from collections.abc import Mapping

from rehearsal.provider.row import Aws, Row
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties


def caller_identity(aws: Aws, arguments: Properties) -> Properties:
    """aws.get_caller_identity."""
    del arguments
    found = aws.client("sts").get_caller_identity()
    return {
        "id": found["Account"],
        "accountId": found["Account"],
        "arn": found["Arn"],
        "userId": found["UserId"],
    }


def region(aws: Aws, arguments: Properties) -> Properties:
    """aws.get_region: the provider's own, or the one that is asked for."""
    name = arguments.get("region") or arguments.get("name") or aws.region
    return {
        "id": name,
        "description": name,
        "endpoint": f"ec2.{name}.amazonaws.com",
        "name": name,
        "region": name,
    }


def partition(aws: Aws, arguments: Properties) -> Properties:
    """aws.get_partition: the embedded AWS is the commercial one."""
    del aws, arguments
    return {
        "id": "aws",
        "dnsSuffix": "amazonaws.com",
        "partition": "aws",
        "reverseDnsPrefix": "com.amazonaws",
    }


ROWS: tuple[type[Row], ...] = ()
INVOKES: Mapping[str, Invoke] = {
    "aws:index/getCallerIdentity:getCallerIdentity": caller_identity,
    "aws:index/getPartition:getPartition": partition,
    "aws:index/getRegion:getRegion": region,
}
