"""Functions that tell who and where the program is."""

from __future__ import annotations

from collections.abc import Mapping

from rehearsal.provider.row import Aws, Row
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties


def caller_identity(aws: Aws, arguments: Properties) -> Properties:
    """aws.get_caller_identity."""
    found = aws.client("sts").get_caller_identity()
    return {
        "id": found["Account"],
        "accountId": found["Account"],
        "arn": found["Arn"],
        "userId": found["UserId"],
    }


ROWS: tuple[type[Row], ...] = ()
INVOKES: Mapping[str, Invoke] = {
    "aws:index/getCallerIdentity:getCallerIdentity": caller_identity,
}
