"""A stack as Pulumi knows it: outputs, configuration, and updates of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.common import of_pulumi
from ops.errors import FailedError, OpsError, nearest
from ops.interrupts import child_first
from ops.records import records
from resource_types import holds_data

if TYPE_CHECKING:
    from pulumi import automation as auto

    from ops.store import Store
    from settings import Settings

ROOT = Path(__file__).resolve().parents[1]
"""The project."""

NAMESPACE = "stromhaltig:"

_NOT_SET = "not found for stack"
"""What Pulumi says of a configuration value that is not there."""

LINES = 20
"""Of what the program prints, how much is told when it fails."""

OnEvent = Callable[["auto.EngineEvent"], None]


@dataclass(frozen=True)
class Change:
    """What an update does, or would do, to one resource.

    protected: Pulumi refuses to delete what is there now. holds_data: something is lost
    with it.
    """

    op: str
    type: str
    name: str
    protected: bool = False
    holds_data: bool = False


def project() -> Path:
    """The nearest folder upwards with a `Pulumi.yaml`, or else this clone."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    return ROOT


class Stack:
    """One stack of the project.

    Raises OpsError on creation when there is no such stack, or no `pulumi`.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.name = name
        self.folder = folder or project()
        self._stack = self._select()

    def _select(self) -> auto.Stack:
        from pulumi import automation as auto

        try:
            return auto.select_stack(self.name, work_dir=str(self.folder))
        except auto.StackNotFoundError:
            workspace = auto.LocalWorkspace(work_dir=str(self.folder))
            known = [found.name for found in workspace.list_stacks()]
            raise OpsError(
                f'There is no stack "{self.name}" in {self.folder}. '
                f"{nearest(self.name, known, kind='stacks')} A new one is made by: "
                f"pulumi stack init {self.name}"
            ) from None
        except FileNotFoundError:
            raise OpsError(
                "There is no `pulumi` on PATH. Install it: "
                "curl -fsSL https://get.pulumi.com | sh"
            ) from None
        except auto.CommandError as error:
            raise OpsError(f"Pulumi, stack {self.name}: {_said(error)}") from None

    @property
    def file(self) -> Path:
        """Where its settings are."""
        return self.folder / f"Pulumi.{self.name}.yaml"

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Put the stack's file back after the block, as it was to the byte."""
        before = self.file.read_bytes()
        try:
            yield
        finally:
            self.file.write_bytes(before)

    @cached_property
    def outputs(self) -> Mapping[str, Any]:
        """Name of an output to its value; empty before the first deployment.

        Raises OpsError with what Pulumi says when the state cannot be read.
        """
        from pulumi import automation as auto

        try:
            return {name: found.value for name, found in self._stack.outputs().items()}
        except auto.CommandError as error:
            raise OpsError(f"Pulumi, stack {self.name}: {_said(error)}") from None

    @cached_property
    def backend_url(self) -> str:
        """Where the state is."""
        who = self._stack.workspace.who_am_i()
        return str(who.url)

    @cached_property
    def project_name(self) -> str:
        """Name of the project, a part of every URN."""
        return str(self._stack.workspace.project_settings().name)

    def cancel(self) -> None:
        """Take Pulumi's own lock away, which an update left that was killed."""
        self._stack.cancel()

    @cached_property
    def records(self) -> Store:
        """Locks, releases and the audit log."""
        return records(self.name, self.backend_url)

    @property
    def production(self) -> bool:
        """Whether its environment is production, which is asked about twice."""
        return self.get("environment", "production") == "production"

    def get(self, path: str, default: str | None = None) -> str | None:
        """A configuration value in clear, by its path without the namespace.

        Raises OpsError with what Pulumi says when it cannot look: what is not set and
        what nobody could read are two things.
        """
        from pulumi import automation as auto

        try:
            return self._stack.get_config(_key(path), path=True).value
        except auto.CommandError as error:
            said = _said(error)
            if _NOT_SET in said:
                return default
            raise OpsError(f"Pulumi, stack {self.name}: {said}") from None

    def settings(self) -> Settings:
        """The stack file as the program reads it, its secrets decrypted.

        Raises SettingsError with every problem there is.
        """
        from settings import parsing

        found = self._stack.get_all_config()
        return parsing.parse(
            self.name,
            {key: each.value for key, each in found.items()},
            secret_keys=parsing.secret_keys(
                {key: each.value for key, each in found.items()},
                {key for key, each in found.items() if each.secret},
                self.file,
            ),
        )

    def set(self, path: str, value: str) -> None:
        """Set a configuration value that is no secret, in the stack's file."""
        from pulumi import automation as auto

        self._stack.set_config(_key(path), auto.ConfigValue(value), path=True)

    def set_secret(self, path: str, value: str) -> None:
        """Set a secret in the stack's file, encrypted.

        The value goes through a pipe: everybody may read a command line. Line breaks
        at its end get lost.

        Raises FailedError when Pulumi does not take it.
        """
        done = self._pulumi(
            "config", "set", "--path", "--secret", _key(path), given=value
        )
        if done.returncode != 0:
            said = done.stderr.replace(value, "[secret]").strip()
            raise FailedError(f"Pulumi did not take {_key(path)}: {said}")

    def unset(self, path: str) -> None:
        """Remove a configuration value; one that is not there is no error."""
        self._stack.remove_config(_key(path), path=True)

    def export(self) -> Mapping[str, Any]:
        """The state, its secrets encrypted.

        Raises OpsError with what Pulumi says when it cannot be read.
        """
        # The Automation API would have them in clear.
        done = self._pulumi("stack", "export")
        if done.returncode != 0:
            raise OpsError(f"Pulumi, stack {self.name}: {done.stderr.strip()}")
        state: dict[str, Any] = json.loads(done.stdout)
        return state

    def preview(self, on_event: OnEvent | None = None) -> list[Change]:
        """What an update would change.

        Raises OpsError with what the program says, when it does not come that far.
        """
        return self._changes(self._stack.preview, on_event, refusal=OpsError)

    def up(self, on_event: OnEvent | None = None) -> list[Change]:
        """Update the stack and return what was changed.

        Raises FailedError with what the engine says, when it does not come to an end.
        """
        changes = self._changes(self._stack.up, on_event, refusal=FailedError)
        self.__dict__.pop("outputs", None)
        return changes

    def drift(self, on_event: OnEvent | None = None) -> list[Change]:
        """What was changed behind the program's back; nothing is written.

        Raises OpsError with what the engine says.
        """
        return self._changes(self._stack.preview_refresh, on_event, refusal=OpsError)

    def _changes(
        self,
        operation: Callable[..., object],
        on_event: OnEvent | None,
        *,
        refusal: type[OpsError],
    ) -> list[Change]:
        from pulumi import automation as auto

        changes: list[Change] = []
        reasons: list[str] = []
        printed: deque[str] = deque(maxlen=LINES)

        def note(event: auto.EngineEvent) -> None:
            # Only the end of a refresh tells whether it found anything.
            step = event.res_outputs_event
            if step and step.metadata.op not in IDLE:
                changes.append(change_of(step.metadata))
            said = event.diagnostic_event
            if said and said.severity == "error":
                reasons.append(said.message.strip())
            elif said and said.severity == "info#err":
                printed.append(said.message.rstrip())
            if on_event:
                on_event(event)

        try:
            with child_first("Pulumi"):
                operation(on_event=note, color="never")
        except auto.CommandError as error:
            why = "\n".join((*printed, *reasons)) or _said(error)
            raise refusal(f"Pulumi, stack {self.name}: {why}") from None
        return list(dict.fromkeys(changes))

    def _pulumi(
        self, *arguments: str, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command-line tool on the stack, for what the Automation API lacks."""
        return subprocess.run(
            ["pulumi", *arguments, "--stack", self.name, "--non-interactive"],
            input=given,
            cwd=self.folder,
            env={**os.environ, **self._stack.workspace.env_vars},
            capture_output=True,
            text=True,
        )


IDLE = frozenset({"same", "read", "refresh"})
"""Steps of the engine after which everything is as it was."""


def change_of(metadata: Any) -> Change:
    """What a step of the engine does to its resource."""
    name = str(metadata.urn).rpartition("::")[2]
    op = str(getattr(metadata.op, "value", metadata.op))
    protected = bool(metadata.old and metadata.old.protect)
    return Change(op, metadata.type, name, protected, holds_data(str(metadata.urn)))


def _key(path: str) -> str:
    return path if ":" in path else f"{NAMESPACE}{path}"


def _said(error: Exception) -> str:
    """What the CLI printed on standard error, without the Automation API's frame."""
    return of_pulumi(error) or str(error).strip()
