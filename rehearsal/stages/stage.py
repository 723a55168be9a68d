"""What the lifecycle asks of the platform that a stack is deployed to."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from contract import VARIABLES, Kind, Variable, stand_in
from rehearsal.pulumi_cli import Event

REPOSITORY = "ghcr.io/stromdao/stromhaltig"
"""Where the made-up images of a rehearsal are said to be."""


class StageError(Exception):
    """The stage found that something is not as it must be, or could not look."""


@dataclass(frozen=True, order=True)
class Thing:
    """Something that exists where the stack is deployed to.

    kind: as the platform calls it; name: id or name; ending: how it is on its way out,
    if it is.
    """

    kind: str
    name: str
    ending: str = ""

    def __str__(self) -> str:
        """As the report shows it."""
        return f"{self.kind} {self.name}" + (f" ({self.ending})" if self.ending else "")


@dataclass(frozen=True)
class Supplies:
    """Config values that stand in for what the stack file lacks.

    config, secrets: what to set; said: key -> why, for the report.
    """

    config: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drift:
    """A change made behind the program's back.

    says: what somebody did; spoil: does it; mended: whether it is undone.
    resource: the type that a refresh must report, and as what: `update` or `delete`.
    """

    says: str
    resource: str
    spoil: Callable[[], object]
    mended: Callable[[], bool]
    seen_as: str = "update"


class Stromhaltig(Protocol):
    """Runs the command on the stack of the rehearsal."""

    def __call__(self, *arguments: str, accepted: Collection[int] = (0,)) -> str:
        """Run it; what it printed. Raises StageError for another exit code."""

    def data(self, *arguments: str, accepted: Collection[int] = (0,)) -> Any:
        """Run it with --json; its data."""


@runtime_checkable
class Operable(Protocol):
    """A stage behind which something stands that the command can ask."""

    def operate(self, stromhaltig: Stromhaltig) -> list[str]:
        """What is to be said of what operators do, if it went as it must."""


class Stage(Protocol):
    """A platform as the scene of a rehearsal.

    Its methods raise StageError, or one of `troubles`, for what fails the step.
    """

    @property
    def unproven(self) -> tuple[str, ...]:
        """What a green rehearsal says nothing about."""

    @property
    def data_types(self) -> frozenset[str]:
        """Types whose replacement or deletion loses something."""

    @property
    def options(self) -> Mapping[str, str]:
        """Keys of a stack file that may go, with the type that goes with each.

        In the order in which an operator would take them out; those that hold data,
        which production protects, are in `data_options` too.
        """

    @property
    def data_options(self) -> frozenset[str]:
        """Options whose removal loses something."""

    @property
    def troubles(self) -> tuple[type[Exception], ...]:
        """What is raised when the embedded platform cannot be asked."""

    @property
    def client_environment(self) -> Mapping[str, str]:
        """Variables that point the platform's own clients at the embedded one."""

    @property
    def hints(self) -> tuple[str, ...]:
        """Commands for looking around in a kept stack."""

    def supply(self, config: Mapping[str, Any]) -> Supplies:
        """Values for what a stack file's `config` section leaves to its operator."""

    def inventory(self) -> set[Thing]:
        """Everything that exists."""

    def secret_values(self) -> list[str]:
        """Every secret that the stack made or got, to look where they must not be."""

    def deployed_image(self, outputs: Mapping[str, Any]) -> str:
        """The image reference that the platform was told to run as the app."""

    def check_up(self, outputs: Mapping[str, Any]) -> list[str]:
        """What is to be said of a stack that was just made, if it is as it must be."""

    def check_change(self, events: Sequence[Event]) -> list[str]:
        """What is to be said of how a new release came, if it came as it must."""

    def drifts(self, outputs: Mapping[str, Any]) -> list[Drift]:
        """What somebody in a hurry does by hand."""

    def refusing(self, message: str) -> AbstractContextManager[object]:
        """For a while, the new release of the app fails half-way, saying this."""

    def check_failed(self, image: str, outputs: Mapping[str, Any]) -> list[str]:
        """What is to be said of the app after an update to another image failed.

        image: the release that ran before.
        """

    def kept(self, left: Collection[Thing]) -> set[Thing]:
        """Those of the things left by a destroyed stack that are meant to be."""


def image_ref(of: str, repository: str = REPOSITORY) -> str:
    """A made-up image reference by digest."""
    return f"{repository}@sha256:{hashlib.sha256(of.encode()).hexdigest()}"


def next_image(config: Mapping[str, Any], release: str) -> dict[str, Any]:
    """The `image` setting of another release: another digest, or another build.

    config: the stack file's `config` section; release: what tells it from others.
    """
    image = config.get("stromhaltig:image") or {}
    if not image.get("context"):
        return {"ref": image_ref(release)}
    arguments = {**image.get("build_args", {}), "REHEARSED": release}
    return {**image, "build_args": arguments}


def supply_release(config: Mapping[str, Any], supplies: Supplies) -> None:
    """Stand in for what every platform needs: an image and the operator's values.

    An image or value that the stack file names stays. The secrets never do: only their
    own operator's key could decrypt them.
    """
    image = config.get("stromhaltig:image") or {}
    if not (image.get("ref") or image.get("context")):
        supplies.config["image"] = {"ref": image_ref("first release")}
        supplies.said["image.ref"] = "a made-up digest"
    app = config.get("stromhaltig:app") or {}
    if config.get("stromhaltig:environment") != "staging":
        for variable in VARIABLES:
            if _is_needed(variable) and variable.name not in app:
                app = {**app, variable.name: _stand_in(variable)}
                supplies.config["app"] = app
                supplies.said[f"app.{variable.name}"] = app[variable.name]
    for variable in VARIABLES:
        if variable.kind is Kind.OPERATOR:
            key = f"secrets.{variable.name}"
            supplies.secrets[key] = _stand_in(variable)
            supplies.said[key] = "a random value"


def _is_needed(variable: Variable) -> bool:
    """Whether production asks its operator for the value, which is no secret."""
    told = variable.kind is Kind.PLAIN and variable.default is None
    return told and not variable.optional


def _stand_in(variable: Variable) -> str:
    """A random value that the app would take."""
    return stand_in(variable, f"rehearsal-{secrets.token_hex(24)}")
