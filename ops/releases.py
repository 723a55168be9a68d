"""The releases of a stack: what ran, since when, by whom."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ops.errors import OpsError, nearest
from ops.records import read
from ops.store import Store

PREFIX = "releases/"


@dataclass(frozen=True, kw_only=True)
class Release:
    """One deployment that serves, or served.

    number: counts up from 1. image: reference that ran, by digest where known.
    revision, deployment: as the platform calls what it ran; see `Running`.
    schema: version of the newest migration; None when nobody could ask.
    migrations: those that came with it. irreversible: of these, without a script that
    undoes them. back: the release that this one went back to.
    """

    number: int
    at: str
    who: str
    image: str
    revision: str
    deployment: str
    git: str = ""
    schema: str | None = None
    migrations: tuple[str, ...] = ()
    irreversible: tuple[str, ...] = ()
    seconds: float = 0.0
    run: str = ""
    back: int | None = None

    @property
    def label(self) -> str:
        """As it is called: `r12`."""
        return f"r{self.number}"


def releases(records: Store) -> list[Release]:
    """All releases, the newest first."""
    found = [
        read(records, entry.name, Release, migrations=tuple, irreversible=tuple)
        for entry in records.entries(PREFIX)
    ]
    return sorted(found, key=lambda release: release.number, reverse=True)


def record(records: Store, release: Release) -> Release:
    """Write a release under the next free number, and return it."""
    number = release.number
    while True:
        numbered = Release(**{**asdict(release), "number": number})
        if records.create(_name(number), json.dumps(asdict(numbered)).encode()):
            return numbered
        number += 1


def find(
    known: list[Release], wanted: str | None, *, running: str | None = None
) -> Release:
    """The release that is meant: by label, number, digest or revision.

    wanted: None for the one before the one that runs. running: its image, if known: it
    may be none that was recorded.

    Raises OpsError, naming the nearest, when there is none or several.
    """
    if wanted is None:
        others = _before(known, running)
        if not others:
            raise OpsError(
                "There is no release before the one that runs. Releases are recorded "
                "by: stromhaltig deploy"
            )
        return others[0]
    meant = [release for release in known if wanted in _names(release)]
    meant = meant or [
        release
        for release in known
        if len(wanted) >= 6 and wanted.removeprefix("sha256:") in release.image
    ]
    images = {release.image for release in meant}
    if len(images) > 1:
        found = ", ".join(release.label for release in meant)
        raise OpsError(f'"{wanted}" may be one of {found}. Say which')
    if not meant:
        labels = nearest(wanted, [r.label for r in known], kind="releases")
        raise OpsError(f'There is no release "{wanted}". {labels}')
    return meant[0]


def _before(known: list[Release], running: str | None) -> list[Release]:
    """The releases of another image that ran before the one that runs.

    After going back, that is before the one gone back to: what was left is no way back.
    When an image runs that is not the newest recorded, such as after a deployment that
    was killed, the newest recorded is the one before.
    """
    if not known:
        return []
    newest = known[0]
    if running and running != newest.image:
        return [r for r in known if r.image != running]
    began = newest.back or newest.number
    return [r for r in known if r.number < began and r.image != newest.image]


def schema(known: list[Release]) -> str | None:
    """What the database was at when last somebody could ask; None when never."""
    return next((release.schema for release in known if release.schema), None)


def between(known: list[Release], target: Release) -> list[Release]:
    """The releases after one, the newest first."""
    return [release for release in known if release.number > target.number]


def _names(release: Release) -> set[str]:
    return {
        *(release.label, str(release.number), release.image, release.revision),
        *([release.git] if release.git else []),
    }


def _name(number: int) -> str:
    return f"{PREFIX}{number:06}.json"
