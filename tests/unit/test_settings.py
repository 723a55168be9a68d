"""Settings: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import json
import traceback
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import config as engine

from contract import APP, Kind
from settings import (
    PLATFORMS,
    AwsSettings,
    Domain,
    Image,
    Settings,
    SettingsError,
    load,
    parse,
)

KNOWN = ", ".join(PLATFORMS)
ROOT = Path(__file__).parent.parent.parent
DIGEST = f"ghcr.io/stromdao/stromhaltig@sha256:{'a' * 64}"
ENCRYPTED = ("stromhaltig:secrets",)
SECRETS = {
    "GEMINI_API_KEY": "gemini",
    "OPENAI_API_KEY": "openai",
    "SENTRY_DSN": "https://key@sentry.example/1",
    "SMTP_PASS": "mail",
}
PRODUCTION: dict[str, Any] = {
    "domain": {"name": "stromhaltig.de", "zone_id": "Z0123456789ABC"},
    "image": {"ref": DIGEST},
    "app": {"SMTP_HOST": "smtp.example.org"},
    "secrets": SECRETS,
}
STAGING: dict[str, Any] = {"environment": "staging", "image": {"ref": DIGEST}}


def read(
    config: dict[str, Any],
    *,
    stack: str = "test",
    secret_keys: Collection[str] = ENCRYPTED,
    region: str | None = "eu-central-1",
) -> AwsSettings:
    """Parse config as the engine hands it over: objects and scalars as text."""
    values: dict[str, object] = {
        f"stromhaltig:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
    }
    if region:
        values["aws:region"] = region
    settings = parse(stack, values, secret_keys=secret_keys)
    assert isinstance(settings, AwsSettings)
    return settings


def refusal(config: dict[str, Any], **options: Any) -> list[str]:
    """The problems that a config is refused for."""
    with pytest.raises(SettingsError) as refused:
        read(config, **options)
    return list(refused.value.problems)


def staging(**groups: Any) -> dict[str, Any]:
    return STAGING | groups


def production(**groups: Any) -> dict[str, Any]:
    return PRODUCTION | groups


class TestAccepted:
    def test_the_least_that_production_needs(self):
        settings = read(PRODUCTION, stack="production")

        assert settings.production
        assert settings.protect
        assert settings.name == "stromhaltig-production"
        assert settings.region == "eu-central-1"
        assert settings.domain == Domain(
            name="stromhaltig.de", zone_id="Z0123456789ABC", www=True
        )
        assert settings.domain.hosts == ("stromhaltig.de", "www.stromhaltig.de")
        assert settings.image.ref == DIGEST
        assert settings.database.multi_az
        assert settings.database.deletion_protection

    def test_the_least_that_staging_needs(self):
        settings = read(STAGING)

        assert settings.domain is None
        assert not settings.protect
        assert dict(settings.secrets) == {}

    def test_a_stack_is_production_unless_it_says_otherwise(self):
        assert "stromhaltig:domain" in refusal({"image": {"ref": DIGEST}})[0]

    def test_a_group_that_sets_one_key_keeps_the_other_defaults(self):
        network = read(staging(network={"nat": "single"})).network

        assert (network.nat, network.cidr) == ("single", "10.0.0.0/16")

    def test_lists_become_tuples(self):
        network = read(staging(network={"interface_endpoints": ["kms"]})).network

        assert network.interface_endpoints == ("kms",)

    def test_yaml_numbers_and_booleans_become_text_of_the_environment(self):
        app = {"SMTP_PORT": 465, "ENABLE_COMPRESSION": False, "LOG_LEVEL": "warn"}

        assert read(staging(app=app)).app == {
            "SMTP_PORT": "465",
            "ENABLE_COMPRESSION": "false",
            "LOG_LEVEL": "warn",
        }

    def test_a_version_may_be_a_number_as_the_cli_writes_it(self):
        assert (
            read(staging(database={"engine_version": 16})).database.engine_version
            == "16"
        )

    def test_an_empty_domain_is_none(self):
        assert read(staging(domain={})).domain is None

    def test_a_domain_without_www_has_one_host(self):
        domain = PRODUCTION["domain"] | {"www": False}

        found = read(production(domain=domain)).domain
        assert found is not None
        assert found.hosts == ("stromhaltig.de",)

    def test_staging_may_deploy_a_tag(self):
        assert read(staging(image={"ref": "app:1.2"})).image.ref == "app:1.2"

    def test_a_generated_secret_may_be_the_operators_own(self):
        own = SECRETS | {"JWT_SECRET": "x" * 32}

        secrets = read(production(secrets=own)).secrets
        assert secrets["JWT_SECRET"].get_secret_value() == "x" * 32

    def test_settings_cannot_be_changed(self):
        with pytest.raises(ValueError, match="frozen"):
            read(STAGING).network.nat = "none"

    def test_other_namespaces_are_the_providers_business(self):
        values = {
            "aws:region": "eu-central-1",
            "aws:defaultTags": '{"tags": {}}',
            "stromhaltig:environment": "staging",
            "stromhaltig:image": {"ref": DIGEST},
        }

        assert parse("test", values, secret_keys=()).environment == "staging"


class TestShape:
    @pytest.mark.parametrize(
        ("config", "problem"),
        [
            ({"netwerk": {}}, 'netwerk: no such key. Did you mean "network"?'),
            ({"region": "x"}, 'region: no such key. Did you mean "aws:region"?'),
            (
                {"network": {"natt": "none"}},
                'network.natt: no such key. Did you mean "nat"?',
            ),
            ({"logs": {"zzz": 1}}, "logs.zzz: no such key. Known are retention_days"),
            (
                {"network": {"nat": "singel"}},
                'network.nat: "singel" is not one of none, instance, single, per-az. '
                'Did you mean "single"?',
            ),
            (
                {"network": {"interface_endpoints": ["kms", "ecr.apj"]}},
                'network.interface_endpoints[1]: "ecr.apj" is not one of ec2, '
                "ecr.api, ecr.dkr, kms, logs, monitoring, secretsmanager, ssm, "
                "ssmmessages. "
                'Did you mean "ecr.api"?',
            ),
            (
                {"network": {"availability_zones": "2"}},
                'network.availability_zones: "2" is not a whole number from 2 to 3. '
                "Remove the quotes",
            ),
            (
                {"network": {"availability_zones": 4}},
                "network.availability_zones: 4 is not a whole number from 2 to 3",
            ),
            (
                {"service": {"desired_count": True}},
                "service.desired_count: true is not a whole number from 1 to 100",
            ),
            (
                {"service": {"desired_count": 1.5}},
                "service.desired_count: 1.5 is not a whole number from 1 to 100",
            ),
            (
                {"service": {"execute_command": "true"}},
                'service.execute_command: "true" is not true or false. '
                "Remove the quotes",
            ),
            (
                {"service": {"execute_command": None}},
                "service.execute_command: null is not true or false",
            ),
            (
                {"service": {"architecture": ["arm64"]}},
                "service.architecture: a list is not one of arm64, x86_64",
            ),
            (
                {"image": {"ref": {"a": 1}}},
                "image.ref: an object is not an image like REPOSITORY@sha256:DIGEST",
            ),
            (
                {"network": "10.0.0.0/16"},
                "network: holds keys of its own, not a single value. Write them below "
                "it, or {} for the defaults",
            ),
            (
                {"domain": False},
                "domain: holds keys of its own, not a single value. Write them below "
                "it, or {} for the defaults",
            ),
            (
                {"app": ["LOG_LEVEL"]},
                "app: holds keys of its own, not a single value. Write them below it, "
                "or {} for the defaults",
            ),
            (
                {"database": {"instance_class": 5}},
                "database.instance_class: 5 is not a class like db.t4g.micro",
            ),
            ({"decommission": "yes"}, 'decommission: "yes" is not true or false'),
            (
                {"load_balancer": {"allowed_cidrs": []}},
                "load_balancer.allowed_cidrs: is empty: nobody could connect. List a "
                "range, or leave it out",
            ),
            (
                {"load_balancer": {"allowed_cidrs": "0.0.0.0/0"}},
                'load_balancer.allowed_cidrs: "0.0.0.0/0" is not a list, each an '
                "IPv4 range like 203.0.113.0/24. Write each on a line of its own, "
                'after "- "',
            ),
        ],
    )
    def test_a_wrong_key_or_type_is_named_with_what_is_right(self, config, problem):
        assert refusal(staging(**config)) == [f"stromhaltig:{problem}"]

    def test_every_problem_of_a_file_is_in_one_message(self):
        config = staging(
            netwerk={},
            network={"nat": "singel", "cidr": "10.0.0.0/24", "nut": 1},
            service={"cpu": 1024, "memory": 1024, "execute_command": "yes"},
            app={"LOG_LEVEL": "loud", "LOG_LEVL": "info"},
            secrets={"JWT_SECRET": "short"},
        )

        with pytest.raises(SettingsError) as refused:
            read(config, stack="staging")

        lines = str(refused.value).splitlines()
        assert lines[0] == "Pulumi.staging.yaml has 9 problems:"
        assert {line.split(": ")[0] for line in lines[1:]} == {
            "  stromhaltig:netwerk",
            "  stromhaltig:network.nat",
            "  stromhaltig:network.cidr",
            "  stromhaltig:network.nut",
            "  stromhaltig:service.memory",
            "  stromhaltig:service.execute_command",
            "  stromhaltig:app.LOG_LEVEL",
            "  stromhaltig:app.LOG_LEVL",
            "  stromhaltig:secrets.JWT_SECRET",
        }

    def test_one_problem_is_called_one(self):
        with pytest.raises(SettingsError, match=r"^Pulumi\.x\.yaml has 1 problem:\n"):
            read(staging(logs={"retention_days": 2}), stack="x")

    def test_the_language_host_prints_nothing_but_the_message(self):
        assert issubclass(SettingsError, pulumi.RunError)

    def test_a_broken_value_is_not_reported_again_by_the_rules_that_use_it(self):
        config = staging(service={"cpu": 300, "memory": 2048})

        assert refusal(config) == [
            "stromhaltig:service.cpu: 300 is not one of 256, 512, 1024, 2048, 4096, "
            "8192, 16384. The nearest is 256"
        ]

    def test_an_unknown_platform_is_refused_with_the_known_ones(self):
        config = staging(platform="azure", resource_group={"name": "x"})

        assert refusal(config) == [
            f'stromhaltig:platform: "azure" is not one of {KNOWN}'
        ]

    def test_a_misspelt_platform_gets_the_nearest(self):
        assert refusal(staging(platform="awss")) == [
            f'stromhaltig:platform: "awss" is not one of {KNOWN}. Did you mean "aws"?'
        ]

    def test_with_an_unknown_platform_the_rest_is_still_looked_at(self):
        config = {"platform": ["aws"], "environment": "staging"}

        assert refusal(config, stack="s", region=None) == [
            f"stromhaltig:platform: a list is not one of {KNOWN}",
            "stromhaltig:image.ref: is missing. Set it: pulumi config set --path "
            "'stromhaltig:image.ref' REPOSITORY@sha256:DIGEST --stack s",
        ]


class TestRegion:
    def test_it_must_be_given(self):
        assert refusal(STAGING, region=None, stack="s") == [
            "aws:region: is missing. Set it: pulumi config set --path 'aws:region' "
            "eu-central-1 --stack s"
        ]

    def test_it_must_look_like_one(self):
        assert refusal(STAGING, region="Frankfurt") == [
            'aws:region: "Frankfurt" is not an AWS region like eu-central-1'
        ]

    @pytest.mark.parametrize(
        "region", ["cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-isob-east-1"]
    )
    def test_it_must_be_in_the_partition_of_everybody(self, region):
        assert refusal(STAGING, region=region) == [
            f'aws:region: "{region}" lies in a partition of AWS with ARNs and domains '
            "of its own, for which this program is not made. Choose a region like "
            "eu-central-1"
        ]


class TestDomain:
    def test_production_needs_one(self):
        assert refusal(production(domain={}), stack="p") == [
            "stromhaltig:domain: is missing, and production is served over HTTPS only. "
            "Set it: pulumi config set --path 'stromhaltig:domain.name' NAME --stack p",
            "stromhaltig:domain.zone_id: is missing. Set it: pulumi config set --path "
            "'stromhaltig:domain.zone_id' ZONE_ID --stack p",
        ]

    @pytest.mark.parametrize(
        ("domain", "missing"),
        [({"name": "a.de"}, "zone_id"), ({"zone_id": "Z0123456789"}, "name")],
    )
    def test_name_and_zone_belong_together(self, domain, missing):
        assert refusal(staging(domain=domain), stack="s") == [
            f"stromhaltig:domain.{missing}: is missing. Set it: pulumi config set "
            f"--path 'stromhaltig:domain.{missing}' {missing.upper()} --stack s"
        ]

    @pytest.mark.parametrize(
        "name", ["https://a.de", "a", "A.de", "-a.de", "a..de", "a.de.", "a.d-", "1.2"]
    )
    def test_a_name_that_is_none_is_refused(self, name):
        domain = {"name": name, "zone_id": "Z0123456789"}

        assert refusal(staging(domain=domain)) == [
            f'stromhaltig:domain.name: "{name}" is not a domain like stromhaltig.de, '
            "in lower case"
        ]

    def test_a_zone_is_given_by_its_id(self):
        domain = {"name": "a.de", "zone_id": "/hostedzone/Z0123456789"}

        assert refusal(staging(domain=domain)) == [
            'stromhaltig:domain.zone_id: "/hostedzone/Z0123456789" is not a hosted '
            "zone id like Z0123456789ABC"
        ]


class TestImage:
    def test_a_tag_is_refused_in_production(self):
        assert refusal(production(image={"ref": "ghcr.io/s/app:1.2"})) == [
            'stromhaltig:image.ref: "ghcr.io/s/app:1.2" is a tag, and what it means '
            "can change; production takes REPOSITORY@sha256:DIGEST. Look it up: docker "
            "buildx imagetools inspect ghcr.io/s/app:1.2"
        ]

    @pytest.mark.parametrize(
        "ref", ["app", "app@sha256:abc", f"app@sha256:{'A' * 64}", "a b:1", "app:"]
    )
    def test_what_is_no_reference_is_refused_everywhere(self, ref):
        assert refusal(staging(image={"ref": ref})) == [
            f'stromhaltig:image.ref: "{ref}" is not an image like '
            "REPOSITORY@sha256:DIGEST"
        ]

    @pytest.mark.parametrize(
        ("ref", "shown"),
        [
            ("robot:s3cret@ghcr.io/s/app:1", "[login]@ghcr.io/s/app:1"),
            ("https://r:s3cret@h/app", "https://[login]@h/app"),
            ("app:1@sha256:abc", "app:1@sha256:abc"),
        ],
    )
    def test_a_password_in_a_reference_is_refused_and_not_shown(self, ref, shown):
        assert refusal(staging(image={"ref": ref})) == [
            f'stromhaltig:image.ref: "{shown}" is not an image like '
            "REPOSITORY@sha256:DIGEST"
        ]

    @pytest.mark.parametrize(
        "ref",
        [
            DIGEST,
            f"localhost:5000/app@sha256:{'0' * 64}",
            f"1.dkr.ecr.eu-central-1.amazonaws.com/a/b__c@sha256:{'f' * 64}",
        ],
    )
    def test_a_digest_of_any_registry_is_accepted(self, ref):
        assert read(production(image={"ref": ref})).image.ref == ref

    def test_a_folder_is_built_as_its_keys_say(self, tmp_path):
        (tmp_path / "ci.Dockerfile").touch()
        image = {
            "context": str(tmp_path),
            "dockerfile": "ci.Dockerfile",
            "build_args": {"NODE_IMAGE": "node:24", "DEBUG": False},
            "cache": "registry",
            "cache_ref": "ghcr.io/s/app:cache",
            "builder": "ci",
        }

        found = read(production(image=image)).image
        assert found.build_args == {"NODE_IMAGE": "node:24", "DEBUG": "false"}
        assert found.cache_ref == "ghcr.io/s/app:cache"

    def test_a_folder_must_have_a_dockerfile(self, tmp_path):
        assert refusal(staging(image={"context": str(tmp_path)}))[0] == (
            f'stromhaltig:image.context: "{tmp_path}" is not a folder with a '
            "Dockerfile. Give its path from the folder of Pulumi.yaml"
        )

    def test_the_dockerfile_must_be_the_one_that_is_named(self, tmp_path):
        (tmp_path / "Dockerfile").touch()
        image = {"context": str(tmp_path), "dockerfile": "ci.Dockerfile"}

        assert (
            "is not a folder with a ci.Dockerfile" in refusal(staging(image=image))[0]
        )

    def test_what_is_about_building_is_refused_without_a_folder(self):
        image = {"ref": DIGEST, "cache": "gha", "build_args": {"A": "1"}}

        assert refusal(production(image=image)) == [
            "stromhaltig:image.build_args: is for an image that is built. Remove it",
            "stromhaltig:image.cache: is for an image that is built. Remove it",
        ]

    @pytest.mark.parametrize(
        ("cache", "problem"),
        [
            (
                {"cache": "registry"},
                "is missing for cache registry. Set it: pulumi config set --path "
                "'stromhaltig:image.cache_ref' REPOSITORY:TAG --stack s",
            ),
            (
                {"cache_ref": "app:cache"},
                "is for a cache of inline or registry, and it is none. Remove it",
            ),
        ],
    )
    def test_a_cache_and_its_place_belong_together(self, tmp_path, cache, problem):
        (tmp_path / "Dockerfile").touch()
        image = {"context": str(tmp_path), **cache}

        assert refusal(staging(image=image), stack="s") == [
            f"stromhaltig:image.cache_ref: {problem}"
        ]

    def test_aws_has_a_repository_of_its_own(self, tmp_path):
        (tmp_path / "Dockerfile").touch()
        image = {"context": str(tmp_path), "repository": "ghcr.io/s/app"}

        assert refusal(staging(image=image)) == [
            "stromhaltig:image.repository: is for other platforms: an AWS stack pushes "
            "to its own. Remove it"
        ]

    @pytest.mark.parametrize(
        "repository",
        ["app", "s/app", "ghcr.io/s/app:1", "https://ghcr.io/s/app", "ghcr.io"],
    )
    def test_a_repository_comes_with_its_registry(self, tmp_path, repository):
        (tmp_path / "Dockerfile").touch()
        image = {"context": str(tmp_path), "repository": repository}

        assert refusal(staging(image=image)) == [
            f'stromhaltig:image.repository: "{repository}" is not a repository with '
            "its registry like ghcr.io/OWNER/NAME"
        ]

    @pytest.mark.parametrize(
        "repository",
        ["ghcr.io/s/app", "localhost:5000/app", "r.example.org:5000/a/b_c"],
    )
    def test_any_registry_will_do(self, repository):
        assert Image(repository=repository).repository == repository


class TestApp:
    @pytest.mark.parametrize(
        ("name", "value", "problem"),
        [
            ("LOG_LEVL", "info", 'no such variable. Did you mean "LOG_LEVEL"?'),
            ("PORT", 3001, "is set by the platform. Remove it"),
            ("ENABLE_CACHE", True, "is set by the platform. Remove it"),
            (
                "JWT_SECRET",
                "x" * 40,
                "is a secret. Remove it here and set it: pulumi config set --path "
                "--secret 'stromhaltig:secrets.JWT_SECRET' --stack test",
            ),
            ("SMTP_PORT", [25], "a list is not text"),
            ("MAX_FILE_SIZE", 100, '"100" is not a size like 100MB (KB, MB or GB)'),
            ("DB_POOL_MIN", 21, "21 is more than DB_POOL_MAX, 20"),
        ],
    )
    def test_a_value_that_does_not_belong_there_is_refused(self, name, value, problem):
        assert refusal(staging(app={name: value})) == [
            f"stromhaltig:app.{name}: {problem}"
        ]

    def test_production_needs_what_has_no_default(self):
        assert refusal(production(app={}), stack="p") == [
            "stromhaltig:app: SMTP_HOST is missing. Set it: pulumi config set --path "
            "'stromhaltig:app.NAME' VALUE --stack p"
        ]


class TestSecrets:
    def test_production_names_all_that_are_missing_and_the_command(self):
        assert refusal(production(secrets={}), stack="production") == [
            "stromhaltig:secrets: GEMINI_API_KEY, OPENAI_API_KEY, SENTRY_DSN, "
            "SMTP_PASS are missing. Set each: pulumi config set --path --secret "
            "'stromhaltig:secrets.NAME' --stack production"
        ]

    def test_one_missing_secret_is_named(self):
        rest = {k: v for k, v in SECRETS.items() if k != "SMTP_PASS"}

        assert refusal(production(secrets=rest))[0].startswith(
            "stromhaltig:secrets: SMTP_PASS is missing. Set it: "
        )

    def test_a_short_key_is_refused_without_showing_it(self):
        config = staging(secrets={"JWT_SECRET": "hunter2"})

        assert refusal(config, stack="s") == [
            "stromhaltig:secrets.JWT_SECRET: must be at least 32 characters long, "
            "without spaces around it. Set it again: pulumi config set --path --secret "
            "'stromhaltig:secrets.JWT_SECRET' --stack s or leave it out: one is "
            "generated"
        ]

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("JWT_SECRT", 'no such secret. Did you mean "JWT_SECRET"?'),
            ("DATABASE_URL", "is set by the platform. Remove it"),
            ("LOG_LEVEL", "is not a secret. Set it under stromhaltig:app"),
        ],
    )
    def test_what_is_no_secret_of_the_operator_is_refused(self, name, problem):
        assert refusal(staging(secrets={name: "x"})) == [
            f"stromhaltig:secrets.{name}: {problem}"
        ]

    def test_a_value_that_is_not_text_is_refused_without_showing_it(self):
        config = staging(secrets={"SMTP_PASS": 4711})

        assert refusal(config, stack="s") == [
            "stromhaltig:secrets.SMTP_PASS: is not text. Set it again: pulumi config "
            "set --path --secret 'stromhaltig:secrets.SMTP_PASS' --stack s"
        ]

    def test_secrets_that_are_not_an_object_are_not_shown(self):
        assert refusal(staging(secrets="hunter2")) == [
            "stromhaltig:secrets: holds keys of its own, not a single value. Write "
            "them below it, or {} for the defaults"
        ]

    def test_plain_text_in_the_file_is_refused_with_the_command(self):
        config = staging(secrets={"SMTP_PASS": "a", "OPENAI_API_KEY": "b"})

        assert refusal(
            config, secret_keys=["stromhaltig:secrets.SMTP_PASS"], stack="s"
        ) == [
            "stromhaltig:secrets.OPENAI_API_KEY: is in plain text. Replace it by an "
            "encrypted one: pulumi config set --path --secret "
            "'stromhaltig:secrets.OPENAI_API_KEY' --stack s"
        ]

    def test_only_secrets_may_be_encrypted(self):
        config = staging(app={"LOG_LEVEL": "hunter2"}, database="hunter2")
        encrypted = ("stromhaltig:app", "stromhaltig:database", *ENCRYPTED)

        assert refusal(config, secret_keys=encrypted) == [
            f"stromhaltig:{key}: is encrypted, which only stromhaltig:secrets may be: "
            "the value would appear in plain text in the cloud. Set it without --secret"
            for key in ("app", "database")
        ]

    def test_settings_do_not_show_secrets(self):
        assert "gemini" not in f"{read(PRODUCTION)!r} {read(PRODUCTION)}"

    def test_a_refusal_carries_no_secret_to_a_traceback(self):
        config = production(secrets={"JWT_SECRET": "hunter2"}, network={"nat": 1})

        with pytest.raises(SettingsError) as refused:
            read(config)

        chain = [refused.value, refused.value.__cause__, refused.value.__context__]
        assert chain[1:] == [None, None]
        assert "hunter2" not in "".join(traceback.format_exception(refused.value))


class TestNetwork:
    @pytest.mark.parametrize(
        ("cidr", "problem"),
        [
            ("10.0.0.0/24", "is too small: choose /16 to /23"),
            ("10.0.1.0/16", "has bits outside its mask. Did you mean 10.0.0.0/16?"),
            ("8.8.0.0/16", "is a public range. Choose one within 10.0.0.0/8"),
        ],
    )
    def test_a_range_that_subnets_do_not_fit_is_refused(self, cidr, problem):
        [line] = refusal(staging(network={"cidr": cidr}))

        assert line.startswith(f'stromhaltig:network.cidr: "{cidr}" {problem}')

    def test_without_nat_the_endpoints_that_a_task_needs_are_named(self):
        network = {"nat": "none", "interface_endpoints": ["logs"]}

        assert refusal(staging(network=network, service={"execute_command": True})) == [
            "stromhaltig:network.interface_endpoints: ecr.api, ecr.dkr, "
            "secretsmanager, ssmmessages must be listed where network.nat is none, or "
            "no task can start"
        ]

    def test_without_nat_a_network_with_endpoints_is_accepted(self):
        endpoints = ["ecr.api", "ecr.dkr", "logs", "secretsmanager"]
        network = {"nat": "none", "interface_endpoints": endpoints}

        assert read(staging(network=network)).network.nat == "none"

    def test_an_endpoint_is_listed_once(self):
        assert refusal(staging(network={"interface_endpoints": ["kms", "kms"]})) == [
            'stromhaltig:network.interface_endpoints: "kms" is listed more than once'
        ]


class TestLoadBalancer:
    @pytest.mark.parametrize(
        ("ranges", "problem"),
        [
            (
                ["0.0.0.0/0", "10.1.0.0/16"],
                '"10.1.0.0/16" lies within "0.0.0.0/0", so it narrows nothing. '
                "Remove one",
            ),
            (["10.1.0.0/16", "10.1.0.0/16"], '"10.1.0.0/16" is listed more than once'),
        ],
    )
    def test_ranges_must_not_overlap(self, ranges, problem):
        assert refusal(staging(load_balancer={"allowed_cidrs": ranges})) == [
            f"stromhaltig:load_balancer.allowed_cidrs: {problem}"
        ]

    def test_ranges_that_are_apart_are_accepted(self):
        ranges = ["10.1.0.0/16", "10.2.0.0/16", "203.0.113.5/32"]

        found = read(staging(load_balancer={"allowed_cidrs": ranges}))
        assert found.load_balancer.allowed_cidrs == tuple(ranges)

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ("203.0.113.5", "a range. Did you mean 203.0.113.5/32?"),
            ("10.0.0.1/8", "a range. Did you mean 10.0.0.0/8?"),
            ("10.0.0.0/255.0.0.0", "a range. Did you mean 10.0.0.0/8?"),
            ("::/0", "an IPv4 range. Write it like 203.0.113.0/24"),
            ("2001:db8::/32", "an IPv4 range. Write it like 203.0.113.0/24"),
            ("office", "an IPv4 range. Write it like 203.0.113.0/24"),
        ],
    )
    def test_what_the_load_balancer_cannot_admit_is_refused(self, given, problem):
        assert refusal(staging(load_balancer={"allowed_cidrs": [given]})) == [
            f'stromhaltig:load_balancer.allowed_cidrs[0]: "{given}" is not {problem}'
        ]


class TestService:
    @pytest.mark.parametrize(
        ("cpu", "memory", "problem"),
        [
            (
                1024,
                1024,
                "Fargate does not offer 1024 MiB with 1024 CPU units. Choose one of "
                "2048, 3072, 4096, 5120, 6144, 7168, 8192. The nearest is 2048",
            ),
            (
                256,
                1536,
                "Fargate does not offer 1536 MiB with 256 CPU units. Choose one of "
                "512, 1024, 2048. The nearest is 1024",
            ),
            (
                8192,
                17000,
                "Fargate does not offer 17000 MiB with 8192 CPU units. Choose one of "
                "16384 to 61440 in steps of 4096. The nearest is 16384",
            ),
        ],
    )
    def test_a_size_that_fargate_does_not_offer_is_refused(self, cpu, memory, problem):
        assert refusal(staging(service={"cpu": cpu, "memory": memory})) == [
            f"stromhaltig:service.memory: {problem}"
        ]

    @pytest.mark.parametrize(
        ("cpu", "memory"), [(256, 512), (1024, 2048), (4096, 30720), (16384, 122880)]
    )
    def test_a_size_that_fargate_offers_is_accepted(self, cpu, memory):
        service = read(staging(service={"cpu": cpu, "memory": memory})).service

        assert (service.cpu, service.memory) == (cpu, memory)

    def test_a_task_has_time_to_finish_its_requests(self):
        config = staging(
            service={"stop_timeout": 20}, load_balancer={"deregistration_delay": 30}
        )

        assert refusal(config) == [
            "stromhaltig:service.stop_timeout: 20 s is less than "
            "load_balancer.deregistration_delay, 30 s: requests would be cut off. "
            "Raise the one (up to 120) or lower the other"
        ]


class TestDatabase:
    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            (
                "db.t2.micro",
                '"db.t2.micro" runs nothing after PostgreSQL 12. Take db.t4g.micro '
                "instead",
            ),
            (
                "db.m4.large",
                '"db.m4.large" runs nothing after PostgreSQL 12. Take db.m6g.large '
                "instead",
            ),
            (
                "db.t4g.mega",
                '"db.t4g.mega" is not a size of db.t4g. Choose one of micro, small, '
                "medium, large, xlarge, 2xlarge",
            ),
            (
                "t4g.micro",
                '"t4g.micro" is not db.FAMILY.SIZE with a family of m5, m5d, m6g, '
                "m6gd, m6i, m6id, m7g, m7i, m8g, r5, r5b, r5d, r6g, r6gd, r6i, r6id, "
                "r7g, r7i, r8g, t3, t4g, x2g",
            ),
        ],
    )
    def test_a_class_that_does_not_run_the_engine_is_refused(self, given, problem):
        assert refusal(staging(database={"instance_class": given})) == [
            f"stromhaltig:database.instance_class: {problem}"
        ]

    @pytest.mark.parametrize(
        "version", [15.1, "14", "15.", "fifteen", "9.6", "15.4.1", True]
    )
    def test_a_version_that_is_none_is_refused(self, version):
        [line] = refusal(staging(database={"engine_version": version}))

        assert line == (
            f"stromhaltig:database.engine_version: {json.dumps(version)} is not a "
            'version of PostgreSQL from 15, in quotes, like "15"'
        )

    @pytest.mark.parametrize("days", [0, 36])
    def test_backups_are_kept_1_to_35_days(self, days):
        assert refusal(staging(database={"backup_retention_days": days})) == [
            f"stromhaltig:database.backup_retention_days: {days} is not a whole number "
            "from 1 to 35"
        ]

    @pytest.mark.parametrize("maximum", [1, 99, 100, 109])
    def test_storage_needs_room_to_grow(self, maximum):
        database = {"allocated_storage": 100, "max_allocated_storage": maximum}

        assert refusal(staging(database=database)) == [
            f"stromhaltig:database.max_allocated_storage: {maximum} GiB leaves no room "
            "above allocated_storage, 100. RDS asks for at least 110, or 0 to turn "
            "growth off"
        ]

    @pytest.mark.parametrize("maximum", [0, 110, 500])
    def test_storage_that_may_grow_or_not_is_accepted(self, maximum):
        database = {"allocated_storage": 100, "max_allocated_storage": maximum}

        found = read(staging(database=database)).database
        assert found.max_allocated_storage == maximum

    @pytest.mark.parametrize(
        ("key", "window", "problem"),
        [
            (
                "backup_window",
                "2:00-3:00",
                '"2:00-3:00" is not a daily window in UTC like 02:00-03:00',
            ),
            (
                "backup_window",
                "02:00-02:29",
                '"02:00-02:29" is shorter than the 30 minutes RDS needs',
            ),
            (
                "maintenance_window",
                "sun:04:00-sun:04:00",
                '"sun:04:00-sun:04:00" is shorter than the 30 minutes RDS needs',
            ),
            (
                "maintenance_window",
                "so:04:00-so:05:00",
                '"so:04:00-so:05:00" is not a weekly window in UTC like '
                "sun:03:30-sun:04:30",
            ),
            (
                "maintenance_window",
                "mon:02:30-mon:03:30",
                '"mon:02:30-mon:03:30" overlaps backup_window, "02:00-03:00". Move one '
                "of them",
            ),
        ],
    )
    def test_a_window_that_rds_would_refuse_is_refused(self, key, window, problem):
        assert refusal(staging(database={key: window})) == [
            f"stromhaltig:database.{key}: {problem}"
        ]

    def test_windows_may_pass_midnight_and_the_end_of_the_week(self):
        windows = {
            "backup_window": "23:30-00:15",
            "maintenance_window": "sun:22:00-sun:23:30",
        }
        assert read(staging(database=windows)).database.backup_window == "23:30-00:15"

        windows["maintenance_window"] = "sun:23:45-mon:00:30"
        assert "overlaps" in refusal(staging(database=windows))[0]

    @pytest.mark.parametrize("seconds", [2, 61])
    def test_monitoring_has_certain_intervals(self, seconds):
        [line] = refusal(staging(database={"monitoring_interval": seconds}))

        assert "is not one of 0, 1, 5, 10, 15, 30, 60. The nearest is" in line


class TestRetention:
    @pytest.mark.parametrize(
        ("group", "key"),
        [
            ("logs", "retention_days"),
            ("database", "log_retention_days"),
            ("network", "flow_log_days"),
        ],
    )
    def test_logs_are_kept_as_long_as_cloudwatch_offers(self, group, key):
        [line] = refusal(staging(**{group: {key: 31}}))

        assert line.startswith(f"stromhaltig:{group}.{key}: 31 is not one of 1, 3, 5")
        assert line.endswith(". The nearest is 30")

    @pytest.mark.parametrize("days", [1, 6, 31])
    def test_secrets_are_deleted_at_once_or_kept_for_a_while(self, days):
        [line] = refusal(staging(secret_recovery_days=days))

        assert line.startswith(
            f"stromhaltig:secret_recovery_days: {days} is not 0, or from 7 to 30"
        )


class TestProduction:
    @pytest.mark.parametrize(
        ("group", "key", "reason"),
        [
            ("database", "multi_az", "a failing zone would take the data down"),
            ("database", "final_snapshot", "a deletion would be final"),
            (
                "database",
                "deletion_protection",
                "to tear the stack down on purpose, set decommission",
            ),
            (
                "load_balancer",
                "deletion_protection",
                "to tear the stack down on purpose, set decommission",
            ),
        ],
    )
    def test_it_refuses_what_puts_data_or_availability_at_risk(
        self, group, key, reason
    ):
        assert refusal(production(**{group: {key: False}})) == [
            f"stromhaltig:{group}.{key}: false is refused in production: {reason}. Set "
            "it to true"
        ]
        assert read(staging(**{group: {key: False}}))

    def test_a_misspelt_environment_is_reported_alone(self):
        config = {"environment": "prodution", "image": {"ref": DIGEST}}

        assert refusal(config) == [
            'stromhaltig:environment: "prodution" is not one of production, staging. '
            'Did you mean "production"?'
        ]

    def test_decommissioning_lifts_all_protection_but_the_snapshot(self):
        settings = read(production(decommission=True))

        assert settings.decommission
        assert not settings.protect
        assert not settings.database.deletion_protection
        assert not settings.load_balancer.deletion_protection
        assert settings.database.final_snapshot

    def test_decommissioning_does_not_excuse_a_missing_snapshot(self):
        config = production(decommission=True, database={"final_snapshot": False})

        assert "final_snapshot" in refusal(config)[0]

    def test_other_platforms_have_nothing_of_aws_to_release(self):
        settings = Settings.model_validate({"pulumi:stack": "x"})

        assert settings.released() is settings


def stack_file(stack: str) -> dict[str, Any]:
    """A committed stack file with what its comment says to set."""
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    config["stromhaltig:domain"]["zone_id"] = "Z0123456789ABC"
    config["stromhaltig:image"] = {"ref": DIGEST}
    config["stromhaltig:monitoring"]["emails"] = ["ops@stromhaltig.example"]
    config["stromhaltig:secrets"] = SECRETS if stack == "production" else {}
    return config


def project_defaults() -> dict[str, Any]:
    """What the engine adds for keys that a stack file does not have."""
    text = (ROOT / "Pulumi.yaml").read_text(encoding="utf-8")
    return {
        f"stromhaltig:{key}": declared["default"]
        for key, declared in yaml.safe_load(text)["config"].items()
    }


class TestStackFiles:
    @pytest.mark.parametrize("stack", ["production", "staging"])
    def test_a_committed_file_lacks_nothing_but_what_its_comment_says(self, stack):
        settings = parse(stack, stack_file(stack), secret_keys=ENCRYPTED)

        assert settings.environment == stack

    @pytest.mark.parametrize("stack", ["production", "staging"])
    def test_the_engines_defaults_are_the_settings_own(self, stack):
        own = stack_file(stack)

        assert parse(stack, project_defaults() | own, secret_keys=ENCRYPTED) == parse(
            stack, own, secret_keys=ENCRYPTED
        )

    def test_every_key_has_a_default_in_the_project(self):
        assert read(
            {k.split(":")[1]: v for k, v in project_defaults().items()} | STAGING
        ) == read(STAGING)

    @pytest.mark.parametrize("stack", ["production", "staging"])
    def test_the_comment_names_every_command_that_is_needed(self, stack):
        text = (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")

        assert "pulumi config set --path 'stromhaltig:domain.zone_id'" in text
        assert "pulumi config set --path 'stromhaltig:image.ref'" in text
        assert "pulumi config set --path 'stromhaltig:monitoring.emails[0]'" in text
        if stack == "production":
            for variable in APP.of_kind(Kind.OPERATOR):
                assert f"--secret 'stromhaltig:secrets.{variable.name}'" in text

    def test_production_has_the_capacity_of_the_guide(self):
        settings = parse("production", stack_file("production"), secret_keys=ENCRYPTED)
        assert isinstance(settings, AwsSettings)

        assert (settings.service.cpu, settings.service.memory) == (1024, 2048)
        assert settings.service.desired_count == 2
        assert settings.service.spot_percent == 0
        assert settings.network.nat == "per-az"
        assert settings.database.allocated_storage == 100
        assert settings.database.multi_az
        assert settings.database.backup_retention_days == 7
        assert settings.logs.retention_days == 30


class TestLoad:
    @pytest.fixture(autouse=True)
    def _stack(self, monkeypatch, tmp_path):
        monkeypatch.setattr(pulumi, "get_stack", lambda: "staging")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(engine, "CONFIG", type(engine.CONFIG)("config", default={}))
        secret = type(engine._SECRET_KEYS)("secret", default=set())
        monkeypatch.setattr(engine, "_SECRET_KEYS", secret)

    @staticmethod
    def values(**groups: Any) -> dict[str, str]:
        config = {
            f"stromhaltig:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in staging(**groups).items()
        }
        return {"aws:region": "eu-central-1", **config}

    def test_it_reads_what_the_language_host_passes_on(self, monkeypatch):
        values = self.values(secrets={"SMTP_PASS": "mail"})
        monkeypatch.setenv("PULUMI_CONFIG", json.dumps(values))
        monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(ENCRYPTED))

        settings = load()

        assert settings.stack == "staging"
        assert settings.secrets["SMTP_PASS"].get_secret_value() == "mail"

    def test_it_reads_what_an_inline_program_is_given(self):
        values = self.values(secrets={"SMTP_PASS": "mail"})
        engine.set_all_config(values, list(ENCRYPTED))

        assert load().secrets.keys() == {"SMTP_PASS"}

    def test_it_finds_a_plain_secret_beside_an_encrypted_one(self, tmp_path):
        secrets = {"SMTP_PASS": "mail", "OPENAI_API_KEY": "openai"}
        engine.set_all_config(self.values(secrets=secrets), list(ENCRYPTED))
        stored = {"SMTP_PASS": {"secure": "v1:abc"}, "OPENAI_API_KEY": "openai"}
        content = {"config": {"stromhaltig:secrets": stored}}
        (tmp_path / "Pulumi.staging.yaml").write_text(yaml.safe_dump(content))

        with pytest.raises(SettingsError, match="OPENAI_API_KEY: is in plain text"):
            load()

    def test_it_finds_secrets_that_are_all_plain(self):
        engine.set_all_config(self.values(secrets={"SMTP_PASS": "mail"}), [])

        with pytest.raises(SettingsError, match="SMTP_PASS: is in plain text"):
            load()

    def test_it_refuses_encrypted_secrets_that_are_no_object(self):
        engine.set_all_config(self.values(secrets="hunter2"), list(ENCRYPTED))

        with pytest.raises(SettingsError, match="secrets: holds keys of its own"):
            load()


class TestRotations:
    def test_nothing_was_rotated_where_nothing_is_said(self):
        settings = read(staging())
        assert settings.rotations == {}
        assert settings.database_login is None
        assert not settings.accept_previous

    def test_what_is_made_up_here_can_be_rotated(self):
        rotations = dict.fromkeys(
            ("JWT_SECRET", "HEALTH_CHECK_TOKEN", "DATABASE_URL", "REDIS_URL"), 2
        )
        assert read(staging(rotations=rotations)).rotations == rotations

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("JWT_SECRETS", 'no such secret that is made up here. Did you mean "JWT_'),
            (
                "SMTP_PASS",
                "no such secret that is made up here. Those are JWT_SECRET, "
                "HEALTH_CHECK_TOKEN, DATABASE_URL, REDIS_URL",
            ),
        ],
    )
    def test_another_name_is_refused_with_the_nearest(self, name, problem):
        [line] = refusal(staging(rotations={name: 1}))
        assert line.startswith(f"stromhaltig:rotations.{name}: {problem}")

    def test_a_platform_that_cannot_change_a_password_says_so(self):
        with pytest.raises(SettingsError, match=r"rotations\.DATABASE_URL: no such"):
            parse(
                "s",
                {
                    "stromhaltig:platform": "railway",
                    "stromhaltig:rotations": {"DATABASE_URL": 1},
                },
                secret_keys=(),
            )

    @pytest.mark.parametrize("count", [0, -1, 10_000, "2", 1.5])
    def test_a_count_is_a_whole_number_from_1(self, count):
        [line] = refusal(staging(rotations={"JWT_SECRET": count}))
        assert "is not a whole number from 1 to 9999" in line

    def test_the_operators_own_secret_is_not_rotated(self):
        config = staging(secrets={"JWT_SECRET": "x" * 32}, rotations={"JWT_SECRET": 1})
        assert refusal(config) == [
            "stromhaltig:rotations.JWT_SECRET: is for a secret that is made up, and "
            "secrets.JWT_SECRET is your own. Remove one of them"
        ]

    def test_the_login_is_set_and_counted(self):
        config = staging(
            secrets={"DATABASE_LOGIN": "stromhaltig_a:hunter2"},
            rotations={"DATABASE_LOGIN": 3},
        )
        assert read(config).rotations == {"DATABASE_LOGIN": 3}

    def test_a_platform_without_such_logins_counts_none(self):
        with pytest.raises(SettingsError, match=r"rotations\.DATABASE_LOGIN: no such"):
            parse(
                "s",
                {
                    "stromhaltig:platform": "railway",
                    "stromhaltig:rotations": {"DATABASE_LOGIN": 1},
                },
                secret_keys=(),
            )

    def test_a_previous_value_needs_a_rotation(self):
        config = staging(accept_previous=True, rotations={"HEALTH_CHECK_TOKEN": 1})
        assert refusal(config) == [
            "stromhaltig:accept_previous: is for a JWT_SECRET that was rotated, and "
            "rotations.JWT_SECRET is not there. Remove it"
        ]
        assert read(
            staging(accept_previous=True, rotations={"JWT_SECRET": 1})
        ).accept_previous

    def test_the_login_is_user_and_password_in_one(self):
        secrets = {"DATABASE_LOGIN": "stromhaltig_a:hunter2"}
        settings = read(staging(secrets=secrets))
        assert settings.database_login == ("stromhaltig_a", "hunter2")
        assert "DATABASE_LOGIN" not in settings.app_secrets()

    @pytest.mark.parametrize("login", ["hunter2", "a:hunter2@x", ":hunter2", "a:"])
    def test_a_login_that_is_none_is_refused_and_not_shown(self, login):
        [line] = refusal(staging(secrets={"DATABASE_LOGIN": login}))
        assert "must be a login like USER:PASSWORD" in line
        assert "hunter2" not in line
