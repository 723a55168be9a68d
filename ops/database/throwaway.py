"""A PostgreSQL of this machine that is gone after use."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe

from ops.database.address import Address
from ops.database.programs import program
from ops.errors import FailedError

_SERVER_USER = "nobody"
"""Who runs it for root: PostgreSQL refuses to be root."""

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
}


@contextmanager
def throwaway_server(least: int) -> Iterator[Address]:
    """A server on the loopback, for as long as the block; login as its superuser.

    least: its major version, or a newer one.

    Raises OpsError when its programs are not here, FailedError when it does not start.
    """
    initdb, pg_ctl = (program(name, least=least) for name in ("initdb", "pg_ctl"))
    with tempfile.TemporaryDirectory(prefix="stromhaltig-drill-") as name:
        folder = Path(name)
        password = folder / "password"
        password.write_text(token_urlsafe(24))
        user = _SERVER_USER if os.geteuid() == 0 else None
        if user:
            for path in (folder, password):
                shutil.chown(path, user)
        data = folder / "data"

        def run(*command: str | Path) -> None:
            done = subprocess.run(
                command, cwd=folder, user=user, stdout=subprocess.DEVNULL, timeout=120
            )
            if done.returncode:
                raise FailedError(
                    f"{Path(command[0]).name} did not succeed on this machine: exit "
                    f"code {done.returncode}. Drill elsewhere, such as on the server"
                )

        run(
            *(initdb, "-D", data, "-U", "postgres", "--pwfile", password),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"),
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        settings = [f"-c {key}={value}" for key, value in _SETTINGS.items()]
        control = (pg_ctl, "-D", data, "-w", "-l", folder / "log")
        run(*control, "-o", " ".join([*settings, f"-c port={port}"]), "start")
        try:
            yield Address(
                host="127.0.0.1",
                port=port,
                user="postgres",
                password=password.read_text(),
                database="postgres",
            )
        finally:
            run(*control, "-m", "immediate", "stop")
