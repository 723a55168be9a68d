"""Pulumi's own plugins, for what is deployed for real.

They are downloaded where that is possible. Where it is not, those that a module of
`tools/` pins are built with Go, and kept in the cache like the engine.
"""

from __future__ import annotations

import importlib.resources
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal.cache import cache_root
from rehearsal.commands import ToolError, checked
from rehearsal.engine import TOOLS, Engine
from rehearsal.golang import Pinned, built
from rehearsal.progress import Progress

DOWNLOADS = "get.pulumi.com"
"""Where plugins come from."""

CONNECT_SECONDS = 5.0
"""How long that host may take to answer."""

INSTALL_SECONDS = 300.0
"""How long a download may take."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A plugin's source, pinned by a module of `tools/`.

    module: its folder there. package: the command. version: the variable that the
    linker sets. tags: build tags.
    """

    module: str
    package: str
    version: str
    tags: tuple[str, ...] = ()


SOURCES: Mapping[str, Source] = {
    "docker": Source(
        module="docker-plugin",
        package=".",
        version="main.version",
        # Leaves out Docker Compose, a third of the code, which Pulumi has no use for.
        tags=("no_compose",),
    ),
    "docker-build": Source(
        module="docker-build-plugin",
        package=(
            "github.com/pulumi/pulumi-docker-build"
            "/provider/cmd/pulumi-resource-docker-build"
        ),
        version="github.com/pulumi/pulumi-docker-build/provider.Version",
    ),
}
"""The plugins that can be built."""


class PluginError(ToolError):
    """A plugin cannot be had; the message says what was tried and what would help."""


def install(
    names: Sequence[str], engine: Engine, home: Path, progress: Progress
) -> list[str]:
    """Give a PULUMI_HOME the plugins of packages, in the versions of their SDKs.

    Returns those that could be neither downloaded nor built, because no source of them
    is pinned.

    Raises PluginError when a build fails.
    """
    wanted = {name: _sdk_version(name) for name in names}
    missing = {n: v for n, v in wanted.items() if not _executable(home, n, v).exists()}
    if missing and _online():
        return _download(missing, engine, home, progress)
    return _build(missing, home, progress)


def _download(
    wanted: Mapping[str, str], engine: Engine, home: Path, progress: Progress
) -> list[str]:
    failed: dict[str, str] = {}
    for name, version in wanted.items():
        with progress.busy(f"Downloading the plugin {name} {version}"):
            try:
                checked(
                    f"the plugin {name} {version} cannot be downloaded",
                    [engine.pulumi, "plugin", "install", "resource", name, version],
                    env=engine.environment() | {"PULUMI_HOME": str(home)},
                    timeout=INSTALL_SECONDS,
                )
            except ToolError as error:
                progress.say(f"Plugins: {error}")
                failed[name] = version
    return _build(failed, home, progress)


def _build(wanted: Mapping[str, str], home: Path, progress: Progress) -> list[str]:
    for name in wanted.keys() & SOURCES.keys():
        version = wanted[name]
        try:
            plugin = _plugin(name, version, SOURCES[name])
            what = f"the plugin {name} {version}"
            program = built(plugin, what, cache_root(), progress)
        except ToolError as error:
            raise PluginError(
                f"The plugin {name} {version} can be neither downloaded from "
                f"{DOWNLOADS} nor built: {error}"
            ) from error
        link = _executable(home, name, version)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(program)
    return sorted(wanted.keys() - SOURCES.keys())


def _plugin(name: str, version: str, source: Source) -> Pinned:
    return Pinned(
        name=f"plugin/{name}",
        module=TOOLS / source.module,
        package=source.package,
        program=f"pulumi-resource-{name}",
        version=version,
        variable=source.version,
        tags=source.tags,
    )


def _executable(home: Path, name: str, version: str) -> Path:
    """Where the engine looks for a plugin."""
    folder = home / "plugins" / f"resource-{name}-v{version}"
    return folder / f"pulumi-resource-{name}"


def _sdk_version(name: str) -> str:
    package = f"pulumi_{name.replace('-', '_')}"
    told = importlib.resources.files(package).joinpath("pulumi-plugin.json")
    return str(json.loads(told.read_text(encoding="utf-8"))["version"])


def _online() -> bool:
    try:
        socket.create_connection((DOWNLOADS, 443), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
