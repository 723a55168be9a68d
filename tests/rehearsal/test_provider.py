"""The provider itself: schema, wire, comparison, recorded types, and its server."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from botocore.exceptions import ClientError
from google.protobuf import empty_pb2, struct_pb2
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime.proto import (
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

from rehearsal.provider import schema, wire
from rehearsal.provider.aws import INVOKES, ROWS
from rehearsal.provider.compare import changed_keys, equivalent, not_kept, project
from rehearsal.provider.lifecycle import GENERATED, generated_name
from rehearsal.provider.recorded import Recorded
from rehearsal.provider.row import Aws, is_gone
from rehearsal.provider.server import ProviderServer
from rehearsal.provider.wire import UNKNOWN

VPC = "aws:ec2/vpc:Vpc"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup"
TOPIC = "aws:sns/topic:Topic"
PASSWORD = "random:index/randomPassword:RandomPassword"
RANDOM_ID = "random:index/randomId:RandomId"

SECRET_MARK = "4dabf18193072939515e22adb298388d"
SECRET_KIND = "1b47061264138c4ac30d75fd1eb44270"

plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


class TestSchema:
    """What the SDK's types tell."""

    @pytest.mark.parametrize(
        ("inputs", "problem"),
        [
            ({"cidrBlok": "10.0.0.0/16"}, 'unknown property. Did you mean "cidrBlock"'),
            ({"enableDnsSupport": "yes"}, "enableDnsSupport: is a string, must be a"),
            ({"cidrBlock": 10}, "cidrBlock: is an integer, must be a string"),
            ({"tags": ["a"]}, "tags: is a list, must be an object"),
            ({"tags": {"Name": 1}}, "tags.Name: is an integer, must be a string"),
        ],
    )
    def test_a_wrong_input_is_named(self, inputs: Any, problem: str) -> None:
        [found] = schema.check_inputs(VPC, inputs)
        assert problem in found

    def test_what_is_missing_is_named(self) -> None:
        problems = schema.check_inputs("aws:ec2/subnet:Subnet", {})
        assert problems == ["vpcId: missing, and it is required"]

    def test_nested_objects_are_checked_with_their_place(self) -> None:
        inputs = {"rule": {"objectOwnership": "x"}, "bucket": "b"}
        token = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
        assert schema.check_inputs(token, inputs) == []
        inputs["rule"] = {"objectOwner": "x"}
        problems = schema.check_inputs(token, inputs)
        assert any('mean "objectOwnership"' in one for one in problems)
        assert any(one.startswith("rule.objectOwnership: missing") for one in problems)

    def test_items_of_lists_are_checked_with_their_place(self) -> None:
        inputs = {"vpcId": "vpc-1", "subnetIds": ["subnet-1", 2]}
        inputs["serviceName"] = "com.amazonaws.eu-central-1.s3"
        [problem] = schema.check_inputs("aws:ec2/vpcEndpoint:VpcEndpoint", inputs)
        assert problem == "subnetIds[1]: is an integer, must be a string"

    def test_unknown_values_and_whole_floats_pass(self) -> None:
        assert schema.check_inputs(LOG_GROUP, {"retentionInDays": UNKNOWN}) == []
        assert schema.check_inputs(LOG_GROUP, {"retentionInDays": 30.0}) == []
        assert schema.check_inputs(LOG_GROUP, {"retentionInDays": 30.5}) != []

    def test_a_resource_is_not_taken_for_its_nested_namesake(self) -> None:
        found = schema.resource("aws:s3/bucketVersioning:BucketVersioning")
        assert "versioningConfiguration" in found.inputs

    @pytest.mark.parametrize(
        ("token", "words"),
        [
            ("aws:ec2/vpc:Vpcc", "Did you mean"),
            ("aws:nowhere/thing:Thing", "no SDK module"),
            ("nopackage:index:Thing", "no SDK module"),
            ("Vpc", "not of the form"),
        ],
    )
    def test_a_type_that_no_sdk_has_is_refused(self, token: str, words: str) -> None:
        with pytest.raises(schema.UnknownTypeError, match=words):
            schema.resource(token)


