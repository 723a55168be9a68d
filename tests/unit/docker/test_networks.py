"""Networks of the Docker host."""

from __future__ import annotations

from components.docker.networks import Networks

NETWORK = "docker:index/network:Network"


def test_data_has_a_network_without_a_way_out(graph):
    outputs = graph.build(lambda: Networks("app"))

    assert outputs == {"edge": "app-edge", "internal": "app-internal"}
    assert graph.one(NETWORK, "app-internal")["internal"] is True
    assert "internal" not in graph.one(NETWORK, "app-edge").inputs
