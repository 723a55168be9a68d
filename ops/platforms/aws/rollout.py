"""What the service runs, and whether what was rolled out is what serves.

The emulator rolls nothing out: what is said of it here is tested with recorded answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from components.service import APP
from ops.errors import FailedError, OpsError
from ops.platforms.aws import tasks
from ops.platforms.aws.account import Account, seconds, short
from ops.platforms.aws.waiting import Progress, wait
from ops.platforms.platform import Running, Verdict

POLL_SECONDS = 5.0

PATIENCE_FACTOR = 3
"""How many times the time by design a roll-out may take."""

PATIENCE_BASE = 300.0
"""Seconds on top: Fargate can take minutes to find room, an image to be pulled."""

EVENTS = 3
"""Of the service's events, how many are told."""

_STEADY = "has reached a steady state"

_WAITS = frozenset({"PENDING", "IN_PROGRESS"})


def service(account: Account) -> Any | None:
    """The service as ECS describes it; None when it is not there."""
    found = account.client("ecs").describe_services(
        cluster=account["cluster"], services=[account["service"]]
    )["services"]
    active = [one for one in found if one["status"] != "INACTIVE"]
    return active[0] if active else None


def primary(described: Any) -> Any | None:
    """The deployment that ECS was told of last, or went back to."""
    return next(
        (one for one in described["deployments"] if one["status"] == "PRIMARY"), None
    )


def image(account: Account, revision: str) -> str:
    """Image of the app in a task definition."""
    found = account.client("ecs").describe_task_definition(taskDefinition=revision)
    containers = found["taskDefinition"]["containerDefinitions"]
    return str(next(c["image"] for c in containers if c["name"] == APP))


