"""A command in a container like the app's, which is gone when it has ended."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from ops.errors import FailedError
from ops.platforms.docker_host.engine import Engine
from ops.platforms.platform import Ended

LONGEST = 3600
"""Seconds that a command may take: an hour, for a migration of a large table."""

LINES = 10_000
"""Lines of its output that are kept, the last ones."""

_CONFINED = (
    *("Binds", "CapAdd", "CapDrop", "Init", "LogConfig", "Memory", "MemorySwap"),
    *("NanoCpus", "ReadonlyRootfs", "SecurityOpt", "Tmpfs"),
)
"""Of a container: what it mounts, and how little it may do."""


def run(
    engine: Engine, like: Any, command: Sequence[str], *, image: str | None = None
) -> Ended:
    """Run a command to its end.

    like: the container whose image, variables, secrets, mounts, networks and limits it
        gets. It gets none of its names: no request is led to it.
    image: another than the one of that container; pulled if the host lacks it.

    Raises FailedError when it does not start, or takes longer than LONGEST.
    """
    from docker.errors import APIError
    from requests.exceptions import ConnectionError as Broken
    from requests.exceptions import ReadTimeout

    first, *others = like.attrs["NetworkSettings"]["Networks"]
    limits = {key: like.attrs["HostConfig"].get(key) for key in _CONFINED}
    config = {
        "Image": _there(engine, image) if image else like.attrs["Image"],
        "Cmd": [*command],
        "Env": _variables(engine, like),
        "Volumes": like.attrs["Config"].get("Volumes"),
        "Labels": {"com.stromhaltig.one-off": like.name},
        "HostConfig": {**limits, "NetworkMode": first},
    }
    name = f"{like.name.rpartition('-app-')[0]}-one-off-{secrets.token_hex(4)}"
    api = engine.client.api
    container = None
    try:
        id = api.create_container_from_config(config, name)["Id"]
        container = engine.client.containers.get(id)
        for network in others:
            engine.client.networks.get(network).connect(container)
        container.start()
        code = int(container.wait(timeout=LONGEST)["StatusCode"])
        printed = container.logs(tail=LINES).decode(errors="replace")
    except APIError as error:
        raise FailedError(f"{name} does not start: {error.explanation}") from None
    except (Broken, ReadTimeout) as error:
        raise FailedError(
            f"{name} did not end within {LONGEST // 60} minutes, or the engine did not "
            f"tell: {error}. It was removed"
        ) from None
    finally:
        if container:
            container.remove(force=True, v=True)
    return Ended(code, tuple(printed.splitlines()))


def _there(engine: Engine, image: str) -> str:
    """ID of an image on the host, where it is pulled to if it lacks it."""
    from docker.errors import APIError, ImageNotFound

    images = engine.client.images
    try:
        found = images.get(image)
    except ImageNotFound:
        try:
            found = images.pull(image)
        except APIError as error:
            raise FailedError(
                f"The host has no image {image}, and cannot pull it: "
                f"{error.explanation}. Sign in with: docker login"
            ) from None
    return str(found.id)


def _variables(engine: Engine, like: Any) -> list[str]:
    """What the program gives a container, without what its image does."""
    from docker.errors import ImageNotFound

    try:
        image = engine.client.images.get(like.attrs["Image"])
    except ImageNotFound:
        return list(like.attrs["Config"]["Env"])
    own = image.attrs["Config"]["Env"] or ()
    return [each for each in like.attrs["Config"]["Env"] if each not in own]
