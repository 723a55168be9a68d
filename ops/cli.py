"""`stromhaltig`: the command line. Each command is a module of its own."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from ops import (
    bootstrap,
    cost,
    db,
    deploy,
    doctor,
    env,
    files,
    policies,
    review,
    secrets,
    unlock,
    watch,
)
from ops.ci import cli as ci
from ops.common import reported
from ops.interrupts import ended_as_interrupted


class _Commands(TyperGroup):
    """The commands, whatever goes wrong in one told in the same way."""

    def invoke(self, ctx: Any) -> Any:
        with reported(), ended_as_interrupted():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Runs and watches Stromhaltig's stacks.",
)
app.command("deploy")(deploy.deploy)
app.command("rollback")(deploy.rollback)
app.command("releases")(deploy.list_releases)
app.command("status")(watch.status)
app.command("health")(watch.health)
app.command("logs")(watch.logs)
app.command("exec", context_settings={"allow_interspersed_args": False})(watch.execute)
app.command("maintenance")(watch.maintenance)
app.command("monitor")(watch.monitor)
app.add_typer(db.app, name="db")
app.add_typer(files.app, name="files")
app.add_typer(secrets.app, name="secrets")
app.add_typer(cost.app, name="cost")
app.command("policies")(policies.check)
app.command("doctor")(doctor.doctor)
app.command("bootstrap")(bootstrap.bootstrap)
app.add_typer(env.app, name="env")
app.add_typer(review.app, name="review")
app.add_typer(ci.app, name="ci")
app.command("unlock")(unlock.unlock)
app.command("audit")(unlock.audit)


if __name__ == "__main__":
    app()
