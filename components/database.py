"""PostgreSQL on RDS: private, encrypted, backed up, and never lost by accident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components import iam
from components.generated_secrets import keepers
from components.login import Login
from names import DATABASE_LIMIT, bounded

SslMode = Literal["require", "verify-ca", "verify-full", "no-verify"]

_LOGS = ("postgresql", "upgrade")


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs:
    """What a database needs to know.

    subnet_ids: subnets in two zones or more, without a route to the internet.
    security_group_ids: who may connect is decided there.
    kms_key_arn: customer key for storage, snapshots, logs and Performance Insights.
    instance_class: such as `db.t4g.medium`.
    allocated_storage: GiB to begin with (gp3: 20 or more).
    max_allocated_storage: GiB that storage may grow to by itself; 0 for never.
    multi_az: keep a standby in another zone (RDS.5).
    backup_retention_days: days that any second can be restored from (1-35; RDS.11
        asks for 7).
    deletion_protection: AWS refuses to delete the instance (RDS.8).
    final_snapshot: leave a snapshot and the automated backups behind on deletion.
    performance_insights: on, kept for 7 days, which costs nothing.
    monitoring_interval: seconds between operating-system metrics: 1, 5, 10, 15, 30
        or 60; 0 turns them off (RDS.6 asks for them).
    engine_version: the major version, so that AWS patches the minor one; with a
        minor version AWS patches nothing.
    username: administrator; not a name that everybody tries first (RDS.25).
    ssl_mode: `sslmode` of the URL; see `Database`.
    slow_query_ms: log statements that take longer, in milliseconds.
    log_retention_days: a value that CloudWatch Logs offers.
    backup_window, maintenance_window: UTC; they must not overlap.
    port: where the server listens.
    login: who the app is; None for the administrator.
    generation: how often the administrator's password was made up anew.
    """

    subnet_ids: Sequence[pulumi.Input[str]]
    security_group_ids: Sequence[pulumi.Input[str]]
    kms_key_arn: pulumi.Input[str]
    instance_class: str
    allocated_storage: int
    max_allocated_storage: int
    multi_az: bool
    backup_retention_days: int
    deletion_protection: bool
    final_snapshot: bool
    performance_insights: bool = True
    monitoring_interval: int = 60
    engine_version: str = "15"
    database_name: str = "stromhaltig"
    username: str = "stromhaltig"
    ssl_mode: SslMode = "require"
    slow_query_ms: int = 1000
    log_retention_days: int = 30
    backup_window: str = "01:30-02:30"
    maintenance_window: str = "sun:03:00-sun:04:00"
    port: int = 5432
    login: Login | None = None
    generation: int = 0


class Database(pulumi.ComponentResource):
    """An RDS instance of PostgreSQL with its network, parameters, logs and password.

    Encrypted at rest (RDS.3) and, by `rds.force_ssl`, in transit (RDS.38); not public
    (RDS.2); minor versions, unless one is pinned, storage and certificates are AWS's
    business (RDS.13).
    Slow statements and connections go to log groups made beforehand, because those
    that RDS makes itself are kept for ever and without our key (RDS.36).

    The identifier ends in a random part that is renewed with the instance: a
    replacement never meets its predecessor's name, and no final snapshot that of an
    earlier life. Parameter group, subnet group and monitoring role hold no data and
    stay replaceable when the component is protected.

    TLS: libpq encrypts with `require` but believes any certificate; it checks the
    authority with `verify-ca` and the host name too with `verify-full`, against
    `sslrootcert`. node-pg 8 treats all three as `verify-full` (node-postgres #3473;
    version 9 will do as libpq does) against the authorities Node knows. Amazon's is
    not among them: the image must carry the RDS bundle and name it in
    `NODE_EXTRA_CA_CERTS`. `no-verify` is node-pg's word for what libpq calls
    `require`; libpq does not know it.
    """

    identifier: pulumi.Output[str]
    """Name of the instance, for `aws rds` commands."""

    instance_arn: pulumi.Output[str]
    """ARN of the instance."""

    endpoint: pulumi.Output[str]
    """`HOST:PORT`, reachable inside the network only."""

    address: pulumi.Output[str]
    """Host name without port."""

    port: pulumi.Output[int]
    """Port of the server."""

    database_name: pulumi.Output[str]
    """Database inside the instance."""

    url: pulumi.Output[str]
    """Secret: `postgresql://USER:PASSWORD@HOST:PORT/NAME?sslmode=MODE`, the app's."""

    admin_url: pulumi.Output[str]
    """Secret: the same for the administrator, who owns everything."""

    user: str
    """Who the app is."""

    subnet_group_name: pulumi.Output[str]
    """Where it is, for restoring a backup beside it."""

    parameter_group_name: pulumi.Output[str]
    """Its parameters, for events about them."""

    final_snapshot_identifier: pulumi.Output[str | None]
    """Snapshot that a deletion leaves behind; None when it leaves none."""

    def __init__(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:aws:Database", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        replaceable = pulumi.ResourceOptions(parent=self, protect=False)
        name = f"{name}-database"

        life = random.RandomId(
            name,
            byte_length=3,
            # What RDS cannot change on an instance that exists.
            keepers={
                "kms_key": args.kms_key_arn,
                "database_name": args.database_name,
                "username": args.username,
            },
            opts=child,
        )
        identifier = pulumi.Output.concat(bounded(name, DATABASE_LIMIT), "-", life.hex)
        password = random.RandomPassword(
            name,
            length=40,
            special=False,
            keepers=keepers(args.generation),
            # Protected, it could not be made up anew; the instance keeps the value.
            opts=replaceable if args.generation else child,
        )
        subnets = aws.rds.SubnetGroup(
            name,
            description="Isolated subnets of the database",
            subnet_ids=args.subnet_ids,
            opts=replaceable,
        )
        parameters = aws.rds.ParameterGroup(
            name,
            family=f"postgres{args.engine_version.partition('.')[0]}",
            description="TLS forced, slow statements logged, statistics kept",
            parameters=_parameters(args),
            opts=replaceable,
        )
        logs = [
            aws.cloudwatch.LogGroup(
                f"{name}-{log}",
                name=pulumi.Output.concat("/aws/rds/instance/", identifier, "/", log),
                retention_in_days=args.log_retention_days,
                kms_key_id=args.kms_key_arn,
                opts=child,
            )
            for log in _LOGS
        ]
        snapshot = (
            pulumi.Output.concat(identifier, "-final") if args.final_snapshot else None
        )
        instance = aws.rds.Instance(
            name,
            identifier=identifier,
            engine="postgres",
            engine_version=args.engine_version,
            # AWS would move past a pin, which then asks for a downgrade.
            auto_minor_version_upgrade="." not in args.engine_version,
            instance_class=args.instance_class,
            multi_az=args.multi_az,
            storage_type="gp3",
            allocated_storage=args.allocated_storage,
            max_allocated_storage=args.max_allocated_storage,
            storage_encrypted=True,
            kms_key_id=args.kms_key_arn,
            db_name=args.database_name,
            username=args.username,
            password=password.result,
            port=args.port,
            iam_database_authentication_enabled=True,
            ca_cert_identifier="rds-ca-rsa2048-g1",
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=args.security_group_ids,
            publicly_accessible=False,
            parameter_group_name=parameters.name,
            backup_retention_period=args.backup_retention_days,
            backup_window=args.backup_window,
            maintenance_window=args.maintenance_window,
            copy_tags_to_snapshot=True,
            deletion_protection=args.deletion_protection,
            skip_final_snapshot=not args.final_snapshot,
            final_snapshot_identifier=snapshot,
            delete_automated_backups=not args.final_snapshot,
            enabled_cloudwatch_logs_exports=list(_LOGS),
            performance_insights_enabled=args.performance_insights,
            performance_insights_kms_key_id=(
                args.kms_key_arn if args.performance_insights else None
            ),
            performance_insights_retention_period=(
                7 if args.performance_insights else None
            ),
            monitoring_interval=args.monitoring_interval,
            monitoring_role_arn=(
                _monitoring_role(name, logs[0], replaceable)
                if args.monitoring_interval
                else None
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=logs),
        )

        self.identifier = instance.identifier
        self.instance_arn = instance.arn
        self.endpoint = instance.endpoint
        self.address = instance.address
        self.port = instance.port
        self.database_name = pulumi.Output.from_input(args.database_name)
        admin = Login(user=args.username, password=password.result)
        login = args.login or admin
        self.url = _url(args, instance, login)
        self.admin_url = _url(args, instance, admin)
        self.user = login.user
        self.subnet_group_name = subnets.name
        self.parameter_group_name = parameters.name
        self.final_snapshot_identifier = pulumi.Output.from_input(snapshot)
        self.register_outputs(
            {
                "identifier": self.identifier,
                "instance_arn": self.instance_arn,
                "endpoint": self.endpoint,
                "address": self.address,
                "port": self.port,
                "database_name": self.database_name,
                "url": self.url,
                "subnet_group_name": self.subnet_group_name,
                "parameter_group_name": self.parameter_group_name,
                "final_snapshot_identifier": self.final_snapshot_identifier,
            }
        )


def _parameters(args: DatabaseArgs) -> list[aws.rds.ParameterGroupParameterArgs]:
    at_once = {
        "log_connections": "1",
        "log_disconnections": "1",
        "log_lock_waits": "1",
        "log_min_duration_statement": str(args.slow_query_ms),
        "pg_stat_statements.track": "ALL",
    }
    # Read at start only, or equal to AWS's default: RDS reports those as pending a
    # reboot whatever one asks for, which would show up as a change for ever.
    at_start = {
        "rds.force_ssl": "1",
        "shared_preload_libraries": "pg_stat_statements",
    }
    return [
        aws.rds.ParameterGroupParameterArgs(
            name=parameter, value=value, apply_method=method
        )
        for method, values in (("immediate", at_once), ("pending-reboot", at_start))
        for parameter, value in values.items()
    ]


def _monitoring_role(
    name: str, log: aws.cloudwatch.LogGroup, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """ARN of a role that may write the one log group of Enhanced Monitoring.

    AWS's managed policy allows any group that begins with RDS, in every region.
    """
    place = log.arn.apply(iam.place_of)
    role = aws.iam.Role(
        f"{name}-monitoring",
        description="Lets RDS publish operating-system metrics",
        assume_role_policy=place.apply(
            lambda here: iam.service_trust(
                "monitoring.rds.amazonaws.com", here.account_id
            )
        ),
        opts=opts,
    )
    policy = aws.iam.RolePolicy(
        f"{name}-monitoring",
        role=role.name,
        policy=place.apply(_monitoring_policy),
        opts=opts,
    )
    # RDS checks the role when it is used: hand it out once it is complete.
    return pulumi.Output.all(role.arn, policy.id).apply(lambda made: str(made[0]))


def _monitoring_policy(place: iam.Place) -> str:
    group = (
        f"arn:{place.partition}:logs:{place.region}:{place.account_id}"
        ":log-group:RDSOSMetrics"
    )
    return iam.document(
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:PutRetentionPolicy"],
            "Resource": [group, f"{group}:*"],
        },
        {
            "Effect": "Allow",
            "Action": [
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:GetLogEvents",
                "logs:PutLogEvents",
            ],
            "Resource": f"{group}:log-stream:*",
        },
    )


def _url(
    args: DatabaseArgs, instance: aws.rds.Instance, login: Login
) -> pulumi.Output[str]:
    text = pulumi.Output.all(login.password, instance.address, instance.port).apply(
        lambda known: (
            f"postgresql://{quote(login.user, safe='')}:{quote(known[0], safe='')}"
            f"@{known[1]}:{known[2]}/{quote(args.database_name, safe='')}"
            f"?sslmode={args.ssl_mode}"
        )
    )
    return pulumi.Output.secret(text)
