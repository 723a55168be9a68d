"""Names: deterministic, distinct, and within what AWS accepts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import names
from contract import APP, VARIABLES
from rehearsal.provider.aws import ROWS
from settings import AwsSettings
from stacks.aws import deploy
from tests.graph import Graph

# What Pulumi accepts as the name of a stack.
stacks = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", fullmatch=True)
limits = st.integers(min_value=10, max_value=80)


def test_a_name_that_fits_is_kept():
    assert names.bounded("stromhaltig-staging", 32) == "stromhaltig-staging"


def test_a_long_name_keeps_its_beginning_and_ends_in_a_hash():
    assert names.bounded("stromhaltig-production-load-balancer", 24) == (
        "stromhaltig-pro-08dbd8f2"
    )


@given(st.text(max_size=120), limits)
def test_a_bounded_name_is_within_its_limit_and_stable(name, limit):
    result = names.bounded(name, limit)

    assert len(result) <= limit
    assert result == names.bounded(name, limit)
    assert names.bounded(result, limit) == result


@given(st.lists(st.text(max_size=60), unique=True, max_size=20), limits)
def test_different_names_stay_different(originals, limit):
    assert len({names.bounded(n, limit) for n in originals}) == len(originals)


@pytest.mark.parametrize("limit", [-1, 0, 9])
def test_a_limit_without_room_for_a_name_is_refused(limit):
    with pytest.raises(ValueError, match=f"a limit of {limit} leaves no room"):
        names.bounded("anything", limit)


@pytest.mark.parametrize("text", ["production", "pr-17", "a1"])
def test_a_plain_name_is_its_own_slug(text):
    assert names.slug(text) == text


def test_names_that_differ_in_punctuation_only_keep_different_slugs():
    assert len({names.slug(n) for n in ("team-a", "team.a", "team_a", "Team-a")}) == 4


@pytest.mark.parametrize("text", ["", "...", "ÄÖÜ"])
def test_text_without_letters_or_digits_is_no_name(text):
    with pytest.raises(ValueError, match="no letter or digit"):
        names.slug(text)


@given(stacks)
def test_the_base_name_suits_every_aws_service(stack):
    name = names.base(stack)

    assert re.fullmatch(r"stromhaltig-[a-z0-9]+(-[a-z0-9]+)*", name)
    assert len(name) <= 36


@pytest.mark.parametrize("nat", ["instance", "per-az"])
def test_auto_named_resources_of_a_long_stack_name_are_within_aws_limits(nat):
    settings = AwsSettings.model_validate(
        {
            "pulumi:stack": "s" * 60,
            "aws:region": "eu-central-1",
            "stromhaltig:domain": {"name": "stromhaltig.de", "zone_id": "Z0123456789"},
            "stromhaltig:image": {"ref": f"app@sha256:{'1' * 64}"},
            "stromhaltig:network": {"nat": nat},
        }
    )
    graph = Graph()
    graph.build(lambda: deploy(settings, APP))
    named = [
        (resource.name, ROWS[resource.type].name_limit - names.AUTO_NAME_LENGTH)
        for resource in graph.resources
        if resource.type in ROWS
        and (key := ROWS[resource.type].autoname)
        and resource.get(key) is None
    ]

    assert len(named) >= 10
    assert [(name, limit) for name, limit in named if len(name) > limit] == []


@given(stacks)
def test_physical_names_are_within_aws_limits(stack):
    longest = max((variable.name for variable in VARIABLES), key=len)
    secret = f"{names.secrets(stack)}/{longest}"

    assert len(names.repository(stack)) <= 256
    assert re.fullmatch(r"[A-Za-z0-9/_+=.@-]{1,512}", secret)
    assert re.fullmatch(r"[A-Za-z0-9_/.#-]{1,512}", names.log_group(stack))


def test_names_of_production_are_what_operators_look_up():
    assert names.base("production") == "stromhaltig-production"
    assert names.secrets("production") == "stromhaltig/production"
    assert names.log_group("production") == "/ecs/stromhaltig-production"
    assert names.repository("production") == "stromhaltig-production"
