"""The real nginx, with the configuration that is deployed, before the real app."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from components.docker.proxy_config import ProxyConfig
from tests import servers
from tests.proxy import surroundings
from tests.proxy.surroundings import REPLICAS, Names, Pair, Site, Upstream, self_signed
from tests.servers import APP, App, Backend

Configure = Callable[..., ProxyConfig]
Start = Callable[..., AbstractContextManager[Site]]

_ADDRESSES = (
    f"198.51.{i}.{j}" for i, j in itertools.product(range(100), range(1, 255))
)


@pytest.fixture
def address() -> str:
    """An address that no other test has: limits are counted for each."""
    return next(_ADDRESSES)


@pytest.fixture
def client(site: Site, address: str) -> Iterator[httpx.Client]:
    """A client of the site."""
    with site.client(address) as client:
        yield client


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """Where the session's proxies have their files."""
    with servers.directory() as path:
        yield path


@pytest.fixture(scope="session")
def client_dir(home: Path) -> Path:
    """The built client, and what must never be served from beside it."""
    servers.node()
    target = home / "client"
    shutil.copytree(APP / "client" / "dist", target)
    target.joinpath(".published").write_text("hidden")
    target.joinpath("assets", ".hidden").write_text("hidden")
    return target


@pytest.fixture(scope="session")
def script(client_dir: Path) -> str:
    """The path of the client's script."""
    [file] = client_dir.glob("assets/*.js")
    return f"/{file.relative_to(client_dir)}"


@pytest.fixture(scope="session")
def certificate() -> Pair:
    return self_signed()


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    with servers.backend() as backend:
        yield backend


@pytest.fixture(scope="session")
def apps(backend: Backend) -> Iterator[list[App]]:
    """Two copies of the app."""
    port = servers.free_port()
    with ExitStack() as stack:
        yield [stack.enter_context(backend.app(host, port)) for host in REPLICAS]


@pytest.fixture(scope="session")
def token(site: Site, backend: Backend) -> str:
    """What somebody has who has signed in."""
    account = dataclasses.asdict(backend.account)
    with site.client("192.0.2.1") as client:
        answer = client.post("/api/auth/login", json=account)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


@pytest.fixture(scope="session")
def configure(home: Path, client_dir: Path, certificate: Pair) -> Configure:
    """Make a configuration with some values of its own."""
    certificate.write(home / "certificate")
    home.joinpath("acme").mkdir()
    return partial(surroundings.configuration, home, client_dir=str(client_dir))


@pytest.fixture(scope="session")
def start(
    home: Path, client_dir: Path, certificate: Pair, configure: Configure
) -> Start:
    """Run the proxy with some values of its own for as long as a block."""
    return partial(surroundings.site, home, certificate, client_dir=str(client_dir))


@pytest.fixture(scope="session")
def names() -> Iterator[Names]:
    """The name server of the session's proxy; knows the app's copies."""
    with Names(*REPLICAS) as names:
        yield names


@pytest.fixture(scope="session")
def site(start: Start, apps: list[App], names: Names) -> Iterator[Site]:
    """The proxy as it is deployed, before two copies of the app."""
    with start(resolver=names.resolver, upstream_port=apps[0].port) as site:
        yield site


@pytest.fixture
def upstreams() -> Iterator[list[Upstream]]:
    """Two stand-ins for the app."""
    port = servers.free_port()
    with ExitStack() as stack:
        yield [stack.enter_context(Upstream(host, port)) for host in REPLICAS]


@pytest.fixture
def stub_site(start: Start, upstreams: list[Upstream]) -> Iterator[Site]:
    """The proxy before the stand-ins."""
    addresses = [upstream.host for upstream in upstreams]
    with (
        Names(*addresses) as names,
        start(resolver=names.resolver, upstream_port=upstreams[0].port) as site,
    ):
        yield site


@pytest.fixture
def stub_client(stub_site: Site, address: str) -> Iterator[httpx.Client]:
    """A client of the proxy before the stand-ins."""
    with stub_site.client(address) as client:
        yield client
