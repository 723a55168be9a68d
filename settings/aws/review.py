"""Settings of a pull request's stack, which shares what another stack on AWS has.

It is called `pr-N` and has little of its own: a service, a database inside the other's
server, secrets. The other stack, its base, says in its own file that it has room.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AfterValidator, Field

import names
from contract import nearest_hint
from settings import forms
from settings.aws.checks import region_is_given, unknown_size
from settings.aws.groups import Logs
from settings.aws.model import OnAws
from settings.aws.offers import FARGATE_MEMORY
from settings.aws.options import Reviews
from settings.model import CHECKS as COMMON_CHECKS
from settings.model import NAMESPACE, Check, Group, Problem, set_command

LAST: Final = 49_800
"""Highest number of a pull request: the load balancer has 50,000 priorities for rules,
of which the base keeps the first and the last ones."""

EXPIRY: Final = r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ"
"""When a review may be taken down, in UTC, as its tag says it."""

_NAME: Final = re.compile(r"pr-([1-9]\d{0,4})")


def number_of(stack: str) -> int | None:
    """Return the number of the pull request that a stack is called after, if it is."""
    found = _NAME.fullmatch(stack)
    number = int(found[1]) if found else 0
    return number if 1 <= number <= LAST else None


def tags_of(number: int, expires: str) -> dict[str, str]:
    """Return the tags by which a review is found, paid for and taken down.

    Args:
        number: of the pull request.
        expires: from when on it may be taken down, as `EXPIRY`.
    """
    return {
        "Project": names.PROJECT,
        "Environment": f"pr-{number}",
        "ManagedBy": "pulumi",
        "PullRequest": str(number),
        "Expires": expires,
    }


def room(file: Path) -> tuple[str, int]:
    """Return the base of a review, and how many it has room for at once.

    Args:
        file: of the review, in one folder with the base's. What is wrong with them is
            for the program to tell: then the number is the default.
    """
    base = str((_config(file) or {}).get(f"{NAMESPACE}base", ""))
    return base, _lent(_config(file.with_name(f"Pulumi.{base}.yaml")) or {}, "max")


class ReviewService(Group):
    """The review's one task."""

    cpu: Annotated[int, AfterValidator(forms.numbers(*FARGATE_MEMORY))] = Field(
        256, description="CPU units of the task; 1024 are one vCPU."
    )
    memory: int = Field(
        512,
        ge=512,
        le=122880,
        description="MiB of the task, as Fargate offers them with its CPU units.",
    )
    architecture: Literal["arm64", "x86_64"] = Field(
        "arm64", description="Processor that the image is built for."
    )
    on_demand: bool = Field(
        False,
        description="Regular capacity, at three times the price. Spare capacity can "
        "be taken back, and the task starts again.",
    )


class ReviewSettings(OnAws):
    """Settings of a stack for one pull request."""

    environment: Literal["staging"] = Field(
        "staging", description="A review is never held to production's rules."
    )
    platform: Literal["aws-review"] = Field(
        "aws-review", description="Where the app runs. Its settings are below."
    )
    base: str = Field(
        "",
        description="Stack whose network, load balancer, database server and key are "
        "used: one on AWS with `reviews`.",
        json_schema_extra={"accepts": "the name of another stack"},
    )
    service: ReviewService = Field(
        ReviewService(), description="The app's task, on ECS Fargate."
    )
    logs: Logs = Field(
        Logs(retention_days=7), description="The app's logs, gone with the stack."
    )

    @property
    def number(self) -> int:
        """Number of the pull request."""
        number = number_of(self.stack)
        if number is None:
            raise ValueError(f"{self.stack} is not called after a pull request")
        return number

    @property
    def expires(self) -> str:
        """From when on it may be taken down, in UTC."""
        return self.default_tags.tags["Expires"]


def _stack_is_of_a_pull_request(settings: ReviewSettings) -> Iterator[Problem]:
    if number_of(settings.stack) is None:
        yield (
            "platform",
            f"aws-review is for stacks called pr-N, with N from 1 to {LAST}; this is "
            f'"{settings.stack}". Copy the file to Pulumi.pr-N.yaml, and take that',
        )


