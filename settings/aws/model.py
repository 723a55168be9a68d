"""The settings of a stack on AWS."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field

from contract import Kind, Variable, matching
from settings import forms
from settings.aws.groups import (
    Database,
    DefaultTags,
    Deployment,
    LoadBalancer,
    Logs,
    Network,
    Registry,
    Service,
)
from settings.aws.options import (
    Autoscaling,
    Backups,
    Budget,
    Cache,
    Cdn,
    Firewall,
    Github,
    Jobs,
    Monitoring,
    Reviews,
    Uploads,
)
from settings.model import DATABASE_LOGIN, Settings

SLACK_WEBHOOK: Final = Variable(
    "SLACK_WEBHOOK_URL",
    Kind.OPERATOR,
    None,
    "Incoming webhook of the Slack channel that gets alarms (AWS).",
    matching(
        "a webhook like https://hooks.slack.com/services/T/B/XXX",
        r"https://hooks\.slack\.com/[A-Za-z0-9/_-]+",
    ),
    optional=True,
)
"""Where alarms are posted, if `monitoring.slack` is true."""


class OnAws(Settings):
    """What every stack on AWS is told, in the provider's own namespace."""

    region: forms.Region = Field(
        "", alias="aws:region", description="AWS region of everything."
    )
    profile: str = Field(
        "", alias="aws:profile", description="Profile of the AWS credentials."
    )
    default_tags: DefaultTags = Field(
        DefaultTags(),
        alias="aws:defaultTags",
        description="Tags on everything that takes some.",
    )


class AwsSettings(OnAws):
    """A stack's settings on AWS."""

    platform_secrets: ClassVar[tuple[Variable, ...]] = (SLACK_WEBHOOK, DATABASE_LOGIN)

    rotated: ClassVar[tuple[str, ...]] = ("DATABASE_URL", "REDIS_URL")

    platform: Literal["aws"] = Field(
        "aws", description="Where the app runs. Its settings are below."
    )
    network: Network = Field(Network(), description="The virtual network.")
    registry: Registry = Field(Registry(), description="The image repository.")
    database: Database = Field(Database(), description="The PostgreSQL database.")
    load_balancer: LoadBalancer = Field(
        LoadBalancer(), description="The load balancer."
    )
    service: Service = Field(Service(), description="The app's tasks, on ECS Fargate.")
    logs: Logs = Field(Logs(), description="The app's logs.")
    cache: Cache | None = Field(
        None, description="A cache: Valkey on ElastiCache. Without it the app has none."
    )
    uploads: Uploads | None = Field(
        None,
        description="A file system for uploads: EFS. Without it they go with the task.",
    )
    deployment: Deployment | None = Field(
        None,
        description="How a new version takes over. Makes what the strategies other "
        "than rolling need, above all a second target group: deploy it with `strategy: "
        "rolling` first, then with the one that you want.",
    )
    firewall: Firewall | None = Field(
        None, description="A web application firewall: WAF."
    )
    cdn: Cdn | None = Field(
        None, description="A content delivery network: CloudFront. Needs a domain."
    )
    autoscaling: Autoscaling | None = Field(
        None,
        description="As many tasks as the load asks for. `service.desired_count` is "
        "then only what a new service begins with.",
    )
    jobs: Jobs | None = Field(
        None, description="Tasks at set times: dumps, archives, maintenance."
    )
    monitoring: Monitoring | None = Field(
        None, description="Alarms, a dashboard, a health check from outside."
    )
    backups: Backups | None = Field(
        None, description="Backups by AWS Backup, beside the database's own."
    )
    github: Github | None = Field(
        None, description="Roles that workflows of a GitHub repository deploy with."
    )
    reviews: Reviews | None = Field(
        None,
        description="Lets stacks of pull requests use network, load balancer and "
        "database server, at `pr-N.` of the domain. Needs a domain, and is refused in "
        "production.",
    )
    budget: Budget | None = Field(
        None, description="A monthly limit that warns before it is exceeded."
    )
    secret_recovery_days: Annotated[
        int, AfterValidator(forms.Numbers((0, *range(7, 31)), "0, or from 7 to 30"))
    ] = Field(
        30,
        description="Days that a deleted secret can be restored. 0 deletes at once, "
        "so that a stack of the same name can be made again directly.",
    )

    @property
    def strategy(self) -> Literal["rolling", "blue_green", "canary", "linear"]:
        """How a new version takes over."""
        return self.deployment.strategy if self.deployment else "rolling"

    @property
    def posts_to_slack(self) -> bool:
        """Whether alarms go to Slack too."""
        return self.monitoring is not None and self.monitoring.slack

    @property
    def tasks(self) -> int:
        """Tasks that a new service begins with."""
        wanted, scaling = self.service.desired_count, self.autoscaling
        if scaling is None:
            return wanted
        return min(max(wanted, scaling.minimum), scaling.maximum)

    def released(self) -> Self:
        """Return these settings with deletion protection lifted, to decommission."""
        unprotected = {"deletion_protection": False}
        return self.model_copy(
            update={
                "database": self.database.model_copy(update=unprotected),
                "load_balancer": self.load_balancer.model_copy(update=unprotected),
            }
        )
