"""The notes of a release."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.ci.changelog import notes
from ops.errors import OpsError

TEXT = """# Changelog

## Unreleased

## 1.2.0 (2026-11-29)

### Added
- Workflows.

## [1.1.0] - 2026-10-01
- Older.
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "CHANGELOG.md"
    file.write_text(TEXT)
    return file


def test_a_section_is_found_by_its_tag(file: Path) -> None:
    assert notes(file, "v1.2.0") == "### Added\n- Workflows."
    assert notes(file, "1.1.0") == "- Older."


def test_a_tag_without_a_section_names_the_nearest(file: Path) -> None:
    with pytest.raises(OpsError, match=r'no section "## 1\.2\.1".*"1\.2\.0"'):
        notes(file, "v1.2.1")


def test_an_empty_section_is_no_release(file: Path) -> None:
    with pytest.raises(OpsError, match='"## Unreleased" is empty'):
        notes(file, "Unreleased")


def test_no_changelog_is_told(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=r"CHANGELOG\.md cannot be read"):
        notes(tmp_path / "CHANGELOG.md", "v1")


def test_the_committed_changelog_can_be_read() -> None:
    assert notes(Path(__file__).parents[4] / "CHANGELOG.md", "Unreleased")
