"""`stromhaltig ci`: what the jobs of a pipeline run, and what runs locally as well."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.ci.news import News, Status
from ops.common import FAILED, OfStackOption, complain, refuse, say
from ops.errors import FailedError, OpsError
from resource_graph import GraphError

if TYPE_CHECKING:
    from ops.ci.github import GitHub
    from ops.ci.previews import Preview
    from ops.ci.reaper import ReviewStack, Verdict

app = typer.Typer(no_args_is_help=True, help="What the jobs of a pipeline run.")
review = typer.Typer(no_args_is_help=True, help="Environments of pull requests.")
app.add_typer(review, name="review")

NumberOption = Annotated[
    int, typer.Option("--pull-request", min=1, help="Number of the pull request.")
]
CommentOption = Annotated[
    Path | None, typer.Option("--output", help="File for the comment about it.")
]
FolderArgument = Annotated[
    Path, typer.Argument(help="Folder of the previews, a file STACK.md for each.")
]

SECRETS_PROVIDER = "PULUMI_SECRETS_PROVIDER"


def _unless_empty(
    context: typer.Context, parameter: typer.CallbackParam, provider: str
) -> str:
    """Refuse what is empty, as a variable is that GitHub lacks, and not left out."""
    source = context.get_parameter_source(str(parameter.name))
    left_out = source is not None and source.name == "DEFAULT"
    if not provider or (left_out and os.environ.get(SECRETS_PROVIDER) == ""):
        refuse(
            f"{SECRETS_PROVIDER} is empty. Set it in the repository's environment "
            "`review`, to awskms://…, as the stack's base has it: docs/pipelines.md, "
            "Set up. Without AWS: passphrase"
        )
    return provider


_REFRESH = (
    *("refresh", "--preview-only", "--json"),
    # Who may only look may not read secrets, and a refresh would.
    *("--exclude", "**aws:secretsmanager/secretVersion:SecretVersion::**"),
)


@app.command()
def stacks(
    base: Annotated[str, typer.Option(help="Commit that the change is for.")],
    head: Annotated[str, typer.Option(help="Commit of the change.")] = "HEAD",
    platform: Annotated[
        list[str] | None,
        typer.Option(help="Only stacks of it; may be repeated. Default: all."),
    ] = None,
) -> None:
    """Print which stacks a change touches, as the matrix of a job.

    A change that touches none gives an empty matrix, for which GitHub runs no job.
    """
    from ops.ci import stacks as selection
    from ops.stack import project

    root = project()
    found = selection.touched(
        selection.changed_paths(root, base, head), selection.stack_files(root)
    )
    chosen = [
        {"stack": stack.name, "environment": stack.preview_environment}
        for stack in found
        if not platform or stack.platform in platform
    ]
    matrix = json.dumps({"include": chosen})
    _output("matrix", matrix)
    _output("any", str(bool(chosen)).lower())
    print(matrix)


@app.command()
def preview(
    stack: OfStackOption,
    output: Annotated[
        Path, typer.Option(help="Folder for STACK.md, the short form, redacted.")
    ],
    file: Annotated[
        Path | None,
        typer.Option(help="Instead of asking Pulumi: what its preview printed."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="With --file: the exported state.")
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            help="Commit that the change is for: an image that the change names is "
            "previewed instead of the one that runs."
        ),
    ] = "",
) -> None:
    """Preview a stack, judge and price it: short for a comment, in full for a summary.

    With the image that runs, as a pipeline deploys it, whatever the stack's file names.

    Ends with 1 when there is no preview or a policy is against it. Both are written
    all the same, and say so.
    """
    from ops.ci import previews

    found = _previewed(stack, file, against, base)
    output.mkdir(parents=True, exist_ok=True)
    (output / f"{stack}.md").write_text(previews.short(found), encoding="utf-8")
    _summarise(previews.full(found))
    if not found.passed:
        complain(f"{stack}: no preview" if found.failure else f"{stack}: see policies")
        raise typer.Exit(FAILED)


@app.command()
def comment(
    folder: FolderArgument,
    matrix: Annotated[
        str, typer.Option(help="What `ci stacks` printed: whose previews to expect.")
    ] = '{"include": []}',
    commit: Annotated[str, typer.Option(help="What was previewed.")] = "HEAD",
) -> None:
    """Print one comment of the previews of all stacks, redacted."""
    from ops.ci.previews import comment as joined
    from ops.ci.previews import read_fragments

    try:
        expected = [str(entry["stack"]) for entry in json.loads(matrix)["include"]]
    except (KeyError, TypeError, ValueError):
        refuse(f"--matrix: {matrix} is not what `stromhaltig ci stacks` prints")
    print(joined(read_fragments(folder), expected, commit))


@app.command()
def image(
    stack: OfStackOption,
    given: Annotated[
        str, typer.Option(help="REPOSITORY@sha256:DIGEST; empty: what the stack runs.")
    ] = "",
) -> None:
    """Print which image is to be deployed, by its digest."""
    from ops.ci.images import by_digest
    from ops.stack import Stack

    chosen = by_digest(given or str(Stack(stack).outputs.get("release") or ""), stack)
    _output("image", chosen)
    print(chosen)


@app.command()
def redact() -> None:
    """Copy standard input without ARNs, accounts, addresses, ids and secrets."""
    from ops.ci.redaction import redact as without

    print(without(sys.stdin.read()), end="")


@app.command()
def publish(
    file: Annotated[Path, typer.Argument(help="The comment, in Markdown.")],
    number: NumberOption,
    topic: Annotated[
        str, typer.Option(help="One comment each: that of before is edited.")
    ] = "preview",
    commit: Annotated[
        str,
        typer.Option(help="Write nothing when the pull request has a newer one."),
    ] = "",
    link: Annotated[
        str, typer.Option(help="An address to show, which is not redacted.")
    ] = "",
    only_edit: Annotated[
        bool, typer.Option(help="Write no comment where none is yet.")
    ] = False,
) -> None:
    """Write a comment on a pull request, or edit the one of before.

    Takes GITHUB_TOKEN and, as GitHub sets them, GITHUB_REPOSITORY and GITHUB_API_URL.
    """
    from ops.ci import github, posting

    text = _text(file)
    outcome = posting.publish_comment(
        github.GitHub.of_job(),
        number,
        topic,
        text,
        foot=posting.foot(github.run_url(), link),
        commit=commit,
        only_edit=only_edit,
    )
    say(f"Comment on pull request {number}: {outcome}.")


@app.command()
def drift(
    stack: OfStackOption,
    issue: Annotated[
        bool,
        typer.Option("--issue", help="Open, edit or close an issue about it."),
    ] = False,
) -> None:
    """Find what was changed behind the program's back, and change nothing.

    Ends with 1 when something differs, but for --issue, where the issue tells it.
    """
    from ops.ci import github, posting
    from ops.ci.changes import counted, read_changes

    with _refusing():
        changes = read_changes(_pulumi_json(*_REFRESH, "--stack", stack))
    run = github.run_url()
    _summarise(
        posting.drift_body(stack, changes, run)
        if changes
        else f"Stack `{stack}` is as its program made it."
    )
    if issue:
        outcome = posting.report_drift(github.GitHub.of_job(), stack, changes, run)
        say(f"Issue about {stack}: {outcome}.")
    elif changes:
        complain(f"{stack} differs from its program: {counted(changes)}")
        raise typer.Exit(FAILED)


@app.command()
def reap(
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run/--no-dry-run", help="Say what would be done, and do nothing."
        ),
    ] = False,
    max_hours: Annotated[
        float,
        typer.Option(help="Age of environments that are tagged with no last day."),
    ] = 72.0,
) -> None:
    """Destroy environments of pull requests that are closed, or whose time is over.

    Only stacks of this project that are called pr-NUMBER; one that is gone already is
    no error. The comment that says that one is up says then that it is gone. Ends with
    1 when one could not be destroyed, or its comment not be edited; the others are all
    the same.
    """
    from datetime import UTC, datetime, timedelta

    from ops.ci import environments, reaper
    from ops.ci.github import GitHub

    github = GitHub.of_job()
    with _refusing():
        found = _review_stacks()
    verdicts = reaper.judge(
        found, github.pull_request, datetime.now(UTC), timedelta(hours=max_hours)
    )
    lines, failed = [], []
    for verdict in verdicts:
        name, done = verdict.stack.name, "stays"
        if verdict.destroy and dry_run:
            done = "would be destroyed"
        elif verdict.destroy:
            done = "could not be destroyed"
            try:
                done = environments.down(name)
                _tell_gone(github, verdict, done)
            except OpsError as error:
                failed.append(str(error))
        lines.append(f"- `{name}` {done}: {verdict.reason}")
    _summarise("\n".join(lines) or "There are no environments of pull requests.")
    if failed:
        raise FailedError("\n".join(failed))


@app.command()
def notify(
    stack: OfStackOption,
    status: Annotated[Status, typer.Option(help="How the job ended.")],
    what: Annotated[str, typer.Option(help="What the job does.")] = "deployment",
    version: Annotated[str, typer.Option(help="Image or release.")] = "",
    since: Annotated[
        float | None, typer.Option(help="When it began: seconds since 1970.")
    ] = None,
) -> None:
    """Tell a chat how a job ended. The webhook's address is in SLACK_WEBHOOK_URL.

    Without one nobody is told. That a chat does not answer fails no job.
    """
    from ops.ci.github import run_url
    from ops.notify import WEBHOOK
    from ops.notify import notify as tell

    news = News(
        what=what,
        stack=stack,
        status=status,
        version=version,
        seconds=None if since is None else time.time() - since,
        run=run_url(),
    )
    if not os.environ.get(WEBHOOK):
        say(f"{WEBHOOK} is not set: nobody is told. {news.text}")
    elif failure := tell(news.text):
        complain(f"{failure}. Check {WEBHOOK}; it was: {news.text}")


@app.command()
def changelog(
    tag: Annotated[str, typer.Argument(help="Such as v1.2.0.")],
    file: Annotated[Path, typer.Option(help="The changelog.")] = Path("CHANGELOG.md"),
) -> None:
    """Print what the changelog says about a release."""
    from ops.ci.changelog import notes

    print(notes(file, tag))


@review.command()
def decide(
    event: Annotated[
        Path,
        typer.Argument(envvar="GITHUB_EVENT_PATH", help="The event, as GitHub has it."),
    ],
) -> None:
    """Print what an event means for an environment: up, down or none."""
    from ops.ci import review as events

    try:
        content = json.loads(_text(event))
    except ValueError as error:
        refuse(f"{event} is no JSON: {error}")
    decision = events.decide(content)
    _output("action", decision.action)
    _output("number", str(decision.number))
    _summarise(f"Environment of pull request {decision.number}: {decision.reason}.")
    print(decision.action)


@review.command()
def up(
    number: NumberOption,
    secrets_provider: Annotated[
        str,
        typer.Option(
            envvar=SECRETS_PROVIDER,
            help="For a stack that is new: awskms://…, or passphrase.",
            callback=_unless_empty,
        ),
    ] = "passphrase",
    output: CommentOption = None,
    commit: Annotated[
        str,
        typer.Option(
            help="Do nothing when the pull request has a newer one, is closed or not "
            "labelled any more. Takes GITHUB_TOKEN."
        ),
    ] = "",
) -> None:
    """Make or update the environment whose file `stromhaltig review prepare` wrote.

    Ends with 1 when it does not come up, or when its base has no room for another;
    the comment says so.
    """
    from ops.ci import environments

    name = f"pr-{number}"
    if commit and (reason := _unwanted(number, commit)):
        say(f"{name} is left as it is: {reason}.")
        return
    try:
        with _refusing():
            made = environments.up(name, secrets_provider)
    except FailedError as error:
        text = environments.failure(name, error)
        _summarise(text)
        _write(output, text)
        raise
    _output("url", made.url)
    _summarise(made.text)
    _write(output, made.text)
    print(made.url)


@review.command()
def down(number: NumberOption, output: CommentOption = None) -> None:
    """Destroy the environment of a pull request; one that is gone is no error."""
    from ops.ci import environments

    name = f"pr-{number}"
    text = environments.gone(name, environments.down(name))
    _summarise(text)
    _write(output, text)


@review.command()
def unlock(number: NumberOption) -> None:
    """Free the environment of a pull request that a job left locked which is gone."""
    from ops.ci import environments

    name = f"pr-{number}"
    freed = environments.free(name)
    say(f"{name} is free." if freed else f"{name} is left as it is.")


def _previewed(
    stack: str, file: Path | None, against: Path | None, base: str
) -> Preview:
    """The preview, or why there is none."""
    from dataclasses import replace

    from ops.ci.images import as_deployed
    from ops.ci.previews import Preview, read_preview

    named = ""
    try:
        if file is not None:
            printed = json.loads(_text(file))
            state = json.loads(_text(against)) if against else None
        else:
            state = _pulumi_json("stack", "export", "--stack", stack)
            with as_deployed(stack, state, base) as named:
                printed = _pulumi_json(
                    "preview", "--json", "--show-sames", "--stack", stack
                )
        return replace(read_preview(stack, printed, state), unused_image=named)
    except (GraphError, OpsError) as error:
        return Preview(stack=stack, failure=str(error))
    except ValueError as error:
        refuse(f"{file} or {against} is no JSON: {error}")


def _review_stacks() -> list[ReviewStack]:
    """Environments of pull requests in this project, with what is asked of each."""
    from dataclasses import replace

    from ops.ci import environments, reaper

    found = []
    for stack in environments.listed():
        # Gone meanwhile, or damaged: its pull request is asked all the same.
        with suppress(GraphError, OpsError):
            state = _pulumi_json("stack", "export", "--stack", stack.name)
            stack = replace(stack, expires=reaper.expiry(state))
            stack = replace(stack, busy=environments.busy(stack.name))
        found.append(stack)
    return found


def _tell_gone(github: GitHub, verdict: Verdict, done: str) -> None:
    """Have the comment about an environment say that it is gone."""
    from ops.ci import environments, posting
    from ops.ci.github import run_url

    if verdict.pull is None:
        return
    text = environments.gone(verdict.stack.name, f"{done}: {verdict.reason}")
    if verdict.pull.open:
        text += " With the label `review`, the next push makes another."
    posting.publish_comment(
        github,
        verdict.pull.number,
        "review",
        text,
        foot=posting.foot(run_url()),
        only_edit=True,
    )


def _unwanted(number: int, commit: str) -> str:
    """Why nobody waits for the environment of a commit any more; empty: one does."""
    from ops.ci.github import GitHub
    from ops.ci.review import unwanted

    return unwanted(GitHub.of_job().pull_request(number), commit)


def _pulumi_json(*arguments: str) -> Any:
    from ops.stack_graph import pulumi_json

    return pulumi_json(*arguments)


@contextmanager
def _refusing() -> Iterator[None]:
    """Refuse with what Pulumi says, which may name what nobody should read."""
    from ops.ci.redaction import redact as without

    try:
        yield
    except GraphError as error:
        raise OpsError(without(str(error))) from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"{file} cannot be read: {error}")


def _write(file: Path | None, text: str) -> None:
    if file is not None:
        file.write_text(text, encoding="utf-8")


def _output(name: str, value: str) -> None:
    """Hand a value of one line to the next steps of a job, where there is one."""
    if file := os.environ.get("GITHUB_OUTPUT"):
        with Path(file).open("a", encoding="utf-8") as outputs:
            outputs.write(f"{name}={value}\n")


def _summarise(text: str) -> None:
    """Add to the summary of a job; locally, print it."""
    from ops.ci.markdown import SUMMARY_BYTES, cut

    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        whole = cut(text, SUMMARY_BYTES - 2, "… cut: this is all that GitHub takes.")
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(f"{whole}\n\n")
    else:
        print(text)
