"""`python -m rehearsal`: the command behind `make rehearse`."""

from __future__ import annotations

import os
import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from rehearsal import engine as engines
from rehearsal.aws_stage import region_of
from rehearsal.cloud import CloudError, EmbeddedCloud
from rehearsal.engine import EngineError
from rehearsal.lifecycle import Lifecycle, StepFailedError
from rehearsal.progress import ConsoleProgress
from rehearsal.provider.row import Aws
from rehearsal.pulumi_cli import run_pulumi
from rehearsal.report import Report, show, step_line
from rehearsal.workspace import Workspace, WorkspaceError, stop

ROOT = Path(__file__).parents[1]

FAILED = 1
"""Exit code when a step of the lifecycle failed."""

REFUSED = 2
"""Exit code when the rehearsal could not start."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Deploy a stack to an embedded AWS with the real Pulumi engine.",
)


class Plugins(StrEnum):
    """Who carries resources out."""

    embedded = "embedded"
    official = "official"


class EngineSource(StrEnum):
    """Where the Pulumi CLI comes from."""

    auto = "auto"
    path = "path"
    installer = "installer"
    build = "build"


@app.command()
def run(
    stack: Annotated[str, typer.Option(help="Which Pulumi.STACK.yaml.")] = "production",
    keep: Annotated[
        bool, typer.Option(help="Leave stack and cloud running at the end.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON.")
    ] = False,
    plugins: Annotated[
        Plugins, typer.Option(help="Our provider server, or Pulumi's own plugins.")
    ] = Plugins.embedded,
    engine: Annotated[
        EngineSource, typer.Option(help="Where the Pulumi CLI comes from.")
    ] = EngineSource.auto,
    port: Annotated[
        int, typer.Option(help="Loopback port of the emulated AWS; 0 takes a free one.")
    ] = 0,
) -> None:
    """Run a stack's whole life: up, no-op, change, drift, failure, destroy."""
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(stderr=True) if as_json else Console()
    try:
        report = _rehearse(stack, keep, plugins, engine, port, console)
    except (EngineError, WorkspaceError, CloudError) as refusal:
        Console(stderr=True).print(str(refusal), style="red", markup=False)
        raise typer.Exit(REFUSED) from None
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted; everything started is ended.")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print(report.as_json())
    else:
        show(report, console)
    if not report.passed:
        raise typer.Exit(FAILED)


@app.command("stop")
def stop_kept() -> None:
    """End a rehearsal that was left running with --keep."""
    ended = stop(ROOT)
    print("Ended the kept rehearsal." if ended else "No rehearsal is running here.")


def _rehearse(
    stack: str,
    keep: bool,
    plugins: Plugins,
    source: EngineSource,
    port: int,
    console: Console,
) -> Report:
    began = time.monotonic()
    progress = ConsoleProgress(console)
    with Workspace(ROOT, stack, say=progress.say) as workspace:
        engine = engines.ensure(source.value, progress=progress)
        report = Report(stack, f"{engine.version} ({engine.origin})", plugins.value)
        region = region_of(workspace.stack_config())
        log = workspace.project_dir / "cloud.log"
        with EmbeddedCloud(port, log) as cloud:
            workspace.record_process(cloud.pid)
            environment = workspace.environment() | _attached(cloud, plugins, region)

            def pulumi(*arguments: str) -> Result:
                return run_pulumi(engine, workspace, arguments, env=environment)

            if plugins is Plugins.official:
                workspace.inject_namespace("aws", OFFICIAL_PLUGIN_CONFIG)
            aws = Aws(cloud.addresses.aws, region, {})
            say_step = lambda step: console.print(step_line(step))  # noqa: E731
            story = Lifecycle(pulumi, workspace, cloud, aws, report, say_step)
            with contextlib.suppress(StepFailedError):  # it stands in the report
                story.run(keep)
            report.cloud_memory_mib = cloud.peak_memory_mib()
            report.seconds = round(time.monotonic() - began, 1)
            if keep and report.passed:
                workspace.keep(cloud.keep())
                _explain_kept(console, workspace, environment)
    return report
