"""Settings that every platform shares, and the checks that come with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

import names
from contract import APP, Kind, Variable, matching, nearest_hint
from settings import forms

NAMESPACE: Final = f"{names.PROJECT}:"
"""What every key of ours begins with in a stack file."""

DATABASE_LOGIN: Final = Variable(
    "DATABASE_LOGIN",
    Kind.OPERATOR,
    None,
    "Who the app is at the database, once its password was rotated. Not for you to "
    "set: `stromhaltig secrets rotate DATABASE_URL` does.",
    matching("a login like USER:PASSWORD", r"[^\s:@/]+:[^\s:@/]+"),
    optional=True,
)
"""In one value, so that user and password never contradict each other."""

_PROVIDERS: Final = ("aws:", "digitalocean:")
"""Namespaces of a provider's own settings that we read too."""

Problem = tuple[str, str]
"""Where (a path without the namespace) and what, with the remedy."""


def full_key(path: str) -> str:
    """Return a path as the stack file has it: with a namespace."""
    return path if path.startswith(_PROVIDERS) else f"{NAMESPACE}{path}"


def set_command(stack: str, path: str, value: str = "", *, secret: bool = False) -> str:
    """Return the command that sets a key of a stack.

    Without a value the CLI asks for it, which keeps a secret out of the shell's
    history.
    """
    flags = "--path --secret" if secret else "--path"
    words = f"pulumi config set {flags} '{full_key(path)}' {value}".rstrip()
    return f"{words} --stack {stack}"


@dataclass(frozen=True)
class Check:
    """A rule about several settings.

    find: yields the problems of settings.
    needs: paths that must be sound themselves for the rule to make sense.
    """

    find: Callable[[Any], Iterator[Problem]]
    needs: tuple[str, ...] = ()


class Group(BaseModel):
    """Settings that belong together: an object in the stack file."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", hide_input_in_errors=True
    )


class Domain(Group):
    """Where the app is reached."""

    name: forms.DomainName = Field(
        description="Domain of the app, apex or below: stromhaltig.de."
    )
    zone_id: forms.ZoneId | None = Field(
        None,
        description="Route 53 hosted zone that answers for the domain, on AWS and "
        "needed there: certificate validation and alias records are written to it. "
        "Elsewhere you point the domain at the host yourself.",
    )
    www: bool = Field(
        True, description="Serve www. of the domain too, with its own record."
    )

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host name that the app answers to."""
        return (self.name, f"www.{self.name}") if self.www else (self.name,)


class Image(Group):
    """What runs: an image that exists, or a folder to build one from."""

    ref: forms.ImageRef | None = Field(
        None,
        description="Image to deploy, by digest: the same bytes for ever. A tag is "
        "accepted in staging only, for what moves under it is deployed unseen. Beside "
        "`context`, as after a rollback, it is deployed and nothing is built.",
    )
    context: str | None = Field(
        None,
        description="Folder to build the image from, unless there is `ref`. It is "
        "built on `pulumi up`, by BuildKit on the machine that deploys.",
    )
    dockerfile: str = Field(
        "Dockerfile", description="Dockerfile, by its path in `context`."
    )
    build_args: dict[str, forms.EnvironmentValue] = Field(
        {},
        description="Values for `ARG` in the Dockerfile. They can be read in the "
        "image: no secrets.",
        json_schema_extra={"accepts": "names with their values"},
    )
    repository: forms.Repository | None = Field(
        None,
        description="Where to push what is built, after `docker login`. AWS stacks "
        "push to their own; a Docker host without this key builds for itself.",
    )
    cache: Literal["none", "inline", "registry", "gha"] = Field(
        "none",
        description="Where layers are kept for the next build, for a builder that "
        "forgets: in the image under `cache_ref`, as a cache there (more of it), or "
        "with GitHub Actions.",
    )
    cache_ref: forms.ImageTag | None = Field(
        None,
        description="Image for `inline` and `registry`, with a tag that may move: not "
        "in the repository of an AWS stack.",
    )
    builder: forms.Builder | None = Field(
        None,
        description="Name in `docker buildx ls`. By default the first that can push, "
        "or one made in a container; for a Docker host that builds, its own.",
    )


