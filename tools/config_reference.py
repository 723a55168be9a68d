"""Write what is documented about the settings from the settings themselves.

`python -m tools.config_reference --write` brings up to date the `config` block of
Pulumi.yaml, docs/configuration.md, and the table between the markers of README.md;
`--check` fails when one of them is stale.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, cast

import yaml
from pydantic.fields import FieldInfo

from contract import APP, GENERATED_LENGTH, Kind, Variable
from settings import NAMESPACE, PLATFORMS, Settings, forms
from settings.model import DATABASE_LOGIN, Group

ROOT: Final = Path(__file__).parent.parent
BEGIN: Final = "<!-- config:begin -->"
END: Final = "<!-- config:end -->"
ANY: Final = "every platform"
_BLOCK: Final = "config:\n"
_TYPES: Final = {bool: "boolean", int: "integer", dict: "object"}


class MissingMarkersError(Exception):
    """A file that should hold a generated part does not say where."""


def project_file(current: str) -> str:
    """Return Pulumi.yaml with its `config` block, which is the end of the file."""
    head, found, _ = current.partition(f"\n{_BLOCK}")
    if not found:
        raise MissingMarkersError("Pulumi.yaml has no config block")
    lines = [
        _BLOCK.rstrip(),
        "  # Written from settings/ by: python -m tools.config_reference --write",
    ]
    # What only one platform has is not declared: the engine would hand its defaults
    # to the stacks of every other platform too.
    for key, field in _keys(Settings).items():
        entry = {
            key: {
                "type": _engine_type(field),
                "description": field.description,
                "default": _default(field),
            }
        }
        text = yaml.safe_dump(entry, sort_keys=False, width=84, allow_unicode=True)
        lines += textwrap.indent(text, "  ").splitlines()
    return "\n".join([head, *lines, ""])


def readme(current: str) -> str:
    """Return README.md with the table of keys between its markers."""
    before, begin, rest = current.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise MissingMarkersError(f"README.md has no {BEGIN} ... {END}")
    rows = [
        (f"`{key}`", where, _held(field) or _accepts(field), field.description)
        for where, keys in _sections()
        for key, field in keys.items()
    ]
    table = _table(("Key", "Platform", "Holds", "What for"), rows)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def reference(_: str = "") -> str:
    """Return docs/configuration.md."""
    return "\n".join(_reference()) + "\n"


def _reference() -> Iterator[str]:
    yield "# Configuration"
    yield ""
    yield "<!-- Written by: python -m tools.config_reference --write -->"
    yield ""
    yield (
        f"Everything that differs between stacks is in `Pulumi.<stack>.yaml`, under "
        f"`{NAMESPACE}`. Set a key in the file, or with `pulumi config set --path "
        f"'{NAMESPACE}service.cpu' 1024`. A wrong file is refused before anything is "
        "created, with all its problems in one message. Prices are list prices of "
        "eu-central-1, rounded."
    )
    yield ""
    for where, keys in _sections():
        yield f"## Settings of {where if where == ANY else f'platform {where}'}"
        yield ""
        plain = {key: field for key, field in keys.items() if _group(field) is None}
        if plain:
            yield from _fields_table(plain)
        for key, field in keys.items():
            if group := _group(field):
                yield f"### `{key}`"
                yield ""
                yield f"{field.description}"
                yield ""
                yield from _fields_table(group.model_fields)
    yield from _variables()


def _fields_table(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    yield _table(
        ("Key", "Accepts", "Default", "What for"),
        [
            (f"`{name}`", _accepts(field), _shown_default(field), field.description)
            for name, field in fields.items()
        ],
    )
    yield ""


def _variables() -> Iterator[str]:
    yield "## Variables of the app"
    yield ""
    yield "Values that are not secret, under `app`. A task gets every one of them."
    yield ""
    yield _table(
        ("Variable", "Accepts", "Default", "What for"),
        [
            (
                f"`{variable.name}`",
                variable.rule.says,
                f"`{variable.default}`" if variable.default else "required",
                variable.description,
            )
            for variable in APP.of_kind(Kind.PLAIN)
        ],
    )
    yield ""
    yield (
        "Secrets, under `secrets`. On AWS a stack keeps them in Secrets Manager as "
        "`stromhaltig/<stack>/<NAME>`, on a Docker host as files that only the app's "
        "containers mount, on DigitalOcean and Railway as variables of the app. How "
        "every variable reaches it: [platforms.md](platforms.md)."
    )
    yield ""
    yield _table(
        ("Secret", "Must be", "Where it comes from", "What for"),
        [
            (
                f"`{variable.name}`",
                variable.rule.says,
                _source(variable),
                variable.description,
            )
            for variable in _secrets()
        ],
    )
    yield ""
    yield "Set by the platform, and refused under `app` and `secrets`."
    yield ""
    yield _table(
        ("Variable", "Value", "What for"),
        [
            (
                f"`{variable.name}`",
                f"`{variable.default}`" if variable.default else variable.rule.says,
                variable.description,
            )
            for variable in APP.of_kind(Kind.PLATFORM)
        ],
    )


def _secrets() -> list[Variable]:
    """Return the app's secrets, and those that a platform takes beside them."""
    of_platforms = (p.settings.platform_secrets for p in PLATFORMS.values())
    # Some are taken by several platforms.
    every = dict.fromkeys(chain(*of_platforms))
    return [*APP.of_kind(Kind.OPERATOR, Kind.GENERATED), *every]


