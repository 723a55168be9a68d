"""The app's image: taken as it is, or built from a folder with BuildKit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pulumi
import pulumi_docker_build as docker_build
import pulumi_random as random

from components.build_context import content_hash

Cache = Literal["none", "inline", "registry", "gha"]

Platform = Literal["linux/amd64", "linux/arm64"]

PLATFORMS: Mapping[str, Platform] = {"arm64": "linux/arm64", "x86_64": "linux/amd64"}
"""Platform of a processor, by the name that settings have for it."""

ENGINES_OWN_BUILDER = "default"
"""The builder inside a Docker engine; what it builds is in the engine at once."""

_TAG_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who pushes to a registry.

    address: the registry, or a repository in it.
    username, password: as `docker login` takes them; kept as secrets.
    """

    address: pulumi.Input[str]
    username: pulumi.Input[str]
    password: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class Build:
    """An image to build, and where it goes.

    context: folder, from where Pulumi runs. What its `.dockerignore` leaves out
        neither reaches the build nor causes one.
    dockerfile: path in the folder.
    build_args: values for `ARG`. They stay readable in the image: no secrets.
    platforms: what to build for; empty for the builder's own.
    repository: name of the image, without tag; with its registry unless `load`.
    load: into the Docker engine that builds, for containers there; else it is pushed.
    login: None for what `docker login` has left on the machine that deploys.
    tag_prefix: begins every tag.
    cache: where layers are kept for the next build: in the image itself, as an image
        of their own, or with GitHub Actions. A builder that lives on has its own.
    cache_ref: image with a tag that may move, for `inline` and `registry`.
    builder: of `docker buildx ls`. None takes the engine's own with `load`, else the
        first that can push, or a new one in a container.
    """

    context: str
    dockerfile: str = "Dockerfile"
    build_args: Mapping[str, str] = field(default_factory=dict)
    platforms: Sequence[Platform] = ()
    repository: pulumi.Input[str]
    load: bool = False
    login: Login | None = None
    tag_prefix: str = ""
    cache: Cache = "none"
    cache_ref: str | None = None
    builder: str | None = None

    def __post_init__(self) -> None:
        """Refuse what BuildKit would refuse late or not at all.

        Raises:
            ValueError: for a cache without a place, or the reverse, and for an
                engine that is to hold several platforms.
        """
        if (self.cache in ("inline", "registry")) != (self.cache_ref is not None):
            raise ValueError(
                f'cache_ref: goes with a cache of "inline" or "registry", and the '
                f'cache is "{self.cache}"'
            )
        if self.load and len(self.platforms) > 1:
            raise ValueError(
                f"platforms: {', '.join(self.platforms)} are more than one, and an "
                "engine runs one; push the image instead"
            )


@dataclass(frozen=True, kw_only=True)
class AppImageArgs:
    """Either an image that exists, or one to build.

    ref: REPOSITORY@sha256:DIGEST, or a tag.
    build: how to build it.
    """

    ref: str | None = None
    build: Build | None = None

    def __post_init__(self) -> None:
        """Refuse both and neither.

        Raises:
            ValueError: when not exactly one of the two is given.
        """
        if (self.ref is None) == (self.build is None):
            raise ValueError("an image needs either ref or build")


