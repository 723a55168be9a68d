"""`stromhaltig files`: backups of the uploaded files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.common import (
    DryRunOption,
    JsonOption,
    Steps,
    YesOption,
    confirm,
    confirm_by_name,
    print_json,
    print_table,
    say,
    stack_option,
)
from ops.errors import NotOfferedError, OpsError

if TYPE_CHECKING:
    from ops.archives import Archive, Uploads
    from ops.platforms.platform import Platform
    from ops.stack import Stack
    from ops.store import Store

KEEP_DAYS = 7
"""How long archives are kept; the guide's section "File Backup"."""

UploadsStackOption = Annotated[
    str | None, stack_option("Whose uploads, by the name that Pulumi knows.")
]
DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Instead of a stack's: uploads in a folder of here."
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        metavar="PLACE",
        help="Where archives are: a folder, or s3://BUCKET/PREFIX?region=REGION. By "
        "default the stack's own place.",
    ),
]

app = typer.Typer(no_args_is_help=True, help="Uploaded files: backup and restore.")


@app.command()
def backup(
    stack: UploadsStackOption = None,
    directory: DirectoryOption = None,
    store: StoreOption = None,
    keep_days: Annotated[
        int,
        typer.Option(
            metavar="DAYS",
            min=1,
            help="Remove older archives, after the new one is in.",
        ),
    ] = KEEP_DAYS,
) -> None:
    """Archive the uploads, and read the archive back.

    Prints the name of what was made.
    """
    from ops.archives import archives

    place = _Place.of(stack, directory, store)
    with place.operation("files backup"):
        made = _back_up(place, Steps())
        shelf = archives(place.store)
        for gone in shelf.expire_after_backup(timedelta(days=keep_days)):
            say(f"Removed {gone}, older than {keep_days} days.")
    print(made.name)
    say(f"Backed up and verified: {made.where}")


@app.command("list")
def list_archives(
    stack: UploadsStackOption = None,
    directory: DirectoryOption = None,
    store: StoreOption = None,
    verify: Annotated[
        str | None,
        typer.Option(
            metavar="ARCHIVE",
            help="Read this one to its end, or `all` that were not verified yet.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List archives, the newest first."""
    from ops.archives import archives
    from ops.archives import verify as read_back

    place = _Place.of(stack, directory, store)
    shelf = archives(place.store)
    if verify:
        for one in (
            [one for one in shelf.all() if not one.manifest]
            if verify == "all"
            else [shelf.find(verify)]
        ):
            say(one.where)
            read_back(place.store, one, Steps())
    if json:
        print_json(shelf.all())
    else:
        _show(shelf.all())


@app.command()
def restore(
    archive: Annotated[
        str, typer.Argument(help="Name of an archive, part of it, or `latest`.")
    ],
    stack: UploadsStackOption = None,
    directory: DirectoryOption = None,
    store: StoreOption = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Files that are not in the archive go, too. By default they stay, and "
            "only those of the archive are written.",
        ),
    ] = False,
    safety: Annotated[
        bool, typer.Option(help="Archive what is there before it is changed.")
    ] = True,
    yes_replace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Answers in advance for --replace: the name of the stack or folder.",
        ),
    ] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Put the files of an archive back, once all of it was found good."""
    from ops.archives import archives
    from ops.archives import restore as put_back

    place = _Place.of(stack, directory, store)
    found = archives(place.store).find(archive)
    effect = "replace all uploads" if replace else "are put back; others stay"
    say(f"The files of {found.where} {effect}, at {place.name}.")
    if dry_run:
        say("Nothing was done.")
        return
    question = f"Restore uploads of {place.name}?"
    if replace:
        confirm_by_name(question, place.name, given=yes_replace, option="--yes-replace")
    else:
        confirm(question, yes=yes)
    steps = Steps()
    with place.operation("files restore", {"archive": found.name}):
        before = _back_up(place, steps).name if safety else None
        done = put_back(
            place.store,
            found,
            place.uploads,
            steps,
            replace=replace,
            platform=place.platform,
        )
    say(f"Restored {done.files:,} files of {found.name}.")
    if before:
        say(
            f"What was there before is {before}. Go back to it with the same options: "
            f"stromhaltig files restore --replace {before}"
        )


@dataclass(frozen=True)
class _Place:
    """Which uploads, and where their archives are.

    name: of the stack or folder, to be typed where something is replaced.
    """

    name: str
    uploads: Uploads
    store: Store
    stack: Stack | None = None
    platform: Platform | None = None

    @classmethod
    def of(cls, stack: str | None, directory: Path | None, place: str | None) -> _Place:
        """What options name; a folder goes first.

        Raises OpsError when they do not say enough.
        """
        from ops.archives import Directory
        from ops.store import opened

        if directory:
            if not place:
                raise OpsError(
                    "A folder says nothing of a place for archives. Name one: --store "
                    "FOLDER, or --store s3://BUCKET/PREFIX?region=REGION"
                )
            return cls(directory.name, Directory(directory), opened(place))
        if not stack:
            raise OpsError(
                "Which uploads? Name a stack with --stack, or a folder with --directory"
            )
        from ops.platforms import platform_of
        from ops.stack import Stack

        found = Stack(stack)
        platform = platform_of(found)
        store = opened(place) if place else platform.backups()
        return cls(stack, platform, store, found, None if place else platform)

    @contextmanager
    def operation(
        self, command: str, details: dict[str, str] | None = None
    ) -> Iterator[None]:
        """Have the stack's lock, and be in its audit log, during the block."""
        from ops.audit import operation

        held: AbstractContextManager[object] = (
            operation(self.stack, command, details) if self.stack else nullcontext()
        )
        with held:
            yield


def _back_up(place: _Place, steps: Steps) -> Archive:
    """By the platform's own job where it has one, and else from here."""
    from ops.archives import archives, back_up, verify

    if place.platform:
        try:
            name = place.platform.archive()
        except NotOfferedError:
            pass  # then from here
        else:
            return verify(place.store, archives(place.store).find(name), steps)
    return back_up(place.uploads, place.store, steps)


def _show(listed: list[Archive]) -> None:
    if not listed:
        print("There is no archive. Make one: stromhaltig files backup")
        return
    from ops.sizes import size

    def line(one: Archive) -> tuple[str, ...]:
        known = one.manifest
        return (
            f"{one.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            one.name,
            size(one.size),
            f"{known.files:,}" if known else "",
            f"{known.verified:%Y-%m-%d %H:%M}" if known else "not verified here",
        )

    print_table(("when (UTC)", "name", "size", "files", "verified"), map(line, listed))
