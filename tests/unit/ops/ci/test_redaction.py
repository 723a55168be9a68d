"""What must never be in a comment is taken out, whatever stands around it."""

from __future__ import annotations

import base64
import ipaddress
import json
import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.ci.redaction import redact

LOWER = string.ascii_lowercase
ALPHANUMERIC = string.ascii_letters + string.digits

words = st.text(LOWER + " ,.\n", max_size=30)
accounts = st.text(string.digits, min_size=12, max_size=12)
regions = st.sampled_from(["eu-central-1", "us-east-1", "cn-north-1", ""])
names = st.text(LOWER, min_size=1, max_size=12)
wraps = st.sampled_from(["{}", '"{}"', "'{}'", "`{}`", "({})", "error: {}.", "<{}>"])


def random_text(alphabet: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


arns = st.builds(
    lambda partition, service, region, account, name: (
        f"arn:{partition}:{service}:{region}:{account}:role/{name}"
    ),
    st.sampled_from(["aws", "aws-cn", "aws-us-gov"]),
    st.sampled_from(["iam", "rds", "kms", "secretsmanager", "s3"]),
    regions,
    accounts,
    names,
)
ids = st.one_of(
    st.uuids().map(str),
    st.builds(
        lambda kind, number: f"{kind}-0{number:016x}",
        st.sampled_from(["vpc", "subnet", "sg", "eni", "fs", "nat"]),
        st.integers(0, 2**64 - 1),
    ),
)
tokens = st.one_of(
    st.builds(
        lambda start, rest: start + rest,
        st.sampled_from(["AKIA", "ASIA"]),
        random_text(string.ascii_uppercase + string.digits, 16, 16),
    ),
    st.builds(
        lambda start, rest: start + rest,
        st.sampled_from(["ghp_", "gho_", "ghs_", "github_pat_", "npm_"]),
        random_text(ALPHANUMERIC, 22, 40),
    ),
    random_text("0123456789abcdef", 40, 40).map(lambda rest: f"pul-{rest}"),
    random_text(ALPHANUMERIC, 24, 40).map(lambda rest: f"sk-proj-{rest}"),
    random_text(ALPHANUMERIC, 35, 35).map(lambda rest: f"AIza{rest}"),
    st.builds(
        lambda team, rest: f"xoxb-{team}-{rest}",
        st.integers(10**10, 10**11),
        random_text(ALPHANUMERIC, 24, 24),
    ),
)
secrets = (
    st.binary(min_size=32, max_size=64)
    .map(lambda raw: base64.b64encode(raw).decode())
    # One in a thousand has no digit, and is then told from a word by nothing.
    .filter(lambda text: any(map(str.isdigit, text)))
)


@st.composite
def jwts(draw: st.DrawFn) -> str:
    def part(content: object) -> str:
        raw = json.dumps(content).encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    signature = base64.urlsafe_b64encode(draw(st.binary(min_size=32, max_size=32)))
    header, payload = part({"alg": "HS256"}), part({"sub": draw(names)})
    return f"{header}.{payload}.{signature.decode().rstrip('=')}"


passwords = random_text(ALPHANUMERIC + "!#$%*+-._~", 8, 40)
connections = st.builds(
    lambda scheme, user, password, host, port: (
        f"{scheme}://{user}:{password}@{host}.internal:{port}/app?sslmode=require"
    ),
    st.sampled_from(["postgresql", "postgres", "rediss", "amqp", "mysql+pymysql"]),
    names,
    passwords,
    names,
    st.integers(1, 65535),
)


@given(words, wraps, st.one_of(arns, ids, tokens, jwts(), connections), words)
def test_nothing_of_it_is_left(before: str, wrap: str, value: str, after: str) -> None:
    said = redact(f"{before} {wrap.format(value)} {after}")
    assert value not in said
    assert said.startswith(before)
    for part in value.replace("/", ":").split(":"):
        if len(part) > 15:
            assert part not in said


@given(accounts, wraps)
def test_accounts_are_taken_out(account: str, wrap: str) -> None:
    assert account not in redact(f"in {wrap.format(account)} today")


@given(secrets, st.sampled_from(["{}", "key {}", "x={}", '{{"v": "{}"}}', "`{}`"]))
def test_long_secrets_are_taken_out(secret: str, wrap: str) -> None:
    said = redact(wrap.format(secret))
    # Base64 with a slash or a plus is one secret still.
    assert secret not in said
    assert secret[:16] not in said
    assert secret.rstrip("=")[-16:] not in said


@given(
    st.sampled_from(
        [
            *("password={}", "PGPASSWORD={}", 'db_password: "{}"', "'secret': '{}'"),
            *("api-key={} host=x", "Authorization: Bearer {}", "token = {}"),
            *("authorization: token {}", "--db-password {} now", "secret => {}"),
            *("password: |\n  {}\n", "token:\n  {}\n", "secret=`{}`", "secret=<{}>"),
            *('password: "aa" => "{}"', "Set-Cookie: id={}; Path=/", "PASSWORD%3D{}"),
            *("\x1b[31mpassword\x1b[0m=\x1b[1m{}", "app:{}@localhost:5432/app"),
        ]
    ),
    random_text(ALPHANUMERIC + "!#$%*+-._~/", 8, 20),
)
def test_what_is_given_by_name_is_taken_out(form: str, value: str) -> None:
    assert value not in redact(form.format(value))


printable = st.text(
    st.characters(min_codepoint=32, max_codepoint=126), min_size=8, max_size=30
).filter(lambda text: text.strip() == text and len(set(text)) > 4)


@given(printable, st.sampled_from(["password", "DB_PASSWORD", "apiKey", "privateKey"]))
def test_what_json_holds_by_name_is_taken_out_whole(value: str, name: str) -> None:
    """Whatever is in it: spaces, commas, quotes; and it stays JSON."""
    said = redact(json.dumps({name: value, "port": 5432}))
    assert json.loads(said) == {name: "[secret]", "port": 5432}


@given(connections, arns, st.sampled_from([None, 2]))
def test_json_stays_json(connection: str, arn: str, indent: int | None) -> None:
    told = {"url": connection, "role": [arn], "port": 5432}
    said = redact(json.dumps(told, indent=indent))
    assert json.loads(said) == {"url": "[url]", "role": ["[arn]"], "port": 5432}


@given(passwords.filter(lambda text: "%" not in text))
def test_json_within_json_hides_nothing(value: str) -> None:
    assert value not in redact(json.dumps({"said": json.dumps({"password": value})}))


@given(connections, st.sampled_from(["", "?next=", "connect to "]))
def test_what_is_encoded_for_an_address_is_taken_out(value: str, before: str) -> None:
    said = redact(before + quote(value, safe=""))
    assert said.endswith("[url]")
    assert "%40" not in said


@given(arns)
def test_an_encoded_arn_is_taken_out(value: str) -> None:
    assert redact(f"role%3D{quote(value, safe='')} denied") == "role%3D[arn] denied"


@given(connections)
def test_base64_of_a_connection_is_taken_out(value: str) -> None:
    text = base64.b64encode(value.encode()).decode()
    assert text[:24] not in redact(f"DSN is {text}.")


@given(st.ip_addresses().map(str))
def test_addresses_are_taken_out(address: str) -> None:
    said = redact(f"refused by {address} at once")
    if ipaddress.ip_address(address).is_unspecified:
        assert address in said
    else:
        assert said == "refused by [ip] at once"


@given(st.emails(domains=st.just("example.org")).filter(lambda e: e[0] not in "'`"))
def test_mail_addresses_are_taken_out(address: str) -> None:
    assert "@" not in redact(f"told {address} of it")


@given(
    st.lists(
        st.one_of(arns, ids, tokens, secrets, connections, jwts(), words, passwords),
        max_size=6,
    )
)
def test_taking_out_twice_changes_nothing(parts: list[str]) -> None:
    once = redact(" ".join(parts))
    assert redact(once) == once


@given(st.text(max_size=200))
def test_any_text_is_taken_and_twice_is_as_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("see https://hooks.slack.com/services/T0/B0/x", "see [url]"),
        ("s3://stromhaltig-state", "[url]"),
        ("app.abc123.eu-central-1.rds.amazonaws.com:5432", "[host]:5432"),
        ("APP.ABC123.EU-CENTRAL-1.RDS.AMAZONAWS.COM", "[host]"),
        ("ip-10-0-3-7.eu-central-1.compute.internal, ip-10-0-3-7", "[host], [host]"),
        ("zone Z08345672ABCDEFGHIJKL, E1A2B3C4D5E6F7", "zone [id], [id]"),
        ("account 2109-8765-4321", "account [account]"),
        ("told root@localhost", "told [email]"),
        ("open to 0.0.0.0/0 and 10.0.0.0/16", "open to 0.0.0.0/0 and [ip]/16"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
            "[secret]",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIE, and it was cut", "[secret]"),
        (f"app@sha256:{'0a' * 32}", "app@sha256:0a0a0a0a0a0a"),
    ],
)
def test_what_is_left_says_what_it_was(text: str, left: str) -> None:
    assert redact(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "stromhaltig-production-database-connections-alarm",
        "aws:s3/bucketServerSideEncryptionConfiguration:"
        "BucketServerSideEncryptionConfiguration app-uploads",
        "aws:secretsmanager/secret:Secret JWT_SECRET",
        "random:index/randomPassword:RandomPassword master",
        "Pulumi.production.yaml in eu-central-1: service.desired_count 2 -> 3",
        "392.20 USD a month, 123 of 140 policies apply: 110 hold",
        "CloudFront.1 high: what is asked for is not there",
        "containerDefinitions, vpcConfig.0.subnetIds",
        "ghcr.io/stromdao/stromhaltig:1.2.0@sha256:0a0a0a0a0a0a",
        "ELASTICACHE, ZONE_REDUNDANT, EXAMPLE2",
    ],
)
def test_names_stay(text: str) -> None:
    assert redact(text) == text
