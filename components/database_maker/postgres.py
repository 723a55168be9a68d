"""As much of PostgreSQL's protocol as a few statements need, on the standard library.

Messages of version 3.0, simple queries, SCRAM-SHA-256 over TLS. A driver would have to
be packed with the function, and patched for as long as the function is there.
https://www.postgresql.org/docs/current/protocol.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_VERSION = 196608  # 3.0
_ASK_FOR_TLS = 80877103
_MECHANISM = "SCRAM-SHA-256"
_ROUNDS = 4096
"""What the server itself uses; passwords of 40 random characters need no more."""

_PATIENCE = 20.0
"""Seconds for the server to connect, or to answer; a database is copied in a few."""


class PostgresError(Exception):
    """The server cannot be talked to, or refuses a statement."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a database is, and who asks."""

    host: str
    port: int
    user: str
    password: str
    database: str


def verifier(password: str) -> str:
    """Return what the server keeps of a password.

    With it in place of the password, a statement that is logged tells nothing.
    """
    salt = secrets.token_bytes(16)
    keys = _Keys.derive(password, salt, _ROUNDS)
    return (
        f"{_MECHANISM}${_ROUNDS}:{_text(salt)}"
        f"${_text(keys.stored)}:{_text(keys.server)}"
    )


class Connection:
    """A connection over TLS, as long as the block that it is opened for.

    Whose certificate it is is not checked, for the runtime does not know RDS's
    authorities; instead the server has to prove that it knows the password.

    Raises:
        PostgresError: on entering, when the server is not there or refuses.
    """

    def __init__(self, address: Address) -> None:
        self._address = address

    def __enter__(self) -> Self:
        place = (self._address.host, self._address.port)
        with ExitStack() as unless_in:
            try:
                plain = socket.create_connection(place, _PATIENCE)
                unless_in.callback(plain.close)
                self._socket = _encrypted(plain)
                unless_in.callback(self._socket.close)
                self._log_in()
            except OSError as error:
                raise PostgresError(f"{place[0]}:{place[1]}: {error}") from error
            unless_in.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def run(self, statement: str) -> list[tuple[str, ...]]:
        """Run a statement; return its rows, every value as text.

        Raises:
            PostgresError: when the server refuses it, in the server's words.
        """
        self._send(b"Q", statement.encode() + b"\0")
        rows, refusal = [], None
        for kind, body in self._until_ready():
            if kind == b"D":
                rows.append(_row(body))
            elif kind == b"E":
                refusal = _refusal(body)
        if refusal:
            raise PostgresError(refusal)
        return rows

    def _log_in(self) -> None:
        who, where = self._address.user, self._address.database
        words = f"user\0{who}\0database\0{where}\0\0"
        self._send(b"", struct.pack("!i", _VERSION) + words.encode())
        exchange = _Scram(self._address.password)
        for kind, body in self._until_ready():
            if kind == b"E":
                raise PostgresError(_refusal(body))
            if kind == b"R":
                (asked,) = struct.unpack("!i", body[:4])
                self._answer(exchange, asked, body[4:])
        if not exchange.proven:
            raise PostgresError("the server did not prove that it knows the password")

    def _answer(self, exchange: _Scram, asked: int, body: bytes) -> None:
        match asked:
            case 0:  # all is well
                return
            case 10 if _MECHANISM.encode() in body.split(b"\0"):
                first = exchange.first()
                size = struct.pack("!i", len(first))
                self._send(b"p", _MECHANISM.encode() + b"\0" + size + first)
            case 11:
                self._send(b"p", exchange.final(body.decode()))
            case 12:
                exchange.check(body.decode())
            case _:
                raise PostgresError(f"the server wants no {_MECHANISM}, but {asked}")

    def _until_ready(self) -> Iterator[tuple[bytes, bytes]]:
        kind = b""
        while kind != b"Z":
            kind = self._read(1)
            (size,) = struct.unpack("!i", self._read(4))
            yield kind, self._read(size - 4)

    def _send(self, kind: bytes, body: bytes) -> None:
        self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def _read(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            more = self._socket.recv(size - len(read))
            if not more:
                raise PostgresError("the server has hung up")
            read += more
        return read


@dataclass(frozen=True)
class _Keys:
    """What SCRAM makes of a password (RFC 5802)."""

    client: bytes
    stored: bytes
    server: bytes

    @classmethod
    def derive(cls, password: str, salt: bytes, rounds: int) -> Self:
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
        client = _mac(salted, "Client Key")
        return cls(client, hashlib.sha256(client).digest(), _mac(salted, "Server Key"))


class _Scram:
    """One exchange, in which each side proves that it knows the password."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._nonce = secrets.token_urlsafe(18)
        self._proof_of_server = b""
        self.proven = False

    def first(self) -> bytes:
        return f"n,,{self._bare}".encode()

    def final(self, challenge: str) -> bytes:
        told = dict(part.split("=", 1) for part in challenge.split(","))
        if not told["r"].startswith(self._nonce):
            raise PostgresError("the server answers somebody else")
        salt, rounds = base64.b64decode(told["s"]), int(told["i"])
        keys = _Keys.derive(self._password, salt, rounds)
        final = f"c=biws,r={told['r']}"
        signed = f"{self._bare},{challenge},{final}"
        self._proof_of_server = _mac(keys.server, signed)
        signature = _mac(keys.stored, signed)
        proof = bytes(a ^ b for a, b in zip(keys.client, signature, strict=True))
        return f"{final},p={_text(proof)}".encode()

    def check(self, told: str) -> None:
        given = base64.b64decode(told.removeprefix("v="))
        self.proven = hmac.compare_digest(given, self._proof_of_server)

    @property
    def _bare(self) -> str:
        # The server takes the user from the start of the connection.
        return f"n=,r={self._nonce}"


def _encrypted(plain: socket.socket) -> ssl.SSLSocket:
    plain.sendall(struct.pack("!ii", 8, _ASK_FOR_TLS))
    if plain.recv(1) != b"S":
        raise PostgresError("the server has no TLS")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def _row(body: bytes) -> tuple[str, ...]:
    (count,) = struct.unpack("!h", body[:2])
    values, rest = [], body[2:]
    for _ in range(count):
        (size,) = struct.unpack("!i", rest[:4])
        end = 4 + max(size, 0)
        values.append(rest[4:end].decode())
        rest = rest[end:]
    return tuple(values)


def _refusal(body: bytes) -> str:
    fields = {part[:1]: part[1:].decode() for part in body.split(b"\0") if part}
    return f"{fields[b'M']} ({fields[b'C']})"


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
