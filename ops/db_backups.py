"""`stromhaltig db backup|backups|restore|drill`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.common import (
    FAILED,
    DryRunOption,
    JsonOption,
    Steps,
    confirm_by_name,
    print_json,
    print_table,
    say,
)
from ops.db_target import AddressEnvOption, Target, TargetStackOption
from ops.errors import NotOfferedError, OpsError

if TYPE_CHECKING:
    from ops.database.address import Address
    from ops.database.backup import Backup
    from ops.database.databases import Destination
    from ops.database.drill import Drill
    from ops.database.restore import Plan, Source
    from ops.platforms.platform import Snapshot
    from ops.store import Store

KEEP_DAYS = 30
"""How long dumps are kept; the guide's section "Database Backup"."""

StoreOption = Annotated[
    str | None,
    typer.Option(
        metavar="PLACE",
        help="Where dumps are: a folder, or s3://BUCKET/PREFIX?region=REGION. By "
        "default the stack's own place.",
    ),
]
AdminEnvOption = Annotated[
    str | None,
    typer.Option(
        metavar="VARIABLE",
        help="With --address-env: the environment variable with the address of "
        "somebody who may create databases, if the other may not.",
    ),
]
KeepDaysOption = Annotated[
    int,
    typer.Option(
        metavar="DAYS", min=1, help="Remove older dumps, after the new one is in."
    ),
]
BackupArgument = Annotated[
    str, typer.Argument(help="Name of a backup, part of it, or `latest`.")
]
AppOption = Annotated[
    str | None,
    typer.Option(
        metavar="COMMAND",
        help="Starts the app on the restored database, and asks for its health, such "
        'as "node app/dist/main.js".',
    ),
]


class Scratch(StrEnum):
    """Where a drill restores to."""

    server = "server"
    local = "local"


def backup(
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    store: StoreOption = None,
    snapshot: Annotated[
        bool,
        typer.Option(
            "--snapshot", help="A snapshot by the platform instead of a dump."
        ),
    ] = False,
    dump: Annotated[
        bool, typer.Option("--dump", help="With --snapshot: a dump as well.")
    ] = False,
    here: Annotated[
        bool,
        typer.Option(
            "--here",
            help="Dump from this machine, even where the platform has a job for it.",
        ),
    ] = False,
    keep_days: KeepDaysOption = KEEP_DAYS,
) -> None:
    """Back up the database: a dump that is read back, or a snapshot.

    Prints the name of what was made.
    """
    from ops.database.backup import dumps

    place = _Place(Target(stack, address_env), store)
    steps = Steps()
    with place.target.operation("db backup"):
        if snapshot:
            with steps.step("snapshot"):
                name = place.demand_platform("snapshots").snapshot(_label())
            print(name)
        if dump or not snapshot:
            made = _dump(place, steps, here=here or store is not None)
            shelf = dumps(place.store())
            for gone in shelf.expire_after_backup(timedelta(days=keep_days)):
                say(f"Removed {gone}, older than {keep_days} days.")
            print(made.name)
            say(f"Backed up and verified: {made.where}")


