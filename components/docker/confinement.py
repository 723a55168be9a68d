"""What every container here has in common: few rights, bounded logs and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pulumi
import pulumi_docker as docker

_NOTHING: Mapping[str, str] = MappingProxyType({})


_REPLACING = [
    # One that never became healthy is made anew when the update is run again. The
    # engine would only update it, the provider would not wait for its health, and the
    # predecessor that serves would go.
    "#initerror",
    # The provider says that it has changed these, and does not.
    "init",
    "tmpfs",
]


@dataclass(frozen=True, kw_only=True)
class LogRotation:
    """How much of a container's output Docker keeps.

    max_size: MB of a file; max_files: how many (guide: 100 MB, 10 files).
    """

    max_size: int = 100
    max_files: int = 10


def confined(
    *,
    logs: LogRotation,
    memory: int,
    capabilities: Sequence[str] = (),
    tmpfs: Mapping[str, str] = _NOTHING,
) -> dict[str, Any]:
    """Return the arguments of a container with no more rights than it needs.

    Its root file system is read-only, it gets no new privileges, no capability but
    those given, no swap beside its memory, and writes through Docker's `local` log
    driver, which rotates and compresses (CIS Docker Benchmark 5.3, 5.11, 5.13, 5.26).

    Args:
        logs: how much of its output is kept.
        memory: MiB that it may use.
        capabilities: Linux capabilities that it keeps, without CAP_.
        tmpfs: directories in memory that it may write to, with mount options.
    """
    return {
        "read_only": True,
        "init": True,
        "capabilities": docker.ContainerCapabilitiesArgs(
            drops=["ALL"], adds=[f"CAP_{name}" for name in capabilities] or None
        ),
        "security_opts": ["no-new-privileges:true"],
        "memory": memory,
        "memory_swap": memory,
        "tmpfs": {path: f"rw,nosuid,nodev,noexec,{o}" for path, o in tmpfs.items()},
        "log_driver": "local",
        "log_opts": {
            "max-size": f"{logs.max_size}m",
            "max-file": str(logs.max_files),
        },
    }


def mount(
    volume: pulumi.Input[str], path: str, *, read_only: bool = False
) -> docker.ContainerVolumeArgs:
    """Return the mount of a named volume at a path of the container."""
    return docker.ContainerVolumeArgs(
        volume_name=volume, container_path=path, read_only=read_only or None
    )


def duration(seconds: int) -> str:
    """Return a time as Docker gives it back, such as 1m30s.

    Any other spelling would be a difference in every preview, and replace containers.
    """
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    longer = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{longer}{rest}s"


def beside_the_old(parent: pulumi.Resource, **options: Any) -> pulumi.ResourceOptions:
    """Return options of a container that is made before its predecessor goes.

    The provider's own default is to delete first.
    """
    return pulumi.ResourceOptions(
        parent=parent,
        delete_before_replace=False,
        replace_on_changes=_REPLACING,
        **options,
    )


def after_the_old(parent: pulumi.Resource, **options: Any) -> pulumi.ResourceOptions:
    """Return options of a container that must never run twice at once."""
    return pulumi.ResourceOptions(
        parent=parent,
        delete_before_replace=True,
        replace_on_changes=_REPLACING,
        **options,
    )
