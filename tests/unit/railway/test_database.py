"""PostgreSQL and Redis on Railway: with a password, and no address outside."""

from __future__ import annotations

import shlex

import pytest

from components.railway.cache import Cache, CacheArgs
from components.railway.database import Database, DatabaseArgs
from tests.unit.railway.test_service import (
    PASSWORD,
    PLACE,
    SERVICE,
    VARIABLES,
    VOLUME,
)

DOMAIN = "pulumi-python:dynamic/railway:Domain"


def database(**args):
    return Database("app", DatabaseArgs(place=PLACE, **args))


def cache(**args):
    return Cache("app", CacheArgs(place=PLACE, **args))


def test_the_app_is_given_a_url_of_the_private_network(graph):
    outputs = graph.build(database)
    password = graph.one(PASSWORD).outputs["result"]

    assert outputs["url"] == (
        f"postgresql://stromhaltig:{password}@database.railway.internal:5432/"
        "stromhaltig?sslmode=disable"
    )
    assert graph.secret_outputs == {"url", "password"}
    assert graph.all(DOMAIN) == []


def test_the_data_is_in_a_folder_of_a_protected_volume(graph):
    outputs = graph.build(database)
    volume = graph.one(VOLUME)

    assert volume.protect
    assert volume["mount_path"] == "/var/lib/postgresql/data"
    folder = graph.one(VARIABLES)["variables"]["PGDATA"]
    assert folder == "/var/lib/postgresql/data/pgdata"
    assert outputs["volume_id"] == volume.outputs["volume_id"]


def test_the_protection_of_the_data_can_be_lifted(graph):
    graph.build(lambda: database(protect=False))

    assert not graph.one(VOLUME).protect


def test_the_images_entry_point_sets_up_the_database(graph):
    graph.build(lambda: database(image="postgres:15.20", region="us-west2"))
    made = graph.one(SERVICE)

    assert made["image"] == "postgres:15.20"
    assert made["region"] == graph.one(VOLUME)["region"] == "us-west2"
    assert "start_command" not in made.inputs
    variables = graph.one(VARIABLES)
    assert variables["variables"]["POSTGRES_USER"] == "stromhaltig"
    assert variables["secrets"].keys() == {"POSTGRES_PASSWORD"}


def test_there_is_one_of_what_holds_data(graph):
    graph.build(lambda: (database(), cache()))

    assert {found["replicas"] for found in graph.all(SERVICE)} == {1}


def test_a_cache_asks_for_its_password(graph):
    outputs = graph.build(cache)
    password = graph.one(PASSWORD).outputs["result"]

    assert outputs["url"] == f"redis://default:{password}@cache.railway.internal:6379/0"
    assert graph.secret_outputs == {"url"}
    assert graph.one(VARIABLES)["secrets"] == {"REDIS_PASSWORD": password}
    assert password not in graph.one(SERVICE)["start_command"]


def redis_arguments(graph):
    """What Redis is started with, as a shell within the start command has it."""
    shell, option, script = shlex.split(graph.one(SERVICE)["start_command"])
    assert (shell, option) == ("/bin/sh", "-c")
    words = shlex.split(script)
    assert words[:3] == ["exec", "docker-entrypoint.sh", "redis-server"]
    return dict(zip(words[3::2], words[4::2], strict=True))


@pytest.mark.parametrize(
    ("volume", "keeps"),
    [
        (True, {"--appendonly": "yes", "--dir": "/data"}),
        (False, {"--save": ""}),
    ],
)
def test_a_cache_is_bounded_and_keeps_its_file_where_there_is_a_volume(
    graph, volume, keeps
):
    graph.build(lambda: cache(memory=64, eviction="allkeys-lru", volume=volume))

    assert redis_arguments(graph) == keeps | {
        "--requirepass": "$REDIS_PASSWORD",
        "--maxmemory": "64mb",
        "--maxmemory-policy": "allkeys-lru",
    }
    assert len(graph.all(VOLUME)) == volume
    assert not any(found.protect for found in graph.all(VOLUME))
