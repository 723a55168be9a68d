"""`stromhaltig`: the command line. Each command is a module of its own."""

from __future__ import annotations

import typer

from ops import cost, env, policies, review

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Runs and watches Stromhaltig's stacks.",
)
app.add_typer(cost.app, name="cost")
app.add_typer(env.app, name="env")
app.add_typer(review.app, name="review")
app.command("policies")(policies.check)


if __name__ == "__main__":
    app()
