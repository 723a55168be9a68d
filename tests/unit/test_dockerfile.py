"""The Dockerfile and what it leaves out: what can be known without building it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docker.utils import exclude_paths

from contract import APP
from settings.aws.groups import Database as RdsDatabase
from settings.docker import Database

FOLDER = Path(__file__).parents[2] / "app"
DOCKERFILE = FOLDER / "Dockerfile"

Instruction = tuple[str, str]
"""The keyword and what follows it, with continued lines joined."""


def instructions() -> list[Instruction]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", "", text)
    pairs = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(keyword, rest) for keyword, rest in pairs]


def stages() -> dict[str, list[Instruction]]:
    """The instructions of each stage, by its name; those before the first by ""."""
    found: dict[str, list[Instruction]] = {"": []}
    name = ""
    for keyword, rest in instructions():
        if keyword == "FROM":
            name = rest.split(" AS ")[1]
            found[name] = []
        found[name].append((keyword, rest))
    return found


def last(stage: str, keyword: str) -> str:
    return next(rest for word, rest in reversed(stages()[stage]) if word == keyword)


def kept(folder: Path, *paths: str) -> set[str]:
    """Which of these paths Docker would send to the build."""
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    patterns = [
        line
        for line in (FOLDER / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    return exclude_paths(str(folder), patterns) & set(paths)


def test_hadolint_finds_nothing():
    hadolint = Path(sys.executable).with_name("hadolint")
    checked = subprocess.run(
        [hadolint, "--no-color", DOCKERFILE],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert (checked.returncode, checked.stdout) == (0, "")


def test_every_stage_starts_from_one_argument_that_is_pinned_by_digest():
    [(keyword, argument)] = stages()[""]
    assert keyword == "ARG"
    name, image = argument.split("=")
    assert re.fullmatch(r"node:24\.\d+\.\d+-bookworm-slim@sha256:[0-9a-f]{64}", image)
    bases = {
        rest.removeprefix("--platform=$BUILDPLATFORM ").split(" AS ")[0]
        for word, rest in instructions()
        if word == "FROM"
    }
    assert bases == {f"${{{name}}}"}


def test_what_depends_on_the_cpu_is_installed_for_the_cpu_of_the_image():
    for stage in ("dependencies", "postgres", "runtime"):
        assert "--platform" not in last(stage, "FROM")


def test_the_image_runs_as_the_user_of_the_contract():
    assert last("runtime", "USER") == f"{APP.uid}:{APP.gid}"
    created = " ".join(rest for word, rest in stages()["runtime"] if word == "RUN")
    assert f"groupadd --gid {APP.gid} " in created
    assert f"useradd --uid {APP.uid} " in created


def test_the_directories_that_the_app_writes_are_volumes():
    assert json.loads(last("runtime", "VOLUME")) == list(APP.writable_dirs)


def test_docker_and_ecs_ask_the_same_health_check():
    options, _, command = last("runtime", "HEALTHCHECK").partition("CMD ")
    assert ["CMD", *json.loads(command)] == APP.health_command()
    assert "--timeout=5s" in options, "fetch gives up after 4 s, before Docker does"
    assert last("runtime", "EXPOSE") == str(APP.port)


def test_the_app_gets_signals_from_an_init_and_not_through_a_shell():
    init = json.loads(last("runtime", "ENTRYPOINT"))
    # -s: under another init it reaps what it started, without a warning.
    assert init == ["tini", "-s", "--"]
    program, script = json.loads(last("runtime", "CMD"))
    start = json.loads((FOLDER / "package.json").read_text())["scripts"]["start"]
    assert f"{program} {script}" == start
    assert (program, script) == APP.start_command


def test_nothing_is_fetched_but_from_package_registries():
    words = {keyword for keyword, _ in instructions()}
    assert "ADD" not in words
    commands = " ".join(rest for keyword, rest in instructions() if keyword == "RUN")
    assert not re.search(r"\b(curl|wget)\b|https?://", commands)


def test_packages_are_installed_before_the_source_is_copied():
    for stage, source in (("client", "client ./"), ("server", "src ./src")):
        steps = stages()[stage]
        install = next(
            index for index, (_, rest) in enumerate(steps) if "npm ci" in rest
        )
        assert install < steps.index(("COPY", source))
        assert "--mount=type=cache,target=/root/.npm" in steps[install][1]


def test_only_production_packages_reach_the_image():
    copied = [rest for word, rest in stages()["runtime"] if word == "COPY"]
    assert [rest for rest in copied if "node_modules" in rest] == [
        "--from=dependencies /app/node_modules ./node_modules"
    ]
    assert "--omit=dev" in last("dependencies", "RUN")
    assert not [rest for rest in copied if rest.split()[0] in (".", "./", "src")]


def test_pg_dump_is_as_new_as_the_databases_and_comes_without_perl():
    """An older one refuses a newer server; Debian's whole package depends on Perl."""
    [major] = re.findall(r"postgresql-client-(\d+) ", last("postgres", "RUN"))
    assert Database().image.startswith(f"postgres:{major}")
    assert RdsDatabase().engine_version.partition(".")[0] == major
    steps = stages()["runtime"]
    pg_dump = f"/postgres/usr/lib/postgresql/{major}/bin/pg_dump"
    assert ("COPY", f"--from=postgres {pg_dump} /usr/local/bin/") in steps
    assert not [rest for _, rest in steps if "postgresql-client" in rest]


def test_the_image_says_what_it_is():
    labels = last("runtime", "LABEL")
    for name in ("version", "revision", "created", "source"):
        assert f'org.opencontainers.image.{name}="${{{name.upper()}}}"' in labels
    arguments = [rest for word, rest in stages()["runtime"] if word == "ARG"]
    assert {rest.split("=")[0] for rest in arguments} == {
        "VERSION",
        "REVISION",
        "CREATED",
        "SOURCE",
    }


def test_labels_come_last_so_that_they_spoil_no_cached_layer():
    words = [word for word, _ in stages()["runtime"]]
    after = words[words.index("ARG") :]
    assert set(after) == {"ARG", "LABEL"}


def test_the_build_gets_what_it_copies(tmp_path):
    needed = {
        "package.json",
        "package-lock.json",
        "tsconfig.json",
        "tsconfig.build.json",
        "src/main.ts",
        "migrations/001_initial_schema.sql",
        "client/package.json",
        "client/package-lock.json",
        "client/index.html",
        "client/src/main.tsx",
    }
    assert kept(tmp_path, *needed) == needed


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".env",
        ".env.production",
        "src/.env",
        "client/.env.local",
        "node_modules/express/index.js",
        "client/node_modules/react/index.js",
        "client/dist/index.html",
        "dist/main.js",
        "uploads/somebody.pdf",
        "logs/app.log",
        "test/health.test.ts",
        "client/src/App.test.tsx",
        "src/auth.test.ts",
    ],
)
def test_the_build_does_not_get(path, tmp_path):
    assert kept(tmp_path, path) == set()
