"""The droplet: a Docker host whose data and address outlive it."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest
import yaml

from components.digitalocean.droplet import Droplet, DropletArgs
from host.cloud_init import HostArgs
from tests.unit.test_cloud_init import ARGS as HOST
from tests.unit.test_cloud_init import _key

DROPLET = "digitalocean:index/droplet:Droplet"
FIREWALL = "digitalocean:index/firewall:Firewall"
KEY = "digitalocean:index/sshKey:SshKey"
VOLUME = "digitalocean:index/volume:Volume"


def droplet(**args):
    defaults = {"region": "fra1", "size": "s-2vcpu-4gb", "host": HOST}
    return Droplet("app", DropletArgs(**(defaults | args)))


def user_data(graph):
    return yaml.safe_load(graph.one(DROPLET)["userData"])


def inbound(graph):
    return {
        rule.get("portRange", rule["protocol"]): rule["sourceAddresses"]
        for rule in graph.one(FIREWALL)["inboundRules"]
    }


def test_docker_keeps_its_data_on_the_volume_or_does_not_start(graph):
    graph.build(lambda: droplet(volume_gib=100))

    volume = graph.one(VOLUME)
    assert (volume["size"], volume["initialFilesystemType"]) == (100, "ext4")
    assert graph.one(DROPLET)["volumeIds"] == [volume.id]
    [mount] = user_data(graph)["mounts"]
    assert mount[:2] == [
        f"/dev/disk/by-id/scsi-0DO_Volume_{volume['name']}",
        "/var/lib/docker",
    ]
    files = {file["path"]: file["content"] for file in user_data(graph)["write_files"]}
    assert (
        files["/etc/systemd/system/docker.service.d/disk.conf"]
        == "[Unit]\nRequiresMountsFor=/var/lib/docker\n"
    )


def test_volume_address_and_droplet_are_protected_and_not_replaced_by_chance(graph):
    graph.build(droplet)

    for type_ in (DROPLET, VOLUME, "digitalocean:index/reservedIp:ReservedIp"):
        assert graph.one(type_).protect
    assert set(graph.one(DROPLET).ignore_changes) == {"userData", "image", "sshKeys"}


def test_only_ssh_and_the_web_come_in(graph):
    host = replace(HOST, ssh_port=2222, ssh_sources=("198.51.100.7/32",))
    graph.build(lambda: droplet(host=host))

    everybody = ["0.0.0.0/0", "::/0"]
    assert inbound(graph) == {
        "2222": ["198.51.100.7/32"],
        "80": everybody,
        "443": everybody,
        "icmp": everybody,
    }
    assert graph.one(FIREWALL)["dropletIds"] == [int(graph.one(DROPLET).id)]


def test_without_sources_everybody_reaches_ssh(graph):
    graph.build(droplet)

    assert inbound(graph)["22"] == ["0.0.0.0/0", "::/0"]


def test_docker_is_reached_over_ssh_at_the_address_that_stays(graph):
    outputs = graph.build(lambda: droplet(host=replace(HOST, admin="ops")))

    assert outputs["docker_host"] == f"ssh://ops@{outputs['ip']}:22"
    assignment = graph.one(
        "digitalocean:index/reservedIpAssignment:ReservedIpAssignment"
    )
    assert assignment["ipAddress"] == outputs["ip"]
    assert set(outputs["urns"]) == {"droplet", "volume", "address"}


def test_each_key_is_registered_once(graph):
    keys = (HOST.ssh_keys[0], _key("ecdsa-sha2-nistp256", b"nistp256", bytes(65)))
    graph.build(lambda: droplet(host=HostArgs(ssh_keys=keys)))

    registered = graph.all(KEY)
    assert [key["publicKey"] for key in registered] == list(keys)
    assert graph.one(DROPLET)["sshKeys"] == [
        key.outputs["fingerprint"] for key in registered
    ]


def test_keys_that_the_account_has_are_named_by_their_fingerprint(graph, tmp_path):
    file = tmp_path / "id.pub"
    file.write_text(HOST.ssh_keys[0] + "\n", encoding="ascii")
    graph.build(lambda: droplet(keys_registered=True))

    assert graph.all(KEY) == []
    [fingerprint] = graph.one(DROPLET)["sshKeys"]
    said = subprocess.run(
        ["ssh-keygen", "-l", "-E", "md5", "-f", str(file)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"MD5:{fingerprint} " in said


@pytest.mark.parametrize(
    ("backups", "policy"),
    [
        ("weekly", {"plan": "weekly", "hour": 4, "weekday": "SUN"}),
        ("daily", {"plan": "daily", "hour": 4}),
    ],
)
def test_the_droplets_own_disk_is_backed_up(graph, backups, policy):
    graph.build(lambda: droplet(backups=backups))

    assert graph.one(DROPLET)["backups"] is True
    assert graph.one(DROPLET)["backupPolicy"] == policy


def test_backups_can_be_left_out(graph):
    graph.build(lambda: droplet(backups="none"))

    assert graph.one(DROPLET)["backups"] is False
    assert "backupPolicy" not in graph.one(DROPLET).inputs
