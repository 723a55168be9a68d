"""A web service on ECS Fargate: cluster, roles, task and deployments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from components import iam
from components.container_definitions import HealthCheck
from components.deployment import BlueGreen, Canary, Deployment, Linear, Rolling
from components.task_definition import TaskArgs, TaskContainer, define_task
from components.traffic import InfrastructureRole, TrafficArgs, infrastructure_role

APP = "app"
"""Name of the container that serves requests."""

MIGRATE = "migrate"
"""Name of the container that runs before it."""

_PATIENCE = 20
"""Minutes that the provider waits for a deployment when nobody says otherwise."""

# Where the agent of ECS Exec writes (containers-roadmap #1359).
_EXEC_PATHS = ("/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm")


@dataclass(frozen=True, kw_only=True)
class ServiceArgs(TaskArgs):
    """What a service needs to know, besides what every task does.

    port: where the app listens.
    health_check: liveness of the app, asked inside the container.
    migrate_command: run to the end before the app starts; empty for none.
    desired_count: tasks to keep running.
    autoscaled: the count is somebody else's after the creation: changes are ignored.
    spot_percent: share of the tasks (0-100), beyond `on_demand_base`, on spare
        capacity: up to 70 % cheaper and taken away at two minutes' notice.
    on_demand_base: tasks (0-100000) that run on regular capacity in any case.
    subnet_ids, security_group_ids: private network of the tasks.
    target_group_arn: where tasks register; it must be in use by a listener. The
        `stop_timeout` is not to be shorter than its deregistration delay.
    traffic: second target group and rules; without them deployments are rolling. Keep
        them while any other strategy was ever in use: the tasks may be in either group.
        AWS wants them there by a rolling deployment before the strategy changes.
        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/update-rolling-to-bluegreen.html
    deployment: how a new version takes over.
    alarm_names: CloudWatch alarms any of which undoes a deployment that runs.
    heed_alarms: whether they do. To turn them off, say so and go on naming them: ECS
        keeps the alarms that an update leaves out.
    container_insights: metrics of tasks and containers, at a price (ECS.12).
    log_group_name: defaults to `/ecs/NAME`; encrypted with the secrets' key.
    log_retention_days: a value that CloudWatch Logs offers.
    keep_logs: protect the log group from deletion.
    health_grace_period: seconds after the start of the app in which the load
        balancer's verdict does not count.
    deployment_maximum_percent: of the desired tasks that may run during a roll-out;
        more than 100, for no task stops before its successor serves.
    execute_command: allow shells in running containers (ECS Exec). AWS documents it
        for writable root file systems; here its agent gets volumes of its own.
    wait_for_steady_state: end an update when the new tasks serve, not before.
    starts_after: what tasks need and no other argument leads to, such as routes and
        the rules of security groups.
    """

    port: int
    health_check: HealthCheck
    migrate_command: Sequence[str]
    desired_count: int
    autoscaled: bool = False
    spot_percent: int = 0
    on_demand_base: int = 0
    subnet_ids: pulumi.Input[Sequence[pulumi.Input[str]]]
    security_group_ids: Sequence[pulumi.Input[str]]
    target_group_arn: pulumi.Input[str]
    traffic: TrafficArgs | None = None
    deployment: Deployment = field(default_factory=Rolling)
    alarm_names: Sequence[pulumi.Input[str]] = ()
    heed_alarms: bool = True
    container_insights: bool = True
    log_group_name: str | None = None
    log_retention_days: int = 30
    keep_logs: bool = False
    health_grace_period: int = 60
    deployment_maximum_percent: int = 200
    execute_command: bool = False
    wait_for_steady_state: bool = True
    starts_after: Sequence[pulumi.Resource] = ()

    def __post_init__(self) -> None:
        """Refuse what ECS would refuse late or, worse, accept.

        Raises:
            ValueError: for what no task can have, no room for a roll-out, a share out
                of range, and traffic that moves without rules or without alarms.
        """
        super().__post_init__()
        if not 0 <= self.spot_percent <= 100:
            raise ValueError(
                f"spot_percent: {self.spot_percent} must be between 0 and 100"
            )
        if not 0 <= self.on_demand_base <= 100_000:
            raise ValueError(
                f"on_demand_base: {self.on_demand_base} must be between 0 and 100000"
            )
        if not isinstance(self.deployment, Rolling):
            if self.traffic is None:
                raise ValueError(
                    "deployment: moves traffic between two target groups; give traffic"
                )
            if not self.alarm_names or not self.heed_alarms:
                raise ValueError(
                    "deployment: moves traffic to a version that nothing watches; "
                    "give alarm_names, and heed_alarms"
                )
        if self.deployment_maximum_percent <= 100:
            raise ValueError(
                f"deployment_maximum_percent: {self.deployment_maximum_percent} leaves "
                "no room for a new task beside the old ones; give it more than 100"
            )


class Service(pulumi.ComponentResource):
    """An ECS service that replaces its tasks without a gap and undoes a bad release.

    Rolling deployment: new tasks beside the old ones, never fewer, each taking
    requests only when the migration before it has succeeded and the load balancer
    has seen it well; a circuit breaker goes back to the last good release.

    The other strategies run the new version in full beside the old one and move the
    traffic; alarms move it back. ECS has the circuit breaker for rolling deployments
    only: new tasks that never become well leave the old ones serving, and the update
    ends when the provider has waited long enough.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html

    Roles: as `define_task` and `infrastructure_role` say. What stands on `*` are calls
    that know no resource: `ecr:GetAuthorizationToken`, with ECS Exec the `ssmmessages`
    channels and `logs:DescribeLogGroups`, and those that describe load balancers.

    The image: directories in `writable_paths` are mounted empty and owned by root
    unless its Dockerfile creates them, owned by `uid`, and names them in `VOLUME`
    (AWS ECS guide, "Use bind mounts"). They go with the task.

    A change between Spot and regular capacity would replace the service; forcing a
    new deployment on every change of it, as is set here, makes it an update. A change
    of the strategy is one anyway.
    """

    cluster_name: pulumi.Output[str]
    """Name of the cluster, for `aws ecs` commands."""

    cluster_arn: pulumi.Output[str]
    """ARN of the cluster."""

    service_name: pulumi.Output[str]
    """Name of the service in the cluster."""

    task_definition_arn: pulumi.Output[str]
    """ARN of the revision that was asked for."""

    log_group_name: pulumi.Output[str]
    """Where the containers' output goes."""

    log_group_arn: pulumi.Output[str]
    """ARN of the log group."""

    execution_role_arn: pulumi.Output[str]
    """Role that ECS starts tasks with."""

    task_role_arn: pulumi.Output[str]
    """Role of the app itself."""

    def __init__(
        self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:Service", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        log_group = aws.cloudwatch.LogGroup(
            name,
            name=args.log_group_name or f"/ecs/{name}",
            retention_in_days=args.log_retention_days,
            kms_key_id=args.kms_key_arn,
            opts=pulumi.ResourceOptions(parent=self, protect=args.keep_logs or None),
        )
        cluster = aws.ecs.Cluster(
            name,
            name=name,
            settings=[
                aws.ecs.ClusterSettingArgs(
                    name="containerInsights",
                    value="enabled" if args.container_insights else "disabled",
                )
            ],
            configuration=_exec_configuration(args, log_group),
            opts=child,
        )
        capacity = aws.ecs.ClusterCapacityProviders(
            name,
            cluster_name=cluster.name,
            capacity_providers=["FARGATE", "FARGATE_SPOT"],
            opts=child,
        )
        task = define_task(
            name,
            args,
            _containers(args),
            log_group_name=log_group.name,
            log_group_arn=log_group.arn,
            policies=_policies(args, log_group),
            parent=self,
        )
        mover = (
            infrastructure_role(name, args.traffic, args.target_group_arn, self)
            if args.traffic
            else None
        )
        rolling = isinstance(args.deployment, Rolling)
        service = aws.ecs.Service(
            name,
            name=name,
            cluster=cluster.arn,
            task_definition=task.definition.arn,
            desired_count=args.desired_count,
            platform_version="LATEST",
            capacity_provider_strategies=_capacity(args),
            force_new_deployment=True,
            network_configuration=aws.ecs.ServiceNetworkConfigurationArgs(
                subnets=args.subnet_ids,
                security_groups=args.security_group_ids,
                assign_public_ip=False,
            ),
            load_balancers=[_load_balancer(args, mover)],
            health_check_grace_period_seconds=args.health_grace_period,
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=args.deployment_maximum_percent,
            deployment_configuration=_deployment(args.deployment),
            # Said aloud: the provider reads nothing as no change.
            deployment_circuit_breaker=aws.ecs.ServiceDeploymentCircuitBreakerArgs(
                enable=rolling, rollback=rolling
            ),
            alarms=_alarms(args),
            availability_zone_rebalancing="ENABLED",
            enable_execute_command=args.execute_command,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            wait_for_steady_state=args.wait_for_steady_state,
            # Tasks fail to start before their role may read secrets, and the agent
            # of ECS Exec gives up before it may open its channels.
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[
                    *task.policies,
                    *([mover.policy] if mover else []),
                    capacity,
                    *args.starts_after,
                ],
                ignore_changes=["desired_count"] if args.autoscaled else None,
                custom_timeouts=_timeouts(args.deployment),
            ),
        )

        self.cluster_name = cluster.name
        self.cluster_arn = cluster.arn
        self.service_name = service.name
        self.task_definition_arn = task.definition.arn
        self.log_group_name = log_group.name
        self.log_group_arn = log_group.arn
        self.execution_role_arn = task.execution_role.arn
        self.task_role_arn = task.task_role.arn
        self.register_outputs(
            {
                "cluster_name": self.cluster_name,
                "cluster_arn": self.cluster_arn,
                "service_name": self.service_name,
                "task_definition_arn": self.task_definition_arn,
                "log_group_name": self.log_group_name,
                "log_group_arn": self.log_group_arn,
                "execution_role_arn": self.execution_role_arn,
                "task_role_arn": self.task_role_arn,
            }
        )


