"""Types without a row: inputs checked, outputs made up, nothing carried out."""

from __future__ import annotations

import base64
import hashlib
import secrets
import string
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rehearsal.provider import schema, tls
from rehearsal.provider.ledger import Entry, Ledger
from rehearsal.provider.lifecycle import (
    GENERATED,
    InitFailedError,
    Lifecycle,
    Reading,
)
from rehearsal.provider.wire import Properties

REPLACING: Mapping[str, frozenset[str] | None] = {
    "random": None,
    "tls": None,
}
"""Inputs whose change makes a new resource, by package or token; None means all."""


STATE_ONLY = frozenset({"random", "tls"})
"""Packages whose resources are in the state and nowhere else."""


class Recorded(Lifecycle):
    """The life of resources that are only written down.

    ledger: where they are; nobody else's without one.
    """

    def __init__(self, token: str, ledger: Ledger | None = None) -> None:
        super().__init__(token)
        self.ledger = Ledger() if ledger is None else ledger
        self._state_only = token.split(":")[0] in STATE_ONLY

    def replacing(
        self, changed: frozenset[str], old: Properties, new: Properties
    ) -> frozenset[str]:
        """By the small table above; everything else changes in place."""
        del old, new
        package = self.token.split(":")[0]
        listed = REPLACING.get(self.token, REPLACING.get(package, frozenset()))
        return changed if listed is None else changed & listed

    def create(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """Write it down; one that never works is reported with its id."""
        with self.ledger.lock:
            id, made = self.make(name, inputs)
            outputs = {**made, **_public(inputs)}
            fault = self.ledger.fault(self.token, name)
            # What is only in the state may have any id, such as "none".
            key = name if self._state_only else id
            entry = Entry(self.token, key, name, inputs, outputs, fault=fault)
            self.admit(entry)
            self.ledger.enter(entry)
        if fault is not None:
            raise InitFailedError(Reading(id, outputs, inputs), fault)
        return id, outputs

    def make(self, name: str, inputs: Properties) -> tuple[str, Properties]:
        """Make up an id, and the outputs that the SDK declares."""
        make = GENERATORS.get(self.token)
        if make is not None:
            return make(inputs)
        made = f"{name}-{_digest(self.token, name)[:8]}"
        declared = schema.resource(self.token).outputs
        return made, {
            key: self._invent(kind, key, made) for key, kind in declared.items()
        }

    def admit(self, entry: Entry) -> None:
        """Raise ValueError when the platform would refuse to make it."""

    def free(self, entry: Entry) -> None:
        """Raise ValueError when the platform would refuse to delete it."""

    def read(self, id: str, state: Properties, inputs: Properties) -> Reading | None:
        """What is written down; nothing else is there, so nothing to import."""
        if self._state_only:
            return Reading(id, state, inputs) if state else None
        entry = self.ledger.find(self.token, id)
        return Reading(id, entry.outputs, entry.inputs) if entry else None

    def update(
        self,
        id: str,
        state: Properties,
        old: Properties,
        new: Properties,
    ) -> Properties:
        """The outputs with the new inputs over them."""
        kept = {key: value for key, value in state.items() if key not in old}
        outputs = {**kept, **_public(new)}
        if self._state_only:
            return outputs
        with self.ledger.lock:
            entry = self.ledger.find(self.token, id)
            if entry is None:
                raise LookupError(f"{self.token} {id} is no longer there")
            self.ledger.enter(replace(entry, inputs=new, outputs=outputs))
        return outputs

    def delete(self, id: str, state: Properties, inputs: Properties) -> None:
        """Strike it out; one that is gone already is no error."""
        del state, inputs
        with self.ledger.lock:
            entry = self.ledger.find(self.token, id)
            if entry is not None:
                self.free(entry)
                self.ledger.strike(self.token, id)

    def _invent(self, kind: Any, key: str, id: str) -> Any:
        """A value of the declared kind that tells where it comes from."""
        origin = typing.get_origin(kind)
        if kind is str and key.lower().endswith("arn"):
            _, module, name = self.token.split(":")
            service = module.split("/")[0]
            return f"arn:aws:{service}:eu-central-1:123456789012:{name.lower()}/{id}"
        if kind is str:
            return f"{id}-{key}"
        if kind is bool:
            return False
        if kind in (int, float):
            return 0
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {}
        return [] if origin is not None else None


def _public(inputs: Properties) -> Properties:
    return {key: value for key, value in inputs.items() if key != GENERATED}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _password(inputs: Properties) -> tuple[str, Properties]:
    """A random.RandomPassword: the same alphabet and minimums as the real provider."""
    classes = {
        "lower": string.ascii_lowercase,
        "upper": string.ascii_uppercase,
        "numeric": string.digits,
        "special": inputs.get("overrideSpecial") or "!@#$%&*()-_=+[]{}<>:?",
    }
    used = {name: chars for name, chars in classes.items() if inputs.get(name, True)}
    minimum = {name: inputs.get(f"min{name.capitalize()}", 0) for name in used}
    picked = [
        secrets.choice(used[name]) for name, n in minimum.items() for _ in range(n)
    ]
    alphabet = "".join(used.values())
    picked += [secrets.choice(alphabet) for _ in range(inputs["length"] - len(picked))]
    secrets.SystemRandom().shuffle(picked)
    defaults: Properties = dict.fromkeys(classes, True)
    return "none", {**defaults, **inputs, "result": "".join(picked), "bcryptHash": ""}


def _random_id(inputs: Properties) -> tuple[str, Properties]:
    value = secrets.token_bytes(inputs["byteLength"])
    number = int.from_bytes(value, "big")
    prefix = inputs.get("prefix", "")
    text = base64.urlsafe_b64encode(value).decode().rstrip("=")
    padded = base64.b64encode(value).decode()
    outputs = {"hex": f"{prefix}{value.hex()}", "dec": f"{prefix}{number}"}
    outputs |= {"b64Url": f"{prefix}{text}", "b64Std": f"{prefix}{padded}"}
    return text, {**inputs, **outputs}


GENERATORS: Mapping[str, Callable[[Properties], tuple[str, Properties]]] = {
    "random:index/randomPassword:RandomPassword": _password,
    "random:index/randomId:RandomId": _random_id,
    "tls:index/privateKey:PrivateKey": tls.private_key,
    "tls:index/selfSignedCert:SelfSignedCert": tls.self_signed_cert,
}
"""Types whose whole point is their output, made here as the real provider makes it."""
