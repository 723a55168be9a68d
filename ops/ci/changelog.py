"""The notes of a release, from the changelog."""

from __future__ import annotations

import re
from pathlib import Path

from ops.errors import OpsError, nearest

_HEADING = re.compile(r"^## \[?(?P<version>[^\]\s]+)\]?.*$", re.MULTILINE)


def notes(file: Path, tag: str) -> str:
    """The section of a changelog about a tag, `v1.2.0`, without its heading.

    Raises OpsError when there is none, or nothing in it.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise OpsError(f"{file} cannot be read: {error.strerror}") from error
    headings = list(_HEADING.finditer(text))
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    sections = {
        heading["version"]: text[heading.end() : end].strip()
        for heading, end in zip(headings, ends, strict=True)
    }
    version = tag.removeprefix("v")
    if version not in sections:
        raise OpsError(
            f'{file.name} has no section "## {version}". '
            f"{nearest(version, sections, kind='versions')} Give `Unreleased` that "
            "name before the tag is set"
        )
    if not sections[version]:
        raise OpsError(f'{file.name}: the section "## {version}" is empty')
    return sections[version]
