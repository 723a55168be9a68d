"""What GitHub shows: pieces of Markdown, and how long it may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

COMMENT_BYTES = 65_536
"""What GitHub takes as a comment or an issue. It counts characters; bytes are more."""

SUMMARY_BYTES = 1_048_576
"""What GitHub takes as the summary of one step; more, and it shows nothing of it."""

_FOLD = "</details>"


def code(text: str) -> str:
    """A name as code, on one line and without what would end code or cell."""
    plain = re.sub(r"\s+", " ", text).replace("`", "'").replace("|", "¦").strip()
    return f"`{plain}`" if plain else ""


def block(text: str) -> str:
    """Lines as they are; none of them can end the block."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text)), 3)
    return f"{fence}text\n{text.strip()}\n{fence}"


def fold(title: str, content: str) -> str:
    """What is shown to whoever opens it."""
    return f"<details><summary>{title}</summary>\n\n{content}\n\n{_FOLD}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are Markdown already."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cut(text: str, limit: int, note: str) -> str:
    """A text of at most `limit` bytes: whole, or whole lines of it and then the note.

    What is open where it ends, a fold or a block, is closed.
    """
    if _bytes(text) <= limit:
        return text
    room = limit - _bytes(f"\n\n{note}")
    lines = text.encode()[:room].decode(errors="ignore").split("\n")
    while lines:
        lines.pop()
        kept = _closed("\n".join(lines))
        if _bytes(kept) <= room:
            return f"{kept}\n\n{note}"
    return note


def _closed(text: str) -> str:
    """A text with its open block and folds ended, inner first."""
    fences = re.findall(r"^(`{3,})", text, re.MULTILINE)
    if len(fences) % 2:
        text += f"\n{fences[-1]}"
    opened = text.count("<details>") - text.count(_FOLD)
    return text + f"\n\n{_FOLD}" * opened


def _bytes(text: str) -> int:
    return len(text.encode())
