"""Managed PostgreSQL: reached by the app alone, which owns what it makes in it."""

from __future__ import annotations

import pulumi
import pytest

from components.digitalocean.database import (
    ManagedDatabase,
    ManagedDatabaseArgs,
    granting,
)

CLUSTER = "digitalocean:index/databaseCluster:DatabaseCluster"
DATABASE = "digitalocean:index/databaseDb:DatabaseDb"
FIREWALL = "digitalocean:index/databaseFirewall:DatabaseFirewall"
USER = "digitalocean:index/databaseUser:DatabaseUser"


def database(**args):
    defaults = {"region": "fra1", "size": "db-s-1vcpu-2gb"}
    return ManagedDatabase("app", ManagedDatabaseArgs(**(defaults | args)))


def test_it_is_postgresql_15_of_the_size_that_was_asked_for(graph):
    graph.build(lambda: database(nodes=2, storage_gib=60, maintenance_day="monday"))

    cluster = graph.one(CLUSTER)
    assert (cluster["engine"], cluster["version"]) == ("pg", "15")
    assert (cluster["size"], cluster["nodeCount"]) == ("db-s-1vcpu-2gb", 2)
    assert cluster["region"] == "fra1"
    assert cluster["storageSizeMib"] == "61440"
    assert cluster["maintenanceWindows"] == [{"day": "monday", "hour": "03:00"}]


def test_the_storage_is_what_comes_with_the_size_unless_it_is_said(graph):
    graph.build(database)

    assert "storageSizeMib" not in graph.one(CLUSTER).inputs


def test_the_app_has_a_user_and_a_database_of_its_own(graph):
    outputs = graph.build(database)
    host, password = graph.one(CLUSTER).outputs["host"], graph.one(USER).outputs

    assert graph.one(USER)["name"] == graph.one(DATABASE)["name"] == "stromhaltig"
    assert outputs["url"] == (
        f"postgresql://stromhaltig:{password['password']}@{host}:25060/stromhaltig"
        "?sslmode=require"
    )
    assert outputs["admin_url"].startswith("postgresql://doadmin:AVNS_")
    assert graph.secret_outputs >= {"url", "admin_url"}
    assert "BEGIN CERTIFICATE" in outputs["ca_certificate"]


def test_in_a_network_its_private_address_is_used(graph):
    outputs = graph.build(lambda: database(vpc_id="c33931f2-a26a-4e61-b85c-4e95a2ec"))

    assert graph.one(CLUSTER)["privateNetworkUuid"].startswith("c33931f2")
    assert "@private-" in outputs["url"]
    assert "@private-" in outputs["admin_url"]


def test_only_the_app_is_let_in(graph):
    def program() -> ManagedDatabase:
        made = database()
        made.admit(pulumi.Output.from_input("4f6c71e2"))
        return made

    graph.build(program)

    assert graph.one(FIREWALL)["rules"] == [{"type": "app", "value": "4f6c71e2"}]
    assert graph.one(FIREWALL)["clusterId"] == graph.one(CLUSTER).id


@pytest.mark.parametrize("protect", [True, False])
def test_what_holds_data_is_protected(graph, protect):
    graph.build(lambda: database(protect=protect))

    assert graph.one(CLUSTER).protect is protect
    assert graph.one(DATABASE).protect is protect
    assert graph.one(USER).protect is protect


def test_slow_statements_are_logged(graph):
    graph.build(lambda: database(slow_query_ms=250))

    config = "digitalocean:index/databasePostgresqlConfig:DatabasePostgresqlConfig"
    assert graph.one(config)["logMinDurationStatement"] == 250


def test_the_grant_comes_before_the_command_and_fails_it():
    shell, flag, script = granting(("npm", "run", "migrate"))

    assert (shell, flag) == ("sh", "-c")
    assert script.startswith("node -e ")
    assert script.endswith(" && exec npm run migrate")
