"""The managed PostgreSQL cluster: addresses, backups, and copies of it."""

from __future__ import annotations

import base64
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ops.database.address import Address
from ops.errors import FailedError, OpsError, nearest
from ops.platforms.digitalocean.api import Api
from ops.platforms.platform import Snapshot

CONNECT_SECONDS = 8.0
"""How long the cluster may take to take a connection."""

COPY_SECONDS = 3600.0
"""How long a copy may take. DigitalOcean names no figure; large ones take longest."""

POLL_SECONDS = 15.0


class Cluster:
    """A PostgreSQL cluster.

    database: the app's; user: who the app is there.
    """

    def __init__(
        self,
        api: Api,
        id: str,
        *,
        database: str,
        user: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._id = id
        self._database = database
        self._user = user
        self._sleep = sleep

    def describe(self) -> Any:
        """Status, nodes, version and connections of the cluster."""
        return self._api.get(f"/v2/databases/{self._id}")["database"]

    @contextmanager
    def address(self, *, admin: bool) -> Iterator[Address]:
        """The public address, with the authority that signed its certificate.

        Raises OpsError when this machine is no trusted source.
        """
        known = self.describe()["connection"]
        address = _address(known, self._database)
        if not admin:
            path = f"/v2/databases/{self._id}/users/{self._user}"
            login = self._api.get(path)["user"]
            address = address.login(login["name"], login["password"])
        self._demand_reach(address)
        with self._verified(self._id, address) as verified:
            yield verified

    def snapshots(self) -> list[Snapshot]:
        """The cluster's daily backups, the newest first."""
        found = self._api.get(f"/v2/databases/{self._id}/backups").get("backups") or []
        made = [
            Snapshot(
                name=each["created_at"],
                at=datetime.fromisoformat(each["created_at"]),
                gib=round(each["size_gigabytes"]),
                state=each.get("status", "available"),
            )
            for each in found
        ]
        return sorted(made, key=lambda snapshot: snapshot.at, reverse=True)

    @contextmanager
    def copy(self, moment: str, name: str) -> Iterator[Address]:
        """A cluster of its own with the data of a moment, gone after the block.

        It takes minutes to make, costs as much as the original for as long as it is
        there, and lets in whom the original lets in.

        Raises FailedError when it is not made in time; then it is gone, too.
        """
        original = self.describe()
        rules = self._api.get(f"/v2/databases/{self._id}/firewall").get("rules") or []
        made = self._api.post(
            "/v2/databases",
            {
                "name": name,
                "engine": "pg",
                "version": original["version"],
                "size": original["size"],
                "region": original["region"],
                "num_nodes": 1,
                "storage_size_mib": original.get("storage_size_mib"),
                "private_network_uuid": original.get("private_network_uuid"),
                "backup_restore": {
                    "database_name": original["name"],
                    "backup_created_at": moment,
                },
            },
        )["database"]["id"]
        try:
            self._api.put(
                f"/v2/databases/{made}/firewall",
                {"rules": [{"type": r["type"], "value": r["value"]} for r in rules]},
            )
            known = self._until_online(made)
            address = _address(known["connection"], self._database)
            self._demand_reach(address)
            with self._verified(made, address) as verified:
                yield verified
        finally:
            self._api.delete(f"/v2/databases/{made}")

    def moment(self, snapshot: str | None, at: datetime | None) -> str:
        """What a copy is made from: a backup by its name, a time, or the newest backup.

        Raises OpsError when there is none of the name, or none at all.
        """
        if at is not None:
            return at.isoformat()
        known = [each.name for each in self.snapshots()]
        if snapshot is None and known:
            return known[0]
        if snapshot is None or snapshot not in known:
            raise OpsError(
                f"There is no backup {snapshot or ''} of the cluster. "
                f"{nearest(snapshot or '', known, kind='backups')}"
            )
        return snapshot

    def _until_online(self, id: str) -> Any:
        deadline = time.monotonic() + COPY_SECONDS
        while True:
            known = self._api.get(f"/v2/databases/{id}")["database"]
            if known["status"] == "online":
                return known
            if time.monotonic() > deadline:
                raise FailedError(
                    f"The copy of the cluster is still {known['status']} after "
                    f"{COPY_SECONDS / 60:.0f} minutes. It was deleted"
                )
            self._sleep(POLL_SECONDS)

    def _demand_reach(self, address: Address) -> None:
        try:
            socket.create_connection(
                (address.host, address.port), timeout=CONNECT_SECONDS
            ).close()
        except OSError as error:
            raise OpsError(
                f"{address.host}:{address.port} takes no connection from here "
                f"({error}): the cluster lets in the app only. Admit this machine for "
                f"as long as you need it: doctl databases firewalls append {self._id} "
                "--rule ip_addr:ADDRESS, and take the rule away again with: doctl "
                f"databases firewalls remove {self._id} --uuid UUID"
            ) from None

    @contextmanager
    def _verified(self, id: str, address: Address) -> Iterator[Address]:
        """The address, held to the certificate of the account's own authority."""
        encoded = self._api.get(f"/v2/databases/{id}/ca")["ca"]["certificate"]
        with tempfile.TemporaryDirectory(prefix="strom-") as folder:
            file = Path(folder) / "ca.pem"
            file.write_bytes(base64.b64decode(encoded))
            options = (("sslmode", "verify-full"), ("sslrootcert", str(file)))
            yield replace(address, options=options)


def _address(connection: Mapping[str, Any], database: str) -> Address:
    return Address(
        host=connection["host"],
        port=connection["port"],
        user=connection["user"],
        password=connection["password"],
        database=database,
    )
