"""The app contract: complete against the guide, strict about values, stable."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import (
    APP,
    JOBS,
    VARIABLES,
    AppContract,
    Job,
    Kind,
    Variable,
    nearest_hint,
)

NODE = shutil.which("node")
FOLDER = Path(__file__).parents[2] / "app"
BY_NAME = {variable.name: variable for variable in VARIABLES}
DATABASE = "arn:aws:secretsmanager:eu-central-1:1:secret:stromhaltig/x/DATABASE_URL-a"

# The deployment guide's section "Production Environment Variables", in its order.
GUIDE = re.findall(
    r"\w+",
    """
NODE_ENV PORT HOST DATABASE_URL DB_POOL_MIN DB_POOL_MAX DB_IDLE_TIMEOUT JWT_SECRET
JWT_EXPIRES_IN BCRYPT_SALT_ROUNDS RATE_LIMIT_WINDOW_MS RATE_LIMIT_MAX_REQUESTS
UPLOAD_DIR MAX_FILE_SIZE LOG_LEVEL LOG_FILE LOG_MAX_SIZE LOG_MAX_FILES GEMINI_API_KEY
OPENAI_API_KEY SMTP_HOST SMTP_PORT SMTP_USER SMTP_PASS SENTRY_DSN HEALTH_CHECK_TOKEN
REDIS_URL ENABLE_COMPRESSION ENABLE_CACHE
""",
)
OURS = ["TRUSTED_PROXIES", "JWT_SECRET_PREVIOUS"]
"""What no guide needs that has one proxy, and rotates nothing."""


def references() -> dict[str, str]:
    """One reference for every secret that a stack cannot do without."""
    return {
        variable.name: f"arn:{variable.name}"
        for variable in VARIABLES
        if variable.secret and not variable.optional
    }


def test_every_variable_of_the_guide_is_in_the_contract():
    assert [variable.name for variable in VARIABLES] == GUIDE + OURS


def test_plain_defaults_are_the_guides():
    assert {v.name: v.default for v in APP.of_kind(Kind.PLAIN)} == {
        "NODE_ENV": "production",
        "DB_POOL_MIN": "2",
        "DB_POOL_MAX": "20",
        "DB_IDLE_TIMEOUT": "30000",
        "JWT_EXPIRES_IN": "24h",
        "BCRYPT_SALT_ROUNDS": "12",
        "RATE_LIMIT_WINDOW_MS": "900000",
        "RATE_LIMIT_MAX_REQUESTS": "1000",
        "MAX_FILE_SIZE": "100MB",
        "LOG_LEVEL": "info",
        "LOG_FILE": "/app/logs/app.log",
        "LOG_MAX_SIZE": "100MB",
        "LOG_MAX_FILES": "10",
        "SMTP_HOST": None,
        "SMTP_PORT": "587",
        "SMTP_USER": "noreply@stromhaltig.de",
        "ENABLE_COMPRESSION": "true",
    }


def test_secrets_are_told_from_plain_values():
    assert {v.name for v in VARIABLES if v.secret} == {
        "DATABASE_URL",
        "REDIS_URL",
        "JWT_SECRET",
        "JWT_SECRET_PREVIOUS",
        "HEALTH_CHECK_TOKEN",
        "GEMINI_API_KEY",
        "OPENAI_API_KEY",
        "SMTP_PASS",
        "SENTRY_DSN",
    }
    assert {v.name for v in APP.of_kind(Kind.GENERATED)} == {
        "JWT_SECRET",
        "HEALTH_CHECK_TOKEN",
    }


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda v: v.name)
def test_a_variable_explains_itself_and_its_default_obeys_its_rule(variable):
    assert variable.description.endswith(".")
    assert variable.default is None or variable.rule.accepts(variable.default)


def test_what_is_made_up_is_of_the_first_generation_until_it_is_rotated():
    made = APP.to_generate(given=["HEALTH_CHECK_TOKEN"], previous=True)

    assert {name: wanted.label for name, wanted in made.items()} == {
        "JWT_SECRET": "jwt-secret"
    }


def test_a_rotation_keeps_the_previous_value_where_the_app_takes_it():
    rotations = {"JWT_SECRET": 2, "HEALTH_CHECK_TOKEN": 1}
    labels = {
        previous: {
            name: wanted.label
            for name, wanted in APP.to_generate(
                [], rotations, previous=previous
            ).items()
        }
        for previous in (False, True)
    }

    assert labels[False] == {
        "JWT_SECRET": "jwt-secret-2",
        "HEALTH_CHECK_TOKEN": "health-check-token-1",
    }
    assert labels[True] == {**labels[False], "JWT_SECRET_PREVIOUS": "jwt-secret-1"}


def test_a_secret_has_no_default():
    assert not [v.name for v in VARIABLES if v.secret and v.default is not None]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("JWT_SECRET", ["x" * 32], ["x" * 31, " " * 40, "x" * 32 + "\n", ""]),
        ("HEALTH_CHECK_TOKEN", ["x" * 16], ["x" * 15]),
        ("GEMINI_API_KEY", ["k"], ["", " ", "k\n"]),
        ("MAX_FILE_SIZE", ["1KB", "100MB", "2GB"], ["100", "0MB", "1.5MB", "100 MB"]),
        ("JWT_EXPIRES_IN", ["15m", "24h", "7d"], ["3600", "0h", "24 h", "forever"]),
        ("BCRYPT_SALT_ROUNDS", ["10", "15"], ["9", "16", "012", "1e1", "-12", "٣٣"]),
        ("DB_POOL_MAX", ["1", "500"], ["0", "501", "many", "", "9" * 5000]),
        ("DB_IDLE_TIMEOUT", ["1000"], ["999", "30s"]),
        ("RATE_LIMIT_WINDOW_MS", ["900000"], ["0"]),
        ("RATE_LIMIT_MAX_REQUESTS", ["1"], ["0"]),
        ("LOG_LEVEL", ["error", "debug"], ["INFO", "verbose"]),
        ("LOG_FILE", ["/app/logs/app.log"], ["/var/log/app", "/app/logs/../x"]),
        ("LOG_MAX_FILES", ["1", "100"], ["0", "101"]),
        ("NODE_ENV", ["production", "staging"], ["development", "prod"]),
        ("ENABLE_COMPRESSION", ["true", "false"], ["yes", "True", "1"]),
        ("SMTP_HOST", ["smtp.example.org"], ["localhost", "a b.de", "https://a.de"]),
        ("SMTP_PORT", ["587"], ["0", "65536"]),
        ("SMTP_USER", ["noreply@stromhaltig.de"], ["", "two words"]),
        ("SENTRY_DSN", ["https://k@o1.ingest.sentry.io/2"], ["https://sentry.io/2"]),
        ("DATABASE_URL", ["postgresql://u:p@h:5432/d"], ["mysql://u:p@h/d"]),
        ("REDIS_URL", ["rediss://h:6379"], ["http://h"]),
        ("UPLOAD_DIR", ["/app/uploads"], ["uploads"]),
    ],
)
def test_a_rule_accepts_and_refuses(name, good, bad):
    accepts = BY_NAME[name].rule.accepts

    assert all(accepts(value) for value in good)
    assert not [value for value in bad if accepts(value)]


def test_a_rule_as_validator_returns_the_value_or_says_what_it_must_be():
    rule = BY_NAME["LOG_LEVEL"].rule

    assert rule("warn") == "warn"
    with pytest.raises(
        ValueError,
        match=r'^"wran" is not one of error, .*\. Did you mean "warn"\?$',
    ):
        rule("wran")


def test_the_nearest_choice_is_named_only_when_there_is_one():
    assert nearest_hint("singel", ("none", "single")) == '. Did you mean "single"?'
    assert nearest_hint("xyz", ("none", "single")) == ""


def test_problems_name_the_variable_the_value_and_the_rule():
    assert list(APP.problems({"LOG_LEVEL": "loud", "SMTP_PORT": "0"})) == [
        ("LOG_LEVEL", '"loud" is not one of error, warn, info, debug'),
        ("SMTP_PORT", '"0" is not a whole number from 1 to 65535'),
    ]


def test_a_pool_minimum_above_the_maximum_is_a_problem():
    assert list(APP.problems({"DB_POOL_MIN": "21"})) == [
        ("DB_POOL_MIN", "21 is more than DB_POOL_MAX, 20")
    ]
    assert list(APP.problems({"DB_POOL_MIN": "9", "DB_POOL_MAX": "9"})) == []


def test_a_broken_pool_size_is_reported_once():
    assert [n for n, _ in APP.problems({"DB_POOL_MAX": "few"})] == ["DB_POOL_MAX"]


@pytest.mark.parametrize("name", ["PORT", "JWT_SECRET", "OPENAI_API_KEY", "NO_SUCH"])
def test_only_plain_variables_can_be_overridden(name):
    with pytest.raises(KeyError, match=f"{name} is not a plain variable"):
        APP.environment({name: "1"})


def test_the_environment_is_the_guides_without_secrets():
    environment = APP.environment()

    assert environment["PORT"] == "3001"
    assert environment["HOST"] == "0.0.0.0"  # noqa: S104
    assert environment["UPLOAD_DIR"] == "/app/uploads"
    assert environment["MAX_FILE_SIZE"] == "100MB"
    assert not {v.name for v in VARIABLES if v.secret} & environment.keys()
    assert "SMTP_HOST" not in environment


def test_overrides_replace_defaults_and_broken_ones_are_refused():
    environment = APP.environment({"LOG_LEVEL": "debug", "SMTP_HOST": "m.example"})

    assert environment["LOG_LEVEL"] == "debug"
    assert environment["SMTP_HOST"] == "m.example"
    with pytest.raises(ValueError, match='LOG_LEVEL: "loud" is not one of'):
        APP.environment({"LOG_LEVEL": "loud"})


def test_the_app_caches_only_where_there_is_a_cache():
    assert APP.environment()["ENABLE_CACHE"] == "false"
    assert APP.environment(cache=True)["ENABLE_CACHE"] == "true"


@given(st.permutations(["LOG_LEVEL", "SMTP_PORT", "NODE_ENV", "DB_POOL_MAX"]))
def test_renderings_do_not_depend_on_the_order_of_their_input(order):
    defaults = {name: BY_NAME[name].default or "" for name in order}
    shuffled = dict(reversed(references().items()))

    environment = list(APP.environment(defaults).items())
    secrets = APP.ecs_secrets(shuffled)

    assert environment == list(APP.environment().items())
    assert environment == sorted(environment)
    assert secrets == APP.ecs_secrets(references())
    assert [e["name"] for e in secrets] == sorted(references())


def test_no_name_is_both_an_environment_value_and_a_secret():
    names = list(APP.environment({"SMTP_HOST": "m.example"}))
    names += [e["name"] for e in APP.ecs_secrets(references())]

    optional = [v.name for v in VARIABLES if v.optional]
    assert sorted([*names, *optional]) == sorted(GUIDE + OURS)


def test_secrets_are_rendered_as_references():
    assert {"name": "DATABASE_URL", "valueFrom": DATABASE} in APP.ecs_secrets(
        references() | {"DATABASE_URL": DATABASE}
    )


@pytest.mark.parametrize("name", ["DATABASE_URL", "JWT_SECRET", "HEALTH_CHECK_TOKEN"])
def test_the_app_is_not_rendered_without_a_secret_it_needs(name):
    incomplete = {k: v for k, v in references().items() if k != name}

    with pytest.raises(KeyError, match=f"{name} has no reference"):
        APP.ecs_secrets(incomplete)


def test_operator_secrets_may_be_absent_and_a_cache_may_be_present():
    needed = {"DATABASE_URL", "JWT_SECRET", "HEALTH_CHECK_TOKEN"}
    minimal = {k: v for k, v in references().items() if k in needed}

    rendered = APP.ecs_secrets(minimal | {"REDIS_URL": "arn:redis"})

    assert {e["name"] for e in rendered} == needed | {"REDIS_URL"}


@pytest.mark.parametrize("name", ["LOG_LEVEL", "PORT", "NO_SUCH"])
def test_a_reference_to_what_is_no_secret_is_refused(name):
    with pytest.raises(KeyError, match=f"{name} is not a secret variable"):
        APP.ecs_secrets(references() | {name: "arn"})


def test_a_new_secret_is_one_line():
    added = Variable("NEW_KEY", Kind.OPERATOR, None, "New.", BY_NAME["SMTP_PASS"].rule)
    app = replace(APP, variables=(*VARIABLES, added))

    assert {"name": "NEW_KEY", "valueFrom": "arn:new"} in app.ecs_secrets(
        references() | {"NEW_KEY": "arn:new"}
    )


def test_the_container_matches_the_guide():
    assert (APP.port, APP.health_path) == (3001, "/api/health")
    assert (APP.uid, APP.gid) == (1001, 1001)
    assert APP.environment()["HOST"] == "0.0.0.0"  # noqa: S104
    assert APP.migrate_command == ("npm", "run", "migrate")
    assert APP.writable_dirs == ("/app/uploads", "/app/logs", "/tmp")  # noqa: S108


@contextmanager
def server(status: int) -> Iterator[AppContract]:
    """A loopback server that answers every request with one status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == APP.liveness_path
            self.send_response(status if found else 404)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield on_port(listening.server_port)
        listening.shutdown()


