"""The App Platform spec: what it says, and that every field is a published one."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml

from components.digitalocean.app_spec import (
    Alerts,
    AppSpecArgs,
    Autoscaling,
    Check,
    Client,
    Domain,
    GitHubSource,
    ImageSource,
    LogForwarding,
    Maintenance,
    Migration,
    Secret,
    build,
    for_provider,
    leaves,
    render,
    replaced,
)

DIGEST = "sha256:" + "ab" * 32
IMAGE = ImageSource(
    registry_type="GHCR",
    registry="stromdao",
    repository="stromhaltig",
    digest=DIGEST,
    credentials="reader:token",
)
GITHUB = GitHubSource(repo="stromdao/stromhaltig", dockerfile_path="Dockerfile")
CLIENT = Client(
    source=GitHubSource(
        repo="stromdao/stromhaltig",
        source_dir="/client",
        build_command="npm run build",
        environment_slug="node-js",
    ),
    output_dir="dist",
)

SMALL = AppSpecArgs(
    name="stromhaltig",
    region="fra",
    source=IMAGE,
    port=3001,
    size="apps-s-1vcpu-1gb",
    environment={"NODE_ENV": "production", "LOG_LEVEL": "info"},
    secrets={"JWT_SECRET": "a-key-that-signs"},
    readiness=Check(http_path="/api/health"),
    liveness=Check(http_path="/api/health/live", failure_threshold=18),
)
FULL = replace(
    SMALL,
    size="apps-d-1vcpu-1gb",
    autoscaling=Autoscaling(min_count=2, max_count=4),
    command=("npm", "start"),
    ca_certificate="-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
    client=CLIENT,
    migration=Migration(
        command=("npm", "run", "migrate"),
        secrets={"ADMIN_DATABASE_URL": "postgresql://doadmin:secret@db/app"},
        size="apps-s-1vcpu-0.5gb",
    ),
    dev_database="15",
    alerts=Alerts(),
    domain=Domain(
        name="stromhaltig.de", aliases=("www.stromhaltig.de",), zone="stromhaltig.de"
    ),
    logs=LogForwarding(
        kind="opensearch", endpoint="https://logs:25060", token="writer:pass:word"
    ),
    maintenance=Maintenance(archive=True, offline_page_url="https://example.org/off"),
    dedicated_egress=True,
    vpc_id="c33931f2-a26a-4e61-b85c-4e95a2ec431b",
)

# Names of JSON fields in https://github.com/digitalocean/godo/blob/
# 028234cfe07c02fefad0bfbfae1607ce9dba0937/apps.gen.go, which DigitalOcean generates
# from the schema of its API; `vpc` is younger, and from
# https://github.com/digitalocean/terraform-provider-digitalocean/blob/
# 05da84064b347c736a9c289df54db385704f7935/digitalocean/app/app_spec.go.
ENV = {"key": None, "scope": None, "type": None, "value": None}
GIT_SERVICE = {"branch": None, "deploy_on_push": None, "repo": None}
ALERT = dict.fromkeys(("disabled", "operator", "rule", "value", "window"))
SOURCE = {
    "git": {"branch": None, "repo_clone_url": None},
    "github": GIT_SERVICE,
    "gitlab": GIT_SERVICE,
    "bitbucket": GIT_SERVICE,
    "dockerfile_path": None,
    "build_command": None,
    "source_dir": None,
    "environment_slug": None,
    "envs": ENV,
}
HEALTH_CHECK = dict.fromkeys(
    (
        "failure_threshold",
        "http_path",
        "initial_delay_seconds",
        "period_seconds",
        "port",
        "success_threshold",
        "timeout_seconds",
    )
)
CONTAINER = {
    **SOURCE,
    "name": None,
    "run_command": None,
    "instance_size_slug": None,
    "instance_count": None,
    "image": {
        "registry_type": None,
        "registry": None,
        "repository": None,
        "tag": None,
        "digest": None,
        "deploy_on_push": {"enabled": None},
        "registry_credentials": None,
    },
    "alerts": ALERT,
    "log_destinations": {
        "name": None,
        "papertrail": {"endpoint": None},
        "datadog": {"endpoint": None, "api_key": None},
        "logtail": {"token": None},
        "open_search": {
            "endpoint": None,
            "basic_auth": {"user": None, "password": None},
            "index_name": None,
            "cluster_name": None,
        },
    },
    "termination": {"grace_period_seconds": None},
}
PUBLISHED: dict[str, Any] = {
    "name": None,
    "region": None,
    "domains": dict.fromkeys(
        ("certificate", "domain", "minimum_tls_version", "type", "wildcard", "zone")
    ),
    "envs": ENV,
    "alerts": ALERT,
    "services": {
        **CONTAINER,
        "http_port": None,
        "internal_ports": None,
        "protocol": None,
        "autoscaling": {
            "min_instance_count": None,
            "max_instance_count": None,
            "metrics": {"cpu": {"percent": None}},
        },
        "health_check": HEALTH_CHECK,
        "liveness_health_check": HEALTH_CHECK,
        "termination": {"drain_seconds": None, "grace_period_seconds": None},
    },
    "static_sites": {
        **SOURCE,
        "name": None,
        "output_dir": None,
        "index_document": None,
        "error_document": None,
        "catchall_document": None,
    },
    "jobs": {**CONTAINER, "kind": None},
    "databases": dict.fromkeys(
        (
            *("cluster_name", "db_name", "db_user", "engine"),
            *("name", "num_nodes", "production", "size", "version"),
        )
    ),
    "ingress": {
        "rules": {
            "match": {
                "path": {"prefix": None, "exact": None},
                "authority": {"prefix": None, "exact": None},
            },
            "component": {"name": None, "preserve_path_prefix": None, "rewrite": None},
            "redirect": dict.fromkeys(
                ("authority", "port", "redirect_code", "scheme", "uri")
            ),
        }
    },
    "egress": {"type": None},
    "features": None,
    "maintenance": {"enabled": None, "archive": None, "offline_page_url": None},
    "vpc": {"id": None},
}


def unpublished(spec: Any, schema: Any, path: str = "") -> Iterator[str]:
    """The path of each field that the schema does not have."""
    if isinstance(spec, list):
        for item in spec:
            yield from unpublished(item, schema, path)
    elif isinstance(spec, Mapping):
        for key, value in spec.items():
            if schema is None or key not in schema:
                yield f"{path}.{key}"
            else:
                yield from unpublished(value, schema[key], f"{path}.{key}")


def envs(component: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {env["key"]: env for env in component["envs"]}


@pytest.mark.parametrize("args", [SMALL, FULL, replace(SMALL, source=GITHUB)])
def test_every_field_is_one_that_digitalocean_publishes(args):
    assert list(unpublished(build(args), PUBLISHED)) == []
    assert list(unpublished(yaml.safe_load(render(args)), PUBLISHED)) == []


def test_a_field_that_is_not_published_would_be_found():
    # The guide's file has it so; the platform ignores it.
    spec = {"services": [{"name": "api", "env": [{"key": "NODE_ENV"}]}]}

    assert list(unpublished(spec, PUBLISHED)) == [".services.env"]


def test_the_service_runs_the_image_by_digest():
    [service] = build(SMALL)["services"]

    assert service["image"] == {
        "registry_type": "GHCR",
        "registry": "stromdao",
        "repository": "stromhaltig",
        "digest": DIGEST,
        "registry_credentials": Secret("reader:token"),
    }
    assert service["http_port"] == 3001
    assert service["instance_count"] == 2
    assert service["instance_size_slug"] == "apps-s-1vcpu-1gb"
    assert service["health_check"]["http_path"] == "/api/health"
    assert service["liveness_health_check"]["http_path"] == "/api/health/live"
    assert service["termination"] == {"drain_seconds": 15, "grace_period_seconds": 120}
    assert "run_command" not in service


def test_the_service_is_built_from_github_and_deployed_on_push():
    [service] = build(replace(SMALL, source=GITHUB))["services"]

    assert service["github"] == {
        "repo": "stromdao/stromhaltig",
        "branch": "main",
        "deploy_on_push": True,
    }
    assert service["dockerfile_path"] == "Dockerfile"
    assert "image" not in service


def test_the_migration_runs_what_the_service_runs_before_each_deployment():
    spec = build(FULL)
    [job], [service] = spec["jobs"], spec["services"]

    assert job["kind"] == "PRE_DEPLOY"
    assert job["image"] == service["image"]
    assert job["run_command"].endswith("exec npm run migrate'")
    assert set(envs(job)) == {*envs(service), "ADMIN_DATABASE_URL"}


def test_environment_is_sorted_and_only_secrets_have_a_type():
    [service] = build(SMALL)["services"]

    assert service["envs"] == [
        {
            "key": "JWT_SECRET",
            "scope": "RUN_TIME",
            "type": "SECRET",
            "value": Secret("a-key-that-signs"),
        },
        {"key": "LOG_LEVEL", "scope": "RUN_TIME", "value": "info"},
        {"key": "NODE_ENV", "scope": "RUN_TIME", "value": "production"},
    ]


def test_the_api_keeps_its_prefix_and_the_client_answers_everything_else():
    spec = build(replace(SMALL, client=CLIENT))

    assert spec["ingress"]["rules"] == [
        {
            "match": {"path": {"prefix": "/api"}},
            "component": {"name": "api", "preserve_path_prefix": True},
        },
        {"match": {"path": {"prefix": "/"}}, "component": {"name": "client"}},
    ]
    [site] = spec["static_sites"]
    assert site["catchall_document"] == "index.html"
    assert site["output_dir"] == "dist"


def test_without_a_static_site_the_service_answers_everything():
    spec = build(SMALL)

    assert "static_sites" not in spec
    assert spec["ingress"]["rules"] == [
        {"match": {"path": {"prefix": "/"}}, "component": {"name": "api"}}
    ]


def test_other_names_are_redirected_to_the_domain():
    spec = build(FULL)

    assert [(d["domain"], d["type"], d["zone"]) for d in spec["domains"]] == [
        ("stromhaltig.de", "PRIMARY", "stromhaltig.de"),
        ("www.stromhaltig.de", "ALIAS", "stromhaltig.de"),
    ]
    first = spec["ingress"]["rules"][0]
    assert first["match"]["authority"] == {"exact": "www.stromhaltig.de"}
    assert first["redirect"]["authority"] == "stromhaltig.de"
    assert first["redirect"]["redirect_code"] == 308


def test_autoscaling_takes_the_place_of_a_fixed_number():
    [service] = build(FULL)["services"]

    assert "instance_count" not in service
    assert service["autoscaling"] == {
        "min_instance_count": 2,
        "max_instance_count": 4,
        "metrics": {"cpu": {"percent": 70}},
    }


def test_alerts_are_of_the_deployment_and_of_the_containers():
    spec = build(FULL)

    assert [alert["rule"] for alert in spec["alerts"]] == [
        "DEPLOYMENT_FAILED",
        "DOMAIN_FAILED",
        "AUTOSCALE_FAILED",
    ]
    [service] = spec["services"]
    assert {alert["rule"]: alert["value"] for alert in service["alerts"]} == {
        "CPU_UTILIZATION": 80,
        "MEM_UTILIZATION": 85,
        "RESTART_COUNT": 3,
    }
    # The provider never reads them back: each preview would differ.
    assert "'destinations'" not in str(spec)


def test_a_container_writes_the_certificate_before_it_starts(tmp_path):
    [service] = build(replace(FULL, command=("cat", str(tmp_path / "ca.pem"))))[
        "services"
    ]
    environment = {
        name: env["value"]
        for name, env in envs(service).items()
        if isinstance(env["value"], str)
    } | {"PATH": "/usr/bin:/bin", "NODE_EXTRA_CA_CERTS": str(tmp_path / "ca.pem")}

    said = subprocess.run(
        shlex.split(service["run_command"]),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout == f"{FULL.ca_certificate}\n"


def test_options_that_are_not_chosen_are_not_mentioned():
    assert set(build(SMALL)) == {"name", "region", "ingress", "services"}


def test_options_are_there_when_they_are_chosen():
    spec = build(FULL)

    assert spec["databases"] == [
        {"name": "db", "engine": "PG", "version": "15", "production": False}
    ]
    assert spec["egress"] == {"type": "DEDICATED_IP"}
    assert spec["vpc"] == {"id": FULL.vpc_id}
    assert spec["maintenance"] == {
        "enabled": True,
        "archive": True,
        "offline_page_url": "https://example.org/off",
    }


@pytest.mark.parametrize(
    ("logs", "destination"),
    [
        (
            LogForwarding(kind="papertrail", endpoint="logs.example.org:514"),
            {"papertrail": {"endpoint": "logs.example.org:514"}},
        ),
        (
            LogForwarding(kind="logtail", token="source"),
            {"logtail": {"token": Secret("source")}},
        ),
        (
            LogForwarding(kind="datadog", token="key"),
            {"datadog": {"api_key": Secret("key")}},
        ),
        (
            FULL.logs,
            {
                "open_search": {
                    "endpoint": "https://logs:25060",
                    "basic_auth": {
                        "user": Secret("writer"),
                        "password": Secret("pass:word"),
                    },
                }
            },
        ),
    ],
)
def test_logs_are_forwarded_by_service_and_migration(logs, destination):
    spec = build(replace(FULL, logs=logs))

    for component in (*spec["services"], *spec["jobs"]):
        assert component["log_destinations"] == [{"name": "logs", **destination}]


def test_the_provider_has_other_names_for_a_few_fields():
    spec = for_provider(build(FULL))

    assert spec["egresses"] == [{"type": "DEDICATED_IP"}]
    assert spec["vpcs"] == [{"id": FULL.vpc_id}]
    assert spec["domain_names"][0] == {
        "name": "stromhaltig.de",
        "type": "PRIMARY",
        "zone": "stromhaltig.de",
    }
    assert not {"egress", "vpc", "domains"} & set(spec)


def test_a_value_is_found_by_names_and_replaced_there():
    path = "services/api/envs/JWT_SECRET/value"
    spec = build(SMALL)

    assert dict(leaves(spec))[path] == Secret("a-key-that-signs")
    changed = replaced(spec, {path: "EV[1:x:y]"})
    assert dict(leaves(changed)) == {**dict(leaves(spec)), path: "EV[1:x:y]"}


def test_the_file_holds_no_secret_and_says_which_are_missing():
    text = render(FULL)
    secrets = ("a-key-that-signs", "reader:token", "doadmin", "writer", "pass:word")

    assert not [secret for secret in secrets if secret in text]
    assert "#   services/api/envs/JWT_SECRET/value\n" in text
    assert "#   services/api/image/registry_credentials\n" in text
    [service] = yaml.safe_load(text)["services"]
    assert envs(service)["JWT_SECRET"] == {
        "key": "JWT_SECRET",
        "scope": "RUN_TIME",
        "type": "SECRET",
    }
    assert envs(service)["DATABASE_CA"]["value"] == FULL.ca_certificate


def test_the_file_is_refused_while_something_is_not_known():
    async def later() -> str:
        return ""

    waiting = later()
    with pytest.raises(ValueError, match=r"^vpc/id: is known only once"):
        render(replace(SMALL, vpc_id=waiting))
    waiting.close()


def test_every_contradiction_is_told_at_once():
    with pytest.raises(ValueError, match="source") as raised:
        replace(
            SMALL,
            source=ImageSource(registry_type="DOCR", repository="app"),
            ca_certificate="PEM",
            autoscaling=Autoscaling(min_count=3, max_count=3),
            logs=LogForwarding(kind="opensearch"),
        )

    assert [line.partition(":")[0] for line in str(raised.value).splitlines()] == [
        "source",
        "command",
        "autoscaling",
        "autoscaling",
        "logs.endpoint",
        "logs.token",
    ]
