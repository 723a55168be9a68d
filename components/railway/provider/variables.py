"""All variables of a service of Railway."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import pulumi
from pulumi.dynamic import CreateResult, ReadResult, UpdateResult
from pulumi.runtime import rpc

from components.railway import operations as ops
from components.railway.client import Client, NotFoundError
from components.railway.provider.base import (
    ACCESS_INPUTS,
    Props,
    Provider,
    Resource,
    connect,
    found,
    gone,
    joined,
    place_of,
    split,
)

_ID = "PROJECT/ENVIRONMENT/SERVICE"
_RAILWAYS_OWN: Final = "RAILWAY_"


class VariablesProvider(Provider):
    """Sets exactly these variables; the id is PROJECT/ENVIRONMENT/SERVICE.

    Variables that somebody else made on the service are drift, and go with the next
    change. Values that are not the program's plain ones are kept as digests only, with
    a salt that is secret itself: they tell that a secret differs, and not what it is.
    It deploys nothing; `revision` is another one after each change.
    """

    inputs: ClassVar[frozenset[str]] = ACCESS_INPUTS | {
        "project_id",
        "environment_id",
        "service_id",
        "variables",
        "secrets",
    }
    replacing: ClassVar[frozenset[str]] = frozenset(
        {"project_id", "environment_id", "service_id"}
    )

    def problems(self, news: Props) -> dict[str, str]:
        """Refuse a variable that is both plain and secret."""
        problems = super().problems(news)
        plain, secret = _names(news, "variables"), _names(news, "secrets")
        if twice := sorted(plain & secret):
            problems["secrets"] = f"plain and secret at once: {', '.join(twice)}"
        return problems

    def changed(self, olds: Props, news: Props) -> set[str]:
        """Compare secrets by their digests: the state has nothing else of them."""
        changed = super().changed(olds, news) - {"secrets"}
        wanted = news.get("secrets", {})
        if wanted == rpc.UNKNOWN or olds.get("digests", {}) != _digests(
            wanted, olds.get("salt", "")
        ):
            changed.add("secrets")
        return changed

    def create(self, props: Props) -> CreateResult:
        """Set the variables, and remove all others."""
        with connect(props) as client:
            _set(client, props)
        id_ = joined(*place_of(props).values(), props["service_id"])
        return CreateResult(id_, _outs(props, secrets.token_hex(16), _revision()))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Look at the variables, and keep of the secret ones that they differ."""
        project_id, environment_id, service_id = split(id_, _ID)
        where = {
            "project_id": project_id,
            "environment_id": environment_id,
            "service_id": service_id,
        }
        with connect(props) as client:
            live = found(
                client,
                ops.VARIABLES,
                {**place_of(where), "serviceId": service_id},
            )
        if live is None:
            return gone()
        plain = props.get("variables", {}).keys()
        known = props.get("digests", {}).keys() | plain
        salt = props.get("salt") or secrets.token_hex(16)
        rest = {
            name: value
            for name, value in live.items()
            if name not in plain
            and (name in known or not name.startswith(_RAILWAYS_OWN))
        }
        outs = {
            "revision": _revision(),
            **props,
            **where,
            "variables": {name: live[name] for name in plain if name in live},
            "digests": _digests(rest, salt),
            "salt": salt,
        }
        return ReadResult(id_, outs)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Set the variables, and remove all others."""
        revision = _olds["revision"]
        if self.changed(_olds, _news) - ACCESS_INPUTS:
            with connect(_news) as client:
                _set(client, _news)
            revision = _revision()
        return UpdateResult(_outs(_news, _olds["salt"], revision))

    def delete(self, _id: str, _props: Props) -> None:
        """Remove all variables."""
        with connect(_props) as client:
            try:
                _set(client, {**_props, "variables": {}, "secrets": {}})
            except NotFoundError:
                return


def _set(client: Client, props: Props) -> None:
    hidden = props.get("secrets", {})
    wanted = {
        **place_of(props),
        "serviceId": props["service_id"],
        "variables": {**props.get("variables", {}), **hidden},
        "replace": True,
        # Deploying is a step of its own, once everything is as it should be.
        "skipDeploys": True,
    }
    client.call(ops.VARIABLES_SET, {"input": wanted}, secrets=hidden.values())


def _outs(props: Props, salt: str, revision: str) -> Props:
    """Return what the state keeps: no secret value, which is an input already."""
    kept = {key: value for key, value in props.items() if key != "secrets"}
    digests = _digests(props.get("secrets", {}), salt)
    return {**kept, "digests": digests, "salt": salt, "revision": revision}


def _digests(values: Mapping[str, Any], salt: str) -> dict[str, str]:
    """Return what tells values apart, and nobody what they are."""
    key = salt.encode()
    return {
        name: hmac.new(key, f"{name}\0{value}".encode(), hashlib.sha256).hexdigest()[
            :16
        ]
        for name, value in values.items()
    }


def _names(props: Props, key: str) -> set[str]:
    values = props.get(key, {})
    return set(values) if isinstance(values, dict) else set()


def _revision() -> str:
    return secrets.token_hex(8)


class VariablesResource(Resource, module="railway", name="Variables"):
    """The variables of a service; inputs as `VariablesProvider.inputs`."""

    revision: pulumi.Output[str]

    def __init__(
        self, name: str, props: Props, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        opts = pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(additional_secret_outputs=["salt"])
        )
        super().__init__(
            VariablesProvider(), name, props, ("digests", "salt", "revision"), opts
        )
