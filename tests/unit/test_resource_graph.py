"""A stack's resources from a state, a preview or a test, and what they tell."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from resource_graph import (
    SECRET,
    UNKNOWN,
    GraphError,
    Resource,
    ResourceGraph,
    UndecidedError,
    names,
    parse,
    plain,
    read,
    region_of,
)

BUCKET = "aws:s3/bucket:Bucket"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
DATABASE = "aws:rds/instance:Instance"
KEY = "aws:kms/key:Key"
LOGGING = "aws:s3/bucketLogging:BucketLogging"

UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"
A_SECRET = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}


def urn(type_: str, name: str, parent: str = "") -> str:
    kind = f"{parent}${type_}" if parent else type_
    return f"urn:pulumi:production::stromhaltig::{kind}::{name}"


def state(type_: str, name: str, /, **more: Any) -> dict[str, Any]:
    return {"urn": urn(type_, name), "type": type_, "custom": True, **more}


def exported(*states: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": list(states)}}


def step(op: str, old: Any = None, new: Any = None) -> dict[str, Any]:
    found = {"op": op, "urn": (old or new)["urn"], "oldState": old, "newState": new}
    return {key: value for key, value in found.items() if value is not None}


def previewed(*steps: dict[str, Any], **summary: int) -> dict[str, Any]:
    return {"config": {}, "steps": list(steps), "changeSummary": summary}


def resource(type_: str, name: str = "it", /, **given: Any) -> Resource:
    return Resource(urn=urn(type_, name), type=type_, name=name, **given)


def found(content: Any) -> list[str]:
    return [str(resource) for resource in parse(content)]


class TestState:
    """What `pulumi stack export` writes."""

    def test_a_resource_has_all_that_its_state_says(self):
        key, component = urn(KEY, "key"), urn("stromhaltig:aws:Database", "app")
        (database,) = parse(
            exported(
                state(
                    DATABASE,
                    "app",
                    id="db-ABC",
                    inputs={"port": 5432, "kmsKeyId": "k"},
                    outputs={"arn": "arn:aws:rds:eu-central-1:1:db:app"},
                    parent=component,
                    dependencies=[key],
                    propertyDependencies={"kmsKeyId": [key], "port": None},
                    protect=True,
                    ignoreChanges=["password"],
                )
            )
        )
        assert database == Resource(
            urn=urn(DATABASE, "app"),
            type=DATABASE,
            name="app",
            inputs={"port": 5432, "kmsKeyId": "k"},
            outputs={"arn": "arn:aws:rds:eu-central-1:1:db:app"},
            id="db-ABC",
            parent=component,
            dependencies=frozenset({key}),
            property_dependencies={"kmsKeyId": frozenset({key}), "port": frozenset()},
            protect=True,
            ignore_changes=("password",),
        )

    def test_what_a_state_does_not_say_is_empty(self):
        (bucket,) = parse(exported(state(BUCKET, "files", inputs=None)))
        assert bucket == resource(BUCKET, "files")

    def test_components_are_left_out_and_providers_are_not(self):
        component = {"urn": urn("stromhaltig:aws:Network", "app"), "custom": False}
        provider = state("pulumi:providers:aws", "default")
        content = exported(
            {**component, "type": "stromhaltig:aws:Network"},
            provider,
            state(BUCKET, "files"),
        )
        assert found(content) == ["pulumi:providers:aws default", f"{BUCKET} files"]

    def test_what_waits_to_be_deleted_is_left_out(self):
        old = state(BUCKET, "files", id="old", delete=True)
        (left,) = parse(exported(state(BUCKET, "files", id="new"), old))
        assert left.id == "new"

    def test_what_was_only_read_is_left_out(self):
        others = state(BUCKET, "others", id="others", external=True)
        (ours,) = parse(exported(others, state(BUCKET, "files", id="ours")))
        assert ours.id == "ours"

    def test_only_what_waits_to_be_deleted_is_nothing(self):
        with pytest.raises(GraphError, match="the state has no resources"):
            parse(exported(state(BUCKET, "files", delete=True)))

    def test_project_and_stack_are_those_of_the_resources(self):
        graph = parse(exported(state(BUCKET, "files")))
        assert (graph.project, graph.stack) == ("stromhaltig", "production")

    def test_the_name_is_the_last_part_even_of_a_child(self):
        child = {**state(BUCKET, "x"), "urn": urn(BUCKET, "files", "a:b:C")}
        assert found(exported(child)) == [f"{BUCKET} files"]

    @pytest.mark.parametrize("resources", [[], None])
    def test_an_empty_stack_is_told(self, resources: Any):
        with pytest.raises(GraphError) as refusal:
            parse({"version": 3, "deployment": {"resources": resources}})
        assert str(refusal.value) == (
            "the state has no resources: there is nothing to look at"
        )


class TestPreview:
    """What `pulumi preview --json --show-sames` prints."""

    def test_it_is_as_the_update_will_leave_it(self):
        same, update = state(BUCKET, "same"), state(BUCKET, "update", id="u")
        content = previewed(
            step("same", same, {**same, "inputs": {"a": 1}}),
            step("update", update, {**update, "inputs": {"a": 2}}),
            step("create", None, state(BUCKET, "create", inputs={"a": 3})),
            step("delete", state(BUCKET, "delete")),
            same=1,
        )
        left = parse(content)
        assert {r.name: r.get("a") for r in left} == {
            "same": 1,
            "update": 2,
            "create": 3,
        }

    def test_what_only_the_old_state_knows_is_kept(self):
        old = state(BUCKET, "files", id="f", outputs={"arn": "arn:aws:s3:::f"})
        new = state(BUCKET, "files", inputs={"a": 1})
        (bucket,) = parse(previewed(step("update", old, new)))
        assert (bucket.id, bucket.outputs) == ("f", {"arn": "arn:aws:s3:::f"})
        assert bucket.inputs == {"a": 1}

    @pytest.mark.parametrize(
        "ops",
        [
            ("create-replacement", "replace", "delete-replaced"),
            ("delete-replaced", "replace", "create-replacement"),
            ("replace", "create-replacement", "remove-pending-replace"),
        ],
    )
    def test_what_is_replaced_is_there_once_and_new(self, ops: tuple[str, ...]):
        old, new = (state(BUCKET, "files", inputs={"a": n}) for n in (1, 2))
        goes = {"delete-replaced", "remove-pending-replace"}
        steps = [step(op, old, None if op in goes else new) for op in ops]
        (bucket,) = parse(previewed(*steps, replace=1))
        assert bucket.inputs == {"a": 2}

    @pytest.mark.parametrize("op", ["discard", "discard-replaced"])
    def test_what_was_only_read_and_is_read_no_more_is_left_out(self, op: str):
        content = previewed(
            step(op, state(BUCKET, "theirs")),
            step("create", None, state(BUCKET, "ours")),
        )
        assert found(content) == [f"{BUCKET} ours"]

    def test_without_what_does_not_change_it_is_refused(self):
        stack = {**state("pulumi:pulumi:Stack", "it"), "custom": False}
        content = previewed(
            step("same", stack, stack),
            step("create", None, state(BUCKET, "new")),
            same=12,
            create=1,
        )
        with pytest.raises(GraphError) as refusal:
            parse(content)
        assert str(refusal.value) == (
            "the preview leaves out 11 resources that do not change. "
            "Write it with: pulumi preview --json --show-sames"
        )

    def test_without_a_summary_nothing_is_missed(self):
        content = {"steps": [step("create", None, state(BUCKET, "new"))]}
        assert found(content) == [f"{BUCKET} new"]

    def test_a_preview_that_leaves_nothing_is_told(self):
        with pytest.raises(GraphError) as refusal:
            parse(previewed(step("delete", state(BUCKET, "last"))))
        assert str(refusal.value) == (
            "the preview has no resources: there is nothing to look at"
        )


NEITHER = (
    "neither an exported state nor a preview. A state is what "
    "`pulumi stack export` writes, a preview what `pulumi preview --json "
    "--show-sames` prints"
)


@pytest.mark.parametrize(
    "content",
    [[], {}, "text", None, {"deployment": []}, {"steps": {}}, {"resources": []}],
    ids=json.dumps,
)
def test_other_json_is_told_from_a_graph(content: Any):
    with pytest.raises(GraphError, match=f"^{re.escape(NEITHER)}$"):
        parse(content)


class TestFile:
    """Every refusal names the file."""

    def test_a_state_is_read(self, tmp_path):
        file = tmp_path / "state.json"
        file.write_text(json.dumps(exported(state(BUCKET, "files"))))
        assert [str(r) for r in read(file)] == [f"{BUCKET} files"]

    def test_a_file_that_is_not_there(self, tmp_path):
        file = tmp_path / "gone.json"
        with pytest.raises(GraphError) as refusal:
            read(file)
        assert str(refusal.value) == (
            f"{file} cannot be read: No such file or directory"
        )

    @pytest.mark.parametrize("content", [b"", b"steps: []", b"\xff\xfe{}"])
    def test_a_file_that_is_no_json(self, tmp_path, content):
        file = tmp_path / "preview.txt"
        file.write_bytes(content)
        with pytest.raises(GraphError) as refusal:
            read(file)
        told = str(refusal.value)
        assert told.startswith(f"{file} is no JSON (")
        assert told.endswith(
            "). Write it with: "
            "pulumi stack export --file state.json, or "
            "pulumi preview --json --show-sames"
        )

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ({}, NEITHER),
            (exported(), "the state has no resources: there is nothing to look at"),
        ],
    )
    def test_a_file_that_is_something_else(self, tmp_path, content, says):
        file = tmp_path / "some.json"
        file.write_text(json.dumps(content))
        with pytest.raises(GraphError) as refusal:
            read(file)
        assert str(refusal.value) == f"{file}: {says}"


class TestPlain:
    """The engine's own way to write values."""

    @pytest.mark.parametrize("value", [A_SECRET, "[secret]"])
    def test_secrets_become_marks(self, value):
        assert plain({"a": [value]}) == {"a": [SECRET]}

    @pytest.mark.parametrize(
        "value",
        [
            UNKNOWN_TEXT,
            "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
            "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
            "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
            "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
            "e48ece36-62e2-4504-bad9-02848725956a",  # archive
            "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
        ],
    )
    def test_what_is_not_known_yet_becomes_a_mark(self, value):
        assert plain({"a": {"b": value}}) == {"a": {"b": UNKNOWN}}

    def test_whole_numbers_are_whole(self):
        read = plain({"port": 5432.0, "share": 0.5, "on": True})
        assert read == {"port": 5432, "share": 0.5, "on": True}
        assert isinstance(read["port"], int)

    def test_other_special_objects_stay(self):
        asset = {SIGNATURE: "c44067f5952c0a294b673a41bacd8c17", "hash": "abc"}
        assert plain(asset) == asset

    def test_a_mark_is_taken_for_no_value(self):
        read = parse(exported(state(BUCKET, "files", inputs={"a": A_SECRET})))
        (value,) = (r.inputs["a"] for r in read)
        assert value is SECRET
        assert value not in ("secret", "[secret]", "", True)


