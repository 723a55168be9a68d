"""Rules of DigitalOcean: what it would refuse much later, or never."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from contract import matching
from host.cloud_init import HostArgs
from settings.digitalocean import offers
from settings.digitalocean.groups import Database
from settings.digitalocean.model import (
    LOG_TOKEN,
    REGISTRY_LOGIN,
    SLACK_WEBHOOK,
    SPACES_KEYS,
    TOKEN_KEY,
    DigitalOceanSettings,
)
from settings.model import CHECKS as COMMON_CHECKS
from settings.model import Check, Problem

TOKENS: Final = ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")
"""Environment variables in which the provider looks for the API's token."""

SPACES_VARIABLES: Final = ("SPACES_ACCESS_KEY_ID", "SPACES_SECRET_ACCESS_KEY")
"""Those in which it looks for what `SPACES_KEYS` hold."""

DOCR: Final = "registry.digitalocean.com"
"""DigitalOcean's own registry of images."""

_LOG_ENDPOINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "papertrail": "HOST:PORT",
        "logtail": "",
        "datadog": "https://http-intake.logs.datadoghq.eu",
        "opensearch": "https://HOST:PORT",
    }
)
"""How the address of a log service is written; empty where it has none."""

_PER_GIB: Final = 25
_RESERVED: Final = 3
_OTHER_CONNECTIONS: Final = 10
"""Connections of a cluster for each GiB, those of them that DigitalOcean keeps, and
those for people and the migration (docs.digitalocean.com: PostgreSQL limits)."""

_PULLED = matching(
    "an image that DigitalOcean pulls",
    r"(ghcr\.io|docker\.io|registry\.digitalocean\.com)(/[a-z0-9._-]+){2}[:@].+",
)
_BESIDE_A_DROPLET: Final = frozenset(
    {
        *("stack", "environment", "platform", "decommission", "droplet"),
        *("region", "network", "project", "token"),
    }
)
"""Fields that a stack with a droplet has too."""


def _the_token_is_given(settings: DigitalOceanSettings) -> Iterator[Problem]:
    if settings.token is None and not any(os.environ.get(name) for name in TOKENS):
        command = settings.command(TOKEN_KEY, secret=True)
        yield (
            TOKEN_KEY,
            f"is missing, and so is the environment variable {TOKENS[0]}. Make a token "
            "at https://cloud.digitalocean.com/account/api/tokens, and set it: "
            f"{command}",
        )


def _there_is_one_source(settings: DigitalOceanSettings) -> Iterator[Problem]:
    image = settings.image
    if settings.github and image.ref:
        yield (
            "github",
            "is given, and so is image.ref. Keep one of them: DigitalOcean either "
            "builds a repository or pulls an image",
        )
    if image.context:
        yield (
            "image.context",
            f'"{image.context}" cannot be built for App Platform, which pulls what it '
            "runs from a registry. Push the image to ghcr.io or "
            f"{DOCR} and set image.ref, or let DigitalOcean build a repository: set "
            "github.repository",
        )


def _the_image_can_be_pulled(settings: DigitalOceanSettings) -> Iterator[Problem]:
    ref = settings.image.ref
    if ref and not _PULLED.accepts(ref):
        yield (
            "image.ref",
            f'"{ref}" is in no registry that App Platform pulls from. Push it to '
            f"ghcr.io/OWNER/NAME, {DOCR}/REGISTRY/NAME or docker.io/OWNER/NAME",
        )
    if settings.secret(REGISTRY_LOGIN) and (not ref or ref.startswith(DOCR)):
        yield (
            f"secrets.{REGISTRY_LOGIN}",
            "is for a private image of ghcr.io or docker.io, and image.ref is none. "
            "Remove it",
        )


def _the_client_has_a_repository(settings: DigitalOceanSettings) -> Iterator[Problem]:
    if settings.client and not settings.github:
        yield (
            "client",
            "is built from a repository, and github is missing: App Platform takes no "
            "image for a static site. Set github instead of image, or remove client: "
            "the image serves it",
        )


def _the_size_allows_the_instances(settings: DigitalOceanSettings) -> Iterator[Problem]:
    size, count = settings.service.size, settings.service.instances
    if settings.autoscaling is None and count > 1 and size in offers.SINGLE_SIZES:
        yield (
            "service.instances",
            f"{count} is more than 1, and DigitalOcean runs one instance of {size} and "
            "no more. The nearest size with more is apps-s-1vcpu-1gb",
        )


