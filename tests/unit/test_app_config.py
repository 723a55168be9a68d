"""The app's own reading of its environment, held against the contract."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from contract import APP

FOLDER = Path(__file__).parents[2] / "app"

SCRIPT = """
import { jobSchemas, schema } from './src/config.ts';
if (process.argv[1] === 'jobs') {
  const names = ([job, { shape }]) => [job, Object.keys(shape)];
  console.log(JSON.stringify(Object.fromEntries(Object.entries(jobSchemas).map(names))));
  process.exit(0);
}
const names = Object.keys(schema.shape);
const answers = JSON.parse(process.argv[1]).map((environment) => {
  const result = schema.safeParse(environment);
  const problems = result.error?.issues.map(({ path }) => path[0]) ?? [];
  return { names, values: result.data ?? {}, problems };
});
console.log(JSON.stringify(answers));
"""

NEEDED = {"DATABASE_URL": "postgresql://db/stromhaltig", "JWT_SECRET": "x" * 32}

DIFFERENT = {"NODE_ENV", "UPLOAD_DIR", "LOG_FILE"}
"""What defaults to something else where there is no platform."""


def read(*environments: dict[str, str]) -> Any:
    """What the app makes of each environment: names, values and problems."""
    return run(json.dumps(environments))


def run(argument: str) -> Any:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    if not (FOLDER / "node_modules" / "tsx").is_dir():
        pytest.skip("the app's packages are not installed: run `npm ci` in app/")
    command = [node, "--import", "tsx", "--input-type=module", "--eval", SCRIPT]
    done = subprocess.run(
        [*command, argument],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_app_reads_exactly_the_variables_of_the_contract():
    [app] = read(NEEDED)
    assert set(app["names"]) == {variable.name for variable in APP.variables}


def test_the_defaults_of_the_app_are_those_of_the_contract():
    answers = read(NEEDED, NEEDED | APP.environment())
    own, contracts = (answer["values"] for answer in answers)
    assert own.keys() | DIFFERENT == contracts.keys()
    assert {name for name in contracts if own.get(name) != contracts[name]} == DIFFERENT


def test_what_the_contract_accepts_the_app_reads_and_the_other_way_round():
    values = {
        "MAX_FILE_SIZE": ["1KB", "9999999999999999999GB", "0MB", "01MB", "1TB", "5"],
        "JWT_EXPIRES_IN": ["1s", "9999999999d", "0h", "24", "1w"],
        "PORT": ["1024", "65535", "1023", "65536", "03001", "3001 "],
        "RATE_LIMIT_MAX_REQUESTS": ["1", "1000000", "1000001", "1e3"],
        "BCRYPT_SALT_ROUNDS": ["10", "15", "16", "9"],
        "SMTP_HOST": ["smtp.example.org", "mail", "a..b"],
        "HEALTH_CHECK_TOKEN": ["x" * 16, "x" * 15, f" {'x' * 16}"],
        "ENABLE_COMPRESSION": ["true", "false", "True", ""],
    }
    environments, refused = [], []
    for name, tried in values.items():
        variable = APP.variable(name)
        assert variable is not None
        for value in tried:
            environments.append(NEEDED | {name: value})
            refused.append([] if variable.rule.accepts(value) else [name])
    problems = [sorted(set(answer["problems"])) for answer in read(*environments)]
    assert problems == refused


def test_each_job_reads_exactly_what_the_contract_gives_it():
    given = {
        job.name: {
            *APP.job_environment(job, {}, bucket="b", region="r"),
            *APP.job_secrets(job),
        }
        for job in APP.jobs
    }
    assert {name: set(variables) for name, variables in run("jobs").items()} == given
