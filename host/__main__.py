"""`python -m host`: write the user data of a Docker host to standard output."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from host.cloud_init import HostArgs, render


def main(arguments: list[str] | None = None) -> int:
    """Print the user data, or what is wrong; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        keys = [*options.ssh_key, *_keys_of(options.ssh_key_file)]
        args = HostArgs(
            ssh_keys=tuple(dict.fromkeys(keys)),
            admin=options.admin,
            ssh_port=options.ssh_port,
            ssh_sources=tuple(options.ssh_from),
            ssh_per_minute=options.ssh_per_minute,
            swap_gib=options.swap_gib,
            reboot_time=options.reboot_time,
        )
        text = render(args)
    except OSError as problem:
        print(f"{problem.filename}: {problem.strerror}", file=sys.stderr)
        return 2
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    sys.stdout.write(text)
    return 0


def _keys_of(files: list[Path]) -> list[str]:
    """Lines of public keys, as in `id_ed25519.pub` or `authorized_keys`."""
    keys = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        if "PRIVATE KEY" in text:
            raise ValueError(f"{file} is a private key. Give {file}.pub")
        lines = [line.strip() for line in text.splitlines()]
        keys += [line for line in lines if line and not line.startswith("#")]
    return keys


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m host",
        description="Write cloud-init user data that prepares a Docker host.",
    )
    key = parser.add_argument_group("who may log in (at least one)")
    key.add_argument(
        "--ssh-key",
        metavar="KEY",
        action="append",
        default=[],
        help="a public key, again for more",
    )
    key.add_argument(
        "--ssh-key-file",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a file of public keys",
    )
    parser.add_argument(
        "--admin",
        metavar="NAME",
        default=HostArgs.admin,
        help="user they log in as; %(default)s",
    )
    parser.add_argument(
        "--ssh-port",
        metavar="PORT",
        type=int,
        default=HostArgs.ssh_port,
        help="port of sshd; %(default)s",
    )
    parser.add_argument(
        "--ssh-from",
        metavar="NETWORK",
        action="append",
        default=[],
        help="network that may reach sshd, again for more; everybody without",
    )
    parser.add_argument(
        "--ssh-per-minute",
        metavar="N",
        type=int,
        default=HostArgs.ssh_per_minute,
        help="connections per minute and client to sshd; %(default)s",
    )
    parser.add_argument(
        "--swap-gib",
        metavar="N",
        type=int,
        default=HostArgs.swap_gib,
        help="size of the swap file, 0 for none; %(default)s",
    )
    parser.add_argument(
        "--reboot-time",
        metavar="HH:MM",
        default=HostArgs.reboot_time,
        help="UTC, when a security update may restart the machine; %(default)s",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
