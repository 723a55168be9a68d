"""Settings of DigitalOcean: what is accepted, what is refused, in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from settings import DigitalOceanSettings, SettingsError, parse
from settings.digitalocean import (
    APP_SIZE,
    CACHE_SIZE,
    DATABASE_SIZE,
    DROPLET_SIZE,
    LOG_TOKEN,
    REGION,
    REGISTRY_LOGIN,
    SLACK_WEBHOOK,
)
from settings.digitalocean.offers import DATACENTERS, SINGLE_NODES, memory_gib

DIGEST = f"ghcr.io/stromdao/stromhaltig@sha256:{'a' * 64}"
TOKEN = {"digitalocean:token": "dop_v1_example"}
SPACES = {
    "digitalocean:spacesAccessId": "DO00EXAMPLE",
    "digitalocean:spacesSecretKey": "the-key-of-spaces",
}
STAGING: dict[str, Any] = {
    "platform": "digitalocean",
    "environment": "staging",
    "image": {"ref": DIGEST},
}
SECRETS = {
    "GEMINI_API_KEY": "gemini",
    "OPENAI_API_KEY": "openai",
    "SENTRY_DSN": "https://key@sentry.example/1",
    "SMTP_PASS": "mail",
}
PRODUCTION: dict[str, Any] = {
    "platform": "digitalocean",
    "image": {"ref": DIGEST},
    "app": {"SMTP_HOST": "smtp.example.org"},
    "secrets": SECRETS,
}
REPOSITORY = {"repository": "stromdao/stromhaltig"}
WEBHOOK = "https://hooks.slack.com/services/T0/B0/x"
SET = "pulumi config set --path"


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (
        *("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"),
        *("SPACES_ACCESS_KEY_ID", "SPACES_SECRET_ACCESS_KEY"),
    ):
        monkeypatch.delenv(variable, raising=False)


def read(
    config: dict[str, Any], provider: dict[str, str] = TOKEN, /, **groups: Any
) -> DigitalOceanSettings:
    values: dict[str, object] = {
        f"stromhaltig:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in (config | groups).items()
        if value is not None
    }
    keys = ("stromhaltig:secrets", *TOKEN, *SPACES)
    settings = parse("do", {**values, **provider}, secret_keys=keys)
    assert isinstance(settings, DigitalOceanSettings)
    return settings


def refusal(config: dict[str, Any], *provider: dict[str, str], **groups: Any) -> Any:
    with pytest.raises(SettingsError) as refused:
        read(config, *provider, **groups)
    return list(refused.value.problems)


def only(config: dict[str, Any], *provider: dict[str, str], **groups: Any) -> str:
    """The one problem there is, without the namespace."""
    (problem,) = refusal(config, *provider, **groups)
    return str(problem).removeprefix("stromhaltig:")


def test_the_least_that_each_environment_needs():
    assert read(PRODUCTION).protect
    assert read(STAGING).domain is None
    assert read(STAGING).datacenter == "fra1"


def test_nothing_of_another_platform_is_accepted():
    assert "load_balancer: no such key" in only(STAGING, load_balancer={})
    assert only(STAGING, domain={"name": "a.de", "zone_id": "Z0123456789"}) == (
        "domain.zone_id: is for AWS. Remove it; for a domain of your account set "
        "dns.zone"
    )


# The token


def test_a_token_is_needed():
    assert only(STAGING, {}) == (
        "digitalocean:token: is missing, and so is the environment variable "
        "DIGITALOCEAN_TOKEN. Make a token at "
        "https://cloud.digitalocean.com/account/api/tokens, and set it: "
        f"{SET} --secret 'digitalocean:token' --stack do"
    )


def test_a_token_of_the_environment_will_do(monkeypatch):
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "dop_v1_example")
    assert read(STAGING, {}).token is None


def test_a_token_in_plain_text_is_refused_and_not_shown():
    with pytest.raises(SettingsError) as refused:
        parse(
            "do",
            {**{f"stromhaltig:{k}": v for k, v in STAGING.items()}, **TOKEN},
            secret_keys=(),
        )
    assert refused.value.problems == (
        "digitalocean:token: is in plain text. Replace it by an encrypted one: "
        f"{SET} --secret 'digitalocean:token' --stack do",
    )


def test_a_token_that_is_no_text_is_refused_and_not_shown():
    assert only(STAGING, {"digitalocean:token": '["dop_v1_example"]'}) == (
        "digitalocean:token: is not text. Set it again: "
        f"{SET} --secret 'digitalocean:token' --stack do"
    )


def test_a_token_is_in_no_text_of_the_settings():
    assert TOKEN["digitalocean:token"] not in repr(read(STAGING))


def test_a_bucket_needs_a_key_of_spaces():
    problems = refusal(STAGING, spaces={})
    assert problems[0] == (
        "digitalocean:spacesAccessId: is missing, and so is the environment variable "
        "SPACES_ACCESS_KEY_ID: buckets are made with a key of Spaces. Make one with "
        "full access at https://cloud.digitalocean.com/spaces/access_keys, and set it: "
        f"{SET} --secret 'digitalocean:spacesAccessId' --stack do"
    )
    assert problems[1].startswith("digitalocean:spacesSecretKey: is missing")
    assert read(STAGING, {**TOKEN, **SPACES}, spaces={}).spaces


# Regions and sizes


def test_every_region_has_a_data_center():
    for region in REGION.choices:
        assert read(STAGING, region=region).datacenter == DATACENTERS[region]


@pytest.mark.parametrize(
    ("region", "nearest"),
    [("fra1", "fra"), ("nyc1", "nyc"), ("eu-central-1", "fra"), ("Amsterdam", "ams")],
)
def test_an_unknown_region_is_refused_with_the_nearest(region, nearest):
    assert only(STAGING, region=region) == (
        f'region: "{region}" is not a region of App Platform. Choose one of ams, blr, '
        f'fra, lon, nyc, sfo, sgp, syd, tor. The nearest is "{nearest}"'
    )


def test_a_region_like_no_other_is_refused_with_all_there_are():
    assert only(STAGING, region="xx").endswith("fra, lon, nyc, sfo, sgp, syd, tor")


@pytest.mark.parametrize(
    ("size", "nearest"),
    [
        ("basic-xxs", "apps-s-1vcpu-0.5gb"),
        ("professional-xs", "apps-s-1vcpu-1gb"),
        ("apps-s-1vcpu-3gb", "apps-s-1vcpu-2gb"),
        ("apps-d-2vcpu-4g", "apps-d-2vcpu-4gb"),
    ],
)
def test_an_unknown_size_is_refused_with_the_nearest(size, nearest):
    problem = only(STAGING, service={"size": size, "instances": 1})
    assert problem.startswith(
        f'service.size: "{size}" is not an instance size of App Platform. Choose one of'
    )
    assert problem.endswith(f'The nearest is "{nearest}"')


def test_unknown_sizes_of_data_are_refused_with_the_nearest():
    assert only(STAGING, database={"size": "basic-xs"}).endswith(
        'The nearest is "db-s-1vcpu-1gb"'
    )
    assert only(STAGING, cache={"size": "db-s-1vcpu-3gb"}).endswith(
        'The nearest is "db-s-1vcpu-2gb"'
    )


def test_sizes_that_are_sold_are_accepted():
    for size in APP_SIZE.choices:
        assert read(STAGING, service={"size": size, "instances": 1})
    for size in DATABASE_SIZE.choices:
        assert memory_gib(size) >= 1
        assert read(STAGING, database={"size": size}, app={"DB_POOL_MAX": "3"})
    for size in CACHE_SIZE.choices:
        assert read(STAGING, cache={"size": size})
    assert len(set(DROPLET_SIZE.choices)) == len(DROPLET_SIZE.choices)


@pytest.mark.parametrize("size", ["apps-s-1vcpu-0.5gb", "apps-s-1vcpu-1gb-fixed"])
def test_sizes_of_one_instance_are_refused_for_more(size):
    assert only(STAGING, service={"size": size}) == (
        "service.instances: 2 is more than 1, and DigitalOcean runs one instance of "
        f"{size} and no more. The nearest size with more is apps-s-1vcpu-1gb"
    )


# What runs


def test_something_has_to_run():
    assert only(STAGING, image={}) == (
        f"image.ref: is missing. Set it: {SET} 'stromhaltig:image.ref' "
        "REPOSITORY@sha256:DIGEST --stack do"
    )


def test_an_image_or_a_repository_but_not_both():
    assert read(STAGING, image={}, github=REPOSITORY).built_from_source
    assert only(STAGING, github=REPOSITORY) == (
        "github: is given, and so is image.ref. Keep one of them: DigitalOcean either "
        "builds a repository or pulls an image"
    )


def test_a_repository_that_is_wrong_does_not_mean_that_an_image_is_missing():
    assert only(STAGING, image={}, github={"repository": "stromhaltig"}) == (
        'github.repository: "stromhaltig" is not a repository like OWNER/NAME'
    )


def test_a_folder_cannot_be_built(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    assert only(STAGING, image={"context": str(tmp_path)}) == (
        f'image.context: "{tmp_path}" cannot be built for App Platform, which pulls '
        "what it runs from a registry. Push the image to ghcr.io or "
        "registry.digitalocean.com and set image.ref, or let DigitalOcean build a "
        "repository: set github.repository"
    )


def test_an_image_is_in_a_registry_that_is_pulled_from():
    ref = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:{'a' * 64}"
    assert only(STAGING, image={"ref": ref}) == (
        f'image.ref: "{ref}" is in no registry that App Platform pulls from. Push it '
        "to ghcr.io/OWNER/NAME, registry.digitalocean.com/REGISTRY/NAME or "
        "docker.io/OWNER/NAME"
    )


def test_production_takes_a_digest():
    ref = "ghcr.io/stromdao/stromhaltig:main"
    assert read(STAGING, image={"ref": ref})
    assert f'image.ref: "{ref}" is a tag' in only(PRODUCTION, image={"ref": ref})


def test_a_login_is_for_an_image_of_somebody_else_s_registry():
    login = {REGISTRY_LOGIN: "user:token"}
    assert read(STAGING, secrets=login)
    ours = f"registry.digitalocean.com/stromdao/stromhaltig@sha256:{'a' * 64}"
    assert only(STAGING, secrets=login, image={"ref": ours}) == (
        f"secrets.{REGISTRY_LOGIN}: is for a private image of ghcr.io or docker.io, "
        "and image.ref is none. Remove it"
    )
    assert "must be USER:TOKEN" in only(STAGING, secrets={REGISTRY_LOGIN: "token"})


def test_a_static_site_is_built_from_a_repository():
    assert read(STAGING, image={}, github=REPOSITORY, client={}).client
    assert only(STAGING, client={}) == (
        "client: is built from a repository, and github is missing: App Platform takes "
        "no image for a static site. Set github instead of image, or remove client: "
        "the image serves it"
    )


# Secrets and values


def test_production_needs_every_secret():
    assert only(PRODUCTION, secrets={}) == (
        "secrets: GEMINI_API_KEY, OPENAI_API_KEY, SENTRY_DSN, SMTP_PASS are missing. "
        f"Set each: {SET} --secret 'stromhaltig:secrets.NAME' --stack do"
    )


def test_everything_is_reported_at_once():
    problems = refusal(
        PRODUCTION,
        {},
        region="mars",
        secrets={},
        github=REPOSITORY,
        cache={"nodes": 2},
        service={"size": "huge"},
    )
    keys = [str(problem).split(": ")[0] for problem in problems]
    assert keys == [
        "stromhaltig:region",
        "stromhaltig:service.size",
        "stromhaltig:secrets",
        "stromhaltig:github",
        "stromhaltig:cache.nodes",
        "digitalocean:token",
    ]


# Scaling


def test_scaling_by_load_is_for_sizes_with_cpus_of_their_own():
    dedicated = {"size": "apps-d-1vcpu-2gb"}
    few = {"minimum": 1, "maximum": 2}
    assert read(STAGING, service=dedicated, autoscaling=few).most_instances == 2
    assert only(STAGING, service={"size": "apps-s-1vcpu-2gb"}, autoscaling=few) == (
        'service.size: "apps-s-1vcpu-2gb" has shared CPUs, and App Platform scales by '
        'load only what has CPUs of its own. The nearest is "apps-d-1vcpu-2gb"; or '
        "remove autoscaling"
    )


def test_scaling_has_a_range_and_nothing_fixed_beside_it():
    service = {"size": "apps-d-1vcpu-2gb"}
    assert only(STAGING, service=service, autoscaling={"minimum": 2, "maximum": 2}) == (
        "autoscaling.minimum: 2 is not less than autoscaling.maximum, 2. Lower it, or "
        "raise the other"
    )
    both = {**service, "instances": 2}
    assert only(STAGING, service=both, autoscaling={"minimum": 1, "maximum": 2}) == (
        "service.instances: is fixed, and autoscaling decides on it. Remove one of them"
    )


# Domain


def test_a_domain_lies_in_the_zone_of_the_account():
    domain = {"name": "app.stromhaltig.de", "www": False}
    assert read(STAGING, domain=domain, dns={"zone": "stromhaltig.de"})
    assert only(STAGING, domain=domain, dns={"zone": "haltig.de"}) == (
        'dns.zone: "app.stromhaltig.de" does not lie in "haltig.de". Set it to the '
        "part of domain.name that the account manages"
    )
    assert only(STAGING, dns={"zone": "stromhaltig.de"}) == (
        f"dns: is for a domain, and there is none. Set it: {SET} "
        "'stromhaltig:domain.name' stromhaltig.de --stack do"
    )


# Data


@pytest.mark.parametrize("size", sorted(SINGLE_NODES))
def test_the_smallest_databases_have_room_for_one_node(size):
    small = {"size": size, "nodes": 2}
    assert only(STAGING, database=small, app={"DB_POOL_MAX": "3"}) == (
        f"database.nodes: 2 is more than 1, and {size} has too little memory for a "
        'standby. The nearest size with one is "db-s-1vcpu-2gb"'
    )


def test_no_plan_has_more_than_three_nodes():
    assert only(STAGING, database={"nodes": 4}) == (
        "database.nodes: 4 is not a whole number from 1 to 3"
    )
    assert read(STAGING, database={"nodes": 3}).database.nodes == 3


def test_the_smallest_cache_has_room_for_one_node():
    assert only(STAGING, cache={"nodes": 2}).startswith(
        "cache.nodes: 2 is more than 1, and db-s-1vcpu-1gb has too little memory"
    )
    assert read(STAGING, cache={"size": "db-s-1vcpu-2gb", "nodes": 2})


def test_storage_comes_in_steps_of_ten():
    assert only(STAGING, database={"storage_gib": 64}) == (
        "database.storage_gib: 64 is not a multiple of 10. The nearest is 60"
    )
    assert read(STAGING, database={"storage_gib": 60})


def test_a_development_database_is_for_staging_and_has_nothing_to_set():
    assert read(STAGING, database={"kind": "dev"})
    assert only(STAGING, database={"kind": "dev", "nodes": 2}) == (
        "database.nodes: is for a managed database, and database.kind is dev. Remove it"
    )
    assert only(PRODUCTION, database={"kind": "dev"}) == (
        "database.kind: dev is refused in production: it has 512 MB, no backups and no "
        f"standby. Use managed: {SET} 'stromhaltig:database.kind' managed --stack do"
    )


def test_a_release_may_open_twice_the_connections():
    assert only(STAGING, database={"size": "db-s-1vcpu-2gb"}) == (
        "database.size: db-s-1vcpu-2gb takes 47 connections, less than 90: while a "
        "release replaces another, 2 x 2 instances may open 20 each (app.DB_POOL_MAX), "
        "and 10 are for the migration and people. Lower app.DB_POOL_MAX to 9, or take "
        "a size with more memory"
    )
    assert read(STAGING, database={"size": "db-s-1vcpu-2gb"}, app={"DB_POOL_MAX": "9"})


# Alerts and logs


def test_a_check_from_outside_tells_somebody():
    assert only(STAGING, uptime={}) == (
        f"uptime: would tell nobody. Set who is written to: {SET} "
        "'stromhaltig:uptime.emails[0]' YOU@EXAMPLE.ORG --stack do"
    )
    assert read(STAGING, uptime={"emails": ["ops@example.org"]})


def test_slack_needs_channel_and_webhook():
    channel = {"slack_channel": "#alerts"}
    assert only(STAGING, uptime=channel) == (
        f"secrets.{SLACK_WEBHOOK}: is missing for uptime.slack_channel. Set it: {SET} "
        f"--secret 'stromhaltig:secrets.{SLACK_WEBHOOK}' --stack do"
    )
    assert only(STAGING, secrets={SLACK_WEBHOOK: WEBHOOK}) == (
        f"secrets.{SLACK_WEBHOOK}: is for uptime.slack_channel, which is missing. Set "
        "that too"
    )
    assert read(STAGING, uptime=channel, secrets={SLACK_WEBHOOK: WEBHOOK})


@pytest.mark.parametrize(
    ("logs", "token", "problem"),
    [
        (
            {"destination": "logtail"},
            None,
            f"secrets.{LOG_TOKEN}: is missing for logs to logtail. Set it: {SET} "
            f"--secret 'stromhaltig:secrets.{LOG_TOKEN}' --stack do",
        ),
        (
            {"destination": "logtail", "endpoint": "https://in.logs.example.org"},
            "token",
            "logs.endpoint: is not for logtail: its token says it. Remove it",
        ),
        (
            {"destination": "papertrail"},
            None,
            f"logs.endpoint: is missing for papertrail. Set it: {SET} "
            "'stromhaltig:logs.endpoint' HOST:PORT --stack do",
        ),
        (
            {"destination": "papertrail", "endpoint": "logs.example.org:1234"},
            "token",
            f"secrets.{LOG_TOKEN}: is for other destinations than papertrail. Remove "
            "it",
        ),
        (
            {"destination": "papertrail", "endpoint": "https://logs.example.org"},
            None,
            'logs.endpoint: "https://logs.example.org" is not where papertrail '
            "listens. Write it like HOST:PORT",
        ),
        (
            {"destination": "opensearch", "endpoint": "https://logs.example.org:25060"},
            "token",
            f"secrets.{LOG_TOKEN}: must be USER:PASSWORD for logs to opensearch",
        ),
        (
            None,
            "token",
            f"secrets.{LOG_TOKEN}: is for logs, which are not forwarded. Set those, or "
            "remove it",
        ),
    ],
)
def test_logs_get_where_they_are_sent(logs, token, problem):
    secrets = {LOG_TOKEN: token} if token else {}
    assert only(STAGING, logs=logs, secrets=secrets) == problem


@pytest.mark.parametrize(
    ("logs", "token"),
    [
        ({"destination": "logtail"}, "token"),
        ({"destination": "datadog"}, "key"),
        ({"destination": "papertrail", "endpoint": "logs.example.org:1234"}, None),
        (
            {"destination": "opensearch", "endpoint": "https://logs.example.org:25060"},
            "user:password",
        ),
    ],
)
def test_logs_are_forwarded_to_each_of_the_four(logs, token):
    assert read(STAGING, logs=logs, secrets={LOG_TOKEN: token} if token else {}).logs


# A droplet

KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA "
    "ops"
)
MACHINE: dict[str, Any] = {"platform": "digitalocean", "droplet": {"ssh_keys": [KEY]}}


def test_a_machine_asks_for_nothing_of_an_app():
    settings = read(MACHINE)

    assert not settings.has_app
    assert settings.protect


def test_what_is_an_app_s_is_refused_beside_a_machine():
    problems = refusal(
        MACHINE,
        image={"ref": DIGEST},
        cache={},
        network={"dedicated_egress": True},
    )
    assert [str(problem) for problem in problems] == [
        *(
            f"stromhaltig:{key}: is of an app, and with droplet the stack makes none. "
            "Remove it here: the stack on the droplet, of platform docker, has its own"
            for key in ("image", "cache")
        ),
        "stromhaltig:network.dedicated_egress: is of an app, and a droplet has an "
        "address of its own. Remove it",
    ]


def test_a_machine_that_nobody_could_enter_is_refused():
    assert "droplet.ssh_keys: is missing" in only(MACHINE, droplet={})
    assert only(MACHINE, droplet={"ssh_keys": []}).startswith(
        "droplet.ssh_keys: there is none, and nobody could log in"
    )
    (problem,) = refusal(MACHINE, droplet={"ssh_keys": [KEY], "ssh_port": 443})
    assert problem == "stromhaltig:droplet.ssh_port: 443 is the web's. Choose another"


def test_an_unknown_size_of_a_machine_is_refused_with_the_nearest():
    problem = only(MACHINE, droplet={"ssh_keys": [KEY], "size": "s-2vcpu-3gb"})
    assert problem.endswith('The nearest is "s-2vcpu-4gb"')
