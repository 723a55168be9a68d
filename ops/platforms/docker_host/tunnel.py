"""A port of this machine that leads to one inside a container.

Nothing is published and no network is joined: each connection is a command in the
container, which connects there. So it works over SSH as it does here, and what is
closed on one side is closed on the other.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ops.errors import OpsError
from ops.platforms.docker_host.engine import STDOUT, Engine, Process, broken

LOOPBACK = "127.0.0.1"

_CHUNK = 64 * 1024

# PostgreSQL's image has bash, and neither socat nor nc. Whichever side closes first,
# the other is closed after all that was sent has been passed on.
_CONNECT = """
exec 3<>"/dev/tcp/127.0.0.1/$1" 4<&0 || exit
cat <&3 &
cat <&4 >&3 &
wait -n
kill $(jobs -p) 2>/dev/null
"""


@contextmanager
def tunnel(engine: Engine, container: str, port: int) -> Iterator[int]:
    """Lead a free port of this machine's loopback to a port inside a container.

    container: runs, and has bash. The number of the port here.

    Raises OpsError when the container does not run.
    """
    command = ["bash", "-c", _CONNECT, "tunnel", str(port)]
    # Where it fails, it fails before anybody waits at the other end.
    engine.process(container, ["true"], tty=False).close()
    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(
            target=_serve, args=(listener, engine, container, command), daemon=True
        ).start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _serve(
    listener: socket.socket, engine: Engine, container: str, command: list[str]
) -> None:
    with contextlib.suppress(OSError):  # the block has ended
        while True:
            connection, _ = listener.accept()
            threading.Thread(
                target=_carry,
                args=(connection, engine, container, command),
                daemon=True,
            ).start()


def _carry(
    connection: socket.socket, engine: Engine, container: str, command: list[str]
) -> None:
    """Pass on what comes from either side until one of them closes.

    Whatever goes wrong over there, who is here sees a connection that closes.
    """
    with (
        connection,
        contextlib.suppress(OpsError, *broken()),
        engine.process(container, command, tty=False) as process,
    ):
        sending = threading.Thread(target=_send, args=(connection, process))
        sending.start()
        # Whoever is there no more needs no answer.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for stream, data in process.output():
                if stream == STDOUT:
                    connection.sendall(data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        sending.join()


def _send(connection: socket.socket, process: Process) -> None:
    with contextlib.suppress(OSError):
        while data := connection.recv(_CHUNK):
            process.write(data)
    process.end_input()
