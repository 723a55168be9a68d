"""A directory that tasks share and that outlives them: an EFS access point."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, kw_only=True)
class SharedDirectory:
    """Where a directory of a file system is mounted in a task.

    Tasks reach it by TLS, through the access point only, and with the IAM permissions
    of their own role.

    path: absolute directory in the container.
    file_system_id, file_system_arn: the EFS file system.
    access_point_id, access_point_arn: the way in, which decides directory and owner.
    """

    path: str
    file_system_id: pulumi.Input[str]
    file_system_arn: pulumi.Input[str]
    access_point_id: pulumi.Input[str]
    access_point_arn: pulumi.Input[str]
