"""PostgreSQL on the Docker host: tuned, unreachable, and never two on one volume."""

from __future__ import annotations

import pytest

from components.docker.confinement import LogRotation
from components.docker.database import Database, DatabaseArgs

CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"


def database(**args):
    defaults = {
        "image": "postgres:15-bookworm",
        "network": "internal",
        "memory": 1024,
        "logs": LogRotation(),
    }
    return Database("app", DatabaseArgs(**(defaults | args)))


def server(graph):
    return graph.one(CONTAINER, "app-database")


def flags(graph):
    command = server(graph)["command"]
    assert command[0] == "postgres"
    assert command[1::2] == ["-c"] * (len(command) // 2)
    return dict(flag.split("=", 1) for flag in command[2::2])


def test_it_is_on_one_network_and_publishes_nothing(graph):
    graph.build(database)

    assert server(graph)["networksAdvanced"] == [
        {"name": "internal", "aliases": ["database"]}
    ]
    assert "ports" not in server(graph).inputs


def test_passwords_come_as_files_and_are_nowhere_else(graph):
    outputs = graph.build(database)
    passwords = {
        password.outputs["result"]
        for password in graph.all("random:index/randomPassword:RandomPassword")
    }

    assert len(passwords) == 2
    assert graph.secret_outputs == {"url", "password"}
    assert outputs["password"] in passwords
    assert outputs["url"] == (
        f"postgresql://stromhaltig:{outputs['password']}@database:5432/stromhaltig"
        "?sslmode=disable"
    )
    for password in passwords:
        assert password not in str(server(graph).inputs)
    assert server(graph).secrets == frozenset()


def test_the_app_is_no_superuser(graph):
    graph.build(database)
    script = graph.one(CONTAINER, "app-database-role")["entrypoints"][-1]

    assert "CREATE ROLE %I LOGIN'" in script
    assert "SUPERUSER" not in script
    assert not any("POSTGRES_USER" in entry for entry in server(graph)["envs"])


def test_the_role_is_seen_to_once_the_server_is_there(graph):
    graph.build(database)
    task = graph.one(CONTAINER, "app-database-role")

    assert server(graph) in graph.dependencies(task)
    assert task["networksAdvanced"] == [{"name": "internal"}]
    assert task["attach"] is True


def test_another_password_of_the_role_leaves_the_server_alone(graph):
    graph.build(database)
    role = "app-database-role-secrets"
    mounted = {mount["volumeName"] for mount in server(graph)["volumes"]}

    assert not any(volume.startswith(role) for volume in mounted)
    carried = graph.one(CONTAINER, role)["uploads"]
    assert {u["file"] for u in carried} == {
        "/files/admin_password",
        "/files/role_password",
    }


@pytest.mark.parametrize(
    ("memory", "connections", "expected"),
    [
        (1024, 100, {"shared_buffers": "256MB", "work_mem": "2621kB"}),
        (256, 100, {"shared_buffers": "64MB", "work_mem": "1024kB"}),
        (8192, 200, {"effective_cache_size": "6144MB", "max_connections": "200"}),
    ],
)
def test_it_is_tuned_to_its_memory(graph, memory, connections, expected):
    graph.build(lambda: database(memory=memory, max_connections=connections))

    assert expected.items() <= flags(graph).items()
    assert server(graph)["memory"] == memory


def test_slow_statements_are_logged_and_passwords_hashed_well(graph):
    graph.build(lambda: database(slow_query_ms=250))

    assert flags(graph)["log_min_duration_statement"] == "250"
    assert flags(graph)["password_encryption"] == "scram-sha-256"
    assert "--data-checksums" in str(server(graph)["envs"])


def test_the_old_server_ends_before_a_new_one_takes_the_volume(graph):
    graph.build(database)

    assert server(graph).delete_before_replace is True
    assert server(graph)["stopSignal"] == "SIGINT"
    assert server(graph)["destroyGraceSeconds"] == 300


@pytest.mark.parametrize("protect", [True, False])
def test_the_data_is_protected_where_asked(graph, protect):
    graph.build(lambda: database(protect=protect))

    assert graph.one(VOLUME, "app-database").protect is protect


def test_it_is_waited_for_over_tcp(graph):
    graph.build(database)

    assert server(graph)["wait"] is True
    assert "127.0.0.1" in server(graph)["healthcheck"]["tests"]
