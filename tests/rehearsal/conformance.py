"""What every row of the embedded AWS is put through, without an engine.

A test module declares one `Case` per row and hands them to `Conformance`:

    def vpc(site: Site) -> Case:
        return Case(inputs={"cidrBlock": "10.0.0.0/16"}, ...)

    class TestRows(Conformance):
        cases = {"aws:ec2/vpc:Vpc": vpc}

All tests share one cloud that is never emptied, and all tests of a row share what its
case has built. So explicit names come from `site.name()`, and what a row leaves behind
is told by comparing listings.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from rehearsal.provider import schema, wire
from rehearsal.provider.aws import ROWS
from rehearsal.provider.compare import equivalent
from rehearsal.provider.emulated import Emulated
from rehearsal.provider.lifecycle import Difference, InitFailedError
from rehearsal.provider.row import Aws, Row
from rehearsal.provider.wire import UNKNOWN, Properties

REGION = "eu-central-1"
DEFAULT_TAGS = {"Project": "stromhaltig"}

_numbers = itertools.count()


class To:
    """A new value of an input, with others that change along; None takes one away.

    back: whether AWS takes the old value again.
    """

    def __init__(self, value: Any, *, back: bool = True, **along: Any) -> None:
        self.value = value
        self.back = back
        self.along = along


class Uncarried:
    """A new value that the rehearsal refuses: only the difference is looked at."""

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A change behind the program's back.

    act: does it with boto3, given the resource's id.
    seen: the input in which it must show.
    """

    act: Callable[[str], object]
    seen: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is done with one row.

    inputs: what the program asks for to begin with.
    listing: every resource of this kind that the cloud holds, asked with boto3.
    updates: a new value for each input that changes in place.
    replaces: a new value for each input that forces a new resource; the generated
        name is tried by itself.
    unverified: a value for each further input that the emulator does not keep.
    drift: what somebody does behind the program's back.
    refused: inputs that check must refuse, each with words of the problem.
    import_id: what `pulumi import` is given, from the state; the id by default.
    forget: takes away what rightly stays after a delete, from the state, so that
        an explicit name is free again.
    unlock: takes off what keeps the resource from being deleted, from the state.
    adopted: AWS makes such a thing by itself; the row takes it over and leaves it.
    traces: what else comes with the resource and must go with it.
    """

    inputs: Properties
    listing: Callable[[], Collection[Any]]
    updates: Mapping[str, Any] = field(default_factory=dict)
    replaces: Mapping[str, Any] = field(default_factory=dict)
    unverified: Mapping[str, Any] = field(default_factory=dict)
    drift: Sequence[Drift] = ()
    refused: Sequence[tuple[Properties, str]] = ()
    import_id: Callable[[Properties], str] | None = None
    forget: Callable[[Properties], object] | None = None
    unlock: Callable[[Properties], object] | None = None
    adopted: bool = False
    traces: Callable[[], Collection[Any]] = tuple


class Site:
    """Where a case builds what its resource needs."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws

    def client(self, service: str) -> Any:
        """A boto3 client of the embedded AWS."""
        return self.aws.client(service)

    def name(self, prefix: str = "conform") -> str:
        """A name that no other test uses."""
        return f"{prefix}-{next(_numbers)}"

    def make(self, token: str, **inputs: Any) -> Properties:
        """Another row's resource, by its outputs and `id`."""
        resource = Resource(token, self.aws)
        resource.up(inputs)
        return {**resource.outputs, "id": resource.id}


