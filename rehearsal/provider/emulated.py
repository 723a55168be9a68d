"""AWS types with a row: carried out on the embedded AWS through boto3."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rehearsal.provider.compare import equivalent, project
from rehearsal.provider.lifecycle import (
    GENERATED,
    Difference,
    InitFailedError,
    Lifecycle,
    Reading,
    generated_name,
)
from rehearsal.provider.row import Aws, Row
from rehearsal.provider.wire import Properties


class Emulated(Lifecycle):
    """The life of resources that a row carries out."""

    def __init__(self, row: Row, aws: Aws) -> None:
        super().__init__(row.token)
        self.row = row
        self.aws = aws

    def check(
        self, name: str, old: Properties, new: Properties, seed: bytes
    ) -> tuple[Properties, list[str]]:
        """Besides the schema: the row carries every input, and AWS would take them."""
        inputs, problems = super().check(name, old, new, seed)
        uncarried = set(inputs) - self.row.carried() - {GENERATED}
        if problems:
            return inputs, problems
        problems = [
            f"{key}: the rehearsal does not carry this input of {self.token} yet; "
            f"add it to the row in rehearsal/provider/aws"
            for key in sorted(uncarried)
        ]
        problems += self.row.problems(inputs)
        try:
            return self._with_generated(name, old, inputs, seed), problems
        except ValueError as too_long:
            return inputs, [*problems, f"{self.row.autoname}: {too_long}"]

    def diff(self, old: Properties, new: Properties) -> Difference:
        """A replacement goes first where both would claim the same fixed name."""
        difference = super().diff(old, new)
        named = self.row.autoname
        fixed = (
            named is not None
            and named not in new.get(GENERATED, [])
            and named not in difference.changed
        )
        return Difference(
            difference.changed,
            difference.replaces,
            delete_first=bool(difference.replaces) and (fixed or self.row.delete_first),
        )

    def replacing(self, changed: frozenset[str]) -> frozenset[str]:
        """The row's declared list."""
        named = {self.row.autoname} - self.row.updates
        return changed & (self.row.replaces | named)

    def create(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """Make it; when the second half fails, what exists is reported with its id."""
        del name
        made = self.row.create(self.aws, inputs)
        try:
            self.row.finish(self.aws, made, inputs)
        except (ClientError, BotoCoreError) as failure:
            reading = self.read(made, inputs, inputs)
            raise InitFailedError(
                reading or Reading(made, inputs, inputs), str(failure)
            ) from failure
        return made, self._outputs(made, inputs, {})

    def read(self, id: str, state: Properties, inputs: Properties) -> Reading | None:
        """The live resource; inputs stay as written where the cloud means the same."""
        live = self.row.read(self.aws, id, {**inputs, **state})
        if live is None:
            return None
        known = inputs or {k: v for k, v in live.items() if k in self.row.carried()}
        found = {
            key: value
            if key in (GENERATED, "tags")  # drift of tags shows in tagsAll
            or key in self.row.unverified
            or equivalent(value, live.get(key))
            else project(value, live.get(key))
            for key, value in known.items()
        }
        if self.row.tagged:
            found = _with_live_tags(found, live)
        return Reading(id, {**_carried_over(found), **live}, _without_none(found))

    def update(
        self,
        id: str,
        state: Properties,
        old: Properties,
        new: Properties,
    ) -> Properties:
        """Change it in place."""
        changed = set(self.diff(old, new).changed)
        self.row.update(self.aws, id, {**state, **old}, new, changed)
        return self._outputs(id, new, state)

    def delete(self, id: str, state: Properties, inputs: Properties) -> None:
        """Remove it."""
        self.row.delete(self.aws, id, {**state, **inputs})

    def _outputs(self, id: str, inputs: Properties, state: Properties) -> Properties:
        live = self.row.read(self.aws, id, {**state, **inputs})
        if live is None:
            raise LookupError(f"{self.token} {id} is gone right after it was made")
        return {**_carried_over(inputs), **live}

    def _with_generated(
        self, name: str, old: Properties, inputs: Properties, seed: bytes
    ) -> Properties:
        filled = dict(inputs)
        named = self.row.autoname
        if named and filled.get(named) is None:
            kept = old.get(named) if named in old.get(GENERATED, []) else None
            filled[named] = kept or generated_name(name, self.row.name_limit, seed)
            filled[GENERATED] = [named]
        if self.row.tagged:
            tags = inputs.get("tags") or {}
            filled["tagsAll"] = {**self.aws.default_tags, **tags}
        return filled


def _carried_over(inputs: Properties) -> Properties:
    return {key: value for key, value in inputs.items() if key != GENERATED}


def _with_live_tags(found: Properties, live: Properties) -> Properties:
    """Tags put on or taken off behind the program's back are drift."""
    tags: dict[str, Any] = live.get("tagsAll") or {}
    return {**found, "tagsAll": tags}


def _without_none(properties: Properties) -> Properties:
    return {key: value for key, value in properties.items() if value is not None}
