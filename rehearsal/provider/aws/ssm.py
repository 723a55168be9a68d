"""The function that reads a parameter of Systems Manager."""

from __future__ import annotations

from collections.abc import Mapping

from rehearsal.provider.row import Aws, Row
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties


def parameter(aws: Aws, arguments: Properties) -> Properties:
    """aws.ssm.get_parameter; moto knows AWS's public ones, such as the Amazon Linux
    images that its EC2 runs.
    """
    decrypted = arguments.get("withDecryption", True)
    found = aws.client("ssm").get_parameter(
        Name=arguments["name"], WithDecryption=decrypted
    )["Parameter"]
    secret = found["Type"] == "SecureString"
    return {
        "arn": found["ARN"],
        "id": found["Name"],
        "insecureValue": None if secret else found["Value"],
        "name": found["Name"],
        "region": aws.region,
        "type": found["Type"],
        "value": found["Value"],
        "version": found["Version"],
        "withDecryption": decrypted,
    }


ROWS: tuple[type[Row], ...] = ()
INVOKES: Mapping[str, Invoke] = {"aws:ssm/getParameter:getParameter": parameter}
