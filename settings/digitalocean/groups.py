"""Groups of settings of DigitalOcean: the app, its data, what watches it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from contract import matching
from settings import forms
from settings.digitalocean import offers
from settings.model import Group

FOLDER = matching("a folder of the repository like /client", r"/|(/[A-Za-z0-9._-]+)+")
INSIDE = matching(
    "a path inside a folder like dist", r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*"
)
COMMAND = matching("a command on one line", r"\S(.*\S)?")
SLACK_CHANNEL = matching("a Slack channel like #alerts", r"#[a-z0-9_-]{1,80}")
WEB_PAGE = matching("an address like https://status.example.org/down", r"https://\S+")
LOG_ENDPOINT = matching(
    "HOST:PORT, or an address like https://logs.example.org:25060",
    r"[A-Za-z0-9.-]+:[0-9]{1,5}|https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/\S*)?",
)

Folder = Annotated[str, AfterValidator(FOLDER)]
Inside = Annotated[str, AfterValidator(INSIDE)]
Command = Annotated[str, AfterValidator(COMMAND)]
UptimeRegion = Literal["us_east", "us_west", "eu_west", "se_asia"]
Uuid = Annotated[
    str,
    AfterValidator(
        matching(
            "an id like 0a1b2c3d-0000-0000-0000-000000000000",
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        )
    ),
]
ProjectName = Annotated[
    str,
    AfterValidator(
        matching("a name of up to 175 characters on one line", r"\S(.{0,173}\S)?")
    ),
]
RegistryName = Annotated[
    str,
    AfterValidator(
        matching("a name of small letters, digits and -", r"[a-z0-9][a-z0-9-]{1,62}")
    ),
]
Weekday = Literal[
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
]
Hour = Annotated[
    str,
    AfterValidator(matching("a full hour in UTC like 03:00", r"([01][0-9]|2[0-3]):00")),
]


class Github(Group):
    """The repository that DigitalOcean builds the app from, instead of an image."""

    repository: forms.GithubRepository = Field(
        description="Repository, as OWNER/NAME. Give DigitalOcean's GitHub app access "
        "to it first: https://cloud.digitalocean.com/apps/github/install."
    )
    branch: forms.GitBranch = Field("main", description="Branch that is built.")
    deploy_on_push: bool = Field(
        True,
        description="Deploy whatever is pushed to the branch. Without it a new version "
        "comes with a change of the stack, or from the console.",
    )
    source_dir: Folder = Field(
        "/", description="Folder of the app, and the context of its build."
    )
    dockerfile: Inside = Field(
        "Dockerfile", description="Dockerfile, by its path in the repository."
    )


class Service(Group):
    """The app's instances on App Platform."""

    instances: int = Field(
        2,
        ge=1,
        le=250,
        description="Instances that run. Each may open DB_POOL_MAX connections, and a "
        "new version doubles them for a moment.",
    )
    size: Annotated[str, offers.AppSize] = Field(
        "apps-s-1vcpu-1gb",
        description="Size of an instance, about 12 USD a month each; "
        "apps-s-1vcpu-2gb: 25; apps-d-1vcpu-2gb, with a CPU of its own: 39.",
    )
    drain_seconds: int = Field(
        15,
        ge=1,
        le=110,
        description="Seconds from taking an instance out of the load balancer to "
        "asking it to stop.",
    )
    grace_seconds: int = Field(
        70,
        ge=1,
        le=600,
        description="Seconds between asking an instance to stop and killing it. The "
        "reference app takes up to 62 to finish what it is at.",
    )


class Autoscaling(Group):
    """As many instances as the load asks for; for sizes with CPUs of their own."""

    minimum: int = Field(2, ge=1, le=250, description="Fewest instances.")
    maximum: int = Field(4, ge=2, le=250, description="Most instances.")
    cpu_percent: int = Field(
        70, ge=1, le=100, description="Target for the instances' mean CPU use."
    )


