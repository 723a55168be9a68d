"""Facts and figures, from recorded answers: on the emulator nothing is ever unwell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    NoCredentialsError,
    UnauthorizedSSOTokenError,
)

from ops.platforms.aws import Aws, status
from ops.platforms.platform import Fact, State
from tests.ops.aws_stack import IMAGE, NEW, OLD, OUTPUTS, PLACE, DeployedStack
from tests.ops.recorded import Recorded, error

NOW = datetime.now(UTC)
DATABASE = OUTPUTS["database"]
INSTANCE: dict[str, Any] = {
    "DBInstanceIdentifier": DATABASE,
    "DBInstanceArn": "arn:aws:rds:eu-central-1:123456789012:db:live",
    "DBInstanceStatus": "available",
    "DBInstanceClass": "db.t4g.medium",
    "Engine": "postgres",
    "EngineVersion": "15.8",
    "AllocatedStorage": 100,
    "MultiAZ": True,
    "PreferredMaintenanceWindow": "sun:03:00-sun:04:00",
    "CertificateDetails": {"ValidTill": NOW + timedelta(days=900)},
}
CALLER = "arn:aws:sts::123456789012:assumed-role/ops/anna"
CERTIFICATE = {"Status": "ISSUED", "NotAfter": NOW + timedelta(days=200)}


@pytest.fixture
def stack():
    return DeployedStack()


@pytest.fixture
def aws(monkeypatch, stack):
    """An account where all is well."""
    aws = Recorded()
    aws.install(monkeypatch)
    aws.on("ecs.DescribeServices", service())
    aws.on("ecs.ListTasks", {"taskArns": ["1", "2"]})
    aws.on(
        "ecs.DescribeTasks",
        {
            "tasks": [
                {
                    "availabilityZone": f"eu-central-1{zone}",
                    "capacityProviderName": kind,
                }
                for zone, kind in (("a", "FARGATE"), ("b", "FARGATE_SPOT"))
            ]
        },
    )
    aws.on(
        "ecs.DescribeTaskDefinition",
        {
            "taskDefinition": {
                "cpu": "1024",
                "containerDefinitions": [{"name": "app", "image": "app@sha256:x"}],
            }
        },
    )
    aws.on("elbv2.DescribeTargetHealth", targets("healthy", "healthy"))
    aws.on(
        "elbv2.DescribeListeners",
        {
            "Listeners": [
                {
                    "ListenerArn": "https",
                    "Port": 443,
                    "Certificates": [
                        {"CertificateArn": f"arn:aws:acm:{PLACE}:certificate/1"}
                    ],
                }
            ]
        },
    )
    aws.on("elbv2.DescribeRules", {"Rules": [{"RuleArn": "d", "IsDefault": True}]})
    aws.on("acm.DescribeCertificate", {"Certificate": CERTIFICATE})
    aws.on("cloudwatch.DescribeAlarms", alarms("OK", "OK"))
    aws.on("rds.DescribeDBInstances", {"DBInstances": [INSTANCE]})
    aws.on(
        "rds.DescribeDBSnapshots",
        {
            "DBSnapshots": [
                {
                    "DBSnapshotIdentifier": "rds:live",
                    "SnapshotCreateTime": NOW - timedelta(hours=5),
                    "AllocatedStorage": 100,
                    "Status": "available",
                }
            ]
        },
    )
    aws.on("rds.DescribePendingMaintenanceActions", {"PendingMaintenanceActions": []})
    aws.on("rds.DescribeDBEngineVersions", {"DBEngineVersions": []})
    aws.on("s3.ListObjectsV2", {})
    aws.on("sqs.GetQueueAttributes", queue(0))
    aws.on(
        "sts.GetCallerIdentity",
        {"Account": "123456789012", "Arn": CALLER},
    )
    aws.on("ecr.DescribeImages", {"imageDetails": [{}]})
    aws.on(
        "logs.DescribeLogGroups",
        {"logGroups": [{"logGroupName": "/ecs/app", "retentionInDays": 30}]},
    )
    aws.on("service-quotas.GetServiceQuota", {"Quota": {"Value": 20.0}})
    aws.on("ec2.DescribeAddresses", {"Addresses": [{}]})
    monkeypatch.setattr(status, "_addresses", lambda host: {"192.0.2.1"})
    return aws


@pytest.fixture
def platform(aws, stack):
    return Aws(stack)


def service(revision: str = NEW, running: int = 2, wanted: int = 2) -> dict[str, Any]:
    return {
        "services": [
            {
                "status": "ACTIVE",
                "enableExecuteCommand": False,
                "runningCount": running,
                "desiredCount": wanted,
                "pendingCount": max(wanted - running, 0),
                "deployments": [
                    {
                        "id": "1",
                        "status": "PRIMARY",
                        "taskDefinition": revision,
                        "createdAt": datetime(2026, 11, 28, 9, 30, tzinfo=UTC),
                    }
                ],
            }
        ]
    }


def targets(*states: str) -> dict[str, Any]:
    return {
        "TargetHealthDescriptions": [
            {"TargetHealth": {"State": state, "Reason": f"Target.{state}"}}
            for state in states
        ]
    }


def alarms(*states: str) -> dict[str, Any]:
    return {
        "MetricAlarms": [
            {
                "AlarmName": name,
                "StateValue": state,
                "StateReason": "3 datapoints were greater than the threshold",
                "AlarmDescription": "Look at the queries.",
            }
            for name, state in zip(OUTPUTS["alarms"], states, strict=False)
        ],
        "CompositeAlarms": [],
    }


def queue(messages: int) -> dict[str, Any]:
    return {"Attributes": {"ApproximateNumberOfMessages": str(messages)}}


def fact(facts: list[Fact], name: str) -> Fact:
    (found,) = [one for one in facts if one.name == name]
    return found


def test_a_stack_that_is_well_has_nothing_to_mend(platform):
    facts = platform.status()
    assert {one.state for one in facts} == {State.OK}
    assert {one.remedy for one in facts} == {""}
    says = {one.name: one.says for one in facts}
    assert says["version"] == "app@sha256:x (stromhaltig-test:7)"
    assert says["last deployment"] == "2026-11-28 09:30 UTC"
    assert says["tasks"] == (
        "2 of 2 run, 0 start; in eu-central-1a, eu-central-1b; 1 on Spot"
    )
    assert says["targets"] == "2 of 2 healthy"
    assert says["alarms"] == "0 of 2 ring"
    assert says["database"] == (
        "available, db.t4g.medium, PostgreSQL 15.8, 100 GiB, in two zones"
    )
    assert says["certificate"].endswith("199 days")


def test_checks_of_a_stack_that_is_well(platform):
    facts = platform.checks()
    assert {one.state for one in facts} == {State.OK}, facts
    says = {one.name: one.says for one in facts}
    assert says["credentials"] == "anna in account 123456789012"
    assert says["DNS"] == "test.stromhaltig.de leads to the load balancer"
    assert says["quota of Fargate"] == "4 of 20 vCPU for a roll-out"
    assert says["shells"].startswith("off")


def test_what_ecs_runs_against_the_program_is_told(aws, platform):
    aws.on("ecs.DescribeServices", service(OLD))
    found = fact(platform.status(), "version")
    assert found.state is State.WARNING
    assert found.says.endswith("(stromhaltig-test:6), not stromhaltig-test:7")


@pytest.mark.parametrize(
    ("running", "wanted", "state"),
    [(1, 2, State.WARNING), (0, 2, State.ERROR), (0, 0, State.ERROR), (3, 2, State.OK)],
)
def test_missing_tasks_are_told(aws, platform, running, wanted, state):
    aws.on("ecs.DescribeServices", service(running=running, wanted=wanted))
    assert fact(platform.status(), "tasks").state is state


@pytest.mark.parametrize(
    ("states", "state", "says"),
    [
        (["healthy", "unhealthy"], State.WARNING, "1 of 2 healthy; unhealthy: Target"),
        (["unhealthy"], State.ERROR, "0 of 1 healthy"),
        ([], State.ERROR, "0 of 0 healthy"),
        (["healthy", "draining"], State.OK, "1 of 2 healthy"),
    ],
)
def test_targets_that_do_not_answer_are_told(aws, platform, states, state, says):
    aws.on("elbv2.DescribeTargetHealth", targets(*states))
    found = fact(platform.status(), "targets")
    assert found.state is state
    assert found.says.startswith(says)


def test_a_load_balancer_without_targets_is_no_app_that_does_not_answer(aws, platform):
    aws.on("elbv2.DescribeTargetHealth", targets("draining"))
    found = fact(platform.status(), "targets")
    assert found.state is State.ERROR
    assert found.remedy == "No task is behind it: stromhaltig logs --stack test"


def test_both_target_groups_are_looked_at(aws, platform):
    described = service()
    moved = {"advancedConfiguration": {"alternateTargetGroupArn": "green"}}
    described["services"][0]["loadBalancers"] = [moved]
    aws.on("ecs.DescribeServices", described)
    platform.status()
    groups = [one["TargetGroupArn"] for one in aws.asked("elbv2.DescribeTargetHealth")]
    assert groups == [OUTPUTS["target_group"], "green"]


def test_an_alarm_that_rings_is_told_with_its_advice(aws, platform):
    aws.on("cloudwatch.DescribeAlarms", alarms("ALARM", "INSUFFICIENT_DATA"))
    facts = platform.status()
    ringing = fact(facts, "alarm stromhaltig-test-cpu")
    assert ringing.state is State.ERROR
    assert ringing.remedy == "Look at the queries."
    assert fact(facts, "alarms").says == "1 of 2 ring"


def test_an_alarm_that_somebody_deleted_is_missed(aws, platform):
    aws.on("cloudwatch.DescribeAlarms", alarms("OK"))
    found = fact(platform.status(), "alarms")
    assert (found.state, found.says) == (State.WARNING, "0 of 2 ring, 1 are not there")


def test_all_of_many_alarms_are_asked_for(aws, platform, stack):
    stack.outputs["alarms"] = [f"alarm-{number}" for number in range(150)]
    platform.status()
    asked = aws.asked("cloudwatch.DescribeAlarms")
    assert [len(one["AlarmNames"]) for one in asked] == [100, 50]


def test_the_maintenance_page_is_told(aws, platform):
    rule = {"RuleArn": "ours", "IsDefault": False, "Priority": "2"}
    aws.on("elbv2.DescribeRules", {"Rules": [rule]})
    tag = {"Key": "stromhaltig:maintenance", "Value": "page"}
    described = {"ResourceArn": "ours", "Tags": [tag]}
    aws.on("elbv2.DescribeTags", {"TagDescriptions": [described]})
    assert fact(platform.status(), "maintenance").state is State.WARNING


def test_a_database_in_trouble_is_told(aws, platform):
    live = {
        **INSTANCE,
        "DBInstanceStatus": "storage-full",
        "PendingModifiedValues": {"AllocatedStorage": 200},
    }
    aws.on("rds.DescribeDBInstances", {"DBInstances": [live]})
    found = fact(platform.status(), "database")
    assert found.state is State.ERROR
    assert "waits for its window: AllocatedStorage" in found.says


def test_a_cache_is_told_where_there_is_one(aws, platform, stack):
    stack.outputs["cache"] = "redis"
    group = {"Status": "modifying", "MemberClusters": ["a", "b"]}
    aws.on("elasticache.DescribeReplicationGroups", {"ReplicationGroups": [group]})
    found = fact(platform.status(), "cache")
    assert (found.state, found.says) == (State.WARNING, "modifying, 2 nodes")


@pytest.mark.parametrize(
    ("hours", "state"), [(1, State.OK), (25, State.OK), (27, State.ERROR)]
)
def test_the_newest_backup_of_either_kind_counts(aws, platform, hours, state):
    dump = {"Key": "dumps/x", "Size": 1, "LastModified": NOW - timedelta(hours=hours)}
    aws.on("s3.ListObjectsV2", {"Contents": [dump]})
    aws.on("rds.DescribeDBSnapshots", {"DBSnapshots": []})
    assert fact(platform.status(), "backup").state is state


def test_no_backup_at_all_is_an_error(aws, platform, stack):
    stack.outputs["backups"] = None
    aws.on("rds.DescribeDBSnapshots", {"DBSnapshots": []})
    found = fact(platform.status(), "backup")
    assert (found.state, found.says) == (State.ERROR, "there is none")
    assert found.remedy == "stromhaltig db backup --stack test"


def test_starts_that_were_given_up_are_told(aws, platform):
    aws.on("sqs.GetQueueAttributes", queue(3))
    found = fact(platform.status(), "failed jobs")
    assert (found.state, found.says) == (State.WARNING, "3 starts were given up")


@pytest.mark.parametrize(
    ("certificate", "state"),
    [
        ({"Status": "PENDING_VALIDATION"}, State.ERROR),
        ({**CERTIFICATE, "NotAfter": NOW + timedelta(days=20)}, State.WARNING),
        ({**CERTIFICATE, "NotAfter": NOW + timedelta(days=3)}, State.ERROR),
        (
            {
                **CERTIFICATE,
                "RenewalSummary": {
                    "RenewalStatus": "FAILED",
                    "DomainValidationOptions": [{"DomainName": "test.stromhaltig.de"}],
                    "UpdatedAt": NOW,
                },
            },
            State.WARNING,
        ),
    ],
)
def test_a_certificate_that_ends_is_told(aws, platform, certificate, state):
    aws.on("acm.DescribeCertificate", {"Certificate": certificate})
    assert fact(platform.status(), "certificate").state is state


def test_a_stack_without_a_certificate_says_so(platform, stack):
    stack.outputs |= {"url": "http://x.elb.amazonaws.com", "transport": "http only: x"}
    assert fact(platform.status(), "certificate").says == "http only: x"


def test_a_service_that_is_gone_is_an_error(aws, platform):
    aws.on("ecs.DescribeServices", {"services": []})
    assert fact(platform.status(), "version").state is State.ERROR


def test_what_may_not_be_seen_hides_nothing_else(aws, platform):
    aws.on("sqs.GetQueueAttributes", error("AccessDenied"))
    aws.on("s3.ListObjectsV2", error("AccessDenied"))
    facts = platform.status()
    found = fact(facts, "failed jobs")
    assert found.state is State.UNKNOWN
    assert found.says == "you may not look: GetQueueAttributes was denied"
    assert fact(facts, "backup").state is State.UNKNOWN
    assert fact(facts, "database").state is State.OK


def test_what_does_not_answer_hides_nothing_else(aws, platform):
    aws.on("sqs.GetQueueAttributes", ConnectTimeoutError(endpoint_url="https://sqs"))
    aws.on("acm.DescribeCertificate", error("ThrottlingException"))
    facts = platform.status()
    assert fact(facts, "failed jobs").state is State.UNKNOWN
    assert "Throttling" in fact(facts, "certificate").says
    assert fact(facts, "database").state is State.OK


@pytest.mark.parametrize(
    "trouble",
    [
        error("ExpiredToken"),
        error("ExpiredTokenException"),
        error("UnrecognizedClientException"),
        error("InvalidClientTokenId"),
        NoCredentialsError(),
        UnauthorizedSSOTokenError(),
    ],
)
def test_without_credentials_there_is_nothing_to_see(aws, platform, trouble):
    aws.on("ecs.DescribeServices", trouble)
    aws.on("sts.GetCallerIdentity", trouble)
    for look in (platform.status, platform.checks):
        with pytest.raises(type(trouble)):
            look()


def test_another_account_is_told(aws, platform):
    aws.on("sts.GetCallerIdentity", {"Account": "999999999999", "Arn": CALLER})
    found = fact(platform.checks(), "credentials")
    assert found.state is State.ERROR
    assert "in account 123456789012" in found.remedy


@pytest.mark.parametrize(
    ("found", "state"),
    [(set(), State.ERROR), ({"198.51.100.9"}, State.ERROR)],
)
def test_a_name_that_leads_elsewhere_is_told(platform, monkeypatch, found, state):
    known = {"test.stromhaltig.de": found, OUTPUTS["load_balancer"]: {"192.0.2.1"}}
    monkeypatch.setattr(status, "_addresses", known.__getitem__)
    assert fact(platform.checks(), "DNS").state is state


def test_behind_cloudfront_the_name_leads_there(platform, stack, monkeypatch):
    stack.outputs["distribution"] = "E123"
    known = {"test.stromhaltig.de": {"203.0.113.1"}, OUTPUTS["load_balancer"]: set()}
    monkeypatch.setattr(status, "_addresses", known.__getitem__)
    assert fact(platform.checks(), "DNS").state is State.OK


def test_an_image_that_is_gone_is_told(aws, platform):
    aws.on("ecr.DescribeImages", error("ImageNotFoundException"))
    found = fact(platform.checks(), "image")
    assert found.state is State.ERROR
    assert "no new task can start" in found.says
    (asked,) = aws.asked("ecr.DescribeImages")
    assert asked["repositoryName"] == "stromhaltig-test"
    assert asked["imageIds"] == [{"imageDigest": f"sha256:{'b' * 64}"}]


@pytest.mark.parametrize("release", [IMAGE.replace("@sha256:", ":1.2"), "ghcr.io/x@y"])
def test_images_go_by_tag_or_are_elsewhere(aws, platform, stack, release):
    stack.outputs["release"] = release
    found = fact(platform.checks(), "image")
    asked = aws.asked("ecr.DescribeImages")
    if "ecr" in release:
        assert asked[0]["imageIds"] == [{"imageTag": "1.2"}]
    else:
        assert not asked
        assert found.state is State.UNKNOWN


def test_logs_that_are_kept_for_ever_are_told(aws, platform):
    aws.on("logs.DescribeLogGroups", {"logGroups": [{"logGroupName": "/ecs/app"}]})
    found = fact(platform.checks(), "log retention")
    assert found.state is State.WARNING
    assert "/ecs/app" in found.says


def test_pending_upgrades_of_the_engine_are_told(aws, platform):
    action = {"Action": "db-upgrade", "Description": "Upgrade to 15.9"}
    aws.on(
        "rds.DescribePendingMaintenanceActions",
        {"PendingMaintenanceActions": [{"PendingMaintenanceActionDetails": [action]}]},
    )
    newer = [
        {"EngineVersion": "15.9", "IsMajorVersionUpgrade": False},
        {"EngineVersion": "16.4", "IsMajorVersionUpgrade": True},
    ]
    aws.on(
        "rds.DescribeDBEngineVersions",
        {"DBEngineVersions": [{"ValidUpgradeTarget": newer}]},
    )
    found = fact(platform.checks(), "engine")
    assert found.state is State.WARNING
    assert found.says == "PostgreSQL 15.8; Upgrade to 15.9; 15.9 is there"
    assert "sun:03:00" in found.remedy


def test_an_authority_that_ends_is_told(aws, platform):
    details = {"ValidTill": NOW + timedelta(days=10)}
    live = {**INSTANCE, "CertificateDetails": details}
    aws.on("rds.DescribeDBInstances", {"DBInstances": [live]})
    found = fact(platform.checks(), "database certificate")
    assert found.state is State.WARNING


def test_a_quota_that_leaves_no_room_says_how_to_ask_for_more(aws, platform, stack):
    stack.outputs["scaling"] = {"minimum": 2, "maximum": 12}
    found = fact(platform.checks(), "quota of Fargate")
    assert (found.state, found.says) == (State.WARNING, "24 of 20 vCPU for a roll-out")
    assert "--quota-code L-3032A538 --desired-value 24" in found.remedy


def test_a_quota_that_may_not_be_read_is_unknown(aws, platform):
    aws.on("service-quotas.GetServiceQuota", error("AccessDeniedException"))
    assert fact(platform.checks(), "quota of addresses").state is State.UNKNOWN


def test_open_shells_are_told_and_the_plugin_that_is_missing(
    aws, platform, monkeypatch, tmp_path
):
    described = service()
    described["services"][0]["enableExecuteCommand"] = True
    aws.on("ecs.DescribeServices", described)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = fact(platform.checks(), "shells")
    assert found.state is State.WARNING
    assert "session-manager-plugin" in found.remedy


def test_scratch_servers_that_are_left_are_told(aws, platform):
    left = {
        **INSTANCE,
        "DBInstanceIdentifier": "left",
        "TagList": [{"Key": "stromhaltig:scratch", "Value": "test"}],
    }
    aws.on("rds.DescribeDBInstances", {"DBInstances": [INSTANCE, left]})
    found = fact(platform.checks(), "scratch databases")
    assert "--db-instance-identifier left" in found.remedy


class TestMeasures:
    """CloudWatch's figures; the emulator has none by itself."""

    def measure(self, aws: Recorded, platform: Aws, **values: list[float]) -> Any:
        aws.on(
            "cloudwatch.GetMetricData",
            lambda params: {
                "MetricDataResults": [
                    {"Id": one["Id"], "Values": values.get(one["Id"], [])}
                    for one in params["MetricDataQueries"]
                ]
            },
        )
        return {one.name: one for one in platform.measures()}

    def test_the_newest_figures_are_held_to_their_limits(self, aws, platform):
        gib = 1024**3
        found = self.measure(
            aws,
            platform,
            cpu=[81.0, 10.0],
            memory=[85.0],
            db_cpu=[3.5],
            db_free=[10 * gib],
            db_connections=[12.0],
            requests=[100.0, 300.0],
            app_5xx=[2.0, 3.0],
            lb_5xx=[1.0],
        )
        assert {name: (one.value, one.state) for name, one in found.items()} == {
            "app CPU": (81.0, State.WARNING),
            "app memory": (85.0, State.OK),
            "database CPU": (3.5, State.OK),
            "database disk": (90.0, State.WARNING),
            "database connections": (12.0, State.OK),
            "answers with 5xx": (1.5, State.WARNING),
        }

    def test_what_is_not_measured_is_unknown_and_not_well(self, aws, platform):
        found = self.measure(aws, platform)
        del found["answers with 5xx"]
        assert {one.value for one in found.values()} == {None}
        assert {one.state for one in found.values()} == {State.UNKNOWN}
        assert {one.note for one in found.values()} == {
            "CloudWatch has no figure of the last 15 minutes"
        }

    def test_nobody_who_asks_gets_no_error(self, aws, platform):
        share = self.measure(aws, platform)["answers with 5xx"]
        assert (share.value, share.state) == (0, State.OK)
        assert share.note == "of 0 in 15 minutes"

    def test_no_errors_among_requests_are_none(self, aws, platform):
        found = self.measure(aws, platform, requests=[50.0])
        assert found["answers with 5xx"].value == 0

    def test_errors_without_requests_are_all(self, aws, platform):
        found = self.measure(aws, platform, lb_5xx=[7.0])
        assert found["answers with 5xx"].value == 100

    def test_connections_are_held_to_what_the_class_takes(self, aws, platform):
        found = self.measure(aws, platform, db_connections=[330.0])
        assert found["database connections"].state is State.WARNING
        assert found["database connections"].note == "of about 385"

    def test_an_unknown_class_has_no_limit(self, aws, platform):
        live = {**INSTANCE, "DBInstanceClass": "db.z1d.large"}
        aws.on("rds.DescribeDBInstances", {"DBInstances": [live]})
        found = self.measure(aws, platform, db_connections=[330.0])
        assert found["database connections"].state is State.OK

    def test_figures_on_several_pages_are_put_together(self, aws, platform):
        aws.on(
            "cloudwatch.GetMetricData",
            {
                "MetricDataResults": [{"Id": "cpu", "Values": [7.0]}],
                "NextToken": "more",
            },
            {"MetricDataResults": [{"Id": "cpu", "Values": [9.0]}]},
        )
        assert platform.measures()[0].value == 7.0

    @pytest.mark.parametrize(
        ("answer", "room"),
        [
            ({"MetricDataResults": [{"Id": "free", "Values": [7e9, 8e9]}]}, 7 * 10**9),
            ({"MetricDataResults": [{"Id": "free", "Values": []}]}, None),
            (error("AccessDenied"), None),
        ],
    )
    def test_the_databases_room_is_the_newest_figure_if_any(
        self, aws, platform, answer, room
    ):
        aws.on("cloudwatch.GetMetricData", answer)
        assert platform.room() == room
        (asked,) = aws.asked("cloudwatch.GetMetricData")
        (query,) = asked["MetricDataQueries"]
        assert query["MetricStat"]["Metric"]["MetricName"] == "FreeStorageSpace"

    def test_each_series_names_what_it_is_of(self, aws, platform):
        self.measure(aws, platform)
        (asked,) = aws.asked("cloudwatch.GetMetricData")
        metrics = {
            one["Id"]: one["MetricStat"]["Metric"] for one in asked["MetricDataQueries"]
        }
        assert metrics["cpu"]["Dimensions"] == [
            {"Name": "ClusterName", "Value": OUTPUTS["cluster"]},
            {"Name": "ServiceName", "Value": OUTPUTS["service"]},
        ]
        assert metrics["requests"]["Dimensions"] == [
            {"Name": "LoadBalancer", "Value": OUTPUTS["load_balancer_metric"]}
        ]
        assert metrics["db_free"]["Dimensions"] == [
            {"Name": "DBInstanceIdentifier", "Value": DATABASE}
        ]
