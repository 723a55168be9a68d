"""The app on DigitalOcean's App Platform, deployed when something changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
import pulumi_digitalocean as digitalocean
import pulumi_random as random

from components.digitalocean import kept_secrets
from components.digitalocean.app_spec import (
    AppSpecArgs,
    Secret,
    build,
    for_provider,
    leaves,
    replaced,
)


@dataclass(frozen=True, kw_only=True)
class AppPlatformArgs:
    """What the app needs to know.

    spec: everything that runs, and how.
    deployed_id: ID of the app as it was deployed before, empty when it was not: see
        `kept_secrets.own_output`.
    project_id: project of the account that the app is created in. A later change is
        ignored: it would replace the app.
    protect: whether Pulumi refuses to delete it. Without a preview, `pulumi destroy`
        deletes whatever is not protected before it comes to what is.
    """

    spec: AppSpecArgs
    deployed_id: pulumi.Input[str] = ""
    project_id: pulumi.Input[str] | None = None
    protect: bool = False


class AppPlatform(pulumi.ComponentResource):
    """Service, static client, migrations and routes, as one app.

    Each update of an app is a deployment, with its migrations. So an unchanged program
    has to make an unchanged spec, secrets included: see `kept_secrets`.
    """

    app_id: pulumi.Output[str]
    """UUID. The stack must export it: the next run reads it."""

    project_urn: pulumi.Output[str]
    """`do:app:UUID`, as a project lists it."""

    default_host: pulumi.Output[str]
    """Host name that a domain elsewhere points at (CNAME)."""

    url: pulumi.Output[str]
    """Where the app answers: at its domain, or at the default host."""

    def __init__(
        self,
        name: str,
        args: AppPlatformArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:digitalocean:AppPlatform", name, None, opts)

        app = digitalocean.App(
            name,
            spec=self._spec(name, args),
            project_id=args.project_id,
            opts=pulumi.ResourceOptions(
                parent=self, protect=args.protect, ignore_changes=["projectId"]
            ),
        )

        domain = args.spec.domain
        self.app_id = app.id
        self.project_urn = app.app_urn
        self.default_host = app.default_ingress.apply(
            lambda url: url.removeprefix("https://").rstrip("/")
        )
        self.url = pulumi.Output.concat(
            "https://", domain.name if domain else self.default_host
        )
        self.register_outputs({"app_id": self.app_id, "url": self.url})

    def _spec(self, name: str, args: AppPlatformArgs) -> Any:
        """Return the spec, its secrets encrypted where they are what they were."""
        spec = for_provider(build(args.spec))
        secrets = {
            path: pulumi.Output.secret(leaf.value)
            for path, leaf in leaves(spec)
            if isinstance(leaf, Secret)
        }
        if not secrets:
            return spec
        key = random.RandomPassword(
            f"{name}-secrets-digest",
            length=48,
            special=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        digest: pulumi.Output[str] = pulumi.Output.unsecret(
            pulumi.Output.all(
                key=key.result, values=pulumi.Output.from_input(secrets)
            ).apply(lambda known: kept_secrets.digest(known["key"], known["values"]))
        )
        now = kept_secrets.deployed(args.deployed_id, pulumi.InvokeOptions(parent=self))
        passed = {
            path: pulumi.Output.all(plain=plain, digest=digest, now=now).apply(
                partial(_to_pass, path, args.spec.name)
            )
            for path, plain in secrets.items()
        }
        told = {"key": kept_secrets.DIGEST, "scope": "RUN_TIME", "value": digest}
        return {**replaced(spec, passed), "envs": [told]}


def _to_pass(path: str, app: str, known: Mapping[str, Any]) -> str:
    return kept_secrets.to_pass(path, app=app, **known)
