"""Tasks of ECS: those of the service, and one-off ones beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from components.service import APP
from ops.common import say
from ops.errors import FailedError, NotOfferedError, OpsError
from ops.lock import who_am_i
from ops.platforms.aws import logs
from ops.platforms.aws.account import Account, chunks, code, seconds, short
from ops.platforms.aws.waiting import Progress, wait
from ops.platforms.platform import Ended

TASK_SECONDS = 1800.0
"""How long a one-off task may take; the variable STROMHALTIG_TASK_SECONDS says else."""

START_SECONDS = 300.0
"""How long a task may take to run: network, image, secrets."""

LOG_SECONDS = 15.0
"""How long the last lines of a task that ended may take to arrive.

Docker's `awslogs` sends what it has every 5 s.
"""

POLL_SECONDS = 3.0

MOST_LINES = 10_000
"""Of a one-off task's output, the last that are kept."""

_DESCRIBED = 100
"""Tasks that one call describes."""

_KEPT = (
    "cpu",
    "ephemeralStorage",
    "executionRoleArn",
    "memory",
    "networkMode",
    "requiresCompatibilities",
    "runtimePlatform",
    "taskRoleArn",
    "volumes",
)
"""What a derived task definition takes over."""

_ALONE = ("dependsOn", "healthCheck", "portMappings")
"""What a container has no use for when it is alone and gets no requests."""

HINTS: Mapping[str, str] = {
    "CannotPullContainerError": (
        "Is the image there, may the execution role pull it, and does the private "
        "network reach the registry?"
    ),
    "ResourceInitializationError": (
        "A secret or the log group was out of reach: look at the execution role, the "
        "secrets' versions and the way out of the private network."
    ),
    "OutOfMemory": "It needs more memory: stromhaltig:service.memory.",
    "Capacity is unavailable": (
        "AWS has no capacity of this kind right now. Try again in some minutes."
    ),
    "RESOURCE:": "The account's quota is used up; `stromhaltig doctor` shows it.",
}
"""Part of what ECS says, to what helps."""


@dataclass(frozen=True)
class Task:
    """A task that was started. container: whose output and exit code count."""

    arn: str
    container: str


def described(account: Account, status: str, **wanted: str) -> list[Any]:
    """Tasks of the cluster with this desired status, `RUNNING` or `STOPPED`.

    wanted: filters of `list_tasks`, such as `serviceName`. ECS forgets what stopped
    after an hour.
    """
    arns = account.pages(
        "ecs",
        "list_tasks",
        "taskArns",
        cluster=account["cluster"],
        desiredStatus=status,
        **wanted,
    )
    return [
        task
        for some in chunks(arns, _DESCRIBED)
        for task in account.client("ecs").describe_tasks(
            cluster=account["cluster"], tasks=some
        )["tasks"]
    ]


def of_service(account: Account, status: str) -> list[Any]:
    """Tasks of the service."""
    return described(account, status, serviceName=account["service"])


def failures(account: Account, revision: str) -> tuple[list[str], list[str]]:
    """Why tasks of a revision did not stay, and the last lines of one that failed.

    The newest first, each reason once.
    """
    stopped = [
        task
        for task in of_service(account, "STOPPED")
        if task["taskDefinitionArn"] == revision
    ]
    stopped.sort(key=lambda task: str(task.get("stoppedAt", "")), reverse=True)
    unwell = [
        task
        for task in of_service(account, "RUNNING")
        if task["taskDefinitionArn"] == revision
        and task.get("healthStatus") == "UNHEALTHY"
    ]
    reasons = [reason for task in (*stopped, *unwell) for reason in reasons_of(task)]
    for task in (*stopped, *unwell):
        # That of the migration, when it is the migration that failed.
        for container in sorted(task["containers"], key=_by_failure):
            if log := logs.tail(account, container["name"], task["taskArn"]):
                return list(dict.fromkeys(reasons)), log
    return list(dict.fromkeys(reasons)), []