def _source(variable: Variable) -> str:
    if variable == DATABASE_LOGIN:
        return "`stromhaltig secrets rotate`"
    if variable.optional:
        return "you, where it is used"
    if variable.kind is Kind.OPERATOR:
        return "you; required in production"
    return f"generated ({GENERATED_LENGTH} letters and digits), unless you set it"


def _sections() -> Iterator[tuple[str, dict[str, FieldInfo]]]:
    """Yield what every platform shares, then what each has of its own."""
    common = _keys(Settings)
    # The common settings cannot know what platforms there are.
    common["platform"] = FieldInfo(
        annotation=cast("type", Literal.__getitem__(tuple(PLATFORMS))),
        default=common["platform"].default,
        description=common["platform"].description,
    )
    yield ANY, common
    for name, platform in PLATFORMS.items():
        own = _keys(platform.settings)
        yield f"`{name}`", {k: f for k, f in own.items() if k not in common}


def _keys(settings: type[Settings]) -> dict[str, FieldInfo]:
    return {
        field.alias.removeprefix(NAMESPACE): field
        for field in settings.model_fields.values()
        if field.alias and field.alias.startswith(NAMESPACE)
    }


def _group(field: FieldInfo) -> type[Group] | None:
    annotation: Any = forms.present(field).annotation
    is_group = isinstance(annotation, type) and issubclass(annotation, Group)
    return annotation if is_group else None


def _held(field: FieldInfo) -> str:
    """Return the names of a group's own keys."""
    group = _group(field)
    return ", ".join(f"`{name}`" for name in group.model_fields) if group else ""


def _engine_type(field: FieldInfo) -> str:
    default = _default(field)
    return _TYPES.get(type(default), "string")


def _default(field: FieldInfo) -> Any:
    """Return a default as YAML has it; what is unset is left out."""
    if isinstance(field.default, Group):
        return field.default.model_dump(mode="json", exclude_none=True)
    return {} if _group(field) else field.default


def _shown_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None:
        return ""
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    if default in ({}, []):
        return "none"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _accepts(field: FieldInfo) -> str:
    if isinstance(field.default, dict) and not field.json_schema_extra:
        return "see below"
    return forms.accepted(forms.present(field))


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(str(c) for c in line)} |" for line in lines)


FILES: Final[Mapping[str, Callable[[str], str]]] = {
    "Pulumi.yaml": project_file,
    "docs/configuration.md": reference,
    "README.md": readme,
}
"""What is generated, and from which text."""


def check(root: Path) -> Iterator[str]:
    """Yield a line for each file that is not as it would be written."""
    for name, render in FILES.items():
        path = root / name
        current = path.read_text(encoding="utf-8") if path.is_file() else ""
        try:
            stale = render(current) != current
        except MissingMarkersError as problem:
            yield f"{problem}."
        else:
            if stale:
                yield f"{name} is stale. Run: python -m tools.config_reference --write"


def write(root: Path) -> Iterator[str]:
    """Bring the files up to date; yield a line for each that changed or could not."""
    for name, render in FILES.items():
        path = root / name
        current = path.read_text(encoding="utf-8") if path.is_file() else ""
        try:
            expected = render(current)
        except MissingMarkersError as problem:
            yield f"{problem}: left as it is."
            continue
        if expected != current:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(expected, encoding="utf-8")
            yield f"{name} written."


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Check or write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="fail when a file is stale")
    mode.add_argument("--write", action="store_true", help="bring the files up to date")
    options = parser.parse_args(arguments)
    lines = list(check(root) if options.check else write(root))
    for line in lines:
        print(line, file=sys.stderr if options.check else sys.stdout)
    return 1 if options.check and lines else 0


if __name__ == "__main__":
    sys.exit(main())