def on_port(port: int) -> AppContract:
    moved = replace(BY_NAME["PORT"], default=str(port))
    rest = [v for v in VARIABLES if v.name != "PORT"]
    return replace(APP, variables=(moved, *rest))


def run_health_command(app: AppContract) -> int:
    prefix, *command = app.health_command()
    assert prefix == "CMD"
    return subprocess.run(command, timeout=10, check=False).returncode


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@pytest.mark.parametrize(("status", "code"), [(200, 0), (302, 1), (500, 1)])
def test_the_health_command_succeeds_on_200_only(status, code):
    with server(status) as app:
        assert run_health_command(app) == code


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_health_command_fails_when_nothing_listens():
    with server(200) as app:
        gone = app

    assert run_health_command(gone) == 1


def test_the_health_command_needs_no_shell_and_asks_for_liveness():
    command = APP.health_command()

    assert command[:3] == ["CMD", "node", "-e"]
    assert "http://127.0.0.1:3001/api/health/live" in command[3]


SECRETS = ("DATABASE_URL", "HEALTH_CHECK_TOKEN", "JWT_SECRET")


def test_docker_gets_plain_values_and_the_files_of_secrets() -> None:
    rendered = APP.docker_environment({"LOG_LEVEL": "debug"}, SECRETS)
    assert rendered == sorted(rendered)
    assert "LOG_LEVEL=debug" in rendered
    assert "JWT_SECRET_FILE=/run/secrets/JWT_SECRET" in rendered
    assert "ENABLE_CACHE=false" in rendered
    assert not any(entry.startswith("JWT_SECRET=") for entry in rendered)