def _a_size_that_scales(settings: DigitalOceanSettings) -> Iterator[Problem]:
    scaling, size = settings.autoscaling, settings.service.size
    if scaling is None:
        return
    if not size.startswith(offers.DEDICATED):
        larger = size.replace("apps-s-", offers.DEDICATED).replace("-fixed", "")
        yield (
            "service.size",
            f'"{size}" has shared CPUs, and App Platform scales by load only what has '
            f'CPUs of its own. The nearest is "{larger}"; or remove autoscaling',
        )
    if scaling.minimum >= scaling.maximum:
        yield (
            "autoscaling.minimum",
            f"{scaling.minimum} is not less than autoscaling.maximum, "
            f"{scaling.maximum}. Lower it, or raise the other",
        )
    if "instances" in settings.service.model_fields_set:
        yield (
            "service.instances",
            "is fixed, and autoscaling decides on it. Remove one of them",
        )


def _the_domain_is_in_its_zone(settings: DigitalOceanSettings) -> Iterator[Problem]:
    domain, dns = settings.domain, settings.dns
    if domain and domain.zone_id:
        yield (
            "domain.zone_id",
            "is for AWS. Remove it; for a domain of your account set dns.zone",
        )
    if dns and not domain:
        command = settings.command("domain.name", dns.zone)
        yield "dns", f"is for a domain, and there is none. Set it: {command}"
    if dns and domain and not f".{domain.name}".endswith(f".{dns.zone}"):
        yield (
            "dns.zone",
            f'"{domain.name}" does not lie in "{dns.zone}". Set it to the part of '
            "domain.name that the account manages",
        )


def _the_plan_allows_the_nodes(settings: DigitalOceanSettings) -> Iterator[Problem]:
    for path, wanted, larger in (
        ("database", settings.database, "db-s-1vcpu-2gb"),
        ("cache", settings.cache, "db-s-1vcpu-2gb"),
    ):
        if wanted and wanted.nodes > 1 and wanted.size in offers.SINGLE_NODES:
            yield (
                f"{path}.nodes",
                f"{wanted.nodes} is more than 1, and {wanted.size} has too little "
                f'memory for a standby. The nearest size with one is "{larger}"',
            )


def _storage_comes_in_steps(settings: DigitalOceanSettings) -> Iterator[Problem]:
    storage = settings.database.storage_gib
    if storage and storage % 10:
        nearest = max(round(storage / 10) * 10, 10)
        yield (
            "database.storage_gib",
            f"{storage} is not a multiple of 10. The nearest is {nearest}",
        )


def _a_dev_database_has_no_settings(
    settings: DigitalOceanSettings,
) -> Iterator[Problem]:
    if settings.database.kind != "dev":
        return
    if settings.production:
        yield (
            "database.kind",
            "dev is refused in production: it has 512 MB, no backups and no standby. "
            f"Use managed: {settings.command('database.kind', 'managed')}",
        )
    for key, value in settings.database:
        if key != "kind" and value != Database.model_fields[key].default:
            yield (
                f"database.{key}",
                "is for a managed database, and database.kind is dev. Remove it",
            )


def _the_database_takes_every_connection(
    settings: DigitalOceanSettings,
) -> Iterator[Problem]:
    database, instances = settings.database, settings.most_instances
    if database.kind != "managed":
        return
    pool = int(settings.app_value("DB_POOL_MAX"))
    needed = 2 * instances * pool + _OTHER_CONNECTIONS
    taken = offers.memory_gib(database.size) * _PER_GIB - _RESERVED
    if needed > taken:
        fitting = (taken - _OTHER_CONNECTIONS) // (2 * instances)
        remedy = f"Lower app.DB_POOL_MAX to {fitting}" if fitting > 0 else "Lower it"
        yield (
            "database.size",
            f"{database.size} takes {taken} connections, less than {needed}: while a "
            f"release replaces another, 2 x {instances} instances may open {pool} each "
            f"(app.DB_POOL_MAX), and {_OTHER_CONNECTIONS} are for the migration and "
            f"people. {remedy}, or take a size with more memory",
        )


def _somebody_is_told_of_an_outage(settings: DigitalOceanSettings) -> Iterator[Problem]:
    uptime, webhook = settings.uptime, settings.secret(SLACK_WEBHOOK)
    path = f"secrets.{SLACK_WEBHOOK}"
    if webhook and not (uptime and uptime.slack_channel):
        yield path, "is for uptime.slack_channel, which is missing. Set that too"
    if uptime is None:
        return
    if uptime.slack_channel and not webhook:
        command = settings.command(path, secret=True)
        yield path, f"is missing for uptime.slack_channel. Set it: {command}"
    if not uptime.emails and not uptime.slack_channel:
        command = settings.command("uptime.emails[0]", "YOU@EXAMPLE.ORG")
        yield "uptime", f"would tell nobody. Set who is written to: {command}"


