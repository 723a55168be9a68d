"""The recorder itself: what it keeps, and what it refuses to let pass."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws
import pulumi_random as random
import pytest
from pulumi import dynamic

from tests.graph import UNKNOWN

BUCKET = "aws:s3/bucket:Bucket"


class Pair(pulumi.ComponentResource):
    """A component with a key and a bucket that depends on it."""

    bucket_arn: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("test:index:Pair", name, None, opts)
        key = aws.kms.Key(f"{name}-key", opts=pulumi.ResourceOptions(parent=self))
        bucket = aws.s3.Bucket(
            f"{name}-bucket",
            tags={"key": key.arn},
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[key],
                ignore_changes=["tags"],
                aliases=[pulumi.Alias(name="old-bucket")],
                delete_before_replace=True,
            ),
        )
        self.bucket_arn = bucket.arn
        self.register_outputs({"bucket_arn": self.bucket_arn})


def test_options_parents_and_dependencies_are_recorded(graph):
    graph.build(lambda: Pair("pair", pulumi.ResourceOptions(protect=True)))
    bucket = graph.one(BUCKET)
    key = graph.named("pair-key")
    assert bucket.protect
    assert key.protect
    assert bucket.ignore_changes == ("tags",)
    assert bucket.aliases == ("old-bucket",)
    assert bucket.delete_before_replace
    assert graph.dependencies(bucket) == [key]
    assert graph.parent(bucket) == graph.one("test:index:Pair")
    assert bucket.urn.endswith(f"::test:index:Pair${BUCKET}::pair-bucket")
    assert graph.count() == {"aws:kms/key:Key": 1, BUCKET: 1}


def test_inputs_have_wire_names_and_outputs_are_resolved(graph):
    outputs = graph.build(lambda: Pair("pair"))
    assert graph.one(BUCKET)["tags"]["key"].startswith("arn:aws:kms:eu-central-1:")
    assert outputs["bucket_arn"] == "arn:aws:s3:::" + graph.one(BUCKET).outputs["name"]
    component = graph.one("test:index:Pair")
    assert component.outputs["bucket_arn"] == outputs["bucket_arn"]


def test_nothing_computed_is_known_in_a_preview(graph):
    outputs = graph.build(lambda: Pair("pair"), preview=True)
    assert outputs == {"bucket_arn": UNKNOWN}
    assert graph.one(BUCKET)["tags"] == {"key": UNKNOWN}


def test_secrets_are_followed_through_outputs_into_inputs(graph):
    def program() -> dict[str, pulumi.Output[str]]:
        password = random.RandomPassword("password", length=20)
        url = pulumi.Output.concat("postgresql://", password.result)
        secret = aws.secretsmanager.Secret("secret")
        aws.secretsmanager.SecretVersion(
            "version", secret_id=secret.id, secret_string=url
        )
        return {"url": url, "arn": secret.arn}

    outputs = graph.build(program)
    version = graph.named("version")
    assert version.secrets == {"secretString"}
    assert version["secretString"] == outputs["url"]
    assert len(graph.named("password").outputs["result"]) == 20
    assert graph.secret_outputs == {"url"}


def test_exports_messages_configuration_and_data_sources_are_recorded(graph):
    def program() -> None:
        pulumi.log.warn("HTTP only")
        pulumi.export("region", pulumi.Config("aws").require("region"))
        pulumi.export("account", aws.get_caller_identity_output().account_id)

    graph.build(program, config={"aws:region": "eu-west-1"})
    assert graph.exports == {"region": "eu-west-1", "account": "123456789012"}
    assert graph.messages == [("WARNING", "HTTP only")]
    assert [token for token, _ in graph.invokes] == [
        "aws:index/getCallerIdentity:getCallerIdentity"
    ]


def test_a_build_starts_from_nothing(graph):
    graph.build(lambda: Pair("first"), config={"aws:region": "eu-west-1"})
    graph.build(lambda: aws.s3.Bucket("second"))
    assert [resource.name for resource in graph] == ["second"]
    assert graph.build(lambda: pulumi.Config("aws").get("region")) is None


def test_a_misspelt_input_fails_the_build(graph):
    def program() -> None:
        aws.lb.TargetGroup("target", health_check={"pth": "/ready"})

    with pytest.raises(AssertionError, match=r'healthCheck\.pth.*Did you mean "path"'):
        graph.build(program)


def test_an_output_formatted_as_text_fails_the_build(graph):
    def program() -> None:
        key = aws.kms.Key("key")
        aws.s3.Bucket("bucket", tags={"key": f"arn of {key.arn}"})

    with pytest.raises(AssertionError, match=r"tags\.key: an output was not resolved"):
        graph.build(program)


def test_a_name_used_twice_fails_the_build(graph):
    def program() -> None:
        aws.s3.Bucket("bucket")
        aws.s3.Bucket("bucket")

    with pytest.raises(AssertionError, match="bucket: registered twice"):
        graph.build(program)


def test_what_the_program_raises_is_raised_and_leaves_nothing_behind(graph):
    def program() -> None:
        aws.s3.Bucket("bucket")
        raise ValueError("bad program")

    with pytest.raises(ValueError, match="bad program"):
        graph.build(program)
    graph.build(lambda: None)
    assert list(graph) == []


def test_an_error_inside_an_apply_is_raised(graph):
    def program() -> pulumi.Output[str]:
        return aws.s3.Bucket("bucket").arn.apply(lambda arn: arn["nonsense"])

    with pytest.raises(TypeError):
        graph.build(program)


def test_asking_for_one_of_several_names_the_candidates(graph):
    graph.build(lambda: [aws.s3.Bucket("a"), aws.s3.Bucket("b")])
    with pytest.raises(
        AssertionError, match=r"2 resources match .*Bucket a, .*Bucket b"
    ):
        graph.one(BUCKET)
    assert graph.one(BUCKET, "b").name == "b"


def test_an_unanswered_data_source_is_named(graph):
    with pytest.raises(Exception, match="aws:index/getRegion:getRegion has no answer"):
        graph.build(aws.get_region_output)


class Picky(dynamic.ResourceProvider):
    """A provider in the program's own Python, with an opinion about sizes."""

    serialize_as_secret_always = False
    inputs = frozenset({"size", "key"})

    def check(self, _olds, news):
        small = dynamic.CheckFailure("size", "0 is too small")
        return dynamic.CheckResult(news, [] if news["size"] else [small])


class Thing(dynamic.Resource, module="test", name="Thing"):
    def __init__(self, name: str, **props: object) -> None:
        super().__init__(Picky(), name, {**props})


def test_a_dynamic_resource_is_recorded_without_its_provider(graph):
    graph.build(lambda: Thing("thing", size=1, key=pulumi.Output.secret("hidden")))
    thing = graph.one("pulumi-python:dynamic/test:Thing")

    assert thing.inputs == {"size": 1, "key": "hidden"}
    assert thing.secrets == {"key"}


def test_a_dynamic_providers_own_check_is_asked(graph):
    with pytest.raises(AssertionError) as failure:
        graph.build(lambda: Thing("thing", size=0, colour="red"))

    assert str(failure.value).splitlines() == [
        "pulumi-python:dynamic/test:Thing thing: colour: unknown property",
        "pulumi-python:dynamic/test:Thing thing: size: 0 is too small",
    ]
