"""`stromhaltig bootstrap`: what an AWS account needs before its first stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.common import (
    DryRunOption,
    JsonOption,
    Steps,
    YesOption,
    confirm,
    print_json,
    say,
)
from ops.errors import FailedError, OpsError

if TYPE_CHECKING:
    from ops.foundation import Foundation

NameOption = Annotated[
    str, typer.Option(help="What the key is called, and the bucket begins with.")
]


def bootstrap(
    region: Annotated[
        str | None,
        typer.Option(
            help="Where the state is kept; default: where your AWS settings lead."
        ),
    ] = None,
    name: NameOption = "stromhaltig-state",
    bucket: Annotated[
        str | None,
        typer.Option(help="What the bucket is called; default: NAME-ACCOUNT-REGION."),
    ] = None,
    github: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/REPOSITORY",
            help="Let workflows of this repository sign in to AWS without a key: adds "
            "GitHub's identity provider.",
        ),
    ] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the bucket and the key of Pulumi's state, and say what comes next.

    The bucket keeps former states, is encrypted, and is closed to the public. What is
    there already is kept, and a run that broke off is gone on with; twice changes
    nothing.
    """
    from ops.foundation import lacking

    foundation = _foundation(region, name, bucket)
    parts = foundation.parts(github=github is not None)
    say(f"Account {foundation.account}, {foundation.region}:")
    missing = list(lacking(parts))
    for part, to_do in missing:
        say(f"- {part.name}: {to_do}")
    if not missing:
        say("Everything is there.")
    elif dry_run:
        say("Nothing was done.")
    else:
        confirm(f"Do that in account {foundation.account}?", yes=yes)
        steps = Steps()
        for part, _ in missing:
            with steps.step(part.name):
                part.make()
        if left := [part.name for part, _ in lacking(parts)]:
            raise FailedError(
                f"Still not as it should be: {', '.join(left)}. AWS may need a moment; "
                "run it again"
            )
        say("Everything is there.")
    done = not (missing and dry_run)
    if as_json:
        print_json(_facts(foundation, github, done=done))
    elif done:
        _show_next(foundation, github)


def _foundation(region: str | None, name: str, bucket: str | None) -> Foundation:
    """The account that the credentials are of.

    Raises OpsError without a region.
    """
    import boto3

    from ops.foundation import Foundation

    session = boto3.Session(region_name=region)
    if session.region_name is None:
        raise OpsError("Where is the state to be kept? Say it: --region eu-central-1")
    account = session.client("sts").get_caller_identity()["Account"]
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = session.client(service)  # type: ignore[call-overload]
        return clients[service]

    return Foundation(
        client,
        account=account,
        region=session.region_name,
        name=name,
        bucket=bucket,
    )


def _facts(
    foundation: Foundation, github: str | None, *, done: bool
) -> dict[str, object]:
    return {
        "account": foundation.account,
        "region": foundation.region,
        "done": done,
        "backend_url": foundation.backend_url,
        "secrets_provider": foundation.secrets_provider,
        "bucket": foundation.bucket,
        "key_arn": foundation.key_arn() if done else None,
        "github_provider_arn": foundation.provider_arn if github else None,
    }


def _show_next(foundation: Foundation, github: str | None) -> None:
    """Print the commands that come next, ready to be pasted."""
    print(f"pulumi login '{foundation.backend_url}'")
    provider = foundation.secrets_provider
    for stack in ("staging", "production"):
        print(f"pulumi stack init {stack} --secrets-provider '{provider}'")
    if github is None:
        return
    settings = {
        "repository": github,
        "provider_arn": foundation.provider_arn,
        "state_bucket": foundation.bucket,
        "state_key_arn": foundation.key_arn(),
    }
    for key, value in settings.items():
        print(f"pulumi config set --path 'stromhaltig:github.{key}' '{value}'")
