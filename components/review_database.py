"""A database of a review, inside the server of another stack."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_random as random


@dataclass(frozen=True, kw_only=True)
class ReviewConnectionArgs:
    """What a connection needs to know.

    stack: `pr-N`; role and database are `pr_N`.
    endpoint: `HOST:PORT` of the server.
    ssl_mode: `sslmode` of the URL, as of a `Database`.
    """

    stack: str
    endpoint: pulumi.Input[str]
    ssl_mode: pulumi.Input[str]


class ReviewConnection(pulumi.ComponentResource):
    """The address of a review's database, with a password of its own."""

    name: str
    """Database, and the role that owns it."""

    url: pulumi.Output[str]
    """Secret: `postgresql://USER:PASSWORD@HOST:PORT/NAME?sslmode=MODE`."""

    def __init__(
        self,
        name: str,
        args: ReviewConnectionArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:ReviewConnection", name, None, opts)
        password = random.RandomPassword(
            f"{name}-database",
            length=40,
            special=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name = args.stack.replace("-", "_")
        self.url = pulumi.Output.secret(
            pulumi.Output.concat(
                *(f"postgresql://{self.name}:", password.result, "@", args.endpoint),
                *(f"/{self.name}?sslmode=", args.ssl_mode),
            )
        )
        self.register_outputs({"name": self.name, "url": self.url})


@dataclass(frozen=True, kw_only=True)
class ReviewDatabaseArgs:
    """What a database needs to know.

    stack: `pr-N`.
    function_name: function of a `ReviewHost`.
    version_id: of the secret with the connection, which the function reads itself.
    """

    stack: str
    function_name: pulumi.Input[str]
    version_id: pulumi.Input[str]


class ReviewDatabase(pulumi.ComponentResource):
    """A database that is there as long as this is, and then dropped with all in it.

    A function inside the network is called when it is made, when its password is
    another one, and when it goes; a call that fails is an error of the update. No
    secret is in the call.
    """

    def __init__(
        self,
        name: str,
        args: ReviewDatabaseArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:ReviewDatabase", name, None, opts)
        aws.lambda_.Invocation(
            f"{name}-database",
            function_name=args.function_name,
            input=pulumi.Output.from_input(args.version_id).apply(
                lambda version: json.dumps({"stack": args.stack, "version": version})
            ),
            # Not when it is made only: also when it is changed and deleted.
            lifecycle_scope="CRUD",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
