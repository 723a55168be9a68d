"""A Docker Engine, here or at the end of an SSH login, and commands in its containers.

The Python SDK reaches an engine over SSH only by paramiko, which reads neither the
operator's `~/.ssh/config` nor their agent in full, or by pipes that cannot be closed on
one side. Here a socket of this machine stands for the engine, and OpenSSH carries what
goes through it: SDK and raw streams then work the same, near and far.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ops.errors import FailedError, OpsError

CONNECT_SECONDS = 15
"""How long an SSH login may take."""

ANSWER_SECONDS = 120
"""How long the engine may think about a question."""

STDOUT = 1
STDERR = 2

_CHUNK = 64 * 1024
_HEADER = 8  # bytes before each piece of output: the stream, and the length
_KEPT = 2  # connections that wait for the next question
_END_SECONDS = 10.0  # from the end of the output to that of the command
_REASON = 4000  # bytes of an error that are shown at most


class ExitError(FailedError):
    """A command in a container ended with another code than 0."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Engine:
    """A Docker Engine.

    address: `unix:///PATH`, or `ssh://USER@HOST:PORT` with the login that you have.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    @cached_property
    def client(self) -> Any:
        """The SDK's client.

        Raises OpsError when the engine does not answer.
        """
        import docker
        from docker.errors import DockerException

        # It is not worth a warning that a connection is closed and not kept.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        try:
            self.dial().close()
            client = docker.DockerClient(
                f"unix://{self._socket}",
                version="auto",
                timeout=ANSWER_SECONDS,
                max_pool_size=_KEPT,
            )
        except (OSError, DockerException) as error:
            why = self._complaint() or _short(error)
            raise OpsError(
                f"The Docker engine at {self.address} does not answer: {why}. Try: "
                f"docker --host {self.address} version"
            ) from None
        client.api.trust_env = False  # no proxy leads to a socket of this machine
        # The SDK would keep connections for each path that it has asked for, and an SSH
        # login carries ten of them.
        adapter = client.api.get_adapter(client.api.base_url)
        kept = adapter.get_connection(client.api.base_url)
        adapter.get_connection = lambda *_: kept
        weakref.finalize(self, client.close)
        return client

    def containers(self, **filters: str) -> list[Any]:
        """Containers, running or not, that filters of `docker ps` let through."""
        found = self.client.containers.list(
            all=True, ignore_removed=True, filters=filters
        )
        return list(found)

    def container(self, name: str) -> Any:
        """A container by its name, running or not.

        Raises OpsError when there is none.
        """
        from docker.errors import NotFound

        try:
            return self.client.containers.get(name)
        except NotFound:
            raise OpsError(
                f"There is no container {name} at {self.address}. Put back what the "
                "program describes: pulumi up --refresh"
            ) from None

    def process(
        self, container: str, command: Sequence[str], *, user: str = "", tty: bool
    ) -> Process:
        """Start a command in a running container, with pipes to it.

        Raises OpsError when the container does not run.
        """
        from docker.errors import APIError, NotFound

        api = self.client.api
        try:
            made = api.exec_create(
                container, list(command), stdin=True, tty=tty, user=user
            )
        except NotFound:
            self.container(container)
            raise
        except APIError as error:
            raise OpsError(
                f"{container} takes no command: {_short(error)}. If it does not run: "
                f"docker --host {self.address} start {container}"
            ) from None
        return Process(self, made["Id"], tty=tty)

    def stream(
        self,
        container: str,
        command: Sequence[str],
        *,
        stdin: Iterable[bytes] = (),
        accepted: Sequence[int] = (0,),
        user: str = "",
    ) -> Iterator[bytes]:
        """Run a command in a running container and yield what it prints, as it does.

        accepted: exit codes that are no failure.

        An error of `stdin` is raised as it is. Raises ExitError, with what the command
        said, when it ends with another code.
        """
        said = bytearray()
        with self.process(container, command, user=user, tty=False) as process:
            feeding = process.feed(stdin)
            for number, data in process.output():
                if number == STDOUT:
                    yield data
                else:
                    said += data[: _REASON - len(said)]
            process.close()
            feeding.join()
        if feeding.error:
            raise feeding.error
        if (code := process.code()) not in accepted:
            why = said.decode(errors="replace").strip() or "no reason given"
            raise ExitError(f"{container}: {command[0]} ended with {code}: {why}", code)

    def output(self, container: str, command: Sequence[str], *, user: str = "") -> str:
        """Run a command in a running container and return what it prints.

        Raises ExitError as `stream`.
        """
        printed = b"".join(self.stream(container, command, user=user))
        return printed.decode(errors="replace")

    def file(self, container: str, path: str) -> bytes:
        """A small file of a container, which need not run.

        Raises FileNotFoundError when it is not there.
        """
        import io
        import tarfile

        from docker.errors import NotFound

        try:
            chunks, _ = self.container(container).get_archive(path)
        except NotFound:
            raise FileNotFoundError(f"{container}:{path}") from None
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            content = archive.extractfile(archive.getmembers()[0])
        if content is None:
            raise FileNotFoundError(f"{container}:{path} is no file")
        return content.read()

    def on_host(self, command: Sequence[str]) -> str:
        """Run a command on the engine's machine, with our login, and return its output.

        command: of plain words, for over SSH a shell reads it.

        Raises OpsError, with the reason alone, when that cannot be done.
        """
        words = list(command)
        if self._bridge:
            words = self._bridge.command(*words)
        elif self.client.info()["Name"] != socket.gethostname():
            raise OpsError("the engine is on another machine than this one")
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=CONNECT_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OpsError(str(error)) from None
        if done.returncode != 0:
            why = done.stderr.strip() or f"exit code {done.returncode}"
            raise OpsError(f"{command[0]}: {why.splitlines()[-1].rstrip('.')}")
        return done.stdout

    def dial(self) -> socket.socket:
        """A connection to the engine's API."""
        path = str(self._socket)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
        except OSError:
            connection.close()
            raise
        return connection

    def _complaint(self) -> str:
        """What OpenSSH said last; nothing without it."""
        return self._bridge.complaint() if self._bridge else ""

    @cached_property
    def _socket(self) -> Path:
        if self._bridge:
            return self._bridge.path
        return Path(urlsplit(self.address).path)

    @cached_property
    def _bridge(self) -> _Bridge | None:
        parts = urlsplit(self.address)
        if parts.scheme == "unix":
            return None
        if parts.scheme != "ssh" or not parts.hostname:
            raise OpsError(
                f'"{self.address}" is no address of a Docker engine like '
                "ssh://USER@HOST or unix:///var/run/docker.sock"
            )
        if shutil.which("ssh") is None:
            raise OpsError("There is no `ssh` on PATH. Install OpenSSH's client.")
        login = ["-l", parts.username] if parts.username else []
        port = ["-p", str(parts.port)] if parts.port else []
        bridge = _Bridge([*login, *port, "--", parts.hostname])
        weakref.finalize(self, bridge.close)
        return bridge


