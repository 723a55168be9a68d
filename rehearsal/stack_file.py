"""Pulumi's YAML files, changed without reading more into them than is written there.

Values are kept as nodes, in the words of the author: Python's YAML takes `12:30` for
the number 750 and `on` for true, the engine does not.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import yaml
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MAP = "tag:yaml.org,2002:map"
_SEQUENCE = "tag:yaml.org,2002:seq"
_STRING = "tag:yaml.org,2002:str"
_ENCRYPTION = ("secretsprovider", "encryptedkey", "encryptionsalt")
_KEY_ROUNDS = 1_000_000


class FileError(Exception):
    """A file that cannot be used; the message names file, line and problem."""


class YamlFile:
    """A YAML file whose top level is a mapping."""

    def __init__(self, root: yaml.MappingNode) -> None:
        self._root = root

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises FileError for what the engine would refuse as well: no YAML, no mapping,
        or a key that stands there twice.
        """
        try:
            node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise FileError(
                f"{path.name}{_line(mark)}: not readable as YAML: "
                f"{error.problem or error.context}"
            ) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise FileError(f"{path.name}: not readable as YAML: {error}") from error
        except OSError as error:
            raise FileError(f"{path.name}: {error.strerror}") from error
        node = yaml.MappingNode(_MAP, []) if node is None else node
        if not isinstance(node, yaml.MappingNode):
            raise FileError(
                f"{path.name}{_line(node.start_mark)}: `key: value` lines are expected"
            )
        _refuse_repeated_keys(node, path)
        _spread(node)
        return cls(node)

    def write(self, path: Path) -> None:
        """Write the file as it is now."""
        text = yaml.serialize(self._root, Dumper=yaml.SafeDumper, allow_unicode=True)
        path.write_text(text, encoding="utf-8")

    def value(self, key: str) -> Any:
        """What a top-level key holds, as Python reads it; None without the key."""
        node = _find(self._root, key)
        return None if node is None else _python(node)

    def put(self, path: tuple[str, ...], value: Any) -> None:
        """Set a value, making the mappings on the way to it."""
        node = self._root
        for key in path[:-1]:
            inner = _find(node, key)
            if not isinstance(inner, yaml.MappingNode):
                inner = yaml.MappingNode(_MAP, [])
                _set(node, key, inner)
            node = inner
        _set(node, path[-1], _node(value))

    def remove(self, *path: str) -> None:
        """Take a key out, if it is there."""
        node = self._root
        for key in path[:-1]:
            inner = _find(node, key)
            if not isinstance(inner, yaml.MappingNode):
                return
            node = inner
        _remove(node, path[-1])

    def unseal(self) -> list[str]:
        """Take out every encrypted config value and how to decrypt it.

        The key is the operator's: neither to be had nor to be asked for here. Returns
        where values were, as `stromhaltig:secrets.OPENAI_API_KEY`.
        """
        for key in _ENCRYPTION:
            self.remove(key)
        config = _find(self._root, "config")
        if not isinstance(config, yaml.MappingNode):
            return []
        return list(_take_sealed(config, ""))


class Sealer:
    """Encrypts config values as the engine does with a passphrase.

    AES-256-GCM with a key derived from the passphrase: the first and only version of
    the format, which every engine must go on reading for the stack files in use.
    """

    def __init__(self, passphrase: str) -> None:
        salt = os.urandom(8)
        key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, _KEY_ROUNDS)
        self._cipher = AESGCM(key)
        self.salt = f"v1:{_base64(salt)}:{self._encrypt('pulumi')}"
        """The value of `encryptionsalt`, by which the engine knows the passphrase."""

    def seal(self, value: str) -> Mapping[str, str]:
        """The encrypted value as it stands in a stack file."""
        return {"secure": self._encrypt(value)}

    def _encrypt(self, value: str) -> str:
        nonce = os.urandom(12)
        sealed = self._cipher.encrypt(nonce, value.encode(), None)
        return f"v1:{_base64(nonce)}:{_base64(sealed)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _line(mark: yaml.Mark | None) -> str:
    return f", line {mark.line + 1}" if mark else ""


def _refuse_repeated_keys(node: yaml.Node, path: Path) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, path)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if str(key.value) in seen:
            raise FileError(
                f"{path.name}{_line(key.start_mark)}: `{key.value}` is there twice"
            )
        seen.add(str(key.value))
        _refuse_repeated_keys(value, path)


def _spread(node: yaml.Node) -> None:
    """One entry a line: within braces `12:30` could not be written without quotes."""
    if isinstance(node, yaml.CollectionNode):
        node.flow_style = False
        for item in node.value:
            for inner in item if isinstance(item, tuple) else (item,):
                _spread(inner)


def _node(value: Any) -> yaml.Node:
    """A value as a node, with every string in quotes: the engine takes 1e3 for 1000."""
    if isinstance(value, Mapping):
        pairs = [(_node(key), _node(inner)) for key, inner in value.items()]
        return yaml.MappingNode(_MAP, pairs, flow_style=False)
    if isinstance(value, (list, tuple)):
        items = [_node(item) for item in value]
        return yaml.SequenceNode(_SEQUENCE, items, flow_style=False)
    if isinstance(value, str):
        return yaml.ScalarNode(_STRING, value, style='"')
    return yaml.representer.SafeRepresenter().represent_data(value)


def _find(mapping: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((node for name, node in mapping.value if name.value == key), None)


def _set(mapping: yaml.MappingNode, key: str, value: yaml.Node) -> None:
    for index, (name, _) in enumerate(mapping.value):
        if name.value == key:
            mapping.value[index] = (name, value)
            return
    mapping.value.append((yaml.ScalarNode(_STRING, key), value))


def _remove(mapping: yaml.MappingNode, key: str) -> None:
    mapping.value[:] = [pair for pair in mapping.value if pair[0].value != key]


def _take_sealed(mapping: yaml.MappingNode, path: str) -> Iterator[str]:
    for name, value in list(mapping.value):
        here = f"{path}.{name.value}" if path else str(name.value)
        if _is_sealed(value):
            _remove(mapping, name.value)
            yield here
        elif isinstance(value, yaml.MappingNode):
            yield from _take_sealed(value, here)
        elif isinstance(value, yaml.SequenceNode):
            yield from _take_sealed_items(value, here)


def _take_sealed_items(sequence: yaml.SequenceNode, path: str) -> Iterator[str]:
    kept = []
    for index, item in enumerate(sequence.value):
        here = f"{path}[{index}]"
        if _is_sealed(item):
            yield here
            continue
        kept.append(item)
        if isinstance(item, yaml.MappingNode):
            yield from _take_sealed(item, here)
        elif isinstance(item, yaml.SequenceNode):
            yield from _take_sealed_items(item, here)
    sequence.value[:] = kept


def _is_sealed(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode) and [
        name.value for name, _ in node.value
    ] == ["secure"]


def _python(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {name.value: _python(value) for name, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_python(item) for item in node.value]
    quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
    return node.value if quoted else _scalar(node.value)


def _scalar(text: str) -> str | int | float | bool | None:
    """An unquoted value as YAML 1.2, and so the engine, reads it."""
    words = {"true": True, "false": False, "null": None, "~": None, "": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        if re.fullmatch(r"[-+]?\d+(\.\d*)?", text):
            with suppress(ValueError):
                return kind(text)
    return text
