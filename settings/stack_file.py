"""Settings of a stack file without its secrets, for what takes only their names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from contract import APP, Kind, Variable, stand_in
from settings.model import NAMESPACE, Settings
from settings.parsing import PLATFORMS, SettingsError, parse

_SECRETS = f"{NAMESPACE}secrets"
_WORD = "stands-in-for-what-only-the-operator-knows"


def read(stack: str, folder: Path) -> Settings:
    """Check a stack file; whatever is encrypted in it, or missing, stands in.

    Raises:
        SettingsError: with every problem there is, a missing file among them.
    """
    file = folder / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        there = sorted(
            path.name.removeprefix("Pulumi.").removesuffix(".yaml")
            for path in folder.glob("Pulumi.*.yaml")
        )
        raise SettingsError(
            stack, [f"there is no such file; stacks here: {', '.join(there)}"]
        )
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        values: dict[str, Any] = dict(content.get("config") or {})
    except (AttributeError, TypeError, ValueError, yaml.YAMLError):
        # Not what is wrong: the message would quote lines of the file.
        raise SettingsError(stack, ["it is no YAML with a `config` section"]) from None
    platform = PLATFORMS.get(str(values.get(f"{NAMESPACE}platform", "aws")))
    kind = platform.settings if platform else Settings
    app = {v.name: v for v in APP.of_kind(Kind.OPERATOR)}
    own = {v.name: v for v in kind.platform_secrets} | app
    given = values.get(_SECRETS) or {}
    known = {name: variable for name, variable in own.items() if name in given}
    keys = kind.provider_secrets
    try:
        return _parsed(stack, values, known, keys & values.keys())
    except SettingsError:
        # Some of the problems may be no more than secrets that are not there yet.
        return _parsed(stack, values, app | known, keys)


def _parsed(
    stack: str,
    values: Mapping[str, Any],
    secrets: Mapping[str, Variable],
    keys: Collection[str],
) -> Settings:
    """Check settings with stand-ins for secrets, and for keys that are secret."""
    without = {key: value for key, value in values.items() if key != _SECRETS}
    told = {name: stand_in(variable, _WORD) for name, variable in secrets.items()}
    return parse(
        stack,
        {
            **without,
            **dict.fromkeys(keys, _WORD),
            **({_SECRETS: told} if told else {}),
        },
        secret_keys={_SECRETS, *keys},
    )
