"""App Platform, its clusters and its bucket, asked by DigitalOcean's API."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from ops.errors import NotOfferedError, OpsError
from ops.platforms import site
from ops.platforms.digitalocean.api import Api, NotFoundError, token
from ops.platforms.digitalocean.cluster import Cluster
from ops.platforms.digitalocean.deployments import Deployments
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
    from ops.database.address import Address
    from ops.stack import Stack
    from ops.store import Store

CPU_PERCENT = 80.0
"""Of an instance. Source: the guide's monitoring section."""

MEMORY_PERCENT = 85.0
"""Of an instance. Source: the guide's monitoring section."""

DISK_PERCENT = 80.0
"""Of the cluster's disk, by data alone: the write-ahead log needs room, too."""

CONNECTIONS_PERCENT = 80.0
"""Of the connections that the cluster takes."""

BACKUP_HOURS = 26
"""Age from which a daily backup is late."""

_SETTING = "maintenance.archive"
_KEYS = (
    ("SPACES_ACCESS_KEY_ID", "digitalocean:spacesAccessId"),
    ("SPACES_SECRET_ACCESS_KEY", "digitalocean:spacesSecretKey"),
)
"""Variable and setting of each half of the key to the bucket, as the provider's."""


class DigitalOcean:
    """The stack on App Platform.

    api, sleep: others for tests.
    """

    def __init__(
        self,
        stack: Stack,
        api: Api | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stack = stack
        self._given = api
        self._sleep = sleep

    @cached_property
    def _api(self) -> Api:
        return self._given or Api(token(self._stack.get("digitalocean:token")))

    @property
    def _deployments(self) -> Deployments:
        """Raises OpsError on a stack that only makes a machine."""
        app = self._stack.outputs.get("app_id")
        if not app:
            raise OpsError(
                f"Stack {self._stack.name} makes a droplet and no app. Operate the "
                "stack of platform docker that is deployed to it, host.address "
                f"{self._stack.outputs.get('docker_host')}"
            )
        registry = self._stack.outputs.get("registry")
        return Deployments(self._api, app, registry=registry, sleep=self._sleep)

    @property
    def _cluster(self) -> Cluster:
        """Raises NotOfferedError with a development database."""
        outputs = self._stack.outputs
        if not outputs.get("database"):
            raise NotOfferedError(
                "A development database of App Platform is reached by the app alone, "
                "and has no backups. Set database.kind to managed"
            )
        return Cluster(
            self._api,
            outputs["database"],
            database=outputs["database_name"],
            user=outputs.get("database_user") or outputs["database_name"],
            sleep=self._sleep,
        )

    def running(self) -> Running | None:
        """The deployment that was begun last."""
        return self._deployments.running()

    def verdict(self, before: Running | None, *, finished: bool = True) -> Verdict:
        """Wait for the newest deployment, which App Platform gives up by itself."""
        return self._deployments.verdict(before)

    def switch(self, to: Running) -> None:
        """Let App Platform go back to a former deployment, without a new build."""
        self._deployments.switch(to)

    def status(self) -> list[Fact]:
        """Deployment, instances, maintenance, clusters, last backup, outside check."""
        app = self._deployments.app()
        return [
            self._release_fact(app),
            *self._component_facts(),
            self._maintenance_fact(app),
            *self._cluster_facts("database"),
            *self._cluster_facts("cache"),
            *self._backup_facts(),
            *self._uptime_facts(),
        ]

    def checks(self) -> list[Fact]:
        """Token, domains, certificate, name, and updates of the clusters that wait."""
        app = self._deployments.app()
        url = self._stack.outputs["url"]
        return [
            self._account_fact(),
            *(_domain_fact(domain) for domain in app.get("domains") or ()),
            site.name(url),
            site.certificate(url),
            *self._update_facts("database"),
            *self._update_facts("cache"),
            *self._pin_facts(app),
        ]

    def measures(self) -> list[Measure]:
        """CPU and memory of the instances, and the database's data and connections."""
        # Without one, the app has neither: that must not go unsaid.
        parts = self._health() or [{"name": "app"}]
        app = [measure for part in parts for measure in _usage(part)]
        return [*app, *self._database_measures()]

    def logs(self, query: LogQuery) -> Iterator[LogLine]:
        """Lines of the service, of which App Platform keeps few."""
        from ops.platforms.lines import wanted

        fits = wanted(query)
        return (x for x in self._deployments.lines(query) if fits(x.text))

    def shell(self, command: Sequence[str]) -> int:
        """Refused: the console is a web socket with a protocol of its own."""
        raise NotOfferedError(
            "A shell on App Platform is: doctl apps console "
            f"{self._stack.outputs.get('app_id')} {self._service()}"
        )

    def one_off(self, command: Sequence[str], *, image: str | None = None) -> Ended:
        """Refused: App Platform runs jobs with deployments only."""
        raise NotOfferedError(
            "App Platform runs no single command. Migrations run as its PRE_DEPLOY job "
            "with each deployment: stromhaltig deploy. Anything else: doctl apps "
            f"console {self._stack.outputs.get('app_id')} {self._service()}"
        )

    def maintenance(self) -> bool:
        """Whether App Platform shows its page instead of the app."""
        return _closed(self._deployments.app())

    def closed(self) -> bool:
        """In maintenance: App Platform's page answers at every path."""
        return self.maintenance()

    def set_maintenance(self, on: bool) -> None:
        """Show App Platform's page, or the app, through the program.

        By the stack file, as a deployment in the meantime would otherwise open the
        site: it sends the whole spec.

        Raises OpsError when the stack file asks for more that would lose data,
        FailedError when Pulumi does not come to an end.
        """
        from ops.changes import Summary
        from ops.delivery import demand_harmless

        if on:
            self._stack.set(_SETTING, "false")
        else:
            self._stack.unset("maintenance")
        demand_harmless(self._stack, Summary(self._stack.preview()))
        self._stack.up()

    def database(self, *, admin: bool = False) -> AbstractContextManager[Address]:
        """The cluster's public address, for machines that it lets in."""
        return self._cluster.address(admin=admin)

    def room(self) -> int | None:
        """Not known: a cluster does not say what its log takes."""
        return None

    def backups(self) -> Store:
        """The Spaces bucket."""
        from ops.store import S3Store

        bucket = self._stack.outputs.get("bucket")
        if not bucket:
            raise NotOfferedError(
                "The stack has no bucket for dumps. Set one up with the setting "
                "spaces, and deploy. The cluster's own daily backups are listed by: "
                f"stromhaltig db backups --stack {self._stack.name}"
            )
        return S3Store(self._s3(), bucket)

    def dump(self) -> str:
        """Refused: App Platform runs no job of its own at set times."""
        raise NotOfferedError("On DigitalOcean dumps are made from here.")

    def archive(self) -> str:
        """Refused: there is no disk to archive."""
        self._refuse_uploads()

    def unarchive(self, name: str, sha256: str, *, replace: bool) -> str | None:
        """Refused, likewise."""
        self._refuse_uploads()

    def read_uploads(self) -> Iterator[bytes]:
        """Refused: there is no disk to read."""
        self._refuse_uploads()

    def write_uploads(self, chunks: Iterable[bytes], replace: bool = False) -> None:
        """Refused: there is no disk to write to."""
        self._refuse_uploads()

    def scratch(
        self, *, snapshot: str | None = None, at: datetime | None = None
    ) -> AbstractContextManager[Address]:
        """A copy of the cluster, which costs as much as the cluster while it is there.

        snapshot: one of `snapshots`; at: any moment of the last seven days. Neither:
        the newest backup.
        """
        cluster = self._cluster
        name = f"{self._stack.name}-scratch-{secrets.token_hex(4)}"
        return cluster.copy(cluster.moment(snapshot, at), name)

    def snapshot(self, name: str) -> str:
        """Refused: DigitalOcean decides when it backs up."""
        raise NotOfferedError(
            "DigitalOcean backs a cluster up every day and keeps a log of the last "
            "seven days, from which every moment can be restored; it takes no snapshot "
            "on demand. A dump: stromhaltig db backup --stack "
            f"{self._stack.name}"
        )

    def snapshots(self) -> list[Snapshot]:
        """The cluster's daily backups."""
        return self._cluster.snapshots()

    def _refuse_uploads(self) -> NoReturn:
        raise NotOfferedError(
            "App Platform has no disk that lasts: uploads go with each container. What "
            "is to be kept goes to the bucket that the setting spaces makes"
        )

    def _service(self) -> str:
        newest = self._deployments.newest()
        return str(newest["spec"]["services"][0]["name"]) if newest else "SERVICE"

    def _s3(self) -> Any:
        import boto3

        access, secret = (
            os.environ.get(variable) or self._stack.get(setting)
            for variable, setting in _KEYS
        )
        return boto3.client(
            "s3",
            endpoint_url=self._stack.outputs["bucket_endpoint"],
            region_name="us-east-1",
            aws_access_key_id=access,
            aws_secret_access_key=secret,
        )

    def _health(self) -> list[Any]:
        app = self._stack.outputs["app_id"]
        answer = self._api.get(f"/v2/apps/{app}/health")
        known = answer.get("app_health") or answer
        return list(known.get("components") or ())

    def _release_fact(self, app: Any) -> Fact:
        active = app.get("active_deployment")
        remedy = f"stromhaltig deploy --stack {self._stack.name}"
        if not active:
            return Fact("release", State.ERROR, "no deployment is active", remedy)
        says = f"{self._deployments.image(active)}, deployment {active['id']}"
        newest = self._deployments.newest() or active
        if newest["id"] == active["id"]:
            return Fact("release", State.OK, says)
        says += f"; deployment {newest['id']} is {newest['phase'].lower()}"
        failed = newest["phase"] in {"ERROR", "CANCELED"}
        return Fact("release", State.WARNING, says, remedy if failed else "")

    def _component_facts(self) -> Iterator[Fact]:
        for part in self._health():
            ready, wanted = (
                part.get("replicas_ready", 0),
                part.get("replicas_desired", 0),
            )
            says = f"{part['state'].lower()}, {ready} of {wanted} instances ready"
            well = part["state"] == "HEALTHY" and ready >= wanted
            remedy = f"stromhaltig logs --errors --stack {self._stack.name}"
            state = State.OK if well else State.ERROR
            yield Fact(part["name"], state, says, "" if well else remedy)

    def _maintenance_fact(self, app: Any) -> Fact:
        if not _closed(app):
            return Fact("maintenance", State.OK, "off")
        remedy = f"stromhaltig maintenance off --stack {self._stack.name}"
        return Fact("maintenance", State.WARNING, "visitors get its page", remedy)

    def _described(self, output: str) -> Any | None:
        id = self._stack.outputs.get(output)
        return self._api.get(f"/v2/databases/{id}")["database"] if id else None

    def _cluster_facts(self, output: str) -> Iterator[Fact]:
        known = self._described(output)
        if known is None:
            return
        nodes = f"{known['num_nodes']} node{'s' if known['num_nodes'] > 1 else ''}"
        says = f"{known['status']}, {known['engine']} {known['version']}, {nodes}"
        well = known["status"] == "online"
        remedy = "" if well else "cloud.digitalocean.com/databases tells what it is at"
        yield Fact(output, State.OK if well else State.WARNING, says, remedy)

    def _backup_facts(self) -> Iterator[Fact]:
        if not self._stack.outputs.get("database"):
            return
        made = self.snapshots()
        remedy = f"stromhaltig db backup --stack {self._stack.name}"
        if not made:
            yield Fact("last backup", State.WARNING, "the cluster has none", remedy)
            return
        old = datetime.now(UTC) - made[0].at
        says = f"{made[0].name}, {old.total_seconds() / 3600:.1f} h old"
        late = old > timedelta(hours=BACKUP_HOURS)
        state = State.WARNING if late else State.OK
        yield Fact("last backup", state, says, remedy if late else "")

    def _uptime_facts(self) -> Iterator[Fact]:
        check = self._stack.outputs.get("uptime_check")
        if not check:
            return
        try:
            regions = self._api.get(f"/v2/uptime/checks/{check}/state")["state"][
                "regions"
            ]
        except NotFoundError:
            yield Fact("from outside", State.WARNING, "the check is gone", _REFRESH)
            return
        down = [
            r for r, seen in regions.items() if seen["status"] not in {"UP", "CHECKING"}
        ]
        says = (
            f"down from {', '.join(down)}"
            if down
            else f"up from {len(regions)} regions"
        )
        remedy = f"stromhaltig health --stack {self._stack.name}" if down else ""
        yield Fact("from outside", State.ERROR if down else State.OK, says, remedy)

    def _account_fact(self) -> Fact:
        try:
            account = self._api.get("/v2/account")["account"]
        except OpsError as error:
            return Fact("credentials", State.ERROR, str(error), "Make another token.")
        active = account.get("status") == "active"
        says = f"account {account.get('email', '')} is {account.get('status')}"
        remedy = account.get("status_message") or "cloud.digitalocean.com tells why."
        state = State.OK if active else State.ERROR
        return Fact("credentials", state, says, "" if active else remedy)

    def _update_facts(self, output: str) -> Iterator[Fact]:
        known = self._described(output)
        window = (known or {}).get("maintenance_window") or {}
        if not window.get("pending"):
            return
        what = "; ".join(window.get("description") or ()) or "an update"
        says = f"waits for {window['day']} {window['hour']} UTC: {what}"
        remedy = (
            "It restarts the cluster. Now instead: doctl databases maintenance-window"
        )
        yield Fact(f"{output} update", State.WARNING, says, remedy)

    def _pin_facts(self, app: Any) -> Iterator[Fact]:
        pinned = app.get("pinned_deployment")
        if pinned:
            yield Fact(
                "rollback",
                State.WARNING,
                f"the app is pinned to deployment {pinned['id']}: it takes no other",
                "Commit or revert the rollback in the console of the app.",
            )

    def _database_measures(self) -> Iterator[Measure]:
        if not self._stack.outputs.get("database"):
            return
        try:
            yield from self._asked()
        except OpsError as error:
            why = str(error)
            yield Measure("database data", None, "%", DISK_PERCENT, note=why)
            yield Measure("database connections", None, "connections", None, note=why)

    def _asked(self) -> list[Measure]:
        disk = (self._described("database") or {}).get("storage_size_mib") or 0
        query = (
            "SELECT (SELECT sum(pg_database_size(oid)) FROM pg_database WHERE "
            "has_database_privilege(oid, 'CONNECT')), (SELECT count(*) FROM "
            "pg_stat_activity WHERE backend_type = 'client backend'), "
            "current_setting('max_connections')::int"
        )
        with self.database() as address, address.connect() as connection:
            size, used, most = connection.execute(query).fetchone() or (0, 1, 0)
        percent = round(100 * float(size) / (disk * 1024**2), 1) if disk else None
        note = "without its log" if disk else "DigitalOcean does not say of how much"
        return [
            Measure("database data", percent, "%", DISK_PERCENT, note=note),
            Measure(
                "database connections",
                used - 1,
                "connections",
                most * CONNECTIONS_PERCENT / 100,
                note=f"of {most}",
            ),
        ]


_REFRESH = "Put back what the program describes: pulumi up --refresh"


def _usage(part: Any) -> Iterator[Measure]:
    for what, limit in (("cpu", CPU_PERCENT), ("memory", MEMORY_PERCENT)):
        value = part.get(f"{what}_usage_percent")
        name = f"{part['name']} {'CPU' if what == 'cpu' else what}"
        note = "App Platform has no figure of it" if value is None else ""
        yield Measure(name, value, "%", limit, note=note)


def _closed(app: Any) -> bool:
    return bool((app["spec"].get("maintenance") or {}).get("enabled"))


def _domain_fact(domain: Any) -> Fact:
    name = f"domain {domain['spec']['domain']}"
    if domain["phase"] == "ACTIVE":
        return Fact(name, State.OK, "active")
    steps = (domain.get("progress") or {}).get("steps") or ()
    why = [step["reason"]["message"] for step in steps if step.get("reason")]
    remedy = "; ".join(why) or "Point it at output default_host."
    return Fact(name, State.WARNING, domain["phase"].lower(), remedy)
