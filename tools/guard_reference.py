"""Write what is documented about policies and prices from the code and the book.

`python -m tools.guard_reference --write` brings up to date the tables between the
markers of docs/policies.md and docs/cost.md; `--check` fails when one is stale.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from cost import book
from cost.alternatives import alternatives
from cost.assumptions import Assumptions, assumptions, profiles
from cost.estimate import Estimate, book_for, estimate
from policies import exceptions
from policies.catalogue import POLICIES
from policies.evaluate import Judgement, judge
from policies.exceptions import Accepted
from tests.stacks import STACKS, deploy
from tests.unit import test_digitalocean_stack as digitalocean
from tests.unit import test_railway_stack as railway

ROOT: Final = Path(__file__).parent.parent
REGION: Final = "eu-central-1"

LACKING: Final = (
    *("autoscaling", "backups", "budget", "cache"),
    *("firewall", "jobs", "monitoring", "uploads"),
)
"""Options of production that the alternatives do not have."""


ELSEWHERE: Final = (
    (
        "on DigitalOcean",
        digitalocean.deploy,
        "as committed: two instances, PostgreSQL with a standby, Valkey, a bucket",
    ),
    (
        "on one droplet of DigitalOcean",
        digitalocean.machine,
        "the machine for the Docker stack, with its volume and weekly backups",
    ),
    (
        "on Railway",
        railway.deploy,
        "as committed; a Pro workspace pays 20 USD at least, which includes as much",
    ),
)
"""The same app with the same use on other platforms."""


def catalogue() -> str:
    """Every policy, and what it says of the two stacks."""
    judged = {stack: _verdicts(stack) for stack in STACKS}
    rows = [
        (
            f"[{policy.id}]({policy.url})" if policy.url else policy.id,
            policy.title,
            policy.severity,
            policy.source,
            *(judged[stack][policy.id] for stack in STACKS),
        )
        for policy in POLICIES
    ]
    counts = {
        stack: f"{sum(v != '' for v in verdicts.values())} apply to {stack}"
        for stack, verdicts in judged.items()
    }
    return "\n".join(
        [
            f"{len(POLICIES)} policies; {' and '.join(counts.values())}.",
            "",
            *_table(("control", "what holds", "severity", "from", *STACKS), rows),
        ]
    )


def accepted() -> str:
    """The exceptions, and what meeting the control would cost a month."""
    rows = [
        (
            exception.control,
            ", ".join(exception.stacks) if exception.stacks != ("*",) else "all",
            exception.expires,
            " ".join(exception.reason.split()),
            ", ".join(f"`{setting}`" for setting in exception.instead),
            *(_price(stack, exception) for stack in STACKS),
        )
        for exception in exceptions.load()
    ]
    heads = ("control", "in", "until", "why", "instead", *(f"{s}, USD" for s in STACKS))
    return "\n".join(_table(heads, rows))


def groups() -> str:
    """What the committed stack files come to, by group."""
    priced = {stack: _estimate(stack) for stack in STACKS}
    found = dict.fromkeys(
        group for stack in reversed(STACKS) for group in priced[stack].groups
    )
    names = sorted(found, key=lambda group: -_largest(group, priced.values()))
    rows = [
        (group, *(_money(priced[stack].groups.get(group, 0)) for stack in STACKS))
        for group in names
    ]
    total = ("**together**", *(f"**{_money(priced[s].usd)}**" for s in STACKS))
    return "\n".join(_numbers(("", *STACKS), [*rows, total]))


def largest() -> str:
    """The items that make up most of production."""
    priced = _estimate("production")
    items = sorted(priced.items, key=lambda item: -item.usd)[:12]
    rows = [
        (
            item.name.removeprefix("stromhaltig-production").lstrip("-")
            or item.type.rpartition(":")[2],
            item.what,
            f"{item.quantity:,.0f} {item.per}",
            _money(priced.book.price(item.price).usd, digits=4),
            _money(item.usd),
        )
        for item in items
    ]
    return "\n".join(
        [
            "| | what | quantity | price | a month |",
            "|---|---|---:|---:|---:|",
            *(f"| {' | '.join(row)} |" for row in rows),
        ]
    )


def others() -> str:
    """The same app by other people's defaults, priced by the same book."""
    bare = _estimate("production", tuple(f"{option}=null" for option in LACKING))
    ours = [
        ("This program, production", _estimate("production"), "as committed"),
        (
            "The same, without what the others lack",
            bare,
            f"without {', '.join(LACKING)}",
        ),
        ("This program, staging", _estimate("staging"), "as committed"),
        *(
            (f"This program, {where}", _elsewhere(deployed()), what)
            for where, deployed, what in ELSEWHERE
        ),
    ]
    prices = book.load(REGION)
    theirs = [
        (
            other.title,
            estimate(other.graph, prices, assumptions(other.profile)),
            " ".join(other.source.split()),
        )
        for other in alternatives()
    ]
    rows = [(title, _money(priced.usd), note) for title, priced, note in ours + theirs]
    return "\n".join(
        [
            "| | USD a month | what it is |",
            "|---|---:|---|",
            *(f"| {' | '.join(row)} |" for row in rows),
        ]
    )