def backups(
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    store: StoreOption = None,
    verify: Annotated[
        str | None,
        typer.Option(
            metavar="BACKUP",
            help="Read this one to its end, or `all` that were not verified yet.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List dumps and snapshots, the newest first."""
    from ops.database import backup as of_database

    place = _Place(Target(stack, address_env), store)
    if verify:
        shelf = of_database.dumps(place.store())
        for one in (
            [one for one in shelf.all() if not one.manifest]
            if verify == "all"
            else [shelf.find(verify)]
        ):
            say(one.where)
            of_database.verify(shelf.store, one, Steps())
    listed = _listed(place)
    if json:
        print_json(listed)
    else:
        _show(listed)


def restore(
    backup: Annotated[
        str | None,
        typer.Argument(
            help="Name of a dump, part of it, or `latest`; or a database that "
            "--no-swap left."
        ),
    ] = None,
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    admin_env: AdminEnvOption = None,
    store: StoreOption = None,
    snapshot: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="From a snapshot instead, or `latest` one."),
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME", help="As of a moment instead, in UTC: 2026-11-29T22:00:00."
        ),
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Restore this database of the server instead of the app's.",
        ),
    ] = None,
    swap: Annotated[
        bool, typer.Option(help="Let it take the place of the live one.")
    ] = True,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Go back to the database that was replaced last."),
    ] = False,
    drop_kept: Annotated[
        bool,
        typer.Option(
            "--drop-kept",
            help="Remove what restores left: databases that were replaced, and those "
            "of --no-swap.",
        ),
    ] = False,
    allow_newer_schema: Annotated[
        bool,
        typer.Option(
            "--allow-newer-schema",
            help="Take a backup of a newer schema than the app's, too.",
        ),
    ] = False,
    yes_replace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Answers in advance: the name of the stack, or of the database.",
        ),
    ] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Restore the database beside the live one, check it, and swap the two.

    The live one is kept under another name. Nothing of it is touched unless all else
    has succeeded.
    """
    chosen = [bool(x) for x in (backup, snapshot, at, undo, drop_kept)]
    if sum(chosen) != 1:
        raise OpsError(
            "Restore what? Name one: a BACKUP (see: stromhaltig db backups), `latest`, "
            "--snapshot NAME, --at TIME, --undo or --drop-kept"
        )
    place = _Place(Target(stack, address_env), store, admin_env)
    work = _Restore(place, given=yes_replace, dry_run=dry_run)
    if snapshot:
        snapshot = place.snapshot(snapshot).name
    with work.place.destination(into) as to:
        if undo:
            work.undo(to)
        elif drop_kept:
            work.drop_kept(to)
        elif backup and work.is_kept(to, backup):
            work.swap_kept(to, backup)
        else:
            with work.place.source(backup, snapshot, at) as (source, size):
                work.restore(source, size, to, swap, allow_newer_schema)


def drill(
    backup: BackupArgument = "latest",
    stack: TargetStackOption = None,
    address_env: AddressEnvOption = None,
    admin_env: AdminEnvOption = None,
    store: StoreOption = None,
    snapshot: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A snapshot instead, on a server of its own."
        ),
    ] = None,
    scratch: Annotated[
        Scratch,
        typer.Option(
            help="server: a database beside the live one. local: a PostgreSQL of this "
            "machine, gone afterwards."
        ),
    ] = Scratch.server,
    scratch_env: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE",
            help="Instead: the environment variable with the address of a server to "
            "restore to, as somebody who may create databases there.",
        ),
    ] = None,
    app: AppOption = None,
    max_age: Annotated[
        float | None,
        typer.Option(metavar="HOURS", help="Fails when the data is older."),
    ] = None,
    max_seconds: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Fails when the restore takes longer."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Restore the newest backup into a scratch place, and look at it.

    Tells how long a restore takes and how old its data is. Exit code 1 when it fails.
    """
    from ops.database.drill import Limits
    from ops.database.drill import drill as run

    place = _Place(Target(stack, address_env), store, admin_env)
    steps = Steps()
    age = None if max_age is None else timedelta(hours=max_age)
    limits = Limits(age, max_seconds)
    with place.audited("db drill"):
        if snapshot:
            result = _drill_snapshot(place, snapshot, steps, app, limits)
        else:
            from ops.database.backup import dumps
            from ops.database.restore import StoredDump

            found = dumps(place.store()).find(backup)
            with place.scratch(found, scratch, scratch_env) as to:
                result = run(
                    StoredDump(place.store(), found),
                    found.at,
                    to,
                    steps,
                    app=app,
                    limits=limits,
                    size=found.manifest.database_size if found.manifest else 0,
                    create_roles=scratch is Scratch.local and not scratch_env,
                )
    if json:
        print_json(result)
    else:
        _show_drill(result)
    if not result.passed:
        raise typer.Exit(FAILED)


