"""The rows of Lambda: their cases are put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site

FUNCTION = "aws:lambda/function:Function"
PERMISSION = "aws:lambda/permission:Permission"
RETRIES = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"

TOPIC = "arn:aws:sns:eu-central-1:123456789012:app"
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:dead"
HANDLER = "def handle(event, context):\n    return 'ok'\n"

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_ASSET = "c44067f5952c0a294b673a41bacd8c17"
_ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"


def code(**asset: str) -> dict[str, Any]:
    """An archive with one file, as the engine hands it to a provider."""
    content = asset.get("text") or Path(asset["path"]).read_text()
    digest = hashlib.sha256(content.encode()).hexdigest()
    file = {_SIGNATURE: _ASSET, "hash": digest, **asset}
    return {_SIGNATURE: _ARCHIVE, "hash": digest, "assets": {"handler.py": file}}


def _role(site: Site) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    return str(
        site.make("aws:iam/role:Role", assumeRolePolicy=json.dumps(trust))["arn"]
    )


def _inputs(site: Site) -> dict[str, Any]:
    return {
        "code": code(text=HANDLER),
        "handler": "handler.handle",
        "role": _role(site),
        "runtime": "python3.13",
    }


def _functions(site: Site) -> list[str]:
    found = site.client("lambda").list_functions()["Functions"]
    return [one["FunctionName"] for one in found]


def function(site: Site) -> Case:
    client = site.client("lambda")
    return Case(
        inputs=_inputs(site),
        listing=lambda: _functions(site),
        updates={
            "architectures": ["arm64"],
            "code": code(text=HANDLER.replace("ok", "no")),
            "description": "Tells somebody",
            "environment": {"variables": {"SECRET_ARN": "arn"}},
            "handler": "handler.other",
            "loggingConfig": {"logFormat": "JSON", "logGroup": "/aws/lambda/notify"},
            "memorySize": 256,
            "role": _role(site),
            "runtime": "python3.12",
            "timeout": 10,
            "vpcConfig": {"securityGroupIds": ["sg-1"], "subnetIds": ["subnet-1"]},
        },
        drift=[
            Drift(
                act=lambda id: client.update_function_configuration(
                    FunctionName=id, Timeout=99
                ),
                seen="timeout",
            )
        ],
        refused=[
            ({"name": "n" * 65}, "64"),
            ({"description": "d" * 257}, "256"),
            ({"runtime": "perl5"}, "python3.13"),
            ({"memorySize": 64}, "between 128"),
            ({"timeout": 901}, "900"),
            ({"role": "app"}, "an ARN"),
            ({"architectures": ["arm"]}, "arm64"),
            ({"loggingConfig": {"logFormat": "XML"}}, "JSON"),
        ],
    )


def _statements(site: Site) -> Iterable[str]:
    client = site.client("lambda")
    for name in _functions(site):
        try:
            policy = client.get_policy(FunctionName=name)["Policy"]
        except ClientError:
            continue  # nobody may invoke it
        for statement in json.loads(policy)["Statement"]:
            yield f"{name} {statement['Sid']}"


def permission(site: Site) -> Case:
    made, other = (site.make(FUNCTION, **_inputs(site))["arn"] for _ in range(2))
    return Case(
        inputs={
            "action": "lambda:InvokeFunction",
            "function": made,
            "principal": "sns.amazonaws.com",
            "sourceArn": TOPIC,
        },
        listing=lambda: list(_statements(site)),
        replaces={
            "action": "lambda:GetFunction",
            "function": other,
            "principal": "events.amazonaws.com",
            "sourceAccount": "123456789012",
            "sourceArn": f"{TOPIC}-too",
        },
        refused=[
            ({"statementId": "a b"}, "hyphens"),
            ({"action": "sns:Publish"}, "lambda:"),
            ({"sourceAccount": "42"}, "12 digits"),
            ({"sourceArn": "app"}, "an ARN"),
        ],
        import_id=lambda state: f"{state['function']}/{state['id']}",
    )


def retries(site: Site) -> Case:
    client = site.client("lambda")
    made, other = (site.make(FUNCTION, **_inputs(site))["name"] for _ in range(2))
    destination = {"onFailure": {"destination": QUEUE}}

    def listing() -> list[str]:
        return [
            one["FunctionArn"]
            for name in _functions(site)
            for one in client.list_function_event_invoke_configs(FunctionName=name)[
                "FunctionEventInvokeConfigs"
            ]
        ]

    def retry_never(id: str) -> None:
        client.delete_function_event_invoke_config(FunctionName=id)
        client.put_function_event_invoke_config(
            FunctionName=id,
            MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": QUEUE}},
        )

    return Case(
        inputs={"functionName": made, "destinationConfig": destination},
        listing=listing,
        updates={
            "destinationConfig": {"onFailure": {"destination": TOPIC}},
            "maximumEventAgeInSeconds": 3600,
            "maximumRetryAttempts": 1,
        },
        replaces={"functionName": other},
        drift=[Drift(act=retry_never, seen="maximumRetryAttempts")],
        refused=[
            ({"maximumRetryAttempts": 3}, "between 0 and 2"),
            ({"maximumEventAgeInSeconds": 10}, "between 60"),
            ({"destinationConfig": {"onFailure": {"destination": "q"}}}, "an ARN"),
        ],
    )


CASES: Mapping[str, Callable[[Site], Case]] = {
    FUNCTION: function,
    PERMISSION: permission,
    RETRIES: retries,
}


class TestLambdaRows(Conformance):
    cases = CASES


def test_the_code_is_what_the_files_hold(site: Site, tmp_path: Path) -> None:
    resource = Resource(FUNCTION, site.aws)
    file = tmp_path / "handler.py"
    file.write_text(HANDLER)
    program = _inputs(site)
    resource.up(program)
    before = resource.outputs["codeSha256"]
    # Where the file is makes no difference.
    assert not resource.preview({**program, "code": code(path=str(file))}).changed
    file.write_text(HANDLER * 2)
    program = {**program, "code": code(path=str(file))}
    assert resource.up(program).changed == {"code"}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = zipfile.ZipInfo("handler.py", (1980, 1, 1, 0, 0, 0))
        archive.writestr(info, HANDLER * 2)
    digest = base64.b64encode(hashlib.sha256(packed.getvalue()).digest()).decode()
    assert resource.outputs["codeSha256"] == digest != before
    resource.destroy()
