"""`stromhaltig env render`: files that platforms read, without any secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from contract import APP
from ops import env
from ops.cli import app

DIGEST = f"sha256:{'1' * 64}"
IMAGE = {"ref": f"ghcr.io/stromdao/stromhaltig@{DIGEST}"}
SMTP = {"SMTP_HOST": "smtp.example.org"}
SSH_KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43} me@example.org"
SEALED = {"secure": "v1:abc:def"}

STACKS: dict[str, dict[str, Any]] = {
    "digitalocean": {
        "platform": "digitalocean",
        "domain": {"name": "stromhaltig.de"},
        "image": IMAGE,
        "app": SMTP,
        "secrets": {"OPENAI_API_KEY": SEALED},
        "database": {"kind": "dev"},
        "service": {"size": "apps-s-1vcpu-1gb"},
    },
    "railway": {
        "platform": "railway",
        "domain": {"name": "stromhaltig.de"},
        "image": IMAGE,
        "app": SMTP,
        "secrets": {"RAILWAY_TOKEN": SEALED},
    },
    "machine": {
        "platform": "digitalocean",
        "digitalocean:token": SEALED,
        "droplet": {"ssh_keys": [SSH_KEY]},
    },
    "docker": {
        "platform": "docker",
        "domain": {"name": "stromhaltig.de"},
        "proxy": {"certificate": "letsencrypt", "email": "ops@example.org"},
        "image": IMAGE,
        "app": SMTP,
    },
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for stack, settings in STACKS.items():
        config = {
            key if ":" in key else f"stromhaltig:{key}": value
            for key, value in settings.items()
        }
        config["stromhaltig:environment"] = "staging"
        text = yaml.safe_dump({"config": config})
        (tmp_path / f"Pulumi.{stack}.yaml").write_text(text)
    monkeypatch.setattr(env, "ROOT", tmp_path)
    return tmp_path


def render(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["env", "render", *arguments])


def test_app_platform_gets_the_spec_of_the_stack(folder):
    done = render("do", "--stack", "digitalocean")
    assert done.exit_code == 0, done.output
    spec = yaml.safe_load(done.stdout)
    (api,) = spec["services"]
    assert api["image"]["digest"] == DIGEST
    assert api["http_port"] == APP.port
    assert spec["databases"][0]["engine"] == "PG"
    assert [job["kind"] for job in spec["jobs"]] == ["PRE_DEPLOY"]


def test_railway_gets_its_config_as_code(folder):
    done = render("railway", "--stack", "railway")
    assert done.exit_code == 0, done.output
    config = json.loads(done.stdout)
    assert config["build"]["builder"] == "DOCKERFILE"
    assert config["deploy"]["restartPolicyType"] == "ON_FAILURE"
    assert config["deploy"]["restartPolicyMaxRetries"] == 3
    assert "env" not in config


def test_secrets_are_named_and_never_told(folder):
    done = render("do", "--stack", "digitalocean")
    envs = {e["key"]: e for e in yaml.safe_load(done.stdout)["services"][0]["envs"]}
    assert envs["OPENAI_API_KEY"] == {
        "key": "OPENAI_API_KEY",
        "scope": "RUN_TIME",
        "type": "SECRET",
    }
    assert "JWT_SECRET" in envs
    assert "stands-in" not in done.stdout


def test_a_file_is_written_with_its_folder(folder):
    target = folder / ".do" / "app.yaml"
    done = render("do", "--stack", "digitalocean", "--output", str(target))
    assert done.stdout == f"{target} written.\n"
    assert yaml.safe_load(target.read_text())["name"] == "stromhaltig-digitalocean"


def test_a_file_that_cannot_be_written_is_told(folder):
    (folder / "taken").write_text("")
    done = render(
        "dotenv", "--stack", "docker", "--output", str(folder / "taken" / "x")
    )
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


def test_the_environment_has_values_and_names_of_secrets(folder):
    done = render("dotenv", "--stack", "docker")
    lines = done.stdout.splitlines()
    assert "SMTP_HOST=smtp.example.org" in lines
    assert f"PORT={APP.port}" in lines
    assert {"DATABASE_URL=", "JWT_SECRET=", "OPENAI_API_KEY="} <= set(lines)


def test_programs_get_each_file_as_json(folder):
    for target, stack in (("do", "digitalocean"), ("railway", "railway")):
        done = render(target, "--stack", stack, "--json")
        assert json.loads(done.stdout) == yaml.safe_load(
            render(target, "--stack", stack).stdout
        )
    told = json.loads(render("dotenv", "-s", "docker", "--json").stdout)
    assert told["SMTP_HOST"] == "smtp.example.org"
    assert told["PORT"] == str(APP.port)
    assert told["JWT_SECRET"] is None


def test_json_is_written_where_the_file_would_be(folder):
    target = folder / "app.json"
    done = render("do", "-s", "digitalocean", "--json", "--output", str(target))
    assert done.stdout == f"{target} written.\n"
    assert json.loads(target.read_text())["name"] == "stromhaltig-digitalocean"


@pytest.mark.parametrize(
    ("target", "stack", "says"),
    [
        (
            "do",
            "docker",
            "do is a file of the platform digitalocean, and stack docker is of docker",
        ),
        (
            "railway",
            "docker",
            "railway is a file of the platform railway, and stack docker is of docker",
        ),
        ("do", "machine", "The stack makes a droplet, and no app on App Platform."),
        (
            "do",
            "nowhere",
            "there is no such file; stacks here: digitalocean, docker, machine",
        ),
    ],
)
def test_what_cannot_be_rendered_is_refused_with_the_reason(
    folder, target, stack, says
):
    done = render(target, "--stack", stack)
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stdout == ""


def test_every_problem_of_the_stack_file_is_told(folder):
    file = folder / "Pulumi.digitalocean.yaml"
    content = yaml.safe_load(file.read_text())
    content["config"]["stromhaltig:region"] = "fra2"
    content["config"]["stromhaltig:image"] = {}
    file.write_text(yaml.safe_dump(content))
    done = render("do", "--stack", "digitalocean")
    assert done.exit_code == 2
    assert "stromhaltig:region" in done.stderr
    assert "stromhaltig:image" in done.stderr


def test_what_the_platform_decides_is_as_the_platform_decides_it(folder):
    lines = render("dotenv", "--stack", "docker").stdout.splitlines()
    assert {"ENABLE_CACHE=true", "TRUSTED_PROXIES=1"} <= set(lines)
    lines = render("dotenv", "--stack", "digitalocean").stdout.splitlines()
    assert {"ENABLE_CACHE=false", "TRUSTED_PROXIES=2"} <= set(lines)


@pytest.mark.parametrize("text", ["a: [", "only text", "config: [1, 2]", "\x00"])
def test_a_broken_stack_file_is_told_without_quoting_it(folder, text):
    (folder / "Pulumi.docker.yaml").write_text(text)
    done = render("dotenv", "--stack", "docker")
    assert done.exit_code == 2
    assert done.stderr == (
        "Pulumi.docker.yaml has 1 problem:\n  it is no YAML with a `config` section\n"
    )