SERVICE = resource(
    "aws:ecs/service:Service",
    inputs={
        "loadBalancers": [{"containerPort": 3000, "targetGroupArn": UNKNOWN}],
        "deployment": {"rollback": False, "alarms": []},
        "count": 0,
        "name": "",
        "network": UNKNOWN,
        "password": SECRET,
        "nothing": None,
    },
)


class TestInputs:
    """One input at a time, by its path."""

    def test_a_path_leads_through_lists_and_objects(self):
        assert SERVICE.get("loadBalancers.0.containerPort") == 3000
        assert SERVICE.get("deployment.rollback") is False
        assert SERVICE.get("count", 2) == 0

    @pytest.mark.parametrize(
        "path",
        [
            "absent",
            "nothing",
            "loadBalancers.1.containerPort",
            "loadBalancers.x",
            "deployment.absent.deeper",
            "count.deeper",
        ],
    )
    def test_where_there_is_nothing_there_is_the_default(self, path):
        assert SERVICE.get(path) is None
        assert SERVICE.get(path, "default") == "default"

    @pytest.mark.parametrize(
        ("path", "says"),
        [
            ("network", "network is unknown"),
            ("network.subnets.0", "network is unknown"),
            ("password", "password is secret"),
            (
                "loadBalancers.0.targetGroupArn",
                "loadBalancers.0.targetGroupArn is unknown",
            ),
        ],
    )
    def test_what_cannot_be_looked_at_says_so(self, path, says):
        with pytest.raises(UndecidedError) as undecided:
            SERVICE.get(path, "default")
        assert str(undecided.value) == says
        assert undecided.value.path == says.split()[0]

    @pytest.mark.parametrize(
        ("path", "given"),
        [
            ("network", True),
            ("password", True),
            ("loadBalancers.0.targetGroupArn", True),
            ("loadBalancers", True),
            ("deployment.rollback", True),
            ("count", True),
            ("name", False),
            ("deployment.alarms", False),
            ("nothing", False),
            ("absent", False),
            ("absent.deeper", False),
            ("loadBalancers.1.containerPort", False),
        ],
    )
    def test_whether_an_input_is_given_is_known_of_every_value(self, path, given):
        assert SERVICE.has(path) is given

    def test_whether_something_is_in_what_is_unknown_is_not_known(self):
        with pytest.raises(UndecidedError, match=r"^network is unknown$"):
            SERVICE.has("network.subnets")

    def test_a_document_is_parsed_and_an_object_is_taken_as_it_is(self):
        inputs = {"policy": '{"Statement": []}', "object": {"Statement": []}}
        role = resource("aws:iam/role:Role", inputs=inputs)
        assert role.document("policy") == role.document("object") == {"Statement": []}
        assert role.document("absent") is None

    def test_a_document_that_is_no_json_or_not_known(self):
        inputs = {"text": "Statement", "policy": UNKNOWN}
        role = resource("aws:iam/role:Role", inputs=inputs)
        with pytest.raises(ValueError, match="Expecting value"):
            role.document("text")
        with pytest.raises(UndecidedError, match=r"^policy is unknown$"):
            role.document("policy")

    def test_where_a_value_comes_from_is_known_of_the_whole_input(self):
        key = resource(KEY)
        found = resource(
            DATABASE, property_dependencies={"settings": frozenset({key.urn})}
        )
        assert found.comes_from("settings") == {key.urn}
        assert found.comes_from("settings.0.kmsKeyId") == {key.urn}
        assert found.comes_from("other") == frozenset()


