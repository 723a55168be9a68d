"""`stromhaltig db`: everything about the database after the first day."""

from __future__ import annotations

import typer

from ops import db_backups, db_care, db_look, db_migrations, db_shell

app = typer.Typer(no_args_is_help=True, help="Database: migrations, backups, care.")
app.command("status")(db_migrations.status)
app.command("migrate")(db_migrations.migrate)
app.command("rollback")(db_migrations.rollback)
app.command("backup")(db_backups.backup)
app.command("backups")(db_backups.backups)
app.command("restore")(db_backups.restore)
app.command("drill")(db_backups.drill)
app.command("maintain")(db_care.maintain)
app.command("slow")(db_look.slow)
app.command("indexes")(db_look.indexes)
app.command("bloat")(db_look.bloat)
app.command("connections")(db_look.connections)
app.command("shell")(db_shell.shell)
