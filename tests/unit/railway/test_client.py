"""The client: what it asks, when it asks again, and what it says of failures."""

from __future__ import annotations

import email.utils
import json
import socket
import time

import pytest

from components.railway import client as clients
from components.railway import operations as ops
from components.railway.client import (
    Client,
    ExistsError,
    NotFoundError,
    RailwayError,
    RateLimitedError,
    UnauthorizedError,
    UncertainError,
    ensure,
)
from rehearsal.railway_server import Fault
from tests.unit.railway.conftest import TOKEN

READ = (ops.PROJECTS, {})
CREATE = (ops.PROJECT_CREATE, {"input": {"name": "stromhaltig"}})


def failure(client, call=READ, **more):
    with pytest.raises(RailwayError) as raised:
        client.call(*call, **more)
    return raised.value


def test_an_operation_returns_what_its_field_says(client):
    made = client.call(*CREATE)

    assert client.call(ops.PROJECT, {"id": made["id"]})["name"] == "stromhaltig"


@pytest.mark.parametrize(
    ("owner", "header", "value"),
    [
        ("account", "Authorization", f"Bearer {TOKEN}"),
        ("project", "Project-Access-Token", TOKEN),
    ],
)
def test_the_token_goes_into_the_header_of_its_kind(server, owner, header, value):
    with Client(TOKEN, owner=owner, endpoint=server.endpoint) as client:
        client.call(*READ)

    [request] = server.requests
    assert request.headers[header] == value
    other = {"Authorization", "Project-Access-Token"} - {header}
    assert not other & request.headers.keys()


@pytest.mark.parametrize("call", [READ, CREATE], ids=["read", "create"])
def test_too_many_requests_are_repeated_after_the_time_that_railway_names(
    client, server, pauses, call
):
    server.order(Fault(status=429, retry_after="7", times=2))
    client.call(*call)

    assert pauses == [7, 7]
    assert len(server.requests) == 3
    assert len(server.model.projects) == (call is CREATE)


def test_the_time_may_be_a_moment(client, server, pauses):
    moment = email.utils.formatdate(time.time() + 20, usegmt=True)
    server.order(Fault(status=429, retry_after=moment))
    client.call(*READ)

    assert 15 < pauses[0] <= 20


@pytest.mark.parametrize("retry_after", [None, "soon", ""])
def test_without_a_time_the_pauses_grow(client, server, pauses, retry_after):
    server.order(Fault(status=429, retry_after=retry_after, times=4))
    client.call(*READ)

    assert pauses == [1, 2, 4, 8]


@pytest.mark.parametrize(
    "message",
    [
        "You are creating projects too quickly",
        "Whoa there pal! try again in a sec",
        "Only one environment can be created per user every 30s",
    ],
)
def test_a_limit_that_comes_as_a_graphql_error_is_waited_for(
    client, server, pauses, message
):
    server.order(Fault(message=message, times=5))
    client.call(*CREATE)

    assert sum(pauses) > 30
    assert len(server.model.projects) == 1


def test_a_limit_that_lasts_an_hour_is_not_waited_for(client, server, pauses):
    server.order(Fault(status=429, retry_after="1800"))
    error = failure(client)

    assert isinstance(error, RateLimitedError)
    assert pauses == []
    assert str(error) == (
        "Railway, projects: too many requests. Run it again in 1800 s, which goes on "
        "with what is there; a larger plan allows more requests."
    )


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_is_repeated_after_an_error_of_the_server(
    client, server, pauses, status
):
    server.order(Fault(status=status, times=3))
    client.call(*READ)

    assert pauses == [1, 2, 4]


def test_a_read_is_given_up_in_the_end(client, server, pauses):
    server.order(Fault(status=503, times=99))
    error = failure(client)

    assert len(server.requests) == clients.ATTEMPTS
    assert len(pauses) == clients.ATTEMPTS - 1
    assert "Railway, projects: answered HTTP 503" in str(error)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=0),
        Fault(silence=1.5, status=0),
        Fault(message="Failed to create custom domain, please try again"),
    ],
    ids=["error", "broken", "silence", "try-again"],
)
def test_a_creation_of_uncertain_end_is_not_repeated_blindly(
    client, server, pauses, fault
):
    server.order(fault)
    error = failure(client, CREATE)

    assert isinstance(error, UncertainError)
    assert len(server.requests) == 1
    assert "Perhaps it was carried out all the same" in str(error)


