"""When two property values mean the same, though they are not written the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def equivalent(known: Any, live: Any) -> bool:
    """Whether the cloud's value says what the program's value asks for.

    A live object may have more keys than the program names; lists are sets unless
    their items are JSON of a document; numbers and booleans may come as strings;
    nothing, empty and false are the same.
    """
    if _is_nothing(known) and _is_nothing(live):
        return True
    if isinstance(known, Mapping) and isinstance(live, Mapping):
        return all(equivalent(item, live.get(key)) for key, item in known.items())
    if isinstance(known, list) and isinstance(live, list):
        return len(known) == len(live) and _same_items(known, live)
    if isinstance(known, str) and isinstance(live, str):
        return known == live or _same_document(known, live)
    return _scalar(known) == _scalar(live)


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """The properties that differ between two sets of inputs."""
    return {
        key
        for key in {*old, *new}
        if not (equivalent(old.get(key), new.get(key)) and _same_size(old, new, key))
    }


def project(known: Any, live: Any) -> Any:
    """The live value, cut down to what the program speaks of."""
    if isinstance(known, Mapping) and isinstance(live, Mapping):
        return {k: project(known[k], v) for k, v in live.items() if k in known}
    return live


def not_kept(known: Any, live: Any, at: str) -> str | None:
    """Where the cloud has something else than was asked for; None when nowhere."""
    if equivalent(known, live):
        return None
    if isinstance(known, Mapping) and isinstance(live, Mapping):
        found = (not_kept(v, live.get(k), f"{at}.{k}") for k, v in known.items())
        return next(filter(None, found), at)
    return at


def _same_size(old: Mapping[str, Any], new: Mapping[str, Any], key: str) -> bool:
    """A key that a nested object lost is a change too: equivalence is one-sided."""
    return equivalent(new.get(key), old.get(key))


def _same_items(known: list[Any], live: list[Any]) -> bool:
    """Whether each item has a partner of its own; the lists are equally long."""
    if not known:
        return True
    item, *others = known
    return any(
        equivalent(item, partner) and _same_items(others, live[:i] + live[i + 1 :])
        for i, partner in enumerate(live)
        if partner not in live[:i]  # its twin has been tried
    )


def _same_document(known: str, live: str) -> bool:
    if not (known[:1] in "{[" and live[:1] in "{["):
        return False
    try:
        return bool(json.loads(known) == json.loads(live))
    except ValueError:
        return False


def _is_nothing(value: Any) -> bool:
    return value in (None, "", False) or value == [] or value == {}


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
