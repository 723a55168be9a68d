"""The script that runs nginx: what it takes up, what it refuses, and how it ends."""

from __future__ import annotations

import dataclasses
import os
import signal
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from components.docker.proxy_config import ProxyConfig, render
from tests import servers
from tests.proxy.conftest import Configure
from tests.proxy.surroundings import HOST, Names, Pair, Upstream, self_signed
from tests.servers import Process, eventually

pytestmark = pytest.mark.slow

SCRIPT = servers.ROOT / "components/docker/proxy.sh"
REFUSED = "nginx refuses them and goes on as it was"


@dataclass
class Watched:
    """The script at work on a folder of files."""

    files: Path
    acme: Path
    config: ProxyConfig
    process: Process

    def write(self, text: str) -> None:
        """Replace the configuration, as an upload into a volume does."""
        self.files.joinpath("nginx.conf").write_text(text)

    def get(self, path: str = "/") -> httpx.Response:
        """Ask over a connection of its own."""
        url = f"https://{HOST}:{self.config.https_port}{path}"
        # Which certificate there is, is asked for elsewhere.
        return httpx.get(url, verify=False)  # noqa: S501

    def hsts(self) -> str:
        return str(self.get().headers["Strict-Transport-Security"])

    def serial(self) -> int:
        """Of the certificate that is shown now."""
        shown = ssl.get_server_certificate((HOST, self.config.https_port))
        return x509.load_pem_x509_certificate(shown.encode()).serial_number

    def says(self, text: str, times: int = 1) -> None:
        """Wait for a line in the log."""
        self.process.until(
            f"{text!r} is logged", lambda: self.process.output.count(text) >= times
        )


Watch = Callable[..., AbstractContextManager[Watched]]


@pytest.fixture
def folder() -> Iterator[Path]:
    with servers.directory() as path:
        yield path


@pytest.fixture
def watch(folder: Path, configure: Configure) -> Watch:
    """Run the script, with a configuration's values, for as long as a block."""
    nginx = servers.executable("nginx")

    @contextmanager
    def run(
        *shell: str | Path,
        pair: Pair | None = None,
        **values: object,
    ) -> Iterator[Watched]:
        link = folder / "certificate"
        files, acme = folder / "files", folder / "live"
        (pair or self_signed()).write(files)
        config = configure(
            certificate=f"{link}/fullchain.pem",
            certificate_key=f"{link}/privkey.pem",
            state_dir=str(folder),
            pid_file=f"{folder}/pid",
            **values,
        )
        files.joinpath("nginx.conf").write_text(render(config))
        with servers.process(
            *(*(shell or ("sh",)), SCRIPT),
            environment={
                "PATH": f"{nginx.parent}:{os.environ['PATH']}",
                "FILES": str(files),
                "ACME_LIVE": str(acme),
                "CERTIFICATE": str(link),
                "INTERVAL": "0.2",
            },
            user=servers.USER,
        ) as running:
            watched = Watched(files, acme, config, running)
            running.until("nginx listens", lambda: servers.connects(config.https_port))
            yield watched

    return run


def changed(config: ProxyConfig, hsts_seconds: int) -> str:
    """The configuration with something that shows."""
    return render(dataclasses.replace(config, hsts_seconds=hsts_seconds))


@pytest.mark.parametrize("shell", ["sh", "busybox"])
def test_a_change_under_load_is_taken_up_and_loses_no_request(
    watch: Watch, upstreams: list[Upstream], shell: str
) -> None:
    command = ("sh",) if shell == "sh" else (servers.executable("busybox"), "sh")
    with (
        Names(upstreams[0].host) as names,
        watch(
            *command,
            resolver=names.resolver,
            upstream_port=upstreams[0].port,
            api_per_second=10_000,
            api_burst=10_000,
        ) as watched,
        load(lambda n: watched.get("/api/x" if n % 2 else "/").status_code) as got,
    ):
        for seconds in (1001, 1002, 1003, 1004, 1005):
            watched.write(changed(watched.config, seconds))
            eventually("the change shows", lambda: f"={seconds}" in watched.hsts())  # noqa: B023
    assert sum(got.values()) > 50
    assert got == {200: got[200]}
    assert watched.process.wait() == 0


@contextmanager
def load(ask: Callable[[int], object]) -> Iterator[Counter[object]]:
    """Ask again and again, from four threads; yields a count of what comes back."""
    got: Counter[object] = Counter()
    done = threading.Event()

    def work() -> None:
        number = 0
        while not done.is_set():
            number += 1
            try:
                got[ask(number)] += 1
            except httpx.HTTPError as error:
                got[repr(error)] += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield got
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_a_bad_configuration_is_refused_and_a_good_one_taken_up_later(
    watch: Watch,
) -> None:
    with watch() as watched:
        watched.write(
            render(watched.config).replace("server_tokens off", "nonsense on")
        )
        watched.says(REFUSED)
        watched.says('unknown directive "nonsense"')
        assert watched.hsts() == "max-age=63072000"

        watched.write(changed(watched.config, 1234))
        eventually("the good one shows", lambda: watched.hsts() == "max-age=1234")
        assert watched.process.output.count(REFUSED) == 1