def _base_has_room(settings: ReviewSettings) -> Iterator[Problem]:
    if not settings.base:
        command = settings.command("base", "staging")
        yield "base", f"is missing. Set it: {command}"
        return
    file = Path(f"Pulumi.{settings.base}.yaml")
    if not file.is_file():
        stacks = sorted(
            path.name.removeprefix("Pulumi.").removesuffix(".yaml")
            for path in Path().glob("Pulumi.*.yaml")
        )
        known = ", ".join(stacks) or "none"
        hint = nearest_hint(settings.base, tuple(stacks))
        yield "base", f"there is no {file} here; stacks: {known}{hint}"
        return
    config = _config(file)
    if config is None:
        yield "base", f"{file} is no YAML with a `config` section. Mend it"
        return
    platform = config.get(f"{NAMESPACE}platform", "aws")
    if platform != "aws":
        yield (
            "base",
            f'"{settings.base}" is of platform {platform}. Name one of platform aws',
        )
    elif config.get(f"{NAMESPACE}environment") != "staging":
        yield (
            "base",
            f'"{settings.base}" is a stack of production, beside which nothing runs '
            "that nobody has approved. Name a staging stack",
        )
    else:
        yield from _base_fits(settings, config)


def _base_fits(settings: ReviewSettings, base: Mapping[str, Any]) -> Iterator[Problem]:
    if f"{NAMESPACE}reviews" not in base:
        path, room = "reviews.connections", Reviews.model_fields["connections"].default
        yield (
            "base",
            f'"{settings.base}" has no reviews. Turn them on there, and deploy it: '
            f"{set_command(settings.base, path, str(room))}",
        )
        return
    region = base.get("aws:region")
    if settings.region and region != settings.region:
        command = settings.command("aws:region", str(region))
        yield (
            "aws:region",
            f'"{settings.region}" is not that of {settings.base}. Set it: {command}',
        )
    most = _lent(base, "connections")
    pool = int(settings.app_value("DB_POOL_MAX"))
    if 2 * pool + 1 > most:
        fits = (most - 1) // 2
        yield (
            "app.DB_POOL_MAX",
            f"{pool} connections for each of two tasks, and one to migrate, are more "
            f"than the {most} that {settings.base} gives a review. Set it: "
            f"{settings.command('app.DB_POOL_MAX', str(fits))}",
        )


def _lent(base: Mapping[str, Any], key: str) -> int:
    """A number of `reviews` in a base's file, or the default."""
    reviews = base.get(f"{NAMESPACE}reviews")
    given = reviews.get(key) if isinstance(reviews, dict) else None
    default: int = Reviews.model_fields[key].default
    return given if isinstance(given, int) else default


def _config(file: Path) -> Mapping[str, Any] | None:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    config = content.get("config") if isinstance(content, dict) else None
    return config if isinstance(config, dict) else None


def _tags_tell_whose_it_is(settings: ReviewSettings) -> Iterator[Problem]:
    number = number_of(settings.stack)
    given = settings.default_tags.tags
    expires = given.get("Expires", "")
    if not re.fullmatch(EXPIRY, expires):
        yield (
            "aws:defaultTags.tags.Expires",
            f'"{expires}" is not a time in UTC like 2026-12-06T12:00:00Z, after which '
            "the review may be taken down. Set it: "
            f"{settings.command('aws:defaultTags.tags.Expires', 'TIME')}",
        )
    for tag, value in tags_of(number, expires).items() if number else ():
        if tag != "Expires" and given.get(tag) != value:
            path = f"aws:defaultTags.tags.{tag}"
            yield (
                path,
                f'is "{given.get(tag, "")}", by which the review would not be found '
                f"again. Set it: {settings.command(path, value)}",
            )


def _name_is_below_the_base(settings: ReviewSettings) -> Iterator[Problem]:
    if settings.domain:
        yield "domain", f"is that of {settings.base or 'the base'}. Remove it"


def _image_is_built_elsewhere(settings: ReviewSettings) -> Iterator[Problem]:
    if settings.image.context:
        yield (
            "image.context",
            "is for stacks with a repository of their own. Build the image before, and "
            "set image.ref",
        )


def _sends_no_mail(settings: ReviewSettings) -> Iterator[Problem]:
    if "SMTP_HOST" in settings.app:
        yield "app.SMTP_HOST", "is refused: a review writes to nobody. Remove it"


def _size_is_offered(settings: ReviewSettings) -> Iterator[Problem]:
    return unknown_size(settings.service.cpu, settings.service.memory)


CHECKS: Final = (
    *COMMON_CHECKS,
    Check(_stack_is_of_a_pull_request),
    Check(region_is_given, ("aws:region",)),
    Check(_base_has_room, ("base", "aws:region", "app.DB_POOL_MAX")),
    Check(_tags_tell_whose_it_is, ("aws:defaultTags",)),
    Check(_name_is_below_the_base, ("domain",)),
    Check(_image_is_built_elsewhere, ("image",)),
    Check(_sends_no_mail, ("app",)),
    Check(_size_is_offered, ("service.cpu", "service.memory")),
)
"""Rules of pull requests' stacks, the common ones included."""
