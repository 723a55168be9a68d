"""Railway's config as code: what is written, and that Railway knows its fields."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from components.railway.config_file import as_json, as_toml, build, config, deploy
from components.railway.service import Build, Deploy
from contract import APP, AppContract

TEXT, NUMBER, TEXTS = str, int, list
PUBLISHED: dict[str, dict[str, type]] = {
    "build": {
        "builder": TEXT,
        "buildCommand": TEXT,
        "dockerfilePath": TEXT,
        "nixpacksConfigPath": TEXT,
        "nixpacksPlan": dict,
        "nixpacksVersion": TEXT,
        "railpackVersion": TEXT,
        "watchPatterns": TEXTS,
    },
    "deploy": {
        "cronSchedule": TEXT,
        "drainingSeconds": NUMBER,
        "healthcheckPath": TEXT,
        "healthcheckTimeout": NUMBER,
        "multiRegionConfig": dict,
        "overlapSeconds": NUMBER,
        "preDeployCommand": TEXTS,
        "restartPolicyMaxRetries": NUMBER,
        "restartPolicyType": TEXT,
        "startCommand": TEXT,
    },
    "environments": {},
}
"""Every field of docs.railway.com/config-as-code/reference (2026), with its kind.

The page shows overlapSeconds and drainingSeconds in quotes, which Railway refuses:
"Expected number, received string" (github.com/railwayapp/docs/issues/1243).
"""

BUILT = build()
DEPLOYED = deploy(APP, overlap=20, draining=70)


def written(built: Build, deployed: Deploy) -> list[dict[str, Any]]:
    return [
        json.loads(as_json(built, deployed)),
        tomllib.loads(as_toml(built, deployed)),
    ]


@pytest.mark.parametrize(
    ("built", "deployed"),
    [
        (BUILT, DEPLOYED),
        (Build(), Deploy()),
        (build("ci.Dockerfile", "app"), Deploy(start_command="node dist/main.js")),
    ],
)
def test_every_field_is_one_that_railway_publishes(built, deployed):
    for read in written(built, deployed):
        read.pop("$schema", None)
        assert read.keys() <= PUBLISHED.keys()
        for section, fields in read.items():
            for name, value in fields.items():
                assert type(value) is PUBLISHED[section][name], f"{section}.{name}"


def test_both_files_say_the_same():
    as_json_, as_toml_ = written(BUILT, DEPLOYED)

    assert as_json_.pop("$schema") == "https://railway.com/railway.schema.json"
    assert as_json_ == as_toml_ == config(BUILT, DEPLOYED)


def test_the_files_are_what_a_person_would_write():
    assert as_toml(BUILT, DEPLOYED) == (
        "[build]\n"
        'builder = "DOCKERFILE"\n'
        'dockerfilePath = "Dockerfile"\n'
        'watchPatterns = ["**", "!/*.md", "!/docs/**"]\n'
        "\n"
        "[deploy]\n"
        'preDeployCommand = ["npm run migrate"]\n'
        'healthcheckPath = "/api/health"\n'
        "healthcheckTimeout = 300\n"
        'restartPolicyType = "ON_FAILURE"\n'
        "restartPolicyMaxRetries = 3\n"
        "overlapSeconds = 20\n"
        "drainingSeconds = 70\n"
    )
    assert as_json(BUILT, DEPLOYED).endswith('    "drainingSeconds": 70\n  }\n}\n')


def test_a_crash_is_tried_again_three_times_as_in_the_guide():
    fields = config(BUILT, DEPLOYED)["deploy"]

    assert fields["restartPolicyType"] == "ON_FAILURE"
    assert fields["restartPolicyMaxRetries"] == 3


def test_there_are_no_variables_in_it():
    text = as_toml(BUILT, DEPLOYED) + as_json(BUILT, DEPLOYED)
    for variable in APP.variables:
        assert variable.name not in text, variable.name
    assert "[env]" not in text


def test_what_is_asked_and_run_comes_from_the_contract():
    contract = AppContract(
        health_path="/ready", migrate_command=("node", "migrate.js", "a b", 'c"d\\e')
    )
    deployed = deploy(contract)
    fields = config(BUILT, deployed)["deploy"]

    assert fields["healthcheckPath"] == "/ready"
    assert fields["preDeployCommand"] == ["node migrate.js 'a b' 'c\"d\\e'"]
    for read in written(BUILT, deployed):
        assert read["deploy"] == fields


def test_what_differs_between_stacks_is_left_to_the_service():
    here = deploy(APP, region="us-west2", replicas=3, sleep=True)

    assert config(BUILT, here) == config(BUILT, deploy(APP))


@pytest.mark.parametrize("root", ["app", "app/", "/app"])
def test_a_folder_of_a_repository_is_watched_from_the_top(root):
    assert build(root=root).watch_patterns == ("/app/**",)
    assert build(root=root).root_directory == "app"


def test_documents_do_not_deploy():
    everything, *exceptions = build().watch_patterns

    assert everything == "**"
    assert all(pattern.startswith("!/") for pattern in exceptions)
    assert build().root_directory is None