def reasons_of(task: Any) -> list[str]:
    """Why a task stopped or is unwell: what ECS says, and how its containers ended."""
    said = [task["stoppedReason"]] if task.get("stoppedReason") else []
    for container in task["containers"]:
        name, ended = container["name"], container.get("exitCode")
        if ended:
            said.append(f"{name} ended with exit code {ended}{_signal(ended)}")
        if container.get("reason"):
            said.append(f"{name}: {container['reason']}")
        if container.get("healthStatus") == "UNHEALTHY":
            said.append(f"{name} failed its health check")
    return [hinted(text) for text in said]


def hinted(text: str) -> str:
    """What ECS says, and what helps, where that is known."""
    helps = [hint for part, hint in HINTS.items() if part in text]
    return " ".join([text.strip(), *helps])


def _signal(code: int) -> str:
    names = {137: " (killed)", 139: " (crashed)", 143: " (asked to stop)"}
    return names.get(code, "")


def _by_failure(container: Any) -> tuple[bool, bool]:
    """Failed ones first, and of those not the app: it is mostly the last to know."""
    return not container.get("exitCode"), container["name"] == APP


def one_off(account: Account, command: Sequence[str], image: str | None) -> Ended:
    """Run a command like the app, alone: no migration runs before it.

    image: another than the app's. It gets a task definition of its own, in a family
    beside the service's, which is inactive afterwards.

    Raises FailedError when it does not start, or takes too long.
    """
    with _derived(account, image) as definition:
        return run(account, definition, APP, command)


def run(
    account: Account,
    definition: str,
    container: str | None = None,
    command: Sequence[str] = (),
) -> Ended:
    """Run a task definition to its end, in the network of the app.

    container: whose exit code and output it is; None for the only one.
    command: instead of its own.

    Raises FailedError when it does not start, or takes too long: it is stopped then,
    as it is when somebody interrupts.
    """
    patience = seconds("STROMHALTIG_TASK_SECONDS", TASK_SECONDS)
    with started(account, definition, container, command) as task:
        ended = _end(account, task, patience)
    if ended is None:
        raise FailedError(
            f"{_called(command, definition)} had no end after {patience:.0f} s and was "
            f"stopped; what it had done by then stays. Its last lines:\n"
            + "\n".join(logs.tail(account, task.container, task.arn))
            + "\nGive it longer: STROMHALTIG_TASK_SECONDS"
        )
    found = next(c for c in ended["containers"] if c["name"] == task.container)
    if found.get("exitCode") is None:
        raise FailedError(
            f"{_called(command, definition)} did not start: "
            f"{'; '.join(reasons_of(ended)) or 'ECS gives no reason'}"
        )
    lines = _output(account, task)
    if found.get("reason"):
        lines.append(hinted(found["reason"]))
    return Ended(code=found["exitCode"], lines=tuple(lines))


@contextmanager
def started(
    account: Account,
    definition: str,
    container: str | None = None,
    command: Sequence[str] = (),
    *,
    entered: bool = False,
) -> Iterator[Task]:
    """Have a task during the block; it is stopped unless it ended by itself.

    entered: whether ECS Exec may enter it.

    Raises FailedError, with what AWS says, when it is not placed.
    """
    ecs = account.client("ecs")
    if container is None:
        found = ecs.describe_task_definition(taskDefinition=definition)
        container = found["taskDefinition"]["containerDefinitions"][0]["name"]
    overrides = (
        {"containerOverrides": [{"name": container, "command": list(command)}]}
        if command
        else {}
    )
    answer = ecs.run_task(
        cluster=account["cluster"],
        taskDefinition=definition,
        count=1,
        launchType="FARGATE",
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": list(account["task_subnets"]),
                "securityGroups": [account["task_security_group"]],
                "assignPublicIp": "DISABLED",
            }
        },
        overrides=overrides,
        startedBy=_started_by(),
        propagateTags="TASK_DEFINITION",
        enableExecuteCommand=entered,
    )
    if not answer["tasks"]:
        raise FailedError(
            f"ECS did not start {_called(command, definition)}: "
            + "; ".join(map(_placement, answer["failures"]))
        )
    task = Task(answer["tasks"][0]["taskArn"], str(container))
    try:
        yield task
    finally:
        _stop(account, task)


