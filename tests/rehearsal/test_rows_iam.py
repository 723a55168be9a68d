"""The rows of IAM: each case is put through `tests.rehearsal.conformance`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from tests.rehearsal.conformance import Case, Conformance, Drift, Resource, Site

POLICY = "aws:iam/policy:Policy"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ROLE_POLICY_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
INSTANCE_PROFILE = "aws:iam/instanceProfile:InstanceProfile"

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
BILLING = "arn:aws:iam::aws:policy/job-function/Billing"


def trust(service: str) -> str:
    """The policy that lets a service use a role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def permission(action: str) -> str:
    """A policy that allows one action."""
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_role(site: Site) -> str:
    return str(site.make(ROLE, assumeRolePolicy=trust("ec2"))["name"])


def role(site: Site) -> Case:
    iam = site.client("iam")
    return Case(
        inputs={
            "assumeRolePolicy": trust("ecs-tasks"),
            "description": "Runs the app",
            "permissionsBoundary": READ_ONLY,
        },
        listing=lambda: [one["RoleName"] for one in iam.list_roles()["Roles"]],
        updates={
            "assumeRolePolicy": trust("ec2"),
            "description": "Runs something else",
            "maxSessionDuration": 7200,
            "permissionsBoundary": BILLING,
        },
        replaces={"path": "/app/"},
        unverified={"forceDetachPolicies": True},
        drift=[
            Drift(
                act=lambda id: iam.update_assume_role_policy(
                    RoleName=id, PolicyDocument=trust("lambda")
                ),
                seen="assumeRolePolicy",
            ),
            Drift(
                act=lambda id: iam.update_role(RoleName=id, MaxSessionDuration=43200),
                seen="maxSessionDuration",
            ),
            Drift(
                act=lambda id: iam.delete_role_permissions_boundary(RoleName=id),
                seen="permissionsBoundary",
            ),
        ],
        refused=[
            ({"assumeRolePolicy": "{"}, "not JSON"),
            ({"assumeRolePolicy": "[]"}, "JSON object"),
            ({"maxSessionDuration": 3599}, "between 3600 and 43200"),
            ({"name": "n" * 65}, "1 to 64"),
            ({"name": "a/b"}, "1 to 64"),
            ({"path": "app"}, "slashes"),
            ({"permissionsBoundary": "ReadOnlyAccess"}, "an ARN"),
            ({"description": "d" * 1001}, "1000"),
        ],
    )


def role_policy(site: Site) -> Case:
    iam = site.client("iam")
    first, second = make_role(site), make_role(site)
    return Case(
        inputs={"role": first, "policy": permission("logs:PutLogEvents")},
        listing=lambda: [
            (role, name)
            for role in (first, second)
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
        ],
        updates={"policy": permission("logs:CreateLogStream")},
        replaces={"role": second},
        drift=[
            Drift(
                act=lambda id: iam.put_role_policy(
                    RoleName=id.split(":")[0],
                    PolicyName=id.split(":")[1],
                    PolicyDocument=permission("*"),
                ),
                seen="policy",
            )
        ],
        refused=[
            ({"policy": "allow everything"}, "not JSON"),
            ({"name": "n" * 129}, "1 to 128"),
        ],
    )


def policy(site: Site) -> Case:
    iam = site.client("iam")
    return Case(
        inputs={
            "description": "What the app may do",
            "policy": permission("logs:PutLogEvents"),
        },
        listing=lambda: [
            one["PolicyName"] for one in iam.list_policies(Scope="Local")["Policies"]
        ],
        updates={"policy": permission("logs:CreateLogStream")},
        replaces={"description": "Something else", "path": "/deploy/"},
        drift=[
            Drift(
                act=lambda id: iam.create_policy_version(
                    PolicyArn=id, PolicyDocument=permission("*"), SetAsDefault=True
                ),
                seen="policy",
            )
        ],
        refused=[
            ({"policy": "allow everything"}, "not JSON"),
            ({"name": "n" * 129}, "1 to 128"),
            ({"path": "deploy"}, "slashes"),
            ({"description": "d" * 1001}, "1000"),
        ],
    )


def role_policy_attachment(site: Site) -> Case:
    iam = site.client("iam")
    first, second = make_role(site), make_role(site)
    return Case(
        inputs={"role": first, "policyArn": READ_ONLY},
        listing=lambda: [
            (role, one["PolicyArn"])
            for role in (first, second)
            for one in iam.list_attached_role_policies(RoleName=role)[
                "AttachedPolicies"
            ]
        ],
        replaces={"role": second, "policyArn": BILLING},
        refused=[({"policyArn": "ReadOnlyAccess"}, "an ARN")],
    )


def instance_profile(site: Site) -> Case:
    iam = site.client("iam")
    first, second = make_role(site), make_role(site)
    return Case(
        inputs={"role": first},
        listing=lambda: [
            one["InstanceProfileName"]
            for one in iam.list_instance_profiles()["InstanceProfiles"]
        ],
        updates={"role": second},
        replaces={"path": "/app/"},
        drift=[
            Drift(
                act=lambda id: iam.remove_role_from_instance_profile(
                    InstanceProfileName=id, RoleName=first
                ),
                seen="role",
            )
        ],
        refused=[
            ({"name": "n" * 129}, "1 to 128"),
            ({"path": "/app"}, "slashes"),
        ],
    )


CASES: Mapping[str, Callable[[Site], Case]] = {
    ROLE: role,
    ROLE_POLICY: role_policy,
    POLICY: policy,
    ROLE_POLICY_ATTACHMENT: role_policy_attachment,
    INSTANCE_PROFILE: instance_profile,
}


class TestIamRows(Conformance):
    cases = CASES


@pytest.mark.parametrize(
    ("token", "limit"),
    [(ROLE, 64), (ROLE_POLICY, 128), (POLICY, 128), (INSTANCE_PROFILE, 128)],
)
def test_the_longest_name_is_taken(site: Site, token: str, limit: int) -> None:
    case, resource = CASES[token](site), Resource(token, site.aws)
    name = site.name("n").ljust(limit, "n")
    resource.up({**case.inputs, "name": name})
    assert resource.live("name") == name
    resource.destroy()


def test_a_policy_can_change_more_often_than_iam_keeps_versions(site: Site) -> None:
    resource = Resource(POLICY, site.aws)
    for number in range(8):
        document = permission(f"logs:Version{number}")
        resource.up({"policy": document})
        assert json.loads(resource.live("policy")) == json.loads(document)
    resource.destroy()
    assert not resource.refresh()
