"""Assumptions about use: profiles, changes from the command line, and refusals."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import yaml

from cost import assumptions as module
from cost.assumptions import (
    HOURS,
    AssumptionError,
    Assumptions,
    assumptions,
    profile_for,
    profiles,
)

FILE = yaml.safe_load(module.FILE.read_text(encoding="utf-8"))
BY_NAME = {name for name, value in FILE["default"].items() if isinstance(value, dict)}


def refusal(profile: str, *changes: str) -> list[str]:
    with pytest.raises(AssumptionError) as refused:
        assumptions(profile, changes)
    return str(refused.value).splitlines()


def test_a_month_is_a_twelfth_of_a_year():
    assert HOURS * 12 == 365 * 24


def test_every_assumption_of_the_file_is_a_field_and_every_field_is_in_the_file():
    assert list(FILE["default"]) == list(Assumptions.model_fields)


def test_profiles_change_what_is_in_the_default_and_nothing_else():
    for name, changes in FILE["profiles"].items():
        assert set(changes) <= set(FILE["default"]), name
        for key, value in changes.items():
            assert value != FILE["default"][key], f"{name}: {key} is the default"


def test_every_assumption_says_what_it_is_of():
    for name, field in Assumptions.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize("name", ["production", "staging"])
def test_a_stack_is_priced_with_the_profile_that_is_called_like_it(name):
    assert profile_for(name) == name
    assert name in profiles()


def test_a_stack_with_a_name_of_its_own_is_priced_as_production():
    assert profile_for("demo") == profile_for("pr-x") == "production"


def test_a_pull_request_is_used_least_of_all():
    assert profile_for("pr-7") == profile_for("pr-12345") == "review"
    assert assumptions("review").requests < assumptions("staging").requests


def test_staging_is_used_less_than_production():
    production, staging = assumptions("production"), assumptions("staging")
    assert production.requests == 3_000_000
    assert staging.requests == 100_000
    # What it does not change is as in the default.
    assert staging.job_minutes == production.job_minutes == 10


def test_a_profile_that_is_not_there_is_refused_with_those_that_are():
    assert refusal("prod") == [
        "There is no profile prod; there are: production, review, staging"
    ]


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("0.5", 0.5), ("2e6", 2e6), ("10_000_000", 1e7)]
)
def test_a_quantity_is_a_number_however_it_is_written(text, value):
    changed = assumptions("staging", [f"requests={text}"])
    assert changed.requests == value
    assert changed.egress_gb == assumptions("staging").egress_gb


def test_of_two_changes_of_the_same_the_last_one_holds():
    assert assumptions("production", ["tasks=3", "tasks=4"]).tasks == 4


def test_a_name_that_is_misspelt_is_refused_with_the_nearest():
    assert refusal("production", "reqests=1") == [
        '"reqests" is no assumption that can be set. Did you mean "requests"?'
    ]


def test_a_name_of_another_kind_is_refused_with_all_that_there_are():
    (said,) = refusal("production", "visitors=1")
    start = '"visitors" is no assumption that can be set. There are: '
    assert said.startswith(start)
    named = said.removeprefix(start).split(", ")
    assert set(named) == set(Assumptions.model_fields)


def test_what_goes_by_name_is_set_for_a_pattern_of_names():
    changed = assumptions("production", ["bucket_gb.*-backups=5", "bucket_gb.own=7"])
    assert changed.in_bucket_gb("app-backups") == 5
    assert changed.in_bucket_gb("own") == 7
    assert changed.in_bucket_gb("app-logs") == 2


def test_a_pattern_of_the_command_line_comes_before_those_of_the_file():
    changed = assumptions("production", ["service_vcpu.*=2"])
    assert changed.railway_vcpu("app-database") == 2


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_what_goes_by_name_is_not_set_without_one(name):
    assert refusal("production", f"{name}=3") == [
        f'"{name}=3" does not say how much of what. Say {name}.PATTERN=VALUE'
    ]


def test_what_goes_by_no_name_is_not_set_for_one():
    assert refusal("production", "requests.app=3") == [
        '"requests.app=3" does not say how much of what. Say requests=VALUE'
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("requests=many", 'requests: "many": Input should be a valid number, unable'),
        ("requests=", 'requests: "": Input should be a valid number'),
        ("requests", 'requests: "": Input should be a valid number'),
        ("requests=-1", 'requests: "-1": Input should be greater than or equal to 0'),
        ("requests=inf", 'requests: "inf": Input should be a finite number'),
        ("requests=nan", 'requests: "nan": Input should be a finite number'),
        ("uploads_ia_percent=101", "Input should be less than or equal to 100"),
        ("free_allowances_percent=101", "Input should be less than or equal to 100"),
        ("log_gb.*=-1", 'log_gb.*: "-1": Input should be greater than or equal to 0'),
        ("log_gb.*=much", 'log_gb.*: "much": Input should be a valid number'),
        ("requests_per_connection=0", "Input should be greater than 0"),
    ],
)
def test_a_quantity_that_cannot_be_is_refused_with_the_reason(change, said):
    (line,) = refusal("production", change)
    assert said in line


def test_everything_that_is_wrong_is_said_at_once():
    said = refusal("production", "reqests=1", "tasks=-1", "events=x", "visitors=2")
    assert [line.partition(":")[0].partition(" is")[0] for line in said] == [
        *('"reqests"', '"visitors"'),
        *("tasks", "events"),
    ]


def test_no_quantity_of_a_profile_is_out_of_bounds():
    for name in profiles():
        for key, value in assumptions(name).model_dump().items():
            values = value.values() if isinstance(value, Mapping) else [value]
            assert all(quantity >= 0 for quantity in values), f"{name}: {key}"


def test_a_log_group_takes_the_first_pattern_that_fits_its_name():
    production = assumptions("production")
    assert production.log_group_gb("stromhaltig-production-flow-logs") == 3
    assert production.log_group_gb("stromhaltig-production-database-postgresql") == 1
    assert production.log_group_gb("stromhaltig-production-database-upgrade") == 0.05


def test_a_bucket_takes_the_first_pattern_that_fits_its_name():
    production = assumptions("production")
    assert production.in_bucket_gb("stromhaltig-production-logs") == 2
    assert production.in_bucket_gb("stromhaltig-production-backups") == 75
    assert production.in_bucket_gb("something-else") == 1


def test_what_no_pattern_fits_is_not_used():
    given = assumptions("production").model_copy(update={"log_gb": {"*-logs": 2}})
    assert given.log_group_gb("app") == 0


def test_the_pattern_for_all_stands_last():
    contents = [FILE["default"], *FILE["profiles"].values()]
    for key in BY_NAME:
        for content in contents:
            if key in content:
                assert list(content[key])[-1] == "*"
