"""Redis on the Docker host: bounded, with a password that no command line shows."""

from __future__ import annotations

from components.docker.cache import Cache, CacheArgs
from components.docker.confinement import LogRotation

CONTAINER = "docker:index/container:Container"
PASSWORD = "random:index/randomPassword:RandomPassword"


def cache(**args):
    defaults = {"image": "redis:7", "network": "internal", "logs": LogRotation()}
    return Cache("app", CacheArgs(**(defaults | args)))


def config(graph):
    uploads = graph.one(CONTAINER, "app-cache-config")["uploads"]
    return next(u for u in uploads if u["file"].endswith("redis.conf"))["content"]


def test_it_asks_for_a_password_that_only_files_hold(graph):
    outputs = graph.build(cache)
    password = graph.one(PASSWORD).outputs["result"]
    server = graph.one(CONTAINER, "app-cache")

    assert f"requirepass {password}\n" in config(graph)
    assert outputs["url"] == f"redis://:{password}@cache:6379/0"
    assert "url" in graph.secret_outputs
    assert password not in str(server.inputs)


def test_data_survives_a_restart_and_is_bounded(graph):
    graph.build(lambda: cache(memory=64, eviction="allkeys-lfu"))

    assert "\nappendonly yes\n" in config(graph)
    assert "\nmaxmemory 64mb\nmaxmemory-policy allkeys-lfu\n" in config(graph)
    # Room for the copy that a rewrite of the log needs.
    assert graph.one(CONTAINER, "app-cache")["memory"] == 2 * 64 + 64


def test_it_is_on_one_network_and_publishes_nothing(graph):
    graph.build(cache)
    server = graph.one(CONTAINER, "app-cache")

    assert server["networksAdvanced"] == [{"name": "internal", "aliases": ["cache"]}]
    assert "ports" not in server.inputs
    assert server.delete_before_replace is True