class TestRelations:
    """Which resource means which other."""

    @pytest.mark.parametrize(
        "value",
        [
            "files-1a2b",
            "arn:aws:s3:::files-1a2b",
            "named",
            ["other", "files-1a2b"],
            {"bucket": {"name": "files-1a2b"}},
        ],
        ids=["id", "arn", "name", "in a list", "in an object"],
    )
    def test_by_what_stands_there(self, value):
        bucket = resource(
            BUCKET,
            id="files-1a2b",
            inputs={"bucket": "named"},
            outputs={"arn": "arn:aws:s3:::files-1a2b"},
        )
        assert names(resource(LOGGING, inputs={"bucket": value}), "bucket", bucket)

    @pytest.mark.parametrize("value", ["files", "", UNKNOWN, SECRET, None, [UNKNOWN]])
    def test_another_value_is_no_relation(self, value):
        bucket = resource(BUCKET, id="files-1a2b", inputs={"bucket": UNKNOWN})
        logging = resource(LOGGING, inputs={"bucket": value})
        assert not names(logging, "bucket", bucket)

    def test_nothing_is_not_the_id_of_what_is_not_there_yet(self):
        assert not names(
            resource(LOGGING, inputs={"bucket": ""}), "bucket", resource(BUCKET)
        )

    def test_by_where_an_unknown_value_comes_from(self):
        one, other = resource(BUCKET, "one"), resource(BUCKET, "other")
        logging = resource(
            LOGGING,
            inputs={"bucket": UNKNOWN},
            property_dependencies={"bucket": frozenset({one.urn})},
        )
        graph = ResourceGraph([one, other, logging])
        assert graph.referring(one, LOGGING, "bucket") == [logging]
        assert graph.referring(other, LOGGING, "bucket") == []
        assert graph.referring(one, LOGGING, "targetBucket") == []
        assert graph.referring(one, BUCKET_POLICY, "bucket") == []