def test_docker_caches_exactly_where_redis_has_an_address() -> None:
    rendered = APP.docker_environment({}, (*SECRETS, "REDIS_URL"))
    assert "ENABLE_CACHE=true" in rendered
    assert "REDIS_URL_FILE=/run/secrets/REDIS_URL" in rendered


@pytest.mark.parametrize("secrets", [("DATABASE_URL",), (*SECRETS, "LOG_LEVEL")])
def test_docker_refuses_secrets_that_are_missing_or_none(
    secrets: tuple[str, ...],
) -> None:
    with pytest.raises(KeyError):
        APP.docker_environment({}, secrets)


@pytest.mark.parametrize(
    ("size", "expected"),
    [("100MB", 104_857_600), ("512KB", 524_288), ("2GB", 2_147_483_648)],
)
def test_the_largest_upload_is_known_in_bytes(size: str, expected: int) -> None:
    assert APP.upload_bytes({"MAX_FILE_SIZE": size}) == expected


def test_the_largest_upload_is_the_guides_unless_overridden() -> None:
    assert APP.upload_bytes() == 100 * 1024**2


JOB = {job.name: job for job in JOBS}


def test_the_jobs_are_scripts_of_the_app():
    scripts = json.loads((FOLDER / "package.json").read_text())["scripts"]

    assert [job.name for job in APP.jobs] == ["dump", "archive", "unpack", "maintain"]
    for job in APP.jobs:
        assert job.command[:3] == ("npm", "run", f"job:{job.name}")
        # What is appended to the command is the job's then, and not npm's.
        assert job.command[3:] == (("--",) if job.restores else ())
        assert job.command[2] in scripts


