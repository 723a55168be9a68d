"""DigitalOcean's container registry, of which an account has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_digitalocean as digitalocean


@dataclass(frozen=True, kw_only=True)
class ContainerRegistryArgs:
    """What the registry needs to know.

    name: unique among all accounts.
    tier: `starter` (free, 500 MiB, 1 repository), `basic` (5 USD, 5 GiB, 5
        repositories) or `professional` (20 USD, 100 GiB).
    region: where images are, such as `fra1`.
    protect: whether Pulumi refuses to delete it, with all images of the account.
    """

    name: str
    tier: Literal["starter", "basic", "professional"] = "basic"
    region: str
    protect: bool = True


class ContainerRegistry(pulumi.ComponentResource):
    """Where App Platform finds images without credentials."""

    registry: pulumi.Output[str]
    """Name."""

    endpoint: pulumi.Output[str]
    """What an image's reference begins with: registry.digitalocean.com/NAME."""

    server: pulumi.Output[str]
    """Host that `docker login` takes."""

    def __init__(
        self,
        name: str,
        args: ContainerRegistryArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:digitalocean:ContainerRegistry", name, None, opts)

        registry = digitalocean.ContainerRegistry(
            name,
            name=args.name,
            subscription_tier_slug=args.tier,
            region=args.region,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )

        self.registry = registry.name
        self.endpoint = registry.endpoint
        self.server = registry.server_url
        self.register_outputs({"endpoint": self.endpoint})
