"""Real servers as processes on free loopback ports, for as long as a test needs them.

Everything runs as an unprivileged user when the tests run as root, in a directory of
its own below /tmp, and is gone afterwards.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx
import pytest

from tools.servers import ServerMissingError, which

ROOT = Path(__file__).parents[1]
APP = ROOT / "app"
PATIENCE = 30.0
"""Seconds that a server may take to answer."""

NOBODY = 65534
USER = NOBODY if os.geteuid() == 0 else os.geteuid()
"""Who the servers run as: PostgreSQL refuses to be root."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def directory() -> Iterator[Path]:
    """An empty directory that the servers' user owns and everybody can enter."""
    path = Path(tempfile.mkdtemp(prefix="stromhaltig-"))
    os.chown(path, USER, -1)
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def eventually(
    says: str, is_true: Callable[[], bool], patience: float = PATIENCE
) -> None:
    """Wait until something has come true.

    Raises:
        AssertionError: when it has not within the seconds of `patience`.
    """
    deadline = time.monotonic() + patience
    while not is_true():
        assert time.monotonic() < deadline, f"not within {patience:g} s: {says}"
        time.sleep(0.02)


def executable(name: str) -> Path:
    """A program of `tools.servers`; the test is skipped where it cannot be had."""
    try:
        return which(name)
    except ServerMissingError as error:
        pytest.skip(str(error))


@dataclass
class Process:
    """A running program, with all that it has written.

    user: who it runs as; the tests' own user by default.
    """

    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: int | None = None
    cwd: Path = Path("/")

    def __post_init__(self) -> None:
        # A file, not a pipe: a program must not stop because nobody reads.
        number, name = tempfile.mkstemp(prefix="log-")
        self._log = Path(name)
        os.close(number)
        if self.user is not None:
            os.chown(self._log, self.user, -1)
        with self._log.open("a") as log:
            self._start(log)

    def _start(self, log: IO[str]) -> None:
        self._process = subprocess.Popen(
            self.command,
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            user=self.user,
            cwd=self.cwd,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def until(self, says: str, is_true: Callable[[], bool]) -> None:
        """Wait until something has come true, unless the program ends before."""

        def came_true() -> bool:
            assert self.running, f"{self.command[0]} has ended:\n{self.output}"
            return is_true()

        try:
            eventually(says, came_true)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}") from error

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit code, within some seconds."""
        return self._process.wait(seconds)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the program, if it has not ended, and forget what it has written."""
        if self.running:
            self.send(number)
            try:
                self.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self.wait(PATIENCE)
        self._log.unlink(missing_ok=True)


@contextmanager
def process(
    *command: str | Path,
    environment: Mapping[str, str] | None = None,
    user: int | None = None,
    cwd: Path = Path("/"),
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[Process]:
    """A program that runs for as long as the block."""
    started = Process(command, environment or {}, user, cwd)
    try:
        yield started
    finally:
        started.stop(stop)


def connects(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody listens on a port."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def postgres() -> Iterator[str]:
    """PostgreSQL with an empty database; yields its address."""
    initdb, server = executable("initdb"), executable("postgres")
    port = free_port()
    with directory() as home:
        subprocess.run(
            [
                *(initdb, "--pgdata", home / "data", "--username", "app"),
                *("--auth", "trust", "--no-sync", "--encoding", "UTF8"),
                *("--locale", "C"),
            ],
            check=True,
            user=USER,
            cwd=home,
            stdout=subprocess.DEVNULL,
        )
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        with process(
            server,
            *("-D", str(home / "data"), *options),
            user=USER,
            cwd=home,
            stop=signal.SIGINT,
        ) as running:
            running.until(
                "PostgreSQL is ready", lambda: "ready to accept" in running.output
            )
            yield f"postgresql://app@127.0.0.1:{port}/postgres"


@contextmanager
def redis() -> Iterator[str]:
    """Redis without a file; yields its address."""
    server = executable("redis-server")
    port = free_port()
    with (
        directory() as home,
        process(
            server,
            *("--port", str(port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no"),
            user=USER,
            cwd=home,
        ) as running,
    ):
        running.until("Redis is ready", lambda: connects(port))
        yield f"redis://127.0.0.1:{port}"


def node() -> Path:
    """Node.js, with the app built from what its sources are now.

    The test is skipped where there is no Node.js.
    """
    programs = [shutil.which(name) for name in ("node", "npm")]
    if None in programs:
        pytest.skip("the app needs Node.js and npm; install them (Debian: nodejs, npm)")
    _run("make", "--no-print-directory", "app/node_modules/.ready")
    built = min(
        _changed(APP / "dist" / "main.js"),
        _changed(APP / "client" / "dist" / "index.html"),
    )
    sources = (APP, APP / "client")
    if built < max(
        _changed(file)
        for folder in sources
        for file in (*(folder / "src").rglob("*"), *folder.glob("*.json"))
    ):
        _run("npm", "--prefix", "app", "--loglevel=error", "run", "build")
    return Path(str(programs[0]))


def _changed(file: Path) -> float:
    """When a file was written; before everything else when there is none."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _run(*command: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    said = (done.stdout + done.stderr)[-2000:]
    assert done.returncode == 0, f"`{' '.join(command)}` failed:\n{said}"


@dataclass(frozen=True)
class Account:
    """Somebody who can sign in."""

    email: str = "tests@stromhaltig.test"
    password: str = "correct horse battery staple"


@dataclass(frozen=True)
class Backend:
    """What copies of the app share: a migrated database with an account, and Redis."""

    node: Path
    environment: Mapping[str, str]
    account: Account

    def run(self, script: str, *arguments: str, stdin: str = "") -> None:
        """Run one of the app's commands to its end."""
        done = subprocess.run(
            [self.node, f"dist/{script}.js", *arguments],
            env=os.environ | self.environment,
            cwd=APP,
            user=USER,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{script} failed:\n{done.stdout}{done.stderr}"

    @contextmanager
    def app(self, host: str = "127.0.0.1", port: int | None = None) -> Iterator[App]:
        """A copy of the app that is ready, on an address of the loopback."""
        port = port or free_port()
        with process(
            self.node,
            "dist/main.js",
            environment={**self.environment, "HOST": host, "PORT": str(port)},
            user=USER,
            cwd=APP,
        ) as running:
            ready = f"http://{host}:{port}/api/health"

            def answers() -> bool:
                try:
                    return httpx.get(ready).status_code == 200
                except httpx.TransportError:
                    return False

            running.until("the app is ready", answers)
            yield App(running, host, port)


@dataclass(frozen=True)
class App:
    """A running copy of the app."""

    process: Process
    host: str
    port: int


@contextmanager
def backend() -> Iterator[Backend]:
    """All that the app needs, in production mode."""
    with ExitStack() as stack:
        found = node()
        home = stack.enter_context(directory())
        uploads = home / "uploads"
        uploads.mkdir()
        os.chown(uploads, USER, -1)
        backend = Backend(
            found,
            {
                "NODE_ENV": "production",
                "HOME": str(home),
                "DATABASE_URL": stack.enter_context(postgres()),
                "REDIS_URL": stack.enter_context(redis()),
                "JWT_SECRET": "a-secret-that-only-tests-ever-use-0123456789",
                "BCRYPT_SALT_ROUNDS": "10",
                "RATE_LIMIT_MAX_REQUESTS": "1000000",
                "UPLOAD_DIR": str(uploads),
                "LOG_LEVEL": "warn",
            },
            Account(),
        )
        backend.run("migrate", "up")
        backend.run("user-add", backend.account.email, stdin=backend.account.password)
        yield backend
