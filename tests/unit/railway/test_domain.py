"""A domain of a service on Railway."""

from __future__ import annotations

from components.railway.domain import Domain, DomainArgs
from tests.unit.railway.test_service import PLACE

DOMAIN = "pulumi-python:dynamic/railway:Domain"


def domain(**args):
    args = {"place": PLACE, "service_id": "the-service", "port": 3001} | args
    return Domain("domain", DomainArgs(**args))


def test_the_operators_domain_leads_to_the_port(graph):
    outputs = graph.build(lambda: domain(name="stromhaltig.example"))
    made = graph.one(DOMAIN)

    assert made["domain_name"] == "stromhaltig.example"
    assert made["service_id"] == "the-service"
    assert made["port"] == 3001
    assert outputs["url"] == "https://stromhaltig.example"
    assert {record["type"] for record in outputs["dns_records"]} == {"CNAME", "TXT"}


def test_without_a_name_railway_makes_one_up(graph):
    outputs = graph.build(domain)

    assert "domain_name" not in graph.one(DOMAIN).inputs
    assert outputs["url"].endswith(".up.railway.app")
    assert outputs["dns_records"] == []
