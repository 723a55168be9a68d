"""Settings of pull requests' stacks: what is accepted, and what is refused how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from settings import ReviewSettings, SettingsError, parse
from settings.aws.review import number_of, room, tags_of

DIGEST = f"ghcr.io/stromdao/stromhaltig@sha256:{'a' * 64}"
EXPIRES = "2026-12-06T12:00:00Z"
REVIEW: dict[str, Any] = {
    "aws:region": "eu-central-1",
    "aws:defaultTags": {"tags": tags_of(7, EXPIRES)},
    "platform": "aws-review",
    "base": "staging",
    "image": {"ref": DIGEST},
    "app": {"DB_POOL_MAX": "4"},
}
STAGING: dict[str, Any] = {
    "aws:region": "eu-central-1",
    "environment": "staging",
    "domain": {"name": "staging.example.org"},
    "reviews": {"connections": 10},
}


def full(config: dict[str, Any]) -> dict[str, Any]:
    return {
        key if ":" in key else f"stromhaltig:{key}": value
        for key, value in config.items()
        if value is not None
    }


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program is run, with the file of staging."""
    monkeypatch.chdir(tmp_path)
    write_base(tmp_path)
    return tmp_path


def write_base(folder: Path, stack: str = "staging", **groups: Any) -> None:
    text = yaml.safe_dump({"config": full(STAGING | groups)})
    (folder / f"Pulumi.{stack}.yaml").write_text(text, encoding="utf-8")


def read(stack: str = "pr-7", **groups: Any) -> ReviewSettings:
    values = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in full(REVIEW | groups).items()
    }
    settings = parse(stack, values, secret_keys=("stromhaltig:secrets",))
    assert isinstance(settings, ReviewSettings)
    return settings


def refusal(stack: str = "pr-7", **groups: Any) -> list[str]:
    """Every problem, without the namespace."""
    with pytest.raises(SettingsError) as refused:
        read(stack, **groups)
    return [p.removeprefix("stromhaltig:") for p in refused.value.problems]


def only(stack: str = "pr-7", **groups: Any) -> str:
    (problem,) = refusal(stack, **groups)
    return problem


def test_the_least_that_a_review_needs():
    settings = read()
    assert (settings.number, settings.expires) == (7, EXPIRES)
    assert settings.name == "stromhaltig-pr-7"
    assert not settings.protect
    assert not settings.production
    assert (settings.service.cpu, settings.service.memory) == (256, 512)


def test_everything_at_once():
    """As little as a person can get right."""
    assert refusal(
        "review",
        base=None,
        app={"SMTP_HOST": "smtp.example.org", "DB_POOL_MAX": "4"},
        domain={"name": "pr-7.example.org"},
        image={"context": "."},
        service={"cpu": 256, "memory": 4096},
        environment="production",
        **{"aws:region": None, "aws:defaultTags": None},
    ) == [
        'environment: "production" is not one of staging',
        'image.context: "." is not a folder with a Dockerfile. Give its path from the '
        "folder of Pulumi.yaml",
        "platform: aws-review is for stacks called pr-N, with N from 1 to 49800; this "
        'is "review". Copy the file to Pulumi.pr-N.yaml, and take that',
        "aws:region: is missing. Set it: pulumi config set --path 'aws:region' "
        "eu-central-1 --stack review",
        "base: is missing. Set it: pulumi config set --path 'stromhaltig:base' staging "
        "--stack review",
        'aws:defaultTags.tags.Expires: "" is not a time in UTC like '
        "2026-12-06T12:00:00Z, after which the review may be taken down. Set it: "
        "pulumi config set --path 'aws:defaultTags.tags.Expires' TIME --stack review",
        "domain: is that of the base. Remove it",
        "image.context: is for stacks with a repository of their own. Build the image "
        "before, and set image.ref",
        "app.SMTP_HOST: is refused: a review writes to nobody. Remove it",
        "service.memory: Fargate does not offer 4096 MiB with 256 CPU units. Choose "
        "one of 512, 1024, 2048. The nearest is 2048",
    ]


@pytest.mark.parametrize(
    ("stack", "number"),
    [
        ("pr-1", 1),
        ("pr-49800", 49_800),
        ("pr-49801", None),
        ("pr-0", None),
        ("pr-07", None),
        ("pr-", None),
        ("pr-7-b", None),
        ("PR-7", None),
        ("pr-7\n", None),
        ("xpr-7", None),
    ],
)
def test_a_review_is_called_after_its_pull_request(stack, number):
    assert number_of(stack) == number


