"""Takes out of a text what nobody outside may read.

Comments and summaries of a public repository are public. What they quote, such as the
error of a failed preview, may name accounts, addresses and, at worst, secrets. What is
taken out leaves a word in brackets that says what it was.

Names stay: those of resources, stacks, regions, files and types. Something that looks
like a secret and is none is taken out as well; the reverse must not happen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_TYPE = re.compile(
    r"(?<![\w/:.-])[a-z][a-z-]{1,20}:[A-Za-z0-9]{1,30}"
    r"/(?P<first>[a-z])(?P<rest>[A-Za-z0-9]{1,60}):(?i:(?P=first))(?P=rest)(?!\w)"
)
"""A type of Pulumi's; its last parts are one word: `aws:rds/instance:Instance`."""

_Replacement = str | Callable[[re.Match[str]], str]

_WORLD = frozenset({"0.0.0.0", "::"})  # noqa: S104 - nobody's address, in findings
_KEYS = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|credentials?|authorization"
)
_SECRET_MARK = "[secret]"  # noqa: S105 - what stands for one


def redact(text: str) -> str:
    """A text without ARNs, accounts, addresses, ids and secrets.

    Taking out twice changes nothing.
    """
    parts: list[str] = []
    end = 0
    # Types look like secrets to some rules: `aws:secretsmanager/secret:Secret`.
    for type_ in _TYPE.finditer(text):
        parts += [_without(text[end : type_.start()]), type_[0]]
        end = type_.end()
    return "".join([*parts, _without(text[end:])])


def _without(text: str) -> str:
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def _address(found: re.Match[str]) -> str:
    return found[0] if found[0] in _WORLD else "[ip]"


def _long(found: re.Match[str]) -> str:
    """Names are long too, but of words; a secret mixes letters and digits."""
    word = found[0]
    mixed = any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
    return _SECRET_MARK if mixed else word


def _long_hyphened(found: re.Match[str]) -> str:
    """Hyphens make names of resources, which have no capitals."""
    word = found[0]
    kinds = (str.isupper, str.islower, str.isdigit)
    return _SECRET_MARK if all(any(map(kind, word)) for kind in kinds) else word


def _given(found: re.Match[str]) -> str:
    """`password=…` keeps the name of what was given, and what was taken out already."""
    return f"{found['name']}{_SECRET_MARK}"


_RULES: Sequence[tuple[re.Pattern[str], _Replacement]] = [
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{1,40}-----.*?(?:-----END [A-Z0-9 ]{1,40}-----|\Z)",
            re.S,
        ),
        _SECRET_MARK,
    ),
    # Addresses first: they hold accounts, hosts, users and passwords. What stands
    # before `://` may be glued to a word.
    (re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s`|<>]+"), "[url]"),
    (re.compile(r"\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b"), r"\1"),
    (re.compile(r"\barn:aws[\w-]*:[^\s\"'`|<>,;)\]}]+"), "[arn]"),
    (re.compile(r"[^\s@\"<>()\[\],;:]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"), "[email]"),
    (re.compile(r"\beyJ[\w-]+(?:\.[\w-]+){1,4}"), _SECRET_MARK),
    (
        re.compile(
            r"(?<![A-Za-z0-9])(?:"
            r"(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA|APKA|ABIA|ACCA)[A-Z0-9]{12,}"
            r"|gh[pousr]_\w{16,}|github_pat_\w{16,}"
            r"|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}"
            r"|pul-[0-9a-f]{16,}|sk-[\w-]{16,}|AIza[\w-]{20,}"
            r"|do[opr]_v1_[0-9a-f]{16,}|npm_\w{16,}|glpat-[\w-]{16,}"
            r"|v1:[A-Za-z0-9+/]{8,}:[A-Za-z0-9+/=]{8,}"
            r")"
        ),
        _SECRET_MARK,
    ),
    (
        re.compile(
            r"(?i)\b(?P<name>(?:bearer|authorization:\s*basic)\s+)"
            r"(?!\[)[^\s\"'`<>,]{6,}"
        ),
        _given,
    ),
    (
        re.compile(
            rf"(?i)(?P<name>(?:{_KEYS})\w{{0,30}}[\"']?\s{{0,5}}[=:]\s{{0,5}}[\"']?)"
            r"(?!secret(?:[\s|\"'`]|$)|\[(?:secret|url|arn|email|id|ip|host|account)\])[^\s\"'`|<>,;&)\]}]+"
        ),
        _given,
    ),
    (
        re.compile(
            r"\b(?:[\w-]{1,63}\.){1,9}(?:amazonaws\.com(?:\.cn)?|cloudfront\.net|"
            r"ondigitalocean\.(?:app|com)|digitaloceanspaces\.com|railway\.(?:app|"
            r"internal)|rlwy\.net|awsapprunner\.com)\b"
        ),
        "[host]",
    ),
    (
        re.compile(
            r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.I
        ),
        "[id]",
    ),
    # Ids of networks, groups, gateways, file systems.
    (re.compile(r"\b[a-z]{1,12}-(?:[0-9a-f]{17}|[0-9a-f]{8})\b"), "[id]"),
    (re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"), _address),
    (
        re.compile(
            r"(?<![\w:])(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){7}"
            r"|(?=[0-9a-fA-F:]{0,40}::)(?=:{0,3}[0-9a-fA-F])"
            r"(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4})(?![\w:])"
        ),
        _address,
    ),
    (re.compile(r"(?<!\d)\d{12}(?!\d)"), "[account]"),
    (re.compile(r"[A-Za-z0-9+/_]{32,}={0,2}"), _long),
    (re.compile(r"[A-Za-z0-9_-]{32,}"), _long_hyphened),
]
"""In order: what holds something else comes before it."""