@dataclass
class _Place:
    """Which database, and where its backups are."""

    target: Target
    place: str | None
    admin_env: str | None = None

    def store(self) -> Store:
        """Where dumps are.

        Raises OpsError when nobody said.
        """
        from ops.store import opened

        if self.place:
            return opened(self.place)
        platform = self.target.platform()
        if platform is None:
            raise OpsError(
                "An address says nothing of a place for backups. Name one: --store "
                "FOLDER, or --store s3://BUCKET/PREFIX?region=REGION"
            )
        return platform.backups()

    def demand_platform(self, what: str) -> Any:
        """The stack's platform.

        Raises OpsError for a mere address.
        """
        platform = self.target.platform()
        if platform is None:
            raise OpsError(
                f"An address has no {what}: they are the platform's. Name the stack "
                "with --stack"
            )
        return platform

    @contextmanager
    def destination(self, into: str | None = None) -> Iterator[Destination]:
        """Ways to the database's server, as the app and as an administrator.

        into: another database of it than the app's.
        """
        from ops.database.databases import Destination

        platform = self.target.platform()
        free = platform.room() if platform else None
        with self.target.database() as login, self._admin() as admin:
            yield Destination(login.to(into) if into else login, admin, free)

    def snapshot(self, wanted: str) -> Snapshot:
        """One of the platform's snapshots, by its name; `latest` is one that is ready.

        Raises OpsError, naming the nearest, when there is none.
        """
        from ops.errors import nearest

        known: list[Snapshot] = self.demand_platform("snapshots").snapshots()
        ready = [one for one in known if one.state == "available"]
        meant = ready if wanted == "latest" else [x for x in known if x.name == wanted]
        found = next(iter(meant), None)
        if found is None:
            hint = nearest(wanted, [one.name for one in known], kind="snapshots")
            raise OpsError(f'There is no snapshot "{wanted}". {hint}')
        return found

    def _admin(self) -> AbstractContextManager[Address]:
        if self.admin_env and self.target.stack is None:
            return Target(None, self.admin_env).database()
        return self.target.database(admin=True)

    @contextmanager
    def source(
        self, backup: str | None, snapshot: str | None, at: datetime | None
    ) -> Iterator[tuple[Source, int]]:
        """What to restore from, and the bytes that it had on its server, if known."""
        from ops.database.backup import dumps
        from ops.database.restore import ScratchServer, StoredDump

        if backup:
            found = dumps(self.store()).find(backup)
            size = found.manifest.database_size if found.manifest else 0
            yield StoredDump(self.store(), found), size
            return
        moment = at.replace(tzinfo=UTC) if at else None
        platform = self.demand_platform("snapshots")
        say("The platform makes a server with that data; this takes minutes …")
        with platform.scratch(snapshot=snapshot, at=moment) as address:
            name = f"snapshot {snapshot}" if snapshot else f"{moment:%Y-%m-%d %H:%M:%S}"
            yield ScratchServer(name, address), 0

    @contextmanager
    def scratch(
        self, backup: Backup, kind: Scratch, variable: str | None
    ) -> Iterator[Destination]:
        """Where a drill may restore a backup to."""
        from ops.database.databases import Destination
        from ops.database.dump import major
        from ops.database.throwaway import throwaway_server

        if variable:
            with Target(None, variable).database() as server:
                yield Destination(server, server)
        elif kind is Scratch.local:
            known = backup.manifest
            with throwaway_server(major(known.contents.server) if known else 1) as own:
                yield Destination(own.to(backup.subject), own)
        else:
            with self.destination() as to:
                yield to

    def allowed_schema(self) -> int | None:
        """Schema of the release that runs; None when nothing is recorded."""
        from ops.database.dump import version
        from ops.releases import releases

        known = releases(self.target.stack.records) if self.target.stack else []
        return version(known[0].schema) if known and known[0].schema else None

    def release(self) -> str:
        """The release that runs, as it is recorded; empty when it is not."""
        from ops.releases import releases

        known = releases(self.target.stack.records) if self.target.stack else []
        return f"{known[0].label} {known[0].image}" if known else ""

    def audited(self, command: str) -> AbstractContextManager[object]:
        """Be in the stack's audit log; its lock is for those who change it."""
        from ops.audit import audited

        stack = self.target.stack
        return audited(stack.records, command) if stack else nullcontext()


