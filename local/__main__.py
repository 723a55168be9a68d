"""`python -m local`: the command behind `make local` and `make local-stop`."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from local import host
from local.deployment import Deployment, deployment
from local.project import FOLDER, Project
from rehearsal.cloud import CloudError
from rehearsal.commands import ToolError
from rehearsal.progress import ConsoleProgress
from rehearsal.pulumi_cli import Event, PulumiError, Result
from rehearsal.workspace import WorkspaceError

ROOT = Path(__file__).parents[1]

FAILED = 1
"""Exit code when Pulumi could not do all of it."""

REFUSED = 2
"""Exit code when it could not start."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

LOOPBACK = "127.0.0.1"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Deploy the stack of the Docker host to this machine's Docker engine.",
)

_OF_A_BUILD = {"build_args", "builder"}
"""Settings of the image that hold for one that is built here, too."""

_OF_A_DOMAIN = {"certificate_file", "email", "hsts_preload", "key_file"}
"""Settings of the proxy that mean nothing without a domain."""

_TROUBLES = (ToolError, WorkspaceError, CloudError, PulumiError)


@app.command()
def up(
    image: Annotated[
        str, typer.Option(help="Deploy this image instead of building app/.")
    ] = "",
    http_port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1 that redirects to HTTPS.")
    ] = 8080,
    https_port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1 that the app is at.")
    ] = 8443,
) -> None:
    """Deploy it, or bring it up to date."""
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console()
    address = host.address()
    _refuse(list(host.lacks(address, builds=not image)))
    with _explained():
        project = Project(ROOT, say=print)
        progress = ConsoleProgress(console)
        with project, deployment(project, address, progress) as ready:
            committed = project.stack_config()
            project.inject(
                configuration(committed, address, image, http_port, https_port)
            )
            result = ready.pulumi(
                *("up", "--yes", "--skip-preview"), on_event=_teller(console)
            )
            if result.returncode == 0:
                _explain(ready, console)
    _end(result, "make local")


@app.command()
def stop() -> None:
    """Delete it with its networks, volumes and all data."""
    console = Console()
    if not Project(ROOT).exists:
        console.print("Nothing is deployed here.")
        return
    address = host.address()
    _refuse(list(host.lacks(address, builds=False)))
    with _explained():
        project = Project(ROOT, say=print)
        progress = ConsoleProgress(console)
        with project, deployment(project, address, progress) as ready:
            result = ready.pulumi(
                *("destroy", "--yes", "--skip-preview"), on_event=_teller(console)
            )
            if result.returncode == 0:
                project.discard()
                console.print("Stopped: containers, networks and volumes are gone.")
    _end(result, "make local-stop")


def configuration(
    committed: Mapping[str, Any],
    address: str,
    image: str,
    http_port: int,
    https_port: int,
) -> dict[str, Any]:
    """Return what makes a stack file of the Docker host fit for one machine.

    committed: its `config` section. address: of the engine. image: to deploy; empty
    for one to build from app/.
    """
    proxy = committed.get("stromhaltig:proxy") or {}
    build = committed.get("stromhaltig:image") or {}
    kept = {key: build[key] for key in build.keys() & _OF_A_BUILD}
    return {
        "environment": "staging",
        "domain": {},
        "host": {"address": address},
        "image": {"ref": image} if image else {**kept, "context": "app"},
        "proxy": {
            **{key: proxy[key] for key in proxy.keys() - _OF_A_DOMAIN},
            "certificate": "self-signed",
            "bind": LOOPBACK,
            "http_port": http_port,
            "https_port": https_port,
        },
    }


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what keeps it from starting into a message and an exit code."""
    try:
        yield
    except _TROUBLES as trouble:
        _refuse([str(trouble)])
    except KeyboardInterrupt:
        print("Interrupted. What was made is kept: `make local` goes on from here.")
        raise typer.Exit(INTERRUPTED) from None


def _refuse(reasons: Sequence[str]) -> None:
    """Say everything that is missing, and end; nothing when nothing is."""
    if not reasons:
        return
    _say_failure(reasons)
    raise typer.Exit(REFUSED)


def _end(result: Result, command: str) -> None:
    """End with what Pulumi said when it failed."""
    if result.returncode == 0:
        return
    # What comes from inside the plugin says the same without the resource.
    errors = [error for error in result.errors if not error.startswith("sdk-v2/")]
    errors = errors or [result.stderr.strip() or result.stdout.strip()]
    _say_failure([*errors, f"Mend the cause and run it again: {command}"])
    raise typer.Exit(FAILED)


def _say_failure(lines: Sequence[str]) -> None:
    for line in lines:
        Console(stderr=True).print(line, style="red", markup=False, soft_wrap=True)


def _teller(console: Console) -> Callable[[Event], None]:
    """Tell what takes time or fails: the rest is done before it could be read."""

    def tell(event: Event) -> None:
        failed = event.phase == "failed"
        seconds = event.seconds or 0.0
        if event.phase == "started" or event.op == "same":
            return
        if not failed and seconds < 1:
            return
        kind = event.type.rpartition(":")[2]
        outcome = "FAILED after" if failed else "in"
        console.print(
            f"  {event.op} {kind} {event.name} {outcome} {seconds:.0f} s", markup=False
        )

    return tell


def _explain(ready: Deployment, console: Console) -> None:
    outputs = ready.outputs()
    logs = outputs["app_containers"][0]
    lines = [
        "",
        f"The app is at {outputs['url']}  (the certificate is self-signed: your "
        "browser warns of it)",
        f"  is it healthy      curl --insecure {outputs['health_url']}",
        f"  its log            docker logs --follow {logs}",
        "  all containers     docker ps --filter name=stromhaltig-local",
        "  a new version      make local",
        "  delete everything  make local-stop",
        *(f"Note: {note}." for note in ready.notes),
        f"State, passphrase and settings are in {FOLDER}/.",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _interrupt(*_: object) -> NoReturn:
    """Let SIGTERM end it as Ctrl-C does, cleaning up on the way out."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    app()
