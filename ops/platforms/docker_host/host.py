"""One machine with a Docker Engine, which everything runs on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from components.docker.names import CLIENT
from components.docker.proxy_config import MAINTENANCE_FLAG
from contract import AppContract
from ops.database.address import Address
from ops.errors import NotOfferedError, OpsError
from ops.platforms import site
from ops.platforms.docker_host import facts, firewall, logs, one_off, volumes
from ops.platforms.docker_host.engine import Engine
from ops.platforms.docker_host.rollout import Names, Rollout, health
from ops.platforms.docker_host.terminal import interact
from ops.platforms.docker_host.tunnel import LOOPBACK, tunnel
from ops.platforms.platform import (
    Ended,
    Fact,
    LogLine,
    LogQuery,
    Measure,
    Running,
    Snapshot,
    State,
    Verdict,
)
from ops.sizes import size

if TYPE_CHECKING:
    from ops.stack import Stack
    from ops.store import Store

ADMIN = "postgres"
"""The superuser that PostgreSQL's image makes."""

BACKUPS = "/backups"
"""Where the backup container has the volume of backups."""

CONNECTIONS_PERCENT = 80.0
"""Of `max_connections`: the rest is for a roll-out, which doubles the app."""

_ADMIN_PASSWORD = "/run/secrets/admin_password"  # noqa: S105 - a path
_DATA = "/var/lib/postgresql/data"
_FLAG = f"{CLIENT}/{MAINTENANCE_FLAG}"
_OLD = 26 * 3600  # seconds; a day, and two hours for a backup that takes long


