"""Runs the Pulumi CLI in a workspace and reads what the engine reports."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rehearsal import processes
from rehearsal.engine import Engine
from rehearsal.workspace import Workspace

OPERATIONS = frozenset({"destroy", "import", "preview", "refresh", "up"})
"""Commands that report what happens to resources."""

Phase = Literal["started", "done", "failed"]


class PulumiError(Exception):
    """The CLI did not come to an end, or could not do what must always succeed."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happens to one resource.

    op: `create`, `update`, `same`, `replace`, `delete` … as the engine calls it.
    diffs: the properties that change; replace_keys: those that force a replacement.
    detailed_diff: property path -> kind, such as `update` or `add-replace`.
    old, new: the resource before and after, with `inputs`, `outputs`, `id`, `protect`;
        none where it does not exist.
    planned: in a preview, where nothing really happens.
    seconds: from start to end of the step, to a twentieth of a second.
    """

    phase: Phase
    op: str
    urn: str
    type: str
    diffs: tuple[str, ...] = ()
    replace_keys: tuple[str, ...] = ()
    detailed_diff: Mapping[str, str] = field(default_factory=dict)
    old: Mapping[str, Any] | None = None
    new: Mapping[str, Any] | None = None
    planned: bool = False
    seconds: float | None = None

    @property
    def name(self) -> str:
        """The logical name, the last part of the URN."""
        return self.urn.rpartition("::")[2]


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """What the engine, a provider or the program says.

    urn: of the resource it is about, or empty. severity: `info`, `info#err` for the
    program's own output, `warning`, `error`.
    """

    severity: str
    message: str
    urn: str


@dataclass(frozen=True, kw_only=True)
class Violation:
    """What a policy of a pack finds wrong.

    policy: its name. level: `mandatory` stops the operation, `advisory` does not.
    urn: of the resource it is about, or empty.
    """

    policy: str
    level: str
    message: str
    urn: str

    def __str__(self) -> str:
        who = f"{self.policy} ({self.level}) {self.urn.rpartition('::')[2]}".rstrip()
        return f"{who}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """A command that has ended.

    events: the steps that ended, in order. summary: operation -> number of resources.
    violations: of policies, where a pack was run.
    """

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    events: list[Event] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    summary: dict[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> list[str]:
        """What the engine gives as reasons of a failure."""
        broken = [str(v) for v in self.violations if v.level == "mandatory"]
        said = [said.message for said in self.diagnostics if said.severity == "error"]
        return broken + said


def run_pulumi(
    engine: Engine,
    workspace: Workspace,
    args: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    grace: float = processes.GRACE,
    on_event: Callable[[Event], None] = lambda _: None,
) -> Result:
    """Run `pulumi ARGS` in the workspace, with all its processes ended afterwards.

    env: variables on top of the workspace's, such as the embedded cloud's.
    timeout: seconds before the command is interrupted; grace: seconds it then has to
        cancel in order before everything is killed.
    on_event: told of each step of a resource as it starts and ends.

    Raises PulumiError when time is up or the CLI cannot be started. A command that
    fails is a Result like any other.
    """
    with tempfile.TemporaryDirectory(prefix="stromhaltig-") as folder:
        log = _EventLog(Path(folder, "events.jsonl"), on_event)
        command = [*args, "--non-interactive", "--color", "never"]
        if args[0] in OPERATIONS:
            command += ["--event-log", str(log.path)]
        # The event log is an option for those who develop Pulumi itself.
        variables = {**(env or {}), "PULUMI_DEBUG_COMMANDS": "true"}
        pids: list[int] = []

        def started(pid: int) -> None:
            pids.append(pid)
            workspace.record_process(pid)

        try:
            completed = processes.run(
                [engine.pulumi, *command],
                env=engine.environment(workspace.environment() | variables),
                cwd=workspace.project_dir,
                timeout=timeout,
                grace=grace,
                on_start=started,
                on_poll=log.read,
            )
        except subprocess.TimeoutExpired as error:
            raise PulumiError(
                f"`pulumi {' '.join(args)}` had no end after {timeout:g} s"
            ) from error
        except OSError as error:
            raise PulumiError(f"{engine.pulumi} cannot be run: {error}") from error
        finally:
            for pid in pids:
                workspace.forget_process(pid)
    return Result(
        returncode=completed.returncode,
        stdout=completed.stdout,
        stderr=completed.stderr,
        seconds=completed.seconds,
        events=log.events,
        diagnostics=log.diagnostics,
        violations=log.violations,
        summary=log.summary,
    )


def create_stack(
    engine: Engine,
    workspace: Workspace,
    *,
    env: Mapping[str, str] | None = None,
    unless_there: bool = False,
) -> None:
    """Make the stack in the workspace's state, to be done before anything else.

    unless_there: whether it may be there already, and is then taken as it is.
    env: as for the commands that follow, for the engine notes in PULUMI_HOME which
        stack is selected.

    Raises PulumiError with what the CLI says when that fails.
    """
    verb = ["select", "--create"] if unless_there else ["init"]
    command = ["stack", *verb, workspace.stack]
    result = run_pulumi(engine, workspace, command, env=env)
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()
        raise PulumiError(f"The stack cannot be made: {said}")


class _EventLog:
    """The engine's event log, read while it is being written."""

    def __init__(self, path: Path, on_event: Callable[[Event], None]) -> None:
        self.path = path
        self.diagnostics: list[Diagnostic] = []
        self.violations: list[Violation] = []
        self.summary: dict[str, int] = {}
        self._tail = processes.Tail(path)
        self._on_event = on_event
        self._began: dict[tuple[str, str], float] = {}
        self._ended: dict[tuple[str, str, str], Event] = {}

    @property
    def events(self) -> list[Event]:
        return list(self._ended.values())

    def read(self) -> None:
        for line in self._tail.lines():
            self._take(json.loads(line))

    def _take(self, entry: Mapping[str, Any]) -> None:
        if diagnostic := entry.get("diagnosticEvent"):
            self._hear(diagnostic)
        elif violation := entry.get("policyEvent"):
            self.violations.append(
                Violation(
                    policy=violation["policyName"],
                    level=violation["enforcementLevel"],
                    message=violation["message"].strip(),
                    urn=violation.get("resourceUrn", ""),
                )
            )
        elif summary := entry.get("summaryEvent"):
            self.summary = dict(summary.get("resourceChanges") or {})
        elif started := entry.get("resourcePreEvent"):
            self._start(_event("started", started))
        elif ended := entry.get("resOutputsEvent"):
            self._end(_event("done", ended))
        elif failed := entry.get("resOpFailedEvent"):
            self._end(_event("failed", failed))

    def _hear(self, diagnostic: Mapping[str, Any]) -> None:
        if diagnostic["severity"] == "debug" or diagnostic.get("ephemeral"):
            return
        self.diagnostics.append(
            Diagnostic(
                severity=diagnostic["severity"],
                message=diagnostic["message"].strip(),
                urn=diagnostic.get("urn", ""),
            )
        )

    def _start(self, event: Event) -> None:
        self._began[event.urn, event.op] = time.monotonic()
        self._on_event(event)

    def _end(self, event: Event) -> None:
        began = self._began.get((event.urn, event.op))
        if began is not None:
            event = replace(event, seconds=time.monotonic() - began)
        # A component ends twice, the second time with its outputs. Several old copies
        # of one resource can be deleted, hence the id.
        self._ended[event.urn, event.op, (event.old or {}).get("id", "")] = event
        self._on_event(event)


def _event(phase: Phase, entry: Mapping[str, Any]) -> Event:
    metadata = entry["metadata"]
    detailed = metadata.get("detailedDiff") or {}
    return Event(
        phase=phase,
        op=metadata["op"],
        urn=metadata["urn"],
        type=metadata["type"],
        diffs=tuple(metadata.get("diffs") or ()),
        replace_keys=tuple(metadata.get("keys") or ()),
        detailed_diff={path: change["diffKind"] for path, change in detailed.items()},
        old=metadata.get("old"),
        new=metadata.get("new"),
        planned=entry.get("planning", False),
    )
