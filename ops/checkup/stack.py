"""What of a stack stands in the way of its next deployment, or wears out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ops.checkup import Check, account
from ops.common import is_kept
from ops.lock import Lock
from ops.platforms.platform import Fact, State
from ops.pulumi_lock import pulumi_locks

if TYPE_CHECKING:
    from ops.platforms.platform import Platform
    from ops.stack import Stack

PLATFORM_SECONDS = 60.0
"""A platform looks at a dozen things, one after the other."""

DRIFT_SECONDS = 600.0
"""Refreshing 300 resources takes minutes where the platform throttles."""

SHOWN = 8
"""Of a list of changes or findings, as many are named."""


def checks(stack: Stack) -> list[Check]:
    """Look at everything; the quick and local first."""
    return [
        *preflight_checks(stack),
        Check("platform", lambda: _platform(stack).checks(), PLATFORM_SECONDS),
        Check("site", lambda: site(stack)),
        Check("policies", lambda: [policies(stack)], seconds=60),
        Check("drift", lambda: [drift(stack)], seconds=DRIFT_SECONDS),
    ]


def preflight_checks(stack: Stack) -> list[Check]:
    """What has to be well before a deployment, in seconds."""
    return [
        Check("settings", lambda: [settings(stack)], remote=False),
        Check("rotations", lambda: rotations(stack)),
        Check("state", lambda: [state(stack)]),
        Check("lock", lambda: locks(stack)),
        Check("credentials", lambda: credentials(stack)),
    ]


def settings(stack: Stack) -> Fact:
    """Check the stack file as the program will."""
    from settings import SettingsError

    try:
        stack.settings()
    except SettingsError as error:
        count = len(error.problems)
        says = f"{count} {'problem' if count == 1 else 'problems'} in the stack file"
        return Fact("settings", State.ERROR, says, "\n".join(error.problems))
    return Fact("settings", State.OK, f"Pulumi.{stack.name}.yaml is sound")


def rotations(stack: Stack) -> Iterator[Fact]:
    """See whether a secret was rotated that the stack file does not know of."""
    from ops import rotation

    found = list(rotation.behind(stack))
    if found:
        yield Fact("rotations", State.ERROR, *rotation.older(stack, found))
        return
    user = rotation.other_login(stack)
    if user:
        yield Fact(
            "rotations",
            State.WARNING,
            f"Pulumi.{stack.name}.yaml names the database login {user}, and the app is "
            f"{stack.outputs['database_user']}",
            "Was no rotation interrupted, the file is an older one: take that of "
            "whoever rotated it (git pull)",
        )
    elif rotation.deployed(stack) and is_kept(stack):
        yield Fact("rotations", State.OK, "the stack file knows all that are deployed")


def state(stack: Stack) -> Fact:
    """See whether the state can be read, and whether anything is unfinished in it."""
    deployment = stack.export().get("deployment") or {}
    unfinished = deployment.get("pending_operations") or []
    count = len(deployment.get("resources") or [])
    says = f"{stack.backend_url}, {count} resources"
    if not unfinished:
        return Fact("state", State.OK, says)
    names = ", ".join(
        f"{each['type']} {each['resource']['urn'].rpartition('::')[2]}"
        for each in unfinished[:SHOWN]
    )
    return Fact(
        "state",
        State.ERROR,
        f"{says}; an update was killed at: {names}",
        "Look whether they exist, then let Pulumi ask: pulumi refresh --stack "
        f"{stack.name}",
    )


def locks(stack: Stack) -> Iterator[Fact]:
    """See who works on the stack: by our own lock, and by Pulumi's."""
    holder = Lock(stack.records).holder()
    if holder is None:
        yield Fact("lock", State.OK, "free")
    elif holder.alive():
        yield Fact("lock", State.WARNING, f"held by {holder}", "Wait for it.")
    else:
        remedy = f"Look at what it left, then: stromhaltig unlock --stack {stack.name}"
        yield Fact("lock", State.ERROR, f"left behind by {holder}", remedy)
    for lock in pulumi_locks(stack):
        yield Fact(
            "lock of Pulumi",
            State.WARNING if lock.alive() else State.ERROR,
            f"held by {lock}",
            "Wait for it."
            if lock.alive()
            else f"It is gone: stromhaltig unlock --stack {stack.name}",
        )


def credentials(stack: Stack) -> Iterator[Fact]:
    """See whether they lead where the stack is; before the first update: anywhere."""
    if (stack.get("platform", "aws") or "aws") == "aws":
        yield account.aws(
            region=stack.get("aws:region"),
            profile=stack.get("aws:profile"),
            account=stack.outputs.get("account"),
        )


def site(stack: Stack) -> Iterator[Fact]:
    """See where the stack's name leads, and what certificate answers there."""
    from ops.platforms import site as sites

    url = stack.outputs.get("url")
    if not url:
        yield Fact("site", State.UNKNOWN, "never deployed", "Deploy it.")
        return
    yield replace(sites.name(url), name="site: DNS")
    if url.startswith("https://"):
        yield replace(sites.certificate(url), name="site: certificate")


def policies(stack: Stack) -> Fact:
    """Judge the stack by the policies, with the exceptions that are written down."""
    from policies import exceptions
    from policies.catalogue import POLICIES
    from policies.evaluate import judge
    from resource_graph import parse

    accepted = exceptions.load(exceptions.FILE, [policy.id for policy in POLICIES])
    judgement = judge(parse(stack.export()), POLICIES, accepted)
    if judgement.passed:
        says = f"nothing open, {len(judgement.accepted)} accepted"
        return Fact("policies", State.OK, says)
    found = [str(finding.policy.id) for finding in judgement.open]
    found += [f"{outcome.policy.id} crashed" for outcome in judgement.crashed]
    return Fact(
        "policies",
        State.ERROR,
        f"open: {_listed(Counter(found))}",
        f"Each with its remedy: stromhaltig policies --stack {stack.name}",
    )


def drift(stack: Stack) -> Fact:
    """Look for what was changed behind the program's back; nothing is written."""
    changes = stack.drift()
    if not changes:
        return Fact("drift", State.OK, "everything is as the state has it")
    names = _listed(f"{change.type} {change.name} ({change.op})" for change in changes)
    return Fact(
        "drift",
        State.WARNING,
        f"{len(changes)} changed: {names}",
        f"Put it back: pulumi up --refresh --stack {stack.name}; or keep it: write it "
        "into the stack file",
    )


def _platform(stack: Stack) -> Platform:
    from ops.platforms import platform_of

    return platform_of(stack)


def _listed(found: Iterable[str]) -> str:
    names = list(found)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
