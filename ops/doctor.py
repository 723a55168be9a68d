"""`stromhaltig doctor`: what is not well, or soon will not be, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ops.common import FAILED, JsonOption, print_json, say, stack_option

if TYPE_CHECKING:
    from ops.checkup import Check
    from ops.platforms.platform import Fact, State
    from ops.stack import Stack

WhichOption = Annotated[
    str | None,
    stack_option("Look at this stack too; default: at this machine only."),
]


def doctor(
    stack: WhichOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="NAME", help="Only this check; may be repeated."
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nothing but this machine.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 on a warning too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at programs, credentials, state, settings, certificates, quotas, drift.

    Changes nothing. Ends with 1 when something is in error.
    """
    from ops import checkup
    from ops.checkup import account, machine
    from ops.platforms.platform import State

    checks = machine.checks()
    if stack is None:
        checks += account.checks()
    else:
        from ops.checkup import stack as of_stack
        from ops.stack import Stack

        checks += of_stack.checks(Stack(stack))
    facts = checkup.run(_chosen(checks, only or [], offline=offline))
    count = {state: sum(fact.state is state for fact in facts) for state in State}
    if as_json:
        print_json({"stack": stack, "facts": facts, "count": count})
    else:
        from ops.watch import show_facts

        show_facts(facts)
        say(_verdict(count))
    unwell = count[State.ERROR] or (strict and count[State.WARNING])
    if unwell:
        raise typer.Exit(FAILED)


def preflight(stack: Stack) -> list[Fact]:
    """What has to be well before a deployment begins."""
    from ops import checkup
    from ops.checkup import Check, machine
    from ops.checkup import stack as of_stack

    pulumi = machine.TOOLS[0]
    return checkup.run(
        [
            Check(pulumi.name, lambda: [machine.look(pulumi)]),
            *of_stack.preflight_checks(stack),
        ]
    )


def _chosen(checks: list[Check], only: list[str], *, offline: bool) -> list[Check]:
    """Those that were asked for.

    Raises OpsError, with the nearest name, for one that is not there.
    """
    from ops.errors import OpsError, nearest

    known = [check.name for check in checks]
    for name in only:
        if name not in known:
            hint = nearest(name, known, kind="checks")
            raise OpsError(f'There is no check "{name}". {hint}')
    return [
        check
        for check in checks
        if (not only or check.name in only) and not (offline and check.remote)
    ]


def _verdict(count: dict[State, int]) -> str:
    words = [f"{number} {state}" for state, number in count.items() if number]
    return ", ".join(words) or "Nothing was looked at."
