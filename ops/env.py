"""`stromhaltig env`: what the app is told, as the files that platforms read."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contract import APP
from ops.common import JsonOption, refuse, stack_option
from ops.stack import ROOT

if TYPE_CHECKING:
    from settings import Settings

app = typer.Typer(no_args_is_help=True, help="What the app is told, as files.")


_PROXIES = {"digitalocean": 2, "railway": 2}
"""Proxies between client and app, where there is more than one."""


_SECRETS = [variable.name for variable in APP.variables if variable.secret]


class Target(StrEnum):
    """Which file."""

    do = "do"
    railway = "railway"
    dotenv = "dotenv"


@app.callback()
def env() -> None:
    """Keep `render` a command of its own, for more to come beside it."""


@app.command()
def render(
    target: Annotated[
        Target,
        typer.Argument(
            help="do: App Platform's .do/app.yaml. railway: railway.json. dotenv: the "
            "environment, as .env files have it."
        ),
    ],
    stack: Annotated[str, stack_option("Which Pulumi.STACK.yaml.")],
    output: Annotated[
        Path | None, typer.Option(help="Write it there; default, print it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the file that a platform reads, from a stack file.

    No secret is in it: their names are, and what is generated stays with Pulumi.
    Nothing is asked of anybody.
    """
    # Only now: what other commands do without takes half a second.
    from settings import SettingsError, stack_file

    try:
        settings = stack_file.read(stack, ROOT)
    except SettingsError as error:
        refuse(str(error))
    try:
        text = _as_json(target, settings) if as_json else _rendered(target, settings)
    except ValueError as error:
        refuse(str(error))
    if output is None:
        print(text, end="")
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        refuse(f"{output} cannot be written: {error.strerror}")
    print(f"{output} written.")


def _rendered(target: Target, settings: Settings) -> str:
    from settings import DigitalOceanSettings, RailwaySettings

    if target is Target.dotenv:
        return _dotenv(settings)
    if target is Target.do and isinstance(settings, DigitalOceanSettings):
        from stacks import digitalocean

        if not settings.has_app:
            raise ValueError("The stack makes a droplet, and no app on App Platform.")
        return digitalocean.app_file(settings, APP)
    if target is Target.railway and isinstance(settings, RailwaySettings):
        from stacks import railway

        return railway.app_file(settings, APP)
    wanted = "digitalocean" if target is Target.do else target.value
    raise ValueError(
        f"{target.value} is a file of the platform {wanted}, and stack "
        f"{settings.stack} is of {settings.platform}. Name a stack of that platform, "
        f"such as --stack {wanted}"
    )


def _as_json(target: Target, settings: Settings) -> str:
    """The same as JSON; App Platform takes its file as such, too."""
    import yaml

    if target is Target.dotenv:
        data: object = {**_environment(settings), **dict.fromkeys(_SECRETS)}
    else:
        data = yaml.safe_load(_rendered(target, settings))  # JSON is YAML
    return json.dumps(data, indent=2) + "\n"


def _environment(settings: Settings) -> dict[str, str]:
    cached = getattr(settings, "cache", None) is not None
    # The platform's own, and on AWS one more with the option `cdn`.
    proxies = _PROXIES.get(settings.platform, 1) + bool(getattr(settings, "cdn", None))
    return APP.environment(settings.app, cache=cached, proxies=proxies)


def _dotenv(settings: Settings) -> str:
    lines = [f"{name}={value}" for name, value in _environment(settings).items()]
    return "\n".join(
        [
            f"# The app's environment in stack {settings.stack}, without secrets.",
            *lines,
            "# Secret, and to be filled in:",
            *(f"{name}=" for name in _SECRETS),
            "",
        ]
    )