def test_a_job_that_makes_backups_is_told_where_they_go():
    bucket = object()

    environment = APP.job_environment(
        JOB["dump"], {"LOG_LEVEL": "debug"}, bucket=bucket, region="eu-central-1"
    )

    assert environment == {
        "AWS_REGION": "eu-central-1",
        "BACKUP_BUCKET": bucket,
        "BACKUP_PREFIX": "dumps/",
        "LOG_LEVEL": "debug",
        "NODE_ENV": "production",
    }
    assert list(environment) == sorted(environment)


def test_a_job_without_backups_knows_no_bucket():
    environment = APP.job_environment(
        JOB["maintain"], {}, bucket="backups", region="eu-central-1"
    )

    assert environment == {"LOG_LEVEL": "info", "NODE_ENV": "production"}


def test_the_archive_is_of_the_directory_that_is_mounted_and_needs_no_secret():
    environment = APP.job_environment(JOB["archive"], {}, bucket="b", region="r")

    assert environment["UPLOAD_DIR"] == APP.upload_dir
    assert environment["BACKUP_PREFIX"] == "uploads/"
    assert APP.job_secrets(JOB["archive"]) == ()


def test_what_is_unpacked_is_what_was_archived_and_into_the_same_directory():
    archive, unpack = JOB["archive"], JOB["unpack"]

    assert [job for job in JOBS if job.uploads] == [archive, unpack]
    assert [job for job in JOBS if job.restores] == [unpack]
    assert APP.job_environment(
        unpack, {}, bucket="b", region="r"
    ) == APP.job_environment(archive, {}, bucket="b", region="r")
    assert APP.job_secrets(unpack) == ()


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_job_reads_variables_of_the_app_only_and_gets_each_of_them(job: Job):
    rendered = APP.job_environment(job, {}, bucket="b", region="r")

    assert set(job.variables) <= BY_NAME.keys()
    assert set(job.variables) <= rendered.keys() | set(APP.job_secrets(job))