def _capacity(
    args: ServiceArgs,
) -> list[aws.ecs.ServiceCapacityProviderStrategyArgs]:
    regular = 100 - args.spot_percent
    if args.on_demand_base:
        # A weight of 0 places no task, and ECS does not except those of the base.
        regular = max(regular, 1)
    if not args.spot_percent:
        return [_share("FARGATE", 1)]
    if not regular:
        return [_share("FARGATE_SPOT", 1)]
    return [
        _share("FARGATE", regular, base=args.on_demand_base or None),
        _share("FARGATE_SPOT", args.spot_percent),
    ]


def _share(
    provider: str, weight: int, base: int | None = None
) -> aws.ecs.ServiceCapacityProviderStrategyArgs:
    return aws.ecs.ServiceCapacityProviderStrategyArgs(
        capacity_provider=provider, weight=weight, base=base
    )


def _load_balancer(
    args: ServiceArgs, mover: InfrastructureRole | None
) -> aws.ecs.ServiceLoadBalancerArgs:
    moved = None
    if args.traffic and mover:
        moved = aws.ecs.ServiceLoadBalancerAdvancedConfigurationArgs(
            alternate_target_group_arn=args.traffic.alternate_target_group_arn,
            production_listener_rule=args.traffic.production_rule_arn,
            test_listener_rule=args.traffic.test_rule_arn,
            role_arn=mover.role.arn,
        )
    return aws.ecs.ServiceLoadBalancerArgs(
        target_group_arn=args.target_group_arn,
        container_name=APP,
        container_port=args.port,
        advanced_configuration=moved,
    )


