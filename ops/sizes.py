"""Shares and sizes, as people write and read them."""

from __future__ import annotations

import typer

KIB = 1024
MIB = 1024**2
GIB = 1024**3


def percent(text: str) -> float:
    """Read `80%` or `80`.

    Raises typer.BadParameter for what is none, or not between 0 and 100.
    """
    try:
        number = float(str(text).removesuffix("%"))
    except ValueError:
        raise typer.BadParameter(f'"{text}" is no percentage, such as 80%') from None
    if not 0 < number <= 100:
        raise typer.BadParameter(f"{text} is not between 0% and 100%")
    return number


def size(count: int | None) -> str:
    """A number of bytes in words, such as 3.4 MiB; empty for none."""
    if count is None:
        return ""
    if abs(count) < MIB:
        return f"{count / KIB:.0f} KiB"
    if abs(count) < GIB:
        return f"{count / MIB:,.1f} MiB"
    return f"{count / GIB:,.1f} GiB"
