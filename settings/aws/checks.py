"""Rules of the AWS platform: what AWS would refuse much later, or never."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from itertools import permutations
from typing import Final

import times
from settings import forms
from settings.aws.groups import Deployment, LoadBalancer
from settings.aws.model import SLACK_WEBHOOK, AwsSettings, OnAws
from settings.aws.offers import (
    DATABASE_CLASSES,
    EXEC_ENDPOINT,
    FARGATE_MEMORY,
    NAT_FREE_ENDPOINTS,
    RETIRED_CLASSES,
)
from settings.aws.options import Autoscaling, ScalingSchedule
from settings.model import CHECKS as COMMON_CHECKS
from settings.model import Check, Problem


def region_is_given(settings: OnAws) -> Iterator[Problem]:
    """Yield a problem when no region is set."""
    if not settings.region:
        command = settings.command("aws:region", "eu-central-1")
        yield "aws:region", f"is missing. Set it: {command}"


def _image_goes_to_the_stacks_own_repository(
    settings: AwsSettings,
) -> Iterator[Problem]:
    if settings.image.repository:
        yield (
            "image.repository",
            "is for other platforms: an AWS stack pushes to its own. Remove it",
        )


def _domain_has_a_zone(settings: AwsSettings) -> Iterator[Problem]:
    domain = settings.domain
    if (domain and domain.zone_id is None) or (settings.production and not domain):
        command = settings.command("domain.zone_id", "ZONE_ID")
        yield "domain.zone_id", f"is missing. Set it: {command}"


def _fargate_offers_the_size(settings: AwsSettings) -> Iterator[Problem]:
    return unknown_size(settings.service.cpu, settings.service.memory)


def unknown_size(cpu: int, memory: int) -> Iterator[Problem]:
    """Yield a problem when Fargate does not offer a task of this size.

    Args:
        cpu: units, of which 1024 are one vCPU. memory: MiB.
    """
    offered = FARGATE_MEMORY[cpu]
    if memory not in offered:
        nearest = min(offered, key=lambda size: abs(size - memory))
        yield (
            "service.memory",
            f"Fargate does not offer {memory} MiB with {cpu} CPU units. Choose one of "
            f"{_sizes(offered)}. The nearest is {nearest}",
        )


def _sizes(offered: Sequence[int]) -> str:
    if len(offered) <= 7:
        return ", ".join(str(size) for size in offered)
    step = offered[1] - offered[0]
    return f"{offered[0]} to {offered[-1]} in steps of {step}"


def _tasks_start_without_nat(settings: AwsSettings) -> Iterator[Problem]:
    if settings.network.nat != "none":
        return
    needed = set(NAT_FREE_ENDPOINTS)
    if settings.service.execute_command:
        needed.add(EXEC_ENDPOINT)
    missing = sorted(needed.difference(settings.network.interface_endpoints))
    if missing:
        yield (
            "network.interface_endpoints",
            f"{', '.join(missing)} must be listed where network.nat is none, or no "
            "task can start",
        )


def _endpoints_are_listed_once(settings: AwsSettings) -> Iterator[Problem]:
    for endpoint in _repeated(settings.network.interface_endpoints):
        yield "network.interface_endpoints", f'"{endpoint}" is listed more than once'


def _callers_are_given_and_apart(settings: AwsSettings) -> Iterator[Problem]:
    path, ranges = "load_balancer.allowed_cidrs", settings.load_balancer.allowed_cidrs
    if not ranges:
        yield path, "is empty: nobody could connect. List a range, or leave it out"
    yield from _apart(path, ranges)


def _testers_are_apart(settings: AwsSettings) -> Iterator[Problem]:
    if settings.deployment:
        yield from _apart("deployment.test_cidrs", settings.deployment.test_cidrs)


def _apart(path: str, ranges: tuple[str, ...]) -> Iterator[Problem]:
    for inner, outer in permutations(dict.fromkeys(ranges), 2):
        if _within(inner, outer):
            yield (
                path,
                f'"{inner}" lies within "{outer}", so it narrows nothing. Remove one',
            )
    for twice in _repeated(ranges):
        yield path, f'"{twice}" is listed more than once'


def _repeated(listed: tuple[str, ...]) -> list[str]:
    return sorted({value for value in listed if listed.count(value) > 1})


def _within(inner: str, outer: str) -> bool:
    return IPv4Network(inner).subnet_of(IPv4Network(outer))


def _class_runs_the_engine(settings: AwsSettings) -> Iterator[Problem]:
    path, given = "database.instance_class", settings.database.instance_class
    prefix, _, rest = given.partition(".")
    family, _, size = rest.partition(".")
    if family in RETIRED_CLASSES and prefix == "db":
        yield (
            path,
            f'"{given}" runs nothing after PostgreSQL 12. Take '
            f"db.{RETIRED_CLASSES[family]}.{size or 'SIZE'} instead",
        )
    elif prefix != "db" or family not in DATABASE_CLASSES:
        families = ", ".join(sorted(DATABASE_CLASSES))
        yield path, f'"{given}" is not db.FAMILY.SIZE with a family of {families}'
    elif size not in DATABASE_CLASSES[family]:
        sizes = ", ".join(DATABASE_CLASSES[family])
        yield path, f'"{given}" is not a size of db.{family}. Choose one of {sizes}'


def _storage_has_room_to_grow(settings: AwsSettings) -> Iterator[Problem]:
    allocated = settings.database.allocated_storage
    maximum = settings.database.max_allocated_storage
    # AWS, "Managing capacity automatically": at least 10 % above what is allocated.
    least = -(-allocated * 11 // 10)
    if 0 < maximum < least:
        yield (
            "database.max_allocated_storage",
            f"{maximum} GiB leaves no room above allocated_storage, {allocated}. RDS "
            f"asks for at least {least}, or 0 to turn growth off",
        )


def _windows_do_not_overlap(settings: AwsSettings) -> Iterator[Problem]:
    backup = settings.database.backup_window
    maintenance = settings.database.maintenance_window
    if forms.window_minutes(backup) & forms.window_minutes(maintenance):
        yield (
            "database.maintenance_window",
            f'"{maintenance}" overlaps backup_window, "{backup}". Move one of them',
        )


def _requests_finish_before_a_task_is_killed(
    settings: AwsSettings,
) -> Iterator[Problem]:
    stop = settings.service.stop_timeout
    drain = settings.load_balancer.deregistration_delay
    if stop < drain:
        yield (
            "service.stop_timeout",
            f"{stop} s is less than load_balancer.deregistration_delay, {drain} s: "
            "requests would be cut off. Raise the one (up to 120) or lower the other",
        )


def _regular_capacity_remains(settings: AwsSettings) -> Iterator[Problem]:
    service = settings.service
    if (
        settings.production
        and service.spot_percent == 100
        and not service.on_demand_base
    ):
        yield (
            "service.spot_percent",
            "100 is refused in production: AWS could take every task back at once. "
            "Lower it, or set service.on_demand_base to 1 or more",
        )


def _strategy_has_alarms(settings: AwsSettings) -> Iterator[Problem]:
    strategy = settings.strategy
    if strategy != "rolling" and settings.monitoring is None:
        yield (
            "deployment.strategy",
            f"{strategy} without alarms would move the traffic to a broken version "
            "too. Turn on monitoring, or choose rolling",
        )


_OF_STRATEGY: Final[Mapping[str, Sequence[str]]] = {
    "bake_minutes": ("blue_green", "canary", "linear"),
    "canary_percent": ("canary",),
    "canary_minutes": ("canary",),
    "step_percent": ("linear",),
    "step_minutes": ("linear",),
    "test_cidrs": ("blue_green", "canary", "linear"),
}


def _strategy_uses_what_is_set(settings: AwsSettings) -> Iterator[Problem]:
    deployment = settings.deployment
    if deployment is None:
        return
    for key, strategies in _OF_STRATEGY.items():
        given = getattr(deployment, key)
        usual = given == Deployment.model_fields[key].default
        if not usual and deployment.strategy not in strategies:
            yield (
                f"deployment.{key}",
                f"is for {_words(strategies)}, and the strategy is "
                f"{deployment.strategy}. Remove it, or change deployment.strategy",
            )


def _words(listed: Sequence[str]) -> str:
    *others, last = listed
    return f"{', '.join(others)} and {last}" if others else last


def _shares_are_in_tenths(settings: AwsSettings) -> Iterator[Problem]:
    for key in ("canary_percent", "step_percent"):
        percent = getattr(settings.deployment, key, 0.0)
        if round(percent, 1) != percent:
            yield (
                f"deployment.{key}",
                f"{percent:g} is not in tenths of a percent, as ECS has it. Set it to "
                f"{round(percent, 1):g}",
            )


def _linear_ends(settings: AwsSettings) -> Iterator[Problem]:
    deployment = settings.deployment
    if deployment is None or deployment.strategy != "linear":
        return
    if 50 < deployment.step_percent < 100:
        yield (
            "deployment.step_percent",
            f"{deployment.step_percent:g} leaves no second step of its size. Choose 50 "
            "or less, or the strategy blue_green",
        )


def _bounds_hold(settings: AwsSettings) -> Iterator[Problem]:
    scaling = settings.autoscaling
    if scaling is None:
        return
    yield from _in_order("autoscaling", scaling)
    count = settings.service.desired_count
    given = "desired_count" in settings.service.model_fields_set
    if given and not scaling.minimum <= count <= scaling.maximum:
        yield (
            "service.desired_count",
            f"{count} lies outside of autoscaling's {scaling.minimum} to "
            f"{scaling.maximum}. Remove it, or choose one of them",
        )


def _in_order(path: str, bounds: Autoscaling | ScalingSchedule) -> Iterator[Problem]:
    if bounds.minimum > bounds.maximum:
        yield (
            f"{path}.minimum",
            f"{bounds.minimum} is more than maximum, {bounds.maximum}. Lower it, or "
            "raise that",
        )


_SCHEDULE_NAME: Final = r"[A-Za-z0-9-]{1,50}"


def _schedules_are_sound(settings: AwsSettings) -> Iterator[Problem]:
    scaling = settings.autoscaling
    for name, bounds in scaling.schedules.items() if scaling else ():
        yield from _in_order(f"autoscaling.schedules.{name}", bounds)
        if not re.fullmatch(_SCHEDULE_NAME, name):
            yield (
                "autoscaling.schedules",
                f'"{name}" is not a name of 1 to 50 letters, digits and hyphens. '
                "Rename it",
            )


def _scaling_has_an_aim(settings: AwsSettings) -> Iterator[Problem]:
    scaling = settings.autoscaling
    if scaling is None:
        return
    aims = (scaling.cpu_percent, scaling.memory_percent, scaling.requests_per_target)
    if not any(aims) and not scaling.schedules:
        yield (
            "autoscaling",
            "has nothing to go by: cpu_percent, memory_percent and requests_per_target "
            "are all 0, and there is no schedule. Set one of them",
        )
    if scaling.requests_per_target and settings.strategy != "rolling":
        yield (
            "autoscaling.requests_per_target",
            f"does not work with the strategy {settings.strategy}: requests "
            "go to two target groups, and AWS counts those of one. Set it to 0, or the "
            "strategy to rolling",
        )


def _production_survives_a_cache_node(settings: AwsSettings) -> Iterator[Problem]:
    cache = settings.cache
    if settings.production and cache and cache.nodes < 2:
        yield (
            "cache.nodes",
            "1 is refused in production: a failing zone would take the cache with it. "
            "Set it to 2",
        )


def _cache_windows_are_apart(settings: AwsSettings) -> Iterator[Problem]:
    if settings.cache is None:
        return
    windows = {
        key: forms.window_minutes(getattr(settings.cache, key))
        for key in ("snapshot_window", "maintenance_window")
    }
    for key, minutes in windows.items():
        daily = len(minutes) // (7 if key == "snapshot_window" else 1)
        if daily < 60:
            yield (
                f"cache.{key}",
                f'"{getattr(settings.cache, key)}" is shorter than the 60 minutes '
                "ElastiCache needs",
            )
    if windows["snapshot_window"] & windows["maintenance_window"]:
        yield (
            "cache.maintenance_window",
            f'"{settings.cache.maintenance_window}" overlaps snapshot_window, '
            f'"{settings.cache.snapshot_window}". Move one of them',
        )


def _cdn_has_a_domain(settings: AwsSettings) -> Iterator[Problem]:
    if settings.cdn and settings.domain is None:
        command = settings.command("domain.name", "NAME")
        yield "cdn", f"needs a domain for its certificate. Set it: {command}"


def _cdn_is_open_to_all(settings: AwsSettings) -> Iterator[Problem]:
    usual = LoadBalancer.model_fields["allowed_cidrs"].default
    if settings.cdn and settings.load_balancer.allowed_cidrs != usual:
        yield (
            "load_balancer.allowed_cidrs",
            "does not go with the cdn: CloudFront has to reach the load balancer, and "
            "in the end it alone. Remove one of the two",
        )


def _archive_has_uploads(settings: AwsSettings) -> Iterator[Problem]:
    jobs = settings.jobs
    asked = jobs and "archive" in jobs.model_fields_set and jobs.archive != "off"
    if asked and settings.uploads is None:
        yield (
            "jobs.archive",
            "has nothing to archive: uploads go with the task. Turn on uploads, or "
            "remove it",
        )


def _alarms_reach_somebody(settings: AwsSettings) -> Iterator[Problem]:
    monitoring = settings.monitoring
    if monitoring and not monitoring.emails and not monitoring.slack:
        command = settings.command("monitoring.emails[0]", "ADDRESS")
        yield (
            "monitoring.emails",
            f"is empty, so alarms would tell nobody. Set it: {command}",
        )


def _addresses_are_listed_once(settings: AwsSettings) -> Iterator[Problem]:
    for name in ("monitoring", "budget"):
        group = getattr(settings, name)
        listed = tuple(email.lower() for email in group.emails) if group else ()
        for twice in _repeated(listed):
            yield f"{name}.emails", f'"{twice}" is listed more than once'


def _slack_has_its_webhook(settings: AwsSettings) -> Iterator[Problem]:
    given = SLACK_WEBHOOK.name in settings.secrets
    path = f"secrets.{SLACK_WEBHOOK.name}"
    if settings.posts_to_slack and not given:
        command = settings.command(path, secret=True)
        yield path, f"is missing, and monitoring.slack is true. Set it: {command}"


def _health_check_has_a_domain(settings: AwsSettings) -> Iterator[Problem]:
    monitoring = settings.monitoring
    asked = monitoring and "health_check" in monitoring.model_fields_set
    if monitoring and asked and monitoring.health_check and not settings.domain:
        yield (
            "monitoring.health_check",
            "needs a domain to ask. Set domain.name, or this to false",
        )


def _health_check_gets_in(settings: AwsSettings) -> Iterator[Problem]:
    monitoring = settings.monitoring
    closed = "0.0.0.0/0" not in settings.load_balancer.allowed_cidrs
    if monitoring and monitoring.health_check and settings.domain and closed:
        yield (
            "monitoring.health_check",
            "cannot reach the app, which load_balancer.allowed_cidrs closes to the "
            "world. Set it to false",
        )


def _backups_begin_clear_of_the_windows(settings: AwsSettings) -> Iterator[Problem]:
    if settings.backups is None:
        return
    begins = times.minutes_from(settings.backups.start, _HOUR)
    for key in ("backup_window", "maintenance_window"):
        window = getattr(settings.database, key)
        if begins & times.window_minutes(window, before=_HOUR):
            yield (
                "backups.start",
                f'"{settings.backups.start}" may begin within an hour before '
                f'database.{key}, "{window}", or in it, where AWS takes no backup. '
                "Choose another time",
            )


_HOUR: Final = 60


def _a_final_lock_has_a_stack_that_stays(settings: AwsSettings) -> Iterator[Problem]:
    backups = settings.backups
    if (
        backups
        and backups.lock == "compliance"
        and not settings.database.final_snapshot
    ):
        yield (
            "backups.lock",
            "compliance is for ever, and with database.final_snapshot false the vault "
            "is to go with the stack. Choose governance, or set that to true",
        )


def _budget_counts_something(settings: AwsSettings) -> Iterator[Problem]:
    if settings.budget and not settings.default_tags.tags.get("Environment"):
        path = "aws:defaultTags.tags.Environment"
        yield (
            "budget",
            "counts by the tag Environment, and aws:defaultTags does not give it to "
            f"anything. Set it: {settings.command(path, settings.environment)}",
        )


def _deploy_roles_are_bounded(settings: AwsSettings) -> Iterator[Problem]:
    github = settings.github
    if github is None:
        return
    if not settings.default_tags.tags:
        yield (
            "github",
            "needs tags that no other stack has, to tell what is the stack's. Set one: "
            f"{settings.command('aws:defaultTags.tags.Environment', settings.stack)}",
        )
    deploys = github.environment or settings.stack
    previews = github.preview_environment or f"{settings.stack}-preview"
    if previews == deploys:
        yield (
            "github.preview_environment",
            f'"{deploys}" deploys: a preview in it could deploy too. Choose another',
        )
    if settings.reviews and github.review_environment in (deploys, previews):
        yield (
            "github.review_environment",
            f'"{github.review_environment}" is that of another role, whose rights a '
            "pull request's stack would get. Choose another",
        )


def _copies_go_elsewhere(settings: AwsSettings) -> Iterator[Problem]:
    backups = settings.backups
    if backups and backups.copy_region and backups.copy_region == settings.region:
        yield (
            "backups.copy_region",
            f'"{backups.copy_region}" is the stack\'s own region: a copy there would '
            "be lost with the original. Choose another",
        )


def _budget_reaches_somebody(settings: AwsSettings) -> Iterator[Problem]:
    budget = settings.budget
    if budget and not budget.emails and settings.monitoring is None:
        yield (
            "budget.emails",
            "is empty, and there is no monitoring to tell instead. List an address",
        )
    if budget and len(budget.emails) > _BUDGET_EMAILS:
        yield (
            "budget.emails",
            f"has {len(budget.emails)} addresses, and AWS takes {_BUDGET_EMAILS}. List "
            "fewer, or those of monitoring, which are told too",
        )


_BUDGET_EMAILS: Final = 10
"""Addresses that one notification takes (AWS: Budgets quotas)."""


def _reviews_have_a_place(settings: AwsSettings) -> Iterator[Problem]:
    if settings.reviews is None:
        return
    if settings.production:
        yield (
            "reviews",
            "is refused in production: code that nobody has approved would run beside "
            "it. Remove it here, and name it in the file of a staging stack",
        )
    if settings.domain is None:
        command = settings.command("domain.name", "NAME")
        yield (
            "reviews",
            "needs a domain, below which each review has its own name: the app is made "
            f"for the root of one. Set it: {command}",
        )
    for taken in ("cdn", "deployment"):
        if getattr(settings, taken) is not None:
            yield (
                "reviews",
                f"does not go with {taken}, by which every request of the load "
                "balancer is the stack's own. Remove one of the two",
            )


def _test_port_is_open_to_few(settings: AwsSettings) -> Iterator[Problem]:
    deployment = settings.deployment
    if deployment and "0.0.0.0/0" in deployment.test_cidrs:
        yield (
            "deployment.test_cidrs",
            "0.0.0.0/0 would show every version to the world before it is judged. "
            "List the ranges of those who test",
        )


def _production_survives_a_zone(settings: AwsSettings) -> Iterator[Problem]:
    if settings.production and not settings.database.multi_az:
        yield "database.multi_az", _refused("a failing zone would take the data down")


def _production_leaves_a_snapshot(settings: AwsSettings) -> Iterator[Problem]:
    if settings.production and not settings.database.final_snapshot:
        yield "database.final_snapshot", _refused("a deletion would be final")


def _production_protects_the_database(settings: AwsSettings) -> Iterator[Problem]:
    if settings.protect and not settings.database.deletion_protection:
        yield "database.deletion_protection", _refused(_DECOMMISSION)


def _production_protects_the_load_balancer(settings: AwsSettings) -> Iterator[Problem]:
    if settings.protect and not settings.load_balancer.deletion_protection:
        yield "load_balancer.deletion_protection", _refused(_DECOMMISSION)


_DECOMMISSION = "to tear the stack down on purpose, set decommission"


def _refused(reason: str) -> str:
    return f"false is refused in production: {reason}. Set it to true"


CHECKS: Final = (
    *COMMON_CHECKS,
    Check(region_is_given, ("aws:region",)),
    Check(_domain_has_a_zone, ("environment", "domain")),
    Check(_image_goes_to_the_stacks_own_repository, ("image",)),
    Check(_fargate_offers_the_size, ("service.cpu", "service.memory")),
    Check(
        _tasks_start_without_nat,
        ("network.nat", "network.interface_endpoints", "service.execute_command"),
    ),
    Check(_endpoints_are_listed_once, ("network.interface_endpoints",)),
    Check(_callers_are_given_and_apart, ("load_balancer.allowed_cidrs",)),
    Check(_class_runs_the_engine, ("database.instance_class",)),
    Check(
        _storage_has_room_to_grow,
        ("database.allocated_storage", "database.max_allocated_storage"),
    ),
    Check(
        _windows_do_not_overlap,
        ("database.backup_window", "database.maintenance_window"),
    ),
    Check(
        _requests_finish_before_a_task_is_killed,
        ("service.stop_timeout", "load_balancer.deregistration_delay"),
    ),
    Check(
        _regular_capacity_remains,
        ("environment", "service.spot_percent", "service.on_demand_base"),
    ),
    Check(_strategy_has_alarms, ("deployment", "monitoring")),
    Check(_strategy_uses_what_is_set, ("deployment",)),
    Check(
        _shares_are_in_tenths, ("deployment.canary_percent", "deployment.step_percent")
    ),
    Check(_linear_ends, ("deployment.strategy", "deployment.step_percent")),
    Check(
        _reviews_have_a_place,
        ("reviews", "environment", "domain", "cdn", "deployment"),
    ),
    Check(_test_port_is_open_to_few, ("deployment.test_cidrs",)),
    Check(_testers_are_apart, ("deployment.test_cidrs",)),
    Check(
        _bounds_hold,
        ("autoscaling.minimum", "autoscaling.maximum", "service.desired_count"),
    ),
    Check(_schedules_are_sound, ("autoscaling.schedules",)),
    Check(_scaling_has_an_aim, ("autoscaling", "deployment")),
    Check(_production_survives_a_cache_node, ("environment", "cache.nodes")),
    Check(
        _cache_windows_are_apart, ("cache.snapshot_window", "cache.maintenance_window")
    ),
    Check(_cdn_has_a_domain, ("cdn", "domain")),
    Check(_cdn_is_open_to_all, ("cdn", "load_balancer.allowed_cidrs")),
    Check(_archive_has_uploads, ("jobs.archive", "uploads")),
    Check(_alarms_reach_somebody, ("monitoring.emails", "monitoring.slack")),
    Check(_addresses_are_listed_once, ("monitoring.emails", "budget.emails")),
    Check(_slack_has_its_webhook, ("monitoring.slack", "secrets")),
    Check(_health_check_has_a_domain, ("monitoring.health_check", "domain")),
    Check(
        _health_check_gets_in,
        ("monitoring.health_check", "domain", "load_balancer.allowed_cidrs"),
    ),
    Check(
        _backups_begin_clear_of_the_windows,
        ("backups.start", "database.backup_window", "database.maintenance_window"),
    ),
    Check(_budget_counts_something, ("budget", "aws:defaultTags")),
    Check(_deploy_roles_are_bounded, ("github", "aws:defaultTags")),
    Check(_copies_go_elsewhere, ("backups.copy_region", "aws:region")),
    Check(
        _a_final_lock_has_a_stack_that_stays,
        ("backups.lock", "database.final_snapshot"),
    ),
    Check(_budget_reaches_somebody, ("budget.emails", "monitoring")),
    Check(_production_survives_a_zone, ("environment", "database.multi_az")),
    Check(_production_leaves_a_snapshot, ("environment", "database.final_snapshot")),
    Check(
        _production_protects_the_database,
        ("environment", "decommission", "database.deletion_protection"),
    ),
    Check(
        _production_protects_the_load_balancer,
        ("environment", "decommission", "load_balancer.deletion_protection"),
    ),
)
"""Rules of the AWS platform, the common ones included."""
