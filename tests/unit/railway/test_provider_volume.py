"""The volume: made once, mounted where the program says, and never lost on the way."""

from __future__ import annotations

import pytest

from components.railway.client import RailwayError
from components.railway.provider.volume import VolumeProvider
from rehearsal.railway_model import Volume
from rehearsal.railway_server import Fault
from tests.unit.railway.conftest import Driven


@pytest.fixture
def volume(here):
    return Driven(
        VolumeProvider(),
        {
            **here,
            "volume_name": "uploads",
            "mount_path": "/app/uploads",
            "region": "us-west2",
        },
    )


@pytest.fixture
def live(volume, server):
    volume.up()
    [made] = server.model.projects[0].volumes
    return made


def test_a_volume_is_mounted_by_its_service_under_its_name(live, here):
    assert live.name == "uploads"
    assert live.mount_path == "/app/uploads"
    assert live.service_id == here["service_id"]


def test_an_unchanged_volume_is_left_alone(volume, live):
    assert volume.up() == "same"
    assert volume.refresh() == set()
    assert volume.up(region="elsewhere") == "same"


@pytest.mark.parametrize(
    ("change", "attribute"),
    [({"mount_path": "/data"}, "mount_path"), ({"volume_name": "other"}, "name")],
)
def test_a_change_is_made_in_place(volume, live, change, attribute):
    assert volume.up(**change) == "update"
    assert getattr(live, attribute) in change.values()
    assert volume.up() == "same"


def test_moving_it_keeps_it_mounted(volume, live, here):
    volume.up(mount_path="/data")

    assert live.service_id == here["service_id"]


@pytest.mark.parametrize(
    ("spoil", "shows"),
    [
        ({"mount_path": "/wrong"}, "mount_path"),
        ({"name": "by-hand"}, "volume_name"),
        ({"service_id": None}, "service_id"),
    ],
)
def test_what_somebody_changed_is_found_and_mended(volume, live, spoil, shows):
    before = vars(live).copy()
    vars(live).update(spoil)

    assert volume.refresh() == {shows}
    assert volume.up() == "update"
    assert vars(live) == before


@pytest.mark.parametrize("key", ["project_id", "environment_id"])
def test_a_volume_does_not_change_its_environment(volume, live, key):
    assert volume.up(**{key: "other"}) == f"replace: {key}"


def test_a_volume_that_an_interrupted_run_has_made_is_gone_on_with(volume, server):
    server.order(Fault(operation="volumeUpdate", message="broken"))
    with pytest.raises(RailwayError, match="broken"):
        volume.up()

    assert volume.up() == "create"
    [made] = server.model.projects[0].volumes
    assert made.name == "uploads"
    assert len(server.sent("volumeCreate")) == 1


def test_a_volume_whose_creation_got_no_answer_is_not_made_twice(volume, server):
    server.order(Fault(operation="volumeCreate", status=0, done=True))

    assert volume.up() == "create"
    assert len(server.model.projects[0].volumes) == 1


def test_a_volume_that_waits_for_its_service_is_mounted(volume, server):
    kept = Volume("kept", "uploads", "/old", None)
    server.model.projects[0].volumes.append(kept)

    assert volume.up() == "create"
    assert (kept.mount_path, kept.service_id) == (
        "/app/uploads",
        volume.inputs["service_id"],
    )
    assert server.sent("volumeCreate") == []


def test_too_many_volumes_at_once_are_waited_for(volume, server, pauses):
    told = "You are creating volumes too quickly"
    server.order(Fault(operation="volumeCreate", message=told, times=2))

    assert volume.up() == "create"
    assert pauses == [1, 2]


def test_a_deleted_volume_is_forgotten(volume, live, server):
    server.model.projects[0].volumes.clear()

    assert volume.refresh() == {"gone"}
    assert volume.up() == "create"


def test_volumes_of_an_environment_that_is_gone_are_forgotten(volume, live, server):
    server.model.projects.clear()

    assert volume.refresh() == {"gone"}


def test_a_volume_is_deleted(volume, live, server):
    volume.down()

    assert server.model.projects[0].volumes == []


def test_a_volume_is_known_by_its_id_alone(volume, here, server):
    there = Volume("there", "uploads", "/app/uploads", here["service_id"])
    server.model.projects[0].volumes.append(there)
    volume.take(f"{here['project_id']}/{here['environment_id']}/there")

    assert volume.up() == "same"