def _none_if_empty(value: object) -> object:
    return None if value == {} else value


class Settings(BaseModel):
    """A stack's settings on any platform. Keys carry the namespace."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=lambda name: f"{NAMESPACE}{name}",
    )

    platform_secrets: ClassVar[tuple[Variable, ...]] = ()
    """Secrets that the platform takes beside the app's; each is optional."""

    rotated: ClassVar[tuple[str, ...]] = ()
    """Variables that the platform makes up, and can make up anew."""

    own_domain: ClassVar[bool] = False
    """Whether the platform serves the app over HTTPS at a domain of its own."""

    provider_secrets: ClassVar[frozenset[str]] = frozenset()
    """Full keys of a provider's own settings that are to be encrypted."""

    stack: str = Field(alias="pulumi:stack", description="Name of the Pulumi stack.")
    environment: Literal["production", "staging"] = Field(
        "production",
        description="What the stack is for. Production refuses what puts data or "
        "availability at risk, and protects what holds data; staging may do without.",
    )
    platform: str = Field(
        "aws", description="Where the app runs. Its settings are below."
    )
    domain: Annotated[Domain | None, BeforeValidator(_none_if_empty)] = Field(
        None,
        description="Where the app is reached. Without a domain AWS and a Docker host "
        "have no certificate and so no HTTPS, which is accepted in staging only; "
        "DigitalOcean and Railway give the app one of their own.",
    )
    image: Image = Field(Image(), description="What runs.")
    app: dict[str, forms.EnvironmentValue] = Field(
        {},
        description="Values of the app's variables that are not secret; each has a "
        "default, see the table of variables.",
    )
    secrets: dict[str, SecretStr] = Field(
        {},
        description="Secrets that only you know, encrypted in the stack file: "
        "`pulumi config set --path --secret 'stromhaltig:secrets.NAME'`. Production "
        "needs all of them.",
    )
    rotations: dict[str, forms.Generation] = Field(
        {},
        description="How often a secret that the stack makes up was made up anew, by "
        "its name. Counted by `stromhaltig secrets rotate`, which then rolls it out.",
        json_schema_extra={"accepts": "names, each with a whole number"},
    )
    accept_previous: bool = Field(
        False,
        description="Give the app the JWT_SECRET before the last rotation too, so that "
        "nobody is signed out by it. `stromhaltig secrets rotate JWT_SECRET` turns it "
        "on, and off with `--finish`.",
    )
    decommission: bool = Field(
        False,
        description="Set to true and deploy before `pulumi destroy`: lifts the "
        "protection of what holds data. On AWS the database still leaves a final "
        "snapshot; on a Docker host only production's backups stay; on DigitalOcean "
        "and Railway nothing does.",
    )

    @property
    def name(self) -> str:
        """What the stack's resources are named after: `stromhaltig-<stack>`."""
        return names.base(self.stack)

    @property
    def production(self) -> bool:
        """Whether the stack is held to production's rules."""
        return self.environment == "production"

    @property
    def built_from_source(self) -> bool:
        """Whether the platform itself builds what runs, from a repository."""
        return False

    @property
    def own_builds(self) -> str:
        """Pattern of images that are built for this stack alone, tagged by content."""
        return ""

    @property
    def protect(self) -> bool:
        """Whether Pulumi refuses to delete what holds data."""
        return self.production and not self.decommission

    def app_secrets(self) -> dict[str, str]:
        """Return the operator's secrets for the app, in plain text."""
        return {
            name: value.get_secret_value()
            for name, value in self.secrets.items()
            if APP.variable(name)
        }

    @property
    def database_login(self) -> tuple[str, str] | None:
        """User and password of the app at the database; None for the owner's."""
        value = self.secrets.get(DATABASE_LOGIN.name)
        if value is None:
            return None
        user, _, password = value.get_secret_value().partition(":")
        return user, password

    def app_value(self, name: str) -> str:
        """Return the value of one of the app's variables that has a default.

        The default also stands in for a value that is wrong, which a rule of its own
        tells: other rules still find something to look at.
        """
        variable = APP.variable(name)
        if variable is None or variable.default is None:
            raise KeyError(f"{name} is not a variable with a default")
        value = self.app.get(name, variable.default)
        return value if variable.rule.accepts(value) else variable.default

    def released(self) -> Self:
        """Return these settings with deletion protection lifted, to decommission."""
        return self

    def command(self, path: str, value: str = "", *, secret: bool = False) -> str:
        """Return the command that sets a key of this stack."""
        return set_command(self.stack, path, value, secret=secret)


