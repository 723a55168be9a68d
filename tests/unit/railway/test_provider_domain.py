"""Domains: the operator's with their DNS records, and Railway's own."""

from __future__ import annotations

import pytest

from components.railway.client import ExistsError, RailwayError
from components.railway.provider.domain import DomainProvider
from rehearsal.railway_server import Fault
from tests.unit.railway.conftest import Driven

NAME = "stromhaltig.example"


@pytest.fixture
def custom(here):
    return Driven(DomainProvider(), {**here, "domain_name": NAME, "port": 3001})


@pytest.fixture
def railways(here):
    return Driven(DomainProvider(), {**here, "port": 3001})


@pytest.fixture(params=["custom", "railways"])
def domain(request):
    return request.getfixturevalue(request.param)


def domains(server):
    return server.model.service("app").domains


def test_a_domain_leads_to_the_port(domain, server):
    domain.up()

    [made] = domains(server)
    assert made["targetPort"] == 3001
    assert domain.outs["domain"] == made["domain"]


def test_an_unchanged_domain_is_left_alone(domain):
    domain.up()

    assert domain.up() == "same"
    assert domain.refresh() == set()
    assert domain.up() == "same"


def test_another_port_is_an_update(domain, server):
    domain.up()

    assert domain.up(port=3002) == "update"
    assert domains(server)[0]["targetPort"] == 3002
    assert domain.up() == "same"


def test_a_port_that_somebody_changed_is_changed_back(domain, server):
    domain.up()
    domains(server)[0]["targetPort"] = None

    assert domain.refresh() == {"port"}
    assert domain.up() == "update"
    assert domains(server)[0]["targetPort"] == 3001


def test_the_operator_is_told_what_to_enter_at_the_dns_provider(custom, server):
    custom.up()
    status = domains(server)[0]["status"]

    assert custom.outs["dns_records"] == [
        {
            "type": "CNAME",
            "name": NAME,
            "value": status["dnsRecords"][0]["requiredValue"],
        },
        {
            "type": "TXT",
            "name": f"_railway-verify.{NAME}",
            "value": status["verificationToken"],
        },
    ]


def test_railways_own_domain_asks_for_no_record(railways):
    railways.up()

    assert railways.outs["dns_records"] == []
    assert railways.outs["domain"].endswith(".up.railway.app")


def test_both_kinds_stand_side_by_side(custom, railways, server):
    railways.up()
    custom.up()

    assert len(domains(server)) == 2
    railways.down()
    assert [domain["domain"] for domain in domains(server)] == [NAME]


@pytest.mark.parametrize(
    "key", ["domain_name", "service_id", "project_id", "environment_id"]
)
def test_another_name_or_service_is_another_domain(custom, key):
    custom.up()

    assert custom.up(**{key: "other"}) == f"replace: {key}"


def test_a_domain_that_is_somebody_elses_is_said(custom, server):
    server.model.taken.add(NAME)

    with pytest.raises(ExistsError, match=f"{NAME} is already in use. Choose another"):
        custom.up()


def test_a_domain_that_is_none_is_said(custom, server):
    told = f"{NAME} is not a valid domain"
    server.order(Fault(operation="customDomainCreate", message=told))

    with pytest.raises(RailwayError, match=r"valid domain\. Check the name"):
        custom.up()


def test_a_domain_whose_creation_got_no_answer_is_not_made_twice(domain, server):
    server.order(Fault(operation="customDomainCreate", status=0, done=True))
    server.order(Fault(operation="serviceDomainCreate", status=0, done=True))

    assert domain.up() == "create"
    assert len(domains(server)) == 1


def test_a_domain_that_is_found_in_other_letters_is_the_same(custom, server):
    custom.up()
    domains(server)[0]["domain"] = NAME.upper()
    custom.id, custom.outs = None, {}

    assert custom.up() == "create"
    assert len(domains(server)) == 1


def test_a_deleted_domain_is_forgotten(domain, server):
    domain.up()
    domains(server).clear()

    assert domain.refresh() == {"gone"}


def test_domains_of_a_service_that_is_gone_are_forgotten(domain, server):
    domain.up()
    server.model.projects[0].services.clear()

    assert domain.refresh() == {"gone"}


def test_a_domain_is_deleted(domain, server):
    domain.up()
    domain.down()

    assert domains(server) == []


def test_a_domain_is_known_by_its_id_alone(domain, here, server):
    domain.up()
    id_, wanted = domain.id, domains(server)[0]
    domain.id, domain.outs = None, {}
    domain.take(id_)

    assert domain.up() == "same"
    assert domains(server) == [wanted]
