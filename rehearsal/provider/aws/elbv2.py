"""Rows for application load balancers: balancer, target group, listener, rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import (
    arn,
    matching,
    one_of,
    refusal,
    value_at,
    within,
    zones_of,
)
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    given,
    is_gone,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.wire import Properties

HOSTED_ZONES: Mapping[str, str] = {
    "ap-northeast-1": "Z14GRHDCWA56QT",
    "ap-south-1": "ZP97RAFLXTNZK",
    "ap-southeast-1": "Z1LMS91P8CMLE5",
    "ap-southeast-2": "Z1GM3OXH4ZPM65",
    "ca-central-1": "ZQSVJUPU6J1EY",
    "eu-central-1": "Z215JYRZR1TBD5",
    "eu-north-1": "Z23TAZ6LKFMNIO",
    "eu-west-1": "Z32O12XQLNTSW2",
    "eu-west-2": "ZHURV8PSTC4K8",
    "eu-west-3": "Z3Q77PNBQS71R4",
    "sa-east-1": "Z2P70J7HTTTPLU",
    "us-east-1": "Z35SXDOTRQ7X7K",
    "us-east-2": "Z3AADJGX6KTTL2",
    "us-west-1": "Z368ELLRRE2KJ0",
    "us-west-2": "Z1H1FL5HABSF5",
}
"""Hosted zones of application load balancers' names (AWS General Reference, ELB)."""

_NAME = r"(?!-)[A-Za-z0-9-]{1,32}(?<!-)"


class Elbv2Row(Row):
    """What ELB's resources share: ids that are ARNs, tags, and described by ARN."""

    service: ClassVar[str] = "elbv2"
    tagged: ClassVar[bool] = True
    describe: ClassVar[tuple[str, str, str]]
    """The describe call, its parameter for ARNs, and the list in its answer."""

    def live(self, aws: Aws, id: str) -> dict[str, Any] | None:
        """The description of one resource, or None when there is none."""
        call, parameter, answer = self.describe
        try:
            found = getattr(aws.client("elbv2"), call)(**{parameter: [id]})[answer]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return dict(found[0]) if found else None

    def tags(self, aws: Aws, id: str) -> dict[str, str]:
        """The live tags."""
        found = aws.client("elbv2").describe_tags(ResourceArns=[id])
        return tag_map(found["TagDescriptions"][0]["Tags"])

    def retag(self, aws: Aws, id: str, old: Properties, new: Properties) -> None:
        """Bring the tags in line."""
        wanted, unwanted = tag_changes(old, new)
        elb = aws.client("elbv2")
        if wanted:
            elb.add_tags(ResourceArns=[id], Tags=tag_list(wanted))
        if unwanted:
            elb.remove_tags(ResourceArns=[id], TagKeys=unwanted)


def _tags(inputs: Properties) -> dict[str, Any]:
    """Tags as ELB takes them: one or more, or the argument is left out."""
    tags = inputs.get("tagsAll")
    return {"Tags": tag_list(tags)} if tags else {}


def _attributes(inputs: Properties, names: Mapping[str, str]) -> list[dict[str, str]]:
    """Inputs as key and value of ELB's attributes."""
    return [
        {"Key": name, "Value": _text(inputs[key])}
        for key, name in names.items()
        if inputs.get(key) is not None
    ]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _typed(value: str | None, usual: Any) -> Any:
    """An attribute's text in the kind of its usual value, which stands for none."""
    if value is None:
        return usual
    if isinstance(usual, bool):
        return value == "true"
    return int(value) if isinstance(usual, int) else value


def _by_key(attributes: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in attributes}


_BALANCER_ATTRIBUTES: Mapping[str, str] = {
    "clientKeepAlive": "client_keep_alive.seconds",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableHttp2": "routing.http2.enabled",
    "enableTlsVersionAndCipherSuiteHeaders": (
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled"
    ),
    "enableWafFailOpen": "waf.fail_open.enabled",
    "enableXffClientPort": "routing.http.xff_client_port.enabled",
    "enableZonalShift": "zonal_shift.config.enabled",
    "idleTimeout": "idle_timeout.timeout_seconds",
    "preserveHostHeader": "routing.http.preserve_host_header.enabled",
    "xffHeaderProcessingMode": "routing.http.xff_header_processing.mode",
}
_LOGS: Mapping[str, str] = {
    "accessLogs": "access_logs.s3",
    "connectionLogs": "connection_logs.s3",
}