def test_a_job_is_given_the_database_as_a_secret_and_nothing_else():
    for name in ("dump", "maintain"):
        assert APP.job_secrets(JOB[name]) == ("DATABASE_URL",)


def test_a_job_refuses_the_overrides_that_the_app_refuses():
    with pytest.raises(ValueError, match='LOG_LEVEL: "loud" is not one of'):
        APP.job_environment(JOB["dump"], {"LOG_LEVEL": "loud"}, bucket="b", region="r")


def test_prefixes_are_apart_and_end_where_a_lifecycle_rule_can_tell_them():
    prefixes = [job.prefix for job in JOBS if job.prefix and not job.restores]

    assert len(set(prefixes)) == len(prefixes)
    assert all(re.fullmatch(r"[a-z]+/", prefix) for prefix in prefixes)


def test_the_paths_that_platforms_treat_apart_are_routes_of_the_api():
    for path in (APP.login_path, APP.upload_path, APP.health_path):
        assert path.startswith(APP.api_path)


def test_static_paths_are_what_the_app_calls_immutable():
    """And the bundler names files there after their content, unless told otherwise."""
    [path] = APP.static_paths
    folder = path.removesuffix("/*")

    assert f".use('{folder}', express.static(" in (
        (FOLDER / "src" / "client.ts").read_text()
    )
    bundler = (FOLDER / "client" / "vite.config.ts").read_text()
    assert not re.search(r"assetsDir|FileNames|\bbase:", bundler)


def test_the_app_is_told_how_many_proxies_are_in_front():
    assert APP.environment()["TRUSTED_PROXIES"] == "1"
    assert APP.environment(proxies=2)["TRUSTED_PROXIES"] == "2"
