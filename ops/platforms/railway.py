"""Railway, asked by the GraphQL API that the stack is made with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from components.railway import operations
from components.railway.client import (
    ENDPOINT,
    Client,
    Operation,
    RailwayError,
    UncertainError,
)
from ops.database.address import Address
from ops.errors import FailedError, NotOfferedError, OpsError
from ops.platforms import site
from ops.platforms.lines import wanted
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

if TYPE_CHECKING:
    from ops.stack import Stack
    from ops.store import Store

# As the program reads them; its settings would take two seconds to import.
TOKENS = ("RAILWAY_API_TOKEN", "RAILWAY_TOKEN")
"""Variables that may hold the API's token."""

SETTING = "secrets.RAILWAY_TOKEN"
"""The stack's secret with that token."""

PATIENCE = 1800.0
"""Seconds that a deployment may take: building an image from source takes minutes."""

POLL_SECONDS = 5.0
"""Between two looks at a deployment or its log: Railway counts requests."""

TAIL = 20
"""Lines that explain a failure."""

LINES = 5000
"""Lines of a log that are asked for at most."""

CPU_PERCENT = 80.0
"""Of what a service may use. Source: the guide's monitoring section."""

MEMORY_PERCENT = 85.0
"""Of a service's limit. Source: the guide's monitoring section."""

DISK_PERCENT = 85.0
"""Of a volume; Railway stops a database whose volume is full."""

POSTGRES = 5432

_ENDED = frozenset({"SUCCESS", "FAILED", "CRASHED", "REMOVED", "SKIPPED", "SLEEPING"})
_SERVES = frozenset({"SUCCESS", "SLEEPING"})
_WHY = {
    "FAILED": "its build, its pre-deploy command or its health check failed",
    "CRASHED": "it has ended by itself, more often than it is started again",
    "REMOVED": "somebody removed it, or another one has taken its place",
    "SKIPPED": "Railway skipped it: nothing that it watches has changed",
    "NEEDS_APPROVAL": "somebody has to approve it in the dashboard",
}
_RECENT = timedelta(minutes=10)  # of measurements, which come each minute
_UNMEASURED = "Railway has no figure of the last 10 minutes"


