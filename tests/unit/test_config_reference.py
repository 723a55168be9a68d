"""What is written about the settings: complete, current, and refused when stale."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from contract import VARIABLES
from settings import (
    NAMESPACE,
    PLATFORMS,
    AwsSettings,
    DigitalOceanSettings,
    DockerSettings,
    Settings,
    forms,
)
from tools import config_reference

ROOT = Path(__file__).parent.parent.parent
PROJECT = (ROOT / "Pulumi.yaml").read_text(encoding="utf-8")
README = f"before\n{config_reference.BEGIN}\nold\n{config_reference.END}\nafter\n"
TYPES = {"string": str, "boolean": bool, "integer": int, "object": dict}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder whose generated files are current."""
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    config_reference.main(["--write"], root=tmp_path)
    return tmp_path


def test_the_committed_project_file_and_reference_are_current():
    reference = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")

    assert config_reference.project_file(PROJECT) == PROJECT
    assert config_reference.reference() == reference


def test_the_keys_of_every_platform_are_declared_with_type_default_and_description():
    declared = yaml.safe_load(PROJECT)["config"]

    # A declared default reaches every stack, those of other platforms included.
    assert declared.keys() == Settings.model_fields.keys() - {"stack"}
    for key, entry in declared.items():
        assert type(entry["default"]) is TYPES[entry["type"]], key
        assert entry["description"].endswith("."), key


def test_the_project_is_run_by_uv_in_its_own_environment():
    project = yaml.safe_load(PROJECT)

    assert project["name"] == "stromhaltig"
    assert project["runtime"] == {
        "name": "python",
        "options": {"toolchain": "uv", "virtualenv": ".venv"},
    }


def test_every_setting_and_variable_is_in_the_reference():
    reference = config_reference.reference()

    for platform in PLATFORMS.values():
        for field in platform.settings.model_fields.values():
            # What is in a provider's namespace is the provider's to document.
            if not (field.alias or "").startswith(NAMESPACE):
                continue
            group = forms.present(field).annotation
            for name in getattr(group, "model_fields", ()):
                assert f"\n| `{name}` | " in reference
    for variable in (
        *VARIABLES,
        *AwsSettings.platform_secrets,
        *DigitalOceanSettings.platform_secrets,
        *DockerSettings.platform_secrets,
    ):
        assert f"\n| `{variable.name}` | " in reference


def test_a_row_says_what_is_accepted_the_default_and_why():
    assert (
        "| `nat` | one of none, instance, single, per-az | `instance` | How tasks"
        in config_reference.reference()
    )


def test_tables_have_as_many_cells_in_every_row():
    for text in (config_reference.reference(), config_reference.readme(README)):
        cells = 0
        for line in text.splitlines():
            cells = line.count("|") if line.startswith("|") and not cells else cells
            cells = cells if line.startswith("|") else 0
            assert line.count("|") == cells


def test_the_readme_keeps_what_is_around_its_table():
    text = config_reference.readme(README)

    assert text.startswith(f"before\n{config_reference.BEGIN}\n| Key |")
    assert text.endswith(f"|\n{config_reference.END}\nafter\n")
    assert "| `network` | `aws` | `cidr`, `availability_zones`, `nat`" in text
    assert config_reference.readme(text) == text


def test_check_accepts_what_write_wrote_and_a_second_write_changes_nothing(
    clone, capsys
):
    assert config_reference.main(["--check"], root=clone) == 0
    assert config_reference.main(["--write"], root=clone) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["Pulumi.yaml", "README.md", "docs/configuration.md"])
def test_check_fails_on_a_stale_file(clone, name, capsys):
    path = clone / name
    path.write_text(path.read_text().replace("production", "prod"), encoding="utf-8")

    assert config_reference.main(["--check"], root=clone) == 1
    assert capsys.readouterr().err == (
        f"{name} is stale. Run: python -m tools.config_reference --write\n"
    )


def test_a_readme_without_markers_is_left_alone_but_fails_the_check(clone, capsys):
    (clone / "README.md").write_text("nothing\n", encoding="utf-8")

    assert config_reference.main(["--write"], root=clone) == 0
    assert config_reference.main(["--check"], root=clone) == 1
    assert (clone / "README.md").read_text(encoding="utf-8") == "nothing\n"
    assert "README.md has no <!-- config:begin -->" in capsys.readouterr().err


def test_a_project_without_a_config_block_is_refused(clone, capsys):
    (clone / "Pulumi.yaml").write_text("name: x\n", encoding="utf-8")

    assert config_reference.main(["--check"], root=clone) == 1
    assert "Pulumi.yaml has no config block" in capsys.readouterr().err


def test_check_fails_where_a_file_is_missing(clone):
    (clone / "docs/configuration.md").unlink()

    assert config_reference.main(["--check"], root=clone) == 1
