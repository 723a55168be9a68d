"""`stromhaltig review prepare`: the stack file of a pull request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ops import review
from ops.cli import app
from ops.review import TEMPLATE, prepare
from settings import ReviewSettings, parse

ROOT = Path(__file__).parents[3]
REF = f"ghcr.io/stromdao/stromhaltig@sha256:{'1' * 64}"
NEXT = f"ghcr.io/stromdao/stromhaltig@sha256:{'2' * 64}"
EXPIRES = datetime(2026, 12, 6, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with the committed template and the file of staging."""
    for name in (TEMPLATE, "Pulumi.staging.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "Pulumi.yaml").write_text("name: stromhaltig\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(review, "ROOT", tmp_path)
    return tmp_path


def config_of(path: Path) -> dict[str, object]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8"))["config"])


def test_what_is_written_is_a_stack_file_that_is_accepted(folder):
    path = prepare(7, REF, EXPIRES, folder)
    settings = parse("pr-7", config_of(path), secret_keys=())
    assert isinstance(settings, ReviewSettings)
    assert path == folder / "Pulumi.pr-7.yaml"
    assert (settings.number, settings.base) == (7, "staging")
    assert settings.image.ref == REF
    assert settings.default_tags.tags == {
        "Project": "stromhaltig",
        "Environment": "pr-7",
        "ManagedBy": "pulumi",
        "PullRequest": "7",
        "Expires": "2026-12-06T12:00:00Z",
    }


def test_a_folder_without_a_template_takes_the_clones(folder, tmp_path_factory):
    beside = tmp_path_factory.mktemp("rehearsal")
    path = prepare(7, REF, EXPIRES, beside)
    assert path.parent == beside
    assert path.read_text() == prepare(7, REF, EXPIRES, folder).read_text()


def test_the_command_writes_where_the_project_is(folder, monkeypatch):
    beside = folder / ".rehearsal" / "staging"
    beside.mkdir(parents=True)
    (beside / "Pulumi.yaml").write_text("name: stromhaltig\nruntime: python\n")
    monkeypatch.chdir(beside)
    done = CliRunner().invoke(app, ["review", "prepare", "7", "--ref", REF])
    assert done.exit_code == 0, done.output
    assert (beside / "Pulumi.pr-7.yaml").is_file()
    assert not (folder / "Pulumi.pr-7.yaml").exists()


def test_texts_of_the_template_stay_texts(folder):
    path = prepare(7, REF, EXPIRES, folder)
    app_values = config_of(path)["stromhaltig:app"]
    assert app_values == {"DB_POOL_MIN": "0", "DB_POOL_MAX": "4"}


def test_a_time_is_written_in_utc(folder):
    berlin = EXPIRES.astimezone(timezone(timedelta(hours=1)))
    paths = [prepare(n, REF, when, folder) for n, when in ((7, EXPIRES), (7, berlin))]
    assert "2026-12-06T12:00:00Z" in paths[1].read_text()


def test_another_push_keeps_secrets_and_their_key_and_takes_the_rest_anew(folder):
    path = prepare(7, REF, EXPIRES, folder)
    content = yaml.safe_load(path.read_text())
    sealed = {"OPENAI_API_KEY": {"secure": "v1:abc:def"}}
    content["encryptionsalt"] = "v1:salt"
    content["config"]["stromhaltig:secrets"] = sealed
    content["config"]["stromhaltig:logs"] = {"retention_days": 1}
    path.write_text(yaml.safe_dump(content))

    prepare(7, NEXT, EXPIRES + timedelta(days=1), folder)
    written = yaml.safe_load(path.read_text())
    assert written["encryptionsalt"] == "v1:salt"
    assert written["config"]["stromhaltig:secrets"] == sealed
    assert written["config"]["stromhaltig:image"] == {"ref": NEXT}
    assert written["config"]["stromhaltig:logs"] == {"retention_days": 7}
    assert "2026-12-07T12:00:00Z" in path.read_text()


def test_how_the_template_encrypts_is_taken_over(folder):
    template = folder / TEMPLATE
    template.write_text(f"secretsprovider: awskms://alias/x\n{template.read_text()}")
    path = prepare(7, REF, EXPIRES, folder)
    assert yaml.safe_load(path.read_text())["secretsprovider"] == "awskms://alias/x"


@pytest.mark.parametrize(
    ("number", "ref", "expires", "says"),
    [
        (0, REF, EXPIRES, "0 is no number of a pull request from 1 to 49800"),
        (49_801, REF, EXPIRES, "49801 is no number"),
        (7, "ghcr.io/stromdao/stromhaltig:pr-7", EXPIRES, "is not"),
        (7, REF, EXPIRES.replace(tzinfo=None), "has no time zone"),
    ],
)
def test_what_no_review_can_have_is_refused_and_nothing_written(
    folder, number, ref, expires, says
):
    with pytest.raises(ValueError, match=says):
        prepare(number, ref, expires, folder)
    assert [p.name for p in folder.glob("Pulumi.pr-*")] == []


def test_a_file_that_is_broken_is_not_quoted(folder):
    (folder / "Pulumi.pr-7.yaml").write_text("config: [s3cret")
    with pytest.raises(ValueError, match=r"Pulumi\.pr-7\.yaml is no YAML") as refused:
        prepare(7, REF, EXPIRES, folder)
    assert "s3cret" not in str(refused.value)


def test_the_command_says_what_comes_next(folder):
    before = datetime.now(UTC)
    done = CliRunner().invoke(app, ["review", "prepare", "7", "--ref", REF])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "Pulumi.pr-7.yaml written. Then: pulumi up --stack pr-7\n"
    settings = parse("pr-7", config_of(folder / "Pulumi.pr-7.yaml"), secret_keys=())
    assert isinstance(settings, ReviewSettings)
    expires = datetime.fromisoformat(settings.expires)
    assert timedelta(days=2.9) < expires - before < timedelta(days=3.1)


def test_the_command_refuses_without_a_trace(folder):
    done = CliRunner().invoke(app, ["review", "prepare", "7", "--ref", "app:latest"])
    assert done.exit_code == 2
    assert done.stderr.startswith('"app:latest" is not ')
    assert not (folder / "Pulumi.pr-7.yaml").exists()