class Client(Group):
    """The React client as a static site, built from the repository of `github`."""

    source_dir: Folder = Field("/client", description="Folder of the client.")
    build_command: Command = Field(
        "npm run build",
        description="What builds it; dependencies are installed before.",
    )
    output_dir: Inside = Field(
        "dist", description="Folder with the result, by its path in `source_dir`."
    )
    catch_all: Inside = Field(
        "index.html",
        description="File that answers for every path without one, as a client with "
        "routes of its own needs.",
    )


class Alerts(Group):
    """What the account is told of by e-mail, beside failed deployments and domains."""

    cpu_percent: int = Field(
        80, ge=1, le=100, description="CPU use that is too much (guide: 80)."
    )
    memory_percent: int = Field(
        85, ge=1, le=100, description="Memory use that is too much (guide: 85)."
    )
    restarts: int = Field(
        3, ge=1, le=100, description="Restarts in five minutes that are too many."
    )


class Uptime(Group):
    """A check from outside, every minute; the first of an account is free."""

    emails: Annotated[tuple[forms.Email, ...], Field(strict=False)] = Field(
        (),
        description="Who is written to: members of the team, with an address that is "
        "verified.",
    )
    slack_channel: Annotated[str, AfterValidator(SLACK_CHANNEL)] | None = Field(
        None,
        description="Slack channel that is posted to, with the secret "
        "SLACK_WEBHOOK_URL.",
    )
    regions: Annotated[tuple[UptimeRegion, ...], Field(strict=False)] = Field(
        ("eu_west", "us_east"), description="Where it asks from."
    )
    latency_ms: int = Field(
        5000,
        ge=1,
        le=60_000,
        description="Milliseconds that an answer may take (guide: slow from 5000).",
    )
    certificate_days: int = Field(
        14,
        ge=1,
        le=90,
        description="Days before the end of a certificate that is not renewed.",
    )


class Logs(Group):
    """Where App Platform forwards the app's logs; by itself it keeps few of them."""

    destination: Literal["papertrail", "logtail", "datadog", "opensearch"] = Field(
        description="Service that takes them; logtail is Better Stack. For all but "
        "papertrail set the secret LOG_TOKEN: its source token, its API key, or "
        "USER:PASSWORD of opensearch."
    )
    endpoint: Annotated[str, AfterValidator(LOG_ENDPOINT)] | None = Field(
        None,
        description="Where it listens: HOST:PORT of papertrail, or the address of "
        "opensearch, or of datadog's intake where it is not the American one.",
    )


class Maintenance(Group):
    """A page in place of the app, for as long as the stack file names this."""

    archive: bool = Field(
        False, description="Take the instances away too, so that they cost nothing."
    )
    offline_page: Annotated[str, AfterValidator(WEB_PAGE)] | None = Field(
        None, description="Page that is shown instead of DigitalOcean's own."
    )


class Network(Group):
    """How the app reaches what it needs."""

    dedicated_egress: bool = Field(
        False,
        description="Leave with addresses that are the app's alone, for those who let "
        "nobody else in. 25 USD a month.",
    )
    vpc_id: Uuid | None = Field(
        None,
        description="Private network for the app and its databases, as in `doctl vpcs "
        "list`. Without it the app reaches them over their public addresses, with "
        "TLS; they let in nobody but the app in either case.",
    )


class Dns(Group):
    """A domain that DigitalOcean's name servers answer for."""

    zone: forms.DomainName = Field(
        description="Domain of the account, as in `doctl compute domain list`, that "
        "`domain.name` is or lies in. Its records are then DigitalOcean's to write."
    )


