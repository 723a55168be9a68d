"""Forms that values take, each with the words for what it accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath
from types import UnionType
from typing import Annotated, Final, Literal, Union, get_args, get_origin
from urllib.parse import urlsplit

import annotated_types
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.fields import FieldInfo

import cidr
import times
from contract import Rule, matching, nearest_hint

_SHORTEST_WINDOW: Final = 30  # minutes; AWS RDS, backup and maintenance windows
_OTHER_PARTITIONS: Final = ("cn-", "eu-isoe-", "eusc-", "us-gov-", "us-iso")
_DOCKER_HOST: Final = "a Docker host like ssh://USER@HOST or unix:///PATH"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_DAY_TIME = rf"({'|'.join(times.DAYS)}):{_TIME}"


@dataclass(frozen=True)
class Numbers:
    """Accept some whole numbers and no others."""

    allowed: tuple[int, ...]
    says: str

    def __call__(self, value: int) -> int:
        """Return the value; raise ValueError with the nearest one if refused."""
        if value in self.allowed:
            return value
        nearest = min(self.allowed, key=lambda number: abs(number - value))
        raise ValueError(f"{value} is not {self.says}. The nearest is {nearest}")


@dataclass(frozen=True)
class Readable:
    """Accept text that a function can read; the function says what is wrong."""

    says: str
    read: Callable[[str], object]

    def __call__(self, value: str) -> str:
        """Return the value; raise ValueError if it cannot be read."""
        self.read(value)
        return value


@dataclass(frozen=True)
class AtLeast:
    """Accept whole numbers from one on."""

    least: int

    @property
    def says(self) -> str:
        """What is accepted, in words."""
        return f"a whole number from {self.least} on"

    def __call__(self, value: int) -> int:
        """Return the value; raise ValueError if it is less."""
        if value < self.least:
            raise ValueError(f"{value} is not {self.says}")
        return value


def numbers(*allowed: int) -> Numbers:
    """Accept these whole numbers."""
    return Numbers(allowed, f"one of {', '.join(str(number) for number in allowed)}")


def window_minutes(window: str) -> frozenset[int]:
    """Return the minutes of the week that a daily or weekly window covers.

    Args:
        window: `HH:MM-HH:MM` or `ddd:HH:MM-ddd:HH:MM`.

    Raises:
        ValueError: when it is shorter than RDS allows.
    """
    if times.window_length(window) < _SHORTEST_WINDOW:
        raise ValueError(
            f'"{window}" is shorter than the {_SHORTEST_WINDOW} minutes RDS needs'
        )
    return times.window_minutes(window)


def _address_range(value: str) -> object:
    try:
        network = IPv4Network(value, strict=False)
    except ValueError:
        raise ValueError(
            f'"{value}" is not an IPv4 range. Write it like 203.0.113.0/24'
        ) from None
    # AWS takes one spelling only, and would say so halfway through an update.
    if str(network) != value:
        raise ValueError(f'"{value}" is not a range. Did you mean {network}?')
    return network


def _docker_host(value: str) -> object:
    address = urlsplit(value)
    if address.scheme == "tcp":
        raise ValueError(
            f'"{value}" would hand the host to whoever reaches that port. Use '
            "ssh://USER@HOST, which needs nothing but the SSH login you have"
        )
    if address.scheme == "unix":
        sound = not address.netloc and PurePosixPath(address.path).is_absolute()
    else:
        try:
            port = address.port
        except ValueError:
            port = 0
        sound = (
            address.scheme == "ssh"
            and bool(address.username and address.hostname)
            and address.password is None
            and port != 0
            and not (address.path or address.query or address.fragment)
        )
    if not sound:
        raise ValueError(f'"{value}" is not {_DOCKER_HOST}')
    return address


def _listen_address(value: str) -> object:
    try:
        return IPv4Address(value)
    except ValueError:
        raise ValueError(
            f'"{value}" is not an IPv4 address of the host. Use 0.0.0.0 for each that '
            "it has, or 127.0.0.1 for this host alone"
        ) from None


def _public_region(region: str) -> str:
    if region.startswith(_OTHER_PARTITIONS):
        raise ValueError(
            f'"{region}" lies in a partition of AWS with ARNs and domains of its own, '
            "for which this program is not made. Choose a region like eu-central-1"
        )
    return region


def _text_of_number(value: object) -> object:
    """Let 15 stand for "15": that is what `pulumi config set --path` writes."""
    return str(value) if type(value) is int else value


def _text_of_scalar(value: object) -> object:
    """Write a YAML number or boolean the way an environment variable has it."""
    return str(value).lower() if isinstance(value, bool) else _text_of_number(value)


_CRON = matching(
    "a schedule like cron(0 3 * * ? *), minute first", r"cron\([^()\s]+( [^()\s]+){5}\)"
)
_CRON_FIELDS: Final = (
    "minute",
    "hour",
    "day of the month",
    "month",
    "day of the week",
    "year",
)


def _cron(value: str) -> object:
    """AWS's cron: six fields, and a ? for the day that the other one decides."""
    _CRON(value)
    fields = value[5:-1].split()
    wrong = times.wrong_cron_field(fields)
    if wrong is not None:
        raise ValueError(
            f'"{value}" has "{fields[wrong]}" for the {_CRON_FIELDS[wrong]}. '
            f"Write {_CRON.says}"
        )
    if not times.names_one_day(fields):
        raise ValueError(
            f'"{value}" must have a ? for either the day of the month or the day of '
            "the week, as in cron(0 3 * * ? *)"
        )
    return fields


