"""What is remembered of a stack beside its state: locks, releases, an audit log.

It is kept where the state is, below `.stromhaltig/STACK/`, so that whoever may deploy
finds it, and nothing else has to be set up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ops.errors import OpsError
from ops.store import FolderStore, Store, bucket

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_R = TypeVar("_R", bound="DataclassInstance")

VARIABLE = "STROMHALTIG_RECORDS"
"""Overrides the place: `s3://BUCKET?region=REGION` or `file://FOLDER`."""

FOLDER = ".stromhaltig"


def records(stack: str, backend_url: str) -> Store:
    """The records of a stack.

    backend_url: as `pulumi whoami --verbose` names the state's place.

    Raises OpsError for a place of which we have no client.
    """
    url = os.environ.get(VARIABLE) or backend_url
    found = store_at(url, FOLDER, stack)
    if found is None:
        raise OpsError(
            f"The state is at {url}, where locks and releases cannot be kept. Name a "
            f"place for them: {VARIABLE}=s3://BUCKET?region=REGION or file:///FOLDER"
        )
    return found


def store_at(url: str, *below: str) -> Store | None:
    """What a backend's URL leads to; None for services that are no store of files.

    below: folders in it.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FolderStore(_folder(parts.netloc, parts.path).joinpath(*below))
    if parts.scheme == "s3" and parts.netloc:
        return bucket(parts, *below)
    return None


def read(records: Store, name: str, kind: type[_R], **other: Any) -> _R:
    """Read one record.

    kind: its dataclass; what a later version of this command has added is left out.
    other: name of a field to what reads its value, where JSON has no such type.

    Raises FileNotFoundError when there is none, OpsError for what is no such record.
    """
    text = b"".join(records.read(name))
    try:
        data: Mapping[str, Any] = json.loads(text)
        known = {f.name for f in fields(kind)} & data.keys()
        return kind(**{key: other.get(key, _same)(data[key]) for key in known})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise OpsError(
            f"{records.where(name)} is no record of a {kind.__name__.lower()}. Look at "
            "it, and remove it when it is of no use"
        ) from error


def _same(value: Any) -> Any:
    return value


def _folder(host: str, path: str) -> Path:
    """Folder of a `file://` URL; `file://~` is the home, as Pulumi has it."""
    if host == "~":
        return Path.home() / path.strip("/")
    return Path(f"{host}{path}")
