"""DigitalOcean's database: what its user may do, on a real server."""

from __future__ import annotations

import os
import re
import shlex
import subprocess

from components.digitalocean.database import granting
from tests import servers


def test_the_apps_user_may_migrate_once_it_was_granted():
    node = servers.node()
    with servers.postgres() as superuser:
        address = superuser.partition("@")[2].partition("/")[0]

        def sql(user: str, database: str, statement: str) -> str:
            done = subprocess.run(
                [
                    *("psql", f"postgresql://{user}@{address}/{database}"),
                    *("--no-psqlrc", "--command", statement),
                ],
                capture_output=True,
                text=True,
            )
            return done.stdout + done.stderr

        # As DigitalOcean does it: the administrator owns what is made through the API.
        for statement in (
            "CREATE ROLE doadmin LOGIN CREATEDB CREATEROLE",
            "CREATE ROLE stromhaltig LOGIN",
            "CREATE DATABASE stromhaltig OWNER doadmin",
        ):
            sql("app", "postgres", statement)
        table = "CREATE TABLE readings (value int)"
        assert "permission denied" in sql("stromhaltig", "stromhaltig", table)

        command = granting(("psql", "--command", table))
        environment = {
            "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}",
            "DATABASE_URL": f"postgresql://stromhaltig@{address}/stromhaltig",
            "ADMIN_DATABASE_URL": f"postgresql://doadmin@{address}/stromhaltig",
        }
        environment |= {
            "PGHOST": address.partition(":")[0],
            "PGPORT": address.partition(":")[2],
            "PGUSER": "stromhaltig",
            "PGDATABASE": "stromhaltig",
        }
        for said in ("CREATE TABLE", "already exists"):  # granting twice does no harm
            done = subprocess.run(
                # As the platform gets it: one line.
                shlex.split(shlex.join(command)),
                env=environment,
                cwd=servers.APP,
                capture_output=True,
                text=True,
            )
            assert said in done.stdout + done.stderr

        environment["ADMIN_DATABASE_URL"] = f"postgresql://nobody@{address}/x"
        done = subprocess.run(
            command,
            env=environment,
            cwd=servers.APP,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert re.match(r"grant: .*nobody", done.stderr)