def assumed() -> str:
    """Every quantity that is assumed, in each profile."""
    named = (*STACKS, *(name for name in profiles() if name not in STACKS))
    assumed = [assumptions(name) for name in named]
    fields = Assumptions.model_fields
    rows = [
        (
            f"`{name}`",
            field.description or "",
            *(_value(getattr(profile, name)) for profile in assumed),
        )
        for name, field in fields.items()
    ]
    return "\n".join(_table(("assumption", "of a month", *named), rows))


FILES: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "docs/policies.md": {"catalogue": catalogue, "exceptions": accepted},
    "docs/cost.md": {
        "groups": groups,
        "largest": largest,
        "others": others,
        "assumptions": assumed,
    },
}
"""File -> marker -> what stands between its begin and its end."""


def _verdicts(stack: str) -> dict[str, str]:
    return {o.policy.id: _verdict(o) for o in _judgement(stack).outcomes}


def _verdict(outcome: Any) -> str:
    if not outcome.applies:
        return ""
    if outcome.open or outcome.crashed:
        return "**broken**"
    return "accepted" if outcome.findings else "holds"


@cache
def _judgement(stack: str) -> Judgement:
    return judge(_graph(stack), POLICIES, exceptions.load())


@cache
def _estimate(stack: str, changes: tuple[str, ...] = ()) -> Estimate:
    return estimate(_graph(stack, changes), book.load(REGION), assumptions(stack))


def _elsewhere(deployed: Any) -> Estimate:
    graph = deployed.as_resources()
    return estimate(graph, book_for(graph), assumptions("production"))


def _graph(stack: str, changes: tuple[str, ...] = ()) -> Any:
    """A committed stack with other settings, and no secret that it can do without."""
    file = (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    config = yaml.safe_load(file)["config"]
    changed: dict[str, Any] = {}
    for change in changes:
        path, _, text = change.partition("=")
        group, _, key = path.partition(".")
        value = yaml.safe_load(text)
        if key:
            before = changed.get(group) or config.get(f"stromhaltig:{group}") or {}
            value = {**before, key: value}
        changed[group] = value
    if stack == "staging":
        changed["secrets"] = {}
    return deploy(stack, **changed).as_resources()


def _price(stack: str, exception: Accepted) -> str:
    """What meeting the control would add to a month of a stack."""
    meant = any(stack == name or name == "*" for name in exception.stacks)
    if not exception.instead or not meant:
        return ""
    priced = _estimate(stack, exception.instead)
    return f"{priced.usd - _estimate(stack).usd:+.2f}"


def _largest(group: str, priced: Iterable[Estimate]) -> float:
    return max(one.groups.get(group, 0) for one in priced)


def _money(usd: float, digits: int = 2) -> str:
    return f"{usd:,.{digits}f}" if usd else "0"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{pattern}: {gb:g}" for pattern, gb in value.items())
    return f"{value:,.12g}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def _numbers(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = _table(heads, rows)
    lines[1] = "|---|" + "---:|" * (len(heads) - 1)
    return lines


def _rendered(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    for name, part in parts.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        head, found, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"has no markers {begin} and {end}")
        text = f"{head}{begin}\n{part()}\n{end}{tail}"
    return text


def _stale() -> Iterator[tuple[Path, str]]:
    for name, parts in FILES.items():
        path = ROOT / name
        current = path.read_text(encoding="utf-8")
        wanted = _rendered(current, parts)
        if wanted != current:
            yield path, wanted


def main(arguments: list[str] | None = None) -> int:
    """Check or write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="fail when a file is stale")
    mode.add_argument("--write", action="store_true", help="bring the files up to date")
    options = parser.parse_args(arguments)
    stale = list(_stale())
    for path, wanted in stale:
        if options.write:
            path.write_text(wanted, encoding="utf-8")
            print(f"{path.relative_to(ROOT)} written.")
        else:
            print(
                f"{path.relative_to(ROOT)} is stale. "
                "Run: python -m tools.guard_reference --write",
                file=sys.stderr,
            )
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
