"""Previews of stacks as a pull request shows them: short, worst first, public."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.ci.changes import Change, counted, read_changes
from ops.ci.markdown import block, code, fold, table
from ops.ci.redaction import redact
from resource_graph import GraphError, parse

if TYPE_CHECKING:
    from cost.estimate import Estimate
    from policies.evaluate import Judgement
    from resource_graph import ResourceGraph

SHOWN = 15
"""Rows of a table in the comment; the summary has them all."""

FAILURE_CHARACTERS = 4_000
"""How much of why a preview failed is in the comment: the end, where the reason is."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a preview of a stack says.

    failure: why there is none; then all else is empty. judgement: of what would be.
    before, after: a month of it; before is none for a stack that is not there yet,
    both are where `unpriced` says why it cannot be priced. unused_image: what the
    stack's file names, where the preview is of the image that runs.
    """

    stack: str
    failure: str = ""
    changes: Sequence[Change] = ()
    judgement: Judgement | None = None
    before: Estimate | None = None
    after: Estimate | None = None
    unpriced: str = ""
    unused_image: str = ""

    @property
    def passed(self) -> bool:
        """Whether there is one, and no policy is against it."""
        return not self.failure and (self.judgement is None or self.judgement.passed)


def read_preview(stack: str, preview: Any, state: Any | None) -> Preview:
    """Judge and price what `pulumi preview --json --show-sames` printed.

    state: the stack's, exported, to compare the price with.

    Raises GraphError when it is no preview.
    """
    changes = read_changes(preview)
    try:
        graph = parse(preview)
    except GraphError as error:
        # Everything goes: there is nothing to judge.
        return Preview(stack=stack, changes=changes, unpriced=str(error))
    judgement = _judged(graph)
    before, after, unpriced = _priced(state, graph)
    return Preview(
        stack=stack,
        changes=changes,
        judgement=judgement,
        before=before,
        after=after,
        unpriced=unpriced,
    )


def short(preview: Preview) -> str:
    """A preview for the comment, redacted."""
    return redact(_rendered(preview, shown=SHOWN))


def full(preview: Preview) -> str:
    """A preview for the summary: every change and finding, redacted as well."""
    return redact(_rendered(preview, shown=None))


def comment(fragments: Mapping[str, str], expected: Iterable[str], commit: str) -> str:
    """One comment of the previews of all stacks.

    fragments: stack -> what `short` made of it. expected: stacks whose jobs were
    started; one without a fragment was cancelled, or failed before its preview.
    commit: what was previewed.
    """
    stacks = sorted({*fragments, *expected})
    parts = ["## Preview", f"Of commit {code(commit[:12])}."]
    if not stacks:
        parts.append("This pull request changes no stack.")
    for stack in stacks:
        parts.append(
            fragments.get(stack)
            or f"### {code(stack)}: no result\n\nThe job was cancelled, or ended "
            "before it came to the preview."
        )
    # Once more: a fragment is a file that a job with other rights has written.
    return redact("\n\n".join(part.strip() for part in parts))


def read_fragments(folder: Path) -> dict[str, str]:
    """Stack -> fragment, of the files `STACK.md` in a folder; it may be missing."""
    return {
        file.stem: file.read_text(encoding="utf-8", errors="replace")
        for file in sorted(folder.glob("*.md"))
    }


def _judged(graph: ResourceGraph) -> Judgement:
    from policies import exceptions
    from policies.catalogue import POLICIES
    from policies.evaluate import judge

    accepted = exceptions.load(controls=[policy.id for policy in POLICIES])
    return judge(graph, POLICIES, accepted)


def _priced(
    state: Any | None, graph: ResourceGraph
) -> tuple[Estimate | None, Estimate | None, str]:
    from cost import assumptions, book
    from cost.estimate import book_for, estimate

    assumed = assumptions.assumptions(assumptions.profile_for(graph.stack), [])
    try:
        after = estimate(graph, book_for(graph), assumed)
        before = None
        if state is not None and _has_resources(state):
            then = parse(state)
            before = estimate(then, book_for(then), assumed)
    except (GraphError, book.BookError) as error:
        return None, None, str(error)
    return before, after, ""


def _has_resources(state: Any) -> bool:
    found = (state.get("deployment") or {}).get("resources") or ()
    return any(resource.get("custom") for resource in found)


def _rendered(preview: Preview, *, shown: int | None) -> str:
    name = code(preview.stack)
    if preview.failure:
        reason = preview.failure[-FAILURE_CHARACTERS:] if shown else preview.failure
        return f"### {name}: the preview failed\n\n{block(redact(reason))}"
    parts = [f"### {name}: {counted(preview.changes)}"]
    if preview.unused_image:
        parts.append(
            "With the image that runs, which a pipeline deploys again. The stack's "
            f"file names another: {code(preview.unused_image)}."
        )
    parts += _changes(preview.changes, shown)
    if preview.judgement is not None:
        parts.append(_policies(preview.judgement, shown))
    parts.append(_cost(preview, shown))
    return "\n\n".join(parts)


def _changes(changes: Sequence[Change], shown: int | None) -> list[str]:
    alarming = [change for change in changes if change.alarming]
    going = [change for change in changes if change.destroys]
    others = [change for change in changes if not change.destroys]
    parts = []
    if alarming:
        parts.append(
            f"**{len(alarming)} of what goes or is replaced holds data or is "
            "protected.** Read these lines first."
        )
    if going:
        parts.append(_change_table(going, shown))
    if others:
        parts.append(fold(counted(others), _change_table(others, shown)))
    return parts


def _change_table(changes: Sequence[Change], shown: int | None) -> str:
    rows = [
        (
            f"**{change.op}**" if change.destroys else change.op,
            code(change.name),
            code(change.type),
            ", ".join(
                [*_flags(change), *map(code, change.causes or change.properties)]
            ),
        )
        for change in changes[:shown]
    ]
    text = table(("", "resource", "type", "what of it"), rows)
    return text + _more(len(changes), shown)


def _flags(change: Change) -> list[str]:
    flags = ["**holds data**"] if change.destroys and change.holds_data else []
    return [*flags, "**protected**"] if change.protected else flags


def _policies(judgement: Judgement, shown: int | None) -> str:
    from policies.report import summary

    lines = [f"**Policies**: {summary(judgement)}"]
    findings = [
        f"- {code(found.policy.id)} {found.policy.severity}, "
        f"{code(found.resource.name)}: {_flat(found.text)}"
        for found in judgement.open
    ]
    findings += [
        f"- {code(outcome.policy.id)} failed itself: {_flat(outcome.crashed)}"
        for outcome in judgement.crashed
    ]
    if findings:
        lines += ["", *findings[:shown]]
    return "\n".join(lines) + _more(len(findings), shown)


def _cost(preview: Preview, shown: int | None) -> str:
    from cost import show

    before, after = preview.before, preview.after
    if after is None:
        return f"**Cost**: not known: {_flat(preview.unpriced)}"
    sentence, _, rest = show.markdown(before, after).partition("\n")
    text = f"**Cost**: {sentence.strip('*')}"
    # Where the sum stays, lines differ only in who of several has the free part.
    stays = before is not None and abs(after.usd - before.usd) < 0.005
    if not rest.strip() or (shown and stays):
        return text
    # `NAME: what` reads like a secret that is given by name.
    rest = re.sub(r"^\| (\S+): ", r"| `\1`, ", rest.strip(), flags=re.MULTILINE)
    return f"{text}\n\n{fold('in detail', rest)}"


def _flat(text: str) -> str:
    """A message on one line that mentions nobody and opens no tag.

    Redacted before: an address with a mark after its `@` would not be known as one.
    """
    flat = " ".join(redact(text).split())
    return flat.replace("@", "@\u200b").replace("<", "&lt;")


def _more(number: int, shown: int | None) -> str:
    if shown is None or number <= shown:
        return ""
    return f"\n\n… and {number - shown} more, in the job summary."