def _deployment(wanted: Deployment) -> aws.ecs.ServiceDeploymentConfigurationArgs:
    match wanted:
        case Rolling():
            return aws.ecs.ServiceDeploymentConfigurationArgs(strategy="ROLLING")
        case BlueGreen():
            return aws.ecs.ServiceDeploymentConfigurationArgs(
                strategy="BLUE_GREEN", bake_time_in_minutes=str(wanted.bake_minutes)
            )
        case Canary():
            return aws.ecs.ServiceDeploymentConfigurationArgs(
                strategy="CANARY",
                bake_time_in_minutes=str(wanted.bake_minutes),
                canary_configuration=aws.ecs.ServiceDeploymentConfigurationCanaryConfigurationArgs(
                    canary_percent=wanted.percent,
                    canary_bake_time_in_minutes=str(wanted.minutes),
                ),
            )
        case Linear():
            return aws.ecs.ServiceDeploymentConfigurationArgs(
                strategy="LINEAR",
                bake_time_in_minutes=str(wanted.bake_minutes),
                linear_configuration=aws.ecs.ServiceDeploymentConfigurationLinearConfigurationArgs(
                    step_percent=wanted.step_percent,
                    step_bake_time_in_minutes=str(wanted.step_minutes),
                ),
            )


def _timeouts(wanted: Deployment) -> pulumi.CustomTimeouts | None:
    """What the provider waits for a deployment by itself, and what that waits."""
    if not wanted.waits:
        return None
    patience = f"{_PATIENCE + wanted.waits}m"
    return pulumi.CustomTimeouts(create=patience, update=patience)


