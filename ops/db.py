"""`stromhaltig db`: everything about the database after the first day."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Database: migrations, backups, care.")
