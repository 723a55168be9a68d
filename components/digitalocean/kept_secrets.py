"""Secrets of an app without perpetual drift.

App Platform encrypts a secret when it first gets it, and answers with `EV[1:…]` from
then on. The provider compares that with the plain text of the program, finds them
different each time, and deploys (terraform-provider-digitalocean#1603). The API takes
the encrypted value back: "On following submissions, the encrypted value should be
used" (godo, apps.gen.go, AppVariableDefinition).

So the app carries a digest of the plain values, in an environment variable that is not
secret. Where it is that of the values the program has now, the program passes what
the platform made of them; else the plain ones. Digest and values are written by the
same call, so they never contradict each other.

What a provider that imitates DigitalOcean has to do (resource
`digitalocean:index/app:App`, function `digitalocean:index/getApp:getApp`):

- After create, update and read, each entry of `spec.services[].envs` and
  `spec.jobs[].envs` whose `type` is `SECRET` has as `value`, in the outputs,
  `EV[1:NONCE:CIPHERTEXT]` instead of plain text; another nonce each time that plain
  text is written. A value that is given as `EV[1:…]` and that the app has under this
  component and key is kept byte by byte; any other `EV[1:…]` is refused. The same for
  `image.registryCredentials`.
- A read (refresh) also gives such values as inputs.
- Difference: the new inputs against the old *outputs* of these values, not against the
  old inputs. So plain text always differs, and the right `EV[1:…]` never does.
- Every update starts a deployment: it gives another `activeDeploymentId`, and runs
  every job of kind PRE_DEPLOY. What the rehearsal counts is that.
- `getApp` takes `appId`, and answers with `specs: [SPEC]`, the outputs' `spec`. For an
  ID that is not there it answers without `specs`, as the provider does (its read sets
  an empty ID on 404 and returns no error).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

import pulumi

from components.digitalocean.app_spec import leaves

DIGEST = "SECRETS_DIGEST"
"""Environment variable, of the app as a whole, that tells which secrets it has."""

_READ_OUTPUTS = "pulumi:pulumi:readStackOutputs"
_GET_APP = "digitalocean:index/getApp:getApp"


def own_output(name: str) -> pulumi.Output[str]:
    """Return one of this stack's outputs as the last update left it, or ''.

    The function of the engine that `StackReference` is made of. A reference to the
    stack itself would be a resource that each refresh finds changed, and that holds
    every output a second time.

    Args:
        name: of an output that is text and no secret.
    """
    stack = "/".join(
        (pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack())
    )

    async def read(stack: str) -> str:
        answer = await pulumi.runtime.invoke_async(_READ_OUTPUTS, {"name": stack})
        value = (answer.get("outputs") or {}).get(name)
        return value if isinstance(value, str) else ""

    return pulumi.Output.from_input(stack).apply(read)


def deployed(
    app_id: pulumi.Input[str], opts: pulumi.InvokeOptions
) -> pulumi.Output[dict[str, str]]:
    """Return what the app's spec says now, by path as `app_spec.leaves` has them.

    Empty without an app: there is no ID yet, or somebody deleted it.

    Args:
        app_id: UUID, or ''.
        opts: how the provider is found.

    Any other trouble stops the program: to take it for a missing app would deploy for
    nothing.
    """

    async def read(app_id: str) -> dict[str, str]:
        if not app_id:
            return {}
        answer = await pulumi.runtime.invoke_async(_GET_APP, {"appId": app_id}, opts)
        specs = answer.get("specs") or [{}]
        return {
            path: value
            for path, value in leaves(_snake_case(specs[0]))
            if isinstance(value, str)
        }

    return pulumi.Output.secret(app_id).apply(read)


def digest(key: str, values: Mapping[str, str]) -> str:
    """Return what tells these values from others, and nothing else of them.

    Args:
        key: random text; without it, weak secrets could be guessed from the digest.
        values: path to plain text.
    """
    text = json.dumps(sorted(values.items()))
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def to_pass(
    path: str, plain: str, *, app: str, digest: str, now: Mapping[str, str]
) -> str:
    """Return a secret's value as the app gets it: encrypted if nothing changed.

    Args:
        path: of the value in the spec.
        plain: the value.
        app: name of the app. Another app cannot read the values of this one.
        digest: of all secret values that the program has.
        now: what `deployed` returned.
    """
    same = now.get("name") == app and now.get(f"envs/{DIGEST}/value") == digest
    return (now.get(path) or plain) if same else plain


def _snake_case(value: Any) -> Any:
    """Return the provider's answer with the names that the program uses."""
    if isinstance(value, Mapping):
        return {
            re.sub(r"(?<!^)(?=[A-Z])", "_", key).lower(): _snake_case(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_snake_case(item) for item in value]
    return value
