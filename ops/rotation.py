"""Making secrets up anew: by the program, so that Pulumi's state stays true.

A rotation counts up `rotations.NAME` in the stack file, and rolls out. What was begun
and not finished shows in configuration, outputs and the server's roles, and nowhere
else: whoever runs the command again goes on from there. A count never goes down: a
file that has a lower one than the outputs is older than what is deployed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import names
from contract import APP, Generated, Kind, Variable
from ops import delivery
from ops.common import Steps, is_kept, say
from ops.delivery import RollOutError, UnwatchedError
from ops.errors import NotOfferedError, OpsError, nearest
from ops.platforms import platform_of

if TYPE_CHECKING:
    from ops.lock import Held
    from ops.stack import Stack

DATABASE = "DATABASE_URL"

LOGIN = "DATABASE_LOGIN"
"""Counted for itself: two logins take turns, and their names tell no order."""

_ALTERNATIVES = {
    "digitalocean": "Reset it there, which ends the old one at once: doctl databases "
    "user reset CLUSTER USER; then let the program read it: pulumi up --refresh",
    "railway": "Its image sets it once, with the first start: move to a new database "
    "with stromhaltig db backup and db restore",
}
"""What to do where a password cannot be rotated, by platform."""


def variable_of(stack: Stack, name: str) -> Variable:
    """The secret of a name, of the app or of what the platform has beside it.

    Raises OpsError, with the nearest name, for one that is no secret.
    """
    known = {variable.name: variable for variable in secrets_of(stack)}
    if name in known:
        return known[name]
    plain = APP.variable(name)
    if plain:
        raise OpsError(
            f"{name} is not secret. Set it: pulumi config set --path "
            f"'stromhaltig:app.{name}' VALUE --stack {stack.name}"
        )
    raise OpsError(
        f'There is no secret "{name}". {nearest(name, known, kind="secrets")}'
    )


def made_with(name: str) -> str | None:
    """The secret that another one is a by-product of; None for one of its own."""
    if name == LOGIN:
        return DATABASE
    return next((v.name for v in APP.variables if v.previous == name), None)


def secrets_of(stack: Stack) -> tuple[Variable, ...]:
    """Every secret that a stack can have, the app's first."""
    from settings import PLATFORMS

    platform = PLATFORMS[platform_name(stack)].settings
    return (*(v for v in APP.variables if v.secret), *platform.platform_secrets)


def platform_name(stack: Stack) -> str:
    """Where the stack's file says that it runs."""
    return stack.get("platform", "aws") or "aws"


@dataclass(frozen=True)
class Rotation:
    """What a rotation is about to do.

    variable: the secret. steps: what happens, in order, for people.
    sign_out: everybody has to sign in again. finish: only the value before goes.
    """

    variable: Variable
    steps: tuple[str, ...]
    sign_out: bool = False
    finish: bool = False


def plan(
    stack: Stack, name: str, *, sign_out: bool = False, finish: bool = False
) -> Rotation:
    """Say what rotating a secret takes.

    sign_out: of JWT_SECRET: do not accept the one before. finish: only stop accepting
    that, after an earlier rotation.

    Raises OpsError for a secret that is not made up here, NotOfferedError where the
    platform cannot change it; each says what to do instead.
    """
    variable = variable_of(stack, name)
    _demand_made_up(stack, variable)
    # A secret of its own gets a count above any that was deployed, and is made up anew.
    demand_current(stack, but=() if finish else (name, *_made_of(stack, name)))
    if (sign_out or finish) and not variable.previous:
        raise OpsError(f"{name}: no value before it is ever accepted by the app")
    if finish:
        _demand_previous(stack, variable)
    if variable.previous and not sign_out and stack.get("accept_previous") == "true":
        demand_expired(stack, variable)
    if finish:
        return Rotation(variable, _FINISH_STEPS, sign_out=sign_out, finish=True)
    if name == DATABASE:
        return Rotation(variable, _DATABASE_STEPS)
    made = (f"{name} is made up anew by the program, and the app rolled out with it",)
    if not variable.previous:
        note = _CACHE_NOTES.get(platform_name(stack)) if name == "REDIS_URL" else None
        return Rotation(variable, (*made, note) if note else made)
    if sign_out:
        consequences = ["everybody is signed out: the old one is not accepted"]
    else:
        consequences = [
            f"{variable.previous} keeps the old one, so that sessions go on",
            f"once they have ended, {lifetime(stack)} later: stromhaltig secrets "
            f"rotate {name} --finish --stack {stack.name}",
        ]
    return Rotation(variable, (*made, *consequences), sign_out=sign_out)


