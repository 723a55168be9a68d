"""Takes out of a text what nobody outside may read.

Comments and summaries of a public repository are public. What they quote, such as the
error of a failed preview, may name accounts, addresses and, at worst, secrets. What is
taken out leaves a word in brackets that says what it was.

Names stay: those of resources, stacks, regions, files and types. Something that looks
like a secret and is none is taken out as well; the reverse must not happen. It does for
what nothing tells from a word: a password of less than 32 characters that nothing
names, and base64 that is wrapped after fewer.
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
_KEPT = "\ue000"
"""Around the number of a type that is kept: a character that nobody uses."""
_SECRET_MARK = "[secret]"  # noqa: S105 - what stands for one
_MARKED = r"\[(?:secret|url|arn|email|id|ip|host|account)\](?![^\s\"'`|<>,;&)\]}])"
_KEYS = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|authorization|dsn"
    r"|(?:api|access|private)[_-]?key|connection[_-]?string)"
)
# What is given by name: `password=`, `"password": `, `\"password\": `, `password => `,
# and the block of YAML that begins on the next line.
_NAMED = (
    rf"(?i)(?P<name>{_KEYS}\w{{0,30}}\\{{0,3}}[\"']?"
    r"\s{0,5}(?:[=-]>|[=:]|%3[AD])\s{0,5}(?:[|>][+-]?[ \t]{0,5}\n\s{0,20})?)"
)


def redact(text: str) -> str:
    """A text without ARNs, accounts, addresses, ids and secrets.

    Taking out twice changes nothing.
    """
    types: list[str] = []

    def keep(found: re.Match[str]) -> str:
        types.append(found[0])
        return f"{_KEPT}{len(types) - 1}{_KEPT}"

    # Types look like secrets to some rules: `aws:secretsmanager/secret:Secret`.
    text = _TYPE.sub(keep, text.replace(_KEPT, ""))
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    text = re.sub(f"{_KEPT}(\\d+){_KEPT}", lambda found: types[int(found[1])], text)
    return text.replace(_KEPT, "")


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


def _given_in_quotes(found: re.Match[str]) -> str:
    """`"password": "…"` keeps its quotes as well, for it may be JSON."""
    return f"{found['name']}{found['quote']}{_SECRET_MARK}{found['end']}"


_RULES: Sequence[tuple[re.Pattern[str], _Replacement]] = [
    # Colours would stand between a name and what is given by it.
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{1,40}-----.*?(?:-----END [A-Z0-9 ]{1,40}-----|\Z)",
            re.S,
        ),
        _SECRET_MARK,
    ),
    # Addresses first: they hold accounts, hosts, users and passwords. What stands
    # before `://` may be glued to a word, and all be encoded as part of another.
    (
        re.compile(
            r"(?i)[a-z][a-z0-9+.-]{0,20}(?:://|%3A(?:%2F){2})"
            # A quote that ends a text of JSON ends the address.
            r"(?:[^\s`|<>\"]|\"(?![\s,:}\])]|\Z))+"
        ),
        "[url]",
    ),
    (re.compile(r"\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b"), r"\1"),
    (re.compile(r"(?i)arn(?::|%3A)aws[\w-]*(?::|%3A)[^\s\"'`|<>,;)\]}]+"), "[arn]"),
    (
        re.compile(
            r"[^\s@\"<>()\[\],;:]{1,64}(?:@|%40)"
            r"(?:[\w-]{1,63}(?:\.[\w-]{1,63})+|localhost\b)"
        ),
        "[email]",
    ),
    # USER:PASSWORD@HOST, but no image by its digest.
    (
        re.compile(
            r"(?<![\w.+-])[\w.+-]{1,64}:[^\s@\"'`|<>]{1,128}@(?!sha256:)(?=[\w[])"
        ),
        f"{_SECRET_MARK}@",
    ),
    (re.compile(r"\beyJ[\w-]+(?:\.[\w-]+){1,4}"), _SECRET_MARK),
    (
        re.compile(
            r"(?<![A-Za-z0-9])(?:"
            r"(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA|APKA|ABIA|ACCA)[A-Z0-9]{12,}"
            r"|gh[pousr]_\w{16,}|github_pat_\w{16,}"
            r"|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}"
            r"|pul-[0-9a-f]{16,}|sk-[\w-]{16,}|AIza[\w-]{20,}"
            r"|[prs]k_(?:live|test)_\w{8,}|whsec_\w{8,}"
            r"|SG\.[\w-]{16,}\.[\w-]{16,}|hvs\.[\w-]{16,}"
            r"|do[opr]_v1_[0-9a-f]{16,}|npm_\w{16,}|glpat-[\w-]{16,}"
            r"|v1:[A-Za-z0-9+/]{8,}:[A-Za-z0-9+/=]{8,}"
            r")"
        ),
        _SECRET_MARK,
    ),
    (re.compile(r"(?i)\b(?P<name>(?:set-)?cookie:[ \t]{0,5})[^\s][^\n]*"), _given),
    (
        re.compile(
            r"(?i)\b(?P<name>(?:bearer|authorization:[ \t]*[a-z]+)[ \t]+)"
            rf"(?!{_MARKED})[^\s\"'`<>,]{{6,}}"
        ),
        _given,
    ),
    # `--password VALUE`.
    (
        re.compile(
            rf"(?i)(?P<name>(?<![\w-])--[\w-]{{0,30}}{_KEYS}[\w-]{{0,30}}[ \t]+)"
            rf"(?!{_MARKED})[^\s\"'`|]+"
        ),
        _given,
    ),
    # Quoted, with whatever else there is between the quotes.
    (
        re.compile(
            rf"{_NAMED}(?P<quote>[\"'`])(?:\\.|(?!(?P=quote))[^\\\n])*"
            r"(?P<end>(?P=quote)|)"
        ),
        _given_in_quotes,
    ),
    # As a text within a text.
    (
        re.compile(
            rf"{_NAMED}(?P<quote>\\{{1,3}}[\"'])(?:(?!(?P=quote))[^\n])*"
            r"(?P<end>(?P=quote)|)"
        ),
        _given_in_quotes,
    ),
    (
        re.compile(
            rf"{_NAMED}(?!secret(?:[\s|\"'`]|$)|{_MARKED}|\\{{0,3}}[\"'`])[^\s|\"'`]+"
        ),
        _given,
    ),
    # What it becomes: `password: "…" => "…"`.
    (
        re.compile(
            r"(?P<name>\[secret\][\"']?[ \t]{1,5}[=-]>[ \t]{1,5})(?P<quote>[\"']?)"
            r"(?!\[secret\])[^\s\"'`|][^\n\"'`|]*(?P<end>(?P=quote))"
        ),
        _given_in_quotes,
    ),
    (
        re.compile(
            r"(?i)\b(?:[\w-]{1,63}\.){1,9}(?:amazonaws\.com(?:\.cn)?|cloudfront\.net|"
            r"(?:api|on)\.aws|ondigitalocean\.(?:app|com)|digitaloceanspaces\.com|"
            r"railway\.app|internal|rlwy\.net|awsapprunner\.com)\b"
        ),
        "[host]",
    ),
    (re.compile(r"\b(?:ip|ec2)(?:-\d{1,3}){4}\b"), "[host]"),
    (
        re.compile(
            r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.I
        ),
        "[id]",
    ),
    # Ids of networks, groups, gateways, file systems; zones and distributions.
    (re.compile(r"\b[a-z]{1,12}-(?:[0-9a-f]{17}|[0-9a-f]{8})\b"), "[id]"),
    (re.compile(r"\b(?=[A-Z]{1,12}\d)(?:Z[0-9A-Z]{12,31}|E[0-9A-Z]{12,13})\b"), "[id]"),
    (re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"), _address),
    (
        re.compile(
            r"(?<![\w:])(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){7}"
            r"|(?=[0-9a-fA-F:]{0,40}::)(?=:{0,3}[0-9a-fA-F])"
            r"(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4})(?![\w:])"
        ),
        _address,
    ),
    (re.compile(r"(?<!\d)\d{12}(?!\d)|\b\d{4}-\d{4}-\d{4}\b"), "[account]"),
    (re.compile(r"[A-Za-z0-9+/_]{32,}={0,2}"), _long),
    (re.compile(r"[A-Za-z0-9_-]{32,}"), _long_hyphened),
]
"""In order: what holds something else comes before it."""
