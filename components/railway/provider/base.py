"""What the providers of Railway's resources have in common."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final

import pulumi
from pulumi import dynamic
from pulumi.dynamic import CheckFailure, CheckResult, DiffResult, ReadResult
from pulumi.runtime import rpc

from components.railway.client import (
    ENDPOINT,
    Client,
    NotFoundError,
    Operation,
    RailwayError,
)

TOKEN_VARIABLES: Final = ("RAILWAY_API_TOKEN", "RAILWAY_TOKEN")
"""Environment variables that hold a token where the program gives none."""

ACCESS_INPUTS: Final = frozenset({"token", "owner", "endpoint", "poll_seconds"})
"""How the API is reached: another of them changes nothing at Railway."""

Props = dict[str, Any]


class Provider(dynamic.ResourceProvider):
    """Checks and compares inputs; what to do about them is the subclass's.

    A token that changed is an update without a request: it puts the new token where
    the next deletion will look for it.
    """

    serialize_as_secret_always = False
    """A name is all that is serialized, and no secret."""

    inputs: ClassVar[frozenset[str]] = frozenset()
    """Names of all inputs."""

    replacing: ClassVar[frozenset[str]] = frozenset()
    """Inputs of which another value means another object."""

    created_with: ClassVar[frozenset[str]] = frozenset()
    """Inputs that matter once, when the object is made."""

    delete_first: ClassVar[bool] = True
    """Whether the old object must go before the new one comes: names are unique."""

    def problems(self, news: Props) -> dict[str, str]:
        """Return what is wrong with the inputs, by input."""
        return {} if token_of(news) else {"token": NO_TOKEN}

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse what Railway would refuse later, or never."""
        problems = self.problems(news)
        return CheckResult(news, [CheckFailure(k, v) for k, v in problems.items()])

    def differs(self, key: str, olds: Props, news: Props) -> bool:
        """Whether an input is not what the object has."""
        return bool(olds.get(key) != news.get(key))

    def drifted(self, olds: Props, news: Props) -> bool:
        """Whether there is something to do that no input tells of."""
        del olds, news
        return False

    def changed(self, olds: Props, news: Props) -> set[str]:
        """Return the inputs that are not what the object has."""
        names = (self.inputs - self.created_with) & (olds.keys() | news.keys())
        return {
            key
            for key in names
            # In a preview, what is not known yet may be anything.
            if news.get(key) == rpc.UNKNOWN or self.differs(key, olds, news)
        }

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Compare what the program wants with what there was at the last look."""
        changed = self.changed(_olds, _news)
        replaces = sorted(changed & self.replacing)
        return DiffResult(
            changes=bool(changed) or self.drifted(_olds, _news),
            replaces=replaces,
            delete_before_replace=self.delete_first,
        )


class Resource(dynamic.Resource):
    """A resource of one of the providers.

    computed: names of what only the provider knows.
    """

    def __init__(
        self,
        provider: Provider,
        name: str,
        props: Mapping[str, Any],
        computed: Sequence[str],
        opts: pulumi.ResourceOptions | None,
    ) -> None:
        if unknown := props.keys() - provider.inputs:
            kind = type(provider).__name__
            raise TypeError(f"{kind} has no input {', '.join(sorted(unknown))}")
        super().__init__(provider, name, {**props, **dict.fromkeys(computed)}, opts)


NO_TOKEN: Final = (
    "there is no token for Railway. Make one at railway.com/account/tokens and run "
    "`pulumi config set --path --secret stromhaltig:secrets.RAILWAY_TOKEN`, or set the "
    f"environment variable {TOKEN_VARIABLES[0]}"
)
"""Said before anything is made."""


def token_of(props: Mapping[str, Any]) -> str | None:
    """Return the program's token, or else the environment's; None without either."""
    of_environment = (os.environ.get(name, "").strip() for name in TOKEN_VARIABLES)
    candidates = (props.get("token"), *of_environment)
    return next((token for token in candidates if token), None)


def connect(props: Mapping[str, Any]) -> AbstractContextManager[Client]:
    """Return a client for a resource's inputs.

    Raises:
        RailwayError: when there is no token.
    """
    token = token_of(props)
    if token is None:
        raise RailwayError(NO_TOKEN)
    return Client(
        token,
        owner=props.get("owner") or "account",
        endpoint=props.get("endpoint") or ENDPOINT,
    )


def found(client: Client, operation: Operation, variables: Mapping[str, Any]) -> Any:
    """Return what an operation answers, or None for what does not exist (any more)."""
    try:
        answer = client.call(operation, variables)
    except NotFoundError:
        return None
    return None if isinstance(answer, dict) and answer.get("deletedAt") else answer


def removed(client: Client, operation: Operation, variables: Mapping[str, Any]) -> None:
    """Delete something; that it is gone already is as good."""
    try:
        client.call(operation, variables)
    except NotFoundError:
        return


def nodes(connection: Mapping[str, Any]) -> list[Any]:
    """Return what a list of Railway's holds, without what was deleted."""
    items = (edge["node"] for edge in connection["edges"])
    return [item for item in items if not item.get("deletedAt")]


def gone() -> ReadResult:
    """Say that the object exists no more, so that a refresh forgets it."""
    return ReadResult("", {})


def part(resource: pulumi.CustomResource, index: int) -> pulumi.Output[str]:
    """Return a part of a resource's id.

    Unlike an output, it is known in the preview of an update, so that nothing that is
    made of it looks as if it had to be replaced.
    """
    return resource.id.apply(lambda id_: id_.split("/")[index])


def joined(*parts: str) -> str:
    """Return the id of a resource, made of Railway's own."""
    return "/".join(parts)


def split(id_: str, form: str) -> list[str]:
    """Return the parts of a resource's id.

    form: what it is made of, such as PROJECT/ENVIRONMENT.

    Raises:
        RailwayError: when it is not of that form.
    """
    parts = id_.split("/")
    if len(parts) != form.count("/") + 1 or not all(parts):
        raise RailwayError(f'"{id_}" is no id of the form {form}')
    return parts


def place_of(props: Mapping[str, Any]) -> dict[str, str]:
    """Return the arguments that name an environment."""
    return {
        "projectId": props["project_id"],
        "environmentId": props["environment_id"],
    }
