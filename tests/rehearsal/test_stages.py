"""What each platform brings to its rehearsal, and which is chosen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rehearsal import stages
from rehearsal.cloud import Addresses
from rehearsal.provider.row import Aws
from rehearsal.stages import StageError, Thing
from rehearsal.stages.aws import AwsStage
from rehearsal.stages.stage import image_ref


def on(endpoint: str) -> Any:
    """A running cloud, as far as a stage asks for it."""
    return SimpleNamespace(addresses=Addresses(endpoint, 0))


class TestChoice:
    """The stack file says where it takes place."""

    def test_aws_is_meant_when_nothing_is_said(self):
        assert stages.platform({}) == "aws"
        assert isinstance(stages.choose(on("http://127.0.0.1:1"), {}), AwsStage)

    def test_a_platform_that_cannot_be_rehearsed_is_named(self):
        with pytest.raises(StageError, match=r'"awss" cannot .*Did you mean "aws"\?'):
            stages.platform({"stromhaltig:platform": "awss"})


class TestAws:
    """The embedded AWS."""

    @pytest.fixture
    def stage(self, endpoint: str) -> AwsStage:
        return AwsStage(on(endpoint), {})

    def test_the_hosted_zone_is_the_emulators_own(self, stage: AwsStage, aws: Aws):
        config = {"stromhaltig:domain": {"name": "a.example", "zone_id": "Z0123456789"}}
        supplies = stage.supply(config)
        zone = supplies.config["domain"]["zone_id"]
        found = aws.client("route53").get_hosted_zone(Id=zone)["HostedZone"]
        assert found["Name"] == "a.example."
        assert "domain.zone_id" in supplies.said

    def test_an_image_that_is_set_is_kept(self, stage: AwsStage):
        config = {"stromhaltig:image": {"ref": "a@sha256:1"}}
        assert "image" not in stage.supply(config).config
        assert stage.supply({}).config["image"] == {"ref": image_ref("first release")}

    def test_no_value_of_a_secret_is_told(self, stage: AwsStage):
        supplies = stage.supply({})
        assert supplies.secrets
        for value in supplies.secrets.values():
            assert value not in str(supplies.said)

    def test_its_clients_are_pointed_at_the_emulator_in_the_stacks_region(
        self, endpoint: str
    ):
        stage = AwsStage(on(endpoint), {"aws:region": "eu-west-1"})
        environment = stage.client_environment
        assert environment["AWS_ENDPOINT_URL"] == endpoint
        assert environment["AWS_REGION"] == "eu-west-1"

    def test_what_is_meant_to_stay_is_told_from_what_is_forgotten(
        self, stage: AwsStage
    ):
        meant = {
            Thing("database snapshot", "final"),
            Thing("task definition", "app:1"),
            Thing("KMS key", "key"),
            Thing("secret", "JWT_SECRET", "can be restored"),
        }
        assert stage.kept({*meant, Thing("subnet", "subnet-1")}) == meant

    def test_a_final_snapshot_whose_key_goes_is_a_failure(self, stage: AwsStage):
        left = {
            Thing("database snapshot", "final"),
            Thing("KMS key", "key", "deletion scheduled"),
        }
        with pytest.raises(StageError, match="cannot be read without its key"):
            stage.kept(left)

    def test_a_key_that_is_left_without_a_snapshot_is_forgotten(self, stage: AwsStage):
        assert stage.kept({Thing("KMS key", "key")}) == set()