class Database(Group):
    """The PostgreSQL database."""

    kind: Literal["managed", "dev"] = Field(
        "managed",
        description="A managed cluster, or a development database of the app (about 7 "
        "USD a month, 512 MB, no backups): refused in production.",
    )
    version: Literal["15", "16", "17", "18"] = Field(
        "15",
        description="Major version of PostgreSQL, in quotes; DigitalOcean installs the "
        "minor ones. A later one upgrades in place, and there is no way back.",
    )
    size: Annotated[str, offers.DatabaseSize] = Field(
        "db-s-2vcpu-4gb",
        description="Size of a node, about 60 USD a month each; db-s-1vcpu-2gb: 30, "
        "db-s-1vcpu-1gb: 15. A GiB is 25 connections. It can only grow.",
    )
    nodes: int = Field(
        1,
        ge=1,
        le=3,
        description="Nodes. From two on, a standby takes over when the primary fails; "
        "sizes with 1 GB have room for one.",
    )
    storage_gib: int | None = Field(
        None,
        ge=10,
        le=16_384,
        description="Disk in GiB, in steps of 10, by default what comes with the "
        "size. It can only grow.",
        json_schema_extra={"accepts": "a whole number from 10 to 16384"},
    )
    maintenance_day: Weekday = Field(
        "sunday", description="Day on which DigitalOcean may install updates."
    )
    maintenance_hour: Hour = Field("03:00", description="Hour of that day, in UTC.")
    slow_query_ms: int = Field(
        1000,
        ge=10,
        le=600_000,
        description="Milliseconds from which a statement is logged.",
    )


class Cache(Group):
    """Valkey, for what the app would otherwise ask the database for."""

    size: Annotated[str, offers.CacheSize] = Field(
        "db-s-1vcpu-1gb",
        description="Size of a node, about 15 USD a month each.",
    )
    nodes: int = Field(
        1, ge=1, le=2, description="Nodes. The second takes over from the first."
    )
    eviction: Literal[
        "noeviction", "allkeys_lru", "allkeys_random", "volatile_lru", "volatile_ttl"
    ] = Field(
        "volatile_lru",
        description="What goes when the memory is full: by default the least recently "
        "used of the keys that expire, which all of the app's do.",
    )
    maintenance_day: Weekday = Field(
        "sunday", description="Day on which DigitalOcean may install updates."
    )
    maintenance_hour: Hour = Field("04:00", description="Hour of that day, in UTC.")


class Spaces(Group):
    """A bucket for dumps and files, with a key that opens it alone (5 USD a month)."""

    dump_days: int = Field(
        30, ge=1, le=3650, description="Days that dumps are kept (guide: 30)."
    )
    restore_days: int = Field(
        7,
        ge=1,
        le=3650,
        description="Days that what was deleted or replaced can be brought back.",
    )


class Project(Group):
    """What the console and the bill show together."""

    name: ProjectName | None = Field(
        None, description="Name, unique in the account; by default the stack's."
    )
    description: str = Field(
        "Stromhaltig, made by Pulumi", description="For whoever wonders."
    )


class Registry(Group):
    """The account's container registry, of which it has one."""

    name: RegistryName = Field(
        description="Name, unique among all accounts: images are then "
        "registry.digitalocean.com/NAME/REPOSITORY."
    )
    tier: Literal["starter", "basic", "professional"] = Field(
        "basic",
        description="starter: free, 500 MiB and one repository; basic: 5 USD a month, "
        "5 GiB; professional: 20 USD, 100 GiB.",
    )


class Droplet(Group):
    """A machine that becomes a Docker host, in place of the app."""

    ssh_keys: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        description="Public keys of those who may log in, as in id_ed25519.pub.",
        json_schema_extra={"accepts": "a list, each a public key"},
    )
    ssh_sources: Annotated[tuple[forms.AddressRange, ...], Field(strict=False)] = Field(
        (), description="Ranges that may reach ssh; by default everybody may."
    )
    keys_registered: bool = Field(
        False,
        description="The account has these keys already: it takes each once.",
    )
    admin: str = Field("deploy", description="User that they log in as.")
    ssh_port: int = Field(22, ge=1, le=65535, description="Port of ssh.")
    size: Annotated[str, offers.DropletSize] = Field(
        "s-2vcpu-4gb", description="Size, about 24 USD a month; s-4vcpu-8gb: 48."
    )
    image: Literal["debian-12-x64", "debian-13-x64", "ubuntu-24-04-x64"] = Field(
        "debian-13-x64", description="What is installed before it is prepared."
    )
    volume_gib: int = Field(
        50,
        ge=1,
        le=16_384,
        description="Disk with Docker's data, which outlives the machine. 0.10 USD a "
        "GiB and month. It can only grow.",
    )
    backups: Literal["none", "weekly", "daily"] = Field(
        "weekly",
        description="Images of the machine's own disk, for 20 or 30 % of its price.",
    )
