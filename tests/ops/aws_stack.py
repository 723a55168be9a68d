"""A stack on AWS that is only said to be there, for tests with recorded answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from ops.platforms.aws import waiting

PLACE = "eu-central-1:123456789012"
CLUSTER = "stromhaltig-test"
FAMILY = f"arn:aws:ecs:{PLACE}:task-definition/stromhaltig-test"
OLD, NEW = f"{FAMILY}:6", f"{FAMILY}:7"
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/stromhaltig-test@sha256:"

OUTPUTS: dict[str, Any] = {
    "platform": "aws",
    "region": "eu-central-1",
    "account": "123456789012",
    "url": "https://test.stromhaltig.de",
    "health_url": "https://test.stromhaltig.de/api/health",
    "transport": "https",
    "release": f"{IMAGE}{'b' * 64}",
    "cluster": CLUSTER,
    "service": "stromhaltig-test",
    "task_definition": NEW,
    "task_subnets": ["subnet-1", "subnet-2"],
    "task_security_group": "sg-1",
    "log_group": "/ecs/stromhaltig-test",
    "secret_arns": {"DATABASE_URL": f"arn:aws:secretsmanager:{PLACE}:secret:url-abc"},
    "database": "stromhaltig-test-database-abcdef",
    "database_name": "stromhaltig",
    "cache": None,
    "distribution": None,
    "strategy": "rolling",
    "rollout_seconds": 55,
    "scaling": None,
    "jobs": {"dump": f"{FAMILY}-dump:3"},
    "job_failures": f"https://sqs.eu-central-1.amazonaws.com/123456789012/{CLUSTER}",
    "backups": "stromhaltig-test-backups",
    "alarms": ["stromhaltig-test-cpu", "stromhaltig-test-errors"],
    "load_balancer": "stromhaltig-test-1.eu-central-1.elb.amazonaws.com",
    "load_balancer_metric": "app/stromhaltig-test/1234",
    "target_group": f"arn:aws:elasticloadbalancing:{PLACE}:targetgroup/blue/1",
}


@dataclass
class DeployedStack:
    """What the platform asks of a stack."""

    name: str = "test"
    outputs: dict[str, Any] = field(default_factory=lambda: dict(OUTPUTS))


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Let whoever waits for AWS wait by this clock."""
        patch.setattr(waiting, "time", self)