class Railway:
    """The stack on Railway.

    sleep: another for tests.
    """

    def __init__(
        self, stack: Stack, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._stack = stack
        self._outputs = stack.outputs
        self._sleep = sleep

    @cached_property
    def _client(self) -> Client:
        given = self._stack.get(SETTING)
        token = given or next(filter(None, map(os.environ.get, TOKENS)), None)
        if not token:
            raise OpsError(
                f"There is no token for Railway: neither {TOKENS[0]} nor {SETTING} in "
                "the stack. Make one at railway.com/account/tokens"
            )
        return Client(token, endpoint=self._stack.get("project.api_url") or ENDPOINT)

    def running(self) -> Running | None:
        """The deployment that was begun last."""
        newest = self._newest()
        return self._as_running(newest) if newest else None

    def verdict(self, before: Running | None, *, finished: bool = True) -> Verdict:
        """Wait for the newest deployment to end, and say whether it serves."""
        deadline = time.monotonic() + PATIENCE
        newest = self._newest()
        while newest and newest["status"] not in _ENDED:
            if time.monotonic() > deadline:
                break
            self._sleep(POLL_SECONDS)
            newest = self._newest()
        if newest is None:
            return Verdict(serves=False, says="the app was never deployed")
        id, status = newest["id"], newest["status"]
        if status in _SERVES:
            same = before is not None and before.deployment == id
            says = (
                "as before: the update rolled nothing out" if same else status.lower()
            )
            return Verdict(serves=True, says=f"deployment {id} serves, {says}")
        older = [d["id"] for d in self._deployments() if d["status"] in _SERVES]
        says = f"deployment {id} is {status.lower()}"
        return Verdict(
            serves=False,
            says=says + (f"; deployment {older[0]} serves on" if older else ""),
            rolled_back=bool(older),
            reasons=(
                _WHY.get(status, f"it is still so after {PATIENCE / 60:.0f} min"),
            ),
            log=self._last_words(id),
        )

    def switch(self, to: Running) -> None:
        """Let Railway go back to a former deployment, and wait until it serves.

        Raises OpsError when Railway has it no more, and FailedError when it does not
        come up.
        """
        known = {found["id"]: found for found in self._deployments()}
        if not known.get(to.revision, {}).get("canRollback"):
            raise OpsError(
                f"Railway cannot go back to deployment {to.revision}: it keeps the "
                "last ones only. Go back through the program, without --fast"
            )
        self._ask(operations.ROLLBACK, {"id": to.revision})
        verdict = self.verdict(None)
        if not verdict.serves:
            raise FailedError("\n".join([verdict.says, *verdict.reasons, *verdict.log]))

    def status(self) -> list[Fact]:
        """Deployments of app, database and cache, volumes, and the last backup."""
        return [
            self._service_fact("app", "service"),
            self._service_fact("database", "database"),
            *([self._service_fact("cache", "cache")] if self._outputs["cache"] else []),
            *(_volume_fact(volume) for volume in self._volumes()),
            *self._backup_facts(),
        ]

    def checks(self) -> list[Fact]:
        """Token, name and certificate; Railway has no quotas that can be asked for."""
        url = self._outputs["url"]
        return [self._token_fact(), site.name(url), site.certificate(url)]

    def measures(self) -> list[Measure]:
        """CPU and memory of the app, volumes, and database connections."""
        return [*self._usage(), *map(_disk, self._volumes()), self._connections()]

    def logs(self, query: LogQuery) -> Iterator[LogLine]:
        """Lines of the app's newest deployment that serves, and of its successors."""
        fits = wanted(query)
        return (line for line in self._lines(query) if fits(line.text))

    def shell(self, command: Sequence[str]) -> int:
        """Refused: Railway's own tool holds the key to its relay."""
        raise NotOfferedError(f"A shell on Railway is: {self._ssh()}")

    def one_off(self, command: Sequence[str], *, image: str | None = None) -> Ended:
        """Refused: Railway runs commands with deployments only."""
        raise NotOfferedError(
            "Railway runs no container for one command. Migrations run as the "
            "pre-deploy command of each deployment: stromhaltig deploy. Anything else, "
            f"in the container that runs: {self._ssh()}"
        )

    def maintenance(self) -> bool:
        """Never: Railway has no such page."""
        return False

    def closed(self) -> bool:
        """Never: Railway has no such page."""
        return False

    def set_maintenance(self, on: bool) -> None:
        """Refused: Railway's edge shows no page of ours."""
        raise NotOfferedError(
            "Railway has no page for maintenance. Let a CDN before the domain show "
            "one, or take the app away, which visitors see as an error of Railway's: "
            f"railway down --service {self._outputs['service']}, and back: "
            f"stromhaltig deploy --stack {self._stack.name}"
        )

    @contextmanager
    def database(self, *, admin: bool = False) -> Iterator[Address]:
        """The database, by a public TCP proxy if somebody has made one.

        The app's role is the server's only one, and may do everything. The connection
        must be encrypted: behind the proxy, the way is the internet.
        """
        found = self._ask(operations.TCP_PROXIES, self._target("database"))
        ways = [
            each
            for each in found
            if each["applicationPort"] == POSTGRES and not each["deletedAt"]
        ]
        if not ways:
            raise NotOfferedError(
                "The database has no address on the internet, as it should be. "
                "For a while, make a TCP proxy to port 5432 in the settings of its "
                "service, of an image with TLS such as "
                "ghcr.io/railwayapp-templates/postgres-ssl:15; or look at it with: "
                f"railway connect {self._outputs['database']}"
            )
        variables = self._ask(
            operations.VARIABLES,
            {"projectId": self._outputs["project"], **self._target("service")},
        )
        address = Address.parse(variables["DATABASE_URL"])
        yield replace(
            address,
            host=ways[0]["domain"],
            port=ways[0]["proxyPort"],
            options=(("sslmode", "require"),),
        )

    def room(self) -> int | None:
        """Not known: Railway measures its volumes when it likes."""
        return None

    def backups(self) -> Store:
        """Refused: a volume is no place that this machine reaches."""
        raise NotOfferedError(
            "Railway has no bucket of the stack's. Its backups of the database's "
            f"volume are listed by: stromhaltig db backups --stack {self._stack.name}"
        )

    def dump(self) -> str:
        """Refused: the stack has no job on Railway that dumps."""
        raise NotOfferedError("On Railway dumps are made from here, over a TCP proxy.")

    def archive(self) -> str:
        """Refused: the stack has no job on Railway that archives."""
        self._refuse_uploads()

    def unarchive(self, name: str, sha256: str, *, replace: bool) -> str | None:
        """Refused, likewise."""
        self._refuse_uploads()

    def read_uploads(self) -> Iterator[bytes]:
        """Refused: only the app's container has the volume."""
        self._refuse_uploads()

    def write_uploads(self, chunks: Iterable[bytes], replace: bool = False) -> None:
        """Refused: only the app's container has the volume."""
        self._refuse_uploads()

    def scratch(
        self, *, snapshot: str | None = None, at: datetime | None = None
    ) -> AbstractContextManager[Address]:
        """Refused: a backup is restored into the volume it is of."""
        raise NotOfferedError(
            "Railway restores a backup into the volume that it was made of, and "
            "nowhere else. To prove one, restore it in a copy of the environment, in "
            f"the dashboard: {self._outputs['dashboard']}"
        )

    def snapshot(self, name: str) -> str:
        """Back up the database's volume, and wait until the backup is listed.

        Raises FailedError when it is not within PATIENCE.
        """
        volume = self._volume(self._outputs["database_volume"])
        before = {each.name for each in self.snapshots()}
        target = {"volumeInstanceId": volume["id"], "name": name}
        self._ask(operations.VOLUME_BACK_UP, target)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            made = [each for each in self.snapshots() if each.name not in before]
            if made:
                return made[0].name
            self._sleep(POLL_SECONDS)
        raise FailedError(
            f"Railway has not listed the backup {name} within {PATIENCE / 60:.0f} "
            f"minutes. See: {self._outputs['dashboard']}"
        )

    def snapshots(self) -> list[Snapshot]:
        """Railway's backups of the database's volume."""
        volume = self._volume(self._outputs["database_volume"])
        found = self._ask(operations.VOLUME_BACKUPS, {"volumeInstanceId": volume["id"]})
        made = [
            Snapshot(
                name=each["name"] or each["id"],
                at=datetime.fromisoformat(each["createdAt"]),
                gib=round((each["usedMB"] or 0) / 1024),
                state="available",
            )
            for each in found
        ]
        return sorted(made, key=lambda snapshot: snapshot.at, reverse=True)

    def _ask(self, operation: Operation, variables: Mapping[str, Any]) -> Any:
        try:
            return self._client.call(operation, variables)
        except UncertainError as error:
            raise FailedError(str(error)) from None
        except RailwayError as error:
            raise OpsError(str(error)) from None

    def _target(self, output: str) -> dict[str, str]:
        """A service, as most questions name it."""
        return {
            "serviceId": self._outputs[output],
            "environmentId": self._outputs["environment"],
        }

    def _deployments(self, output: str = "service") -> list[Any]:
        """Deployments of a service, the newest first."""
        found = self._ask(operations.DEPLOYMENTS, self._target(output))
        return [edge["node"] for edge in found["edges"]]

    def _newest(self, output: str = "service") -> Any | None:
        return next(iter(self._deployments(output)), None)

    def _as_running(self, deployment: Any) -> Running:
        id, meta = str(deployment["id"]), deployment["meta"] or {}
        image = meta.get("image")
        if not image and meta.get("repo"):
            image = f"{meta['repo']}@{meta.get('commitHash') or meta.get('branch')}"
        return Running(id, id, str(image or self._outputs["release"]))

    def _lines(self, query: LogQuery) -> Iterator[LogLine]:
        since = query.since
        while True:
            serving = [d for d in self._deployments() if d["status"] in _SERVES]
            for line in self._log(serving[0]["id"], since) if serving else ():
                if line.at > since:
                    since = line.at
                    yield line
            if not query.follow:
                return
            self._sleep(POLL_SECONDS)

    def _log(self, deployment: str, since: datetime) -> list[LogLine]:
        asked = {
            "deploymentId": deployment,
            "startDate": since.isoformat(),
            "limit": LINES,
        }
        found = [
            LogLine(datetime.fromisoformat(x["timestamp"]), "app", x["message"])
            for x in self._ask(operations.LOGS, asked)
        ]
        return sorted(found, key=lambda line: line.at)

    def _last_words(self, deployment: str) -> tuple[str, ...]:
        """The last lines that a failed deployment printed, or else of its build."""
        for operation in (operations.LOGS, operations.BUILD_LOGS):
            asked = {"deploymentId": deployment, "limit": TAIL}
            if found := self._ask(operation, asked):
                return tuple(line["message"] for line in found[-TAIL:])
        return ()

    def _volumes(self) -> list[Any]:
        target = {
            "id": self._outputs["environment"],
            "projectId": self._outputs["project"],
        }
        found = self._ask(operations.VOLUMES, target)["volumeInstances"]["edges"]
        ours = {self._outputs["database_volume"], self._outputs["uploads_volume"]}
        return [e["node"] for e in found if e["node"]["volumeId"] in ours]

    def _volume(self, id: str) -> Any:
        for volume in self._volumes():
            if volume["volumeId"] == id:
                return volume
        raise OpsError(
            f"Railway has no volume {id} in this environment. Put back what the "
            "program describes: pulumi up --refresh"
        )

    def _service_fact(self, name: str, output: str) -> Fact:
        newest = self._newest(output)
        if newest is None:
            remedy = f"stromhaltig deploy --stack {self._stack.name}"
            return Fact(name, State.ERROR, "was never deployed", remedy)
        status = newest["status"]
        says = f"{self._as_running(newest).image}, {status.lower()}"
        if output != "service":
            says = status.lower()
        if status in _SERVES:
            return Fact(name, State.OK, says)
        state = State.ERROR if status in _ENDED else State.WARNING
        return Fact(name, state, says, f"See {self._outputs['dashboard']}")

    def _backup_facts(self) -> Iterator[Fact]:
        made = self.snapshots()
        if made:
            hours = (datetime.now(UTC) - made[0].at).total_seconds() / 3600
            yield Fact("last backup", State.OK, f"{made[0].name}, {hours:.1f} h old")
            return
        remedy = "Set a schedule in the settings of the database's volume."
        yield Fact("last backup", State.WARNING, "the volume has none", remedy)

    def _token_fact(self) -> Fact:
        try:
            found = self._ask(operations.PROJECT, {"id": self._outputs["project"]})
        except OpsError as error:
            return Fact("credentials", State.ERROR, str(error), "Make another token.")
        return Fact("credentials", State.OK, f"the token reaches {found['name']}")

    def _usage(self) -> Iterator[Measure]:
        asked = {
            **self._target("service"),
            "startDate": (datetime.now(UTC) - _RECENT).isoformat(),
        }
        newest = {
            series["measurement"]: max(series["values"], key=lambda v: v["ts"])["value"]
            for series in self._ask(operations.METRICS, asked)
            if series["values"]
        }
        for name, used, most, limit in (
            ("CPU", "CPU_USAGE", "CPU_LIMIT", CPU_PERCENT),
            ("memory", "MEMORY_USAGE_GB", "MEMORY_LIMIT_GB", MEMORY_PERCENT),
        ):
            known = newest.get(used) is not None and newest.get(most)
            value = round(100 * newest[used] / newest[most], 1) if known else None
            note = _UNMEASURED if value is None else ""
            yield Measure(f"app {name}", value, "%", limit, note=note)

    def _connections(self) -> Measure:
        query = (
            "SELECT count(*), current_setting('max_connections')::int "
            "FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        name, unit = "database connections", "connections"
        try:
            with self.database() as address, address.connect() as connection:
                used, most = connection.execute(query).fetchone() or (1, 0)
        except NotOfferedError as error:
            return Measure(name, None, unit, None, note=str(error), offered=False)
        except OpsError as error:
            return Measure(name, None, unit, None, note=str(error))
        return Measure(name, used - 1, unit, 0.8 * most, note=f"of {most}")

    def _ssh(self) -> str:
        return (
            f"railway ssh --project {self._outputs['project']} --environment "
            f"{self._outputs['environment']} --service {self._outputs['service']}"
        )

    def _refuse_uploads(self) -> NoReturn:
        raise NotOfferedError(
            "On Railway only the app's container has the volume of uploads. Copy "
            f"through a shell there: {self._ssh()}; or let Railway back the volume up, "
            f"in its settings: {self._outputs['dashboard']}"
        )


def _volume_fact(volume: Any) -> Fact:
    name = f"volume {volume['volume']['name']}"
    measure = _disk(volume)
    says = f"{volume['state'].lower()}, {measure.value} % of {volume['sizeMB']} MB used"
    if volume["state"] == "READY" and measure.state is State.OK:
        return Fact(name, State.OK, says)
    return Fact(name, State.WARNING, says, "Make the volume larger, in its settings.")


def _disk(volume: Any) -> Measure:
    percent = 100 * volume["currentSizeMB"] / max(1, volume["sizeMB"])
    name = f"volume {volume['volume']['name']}"
    return Measure(name, round(percent, 1), "%", DISK_PERCENT)