class DockerHost:
    """The stack on a Docker host, which is reached as Pulumi reaches it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._outputs = stack.outputs
        self._contract = AppContract()

    @cached_property
    def _engine(self) -> Engine:
        return Engine(self._outputs["host"])

    @cached_property
    def _rollout(self) -> Rollout:
        return Rollout(self._engine, Names.of(self._outputs))

    def running(self) -> Running | None:
        """The release that was made last."""
        return self._rollout.running()

    def verdict(self, before: Running | None, *, finished: bool = True) -> Verdict:
        """Ask the containers and nginx which release serves."""
        return self._rollout.verdict(before)

    def switch(self, to: Running) -> None:
        """Refused: on one host the way through the program is the fast one."""
        raise NotOfferedError(
            f"A Docker host keeps the images of former releases, so going back to "
            f"{to.image} through the program takes seconds, and loses no request: "
            f"stromhaltig rollback --stack {self._stack.name}, without --fast"
        )

    def status(self) -> list[Fact]:
        """Release, every container, maintenance, and the newest backup."""
        named = [
            ("proxy", "proxy_container"),
            ("database", "database_container"),
            ("cache", "cache_container"),
            ("backup", "backup_container"),
        ]
        return [
            self._release_fact(),
            *(
                facts.container_fact(each.name, each, self._engine.address)
                for each in self._rollout.containers()
            ),
            *(
                facts.named_fact(self._engine, name, self._outputs[output])
                for name, output in named
            ),
            *self._companions(),
            self._migration_fact(),
            self._maintenance_fact(),
            self._backup_fact(),
        ]

    def checks(self) -> list[Fact]:
        """Engine, clock, firewall, disk, name, certificate and its keeper, backups."""
        url = self._outputs["url"]
        known = facts.addresses(self._engine.address)
        return [
            *facts.engine_facts(self._engine),
            *firewall.facts(self._engine, self._outputs["proxy_container"]),
            *(_as_fact(measure) for measure in self._disks()),
            site.name(url, known),
            site.certificate(url),
            *self._companions(),
            facts.named_fact(self._engine, "backup", self._outputs["backup_container"]),
        ]

    def measures(self) -> list[Measure]:
        """CPU and memory of each container, disk, and database connections."""
        names = [
            self._outputs[output]
            for output in ("proxy_container", "database_container", "cache_container")
        ]
        there = {each.name: each for each in self._engine.containers()}
        serving = self._rollout.serving()
        gone = [] if serving else facts.no_usage("app", "nginx leads to no container")
        for name in names:
            if name not in there:
                gone += facts.no_usage(name, "there is no such container")
        containers = [*serving, *(there[name] for name in names if name in there)]
        return [*facts.usage(containers), *gone, *self._disks(), self._connections()]

    def logs(self, query: LogQuery) -> Iterator[LogLine]:
        """Lines of the app's containers, replaced ones included until they are gone."""
        return logs.matching(query, self._lines(query))

    def shell(self, command: Sequence[str]) -> int:
        """Run a command in a healthy container of the app."""
        return interact(self._engine, self._app().name, command)

    def one_off(self, command: Sequence[str], *, image: str | None = None) -> Ended:
        """Run a command beside the app, without a name that requests come to."""
        return one_off.run(self._engine, self._app(), command, image=image)

    def maintenance(self) -> bool:
        """Whether the file is there that nginx looks for."""
        try:
            self._engine.file(self._outputs["proxy_container"], _FLAG)
        except FileNotFoundError:
            return False
        return True

    def closed(self) -> bool:
        """Never: nginx passes the health path on."""
        return False

    def set_maintenance(self, on: bool) -> None:
        """Make or remove the file that nginx looks for.

        It is in the volume of the client, which outlives releases and the proxy, and
        into which Pulumi does not look. The proxy itself cannot write there.
        """
        proxy = self._engine.container(self._outputs["proxy_container"])
        with volumes.workshop(
            self._engine, proxy.attrs["Image"], self._outputs["client_volume"], CLIENT
        ) as container:
            command = ["touch", _FLAG] if on else ["rm", "-f", _FLAG]
            self._engine.output(container, command)

    @contextmanager
    def database(self, *, admin: bool = False) -> Iterator[Address]:
        """The database, by a port of this machine that leads into its container.

        The password comes from where the app has it, or the server.
        """
        container = self._outputs["database_container"]
        address = self._address()
        if admin:
            password = self._engine.file(container, _ADMIN_PASSWORD)
            address = address.login(ADMIN, password.decode().strip())
        with tunnel(self._engine, container, address.port) as port:
            yield replace(address, reach=LOOPBACK, reach_port=port)

    def room(self) -> int | None:
        """Of the file system that the database's volume is on."""
        _, _, free = facts.space(
            self._engine, self._outputs["database_container"], _DATA
        )
        return free

    def backups(self) -> Store:
        """The volume of backups, by the container that makes them."""
        container = self._outputs["backup_container"]
        return volumes.VolumeStore(self._engine, container, BACKUPS)

    def dump(self) -> str:
        """Refused: a dump from here has a manifest, the host's own has none."""
        raise NotOfferedError(
            "On a Docker host dumps are made from here. The host makes its own every "
            f"day; one more: docker --host {self._engine.address} exec "
            f"{self._outputs['backup_container']} bash /run/backup/backup.sh once"
        )

    def archive(self) -> str:
        """Refused, for the same reason as `dump`."""
        raise NotOfferedError("On a Docker host archives are made from here.")

    def unarchive(self, name: str, sha256: str, *, replace: bool) -> str | None:
        """Refused, likewise."""
        raise NotOfferedError("On a Docker host archives are unpacked from here.")

    def read_uploads(self) -> Iterator[bytes]:
        """The uploaded files, as a tar archive."""
        return volumes.read_uploads(
            self._engine, self._tools(), self._outputs["uploads_volume"]
        )

    def write_uploads(self, chunks: Iterable[bytes], replace: bool = False) -> None:
        """Unpack a tar archive into the uploads, once all of it has arrived."""
        volumes.write_uploads(
            self._engine,
            self._tools(),
            self._outputs["uploads_volume"],
            chunks,
            replace=replace,
        )

    def scratch(
        self, *, snapshot: str | None = None, at: datetime | None = None
    ) -> AbstractContextManager[Address]:
        """Refused: there are no snapshots of the server."""
        raise self._no_snapshots()

    def snapshot(self, name: str) -> str:
        """Refused: a copy of the volume of a server that runs would be none."""
        raise self._no_snapshots()

    def snapshots(self) -> list[Snapshot]:
        """Refused: there are none."""
        raise self._no_snapshots()

    def _no_snapshots(self) -> NotOfferedError:
        name = self._stack.name
        return NotOfferedError(
            "A Docker host takes no snapshots of its database server. Dumps do: "
            f"stromhaltig db backup --stack {name}, and to prove one: "
            f"stromhaltig db drill --stack {name}"
        )

    def _app(self) -> Any:
        """A container of the app, a healthy one if there is any."""
        serving = self._rollout.serving() or self._rollout.newest()
        if not serving:
            raise OpsError(
                f"There is no container of the app at {self._engine.address}. Deploy: "
                f"stromhaltig deploy --stack {self._stack.name}"
            )
        return next((each for each in serving if health(each) == "healthy"), serving[0])

    def _tools(self) -> str:
        """An image that is on the host and has a shell, tar and coreutils."""
        container = self._engine.container(self._outputs["backup_container"])
        return str(container.attrs["Image"])

    def _address(self) -> Address:
        name, path = self._app().name, self._contract.secret_file("DATABASE_URL")
        try:
            return Address.parse(self._engine.file(name, path).decode().strip())
        except FileNotFoundError:
            raise OpsError(
                f"{name} has no {path}, which says where the database is. Put back "
                "what the program describes: pulumi up --refresh"
            ) from None

    def _lines(self, query: LogQuery) -> Iterator[LogLine]:
        now = datetime.now(UTC)
        yield from logs.history(self._rollout.containers(), query.since, now)
        if query.follow:
            yield from logs.following(self._rollout.containers, now)

    def _disks(self) -> list[Measure]:
        return [
            facts.disk(
                self._engine,
                "disk of the database",
                self._outputs["database_container"],
                _DATA,
            ),
            facts.disk(
                self._engine,
                "disk of backups",
                self._outputs["backup_container"],
                BACKUPS,
            ),
            facts.disk(
                self._engine,
                "disk of uploads",
                self._outputs["backup_container"],
                self._contract.upload_dir,
            ),
        ]

    def _connections(self) -> Measure:
        query = (
            "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = "
            "'client backend'), current_setting('max_connections')::int"
        )
        name, unit = "database connections", "connections"
        try:
            with self.database() as address, address.connect() as connection:
                used, most = connection.execute(query).fetchone() or (0, 0)
        except OpsError as error:
            return Measure(name, None, unit, None, note=str(error))
        limit = most * CONNECTIONS_PERCENT / 100
        return Measure(name, used - 1, unit, limit, note=f"of {most}")

    def _companions(self) -> list[Fact]:
        """What sees to certificate and copies elsewhere, where the stack has it."""
        beside = [
            ("certbot", self._outputs["proxy_container"].replace("-proxy", "-certbot")),
            ("copies elsewhere", f"{self._outputs['backup_container']}-upload"),
        ]
        there = {each.name: each for each in self._engine.containers()}
        return [
            facts.container_fact(name, there[container], self._engine.address)
            for name, container in beside
            if container in there
        ]

    def _release_fact(self) -> Fact:
        serving, newest = self._rollout.serving(), self._rollout.newest()
        remedy = f"stromhaltig deploy --stack {self._stack.name}"
        if not serving:
            return Fact("release", State.ERROR, "nginx leads to no container", remedy)
        says = f"{self._rollout.reference(serving[0])}, {len(serving)} containers"
        if serving[0].id not in {each.id for each in newest}:
            failed = self._rollout.reference(newest[0])
            says += f"; {failed} was to replace it and did not"
            return Fact("release", State.WARNING, says, remedy)
        return Fact("release", State.OK, says)

    def _migration_fact(self) -> Fact:
        name = self._outputs["migration_container"]
        try:
            container = self._engine.container(name)
        except OpsError as error:
            return Fact("migration", State.UNKNOWN, f"{name} is gone", str(error))
        state = container.attrs["State"]
        if state["ExitCode"] == 0:
            ended = state["FinishedAt"][:16].replace("T", " ")
            return Fact("migration", State.OK, f"succeeded at {ended}")
        remedy = f"docker --host {self._engine.address} logs {name}"
        says = f"failed with exit code {state['ExitCode']}"
        return Fact("migration", State.ERROR, says, remedy)

    def _maintenance_fact(self) -> Fact:
        try:
            closed = self.maintenance()
        except OpsError as error:
            return Fact("maintenance", State.UNKNOWN, str(error))
        if not closed:
            return Fact("maintenance", State.OK, "off")
        remedy = f"stromhaltig maintenance off --stack {self._stack.name}"
        return Fact("maintenance", State.WARNING, "visitors get its page", remedy)

    def _backup_fact(self) -> Fact:
        name = "last backup"
        try:
            # Checksums lie beside the dumps, and the health of the container says
            # whether a dump was checked.
            made = [e for e in self.backups().entries() if e.name.endswith(".gz")]
        except OpsError as error:
            return Fact(name, State.UNKNOWN, str(error))
        made = [e for e in made if e.name.startswith(("database/", "dumps/"))]
        remedy = f"stromhaltig db backup --stack {self._stack.name}"
        if not made:
            return Fact(name, State.ERROR, "there is no dump of the database", remedy)
        last = max(made, key=lambda entry: entry.modified)
        hours = (datetime.now(UTC) - last.modified).total_seconds() / 3600
        says = f"{last.name}, {size(last.size)}, {hours:.1f} h old"
        if hours * 3600 > _OLD:
            return Fact(name, State.WARNING, says, remedy)
        return Fact(name, State.OK, says)


def _as_fact(measure: Measure) -> Fact:
    if measure.value is None:
        return Fact(measure.name, State.UNKNOWN, measure.note)
    says = f"{measure.value} % used, {measure.note}"
    remedy = "Remove old images and backups, or make the disk larger."
    state = measure.state
    return Fact(measure.name, state, says, "" if state is State.OK else remedy)
