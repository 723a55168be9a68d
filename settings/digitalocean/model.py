"""Settings of a stack on DigitalOcean."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, SecretStr

from contract import Kind, Variable, matching
from settings.digitalocean import offers
from settings.digitalocean.groups import (
    Alerts,
    Autoscaling,
    Cache,
    Client,
    Database,
    Dns,
    Droplet,
    Github,
    Logs,
    Maintenance,
    Network,
    Project,
    Registry,
    Service,
    Spaces,
    Uptime,
)
from settings.model import Settings

TOKEN_KEY: Final = "digitalocean:token"  # noqa: S105 - its name
"""Where the provider itself looks for the API's token."""

SPACES_KEYS: Final = ("digitalocean:spacesAccessId", "digitalocean:spacesSecretKey")
"""Where the provider looks for the key with which it makes a bucket."""

SLACK_WEBHOOK: Final = "SLACK_WEBHOOK_URL"
LOG_TOKEN: Final = "LOG_TOKEN"  # noqa: S105 - its name
REGISTRY_LOGIN: Final = "REGISTRY_LOGIN"

_TOKENS = matching("text without spaces", r"\S+")


class DigitalOceanSettings(Settings):
    """A stack's settings on DigitalOcean."""

    platform_secrets: ClassVar[tuple[Variable, ...]] = (
        Variable(
            SLACK_WEBHOOK,
            Kind.OPERATOR,
            None,
            "Incoming webhook of the Slack channel for `uptime` (DigitalOcean).",
            matching(
                "a webhook like https://hooks.slack.com/services/T/B/XXX",
                r"https://hooks\.slack\.com/[A-Za-z0-9/_-]+",
            ),
            optional=True,
        ),
        Variable(
            LOG_TOKEN,
            Kind.OPERATOR,
            None,
            "Source token of Better Stack, API key of Datadog, or USER:PASSWORD of "
            "OpenSearch, for `logs`.",
            _TOKENS,
            optional=True,
        ),
        Variable(
            REGISTRY_LOGIN,
            Kind.OPERATOR,
            None,
            "USER:TOKEN with which DigitalOcean pulls a private image from ghcr.io or "
            "docker.io. Its own registry needs none.",
            matching("USER:TOKEN without spaces", r"[^\s:]+:\S+"),
            optional=True,
        ),
    )

    own_domain: ClassVar[bool] = True
    provider_secrets: ClassVar[frozenset[str]] = frozenset({TOKEN_KEY, *SPACES_KEYS})

    token: SecretStr | None = Field(
        None, alias=TOKEN_KEY, description="Token of DigitalOcean's API."
    )
    spaces_access_id: SecretStr | None = Field(
        None, alias=SPACES_KEYS[0], description="Key id for making a bucket."
    )
    spaces_secret_key: SecretStr | None = Field(
        None, alias=SPACES_KEYS[1], description="The secret that belongs to it."
    )
    platform: Literal["digitalocean"] = Field(
        "digitalocean", description="Where the app runs. Its settings are below."
    )
    region: Annotated[str, offers.AppRegion] = Field(
        "fra",
        description="Region of everything, as App Platform calls it. Changing it "
        "replaces what holds data.",
    )
    github: Github | None = Field(
        None,
        description="The repository that DigitalOcean builds the app from, instead of "
        "`image`.",
    )
    client: Client | None = Field(
        None,
        description="The React client as a static site, built from the repository of "
        "`github`. Without it the app serves the client, as its image does.",
    )
    service: Service = Field(Service(), description="The app's instances.")
    autoscaling: Autoscaling | None = Field(
        None,
        description="As many instances as the load asks for, instead of "
        "`service.instances`. For sizes with CPUs of their own: apps-d-…",
    )
    network: Network = Field(
        Network(), description="How the app reaches what it needs."
    )
    dns: Dns | None = Field(
        None,
        description="A domain that DigitalOcean's name servers answer for. Without it "
        "you point `domain` at output `default_host` yourself (CNAME).",
    )
    database: Database = Field(Database(), description="The PostgreSQL database.")
    cache: Cache | None = Field(
        None, description="A cache: managed Valkey. Without it the app has none."
    )
    spaces: Spaces | None = Field(
        None,
        description="A bucket for dumps and files. Uploads of the app go with its "
        "instances all the same: App Platform has no disk that lasts.",
    )
    alerts: Alerts = Field(
        Alerts(), description="What the account is told of by e-mail."
    )
    uptime: Uptime | None = Field(
        None, description="A check from outside, with alerts of its own."
    )
    logs: Logs | None = Field(
        None,
        description="Where the app's logs are forwarded. By itself App Platform keeps "
        "few of them.",
    )
    maintenance: Maintenance | None = Field(
        None,
        description="A page in place of the app, for as long as the stack file names "
        "this.",
    )
    project: Project = Field(
        Project(), description="What the console and the bill show together."
    )
    registry: Registry | None = Field(
        None, description="The account's container registry, of which it has one."
    )
    droplet: Droplet | None = Field(
        None,
        description="A machine that becomes a Docker host, in place of the app: a "
        "second stack of platform docker then runs on it. Of the other settings only "
        "`region`, `network.vpc_id` and `project` go with it.",
    )

    @property
    def built_from_source(self) -> bool:
        """Whether DigitalOcean builds what runs, from a repository."""
        return self.github is not None

    @property
    def has_app(self) -> bool:
        """Whether the stack makes the app, and not a machine for another stack."""
        return self.droplet is None

    @property
    def datacenter(self) -> str:
        """The region's data center, for what is not an app."""
        return offers.DATACENTERS[self.region]

    @property
    def registry_region(self) -> str:
        """The data center nearest to the region that has registries of images."""
        return offers.REGISTRIES.get(self.region, self.datacenter)

    @property
    def most_instances(self) -> int:
        """Instances that run at most, but for a roll-out, which doubles them."""
        return self.autoscaling.maximum if self.autoscaling else self.service.instances

    def secret(self, name: str) -> str | None:
        """Return one of the platform's own secrets, in plain text."""
        value = self.secrets.get(name)
        return value.get_secret_value() if value else None
