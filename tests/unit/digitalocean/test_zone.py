"""A domain of the account: known, missing, or nobody can tell."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from components.digitalocean.zone import owned_zone
from tests.graph import Graph

DOMAIN = "digitalocean:index/getDomain:getDomain"


class Refusal(grpc.RpcError):
    """What the engine says when a provider could not answer."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)


def refusing(graph: Graph, why: str) -> None:
    def answer(_: dict[str, Any]) -> dict[str, Any]:
        raise Refusal(why)

    graph.answers[DOMAIN] = answer


def test_a_domain_of_the_account_is_its_name(graph):
    assert graph.build(lambda: owned_zone("stromhaltig.de")) == "stromhaltig.de"
    assert graph.invokes == [(DOMAIN, {"name": "stromhaltig.de"})]


def test_one_that_the_account_does_not_have_is_told_apart(graph):
    refusing(graph, "domain not found: GET /v2/domains/stromhaltig.de: 404")
    with pytest.raises(LookupError, match=r'^"stromhaltig.de" is no domain of the acc'):
        graph.build(lambda: owned_zone("stromhaltig.de"))


def test_trouble_is_passed_on(graph):
    refusing(graph, "Error retrieving domain: GET /v2/domains: 503")
    with pytest.raises(Exception, match="503") as failure:
        graph.build(lambda: owned_zone("stromhaltig.de"))
    assert not isinstance(failure.value, LookupError)
