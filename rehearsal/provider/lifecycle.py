"""What the provider server asks of a resource type, however it is carried out."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass

from rehearsal.provider import schema
from rehearsal.provider.compare import changed_keys
from rehearsal.provider.wire import UNKNOWN, Properties

GENERATED = "__defaults"
"""Names the inputs that were generated; as in Pulumi's bridged providers."""


@dataclass(frozen=True)
class Difference:
    """What a change of inputs means.

    changed: the inputs that differ; replaces: those that force a new resource.
    delete_first: the old one must go before the new one can come.
    """

    changed: frozenset[str] = frozenset()
    replaces: frozenset[str] = frozenset()
    delete_first: bool = False


@dataclass(frozen=True)
class Reading:
    """A resource as it is: id, outputs, and the inputs that would make it so."""

    id: str
    outputs: Properties
    inputs: Properties


class InitFailedError(Exception):
    """A resource exists but was not completed; the engine must remember it."""

    def __init__(self, reading: Reading, reason: str) -> None:
        super().__init__(reason)
        self.reading = reading


class Lifecycle(ABC):
    """The life of the resources of one type."""

    def __init__(self, token: str) -> None:
        self.token = token

    def check(
        self, name: str, old: Properties, new: Properties, seed: bytes
    ) -> tuple[Properties, list[str]]:
        """The inputs with generated values filled in, and what is wrong with them."""
        del name, old, seed
        return new, schema.check_inputs(self.token, new)

    def known(self, inputs: Properties, outputs: Properties) -> Properties:
        """The old inputs as the provider compares with them.

        outputs: as they are in the state.
        """
        del outputs
        return inputs

    def diff(self, old: Properties, new: Properties) -> Difference:
        """Compare two sets of inputs."""
        changed = frozenset(changed_keys(old, new) - {GENERATED})
        return Difference(changed, changed & self.replacing(changed, old, new))

    @abstractmethod
    def replacing(
        self, changed: frozenset[str], old: Properties, new: Properties
    ) -> frozenset[str]:
        """Which of the changed inputs force a new resource."""

    def preview(self, inputs: Properties) -> Properties:
        """Outputs before the resource exists: what is not an input is unknown."""
        outputs = schema.resource(self.token).outputs
        return {key: UNKNOWN for key in outputs if key not in inputs} | _public(inputs)

    def preview_update(self, state: Properties, new: Properties) -> Properties:
        """Outputs before the resource is changed: as they were, with the new inputs."""
        return {**state, **new}

    @abstractmethod
    def create(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """Make it: id and outputs."""

    @abstractmethod
    def read(self, id: str, state: Properties, inputs: Properties) -> Reading | None:
        """Look at it, or None when it is gone."""

    @abstractmethod
    def update(
        self,
        id: str,
        state: Properties,
        old: Properties,
        new: Properties,
    ) -> Properties:
        """Change it in place: the new outputs."""

    @abstractmethod
    def delete(self, id: str, state: Properties, inputs: Properties) -> None:
        """Remove it."""


def generated_name(name: str, limit: int, seed: bytes) -> str:
    """Pulumi's auto-name: the logical name and seven random hexadecimal digits.

    Raises ValueError when that is longer than the limit, as the real providers do.
    """
    digits = random.Random(seed).choices("0123456789abcdef", k=7)  # noqa: S311 (a name)
    full = f"{name}-{''.join(digits)}"
    if len(full) > limit:
        raise ValueError(
            f'"{full}" has {len(full)} characters, at most {limit} are allowed; '
            f"shorten the resource's name or set one"
        )
    return full


def _public(inputs: Properties) -> Properties:
    return {key: value for key, value in inputs.items() if key != GENERATED}
