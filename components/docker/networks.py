"""Networks of the Docker host: one that meets the world, one that never does."""

from __future__ import annotations

import pulumi
import pulumi_docker as docker


class Networks(pulumi.ComponentResource):
    """Two bridges. What is only on `internal` is reached from nowhere else.

    An internal network has no way out either: the database cannot call anybody.
    """

    edge: pulumi.Output[str]
    """Name of the network with a way out; the proxy's ports are published on it."""

    internal: pulumi.Output[str]
    """Name of the network of database and cache."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stromhaltig:docker:Networks", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        edge = docker.Network(f"{name}-edge", name=f"{name}-edge", opts=child)
        internal = docker.Network(
            f"{name}-internal", name=f"{name}-internal", internal=True, opts=child
        )

        self.edge = edge.name
        self.internal = internal.name
        self.register_outputs({"edge": self.edge, "internal": self.internal})
