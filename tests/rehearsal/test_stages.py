"""What each platform brings to its rehearsal, and which is chosen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from rehearsal import stages
from rehearsal.cloud import Addresses, EmbeddedCloud
from rehearsal.provider.docker import CONTAINER, IMAGE, NETWORK, TYPES
from rehearsal.provider.ledger import Entry, Ledger
from rehearsal.provider.lifecycle import InitFailedError
from rehearsal.provider.recorded import Recorded
from rehearsal.provider.row import Aws
from rehearsal.pulumi_cli import Event
from rehearsal.stages import StageError, Thing
from rehearsal.stages.aws import AwsStage
from rehearsal.stages.docker import ADDRESS, DockerStage
from rehearsal.stages.stage import image_ref, next_image

PASSWORD = "random:index/randomPassword:RandomPassword"


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

    def test_a_docker_host_is_one(self):
        config = {"stromhaltig:platform": "docker"}
        assert isinstance(stages.choose(on("http://127.0.0.1:1"), config), DockerStage)


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

    @pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
    def test_what_a_stack_has_in_other_regions_is_seen(
        self, endpoint: str, region: str
    ):
        backups = {"stromhaltig:backups": {"copy_region": "eu-west-1"}}
        stage = AwsStage(on(endpoint), {"aws:region": "eu-central-1", **backups})
        before = stage.inventory()
        sns = Aws(endpoint, region, {}).client("sns")
        topic = sns.create_topic(Name="forgotten")["TopicArn"]
        assert stage.inventory() - before == {Thing("topic", f"{topic} in {region}")}
        sns.delete_topic(TopicArn=topic)
        assert stage.inventory() == before

    def test_what_there_is_once_is_seen_once(self, stage: AwsStage, aws: Aws):
        before = stage.inventory()
        aws.client("iam").create_role(
            RoleName="forgotten", AssumeRolePolicyDocument="{}"
        )
        assert stage.inventory() - before == {Thing("role", "forgotten")}
        aws.client("iam").delete_role(RoleName="forgotten")

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


class Recording:
    """A cloud of which only the record of a Docker host is asked for."""

    addresses = Addresses("http://127.0.0.1:1", 0)

    def __init__(self) -> None:
        self.ledger = Ledger()

    def recorded(self) -> list[Entry]:
        return [Entry(**entry) for entry in self.ledger.as_list()]

    def spoil(self, entry: Entry, inputs: dict[str, Any]) -> None:
        self.ledger.spoil(entry.token, entry.id, inputs)

    def remove(self, entry: Entry) -> None:
        self.ledger.strike(entry.token, entry.id)

    def break_new(self, token: str, name: str, message: str) -> None:
        self.ledger.break_new(token, name, message)

    def heal(self) -> None:
        self.ledger.heal()

    def make(self, token: str, logical: str, /, **inputs: Any) -> str:
        kind = TYPES.get(token, Recorded)(token, self.ledger)
        checked, problems = kind.check(logical, {}, inputs, logical.encode())
        assert problems == []
        id, _ = kind.create(logical, checked)
        return id


OLD, NEW = image_ref("old"), image_ref("new")
OUTPUTS = {"database_container": "database", "cache_container": "cache"}


class TestDocker:
    """A Docker host that is only recorded."""

    @pytest.fixture
    def cloud(self) -> Recording:
        """A host with a database, a cache, and two containers of the app."""
        cloud = Recording()
        cloud.make(NETWORK, "edge", name="edge")
        self.pull(cloud, OLD)
        for name in ("database", "cache"):
            limits = {"memory": 256, "restart": "always"}
            cloud.make(CONTAINER, name, name=name, image=name, **limits)
        self.start(cloud, "app-0", OLD)
        self.start(cloud, "app-1", OLD)
        return cloud

    @pytest.fixture
    def stage(self, cloud: Recording) -> DockerStage:
        return DockerStage(cast(EmbeddedCloud, cloud), {})

    def pull(self, cloud: Recording, ref: str) -> None:
        cloud.make(IMAGE, "image", name=ref, keepLocally=True)

    def start(self, cloud: Recording, name: str, ref: str) -> str:
        images = cloud.ledger.of_type(IMAGE)
        image = next(i.outputs["imageId"] for i in images if i.inputs["name"] == ref)
        networks = [{"name": "edge", "aliases": ["app"]}]
        unique = f"{name}-{len(cloud.recorded())}"
        return cloud.make(
            CONTAINER, name, name=unique, image=image, networksAdvanced=networks
        )

    def replaced(self, *ops: tuple[str, str]) -> list[Event]:
        return [
            Event(phase="done", op=op, urn=f"urn::x::{CONTAINER}::{n}", type=CONTAINER)
            for op, n in ops
        ]

    def test_the_app_is_what_the_proxy_finds(self, stage: DockerStage) -> None:
        assert stage.deployed_image({}) == OLD

    def test_a_container_that_never_became_healthy_is_no_release(
        self, stage: DockerStage, cloud: Recording
    ) -> None:
        with stage.refusing("unhealthy"), pytest.raises(InitFailedError):
            self.start(cloud, "app-0", OLD)
        assert stage.deployed_image({}) == f"{OLD}, {OLD} (never healthy)"
        self.start(cloud, "app-0", OLD)

    def test_of_a_tag_and_a_digest_the_digest_is_told(
        self, stage: DockerStage, cloud: Recording
    ) -> None:
        tagged = cloud.make(IMAGE, "built", name="app:1")
        id = cloud.ledger.of_type(IMAGE)[-1].outputs["imageId"]
        assert tagged.startswith(id)
        cloud.make(IMAGE, "app", name=id)
        for entry in cloud.ledger.of_type(CONTAINER):
            cloud.remove(entry)
        self.start(cloud, "app-0", id)
        assert stage.deployed_image({}) == id

    def test_a_stack_that_is_closed_but_for_its_proxy_passes(
        self, stage: DockerStage, cloud: Recording
    ) -> None:
        ports = [{"internal": 8443, "external": 443}]
        cloud.make(CONTAINER, "proxy", name="proxy", image="nginx", ports=ports)
        given, *_ = stage.supply({}).secrets.values()
        files = [{"file": "/files/KEY", "content": given}]
        cloud.make(CONTAINER, "carrier", image="nginx", start=False, uploads=files)
        outputs = {"release": OLD, "proxy_container": "proxy"}
        assert stage.check_up(outputs) == [
            "only the proxy publishes ports: 443",
            "docker inspect shows no secret of any container",
        ]
        with pytest.raises(StageError, match="does not run the release, but"):
            stage.check_up({**outputs, "release": NEW})

    def test_a_secret_in_an_environment_fails(
        self, stage: DockerStage, cloud: Recording
    ) -> None:
        given, *_ = stage.supply({}).secrets.values()
        cloud.make(CONTAINER, "task", name="task", image="a", envs=[f"K={given}"])
        with pytest.raises(StageError, match="docker inspect task shows") as failure:
            stage.check_up({"release": OLD, "proxy_container": "proxy"})
        assert given not in str(failure.value)

    def test_a_port_that_is_not_the_proxys_fails(
        self, stage: DockerStage, cloud: Recording
    ) -> None:
        ports = [{"internal": 5432, "external": 5432}]
        cloud.make(CONTAINER, "open", name="open", image="postgres", ports=ports)
        with pytest.raises(StageError, match=r"open publishes \[5432\], and is not"):
            stage.check_up({"release": OLD, "proxy_container": "proxy"})

    def test_a_change_that_makes_before_it_deletes_passes(
        self, stage: DockerStage
    ) -> None:
        made, gone = "create-replacement", "delete-replaced"
        order = [("same", "database"), (made, "app-0"), (made, "app-1")]
        facts = stage.check_change(
            self.replaced(*order, (gone, "app-0"), (gone, "app-1"))
        )
        assert facts[0].startswith("2 containers replaced")
        assert facts[0].endswith(": app-0, app-1")
        assert facts[1] == "1 other containers untouched"

    @pytest.mark.parametrize(
        ("order", "reason"),
        [
            (
                [("delete-replaced", "app-0"), ("create-replacement", "app-0")],
                "app-0 was deleted before the new one was there",
            ),
            ([("create-replacement", "cache")], "replaced, but not the app's: cache"),
            ([("update", "cache")], "no container of the app was replaced"),
        ],
    )
    def test_a_change_with_a_gap_or_of_others_does_not(
        self, stage: DockerStage, order: list[tuple[str, str]], reason: str
    ) -> None:
        with pytest.raises(StageError, match=reason):
            stage.check_change(self.replaced(*order))

    def test_each_drift_is_done_and_can_be_undone(
        self, stage: DockerStage, cloud: Recording
    ) -> None:
        removed, unattended, squeezed = stage.drifts(OUTPUTS)
        for drift in (removed, unattended, squeezed):
            assert drift.mended()
            drift.spoil()
            assert not drift.mended()
        assert (removed.seen_as, unattended.seen_as) == ("delete", "update")
        assert squeezed.says == "docker update --memory 128m cache"
        self.start(cloud, "app-0", OLD)
        for name, inputs in (
            ("database", {"restart": "always"}),
            (
                "cache",
                {"memory": 256},
            ),
        ):
            [entry] = [e for e in cloud.recorded() if e.name == name]
            cloud.spoil(entry, inputs)
        assert all(drift.mended() for drift in (removed, unattended, squeezed))

    def test_a_failed_release_leaves_the_one_before(
        self, stage: DockerStage, cloud: Recording
    ) -> None:
        self.pull(cloud, NEW)
        self.start(cloud, "app-0", NEW)
        assert stage.check_failed(OLD, {}) == [
            "2 containers of the release before are still there"
        ]
        cloud.remove(next(e for e in cloud.recorded() if e.name == "app-1"))
        self.start(cloud, "app-1", NEW)
        with pytest.raises(StageError, match="the release before is gone: app-1"):
            stage.check_failed(OLD, {})

    def test_only_images_are_meant_to_stay(
        self, stage: DockerStage, cloud: Recording
    ) -> None:
        cloud.make("random:index/randomId:RandomId", "id", byteLength=4)
        for entry in cloud.ledger.of_type(CONTAINER):
            if entry.name.startswith("app"):
                TYPES[CONTAINER](CONTAINER, cloud.ledger).delete(entry.id, {}, {})
        [image] = cloud.ledger.of_type(IMAGE)
        TYPES[IMAGE](IMAGE, cloud.ledger).delete(image.id, {}, {})
        left = stage.inventory()
        stays = Thing("image", OLD, "stays on the host")
        others = {Thing("container", "database"), Thing("container", "cache")}
        assert left == {stays, Thing("network", "edge"), *others}
        assert stage.kept(left) == {stays}

    def test_secrets_are_the_given_and_the_made_ones(
        self, stage: DockerStage, cloud: Recording
    ) -> None:
        for name in ("one", "other"):
            cloud.make(PASSWORD, name, length=20)
        given = stage.supply({}).secrets.values()
        values = stage.secret_values()
        assert set(given) <= set(values)
        assert len(set(values)) == len(given) + 2

    def test_production_is_given_what_only_its_operator_knows(
        self, stage: DockerStage
    ) -> None:
        supplied = stage.supply({"stromhaltig:app": {"LOG_LEVEL": "warn"}})
        assert supplied.config["app"]["LOG_LEVEL"] == "warn"
        assert supplied.config["app"]["SMTP_HOST"] == supplied.said["app.SMTP_HOST"]
        assert supplied.config["host"] == {"address": ADDRESS}
        staging = stage.supply({"stromhaltig:environment": "staging"})
        assert "app" not in staging.config

    def test_this_machines_engine_is_left_to_a_stack_that_builds_for_it(
        self, stage: DockerStage
    ) -> None:
        supplied = stage.supply({"stromhaltig:image": {"context": "app"}})
        assert {"host", "image"}.isdisjoint(supplied.config)


class TestNextImage:
    """What makes another release."""

    def test_a_reference_is_another_digest(self) -> None:
        one, two = (next_image({}, release) for release in ("one", "two"))
        assert one != two
        assert one["ref"].startswith("ghcr.io/stromdao/stromhaltig@sha256:")

    def test_a_folder_is_built_with_another_argument(self) -> None:
        image = {"context": "app", "build_args": {"NODE": "24"}}
        assert next_image({"stromhaltig:image": image}, "two") == {
            "context": "app",
            "build_args": {"NODE": "24", "REHEARSED": "two"},
        }
