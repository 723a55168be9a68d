"""Settings under arbitrary input: never a crash, never a secret, never a surprise."""

from __future__ import annotations

import contextlib
import json
import traceback
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import VARIABLES, Kind
from settings import AwsSettings, SettingsError, parse
from settings.aws import FARGATE_MEMORY
from settings.forms import LOG_RETENTION, window_minutes

ENCRYPTED = ("stromhaltig:secrets",)
IMAGE = {"ref": f"app@sha256:{'0' * 64}"}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
short = st.text(max_size=8)
keys = st.sampled_from(sorted(AwsSettings.model_fields)) | short
junk = scalars | st.lists(scalars, max_size=2) | st.dictionaries(short, scalars)
groups = {
    name: st.sampled_from(sorted(field.annotation.model_fields))
    for name, field in AwsSettings.model_fields.items()
    if hasattr(field.annotation, "model_fields")
}
half_right = st.one_of(
    *(
        st.tuples(st.just(name), st.dictionaries(inner | short, junk, max_size=4))
        for name, inner in groups.items()
    )
)
configs = st.lists(st.tuples(keys, junk) | half_right, max_size=4).map(dict)


def read(config: dict[str, Any]) -> AwsSettings:
    values = {"aws:region": "eu-central-1"} | {
        f"stromhaltig:{key}": json.dumps(value) for key, value in config.items()
    }
    found = parse("test", values, secret_keys=ENCRYPTED)
    assert isinstance(found, AwsSettings)
    return found


@given(configs)
@settings(max_examples=60)
def test_anything_is_either_settings_or_a_list_of_problems(config):
    try:
        read(config)
    except SettingsError as refused:
        head, *lines = str(refused).split("\n")
        assert head.startswith("Pulumi.test.yaml has ")
        assert lines
        assert all(line.startswith(("  stromhaltig:", "  aws:")) for line in lines)
        assert len(lines) == len(set(lines))


secret_names = st.sampled_from([v.name for v in VARIABLES]) | st.text(max_size=10)
# A core that no message could hold by chance, in text of any kind.
secret_values = st.builds("{}hunter2-{}".format, st.text(max_size=40), st.text())


@given(
    st.dictionaries(secret_names, secret_values, min_size=1) | secret_values,
    st.dictionaries(
        st.sampled_from([v.name for v in VARIABLES if v.kind is not Kind.PLAIN]),
        secret_values,
    ),
    configs,
    st.booleans(),
)
@settings(max_examples=40)
def test_no_secret_is_ever_shown(secrets, misplaced, others, encrypted):
    config = others | {"secrets": secrets, "app": misplaced, "secret": secrets}
    values = {f"stromhaltig:{key}": json.dumps(v) for key, v in config.items()}

    with pytest.raises(SettingsError) as refused:
        parse("test", values, secret_keys=ENCRYPTED if encrypted else ())

    shown = "".join(traceback.format_exception(refused.value)) + repr(refused.value)
    assert "hunter2" not in shown


@given(st.dictionaries(secret_names, secret_values), st.booleans())
@settings(max_examples=50)
def test_no_secret_is_shown_by_settings(secrets, staging):
    accepted = {
        variable.name: secrets.get(variable.name, "hunter2-" + "x" * 32)
        for variable in VARIABLES
        if variable.kind in (Kind.GENERATED, Kind.OPERATOR)
        and variable.name != "SENTRY_DSN"
    }
    config = {"environment": "staging", "image": IMAGE, "secrets": accepted}

    with contextlib.suppress(SettingsError):
        found = read(config)
        assert "hunter2" not in f"{found!r} {found} {found.secrets}"


@given(st.sampled_from(sorted(FARGATE_MEMORY)), st.integers(512, 122880))
def test_fargate_sizes_are_accepted_exactly_when_they_are_offered(cpu, memory):
    config = {"environment": "staging", "image": IMAGE}
    service = {"cpu": cpu, "memory": memory}

    try:
        read(config | {"service": service})
        accepted = True
    except SettingsError as refused:
        accepted = False
        nearest = int(refused.problems[0].rsplit(" ", 1)[1])
        assert nearest in FARGATE_MEMORY[cpu]

    assert accepted == (memory in FARGATE_MEMORY[cpu])


@given(
    st.sampled_from(sorted(FARGATE_MEMORY)).flatmap(
        lambda cpu: st.tuples(st.just(cpu), st.sampled_from(list(FARGATE_MEMORY[cpu])))
    )
)
def test_what_is_accepted_survives_a_round_trip(size):
    service = {"cpu": size[0], "memory": size[1]}
    found = read({"environment": "staging", "image": IMAGE, "service": service})
    dumped = found.model_dump(
        mode="json",
        exclude={"stack", "region", "profile", "default_tags", "domain"},
        exclude_none=True,
    )

    assert read(dumped) == found


@given(st.integers(1, 4000))
def test_retention_is_accepted_exactly_when_cloudwatch_offers_it(days):
    config = {"environment": "staging", "image": IMAGE}

    try:
        read(config | {"logs": {"retention_days": days}})
        accepted = True
    except SettingsError:
        accepted = False

    assert accepted == (days in LOG_RETENTION.allowed)


times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
days = st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])


@given(times, times)
def test_a_daily_window_covers_the_same_time_every_day(begin, end):
    with contextlib.suppress(ValueError):
        minutes = window_minutes(f"{begin}-{end}")

        assert len(minutes) % 7 == 0
        assert minutes == {(minute + 1440) % 10080 for minute in minutes}


@given(days, times, times)
def test_a_weekly_window_lies_within_the_daily_one_of_the_same_time(day, begin, end):
    with contextlib.suppress(ValueError):
        daily = window_minutes(f"{begin}-{end}")
        following = day if begin < end else _day_after(day)

        assert window_minutes(f"{day}:{begin}-{following}:{end}") <= daily


def _day_after(day: str) -> str:
    week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    return week[(week.index(day) + 1) % 7]
