"""Options of an AWS stack: what is refused, in which words, and all at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from settings import SettingsError, parse

TAGS = {"tags": {"Environment": "staging"}}
SECRETS = {
    "GEMINI_API_KEY": "gemini",
    "OPENAI_API_KEY": "openai",
    "SENTRY_DSN": "https://key@sentry.example/1",
    "SMTP_PASS": "mail",
}
IMAGE = {"ref": f"ghcr.io/stromdao/stromhaltig@sha256:{'a' * 64}"}
DOMAIN = {"name": "stromhaltig.de", "zone_id": "Z0123456789ABC"}
ALERTED = {"emails": ["ops@stromhaltig.example"]}
GITHUB = {
    "repository": "stromdao/stromhaltig",
    "state_bucket": "pulumi-state",
    "state_key_arn": "arn:aws:kms:eu-central-1:123456789012:key/0a1b",
}


def problems(
    config: Mapping[str, Any],
    *,
    environment: str = "staging",
    tags: Mapping[str, Any] = TAGS,
) -> list[str]:
    """What a stack file is refused for; nothing when it is accepted."""
    complete = {
        "environment": environment,
        "image": IMAGE,
        **(
            {"secrets": SECRETS, "domain": DOMAIN, "app": {"SMTP_HOST": "smtp.test"}}
            if environment == "production"
            else {}
        ),
        **config,
    }
    values: dict[str, object] = {
        f"stromhaltig:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in complete.items()
        if value is not None
    }
    values |= {"aws:region": "eu-central-1", "aws:defaultTags": json.dumps(tags)}
    try:
        parse("test", values, secret_keys=["stromhaltig:secrets"])
    except SettingsError as refused:
        return list(refused.problems)
    return []


ACCEPTED: list[dict[str, Any]] = [
    {"cache": {}},
    {"uploads": {}, "jobs": {}},
    {"firewall": {}, "monitoring": ALERTED, "deployment": {"strategy": "canary"}},
    {"domain": DOMAIN, "cdn": {}, "monitoring": ALERTED},
    {"backups": {"copy_region": "eu-west-1"}, "github": GITHUB},
    {"budget": {"monthly_usd": 60, **ALERTED}},
    {"autoscaling": {"minimum": 1, "maximum": 3}},
    {"reviews": {}, "domain": DOMAIN},
]


@pytest.mark.parametrize("config", ACCEPTED, ids=str)
def test_an_option_is_accepted(config):
    assert problems(config) == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    # Cache.
    (
        {"cache": {"node_type": "cache.t2.micro"}},
        'cache.node_type: "cache.t2.micro" is not a node type like cache.t4g.micro',
    ),
    (
        {"cache": {"engine_version": "7.1"}},
        'cache.engine_version: "7.1" is not a version of Valkey in quotes, like "8.0"',
    ),
    (
        {"cache": {"snapshot_window": "01:00-01:30"}},
        'cache.snapshot_window: "01:00-01:30" is shorter than the 60 minutes '
        "ElastiCache needs",
    ),
    (
        {"cache": {"maintenance_window": "sun:01:00-sun:02:00"}},
        'cache.maintenance_window: "sun:01:00-sun:02:00" overlaps snapshot_window, '
        '"00:30-01:30". Move one of them',
    ),
    # Uploads.
    (
        {"uploads": {"infrequent_access_days": 2}},
        "uploads.infrequent_access_days: 2 is not one of 0, 1, 7, 14, 30, 60, 90, "
        "180, 270, 365. The nearest is 1",
    ),
    # Firewall: AWS's least is 10.
    (
        {"firewall": {"api_requests_per_minute": 9}},
        "firewall.api_requests_per_minute: 9 is not a whole number from 10 to "
        "2000000000",
    ),
    (
        {"firewall": {"login_attempts_per_5_minutes": 9}},
        "firewall.login_attempts_per_5_minutes: 9 is not a whole number from 10 to "
        "2000000000",
    ),
    # CDN.
    (
        {"cdn": {}},
        "cdn: needs a domain for its certificate. Set it: pulumi config set --path "
        "'stromhaltig:domain.name' NAME --stack test",
    ),
    (
        {
            "domain": DOMAIN,
            "cdn": {},
            "load_balancer": {"allowed_cidrs": ["203.0.113.0/24"]},
        },
        "load_balancer.allowed_cidrs: does not go with the cdn: CloudFront has to "
        "reach the load balancer, and in the end it alone. Remove one of the two",
    ),
    (
        {"domain": DOMAIN, "cdn": {"content_security_policy": 'a "b"'}},
        'cdn.content_security_policy: "a "b"" is not a Content-Security-Policy on '
        "one line, without double quotes",
    ),
    # Autoscaling.
    (
        {
            "autoscaling": {
                "schedules": {
                    "at night": {
                        "cron": "cron(0 22 * * ? *)",
                        "minimum": 1,
                        "maximum": 2,
                    }
                }
            }
        },
        'autoscaling.schedules: "at night" is not a name of 1 to 50 letters, digits '
        "and hyphens. Rename it",
    ),
    (
        {"autoscaling": {"minimum": 4, "maximum": 3}},
        "autoscaling.minimum: 4 is more than maximum, 3. Lower it, or raise that",
    ),
    (
        {"autoscaling": {}, "service": {"desired_count": 9}},
        "service.desired_count: 9 lies outside of autoscaling's 2 to 6. Remove it, "
        "or choose one of them",
    ),
    (
        {"autoscaling": {"cpu_percent": 0, "memory_percent": 0}},
        "autoscaling: has nothing to go by: cpu_percent, memory_percent and "
        "requests_per_target are all 0, and there is no schedule. Set one of them",
    ),
    (
        {
            "autoscaling": {
                "schedules": {
                    "night": {"cron": "cron(0 22 * * ? *)", "minimum": 2, "maximum": 1}
                }
            }
        },
        "autoscaling.schedules.night.minimum: 2 is more than maximum, 1. Lower it, or "
        "raise that",
    ),
    (
        {
            "autoscaling": {"requests_per_target": 500},
            "monitoring": ALERTED,
            "deployment": {"strategy": "linear"},
        },
        "autoscaling.requests_per_target: does not work with the strategy linear: "
        "requests go to two target groups, and AWS counts those of one. Set it to "
        "0, or the strategy to rolling",
    ),
    # Deployment.
    (
        {"deployment": {"strategy": "canary"}},
        "deployment.strategy: canary without alarms would move the traffic to a "
        "broken version too. Turn on monitoring, or choose rolling",
    ),
    (
        {"deployment": {"strategy": "rolling", "bake_minutes": 9}},
        "deployment.bake_minutes: is for blue_green, canary and linear, and the "
        "strategy is rolling. Remove it, or change deployment.strategy",
    ),
    (
        {
            "deployment": {"strategy": "linear", "step_percent": 60},
            "monitoring": ALERTED,
        },
        "deployment.step_percent: 60 leaves no second step of its size. Choose 50 "
        "or less, or the strategy blue_green",
    ),
    (
        {
            "deployment": {"strategy": "blue_green", "test_cidrs": ["0.0.0.0/0"]},
            "monitoring": ALERTED,
        },
        "deployment.test_cidrs: 0.0.0.0/0 would show every version to the world "
        "before it is judged. List the ranges of those who test",
    ),
    (
        {
            "deployment": {"strategy": "canary", "canary_percent": 12.34},
            "monitoring": ALERTED,
        },
        "deployment.canary_percent: 12.34 is not in tenths of a percent, as ECS has "
        "it. Set it to 12.3",
    ),
    (
        {
            "deployment": {
                "strategy": "blue_green",
                "test_cidrs": ["10.0.0.0/8", "10.1.0.0/16"],
            },
            "monitoring": ALERTED,
        },
        'deployment.test_cidrs: "10.1.0.0/16" lies within "10.0.0.0/8", so it narrows '
        "nothing. Remove one",
    ),
    # Jobs.
    (
        {"jobs": {"dump": "cron(0 25 * * ? *)"}},
        'jobs.dump: "cron(0 25 * * ? *)" has "25" for the hour. Write a schedule like '
        "cron(0 3 * * ? *), minute first",
    ),
    (
        {"jobs": {"dump": "Off"}},
        'jobs.dump: "Off" is not a schedule. Write off in lower case',
    ),
    (
        {"jobs": {"archive": "cron(0 3 * * ? *)"}},
        "jobs.archive: has nothing to archive: uploads go with the task. Turn on "
        "uploads, or remove it",
    ),
    (
        {"jobs": {"dump": "daily"}},
        'jobs.dump: "daily" is not a schedule like cron(0 3 * * ? *), minute first',
    ),
    (
        {"jobs": {"dump": "cron(0 3 * * * *)"}},
        'jobs.dump: "cron(0 3 * * * *)" must have a ? for either the day of the '
        "month or the day of the week, as in cron(0 3 * * ? *)",
    ),
    (
        {"jobs": {"timezone": "Europe/Berlni"}},
        'jobs.timezone: "Europe/Berlni" is not a time zone like Europe/Berlin. Did '
        'you mean "Europe/Berlin"?',
    ),
    # Monitoring.
    (
        {"monitoring": {}},
        "monitoring.emails: is empty, so alarms would tell nobody. Set it: pulumi "
        "config set --path 'stromhaltig:monitoring.emails[0]' ADDRESS --stack test",
    ),
    (
        {"monitoring": {"emails": ["ops@stromhaltig.example"] * 2}},
        'monitoring.emails: "ops@stromhaltig.example" is listed more than once',
    ),
    (
        {"monitoring": {"emails": ["nobody"]}},
        'monitoring.emails[0]: "nobody" is not an e-mail address',
    ),
    (
        {"monitoring": {"slack": True}},
        "secrets.SLACK_WEBHOOK_URL: is missing, and monitoring.slack is true. Set "
        "it: pulumi config set --path --secret "
        "'stromhaltig:secrets.SLACK_WEBHOOK_URL' --stack test",
    ),
    (
        {"monitoring": {**ALERTED, "health_check": True}},
        "monitoring.health_check: needs a domain to ask. Set domain.name, or this "
        "to false",
    ),
    (
        {
            "domain": DOMAIN,
            "monitoring": ALERTED,
            "load_balancer": {"allowed_cidrs": ["203.0.113.0/24"]},
        },
        "monitoring.health_check: cannot reach the app, which "
        "load_balancer.allowed_cidrs closes to the world. Set it to false",
    ),
    # Backups.
    (
        {"backups": {"lock": "compliance"}, "database": {"final_snapshot": False}},
        "backups.lock: compliance is for ever, and with database.final_snapshot false "
        "the vault is to go with the stack. Choose governance, or set that to true",
    ),
    (
        {"backups": {"copy_region": "eu-central-1"}},
        'backups.copy_region: "eu-central-1" is the stack\'s own region: a copy '
        "there would be lost with the original. Choose another",
    ),
    (
        {"backups": {"start": "01:30"}},
        'backups.start: "01:30" may begin within an hour before '
        'database.backup_window, "02:00-03:00", or in it, where AWS takes no '
        "backup. Choose another time",
    ),
    (
        {"backups": {"start": "25:00"}},
        'backups.start: "25:00" is not a time of day in UTC like 02:30',
    ),
    # GitHub.
    (
        {"github": {**GITHUB, "repository": "stromhaltig"}},
        'github.repository: "stromhaltig" is not a repository like OWNER/NAME',
    ),
    (
        {"github": {**GITHUB, "repository_id": 0}},
        "github.repository_id: 0 is not a whole number from 1 on",
    ),
    (
        {"github": {**GITHUB, "branch": "a b"}},
        'github.branch: "a b" is not a branch like main',
    ),
    (
        {"github": {**GITHUB, "environment": "a b"}},
        'github.environment: "a b" is not a GitHub environment like production',
    ),
    (
        {"github": {**GITHUB, "subject": "stromdao"}},
        'github.subject: "stromdao" is not the beginning of a subject like '
        "repo:OWNER@ID/NAME@ID",
    ),
    (
        {"github": {**GITHUB, "provider_arn": "arn:x"}},
        'github.provider_arn: "arn:x" is not an ARN like '
        "arn:aws:iam::ACCOUNT:oidc-provider/token.actions.githubusercontent.com",
    ),
    (
        {"github": {**GITHUB, "state_bucket": "A"}},
        'github.state_bucket: "A" is not the name of a bucket',
    ),
    (
        {"github": {**GITHUB, "state_key_arn": "alias/pulumi"}},
        'github.state_key_arn: "alias/pulumi" is not an ARN like '
        "arn:aws:kms:REGION:ACCOUNT:key/ID",
    ),
    (
        {"github": {**GITHUB, "preview_environment": "test"}},
        'github.preview_environment: "test" deploys: a preview in it could deploy '
        "too. Choose another",
    ),
    *(
        (
            {
                "github": {**GITHUB, "review_environment": name},
                "reviews": {},
                "domain": DOMAIN,
            },
            f'github.review_environment: "{name}" is that of another role, whose '
            "rights a pull request's stack would get. Choose another",
        )
        for name in ("test", "test-preview")
    ),
    # Budget.
    (
        {
            "budget": {
                "monthly_usd": 60,
                "emails": [f"{number}@stromhaltig.example" for number in range(11)],
            }
        },
        "budget.emails: has 11 addresses, and AWS takes 10. List fewer, or those of "
        "monitoring, which are told too",
    ),
    (
        {"budget": {"monthly_usd": 60}},
        "budget.emails: is empty, and there is no monitoring to tell instead. List "
        "an address",
    ),
    # Reviews.
    (
        {"reviews": {}},
        "reviews: needs a domain, below which each review has its own name: the app is "
        "made for the root of one. Set it: pulumi config set --path "
        "'stromhaltig:domain.name' NAME --stack test",
    ),
    (
        {"reviews": {}, "domain": DOMAIN, "cdn": {}},
        "reviews: does not go with cdn, by which every request of the load balancer is "
        "the stack's own. Remove one of the two",
    ),
    (
        {"reviews": {}, "domain": DOMAIN, "deployment": {}},
        "reviews: does not go with deployment, by which every request of the load "
        "balancer is the stack's own. Remove one of the two",
    ),
    (
        {"reviews": {"connections": 2}, "domain": DOMAIN},
        "reviews.connections: 2 is not a whole number from 3 to 50",
    ),
]


@pytest.mark.parametrize(("config", "message"), REFUSED, ids=lambda value: str(value))
def test_what_would_go_wrong_is_refused_in_one_line(config, message):
    assert problems(config) == [f"stromhaltig:{message}"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"cache": {}},
            "cache.nodes: 1 is refused in production: a failing zone would take the "
            "cache with it. Set it to 2",
        ),
        (
            {"service": {"spot_percent": 100}},
            "service.spot_percent: 100 is refused in production: AWS could take every "
            "task back at once. Lower it, or set service.on_demand_base to 1 or more",
        ),
        (
            {"reviews": {}, "domain": DOMAIN},
            "reviews: is refused in production: code that nobody has approved would "
            "run beside it. Remove it here, and name it in the file of a staging stack",
        ),
    ],
)
def test_production_is_asked_for_more(config, message):
    assert problems(config, environment="production") == [f"stromhaltig:{message}"]
    assert problems(config) == []


def test_spot_is_accepted_in_production_beside_regular_capacity():
    service = {"spot_percent": 100, "on_demand_base": 1}
    assert problems({"service": service}, environment="production") == []


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"budget": {"monthly_usd": 60, **ALERTED}},
            "stromhaltig:budget: counts by the tag Environment, and aws:defaultTags "
            "does not give it to anything. Set it: pulumi config set --path "
            "'aws:defaultTags.tags.Environment' staging --stack test",
        ),
        (
            {"github": GITHUB},
            "stromhaltig:github: needs tags that no other stack has, to tell what is "
            "the stack's. Set one: pulumi config set --path "
            "'aws:defaultTags.tags.Environment' test --stack test",
        ),
    ],
)
def test_what_counts_by_tags_needs_some(config, message):
    assert problems(config, tags={"tags": {}}) == [message]


def test_an_empty_tag_tells_nothing_apart():
    budget = {"budget": {"monthly_usd": 60, **ALERTED}}

    (problem,) = problems(budget, tags={"tags": {"Environment": ""}})

    assert problem.startswith("stromhaltig:budget: counts by the tag Environment")


@pytest.mark.parametrize("windows", ["07:00-08:00", "07:00-08:30"])
def test_a_window_of_an_hour_or_more_is_long_enough(windows):
    assert problems({"cache": {"snapshot_window": windows}}) == []


def test_jobs_can_be_turned_off_one_by_one():
    assert (
        problems({"jobs": {"dump": "off", "archive": "off", "maintain": "off"}}) == []
    )


def test_all_problems_of_a_file_are_named_at_once():
    found = problems(
        {
            "domain": None,
            "deployment": {"strategy": "canary"},
            "cdn": {},
            "service": {"spot_percent": 100},
            "firewall": {"api_requests_per_minute": 1},
            "uploads": {},
            "network": {"availability_zones": 0},
            "backups": {"copy_region": "eu-central-1"},
            "autoscaling": {"minimum": 4, "maximum": 3},
            "cache": {"nodes": 1, "node_type": "cache.t2.micro"},
            "jobs": {"timezone": "Mars"},
            "budget": {"monthly_usd": 60},
        },
        environment="production",
    )
    assert {problem.partition(": ")[0].partition(":")[2] for problem in found} == {
        "domain",
        "domain.zone_id",
        "deployment.strategy",
        "cdn",
        "service.spot_percent",
        "firewall.api_requests_per_minute",
        "network.availability_zones",
        "backups.copy_region",
        "autoscaling.minimum",
        "cache.node_type",
        "cache.nodes",
        "jobs.timezone",
        "budget.emails",
    }
    assert len(found) == 13


def test_an_option_that_is_named_with_nothing_after_it_is_neither_on_nor_off():
    values = {
        "stromhaltig:environment": "staging",
        "stromhaltig:image": json.dumps(IMAGE),
        "stromhaltig:uploads": "null",
        "aws:region": "eu-central-1",
    }

    with pytest.raises(SettingsError, match=r"uploads: holds keys of its own.* or {}"):
        parse("test", values, secret_keys=())


def test_a_rule_is_asked_when_another_key_of_its_group_is_wrong():
    found = problems({"backups": {"copy_region": "eu-central-1", "database_days": 0}})

    assert [problem.partition(": ")[0] for problem in found] == [
        "stromhaltig:backups.database_days",
        "stromhaltig:backups.copy_region",
    ]
