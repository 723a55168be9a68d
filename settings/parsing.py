"""From a stack file to settings, or to one message with all that is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_origin

import pulumi
import yaml
from pulumi.runtime import config as engine
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from contract import nearest_hint
from settings import aws, digitalocean, docker, forms, model, railway
from settings.aws import AwsSettings, review
from settings.aws.review import ReviewSettings
from settings.digitalocean import DigitalOceanSettings
from settings.docker import DockerSettings
from settings.model import NAMESPACE, Check, Problem, Settings, full_key, set_command
from settings.railway import RailwaySettings

_STACK: Final = "pulumi:stack"
_PLATFORM: Final = f"{NAMESPACE}platform"
_SECRETS: Final = f"{NAMESPACE}secrets"
# A user with a password in an address; no tag in front of a digest.
_LOGIN: Final = re.compile(r"[^\s/:@]+:[^\s/@]+@(?!sha256:)")


@dataclass(frozen=True)
class Platform:
    """The settings of a platform, and the rules about them."""

    settings: type[Settings]
    checks: tuple[Check, ...]


PLATFORMS: Final[Mapping[str, Platform]] = {
    "aws": Platform(AwsSettings, aws.CHECKS),
    "docker": Platform(DockerSettings, docker.CHECKS),
    "digitalocean": Platform(DigitalOceanSettings, digitalocean.CHECKS),
    "railway": Platform(RailwaySettings, railway.CHECKS),
    "aws-review": Platform(ReviewSettings, review.CHECKS),
}
"""Where the app can run, by the value of `platform`; the first is the default."""


class SettingsError(pulumi.RunError):
    """A stack file that cannot be deployed. The message lists every problem."""

    def __init__(self, stack: str, problems: Collection[str]) -> None:
        """Build the message.

        Args:
            stack: whose file it is.
            problems: one line each, with key, value and remedy.
        """
        self.problems = tuple(line.replace("\n", "\\n") for line in problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"Pulumi.{stack}.yaml has {count}:{lines}")


def load() -> Settings:
    """Read and check the settings of the stack that is being deployed.

    Raises:
        SettingsError: with every problem there is.
    """
    stack = pulumi.get_stack()
    values = {**engine.get_config_env(), **engine.CONFIG.get()}
    encrypted = {key for key in values if engine.is_config_secret(key)}
    encrypted.update(engine.get_config_secret_keys_env())
    keys = secret_keys(values, encrypted, Path(f"Pulumi.{stack}.yaml"))
    return parse(stack, values, secret_keys=keys)


def secret_keys(
    values: Mapping[str, object], encrypted: Collection[str], stack_file: Path
) -> set[str]:
    """Return what is encrypted in a stack file, each secret by its path.

    Args:
        values: by full key, as the engine hands them over.
        encrypted: keys that the engine calls secret: `stromhaltig:secrets` as soon as
            one value in it is.
        stack_file: tells which of them are in plain text.
    """
    if _SECRETS not in encrypted:
        return set(encrypted)
    given = _decoded(values[_SECRETS])
    names = given.keys() - _plain_secrets(stack_file) if isinstance(given, dict) else ()
    return {*encrypted} - {_SECRETS} | {f"{_SECRETS}.{name}" for name in names}


def parse(
    stack: str, values: Mapping[str, object], *, secret_keys: Collection[str]
) -> Settings:
    """Check the settings of a stack.

    Looks at nothing but its arguments and whether a build context exists.

    Args:
        stack: name of the stack.
        values: by full key, as the engine hands them over: objects as JSON text, or
            as what the text stands for. Keys of other namespaces are the providers'
            business, but for `aws:region`.
        secret_keys: which of them are encrypted in the stack file; of
            `stromhaltig:secrets` either the whole or each secret by its path.

    Raises:
        SettingsError: with every problem there is.
    """
    # A key with nothing after it: text to this engine, and null to a later one.
    raw = {key: _given(_decoded(value)) for key, value in values.items()}
    platform, problems = _platform(raw)
    known = _fields(platform.settings)
    raw = {k: v for k, v in raw.items() if k in known or k.startswith(NAMESPACE)}
    if problems:
        # Nobody can tell what the keys of an unknown platform would be.
        raw = {k: v for k, v in raw.items() if k in known and k != _PLATFORM}
    raw[_STACK] = stack

    own = {_SECRETS, *platform.settings.provider_secrets}
    misplaced = {key for key in raw if key in secret_keys and key not in own}
    problems += [(_path(key), _ENCRYPTED) for key in sorted(misplaced)]
    problems += _in_plain_text(stack, raw.get(_SECRETS), secret_keys)
    open_keys = platform.settings.provider_secrets.intersection(raw) - {*secret_keys}
    problems += [(key, _plain_text(stack, key)) for key in sorted(open_keys)]
    sound = {key: value for key, value in raw.items() if key not in misplaced}
    settings, wrong = _validated(platform.settings, sound)
    problems += wrong
    broken = {path for path, _ in wrong} | {_path(key) for key in misplaced}
    for check in platform.checks:
        if not any(_touches(path, need) for path in broken for need in check.needs):
            problems += check.find(settings)
    if problems:
        raise SettingsError(
            stack, [f"{full_key(path)}: {text}" for path, text in problems]
        )
    return settings.released() if settings.decommission else settings


def _platform(raw: Mapping[str, Any]) -> tuple[Platform, list[Problem]]:
    name = raw.get(_PLATFORM, next(iter(PLATFORMS)))
    if isinstance(name, str) and name in PLATFORMS:
        return PLATFORMS[name], []
    hint = nearest_hint(name, tuple(PLATFORMS)) if isinstance(name, str) else ""
    text = f"{_shown(name)} is not one of {', '.join(PLATFORMS)}{hint}"
    return Platform(Settings, model.CHECKS), [("platform", text)]


_ENCRYPTED: Final = (
    f"is encrypted, which only {_SECRETS} may be: the value would appear in plain text "
    "in the cloud. Set it without --secret"
)


def _in_plain_text(
    stack: str, secrets: object, secret_keys: Collection[str]
) -> Iterator[Problem]:
    if not isinstance(secrets, dict) or _SECRETS in secret_keys:
        return
    for name in secrets:
        if f"{_SECRETS}.{name}" not in secret_keys:
            path = f"secrets.{name}"
            yield path, _plain_text(stack, path)


def _plain_text(stack: str, path: str) -> str:
    command = set_command(stack, path, secret=True)
    return f"is in plain text. Replace it by an encrypted one: {command}"


def _validated(
    kind: type[Settings], raw: dict[str, Any]
) -> tuple[Settings, list[Problem]]:
    """Return settings of what is sound in itself, and the problems of the rest.

    The rest is left out and so becomes its default, which gives the rules about
    several settings something to look at. Every top-level key has a default.
    """
    rest = deepcopy(raw)
    problems: list[Problem] = []
    while errors := _errors(kind, rest):
        # Errors of a second round come from leaving something out.
        problems = problems or [_problem(kind, raw[_STACK], error) for error in errors]
        for error in errors:
            _leave_out(rest, error)
    return kind.model_validate(rest), problems


def _errors(kind: type[Settings], raw: dict[str, Any]) -> list[ErrorDetails]:
    # The exception itself holds every value, secrets included: it ends here.
    try:
        kind.model_validate(raw)
    except ValidationError as refusal:
        return refusal.errors(include_url=False)
    return []


def _leave_out(raw: dict[str, Any], error: ErrorDetails) -> None:
    keys = [key for key in error["loc"] if isinstance(key, str)]
    if error["type"] == "missing":
        keys.pop()
    *parents, last = keys
    for key in parents:
        raw = raw.get(key, {})
    raw.pop(last, None)


def _problem(kind: type[Settings], stack: str, error: ErrorDetails) -> Problem:
    path = _path(*error["loc"])
    text, value = _text(kind, stack, path, error), error["input"]
    if isinstance(value, str) and _LOGIN.search(value):
        text = text.replace(value, _LOGIN.sub("[login]@", value))
    return path, text


def _text(kind: type[Settings], stack: str, path: str, error: ErrorDetails) -> str:
    value, loc = error["input"], error["loc"]
    match error["type"]:
        case "missing":
            name = str(loc[-1]).upper()
            return f"is missing. Set it: {set_command(stack, path, name)}"
        case "extra_forbidden":
            return f"no such key{_nearest_key(kind, loc)}"
        case "model_type" | "dict_type":
            return (
                "holds keys of its own, not a single value. Write them below it, or {} "
                "for the defaults"
            )
        case "value_error":
            return str(error["ctx"]["error"])
    if loc[0] == _SECRETS or loc[0] in kind.provider_secrets:
        return f"is not text. Set it again: {set_command(stack, path, secret=True)}"
    field = _field(kind, loc)
    text = f"{_shown(value)} is not {forms.accepted(field)}"
    if not isinstance(value, str):
        return text
    if get_origin(field.annotation) is tuple:
        return f'{text}. Write each on a line of its own, after "- "'
    if type(_decoded(value)) is field.annotation:
        return f"{text}. Remove the quotes"
    return text + nearest_hint(value, forms.choices(field))


def _nearest_key(kind: type[Settings], loc: tuple[int | str, ...]) -> str:
    group = _field(kind, loc[:-1]).annotation if len(loc) > 1 else kind
    keys = [key.removeprefix(NAMESPACE) for key in _fields(group) if key != _STACK]
    hint = nearest_hint(str(loc[-1]).removeprefix(NAMESPACE), tuple(keys))
    return hint or f". Known are {', '.join(keys)}"


def _fields(kind: Any) -> dict[str, FieldInfo]:
    """Return the fields of a model by the keys they have in a stack file."""
    fields: dict[str, FieldInfo] = kind.model_fields
    return {field.alias or name: field for name, field in fields.items()}


def _field(kind: type[BaseModel], loc: tuple[int | str, ...]) -> FieldInfo:
    """Return what is to be found at a place."""
    first, *steps = loc
    field = forms.present(_fields(kind)[str(first)])
    for step in steps:
        field = forms.present(_inside(field, step))
    return field


def _inside(field: FieldInfo, step: int | str) -> FieldInfo:
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
        return field.annotation.model_fields[str(step)]
    return forms.item(field)


def _path(key: int | str, *steps: int | str) -> str:
    path = str(key).removeprefix(NAMESPACE)
    return path + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)


def _touches(path: str, need: str) -> bool:
    """Whether one path is the other, or inside it."""
    shorter, longer = sorted((path, need), key=len)
    return longer == shorter or longer.startswith((f"{shorter}.", f"{shorter}["))


def _shown(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return f'"{value}"' if isinstance(value, str) else json.dumps(value)


def _decoded(value: object) -> Any:
    """Return what a text of the engine's stands for; other text stands for itself."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _given(value: Any) -> Any:
    return "" if value is None else value


def _plain_secrets(stack_file: Path) -> set[str]:
    """Return the names of secrets that a stack file holds unencrypted."""
    if not stack_file.is_file():
        return set()
    content = yaml.safe_load(stack_file.read_text(encoding="utf-8"))
    secrets = content.get("config", {}).get(_SECRETS, {})
    return {
        name
        for name, value in secrets.items()
        if not (isinstance(value, dict) and "secure" in value)
    }
