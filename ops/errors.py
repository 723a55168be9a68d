"""How commands say no, in one kind of exception with two shades."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OpsError(Exception):
    """Nothing was done, or no more than the message says; the message has the remedy.

    A command ends with exit code 2 (REFUSED).
    """


class NotOfferedError(OpsError):
    """The platform cannot do it; the message names what does it there instead."""


class FailedError(OpsError):
    """Work was begun and did not succeed; the message says what is true now.

    A command ends with exit code 1 (FAILED).
    """


def nearest(word: str, choices: Iterable[str], *, kind: str) -> str:
    """Return a sentence that names the choice most like a word, or all of them.

    kind: plural of what they are, such as "releases".
    """
    known = list(choices)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f'Did you mean "{close[0]}"?'
    if not known:
        return f"There are no {kind}."
    shown = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
    return f"There are these {kind}: {shown}."
