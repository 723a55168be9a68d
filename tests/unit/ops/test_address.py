"""Where a database is: the way through a tunnel, and what is said without one."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest

from ops.database.address import Address
from ops.errors import OpsError

ADDRESS = Address.parse("postgresql://app:p%2Fw@database:5432/app?sslmode=disable")


def test_a_tunnel_leads_to_another_place_and_port():
    environment = replace(ADDRESS, reach="127.0.0.1", reach_port=40000).environment()
    assert environment["PGHOST"] == "database"
    assert (environment["PGHOSTADDR"], environment["PGPORT"]) == ("127.0.0.1", "40000")
    assert ADDRESS.environment()["PGPORT"] == "5432"


def test_a_connection_that_is_closed_at_once_is_told_as_such():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closing = threading.Thread(target=lambda: listener.accept()[0].close())
        closing.start()
        here = replace(ADDRESS, reach="127.0.0.1", reach_port=listener.getsockname()[1])
        with (
            pytest.raises(
                OpsError, match=r"app@database:5432/app: .*(closed|reset)"
            ) as it,
            here.connect(),
        ):
            pass
        closing.join()
    assert "p/w" not in str(it.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://app:hunter2@database/app",
        "postgresql://app:hunter2@database",
        "postgresql://app:hunter2@database:many/app",
        "postgresql://app:hun[ter2@database/app",
        "postgresql://app:[hunter2]@database/app",
        "postgresql://app:hunter2/\N{CARE OF}@database/app",
        "postgresql://app:hunter2\N{CARE OF}@database/app",
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(url):
    with pytest.raises(OpsError, match="no address of a database") as refusal:
        Address.parse(url)
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__context__ is None
