"""Recorded types of a Docker host: what replaces, and what Docker would refuse."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.provider.docker import CONTAINER, IMAGE, NETWORK, TYPES, VOLUME
from rehearsal.provider.ledger import Ledger
from rehearsal.provider.lifecycle import GENERATED, InitFailedError
from rehearsal.provider.schema import resource

SEED = b"seed"
AUTO = {GENERATED: ["name"], "name": "app-1234567", "image": "app"}


class Host:
    """A Docker host that is only written down."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def make(self, token: str, name: str = "thing", /, **asked: Any) -> dict[str, Any]:
        """As the engine does it: check, then create."""
        kind = TYPES[token](token, self.ledger)
        inputs, problems = kind.check(name, {}, asked, SEED)
        assert problems == []
        id, outputs = kind.create(name, inputs)
        return {**outputs, "id": id}

    def delete(self, token: str, id: str) -> None:
        entry = self.ledger.find(token, id)
        assert entry is not None
        TYPES[token](token, self.ledger).delete(id, entry.outputs, entry.inputs)

    def names(self, token: str) -> list[str]:
        return [entry.name for entry in self.ledger.of_type(token)]


@pytest.fixture
def host() -> Host:
    return Host()


def change(token: str, old: dict[str, Any], /, **new: Any) -> Any:
    return TYPES[token](token).diff(old, {**old, **new})


class TestReplacing:
    """What makes a new resource, after the upstream provider."""

    @pytest.mark.parametrize(
        "changed",
        [{"image": "b"}, {"envs": ["A=b"]}, {"healthcheck": {}}, {"user": "1"}],
    )
    def test_a_container_is_another_one(self, changed: dict[str, Any]) -> None:
        old = {**AUTO, "healthcheck": {"tests": ["CMD", "true"]}}
        assert change(CONTAINER, old, **changed).replaces == set(changed)

    @pytest.mark.parametrize(
        "changed",
        [{"restart": "no"}, {"memory": 64}, {"memorySwap": 64}, {"waitTimeout": 5}],
    )
    def test_a_container_changes_in_place(self, changed: dict[str, Any]) -> None:
        found = change(CONTAINER, AUTO, **changed)
        assert found.changed == set(changed)
        assert found.replaces == set()
        assert not found.delete_first

    def test_every_listed_input_is_one(self) -> None:
        for token, kind in TYPES.items():
            assert kind.in_place <= resource(token).inputs.keys()

    def test_volumes_and_networks_never_change_in_place(self) -> None:
        name = {"name": "data"}
        assert change(VOLUME, name, driver="nfs").replaces == {"driver"}
        assert change(NETWORK, name, internal=True).replaces == {"internal"}

    def test_an_image_is_another_one_by_name_and_trigger_only(self) -> None:
        image = {"name": "postgres:15"}
        assert change(IMAGE, image, keepLocally=True).replaces == set()
        assert change(IMAGE, image, triggers={"a": "b"}).replaces == {"triggers"}

    def test_the_program_has_to_say_which_container_goes_first(self) -> None:
        ports = {"ports": [{"internal": 80, "external": 80}]}
        assert change(CONTAINER, AUTO, image="b").delete_first
        assert not change(CONTAINER, {**AUTO, **ports}, image="b").delete_first

    def test_a_fixed_name_is_freed_first(self) -> None:
        ports = {"ports": [{"internal": 80, "external": 80}]}
        fixed = {"name": "proxy", "image": "nginx", **ports}
        assert change(CONTAINER, fixed, image="b").delete_first
        assert change(VOLUME, {"name": "data"}, driver="nfs").delete_first
        assert not change(VOLUME, {"name": "data"}, name="other").delete_first


class TestNames:
    """Generated where the program sets none."""

    def test_a_generated_name_stays_while_the_resource_does(self) -> None:
        kind = TYPES[VOLUME](VOLUME)
        first, _ = kind.check("data", {}, {}, SEED)
        again, _ = kind.check("data", first, {}, b"other")
        assert first["name"].startswith("data-")
        assert again == first

    def test_a_name_that_is_set_is_taken(self, host: Host) -> None:
        assert host.make(VOLUME, name="data")["id"] == "data"

    def test_no_marker_gets_into_the_outputs(self, host: Host) -> None:
        assert GENERATED not in host.make(VOLUME)


class TestOutputs:
    """What the host is said to have answered."""

    def test_a_task_has_ended_well_and_a_server_has_not_ended(self, host: Host) -> None:
        task = host.make(CONTAINER, "task", image="app", mustRun=False, attach=True)
        assert task["exitCode"] == 0
        assert "exitCode" not in host.make(CONTAINER, "app", image="app")

    def test_a_container_gets_an_address_in_each_of_its_networks(
        self, host: Host
    ) -> None:
        edge = host.make(NETWORK, "edge")
        inner = host.make(NETWORK, "inner", internal=True)
        subnets = [each["ipamConfigs"][0]["subnet"] for each in (edge, inner)]
        assert len(set(subnets)) == 2
        made = host.make(
            CONTAINER,
            image="app",
            networksAdvanced=[{"name": edge["name"]}, {"name": inner["id"]}],
        )
        for place, subnet in zip(made["networkDatas"], subnets, strict=True):
            assert place["ipAddress"].startswith(subnet.removesuffix("0.0/16"))

    def test_an_image_has_the_same_id_for_the_same_name(self, host: Host) -> None:
        one = host.make(IMAGE, name="postgres:15")
        assert host.make(IMAGE, name="postgres:15")["imageId"] == one["imageId"]
        assert host.make(IMAGE, name="postgres:16")["imageId"] != one["imageId"]
        pinned = host.make(IMAGE, name="app@sha256:12")
        assert pinned["repoDigest"] == "app@sha256:12"


