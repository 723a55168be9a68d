"""The file of accepted findings: what it may say, and what ours says."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from policies import exceptions
from policies.catalogue import POLICIES
from policies.exceptions import Accepted, ExceptionsError, load, parse
from settings import AwsSettings
from tests.unit.policies.casework import resource

CONTROLS = ("RDS.3", "S3.9")
WRITTEN = date(2026, 11, 29)
"""The day on which the committed file was last gone through."""

LONGEST = timedelta(days=400)


@pytest.fixture
def written(tmp_path):
    """Write a file of exceptions; gives its path."""

    def written(text: str):
        file = tmp_path / "exceptions.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return written


def refused(file, controls=CONTROLS) -> list[str]:
    """The lines of the refusal, without the file's name."""
    with pytest.raises(ExceptionsError) as refusal:
        load(file, controls)
    return str(refusal.value).replace(str(file), "FILE").splitlines()


def test_an_exception_has_what_the_file_says(written):
    file = written(
        """
- control: RDS.3
  project: other
  stacks: [staging, pr-*]
  resource: "*-database"
  reason: >-
    Nothing in it is worth
    encrypting.
  expires: 2027-11-30
  instead: [database.encrypted=true]
"""
    )
    assert load(file, CONTROLS) == (
        Accepted(
            control="RDS.3",
            project="other",
            stacks=("staging", "pr-*"),
            resource="*-database",
            reason="Nothing in it is worth encrypting.",
            expires=date(2027, 11, 30),
            instead=("database.encrypted=true",),
        ),
    )


def test_an_exception_is_for_all_that_is_ours_unless_it_says_less(written):
    (found,) = load(
        written("- {control: S3.9, reason: It is as it is., expires: 2027-11-30}")
    )
    assert (found.project, found.stacks, found.resource) == ("stromhaltig", ("*",), "*")
    assert found.instead == ()


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "[]"])
def test_a_file_may_have_none(written, text):
    assert load(written(text), CONTROLS) == ()


def test_every_problem_is_told_at_once_with_its_place(written):
    file = written(
        """
- control: RDS.3
  reason: Nothing in it is worth encrypting.
- control: RDS.99
  reason: too short
  expires: 2027-13-01
  until: 2028-01-01
- control: S3.9
  expires: soon
- just text
- control: S3.9
  reason: It is as it has to be.
  expires: 2027-11-30
  stacks: staging
"""
    )
    assert refused(file) == [
        "FILE:",
        "  entry 1 (RDS.3), expires: Field required",
        "  entry 2 (RDS.99), reason: String should have at least 15 characters",
        "  entry 2 (RDS.99), expires: Input should be a valid date or datetime, "
        "month value is outside expected range of 1-12",
        "  entry 2 (RDS.99), until: Extra inputs are not permitted",
        "  entry 3 (S3.9), reason: Field required",
        "  entry 3 (S3.9), expires: Input should be a valid date or datetime, "
        "input is too short",
        "  entry 4: Input should be a valid dictionary or instance of Accepted",
        "  entry 5 (S3.9), stacks: Input should be a valid tuple",
        "  entry 2 (RDS.99): no policy has this id. docs/policies.md lists them all",
    ]


def test_an_unknown_control_alone_is_refused(written):
    file = written(
        "- {control: rds.3, reason: It is as it has to be., expires: 2027-11-30}"
    )
    assert refused(file) == [
        "FILE:",
        "  entry 1 (rds.3): no policy has this id. docs/policies.md lists them all",
    ]


def test_without_a_list_of_controls_any_will_do(written):
    file = written(
        "- {control: mine, reason: It is as it has to be., expires: 2027-11-30}"
    )
    assert [found.control for found in load(file)] == ["mine"]


@pytest.mark.parametrize("text", ["control: RDS.3", "RDS.3", "7"])
def test_what_is_no_list_is_refused(written, text):
    assert refused(written(text)) == ["FILE: a list of exceptions is expected"]


def test_what_is_no_yaml_is_refused(written):
    first, *_ = refused(written("- control: ["))
    assert first == "FILE is no YAML: while parsing a flow node"


def test_what_is_no_text_is_refused(tmp_path):
    file = tmp_path / "exceptions.yaml"
    file.write_bytes(b"- control: \xff")
    (told,) = refused(file)
    assert told.startswith("FILE is no YAML: 'utf-8' codec can't decode byte 0xff")


def test_a_file_that_is_not_there_is_said(tmp_path):
    file = tmp_path / "gone.yaml"
    assert refused(file) == ["FILE cannot be read: No such file or directory"]


def test_problems_of_a_configuration_are_named_by_where_it_is():
    with pytest.raises(ExceptionsError) as refusal:
        parse([{"control": "RDS.3"}], "the configuration")
    assert str(refusal.value).splitlines()[0] == "the configuration:"


def test_an_exception_holds_until_its_day():
    found = Accepted(
        control="S3.9", reason="It is as it has to be.", expires=date(2027, 11, 30)
    )
    assert not found.expired(date(2027, 11, 29))
    assert found.expired(date(2027, 11, 30))
    with pytest.raises(ValidationError, match="frozen"):
        found.expires = date.max


def test_the_owner_is_read_from_the_urn_even_of_a_child():
    found = Accepted(
        control="S3.9",
        stacks=("te?t",),
        resource="files",
        reason="It is as it has to be.",
        expires=date.max,
    )
    bucket = resource("a:b:C$aws:s3/bucket:Bucket", "files")
    assert found.covers("S3.9", bucket)
    assert not found.covers("S3.17", bucket)


OURS = load(controls=[policy.id for policy in POLICIES])


@pytest.mark.parametrize("ours", OURS, ids=lambda ours: f"{ours.control}-{ours.stacks}")
class TestOurs:
    """The committed file, which `load` has taken without a word."""

    def test_it_ends_in_reach(self, ours: Accepted):
        assert WRITTEN < ours.expires <= WRITTEN + LONGEST

    def test_it_is_for_this_project(self, ours: Accepted):
        assert ours.project == exceptions.PROJECT

    def test_its_reason_is_a_sentence(self, ours: Accepted):
        assert ours.reason[0].isupper()
        assert ours.reason.endswith(".")
        assert "\n" not in ours.reason

    def test_what_would_meet_the_control_are_settings_with_values(self, ours: Accepted):
        for setting in ours.instead:
            path, equals, value = setting.partition("=")
            assert equals, setting
            assert exists(path), setting
            assert yaml.safe_load(value) is not None, setting


def exists(path: str) -> bool:
    """Whether the settings of AWS have a key: `firewall` or `database.multi_az`."""
    group: Any = AwsSettings
    for key in path.split("."):
        if group is None or key not in group.model_fields:
            return False
        kind = group.model_fields[key].annotation
        models = [k for k in (kind, *get_args(kind)) if is_group(k)]
        group = models[0] if models else None
    return True


def is_group(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("firewall", True),
        ("database.multi_az", True),
        ("database.multi_zone", False),
        ("databases.multi_az", False),
        ("database.multi_az.deeper", False),
    ],
)
def test_a_key_is_told_from_a_misspelt_one(path: str, there: bool):
    assert exists(path) is there


def test_no_two_of_ours_are_for_the_same():
    said = [(ours.control, ours.stacks, ours.resource) for ours in OURS]
    assert len(set(said)) == len(said)