class TestWire:
    """Property maps in protobuf."""

    @given(st.dictionaries(st.text("abc", min_size=1, max_size=3), plain_values))
    def test_values_survive_the_journey(self, properties: dict[str, Any]) -> None:
        expected = {k: v for k, v in properties.items() if v is not None}
        assert wire.decode(wire.encode(properties)) == expected

    def test_whole_numbers_become_integers_and_others_stay(self) -> None:
        decoded = wire.decode(wire.encode({"whole": 3.0, "part": 3.5}))
        assert decoded == {"whole": 3, "part": 3.5}
        assert isinstance(decoded["whole"], int)

    def test_secrets_are_unwrapped_wherever_they_are(self) -> None:
        secret = {SECRET_MARK: SECRET_KIND, "value": {"deep": [1.0]}}
        struct = struct_pb2.Struct()
        struct.update({"top": secret, "list": [secret]})
        assert wire.decode(struct) == {"top": {"deep": [1]}, "list": [{"deep": [1]}]}


class TestComparison:
    """When two values mean the same."""

    @pytest.mark.parametrize(
        ("known", "live"),
        [
            (None, ""),
            (False, None),
            ([], None),
            ("443", 443),
            (True, "true"),
            ({"a": 1}, {"a": 1, "b": 2}),
            (["a", "b"], ["b", "a"]),
            ([{"a": 1}, {"a": 1, "b": 2}], [{"a": 1, "b": 2}, {"a": 1}]),
            ('{"a": 1, "b": 2}', '{"b":2,"a":1}'),
        ],
    )
    def test_the_same(self, known: Any, live: Any) -> None:
        assert equivalent(known, live)

    @pytest.mark.parametrize(
        ("known", "live"),
        [
            ("a", None),
            (True, None),
            (1, 2),
            ({"a": 1}, {"b": 1}),
            (["a"], ["a", "b"]),
            (["a", "a", "b"], ["a", "b", "b"]),
            ([None, "a"], ["a", "b"]),
            ('{"a": 1}', '{"a": 2}'),
            ("{a", "{b"),
            ('["a", "b"]', '["b", "a"]'),
        ],
    )
    def test_not_the_same(self, known: Any, live: Any) -> None:
        assert not equivalent(known, live)

    @given(plain_values)
    def test_every_value_is_the_same_as_itself(self, value: Any) -> None:
        assert equivalent(value, value)
        assert not_kept(value, value, "it") is None
        assert changed_keys({"it": value}, {"it": value}) == set()

    def test_many_equal_items_are_compared_in_no_time(self) -> None:
        assert not equivalent([{"a": 1}] * 40, [{"a": 1}] * 39 + [{"a": 2}])

    def test_a_key_that_comes_goes_or_differs_has_changed(self) -> None:
        old = {"same": 1, "other": 1, "gone": 1, "less": {"a": 1, "b": 2}}
        new = {"same": "1", "other": 2, "come": 1, "less": {"a": 1}}
        assert changed_keys(old, new) == {"other", "gone", "come", "less"}

    def test_a_live_value_is_cut_to_what_the_program_speaks_of(self) -> None:
        known = {"a": {"b": 1}, "c": 1}
        live = {"a": {"b": 2, "x": 3}, "c": 1, "y": 4}
        assert project(known, live) == {"a": {"b": 2}, "c": 1}

    def test_what_was_not_kept_is_named_with_its_place(self) -> None:
        known = {"a": {"b": 1, "c": [1]}}
        assert not_kept(known, {"a": {"b": 1, "c": [1]}}, "at") is None
        assert not_kept(known, {"a": {"b": 1}}, "at") == "at.a.c"
        assert not_kept([1], [2], "at") == "at"


class TestGeneratedNames:
    """Pulumi's auto-names."""

    def test_they_follow_from_the_seed(self) -> None:
        name = generated_name("app-db", 64, b"seed")
        assert name == generated_name("app-db", 64, b"seed")
        assert name != generated_name("app-db", 64, b"other")
        assert name.startswith("app-db-")
        assert len(name) == len("app-db-") + 7

    def test_one_that_is_too_long_is_refused(self) -> None:
        assert len(generated_name("n" * 24, 32, b"seed")) == 32
        with pytest.raises(ValueError, match="has 33 characters, at most 32"):
            generated_name("n" * 25, 32, b"seed")


