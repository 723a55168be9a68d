"""Rows for IAM: roles, their policies, instance profiles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from rehearsal.provider.aws.checks import arn, matching, within
from rehearsal.provider.aws.documents import document
from rehearsal.provider.row import (
    Aws,
    Row,
    deleted,
    given,
    is_gone,
    tag_changes,
    tag_list,
    tag_map,
)
from rehearsal.provider.server import Invoke
from rehearsal.provider.wire import Properties

_POLICY_VERSIONS = 5
"""That IAM keeps of a policy (IAM quotas)."""


def name_problems(inputs: Mapping[str, Any], limit: int) -> list[str]:
    """IAM's names: letters, digits and a few signs, up to a limit."""
    says = f"1 to {limit} characters of a-z A-Z 0-9 + = , . @ - _"
    return matching(inputs, "name", rf"[\w+=,.@-]{{1,{limit}}}", says)


def path_problems(inputs: Mapping[str, Any]) -> list[str]:
    """IAM's paths begin and end with a slash."""
    return matching(inputs, "path", r"/([!-~]{1,510}/)?", "between slashes")


class Role(Row):
    """aws.iam.Role; its policies are resources of their own."""

    token = "aws:iam/role:Role"
    service = "iam"
    tagged = True
    autoname = "name"
    name_limit = 64
    replaces = frozenset({"path"})
    updates = frozenset(
        {
            "assumeRolePolicy",
            "description",
            "maxSessionDuration",
            "permissionsBoundary",
        }
    )
    unverified = frozenset({"forceDetachPolicies"})  # a step of the provider's own
    defaults: ClassVar[Mapping[str, Any]] = {"maxSessionDuration": 3600, "path": "/"}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *document(inputs, "assumeRolePolicy"),
            *within(inputs, "maxSessionDuration", 3600, 43200),
            *name_problems(inputs, 64),
            *path_problems(inputs),
            *arn(inputs, "permissionsBoundary"),
            *matching(
                inputs,
                "description",
                r"[\t\n\r -~¡-ÿ]{0,1000}",
                "at most 1000 Latin-1 characters",
            ),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("iam").create_role(
            RoleName=inputs["name"],
            Tags=tag_list(inputs.get("tagsAll")),
            **given(
                inputs,
                assumeRolePolicy="AssumeRolePolicyDocument",
                description="Description",
                maxSessionDuration="MaxSessionDuration",
                path="Path",
                permissionsBoundary="PermissionsBoundary",
            ),
        )
        return str(created["Role"]["RoleName"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        try:
            live = aws.client("iam").get_role(RoleName=id)["Role"]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        boundary = live.get("PermissionsBoundary", {})
        return {
            "arn": live["Arn"],
            "assumeRolePolicy": json.dumps(live["AssumeRolePolicyDocument"]),
            "createDate": live["CreateDate"].isoformat(),
            "description": live.get("Description"),
            "maxSessionDuration": live["MaxSessionDuration"],
            "name": live["RoleName"],
            "path": live["Path"],
            "permissionsBoundary": boundary.get("PermissionsBoundaryArn"),
            "tagsAll": tag_map(live.get("Tags")),
            "uniqueId": live["RoleId"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        iam = aws.client("iam")
        if "assumeRolePolicy" in changed:
            iam.update_assume_role_policy(
                RoleName=id, PolicyDocument=new["assumeRolePolicy"]
            )
        if changed & {"description", "maxSessionDuration"}:
            iam.update_role(
                RoleName=id,
                Description=new.get("description", ""),
                MaxSessionDuration=new["maxSessionDuration"],
            )
        if "permissionsBoundary" in changed:
            if new.get("permissionsBoundary"):
                iam.put_role_permissions_boundary(
                    RoleName=id, PermissionsBoundary=new["permissionsBoundary"]
                )
            else:
                iam.delete_role_permissions_boundary(RoleName=id)
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            iam.tag_role(RoleName=id, Tags=tag_list(wanted))
        if unwanted:
            iam.untag_role(RoleName=id, TagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        deleted(aws.client("iam").delete_role, RoleName=id)


class RolePolicy(Row):
    """aws.iam.RolePolicy: a policy written into a role."""

    token = "aws:iam/rolePolicy:RolePolicy"
    service = "iam"
    autoname = "name"
    name_limit = 128
    replaces = frozenset({"role"})
    updates = frozenset({"policy"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [*document(inputs, "policy"), *name_problems(inputs, 128)]

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs)
        return f"{inputs['role']}:{inputs['name']}"

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        role, _, name = id.partition(":")
        try:
            live = aws.client("iam").get_role_policy(RoleName=role, PolicyName=name)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        policy = live["PolicyDocument"]
        return {"name": name, "policy": json.dumps(policy), "role": role}

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        self._put(aws, new)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        role, _, name = id.partition(":")
        deleted(aws.client("iam").delete_role_policy, RoleName=role, PolicyName=name)

    def _put(self, aws: Aws, inputs: Properties) -> None:
        aws.client("iam").put_role_policy(
            RoleName=inputs["role"],
            PolicyName=inputs["name"],
            PolicyDocument=inputs["policy"],
        )


class Policy(Row):
    """aws.iam.Policy: a policy on its own; a change makes a version and drops one."""

    token = "aws:iam/policy:Policy"
    service = "iam"
    tagged = True
    autoname = "name"
    name_limit = 128
    replaces = frozenset({"description", "path"})
    updates = frozenset({"policy"})
    defaults: ClassVar[Mapping[str, Any]] = {"path": "/"}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [
            *document(inputs, "policy"),
            *name_problems(inputs, 128),
            *path_problems(inputs),
            *matching(
                inputs, "description", r"(?s).{0,1000}", "at most 1000 characters"
            ),
        ]

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("iam").create_policy(
            PolicyName=inputs["name"],
            PolicyDocument=inputs["policy"],
            Path=inputs["path"],
            Tags=tag_list(inputs.get("tagsAll")),
            **given(inputs, description="Description"),
        )
        return str(created["Policy"]["Arn"])

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        iam = aws.client("iam")
        try:
            live = iam.get_policy(PolicyArn=id)["Policy"]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        version = iam.get_policy_version(
            PolicyArn=id, VersionId=live["DefaultVersionId"]
        )
        return {
            "arn": live["Arn"],
            "attachmentCount": live["AttachmentCount"],
            "description": live.get("Description"),
            "name": live["PolicyName"],
            "path": live["Path"],
            "policy": json.dumps(version["PolicyVersion"]["Document"]),
            "policyId": live["PolicyId"],
            "tagsAll": tag_map(live.get("Tags")),
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        iam = aws.client("iam")
        if "policy" in changed:
            # IAM keeps five: the provider makes room before it adds one.
            others = self._other_versions(aws, id)
            if len(others) == _POLICY_VERSIONS - 1:
                iam.delete_policy_version(PolicyArn=id, VersionId=others[0])
            iam.create_policy_version(
                PolicyArn=id, PolicyDocument=new["policy"], SetAsDefault=True
            )
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            iam.tag_policy(PolicyArn=id, Tags=tag_list(wanted))
        if unwanted:
            iam.untag_policy(PolicyArn=id, TagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        iam = aws.client("iam")
        for version in self._other_versions(aws, id):
            deleted(iam.delete_policy_version, PolicyArn=id, VersionId=version)
        deleted(iam.delete_policy, PolicyArn=id)

    def _other_versions(self, aws: Aws, id: str) -> list[str]:
        """Versions that do not count, the oldest first."""
        try:
            found = aws.client("iam").list_policy_versions(PolicyArn=id)["Versions"]
        except ClientError as error:
            if is_gone(error):
                return []
            raise
        others = [one for one in found if not one["IsDefaultVersion"]]
        return [
            one["VersionId"] for one in sorted(others, key=lambda v: v["CreateDate"])
        ]


class RolePolicyAttachment(Row):
    """aws.iam.RolePolicyAttachment: a managed policy that a role has."""

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    service = "iam"
    replaces = frozenset({"policyArn", "role"})

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return arn(inputs, "policyArn")

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("iam").attach_role_policy(
            RoleName=inputs["role"], PolicyArn=inputs["policyArn"]
        )
        return f"{inputs['role']}/{inputs['policyArn']}"

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        role, _, policy = id.partition("/")
        try:
            pages = aws.client("iam").get_paginator("list_attached_role_policies")
            attached = [
                one["PolicyArn"]
                for page in pages.paginate(RoleName=role)
                for one in page["AttachedPolicies"]
            ]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return {"policyArn": policy, "role": role} if policy in attached else None

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        """Nothing changes in place."""

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        role, _, policy = id.partition("/")
        deleted(aws.client("iam").detach_role_policy, RoleName=role, PolicyArn=policy)


class InstanceProfile(Row):
    """aws.iam.InstanceProfile: what carries a role into an instance."""

    token = "aws:iam/instanceProfile:InstanceProfile"
    service = "iam"
    tagged = True
    autoname = "name"
    name_limit = 128
    replaces = frozenset({"path"})
    updates = frozenset({"role"})
    defaults: ClassVar[Mapping[str, Any]] = {"path": "/"}

    def problems(self, inputs: Mapping[str, Any]) -> list[str]:
        return [*name_problems(inputs, 128), *path_problems(inputs)]

    def create(self, aws: Aws, inputs: Properties) -> str:
        created = aws.client("iam").create_instance_profile(
            InstanceProfileName=inputs["name"],
            Path=inputs["path"],
            Tags=tag_list(inputs.get("tagsAll")),
        )
        return str(created["InstanceProfile"]["InstanceProfileName"])

    def finish(self, aws: Aws, id: str, inputs: Properties) -> None:
        if inputs.get("role"):
            aws.client("iam").add_role_to_instance_profile(
                InstanceProfileName=id, RoleName=inputs["role"]
            )

    def read(self, aws: Aws, id: str, known: Properties) -> Properties | None:
        try:
            answer = aws.client("iam").get_instance_profile(InstanceProfileName=id)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        live = answer["InstanceProfile"]
        roles = [role["RoleName"] for role in live["Roles"]]
        return {
            "arn": live["Arn"],
            "createDate": live["CreateDate"].isoformat(),
            "name": live["InstanceProfileName"],
            "path": live["Path"],
            "role": roles[0] if roles else None,
            "tagsAll": tag_map(live.get("Tags")),
            "uniqueId": live["InstanceProfileId"],
        }

    def update(
        self, aws: Aws, id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        iam = aws.client("iam")
        if "role" in changed:
            self._take_role_off(aws, id)
            self.finish(aws, id, new)
        wanted, unwanted = tag_changes(old, new)
        if wanted:
            iam.tag_instance_profile(InstanceProfileName=id, Tags=tag_list(wanted))
        if unwanted:
            iam.untag_instance_profile(InstanceProfileName=id, TagKeys=unwanted)

    def delete(self, aws: Aws, id: str, state: Properties) -> None:
        self._take_role_off(aws, id)
        deleted(aws.client("iam").delete_instance_profile, InstanceProfileName=id)

    def _take_role_off(self, aws: Aws, id: str) -> None:
        live = self.read(aws, id, {})
        if live and live["role"]:
            deleted(
                aws.client("iam").remove_role_from_instance_profile,
                InstanceProfileName=id,
                RoleName=live["role"],
            )


ROWS: tuple[type[Row], ...] = (
    Role,
    RolePolicy,
    Policy,
    RolePolicyAttachment,
    InstanceProfile,
)
INVOKES: Mapping[str, Invoke] = {}
