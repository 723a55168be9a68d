"""`stromhaltig unlock` and `audit`: who works on a stack, and who did."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from ops import audit as log
from ops.common import (
    JsonOption,
    OfStackOption,
    YesOption,
    confirm,
    print_json,
    print_table,
    say,
)
from ops.lock import Lock

_STYLES = {"done": "green", "failed": "red", "begun": "yellow", "interrupted": "yellow"}


def unlock(stack: OfStackOption, yes: YesOption = False) -> None:
    """Free a stack that somebody left locked who is gone; refuses while they live.

    Both locks: of this command, and of Pulumi where the state is in a folder or bucket.
    """
    from ops.pulumi_lock import demand_dead, pulumi_locks
    from ops.stack import Stack

    opened = Stack(stack)
    lock = Lock(opened.records)
    holder = lock.holder()
    pulumi = pulumi_locks(opened)
    if holder is None and not pulumi:
        say(f"Stack {stack} is not locked.")
        return
    if holder:
        say(f"Locked by {holder}.")
    for found in pulumi:
        say(f"Pulumi's lock: {found}.")
    lock.demand_dead()
    demand_dead(pulumi)
    confirm(f"Free {stack}?", yes=yes)
    with log.audited(opened.records, "unlock", {"holder": str(holder or "")}):
        lock.release_dead()
        if pulumi:
            # Somebody may have begun since the question was asked.
            demand_dead(pulumi_locks(opened))
            opened.cancel()
    say(
        f"Stack {stack} is free. What was interrupted may be half-done: stromhaltig "
        f"status --stack {stack}, then deploy again."
    )


def audit(
    stack: OfStackOption,
    last: Annotated[int, typer.Option(min=1, help="How many entries.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List who changed what on a stack, the newest first."""
    from ops.stack import Stack

    acts = log.acts(Stack(stack).records, last)
    if as_json:
        print_json(acts)
        return
    if not acts:
        say("Nothing is recorded yet.")
        return
    print_table(
        ("when (UTC)", "who", "command", "outcome", "took", "details"),
        (
            (
                act.at[:19],
                act.who,
                act.command,
                Text(act.outcome, _STYLES.get(act.outcome, "")),
                f"{act.seconds:.0f} s",
                _details(act),
            )
            for act in acts
        ),
    )


def _details(act: log.Act) -> str:
    told = ", ".join(f"{key}: {value}" for key, value in act.details.items())
    return "\n".join(filter(None, [told, act.message.partition("\n")[0]]))
