"""AWS types with a row: carried out on the embedded AWS through boto3."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rehearsal.provider.compare import equivalent, not_kept, project
from rehearsal.provider.lifecycle import (
    GENERATED,
    Difference,
    InitFailedError,
    Lifecycle,
    Reading,
    generated_name,
)
from rehearsal.provider.row import Aws, Row
from rehearsal.provider.schema import is_unknown
from rehearsal.provider.wire import Properties


class NotKeptError(LookupError):
    """The embedded AWS has not got what was asked for."""


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
        difference = super().diff(self._canonical(old), self._canonical(new))
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

    def replacing(
        self, changed: frozenset[str], old: Properties, new: Properties
    ) -> frozenset[str]:
        """What the row declares."""
        return self.row.replacing(changed, old, new)

    def create(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """Make it; when the second half fails, what exists is reported with its id."""
        del name
        complete = self._complete(inputs)
        made = self.row.create(self.aws, complete)
        try:
            self.row.finish(self.aws, made, complete)
            return made, self._outputs(made, inputs, {})
        except (ClientError, BotoCoreError, NotKeptError) as failure:
            reading = self.read(made, inputs, inputs)
            raise InitFailedError(
                reading or Reading(made, inputs, inputs), str(failure)
            ) from failure

    def read(self, id: str, state: Properties, inputs: Properties) -> Reading | None:
        """The live resource; inputs stay as written where the cloud means the same."""
        live = self.row.read(self.aws, id, {**inputs, **state})
        if live is None:
            return None
        made = str(live.pop("id", id))
        known = self._complete(inputs) if inputs else self._imported(live)
        found = {
            key: value
            if key in (GENERATED, "tags")  # drift of tags shows in tagsAll
            or key in self.row.unverified
            or equivalent(*self._alike(key, value, live.get(key)))
            else project(value, live.get(key))
            for key, value in known.items()
        }
        if self.row.tagged:
            found["tagsAll"] = live.get("tagsAll") or {}
        found = {k: v for k, v in found.items() if k in inputs or not self._usual(k, v)}
        return Reading(made, {**_carried_over(found), **live}, _without_none(found))

    def update(
        self,
        id: str,
        state: Properties,
        old: Properties,
        new: Properties,
    ) -> Properties:
        """Change it in place."""
        changed = set(self.diff(old, new).changed)
        before = {**state, **self._complete(old)}
        self.row.update(self.aws, id, before, self._complete(new), changed)
        return self._outputs(id, new, state)

    def delete(self, id: str, state: Properties, inputs: Properties) -> None:
        """Remove it."""
        self.row.delete(self.aws, id, {**state, **inputs})

    def _outputs(self, id: str, inputs: Properties, state: Properties) -> Properties:
        """What it is now; nothing that a program asked for is lost in silence."""
        live = self.row.read(self.aws, id, {**state, **inputs})
        if live is None:
            raise NotKeptError(f"{self.token} {id} is gone right after it was made")
        live.pop("id", None)
        for key in inputs.keys() & self.row.carried() - self.row.unverified - {"tags"}:
            wanted, kept = self._alike(key, inputs[key], live.get(key))
            if where := not_kept(wanted, kept, key):
                raise NotKeptError(
                    f"{where}: the embedded AWS did not keep what was asked for; mend "
                    f"or extend the row of {self.token} in rehearsal/provider/aws"
                )
        return {**_carried_over(inputs), **live}

    def _complete(self, inputs: Properties) -> Properties:
        """The inputs with what AWS takes for those that the program leaves out."""
        return {**self.row.defaults, **inputs}

    def _canonical(self, inputs: Properties) -> Properties:
        """The complete inputs, with those that mean the same written alike."""
        complete = self._complete(inputs)
        return {key: self._written(key, value) for key, value in complete.items()}

    def _alike(self, key: str, one: Any, other: Any) -> tuple[Any, Any]:
        """Two values of an input as the row compares them."""
        return self._written(key, one), self._written(key, other)

    def _written(self, key: str, value: Any) -> Any:
        if value is None or is_unknown(value):
            return value
        return self.row.canonical(key, value)

    def _usual(self, key: str, value: Any) -> bool:
        """Whether leaving the input out would mean the same."""
        usual = self.row.defaults.get(key)
        return equivalent(usual, value) and equivalent(value, usual)

    def _imported(self, live: Properties) -> Properties:
        """The inputs of a resource that no program has described so far.

        Those that AWS may have chosen by itself are marked as generated: a program
        that says nothing of them does not ask for a replacement.
        """
        found = {k: v for k, v in live.items() if k in self.row.carried()}
        chosen = self.row.replaces | {self.row.autoname}
        return {**found, GENERATED: sorted(chosen & set(found))}

    def _with_generated(
        self, name: str, old: Properties, inputs: Properties, seed: bytes
    ) -> Properties:
        kept = {
            key: old[key]
            for key in old.get(GENERATED, [])
            if key in old and inputs.get(key) is None
        }
        named = self.row.autoname
        if named and {**inputs, **kept}.get(named) is None:
            kept[named] = generated_name(name, self.row.name_limit, seed)
        filled = {**inputs, **kept}
        if kept:
            filled[GENERATED] = sorted(kept)
        if self.row.tagged:
            tags = inputs.get("tags") or {}
            filled["tagsAll"] = {**self.aws.default_tags, **tags}
        return filled


def _carried_over(inputs: Properties) -> Properties:
    return {key: value for key, value in inputs.items() if key != GENERATED}


def _without_none(properties: Properties) -> Properties:
    return {key: value for key, value in properties.items() if value is not None}
