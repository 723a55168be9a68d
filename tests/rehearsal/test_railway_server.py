"""The loopback Railway: it knows its schema, and fails when it is told to."""

from __future__ import annotations

import httpx
import pytest

from rehearsal.railway_server import Fault, RailwayServer

TOKEN = "the-token-of-the-test"
PROJECTS = "query projects { projects { edges { node { name } } } }"
CREATE = """mutation projectCreate($input: ProjectCreateInput!) {
  projectCreate(input: $input) { id }
}"""


@pytest.fixture
def server():
    with RailwayServer(TOKEN) as running:
        yield running


def ask(server, query, variables=None, token=TOKEN, timeout=5):
    name = query.split("(")[0].split("{")[0].split()[1]
    return httpx.post(
        server.endpoint,
        json={"query": query, "operationName": name, "variables": variables},
        headers={"Authorization": f"Bearer {token}"},
        timeout=timeout,
    )


def errors(answer):
    return [
        (error["extensions"]["code"], error["message"])
        for error in answer.json()["errors"]
    ]


def test_what_is_made_is_there(server):
    ask(server, CREATE, {"input": {"name": "stromhaltig"}})
    answer = ask(server, PROJECTS).json()

    assert answer["data"]["projects"]["edges"] == [{"node": {"name": "stromhaltig"}}]
    assert [request.operation for request in server.requests] == [
        "projectCreate",
        "projects",
    ]


@pytest.mark.parametrize(
    ("query", "variables", "said"),
    [
        ("query me { me { name } }", None, "Cannot query field 'me'"),
        (PROJECTS.replace("name", "nmae"), None, "Did you mean 'name'"),
        (CREATE, {"input": {"nmae": "x"}}, "Did you mean 'name'"),
        (CREATE, {}, "non-null type 'ProjectCreateInput!'"),
        ("query broken {", None, "Syntax Error"),
    ],
)
def test_what_is_not_of_the_schema_is_refused(server, query, variables, said):
    answer = ask(server, query, variables)

    assert answer.status_code == 200
    assert said in errors(answer)[0][1]
    assert server.model.projects == []


def test_another_token_is_refused_as_railway_does(server):
    answer = ask(server, PROJECTS, token="another")

    assert answer.status_code == 200
    assert errors(answer) == [("INTERNAL_SERVER_ERROR", "Not Authorized")]


def test_a_fault_befalls_its_operation_as_often_as_it_was_ordered(server):
    server.order(Fault(operation="projects", status=429, retry_after="3", times=2))

    assert "data" in ask(server, CREATE, {"input": {}}).json()
    answers = [ask(server, PROJECTS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "3"


@pytest.mark.parametrize("done", [False, True])
def test_a_failed_request_was_carried_out_or_not(server, done):
    server.order(Fault(message="broken", code="ODD", done=done))

    assert errors(ask(server, CREATE, {"input": {}})) == [("ODD", "broken")]
    assert len(server.model.projects) == done


def test_a_connection_breaks(server):
    server.order(Fault(status=0))

    with pytest.raises(httpx.RemoteProtocolError):
        ask(server, PROJECTS)


def test_an_answer_does_not_come_in_time(server):
    server.order(Fault(silence=0.5))

    with pytest.raises(httpx.ReadTimeout):
        ask(server, PROJECTS, timeout=0.1)


def test_faults_can_be_called_off(server):
    server.order(Fault(times=99))
    server.recover()

    assert ask(server, PROJECTS).status_code == 200
