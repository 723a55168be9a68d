"""The throw-away project of one rehearsal, in `.rehearsal/<stack>/` of the clone.

It runs the committed program with the committed stack file, and writes to neither:

    Pulumi.yaml          the committed one, with `main: program`
    Pulumi.<stack>.yaml  the committed one, with what the rehearsal injects
    program              a link to the clone
    state/               the state
    home/                what the engine keeps for itself

One rehearsal at a time works in a clone. What one leaves behind that was killed, the
next one removes.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self, TextIO

from rehearsal.processes import Guard, end_sessions, identity
from rehearsal.stack_file import FileError, Sealer, YamlFile

FOLDER = ".rehearsal"
"""The folder of the clone that holds everything of a rehearsal."""

PASSPHRASE = "rehearsal"  # noqa: S105 - it protects stand-ins in a throw-away state
"""What the rehearsal's secrets are encrypted with."""

_NAME = re.compile(r"\w[\w.-]*")
"""What a stack can be called: never the way into another folder."""

_FOREIGN = ("AWS_", "DIGITALOCEAN_", "DOCKER_", "PULUMI_", "RAILWAY_", "SPACES_")
"""Variables that may lead to somebody's real account start like this."""


class WorkspaceError(Exception):
    """The rehearsal cannot start here; the message says what would help."""


