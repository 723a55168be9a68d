"""A Docker host, as operations see it."""

from ops.platforms.docker_host.host import DockerHost

__all__ = ["DockerHost"]
