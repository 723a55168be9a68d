"""Which stacks a change touches: a pull request previews these and no others."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ops.errors import OpsError

TEMPLATE = "review"
"""`Pulumi.review.yaml` is what the stack files of pull requests are made of."""

_PROGRAM = (
    "Pulumi.yaml",
    "__main__.py",
    "cidr.py",
    "components/",
    "contract.py",
    "names.py",
    "pyproject.toml",
    "rollout.py",
    "settings/",
    "stacks/",
    "times.py",
    "uv.lock",
)
"""What every stack is made by: the program, and the versions that it runs with."""

_OF_A_PLATFORM: Mapping[str, Sequence[str]] = {
    "aws": ("settings/aws/", "stacks/aws/"),
    "digitalocean": (
        "components/digitalocean/",
        "settings/digitalocean/",
        "stacks/digitalocean.py",
    ),
    "docker": ("components/docker/", "settings/docker.py", "stacks/docker_host.py"),
    "railway": ("components/railway/", "settings/railway.py", "stacks/railway.py"),
}
"""Parts of the program that only one platform's stacks are made by."""

_REACH_BACK = "The clone must reach back to where they part: fetch-depth: 0"


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """What selection needs to know of a `Pulumi.STACK.yaml`.

    context: folder that the image is built from; empty when an image is named.
    preview_environment: GitHub environment whose jobs may preview the stack.
    """

    name: str
    platform: str
    context: str
    preview_environment: str


def stack_files(root: Path) -> list[StackFile]:
    """The committed stack files of a project, by name.

    Raises OpsError for one that is no YAML of Pulumi's.
    """
    found = [_stack_file(file) for file in sorted(root.glob("Pulumi.*.yaml"))]
    return [stack for stack in found if stack.name != TEMPLATE]


def touched(paths: Iterable[str], stacks: Sequence[StackFile]) -> list[StackFile]:
    """The stacks that a change of these paths may change; all of them unknown: none.

    paths: relative to the project, as Git prints them.
    """
    changed = list(paths)
    return [stack for stack in stacks if any(_touches(path, stack) for path in changed)]


def changed_paths(root: Path, base: str, head: str) -> list[str]:
    """What differs between the point where `head` left `base`, and `head`.

    Raises OpsError when Git knows one of both not.
    """
    done = _git(root, "diff", "--name-only", "-z", f"{base}...{head}", "--")
    if done.returncode != 0:
        raise OpsError(
            f"git diff {base}...{head} failed: {done.stderr.strip()}. {_REACH_BACK}"
        )
    return [path for path in done.stdout.split("\0") if path]


def image_before(root: Path, stack: str, base: str) -> str:
    """The image that a stack's file named where `HEAD` left `base`.

    Empty when it named none, was not there or was no stack file.

    Raises OpsError when Git does not know `base`.
    """
    parted = _git(root, "merge-base", base, "HEAD")
    if parted.returncode != 0:
        raise OpsError(
            f"git merge-base {base} HEAD failed: {parted.stderr.strip()}. {_REACH_BACK}"
        )
    file = f"{parted.stdout.strip()}:./Pulumi.{stack}.yaml"
    try:
        content = yaml.safe_load(_git(root, "show", file).stdout) or {}
        image = _group(content.get("config") or {}, "image")
    except (yaml.YAMLError, AttributeError):
        image = {}
    return str(image.get("ref") or "")


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)


def _stack_file(file: Path) -> StackFile:
    name = file.name.removeprefix("Pulumi.").removesuffix(".yaml")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        config = content.get("config") or {}
        image = _group(config, "image")
        github = _group(config, "github")
    except (OSError, yaml.YAMLError, AttributeError, UnicodeDecodeError) as error:
        raise OpsError(f"{file} is no stack file: {error}") from error
    return StackFile(
        name=name,
        platform=str(config.get("stromhaltig:platform", "aws")),
        context=str(image.get("context") or ""),
        preview_environment=str(github.get("preview_environment") or f"{name}-preview"),
    )


def _group(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = config.get(f"stromhaltig:{key}")
    return found if isinstance(found, Mapping) else {}


def _touches(path: str, stack: StackFile) -> bool:
    if path == f"Pulumi.{stack.name}.yaml":
        return True
    if stack.context and path.startswith(f"{stack.context.strip('./')}/"):
        return True
    for platform, parts in _OF_A_PLATFORM.items():
        if path.startswith(tuple(parts)):
            return platform == stack.platform
    return path.startswith(_PROGRAM)