class LoadBalancer(Elbv2Row):
    """aws.lb.LoadBalancer of type application."""

    token = "aws:lb/loadBalancer:LoadBalancer"
    describe = ("describe_load_balancers", "LoadBalancerArns", "LoadBalancers")
    autoname = "name"
    name_limit = 32
    replaces = frozenset({"internal", "loadBalancerType"})
    updates = frozenset(
        {"ipAddressType", "securityGroups", "subnets", *_LOGS, *_BALANCER_ATTRIBUTES}
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "clientKeepAlive": 3600,
        "desyncMitigationMode": "defensive",
        "dropInvalidHeaderFields": False,
        "enableDeletionProtection": False,
        "enableHttp2": True,
        "enableTlsVersionAndCipherSuiteHeaders": False,
        "enableWafFailOpen": False,
        "enableXffClientPort": False,
        "enableZonalShift": False,
        "idleTimeout": 60,
        "internal": False,
        "ipAddressType": "ipv4",
        "loadBalancerType": "application",
        "preserveHostHeader": False,
        "xffHeaderProcessingMode": "append",
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *matching(
                inputs,
                "name",
                rf"(?!internal-){_NAME}",
                'at most 32 letters, digits and hyphens, not "internal-" first',
            ),
            *one_of(
                inputs, "desyncMitigationMode", ("monitor", "defensive", "strictest")
            ),
            *one_of(inputs, "ipAddressType", ("ipv4", "dualstack")),
            *one_of(
                inputs, "xffHeaderProcessingMode", ("append", "preserve", "remove")
            ),
            *within(inputs, "clientKeepAlive", 60, 604800),
            *within(inputs, "idleTimeout", 1, 4000),
        ]
        if not inputs.get("subnets"):
            problems.append("subnets: missing; name one in each of two zones or more")
        if value_at(inputs, "loadBalancerType") not in (None, "application"):
            problems.append(
                "loadBalancerType: the rehearsal carries application load balancers"
            )
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        name = inputs["name"]
        elb = aws.client("elbv2")
        # moto compares the whole ARN, which has a random part.
        named = [one["LoadBalancerName"] for one in _balancers(aws)]
        if name in named:
            raise refusal(
                "CreateLoadBalancer",
                "DuplicateLoadBalancerName",
                f"A load balancer with the name '{name}' already exists",
            )
        if len(zones_of(aws, inputs["subnets"])) < 2:
            raise refusal(
                "CreateLoadBalancer",
                "ValidationError",
                "At least two subnets in two different Availability Zones must be "
                "specified",
            )
        created = elb.create_load_balancer(
            Name=name,
            Type=inputs["loadBalancerType"],
            Scheme="internal" if inputs["internal"] else "internet-facing",
            **_tags(inputs),
            **given(
                inputs,
                ipAddressType="IpAddressType",
                securityGroups="SecurityGroups",
                subnets="Subnets",
            ),
        )
        return str(created["LoadBalancers"][0]["LoadBalancerArn"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        aws.client("elbv2").modify_load_balancer_attributes(
            LoadBalancerArn=id,
            Attributes=[
                *_attributes(inputs, _BALANCER_ATTRIBUTES),
                *(one for key in _LOGS for one in _log_attributes(inputs, key)),
            ],
        )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        subnets = [zone["SubnetId"] for zone in live["AvailabilityZones"]]
        attributes = self._attributes(aws, id)
        return {
            "arn": id,
            "arnSuffix": id.split(":loadbalancer/")[1],
            "dnsName": live["DNSName"],
            "internal": live["Scheme"] == "internal",
            "ipAddressType": live["IpAddressType"],
            "loadBalancerType": live["Type"],
            "name": live["LoadBalancerName"],
            "securityGroups": live.get("SecurityGroups", []),
            "subnetMappings": [{"subnetId": subnet} for subnet in subnets],
            "subnets": subnets,
            "tagsAll": self.tags(aws, id),
            "vpcId": live["VpcId"],
            "zoneId": HOSTED_ZONES.get(aws.region, live["CanonicalHostedZoneId"]),
            **{key: _live_log(attributes, name) for key, name in _LOGS.items()},
            **{
                key: _typed(attributes.get(name), self.defaults[key])
                for key, name in _BALANCER_ATTRIBUTES.items()
            },
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        elb = aws.client("elbv2")
        if "subnets" in changed:
            elb.set_subnets(LoadBalancerArn=id, Subnets=new["subnets"])
        if "securityGroups" in changed:
            elb.set_security_groups(
                LoadBalancerArn=id, SecurityGroups=new.get("securityGroups") or []
            )
        if "ipAddressType" in changed:
            elb.set_ip_address_type(
                LoadBalancerArn=id, IpAddressType=new["ipAddressType"]
            )
        self.finish(aws, id, new)
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        if self.live(aws, id) is None:
            return
        if self._attributes(aws, id).get("deletion_protection.enabled") == "true":
            raise refusal(
                "DeleteLoadBalancer",
                "OperationNotPermitted",
                f"Load balancer '{id}' cannot be deleted because deletion protection "
                "is enabled",
            )
        aws.client("elbv2").delete_load_balancer(LoadBalancerArn=id)

    def _attributes(self, aws: Aws, id: str) -> dict[str, str]:
        found = aws.client("elbv2").describe_load_balancer_attributes(
            LoadBalancerArn=id
        )
        return _by_key(found["Attributes"])


def _log_attributes(inputs: Properties, key: str) -> list[dict[str, str]]:
    logs = inputs.get(key) or {}
    wanted = {
        "enabled": _text(bool(logs.get("enabled"))),
        "bucket": logs.get("bucket", ""),
        "prefix": logs.get("prefix", ""),
    }
    return [{"Key": f"{_LOGS[key]}.{k}", "Value": v} for k, v in wanted.items()]


def _live_log(attributes: Mapping[str, str], name: str) -> Properties | None:
    bucket = attributes.get(f"{name}.bucket")
    if not bucket:
        return None
    return {
        "bucket": bucket,
        "enabled": attributes.get(f"{name}.enabled") == "true",
        "prefix": attributes.get(f"{name}.prefix", ""),
    }


def _balancers(aws: Aws) -> list[dict[str, Any]]:
    found = aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
    return [dict(one) for one in found]


def _listeners(aws: Aws) -> Iterator[dict[str, Any]]:
    for balancer in _balancers(aws):
        of_balancer = {"LoadBalancerArn": balancer["LoadBalancerArn"]}
        yield from aws.client("elbv2").describe_listeners(**of_balancer)["Listeners"]


def balancers_of(aws: Aws, target_group: str) -> list[str]:
    """The load balancers that forward to a target group.

    moto's own list knows nothing of listeners that were changed later.
    """
    return sorted(
        {
            listener["LoadBalancerArn"]
            for listener in _listeners(aws)
            for action in [*listener["DefaultActions"], *_ruled(aws, listener)]
            if target_group in _targets(action)
        }
    )


def _ruled(aws: Aws, listener: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The actions of a listener's rules, besides the default one."""
    rules = aws.client("elbv2").describe_rules(ListenerArn=listener["ListenerArn"])
    for rule in rules["Rules"]:
        if not rule["IsDefault"]:
            yield from rule["Actions"]


def _targets(action: Mapping[str, Any]) -> set[str]:
    groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
    named = {action["TargetGroupArn"]} if "TargetGroupArn" in action else set()
    return named | {group["TargetGroupArn"] for group in groups}


_TARGET_ATTRIBUTES: Mapping[str, str] = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
    "loadBalancingAnomalyMitigation": "load_balancing.algorithm.anomaly_mitigation",
    "loadBalancingCrossZoneEnabled": "load_balancing.cross_zone.enabled",
    "slowStart": "slow_start.duration_seconds",
}
_HEALTH_CHECK_DEFAULTS: Mapping[str, Any] = {
    "enabled": True,
    "healthyThreshold": 3,
    "interval": 30,
    "port": "traffic-port",
    "protocol": "HTTP",
    "unhealthyThreshold": 3,
}
"""What the real provider fills in when a health check is described at all."""

_HTTP_TIMEOUT = 5
"""Seconds that AWS waits for HTTP health checks when nobody says otherwise."""


class TargetGroup(Elbv2Row):
    """aws.lb.TargetGroup of HTTP or HTTPS targets."""

    token = "aws:lb/targetGroup:TargetGroup"
    describe = ("describe_target_groups", "TargetGroupArns", "TargetGroups")
    autoname = "name"
    name_limit = 32
    replaces = frozenset(
        {"ipAddressType", "port", "protocol", "protocolVersion", "targetType", "vpcId"}
    )
    updates = frozenset({"healthCheck", "stickiness", *_TARGET_ATTRIBUTES})
    defaults: ClassVar[Mapping[str, Any]] = {
        "deregistrationDelay": 300,
        "ipAddressType": "ipv4",
        "loadBalancingAlgorithmType": "round_robin",
        "loadBalancingAnomalyMitigation": "off",
        "loadBalancingCrossZoneEnabled": "use_load_balancer_configuration",
        "protocolVersion": "HTTP1",
        "slowStart": 0,
        "targetType": "instance",
    }

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        required = [
            f"{key}: missing, and target groups need it"
            for key in ("port", "protocol", "vpcId")
            if inputs.get(key) is None
        ]
        if value_at(inputs, "slowStart"):
            required += within(inputs, "slowStart", 30, 900)
        return [
            *required,
            *matching(inputs, "name", _NAME, "at most 32 letters, digits and hyphens"),
            *one_of(inputs, "protocol", ("HTTP", "HTTPS")),
            *one_of(inputs, "protocolVersion", ("HTTP1", "HTTP2", "GRPC")),
            *one_of(inputs, "targetType", ("instance", "ip")),
            *one_of(inputs, "ipAddressType", ("ipv4", "ipv6")),
            *one_of(
                inputs,
                "loadBalancingAlgorithmType",
                ("round_robin", "least_outstanding_requests", "weighted_random"),
            ),
            *one_of(inputs, "loadBalancingAnomalyMitigation", ("on", "off")),
            *one_of(
                inputs,
                "loadBalancingCrossZoneEnabled",
                ("true", "false", "use_load_balancer_configuration"),
            ),
            *within(inputs, "port", 1, 65535),
            *within(inputs, "deregistrationDelay", 0, 3600),
            *_health_check_problems(inputs),
            *_stickiness_problems(inputs),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("elbv2").create_target_group(
            Name=inputs["name"],
            **_tags(inputs),
            **given(
                inputs,
                ipAddressType="IpAddressType",
                port="Port",
                protocol="Protocol",
                protocolVersion="ProtocolVersion",
                targetType="TargetType",
                vpcId="VpcId",
            ),
            **_health_check(inputs),
        )
        return str(created["TargetGroups"][0]["TargetGroupArn"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        aws.client("elbv2").modify_target_group_attributes(
            TargetGroupArn=id,
            Attributes=[
                *_attributes(inputs, _TARGET_ATTRIBUTES),
                *_stickiness(inputs.get("stickiness") or {}),
            ],
        )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        found = aws.client("elbv2").describe_target_group_attributes(TargetGroupArn=id)
        attributes = _by_key(found["Attributes"])
        return {
            "arn": id,
            "arnSuffix": id.rsplit(":", 1)[1],
            "healthCheck": _live_health_check(live),
            "ipAddressType": live["IpAddressType"],
            "loadBalancerArns": balancers_of(aws, id),
            "name": live["TargetGroupName"],
            "port": live["Port"],
            "protocol": live["Protocol"],
            "protocolVersion": live["ProtocolVersion"],
            "stickiness": _live_stickiness(attributes),
            "tagsAll": self.tags(aws, id),
            "targetType": live["TargetType"],
            "vpcId": live["VpcId"],
            **{
                key: _typed(attributes.get(name), self.defaults[key])
                for key, name in _TARGET_ATTRIBUTES.items()
            },
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if "healthCheck" in changed and new.get("healthCheck"):
            aws.client("elbv2").modify_target_group(
                TargetGroupArn=id, **_health_check(new)
            )
        self.finish(aws, id, new)
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("elbv2").delete_target_group, TargetGroupArn=id)


def _health_check(inputs: Properties) -> dict[str, Any]:
    if not inputs.get("healthCheck"):
        return {}
    check = {**_HEALTH_CHECK_DEFAULTS, **inputs["healthCheck"]}
    code = "GrpcCode" if inputs.get("protocolVersion") == "GRPC" else "HttpCode"
    return {
        "HealthCheckEnabled": check["enabled"],
        **({"Matcher": {code: check["matcher"]}} if check.get("matcher") else {}),
        **given(
            check,
            healthyThreshold="HealthyThresholdCount",
            interval="HealthCheckIntervalSeconds",
            path="HealthCheckPath",
            port="HealthCheckPort",
            protocol="HealthCheckProtocol",
            timeout="HealthCheckTimeoutSeconds",
            unhealthyThreshold="UnhealthyThresholdCount",
        ),
    }


def _live_health_check(live: Mapping[str, Any]) -> Properties:
    matcher = live.get("Matcher", {})
    return {
        "enabled": live["HealthCheckEnabled"],
        "healthyThreshold": live["HealthyThresholdCount"],
        "interval": live["HealthCheckIntervalSeconds"],
        "matcher": matcher.get("HttpCode") or matcher.get("GrpcCode"),
        "path": live.get("HealthCheckPath"),
        "port": live["HealthCheckPort"],
        "protocol": live["HealthCheckProtocol"],
        "timeout": live["HealthCheckTimeoutSeconds"],
        "unhealthyThreshold": live["UnhealthyThresholdCount"],
    }


def _health_check_problems(inputs: Mapping[str, Any]) -> list[str]:
    if not isinstance(inputs.get("healthCheck"), Mapping):
        return []
    interval = value_at(inputs, "healthCheck.interval")
    timeout = inputs["healthCheck"].get("timeout", _HTTP_TIMEOUT)
    problems = [
        *within(inputs, "healthCheck.interval", 5, 300),
        *within(inputs, "healthCheck.timeout", 2, 120),
        *within(inputs, "healthCheck.healthyThreshold", 2, 10),
        *within(inputs, "healthCheck.unhealthyThreshold", 2, 10),
        *one_of(inputs, "healthCheck.protocol", ("HTTP", "HTTPS")),
        *matching(inputs, "healthCheck.path", r"/.{0,1023}", "a path from /"),
        *matching(
            inputs,
            "healthCheck.port",
            r"traffic-port|[1-9][0-9]{0,4}",
            'a port or "traffic-port"',
        ),
        *matching(
            inputs,
            "healthCheck.matcher",
            r"\d{1,3}([,-]\d{1,3})*",
            "codes like 200, 200,204 or 200-299",
        ),
    ]
    if isinstance(interval, int) and isinstance(timeout, int) and timeout >= interval:
        problems.append(
            f"healthCheck.timeout: {timeout} must be smaller than the interval, "
            f"{interval}"
        )
    return problems


def _stickiness(wanted: Mapping[str, Any]) -> list[dict[str, str]]:
    kind = wanted.get("type", "lb_cookie")
    seconds = _text(wanted.get("cookieDuration", 86400))
    attributes = {
        "stickiness.enabled": _text(bool(wanted) and wanted.get("enabled", True)),
        "stickiness.type": kind,
        f"stickiness.{kind}.duration_seconds": seconds,
    }
    if kind == "app_cookie":
        attributes["stickiness.app_cookie.cookie_name"] = wanted.get("cookieName", "")
    return [{"Key": key, "Value": value} for key, value in attributes.items()]


def _live_stickiness(attributes: Mapping[str, str]) -> Properties:
    kind = attributes["stickiness.type"]
    seconds = attributes.get(f"stickiness.{kind}.duration_seconds")
    return {
        "cookieDuration": _typed(seconds, 86400),
        "cookieName": attributes.get("stickiness.app_cookie.cookie_name", ""),
        "enabled": attributes["stickiness.enabled"] == "true",
        "type": kind,
    }


def _stickiness_problems(inputs: Mapping[str, Any]) -> list[str]:
    problems = [
        *one_of(inputs, "stickiness.type", ("lb_cookie", "app_cookie")),
        *within(inputs, "stickiness.cookieDuration", 0, 604800),
    ]
    if value_at(inputs, "stickiness.type") == "app_cookie" and not inputs[
        "stickiness"
    ].get("cookieName"):
        problems.append("stickiness.cookieName: missing, and app_cookie needs it")
    return problems


_SSL_POLICIES = (
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Ext1-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Ext2-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-1-2021-06",
    "ELBSecurityPolicy-TLS13-1-0-2021-06",
    "ELBSecurityPolicy-TLS13-1-0-PQ-2025-09",
    "ELBSecurityPolicy-TLS-1-2-Ext-2018-06",
    "ELBSecurityPolicy-TLS-1-2-2017-01",
    "ELBSecurityPolicy-TLS-1-1-2017-01",
    "ELBSecurityPolicy-2016-08",
    "ELBSecurityPolicy-FS-1-2-Res-2020-10",
)
"""Those of AWS's security policies that the emulator knows: all but FIPS and old FS."""

_ACTIONS = ("forward", "redirect", "fixed-response")


class Listener(Elbv2Row):
    """aws.lb.Listener of an application load balancer."""

    token = "aws:lb/listener:Listener"
    describe = ("describe_listeners", "ListenerArns", "Listeners")
    replaces = frozenset({"loadBalancerArn"})
    updates = frozenset(
        {"certificateArn", "defaultActions", "port", "protocol", "sslPolicy"}
    )
    defaults: ClassVar[Mapping[str, Any]] = {"protocol": "HTTP"}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        problems = [
            *arn(inputs, "loadBalancerArn"),
            *arn(inputs, "certificateArn"),
            *one_of(inputs, "protocol", ("HTTP", "HTTPS")),
            *one_of(inputs, "sslPolicy", _SSL_POLICIES),
            *within(inputs, "port", 1, 65535),
            *_action_problems(inputs, "defaultActions"),
        ]
        if inputs.get("port") is None:
            problems.append("port: missing, and listeners need it")
        protocol = inputs.get("protocol", "HTTP")
        if protocol == "HTTPS" and inputs.get("certificateArn") is None:
            problems.append("certificateArn: missing, and HTTPS needs it")
        if protocol == "HTTP":
            problems += [
                f"{key}: only HTTPS has one; this listener's protocol is HTTP"
                for key in ("certificateArn", "sslPolicy")
                if inputs.get(key) is not None
            ]
        return problems

    def create(self, aws: Aws, inputs: Properties) -> str:
        balancer = inputs["loadBalancerArn"]
        _refuse_taken_port(aws, "CreateListener", inputs)
        _refuse_unissued(aws, "CreateListener", inputs)
        created = aws.client("elbv2").create_listener(
            LoadBalancerArn=balancer,
            **_tags(inputs),
            **self._call(inputs),
        )
        return str(created["Listeners"][0]["ListenerArn"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        https = live["Protocol"] == "HTTPS"
        certificates = live.get("Certificates") if https else None
        return {
            "arn": id,
            "certificateArn": certificates[0]["CertificateArn"]
            if certificates
            else None,
            "defaultActions": [_live_action(one) for one in live["DefaultActions"]],
            "loadBalancerArn": live["LoadBalancerArn"],
            "port": live["Port"],
            "protocol": live["Protocol"],
            "sslPolicy": live.get("SslPolicy") if https else None,
            "tagsAll": self.tags(aws, id),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        if "port" in changed:
            _refuse_taken_port(aws, "ModifyListener", new)
        if "certificateArn" in changed:
            _refuse_unissued(aws, "ModifyListener", new)
        aws.client("elbv2").modify_listener(ListenerArn=id, **self._call(new))
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("elbv2").delete_listener, ListenerArn=id)

    def _call(self, inputs: Properties) -> dict[str, Any]:
        certificate = inputs.get("certificateArn")
        return {
            "DefaultActions": [_action(one) for one in inputs["defaultActions"]],
            "Certificates": [{"CertificateArn": certificate}] if certificate else [],
            **given(inputs, port="Port", protocol="Protocol", sslPolicy="SslPolicy"),
        }


def _refuse_taken_port(aws: Aws, operation: str, inputs: Properties) -> None:
    """Every port of a load balancer has one listener; moto does not look."""
    found = aws.client("elbv2").describe_listeners(
        LoadBalancerArn=inputs["loadBalancerArn"]
    )
    if inputs["port"] in [one["Port"] for one in found["Listeners"]]:
        raise refusal(
            operation,
            "DuplicateListener",
            f"A listener already exists on port {inputs['port']} for this load "
            f"balancer '{inputs['loadBalancerArn']}'",
        )


def _refuse_unissued(aws: Aws, operation: str, inputs: Properties) -> None:
    """AWS takes no certificate before it is issued; moto takes any."""
    certificate = inputs.get("certificateArn")
    if not certificate:
        return
    found = aws.client("acm").describe_certificate(CertificateArn=certificate)
    if found["Certificate"]["Status"] != "ISSUED":
        raise refusal(
            operation,
            "UnsupportedCertificate",
            f"The certificate '{certificate}' is not issued yet "
            f"({found['Certificate']['Status']}): take its ARN from a "
            "CertificateValidation, which waits for that",
        )


_CONDITIONS: Mapping[str, tuple[str, str]] = {
    "hostHeader": ("host-header", "HostHeaderConfig"),
    "httpHeader": ("http-header", "HttpHeaderConfig"),
    "httpRequestMethod": ("http-request-method", "HttpRequestMethodConfig"),
    "pathPattern": ("path-pattern", "PathPatternConfig"),
    "sourceIp": ("source-ip", "SourceIpConfig"),
}
"""Kinds of conditions: the field of the API, and where it has the values."""

_HEADER = {"httpHeaderName": "HttpHeaderName", "values": "Values"}


class ListenerRule(Elbv2Row):
    """aws.lb.ListenerRule."""

    token = "aws:lb/listenerRule:ListenerRule"
    describe = ("describe_rules", "RuleArns", "Rules")
    replaces = frozenset({"listenerArn"})
    updates = frozenset({"actions", "conditions", "priority"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *arn(inputs, "listenerArn"),
            *within(inputs, "priority", 1, 50000),
            *_action_problems(inputs, "actions"),
            *_condition_problems(inputs),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        listener = inputs["listenerArn"]
        made = aws.client("elbv2").create_rule(
            ListenerArn=listener,
            Priority=inputs.get("priority") or _next_priority(aws, listener),
            **_tags(inputs),
            **self._call(inputs),
        )
        return str(made["Rules"][0]["RuleArn"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        live = self.live(aws, id)
        if live is None:
            return None
        return {
            "actions": [_live_action(one) for one in live["Actions"]],
            "arn": id,
            "conditions": [_live_condition(one) for one in live["Conditions"]],
            "listenerArn": _listener_of(id),
            "priority": int(live["Priority"]),
            "tagsAll": self.tags(aws, id),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        elb = aws.client("elbv2")
        if "priority" in changed and new.get("priority"):
            elb.set_rule_priorities(
                RulePriorities=[{"RuleArn": id, "Priority": new["priority"]}]
            )
        elb.modify_rule(RuleArn=id, **self._call(new))
        self.retag(aws, id, old, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("elbv2").delete_rule, RuleArn=id)

    def _call(self, inputs: Properties) -> dict[str, Any]:
        return {
            "Actions": [_action(one) for one in inputs["actions"]],
            "Conditions": [_condition(one) for one in inputs["conditions"]],
        }


def _listener_of(rule: str) -> str:
    return rule.replace(":listener-rule/", ":listener/", 1).rpartition("/")[0]


def _next_priority(aws: Aws, listener: str) -> int:
    """What the real provider takes when the program names none."""
    rules = aws.client("elbv2").describe_rules(ListenerArn=listener)["Rules"]
    taken = [int(rule["Priority"]) for rule in rules if not rule["IsDefault"]]
    return max(taken, default=0) + 1


def _condition(condition: Mapping[str, Any]) -> dict[str, Any]:
    """A condition as the API takes it; it is of one kind."""
    [(kind, wanted)] = [(k, condition[k]) for k in _CONDITIONS if condition.get(k)]
    field, config = _CONDITIONS[kind]
    return {"Field": field, config: given(wanted, **_HEADER)}


def _live_condition(live: Mapping[str, Any]) -> Properties:
    """A condition as the program writes it."""
    for kind, (field, config) in _CONDITIONS.items():
        if live["Field"] == field:
            return {kind: _renamed(live[config], _HEADER)}
    return {}


def _condition_problems(inputs: Mapping[str, Any]) -> list[str]:
    conditions = inputs.get("conditions")
    if conditions == []:
        return ["conditions: empty; name one or more"]
    problems: list[str] = []
    for index, one in enumerate(conditions if isinstance(conditions, list) else []):
        if not isinstance(one, Mapping):
            continue
        at = f"conditions[{index}]"
        kinds = [key for key, value in one.items() if value is not None]
        problems += [
            f"{at}.{kind}: the rehearsal does not carry this kind of condition"
            for kind in kinds
            if kind not in _CONDITIONS
        ]
        if len(kinds) != 1:
            problems.append(f"{at}: must be of one kind, not {len(kinds)}")
        problems += [
            f"{at}.{kind}.regexValues: the rehearsal carries values only"
            for kind in kinds
            if value_at(one, f"{kind}.regexValues") is not None
        ]
        problems += [
            f"{at}.{problem}"
            for problem in matching(
                one,
                "httpHeader.httpHeaderName",
                r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}",
                "at most 40 characters of a header's name",
            )
        ]
    return problems


def _action_problems(inputs: Mapping[str, Any], key: str) -> list[str]:
    actions = inputs.get(key)
    problems: list[str] = []
    for index, action in enumerate(actions if isinstance(actions, list) else []):
        if not isinstance(action, Mapping):
            continue
        at = f"{key}[{index}]"
        found = [
            *one_of(action, "type", _ACTIONS),
            *_incomplete(action),
            *one_of(action, "redirect.statusCode", ("HTTP_301", "HTTP_302")),
            *one_of(action, "redirect.protocol", ("HTTP", "HTTPS", "#{protocol}")),
            *matching(
                action,
                "fixedResponse.statusCode",
                r"[245]\d\d",
                "a status of 2xx, 4xx or 5xx",
            ),
        ]
        problems += [f"{at}.{problem}" for problem in found]
    return problems


def _incomplete(action: Mapping[str, Any]) -> list[str]:
    """Each type of action has a block of its own."""
    needed = {
        "forward": ("targetGroupArn", "forward"),
        "redirect": ("redirect",),
        "fixed-response": ("fixedResponse",),
    }.get(value_at(action, "type"), ())
    if not needed or any(action.get(key) is not None for key in needed):
        return []
    return [f"{needed[0]}: missing, and the action needs it"]


def _action(action: Mapping[str, Any]) -> dict[str, Any]:
    """An action as the API takes it."""
    call: dict[str, Any] = {
        "Type": action["type"],
        **given(action, order="Order", targetGroupArn="TargetGroupArn"),
    }
    if action.get("redirect"):
        call["RedirectConfig"] = given(action["redirect"], **_REDIRECT)
    if action.get("fixedResponse"):
        call["FixedResponseConfig"] = given(action["fixedResponse"], **_RESPONSE)
    if action.get("forward"):
        call["ForwardConfig"] = _forward(action["forward"])
    return call


_REDIRECT = {
    "host": "Host",
    "path": "Path",
    "port": "Port",
    "protocol": "Protocol",
    "query": "Query",
    "statusCode": "StatusCode",
}
_RESPONSE = {
    "contentType": "ContentType",
    "messageBody": "MessageBody",
    "statusCode": "StatusCode",
}


def _forward(forward: Mapping[str, Any]) -> dict[str, Any]:
    call: dict[str, Any] = {
        "TargetGroups": [
            {"TargetGroupArn": group["arn"], "Weight": group.get("weight", 1)}
            for group in forward["targetGroups"]
        ]
    }
    if forward.get("stickiness"):
        call["TargetGroupStickinessConfig"] = {
            "Enabled": bool(forward["stickiness"].get("enabled")),
            "DurationSeconds": forward["stickiness"]["duration"],
        }
    return call


def _live_action(live: Mapping[str, Any]) -> Properties:
    """An action as the program writes it."""
    action: Properties = {"type": live["Type"]}
    action |= _renamed(live, {"order": "Order", "targetGroupArn": "TargetGroupArn"})
    if "RedirectConfig" in live:
        action["redirect"] = _renamed(live["RedirectConfig"], _REDIRECT)
    if "FixedResponseConfig" in live:
        action["fixedResponse"] = _renamed(live["FixedResponseConfig"], _RESPONSE)
    if "ForwardConfig" in live:
        action["forward"] = _live_forward(live["ForwardConfig"])
    return action


def _live_forward(live: Mapping[str, Any]) -> Properties:
    forward: Properties = {
        "targetGroups": [
            {"arn": group["TargetGroupArn"], "weight": group["Weight"]}
            for group in live["TargetGroups"]
        ]
    }
    stickiness = live.get("TargetGroupStickinessConfig", {})
    if "DurationSeconds" in stickiness:
        forward["stickiness"] = {
            "duration": stickiness["DurationSeconds"],
            "enabled": stickiness["Enabled"],
        }
    return forward


def _renamed(live: Mapping[str, Any], names: Mapping[str, str]) -> Properties:
    return {ours: live[name] for ours, name in names.items() if name in live}


ROWS: tuple[type[Row], ...] = (LoadBalancer, TargetGroup, Listener, ListenerRule)
INVOKES: Mapping[str, Any] = {}
