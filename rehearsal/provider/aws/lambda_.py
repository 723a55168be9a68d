"""Rows for Lambda: functions, who may invoke them, and what happens to failures."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import arn, matching, one_of, value_at, within
from rehearsal.provider.row import Aws, Row, deleted, given, is_gone, tag_changes
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

_SETTINGS: Mapping[str, str] = {
    "description": "Description",
    "handler": "Handler",
    "memorySize": "MemorySize",
    "role": "Role",
    "runtime": "Runtime",
    "timeout": "Timeout",
}
"""Inputs that the API takes as they are."""

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Time of a file in an archive: equal files, equal bytes."""


class Function(Row):
    """aws.lambda_.Function, of files that the program names; moto never runs it."""

    token = "aws:lambda/function:Function"
    service = "lambda"
    tagged = True
    autoname = "name"
    name_limit = 64
    updates = frozenset(
        {
            *_SETTINGS,
            "architectures",
            "code",
            "environment",
            "loggingConfig",
            "vpcConfig",
        }
    )
    # moto keeps no logging, and the architecture of the creation. Of the code it
    # tells the checksum, which is an output.
    unverified = frozenset({"architectures", "code", "loggingConfig"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "architectures": ["x86_64"],
        "memorySize": 128,
        "timeout": 3,
    }

    def canonical(self, key: str, value: Any) -> Any:
        """An archive is what it holds, wherever its files are."""
        if key == "code" and isinstance(value, Mapping) and "hash" in value:
            return value["hash"]
        return value

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *matching(
                inputs,
                "name",
                r"[A-Za-z0-9_-]{1,64}",
                "1 to 64 letters, digits, hyphens and underscores",
            ),
            *matching(inputs, "description", r"(?s).{0,256}", "at most 256 characters"),
            *matching(
                inputs,
                "runtime",
                r"(python3|nodejs|java|dotnet|ruby|provided\.al2)[0-9.x]*(\.al2)?",
                "a runtime of Lambda such as python3.13",
            ),
            *within(inputs, "memorySize", 128, 10240),
            *within(inputs, "timeout", 1, 900),
            *arn(inputs, "role"),
            *one_of(inputs, "loggingConfig.logFormat", ("JSON", "Text")),
        ]
        if value_at(inputs, "architectures") not in (None, ["arm64"], ["x86_64"]):
            problems.append("architectures: must be one of arm64 and x86_64")
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("lambda").create_function(
            FunctionName=inputs["name"],
            Code={"ZipFile": _zipped(inputs["code"])},
            Architectures=inputs["architectures"],
            Environment=_environment(inputs),
            VpcConfig=_network(inputs),
            Tags=inputs.get("tagsAll") or {},
            **given(inputs, **_SETTINGS),
        )
        return str(inputs["name"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = _live(aws, id)
        if live is None:
            return None
        found = live["Configuration"]
        variables = found.get("Environment", {}).get("Variables")
        return {
            "arn": found["FunctionArn"],
            "codeSha256": found["CodeSha256"],
            "environment": {"variables": variables} if variables else None,
            "lastModified": found["LastModified"],
            "name": id,
            "sourceCodeSize": found["CodeSize"],
            "tagsAll": live.get("Tags", {}),
            "version": found["Version"],
            "vpcConfig": _live_network(found.get("VpcConfig") or {}),
            **{key: found.get(field) for key, field in _SETTINGS.items()},
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        client = aws.client("lambda")
        if changed & {"architectures", "code"}:
            client.update_function_code(
                FunctionName=id,
                ZipFile=_zipped(new["code"]),
                Architectures=new["architectures"],
            )
        if changed & {*_SETTINGS, "environment", "vpcConfig"}:
            client.update_function_configuration(
                FunctionName=id,
                Environment=_environment(new),
                VpcConfig=_network(new),
                **{"Description": "", **given(new, **_SETTINGS)},
            )
        function = f"arn:aws:lambda:{aws.region}:{aws.account_id}:function:{id}"
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            client.tag_resource(Resource=function, Tags=wanted)
        if unwanted:
            client.untag_resource(Resource=function, TagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("lambda").delete_function, FunctionName=id)


class Permission(Row):
    """aws.lambda_.Permission: a statement of a function's policy."""

    token = "aws:lambda/permission:Permission"
    service = "lambda"
    autoname = "statementId"
    name_limit = 100
    replaces = frozenset(
        {"action", "function", "principal", "sourceAccount", "sourceArn"}
    )

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *matching(
                inputs,
                "statementId",
                r"[A-Za-z0-9_-]{1,100}",
                "1 to 100 letters, digits, hyphens and underscores",
            ),
            *matching(
                inputs, "action", r"lambda:[*]|lambda:[A-Za-z]+", "lambda:SomeAction"
            ),
            *matching(inputs, "sourceAccount", r"\d{12}", "an account's 12 digits"),
            *arn(inputs, "sourceArn"),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("lambda").add_permission(
            FunctionName=inputs["function"],
            StatementId=inputs["statementId"],
            Action=inputs["action"],
            Principal=inputs["principal"],
            **given(inputs, sourceAccount="SourceAccount", sourceArn="SourceArn"),
        )
        return str(inputs["statementId"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        imported, _, statement = id.rpartition("/")
        function = known.get("function") or imported or _function_with(aws, statement)
        live = next(
            (one for one in _statements(aws, function) if one["Sid"] == statement), None
        )
        if live is None:
            return None
        condition = live.get("Condition", {})
        [principal] = live["Principal"].values()
        return {
            "id": statement,
            "action": live["Action"],
            "function": function,
            "principal": principal,
            "sourceAccount": condition.get("StringEquals", {}).get("AWS:SourceAccount"),
            "sourceArn": condition.get("ArnLike", {}).get("AWS:SourceArn"),
            "statementId": statement,
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        """Nothing changes in place."""

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(
            aws.client("lambda").remove_permission,
            FunctionName=state["function"],
            StatementId=id,
        )


class FunctionEventInvokeConfig(Row):
    """aws.lambda_.FunctionEventInvokeConfig; its id is the function's name."""

    token = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
    service = "lambda"
    updates = frozenset(
        {"destinationConfig", "maximumEventAgeInSeconds", "maximumRetryAttempts"}
    )
    replaces = frozenset({"functionName"})
    defaults: ClassVar[Mapping[str, Any]] = {"maximumRetryAttempts": 2}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *within(inputs, "maximumRetryAttempts", 0, 2),
            *within(inputs, "maximumEventAgeInSeconds", 60, 21600),
            *arn(inputs, "destinationConfig.onFailure.destination"),
            *arn(inputs, "destinationConfig.onSuccess.destination"),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs)
        return str(inputs["functionName"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        try:
            live = aws.client("lambda").get_function_event_invoke_config(
                FunctionName=id
            )
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        destinations = live.get("DestinationConfig") or {}
        return {
            "destinationConfig": {
                key: {"destination": destinations[field]["Destination"]}
                for key, field in (
                    ("onFailure", "OnFailure"),
                    ("onSuccess", "OnSuccess"),
                )
                if destinations.get(field)
            }
            or None,
            "functionName": id,
            "maximumEventAgeInSeconds": live.get("MaximumEventAgeInSeconds"),
            "maximumRetryAttempts": live.get("MaximumRetryAttempts"),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        # moto puts another one beside the first.
        self.delete(aws, id, old)
        self._put(aws, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(
            aws.client("lambda").delete_function_event_invoke_config, FunctionName=id
        )

    def _put(self, aws: Aws, inputs: Properties) -> None:
        destinations = inputs.get("destinationConfig") or {}
        aws.client("lambda").put_function_event_invoke_config(
            FunctionName=inputs["functionName"],
            MaximumRetryAttempts=inputs["maximumRetryAttempts"],
            DestinationConfig={
                field: {"Destination": destinations[key]["destination"]}
                for key, field in (
                    ("onFailure", "OnFailure"),
                    ("onSuccess", "OnSuccess"),
                )
                if destinations.get(key)
            },
            **given(inputs, maximumEventAgeInSeconds="MaximumEventAgeInSeconds"),
        )


def _live(aws: Aws, function: str) -> dict[str, Any] | None:
    try:
        return dict(aws.client("lambda").get_function(FunctionName=function))
    except ClientError as error:
        if is_gone(error):
            return None
        raise


def _statements(aws: Aws, function: str) -> list[dict[str, Any]]:
    try:
        policy = aws.client("lambda").get_policy(FunctionName=function)["Policy"]
    except ClientError as error:
        if is_gone(error):
            return []
        raise
    return list(json.loads(policy)["Statement"])


def _function_with(aws: Aws, statement: str) -> str:
    """The function whose policy has a statement, when nothing but its id is known."""
    arns = [
        one["FunctionArn"] for one in aws.client("lambda").list_functions()["Functions"]
    ]
    return next(
        (
            arn
            for arn in arns
            if any(one["Sid"] == statement for one in _statements(aws, arn))
        ),
        statement,
    )


def _environment(inputs: Properties) -> dict[str, Any]:
    return {"Variables": (inputs.get("environment") or {}).get("variables") or {}}


_NETWORK: Mapping[str, str] = {
    "securityGroupIds": "SecurityGroupIds",
    "subnetIds": "SubnetIds",
}
"""Where a function is in a network: inputs, and the API's names for them."""


def _network(inputs: Properties) -> dict[str, Any]:
    """Empty lists take it out of its network, as the API has it."""
    wanted = inputs.get("vpcConfig") or {}
    return {field: wanted.get(key, []) for key, field in _NETWORK.items()}


def _live_network(live: Mapping[str, Any]) -> Properties | None:
    if not live.get("SubnetIds"):
        return None
    return {
        **{key: live[field] for key, field in _NETWORK.items()},
        "vpcId": live["VpcId"],
    }


def _zipped(archive: Mapping[str, Any]) -> bytes:
    """The archive that the engine describes: files by their name in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as into:
        for name, asset in sorted(archive["assets"].items()):
            text = asset.get("text")
            content = Path(asset["path"]).read_bytes() if text is None else text
            into.writestr(zipfile.ZipInfo(name, _LONG_AGO), content)
    return packed.getvalue()


ROWS: tuple[type[Row], ...] = (Function, Permission, FunctionEventInvokeConfig)
INVOKES: Mapping[str, Invoke] = {}
