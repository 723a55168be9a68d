"""Stack files are changed without reading more into them than is written there."""

from __future__ import annotations

import base64
import hashlib

import pytest
import yaml
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.stack_file import FileError, Sealer, YamlFile


@pytest.fixture
def file(tmp_path):
    """A file with the given text, read; and what it says once written."""
    path = tmp_path / "Pulumi.production.yaml"

    def read(text):
        path.write_text(text, encoding="utf-8")
        return YamlFile.read(path)

    return read


@pytest.fixture
def written(tmp_path):
    def written(file):
        file.write(tmp_path / "written.yaml")
        return (tmp_path / "written.yaml").read_text(encoding="utf-8")

    return written


def test_unquoted_values_stay_in_the_words_of_the_author(file, written):
    text = "config:\n  a: 12:30\n  b: on\n  c: 2026-01-01\n  d: 010\n  e: 1e3\n  f: ~\n"
    assert written(file(text)) == text


def test_values_within_braces_stay_what_they_were(file, written):
    lines = written(file("{a: 12:30, b: [on, '1', \"ü\"], c: {}}")).splitlines()
    assert lines == ["a: 12:30", "b:", "- on", "- '1'", '- "ü"', "c: {}"]


def test_unquoted_values_are_read_as_the_engine_reads_them(file):
    text = "v: {a: 12:30, b: on, c: true, d: -4, e: 0.5, f: ~, g: '5', h: 2026-01-01}"
    assert file(text).value("v") == {
        "a": "12:30",
        "b": "on",
        "c": True,
        "d": -4,
        "e": 0.5,
        "f": None,
        "g": "5",
        "h": "2026-01-01",
    }


def test_a_value_that_is_not_there_is_none(file):
    assert file("").value("config") is None


def test_a_value_is_put_where_the_path_leads(file, written):
    changed = file("config:\n  old: {a: 1}\nmain: x\n")
    changed.put(("config", "new", "deep"), 2)
    changed.put(("config", "old", "a"), 3)
    changed.put(("main", "now"), ["a mapping"])
    assert yaml.safe_load(written(changed)) == {
        "config": {"old": {"a": 3}, "new": {"deep": 2}},
        "main": {"now": ["a mapping"]},
    }


@pytest.mark.parametrize("text", ["1e3", "0o17", "12:30", "yes", "", "2026-01-01", "~"])
def test_a_string_that_is_put_stays_a_string(file, written, text):
    changed = file("")
    changed.put(("a",), {"b": [text]})
    assert f'- "{text}"' in written(changed)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_whatever_is_put_is_read_back(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text("")
    changed = YamlFile.read(path)
    changed.put(("value",), value)
    changed.write(path)
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == {"value": value}
    assert YamlFile.read(path).value("value") == value


def test_a_key_can_be_taken_out(file, written):
    changed = file("a: 1\nbackend: {url: s3://state}\n")
    changed.remove("backend")
    changed.remove("absent")
    assert written(changed) == "a: 1\n"


def test_encrypted_values_and_the_way_to_decrypt_them_are_taken_out(file, written):
    changed = file(
        "secretsprovider: awskms://alias/pulumi\nencryptedkey: abc\n"
        "encryptionsalt: v1:abc\n"
        "config:\n"
        "  app:domain: example.org\n"
        "  app:token: {secure: v1:aa}\n"
        "  app:secrets:\n    KEY: {secure: v1:bb}\n    plain: 1\n"
        "  app:list: [{secure: v1:cc}, 2, {deep: {secure: v1:dd}}, [{secure: v1:ee}]]\n"
        "  app:door: {secure: v1:ff, open: false}\n"
    )
    assert changed.unseal() == [
        "app:token",
        "app:secrets.KEY",
        "app:list[0]",
        "app:list[2].deep",
        "app:list[3][0]",
    ]
    assert yaml.safe_load(written(changed)) == {
        "config": {
            "app:domain": "example.org",
            "app:secrets": {"plain": 1},
            "app:list": [2, {}, []],
            "app:door": {"secure": "v1:ff", "open": False},
        }
    }


@pytest.mark.parametrize("text", ["", "config:\n", "config: {}\n"])
def test_a_file_without_config_has_nothing_encrypted(file, text):
    assert file(text).unseal() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "config:\n  a: [1\n  b: 2\n",
            "Pulumi.production.yaml, line 3: not readable as YAML: expected ',' or ']'",
        ),
        (
            "a: 1\n\tb: 2\n",
            "Pulumi.production.yaml, line 2: not readable as YAML: found",
        ),
        (
            "a: *x\n",
            "Pulumi.production.yaml, line 1: not readable as YAML: found undef",
        ),
        (
            "a: \x01\n",
            "Pulumi.production.yaml: not readable as YAML: unacceptable char",
        ),
        ("\n- a\n", "Pulumi.production.yaml, line 2: `key: value` lines are expected"),
        (
            "config:\n  app:a: 1\n  app:b: 2\n  app:a: 3\n",
            "Pulumi.production.yaml, line 4: `app:a` is there twice",
        ),
        (
            "config:\n- {x: 1, x: 2}\n",
            "Pulumi.production.yaml, line 2: `x` is there twice",
        ),
    ],
    ids=["brackets", "tab", "alias", "control", "list", "repeated", "repeated-deep"],
)
def test_an_unreadable_file_is_refused_with_the_line(file, text, message):
    with pytest.raises(FileError) as refusal:
        file(text)
    assert str(refusal.value).startswith(message)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "Pulumi.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(FileError, match=r"^Pulumi\.yaml: not readable as YAML"):
        YamlFile.read(tmp_path / "Pulumi.yaml")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"^Pulumi\.yaml: No such file"):
        YamlFile.read(tmp_path / "Pulumi.yaml")


def test_a_sealed_value_opens_with_the_passphrase_alone():
    sealer = Sealer("rehearsal")
    version, salt, *proof = sealer.salt.split(":")
    key = hashlib.pbkdf2_hmac("sha256", b"rehearsal", base64.b64decode(salt), 1_000_000)

    def unlock(version, nonce, text):
        assert version == "v1"
        nonce, text = base64.b64decode(nonce), base64.b64decode(text)
        return AESGCM(key).decrypt(nonce, text, None).decode()

    assert version == "v1"
    assert unlock(*proof) == "pulumi"
    sealed = sealer.seal("geheim ü")["secure"]
    assert unlock(*sealed.split(":")) == "geheim ü"
    assert sealer.seal("geheim ü")["secure"] != sealed
