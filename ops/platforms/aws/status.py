"""What `status` and `doctor` look at in AWS, one fact each."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from ops.errors import OpsError
from ops.platforms.aws import database, rollout, sessions, tasks
from ops.platforms.aws.account import DENIED, Account, chunks, code, short
from ops.platforms.aws.maintenance import Maintenance, listener
from ops.platforms.platform import Fact, State
from ops.store import S3Store

FRESH = timedelta(hours=26)
"""How old the newest backup may be: a day, and time to make it."""

EXPIRY = timedelta(days=30)
"""How long a certificate must last: AWS renews its own 60 days before the end."""

DUMPS = "dumps/"
"""Where the job `dump` puts what it makes, in the bucket of backups."""

QUOTAS = {
    "vcpu": ("fargate", "L-3032A538"),
    "addresses": ("ec2", "L-0263D0A3"),
    "databases": ("rds", "L-7B6409FD"),
}
"""Service Quotas' codes, of `aws service-quotas list-service-quotas`."""

_AT_ONCE = 100
"""Alarms that one call describes."""

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/"
    r"(?P<name>[^@:]+)(?:@(?P<digest>sha256:[0-9a-f]+)|:(?P<tag>.+))"
)

Look = Callable[[Account], Iterable[Fact]]


def status(account: Account) -> list[Fact]:
    """As `Platform.status`."""
    looks: dict[str, Look] = {
        "version": _version,
        "targets": _targets,
        "alarms": _alarms,
        "maintenance": _maintenance,
        "database": _database,
        "cache": _cache,
        "backup": _backups,
        "failed jobs": _failed_jobs,
        "certificate": _certificate,
    }
    return list(_seen(account, looks))


def checks(account: Account) -> list[Fact]:
    """As `Platform.checks`."""
    looks: dict[str, Look] = {
        "credentials": _credentials,
        "certificate": _certificate,
        "DNS": _dns,
        "image": _image,
        "log retention": _retention,
        "engine": _engine,
        "quota of Fargate": _fargate_quota,
        "quota of addresses": _address_quota,
        "quota of databases": _database_quota,
        "shells": _shells,
        "scratch databases": _scratch,
    }
    return list(_seen(account, looks))


def _seen(account: Account, looks: dict[str, Look]) -> Iterator[Fact]:
    """What each look finds; one that may not look does not keep others from it.

    Without credentials there is nothing to see at all: that is raised.
    """
    from botocore import exceptions as aws
    from botocore.parsers import ResponseParserError

    nobody = (
        aws.CredentialRetrievalError,
        aws.NoCredentialsError,
        aws.PartialCredentialsError,
        aws.ProfileNotFound,
        aws.SSOError,
        aws.TokenRetrievalError,
    )
    for name, look in looks.items():
        try:
            yield from look(account)
        except nobody:
            raise
        except aws.ClientError as error:
            if code(error) in DENIED:
                yield _denied(name, error)
            elif code(error).startswith(("Expired", "InvalidClientToken", "Unrec")):
                raise
            else:
                yield Fact(name, State.UNKNOWN, f"{error}")
        except (aws.BotoCoreError, ResponseParserError, OpsError) as error:
            yield Fact(name, State.UNKNOWN, f"{error}")


def _denied(name: str, error: Any) -> Fact:
    return Fact(
        name,
        State.UNKNOWN,
        f"you may not look: {error.operation_name} was denied",
        "Use a role that may, or have it allowed",
    )


def _version(account: Account) -> Iterator[Fact]:
    described = rollout.service(account)
    current = rollout.primary(described) if described else None
    if described is None or current is None:
        yield Fact(
            "version",
            State.ERROR,
            f"there is no service {account['service']}",
            f"stromhaltig deploy --stack {account.stack}",
        )
        return
    revision = current["taskDefinition"]
    wanted = account["task_definition"]
    yield Fact(
        "version",
        State.OK if revision == wanted else State.WARNING,
        f"{rollout.image(account, revision)} ({short(revision)})"
        + ("" if revision == wanted else f", not {short(wanted)}"),
        ""
        if revision == wanted
        else f"Bring both together: stromhaltig deploy --stack {account.stack}",
    )
    yield Fact("last deployment", State.OK, f"{current['createdAt']:%Y-%m-%d %H:%M %Z}")
    yield _tasks(account, described)


