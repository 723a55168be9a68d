"""What is remembered of a stack beside its state: locks, releases, an audit log.

It is kept where the state is, below `.stromhaltig/STACK/`, so that whoever may deploy
finds it, and nothing else has to be set up.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ops.errors import OpsError
from ops.store import FolderStore, S3Store, Store

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
        import boto3

        region = parse_qs(parts.query).get("region", [None])[0]
        prefix = "/".join(filter(None, [parts.path.strip("/"), *below]))
        client = boto3.client("s3", region_name=region)
        return S3Store(client, parts.netloc, f"{prefix}/" if prefix else "")
    return None


def _folder(host: str, path: str) -> Path:
    """Folder of a `file://` URL; `file://~` is the home, as Pulumi has it."""
    if host == "~":
        return Path.home() / path.strip("/")
    return Path(f"{host}{path}")