class Resource:
    """One resource as the engine leads it through its life.

    The order of calls is the engine's, and every property map takes the wire, so that
    what cannot travel is found.
    """

    def __init__(self, token: str, aws: Aws, name: str | None = None) -> None:
        self.lifecycle = Emulated(ROWS[token], aws)
        self.name = name or f"conform-{next(_numbers)}"
        self.id = ""
        self.inputs: Properties = {}
        self.outputs: Properties = {}

    @property
    def row(self) -> Row:
        """The row that carries it out."""
        return self.lifecycle.row

    @property
    def state(self) -> Properties:
        """Outputs and id, as the engine keeps them."""
        return {**self.outputs, "id": self.id}

    def check(self, program: Properties, old: Properties | None = None) -> Properties:
        """The checked inputs; fails on any problem."""
        inputs, problems = self._checked(program, self.inputs if old is None else old)
        assert not problems
        return inputs

    def problems(self, program: Properties) -> list[str]:
        """What check says about inputs of a new resource."""
        return self._checked(program, {})[1]

    def preview(self, program: Properties) -> Difference:
        """What an `up` would change."""
        return self.lifecycle.diff(self.inputs, self.check(program))

    def up(self, program: Properties) -> Difference:
        """Create, update or replace; returns the difference that was seen."""
        if not self.id:
            self._create(self.check(program, {}))
            return Difference()
        inputs = self.check(program)
        difference = self.lifecycle.diff(self.inputs, inputs)
        if difference.replaces:
            self._replace(self.check(program, {}), difference)
        elif difference.changed:
            self.outputs = _travelled(
                self.lifecycle.update(self.id, self.outputs, self.inputs, inputs)
            )
            self.inputs = inputs
        return difference

    def refresh(self) -> bool:
        """Take over what the cloud says; whether the resource is there."""
        reading = self.lifecycle.read(self.id, self.outputs, self.inputs)
        if reading is None:
            return False
        self.id = reading.id
        self.inputs = _travelled(reading.inputs)
        self.outputs = _travelled(reading.outputs)
        return True

    def adopt(self, id: str) -> bool:
        """`pulumi import` or `.get`: read with nothing known but an id."""
        self.id, self.inputs, self.outputs = id, {}, {}
        return self.refresh()

    def destroy(self) -> None:
        """Delete it."""
        self.lifecycle.delete(self.id, self.outputs, self.inputs)

    def end(self, case: Case) -> None:
        """Take away what is there, and what rightly stays after a delete."""
        if not self.id:
            return
        if self.refresh():
            if case.unlock is not None:
                case.unlock(self.state)
            self.destroy()
        _forget(case, self.state)
        self.id = ""

    def stranger(self) -> Resource:
        """A resource of the same type that has nothing yet."""
        return Resource(self.row.token, self.lifecycle.aws)

    def live(self, key: str) -> Any:
        """An input's value in the cloud, with all that is known of it taken away."""
        known = {**self.inputs, **self.outputs}
        hidden = {"tags", "tagsAll"} if key in ("tags", "tagsAll") else {key}
        rest = {k: v for k, v in known.items() if k not in hidden}
        found = self.row.read(self.lifecycle.aws, self.id, copy.deepcopy(rest))
        assert found is not None, f"{self.row.token} {self.id} is gone"
        return _travelled(found).get(key)

    def _checked(
        self, program: Properties, old: Properties
    ) -> tuple[Properties, list[str]]:
        seed = str(next(_numbers)).encode()
        inputs, problems = self.lifecycle.check(
            self.name, copy.deepcopy(old), _travelled(program), seed
        )
        return _travelled(inputs), problems

    def _create(self, inputs: Properties) -> None:
        self.id, outputs = self.lifecycle.create(self.name, copy.deepcopy(inputs))
        self.inputs, self.outputs = inputs, _travelled(outputs)

    def _replace(self, inputs: Properties, difference: Difference) -> None:
        old = self.id, self.outputs, self.inputs
        if difference.delete_first:
            self.lifecycle.delete(*old)
        self._create(inputs)
        if not difference.delete_first:
            self.lifecycle.delete(*old)