def _tasks(account: Account, described: Any) -> Fact:
    running, wanted = described["runningCount"], described["desiredCount"]
    found = tasks.of_service(account, "RUNNING")
    zones = sorted(
        {one["availabilityZone"] for one in found if one.get("availabilityZone")}
    )
    spot = sum(one.get("capacityProviderName") == "FARGATE_SPOT" for one in found)
    says = [f"{running} of {wanted} run, {described['pendingCount']} start"]
    says += [f"in {', '.join(zones)}"] if zones else []
    says += [f"{spot} on Spot"] if spot else []
    state = State.OK if running >= wanted else State.WARNING
    if not running or not wanted:
        state = State.ERROR
    return Fact(
        "tasks",
        state,
        "; ".join(says),
        ""
        if state is State.OK
        else f"Why: stromhaltig logs --errors --stack {account.stack}",
    )


def _targets(account: Account) -> Iterator[Fact]:
    described = rollout.service(account)
    groups = [account["target_group"]]
    for balancer in (described or {}).get("loadBalancers", ()):
        moved = balancer.get("advancedConfiguration", {})
        groups += filter(None, [moved.get("alternateTargetGroupArn")])
    healths = [
        one["TargetHealth"]
        for group in groups
        for one in account.client("elbv2").describe_target_health(TargetGroupArn=group)[
            "TargetHealthDescriptions"
        ]
    ]
    healthy = sum(health["State"] == "healthy" for health in healths)
    other = sorted(
        {
            f"{health['State']}: {health.get('Description', health.get('Reason'))}"
            for health in healths
            if health["State"] not in {"healthy", "draining", "unused"}
        }
    )
    remedy = "The app does not answer its health check" if other else ""
    if not healthy and not other:
        remedy = f"No task is behind it: stromhaltig logs --stack {account.stack}"
    state = State.WARNING if other else State.OK
    yield Fact(
        "targets",
        state if healthy else State.ERROR,
        "; ".join([f"{healthy} of {len(healths)} healthy", *other]),
        remedy,
    )


def _alarms(account: Account) -> Iterator[Fact]:
    names = account["alarms"] or []
    found = [
        alarm for some in chunks(names, _AT_ONCE) for alarm in _known(account, some)
    ]
    ringing = [one for one in found if one["StateValue"] == "ALARM"]
    for alarm in ringing:
        yield Fact(
            f"alarm {alarm['AlarmName']}",
            State.ERROR,
            alarm.get("StateReason", "rings"),
            alarm.get("AlarmDescription", ""),
        )
    missing = len(names) - len(found)
    yield Fact(
        "alarms",
        State.ERROR if ringing else State.WARNING if missing else State.OK,
        f"{len(ringing)} of {len(names)} ring"
        + (f", {missing} are not there" if missing else ""),
        f"Make them again: stromhaltig deploy --stack {account.stack}"
        if missing
        else "",
    )


def _known(account: Account, names: list[str]) -> list[Any]:
    answer = account.client("cloudwatch").describe_alarms(
        AlarmNames=names,
        AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        MaxRecords=_AT_ONCE,
    )
    return [*answer["MetricAlarms"], *answer["CompositeAlarms"]]


def _maintenance(account: Account) -> Iterator[Fact]:
    if Maintenance(account).on():
        yield Fact(
            "maintenance",
            State.WARNING,
            "visitors get the maintenance page",
            f"stromhaltig maintenance off --stack {account.stack}",
        )


def _database(account: Account) -> Iterator[Fact]:
    live = database.server(account)
    says = [
        live["DBInstanceStatus"],
        live["DBInstanceClass"],
        f"PostgreSQL {live['EngineVersion']}",
        f"{live['AllocatedStorage']} GiB",
        "in two zones" if live.get("MultiAZ") else "in one zone",
    ]
    pending = sorted(live.get("PendingModifiedValues", {}))
    says += [f"waits for its window: {', '.join(pending)}"] if pending else []
    good = live["DBInstanceStatus"] in {
        "available",
        "backing-up",
        "storage-optimization",
    }
    yield Fact(
        "database",
        State.OK if good else State.ERROR,
        ", ".join(says),
        "" if good else "Look: aws rds describe-events --duration 180",
    )


def _cache(account: Account) -> Iterator[Fact]:
    if account["cache"] is None:
        return
    found = account.client("elasticache").describe_replication_groups(
        ReplicationGroupId=account["cache"]
    )["ReplicationGroups"][0]
    state = found["Status"]
    yield Fact(
        "cache",
        State.OK if state == "available" else State.WARNING,
        f"{state}, {len(found.get('MemberClusters', []))} nodes",
        "" if state == "available" else "The app goes on without it, slower",
    )


