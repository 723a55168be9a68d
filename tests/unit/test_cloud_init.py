"""User data of a Docker host: what it says, and what it refuses."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from host.__main__ import main
from host.cloud_init import KEY_TYPES, USER_DATA_LIMIT, HostArgs, render

KEYRINGS = Path("/usr/share/keyrings")
BOOKWORM = KEYRINGS / "debian-archive-bookworm-stable.gpg"
BOOKWORM_KEY = "4D64FEC119C2029067D6E791F8D2585B8783D481"
DOCKER_KEY = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"


def _key(kind: str = "ssh-ed25519", *numbers: bytes, comment: str = "me@laptop") -> str:
    parts = [kind.encode(), *(numbers or (bytes(range(32)),))]
    blob = b"".join(len(part).to_bytes(4) + part for part in parts)
    return f"{kind} {base64.b64encode(blob).decode()} {comment}".strip()


def _rsa(bits: int) -> str:
    return _key("ssh-rsa", b"\x01\x00\x01", ((1 << bits) - 1).to_bytes(bits // 8 + 1))


ARGS = HostArgs(ssh_keys=(_key(),))


def _config(args: HostArgs = ARGS) -> dict[str, Any]:
    text = render(args)
    assert text.startswith("#cloud-config\n")
    config = yaml.safe_load(text)
    assert isinstance(config, dict)
    return config


def _files(args: HostArgs = ARGS) -> dict[str, str]:
    return {file["path"]: file["content"] for file in _config(args)["write_files"]}


def _problems(**changes: Any) -> list[str]:
    with pytest.raises(ValueError, match=r".+: ") as raised:
        HostArgs(**({"ssh_keys": (_key(),)} | changes))
    return str(raised.value).splitlines()


def test_the_admin_logs_in_by_key_only() -> None:
    keys = (_key(), _key("ecdsa-sha2-nistp256", b"nistp256", bytes(65)), _rsa(3072))
    config = _config(replace(ARGS, ssh_keys=keys, admin="ops"))
    (user,) = config["users"]
    assert user["name"] == "ops"
    assert user["ssh_authorized_keys"] == list(keys)
    assert user["lock_passwd"] is True
    assert "docker" in user["groups"]
    assert "docker" in config["groups"]
    assert config["disable_root"] is True
    assert config["ssh_pwauth"] is False


def test_sshd_lets_neither_root_nor_passwords_in() -> None:
    lines = _files(replace(ARGS, ssh_port=2222))["/etc/ssh/sshd_config.d/10-host.conf"]
    assert {
        "Port 2222",
        "PermitRootLogin no",
        "AuthenticationMethods publickey",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
    } <= set(lines.splitlines())


def test_docker_limits_logs_and_keeps_containers_over_its_own_restart() -> None:
    daemon = json.loads(_files()["/etc/docker/daemon.json"])
    assert daemon["log-driver"] == "local"
    assert daemon["log-opts"] == {"max-size": "100m", "max-file": "10"}
    assert daemon["live-restore"] is True
    assert daemon["no-new-privileges"] is True
    assert daemon["userland-proxy"] is False


def test_the_swap_file_has_the_size_asked_for_or_is_none() -> None:
    assert _config(replace(ARGS, swap_gib=4))["swap"] == {
        "filename": "/swapfile",
        "size": "4G",
        "maxsize": "4G",
    }
    assert "swap" not in _config(replace(ARGS, swap_gib=0))


def test_the_clock_is_utc_and_kept_right() -> None:
    config = _config()
    assert config["timezone"] == "Etc/UTC"
    assert config["ntp"] == {"enabled": True}


def test_the_firewall_gets_its_settings() -> None:
    args = replace(ARGS, ssh_port=2222, ssh_sources=("203.0.113.7", "2001:db8::/48"))
    settings = _files(args)["/etc/default/host-firewall"].splitlines()
    assert "SSH_PORT=2222" in settings
    assert 'SSH_SOURCES="203.0.113.7/32 2001:db8::/48"' in settings
    assert 'PUBLIC_PORTS="80 443"' in settings


def test_docker_does_not_start_without_the_firewall() -> None:
    unit = _files()["/etc/systemd/system/host-firewall.service"].splitlines()
    assert {"Before=docker.service", "RequiredBy=docker.service"} <= set(unit)
    assert {"After=ufw.service", "PartOf=docker.service"} <= set(unit)
    prepare = _files()["/usr/local/sbin/prepare-host"]
    main_part = prepare[prepare.index("main() {") : prepare.index("}\n")]
    steps = [line.strip() for line in main_part.splitlines()]
    enabled = steps.index("systemctl enable host-firewall.service")
    assert steps.index("host-firewall setup") < enabled
    assert enabled < steps.index("install_docker")


def test_scripts_are_carried_over_whole_and_executable() -> None:
    directory = Path(__file__).parents[2] / "host"
    files = {file["path"]: file for file in _config()["write_files"]}
    for path, source in (
        ("/usr/local/sbin/host-firewall", "firewall.sh"),
        ("/usr/local/sbin/prepare-host", "prepare.sh"),
    ):
        assert files[path]["content"] == (directory / source).read_text()
        assert files[path]["permissions"] == "0755"
    assert _config()["runcmd"] == [["/usr/local/sbin/prepare-host"]]


@pytest.mark.parametrize("script", ["firewall.sh", "prepare.sh"])
def test_scripts_are_what_a_plain_shell_understands(script: str) -> None:
    path = Path(__file__).parents[2] / "host" / script
    subprocess.run(["sh", "-n", path], check=True)


@pytest.mark.skipif(not shutil.which("apt-config"), reason="no apt on this machine")
def test_only_security_updates_install_themselves(tmp_path: Path) -> None:
    distribution = tmp_path / "50unattended-upgrades"
    distribution.write_text(
        'Unattended-Upgrade::Origins-Pattern { "origin=Debian,label=Debian"; };\n'
        'Unattended-Upgrade::Allowed-Origins { "Ubuntu:noble"; };\n'
    )
    ours = tmp_path / "90host-upgrades"
    ours.write_text(
        _files(replace(ARGS, reboot_time="23:45"))[
            "/etc/apt/apt.conf.d/90host-upgrades"
        ]
    )
    both = tmp_path / "apt.conf"
    both.write_text(distribution.read_text() + ours.read_text())
    dump = subprocess.run(
        ["apt-config", "dump", "--format", "%f=%v%n"],
        check=True,
        capture_output=True,
        text=True,
        env={"APT_CONFIG": str(both), "PATH": "/usr/bin:/bin"},
    ).stdout.splitlines()
    upgrades = [line for line in dump if line.startswith("Unattended-Upgrade::")]
    origins = [line.split("=", 1)[1] for line in upgrades if "Origins" in line]
    assert [origin for origin in origins if origin and "security" not in origin] == []
    assert sum("Debian-Security" in origin for origin in origins) == 1
    assert sum("origin=Ubuntu," in origin for origin in origins) == 1
    assert "Unattended-Upgrade::Automatic-Reboot=true" in upgrades
    assert "Unattended-Upgrade::Automatic-Reboot-Time=23:45" in upgrades


def test_it_fits_into_user_data_and_says_when_it_does_not() -> None:
    assert len(render(ARGS).encode()) < USER_DATA_LIMIT * 3 / 4
    keys = tuple(_key(comment=f"{n}-{'x' * 100}") for n in range(60))
    with pytest.raises(ValueError, match=r"bytes.*Give fewer keys"):
        render(HostArgs(ssh_keys=keys))


@given(comment=st.text(max_size=40).filter(str.isprintable))
def test_any_comment_of_a_key_arrives_as_it_is(comment: str) -> None:
    key = _key(comment=comment)
    (user,) = _config(HostArgs(ssh_keys=(key,)))["users"]
    assert user["ssh_authorized_keys"] == [key.strip()]


def test_every_problem_is_told_at_once() -> None:
    problems = _problems(
        ssh_keys=(),
        admin="Root!",
        ssh_port=0,
        ssh_sources=("10.0.0.1/8", "nowhere"),
        ssh_per_minute=1,
        swap_gib=-1,
        reboot_time="25:00",
    )
    assert [line.partition(":")[0] for line in problems] == [
        "ssh_keys",
        "admin",
        "ssh_port",
        "ssh_sources",
        "ssh_sources",
        "ssh_per_minute",
        "swap_gib",
        "reboot_time",
    ]


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "does not begin with its type"),
        ("ssh-ed2551 AAAA", 'Did you mean "ssh-ed25519"?'),
        ("ssh-dss AAAA", "does not begin with its type"),
        ("ssh-ed25519", "is cut off or altered"),
        ("ssh-ed25519 not-base64!", "is cut off or altered"),
        (_key(comment="")[:-6], "is cut off or altered"),
        (_key("ssh-rsa").replace("ssh-rsa", "ssh-ed25519"), "holds something else"),
        (_rsa(1024), "is RSA of 1024 bits"),
        (f"{_key()}\n{_key()}", "has more than one line"),
        ('command="x" ' + _key(), "does not begin with its type"),
    ],
)
def test_a_bad_key_is_refused_with_the_remedy(key: str, says: str) -> None:
    (problem,) = _problems(ssh_keys=(_key(), key))
    assert problem.startswith("ssh_keys: key 2 ")
    assert says in problem


def test_a_private_key_is_refused_and_never_shown() -> None:
    private = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END"
    (problem,) = _problems(ssh_keys=(private,))
    assert "private key" in problem
    assert "c2VjcmV0" not in problem


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_every_type_of_key_that_sshd_takes_is_taken(kind: str) -> None:
    key = _rsa(2048) if kind == "ssh-rsa" else _key(kind)
    HostArgs(ssh_keys=(key,))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("10.0.0.1/8", "Did you mean 10.0.0.0/8?"),
        ("0.0.0.0/0", "is everybody"),
        ("::/0", "is everybody"),
        ("10.0.0.0/33", "is no network"),
        ("example.org", "is no network"),
        ("10.0.0.0/8; reboot", "is no network"),
    ],
)
def test_a_bad_source_is_refused_with_the_remedy(source: str, says: str) -> None:
    (problem,) = _problems(ssh_sources=(source,))
    assert problem.startswith(f'ssh_sources: "{source}"')
    assert says in problem


@pytest.mark.parametrize("port", [-1, 0, 80, 443, 65_536])
def test_a_bad_port_is_refused(port: int) -> None:
    (problem,) = _problems(ssh_port=port)
    assert problem.startswith(f"ssh_port: {port} is ")


@pytest.mark.parametrize("admin", ["root", "", "a b", "x" * 32, "9a", "a\nb"])
def test_a_bad_user_name_is_refused(admin: str) -> None:
    assert _problems(admin=admin)[0].startswith("admin: ")


def test_the_command_prints_the_user_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "authorized_keys"
    file.write_text(f"# ours\n{_key()}\n\n{_key(comment='other')}\n")
    assert (
        main(["--ssh-key-file", str(file), "--ssh-key", _key(), "--swap-gib", "0"]) == 0
    )
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["users"][0]["ssh_authorized_keys"] == [_key(), _key(comment="other")]


def test_the_command_names_every_problem_and_prints_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--ssh-key", "rubbish", "--ssh-port", "80"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert [line.split(":")[0] for line in output.err.splitlines()] == [
        "ssh_keys",
        "ssh_port",
    ]


@pytest.mark.parametrize("content", [None, "-----BEGIN OPENSSH PRIVATE KEY-----\n"])
def test_the_command_refuses_a_file_that_holds_no_public_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    file = tmp_path / "id_ed25519"
    if content:
        file.write_text(content)
    assert main(["--ssh-key-file", str(file)]) == 2
    assert str(file) in capsys.readouterr().err


@pytest.mark.skipif(not BOOKWORM.is_file(), reason="no Debian keys to take for others'")
@pytest.mark.parametrize("keyring", ["bookworm-stable", "keyring"])
def test_another_signing_key_than_dockers_is_not_installed(
    tmp_path: Path, keyring: str
) -> None:
    done, installed = _fetch_key(tmp_path, keyring, DOCKER_KEY)
    assert done.returncode == 1
    assert f"is not Docker's signing key, {DOCKER_KEY}" in done.stderr
    assert not installed.exists()


@pytest.mark.skipif(
    not BOOKWORM.is_file(), reason="no Debian keys to take for Docker's"
)
def test_the_right_signing_key_is_installed_but_not_among_others(
    tmp_path: Path,
) -> None:
    done, installed = _fetch_key(tmp_path, "bookworm-stable", BOOKWORM_KEY)
    assert done.returncode == 0, done.stderr
    assert installed.read_bytes() == BOOKWORM.read_bytes()
    installed.unlink()
    done, installed = _fetch_key(tmp_path, "keyring", BOOKWORM_KEY)
    assert done.returncode == 1
    assert not installed.exists()


@pytest.mark.parametrize("system", ["debian-bullseye", "ubuntu-jammy", "fedora-41"])
def test_an_unknown_system_is_left_as_it_is(tmp_path: Path, system: str) -> None:
    release = tmp_path / "os-release"
    name, _, codename = system.partition("-")
    release.write_text(f"ID={name}\nVERSION_CODENAME={codename}\nPRETTY_NAME=Old\n")
    script = _files()["/usr/local/sbin/prepare-host"]
    done = subprocess.run(
        ["sh", "-c", script.replace("/etc/os-release", str(release))],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 1
    assert done.stderr == (
        "prepare-host: Old is neither Debian 12 or 13 nor Ubuntu 24.04\n"
    )


def _fetch_key(
    tmp_path: Path, keyring: str, fingerprint: str
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run what fetches Docker's key, where the network gives a key of Debian's."""
    curl = tmp_path / "curl"
    curl.write_text(
        "#!/bin/sh\n"
        'while [ "$1" != --output ]; do shift; done\n'
        f'cp {KEYRINGS}/debian-archive-{keyring}.gpg "$2"\n'
    )
    curl.chmod(0o755)
    installed = tmp_path / "keyrings" / "docker.asc"
    script = (
        _files()["/usr/local/sbin/prepare-host"]
        .replace("/etc/apt/keyrings/docker.asc", str(installed))
        .replace(DOCKER_KEY, fingerprint)
        .removesuffix("main\n")
    )
    done = subprocess.run(
        ["sh", "-c", f"{script}fetch_docker_key https://example.org/gpg"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    return done, installed


def test_dockers_data_lies_on_the_disk_that_is_named_and_nowhere_else() -> None:
    args = replace(ARGS, docker_disk="/dev/disk/by-id/scsi-0DO_Volume_app")
    config = _config(args)

    [(disk, directory, *_)] = config["mounts"]
    assert (disk, directory) == (args.docker_disk, "/var/lib/docker")
    assert str(args.docker_disk) in config["bootcmd"][0][-1]
    unit = _files(args)["/etc/systemd/system/docker.service.d/disk.conf"]
    assert unit == "[Unit]\nRequiresMountsFor=/var/lib/docker\n"
    assert not {"mounts", "bootcmd"} & set(_config())


def test_a_disk_is_named_by_its_device() -> None:
    assert _problems(docker_disk="data") == [
        'docker_disk: "data" is no device like /dev/sdb'
    ]
