"""Who this machine is to others: to AWS, and to the keeper of the state."""

from __future__ import annotations

import json
import subprocess

from ops.checkup import Check
from ops.platforms.platform import Fact, State
from ops.stack import project

WHOAMI_SECONDS = 15.0
"""How long Pulumi may take to reach the state's place."""


def checks() -> list[Check]:
    """For a machine on which no stack was chosen yet."""
    return [
        Check("backend", lambda: [backend()]),
        Check("credentials", lambda: [aws(missing=State.WARNING)]),
    ]


def aws(
    *,
    region: str | None = None,
    profile: str | None = None,
    account: str | None = None,
    missing: State = State.ERROR,
) -> Fact:
    """Ask AWS who we are.

    account: that of the stack; None for any. missing: how bad it is to be nobody.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    quick = Config(
        connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2}
    )
    try:
        session = boto3.Session(profile_name=profile)
        sts = session.client("sts", region_name=region, config=quick)
        found = sts.get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        remedy = "Sign in, such as with: aws sso login"
        return Fact("credentials", missing, f"AWS: {error}", remedy)
    says = f"{found['Arn']} in account {found['Account']}"
    if account and found["Account"] != account:
        return Fact(
            "credentials",
            State.ERROR,
            f"{says}, and the stack is in {account}",
            "Take those of the stack's account, such as with: AWS_PROFILE=NAME",
        )
    return Fact("credentials", State.OK, says)


def backend() -> Fact:
    """See whether the place of the state can be reached."""
    try:
        done = subprocess.run(
            ["pulumi", "whoami", "--verbose", "--json", "--non-interactive"],
            cwd=project(),
            capture_output=True,
            text=True,
            timeout=WHOAMI_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Fact("backend", State.ERROR, f"not reached: {error}", _LOGIN)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        return Fact("backend", State.ERROR, said[-1] if said else "no answer", _LOGIN)
    found = json.loads(done.stdout)
    return Fact("backend", State.OK, f"{found['url']}, as {found['user']}")


_LOGIN = (
    "Say where the state is: pulumi login 's3://BUCKET?region=REGION', as "
    "`stromhaltig bootstrap` prints it"
)
