"""Our proxy against the least that nginx can do, before the same app in the same run.

Both speak TLS with the same certificate, have as many workers, write an access log,
and open a connection to the app for each request. Load comes from wrk, over HTTP/1.1.

On a machine that does other things too, rate and latency say little about a difference
of a few percent; the processor's time that nginx takes for a request still does.
"""

from __future__ import annotations

import re
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import servers
from tests.proxy import surroundings
from tests.proxy.surroundings import Names, Pair, Site, self_signed
from tests.proxy.uploading import MIB, Memory, processes, upload
from tests.servers import App, Backend

ROUNDS = 15
SECONDS = 1
CONNECTIONS = 32
UPLOAD = 100 * MIB
UNLIMITED = 1_000_000
"""Requests a second for a client, and its burst: a refused request is a cheap one."""

PATH = "/api/health/live"

_NGINX = """
worker_processes auto;
pid {folder}/pid;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path {folder}/client;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""

_BARE = """
    access_log /dev/stdout;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {certificate}/fullchain.pem;
        ssl_certificate_key {certificate}/privkey.pem;
        location / {{ proxy_pass http://127.0.0.1:{app}; }}
    }}
"""

_QUICK = """
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        default_type application/json;
        return 200 '{{"status":"ok"}}';
    }}
"""


@dataclass(frozen=True)
class Server:
    """An nginx under load."""

    port: int
    pid: int


@dataclass(frozen=True)
class Load:
    """Requests in a second, 99 % latency in ms, µs that nginx computes for each."""

    rate: float
    p99: float
    cpu: float


@dataclass(frozen=True)
class Comparison:
    """Rounds of ours, the bare nginx, and the bare one again: what chance can do."""

    ours: list[Load]
    bare: list[Load]
    again: list[Load]

    def lines(self) -> Iterator[str]:
        """What came out, for people."""
        for name, unit in (("rate", "requests/s"), ("p99", "ms"), ("cpu", "µs each")):
            ours, bare, again = (
                [getattr(load, name) for load in loads]
                for loads in (self.ours, self.bare, self.again)
            )
            yield (
                f"{name}: ours {statistics.median(ours):.1f}, "
                f"bare {statistics.median(bare):.1f} {unit}; round by round "
                f"{_difference(ours, bare)}, bare against itself "
                f"{_difference(again, bare)}"
            )


def _difference(ones: list[float], others: list[float]) -> str:
    """By how much ones differ from others: the median, and the middle half."""
    ratios = [one / other for one, other in zip(ones, others, strict=True)]
    low, middle, high = (f"{ratio - 1:+.1%}" for ratio in statistics.quantiles(ratios))
    return f"{middle} ({low} to {high})"


def throughput() -> Iterator[tuple[str, Comparison]]:
    """Measure before the real app, and before one that costs nothing."""
    with ExitStack() as stack:
        enter = stack.enter_context
        home, backend = enter(servers.directory()), enter(servers.backend())
        certificate = self_signed()
        certificate.write(home / "certificate")
        app = enter(backend.app())
        for says, port in (
            ("the app", app.port),
            ("an nginx that only answers", enter(_quick()).port),
        ):
            with _proxy(home, certificate, port) as site, _bare(home, port) as bare:
                ours = Server(site.config.https_port, site.process.pid)
                yield says, _compare(ours, bare)


def memory() -> Iterator[tuple[str, dict[str, int]]]:
    """Upload 100 MB with each protocol; bytes that nginx and the app grew by."""
    with ExitStack() as stack:
        enter = stack.enter_context
        home, backend = enter(servers.directory()), enter(servers.backend())
        certificate = self_signed()
        certificate.write(home / "certificate")
        app = enter(backend.app())
        site = enter(_proxy(home, certificate, app.port))
        for http2 in (False, True):
            yield f"HTTP/{1 + http2}", _growth(site, app, backend, http2=http2)


def _growth(site: Site, app: App, backend: Backend, *, http2: bool) -> dict[str, int]:
    account = {"email": backend.account.email, "password": backend.account.password}
    with site.client("192.0.2.1", http2=http2) as client:
        token = client.post("/api/auth/login", json=account).json()["token"]
        with Memory(nginx=site.process.pid, app=app.process.pid) as memory:
            upload(client, token, UPLOAD).raise_for_status()
    return memory.growth


def _compare(ours: Server, bare: Server) -> Comparison:
    for server in (ours, bare):
        _load(server)
    comparison = Comparison([], [], [])
    turns = (
        (ours, comparison.ours),
        (bare, comparison.bare),
        (bare, comparison.again),
    )
    for number in range(ROUNDS):
        # Who comes first takes turns: the machine may grow warm, or busy.
        for server, loads in turns[number % 3 :] + turns[: number % 3]:
            loads.append(_load(server))
    return comparison


def _load(server: Server) -> Load:
    command: list[str | Path] = [
        *(servers.executable("wrk"), "--latency", "-t", "1", "-c", str(CONNECTIONS)),
        *("-d", f"{SECONDS}s", f"https://{surroundings.HOST}:{server.port}{PATH}"),
    ]
    before = _cpu(server.pid)
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    spent = _cpu(server.pid) - before
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"not every request was answered:\n{said}")
    latency = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", said)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    count = re.search(r"(\d+) requests in", said)
    if not (latency and rate and count):
        raise RuntimeError(f"wrk says something else:\n{said}")
    factor = {"us": 0.001, "ms": 1.0, "s": 1000.0}[latency[2]]
    return Load(
        rate=float(rate[1]), p99=float(latency[1]) * factor, cpu=spent / int(count[1])
    )


def _cpu(pid: int) -> float:
    """Microseconds that a process and its children have run, as Linux counts them."""
    files = (Path(f"/proc/{each}/schedstat") for each in processes(pid))
    return sum(int(file.read_text().split()[0]) for file in files) / 1000


@contextmanager
def _proxy(home: Path, certificate: Pair, app: int) -> Iterator[Site]:
    with (
        Names("127.0.0.1") as names,
        surroundings.site(
            home,
            certificate,
            client_dir=str(home),
            resolver=names.resolver,
            upstream_port=app,
            api_per_second=UNLIMITED,
            api_burst=UNLIMITED,
        ) as site,
    ):
        yield site


def _bare(home: Path, app: int) -> AbstractContextManager[Server]:
    return _minimal(_BARE, certificate=home / "certificate", app=app)


def _quick() -> AbstractContextManager[Server]:
    return _minimal(_QUICK)


@contextmanager
def _minimal(server: str, **values: object) -> Iterator[Server]:
    port = servers.free_port()
    with servers.directory() as folder:
        text = _NGINX.format(folder=folder, server=server.format(port=port, **values))
        with surroundings.nginx(text, port, folder) as running:
            yield Server(port, running.pid)
