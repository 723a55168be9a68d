"""What surrounds the proxy under test: name server, stand-ins, certificates, nginx."""

from __future__ import annotations

import dataclasses
import datetime
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from components.docker.proxy_config import ProxyConfig, render
from tests import servers
from tests.servers import Process

HOST = "localhost"
ALIAS = "www.localhost"
TRUSTED = "127.0.0.1/32"
"""The tests' own address: as a trusted proxy it can speak for any client."""

REPLICAS = ("127.0.0.2", "127.0.0.3")
"""Addresses of the app's copies, all of them on the same port, as in containers."""


class Names:
    """A name server that gives every name the same addresses.

    The answers hold for ten minutes, as Docker's do: who asks again sooner has decided
    so itself.
    """

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    @property
    def resolver(self) -> str:
        address, port = self._socket.getsockname()
        return f"{address}:{port}"

    def __enter__(self) -> Names:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while query := self._socket.recvfrom(512):
            if not query[0]:
                return
            self._socket.sendto(self._answer(query[0]), query[1])

    def _answer(self, query: bytes) -> bytes:
        question = query[12 : query.index(b"\0", 12) + 5]
        flags = b"\x81\x80" if self.addresses else b"\x81\x83"
        records = b"".join(
            b"\xc0\x0c\0\x01\0\x01"
            + (600).to_bytes(4)
            + b"\0\x04"
            + socket.inet_aton(a)
            for a in self.addresses
        )
        counts = b"\0\x01" + len(self.addresses).to_bytes(2) + b"\0\0\0\0"
        return query[:2] + flags + counts + question + records


@dataclass(frozen=True)
class Request:
    """What has reached an upstream. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Upstream:
    """A stand-in for the app where a test needs answers that the app never gives.

    answer: status and headers of what it answers, always with an empty body; no
        status to close the connection without an answer.
    delay: seconds that it takes for one.
    arriving: requests that it is at.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.requests: list[Request] = []
        self.arriving = 0
        self.delay = 0.0
        self.answer: tuple[int | None, dict[str, str]] = (200, {})
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline()
                if self.raw_requestline and self.parse_request():
                    upstream._serve(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer((host, port), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )

    def __enter__(self) -> Upstream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.arriving += 1
        body = handler.rfile.read(int(headers.get("content-length", 0)))
        time.sleep(self.delay)
        self.arriving -= 1
        self.requests.append(Request(handler.command, handler.path, headers, body))
        status, extra = self.answer
        handler.close_connection = True
        if status is None:
            return
        handler.send_response(status)
        for name, value in {"Content-Length": "0", **extra}.items():
            handler.send_header(name, value)
        handler.end_headers()


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM."""

    chain: bytes
    key: bytes

    @property
    def serial(self) -> int:
        return x509.load_pem_x509_certificate(self.chain).serial_number

    def write(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for name, content in (("fullchain.pem", self.chain), ("privkey.pem", self.key)):
            folder.joinpath(name).write_bytes(content)


def self_signed() -> Pair:
    """A new certificate for the tests' host names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(host) for host in (HOST, ALIAS)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


@dataclass(frozen=True)
class Site:
    """A running nginx."""

    config: ProxyConfig
    process: Process
    home: Path
    certificate: Pair

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.config.https_port}"

    @property
    def plain_url(self) -> str:
        return f"http://{HOST}:{self.config.http_port}"

    def tls(self) -> ssl.SSLContext:
        """What a client that trusts the certificate connects with."""
        return ssl.create_default_context(cadata=self.certificate.chain.decode())

    def client(self, address: str, *, http2: bool = False) -> httpx.Client:
        """A client with an address of its own, by way of a trusted proxy."""
        return httpx.Client(
            base_url=self.url,
            verify=self.tls(),
            http2=http2,
            headers={"X-Forwarded-For": address},
            timeout=30,
        )


def configuration(folder: Path, **values: object) -> ProxyConfig:
    """A configuration for this machine's nginx, with some values of its own.

    folder: where the certificate is expected, and `acme`.
    """
    defaults: dict[str, object] = {
        "hosts": (HOST, ALIAS),
        "certificate": f"{folder}/certificate/fullchain.pem",
        "certificate_key": f"{folder}/certificate/privkey.pem",
        "acme_dir": f"{folder}/acme",
        "trusted_proxies": (TRUSTED,),
        "listen_address": "127.0.0.1",
        "http_port": servers.free_port(),
        "https_port": servers.free_port(),
        "status_port": servers.free_port(),
        "nginx_version": _version(),
        "user": None,
    }
    config = ProxyConfig(**(defaults | values))  # type: ignore[arg-type]
    if "public_https_port" in values:
        return config
    return dataclasses.replace(config, public_https_port=config.https_port)


@cache
def _version() -> str:
    done = subprocess.run(
        [servers.executable("nginx"), "-v"], capture_output=True, text=True, check=True
    )
    return done.stderr.rpartition("nginx/")[2].split()[0]


@contextmanager
def nginx(text: str, port: int, folder: Path) -> Iterator[Process]:
    """Run nginx with a configuration that listens on a port."""
    file = folder / "nginx.conf"
    file.write_text(text)
    command = (servers.executable("nginx"), "-e", "stderr", "-c", file)
    with servers.process(*command, "-g", "daemon off;", user=servers.USER) as running:
        running.until("nginx listens", lambda: servers.connects(port))
        yield running


@contextmanager
def site(home: Path, certificate: Pair, **values: object) -> Iterator[Site]:
    """Run the proxy with some values of its own; `home` has its certificate."""
    with servers.directory() as folder:
        config = configuration(
            home, state_dir=str(folder), pid_file=f"{folder}/nginx.pid", **values
        )
        with nginx(render(config), config.https_port, folder) as running:
            yield Site(config, running, home, certificate)
