"""`stromhaltig review`: stack files for pull requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.common import refuse
from ops.stack import ROOT, project

TEMPLATE = "Pulumi.review.yaml"
"""What every review's file is made of."""

app = typer.Typer(no_args_is_help=True, help="Environments of pull requests.")

# What Pulumi itself, and an operator, have put into a review's file since.
_KEPT = ("secretsprovider", "encryptedkey", "encryptionsalt")
_SECRETS = "stromhaltig:secrets"


@app.callback()
def review() -> None:
    """Keep `prepare` a command of its own, for more to come beside it."""


@app.command("prepare")
def prepare_command(
    number: Annotated[int, typer.Argument(help="Number of the pull request.")],
    ref: Annotated[
        str, typer.Option(metavar="REPOSITORY@sha256:DIGEST", help="Image to run.")
    ],
    days: Annotated[
        int,
        typer.Option(
            metavar="DAYS", min=1, max=30, help="How long until it may be taken down."
        ),
    ] = 3,
) -> None:
    """Write Pulumi.pr-NUMBER.yaml, for `pulumi up --stack pr-NUMBER`."""
    expires = datetime.now(UTC) + timedelta(days=days)
    try:
        path = prepare(number, ref, expires, project())
    except (OSError, ValueError) as error:
        refuse(str(error))
    print(f"{path.name} written. Then: pulumi up --stack pr-{number}")


def prepare(number: int, ref: str, expires: datetime, folder: Path = ROOT) -> Path:
    """Write the stack file of a pull request; return where it is.

    A file that is there already gets the new image and time; its secrets and how they
    are encrypted stay. Everything else is as the template says now.

    Args:
        number: of the pull request.
        ref: image to run, by digest.
        expires: when the review may be taken down, with a time zone.
        folder: of the file, and of the template where it has one of its own, as a
            rehearsal has; the clone's otherwise.

    Raises:
        OSError: when the template cannot be read, or the file not be written.
        ValueError: for a number, an image or a time that no review can have, and for
            a file that is no YAML.
    """
    import yaml

    own = folder / TEMPLATE
    template = own if own.is_file() else ROOT / TEMPLATE
    text = template.read_text(encoding="utf-8")
    content = prepared(text, number, ref=ref, expires=expires)
    path = folder / f"Pulumi.pr-{number}.yaml"
    if path.is_file():
        try:
            former = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except yaml.YAMLError:
            # Not what is wrong: the message would quote lines of the file.
            raise ValueError(f"{path.name} is no YAML. Mend or remove it") from None
        content |= {key: former[key] for key in _KEPT if key in former}
        secrets = (former.get("config") or {}).get(_SECRETS)
        if secrets:
            content["config"][_SECRETS] = secrets
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def prepared(
    template: str, number: int, *, ref: str, expires: datetime
) -> dict[str, Any]:
    """Return the content of a review's stack file.

    Args:
        template: text of the template.
        number, ref, expires: as of `prepare`.

    Raises:
        ValueError: as `prepare`.
    """
    import yaml

    from settings import forms
    from settings.aws.review import LAST, tags_of

    if not 1 <= number <= LAST:
        raise ValueError(f"{number} is no number of a pull request from 1 to {LAST}")
    if expires.tzinfo is None:
        raise ValueError(f"expires: {expires} has no time zone, such as UTC")
    forms.DIGEST(ref)
    content: dict[str, Any] = yaml.safe_load(template)
    until = expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content["config"] |= {
        "aws:defaultTags": {"tags": tags_of(number, until)},
        "stromhaltig:image": {"ref": ref},
    }
    return content
