"""Finding servers on the machine, and fetching the ones it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tools import servers

APT = """#!/bin/sh
echo "$@" >> "$CALLS"
[ "$1" = install ] || exit 0
[ -n "$REFUSE" ] && { echo "E: Unable to locate package nginx" >&2; exit 100; }
for option; do
  case $option in Dir::Cache::archives=*) touch "${option#*=}/nginx_1.deb" ;; esac
done
"""

DPKG = """#!/bin/sh
mkdir -p "$3/usr/sbin" "$3/usr/lib/x86_64-linux-gnu"
printf '#!/bin/sh\\n%s\\n' "$PROGRAM" > "$3/usr/sbin/nginx"
chmod +x "$3/usr/sbin/nginx"
"""


class Machine:
    """A machine with nothing on PATH but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.cache = folder / "cache"
        self.calls = folder / "calls"
        self.bin.mkdir()
        for tool in ("sh", "touch", "mkdir", "chmod", "sleep"):
            self.bin.joinpath(tool).symlink_to(Path("/bin", tool))

    def install(self, name: str, script: str = "#!/bin/sh\n") -> Path:
        file = self.bin / name
        file.write_text(script)
        file.chmod(0o755)
        return file

    def fetches(self) -> int:
        return len(self.calls.read_text().splitlines())

    def leftovers(self) -> list[str]:
        kept = (self.cache / "servers").iterdir()
        return [file.name for file in kept if file.suffix != ".lock"]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    nginx = servers.Server(executables=("nginx",), packages=("nginx",))
    monkeypatch.setattr(servers, "SERVERS", {"nginx": nginx})
    monkeypatch.setenv("PATH", str(machine.bin))
    monkeypatch.setenv("STROMHALTIG_CACHE", str(machine.cache))
    monkeypatch.setenv("CALLS", str(machine.calls))
    monkeypatch.setenv("PROGRAM", 'echo "$LD_LIBRARY_PATH" "$@"')
    return machine


@pytest.fixture
def debian(machine: Machine) -> Machine:
    machine.install("apt-get", APT)
    machine.install("dpkg-deb", DPKG)
    return machine


def test_what_the_machine_has_is_taken(machine: Machine) -> None:
    nginx = machine.install("nginx")
    assert servers.which("nginx") == nginx
    assert servers.provide("nginx") == []


def test_a_place_outside_path_is_searched(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nginx = machine.install("nginx")
    place = tmp_path / "sbin"
    place.mkdir()
    nginx.rename(place / "nginx")
    server = servers.Server(
        executables=("nginx",), packages=("nginx",), places=(str(place).lstrip("/"),)
    )
    monkeypatch.setattr(servers, "SERVERS", {"nginx": server})
    assert servers.provide("nginx") == [place]


def test_what_is_missing_is_fetched_and_runs_with_its_libraries(
    debian: Machine,
) -> None:
    [directory] = servers.provide("nginx")
    assert directory.is_relative_to(debian.cache)
    said = subprocess.check_output([servers.which("nginx"), "-v", "a b"], text=True)
    libraries, _, arguments = said.strip().partition(" ")
    assert Path(libraries).name == "x86_64-linux-gnu"
    assert Path(libraries).is_dir()
    assert arguments == "-v a b"


def test_what_goes_elsewhere_goes_without_its_wrapper(debian: Machine) -> None:
    servers.provide("nginx")
    wrapper = servers.which("nginx")
    program = servers.itself(wrapper)
    assert program != wrapper
    assert str(program) in wrapper.read_text()
    assert servers.itself(Path("/bin/sh")) == Path("/bin/sh")


def test_what_was_fetched_is_kept(debian: Machine) -> None:
    servers.provide("nginx")
    servers.provide("nginx")
    assert debian.fetches() == 1


def test_two_at_once_fetch_once(debian: Machine) -> None:
    slow = APT.replace("#!/bin/sh\n", "#!/bin/sh\nsleep 0.3\n")
    debian.install("apt-get", slow)
    threads = [threading.Thread(target=servers.provide, args=["nginx"]) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert debian.fetches() == 1


def test_root_renews_the_lists_of_packages_once(
    debian: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUSE", "yes")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(servers.ServerMissingError):
        servers.provide("nginx")
    verbs = [line.split()[0] for line in debian.calls.read_text().splitlines()]
    assert verbs == ["install", "update", "install"]


def test_a_refused_download_names_the_package_and_leaves_nothing(
    debian: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("REFUSE", "yes")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert servers.main(["nginx"]) == 1
    assert capsys.readouterr().err == (
        "There is no nginx on this machine, and `apt-get` failed: E: Unable to locate "
        "package nginx. Install it (Debian: sudo apt-get install nginx)\n"
    )
    assert debian.leftovers() == []


def test_a_program_that_does_not_start_is_not_kept(
    debian: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "PROGRAM",
        "echo nginx: error while loading shared libraries: libz >&2; exit 127",
    )
    with pytest.raises(
        servers.ServerMissingError, match="does not run: nginx: error while"
    ):
        servers.provide("nginx")
    assert debian.leftovers() == []


def test_a_machine_without_apt_says_what_to_install(machine: Machine) -> None:
    with pytest.raises(servers.ServerMissingError, match="apt-get install nginx"):
        servers.provide("nginx")


def test_an_unknown_name_lists_the_known_ones(machine: Machine) -> None:
    with pytest.raises(servers.ServerMissingError, match='"mysql" is not one of nginx'):
        servers.provide("mysql")
    with pytest.raises(servers.ServerMissingError, match="mysqld"):
        servers.which("mysqld")


def test_the_printed_prefix_is_never_empty(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.install("nginx")
    assert servers.main(["nginx"]) == 0
    assert capsys.readouterr().out.strip() == str(machine.bin)


def test_every_server_names_its_packages() -> None:
    assert all(each.executables for each in servers.SERVERS.values())
    without = [name for name, each in servers.SERVERS.items() if not each.packages]
    assert without == ["moto"], "which is a Python package"


def test_what_is_a_python_package_comes_from_the_environment_of_this_python():
    [folder] = {found.parent for found in [servers.which("moto_server")]}

    assert folder == Path(sys.executable).parent


def test_a_python_package_that_is_missing_is_not_sought_at_debian(monkeypatch):
    absent = servers.Server(executables=("no-such-program",), packages=())
    monkeypatch.setattr(servers, "SERVERS", {"absent": absent})

    with pytest.raises(servers.ServerMissingError, match=r"no absent in .* uv sync"):
        servers.provide("absent")
