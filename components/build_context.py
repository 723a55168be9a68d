"""What a Docker build sees of a folder, and a hash of it."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

IGNORE_FILE = ".dockerignore"


def content_hash(context: Path, dockerfile: str = "Dockerfile") -> str:
    """Return a SHA-256 over all that a build of the folder can depend on.

    Names, permissions and contents of the files that `.dockerignore` leaves in, and
    the Dockerfile in any case. It is the same wherever the folder lies.

    Args:
        context: the folder.
        dockerfile: path in the folder.

    Raises:
        ValueError: when the folder or the Dockerfile is missing, or a pattern in
            `.dockerignore` cannot be read.
    """
    recipe = context / dockerfile
    if not context.is_dir():
        raise ValueError(f'"{context}" is not a folder to build an image from')
    if not recipe.is_file():
        raise ValueError(f'"{context}" has no {dockerfile} to build an image by')
    total = hashlib.sha256(_summary(recipe))
    for path in included(context, dockerfile):
        file = context / path
        line = f"{file.lstat().st_mode:o} {path}\n"
        total.update(line.encode())
        total.update(_summary(file))
    return total.hexdigest()


def included(context: Path, dockerfile: str = "Dockerfile") -> list[str]:
    """Return the files that a build gets, as sorted POSIX paths in the folder.

    An ignore file that belongs to the Dockerfile, `Dockerfile.dockerignore`, goes
    before the folder's own.
    """
    candidates = (context / f"{dockerfile}{IGNORE_FILE}", context / IGNORE_FILE)
    ignore_file = next((file for file in candidates if file.is_file()), None)
    text = ignore_file.read_text(encoding="utf-8-sig") if ignore_file else ""
    patterns = [*_patterns(text)]
    return sorted(_walk(context, "", patterns, (False,) * len(patterns)))


def _summary(file: Path) -> bytes:
    """Hash of a file's content; of a link, of where it leads as well."""
    content = hashlib.sha256()
    if file.is_symlink():
        content.update(str(file.readlink()).encode())
    if file.is_file():
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                content.update(chunk)
    return content.digest()


@dataclass(frozen=True)
class _Pattern:
    """A line of an ignore file; `!` in front takes a match back."""

    text: str
    taken_back: bool
    matches: re.Pattern[str]

    def reaches_into(self, folder: str) -> bool:
        """Whether something below the folder could match."""
        literal = re.split(r"[*?\[\\]", self.text)[0]
        return literal != self.text or literal.startswith(f"{folder}/")


def _patterns(text: str) -> Iterator[_Pattern]:
    """Read an ignore file by the rules of moby/patternmatcher."""
    for line in text.splitlines():
        words = line.strip()
        if not words or line.startswith("#"):
            continue
        taken_back = words.startswith("!")
        words = words.removeprefix("!").strip()
        if not words:
            raise ValueError(f'{IGNORE_FILE}: "!" takes nothing back')
        path = posixpath.normpath(words).lstrip("/")
        try:
            yield _Pattern(path, taken_back, re.compile(_expression(path)))
        except re.error:
            raise ValueError(f'{IGNORE_FILE}: "{line}" is not a pattern') from None


def _expression(pattern: str) -> str:
    """The pattern as a regular expression for a whole path.

    `*` and `?` stop at a slash; `**` is any number of folders, none included.
    """
    pieces = {"*": "[^/]*", "?": "[^/]", "**": ".*"}
    parts = re.findall(r"\*\*/?$|\*\*/?|\\.|.", pattern)
    expression = ""
    for index, part in enumerate(parts):
        if part.startswith("**"):
            last = index == len(parts) - 1
            expression += ".*" if last else "(.*/)?"
        elif part in pieces:
            expression += pieces[part]
        elif part in "[]^-":
            expression += part
        else:
            expression += re.escape(part.removeprefix("\\") or part)
    return expression


def _walk(
    context: Path, folder: str, patterns: Sequence[_Pattern], above: Sequence[bool]
) -> Iterator[str]:
    """Files below a folder that are left in.

    above: for each pattern, whether the folder matched it: then all below it does.
    """
    for entry in sorted((context / folder).iterdir()):
        path = f"{folder}/{entry.name}".lstrip("/")
        ignored, matched = _verdict(path, patterns, above)
        if entry.is_dir() and not entry.is_symlink():
            if not ignored or any(
                p.taken_back and p.reaches_into(path) for p in patterns
            ):
                yield from _walk(context, path, patterns, matched)
        elif not ignored and (entry.is_file() or entry.is_symlink()):
            yield path


def _verdict(
    path: str, patterns: Sequence[_Pattern], above: Sequence[bool]
) -> tuple[bool, tuple[bool, ...]]:
    """Whether a path is ignored, and which patterns it matched.

    The last match decides. A pattern that could not change the verdict is not tried,
    as in Docker, so that it does not reach below this path either.
    """
    ignored = False
    matched = []
    for pattern, inherited in zip(patterns, above, strict=True):
        matters = pattern.taken_back == ignored
        found = inherited or (matters and bool(pattern.matches.fullmatch(path)))
        matched.append(found)
        if found:
            ignored = not pattern.taken_back
    return ignored, tuple(matched)