@dataclass
class _Restore:
    """What `db restore` does, one method for each way."""

    place: _Place
    given: str | None
    dry_run: bool

    def restore(
        self,
        source: Source,
        size: int,
        to: Destination,
        swap: bool,
        allow_newer_schema: bool,
    ) -> None:
        """Load, check, and swap or keep."""
        from ops.database.restore import loaded, plan
        from ops.database.swap import keep

        steps = Steps()
        planned = plan(
            source,
            to,
            steps,
            allowed_schema=self.place.allowed_schema(),
            any_schema=allow_newer_schema,
            size=size,
        )
        _announce(planned, swap)
        if self._nothing_to_do():
            return
        if swap and planned.live:
            self._agree(f"Replace the database {to.live} on {to.login.host}?", to)
        with self._operation({"backup": source.name, "into": to.live}) as held:
            with loaded(planned, steps) as new:
                if swap:
                    held()
                    self._swap(to, new, steps)
                else:
                    kept = keep(to, new)
            for note in planned.notes:
                say(note)
        if not swap:
            print(kept)
            say(f"Restored beside {to.live}. Swap it in: {self._again(kept)}")

    def is_kept(self, to: Destination, name: str) -> bool:
        """Whether a name is that of a database that waits beside the live one."""
        from ops.database.databases import maintained
        from ops.database.swap import kept

        with maintained(to.admin) as connection:
            return name in kept(connection, to.live)

    def swap_kept(self, to: Destination, name: str) -> None:
        """Let a database that waits take the live one's place."""
        say(f"{name} takes the place of {to.live}, which is kept.")
        if self._nothing_to_do():
            return
        self._agree(f"Replace the database {to.live} on {to.login.host}?", to)
        with self._operation({"backup": name, "into": to.live}) as held:
            held()
            self._swap(to, name, Steps())

    def undo(self, to: Destination) -> None:
        """Go back to the database of before."""
        from ops.database.swap import newest_before

        self.swap_kept(to, newest_before(to))

    def drop_kept(self, to: Destination) -> None:
        """Remove what restores have kept."""
        from ops.database.databases import drop, maintained
        from ops.database.swap import kept

        with maintained(to.admin) as connection:
            names = kept(connection, to.live)
            if not names:
                say(f"No restore left a database beside {to.live}.")
                return
            say(f"To be removed for good: {', '.join(names)}")
            if self._nothing_to_do():
                return
            self._agree("Remove them for good?", to)
            with self._operation({"drop": ", ".join(names)}):
                for name in names:
                    drop(connection, name)
        say(f"Removed {len(names)}.")

    def _swap(self, to: Destination, new: str, steps: Steps) -> None:
        from ops.database.swap import swap

        with steps.step("swap"):
            before = swap(to, new)
        if not before:
            say(f"Restored: {to.live} is there again.")
            return
        print(before)
        say(
            f"Restored: {to.live} was replaced. The database of before is {before}. "
            f"Go back to it: {self._again('--undo')}. "
            f"Remove it: {self._again('--drop-kept')}"
        )

    def _again(self, what: str) -> str:
        """The command for another step on the same database."""
        target, admin = self.place.target, self.place.admin_env
        which = (
            f"--stack {target.stack.name}"
            if target.stack
            else f"--address-env {target.variable}"
            + (f" --admin-env {admin}" if admin else "")
        )
        return f"stromhaltig db restore {what} {which}"

    def _nothing_to_do(self) -> bool:
        if self.dry_run:
            say("Nothing was done.")
        return self.dry_run

    def _agree(self, question: str, to: Destination) -> None:
        stack = self.place.target.stack
        name = stack.name if stack else to.live
        confirm_by_name(question, name, given=self.given, option="--yes-replace")

    @contextmanager
    def _operation(self, details: dict[str, str]) -> Iterator[Any]:
        """Yields what to call before what cannot be undone."""
        with self.place.target.operation("db restore", details) as under_lock:
            yield under_lock[0].check if isinstance(under_lock, tuple) else lambda: None