def test_a_broken_connection_is_no_matter_to_a_read(client, server, pauses):
    server.order(Fault(status=0, times=2))
    client.call(*READ)

    assert pauses == [1, 2]


def test_a_server_that_is_not_there_is_said_with_its_address(pauses):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/graphql/v2"
        with Client(TOKEN, endpoint=address) as client:
            error = failure(client, CREATE)

    assert f"{address} cannot be reached" in str(error)
    assert "Nothing was changed" in str(error)
    assert len(pauses) == clients.ATTEMPTS - 1


@pytest.mark.parametrize(
    "address", ["", "nonsense", "ftp://127.0.0.1", "http://127.0.0.1:port/"]
)
def test_an_endpoint_that_is_no_address_is_said_at_once(pauses, address):
    with Client(TOKEN, endpoint=address) as client:
        assert f'"{address}" is no address of an API' in str(failure(client))
    assert pauses == []


@pytest.mark.parametrize("token", ["", "two words", "a-line\n", "größe"])
def test_what_cannot_be_a_token_is_refused_and_not_shown(token):
    with pytest.raises(UnauthorizedError) as raised:
        Client(token)
    assert not token or token not in str(raised.value)


@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_that_is_not_of_the_api_is_said(client, server, status):
    server.order(Fault(status=status))

    assert f"answered HTTP {status} without JSON. Is http://127.0.0.1:" in str(
        failure(client)
    )


def test_a_token_that_is_refused_is_said_with_the_remedy(server, pauses):
    with Client("another", endpoint=server.endpoint) as client:
        error = failure(client)

    assert isinstance(error, UnauthorizedError)
    assert "Not Authorized. The token is wrong" in str(error)
    assert "railway.com/account/tokens" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_by_status_is_the_same(client, server, status):
    server.order(Fault(status=status))

    assert isinstance(failure(client), UnauthorizedError)


def test_what_does_not_exist_is_an_error_of_its_own(client):
    error = failure(client, (ops.PROJECT, {"id": "none"}))

    assert isinstance(error, NotFoundError)
    assert str(error) == "Railway, project: Project not found"


def test_what_the_plan_does_not_allow_is_said(client, server):
    server.order(Fault(message="Upgrade to add replicas", code="PLAN_LIMIT"))

    assert str(failure(client)).endswith(
        "Upgrade to add replicas. The workspace's plan does not allow it."
    )


def test_a_missing_workspace_is_said_with_where_to_find_it(client, server):
    server.order(Fault(message="You must specify a workspaceId", code="BAD_USER_INPUT"))

    assert "its id is in the dashboard" in str(failure(client, CREATE))


def test_a_query_that_railway_does_not_know_is_said(client):
    wrong = clients.Operation(name="nonsense", text="query nonsense { nonsense }")

    assert "Cannot query field 'nonsense'" in str(failure(client, (wrong, {})))


def test_neither_the_token_nor_a_secret_is_in_a_message(client, server):
    told = f"got invalid value s3cret for {TOKEN} and s3cret-longer"
    server.order(Fault(message=told))
    text = str(failure(client, secrets=["s3cret", "s3cret-longer", ""]))

    assert text == (
        "Railway, projects: got invalid value [secret] for [secret] and [secret]"
    )


def test_a_secret_within_json_is_in_no_message_either(client, server):
    secret = 'a "quoted"\nword'
    server.order(Fault(message=f"invalid value {json.dumps({'A': secret})}"))

    assert str(failure(client, secrets=[secret])).endswith('value {"A": "[secret]"}')


def made():
    return {"id": "it"}


def test_what_is_found_is_not_made():
    assert ensure(made, lambda: pytest.fail("made again")) == made()


def test_what_is_not_found_is_made_once():
    assert ensure(lambda: None, made) == made()


def test_what_was_made_although_it_failed_is_found_and_not_made_again():
    looks = iter([None, made()])
    tries = []

    def create():
        tries.append(1)
        raise UncertainError

    assert ensure(lambda: next(looks), create) == made()
    assert len(tries) == 1


def test_what_was_not_made_is_made_again():
    ends = iter([UncertainError("no answer"), None])

    def create():
        if error := next(ends):
            raise error
        return made()

    assert ensure(lambda: None, create) == made()


@pytest.mark.parametrize(("kind", "tries"), [(UncertainError, 3), (ExistsError, 1)])
def test_what_cannot_be_made_is_given_up(kind, tries):
    seen = []

    def create():
        seen.append(1)
        raise kind

    with pytest.raises(kind):
        ensure(lambda: None, create)
    assert len(seen) == tries