class TestRecorded:
    """Types that are only written down."""

    def test_outputs_are_invented_by_their_kind(self) -> None:
        made, outputs = Recorded(TOPIC).create("alarm", {"displayName": "Alarm"})
        assert outputs["displayName"] == "Alarm"
        assert outputs["arn"].startswith("arn:aws:sns:eu-central-1:")
        assert made.startswith("alarm-")
        assert outputs["tagsAll"] == {}

    def test_they_change_in_place_and_are_never_missing(self) -> None:
        lifecycle = Recorded(TOPIC)
        old, new = {"displayName": "One"}, {"displayName": "Two"}
        made, state = lifecycle.create("alarm", old)
        difference = lifecycle.diff(old, new)
        assert difference.changed == {"displayName"}
        assert not difference.replaces
        updated = lifecycle.update(made, state, old, new)
        assert updated == {**state, "displayName": "Two"}
        reading = lifecycle.read(made, updated, new)
        assert reading is not None
        assert (reading.outputs, reading.inputs) == (updated, new)
        lifecycle.delete(made, updated, new)

    def test_one_that_was_never_written_down_cannot_be_imported(self) -> None:
        assert Recorded(TOPIC).read("alarm", {}, {}) is None

    def test_misspelt_inputs_are_refused(self) -> None:
        _, problems = Recorded(TOPIC).check("alarm", {}, {"displayNam": "x"}, b"")
        assert problems == ['displayNam: unknown property. Did you mean "displayName"?']

    def test_a_password_has_the_length_and_classes_that_were_asked_for(self) -> None:
        _, outputs = Recorded(PASSWORD).create(
            "password", {"length": 40, "special": False, "minNumeric": 30}
        )
        result = outputs["result"]
        assert len(result) == 40
        assert set(result) <= {*string.ascii_letters, *string.digits}
        assert sum(one.isdigit() for one in result) >= 30
        _, again = Recorded(PASSWORD).create("password", {"length": 40})
        assert again["result"] != result

    def test_a_password_is_new_when_anything_about_it_is(self) -> None:
        difference = Recorded(PASSWORD).diff({"length": 40}, {"length": 41})
        assert difference.replaces == {"length"}

    def test_a_random_id_says_the_same_in_every_form(self) -> None:
        made, outputs = Recorded(RANDOM_ID).create("id", {"byteLength": 5})
        value = bytes.fromhex(outputs["hex"])
        assert len(value) == 5
        assert int(outputs["dec"]) == int.from_bytes(value, "big")
        assert base64.b64decode(outputs["b64Std"]) == value
        assert base64.urlsafe_b64decode(outputs["b64Url"] + "=") == value
        assert made == outputs["b64Url"]


class Engine:
    """As much of an engine as it takes to talk to the server."""

    def __init__(self, port: int, region: str = "eu-central-1") -> None:
        # A connection of its own, as each engine has; Python would share one.
        apart = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=apart)
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)
        self.configured = self.stub.Configure(
            provider_pb2.ConfigureRequest(
                args=wire.encode(
                    {
                        "region": region,
                        "defaultTags": json.dumps({"tags": {"Project": "app"}}),
                    }
                )
            )
        )

    def urn(self, token: str, name: str = "thing") -> str:
        return f"urn:pulumi:test::app::stromhaltig:aws:Part${token}::{name}"

    def check(self, token: str, **news: Any) -> Any:
        request = provider_pb2.CheckRequest(
            urn=self.urn(token), news=wire.encode(news), randomSeed=b"seed"
        )
        return self.stub.Check(request)

    def create(self, token: str, *, preview: bool = False, **inputs: Any) -> Any:
        request = provider_pb2.CreateRequest(
            urn=self.urn(token), properties=wire.encode(inputs), preview=preview
        )
        return self.stub.Create(request)


@pytest.fixture(scope="module")
def port(endpoint: str) -> Iterator[int]:
    """A provider server of our own."""
    server, port = ProviderServer(endpoint, ROWS, INVOKES).start()
    yield port
    server.stop(None).wait()


@pytest.fixture
def engine(port: int) -> Iterator[Engine]:
    engine = Engine(port)
    yield engine
    engine.channel.close()