def _logs_get_there(settings: DigitalOceanSettings) -> Iterator[Problem]:
    logs, token = settings.logs, settings.secret(LOG_TOKEN)
    path = f"secrets.{LOG_TOKEN}"
    if logs is None:
        if token:
            yield path, "is for logs, which are not forwarded. Set those, or remove it"
        return
    service = logs.destination
    if service == "papertrail" and token:
        yield path, "is for other destinations than papertrail. Remove it"
    if service != "papertrail" and not token:
        command = settings.command(path, secret=True)
        yield path, f"is missing for logs to {service}. Set it: {command}"
    if service == "opensearch" and token and ":" not in token:
        yield path, "must be USER:PASSWORD for logs to opensearch"
    form = _LOG_ENDPOINTS[service]
    if not logs.endpoint:
        if service in ("papertrail", "opensearch"):
            command = settings.command("logs.endpoint", form)
            yield "logs.endpoint", f"is missing for {service}. Set it: {command}"
    elif not form:
        yield "logs.endpoint", f"is not for {service}: its token says it. Remove it"
    elif logs.endpoint.startswith("https://") != form.startswith("https://"):
        yield (
            "logs.endpoint",
            f'"{logs.endpoint}" is not where {service} listens. Write it like {form}',
        )


def _a_bucket_can_be_made(settings: DigitalOceanSettings) -> Iterator[Problem]:
    if settings.spaces is None:
        return
    given = (settings.spaces_access_id, settings.spaces_secret_key)
    for key, variable, value in zip(SPACES_KEYS, SPACES_VARIABLES, given, strict=True):
        if value is None and not os.environ.get(variable):
            yield (
                key,
                f"is missing, and so is the environment variable {variable}: buckets "
                "are made with a key of Spaces. Make one with full access at "
                "https://cloud.digitalocean.com/spaces/access_keys, and set it: "
                f"{settings.command(key, secret=True)}",
            )


def _a_droplet_is_all_there_is(settings: DigitalOceanSettings) -> Iterator[Problem]:
    """The stack on it has the rest: the app would otherwise be deployed twice."""
    if settings.has_app:
        return
    for key, field in DigitalOceanSettings.model_fields.items():
        # What every platform has is declared in Pulumi.yaml, and so always given.
        if key not in _BESIDE_A_DROPLET and getattr(settings, key) != field.default:
            yield (
                key,
                "is of an app, and with droplet the stack makes none. Remove it here: "
                "the stack on the droplet, of platform docker, has its own",
            )
    if settings.network.dedicated_egress:
        yield (
            "network.dedicated_egress",
            "is of an app, and a droplet has an address of its own. Remove it",
        )


def _the_droplet_can_be_prepared(settings: DigitalOceanSettings) -> Iterator[Problem]:
    wanted = settings.droplet
    if wanted is None:
        return
    try:
        HostArgs(
            ssh_keys=wanted.ssh_keys,
            admin=wanted.admin,
            ssh_port=wanted.ssh_port,
            ssh_sources=wanted.ssh_sources,
        )
    except ValueError as problems:
        for problem in str(problems).splitlines():
            key, _, text = problem.partition(": ")
            yield f"droplet.{key}", text


def _of_an_app(check: Check) -> Check:
    """Return the rule, silent where the stack makes a machine and no app."""

    def find(settings: DigitalOceanSettings) -> Iterator[Problem]:
        if settings.has_app:
            yield from check.find(settings)

    # A repository or machine that is wrong does not mean that an image is missing.
    return replace(check, find=find, needs=(*check.needs, "droplet"))


def _with_its_source(check: Check) -> Check:
    needs_one = "image" in check.needs
    return replace(check, needs=(*check.needs, "github")) if needs_one else check


CHECKS: Final = (
    *(
        _of_an_app(check)
        for check in (
            *map(_with_its_source, COMMON_CHECKS),
            Check(_there_is_one_source, ("image", "github")),
            Check(_the_image_can_be_pulled, ("image.ref", "secrets")),
            Check(_the_client_has_a_repository, ("github", "client")),
            Check(
                _the_size_allows_the_instances,
                ("service.size", "service.instances", "autoscaling"),
            ),
            Check(_a_size_that_scales, ("service", "autoscaling")),
            Check(_the_domain_is_in_its_zone, ("domain", "dns")),
            Check(
                _the_plan_allows_the_nodes,
                ("database.size", "database.nodes", "cache"),
            ),
            Check(_storage_comes_in_steps, ("database.storage_gib",)),
            Check(_a_dev_database_has_no_settings, ("environment", "database")),
            Check(
                _the_database_takes_every_connection,
                ("app", "database", "service.instances", "autoscaling"),
            ),
            Check(
                _somebody_is_told_of_an_outage, ("uptime", f"secrets.{SLACK_WEBHOOK}")
            ),
            Check(_logs_get_there, ("logs", f"secrets.{LOG_TOKEN}")),
            Check(_a_bucket_can_be_made, ("spaces", *SPACES_KEYS)),
        )
    ),
    Check(_the_token_is_given, (TOKEN_KEY,)),
    Check(_a_droplet_is_all_there_is),
    Check(_the_droplet_can_be_prepared, ("droplet",)),
)
"""Rules of DigitalOcean, the common ones included."""
