"""`python -m rehearsal`: the command behind `make rehearse`."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from rehearsal import engine as engines
from rehearsal import reviews, stages
from rehearsal.cache import cache_root
from rehearsal.cloud import CloudError, EmbeddedCloud
from rehearsal.engine import Engine, EngineError
from rehearsal.lifecycle import Lifecycle, StepFailedError
from rehearsal.progress import ConsoleProgress
from rehearsal.pulumi_cli import PulumiError, Result, create_stack, run_pulumi
from rehearsal.report import Report, show, show_step
from rehearsal.stages import Stage, StageError
from rehearsal.stromhaltig_cli import Operator
from rehearsal.workspace import Workspace, WorkspaceError, stop

ROOT = Path(__file__).parents[1]

FAILED = 1
"""Exit code when a step of the lifecycle failed."""

REFUSED = 2
"""Exit code when the rehearsal could not start."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

REFUSALS = (EngineError, WorkspaceError, CloudError, PulumiError, StageError)
"""Why a rehearsal does not start or cannot go on, with a message for its user."""

OFFICIAL_PLUGIN_CONFIG = {
    "aws:skipCredentialsValidation": True,
    "aws:skipMetadataApiCheck": True,
    "aws:s3UsePathStyle": True,
    # Calls that the emulator lacks would be tried 25 times otherwise.
    "aws:maxRetries": 1,
}
"""What Pulumi's own AWS plugin needs to be content with an emulator."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Deploy a stack to an embedded platform with the real Pulumi engine.",
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
    except REFUSALS as refusal:
        Console(stderr=True).print(
            str(refusal), style="red", markup=False, soft_wrap=True
        )
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
        # What is rehearsed of reviews is theirs and their base's.
        config = workspace.stack_config()
        reviewed = config.get("stromhaltig:platform") == reviews.PLATFORM
        main = workspace.beside(config["stromhaltig:base"]) if reviewed else workspace
        config = main.stack_config()
        _refuse_plugins(plugins, stages.platform(config))
        engine = engines.ensure(source.value, progress=progress)
        report = Report(stack, f"{engine.version} ({engine.origin})", plugins.value)
        with EmbeddedCloud(port, workspace.project_dir / "cloud.log") as cloud:
            workspace.record_process(cloud.pid)
            stage = stages.choose(cloud, config)
            attachment = _attachment(cloud, plugins, stage)
            if plugins is Plugins.official:
                for each in {main, workspace}:
                    each.inject(OFFICIAL_PLUGIN_CONFIG)

            packs = engine.running_packs(workspace.project_dir / "bin")

            def pulumi(*arguments: str) -> Result:
                able = packs if "--policy-pack" in arguments else engine
                return run_pulumi(able, workspace, arguments, env=attachment)

            create_stack(engine, main, env=attachment)
            with console.status("") as status:
                life = (reviews.Reviews if reviewed else Lifecycle)(
                    pulumi,
                    main,
                    stage,
                    report,
                    on_start=lambda name: status.update(f"{name} ..."),
                    on_step=lambda step: show_step(step, console),
                    stromhaltig=Operator(
                        stack,
                        workspace.project_dir,
                        engine.environment(
                            workspace.environment()
                            | attachment
                            | dict(stage.client_environment)
                        ),
                    ),
                )
                with contextlib.suppress(StepFailedError):  # it stands in the report
                    life.run(keep)
            report.cloud_memory_mib = cloud.peak_memory_mib()
            report.seconds = round(time.monotonic() - began, 1)
            if keep:
                attachment |= stage.client_environment
                workspace.keep(cloud.keep())
                _explain(workspace, packs, attachment, stage, console)
    return report


def _refuse_plugins(plugins: Plugins, platform: str) -> None:
    """Raise StageError where Pulumi's own plugins would reach for a real platform."""
    if plugins is Plugins.official and platform != "aws":
        raise StageError(
            f"--plugins official: only AWS is emulated; the plugins of platform "
            f"{platform} would need a real one. Leave --plugins out."
        )


def _attachment(cloud: EmbeddedCloud, plugins: Plugins, stage: Stage) -> dict[str, str]:
    """Variables that lead the engine to our provider, or its own plugins to moto."""
    if plugins is Plugins.embedded:
        return cloud.addresses.for_engine()
    return {
        "PULUMI_HOME": str(cache_root() / "plugins"),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "false",
        **stage.client_environment,
    }


def _explain(
    workspace: Workspace,
    engine: Engine,
    attachment: dict[str, str],
    stage: Stage,
    console: Console,
) -> None:
    """Leave a file to source, and say how to go on from a shell."""
    environment = engine.environment(workspace.environment() | attachment)
    exported = {k: v for k, v in environment.items() if os.environ.get(k) != v}
    script = workspace.project_dir / "env.sh"
    script.write_text(
        "".join(f"export {k}={shlex.quote(v)}\n" for k, v in sorted(exported.items()))
    )
    console.print(
        f"\nThe stack is up and its cloud goes on running. In a shell:\n"
        f"  cd {workspace.project_dir} && source env.sh\n"
        f"  pulumi stack output\n"
        + "".join(f"  {hint}\n" for hint in stage.hints)
        + "End it with: make rehearse-stop",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _interrupt(*_: object) -> NoReturn:
    """Let SIGTERM end the rehearsal as Ctrl-C does, cleaning up on the way out."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    app()
