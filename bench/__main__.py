"""`python -m bench`: measure what docs/benchmarks.md states.

python -m bench program            registering everything, under mocks
python -m bench rehearsal          each step with the real engine, memory
python -m bench unit               the fast test suite
python -m bench clone              fresh clone to finished rehearsal, engine cached
python -m bench clone --uncached   the same with an empty cache folder
python -m bench image              size and build times of the app's image
python -m bench proxy              our nginx against a bare one, and uploads' memory
python -m bench operations         backup, restore and drill against plain programs
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parents[1]
SERVICES = (1, 2, 4, 8)
RUNS = 5

app = typer.Typer(add_completion=False, help=__doc__, rich_markup_mode=None)


@app.command()
def program() -> None:
    """Time and memory of the program's own share, and how both grow."""
    print(f"median of {RUNS} fresh processes: imports, registering under mocks, memory")
    for services in SERVICES:
        runs = [_register(services) for _ in range(RUNS)]
        count = runs[0]["resources"]
        imports, build, memory = (
            statistics.median(run[key] for run in runs)
            for key in ("imports", "build", "memory")
        )
        print(
            f"{services} services, {count:.0f} resources: imports {imports:.2f} s, "
            f"registering {build:.2f} s, {memory:.0f} MiB"
        )


@app.command(hidden=True)
def register(services: int) -> None:
    """One measurement of `program`, in a process of its own."""
    began = time.perf_counter()
    from bench.program import build

    imported = time.perf_counter()
    count = build(services)
    done = time.perf_counter()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "imports": imported - began,
                "build": done - imported,
                "memory": memory,
                "resources": count,
            }
        )
    )


@app.command()
def rehearsal() -> None:
    """Each step on AWS, also with every option on; engine and language host warm."""
    from tests.everything import EVERYTHING, copy_program

    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "program")
        copy_program(program)
        for stack in ("staging", "production", EVERYTHING):
            _rehearse(stack, program)


@app.command()
def policies() -> None:
    """What the policy pack adds to a preview, and what judging a state takes."""
    from bench.policies import ROUNDS, previews
    from policies.catalogue import POLICIES
    from policies.evaluate import judge
    from tests.stacks import STACKS, deploy

    print(f"{len(POLICIES)} policies; median of {ROUNDS} previews each, in turns")
    for stack in STACKS:
        pairs = list(previews(ROOT, stack))
        without, asked = (
            statistics.median(times) for times in zip(*pairs, strict=True)
        )
        graph = deploy(stack).as_resources()
        began = time.perf_counter()
        judge(graph, POLICIES)
        judged = time.perf_counter() - began
        print(
            f"{stack}: preview {without:.1f} s, with the pack {asked:.1f} s "
            f"({asked - without:+.1f} s); judging {len(graph)} resources {judged:.2f} s"
        )


@app.command()
def unit() -> None:
    """Wall time of the unit suite."""
    began = time.perf_counter()
    said = _output([sys.executable, "-m", "pytest", "-q", "-n", "auto", "tests/unit"])
    print(said.strip().splitlines()[-1])
    print(f"wall: {time.perf_counter() - began:.1f} s")


@app.command()
def clone(
    uncached: Annotated[
        bool, typer.Option("--uncached", help="With an empty engine cache.")
    ] = False,
) -> None:
    """From `git clone` to a finished rehearsal of production."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "clone")
        environment = dict(os.environ)
        if uncached:
            environment["STROMHALTIG_CACHE"] = str(Path(folder, "cache"))
            environment["GOCACHE"] = str(Path(folder, "go-build"))
        began = time.perf_counter()
        subprocess.run(["git", "clone", "-q", ROOT, target], check=True)
        subprocess.run(["make", "rehearse"], cwd=target, env=environment, check=True)
        cache = "empty" if uncached else "warm"
        print(f"engine cache {cache}: {time.perf_counter() - began:.0f} s")


@app.command()
def image(
    node_image: Annotated[
        str | None, typer.Option(help="Another base than the Dockerfile's.")
    ] = None,
) -> None:
    """What the image adds to its base, and how long builds of it take."""
    from bench.image import measure, pinned_base

    print(measure(node_image or pinned_base(), os.environ))


@app.command()
def proxy() -> None:
    """Our nginx against a bare one, and what 100 MB through it cost in memory."""
    from bench.proxy import CONNECTIONS, ROUNDS, SECONDS, memory, throughput

    print(
        f"{ROUNDS} rounds of {SECONDS} s each, {CONNECTIONS} connections, TLS in both; "
        "medians, and the middle half of the rounds"
    )
    for app, comparison in throughput():
        print(f"before {app}:", *comparison.lines(), sep="\n  ")
    for protocol, growth in memory():
        grown = ", ".join(f"{name} {by / 2**20:.1f} MiB" for name, by in growth.items())
        print(f"upload of 100 MB over {protocol}: {grown} more than before")


@app.command()
def operations() -> None:
    """Backup and restore against `pg_dump | gzip` and `gunzip | psql`; drills."""
    from bench.operations import measure

    print(measure())


def _rehearse(stack: str, program: Path) -> None:
    command = [sys.executable, "-m", "rehearsal", "run", "--stack", stack, "--json"]
    report = json.loads(_output(command, program))
    emulated, recorded = (sum(report[how].values()) for how in ("emulated", "recorded"))
    print(
        f"{stack}: {emulated + recorded} resources, {recorded} of them recorded only, "
        f"{report['seconds']:.0f} s in all"
    )
    for step in report["steps"]:
        commands = ", ".join(f"{name} {took} s" for name, took in step["commands"])
        print(f"  {step['name']}: {step['seconds']} s ({commands})")
    print(
        f"  provider and emulator: {report['cloud_memory_mib']} MiB at most", flush=True
    )


def _register(services: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench", "register", str(services)]
    measured: dict[str, float] = json.loads(_output(command))
    return measured


def _output(command: list[str], folder: Path = ROOT) -> str:
    done = subprocess.run(
        command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


if __name__ == "__main__":
    app()