class TestRefusals:
    """What Docker would not do."""

    def test_a_name_or_port_that_is_taken(self, host: Host) -> None:
        ports = [{"internal": 80, "external": 8080}]
        host.make(CONTAINER, name="proxy", image="nginx", ports=ports)
        with pytest.raises(ValueError, match='name "/proxy" is already in use'):
            host.make(CONTAINER, name="proxy", image="nginx")
        with pytest.raises(ValueError, match=r"0\.0\.0\.0:8080/tcp failed: port is"):
            host.make(CONTAINER, name="other", image="nginx", ports=ports)

    def test_a_container_in_a_network_or_volume_that_is_not_there(
        self, host: Host
    ) -> None:
        with pytest.raises(ValueError, match="network edge not found"):
            host.make(CONTAINER, image="app", networksAdvanced=[{"name": "edge"}])
        volumes = [{"volumeName": "data", "containerPath": "/data"}]
        with pytest.raises(ValueError, match="volume data is mounted before"):
            host.make(CONTAINER, image="app", volumes=volumes)
        assert host.names(CONTAINER) == []

    def test_an_image_that_is_not_there(self, host: Host) -> None:
        with pytest.raises(ValueError, match="No such image: sha256:1"):
            host.make(CONTAINER, image="sha256:1")

    def test_deleting_what_is_in_use(self, host: Host) -> None:
        image = host.make(IMAGE, name="postgres:15")
        network = host.make(NETWORK, name="inner")
        host.make(VOLUME, name="data")
        container = host.make(
            CONTAINER,
            image=image["imageId"],
            networksAdvanced=[{"name": "inner"}],
            volumes=[{"volumeName": "data", "containerPath": "/data"}],
        )
        used = {
            (VOLUME, "data"): "volume is in use",
            (NETWORK, network["id"]): "has active endpoints",
            (IMAGE, image["id"]): "image is being used",
        }
        for (token, id), reason in used.items():
            with pytest.raises(ValueError, match=reason):
                host.delete(token, id)
        host.delete(CONTAINER, container["id"])
        for token, id in used:
            host.delete(token, id)
        assert host.ledger.as_list() == []

    def test_two_networks_of_one_name(self, host: Host) -> None:
        host.make(NETWORK, name="inner")
        with pytest.raises(ValueError, match="network with name inner already exists"):
            host.make(NETWORK, name="inner")


class TestLedger:
    """What is done behind the program's back."""

    def test_an_image_that_is_to_stay_does(self, host: Host) -> None:
        kept = host.make(IMAGE, name="postgres:15", keepLocally=True)
        host.delete(IMAGE, kept["id"])
        [entry] = host.ledger.of_type(IMAGE)
        assert entry.left

    def test_a_change_is_read_and_mended(self, host: Host) -> None:
        made = host.make(CONTAINER, "app", image="app", restart="always")
        host.ledger.spoil(CONTAINER, made["id"], {"restart": "no"})
        kind = TYPES[CONTAINER](CONTAINER, host.ledger)
        reading = kind.read(made["id"], made, {"image": "app", "restart": "always"})
        assert reading is not None
        assert reading.inputs["restart"] == reading.outputs["restart"] == "no"
        mended = {**reading.inputs, "restart": "always"}
        kind.update(made["id"], reading.outputs, reading.inputs, mended)
        [entry] = host.ledger.of_type(CONTAINER)
        assert entry.outputs["restart"] == "always"

    def test_what_was_removed_is_gone(self, host: Host) -> None:
        made = host.make(CONTAINER, image="app")
        host.ledger.strike(CONTAINER, made["id"])
        kind = TYPES[CONTAINER](CONTAINER, host.ledger)
        assert kind.read(made["id"], made, {}) is None
        with pytest.raises(LookupError, match="is no longer there"):
            kind.update(made["id"], made, {}, {"image": "app"})
        kind.delete(made["id"], made, {})

    def test_a_broken_one_is_made_and_told(self, host: Host) -> None:
        host.ledger.break_new(CONTAINER, "app-1", "never healthy")
        host.make(CONTAINER, "app-0", image="app")
        with pytest.raises(InitFailedError, match="never healthy") as failure:
            host.make(CONTAINER, "app-1", image="app")
        assert host.names(CONTAINER) == ["app-0", "app-1"]
        found = host.ledger.find(CONTAINER, failure.value.reading.id)
        assert found is not None
        assert found.fault == "never healthy"
        host.ledger.heal()
        host.make(CONTAINER, "app-1", name="app-1-b", image="app")