def _image_is_given(settings: Settings) -> Iterator[Problem]:
    image = settings.image
    if not image.ref and not image.context and not settings.built_from_source:
        yield (
            "image.ref",
            "is missing. Set it: "
            f"{settings.command('image.ref', 'REPOSITORY@sha256:DIGEST')}",
        )


def _context_can_be_built(settings: Settings) -> Iterator[Problem]:
    image = settings.image
    if image.context and not Path(image.context, image.dockerfile).is_file():
        yield (
            "image.context",
            f'"{image.context}" is not a folder with a {image.dockerfile}. Give its '
            "path from the folder of Pulumi.yaml",
        )


def _only_a_build_is_configured(settings: Settings) -> Iterator[Problem]:
    if settings.image.context:
        return
    for key, value in settings.image:
        if key not in ("ref", "context") and value != Image.model_fields[key].default:
            yield f"image.{key}", "is for an image that is built. Remove it"


def _cache_has_a_place(settings: Settings) -> Iterator[Problem]:
    image = settings.image
    needed = image.cache in ("inline", "registry")
    if needed and not image.cache_ref:
        command = settings.command("image.cache_ref", "REPOSITORY:TAG")
        yield (
            "image.cache_ref",
            f"is missing for cache {image.cache}. Set it: {command}",
        )
    elif image.cache_ref and not needed:
        yield (
            "image.cache_ref",
            f"is for a cache of inline or registry, and it is {image.cache}. Remove it",
        )


def _production_pins_the_image(settings: Settings) -> Iterator[Problem]:
    ref = settings.image.ref
    if ref is None or forms.DIGEST.accepts(ref):
        return
    if settings.production and not re.fullmatch(settings.own_builds, ref):
        yield (
            "image.ref",
            f'"{ref}" is a tag, and what it means can change; production takes '
            "REPOSITORY@sha256:DIGEST. Look it up: docker buildx imagetools inspect "
            f"{ref}",
        )


def _production_has_a_domain(settings: Settings) -> Iterator[Problem]:
    if settings.production and settings.domain is None and not settings.own_domain:
        yield (
            "domain",
            "is missing, and production is served over HTTPS only. Set it: "
            f"{settings.command('domain.name', 'NAME')}",
        )


def _app_values_are_plain_and_valid(settings: Settings) -> Iterator[Problem]:
    plain = {v.name for v in APP.of_kind(Kind.PLAIN)}
    for name in sorted(settings.app.keys() - plain):
        variable = APP.variable(name)
        if variable is None:
            hint = nearest_hint(name, tuple(sorted(plain)))
            yield f"app.{name}", f"no such variable{hint}"
        elif variable.kind is Kind.PLATFORM:
            yield f"app.{name}", "is set by the platform. Remove it"
        else:
            command = settings.command(f"secrets.{name}", secret=True)
            yield f"app.{name}", f"is a secret. Remove it here and set it: {command}"
    values = {name: value for name, value in settings.app.items() if name in plain}
    for name, problem in APP.problems(values):
        yield f"app.{name}", problem