def test_a_renewed_certificate_is_shown(watch: Watch) -> None:
    renewed = self_signed()
    with watch() as watched:
        renewed.write(watched.files)
        eventually("the new one is shown", lambda: watched.serial() == renewed.serial)


def test_the_certificate_of_lets_encrypt_takes_over_and_is_renewed(
    watch: Watch,
) -> None:
    first, issued, renewed = self_signed(), self_signed(), self_signed()
    with watch(pair=first) as watched:
        assert watched.serial() == first.serial
        for pair in (issued, renewed):
            pair.write(watched.acme)
            eventually("it is shown", lambda: watched.serial() == pair.serial)  # noqa: B023


def test_a_certificate_without_its_key_is_refused(watch: Watch) -> None:
    first, other = self_signed(), self_signed()
    with watch(pair=first) as watched:
        Pair(other.chain, first.key).write(watched.acme)
        watched.says(REFUSED)
        assert watched.serial() == first.serial
        # Not only what runs, what would start again is whole too.
        link = watched.config.certificate
        assert Path(link).read_bytes() == first.chain

        other.write(watched.acme)
        eventually("the pair is shown", lambda: watched.serial() == other.serial)


def test_files_that_come_late_are_waited_for(
    folder: Path, configure: Configure
) -> None:
    nginx = servers.executable("nginx")
    files = folder / "files"
    files.mkdir()
    config = configure(
        certificate=f"{folder}/certificate/fullchain.pem",
        certificate_key=f"{folder}/certificate/privkey.pem",
        state_dir=str(folder),
        pid_file=f"{folder}/pid",
    )
    with servers.process(
        *("sh", SCRIPT),
        environment={
            "PATH": f"{nginx.parent}:{os.environ['PATH']}",
            "FILES": str(files),
            "CERTIFICATE": f"{folder}/certificate",
        },
        user=servers.USER,
    ) as running:
        running.until("it waits", lambda: "waiting for" in running.output)
        files.joinpath("nginx.conf").write_text(render(config))
        self_signed().write(files)
        running.until("nginx listens", lambda: servers.connects(config.https_port))


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ((), "there is still no {files}/nginx.conf"),
        (
            ("nginx.conf", "fullchain.pem"),
            "there is still no certificate: fullchain.pem and privkey.pem in {files} "
            "or /nowhere",
        ),
    ],
)
def test_files_that_never_come_are_named(
    folder: Path, there: tuple[str, ...], said: str
) -> None:
    for name in there:
        folder.joinpath(name).write_text("something")
    with servers.process(
        *("sh", SCRIPT),
        environment={
            "FILES": str(folder),
            "ACME_LIVE": "/nowhere",
            "CERTIFICATE": f"{folder}/certificate",
            "PATIENCE": "1",
        },
    ) as running:
        assert running.wait(10) == 1
        assert f"after 1 s {said.format(files=folder)}\n" in running.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_stopping_finishes_what_is_under_way(
    watch: Watch, upstreams: list[Upstream], number: signal.Signals
) -> None:
    upstream = upstreams[0]
    upstream.delay = 1.0
    got: list[int] = []
    with (
        Names(upstream.host) as names,
        watch(resolver=names.resolver, upstream_port=upstream.port) as watched,
    ):
        thread = threading.Thread(
            target=lambda: got.append(watched.get("/api/x").status_code)
        )
        thread.start()
        eventually("the request is under way", lambda: upstream.arriving == 1)
        watched.process.send(number)
        assert watched.process.wait() == 0
        thread.join()
    assert got == [200]


def test_what_never_finishes_is_cut_off(
    watch: Watch, upstreams: list[Upstream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAIN", "1")
    upstream = upstreams[0]
    upstream.delay = 6.0
    got: list[object] = []

    def ask() -> None:
        try:
            got.append(watched.get("/api/x").status_code)
        except httpx.HTTPError as error:
            got.append(type(error))

    with (
        Names(upstream.host) as names,
        watch(resolver=names.resolver, upstream_port=upstream.port) as watched,
    ):
        thread = threading.Thread(target=ask)
        thread.start()
        eventually("the request is under way", lambda: upstream.arriving == 1)
        began = time.monotonic()
        watched.process.send(signal.SIGTERM)
        assert watched.process.wait() == 0
        assert time.monotonic() - began < 4
        thread.join()
    assert got == [httpx.RemoteProtocolError]


def test_the_end_of_nginx_is_the_end_of_the_script(watch: Watch) -> None:
    with watch() as watched:
        pid = int(Path(watched.config.pid_file).read_text())
        os.kill(pid, signal.SIGTERM)
        assert watched.process.wait() == 1
        assert "nginx has ended, with exit code 0" in watched.process.output