def _cron_or_off(value: str) -> object:
    if value.lower() == "off" and value != "off":
        raise ValueError(f'"{value}" is not a schedule. Write off in lower case')
    return value if value == "off" else _cron(value)


def _time_zone(value: str) -> object:
    if value not in times.zones():
        raise ValueError(
            f'"{value}" is not a time zone like Europe/Berlin'
            f"{nearest_hint(value, times.zones())}"
        )
    return value


_DAILY = matching("a daily window in UTC like 02:00-03:00", rf"{_TIME}-{_TIME}")
_WEEKLY = matching(
    "a weekly window in UTC like sun:03:30-sun:04:30", rf"{_DAY_TIME}-{_DAY_TIME}"
)
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = rf"{_LABEL}(\.{_LABEL})*"
_REPOSITORY = r"[a-z0-9]+([.:/_-]+[a-z0-9]+)*"

LOG_RETENTION: Final = numbers(
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Days that CloudWatch can keep logs (AWS: PutRetentionPolicy)."""

DIGEST: Final = matching(
    "an image by digest, REPOSITORY@sha256: and 64 hexadecimal digits",
    rf"{_REPOSITORY}@sha256:[0-9a-f]{{64}}",
)
TAG: Final = matching(
    "an image by tag, REPOSITORY:TAG",
    rf"{_REPOSITORY}:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}",
)

Retention = Annotated[int, AfterValidator(LOG_RETENTION)]
NetworkRange = Annotated[
    str, AfterValidator(Readable("a private IPv4 range, /16 to /23", cidr.parse))
]
AddressRange = Annotated[
    str, AfterValidator(Readable("an IPv4 range like 203.0.113.0/24", _address_range))
]
DailyWindow = Annotated[
    str,
    AfterValidator(_DAILY),
    AfterValidator(Readable(_DAILY.says, window_minutes)),
]
WeeklyWindow = Annotated[
    str,
    AfterValidator(_WEEKLY),
    AfterValidator(Readable(_WEEKLY.says, window_minutes)),
]
DomainName = Annotated[
    str,
    AfterValidator(
        matching(
            "a domain like stromhaltig.de, in lower case",
            rf"(?=.{{4,253}}$)({_LABEL}\.)+[a-z]{_LABEL}",
        )
    ),
]
ZoneId = Annotated[
    str,
    AfterValidator(matching("a hosted zone id like Z0123456789ABC", r"[A-Z0-9]{5,32}")),
]
Region = Annotated[
    str,
    AfterValidator(_public_region),
    AfterValidator(
        matching("an AWS region like eu-central-1", r"[a-z]{2}(-[a-z]+)+-[0-9]")
    ),
]
ImageRef = Annotated[
    str,
    AfterValidator(
        Rule(
            says="an image like REPOSITORY@sha256:DIGEST",
            accepts=lambda ref: DIGEST.accepts(ref) or TAG.accepts(ref),
        )
    ),
]
ImageTag = Annotated[str, AfterValidator(TAG)]
Repository = Annotated[
    str,
    AfterValidator(
        matching(
            "a repository with its registry like ghcr.io/OWNER/NAME",
            rf"(localhost|{_LABEL}(\.{_LABEL})+)(:[0-9]{{1,5}})?"
            r"(/[a-z0-9]+([._-]+[a-z0-9]+)*)+",
        )
    ),
]
Builder = Annotated[
    str,
    AfterValidator(
        matching("the name of a builder", r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
    ),
]
EngineVersion = Annotated[
    str,
    BeforeValidator(_text_of_number),
    AfterValidator(
        matching(
            'a version of PostgreSQL from 15, in quotes, like "15"',
            r"1[5-8](\.[1-9][0-9]?)?",
        )
    ),
]
RegistryHost = Annotated[
    str, AfterValidator(matching("a registry like ghcr.io", rf"{_HOST}(:[0-9]+)?"))
]
DockerHost = Annotated[str, AfterValidator(Readable(_DOCKER_HOST, _docker_host))]
ListenAddress = Annotated[
    str, AfterValidator(Readable("an IPv4 address of the host", _listen_address))
]
TimeOfDay = Annotated[
    str, AfterValidator(matching("a time of day in UTC like 02:30", _TIME))
]
Email = Annotated[
    str,
    AfterValidator(matching("an e-mail address", r"[^\s@:,'\"]+@[^\s@:,'\"]+\.[a-z]+")),
]
Endpoint = Annotated[
    str,
    AfterValidator(
        matching(
            "an address like https://s3.example.org", rf"https://{_HOST}(:[0-9]+)?"
        )
    ),
]
BucketRegion = Annotated[
    str, AfterValidator(matching("a region like eu-central-1", r"[a-z0-9-]+"))
]
SecurityPolicy = Annotated[
    str,
    AfterValidator(
        matching(
            "a Content-Security-Policy on one line, without double quotes",
            r"[A-Za-z0-9 ;:/'.*_+=-]+",
        )
    ),
]
Bucket = Annotated[
    str,
    AfterValidator(
        matching("the name of a bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
    ),
]
CacheNode = Annotated[
    str,
    AfterValidator(
        matching(
            "a node type like cache.t4g.micro",
            r"cache\.(t4g\.(micro|small|medium)"
            r"|(m6g|m7g|r6g|r7g)\.(large|[248]?xlarge|1[26]xlarge))",
        )
    ),
]
ValkeyVersion = Annotated[
    str,
    AfterValidator(
        matching('a version of Valkey in quotes, like "8.0"', r"7\.2|8\.[0-2]|9\.0")
    ),
]
CronExpression = Annotated[str, AfterValidator(Readable(_CRON.says, _cron))]
ScheduleExpression = Annotated[
    str, AfterValidator(Readable(f"off, or {_CRON.says}", _cron_or_off))
]
TimeZone = Annotated[
    str, AfterValidator(Readable("a time zone like Europe/Berlin", _time_zone))
]
GithubRepository = Annotated[
    str,
    AfterValidator(
        matching(
            "a repository like OWNER/NAME",
            r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}/[A-Za-z0-9._-]{1,100}",
        )
    ),
]
RepositoryId = Annotated[int, AfterValidator(AtLeast(1))]
GitBranch = Annotated[
    str, AfterValidator(matching("a branch like main", r"[A-Za-z0-9._/-]{1,100}"))
]
GithubEnvironment = Annotated[
    str,
    AfterValidator(
        matching("a GitHub environment like production", r"[A-Za-z0-9._-]{1,100}")
    ),
]
OidcSubject = Annotated[
    str,
    AfterValidator(
        matching(
            "the beginning of a subject like repo:OWNER@ID/NAME@ID",
            r"repo:[A-Za-z0-9@._-]+/[A-Za-z0-9@._-]+",
        )
    ),
]
OidcProviderArn = Annotated[
    str,
    AfterValidator(
        matching(
            "an ARN like arn:aws:iam::ACCOUNT:oidc-provider/"
            "token.actions.githubusercontent.com",
            r"arn:aws:iam::[0-9]{12}:oidc-provider/"
            r"token\.actions\.githubusercontent\.com",
        )
    ),
]
KmsKeyArn = Annotated[
    str,
    AfterValidator(
        matching(
            "an ARN like arn:aws:kms:REGION:ACCOUNT:key/ID",
            r"arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+",
        )
    ),
]
Generation = Annotated[int, Field(ge=1, le=9999)]
EnvironmentValue = Annotated[str, BeforeValidator(_text_of_scalar)]


def accepted(field: FieldInfo) -> str:
    """Return what a field accepts, in words: "true or false"."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "accepts" in extra:
        return str(extra["accepts"])
    for validator in field.metadata:
        if isinstance(validator, AfterValidator) and hasattr(validator.func, "says"):
            return str(validator.func.says)
    if get_origin(field.annotation) is tuple:
        return f"a list, each {accepted(item(field))}"
    if options := choices(field):
        return f"one of {', '.join(options)}"
    if field.annotation is bool:
        return "true or false"
    if field.annotation is int:
        low = next(m.ge for m in field.metadata if isinstance(m, annotated_types.Ge))
        high = next(m.le for m in field.metadata if isinstance(m, annotated_types.Le))
        return f"a whole number from {low} to {high}"
    return "text"


def choices(field: FieldInfo) -> tuple[str, ...]:
    """Return the values of a field that takes only certain words."""
    is_literal = get_origin(field.annotation) is Literal
    return get_args(field.annotation) if is_literal else ()


def item(field: FieldInfo) -> FieldInfo:
    """Return the field that each element of a list, or value of a mapping, is."""
    is_list = get_origin(field.annotation) is tuple
    return FieldInfo.from_annotation(get_args(field.annotation)[0 if is_list else 1])


def present(field: FieldInfo) -> FieldInfo:
    """Return the field without the choice of leaving it out."""
    if get_origin(field.annotation) not in (Union, UnionType):
        return field
    there = FieldInfo.from_annotation(get_args(field.annotation)[0])
    # Bounds, and words for what is accepted, are those of the whole field.
    there.metadata = [*there.metadata, *field.metadata]
    there.json_schema_extra = there.json_schema_extra or field.json_schema_extra
    return there