def _production_has_every_app_value(settings: Settings) -> Iterator[Problem]:
    missing = [
        variable.name
        for variable in APP.of_kind(Kind.PLAIN)
        if variable.default is None and variable.name not in settings.app
    ]
    if settings.production and missing:
        yield "app", _missing(missing, settings.command("app.NAME", "VALUE"))


def _secrets_are_known_and_valid(settings: Settings) -> Iterator[Problem]:
    of_app = APP.of_kind(Kind.OPERATOR, Kind.GENERATED)
    own = {v.name: v for v in (*of_app, *settings.platform_secrets)}
    for name, value in settings.secrets.items():
        path = f"secrets.{name}"
        variable = own.get(name) or APP.variable(name)
        if variable is None:
            hint = nearest_hint(name, tuple(sorted(own)))
            yield path, f"no such secret{hint}"
        elif variable.kind is Kind.PLATFORM:
            yield path, "is set by the platform. Remove it"
        elif variable.kind is Kind.PLAIN:
            yield path, f"is not a secret. Set it under {NAMESPACE}app"
        elif not variable.rule.accepts(value.get_secret_value()):
            choice = " or leave it out: one is generated"
            yield (
                path,
                f"must be {variable.rule.says}. Set it again: "
                f"{settings.command(path, secret=True)}"
                f"{choice if variable.kind is Kind.GENERATED else ''}",
            )


def _production_has_every_secret(settings: Settings) -> Iterator[Problem]:
    missing = [
        variable.name
        for variable in APP.of_kind(Kind.OPERATOR)
        if not variable.optional and variable.name not in settings.secrets
    ]
    if settings.production and missing:
        yield (
            "secrets",
            _missing(missing, settings.command("secrets.NAME", secret=True)),
        )


def _rotations_are_of_what_is_made_up(settings: Settings) -> Iterator[Problem]:
    generated = [variable.name for variable in APP.of_kind(Kind.GENERATED)]
    known = (*generated, *settings.rotated)
    counted = DATABASE_LOGIN in settings.platform_secrets
    for name in sorted(settings.rotations):
        path = f"rotations.{name}"
        # It is set and counted in one: by the count, an older stack file shows.
        if counted and name == DATABASE_LOGIN.name:
            continue
        if name in settings.secrets:
            yield (
                path,
                f"is for a secret that is made up, and secrets.{name} is your own. "
                "Remove one of them",
            )
        elif name not in known:
            hint = nearest_hint(name, known) or f". Those are {', '.join(known)}"
            yield path, f"no such secret that is made up here{hint}"


def _a_previous_value_is_there(settings: Settings) -> Iterator[Problem]:
    if settings.accept_previous and not any(
        variable.previous and variable.name in settings.rotations
        for variable in APP.of_kind(Kind.GENERATED)
    ):
        yield (
            "accept_previous",
            "is for a JWT_SECRET that was rotated, and rotations.JWT_SECRET is not "
            "there. Remove it",
        )


def _missing(what: list[str], command: str) -> str:
    verb, pronoun = ("is", "it") if len(what) == 1 else ("are", "each")
    return f"{', '.join(sorted(what))} {verb} missing. Set {pronoun}: {command}"


CHECKS: Final = (
    Check(_image_is_given, ("image",)),
    Check(_context_can_be_built, ("image.context", "image.dockerfile")),
    Check(_only_a_build_is_configured, ("image",)),
    Check(_cache_has_a_place, ("image",)),
    Check(_production_pins_the_image, ("environment", "image.ref")),
    Check(_production_has_a_domain, ("environment", "domain")),
    Check(_app_values_are_plain_and_valid),
    Check(_production_has_every_app_value, ("environment", "app")),
    Check(_secrets_are_known_and_valid),
    Check(_production_has_every_secret, ("environment", "secrets")),
    Check(_rotations_are_of_what_is_made_up, ("rotations", "secrets")),
    Check(_a_previous_value_is_there, ("rotations", "accept_previous")),
)
"""Rules of every platform."""
