"""`stromhaltig doctor`: every finding with its remedy, whatever fails beside it."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

import ops.stack
from ops import checkup, doctor
from ops.checkup import Check, account, machine
from ops.checkup import stack as of_stack
from ops.cli import app
from ops.errors import OpsError
from ops.lock import Lock
from ops.platforms.platform import Fact, State
from ops.stack import Change
from settings import SettingsError
from tests.unit.ops.fakes import FakePlatform, FakeStack

OK = Fact("a", State.OK, "well")


class Sick(FakeStack):
    """A stack that something can be wrong with."""

    problems: tuple[str, ...] = ()
    drifted: tuple[Change, ...] = ()
    unfinished: tuple[dict[str, object], ...] = ()

    def settings(self) -> None:
        if self.problems:
            raise SettingsError(self.name, self.problems)

    def drift(self, on_event: object = None) -> list[Change]:
        return list(self.drifted)

    def export(self):
        return {
            "version": 3,
            "deployment": {
                "resources": self.resources,
                "pending_operations": list(self.unfinished),
            },
        }


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    stack = Sick(tmp_path, config={"platform": "docker"})
    stack.outputs = {"platform": "docker", "url": "http://127.0.0.1"}
    platform = FakePlatform(stack, facts=[Fact("engine", State.OK, "29.1")])
    stack.platform = platform
    monkeypatch.setattr(ops.stack, "Stack", lambda name: stack)
    monkeypatch.setattr("ops.platforms.platform_of", lambda _: platform)
    monkeypatch.setattr(machine, "checks", lambda: [Check("tools", lambda: [OK])])
    return stack


def run(*arguments: str):
    return CliRunner().invoke(app, ["doctor", *arguments])


def found(*arguments: str) -> dict[str, dict[str, str]]:
    """Facts of a stack, by name."""
    done = run("--stack", "staging", "--json", *arguments)
    return {fact["name"]: fact for fact in json.loads(done.stdout)["facts"]}


class TestRunning:
    def test_checks_run_side_by_side_and_are_told_in_order(self):
        barrier = threading.Barrier(3, timeout=5)

        def meet(name: str) -> list[Fact]:
            barrier.wait()
            return [Fact(name, State.OK, "met")]

        checks = [Check(name, lambda name=name: meet(name)) for name in "abc"]
        assert [fact.name for fact in checkup.run(checks)] == ["a", "b", "c"]

    def test_one_that_never_answers_keeps_nobody_waiting(self):
        stuck = Check("stuck", lambda: [threading.Event().wait() and OK], seconds=0.05)
        began = time.monotonic()
        facts = checkup.run([stuck, Check("a", lambda: [OK])])

        assert time.monotonic() - began < 2
        assert [(fact.name, fact.state) for fact in facts] == [
            ("stuck", State.UNKNOWN),
            ("a", State.OK),
        ]
        assert "no answer within" in facts[0].says

    @pytest.mark.parametrize(
        ("error", "says"),
        [
            (OpsError("the tunnel is closed"), "the tunnel is closed"),
            (KeyError("x"), "KeyError: 'x'"),
            (SystemExit(3), "SystemExit: 3"),
        ],
    )
    def test_one_that_fails_hides_no_other(self, error, says):
        def fail() -> Iterator[Fact]:
            yield OK
            raise error

        facts = checkup.run([Check("broken", fail), Check("a", lambda: [OK])])
        assert [(fact.name, fact.state) for fact in facts] == [
            ("broken", State.UNKNOWN),
            ("a", State.OK),
        ]
        assert facts[0].says == says


class TestMachine:
    @pytest.fixture
    def programs(self, tmp_path, monkeypatch):
        """Make programs that print something, and no others are there."""
        monkeypatch.setenv("PATH", str(tmp_path))

        def make(name: str, *, says: str = "", code: int = 0) -> Path:
            script = f"#!/bin/sh\nprintf '%s\\n' '{says}'\nexit {code}\n"
            path = tmp_path / name
            path.write_text(script)
            path.chmod(0o755)
            return path

        return make

    def test_a_program_that_is_new_enough_is_well(self, programs):
        programs("pulumi", says="v3.250.0")
        assert machine.look(machine.TOOLS[0]) == Fact("pulumi", State.OK, "3.250.0")

    def test_an_old_one_says_how_to_update_it(self, programs):
        programs("pulumi", says="v3.99.1")
        fact = machine.look(machine.TOOLS[0])

        assert fact.state is State.ERROR
        assert fact.says == "3.99.1 is older than 3.250.0"
        assert "https://get.pulumi.com" in fact.remedy

    @pytest.mark.parametrize(
        ("tool", "state"), [("pulumi", State.ERROR), ("git", State.WARNING)]
    )
    def test_one_that_is_missing_is_as_bad_as_its_use(self, programs, tool, state):
        [wanted] = [each for each in machine.TOOLS if each.name == tool]
        fact = machine.look(wanted)

        assert fact.state is state
        assert "not on PATH" in fact.says
        assert fact.remedy.startswith("Install it: ")

    def test_one_that_says_something_else_is_not_taken_for_it(self, programs):
        programs("git", says="no developer tools were found", code=1)
        [git] = [each for each in machine.TOOLS if each.name == "git"]

        assert machine.look(git).state is State.UNKNOWN

    def test_an_engine_that_does_not_answer_is_a_warning(self, programs):
        programs("docker", says="Cannot connect to the Docker daemon", code=1)
        assert machine.docker().state is State.WARNING
        assert "Cannot connect to the Docker daemon" in machine.docker().says

        programs("docker", says="29.1.2")
        assert machine.docker() == Fact("docker", State.OK, "engine 29.1.2")

    def test_python_is_judged_as_the_project_has_it(self):
        assert machine.python((3, 11, 0)).state is State.OK
        assert machine.python((3, 10, 9)).state is State.ERROR
        text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
        assert f'requires-python = ">={machine.PYTHON}' in text


class TestStack:
    def test_a_healthy_one_ends_with_0(self, stack):
        done = run("--stack", "staging")

        assert done.exit_code == 0, done.output
        assert "engine" in done.stdout
        assert " ok" in done.stderr

    def test_each_problem_of_the_stack_file_is_told(self, stack):
        stack.problems = ("stromhaltig:nat: no such key", "stromhaltig:domain: missing")
        fact = found()["settings"]

        assert fact["state"] == "error"
        assert fact["says"] == "2 problems in the stack file"
        assert fact["remedy"] == "\n".join(stack.problems)
        assert run("--stack", "staging").exit_code == 1

    def test_a_stack_file_that_is_older_than_what_is_deployed_is_an_error(self, stack):
        stack.outputs |= {
            "rotations": {"HEALTH_CHECK_TOKEN": 1, "JWT_SECRET": 2},
            "secrets": ["JWT_SECRET", "JWT_SECRET_PREVIOUS"],
        }
        stack.config |= {"rotations.JWT_SECRET": "1"}
        fact = found()["rotations"]

        assert fact["state"] == "error"
        assert fact["says"] == (
            "Pulumi.staging.yaml is older than what is deployed: HEALTH_CHECK_TOKEN "
            "was rotated once there, the file says 0; JWT_SECRET was rotated 2 times "
            "there, the file says 1"
        )
        set_it = "pulumi config set --path 'stromhaltig:"
        assert fact["remedy"] == (
            "Take the file of whoever rotated it (git pull). If nobody has it: "
            f"{set_it}rotations.HEALTH_CHECK_TOKEN' 1 --stack staging; "
            # Or the sessions of before would end.
            f"{set_it}rotations.JWT_SECRET' 2 --stack staging && "
            f"{set_it}accept_previous' true --stack staging"
        )

    def test_an_older_login_of_the_database_is_an_error(self, stack):
        login = "stromhaltig_a:hunter2"
        stack.set_secret("secrets.DATABASE_LOGIN", login)
        stack.config["rotations.DATABASE_LOGIN"] = "1"
        # The same login has its turn again, with another password.
        stack.outputs |= {
            "database_user": "stromhaltig_a",
            "rotations": {"DATABASE_LOGIN": 3},
        }
        fact = found()["rotations"]

        assert fact["state"] == "error"
        assert "DATABASE_LOGIN was rotated 3 times there, the" in fact["says"]
        assert "stromhaltig secrets rotate DATABASE_URL --stack" in fact["remedy"]
        assert "hunter2" not in str(fact)

    def test_no_login_where_one_is_deployed_is_an_error_without_a_count_too(
        self, stack
    ):
        stack.outputs |= {"database_user": "stromhaltig_b", "rotations": {}}
        fact = found()["rotations"]

        assert fact["state"] == "error"
        assert "the app is stromhaltig_b at the database there, the" in fact["says"]

    def test_another_login_without_a_count_may_be_either_and_is_a_warning(self, stack):
        stack.set_secret("secrets.DATABASE_LOGIN", "stromhaltig_a:hunter2")
        stack.outputs |= {"database_user": "stromhaltig_b"}
        fact = found()["rotations"]

        assert fact["state"] == "warning"
        assert "names the database login stromhaltig_a, and the app is" in fact["says"]
        assert "hunter2" not in str(fact)

    @pytest.mark.parametrize(
        ("config", "outputs"),
        [
            ({}, {}),
            ({}, {"rotations": {}, "database_user": "stromhaltig"}),
            # Begun, and not rolled out.
            ({"rotations.JWT_SECRET": "2"}, {"rotations": {"JWT_SECRET": 1}}),
            (
                {
                    "rotations.DATABASE_LOGIN": "2",
                    "secrets.DATABASE_LOGIN": "stromhaltig_b:x",
                },
                {
                    "rotations": {"DATABASE_LOGIN": 1},
                    "database_user": "stromhaltig_a",
                },
            ),
            # Somebody's own has taken its place.
            ({"secrets.JWT_SECRET": "own"}, {"rotations": {"JWT_SECRET": 1}}),
            # The app has it no more, so that no file may count it.
            ({}, {"rotations": {"FORMER_TOKEN": 1}}),
            # A review's file is written anew each time.
            ({"platform": "aws-review"}, {"rotations": {"JWT_SECRET": 1}}),
        ],
    )
    def test_what_is_as_new_or_newer_is_no_problem(self, stack, config, outputs):
        stack.config |= config
        stack.outputs |= outputs

        assert {fact.state for fact in of_stack.rotations(stack)} <= {State.OK}

    def test_drift_names_what_and_is_a_warning(self, stack):
        changes = [Change("update", "aws:ec2:Vpc", f"net{n}") for n in range(10)]
        stack.drifted = tuple(changes)
        fact = found()["drift"]
        assert "pulumi up --refresh --stack staging;" in fact["remedy"]

        assert fact["state"] == "warning"
        assert fact["says"].startswith("10 changed: aws:ec2:Vpc net0 (update), ")
        assert fact["says"].endswith("and 2 more")
        assert run("--stack", "staging").exit_code == 0
        assert run("--stack", "staging", "--strict").exit_code == 1

    def test_an_update_that_was_killed_shows_in_the_state(self, stack):
        urn = "urn:pulumi:staging::stromhaltig::aws:rds/instance:Instance::db"
        stack.unfinished = ({"type": "creating", "resource": {"urn": urn}},)
        fact = found()["state"]

        assert fact["state"] == "error"
        assert "an update was killed at: creating db" in fact["says"]
        assert "pulumi refresh --stack staging" in fact["remedy"]

    def test_somebody_at_work_is_a_warning_and_a_lock_left_behind_an_error(
        self, stack, monkeypatch
    ):
        assert found()["lock"]["says"] == "free"
        with Lock(stack.records).held("deploy"):
            assert found()["lock"]["state"] == "warning"
            monkeypatch.setattr("ops.lock.runs", lambda *_: False)
            fact = found()["lock"]
        assert fact["state"] == "error"
        assert "stromhaltig unlock --stack staging" in fact["remedy"]

    def test_what_the_platform_says_is_told(self, stack):
        stack.platform.facts = [Fact("quota", State.WARNING, "90 %", "Raise it.")]
        assert found()["quota"]["remedy"] == "Raise it."

    def test_a_platform_that_does_not_answer_hides_nothing(self, stack):
        def fail() -> list[Fact]:
            raise OpsError("no way there")

        stack.platform.checks = fail
        facts = found()
        assert facts["platform"]["state"] == "unknown"
        assert {"a", "settings", "lock", "drift"} <= facts.keys()

    def test_one_check_can_be_asked_for(self, stack):
        assert found("--only", "lock").keys() == {"lock"}
        assert found("--only", "lock", "--only", "settings").keys() == {
            "lock",
            "settings",
        }

    def test_an_unknown_check_names_the_nearest(self, stack):
        done = run("--stack", "staging", "--only", "setting")
        assert done.exit_code == 2
        assert 'Did you mean "settings"?' in done.stderr

    def test_offline_asks_nothing_but_this_machine(self, stack):
        stack.platform.checks = lambda: pytest.fail("asked")
        assert found("--offline").keys() == {"settings"}

    def test_preflight_is_the_quick_part(self, stack, monkeypatch):
        monkeypatch.setattr(machine, "look", lambda tool: Fact(tool.name, State.OK, ""))
        names = [fact.name for fact in doctor.preflight(stack)]
        assert names == ["pulumi", "settings", "state", "lock"]

        stack.outputs["rotations"] = {"JWT_SECRET": 1}
        facts = {fact.name: fact.state for fact in doctor.preflight(stack)}
        assert facts["rotations"] is State.ERROR


class TestCredentials:
    """Of AWS, without AWS: the client answers what a test wants."""

    @pytest.fixture
    def sts(self, stack, monkeypatch):
        stack.config = {"platform": "aws", "aws:region": "eu-central-1"}
        stack.outputs["account"] = "123456789012"

        def answer(account: str | Exception) -> Fact:
            class Session:
                def __init__(self, profile_name: str | None) -> None:
                    assert profile_name is None

                def client(self, name: str, **_: object) -> Session:
                    return self

                def get_caller_identity(self) -> dict[str, str]:
                    if isinstance(account, Exception):
                        raise account
                    return {"Arn": "arn:aws:iam::1:user/ada", "Account": account}

            monkeypatch.setattr("boto3.Session", Session)
            [fact] = of_stack.credentials(stack)
            return fact

        return answer

    def test_those_of_the_stacks_account_are_right(self, sts):
        assert sts("123456789012").state is State.OK

    def test_those_of_another_one_are_not(self, sts):
        fact = sts("999999999999")
        assert fact.state is State.ERROR
        assert "in account 999999999999, and the stack is in 123456789012" in fact.says

    def test_none_at_all_says_how_to_sign_in(self, sts):
        from botocore.exceptions import NoCredentialsError

        fact = sts(NoCredentialsError())
        assert fact.state is State.ERROR
        assert "aws sso login" in fact.remedy

    def test_without_a_stack_to_be_nobody_is_a_warning(self, monkeypatch):
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

        assert account.aws(missing=State.WARNING).state is State.WARNING

    def test_a_profile_that_is_not_there_is_named(self):
        fact = account.aws(profile="nobody")
        assert (fact.state, "nobody" in fact.says) == (State.ERROR, True)

    def test_other_platforms_need_none(self, stack):
        assert list(of_stack.credentials(stack)) == []


class TestBackend:
    @pytest.fixture
    def pulumi(self, tmp_path, monkeypatch):
        """A program of that name that says something."""
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

        def say(script: str) -> Fact:
            path = tmp_path / "pulumi"
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
            return account.backend()

        return say

    def test_a_place_that_answers_is_named(self, pulumi):
        fact = pulumi("""echo '{"user": "ada", "url": "s3://state"}'""")
        assert fact == Fact("backend", State.OK, "s3://state, as ada")

    def test_one_that_does_not_says_how_to_log_in(self, pulumi):
        fact = pulumi("echo 'error: AccessDenied' >&2; exit 255")
        assert (fact.state, fact.says) == (State.ERROR, "error: AccessDenied")
        assert "pulumi login" in fact.remedy

    def test_without_pulumi_it_is_not_reached(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert account.backend().state is State.ERROR


class TestSite:
    """A server of our own, with certificates that end when a test wants."""

    @contextmanager
    def served(self, folder: Path, days: float) -> Iterator[str]:
        pem = folder / "site.pem"
        pem.write_bytes(certificate(days))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                while True:
                    try:
                        plain, _ = listener.accept()
                    except OSError:
                        return
                    with plain:
                        try:
                            context.wrap_socket(plain, server_side=True).close()
                        except OSError:
                            continue

            threading.Thread(target=serve, daemon=True).start()
            yield f"https://localhost:{listener.getsockname()[1]}"

    @pytest.mark.parametrize(
        ("days", "state", "says"),
        [
            (90, State.WARNING, "it is signed by itself"),
            (10, State.WARNING, "10 days"),
            (-1, State.ERROR, "it has run out"),
        ],
    )
    def test_what_is_served_is_what_is_judged(
        self, stack, tmp_path, monkeypatch, days, state, says
    ):
        with self.served(tmp_path, days) as url:
            stack.outputs["url"] = url
            trusted = ssl.create_default_context(cafile=str(tmp_path / "site.pem"))
            trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            if days != 90:
                monkeypatch.setattr("ssl.create_default_context", lambda **_: trusted)
            facts = {fact.name: fact for fact in of_stack.site(stack)}

        assert facts["site: DNS"].state is State.OK
        assert facts["site: certificate"].state is state
        assert says in facts["site: certificate"].says

    def test_a_site_without_https_has_no_certificate_to_look_at(self, stack):
        stack.outputs["url"] = "http://localhost"
        assert [fact.name for fact in of_stack.site(stack)] == ["site: DNS"]


def certificate(days: float) -> bytes:
    """Key and certificate for localhost that ends in some days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    ends = datetime.now(UTC) + timedelta(days=days, minutes=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=365))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + made.public_bytes(serialization.Encoding.PEM)