_DATABASE_STEPS = (
    "a second login gets a password of its own; both are valid from now on",
    "it signs in, and is seen to read and write everything",
    "the app is rolled out with it",
    "the login before is closed once nobody uses it; the owner's own, which the app "
    "has before the first rotation, gets another password instead",
)
_FINISH_STEPS = ("the app is rolled out without the value before",)
_CACHE_NOTES = {
    "docker": "the cache restarts with it: for seconds the app works without",
    "railway": "the cache restarts with it: for seconds the app works without",
    "aws": "the cache takes the old one too until the next rotation",
}


def _demand_made_up(stack: Stack, variable: Variable) -> None:
    from settings import PLATFORMS

    name, platform = variable.name, platform_name(stack)
    if other := made_with(name):
        raise OpsError(f"{name} changes with {other}: rotate that")
    if variable.kind is Kind.OPERATOR:
        raise OpsError(
            f"{name} is not made up here: get a new one where it comes from, then: "
            f"stromhaltig secrets set {name} --stack {stack.name}"
        )
    if variable.kind is Kind.GENERATED and stack.get(f"secrets.{name}") is not None:
        raise OpsError(
            f"{name} is your own in this stack. Replace it: stromhaltig secrets set "
            f"{name} --stack {stack.name}"
        )
    if variable.kind is Kind.PLATFORM:
        if name not in PLATFORMS[platform].settings.rotated:
            remedy = _ALTERNATIVES.get(platform, "")
            raise NotOfferedError(
                f"{platform} has no password of {name} that could change while the old "
                f"one is valid. {remedy}"
            )
        if name not in (stack.outputs.get("secrets") or ()):
            raise OpsError(f"Stack {stack.name} has no {name}: the option is off")


def _demand_previous(stack: Stack, variable: Variable) -> None:
    there = variable.previous in (stack.outputs.get("secrets") or ())
    if not there and stack.get("accept_previous") != "true":
        raise OpsError(f"{variable.name}: no value before it is accepted any more")


def lifetime(stack: Stack) -> timedelta:
    """How long a session lasts."""
    variable = APP.variable("JWT_EXPIRES_IN")
    text = str(stack.get("app.JWT_EXPIRES_IN") or (variable and variable.default))
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[text[-1]]
    return timedelta(**{unit: int(text[:-1])})


def demand_expired(
    stack: Stack, variable: Variable, now: datetime | None = None
) -> None:
    """Refuse to drop a previous value as long as there are sessions of its time.

    Raises OpsError with when that will be.
    """
    since = made_at(stack).get(variable.name)
    until = since + lifetime(stack) if since else None
    if until and (now or datetime.now(UTC)) < until:
        raise OpsError(
            f"Sessions that only {variable.previous} knows last until "
            f"{until:%Y-%m-%d %H:%M} UTC. Wait for that, or sign them out: --sign-out"
        )


def made_at(stack: Stack) -> dict[str, datetime]:
    """When what the program makes up was made up last, by variable, from the state."""
    created = {
        resource["urn"].rpartition("::")[2]: resource.get("created")
        for resource in stack.export()["deployment"].get("resources") or ()
        if resource["type"] == "random:index/randomPassword:RandomPassword"
    }
    found = {variable: created.get(name) for variable, name in _resources(stack)}
    return {name: datetime.fromisoformat(at) for name, at in found.items() if at}


def _resources(stack: Stack) -> Iterator[tuple[str, str]]:
    """Variable, and name of the resource that makes it up now."""
    base, done = names.base(stack.name), deployed(stack)
    for variable in APP.of_kind(Kind.GENERATED):
        wanted = Generated(
            variable=variable.name, generation=done.get(variable.name, 0)
        )
        yield variable.name, f"{base}-{wanted.label}"
    yield DATABASE, f"{base}-database"
    yield "REDIS_URL", f"{base}-cache"


def deployed(stack: Stack) -> dict[str, int]:
    """How often each secret was rotated, as the last update left it."""
    found = stack.outputs.get("rotations") or {}
    return {name: int(count) for name, count in found.items()}


def configured(stack: Stack, name: str) -> int:
    """How often a secret is to be rotated, as the stack file says."""
    return int(stack.get(f"rotations.{name}") or 0)


@dataclass(frozen=True)
class Behind:
    """A secret that was rotated since the stack file was written.

    says: what tells so. remedy: what to do when nobody has the newer file any more.
    """

    name: str
    says: str
    remedy: str


def behind(stack: Stack) -> Iterator[Behind]:
    """Where the stack file is older than what is deployed, by the outputs.

    A higher count in the file is a rotation under way.
    """
    if not is_kept(stack):
        return
    # A secret that the program knows no more could not be counted in the file.
    known, done = {variable.name for variable in secrets_of(stack)}, deployed(stack)
    for name in sorted(known & done.keys()):
        asked = configured(stack, name)
        if asked < done[name] and not _is_own(stack, name):
            times = "once" if done[name] == 1 else f"{done[name]} times"
            says = f"{name} was rotated {times} there, the file says {asked}"
            yield Behind(name, says, _way_forward(stack, name, done[name]))
    if LOGIN in known and LOGIN not in done and _names_no_login(stack):
        user = stack.outputs["database_user"]
        says = f"the app is {user} at the database there, the file names no login"
        yield Behind(LOGIN, says, _way_forward(stack, LOGIN, 1))


