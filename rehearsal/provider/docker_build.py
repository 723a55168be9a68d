"""Image builds: recorded, with the hash of what would be built in place of a digest.

What the real provider sees of the folder is looked at, and refused as it would be:
https://github.com/pulumi/pulumi-docker-build, provider/internal/image.go.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.build_context import content_hash
from rehearsal.provider.lifecycle import Difference
from rehearsal.provider.recorded import Recorded
from rehearsal.provider.wire import UNKNOWN, Properties

IMAGE = "docker-build:index:Image"

_MAKES_THE_IMAGE = ("contextHash", "buildArgs", "platforms", "target")


class Image(Recorded):
    """An image that is said to be built: the same bytes for the same source."""

    def check(
        self, name: str, old: Properties, new: Properties, seed: bytes
    ) -> tuple[Properties, list[str]]:
        """With the hash of the folder among the inputs, so that a change shows."""
        inputs, problems = super().check(name, old, new, seed)
        if problems:
            return inputs, problems
        if inputs.get("push") and not inputs.get("tags"):
            problems = ["tags: at least one is needed when pushing to a registry"]
        try:
            return {**inputs, "contextHash": _context_hash(inputs)}, problems
        except ValueError as missing:
            return inputs, [*problems, f"context.location: {missing}"]

    def diff(self, old: Properties, new: Properties) -> Difference:
        """A registry's password is no reason to build: it may be another every hour."""
        return super().diff(_without_passwords(old), _without_passwords(new))

    def make(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """A digest if the image is pushed, as its only name then."""
        built = _built(inputs)
        return built["digest"] or name, built

    def preview_update(self, state: Properties, new: Properties) -> Properties:
        """Whatever changes, there is no digest before the build."""
        unknown = dict.fromkeys(("digest", "ref"), UNKNOWN)
        return {**super().preview_update(state, new), **unknown}

    def update(
        self, id: str, state: Properties, old: Properties, new: Properties
    ) -> Properties:
        """Built again; what was pushed before stays."""
        return super().update(id, {**state, **_built(new)}, old, new)


def _context_hash(inputs: Mapping[str, Any]) -> str:
    context = Path(inputs["context"]["location"])
    dockerfile = (inputs.get("dockerfile") or {}).get("location")
    within = os.path.relpath(dockerfile, context) if dockerfile else "Dockerfile"
    return content_hash(context, within)


def _without_passwords(inputs: Mapping[str, Any]) -> Properties:
    registries = [
        {key: value for key, value in registry.items() if key != "password"}
        for registry in inputs.get("registries") or []
    ]
    return {**inputs, "registries": registries}


def _built(inputs: Mapping[str, Any]) -> dict[str, str]:
    """What is known of an image after its build."""
    source = json.dumps([inputs.get(key) for key in _MAKES_THE_IMAGE], sort_keys=True)
    digest = f"sha256:{hashlib.sha256(source.encode()).hexdigest()}"
    tag = next(iter(inputs.get("tags") or []), "")
    if not inputs.get("push"):
        return {"digest": "", "ref": tag}
    return {"digest": digest, "ref": f"{tag}@{digest}"}


TYPES: Mapping[str, type[Recorded]] = {IMAGE: Image}
"""Token to how the type is recorded."""