class TestServer:
    """The provider protocol, over a real connection."""

    def test_secrets_are_declined_and_previews_supported(self, engine: Engine) -> None:
        assert not engine.configured.acceptSecrets
        assert engine.configured.supportsPreview

    def test_the_engine_finds_a_plugin_without_configuration_of_its_own(
        self, engine: Engine
    ) -> None:
        info = engine.stub.GetPluginInfo(empty_pb2.Empty())
        assert info.version == "0.0.0-rehearsal"
        engine.stub.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"))
        engine.stub.Cancel(empty_pb2.Empty())
        news = wire.encode({"region": "eu-central-1"})
        checked = engine.stub.CheckConfig(provider_pb2.CheckRequest(news=news))
        assert wire.decode(checked.inputs) == {"region": "eu-central-1"}
        same = provider_pb2.DiffRequest(olds=news, news=news)
        different = engine.stub.DiffConfig(same)
        assert different.changes == provider_pb2.DiffResponse.DIFF_NONE

    def test_another_configuration_is_told_and_replaces_nothing(
        self, engine: Engine
    ) -> None:
        olds = wire.encode({"region": "eu-central-1", "defaultTags": '{"tags":{}}'})
        news = wire.encode({"region": "eu-central-1", "profile": "staging"})
        different = engine.stub.DiffConfig(
            provider_pb2.DiffRequest(olds=olds, news=news)
        )
        assert different.changes == provider_pb2.DiffResponse.DIFF_SOME
        assert list(different.diffs) == ["defaultTags", "profile"]
        assert not different.replaces

    def test_check_fills_in_names_and_default_tags(self, engine: Engine) -> None:
        inputs = wire.decode(engine.check(LOG_GROUP, tags={"Name": "x"}).inputs)
        assert inputs["name"].startswith("thing-")
        assert inputs[GENERATED] == ["name"]
        assert inputs["tagsAll"] == {"Project": "app", "Name": "x"}

    def test_check_names_the_property_of_each_failure(self, engine: Engine) -> None:
        [failure] = engine.check(LOG_GROUP, retentionInDays=31).failures
        assert failure.property == "retentionInDays"
        assert "31" in failure.reason

    def test_a_generated_name_that_is_too_long_is_a_failure(
        self, engine: Engine
    ) -> None:
        request = provider_pb2.CheckRequest(
            urn=engine.urn("aws:iam/role:Role", "r" * 57),
            news=wire.encode({"assumeRolePolicy": "{}"}),
            randomSeed=b"seed",
        )
        [failure] = engine.stub.Check(request).failures
        assert failure.property == "name"
        assert "at most 64" in failure.reason

    def test_a_difference_says_what_replaces(self, engine: Engine) -> None:
        request = provider_pb2.DiffRequest(
            urn=engine.urn(VPC),
            old_inputs=wire.encode({"cidrBlock": "10.0.0.0/16"}),
            news=wire.encode({"cidrBlock": "10.1.0.0/16", "enableDnsHostnames": True}),
        )
        found = engine.stub.Diff(request)
        assert found.changes == provider_pb2.DiffResponse.DIFF_SOME
        assert list(found.replaces) == ["cidrBlock"]
        assert set(found.diffs) == {"cidrBlock", "enableDnsHostnames"}
        kinds = provider_pb2.PropertyDiff
        assert found.detailedDiff["cidrBlock"].kind == kinds.UPDATE_REPLACE
        assert found.detailedDiff["enableDnsHostnames"].kind == kinds.UPDATE
        assert not found.deleteBeforeReplace

    def test_no_difference_says_so(self, engine: Engine) -> None:
        same = wire.encode({"cidrBlock": "10.0.0.0/16"})
        request = provider_pb2.DiffRequest(
            urn=engine.urn(VPC), old_inputs=same, news=same
        )
        assert engine.stub.Diff(request).changes == provider_pb2.DiffResponse.DIFF_NONE

    def test_a_fixed_name_is_freed_before_it_is_taken_again(
        self, engine: Engine
    ) -> None:
        def delete_first(**marks: Any) -> bool:
            old = {"name": "web", "vpcId": "vpc-1", **marks}
            request = provider_pb2.DiffRequest(
                urn=engine.urn(SECURITY_GROUP),
                old_inputs=wire.encode(old),
                news=wire.encode({**old, "vpcId": "vpc-2"}),
            )
            return bool(engine.stub.Diff(request).deleteBeforeReplace)

        assert delete_first()
        assert not delete_first(**{GENERATED: ["name"]})

    def test_a_preview_knows_the_inputs_and_nothing_else(self, engine: Engine) -> None:
        made = engine.create(VPC, preview=True, cidrBlock="10.0.0.0/16")
        properties = wire.decode(made.properties)
        assert made.id == ""
        assert properties["cidrBlock"] == "10.0.0.0/16"
        assert properties["arn"] == UNKNOWN

    def test_a_resource_lives_and_dies(self, engine: Engine) -> None:
        urn = engine.urn(LOG_GROUP)
        checked = engine.check(LOG_GROUP, retentionInDays=7)
        request = provider_pb2.CreateRequest(urn=urn, properties=checked.inputs)
        made = engine.stub.Create(request)
        assert wire.decode(made.properties)["arn"].endswith(f":log-group:{made.id}")

        news = wire.encode({**wire.decode(checked.inputs), "retentionInDays": 14})
        update = provider_pb2.UpdateRequest(
            id=made.id,
            urn=urn,
            olds=made.properties,
            old_inputs=checked.inputs,
            news=news,
        )
        update.preview = True
        expected = wire.decode(engine.stub.Update(update).properties)
        update.preview = False
        updated = engine.stub.Update(update)
        assert wire.decode(updated.properties)["retentionInDays"] == 14
        assert expected["retentionInDays"] == 14

        look = provider_pb2.ReadRequest(
            id=made.id, urn=urn, properties=updated.properties, inputs=news
        )
        seen = engine.stub.Read(look)
        assert (seen.id, seen.properties) == (made.id, updated.properties)
        assert wire.decode(seen.inputs) == wire.decode(news)

        engine.stub.Delete(
            provider_pb2.DeleteRequest(
                id=made.id, urn=urn, properties=updated.properties, old_inputs=news
            )
        )
        assert engine.stub.Read(look).id == ""

    def test_a_half_made_resource_is_reported_with_its_id(self, engine: Engine) -> None:
        with pytest.raises(grpc.RpcError) as failure:
            engine.create(
                "aws:ec2/internetGateway:InternetGateway", vpcId="vpc-nowhere"
            )
        trailing = dict(failure.value.trailing_metadata())
        status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
        made = provider_pb2.ErrorResourceInitFailed()
        assert status.details[0].Unpack(made)
        assert made.id.startswith("igw-")
        assert "vpc-nowhere" in made.reasons[0]
        assert "vpcId" not in wire.decode(made.inputs)

    def test_what_aws_refuses_is_told_with_resource_and_code(
        self, engine: Engine
    ) -> None:
        inputs = {"vpcId": "vpc-nowhere", "cidrBlock": "10.0.1.0/24"}
        with pytest.raises(grpc.RpcError) as failure:
            engine.create("aws:ec2/subnet:Subnet", **inputs)
        assert failure.value.details().startswith("creating urn:pulumi:test::app::")
        assert "InvalidVpcID.NotFound: " in failure.value.details()

    def test_a_type_that_no_sdk_has_is_refused(self, engine: Engine) -> None:
        with pytest.raises(grpc.RpcError, match=r"Topicc: .*Did you mean"):
            engine.check("aws:sns/topic:Topicc")

    def test_a_function_that_is_not_answered_is_named(self, engine: Engine) -> None:
        token = "aws:ec2/getAmi:getAmi"
        with pytest.raises(grpc.RpcError, match=f"{token}: the rehearsal does not"):
            engine.stub.Invoke(provider_pb2.InvokeRequest(tok=token))

    def test_each_connection_has_its_own_region(
        self, engine: Engine, port: int
    ) -> None:
        other = Engine(port, region="us-east-1")
        token = "aws:index/getRegion:getRegion"
        request = provider_pb2.InvokeRequest(tok=token)
        regions = [
            wire.decode(getattr(one.stub.Invoke(request), "return"))["region"]
            for one in (engine, other, engine)
        ]
        other.channel.close()
        assert regions == ["eu-central-1", "us-east-1", "eu-central-1"]


class TestEmbeddedAws:
    """How the emulator's own failures are told."""

    @pytest.mark.parametrize(
        ("service", "call", "arguments"),
        [
            ("ec2", "monitor_instances", {"InstanceIds": ["i-1"]}),
            ("logs", "associate_kms_key", {"logGroupName": "x", "kmsKeyId": "y"}),
            ("route53", "list_cidr_blocks", {"CollectionId": "x"}),
        ],
    )
    def test_a_call_that_it_lacks_is_no_missing_resource(
        self, aws: Aws, service: str, call: str, arguments: dict[str, Any]
    ) -> None:
        with pytest.raises(ClientError, match="lacks this call") as failure:
            getattr(aws.client(service), call)(**arguments)
        assert not is_gone(failure.value)