class AppImage(pulumi.ComponentResource):
    """An image that runs as the same bytes wherever it is started.

    An image that exists is taken by its reference; nothing is made. One that is
    built is built on `up` only, and whoever uses it gets the digest that was pushed.

    Every build that is pushed gets a tag of its own: a hash of what goes into it, and
    a random part. The hash alone would do until someone goes back to a former source:
    two builds of one source differ in their timestamps, and a registry with immutable
    tags refuses the second. In an engine, where tags move, the hash is enough.

    A superseded image stays, for a rollback; so does the last one on `destroy`. The
    provider would delete it from registry and engine. Expiry is the registry's.

    Raises pulumi.RunError when there is nothing to build by.
    """

    ref: pulumi.Output[str]
    """What to run: REPOSITORY@sha256:DIGEST, or the tag of an image in the engine."""

    digest: pulumi.Output[str | None]
    """sha256:…; None for a tag, and for an image in the engine."""

    context_hash: pulumi.Output[str | None]
    """The provider's hash of what was built; None for an image that existed."""

    def __init__(
        self, name: str, args: AppImageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stromhaltig:image:AppImage", name, None, opts)
        if args.build is None:
            self._take(str(args.ref))
        else:
            self._build(name, args.build)
        self.register_outputs(
            {
                "ref": self.ref,
                "digest": self.digest,
                "context_hash": self.context_hash,
            }
        )

    def _take(self, ref: str) -> None:
        _, _, digest = ref.partition("@")
        self.ref = pulumi.Output.from_input(ref)
        self.digest = pulumi.Output.from_input(digest or None)
        self.context_hash = pulumi.Output.from_input(None)

    def _build(self, name: str, build: Build) -> None:
        source = _source(build)
        tag = pulumi.Output.from_input(f"{build.tag_prefix}{source[:_TAG_DIGITS]}")
        if not build.load:
            unique = random.RandomId(
                name,
                byte_length=4,
                keepers={"source": source},
                opts=pulumi.ResourceOptions(parent=self),
            )
            tag = pulumi.Output.concat(tag, "-", unique.hex)
        tagged = pulumi.Output.concat(build.repository, ":", tag)
        image = docker_build.Image(
            name,
            _image_args(name, build, tagged),
            pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.context_hash = pulumi.Output.from_input(image.context_hash)
        if build.load:
            self.digest = pulumi.Output.from_input(None)
            # Not before it is built.
            self.ref = pulumi.Output.all(tagged, image.context_hash).apply(
                lambda known: str(known[0])
            )
        else:
            self.digest = pulumi.Output.from_input(image.digest)
            self.ref = pulumi.Output.concat(build.repository, "@", image.digest)


def _image_args(
    name: str, build: Build, tagged: pulumi.Output[str]
) -> docker_build.ImageArgs:
    tags = [tagged]
    if build.cache == "inline":
        tags.append(pulumi.Output.from_input(str(build.cache_ref)))
    cache = _cache(build, name)
    return docker_build.ImageArgs(
        context=docker_build.BuildContextArgs(location=build.context),
        dockerfile=docker_build.DockerfileArgs(
            location=str(Path(build.context, build.dockerfile))
        ),
        build_args=build.build_args or None,
        platforms=[docker_build.Platform(each) for each in build.platforms] or None,
        tags=tags,
        push=not build.load,
        load=build.load or None,
        # Only buildx itself can use the builder inside an engine.
        exec_=build.load or None,
        build_on_preview=False,
        builder=_builder(build),
        registries=_registries(build.login),
        cache_from=[docker_build.CacheFromArgs(raw=each) for each in cache[:1]] or None,
        cache_to=[docker_build.CacheToArgs(raw=each) for each in cache[1:]] or None,
    )


def _builder(build: Build) -> docker_build.BuilderConfigArgs | None:
    name = build.builder or (ENGINES_OWN_BUILDER if build.load else None)
    return docker_build.BuilderConfigArgs(name=name) if name else None


def _source(build: Build) -> str:
    """Hash of all that makes the provider build again, so that no tag is used twice.

    Computed here, because the provider's own is known after the tag is needed.
    """
    try:
        content = content_hash(Path(build.context), build.dockerfile)
    except (OSError, ValueError) as problem:
        raise pulumi.RunError(f"The image cannot be built: {problem}") from problem
    parts = [
        content,
        build.context,
        build.dockerfile,
        dict(build.build_args),
        list(build.platforms),
        build.cache,
        build.cache_ref,
        build.builder,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _registries(login: Login | None) -> list[docker_build.RegistryArgs] | None:
    if login is None:
        return None
    return [
        docker_build.RegistryArgs(
            address=login.address,
            username=login.username,
            password=pulumi.Output.secret(login.password),
        )
    ]


def _cache(build: Build, scope: str) -> tuple[str, ...]:
    """Where layers come from and where they go, in buildx's own words; or nothing."""
    place = f"type=registry,ref={build.cache_ref}"
    shared = f"type=gha,scope={scope}"
    # A cache that cannot be written must not fail a deployment.
    everything = "mode=max,ignore-error=true"
    # As an image, because not every registry takes anything else.
    as_image = "image-manifest=true,oci-mediatypes=true"
    match build.cache:
        case "none":
            return ()
        case "inline":
            return place, "type=inline"
        case "registry":
            return place, f"{place},{as_image},{everything}"
        case "gha":
            return shared, f"{shared},{everything}"