def test_a_base_that_is_not_here_is_told_with_those_that_are(folder):
    write_base(folder, "demo")
    assert only(base="stagin") == (
        "base: there is no Pulumi.stagin.yaml here; stacks: demo, staging. Did you "
        'mean "staging"?'
    )


@pytest.mark.parametrize("environment", ["production", None])
def test_nothing_runs_beside_production(folder, environment):
    write_base(folder, "live", environment=environment)
    assert only(base="live") == (
        'base: "live" is a stack of production, beside which nothing runs that nobody '
        "has approved. Name a staging stack"
    )


def test_a_base_without_reviews_is_told_how_to_get_them(folder):
    write_base(folder, reviews=None)
    assert only() == (
        'base: "staging" has no reviews. Turn them on there, and deploy it: pulumi '
        "config set --path 'stromhaltig:reviews.connections' 10 --stack staging"
    )


@pytest.mark.parametrize("platform", ["docker", "aws-review"])
def test_a_base_is_on_aws(folder, platform):
    write_base(folder, platform=platform)
    assert only() == (
        f'base: "staging" is of platform {platform}. Name one of platform aws'
    )


@pytest.mark.parametrize("text", ["config: [", "config: 1", "- a", ""])
def test_a_base_that_cannot_be_read_is_told(folder, text):
    (folder / "Pulumi.staging.yaml").write_text(text, encoding="utf-8")
    assert only() == (
        "base: Pulumi.staging.yaml is no YAML with a `config` section. Mend it"
    )


def test_a_review_is_in_the_region_of_its_base(folder):
    write_base(folder, **{"aws:region": "eu-west-1"})
    assert only() == (
        'aws:region: "eu-central-1" is not that of staging. Set it: pulumi config set '
        "--path 'aws:region' eu-west-1 --stack pr-7"
    )


@pytest.mark.parametrize(
    ("reviews", "pool", "fits"), [({}, "5", "4"), ({"connections": 7}, "4", "3")]
)
def test_a_release_finds_connections_for_two_tasks(folder, reviews, pool, fits):
    write_base(folder, reviews=reviews)
    most = reviews.get("connections", 10)
    assert only(app={"DB_POOL_MAX": pool}) == (
        f"app.DB_POOL_MAX: {pool} connections for each of two tasks, and one to "
        f"migrate, are more than the {most} that staging gives a review. Set it: "
        f"pulumi config set --path 'stromhaltig:app.DB_POOL_MAX' {fits} --stack pr-7"
    )
    assert read(app={"DB_POOL_MAX": fits})


@pytest.mark.parametrize("tag", ["Project", "Environment", "ManagedBy", "PullRequest"])
def test_a_tag_by_which_it_is_found_is_not_another(tag):
    tags = {**tags_of(7, EXPIRES), tag: "other"}
    assert only(**{"aws:defaultTags": {"tags": tags}}) == (
        f'aws:defaultTags.tags.{tag}: is "other", by which the review would not be '
        f"found again. Set it: pulumi config set --path 'aws:defaultTags.tags.{tag}' "
        f"{tags_of(7, EXPIRES)[tag]} --stack pr-7"
    )


@pytest.mark.parametrize("when", ["2026-12-06", "tomorrow", "2026-12-06T12:00:00"])
def test_a_review_says_in_one_form_when_it_ends(when):
    tags = tags_of(7, when)
    assert only(**{"aws:defaultTags": {"tags": tags}}).startswith(
        f'aws:defaultTags.tags.Expires: "{when}" is not a time in UTC like 2026-12-06T'
    )


def test_further_tags_are_welcome():
    tags = {**tags_of(7, EXPIRES), "Owner": "somebody"}
    assert read(**{"aws:defaultTags": {"tags": tags}}).expires == EXPIRES


@pytest.mark.parametrize(
    ("reviews", "most"),
    [
        ("{}", 4),
        ("{max: 7}", 7),
        ("{connections: 20}", 4),
        ("true", 4),
        ("{max: x}", 4),
    ],
)
def test_a_base_says_how_many_reviews_it_has_room_for(
    tmp_path: Path, reviews: str, most: int
) -> None:
    file = tmp_path / "Pulumi.pr-7.yaml"
    file.write_text("config:\n  stromhaltig:base: staging\n")
    base = tmp_path / "Pulumi.staging.yaml"
    base.write_text(f"config:\n  stromhaltig:reviews: {reviews}\n")
    assert room(file) == ("staging", most)


def test_without_files_the_room_is_that_of_the_defaults(tmp_path: Path) -> None:
    assert room(tmp_path / "Pulumi.pr-7.yaml") == ("", 4)
