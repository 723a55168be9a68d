"""Recorded types of DigitalOcean: encrypted secrets, deployments, and what replaces."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import pytest

from rehearsal.provider.digitalocean import (
    ACTIVE,
    APP,
    BUCKET,
    CLUSTER,
    DATABASE,
    DEPLOYMENT,
    FAILED,
    FIREWALL,
    INVOKES,
    SUPERSEDED,
    TYPES,
    USER,
    deployments,
)
from rehearsal.provider.ledger import Ledger
from rehearsal.provider.lifecycle import InitFailedError
from rehearsal.provider.schema import resource

SEED = b"seed"
SPEC: dict[str, Any] = {
    "name": "app",
    "services": [
        {
            "name": "api",
            "instanceCount": 2,
            "envs": [
                {"key": "LOG_LEVEL", "value": "info"},
                {"key": "JWT_SECRET", "type": "SECRET", "value": "plain"},
            ],
            "image": {
                "registryType": "GHCR",
                "repository": "app",
                "registryCredentials": "user:token",
            },
        }
    ],
    "jobs": [
        {
            "name": "migrate",
            "kind": "PRE_DEPLOY",
            "envs": [{"key": "JWT_SECRET", "type": "SECRET", "value": "plain"}],
        }
    ],
}


class Account:
    """An account that is only written down."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def make(self, token: str, name: str = "thing", /, **asked: Any) -> dict[str, Any]:
        """As the engine does it: check, then create."""
        kind = TYPES[token](token, self.ledger)
        inputs, problems = kind.check(name, {}, asked, SEED)
        assert problems == []
        id, outputs = kind.create(name, inputs)
        return {**outputs, "id": id}

    def update(self, id: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Another spec for an app."""
        entry = self.ledger.find(APP, id)
        assert entry is not None
        kind = TYPES[APP](APP, self.ledger)
        return kind.update(id, entry.outputs, entry.inputs, {"spec": spec})

    def phases(self, app: str) -> list[str]:
        return [d.inputs["phase"] for d in deployments(self.ledger, app)]


@pytest.fixture
def account() -> Account:
    return Account()


def service(outputs: dict[str, Any]) -> dict[str, Any]:
    (found,) = outputs["spec"]["services"]
    return dict(found)


def secret(outputs: dict[str, Any]) -> str:
    (value,) = [e["value"] for e in service(outputs)["envs"] if e.get("type")]
    return str(value)


def with_secret(spec: dict[str, Any], value: str) -> dict[str, Any]:
    changed = deepcopy(spec)
    changed["services"][0]["envs"][1]["value"] = value
    return changed


class TestSecrets:
    """What App Platform makes of them."""

    def test_they_are_encrypted_wherever_they_are(self, account: Account) -> None:
        made = account.make(APP, "app", spec=SPEC)
        (job,) = made["spec"]["jobs"]
        login = service(made)["image"]["registryCredentials"]
        for value in (secret(made), job["envs"][0]["value"], login):
            assert re.fullmatch(r"EV\[1:[^:]+:[^:]+\]", value)
        assert service(made)["envs"][0] == {"key": "LOG_LEVEL", "value": "info"}
        assert SPEC["services"][0]["envs"][1]["value"] == "plain"

    def test_plain_text_is_encrypted_otherwise_each_time(
        self, account: Account
    ) -> None:
        made = account.make(APP, "app", spec=SPEC)
        assert secret(account.update(made["id"], SPEC)) != secret(made)

    def test_an_encrypted_value_is_kept(self, account: Account) -> None:
        made = account.make(APP, "app", spec=SPEC)
        assert account.update(made["id"], made["spec"])["spec"] == made["spec"]

    def test_an_encrypted_value_of_elsewhere_is_refused(self, account: Account) -> None:
        made = account.make(APP, "app", spec=SPEC)
        with pytest.raises(ValueError, match="services/api: the encrypted value of JW"):
            account.update(made["id"], with_secret(made["spec"], "EV[1:other:value]"))
        assert account.phases(made["id"]) == [ACTIVE]

    def test_plain_text_is_a_change_and_what_the_app_has_is_none(
        self, account: Account
    ) -> None:
        made = account.make(APP, "app", spec=SPEC)
        kind = TYPES[APP](APP, account.ledger)
        known = kind.known({"spec": SPEC}, made)
        assert kind.diff(known, {"spec": SPEC}).changed == {"spec"}
        assert kind.diff(known, {"spec": made["spec"]}).changed == set()
        assert kind.diff(known, {"spec": made["spec"]}).replaces == set()

    def test_a_refresh_finds_them_encrypted_among_the_inputs(
        self, account: Account
    ) -> None:
        made = account.make(APP, "app", spec=SPEC)
        reading = TYPES[APP](APP, account.ledger).read(made["id"], made, {"spec": SPEC})
        assert reading is not None
        assert reading.inputs["spec"] == made["spec"]


class TestDeployments:
    """When an app is deployed, and what that leaves."""

    def test_each_update_is_one_with_its_migration(self, account: Account) -> None:
        made = account.make(APP, "app", spec=SPEC)
        again = account.update(made["id"], made["spec"])
        assert again["activeDeploymentId"] != made["activeDeploymentId"]
        assert account.phases(made["id"]) == [SUPERSEDED, ACTIVE]
        jobs = [d.inputs["jobs"] for d in deployments(account.ledger, made["id"])]
        assert jobs == [["migrate"], ["migrate"]]

    def test_one_that_fails_leaves_the_one_before(self, account: Account) -> None:
        made = account.make(APP, "app", spec=SPEC)
        account.ledger.break_new(APP, "app", "the migration failed")
        with pytest.raises(InitFailedError, match="the migration failed") as failure:
            account.update(made["id"], with_secret(made["spec"], "other"))
        outputs = failure.value.reading.outputs
        assert outputs["activeDeploymentId"] == made["activeDeploymentId"]
        assert account.phases(made["id"]) == [ACTIVE, FAILED]
        # The app has the spec that failed all the same, and the next update goes on.
        assert secret(outputs) != secret(made)
        account.ledger.heal()
        account.update(made["id"], outputs["spec"])
        assert account.phases(made["id"]) == [SUPERSEDED, FAILED, ACTIVE]

    def test_they_go_with_the_app(self, account: Account) -> None:
        made = account.make(APP, "app", spec=SPEC)
        TYPES[APP](APP, account.ledger).delete(made["id"], made, {"spec": SPEC})
        assert account.ledger.of_type(DEPLOYMENT) == []
        kind = TYPES[APP](APP, account.ledger)
        with pytest.raises(LookupError, match="404"):
            kind.update(made["id"], made, {"spec": SPEC}, {"spec": SPEC})

    def test_a_name_is_taken_once(self, account: Account) -> None:
        account.make(APP, "app", spec=SPEC)
        with pytest.raises(ValueError, match='an app named "app" already exists: 409'):
            account.make(APP, "other", spec=SPEC)

    def test_another_project_is_another_app(self, account: Account) -> None:
        found = TYPES[APP](APP).diff({"spec": SPEC}, {"spec": SPEC, "projectId": "x"})
        assert found.replaces == {"projectId"}


class TestFunctions:
    """What a program asks."""

    def test_an_app_is_told_with_its_encrypted_secrets(self, account: Account) -> None:
        made = account.make(APP, "app", spec=SPEC)
        get = INVOKES["digitalocean:index/getApp:getApp"]
        assert get(account.ledger, {"appId": made["id"]})["specs"] == [made["spec"]]

    def test_an_app_that_is_gone_has_no_spec(self, account: Account) -> None:
        get = INVOKES["digitalocean:index/getApp:getApp"]
        assert "specs" not in get(account.ledger, {"appId": "gone"})

    def test_the_authority_of_a_cluster_stays_the_same(self, account: Account) -> None:
        cluster = account.make(CLUSTER, **PG)
        get = INVOKES["digitalocean:index/getDatabaseCa:getDatabaseCa"]
        asked = {"clusterId": cluster["id"]}
        first = get(account.ledger, asked)
        assert first == get(account.ledger, asked)
        assert "BEGIN CERTIFICATE" in first["certificate"]
        with pytest.raises(LookupError, match="404"):
            get(account.ledger, {"clusterId": "gone"})

    def test_a_domain_is_taken_for_the_account_s(self, account: Account) -> None:
        get = INVOKES["digitalocean:index/getDomain:getDomain"]
        assert get(account.ledger, {"name": "a.de"})["domainUrn"] == "do:domain:a.de"


PG = {
    "engine": "pg",
    "version": "15",
    "region": "fra1",
    "size": "db-s-1vcpu-2gb",
    "nodeCount": 1,
}


class TestData:
    """Clusters and what is in them."""

    def test_a_cluster_has_addresses_and_an_administrator(
        self, account: Account
    ) -> None:
        made = account.make(CLUSTER, "db", **PG)
        assert made["name"].startswith("db-")
        assert made["host"].endswith(".db.ondigitalocean.com")
        assert made["uri"] == (
            f"postgresql://doadmin:{made['password']}@{made['host']}:25060/defaultdb"
            "?sslmode=require"
        )
        cache = account.make(CLUSTER, "cache", **{**PG, "engine": "valkey"})
        assert cache["uri"].startswith("rediss://default:")

    def test_a_database_needs_its_cluster(self, account: Account) -> None:
        with pytest.raises(ValueError, match="cluster gone not found: 404"):
            account.make(DATABASE, clusterId="gone", name="app")
        cluster = account.make(CLUSTER, **PG)["id"]
        account.make(DATABASE, clusterId=cluster, name="app")
        assert account.make(USER, clusterId=cluster, name="app")["password"]

    def test_a_firewall_names_an_app_that_is_there(self, account: Account) -> None:
        cluster = account.make(CLUSTER, **PG)["id"]
        rules = [{"type": "app", "value": "gone"}]
        with pytest.raises(ValueError, match="app gone not found: 404"):
            account.make(FIREWALL, clusterId=cluster, rules=rules)
        app = account.make(APP, "app", spec=SPEC)["id"]
        rules = [{"type": "app", "value": app}]
        account.make(FIREWALL, clusterId=cluster, rules=rules)

    @pytest.mark.parametrize(
        ("token", "changed", "replaces"),
        [
            (CLUSTER, {"size": "db-s-2vcpu-4gb", "nodeCount": 2}, set()),
            (CLUSTER, {"region": "ams3", "version": "16"}, set()),
            (CLUSTER, {"privateNetworkUuid": "x"}, {"privateNetworkUuid"}),
            (DATABASE, {"name": "other"}, {"name"}),
            (FIREWALL, {"rules": []}, set()),
            (BUCKET, {"region": "ams3"}, {"region"}),
            (BUCKET, {"acl": "private"}, set()),
        ],
    )
    def test_what_makes_a_new_one(
        self, token: str, changed: dict[str, Any], replaces: set[str]
    ) -> None:
        old = {"rules": [{"type": "app", "value": "x"}], "name": "a", "region": "fra1"}
        assert TYPES[token](token).diff(old, {**old, **changed}).replaces == replaces


def test_every_input_that_replaces_is_one():
    for token, kind in TYPES.items():
        assert getattr(kind, "replaces", set()) <= resource(token).inputs.keys(), token


def test_machines_and_what_belongs_to_them(account):
    droplet = account.make(
        "digitalocean:index/droplet:Droplet", image="debian-13-x64", size="s-1vcpu-1gb"
    )
    assert droplet["id"].isdigit()
    address = account.make("digitalocean:index/reservedIp:ReservedIp", region="fra1")
    assert address["ipAddress"] == address["id"]
    key = "digitalocean:index/sshKey:SshKey"
    assert account.make(key, publicKey="ssh-ed25519 A")["fingerprint"].count(":") == 15
    volume = account.make(
        "digitalocean:index/volume:Volume", name="docker", region="fra1", size=10
    )
    assert volume["volumeUrn"] == f"do:volume:{volume['id']}"
    registry = account.make(
        "digitalocean:index/containerRegistry:ContainerRegistry",
        name="stromdao",
        subscriptionTierSlug="basic",
    )
    assert registry["endpoint"] == "registry.digitalocean.com/stromdao"