def _alarms(args: ServiceArgs) -> aws.ecs.ServiceAlarmsArgs | None:
    """None rather than an empty list, which the provider would not send."""
    if not args.alarm_names:
        return None
    return aws.ecs.ServiceAlarmsArgs(
        alarm_names=args.alarm_names,
        enable=args.heed_alarms,
        rollback=args.heed_alarms,
    )


def _containers(args: ServiceArgs) -> list[TaskContainer]:
    migrate = TaskContainer(name=MIGRATE, command=args.migrate_command, essential=False)
    before = [migrate] if args.migrate_command else []
    app = TaskContainer(
        name=APP,
        after=[container.name for container in before],
        ports=[args.port],
        health_check=args.health_check,
        writable_paths=_EXEC_PATHS if args.execute_command else (),
    )
    return [app, *before]


def _policies(
    args: ServiceArgs, log_group: aws.cloudwatch.LogGroup
) -> dict[str, pulumi.Input[str]]:
    """What the task role may do: nothing, unless shells are opened."""
    if not args.execute_command:
        return {}
    known = pulumi.Output.all(log_group.arn, args.kms_key_arn)
    return {"exec": known.apply(lambda arns: _exec_policy(*arns))}


def _exec_configuration(
    args: ServiceArgs, log_group: aws.cloudwatch.LogGroup
) -> aws.ecs.ClusterConfigurationArgs | None:
    if not args.execute_command:
        return None
    return aws.ecs.ClusterConfigurationArgs(
        execute_command_configuration=aws.ecs.ClusterConfigurationExecuteCommandConfigurationArgs(
            kms_key_id=args.kms_key_arn,
            logging="OVERRIDE",
            log_configuration=aws.ecs.ClusterConfigurationExecuteCommandConfigurationLogConfigurationArgs(
                cloud_watch_encryption_enabled=True,
                cloud_watch_log_group_name=log_group.name,
            ),
        )
    )


def _exec_policy(log_group: str, key: str) -> str:
    return iam.document(
        {
            "Sid": "OpenShell",
            "Effect": "Allow",
            "Action": [
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
                "logs:DescribeLogGroups",
            ],
            # None of them names a resource (AWS ECS guide, "ECS Exec").
            "Resource": "*",
        },
        {
            "Sid": "RecordSession",
            "Effect": "Allow",
            "Action": [
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            "Resource": f"{log_group}:*",
        },
        {
            "Sid": "EncryptSession",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key,
        },
    )
