"""Which resources a selection of AWS Backup takes in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from policies.backups import is_backed_up, selects
from resource_graph import UNKNOWN, Resource, ResourceGraph, UndecidedError
from resource_types import (
    BACKUP_SELECTION,
    BUCKET,
    DATABASE,
    DATABASE_CLUSTER,
    FILE_SYSTEM,
)
from tests.unit.policies.casework import resource

ARN = "arn:aws:rds:eu-central-1:123456789012:db:app"
PLANNED = resource(DATABASE, "app", identifier="app", tags={"backup": "daily"})
"""A database that is not there yet: its ARN is not known."""

THERE = replace(PLANNED, outputs={"arn": ARN})


def selection(**given: Any) -> Resource:
    return resource(BACKUP_SELECTION, "plan", **given)


def tag(value: str = "daily", type_: str = "STRINGEQUALS") -> dict[str, str]:
    return {"type": type_, "key": "backup", "value": value}


def test_without_a_selection_nothing_is_backed_up():
    assert not is_backed_up(PLANNED, ResourceGraph([PLANNED]))


def test_one_selection_of_several_is_enough():
    other = selection(resources=["arn:aws:rds:*:*:db:other"])
    every = resource(BACKUP_SELECTION, "every", resources=["*"])
    assert is_backed_up(PLANNED, ResourceGraph([PLANNED, other, every]))
    assert not is_backed_up(PLANNED, ResourceGraph([PLANNED, other]))


def test_a_selection_that_is_not_known_leaves_it_to_the_others():
    unknown = resource(BACKUP_SELECTION, "unknown", resources=UNKNOWN)
    every = resource(BACKUP_SELECTION, "every", resources=["*"])
    assert is_backed_up(PLANNED, ResourceGraph([PLANNED, unknown, every]))
    with pytest.raises(UndecidedError, match=r"^resources is unknown$"):
        is_backed_up(PLANNED, ResourceGraph([PLANNED, unknown]))


class TestResources:
    """By name or pattern."""

    def test_what_it_is_made_of_is_taken_in(self):
        assert selects(selection(comes_from={"resources": [PLANNED]}), PLANNED)

    @pytest.mark.parametrize(
        "pattern", [ARN, "*", "arn:aws:rds:*", "arn:*:*:*:*:db:*", "*:db:a?p"]
    )
    def test_a_pattern_is_held_against_the_arn(self, pattern):
        assert selects(selection(resources=[pattern]), THERE)

    @pytest.mark.parametrize("pattern", ["*", "arn:aws:rds:*", "*:db:app"])
    def test_or_what_is_known_of_it_before_it_is_there(self, pattern):
        assert selects(selection(resources=[pattern]), PLANNED)

    @pytest.mark.parametrize(
        "pattern",
        ["arn:aws:rds:*:*:db:other", "arn:aws:s3:::*", "arn:aws:rds:*:*:cluster:*"],
    )
    def test_another_pattern_is_not(self, pattern):
        assert not selects(selection(resources=[pattern]), THERE)
        assert not selects(selection(resources=[pattern]), PLANNED)

    @pytest.mark.parametrize(
        ("type_", "key", "pattern"),
        [
            (DATABASE_CLUSTER, "clusterIdentifier", "arn:aws:rds:*:*:cluster:app"),
            (FILE_SYSTEM, "creationToken", "arn:aws:elasticfilesystem:*"),
        ],
    )
    def test_clusters_and_file_systems_are_known_by_theirs(self, type_, key, pattern):
        planned = resource(type_, **{key: "app"})
        assert selects(selection(resources=[pattern]), planned)
        assert not selects(selection(resources=["arn:aws:rds:*:*:db:*"]), planned)

    def test_of_another_type_only_the_widest_pattern_is_known_to_fit(self):
        planned = resource(BUCKET)
        assert selects(selection(resources=["*"]), planned)
        assert not selects(selection(resources=["arn:aws:s3:::*"]), planned)

    @pytest.mark.parametrize(
        ("planned", "pattern"),
        [
            (PLANNED, "arn:aws:rds:eu-central-1:*:db:*"),
            (PLANNED, ARN),
            (resource(DATABASE, identifier=UNKNOWN), "*:db:app"),
            (resource(DATABASE), "arn:aws:rds:*:*:db:app-*"),
            (resource(FILE_SYSTEM), "arn:aws:elasticfilesystem:*:*:file-system/fs-1"),
        ],
        ids=["region", "account", "unknown", "named by Pulumi", "id"],
    )
    def test_what_only_the_arn_could_say_is_undecided(self, planned, pattern):
        with pytest.raises(UndecidedError, match=r"^arn is unknown$"):
            selects(selection(resources=[pattern]), planned)

    @pytest.mark.parametrize(
        ("planned", "pattern"),
        [
            (PLANNED, "arn:aws:rds:eu-central-1:*:db:other"),
            (resource(DATABASE), "arn:aws:rds:eu-central-1:*:cluster:*"),
            (resource(FILE_SYSTEM), "arn:aws:elasticfilesystem:*:*:access-point/*"),
        ],
    )
    def test_what_fits_no_arn_that_there_can_be_is_not(self, planned, pattern):
        assert not selects(selection(resources=[pattern]), planned)

    def test_a_single_pattern_may_stand_alone(self):
        assert selects(selection(resources="arn:aws:rds:*"), PLANNED)

    def test_an_empty_selection_takes_nothing(self):
        assert not selects(selection(), THERE)
        assert not selects(selection(resources=[]), THERE)

    def test_what_is_left_out_is_left_out_whatever_takes_it_in(self):
        by_name = selection(resources=["*"], comes_from={"notResources": [PLANNED]})
        by_pattern = selection(resources=["*"], notResources=["arn:aws:rds:*"])
        assert not selects(by_name, PLANNED)
        assert not selects(by_pattern, PLANNED)
        assert selects(by_pattern, resource(FILE_SYSTEM))

    def test_resources_that_nobody_knows_are_undecided(self):
        with pytest.raises(UndecidedError, match=r"^resources is unknown$"):
            selects(selection(resources=UNKNOWN), PLANNED)
        # Here it is known what they are made of: of something else.
        other = resource(DATABASE, "other")
        assert not selects(selection(comes_from={"resources": [other]}), PLANNED)


class TestTags:
    """By tag, alone or with patterns."""

    def test_one_tag_of_several_is_enough(self):
        tags = [tag("weekly"), tag("daily")]
        assert selects(selection(selectionTags=tags), PLANNED)
        assert not selects(selection(selectionTags=[tag("weekly")]), PLANNED)

    @pytest.mark.parametrize(
        "found",
        [
            resource(DATABASE, tagsAll={"backup": "daily"}),
            replace(resource(DATABASE), outputs={"tagsAll": {"backup": "daily"}}),
        ],
        ids=["inputs", "outputs"],
    )
    def test_tags_of_the_provider_count(self, found: Resource):
        assert selects(selection(selectionTags=[tag()]), found)

    def test_without_the_tag_it_is_not_taken_in(self):
        assert not selects(selection(selectionTags=[tag()]), resource(DATABASE))

    def test_pattern_and_tag_have_to_fit_together(self):
        both = selection(resources=["arn:aws:rds:*"], selectionTags=[tag()])
        assert selects(both, PLANNED)
        assert not selects(both, resource(DATABASE, identifier="app"))
        assert not selects(both, resource(FILE_SYSTEM, tags={"backup": "daily"}))

    def test_all_conditions_have_to_hold(self):
        def conditions(*values: str) -> Resource:
            equal = [
                {"key": "aws:ResourceTag/backup", "value": value} for value in values
            ]
            return selection(resources=["*"], conditions=[{"stringEquals": equal}])

        assert selects(conditions("daily"), PLANNED)
        assert not selects(conditions("daily", "weekly"), PLANNED)
        assert not selects(conditions("weekly"), PLANNED)

    def test_odd_tags_take_nothing_in(self):
        assert not selects(selection(selectionTags=["backup"]), PLANNED)
        assert selects(selection(resources=["*"], conditions=["stringEquals"]), PLANNED)

    def test_tags_that_nobody_knows_are_undecided(self):
        with pytest.raises(UndecidedError, match=r"^selectionTags is unknown$"):
            selects(selection(selectionTags=UNKNOWN), PLANNED)