def _stop(account: Account, task: Task) -> None:
    """Stop a task, unless it has; never hides what went wrong before."""
    try:
        found = look(account, task)
        if found["lastStatus"] != "STOPPED":
            account.client("ecs").stop_task(
                cluster=account["cluster"],
                task=task.arn,
                reason=f"{_started_by()} no longer waits for it",
            )
    except Exception as error:
        say(
            f"Task {short(task.arn)} may go on running ({code(error)}). Stop it: aws "
            f"ecs stop-task --cluster {account['cluster']} --task {task.arn}"
        )


def look(account: Account, task: Task) -> Any:
    """A task as ECS describes it now."""
    found = account.client("ecs").describe_tasks(
        cluster=account["cluster"], tasks=[task.arn]
    )
    if not found["tasks"]:
        raise FailedError(f"ECS does not know task {task.arn} any more")
    return found["tasks"][0]


def _end(account: Account, task: Task, patience: float) -> Any | None:
    progress = Progress()

    def stopped() -> Any | None:
        found = look(account, task)
        progress.tell(f"task {short(task.arn)[:8]}: {found['lastStatus'].lower()}")
        return found if found["lastStatus"] == "STOPPED" else None

    return wait(stopped, patience=patience, every=POLL_SECONDS)


def _output(account: Account, task: Task) -> list[str]:
    """All lines of a task that has ended, once no more arrive."""
    before: list[str] = []

    def settled() -> list[str] | None:
        nonlocal before
        lines = _read(account, task)
        if lines and lines == before:
            return lines
        before = lines
        return None

    return wait(settled, patience=LOG_SECONDS, every=POLL_SECONDS) or before


def _read(account: Account, task: Task) -> list[str]:
    from botocore.exceptions import ClientError

    lines: list[str] = []
    token: dict[str, str] = {}
    while True:
        try:
            page = account.client("logs").get_log_events(
                logGroupName=account["log_group"],
                logStreamName=logs.stream(task.container, task.arn),
                startFromHead=True,
                **token,
            )
        except ClientError as error:
            if code(error) == "ResourceNotFoundException":
                return []
            raise
        lines += [event["message"].rstrip("\n") for event in page["events"]]
        del lines[:-MOST_LINES]
        # The end is where the token stays the same.
        if token.get("nextToken") == page["nextForwardToken"]:
            return lines
        token = {"nextToken": page["nextForwardToken"]}


@contextmanager
def _derived(account: Account, image: str | None) -> Iterator[str]:
    """A task definition of the app's container alone, inactive after the block."""
    ecs = account.client("ecs")
    found = ecs.describe_task_definition(
        taskDefinition=account["task_definition"], include=["TAGS"]
    )
    base = found["taskDefinition"]
    app = next(c for c in base["containerDefinitions"] if c["name"] == APP)
    alone = {key: value for key, value in app.items() if key not in _ALONE}
    tags = [tag for tag in found.get("tags", ()) if not tag["key"].startswith("aws:")]
    made = ecs.register_task_definition(
        **{key: base[key] for key in _KEPT if base.get(key)},
        family=f"{base['family']}-oneoff",
        containerDefinitions=[{**alone, **({"image": image} if image else {})}],
        **({"tags": tags} if tags else {}),
    )["taskDefinition"]["taskDefinitionArn"]
    try:
        yield made
    finally:
        # One that is left costs nothing and hurts nobody: the first error counts.
        with suppress(Exception):
            ecs.deregister_task_definition(taskDefinition=made)


_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "dump": {"jobs": "backups"},
    "archive": {"jobs": "backups", "uploads": "uploads"},
    "unpack": {"jobs": "backups", "uploads": "uploads"},
}
"""Job to the settings that it takes, each with an output that is null without it."""