def _backups(account: Account) -> Iterator[Fact]:
    newest: dict[str, datetime] = {}
    if account["backups"]:
        store = S3Store(account.client("s3"), account["backups"])
        if dumps := store.entries(DUMPS):
            newest["dump"] = max(entry.modified for entry in dumps)
    usable = [one for one in database.snapshots(account) if one.state == "available"]
    if usable:
        newest["snapshot"] = usable[0].at
    ages = [f"{kind} of {at:%Y-%m-%d %H:%M %Z}" for kind, at in sorted(newest.items())]
    last = max(newest.values(), default=None)
    fresh = last is not None and datetime.now(UTC) - last < FRESH
    yield Fact(
        "backup",
        State.OK if fresh else State.ERROR,
        ", ".join(ages) or "there is none",
        "" if fresh else f"stromhaltig db backup --stack {account.stack}",
    )


def _failed_jobs(account: Account) -> Iterator[Fact]:
    if not account["job_failures"]:
        return
    name = "ApproximateNumberOfMessages"
    found = account.client("sqs").get_queue_attributes(
        QueueUrl=account["job_failures"], AttributeNames=[name]
    )
    waiting = int(found["Attributes"][name])
    yield Fact(
        "failed jobs",
        State.WARNING if waiting else State.OK,
        f"{waiting} starts were given up",
        "Look at the messages, then purge the queue: aws sqs receive-message "
        f"--queue-url {account['job_failures']}"
        if waiting
        else "",
    )


def _certificate(account: Account) -> Iterator[Fact]:
    arn = _certificate_arn(account)
    if arn is None:
        yield Fact("certificate", State.WARNING, str(account["transport"]))
        return
    found = account.client("acm").describe_certificate(CertificateArn=arn)[
        "Certificate"
    ]
    if found["Status"] != "ISSUED" or "NotAfter" not in found:
        yield Fact("certificate", State.ERROR, f"it is {found['Status'].lower()}")
        return
    left = found["NotAfter"] - datetime.now(UTC)
    renewal = found.get("RenewalSummary", {}).get("RenewalStatus", "")
    good = left > EXPIRY and renewal != "FAILED"
    yield Fact(
        "certificate",
        State.OK if good else State.ERROR if left < EXPIRY / 4 else State.WARNING,
        f"until {found['NotAfter']:%Y-%m-%d}, {left.days} days"
        + (f", renewal: {renewal.lower()}" if renewal else ""),
        ""
        if good
        else "AWS renews it while its validation record is in DNS: look whether it is",
    )


def _certificate_arn(account: Account) -> str | None:
    if not str(account["url"]).startswith("https://"):
        return None
    for certificate in listener(account).get("Certificates", ()):
        return str(certificate["CertificateArn"])
    return None


def _credentials(account: Account) -> Iterator[Fact]:
    found = account.client("sts").get_caller_identity()
    mine = found["Account"] == account["account"]
    yield Fact(
        "credentials",
        State.OK if mine else State.ERROR,
        f"{short(found['Arn'])} in account {found['Account']}",
        ""
        if mine
        else f"The stack is in account {account['account']}: set AWS_PROFILE",
    )


def _dns(account: Account) -> Iterator[Fact]:
    host = str(urlsplit(account["url"]).hostname)
    target = account["load_balancer"]
    found, wanted = _addresses(host), _addresses(target)
    if not found:
        yield Fact(
            "DNS",
            State.ERROR,
            f"{host} has no address",
            "Is the zone delegated, and is its record there?",
        )
    elif account["distribution"] or host == target:
        yield Fact("DNS", State.OK, f"{host} has {len(found)} addresses")
    else:
        right = bool(found & wanted)
        yield Fact(
            "DNS",
            State.OK if right else State.ERROR,
            f"{host} leads "
            + ("to the load balancer" if right else f"to {', '.join(sorted(found))}"),
            "" if right else f"Its record must lead to {target}",
        )


def _addresses(host: str) -> set[str]:
    try:
        found = socket.getaddrinfo(host, 443, proto=socket.IPPROTO_TCP)
    except socket.gaierror:
        return set()
    return {str(address[0]) for *_, address in found}


def _image(account: Account) -> Iterator[Fact]:
    from botocore.exceptions import ClientError

    release = account["release"]
    place = _ECR.match(release)
    if place is None:
        yield Fact("image", State.UNKNOWN, f"{release} is in another registry")
        return
    kind = "imageDigest" if place["digest"] else "imageTag"
    try:
        account.client("ecr").describe_images(
            registryId=place["account"],
            repositoryName=place["name"],
            imageIds=[{kind: place["digest"] or place["tag"]}],
        )
    except ClientError as error:
        if code(error) not in {"ImageNotFoundException", "RepositoryNotFoundException"}:
            raise
        yield Fact(
            "image",
            State.ERROR,
            f"{release} is not in its repository: no new task can start",
            "Push it again, or deploy another: stromhaltig deploy --stack "
            f"{account.stack}",
        )
        return
    yield Fact("image", State.OK, release)


