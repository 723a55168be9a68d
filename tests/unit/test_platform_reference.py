"""The table of the contract on all platforms: current, whole, and read from stacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract import APP, VARIABLES, Kind
from settings import PLATFORMS
from tools import platform_reference
from tools.platform_reference import BEGIN, COLUMNS, END, FACTS, FILES, NONE, railway

ROOT = Path(__file__).parents[2]


@pytest.mark.sweep
@pytest.mark.parametrize("name", FILES)
def test_the_committed_documents_are_current(name):
    current = (ROOT / name).read_text(encoding="utf-8")

    assert FILES[name](current) == current, f"run: {platform_reference.__name__}"


def test_every_platform_has_a_column():
    assert COLUMNS.keys() == PLATFORMS.keys()


WITHHELD = {("aws-review", "REDIS_URL"), ("aws-review", "SMTP_HOST")}
"""What a platform does without: a review has no cache, and writes to nobody."""


@pytest.mark.parametrize("platform", COLUMNS)
def test_every_variable_reaches_the_app(platform):
    column = COLUMNS[platform]()
    made_up = {v.previous for v in VARIABLES} | {
        v.name for v in APP.of_kind(Kind.GENERATED)
    }

    for variable in VARIABLES:
        cell = column.cell(variable)
        if (platform, variable.name) in WITHHELD:
            assert cell == NONE
            continue
        assert cell != NONE, variable.name
        assert cell.startswith("plain") is not variable.secret, variable.name
        if variable.name in made_up:
            assert cell.endswith("(generated)")
        elif variable.kind is Kind.OPERATOR:
            assert cell.endswith("(yours)")
        elif variable.secret:
            assert "(from " in cell
    assert column.facts.keys() == set(FACTS)


def test_railways_file_has_its_place():
    text = railway(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    assert text.startswith(f"before\n{BEGIN}\n```toml\n[build]\n")
    assert text.endswith(f"```\n{END}\nafter\n")
    with pytest.raises(ValueError, match="has no <!-- railway-file:begin -->"):
        railway("nothing")


def test_a_stale_document_is_told_and_brought_up_to_date(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(platform_reference, "ROOT", tmp_path)
    monkeypatch.setattr(platform_reference, "FILES", {"a.md": lambda _: "new\n"})

    assert platform_reference.main(["--check"]) == 1
    assert "a.md is stale. Run: python -m tools." in capsys.readouterr().err
    assert platform_reference.main(["--write"]) == 0
    assert (tmp_path / "a.md").read_text() == "new\n"
    assert platform_reference.main(["--check"]) == 0