class Workspace:
    """The project of one rehearsal, made on entering and removed on leaving.

    root: the clone. stack: as in `Pulumi.<stack>.yaml`. say: told what was cleaned up.

    Raises WorkspaceError on entering when the stack does not exist, when a file is not
    readable, and when another rehearsal is at work in this clone.
    """

    project_dir: Path
    """Where the engine is run."""

    folder: ClassVar[str] = FOLDER
    """The folder of the clone that the project is in."""

    passphrase: str = PASSPHRASE
    """What its secrets are encrypted with."""

    sealed: tuple[str, ...] = ()
    """Config values of the committed stack file that only their operator can decrypt,
    and which therefore are not in ours: `stromhaltig:secrets.OPENAI_API_KEY`."""

    def __init__(
        self, root: Path, stack: str, *, say: Callable[[str], None] = print
    ) -> None:
        self._root = root.resolve()
        self._stack = stack
        self._say = say
        self.project_dir = self._root / self.folder / stack
        self._record = _Record(os.getpid(), stack, _now())
        self._lock: _Lock | None = None
        self._guard: Guard | None = None
        self._sealer: Sealer | None = None
        self._namespace = ""

    @property
    def stack(self) -> str:
        """The name of the stack."""
        return self._stack

    def __enter__(self) -> Self:
        try:
            project = YamlFile.read(self._root / "Pulumi.yaml")
            stack = YamlFile.read(self._committed_stack_file())
        except FileError as error:
            raise WorkspaceError(str(error)) from error
        lock = _Lock.take(self._root / self.folder)
        try:
            self._clean_up(lock.read())
            lock.write(self._record)
        except BaseException:
            lock.close()
            raise
        self._lock = lock
        try:
            self._guard = Guard()
            self._lay_out(project, stack)
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def beside(self, stack: str) -> Self:
        """The same project, for another committed stack of it.

        Raises WorkspaceError when that does not exist or is not readable.
        """
        other = copy(self)
        other._stack = stack
        try:
            file = YamlFile.read(other._committed_stack_file())
        except FileError as error:
            raise WorkspaceError(str(error)) from error
        other.sealed = tuple(file.unseal())
        file.write(other._stack_file)
        return other

    def environment(self, plugin_cache: Path | None = None) -> dict[str, str]:
        """The variables that the engine runs with: ours, without the way to an account.

        plugin_cache: where official plugins are downloaded to. Without it none is:
            a package that no provider is attached for fails with one clear line.
        """
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_FOREIGN)
        }
        direct = ["127.0.0.1", "localhost", *filter(None, [os.environ.get("NO_PROXY")])]
        env |= {
            "PULUMI_BACKEND_URL": (self.project_dir / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": self.passphrase,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_HOME": str(plugin_cache or self.project_dir / "home"),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": ",".join(direct),
            "no_proxy": ",".join(direct),
        }
        if plugin_cache is None:
            env["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
        return env

    def inject(
        self, config: Mapping[str, Any], secrets: Mapping[str, str] | None = None
    ) -> None:
        """Set config values, in the rehearsal's copy of the stack file only.

        config: key -> value; `domain` means `stromhaltig:domain`, while a key with a
            colon stands for itself.
        secrets: path -> value, `secrets.OPENAI_API_KEY`; encrypted as by
            `pulumi config set --path --secret`.
        """
        file = YamlFile.read(self._stack_file)
        for key, value in config.items():
            file.put(("config", self._key(key)), value)
        for path, value in (secrets or {}).items():
            key, *inner = path.split(".")
            sealed = self._open_sealer(file).seal(value)
            file.put(("config", self._key(key), *inner), sealed)
        file.write(self._stack_file)

    def take_out(self, keys: Iterable[str]) -> None:
        """Remove config keys, in the rehearsal's copy of the stack file only."""
        file = YamlFile.read(self._stack_file)
        for key in keys:
            file.remove("config", self._key(key))
        file.write(self._stack_file)

    def stack_config(self) -> dict[str, Any]:
        """The `config` section of the rehearsal's stack file; secrets encrypted."""
        return YamlFile.read(self._stack_file).value("config") or {}

    def state_text(self) -> str:
        """All that the engine has written about the stack: state, history, backups."""
        files = sorted((self.project_dir / "state").rglob("*.json*"))
        return "\n".join(file.read_text(encoding="utf-8") for file in files)

    def record_process(self, pid: int) -> None:
        """Let a process that leads its own session end with the rehearsal.

        It does so even when the rehearsal is killed, or else with the next one.
        """
        if self._lock and self._guard:
            self._guard.hold(pid)
            self._record.processes[str(pid)] = identity(pid) or "ended"
            self._lock.write(self._record)

    def forget_process(self, pid: int) -> None:
        """This process has ended."""
        self._record.processes.pop(str(pid), None)
        if self._lock and self._guard:
            self._guard.let_go(pid)
            self._lock.write(self._record)

    def keep(self, pid: int) -> None:
        """Leave the project and this process, the cloud, until `stop` ends them."""
        self.record_process(pid)
        self._record.kept = True

    def release(self) -> None:
        """End what was recorded and remove the project, unless it is to be kept."""
        if self._lock is None:
            return
        if self._guard:
            for pid in self._record.processes if self._record.kept else ():
                self._guard.let_go(int(pid))
            self._guard.close()
        if self._record.kept:
            self._lock.write(self._record)
        else:
            end_sessions(self._record.living())
            self._discard()
            self._lock.clear()
        self._lock.close()
        self._lock = None

    def _discard(self) -> None:
        _remove(self._root, self._stack)

    @property
    def _stack_file(self) -> Path:
        return self.project_dir / f"Pulumi.{self._stack}.yaml"

    def _committed_stack_file(self) -> Path:
        file = self._root / f"Pulumi.{self._stack}.yaml"
        if _NAME.fullmatch(self._stack) and file.is_file():
            return file
        stacks = sorted(
            path.name.removeprefix("Pulumi.").removesuffix(".yaml")
            for path in self._root.glob("Pulumi.*.yaml")
        )
        raise WorkspaceError(
            f"There is no stack {self._stack!r}: no {file.name} in {self._root}. "
            f"Stacks here: {', '.join(stacks) or 'none'}."
        )

    def _clean_up(self, left: _Record | None) -> None:
        """Remove what a rehearsal left that did not get to do so itself."""
        if left and left.kept and left.living():
            raise WorkspaceError(
                f"A rehearsal of {left.stack} was kept and is still running, since "
                f"{left.started}. End it first: make rehearse-stop"
            )
        if left:
            living = left.living()
            end_sessions(living)
            state = _condition(self._root / FOLDER / left.stack)
            _remove(self._root, left.stack)
            self._say(
                f"Cleaned up after the rehearsal of {left.stack} that was ended from "
                f"outside (pid {left.pid}, since {left.started}): {state} removed"
                + (f", {len(living)} processes ended" if living else "")
            )
        if self.project_dir.exists():
            state = _condition(self.project_dir)
            _remove(self._root, self._stack)
            self._say(f"Cleaned up {self.project_dir}: {state} removed")

    def _lay_out(self, project: YamlFile, stack: YamlFile) -> None:
        for folder in ("state", "home"):
            (self.project_dir / folder).mkdir(parents=True, exist_ok=True)
        program = self.project_dir / "program"
        program.unlink(missing_ok=True)
        program.symlink_to(self._root)
        self._lay_out_project(project)
        self.sealed = tuple(stack.unseal())
        stack.write(self._stack_file)

    def _lay_out_project(self, project: YamlFile) -> None:
        self._namespace = str(project.value("name") or "")
        runtime = project.value("runtime")
        name = runtime.get("name") if isinstance(runtime, dict) else runtime
        main = Path("program", project.value("main") or "")
        project.put(("main",), str(main))
        project.put(("runtime", "name"), name)
        # This environment as it is: a tool that syncs it first would change it under
        # our feet, or ask for a network.
        project.put(("runtime", "options", "toolchain"), "pip")
        project.put(("runtime", "options", "virtualenv"), sys.prefix)
        project.remove("backend")
        project.write(self.project_dir / "Pulumi.yaml")

    def _key(self, key: str) -> str:
        return key if ":" in key else f"{self._namespace}:{key}"

    def _open_sealer(self, file: YamlFile) -> Sealer:
        if self._sealer is None:
            self._sealer = Sealer(self.passphrase)
            file.put(("encryptionsalt",), self._sealer.salt)
        return self._sealer


def stop(root: Path) -> bool:
    """End a kept rehearsal and remove what is left of it; False when there is none.

    Raises WorkspaceError while a rehearsal is at work.
    """
    root = root.resolve()
    if not (root / FOLDER).is_dir():
        return False
    lock = _Lock.take(root / FOLDER)
    try:
        left = lock.read()
        if left is None:
            return False
        end_sessions(left.living())
        _remove(root, left.stack)
        lock.clear()
        return True
    finally:
        lock.close()


@dataclass
class _Record:
    """Who is at work in a clone: what the next rehearsal needs to know.

    processes: process id -> identity, of the leaders of sessions.
    """

    pid: int
    stack: str
    started: str
    processes: dict[str, str] = field(default_factory=dict)
    kept: bool = False

    def living(self) -> list[int]:
        """The recorded processes that still run, not others with their numbers."""
        return [
            int(pid)
            for pid, started in self.processes.items()
            if identity(int(pid)) == started
        ]


class _Lock:
    """The lock of a clone, with the record of its holder in the file.

    The kernel releases it with its holder; the record stays.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    @classmethod
    def take(cls, folder: Path) -> Self:
        """Take the lock or raise WorkspaceError, naming who has it."""
        path = folder / ".lock"
        try:
            path.parent.mkdir(exist_ok=True)
            lock = cls(path.open("a+", encoding="utf-8"))
        except OSError as error:
            raise WorkspaceError(
                f"{path.parent} cannot be written: {error.strerror}"
            ) from error
        try:
            fcntl.flock(lock._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = lock.read()
            lock.close()
            raise WorkspaceError(_busy(holder)) from None
        return lock

    def read(self) -> _Record | None:
        self._file.seek(0)
        try:
            return _Record(**json.loads(self._file.read()))
        except (ValueError, TypeError):
            return None

    def write(self, record: _Record) -> None:
        self.clear()
        json.dump(asdict(record), self._file)
        self._file.flush()

    def clear(self) -> None:
        self._file.truncate(0)

    def close(self) -> None:
        self._file.close()


def _busy(holder: _Record | None) -> str:
    if holder is None:
        return "Another rehearsal is starting or ending in this clone. Try again."
    return (
        f"Another rehearsal is running in this clone: {holder.stack}, "
        f"pid {holder.pid}, since {holder.started}. "
        f"Wait for it, or end it: kill {holder.pid}"
    )


def _condition(project_dir: Path) -> str:
    """What a state that was left behind looks like."""
    state = project_dir / "state"
    if any(state.glob(".pulumi/locks/**/*.json")):
        return "a locked state"
    for file in state.glob(".pulumi/stacks/**/*.json"):
        try:
            json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            return "a broken state"
    return "its state"


def _remove(root: Path, stack: str) -> None:
    if _NAME.fullmatch(stack):
        with suppress(FileNotFoundError):
            shutil.rmtree(root / FOLDER / stack)


def _now() -> str:
    return datetime.now(UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