def _retention(account: Account) -> Iterator[Fact]:
    prefixes = (account["log_group"], f"/aws/rds/instance/{account['database']}/")
    endless = [
        group["logGroupName"]
        for prefix in prefixes
        for group in account.pages(
            "logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix
        )
        if not group.get("retentionInDays")
    ]
    yield Fact(
        "log retention",
        State.WARNING if endless else State.OK,
        f"kept for ever: {', '.join(endless)}" if endless else "all logs end some day",
        f"Put it right: stromhaltig deploy --stack {account.stack}" if endless else "",
    )


def _engine(account: Account) -> Iterator[Fact]:
    live = database.server(account)
    rds = account.client("rds")
    version = live["EngineVersion"]
    actions = [
        f"{action.get('Description', action['Action'])}"
        for resource in rds.describe_pending_maintenance_actions(
            ResourceIdentifier=live["DBInstanceArn"]
        )["PendingMaintenanceActions"]
        for action in resource["PendingMaintenanceActionDetails"]
    ]
    newer = [
        target["EngineVersion"]
        for found in rds.describe_db_engine_versions(
            Engine=live["Engine"], EngineVersion=version
        )["DBEngineVersions"]
        for target in found.get("ValidUpgradeTarget", ())
        if not target["IsMajorVersionUpgrade"]
    ]
    says = [f"PostgreSQL {version}", *actions]
    says += [f"{newer[-1]} is there"] if newer else []
    yield Fact(
        "engine",
        State.WARNING if actions else State.OK,
        "; ".join(says),
        f"AWS does it in the window {live['PreferredMaintenanceWindow']} (UTC); "
        "sooner: aws rds apply-pending-maintenance-action"
        if actions
        else "",
    )
    authority = live.get("CertificateDetails", {}).get("ValidTill")
    if authority is not None:
        left = authority - datetime.now(UTC)
        yield Fact(
            "database certificate",
            State.OK if left > EXPIRY else State.WARNING,
            f"until {authority:%Y-%m-%d}",
            "" if left > EXPIRY else "It is renewed when the server restarts",
        )


def _fargate_quota(account: Account) -> Iterator[Fact]:
    """Room for a roll-out: all tasks twice."""
    described = rollout.service(account) or {}
    revision = account.client("ecs").describe_task_definition(
        taskDefinition=account["task_definition"]
    )["taskDefinition"]
    most = (account["scaling"] or {}).get("maximum") or described.get("desiredCount", 0)
    vcpu = 2 * most * int(revision["cpu"]) / 1024
    yield _quota(account, "quota of Fargate", "vcpu", vcpu, "vCPU for a roll-out")


def _address_quota(account: Account) -> Iterator[Fact]:
    used = len(account.client("ec2").describe_addresses()["Addresses"])
    yield _quota(account, "quota of addresses", "addresses", used, "addresses")


def _database_quota(account: Account) -> Iterator[Fact]:
    used = sum(1 for _ in account.pages("rds", "describe_db_instances", "DBInstances"))
    # One more is what a drill or a restore makes.
    yield _quota(
        account,
        "quota of databases",
        "databases",
        used + 1,
        "servers with a scratch one",
    )


def _quota(account: Account, name: str, which: str, wanted: float, unit: str) -> Fact:
    service, quota = QUOTAS[which]
    found = account.client("service-quotas").get_service_quota(
        ServiceCode=service, QuotaCode=quota
    )["Quota"]
    enough = wanted <= found["Value"]
    return Fact(
        name,
        State.OK if enough else State.WARNING,
        f"{wanted:g} of {found['Value']:g} {unit}",
        ""
        if enough
        else "Ask for more: aws service-quotas request-service-quota-increase "
        f"--service-code {service} --quota-code {quota} --desired-value {wanted:g}",
    )


def _shells(account: Account) -> Iterator[Fact]:
    try:
        tasks.demand_shells(account)
    except OpsError:
        yield Fact("shells", State.OK, "off: nobody may enter a container")
        return
    try:
        sessions.plugin()
    except OpsError as error:
        yield Fact("shells", State.WARNING, "on, but not from here", str(error))
        return
    yield Fact("shells", State.OK, "on: whoever may call ECS Exec can enter containers")


def _scratch(account: Account) -> Iterator[Fact]:
    for name in database.leftovers(account):
        yield Fact(
            "scratch databases",
            State.WARNING,
            f"{name} is there, and is paid for",
            f"When nobody works with it: {database.deletion(name)}",
        )
