"""Settings of Railway: what is accepted, what is refused, in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from settings import RailwaySettings, SettingsError, parse
from settings.railway import REGIONS, REGISTRY_LOGIN, TOKEN, TOKEN_VARIABLES

DIGEST = f"ghcr.io/stromdao/stromhaltig@sha256:{'a' * 64}"
REPOSITORY = "stromdao/stromhaltig"
STAGING: dict[str, Any] = {
    "platform": "railway",
    "environment": "staging",
    "image": {"ref": DIGEST},
    "secrets": {TOKEN: "token"},
}
PRODUCTION: dict[str, Any] = {
    "platform": "railway",
    "image": {"ref": DIGEST},
    "app": {"SMTP_HOST": "smtp.example.org"},
    "secrets": {
        "GEMINI_API_KEY": "gemini",
        "OPENAI_API_KEY": "openai",
        "SENTRY_DSN": "https://key@sentry.example/1",
        "SMTP_PASS": "mail",
        TOKEN: "token",
    },
}


@pytest.fixture(autouse=True)
def nobodys_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TOKEN_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def read(config: dict[str, Any], **groups: Any) -> RailwaySettings:
    values = {
        f"stromhaltig:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in (config | groups).items()
        if value is not None
    }
    settings = parse("railway", values, secret_keys=("stromhaltig:secrets",))
    assert isinstance(settings, RailwaySettings)
    return settings


def refusal(config: dict[str, Any], **groups: Any) -> list[str]:
    """Every problem, without the namespace."""
    with pytest.raises(SettingsError) as refused:
        read(config, **groups)
    return [p.removeprefix("stromhaltig:") for p in refused.value.problems]


def only(config: dict[str, Any], **groups: Any) -> str:
    (problem,) = refusal(config, **groups)
    return problem


def test_the_least_that_each_environment_needs():
    settings = read(PRODUCTION)

    assert settings.protect
    assert settings.domain is None, "Railway serves HTTPS at a domain of its own"
    assert settings.project_name == "stromhaltig-railway"
    assert (settings.cache, settings.uploads) == (None, False)
    assert read(STAGING).service.region == "europe-west4-drams3a"


def test_a_repository_takes_the_place_of_an_image():
    github = {"repository": REPOSITORY, "branch": "release", "source_dir": "app"}
    settings = read(PRODUCTION, image=None, github=github)

    assert settings.built_from_source
    assert settings.github is not None
    assert settings.github.branch == "release"
    assert settings.github.dockerfile == "Dockerfile"


def test_everything_at_once():
    """As little as a person can get right."""
    assert refusal(
        STAGING,
        github={"repository": REPOSITORY},
        service={"region": "eu-central-1", "replicas": 0, "sleep": "yes"},
        project={"name": "x/y", "workspace": "mine", "plan": "team"},
        secrets={},
        uploads=1,
    ) == [
        'project.name: "x/y" is not a name of letters, digits, spaces, dots, _ and -, '
        "up to 50",
        'project.workspace: "mine" is not an id like '
        "0a1b2c3d-0000-0000-0000-000000000000",
        'project.plan: "team" is not one of hobby, pro, enterprise',
        'service.region: "eu-central-1" is not a region of Railway: '
        "europe-west4-drams3a, us-east4-eqdc4a, us-west2, asia-southeast1-eqsg3a. The "
        "nearest is europe-west4-drams3a",
        "service.replicas: 0 is not a whole number from 1 to 50",
        'service.sleep: "yes" is not true or false',
        "uploads: 1 is not true or false",
        "github: is given, and so is image.ref. Keep one of them: Railway either "
        "builds a repository or pulls an image",
        f"secrets.{TOKEN}: is missing, and so is the environment variable "
        "RAILWAY_API_TOKEN. Make a token of your account or workspace at "
        "https://railway.com/account/tokens, and set it: pulumi config set --path "
        f"--secret 'stromhaltig:secrets.{TOKEN}' --stack railway",
    ]


class TestToken:
    def test_it_comes_from_the_stack_file(self):
        assert read(STAGING).secrets[TOKEN].get_secret_value() == "token"

    @pytest.mark.parametrize("name", TOKEN_VARIABLES)
    def test_or_from_the_environment(self, monkeypatch, name):
        monkeypatch.setenv(name, "mine")

        assert TOKEN not in read(STAGING, secrets={}).secrets

    def test_an_empty_variable_is_none(self, monkeypatch):
        monkeypatch.setenv(TOKEN, "")

        assert only(STAGING, secrets={}).startswith(f"secrets.{TOKEN}: is missing")

    def test_one_with_spaces_is_refused_and_not_shown(self):
        problem = only(STAGING, secrets={TOKEN: "my token"})

        assert problem == (
            f"secrets.{TOKEN}: must be text without spaces. Set it again: pulumi "
            f"config set --path --secret 'stromhaltig:secrets.{TOKEN}' --stack railway"
        )

    def test_one_in_plain_text_is_refused(self):
        values = {f"stromhaltig:{k}": json.dumps(v) for k, v in STAGING.items()}
        values["stromhaltig:platform"] = "railway"
        with pytest.raises(SettingsError) as refused:
            parse("railway", values, secret_keys=())

        assert refused.value.problems == (
            f"stromhaltig:secrets.{TOKEN}: is in plain text. Replace it by an "
            "encrypted one: pulumi config set --path --secret "
            f"'stromhaltig:secrets.{TOKEN}' --stack railway",
        )

    def test_it_is_none_of_the_apps_secrets(self):
        assert TOKEN not in read(PRODUCTION).app_secrets()


class TestSource:
    def test_one_of_them_is_needed(self):
        assert only(STAGING, image=None) == (
            "image.ref: is missing. Set it: pulumi config set --path "
            "'stromhaltig:image.ref' REPOSITORY@sha256:DIGEST --stack railway"
        )

    def test_a_context_and_a_repository_are_too_much(self, tmp_path: Path):
        (tmp_path / "Dockerfile").touch()
        image = {"context": str(tmp_path), "repository": "ghcr.io/stromdao/app"}

        assert only(STAGING, image=image, github={"repository": REPOSITORY}) == (
            "github: is given, and so is image.context. Keep one of them: Railway "
            "either builds a repository or pulls an image"
        )

    def test_what_is_built_here_goes_through_a_registry(self, tmp_path: Path):
        (tmp_path / "Dockerfile").touch()
        context = {"context": str(tmp_path)}

        assert only(STAGING, image=context) == (
            "image.repository: is missing: what is built here reaches Railway through "
            "a registry. Set it: pulumi config set --path "
            "'stromhaltig:image.repository' REGISTRY/OWNER/NAME --stack railway"
        )
        assert read(STAGING, image={**context, "repository": "ghcr.io/stromdao/app"})

    def test_production_does_without_tags(self):
        problem = only(PRODUCTION, image={"ref": "ghcr.io/stromdao/stromhaltig:1.0"})

        assert problem.startswith('image.ref: "ghcr.io/stromdao/stromhaltig:1.0" is a')

    @pytest.mark.parametrize(
        ("github", "problem"),
        [
            (
                {"repository": "https://github.com/stromdao/stromhaltig"},
                'github.repository: "https://github.com/stromdao/stromhaltig" is not a '
                "repository like OWNER/NAME",
            ),
            (
                {"repository": REPOSITORY, "branch": "a b"},
                'github.branch: "a b" is not a branch like main',
            ),
            (
                {"repository": REPOSITORY, "source_dir": "../other"},
                'github.source_dir: "../other" is not a path inside the repository, '
                "without .. and a leading /",
            ),
            (
                {"repository": REPOSITORY, "dockerfile": "/Dockerfile"},
                'github.dockerfile: "/Dockerfile" is not a path inside the repository, '
                "without .. and a leading /",
            ),
        ],
    )
    def test_what_names_no_repository_is_refused(self, github, problem):
        assert only(STAGING, image=None, github=github) == problem


class TestRegion:
    @pytest.mark.parametrize("region", REGIONS)
    def test_railways_are_accepted(self, region):
        assert read(STAGING, service={"region": region}).service.region == region

    @pytest.mark.parametrize(
        ("region", "nearest"),
        [
            ("europe-west4", '. Did you mean "europe-west4-drams3a"?'),
            ("us-west1", '. Did you mean "us-west2"?'),
            ("us-east4", '. Did you mean "us-east4-eqdc4a"?'),
            ("eu-central-1", ". The nearest is europe-west4-drams3a"),
            ("asia-southeast1", '. Did you mean "asia-southeast1-eqsg3a"?'),
            ("ap-1", ". The nearest is asia-southeast1-eqsg3a"),
            ("mars", ""),
        ],
    )
    def test_another_is_refused_with_the_nearest(self, region, nearest):
        assert only(STAGING, service={"region": region}) == (
            f'service.region: "{region}" is not a region of Railway: '
            f"{', '.join(REGIONS)}{nearest}"
        )


@pytest.mark.parametrize("url", ["http://railway.example.org/graphql", "backboard"])
def test_a_token_is_sent_nowhere_in_clear(url):
    assert only(STAGING, project={"api_url": url}) == (
        f'project.api_url: "{url}" is not an address like '
        "https://backboard.railway.com/graphql/v2, or one of this machine over http"
    )


def test_the_api_may_be_on_this_machine():
    assert read(STAGING, project={"api_url": "http://127.0.0.1:8080/graphql/v2"})


class TestLimits:
    def test_a_volume_has_one_replica(self):
        service = {"replicas": 2}

        assert only(STAGING, uploads=True, service=service) == (
            "service.replicas: 2 is more than 1, and Railway gives a service with a "
            "volume one replica only. Set it to 1, or remove uploads"
        )
        assert read(STAGING, service=service)

    @pytest.mark.parametrize(
        ("plan", "replicas", "most"), [("hobby", 7, 6), ("pro", 43, 42)]
    )
    def test_the_plan_allows_so_many_replicas(self, plan, replicas, most):
        app = {"DB_POOL_MIN": "1", "DB_POOL_MAX": "1"}
        config = {**STAGING, "project": {"plan": plan}, "app": app}

        assert only(config, service={"replicas": replicas}) == (
            f"service.replicas: {replicas} is more than the {most} that plan {plan} "
            "allows. Lower it, or set project.plan to what the workspace has"
        )
        assert read(config, service={"replicas": most})

    def test_hobby_sends_no_mail(self):
        assert only(PRODUCTION, project={"plan": "hobby"}) == (
            'app.SMTP_HOST: "smtp.example.org" is not reached: Railway lets no SMTP '
            "out on plan hobby. Upgrade the workspace and set project.plan to pro, or "
            "remove it"
        )

    def test_hobby_takes_no_login_of_a_registry(self):
        secrets = {**STAGING["secrets"], REGISTRY_LOGIN: "user:the:token"}

        assert read(STAGING, secrets=secrets).registry_login == ("user", "the:token")
        assert read(STAGING).registry_login is None
        assert only(STAGING, secrets=secrets, project={"plan": "hobby"}) == (
            f"secrets.{REGISTRY_LOGIN}: is of no use: plan hobby takes public images "
            "only. Upgrade the workspace and set project.plan to pro, or remove it"
        )
        assert only(
            STAGING, secrets=secrets, image=None, github={"repository": REPOSITORY}
        ) == (
            f"secrets.{REGISTRY_LOGIN}: is for an image, and github is built. Remove it"
        )

    def test_the_database_takes_every_connection(self):
        assert read(STAGING, service={"replicas": 2})
        assert only(STAGING, service={"replicas": 3}) == (
            "app.DB_POOL_MAX: 20 is too many: while a release replaces another, 2 x 3 "
            "replicas may open 20 each, and 10 are for people, 130 of PostgreSQL's "
            "100. Lower it, or service.replicas"
        )

    def test_with_a_volume_two_versions_never_run_at_once(self):
        assert read(STAGING, uploads=True, app={"DB_POOL_MAX": "90"})

    def test_a_wrong_value_of_the_app_is_told_once(self):
        assert only(STAGING, app={"DB_POOL_MAX": "many"}) == (
            'app.DB_POOL_MAX: "many" is not a whole number from 1 to 500'
        )


class TestSleep:
    def test_an_app_without_connections_may_sleep(self):
        assert read(STAGING, service={"sleep": True}, app={"DB_POOL_MIN": "0"})

    def test_one_with_connections_never_would(self):
        assert only(STAGING, service={"sleep": True}) == (
            "service.sleep: true has no effect while app.DB_POOL_MIN is 2: an app with "
            "open connections never sleeps. Set it: pulumi config set --path "
            "'stromhaltig:app.DB_POOL_MIN' 0 --stack railway"
        )

    def test_production_stays_awake(self):
        app = {**PRODUCTION["app"], "DB_POOL_MIN": "0"}

        assert only(PRODUCTION, service={"sleep": True}, app=app) == (
            "service.sleep: true is refused in production: whoever comes first would "
            "wait for the app to start. Remove it"
        )


class TestRest:
    def test_nothing_of_another_platform_is_accepted(self):
        assert only(STAGING, network={"nat": "none"}).startswith("network: no such key")
        assert only(STAGING, domain={"name": "a.de", "zone_id": "Z0123456789"}) == (
            "domain.zone_id: is for AWS. Remove it, and set the records of output "
            "dns_records yourself"
        )

    def test_missing_secrets_of_production_are_named_together(self):
        assert only(PRODUCTION, secrets={TOKEN: "token"}) == (
            "secrets: GEMINI_API_KEY, OPENAI_API_KEY, SENTRY_DSN, SMTP_PASS are "
            "missing. Set each: pulumi config set --path --secret "
            "'stromhaltig:secrets.NAME' --stack railway"
        )

    @pytest.mark.parametrize(
        ("group", "image", "wanted"),
        [
            ("database", "ghcr.io/railwayapp-templates/postgres-ssl:17", "PostgreSQL"),
            ("cache", "redis:8-bookworm", "Redis 7"),
        ],
    )
    def test_other_versions_of_data_are_refused(self, group, image, wanted):
        problem = only(STAGING, **{group: {"image": image}})

        assert problem.startswith(f'{group}.image: "{image}" is not {wanted}')
        assert problem.endswith("and could not read the data")

    def test_digests_are_taken_at_their_word(self):
        assert read(STAGING, cache={"image": DIGEST}, database={"image": DIGEST})
