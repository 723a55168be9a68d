"""Access logs that CloudWatch Logs delivers, by resources of their own."""

from __future__ import annotations

from resource_graph import Resource, ResourceGraph
from resource_types import LOG_DELIVERY, LOG_DELIVERY_SOURCE

_ACCESS = "ACCESS"


def delivers_access_logs(of: Resource, graph: ResourceGraph) -> bool:
    """Whether a resource's access logs are delivered to somewhere.

    Raises UndecidedError when it takes a value that is not known.
    """
    return any(
        _has_delivery(source, graph)
        and _ACCESS in str(source.get("logType", "")).upper()
        for source in graph.referring(of, LOG_DELIVERY_SOURCE, "resourceArn")
    )


def _has_delivery(source: Resource, graph: ResourceGraph) -> bool:
    if graph.referring(source, LOG_DELIVERY, "deliverySourceName"):
        return True
    # Its name is often written down twice, and is no output that a reference shows.
    name = source.get("name")
    return any(
        delivery.get("deliverySourceName") == name
        for delivery in graph.of(LOG_DELIVERY)
    )
