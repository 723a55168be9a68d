"""Makes and destroys the environments of pull requests."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ops.ci.markdown import block, code
from ops.ci.reaper import REVIEW_LABEL, STACK_TAG, ReviewStack, review_stacks
from ops.ci.redaction import redact
from ops.errors import FailedError, OpsError
from ops.interrupts import child_first
from ops.stack import Stack, project
from ops.stack_graph import pulumi_json

TITLE = "## Environment of this pull request"

GONE = "no stack named"
"""How Pulumi begins to say that there is no such stack."""

LOCKED = "is currently locked"
"""How it says that somebody works on one, or died of it."""


@dataclass(frozen=True)
class Environment:
    """An environment that is up.

    url: where it answers. text: the comment about it.
    """

    url: str
    text: str


def listed() -> list[ReviewStack]:
    """The environments that there are.

    Raises GraphError with what Pulumi says when it cannot list them.
    """
    tag = "=".join(STACK_TAG)
    return review_stacks(pulumi_json("stack", "ls", "--json", "--tag", tag))


def up(name: str, secrets_provider: str) -> Environment:
    """Make or update the stack of a pull request.

    secrets_provider: what encrypts the secrets of a stack that is new.

    Raises OpsError when its file was not prepared, FailedError when its base has no
    room for another, or when it does not come up, GraphError as `listed`.
    """
    file = project() / f"Pulumi.{name}.yaml"
    if not file.exists():
        number = name.removeprefix("pr-")
        raise OpsError(
            f"There is no {file.name}. Write it first: stromhaltig review prepare "
            f"{number} --ref REPOSITORY@sha256:DIGEST"
        )
    _demand_room(name, file)
    _demand(
        *("stack", "select", "--create", name),
        *("--secrets-provider", secrets_provider),
    )
    _demand("stack", "tag", "set", *STACK_TAG, "--stack", name)
    _succeeded(
        _changed(name, "up", "--yes", "--skip-preview", "--suppress-outputs"), "up"
    )
    stack = Stack(name)
    url = str(stack.outputs["url"])
    return Environment(url, _comment(stack))


def down(name: str) -> str:
    """Destroy a stack and forget it; what was done, in words.

    Raises FailedError when something of it is left.
    """
    done = _changed(name, "destroy", "--yes", "--skip-preview", "--remove")
    if done.returncode == 0:
        return "is destroyed"
    if GONE in done.stdout:
        return "was gone already"
    raise FailedError(
        f"{name} is not destroyed: {redact(_end(done.stdout))}\nDestroy it again; the "
        "reaper will, within the hour"
    )


def busy(name: str) -> bool:
    """Whether an update of a stack is under way: somebody who is alive has locked it.

    Raises OpsError when there is no such stack, or a lock cannot be read.
    """
    from ops.pulumi_lock import pulumi_locks

    return any(lock.alive() for lock in pulumi_locks(Stack(name)))


def free(name: str) -> bool:
    """Take away Pulumi's lock of a job that is gone; whether there was one.

    While its owner is alive it stays, and whoever comes is refused.

    Raises OpsError when there is no such stack, or a lock cannot be read.
    """
    from ops.pulumi_lock import pulumi_locks

    stack = Stack(name)
    locks = pulumi_locks(stack)
    dead = bool(locks) and not any(lock.alive() for lock in locks)
    if dead:
        stack.cancel()
    return dead


def failure(name: str, reason: FailedError) -> str:
    """What the pull request is told when its environment did not come up."""
    said = f"{code(name)} could not be brought up to date:\n\n{block(str(reason))}"
    return redact(f"{TITLE}\n\n{said}")


def gone(name: str, done: str) -> str:
    """What the pull request is told when its environment is destroyed."""
    return f"{TITLE}\n\n{code(name)} {done}."


def _demand_room(name: str, file: Path) -> None:
    """Refuse another environment where the base has as many as it takes.

    Two that come up in the same minute may both find the last place; the database
    server has some connections to spare.
    """
    from settings.aws.review import room

    base, most = room(file)
    there = [stack.name for stack in listed()]
    if name in there or len(there) < most:
        return
    raise FailedError(
        f"{base} has room for {most} environments at once (stromhaltig:reviews.max in "
        f"Pulumi.{base}.yaml), and these are there: {', '.join(there)}. Take the label "
        f"`{REVIEW_LABEL}` off one of these pull requests; when it is gone, take it "
        "off this one and put it on again"
    )


def _comment(stack: Stack) -> str:
    """What the pull request is told."""
    from cost import assumptions, show
    from cost.book import BookError
    from cost.estimate import book_for, estimate
    from resource_graph import GraphError, parse

    try:
        graph = parse(stack.export())
        assumed = assumptions.assumptions(assumptions.profile_for(stack.name), [])
        price = show.headline(estimate(graph, book_for(graph), assumed))
    except (BookError, GraphError) as error:
        price = f"of unknown price: {error}"
    return redact(
        f"{TITLE}\n\n{code(stack.name)} is up, with a "
        f"database of its own. It goes when the pull request is closed, when the label "
        f"`review` is taken off, or when its time is over; `persist` lets it stay.\n\n"
        f"**Cost**: {price}, for as long as it is there."
    )


def _changed(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Change a stack, also when a job that is gone has left it locked."""
    command = (*arguments, "--stack", name)
    done = _pulumi(*command)
    if done.returncode != 0 and LOCKED in done.stdout and free(name):
        return _pulumi(*command)
    return done


def _demand(*arguments: str) -> None:
    _succeeded(_pulumi(*arguments), " ".join(arguments[:2]))


def _succeeded(done: subprocess.CompletedProcess[str], what: str) -> None:
    if done.returncode != 0:
        raise FailedError(f"pulumi {what}: {redact(_end(done.stdout))}")


def _pulumi(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Pulumi; the log of a job is public, so that what it says is kept."""
    try:
        with child_first("Pulumi"):
            return subprocess.run(
                ["pulumi", *arguments, "--non-interactive", "--color", "never"],
                cwd=project(),
                # A stack file that was just prepared does not say how secrets are
                # encrypted; the state does, once there is one.
                env=os.environ | {"PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
    except FileNotFoundError:
        raise OpsError(
            "There is no `pulumi` on PATH. Install it: "
            "curl -fsSL https://get.pulumi.com | sh"
        ) from None


def _end(text: str) -> str:
    """The last lines, where the reason is."""
    return "\n".join(text.strip().splitlines()[-25:])
