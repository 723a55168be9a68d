"""Drills: the newest backup restored into a scratch place, looked at, and dropped.

A backup that was never restored is a hope. A drill says how long a restore takes
(recovery time) and how much would be lost (age of the data).
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_urlsafe

from contract import APP, GENERATED_LENGTH, Kind, stand_in
from ops.common import Steps
from ops.database.address import Address
from ops.database.check import check
from ops.database.databases import Destination
from ops.database.dump import Contents
from ops.database.restore import ScratchServer, Source, loaded, plan
from ops.errors import FailedError, OpsError
from ops.shelf import DamagedError

APP_SECONDS = 60.0
"""How long the app may take until it is healthy."""

_TAIL = 2000
"""Characters of the app's output that are told when it is not well."""


@dataclass(frozen=True, kw_only=True)
class Drill:
    """How a drill went.

    backup: what was restored. seconds: from the begin until the data was found good,
    and the app well. age: of the data, in seconds. checks: what was found good.
    problems: what was not; empty for a good one.
    """

    backup: str
    at: datetime
    seconds: float
    age: float
    rows: int
    tables: int
    schema: int
    checks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all is well."""
        return not self.problems


@dataclass(frozen=True)
class Limits:
    """What a drill is held to; None for what does not matter.

    age: of the data. seconds: of the restore.
    """

    age: timedelta | None = None
    seconds: float | None = None

    def broken_by(self, seconds: float, age: float) -> Iterator[str]:
        """What is beyond them."""
        if self.seconds is not None and seconds > self.seconds:
            yield f"it took {seconds:.0f} s, and may take {self.seconds:.0f} s"
        if self.age is not None and age > self.age.total_seconds():
            most = self.age.total_seconds() / 3600
            yield f"the data is {age / 3600:.1f} h old, and may be {most:g} h"


def drill(
    source: Source,
    at: datetime,
    scratch: Destination,
    steps: Steps,
    *,
    app: str | None = None,
    limits: Limits = Limits(),
    size: int = 0,
    create_roles: bool = False,
) -> Drill:
    """Restore a backup into a scratch database, and look at it.

    at: the moment of its data. scratch: where; the database that it names is left
    alone. app: command that starts the app; it is asked for its health then.
    size: bytes that the database had, if known. create_roles: whether roles that the
    server lacks are made there.

    Raises OpsError when the scratch place cannot be had.
    """
    began = time.monotonic()
    age = (datetime.now(UTC) - at).total_seconds()
    checks: list[str] = []
    problems: list[str] = []
    contents = Contents(tables={})
    try:
        # What runs is of no account: a drill restores what there is.
        planned = plan(
            source,
            scratch,
            steps,
            any_schema=True,
            create_roles=create_roles,
            size=size,
        )
        contents = planned.contents
        with loaded(planned, steps, purpose="drill") as name:
            checks.append("restored in full: rows, migrations, keys, rights")
            if app:
                checks.append(_ask_app(app, scratch.login.to(name), steps))
            # To drop it again is no part of a recovery.
            seconds = time.monotonic() - began
    except (FailedError, DamagedError) as error:
        problems.append(str(error))
        seconds = time.monotonic() - began
    return _told(source.name, at, contents, seconds, age, checks, problems, limits)


def drill_server(
    name: str,
    at: datetime,
    database: Address,
    seconds: float,
    steps: Steps,
    *,
    app: str | None = None,
    limits: Limits = Limits(),
) -> Drill:
    """Look at a server that the platform made of a snapshot.

    seconds: that the platform took for it.
    """
    began = time.monotonic()
    contents = ScratchServer(name, database).examine()
    checks: list[str] = []
    problems: list[str] = []
    if not contents.migrations:
        problems.append("no migration is recorded: is it the app's database?")
    try:
        with steps.step("check") as facts:
            facts += check(database, contents)
        checks.append("rows readable, migrations recorded, keys and rights hold")
        if app:
            checks.append(_ask_app(app, database, steps))
    except FailedError as error:
        problems.append(str(error))
    took = seconds + time.monotonic() - began
    age = (datetime.now(UTC) - at).total_seconds()
    return _told(name, at, contents, took, age, checks, problems, limits)


def _told(
    name: str,
    at: datetime,
    contents: Contents,
    seconds: float,
    age: float,
    checks: Sequence[str],
    problems: Sequence[str],
    limits: Limits,
) -> Drill:
    return Drill(
        backup=name,
        at=at,
        seconds=round(seconds, 1),
        age=round(age, 1),
        rows=contents.rows,
        tables=len(contents.tables),
        schema=contents.schema,
        checks=tuple(checks),
        problems=(*problems, *limits.broken_by(seconds, age)),
    )


def _ask_app(command: str, database: Address, steps: Steps) -> str:
    """Start the app on a database, and wait until it says that it is well.

    Raises FailedError with the end of its output when it does not.
    """
    import httpx

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}{APP.health_path}"
    with (
        steps.step("ask app") as facts,
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile() as log,
    ):
        environment = _app_environment(database, port, Path(folder))
        with _started(command, environment, log.fileno()) as process:
            deadline = time.monotonic() + APP_SECONDS
            said = "no answer"
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    answer = httpx.get(url, timeout=5)
                    said = f"HTTP {answer.status_code}"
                    if answer.is_success:
                        facts.append(f"{APP.health_path}: {said}")
                        return f"the app is well with it: {APP.health_path} {said}"
                except httpx.TransportError:
                    said = "no answer"
                time.sleep(0.2)
        log.seek(0)
        output = log.read().decode(errors="replace")[-_TAIL:]
        for secret in (database.url, database.password):
            output = output.replace(secret, "[secret]") if secret else output
        raise FailedError(f"The app is not well with it ({said}):\n{output}")


def _app_environment(database: Address, port: int, folder: Path) -> dict[str, str]:
    """What the app is told: made-up secrets, and nothing that leads outside."""
    secrets = {
        variable.name: stand_in(variable, "drill")
        for variable in APP.of_kind(Kind.OPERATOR)
    } | {
        variable.name: token_urlsafe(GENERATED_LENGTH)
        for variable in APP.of_kind(Kind.GENERATED)
    }
    return {
        **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
        **APP.environment(),
        **secrets,
        "DATABASE_URL": database.url,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "UPLOAD_DIR": str(folder),
        "TMPDIR": str(folder),
    }


@contextmanager
def _started(
    command: str, environment: dict[str, str], log: int
) -> Iterator[subprocess.Popen[bytes]]:
    try:
        process = subprocess.Popen(
            shlex.split(command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # What it starts is ended with it.
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise OpsError(f"--app {command}: it cannot be started: {error}") from None
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
