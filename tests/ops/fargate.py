"""Fargate on this machine: tasks that the emulator only notes are run as processes.

What a task definition says of a container holds here too: its command, its variables,
its secrets (looked up by version), who must have ended well before it starts, and the
log stream that its output goes to. What is not here: images, CPU and memory, users,
networks and volumes. A container's command runs in a folder that stands for its image.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3

from tests.ops.recorded import Recorded


@dataclass
class _Task:
    arn: str
    definition: Mapping[str, Any]
    asked: Mapping[str, Any]
    status: str = "PENDING"
    stopped: str = ""
    ended: dict[str, int] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    thread: threading.Thread | None = None

    def described(self) -> dict[str, Any]:
        return {
            "taskArn": self.arn,
            "taskDefinitionArn": self.definition["taskDefinitionArn"],
            "lastStatus": self.status,
            "desiredStatus": "STOPPED" if self.status == "STOPPED" else "RUNNING",
            "startedBy": self.asked["startedBy"],
            "containers": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "lastStatus": self.status,
                    **(
                        {"exitCode": self.ended[container["name"]]}
                        if container["name"] in self.ended
                        else {}
                    ),
                }
                for container in self.definition["containerDefinitions"]
            ],
            **({"stoppedReason": self.stopped} if self.stopped else {}),
        }


class Fargate:
    """Runs what is started, and answers for it instead of the emulator.

    folder: what stands for every image. environment: variables that replace those of
    containers, such as an address that is reached from here.
    images: those that can be pulled; None for all.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        images: frozenset[str] | None = None,
    ) -> None:
        self._folder = folder
        self.environment = dict(environment)
        self._images = images
        session = boto3.Session()
        self._ecs, self._logs = session.client("ecs"), session.client("logs")
        self._manager = session.client("secretsmanager")
        self._tasks: dict[str, _Task] = {}

    @contextmanager
    def serving(self, aws: Recorded) -> Iterator[Fargate]:
        """Answer during the block; what still runs then is ended."""
        calls = {
            "ecs.RunTask": self._run,
            "ecs.ListTasks": self._list,
            "ecs.DescribeTasks": self._describe,
            "ecs.StopTask": self._stop,
        }
        for operation, answer in calls.items():
            aws.on(operation, answer)
        try:
            yield self
        finally:
            for operation in calls:
                aws.off(operation)
            for task in self._tasks.values():
                self._end(task, "the test is over")

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """Every task that was started, as ECS describes it."""
        return [task.described() for task in self._tasks.values()]

    def _run(self, asked: dict[str, Any]) -> dict[str, Any]:
        definition = self._ecs.describe_task_definition(
            taskDefinition=asked["taskDefinition"]
        )["taskDefinition"]
        assert definition["status"] == "ACTIVE", "ECS starts no task of an inactive one"
        # Jobs call what they make by the second, and no task of Fargate's is as quick.
        time.sleep(1 - time.time() % 1)
        account = definition["taskDefinitionArn"].partition(":task-definition/")[0]
        arn = f"{account}:task/{asked['cluster']}/{uuid4().hex}"
        task = self._tasks[arn] = _Task(arn, definition, asked)
        task.thread = threading.Thread(target=self._live, args=(task,), daemon=True)
        task.thread.start()
        return {"tasks": [task.described()], "failures": []}

    def _list(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Of a family; those of services are the emulator's."""
        if "family" not in asked:
            return None
        found = [
            task.arn
            for task in self._tasks.values()
            if task.definition["family"] == asked["family"]
            and task.described()["desiredStatus"] == asked["desiredStatus"]
        ]
        return {"taskArns": found}

    def _describe(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        known = [self._tasks[arn] for arn in asked["tasks"] if arn in self._tasks]
        if not known:
            return None
        return {"tasks": [task.described() for task in known], "failures": []}

    def _stop(self, asked: dict[str, Any]) -> dict[str, Any]:
        task = self._tasks[asked["task"]]
        self._end(task, asked.get("reason", ""))
        return {"task": task.described()}

    def _end(self, task: _Task, reason: str) -> None:
        if task.status != "STOPPED":
            task.stopped = reason
        if task.process:
            task.process.terminate()
        if task.thread:
            task.thread.join(10)

    def _live(self, task: _Task) -> None:
        """Run containers in the order of their dependencies, one after the other."""
        waiting = list(task.definition["containerDefinitions"])
        if self._images is not None:
            unknown = {one["image"] for one in waiting} - self._images
            if unknown:
                task.stopped = f"CannotPullContainerError: no {unknown.pop()}"
                waiting = []
        task.status = "RUNNING" if waiting else "STOPPED"
        while waiting and not task.stopped:
            container = next(
                one
                for one in waiting
                if all(
                    task.ended.get(needed["containerName"]) == 0
                    for needed in one.get("dependsOn", ())
                )
            )
            waiting.remove(container)
            task.ended[container["name"]] = self._contain(task, container)
            if container["essential"] or task.ended[container["name"]]:
                task.stopped = task.stopped or "Essential container in task exited"
        task.status = "STOPPED"

    def _contain(self, task: _Task, container: Mapping[str, Any]) -> int:
        overrides = {
            one["name"]: one
            for one in task.asked.get("overrides", {}).get("containerOverrides", ())
        }
        mine = overrides.get(container["name"], {})
        command = mine.get("command") or container["command"]
        process = task.process = subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._variables(container),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        if task.stopped:  # while it was being started
            process.terminate()
        place = {
            "logGroupName": container["logConfiguration"]["options"]["awslogs-group"],
            "logStreamName": f"ecs/{container['name']}/{task.arn.rpartition('/')[2]}",
        }
        self._logs.create_log_stream(**place)
        with process.stdout as lines:
            for line in lines:
                # CloudWatch takes no empty ones.
                if text := line.rstrip():
                    event = {"timestamp": int(time.time() * 1000), "message": text}
                    self._logs.put_log_events(**place, logEvents=[event])
        # As a shell has it: ended by a signal.
        code = process.wait()
        return code if code >= 0 else 128 - code

    def _variables(self, container: Mapping[str, Any]) -> dict[str, str]:
        """Nothing of this machine's but the way to programs and to the emulator."""
        passed = {
            name: value
            for name, value in os.environ.items()
            if name in {"PATH", "HOME"} or name.startswith("AWS_")
        }
        plain = {one["name"]: one["value"] for one in container["environment"]}
        secret = {
            one["name"]: self._secret(one["valueFrom"])
            for one in container.get("secrets", ())
        }
        return {**passed, **plain, **secret, **self.environment}

    def _secret(self, reference: str) -> str:
        """Value of `ARN:::VERSION`."""
        arn, version = reference.rsplit(":::", 1)
        found = self._manager.get_secret_value(SecretId=arn, VersionId=version)
        return str(found["SecretString"])