def test_resources_are_found_by_type_in_order_and_by_urn():
    one, key, two = resource(BUCKET, "1"), resource(KEY), resource(BUCKET, "2")
    graph = ResourceGraph([one, key, two])
    assert graph.of(BUCKET) == [one, two]
    assert graph.of(KEY, BUCKET) == [key, one, two]
    assert graph.of(DATABASE) == []
    assert graph.at(key.urn) is key
    assert graph.at(urn(KEY, "other")) is None
    assert len(graph) == 3


def test_an_empty_graph_is_nobodys():
    graph = ResourceGraph([])
    assert (graph.project, graph.stack, len(graph)) == ("", "", 0)


class TestRegion:
    """Which book of prices a graph needs."""

    def region(self, *resources: Resource) -> str:
        return region_of(ResourceGraph(resources))

    def test_zones_decide(self):
        subnet = resource(
            "aws:ec2/subnet:Subnet",
            inputs={"availabilityZone": "eu-central-1b"},
            outputs={"arn": "arn:aws:ec2:us-east-1:1:subnet/s"},
        )
        assert self.region(subnet) == "eu-central-1"

    def test_without_zones_most_arns_decide(self):
        arns = [
            "arn:aws:acm:us-east-1:1:certificate/c",
            "arn:aws:sns:eu-west-1:1:a",
            "arn:aws:sns:eu-west-1:1:b",
            "arn:aws:iam::1:role/r",
            "arn:aws:iam::1:role/s",
            "arn:aws:iam::1:role/t",
            "arn",
        ]
        resources = [
            resource(KEY, str(n), outputs={"arn": arn}) for n, arn in enumerate(arns)
        ]
        assert self.region(*resources) == "eu-west-1"

    def test_without_either_the_engines_own_provider_decides(self):
        elsewhere, own = (
            resource("pulumi:providers:aws", name, inputs={"region": region})
            for name, region in (
                ("stromhaltig-us-east-1", "us-east-1"),
                ("default_7_51_1", "eu-central-1"),
            )
        )
        assert self.region(elsewhere, own) == "eu-central-1"
        unknown = resource(
            "pulumi:providers:aws", "default", inputs={"region": UNKNOWN}
        )
        with pytest.raises(GraphError):
            self.region(elsewhere, unknown)

    def test_what_is_not_known_says_nothing(self):
        unknown = resource(
            KEY, inputs={"availabilityZone": UNKNOWN}, outputs={"arn": UNKNOWN}
        )
        with pytest.raises(GraphError) as refusal:
            self.region(unknown, resource(BUCKET, outputs={"arn": "arn:aws:s3:::b"}))
        assert str(refusal.value) == (
            "Nothing in it says which region of AWS. Say it: --region"
        )


@pytest.mark.parametrize(
    "content",
    [
        {"deployment": {"resources": ["x"]}},
        {"deployment": {"resources": {"a": 1}}},
        {"deployment": {"resources": [{"custom": True, "type": BUCKET}]}},
        {"steps": [1]},
    ],
)
def test_a_damaged_file_is_told_from_an_empty_one(content):
    with pytest.raises(GraphError, match="damaged: a resource in it is none"):
        parse(content)