class Rollout:
    """The service's deployments."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._switched: tuple[str, str] | None = None

    @property
    def _shifts(self) -> bool:
        """Whether traffic is moved between two groups; an update may change that."""
        return bool(self._account["strategy"] != "rolling")

    def running(self) -> Running | None:
        """As `Platform.running`."""
        described = service(self._account)
        current = primary(described) if described else None
        if current is None:
            return None
        attempt, revision = current["id"], current["taskDefinition"]
        if self._shifts and (shifts := self._shift_deployments()):
            attempt = shifts[0]["serviceDeploymentArn"]
            revision = self._served(shifts) or revision
        return Running(attempt, revision, image(self._account, revision))

    def switch(self, to: Running) -> None:
        """As `Platform.switch`.

        Raises OpsError when the revision can no longer be started.
        """
        ecs = self._account.client("ecs")
        found = ecs.describe_task_definition(taskDefinition=to.revision)
        state = found["taskDefinition"]["status"]
        if state != "ACTIVE":
            raise OpsError(
                f"Task definition {short(to.revision)} is {state.lower()}, so that ECS "
                "starts no task of it. Go back through the program: stromhaltig "
                f"rollback --stack {self._account.stack}"
            )
        ecs.update_service(
            **self._account.service,
            taskDefinition=to.revision,
            forceNewDeployment=True,
        )
        self._switched = (self._account["task_definition"], to.revision)

    def verdict(self, before: Running | None, *, finished: bool = True) -> Verdict:
        """As `Platform.verdict`."""
        wanted = self._wanted() if finished else self._registered_last()
        design = float(self._account["rollout_seconds"] or 0)
        patience = seconds(
            "STROMHALTIG_ROLLOUT_SECONDS", PATIENCE_FACTOR * design + PATIENCE_BASE
        )
        progress = Progress()

        def judge() -> Verdict | None:
            if self._shifts:
                return self._shifted(wanted, before, progress, finished=finished)
            return self._rolled(wanted, before, progress)

        found = wait(
            judge,
            patience=patience,
            every=POLL_SECONDS,
        )
        return found or self._failed(
            wanted,
            f"{short(wanted)} was not rolled out after {patience:.0f} s, and ECS still "
            "tries. Give it longer: STROMHALTIG_ROLLOUT_SECONDS",
            self._service(),
        )

    def _wanted(self) -> str:
        """Revision that was asked for last: by Pulumi, or past it."""
        asked: str = self._account["task_definition"]
        if self._switched and self._switched[0] == asked:
            return self._switched[1]
        return asked

    def _registered_last(self) -> str:
        """Revision that an update wanted which left the outputs as they were."""
        asked: str = self._account["task_definition"]
        found = self._account.client("ecs").list_task_definitions(
            familyPrefix=short(asked).rpartition(":")[0], sort="DESC"
        )["taskDefinitionArns"]
        return max(found, key=_number, default=asked)

    def _rolled(
        self, wanted: str, before: Running | None, progress: Progress
    ) -> Verdict | None:
        described = self._service()
        current = primary(described)
        if current is None:
            return None
        same = before is not None and before.deployment == current["id"]
        if current["taskDefinition"] != wanted:
            return self._went_back(wanted, current, same, described)
        progress.tell(_counted(current))
        state = current.get("rolloutState") or _by_count(described, current)
        if state == "FAILED":
            why = current.get("rolloutStateReason", "")
            return self._failed(wanted, f"{short(wanted)} failed: {why}", described)
        if state != "COMPLETED":
            return None
        if current["desiredCount"] == 0:
            return Verdict(False, f"{short(wanted)} is deployed, and no task is wanted")
        if same:
            return Verdict(True, f"Nothing to roll out: {short(wanted)} ran before")
        return Verdict(True, f"{current['runningCount']} tasks run {short(wanted)}")

    def _service(self) -> Any:
        """The service, which must be there."""
        described = service(self._account)
        if described is None:
            raise FailedError(
                f"ECS has no service {self._account['service']} in cluster "
                f"{self._account['cluster']}. Deploy it: stromhaltig deploy --stack "
                f"{self._account.stack}"
            )
        return described

    def _went_back(
        self, wanted: str, current: Any, same: bool, described: Any
    ) -> Verdict:
        """The service runs something else than was asked for: why?"""
        tried = [one for one in described["deployments"] if _is_of(one, wanted)]
        if same and not tried and not tasks.failures(self._account, wanted)[0]:
            return _never_told(wanted, current["taskDefinition"])
        return self._failed(
            wanted,
            f"ECS went back to {short(current['taskDefinition'])}: {short(wanted)} did "
            "not come to serve",
            described,
            rolled_back=True,
        )

    def _shifted(
        self,
        wanted: str,
        before: Running | None,
        progress: Progress,
        *,
        finished: bool,
    ) -> Verdict | None:
        """Blue/green, canary and linear have a state of their own, in steps."""
        found = self._shift_deployments()
        if not found:
            return self._rolled(wanted, before, progress)
        attempt: str = found[0]["serviceDeploymentArn"]
        newest = self._detailed(attempt)
        state: str = newest["status"]
        target = self._revision(newest["targetServiceRevision"]["arn"])
        progress.tell(f"{state.lower()}, {newest.get('lifecycleStage', '').lower()}")
        if state in _WAITS:
            return None
        same = before is not None and before.deployment == attempt
        if same and target != wanted:
            # ECS lists a deployment some time after it was told of it.
            return None if finished else _never_told(wanted, target)
        if state == "SUCCESSFUL" and target == wanted:
            if same:
                return Verdict(True, f"Nothing to roll out: {short(wanted)} ran before")
            return Verdict(True, f"All traffic goes to {short(wanted)}")
        alarms = newest.get("alarms", {}).get("triggeredAlarmNames", [])
        said = [
            newest.get("statusReason", ""),
            newest.get("rollback", {}).get("reason", ""),
            *(f"alarm {name} rang" for name in alarms),
        ]
        verdict = self._failed(
            wanted,
            _told(state, target, wanted),
            self._service(),
            rolled_back=state.startswith("ROLLBACK_") or target != wanted,
        )
        return replace(verdict, reasons=(*filter(None, said), *verdict.reasons))

    def _failed(
        self, wanted: str, says: str, described: Any, *, rolled_back: bool = False
    ) -> Verdict:
        """With what is known of why: of the revision's tasks, and of the service."""
        reasons, log = tasks.failures(self._account, wanted)
        for one in described["deployments"]:
            if _is_of(one, wanted) and one.get("failedTasks"):
                reasons.append(f"{one['failedTasks']} tasks of it failed")
        events = [
            tasks.hinted(event["message"])
            for event in described["events"]
            if _STEADY not in event["message"]
        ]
        return Verdict(
            False,
            says,
            rolled_back=rolled_back,
            reasons=(*reasons, *events[:EVENTS]),
            log=tuple(log),
        )

    def _shift_deployments(self) -> list[Any]:
        """Deployments of the service, the newest first; ECS keeps 90 days."""
        found: list[Any] = []
        token: dict[str, str] = {}
        while True:
            page = self._account.client("ecs").list_service_deployments(
                **self._account.service, **token
            )
            found += page["serviceDeployments"]
            if not page.get("nextToken"):
                break
            token = {"nextToken": page["nextToken"]}
        return sorted(found, key=lambda one: one["createdAt"], reverse=True)

    def _served(self, shifts: list[Any]) -> str | None:
        """Revision of the last deployment that came to an end in either direction."""
        for one in shifts:
            if one["status"] == "SUCCESSFUL":
                return self._revision(one["targetServiceRevisionArn"])
            if one["status"] == "ROLLBACK_SUCCESSFUL":
                back = self._detailed(one["serviceDeploymentArn"])["rollback"]
                return self._revision(back["serviceRevisionArn"])
        return None

    def _detailed(self, deployment: str) -> Any:
        return self._account.client("ecs").describe_service_deployments(
            serviceDeploymentArns=[deployment]
        )["serviceDeployments"][0]

    def _revision(self, arn: str) -> str:
        found = self._account.client("ecs").describe_service_revisions(
            serviceRevisionArns=[arn]
        )
        return str(found["serviceRevisions"][0]["taskDefinition"])


def _is_of(deployment: Mapping[str, Any], revision: str) -> bool:
    return bool(deployment["taskDefinition"] == revision)


def _number(revision: str) -> int:
    """Task definitions count up in their family."""
    return int(revision.rpartition(":")[2])


def _never_told(wanted: str, runs: str) -> Verdict:
    return Verdict(
        False,
        f"The service was never told to run {short(wanted)}: it runs {short(runs)}",
    )


def _counted(current: Mapping[str, Any]) -> str:
    failed = current.get("failedTasks") or 0
    return (
        f"{short(current['taskDefinition'])}: {current['runningCount']} of "
        f"{current['desiredCount']} tasks run"
        + (f", {failed} failed" if failed else "")
    )


def _by_count(described: Any, current: Mapping[str, Any]) -> str:
    """For a service whose deployments have no state of their own."""
    alone = len(described["deployments"]) == 1
    full = current["runningCount"] >= current["desiredCount"]
    return "COMPLETED" if alone and full else "IN_PROGRESS"


def _told(state: str, target: str, wanted: str) -> str:
    if state == "ROLLBACK_FAILED":
        return (
            f"ECS could not go back from {short(wanted)}: look at the service's "
            "deployments now"
        )
    if state.startswith("ROLLBACK_"):
        return f"ECS took the traffic back from {short(wanted)}"
    if target != wanted:
        return f"{short(wanted)} was followed by {short(target)}"
    return f"The deployment of {short(wanted)} was stopped: {state.lower()}"
