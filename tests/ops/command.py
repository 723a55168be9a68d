"""The `stromhaltig` command as a process of its own, as an operator runs it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops.database.address import Address
from tests.servers import ROOT

PATIENCE = 120.0
"""Seconds that a command may take."""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Command:
    """`stromhaltig`, told of a database by its address, and of a store.

    database, admin: who it connects as.
    """

    database: Address
    admin: Address
    store: Path | str
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DB": self.database.url,
            "ADMIN": self.admin.url,
            "PYTHONPATH": str(ROOT),
            **self.extra,
        }

    def line(self, name: str, *arguments: str) -> list[str]:
        """The command line of one of `stromhaltig db`'s commands."""
        admin = ["--admin-env", "ADMIN"] if name in {"restore", "drill"} else []
        where = ["--address-env", "DB", "--store", str(self.store), *admin]
        return [sys.executable, "-m", "ops.cli", "db", name, *where, *arguments]

    def run(self, name: str, *arguments: str, code: int = 0) -> Ran:
        """Run it to its end, without a terminal; it ends with this exit code."""
        done = subprocess.run(
            self.line(name, *arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
        assert ran.code == code, f"exit code {ran.code}\n{ran.out}\n{ran.err}"
        assert self.database.password not in ran.out + ran.err
        assert "Traceback" not in ran.err
        return ran

    def start(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """Begin it, and go on."""
        return subprocess.Popen(
            self.line(name, *arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def answer(self, typed: str, name: str, *arguments: str) -> Ran:
        """Run it at a terminal where somebody types a line."""
        near, far = pty.openpty()
        with subprocess.Popen(
            self.line(name, *arguments),
            env=self.environment,
            stdin=far,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            os.write(near, f"{typed}\n".encode())
            out, err = process.communicate(timeout=PATIENCE)
        os.close(near)
        os.close(far)
        return Ran(process.returncode, out, err)