def _announce(planned: Plan, swap: bool) -> None:
    live = planned.to.live
    say(
        f"{planned.source.name} ({planned.contents.rows:,} rows, "
        f"{planned.contents.schema_says}) goes into a new database on "
        f"{planned.to.login.host}, and is checked there."
    )
    if not swap:
        say(f"It stays beside {live}.")
    elif planned.live:
        say(
            f"Then it takes the place of {live}: everybody is disconnected for a "
            "moment, and what was written since the backup is only in the database of "
            "before, which is kept."
        )
    else:
        say(f"There is no database {live}: it becomes that.")


def _label() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}"


def _dump(place: _Place, steps: Steps, *, here: bool) -> Backup:
    from ops.database.backup import back_up, dumps, verify

    store = place.store()
    platform = place.target.platform()
    if platform and not here:
        try:
            name = platform.dump()
        except NotOfferedError:
            pass  # then from here
        else:
            return verify(store, dumps(store).find(name), steps)
    with place.target.database() as address:
        return back_up(address, store, steps, release=place.release())


@dataclass(frozen=True)
class _Line:
    """One line of `db backups`."""

    kind: str
    name: str
    at: datetime
    size: int | None
    rows: int | None
    schema: int | None
    verified: datetime | None
    where: str
    note: str


def _listed(place: _Place) -> list[_Line]:
    from ops.database.backup import dumps

    lines = []
    platform = place.target.platform()
    try:
        lines += [_line_of_dump(one) for one in dumps(place.store()).all()]
    except NotOfferedError as error:
        say(str(error))
    if platform:
        try:
            lines += [_line_of_snapshot(one) for one in platform.snapshots()]
        except NotOfferedError as error:
            say(str(error))
    return sorted(lines, key=lambda line: line.at, reverse=True)


def _line_of_dump(one: Backup) -> _Line:
    known = one.manifest
    return _Line(
        kind="dump",
        name=one.name,
        at=one.at,
        size=one.size,
        rows=known.contents.rows if known else None,
        schema=known.contents.schema if known else None,
        verified=known.verified if known else None,
        where=one.where,
        note="" if known else "not verified here",
    )


def _line_of_snapshot(one: Snapshot) -> _Line:
    return _Line(
        kind="snapshot",
        name=one.name,
        at=one.at,
        size=one.gib * 1024**3,
        rows=None,
        schema=None,
        verified=None,
        where="the platform",
        note=one.state,
    )


def _show(lines: list[_Line]) -> None:
    if not lines:
        print("There is no backup. Make one: stromhaltig db backup")
        return
    from ops.sizes import size

    print_table(
        ("when (UTC)", "kind", "name", "size", "rows", "schema", "verified"),
        (
            (
                f"{line.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                line.kind,
                line.name,
                size(line.size),
                "" if line.rows is None else f"{line.rows:,}",
                "" if line.schema is None else f"{line.schema:03}",
                f"{line.verified:%Y-%m-%d %H:%M}" if line.verified else line.note,
            )
            for line in lines
        ),
    )


def _drill_snapshot(
    place: _Place, name: str, steps: Steps, app: str | None, limits: Any
) -> Drill:
    import time

    from ops.database.drill import drill_server

    one = place.snapshot(name)
    began = time.monotonic()
    with place.demand_platform("snapshots").scratch(snapshot=one.name) as address:
        took = time.monotonic() - began
        return drill_server(
            one.name, one.at, address, took, steps, app=app, limits=limits
        )


def _show_drill(result: Drill) -> None:
    for found in result.checks:
        print(f"  ok    {found}")
    for problem in result.problems:
        print(f"  FAIL  {problem}")
    print(
        f"{'PASSED' if result.passed else 'FAILED'}: {result.backup}, "
        f"{result.rows:,} rows of {result.tables} tables. Recovery took "
        f"{result.seconds:.1f} s; the data is {_words(result.age)} old."
    )


def _words(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours >= 1 else f"{seconds / 60:.0f} min"
