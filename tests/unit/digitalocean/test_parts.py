"""What surrounds the app: cache, bucket, outside check, registry and project."""

from __future__ import annotations

import pulumi
import pytest

from components.digitalocean.cache import ManagedCache, ManagedCacheArgs
from components.digitalocean.project import Project, ProjectArgs
from components.digitalocean.registry import ContainerRegistry, ContainerRegistryArgs
from components.digitalocean.spaces import Spaces, SpacesArgs
from components.digitalocean.uptime import Uptime, UptimeArgs

ALERT = "digitalocean:index/uptimeAlert:UptimeAlert"
BUCKET = "digitalocean:index/spacesBucket:SpacesBucket"
CLUSTER = "digitalocean:index/databaseCluster:DatabaseCluster"
FIREWALL = "digitalocean:index/databaseFirewall:DatabaseFirewall"
SLACK = "https://hooks.slack.com/services/T/B/x"


def test_the_cache_is_valkey_with_tls_for_the_app_alone(graph):
    def program() -> ManagedCache:
        made = ManagedCache(
            "app", ManagedCacheArgs(region="fra1", size="db-s-1vcpu-1gb")
        )
        made.admit("4f6c71e2")
        return made

    outputs = graph.build(program)

    cluster = graph.one(CLUSTER)
    assert (cluster["engine"], cluster["version"]) == ("valkey", "8")
    assert cluster["evictionPolicy"] == "volatile_lru"
    assert not cluster.protect
    assert outputs["url"] == (
        f"rediss://default:{cluster.outputs['password']}"
        f"@{cluster.outputs['host']}:25060"
    )
    assert "url" in graph.secret_outputs
    assert graph.one(FIREWALL)["rules"] == [{"type": "app", "value": "4f6c71e2"}]


def test_in_a_network_the_caches_private_address_is_used(graph):
    args = ManagedCacheArgs(region="fra1", size="db-s-1vcpu-1gb", vpc_id="c33931f2")
    outputs = graph.build(lambda: ManagedCache("app", args))

    assert "@private-" in outputs["url"]


def test_the_bucket_is_private_and_its_key_opens_nothing_else(graph):
    outputs = graph.build(lambda: Spaces("app", SpacesArgs(region="fra1")))

    bucket = graph.one(BUCKET)
    assert bucket["acl"] == "private"
    assert bucket["versioning"] == {"enabled": True}
    assert bucket.protect
    assert not bucket["forceDestroy"]
    assert graph.one("digitalocean:index/spacesKey:SpacesKey")["grants"] == [
        {"bucket": outputs["bucket"], "permission": "readwrite"}
    ]
    assert graph.secret_outputs == {"access_key", "secret_key"}
    assert outputs["endpoint"] == "https://fra1.digitaloceanspaces.com"


def test_dumps_and_what_was_replaced_go_after_their_time(graph):
    args = SpacesArgs(region="fra1", dump_days=10, noncurrent_days=3)
    graph.build(lambda: Spaces("app", args))

    superseded, dumps = graph.one(BUCKET)["lifecycleRules"]
    assert superseded["noncurrentVersionExpiration"] == {"days": 3}
    assert superseded["abortIncompleteMultipartUploadDays"] == 1
    assert (dumps["prefix"], dumps["expiration"]) == ("dumps/", {"days": 10})


def test_somebody_is_told_when_the_app_does_not_answer(graph):
    args = UptimeArgs(
        url="https://stromhaltig.de/api/health",
        emails=("ops@stromhaltig.de",),
        slack_channel="#ops",
        slack_url=SLACK,
    )
    graph.build(lambda: Uptime("app", args))

    check = graph.one("digitalocean:index/uptimeCheck:UptimeCheck")
    assert check["target"] == "https://stromhaltig.de/api/health"
    assert len(check["regions"]) == 2
    alerts = {alert["type"]: alert for alert in graph.all(ALERT)}
    assert set(alerts) == {"down_global", "latency", "ssl_expiry"}
    assert alerts["latency"]["threshold"] == 5000
    assert alerts["ssl_expiry"]["threshold"] == 14
    for alert in alerts.values():
        [told] = alert["notifications"]
        assert told["emails"] == ["ops@stromhaltig.de"]
        assert told["slacks"] == [{"channel": "#ops", "url": SLACK}]
        assert "notifications.0.slacks.0.url" in alert.secrets


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({}, "nobody would be told"),
        ({"slack_channel": "#ops"}, "go together"),
        ({"emails": ("a@b.de",), "slack_url": SLACK}, "go together"),
    ],
)
def test_a_check_that_tells_nobody_is_refused(args, problem):
    with pytest.raises(ValueError, match=problem):
        UptimeArgs(url="https://stromhaltig.de", **args)


def test_the_registry_is_the_accounts_and_protected(graph):
    args = ContainerRegistryArgs(name="stromhaltig", region="fra1")
    outputs = graph.build(lambda: ContainerRegistry("app", args))

    registry = graph.one("digitalocean:index/containerRegistry:ContainerRegistry")
    assert (registry["name"], registry["subscriptionTierSlug"]) == (
        "stromhaltig",
        "basic",
    )
    assert registry.protect
    assert outputs["endpoint"] == "registry.digitalocean.com/stromhaltig"


def test_the_project_holds_what_it_is_given_in_a_lasting_order(graph):
    def program() -> Project:
        project = Project("app", ProjectArgs(name="Stromhaltig"))
        project.hold(
            {"database": pulumi.Output.from_input("do:dbaas:1"), "bucket": "do:space:a"}
        )
        return project

    outputs = graph.build(program)

    held = graph.one("digitalocean:index/projectResources:ProjectResources")
    assert held["project"] == outputs["project_id"]
    assert held["resources"] == ["do:space:a", "do:dbaas:1"]
