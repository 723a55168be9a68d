"""What a build sees of a folder: Docker's own rules, and a hash that misses nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.build_context import content_hash, included


def folder(root: Path, *files: str, ignore: str | None = None) -> Path:
    """A build context with these files, each with its own path as content."""
    for name in ("Dockerfile", *files):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    if ignore is not None:
        (root / ".dockerignore").write_text(ignore, encoding="utf-8")
    return root


# Each case was compared with BuildKit's own walk (fsutil, moby/patternmatcher).
@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ("", "a.md app/a.md app/b/c.md app/b/d.ts temp1"),
        ("a.md", "app/a.md app/b/c.md app/b/d.ts temp1"),
        ("*.md", "app/a.md app/b/c.md app/b/d.ts temp1"),
        ("**/*.md", "app/b/d.ts temp1"),
        ("*/*.md", "a.md app/b/c.md app/b/d.ts temp1"),
        ("/app", "a.md temp1"),
        ("app/", "a.md temp1"),
        ("./app/../app/b", "a.md app/a.md temp1"),
        ("app/**", "a.md temp1"),
        ("temp?", "a.md app/a.md app/b/c.md app/b/d.ts"),
        ("temp[0-9]", "a.md app/a.md app/b/c.md app/b/d.ts"),
        ("temp[^0-9]", "a.md app/a.md app/b/c.md app/b/d.ts temp1"),
        ("# a.md\n\n  temp1  ", "a.md app/a.md app/b/c.md app/b/d.ts"),
        ("*\n!app/b", "app/b/c.md app/b/d.ts"),
        ("*\n!app\napp/b", "app/a.md"),
        ("*\n!**/*.ts", "app/b/d.ts"),
        ("app\n!app/b/d.ts", "a.md app/b/d.ts temp1"),
        ("!app\napp", "a.md temp1"),
        ("app\n!app/b\napp", "a.md app/b/c.md app/b/d.ts temp1"),
        ("app/b\\/c.md", "a.md app/a.md app/b/d.ts temp1"),
    ],
)
def test_the_ignore_file_means_what_it_means_to_docker(tmp_path, ignore, left):
    files = ("a.md", "app/a.md", "app/b/c.md", "app/b/d.ts", "temp1")
    found = included(folder(tmp_path, *files, ignore=ignore))
    assert (
        " ".join(f for f in found if f not in ("Dockerfile", ".dockerignore")) == left
    )


def test_the_dockerfiles_own_ignore_file_goes_first(tmp_path):
    folder(tmp_path, "a", "b", ignore="a")
    (tmp_path / "Dockerfile.dockerignore").write_text("b", encoding="utf-8")
    found = included(tmp_path)
    assert "a" in found
    assert "b" not in found


@pytest.mark.parametrize("line", ["!", "[z-a]"])
def test_a_pattern_that_means_nothing_is_refused(tmp_path, line):
    folder(tmp_path, ignore=line)
    with pytest.raises(ValueError, match=r"^\.dockerignore: "):
        content_hash(tmp_path)


def test_the_hash_is_the_same_wherever_the_folder_lies(tmp_path):
    here = folder(tmp_path / "here", "src/a", "src/b")
    there = folder(tmp_path / "there", "src/b", "src/a")
    assert content_hash(here) == content_hash(there)


def _edit(root: Path) -> None:
    (root / "src/a").write_text("other", encoding="utf-8")


def _add(root: Path) -> None:
    (root / "src/new").touch()


def _rename(root: Path) -> None:
    (root / "src/a").rename(root / "src/c")


def _make_executable(root: Path) -> None:
    (root / "src/a").chmod(0o755)


def _lead_elsewhere(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("src/b")


def _edit_dockerfile(root: Path) -> None:
    (root / "Dockerfile").write_text("FROM other", encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [_edit, _add, _rename, _make_executable, _lead_elsewhere, _edit_dockerfile],
)
def test_whatever_a_build_depends_on_changes_the_hash(tmp_path, change):
    # Docker reads the Dockerfile even where the ignore file leaves it out.
    folder(tmp_path, "src/a", "src/b", ignore="Dockerfile")
    (tmp_path / "link").symlink_to("src/a")
    before = content_hash(tmp_path)
    change(tmp_path)
    assert content_hash(tmp_path) != before


def test_what_is_left_out_does_not_change_the_hash(tmp_path):
    folder(tmp_path, "src/a", "node_modules/x", ignore="**/node_modules\n.env")
    before = content_hash(tmp_path)
    (tmp_path / "node_modules/x").write_text("other", encoding="utf-8")
    (tmp_path / ".env").write_text("SECRET=1", encoding="utf-8")
    assert content_hash(tmp_path) == before


def test_neither_a_dangling_link_nor_a_pipe_is_in_the_way(tmp_path):
    folder(tmp_path)
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert included(tmp_path) == ["Dockerfile", "dangling"]
    assert len(content_hash(tmp_path)) == 64


def test_no_folder_and_no_dockerfile_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match='missing" is not a folder'):
        content_hash(tmp_path / "missing")
    with pytest.raises(ValueError, match="has no Dockerfile"):
        content_hash(tmp_path)
    folder(tmp_path)
    with pytest.raises(ValueError, match=r"has no deploy/app\.Dockerfile"):
        content_hash(tmp_path, "deploy/app.Dockerfile")
