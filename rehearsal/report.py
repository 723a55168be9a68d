"""What a rehearsal found, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

from rehearsal.provider.docker_build import IMAGE


@dataclass
class Step:
    """One step of the lifecycle.

    name: what is done; seconds: wall time; changes: operation -> number of resources.
    commands: engine command -> its wall time in seconds, in order.
    facts: what was checked and found, a sentence each; error: why it failed.
    """

    name: str
    seconds: float = 0.0
    changes: dict[str, int] = field(default_factory=dict)
    commands: list[tuple[str, float]] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass
class Report:
    """A whole rehearsal.

    injected: config values that the stack file lacks, with what stood in for them.
    emulated, recorded: resources by type, carried out on the emulator or written down.
    unverified: inputs that the emulator takes but does not keep, by type.
    accepted: control -> until when and why a finding of it is accepted.
    cost: what a month costs, itemised; empty where nothing has a price.
    kept: what a destroyed stack leaves on purpose.
    unproven: what it says nothing about, though every step passed.
    """

    stack: str
    engine: str
    plugins: str
    injected: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    emulated: dict[str, int] = field(default_factory=dict)
    recorded: dict[str, int] = field(default_factory=dict)
    unverified: dict[str, list[str]] = field(default_factory=dict)
    outputs: dict[str, object] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    cloud_memory_mib: int | None = None
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every step did."""
        return bool(self.steps) and all(step.error is None for step in self.steps)

    def as_json(self) -> str:
        """The report for programs; secret outputs are masked, as the engine does it."""
        return json.dumps({"passed": self.passed, **asdict(self)}, indent=2)


def show(report: Report, console: Console) -> None:
    """Print the report for people."""
    _section(console, "Stood in for what the stack file lacks", _pairs(report.injected))
    _section(console, "Resources", _resources(report))
    _section(console, "A new version, by design", _rollout(report.outputs))
    _section(console, "Controls not met, each with a reason", _accepted(report))
    _section(console, "A month, by list price", _cost(report))
    _section(console, "Left behind on purpose", report.kept)
    _section(console, "Taken by the emulator, not kept", _unverified(report))
    _section(console, "What this cannot prove", report.unproven)
    plain = {k: v for k, v in report.outputs.items() if not isinstance(v, dict | list)}
    _section(console, "Outputs, after up", _pairs(plain))
    for step in report.steps:
        if step.error:
            console.print()
            console.print(Text(f"{step.name} failed", style="bold red"))
            console.print(Text(step.error), soft_wrap=True)
    verdict = "passed" if report.passed else "FAILED"
    console.print()
    console.print(
        Text(
            f"Rehearsal of {report.stack} {verdict} in {report.seconds:.0f} s",
            style="bold green" if report.passed else "bold red",
        ),
        Text(f"(engine {report.engine}, plugins: {report.plugins})", style="dim"),
        soft_wrap=True,
    )


def show_step(step: Step, console: Console) -> None:
    """Print a finished step: what it took, what changed, what was found."""
    mark, style = ("✗", "red") if step.error else ("✓", "green")
    line = Text.assemble((f"{mark} ", style), (f"{step.name:<16}", "bold"))
    line.append(f"{step.seconds:6.1f} s  ", style="dim")
    line.append(_changes(step.changes))
    console.print(line)
    for fact in step.facts:
        console.print(Text(f"    {fact}", style="dim"), soft_wrap=True)


def _changes(changes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(changes.items()))


def _resources(report: Report) -> list[str]:
    emulated, recorded = sum(report.emulated.values()), sum(report.recorded.values())
    lines = []
    if emulated:
        lines.append(
            f"{emulated}, of {len(report.emulated)} types, carried out on the emulator"
        )
    if recorded:
        names = ", ".join(sorted(_short(token) for token in report.recorded))
        lines.append(f"{recorded} recorded only, inputs checked: {names}")
    if IMAGE in report.recorded:
        lines.append("the image was not built: its digest is a hash of the folder")
    return lines


def _rollout(outputs: Mapping[str, Any]) -> list[str]:
    """What a release waits for, of a stack that tells."""
    parts: list[dict[str, Any]] = outputs.get("rollout") or []
    if not parts:
        return []
    whole = sum(part["seconds"] for part in parts)
    serving = outputs["rollout_seconds"]
    return [
        *(f"{part['seconds']:4} s  {part['what']}" for part in parts),
        f"serves after {serving} s, the old one is gone after {whole} s "
        f"({outputs['strategy']})",
    ]


def _accepted(report: Report) -> list[str]:
    if not report.accepted:
        return []
    return [", ".join(sorted(report.accepted)), "why: policies/exceptions.yaml"]


def _cost(report: Report) -> list[str]:
    if not report.cost:
        return []
    groups: Mapping[str, float] = report.cost["groups"]
    unknown = len(report.cost["unknown"])
    return [
        *(f"{usd:8,.2f} USD  {group}" for group, usd in groups.items() if usd >= 0.5),
        f"{report.cost['usd']:8,.2f} USD  in {report.cost['region']}, without tax"
        + (f"; {unknown} of unknown price not counted" if unknown else ""),
        "itemised, with what is assumed: stromhaltig cost --help",
    ]


def _unverified(report: Report) -> list[str]:
    return [
        f"{_short(token)}: {', '.join(names)}"
        for token, names in sorted(report.unverified.items())
    ]


def _short(token: str) -> str:
    """`rds.Instance` for `aws:rds/instance:Instance`, as programs write it."""
    package, module, name = token.split(":")
    module = module.split("/")[0]
    return f"{package if module == 'index' else module}.{name}"


def _pairs(values: Mapping[str, object]) -> list[str]:
    return [f"{key}: {value}" for key, value in values.items()]


def _section(console: Console, title: str, lines: list[str]) -> None:
    if not lines:
        return
    console.print()
    console.print(Text(title, style="bold"))
    for line in lines:
        console.print(Text(f"  {line}"), soft_wrap=True)
