"""One emulated resource type: how the embedded cloud carries it out.

A row is declared, not inferred. It names every input it carries, which of them force a
replacement (from the upstream provider's documentation, "Forces new resource"), and
which the emulator accepts but does not keep. An input in none of these lists is
refused, so that nothing a program asks for is dropped in silence.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import boto3
import botocore.config
from botocore.exceptions import ClientError

from rehearsal.provider.wire import Properties


class Aws:
    """The embedded AWS as one provider configuration sees it.

    endpoint: loopback address of the emulator.
    region: where regional resources are made.
    default_tags: tags that every taggable resource gets besides its own.
    """

    def __init__(
        self, endpoint: str, region: str, default_tags: Mapping[str, str]
    ) -> None:
        self.endpoint = endpoint
        self.region = region
        self.default_tags = dict(default_tags)
        self._session: Any = boto3.Session(
            aws_access_key_id="rehearsal",
            aws_secret_access_key="rehearsal",  # noqa: S106 (the emulator checks none)
            region_name=region,
        )
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()

    def client(self, service: str) -> Any:
        """The boto3 client of a service, made once."""
        with self._making:  # a session makes one client at a time
            if service not in self._clients:
                self._clients[service] = self._new_client(service)
            return self._clients[service]

    def _new_client(self, service: str) -> Any:
        config = botocore.config.Config(
            retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}
        )
        client = self._session.client(
            service, endpoint_url=self.endpoint, config=config
        )
        client.meta.events.register("before-parse", _refuse_error_page)
        return client

    @cached_property
    def account_id(self) -> str:
        """The emulator's account."""
        return str(self.client("sts").get_caller_identity()["Account"])


def _refuse_error_page(
    operation_model: Any, response_dict: Mapping[str, Any], **_: Any
) -> None:
    """moto answers calls that it lacks or fails in with a web page, which botocore
    takes for a broken or a missing resource.
    """
    failed = response_dict["status_code"] >= 400
    if failed and response_dict["body"].lstrip()[:14].lower() == b"<!doctype html":
        message = "the embedded AWS lacks this call, or failed in it"
        answer: Any = {"Error": {"Code": "NotEmulated", "Message": message}}
        raise ClientError(answer, operation_model.name)


class Row:
    """How one resource type is created, read, changed and deleted.

    `create` makes the thing with one call and gives its id; `finish` does what further
    calls are needed. When `finish` fails, the engine learns the id and the failure, so
    the half-made thing is in the state and not lost.
    """

    token: ClassVar[str]
    service: ClassVar[str]
    updates: ClassVar[frozenset[str]] = frozenset()
    """Inputs that change in place."""
    replaces: ClassVar[frozenset[str]] = frozenset()
    """Inputs whose change makes a new resource."""
    unverified: ClassVar[frozenset[str]] = frozenset()
    """Inputs that the emulator accepts but does not keep: given back as declared."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """What AWS takes for an input that is left out, where that is not nothing."""
    autoname: ClassVar[str | None] = None
    """The property that gets a generated name when the program sets none."""
    name_limit: ClassVar[int] = 255
    delete_first: ClassVar[bool] = False
    """Whether old and new cannot exist side by side, whatever their names."""
    tagged: ClassVar[bool] = False
    """Whether the resource takes tags, and with them the provider's default tags."""

    @classmethod
    def carried(cls) -> frozenset[str]:
        """Every input that the row knows."""
        tags = frozenset({"tags", "tagsAll"}) if cls.tagged else frozenset()
        name = frozenset({cls.autoname}) if cls.autoname else frozenset()
        return cls.updates | cls.replaces | cls.unverified | tags | name

    def replacing(
        self, changed: frozenset[str], old: Properties, new: Properties
    ) -> frozenset[str]:
        """Which of the changed inputs force a new resource."""
        del old, new
        named = {self.autoname} - self.updates
        return changed & (self.replaces | named)

    def canonical(self, key: str, value: Any) -> Any:
        """An input's value in the form in which those that mean the same are equal."""
        del key
        return value

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        """What the real provider refuses at preview; unknown values pass."""
        del inputs
        return []

    def create(self, aws: Aws, inputs: Properties) -> str:
        """Make the resource; returns its id."""
        raise NotImplementedError

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        """Calls that complete a resource once it exists."""

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        """The live properties, or None when the resource is gone.

        known: what the state says of the resource, for finding it; nothing when it is
        imported. Then `id` among the properties says which id it has, where that is
        not the one that `pulumi import` takes.
        """
        raise NotImplementedError

    def update(
        self,
        aws: Aws,
        id: str,
        old: Properties,
        new: Properties,
        changed: set[str],
    ) -> None:
        """Change the resource in place."""
        raise NotImplementedError

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        """Remove the resource; one that is gone already is no error."""
        raise NotImplementedError


def is_gone(error: ClientError) -> bool:
    """Whether AWS says that the thing does not exist."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status == 404 or any(
        word in code for word in ("NotFound", "NoSuch", "DoesNotExist", "NotExist")
    )


def given(inputs: Mapping[str, Any], **fields: str) -> dict[str, Any]:
    """The inputs that are set, under the names of the API."""
    return {
        field: inputs[key]
        for key, field in fields.items()
        if inputs.get(key) not in (None, "", [])
    }


def deleted(
    call: Any, also: set[str] | frozenset[str] = frozenset(), **kwargs: Any
) -> None:
    """Delete; a thing that is gone already is as good."""
    try:
        call(**kwargs)
    except ClientError as error:
        if not (is_gone(error) or error.response["Error"]["Code"] in also):
            raise


def tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Tags as most AWS calls take them."""
    return [{"Key": key, "Value": value} for key, value in sorted((tags or {}).items())]


def tag_map(tags: list[dict[str, str]] | None) -> dict[str, str]:
    """Tags as Pulumi shows them; those of AWS itself are left out."""
    pairs = {
        t.get("Key", t.get("key", "")): t.get("Value", t.get("value", ""))
        for t in tags or []
    }
    return {key: value for key, value in pairs.items() if not key.startswith("aws:")}


def tag_changes(old: Properties, new: Properties) -> tuple[dict[str, str], list[str]]:
    """Tags to set and keys to remove for a change of `tagsAll`."""
    before, after = old.get("tagsAll") or {}, new.get("tagsAll") or {}
    wanted = {k: v for k, v in after.items() if before.get(k) != v}
    return wanted, [key for key in before if key not in after]
