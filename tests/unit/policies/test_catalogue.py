"""Every policy of the catalogue: what passes, what breaks it, what it says."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from policies.catalogue import POLICIES
from policies.model import Policy
from tests.unit.policies import casework
from tests.unit.policies.casework import Case

CASES: tuple[Case, ...] = tuple(
    case
    for file in sorted(Path(__file__).parent.glob("cases_*.py"))
    for case in import_module(f"tests.unit.policies.{file.stem}").CASES
)
BROKEN = casework.parameters(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_is_right_passes(case: Case) -> None:
    casework.check_good(case)


@pytest.mark.parametrize(
    ("case", "what"),
    BROKEN,
    ids=[f"{case.id}-{what}" for case, what in BROKEN],
)
def test_what_is_wrong_is_found_and_named(case: Case, what: str) -> None:
    casework.check_bad(case, what)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_unknown_values_are_no_finding(case: Case) -> None:
    casework.check_unknown(case)


def test_every_policy_has_a_case_that_breaks_it() -> None:
    broken = {case.id for case in CASES if case.bad}
    assert broken == {policy.id for policy in POLICIES}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.id)
def test_a_policy_says_what_it_is_and_what_helps(policy: Policy) -> None:
    assert len(policy.title) > 15
    assert not policy.title.endswith(".")
    assert len(policy.remedy) > 15
    assert policy.remedy.endswith(".")
    assert policy.types


def test_ids_are_unique() -> None:
    ids = [policy.id for policy in POLICIES]
    assert sorted(set(ids)) == sorted(ids)
