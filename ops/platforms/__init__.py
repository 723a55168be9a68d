"""The platforms as operations see them: one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.errors import NotOfferedError, OpsError

if TYPE_CHECKING:
    from ops.platforms.platform import Platform
    from ops.stack import Stack


def platform_of(stack: Stack) -> Platform:
    """The platform that a stack was deployed to.

    Raises OpsError when it was not deployed yet, NotOfferedError for the environment
    of a pull request.
    """
    name = stack.outputs.get("platform")
    # Each only now: its SDK takes longer to import than all the rest.
    if name == "aws":
        from ops.platforms.aws import Aws

        return Aws(stack)
    if name == "docker":
        from ops.platforms.docker_host import DockerHost

        return DockerHost(stack)
    if name == "digitalocean":
        from ops.platforms.digitalocean import DigitalOcean

        return DigitalOcean(stack)
    if name == "railway":
        from ops.platforms.railway import Railway

        return Railway(stack)
    if name == "aws-review":
        raise NotOfferedError(
            f"{stack.name} is the environment of a pull request, which is made anew "
            "rather than operated: push to the pull request. Its log: aws logs tail "
            f"{stack.outputs['log_group']} --follow"
        )
    raise OpsError(
        f"Stack {stack.name} has no outputs: it was never deployed. Deploy it: "
        f"stromhaltig deploy --stack {stack.name}"
    )
