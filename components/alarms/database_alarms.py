"""Alarms of an RDS PostgreSQL instance, before it stops answering."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.alarms.alarm import Comparison, Metric, alarm, highest

_GIB = 1024**3
_LARGE_GIB = {"t": 8, "m": 8, "r": 16, "x": 32}
_SIZES = {"micro": 1 / 8, "small": 1 / 4, "medium": 1 / 2, "large": 1, "xlarge": 2}
_CLASS = re.compile(
    r"db\.(?P<family>[tmrx])\d[a-z]*\.(?P<times>\d+(?=xlarge))?(?P<size>[a-z]+)"
)


def memory_gib(instance_class: str) -> float:
    """Return the memory of an instance class such as `db.t4g.medium`.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html

    Raises:
        ValueError: for a class of another family than t, m, r and x.
    """
    found = _CLASS.fullmatch(instance_class)
    if found is None or found["size"] not in _SIZES:
        raise ValueError(
            f'"{instance_class}" is no class whose memory is known; use one of the '
            "families db.t, db.m, db.r, db.x"
        )
    return (
        _LARGE_GIB[found["family"]] * _SIZES[found["size"]] * int(found["times"] or 1)
    )


def default_connections(memory: float) -> int:
    """Return about how many connections PostgreSQL on RDS takes by default.

    memory: GiB of the instance class.

    The parameter is LEAST(DBInstanceClassMemory/9531392, 5000), and that memory is
    what the operating system and RDS leave of the class's. AWS gives no formula for
    that. We subtract 0.3 GiB and 7 %: rather a little too few, for a limit that is
    never reached gives no alarm.
    https://docs.aws.amazon.com/prescriptive-guidance/latest/tuning-postgresql-parameters/max-connections.html
    """
    return min(int((0.93 * memory - 0.3) * _GIB / 9_531_392), 5000)


@dataclass(frozen=True, kw_only=True)
class DatabaseAlarmsArgs:
    """What the alarms of a database need to know.

    topic_arn: who is told.
    identifier: of the DB instance.
    instance_class: such as `db.t4g.medium`; says how much memory there is.
    allocated_storage: GiB at the beginning.
    max_connections: where the parameter group sets it; None for the default.
    cpu_percent, connections_percent: that may be used (guide: 80).
    storage_percent, memory_percent: that must stay free.
    latency_milliseconds: that a disk operation may take on average. gp3 promises
        single digits.
    """

    topic_arn: pulumi.Input[str]
    identifier: pulumi.Input[str]
    instance_class: str
    allocated_storage: int
    max_connections: int | None = None
    cpu_percent: float = 80
    connections_percent: float = 80
    storage_percent: float = 15
    memory_percent: float = 10
    latency_milliseconds: float = 20

    def __post_init__(self) -> None:
        """Refuse a class whose memory is not known.

        Raises:
            ValueError: for it.
        """
        memory_gib(self.instance_class)


class DatabaseAlarms(pulumi.ComponentResource):
    """CPU, storage, memory, connections and disk of one DB instance.

    That a standby took over is an event, not a metric. An instance that reports
    nothing at all is told of by the alarm on storage, and by that one only.
    """

    names: Sequence[pulumi.Output[str]]
    """Names of all the alarms."""

    arns: Sequence[pulumi.Output[str]]
    """Their ARNs, for a dashboard."""

    def __init__(
        self,
        name: str,
        args: DatabaseAlarmsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stromhaltig:aws:DatabaseAlarms", name, None, opts)

        memory = memory_gib(args.instance_class)
        connections = args.max_connections or default_connections(memory)
        below: Comparison = "LessThanThreshold"

        def average(metric: str) -> Metric:
            return Metric(
                namespace="AWS/RDS",
                name=metric,
                dimensions={"DBInstanceIdentifier": args.identifier},
                statistic="Average",
                period=300,
            )

        alarms = [
            alarm(
                f"{name}-cpu",
                parent=self,
                topic_arn=args.topic_arn,
                watches=average("CPUUtilization"),
                threshold=args.cpu_percent,
                bad=2,
                of=2,
                missing="notBreaching",
                description=(
                    f"The database uses more than {args.cpu_percent:g} % of its CPU, "
                    "for ten minutes. Look at its top queries in Performance Insights: "
                    "a missing index shows there. Else take a larger class."
                ),
            ),
            alarm(
                f"{name}-storage",
                parent=self,
                topic_arn=args.topic_arn,
                watches=average("FreeStorageSpace"),
                threshold=int(
                    args.allocated_storage * _GIB * args.storage_percent / 100
                ),
                comparison=below,
                bad=3,
                of=3,
                missing="breaching",  # an instance that runs reports it
                description=(
                    f"Less than {args.storage_percent:g} % of {args.allocated_storage} "
                    "GiB are free, or the database reports nothing and is down. Full "
                    "storage stops it: raise allocated_storage now, then look for what "
                    "has grown (tables, WAL kept by a replication slot, logs)."
                ),
            ),
            alarm(
                f"{name}-memory",
                parent=self,
                topic_arn=args.topic_arn,
                watches=average("FreeableMemory"),
                threshold=int(memory * _GIB * args.memory_percent / 100),
                comparison=below,
                bad=3,
                of=3,
                missing="notBreaching",
                description=(
                    f"Less than {args.memory_percent:g} % of {memory:g} GiB memory are "
                    "left; the database will swap. Look at the number of connections "
                    "and at work_mem, else take a larger class."
                ),
            ),
            alarm(
                f"{name}-connections",
                parent=self,
                topic_arn=args.topic_arn,
                watches=average("DatabaseConnections"),
                threshold=int(connections * args.connections_percent / 100),
                bad=2,
                of=2,
                missing="notBreaching",
                description=(
                    f"More than {args.connections_percent:g} % of about {connections} "
                    "connections are taken; at the limit tasks fail to start. Look for "
                    "sessions that are idle in transaction, and multiply the app's "
                    "pool by the number of tasks."
                ),
            ),
            alarm(
                f"{name}-disk",
                parent=self,
                topic_arn=args.topic_arn,
                watches=highest(
                    "latency, s", [average("ReadLatency"), average("WriteLatency")]
                ),
                threshold=args.latency_milliseconds / 1000,
                bad=3,
                of=3,
                missing="notBreaching",
                description=(
                    f"Reading or writing takes {args.latency_milliseconds:g} ms and "
                    "more: the volume is at its IOPS or throughput. See what reads or "
                    "writes so much (a dump, a vacuum, a scan without index)."
                ),
            ),
        ]

        self.names = [made.name for made in alarms]
        self.arns = [made.arn for made in alarms]
        self.register_outputs({"names": self.names, "arns": self.arns})
