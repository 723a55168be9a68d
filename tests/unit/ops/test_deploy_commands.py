"""`stromhaltig deploy`, `rollback` and `releases`, on a stack in memory."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from typer.testing import CliRunner

import ops.stack
from ops import delivery, releases
from ops.audit import Act, acts
from ops.cli import app
from ops.database.migrations import MigrationStatus
from ops.errors import FailedError, NotOfferedError, OpsError
from ops.health import Health
from ops.lock import Lock
from ops.platforms.platform import Ended, Fact, Running, State, Verdict
from ops.stack import Change
from tests.unit.ops.fakes import FakePlatform, FakeStack, image, migration_status

URL = "https://stromhaltig.invalid/api/health"
WELL = Health(URL, "ok", 200, 12)
UNWELL = Health(URL, "error", 503, 12)
NOTHING_PENDING = migration_status(applied=("001_users",), pending=())


@dataclass
class Scene:
    """A stack with what surrounds it.

    healths: the next answers from outside; then it is well. told: to the chat.
    """

    stack: FakeStack
    platform: FakePlatform
    facts: list[Fact] = field(default_factory=list)
    healths: list[Health] = field(default_factory=list)
    migrations: MigrationStatus | BaseException = NOTHING_PENDING
    told: list[str] = field(default_factory=list)
    images_asked: list[str | None] = field(default_factory=list)

    def run(self, *arguments: str):
        command, *more = arguments
        return CliRunner().invoke(app, [command, "--stack", "staging", *more])

    def deploy(self, *arguments: str):
        return self.run("deploy", "--yes", *arguments)

    @property
    def labels(self) -> list[str]:
        return [found.label for found in releases.releases(self.stack.records)]

    @property
    def image(self) -> str | None:
        return self.stack.get("image.ref")


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """A stack that runs image a, as release r1."""
    monkeypatch.setenv("COLUMNS", "200")
    stack = FakeStack(tmp_path, config={"image.ref": image("a")})
    platform = FakePlatform(stack)
    scene = Scene(stack, platform)

    def status(_: FakePlatform, image: str | None = None) -> MigrationStatus:
        scene.images_asked.append(image)
        if isinstance(scene.migrations, BaseException):
            raise scene.migrations
        return scene.migrations

    monkeypatch.setattr(ops.stack, "Stack", lambda name: stack)
    monkeypatch.setattr(delivery, "platform_of", lambda stack: platform)
    monkeypatch.setattr("ops.platforms.platform_of", lambda stack: platform)
    monkeypatch.setattr("ops.doctor.preflight", lambda stack: scene.facts)
    monkeypatch.setattr("ops.database.migrations.status", status)
    monkeypatch.setattr(
        "ops.health.until_well",
        lambda *_, **__: scene.healths.pop(0) if scene.healths else WELL,
    )
    monkeypatch.setattr("ops.deploy.notify", scene.told.append)
    stack.outputs = {"platform": "aws", "health_url": URL, "release": None}
    assert scene.deploy().exit_code == 0
    assert scene.labels == ["r1"]
    stack.ups.clear()
    scene.told.clear()
    return scene


def test_a_new_image_is_deployed_proven_recorded_and_told(scene):
    done = scene.deploy("--image", image("b"))
    assert (done.exit_code, done.stdout) == (0, "")
    assert [ups["image.ref"] for ups in scene.stack.ups] == [image("b")]
    newest = releases.releases(scene.stack.records)[0]
    assert (newest.label, newest.image) == ("r2", image("b"))
    assert scene.told == [done.stderr.splitlines()[-1]]
    assert scene.told[0].startswith("r2 serves staging")
    act = acts(scene.stack.records, 1)[0]
    assert (act.command, act.outcome) == ("deploy", "done")
    assert act.details == {"image": image("b"), "release": "r2"}
    assert Lock(scene.stack.records).holder() is None


def test_the_steps_come_in_order(scene):
    scene.migrations = migration_status(applied=("001",), pending=("002_quiz",))
    done = scene.deploy("--image", image("b"))
    marks = [x.split(" ")[1] for x in done.stderr.splitlines() if x.startswith("✓")]
    assert marks == [
        "preflight",
        "preview",
        "migrations",
        "backup",
        "update",
        "roll-out",
        "health",
    ]


def test_a_backup_is_taken_when_migrations_are_pending(scene):
    scene.migrations = migration_status(applied=("001",), pending=("002_quiz",))
    assert scene.deploy("--image", image("b")).exit_code == 0
    [snapshot] = scene.platform.snapshots_taken
    assert re.fullmatch(r"before-deploy-\d{8}-\d{6}", snapshot)
    newest = releases.releases(scene.stack.records)[0]
    assert newest.migrations == ("002_quiz",)
    assert acts(scene.stack.records, 1)[0].details["backup"] == f"snapshot-{snapshot}"


def test_a_backup_is_taken_when_nobody_can_tell(scene):
    scene.migrations = NotOfferedError("no one-off containers here")
    assert scene.deploy("--image", image("b")).exit_code == 0
    assert len(scene.platform.snapshots_taken) == 1


def test_no_backup_is_taken_without_need_or_when_told_not_to(scene):
    assert scene.deploy("--image", image("b")).exit_code == 0
    scene.migrations = migration_status(applied=("001",), pending=("002_quiz",))
    assert scene.deploy("--image", image("c"), "--backup", "never").exit_code == 0
    assert scene.platform.snapshots_taken == []


def test_a_backup_that_fails_stops_it_before_anything_is_changed(scene, monkeypatch):
    def refuse(name: str) -> str:
        raise FailedError("snapshot quota exceeded")

    monkeypatch.setattr(scene.platform, "snapshot", refuse)
    done = scene.deploy("--image", image("b"), "--backup", "always")
    assert done.exit_code == 1
    assert "snapshot quota exceeded" in done.stderr
    assert scene.stack.ups == []
    assert scene.image == image("a")


def test_where_none_can_be_taken_it_says_how_to_go_without(scene):
    scene.platform.has_snapshots = False
    done = scene.deploy("--image", image("b"), "--backup", "always")
    assert done.exit_code == 2
    assert "There is no database here." in done.stderr
    assert "To deploy without one: --backup never" in done.stderr
    assert (scene.stack.ups, scene.image) == ([], image("a"))


def test_what_is_not_ready_stops_it_with_all_reasons(scene):
    scene.facts = [
        Fact("credentials", State.ERROR, "expired", "sign in"),
        Fact("pulumi", State.ERROR, "too old", "upgrade"),
        Fact("psql", State.WARNING, "missing", "install"),
    ]
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 2
    assert "credentials: expired. sign in" in done.stderr
    assert "Not ready to deploy: credentials, pulumi. Nothing was done." in done.stderr
    assert scene.stack.ups == []


def test_without_a_yes_nothing_is_done(scene):
    done = scene.run("deploy", "--image", image("b"))
    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert (scene.stack.ups, scene.image) == ([], image("a"))


def test_losing_data_takes_the_stacks_name(scene):
    scene.stack.planned = [
        Change("replace", "aws:rds/instance:Instance", "db", holds_data=True)
    ]
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 2
    assert "replace aws:rds/instance:Instance db  << holds data" in done.stderr
    assert "--yes-replace staging" in done.stderr
    assert scene.stack.ups == []
    assert scene.deploy("--yes-replace", "staging").exit_code == 0


def test_a_dry_run_shows_the_changes_and_leaves_all_as_it_was(scene):
    scene.stack.planned = [Change("update", "aws:ecs/service:Service", "app")]
    before = acts(scene.stack.records, 99)
    done = scene.run("deploy", "--image", image("b"), "--dry-run")
    assert done.exit_code == 0
    assert "update 1" in done.stderr
    assert (scene.stack.ups, scene.image) == ([], image("a"))
    assert acts(scene.stack.records, 99) == before


def test_a_second_one_at_once_is_refused(scene):
    with Lock(scene.stack.records).held("db restore"):
        done = scene.deploy("--image", image("b"))
    assert done.exit_code == 2
    assert "`db restore`" in done.stderr
    assert scene.stack.ups == []


ROLLED_BACK = Verdict(
    False,
    "ECS went back to app:6",
    rolled_back=True,
    reasons=("task 1: essential container exited, exit code 1",),
    log=("Error: no such table",),
)


def test_a_platform_that_went_back_is_no_success_whatever_pulumi_says(scene):
    scene.platform.verdicts = [ROLLED_BACK]
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 1
    assert "ECS went back to app:6" in done.stderr
    assert "task 1: essential container exited" in done.stderr
    assert "Error: no such table" in done.stderr
    # The program follows, so that its state is true.
    assert [ups["image.ref"] for ups in scene.stack.ups] == [image("b"), image("a")]
    assert scene.labels == ["r1"]
    assert f"Not deployed. {image('a')} serves again." in done.stderr
    assert scene.told == [f"Deployment of staging failed; {image('a')} serves again."]
    assert acts(scene.stack.records, 1)[0].outcome == "failed"


def test_an_app_that_is_not_well_from_outside_goes_back(scene):
    scene.healths = [UNWELL, WELL]
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 1
    assert "is not well: error, HTTP 503" in done.stderr
    assert scene.image == image("a")
    assert scene.labels == ["r1"]


def test_an_update_that_fails_says_what_the_platform_knows_and_goes_back(scene):
    def fail(stack: FakeStack) -> None:
        if stack.get("image.ref") == image("b"):
            raise FailedError("Pulumi: the service did not become stable")

    scene.stack.on_up = fail
    scene.platform.verdicts = [ROLLED_BACK]
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 1
    assert "did not become stable" in done.stderr
    assert "Error: no such table" in done.stderr
    assert scene.platform.finished[-2:] == [False, True]
    assert scene.stack.ups[-1]["image.ref"] == image("a")


def test_that_going_back_failed_too_is_told(scene):
    scene.platform.verdicts = [ROLLED_BACK, ROLLED_BACK]
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 1
    assert scene.told == [
        f"Deployment of staging failed, and so did going back to {image('a')}. Look "
        "at it now."
    ]
    assert done.stderr.splitlines()[-1].strip() == "Error: no such table"


def test_what_pulumi_said_is_told_though_the_platform_does_not_answer(
    scene, monkeypatch
):
    def fail(stack: FakeStack) -> None:
        monkeypatch.setattr(scene.platform, "running", throttled)
        raise FailedError("Pulumi: the service did not become stable")

    def throttled() -> None:
        said = {"Error": {"Code": "ExpiredToken", "Message": "expired"}}
        raise ClientError(said, "DescribeServices")

    scene.stack.on_up = fail
    done = scene.deploy("--image", image("b"), "--on-failure", "keep")
    assert done.exit_code == 1
    assert "did not become stable" in done.stderr
    assert "DescribeServices: ExpiredToken: expired. Sign in again" in done.stderr
    assert len(scene.told) == 1


def test_what_could_not_be_looked_at_before_is_told(scene):
    scene.facts = [Fact("credentials", State.UNKNOWN, "no answer within 20 s")]
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 0
    assert "credentials: no answer within 20 s" in done.stderr


def test_migrations_of_a_deployment_that_failed_count_for_the_next(scene):
    applied = ("001_users", "002_drop")
    scene.migrations = migration_status(
        applied=applied[:1], pending=applied[1:], irreversible=applied[1:]
    )
    scene.platform.verdicts = [ROLLED_BACK]
    assert scene.deploy("--image", image("b")).exit_code == 1
    scene.migrations = migration_status(applied=applied, irreversible=applied)
    assert scene.deploy("--image", image("c")).exit_code == 0
    newest = releases.releases(scene.stack.records)[0]
    assert (newest.migrations, newest.irreversible) == (("002_drop",), ("002_drop",))
    assert "002_drop: there is no script" in scene.run("rollback", "--yes").stderr


def test_a_stack_that_builds_its_image_records_the_schema_too(scene):
    scene.stack.config = {"image.context": "app"}
    dropped = migration_status(
        applied=("001_users", "002_drop"), irreversible=["002_drop"]
    )
    scene.migrations = dropped
    done = scene.deploy()
    assert done.exit_code == 0
    assert len(scene.platform.snapshots_taken) == 1, "nobody could tell before"
    newest = releases.releases(scene.stack.records)[0]
    assert (newest.schema, newest.migrations) == ("002", ("002_drop",))
    assert "002_drop: there is no script" in scene.run("rollback", "--yes").stderr


def test_the_first_release_records_the_schema(scene):
    scene.stack.outputs = {}
    for entry in scene.stack.records.entries(releases.PREFIX):
        scene.stack.records.delete(entry.name)
    assert scene.deploy().exit_code == 0
    assert releases.releases(scene.stack.records)[0].schema == "001"


@pytest.mark.parametrize(
    "trouble",
    [
        FailedError("no capacity"),
        EndpointConnectionError(endpoint_url="https://ecs.invalid"),
        KeyboardInterrupt(),
    ],
)
def test_what_serves_is_recorded_though_nobody_knows_the_schema(scene, trouble):
    scene.stack.config = {"image.context": "app"}
    scene.migrations = trouble
    done = scene.deploy()
    assert done.exit_code == 0
    assert "    not known: " in done.stderr
    newest = releases.releases(scene.stack.records)[0]
    assert (newest.label, newest.schema) == ("r2", None)


def test_a_release_without_a_schema_does_not_hide_what_came_with_it(scene):
    scene.migrations = NotOfferedError("no one-off containers here")
    assert scene.deploy("--image", image("b")).exit_code == 0
    scene.migrations = migration_status(applied=("001_users", "002_quiz"))
    assert scene.deploy("--image", image("c")).exit_code == 0
    assert releases.releases(scene.stack.records)[0].migrations == ("002_quiz",)


def test_a_question_that_cannot_be_asked_can_be_skipped(scene):
    scene.migrations = FailedError("Could not ask for the migrations (exit code 1)")
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 2
    assert "Nothing was done. To deploy without knowing what is pending: --skip" in (
        done.stderr
    )
    assert (scene.stack.ups, scene.image) == ([], image("a"))
    done = scene.deploy("--image", image("b"), "--skip-migration-check")
    assert done.exit_code == 0
    assert len(scene.platform.snapshots_taken) == 1
    assert scene.labels == ["r2", "r1"]


def test_what_fails_stays_when_told_so(scene):
    scene.platform.verdicts = [ROLLED_BACK]
    done = scene.deploy("--image", image("b"), "--on-failure", "keep")
    assert done.exit_code == 1
    assert len(scene.stack.ups) == 1
    assert "stromhaltig status --stack staging" in done.stderr


def test_another_setting_is_not_taken_back_by_the_image_of_before(scene):
    scene.platform.verdicts = [ROLLED_BACK]
    done = scene.deploy()
    assert done.exit_code == 1
    assert "The old version serves. The image is the one of before" in done.stderr
    assert "take back what else changed in the stack file" in done.stderr
    assert len(scene.stack.ups) == 1
    assert scene.told == ["Deployment of staging failed. The old version serves."]


BUILT = {"image.context": "app", "image.repository": "ghcr.io/stromdao/app"}


def test_a_stack_that_builds_its_image_goes_on_building_after_a_failure(scene):
    scene.stack.config = dict(BUILT)
    scene.platform.verdicts = [ROLLED_BACK]
    assert scene.deploy().exit_code == 1
    assert scene.stack.ups[-1] == {**BUILT, "image.ref": image("a")}
    assert scene.stack.config == BUILT


def test_a_stack_that_builds_its_image_is_told_how_to_build_after_a_rollback(scene):
    assert scene.deploy("--image", image("b")).exit_code == 0
    scene.stack.config = {**BUILT, "image.ref": image("b")}
    done = scene.run("rollback", "--yes")
    assert done.exit_code == 0
    assert scene.stack.config == {**BUILT, "image.ref": image("a")}
    remedy = "pulumi config rm --path 'stromhaltig:image.ref' --stack staging"
    assert remedy in done.stderr
    assert remedy in scene.deploy().stderr


def test_what_the_platform_builds_has_no_image_to_go_back_to(scene, monkeypatch):
    scene.stack.config = {}
    branch = Running("deployment/2", "2", "stromdao/stromhaltig@main")
    monkeypatch.setattr(scene.platform, "running", lambda: branch)
    scene.platform.verdicts = [ROLLED_BACK]
    done = scene.deploy()
    assert done.exit_code == 1
    assert "serves. The platform builds stromdao/stromhaltig@main" in done.stderr
    assert (len(scene.stack.ups), scene.stack.config) == (1, {})
    done = scene.run("rollback", "--yes")
    assert done.exit_code == 2
    assert "Revert the commit there" in done.stderr


def test_an_update_that_never_reached_the_app_is_not_gone_back_from(scene, monkeypatch):
    """Such as when somebody runs `pulumi up` at the same time."""
    running = scene.platform.running()
    monkeypatch.setattr(scene.platform, "running", lambda: running)

    def locked(stack: FakeStack) -> None:
        raise FailedError("Pulumi: the stack is currently locked by 1 lock(s)")

    scene.stack.on_up = locked
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 1
    assert "currently locked" in done.stderr
    assert "Not deployed. The old version serves. Look at it" in done.stderr
    assert len(scene.stack.ups) == 1
    assert scene.image == image("a")
    assert scene.told == ["Deployment of staging failed. The old version serves."]


def test_what_failed_before_is_nothing_to_go_back_to(scene):
    scene.platform.verdicts = [ROLLED_BACK]
    done = scene.deploy("--image", image("b"), "--on-failure", "keep")
    assert done.exit_code == 1
    assert scene.platform.running().image == image("b")
    scene.healths = [UNWELL, WELL]
    done = scene.deploy("--image", image("c"))
    assert done.exit_code == 1
    assert f"{image('a')} serves again" in done.stderr
    assert scene.stack.ups[-1]["image.ref"] == image("a")


@pytest.mark.parametrize("outcome", ["refused", "failed", "interrupted"])
def test_a_deployment_that_changed_nothing_makes_nothing_of_what_runs(
    scene, monkeypatch, outcome
):
    scene.stack.outputs["release"] = image("b")  # by pulumi up
    errors = {
        "refused": OpsError("no"),
        "failed": FailedError("snapshot quota exceeded"),
        "interrupted": KeyboardInterrupt(),
    }

    def fail(name: str) -> str:
        raise errors[outcome]

    with monkeypatch.context() as patched:
        patched.setattr(scene.platform, "snapshot", fail)
        scene.deploy("--image", image("c"), "--backup", "always")
    assert acts(scene.stack.records, 1)[0].outcome == outcome
    scene.healths = [UNWELL, WELL]
    done = scene.deploy("--image", image("c"))
    assert f"{image('b')} serves again" in done.stderr


def test_what_runs_after_going_back_is_good_to_go_back_to(scene):
    scene.stack.outputs["release"] = image("b")  # by pulumi up
    for letter in "cd":
        scene.healths = [UNWELL, WELL]
        done = scene.deploy("--image", image(letter))
        assert f"{image('b')} serves again" in done.stderr


def test_what_a_rollback_has_switched_to_is_good_to_go_back_to(twice):
    twice.stack.planned = [LOSS]
    done = twice.run("rollback", "--yes", "--fast")
    assert done.exit_code == 1
    twice.stack.planned = []
    twice.stack.outputs["release"] = image("a")  # as the platform was told
    twice.healths = [UNWELL, WELL]
    done = twice.deploy("--image", image("c"))
    assert f"{image('a')} serves again" in done.stderr


def test_what_a_killed_deployment_left_is_nothing_to_go_back_to(scene):
    begun = Act("deploy", "2026-11-30T07:00:00+00:00", "me", "", {"image": image("b")})
    name = "audit/99999999T000000.000000Z-abc.json"
    scene.stack.records.put(name, [json.dumps(asdict(begun)).encode()])
    scene.stack.outputs["release"] = image("b")
    scene.healths = [UNWELL, WELL]
    done = scene.deploy("--image", image("c"))
    assert f"{image('a')} serves again" in done.stderr


def test_an_update_that_broke_something_beside_the_app_is_not_called_well(
    scene, monkeypatch
):
    running = scene.platform.running()
    monkeypatch.setattr(scene.platform, "running", lambda: running)

    def broken(stack: FakeStack) -> None:
        raise FailedError("Pulumi: the database's container did not start")

    scene.stack.on_up = broken
    scene.platform.verdicts = [Verdict(False, "0 of 2 containers are healthy")]
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 1
    assert "The old version serves" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Not deployed. The app was left as it was. Look at it: ")
    assert "take back what else changed" in last


def interrupt_the_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> Health:
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.health.until_well", interrupted)


def test_an_interrupt_after_the_update_leaves_the_file_and_is_told(scene, monkeypatch):
    interrupt_the_watching(monkeypatch)
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 130
    assert "nobody waited to see whether it serves" in done.stderr
    assert "To go back: stromhaltig rollback --stack staging" in done.stderr
    assert scene.image == image("b")
    assert scene.told == [
        "staging was updated, and nobody knows whether it serves",
    ]
    assert acts(scene.stack.records, 1)[0].outcome == "interrupted"


def test_migrations_that_cannot_be_undone_are_named_when_going_back(scene):
    scene.migrations = migration_status(
        applied=("001",), pending=("002_drop",), irreversible=("002_drop",)
    )
    scene.platform.verdicts = [ROLLED_BACK]
    done = scene.deploy("--image", image("b"))
    left = "What may be applied and cannot be undone: 002_drop."
    assert left in done.stderr.splitlines()[-1]
    assert left in scene.told[0]


def test_where_the_page_covers_the_health_path_nobody_is_asked(scene):
    scene.platform.covers_health = scene.platform.in_maintenance = True
    scene.healths = [UNWELL]
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 0
    assert "maintenance is on, and its page answers there" in done.stderr


def test_an_unchanged_stack_is_no_new_release(scene, monkeypatch):
    known = releases.releases(scene.stack.records)[0]
    same = Running(known.deployment, known.revision, known.image)
    monkeypatch.setattr(scene.platform, "running", lambda: same)
    assert scene.deploy().exit_code == 0
    assert scene.labels == ["r1"]


# Rollback.


@pytest.fixture
def twice(scene):
    """Image b as r2, with a migration, after image a as r1."""
    scene.migrations = migration_status(applied=("001",), pending=("002_quiz",))
    assert scene.deploy("--image", image("b")).exit_code == 0
    scene.stack.ups.clear()
    scene.migrations = NOTHING_PENDING
    return scene


def test_a_rollback_goes_through_the_program_and_is_a_release(twice):
    done = twice.run("rollback", "--yes")
    assert done.exit_code == 0
    assert "The schema stays, with 002_quiz." in done.stderr
    assert [ups["image.ref"] for ups in twice.stack.ups] == [image("a")]
    newest = releases.releases(twice.stack.records)[0]
    assert (newest.label, newest.back, newest.image) == ("r3", 1, image("a"))
    assert twice.image == image("a")


def test_without_a_name_it_goes_back_from_what_was_not_recorded(twice):
    """A deployment of c that was killed, or whose outcome nobody knows."""
    twice.stack.outputs["release"] = image("c")
    assert twice.run("rollback", "--yes").exit_code == 0
    assert twice.stack.ups[-1]["image.ref"] == image("b")


def test_a_fast_one_switches_first(twice):
    assert twice.run("rollback", "r1", "--fast", "--yes").exit_code == 0
    assert twice.platform.switched == [f"revision:{image('a')}"]
    assert len(twice.stack.ups) == 1


def test_a_fast_one_that_does_not_serve_says_why(twice):
    twice.platform.verdicts = [ROLLED_BACK]
    done = twice.run("rollback", "r1", "--fast", "--yes")
    assert done.exit_code == 1
    assert "Error: no such table" in done.stderr
    assert twice.stack.ups == []
    assert twice.told[-1:] == ["Going back to r1 in staging failed. Look at it now"]


def test_an_unknown_release_names_the_nearest(twice):
    done = twice.run("rollback", "r11", "--yes")
    assert done.exit_code == 2
    assert 'Did you mean "r1"?' in done.stderr


def test_a_migration_that_cannot_be_undone_stops_it_unless_told(scene):
    scene.migrations = migration_status(
        applied=("001",), pending=("002_drop",), irreversible=("002_drop",)
    )
    assert scene.deploy("--image", image("b")).exit_code == 0
    done = scene.run("rollback", "--yes")
    assert done.exit_code == 2
    assert "002_drop: there is no script to undo it" in done.stderr
    assert "--keep-schema" in done.stderr
    assert scene.image == image("b")
    assert scene.run("rollback", "--yes", "--undo-migrations").exit_code == 2
    assert scene.run("rollback", "--yes", "--keep-schema").exit_code == 0
    assert scene.image == image("a")


@pytest.mark.parametrize(
    ("option", "schema"), [("--keep-schema", "002"), ("--undo-migrations", "001")]
)
def test_a_rollback_records_the_schema_that_it_leaves(
    scene, monkeypatch, option, schema
):
    undone: list[str] = []

    def undo(_: FakePlatform, to: str) -> Ended:
        undone.append(to)
        return Ended(0, ())

    monkeypatch.setattr("ops.database.migrations.rollback", undo)
    scene.migrations = migration_status(applied=("001",), pending=("002_quiz",))
    assert scene.deploy("--image", image("b")).exit_code == 0
    done = scene.run("rollback", "--yes", option, "--yes-rollback", "staging")
    assert done.exit_code == 0
    newest = releases.releases(scene.stack.records)[0]
    assert (newest.label, newest.schema) == ("r3", schema)
    assert undone == (["001"] if option == "--undo-migrations" else [])


def test_undoing_migrations_of_production_takes_the_stacks_name(twice):
    done = twice.run("rollback", "--yes", "--undo-migrations")
    assert done.exit_code == 2
    assert "The schema goes back to version 001, without 002_quiz." in done.stderr
    assert "Confirm in advance: --yes-rollback staging" in done.stderr
    assert twice.stack.ups == []


def unrecorded(scene: Scene, applied: tuple[str, ...]) -> None:
    """Have image b run, as after a deployment that was killed."""
    now = Running("deployment/9", "9", image("b"))
    scene.platform.running = lambda: now
    scene.migrations = migration_status(applied=applied, irreversible=applied)


def test_what_came_with_a_version_that_nobody_recorded_is_asked_of_it(scene):
    unrecorded(scene, ("001_users", "002_drop"))
    done = scene.run("rollback", "--yes")
    assert done.exit_code == 2
    assert "002_drop: there is no script to undo it" in done.stderr
    assert "001_users" not in done.stderr
    assert scene.images_asked[-1] == image("b")
    assert scene.run("rollback", "--yes", "--keep-schema").exit_code == 0
    assert scene.image == image("a")


def test_what_nobody_knows_how_to_undo_cannot_be_undone(scene):
    unrecorded(scene, ())
    scene.migrations = migration_status(applied=("001_users",), unknown=("002_x",))
    done = scene.run("rollback", "--yes")
    assert done.exit_code == 2
    assert "002_x: there is no script to undo it" in done.stderr


def test_a_version_that_cannot_be_asked_is_gone_back_from(scene):
    unrecorded(scene, ())
    scene.migrations = FailedError("The task did not start")
    done = scene.run("rollback", "--yes")
    assert done.exit_code == 0
    assert "not known: The task did not start" in done.stderr
    assert scene.image == image("a")


LOSS = Change("replace", "aws:rds/instance:Instance", "db", holds_data=True)


def test_a_rollback_loses_nothing_beside(twice):
    twice.stack.planned = [LOSS]
    done = twice.run(
        *("rollback", "--yes", "--undo-migrations", "--yes-rollback", "staging")
    )
    assert done.exit_code == 2
    assert "replace aws:rds/instance:Instance db  << holds data" in done.stderr
    assert "--yes-replace staging" in done.stderr
    assert (twice.stack.ups, twice.image) == ([], image("b"))
    assert twice.platform.snapshots_taken[1:] == []
    assert twice.run("rollback", "--yes", "--yes-replace", "staging").exit_code == 0
    assert twice.image == image("a")


def test_a_fast_one_says_what_serves_when_the_program_may_not_follow(twice):
    twice.stack.planned = [LOSS]
    done = twice.run("rollback", "--fast", "--yes")
    assert done.exit_code == 1
    assert "r1 serves, and the program does not know it yet." in done.stderr
    assert (twice.stack.ups, twice.image) == ([], image("b"))


def test_a_fast_one_undoes_no_migrations(twice):
    done = twice.run("rollback", "--fast", "--undo-migrations", "--yes")
    assert done.exit_code == 2
    assert "Say one of them" in done.stderr
    assert (twice.stack.ups, twice.platform.switched) == ([], [])


def test_a_rollback_is_of_what_somebody_saw(twice, monkeypatch):
    def meanwhile(question: str, *, yes: bool) -> None:
        assert twice.deploy("--image", image("c")).exit_code == 0

    monkeypatch.setattr("ops.deploy.confirm", meanwhile)
    monkeypatch.setattr(
        "ops.deploy._agree", lambda *_, **__: None
    )  # of the deployment in between
    done = twice.run("rollback")
    assert done.exit_code == 2
    assert "Somebody deployed meanwhile. Nothing was done." in done.stderr
    assert twice.image == image("c")


def test_without_a_recorded_schema_no_migration_is_undone(scene):
    scene.migrations = NotOfferedError("no one-off containers here")
    for letter in "bc":
        assert scene.deploy("--image", image(letter)).exit_code == 0
    done = scene.run("rollback", "--undo-migrations", "--yes")
    assert done.exit_code == 2
    assert "Nobody recorded which schema r2 had" in done.stderr
    assert scene.image == image("c")


def test_a_dry_run_of_a_rollback_says_what_would_be(twice):
    done = twice.run("rollback", "--dry-run")
    assert done.exit_code == 0
    assert "staging goes back to r1" in done.stderr
    assert twice.stack.ups == []


def test_a_rollback_that_does_not_serve_leaves_the_file_as_it_was(twice):
    twice.platform.verdicts = [ROLLED_BACK]
    done = twice.run("rollback", "--yes")
    assert done.exit_code == 1
    assert twice.image == image("b")
    assert twice.labels == ["r2", "r1"]
    assert twice.told[-1:] == ["Going back to r1 in staging failed. Look at it now"]


def test_an_older_stack_file_is_found_though_there_was_no_time_to_look(scene):
    scene.stack.outputs["rotations"] = {"JWT_SECRET": 2}
    scene.facts = [Fact("rotations", State.UNKNOWN, "no answer within 20 s")]
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 2
    assert "older than what is deployed: JWT_SECRET was rotated" in done.stderr
    assert scene.stack.ups == []


def test_an_interrupted_rollback_does_not_name_another_one(twice, monkeypatch):
    interrupt_the_watching(monkeypatch)
    done = twice.run("rollback", "--yes")
    assert done.exit_code == 130
    assert "To have it judged and recorded: stromhaltig deploy" in done.stderr
    assert "To go back" not in done.stderr


def test_a_rollback_is_not_rolled_out_from_an_older_stack_file(twice):
    twice.stack.outputs["rotations"] = {"JWT_SECRET": 2}
    done = twice.run("rollback", "--yes")
    assert done.exit_code == 2
    assert "Pulumi.staging.yaml" in done.stderr
    assert "JWT_SECRET" in done.stderr
    assert twice.stack.ups == []


def test_whoever_rolled_back_is_reminded_of_the_stack_file(twice):
    done = twice.run("rollback", "--yes")
    assert "Commit Pulumi.staging.yaml" in done.stderr
    assert done.stderr.splitlines()[-1] == twice.told[-1]


def test_releases_are_listed_newest_first(twice):
    done = twice.run("releases")
    assert re.findall(r"r\d", done.stdout) == ["r2", "r1"]
    data = json.loads(twice.run("releases", "--json", "--last", "1").stdout)
    assert [(found["number"], found["image"]) for found in data] == [(2, image("b"))]


def test_without_releases_it_is_said_how_they_come(scene):
    scene.stack.records.delete("releases/000001.json")
    assert "stromhaltig deploy" in scene.run("releases").stderr


def test_a_platform_that_does_not_answer_is_no_reason_to_go_back(scene, monkeypatch):
    def fail(before: Running | None) -> Verdict:
        raise EndpointConnectionError(endpoint_url="https://ecs.invalid")

    monkeypatch.setattr(scene.platform, "verdict", fail)
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 1
    assert "nobody knows whether it serves" in done.stderr
    assert "stromhaltig rollback --stack staging" in done.stderr
    assert scene.told == ["staging was updated, and nobody knows whether it serves"]
    # It may serve, so the file goes on naming it.
    assert scene.image == image("b")
    assert len(scene.stack.ups) == 1
    assert scene.labels == ["r1"]


def test_outputs_that_cannot_be_read_after_an_update_are_no_refusal(scene, monkeypatch):
    def unreachable(stack: FakeStack) -> None:
        monkeypatch.setattr(delivery, "platform_of", fail)

    def fail(stack: FakeStack) -> None:
        raise OpsError("Pulumi, stack staging: unable to open bucket")

    scene.stack.on_up = unreachable
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 1
    assert "nobody knows whether it serves" in done.stderr
    assert scene.image == image("b")


def test_going_back_where_the_platform_does_not_answer_is_told(scene, monkeypatch):
    verdicts = iter([ROLLED_BACK])

    def judge(before: Running | None) -> Verdict:
        for verdict in verdicts:
            return verdict
        raise EndpointConnectionError(endpoint_url="https://ecs.invalid")

    monkeypatch.setattr(scene.platform, "verdict", judge)
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 1
    assert scene.told == [
        f"Deployment of staging failed, and nobody knows whether {image('a')} serves "
        "again. Look at it now."
    ]


def test_a_stack_that_says_nowhere_to_ask_is_not_asked(scene):
    scene.stack.outputs["health_url"] = None
    scene.healths = [UNWELL]
    done = scene.deploy("--image", image("b"))
    assert done.exit_code == 0
    assert "The stack has no health_url, so nobody was asked." in done.stderr
