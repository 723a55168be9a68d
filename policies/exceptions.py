"""Findings that somebody has accepted, with a reason and a last day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from resource_graph import Resource

FILE = Path(__file__).with_name("exceptions.yaml")
"""Those of this repository's own stacks."""

PROJECT = "stromhaltig"
"""Whose stacks they are for: nobody else's findings are accepted by us."""


class ExceptionsError(Exception):
    """A file of exceptions that cannot be used; the message has every problem of it."""


class Accepted(BaseModel):
    """One exception.

    control: id of a policy. stacks, resource: patterns of names. reason: a sentence.
    expires: the day from which it holds no longer.
    instead: settings that would meet the control: `database.multi_az=true`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    control: str
    project: str = PROJECT
    stacks: tuple[str, ...] = ("*",)
    resource: str = "*"
    reason: str = Field(min_length=15)
    expires: date
    instead: tuple[str, ...] = ()

    def covers(self, control: str, resource: Resource) -> bool:
        """Whether a finding is one that was accepted, be it for too long by now."""
        project, stack = _owner(resource.urn)
        return (
            self.control == control
            and fnmatchcase(project, self.project)
            and any(fnmatchcase(stack, pattern) for pattern in self.stacks)
            and fnmatchcase(resource.name, self.resource)
        )

    def expired(self, today: date) -> bool:
        """Whether its time is over."""
        return today >= self.expires


class _Loader(yaml.SafeLoader):
    """Leaves days as text, so that one that cannot be is told with all else."""


_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def load(file: Path = FILE, controls: Iterable[str] = ()) -> tuple[Accepted, ...]:
    """The exceptions in a YAML file.

    controls: ids that there are; empty accepts any.

    Raises ExceptionsError with every problem of the file.
    """
    try:
        content = _Loader(file.read_text(encoding="utf-8")).get_single_data()
    except OSError as error:
        raise ExceptionsError(f"{file} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ExceptionsError(f"{file} is no YAML: {error}") from error
    return parse(content or [], str(file), controls)


def parse(
    content: Any, origin: str, controls: Iterable[str] = ()
) -> tuple[Accepted, ...]:
    """The exceptions in a list as YAML or JSON has it.

    Raises ExceptionsError with every problem, named by `origin` and place.
    """
    if not isinstance(content, list):
        raise ExceptionsError(f"{origin}: a list of exceptions is expected")
    problems = []
    try:
        found = TypeAdapter(tuple[Accepted, ...]).validate_python(content)
    except ValidationError as error:
        problems += [
            f"{_place(content, *problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        ]
    problems += _strangers(content, frozenset(controls))
    if problems:
        raise ExceptionsError("\n  ".join([f"{origin}:", *problems]))
    return found


def _strangers(content: list[Any], known: frozenset[str]) -> Iterator[str]:
    for index, entry in enumerate(content):
        control = entry.get("control") if isinstance(entry, Mapping) else None
        if known and isinstance(control, str) and control not in known:
            yield (
                f"{_place(content, index)}: no policy has this id. "
                "docs/policies.md lists them all"
            )


def _place(content: list[Any], index: int | str, *path: int | str) -> str:
    """Which entry, counted from one and with its control, and what in it."""
    entry = content[int(index)]
    control = entry.get("control") if isinstance(entry, Mapping) else None
    which = f"entry {int(index) + 1}" + (f" ({control})" if control else "")
    return ", ".join([which, ".".join(map(str, path))] if path else [which])


def _owner(urn: str) -> tuple[str, str]:
    stack, _, rest = urn.removeprefix("urn:pulumi:").partition("::")
    return rest.partition("::")[0], stack