class Conformance:
    """The questions; a subclass names the `cases`."""

    cases: ClassVar[Mapping[str, Callable[[Site], Case]]] = {}

    def test_the_case_exercises_every_input(
        self, case: Case, resource: Resource
    ) -> None:
        row = resource.row
        tags = {"tags", "tagsAll"} if row.tagged else set()
        tried = {*case.inputs, *case.updates, *case.replaces, *case.unverified}
        by_itself = {row.autoname} - row.updates
        assert set(case.updates) == row.updates
        assert set(case.replaces) | by_itself == row.replaces | by_itself
        assert row.carried() - tried - by_itself - tags == set()
        assert not row.updates & row.replaces
        assert case.drift or not row.updates - row.unverified

    def test_creating_settles(self, case: Case, resource: Resource) -> None:
        before = _count(case)
        resource.up(case.inputs)
        assert resource.id
        assert _count(case) == before + (not case.adopted)
        _assert_settled(resource, case.inputs)
        _assert_declared(resource)

    def test_deleting_leaves_nothing(self, case: Case, resource: Resource) -> None:
        before = _everything(case)
        resource.up(case.inputs)
        resource.destroy()
        assert _everything(case) == before
        resource.destroy()
        assert resource.refresh() == case.adopted

    def test_an_input_changes_in_place(self, case: Case, resource: Resource) -> None:
        resource.up(case.inputs)
        for key, program, value in _changes(case.inputs, case.updates):
            id = resource.id
            difference = resource.up(program)
            assert key in difference.changed
            assert not difference.replaces
            assert resource.id == id
            _assert_carried(resource, key, value)
            _assert_settled(resource, program)
            change = case.updates[key]
            if isinstance(change, To) and not change.back:
                resource.destroy()
                resource.id = ""
            assert not resource.up(case.inputs).replaces
            if key in case.inputs:
                _assert_carried(resource, key, case.inputs[key])
            _assert_settled(resource, case.inputs)

    def test_an_input_that_cannot_change_replaces(
        self, case: Case, resource: Resource
    ) -> None:
        replaces = dict(case.replaces)
        named = resource.row.autoname
        if named and named not in {*resource.row.updates, *replaces}:
            replaces[named] = f"{resource.name}-other"
        resource.up(case.inputs)
        count = _count(case)
        for key in [k for k, to in replaces.items() if isinstance(to, Uncarried)]:
            changed = {**resource.inputs, key: replaces.pop(key).value}
            assert key in resource.lifecycle.diff(resource.inputs, changed).replaces
        for key, program, value in _changes(case.inputs, replaces):
            gone = resource.state
            difference = resource.up(program)
            assert key in difference.replaces
            _forget(case, gone)
            assert _count(case) == count
            _assert_carried(resource, key, value)
            _assert_settled(resource, program)
            gone = resource.state
            resource.up(case.inputs)
            _forget(case, gone)
            _assert_settled(resource, case.inputs)

    def test_an_input_is_carried_at_creation(
        self, case: Case, resource: Resource
    ) -> None:
        for key, program, value in _changes(case.inputs, case.updates):
            resource.up(program)
            _assert_carried(resource, key, value)
            _assert_settled(resource, program)
            resource.end(case)

    def test_an_unverified_input_is_given_back(
        self, case: Case, resource: Resource
    ) -> None:
        for key, program, value in _changes(case.inputs, case.unverified):
            resource.up(program)
            _assert_settled(resource, program)
            assert resource.inputs[key] == value
            assert resource.outputs[key] == value

    def test_tags_follow_the_program(self, case: Case, resource: Resource) -> None:
        if not resource.row.tagged:
            assert "tags" in resource.problems({**case.inputs, "tags": {}})[0]
            return
        program = {**case.inputs, "tags": {"Name": "one", "Old": "gone soon"}}
        resource.up(program)
        assert resource.live("tagsAll") == {**DEFAULT_TAGS, **program["tags"]}
        _assert_settled(resource, program)
        program = {**case.inputs, "tags": {"Name": "two", "New": "come"}}
        assert not resource.up(program).replaces
        assert resource.live("tagsAll") == {**DEFAULT_TAGS, **program["tags"]}
        _assert_settled(resource, program)

    def test_drift_is_seen_and_repaired(self, case: Case, resource: Resource) -> None:
        resource.up(case.inputs)
        for drift in case.drift:
            wanted = resource.live(drift.seen)
            drift.act(resource.id)
            assert resource.refresh()
            difference = resource.up(case.inputs)
            assert drift.seen in difference.changed
            assert not difference.replaces
            assert equivalent(wanted, resource.live(drift.seen))
            _assert_settled(resource, case.inputs)

    def test_one_deleted_by_somebody_else_is_missed(
        self, case: Case, resource: Resource
    ) -> None:
        resource.up(case.inputs)
        other = copy.copy(resource)
        other.destroy()
        assert resource.refresh() == case.adopted
        resource.destroy()

    def test_an_existing_one_is_imported(self, case: Case, resource: Resource) -> None:
        resource.up(case.inputs)
        adopted = resource.stranger()
        state = resource.state
        assert adopted.adopt(case.import_id(state) if case.import_id else resource.id)
        assert adopted.id == resource.id
        assert not adopted.up(case.inputs).replaces
        _assert_settled(adopted, case.inputs)

    def test_an_id_that_nothing_has_is_not_imported(
        self, case: Case, resource: Resource
    ) -> None:
        resource.up(case.inputs)
        resource.destroy()
        state = resource.state
        gone = case.import_id(state) if case.import_id else resource.id
        assert resource.stranger().adopt(gone) == case.adopted

    def test_what_is_not_carried_is_refused(
        self, case: Case, resource: Resource
    ) -> None:
        key = next(iter(case.inputs))
        [misspelt] = resource.problems({**case.inputs, f"{key}x": UNKNOWN})
        assert f"{key}x: unknown property" in misspelt
        assert f'"{key}"' in misspelt
        for uncarried in (
            set(schema.resource(resource.row.token).inputs) - resource.row.carried()
        ):
            [problem] = resource.problems({**case.inputs, uncarried: UNKNOWN})
            assert problem.startswith(f"{uncarried}: the rehearsal does not carry")

    def test_what_aws_refuses_is_refused_at_preview(
        self, case: Case, resource: Resource
    ) -> None:
        for wrong, words in case.refused:
            problems = resource.problems(_merged(case.inputs, wrong))
            assert any(words in problem for problem in problems), (wrong, problems)

    def test_values_that_are_not_known_yet_pass(
        self, case: Case, resource: Resource
    ) -> None:
        assert resource.problems(dict.fromkeys(case.inputs, UNKNOWN)) == []
        program = _travelled(case.inputs)
        outputs = _travelled(resource.lifecycle.preview(program))
        assert program.items() <= outputs.items()
        assert set(schema.resource(resource.row.token).outputs) <= set(outputs)

    def test_one_that_was_only_half_made_is_known_and_removed(
        self, case: Case, resource: Resource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = _everything(case)

        def fail(*_: object) -> None:
            raise ClientError({"Error": {"Code": "Throttling"}}, "Finish")

        monkeypatch.setattr(type(resource.row), "finish", fail)
        with pytest.raises(InitFailedError) as failure:
            resource.up(case.inputs)
        monkeypatch.undo()
        made = failure.value.reading
        resource.id = made.id
        resource.inputs, resource.outputs = (
            _travelled(made.inputs),
            _travelled(made.outputs),
        )
        assert not resource.preview(case.inputs).replaces
        resource.up(case.inputs)
        resource.destroy()
        assert _everything(case) == before


def _changes(
    inputs: Properties, changes: Mapping[str, Any]
) -> Iterable[tuple[str, Properties, Any]]:
    """For each change: the input, the program with it, and the value."""
    for key, change in changes.items():
        to = change if isinstance(change, To) else To(change)
        yield key, _merged(inputs, {key: to.value, **to.along}), to.value


def _merged(inputs: Properties, changes: Properties) -> Properties:
    merged = {**inputs, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def _travelled(properties: Mapping[str, Any]) -> Properties:
    return wire.decode(wire.encode(properties))


def _everything(case: Case) -> list[str]:
    return sorted(str(one) for one in (*case.listing(), *case.traces()))


def _count(case: Case) -> int:
    return len(case.listing())


def _forget(case: Case, state: Properties) -> None:
    if case.forget is not None:
        case.forget(state)


def _assert_carried(resource: Resource, key: str, value: Any) -> None:
    """The cloud, and not just the state, has the value."""
    if key not in resource.row.unverified:
        wanted, live = (
            one if one is None else resource.row.canonical(key, one)
            for one in (value, resource.live(key))
        )
        assert equivalent(wanted, live), (key, wanted, live)


def _assert_settled(resource: Resource, program: Properties) -> None:
    """Neither a preview nor a refresh finds anything to do."""
    assert not resource.preview(program).changed
    id, inputs, outputs = resource.id, resource.inputs, resource.outputs
    assert resource.refresh()
    assert (resource.id, resource.inputs, resource.outputs) == (id, inputs, outputs)
    assert not resource.preview(program).changed


def _assert_declared(resource: Resource) -> None:
    """Whatever the row gives, the SDK knows."""
    known = schema.resource(resource.row.token)
    assert set(resource.outputs) - set(known.outputs) - set(known.inputs) == set()