def job(account: Account, name: str, alternative: str) -> str:
    """Task definition of a job of the app.

    Raises NotOfferedError, naming the setting and the alternative, when the stack has
    none.
    """
    jobs: Mapping[str, str] = account["jobs"] or {}
    if name in jobs:
        return jobs[name]
    off = [
        f"`stromhaltig:{setting}: {{}}`"
        for setting, output in _SETTINGS[name].items()
        if account[output] is None
    ]
    remedy = (
        f"set {' and '.join(off)} and deploy"
        if off
        else "deploy anew, with no `off` for it in `stromhaltig:jobs`"
    )
    raise NotOfferedError(
        f"Stack {account.stack} has no job `{name}`: {remedy}, or {alternative}"
    )


def demand_none(account: Account, definition: str) -> None:
    """Raise FailedError while a task of this family runs, whoever started it.

    One whose starter was killed goes on.
    """
    family = short(definition).partition(":")[0]
    for task in described(account, "RUNNING", family=family):
        raise FailedError(
            f"Task {short(task['taskArn'])} of {family} still runs, started by "
            f"{task.get('startedBy', 'somebody')}. Wait for its end, or stop it: aws "
            f"ecs stop-task --cluster {account['cluster']} --task {task['taskArn']}"
        )


def running_app(account: Account) -> tuple[Any, Any] | None:
    """A task of the service that a shell can enter, and its app container."""
    for task in of_service(account, "RUNNING"):
        for container in task["containers"]:
            if container["name"] == APP and enterable(container):
                return task, container
    return None


@contextmanager
def idle(account: Account, command: Sequence[str]) -> Iterator[tuple[Any, Any]]:
    """A task beside the service that a shell can enter, and its container.

    Raises FailedError when it cannot be entered in time.
    """
    say("    no task of the service can be entered; one is started for this")
    with (
        _derived(account, None) as definition,
        started(account, definition, APP, command, entered=True) as task,
    ):

        def agreed() -> tuple[Any, Any] | None:
            found = look(account, task)
            if found["lastStatus"] == "STOPPED":
                raise FailedError(
                    f"The task for the tunnel ended: {'; '.join(reasons_of(found))}"
                )
            container = next(c for c in found["containers"] if c["name"] == APP)
            return (found, container) if enterable(container) else None

        entry = wait(agreed, patience=START_SECONDS, every=POLL_SECONDS)
        if entry is None:
            raise FailedError(
                f"Task {short(task.arn)} cannot be entered after {START_SECONDS:.0f} s"
            )
        yield entry


def enterable(container: Any) -> bool:
    """Whether ECS Exec's agent runs in a container."""
    return container.get("lastStatus") == "RUNNING" and any(
        agent["name"] == "ExecuteCommandAgent" and agent.get("lastStatus") == "RUNNING"
        for agent in container.get("managedAgents", ())
    )


def demand_shells(account: Account) -> None:
    """Raise OpsError when ECS Exec is off for the service."""
    found = account.client("ecs").describe_services(
        cluster=account["cluster"], services=[account["service"]]
    )["services"]
    if not found or not found[0].get("enableExecuteCommand"):
        raise OpsError(
            f"Nobody may enter containers of stack {account.stack}: ECS Exec is off. "
            "Turn it on, and off again afterwards: pulumi config set --path "
            f"stromhaltig:service.execute_command true --stack {account.stack} && "
            f"stromhaltig deploy --stack {account.stack}"
        )


def _called(command: Iterable[str], definition: str) -> str:
    return f"`{' '.join(command)}`" if command else f"task {short(definition)}"


def _placement(failure: Mapping[str, str]) -> str:
    said = f"{failure.get('reason', 'no reason given')} {failure.get('detail', '')}"
    return hinted(said)


def _started_by() -> str:
    """Who starts a task, in the characters that ECS takes."""
    return re.sub(r"[^A-Za-z0-9_/-]", "-", f"stromhaltig/{who_am_i()}")[:128]