class Process:
    """A command in a container: what goes in, what comes out, and how it ended.

    A context manager; leaving it closes the pipes, which ends whoever reads them.
    """

    def __init__(self, engine: Engine, id: str, *, tty: bool) -> None:
        self._api = engine.client.api
        self._id = id
        self._tty = tty
        self._connection = engine.dial()
        try:
            self._rest = self._start()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Of the connection, for `select`."""
        return self._connection.fileno()

    def write(self, data: bytes) -> None:
        """Hand input to the command."""
        self._connection.sendall(data)

    def end_input(self) -> None:
        """Say that no more input comes."""
        # The other side may have closed it all.
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def feed(self, chunks: Iterable[bytes]) -> Feeding:
        """Hand over input, and its end, while somebody else reads the output."""
        feeding = Feeding(self, chunks)
        feeding.start()
        return feeding

    def pending(self) -> bool:
        """Whether there is output that `select` does not see."""
        return bool(self._rest)

    def read(self) -> bytes:
        """What there is of the output of a terminal; nothing at its end."""
        return self._some(_CHUNK)

    def output(self) -> Iterator[tuple[int, bytes]]:
        """Yield pieces of output, STDOUT or STDERR, until the command closes both."""
        while header := self._exactly(_HEADER):
            left = int.from_bytes(header[4:])
            while left and (data := self._some(left)):
                left -= len(data)
                yield header[0], data

    def code(self) -> int:
        """Exit code of a command whose output has ended.

        Raises FailedError when it goes on all the same.
        """
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            found = self._api.exec_inspect(self._id)
            if not found["Running"]:
                return int(found["ExitCode"])
            time.sleep(0.02)
        raise FailedError(
            f"A command in container {found['ContainerID'][:12]} does not end. Look "
            f"at it: docker top {found['ContainerID'][:12]}"
        )

    def resize(self, rows: int, columns: int) -> None:
        """Tell a terminal how large it is."""
        self._api.exec_resize(self._id, height=rows, width=columns)

    def close(self) -> None:
        """Close the pipes; a second time does nothing."""
        self._connection.close()

    def _start(self) -> bytes:
        """Begin, and return what of the output has come with the answer."""
        body = json.dumps({"Detach": False, "Tty": self._tty}).encode()
        request = (
            f"POST /v{self._api.api_version}/exec/{self._id}/start HTTP/1.1\r\n"
            "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._connection.sendall(request.encode() + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = self._connection.recv(_CHUNK)
            if not data:
                raise OpsError(f"The Docker engine broke off: {_line(answer)}")
            answer += data
        head, _, rest = answer.partition(b"\r\n\r\n")
        if not head.startswith((b"HTTP/1.1 101", b"HTTP/1.1 200")):
            raise OpsError(f"The Docker engine refused: {_line(rest or head)}")
        return rest

    def _some(self, most: int) -> bytes:
        if self._rest:
            data, self._rest = self._rest[:most], self._rest[most:]
            return data
        try:
            return self._connection.recv(min(most, _CHUNK))
        except (ConnectionResetError, BrokenPipeError):
            return b""

    def _exactly(self, count: int) -> bytes:
        """That many bytes; none at the end, or where it broke off."""
        found = b""
        while len(found) < count:
            data = self._some(count - len(found))
            if not data:
                return b""
            found += data
        return found


class Feeding(threading.Thread):
    """Hands input to a command while somebody else reads its output.

    error: what the input's source raised.
    """

    def __init__(self, process: Process, chunks: Iterable[bytes]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._chunks = chunks
        self.error: BaseException | None = None

    def run(self) -> None:
        """Hand over all of it."""
        try:
            for chunk in self._chunks:
                if not self._handed_over(chunk):
                    break
        except BaseException as error:  # raised by who waits for us
            self.error = error
        self._process.end_input()

    def _handed_over(self, chunk: bytes) -> bool:
        """Whether the command still reads; one that has ended tells why by its code."""
        try:
            self._process.write(chunk)
        except OSError:
            return False
        return True


class _Bridge:
    """A socket here; each connection to it is one to an engine, carried by OpenSSH.

    It does what `docker --host ssh://…` does. One login is made, and shared.
    """

    def __init__(self, destination: Sequence[str]) -> None:
        self._folder = tempfile.mkdtemp(prefix="strom-")
        self.path = Path(self._folder) / "docker.sock"
        self._login = [
            *("ssh", "-T", "-o", f"ConnectTimeout={CONNECT_SECONDS}"),
            *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"),
            *("-o", "ControlMaster=auto", "-o", "ControlPersist=no"),
            *("-o", f"ControlPath={self._folder}/%C"),
            *destination,
        ]
        self._complaints = (Path(self._folder) / "complaints").open("w+b")
        self._carriers: list[subprocess.Popen[bytes]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def command(self, *words: str) -> list[str]:
        """What runs a command over there."""
        return [*self._login, *words]

    def complaint(self) -> str:
        """The last line that OpenSSH printed."""
        lines = Path(self._complaints.name).read_text(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1].rstrip(".") if said else ""

    def close(self) -> None:
        """Take no more connections, and end those that there are."""
        self._listener.close()
        for carrier in self._carriers:
            carrier.terminate()
            carrier.wait()
        self._complaints.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._listener.accept()
                self._carriers = [c for c in self._carriers if c.poll() is None]
                with connection:
                    self._carriers.append(self._carrier(connection))

    def _carrier(self, connection: socket.socket) -> subprocess.Popen[bytes]:
        """An SSH client that gets the connection itself.

        Nothing has to be copied here, and an end of either direction arrives at the
        other side.
        """
        return subprocess.Popen(
            self.command("docker", "system", "dial-stdio"),
            stdin=connection.fileno(),
            stdout=connection.fileno(),
            stderr=self._complaints,
            # Ctrl-C is for us: we still have to clean up over there.
            start_new_session=True,
        )


def broken() -> tuple[type[Exception], ...]:
    """What is raised when the connection to an engine breaks."""
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    return OSError, RequestException, HTTPError


def _short(error: Exception) -> str:
    """What the engine says, without the SDK's frame."""
    return str(getattr(error, "explanation", None) or error).strip().rstrip(".")


def _line(answer: bytes) -> str:
    text = answer.decode(errors="replace").strip()
    with contextlib.suppress(ValueError, TypeError):
        return str(json.loads(text)["message"])
    return text.splitlines()[0] if text else "without a word"
