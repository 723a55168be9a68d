"""What is said of a state: by the policies, and by the price book."""

from __future__ import annotations

from typing import Any

import pytest

from policies.catalogue import POLICIES
from policies.exceptions import ExceptionsError
from rehearsal import inspection
from rehearsal.inspection import inspect
from resource_graph import GraphError

DATABASE = "aws:rds/instance:Instance"
KEY = "aws:kms/key:Key"
ROTATED = {"enableKeyRotation": True, "deletionWindowInDays": 30, "policy": "{}"}


def state(*resources: tuple[str, dict[str, Any], str]) -> dict[str, Any]:
    """Exported resources of these types, with inputs and a region."""
    return {
        "deployment": {
            "resources": [
                {
                    "urn": f"urn:pulumi:production::stromhaltig::{type_}::app-database",
                    "type": type_,
                    "custom": True,
                    "inputs": inputs,
                    "outputs": {"arn": f"arn:aws:any:{region}:123456789012:it"},
                }
                for type_, inputs, region in resources
            ]
        }
    }


def key(region: str = "eu-central-1") -> tuple[str, dict[str, Any], str]:
    return KEY, ROTATED, region


def test_what_is_right_is_judged_and_priced_in_a_sentence_each():
    found = inspect(state(key()))
    applying = sum(KEY in policy.types for policy in POLICIES)
    judged, priced = found.facts
    assert judged == (f"{applying} of {len(POLICIES)} policies apply: {applying} hold")
    # A key that is rotated is a dollar a month; requests to it are assumed.
    assert priced.endswith("USD a month, list price in eu-central-1, without tax")
    assert found.estimate is not None
    assert "1.00" in {f"{item.usd:.2f}" for item in found.estimate.items}
    assert found.problems == []
    assert found.accepted == {}


def test_what_is_open_is_named_with_control_and_resource():
    inputs = {"engine": "postgres", "storageEncrypted": False}
    found = inspect(state((DATABASE, inputs, "eu-central-1")))
    assert "RDS.3 app-database: storageEncrypted is not true" in found.problems


def test_what_is_accepted_is_told_with_day_and_reason():
    found = inspect(state((DATABASE, {"engine": "postgres"}, "eu-central-1")))
    told = found.accepted["RDS.23"]
    assert told.startswith("until 2027-11-30: A port is no protection.")
    assert not [problem for problem in found.problems if "RDS.23" in problem]


def test_a_policy_that_fails_itself_is_a_problem(monkeypatch):
    def crash(*_: object) -> None:
        raise KeyError("odd")

    failing = [policy for policy in POLICIES if policy.id == "RDS.3"]
    monkeypatch.setattr(type(failing[0]), "findings", crash)
    monkeypatch.setattr(inspection, "POLICIES", failing)
    monkeypatch.setattr(inspection.exceptions, "load", lambda **_: ())
    found = inspect(state((DATABASE, {}, "eu-central-1")))
    assert found.problems == [
        f"RDS.3: the policy failed on {DATABASE} app-database: KeyError: 'odd'"
    ]


def test_a_docker_host_has_neither_policies_nor_a_price():
    container = {
        "urn": "urn:pulumi:docker::stromhaltig::docker:index/container:Container::app",
        "type": "docker:index/container:Container",
        "custom": True,
    }
    found = inspect({"deployment": {"resources": [container]}})
    assert found.estimate is None
    assert found.facts == []
    assert found.problems == []


def test_a_region_without_a_book_is_judged_and_not_priced():
    found = inspect(state(key("eu-west-3")))
    judged, unpriced = found.facts
    assert "policies apply" in judged
    assert unpriced == "not priced: there is no price book for eu-west-3"
    assert found.estimate is None


def test_a_state_without_resources_is_refused():
    with pytest.raises(GraphError, match="the state has no resources"):
        inspect(state())


def test_exceptions_of_controls_that_there_are_not_are_refused(monkeypatch):
    monkeypatch.setattr(inspection, "POLICIES", POLICIES[:1])
    with pytest.raises(ExceptionsError, match="no policy has this id"):
        inspect(state(key()))


def test_what_is_low_is_told_and_stops_nothing():
    inputs = {"engine": "postgres", "deletionProtection": False}
    found = inspect(state((DATABASE, inputs, "eu-central-1")))
    assert "RDS.8" in {finding.policy.id for finding in found.judgement.open}
    assert not [problem for problem in found.problems if problem.startswith("RDS.8 ")]