def other_login(stack: Stack) -> str | None:
    """A login of the file that is not deployed, when nobody knows which is newer.

    None where the count tells: this is of rotations from before there was one.
    """
    if not is_kept(stack):
        return None
    user = str(stack.get(f"secrets.{LOGIN}") or "").partition(":")[0]
    known = stack.outputs.get("database_user")
    counted = configured(stack, LOGIN) > deployed(stack).get(LOGIN, 0)
    return user if user and known and user != known and not counted else None


def older(stack: Stack, found: Collection[Behind]) -> tuple[str, str]:
    """Say that a stack file is older than what is deployed, and what to do."""
    remedies = dict.fromkeys(each.remedy for each in found)
    return (
        f"Pulumi.{stack.name}.yaml is older than what is deployed: "
        f"{'; '.join(each.says for each in found)}",
        "Take the file of whoever rotated it (git pull). If nobody has it: "
        f"{'; '.join(remedies)}",
    )


def demand_current(stack: Stack, but: Collection[str] = ()) -> None:
    """Refuse to roll a stack file out that is older than what is deployed.

    but: secrets that get a new value anyway.

    Raises OpsError, naming what was rotated since.
    """
    found = [each for each in behind(stack) if each.name not in but]
    if found:
        raise OpsError("{}. {}".format(*older(stack, found)))


def _made_of(stack: Stack, name: str) -> list[str]:
    """Secrets that are by-products of another one."""
    return [v.name for v in secrets_of(stack) if made_with(v.name) == name]


def _is_own(stack: Stack, name: str) -> bool:
    """Whether `secrets set` put somebody's own value in the place of the count."""
    return name != LOGIN and stack.get(f"secrets.{name}") is not None


def _names_no_login(stack: Stack) -> bool:
    """Whether the app would become the owner again, which no rotation does."""
    from ops.database.roles import TURNS

    user = str(stack.outputs.get("database_user") or "")
    return user.endswith(TURNS) and stack.get(f"secrets.{LOGIN}") is None


def _way_forward(stack: Stack, name: str, count: int) -> str:
    """How the file comes to ask for what is deployed, or for something newer."""
    from settings.model import set_command

    if name in {DATABASE, LOGIN}:
        return f"stromhaltig secrets rotate {DATABASE} --stack {stack.name}"
    command = set_command(stack.name, f"rotations.{name}", str(count))
    variable = APP.variable(name)
    previous = variable.previous if variable else None
    if previous in (stack.outputs.get("secrets") or ()):
        more = set_command(stack.name, "accept_previous", "true")
        return f"{command} && {more}"
    return command


def rotate(stack: Stack, rotation: Rotation, steps: Steps, held: Held) -> None:
    """Make a secret up anew and roll it out, or end what was begun.

    Raises RollOutError when the app does not serve with it.
    """
    name = rotation.variable.name
    if name == DATABASE:
        from ops import login_rotation

        login_rotation.rotate(stack, steps, held)
        return
    if rotation.finish:
        stack.unset("accept_previous")
    else:
        with steps.step("configuration") as facts:
            facts += _count_up(stack, rotation.variable, sign_out=rotation.sign_out)
    held.check()
    roll_out(stack, steps)


def roll_out(stack: Stack, steps: Steps) -> None:
    """Run the program, and wait until what it asked for serves.

    Raises OpsError when it would lose something beside, RollOutError when the app does
    not serve.
    """
    delivery.demand_harmless(stack, delivery.plan(stack, steps))
    try:
        delivery.update(stack, steps, platform_of(stack).running())
    except RollOutError as error:
        raise RollOutError(
            f"{error}\nThe stack file asks for the new value, which is not rolled out. "
            f"When the reason is gone: stromhaltig deploy --stack {stack.name}",
            moved=error.moved,
            serves=error.serves,
        ) from None
    except UnwatchedError:
        say("To go on with it, run the same command again.")
        raise


def count_up(stack: Stack, name: str) -> bool:
    """Count above what is deployed; False when an earlier run has already."""
    done = deployed(stack).get(name, 0)
    if configured(stack, name) > done:
        return False
    stack.set(f"rotations.{name}", str(done + 1))
    return True


def _count_up(stack: Stack, variable: Variable, *, sign_out: bool) -> list[str]:
    """Ask for the next generation, unless an earlier run has and got no further."""
    name, said = variable.name, []
    if not count_up(stack, name):
        said.append("going on with a rotation that was interrupted")
    if variable.previous and sign_out:
        stack.unset("accept_previous")
    elif variable.previous:
        stack.set("accept_previous", "true")
    return [*said, f"{name} is at count {configured(stack, name)}"]
